package modem

import (
	"errors"
	"fmt"
)

// Class says what an error of a modem is about, and so who has to do something: see Classify.
type Class uint8

// The classes of delivery-semantics §7.
const (
	ClassUnknown     Class = iota // none of the others, among them every error that is not a modem's answer
	ClassDestination              // this number cannot be reached, now or later
	ClassMessage                  // our PDU was not understood or is not allowed
	ClassBarred                   // the SIM may not send: no credit, barred, not subscribed
	ClassNetwork                  // the network or the service centre cannot do it for now
	ClassNoService                // not registered
	ClassSIM                      // the SIM is missing, locked, broken or busy
	ClassMemory                   // a memory of the modem or the SIM is full or broken
	ClassModem                    // the modem does not work, or is busy
	ClassSuspect                  // the modem gave up waiting: probably not sent, but nobody knows
	ClassDuplicate                // the service centre has this text already
)

// String returns the class as a word.
func (c Class) String() string {
	switch c {
	case ClassDestination:
		return "destination"
	case ClassMessage:
		return "message"
	case ClassBarred:
		return "barred"
	case ClassNetwork:
		return "network"
	case ClassNoService:
		return "no service"
	case ClassSIM:
		return "sim"
	case ClassMemory:
		return "memory"
	case ClassModem:
		return "modem"
	case ClassSuspect:
		return "suspect"
	case ClassDuplicate:
		return "duplicate"
	}
	return "unknown"
}

// codeClass is a range of codes, both ends in it, and its class.
type codeClass struct {
	from, to int
	class    Class
}

// cmsClasses is the table of delivery-semantics §7, and below 512 complete: the first range that fits decides. The
// vendors' codes are those of gsm-modem §1.11.
var cmsClasses = []codeClass{
	{1, 1, ClassDestination},
	{195, 196, ClassDestination},
	{197, 197, ClassDuplicate},
	{95, 97, ClassMessage}, // 98 is the protocol's state, not our PDU
	{99, 99, ClassMessage},
	{111, 111, ClassMessage},
	{128, 130, ClassMessage},
	{143, 145, ClassMessage},
	{159, 161, ClassMessage},
	{175, 176, ClassMessage},
	{198, 199, ClassMessage},
	{8, 8, ClassBarred},
	{10, 10, ClassBarred},
	{21, 21, ClassBarred},
	{28, 30, ClassBarred},
	{50, 50, ClassBarred},
	{69, 69, ClassBarred},
	{193, 193, ClassBarred},
	{208, 211, ClassMemory},
	{0, 299, ClassNetwork},
	{300, 303, ClassModem},
	{304, 305, ClassMessage},
	{310, 318, ClassSIM},
	{320, 322, ClassMemory},
	{330, 330, ClassModem},
	{331, 331, ClassNoService},
	{332, 332, ClassSuspect},
	{340, 340, ClassModem},
	{500, 500, ClassSuspect},
	{512, 514, ClassSuspect},
	{515, 515, ClassModem},
	{517, 517, ClassMessage},
	{519, 520, ClassMessage},
	{521, 521, ClassSuspect},
	{522, 522, ClassNetwork},
	{532, 532, ClassSIM},
	{535, 535, ClassModem},
	{538, 538, ClassMessage},
	{549, 554, ClassMessage},
	{615, 616, ClassNetwork},
	{772, 772, ClassSIM},
}

// cmeClasses is the same for +CME ERROR.
var cmeClasses = []codeClass{
	{0, 4, ClassModem},
	{5, 7, ClassSIM},
	{10, 18, ClassSIM},
	{20, 23, ClassMemory},
	{24, 27, ClassMessage},
	{30, 30, ClassNoService},
	{31, 31, ClassSuspect},
	{32, 32, ClassNoService},
	{40, 47, ClassSIM},
	{50, 50, ClassMessage},
	{100, 100, ClassSuspect},
	{515, 515, ClassModem},
}

// classOf returns the class of a code.
func classOf(list []codeClass, code int) Class {
	for _, c := range list {
		if c.from <= code && code <= c.to {
			return c.class
		}
	}
	return ClassUnknown
}

// Classify returns the class of what a modem answered, looking through what wraps it. An UncertainError without a
// code, a lost line and everything else that no modem said is ClassUnknown.
func Classify(err error) Class {
	var cms CMSError
	var cme CMEError
	switch {
	case errors.As(err, &cms):
		return classOf(cmsClasses, int(cms))
	case errors.As(err, &cme):
		return classOf(cmeClasses, int(cme))
	case errors.Is(err, ErrError):
		return ClassSuspect
	}
	return ClassUnknown
}

// Explain says in a sentence for people what is wrong and what can be done.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	if advice := adviceOf(err); advice != "" {
		return fmt.Sprintf("%v. %s", err, advice)
	}
	return err.Error() + "."
}

// adviceOf says what can be done: for the codes that have a cause of their own, else for their class.
func adviceOf(err error) string {
	var cms CMSError
	var cme CMEError
	if errors.As(err, &cms) {
		switch cms {
		case 21:
			return "Wrong service centre, no credit, a tariff without SMS, or the text was taken for spam."
		case 38:
			return "The network is disturbed; on prepaid cards also when the credit is used up."
		case 197:
			return "It was sent before."
		case 314:
			return "The SIM is still starting; it is tried again."
		case 330:
			return "Set the number of the service centre: smsc = \"+...\"."
		}
	}
	if errors.As(err, &cme) {
		switch cme {
		case 10:
			return "Put a SIM into the modem."
		case 14:
			return "The SIM is still starting; it is tried again."
		case 16:
			return "The PIN is wrong; it will not be entered again before it is changed."
		}
	}
	switch Classify(err) {
	case ClassDestination:
		return "Check the number."
	case ClassMessage:
		return "This text cannot be sent as it is."
	case ClassBarred:
		return "The SIM may not send: look at its credit, its tariff and its bars."
	case ClassNetwork:
		return "The network could not take it for now; it is tried again."
	case ClassNoService:
		return "The modem has no network: look at the antenna and the SIM's account."
	case ClassSIM:
		return "Look at the SIM: whether it is inserted and unlocked, and the PIN right."
	case ClassMemory:
		return "The SIM's memory for texts is full or broken."
	case ClassModem:
		return "The modem could not do it for now; it is tried again."
	case ClassSuspect:
		return "The modem gave up waiting for the network; most likely the text was not sent."
	}
	return ""
}
