package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/sms"
)

// reach brings a fresh message into each state.
var reach = []struct {
	state State
	by    func(b *box, id ID)
}{
	{Queued, func(*box, ID) {}},
	{Claimed, func(b *box, id ID) { b.claim(id, 0) }},
	{Partial, func(b *box, id ID) { b.send(id, 0, 7) }}, // of two parts
	{Uncertain, func(b *box, id ID) { b.claim(id, 0); b.ok(b.db.Doubt(id, 0, "silence", b.now)) }},
	{Sent, func(b *box, id ID) { b.send(id, 0, 7) }},
	{Delivered, func(b *box, id ID) { b.send(id, 0, 7); b.report(7, 0x00) }},
	{Accepted, func(b *box, id ID) { b.claim(id, 0); b.ok(b.db.Sent(id, 0, 7, false, b.now)) }},
	{Undeliverable, func(b *box, id ID) {
		b.claim(id, 0)
		b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable, Reason: "no such number"}, b.now))
	}},
	{Expired, func(b *box, id ID) { b.pass(25 * time.Hour); b.tick() }},
	{Deleted, func(b *box, id ID) { b.ok(b.db.Cancel(b.acct.Lane, id, b.now)) }},
	{Rejected, func(b *box, id ID) { b.ok(b.db.Reject(id, "it can't be encoded", b.now)) }},
	{Unknown, func(b *box, id ID) {
		b.claim(id, 0)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		b.pass(16 * time.Minute)
		b.tick()
	}},
}

// verbs are all that can happen to a message.
var verbs = []struct {
	name string
	do   func(b *box, id ID) error
}{
	{"claim", func(b *box, id ID) error { return b.db.Claim(id, 0, "stick", "line-1", b.now) }},
	{"claim 2", func(b *box, id ID) error { return b.db.Claim(id, 1, "stick", "line-1", b.now) }},
	{"claim 2 elsewhere", func(b *box, id ID) error { return b.db.Claim(id, 1, "stick", "line-2", b.now) }},
	{"claim late", func(b *box, id ID) error { return b.db.Claim(id, 0, "stick", "line-1", b.now.Add(25*time.Hour)) }},
	{"sent", func(b *box, id ID) error { return b.db.Sent(id, 0, 7, true, b.now) }},
	{"sent, no report", func(b *box, id ID) error { return b.db.Sent(id, 0, 7, false, b.now) }},
	{"refused", func(b *box, id ID) error {
		return b.db.Refused(id, 0, Refusal{Counted: true, Wait: time.Minute, Reason: "congestion"}, b.now)
	}},
	{"refused for good", func(b *box, id ID) error {
		return b.db.Refused(id, 0, Refusal{Final: Undeliverable, Reason: "no such number"}, b.now)
	}},
	{"unclaim", func(b *box, id ID) error { return b.db.Unclaim(id, 0, "port gone", time.Second, b.now) }},
	{"doubt", func(b *box, id ID) error { return b.db.Doubt(id, 0, "silence", b.now) }},
	{"settle sent", func(b *box, id ID) error { return b.db.Settle(id, 0, true, 7, "late answer", b.now) }},
	{"settle unsent", func(b *box, id ID) error { return b.db.Settle(id, 0, false, 0, "counter unchanged", b.now) }},
	{"delivered", func(b *box, id ID) error { return b.status(0x00) }},
	{"trying", func(b *box, id ID) error { return b.status(0x20) }},
	{"failed", func(b *box, id ID) error { return b.status(0x41) }},
	{"cancel", func(b *box, id ID) error { return b.db.Cancel(b.acct.Lane, id, b.now) }},
	{"cancel by another", func(b *box, id ID) error { return b.db.Cancel(b.other.Lane, id, b.now) }},
	{"replace", func(b *box, id ID) error { return b.db.Replace(b.acct.Lane, id, otherText(), b.now) }},
	{"replace by another", func(b *box, id ID) error { return b.db.Replace(b.other.Lane, id, otherText(), b.now) }},
	{"reject", func(b *box, id ID) error { return b.db.Reject(id, "it can't be encoded", b.now) }},
	{"crash", func(b *box, id ID) error { b.crash(); _, err := b.db.Recover(b.now); return err }},
	{"doubt ends", func(b *box, id ID) error { b.pass(16 * time.Minute); b.tick(); return nil }},
	{"validity ends", func(b *box, id ID) error { b.pass(24*time.Hour + time.Minute); b.tick(); return nil }},
	{"all ends", func(b *box, id ID) error {
		b.pass(30 * time.Hour) // the end
		b.tick()
		b.pass(25 * time.Hour) // and its keeping time
		b.tick()
		return nil
	}},
}

func (b *box) status(status uint8) error {
	b.report(7, sms.Status(status))
	return nil
}

// What a verb answers beside the state it leaves: nothing; "!" a *StateError; "?" ErrNotFound; "-" the message is gone.
var stateTable = map[State]string{
	Queued: `claim: claimed; claim 2: ! queued; claim 2 elsewhere: ! queued; claim late: ! expired; sent: ! queued;
		sent, no report: ! queued; refused: ! queued; refused for good: ! queued; unclaim: ! queued; doubt: ! queued;
		settle sent: ! queued; settle unsent: ! queued; delivered: queued; trying: queued; failed: queued; cancel: deleted;
		cancel by another: ? queued; replace: queued; replace by another: ? queued; reject: rejected; crash: queued; doubt ends: queued; validity ends: expired; all ends: -`,
	Claimed: `claim: ! claimed; claim 2: ! claimed; claim 2 elsewhere: ! claimed; claim late: ! claimed; sent: sent;
		sent, no report: accepted; refused: queued; refused for good: undeliverable; unclaim: queued; doubt: uncertain;
		settle sent: ! claimed; settle unsent: ! claimed; delivered: claimed; trying: claimed; failed: claimed;
		cancel: ! claimed; cancel by another: ? claimed; replace: ! claimed; replace by another: ? claimed; reject: ! claimed; crash: uncertain; doubt ends: claimed;
		validity ends: unknown; all ends: -`,
	Partial: `claim: ! partial; claim 2: claimed; claim 2 elsewhere: ! partial; claim late: ! expired; sent: ! partial;
		sent, no report: ! partial; refused: ! partial; refused for good: ! partial; unclaim: ! partial; doubt: ! partial;
		settle sent: ! partial; settle unsent: ! partial; delivered: partial; trying: partial; failed: undeliverable;
		cancel: ! partial; cancel by another: ? partial; replace: ! partial; replace by another: ? partial; reject: rejected; crash: partial; doubt ends: partial;
		validity ends: expired; all ends: -`,
	Uncertain: `claim: ! uncertain; claim 2: ! uncertain; claim 2 elsewhere: ! uncertain; claim late: ! uncertain;
		sent: ! uncertain; sent, no report: ! uncertain; refused: ! uncertain; refused for good: ! uncertain;
		unclaim: ! uncertain; doubt: ! uncertain; settle sent: sent; settle unsent: queued; delivered: delivered;
		trying: sent; failed: undeliverable; cancel: ! uncertain; cancel by another: ? uncertain; replace: ! uncertain; replace by another: ? uncertain; reject: ! uncertain;
		crash: uncertain; doubt ends: unknown; validity ends: unknown; all ends: -`,
	Sent: `claim: ! sent; claim 2: ! sent; claim 2 elsewhere: ! sent; claim late: ! sent; sent: ! sent;
		sent, no report: ! sent; refused: ! sent; refused for good: ! sent; unclaim: ! sent; doubt: ! sent;
		settle sent: ! sent; settle unsent: ! sent; delivered: delivered; trying: sent; failed: undeliverable;
		cancel: ! sent; cancel by another: ? sent; replace: ! sent; replace by another: ? sent; reject: ! sent; crash: sent; doubt ends: sent; validity ends: sent;
		all ends: -`,
	Unknown: `claim: ! unknown; claim 2: ! unknown; claim 2 elsewhere: ! unknown; claim late: ! unknown; sent: ! unknown;
		sent, no report: ! unknown; refused: ! unknown; refused for good: ! unknown; unclaim: ! unknown; doubt: ! unknown;
		settle sent: ! unknown; settle unsent: ! unknown; delivered: delivered; trying: unknown; failed: undeliverable;
		cancel: ! unknown; cancel by another: ? unknown; replace: ! unknown; replace by another: ? unknown; reject: unknown; crash: unknown; doubt ends: unknown;
		validity ends: -; all ends: -`,
	Deleted: `cancel: deleted`,
}

// restOfEnds is the row of every end that nothing may change any more.
const restOfEnds = `claim: ! E; claim 2: ! E; claim 2 elsewhere: ! E; claim late: ! E; sent: ! E; sent, no report: ! E;
	refused: ! E; refused for good: ! E; unclaim: ! E; doubt: ! E; settle sent: ! E; settle unsent: ! E; delivered: E;
	trying: E; failed: E; cancel: ! E; cancel by another: ? E; replace: ! E; replace by another: ? E; reject: E; crash: E; doubt ends: E; validity ends: -; all ends: -`

// wanted reads the table.
func wanted(s State, verb string) string {
	rows := stateTable[s]
	if s.End() && s != Unknown {
		rows = strings.TrimPrefix(rows+";", ";") + strings.ReplaceAll(restOfEnds, "E", s.String())
	}
	for row := range strings.SplitSeq(rows, ";") {
		if v, want, _ := strings.Cut(strings.TrimSpace(row), ": "); v == verb {
			return want
		}
	}
	return "not in the table"
}

// TestStates has every verb meet every state (delivery-semantics, section 2): what it answers, and what it leaves.
func TestStates(t *testing.T) {
	for _, r := range reach {
		for _, v := range verbs {
			t.Run(r.state.String()+"/"+v.name, func(t *testing.T) {
				b := newBox(t, Options{})
				// The line's last TP-MR is 6, so that a claim expects 7.
				b.send(b.enqueue(b.message(1)), 0, 6)
				m := b.message(1)
				if r.state == Partial {
					m = b.message(2)
				}
				id := b.enqueue(m)
				r.by(b, id)
				b.wantState(id, r.state)
				before := b.get(id)

				got := answer(v.do(b, id))
				after, err := b.db.Message(id)
				var gone *GoneError
				switch {
				case errors.As(err, &gone):
					got += "-"
				case err != nil:
					t.Fatal(err)
				default:
					got += after.State.String()
				}
				if want := wanted(r.state, v.name); got != want {
					t.Fatalf("%s of a %s message: got %q, want %q", v.name, r.state, got, want)
				}
				if strings.HasPrefix(got, "! ") && after.State == before.State && fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("the refusal changed something:\n%v\n%v", before, after)
				}
				b.wantIndexes()
			})
		}
	}
}

func answer(err error) string {
	var state *StateError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &state) && errors.Is(err, ErrGone):
		return "! "
	case errors.Is(err, ErrNotFound):
		return "? "
	}
	return err.Error() + " "
}

// TestReceipts follows each way to an end and lists what the account's receivers are told: each end once, and
// notifications where they were asked for.
func TestReceipts(t *testing.T) {
	for _, tt := range []struct {
		state State
		wish  uint8
		want  []string
	}{
		{Delivered, 0x00, nil},
		{Delivered, 0x01, []string{"delivered"}},
		{Delivered, 0x02, nil},
		{Delivered, 0x03, []string{"delivered"}}, // of success, as in SMPP 5.0
		{Undeliverable, 0x03, nil},
		{Unknown, 0x03, nil},
		{Delivered, 0x11, []string{"sent...", "delivered"}},
		{Accepted, 0x01, []string{"accepted"}},
		{Accepted, 0x12, nil}, // it never was Sent: no report is awaited
		{Sent, 0x10, []string{"sent..."}},
		{Undeliverable, 0x02, []string{"undeliverable"}},
		{Expired, 0x12, []string{"expired"}},
		{Deleted, 0x01, []string{"deleted"}},
		{Deleted, 0x02, []string{"deleted"}},
		{Deleted, 0x00, nil},
		{Rejected, 0x01, []string{"rejected"}},
		{Unknown, 0x01, []string{"unknown"}},
		{Unknown, 0x02, []string{"unknown"}},
		{Queued, 0x11, nil},
		{Uncertain, 0x11, nil},
	} {
		t.Run(fmt.Sprintf("%s/%#02x", tt.state, tt.wish), func(t *testing.T) {
			b := newBox(t, Options{})
			m := b.message(1)
			m.RegisteredDelivery = tt.wish
			id := b.enqueue(m)
			for _, r := range reach {
				if r.state == tt.state {
					r.by(b, id)
				}
			}
			b.wantState(id, tt.state)
			if got := b.receipts(); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			b.tick()
			if got := b.receipts(); !slices.Equal(got, tt.want) {
				t.Errorf("after another tick: got %v, want %v", got, tt.want)
			}
		})
	}
}
