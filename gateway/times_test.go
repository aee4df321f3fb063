package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
)

// timed is a submit_sm with times.
func timed(schedule, validity, text string) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Destination: smpp.Address{Addr: "4161231234"}, RegisteredDelivery: 1, ShortMessage: []byte(text),
		ScheduleDeliveryTime: schedule, ValidityPeriod: validity,
	}
}

// TestValidityOnAir: the phone's network is told the end that the client named, to the second; our own default in steps.
func TestValidityOnAir(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	for _, tt := range []struct {
		name, validity string
		absolute       bool
		valid          time.Duration
	}{
		{"none", "", false, 24 * time.Hour},
		{"90 seconds", "000000000130000R", true, 90 * time.Second},
		{"5 minutes", "000000000500000R", false, 5 * time.Minute},
		{"25 hours 1 second", "000001010001000R", true, 25*time.Hour + time.Second},
		{"an hour, absolute", "absolute", true, time.Hour + 7*time.Second},
	} {
		before := time.Now()
		if tt.validity == "absolute" {
			tt.validity = smpp.FormatTime(before.Add(tt.valid))
		}
		id, err := c.Submit(timed("", tt.validity, tt.name))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		text := b.wantText(tt.name)
		if got := text.TPDU.VPRaw != nil; got != tt.absolute {
			t.Errorf("%s: absolute TP-VP %t", tt.name, got)
		}
		early, late := before.Add(tt.valid-time.Second-time.Second/5), text.At.Add(tt.valid)
		if until := text.TPDU.Until(text.At); until.Before(early) || until.After(late) {
			t.Errorf("%s: until %s, want %s to %s", tt.name, until, early, late)
		}
		b.wantReceipt(c, id, smpp.StateDelivered) // the modem is free again
	}
}

// TestValidityRefused: a network or a modem that takes no exact TP-VP, or none, gets the text in another form at once, and
// is not asked again.
func TestValidityRefused(t *testing.T) {
	t.Parallel()
	for _, network := range []sim.Validity{sim.ValidityRelative, sim.ValidityNone, sim.ValidityNoPDU} {
		t.Run(network.String(), func(t *testing.T) {
			t.Parallel()
			log := &lines{}
			b := startBench(t, func(o *gateway.Options, c *sim.Config) {
				o.Log, c.Validity = slog.New(slog.NewTextHandler(log, nil)), network
			})
			b.account("shop", 0)
			c := b.bind(smpp.BindTransceiver, "shop")
			for n := range 3 {
				name := fmt.Sprint("text ", n)
				id, err := c.Submit(timed("", "000000000130000R", name))
				if err != nil {
					t.Fatal(err)
				}
				if text := b.wantText(name); text.TPDU.VPRaw != nil || (text.TPDU.Validity == 0) != (network == sim.ValidityNone) {
					t.Errorf("it came with %+v", text.TPDU)
				}
				b.wantReceipt(c, id, smpp.StateDelivered)
			}
			refusals := map[sim.Validity]int{sim.ValidityRelative: 1, sim.ValidityNone: 2, sim.ValidityNoPDU: 1}[network]
			if got := strings.Count(log.String(), "msg=refused"); got != refusals {
				t.Errorf("refused %d times, want %d", got, refusals)
			}
			if got := strings.Count(log.String(), "(TP-VP)"); got != refusals {
				t.Errorf("told %d times, want %d", got, refusals)
			}
		})
	}
}

// TestNotItsValidity: a text that is refused in any form ends, and the next one has its exact validity again.
func TestNotItsValidity(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	for range 2 {
		b.phone.Inject(sim.Fault{Kind: sim.FaultRefuse, Code: 304})
	}
	id, err := c.Submit(timed("", "000000000130000R", "bad"))
	if err != nil {
		t.Fatal(err)
	}
	b.wantReceipt(c, id, smpp.StateRejected)
	if _, err := c.Submit(timed("", "000000000130000R", "good")); err != nil {
		t.Fatal(err)
	}
	if text := b.wantText("good"); text.TPDU.VPRaw == nil {
		t.Error("the validity of the next text is rounded")
	}
}

// TestExpiresAtThePhone: the network gives up at the second that the client named, though the phone comes back soon after.
func TestExpiresAtThePhone(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	b.phone.Inject(sim.Fault{Kind: sim.FaultPhoneOff, For: 3 * time.Second})
	end := time.Now().Add(2 * time.Second)
	id, err := c.Submit(timed("", smpp.FormatTime(end), "too late"))
	if err != nil {
		t.Fatal(err)
	}
	d := b.wantReceipt(c, id, smpp.StateExpired)
	if now := time.Now(); now.Before(end.Truncate(time.Second)) {
		t.Errorf("the receipt came at %s, its end was %s", now, end)
	}
	if code, _ := d.TLVs.Find(smpp.TagNetworkErrorCode); string(code) != "\x03\x00\x46" {
		t.Errorf("network_error_code %x, want TP-ST 0x46", code)
	}
	if resp, err := c.Query(id, smpp.Address{}); err != nil || resp.MessageState != smpp.StateExpired || resp.ErrorCode != 0x46 || resp.FinalDate == "" {
		t.Errorf("query_sm: %+v, %v", resp, err)
	}
	time.Sleep(time.Until(end.Add(1500 * time.Millisecond)))
	if n := len(b.phone.Texts()); n != 0 {
		t.Errorf("the phone got %d texts", n)
	}
}

// TestExpiresInTheQueue: without a network it ends at its second, and nothing of it goes out when there is one again.
func TestExpiresInTheQueue(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.phone.SetRegistration(0)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	end := time.Now().Add(2 * time.Second)
	id, err := c.Submit(timed("", smpp.FormatTime(end), "too late"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.Submit(timed("", "", "in time"))
	if err != nil {
		t.Fatal(err)
	}
	b.wantReceipt(c, id, smpp.StateExpired)
	now := time.Now()
	if now.Before(end.Truncate(time.Second)) {
		t.Errorf("the receipt came at %s, its end was %s", now, end)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("cancel_sm: %v", err)
	}
	resp, err := c.Query(id, smpp.Address{})
	final, parseErr := smpp.ParseTime(resp.FinalDate, time.Now())
	if err != nil || parseErr != nil || resp.ErrorCode != 0 || final.Before(end.Truncate(time.Second)) || final.After(now) {
		t.Errorf("query_sm: %+v, %v, %v; its end was %s", resp, err, parseErr, end)
	}
	b.phone.SetRegistration(1)
	b.wantText("in time")
	b.wantReceipt(c, after, smpp.StateDelivered)
}

// TestSchedule: nothing goes out before its second, and it does soon after; what is for the past goes at once.
func TestSchedule(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	submit := func(schedule string) sim.Text {
		t.Helper()
		if _, err := c.Submit(timed(schedule, "", schedule)); err != nil {
			t.Fatal(err)
		}
		return b.wantText(schedule)
	}
	submit(smpp.FormatTime(time.Now().Add(-time.Hour)))
	due := time.Now().Add(2 * time.Second).Truncate(time.Second).Add(300 * time.Millisecond)
	if text := submit(due.UTC().Format("060102150405") + "300+"); text.At.Before(due) {
		t.Errorf("it came at %s, due %s", text.At, due)
	}
}

// TestValidityClockBehind: a box that wakes up days behind tells the network how long a text is valid, and not until when: by
// the network's clock that would be over.
func TestValidityClockBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	startBenchOn(t, path).stop()
	b := startBenchOn(t, path, func(o *gateway.Options, _ *sim.Config) {
		o.Now = func() time.Time { return time.Now().Add(-72 * time.Hour) }
	})
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	if _, err := c.Submit(timed("", "000000000130000R", "valid")); err != nil {
		t.Fatal(err)
	}
	if text := b.wantText("valid"); text.TPDU.VPRaw != nil || !text.TPDU.Until(text.At).After(text.At) {
		t.Errorf("valid until %s, it came at %s", text.TPDU.Until(text.At), text.At)
	}
}
