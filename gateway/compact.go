package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"smsgateway/store"
)

// When the file is compacted without being asked. What that costs is bounded: for deleted texts it rewrites what is there
// once in erase_within, so that a message is copied about (keep + erase_within) / erase_within times in its life; for room,
// at most three octets for each one that was freed since, and once in an hour.
const (
	compactLook  = time.Minute      // how often it is looked whether to
	compactAgain = time.Hour        // how long after one the next may come, for room or after a failure
	quietCommits = 60               // with fewer in a minute it is quiet
	someFree     = 16 << 20         // octets that are free: with less it is not worth it
	eraseWithin  = 24 * time.Hour   // default of Defaults.EraseWithin
	eraseLate    = 10 * time.Minute // more than a compaction takes, and than it waits for its turn
)

// Compaction is how far the one at work is, and what became of the last.
type Compaction struct {
	Running     bool
	Done, Total int64 // octets of the new file, about
	Failed      error // why the last one that the gateway began by itself was not done; nil: it was
}

// compaction remembers it.
type compaction struct {
	mu sync.Mutex
	is Compaction
}

func (c *compaction) set(change func(*Compaction)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.is)
}

// Compaction tells how far it is.
func (g *Gateway) Compaction() Compaction {
	g.compaction.mu.Lock()
	defer g.compaction.mu.Unlock()
	return g.compaction.is
}

// Space tells what the octets of the file are used for.
func (g *Gateway) Space() (store.Space, error) { return g.db.Space() }

// Compact makes the file as small as it can be, and has what was deleted before vanish from it. The gateway goes on
// meanwhile. Errors are those of store.Compact.
func (g *Gateway) Compact(ctx context.Context) (store.Compacted, error) {
	if g.db.Compacting() {
		return store.Compacted{}, store.ErrCompacting
	}
	g.compaction.set(func(c *Compaction) { c.Running, c.Done, c.Total = true, 0, 0 })
	done, err := g.db.Compact(ctx, func(n, total int64) {
		g.compaction.set(func(c *Compaction) { c.Done, c.Total = n, total })
	})
	g.compaction.set(func(c *Compaction) {
		if c.Running = false; err == nil {
			c.Failed = nil
		}
	})
	return done, err
}

// keepCompact compacts the file when texts that were deleted must vanish from it, or much of it is free: in a quiet minute,
// if there is one in time.
func (g *Gateway) keepCompact(ctx context.Context) {
	look := time.NewTicker(compactLook)
	defer look.Stop()
	var last compactState
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		s, err := g.db.Space()
		if err != nil {
			continue // the store has failed, and all ends
		}
		why := last.why(s, g.opt.Now(), g.defaults().eraseWithin(), g.db.ClockDoubted())
		if why == "" {
			continue
		}
		g.log.Info("the file is compacted", "why", why, "size", s.Size, "free", s.Free)
		_, err = g.Compact(ctx)
		last.tried()
		if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrCompacting) {
			continue
		}
		g.compaction.set(func(c *Compaction) { c.Failed = err })
		g.log.Warn("the file could not be compacted; it is tried again in an hour", "err", err)
	}
}

// compactState is what is known from one look to the next.
type compactState struct {
	commits int64
	at      time.Time // of the last try, by the monotonic clock; zero: none
}

func (l *compactState) tried() { l.at = time.Now() }

// why tells why the file should be compacted now, "" if it should not. within is below 0 for never.
func (l *compactState) why(s store.Space, now time.Time, within time.Duration, doubt bool) string {
	quiet := s.Commits-l.commits < quietCommits
	l.commits = s.Commits
	if !l.at.IsZero() && time.Since(l.at) < min(compactAgain, max(within/2, compactLook)) {
		return ""
	}
	if within > 0 && !doubt && !s.Erased.IsZero() {
		switch age := now.Sub(s.Erased); {
		case age < -compactAgain && quiet, age < -within-compactAgain: // the clock was ahead
			return "texts were deleted, it is not known when"
		case age >= within, age >= within/2 && quiet:
			return "texts that were deleted since " + clock(s.Erased) + " are to vanish from it"
		}
	}
	again := l.at.IsZero() || time.Since(l.at) >= compactAgain
	if whole := s.Used + s.Free; again && s.Free >= someFree && (s.Free >= whole/4 && quiet || s.Free >= whole/2) {
		return fmt.Sprintf("%d %% of it are free", s.Free*100/whole)
	}
	return ""
}

// eraseWithin is how long deleted texts may be found in the file; below 0 for ever.
func (d *Defaults) eraseWithin() time.Duration {
	if d.EraseWithin == 0 {
		return eraseWithin
	}
	return d.EraseWithin
}

// diagnoseFile looks at the size of the file, and whether what was deleted is still in it.
func (g *Gateway) diagnoseFile() []Finding {
	s, err := g.db.Space()
	if err != nil {
		return []Finding{{Warn, "file", fmt.Sprintf("Its size is not known: %v.", err), "Look at the disk."}}
	}
	whole := s.Used + s.Free
	what := fmt.Sprintf("%s has %s", g.opt.Path, octets(whole))
	if s.Free > 0 {
		what += fmt.Sprintf(", of which %s (%d %%) are free for what comes", octets(s.Free), s.Free*100/whole)
	}
	if held := s.Size - whole; held > 0 {
		what += fmt.Sprintf(", and beside that %s that are held for a full disk", octets(held))
	}
	within, failed := g.defaults().eraseWithin(), g.Compaction().Failed
	switch {
	case failed != nil:
		return []Finding{{Warn, "file", what + ". " + sentence("it could not be compacted: "+failed.Error()),
			"Deleted texts stay in free pages until it can; try `smsgateway compact`."}}
	case within > 0 && !s.Erased.IsZero() && g.opt.Now().Sub(s.Erased) > within+compactAgain+eraseLate:
		return []Finding{{Note, "file",
			what + "; texts that were deleted since " + clock(s.Erased) + " can still be found in these.",
			"A gateway that runs compacts it by itself; so does `smsgateway compact`."}}
	case s.Free >= someFree && s.Free >= whole/2:
		return []Finding{{Note, "file", what + ".",
			"`smsgateway compact` gives them back; a gateway that runs does it by itself."}}
	}
	return []Finding{{OK, "file", what + ".", ""}}
}

// octets is a size for people.
func octets(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1<<10-1)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
