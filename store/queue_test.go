package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestNextTakesTurns: lanes one after the other, whatever one of them has waiting (I16).
func TestNextTakesTurns(t *testing.T) {
	b := newBox(t, Options{})
	third := b.account("ALARM")
	lanes := []uint32{b.acct.Lane, b.other.Lane, third.Lane}
	for n, lane := range lanes {
		for range 5 - n {
			m := b.message(1)
			m.Lane = lane
			b.enqueue(m)
		}
	}
	var got []uint32
	after := b.acct.Lane
	for {
		m, err := b.db.Next(b.now, Search{After: after})
		if errors.Is(err, ErrEmpty) {
			break
		}
		b.ok(err)
		after = m.Lane
		got = append(got, m.Lane)
		b.send(m.ID, 0, 1)
	}
	want := []uint32{2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 1, 1}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNextWithinALane: priority, then acceptance; what is not due, over, or skipped is passed over.
func TestNextWithinALane(t *testing.T) {
	b := newBox(t, Options{})
	add := func(change func(m *Message)) ID {
		m := b.message(1)
		change(m)
		return b.enqueue(m)
	}
	plain := add(func(m *Message) {})
	late := add(func(m *Message) { m.Due = b.now.Add(time.Hour) })
	short := add(func(m *Message) { m.Expires = b.now.Add(time.Minute) })
	urgent := add(func(m *Message) { m.Priority = 1 })
	most := add(func(m *Message) { m.Priority = 3 })
	past := add(func(m *Message) { m.Due = b.now.Add(-time.Hour) })
	order := func() (ids []ID) {
		_, err := b.db.Next(b.now, Search{Judge: func(m *Message) Verdict { ids = append(ids, m.ID); return NotNow }})
		wantError(t, err, ErrEmpty)
		return ids
	}
	want := func(ids ...ID) {
		t.Helper()
		if got := order(); !slices.Equal(got, ids) {
			t.Errorf("got %v, want %v", got, ids)
		}
	}
	want(urgent, most, plain, short, past)
	b.pass(time.Minute)
	want(urgent, most, plain, past)
	b.pass(time.Hour)
	b.tick()
	want(urgent, most, plain, late, past)
	_, err := b.db.UpdateAccount("SHOP", b.now, func(a *Account) error { a.Disabled = true; return nil })
	b.ok(err)
	want()
	wantError(t, b.db.Claim(plain, 0, "stick", "line-1", b.now), ErrGone)
}

// TestNextLooksAtAFewHundred: skipped messages of one lane don't make it look through all of them.
func TestNextLooksAtAFewHundred(t *testing.T) {
	b := newBox(t, Options{})
	for range 3 * lookAgain {
		b.db.Enqueue(b.message(1))
	}
	m := b.message(1)
	m.Lane = b.other.Lane
	last := b.enqueue(m)
	looked := 0
	got, err := b.db.Next(b.now, Search{Judge: func(m *Message) Verdict {
		if looked++; m.ID == last {
			return Take
		}
		return NotNow
	}})
	if err != nil || got.ID != last || looked != lookAgain+1 {
		t.Errorf("got %v after %d looks, %v", got, looked, err)
	}
}

func TestEnqueueRefuses(t *testing.T) {
	b := newBox(t, Options{})
	for name, change := range map[string]func(m *Message){
		"no part":       func(m *Message) { m.Parts = nil },
		"256 parts":     func(m *Message) { m.Parts = make([]Part, 256) },
		"too long":      func(m *Message) { m.Parts[0].Data = make([]byte, mostOctets+1) },
		"no end":        func(m *Message) { m.Expires = time.Time{} },
		"no acceptance": func(m *Message) { m.Accepted = time.Time{} },
		"no account":    func(m *Message) { m.Lane = 99 },
	} {
		m := b.message(1)
		change(m)
		if id, err := b.db.Enqueue(m).Result(); err == nil {
			t.Errorf("%s: it became message %s", name, id)
		}
	}
	if counts, err := b.db.Counts(0); err != nil || len(counts) != 0 {
		t.Errorf("there are %v, %v", counts, err)
	}
}

// TestEnqueueKeepsNothing: the caller's message is its own again at once, and only the store says what happens to one.
func TestEnqueueKeepsNothing(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(2)
	ref := uint16(7)
	m.UserReference, m.UDH = &ref, []byte{0}
	m.State, m.SentAt, m.Duplicate, m.Line, m.Parts[1].State, m.in.doubted = Delivered, b.now, true, "x", PartSent, true
	a := b.db.Enqueue(m)
	m.Destination.Number, m.Parts[0].Data[0] = "110", 'X'
	id, err := a.Result()
	b.ok(err)
	got := b.get(id)
	if got.State != Queued || !got.SentAt.IsZero() || got.Duplicate || got.Line != "" || got.count(PartWaiting) != 2 || got.in.doubted {
		t.Errorf("the caller's story was believed: %+v", got)
	}
	if got.Destination.Number != number || string(got.Parts[0].Data) != "part 1" || *got.UserReference != 7 || len(got.UDH) != 1 {
		t.Errorf("got %+v", got)
	}
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
}

func TestMessages(t *testing.T) {
	b := newBox(t, Options{})
	var ids []ID
	for n := range 12 {
		m := b.message(1)
		if n%2 == 1 {
			m.Lane = b.other.Lane
		}
		if n%3 == 0 {
			m.Destination.Number = "15551230000"
		}
		ids = append(ids, b.enqueue(m))
	}
	b.ok(b.db.Cancel(b.acct.Lane, ids[4], b.now))
	for _, tt := range []struct {
		name string
		f    Filter
		want []int
	}{
		{"all", Filter{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"a few", Filter{Limit: 3}, []int{11, 10, 9}},
		{"the next few", Filter{Limit: 3, Before: ids[9]}, []int{8, 7, 6}},
		{"before any", Filter{Before: ids[0]}, nil},
		{"before what is to come", Filter{Before: ids[11] + 100, Limit: 1}, []int{11}},
		{"of a lane", Filter{Lane: b.other.Lane, Limit: 2}, []int{11, 9}},
		{"deleted", Filter{States: []State{Deleted, Rejected}}, []int{4}},
		{"to a number", Filter{Destination: "+1 555 123-0000"}, []int{9, 6, 3, 0}},
		{"of all that", Filter{Lane: b.acct.Lane, States: []State{Queued}, Destination: "5551230000", Before: ids[6]}, []int{0}},
	} {
		list, err := b.db.Messages(tt.f)
		b.ok(err)
		var got []int
		for _, m := range list {
			got = append(got, slices.Index(ids, m.ID))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCounts(t *testing.T) {
	b := newBox(t, Options{})
	for n := range 7 {
		m := b.message(1)
		if n >= 5 {
			m.Lane = b.other.Lane
		}
		if id := b.enqueue(m); n == 0 {
			b.send(id, 0, 1)
		}
	}
	for lane, want := range map[uint32]string{
		0: "map[queued:6 sent:1]", b.acct.Lane: "map[queued:4 sent:1]", b.other.Lane: "map[queued:2]", 99: "map[]",
	} {
		counts, err := b.db.Counts(lane)
		b.ok(err)
		if got := fmt.Sprint(counts); got != want {
			t.Errorf("lane %d: got %s, want %s", lane, got, want)
		}
	}
}

// TestCancelMatching: empty fields match as SMPP 3.4 §4.9.1 has it.
func TestCancelMatching(t *testing.T) {
	b := newBox(t, Options{})
	add := func(change func(m *Message)) ID {
		m := b.message(1)
		change(m)
		return b.enqueue(m)
	}
	plain := add(func(m *Message) {})
	scheduled := add(func(m *Message) { m.Due = b.now.Add(time.Hour) })
	typed := add(func(m *Message) { m.ServiceType = "CMT" })
	noSource := add(func(m *Message) { m.Source.Number = "" })
	elsewhere := add(func(m *Message) { m.Destination.Number = "110" })
	others := add(func(m *Message) { m.Lane = b.other.Lane })
	claimed := add(func(m *Message) {})
	b.claim(claimed, 0)
	for _, tt := range []struct {
		source, to, service string
		want                int
	}{
		{"SHOP", "112", "", 0},
		{"SHOP", number, "CMT", 1}, // typed
		{"SHOP", number, "", 2},    // plain, scheduled
		{"SHOP", number, "", 0},
		{"", number, "", 1}, // noSource
	} {
		if n, err := b.db.CancelMatching(b.acct.Lane, tt.source, tt.to, tt.service, b.now); n != tt.want || err != nil {
			t.Errorf("%q to %s, %q: got %d, %v, want %d", tt.source, tt.to, tt.service, n, err, tt.want)
		}
	}
	for id, want := range map[ID]State{plain: Deleted, scheduled: Deleted, typed: Deleted, noSource: Deleted, elsewhere: Queued, others: Queued, claimed: Claimed} {
		b.wantState(id, want)
	}
	for range cancelBite * 2 {
		b.db.Enqueue(b.message(1))
	}
	b.enqueue(b.message(1)) // is stored when all before it are
	if n, err := b.db.CancelMatching(b.acct.Lane, "SHOP", number, "", b.now); n != cancelBite*2+1 || err != nil {
		t.Errorf("of many: got %d, %v", n, err)
	}
	b.wantIndexes()
}

// TestMessagesFarBack: what is looked for is found behind more others than one transaction looks at.
func TestMessagesFarBack(t *testing.T) {
	b := newBox(t, Options{})
	sent, twice := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.send(sent, 0, 1)
	b.send(twice, 0, 2)
	b.enqueueMany(lookMessages+10, "4912")
	list, err := b.db.Messages(Filter{States: []State{Sent}})
	if err != nil || len(list) != 2 || list[0].ID != twice || list[1].ID != sent {
		t.Errorf("got %d messages, %v, want %s and %s", len(list), err, twice, sent)
	}
}

// TestSearchMessages: who can't wait gets what there is by then, goes on from there, and in the end has looked at each message once.
func TestSearchMessages(t *testing.T) {
	b := newBox(t, Options{})
	var want []ID
	for n := range 3000 {
		m := b.message(1)
		if n%1000 == 500 {
			m.Destination.Number = "431234567"
		}
		if id := b.enqueue(m); n%1000 == 500 {
			want = append(want, id)
		}
	}
	slices.Reverse(want)
	for _, most := range []time.Duration{0, time.Nanosecond, time.Hour} {
		var got []ID
		calls := 0
		for f := (Filter{Destination: "431234567"}); calls == 0 || f.Before != 0; calls++ {
			list, next, err := b.db.SearchMessages(f, most)
			b.ok(err)
			for _, m := range list {
				got = append(got, m.ID)
			}
			f.Before = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("in bites of %s: %v, want %v", most, got, want)
		}
		if few := most == time.Hour; few && calls > 1 || !few && (calls < 3000/lookLate || calls > 2+3000/(lookLate-1)) {
			t.Errorf("in bites of %s: %d calls", most, calls)
		}
	}
	list, next, err := b.db.SearchMessages(Filter{Limit: 2, Destination: "431234567"}, time.Hour)
	if b.ok(err); len(list) != 2 || next != 0 {
		t.Errorf("a list that is full has %d messages, and goes on at %d", len(list), next)
	}
}
