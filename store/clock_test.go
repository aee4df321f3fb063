package store

import (
	"testing"
	"time"
)

// TestClock: which times are believed (delivery-semantics, section 9).
func TestClock(t *testing.T) {
	t0 := start()
	type look struct {
		wall time.Time
		mono time.Duration
		want bool
	}
	for _, tt := range []struct {
		name  string
		high  time.Time // from an earlier run
		looks []look
	}{
		{"steady", t0.Add(-time.Hour), []look{{t0, 0, true}, {t0.Add(time.Hour), time.Hour, true}, {t0.Add(99 * time.Hour), 99 * time.Hour, true}}},
		{"first run", time.Time{}, []look{{t0, 0, true}}},
		{"set right by less than an hour", t0, []look{{t0, 0, true}, {t0.Add(70 * time.Minute), 11 * time.Minute, true}}},
		{"jumps ahead", t0, []look{{t0, 0, true}, {t0.Add(3 * time.Hour), time.Minute, false}}},
		{"jumps ahead and comes back", t0, []look{
			{t0, 0, true}, {t0.Add(3 * time.Hour), time.Minute, false}, {t0.Add(2 * time.Minute), 2 * time.Minute, true},
		}},
		{"jumps ahead and stays", t0, []look{
			{t0, 0, true}, {t0.Add(3 * time.Hour), time.Minute, false}, {t0.Add(3*time.Hour + 14*time.Minute), 15 * time.Minute, false},
			{t0.Add(3*time.Hour + 15*time.Minute), 16 * time.Minute, true}, {t0.Add(5 * time.Hour), 121 * time.Minute, true},
		}},
		{"starts in another year", t0, []look{
			{time.Unix(0, 0), 0, false}, {time.Unix(300, 0), 5 * time.Minute, false}, {time.Unix(901, 0), 15*time.Minute + time.Second, true},
			{time.Unix(1000, 0), 1000 * time.Second, true},
		}},
		{"starts in another year, then NTP", t0, []look{
			{time.Unix(0, 0), 0, false}, {t0.Add(time.Minute), time.Minute, false}, {t0.Add(20 * time.Minute), 20 * time.Minute, true},
		}},
		{"set back a little", t0, []look{{t0, 0, true}, {t0.Add(-time.Minute), time.Minute, false}, {t0.Add(time.Minute), 3 * time.Minute, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clock{high: milli(tt.high)}
			for n, l := range tt.looks {
				if got := c.plausible(l.wall, l.mono); got != l.want {
					t.Errorf("look %d: %s after %s: got %t, want %t", n, l.wall, l.mono, got, l.want)
				}
			}
		})
	}
}

// TestClockJump: when the clock jumps nothing expires and nothing is purged until it is right again, or has been the
// same for a quarter of an hour; what waits for its hour goes on (I15).
func TestClockJump(t *testing.T) {
	b := newBox(t, Options{})
	waits := b.enqueue(b.message(1))
	ended := b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, ended, b.now))
	doubtful := b.enqueue(b.message(1))
	b.claim(doubtful, 0)
	b.ok(b.db.Doubt(doubtful, 0, "silence", b.now))
	scheduled := b.message(1)
	scheduled.Due, scheduled.Expires = b.now.Add(time.Hour), b.now.Add(100*24*time.Hour)
	later := b.enqueue(scheduled)
	b.tick()

	b.now = b.now.Add(30 * 24 * time.Hour) // and the monotonic clock stands still
	done, err := b.db.Tick(b.now, 100)
	b.ok(err)
	if done.N != 1 || len(done.Steps) != 0 || done.Next.Before(b.now.Add(time.Second)) {
		t.Errorf("worked off: %+v", done)
	}
	b.wantState(waits, Queued)
	b.wantState(ended, Deleted)
	b.wantState(doubtful, Uncertain)
	if m, err := b.db.Next(b.now, Search{}); err != nil || m.ID != later {
		t.Errorf("what became due is not next: %v, %v", m, err)
	}
	// It is not sent on the word of such a clock, nor given up.
	wantError(t, b.db.Claim(waits, 0, "stick", "line-1", b.now), ErrGone)
	b.wantState(waits, Queued)

	b.now = b.now.Add(-30 * 24 * time.Hour) // somebody put it right
	b.tick()
	b.wantState(waits, Queued)
	b.claim(waits, 0)
	b.ok(b.db.Unclaim(waits, 0, "port gone", 0, b.now))

	b.now = b.now.Add(30 * 24 * time.Hour)
	b.tick()
	b.pass(16 * time.Minute)
	b.tick()
	b.wantState(waits, Expired)
	b.wantState(doubtful, Unknown)
	_, err = b.db.Message(ended)
	var gone *GoneError
	if !asGone(err, &gone) || gone.Lane != b.acct.Lane {
		t.Errorf("after a quarter of an hour the cancelled one is %v", err)
	}
}

// TestClockIsRemembered: the highest time is in the file, so that a box which starts in another year is noticed.
func TestClockIsRemembered(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.tick()
	b.pass(2 * time.Hour)
	b.tick() // has nothing to do but to remember the time
	b.ok(b.db.Close())
	b.now = b.now.Add(-100 * time.Minute)
	b.open()
	commits := b.countCommits()
	done, err := b.db.Tick(b.now, 100)
	b.ok(err)
	if done.N != 0 || done.Next.After(b.now.Add(doubtfulClock)) || commits.Load() != 0 {
		t.Errorf("%+v, %d commits", done, commits.Load())
	}
	b.wantState(id, Queued)
	v := b.db.w.clock.high
	if want := b.now.Add(100 * time.Minute).UnixMilli(); v != want {
		t.Errorf("the highest time is %d, want %d", v, want)
	}
}

// TestClockDoubted: it is known from the first Tick on, and is over when the clock is put right.
func TestClockDoubted(t *testing.T) {
	b := newBox(t, Options{})
	b.tick()
	if b.db.ClockDoubted() {
		t.Error("a clock that goes right is doubted")
	}
	for doubted, now := range map[bool]time.Time{true: b.now.Add(-72 * time.Hour), false: b.now} {
		_, err := b.db.Tick(now, 0)
		if b.ok(err); b.db.ClockDoubted() != doubted {
			t.Errorf("at %s: doubted %t", now, !doubted)
		}
	}
}
