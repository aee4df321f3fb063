// Package store keeps everything the gateway knows in one bbolt file: accounts, messages, the queue, receipts that wait
// for a receiver, and texts from phones. Its promise: nothing accepted is lost, nothing is sent twice behind the
// operator's back, every answer is true (delivery-semantics).
//
// An exported method is one transaction and one verb of the flow. It returns when its effect is on disk; readers never
// see what is not on disk yet. A single writer commits whatever waits together (writer.go).
//
// The buckets. Integers are big endian; times are milliseconds since 1970; a line (a SIM) is its length in one octet
// and its name. Values are a version octet, the payload, and a CRC-32C over bucket name, key, version and payload. Rows
// without a value are indexes of the messages; txn.save alone writes them.
//
//	bucket    key                                  value                         order
//	meta      "format", "clock", "lives", "erased" format number; highest time;  -
//	                                               restores in the file's past;
//	                                               since when what was deleted
//	                                               may be found in free pages
//	accounts  Account Key                          Account as JSON               by key
//	lanes     lane 4                               Account Key                   age of the account
//	messages  id 8                                 Message                       acceptance
//	gone      id 8                                 lane                          acceptance
//	queue     lane 4, rank 1, id 8                 -                             turn within the lane
//	later     lane 4, id 8                         -                             acceptance
//	timers    time 8 (whole seconds), id 8         -                             time
//	claims    line                                 id, part; whether it counts   -
//	                                               in usage; the try before, if it
//	                                               is in doubt
//	lines     line                                 last TP-MR, reports, time     -
//	reports   line, TP-MR 1, time of claim 8,      -                             time of claim
//	          id 8, part 1; with an empty line before
//	          the line and no TP-MR, if that is unknown
//	orphans   line, TP-MR 1, seq 8                 Report, time received         reception
//	outbox    lane 4, seq 8                        ReceiptRow or Inbound         order of delivery
//	inbound   seq 8                                Inbound                       reception
//	seen      digest 16 of an Inbound              time received, seq            -
//	counts    lane 4                               messages in each state        -
//	pins      digest of SIM and PIN                -                             -
//	modems    name in the configuration            ModemState as JSON            by name
//	usage     line                                 begin of minute, hour, day,   -
//	                                               month; how much was sent in it
//	contacts  line, month 4, digest 8 of a number  texts to it                   month
//	fragments "p", digest 16 of what the parts of  time of the first part,       -
//	          a long text have in common, number 1 Inbound
//	          "a", line, time 8 of the first part, -                             time of the first part
//	          digest 16
//	          "n", line                            how many texts wait           -
//	doubts    line                                 id, part: the last uncertain  -
//	                                               one; time of the claim after it
//	quotas    lane 4                               begin of day and month; how   -
//	                                               many parts were taken in since
//	resubmits "k", lane 4, user_message_reference  id of the first message, time -
//	          2, digest 16 of the content          of acceptance, end of the window,
//	                                               Once.Note, digest 16 of what each
//	                                               message says
//	          "t", time 8 when that row goes, the  -                             time
//	          rest of its key
//
// A message has at most one row in timers: when it next changes by itself. A message that waits is either in queue
// (due) or in later. Buckets messages, accounts, inbound and outbox use their bbolt sequences for ids, lanes and seqs.
package store

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// bucket is an index into bucketNames.
type bucket int

const (
	bMeta bucket = iota
	bAccounts
	bLanes
	bMessages
	bGone
	bQueue
	bLater
	bTimers
	bClaims
	bLines
	bReports
	bOrphans
	bOutbox
	bInbound
	bSeen
	bCounts
	bPINs
	bModems
	bUsage
	bContacts
	bFragments
	bDoubts
	bQuotas
	bResubmits
	numBuckets
)

var bucketNames = [numBuckets]string{
	"meta", "accounts", "lanes", "messages", "gone", "queue", "later", "timers", "claims", "lines", "reports", "orphans",
	"outbox", "inbound", "seen", "counts", "pins", "modems", "usage", "contacts", "fragments", "doubts", "quotas",
	"resubmits",
}

// UncertainPolicy is what becomes of an uncertain part when no evidence has come (delivery-semantics, section 6).
type UncertainPolicy string

// The policies.
const (
	PolicyReport UncertainPolicy = "report" // Unknown, with a receipt
	PolicyNever  UncertainPolicy = "never"  // likewise; suspect answers count as uncertain, too
	PolicyResend UncertainPolicy = "resend" // sent once more, marked as possible duplicate
)

// Options are the store's settings. The zero value of each has the default named.
type Options struct {
	Keep          time.Duration // how long a message is kept after its send event, or its end if that is later; 24 h
	Tombstone     time.Duration // how long after that its id is still known as ours; 30 days
	UncertainWait time.Duration // how long evidence about an uncertain part is awaited; 15 min
	// EvidenceWait is how long after Open no doubt from before ends, though its wait is over: what came while nobody
	// listened is read first. 0: none.
	EvidenceWait time.Duration
	InboundWait  time.Duration   // how long the parts of a long text from a phone are waited for; 1 h
	ReportGrace  time.Duration   // how long after validity a missing report is given up; 2 h
	Uncertain    UncertainPolicy // of accounts that name none; PolicyReport

	// Reserve is the room on disk, in octets, that is left free: with less, Enqueue and Receive answer ErrDiskFull, unless
	// much is free within the file. 64 MiB, or an eighth of a smaller disk; below 0: none. What outcomes, cancels and
	// receipts need is held in the file itself: see disk.
	Reserve int64
	// MaxSize is how large the file may become, the Reserve included, before they answer so; 0: no limit.
	MaxSize int64

	// Route names the account that gets a text from a phone, "" for none. Of a part of a long one it is to look at modem
	// and sender alone, and sure is false if the text may decide otherwise. accounts gives all, the oldest first, and reads
	// them one by one: there may be very many. The store's writer calls it: it must not call the DB.
	Route func(in *Inbound, accounts iter.Seq[Account], part bool) (key string, sure bool)

	Log *slog.Logger
	// Notify is called by the writer after each commit that changed something others wait for. It must not block, nor
	// call the DB.
	Notify func(Change)
	// Limits hold for accounts that have none of their own.
	Limits QueueLimits
	// Zone is where days begin that are counted; default time.Local.
	Zone *time.Location
	// Monotonic is a clock that nobody sets, counted from any moment; tests make their own. Default: the process's.
	Monotonic func() time.Duration
}

// Change says what a commit made worth looking at.
type Change struct {
	Queue  bool     // a message became due
	Back   []Place  // those of them that stand in the queue before its end: see Bookmark
	Timers bool     // Tick has something to do earlier than it said
	Outbox []uint32 // lanes with new rows; may name one twice

	accounts bool // what is known of accounts is old
}

func (o Options) withDefaults() Options {
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.Tombstone == 0 {
		o.Tombstone = 30 * 24 * time.Hour
	}
	if o.UncertainWait == 0 {
		o.UncertainWait = 15 * time.Minute
	}
	if o.InboundWait == 0 {
		o.InboundWait = time.Hour
	}
	if o.ReportGrace == 0 {
		o.ReportGrace = 2 * time.Hour
	}
	if o.Uncertain == "" {
		o.Uncertain = PolicyReport
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notify == nil {
		o.Notify = func(Change) {}
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Monotonic == nil {
		start := time.Now()
		o.Monotonic = func() time.Duration { return time.Since(start) }
	}
	return o
}

// DB is the open file. All methods may be called from any goroutine.
type DB struct {
	path  string
	opt   Options
	log   *slog.Logger
	files handles
	w     writer

	compactor compactor

	accounts    accountCache
	inForce     atomic.Pointer[Settings]
	opened      time.Duration // by the monotonic clock
	highest     atomic.Int64  // see HighestTime, ms
	recovered   atomic.Int64  // when Recover was called, ms
	mostWaiting int           // long texts of a line that may wait for parts

	dropFrom uint32 // where DropOutbox goes on; 0: from the first lane

	damage damages
}

// Open opens the file at path, or creates it there; its directory must exist. Errors: ErrLocked, ErrDamaged, ErrNewer,
// each in a sentence that names the file and says what to do, and those of the file system. A file that can't be opened
// is left exactly as it is.
func Open(path string, opt Options) (*DB, error) {
	opt = opt.withDefaults()
	db := &DB{path: path, opt: opt, log: opt.Log, opened: opt.Monotonic(), mostWaiting: mostWaiting}
	db.inForce.Store(opt.settings())
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := create(path, time.Now()); err != nil {
			return nil, fmt.Errorf("create the store %s: %w", path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("open the store: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open the store: %s is not a regular file", path)
	case info.Size() == 0:
		// bbolt would make a new database of it, and what was in it would be forgotten without a word.
		return nil, db.damaged("it is empty")
	}
	if err := db.open(); err != nil {
		return nil, err
	}
	removeLeftovers(path, db.log)
	db.w.start(db)
	return db, nil
}

// open opens the existing file and looks whether it is ours and whole, as far as that can be told without reading all
// of it.
func (db *DB) open() (err error) {
	h := new(handle)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a pointer in the file may lead outside of it
	defer func() {
		if p := recover(); p != nil {
			err = db.damaged(panicSays(p))
		}
		if err != nil {
			h.abandon()
		}
	}()
	err = openAt(db.path, h)
	var system *os.PathError
	var number syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("open the store: %s: %w: stop the other one first", db.path, ErrLocked)
	case errors.As(err, &system), errors.As(err, &number):
		return fmt.Errorf("open the store %s: %w", db.path, err)
	case err != nil: // what bbolt says of its own does not like the contents
		return db.damaged(err.Error())
	}
	found, err := inspect(h.file, time.Now().Add(inspectFor), inspectLeast, db.log.With("file", db.path))
	if err != nil {
		return db.damaged(err.Error())
	}
	// What a killed process left in the page cache is visible, but perhaps not on disk; from here on it is. So is its name.
	if err := errors.Join(h.file.Sync(), syncNames(db.path)); err != nil {
		return fmt.Errorf("open the store %s: %w", db.path, err)
	}
	format := uint32(0)
	if err := h.bolt.View(func(tx *bolt.Tx) (err error) {
		format, err = db.check(tx)
		return err
	}); err != nil {
		return err
	}
	if format < formatVersion {
		if err := db.migrate(h.bolt, format); err != nil {
			return err
		}
	}
	db.files.present = h
	return h.bolt.View(func(tx *bolt.Tx) error {
		v := &reader{tx: tx}
		if err := errors.Join(db.checkSequences(v), db.w.restore(tx)); err != nil {
			return db.damaged(err.Error())
		}
		db.warnFound(found)
		h.durable.Store(int64(tx.ID()))
		return nil
	})
}

// check looks at format and buckets, and gives the file's format.
func (db *DB) check(tx *bolt.Tx) (format uint32, err error) {
	meta := tx.Bucket([]byte(bucketNames[bMeta]))
	if meta == nil {
		return 0, db.damaged("it is a bbolt database, but none of smsgateway")
	}
	if format, err = readFormat(meta); err != nil {
		return 0, db.damaged(err.Error())
	}
	if format > formatVersion {
		return 0, fmt.Errorf("open the store: %s was %w (its format is %d, this program knows %d): install that version, or restore an older backup",
			db.path, ErrNewer, format, formatVersion)
	}
	for b, name := range bucketNames {
		if tx.Bucket([]byte(name)) == nil && since(bucket(b)) <= format {
			return 0, db.damaged("bucket " + name + " is missing")
		}
	}
	return format, nil
}

// migrate brings a file of an older format to this program's, in one transaction: it is whole before and after.
func (db *DB) migrate(file *bolt.DB, from uint32) error {
	err := file.Update(func(tx *bolt.Tx) error {
		for _, name := range bucketNames {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return writeFormat(tx.Bucket([]byte(bucketNames[bMeta])))
	})
	if err != nil {
		return fmt.Errorf("open the store: bring %s from format %d to %d: %w", db.path, from, formatVersion, err)
	}
	db.log.Info("the file was brought to a new format; older versions of this program refuse it from now on",
		"file", db.path, "from", from, "to", formatVersion)
	return nil
}

// damaged is the sentence for a file that can't be used.
func (db *DB) damaged(what string) error {
	return fmt.Errorf("open the store: %s is %w (%s). It was left as it is: restore a backup in its place, or move it away to begin with an empty one", db.path, ErrDamaged, what)
}

// panicSays puts bbolt's panic into words: some are a sentence, others come from following a number that can't be.
func panicSays(p any) string {
	if _, ok := p.(runtime.Error); ok {
		return "a page of it makes no sense"
	}
	return fmt.Sprint(p)
}

// Failed is closed when the store has failed: see ErrFailed.
func (db *DB) Failed() <-chan struct{} { return db.w.failed }

// Err is nil until the store has failed, then the reason.
func (db *DB) Err() error {
	select {
	case <-db.w.failed:
		return db.w.cause
	default:
		return nil
	}
}

// Close answers what waits, then closes the file. Operations that come later answer ErrClosed. A compaction is given up.
func (db *DB) Close() error {
	db.compactor.stop()
	if !db.w.stop() {
		return nil
	}
	if db.w.isStuck() {
		// bbolt's own Close would wait for ever for the transaction that panicked.
		return db.handle().letGo()
	}
	if err := db.shut().bolt.Close(); err != nil {
		return fmt.Errorf("close the store %s: %w", db.path, err)
	}
	return nil
}

// view runs a read transaction. fn sees what is on disk, nothing newer, and must not keep slices of it. It does so after a
// fail-stop, too, if what a reader sees is still the last commit that was good: that stays true. If the failed one can be
// seen, nobody knows which of the two a restart will find, and the answer is ErrFailed.
func (db *DB) view(fn func(v *reader) error) error {
	return db.viewOf(func(v *reader, _ *handle) error { return fn(v) })
}

// viewOf is view for who has to know the file, too.
func (db *DB) viewOf(fn func(v *reader, h *handle) error) (err error) {
	if err := db.w.ended(); err != nil && db.w.isStuck() { // bbolt holds locks
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var tx *bolt.Tx
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read the store: %s is %w (%s). Nothing was changed; keep the file, and restore a backup in its place", db.path, ErrDamaged, panicSays(p))
			db.warnDamaged(err)
			if tx == nil { // bbolt holds a lock that nobody will free
				db.w.fail(err, true)
			}
		}
	}()
	h, err := db.hold()
	if err != nil {
		return err
	}
	defer db.release(h)
	tx, err = h.bolt.Begin(false)
	if err != nil {
		return fmt.Errorf("read the store %s: %w", db.path, err)
	}
	defer tx.Rollback()
	// A commit shows its pages to readers before they are synced. What it says is told only when it is true for good.
	if err := db.w.await(h, int64(tx.ID())); err != nil {
		return err
	}
	if err = fn(&reader{tx: tx}, h); errors.Is(err, ErrDamaged) {
		db.warnDamaged(err)
	}
	return err
}
