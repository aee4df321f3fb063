package gateway_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/sms"
	"smsgateway/store"
)

// textOfSM gives the text of a deliver_sm, with its UDH if it has one.
func textOfSM(d *smpp.DeliverSM) (udh []byte, text string) {
	data := d.ShortMessage
	if payload, ok := d.TLVs.Find(smpp.TagMessagePayload); ok {
		data = payload
	}
	if d.ESMClass&smpp.ESMClassUDHI != 0 {
		n, err := sms.UDHLength(data)
		if err != nil {
			return nil, err.Error()
		}
		udh, data = data[:n], data[n:]
	}
	if d.DataCoding == 8 {
		return udh, sms.DecodeUCS2(data)
	}
	return udh, sms.DecodeLatin1(data)
}

// receivePart has one part of a long text reach the modem.
func (b *bench) receivePart(seq, total uint8, text string) {
	b.t.Helper()
	septets, err := sms.EncodeGSM7(text)
	if err != nil {
		b.t.Fatal(err)
	}
	tpdu, err := sms.Deliver{Originator: sms.Address{TON: 1, NPI: 1, Number: "4930"}, Time: time.Now(), Data: septets,
		UDH: sms.AppendUDH(nil, sms.Concat(77, false, total, seq))}.Append(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.phone.ReceiveTPDU(tpdu); err != nil {
		b.t.Fatal(err)
	}
}

// TestInboundLong: long texts from phones come to an account whole, to another in parts, and to one of SMPP 3.3 in parts
// again. A gateway that is stopped between two parts goes on where it was.
func TestInboundLong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	rules := func(o *gateway.Options, _ *sim.Config) {
		o.Inbound = []gateway.InboundRule{{Account: "parts", From: "+1"}, {Account: "stop", Keyword: "stop"}}
	}
	b := startBenchOn(t, path, rules)
	b.account("shop", 0)
	b.account("stop", 0)
	if _, err := b.AddAccount(gateway.NewAccount{Key: "parts", Password: "secret", Settings: gateway.Settings{"inbound": "parts"}}); err != nil {
		t.Fatal(err)
	}
	shop, parts := b.bind(smpp.BindTransceiver, "shop"), b.bind(smpp.BindTransceiver, "parts")
	stop := b.bind(smpp.BindTransceiver, "stop")
	want := func(c *smpptest.Client, text string, udh bool) {
		t.Helper()
		d := b.wantDelivery(c)
		if head, got := textOfSM(d); got != text || (head != nil) != udh {
			t.Errorf("got %q, header %x; want %q", got, head, text)
		}
		if _, payload := d.TLVs.Find(smpp.TagMessagePayload); payload && len(d.ShortMessage) > 0 {
			t.Error("short_message and message_payload in one")
		}
	}
	text := func(from, text string) {
		t.Helper()
		if err := b.phone.Receive(from, text); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("0123456789", 30)
	emoji := strings.Repeat("🎉", 50)
	text("+4917", long)
	want(shop, long, false)
	text("+4917", emoji)
	want(shop, emoji, false)
	text("+4917", "Stop "+long)
	want(stop, "Stop "+long, false)
	text("+1555", long)
	want(parts, long[:153], true)
	want(parts, long[153:], true)

	b.receivePart(2, 2, "the end")
	text("+4931", "after it")
	want(shop, "after it", false)
	b.stop()
	b = startBenchOn(t, path, rules)
	old := b.dial()
	bind := &smpp.Bind{Kind: smpp.BindReceiver, SystemID: "shop", Password: "secret", InterfaceVersion: 0x33}
	if _, err := old.Request(bind); err != nil {
		t.Fatal(err)
	}
	b.receivePart(1, 2, "The beginning, ")
	want(old, "The beginning, the end", false)
	long = strings.Repeat("9876543210", 30) // another one: the simulator begins its references anew
	text("+4917", long)
	want(old, long[:248], true)
	want(old, long[248:], true)

	inbox, err := b.Inbox(store.InboxFilter{})
	if err != nil || len(inbox) != 8 {
		t.Fatalf("the inbox has %d texts (%v), want 8", len(inbox), err)
	}
}

// TestInboundInPart: what never comes is not waited for longer than configured.
func TestInboundInPart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path)
	b.account("shop", 0)
	for _, seq := range []uint8{3, 1} {
		b.receivePart(seq, 3, fmt.Sprintf("part %d", seq))
	}
	waitFor(t, "both parts", func() bool {
		waiting, err := b.WaitingTexts(1)
		return err == nil && len(waiting) == 1 && waiting[0].Missing == 1
	})
	b.stop() // both are there before it waits for so short a time
	b = startBenchOn(t, path, func(o *gateway.Options, _ *sim.Config) {
		o.EvidenceWait, o.InboundWait = time.Millisecond, 100*time.Millisecond
	})
	c := b.bind(smpp.BindTransceiver, "shop")
	if _, got := textOfSM(b.wantDelivery(c)); got != "part 1[...]part 3" {
		t.Errorf("got %q", got)
	}
	inbox, err := b.Inbox(store.InboxFilter{})
	if err != nil || len(inbox) != 1 || inbox[0].Parts != 3 || inbox[0].Missing != 1 {
		t.Errorf("the inbox has %+v, %v", inbox, err)
	}
}

// TestReservedType: what is of the reserved type is a text, as on any phone (TS 23.040 §9.2.3.1).
func TestReservedType(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	tpdu, err := sms.Deliver{Originator: sms.Address{TON: 1, NPI: 1, Number: "4930"}, Time: time.Now(), Data: []byte("hello")}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	tpdu[0] |= sms.MTIReserved
	if err := b.Receive(t.Context(), modem.Identity{IMSI: "262010000000001"}, modem.Incoming{TPDU: tpdu}); err != nil {
		t.Fatal(err)
	}
	if _, got := textOfSM(b.wantDelivery(c)); got != "hello" {
		t.Errorf("got %q", got)
	}
}
