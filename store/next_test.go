package store

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"smsgateway/sms"
)

// enqueueMany stores n messages of a lane to one number.
func (b *box) enqueueMany(n int, to string) {
	b.t.Helper()
	var last *Accept
	for range n {
		m := b.message(1)
		m.Destination = sms.Address{TON: 1, NPI: 1, Number: to}
		last = b.db.Enqueue(m)
	}
	_, err := last.Result()
	b.ok(err)
}

// find is what a modem does that is not for messages to one number. It tells how many it had to look at.
func (b *box) find(seen *Bookmark, notTo string) (m *Message, looked int) {
	b.t.Helper()
	for {
		m, err := b.db.Next(b.now, Search{Seen: seen, Judge: func(m *Message) Verdict {
			if looked++; m.Destination.Number == notTo {
				return Never
			}
			return Take
		}})
		switch {
		case err == nil:
			return m, looked
		case errors.Is(err, ErrEmpty):
			return nil, looked
		case !errors.Is(err, ErrMore):
			b.t.Fatal(err)
		}
	}
}

// TestNextBehindOthers: a hundred thousand messages for another modem at the head of the lane don't hide the one behind
// them, and are read once.
func TestNextBehindOthers(t *testing.T) {
	b := newBox(t, Options{})
	const dead = "431234567"
	b.enqueueMany(100_000, dead)
	want := b.enqueue(b.message(1))
	seen := new(Bookmark)
	m, looked := b.find(seen, dead)
	if m == nil || m.ID != want || looked != 100_001 {
		t.Fatalf("got %v after %d looks, want message %s", m, looked, want)
	}
	for range 3 {
		if m, looked := b.find(seen, dead); m == nil || m.ID != want || looked != 1 {
			t.Fatalf("then got %v after %d looks, want message %s after one", m, looked, want)
		}
	}
	b.send(want, 0, 1)
	if m, looked := b.find(seen, dead); m != nil || looked != 0 {
		t.Errorf("in the end got %v after %d looks", m, looked)
	}
}

// TestBookmark: what comes back into the queue at a place that was passed is found all the same.
func TestBookmark(t *testing.T) {
	seen := new(Bookmark)
	b := newBox(t, Options{Notify: func(c Change) { seen.Returned(c.Back) }})
	const dead = "431234567"
	first := b.enqueue(b.message(1))
	b.enqueueMany(300, dead)
	settled := func() { b.ok(b.db.w.do(func(*txn) error { return nil })) }
	b.claim(first, 0)
	if m, looked := b.find(seen, dead); m != nil || looked != 300 {
		t.Fatalf("got %v after %d looks", m, looked)
	}
	b.ok(b.db.Refused(first, 0, Refusal{Wait: time.Minute, Reason: "no"}, b.now))
	settled()
	if m, _ := b.find(seen, dead); m != nil {
		t.Fatalf("got %v, which is not due", m)
	}
	b.pass(time.Minute)
	b.tick()
	settled()
	if m, looked := b.find(seen, dead); m == nil || m.ID != first || looked != 1 {
		t.Errorf("got %v after %d looks, want message %s after one", m, looked, first)
	}
	if m, _ := b.find(seen, number); m != nil {
		t.Errorf("for a modem that others were for before: got %v without a reset", m)
	}
	seen.Reset()
	if m, looked := b.find(seen, number); m == nil || m.Destination.Number != dead || looked != 2 {
		t.Errorf("after a reset got %v after %d looks, want a message to %s", m, looked, dead)
	}
	seen.Returned(make([]Place, mostReturned+1))
	if m, looked := b.find(seen, dead); m == nil || m.ID != first || looked != 1 {
		t.Errorf("after more than it can keep: got %v after %d looks", m, looked)
	}
}

// TestManyReturn: of thousands that come back into the queue and don't fit now, as long texts beyond a budget, no more are
// read at a look than of those that were never seen.
func TestManyReturn(t *testing.T) {
	seen := new(Bookmark)
	b := newBox(t, Options{Notify: func(c Change) { seen.Returned(c.Back) }})
	look := func() (looked int) {
		for {
			_, err := b.db.Next(b.now, Search{Seen: seen, Judge: func(*Message) Verdict {
				looked++
				return NotNow
			}})
			if !errors.Is(err, ErrMore) {
				return looked
			}
		}
	}
	later := b.message(1)
	later.Due = b.now.Add(time.Hour)
	first := b.enqueue(later)
	for range 2000 {
		b.db.Enqueue(later)
	}
	b.enqueue(b.message(1))
	look() // it passes the places of those that are not due
	b.pass(time.Hour)
	for n := 1; n > 0; {
		done, err := b.db.Tick(b.now, 50)
		b.ok(err)
		n = done.N
		look()
	}
	if looked := look(); looked > lookAgain {
		t.Errorf("%d messages are read at each look, want %d at most", looked, lookAgain)
	}
	m, err := b.db.Next(b.now, Search{Seen: seen})
	if err != nil || m.ID != first {
		t.Errorf("when they fit the first is %v, %v; want %s", m, err, first)
	}
}

// TestNextBehindBusy: a hundred thousand messages to a number that is busy don't hide the one behind them, are read once
// and cost little memory; when it is free the first of them goes first.
func TestNextBehindBusy(t *testing.T) {
	b := newBox(t, Options{})
	const crowded = "431234567"
	b.enqueueMany(100_000, crowded)
	want := b.enqueue(b.message(1))
	first := want - 100_000
	seen := new(Bookmark)
	busy := true
	next := func() (m *Message, looked int) {
		t.Helper()
		for {
			m, err := b.db.Next(b.now, Search{
				Seen: seen,
				Busy: func(lane uint32, to sms.Address) bool { return busy && lane == b.acct.Lane && to.Number == crowded },
				Judge: func(m *Message) Verdict {
					if looked++; busy && m.Destination.Number == crowded {
						return NotNow
					}
					return Take
				},
			})
			if !errors.Is(err, ErrMore) {
				b.ok(err)
				return m, looked
			}
		}
	}
	if m, looked := next(); m.ID != want || looked != 100_001 {
		t.Fatalf("got message %s after %d looks, want %s", m.ID, looked, want)
	}
	if m, looked := next(); m.ID != want || looked != 1 {
		t.Fatalf("then got message %s after %d looks, want %s after one", m.ID, looked, want)
	}
	s := seen.lanes[laneRank{b.acct.Lane, 1}]
	if c := s.crowds[sms.Address{TON: 1, NPI: 1, Number: crowded}]; len(s.crowds) != 1 || cap(c.ids) > 2*mostParked || len(s.again) != 0 {
		t.Errorf("%d crowds, one with room for %d rows, and %d others are remembered", len(s.crowds), cap(c.ids), len(s.again))
	}
	for id := first; id < first+mostParked+2; id++ {
		busy = false
		if m, looked := next(); m.ID != id || looked != 1 {
			t.Fatalf("of those to one number got %s after %d looks, want %s after one", m.ID, looked, id)
		}
		busy = true
		b.send(id, 0, 1)
		afresh := 1
		if id == first+mostParked { // what is remembered of them was used up
			afresh = 100_000 - mostParked
		}
		if m, looked := next(); m.ID != want || looked != afresh {
			t.Fatalf("then got message %s after %d looks, want %s after %d", m.ID, looked, want, afresh)
		}
	}
}

// TestManyReturnToOne: of thousands that come back into the queue for one number each is read once while it is busy.
func TestManyReturnToOne(t *testing.T) {
	seen := new(Bookmark)
	b := newBox(t, Options{Notify: func(c Change) { seen.Returned(c.Back) }})
	later := b.message(1)
	later.Due = b.now.Add(time.Hour)
	first := b.enqueue(later)
	for range 2000 {
		b.db.Enqueue(later)
	}
	other := b.message(1)
	other.Destination.Number = "431234567"
	want := b.enqueue(other)
	busy := false
	find := func(free Verdict) (m *Message, looked int) {
		for {
			m, err := b.db.Next(b.now, Search{
				Seen: seen,
				Busy: func(_ uint32, to sms.Address) bool { return busy && to.Number == number },
				Judge: func(m *Message) Verdict {
					if looked++; busy && m.Destination.Number == number {
						return NotNow
					}
					return free
				},
			})
			if !errors.Is(err, ErrMore) {
				return m, looked
			}
		}
	}
	find(NotNow)
	b.pass(time.Hour)
	for n := 1; n > 0; {
		done, err := b.db.Tick(b.now, 50)
		b.ok(err)
		n = done.N
		find(NotNow)
	}
	busy = true
	if m, looked := find(Take); m == nil || m.ID != want || looked != 2002 {
		t.Errorf("got %v after %d looks, want message %s", m, looked, want)
	}
	if m, looked := find(Take); m == nil || m.ID != want || looked != 1 {
		t.Errorf("then got %v after %d looks, want message %s after one", m, looked, want)
	}
	busy = false
	if m, looked := find(Take); m == nil || m.ID != first || looked != 1 {
		t.Errorf("when the number is free got %v after %d looks, want message %s", m, looked, first)
	}
}

// rush is three modems that take texts to few numbers, one at a time for each.
type rush struct {
	*box
	r       *rand.Rand
	numbers []string
	modems  [3]rushed
	busy    map[string]bool // numbers
	waiting map[ID]*Message // in the queue
	later   map[ID]*Message // refused for now
}

// rushed is a modem: how far it has read the queue, and what it has taken.
type rushed struct {
	seen  Bookmark
	hands []*Message
}

func newRush(t *testing.T, r *rand.Rand) *rush {
	t.Helper()
	x := &rush{r: r, numbers: []string{"491", "492", "493", "494"}, busy: make(map[string]bool),
		waiting: make(map[ID]*Message), later: make(map[ID]*Message)}
	x.box = newBox(t, Options{Notify: func(c Change) {
		for n := range x.modems {
			x.modems[n].seen.Returned(c.Back)
		}
	}})
	return x
}

func (x *rush) number() string { return x.numbers[x.r.IntN(len(x.numbers))] }

// enqueue has n messages to one number, of one priority, arrive at once.
func (x *rush) enqueue(n int) {
	to := min(x.number(), x.number())
	priority := uint8(x.r.IntN(40) / 39)
	accepts := make(map[*Accept]*Message)
	for range n {
		m := x.message(1)
		m.Destination.Number, m.Priority, m.Expires = to, priority, x.now.Add(100*24*time.Hour)
		accepts[x.db.Enqueue(m)] = m
	}
	for a, m := range accepts {
		var err error
		m.ID, err = a.Result()
		x.ok(err)
		x.waiting[m.ID] = m
	}
}

// want is the message that is next by the rules, nil for none.
func (x *rush) want() (first *Message) {
	for _, m := range x.waiting {
		if !x.busy[m.Destination.Number] && (first == nil || m.Priority > first.Priority || m.Priority == first.Priority && m.ID < first.ID) {
			first = m
		}
	}
	return first
}

// take has a modem take its next message. False: it is not the one that it should be.
func (x *rush) take(modem *rushed) bool {
	var got *Message
	err := ErrMore
	for errors.Is(err, ErrMore) {
		got, err = x.db.Next(x.now, Search{
			Seen: &modem.seen,
			Busy: func(_ uint32, to sms.Address) bool { return x.busy[to.Number] },
			Judge: func(m *Message) Verdict {
				if x.busy[m.Destination.Number] {
					return NotNow
				}
				return Take
			},
		})
	}
	if want := x.want(); (got == nil) != (want == nil) || got != nil && got.ID != want.ID {
		x.t.Errorf("got %v, want %v", got, want)
		return false
	}
	if got != nil {
		modem.hands, x.busy[got.Destination.Number] = append(modem.hands, got), true
	}
	return true
}

// finish ends what a modem has taken first: it is put back, sent, or refused for now.
func (x *rush) finish(modem *rushed) {
	m := modem.hands[0]
	modem.hands = modem.hands[1:]
	delete(x.busy, m.Destination.Number)
	if x.r.IntN(10) == 0 || x.waiting[m.ID] == nil { // put back, or cancelled meanwhile
		return
	}
	delete(x.waiting, m.ID)
	x.claim(m.ID, 0)
	if x.r.IntN(4) > 0 {
		x.ok(x.db.Sent(m.ID, 0, 1, false, x.now))
		return
	}
	x.ok(x.db.Refused(m.ID, 0, Refusal{Wait: time.Minute, Reason: "no"}, x.now))
	x.later[m.ID] = m
}

// cancel has a client cancel some of what is for a number.
func (x *rush) cancel() {
	to, n := x.number(), x.r.IntN(1000)
	for _, id := range slices.Sorted(maps.Keys(x.waiting)) {
		if n > 0 && x.waiting[id].Destination.Number == to {
			x.ok(x.db.Cancel(x.acct.Lane, id, x.now))
			delete(x.waiting, id)
			n--
		}
	}
}

// TestBusyAtRandom: three modems, each with two messages in hand, find what is first of what is to no number that one of
// them is busy with, whatever is sent, put back, deferred and cancelled meanwhile.
func TestBusyAtRandom(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -seed %d", seed)
	x := newRush(t, rand.New(rand.NewPCG(seed, 2)))
	for range 4 {
		x.enqueue(1000 + x.r.IntN(500))
	}
	for step := range 1500 {
		modem := &x.modems[x.r.IntN(len(x.modems))]
		switch dice := x.r.IntN(100); {
		case dice < 45 && len(modem.hands) < 2:
			if !x.take(modem) {
				t.Fatalf("in step %d of seed %d", step, seed)
			}
		case dice < 90 && len(modem.hands) > 0:
			x.finish(modem)
		case dice < 92:
			x.enqueue(1 + x.r.IntN(20))
		case dice < 94:
			x.pass(2 * time.Minute)
			x.tick()
			maps.Copy(x.waiting, x.later)
			clear(x.later)
		case dice < 95:
			x.cancel()
		}
		x.ok(x.db.w.do(func(*txn) error { return nil })) // all that was told before is known
	}
	t.Logf("%d messages wait in the end", len(x.waiting))
}

// BenchmarkNextBehindOthers measures a pick with 100,000 messages for another modem at the head of the lane.
func BenchmarkNextBehindOthers(b *testing.B) {
	benchNext(b, Search{Judge: func(*Message) Verdict { return Never }})
}

// BenchmarkNextBehindBusy measures a pick with 100,000 messages to a number that is busy at the head of the lane.
func BenchmarkNextBehindBusy(b *testing.B) {
	crowded := benchMessage(Account{}).Destination
	benchNext(b, Search{
		Judge: func(*Message) Verdict { return NotNow },
		Busy:  func(_ uint32, to sms.Address) bool { return to == crowded },
	})
}

// benchNext measures a pick of the message behind 100,000 others, which s says what to do with.
func benchNext(b *testing.B, s Search) {
	db, err := Open(b.TempDir()+"/gateway.db", Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	acct, err := db.AddAccount(Account{Key: "SHOP"}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for range 100_000 {
		db.Enqueue(benchMessage(acct))
	}
	last := benchMessage(acct)
	last.Destination.Number = "431234567"
	want, err := db.Enqueue(last).Result()
	if err != nil {
		b.Fatal(err)
	}
	others := s.Judge
	s.Seen, s.Judge = new(Bookmark), func(m *Message) Verdict {
		if m.ID == want {
			return Take
		}
		return others(m)
	}
	pick := func() {
		m, err := db.Next(time.Now(), s)
		for errors.Is(err, ErrMore) {
			m, err = db.Next(time.Now(), s)
		}
		if err != nil || m.ID != want {
			b.Fatal(m, err)
		}
	}
	pick()
	for b.Loop() {
		pick()
	}
}

// TestPoison: a message at whose hand-over the gateway dies is tried twice at most, and only where its account wishes so;
// then it is the operator's (delivery-semantics, section 8).
func TestPoison(t *testing.T) {
	for policy, tries := range map[UncertainPolicy]uint8{PolicyReport: 1, PolicyNever: 1, PolicyResend: 2} {
		t.Run(string(policy), func(t *testing.T) {
			b := newBox(t, Options{Uncertain: policy})
			id := b.enqueue(b.message(1))
			for range 5 {
				if m, err := b.db.Next(b.now, Search{}); err == nil {
					b.claim(m.ID, 0)
				}
				b.crash()
				_, err := b.db.Recover(b.now)
				b.ok(err)
				b.pass(20 * time.Minute)
				b.tick()
			}
			if m := b.get(id); m.State != Unknown || m.Parts[0].Attempts != tries {
				t.Errorf("it is %s after %d tries, want unknown after %d", m.State, m.Parts[0].Attempts, tries)
			}
		})
	}
}
