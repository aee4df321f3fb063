package gateway

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// previewLen is how much of a text a receipt repeats (SMPP 3.4 appendix B).
const previewLen = 20

// content is what of a message goes on air: TP-DCS, and the user data of each part.
type content struct {
	dcs     uint8
	udh     []byte   // what each part has in its header beside the concatenation: the client's own, ports, national tables; nil for none
	parts   [][]byte // septets one per octet, or octets
	preview string

	// How it came to that, for `message explain` and for the hints; also of a message that is refused.
	raw    []byte // what came, without its header
	readAs string // what the octets were taken for, as "GSM 03.38"; see coding.go
	text   string // as read; "" for binary
	sent   string // text as it goes out, where it was transliterated; otherwise as read
	shift  sms.Shift
}

// alphabet is what the parts are written in.
func (c *content) alphabet() sms.Alphabet {
	a, _ := sms.AlphabetOf(c.dcs)
	return a
}

// textRules are the settings of an account that decide how a text goes out.
type textRules struct {
	alphabet    string
	unencodable string
	national    []sms.Language
	maxParts    int
}

func (g *Gateway) textRules(a store.Account) textRules {
	return textRules{
		alphabet:    g.alphabet(a),
		unencodable: cmp.Or(a.Unencodable, UnencodableUCS2),
		national:    languages(a.National),
		maxParts:    g.maxParts(a),
	}
}

// contentError is why a message can't go out, for the ESME as a status and for the operator in words. It tells characters
// by their code points, and nothing else of the text.
type contentError struct {
	status smpp.Status
	why    string
}

func (e *contentError) Error() string { return e.status.Error() + ": " + e.why }
func (e *contentError) Unwrap() error { return e.status }

func refuseText(status smpp.Status, format string, args ...any) error {
	return &contentError{status, fmt.Sprintf(format, args...)}
}

// convert makes GSM user data of what submit_sm carries. The errors are smpp.Status values, or hold one.
func convert(p *smpp.SubmitSM, rules textRules) (content, error) {
	data, err := payload(p)
	if err != nil {
		return content{}, err
	}
	udh, data, whole, err := header(p, data)
	if err != nil {
		return content{}, err
	}
	c, err := rules.compose(codingOf(p.DataCoding), data, udh)
	c.raw = data
	if err != nil {
		return c, err
	}
	c.dcs = dcsBeside(c.dcs, len(c.parts) == 1 && len(c.parts[0]) == 0, p.TLVs)
	switch {
	case len(c.parts) == 0, whole && (len(c.parts) > 1 || len(c.parts[0]) > sms.Capacity(c.alphabet(), len(c.udh))):
		return c, refuseText(smpp.StatusInvMsgLen, "the text does not fit beside the header that the client made")
	case len(c.parts) > rules.maxParts:
		return c, refuseText(smpp.StatusInvMsgLen, "it takes %d parts in %v, and the account may send %d", len(c.parts), c.alphabet(), rules.maxParts)
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

// header cuts the client's UDH off the data, or makes one of the sar_* and port parameters, which are ignored beside a
// UDH. whole: the client has cut the text, and it must fit into one SMS.
func header(p *smpp.SubmitSM, data []byte) (udh, rest []byte, whole bool, err error) {
	if p.ESMClass&smpp.ESMClassUDHI != 0 {
		n, err := sms.UDHLength(data)
		if err == nil {
			_, err = sms.ParseUDH(data[:n])
		}
		if err != nil {
			return nil, nil, false, refuseText(smpp.StatusInvESMClass, "esm_class says that a UDH is in front, and there is none: %v", err)
		}
		return data[:n:n], data[n:], true, nil
	}
	segment, err := sarHeader(p.TLVs)
	if err != nil {
		return nil, nil, false, err
	}
	elements := append(portHeader(p.TLVs), segment...)
	if len(elements) == 0 {
		return nil, data, false, nil
	}
	return sms.AppendUDH(nil, elements...), data, len(segment) > 0, nil
}

// compose writes data of a coding as user data in parts. udh is what each of them has in front of it, nil for nothing.
func (t textRules) compose(as coding, data, udh []byte) (content, error) {
	switch as.kind {
	case codingNone:
		return content{readAs: as.name}, refuseText(smpp.StatusSubmitFail, "data_coding says %s, which can't be converted", as.name)
	case codingOctets:
		return content{dcs: as.dcs, udh: udh, parts: cut(data, sms.Binary, udh), readAs: as.name}, nil
	case codingUCS2:
		return composeUCS2(as, data, udh)
	}
	text, readAs, err := as.read(data, t.alphabet)
	if err != nil {
		return content{readAs: readAs}, err
	}
	c := content{dcs: as.dcs, readAs: readAs, text: text, sent: text, preview: preview(text), udh: udh}
	if shift := sms.ShiftIn(udh); !shift.IsZero() {
		return c.composeShifted(shift, data, t.septets(as, readAs))
	}
	e, sent, err := t.encode(text, max(0, len(udh)-1), as.wide != 0)
	if err != nil {
		return c, err
	}
	c.parts, c.sent, c.shift = e.Parts, sent, e.Shift
	if e.Alphabet == sms.UCS2 {
		c.dcs = as.wide
	}
	if !e.Shift.IsZero() {
		elems, _ := sms.ParseUDH(udh) // none, or read before
		c.udh = sms.AppendUDH(nil, append(elems, e.Shift.Elements()...)...)
	}
	return c, nil
}

// composeUCS2 passes UTF-16BE through, as it was asked for, also where GSM 7 bit would do. An odd octet can't be a
// character. A byte order mark is no text: it goes, and tells a client that sends UTF-16LE, as U+FFFE is no character.
// Half a surrogate pair goes out as it came: a client that cuts long texts itself may have cut one.
func composeUCS2(as coding, data, udh []byte) (content, error) {
	if len(data)%2 != 0 {
		return content{readAs: as.name}, refuseText(smpp.StatusInvMsgLen, "UCS-2 of %d octets: the number must be even", len(data))
	}
	name := as.name
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		data = data[2:]
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		name = readAsLittle
		swapped := make([]byte, 0, len(data))
		for i := 2; i < len(data); i += 2 {
			swapped = append(swapped, data[i+1], data[i])
		}
		data = swapped
	}
	text := sms.DecodeUCS2(data)
	return content{dcs: as.dcs, udh: udh, parts: cut(data, sms.UCS2, udh), preview: preview(text), readAs: name, text: text, sent: text}, nil
}

// septets tells whether octets under a client's header with national tables are septets of these already: so they are where
// the account's alphabet is GSM 03.38, and where nothing says that they are something else.
func (t textRules) septets(as coding, readAs string) bool {
	return as.decode == nil && (t.alphabet == AlphabetGSM7 ||
		t.alphabet == AlphabetAuto && (readAs == readAsASCII || readAs == readAsGSM7))
}

// composeShifted is for a client that makes its own header with national tables in it.
func (c content) composeShifted(shift sms.Shift, data []byte, septets bool) (content, error) {
	if !septets {
		var err error
		if data, err = shift.Encode(c.text); err != nil {
			return c, refuseText(smpp.StatusSubmitFail, "the tables that the client's header names lack a character: %v", err)
		}
	}
	c.shift, c.parts = shift, cut(data, sms.GSM7, c.udh)
	c.text = shift.Decode(data)
	c.sent, c.preview = c.text, preview(c.text)
	return c, nil
}

// cut makes parts of data, each with a header beside the concatenation; nil if it leaves no room.
func cut(data []byte, a sms.Alphabet, udh []byte) [][]byte {
	if len(udh) > mostOctets {
		return nil
	}
	return sms.SplitBeside(data, a, false, max(0, len(udh)-1))
}

// mostOctets is the user data of one SMS, header and text together (TS 23.040 §9.2.3.16).
const mostOctets = 140

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
func readText(dcs uint8, udh []byte, parts [][]byte) string {
	if a, _ := sms.AlphabetOf(dcs); a == sms.Binary {
		return fmt.Sprintf("%X", bytes.Join(parts, nil))
	}
	return sms.Text(dcs, udh, bytes.Join(parts, nil))
}
