package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// mostFindings is how many of them Findings lists.
const mostFindings = 1000

// Finding is one thing that is not as it should be.
type Finding struct {
	Bucket string // of the table in the package comment; "" the file's pages
	Key    string // in hexadecimal
	What   string // in words
	Means  string // what comes of it
	// Mends: Repair puts it right, out of what else is in the file. Mended: it has.
	Mends, Mended bool
}

// Findings are what a check has found, and how much it looked at.
type Findings struct {
	List     []Finding // the first thousand
	Faults   int       // how many there are in all; mended ones are none
	Mendable int       // of them, that Repair puts right
	Mended   int
	Format   uint32
	Octets   int64
	Pages    int64
	Records  map[string]int64 // by bucket
	NextID   ID               // the next message gets this one
	Written  time.Time        // highest time that the file knows; zero if it knows none
	Skipped  string           // what could not be looked at, and why; "" nothing

	lostCommit bool // perhaps: a head is damaged or old
}

// CheckOptions choose what is looked at.
type CheckOptions struct {
	Quick bool // pages and records, and of indexes only whether they fit them, not which row does not
}

// Progress tells how far a check or a restore is.
type Progress struct {
	What        string
	Done, Total int64 // Total 0: not known
}

// Check looks at the whole file while it is in use: its pages, each record, whether indexes and records agree, and what else
// has to hold. It costs a bit of memory for each page, and while pages and records are read none is used again. progress may
// be nil.
func (db *DB) Check(ctx context.Context, o CheckOptions, progress func(Progress)) (Findings, error) {
	c := newChecker(ctx, o, progress)
	c.view = db.view
	err := db.viewOf(func(v *reader, of *handle) error {
		for range 10 {
			both, err := readBoth(of.file)
			if err != nil {
				return err
			}
			for _, h := range both {
				if h.ok && h.tx() == uint64(v.tx.ID()) {
					return c.snapshot(of.file, h)
				}
			}
			time.Sleep(time.Millisecond)
		}
		return errOverwritten
	})
	if errors.Is(err, errOverwritten) {
		err = errors.New("the file changes too quickly to be looked at: try again")
	}
	if err == nil {
		err = c.agree()
	}
	return c.done(err)
}

var errOverwritten = errors.New("its head was overwritten before it could be read")

// CheckFile is Check for a file that no process works with. Nothing is changed. ErrLocked: one has it open. ErrDamaged: it is no
// database, or so damaged that nothing of it can be read. ErrNewer as of Open.
func CheckFile(ctx context.Context, path string, o CheckOptions, progress func(Progress)) (Findings, error) {
	c := newChecker(ctx, o, progress)
	f, err := lockFile(path, os.O_RDONLY, syscall.LOCK_SH)
	if err != nil {
		return Findings{}, err
	}
	defer f.Close()
	return c.done(c.file(f, path))
}

// file checks a file that nobody writes to.
func (c *checker) file(f *os.File, path string) error {
	h, err := c.head(f)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	if err := c.snapshot(f, h); err != nil || c.damagedPages > 0 || c.o.Quick {
		return err
	}
	db, err := openLocked(f, path, true)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	defer db.Close()
	c.view = func(fn func(v *reader) error) error { return viewing(db, fn) }
	return c.agree()
}

// lockFile opens a file and locks it, so that no other process has it open with bbolt. ErrLocked: one has.
func lockFile(path string, flag, how int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Since(began) > time.Second {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = fmt.Errorf("%s: %w: stop it first", path, ErrLocked)
			}
			return nil, err
		}
	}
}

// openLocked opens a database by a descriptor that has the lock of the file, and keeps it if that fails. Closing the database
// frees the lock. ErrLocked: another process took it when bbolt, which frees it where it can't open a file, had done so.
func openLocked(f *os.File, path string, readOnly bool) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is %w (%s)", ErrDamaged, panicSays(p))
		}
		if err != nil && !readOnly && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			err = fmt.Errorf("%s: %w: stop it first", path, ErrLocked)
		}
	}()
	again, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	own := os.NewFile(uintptr(again), path)
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout: time.Second, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return own, nil },
	})
	if err != nil && !errors.Is(err, bolterrors.ErrTimeout) {
		err = fmt.Errorf("it is %w (%s)", ErrDamaged, err)
	}
	return db, err
}

// viewing runs a read transaction of a file that nobody writes to.
func viewing(db *bolt.DB, fn func(v *reader) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is %w (%s)", ErrDamaged, panicSays(p))
		}
	}()
	return db.View(func(tx *bolt.Tx) error { return fn(&reader{tx: tx}) })
}

// head finds the state that bbolt would open, if the file is long enough for it.
func (c *checker) head(f *os.File) (head, error) {
	both, err := readHeads(f)
	if h := both.newest; h.ok {
		if err := h.within(f); err != nil {
			return h, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	switch {
	case errors.Is(err, errNoHead):
		return head{}, fmt.Errorf("%w: it is no database of smsgateway, or its beginning is lost", ErrDamaged)
	case !both.newest.ok:
		return head{}, err
	case err != nil:
		c.found.lostCommit = true
		c.find(numBuckets, nil, err.Error(), "a message may go out again that was sent: restore a backup")
	case both.harmed >= 0:
		c.find(numBuckets, nil, fmt.Sprintf("head %d of the two is damaged", both.harmed),
			"the last commit may be lost, if the power was cut in it; the next one writes that head anew", mend{head: true})
	}
	return both.newest, nil
}

// checker is one check at work.
type checker struct {
	ctx      context.Context
	o        CheckOptions
	progress func(Progress)
	view     func(func(v *reader) error) error
	repair   *repair // nil: nothing is changed

	*census  // of one state of the file
	sequence [numBuckets]uint64
	present  [numBuckets]bool

	found        Findings
	damagedPages int
	faults       [numBuckets + 1]int // by bucket, of all that were found
	said         time.Time
	noCount      []byte // that was missing last
}

func newChecker(ctx context.Context, o CheckOptions, progress func(Progress)) *checker {
	if progress == nil {
		progress = func(Progress) {}
	}
	return &checker{ctx: ctx, o: o, progress: progress, census: newCensus()}
}

// say tells the progress, not too often.
func (c *checker) say(p Progress) {
	if now := time.Now(); now.Sub(c.said) >= 200*time.Millisecond || p.Done == p.Total {
		c.said = now
		c.progress(p)
	}
}

func (c *checker) done(err error) (Findings, error) {
	c.found.Records = make(map[string]int64)
	for b, n := range c.records {
		if n > 0 {
			c.found.Records[bucketNames[b]] = n
		}
	}
	return c.found, err
}

// find notes what is wrong; mends are what Repair writes to put it right, none if it can't. Where a commit may be missing
// nothing is mended: what is written next to such a file takes away what shows that.
func (c *checker) find(b bucket, key []byte, what, means string, mends ...mend) {
	if c.found.lostCommit {
		mends = nil
	}
	f := Finding{What: what, Means: means, Mends: len(mends) > 0, Key: fmt.Sprintf("%x", ownKey(key))}
	if c.faults[b]++; b < numBuckets {
		f.Bucket = bucketNames[b]
	}
	switch {
	case len(mends) > 0 && c.repair != nil:
		c.repair.mends = append(c.repair.mends, mends...)
		f.Mended = true
		c.found.Mended++
	case len(mends) > 0:
		c.found.Mendable++
		c.found.Faults++
	default:
		c.found.Faults++
	}
	if len(c.found.List) < mostFindings {
		c.found.List = append(c.found.List, f)
	}
}

func (c *checker) findAll(list []disagreement) {
	for _, d := range list {
		c.find(d.b, d.key, d.what, d.means, d.mends...)
	}
}

// snapshot looks at all pages and records of one state of the file, in one go.
func (c *checker) snapshot(f *os.File, h head) error {
	s := newStructure(c.ctx, f, h)
	c.found.Octets, c.found.Pages = int64(h.high())*h.size(), int64(h.high())
	s.bad = func(err error) {
		c.damagedPages++
		c.find(numBuckets, nil, err.Error(), "what such a page held is lost or can't be trusted: restore a backup")
	}
	s.step = func(pages uint64) { c.say(Progress{"pages and records", int64(pages), int64(h.high())}) }
	s.row = c.record
	if err := s.look(h); err != nil {
		return err
	}
	if n := s.lost(); n > 0 && c.damagedPages == 0 {
		c.find(numBuckets, nil, fmt.Sprintf("%d pages are neither in use nor free", n),
			"room that is lost until the file is compacted")
	}
	for _, t := range s.trees {
		if t.b < numBuckets {
			c.present[t.b], c.sequence[t.b] = true, t.seq
		}
	}
	c.found.Format, c.found.NextID, c.found.Written = c.format, ID(c.sequence[bMessages]+1), c.clock
	if c.newest.After(c.found.Written) {
		c.found.Written = c.newest
	}
	if err := c.formatOf(); err != nil {
		return err
	}
	if c.damagedPages > 0 {
		c.found.Skipped = "whether records and indexes agree, because pages are damaged"
		return nil
	}
	c.findAll(c.numbers(&c.sequence))
	c.findAll(c.miscounts())
	if c.o.Quick {
		c.findAll(c.misfits())
	}
	return nil
}

// formatOf looks whether all buckets are there that the file's format has.
func (c *checker) formatOf() error {
	switch {
	case !c.present[bMeta] && c.damagedPages == 0:
		return fmt.Errorf("%w: it is a bbolt database, but none of smsgateway", ErrDamaged)
	case c.format > formatVersion:
		return fmt.Errorf("it was %w (its format is %d, this program knows %d)", ErrNewer, c.format, formatVersion)
	}
	for b, there := range c.present {
		if !there && c.damagedPages == 0 && since(bucket(b)) <= max(c.format, 1) {
			c.damagedPages++
			c.find(bucket(b), nil, "the bucket is missing", "the file can't be opened: restore a backup")
		}
	}
	return nil
}
