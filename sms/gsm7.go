package sms

import "strings"

// escape (ESC) says that the next septet is of the extension table.
const escape = 0x1B

// basic is the GSM 7 bit default alphabet in the order of its codes (TS 23.038 §6.2.1).
var basic = table([]rune("" +
	"@£$¥èéùìòÇ\nØø\rÅå" +
	"Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" +
	" !\"#¤%&'()*+,-./" +
	"0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNO" +
	"PQRSTUVWXYZÄÖÑÜ§" +
	"¿abcdefghijklmno" +
	"pqrstuvwxyzäöñüà"))

// extension is the default extension table (TS 23.038 §6.2.1.1); 0 where it has nothing. CR2 (0x0D) and SS2 (0x1B) are
// control codes for phones to come, so they are not in it.
var extension = table{
	0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\', 0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

// codes is both tables the other way round: for each character up to Ω its code, escape<<8 | code if it is of the
// extension table, or noCode. An array, because it is asked once for each character of each text.
var codes = invertTables()

const (
	noCode   = 0xFFFF
	euroCode = escape<<8 | 0x65 // the only one beyond codes
)

func invertTables() (codes ['Ω' + 1]uint16) {
	for r := range codes {
		codes[r] = noCode
	}
	for code, r := range basic {
		if code != escape { // in a text it would swallow the character behind it
			codes[r] = uint16(code)
		}
	}
	for code, r := range extension {
		if r != 0 && int(r) < len(codes) {
			codes[r] = escape<<8 | uint16(code)
		}
	}
	return codes
}

// EncodeGSM7 writes text in the GSM 7 bit default alphabet: septets, one per octet, characters of the extension table as
// two. The error is an *UnencodableError.
func EncodeGSM7(text string) ([]byte, error) {
	septets := make([]byte, 0, len(text))
	index := 0
	for _, r := range text {
		code := uint16(noCode)
		if int(r) < len(codes) {
			code = codes[r]
		} else if r == '€' {
			code = euroCode
		}
		switch {
		case code == noCode:
			return nil, &UnencodableError{Rune: r, Index: index}
		case code > 0x7F:
			septets = append(septets, escape, byte(code))
		default:
			septets = append(septets, byte(code))
		}
		index++
	}
	return septets, nil
}

// DecodeGSM7 reads septets, one per octet; a top bit is ignored. As TS 23.038 §6.2.1 asks of a phone, a code that the
// extension table lacks is the character of the same code in the default table, and an escape that escapes another one,
// or nothing, is a space.
func DecodeGSM7(septets []byte) string {
	return decodeSeptets(septets, &basic, &extension)
}

// decodeSeptets is DecodeGSM7 for any two tables, in which 0 is no character.
func decodeSeptets(septets []byte, main, escaped *table) string {
	var text strings.Builder
	text.Grow(len(septets))
	for i := 0; i < len(septets); i++ {
		code := septets[i] & 0x7F
		r := main[code]
		if code == escape {
			i++
			r = 0
			if i < len(septets) {
				r = escapedRune(septets[i]&0x7F, main, escaped)
			}
		}
		if r == 0 {
			r = ' '
		}
		text.WriteRune(r)
	}
	return text.String()
}

// escapedRune is the character that code stands for behind an escape; 0 for none.
func escapedRune(code byte, main, escaped *table) rune {
	switch r := escaped[code]; {
	case r != 0:
		return r
	case code == escape:
		return 0
	}
	return main[code]
}

// Pack writes septets, one per octet, into as few octets as hold them, the first in the lowest bits, behind fill (0 to 6)
// zero bits (TS 23.038 §6.1.2.1). Fill alone takes an octet too, as the length of user data then counts it. The rest of
// the last octet is zero, and so may look like one more '@': only a length tells.
func Pack(septets []byte, fill int) []byte {
	return appendPacked(make([]byte, 0, len(septets)+1), septets, fill)
}

func appendPacked(b, septets []byte, fill int) []byte {
	var bits uint
	held := clampFill(fill)
	for _, s := range septets {
		bits |= uint(s&0x7F) << held
		if held += 7; held >= 8 {
			b = append(b, byte(bits))
			bits >>= 8
			held -= 8
		}
	}
	if held > 0 {
		b = append(b, byte(bits))
	}
	return b
}

// Unpack is the opposite of Pack: at most n septets from octets, behind fill bits; fewer when octets end before that.
func Unpack(octets []byte, n, fill int) []byte {
	fill = clampFill(fill)
	n = min(n, (8*len(octets)-fill)/7)
	if n <= 0 {
		return nil
	}
	septets := make([]byte, n)
	for i := range septets {
		bit := fill + 7*i
		window := uint(octets[bit/8])
		if bit%8 > 1 {
			window |= uint(octets[bit/8+1]) << 8
		}
		septets[i] = byte(window>>(bit%8)) & 0x7F
	}
	return septets
}

// clampFill keeps a wrong number of fill bits from shifting octets about.
func clampFill(fill int) int {
	return max(0, min(fill, 6))
}
