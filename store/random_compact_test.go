package store

import "fmt"

// slowCompaction is one that goes on by a step with each thing that is done meanwhile.
type slowCompaction struct {
	on   chan struct{}
	done chan error
}

// randomCompact begins one, unless one is at work.
func (w *walk) randomCompact() {
	if w.compaction != nil {
		return
	}
	s := &slowCompaction{make(chan struct{}), make(chan error, 1)}
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
	db, ctx := w.db, w.t.Context()
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
