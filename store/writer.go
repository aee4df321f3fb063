package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// maxGroup is how many operations are committed together, and how many may wait; beyond it callers wait their turn.
const maxGroup = 1024

// maxGrowth is how much the file may grow in one transaction. It is far more than any takes; but a damaged length in a
// page makes bbolt ask for gigabytes.
const maxGrowth = 256 << 20

// op is one write operation. run may be called several times, each time in a fresh transaction: it must set its results
// anew and leave its inputs alone. An error of an op that has written nothing is a clean refusal, and the others of the
// group are not disturbed by it.
type op struct {
	run  func(t *txn) error
	grow bool // takes in something new: refused when the disk is nearly full
	asks bool // run finds out by itself whether it does, and whether there is room
	// claims: a message is given to a modem; refused when there might be no room for its outcome.
	claims bool
	err    error
	done   <-chan struct{} // closed when err and the results are final

	wrote   bool // in the present transaction
	settled bool // err is final
}

// group is a number of operations that are answered together.
type group struct {
	ops  []*op
	done chan struct{}
}

// writer is the single goroutine that changes the file. It takes whatever waits, runs it in one transaction and commits
// once: group commit. A lone operation is taken at once; no timer holds it back.
type writer struct {
	db       *DB
	commit   func(*bolt.Tx) error      // (*bolt.Tx).Commit; tests make it fail
	busy     atomic.Pointer[time.Time] // since when a commit is being written; nil: none is
	doubtful atomic.Bool               // the clock is not believed
	commits  atomic.Int64              // so far
	failed   chan struct{}             // closed once cause is set
	stopped  chan struct{}             // closed when the goroutine has ended

	mu      sync.Mutex
	work    sync.Cond // next has operations, or closed
	room    sync.Cond // next has room, or closed
	synced  sync.Cond // a handle's durable went on, or cause is set
	next    group
	alone   []*turn
	closed  bool
	cause   error
	stuck   bool          // a transaction is open that can't be ended
	nothing chan struct{} // closed from the start: done of what is refused at the door

	// The rest is the goroutine's own.
	clock   clock
	disk    disk
	soonest int64 // when Tick has its next work, as far as its caller knows; ms
	swept   bool  // orphans were looked through
	sweptAt time.Duration
	arena   []byte
	pending pendingIndex
	changes *changes // what Compact has still to copy; nil if it isn't at work
	erasure erasure
}

func (w *writer) start(db *DB) {
	w.db = db
	db.highest.Store(w.clock.high)
	w.clock.opened = db.opened
	w.commit = (*bolt.Tx).Commit
	w.failed, w.stopped, w.nothing = make(chan struct{}), make(chan struct{}), make(chan struct{})
	close(w.nothing)
	w.pending.ready, w.pending.lanes = make(map[uint32]bool), make(map[uint32]*pendings)
	w.work.L, w.room.L, w.synced.L = &w.mu, &w.mu, &w.mu
	go w.loop()
}

// put hands an operation over. Operations of one goroutine are run in the order of its calls. It waits while too many
// wait already.
func (w *writer) put(o *op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.next.ops) >= maxGroup && !w.closed {
		w.room.Wait()
	}
	if w.closed {
		o.err, o.done = ErrClosed, w.nothing
		return
	}
	if w.next.done == nil {
		w.next.done = make(chan struct{})
		w.work.Signal()
	}
	o.done = w.next.done
	w.next.ops = append(w.next.ops, o)
}

// turn is something that the writer does between two rounds: no transaction is open, and all there were are on disk.
type turn struct {
	run  func() error
	err  error
	done chan struct{}
}

// between has the writer run something between two rounds, and waits for its end. ErrClosed, ErrFailed: it was not run.
func (w *writer) between(run func() error) error {
	t := &turn{run: run, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.alone = append(w.alone, t)
	w.work.Signal()
	w.mu.Unlock()
	<-t.done
	return t.err
}

// do runs an operation and waits for its end.
func (w *writer) do(run func(t *txn) error) error {
	o := &op{run: run}
	w.put(o)
	<-o.done
	return o.err
}

// take gives what waits; any is false if nothing does.
func (w *writer) take() (g group, any bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, w.next = w.next, group{}
	w.room.Broadcast()
	return g, len(g.ops) > 0
}

// wait waits for work, and gives what is to be run between two rounds. more is false when the writer was stopped and
// nothing is left.
func (w *writer) wait() (alone []*turn, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.next.ops)+len(w.alone) == 0 && !w.closed {
		w.work.Wait()
	}
	alone, w.alone = w.alone, nil
	return alone, len(alone)+len(w.next.ops) > 0
}

// stop has the writer answer what waits, and waits for its end. False: it was stopped before.
func (w *writer) stop() bool {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.work.Broadcast()
	w.room.Broadcast()
	w.mu.Unlock()
	<-w.stopped
	return first
}

// ended tells whether nothing more may be asked: ErrFailed or ErrClosed.
func (w *writer) ended() error {
	select {
	case <-w.failed:
		return w.cause
	default:
		return nil
	}
}

// over tells whether the file is no longer served: as ended, and ErrClosed.
func (w *writer) over() error {
	if err := w.ended(); err != nil {
		return err
	}
	select {
	case <-w.stopped:
		return ErrClosed
	default:
		return nil
	}
}

// fail is the fail-stop. stuck: bbolt holds locks that it will not give back.
func (w *writer) fail(err error, stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = w.stuck || stuck
	if w.cause != nil {
		return
	}
	w.cause = &failure{cause: err}
	w.db.log.Error("the store has failed; nothing more is accepted or handed over", "err", err)
	close(w.failed)
	w.synced.Broadcast()
}

func (w *writer) isStuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stuck
}

// await waits until the transaction is on disk that a reader sees. There is one sync left to wait for at most.
func (w *writer) await(h *handle, id int64) error {
	if h.durable.Load() >= id {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for h.durable.Load() < id && w.cause == nil {
		w.synced.Wait()
	}
	return w.cause
}

func (w *writer) loop() {
	defer close(w.stopped)
	debug.SetPanicOnFault(true) // a damaged pointer in the file may lead outside of it
	for {
		alone, more := w.wait()
		if !more {
			return
		}
		for _, t := range alone {
			if t.err = w.ended(); t.err == nil {
				t.err = t.run()
			}
			close(t.done)
		}
		if g, any := w.take(); any {
			w.serve(g)
		}
	}
}

// round is what is committed together: the group that was taken first and those that came while it ran.
type round struct {
	groups []group
	ops    []*op
}

// serve runs a group, and what comes while it runs, and answers all of it. An operation that fails is left out of the
// next try, and so are those that need room when there is none.
func (w *writer) serve(g group) {
	r := &round{groups: []group{g}, ops: g.ops}
	change, again := w.try(r)
	for again {
		change, again = w.try(r)
	}
	for _, g := range r.groups {
		close(g.done)
	}
	if change.Queue || change.Timers || len(change.Outbox) > 0 {
		w.db.opt.Notify(change)
	}
}

// more adds what has come to wait in the meantime.
func (w *writer) more(r *round) bool {
	if len(r.ops) >= maxGroup {
		return false
	}
	g, any := w.take()
	if any {
		r.groups = append(r.groups, g)
		r.ops = append(r.ops, g.ops...)
	}
	return any
}

// try runs the operations that have no answer yet in one transaction and commits it. again: nothing is on disk, and some
// more of them have their answer now.
func (w *writer) try(r *round) (c Change, again bool) {
	if w.ended() != nil {
		r.settle(w.cause, func(*op) bool { return true })
		return Change{}, false
	}
	t, err := w.begin()
	if err != nil {
		w.fail(err, true)
		return Change{}, true
	}
	if err := w.disk.round(w.db, t.tx.Size()); err != nil {
		w.rollback(t)
		w.fail(err, false)
		return Change{}, true
	}
	for n := 0; n < len(r.ops) || w.more(r); n++ {
		if o := r.ops[n]; !o.settled && !t.run(o) {
			w.rollback(t)
			return Change{}, true
		}
	}
	if t.writes == 0 {
		w.rollback(t)
		return Change{}, w.ended() != nil
	}
	if err := t.flush(); err != nil {
		w.rollback(t)
		w.fail(err, false)
		return Change{}, true
	}
	id := int64(t.tx.ID())
	if err := w.commitTx(t.tx); err != nil {
		w.uncommitted(r, err)
		return Change{}, true
	}
	w.committed(t, id)
	return t.change, false
}

func (r *round) settle(err error, which func(*op) bool) (any bool) {
	for _, o := range r.ops {
		if !o.settled && which(o) {
			o.err, o.settled, any = err, true, true
		}
	}
	return any
}

// begin opens a transaction. bbolt panics where it finds damage; its locks are lost then.
func (w *writer) begin() (t *txn, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("begin a transaction: %w: %s", ErrDamaged, panicSays(p))
		}
	}()
	h := w.db.handle()
	tx, err := h.bolt.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	if info, err := h.file.Stat(); err == nil {
		if info.Size() < tx.Size() { // what is written behind the hole would hide it
			tx.Rollback()
			return nil, fmt.Errorf("begin a transaction: %w: somebody has cut the file from %d octets to %d", ErrDamaged, tx.Size(),
				info.Size())
		}
		h.bolt.MaxSize = int(min(info.Size()+maxGrowth, math.MaxInt))
	}
	return newTxn(w, tx), nil
}

func (w *writer) rollback(t *txn) {
	defer func() {
		if p := recover(); p != nil {
			w.fail(fmt.Errorf("roll back: %w: %s", ErrDamaged, panicSays(p)), true)
		}
	}()
	if err := t.tx.Rollback(); err != nil {
		w.fail(fmt.Errorf("roll back: %w", err), true)
	}
}

func (w *writer) commitTx(tx *bolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s", ErrDamaged, panicSays(p))
			w.fail(fmt.Errorf("commit: %w", err), true)
		}
	}()
	now := time.Now()
	w.busy.Store(&now)
	defer w.busy.Store(nil)
	err = w.commit(tx)
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		err = fmt.Errorf("%w: a record in the way is %d MiB long or more", ErrDamaged, maxGrowth>>20)
	}
	return err
}

// uncommitted is called after a commit that failed. If it only lacked room, what wants to grow is refused and the rest
// is tried again: outcomes are short, and mostly fit into pages that are free. Anything else is the end.
func (w *writer) uncommitted(r *round, err error) {
	seen := w.seen()
	if !onlyFull(err) || seen {
		w.fail(fmt.Errorf("commit: %w", err), false)
		if seen {
			r.settle(&failure{fmt.Errorf("commit: %w", err), true}, func(o *op) bool { return o.wrote })
		}
		return
	}
	w.disk.lacked(w.db)
	if !r.settle(ErrDiskFull, func(o *op) bool { return o.wrote && o.grow }) {
		r.settle(ErrDiskFull, func(o *op) bool { return o.wrote })
	}
}

// onlyFull tells whether a write(2) of a commit said that there is no room, or truncate(2) before it. bbolt 1.5 hands on the
// *fs.PathError of a write as it is, and that of truncate as text. A full disk that shows in fsync(2) comes as a bare number,
// or as text with other words before it; after that nobody knows what is on disk, and it is not taken for clean.
func onlyFull(err error) bool {
	if text, resize := strings.CutPrefix(err.Error(), "file resize error: "); resize {
		return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}, func(full error) bool {
			return strings.HasSuffix(text, full.Error())
		})
	}
	var write *fs.PathError
	return isFull(err) && errors.As(err, &write) && write.Op == "write"
}

// seen tells whether readers can see a commit that failed: then its meta page was written, and may be on disk or get there.
// If they see the transaction before it, none of it will ever count.
func (w *writer) seen() (seen bool) {
	if w.isStuck() {
		return true // nobody can look
	}
	defer func() {
		if recover() != nil {
			seen = true
		}
	}()
	h := w.db.handle()
	tx, err := h.bolt.Begin(false)
	if err != nil {
		return true
	}
	defer tx.Rollback()
	return int64(tx.ID()) != h.durable.Load()
}

// committed lets readers see the transaction.
func (w *writer) committed(t *txn, id int64) {
	if t.change.accounts {
		w.db.accounts.outdate()
	}
	w.mu.Lock()
	w.db.handle().durable.Store(id)
	w.synced.Broadcast()
	w.mu.Unlock()
	w.commits.Add(1)
	w.pending.committed(t.pending)
	if t.clockStored != 0 {
		w.clock.stored = t.clockStored
	}
	w.erasure.committed(t)
	if t.wake < w.soonest {
		w.soonest = t.wake
		t.change.Timers = true
	}
}
