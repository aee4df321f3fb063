package store

import (
	"flag"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// benchMessages is how many messages BenchmarkPurged accepts: go test -run '^$' -bench Purged -messages 1000000.
var benchMessages = flag.Int("messages", 100_000, "messages of BenchmarkPurged")

// BenchmarkPurged is the life of a large backlog: many messages are accepted, four of five end and are purged, and the file
// is compacted. It tells how long one submitter waits meanwhile, and how many messages ten take in a second before and
// after, beside a fresh file.
func BenchmarkPurged(b *testing.B) {
	for b.Loop() {
		purged(b, *benchMessages)
	}
}

func purged(b *testing.B, n int) {
	open := func(name string) (*DB, Account) {
		db, err := Open(filepath.Join(b.TempDir(), name), Options{Keep: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		a, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		return db, a
	}
	db, acct := open("gateway.db")
	defer db.Close()
	fresh, other := open("fresh.db")
	defer fresh.Close()
	rate := func(what string) {
		submit := func(db *DB, a Account) float64 {
			const calls = 2000
			return calls / drive(b, 10, calls, func() error { _, err := db.Enqueue(benchMessage(a)).Result(); return err }).Seconds()
		}
		var ours, theirs []float64
		for range 9 { // in turns, and the one in the middle: a disk's speed changes
			ours, theirs = append(ours, submit(db, acct)), append(theirs, submit(fresh, other))
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		s, _ := db.Space()
		b.Logf("%s: %.0f msg/s, a fresh file %.0f, ratio %.2f; %d MiB, of which %d free", what, ours[4], theirs[4],
			ours[4]/theirs[4], s.Size>>20, s.Free>>20)
		b.ReportMetric(ours[4]/theirs[4], what+"-ratio")
	}
	rate("nearly-empty")

	noSync(b, db, true)
	ids := make([]ID, 0, n)
	var window []*Accept
	began := time.Now()
	for i := range n {
		window = append(window, db.Enqueue(benchMessage(acct)))
		if len(window) == 2000 || i == n-1 {
			for _, a := range window {
				id, err := a.Result()
				if err != nil {
					b.Fatal(err)
				}
				ids = append(ids, id)
			}
			window = window[:0]
		}
	}
	b.Logf("%d accepted without syncs in %s", n, time.Since(began).Round(time.Second))
	noSync(b, db, false)
	rate("accepted")
	noSync(b, db, true)
	now := time.Now()
	for ids := range slices.Chunk(ids, 1000) {
		err := db.w.do(func(t *txn) error {
			for i, id := range ids {
				if i%5 == 0 {
					continue
				}
				m, err := t.message(id)
				if err != nil {
					return err
				}
				m.State, m.EndedAt = Deleted, now
				if err := t.save(m, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	noSync(b, db, false)

	alone := latencies(b, db, acct, func() { time.Sleep(3 * time.Second) })
	b.Logf("submit alone: %s", alone)
	purge := latencies(b, db, acct, func() {
		gone, began := 0, time.Now()
		for {
			done, err := db.Tick(now.Add(10*time.Second), 200)
			if err != nil {
				b.Fatal(err)
			}
			if gone += done.N; done.N == 0 {
				break
			}
		}
		b.Logf("%d purged in %s", gone, time.Since(began).Round(time.Second))
	})
	b.Logf("submit while purged: %s", purge)
	rate("purged")
	compact := latencies(b, db, acct, func() {
		done, err := db.Compact(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("compacted: %d MiB to %d in %s, stall %s", done.Before>>20, done.After>>20, done.Took, done.Stall)
	})
	b.Logf("submit while compacted: %s", compact)
	rate("compacted")
}

func noSync(b *testing.B, db *DB, off bool) {
	if err := db.w.do(func(*txn) error { db.handle().bolt.NoSync = off; return nil }); err != nil {
		b.Fatal(err)
	}
	if err := db.handle().file.Sync(); err != nil {
		b.Fatal(err)
	}
}

// waits is how long calls took.
type waits []time.Duration

func (w waits) String() string {
	slices.Sort(w)
	at := func(p float64) string { return w[int(float64(len(w)-1)*p)].Round(10 * time.Microsecond).String() }
	return "p50 " + at(0.5) + ", p99 " + at(0.99) + ", p99.9 " + at(0.999) + ", most " + at(1)
}

// latencies submits one message after the other while something is done.
func latencies(b *testing.B, db *DB, a Account, do func()) (all waits) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			began := time.Now()
			if _, err := db.Enqueue(benchMessage(a)).Result(); err != nil {
				b.Error(err)
				return
			}
			all = append(all, time.Since(began))
		}
	}()
	do()
	close(stop)
	<-stopped
	return all
}
