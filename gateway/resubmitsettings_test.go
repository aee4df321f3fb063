package gateway_test

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// TestResubmitAfterSettings: a client that submits again is known again, though its texts are read otherwise by now, or its
// account may not send them any more. What was never accepted, and what ended unsent, is up to the settings of now.
func TestResubmitAfterSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		set        []string
		refused    smpp.Status // of another text after that
	}{
		{"alphabet", "_a", []string{"alphabet", "gsm7"}, smpp.StatusOK},
		{"alphabet of fewer octets", "_a\u0131\u201cx", []string{"alphabet", "gsm7"}, smpp.StatusSubmitFail},
		{"alphabet that lacks it", "_a\u0131\u201cx", []string{"alphabet", "ascii"}, smpp.StatusSubmitFail},
		{"transliterated", "_a\u0131\u201cx", []string{"unencodable", "transliterate"}, smpp.StatusOK},
		{"not encodable", "_a\u0131\u201cx", []string{"unencodable", "reject"}, smpp.StatusSubmitFail},
		{"national", "_a\u0131\u201cx", []string{"national", "tr"}, smpp.StatusOK},
		{"max_parts", strings.Repeat("long ", 40), []string{"max_parts", "1"}, smpp.StatusInvMsgLen},
		{"destinations", "hello", []string{"destinations", "+49"}, smpp.StatusInvDstAdr},
		{"sources", "hello", []string{"sources", "office"}, smpp.StatusInvSrcAdr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBench(t)
			b.account("shop", 0)
			c := b.bind(smpp.BindTransceiver, "shop")
			sent, waits := referenced(7, tt.text), referenced(8, tt.text)
			waits.ScheduleDeliveryTime = later
			ids := make(map[*smpp.SubmitSM]string)
			for _, p := range []*smpp.SubmitSM{sent, waits} {
				id, err := c.Submit(p)
				if err != nil {
					t.Fatal(err)
				}
				ids[p] = id
			}
			b.wantReceipt(c, ids[sent], smpp.StateDelivered)
			b.set(tt.set...)
			for p, id := range ids {
				if again, err := c.Submit(p); err != nil || again != id {
					t.Errorf("got %s, %v, want %s", again, err, id)
				}
			}
			if n := b.use().Refused; len(n) != 0 {
				t.Errorf("the operator is told that %v were refused", n)
			}
			if err := c.Cancel(&smpp.CancelSM{MessageID: ids[waits]}); err != nil {
				t.Fatal(err)
			}
			for name, p := range map[string]*smpp.SubmitSM{"cancelled": waits, "never accepted": referenced(9, tt.text)} {
				again, err := c.Submit(p)
				if tt.refused == smpp.StatusOK && (err != nil || again == ids[waits]) ||
					tt.refused != smpp.StatusOK && !errors.Is(err, tt.refused) {
					t.Errorf("%s: got %s, %v after %s, want %v", name, again, err, ids[waits], tt.refused)
				}
			}
			stored := 2
			if tt.refused == smpp.StatusOK {
				stored = 4
			}
			if all, err := b.Messages(store.Filter{}); err != nil || len(all) != stored {
				t.Errorf("%d messages are stored, %v, want %d", len(all), err, stored)
			}
			if n := b.use().Refused; (len(n) != 0) != (tt.refused != smpp.StatusOK) {
				t.Errorf("the operator is told that %v were refused", n)
			}
		})
	}
}

// TestResubmitAfterReload: so it is with the settings of the configuration, after a restart, and by the other PDUs.
func TestResubmitAfterReload(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	p := referenced(7, "gr\u00fc\u00dfe _")
	first, err := c.Submit(p)
	if err != nil {
		t.Fatal(err)
	}
	data := &smpp.DataSM{Source: p.Source, Destination: p.Destination, TLVs: append(p.TLVs[:1:1],
		smpp.TLV{Tag: smpp.TagMessagePayload, Value: p.ShortMessage})}
	instead := *p
	instead.ReplaceIfPresentFlag = 1
	for name, d := range map[string]gateway.Defaults{
		"alphabet": {Alphabet: gateway.AlphabetLatin1}, "alphabet that lacks it": {Alphabet: gateway.AlphabetASCII},
		"destinations": {Destinations: "+49"}, "rate": {Rate: "100/s"}, "limits": {Limits: store.QueueLimits{PerDay: 1}},
	} {
		b.Reconfigure(d)
		for _, submit := range []func() (string, error){
			func() (string, error) { return c.Submit(p) },
			func() (string, error) { return c.Submit(&instead) },
			func() (string, error) { return c.Data(data) },
		} {
			if again, err := submit(); err != nil || again != first {
				t.Errorf("%s: got %s, %v, want %s", name, again, err, first)
			}
		}
	}
}

// TestResubmitReplacedAfterSettings: a text that was replaced is sent when it is submitted again, as the settings are then.
func TestResubmitReplacedAfterSettings(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	p := referenced(7, "_ as it was")
	p.ScheduleDeliveryTime = later
	first, err := c.Submit(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(&smpp.ReplaceSM{MessageID: first, Source: p.Source, ShortMessage: []byte("another")}); err != nil {
		t.Fatal(err)
	}
	b.set("alphabet", "gsm7")
	second, err := c.Submit(p)
	if err != nil || second == first {
		t.Fatalf("got %s, %v after the text of %s was replaced", second, err, first)
	}
	b.set("alphabet", "ascii")
	if again, err := c.Submit(p); err != nil || again != second {
		t.Errorf("once more: got %s, %v, want %s", again, err, second)
	}
}

// TestResubmitAfterValidity: that the end of validity which the client named is over by now is no answer to whether its
// text was sent. But what is wrong in itself is refused.
func TestResubmitAfterValidity(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	p := referenced(7, "hello")
	first, err := c.Submit(p)
	if err != nil {
		t.Fatal(err)
	}
	p.ValidityPeriod = smpp.FormatTime(time.Now().Add(-time.Hour))
	if again, err := c.Submit(p); err != nil || again != first {
		t.Errorf("got %s, %v, want %s", again, err, first)
	}
	for name, tt := range map[string]struct {
		change func(p *smpp.SubmitSM)
		want   smpp.Status
	}{
		"priority": {func(p *smpp.SubmitSM) { p.PriorityFlag = 4 }, smpp.StatusInvPrtFlg},
		"ussd_service_op": {func(p *smpp.SubmitSM) {
			p.TLVs = append(p.TLVs, smpp.TLVUint8(smpp.TagUssdServiceOp, 1))
		}, smpp.StatusOptParNotAllwd},
		"text in both": {func(p *smpp.SubmitSM) {
			p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.TagMessagePayload, Value: p.ShortMessage})
		}, smpp.StatusInvMsgLen},
	} {
		q := referenced(7, "hello")
		tt.change(q)
		if id, err := c.Submit(q); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %s, %v, want %v", name, id, err, tt.want)
		}
	}
}

// TestResubmitMultiAfterSettings: the answer is the same again, whoever may be sent to by now.
func TestResubmitMultiAfterSettings(t *testing.T) {
	t.Parallel()
	log := &lines{}
	b := startBench(t, func(o *gateway.Options, _ *sim.Config) { o.Log = slog.New(slog.NewTextHandler(log, nil)) })
	b.account("shop", 0)
	b.set("destinations", "41,-4161231232")
	c := b.bind(smpp.BindTransceiver, "shop")
	p := &smpp.SubmitMulti{ShortMessage: []byte("to several"), ScheduleDeliveryTime: later,
		TLVs:         smpp.TLVs{smpp.TLVUint16(smpp.TagUserMessageReference, 7)},
		Destinations: append(to("none", "4161231230", "4161231231", "4161231232"), smpp.Destination{List: "all"})}
	first, err := c.SubmitMulti(p)
	if err != nil || len(first.Unsuccessful) != 3 {
		t.Fatalf("got %+v, %v", first, err)
	}
	before := b.use().Refused
	for name, set := range map[string][]string{
		"as they were": {}, "others": {"destinations", "41,-4161231230"}, "one more": {"destinations", "41"},
		"none": {"destinations", "49"}, "none, for the text": {"destinations", "", "max_parts", "1", "alphabet", "ascii"},
	} {
		b.set(set...)
		if again, err := c.SubmitMulti(p); err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("%s: got %+v, %v, want %+v", name, again, err, first)
		}
	}
	if n := b.use().Refused; !reflect.DeepEqual(n, before) {
		t.Errorf("the operator is told that %v were refused, %v before", n, before)
	}
	if n := strings.Count(log.String(), "destinations=2"); n != 5 {
		t.Errorf("the log tells of %d resubmissions to two, want 5", n)
	}

	b.set("destinations", "41")
	fewer, replacing := *p, *p
	fewer.Destinations = p.Destinations[1:]
	if other, err := c.SubmitMulti(&fewer); err != nil || other.MessageID == first.MessageID {
		t.Errorf("to fewer: got %+v, %v", other, err)
	}
	replacing.ReplaceIfPresentFlag = 1
	if other, err := c.SubmitMulti(&replacing); !errors.Is(err, smpp.StatusInvSubRep) {
		t.Errorf("with replace_if_present_flag: got %+v, %v", other, err)
	}

	for _, number := range []string{"4161231230", "4161231231"} {
		if err := c.Cancel(&smpp.CancelSM{Destination: smpp.Address{Addr: number}}); err != nil {
			t.Fatal(err)
		}
	}
	b.set("destinations", "49")
	if again, err := c.SubmitMulti(p); !errors.Is(err, smpp.StatusSubmitFail) || again.MessageID != "" ||
		len(again.Unsuccessful) != 5 {
		t.Errorf("cancelled, and barred by now: got %+v, %v", again, err)
	}
	b.set("destinations", "41")
	if again, err := c.SubmitMulti(p); err != nil || again.MessageID == first.MessageID || len(again.Unsuccessful) != 2 {
		t.Errorf("cancelled: got %+v, %v", again, err)
	}
}
