package store

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// jumps are what a clock is set by.
var jumps = []time.Duration{
	31 * time.Second, 5 * time.Minute, 59 * time.Minute, 61 * time.Minute, 24 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour,
	time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).Sub(start()), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Sub(start()),
}

// stepped has the clock step, as the gateway does it.
func (b *box) step(since time.Time, by time.Duration) {
	b.t.Helper()
	_, err := b.db.Step(since, b.now, by)
	b.ok(err)
	b.now = b.now.Add(by)
	b.tick()
}

// TestStep: whatever a message waits for, and by whatever the clock was wrong, it waits as long as it would have without
// (I15): to be due, for its end, for evidence, for its report, to be forgotten; and so do receipts and windows.
func TestStep(t *testing.T) {
	for _, jump := range jumps {
		for _, by := range []time.Duration{jump, -jump} {
			t.Run(fmt.Sprint(by), func(t *testing.T) { testStep(t, by) })
		}
	}
}

func testStep(t *testing.T, by time.Duration) {
	b := newBox(t, Options{})
	if by < 0 { // what is wrong lies ahead
		b.now = b.now.Add(-by)
	}
	wrong := b.now
	waits, scheduled := b.enqueue(b.message(1)), b.message(1)
	scheduled.Due, scheduled.Expires = b.now.Add(time.Hour), b.now.Add(24*time.Hour)
	later := b.enqueue(scheduled)
	moment := b.message(1)
	right := b.now.Add(by).Add(2 * time.Hour)
	moment.Due, moment.Expires = right, right.Add(time.Hour)
	moment.DueMoment, moment.ExpiresMoment = true, true
	dated := b.enqueue(moment)
	ended, doubtful, sent := b.enqueue(b.message(1)), b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, ended, b.now))
	b.claim(doubtful, 0)
	b.ok(b.db.Doubt(doubtful, 0, "silence", b.now))
	b.send(sent, 0, 7)
	once := Once{Window: 10 * time.Minute, Reference: 5}
	again := b.message(1)
	known, err := b.db.EnqueueOnce(again, once).Result()
	b.ok(err)
	b.pass(time.Minute)
	b.step(wrong, by)

	m := b.get(waits)
	if !m.Accepted.Equal(b.now.Add(-time.Minute)) || !m.Expires.Equal(m.Accepted.Add(24*time.Hour)) {
		t.Errorf("at %s it was accepted at %s, and expires at %s", b.now, m.Accepted, m.Expires)
	}
	b.wantState(doubtful, Uncertain)
	b.wantState(ended, Deleted)
	if m := b.get(later); !m.Due.Equal(b.now.Add(59 * time.Minute)) {
		t.Errorf("in an hour is at %s", m.Due)
	}
	if m := b.get(dated); !m.Due.Equal(right) || !m.Expires.Equal(right.Add(time.Hour)) {
		t.Errorf("what was dated is due %s, and expires %s; want %s", m.Due, m.Expires, right)
	}
	wantError(t, b.db.Claim(later, 0, "stick", "line-1", b.now), ErrGone)
	same := b.message(1)
	if id, err := b.db.EnqueueOnce(same, once).Result(); err != nil || id != known {
		t.Errorf("the same again is %s (%v), want %s", id, err, known)
	}
	if m := b.report(7, 0); m == nil || m.ID != sent {
		t.Errorf("the report is for %v", m)
	}
	b.wantState(sent, Delivered)
	b.pass(14 * time.Minute)
	b.tick()
	b.wantState(doubtful, Unknown)
	b.pass(45 * time.Minute)
	b.tick()
	b.claim(later, 0)
	b.ok(b.db.Sent(later, 0, 8, false, b.now))
	b.pass(22 * time.Hour)
	b.tick()
	b.wantState(waits, Queued)
	b.wantState(ended, Deleted)
	if n := len(b.receipts()); n == 0 {
		t.Error("no receipt waits any more")
	}
	b.wantState(dated, Expired) // its hour has passed
	b.pass(time.Hour)
	b.tick()
	b.wantState(waits, Expired)
	if _, err := b.db.Message(ended); !asGone(err, new(*GoneError)) {
		t.Errorf("after a day the one that was cancelled is still there: %v", err)
	}
}

// TestStepAndBack: forth and back, twice, is as if nothing had been.
func TestStepAndBack(t *testing.T) {
	for _, by := range jumps {
		b := newBox(t, Options{})
		began := b.now
		before := b.enqueue(b.message(2))
		b.send(before, 0, 3)
		for range 2 {
			b.step(began, by)
			b.step(began.Add(by), -by)
		}
		if m := b.get(before); !m.Accepted.Equal(began) || !m.Expires.Equal(began.Add(24*time.Hour)) || m.State != Partial || !m.Parts[0].SentAt.Equal(began) {
			t.Errorf("by %s: %+v", by, m)
		}
		b.send(before, 1, 4)
		if m := b.report(3, 0); m == nil || m.ID != before {
			t.Errorf("by %s: the report is for %v", by, m)
		}
	}
}

// TestStepAfterOff: what is from before the machine was off is as old as the right clock says; what came while the wrong one
// went is new.
func TestStepAfterOff(t *testing.T) {
	b := newBox(t, Options{})
	old := b.enqueue(b.message(1))
	done := b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, done, b.now))
	b.reopen()
	b.pass(time.Second)
	began := b.now
	fresh := b.enqueue(b.message(1))
	b.step(began, 3*24*time.Hour)
	b.wantState(old, Expired)
	b.wantState(fresh, Queued)
	if _, err := b.db.Message(done); !asGone(err, new(*GoneError)) {
		t.Errorf("what ended three days ago is there: %v", err)
	}
}

// TestStepBudget: no step gives a SIM or an account its budget twice, and none blocks it for longer than a window.
func TestStepBudget(t *testing.T) {
	b := newBox(t, Options{Zone: time.UTC, Limits: QueueLimits{PerDay: 2}})
	limits := Limits{Minute: 1, Day: 2}
	began := b.now
	first, second := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.ok(b.db.ClaimWithin(first, 0, "stick", "line-1", limits, b.now))
	b.ok(b.db.Sent(first, 0, 1, false, b.now))
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour, 40 * 24 * time.Hour, -40 * 24 * time.Hour} {
		b.step(began, by)
		began = began.Add(by)
		var full *BudgetError
		if err := b.db.ClaimWithin(second, 0, "stick", "line-1", limits, b.now); !asBudget(err, &full) || full.Window != Minute {
			t.Fatalf("after %s: %v", by, err)
		}
		if _, err := b.db.Enqueue(b.message(1)).Result(); err == nil {
			t.Fatalf("after %s the account has another day", by)
		}
	}
	b.pass(time.Minute)
	b.ok(b.db.ClaimWithin(second, 0, "stick", "line-1", limits, b.now))
	b.ok(b.db.Sent(second, 0, 2, false, b.now))
	b.pass(24 * time.Hour)
	b.enqueue(b.message(1))
}

// TestStepInbound: a long text from a phone waits as long for its parts, and what came is known again.
func TestStepInbound(t *testing.T) {
	for _, by := range []time.Duration{30 * 24 * time.Hour, -30 * 24 * time.Hour} {
		b := newBox(t, Options{})
		began := b.now
		part := Inbound{Line: "line-1", From: b.message(1).Destination, UDH: []byte{5, 0, 3, 9, 2, 1}, Data: []byte("one"), Time: b.now}
		if a, err := b.db.ReceiveText(part, b.now); err != nil || !a.Waiting {
			t.Fatalf("%+v, %v", a, err)
		}
		whole := Inbound{Line: "line-1", From: part.From, Data: []byte("whole"), Time: b.now}
		_, err := b.db.ReceiveText(whole, b.now)
		b.ok(err)
		b.step(began, by)
		if a, err := b.db.ReceiveText(whole, b.now); err != nil || !a.Again {
			t.Errorf("by %s: the same is not known again: %+v, %v", by, a, err)
		}
		part.UDH, part.Data = []byte{5, 0, 3, 9, 2, 2}, []byte("two")
		if a, err := b.db.ReceiveText(part, b.now); err != nil || a.Waiting || a.Parts != 2 || a.Missing != 0 {
			t.Errorf("by %s: the second part makes %+v, %v", by, a, err)
		}
	}
}

func asBudget(err error, full **BudgetError) bool { return errors.As(err, full) }

// TestStepPartly: of what began while the clock was right and went on while it was wrong, what happened since is dated anew.
func TestStepPartly(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(2))
	b.claim(id, 0)
	b.arrive(b.parts(7, 0, "one", "two", "three")[0])
	b.pass(10 * time.Minute)
	since := b.now
	b.pass(time.Minute)
	b.ok(b.db.Sent(id, 0, 7, true, b.now))
	b.arrive(b.parts(7, 0, "one", "two", "three")[1])
	b.step(since, 20*time.Minute)
	if m := b.get(id); !m.Parts[0].SentAt.Equal(b.now) || !m.Parts[0].ClaimedAt.Equal(start()) {
		t.Errorf("at %s it was claimed %s and sent %s", b.now, m.Parts[0].ClaimedAt, m.Parts[0].SentAt)
	}
	came := b.now
	b.pass(time.Hour)
	b.tick()
	inbox, err := b.db.Inbox(InboxFilter{})
	if err != nil || len(inbox) != 1 || !inbox[0].Received.Equal(came) {
		t.Errorf("the text came at %+v, want %s: %v", inbox, came, err)
	}
}

// TestStepTellsReference: a report that fits its message only since the clock is right tells the TP-MR that the SIM uses, too.
func TestStepTellsReference(t *testing.T) {
	b := newBox(t, Options{})
	const ahead = 127 * time.Minute
	b.now = b.now.Add(ahead)
	b.send(b.enqueue(b.message(1)), 0, 1)
	b.pass(time.Minute)
	doubt := b.enqueue(b.message(1))
	b.claim(doubt, 0)
	b.ok(b.db.Doubt(doubt, 0, "silence", b.now))
	m, err := b.db.Report("line-1", Report{Ref: 2, Recipient: number, Time: b.now.Add(-ahead)}, b.now)
	if err != nil || m != nil {
		t.Fatalf("%v, %v: the report is from two hours before", m, err)
	}
	b.step(time.Time{}, -ahead)
	b.wantState(doubt, Delivered)
	b.ok(b.db.view(func(v *reader) error {
		last, err := v.lastRef("line-1")
		if last.ref != 2 || last.stale {
			t.Errorf("the last TP-MR is %+v", last)
		}
		return err
	}))
}

// TestStepFormerTry: a claim after a doubt comes to nothing, and evidence of the try before finds its message.
func TestStepFormerTry(t *testing.T) {
	b := newBox(t, Options{Uncertain: PolicyResend})
	id := b.enqueue(b.message(1))
	b.claim(id, 0)
	b.ok(b.db.Doubt(id, 0, "silence", b.now))
	first := b.now
	b.pass(16 * time.Minute)
	b.tick()
	b.claim(id, 0)
	b.step(time.Time{}, 40*time.Minute)
	b.ok(b.db.Refused(id, 0, Refusal{Wait: time.Minute, Reason: "no"}, b.now))
	if m := b.get(id); !m.Parts[0].ClaimedAt.Equal(first.Add(40 * time.Minute)) {
		t.Errorf("the try in doubt was at %s, want %s", m.Parts[0].ClaimedAt, first.Add(40*time.Minute))
	}
}

// startAhead has the gateway stop, and start again with a clock that is wrong by so much. It gives the time at which it started.
func (b *box) startAhead(by time.Duration) (began time.Time) {
	b.t.Helper()
	b.reopen()
	b.now = b.now.Add(by)
	_, err := b.db.Recover(b.now)
	b.ok(err)
	return b.now
}

// TestStepHeld: what a restore holds is held until the end of its validity, though a box starts in a year to come and is put
// right.
func TestStepHeld(t *testing.T) {
	for _, ahead := range []time.Duration{
		2 * time.Hour, 23*time.Hour + 40*time.Minute, 40 * time.Hour, 365 * 24 * time.Hour, -40 * time.Hour,
	} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			b := newBox(t, Options{})
			waits := b.enqueue(b.message(1))
			b.ok(b.db.w.do(func(t *txn) error {
				m, err := t.message(waits)
				b.ok(err)
				return t.hold(m, "held", b.now)
			}))
			began := b.startAhead(ahead)
			b.pass(10 * time.Minute)
			b.step(began, -ahead)
			m := b.get(waits)
			if m.State != Uncertain || !m.DoubtEnds.Equal(m.Expires) || !m.Expires.Equal(start().Add(24*time.Hour)) {
				t.Errorf("it is %s (%s), held until %s, and valid until %s", m.State, m.Reason, m.DoubtEnds, m.Expires)
			}
		})
	}
}

// TestStepDue: what is to be sent again at once is not put off by a clock that was ahead when that was said.
func TestStepDue(t *testing.T) {
	const ahead = 10 * time.Hour
	order := Order{By: "op", Twice: true}
	for _, tt := range []struct {
		name      string
		doubt     bool // it is in doubt when the clock goes wrong
		goesAgain func(b *box, id ID)
	}{
		{"by policy", true, func(b *box, id ID) { b.pass(time.Hour); b.tick() }},
		{"by the operator", true, func(b *box, id ID) {
			_, err := b.db.Retry(id, order, b.now)
			b.ok(err)
		}},
		{"no try at all", false, func(b *box, id ID) {
			_, err := b.db.Retry(id, order, b.now)
			b.ok(err)
		}},
		{"refused, with a try before", true, func(b *box, id ID) {
			_, err := b.db.Retry(id, order, b.now)
			b.ok(err)
			b.claim(id, 0)
			b.ok(b.db.Refused(id, 0, Refusal{Wait: time.Minute, Reason: "no"}, b.now))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{Uncertain: PolicyResend})
			id := b.enqueue(b.message(1))
			if tt.doubt {
				b.claim(id, 0)
				b.ok(b.db.Doubt(id, 0, "silence", b.now))
			}
			began := b.startAhead(ahead)
			tt.goesAgain(b, id)
			b.wantState(id, Queued)
			b.step(began, -ahead)
			b.pass(2 * time.Minute)
			b.tick()
			if m, err := b.db.Next(b.now, Search{}); err != nil || m.ID != id {
				t.Errorf("%v: at %s it is due at %s", err, b.now, b.get(id).Due)
			}
		})
	}
}

// TestStepCopy: a copy that the operator has sent is valid for so long, though the message that it is of had a date.
func TestStepCopy(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(1)
	m.ExpiresMoment = true
	id := b.enqueue(m)
	b.claim(id, 0)
	b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable, Reason: "no"}, b.now))
	began := b.now
	done, err := b.db.Retry(id, Order{Expires: b.now.Add(time.Hour)}, b.now)
	b.ok(err)
	b.step(began, 5*time.Hour)
	if m := b.get(done.ID); m.State != Queued || !m.Expires.Equal(b.now.Add(time.Hour)) {
		t.Errorf("at %s it is %s, valid until %s", b.now, m.State, m.Expires)
	}
}
