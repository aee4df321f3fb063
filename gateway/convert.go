package gateway

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// What an account may say data_coding 0 means. The sheet's D8: clients send GSM 03.38, ASCII, Latin-1 or UTF-8 under
// that number, and nothing in the PDU tells which.
const (
	AlphabetAuto   = "auto"   // ASCII, unless octets that only GSM 03.38, UTF-8 or Latin-1 can mean decide otherwise
	AlphabetASCII  = "ascii"  // ASCII; an octet above 0x7F is refused
	AlphabetLatin1 = "latin1" // ISO 8859-1
	AlphabetGSM7   = "gsm7"   // GSM 03.38, one septet an octet
	AlphabetUTF8   = "utf8"   // UTF-8
)

// Alphabets lists the values an account's alphabet may have.
func Alphabets() []string {
	return []string{AlphabetAuto, AlphabetASCII, AlphabetLatin1, AlphabetGSM7, AlphabetUTF8}
}

// previewLen is how much of a text a receipt repeats (SMPP 3.4 appendix B).
const previewLen = 20

// mostOctets is the user data of one SMS, header and text together (TS 23.040 §9.2.3.16).
const mostOctets = 140

// content is what of a message goes on air: TP-DCS and the user data of each part.
type content struct {
	dcs     uint8
	udh     []byte   // the client's own, on a single part; nil otherwise
	parts   [][]byte // septets one per octet, or octets
	preview string
}

// convert makes GSM user data of what submit_sm carries. The errors are smpp.Status values.
func convert(p *smpp.SubmitSM, alphabet string, maxParts int) (content, error) {
	data, err := payload(p)
	if err != nil {
		return content{}, err
	}
	udh, data, err := header(p, data)
	if err != nil {
		return content{}, err
	}
	c, userData, err := encode(p.DataCoding, data, alphabet)
	if err != nil {
		return content{}, err
	}
	c.udh = udh
	a, _ := sms.AlphabetOf(c.dcs)
	if udh != nil {
		if len(udh) > mostOctets || len(userData) > sms.Capacity(a, len(udh)) {
			return content{}, smpp.StatusInvMsgLen
		}
		c.parts = [][]byte{userData}
		return c, nil
	}
	c.parts = sms.Split(userData, a, false)
	if len(c.parts) > maxParts {
		return content{}, smpp.StatusInvMsgLen
	}
	return c, nil
}

// payload is the text's octets: short_message, or message_payload where sm_length is 0. Both with text in them is
// forbidden (§5.3.2.32); an empty payload beside a text occurs and is accepted.
func payload(p *smpp.SubmitSM) ([]byte, error) {
	long, ok := p.TLVs.Find(smpp.TagMessagePayload)
	if !ok || len(long) == 0 {
		return p.ShortMessage, nil
	}
	if len(p.ShortMessage) > 0 {
		return nil, smpp.StatusInvMsgLen
	}
	return long, nil
}

// header cuts the client's UDH off the data, or makes one of the sar_* parameters. These are ignored beside a UDH, and
// unless all three are there (SMPP 3.4 §5.3.2.22-24).
func header(p *smpp.SubmitSM, data []byte) (udh, rest []byte, err error) {
	if p.ESMClass&smpp.ESMClassUDHI != 0 {
		n, err := sms.UDHLength(data)
		if err != nil {
			return nil, nil, smpp.StatusInvESMClass
		}
		if _, err := sms.ParseUDH(data[:n]); err != nil {
			return nil, nil, smpp.StatusInvESMClass
		}
		return data[:n:n], data[n:], nil
	}
	ref, ok1 := p.TLVs.Find(smpp.TagSarMsgRefNum)
	total, ok2 := p.TLVs.Find(smpp.TagSarTotalSegments)
	seq, ok3 := p.TLVs.Find(smpp.TagSarSegmentSeqnum)
	if !ok1 || !ok2 || !ok3 {
		return nil, data, nil
	}
	if len(ref) != 2 || len(total) != 1 || len(seq) != 1 {
		return nil, nil, smpp.StatusInvParLen
	}
	if total[0] == 0 || seq[0] == 0 || seq[0] > total[0] {
		return nil, nil, smpp.StatusInvOptParamVal
	}
	if total[0] == 1 {
		return nil, data, nil
	}
	reference := uint16(ref[0])<<8 | uint16(ref[1])
	return sms.AppendUDH(nil, sms.Concat(reference, reference > 0xFF, total[0], seq[0])), data, nil
}

// encode turns octets of a data_coding (SMPP 3.4 §5.2.19, sheet section 8) into user data with its TP-DCS.
func encode(dataCoding uint8, data []byte, alphabet string) (content, []byte, error) {
	switch {
	case dataCoding == 0x02 || dataCoding == 0x04:
		return content{dcs: 0x04}, data, nil
	case dataCoding == 0x03:
		return encodeText(plain(sms.DecodeLatin1(trimNUL(data))), 0x00, 0x08)
	case dataCoding == 0x08:
		return encodeUCS2(0x08, data)
	case dataCoding >= 0x05 && dataCoding <= 0x0E && dataCoding != 0x0B && dataCoding != 0x0C:
		return content{}, nil, smpp.StatusSubmitFail // JIS, Cyrillic, Hebrew, pictograms, Korean: the README says so
	case dataCoding&0xFC == 0x14, dataCoding&0xF4 == 0xF4:
		return content{dcs: dataCoding}, data, nil
	case dataCoding&0xFC == 0x18, dataCoding&0xF0 == 0xE0:
		return encodeUCS2(dataCoding, data)
	case dataCoding&0xF0 == 0xC0, dataCoding&0xF0 == 0xD0:
		return encodeWaiting(dataCoding, data, alphabet)
	}
	text, err := decodeDefault(data, alphabet)
	if err != nil {
		return content{}, nil, err
	}
	if group := dataCoding & 0xF0; group == 0x10 || group == 0xF0 { // with a message class, which UCS-2 has in group 1 only
		return encodeText(text, dataCoding&0xF3, 0x18|dataCoding&0x03)
	}
	return encodeText(text, 0x00, 0x08)
}

// encodeText takes GSM 7 bit, with TP-DCS dcs7, where the text fits it, and UCS-2, with dcs16, where it doesn't.
func encodeText(text string, dcs7, dcs16 uint8) (content, []byte, error) {
	if septets, err := sms.EncodeGSM7(text); err == nil {
		return content{dcs: dcs7, preview: preview(text)}, septets, nil
	}
	return content{dcs: dcs16, preview: preview(text)}, sms.EncodeUCS2(text), nil
}

// encodeUCS2 passes UTF-16BE through. An odd octet can't be a character.
func encodeUCS2(dcs uint8, data []byte) (content, []byte, error) {
	if len(data)%2 != 0 {
		return content{}, nil, smpp.StatusInvMsgLen
	}
	return content{dcs: dcs, preview: preview(sms.DecodeUCS2(data))}, data, nil
}

// encodeWaiting makes a message waiting indication, whose two 7 bit groups have no UCS-2 form for what doesn't fit.
func encodeWaiting(dcs uint8, data []byte, alphabet string) (content, []byte, error) {
	text, err := decodeDefault(data, alphabet)
	if err != nil {
		return content{}, nil, err
	}
	septets, err := sms.EncodeGSM7(text)
	if err != nil {
		return content{}, nil, smpp.StatusSubmitFail
	}
	return content{dcs: dcs, preview: preview(text)}, septets, nil
}

// decodeDefault reads data_coding 0 and 1 as the account says.
func decodeDefault(data []byte, alphabet string) (string, error) {
	if alphabet == AlphabetAuto {
		alphabet = guess(data)
	}
	switch alphabet {
	case AlphabetGSM7:
		for _, o := range data {
			if o > 0x7F {
				return "", smpp.StatusSubmitFail
			}
		}
		return sms.DecodeGSM7(data), nil
	case AlphabetUTF8:
		data = trimNUL(data)
		if !utf8.Valid(data) {
			return "", smpp.StatusSubmitFail
		}
		return plain(string(data)), nil
	case AlphabetLatin1:
		return plain(sms.DecodeLatin1(trimNUL(data))), nil
	}
	data = trimNUL(data)
	for _, o := range data {
		if o > 0x7F {
			return "", smpp.StatusSubmitFail
		}
	}
	return plain(string(data)), nil
}

// guess takes the safe reading of sheet D8: an octet of 01-08, 0B, 0C, 0E-1F can only be GSM 03.38; one above 7F only
// Latin-1 or UTF-8. 00 counts unless it is the last octet, where it is a client's string terminator (D7). 09 does not
// count, unlike in the sheet: a tab in an ASCII text is far more common than a Ç in GSM 03.38.
func guess(data []byte) string {
	gsm, high := false, false
	for i, o := range data {
		switch {
		case o > 0x7F:
			high = true
		case o == 0x00 && i == len(data)-1, o == '\t', o == '\n', o == '\r', o >= 0x20:
		default:
			gsm = true
		}
	}
	switch {
	case high && utf8.Valid(data):
		return AlphabetUTF8
	case high:
		return AlphabetLatin1
	case gsm:
		return AlphabetGSM7
	}
	return AlphabetASCII
}

// plain replaces tabs, which no GSM alphabet has, by blanks.
func plain(text string) string { return strings.ReplaceAll(text, "\t", " ") }

// trimNUL cuts one NUL at the end, which some clients count in sm_length (sheet D7).
func trimNUL(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] == 0 {
		return data[:n-1]
	}
	return data
}

// preview is the head of a text as a receipt repeats it: printable ASCII, anything else a question mark.
func preview(text string) string {
	var b strings.Builder
	for _, r := range text {
		if b.Len() == previewLen {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// readText gives the text of user data as people read it; binary in hexadecimal.
func readText(dcs uint8, parts [][]byte) string {
	var b strings.Builder
	a, _ := sms.AlphabetOf(dcs)
	for _, p := range parts {
		switch a {
		case sms.GSM7:
			b.WriteString(sms.DecodeGSM7(p))
		case sms.UCS2:
			b.WriteString(sms.DecodeUCS2(p))
		default:
			fmt.Fprintf(&b, "%X", p)
		}
	}
	return b.String()
}
