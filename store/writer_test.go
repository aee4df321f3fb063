package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// countCommits counts the commits from here on.
func (b *box) countCommits() *atomic.Int64 {
	var n atomic.Int64
	b.commitBy(func(tx *bolt.Tx) error {
		n.Add(1)
		return tx.Commit()
	})
	return &n
}

// commitBy has the writer commit in another way. It goes through the writer, which is the only one to read it.
func (b *box) commitBy(commit func(*bolt.Tx) error) {
	b.t.Helper()
	b.ok(b.db.w.do(func(t *txn) error { t.w.commit = commit; return nil }))
}

// TestGroupCommit: what comes while a commit is under way is committed together, and still each is answered for itself.
func TestGroupCommit(t *testing.T) {
	b := newBox(t, Options{})
	const callers = 50
	var commits atomic.Int64
	b.commitBy(func(tx *bolt.Tx) error {
		if commits.Add(1) == 1 { // the disk takes until all the others wait
			for b.waiting() < callers-1 {
				time.Sleep(time.Millisecond)
			}
		}
		return tx.Commit()
	})
	first := b.db.Enqueue(b.message(1))
	for commits.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ids := make(chan ID, callers)
	var wg sync.WaitGroup
	for range callers - 1 {
		wg.Go(func() {
			id, err := b.db.Enqueue(b.message(1)).Result()
			if err != nil {
				t.Error(err)
			}
			ids <- id
		})
	}
	wg.Wait()
	id, err := first.Result()
	b.ok(err)
	seen := map[ID]bool{id: true}
	close(ids)
	for id := range ids {
		seen[id] = true
	}
	if len(seen) != callers {
		t.Errorf("%d ids for %d messages", len(seen), callers)
	}
	if n := commits.Load(); n != 2 {
		t.Errorf("%d commits for one message and %d that came meanwhile, want 2", n, callers-1)
	}
	b.wantIndexes()
}

// waiting is how many operations the writer has not taken yet.
func (b *box) waiting() int {
	b.db.w.mu.Lock()
	defer b.db.w.mu.Unlock()
	return len(b.db.w.next.ops)
}

// TestEnqueueKeepsOrder: a window of one session is stored in the order of its requests.
func TestEnqueueKeepsOrder(t *testing.T) {
	b := newBox(t, Options{})
	var window []*Accept
	for n := range 3 * maxGroup {
		m := b.message(1)
		m.ServiceType = fmt.Sprint(n)
		window = append(window, b.db.Enqueue(m))
	}
	last := ID(0)
	for n, a := range window {
		id, err := a.Result()
		b.ok(err)
		if id != last+1 && last != 0 {
			t.Fatalf("message %d got id %s after %s", n, id, last)
		}
		if n%500 == 0 && b.get(id).ServiceType != fmt.Sprint(n) {
			t.Fatalf("message %s is number %s, want %d", id, b.get(id).ServiceType, n)
		}
		last = id
	}
}

// TestLoneOperation: in a bubble time passes only when everybody waits for it. That none has passed shows that no timer
// holds a lone message back.
func TestLoneOperation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		for range 20 {
			m := &Message{Lane: acct.Lane, Accepted: before, Expires: before.Add(time.Hour), Parts: []Part{{}}}
			if _, err := db.Enqueue(m).Result(); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("20 messages one after the other waited %s for timers", waited)
		}
	})
}

// TestNothingToWrite: what changes nothing costs no commit.
func TestNothingToWrite(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.tick() // stores the time
	commits := b.countCommits()
	b.tick()
	wantError(t, b.db.Sent(id, 0, 1, true, b.now), ErrGone)
	b.ok(b.db.Acknowledge(b.acct.Lane, 99))
	if n := commits.Load(); n != 0 {
		t.Errorf("%d commits", n)
	}
}

// together has the operations run in one round: the writer is held up until all of them wait.
func (b *box) together(ops ...*op) {
	b.t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	first := &op{run: func(*txn) error { close(held); <-hold; return nil }}
	b.db.w.put(first)
	<-held
	for _, o := range ops {
		b.db.w.put(o)
	}
	close(hold)
	for _, o := range ops {
		<-o.done
	}
}

func (b *box) put(value string, after error) *op {
	return &op{run: func(t *txn) error {
		if err := t.put(bSeen, []byte(value), []byte{recordVersion}); err != nil {
			return err
		}
		return after
	}}
}

func (b *box) stored(value string) (found bool) {
	b.t.Helper()
	b.ok(b.db.view(func(v *reader) error {
		found = v.bucket(bSeen).Get([]byte(value)) != nil
		return nil
	}))
	return found
}

// TestFailingOperation: one that fails, or panics, leaves no trace, and the others of its round none of its failure.
func TestFailingOperation(t *testing.T) {
	b := newBox(t, Options{})
	sick := errors.New("sick")
	panics := &op{run: func(t *txn) error { return t.put(bSeen, nil, []byte(nil)[:0:0][:1]) }}
	refused := &op{run: func(*txn) error { return sick }}
	ops := []*op{b.put("a", nil), b.put("b", sick), refused, b.put("c", nil), panics, b.put("d", nil)}
	b.together(ops...)
	for n, want := range []error{nil, sick, sick, nil, ErrDamaged, nil} {
		if !errors.Is(ops[n].err, want) {
			t.Errorf("operation %d: got %v, want %v", n, ops[n].err, want)
		}
	}
	for value, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if b.stored(value) != want {
			t.Errorf("%s is stored: %t, want %t", value, !want, want)
		}
	}
	b.enqueue(b.message(1))
}

// TestCommitError: after an error of Commit nobody knows what is on disk, so nothing more is promised, or told, by this
// process (I14).
func TestCommitError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		commit func(*bolt.Tx) error
		read   bool // what was on disk before can still be read, for the failed commit can't be seen
		found  bool // the message that was answered with an error is there all the same
	}{
		{"EIO, and not written", func(tx *bolt.Tx) error { tx.Rollback(); return syscall.EIO }, true, false},
		{"EIO, but written", func(tx *bolt.Tx) error { tx.Commit(); return syscall.EIO }, false, true},
		{"no room, told by fsync", func(tx *bolt.Tx) error { tx.Rollback(); return syscall.ENOSPC }, true, false},
		{"no room, but written", func(tx *bolt.Tx) error {
			tx.Commit()
			return &fs.PathError{Op: "write", Path: "gateway.db", Err: syscall.ENOSPC}
		}, false, true},
		{"no room, told in growing", func(tx *bolt.Tx) error {
			tx.Rollback()
			return errors.New("file sync error: no space left on device")
		}, true, false},
		{"read-only", func(tx *bolt.Tx) error {
			tx.Rollback()
			return &fs.PathError{Op: "write", Path: "gateway.db", Err: syscall.EROFS}
		}, true, false},
		{"panic", func(tx *bolt.Tx) error { panic("page 7 already freed") }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(1))
			b.commitBy(tt.commit)
			_, err := b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, ErrFailed)
			if doubt := errors.Is(err, ErrInDoubt); doubt == tt.read {
				t.Errorf("in doubt: %t (%v), and what can be seen is the commit before: %t", doubt, err, tt.read)
			}
			select {
			case <-b.db.Failed():
			default:
				t.Error("Failed is not closed")
			}
			wantError(t, b.db.Err(), ErrFailed)
			wantError(t, b.db.Claim(id, 0, "stick", "line-1", b.now), ErrFailed)
			_, err = b.db.Enqueue(b.message(1)).Result()
			if wantError(t, err, ErrFailed); errors.Is(err, ErrInDoubt) {
				t.Errorf("one that was not tried is in doubt: %v", err)
			}
			m, err := b.db.Message(id)
			if tt.read {
				if b.ok(err); m.State != Queued {
					t.Errorf("the message is %s, though no claim was answered", m.State)
				}
				_, err = b.db.Message(id + 1)
				wantError(t, err, ErrNotFound)
			} else {
				wantError(t, err, ErrFailed)
			}
			b.ok(b.db.Close())
			_, err = b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, ErrClosed)
			b.open()
			b.wantState(id, Queued)
			if _, err := b.db.Message(id + 1); (err == nil) != tt.found {
				t.Errorf("after the restart the message that got an error: %v", err)
			}
			b.wantIndexes()
		})
	}
}

// TestDiskFull: a commit that lacks room refuses what is new; an outcome of the same round still gets its place.
func TestDiskFull(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.claim(id, 0)
	room := false
	grows := 0
	b.commitBy(func(tx *bolt.Tx) error {
		if !room && tx.Bucket([]byte("messages")).Sequence() > uint64(id) {
			grows++
			tx.Rollback()
			return &fs.PathError{Op: "write", Path: "gateway.db", Err: syscall.ENOSPC}
		}
		return tx.Commit()
	})
	fresh := b.message(1)
	accept := &op{grow: true, run: func(t *txn) error {
		p, err := prepare(fresh, t.w.db)
		if err != nil {
			return err
		}
		_, err = t.accept(p)
		return err
	}}
	sent := &op{run: func(t *txn) error {
		m, p, err := t.release(id, 0, "")
		if err != nil {
			return err
		}
		p.State = PartSent
		return t.settle(m, b.now)
	}}
	b.together(accept, sent)
	wantError(t, accept.err, ErrDiskFull)
	b.ok(sent.err)
	if grows != 1 {
		t.Errorf("%d commits lacked room, want 1", grows)
	}
	b.wantState(id, Sent)
	room = true
	b.reserve(0) // else it is taken to be full for a second
	if next := b.enqueue(b.message(1)); next != id+1 {
		t.Errorf("got id %s after %s, with one refused between", next, id)
	}
	b.ok(b.db.Err())
	b.wantIndexes()
}

// TestReserve: with little room left nothing new is accepted, but what is accepted goes its way.
func TestReserve(t *testing.T) {
	for name, opt := range map[string]Options{
		"disk": {Reserve: 1 << 60},
		"file": {Reserve: -1, MaxSize: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(1))
			b.opt.Reserve, b.opt.MaxSize = opt.Reserve, opt.MaxSize
			b.reopen()
			_, err := b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, ErrDiskFull)
			_, _, err = b.db.Receive(Inbound{Line: "line-1"}, b.now)
			wantError(t, err, ErrDiskFull)
			b.send(id, 0, 1)
			b.report(1, 0)
			b.wantState(id, Delivered)
			b.opt.Reserve, b.opt.MaxSize = 0, 0
			b.reopen()
			b.enqueue(b.message(1))
		})
	}
}

// TestReadersSeeWhatIsOnDisk: while a commit is being synced its pages can be seen already; nobody is told of them.
func TestReadersSeeWhatIsOnDisk(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	written, hold := make(chan struct{}), make(chan struct{})
	b.commitBy(func(tx *bolt.Tx) error {
		err := tx.Commit()
		close(written)
		<-hold
		return err
	})
	cancelled := make(chan error, 1)
	go func() { cancelled <- b.db.Cancel(b.acct.Lane, id, b.now) }()
	<-written
	told := make(chan State, 1)
	go func() {
		m, err := b.db.Message(id)
		if err != nil {
			t.Error(err)
		}
		told <- m.State
	}()
	select {
	case s := <-told:
		t.Errorf("a reader was told %s before it was on disk", s)
	case <-time.After(20 * time.Millisecond):
	}
	close(hold)
	b.ok(<-cancelled)
	if s := <-told; s != Deleted {
		t.Errorf("then it was told %s", s)
	}
}

// TestCancelOrClaim: of a cancel and a claim at the same time exactly one wins (I5).
func TestCancelOrClaim(t *testing.T) {
	b := newBox(t, Options{})
	cancelled, claimed := 0, 0
	for n := range 200 {
		id := b.enqueue(b.message(1))
		line := fmt.Sprint("line-", n)
		var cancel, claim error
		var wg sync.WaitGroup
		wg.Go(func() { cancel = b.db.Cancel(b.acct.Lane, id, b.now) })
		wg.Go(func() { claim = b.db.Claim(id, 0, "stick", line, b.now) })
		wg.Wait()
		switch {
		case cancel == nil && errors.Is(claim, ErrGone):
			cancelled++
			b.wantState(id, Deleted)
		case claim == nil && errors.Is(cancel, ErrGone):
			claimed++
			b.wantState(id, Claimed)
		default:
			t.Fatalf("cancel: %v, claim: %v", cancel, claim)
		}
	}
	t.Logf("%d cancelled, %d claimed", cancelled, claimed)
	b.wantIndexes()
}

// TestCloseAnswers: Close leaves nobody waiting, whatever is under way.
func TestCloseAnswers(t *testing.T) {
	b := newBox(t, Options{})
	var wg sync.WaitGroup
	var accepted atomic.Int64
	for range 20 {
		wg.Go(func() {
			for {
				_, err := b.db.Enqueue(b.message(1)).Result()
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				accepted.Add(1)
			}
		})
	}
	for accepted.Load() < 100 {
		if _, err := b.db.Messages(Filter{}); err != nil {
			t.Fatal(err)
		}
	}
	b.ok(b.db.Close())
	wg.Wait()
	b.ok(b.db.Close())
	_, err := b.db.Messages(Filter{})
	wantError(t, err, ErrClosed)
	b.open()
	counts, err := b.db.Counts(0)
	b.ok(err)
	if counts[Queued] != uint64(accepted.Load()) {
		t.Errorf("%d messages were accepted, %d are there", accepted.Load(), counts[Queued])
	}
}

// TestNotify: who waits for the queue, a timer or the outbox hears of it after the commit, and hears nothing else.
func TestNotify(t *testing.T) {
	var mu sync.Mutex
	var got Change
	b := newBox(t, Options{Notify: func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		got.Queue, got.Timers, got.Outbox = got.Queue || c.Queue, got.Timers || c.Timers, append(got.Outbox, c.Outbox...)
	}})
	want := func(what, want string) {
		t.Helper()
		b.ok(b.db.w.do(func(*txn) error { return nil })) // the one before has been told of now
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprintf("%t %t %v", got.Queue, got.Timers, got.Outbox); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
		got = Change{}
	}
	want("a new account", "false false []")
	id := b.enqueue(b.message(1))
	want("a message, the first timer", "true true []")
	b.tick()
	b.enqueue(b.message(1))
	want("another, its timer no earlier", "true false []")
	b.claim(id, 0)
	want("a claim", "false false []")
	b.ok(b.db.Refused(id, 0, Refusal{Wait: time.Minute}, b.now))
	want("a refusal for now", "false true []")
	b.pass(time.Hour)
	b.tick()
	want("its time", "true false []")
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
	want("an end with a receipt", "false false [1]")
}

func TestKeysAreCopied(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	m := b.get(id)
	data := bytes.Clone(m.Parts[0].Data)
	b.ok(b.db.Close()) // the file is not mapped any more
	if !bytes.Equal(m.Parts[0].Data, data) || m.Destination.Number != number {
		t.Error("a message changed when the file was closed")
	}
	b.open()
}
