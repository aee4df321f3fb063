package smpp

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestFIFO beside a slice, in any order of puts and takes.
func TestFIFO(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		q, want, next := newFIFO[int](), []int(nil), 0
		for range 2000 {
			if likely := round % 10; random.IntN(10) <= likely {
				q.put(next)
				want = append(want, next)
				next++
			} else if got, ok := q.take(); ok != (len(want) > 0) || ok && got != want[0] {
				t.Fatalf("round %d: took %d, %t of %v", round, got, ok, want)
			} else if ok {
				want = slices.Delete(want, 0, 1)
			}
			if q.length() != len(want) || q.over() {
				t.Fatalf("round %d: %d are in it, want %d; over: %t", round, q.length(), len(want), q.over())
			}
			if most := 4*len(want) + fifoKept; cap(q.items) > most && len(want) == 0 {
				t.Fatalf("round %d: room for %d while empty", round, cap(q.items))
			}
		}
		q.end()
		if q.over() != (len(want) == 0) {
			t.Fatalf("round %d: over: %t with %d in it", round, q.over(), len(want))
		}
	}
}

// TestFIFOAtWork: one goroutine waits for what another puts in, to the end.
func TestFIFOAtWork(t *testing.T) {
	const n = 100_000
	q := newFIFO[int]()
	var putting sync.WaitGroup
	putting.Go(func() {
		for i := range n {
			q.put(i)
		}
		q.end()
	})
	for want := 0; ; {
		if got, ok := q.take(); ok {
			if got != want {
				t.Fatalf("took %d, want %d", got, want)
			}
			want++
			continue
		}
		if q.over() {
			if want != n {
				t.Errorf("it ended after %d of %d", want, n)
			}
			break
		}
		<-q.more
	}
	putting.Wait()
}

// TestFIFOGoesRound: a queue that is never empty stays as large as what is in it, about.
func TestFIFOGoesRound(t *testing.T) {
	q := newFIFO[int]()
	for i := range 100_000 {
		if q.put(i); i >= 100 {
			q.take()
		}
	}
	if cap(q.items) > 1000 {
		t.Errorf("room for %d with %d in it", cap(q.items), q.length())
	}
}

// TestWideWindow: sessions that may have 10,000 requests in work take no memory for them beforehand; and they may have them.
func TestWideWindow(t *testing.T) {
	const sessions, window, most = 40, 10_000, 64 << 10
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var open []*ticket
		backend := &fake{submit: func(*SubmitSM) (Submission, error) {
			mu.Lock()
			defer mu.Unlock()
			open = append(open, newTicket())
			return open[len(open)-1], nil
		}}
		server := serve(t, &Server{Window: window, Log: slog.New(slog.DiscardHandler), Backend: backend})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var client *peer
		for range sessions {
			client = server.dialAs(BindTransmitter)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / sessions; each > most {
			t.Errorf("a session that does nothing holds %d octets, at most %d are in order", each, most)
		}
		go func() {
			for n := range uint32(window + 1) {
				client.conn.Write(encode(t, PDU{Sequence: n + 2, Body: text("x")}))
			}
		}()
		synctest.Wait()
		if len(open) != window {
			t.Fatalf("%d requests are in work, want %d", len(open), window)
		}
		for i := range window { // each answer lets in what is behind
			mu.Lock()
			sub := open[i]
			mu.Unlock()
			sub.finish("1", nil)
		}
		for n := range uint32(window) {
			if got := client.next(); got.Sequence != n+2 || got.Status != StatusOK {
				t.Fatalf("answer %+v, want one to %d", got, n+2)
			}
		}
		synctest.Wait()
		if len(open) != window+1 {
			t.Fatalf("%d requests were taken in, want %d", len(open), window+1)
		}
		open[window].finish("1", nil)
		client.next()
	})
}
