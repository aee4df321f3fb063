package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"smsgateway/store"
)

// The terms on which the sessions of an account are bound, and how they come into force while they are: at once when
// somebody changes them, and when the account's hour comes.

// barred says why nobody may be bound with an account from there, "" if somebody may. It is for the operator alone.
func barred(a store.Account, from net.Addr, now time.Time) string {
	switch {
	case a.Disabled:
		return "the account is disabled"
	case a.Expired(now):
		return "the account has expired"
	case !mayComeFrom(a.Addresses, from):
		return "the account is not allowed from this address"
	}
	return ""
}

func (g *Gateway) maxSessions(a store.Account) int {
	if a.MaxSessions != 0 {
		return a.MaxSessions
	}
	return g.defaults().MaxSessions
}

// window is how many requests of a session may be in work; smpp sees to it that it is not more than all may.
func (g *Gateway) window(a store.Account) int {
	if a.Window != 0 {
		return a.Window
	}
	return g.defaults().Window
}

// enforce brings the bound sessions of an account in line with its terms, as they are now: who comes last has read the latest.
func (g *Gateway) enforce(lane uint32) error {
	g.enforcing.Lock()
	defer g.enforcing.Unlock()
	a, err := g.db.AccountOfLane(lane)
	if err != nil {
		return err
	}
	now := g.opt.Now()
	g.sessions.each(lane, func(older int, h *handler) {
		why := barred(a, h.session.RemoteAddr(), now)
		if why == "" && older >= g.maxSessions(a) {
			why = "the account has more sessions than it may"
		}
		if why != "" {
			h.end(why)
			return
		}
		h.session.SetWindow(g.window(a))
	})
	return nil
}

// enforceAll brings all bound sessions in line with the defaults, when these have changed.
func (g *Gateway) enforceAll() {
	for _, lane := range g.sessions.lanes() {
		if err := g.enforce(lane); err != nil && !errors.Is(err, store.ErrNoAccount) {
			g.log.Error("an account can't be read; sessions that are bound keep their terms", "err", err)
		}
	}
}

const (
	// termsLook is how often the accounts are looked at though none is known to expire: the clock may be set.
	termsLook = time.Minute
	// expiryWarning is how long before its end the log says each day that an account will expire.
	expiryWarning = 7 * 24 * time.Hour
)

// watchTerms ends the sessions of accounts whose time is over, and says so in the log, beforehand too. It also says what of
// the rejections was held back, and renews from where accounts are bound. An account that can't be read does not stop the
// others; a store that has failed says so itself.
func (g *Gateway) watchTerms(ctx context.Context) {
	warned, failing := make(map[uint32]time.Time), false
	for {
		changed := g.terms.wait()
		now := g.opt.Now()
		g.rejected.flush(now)
		next, err := g.endExpired(now, warned)
		if err != nil && !failing {
			g.log.Error("the accounts can't all be read: that one expires is seen up to a minute late", "err", err)
		}
		if failing = err != nil; failing {
			g.enforceAll()
		}
		g.renewOrigins()
		wait := termsLook
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), 10*time.Millisecond))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// endExpired does what is due by now, and gives the next time at which an account expires, zero for none.
func (g *Gateway) endExpired(now time.Time, warned map[uint32]time.Time) (next time.Time, err error) {
	expiring, err := g.db.ExpiringAccounts()
	if err != nil {
		return next, fmt.Errorf("look which accounts expire: %w", err)
	}
	there := make(map[uint32]bool, len(expiring))
	for i := range expiring {
		there[expiring[i].Lane] = true
	}
	maps.DeleteFunc(warned, func(lane uint32, _ time.Time) bool { // of accounts that were removed, or have no end any more
		return !there[lane]
	})
	for _, a := range expiring {
		said, was := warned[a.Lane]
		say := func(what, when string) {
			if warned[a.Lane] = now; !a.Disabled {
				g.log.Warn(what, "system_id", a.Key, when, a.Expires)
			}
		}
		switch left := a.Expires.Sub(now); {
		case left > expiryWarning:
			delete(warned, a.Lane)
		case left <= 0:
			g.sessions.end(a.Lane, "the account has expired")
			if !was || said.Before(a.Expires) {
				say("an account has expired; its messages are held back", "expired")
			}
		default:
			if next.IsZero() || a.Expires.Before(next) {
				next = a.Expires
			}
			if !was || now.Sub(said).Abs() >= 24*time.Hour {
				say("an account will expire", "expires")
			}
		}
	}
	return next, nil
}

// AccountUse is how an account stands to its limits.
type AccountUse struct {
	store.AccountUse
	Limits  store.QueueLimits // that hold; 0 is none
	Refused map[string]uint64 // since the start: submits by limit or status, other requests by their name
	Expired bool
}

// Use tells how an account stands to its limits.
func (g *Gateway) Use(a store.Account) (AccountUse, error) {
	now := g.opt.Now()
	use, err := g.db.Use(a.Lane, now)
	return AccountUse{use, g.db.Limits(&a), g.rejected.of(a.Lane), a.Expired(now)}, err
}
