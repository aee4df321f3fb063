package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"smsgateway/store"
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
		again, err := g.stepClock()
		if err != nil {
			return err
		}
		now, began := g.opt.Now(), time.Now()
		done, err := g.db.Tick(now, bite)
		if errors.Is(err, store.ErrDiskFull) { // what is due stays so
			if sleep(ctx, fullAgain) != nil {
				return ctx.Err()
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("work off timers: %w", err)
		}
		for _, s := range done.Steps {
			g.logStep(s)
		}
		if done.N == bite { // there may be a million more: clients get as much of the writer's time
			select {
			case <-time.After(time.Since(began)):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if !now.Before(nextDrop) || nextDrop.Sub(now) > outboxSweep {
			if err := g.dropUnfetched(now); err != nil && !errors.Is(err, store.ErrDiskFull) {
				return err
			}
			nextDrop = now.Add(outboxSweep)
		}
		wait := g.timersLook
		if !done.Next.IsZero() {
			wait = min(wait, done.Next.Sub(now))
		}
		if again > 0 {
			wait = min(wait, again)
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

// logStep is the line in the log for what the clock made of a message.
func (g *Gateway) logStep(s store.TimerStep) {
	log := g.log.With("id", s.ID)
	why, again := strings.CutPrefix(s.Reason, store.ToBeSentAgain+", ")
	switch {
	case s.To == store.Expired:
		log.Info("expired", "reason", s.Reason)
	case s.To == store.Unknown && s.From == store.Sent: // the network has it, only the phone's confirmation is missing
		log.Info("ended as unknown", "reason", s.Reason)
	case s.To == store.Unknown:
		log.Warn("ended as unknown", "reason", s.Reason)
	case s.To == store.Uncertain:
		log.Warn("uncertain", "reason", s.Reason)
	case again && (s.To == store.Queued || s.To == store.Partial):
		log.Info("to be sent again", "reason", why)
	default: // of a long text some parts were in doubt, and others are not over
		log.Info("a doubt ended", "state", s.To.String(), "reason", s.Reason)
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
