package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// allTags are the tags of SMPP 3.4: those that have a name.
func allTags() (tags []smpp.Tag) {
	for n := range 1 << 16 {
		if tag := smpp.Tag(n); !strings.HasPrefix(tag.String(), "tag 0x") {
			tags = append(tags, tag)
		}
	}
	return tags
}

// TestTLVTable: there is one rule for each tag, in order, and docs/smpp.md carries it, and no other.
func TestTLVTable(t *testing.T) {
	tags := allTags()
	if len(tags) != 44 || len(tlvRules) != 44 {
		t.Fatalf("%d rules for %d tags; SMPP 3.4 has 44", len(tlvRules), len(tags))
	}
	b, err := os.ReadFile("../docs/smpp.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n### Optional parameters\n")
	if !ok {
		t.Fatal("docs/smpp.md has no section Optional parameters")
	}
	section, _, _ = strings.Cut(section, "\n#")
	for i, r := range tlvRules {
		if r.tag != tags[i] {
			t.Errorf("rule %d is about %s, want %s", i, r.tag, tags[i])
		}
		row := fmt.Sprintf("\n| %s | 0x%04X | %s | %s |\n", r.tag, uint16(r.tag), r.does, r.how)
		if !strings.Contains(section, row) {
			t.Errorf("docs/smpp.md lacks the row %s", strings.TrimSpace(row))
		}
		if r.does != tlvHonoured && r.does != tlvIgnored && r.does != tlvRefused || (r.does == tlvRefused) && r.check == nil {
			t.Errorf("%s: %s, which it can't be", r.tag, r.does)
		}
	}
	if rows := strings.Count(section, "\n| ") - 1; rows != len(tags) {
		t.Errorf("the table of docs/smpp.md has %d rows, want %d", rows, len(tags))
	}
}

// noon is a day's, a whole second.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// tlv makes one from octets.
func tlv(tag smpp.Tag, value ...byte) smpp.TLV { return smpp.TLV{Tag: tag, Value: value} }

// testGateway encodes, and does nothing else.
func testGateway(now time.Time) *Gateway {
	return &Gateway{opt: Options{Now: func() time.Time { return now }}.withDefaults()}
}

// submitted is what goes on air for a text with optional parameters.
func submitted(t *testing.T, p smpp.SubmitSM) (*store.Message, error) {
	t.Helper()
	if err := checkFields(&p); err != nil {
		return nil, err
	}
	c, err := convert(&p, textRules{alphabet: AlphabetAuto, maxParts: 10})
	if err != nil {
		return nil, err
	}
	m := &store.Message{ID: 0x2A7, DCS: c.dcs, UDH: c.udh, Destination: sms.Address{Number: "4161231234"}, Accepted: noon, Expires: noon.AddDate(0, 0, 1)}
	for _, data := range c.parts {
		m.Parts = append(m.Parts, store.Part{Data: data})
	}
	return m, nil
}

// TestIgnoredTLVs: what the table ignores changes nothing, whatever it says; nor do tags that nobody knows.
func TestIgnoredTLVs(t *testing.T) {
	plain, err := submitted(t, smpp.SubmitSM{ShortMessage: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	rules := append([]tlvRule{{tag: 0x1400, does: tlvIgnored}, {tag: 0x0600, does: tlvIgnored}, {tag: 0xFFFF, does: tlvIgnored}}, tlvRules[:]...)
	for _, r := range rules {
		if r.does != tlvIgnored {
			continue
		}
		for _, value := range [][]byte{nil, {0}, {1}, {0x63}, {0, 1}, {0xFF, 0xFF, 0xFF, 0xFF}, bytes.Repeat([]byte{1}, 64)} {
			m, err := submitted(t, smpp.SubmitSM{ShortMessage: []byte("hello"), TLVs: smpp.TLVs{{Tag: r.tag, Value: value}}})
			if err != nil {
				t.Errorf("%s %x: %v", r.tag, value, err)
			} else if fmt.Sprint(m) != fmt.Sprint(plain) {
				t.Errorf("%s %x: got %v, want %v", r.tag, value, m, plain)
			}
		}
	}
}

// TestHonouredTLVs: TP-DCS and header of the parts.
func TestHonouredTLVs(t *testing.T) {
	short, long := "hello", strings.Repeat("x", 300)
	udhi := "\x05\x00\x03\x07\x02\x01part one"
	sar := smpp.TLVs{tlv(smpp.TagSarMsgRefNum, 1, 7), tlv(smpp.TagSarTotalSegments, 2), tlv(smpp.TagSarSegmentSeqnum, 1)}
	ports := smpp.TLVs{tlv(smpp.TagDestinationPort, 0x0B, 0x84), tlv(smpp.TagSourcePort, 0x23, 0xF0)}
	one := func(tag smpp.Tag, value ...byte) smpp.TLVs { return smpp.TLVs{tlv(tag, value...)} }
	for _, tt := range []struct {
		name   string
		class  uint8 // esm_class
		coding uint8
		text   string // longer ones in message_payload
		tlvs   smpp.TLVs
		dcs    uint8
		udhs   string // of the parts, in hexadecimal; "-" is none
	}{
		{"nothing", 0, 0, short, nil, 0x00, "-"},
		{"both ports", 0, 0, short, ports, 0x00, "0605040B8423F0"},
		{"destination_port alone", 0, 4, "\x01\x06", one(smpp.TagDestinationPort, 0x0B, 0x84), 0x04, "0605040B840000"},
		{"source_port alone", 0, 0, short, one(smpp.TagSourcePort, 0x0B, 0x84), 0x00, "-"},
		{"ports twice: the last ones", 0, 0, short, append(smpp.TLVs{tlv(smpp.TagDestinationPort, 0, 1)}, ports...), 0x00, "0605040B8423F0"},
		{"ports and a long text", 0, 0, long, ports, 0x00, "0B0003A7030105040B8423F0 0B0003A7030205040B8423F0 0B0003A7030305040B8423F0"},
		{"ports beside a UDH", 0x40, 0, udhi, ports, 0x00, "050003070201"},
		{"sar", 0, 0, short, sar, 0x00, "06080401070201"},
		{"sar and ports", 0, 0, short, append(ports, sar...), 0x00, "0C05040B8423F0080401070201"},
		{"sar beside a UDH", 0x40, 0, udhi, sar, 0x00, "050003070201"},
		{"two of the sar", 0, 0, short, sar[:2], 0x00, "-"},
		{"one segment", 0, 0, short, append(sar[:2:2], tlv(smpp.TagSarSegmentSeqnum, 1), tlv(smpp.TagSarTotalSegments, 1)), 0x00, "-"},

		{"display", 0, 0, short, one(smpp.TagDestAddrSubunit, 1), 0x10, "-"},
		{"mobile", 0, 0, short, one(smpp.TagDestAddrSubunit, 2), 0x11, "-"},
		{"SIM, UCS-2", 0, 8, "\x04\x1f", one(smpp.TagDestAddrSubunit, 3), 0x1A, "-"},
		{"external, binary", 0, 4, "\x00", one(smpp.TagDestAddrSubunit, 4), 0x17, "-"},
		{"unknown subunit", 0, 0, short, one(smpp.TagDestAddrSubunit, 0), 0x00, "-"},
		{"reserved subunit", 0, 0, short, one(smpp.TagDestAddrSubunit, 5), 0x00, "-"},
		{"data_coding names a class", 0, 0xF2, short, one(smpp.TagDestAddrSubunit, 1), 0xF2, "-"},
		{"display only", 0, 0, short, one(smpp.TagMsValidity, 3), 0x10, "-"},
		{"display only, for the SIM", 0, 0, short, smpp.TLVs{tlv(smpp.TagMsValidity, 3), tlv(smpp.TagDestAddrSubunit, 3)}, 0x12, "-"},
		{"until power-off", 0, 0, short, one(smpp.TagMsValidity, 1), 0x00, "-"},

		{"voice mail waits", 0, 0, short, one(smpp.TagMsMsgWaitFacilities, 0x80), 0xD8, "-"},
		{"no fax any more", 0, 0, short, one(smpp.TagMsMsgWaitFacilities, 0x01), 0xD1, "-"},
		{"mail, in Cyrillic", 0, 8, "\x04\x1f", one(smpp.TagMsMsgWaitFacilities, 0x82), 0xEA, "-"},
		{"something waits, without a text", 0, 0, "", one(smpp.TagMsMsgWaitFacilities, 0x83), 0xCB, "-"},
		{"reserved bits", 0, 0, short, one(smpp.TagMsMsgWaitFacilities, 0xFC), 0xD8, "-"},
		{"waiting, and a class: there is no room for both", 0, 0, short, smpp.TLVs{tlv(smpp.TagDestAddrSubunit, 1), tlv(smpp.TagMsMsgWaitFacilities, 0x80)}, 0xD8, "-"},
		{"waiting, binary", 0, 4, "\x00", one(smpp.TagMsMsgWaitFacilities, 0x80), 0x04, "-"},
		{"data_coding names an indication", 0, 0xC0, short, one(smpp.TagMsMsgWaitFacilities, 0x83), 0xC0, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := smpp.SubmitSM{ESMClass: tt.class, DataCoding: tt.coding, ShortMessage: []byte(tt.text), TLVs: tt.tlvs}
			if len(tt.text) > 254 {
				p.ShortMessage, p.TLVs = nil, append(p.TLVs[:len(p.TLVs):len(p.TLVs)], tlv(smpp.TagMessagePayload, p.ShortMessage...))
			}
			m, err := submitted(t, p)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			var udhs []string
			for part := range m.Parts {
				tpdu, err := testGateway(noon).encodeTPDU(m, part, false, vpRelative, noon)
				if err != nil {
					t.Fatal(err)
				}
				p, err := sms.ParseSubmit(tpdu)
				if err != nil {
					t.Fatal(err)
				}
				udh := "-"
				if len(p.UDH) > 0 {
					udh = fmt.Sprintf("%X", p.UDH)
				}
				udhs = append(udhs, udh)
				if p.DCS != tt.dcs {
					t.Errorf("TP-DCS %#02x, want %#02x", p.DCS, tt.dcs)
				}
			}
			if got := strings.Join(udhs, " "); got != tt.udhs {
				t.Errorf("headers %s, want %s", got, tt.udhs)
			}
		})
	}
}

// TestRefusedFields: what a field or an optional parameter must not say, with its status; and its neighbours, which it may.
func TestRefusedFields(t *testing.T) {
	with := func(tag smpp.Tag, value ...byte) smpp.SubmitSM {
		return smpp.SubmitSM{ShortMessage: []byte("x"), TLVs: smpp.TLVs{tlv(tag, value...)}}
	}
	class := func(c uint8) smpp.SubmitSM { return smpp.SubmitSM{ESMClass: c, ShortMessage: []byte("x")} }
	service := func(s string) smpp.SubmitSM { return smpp.SubmitSM{ServiceType: s, ShortMessage: []byte("x")} }
	for _, tt := range []struct {
		name string
		p    smpp.SubmitSM
		want error
	}{
		{"100 messages", with(smpp.TagNumberOfMessages, 100), smpp.StatusInvNumMsgs},
		{"99 messages", with(smpp.TagNumberOfMessages, 99), nil},
		{"255, then 3 messages", smpp.SubmitSM{TLVs: smpp.TLVs{tlv(smpp.TagNumberOfMessages, 255), tlv(smpp.TagNumberOfMessages, 3)}}, nil},
		{"3, then 255 messages", smpp.SubmitSM{TLVs: smpp.TLVs{tlv(smpp.TagNumberOfMessages, 3), tlv(smpp.TagNumberOfMessages, 255)}}, smpp.StatusInvNumMsgs},
		{"WDP", with(smpp.TagPayloadType, 0), nil},
		{"WCMP", with(smpp.TagPayloadType, 1), smpp.StatusInvOptParamVal},
		{"a payload of the future", with(smpp.TagPayloadType, 2), nil},
		{"a USSD request", with(smpp.TagUssdServiceOp, 1), smpp.StatusOptParNotAllwd},
		{"sar, 3 of 2", smpp.SubmitSM{TLVs: smpp.TLVs{tlv(smpp.TagSarMsgRefNum, 0, 7), tlv(smpp.TagSarTotalSegments, 2), tlv(smpp.TagSarSegmentSeqnum, 3)}}, smpp.StatusInvOptParamVal},
		{"sar, 0 of 2", smpp.SubmitSM{TLVs: smpp.TLVs{tlv(smpp.TagSarMsgRefNum, 0, 7), tlv(smpp.TagSarTotalSegments, 2), tlv(smpp.TagSarSegmentSeqnum, 0)}}, smpp.StatusInvOptParamVal},
		{"sar, 0 of 0, beside a UDH", smpp.SubmitSM{ESMClass: 0x40, ShortMessage: []byte("\x05\x00\x03\x07\x02\x01x"), TLVs: smpp.TLVs{tlv(smpp.TagSarMsgRefNum, 0, 7), tlv(smpp.TagSarTotalSegments, 0), tlv(smpp.TagSarSegmentSeqnum, 0)}}, nil},

		{"USSD", service("USSD"), smpp.StatusInvSerTyp},
		{"cellular messaging", service("CMT"), nil},
		{"voice mail", service("VMN"), nil},
		{"one of the client's own", service("shop"), nil},

		{"default mode", class(0x00), nil},
		{"datagram", class(0x01), nil},
		{"transaction", class(0x02), smpp.StatusInvESMClass},
		{"store and forward", class(0x03), nil},
		{"delivery acknowledgement", class(0x08), nil},
		{"manual acknowledgement, store and forward", class(0x13), nil},
		{"a receipt", class(0x04), smpp.StatusInvESMClass},
		{"a receipt, store and forward", class(0x07), smpp.StatusInvESMClass},
		{"a notification", class(0x20), smpp.StatusInvESMClass},
		{"the end of a conversation", class(0x18), smpp.StatusInvESMClass},
		{"a type that does not exist", class(0x3C), nil},
		{"reply path", class(0x83), nil},
		{"UDHI without a header", class(0x43), smpp.StatusInvESMClass},

		{"priority 3", smpp.SubmitSM{PriorityFlag: 3}, nil},
		{"priority 4", smpp.SubmitSM{PriorityFlag: 4}, smpp.StatusInvPrtFlg},
		{"a canned text", smpp.SubmitSM{SMDefaultMsgID: 1}, smpp.StatusInvDftMsgID},
		{"replace_if_present 2", smpp.SubmitSM{ReplaceIfPresentFlag: 2}, smpp.StatusInvRepFlag},
		{"all bits of registered_delivery", smpp.SubmitSM{RegisteredDelivery: 0xFF}, nil},
		{"255 octets", smpp.SubmitSM{ShortMessage: bytes.Repeat([]byte("x"), 255)}, smpp.StatusInvMsgLen},
	} {
		if _, err := submitted(t, tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestPassedThrough: TP-PID, and the reply path.
func TestPassedThrough(t *testing.T) {
	for pid := range 256 {
		m := &store.Message{ProtocolID: uint8(pid), ESMClass: smpp.ESMClassReplyPath * uint8(pid%2), Destination: sms.Address{Number: "1"}, Expires: noon.AddDate(0, 0, 1), Parts: make([]store.Part, 1)}
		tpdu, err := testGateway(noon).encodeTPDU(m, 0, true, vpRelative, noon)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := sms.ParseSubmit(tpdu); err != nil || p.PID != uint8(pid) || p.ReplyPath != (pid%2 == 1) || !p.StatusReport {
			t.Errorf("protocol_id %d: got %+v, %v", pid, p, err)
		}
	}
}

// TestReplacedKeeps: what optional parameters asked for stays with the message when replace_sm gives it another text, and what
// the old text needed for itself does not.
func TestReplacedKeeps(t *testing.T) {
	rules := textRules{alphabet: AlphabetAuto, maxParts: 10, unencodable: UnencodableTransliterate, national: []sms.Language{sms.Turkish}}
	ports := smpp.TLVs{tlv(smpp.TagDestinationPort, 0x0B, 0x84), tlv(smpp.TagSourcePort, 0x23, 0xF0)}
	for _, tt := range []struct {
		name, old, text string
		tlvs            smpp.TLVs
		dcs             uint8
		udh             string
		parts           int
	}{
		{"nothing", "old", "n@w", nil, 0x00, "", 1},
		{"ports, now a long text", "old", strings.Repeat("@", 200), ports, 0x00, "0605040B8423F0", 2},
		{"flash", "old", "new", smpp.TLVs{tlv(smpp.TagDestAddrSubunit, 1)}, 0x10, "", 1},
		{"flash, now in UCS-2", "old", "жж", smpp.TLVs{tlv(smpp.TagMsValidity, 3)}, 0x18, "", 1},
		{"voice mail", "old", "new", smpp.TLVs{tlv(smpp.TagMsMsgWaitFacilities, 0x81)}, 0xD9, "", 1},
		{"voice mail, without a text before", "", "new", smpp.TLVs{tlv(smpp.TagMsMsgWaitFacilities, 0x81)}, 0xD9, "", 1},
		{"a table of the old text", "ığşİĞŞ", "n@w", nil, 0x00, "", 1},
	} {
		old := smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ShortMessage: []byte(tt.old), TLVs: tt.tlvs}
		c, err := convert(&old, rules)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		m := &store.Message{DCS: c.dcs, UDH: c.udh, Destination: sms.Address{Number: "4161231234"}}
		p, err := replaced(m, &smpp.ReplaceSM{ShortMessage: []byte(tt.text)})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		c, err = convert(p, rules)
		if got := fmt.Sprintf("%X", c.udh); err != nil || c.dcs != tt.dcs || got != tt.udh || len(c.parts) != tt.parts {
			t.Errorf("%s: TP-DCS %#02x, header %s, %d parts, %v", tt.name, c.dcs, got, len(c.parts), err)
		}
		if got := readText(c.dcs, c.udh, c.parts); got != tt.text {
			t.Errorf("%s: it says %q", tt.name, got)
		}
	}
}
