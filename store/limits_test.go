package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// limit sets what holds for the account of most tests.
func (b *box) limit(l QueueLimits) {
	b.t.Helper()
	_, err := b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.QueueLimits = l; return nil })
	b.ok(err)
}

// wantLimit takes a message in, or wants it refused by the limit named.
func (b *box) wantLimit(want string, m *Message) {
	b.t.Helper()
	_, err := b.db.Enqueue(m).Result()
	var limit *LimitError
	switch {
	case want == "":
		b.ok(err)
	case !errors.As(err, &limit) || limit.Limit != want:
		b.t.Fatalf("got %v, want a refusal by %s", err, want)
	}
}

// TestQuota: what was taken in is counted by day and month of the zone, over restarts, and however it ends.
func TestQuota(t *testing.T) {
	zone := time.FixedZone("UTC+5", 5*3600)
	b := newBox(t, Options{Zone: zone})
	b.limit(QueueLimits{PerDay: 5, PerMonth: 9})
	b.now = time.Date(2026, 3, 30, 23, 0, 0, 0, zone)
	b.wantLimit("", b.message(3))
	b.wantLimit(LimitPerDay, b.message(3))
	id := b.enqueue(b.message(2))
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
	b.wantLimit(LimitPerDay, b.message(1)) // a cancelled message stays counted
	b.reopen()
	b.wantLimit(LimitPerDay, b.message(1))
	other := b.message(9)
	other.Account, other.Lane = b.other.Key, b.other.Lane
	b.wantLimit("", other)

	use, err := b.db.Use(b.acct.Lane, b.now)
	b.ok(err)
	if use.Today != 5 || use.ThisMonth != 5 || !use.DayEnds.Equal(time.Date(2026, 3, 31, 0, 0, 0, 0, zone)) ||
		!use.MonthEnds.Equal(time.Date(2026, 4, 1, 0, 0, 0, 0, zone)) || use.Queued != 1 {
		t.Errorf("use %+v, want 5 parts today and this month, one message in the queue", use)
	}
	b.pass(time.Hour) // 31 March, 00:00 by the zone
	b.wantLimit("", b.message(4))
	b.wantLimit(LimitPerMonth, b.message(1))
	b.reopen()
	b.wantLimit(LimitPerMonth, b.message(1))
	b.pass(24 * time.Hour)
	b.wantLimit("", b.message(5))
	b.wantLimit(LimitPerDay, b.message(1))
	b.limit(QueueLimits{}) // at once
	b.wantLimit("", b.message(20))
	if use, err = b.db.Use(b.acct.Lane, b.now); err != nil || use.Today != 25 || use.ThisMonth != 25 {
		t.Errorf("use %+v, %v; want 25 parts today and this month", use, err)
	}
}

// TestQuotaClock: a clock that was set back by hours gives no quota twice, and one that jumps far ahead is not believed
// at once.
func TestQuotaClock(t *testing.T) {
	b := newBox(t, Options{Zone: time.UTC})
	b.limit(QueueLimits{PerDay: 1})
	b.wantLimit("", b.message(1))
	b.tick() // from here on the clock is known
	noon := b.now
	for _, jump := range []time.Duration{-13 * time.Hour, 5000 * time.Hour} {
		b.now = noon.Add(jump)
		b.wantLimit(LimitPerDay, b.message(1))
	}
	b.now = noon
	b.pass(12 * time.Hour)
	b.wantLimit("", b.message(1))
}

// TestDefaultLimits: an account without a limit of its own has that of the Options.
func TestDefaultLimits(t *testing.T) {
	b := newBox(t, Options{Limits: QueueLimits{MaxQueued: 2, PerDay: 3}})
	b.wantLimit("", b.message(1))
	b.wantLimit("", b.message(1))
	b.wantLimit(LimitQueued, b.message(1))
	b.limit(QueueLimits{MaxQueued: 10})
	b.wantLimit("", b.message(1))
	b.wantLimit(LimitPerDay, b.message(1))
}

// TestMaxQueuedIsExact: however many ask at once, no message too many is taken in, and none too few.
func TestMaxQueuedIsExact(t *testing.T) {
	b := newBox(t, Options{})
	b.limit(QueueLimits{MaxQueued: 50})
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			var open []*Accept
			for range 20 {
				open = append(open, b.db.Enqueue(b.message(1)))
			}
			for _, a := range open {
				var limit *LimitError
				if _, err := a.Result(); err != nil && !errors.As(err, &limit) {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	use, err := b.db.Use(b.acct.Lane, b.now)
	if err != nil || use.Queued != 50 || use.Today != 50 {
		t.Errorf("use %+v, %v; want 50 messages, and as many parts counted", use, err)
	}
	m, err := b.db.Next(b.now, Search{})
	b.ok(err)
	b.ok(b.db.Cancel(b.acct.Lane, m.ID, b.now))
	b.wantLimit("", b.message(1))
	b.wantLimit(LimitQueued, b.message(1))
}

func TestMaxQueueAge(t *testing.T) {
	b := newBox(t, Options{})
	b.limit(QueueLimits{MaxQueueAge: time.Hour})
	scheduled := b.message(1)
	scheduled.Due = b.now.Add(2 * time.Hour)
	b.wantLimit("", scheduled)
	b.pass(90 * time.Minute)
	second := b.enqueue(b.message(1)) // the scheduled one is not due
	b.pass(40 * time.Minute)
	b.tick()
	urgent := b.message(1)
	urgent.Priority = 1
	b.wantLimit("", urgent)
	b.pass(21 * time.Minute)
	b.wantLimit(LimitQueueAge, b.message(1)) // behind the scheduled one, due for 31 minutes, another waits for 61
	use, err := b.db.Use(b.acct.Lane, b.now)
	if want := start().Add(90 * time.Minute); err != nil || !use.Oldest.Equal(want) {
		t.Errorf("the oldest waits since %s, %v; want %s", use.Oldest, err, want)
	}
	b.ok(b.db.Cancel(b.acct.Lane, second, b.now))
	b.wantLimit("", b.message(1))
}

// TestExpiredAccountIsHeld: nothing of it is found or may be claimed, until it is given more time.
func TestExpiredAccountIsHeld(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	until := func(end time.Time) {
		_, err := b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.Expires = end; return nil })
		b.ok(err)
	}
	until(b.now.Add(time.Minute))
	if _, err := b.db.Next(b.now, Search{}); err != nil {
		t.Errorf("before the end: %v", err)
	}
	b.pass(time.Minute)
	_, err := b.db.Next(b.now, Search{})
	wantError(t, err, ErrEmpty)
	err = b.db.Claim(id, 0, "m", "line", b.now)
	wantError(t, err, ErrGone)
	until(time.Time{})
	if m, err := b.db.Next(b.now, Search{}); err != nil || m.ID != id {
		t.Errorf("with more time: %v, %v", m, err)
	}
}

// BenchmarkLimits: what the limits cost with each message.
func BenchmarkLimits(b *testing.B) {
	for _, l := range []QueueLimits{{}, {MaxQueued: 1 << 30, MaxQueueAge: 24 * time.Hour, PerDay: 1 << 30, PerMonth: 1 << 30}} {
		b.Run(fmt.Sprint(l.MaxQueued > 0), func(b *testing.B) {
			db, err := Open(b.TempDir()+"/gateway.db", Options{Limits: l})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			acct, err := db.AddAccount(Account{Key: "SHOP"}, start())
			if err != nil {
				b.Fatal(err)
			}
			m := &Message{Account: acct.Key, Lane: acct.Lane, Accepted: start(), Expires: start().Add(time.Hour), Parts: make([]Part, 1)}
			b.ResetTimer()
			for done := 0; done < b.N; {
				var open []*Accept
				for ; len(open) < 1000 && done < b.N; done++ {
					open = append(open, db.Enqueue(m))
				}
				for _, a := range open {
					if _, err := a.Result(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
