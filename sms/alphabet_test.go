package sms

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// dcsGroups has a row for each high nibble and a letter for each low one: 7 and 8 bit, U for UCS-2, c for compressed. It
// is TS 23.038 §4 in one view; reserved codes are 7.
var dcsGroups = [16]string{
	0x0: "7777 8888 UUUU 7777", // general data coding
	0x1: "7777 8888 UUUU 7777", // the same with a message class
	0x2: "cccc cccc cccc cccc", // compressed
	0x3: "cccc cccc cccc cccc",
	0x4: "7777 8888 UUUU 7777", // marked for automatic deletion
	0x5: "7777 8888 UUUU 7777",
	0x6: "cccc cccc cccc cccc",
	0x7: "cccc cccc cccc cccc",
	0x8: "7777 7777 7777 7777", // reserved
	0x9: "7777 7777 7777 7777",
	0xA: "7777 7777 7777 7777",
	0xB: "7777 7777 7777 7777",
	0xC: "7777 7777 7777 7777", // message waiting, discard
	0xD: "7777 7777 7777 7777", // message waiting, store, GSM 7 bit
	0xE: "UUUU UUUU UUUU UUUU", // message waiting, store, UCS-2
	0xF: "7777 8888 7777 8888", // data coding and message class; bit 3 is reserved
}

func TestAlphabetOf(t *testing.T) {
	type result struct {
		Alphabet Alphabet
		OK       bool
	}
	letters := map[rune]result{'7': {GSM7, true}, '8': {Binary, true}, 'U': {UCS2, true}, 'c': {Binary, false}}
	for group, row := range dcsGroups {
		for low, letter := range []rune(strings.ReplaceAll(row, " ", "")) {
			dcs := byte(group<<4 | low)
			var got result
			got.Alphabet, got.OK = AlphabetOf(dcs)
			if got != letters[letter] {
				t.Errorf("0x%02X: got %v, want %v", dcs, got, letters[letter])
			}
		}
	}
}

func TestClassOf(t *testing.T) {
	type read struct {
		Class uint8
		OK    bool
	}
	for dcs, want := range map[byte]read{
		0x00: {}, 0x08: {}, 0x0F: {}, 0x10: {0, true}, 0x1A: {2, true}, 0x33: {3, true}, 0x44: {}, 0x51: {1, true}, 0x7B: {3, true},
		0x80: {}, 0x93: {}, 0xB1: {}, 0xC1: {}, 0xD9: {}, 0xE2: {}, 0xF0: {0, true}, 0xF6: {2, true},
	} {
		var got read
		got.Class, got.OK = ClassOf(dcs)
		same(t, fmt.Sprintf("class of 0x%02X", dcs), got, want)
	}
}

func TestAlphabetString(t *testing.T) {
	for a, want := range map[Alphabet]string{GSM7: "GSM7", Binary: "binary", UCS2: "UCS2", 9: "alphabet 9"} {
		if got := a.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUCS2(t *testing.T) {
	for _, test := range []struct{ name, text, octets string }{
		{"nothing", "", ""},
		{"ASCII", "Hi", "0048 0069"},
		{"Japanese (python-gsmmodem)", "あ叶葉", "3042 53F6 8449"},
		{"surrogate pair", "a😀b", "0061 D83D DE00 0062"},
		{"last character", "\U0010FFFF", "DBFF DFFF"},
		{"last of two octets", "\uffff", "FFFF"},
		{"replacement character", "\ufffd", "FFFD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			same(t, "encoded", EncodeUCS2(test.text), unhex(t, test.octets))
			same(t, "decoded", DecodeUCS2(unhex(t, test.octets)), test.text)
		})
	}
	for _, test := range []struct{ name, octets, want string }{
		{"odd octet", "0048 00", "H"},
		{"one octet", "48", ""},
		{"high surrogate at the end", "0048 D83D", "H\ufffd"},
		{"high surrogate and half of the low one", "D83D DE", "\ufffd"},
		{"high surrogate and a letter", "D83D 0048", "\ufffdH"},
		{"low surrogate", "DE00 0048", "\ufffdH"},
		{"wrong way round", "DE00 D83D", "\ufffd\ufffd"},
		{"two high ones and a low one", "D83D D83D DE00", "\ufffd😀"},
	} {
		t.Run(test.name, func(t *testing.T) {
			same(t, "decoded", DecodeUCS2(unhex(t, test.octets)), test.want)
		})
	}
	t.Run("no UTF-8", func(t *testing.T) {
		same(t, "encoded", EncodeUCS2("a\xff"), unhex(t, "0061 FFFD"))
	})
}

func TestLatin1(t *testing.T) {
	for c := range 256 {
		text := DecodeLatin1([]byte{byte(c)})
		if text != string(rune(c)) {
			t.Errorf("0x%02X decodes to %q", c, text)
		}
		if got, err := EncodeLatin1(text); err != nil || string(got) != string([]byte{byte(c)}) {
			t.Errorf("%q encodes to %x, %v", text, got, err)
		}
	}
	for _, test := range []struct {
		name, text string
		want       UnencodableError
	}{
		{"euro", "ß 5€", UnencodableError{'€', 3}},
		{"first beyond", "Ā", UnencodableError{'Ā', 0}},
		{"no UTF-8", "ä\xe4", UnencodableError{'\ufffd', 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := EncodeLatin1(test.text)
			var fault *UnencodableError
			if !errors.As(err, &fault) || *fault != test.want || got != nil {
				t.Errorf("got %x, %v; want %v", got, err, &test.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		name string
		dcs  byte
		data string
		want string
	}{
		{"7 bit", 0x00, "48 69 1B 65", "Hi€"},
		{"flash", 0x10, "48 69", "Hi"},
		{"7 bit of a class", 0xF1, "48 69", "Hi"},
		{"reserved", 0x80, "48 69", "Hi"},
		{"UCS-2", 0x08, "0048 20AC", "H€"},
		{"flash UCS-2", 0x18, "0048", "H"},
		{"message waiting in UCS-2", 0xE0, "0048", "H"},
		{"8 bit", 0x04, "4869", ""},
		{"8 bit of a class", 0xF5, "4869", ""},
		{"compressed", 0x20, "4869", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := unhex(t, test.data)
			same(t, "Deliver", Deliver{DCS: test.dcs, Data: data}.Text(), test.want)
			same(t, "Submit", Submit{DCS: test.dcs, Data: data}.Text(), test.want)
		})
	}
}
