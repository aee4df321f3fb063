package gateway

import "time"

// HoldNext sets how long a message is kept ready behind one that the modem does not get done with.
func (g *Gateway) HoldNext(d time.Duration) { g.holdNext = d }

// ClockMoved looks at what a test's clock makes due; the real one does not jump.
func (g *Gateway) ClockMoved() {
	g.timers.set()
	g.terms.set()
	g.pool.look()
}

// TimersLook sets how often the timers are looked at.
func (g *Gateway) TimersLook(d time.Duration) { g.timersLook = d }

// Given tells how many times rows of an account were given to sessions.
func (g *Gateway) Given(key string) uint64 {
	acct, err := g.db.Account(key)
	if err != nil {
		return 0
	}
	l := g.outbox.lane(acct.Lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served
}
