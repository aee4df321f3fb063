package store

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// ownProcess tells a process that it runs one test alone.
const ownProcess = "SMSGATEWAY_TEST_OWN_PROCESS"

// inOwnProcess runs test in a process that runs nothing else: for what would disturb other tests, or the writing of results.
func inOwnProcess(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Getenv(ownProcess) == t.Name() {
		test(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownProcess+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Error(err)
	}
}

// unlimited lets files grow again.
const unlimited = math.MaxUint64

// limitFiles has the system refuse what would make a file longer than this, as a full disk would (setrlimit(2),
// RLIMIT_FSIZE: EFBIG; Go ignores the signal). It is for the whole process: see inOwnProcess.
func limitFiles(t *testing.T, size uint64) {
	t.Helper()
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	now.Cur = min(size, now.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
}

// fill accepts messages until there is no room for more.
func (b *box) fill(t *testing.T) (ids []ID) {
	t.Helper()
	for {
		var window []*Accept
		for range 200 {
			window = append(window, b.db.Enqueue(b.message(4)))
		}
		for _, a := range window {
			id, err := a.Result()
			switch {
			case errors.Is(err, ErrDiskFull):
				return ids
			case err != nil:
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
	}
}

// TestHeldRoom fills the disk to the last octet that new messages may take. Outcomes, receipts and cancels of what was
// accepted still find room; long before there is none for them, claims are refused. With room again all goes on.
func TestHeldRoom(t *testing.T) { inOwnProcess(t, heldRoom) }

func heldRoom(t *testing.T) {
	const most = 3 << 19
	b := newBox(t, Options{Reserve: -1})
	b.ok(b.db.Close())
	os.Remove(b.path)
	limitFiles(t, most)
	b.open()
	b.ok(b.db.w.do(func(t *txn) error { t.w.disk.most = 1 << 19; return nil }))
	b.acct = b.account("SHOP")
	ids := b.fill(t)
	used := func() int64 { // as much of the file as is in use
		var size int64
		b.ok(b.db.w.do(func(t *txn) error { size = t.tx.Size(); return nil }))
		return size
	}
	r, err := b.db.Disk()
	if b.ok(err); !r.Full || r.Paused {
		t.Errorf("the room is %+v, want it full, and sending not paused", r)
	}
	t.Logf("%d messages were accepted; %d KiB of %d are in use, %d KiB are held", len(ids), used()>>10, most>>10, r.Held>>10)
	_, _, err = b.db.Receive(Inbound{Line: "line-1"}, b.now)
	wantError(t, err, ErrDiskFull)
	b.ok(b.db.Cancel(b.acct.Lane, ids[0], b.now))
	sent := 0
	for _, id := range ids[1:] {
		part := 0
		for ; part < 4; part++ {
			err := b.db.Claim(id, part, "stick", "line-1", b.now)
			if errors.Is(err, ErrDiskFull) {
				break
			}
			b.ok(err)
			b.ok(b.db.Sent(id, part, uint8(part), true, b.now)) // the claim was a promise that there is room
			sent++
			b.report(uint8(part), 0)
		}
		if part < 4 {
			break
		}
	}
	r, err = b.db.Disk()
	b.ok(err)
	t.Logf("%d parts were claimed, sent and reported; %d KiB are held then, paused: %t", sent, r.Held>>10, r.Paused)
	if sent < 300 {
		t.Errorf("only %d parts could be sent with what is held", sent)
	}
	if !r.Paused && sent < 4*(len(ids)-1) {
		t.Error("a claim was refused, and Disk says nothing of it")
	}
	waits := ids[len(ids)-1]
	b.ok(b.db.Cancel(b.acct.Lane, waits, b.now))
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1)
	b.ok(err)
	b.ok(b.db.Acknowledge(b.acct.Lane, rows[0].Seq))
	b.ok(b.db.Err())

	limitFiles(t, unlimited)
	b.ok(b.db.w.do(func(t *txn) error { t.w.disk.looked = time.Time{}; return nil })) // a second is over
	b.enqueue(b.message(1))
	b.claim(ids[len(ids)-2], 0)
	if r, err = b.db.Disk(); err != nil || r.Full || r.Paused {
		t.Errorf("with room again: %+v, %v", r, err)
	}
	b.wantIndexes()
}

// TestDiskErrors: what a write, a sync, or an attempt to make the file longer says, and whether the store goes on.
func TestDiskErrors(t *testing.T) {
	write := func(err error) error { return &fs.PathError{Op: "write", Path: "gateway.db", Err: err} }
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"no space", write(syscall.ENOSPC), ErrDiskFull},
		{"no quota", write(syscall.EDQUOT), ErrDiskFull},
		{"file too large", write(syscall.EFBIG), ErrDiskFull},
		{"read-only", write(syscall.EROFS), ErrFailed},
		{"no disk", write(syscall.EIO), ErrFailed},
		{"stale", write(syscall.ESTALE), ErrFailed},
		{"too large, in growing", errors.New("file resize error: truncate gateway.db: file too large"), ErrDiskFull},
		{"no disk, in growing", errors.New("file resize error: truncate gateway.db: input/output error"), ErrFailed},
		{"no space, in growing, by fsync", errors.New("file sync error: no space left on device"), ErrFailed},
		{"no space, by fsync", syscall.ENOSPC, ErrFailed},
		{"no quota, by fsync", syscall.EDQUOT, ErrFailed},
		{"another call", &fs.PathError{Op: "truncate", Path: "gateway.db", Err: syscall.ENOSPC}, ErrFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(1))
			b.commitBy(func(tx *bolt.Tx) error { tx.Rollback(); return tt.err })
			_, err := b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, tt.want)
			err = b.db.Cancel(b.acct.Lane, id, b.now)
			wantError(t, err, tt.want)
			b.wantState(id, Queued)
			if tt.want == ErrFailed {
				return
			}
			b.commitBy((*bolt.Tx).Commit)
			b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
			_, err = b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, ErrDiskFull) // for a second
			b.reserve(0)
			b.enqueue(b.message(1))
		})
	}
}

// TestMoved: the file is removed, or another put in its place, while it is open. Nothing new is accepted into a file that
// will be gone; what is there goes its way; and back in its place it is as before.
func TestMoved(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	aside := b.path + ".aside"
	look := func() DiskRoom {
		t.Helper()
		b.reserve(0)
		r, err := b.db.Disk()
		b.ok(err)
		return r
	}
	for _, tt := range []struct {
		name string
		do   func() error
	}{
		{"removed", func() error { return nil }},
		{"replaced", func() error { return os.WriteFile(b.path, []byte("another"), 0o600) }},
	} {
		b.ok(os.Rename(b.path, aside))
		b.ok(tt.do())
		if r := look(); !r.Moved {
			t.Errorf("%s: the room is %+v", tt.name, r)
		}
		_, err := b.db.Enqueue(b.message(1)).Result()
		wantError(t, err, ErrMoved)
		b.wantState(id, Queued)
		b.ok(os.Rename(aside, b.path))
		if r := look(); r.Moved {
			t.Errorf("%s, and back in its place: the room is %+v", tt.name, r)
		}
		b.enqueue(b.message(1))
	}
	b.claim(id, 0)
}

// TestSlowDisk: while a commit takes its time Disk tells since when, and does not wait for it.
func TestSlowDisk(t *testing.T) {
	b := newBox(t, Options{})
	b.enqueue(b.message(1))
	began, hold := make(chan struct{}), make(chan struct{})
	b.commitBy(func(tx *bolt.Tx) error {
		close(began)
		<-hold
		return tx.Commit()
	})
	a := b.db.Enqueue(b.message(1))
	<-began
	r, err := b.db.Disk()
	if b.ok(err); r.Waits < roomWait {
		t.Errorf("the disk waits for %s", r.Waits)
	}
	waiting := runtime.NumGoroutine()
	for range 3 { // as often as anybody looks at a disk that hangs
		if r, err = b.db.Disk(); err != nil || r.Waits < roomWait {
			t.Errorf("it waits for %s (%v)", r.Waits, err)
		}
	}
	if n := runtime.NumGoroutine(); n > waiting {
		t.Errorf("%d more wait for it", n-waiting)
	}
	close(hold)
	_, err = a.Result()
	b.ok(err)
	b.commitBy((*bolt.Tx).Commit)
	if r, err = b.db.Disk(); err != nil || r.Waits != 0 {
		t.Errorf("then it waits for %s (%v)", r.Waits, err)
	}
}
