package store

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCompactUnderLoad: clients, modems, readers and the clock go on while the file is compacted again and again.
func TestCompactUnderLoad(t *testing.T) {
	const wantMessages, wantCompactions = 500, 5
	b := newBox(t, Options{Keep: time.Second})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var accepted atomic.Int64
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				id, err := b.db.Enqueue(b.message(2)).Result()
				if _, readErr := b.db.Message(id); err != nil || readErr != nil {
					t.Error(id, err, readErr)
				}
				if id%3 > 0 {
					err = b.db.Cancel(b.acct.Lane, id, b.now)
				}
				if err != nil {
					t.Error(err)
				}
				accepted.Add(1)
			}
		})
	}
	load.Go(func() {
		later := b.now.Add(10 * time.Second) // what is cancelled goes
		for ctx.Err() == nil {
			if _, err := b.db.Tick(later, 50); err != nil {
				t.Error(err)
			}
		}
	})
	b.onStep(func(c *compaction, name string) error {
		if name == "synced" {
			wantSame(t, c)
		}
		return nil
	})
	b.db.compactor.bite = 20_000
	compacted := 0
	for !t.Failed() && (accepted.Load() < wantMessages || compacted < wantCompactions) {
		b.compact()
		compacted++
	}
	stop()
	load.Wait()
	t.Logf("%d messages, %d compactions", accepted.Load(), compacted)
	b.wantIndexes()
	b.wantPages()
}
