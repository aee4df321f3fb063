package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"smsgateway/store"
)

const (
	// fullAgain is how long is waited before the disk is tried again that was full.
	fullAgain = time.Second
	// lastTries is for how long that is done once the gateway stops.
	lastTries = 10 * time.Second
)

// seldom says something in the log, but not each time.
type seldom struct {
	mu   sync.Mutex
	next time.Time
}

func (s *seldom) error(log *slog.Logger, now time.Time, msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) && s.next.Sub(now) <= time.Minute { // else the clock was set
		return
	}
	s.next = now.Add(time.Minute)
	log.Error(msg)
}

// writeDown has the store note what has happened already, and tries again for as long as the disk is full: what a modem or
// a client said once is not said again. ctx ends when the gateway stops; then there are some last tries, and what could not
// be written down is uncertain at the next start, or is delivered once more.
func (g *Gateway) writeDown(ctx context.Context, write func() error) error {
	var until <-chan time.Time // nil: for ever
	stop := ctx.Done()
	for {
		err := write()
		if !errors.Is(err, store.ErrDiskFull) {
			return err
		}
		g.unwritten.error(g.log, g.opt.Now(), "the disk is full: what became of messages can't be written down; it is tried again until "+
			"there is room, and nothing else is sent by these modems meanwhile")
		again := time.NewTimer(fullAgain)
		select {
		case <-again.C:
		case <-stop:
			stop, until = nil, time.After(lastTries)
		case <-until:
			again.Stop()
			return err
		}
		again.Stop()
	}
}
