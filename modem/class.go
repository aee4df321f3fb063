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
	{48, 48, ClassSIM},
	{49, 49, ClassModem},
	{50, 50, ClassMessage},
	{51, 51, ClassModem},
	{52, 52, ClassSuspect}, // what was aborted may be on the air
	{53, 54, ClassNoService},
	{56, 56, ClassBarred},
	{60, 60, ClassSuspect},
	{62, 62, ClassBarred},
	{63, 63, ClassNetwork},
	{55, 61, ClassModem},
	{100, 100, ClassSuspect},
	{102, 115, ClassNoService}, // the network does not take this SIM or modem, here or at all
	{118, 118, ClassNoService},
	{133, 133, ClassBarred},
	{148, 148, ClassSuspect},
	{150, 150, ClassModem},
	{152, 154, ClassBarred},
	{160, 161, ClassBarred},
	{162, 165, ClassModem},
	{177, 177, ClassBarred},
	{116, 204, ClassNetwork},
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
	if errors.As(err, &cms) && cmsAdvice[cms] != "" {
		return cmsAdvice[cms]
	}
	if errors.As(err, &cme) && cmeAdvice[cme] != "" {
		return cmeAdvice[cme]
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

// What can be done about a code that has a cause of its own.
const (
	adviceBusy = "The SIM is still starting; it is tried again."
	adviceNone = "Put a SIM into the modem."
	advicePIN  = "Set the SIM's PIN in the configuration."
	advicePUK  = "Put the SIM into a phone and enter its PUK there."
	adviceLock = "The modem is locked to another operator's SIM; have it unlocked, or use that operator's."
	adviceFull = "The memory for texts is full: what arrived is read out and deleted; delete the rest with a phone."
)

var cmsAdvice = map[CMSError]string{
	1:   "Nobody has this number: check it, with its country code.",
	8:   "The operator has barred this SIM: ask him.",
	10:  "Outgoing texts are barred: lift the bar with the operator, or in a phone.",
	17:  "Something failed inside the network; it is tried again.",
	21:  "Wrong service centre, no credit, a tariff without SMS, or the text was taken for spam.",
	22:  "The network or the receiver has no room for it at present; it is tried again.",
	27:  "The receiver's phone cannot be reached at present; it is tried again.",
	28:  "The network does not know this SIM: see whether it is activated, and the service centre its operator's.",
	30:  "The service centre does not know the sender or the receiver; if it says so of all, the SIM has no SMS service.",
	38:  "The network is disturbed; on prepaid cards also when the credit is used up.",
	42:  "The network is overloaded; it is tried again.",
	50:  "The SIM's tariff has no SMS service.",
	69:  "The network does not do what the text asks for, such as a status report or a validity.",
	192: "The service centre is overloaded; it is tried again.",
	193: "The service centre does not serve this SIM: look at smsc and at the tariff.",
	195: "The service centre does not take this number: check it, with its country code.",
	196: "The operator does not deliver to this number, for example to premium or foreign ones.",
	197: "It was sent before.",
	208: adviceFull,
	302: "The modem does not allow it at present: its SIM is locked, or it is still starting.",
	310: adviceNone,
	311: advicePIN,
	312: adviceLock,
	313: "The SIM does not answer: take it out, clean its contacts, put it in again; else it is broken.",
	314: adviceBusy,
	315: adviceLock,
	316: advicePUK,
	320: "The memory for texts is broken, most likely the SIM's.",
	322: adviceFull,
	330: "Set the number of the service centre: smsc = \"+...\".",
	340: "An acknowledgement came too late, or none was wanted; reports are switched on again.",
	500: "The modem does not say why: no credit, no network, or a fault of its own; whether the text was sent is not certain.",
	515: "The modem is busy; it is tried again.",
	532: adviceBusy,
	772: "The SIM has no power: the modem needs a restart.",
}

var cmeAdvice = map[CMEError]string{
	0:   "The modem has a fault of its own; it is restarted if that goes on.",
	3:   "The modem does not allow it at present: its SIM is locked, or it is still starting.",
	4:   "The modem does not have this.",
	5:   adviceLock,
	10:  adviceNone,
	11:  advicePIN,
	12:  advicePUK,
	13:  "The SIM does not answer: take it out, clean its contacts, put it in again; else it is broken.",
	14:  adviceBusy,
	15:  adviceLock,
	16:  "The PIN is wrong; it will not be entered again before it is changed.",
	20:  adviceFull,
	32:  "The network lets this SIM make emergency calls only: see whether it is activated and paid for.",
	40:  adviceLock,
	48:  adviceLock,
	102: "The network does not know this SIM: see whether it is activated and paid for.",
	103: "The network refuses this SIM: see whether it is activated and paid for.",
	105: "The network refuses this modem by its number (IMEI).",
	106: "The network refuses this modem by its number (IMEI).",
	111: "This network does not serve this SIM: choose another with AT+COPS, or ask the operator.",
	113: "The SIM may not be used abroad here: roaming is not allowed.",
	515: "The modem is busy or starting; it is tried again.",
}
