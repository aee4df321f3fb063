package store

import (
	"sync"
	"testing"
	"time"

	"smsgateway/sms"
)

// submitOnce submits a message of the box's account.
func (b *box) submitOnce(once Once) ID {
	b.t.Helper()
	id, err := b.db.EnqueueOnce(b.message(1), once).Result()
	b.ok(err)
	return id
}

// rows counts those of a bucket.
func (b *box) rows(of bucket) (n int) {
	b.t.Helper()
	b.ok(b.db.view(func(v *reader) error {
		n = v.bucket(of).Stats().KeyN
		return nil
	}))
	return n
}

// TestEnqueueOnce: who submits the same again within the window gets the same id, whoever crashed in between.
func TestEnqueueOnce(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: 10 * time.Minute, Reference: 7, Content: [16]byte{1}}
	first := b.submitOnce(once)
	b.pass(9*time.Minute + 59*time.Second)
	a := b.db.EnqueueOnce(b.message(1), once)
	if id, err := a.Result(); id != first || err != nil || !a.Again() {
		t.Errorf("submitted again: got %s, %v, again %t, want %s", id, err, a.Again(), first)
	}
	for name, restart := range map[string]func(){"closed and opened": b.reopen, "the power was cut": b.crash} {
		restart()
		if id := b.submitOnce(once); id != first {
			t.Errorf("%s: got %s, want %s", name, id, first)
		}
	}
	others := []Once{once, once, once}
	others[0].Reference, others[1].Content, others[2].Window = 8, [16]byte{2}, 9*time.Minute
	for n, other := range others {
		a := b.db.EnqueueOnce(b.message(1), other)
		if id, err := a.Result(); id == first || err != nil || a.Again() {
			t.Errorf("other %d: got %s, %v, again %t", n, id, err, a.Again())
		}
	}
	m := b.message(1)
	m.Account, m.Lane = b.other.Key, b.other.Lane
	if id, err := b.db.EnqueueOnce(m, once).Result(); id == first || err != nil {
		t.Errorf("of another account: got %s, %v", id, err)
	}
	b.enqueue(b.message(1))
	if n := b.rows(bMessages); n != 6 {
		t.Errorf("%d messages are stored, want 6", n)
	}
}

// TestOnceWindow: at the end of the window it is a new message, which has a window of its own; and no row stays.
func TestOnceWindow(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: 10 * time.Minute, Reference: 7}
	first := b.submitOnce(once)
	b.pass(10 * time.Minute)
	second := b.submitOnce(once)
	if second == first {
		t.Fatal("the window did not end")
	}
	b.tick()
	b.pass(9 * time.Minute)
	b.tick()
	if id := b.submitOnce(once); id != second {
		t.Errorf("got %s, want %s: the end of the first window took the second with it", id, second)
	}
	next, err := b.db.NextTimer()
	if want := b.now.Add(time.Minute); err != nil || next.Before(want) || next.After(want.Add(time.Minute)) {
		t.Errorf("the next timer is at %s, %v, want within a minute of %s", next, err, want)
	}
	b.pass(2 * time.Minute)
	b.tick()
	if n := b.rows(bResubmits); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	b.enqueue(b.message(1))
	if n := b.rows(bResubmits); n != 0 {
		t.Errorf("an ordinary message left %d rows", n)
	}
}

// TestOnceEnds: in which states the first message still stands for the second.
func TestOnceEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(b *box, id ID)
		want State
		same bool
	}{
		{"waits", func(*box, ID) {}, Queued, true},
		{"with a modem", func(b *box, id ID) { b.claim(id, 0) }, Claimed, true},
		{"sent", func(b *box, id ID) { b.send(id, 0, 1) }, Sent, true},
		{"delivered", func(b *box, id ID) { b.send(id, 0, 1); b.report(1, 0) }, Delivered, true},
		{"sent without reports", func(b *box, id ID) { b.claim(id, 0); b.ok(b.db.Sent(id, 0, 1, false, b.now)) }, Accepted, true},
		{"in doubt", func(b *box, id ID) { b.claim(id, 0); b.ok(b.db.Doubt(id, 0, "silence", b.now)) }, Uncertain, true},
		{"nobody knows", func(b *box, id ID) {
			b.claim(id, 0)
			b.ok(b.db.Doubt(id, 0, "silence", b.now))
			b.pass(15 * time.Minute)
			b.tick()
		}, Unknown, true},
		{"cancelled", func(b *box, id ID) { b.ok(b.db.Cancel(b.acct.Lane, id, b.now)) }, Deleted, false},
		{"failed at the phone", func(b *box, id ID) { b.send(id, 0, 1); b.report(1, 0x41) }, Undeliverable, false},
		{"expired", func(b *box, id ID) { b.send(id, 0, 1); b.report(1, 0x46) }, Expired, false},
		{"rejected", func(b *box, id ID) { b.ok(b.db.Reject(id, "no", b.now)) }, Rejected, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			once := Once{Window: time.Hour, Reference: 7}
			id := b.submitOnce(once)
			tt.do(b, id)
			b.wantState(id, tt.want)
			if again := b.submitOnce(once); (again == id) != tt.same {
				t.Errorf("got %s after %s", again, id)
			}
		})
	}
}

// TestOnceGone: of a message that is past its keeping time nobody knows how it ended, and it is not sent twice.
func TestOnceGone(t *testing.T) {
	b := newBox(t, Options{Keep: time.Minute})
	once := Once{Window: time.Hour, Reference: 7}
	id := b.submitOnce(once)
	b.send(id, 0, 1)
	b.report(1, sms.StatusReceived)
	b.pass(2 * time.Minute)
	b.tick()
	if n := b.rows(bMessages); n != 0 {
		t.Fatal("the message is still there")
	}
	if again := b.submitOnce(once); again != id {
		t.Errorf("got %s, want %s", again, id)
	}
}

// TestOncePipelined: of many at once one is stored, and all get its id.
func TestOncePipelined(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Hour, Reference: 7}
	var group sync.WaitGroup
	ids := make([]ID, 64)
	for n := range ids {
		group.Go(func() {
			first, second := b.db.EnqueueOnce(b.message(1), once), b.db.EnqueueOnce(b.message(1), once)
			id, err := first.Result()
			again, err2 := second.Result()
			if err != nil || err2 != nil || again != id || !second.Again() {
				t.Errorf("got %s, %v and %s, %v", id, err, again, err2)
			}
			ids[n] = id
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got %s and %s", ids[0], id)
		}
	}
	if n := b.rows(bMessages); n != 1 {
		t.Errorf("%d messages are stored, want 1", n)
	}
}

// TestOnceClock: a clock that jumps by a day has nothing sent twice.
func TestOnceClock(t *testing.T) {
	for name, jump := range map[string]time.Duration{"ahead": 24 * time.Hour, "back": -24 * time.Hour} {
		b := newBox(t, Options{})
		once := Once{Window: 10 * time.Minute, Reference: 7}
		b.tick()
		id := b.submitOnce(once)
		b.now = b.now.Add(jump)
		if _, err := b.db.Tick(b.now, 0); err != nil {
			t.Fatal(err)
		}
		if again := b.submitOnce(once); again != id {
			t.Errorf("%s: got %s, want %s", name, again, id)
		}
	}
}

// TestOnceDamaged: a row that can't be read is as none, and goes with its time.
func TestOnceDamaged(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Minute, Reference: 7}
	id := b.submitOnce(once)
	b.ok(b.db.w.do(func(t *txn) error {
		t.writes++
		return t.bucket(bResubmits).Put(once.key(b.acct.Lane), []byte("rubbish"))
	}))
	second := b.submitOnce(once)
	if second == id || b.submitOnce(once) != second {
		t.Errorf("got %s after %s", second, id)
	}
	b.pass(3 * time.Minute)
	b.tick()
	if n := b.rows(bResubmits); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestGreatestID: ten digits at most, and none twice: neither after a restart at the greatest, nor in a file that began anew.
func TestGreatestID(t *testing.T) {
	b := newBox(t, Options{})
	last := b.enqueue(b.message(1))
	b.pass(48 * time.Hour)
	for _, restart := range []func(){b.reopen, b.crash} {
		restart()
		id := b.enqueue(b.message(1))
		if id <= last {
			t.Errorf("got %s after %s", id, last)
		}
		last = id
	}
	b.ok(b.db.w.do(func(t *txn) error { t.writes++; return t.bucket(bMessages).SetSequence(maxID - 1) }))
	greatest := b.enqueue(b.message(1))
	if s := greatest.String(); s != "9999999999" {
		t.Errorf("the last id is %s", s)
	}
	for _, restart := range []func(){func() {}, b.reopen, b.crash} {
		restart()
		for _, a := range []*Accept{b.db.Enqueue(b.message(1)), b.db.EnqueueOnce(b.message(1), Once{Window: time.Hour})} {
			if id, err := a.Result(); id != 0 || err == nil {
				t.Errorf("beyond the last id: got %s", id)
			} else {
				wantError(t, err, ErrNoIDs)
			}
		}
	}
	b.wantState(greatest, Queued)
	b.wantIndexes()
}

// TestOnceReplaced: a text that was replaced meanwhile will not be sent; who submits it again wants it sent.
func TestOnceReplaced(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Hour, Reference: 7}
	first := b.submitOnce(once)
	b.ok(b.db.Replace(b.acct.Lane, first, otherText(), b.now))
	second := b.submitOnce(once)
	if second == first {
		t.Fatal("the text is not in the queue, and the client was told that it is")
	}
	if again := b.submitOnce(once); again != second {
		t.Errorf("submitted once more: got %s, want %s", again, second)
	}
	if m := b.get(first); m.State != Queued || m.Preview != "other" {
		t.Errorf("the other text is %s: %+v", m.State, m)
	}

	list := []*Message{b.message(1), b.message(1)}
	once.Reference = 8
	all, err := b.db.EnqueueAllOnce(list, once).Result()
	b.ok(err)
	b.ok(b.db.Replace(b.acct.Lane, all+1, otherText(), b.now))
	if again, err := b.db.EnqueueAllOnce(list, once).Result(); again != all {
		t.Errorf("one of two replaced: got %s, %v, want %s", again, err, all)
	}
	b.ok(b.db.Cancel(b.acct.Lane, all, b.now))
	if again, err := b.db.EnqueueAllOnce(list, once).Result(); again == all {
		t.Errorf("one replaced, one cancelled: got %s, %v", again, err)
	}
}

// TestOnceClockAhead: what was submitted while the clock was years ahead, and believed in the end, is no reason to keep the
// same text back for years.
func TestOnceClockAhead(t *testing.T) {
	b := newBox(t, Options{})
	right := b.now
	b.now = b.now.AddDate(2, 0, 0)
	b.tick()
	once := Once{Window: 10 * time.Minute, Reference: 7}
	first := b.submitOnce(once)
	b.now = right
	for range 20 {
		if _, err := b.db.Tick(b.now, 0); err != nil {
			t.Fatal(err)
		}
		if id := b.submitOnce(once); b.mono < clockPatience && id != first {
			t.Fatalf("the clock jumped %s ago: got %s, want %s", b.mono, id, first)
		}
		b.pass(time.Minute)
	}
	b.pass(10 * time.Minute)
	if second := b.submitOnce(once); second == first {
		t.Error("the window goes on for two years")
	}
}

// TestOnceDiskFull: that there is no room is no answer to who submits again what was accepted.
func TestOnceDiskFull(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Hour, Reference: 7}
	id := b.submitOnce(once)
	b.opt.Reserve = 1 << 60
	b.reopen()
	if again := b.submitOnce(once); again != id {
		t.Errorf("got %s, want %s", again, id)
	}
	once.Reference = 8
	_, err := b.db.EnqueueOnce(b.message(1), once).Result()
	wantError(t, err, ErrDiskFull)
}

// TestOnceOtherText: what is made of the same request may be something else by now, as settings were changed: the digest of
// the request alone decides, and what was stored then tells whether it was replaced.
func TestOnceOtherText(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Hour, Reference: 7, Note: []byte("as then")}
	b.submitOnce(Once{Window: time.Hour, Reference: 8})
	first := b.submitOnce(once)
	other := func() *Message {
		m := b.message(2)
		m.DCS, m.UDH, m.Parts[0].Data = 0x08, []byte{3, 0x24, 1, 1}, []byte("something else")
		return m
	}
	want := func(name string, a *Accept, want ID) {
		t.Helper()
		if id, err := a.Result(); id != want || err != nil || !a.Again() || string(a.Note()) != "as then" {
			t.Errorf("%s: got %s, %v, again %t, note %q, want %s", name, id, err, a.Again(), a.Note(), want)
		}
	}
	for name, restart := range map[string]func(){"at once": func() {}, "after a restart": b.reopen, "after a crash": b.crash} {
		restart()
		want(name+", as another", b.db.EnqueueOnce(other(), Once{Window: time.Hour, Reference: 7, Note: []byte("as now")}), first)
		want(name+", as another, replacing", b.db.EnqueueReplacingOnce(other(), once), first)
		want(name+", as several", b.db.EnqueueAllOnce([]*Message{other(), other()}, once), first)
		want(name+", as none", b.db.Known(b.acct.Lane, once, b.now), first)
	}
	b.ok(b.db.Replace(b.acct.Lane, first, otherText(), b.now))
	_, err := b.db.Known(b.acct.Lane, once, b.now).Result()
	wantError(t, err, ErrNotFound)
	again, err := b.db.EnqueueOnce(other(), once).Result()
	if b.ok(err); again == first {
		t.Error("the text was replaced, and the client was told that it is in the queue")
	}
	want("as it was at first", b.db.EnqueueOnce(b.message(1), once), again)
}

// TestKnown: it stores nothing, and says what EnqueueOnce would say, also of what is on its way.
func TestKnown(t *testing.T) {
	b := newBox(t, Options{})
	once := Once{Window: time.Hour, Reference: 7}
	never := func(name string, lane uint32, once Once) {
		t.Helper()
		a := b.db.Known(lane, once, b.now)
		if id, err := a.Result(); id != 0 || a.Again() {
			t.Errorf("%s: got %s, again %t", name, id, a.Again())
		} else {
			wantError(t, err, ErrNotFound)
		}
	}
	never("nothing was submitted", b.acct.Lane, once)
	list := []*Message{b.message(1), b.message(1)}
	accept, known := b.db.EnqueueAllOnce(list, once), b.db.Known(b.acct.Lane, once, b.now)
	first, err := accept.Result()
	b.ok(err)
	if id, err := known.Result(); id != first || err != nil || known.Note() != nil {
		t.Errorf("behind it: got %s, %v, note %q, want %s", id, err, known.Note(), first)
	}
	never("another account", b.other.Lane, once)
	never("another content", b.acct.Lane, Once{Window: time.Hour, Reference: 7, Content: [16]byte{1}})
	never("out of its window", b.acct.Lane, Once{Reference: 7})
	b.ok(b.db.Cancel(b.acct.Lane, first, b.now))
	if id, err := b.db.Known(b.acct.Lane, once, b.now).Result(); id != first || err != nil {
		t.Errorf("one of two cancelled: got %s, %v, want %s", id, err, first)
	}
	b.ok(b.db.Cancel(b.acct.Lane, first+1, b.now))
	never("both cancelled", b.acct.Lane, once)
	if n := b.rows(bMessages); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}
