package sms

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// hello is "hellohello" on the wire, with its length.
const hello = "0A E8329BFD4697D9EC37"

// submits run both ways. Sources are in the names: the sheet is gsm-modem.md §3.1, dreamfabric the tutorial "SMS and the
// PDU format" that half the world's PDU code was checked with, python-gsmmodem that project's test suite; the others are
// built by TS 23.040 §9.2.2.2.
var submits = []struct {
	name, octets string
	want         Submit
}{
	{"the sheet's", `
		31                   # SUBMIT, relative TP-VP, TP-SRR
		00                   # TP-MR
		0B 91 2143658709F1   # TP-DA
		00 00 A7             # TP-PID, TP-DCS, TP-VP
		05 E8329BFD06        # TP-UDL, TP-UD`,
		Submit{StatusReport: true, Destination: international("12345678901"), Validity: 24 * time.Hour, Data: []byte("hello")}},
	{"dreamfabric's", `
		11 00 0B 91 6407281553F8
		00 00 AA             # TP-PID, TP-DCS, TP-VP: 4 days
		` + hello,
		Submit{Destination: international("46708251358"), Validity: 4 * day, Data: []byte("hellohello")}},
	{"no validity (python-gsmmodem)", "01 00 0B 91 7228001011F1 00 00 0C C8329BFD065DDF72363904",
		Submit{Destination: international("27820001111"), Data: []byte("Hello World!")}},
	{"weeks, UCS-2 (python-gsmmodem)", "11 00 09 91 21436587F9 00 08 F4 0A 4E16 754C 60A8 597D FF01",
		Submit{Destination: international("123456789"), DCS: 8, Validity: 52 * week, Data: EncodeUCS2("世界您好！")}},
	{"national (python-gsmmodem)", `
		31 0D 0A A1 1062452143 00 00 A9
		1B D4F29C0E6A97E7F3F0B9AC03B1DFE3301BE4AEB7C565F91C`,
		Submit{StatusReport: true, Reference: 13, Destination: Address{TONNational, NPIISDN, "0126541234"},
			Validity: 3 * day, Data: []byte("Test message: local numbers")}},
	{"absolute validity (python-gsmmodem)", `
		19 00 0B 91 7228001011F1 00 00
		31700131930080       # TP-VP: 2013-07-10 13:39 +02:00
		17 D474BB3CA787DB70903DCC4E93D3F43C885E9ED301`,
		Submit{Destination: international("27820001111"), VPRaw: []byte{0x31, 0x70, 0x01, 0x31, 0x93, 0, 0x80},
			Data: []byte("Timestamp validity test")}},
	{"enhanced validity", "09 07 03 81 21F3 00 00 41 01 00 00 00 00 00 00",
		Submit{Reference: 7, Destination: unknown("123"), VPRaw: []byte{0x41, 1, 0, 0, 0, 0, 0}, VPEnhanced: true}},
	{"8 bit (python-gsmmodem)", "01 00 0B 91 7228214365F7 00 04 0C 48656C6C6F20776F726C6421",
		Submit{Destination: international("27821234567"), DCS: 4, Data: []byte("Hello world!")}},
	{"flash, every flag", `
		F5 FF 01 81 F1
		41 10 00             # TP-PID: replace type 1, TP-DCS: class 0, TP-VP
		09 05 00 03 2A 02 01
		90 69                # a fill bit, then two septets`,
		Submit{RejectDuplicates: true, StatusReport: true, ReplyPath: true, Reference: 255, Destination: unknown("1"),
			PID: 0x41, DCS: 0x10, Validity: 5 * time.Minute, UDH: []byte{5, 0, 3, 0x2A, 2, 1}, Data: []byte("Hi")}},
	{"nothing in it", "01 00 00 80 00 00 00", Submit{}},
	{"a header alone, 7 bit", "41 00 00 80 00 00 07 05 00 03 2A 01 01 00",
		Submit{UDH: []byte{5, 0, 3, 0x2A, 1, 1}}},
	{"a header alone, 8 bit", "41 00 00 80 00 04 06 05 00 03 2A 01 01",
		Submit{DCS: 4, UDH: []byte{5, 0, 3, 0x2A, 1, 1}}},
	{"an empty header", "41 00 00 80 00 08 03 00 0041",
		Submit{DCS: 8, UDH: []byte{0}, Data: []byte{0, 0x41}}},
	{"half a character of UCS-2", "01 00 00 80 00 08 03 004100",
		Submit{DCS: 8, Data: []byte{0, 0x41, 0}}},
	{"compressed", "01 00 00 80 00 20 02 C1C2",
		Submit{DCS: 0x20, Data: []byte{0xC1, 0xC2}}},
	{"reserved coding is 7 bit", "01 00 00 80 00 80 " + hello,
		Submit{DCS: 0x80, Data: []byte("hellohello")}},
}

// delivers run both ways; sources as above.
var delivers = []struct {
	name, octets string
	want         Deliver
	text         string
}{
	{"the sheet's, its zone swapped", `
		04                   # DELIVER, no more messages
		0B 91 1346610089F6   # TP-OA
		00 00                # TP-PID, TP-DCS
		20806291731480       # TP-SCTS
		0C C8F71D14969741F977FD07`,
		Deliver{Originator: international("31641600986"), Time: at(2002, 8, 26, 19, 37, 41, 8), Data: []byte("How are you?")}, "How are you?"},
	{"dreamfabric's", "04 0B C8 7238880900F1 00 00 99309251619580 " + hello,
		Deliver{Originator: Address{TONSubscriber, 8, "27838890001"}, Time: at(1999, 3, 29, 15, 16, 59, 8), Data: []byte("hellohello")}, "hellohello"},
	{"python-gsmmodem's, in Hong Kong", `
		04 0B 91 5892214365F7 00 00 70402132522423
		31 493A283D0795C3F33C88FE06C9CB6132885EC6D341EDF27C1E3E97E7207B3A0C0A5241E377BB1D7693E72E`,
		Deliver{Originator: international("85291234567"), Time: at(2007, 4, 12, 23, 25, 42, 32),
			Data: []byte("It is easy to read text messages via AT commands.")},
		"It is easy to read text messages via AT commands."},
	{"every flag, a name, UCS-2 with a 16 bit reference", `
		E0 0B D0 CDE6DB5DCE03
		00 08 4250222143652B
		0B 06 08 04 ABCD 02 01 0048 0069`,
		Deliver{MoreMessages: true, StatusReport: true, ReplyPath: true, Originator: name("MMoney"), DCS: 8,
			Time: at(2024, 5, 22, 12, 34, 56, -32), UDH: []byte{6, 8, 4, 0xAB, 0xCD, 2, 1}, Data: []byte{0, 'H', 0, 'i'}}, "Hi"},
	{"8 bit to a port, no time", "44 04 81 2143 00 F5 00000000000000 09 06 05 04 0B84 23F0 C0DE",
		Deliver{Originator: unknown("1234"), DCS: 0xF5, UDH: []byte{6, 5, 4, 0x0B, 0x84, 0x23, 0xF0}, Data: []byte{0xC0, 0xDE}}, ""},
	{"an empty header, 7 bit", "44 00 80 00 00 00000000000000 04 00 00320D",
		Deliver{UDH: []byte{0}, Data: []byte("Hi")}, "Hi"},
}

// reports run both ways; sources as above.
var reports = []struct {
	name, octets string
	want         StatusReport
}{
	{"delivered (python-gsmmodem)", `
		06                   # STATUS-REPORT, no more messages
		D6                   # TP-MR
		0B 91 1326880736F4   # TP-RA
		11101171955140       # TP-SCTS
		11101171957140       # TP-DT
		00                   # TP-ST`,
		StatusReport{Reference: 214, Recipient: international("31628870634"),
			Time: at(2011, 1, 11, 17, 59, 15, 4), Discharge: at(2011, 1, 11, 17, 59, 17, 4)}},
	{"from a ZTE modem, wrong number and all (python-gsmmodem)", `
		06 1C 0F 91 0B487228297020F5
		31706241927280 31706241921380 00`,
		StatusReport{Reference: 28, Recipient: international("#08427829207025"),
			Time: at(2013, 7, 26, 14, 29, 27, 8), Discharge: at(2013, 7, 26, 14, 29, 31, 8)}},
	{"of a command, more to come, expired, no recipient, no times", "22 FF 00 80 00000000000000 00000000000000 46",
		StatusReport{MoreMessages: true, ForCommand: true, Reference: 255, Status: 0x46}},
}

// bothWays runs golden octets through a parser and back, and holds that cut anywhere they are a *FieldError.
func bothWays[T interface {
	Append([]byte) ([]byte, error)
}](t *testing.T, octets []byte, parse func([]byte) (T, error), want T, equal func(a, b T) bool) {
	t.Helper()
	given := bytes.Clone(octets)
	got, err := parse(given)
	if err != nil || !equal(got, want) {
		t.Errorf("parsed:\n got %+v, %v\nwant %+v", got, err, want)
	}
	for i := range given {
		given[i] = 0x55
	}
	if !equal(got, want) {
		t.Error("what was parsed changed with the octets it was parsed from")
	}
	written, err := want.Append([]byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "appended", written, append([]byte{1, 2, 3}, octets...))
	for n := range octets {
		var zero T
		got, err := parse(octets[:n])
		holdsField(t, octets[:n], err)
		same(t, "beside the error", got, zero)
	}
}

func sameTime(a, b time.Time) bool {
	_, zoneA := a.Zone()
	_, zoneB := b.Zone()
	return a.Equal(b) && zoneA == zoneB
}

func sameSubmit(a, b Submit) bool {
	equal := bytes.Equal(a.UDH, b.UDH) && bytes.Equal(a.Data, b.Data) && bytes.Equal(a.VPRaw, b.VPRaw)
	return equal && a.RejectDuplicates == b.RejectDuplicates && a.StatusReport == b.StatusReport && a.ReplyPath == b.ReplyPath &&
		a.Reference == b.Reference && a.Destination == b.Destination && a.PID == b.PID && a.DCS == b.DCS &&
		a.Validity == b.Validity && a.VPEnhanced == b.VPEnhanced
}

func sameDeliver(a, b Deliver) bool {
	equal := bytes.Equal(a.UDH, b.UDH) && bytes.Equal(a.Data, b.Data) && sameTime(a.Time, b.Time)
	return equal && a.MoreMessages == b.MoreMessages && a.StatusReport == b.StatusReport && a.ReplyPath == b.ReplyPath &&
		a.Originator == b.Originator && a.PID == b.PID && a.DCS == b.DCS
}

func sameReport(a, b StatusReport) bool {
	return sameTime(a.Time, b.Time) && sameTime(a.Discharge, b.Discharge) && a.MoreMessages == b.MoreMessages &&
		a.ForCommand == b.ForCommand && a.Reference == b.Reference && a.Recipient == b.Recipient && a.Status == b.Status
}

func TestSubmit(t *testing.T) {
	for _, test := range submits {
		t.Run(test.name, func(t *testing.T) {
			bothWays(t, unhex(t, test.octets), ParseSubmit, test.want, sameSubmit)
		})
	}
}

func TestDeliver(t *testing.T) {
	for _, test := range delivers {
		t.Run(test.name, func(t *testing.T) {
			bothWays(t, unhex(t, test.octets), ParseDeliver, test.want, sameDeliver)
			same(t, "text", test.want.Text(), test.text)
		})
	}
}

func TestStatusReport(t *testing.T) {
	for _, test := range reports {
		t.Run(test.name, func(t *testing.T) {
			bothWays(t, unhex(t, test.octets), ParseStatusReport, test.want, sameReport)
		})
	}
}

// TestLongText encodes what python-gsmmodem's suite encodes, down to each octet of the three parts.
func TestLongText(t *testing.T) {
	text := "Lorem ipsum dolor sit amet, consectetur adipisicing elit, sed do eiusmod tempor incididunt ut labore et dolore " +
		"magna aliqua.Ut enim ad minim veniam, quinostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo " +
		"consequat.Duis aute irure dolor in reprehenderit in voluptate velit esse cillum doloe eu fugiat nulla " +
		"pariatur.Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum"
	want := []string{`
		45 00 0B 91 5121551532F4 00 00 A0 050003000301
		986F79B90D4AC3E7F53688FC66BFE5A0799A0E0AB7CB741668FC76CFCB637A995E9783C2E4343C3D4F8FD3EE33A8CC4ED359A079990C22BF41E574
		7DDE7E9341F4721BFE9683D2EE719A9C26D7DD74509D0E6287C56F791954A683C86FF65B5E06B5C36777181466A7E3F5B0AB4A0795DDE936284C06
		B5D3EE741B642FBBD3E1360B14AFA7DD`, `
		45 00 0B 91 5121551532F4 00 00 A0 050003000302
		DE73BABC4E0695F165F9384D0FD3D36F37A8CE6687DBE337881D16BFE5E939C89D9EA741753A28CC4EC7EB6938A88C0795C3A0F1BBDD7E93DFA0F1
		DB3D2FC7EB61BA8B584FCF41E13ABD0C4ACBEBF23288FC66BFE5A0B41B242FC3E56574D94D2ECBD37450DA0DB2BFD975383D4C2F83EC65769A0E2A
		CFE765D038CD66D7DB20F29BFD2E83CA`, `
		45 00 0B 91 5121551532F4 00 00 8C 050003000303
		EA2073FD9C0ED341EE3A9B1D06C1C3F274985E97BB8AF871194E2FD7E5A079DA4D07BDC7E370791CA683C675789A1CA687E920F7DB0D82CBDF6972
		D94D6781E675371D947683C675363C0C8AD7D3A0B7D99C1EA7C32072795E96D7DD7450FBCD66A7E9A0B03BDD06A5C9A0F29C0E6287C56F79BD0D`,
	}
	parts := Split(septets(t, text), GSM7, false)
	if len(parts) != len(want) {
		t.Fatalf("%d parts, want %d", len(parts), len(want))
	}
	for i, part := range parts {
		got, err := Submit{
			RejectDuplicates: true,
			Destination:      international("15125551234"),
			UDH:              AppendUDH(nil, Concat(0, false, 3, uint8(i+1))),
			Data:             part,
		}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "part", got, unhex(t, want[i]))
	}
}

// TestConcatenatedDeliver reads a part that a South African network sent (python-gsmmodem's suite).
func TestConcatenatedDeliver(t *testing.T) {
	sca, tpdu, err := SplitSCA(unhex(t, `05 91721891F1 40 07 81 721881F8 00 00 31605261048480
		59 050003C30101 916536FB1DCABEEB2074D85E064941B19CAB060319A5C522289C96D3D3ED32286C0FA7D96131BBEC024941B19CAB0603DD
		D36C36A88C87A7E565D0DB0D82C55EB0DB4B068BCD5C20`))
	if err != nil || sca != international("2781191") {
		t.Fatalf("service centre %+v, %v", sca, err)
	}
	p, err := ParseDeliver(tpdu)
	if err != nil {
		t.Fatal(err)
	}
	elems, err := ParseUDH(p.UDH)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "elements", elems, []Element{Concat(0xC3, false, 1, 1)})
	same(t, "originator", p.Originator, unknown("2781188"))
	same(t, "text", p.Text(), "Hello!You have R 19.50 FREE airtime available. R 19.50 will expire on 01/07/2013. ")
}

func TestMessageType(t *testing.T) {
	for first, want := range map[byte]byte{0x04: MTIDeliver, 0x31: MTISubmit, 0x06: MTIStatusReport, 0xFF: MTIReserved} {
		if got, err := MessageType([]byte{first, 0}); err != nil || got != want {
			t.Errorf("0x%02X: got %d, %v; want %d", first, got, err, want)
		}
	}
	got, err := MessageType(nil)
	same(t, "beside the error", got, 0)
	wantField(t, err, "TP-MTI", 0)
}

// TestLenient names what real peers do wrong, and what is made of it.
func TestLenient(t *testing.T) {
	t.Run("octets behind the user data (a known encoder adds one)", func(t *testing.T) {
		for _, test := range submits {
			octets := append(unhex(t, test.octets), 0x00, 0xFF)
			if got, err := ParseSubmit(octets); err != nil || !sameSubmit(got, test.want) {
				t.Errorf("%s: got %+v, %v", test.name, got, err)
			}
		}
		for _, test := range delivers {
			octets := append(unhex(t, test.octets), 0x00)
			if got, err := ParseDeliver(octets); err != nil || !sameDeliver(got, test.want) {
				t.Errorf("%s: got %+v, %v", test.name, got, err)
			}
		}
	})
	t.Run("anything behind the status: parameters, zeros, filler", func(t *testing.T) {
		for _, tail := range []string{"00", "07 00 00 00", "FF FF FF", "04 A0"} {
			octets := append(unhex(t, reports[0].octets), unhex(t, tail)...)
			if got, err := ParseStatusReport(octets); err != nil || !sameReport(got, reports[0].want) {
				t.Errorf("%s: got %+v, %v", tail, got, err)
			}
		}
	})
	t.Run("timestamps of filler", func(t *testing.T) {
		got, err := ParseStatusReport(unhex(t, "06 07 04 81 2143 FFFFFFFFFFFFFF FFFFFFFFFFFFFF 21"))
		if want := (StatusReport{Reference: 7, Recipient: unknown("1234"), Status: 0x21}); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		p, err := ParseDeliver(unhex(t, "04 04 81 2143 00 00 FFFFFFFFFFFFFF "+hello))
		if err != nil || !p.Time.IsZero() || p.Text() != "hellohello" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("a zone of minus nothing, as in the sheet's vector", func(t *testing.T) {
		p, err := ParseDeliver(unhex(t, "04 0B 91 1346610089F6 00 00 20806291731408 0C C8F71D14969741F977FD07"))
		if err != nil || !sameTime(p.Time, at(2002, 8, 26, 19, 37, 41, 0)) || p.Text() != "How are you?" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("reserved type is a deliver", func(t *testing.T) {
		if p, err := ParseDeliver(unhex(t, "07 04 81 2143 00 00 00000000000000 "+hello)); err != nil || p.Text() != "hellohello" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("loop prevention and unused bits", func(t *testing.T) {
		if p, err := ParseDeliver(unhex(t, "1C 04 81 2143 00 00 00000000000000 "+hello)); err != nil || p.Text() != "hellohello" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("fill bits that are not zero", func(t *testing.T) {
		p, err := ParseDeliver(unhex(t, "44 04 81 2143 00 00 00000000000000 09 05 00 03 2A 02 01 91 69"))
		if err != nil || p.Text() != "Hi" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("a length that stops within the header's last septet", func(t *testing.T) {
		p, err := ParseDeliver(unhex(t, "44 04 81 2143 00 00 00000000000000 06 05 00 03 2A 02 01"))
		if err != nil || len(p.UDH) != 6 || p.Data != nil {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	t.Run("7 spare bits are no character", func(t *testing.T) {
		p, err := ParseDeliver(unhex(t, "04 04 81 2143 00 00 00000000000000 07 E8329BFD468700"))
		if err != nil || len(p.Data) != 7 {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	submit := func(b []byte) error { _, err := ParseSubmit(b); return err }
	deliver := func(b []byte) error { _, err := ParseDeliver(b); return err }
	report := func(b []byte) error { _, err := ParseStatusReport(b); return err }
	full := func(n int) []byte { return bytes.Repeat([]byte{0x41}, n) }
	for _, test := range []struct {
		name, octets string
		more         []byte
		parse        func([]byte) error
		field        string
		offset       int
	}{
		{"nothing", "", nil, submit, "TP-MTI", 0},
		{"a deliver as submit", "04 00 00 80 00 00 00", nil, submit, "TP-MTI", 0},
		{"a submit as deliver", submits[0].octets, nil, deliver, "TP-MTI", 0},
		{"a report as deliver", reports[0].octets, nil, deliver, "TP-MTI", 0},
		{"a deliver as report", delivers[0].octets, nil, report, "TP-MTI", 0},
		{"the reserved type as report", "07 00 00 80", full(15), report, "TP-MTI", 0},
		{"an address too long", "01 00 15 91", full(200), submit, "TP-DA", 2},
		{"161 septets", "01 00 00 80 00 00 A1", full(200), submit, "TP-UDL", 6},
		{"141 octets", "01 00 00 80 00 04 8D", full(200), submit, "TP-UDL", 6},
		{"a header in no user data", "41 00 00 80 00 04 00", full(9), submit, "TP-UDHL", 7},
		{"a header longer than the user data", "41 00 00 80 00 04 02 02 70 00", full(9), submit, "TP-UDHL", 7},
		{"user data cut short", "01 00 00 80 00 04 0A 41", nil, submit, "TP-UD", 7},
		{"validity cut short", "19 00 00 80 00 00 11 22", nil, submit, "TP-VP", 6},
		{"status missing", "06 00 00 80", full(14), report, "TP-ST", 18},
		{"discharge time cut short", "06 00 00 80", full(13), report, "TP-DT", 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := append(unhex(t, test.octets), test.more...)
			err := test.parse(octets)
			wantField(t, err, test.field, len(octets))
			if fault, ok := err.(*FieldError); ok && fault.Offset != test.offset {
				t.Errorf("at octet %d, want %d", fault.Offset, test.offset)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	septet := func(n int) []byte { return bytes.Repeat([]byte{'a'}, n) }
	concat := AppendUDH(nil, Concat(1, false, 2, 1))
	for _, test := range []struct {
		name  string
		p     Submit
		field string
	}{
		{"161 septets", Submit{Data: septet(161)}, "TP-UD"},
		{"154 septets beside a header", Submit{UDH: concat, Data: septet(154)}, "TP-UD"},
		{"141 octets", Submit{DCS: 4, Data: septet(141)}, "TP-UD"},
		{"135 octets beside a header", Submit{DCS: 8, UDH: concat, Data: septet(135)}, "TP-UD"},
		{"no septet", Submit{Data: []byte{'a', 0x80}}, "TP-UD"},
		{"header of 141 octets", Submit{DCS: 4, UDH: append([]byte{140}, septet(140)...)}, "TP-UD"},
		{"header that says less than it is", Submit{UDH: []byte{1, 0x70, 0}}, "TP-UDHL"},
		{"header that says more than it is", Submit{UDH: []byte{5, 0x70, 0}}, "TP-UDHL"},
		{"header of a length octet alone that says more", Submit{UDH: []byte{5}}, "TP-UDHL"},
		{"validity that has passed", Submit{Validity: -time.Second}, "TP-VP"},
		{"two validities", Submit{Validity: time.Hour, VPRaw: make([]byte, 7)}, "TP-VP"},
		{"raw validity of 6 octets", Submit{VPRaw: make([]byte, 6)}, "TP-VP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := test.p.Append([]byte{1, 2})
			wantField(t, err, test.field, 14)
			same(t, "what comes back", b, []byte{1, 2})
		})
	}
}

// TestCMGSLength holds the sheet's count: AT+CMGS wants the octets of the TPDU without the service centre.
func TestCMGSLength(t *testing.T) {
	pdu := unhex(t, "0031000B912143658709F10000A705E8329BFD06")
	sca, tpdu, err := SplitSCA(pdu)
	if err != nil || sca != (Address{}) || len(tpdu) != 19 {
		t.Errorf("got %+v and %d octets, %v; want none and 19", sca, len(tpdu), err)
	}
	same(t, "appended", slices.Concat(AppendSCA(nil, sca), tpdu), pdu)
}

func TestFieldErrorText(t *testing.T) {
	_, err := ParseSubmit(unhex(t, "01 00 15 91"))
	if want := "TP-DA at octet 2: 21 semi-octets: at most 20 are possible"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
