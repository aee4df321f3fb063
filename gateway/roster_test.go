package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/store"
)

// TestRemoveModem: what a modem has on the air goes to its end before its line is closed, what is ready behind it goes to
// another, and none is sent twice.
func TestRemoveModem(t *testing.T) {
	t.Parallel()
	answer, release := hold("490")
	one := &stick{name: "one", answer: answer}
	c := startCrew(t, newFile(t), one)
	first := c.send("490")
	waitFor(t, "the first on the air", func() bool { return len(one.texts()) == 1 })
	second := c.send("491")
	removed := make(chan struct{})
	go func() {
		c.RemoveModem("one")
		close(removed)
	}()
	waitFor(t, "the modem to be leaving", func() bool { return c.view("one").Waiting != "" })
	c.addStick(t, "two")
	select {
	case <-removed:
		t.Fatal("the modem was removed with a text on the air")
	case <-time.After(100 * time.Millisecond):
	}
	c.wantBy("two", second)
	release()
	<-removed
	c.wantBy("one", first)
	if list := c.Modems(); len(list) != 1 || list[0].Name != "two" {
		t.Errorf("the modems are %+v", list)
	}
	c.RemoveModem("one") // is nothing any more
	if got := one.texts(); !slices.Equal(got, []string{"490"}) {
		t.Errorf("it was given %q", got)
	}
}

// addStick adds a modem to a gateway that runs.
func (c *crew) addStick(t *testing.T, name string) {
	phone := sim.New(sim.Config{ICCID: "8949010000000009999"})
	c.AddModem(modem.Config{Name: name, Log: slog.New(slog.DiscardHandler), Timing: quick(time.Second),
		Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
			here, there := net.Pipe()
			go func() {
				phone.Serve(ctx, there)
				there.Close()
			}()
			return here, nil
		}}, gateway.ModemRules{})
}

// TestRulesChange: other rules hold for messages that wait already.
func TestRulesChange(t *testing.T) {
	t.Parallel()
	rules := gateway.ModemRules{Prefixes: []string{"49"}}
	c := startCrew(t, newFile(t), &stick{name: "one", rules: rules}, &stick{name: "two", rules: rules})
	waiting := []store.ID{c.send("431"), c.send("432")}
	time.Sleep(50 * time.Millisecond) // they were looked at, and left
	if err := c.SetModemRules("two", gateway.ModemRules{Prefixes: []string{"43"}}); err != nil {
		t.Fatal(err)
	}
	c.wantBy("two", waiting...)
	c.wantBy("one", c.send("491"))
	if err := c.SetModemRules("none", rules); err == nil {
		t.Error("a modem that is not there got rules")
	}
	c.OrderModems([]string{"two", "one"})
	if list := c.Modems(); list[0].Name != "two" || list[1].Name != "one" {
		t.Errorf("the modems are in the order %s, %s", list[0].Name, list[1].Name)
	}
}

// TestReconfigure: settings count from the next message on.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	c := startCrew(t, newFile(t))
	before := c.message(c.send("491"))
	c.Reconfigure(gateway.Defaults{Validity: time.Hour})
	after := c.message(c.send("492"))
	if got := before.Expires.Sub(before.Accepted); got != 24*time.Hour {
		t.Errorf("the first is valid for %s", got)
	}
	if got := after.Expires.Sub(after.Accepted); got != time.Hour {
		t.Errorf("the second is valid for %s", got)
	}
}

// TestReconfigureIsShown: what the operator is told of an account that has a setting unset is what holds by now.
func TestReconfigureIsShown(t *testing.T) {
	t.Parallel()
	c := startCrew(t, newFile(t))
	c.Reconfigure(gateway.Defaults{
		MaxParts: 3, Rate: "2/s", MaxSessions: 4, Window: 5, Destinations: "+49", Limits: store.QueueLimits{PerDay: 6},
	})
	got := c.Defaults()
	for name, want := range map[string]string{
		"max_parts": "3", "rate": "2/s", "max_sessions": "4", "window": "5", "destinations": "+49", "per_day": "6", "alphabet": "auto",
	} {
		if got[name] != want {
			t.Errorf("%s is %q by default, want %q", name, got[name], want)
		}
	}
}
