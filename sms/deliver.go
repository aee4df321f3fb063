package sms

import "time"

// Deliver is an SMS-DELIVER, from the message centre to the modem (TS 23.040 §9.2.2.1).
type Deliver struct {
	MoreMessages bool // the inverse of TP-MMS: more of them wait in the message centre
	StatusReport bool // TP-SRI: the sender gets a status report
	ReplyPath    bool // TP-RP
	Originator   Address
	PID, DCS     uint8
	Time         time.Time // TP-SCTS, when the message centre got it, in the zone it names; zero if it makes no sense
	UDH          []byte    // user data header with its length octet; nil for none
	Data         []byte    // septets, one per octet, if AlphabetOf(DCS) is GSM7, else octets
}

// Append appends the TPDU to b. What cannot be written is a *FieldError, and b comes back as it was.
func (p Deliver) Append(b []byte) ([]byte, error) {
	w := newWriter(b)
	w.octet(MTIDeliver | flag(flagNoMore, !p.MoreMessages) | flag(flagReport, p.StatusReport) |
		flag(flagUserHeader, len(p.UDH) > 0) | flag(flagReplyPath, p.ReplyPath))
	w.address("TP-OA", p.Originator)
	w.octet(p.PID)
	w.octet(p.DCS)
	w.timestamp("TP-SCTS", p.Time)
	w.userData(p.DCS, p.UDH, p.Data)
	return w.done()
}

// ParseDeliver reads an SMS-DELIVER, or a TPDU of the reserved type, which a phone takes for one (§9.2.3.1). The slices of
// the result are its own. The error is a *FieldError.
func ParseDeliver(tpdu []byte) (Deliver, error) {
	r := reader{octets: tpdu}
	var p Deliver
	first := r.first(MTIDeliver, "SMS-DELIVER")
	p.MoreMessages = first&flagNoMore == 0
	p.StatusReport = first&flagReport != 0
	p.ReplyPath = first&flagReplyPath != 0
	p.Originator = r.address("TP-OA")
	p.PID = r.octet("TP-PID")
	p.DCS = r.octet("TP-DCS")
	p.Time = r.timestamp("TP-SCTS")
	p.UDH, p.Data = r.userData(p.DCS, first&flagUserHeader != 0)
	if r.err != nil {
		return Deliver{}, r.err
	}
	return p, nil
}

// Text is the message in this part as UTF-8; "" if it is binary or compressed.
func (p Deliver) Text() string {
	return Text(p.DCS, p.UDH, p.Data)
}
