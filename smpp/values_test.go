package smpp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestCommandID(t *testing.T) {
	tests := map[CommandID]string{
		CmdBindReceiver: "bind_receiver", CmdBindTransceiverResp: "bind_transceiver_resp", CmdGenericNack: "generic_nack",
		CmdSubmitMulti: "submit_multi", CmdDataSMResp: "data_sm_resp", CmdOutbind: "outbind", CmdAlertNotification: "alert_notification",
		0x0A: "0x0000000A", 0x8000000B: "0x8000000B", 0x80000102: "0x80000102", 0x111: "0x00000111",
	}
	for id, want := range tests {
		if got := id.String(); got != want {
			t.Errorf("%#x: got %s, want %s", uint32(id), got, want)
		}
	}
	for _, g := range goldens {
		id := g.want.CommandID()
		if id.IsResponse() != (strings.HasSuffix(id.String(), "_resp") || id == CmdGenericNack) {
			t.Errorf("%s: IsResponse is %t", id, id.IsResponse())
		}
		if !strings.HasPrefix(g.name, id.String()) && !strings.HasPrefix(id.String(), "bind") {
			t.Errorf("%s is called %s", g.name, id)
		}
	}
}

// TestStatus lays our codes beside those of the sheet, as they stand in the specification (§5.1.3).
func TestStatus(t *testing.T) {
	const codes = `00 01 02 03 04 05 06 07 08 0a 0b 0c 0d 0e 0f 11 13 14 15 33 34 40 42 43 44 45 48 49 50 51 53 54 55 58 61 62 63 64 65 66 67
		c0 c1 c2 c3 c4 fe ff`
	all := octets(t, codes)
	if len(all) != 48 || len(statusTexts) != 48 {
		t.Errorf("%d codes in the sheet, %d here, want 48", len(all), len(statusTexts))
	}
	for _, code := range all {
		if name := Status(code).String(); !strings.HasPrefix(name, "ESME_R") {
			t.Errorf("%#x is called %s", code, name)
		}
	}
	tests := map[Status]string{
		StatusInvDstAdr: "ESME_RINVDSTADR (0x0B): invalid destination address",
		StatusThrottled: "ESME_RTHROTTLED (0x58): throttled: slow down and try again",
		0x104:           "command_status 0x00000104: not a code of SMPP 3.4",
	}
	for status, want := range tests {
		if got := status.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := Status(0x104).String(); got != "0x00000104" {
		t.Errorf("unknown status: got %s", got)
	}
	var status Status
	if err := fmt.Errorf("while at it: %w", StatusMsgQFul); !errors.As(err, &status) || status != StatusMsgQFul {
		t.Errorf("errors.As found %v", status)
	}
}

func TestMessageState(t *testing.T) {
	tests := []struct {
		state      MessageState
		name, stat string
		final      bool
	}{
		{0, "MessageState(0)", "UNKNOWN", false},
		{1, "ENROUTE", "ENROUTE", false},
		{2, "DELIVERED", "DELIVRD", true},
		{3, "EXPIRED", "EXPIRED", true},
		{4, "DELETED", "DELETED", true},
		{5, "UNDELIVERABLE", "UNDELIV", true},
		{6, "ACCEPTED", "ACCEPTD", true},
		{7, "UNKNOWN", "UNKNOWN", true},
		{8, "REJECTED", "REJECTD", true},
		{9, "MessageState(9)", "UNKNOWN", false},
	}
	for _, tt := range tests {
		if tt.state.String() != tt.name || tt.state.Stat() != tt.stat || tt.state.Final() != tt.final {
			t.Errorf("%d: got %s %s %t, want %s %s %t", tt.state, tt.state, tt.state.Stat(), tt.state.Final(), tt.name, tt.stat, tt.final)
		}
	}
}

func TestTLVs(t *testing.T) {
	all := TLVs{
		TLVUint8(TagSarTotalSegments, 2),
		TLVUint16(TagUserMessageReference, 0x0102),
		{TagQosTimeToLive, []byte{0, 1, 0, 0}},
		TLVString(TagReceiptedMessageID, "77"),
		TLVUint8(TagSarTotalSegments, 3),
		{TagMessagePayload, nil},
	}
	uints := []struct {
		tag  Tag
		want uint32
		ok   bool
	}{
		{TagSarTotalSegments, 3, true}, // the last
		{TagUserMessageReference, 0x0102, true},
		{TagQosTimeToLive, 65536, true},
		{TagReceiptedMessageID, 0, false}, // three octets
		{TagMessagePayload, 0, false},
		{TagPayloadType, 0, false},
	}
	for _, tt := range uints {
		if got, ok := all.FindUint(tt.tag); got != tt.want || ok != tt.ok {
			t.Errorf("FindUint(%s) = %d, %t, want %d, %t", tt.tag, got, ok, tt.want, tt.ok)
		}
	}
	if v, ok := all.Find(TagMessagePayload); len(v) != 0 || !ok {
		t.Errorf("Find of an empty value = %x, %t", v, ok)
	}
	if v, _ := all.Find(TagReceiptedMessageID); string(v) != "77\x00" {
		t.Errorf("a string is written as %q, want its NUL", v)
	}
	for _, value := range []string{"77", "77\x00", "77\x00\x00"} { // clients differ about the NUL
		if s, ok := (TLVs{{TagReceiptedMessageID, []byte(value)}}).FindString(TagReceiptedMessageID); s != "77" || !ok {
			t.Errorf("FindString of %q = %q, %t", value, s, ok)
		}
	}
	if s, ok := all.FindString(TagPayloadType); s != "" || ok {
		t.Errorf("FindString of nothing = %q, %t", s, ok)
	}
	if got := all[0].String() + " " + (TLV{0x1401, []byte{10}}).String(); got != "sar_total_segments=02 tag 0x1401=0a" {
		t.Errorf("String: %s", got)
	}
}

// TestTags holds the table of tags to what it can be checked by.
func TestTags(t *testing.T) {
	if len(tagInfos) != 44 {
		t.Errorf("%d tags, want 44", len(tagInfos))
	}
	names := map[string]bool{}
	for tag, info := range tagInfos {
		if names[info.name] || info.name == "" || info.least > info.most || info.in == 0 {
			t.Errorf("tag %#x: %+v", uint16(tag), info)
		}
		names[info.name] = true
	}
}

// TestPasswordsStaySecret prints a Bind in every way that a log may choose.
func TestPasswordsStaySecret(t *testing.T) {
	var out bytes.Buffer
	for _, p := range []any{&Bind{SystemID: "shop", Password: "geheim"}, Bind{SystemID: "shop", Password: "geheim"},
		&Outbind{SystemID: "shop", Password: "geheim"}, Outbind{SystemID: "shop", Password: "geheim"}} {
		fmt.Fprintf(&out, "%v %+v %#v %s\n", p, p, p, p)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "pdu", p)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "pdu", p)
	}
	_, err := PDU{Body: &Bind{Kind: BindReceiver, Password: "geheimgeheim"}}.Append(nil)
	fmt.Fprintln(&out, err)
	fmt.Fprintln(&out, PDU{Body: &Bind{SystemID: "shop", Password: "geheim"}})
	if strings.Contains(out.String(), "geheim") {
		t.Errorf("the password is shown:\n%s", &out)
	}
	if n := strings.Count(out.String(), "shop"); n != 25 {
		t.Errorf("the system_id is shown %d times, want 25:\n%s", n, &out)
	}
}
