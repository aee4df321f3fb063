package sim

import (
	"strings"

	"smsgateway/sms"
)

// answer is what the driver hears after Ctrl-Z.
type answer uint8

const (
	answerResult answer = iota // +CMGS, or the error in refused
	answerNever
	answerLate
	answerError   // ERROR
	answerOK      // OK without +CMGS
	answerRestart // boot URCs
	answerUnplug  // the end of the line
)

// MagicNumber is a fault that a destination rehearses.
type MagicNumber struct {
	Suffix string // of the destination, five digits
	Effect string // a line for people

	answer  answer
	refused cmsError     // instead of +CMGS
	once    bool         // every second try to a number works
	lost    bool         // no phone gets the text
	reports []sms.Status // what the service centre reports, in order
}

// ordinary is what happens with any other number.
var ordinary = MagicNumber{reports: []sms.Status{sms.StatusReceived}}

// The statuses that faults report (TS 23.040 §9.2.3.15).
const (
	statusCongestion   sms.Status = 0x20
	statusIncompatible sms.Status = 0x41
	statusExpired      sms.Status = 0x46
)

// MagicNumbers returns the table of the package comment.
func MagicNumbers() []MagicNumber {
	received := ordinary.reports
	return []MagicNumber{
		{Suffix: "99901", Effect: "refused: unassigned number", refused: cmsUnassigned, lost: true},
		{Suffix: "99902", Effect: "refused: network out of order", refused: cmsOutOfOrder, lost: true},
		{Suffix: "99903", Effect: "never an answer, and nothing sent", answer: answerNever, lost: true},
		{Suffix: "99904", Effect: "sent, but the answer comes too late", answer: answerLate, reports: received},
		{Suffix: "99905", Effect: "the modem restarts, and nothing is sent", answer: answerRestart, lost: true},
		{Suffix: "99906", Effect: "sent, but the modem restarts", answer: answerRestart, reports: received},
		{Suffix: "99907", Effect: "sent, without a status report"},
		{Suffix: "99908", Effect: "accepted, then undeliverable", lost: true, reports: []sms.Status{statusIncompatible}},
		{Suffix: "99909", Effect: "accepted, then expired", lost: true, reports: []sms.Status{statusExpired}},
		{Suffix: "99910", Effect: "sent at the second attempt", reports: []sms.Status{statusCongestion, sms.StatusReceived}},
		{Suffix: "99911", Effect: "SIM busy the first time, then sent", refused: cmsSIMBusy, once: true, reports: received},
		{Suffix: "99912", Effect: "a bare ERROR, and nothing sent", answer: answerError, lost: true},
		{Suffix: "99913", Effect: "OK without a reference, and nothing sent", answer: answerOK, lost: true},
		{Suffix: "99914", Effect: "the modem is unplugged for a second, and nothing sent", answer: answerUnplug, lost: true},
		{Suffix: "99915", Effect: "sent, but never an answer", answer: answerNever, reports: received},
		{Suffix: "99916", Effect: "sent, but neither an answer nor a status report", answer: answerNever},
	}
}

// magicOf returns what a text to this number meets with.
func magicOf(number string) MagicNumber {
	for _, m := range MagicNumbers() {
		if strings.HasSuffix(number, m.Suffix) {
			return m
		}
	}
	return ordinary
}
