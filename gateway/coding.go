package gateway

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"

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

// What octets were taken for, in words.
const (
	readAsASCII  = "ASCII"
	readAsGSM7   = "GSM 03.38"
	readAsLatin1 = "ISO 8859-1"
	readAsUTF8   = "UTF-8"
	readAsUCS2   = "UTF-16BE"
	readAsLittle = "UTF-16LE"
	readAsOctets = "octets"
)

// coding is what a value of data_coding asks for.
type coding struct {
	kind codingKind
	name string // what the octets are, in words; "" is for the account to say
	dcs  uint8  // TP-DCS of octets, of UCS-2, and of a text in GSM 7 bit
	wide uint8  // TP-DCS of a text that GSM 7 bit lacks; 0: there is none, and it is refused

	decode func([]byte) (string, bool) // reads the octets of a text; nil: as the account says
}

type codingKind uint8

const (
	codingText   codingKind = iota
	codingOctets            // 8 bit data, untouched
	codingUCS2              // UTF-16BE, and so on air
	codingNone              // refused
)

// codingOf reads data_coding (SMPP 3.4 §5.2.19, sheet section 8). What SMPP reserves is the default alphabet, but for the
// groups of GSM's own data coding scheme (TS 23.038 §4): class in 0x10-0x1F and 0xF0-0xFF, message waiting in 0xC0-0xEF.
func codingOf(dataCoding uint8) coding {
	text := coding{wide: 0x08}
	switch dataCoding {
	case 0x02, 0x04:
		return coding{kind: codingOctets, name: readAsOctets, dcs: 0x04}
	case 0x03:
		text.name, text.decode = readAsLatin1, decodeLatin1
	case 0x05:
		text.name, text.decode = "Shift JIS", decodeJIS(japanese.ShiftJIS)
	case 0x06:
		text.name, text.decode = "ISO 8859-5", decodeWith(charmap.ISO8859_5)
	case 0x07:
		text.name, text.decode = "ISO 8859-8", decodeWith(charmap.ISO8859_8)
	case 0x08:
		return coding{kind: codingUCS2, name: readAsUCS2, dcs: 0x08}
	case 0x09:
		return coding{kind: codingNone, name: "pictograms"}
	case 0x0A:
		text.name, text.decode = "ISO-2022-JP", decodeWith(japanese.ISO2022JP)
	case 0x0D:
		text.name, text.decode = "EUC-JP", decodeJIS(japanese.EUCJP)
	case 0x0E:
		text.name, text.decode = "KS C 5601", decodeWith(korean.EUCKR)
	default:
		return codingOfGroup(dataCoding)
	}
	return text
}

// codingOfGroup reads the values that GSM has a meaning for, and the rest.
func codingOfGroup(dataCoding uint8) coding {
	class := dataCoding & 0x03
	switch group := dataCoding & 0xF0; {
	case group == 0x10 && dataCoding&0x0C == 0x04, group == 0xF0 && dataCoding&0x04 != 0:
		return coding{kind: codingOctets, name: readAsOctets, dcs: dataCoding}
	case group == 0x10 && dataCoding&0x0C == 0x08, group == 0xE0:
		return coding{kind: codingUCS2, name: readAsUCS2, dcs: dataCoding}
	case group == 0x10, group == 0xF0: // with a class, which UCS-2 has in group 1 only
		return coding{dcs: group | class, wide: 0x18 | class}
	case group == 0xC0, group == 0xD0: // message waiting in 7 bits has no UCS-2 form beside it
		return coding{dcs: dataCoding}
	}
	return coding{wide: 0x08}
}

// read makes text of octets, and tells what they were taken for. The errors hold an smpp.Status.
func (as coding) read(data []byte, alphabet string) (text, readAs string, err error) {
	if as.decode == nil {
		return decodeDefault(data, alphabet)
	}
	text, ok := as.decode(trimNUL(data))
	if !ok {
		return "", as.name, refuseText(smpp.StatusSubmitFail, "what data_coding calls %s can't be read so", as.name)
	}
	return plain(text), as.name, nil
}

// decodeDefault reads data_coding 0 and 1 as the account says.
func decodeDefault(data []byte, alphabet string) (text, readAs string, err error) {
	if alphabet == AlphabetAuto {
		alphabet = guess(data)
	}
	switch alphabet {
	case AlphabetGSM7:
		if i := bytes.IndexFunc(data, beyondASCII); i >= 0 {
			return "", readAsGSM7, notIn(readAsGSM7, data)
		}
		return sms.DecodeGSM7(data), readAsGSM7, nil
	case AlphabetUTF8:
		data = trimNUL(data)
		if !utf8.Valid(data) {
			return "", readAsUTF8, notIn(readAsUTF8, data)
		}
		return plain(string(data)), readAsUTF8, nil
	case AlphabetLatin1:
		text, _ := decodeLatin1(trimNUL(data))
		return plain(text), readAsLatin1, nil
	}
	data = trimNUL(data)
	if i := bytes.IndexFunc(data, beyondASCII); i >= 0 {
		return "", readAsASCII, notIn(readAsASCII, data)
	}
	return plain(string(data)), readAsASCII, nil
}

// beyondASCII is also true of an octet that is no UTF-8, which reads as U+FFFD.
func beyondASCII(r rune) bool { return r > 0x7F }

// notIn says that the account's alphabet doesn't fit what came.
func notIn(name string, data []byte) error {
	high := 0
	for _, o := range data {
		if o > 0x7F {
			high++
		}
	}
	return refuseText(smpp.StatusSubmitFail, "%d octets above 0x7F that are no %s; the account's alphabet says it is", high, name)
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
		case o == 0x00 && i == len(data)-1:
		case onlyGSM7(o):
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

// onlyGSM7 tells of an octet that no text in ASCII has, and one in GSM 03.38 may have.
func onlyGSM7(o byte) bool {
	return o < 0x20 && o != '\t' && o != '\n' && o != '\r'
}

// decodeLatin1 reads ISO 8859-1. Where that has control characters, which no text has, it is Windows-1252, which many a
// client calls by the same name.
func decodeLatin1(data []byte) (string, bool) {
	var b strings.Builder
	b.Grow(len(data))
	for _, o := range data {
		r := rune(o)
		if o >= 0x80 && o < 0xA0 {
			if w := charmap.Windows1252.DecodeByte(o); w != utf8.RuneError {
				r = w
			}
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// decodeWith reads another character set; false if there is something that it does not have.
func decodeWith(set encoding.Encoding) func([]byte) (string, bool) {
	return func(data []byte) (string, bool) {
		text, err := set.NewDecoder().Bytes(data)
		return string(text), err == nil && !bytes.ContainsRune(text, utf8.RuneError)
	}
}

// decodeJIS reads a Japanese set. SMPP names the characters (JIS X 0208, X 0212) and not how they are written: with escape
// sequences it is ISO-2022-JP whatever the number, and without any what the clients that know the number send.
func decodeJIS(set encoding.Encoding) func([]byte) (string, bool) {
	return func(data []byte) (string, bool) {
		if bytes.Contains(data, []byte("\x1b$")) || bytes.Contains(data, []byte("\x1b(")) {
			return decodeWith(japanese.ISO2022JP)(data)
		}
		return decodeWith(set)(data)
	}
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

// codePoints names characters for a log, up to a few different ones: "U+2019, U+1F389 and 3 more".
func codePoints(list []rune) string {
	const most = 5
	var names []string
	more := 0
	seen := make(map[rune]bool)
	for _, r := range list {
		switch {
		case seen[r]:
		case len(names) == most:
			more++
		default:
			names = append(names, fmt.Sprintf("%U", r))
		}
		seen[r] = true
	}
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
