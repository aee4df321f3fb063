package gateway

import (
	"strings"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// mostShort is how much of a text goes as short_message: sm_length holds no more.
const mostShort = 254

// inbound makes the deliver_sm of a text from a phone. ASCII goes as data_coding 0, which every reading of it agrees about
// but an account's of GSM 03.38; else Latin-1 where that is enough, else UCS-2. A UDH stays in front of the text, so that
// ports can be told and parts be joined, but for the national tables that it names: what is by these is decoded here, as
// clients don't know them. What is too long goes as message_payload, or, where TLVs are not known, in parts.
// The message class does not go along: clients read few values of data_coding.
func inbound(in *store.Inbound, gsm7, tlvs bool) []*smpp.DeliverSM {
	p := smpp.DeliverSM{
		Source:      smpp.Address{TON: uint8(in.From.TON), NPI: uint8(in.From.NPI), Addr: asciiAddr(in.From.Number)},
		Destination: receivedBy(in),
		ProtocolID:  in.PID,
	}
	data, udh := in.Data, in.UDH
	a, ok := sms.AlphabetOf(in.DCS)
	switch {
	case !ok || a == sms.Binary:
		p.DataCoding = 0x04
	case a == sms.UCS2:
		p.DataCoding = 0x08
	default:
		shift := sms.ShiftIn(udh)
		udh = withoutShift(udh)
		if gsm7 && shift.IsZero() { // as it came
			break
		}
		p.DataCoding, data, a = encodeInbound(shift.Decode(in.Data), gsm7)
	}
	if len(udh)+len(data) > mostShort && !tlvs {
		if parts := cutInbound(p, in.ID, udh, data, a); parts != nil {
			return parts
		}
	}
	p.ESMClass, data = withUDH(udh, data)
	if len(data) > mostShort {
		p.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: data}}
	} else {
		p.ShortMessage = data
	}
	if tlvs { // what the same text is known by if it comes again; another one of this sender has another
		p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.TagUserMessageReference, Value: []byte{byte(in.ID >> 8), byte(in.ID)}})
	}
	return []*smpp.DeliverSM{&p}
}

// receivedBy is our own number, or, as modems seldom know it, the name of the modem: Kannel refuses a text from a phone with
// an empty destination_addr, for good, and takes at most 11 characters of a name.
func receivedBy(in *store.Inbound) smpp.Address {
	const most = 11
	if in.To != "" || in.Modem == "" {
		return smpp.Address{Addr: in.To}
	}
	name := asciiAddr(in.Modem)
	return smpp.Address{TON: uint8(sms.TONAlphanumeric), Addr: name[:min(len(name), most)]}
}

func withUDH(udh, data []byte) (esmClass uint8, whole []byte) {
	if len(udh) == 0 {
		return 0, data
	}
	return smpp.ESMClassUDHI, append(append([]byte(nil), udh...), data...)
}

// cutInbound makes several deliver_sm of p, each with a concatenation, that hold data together. a is how data is written:
// Binary where any two octets may be parted. nil: it is a part already, or there are too many.
func cutInbound(p smpp.DeliverSM, id uint64, udh, data []byte, a sms.Alphabet) []*smpp.DeliverSM {
	var elems []sms.Element
	if len(udh) > 0 {
		var err error
		if elems, err = sms.ParseUDH(udh); err != nil {
			return nil
		}
	}
	if _, _, _, _, is := sms.ConcatOf(elems); is {
		return nil
	}
	header := func(total, seq int) []byte {
		concat := sms.Concat(uint16(id&0xFF), false, uint8(total), uint8(seq))
		return sms.AppendUDH(nil, append([]sms.Element{concat}, elems...)...)
	}
	var pieces [][]byte
	for size := mostShort - len(header(1, 1)); len(data) > 0; {
		n := min(size, len(data))
		if n < len(data) {
			n = wholeCharacters(data[:n], a)
		}
		if n == 0 || len(pieces) == 255 {
			return nil
		}
		pieces, data = append(pieces, data[:n]), data[n:]
	}
	list := make([]*smpp.DeliverSM, len(pieces))
	for i, piece := range pieces {
		part := p
		part.ESMClass, part.ShortMessage = withUDH(header(len(pieces), i+1), piece)
		list[i] = &part
	}
	return list
}

// wholeCharacters is how much of data ends between two characters, when more comes behind it.
func wholeCharacters(data []byte, a sms.Alphabet) (n int) {
	n = len(data)
	switch a {
	case sms.UCS2:
		if n &^= 1; n >= 2 && data[n-2]>>2 == 0xD8>>2 {
			n -= 2
		}
	case sms.GSM7:
		for n > 0 && data[n-1] == 0x1B {
			n--
		}
	}
	return n
}

// asciiAddr makes a C-octet string of a sender's name, which GSM allows letters that ASCII does not have.
func asciiAddr(name string) string {
	const most = 20 // octets of source_addr, without its NUL
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), most)]
}

// encodeInbound writes a text for an ESME; a is as in cutInbound. With gsm7, data_coding 0 is GSM 03.38.
func encodeInbound(text string, gsm7 bool) (dataCoding uint8, data []byte, a sms.Alphabet) {
	if gsm7 {
		if septets, err := sms.EncodeGSM7(text); err == nil {
			return 0x00, septets, sms.GSM7
		}
		return 0x08, sms.EncodeUCS2(text), sms.UCS2
	}
	latin1, err := sms.EncodeLatin1(text)
	if err != nil {
		return 0x08, sms.EncodeUCS2(text), sms.UCS2
	}
	for _, o := range latin1 {
		if o > 0x7F {
			return 0x03, latin1, sms.Binary
		}
	}
	return 0x00, latin1, sms.Binary
}

// withoutShift takes the choice of national tables out of a header, nil if nothing else is in it.
func withoutShift(udh []byte) []byte {
	elems, err := sms.ParseUDH(udh)
	if err != nil || sms.ShiftOf(elems).IsZero() {
		return udh
	}
	if elems = sms.WithoutShift(elems); len(elems) == 0 {
		return nil
	}
	return sms.AppendUDH(nil, elems...)
}
