package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPlaces: at random, no account has more than it may, nor all together, each can have its own, and all come back.
func TestPlaces(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		p, has := &places{}, make([]int, 1+r.IntN(60))
		for range 5000 {
			i := r.IntN(len(has))
			if r.IntN(4) == 0 {
				n := r.IntN(has[i] + 1)
				p.give(has[i], n)
				has[i] -= n
				continue
			}
			want := 1 + r.IntN(2*outboxBite)
			n := p.take(has[i], want)
			if n < 0 || n > want || n < min(want, outboxOwn-has[i]) {
				t.Fatalf("seed %d: an account with %d places got %d of %d", seed, has[i], n, want)
			}
			has[i] += n
			common := 0
			for _, n := range has {
				common += commonPlaces(n)
			}
			if has[i] > outboxKnown || common != p.used || common > outboxAll {
				t.Fatalf("seed %d: one has %d, all together %d of what is common, %d are counted", seed, has[i], common, p.used)
			}
		}
		for _, n := range has {
			p.give(n, n)
		}
		if p.used != 0 {
			t.Errorf("seed %d: %d places are left that nobody has", seed, p.used)
		}
	}
}

// TestPlacesOfAll: accounts that take nothing share what there is, and leave enough to one that comes late and takes what it
// gets. When they go, all places are free.
func TestPlacesOfAll(t *testing.T) {
	const accounts = 40
	all, rows := &places{}, textsFrom("1", outboxKnown+5000)
	var idle []*round
	known := func() (sum int) {
		for _, w := range idle {
			sum += w.lane.known
		}
		return sum
	}
	for n := range accounts {
		w := newRound(t, rows...)
		w.lane.places = all
		w.join(refuses)
		w.run(100 * time.Millisecond)
		idle = append(idle, w)
		if n == 0 && w.lane.known != outboxKnown {
			t.Errorf("one account alone knows %d rows, want %d", w.lane.known, outboxKnown)
		}
	}
	if n := known(); n > outboxAll+accounts*outboxOwn || n < outboxAll*9/10 {
		t.Errorf("%d rows of %d accounts are in memory", n, accounts)
	}
	last := slices.MinFunc(idle, func(a, b *round) int { return a.lane.known - b.lane.known })
	if last.lane.known < outboxOwn {
		t.Errorf("an account has %d places, %d are its own", last.lane.known, outboxOwn)
	}
	good, alone := newRound(t, receipts(5000)...), newRound(t, receipts(5000)...)
	good.lane.places = all
	for _, w := range []*round{good, alone} {
		c := w.join(takes(10 * time.Millisecond))
		w.run(time.Hour)
		if w.took[c] != 5000 || w.lane.known != 0 {
			t.Errorf("%d rows of 5000 were taken, %d are known", w.took[c], w.lane.known)
		}
	}
	if good.ends[5000] != alone.ends[5000] {
		t.Errorf("the last of 5000 receipts came after %s, alone after %s", good.ends[5000], alone.ends[5000])
	}
	for _, w := range idle {
		for _, c := range slices.Clone(w.lane.couriers) {
			w.breaks(c)
		}
		w.run(time.Second)
	}
	if all.used != 0 || known() != 0 {
		t.Errorf("%d places are taken, and %d rows known, when all have gone", all.used, known())
	}
}

// TestCramped: an account that got no places reads on when there are some again, though nothing of its own happens.
func TestCramped(t *testing.T) {
	w := newRound(t, slices.Concat(textsFrom("1", outboxOwn), receipts(1))...)
	w.lane.places.used = outboxAll
	c := w.join(func(w *round, c *courier, r *outboxRow) {
		if r.seq > outboxOwn {
			takes(time.Millisecond)(w, c, r)
			return
		}
		refuses(w, c, r)
	})
	w.run(time.Hour)
	if w.lane.known != outboxOwn || w.took[c] != 0 {
		t.Fatalf("%d rows are known and %d taken, want %d and none", w.lane.known, w.took[c], outboxOwn)
	}
	w.lane.places.used = 0
	began := w.now.Sub(time.Unix(0, 0))
	w.run(time.Minute)
	if end, ok := w.ends[outboxOwn+1]; !ok || end-began > 2*outboxPatience {
		t.Errorf("the receipt behind them came after %s (%t)", end-began, ok)
	}
}
