package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"smsgateway/store"
)

const (
	// mostOrigins is how many peers are remembered that have bound an account.
	mostOrigins = 4
	// originLasts is how long one of them is known that is not bound any more: by then others may have its address.
	originLasts = 30 * 24 * time.Hour
	// originAge is how old a note may be before a bind writes it again, and originStays before it is written again for a
	// session that stays.
	originAge, originStays = time.Hour, 24 * time.Hour
)

// knownFrom tells whether an account was bound from there lately. A note from a future that was a wrong clock's does not
// last longer.
func knownFrom(a store.Account, peer netip.Prefix, now time.Time) bool {
	o, ok := originOf(a, peer)
	return ok && now.Sub(o.At).Abs() < originLasts
}

// originOf finds what is noted of a peer.
func originOf(a store.Account, peer netip.Prefix) (store.Origin, bool) {
	i := slices.IndexFunc(a.Origins, func(o store.Origin) bool { return o.Peer == peer.String() })
	if i < 0 || !peer.IsValid() {
		return store.Origin{}, false
	}
	return a.Origins[i], true
}

// freshAt tells whether a note is not to be written again yet.
func freshAt(o store.Origin, now time.Time, most time.Duration) bool {
	return now.Sub(o.At) < most && !o.At.After(now)
}

// noteOrigin writes down from where an account was bound, if that is not known. It is worth no failure.
func (g *Gateway) noteOrigin(a store.Account, peer netip.Prefix) {
	now := g.opt.Now()
	if o, ok := originOf(a, peer); !peer.IsValid() || ok && freshAt(o, now, originAge) {
		return
	}
	err := g.db.NoteOrigin(a.Lane, store.Origin{Peer: peer.String(), At: now.UTC()}, mostOrigins)
	if err != nil && !errors.Is(err, store.ErrDiskFull) && !errors.Is(err, store.ErrNoAccount) {
		g.log.Warn("it can't be noted from where an account was bound", "system_id", a.Key, "error", err)
	}
}

// renewOrigins writes down that clients are bound still: one that stays for months is no stranger when its connection
// breaks. More peers of one account than are remembered do not take turns.
func (g *Gateway) renewOrigins() {
	now := g.opt.Now()
	for _, h := range g.sessions.staying() {
		a, err := h.account()
		if err != nil {
			continue
		}
		if o, ok := originOf(a, h.session.Peer()); ok && !freshAt(o, now, originStays) {
			g.noteOrigin(a, h.session.Peer())
		}
	}
}
