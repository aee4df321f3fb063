package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Span is a time of Min at least and Max at most; each time is as likely.
type Span struct{ Min, Max time.Duration }

// Timings are how long things take. A zero Span stands for the duration of Config that is named behind it.
type Timings struct {
	Prompt   Span   // from AT+CMGS to the prompt; none
	Send     Span   // from Ctrl-Z to +CMGS, and from AT+CUSD to its answer; Latency
	Report   Span   // from +CMGS to the status report; ReportDelay
	Boot     Span   // how long a restart takes; BootTime
	Register Span   // from power-on, or from the PIN, to the network; RegisterAfter
	SIMBusy  Span   // from power-on, or from the PIN, to the end of "SIM busy"; SIMBusy
	Seed     uint64 // of the jitter
}

// TimingGSM is how long things take on 2G (gsm-modem §5: 3 to 6 s a text, confirmed 10 to 12 s after sending).
func TimingGSM() Timings {
	return Timings{
		Prompt:   Span{50 * time.Millisecond, 300 * time.Millisecond},
		Send:     Span{3 * time.Second, 6 * time.Second},
		Report:   Span{5 * time.Second, 15 * time.Second},
		Boot:     Span{8 * time.Second, 8 * time.Second},
		Register: Span{5 * time.Second, 20 * time.Second},
		SIMBusy:  Span{2 * time.Second, 6 * time.Second},
	}
}

// TimingLTE is how long things take on LTE with IMS (gsm-modem §5: 1 to 2 s a text).
func TimingLTE() Timings {
	return Timings{
		Prompt:   Span{10 * time.Millisecond, 50 * time.Millisecond},
		Send:     Span{time.Second, 2 * time.Second},
		Report:   Span{2 * time.Second, 5 * time.Second},
		Boot:     Span{8 * time.Second, 12 * time.Second},
		Register: Span{2 * time.Second, 8 * time.Second},
		SIMBusy:  Span{time.Second, 3 * time.Second},
	}
}

// TimingOf returns the timings of a name: "gsm", "lte", and "" or "instant" for none at all.
func TimingOf(name string) (Timings, error) {
	switch name {
	case "gsm":
		return TimingGSM(), nil
	case "lte":
		return TimingLTE(), nil
	case "", "instant":
		return Timings{}, nil
	}
	return Timings{}, fmt.Errorf("timing %q: there is none of that name: write gsm, lte or instant", name)
}

// source makes random numbers that are this modem's own and the same in each run.
func (m *Modem) source(seed uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(m.cfg.IMEI + "/" + m.cfg.ICCID))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// draw is a time of a span, or otherwise if the span is zero.
func (m *Modem) draw(s Span, otherwise time.Duration) time.Duration {
	switch {
	case s == Span{}:
		return otherwise
	case s.Max <= s.Min:
		return s.Min
	}
	return s.Min + time.Duration(m.jitter.Int64N(int64(s.Max-s.Min)))
}
