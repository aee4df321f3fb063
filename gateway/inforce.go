package gateway

import (
	"time"

	"smsgateway/store"
)

// Defaults are those of Options that may change while the gateway runs. A zero value is the default.
type Defaults struct {
	Keep          time.Duration // how long a status is answerable after the send event; default 24 h
	Validity      time.Duration // validity of a message whose ESME gives none; default 24 h
	UncertainWait time.Duration // how long evidence is awaited for an uncertain part; default 15 min

	// Of accounts that name no other.
	Uncertain   string // policy: report, never, resend; default report
	MaxParts    int    // most parts of a message; 1-255, default 10
	Alphabet    string // what data_coding 0 means; default auto
	MaxSessions int    // sessions at a time; default 10
	Window      int    // requests of a session in work; default 100

	// Limits of accounts that name no other; the zero values are none. Rate and Destinations are as in the settings.
	Rate, Destinations string
	Limits             store.QueueLimits

	BanAfter int           // wrong binds after which an address is banned; below 0 never, default 20
	BanTime  time.Duration // for how long; default 10 min

	Inbound     []InboundRule // which account gets a text from a phone
	InboundTo   string        // Account Key that gets those that no rule fits; "" is the oldest account
	InboundWait time.Duration // how long the parts of a long text from a phone are waited for; default 1 h

	// ResubmitWindow is how long a submit_sm with the same user_message_reference and content is taken for the same message, of
	// accounts that name no other; default 10 min, below 0 never.
	ResubmitWindow time.Duration

	// EraseWithin is how long texts may be found in the file after they were deleted; default 24 h, below 0 for ever.
	EraseWithin time.Duration
}

// Reconfigure puts settings in force: for each message from then on, and for each bind; a narrower window and a number of sessions
// for those that are bound, too. It may be called at any time. What was written down with a message, as its validity, stays.
func (g *Gateway) Reconfigure(d Defaults) {
	o := Options{Defaults: d}.withDefaults()
	g.inForce.Store(&o.Defaults)
	g.db.Reconfigure(o.storeSettings())
	g.auth.guard.set(o.BanAfter, o.BanTime)
	g.timers.set() // long texts may be waited for less long
	g.enforceAll()
	g.warnInbound()
}

func (o Options) storeSettings() store.Settings {
	return store.Settings{
		Keep: o.Keep, UncertainWait: o.UncertainWait, InboundWait: o.InboundWait, Uncertain: store.UncertainPolicy(o.Uncertain),
		Limits: o.Limits,
	}
}

// defaults are those in force. Who needs the same twice asks once.
func (g *Gateway) defaults() *Defaults {
	if s := g.inForce.Load(); s != nil {
		return s
	}
	return &g.opt.Defaults // those it was made with
}
