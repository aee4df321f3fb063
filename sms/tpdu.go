package sms

// The values of TP-MTI (TS 23.040 §9.2.3.1), as they mean in the direction that a modem sees: deliver and status report
// come from the network, submit goes to it.
const (
	MTIDeliver      = 0
	MTISubmit       = 1
	MTIStatusReport = 2
	MTIReserved     = 3 // a phone reads it as a deliver
)

// Bits of the first octet (§9.2.2). Which of them mean something depends on the kind of TPDU.
const (
	mtiMask         = 0x03
	flagRejectDup   = 0x04 // TP-RD, submit
	flagNoMore      = 0x04 // TP-MMS, deliver and status report: 0 says that more messages wait
	vpfMask         = 0x18 // TP-VPF, submit
	vpfEnhanced     = 0x08
	vpfRelative     = 0x10
	vpfAbsolute     = 0x18
	flagReport      = 0x20 // TP-SRR, submit; TP-SRI, deliver; TP-SRQ, status report
	flagUserHeader  = 0x40 // TP-UDHI
	flagReplyPath   = 0x80 // TP-RP
	timestampOctets = 7
)

// MessageType returns TP-MTI, the low two bits of a TPDU. The error is a *FieldError: there is no first octet.
func MessageType(tpdu []byte) (mti byte, err error) {
	r := reader{octets: tpdu}
	first := r.octet("TP-MTI")
	return first & mtiMask, r.err
}

// first reads the first octet and holds it against the kind of TPDU that is wanted.
func (r *reader) first(want byte, kind string) byte {
	first := r.octet("TP-MTI")
	mti := first & mtiMask
	if mti != want && !(want == MTIDeliver && mti == MTIReserved) {
		r.fail("TP-MTI", 0, "%d is not that of an %s", mti, kind)
	}
	return first
}

// userData reads TP-UDL and TP-UD (§9.2.3.16, §9.2.3.24): header, then data, both nil when empty, both copies. For a 7 bit
// alphabet TP-UDL counts septets, of which the header takes as many as it touches.
func (r *reader) userData(dcs byte, withHeader bool) (udh, data []byte) {
	at := r.pos
	length := int(r.octet("TP-UDL"))
	alphabet, _ := AlphabetOf(dcs)
	octets, most, of := length, maxUserData, "octets"
	if alphabet == GSM7 {
		octets, most, of = (length*7+7)/8, maxSeptets, "septets"
	}
	if length > most {
		r.fail("TP-UDL", at, "%d %s: at most %d are possible", length, of, most)
	}
	data = r.take("TP-UD", octets)
	if r.err != nil {
		return nil, nil
	}
	if withHeader {
		n, fault := headerLength(data)
		if fault != "" {
			r.fail("TP-UDHL", at+1, "%s", fault)
			return nil, nil
		}
		udh, data = clone(data[:n]), data[n:]
	}
	if alphabet == GSM7 {
		inHeader, fill := headerSeptets(len(udh))
		return udh, Unpack(data, length-inHeader, fill)
	}
	return udh, clone(data)
}

// clone copies b; nothing is nil, so that equal user data are deeply equal.
func clone(b []byte) []byte {
	return append([]byte(nil), b...)
}

// headerSeptets returns how many septets a header of that many octets takes, and how many bits of the last are fill: text
// begins at a septet's border.
func headerSeptets(octets int) (septets, fill int) {
	septets = (octets*8 + 6) / 7
	return septets, septets*7 - octets*8
}

// userData writes TP-UDL and TP-UD. Data must be septets, one per octet, if dcs says so.
func (w *writer) userData(dcs byte, udh, data []byte) {
	if len(udh) > 0 && len(udh) != 1+int(udh[0]) {
		w.fail("TP-UDHL", "it says %d octets, and %d follow", udh[0], len(udh)-1)
		return
	}
	alphabet, _ := AlphabetOf(dcs)
	if alphabet == UCS2 {
		alphabet = Binary // half a character is the sender's affair
	}
	if most := Capacity(alphabet, len(udh)); len(data) > most || len(udh) > maxUserData {
		w.fail("TP-UD", "%d octets or septets beside a header of %d octets: at most %d fit", len(data), len(udh), most)
		return
	}
	if alphabet != GSM7 {
		w.octet(byte(len(udh) + len(data)))
		w.octets = append(w.octets, udh...)
		w.octets = append(w.octets, data...)
		return
	}
	for i, s := range data {
		if s > 0x7F {
			w.fail("TP-UD", "octet %d of the data is 0x%02X: not a septet", i, s)
			return
		}
	}
	inHeader, fill := headerSeptets(len(udh))
	w.octet(byte(inHeader + len(data)))
	w.octets = append(w.octets, udh...)
	w.octets = appendPacked(w.octets, data, fill)
}
