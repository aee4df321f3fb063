package sms

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// gsm7Beside lists where the GSM alphabet differs from ASCII, code by code, out of TS 23.038 §6.2.1.
var gsm7Beside = map[byte]rune{
	0x00: '@', 0x01: '£', 0x02: '$', 0x03: '¥', 0x04: 'è', 0x05: 'é', 0x06: 'ù', 0x07: 'ì',
	0x08: 'ò', 0x09: 'Ç', 0x0B: 'Ø', 0x0C: 'ø', 0x0E: 'Å', 0x0F: 'å',
	0x10: 'Δ', 0x11: '_', 0x12: 'Φ', 0x13: 'Γ', 0x14: 'Λ', 0x15: 'Ω', 0x16: 'Π', 0x17: 'Ψ',
	0x18: 'Σ', 0x19: 'Θ', 0x1A: 'Ξ', 0x1C: 'Æ', 0x1D: 'æ', 0x1E: 'ß', 0x1F: 'É',
	0x24: '¤', 0x40: '¡', 0x5B: 'Ä', 0x5C: 'Ö', 0x5D: 'Ñ', 0x5E: 'Ü', 0x5F: '§',
	0x60: '¿', 0x7B: 'ä', 0x7C: 'ö', 0x7D: 'ñ', 0x7E: 'ü', 0x7F: 'à',
}

func TestGSM7Table(t *testing.T) {
	for code := range byte(0x80) {
		if code == escape {
			continue
		}
		want, ok := gsm7Beside[code]
		if !ok {
			want = rune(code)
		}
		if got := DecodeGSM7([]byte{code}); got != string(want) {
			t.Errorf("0x%02X decodes to %q, want %q", code, got, want)
		}
		if got, err := EncodeGSM7(string(want)); err != nil || len(got) != 1 || got[0] != code {
			t.Errorf("%q encodes to %x, %v; want %02x", want, got, err, code)
		}
	}
}

func TestGSM7Extension(t *testing.T) {
	table := map[byte]rune{
		0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\', 0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
	}
	for code := range byte(0x80) {
		want, ok := table[code]
		switch {
		case ok:
			if got, err := EncodeGSM7(string(want)); err != nil || string(got) != string([]byte{escape, code}) {
				t.Errorf("%q encodes to %x, %v; want 1b%02x", want, got, err, code)
			}
		case code == escape:
			want = ' '
		default:
			want = []rune(DecodeGSM7([]byte{code}))[0]
		}
		if got := DecodeGSM7([]byte{escape, code}); got != string(want) {
			t.Errorf("ESC 0x%02X decodes to %q, want %q", code, got, want)
		}
	}
}

func TestDecodeGSM7(t *testing.T) {
	for _, test := range []struct {
		name, octets, want string
	}{
		{"nothing", "", ""},
		{"top bits", "C8 E9", "Hi"},
		{"top bit on an escape", "9B E5", "€"},
		{"escape at the end", "41 1B", "A "},
		{"two escapes are one character", "1B 1B 65", " e"},
		{"three", "1B 1B 1B 65", " €"},
	} {
		if got := DecodeGSM7(unhex(t, test.octets)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestEncodeGSM7Refuses(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       UnencodableError
	}{
		{"small c cedilla, unlike the capital", "Ç ç", UnencodableError{'ç', 2}},
		{"counted in characters, not in octets", "ÄÖ€Я", UnencodableError{'Я', 3}},
		{"backquote", "`", UnencodableError{'`', 0}},
		{"a, acute", "á", UnencodableError{'á', 0}},
		{"Latin A is not Greek Alpha", "Α", UnencodableError{'Α', 0}},
		{"escape itself", "a\x1b", UnencodableError{'\x1b', 1}},
		{"tab", "\t", UnencodableError{'\t', 0}},
		{"NUL", "\x00", UnencodableError{'\x00', 0}},
		{"emoji", "ok 👍", UnencodableError{'👍', 3}},
		{"no UTF-8", "a\xe4", UnencodableError{'\ufffd', 1}},
		{"the character behind the table's end", "Ϊ", UnencodableError{'Ϊ', 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := EncodeGSM7(test.text)
			var fault *UnencodableError
			if !errors.As(err, &fault) || *fault != test.want || got != nil {
				t.Errorf("got %x, %v; want %v", got, err, &test.want)
			}
		})
	}
}

func TestUnencodableErrorText(t *testing.T) {
	err := &UnencodableError{Rune: 'ç', Index: 2}
	if got, want := err.Error(), "character 3 is U+00E7: not in the alphabet"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// packed are vectors of public test suites and tutorials; "hellohello" is in many, the others are python-gsmmodem's.
var packed = []struct{ name, text, octets string }{
	{"nothing", "", ""},
	{"3 septets", "123", "31D90C"},
	{"8 septets fill 7 octets", "12345678", "31D98C56B3DD70"},
	{"9", "123456789", "31D98C56B3DD7039"},
	{"10", "hellohello", "E8329BFD4697D9EC37"},
	{"12", "Hello World!", "C8329BFD065DDF72363904"},
	{"30", "123456789012345678901234567890", "31D98C56B3DD7039584C36A3D56C375C0E1693CD6835DB0D978301"},
	{"extension", "[{abc}]~", "1BDE0615168F37A98D6FD303"},
	{"Greek", "{åΦΓΛΩΠΨΣΘ€}", "1BD44332A1542C174C6653DEA400"},
}

func TestPack(t *testing.T) {
	for _, test := range packed {
		t.Run(test.name, func(t *testing.T) {
			s, octets := septets(t, test.text), unhex(t, test.octets)
			same(t, "packed", Pack(s, 0), octets)
			if got := DecodeGSM7(Unpack(octets, len(s), 0)); got != test.text {
				t.Errorf("unpacked %q, want %q", got, test.text)
			}
		})
	}
	t.Run("top bits are ignored", func(t *testing.T) {
		same(t, "packed", Pack([]byte{0xB1, 0xB2, 0xB3}, 0), unhex(t, "31D90C"))
	})
}

func TestPackWithFill(t *testing.T) {
	for _, test := range []struct {
		name, text string
		fill       int
		octets     string
	}{
		{"fill alone", "", 3, "00"},
		{"no fill, nothing", "", 0, ""},
		{"one bit, as behind a header of 6 octets", "A", 1, "82"},
		{"two bits", "A", 2, "04 01"},
		{"six bits", "Hi", 6, "00 32 0D"},
		{"fill out of range is the nearest in it", "A", 9, "40 10"},
		{"negative fill is none", "A", -1, "41"},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			same(t, "packed", Pack(septets(t, test.text), test.fill), octets)
			if got := DecodeGSM7(Unpack(octets, len(test.text), test.fill)); got != test.text {
				t.Errorf("unpacked %q, want %q", got, test.text)
			}
		})
	}
}

func TestUnpackIsBounded(t *testing.T) {
	for _, test := range []struct {
		name    string
		octets  int
		n, fill int
		want    int
	}{
		{"nothing", 0, 5, 0, 0},
		{"nothing behind fill", 0, 5, 6, 0},
		{"none asked for", 7, 0, 0, 0},
		{"less than none", 7, -1, 0, 0},
		{"all", 7, 8, 0, 8},
		{"more than there are", 7, 1 << 60, 0, 8},
		{"fill takes one", 7, 8, 1, 7},
		{"one octet is one septet", 1, 9, 1, 1},
		{"and none behind 2 bits", 1, 9, 2, 0},
		{"less than there are", 140, 7, 0, 7},
	} {
		if got := len(Unpack(make([]byte, test.octets), test.n, test.fill)); got != test.want {
			t.Errorf("%s: %d septets, want %d", test.name, got, test.want)
		}
	}
}

func TestPackUnpackProperty(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		s := make([]byte, rng.IntN(170)+1)
		for i := range s {
			s[i] = byte(rng.IntN(128))
		}
		fill := rng.IntN(7)
		octets := Pack(s, fill)
		if want := (fill + 7*len(s) + 7) / 8; len(octets) != want {
			t.Fatalf("%d septets behind %d bits take %d octets, want %d", len(s), fill, len(octets), want)
		}
		if got := Unpack(octets, len(s), fill); string(got) != string(s) {
			t.Fatalf("fill %d: %x came back as %x", fill, s, got)
		}
	}
}

func TestGSM7TextProperty(t *testing.T) {
	var all []rune
	for _, r := range basic {
		if r != escape {
			all = append(all, r)
		}
	}
	for _, r := range extension {
		if r != 0 {
			all = append(all, r)
		}
	}
	if len(all) != 127+10 {
		t.Fatalf("the alphabet has %d characters, want 137", len(all))
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		var text strings.Builder
		for range rng.IntN(200) {
			text.WriteRune(all[rng.IntN(len(all))])
		}
		if got := DecodeGSM7(septets(t, text.String())); got != text.String() {
			t.Fatalf("%q came back as %q", text.String(), got)
		}
	}
}
