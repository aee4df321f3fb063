package gateway

import (
	"fmt"
	"time"

	"smsgateway/modem"
)

// StateWords says what a modem's state means: what follows "it" or the modem's name. One that an operator restarted is told
// of as such until it can send again.
func StateWords(st modem.Status) string {
	if !st.Restarted.IsZero() && (st.State == modem.StateOpening || st.State == modem.StateInitialising) {
		return "is being restarted for the operator"
	}
	return wordsOf(st.State)
}

func wordsOf(s modem.State) string {
	switch s {
	case modem.StateStopped:
		return "is not started"
	case modem.StateOpening:
		return "is being opened"
	case modem.StateMissing:
		return "is not there"
	case modem.StateInitialising:
		return "is being set up"
	case modem.StateSIM:
		return "can't use its SIM"
	case modem.StateSearching:
		return "has no network"
	case modem.StateReady:
		return "is ready"
	case modem.StateSending:
		return "is sending"
	}
	return "does not work"
}

// errorSlack is how far an error and the change of state that it brings may lie apart.
const errorSlack = 2 * time.Second

// IsOldError tells whether the last error of a modem is of a time before its state, or before an operator restarted it.
func IsOldError(st modem.Status) bool {
	return !st.LastErrorAt.IsZero() &&
		(st.LastErrorAt.Before(st.Since.Add(-errorSlack)) || st.LastErrorAt.Before(st.Restarted))
}

// slowAnswer is after how long it is said of a modem that it has not answered to a text; most take a few seconds.
const slowAnswer = 10 * time.Second

// Awaited says in a sentence that a modem has a text and has not answered for longer than usual, so that nothing else is
// sent; "" where that is not so.
func Awaited(st modem.Status, now time.Time) string {
	switch {
	case st.Awaiting.IsZero():
		return ""
	case st.State == modem.StateOpening:
		return fmt.Sprintf("It was given a text at %s, before its line was opened; the answer is listened for until %s, and "+
			"nothing is sent meanwhile.", clock(st.Awaiting), clock(st.AwaitedUntil))
	case now.Sub(st.Awaiting) < slowAnswer:
		return ""
	}
	return fmt.Sprintf("It was given a text at %s and has not answered; it is waited for until %s, and nothing else is sent "+
		"meanwhile.", clock(st.Awaiting), clock(st.AwaitedUntil))
}

// IsOpen tells whether a modem's line is open in that state, so that what it said of its network is not of the past.
func IsOpen(s modem.State) bool {
	switch s {
	case modem.StateSIM, modem.StateSearching, modem.StateReady, modem.StateSending:
		return true
	}
	return false
}

// lastError says the last error of a modem behind a sentence, and whether it is older than its state; "" none.
func lastError(st modem.Status) string {
	switch {
	case st.LastError == "":
		return ""
	case IsOldError(st):
		return " Before that: " + st.LastError
	}
	return " The last error: " + st.LastError
}
