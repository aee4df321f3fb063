package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smsgateway/sms"
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestWindows: where windows begin and end, on the days on which the clock is changed, too.
func TestWindows(t *testing.T) {
	zone := berlin(t)
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04:05 -0700", s)
		if err != nil {
			t.Fatal(err)
		}
		return v.In(zone)
	}
	for _, tt := range []struct {
		w              Window
		t, begin, ends string
	}{
		{Minute, "2026-05-04 12:34:56 +0200", "2026-05-04 12:34:00 +0200", "2026-05-04 12:35:00 +0200"},
		{Hour, "2026-05-04 12:34:56 +0200", "2026-05-04 12:00:00 +0200", "2026-05-04 13:00:00 +0200"},
		{Day, "2026-05-04 12:34:56 +0200", "2026-05-04 00:00:00 +0200", "2026-05-05 00:00:00 +0200"},
		{Month, "2026-12-31 23:59:59 +0100", "2026-12-01 00:00:00 +0100", "2027-01-01 00:00:00 +0100"},
		{Hour, "2026-03-29 01:59:59 +0100", "2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{Day, "2026-03-29 12:00:00 +0200", "2026-03-29 00:00:00 +0100", "2026-03-30 00:00:00 +0200"}, // 23 hours
		{Hour, "2026-10-25 02:30:00 +0200", "2026-10-25 02:00:00 +0200", "2026-10-25 02:00:00 +0100"},
		{Hour, "2026-10-25 02:30:00 +0100", "2026-10-25 02:00:00 +0100", "2026-10-25 03:00:00 +0100"}, // once more
		{Day, "2026-10-25 02:30:00 +0100", "2026-10-25 00:00:00 +0200", "2026-10-26 00:00:00 +0100"},  // 25 hours
	} {
		now := at(tt.t)
		if begin, ends := tt.w.start(now), tt.w.End(now); !begin.Equal(at(tt.begin)) || !ends.Equal(at(tt.ends)) {
			t.Errorf("the %s of %s is from %s to %s, want %s to %s", tt.w, tt.t, begin, ends, tt.begin, tt.ends)
		}
	}
}

// TestWindowsWithoutMidnight: where the clock is put forward at midnight a day begins at one, and the day before goes on until then.
func TestWindowsWithoutMidnight(t *testing.T) {
	for name, last := range map[string]string{
		"America/Santiago": "2026-09-05T23:59:59-04:00", "America/Havana": "2026-03-07T23:59:59-05:00", "Africa/Cairo": "2026-04-23T23:59:59+02:00",
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		before, err := time.Parse(time.RFC3339, last)
		if err != nil {
			t.Fatal(err)
		}
		before, change := before.In(zone), before.Add(time.Second).In(zone)
		noon := change.Add(11 * time.Hour)
		if got := Day.End(before); !got.Equal(change) {
			t.Errorf("%s: the day of %s ends at %s", name, before, got)
		}
		if got := Day.start(noon); !got.Equal(change) {
			t.Errorf("%s: the day of %s begins at %s", name, noon, got)
		}
		if got := Day.End(noon); got.Hour() != 0 || got.Day() != noon.Day()+1 {
			t.Errorf("%s: the day of %s ends at %s", name, noon, got)
		}
	}
}

func (b *box) messageTo(to string, parts int) ID {
	m := b.message(parts)
	m.Destination = sms.Address{TON: 1, NPI: 1, Number: to}
	return b.enqueue(m)
}

func wantBudget(t *testing.T, err error, w Window) {
	t.Helper()
	var full *BudgetError
	if !errors.As(err, &full) || full.Window != w {
		t.Errorf("got %v, want the budget of the %s to be used up", err, w)
	}
}

// TestBudget: a claim beyond a limit leaves the message as it was; what the network did not take is given back; a
// restart forgets nothing; a new window has a new budget.
func TestBudget(t *testing.T) {
	b := newBox(t, Options{Zone: time.UTC})
	limits := Limits{Hour: 3}
	claim := func(id ID, part int) error {
		return b.db.ClaimWithin(id, part, "stick", "line-1", limits, b.now)
	}
	used := func(want int) {
		t.Helper()
		if u, err := b.db.Usage("line-1", b.now); err != nil || u.Used[Hour] != want {
			t.Errorf("%d used, %v; want %d", u.Used[Hour], err, want)
		}
	}
	ids := []ID{b.messageTo("491", 1), b.messageTo("492", 1), b.messageTo("493", 1), b.messageTo("494", 1), b.messageTo("495", 2)}
	b.ok(claim(ids[0], 0))
	b.ok(b.db.Sent(ids[0], 0, 1, true, b.now))
	b.ok(claim(ids[1], 0))
	used(2)
	b.ok(b.db.Unclaim(ids[1], 0, "port gone", 0, b.now))
	used(1)
	b.ok(claim(ids[1], 0))
	b.ok(b.db.Refused(ids[1], 0, Refusal{Untaken: true}, b.now))
	used(1)
	b.ok(claim(ids[1], 0))
	b.ok(b.db.Refused(ids[1], 0, Refusal{Reason: "may have been taken"}, b.now))
	used(2)
	wantBudget(t, claim(ids[4], 0), Hour) // no room for both of its parts
	b.ok(claim(ids[2], 0))
	b.ok(b.db.Doubt(ids[2], 0, "silence", b.now))
	used(3)
	b.crash()
	wantBudget(t, claim(ids[3], 0), Hour)
	if m := b.get(ids[3]); m.State != Queued || m.Parts[0].Attempts != 0 {
		t.Errorf("a message held back is %s after %d attempts", m.State, m.Parts[0].Attempts)
	}
	b.pass(59 * time.Minute)
	wantBudget(t, claim(ids[3], 0), Hour)
	b.pass(time.Minute)
	b.ok(claim(ids[3], 0))
	b.ok(b.db.Sent(ids[3], 0, 1, true, b.now))
	limits = Limits{Hour: 1}
	wantBudget(t, claim(ids[4], 0), Hour)
	b.pass(time.Hour)
	b.ok(claim(ids[4], 0)) // it never fits, so it may begin when nothing is used
	b.ok(b.db.Sent(ids[4], 0, 2, true, b.now))
	wantBudget(t, claim(ids[4], 1), Hour)
	b.pass(time.Hour)
	b.ok(claim(ids[4], 1))
	b.ok(b.db.ClaimWithin(b.messageTo("496", 1), 0, "other", "line-2", limits, b.now))
}

// TestRecipients: distinct numbers count, and who had something this month may have more.
func TestRecipients(t *testing.T) {
	b := newBox(t, Options{Zone: time.UTC})
	limits := Limits{Month: 2}
	send := func(to string) error {
		id := b.messageTo(to, 1)
		err := b.db.ClaimWithin(id, 0, "stick", "line-1", limits, b.now)
		if err == nil {
			b.ok(b.db.Sent(id, 0, 1, true, b.now))
		}
		return err
	}
	b.ok(send("491"))
	b.ok(send("491"))
	id := b.messageTo("492", 1)
	b.ok(b.db.ClaimWithin(id, 0, "stick", "line-1", limits, b.now))
	b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable, Untaken: true}, b.now))
	b.ok(send("493"))
	wantBudget(t, send("492"), Month)
	b.ok(send("491"))
	waits := b.messageTo("493", 1)
	var got *Message
	got, err := b.db.Next(b.now, Search{Contacts: "line-1"})
	if err != nil || got.ID != waits {
		t.Errorf("Next for contacts alone gives %v, %v, want message %s", got, err, waits)
	}
	if n, err := b.db.DropContacts(b.now); n != 0 || err != nil {
		t.Errorf("%d contacts of this month dropped, %v", n, err)
	}
	b.now, b.mono = b.now.AddDate(0, 1, 0), b.mono+b.now.AddDate(0, 1, 0).Sub(b.now)
	b.ok(b.db.ClaimWithin(b.messageTo("499", 1), 0, "other", "line-22", limits, b.now))
	b.ok(send("494"))
	if n, err := b.db.DropContacts(b.now); n != 2 || err != nil {
		t.Errorf("%d contacts dropped, %v; want 2", n, err)
	}
	b.ok(send("495"))
	wantBudget(t, send("496"), Month)
}

// TestBudgetClock: while the clock is not believed no new window begins.
func TestBudgetClock(t *testing.T) {
	b := newBox(t, Options{Zone: time.UTC})
	limits := Limits{Day: 1}
	b.tick()
	claim := func() error {
		id := b.messageTo("491", 1)
		err := b.db.ClaimWithin(id, 0, "stick", "line-1", limits, b.now)
		if err == nil {
			b.ok(b.db.Sent(id, 0, 1, true, b.now))
		}
		return err
	}
	b.ok(claim())
	b.now = b.now.Add(48 * time.Hour) // and the monotonic clock stands still
	wantBudget(t, claim(), Day)
	b.pass(clockPatience)
	b.ok(claim())
}

// TestUsageRandom lets a SIM send at random beside plain counting.
func TestUsageRandom(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	zone := berlin(t)
	b := newBox(t, Options{Zone: zone})
	b.now = time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC) // the night in which the clock is changed
	limits := Limits{4, 20, 60, 12}
	type sent struct {
		at time.Time
		to string
	}
	var log []sent
	count := func(w Window, to string) (n int, known bool) {
		numbers := make(map[string]bool)
		for _, s := range log {
			if !w.start(s.at.In(zone)).Equal(w.start(b.now.In(zone))) {
				continue
			}
			n++
			numbers[s.to] = true
		}
		if w == Month {
			n = len(numbers)
		}
		return n, numbers[to]
	}
	allowed, refused := 0, 0
	for step := range 1500 {
		b.pass(time.Duration(r.IntN(40)) * time.Second)
		switch { // not both: for a quarter of an hour after a start that is hours ahead no budget is given anew
		case r.IntN(100) == 0:
			b.pass(7 * time.Hour)
		case r.IntN(200) == 0:
			b.crash()
		}
		to := fmt.Sprint("49", r.IntN(16))
		want := true
		for w := Minute; w <= Month; w++ {
			n, known := count(w, to)
			if n >= limits[w] && (w != Month || !known) {
				want = false
			}
		}
		id := b.messageTo(to, 1)
		err := b.db.ClaimWithin(id, 0, "stick", "line-1", limits, b.now)
		var full *BudgetError
		if got := err == nil; got != want || err != nil && !errors.As(err, &full) {
			t.Fatalf("step %d of seed %d, to %s at %s: %v, want it allowed: %t", step, seed, to, b.now, err, want)
		}
		if err != nil {
			refused++
			b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
			continue
		}
		allowed++
		switch r.IntN(4) {
		case 0:
			b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable, Untaken: true}, b.now))
		case 1:
			b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable}, b.now))
			log = append(log, sent{b.now, to})
		default:
			b.ok(b.db.Sent(id, 0, 1, true, b.now))
			log = append(log, sent{b.now, to})
		}
	}
	if allowed < 100 || refused < 100 {
		t.Errorf("%d allowed and %d refused: the test tries too little of one", allowed, refused)
	}
}

// TestNoBudgetTwice: neither a clock that is set back over the beginning of a month nor another zone begin a month anew, or a day.
func TestNoBudgetTwice(t *testing.T) {
	sender := func(b *box, limits Limits) func() error {
		n := 0
		return func() error {
			n++
			id := b.messageTo(fmt.Sprintf("49%d", n), 1)
			err := b.db.ClaimWithin(id, 0, "stick", "line-1", limits, b.now)
			if err == nil {
				b.ok(b.db.Sent(id, 0, uint8(n), true, b.now))
			}
			return err
		}
	}
	wantFull := func(t *testing.T, err error, w Window) {
		t.Helper()
		var full *BudgetError
		if !errors.As(err, &full) || full.Window != w {
			t.Errorf("got %v, want that the %s is used up", err, w)
		}
	}
	t.Run("clock", func(t *testing.T) {
		b := newBox(t, Options{Zone: time.UTC})
		send := sender(b, Limits{Month: 2})
		b.tick()
		b.pass(time.Date(2026, 4, 1, 0, 0, 1, 0, time.UTC).Sub(b.now) - 3*time.Second)
		b.ok(send()) // March
		b.ok(send())
		b.pass(3 * time.Second)
		b.ok(send()) // April
		b.now = b.now.Add(-1500 * time.Millisecond)
		b.ok(send()) // counts for April
		wantFull(t, send(), Month)
		b.pass(3 * time.Second)
		wantFull(t, send(), Month)
	})
	t.Run("zone", func(t *testing.T) {
		for _, hours := range []int{-10, 1, 13} {
			for _, w := range []Window{Day, Month} {
				var limits Limits
				limits[w] = 2
				b := newBox(t, Options{Zone: time.UTC})
				send := sender(b, limits)
				b.ok(send())
				b.ok(send())
				b.opt.Zone = time.FixedZone("there", hours*3600)
				b.reopen()
				wantFull(t, send(), w)
			}
		}
	})
}

// TestBudgetSetBack: a clock that is set right by more than a day keeps no SIM from work for that day because of what it
// sent in one minute or hour; and when a budget is given anew is told truly.
func TestBudgetSetBack(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		most   time.Duration // from when the clock is set back
	}{
		{Limits{Minute: 1}, clockPatience + time.Minute},
		{Limits{Hour: 1}, clockPatience + time.Minute},
		{Limits{Day: 1}, 54 * time.Hour},
	} {
		b := newBox(t, Options{Zone: time.UTC})
		b.tick()
		claim := func() error {
			id := b.messageTo("491", 1)
			err := b.db.ClaimWithin(id, 0, "stick", "line-1", tt.limits, b.now)
			if err == nil {
				b.ok(b.db.Sent(id, 0, 1, true, b.now))
			}
			return err
		}
		b.ok(claim())
		b.now = b.now.Add(-30 * time.Hour)
		var resets time.Time
		err, waited := claim(), time.Duration(0)
		for ; err != nil && waited < tt.most; waited += time.Minute {
			var full *BudgetError
			if !errors.As(err, &full) {
				t.Fatal(err)
			}
			if resets.IsZero() {
				resets = full.Resets
			}
			b.pass(time.Minute)
			b.tick()
			err = claim()
		}
		if err != nil {
			t.Errorf("%v: %s after the clock was set back: %v", tt.limits, waited, err)
		}
		if b.now.After(resets) {
			t.Errorf("%v: it is given anew at %s; %s was promised", tt.limits, b.now, resets)
		}
	}
}
