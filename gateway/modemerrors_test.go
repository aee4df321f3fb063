package gateway

import (
	"testing"

	"smsgateway/modem"
	"smsgateway/store"
)

// TestModemErrorsEndNothing: whatever is wrong with SIM, memory, service or modem, and however often, no message ends by it, nor
// does it count against one (I19).
func TestModemErrorsEndNothing(t *testing.T) {
	blameless := func(cause error) bool {
		switch modem.Classify(cause) {
		case modem.ClassNoService, modem.ClassSIM, modem.ClassMemory, modem.ClassModem:
			return true
		}
		return false
	}
	seen := 0
	for code := range 1000 {
		for _, cause := range []error{modem.CMSError(code), modem.CMEError(code)} {
			if !blameless(cause) {
				continue
			}
			seen++
			for _, former := range []int{0, mostRefusals - 1, 1000} {
				if r := refusal(cause, former, Waits{}.withDefaults()); r.Final != 0 || r.Counted {
					t.Errorf("%v, after %d refusals: %+v", cause, former, r)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d codes are of these classes", seen)
	}

	b := newHandoff(t)
	id := b.text("hello")
	for _, code := range []int{302, 310, 322, 331} {
		for range mostRefusals + 1 {
			b.ends(b.give(id, 0), no(code))
			if m := b.message(id); m.State != store.Queued || m.Refusals != 0 {
				t.Fatalf("after error %d it is %s, and %d refusals count", code, m.State, m.Refusals)
			}
			b.later()
		}
	}
	b.ends(b.give(id, 0), nil)
	if m := b.message(id); m.State != store.Sent {
		t.Errorf("at last it is %s", m.State)
	}
}
