package sms

import "fmt"

// Status is TP-ST, what became of a Submit (TS 23.040 §9.2.3.15).
type Status uint8

// The statuses that callers treat on their own. Fate sorts all of them.
const (
	StatusReceived    Status = 0x00
	StatusUnconfirmed Status = 0x01 // passed on, and nobody will ever know more
)

// Fate is what a Status means for the message.
type Fate uint8

// The fates. All but FateTrying are final.
const (
	FateUnknown       Fate = iota // the message centre does not know the message
	FateTrying                    // not delivered yet; another report will follow
	FateDelivered                 // with the phone, or as good as (StatusUnconfirmed)
	FateUndeliverable             // given up, or impossible
	FateExpired                   // its validity ran out first
	FateDeleted                   // by its sender or by the message centre
)

func (f Fate) String() string {
	switch f {
	case FateUnknown:
		return "unknown"
	case FateTrying:
		return "trying"
	case FateDelivered:
		return "delivered"
	case FateUndeliverable:
		return "undeliverable"
	case FateExpired:
		return "expired"
	case FateDeleted:
		return "deleted"
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// Fate sorts the status. A reserved one above 0x7F is taken for 0x63, service rejected, as the specification wants it.
func (s Status) Fate() Fate {
	switch {
	case s <= 0x1F:
		return FateDelivered
	case s <= 0x3F:
		return FateTrying
	case s == 0x46:
		return FateExpired
	case s == 0x47, s == 0x48:
		return FateDeleted
	case s == 0x49:
		return FateUnknown
	}
	return FateUndeliverable
}

// String says in a sentence what happened, for people who know no telecom, with the code for those who do.
func (s Status) String() string {
	return fmt.Sprintf("%s (status 0x%02X)", s.sentence(), uint8(s))
}

func (s Status) sentence() string {
	switch s {
	case StatusReceived:
		return "the phone has received it"
	case StatusUnconfirmed:
		return "the network has passed it on and cannot tell whether it arrived"
	case 0x02:
		return "the network has replaced it with a newer message"
	case 0x46:
		return "its validity ran out before the phone could be reached"
	case 0x47:
		return "its sender had it deleted"
	case 0x48:
		return "the network's operator deleted it"
	case 0x49:
		return "the network does not know it any more"
	}
	switch s.Fate() {
	case FateDelivered:
		return "the network calls it completed"
	case FateTrying:
		return s.cause() + "; the network keeps trying"
	}
	return s.cause() + "; the network has given up"
}

// cause says why the phone did not get it. Trying (0x20), permanent (0x40) and given up (0x60) have their causes in rows of
// 32; those of the permanent row differ.
func (s Status) cause() string {
	if s >= 0x40 && s <= 0x5F {
		return s.permanentCause()
	}
	if s >= 0x80 {
		return "refused for a reason that has no name"
	}
	switch s & 0x1F {
	case 0x00:
		return "the network is congested"
	case 0x01:
		return "the phone is busy"
	case 0x02:
		return "the phone does not answer"
	case 0x03:
		return "the network or the phone refused the service"
	case 0x04:
		return "the quality of service is not available"
	case 0x05:
		return "the phone reported an error"
	}
	return "not delivered, for a reason of the network's own"
}

func (s Status) permanentCause() string {
	switch s {
	case 0x40:
		return "a remote part of the network failed"
	case 0x41:
		return "the destination cannot take such a message"
	case 0x42:
		return "the phone refused the connection"
	case 0x43:
		return "the number cannot be obtained"
	case 0x44:
		return "the quality of service is not available"
	case 0x45:
		return "no way leads into the other network"
	}
	return "not deliverable, for a reason of the network's own"
}
