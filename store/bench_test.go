package store

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/sms"
)

// BenchmarkEnqueue measures how many messages a second are accepted, beside the least that bbolt can do for the same:
// one put of 300 octets and one queue key for each, in a group commit of the same shape. Both take turns in short
// slices, as a disk's speed changes from second to second.
func BenchmarkEnqueue(b *testing.B) {
	for _, callers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db, err := Open(filepath.Join(b.TempDir(), "gateway.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			bare := newBare(b)
			defer bare.close()
			enqueue := func() error {
				_, err := db.Enqueue(benchMessage(acct)).Result()
				return err
			}
			put := func() error { return bare.put(make([]byte, 300)) }
			const slices = 10
			var ours, theirs time.Duration
			for i := range slices {
				n := b.N*(i+1)/slices - b.N*i/slices
				ours += drive(b, callers, n, enqueue)
				theirs += drive(b, callers, n, put)
			}
			b.ReportMetric(float64(b.N)/ours.Seconds(), "msg/s")
			b.ReportMetric(float64(b.N)/theirs.Seconds(), "bare/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		})
	}
}

func benchMessage(a Account) *Message {
	now := time.Now()
	return &Message{
		Account: a.Key, Lane: a.Lane, Accepted: now, Expires: now.Add(24 * time.Hour), RegisteredDelivery: 1,
		Source:      sms.Address{TON: 5, Number: "SHOP"},
		Destination: sms.Address{TON: 1, NPI: 1, Number: "491701234567"},
		Preview:     "Your order 4711 is r",
		Parts:       []Part{{Data: make([]byte, 100)}},
	}
}

// drive has n calls made by a number of goroutines, and gives the time it took.
func drive(b *testing.B, callers, n int, call func() error) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// bare is a group commit on bbolt that does nothing else.
type bare struct {
	db   *bolt.DB
	mu   sync.Mutex
	cond sync.Cond
	next bareGroup
	end  bool
	gone chan struct{}
}

type bareGroup struct {
	records [][]byte
	done    chan struct{}
	err     *error
}

func newBare(b *testing.B) *bare {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	r := &bare{db: db, gone: make(chan struct{})}
	r.cond.L = &r.mu
	go r.loop()
	return r
}

func (r *bare) put(record []byte) error {
	r.mu.Lock()
	if r.next.done == nil {
		r.next = bareGroup{done: make(chan struct{}), err: new(error)}
		r.cond.Signal()
	}
	g := r.next
	r.next.records = append(r.next.records, record)
	r.mu.Unlock()
	<-g.done
	return *g.err
}

func (r *bare) loop() {
	defer close(r.gone)
	var n uint64
	for {
		r.mu.Lock()
		for r.next.done == nil && !r.end {
			r.cond.Wait()
		}
		g := r.next
		r.next = bareGroup{}
		r.mu.Unlock()
		if g.done == nil {
			return
		}
		*g.err = r.db.Update(func(tx *bolt.Tx) error {
			messages, err := tx.CreateBucketIfNotExists([]byte("m"))
			if err != nil {
				return err
			}
			queue, err := tx.CreateBucketIfNotExists([]byte("q"))
			if err != nil {
				return err
			}
			messages.FillPercent, queue.FillPercent = 1, 1
			for _, record := range g.records {
				n++
				key := binary.BigEndian.AppendUint64(nil, n)
				if err := messages.Put(key, record); err != nil {
					return err
				}
				if err := queue.Put(append([]byte("account01"), key...), nil); err != nil {
					return err
				}
			}
			return nil
		})
		close(g.done)
	}
}

func (r *bare) close() {
	r.mu.Lock()
	r.end = true
	r.cond.Broadcast()
	r.mu.Unlock()
	<-r.gone
	r.db.Close()
}

// BenchmarkEnqueueReplacing takes in messages that replace each other, in a lane where so many others wait. The first one,
// which reads the lane, is not counted.
func BenchmarkEnqueueReplacing(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			db, err := Open(filepath.Join(b.TempDir(), "gateway.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			m := benchMessage(acct)
			for n := range waiting {
				m.Destination.Number = fmt.Sprint(491700000000 + n)
				db.Enqueue(m)
			}
			m.ServiceType = "VMN"
			begin := time.Now()
			if _, err := db.EnqueueReplacing(m).Result(); err != nil {
				b.Fatal(err)
			}
			first := time.Since(begin)
			b.ResetTimer()
			for range b.N {
				db.EnqueueReplacing(m)
			}
			if _, err := db.EnqueueReplacing(m).Result(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(first.Milliseconds()), "ms-first")
		})
	}
}
