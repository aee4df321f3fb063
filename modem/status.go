package modem

import (
	"context"
	"time"
)

// State is what a modem is doing, in a word.
type State string

// The states. A send may start in StateReady, and waits its turn in StateSending.
const (
	StateStopped      State = "stopped"      // Run has not been called, or has ended
	StateOpening      State = "opening"      // the line is being opened
	StateMissing      State = "missing"      // there is no such device
	StateInitialising State = "initialising" // the modem is being set up
	StateSIM          State = "sim"          // the SIM is missing, locked or busy
	StateSearching    State = "searching"    // not registered with a network
	StateReady        State = "ready"        // waiting for work
	StateSending      State = "sending"      // a text is on its way
	StateFailed       State = "failed"       // the line or the modem does not work; it is tried again
)

// canSend tells whether a send may start, or wait for its turn.
func (s State) canSend() bool { return s == StateReady || s == StateSending }

// Status is a snapshot of a modem for people. The counters run since New.
type Status struct {
	Name, Port string
	State      State
	Since      time.Time // when State was entered; of StateReady and StateSending, since when it can send
	Identity
	Operator         string    // name of the network, "" unknown
	Registration     int       // <stat> of +CREG, +CGREG or +CEREG: the best of them (TS 27.007 §7.2)
	RegistrationText string    // the same for people
	Unregistered     time.Time // since when that carries no texts; zero: it does, or nothing is known
	Signal           int       // dBm, -113 to -51; 0 unknown
	SMSC             string    // number of the service centre, "" unknown
	Reports          bool      // status reports will come
	ReportsStored    bool      // and come through the modem's memory, not directly
	Store            string    // memory in which texts arrive, "SM" or "ME"; "" the modem's own choice
	KeepsLink        bool      // it has AT+CMMS: the link to the service centre stays open between texts
	LastError        string    // a sentence; it stays when the trouble is over
	LastErrorAt      time.Time
	Restarted        time.Time // when it was restarted for an operator; zero once it can send again
	Sent             uint64    // texts that the network took
	Refused          uint64    // texts that the network or the modem refused
	Uncertain        uint64    // texts of which neither is known
	Received         uint64    // texts and status reports that the Receiver took
	Texts            uint64    // texts from phones among them
	Opens            uint64    // how often the line was opened

	Awaiting     time.Time // since when the modem has a text and its answer is waited for; zero: none is
	AwaitedUntil time.Time // until when

	Memory string // why nothing more can be received, a sentence; "": there is room for texts

	Unwell    time.Time // since when something had to be done about it; zero: it is well
	Ladder    []Climb   // what was done since then, in the order of the rungs
	Climbed   []Climb   // the same since New
	Down      bool      // it has been out of work for longer than Timing.Alarm
	DownCause string    // why, in words
}

// Status returns a snapshot. It may be called from any goroutine.
func (m *Modem) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// state returns Status().State.
func (m *Modem) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status.State
}

// Ready waits until a send may start: line open, modem set up, SIM usable, registered. It returns who will send.
func (m *Modem) Ready(ctx context.Context) (Identity, error) {
	for {
		m.mu.Lock()
		up, ready, id := m.up, m.status.State.canSend(), m.status.Identity
		m.mu.Unlock()
		if ready {
			return id, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return Identity{}, ctx.Err()
		}
	}
}

// setState enters a state, wakes those whom it concerns, and tells whether it is another one than before.
func (m *Modem) setState(s State) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.status.State
	if was == s {
		return false
	}
	m.status.State = s
	if !s.canSend() || !was.canSend() {
		m.status.Since = m.cfg.Now()
	}
	switch {
	case s.canSend() && !was.canSend():
		m.down = make(chan struct{})
		close(m.up)
		m.status.Restarted = time.Time{}
	case !s.canSend() && was.canSend():
		m.up = make(chan struct{})
		close(m.down)
	}
	return true
}

// update changes the snapshot; its state is setState's.
func (m *Modem) update(change func(*Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}

// awaits notes for people since when and until when the answer to a text is waited for; zero: none is.
func (m *Modem) awaits(since, until time.Time) {
	if !until.IsZero() {
		until = m.cfg.Now().Add(time.Until(until))
	}
	m.update(func(st *Status) { st.Awaiting, st.AwaitedUntil = since, until })
}

// trouble keeps err as the last error, in words for people, and tells whether it is another one than before.
func (m *Modem) trouble(err error) bool {
	text := Explain(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	again := m.status.LastError == text
	m.status.LastError, m.status.LastErrorAt = text, m.cfg.Now()
	return !again
}

// registration says the <stat> of +CREG in words, and whether texts can be sent in it (TS 27.007 §7.2).
func registration(stat int) (text string, sms bool) {
	switch stat {
	case 0:
		return "not registered and not searching", false
	case 1:
		return "registered, home network", true
	case 2:
		return "searching for a network", false
	case 3:
		return "registration denied: the SIM or its account is not accepted", false
	case 5:
		return "registered, roaming", true
	case 6:
		return "registered for SMS only, home network", true
	case 7:
		return "registered for SMS only, roaming", true
	case 8:
		return "emergency calls only", false
	case 9:
		return "registered without preference for calls, home network", true
	case 10:
		return "registered without preference for calls, roaming", true
	}
	return "registration unknown", false
}
