package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"smsgateway/sms"
	"smsgateway/store"
)

// patienceInTest is smpp.Server.Response in these tests.
const patienceInTest = 10 * time.Second

// shelf is an outbox on disk in memory.
type shelf struct {
	rows  []store.Delivery // in the order of their places
	reads int
}

func (s *shelf) Outbox(_ uint32, after uint64, limit int) ([]store.Delivery, error) {
	s.reads++
	i := sort.Search(len(s.rows), func(i int) bool { return s.rows[i].Seq > after })
	return slices.Clone(s.rows[i:min(i+limit, len(s.rows))]), nil
}

func (s *shelf) remove(seq uint64) {
	i := sort.Search(len(s.rows), func(i int) bool { return s.rows[i].Seq >= seq })
	s.rows = slices.Delete(s.rows, i, i+1)
}

// round is a lane with sessions that behave as the test says, in a time of its own.
type round struct {
	t      *testing.T
	lane   *outboxLane
	shelf  *shelf
	now    time.Time
	events []event
	does   map[*courier]behaviour
	given  map[*courier]int          // rows offered
	took   map[*courier]int          // rows taken
	open   map[*courier][]*outboxRow // not answered yet
	onWay  map[string]bool           // subjects
	last   map[string]uint64         // place of the last row of a subject that was taken
	ends   map[uint64]time.Duration  // when a row was taken, since the start
}

type event struct {
	at time.Time
	do func()
}

func newRound(t *testing.T, rows ...store.Delivery) *round {
	for i := range rows {
		rows[i].Seq = uint64(i) + 1
	}
	return &round{t: t, lane: newOutboxLane(1, &places{}), shelf: &shelf{rows: rows}, now: time.Unix(0, 0),
		does: make(map[*courier]behaviour), given: make(map[*courier]int), took: make(map[*courier]int), open: make(map[*courier][]*outboxRow),
		onWay: make(map[string]bool), last: make(map[string]uint64), ends: make(map[uint64]time.Duration)}
}

// behaviour is what a session does with a row: it has a way to answer, after a time.
type behaviour func(w *round, c *courier, r *outboxRow)

func takes(after time.Duration) behaviour {
	return func(w *round, c *courier, r *outboxRow) { w.after(after, func() { w.taken(c, r) }) }
}

func refuses(w *round, c *courier, r *outboxRow) {
	w.after(time.Millisecond, func() {
		if w.closed(c, r) {
			w.lane.refused(r, c, w.now)
		}
	})
}

func isSilent(w *round, c *courier, r *outboxRow) {
	sent := w.now
	w.after(patienceInTest, func() {
		if w.closed(c, r) {
			w.lane.unanswered(r, c, sent, w.now)
		}
	})
}

// diesOf is a session that breaks when it gets that row, and comes back after a second.
func diesOf(seq uint64, otherwise behaviour) behaviour {
	var does behaviour
	does = func(w *round, c *courier, r *outboxRow) {
		if r.seq != seq {
			otherwise(w, c, r)
			return
		}
		w.after(time.Millisecond, func() {
			w.breaks(c)
			w.after(time.Second, func() { w.join(does) })
		})
	}
	return does
}

func (w *round) join(b behaviour) *courier {
	c := &courier{window: courierWindow, allowed: 1}
	w.does[c] = b
	w.lane.join(c)
	return c
}

func (w *round) breaks(c *courier) {
	w.lane.leave(c)
	for _, r := range slices.Clone(w.open[c]) {
		w.closed(c, r)
		w.lane.broken(r, c)
	}
}

func (w *round) after(d time.Duration, do func()) {
	w.events = append(w.events, event{w.now.Add(d), do})
	slices.SortStableFunc(w.events, func(a, b event) int { return a.at.Compare(b.at) })
}

// closed tells whether the row was open still: the session may have broken meanwhile.
func (w *round) closed(c *courier, r *outboxRow) bool {
	i := slices.Index(w.open[c], r)
	if i < 0 {
		return false
	}
	w.open[c] = slices.Delete(w.open[c], i, i+1)
	w.onWay[r.subject.name] = false
	return true
}

func (w *round) taken(c *courier, r *outboxRow) {
	if !w.closed(c, r) {
		return
	}
	if w.last[r.subject.name] > r.seq {
		w.t.Errorf("row %d of %s came after row %d", r.seq, r.subject.name, w.last[r.subject.name])
	}
	w.last[r.subject.name] = r.seq
	w.took[c]++
	w.ends[r.seq] = w.now.Sub(time.Unix(0, 0))
	w.shelf.remove(r.seq)
	w.lane.taken(r, c, w.now)
}

// run lets time pass until so much of it has, or nothing is left to do.
func (w *round) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for {
		gifts, next, _, err := w.lane.share(w.shelf, w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, g := range gifts {
			w.give(g.courier, g.outboxRow)
		}
		switch {
		case len(w.events) > 0 && (next.IsZero() || !w.events[0].at.After(next)):
			next = w.events[0].at
		case next.IsZero():
			return
		}
		if next.After(end) {
			w.now = end
			return
		}
		w.now = next
		for len(w.events) > 0 && !w.events[0].at.After(w.now) {
			do := w.events[0].do
			w.events = w.events[1:]
			do()
		}
	}
}

func (w *round) give(c *courier, r *outboxRow) {
	if w.onWay[r.subject.name] {
		w.t.Errorf("two rows of %s are on their way", r.subject.name)
	}
	if n := len(w.open[c]); n >= courierWindow {
		w.t.Errorf("%d rows are open on a session", n+1)
	}
	w.onWay[r.subject.name] = true
	w.open[c] = append(w.open[c], r)
	w.given[c]++
	w.does[c](w, c, r)
}

// receipts are n, each of a message of its own.
func receipts(n int) (rows []store.Delivery) {
	for i := range n {
		rows = append(rows, store.Delivery{Receipt: &store.ReceiptRow{ID: store.ID(i + 1)}})
	}
	return rows
}

// textsFrom are n of one sender.
func textsFrom(sender string, n int) (rows []store.Delivery) {
	for range n {
		rows = append(rows, store.Delivery{Inbound: &store.Inbound{From: sms.Address{Number: sender}}})
	}
	return rows
}

// TestFairAmongSessions: sessions that answer alike get alike, and one that is slower gets less and holds nothing up.
func TestFairAmongSessions(t *testing.T) {
	const rows = 3000
	for k := 1; k <= 10; k++ {
		w := newRound(t, receipts(rows)...)
		var all []*courier
		for range k {
			all = append(all, w.join(takes(20*time.Millisecond)))
		}
		w.run(time.Hour)
		for n, c := range all {
			if low, high := rows/k-courierWindow, rows/k+courierWindow; w.took[c] < low || w.took[c] > high {
				t.Errorf("session %d of %d took %d rows, want %d to %d", n+1, k, w.took[c], low, high)
			}
		}
		if len(w.shelf.rows) > 0 {
			t.Errorf("with %d sessions %d rows are left", k, len(w.shelf.rows))
		}
	}
	w := newRound(t, receipts(rows)...)
	quick, slow := w.join(takes(10*time.Millisecond)), w.join(takes(40*time.Millisecond))
	w.run(time.Hour)
	if ratio := float64(w.took[quick]) / float64(w.took[slow]); ratio < 3 || ratio > 5 {
		t.Errorf("the quick session took %d rows, the slow one %d; want four times as many", w.took[quick], w.took[slow])
	}
}

// TestFewRowsInTurn: rows that come one by one go to the sessions in turn.
func TestFewRowsInTurn(t *testing.T) {
	w := newRound(t)
	all := []*courier{w.join(takes(time.Millisecond)), w.join(takes(time.Millisecond)), w.join(takes(time.Millisecond))}
	for n := range 30 {
		row := receipts(n + 1)[n]
		row.Seq = uint64(n) + 1
		w.shelf.rows = append(w.shelf.rows, row)
		w.lane.more.Store(true)
		w.run(time.Second)
	}
	for n, c := range all {
		if w.took[c] != 10 {
			t.Errorf("session %d took %d of 30", n+1, w.took[c])
		}
	}
}

// TestBadSessions: what a session that is no good gets while there is a good one, and how long rows wait for it.
func TestBadSessions(t *testing.T) {
	const rows = 2000
	for _, tt := range []struct {
		name string
		bad  behaviour
		most int           // rows that may go to the bad one within an hour
		wait time.Duration // that a row may take at most
	}{
		{"refuses everything", refuses, 12 * 2, time.Second},
		{"never answers", isSilent, 12 * 2, 15 * time.Second},
		{"answers in 9 s", takes(9 * time.Second), rows, 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newRound(t, receipts(rows)...)
			good, bad := w.join(takes(5*time.Millisecond)), w.join(tt.bad)
			// One row every two seconds, for an hour.
			for n := range w.shelf.rows {
				row := w.shelf.rows[n]
				w.after(time.Duration(n)*2*time.Second, func() {
					w.shelf.rows = append(w.shelf.rows, row)
					w.lane.more.Store(true)
				})
			}
			w.shelf.rows = nil
			w.run(2 * time.Hour)
			if len(w.ends) != rows || len(w.shelf.rows) > 0 {
				t.Errorf("%d rows were taken, and %d are left; want all %d taken", len(w.ends), len(w.shelf.rows), rows)
			}
			late := 0
			for seq, end := range w.ends {
				if wait := end - time.Duration(seq-1)*2*time.Second; wait > tt.wait {
					t.Errorf("row %d took %s", seq, wait)
				} else if wait > time.Second {
					late++
				}
			}
			if w.given[bad] > tt.most || late > w.given[bad] || w.took[good] == 0 {
				t.Errorf("%d rows went to the bad session, want %d at most; %d rows were late", w.given[bad], tt.most, late)
			}
		})
	}
}

// TestRefusedGoesElsewhere: what one session refuses for now another one gets at once, and it waits when all have refused.
func TestRefusedGoesElsewhere(t *testing.T) {
	w := newRound(t, receipts(1)...)
	w.join(refuses)
	w.join(refuses)
	w.run(500 * time.Millisecond)
	if got := w.given; len(got) != 2 {
		t.Errorf("it was offered to %d sessions, want both", len(got))
	}
	for c, n := range w.given {
		if n != 1 {
			t.Errorf("it was offered %d times to one session (%p)", n, c)
		}
	}
	good := w.join(takes(time.Millisecond))
	w.run(10 * time.Millisecond)
	if w.took[good] != 1 {
		t.Error("a new session did not get at once what the others had put off")
	}
}

// TestComesBackIntoFavour: a session that was silent for a while has its whole window again soon after it answers.
func TestComesBackIntoFavour(t *testing.T) {
	w := newRound(t, receipts(5000)...)
	c := w.join(isSilent)
	w.run(10 * time.Minute)
	if c.good() || c.allowed != 1 || w.given[c] > 61 {
		t.Errorf("after ten minutes of silence: in favour %t, window %d, %d rows offered", c.good(), c.allowed, w.given[c])
	}
	w.does[c] = takes(10 * time.Millisecond)
	w.run(patienceInTest + time.Second)
	if !c.good() || c.allowed != courierWindow {
		t.Errorf("after it answered again: in favour %t, window %d", c.good(), c.allowed)
	}
	w.run(10 * time.Minute)
	if len(w.shelf.rows) > 0 {
		t.Errorf("%d rows are left", len(w.shelf.rows))
	}
}

// TestDeadlyRow: a row that kills the client whenever it gets it does not keep the others from it.
func TestDeadlyRow(t *testing.T) {
	for _, deadly := range []uint64{1, 5, 100} {
		w := newRound(t, receipts(300)...)
		w.join(diesOf(deadly, takes(3*time.Millisecond)))
		w.run(time.Minute)
		if len(w.ends) != 299 || len(w.shelf.rows) != 1 {
			t.Errorf("row %d kills: %d rows of 300 came", deadly, len(w.ends))
		}
		for seq, end := range w.ends {
			if end > 10*time.Second {
				t.Errorf("row %d kills: row %d took %s", deadly, seq, end)
			}
		}
	}
}

// TestManyOfOneSender: many texts of one sender do not keep others waiting, and only so many rows are known.
func TestManyOfOneSender(t *testing.T) {
	const many = outboxKnown + 5000
	w := newRound(t, slices.Concat(textsFrom("1", 15_000), receipts(1), textsFrom("2", many-15_000))...)
	c := w.join(takes(10 * time.Millisecond))
	w.run(100 * time.Millisecond)
	if end, ok := w.ends[15_001]; !ok || end > 50*time.Millisecond {
		t.Errorf("the receipt behind 15,000 texts came after %s (%t)", end, ok)
	}
	if w.lane.known > outboxKnown {
		t.Errorf("%d rows are in memory", w.lane.known)
	}
	bodies := 0
	for _, s := range w.lane.subjects {
		for _, r := range s.rows {
			if r.row != nil {
				bodies++
			}
		}
	}
	if bodies > courierWindow {
		t.Errorf("the texts of %d rows are in memory", bodies)
	}
	w.run(time.Hour)
	if len(w.shelf.rows) > 0 || w.took[c] != many+1 || w.shelf.reads > 20*many/outboxBite+len(w.ends) {
		t.Errorf("%d rows are left, %d were taken, with %d reads", len(w.shelf.rows), w.took[c], w.shelf.reads)
	}
}

// TestAllPutOff: 20,000 rows that the only session refuses, each of a sender of its own, do not keep those behind them out.
func TestAllPutOff(t *testing.T) {
	var rows []store.Delivery
	for i := range outboxKnown - 1 {
		rows = append(rows, textsFrom(fmt.Sprint(i), 1)...)
	}
	w := newRound(t, append(rows, receipts(1)...)...)
	w.join(func(w *round, c *courier, r *outboxRow) {
		if r.seq == outboxKnown {
			takes(time.Millisecond)(w, c, r)
			return
		}
		refuses(w, c, r)
	})
	w.run(5 * time.Minute)
	if _, ok := w.ends[outboxKnown]; !ok {
		t.Error("the receipt did not come")
	}
}

// TestLateAnswer: a row that a session takes after it was given up is gone, wherever it is by then.
func TestLateAnswer(t *testing.T) {
	w := newRound(t, receipts(1)...)
	var row *outboxRow
	c := w.join(func(w *round, c *courier, r *outboxRow) {
		row = r
		isSilent(w, c, r)
	})
	w.run(patienceInTest) // it is put off
	w.shelf.remove(1)
	w.lane.late(row)
	w.run(time.Hour)
	if w.given[c] != 1 || w.lane.known != 0 || w.lane.onWay != 0 {
		t.Errorf("offered %d times, %d rows known, %d on their way", w.given[c], w.lane.known, w.lane.onWay)
	}

	w = newRound(t, receipts(1)...)
	c = w.join(func(w *round, c *courier, r *outboxRow) {
		row = r
		isSilent(w, c, r)
	})
	w.run(patienceInTest + 2*time.Second) // it is on its way again
	w.shelf.remove(1)
	w.lane.late(row)
	w.run(time.Hour)
	if w.given[c] != 2 || w.lane.known != 0 || w.lane.onWay != 0 {
		t.Errorf("offered %d times, %d rows known, %d on their way", w.given[c], w.lane.known, w.lane.onWay)
	}
}

// TestOutboxAtRandom: sessions come and go and behave at random. In the end a good one is there, and everything has been
// taken, once each by the end, and in order.
func TestOutboxAtRandom(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var rows []store.Delivery
		for range 20 + r.IntN(400) {
			if r.IntN(2) == 0 {
				rows = append(rows, textsFrom(fmt.Sprint(r.IntN(5)), 1)...)
			} else {
				rows = append(rows, store.Delivery{Receipt: &store.ReceiptRow{ID: store.ID(r.IntN(100))}})
			}
		}
		all := len(rows)
		w := newRound(t, rows...)
		random := func(w *round, c *courier, row *outboxRow) {
			switch r.IntN(6) {
			case 0:
				refuses(w, c, row)
			case 1:
				isSilent(w, c, row)
			default:
				takes(time.Duration(r.IntN(9000))*time.Millisecond)(w, c, row)
			}
		}
		kinds := []behaviour{takes(time.Millisecond), refuses, isSilent, random, random}
		var live []*courier
		for range 30 {
			if len(live) > 0 && r.IntN(3) == 0 {
				i := r.IntN(len(live))
				w.breaks(live[i])
				live = slices.Delete(live, i, i+1)
			} else if len(live) < 5 {
				live = append(live, w.join(kinds[r.IntN(len(kinds))]))
			}
			w.run(time.Duration(r.IntN(20_000)) * time.Millisecond)
		}
		w.join(takes(time.Millisecond))
		w.run(time.Hour)
		if len(w.ends) != all || len(w.shelf.rows) > 0 || w.lane.known > 0 || w.lane.onWay > 0 {
			t.Errorf("seed %d: %d rows of %d were taken, %d are left, %d known, %d on their way", seed, len(w.ends), all,
				len(w.shelf.rows), w.lane.known, w.lane.onWay)
		}
	}
}
