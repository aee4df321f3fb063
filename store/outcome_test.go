package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func (b *box) doubt(id ID, part int) {
	b.t.Helper()
	b.claim(id, part)
	b.ok(b.db.Doubt(id, part, "silence", b.now))
}

// TestParts follows a message of three parts to its ends (delivery-semantics, section 8).
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(b *box, id ID)
		want  State
		parts string
	}{
		{"all delivered", func(b *box, id ID) {
			for n := range 3 {
				b.send(id, n, uint8(n))
			}
			for n := range 3 {
				b.report(uint8(n), 0)
			}
		}, Delivered, "delivered delivered delivered"},
		{"reports between the parts", func(b *box, id ID) {
			for n := range 3 {
				b.send(id, n, uint8(n))
				b.report(uint8(n), 0)
			}
		}, Delivered, "delivered delivered delivered"},
		{"one report is missing", func(b *box, id ID) {
			for n := range 3 {
				b.send(id, n, uint8(n))
			}
			b.report(1, 0)
		}, Sent, "sent delivered sent"},
		{"no reports", func(b *box, id ID) {
			for n := range 3 {
				b.claim(id, n)
				b.ok(b.db.Sent(id, n, uint8(n), false, b.now))
			}
		}, Accepted, "accepted accepted accepted"},
		{"lost early: no more is paid for", func(b *box, id ID) { b.send(id, 0, 1); b.report(1, 0x41) }, Undeliverable, "failed waiting waiting"},
		{"lost while the next is in a modem", func(b *box, id ID) {
			b.send(id, 0, 1)
			b.claim(id, 1)
			b.report(1, 0x41)
			b.wantState(id, Claimed)
			b.ok(b.db.Sent(id, 1, 2, true, b.now))
		}, Undeliverable, "failed sent waiting"},
		{"the second refused for good", func(b *box, id ID) {
			b.send(id, 0, 1)
			b.claim(id, 1)
			b.ok(b.db.Refused(id, 1, Refusal{Final: Rejected, Reason: "our PDU"}, b.now))
		}, Rejected, "sent failed waiting"},
		{"the second refused for now", func(b *box, id ID) {
			b.send(id, 0, 1)
			b.claim(id, 1)
			b.ok(b.db.Refused(id, 1, Refusal{Wait: time.Minute}, b.now))
		}, Partial, "sent waiting waiting"},
		{"validity over", func(b *box, id ID) { b.send(id, 0, 1); b.pass(25 * time.Hour); b.tick() }, Expired, "sent waiting waiting"},
		{"the first uncertain: evidence first", func(b *box, id ID) { b.doubt(id, 0) }, Uncertain, "uncertain waiting waiting"},
		{"the first uncertain: then the others", func(b *box, id ID) { b.doubt(id, 0); b.pass(16 * time.Minute); b.tick() }, Partial, "unknown waiting waiting"},
		{"the first uncertain, the others delivered", func(b *box, id ID) {
			b.doubt(id, 0)
			b.pass(16 * time.Minute)
			b.tick()
			b.send(id, 1, 1)
			b.send(id, 2, 2)
			b.wantState(id, Sent)
			b.report(1, 0)
			b.report(2, 0)
		}, Unknown, "unknown delivered delivered"},
		{"the first uncertain, one of the others lost", func(b *box, id ID) {
			b.doubt(id, 0)
			b.pass(16 * time.Minute)
			b.tick()
			b.send(id, 1, 1)
			b.send(id, 2, 2)
			b.report(2, 0x41)
		}, Undeliverable, "unknown sent failed"},
		{"the last uncertain", func(b *box, id ID) {
			b.send(id, 0, 0)
			b.send(id, 1, 1)
			b.doubt(id, 2)
			b.pass(16 * time.Minute)
			b.tick()
		}, Sent, "sent sent unknown"},
		{"the last uncertain, and its report comes", func(b *box, id ID) {
			b.send(id, 0, 0)
			b.send(id, 1, 1)
			b.doubt(id, 2)
			b.pass(16 * time.Minute)
			b.tick()
			b.report(2, 0)
			b.report(0, 0)
			b.report(1, 0)
		}, Delivered, "delivered delivered delivered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			id := b.enqueue(b.message(3))
			tt.do(b, id)
			m := b.get(id)
			var parts []string
			for _, p := range m.Parts {
				parts = append(parts, p.State.String())
			}
			if got := strings.Join(parts, " "); got != tt.parts || m.State != tt.want {
				t.Errorf("got %s: %s, want %s: %s", m.State, got, tt.want, tt.parts)
			}
			finals := slices.DeleteFunc(b.receipts(), func(s string) bool { return strings.HasSuffix(s, "...") })
			if ended := m.State.End(); ended != (len(finals) == 1) || len(finals) > 1 {
				t.Errorf("told %v of a message that is %s", finals, m.State)
			}
			b.wantIndexes()
		})
	}
}

// TestPartsStayOnOneLine: no part leaves by another SIM than the first (I18); what nobody ever had is free.
func TestPartsStayOnOneLine(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(2))
	b.ok(b.db.Claim(id, 0, "stick", "line-2", b.now))
	b.ok(b.db.Unclaim(id, 0, "port gone", 0, b.now))
	if m := b.get(id); m.Line != "" || m.Parts[0].Attempts != 1 {
		t.Errorf("got %+v", m)
	}
	b.send(id, 0, 1)
	wantError(t, b.db.Claim(id, 1, "stick", "line-2", b.now), ErrGone)
	b.send(id, 1, 2)
	b.wantState(id, Sent)
}

// TestOneClaimPerLine: at most one part is in a modem (I4).
func TestOneClaimPerLine(t *testing.T) {
	b := newBox(t, Options{})
	one, two := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.claim(one, 0)
	wantError(t, b.db.Claim(two, 0, "stick", "line-1", b.now), ErrLineBusy)
	b.wantState(two, Queued)
	b.ok(b.db.Claim(two, 0, "other", "line-2", b.now))
	found, err := b.db.Recover(b.now)
	b.ok(err)
	if len(found) != 2 || found[0].ID != one || found[0].Line != "line-1" || found[1].Modem != "other" || !found[0].At.Equal(b.now) {
		t.Errorf("got %+v", found)
	}
	if again, err := b.db.Recover(b.now); err != nil || len(again) != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

// TestPolicies: what becomes of doubt when no evidence has come (delivery-semantics, section 6).
func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy, fallback UncertainPolicy
		wait             time.Duration // after the doubt
		want             State
	}{
		{"", "", 14 * time.Minute, Uncertain},
		{"", "", 15 * time.Minute, Unknown},
		{PolicyReport, "", 15 * time.Minute, Unknown},
		{PolicyNever, "", 15 * time.Minute, Unknown},
		{PolicyResend, "", 14 * time.Minute, Uncertain},
		{PolicyResend, "", 15 * time.Minute, Queued},
		{"", PolicyResend, 15 * time.Minute, Queued},
		{PolicyNever, PolicyResend, 15 * time.Minute, Unknown},
	} {
		b := newBox(t, Options{Uncertain: tt.fallback})
		_, err := b.db.UpdateAccount("SHOP", b.now, func(a *Account) error { a.Uncertain = tt.policy; return nil })
		b.ok(err)
		id := b.enqueue(b.message(1))
		b.doubt(id, 0)
		b.pass(tt.wait)
		b.tick()
		b.wantState(id, tt.want)
		if tt.want != Queued {
			continue
		}
		// Once more, marked, not to be cancelled, by any SIM; and then no more.
		m := b.get(id)
		if !m.Duplicate || m.Line != "" || !strings.Contains(m.Reason, "may have been sent") {
			t.Errorf("got %+v", m)
		}
		wantError(t, b.db.Cancel(b.acct.Lane, id, b.now), ErrGone)
		b.doubt(id, 0)
		b.pass(time.Hour)
		b.tick()
		b.wantState(id, Unknown)
		rows, err := b.db.Outbox(b.acct.Lane, 0, 10)
		b.ok(err)
		if len(rows) != 1 || !rows[0].Receipt.Duplicate {
			t.Errorf("told %+v", rows)
		}
	}
}

// TestDoubtAndValidity: doubt does not last beyond validity, and nothing is sent again after it.
func TestDoubtAndValidity(t *testing.T) {
	b := newBox(t, Options{Uncertain: PolicyResend})
	m := b.message(1)
	m.Expires = b.now.Add(5 * time.Minute)
	id := b.enqueue(m)
	b.doubt(id, 0)
	if got := b.get(id).DoubtEnds; !got.Equal(m.Expires) {
		t.Errorf("the doubt ends at %s, want %s", got, m.Expires)
	}
	b.pass(5 * time.Minute)
	b.tick()
	b.wantState(id, Unknown)
}

// TestRefusals: refused for now it waits, and can be cancelled; what it says is kept.
func TestRefusals(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	for n := range 3 {
		b.claim(id, 0)
		r := Refusal{Counted: n != 1, Wait: time.Minute, Reason: "congestion", ErrorCode: 42, ErrorKind: 3}
		b.ok(b.db.Refused(id, 0, r, b.now))
		m := b.get(id)
		if m.State != Queued || m.Reason != "congestion" || m.ErrorCode != 42 || m.ErrorKind != 3 || !m.Due.Equal(b.now.Add(time.Minute)) {
			t.Errorf("got %+v", m)
		}
		wantError(t, b.db.Claim(id, 0, "stick", "line-1", b.now.Add(59*time.Second)), ErrGone)
		b.pass(time.Minute)
		b.tick()
	}
	if m := b.get(id); m.Refusals != 2 || m.Parts[0].Attempts != 3 {
		t.Errorf("%d refusals counted, %d attempts", m.Refusals, m.Parts[0].Attempts)
	}
	if err := b.db.Refused(id, 0, Refusal{Final: Delivered}, b.now); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("refused as delivered: %v", err)
	}
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
	wantError(t, b.db.Cancel(b.acct.Lane, 1, b.now), ErrNotFound)
}

// TestSettleByLine: whether a settled part awaits a report is known from its line.
func TestSettleByLine(t *testing.T) {
	b := newBox(t, Options{})
	first := b.enqueue(b.message(1))
	b.claim(first, 0)
	b.ok(b.db.Sent(first, 0, 4, false, b.now))
	id := b.enqueue(b.message(1))
	b.doubt(id, 0)
	if p := b.get(id).Parts[0]; p.Ref != 5 {
		t.Errorf("TP-MR %d is expected, want 5", p.Ref)
	}
	b.ok(b.db.Settle(id, 0, true, 5, "late answer", b.now))
	b.wantState(id, Accepted)
	next := b.enqueue(b.message(1))
	b.claim(next, 0)
	if p := b.get(next).Parts[0]; p.Ref != 6 {
		t.Errorf("then TP-MR %d, want 6", p.Ref)
	}
}

// TestKeeping: how long a message is known, and what is left of it then.
func TestKeeping(t *testing.T) {
	b := newBox(t, Options{Keep: 10 * time.Hour, Tombstone: 20 * time.Hour})
	sent, deleted := b.enqueue(b.message(1)), b.enqueue(b.message(1))
	waits := b.message(1)
	waits.Expires = b.now.Add(1000 * time.Hour)
	queued := b.enqueue(waits)
	b.ok(b.db.Cancel(b.acct.Lane, deleted, b.now))
	b.send(sent, 0, 1)
	b.pass(3 * time.Hour)
	b.report(1, 0)
	answerable := func(id ID, want bool) {
		t.Helper()
		if got := b.get(id).Answerable(b.now, 10*time.Hour); got != want {
			t.Errorf("message %s answerable: %t", id, got)
		}
	}
	gone := func(id ID) {
		t.Helper()
		var gone *GoneError
		if _, err := b.db.Message(id); !errors.As(err, &gone) || gone.Lane != b.acct.Lane {
			t.Errorf("message %s: %v", id, err)
		}
		if err := b.db.Cancel(b.acct.Lane, id, b.now); !errors.As(err, &gone) {
			t.Errorf("cancel message %s: %v", id, err)
		}
		wantError(t, b.db.Cancel(b.other.Lane, id, b.now), ErrNotFound)
	}
	b.pass(7*time.Hour - time.Second)
	b.tick()
	answerable(sent, true)
	answerable(deleted, true)
	b.pass(time.Second) // ten hours after the send event, and the cancel
	b.tick()
	answerable(sent, false) // but the operator still sees it: it ended three hours later
	gone(deleted)
	b.pass(3 * time.Hour)
	b.tick()
	gone(sent)
	b.pass(20 * time.Hour)
	b.tick()
	_, err := b.db.Message(deleted)
	wantError(t, err, ErrNotFound)
	answerable(queued, true)
	b.wantIndexes()
}

// TestTickInBites: what is due is worked off a few at a time, and Tick says when there is more.
func TestTickInBites(t *testing.T) {
	b := newBox(t, Options{})
	if done, err := b.db.Tick(b.now, 0); !done.Next.IsZero() || done.N != 0 || err != nil {
		t.Errorf("with nothing to do: %+v, %v", done, err)
	}
	var last time.Time
	for n := range 5 {
		m := b.message(1)
		last = b.now.Add(time.Duration(n+1)*time.Minute + 300*time.Millisecond)
		m.Expires = last
		b.enqueue(m)
	}
	first, err := b.db.NextTimer()
	b.ok(err)
	if want := b.now.Add(61 * time.Second); !first.Equal(want) {
		t.Errorf("the next timer is at %s, want %s: the second after", first, want)
	}
	b.pass(4*time.Minute + time.Second)
	for _, want := range []int{3, 1, 0} {
		done, err := b.db.Tick(b.now, 3)
		b.ok(err)
		if done.N != want || len(done.Steps) != want {
			t.Errorf("%d worked off, and %d steps told, want %d", done.N, len(done.Steps), want)
		}
		for _, s := range done.Steps {
			if s.From != Queued || s.To != Expired || s.Reason != b.get(s.ID).Reason || s.Reason == "" {
				t.Errorf("told of a message that expired: %+v", s)
			}
		}
		if more := !done.Next.After(b.now); more != (want == 3) {
			t.Errorf("after %d the next is at %s", done.N, done.Next)
		}
	}
}

// TestLostOutcome: a claim whose outcome nobody tells becomes uncertain, long after any modem has answered.
func TestLostOutcome(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(1)
	m.Expires = b.now.Add(10 * time.Minute)
	id := b.enqueue(m)
	b.claim(id, 0)
	b.pass(59 * time.Minute)
	b.tick()
	b.wantState(id, Claimed)
	b.pass(time.Minute)
	b.tick()
	b.wantState(id, Unknown)
	b.claim(b.enqueue(b.message(1)), 0) // the line is free again
}

// TestReasonOfResend: what is said of a message that is sent again after a doubt is true before, while and after it is.
func TestReasonOfResend(t *testing.T) {
	const wishes, why = "sent again, as its account wishes, though it may have been sent before: ", "no answer came"
	b := newBox(t, Options{Uncertain: PolicyResend})
	id := b.enqueue(b.message(1))
	reason := func(s State, want string) {
		t.Helper()
		b.wantState(id, s)
		if got := b.get(id).Reason; got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
	b.claim(id, 0)
	b.ok(b.db.Doubt(id, 0, why, b.now))
	reason(Uncertain, why)
	b.pass(16 * time.Minute)
	b.tick()
	reason(Queued, "to be "+wishes+why)
	b.claim(id, 0)
	reason(Claimed, wishes+why)
	b.ok(b.db.Unclaim(id, 0, "the port is gone", 0, b.now))
	reason(Queued, "the port is gone")
	b.claim(id, 0)
	b.ok(b.db.Sent(id, 0, 7, true, b.now))
	reason(Sent, "")

	id = b.enqueue(b.message(1))
	b.claim(id, 0)
	b.ok(b.db.Doubt(id, 0, why, b.now))
	b.pass(16 * time.Minute)
	b.tick()
	b.pass(24 * time.Hour)
	b.tick()
	reason(Unknown, "its validity was over before it could be sent again, and nobody knows whether it was sent: "+why)

	id = b.enqueue(b.message(2))
	b.claim(id, 0)
	b.ok(b.db.Doubt(id, 0, why, b.now))
	b.pass(16 * time.Minute)
	b.tick()
	b.pass(24 * time.Hour)
	b.tick()
	reason(Expired, "its validity was over with 0 of 2 parts sent (1 more perhaps); the last time: "+why)
}

// TestExpiredAfterDoubt: what was to be sent again, and was not before its validity ended, may be at the phone all the same.
func TestExpiredAfterDoubt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts int
		do    func(b *box, id ID)
		claim bool // what ends it is a claim that comes too late
		want  State
	}{
		{"never tried", 1, func(*box, ID) {}, false, Expired},
		{"refused", 1, func(b *box, id ID) { b.claim(id, 0); b.ok(b.db.Refused(id, 0, Refusal{}, b.now)) }, false, Expired},
		{"perhaps sent", 1, func(b *box, id ID) { b.doubt(id, 0) }, false, Unknown},
		{"perhaps sent, at the prompt", 1, func(b *box, id ID) { b.doubt(id, 0) }, true, Unknown},
		{"the last part perhaps sent", 2, func(b *box, id ID) { b.send(id, 0, 1); b.report(1, 0); b.doubt(id, 1) }, false, Unknown},
		{"the first part perhaps sent, the last never tried", 2, func(b *box, id ID) { b.doubt(id, 0) }, false, Expired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{Uncertain: PolicyResend})
			id := b.enqueue(b.message(tt.parts))
			tt.do(b, id)
			b.pass(16 * time.Minute)
			b.tick()
			b.pass(24 * time.Hour)
			if tt.claim {
				var gone *StateError
				if err := b.db.Claim(id, 0, "stick", "line-1", b.now); !errors.As(err, &gone) || gone.State != tt.want {
					t.Errorf("claimed: %v", err)
				}
			}
			b.tick()
			b.wantState(id, tt.want)
			if m := b.get(id); strings.Contains(m.Reason, "nobody knows") != (tt.want == Unknown) {
				t.Errorf("the reason is %q", m.Reason)
			}
			b.wantIndexes()
		})
	}
}

// TestExpiredInPart: the reason of an end counts as sent what is known to be.
func TestExpiredInPart(t *testing.T) {
	for _, tt := range []struct {
		policy UncertainPolicy
		sent   int
		want   string
	}{
		{PolicyReport, 0, "its validity was over with 0 of 3 parts sent (1 more perhaps)"},
		{PolicyReport, 1, "its validity was over with 1 of 3 parts sent (1 more perhaps)"},
		{PolicyResend, 1, "its validity was over with 1 of 3 parts sent (1 more perhaps)"},
	} {
		b := newBox(t, Options{Uncertain: tt.policy})
		id := b.enqueue(b.message(3))
		for n := range tt.sent {
			b.send(id, n, uint8(n))
		}
		b.doubt(id, tt.sent)
		b.pass(16 * time.Minute)
		b.tick()
		b.pass(24 * time.Hour)
		b.tick()
		b.wantState(id, Expired)
		if why, _, _ := strings.Cut(b.get(id).Reason, ";"); why != tt.want {
			t.Errorf("%s, %d sent: %q, want %q", tt.policy, tt.sent, why, tt.want)
		}
	}
}
