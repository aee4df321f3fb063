package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// testClock runs with the real one, from another beginning, and can be moved.
type testClock struct{ ahead atomic.Int64 }

func clockFrom(begin time.Time) *testClock {
	c := new(testClock)
	c.ahead.Store(int64(time.Until(begin)))
	return c
}

func (c *testClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).Round(0) }

func (c *testClock) move(d time.Duration) { c.ahead.Add(int64(d)) }

func (c *testClock) option(opt *gateway.Options, _ *sim.Config) { opt.Now, opt.Zone = c.now, time.UTC }

// set changes settings of the account shop, by name and value.
func (b *bench) set(pairs ...string) {
	b.t.Helper()
	s := make(gateway.Settings)
	for i := 0; i < len(pairs); i += 2 {
		s[pairs[i]] = pairs[i+1]
	}
	if _, err := b.SetAccount("shop", s); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) use() gateway.AccountUse {
	b.t.Helper()
	a, err := b.Account("shop")
	if err != nil {
		b.t.Fatal(err)
	}
	use, err := b.Use(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return use
}

// tomorrow submits a text that waits until tomorrow.
func tomorrow(c *smpptest.Client, to, from, text string) error {
	_, err := c.Submit(&smpp.SubmitSM{Source: smpp.Address{TON: 5, Addr: from}, Destination: smpp.Address{Addr: to},
		ScheduleDeliveryTime: "000001000000000R", ShortMessage: []byte(text)})
	return err
}

// wantStatus compares the status of an answer.
func wantStatus(t *testing.T, what string, err error, want smpp.Status) {
	t.Helper()
	got := smpp.StatusOK
	if err != nil && !errors.As(err, &got) || got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// TestLimitsOnTheWire sets each limit while a session is bound, sees it hold, and lifts it again.
func TestLimitsOnTheWire(t *testing.T) {
	t.Parallel()
	clock := clockFrom(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)) // no day ends
	b := startBench(t, clock.option)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransmitter, "shop")
	long := strings.Repeat("x", 200) // two parts
	for _, tt := range []struct {
		name, setting, value string
		texts                []string // to, from and text of each, between blanks
		want                 smpp.Status
		reason               string
	}{
		{"rate", "rate", "2/h", []string{"1701 S x", "1701 S x", "1701 S x"}, smpp.StatusThrottled, "rate"},
		{"queue", "max_queued", "5", []string{"1701 S x", "1701 S x", "1701 S x", "1701 S x"}, smpp.StatusMsgQFul, "max_queued"},
		{"day", "per_day", "9", []string{"1701 S " + long, "1701 S x", "1701 S x"}, smpp.StatusMsgQFul, "per_day"},
		{"month", "per_month", "13", []string{"1701 S " + long, "1701 S x", "1701 S x"}, smpp.StatusMsgQFul, "per_month"},
		{"destination", "destinations", "+49,+43", []string{"+49170123456 S x", "4366012345 S x", "+41791234567 S x"}, smpp.StatusInvDstAdr, "destinations"},
		{"barred", "destinations", "-+4990", []string{"112 S x", "+49170123456 S x", "+49900123456 S x"}, smpp.StatusInvDstAdr, "destinations"},
		{"source", "sources", "Shop*", []string{"1701 Shopping x", "1701 Other x"}, smpp.StatusInvSrcAdr, "sources"},
	} {
		b.set(tt.setting, tt.value)
		if tt.name == "rate" {
			tt.texts = tt.texts[1:] // one at a time, however slow
		}
		for i, text := range tt.texts {
			want := smpp.StatusOK
			if i == len(tt.texts)-1 {
				want = tt.want
			}
			to, rest, _ := strings.Cut(text, " ")
			from, text, _ := strings.Cut(rest, " ")
			wantStatus(t, fmt.Sprintf("%s %s, text %d", tt.setting, tt.value, i+1), tomorrow(c, to, from, text), want)
		}
		if n := b.use().Refused[tt.reason]; n == 0 {
			t.Errorf("%s: the refusal is not counted as %s", tt.name, tt.reason)
		}
		b.set(tt.setting, "")
		wantStatus(t, tt.name+", lifted", tomorrow(c, "+41791234567", "Other", "x"), smpp.StatusOK)
	}
	b.set("sources", "Shop")
	wantStatus(t, "no source", tomorrow(c, "1701", "", "x"), smpp.StatusOK)
	wantStatus(t, "a bad destination", tomorrow(c, "17 01", "", "x"), smpp.StatusInvDstAdr)
	if n := b.use().Refused["ESME_RINVDSTADR"]; n != 1 {
		t.Errorf("a destination that is no number is counted %d times", n)
	}
}

// TestLimitsOfSeveral: each destination of a submit_multi counts, limits of the queue are for all of them, and a longer
// text by replace_sm counts what it adds.
func TestLimitsOfSeveral(t *testing.T) {
	t.Parallel()
	clock := clockFrom(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)) // no day ends
	b := startBench(t, clock.option)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransmitter, "shop")
	several := func(what string, want smpp.Status, refused int, to ...string) string {
		t.Helper()
		p := &smpp.SubmitMulti{ScheduleDeliveryTime: "000001000000000R", ShortMessage: []byte("x")}
		for _, number := range to {
			p.Destinations = append(p.Destinations, smpp.Destination{Address: smpp.Address{Addr: number}})
		}
		resp, err := c.Request(p)
		wantStatus(t, what, err, want)
		if err != nil {
			return ""
		}
		answer := resp.Body.(*smpp.SubmitMultiResp)
		if len(answer.Unsuccessful) != refused {
			t.Errorf("%s: %+v, want %d refused", what, answer, refused)
		}
		return answer.MessageID
	}
	b.set("destinations", "+49")
	several("one of three is not allowed", smpp.StatusOK, 1, "+49170123456", "+43660123456", "+49170123457")
	b.set("destinations", "", "max_queued", "4")
	several("room for two", smpp.StatusMsgQFul, 0, "1701", "1702", "1703")
	id := several("room for two", smpp.StatusOK, 0, "1701", "1702")
	if use := b.use(); use.Queued != 4 || use.Today != 4 || use.Refused["destinations"] != 1 || use.Refused["max_queued"] != 1 {
		t.Errorf("use %+v", use)
	}

	b.set("max_queued", "", "per_day", "5")
	replace := func(what string, n int, want smpp.Status) {
		t.Helper()
		_, err := c.Request(&smpp.ReplaceSM{MessageID: id, ShortMessage: []byte(strings.Repeat("y", n))})
		wantStatus(t, what, err, want)
	}
	replace("two parts", 161, smpp.StatusOK)
	replace("one again", 1, smpp.StatusOK)
	replace("two parts once more", 161, smpp.StatusMsgQFul)
	if use := b.use(); use.Today != 5 {
		t.Errorf("%d parts are counted, want 5", use.Today)
	}

	b.set("per_day", "", "rate", "1/h")
	several("on a full bucket", smpp.StatusOK, 0, "1701", "1702")
	several("on an empty one", smpp.StatusThrottled, 0, "1701")
	wantStatus(t, "on an empty one", tomorrow(c, "1701", "", "x"), smpp.StatusThrottled)
	_, err := c.Request(&smpp.DataSM{Destination: smpp.Address{Addr: "1701"}, TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte("x")}}})
	wantStatus(t, "data_sm on an empty one", err, smpp.StatusThrottled)
}

// TestRateOutlivesSessions: all sessions of an account share its rate, and a new one finds it as it was left.
func TestRateOutlivesSessions(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.account("other", 0)
	b.set("rate", "1/h")
	first, second := b.bind(smpp.BindTransmitter, "shop"), b.bind(smpp.BindTransceiver, "shop")
	wantStatus(t, "first", tomorrow(first, "1701", "", "x"), smpp.StatusOK)
	wantStatus(t, "another session", tomorrow(second, "1701", "", "x"), smpp.StatusThrottled)
	first.Close()
	wantStatus(t, "a new session", tomorrow(b.bind(smpp.BindTransmitter, "shop"), "1701", "", "x"), smpp.StatusThrottled)
	wantStatus(t, "another account", tomorrow(b.bind(smpp.BindTransmitter, "other"), "1701", "", "x"), smpp.StatusOK)
	if _, err := b.SendText(t.Context(), "shop", "1701", "x"); err != nil {
		t.Errorf("the operator's send is throttled: %v", err)
	}
}

// TestQueueAge: while a text waits too long, no other comes in, and its cancellation makes room.
func TestQueueAge(t *testing.T) {
	t.Parallel()
	clock := clockFrom(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))
	b := startBench(t, clock.option)
	b.account("shop", 0)
	if err := b.PauseModem("sim1", "for the test"); err != nil {
		t.Fatal(err)
	}
	b.set("max_queue_age", "15m")
	c := b.bind(smpp.BindTransmitter, "shop")
	id := b.submit(c, "1701", "waits")
	clock.move(14 * time.Minute)
	b.submit(c, "1702", "waits, too")
	clock.move(2 * time.Minute)
	wantStatus(t, "while one waits for 16 minutes", tomorrow(c, "1703", "", "x"), smpp.StatusMsgQFul)
	if use := b.use(); use.Queued != 2 || clock.now().Sub(use.Oldest).Round(time.Minute) != 16*time.Minute {
		t.Errorf("use %+v, want two messages, the oldest for 16 minutes", use)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
		t.Fatal(err)
	}
	b.submit(c, "1703", "x")
}

// TestQuotaOverRestart: the day's parts stay counted when the gateway starts anew, and begin again at midnight.
func TestQuotaOverRestart(t *testing.T) {
	t.Parallel()
	clock := clockFrom(time.Date(2026, 5, 31, 23, 40, 0, 0, time.UTC))
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path, clock.option)
	b.account("shop", 0)
	b.set("per_day", "2", "per_month", "3")
	c := b.bind(smpp.BindTransmitter, "shop")
	wantStatus(t, "first", tomorrow(c, "1701", "", "x"), smpp.StatusOK)
	wantStatus(t, "second", tomorrow(c, "1701", "", "x"), smpp.StatusOK)
	wantStatus(t, "third", tomorrow(c, "1701", "", "x"), smpp.StatusMsgQFul)
	if _, err := b.SendText(t.Context(), "shop", "1701", "x"); !errors.As(err, new(*store.LimitError)) {
		t.Errorf("the operator's send beyond the day's parts: %v, want a *store.LimitError", err)
	}
	b.stop()

	b = startBenchOn(t, path, clock.option)
	c = b.bind(smpp.BindTransmitter, "shop")
	wantStatus(t, "after the restart", tomorrow(c, "1701", "", "x"), smpp.StatusMsgQFul)
	if use := b.use(); use.Today != 2 || !use.DayEnds.Equal(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) || use.Refused["per_day"] != 1 {
		t.Errorf("use %+v, want 2 parts until midnight, 1 refused", use)
	}
	clock.move(25 * time.Minute) // 1 June
	wantStatus(t, "the next day", tomorrow(c, "1701", "", "x"), smpp.StatusOK)
	if use := b.use(); use.Today != 1 || use.ThisMonth != 1 {
		t.Errorf("use %+v, want 1 part today and this month", use)
	}
}

// ended wants a session to be unbound soon.
func ended(t *testing.T, what string, c *smpptest.Client) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Errorf("%s: the session was not ended", what)
	}
}

// TestAddressAndSessions: binds from elsewhere are refused, and a change ends the sessions that don't fit any more.
func TestAddressAndSessions(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	refused := func(what string, want smpp.Status) {
		t.Helper()
		_, err := b.dial().Bind(smpp.BindTransceiver, "shop", "secret")
		wantStatus(t, what, err, want)
	}
	b.set("addresses", "192.0.2.0/24,2001:db8::1")
	refused("from elsewhere", smpp.StatusBindFail)
	_, err := b.dial().Bind(smpp.BindTransceiver, "shop", "guess")
	wantStatus(t, "from elsewhere, with a wrong password", err, smpp.StatusInvPaswd)

	b.set("addresses", "127.0.0.0/8", "max_sessions", "3")
	c := []*smpptest.Client{b.bind(smpp.BindTransmitter, "shop"), b.bind(smpp.BindReceiver, "shop"), b.bind(smpp.BindTransceiver, "shop")}
	refused("a fourth session", smpp.StatusAlyBnd)
	b.set("max_sessions", "1")
	ended(t, "the youngest", c[2])
	ended(t, "the second", c[1])
	wantStatus(t, "the oldest", tomorrow(c[0], "1701", "", "x"), smpp.StatusOK)
	b.set("addresses", "192.0.2.1")
	ended(t, "from an address that is not allowed any more", c[0])
	b.set("addresses", "", "max_sessions", "")
	b.bind(smpp.BindTransceiver, "shop")
}

// TestExpiry: at its hour the sessions end, nothing is sent, and with more time both go on.
func TestExpiry(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	clock := clockFrom(time.Date(2026, 5, 4, 23, 59, 0, 0, time.UTC))
	b := startBench(t, clock.option, func(opt *gateway.Options, _ *sim.Config) { opt.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	b.account("shop", 0)
	b.set("expires", "2026-05-04")
	b.ClockMoved()
	c := b.bind(smpp.BindTransceiver, "shop")
	b.submit(c, "1701", "in time")
	b.wantText("in time")
	if err := b.PauseModem(b.Modems()[0].Name, ""); err != nil {
		t.Fatal(err)
	}
	id, err := b.SendText(t.Context(), "shop", "1701", "held")
	if err != nil {
		t.Fatal(err)
	}
	clock.move(time.Minute)
	if err := b.ResumeModem(b.Modems()[0].Name); err != nil {
		t.Fatal(err)
	}
	_, err = c.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "1701"}, ShortMessage: []byte("too late")})
	if err == nil {
		t.Error("a submit after the end was accepted")
	}
	b.ClockMoved()
	ended(t, "at its end", c)
	_, err = b.dial().Bind(smpp.BindTransceiver, "shop", "secret")
	wantStatus(t, "after its end", err, smpp.StatusBindFail)
	if _, err := b.SendText(t.Context(), "shop", "1701", "too late"); !errors.As(err, new(*gateway.AccountError)) {
		t.Errorf("an operator's text after the end: %v, want a refusal", err)
	}
	m, err := b.Message(id)
	if err != nil || !strings.Contains(b.Why(m), "account shop expired at") {
		t.Errorf("why it waits: %q, %v", b.Why(m), err)
	}
	if !b.use().Expired {
		t.Error("it has expired, and Use does not say so")
	}
	for _, words := range []string{"an account will expire", "an account has expired", "the account has expired"} {
		if log.count(words) == 0 {
			t.Errorf("the log does not say %q", words)
		}
	}
	b.set("expires", "2026-05-05 18:00")
	b.wantText("held")
	b.bind(smpp.BindTransceiver, "shop")
}

// TestChangesWhileBusy: settings are changed while sessions submit, bind and are ended; for the race detector, and to see
// that the queue's bound holds all the while.
func TestChangesWhileBusy(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(opt *gateway.Options, _ *sim.Config) { opt.Log = slog.New(slog.DiscardHandler) })
	b.account("shop", 0)
	b.set("max_queued", "40")
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 5 {
				c, err := smpptest.Dial(t.Context(), b.addr)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Bind(smpp.BindTransceiver, "shop", "secret"); err == nil {
					for range 20 {
						tomorrow(c, "1701", "S", "x")
					}
				}
				c.Close()
			}
		})
	}
	for _, change := range [][]string{{"rate", "1/h"}, {"max_sessions", "1"}, {"addresses", "::1"}, {"addresses", ""}, {"max_sessions", ""},
		{"rate", ""}, {"window", "1"}, {"sources", "T"}, {"sources", ""}, {"expires", "2020-01-01"}, {"expires", ""}, {"window", "50"}} {
		b.set(change...)
		time.Sleep(2 * time.Millisecond)
	}
	clients.Wait()
	if use := b.use(); use.Queued > 40 || use.Queued != use.Today {
		t.Errorf("use %+v, want at most 40 messages, each counted once", use)
	}
}
