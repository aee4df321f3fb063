package gateway

import (
	"math/rand/v2"
	"time"
)

// Waits are the pauses between tries (delivery-semantics, section 7). The zero value of each field has the default named.
// Tests shorten them.
type Waits struct {
	Refused    []time.Duration // of a message, after its first, second ... refusal: 30 s, 1, 2, 5, 15, 30, 60 min; the last for all further ones
	Soon       time.Duration   // of a message that met with a SIM or a modem that was busy: 5 s
	Mishap     time.Duration   // of a modem that could not begin, so that a sick one is not hammered: 1 s
	Barred     time.Duration   // of a SIM that may not send: 15 min, doubled with each further message
	BarredMost time.Duration   // the longest of these: 4 h
	Rest       time.Duration   // of a modem in trouble: 5 s, doubled while it goes on
	RestMost   time.Duration   // the longest of these: 1 min
}

func (w Waits) withDefaults() Waits {
	if len(w.Refused) == 0 {
		w.Refused = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	}
	for _, f := range []struct {
		at *time.Duration
		d  time.Duration
	}{
		{&w.Soon, 5 * time.Second},
		{&w.Mishap, time.Second},
		{&w.Barred, 15 * time.Minute},
		{&w.BarredMost, 4 * time.Hour},
		{&w.Rest, 5 * time.Second},
		{&w.RestMost, time.Minute},
	} {
		if *f.at <= 0 {
			*f.at = f.d
		}
	}
	return w
}

// backOff is the wait after one more refusal, ±20 % so that what was refused together does not come back together.
func (w Waits) backOff(former int) time.Duration {
	wait := w.Refused[min(max(former, 0), len(w.Refused)-1)]
	return wait*4/5 + rand.N(wait*2/5)
}
