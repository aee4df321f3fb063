package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/store"
)

// TestSickModemSpills: a modem that fails with each text is missed like one that is not there, although it seems to be at
// work between two tries; with the first text that goes out it is missed no more.
func TestSickModemSpills(t *testing.T) {
	t.Parallel()
	for _, failure := range []string{"+CMS ERROR: 314", "+CMS ERROR: 331", "+CMS ERROR: 10"} {
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			rules := gateway.ModemRules{Prefixes: []string{"49"}, SpillAfter: 30 * time.Minute}
			answer, release := hold("499")
			sick := &stick{name: "sick", rules: rules, answer: func(to string) string {
				if to == "499" {
					return answer(to)
				}
				return failure
			}}
			defer release()
			c := startCrew(t, newFile(t), sick, &stick{name: "rest"})
			c.wantBy("rest", c.send("+431"))
			id := c.send("+491")
			waitFor(t, "the first try", func() bool { return c.message(id).Reason != "" })
			passed := time.Duration(0)
			for ; c.message(id).State != store.Delivered && passed < 5*time.Hour; passed += 5 * time.Minute {
				c.pass(5 * time.Minute)
				time.Sleep(60 * time.Millisecond) // for a try
			}
			if m := c.message(id); m.Parts[0].Modem != "rest" || passed <= rules.SpillAfter {
				t.Fatalf("after %s the message is %s by %s", passed, m.State, m.Parts[0].Modem)
			}
			if !c.view("sick").Spills {
				t.Error("it is not said that others take what is for it")
			}
			c.pass(5 * time.Hour) // no bar holds
			c.pause("rest")
			well := c.send("+499")
			release()
			c.wantBy("sick", well)
			waitFor(t, "the others to leave it what is for it", func() bool {
				c.ClockMoved()
				return !c.view("sick").Spills
			})
		})
	}
}

// TestOneFailureSpillsNothing: a modem that failed once and was not tried again is not missed.
func TestOneFailureSpillsNothing(t *testing.T) {
	t.Parallel()
	sick := &stick{name: "sick", rules: gateway.ModemRules{Prefixes: []string{"49"}, SpillAfter: 10 * time.Minute}}
	sick.answer = func(to string) string {
		if to == "491" {
			return "+CMS ERROR: 314"
		}
		return ""
	}
	c := startCrew(t, newFile(t), sick, &stick{name: "rest"})
	id := c.send("+491")
	waitFor(t, "the first try", func() bool { return c.message(id).Reason != "" })
	if err := c.CancelMessage(id); err != nil {
		t.Fatal(err)
	}
	c.pass(6 * time.Second)
	c.pass(time.Hour)
	c.wantBy("sick", c.send("+492"))
}

// TestLeftToNobody: a sick modem that got well takes again what it had left to one that is at work and does not take it.
func TestLeftToNobody(t *testing.T) {
	t.Parallel()
	rules := gateway.ModemRules{Prefixes: []string{"49"}, SpillAfter: 30 * time.Minute}
	var well atomic.Bool
	sick := &stick{name: "sick", rules: rules, answer: func(string) string {
		if well.Load() {
			return ""
		}
		return "+CMS ERROR: 331"
	}}
	c := startCrew(t, newFile(t), sick, &stick{name: "rest", rules: gateway.ModemRules{RecipientsPerMonth: 1}})
	c.wantBy("rest", c.send("+431")) // its contacts of the month are used up
	id := c.send("+491")
	waitFor(t, "the first try", func() bool { return c.message(id).Reason != "" })
	for n := 0; !c.view("sick").Spills && n < 100; n++ {
		c.pass(5 * time.Minute)
		time.Sleep(60 * time.Millisecond)
	}
	if !c.view("sick").Spills {
		t.Fatal("it is not missed")
	}
	left := func() bool { return strings.Contains(c.Why(c.message(id)), "leaves this one to others") }
	for n := 0; !left() && n < 60; n++ {
		c.pass(time.Minute)
	}
	if !left() {
		t.Errorf("it waits: %s", c.Why(c.message(id)))
	}
	well.Store(true)
	for range 20 {
		c.pass(10 * time.Minute)
		c.wantBy("rest", c.send("+431")) // all look at the queue
		time.Sleep(60 * time.Millisecond)
	}
	if m := c.message(id); m.State != store.Delivered {
		t.Errorf("the message is %s: %s", m.State, c.Why(m))
	}
}

// TestAcceptedInVain: the log says of a message that no modem is for it.
func TestAcceptedInVain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g, err := gateway.Open(gateway.Options{Path: newFile(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.AddModem(modem.Config{Name: "german"}, gateway.ModemRules{Prefixes: []string{"49"}})
	for to, want := range map[string]bool{"+49123": false, "+43123": true} {
		log.Reset()
		if _, err := g.SendText(t.Context(), "", to, "hello"); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "level=WARN"); got != want {
			t.Errorf("to %s: %s", to, log.String())
		}
	}
}

// TestDoctorOfRules: the doctor names an account that a modem is for and that does not exist.
func TestDoctorOfRules(t *testing.T) {
	t.Parallel()
	c := startCrew(t, newFile(t), &stick{name: "one", rules: gateway.ModemRules{Accounts: []string{"shop", "shpo", "operator"}}})
	if _, err := c.AddAccount(gateway.NewAccount{Key: "shop", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	found, err := c.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var about []string
	for _, f := range found {
		if strings.Contains(f.What, "does not exist") {
			about = append(about, f.What)
		}
	}
	if len(about) != 1 || !strings.Contains(about[0], "account shpo") {
		t.Errorf("got %q, want a warning about shpo alone", about)
	}
}

// TestHomeless: the doctor names a message that no modem is for, behind any number of others.
func TestHomeless(t *testing.T) {
	t.Parallel()
	c := startCrew(t, newFile(t), &stick{name: "german", rules: gateway.ModemRules{Prefixes: []string{"49"}}})
	c.pause("german")
	for range 250 {
		c.send("+4912")
	}
	lost := c.send("+43123")
	found, err := c.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Severity == gateway.Warn && strings.Contains(f.What, "Message "+lost.String()+" waits in vain") {
			return
		}
	}
	t.Errorf("the doctor says nothing of message %s: %v", lost, found)
}

// TestLongTextHasItsTurn: a long text that a budget has no room for, but at the begin of a minute, is not kept waiting by
// the short ones of other accounts for ever.
func TestLongTextHasItsTurn(t *testing.T) {
	t.Parallel()
	s := &stick{name: "one", rules: gateway.ModemRules{PerMinute: 2}}
	c := startCrew(t, newFile(t), s)
	now := time.Now().UTC()
	c.ahead.Store(int64(now.Truncate(time.Minute).Add(5 * time.Second).Sub(now)))
	for _, key := range []string{"a", "b", "c"} {
		if _, err := c.AddAccount(gateway.NewAccount{Key: key, Password: "secret"}); err != nil {
			t.Fatal(err)
		}
	}
	send := func(account, to, text string) store.ID {
		id, err := c.SendText(t.Context(), account, to, text)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	c.wantDelivered(send("c", "+4931", "hello")) // so that it is c's turn at the begin of each minute
	c.wantDelivered(send("b", "+4932", "hello"))
	long := send("a", "+499", strings.Repeat("long text ", 40))
	for n := range 10 {
		send("b", fmt.Sprint("+491", n), "hello")
		send("c", fmt.Sprint("+492", n), "hello")
	}
	for range 3 {
		waitFor(t, "the minute's budget to be used up", func() bool {
			return strings.Contains(c.view("one").Waiting, "budget")
		})
		c.pass(time.Minute)
	}
	waitFor(t, "the long text to be begun", func() bool { return c.message(long).Parts[0].Attempts > 0 })
}

// TestClockSetForward: what is due by a clock that was set, or on a machine that slept, goes out though nobody tells.
func TestClockSetForward(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	s := &stick{name: "one", answer: func(string) string {
		if refused.Swap(true) {
			return ""
		}
		return "+CMS ERROR: 38"
	}}
	c := startCrew(t, newFile(t), s)
	id := c.send("+491")
	waitFor(t, "the refusal", func() bool { return c.message(id).Refusals == 1 })
	c.ahead.Store(int64(50 * time.Minute))
	c.wantDelivered(id)
}

// TestNothingBeginsAfterPause: when a pause is told, no message is begun any more, not even one whose prompt has come.
func TestNothingBeginsAfterPause(t *testing.T) {
	t.Parallel()
	c := startCrew(t, newFile(t), &stick{name: "one"})
	for n := range 300 {
		c.send(fmt.Sprint("+49", 1000+n))
	}
	for range 60 {
		time.Sleep(2 * time.Millisecond)
		c.pause("one")
		waiting, err := c.Messages(store.Filter{Limit: 300, States: []store.State{store.Queued}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Millisecond)
		for _, m := range waiting {
			if c.message(m.ID).Parts[0].Attempts > 0 {
				t.Fatalf("message %s was begun after the pause", m.ID)
			}
		}
		c.resume("one")
	}
}

// TestStopSending: what is on the air comes to its end; nothing is begun any more, and all else goes on.
func TestStopSending(t *testing.T) {
	t.Parallel()
	answer, release := hold("491")
	one := &stick{name: "one", answer: answer}
	c := startCrew(t, newFile(t), one)
	onAir := c.send("+491")
	waitFor(t, "the first on the air", func() bool { return len(one.texts()) == 1 })
	ids := []store.ID{c.send("+492"), c.send("+493")}
	c.StopSending()
	release()
	c.wantDelivered(onAir)
	ids = append(ids, c.send("+494"))
	time.Sleep(50 * time.Millisecond)
	for _, id := range ids {
		if m := c.message(id); m.State != store.Queued || m.Parts[0].Attempts > 0 {
			t.Errorf("message %s is %s after %d tries", id, m.State, m.Parts[0].Attempts)
		}
	}
	if got := one.texts(); len(got) != 1 {
		t.Errorf("sent: %v", got)
	}
}

// TestOneNumberAtTheHead: hundreds of an account's texts to one number, which go one after the other, don't keep a second
// modem from the account's others; and they leave in the order in which they came.
func TestOneNumberAtTheHead(t *testing.T) {
	t.Parallel()
	answer, release := hold("491")
	one, two := &stick{name: "one", answer: answer}, &stick{name: "two", answer: answer}
	c := startCrewThatHolds(t, time.Minute, newFile(t), one, two)
	c.pause("two")
	ids := []store.ID{c.send("+491")}
	waitFor(t, "the first on the air", func() bool { return len(one.texts()) == 1 })
	for range 260 {
		ids = append(ids, c.send("+491"))
	}
	others := []store.ID{c.send("+492"), c.send("+493"), c.send("+494")}
	c.resume("two")
	// One of them is kept ready behind the text on the air.
	waitFor(t, "the second modem to send the others", func() bool { return len(two.texts()) >= len(others)-1 })
	if got := one.texts(); len(got) != 1 {
		t.Errorf("the first modem sent to %v meanwhile", got)
	}
	release()
	c.wantDelivered(others...)
	c.wantDelivered(ids...)
	for n, id := range ids[1:] {
		if a, b := c.message(ids[n]), c.message(id); b.Parts[0].ClaimedAt.Before(a.Parts[0].SentAt) {
			t.Fatalf("text %d to the number was handed over at %s, before the one before it was sent at %s", n+1,
				b.Parts[0].ClaimedAt, a.Parts[0].SentAt)
		}
	}
}
