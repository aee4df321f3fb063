package gateway

import (
	"time"

	"smsgateway/modem"
)

// StateWords says what a modem's state means: what follows "it" or the modem's name.
func StateWords(s modem.State) string {
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

// IsOldError tells whether the last error of a modem is of a time before its state.
func IsOldError(st modem.Status) bool {
	return !st.LastErrorAt.IsZero() && st.LastErrorAt.Before(st.Since.Add(-errorSlack))
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
