package scenario

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// cancelFlag is for: go test ./scenario -run TestCancelAgainstPrompt -v -cancels 3000
var cancelFlag = flag.Int("cancels", 150, "messages that TestCancelAgainstPrompt cancels at about the prompt")

// TestCancelAgainstPrompt has cancel_sm come about when a modem shows the prompt for the message, over and over, through the
// whole gateway: what was answered 0 never reaches a phone, and what was answered ESME_RCANCELFAIL does, once.
func TestCancelAgainstPrompt(t *testing.T) {
	r := start(t, plan{modems: 2, simulated: func(_ int, c *sim.Config) { c.ReportDelay = 20 * time.Millisecond }})
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	cancelled := make(map[string]bool) // by text
	ids := make(map[string]string)
	wait, won := 2*time.Millisecond, 0
	for n := range *cancelFlag {
		text := fmt.Sprintf("text %d of the race", n)
		id := r.submit(fmt.Sprintf("49155%07d", n), text)
		time.Sleep(rand.N(wait + time.Microsecond))
		err := r.client.Cancel(&smpp.CancelSM{MessageID: id})
		var status smpp.Status
		switch {
		case err == nil:
			cancelled[text] = true
			wait += wait / 8 // so that the two go on meeting
			won++
		case errors.As(err, &status) && status == smpp.StatusCancelFail:
			wait = max(wait-wait/8, 100*time.Microsecond)
		default:
			t.Fatalf("cancel_sm of %s: %v", id, err)
		}
		ids[text] = id
		if rnd.IntN(50) == 0 {
			time.Sleep(20 * time.Millisecond) // the modems have nothing to do for a while
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		counts, err := r.g.Counts()
		if err != nil {
			t.Fatal(err)
		}
		if counts[store.Deleted] == uint64(won) && counts[store.Delivered] == uint64(*cancelFlag-won) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d cancelled of %d, but %v", won, *cancelFlag, counts)
		}
	}
	time.Sleep(200 * time.Millisecond) // for what must not come
	arrived := r.arrived()
	for text, id := range ids {
		m := r.message(id)
		switch {
		case cancelled[text] && (arrived[text] != 0 || m.State != store.Deleted):
			t.Errorf("message %s was cancelled, is %s, and arrived %d times", id, m.State, arrived[text])
		case !cancelled[text] && (arrived[text] != 1 || m.State != store.Delivered):
			t.Errorf("message %s was not cancelled, is %s, and arrived %d times", id, m.State, arrived[text])
		}
	}
	t.Logf("%d cancelled in time, %d too late (last wait up to %s)", won, *cancelFlag-won, wait)
	if won < *cancelFlag/10 || won > *cancelFlag*9/10 {
		t.Error("there was hardly a race")
	}
}
