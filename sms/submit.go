package sms

import "time"

// Submit is an SMS-SUBMIT, from the modem to its message centre (TS 23.040 §9.2.2.2).
type Submit struct {
	RejectDuplicates bool // TP-RD: refuse a second one with the same Reference and Destination while the first is held
	StatusReport     bool // TP-SRR: report this part's fate
	ReplyPath        bool // TP-RP
	Reference        uint8
	Destination      Address
	PID, DCS         uint8
	// Validity is the relative TP-VP, rounded up to the next value that exists: 5 minutes to 63 weeks. 0 leaves it to the
	// message centre. A negative one has passed, and is refused.
	Validity time.Duration
	// VPRaw holds the 7 octets of an absolute TP-VP, or of an enhanced one if VPEnhanced, as they stand; Validity is 0 then.
	VPRaw      []byte
	VPEnhanced bool
	UDH        []byte // user data header with its length octet; nil for none
	Data       []byte // septets, one per octet, if AlphabetOf(DCS) is GSM7, else octets
}

// Append appends the TPDU to b. What cannot be written is a *FieldError, and b comes back as it was.
func (p Submit) Append(b []byte) ([]byte, error) {
	w := newWriter(b)
	w.octet(p.first())
	w.octet(p.Reference)
	w.address("TP-DA", p.Destination)
	w.octet(p.PID)
	w.octet(p.DCS)
	p.appendValidity(w)
	w.userData(p.DCS, p.UDH, p.Data)
	return w.done()
}

func (p Submit) first() byte {
	first := byte(MTISubmit)
	switch {
	case p.VPRaw != nil && p.VPEnhanced:
		first |= vpfEnhanced
	case p.VPRaw != nil:
		first |= vpfAbsolute
	case p.Validity != 0:
		first |= vpfRelative
	}
	return first | flag(flagRejectDup, p.RejectDuplicates) | flag(flagReport, p.StatusReport) |
		flag(flagUserHeader, len(p.UDH) > 0) | flag(flagReplyPath, p.ReplyPath)
}

func (p Submit) appendValidity(w *writer) {
	switch {
	case p.VPRaw != nil && p.Validity != 0:
		w.fail("TP-VP", "both a relative validity and a raw one: give one of them")
	case p.VPRaw != nil && len(p.VPRaw) != timestampOctets:
		w.fail("TP-VP", "%d raw octets: it takes %d", len(p.VPRaw), timestampOctets)
	case p.VPRaw != nil:
		w.octets = append(w.octets, p.VPRaw...)
	case p.Validity < 0:
		w.fail("TP-VP", "a validity of %v has passed: the message has expired", p.Validity)
	case p.Validity > 0:
		w.octet(relativeVP(p.Validity))
	}
}

// ParseSubmit reads an SMS-SUBMIT. The slices of the result are its own. The error is a *FieldError.
func ParseSubmit(tpdu []byte) (Submit, error) {
	r := reader{octets: tpdu}
	var p Submit
	first := r.first(MTISubmit, "SMS-SUBMIT")
	p.RejectDuplicates = first&flagRejectDup != 0
	p.StatusReport = first&flagReport != 0
	p.ReplyPath = first&flagReplyPath != 0
	p.Reference = r.octet("TP-MR")
	p.Destination = r.address("TP-DA")
	p.PID = r.octet("TP-PID")
	p.DCS = r.octet("TP-DCS")
	switch first & vpfMask {
	case vpfRelative:
		p.Validity = validityOf(r.octet("TP-VP"))
	case vpfEnhanced, vpfAbsolute:
		p.VPRaw = clone(r.take("TP-VP", timestampOctets))
		p.VPEnhanced = first&vpfMask == vpfEnhanced
	}
	p.UDH, p.Data = r.userData(p.DCS, first&flagUserHeader != 0)
	if r.err != nil {
		return Submit{}, r.err
	}
	return p, nil
}

// Text is the message in this part as UTF-8; "" if it is binary or compressed.
func (p Submit) Text() string {
	return Text(p.DCS, p.UDH, p.Data)
}

// flag is bit if on, else nothing.
func flag(bit byte, on bool) byte {
	if on {
		return bit
	}
	return 0
}
