package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// used is a file with some of everything in it.
func used(t *testing.T) (data []byte, ids []ID) {
	t.Helper()
	b := newBox(t, Options{})
	ids = day(b, func([]ID) {})
	for n := range 10 {
		_, _, err := b.db.Receive(Inbound{Lane: b.acct.Lane, Line: "line-1", Time: b.now, Text: fmt.Sprint(n), Data: []byte{byte(n)}}, b.now)
		b.ok(err)
	}
	for n := range 10 {
		b.arrive(b.parts(uint16(n), 0, "one", "two", "three")[n%3])
	}
	b.report(200, 0)
	b.ok(b.db.Close())
	defer b.open()
	return dense(t, b.path), ids
}

// dense gives the file without its free pages, so that most damage hits something.
func dense(t *testing.T, path string) []byte {
	t.Helper()
	from, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path = filepath.Join(t.TempDir(), "dense.db")
	to, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = errors.Join(bolt.Compact(to, from, 0), to.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return inUse(t, path)
}

// damagedStore writes the data and opens it, and tells how.
func damagedStore(t *testing.T, data []byte, log *bytes.Buffer) (*DB, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.db")
	writeFile(t, path, data)
	db, err := Open(path, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Monotonic: func() time.Duration { return 0 }})
	if err == nil { // syncs are most of the time; an error here is one of many that exercise may meet again
		_ = db.w.do(func(*txn) error { db.handle().bolt.NoSync = true; return nil })
	}
	return db, path, err
}

// TestFlippedOctets damages the file in one place at a time: the store says so, where that place is read, and never
// panics, makes things up, or is empty all of a sudden (I20).
func TestFlippedOctets(t *testing.T) {
	data, ids := used(t)
	r := rand.New(rand.NewPCG(3, 4))
	refused, noticed := 0, 0
	for n := range 400 {
		at := r.IntN(len(data))
		if n < 160 {
			at = n / 80 * 4096 // the heads, octet by octet
			at += n % 80
		}
		mask := byte(1 + r.IntN(255))
		name := fmt.Sprintf("octet %#x, mask %#02x", at, mask)
		data[at] ^= mask
		var log bytes.Buffer
		db, path, err := damagedStore(t, data, &log)
		if err != nil {
			wantDamaged(t, name, path, data, err)
			refused++
		} else {
			if exercise(t, name, db, ids) || log.Len() > 0 {
				noticed++
			}
			db.Close()
		}
		data[at] ^= mask
	}
	t.Logf("%d files refused, %d more noticed", refused, noticed)
	if refused == 0 || noticed == 0 {
		t.Error("hardly any damage was noticed")
	}
}

// wantDamaged: a sentence that names the file, and the file as it was.
func wantDamaged(t *testing.T, name, path string, data []byte, err error) {
	t.Helper()
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restore") {
		t.Fatalf("%s: %v", name, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, data) {
		t.Fatalf("%s: the file was changed", name)
	}
}

// exercise reads and uses all there is, and tells whether damage was noticed. Errors must say damaged, or, once the
// store had to give up, failed.
func exercise(t *testing.T, name string, db *DB, ids []ID) (noticed bool) {
	t.Helper()
	now := start().Add(time.Hour)
	missing := 0
	allow := func(err error, also ...error) {
		t.Helper()
		for _, ok := range append(also, nil, ErrDamaged, ErrFailed) {
			if errors.Is(err, ok) {
				noticed = noticed || errors.Is(err, ErrDamaged) || errors.Is(err, ErrFailed)
				return
			}
		}
		t.Fatalf("%s: %v", name, err)
	}
	for _, id := range ids {
		m, err := db.Message(id)
		allow(err, ErrNotFound)
		if err != nil {
			missing++
		} else if m.Lane != 1 || m.Destination.Number != number {
			t.Fatalf("%s: message %s is another one: %+v", name, id, m)
		}
	}
	_, err := db.Recover(now)
	allow(err)
	list, err := db.Messages(Filter{Limit: 1000})
	allow(err)
	if len(list) == 0 && !noticed {
		t.Fatalf("%s: the store is empty without a word", name)
	}
	_, err = db.Accounts()
	allow(err)
	_, err = db.Counts(0)
	allow(err)
	_, err = db.Outbox(1, 0, 1000)
	allow(err)
	_, err = db.Inbox(InboxFilter{})
	allow(err)
	m, err := db.Next(now, Search{})
	allow(err, ErrEmpty)
	if err == nil {
		allow(db.Claim(m.ID, m.next(), "stick", "line-9", now), ErrGone)
		allow(db.Sent(m.ID, m.next(), 3, true, now), ErrGone)
		_, err = db.Report("line-9", Report{Ref: 3, Recipient: number, Time: now}, now)
		allow(err)
	}
	_, err = db.Tick(now.Add(50*time.Minute), 100)
	allow(err)
	_, err = db.DropOutbox(now, 0)
	allow(err)
	_, err = db.DropInbound(now, 0)
	allow(err)
	_, err = db.Enqueue(&Message{Lane: 1, Accepted: now, Expires: now.Add(time.Hour), Parts: []Part{{}}}).Result()
	allow(err, ErrNoAccount, ErrNoIDs)
	return noticed || missing > 0
}

// TestCutFile: a file that lost its end is refused, wherever it was cut.
func TestCutFile(t *testing.T) {
	data, _ := used(t)
	for at := 0; at < len(data); at += 1371 {
		var log bytes.Buffer
		db, path, err := damagedStore(t, data[:at], &log)
		if err == nil {
			db.Close()
			t.Fatalf("cut at %d of %d: it was opened", at, len(data))
		}
		wantDamaged(t, fmt.Sprint("cut at ", at), path, data[:at], err)
	}
}

// TestForeignFiles: what is no store is refused in a sentence, and left as it is.
func TestForeignFiles(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":      {},
		"text":       []byte("not a database at all\n"),
		"long text":  bytes.Repeat([]byte("not a database at all\n"), 10_000),
		"zeroes":     make([]byte, 1<<16),
		"other bolt": otherBolt(t),
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, path, err := damagedStore(t, data, &log)
			wantDamaged(t, name, path, data, err)
		})
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// TestDamagedRecord: one record that can't be read is told by name, and does not keep the others from going out.
func TestDamagedRecord(t *testing.T) {
	var log bytes.Buffer
	b := newBox(t, Options{})
	first, second := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.reopen()
	b.ok(b.db.w.do(func(t *txn) error {
		t.writes++
		value := bytes.Clone(t.bucket(bMessages).Get(idKey(first)))
		value[20] ^= 1
		return t.bucket(bMessages).Put(idKey(first), value)
	}))
	_, err := b.db.Message(first)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Bucket != "messages" || !bytes.Equal(damaged.Key, idKey(first)) {
		t.Fatalf("got %v", err)
	}
	wantError(t, err, ErrDamaged)
	for range 3 {
		if m, err := b.db.Next(b.now, Search{}); err != nil || m.ID != second {
			t.Fatalf("the next is %v, %v", m, err)
		}
	}
	if n := strings.Count(log.String(), "its checksum is wrong"); n != 1 {
		t.Errorf("it is in the log %d times, want once:\n%s", n, log.String())
	}
	wantError(t, b.db.Cancel(b.acct.Lane, first, b.now), ErrDamaged)
	b.pass(25 * time.Hour)
	b.tick() // does not turn round for ever
	b.wantState(second, Expired)
}

// TestCutWhileOpen has somebody cut the file while it is in use: nobody is told anything that is not so, nothing panics or
// hangs, and the store fails rather than to write behind the hole.
func TestCutWhileOpen(t *testing.T) {
	for _, pages := range []int{0, 1, 2, 3, 10} {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			b := newBox(t, Options{Reserve: -1})
			var ids []ID
			for range 300 {
				ids = append(ids, b.enqueue(b.message(2)))
			}
			if err := os.Truncate(b.path, int64(pages*4096)); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				m, err := b.db.Message(id)
				if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFailed) {
					t.Fatalf("message %s: %v", id, err)
				}
				if err == nil && string(m.Parts[1].Data) != "part 2" {
					t.Fatalf("message %s is another one", id)
				}
			}
			_, err := b.db.Enqueue(b.message(1)).Result()
			wantError(t, err, ErrDamaged)
			wantError(t, err, ErrFailed)
			wantError(t, b.db.Claim(ids[0], 0, "stick", "line-1", b.now), ErrFailed)
			if info, err := os.Stat(b.path); err != nil || info.Size() != int64(pages*4096) {
				t.Errorf("it was written to: %d octets, %v", info.Size(), err)
			}
			done := make(chan error, 1)
			go func() { done <- b.db.Close() }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("it can't be closed")
			}
			_, err = Open(b.path, b.opt)
			wantError(t, err, ErrDamaged)
		})
	}
}

// TestDamagedIndex: a row of the queue or a timer that is not its message's, as a flipped bit leaves it, is told of, once.
func TestDamagedIndex(t *testing.T) {
	for _, which := range []bucket{bQueue, bTimers} {
		b := newBox(t, Options{})
		first, second := b.enqueue(b.message(1)), b.enqueue(b.message(1))
		b.ok(b.db.w.do(func(t *txn) error {
			m, err := t.message(first)
			if err != nil {
				return err
			}
			good, bad := queueKey(m), queueKey(&Message{Lane: m.Lane, ID: first + 1<<40})
			if which == bTimers {
				good, bad = timerKey(m.in.wake, first), timerKey(m.in.wake-4096, first)
			}
			return errors.Join(t.delete(which, good), t.put(which, bad, nil))
		}))
		if got, err := b.db.Next(b.now, Search{}); err != nil || which == bQueue && got.ID != second {
			t.Errorf("next is %v, %v", got, err)
		}
		b.pass(23 * time.Hour)
		b.tick()
		for range 5 {
			b.pass(59 * time.Minute)
			b.tick()
			b.db.Next(b.now, Search{})
		}
		b.wantState(second, Expired)
		if n := len(b.db.Damage()); n != 1 {
			t.Errorf("%s: damage %v, want one row", bucketNames[which], b.db.Damage())
		}
	}
}

// TestNumbersAreNotGivenAgain: a sequence that went back, which no checksum covers, is noticed when the file is opened.
func TestNumbersAreNotGivenAgain(t *testing.T) {
	for _, which := range []bucket{bMessages, bAccounts, bInbound, bOutbox} {
		b := newBox(t, Options{})
		b.ok(b.db.Cancel(b.acct.Lane, b.enqueue(b.message(1)), b.now))
		_, _, err := b.db.Receive(Inbound{Lane: b.acct.Lane, Text: "hello"}, b.now)
		b.ok(err)
		b.ok(b.db.w.do(func(t *txn) error {
			t.writes++
			return t.bucket(which).SetSequence(t.bucket(which).Sequence() - 1)
		}))
		b.ok(b.db.Close())
		_, err = Open(b.path, b.opt)
		wantError(t, err, ErrDamaged)
	}
}

// TestLateLook: when there is no time to look at all of a file, what is not looked at is not taken for lost.
func TestLateLook(t *testing.T) {
	b := newBox(t, Options{})
	live(b, func() {})
	b.ok(b.db.Close())
	defer b.open()
	f, err := os.Open(b.path)
	b.ok(err)
	defer f.Close()
	var log bytes.Buffer
	s, err := inspect(f, time.Now().Add(-time.Second), 20, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || !s.late || log.Len() > 0 {
		t.Errorf("%+v, %v, %s", s, err, log.String())
	}
	s, err = inspect(f, time.Time{}, 0, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || s.late || s.records[bMessages] < 500 {
		t.Errorf("%v rows, late %t, %v", s.records, s.late, err)
	}
}

// TestDamagedAccount: a doubt whose account can't be read, so that nobody knows its policy, does not keep others from their
// end.
func TestDamagedAccount(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(1)
	m.Lane, m.Account = b.other.Lane, b.other.Key
	doubt, other := b.enqueue(m), b.enqueue(b.message(1))
	b.claim(doubt, 0)
	b.ok(b.db.Doubt(doubt, 0, "silence", b.now))
	b.ok(b.db.w.do(func(t *txn) error {
		t.writes++
		t.change.accounts = true
		value := bytes.Clone(t.bucket(bAccounts).Get([]byte(b.other.Key)))
		value[20] ^= 1
		return t.bucket(bAccounts).Put([]byte(b.other.Key), value)
	}))
	for range 30 {
		b.pass(59 * time.Minute)
		b.tick()
	}
	b.wantState(doubt, Uncertain)
	b.wantState(other, Expired)
	b.wantIndexes()
	if d := b.db.Damage(); len(d) != 1 || !strings.Contains(d[0], "accounts/") {
		t.Errorf("damage: %v", d)
	}
}
