package store

import "time"

// Forever is an UncertainWait: doubt ends with validity.
const Forever = 100 * 365 * 24 * time.Hour

// Settings are those of Options that may change while the file is open. They mean what they mean there; a zero value is the
// default.
type Settings struct {
	Keep          time.Duration
	UncertainWait time.Duration
	InboundWait   time.Duration
	Uncertain     UncertainPolicy
	Limits        QueueLimits
}

// Reconfigure puts settings in force for what happens from now on. When a message next changes by itself was written down
// with its last change, and stays so until then, as over a restart.
func (db *DB) Reconfigure(s Settings) {
	o := Options{Keep: s.Keep, UncertainWait: s.UncertainWait, InboundWait: s.InboundWait, Uncertain: s.Uncertain, Limits: s.Limits}.withDefaults()
	db.inForce.Store(o.settings())
}

func (o Options) settings() *Settings {
	return &Settings{Keep: o.Keep, UncertainWait: o.UncertainWait, InboundWait: o.InboundWait, Uncertain: o.Uncertain, Limits: o.Limits}
}

// settings are those in force. Who needs the same twice asks once.
func (db *DB) settings() *Settings { return db.inForce.Load() }
