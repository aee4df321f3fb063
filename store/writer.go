package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime/debug"
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
	err  error
	done <-chan struct{} // closed when err and the results are final

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
	commit   func(*bolt.Tx) error // (*bolt.Tx).Commit; tests make it fail
	durable  atomic.Int64         // number of the last transaction that is on disk
	doubtful atomic.Bool          // the clock is not believed
	failed   chan struct{}        // closed once cause is set
	stopped  chan struct{}        // closed when the goroutine has ended

	mu      sync.Mutex
	work    sync.Cond // next has operations, or closed
	room    sync.Cond // next has room, or closed
	synced  sync.Cond // durable went on, or cause is set
	next    group
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
}

func (w *writer) start(db *DB) {
	w.db = db
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

// do runs an operation and waits for its end.
func (w *writer) do(run func(t *txn) error) error {
	o := &op{run: run}
	w.put(o)
	<-o.done
	return o.err
}

// take gives what waits. With wait it blocks until there is something; more is false when the writer was stopped.
func (w *writer) take(wait bool) (g group, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wait && len(w.next.ops) == 0 && !w.closed {
		w.work.Wait()
	}
	g, w.next = w.next, group{}
	w.room.Broadcast()
	return g, len(g.ops) > 0
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
	w.cause = &failure{err}
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
func (w *writer) await(id int64) error {
	if w.durable.Load() >= id {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.durable.Load() < id && w.cause == nil {
		w.synced.Wait()
	}
	return w.cause
}

func (w *writer) loop() {
	defer close(w.stopped)
	debug.SetPanicOnFault(true) // a damaged pointer in the file may lead outside of it
	for {
		g, more := w.take(true)
		if !more {
			return
		}
		w.serve(g)
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
	g, any := w.take(false)
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
	tx, err := w.db.bolt.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	if info, err := w.db.file.Stat(); err == nil {
		if info.Size() < tx.Size() { // what is written behind the hole would hide it
			tx.Rollback()
			return nil, fmt.Errorf("begin a transaction: %w: somebody has cut the file from %d octets to %d", ErrDamaged, tx.Size(),
				info.Size())
		}
		w.db.bolt.MaxSize = int(min(info.Size()+maxGrowth, math.MaxInt))
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
	err = w.commit(tx)
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		err = fmt.Errorf("%w: a record in the way is %d MiB long or more", ErrDamaged, maxGrowth>>20)
	}
	return err
}

// uncommitted is called after a commit that failed. If it only lacked room, what wants to grow is refused and the rest
// is tried again: outcomes are short, and mostly fit into pages that are free. Anything else is the end.
func (w *writer) uncommitted(r *round, err error) {
	if !w.onlyFull(err) {
		w.fail(fmt.Errorf("commit: %w", err), false)
		return
	}
	w.db.log.Error("the disk is full", "err", err)
	if !r.settle(ErrDiskFull, func(o *op) bool { return o.wrote && o.grow }) {
		r.settle(ErrDiskFull, func(o *op) bool { return o.wrote })
	}
}

// onlyFull tells whether a failed commit has certainly changed nothing: a write(2) said that there is no room, and
// readers still see the transaction before it, so that the write was not that of the meta page. bbolt 1.5 hands on the
// *fs.PathError of a write as it is. A full disk that shows in fsync(2) comes as a bare number, one in growing the file
// as text; after the former nobody knows what is on disk, and the latter can't be told from a failed fsync. They are not
// taken for clean.
func (w *writer) onlyFull(err error) (clean bool) {
	var write *fs.PathError
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	if !full || !errors.As(err, &write) || write.Op != "write" {
		return false
	}
	defer func() {
		if recover() != nil {
			clean = false
		}
	}()
	tx, err := w.db.bolt.Begin(false)
	if err != nil {
		return false
	}
	defer tx.Rollback()
	return int64(tx.ID()) == w.durable.Load()
}

// committed lets readers see the transaction.
func (w *writer) committed(t *txn, id int64) {
	if t.change.accounts {
		w.db.accounts.outdate()
	}
	w.mu.Lock()
	w.durable.Store(id)
	w.synced.Broadcast()
	w.mu.Unlock()
	w.pending.committed(t.pending)
	if t.clockStored != 0 {
		w.clock.stored = t.clockStored
	}
	if t.wake < w.soonest {
		w.soonest = t.wake
		t.change.Timers = true
	}
}
