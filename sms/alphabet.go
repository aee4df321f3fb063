package sms

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Alphabet is how user data is written, as far as lengths and cutting go.
type Alphabet uint8

// The alphabets of TS 23.038 §4.
const (
	GSM7   Alphabet = iota // septets of the GSM 7 bit default alphabet
	Binary                 // octets without a meaning of their own
	UCS2                   // UTF-16BE: phones send and show surrogate pairs too
)

func (a Alphabet) String() string {
	switch a {
	case GSM7:
		return "GSM7"
	case Binary:
		return "binary"
	case UCS2:
		return "UCS2"
	}
	return fmt.Sprintf("alphabet %d", uint8(a))
}

// AlphabetOf reads the alphabet from a data coding scheme (TS 23.038 §4). Reserved values are GSM7, as the specification
// wants it. ok is false for compressed user data (TS 23.042), which are octets that nobody can read: a is Binary then.
func AlphabetOf(dcs byte) (a Alphabet, ok bool) {
	switch group := dcs >> 4; {
	case group < 0x8: // general, and marked for automatic deletion
		if dcs&0x20 != 0 {
			return Binary, false
		}
		switch dcs >> 2 & 3 {
		case 1:
			return Binary, true
		case 2:
			return UCS2, true
		}
	case group == 0xE: // message waiting, store, in UCS-2
		return UCS2, true
	case group == 0xF && dcs&0x04 != 0: // message class
		return Binary, true
	}
	return GSM7, true
}

// ClassOf reads the message class from a data coding scheme: 0 is shown at once and not kept, 1 is for the phone, 2 for the
// SIM, 3 for what is connected to the phone (TS 23.038 §4). ok is false where it names none.
func ClassOf(dcs byte) (class uint8, ok bool) {
	if group := dcs >> 4; group == 0xF || group < 0x8 && dcs&0x10 != 0 {
		return dcs & 0x03, true
	}
	return 0, false
}

// Text reads user data for people, septets by the tables that the header chooses; "" if it is binary or compressed.
func Text(dcs byte, udh, data []byte) string {
	switch a, _ := AlphabetOf(dcs); a {
	case GSM7:
		return ShiftIn(udh).Decode(data)
	case UCS2:
		return DecodeUCS2(data)
	}
	return ""
}

// UnencodableError is the first character of a text that the wanted alphabet does not have.
type UnencodableError struct {
	Rune  rune // U+FFFD also for octets that are no UTF-8
	Index int  // characters before it
}

func (e *UnencodableError) Error() string {
	return fmt.Sprintf("character %d is %U: not in the alphabet", e.Index+1, e.Rune)
}

// EncodeUCS2 writes text as UTF-16BE, 2 octets a character and 4 beyond U+FFFF. What is no UTF-8 becomes U+FFFD.
func EncodeUCS2(text string) []byte {
	b := make([]byte, 0, 2*len(text))
	for _, r := range text {
		if r > 0xFFFF {
			high, low := utf16.EncodeRune(r)
			b = append(b, byte(high>>8), byte(high))
			r = low
		}
		b = append(b, byte(r>>8), byte(r))
	}
	return b
}

// DecodeUCS2 reads UTF-16BE. A surrogate without its other half becomes U+FFFD; an odd octet at the end is ignored.
func DecodeUCS2(b []byte) string {
	var text strings.Builder
	text.Grow(len(b))
	for len(b) >= 2 {
		r := rune(unit(b))
		b = b[2:]
		if utf16.IsSurrogate(r) {
			if len(b) < 2 {
				r = utf8.RuneError
			} else if r = utf16.DecodeRune(r, rune(unit(b))); r != utf8.RuneError {
				b = b[2:]
			}
		}
		text.WriteRune(r)
	}
	return text.String()
}

// unit is the UTF-16 code unit at the head of b, which has 2 octets at least.
func unit(b []byte) uint16 {
	return uint16(b[0])<<8 | uint16(b[1])
}

// EncodeLatin1 writes text as ISO-8859-1, one octet a character; the error is an *UnencodableError.
func EncodeLatin1(text string) ([]byte, error) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return nil, &UnencodableError{Rune: r, Index: len(b)}
		}
		b = append(b, byte(r))
	}
	return b, nil
}

// DecodeLatin1 reads ISO-8859-1, in which every octet is a character.
func DecodeLatin1(b []byte) string {
	var text strings.Builder
	text.Grow(len(b))
	for _, c := range b {
		text.WriteRune(rune(c))
	}
	return text.String()
}
