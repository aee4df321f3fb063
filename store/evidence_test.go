package store

import (
	"testing"
	"time"
)

// TestDoubtAfterRestart: doubt that was over while nothing ran is not decided before what came meanwhile was read, or a
// text would go out twice though the proof that it was sent lies in the modem.
func TestDoubtAfterRestart(t *testing.T) {
	const evidence = 5 * time.Minute
	for _, reported := range []bool{true, false} {
		b := newBox(t, Options{Uncertain: PolicyResend, UncertainWait: 10 * time.Minute, EvidenceWait: evidence})
		id := b.enqueue(b.message(1))
		b.ok(b.db.Claim(id, 0, "stick", "line-1", b.now))
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		claimed := b.now
		b.pass(time.Hour)
		b.reopen()
		tick := func(want State) {
			t.Helper()
			if _, _, err := b.db.Tick(b.now, 0); err != nil {
				t.Fatal(err)
			}
			if m, err := b.db.Message(id); err != nil || m.State != want {
				t.Errorf("reported %v: the message is %v (%v), want %s", reported, m.State, err, want)
			}
		}
		tick(Uncertain)
		if reported {
			b.pass(time.Minute)
			if _, err := b.db.Report("line-1", Report{Ref: 1, Recipient: number, Time: claimed}, b.now); err != nil {
				t.Fatal(err)
			}
			tick(Delivered)
			continue
		}
		b.pass(evidence + time.Second)
		tick(Queued) // sent again, as its account wishes
	}
}

// TestSettleLast: a late answer is about the part that the line was given last, and about nothing else.
func TestSettleLast(t *testing.T) {
	late := func(b *box, sent bool) *Message {
		t.Helper()
		m, err := b.db.SettleLast("line-1", sent, 9, "a late answer", b.now)
		b.ok(err)
		return m
	}
	t.Run("it was sent", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		if m := late(b, true); m == nil || m.ID != id || m.State != Sent || m.Parts[0].Ref != 9 {
			t.Errorf("%+v", m)
		}
		b.report(9, 0)
		b.wantState(id, Delivered)
		if m := late(b, true); m != nil {
			t.Errorf("the second time it is about message %s", m.ID)
		}
	})
	t.Run("it was not", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		if m := late(b, false); m == nil || m.State != Queued {
			t.Errorf("%+v", m)
		}
		b.claim(id, 0)
	})
	t.Run("after the process died", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.claim(id, 0)
		b.crash()
		if _, err := b.db.Recover(b.now); err != nil {
			t.Fatal(err)
		}
		if m := late(b, true); m == nil || m.ID != id || m.State != Sent {
			t.Errorf("%+v", m)
		}
	})
	t.Run("another one was given to it since", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		other := b.enqueue(b.message(1))
		b.send(other, 0, 4)
		if m := late(b, true); m != nil {
			t.Errorf("it is about message %s", m.ID)
		}
		b.wantState(id, Uncertain)
	})
	t.Run("on another line", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		if m, err := b.db.SettleLast("line-2", true, 9, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("%v, %v", m, err)
		}
	})
}
