package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// soon and later are schedule_delivery_times: in two seconds, in an hour.
const soon, later = "000000000002000R", "000000010000000R"

func number(n string) smpp.Address { return smpp.Address{Addr: n} }

func long(n string) smpp.TLVs {
	return smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(n)}}
}

// TestData: data_sm goes the way of submit_sm.
func TestData(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	id, err := c.Data(&smpp.DataSM{
		Source: number("77"), Destination: number("4161231234"), RegisteredDelivery: 1,
		TLVs: append(long("hello"), smpp.TLVUint16(smpp.TagUserMessageReference, 7), smpp.TLVUint8(smpp.TagSetDpf, 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.wantText("hello")
	d := b.wantReceipt(c, id, smpp.StateDelivered)
	if ref, _ := d.TLVs.FindUint(smpp.TagUserMessageReference); ref != 7 || d.Destination.Addr != "77" {
		t.Errorf("receipt: %+v", d)
	}
	ttl := func(seconds ...byte) smpp.TLVs {
		return append(long("x"), smpp.TLV{Tag: smpp.TagQosTimeToLive, Value: seconds})
	}
	with := func(change func(p *smpp.DataSM)) *smpp.DataSM {
		p := &smpp.DataSM{Destination: number("4161231234"), TLVs: long("x")}
		change(p)
		return p
	}
	for _, tt := range []struct {
		name string
		p    *smpp.DataSM
		want error
	}{
		{"no message_payload", with(func(p *smpp.DataSM) { p.TLVs = nil }), smpp.StatusMissingOptParam},
		{"an empty text", with(func(p *smpp.DataSM) { p.TLVs = long("") }), nil},
		{"store and forward", with(func(p *smpp.DataSM) { p.ESMClass = 0x03 }), nil},
		{"datagram", with(func(p *smpp.DataSM) { p.ESMClass = 0x01 }), nil},
		{"transaction", with(func(p *smpp.DataSM) { p.ESMClass = 0x02 }), smpp.StatusInvESMClass},
		{"a long destination", with(func(p *smpp.DataSM) { p.Destination.Addr = strings.Repeat("1", 21) }), smpp.StatusInvDstAdr},
		{"a long source", with(func(p *smpp.DataSM) { p.Source.Addr = strings.Repeat("1", 21) }), smpp.StatusInvSrcAdr},
		{"an hour", with(func(p *smpp.DataSM) { p.TLVs = ttl(0, 0, 14, 16) }), nil},
		{"no time to live", with(func(p *smpp.DataSM) { p.TLVs = ttl(0, 0, 0, 0) }), smpp.StatusInvExpiry},
		{"63 weeks", with(func(p *smpp.DataSM) { p.TLVs = ttl(0x02, 0x45, 0x65, 0x80) }), nil},
		{"a second more", with(func(p *smpp.DataSM) { p.TLVs = ttl(0x02, 0x45, 0x65, 0x81) }), smpp.StatusInvExpiry},
		{"136 years", with(func(p *smpp.DataSM) { p.TLVs = ttl(255, 255, 255, 255) }), smpp.StatusInvExpiry},
		{"too long a text", with(func(p *smpp.DataSM) { p.TLVs = long(strings.Repeat("x", 1531)) }), smpp.StatusInvMsgLen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now()
			id, err := c.Data(tt.p)
			if !errors.Is(err, tt.want) || err == nil && tt.want != nil {
				t.Fatalf("data_sm: %v, want %v", err, tt.want)
			}
			if tt.name != "an hour" {
				return
			}
			m := b.message(id)
			if life := m.Expires.Sub(before.Truncate(time.Millisecond)); life < time.Hour || life > time.Hour+patience {
				t.Errorf("qos_time_to_live of an hour: valid for %s", life)
			}
		})
	}
}

// message reads a message by what a client calls it.
func (b *bench) message(id string) *store.Message {
	b.t.Helper()
	n, err := store.ParseID(id)
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := b.Message(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func to(numbers ...string) (list []smpp.Destination) {
	for _, n := range numbers {
		list = append(list, smpp.Destination{Address: number(n)})
	}
	return list
}

// TestSubmitMulti: each destination is a message of its own, and the client knows the id of each.
func TestSubmitMulti(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	resp, err := c.SubmitMulti(&smpp.SubmitMulti{
		Destinations: append(to("4161231230", "none", "4161231231"), smpp.Destination{List: "all"}, to("4161231232")[0]),
		Source:       number("77"), RegisteredDelivery: 1, ShortMessage: []byte("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []smpp.Unsuccessful{{Address: number("none"), Status: smpp.StatusInvDstAdr}, {Address: number("all"), Status: smpp.StatusCntSubDL}}
	if !slices.Equal(resp.Unsuccessful, want) {
		t.Errorf("refused: %v, want %v", resp.Unsuccessful, want)
	}
	first, err := strconv.Atoi(resp.MessageID)
	if err != nil {
		t.Fatal(err)
	}
	owner := map[string]string{}
	for i, n := range []string{"4161231230", "4161231231", "4161231232"} {
		id := strconv.Itoa(first + i)
		owner[id] = n
		if m := b.message(id); m.Destination.Number != n {
			t.Errorf("message %s is to %s, want %s", id, m.Destination.Number, n)
		}
	}
	for range 3 {
		d := b.wantDelivery(c)
		r, err := smpp.ParseReceipt(string(d.ShortMessage))
		if err != nil || r.State != smpp.StateDelivered || owner[r.MessageID] != d.Source.Addr {
			t.Errorf("receipt from %s: %+v, %v", d.Source.Addr, r, err)
		}
		delete(owner, r.MessageID)
		wantState(t, c, r.MessageID, smpp.StateDelivered)
	}
	if len(b.phone.Texts()) != 3 {
		t.Errorf("%d texts were sent, want 3", len(b.phone.Texts()))
	}
}

// TestSubmitMultiRefused: nothing is accepted, and the client is told of each why.
func TestSubmitMultiRefused(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 1)
	c := b.bind(smpp.BindTransmitter, "shop")
	lists := []smpp.Destination{{List: "all"}, {List: "some"}}
	for _, tt := range []struct {
		name string
		p    smpp.SubmitMulti
		want smpp.Status
		each []smpp.Status
	}{
		{"lists", smpp.SubmitMulti{Destinations: lists}, smpp.StatusCntSubDL, []smpp.Status{smpp.StatusCntSubDL, smpp.StatusCntSubDL}},
		{"for several reasons", smpp.SubmitMulti{Destinations: append(to("none"), lists[0])}, smpp.StatusSubmitFail,
			[]smpp.Status{smpp.StatusInvDstAdr, smpp.StatusCntSubDL}},
		{"for the text", smpp.SubmitMulti{Destinations: to("4161231230"), ShortMessage: make([]byte, 161)}, smpp.StatusInvMsgLen,
			[]smpp.Status{smpp.StatusInvMsgLen}},
		{"replace_if_present", smpp.SubmitMulti{Destinations: to("4161231230"), ReplaceIfPresentFlag: 1}, smpp.StatusInvSubRep,
			[]smpp.Status{smpp.StatusInvSubRep}},
		{"replace_if_present 2", smpp.SubmitMulti{Destinations: to("4161231230"), ReplaceIfPresentFlag: 2}, smpp.StatusInvRepFlag,
			[]smpp.Status{smpp.StatusInvRepFlag}},
		{"transaction mode", smpp.SubmitMulti{Destinations: to("4161231230"), ESMClass: 2}, smpp.StatusInvESMClass,
			[]smpp.Status{smpp.StatusInvESMClass}},
	} {
		resp, err := c.SubmitMulti(&tt.p)
		var each []smpp.Status
		if resp != nil {
			for _, u := range resp.Unsuccessful {
				each = append(each, u.Status)
			}
		}
		if !errors.Is(err, tt.want) || !slices.Equal(each, tt.each) || resp.MessageID != "" {
			t.Errorf("%s: %+v, %v, want %v with %v", tt.name, resp, err, tt.want, tt.each)
		}
	}
	if list, err := b.Messages(store.Filter{}); err != nil || len(list) != 0 {
		t.Errorf("%d messages were stored, %v", len(list), err)
	}
}

// TestSubmitMultiRefusedIsPaced: what is refused to many leads to as little as what is refused to one, and is held up
// as that.
func TestSubmitMultiRefusedIsPaced(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 1)
	c := b.bind(smpp.BindTransmitter, "shop")
	p := &smpp.SubmitMulti{Destinations: slices.Repeat(to("none"), 250)}
	began := time.Now()
	for range 10 { // eight may come at once; the ninth is answered, and then nothing is read
		if _, err := c.SubmitMulti(p); !errors.Is(err, smpp.StatusInvDstAdr) {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("refused to 2500 destinations within %s", took)
	}
}

// TestReplace: the new text goes out, the old one never, and every view of the message shows the new.
func TestReplace(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.account("clinic", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	submit := func(p smpp.SubmitSM) string {
		p.Source, p.Destination, p.ShortMessage = number("77"), number("4161231234"), []byte("old text")
		id, err := c.Submit(&p)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := submit(smpp.SubmitSM{ScheduleDeliveryTime: later, DataCoding: 0x03})
	if err := c.Replace(&smpp.ReplaceSM{MessageID: id, ScheduleDeliveryTime: soon, RegisteredDelivery: 1, ShortMessage: []byte("\xFCber")}); err != nil {
		t.Fatal(err)
	}
	m := b.message(id)
	if text := b.Text(m); text != "über" || m.Preview != "?ber" || m.DataCoding != 0x03 || m.Source.Number != "77" {
		t.Errorf("replaced: %q, %+v", text, m)
	}
	b.wantText("über")
	if d := b.wantReceipt(c, id, smpp.StateDelivered); !strings.HasSuffix(string(d.ShortMessage), "text:?ber") {
		t.Errorf("receipt: %s", d.ShortMessage)
	}
	ended := id
	id = submit(smpp.SubmitSM{ScheduleDeliveryTime: later, ValidityPeriod: "000000020000000R"})
	with := func(change func(p *smpp.ReplaceSM)) *smpp.ReplaceSM {
		p := &smpp.ReplaceSM{MessageID: id, Source: number("77"), ShortMessage: []byte("new")}
		change(p)
		return p
	}
	other := b.bind(smpp.BindTransceiver, "clinic")
	for _, tt := range []struct {
		name string
		by   *smpptest.Client
		p    *smpp.ReplaceSM
		want error
	}{
		{"another account's", other, with(func(*smpp.ReplaceSM) {}), smpp.StatusInvMsgID},
		{"never issued", c, with(func(p *smpp.ReplaceSM) { p.MessageID = "999" }), smpp.StatusInvMsgID},
		{"no id", c, with(func(p *smpp.ReplaceSM) { p.MessageID = "" }), smpp.StatusInvMsgID},
		{"another source", c, with(func(p *smpp.ReplaceSM) { p.Source.Addr = "78" }), smpp.StatusInvMsgID},
		{"delivered", c, with(func(p *smpp.ReplaceSM) { p.MessageID = ended }), smpp.StatusReplaceFail},
		{"a canned text", c, with(func(p *smpp.ReplaceSM) { p.SMDefaultMsgID = 1 }), smpp.StatusInvDftMsgID},
		{"two texts", c, with(func(p *smpp.ReplaceSM) { p.TLVs = long("x") }), smpp.StatusInvMsgLen},
		{"a schedule that is none", c, with(func(p *smpp.ReplaceSM) { p.ScheduleDeliveryTime = "tomorrow, please" }), smpp.StatusInvSched},
		{"a validity that is none", c, with(func(p *smpp.ReplaceSM) { p.ValidityPeriod = "for a long while" }), smpp.StatusInvExpiry},
		{"due after its validity", c, with(func(p *smpp.ReplaceSM) { p.ScheduleDeliveryTime = "000000030000000R" }), smpp.StatusInvSched},
		{"valid until before it is due", c, with(func(p *smpp.ReplaceSM) { p.ValidityPeriod = "000000003000000R" }), smpp.StatusInvExpiry},
	} {
		if err := tt.by.Replace(tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if text := b.Text(b.message(id)); text != "old text" {
			t.Fatalf("%s: refused, and the text is %q now", tt.name, text)
		}
	}
	postponed := submit(smpp.SubmitSM{ScheduleDeliveryTime: later})
	if err := c.Replace(&smpp.ReplaceSM{MessageID: postponed, ScheduleDeliveryTime: "000003000000000R", ShortMessage: []byte("new")}); err != nil {
		t.Errorf("postponed by three days, without a validity: %v", err)
	}
	if m := b.message(postponed); m.Expires.Sub(m.Due) != 24*time.Hour || m.Bounded {
		t.Errorf("postponed: due %s, valid until %s, by the client %t", m.Due, m.Expires, m.Bounded)
	}
	whole := strings.Repeat("x", 300)
	if err := c.Replace(with(func(p *smpp.ReplaceSM) { p.ShortMessage, p.TLVs = nil, long(whole) })); err != nil {
		t.Errorf("by a long text: %v", err)
	}
	if m := b.message(id); b.Text(m) != whole || len(m.Parts) != 2 || !m.Due.After(time.Now().Add(50*time.Minute)) {
		t.Errorf("by a long text: %+v", m)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(with(func(*smpp.ReplaceSM) {})); !errors.Is(err, smpp.StatusReplaceFail) {
		t.Errorf("cancelled: %v, want ESME_RREPLACEFAIL", err)
	}
}

// TestReplaceKeepsUDH: the header that was made of sar_* stays before the new text, and a client's own is in it.
func TestReplaceKeepsUDH(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransmitter, "shop")
	udh := "\x05\x00\x03\x01\x02\x01"
	for name, tt := range map[string]struct {
		p   smpp.SubmitSM
		new string
	}{
		"sar": {smpp.SubmitSM{ShortMessage: []byte("old"), TLVs: smpp.TLVs{smpp.TLVUint16(smpp.TagSarMsgRefNum, 1),
			smpp.TLVUint8(smpp.TagSarTotalSegments, 2), smpp.TLVUint8(smpp.TagSarSegmentSeqnum, 1)}}, "new"},
		"udhi": {smpp.SubmitSM{ShortMessage: []byte(udh + "old"), ESMClass: smpp.ESMClassUDHI}, udh + "new"},
	} {
		tt.p.Destination, tt.p.ScheduleDeliveryTime = number("4161231234"), later
		id, err := c.Submit(&tt.p)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Replace(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte(tt.new)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if m := b.message(id); string(m.UDH) != udh || b.Text(m) != "new" {
			t.Errorf("%s: %x %q", name, m.UDH, b.Text(m))
		}
		err = c.Replace(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte(strings.Repeat("x", 161))})
		if want := map[string]error{"sar": smpp.StatusInvMsgLen, "udhi": smpp.StatusInvESMClass}[name]; !errors.Is(err, want) {
			t.Errorf("%s, too long: %v, want %v", name, err, want)
		}
	}
}

// TestReplaceAgainstModem replaces texts while they go out one after the other: where status 0 came the new text was sent
// and the old one never, and else the other way round.
func TestReplaceAgainstModem(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(_ *gateway.Options, c *sim.Config) { c.Latency = 3 * time.Millisecond })
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	const n = 120
	want := make(map[string]string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for i := range n {
		to := fmt.Sprintf("416123%04d", i)
		id, err := c.Submit(&smpp.SubmitSM{Destination: number(to), ShortMessage: []byte("old"), RegisteredDelivery: 1})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			time.Sleep(time.Duration(i)*5*time.Millisecond + time.Duration(i%5)*4*time.Millisecond) // about when its turn comes
			err := c.Replace(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte("new"), RegisteredDelivery: 1})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				want[to] = "new"
				won++
			case errors.Is(err, smpp.StatusReplaceFail):
				want[to] = "old"
			default:
				t.Errorf("replace_sm: %v", err)
			}
		})
	}
	wg.Wait()
	for range n {
		b.wantDelivery(c)
	}
	got := make(map[string]string)
	for _, text := range b.phone.Texts() {
		if was, twice := got[text.To.Number]; twice {
			t.Errorf("%s got %q and %q", text.To.Number, was, text.Text)
		}
		got[text.To.Number] = text.Text
	}
	for to, text := range want {
		if got[to] != text {
			t.Errorf("%s got %q, the client was told %q", to, got[to], text)
		}
	}
	t.Logf("%d of %d texts were replaced in time", won, n)
}

// TestReplaceBehind: what was made ready behind the text on the air is not sent once it is replaced.
func TestReplaceBehind(t *testing.T) {
	t.Parallel()
	b, release := startBenchThatHolds(t, "4161231230")
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	b.submit(c, "4161231230", "first")
	waitFor(t, "the first on the air", func() bool { return len(b.stick.texts()) == 1 })
	id := b.submit(c, "4161231231", "old")
	time.Sleep(50 * time.Millisecond) // for it to be picked
	if err := c.Replace(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	release()
	b.wantText("first")
	b.wantText("new")
	wantState(t, c, id, smpp.StateDelivered)
}

// TestReplaceIfPresent: the later message has an id of its own, and the one whose place it took ends as deleted.
func TestReplaceIfPresent(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	submit := func(text, service, when string) string {
		id, err := c.Submit(&smpp.SubmitSM{ServiceType: service, Source: number("77"), Destination: number("4161231234"),
			ScheduleDeliveryTime: when, RegisteredDelivery: 1, ReplaceIfPresentFlag: 1, ShortMessage: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	one := submit("1 new voice mail", "VMN", later)
	other := submit("another service", "CMT", later)
	two := submit("2 new voice mails", "VMN", soon)
	b.wantReceipt(c, one, smpp.StateDeleted)
	wantState(t, c, one, smpp.StateDeleted)
	wantState(t, c, other, smpp.StateEnroute)
	if why := b.Why(b.message(one)); !strings.Contains(why, "by message "+two+", before any modem had it.") {
		t.Errorf("why: %s", why)
	}
	b.wantText("2 new voice mails")
	b.wantReceipt(c, two, smpp.StateDelivered)
	three := submit("3 new voice mails", "VMN", "") // nothing waits any more
	b.wantReceipt(c, three, smpp.StateDelivered)
	wantState(t, c, two, smpp.StateDelivered)
}

// TestCancelCombinations: which fields of cancel_sm count (SMPP 3.4 §4.9, table 4-24).
func TestCancelCombinations(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	from, dest := smpp.Address{TON: 5, Addr: "SHOP"}, smpp.Address{TON: 1, NPI: 1, Addr: "14161231234"}
	for _, tt := range []struct {
		name   string
		p      smpp.CancelSM
		withID bool
		want   error
	}{
		{"the id alone", smpp.CancelSM{}, true, nil},
		{"the id, and all addresses", smpp.CancelSM{Source: from, Destination: dest}, true, nil},
		{"the id, another source", smpp.CancelSM{Source: number("OTHER")}, true, smpp.StatusInvMsgID},
		{"the id, another destination and service", smpp.CancelSM{ServiceType: "CMT", Destination: number("1")}, true, nil},
		{"both addresses", smpp.CancelSM{Source: from, Destination: dest}, false, nil},
		{"both addresses, other ton and npi", smpp.CancelSM{Source: number("SHOP"), Destination: number("14161231234")}, false, nil},
		{"both addresses and the service", smpp.CancelSM{ServiceType: "VMN", Source: from, Destination: dest}, false, nil},
		{"both addresses, another service", smpp.CancelSM{ServiceType: "CMT", Source: from, Destination: dest}, false, smpp.StatusCancelFail},
		{"no source", smpp.CancelSM{Destination: dest}, false, smpp.StatusCancelFail},
		{"another source", smpp.CancelSM{Source: number("OTHER"), Destination: dest}, false, smpp.StatusCancelFail},
		{"another destination", smpp.CancelSM{Source: from, Destination: number("14161231235")}, false, smpp.StatusCancelFail},
		{"no destination", smpp.CancelSM{Source: from}, false, smpp.StatusInvDstAdr},
		{"nothing", smpp.CancelSM{}, false, smpp.StatusInvDstAdr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := c.Submit(&smpp.SubmitSM{ServiceType: "VMN", Source: from, Destination: dest, ScheduleDeliveryTime: later})
			if err != nil {
				t.Fatal(err)
			}
			if tt.withID {
				tt.p.MessageID = id
			}
			if err := c.Cancel(&tt.p); !errors.Is(err, tt.want) || err == nil && tt.want != nil {
				t.Errorf("cancel_sm: %v, want %v", err, tt.want)
			}
			want := smpp.StateDeleted
			if tt.want != nil {
				want = smpp.StateEnroute
			}
			wantState(t, c, id, want)
			if tt.want != nil {
				if err := c.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestOperationsOfAReceiver: a receiver submits and replaces nothing.
func TestOperationsOfAReceiver(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindReceiver, "shop")
	if _, err := c.Data(&smpp.DataSM{Destination: number("4161231234"), TLVs: long("x")}); !errors.Is(err, smpp.StatusInvBndSts) {
		t.Errorf("data_sm: %v", err)
	}
	if _, err := c.SubmitMulti(&smpp.SubmitMulti{Destinations: to("4161231234")}); !errors.Is(err, smpp.StatusInvBndSts) {
		t.Errorf("submit_multi: %v", err)
	}
	if err := c.Replace(&smpp.ReplaceSM{MessageID: "1"}); !errors.Is(err, smpp.StatusInvBndSts) {
		t.Errorf("replace_sm: %v", err)
	}
}
