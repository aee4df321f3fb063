package store

import (
	"errors"
	"fmt"
	"slices"
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
		if _, err := b.db.Recover(b.now); err != nil {
			t.Fatal(err)
		}
		tick := func(want State) {
			t.Helper()
			if _, err := b.db.Tick(b.now, 0); err != nil {
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

// TestOpenDoubts: the text that a line was given last is told until something is known of it, or the line is given another
// one, in whichever life it became uncertain.
func TestOpenDoubts(t *testing.T) {
	b := newBox(t, Options{})
	want := func(what string, ids ...ID) {
		t.Helper()
		open, err := b.db.OpenDoubts()
		b.ok(err)
		var got []ID
		for _, c := range open {
			if c.Modem != "stick" || c.Line != "line-1" || c.At.IsZero() {
				t.Errorf("%s: %+v", what, c)
			}
			got = append(got, c.ID)
		}
		if !slices.Equal(got, ids) {
			t.Errorf("%s: %v, want %v", what, got, ids)
		}
	}
	first, second := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	want("nothing was given")
	b.ok(b.db.Claim(first, 0, "stick", "line-1", b.now))
	want("its outcome may still be told")
	b.reopen()
	_, err := b.db.Recover(b.now)
	b.ok(err)
	want("after a crash", first)
	b.reopen()
	_, err = b.db.Recover(b.now)
	b.ok(err)
	want("after another one", first)
	b.pass(time.Second)
	b.ok(b.db.Claim(second, 0, "stick", "line-1", b.now))
	want("the line was given another one")
	b.ok(b.db.Doubt(second, 0, "silence", b.now))
	want("that one is in doubt", second)
	b.late()
	want("its answer came")
}

// late is an answer with TP-MR 9 to what was given to the line just now.
func (b *box) late() *Message {
	b.t.Helper()
	m, err := b.db.SettleGiven("line-1", b.now, 9, true, "a late answer", b.now)
	b.ok(err)
	return m
}

// TestSettleGiven: a late answer is about the part that the line was given then, and about nothing else.
func TestSettleGiven(t *testing.T) {
	t.Run("it was sent", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		if m := b.late(); m == nil || m.ID != id || m.State != Sent || m.Parts[0].Ref != 9 {
			t.Errorf("%+v", m)
		}
		b.report(9, 0)
		b.wantState(id, Delivered)
		if m := b.late(); m != nil {
			t.Errorf("the second time it is about message %s", m.ID)
		}
	})
	t.Run("it was sent, by a modem without reports", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		if m, err := b.db.SettleGiven("line-1", b.now, 9, false, "a late answer", b.now); err != nil || m.State != Accepted {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("it is not the answer to this one", func(t *testing.T) {
		b := newBox(t, Options{})
		b.send(b.enqueue(b.message(1)), 0, 7)
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		if m, err := b.db.SettleGiven("line-1", b.now, 9, true, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("8 was to be expected: %v, %v", m, err)
		}
		if m, err := b.db.SettleGiven("line-1", b.now, 8, true, "a late answer", b.now); m == nil || err != nil {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("it was given long after this one", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		b.pass(2 * time.Minute)
		if m := b.late(); m != nil {
			t.Errorf("it is about message %s", m.ID)
		}
	})
	t.Run("after the process died", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.claim(id, 0)
		b.crash()
		if _, err := b.db.Recover(b.now); err != nil {
			t.Fatal(err)
		}
		if m := b.late(); m == nil || m.ID != id || m.State != Sent {
			t.Errorf("%+v", m)
		}
	})
	t.Run("before it was given", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		if m, err := b.db.SettleGiven("line-1", b.now.Add(-time.Second), 9, true, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("of a message that is past its keeping time", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		for range 3 {
			b.pass(25 * time.Hour)
			b.tick()
		}
		if m := b.late(); m != nil {
			t.Errorf("it is about message %s", m.ID)
		}
	})
	t.Run("on another line", func(t *testing.T) {
		b := newBox(t, Options{})
		b.doubt(b.enqueue(b.message(1)), 0)
		if m, err := b.db.SettleGiven("line-2", b.now, 9, true, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("%v, %v", m, err)
		}
	})
}

// TestSettleGivenOfSeveral is the same where the line was given more than one text.
func TestSettleGivenOfSeveral(t *testing.T) {
	t.Run("another one was given to it since", func(t *testing.T) {
		b := newBox(t, Options{})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		given := b.now
		b.pass(time.Minute)
		other := b.enqueue(b.message(1))
		b.claim(other, 0)
		if _, err := b.db.SettleGiven("line-1", b.now, 9, true, "a late answer", b.now); !errors.Is(err, ErrLineBusy) {
			t.Errorf("while the other one is on its way: %v", err)
		}
		b.ok(b.db.Sent(other, 0, 4, true, b.now))
		if m := b.late(); m != nil {
			t.Errorf("it is about message %s", m.ID)
		}
		b.wantState(id, Uncertain)
		if m, err := b.db.SettleGiven("line-1", given, 3, true, "a late answer", b.now); err != nil || m == nil || m.ID != id || m.State != Sent {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("two in a row, and then both answers", func(t *testing.T) {
		b := newBox(t, Options{})
		b.send(b.enqueue(b.message(1)), 0, 7)
		b.pass(time.Second)
		var ids []ID
		var given []time.Time
		for range 2 {
			ids, given = append(ids, b.enqueue(b.message(1))), append(given, b.now.Add(time.Second))
			b.doubt(ids[len(ids)-1], 0)
			b.pass(3 * time.Minute)
		}
		if m, err := b.db.SettleGiven("line-1", given[0], 9, true, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("8 was to be expected: %v, %v", m, err)
		}
		for n, ref := range []uint8{8, 9} {
			m, err := b.db.SettleGiven("line-1", given[n], ref, true, "a late answer", b.now)
			if err != nil || m == nil || m.ID != ids[n] || m.State != Sent || m.Parts[0].Ref != ref {
				t.Errorf("text %d: %+v, %v", n+1, m, err)
			}
		}
		if m, err := b.db.SettleGiven("line-1", given[0], 8, true, "a late answer", b.now); m != nil || err != nil {
			t.Errorf("the second time it is about message %v (%v)", m, err)
		}
		last := b.enqueue(b.message(1))
		b.claim(last, 0)
		if p := b.get(last).Parts[0]; p.Ref != 10 {
			t.Errorf("then TP-MR %d, want 10", p.Ref)
		}
	})
}

// TestSuspect: an error that usually means "not sent" is not taken for that before a report had time to say otherwise.
func TestSuspect(t *testing.T) {
	refused := Refusal{Counted: true, Wait: 30 * time.Second, Reason: "the modem gave up"}
	begin := func(policy UncertainPolicy) (*box, ID) {
		b := newBox(t, Options{Uncertain: policy})
		b.send(b.enqueue(b.message(1)), 0, 7) // from here on a TP-MR can be predicted
		id := b.enqueue(b.message(1))
		b.claim(id, 0)
		b.ok(b.db.Suspect(id, 0, refused, b.now))
		b.wantState(id, Uncertain)
		if err := b.db.Cancel(b.acct.Lane, id, b.now); err == nil {
			t.Error("it was cancelled, though it may have been sent")
		}
		return b, id
	}
	t.Run("a report tells that it was sent", func(t *testing.T) {
		b, id := begin("")
		b.pass(20 * time.Second)
		b.report(8, 0)
		if m := b.get(id); m.State != Delivered || m.Duplicate || m.Suspect {
			t.Errorf("%+v", m)
		}
	})
	for _, policy := range []UncertainPolicy{PolicyReport, PolicyResend, PolicyNever} {
		t.Run("nothing does, policy "+string(policy), func(t *testing.T) {
			b, id := begin(policy)
			b.pass(29 * time.Second)
			b.tick()
			b.wantState(id, Uncertain)
			b.pass(time.Second)
			b.tick()
			m, want := b.get(id), Queued
			if policy == PolicyNever {
				want = Unknown
			}
			if m.State != want || m.Duplicate != (want == Queued) || m.Refusals != 1 || m.Suspect {
				t.Errorf("%+v", m)
			}
			if err := b.db.Cancel(b.acct.Lane, id, b.now); err == nil {
				t.Error("it was cancelled, though it may have been sent")
			}
		})
	}
	t.Run("its validity ends before that", func(t *testing.T) {
		b, id := begin("")
		b.pass(25 * time.Hour)
		b.tick()
		b.wantState(id, Unknown)
	})
}

// TestDoubtGiven: what speaks against a text that is in doubt has it tried again when its doubt ends, and not before; and
// not for ever.
func TestDoubtGiven(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	for try := range 5 {
		b.doubt(id, 0)
		m, err := b.db.DoubtGiven("line-1", b.now, 5, "not counted by the SIM", b.now)
		b.ok(err)
		b.wantState(id, Uncertain)
		if helps := try < 4; (m != nil) != helps {
			t.Fatalf("try %d: %v", try+1, m)
		}
		b.pass(15 * time.Minute)
		b.tick()
	}
	if m := b.get(id); m.State != Unknown || !m.Duplicate || m.Parts[0].Attempts != 5 {
		t.Errorf("%+v", m)
	}
}

// TestDoubtGivenNever: an account that wants nothing sent twice is not told that it will be.
func TestDoubtGivenNever(t *testing.T) {
	b := newBox(t, Options{Uncertain: PolicyNever})
	id := b.enqueue(b.message(1))
	b.doubt(id, 0)
	if m, err := b.db.DoubtGiven("line-1", b.now, 5, "not counted by the SIM", b.now); m != nil || err != nil || b.get(id).GoesAgain() {
		t.Errorf("%+v, %v; want no change", m, err)
	}
}

// TestGoesAgain: what is valid for less than its wait is not sent again, and not said to be.
func TestGoesAgain(t *testing.T) {
	for valid, want := range map[time.Duration]bool{time.Minute: true, 20 * time.Second: false} {
		b := newBox(t, Options{})
		m := b.message(1)
		m.Expires = b.now.Add(valid)
		id := b.enqueue(m)
		b.claim(id, 0)
		b.ok(b.db.Suspect(id, 0, Refusal{Wait: 30 * time.Second, Reason: "the modem gave up"}, b.now))
		if got := b.get(id).GoesAgain(); got != want {
			t.Errorf("valid for %v: goes again is %t, want %t", valid, got, want)
		}
		b.pass(30 * time.Second)
		b.tick()
		if again := b.get(id).State == Queued; again != want {
			t.Errorf("valid for %v: it goes again is %t, want %t", valid, again, want)
		}
	}
}

// TestEvidenceBeforeItGoesAgain: the doubt is over and the text waits to be sent again, which may take long; what shows by then
// that it was sent spares the second one.
func TestEvidenceBeforeItGoesAgain(t *testing.T) {
	for _, predicted := range []bool{true, false} {
		for name, evidence := range map[string]func(b *box, given time.Time){
			"a report": func(b *box, _ time.Time) { b.report(8, 0) },
			"a late answer": func(b *box, given time.Time) {
				m, err := b.db.SettleGiven("line-1", given, 8, true, "late", b.now)
				if b.ok(err); m == nil {
					b.t.Error("the late answer is nobody's")
				}
				b.report(8, 0)
			},
		} {
			t.Run(fmt.Sprint(name, ", predicted ", predicted), func(t *testing.T) {
				b := newBox(t, Options{})
				if predicted {
					b.send(b.enqueue(b.message(1)), 0, 7)
					b.pass(time.Second)
				}
				id := b.enqueue(b.message(1))
				b.claim(id, 0)
				given := b.now
				b.ok(b.db.Suspect(id, 0, Refusal{Wait: 30 * time.Second, Reason: "the modem gave up"}, b.now))
				b.pass(time.Minute)
				b.tick()
				b.wantState(id, Queued)
				evidence(b, given)
				if m := b.get(id); m.State != Delivered || m.Duplicate || m.Parts[0].Attempts != 1 {
					t.Errorf("%+v", m)
				}
				wantError(t, b.db.Claim(id, 0, "stick", "line-1", b.now), ErrGone)
				b.wantIndexes()
			})
		}
	}
	t.Run("after its validity", func(t *testing.T) {
		b := newBox(t, Options{Uncertain: PolicyResend})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		b.pass(16 * time.Minute)
		b.tick()
		b.pass(24 * time.Hour)
		b.tick()
		b.wantState(id, Unknown)
		b.report(8, 0)
		b.wantState(id, Delivered)
	})
	t.Run("once it was claimed again it is its own report", func(t *testing.T) {
		b := newBox(t, Options{Uncertain: PolicyResend})
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		b.pass(16 * time.Minute)
		b.tick()
		b.send(id, 0, 9)
		b.report(8, 0)
		b.wantState(id, Sent)
		b.report(9, 0)
		if m := b.get(id); m.State != Delivered || !m.Duplicate {
			t.Errorf("%+v", m)
		}
		b.wantIndexes()
	})
}

// TestEvidenceBehindATryThatCameToNothing: a text in doubt was to be sent again, and that try did not take place. What the
// network says of the first one still counts, whether it comes during the second one or after it.
func TestEvidenceBehindATryThatCameToNothing(t *testing.T) {
	ends := map[string]func(b *box, id ID) error{
		"not given to the modem": func(b *box, id ID) error { return b.db.Unclaim(id, 0, "no prompt", time.Minute, b.now) },
		"refused": func(b *box, id ID) error {
			return b.db.Refused(id, 0, Refusal{Untaken: true, Wait: time.Minute, Reason: "no service"}, b.now)
		},
		"refused once too often": func(b *box, id ID) error {
			return b.db.Refused(id, 0, Refusal{Final: Unknown, Reason: "congestion"}, b.now)
		},
	}
	for name, end := range ends {
		for _, line := range []string{"line-1", "line-2"} {
			for _, during := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, by %s, report during it %t", name, line, during), func(t *testing.T) {
					b := newBox(t, Options{Uncertain: PolicyResend})
					b.send(b.enqueue(b.message(1)), 0, 7)
					b.pass(time.Second)
					id := b.enqueue(b.message(1))
					b.doubt(id, 0)
					first := b.now
					b.pass(16 * time.Minute)
					b.tick()
					limits := Limits{Hour: 5}
					b.ok(b.db.ClaimWithin(id, 0, "stick", line, limits, b.now))
					b.pass(time.Second)
					report := func() {
						_, err := b.db.Report("line-1", Report{Ref: 8, Recipient: number, Time: first}, b.now)
						b.ok(err)
					}
					if during {
						report()
						b.wantState(id, Claimed)
					}
					b.ok(end(b, id))
					if !during {
						report()
					}
					m := b.get(id)
					if m.State != Delivered || m.Parts[0].Line != "line-1" || m.Parts[0].Ref != 8 {
						t.Errorf("%+v", m)
					}
					u, err := b.db.Usage(line, b.now)
					if b.ok(err); name != "refused once too often" && u.Used[Hour] != 0 {
						t.Errorf("%d counted of what came to nothing", u.Used[Hour])
					}
					b.wantIndexes()
				})
			}
		}
	}
}
