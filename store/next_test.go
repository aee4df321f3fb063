package store

import (
	"errors"
	"testing"
	"time"

	"smsgateway/sms"
)

// enqueueMany stores n messages of a lane to one number.
func (b *box) enqueueMany(n int, to string) {
	b.t.Helper()
	var last *Accept
	for range n {
		m := b.message(1)
		m.Destination = sms.Address{TON: 1, NPI: 1, Number: to}
		last = b.db.Enqueue(m)
	}
	_, err := last.Result()
	b.ok(err)
}

// find is what a modem does that is not for messages to one number. It tells how many it had to look at.
func (b *box) find(seen *Bookmark, notTo string) (m *Message, looked int) {
	b.t.Helper()
	for {
		m, err := b.db.Next(b.now, Search{Seen: seen, Judge: func(m *Message) Verdict {
			if looked++; m.Destination.Number == notTo {
				return Never
			}
			return Take
		}})
		switch {
		case err == nil:
			return m, looked
		case errors.Is(err, ErrEmpty):
			return nil, looked
		case !errors.Is(err, ErrMore):
			b.t.Fatal(err)
		}
	}
}

// TestNextBehindOthers: a hundred thousand messages for another modem at the head of the lane don't hide the one behind
// them, and are read once.
func TestNextBehindOthers(t *testing.T) {
	b := newBox(t, Options{})
	const dead = "431234567"
	b.enqueueMany(100_000, dead)
	want := b.enqueue(b.message(1))
	seen := new(Bookmark)
	m, looked := b.find(seen, dead)
	if m == nil || m.ID != want || looked != 100_001 {
		t.Fatalf("got %v after %d looks, want message %s", m, looked, want)
	}
	for range 3 {
		if m, looked := b.find(seen, dead); m == nil || m.ID != want || looked != 1 {
			t.Fatalf("then got %v after %d looks, want message %s after one", m, looked, want)
		}
	}
	b.send(want, 0, 1)
	if m, looked := b.find(seen, dead); m != nil || looked != 0 {
		t.Errorf("in the end got %v after %d looks", m, looked)
	}
}

// TestBookmark: what comes back into the queue at a place that was passed is found all the same.
func TestBookmark(t *testing.T) {
	seen := new(Bookmark)
	b := newBox(t, Options{Notify: func(c Change) { seen.Returned(c.Back) }})
	const dead = "431234567"
	first := b.enqueue(b.message(1))
	b.enqueueMany(300, dead)
	settled := func() { b.ok(b.db.w.do(func(*txn) error { return nil })) }
	b.claim(first, 0)
	if m, looked := b.find(seen, dead); m != nil || looked != 300 {
		t.Fatalf("got %v after %d looks", m, looked)
	}
	b.ok(b.db.Refused(first, 0, Refusal{Wait: time.Minute, Reason: "no"}, b.now))
	settled()
	if m, _ := b.find(seen, dead); m != nil {
		t.Fatalf("got %v, which is not due", m)
	}
	b.pass(time.Minute)
	b.tick()
	settled()
	if m, looked := b.find(seen, dead); m == nil || m.ID != first || looked != 1 {
		t.Errorf("got %v after %d looks, want message %s after one", m, looked, first)
	}
	if m, _ := b.find(seen, number); m != nil {
		t.Errorf("for a modem that others were for before: got %v without a reset", m)
	}
	seen.Reset()
	if m, looked := b.find(seen, number); m == nil || m.Destination.Number != dead || looked != 2 {
		t.Errorf("after a reset got %v after %d looks, want a message to %s", m, looked, dead)
	}
	seen.Returned(make([]Place, mostReturned+1))
	if m, looked := b.find(seen, dead); m == nil || m.ID != first || looked != 1 {
		t.Errorf("after more than it can keep: got %v after %d looks", m, looked)
	}
}

// TestManyReturn: of thousands that come back into the queue and don't fit now, as long texts beyond a budget, no more are
// read at a look than of those that were never seen.
func TestManyReturn(t *testing.T) {
	seen := new(Bookmark)
	b := newBox(t, Options{Notify: func(c Change) { seen.Returned(c.Back) }})
	look := func() (looked int) {
		for {
			_, err := b.db.Next(b.now, Search{Seen: seen, Judge: func(*Message) Verdict {
				looked++
				return NotNow
			}})
			if !errors.Is(err, ErrMore) {
				return looked
			}
		}
	}
	later := b.message(1)
	later.Due = b.now.Add(time.Hour)
	first := b.enqueue(later)
	for range 2000 {
		b.db.Enqueue(later)
	}
	b.enqueue(b.message(1))
	look() // it passes the places of those that are not due
	b.pass(time.Hour)
	for n := 1; n > 0; {
		var err error
		_, n, err = b.db.Tick(b.now, 50)
		b.ok(err)
		look()
	}
	if looked := look(); looked > lookAgain {
		t.Errorf("%d messages are read at each look, want %d at most", looked, lookAgain)
	}
	m, err := b.db.Next(b.now, Search{Seen: seen})
	if err != nil || m.ID != first {
		t.Errorf("when they fit the first is %v, %v; want %s", m, err, first)
	}
}

// BenchmarkNextBehindOthers measures a pick with 100,000 messages for another modem at the head of the lane.
func BenchmarkNextBehindOthers(b *testing.B) {
	db, err := Open(b.TempDir()+"/gateway.db", Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	var last *Accept
	for range 100_001 {
		last = db.Enqueue(benchMessage(acct))
	}
	want, err := last.Result()
	if err != nil {
		b.Fatal(err)
	}
	seen, now := new(Bookmark), time.Now()
	for b.Loop() {
		for {
			m, err := db.Next(now, Search{Seen: seen, Judge: func(m *Message) Verdict {
				if m.ID == want {
					return Take
				}
				return Never
			}})
			if errors.Is(err, ErrMore) {
				continue
			}
			if err != nil || m.ID != want {
				b.Fatal(m, err)
			}
			break
		}
	}
}

// TestPoison: a message at whose hand-over the gateway dies is tried twice at most, and only where its account wishes so;
// then it is the operator's (delivery-semantics, section 8).
func TestPoison(t *testing.T) {
	for policy, tries := range map[UncertainPolicy]uint8{PolicyReport: 1, PolicyNever: 1, PolicyResend: 2} {
		t.Run(string(policy), func(t *testing.T) {
			b := newBox(t, Options{Uncertain: policy})
			id := b.enqueue(b.message(1))
			for range 5 {
				if m, err := b.db.Next(b.now, Search{}); err == nil {
					b.claim(m.ID, 0)
				}
				b.crash()
				_, err := b.db.Recover(b.now)
				b.ok(err)
				b.pass(20 * time.Minute)
				b.tick()
			}
			if m := b.get(id); m.State != Unknown || m.Parts[0].Attempts != tries {
				t.Errorf("it is %s after %d tries, want unknown after %d", m.State, m.Parts[0].Attempts, tries)
			}
		})
	}
}
