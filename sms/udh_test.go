package sms

import (
	"bytes"
	"testing"
)

// headers are user data headers and what is in them. The concatenations and the ports are python-gsmmodem's vectors, the
// rest is built by TS 23.040 §9.2.3.24.
var headers = []struct {
	name, octets string
	elems        []Element
}{
	{"empty", "00", nil},
	{"8 bit reference", "05 00 03 17 03 01", []Element{{0x00, []byte{0x17, 3, 1}}}},
	{"16 bit reference", "06 08 04 0180 04 02", []Element{{0x08, []byte{0x01, 0x80, 4, 2}}}},
	{"ports", "06 05 04 04D2 1466", []Element{{0x05, []byte{0x04, 0xD2, 0x14, 0x66}}}},
	{"both shifts", "06 24 01 01 25 01 02", []Element{{0x24, []byte{1}}, {0x25, []byte{2}}}},
	{"element without data", "02 70 00", []Element{{0x70, []byte{}}}},
	{"concatenation and ports", "0B 05 04 0B84 23F0 00 03 AB 02 01", []Element{
		{0x05, []byte{0x0B, 0x84, 0x23, 0xF0}}, {0x00, []byte{0xAB, 2, 1}},
	}},
}

func TestUDH(t *testing.T) {
	for _, test := range headers {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			elems, err := ParseUDH(octets)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "parsed", elems, test.elems)
			same(t, "appended", AppendUDH([]byte{9}, test.elems...), append([]byte{9}, octets...))
			if n, err := UDHLength(append(octets, 1, 2, 3)); err != nil || n != len(octets) {
				t.Errorf("length %d, %v; want %d", n, err, len(octets))
			}
			for n := range octets {
				_, err := ParseUDH(octets[:n])
				wantField(t, err, "TP-UDHL", n)
				length, err := UDHLength(octets[:n])
				same(t, "length beside the error", length, 0)
				wantField(t, err, "TP-UDHL", n)
			}
		})
	}
}

func TestParseUDHRefuses(t *testing.T) {
	for _, test := range []struct{ name, octets, field string }{
		{"something behind it", "02 70 00 41", "TP-UDHL"},
		{"identifier without a length", "01 00", "IEIDL"},
		{"element longer than the header", "04 00 03 17 03", "IED"},
		{"second element without a length", "03 70 00 70", "IEIDL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			elems, err := ParseUDH(octets)
			wantField(t, err, test.field, len(octets))
			if elems != nil {
				t.Errorf("gives %v beside its error", elems)
			}
		})
	}
}

func TestConcat(t *testing.T) {
	same(t, "8 bit", Concat(0x1234, false, 3, 2), Element{0x00, []byte{0x34, 3, 2}})
	same(t, "16 bit", Concat(0x1234, true, 3, 2), Element{0x08, []byte{0x12, 0x34, 3, 2}})
}

func TestConcatOf(t *testing.T) {
	type concat struct {
		Ref        uint16
		Wide       bool
		Total, Seq uint8
		OK         bool
	}
	for _, test := range []struct {
		name  string
		elems []Element
		want  concat
	}{
		{"none", nil, concat{}},
		{"other elements", []Element{{0x05, []byte{1, 2, 3}}, {0x24, []byte{1}}}, concat{}},
		{"8 bit", []Element{{0x24, []byte{1}}, Concat(0xAB, false, 2, 1)}, concat{0xAB, false, 2, 1, true}},
		{"16 bit", []Element{Concat(0xABCD, true, 255, 255)}, concat{0xABCD, true, 255, 255, true}},
		{"one of one", []Element{Concat(7, false, 1, 1)}, concat{7, false, 1, 1, true}},
		{"the last counts", []Element{Concat(1, true, 2, 1), Concat(2, false, 2, 2)}, concat{2, false, 2, 2, true}},
		{"part 0", []Element{Concat(1, false, 2, 0)}, concat{}},
		{"part beyond the total", []Element{Concat(1, false, 2, 3)}, concat{}},
		{"total 0", []Element{Concat(1, false, 0, 0)}, concat{}},
		{"too short", []Element{{0x00, []byte{1, 2}}}, concat{}},
		{"too long", []Element{{0x08, []byte{1, 2, 3, 2, 1}}}, concat{}},
		{"a bad one last is as if it were not there", []Element{Concat(1, false, 2, 1), Concat(1, true, 2, 9)}, concat{1, false, 2, 1, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got concat
			got.Ref, got.Wide, got.Total, got.Seq, got.OK = ConcatOf(test.elems)
			same(t, "concatenation", got, test.want)
		})
	}
}

func TestPortsOf(t *testing.T) {
	type ports struct {
		Destination, Source uint16
		OK                  bool
	}
	for _, test := range []struct {
		name  string
		elems []Element
		want  ports
	}{
		{"none", nil, ports{}},
		{"other elements", []Element{Concat(1, false, 2, 1), {0x24, []byte{1}}}, ports{}},
		{"16 bit", []Element{Ports(2948, 9200), Concat(1, false, 2, 1)}, ports{2948, 9200, true}},
		{"8 bit", []Element{{0x04, []byte{0xF5, 0}}}, ports{0xF5, 0, true}},
		{"the last counts", []Element{Ports(1, 2), {0x04, []byte{3, 4}}}, ports{3, 4, true}},
		{"too short", []Element{{0x05, []byte{1, 2, 3}}}, ports{}},
		{"a bad one last is as if it were not there", []Element{Ports(1, 2), {0x04, []byte{3}}}, ports{1, 2, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got ports
			got.Destination, got.Source, got.OK = PortsOf(test.elems)
			same(t, "ports", got, test.want)
		})
	}
}

// TestAppendUDHOversize holds the promise that a header with more than its length octets can say never goes out.
func TestAppendUDHOversize(t *testing.T) {
	for _, size := range []int{138, 253, 254, 255, 256, 300, 511} {
		udh := AppendUDH(nil, Element{ID: 0x70, Data: bytes.Repeat([]byte{1}, size)})
		if _, err := (Submit{DCS: 4, UDH: udh}).Append(nil); err == nil {
			t.Errorf("an element of %d octets was sent", size)
		}
	}
	udh := AppendUDH(nil, Element{ID: 0x70, Data: bytes.Repeat([]byte{1}, 137)})
	if _, err := (Submit{DCS: 4, UDH: udh}).Append(nil); err != nil {
		t.Errorf("an element of 137 octets, which just fits: %v", err)
	}
}
