package sms

import (
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	for _, test := range []struct {
		text  string
		want  Address
		shown string
	}{
		{"+491701234567", international("491701234567"), "+491701234567"},
		{"01701234567", unknown("01701234567"), "01701234567"},
		{"00491701234567", unknown("00491701234567"), "00491701234567"},
		{"5", unknown("5"), "5"},
		{"+1", international("1"), "+1"},
		{"12345678901234567890", unknown("12345678901234567890"), "12345678901234567890"},
		{"+12345678901234567890", international("12345678901234567890"), "+12345678901234567890"},
	} {
		got, err := ParseNumber(test.text)
		if err != nil || got != test.want || got.String() != test.shown {
			t.Errorf("ParseNumber(%q) = %+v (%q), %v; want %+v (%q)", test.text, got, got.String(), err, test.want, test.shown)
		}
	}
}

func TestParseNumberRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "no digits"},
		{"only a plus", "+", "no digits"},
		{"two", "++49", "character 2 of the number is '+'"},
		{"plus inside", "49+170", "character 3 of the number is '+'"},
		{"blank", "+49 170", "character 4 of the number is ' '"},
		{"letter", "0800SMS", "character 5 of the number is 'S'"},
		{"star", "*100#", "character 1 of the number is '*'"},
		{"digit of another script", "4٤", "character 2 of the number is '٤'"},
		{"no UTF-8", "4\xff", "character 2 of the number is '\ufffd'"},
		{"NUL", "49\x00", `character 3 of the number is '\x00'`},
		{"too long", strings.Repeat("7", 21), "21 digits: at most 20"},
		{"too long with plus", "+" + strings.Repeat("7", 21), "21 digits: at most 20"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseNumber(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("ParseNumber(%q): error %v, want %q in it", test.text, err, test.want)
			}
			if got != (Address{}) {
				t.Errorf("ParseNumber(%q) gives %+v beside its error", test.text, got)
			}
		})
	}
}

func TestAddressString(t *testing.T) {
	for _, test := range []struct {
		name string
		a    Address
		want string
	}{
		{"none", Address{}, ""},
		{"international without a number", Address{TON: TONInternational, NPI: NPIISDN}, ""},
		{"national", Address{TONNational, NPIISDN, "1701234567"}, "1701234567"},
		{"a name", name("Vodafone"), "Vodafone"},
	} {
		if got := test.a.String(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSameNumber(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		want       bool
	}{
		{"equal", "491701234567", "491701234567", true},
		{"national and international", "+49 170 1234567", "01701234567", true},
		{"other prefix", "00491701234567", "491701234567", true},
		{"last 8 alone", "99901234567", "01234567", true},
		{"the 8th from the end differs", "11234567", "01234567", false},
		{"nines and noughts", "4909900000999", "0 99-00.000/999", true},
		{"last digit differs", "491701234567", "491701234568", false},
		{"short, equal", "12345", "12-345", true},
		{"short, one the end of the other", "12345", "2345", false},
		{"short and long", "1234567", "491234567", false},
		{"both empty", "", "", false},
		{"names", "Vodafone", "Vodafone", false},
		{"one empty", "491701234567", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := SameNumber(test.a, test.b); got != test.want {
				t.Errorf("SameNumber(%q, %q) = %v", test.a, test.b, got)
			}
			if got := SameNumber(test.b, test.a); got != test.want {
				t.Errorf("the other way round it is %v", got)
			}
		})
	}
}

// addressFields are address fields of TPDUs, length, type, value. The names are vectors of python-gsmmodem's and
// python-smspdu's test suites; the rest is built by TS 23.040 §9.1.2.5.
var addressFields = []struct {
	name, octets string
	want         Address
}{
	{"no digits", "00 80", Address{}},
	{"no digits, type kept", "00 91", Address{TON: TONInternational, NPI: NPIISDN}},
	{"even (python-gsmmodem)", "0A 91 8967452301", international("9876543210")},
	{"odd (python-gsmmodem)", "09 91 89674523F1", international("987654321")},
	{"national (python-gsmmodem)", "0A A1 1092997856", Address{TONNational, NPIISDN, "0129998765"}},
	{"short code", "05 81 2143F5", unknown("12345")},
	{"one digit", "01 81 F7", unknown("7")},
	{"*#abc", "06 81 BA DC 1E", unknown("*#abc1")},
	{"20 digits", "14 91 21436587092143658709", international("12345678901234567890")},
	{"private plan", "02 C9 21", Address{TONSubscriber, 9, "12"}},
	{"network specific", "02 B1 21", Address{TONNetworkSpecific, NPIISDN, "12"}},
	{"abbreviated", "02 E0 21", Address{TONAbbreviated, NPIUnknown, "12"}},
	{"reserved type 7", "02 FF 21", Address{7, 15, "12"}},
	{"name of 3 (python-gsmmodem)", "06 D0 61F118", name("abc")},
	{"name of 6 (python-smspdu)", "0B D0 CDE6DB5DCE03", name("MMoney")},
	{"name of 7", "0D D0 D432BBBC7EB701", name("Telekom")},
	{"name of 8 (python-gsmmodem)", "0E D0 4669D0397C26A7", name("FRANCOIS")},
	{"name of 11 (python-smspdu)", "14 D0 C4F23C7D760390EF7619", name("Design@Home")},
	{"name with extension characters (python-gsmmodem)", "14 D0 E10D6FE3DBA036A94D19", name("a[]{}€")},
	{"name of nothing", "00 D0", name("")},
}

func TestAddressFields(t *testing.T) {
	for _, test := range addressFields {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			r := reader{octets: octets}
			if got := r.address("TP-DA"); r.err != nil || got != test.want || r.pos != len(octets) {
				t.Errorf("read %+v up to octet %d, error %v; want %+v", got, r.pos, r.err, test.want)
			}
			w := newWriter(nil)
			w.address("TP-DA", test.want)
			got, err := w.done()
			if err != nil {
				t.Fatal(err)
			}
			same(t, "written", got, octets)
			for n := range octets {
				r := reader{octets: octets[:n]}
				r.address("TP-DA")
				wantField(t, r.err, "TP-DA", n)
			}
		})
	}
}

func TestAddressLenient(t *testing.T) {
	for _, test := range []struct {
		name, octets string
		want         Address
	}{
		{"filler counted as a digit", "0C 91 2143658709F1", international("12345678901")},
		{"filler in the middle ends the number", "06 91 21F365", international("123")},
		{"top bit of the type missing", "04 11 2143", international("1234")},
		{"anything but F in the unused nibble", "03 81 2143", unknown("123")},
		{"an escape without its character in a name", "02 D0 1B", name(" ")},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := reader{octets: unhex(t, test.octets)}
			if got := r.address("TP-OA"); r.err != nil || got != test.want {
				t.Errorf("got %+v, error %v; want %+v", got, r.err, test.want)
			}
		})
	}
}

func TestAddressRefuses(t *testing.T) {
	r := reader{octets: unhex(t, "15 91 2143658709214365870921")}
	r.address("TP-DA")
	wantField(t, r.err, "TP-DA", 0)

	for _, test := range []struct {
		name string
		a    Address
	}{
		{"plus in the number", international("+4917")},
		{"letter", unknown("12x")},
		{"capital A", unknown("A")},
		{"21 digits", unknown(strings.Repeat("1", 21))},
		{"type of 4 bits", Address{8, 1, "1"}},
		{"plan of 5 bits", Address{1, 16, "1"}},
		{"name of 12", name("ABCDEFGHIJKL")},
		{"name of 12 septets", name("ABCDEFGHIJ€")},
		{"name beyond the alphabet", name("Почта")},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := Submit{Destination: test.a}.Append([]byte{1, 2, 3})
			wantField(t, err, "TP-DA", 2)
			same(t, "what comes back", b, []byte{1, 2, 3})
			same(t, "service centre", AppendSCA([]byte{9}, test.a), []byte{9, 0})
		})
	}
}

func TestSCA(t *testing.T) {
	for _, test := range []struct {
		name, octets string
		want         Address
	}{
		{"none", "00", Address{}},
		{"even (python-gsmmodem)", "06 91 8967452301", international("9876543210")},
		{"odd (gsm-modem.md §3.1)", "07 91 1326040000F0", international("31624000000")},
		{"unknown type (python-gsmmodem)", "04 A1 2143F5", Address{TONNational, NPIISDN, "12345"}},
		{"two digits", "02 81 21", unknown("12")},
		{"20 digits", "0B 91 21436587092143658709", international("12345678901234567890")},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			same(t, "appended", AppendSCA([]byte{7}, test.want), append([]byte{7}, octets...))
			sca, tpdu, err := SplitSCA(append(octets, 0x11, 0x22))
			if err != nil || sca != test.want {
				t.Errorf("split %+v, error %v; want %+v", sca, err, test.want)
			}
			same(t, "TPDU", tpdu, []byte{0x11, 0x22})
			for n := range octets {
				_, _, err := SplitSCA(octets[:n])
				wantField(t, err, "SCA", n)
			}
		})
	}
	t.Run("only a type is none", func(t *testing.T) {
		sca, tpdu, err := SplitSCA([]byte{1, 0x91, 0x11})
		if err != nil || sca != (Address{}) || len(tpdu) != 1 {
			t.Errorf("got %+v, %x, %v", sca, tpdu, err)
		}
	})
	t.Run("a name is none", func(t *testing.T) {
		sca, tpdu, err := SplitSCA(unhex(t, "08 D0 D432BBBC7EB701 11"))
		if err != nil || sca != (Address{}) || len(tpdu) != 1 {
			t.Errorf("got %+v, %x, %v", sca, tpdu, err)
		}
		same(t, "appended", AppendSCA(nil, name("Telekom")), []byte{0})
	})
	t.Run("too long", func(t *testing.T) {
		_, _, err := SplitSCA(append([]byte{12}, make([]byte, 20)...))
		wantField(t, err, "SCA", 0)
	})
}
