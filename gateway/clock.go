package gateway

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"smsgateway/store"
)

// When the gateway's time follows the machine's wall clock (delivery-semantics, section 9).
const (
	// clockFollows is how far the wall clock may be off and still be followed at once: NTP corrects by less day by day.
	clockFollows = 30 * time.Second
	// clockPatience is how long a wall clock that has jumped must go on from there before it is believed.
	clockPatience = 15 * time.Minute
	// clockLook is how often one is looked at that may have to be believed soon.
	clockLook = 2 * time.Second
	// clockAgain is how long a step waits for its next try when the disk had no room to date all anew.
	clockAgain = time.Minute
	// clockSettle is how long those who asked for the time have to write it down, before all that was dated is dated anew.
	clockSettle = 200 * time.Millisecond
	// clockGap is how far ahead of the file a wall clock may be that is trusted at the start.
	clockGap = 24 * time.Hour
	// longWrong: no message waits for so long.
	longWrong = 64 * 7 * 24 * time.Hour
)

// built is a moment that is past for certain: a wall clock that says less has not been set since the machine lost it.
func built() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Clock is the gateway's time. It is the machine's wall clock as long as that runs as the monotonic clock does. When the wall
// clock jumps, the gateway's time goes on as if it had not. If the wall clock stays there for a quarter of an hour, the time
// steps after it, and what was dated by the wrong one is dated anew (store.Step); so no deadline is ever cut short, or put
// off, because somebody set a clock. A wall clock that was certainly wrong before, and is not any more, is believed at once.
//
// It begins with the highest time in the file if the wall clock is behind that: a box without a battery wakes up in 1970, or
// where it stopped. If nobody ever sets it, time goes on from there over all its starts.
//
// The zero value is no clock; NewClock makes one. All methods may be called from any goroutine.
type Clock struct {
	wall      func() time.Time
	monotonic func() time.Duration // as long as the machine sleeps it goes on, if it can

	mu     sync.Mutex
	at     time.Time     // what Now was
	when   time.Duration // by the monotonic clock
	begun  time.Time     // since when all times are of this clock, as it is set now
	begins time.Duration
	high   time.Time // the highest time in the file when it began

	off   time.Duration // how far the wall clock has jumped ahead; 0: it has not
	since time.Duration // since when it has been off by that
	waits time.Duration // until when it does not step
}

// NewClock makes a clock of the machine's two; nil for either is Go's own. wall may be set at any time, monotonic never
// is.
func NewClock(wall func() time.Time, monotonic func() time.Duration) *Clock {
	c := &Clock{wall: wall, monotonic: monotonic}
	if c.wall == nil {
		c.wall = func() time.Time { return time.Now().Round(0) }
	}
	if c.monotonic == nil {
		start := time.Now()
		c.monotonic = func() time.Duration { return time.Since(start) }
	}
	c.begin(time.Time{})
	return c
}

// begin sets the clock: by the wall, unless that is behind a time that has been.
func (c *Clock) begin(high time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.wall()
	c.at, c.when, c.high, c.off = wall, c.monotonic(), high, 0
	if wall.Before(high) {
		c.at = high
	}
	c.begun, c.begins = c.at, c.when
}

// Now is the gateway's time. It never goes back but by Step.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.look()
	return now
}

// look compares the two clocks.
func (c *Clock) look() (now time.Time, mono time.Duration) {
	mono = c.monotonic()
	passed := mono - c.when
	now = c.at.Add(passed)
	switch off := c.wall().Sub(now); {
	case off >= 0 && off <= clockFollows:
		c.at, c.when, c.off = now.Add(off), mono, 0
		return c.at, mono
	case off < 0 && -off <= clockFollows: // it goes at half its speed until the wall clock has come up
		c.at, c.when, c.off = now.Add(-min(passed/2, -off)), mono, 0
		return c.at, mono
	case c.off == 0 || (off-c.off).Abs() > clockFollows:
		c.off, c.since = off, mono
	}
	return now, mono
}

// step tells by how much the time is to step now, and since when all was dated by the time that is wrong; since is zero for
// ever. ok is false if it isn't to step. again is when that is to be asked next, 0 for when anybody likes.
func (c *Clock) step() (by time.Duration, since time.Time, again time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, mono := c.look()
	wall := now.Add(c.off)
	young := mono-c.begins < clockPatience
	switch {
	case c.off == 0 && !young:
		return 0, since, 0, false
	case mono < c.waits:
		return 0, since, clockLook, false
	case c.off == 0, wall.Before(built()) && !now.Before(built()): // it was never set
		return 0, since, clockLook, false
	case now.Before(built()) && !wall.Before(built()):
	case young && !c.high.IsZero() && c.nearer(wall): // what it began with was wrong, and somebody put it right
	case mono-c.since < clockPatience:
		return 0, since, clockLook, false
	}
	since = c.begun
	if c.off > longWrong && now.Before(built()) { // it was wrong in all its lives
		since = time.Time{}
	}
	return c.off, since, 0, true
}

// nearer tells whether the wall clock is a better one than that with which this clock began: it is not behind what was, and
// what it began with was, or was more ahead of that.
func (c *Clock) nearer(wall time.Time) bool {
	if wall.Before(c.high.Add(-clockFollows)) {
		return false
	}
	return !c.begun.After(c.high.Add(clockFollows)) || wall.Before(c.begun)
}

// set lets the time step.
func (c *Clock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, mono := c.look()
	c.at, c.when, c.off = now.Add(by), mono, 0
	c.begun = c.begun.Add(by)
}

// takeBack undoes set, for a while.
func (c *Clock) takeBack(by time.Duration) {
	c.set(-by)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, mono := c.look()
	c.waits, c.since = mono+clockAgain, mono-clockPatience
}

// unsure tells whether what the clock began with is not to be trusted.
func (c *Clock) unsure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun.Before(built()) || !c.high.IsZero() && (c.wall().Before(c.high.Add(-clockFollows)) || c.begun.Sub(c.high) > clockGap)
}

// Doubted tells whether the wall clock says something else at present. What others are told should not rest on either then.
func (c *Clock) Doubted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	return c.off != 0
}

// clockDoubted tells whether nobody can be sure of the time, or it is just now set and not all is dated anew.
func (g *Gateway) clockDoubted() bool {
	return g.stepping.Load() || g.db.ClockDoubted() || g.opt.Clock != nil && g.opt.Clock.Doubted()
}

// stepClock lets the time step after the wall clock, if it has to; what was dated by the wrong one is dated anew. again is when
// to look next, 0 for when anybody likes. Between the two the store's own doubt holds what seems to be over.
func (g *Gateway) stepClock() (again time.Duration, err error) {
	c := g.opt.Clock
	if c == nil {
		return 0, nil
	}
	by, since, again, ok := c.step()
	if !ok {
		return again, nil
	}
	g.stepping.Store(true)
	defer g.stepping.Store(false)
	was := c.Now()
	g.validities.doubt()
	c.set(by)
	time.Sleep(clockSettle) // not to be cut short: what was dated must be dated anew
	dated, err := g.db.Step(since, was, by)
	if errors.Is(err, store.ErrDiskFull) { // all dates have to change, or none
		c.takeBack(by)
		g.unstepped.error(g.log, g.opt.Now(), "the disk is full: what was dated by the wrong time can't be dated anew, so the time "+
			"goes on as it was until there is room")
		return clockLook, nil
	}
	if err != nil {
		return 0, fmt.Errorf("follow the clock, which was set: %w", err)
	}
	g.log.Warn("the clock was set: what was dated by the wrong time is dated anew, and no time-out is cut short by it",
		"was", was.UTC().Format(time.DateTime), "is", was.Add(by).UTC().Format(time.DateTime), "messages", dated)
	g.stepMemory(clockStep{since, was, by})
	return 0, nil
}

// stepMemory dates anew what is kept in memory alone, and wakes who waits for an hour.
func (g *Gateway) stepMemory(s clockStep) {
	by := s.by
	g.auth.guard.step(by)
	g.limiter.step(by)
	g.open.step(s)
	g.pool.step(by)
	g.outbox.step()
	g.diskFull.step(by)
	g.unwritten.step(by)
	g.rejected.step(by)
	g.terms.set()
	g.queue.hint.set()
}

// clockStep is a change of the time, as store.Step is told it.
type clockStep struct {
	since, was time.Time
	by         time.Duration
}

// moved gives the time by which the file knows what happened at a time that somebody noted before the step, or after it; ends is
// when the time after it ended, or what it is now.
func (s *clockStep) moved(at, ends time.Time) time.Time {
	is := s.was.Add(s.by)
	switch {
	case at.After(s.was.Add(clockSettle)), s.by < 0 && !at.Before(is) && !at.After(ends): // noted after it
		return at
	case at.Before(s.since) && !(s.by < 0 && at.After(is)): // of an earlier life, whose clock was right
		return at
	}
	return at.Add(s.by)
}

// stepped is a time that was kept, or none, after the clock has stepped.
func stepped(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}

func (g *guard) step(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	each := func(t *tries) {
		t.next, t.last, t.banned = stepped(t.next, by), stepped(t.last, by), stepped(t.banned, by)
	}
	g.peers.each(func(_ applicant, t *tries) { each(t) })
	g.accounts.each(func(_ string, t *tries) { each(t) })
}

func (l *limiter) step(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.byLane {
		t.at = stepped(t.at, by)
	}
}

// step has rows read again that wait, as their dates have changed.
func (o *outbox) step() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lanes {
		l.mu.Lock()
		for _, s := range l.subjects {
			for _, r := range s.rows {
				if !r.onWay { // else a courier has it
					r.row = nil
				}
			}
		}
		l.mu.Unlock()
	}
}

func (p *pool) step(by time.Duration) {
	p.mu.Lock()
	for _, h := range p.lines {
		h.barredUntil, h.restUntil = stepped(h.barredUntil, by), stepped(h.restUntil, by)
		h.ailing, h.failed = stepped(h.ailing, by), stepped(h.failed, by)
	}
	for _, t := range p.hard {
		t.until, t.left = stepped(t.until, by), stepped(t.left, by)
	}
	p.mu.Unlock()
	for _, x := range p.members() {
		x.mu.Lock()
		x.spent, x.idleSince = time.Time{}, stepped(x.idleSince, by)
		x.mu.Unlock()
	}
}

func (s *seldom) step(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = stepped(s.next, by)
}

func (r *rejections) step(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range r.byLane {
		for _, n := range of {
			n.next = stepped(n.next, by)
		}
	}
}
