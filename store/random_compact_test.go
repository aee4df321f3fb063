package store

import (
	"context"
	"errors"
	"fmt"
)

// slowCompaction is one that goes on by a step with each thing that is done meanwhile.
type slowCompaction struct {
	on     chan struct{}
	done   chan error
	giveUp context.CancelFunc
}

// randomCompact begins one, unless one is at work.
func (w *walk) randomCompact() {
	if w.compaction != nil {
		return
	}
	ctx, giveUp := context.WithCancel(w.t.Context())
	s := &slowCompaction{make(chan struct{}), make(chan error, 1), giveUp}
	w.compaction = s
	w.db.compactor.bite, w.db.compactor.some = 1+w.r.Int64N(8000), 1+w.r.Int64N(40)
	w.db.compactor.step = func(c *compaction, name string) error {
		switch name { // in these the writer waits
		case "synced":
			wantSame(w.t, c)
			return nil
		case "renamed":
			return nil
		}
		select {
		case <-s.on:
			return nil
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	w.log = append(w.log, fmt.Sprintf("compact in bites of %d", w.db.compactor.bite))
	db := w.db
	go func() {
		_, err := db.Compact(ctx, nil)
		s.done <- err
	}()
}

// compactOn lets the compaction do its next step.
func (w *walk) compactOn() {
	if w.compaction == nil {
		return
	}
	select {
	case w.compaction.on <- struct{}{}:
	case err := <-w.compaction.done:
		w.ok(err)
		w.log = append(w.log, "compacted")
		w.compaction = nil
		w.compacted++
	}
}

// endCompaction has it given up, unless it has come to its end already.
func (w *walk) endCompaction() {
	if w.compaction == nil {
		return
	}
	w.compaction.giveUp()
	err := <-w.compaction.done
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
		w.t.Errorf("the compaction ended so: %v", err)
	}
	w.log = append(w.log, fmt.Sprint("the compaction: ", err))
	w.compaction = nil
	w.wantNothingLeft()
}
