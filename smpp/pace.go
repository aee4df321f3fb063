package smpp

import (
	"context"
	"time"
)

// What requests cost that lead to nothing, and how much of it a session may have in a second; beyond that we stop reading
// for the rest of it. Nobody means well with a hundred enquire_link a second: they only take time from the others.
const (
	costIdle    = 10 // enquire_link, and what can't be read or may not be asked
	costRefused = 1  // a message that the Handler refuses at once
	mostBarren  = 1000
)

// barren counts requests that lead to nothing.
type barren struct {
	cost  int
	since time.Time
}

// pace counts one, and waits if there were too many.
func (s *Session) pace(ctx context.Context, cost int) error {
	b := &s.barren
	if b.cost += cost; b.cost <= mostBarren {
		return nil
	}
	now := time.Now()
	if wait := b.since.Add(time.Second).Sub(now); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case now = <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	b.cost, b.since = cost, now
	return nil
}
