package gateway_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/store"
)

// TestNextWaitsReady: while a text is on the air another waits behind it, one to another number. Cancelled in that time
// it is not sent, and one number's texts keep their order.
func TestNextWaitsReady(t *testing.T) {
	t.Parallel()
	answer, release := hold("491")
	s := &stick{name: "one", answer: answer}
	c := startCrewThatHolds(t, time.Minute, newFile(t), s)
	first := c.send("+491")
	waitFor(t, "the first on the air", func() bool { return len(s.texts()) == 1 })
	second, gone, other := c.send("+491"), c.send("+492"), c.send("+493")
	time.Sleep(50 * time.Millisecond) // for it to be picked
	if err := c.CancelMessage(gone); err != nil {
		t.Fatalf("cancel what waits behind the one on the air: %v", err)
	}
	release()
	c.wantDelivered(first, second, other)
	if got := s.texts(); slices.Contains(got, "492") || len(got) != 3 {
		t.Errorf("sent to %v, want no text to 492, which was cancelled", got)
	}
	if a, b := c.message(first), c.message(second); b.Parts[0].ClaimedAt.Before(a.Parts[0].SentAt) {
		t.Errorf("the second to one number was handed over at %s, before the first was sent at %s", b.Parts[0].ClaimedAt, a.Parts[0].SentAt)
	}
}

// TestRefusedPart: after a part that was refused the next is not sent.
func TestRefusedPart(t *testing.T) {
	t.Parallel()
	s := &stick{name: "one", answer: func(to string) string {
		if to == "491" {
			return "+CMS ERROR: 38"
		}
		return ""
	}}
	c := startCrew(t, newFile(t), s)
	long, err := c.SendText(t.Context(), "", "+491", strings.Repeat("long text ", 40))
	if err != nil {
		t.Fatal(err)
	}
	after := c.send("+492")
	c.wantDelivered(after)
	if got := s.texts(); !slices.Equal(got, []string{"491", "492"}) {
		t.Errorf("given to the modem: %v, want one part to 491 alone", got)
	}
	if m := c.message(long); m.State != store.Queued || m.Parts[1].Attempts != 0 || m.Refusals != 1 {
		t.Errorf("the long one is %s after %d refusals, its second part tried %d times", m.State, m.Refusals, m.Parts[1].Attempts)
	}
}

// TestNotKeptFromOthers: what waits behind a text that the modem does not get done with goes to another modem.
func TestNotKeptFromOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*stick)
	}{
		{"it is silent", func(*stick) {}},
		{"it is unplugged", (*stick).unplug},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer, release := hold("491")
			defer release()
			one, two := &stick{name: "one", answer: answer}, &stick{name: "two"}
			c := startCrew(t, newFile(t), one, two)
			c.pause("two")
			c.send("+491")
			waitFor(t, "the first on the air", func() bool { return len(one.texts()) == 1 })
			behind := c.send("+492")
			time.Sleep(50 * time.Millisecond) // for it to be picked
			c.resume("two")
			tt.end(one)
			c.wantBy("two", behind)
		})
	}
}

// TestPause: a paused modem begins nothing, not even what waits in front of it, and stays paused over a restart.
func TestPause(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	answer, release := hold("491")
	s := &stick{name: "one", answer: answer}
	c := startCrew(t, path, s)
	first := c.send("+491")
	waitFor(t, "the first on the air", func() bool { return len(s.texts()) == 1 })
	second := c.send("+492")
	time.Sleep(50 * time.Millisecond) // for it to be picked
	c.pause("one")
	c.pause("one")
	release()
	c.wantDelivered(first)
	if m := c.message(second); m.State != store.Queued || m.Parts[0].Attempts != 0 {
		t.Errorf("the second is %s after %d attempts", m.State, m.Parts[0].Attempts)
	}
	if why := c.Why(c.message(second)); !strings.Contains(why, "paused") || !strings.Contains(why, "the test says so") {
		t.Errorf("why it waits: %q", why)
	}
	c.stop()
	c = startCrew(t, path, s)
	if v := c.view("one"); !v.Paused || v.PausedReason != "the test says so" || v.PausedAt.IsZero() || v.Waiting == "" {
		t.Errorf("after a restart: %+v", v)
	}
	waitFor(t, "the modem", func() bool { return c.view("one").State == modem.StateReady })
	if got := s.texts(); len(got) != 1 {
		t.Errorf("given to a paused modem: %v", got)
	}
	c.resume("one")
	c.resume("one")
	c.wantDelivered(second)
	if err := c.PauseModem("two", ""); err == nil {
		t.Error("a modem that is not configured was paused")
	}
	if err := c.PauseModem("one", strings.Repeat("very ", 100)); err == nil {
		t.Error("a reason of 500 octets was taken")
	}
}

// TestPauseTwice: the first reason stands until another is given, and only what changes something is logged as done.
func TestPauseTwice(t *testing.T) {
	var log lockedBuffer
	g, err := gateway.Open(gateway.Options{Path: newFile(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.AddModem(modem.Config{Name: "one", Port: "/dev/none"}, gateway.ModemRules{})
	for _, step := range []struct {
		do              func() error
		paused, resumed int // lines in the log so far
		reason          string
	}{
		{func() error { return g.ResumeModem("one") }, 0, 0, ""},
		{func() error { return g.PauseModem("one", "tariff.") }, 1, 0, "tariff"},
		{func() error { return g.PauseModem("one", "") }, 1, 0, "tariff"},
		{func() error { return g.PauseModem("one", "SIM") }, 1, 0, "SIM"},
		{func() error { return g.ResumeModem("one") }, 1, 1, ""},
		{func() error { return g.ResumeModem("one") }, 1, 1, ""},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		v, err := g.ModemView("one")
		if err != nil || v.PausedReason != step.reason {
			t.Errorf("the reason is %q, %v; want %q", v.PausedReason, err, step.reason)
		}
		if p, r := log.count("paused by"), log.count("resumed by"); p != step.paused || r != step.resumed {
			t.Errorf("%d and %d lines; want %d, %d", p, r, step.paused, step.resumed)
		}
	}
	if log.count("was paused already") != 2 || log.count("was paused already\" modem=one reason=tariff") != 1 {
		t.Error("the reason that stands is not logged")
	}
}

// TestRouting: each message leaves by the modem that it is for; others help out only after a while, and only those
// without accounts.
func TestRouting(t *testing.T) {
	t.Parallel()
	german := &stick{name: "german", rules: gateway.ModemRules{Prefixes: []string{"+49"}, SpillAfter: 10 * time.Minute}}
	berlin := &stick{name: "berlin", rules: gateway.ModemRules{Prefixes: []string{"4930"}}}
	shop := &stick{name: "shop", rules: gateway.ModemRules{Accounts: []string{"shop"}, Prefixes: []string{"1"}}}
	rest := &stick{name: "rest"}
	c := startCrew(t, newFile(t), german, berlin, shop, rest)
	c.wantBy("german", c.send("+49171"), c.send("+49172"))
	c.wantBy("berlin", c.send("+4930123"))
	c.wantBy("rest", c.send("+43123"), c.send("+1555"))
	c.pause("german")
	c.pause("berlin")
	waits, never := c.send("+49173"), c.send("+4930124")
	c.wantBy("rest", c.send("+43124"))
	if m := c.message(waits); m.State != store.Queued {
		t.Errorf("a message for a paused modem is %s at once", m.State)
	}
	if why := c.Why(c.message(waits)); !strings.Contains(why, "Other modems may take it from ") {
		t.Errorf("why it waits: %q", why)
	}
	if c.log.count("instead_of") != 0 {
		t.Error("a modem is said to stand in for another too early")
	}
	c.pass(11 * time.Minute)
	c.wantBy("rest", waits)
	if m := c.message(never); m.State != store.Queued {
		t.Errorf("a message for a modem that nobody stands in for is %s", m.State)
	}
	if why := c.Why(c.message(never)); !strings.Contains(why, "berlin: It is paused") || strings.Contains(why, "rest") ||
		strings.Contains(why, "Other modems") {
		t.Errorf("why it waits: %q", why)
	}
	waitFor(t, "the log to say for whom it was sent instead", func() bool { // it does so once that is on disk
		return c.log.count("id="+waits.String()+" part=1 modem=rest ref=") == 1 && c.log.count(" instead_of=german\n") == 1
	})
	c.resume("berlin")
	c.wantBy("berlin", never)
}

// TestNoModemForIt: a message that fits no modem's rules waits, and says so.
func TestNoModemForIt(t *testing.T) {
	t.Parallel()
	s := &stick{name: "german", rules: gateway.ModemRules{Prefixes: []string{"49"}}}
	c := startCrew(t, newFile(t), s)
	lost := c.send("+43123")
	c.wantBy("german", c.send("+49123"))
	if why := c.Why(c.message(lost)); !strings.Contains(why, "No modem is for it") {
		t.Errorf("why it waits: %q", why)
	}
}

// TestBarredSIM: a SIM that may not send is left alone, what it had goes out by another at once, and after a while it is
// tried again.
func TestBarredSIM(t *testing.T) {
	t.Parallel()
	var barred atomic.Bool
	barred.Store(true)
	one := &stick{name: "one", answer: func(string) string {
		if barred.Load() {
			return "+CMS ERROR: 10"
		}
		return ""
	}}
	two := &stick{name: "two"}
	c := startCrew(t, newFile(t), one, two)
	c.pause("two")
	first := c.send("+491")
	waitFor(t, "the SIM to be left alone", func() bool { return !c.view("one").BarredUntil.IsZero() })
	waitFor(t, "the outcome", func() bool { return c.message(first).State == store.Queued })
	c.resume("two")
	second := c.send("+492")
	c.wantBy("two", second)
	if m := c.message(first); m.Refusals != 0 {
		t.Errorf("it was counted %d times", m.Refusals)
	}
	barred.Store(false)
	c.pause("two")
	third := c.send("+493")
	if n := len(one.texts()); n != 1 {
		t.Errorf("the barred SIM was tried %d times, want once", n)
	}
	c.pass(16 * time.Minute)
	c.wantBy("one", third)
	if v := c.view("one"); !v.BarredUntil.IsZero() {
		t.Errorf("after a success it is barred until %s", v.BarredUntil)
	}
}

// TestBarredGoesOn: with another modem at hand a message that a SIM may not send leaves by that one at once.
func TestBarredGoesOn(t *testing.T) {
	t.Parallel()
	no := func(string) string { return "+CMS ERROR: 50" }
	one, two := &stick{name: "one", answer: no}, &stick{name: "two", rules: gateway.ModemRules{}}
	c := startCrew(t, newFile(t), one, two)
	waitFor(t, "both modems", func() bool {
		return c.view("one").State == modem.StateReady && c.view("two").State == modem.StateReady
	})
	var ids []store.ID
	for n := range 6 {
		ids = append(ids, c.send(fmt.Sprintf("+49%d", n)))
	}
	c.wantBy("two", ids...)
	if n := len(one.texts()); n > 1 {
		t.Errorf("the barred SIM was tried %d times", n)
	}
}

// TestBudgetOfAStick: what is beyond the budget waits without an AT+CMGS for it, and goes out in the next hour.
func TestBudgetOfAStick(t *testing.T) {
	t.Parallel()
	s := &stick{name: "one", rules: gateway.ModemRules{PerHour: 2, RecipientsPerMonth: 50}}
	c := startCrew(t, newFile(t), s)
	c.halfPast()
	ids := []store.ID{c.send("+491"), c.send("+492"), c.send("+493")}
	c.wantDelivered(ids[0], ids[1])
	waitFor(t, "the modem to say so", func() bool { return strings.Contains(c.view("one").Waiting, "budget") })
	if n := s.prompts(); n != 2 {
		t.Errorf("%d AT+CMGS for a budget of 2", n)
	}
	if why := c.Why(c.message(ids[2])); !strings.Contains(why, "no more than 2 parts an hour") {
		t.Errorf("why it waits: %q", why)
	}
	want := []gateway.BudgetUse{{Window: "hour", Used: 2, Limit: 2}, {Window: "month", Used: 2, Limit: 50}}
	got := c.view("one").Budget
	for i := range got {
		if got[i].Resets.IsZero() {
			t.Errorf("%s: no end of the window", got[i].Window)
		}
		got[i].Resets = time.Time{}
	}
	if !slices.Equal(got, want) {
		t.Errorf("budget %v, want %v", got, want)
	}
	c.pass(30 * time.Minute)
	c.wantDelivered(ids[2])
}

// TestLongTextAndBudget: a long text waits until there is room for all its parts, and nobody has to remind the modem.
func TestLongTextAndBudget(t *testing.T) {
	t.Parallel()
	s := &stick{name: "one", rules: gateway.ModemRules{PerHour: 3}}
	c := startCrew(t, newFile(t), s)
	c.halfPast()
	c.wantDelivered(c.send("+491"))
	long, err := c.SendText(t.Context(), "", "+492", strings.Repeat("long text ", 40))
	if err != nil {
		t.Fatal(err)
	}
	c.wantDelivered(c.send("+493"))
	if m := c.message(long); m.State != store.Queued || len(m.Parts) != 3 {
		t.Errorf("a long text of %d parts is %s with room for one", len(m.Parts), m.State)
	}
	if why := c.Why(c.message(long)); !strings.Contains(why, "no room for all 3 parts") {
		t.Errorf("why it waits: %q", why)
	}
	c.ahead.Add(int64(30 * time.Minute))
	c.wantDelivered(long)
	if n := s.prompts(); n != 5 {
		t.Errorf("%d AT+CMGS for 5 parts", n)
	}
}
