package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// TestPendings: messages come, go and come back at random; the index finds what a simple one finds, the newest first.
func TestPendings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const keys, most = 50, 8000
	want := make(map[uint64]map[ID]bool)
	var list []pendingID
	for n := range 3000 {
		at := pendingID{r.Uint64N(keys), ID(1 + 2*n)}
		list = append(list, at)
	}
	keyOf := make(map[ID]uint64)
	for _, at := range list {
		keyOf[at.id] = at.key
		if want[at.key] == nil {
			want[at.key] = make(map[ID]bool)
		}
		want[at.key][at.id] = true
	}
	p := newPendings(list)
	anew := 0
	for n := range 40_000 {
		id := ID(1 + r.Uint64N(most))
		key, known := keyOf[id]
		if !known {
			key = r.Uint64N(keys)
			keyOf[id] = key
		}
		if want[key] == nil {
			want[key] = make(map[ID]bool)
		}
		before := len(p.base)
		if r.IntN(5) < 2+n/15_000 {
			p.add(key, id)
			want[key][id] = true
		} else {
			p.drop(key, id)
			delete(want[key], id)
		}
		if len(p.base) != before {
			anew++
		}
		if n%100 != 0 {
			continue
		}
		key = r.Uint64N(keys)
		var all []ID
		for id := range want[key] {
			all = append(all, id)
		}
		slices.Sort(all)
		slices.Reverse(all)
		if got := slices.Collect(p.newestFirst(key)); !slices.Equal(got, all) {
			t.Fatalf("after %d steps key %d has %v, want %v", n, key, got, all)
		}
	}
	if anew < 3 {
		t.Errorf("the list was made anew %d times", anew)
	}
}

// TestPendingMemory: what is kept in memory of a lane in which messages replace others is less than 40 octets for each that
// waits.
func TestPendingMemory(t *testing.T) {
	const waiting = 20_000
	b := newBox(t, Options{})
	m := b.message(1)
	var last *Accept
	for n := range waiting {
		m.Destination.Number = fmt.Sprint(491700000000 + n)
		last = b.db.Enqueue(m)
	}
	_, err := last.Result()
	b.ok(err)
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	m.ServiceType = "VMN"
	_, err = b.db.EnqueueReplacing(m).Result()
	b.ok(err)
	if added := heap() - before; added > 40*waiting {
		t.Errorf("%d messages that wait take %d octets of memory", waiting, added)
	}
	b.wantPending()
	runtime.KeepAlive(b)
}
