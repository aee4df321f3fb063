package store

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStep measures what a message costs when the clock was set and all have to be dated anew: as much among many as among
// few.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{5_000, 50_000} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			db, err := Open(b.TempDir()+"/gateway.db", Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			now := time.Now()
			var last *Accept
			for range n {
				last = db.Enqueue(benchMessage(acct))
			}
			if _, err := last.Result(); err != nil {
				b.Fatal(err)
			}
			by := time.Hour
			since := now.Add(-time.Minute)
			for b.Loop() {
				if dated, err := db.Step(since, since.Add(2*time.Minute), by); err != nil || dated != n {
					b.Fatalf("%d messages were dated anew, want %d; %v", dated, n, err)
				}
				since, by = since.Add(by), -by
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/message")
		})
	}
}
