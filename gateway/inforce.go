package gateway

import (
	"time"

	"smsgateway/store"
)

// Defaults are those of Options that may change while the gateway runs. They mean what they mean there; a zero value is the
// default.
type Defaults struct {
	Keep          time.Duration
	Validity      time.Duration
	UncertainWait time.Duration
	Uncertain     string
	MaxParts      int
	Alphabet      string
	MaxSessions   int
	Inbound       []InboundRule
	InboundTo     string
	InboundWait   time.Duration
}

// Reconfigure puts settings in force: for each message from then on, and for each bind. It may be called at any time. What
// was written down with a message, as its validity, stays.
func (g *Gateway) Reconfigure(s Defaults) {
	o := Options{
		Keep: s.Keep, Validity: s.Validity, UncertainWait: s.UncertainWait, Uncertain: s.Uncertain, MaxParts: s.MaxParts,
		Alphabet: s.Alphabet, MaxSessions: s.MaxSessions, Inbound: s.Inbound, InboundTo: s.InboundTo, InboundWait: s.InboundWait,
	}.withDefaults()
	g.inForce.Store(o.defaults())
	g.db.Reconfigure(o.storeSettings())
	g.timers.set() // long texts may be waited for less long
	g.warnInbound()
}

func (o Options) defaults() *Defaults {
	return &Defaults{
		Keep: o.Keep, Validity: o.Validity, UncertainWait: o.UncertainWait, Uncertain: o.Uncertain, MaxParts: o.MaxParts,
		Alphabet: o.Alphabet, MaxSessions: o.MaxSessions, Inbound: o.Inbound, InboundTo: o.InboundTo, InboundWait: o.InboundWait,
	}
}

func (o Options) storeSettings() store.Settings {
	return store.Settings{
		Keep: o.Keep, UncertainWait: o.UncertainWait, InboundWait: o.InboundWait, Uncertain: store.UncertainPolicy(o.Uncertain),
	}
}

// defaults are those in force. Who needs the same twice asks once.
func (g *Gateway) defaults() *Defaults {
	if s := g.inForce.Load(); s != nil {
		return s
	}
	return g.opt.defaults() // those it was made with
}
