package gateway

import (
	"testing"
	"time"
)

// machine has the two clocks of one.
type machine struct {
	wall time.Time
	mono time.Duration
}

func (m *machine) pass(d time.Duration) { m.wall, m.mono = m.wall.Add(d), m.mono+d }

func (m *machine) clock(high time.Time) *Clock {
	c := NewClock(func() time.Time { return m.wall }, func() time.Duration { return m.mono })
	c.begin(high)
	return c
}

// TestClock: when the gateway's time follows the wall clock, and when it steps.
func TestClock(t *testing.T) {
	right := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	y1970, y2100 := time.Unix(30, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name       string
		start      time.Time     // of the wall clock
		high       time.Time     // in the file
		after      time.Duration // then the clock is set
		set        time.Time
		steps      time.Duration // so long after it was set the time steps; below 0: never
		since      bool          // what is older than the start is dated anew, too
		meanwhile  time.Time     // the time before it steps
		then       time.Time     // and once it has
		lastAsWall bool
	}{
		{"an hour ahead", right, right, time.Hour, right.Add(2 * time.Hour), 15 * time.Minute, false, right.Add(time.Hour), right.Add(2*time.Hour + 15*time.Minute), true},
		{"59 minutes back", right, right, time.Hour, right.Add(time.Minute), 15 * time.Minute, false, right.Add(time.Hour), right.Add(16 * time.Minute), true},
		{"a day ahead", right, right, time.Hour, right.Add(25 * time.Hour), 15 * time.Minute, false, right.Add(time.Hour), right.Add(25*time.Hour + 15*time.Minute), true},
		{"to 1970 while it runs", right, right, time.Hour, y1970, -1, false, right.Add(time.Hour), right.Add(time.Hour + day), false},
		{"to 2100", right, right, time.Hour, y2100, 15 * time.Minute, false, right.Add(time.Hour), y2100.Add(15 * time.Minute), true},
		{"new box in 1970, NTP after 30 s", y1970, time.Time{}, 30 * time.Second, right, 0, true, y1970.Add(30 * time.Second), right, true},
		{"in 1970, with a file, NTP after 30 s", y1970, right.Add(-3 * day), 30 * time.Second, right, 0, false, right.Add(-3*day + 30*time.Second), right, true},
		{"where it stopped, NTP after 30 s", right.Add(-3 * day), right.Add(-3 * day), 30 * time.Second, right, 0, false, right.Add(-3*day + 30*time.Second), right, true},
		{"in 1970 for ever", y1970, right, time.Hour, y1970.Add(time.Hour), -1, false, right.Add(time.Hour), right.Add(time.Hour + day), false},
		{"new box in 1970 for ever", y1970, time.Time{}, time.Hour, y1970.Add(time.Hour), -1, false, y1970.Add(time.Hour), y1970.Add(time.Hour + day), true},
		{"starts in 2100, NTP after 30 s", y2100, right, 30 * time.Second, right.Add(time.Minute), 0, false, y2100.Add(30 * time.Second), right.Add(time.Minute), true},
		{"was in 2100, starts right", right, y2100, time.Minute, right.Add(time.Minute), 14 * time.Minute, false, y2100.Add(time.Minute), right.Add(15 * time.Minute), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &machine{wall: tt.start}
			c := m.clock(tt.high)
			step := func() bool {
				by, since, _, ok := c.step()
				if ok {
					if since.IsZero() != tt.since {
						t.Errorf("what is dated anew is from %s on", since)
					}
					c.set(by)
				}
				return ok
			}
			for left := tt.after; left > 0; left -= time.Second {
				m.pass(time.Second)
				if step() {
					t.Fatalf("it steps after %s", m.mono)
				}
			}
			m.wall = tt.set
			if got := c.Now(); got.Sub(tt.meanwhile).Abs() > time.Second {
				t.Errorf("when it is set the time is %s, want %s", got, tt.meanwhile)
			}
			last := c.Now()
			for waited := time.Duration(0); ; waited += time.Second {
				if step() {
					if tt.steps < 0 || (waited-tt.steps).Abs() > 2*time.Second {
						t.Errorf("it steps after %s, want %s", waited, tt.steps)
					}
					break
				}
				if waited > day {
					if tt.steps >= 0 {
						t.Error("it never steps")
					}
					break
				}
				if now := c.Now(); now.Before(last) {
					t.Fatalf("after %s it goes back to %s", last, now)
				} else {
					last = now
				}
				m.pass(time.Second)
			}
			if got := c.Now(); got.Sub(tt.then).Abs() > 3*time.Second {
				t.Errorf("in the end it is %s, want %s", got, tt.then)
			}
			if c.Doubted() == tt.lastAsWall {
				t.Errorf("doubted: %t", c.Doubted())
			}
		})
	}
}

// TestClockFollows: what NTP corrects by less than 30 s is followed, and the time never goes back.
func TestClockFollows(t *testing.T) {
	m := &machine{wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	c := m.clock(time.Time{})
	last := c.Now()
	for _, by := range []time.Duration{20 * time.Second, -20 * time.Second, -29 * time.Second, time.Second} {
		m.wall = m.wall.Add(by)
		for range 70 {
			m.pass(time.Second)
			now := c.Now()
			if !now.After(last) {
				t.Fatalf("set by %s: from %s to %s", by, last, now)
			}
			last = now
		}
		if !c.Now().Equal(m.wall) || c.Doubted() {
			t.Errorf("set by %s: it is %s, and the wall clock says %s", by, c.Now(), m.wall)
		}
	}
}

// TestClockBackAgain: who sets the clock wrong, and right again within a quarter of an hour, has changed nothing.
func TestClockBackAgain(t *testing.T) {
	m := &machine{wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	c := m.clock(m.wall)
	m.pass(time.Hour)
	for range 2 {
		for _, by := range []time.Duration{30 * 24 * time.Hour, -300 * 24 * time.Hour, 70 * 365 * 24 * time.Hour} {
			m.wall = m.wall.Add(by)
			for range 14 {
				m.pass(time.Minute)
				if _, _, _, ok := c.step(); ok || !c.Doubted() {
					t.Fatalf("set by %s: steps %t", by, ok)
				}
			}
			m.wall = m.wall.Add(-by)
			if !c.Now().Equal(m.wall) || c.Doubted() {
				t.Errorf("set right again it is %s", c.Now())
			}
		}
	}
}

// TestClockSleeps: a machine that slept for a night, whose monotonic clock went on, has not jumped.
func TestClockSleeps(t *testing.T) {
	m := &machine{wall: time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)}
	c := m.clock(m.wall)
	m.pass(9 * time.Hour)
	if c.Doubted() || !c.Now().Equal(m.wall) {
		t.Errorf("in the morning it is %s", c.Now())
	}
}
