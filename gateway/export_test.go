package gateway

import (
	"sync"
	"time"
)

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

// Remembers tells in which places an account of a lane is known in memory.
func (g *Gateway) Remembers(lane uint32) (where []string) {
	add := func(mu *sync.Mutex, name string, is func() bool) {
		mu.Lock()
		defer mu.Unlock()
		if is() {
			where = append(where, name)
		}
	}
	add(&g.limiter.mu, "limiter", func() bool { return g.limiter.byLane[lane] != nil })
	add(&g.rejected.mu, "rejected", func() bool { return g.rejected.byLane[lane] != nil })
	add(&g.hints.mu, "hints", func() bool { return g.hints.watches[lane] != nil })
	add(&g.outbox.mu, "outbox", func() bool { return g.outbox.lanes[lane] != nil })
	add(&g.sessions.mu, "sessions", func() bool { return g.sessions.byLane[lane] != nil })
	return where
}
