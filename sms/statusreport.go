package sms

import "time"

// StatusReport is an SMS-STATUS-REPORT, from the message centre to the modem (TS 23.040 §9.2.2.3): what became of the
// Submit with the same Reference.
type StatusReport struct {
	MoreMessages bool // the inverse of TP-MMS: more messages wait in the message centre
	ForCommand   bool // TP-SRQ: it answers an SMS-COMMAND, not a Submit
	Reference    uint8
	Recipient    Address   // often not written as the Submit had it: compare with SameNumber
	Time         time.Time // TP-SCTS, when the message centre got the Submit; zero if it makes no sense
	Discharge    time.Time // TP-DT, when Status came about; zero if it makes no sense
	Status       Status
}

// Append appends the TPDU to b, without the optional fields. What cannot be written is a *FieldError, and b comes back as
// it was.
func (p StatusReport) Append(b []byte) ([]byte, error) {
	w := newWriter(b)
	w.octet(MTIStatusReport | flag(flagNoMore, !p.MoreMessages) | flag(flagReport, p.ForCommand))
	w.octet(p.Reference)
	w.address("TP-RA", p.Recipient)
	w.timestamp("TP-SCTS", p.Time)
	w.timestamp("TP-DT", p.Discharge)
	w.octet(byte(p.Status))
	return w.done()
}

// ParseStatusReport reads an SMS-STATUS-REPORT up to its status. What may follow (parameter indicator, user data) is
// ignored: message centres send zeros and worse there, and nothing of it matters. The error is a *FieldError.
func ParseStatusReport(tpdu []byte) (StatusReport, error) {
	r := reader{octets: tpdu}
	var p StatusReport
	first := r.first(MTIStatusReport, "SMS-STATUS-REPORT")
	p.MoreMessages = first&flagNoMore == 0
	p.ForCommand = first&flagReport != 0
	p.Reference = r.octet("TP-MR")
	p.Recipient = r.address("TP-RA")
	p.Time = r.timestamp("TP-SCTS")
	p.Discharge = r.timestamp("TP-DT")
	p.Status = Status(r.octet("TP-ST"))
	if r.err != nil {
		return StatusReport{}, r.err
	}
	return p, nil
}
