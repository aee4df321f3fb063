package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestGolden(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			wire := g.octets(t)
			got, err := Decode(wire)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if !reflect.DeepEqual(got, g.pdu()) {
				t.Errorf("Decode\n got %+v\nwant %+v", got.Body, g.want)
			}
			b, err := g.pdu().Append([]byte("before"))
			if err != nil {
				t.Fatalf("Append: %v", err)
			}
			if want := append([]byte("before"), wire...); !bytes.Equal(b, want) {
				t.Errorf("Append\n got %x\nwant %x", b, want)
			}
		})
	}
}

// TestKnownPDUs decodes whole PDUs that others have written.
func TestKnownPDUs(t *testing.T) {
	bind := &Bind{Kind: BindTransmitter, SystemID: "SMPP3TEST", Password: "secret08", SystemType: "SUBMIT1", AddressTON: 1, AddressNPI: 1}
	tests := []struct {
		name, octets string
		want         PDU
	}{
		// SMPP 3.4 issue 1.2, §3.2.3.
		{"specification: bind_transmitter", `0000002f 00000002 00000000 00000001
			534d50503354455354 00 7365637265743038 00 5355424d495431 00 00 01 01 00`, PDU{Sequence: 1, Body: bind}},
		// ndpi-smpp_in_general.pcap (ntop/nDPI), packets 4, 5, 7, 8, 9, 10, 12 and 13: a session seen in the field.
		{"capture: bind_transmitter", `00000028 00000002 00000000 00000001 616268696b00 70617373776f726400 534d505000 01 00 00 00`,
			PDU{Sequence: 1, Body: &Bind{Kind: BindTransmitter, SystemID: "abhik", Password: "password", SystemType: "SMPP", InterfaceVersion: 1}}},
		{"capture: bind_transmitter_resp", `00000015 80000002 00000000 00000001 534d534300`,
			PDU{Sequence: 1, Body: &BindResp{Kind: BindTransmitter, SystemID: "SMSC"}}},
		{"capture: enquire_link", `00000010 00000015 00000000 00000002`, PDU{Sequence: 2, Body: &EnquireLink{}}},
		{"capture: enquire_link_resp", `00000010 80000015 00000000 00000002`, PDU{Sequence: 2, Body: &EnquireLinkResp{}}},
		{"capture: submit_sm", `00000032 00000004 00000000 00000003 00 00 01 3130300001013132333435363738393000
			00 00 00 00 00 00 00 00 00 04 74657374`,
			PDU{Sequence: 3, Body: &SubmitSM{Source: Address{0, 1, "100"}, Destination: Address{1, 1, "1234567890"}, ShortMessage: []byte("test")}}},
		{"capture: submit_sm_resp", `00000019 80000004 00000000 00000003 3437633863373761 00`,
			PDU{Sequence: 3, Body: &SubmitSMResp{MessageID: "47c8c77a"}}},
		{"capture: unbind", `00000010 00000006 00000000 00000004`, PDU{Sequence: 4, Body: &Unbind{}}},
		{"capture: unbind_resp", `00000010 80000006 00000000 00000004`, PDU{Sequence: 4, Body: &UnbindResp{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := octets(t, tt.octets)
			got, err := Decode(wire)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Decode\n got %+v %#v\nwant %+v %#v", got, got.Body, tt.want, tt.want.Body)
			}
			if b, err := tt.want.Append(nil); err != nil || !bytes.Equal(b, wire) {
				t.Errorf("Append\n got %x, %v\nwant %x", b, err, wire)
			}
		})
	}
}

// TestCut ends each PDU after every octet: by the length of the octets, and by command_length.
func TestCut(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			wire := g.octets(t)
			for n := range wire {
				var field *FieldError
				if _, err := Decode(wire[:n]); !errors.As(err, &field) {
					t.Errorf("%d octets: got %v, want a *FieldError", n, err)
				}
				if n < headerLength {
					continue
				}
				cut := bytes.Clone(wire[:n])
				binary.BigEndian.PutUint32(cut, uint32(n))
				p, err := Decode(cut)
				switch whole := slices.Contains(g.cuts, n-headerLength); {
				case whole && err != nil:
					t.Errorf("command_length %d: %v", n, err)
				case !whole && !errors.As(err, &field):
					t.Errorf("command_length %d: got %v, want a *FieldError", n, err)
				case !whole && (field.Offset > n || field.Field == "" || field.Reason == "" || field.Status == StatusOK):
					t.Errorf("command_length %d: got %+v", n, field)
				case p.Sequence != 7 || p.Body == nil:
					t.Errorf("command_length %d: the PDU cannot be answered: %+v", n, p)
				}
			}
		})
	}
}

// oversize lists every field that is bounded: a PDU with a mark in it, and the most octets without the NUL.
var oversize = []struct {
	field string
	body  Body
	most  int
	want  Status
}{
	{"system_id", &Bind{Kind: BindTransmitter, SystemID: "mark"}, 15, StatusInvSysID},
	{"password", &Bind{Kind: BindTransmitter, Password: "mark"}, 8, StatusInvPaswd},
	{"system_type", &Bind{Kind: BindTransmitter, SystemType: "mark"}, 12, StatusInvSysTyp},
	{"address_range", &Bind{Kind: BindTransmitter, AddressRange: "mark"}, 40, StatusInvParLen},
	{"system_id", &BindResp{Kind: BindTransmitter, SystemID: "mark"}, 15, StatusInvSysID},
	{"password", &Outbind{Password: "mark"}, 8, StatusInvPaswd},
	{"service_type", &SubmitSM{ServiceType: "mark"}, 5, StatusInvSerTyp},
	{"source_addr", &SubmitSM{Source: Address{Addr: "mark"}}, 20, StatusInvSrcAdr},
	{"destination_addr", &SubmitSM{Destination: Address{Addr: "mark"}}, 20, StatusInvDstAdr},
	{"schedule_delivery_time", &SubmitSM{ScheduleDeliveryTime: "mark"}, 16, StatusInvSched},
	{"validity_period", &SubmitSM{ValidityPeriod: "mark"}, 16, StatusInvExpiry},
	{"message_id", &SubmitSMResp{MessageID: "mark"}, 64, StatusInvMsgID},
	{"destination_addr", &DeliverSM{Destination: Address{Addr: "mark"}}, 20, StatusInvDstAdr},
	{"message_id", &DeliverSMResp{MessageID: "mark"}, 64, StatusInvMsgID},
	{"message_id", &QuerySM{MessageID: "mark"}, 64, StatusInvMsgID},
	{"source_addr", &QuerySM{Source: Address{Addr: "mark"}}, 20, StatusInvSrcAdr},
	{"message_id", &QuerySMResp{MessageID: "mark"}, 64, StatusInvMsgID},
	{"final_date", &QuerySMResp{FinalDate: "mark"}, 16, StatusInvParLen},
	{"service_type", &CancelSM{ServiceType: "mark"}, 5, StatusInvSerTyp},
	{"message_id", &CancelSM{MessageID: "mark"}, 64, StatusInvMsgID},
	{"source_addr", &CancelSM{Source: Address{Addr: "mark"}}, 20, StatusInvSrcAdr},
	{"destination_addr", &CancelSM{Destination: Address{Addr: "mark"}}, 20, StatusInvDstAdr},
	{"message_id", &ReplaceSM{MessageID: "mark"}, 64, StatusInvMsgID},
	{"source_addr", &ReplaceSM{Source: Address{Addr: "mark"}}, 20, StatusInvSrcAdr},
	{"schedule_delivery_time", &ReplaceSM{ScheduleDeliveryTime: "mark"}, 16, StatusInvSched},
	{"validity_period", &ReplaceSM{ValidityPeriod: "mark"}, 16, StatusInvExpiry},
	{"destination_addr", &SubmitMulti{Destinations: []Destination{{Address: Address{Addr: "mark"}}}}, 20, StatusInvDstAdr},
	{"dl_name", &SubmitMulti{Destinations: []Destination{{List: "mark"}}}, 20, StatusInvDLName},
	{"message_id", &SubmitMultiResp{MessageID: "mark"}, 64, StatusInvMsgID},
	{"destination_addr", &SubmitMultiResp{Unsuccessful: []Unsuccessful{{Address: Address{Addr: "mark"}}}}, 20, StatusInvDstAdr},
	{"service_type", &DataSM{ServiceType: "mark"}, 5, StatusInvSerTyp},
	{"source_addr", &DataSM{Source: Address{Addr: "mark"}}, 64, StatusInvSrcAdr},
	{"destination_addr", &DataSM{Destination: Address{Addr: "mark"}}, 64, StatusInvDstAdr},
	{"message_id", &DataSMResp{MessageID: "mark"}, 64, StatusInvMsgID},
	{"source_addr", &AlertNotification{Source: Address{Addr: "mark"}}, 64, StatusInvSrcAdr},
	{"esme_addr", &AlertNotification{ESME: Address{Addr: "mark"}}, 64, StatusInvParLen},
}

// TestOversize fills each field to its limit and one octet over it: the one passes both ways, the other is refused both
// ways, by the field's own status.
func TestOversize(t *testing.T) {
	for _, tt := range oversize {
		t.Run(fmt.Sprintf("%s in %s", tt.field, tt.body.CommandID()), func(t *testing.T) {
			wire, err := PDU{Body: tt.body}.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			full, err := Decode(replaceMark(wire, tt.most))
			if err != nil {
				t.Fatalf("%d octets: %v", tt.most, err)
			}
			if _, err := full.Append(nil); err != nil {
				t.Errorf("%d octets: Append: %v", tt.most, err)
			}
			over, err := Decode(replaceMark(wire, tt.most+1))
			wantFieldError(t, "Decode", err, tt.field, tt.want)
			if over.Body == nil {
				t.Error("the PDU cannot be answered")
			}
			setMark(reflect.ValueOf(full.Body), strings.Repeat("x", tt.most+1))
			b, err := full.Append([]byte("before"))
			wantFieldError(t, "Append", err, tt.field, tt.want)
			if string(b) != "before" {
				t.Errorf("Append left %q", b)
			}
			setMark(reflect.ValueOf(full.Body), "a\x00b")
			_, err = full.Append(nil)
			wantFieldError(t, "Append of a NUL", err, tt.field, tt.want)
		})
	}
}

func wantFieldError(t *testing.T, what string, err error, field string, status Status) {
	t.Helper()
	var got *FieldError
	if !errors.As(err, &got) || got.Field != field || got.Status != status {
		t.Errorf("%s: got %v, want a *FieldError about %s with %s", what, err, field, status)
	}
}

// replaceMark gives the PDU n octets in the place of its mark.
func replaceMark(wire []byte, n int) []byte {
	b := bytes.Replace(wire, []byte("mark"), bytes.Repeat([]byte("x"), n), 1)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// setMark changes every string that is longer than the empty one, wherever it is.
func setMark(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.Pointer:
		setMark(v.Elem(), s)
	case reflect.Struct:
		for i := range v.NumField() {
			setMark(v.Field(i), s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			setMark(v.Index(i), s)
		}
	case reflect.String:
		if v.Len() > 0 {
			v.SetString(s)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	submit := func(tail string) []byte { // up to sm_default_msg_id
		return whole(CmdSubmitSM, 0, 1, octets(t, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"+tail))
	}
	multi := func(dests string) []byte {
		return whole(CmdSubmitMulti, 0, 1, octets(t, "00 00 00 00"+dests+"00 00 00 00 00 00 00 00 00 00"))
	}
	tests := []struct {
		name  string
		pdu   []byte
		field string
		want  Status
	}{
		{"nothing", nil, "header", StatusInvCmdLen},
		{"command_length too small", octets(t, "0000000f 00000015 00000000 00000001"), "command_length", StatusInvCmdLen},
		{"command_length too large", octets(t, "ffffffff 00000015 00000000 00000001"), "command_length", StatusInvCmdLen},
		{"unknown request", whole(0x0A, 0, 1, nil), "command_id", StatusInvCmdID},
		{"unknown response", whole(0x80000111, 0, 1, nil), "command_id", StatusInvCmdID},
		{"outbind_resp does not exist", whole(CmdOutbind.Response(), 0, 1, nil), "command_id", StatusInvCmdID},
		{"sm_length 255", submit("ff" + strings.Repeat("41", 255)), "sm_length", StatusInvMsgLen},
		{"sm_length past the end", submit("02 41"), "short_message", StatusInvCmdLen},
		{"no NUL in the whole PDU", whole(CmdQuerySM, 0, 1, []byte("12")), "message_id", StatusInvCmdLen},
		{"half a TLV header", submit("00 0204 00"), "optional parameters", StatusInvOptParStream},
		{"TLV past the end", submit("00 0204 0002 01"), "user_message_reference", StatusInvOptParStream},
		{"TLV of a wrong length", submit("00 0204 0001 01"), "user_message_reference", StatusInvParLen},
		{"no destinations", multi("00"), "number_of_dests", StatusInvNumDests},
		{"255 destinations", multi("ff" + strings.Repeat("01 00 00 00", 255)), "number_of_dests", StatusInvNumDests},
		{"dest_flag 3", multi("01 03"), "dest_flag", StatusInvDestFlag},
		{"nameless list", multi("01 02 00"), "dl_name", StatusInvDLName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode(tt.pdu)
			wantFieldError(t, "Decode", err, tt.field, tt.want)
		})
	}
}

// TestTolerantTLVs: lengths of SMPP 5.0, as npm smpp sends them, of optional parameters that an SMS does not carry anyway.
func TestTolerantTLVs(t *testing.T) {
	for _, p := range []Body{
		&SubmitSM{TLVs: TLVs{{TagAlertOnMessageDelivery, []byte{1}}}},
		&SubmitSM{TLVs: TLVs{{TagAlertOnMessageDelivery, nil}}},
		&DataSM{TLVs: TLVs{{TagSourceTelematicsID, []byte{0, 1}}}},
	} {
		if _, err := Decode(encode(t, PDU{Sequence: 1, Body: p})); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestAppendErrors(t *testing.T) {
	tests := []struct {
		name  string
		body  Body
		field string
	}{
		{"no body", nil, "command_id"},
		{"long short_message", &SubmitSM{ShortMessage: make([]byte, 255)}, "short_message"},
		{"long replacement", &ReplaceSM{ShortMessage: make([]byte, 255)}, "short_message"},
		{"long TLV", &DataSM{TLVs: TLVs{{TagMessagePayload, make([]byte, 1<<16)}}}, "message_payload"},
		{"no destinations", &SubmitMulti{}, "number_of_dests"},
		{"too many destinations", &SubmitMulti{Destinations: make([]Destination, 255)}, "number_of_dests"},
		{"too many refused", &SubmitMultiResp{Unsuccessful: make([]Unsuccessful, 256)}, "no_unsuccess"},
		{"a bind of no kind", &Bind{}, "command_id"},
		{"a bind_resp of no kind", &BindResp{}, "command_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := PDU{Body: tt.body}.Append([]byte("before"))
			var field *FieldError
			if !errors.As(err, &field) || field.Field != tt.field || string(b) != "before" {
				t.Errorf("got %q, %v, want a *FieldError about %s", b, err, tt.field)
			}
		})
	}
}

// TestHarmless holds what real ESMEs send beside the specification and we accept.
func TestHarmless(t *testing.T) {
	tests := []struct {
		name string
		pdu  []byte
		want PDU
	}{
		{"php-smpp: enquire_link_resp of 17 octets", whole(CmdEnquireLinkResp, 0, 2, []byte{0}), PDU{Sequence: 2, Body: &EnquireLinkResp{}}},
		{"deliver_sm_resp without a body", whole(CmdDeliverSMResp, 0, 2, nil), PDU{Sequence: 2, Body: &DeliverSMResp{}}},
		{"deliver_sm_resp with an id", whole(CmdDeliverSMResp, 0, 2, []byte("9\x00")), PDU{Sequence: 2, Body: &DeliverSMResp{MessageID: "9"}}},
		{"a submit_sm_resp with error and body", whole(CmdSubmitSMResp, 8, 2, []byte{0}), PDU{Status: 8, Sequence: 2, Body: &SubmitSMResp{}}},
		{"command_status in a request", whole(CmdUnbind, 8, 2, nil), PDU{Status: 8, Sequence: 2, Body: &Unbind{}}},
		{"octets behind a query_sm", whole(CmdQuerySM, 0, 2, []byte("1\x00\x00\x00\x00xyz")), PDU{Sequence: 2, Body: &QuerySM{MessageID: "1"}}},
		{"sequence number with bit 31", whole(CmdUnbind, 0, 0xFFFFFFFF, nil), PDU{Sequence: 0xFFFFFFFF, Body: &Unbind{}}},
		{"a TLV of wrong length where it does not belong", whole(CmdSubmitSM, 0, 2, octets(t, `00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
			00 0427 0000`)), PDU{Sequence: 2, Body: &SubmitSM{TLVs: TLVs{{TagMessageState, []byte{}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.pdu)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got.Body, err, tt.want.Body)
			}
		})
	}
}

// TestDecodeKeepsNothing changes the octets under a decoded PDU, as a buffer does that is used again.
func TestDecodeKeepsNothing(t *testing.T) {
	for _, g := range goldens {
		wire := g.octets(t)
		got, err := Decode(wire)
		if err != nil {
			t.Fatal(err)
		}
		for i := range wire {
			wire[i] = 0xAA
		}
		if !reflect.DeepEqual(got, g.pdu()) {
			t.Errorf("%s: changed with the octets: %+v", g.name, got.Body)
		}
	}
}

// checkTwice decodes b, and what decodes must append and decode to the same.
func checkTwice(t *testing.T, b []byte) {
	t.Helper()
	p, err := Decode(b)
	if err != nil {
		var field *FieldError
		if !errors.As(err, &field) || field.Status == StatusOK || field.Offset > len(b) {
			t.Fatalf("Decode(%x): %#v", b, err)
		}
		return
	}
	again, err := p.Append(nil)
	if err != nil {
		t.Fatalf("Append of %x: %v", b, err)
	}
	q, err := Decode(again)
	if err != nil {
		t.Fatalf("Decode(%x) of %x: %v", again, b, err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Fatalf("Decode(%x)\n got %+v\nwant %+v", again, q.Body, p.Body)
	}
}

// TestDecodeAppendDecode changes a few octets of the golden PDUs at random.
func TestDecodeAppendDecode(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		g := goldens[random.IntN(len(goldens))]
		b := whole(g.want.CommandID(), Status(random.IntN(2)), 1, octets(t, g.body))
		for range random.IntN(4) {
			switch body := b[headerLength:]; {
			case len(body) == 0:
			case random.IntN(4) == 0:
				b = b[:headerLength+random.IntN(len(body))]
			default:
				body[random.IntN(len(body))] = byte(random.IntN(256))
			}
		}
		binary.BigEndian.PutUint32(b, uint32(len(b)))
		checkTwice(t, b)
	}
}
