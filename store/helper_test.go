package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"smsgateway/sms"
)

// box is a store under test with a clock that the test sets. The monotonic clock goes with it.
type box struct {
	t     *testing.T
	path  string
	opt   Options
	db    *DB
	now   time.Time
	mono  time.Duration
	acct  Account
	other Account
	steps []TimerStep // of the last tick
}

// number is where the texts of most tests go.
const number = "491701234567"

// start is when tests begin: a whole second, so that times survive the file unchanged.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func newBox(t *testing.T, opt Options) *box {
	t.Helper()
	b := &box{t: t, path: filepath.Join(t.TempDir(), "gateway.db"), opt: opt, now: start()}
	b.opt.Monotonic = func() time.Duration { return b.mono }
	b.opt.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	b.open()
	t.Cleanup(func() { b.db.Close() })
	b.acct = b.account("SHOP")
	b.other = b.account("CLINIC")
	return b
}

func (b *box) open() {
	b.t.Helper()
	db, err := Open(b.path, b.opt)
	if err != nil {
		b.t.Fatal(err)
	}
	b.db = db
	// No test cuts the power of the machine, and syncs are most of the time.
	b.ok(db.w.do(func(t *txn) error { db.handle().bolt.NoSync = true; return nil }))
}

// reopen closes the file in good order and opens it again.
func (b *box) reopen() {
	b.t.Helper()
	if err := b.db.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

// reserve has the disk looked at again with this reserve. An enormous one makes it full, one below 0 takes that back.
func (b *box) reserve(n int64) {
	b.t.Helper()
	b.ok(b.db.w.do(func(t *txn) error {
		t.w.db.opt.Reserve, t.w.disk.looked = n, time.Time{}
		return nil
	}))
}

// crash goes on from a copy of the file as it is now: what a power cut between two commits leaves.
func (b *box) crash() {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "gateway.db")
	if left, err := os.ReadFile(b.path + compactSuffix); err == nil {
		writeFile(b.t, path+compactSuffix, left)
	}
	copyFile(b.t, b.path, path)
	b.db.Close()
	b.path = path
	b.open()
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, data)
}

// writeFile leaves holes where there is nothing: the store makes its file large ahead of need.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const page = 4096
	zero := make([]byte, page)
	for at := 0; at < len(data); at += page {
		if b := data[at:min(at+page, len(data))]; !bytes.Equal(b, zero[:len(b)]) {
			if _, err := f.WriteAt(b, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

func (b *box) account(key string) Account {
	b.t.Helper()
	a, err := b.db.AddAccount(Account{Key: key}, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// pass lets time go by on both clocks.
func (b *box) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.mono += d
}

// tick lets all due timers act.
func (b *box) tick() {
	b.t.Helper()
	b.steps = nil
	for range 1000 {
		done, err := b.db.Tick(b.now, 50)
		b.ok(err)
		b.steps = append(b.steps, done.Steps...)
		if done.N == 0 {
			return
		}
	}
	b.t.Fatal("the timers never came to an end")
}

// message is what a client's submit_sm becomes: one text of n parts, valid for a day, receipts for everything.
func (b *box) message(parts int) *Message {
	m := &Message{
		Account: b.acct.Key, Lane: b.acct.Lane,
		Source:      sms.Address{TON: 5, Number: "SHOP"},
		Destination: sms.Address{TON: 1, NPI: 1, Number: number},
		Accepted:    b.now, Expires: b.now.Add(24 * time.Hour), RegisteredDelivery: 0x11, Preview: "hello",
	}
	for n := range parts {
		m.Parts = append(m.Parts, Part{Data: fmt.Appendf(nil, "part %d", n+1)})
	}
	return m
}

func (b *box) enqueue(m *Message) ID {
	b.t.Helper()
	id, err := b.db.Enqueue(m).Result()
	b.ok(err)
	return id
}

func (b *box) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) claim(id ID, part int) {
	b.t.Helper()
	b.ok(b.db.Claim(id, part, "stick", "line-1", b.now))
}

// send has a part sent with reports to come.
func (b *box) send(id ID, part int, ref uint8) {
	b.t.Helper()
	b.claim(id, part)
	b.ok(b.db.Sent(id, part, ref, true, b.now))
}

func (b *box) report(ref uint8, status sms.Status) *Message {
	b.t.Helper()
	m, err := b.db.Report("line-1", Report{Ref: ref, Recipient: number, Time: b.now, Discharge: b.now, Status: status}, b.now)
	b.ok(err)
	return m
}

func (b *box) get(id ID) *Message {
	b.t.Helper()
	m, err := b.db.Message(id)
	b.ok(err)
	return m
}

func (b *box) wantState(id ID, want State) {
	b.t.Helper()
	if m := b.get(id); m.State != want {
		b.t.Fatalf("message %s is %s (%s), want %s", id, m.State, m.Reason, want)
	}
}

// receipts lists the outbox of the box's account as "state" or "state..." for notifications.
func (b *box) receipts() (list []string) {
	b.t.Helper()
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1000)
	b.ok(err)
	for _, d := range rows {
		if d.Receipt == nil {
			list = append(list, "text")
			continue
		}
		s := d.Receipt.State.String()
		if d.Receipt.Intermediate {
			s += "..."
		}
		list = append(list, s)
	}
	return list
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}
