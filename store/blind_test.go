package store

import (
	"testing"
	"time"
)

// TestBlindReport: the first text that a SIM sends is uncertain, so no TP-MR could be predicted. A report settles it by
// number and time alone, if there is only one that it can mean.
func TestBlindReport(t *testing.T) {
	const other = "4915551230000"
	for _, tt := range []struct {
		name   string
		to     []string // numbers of the uncertain ones
		line   string
		r      Report
		at     time.Duration // SMSC time, after the claim
		settle bool
		late   bool // only with the report after the doubt
	}{
		{"number and time fit", []string{number}, "line-1", Report{Ref: 77, Recipient: number}, time.Second, true, false},
		{"number in national form", []string{number}, "line-1", Report{Ref: 77, Recipient: "01701234567"}, time.Second, true, false},
		{"one of two by its number", []string{other, number}, "line-1", Report{Ref: 77, Recipient: number}, time.Second, true, false},
		{"two that it could mean", []string{number, number}, "line-1", Report{Ref: 77, Recipient: number}, time.Second, false, true},
		{"before the claim", []string{number}, "line-1", Report{Ref: 77, Recipient: number}, -10 * time.Minute, false, false},
		{"another number", []string{number}, "line-1", Report{Ref: 77, Recipient: other}, time.Second, false, false},
		{"no number", []string{number}, "line-1", Report{Ref: 77}, time.Second, false, false},
		{"another SIM", []string{number}, "line-2", Report{Ref: 77, Recipient: number}, time.Second, false, false},
	} {
		for _, first := range []bool{false, true} { // whether the report is there before the doubt
			if first && tt.late {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				b := newBox(t, Options{})
				r := tt.r
				r.Time = b.now.Add(tt.at)
				var last ID
				for n, to := range tt.to {
					m := b.message(1)
					m.Destination.Number = to
					last = b.enqueue(m)
					b.ok(b.db.Claim(last, 0, "stick", "line-1", b.now))
					if first && n == len(tt.to)-1 {
						b.pass(time.Minute)
						if _, err := b.db.Report(tt.line, r, b.now); err != nil {
							t.Fatal(err)
						}
					}
					b.ok(b.db.Doubt(last, 0, "silence", b.now))
				}
				if !first {
					b.pass(time.Minute)
					if _, err := b.db.Report(tt.line, r, b.now); err != nil {
						t.Fatal(err)
					}
				}
				want := Uncertain
				if tt.settle {
					want = Delivered
				}
				m, err := b.db.Message(last)
				if err != nil {
					t.Fatal(err)
				}
				if m.State != want {
					t.Errorf("report first %v: the message is %s, want %s", first, m.State, want)
				}
				if tt.settle && m.Parts[0].Ref != 77 {
					t.Errorf("TP-MR %d, want 77", m.Parts[0].Ref)
				}
			})
		}
	}
}

// TestBlindReportTwice: the same report again changes nothing and makes no second receipt.
func TestBlindReportTwice(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(1)
	m.RegisteredDelivery = 1
	id := b.enqueue(m)
	b.ok(b.db.Claim(id, 0, "stick", "line-1", b.now))
	b.ok(b.db.Doubt(id, 0, "silence", b.now))
	for range 2 {
		if _, err := b.db.Report("line-1", Report{Ref: 9, Recipient: number, Time: b.now}, b.now); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := b.db.Outbox(b.acct.Lane, 0, 10)
	if err != nil || len(rows) != 1 {
		t.Errorf("%d receipts (%v), want 1", len(rows), err)
	}
}

// TestRefTheRefusedUsedUp: a refused try may have used up a TP-MR or not, so after one nothing is predicted, and the next
// text's report is matched by number and time. The same holds after an uncertain try.
func TestRefTheRefusedUsedUp(t *testing.T) {
	const other = "4915551230000"
	for name, between := range map[string]func(b *box, id ID) error{
		"refused for now": func(b *box, id ID) error { return b.db.Refused(id, 0, Refusal{Wait: time.Hour, Reason: "no"}, b.now) },
		"refused for good": func(b *box, id ID) error {
			return b.db.Refused(id, 0, Refusal{Final: Undeliverable, Reason: "no"}, b.now)
		},
		"uncertain": func(b *box, id ID) error { return b.db.Doubt(id, 0, "silence", b.now) },
	} {
		for _, ref := range []uint8{8, 9} { // not used up, used up
			b := newBox(t, Options{})
			try := func(to string) ID {
				m := b.message(1)
				m.Destination.Number = to
				id := b.enqueue(m)
				b.pass(time.Minute)
				b.ok(b.db.Claim(id, 0, "stick", "line-1", b.now))
				return id
			}
			b.ok(b.db.Sent(try(other), 0, 7, true, b.now))
			b.ok(between(b, try(other)))
			id := try(number)
			b.ok(b.db.Doubt(id, 0, "restart", b.now))
			if _, err := b.db.Report("line-1", Report{Ref: ref, Recipient: number, Time: b.now}, b.now); err != nil {
				t.Fatal(err)
			}
			if m, err := b.db.Message(id); err != nil || m.State != Delivered {
				t.Errorf("%s, report with TP-MR %d: the message is %v (%v), want delivered", name, ref, m.State, err)
			}
		}
	}
}
