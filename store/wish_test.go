package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/sms"
)

// TestWishes: each combination in registered_delivery against each end: which receipts and notifications come, in order.
func TestWishes(t *testing.T) {
	b := newBox(t, Options{})
	ref := uint8(0)
	send := func(id ID) { ref++; b.send(id, 0, ref) }
	report := func(status sms.Status) { b.report(ref, status) }
	doubt := func(id ID) { b.claim(id, 0); b.ok(b.db.Doubt(id, 0, "silence", b.now)) }
	over := func(d time.Duration) { b.pass(d); b.tick() }
	for _, tt := range []struct {
		name string
		do   func(id ID)
		told string // to who wishes everything
	}{
		{"delivered", func(id ID) { send(id); report(0) }, "sent... delivered"},
		{"delivered at the second attempt", func(id ID) { send(id); report(0x20); report(0x22); report(0) }, "sent... sent... delivered"},
		{"the same report twice", func(id ID) { send(id); report(0); report(0) }, "sent... delivered"},
		{"sent without reports", func(id ID) { b.claim(id, 0); b.ok(b.db.Sent(id, 0, 1, false, b.now)) }, "accepted"},
		{"failed at the phone", func(id ID) { send(id); report(0x41) }, "sent... undeliverable"},
		{"expired at the SMSC", func(id ID) { send(id); report(0x46) }, "sent... expired"},
		{"no report ever", func(id ID) { send(id); over(27 * time.Hour) }, "sent... unknown"},
		{"expired in the queue", func(id ID) { over(25 * time.Hour) }, "expired"},
		{"cancelled", func(id ID) { b.ok(b.db.Cancel(b.acct.Lane, id, b.now)) }, "deleted"},
		{"refused for good", func(id ID) {
			b.claim(id, 0)
			b.ok(b.db.Refused(id, 0, Refusal{Final: Undeliverable, Reason: "no"}, b.now))
		}, "undeliverable"},
		{"malformed", func(id ID) { b.ok(b.db.Reject(id, "no", b.now)) }, "rejected"},
		{"nobody knows", func(id ID) { doubt(id); over(16 * time.Minute) }, "unknown"},
		{"waits", func(id ID) { over(time.Minute) }, ""},
	} {
		for n := range 34 {
			wish := n // all combinations of the bits that mean something, and the others set
			if n >= 32 {
				wish = 0xE0 | n&1<<4 | n&1
			}
			drain(b)
			id := b.enqueue(b.wished(uint8(wish)))
			tt.do(id)
			var want []string
			for _, s := range strings.Fields(tt.told) {
				success := s == "delivered" || s == "accepted"
				progress := strings.HasSuffix(s, "...")
				switch {
				case progress && wish>>4&1 == 1,
					!progress && wish&3 == 1,
					!progress && wish&3 == 2 && !success,
					!progress && wish&3 == 3 && success:
					want = append(want, s)
				}
			}
			if got := b.receipts(); !slices.Equal(got, want) {
				t.Fatalf("%s, registered_delivery %#02x: told %v, want %v", tt.name, wish, got, want)
			}
			if tt.name == "waits" {
				b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
			}
		}
	}
}

// wished is a message of which that much is wished to be told.
func (b *box) wished(registered uint8) *Message {
	m := b.message(1)
	m.RegisteredDelivery = registered
	return m
}

// drain empties the outbox.
func drain(b *box) {
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1000)
	b.ok(err)
	for _, d := range rows {
		b.ok(b.db.Acknowledge(d.Lane, d.Seq))
	}
}

// TestWishBettered: an Unknown one that a report betters is told again, to who wishes to hear of such an end.
func TestWishBettered(t *testing.T) {
	for wish, want := range map[uint8][]string{0: nil, 1: {"unknown", "delivered"}, 2: {"unknown"}, 3: {"delivered"}, 0x10: nil} {
		b := newBox(t, Options{})
		first := b.enqueue(b.wished(0))
		b.send(first, 0, 1) // teaches the TP-MR
		b.report(1, 0)
		id := b.enqueue(b.wished(wish))
		b.claim(id, 0)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		b.pass(16 * time.Minute)
		b.tick()
		b.wantState(id, Unknown)
		b.report(2, 0)
		b.wantState(id, Delivered)
		if got := b.receipts(); !slices.Equal(got, want) {
			t.Errorf("registered_delivery %#02x: told %v, want %v", wish, got, want)
		}
	}
}
