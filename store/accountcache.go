package store

import (
	"sync"
	"sync/atomic"
)

// accountCache holds accounts as they were read last, by lane: each message asks for its account, and to read the record is
// a third of what it costs to take a message in. A commit that changes an account makes all of them old.
type accountCache struct {
	age    atomic.Uint64 // counts these commits
	byLane sync.Map      // uint32 to cachedAccount
}

type cachedAccount struct {
	age     uint64
	account Account
}

// look gives an account that is as it is on disk.
func (c *accountCache) look(lane uint32) (Account, bool) {
	if v, ok := c.byLane.Load(lane); ok {
		if cached := v.(cachedAccount); cached.age == c.age.Load() {
			return cached.account, true
		}
	}
	return Account{}, false
}

// keep takes an account in that was read after the cache had that age.
func (c *accountCache) keep(a Account, age uint64) { c.byLane.Store(a.Lane, cachedAccount{age, a}) }

// drop is for a lane whose account is no more.
func (c *accountCache) drop(lane uint32) { c.byLane.Delete(lane) }

// outdate is called when a change of an account is on disk, before anybody is told so.
func (c *accountCache) outdate() { c.age.Add(1) }
