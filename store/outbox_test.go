package store

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"smsgateway/sms"
)

func TestReceiptRow(t *testing.T) {
	b := newBox(t, Options{})
	m := b.message(2)
	ref := uint16(513)
	m.UserReference, m.ServiceType, m.RegisteredDelivery = &ref, "CMT", 1
	id := b.enqueue(m)
	b.pass(time.Minute)
	b.send(id, 0, 1)
	b.send(id, 1, 2)
	b.report(1, 0)
	b.pass(time.Minute)
	b.report(2, 0x41)
	rows, err := b.db.Outbox(b.acct.Lane, 0, 10)
	b.ok(err)
	want := []Delivery{{
		Seq: 1, Lane: b.acct.Lane, Created: b.now, Receipt: &ReceiptRow{
			ID: id, State: Undeliverable, Source: m.Source, Destination: m.Destination, ServiceType: "CMT", Submitted: start(), Done: b.now,
			Parts: 2, Delivered: 1, ErrorCode: 0x41, ErrorKind: 3, Preview: "hello", UserReference: &ref,
		},
	}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got %+v\nwant %+v", rows[0].Receipt, want[0].Receipt)
	}
}

// TestOutbox: rows of a lane in their order, until they are acknowledged, over a crash.
func TestOutbox(t *testing.T) {
	b := newBox(t, Options{})
	receive := func(a Account, text string) {
		t.Helper()
		_, again, err := b.db.Receive(Inbound{Account: a.Key, Lane: a.Lane, Line: "line-1", Text: text, Data: []byte(text)}, b.now)
		b.ok(err)
		if again {
			t.Fatalf("%q is said to have come before", text)
		}
	}
	for n := range 6 {
		receive([]Account{b.acct, b.other}[n%2], fmt.Sprint(n))
		b.pass(time.Hour)
	}
	list := func(a Account, after uint64, limit int) (texts []string, seqs []uint64) {
		t.Helper()
		rows, err := b.db.Outbox(a.Lane, after, limit)
		b.ok(err)
		for _, d := range rows {
			texts, seqs = append(texts, d.Inbound.Text), append(seqs, d.Seq)
		}
		return texts, seqs
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	texts, seqs := list(b.acct, 0, 0)
	want("all", texts, "0", "2", "4")
	texts, _ = list(b.acct, 0, 2)
	want("two", texts, "0", "2")
	texts, _ = list(b.acct, seqs[0], 10)
	want("beyond the first", texts, "2", "4")
	b.ok(b.db.Acknowledge(b.acct.Lane, seqs[1]))
	b.ok(b.db.Acknowledge(b.acct.Lane, seqs[1]))
	b.ok(b.db.Acknowledge(b.other.Lane, seqs[0])) // not theirs
	b.crash()
	texts, _ = list(b.acct, 0, 0)
	want("after one was acknowledged", texts, "0", "4")

	n, err := b.db.DropOutbox(b.now, b.now.Sub(start().Add(3*time.Hour+time.Minute)))
	b.ok(err)
	texts, _ = list(b.acct, 0, 0)
	want("after the old were dropped", texts, "4")
	texts, _ = list(b.other, 0, 0)
	want("of the other", texts, "5")
	if n != 3 {
		t.Errorf("%d were dropped, want 3", n)
	}
	if all, err := b.db.Inbox(InboxFilter{}); err != nil || len(all) != 6 {
		t.Errorf("the inbox has %d, %v", len(all), err)
	}
}

func TestInbox(t *testing.T) {
	b := newBox(t, Options{})
	in := Inbound{
		Account: b.acct.Key, Lane: b.acct.Lane, Modem: "stick", Line: "line-1", From: sms.Address{TON: 1, NPI: 1, Number: number}, To: "123",
		Time: b.now.Add(-time.Minute), Received: b.now, PID: 1, DCS: 8, UDH: []byte{5, 0, 3, 1, 2, 1}, Data: []byte{0, 'h'}, Text: "h",
	}
	stored, again, err := b.db.Receive(in, b.now)
	b.ok(err)
	want := in
	want.ID = 1
	if again || !reflect.DeepEqual(stored, want) {
		t.Errorf("got %+v, %t", stored, again)
	}
	b.reopen()
	all, err := b.db.Inbox(InboxFilter{})
	b.ok(err)
	if !reflect.DeepEqual(all, []Inbound{want}) {
		t.Errorf("got %+v", all)
	}
	// The same again is no second text, until it has not come for two days; any difference makes another one.
	if stored, again, err = b.db.Receive(in, b.now.Add(47*time.Hour)); err != nil || !again || stored.ID != 1 {
		t.Errorf("the same again: %+v, %t, %v", stored, again, err)
	}
	if got := b.receipts(); !slices.Equal(got, []string{"text"}) {
		t.Errorf("delivered are %v", got)
	}
	for name, change := range map[string]func(in *Inbound){
		"line": func(in *Inbound) { in.Line = "line-2" }, "number": func(in *Inbound) { in.From.Number = "110" },
		"SMSC time": func(in *Inbound) { in.Time = b.now }, "UDH": func(in *Inbound) { in.UDH = []byte{5, 0, 3, 1, 2, 2} },
		"text": func(in *Inbound) { in.Data = []byte{0, 'i'} },
	} {
		other := in
		change(&other)
		if _, again, err := b.db.Receive(other, b.now.Add(time.Hour)); again || err != nil {
			t.Errorf("another %s: again %t, %v", name, again, err)
		}
	}
	in.Received = b.now.Add((47 + 48) * time.Hour)
	if stored, again, err = b.db.Receive(in, in.Received); again || err != nil || stored.ID != 7 {
		t.Errorf("after two days: %+v, %t, %v", stored, again, err)
	}

	for name, tt := range map[string]struct {
		f    InboxFilter
		want []uint64
	}{
		"two":       {InboxFilter{Limit: 2}, []uint64{7, 6}},
		"the next":  {InboxFilter{Limit: 2, Before: 6}, []uint64{5, 4}},
		"number":    {InboxFilter{From: "112", Limit: 1}, nil},
		"account":   {InboxFilter{Account: "SHOP", Before: 3}, []uint64{2, 1}},
		"no such":   {InboxFilter{Account: "CLINIC"}, nil},
		"the first": {InboxFilter{Before: 1}, nil},
	} {
		all, err := b.db.Inbox(tt.f)
		b.ok(err)
		var got []uint64
		for _, in := range all {
			got = append(got, in.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	// All but the last were received at the start; what tells the last from its repeats stays.
	if n, err := b.db.DropInbound(b.now, b.now.Sub(start().Add(time.Hour))); n != 6 || err != nil {
		t.Errorf("%d were dropped, %v", n, err)
	}
	if _, again, err = b.db.Receive(in, b.now.Add(96*time.Hour)); !again || err != nil {
		t.Errorf("after the old were dropped: again %t, %v", again, err)
	}
	if n, err := b.db.DropInbound(b.now, b.now.Sub(start().Add(100*time.Hour))); n != 1 || err != nil {
		t.Errorf("%d were dropped, %v", n, err)
	}
	b.ok(b.db.view(func(v *reader) error {
		if n := len(v.keys(bSeen, nil)); n != 0 {
			t.Errorf("%d digests are left of nothing", n)
		}
		return nil
	}))
}
