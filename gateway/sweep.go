package gateway

import (
	"context"
	"fmt"
	"time"
)

const (
	bite        = 200                 // timers worked off in one transaction, so that retention never stalls the writer
	outboxKeep  = 72 * time.Hour      // for a receiver that never comes
	inboxKeep   = 30 * 24 * time.Hour // texts from phones, for the operator
	outboxSweep = time.Hour

	// timersLook is how often the timers are looked at though none is due for long: the clock may be set, or the machine
	// have slept, and neither is told to those who wait.
	timersLook = time.Minute
)

// sweep lets the store's timers act when their hour comes: what was scheduled becomes due, what is over expires, doubt
// ends, and what was kept long enough goes.
func (g *Gateway) sweep(ctx context.Context) error {
	nextDrop := time.Time{}
	for {
		changed := g.timers.wait()
		now := g.opt.Now()
		next, n, err := g.db.Tick(now, bite)
		if err != nil {
			return fmt.Errorf("work off timers: %w", err)
		}
		if n == bite {
			continue
		}
		if !now.Before(nextDrop) || nextDrop.Sub(now) > outboxSweep {
			if err := g.dropUnfetched(now); err != nil {
				return err
			}
			nextDrop = now.Add(outboxSweep)
		}
		wait := g.timersLook
		if !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		timer := time.NewTimer(max(wait, 10*time.Millisecond))
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// dropUnfetched lets go what was kept long enough for somebody to fetch it.
func (g *Gateway) dropUnfetched(now time.Time) error {
	for {
		rows, err := g.db.DropOutbox(now, outboxKeep)
		if err != nil {
			return fmt.Errorf("drop receipts that nobody fetched: %w", err)
		}
		if rows > 0 {
			g.log.Warn("receipts and texts dropped that no receiver fetched in time", "n", rows, "kept", outboxKeep.String())
		}
		texts, err := g.db.DropInbound(now, inboxKeep)
		if err != nil {
			return fmt.Errorf("drop old texts from phones: %w", err)
		}
		contacts, err := g.db.DropContacts(now)
		if err != nil {
			return fmt.Errorf("drop whom the modems sent to in former months: %w", err)
		}
		if rows+texts+contacts == 0 {
			return nil
		}
	}
}
