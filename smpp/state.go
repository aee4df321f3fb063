package smpp

import "fmt"

// MessageState is a message_state (SMPP 3.4 §5.2.28).
type MessageState uint8

// The states of a message. All but StateEnroute are final. StateAccepted is "read by an operator on behalf of the
// subscriber", not "accepted by the message centre".
const (
	StateEnroute       MessageState = 1
	StateDelivered     MessageState = 2
	StateExpired       MessageState = 3
	StateDeleted       MessageState = 4
	StateUndeliverable MessageState = 5
	StateAccepted      MessageState = 6
	StateUnknown       MessageState = 7
	StateRejected      MessageState = 8
)

// stateNames holds the name of each state in the specification and its word in a receipt (appendix B).
var stateNames = [...][2]string{
	StateEnroute:       {"ENROUTE", "ENROUTE"},
	StateDelivered:     {"DELIVERED", "DELIVRD"},
	StateExpired:       {"EXPIRED", "EXPIRED"},
	StateDeleted:       {"DELETED", "DELETED"},
	StateUndeliverable: {"UNDELIVERABLE", "UNDELIV"},
	StateAccepted:      {"ACCEPTED", "ACCEPTD"},
	StateUnknown:       {"UNKNOWN", "UNKNOWN"},
	StateRejected:      {"REJECTED", "REJECTD"},
}

func (s MessageState) known() bool { return s >= StateEnroute && s <= StateRejected }

// String is the name of the specification ("UNDELIVERABLE").
func (s MessageState) String() string {
	if !s.known() {
		return fmt.Sprintf("MessageState(%d)", uint8(s))
	}
	return stateNames[s][0]
}

// Stat is the word for the state in a receipt, seven characters ("UNDELIV"); UNKNOWN for a number that is no state.
func (s MessageState) Stat() string {
	if !s.known() {
		s = StateUnknown
	}
	return stateNames[s][1]
}

// Final tells a state that does not change any more.
func (s MessageState) Final() bool { return s.known() && s != StateEnroute }

// stateOfStat finds the state for the word of a receipt.
func stateOfStat(stat string) (MessageState, bool) {
	for s := StateEnroute; s <= StateRejected; s++ {
		if stateNames[s][1] == stat {
			return s, true
		}
	}
	return 0, false
}
