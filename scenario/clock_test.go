package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
	"smsgateway/store"
)

// setClock is a machine whose wall clock a test sets, and on which time may pass at once.
type setClock struct {
	start   time.Time
	ahead   atomic.Int64 // of the wall clock, beside what passes
	skipped atomic.Int64
	clock   *gateway.Clock // of the gateway
}

func (c *setClock) mono() time.Duration { return time.Since(c.start) + time.Duration(c.skipped.Load()) }

func (c *setClock) wall() time.Time {
	return c.start.Round(0).Add(c.mono() + time.Duration(c.ahead.Load()))
}

// set sets the wall clock.
func (c *setClock) set(to time.Time) { c.ahead.Add(int64(to.Sub(c.wall()))) }

// skip lets time pass.
func (c *setClock) skip(d time.Duration) { c.skipped.Add(int64(d)) }

// startAt is a rig on such a machine.
func startAt(t *testing.T, c *setClock, p plan) *rig {
	t.Helper()
	c.clock = gateway.NewClock(c.wall, c.mono)
	p.options = func(o *gateway.Options) { o.Clock = c.clock }
	return start(t, p)
}

// nudge has the timers looked at: they don't know that time was skipped.
func (r *rig) nudge() { r.g.Reconfigure(gateway.Defaults{UncertainWait: 2 * time.Second}) }

// pause has no modem take anything, or all again.
func (r *rig) pause(on bool) {
	r.t.Helper()
	for _, m := range r.g.Modems() {
		var err error
		if on {
			err = r.g.PauseModem(m.Name, "for a test")
		} else {
			err = r.g.ResumeModem(m.Name)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// submitTimed is submit with times as in SMPP.
func (r *rig) submitTimed(to, text, schedule, validity string) string {
	r.t.Helper()
	id, err := r.client.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: to}, RegisteredDelivery: 1,
		ScheduleDeliveryTime: schedule, ValidityPeriod: validity, ShortMessage: []byte(text)})
	if err != nil {
		r.t.Fatalf("submit_sm to %s: %v", to, err)
	}
	return id
}

func (r *rig) accepted(id string) time.Time {
	r.t.Helper()
	n, err := store.ParseID(id)
	if err != nil {
		r.t.Fatal(err)
	}
	v, err := r.g.Message(n)
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Accepted
}

// TestBoxWithoutBattery: it wakes up in 1970, takes texts, and some seconds later NTP tells the time. What waits then is sent,
// what was sent ends as it should, and all is dated by the true time.
func TestBoxWithoutBattery(t *testing.T) {
	c := &setClock{start: time.Now()}
	true0 := c.wall()
	c.set(time.Unix(20, 0))
	r := startAt(t, c, plan{})
	first := r.submit("491700000001", "in 1970")
	r.until("the first receipt", func() bool { return len(r.receiptsOf(first)) == 1 })
	r.pause(true)
	waits := r.submitTimed("491700000002", "waits", "", "000000000500000R") // five minutes
	r.pause(false)
	hour := r.submitTimed("491700000003", "in an hour", "000000010000000R", "")
	c.set(true0.Add(c.mono()))
	r.until("the true time", func() bool { return c.wall().Sub(r.accepted(hour)).Abs() < time.Minute })
	r.until("the one that waited", func() bool { return len(r.receiptsOf(waits)) == 1 })
	if got := r.state(hour); got != smpp.StateEnroute {
		t.Errorf("what is for later is %s", got)
	}
	if got := r.state(first); got != smpp.StateDelivered {
		t.Errorf("what was sent is %s", got)
	}
	c.skip(time.Hour)
	r.nudge()
	r.until("what was for later", func() bool { return len(r.receiptsOf(hour)) == 1 })
	for text, n := range r.arrived() {
		if n != 1 {
			t.Errorf("%q reached its phone %d times", text, n)
		}
	}
}

// told tells whether all that was not scheduled has its receipt.
func (r *rig) told(ids map[string]string) bool {
	for text, id := range ids {
		var n int
		fmt.Sscanf(text, "text %d", &n)
		if n%6 != 0 && len(r.receiptsOf(id)) == 0 {
			return false
		}
	}
	return true
}

// TestClockIsSet: whatever the clock is set to while messages wait, are scheduled and are sent, and back again, each is sent
// once and told once. The seed is printed.
func TestClockIsSet(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	c := &setClock{start: time.Now()}
	r := startAt(t, c, plan{modems: 2})
	true0 := c.wall()
	jumps := []time.Duration{time.Minute, 59 * time.Minute, 61 * time.Minute, 24 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour,
		time.Unix(1, 0).Sub(true0), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).Sub(true0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Sub(true0)}
	ids := map[string]string{}
	for n := range 24 {
		text := fmt.Sprintf("text %d", n)
		schedule := ""
		if n%6 == 0 {
			schedule = "000000000030000R"
		}
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
		ids[text] = r.submitTimed(fmt.Sprintf("4917000001%02d", n), text, schedule, "000000120000000R")
		switch by := jumps[random.IntN(len(jumps))]; n % 4 {
		case 0:
			c.set(true0.Add(c.mono() + by))
		case 1:
			c.set(true0.Add(c.mono() - by%(300*24*time.Hour)))
		case 2: // long enough to be believed
			r.until("the receipts of what was not scheduled", func() bool { return r.told(ids) })
			c.skip(16 * time.Minute)
			r.nudge()
			r.until("the step", func() bool { return !c.clock.Doubted() })
			time.Sleep(500 * time.Millisecond) // no minutes pass while all is dated anew
		case 3:
			c.set(true0.Add(c.mono()))
		}
	}
	c.set(true0.Add(c.mono()))
	r.state(ids["text 23"]) // whoever asks for the time sees that it was set
	c.skip(16 * time.Minute)
	r.nudge()
	r.until("the true time", func() bool { return c.wall().Sub(r.accepted(ids["text 23"])).Abs() < time.Hour })
	time.Sleep(500 * time.Millisecond)
	c.skip(time.Minute)
	r.nudge()
	r.until("a receipt for each", func() bool {
		for _, id := range ids {
			if len(r.receiptsOf(id)) == 0 {
				return false
			}
		}
		return true
	})
	arrived := r.arrived()
	for text, id := range ids {
		if n := arrived[text]; n != 1 {
			t.Errorf("%q reached its phone %d times", text, n)
		}
		if got := r.receiptsOf(id); !slices.Equal(got, []string{"DELIVERED"}) {
			t.Errorf("the receipts of %q say %q", text, got)
		}
	}
}
