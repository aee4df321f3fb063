package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// otherText is what messages become in tests.
func otherText() Replacement {
	return Replacement{DCS: 0x08, Preview: "other", Parts: [][]byte{[]byte("another"), []byte("text")}, RegisteredDelivery: 1}
}

// TestReplace: what is told changes, and all else stays.
func TestReplace(t *testing.T) {
	b := newBox(t, Options{})
	first, id := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.enqueue(b.message(1))
	before := b.get(id)
	b.ok(b.db.Replace(b.acct.Lane, id, otherText(), b.now.Add(time.Minute)))
	m := b.get(id)
	if m.DCS != 0x08 || m.Preview != "other" || len(m.Parts) != 2 || string(m.Parts[1].Data) != "text" || m.RegisteredDelivery != 1 {
		t.Errorf("replaced: %+v", m)
	}
	if !m.Due.Equal(before.Due) || !m.Expires.Equal(before.Expires) || !m.Accepted.Equal(before.Accepted) || m.Destination != before.Destination {
		t.Errorf("more than the text was replaced: %+v", m)
	}
	b.claim(first, 0)
	b.ok(b.db.Sent(first, 0, 1, true, b.now))
	if next, err := b.db.Next(b.now, Search{}); err != nil || next.ID != id {
		t.Errorf("next: %v, %v, want %s in its old place", next, err, id)
	}
	b.claim(id, 0)
	wantError(t, b.db.Replace(b.acct.Lane, id, otherText(), b.now), ErrGone)
	b.wantIndexes()
}

// TestReplaceTimes: empty times stay as they were, and the message must still be able to be sent in time.
func TestReplaceTimes(t *testing.T) {
	at := func(d time.Duration) *time.Time { due := start().Add(d); return &due }
	for _, tt := range []struct {
		name            string
		due             *time.Time
		expires         time.Duration // 0: as it was, which is a day
		want            error
		wantDue, wantBy time.Duration
	}{
		{"neither", nil, 0, nil, time.Hour, 24 * time.Hour},
		{"at once", &time.Time{}, 0, nil, 0, 24 * time.Hour},
		{"later", at(2 * time.Hour), 0, nil, 2 * time.Hour, 24 * time.Hour},
		{"both", at(48 * time.Hour), 49 * time.Hour, nil, 48 * time.Hour, 49 * time.Hour},
		{"longer", nil, 48 * time.Hour, nil, time.Hour, 48 * time.Hour},
		{"too late", at(24 * time.Hour), 0, ErrTimes, 0, 0},
		{"over before it is due", nil, time.Hour, ErrTimes, 0, 0},
		{"over", &time.Time{}, -time.Second, ErrTimes, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			m := b.message(1)
			m.Due = b.now.Add(time.Hour)
			id := b.enqueue(m)
			r := otherText()
			if r.Due = tt.due; tt.expires != 0 {
				r.Expires = b.now.Add(tt.expires)
			}
			wantError(t, b.db.Replace(b.acct.Lane, id, r, b.now), tt.want)
			b.wantIndexes()
			got := b.get(id)
			if tt.want != nil {
				if got.Preview != "hello" {
					t.Errorf("the refusal changed something: %+v", got)
				}
				return
			}
			if due := b.now.Add(tt.wantDue); tt.wantDue != 0 && !got.Due.Equal(due) || tt.wantDue == 0 && !got.Due.IsZero() {
				t.Errorf("due %s, want %s", got.Due, due)
			}
			if by := b.now.Add(tt.wantBy); !got.Expires.Equal(by) {
				t.Errorf("expires %s, want %s", got.Expires, by)
			}
			b.pass(tt.wantDue)
			b.tick()
			b.claim(id, 0)
		})
	}
}

// TestReplaceNot: what may be on air in any part, or was, or is over, is never replaced.
func TestReplaceNot(t *testing.T) {
	b := newBox(t, Options{Uncertain: PolicyResend})
	doubted, partly, late := b.enqueue(b.message(1)), b.enqueue(b.message(2)), b.enqueue(b.message(1))
	b.claim(doubted, 0)
	b.ok(b.db.Doubt(doubted, 0, "silence", b.now))
	b.ok(b.db.Settle(doubted, 0, false, 0, "counter unchanged", b.now))
	b.wantState(doubted, Queued)
	b.send(partly, 0, 7)
	b.wantState(partly, Partial)
	for _, id := range []ID{doubted, partly} {
		wantError(t, b.db.Replace(b.acct.Lane, id, otherText(), b.now), ErrGone)
	}
	wantError(t, b.db.Replace(b.acct.Lane, late+1, otherText(), b.now), ErrNotFound)
	b.pass(24 * time.Hour) // no Tick has ended it yet
	r := otherText()
	r.Expires = b.now.Add(time.Hour)
	wantError(t, b.db.Replace(b.acct.Lane, late, r, b.now), ErrGone)
	b.tick()
	wantError(t, b.db.Replace(b.acct.Lane, late, r, b.now), ErrGone)
	b.wantState(late, Expired)
	r.Parts = nil
	if err := b.db.Replace(b.acct.Lane, b.enqueue(b.message(1)), r, b.now); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("replaced by nothing: %v", err)
	}
	b.wantIndexes()
}

// TestReplaceRefused: a text that was refused for now may be replaced; what was said of it was not about the new one.
func TestReplaceRefused(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.claim(id, 0)
	b.ok(b.db.Refused(id, 0, Refusal{Counted: true, Wait: time.Minute, Reason: "congestion", ErrorCode: 42, ErrorKind: 3}, b.now))
	b.ok(b.db.Replace(b.acct.Lane, id, otherText(), b.now))
	m := b.get(id)
	if m.Reason != "" || m.Refusals != 0 || m.ErrorCode != 0 || m.Parts[0].Attempts != 0 || !m.Due.Equal(b.now.Add(time.Minute)) {
		t.Errorf("replaced: %+v", m)
	}
	b.wantIndexes()
	b.pass(time.Minute)
	b.tick()
	b.claim(id, 0)
}

// TestClaimAsPicked: what was made ready before a Replace is not sent after it.
func TestClaimAsPicked(t *testing.T) {
	for name, change := range map[string]func(*Replacement){
		"the text":     func(r *Replacement) { r.Parts[0] = []byte("part 2") },
		"its alphabet": func(r *Replacement) { r.DCS = 0x08 },
		"its header":   func(r *Replacement) { r.UDH = []byte{1} },
		"its length":   func(r *Replacement) { r.Parts = append(r.Parts, []byte("more")) },
		"its validity": func(r *Replacement) { r.Expires = start().Add(time.Hour) },
		"its receipts": func(r *Replacement) { r.RegisteredDelivery = 0 },
		"":             func(*Replacement) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(1))
			picked := b.get(id)
			r := Replacement{Preview: "hello", Parts: [][]byte{[]byte("part 1")}, RegisteredDelivery: 0x11}
			change(&r)
			b.ok(b.db.Replace(b.acct.Lane, id, r, b.now))
			err := b.db.ClaimAsPicked(picked, 0, "stick", "line-1", Limits{}, b.now)
			if name == "" {
				b.ok(err)
				return
			}
			wantError(t, err, ErrGone)
			b.wantState(id, Queued)
			b.ok(b.db.ClaimAsPicked(b.get(id), 0, "stick", "line-1", Limits{}, b.now))
		})
	}
}

// TestReplaceAgainstClaim: of a Replace and a claim of what was picked before, exactly one wins, however they meet.
func TestReplaceAgainstClaim(t *testing.T) {
	b := newBox(t, Options{})
	won := map[bool]int{}
	for n := range 500 {
		id := b.enqueue(b.message(1))
		picked := b.get(id)
		line := fmt.Sprint("line-", n)
		var claim, replace error
		var wg sync.WaitGroup
		both := []func(){
			func() { claim = b.db.ClaimAsPicked(picked, 0, "stick", line, Limits{}, b.now) },
			func() { replace = b.db.Replace(b.acct.Lane, id, otherText(), b.now) },
		}
		wg.Go(both[n%2])
		wg.Go(both[1-n%2])
		wg.Wait()
		m := b.get(id)
		switch {
		case claim == nil && errors.Is(replace, ErrGone) && m.State == Claimed && m.Preview == "hello":
		case replace == nil && errors.Is(claim, ErrGone) && m.State == Queued && m.Preview == "other":
		default:
			t.Fatalf("claim: %v, replace: %v, message: %+v", claim, replace, m)
		}
		won[claim == nil]++
	}
	t.Logf("the claim won %d times, the replacement %d times", won[true], won[false])
	b.wantIndexes()
}

// TestEnqueueReplacing: one message takes the place of the newest that matches, and that one's end is told.
func TestEnqueueReplacing(t *testing.T) {
	b := newBox(t, Options{})
	add := func(change func(m *Message)) (id, old ID) {
		m := b.message(1)
		change(m)
		a := b.db.EnqueueReplacing(m)
		id, err := a.Result()
		b.ok(err)
		return id, a.Replaced()
	}
	b.enqueue(b.message(1))
	older := b.enqueue(b.message(1))
	for name, change := range map[string]func(m *Message){
		"another source":       func(m *Message) { m.Source.Number = "CLINIC" },
		"another destination":  func(m *Message) { m.Destination.Number = "110" },
		"another service_type": func(m *Message) { m.ServiceType = "VMN" },
		"another account":      func(m *Message) { m.Account, m.Lane = b.other.Key, b.other.Lane },
	} {
		if _, old := add(change); old != 0 {
			t.Errorf("%s: it took the place of %s", name, old)
		}
	}
	newest, old := add(func(*Message) {})
	if old != older {
		t.Errorf("it took the place of %s, want %s", old, older)
	}
	b.wantState(older, Deleted)
	if m := b.get(older); m.Reason != "replaced by message "+newest.String()+", before any modem had it" {
		t.Errorf("reason: %s", m.Reason)
	}
	if got := b.receipts(); len(got) != 1 || got[0] != "deleted" {
		t.Errorf("receipts: %v", got)
	}
	// Scheduled ones wait, too; claimed ones do not any more, and an older one is found behind them.
	scheduled, old := add(func(m *Message) { m.Due = b.now.Add(time.Hour) })
	if old != newest {
		t.Errorf("it took the place of %s, want %s", old, newest)
	}
	claimed := b.enqueue(b.message(1))
	b.claim(claimed, 0)
	last, old := add(func(*Message) {})
	if old != scheduled {
		t.Errorf("it took the place of %s, want the scheduled %s", old, scheduled)
	}
	b.ok(b.db.Refused(claimed, 0, Refusal{Wait: time.Minute, Reason: "congestion"}, b.now)) // waits again
	b.ok(b.db.Cancel(b.acct.Lane, last, b.now))
	if _, old = add(func(*Message) {}); old != claimed {
		t.Errorf("it took the place of %s, want %s, which waits again", old, claimed)
	}
	b.wantIndexes()
	b.reopen()
	if _, old = add(func(*Message) {}); old == 0 {
		t.Error("after a start nothing is found")
	}
	b.wantIndexes()
}

// TestEnqueueReplacingTogether: those that come while the lane is read for the first time, and those of one transaction,
// find each other: in the end one of them waits.
func TestEnqueueReplacingTogether(t *testing.T) {
	b := newBox(t, Options{})
	const n = 200
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range n / 8 {
				m := b.message(1)
				m.ServiceType = "VMN"
				if _, err := b.db.EnqueueReplacing(m).Result(); err != nil {
					t.Error(err)
				}
				b.db.Enqueue(b.message(1))
			}
		})
	}
	wg.Wait()
	b.ok(b.db.w.do(func(*txn) error { return nil })) // all is stored by now
	counts, err := b.db.Counts(b.acct.Lane)
	b.ok(err)
	if counts[Queued] != n+1 || counts[Deleted] != n-1 {
		t.Errorf("counts: %v, want %d queued and %d deleted", counts, n+1, n-1)
	}
	b.wantIndexes()
	b.wantPending()
}

// wantPending holds the index in memory, if there is one, against what waits.
func (b *box) wantPending() {
	b.t.Helper()
	var found []pendingID
	b.ok(b.db.view(func(v *reader) error { found = v.pending(b.acct.Lane); return nil }))
	b.ok(b.db.w.do(func(t *txn) error {
		p := t.w.pending.lanes[b.acct.Lane]
		if p == nil {
			return nil
		}
		fresh := 0
		for _, ids := range p.ids {
			fresh += len(ids)
		}
		if n := len(p.base) - p.dead + fresh; n != len(found) || fresh != p.fresh {
			b.t.Errorf("the index has %d messages, %d wait; %d are fresh, and said to be %d", n, len(found), fresh, p.fresh)
		}
		for _, c := range found {
			if !slices.Contains(slices.Collect(p.newestFirst(c.key)), c.id) {
				b.t.Errorf("message %s is not in the index", c.id)
			}
		}
		return nil
	}))
}

// TestEnqueueAll: all with ids in a row, or none.
func TestEnqueueAll(t *testing.T) {
	b := newBox(t, Options{})
	before := b.enqueue(b.message(1))
	list := []*Message{b.message(1), b.message(2), b.message(1)}
	list[1].Destination.Number = "110"
	var others sync.WaitGroup
	others.Go(func() {
		for range 100 {
			b.db.Enqueue(b.message(1))
		}
	})
	for range 20 {
		first, err := b.db.EnqueueAll(list).Result()
		b.ok(err)
		for i, m := range list {
			if got := b.get(first + ID(i)); got.Destination != m.Destination || len(got.Parts) != len(m.Parts) {
				t.Errorf("message %s: %+v, want %+v", got.ID, got, m)
			}
		}
	}
	others.Wait()
	last := b.enqueue(b.message(1))
	for what, change := range map[string]func(m *Message){
		"what can't be stored": func(m *Message) { m.Parts = nil },
		"no account":           func(m *Message) { m.Lane = 99 },
	} {
		bad := b.message(1)
		change(bad)
		if id, err := b.db.EnqueueAll([]*Message{b.message(1), bad}).Result(); err == nil || id != 0 {
			t.Errorf("%s among others: %s, %v", what, id, err)
		}
	}
	if next := b.enqueue(b.message(1)); next != last+1 || last != before+161 {
		t.Errorf("ids %s and %s after %s: some were taken by what was refused", last, next, before)
	}
	b.wantIndexes()
}
