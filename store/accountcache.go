package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// accountCache holds accounts as they were read last, by lane: each message asks for its account, and to read the record is
// a third of what it costs to take a message in. A commit that changes an account makes all of them old, and lets them go:
// no account stays in memory that was removed. With very many accounts all go when there are mostCached, about 10 MB.
type accountCache struct {
	age    atomic.Uint64 // counts these commits
	byLane sync.Map      // uint32 to *cachedAccount
	n      atomic.Int64  // how many were put in since it was empty
}

const mostCached = 10_000

type cachedAccount struct {
	age     uint64
	account Account
}

// clone shares nothing with a that can be changed.
func (a Account) clone() Account {
	a.Origins = slices.Clone(a.Origins)
	return a
}

// look gives an account that is as it is on disk; it is the caller's own.
func (c *accountCache) look(lane uint32) (Account, bool) {
	if v, ok := c.byLane.Load(lane); ok {
		if cached := v.(*cachedAccount); cached.age == c.age.Load() {
			return cached.account.clone(), true
		}
	}
	return Account{}, false
}

// held is Held of an account that is as it is on disk.
func (c *accountCache) held(lane uint32, now time.Time) (held, known bool) {
	if v, ok := c.byLane.Load(lane); ok {
		if cached := v.(*cachedAccount); cached.age == c.age.Load() {
			return cached.account.Held(now), true
		}
	}
	return false, false
}

// keep takes an account in that was read after the cache had that age.
func (c *accountCache) keep(a Account, age uint64) {
	kept := &cachedAccount{age, a.clone()}
	if c.n.Add(1) > mostCached {
		c.n.Store(1)
		c.byLane.Clear()
	}
	c.byLane.Store(a.Lane, kept)
	if c.age.Load() != age { // outdate may have been through already
		c.byLane.CompareAndDelete(a.Lane, kept)
	}
}

// outdate is called when a change of an account is on disk, before any reader is shown it, and before anybody is told so.
func (c *accountCache) outdate() {
	c.age.Add(1)
	c.n.Store(0)
	c.byLane.Clear()
}
