package gateway

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// TestInboundSM: what phones send, against what goes to the ESME.
func TestInboundSM(t *testing.T) {
	utf16 := func(s string) string { return string(sms.EncodeUCS2(s)) }
	number := sms.Address{TON: 1, NPI: 1, Number: "491701234567"}
	long := strings.Repeat("0123456789", 26)[:255]
	ports := "\x06\x05\x04\x0B\x84\x23\xF0"
	for _, tt := range []struct {
		name    string
		in      store.Inbound
		gsm7    bool
		coding  uint8
		short   string
		payload string
	}{
		{"ASCII", store.Inbound{Data: []byte("\x00 home")}, false, 0, "@ home", ""},
		{"the same to an account of GSM 03.38", store.Inbound{Data: []byte("\x00 home")}, true, 0, "\x00 home", ""},
		{"Latin-1", store.Inbound{Data: []byte("caf\x05")}, false, 3, "caf\xe9", ""},
		{"the euro sign", store.Inbound{Data: []byte("5\x1Be")}, false, 8, utf16("5€"), ""},
		{"UCS-2", store.Inbound{DCS: 8, Data: []byte(utf16("П🎉"))}, true, 8, utf16("П🎉"), ""},
		{"flash", store.Inbound{DCS: 0x10, Data: []byte("hi")}, false, 0, "hi", ""},
		{"flash in the older group", store.Inbound{DCS: 0xF0, Data: []byte("hi")}, false, 0, "hi", ""},
		{"flash UCS-2", store.Inbound{DCS: 0x18, Data: []byte(utf16("П"))}, false, 8, utf16("П"), ""},
		{"8 bit", store.Inbound{DCS: 4, Data: []byte{0, 0xFF}}, false, 4, "\x00\xFF", ""},
		{"8 bit with class", store.Inbound{DCS: 0xF5, Data: []byte{1}}, false, 4, "\x01", ""},
		{"compressed", store.Inbound{DCS: 0x20, Data: []byte{1}}, false, 4, "\x01", ""},
		{"8 bit with ports", store.Inbound{DCS: 4, UDH: []byte(ports), Data: []byte{1}}, false, 4, ports + "\x01", ""},
		{"empty", store.Inbound{}, false, 0, "", ""},
		{"as long as sm_length can say", store.Inbound{Data: []byte(long[:254])}, false, 0, long[:254], ""},
		{"longer", store.Inbound{Data: []byte(long)}, false, 0, "", long},
		{"longer with its ports", store.Inbound{DCS: 4, UDH: []byte(ports), Data: []byte(long[:250])}, false,
			4, "", ports + long[:250]},
		{"longer as UCS-2 alone", store.Inbound{Data: []byte(long[:127] + "\x1Be")}, false, 8, "", utf16(long[:127] + "€")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.From, tt.in.PID = number, 0x41
			list := inbound(&tt.in, tt.gsm7, true)
			if len(list) != 1 {
				t.Fatalf("%d deliver_sm", len(list))
			}
			p := list[0]
			payload, _ := p.TLVs.Find(smpp.TagMessagePayload)
			if string(p.ShortMessage) != tt.short || string(payload) != tt.payload || p.DataCoding != tt.coding {
				t.Errorf("data_coding %d, short_message %q, message_payload %q; want %d, %q, %q",
					p.DataCoding, p.ShortMessage, payload, tt.coding, tt.short, tt.payload)
			}
			if (p.ESMClass == smpp.ESMClassUDHI) != (tt.in.UDH != nil) || p.ESMClass&^smpp.ESMClassUDHI != 0 {
				t.Errorf("esm_class %#02x", p.ESMClass)
			}
			if p.Source != (smpp.Address{TON: 1, NPI: 1, Addr: number.Number}) || p.ProtocolID != 0x41 {
				t.Errorf("from %+v with protocol_id %#02x", p.Source, p.ProtocolID)
			}
		})
	}
	named := inbound(&store.Inbound{From: sms.Address{TON: sms.TONAlphanumeric, Number: "Ärzte 24"}}, false, true)[0]
	if named.Source != (smpp.Address{TON: 5, Addr: "?rzte 24"}) {
		t.Errorf("a name came as %+v", named.Source)
	}
}

// TestInboundSMInParts: what is too long for short_message goes in parts to an ESME that knows no TLVs, and characters
// stay whole.
func TestInboundSMInParts(t *testing.T) {
	ports := []byte{0x06, 0x05, 0x04, 0x0B, 0x84, 0x23, 0xF0}
	for _, tt := range []struct {
		name  string
		in    store.Inbound
		gsm7  bool
		sizes []int // of the text in each
	}{
		{"it fits", store.Inbound{Data: bytes.Repeat([]byte("x"), 254)}, false, []int{254}},
		{"ASCII", store.Inbound{Data: bytes.Repeat([]byte("x"), 500)}, false, []int{248, 248, 4}},
		{"with ports", store.Inbound{DCS: 4, UDH: ports, Data: bytes.Repeat([]byte("x"), 300)}, false, []int{242, 58}},
		{"surrogate pair at the border", store.Inbound{DCS: 8,
			Data: sms.EncodeUCS2(strings.Repeat("a", 123) + "🎉" + strings.Repeat("b", 10))}, false, []int{246, 24}},
		{"escape pair at the border", store.Inbound{
			Data: []byte(strings.Repeat("a", 247) + "\x1Be" + strings.Repeat("b", 10))}, true, []int{247, 12}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.ID = 0x1234
			list := inbound(&tt.in, tt.gsm7, false)
			if len(list) != len(tt.sizes) {
				t.Fatalf("%d deliver_sm, want %d", len(list), len(tt.sizes))
			}
			if len(list) == 1 {
				return
			}
			var data []byte
			for n, p := range list {
				length, err := sms.UDHLength(p.ShortMessage)
				if err != nil || p.ESMClass != smpp.ESMClassUDHI || len(p.TLVs) > 0 || len(p.ShortMessage) > 254 {
					t.Fatalf("part %d: %+v, %v", n+1, p, err)
				}
				elems, err := sms.ParseUDH(p.ShortMessage[:length])
				ref, wide, total, seq, ok := sms.ConcatOf(elems)
				if err != nil || !ok || wide || ref != 0x34 || int(total) != len(list) || int(seq) != n+1 ||
					(len(elems) == 2) != (tt.in.UDH != nil) {
					t.Errorf("part %d: header %x, %v", n+1, p.ShortMessage[:length], err)
				}
				if got := len(p.ShortMessage) - length; got != tt.sizes[n] {
					t.Errorf("part %d has %d octets, want %d", n+1, got, tt.sizes[n])
				}
				data = append(data, p.ShortMessage[length:]...)
			}
			if want := tt.in.Data; !bytes.Equal(data, want) {
				t.Errorf("joined %q, want %q", data, want)
			}
		})
	}
	part := store.Inbound{DCS: 0, UDH: []byte{5, 0, 3, 1, 2, 1}, Data: bytes.Repeat([]byte("\x10"), 153)} // Δ: UCS-2
	if list := inbound(&part, false, false); len(list) != 1 {
		t.Errorf("a part was cut into %d again", len(list))
	}
	most := store.Inbound{DCS: 8, Data: make([]byte, 62_200)} // more is never joined
	if list := inbound(&most, false, false); len(list) < 2 {
		t.Error("the longest text does not go to an ESME without TLVs")
	}
}

// TestRouteInbound: the first rule that fits decides.
func TestRouteInbound(t *testing.T) {
	rules := []InboundRule{
		{Account: "stop", Keyword: "Stop"},
		{Account: "german-sim2", Modem: "sim2", From: "+49"},
		{Account: "win", Modem: "sim2", Keyword: "#1"},
		{Account: "bank", From: "Bank"},
		{Account: "sim2", Modem: "sim2"},
		{Account: "äpfel", Modem: "sim3", Keyword: "ÄPFEL"},
	}
	accounts := []store.Account{
		{Key: OperatorKey, Lane: 1}, {Key: "b", Lane: 2, Disabled: true}, {Key: "c", Lane: 3}, {Key: "a", Lane: 4},
	}
	for _, tt := range []struct {
		name, modem, from, text string
		part                    bool
		want                    string
		sure                    bool
	}{
		{"none fits", "sim1", "+4917", "hello", false, "c", true},
		{"keyword", "sim1", "+4917", "STOP it", false, "stop", true},
		{"keyword with a mark", "sim1", "+4917", "\n stop!", false, "stop", true},
		{"keyword in quotes", "sim1", "+4917", "„Stop“", false, "stop", true},
		{"keyword as a part of a word", "sim1", "+4917", "stopped", false, "c", true},
		{"keyword as second word", "sim1", "+4917", "don't stop", false, "c", true},
		{"keyword in a text whose beginning is missing", "sim1", "+4917", "[...]stop", false, "c", true},
		{"keyword of marks", "sim2", "+33", "#1", false, "win", true},
		{"keyword that is no ASCII", "sim3", "+33", "äpfel bitte", false, "äpfel", true},
		{"no text", "sim1", "+33", "", false, "c", true},
		{"modem and number", "sim2", "+4917", "hello", false, "german-sim2", true},
		{"an earlier rule", "sim2", "+4917", "Stop", false, "stop", true},
		{"modem alone", "sim2", "+33", "hello", false, "sim2", true},
		{"number without its plus", "sim2", "4917", "hello", false, "sim2", true},
		{"name", "sim1", "Bank24", "hello", false, "bank", true},
		{"part, a keyword before", "sim2", "+4917", "stop", true, "german-sim2", false},
		{"part, none fits", "sim1", "+4917", "stop", true, "c", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &Gateway{opt: Options{Defaults: Defaults{Inbound: rules}}}
			in := store.Inbound{Modem: tt.modem, From: sms.Address{Number: tt.from}, Text: tt.text}
			if strings.HasPrefix(tt.text, store.GapText) {
				in.Parts, in.Missing = 2, 1
			}
			if got, sure := g.routeInbound(&in, slices.Values(accounts), tt.part); got != tt.want || sure != tt.sure {
				t.Errorf("got %q, %t; want %q, %t", got, sure, tt.want, tt.sure)
			}
			g.opt.InboundTo = "elsewhere"
			if got, _ := g.routeInbound(&in, slices.Values(accounts), tt.part); got != tt.want && (tt.want != "c" || got != "elsewhere") {
				t.Errorf("with inbound_account: got %q", got)
			}
		})
	}
	g := &Gateway{opt: Options{Defaults: Defaults{Inbound: []InboundRule{{Account: "first", From: "+49"}, {Account: "stop", Keyword: "stop"}}}}}
	in := store.Inbound{From: sms.Address{TON: 1, Number: "4917"}, Text: "stop"}
	if got, sure := g.routeInbound(&in, slices.Values(accounts[:0]), true); got != "first" || !sure {
		t.Errorf("a part that an earlier rule is sure of: got %q, %t", got, sure)
	}
	if got, _ := (&Gateway{}).routeInbound(&in, slices.Values(accounts[:0]), false); got != "" {
		t.Errorf("with no account at all: got %q", got)
	}
}

// TestReceivedBy: a destination_addr is never empty, as Kannel (1.4.5) answers that with ESME_RINVDSTADR and drops the text, and
// no name is longer than the 11 characters that it takes.
func TestReceivedBy(t *testing.T) {
	for _, tt := range []struct {
		in   store.Inbound
		want smpp.Address
	}{
		{store.Inbound{Modem: "sim1"}, smpp.Address{TON: 5, Addr: "sim1"}},
		{store.Inbound{Modem: "the modem in the cellar"}, smpp.Address{TON: 5, Addr: "the modem i"}},
		{store.Inbound{Modem: "büro"}, smpp.Address{TON: 5, Addr: "b?ro"}},
		{store.Inbound{Modem: "sim1", To: "4161230000"}, smpp.Address{Addr: "4161230000"}},
	} {
		if got := inbound(&tt.in, false, true)[0].Destination; got != tt.want {
			t.Errorf("to %q by %q: destination_addr %+v, want %+v", tt.in.To, tt.in.Modem, got, tt.want)
		}
	}
}

// TestInboundNational: a text by national tables comes as any other, and its header without them.
func TestInboundNational(t *testing.T) {
	turkish := []byte{3, 0x24, 1, byte(sms.Turkish)}
	part := append([]byte{8, 0, 3, 7, 2, 1}, turkish[1:]...)
	utf16 := func(s string) string { return string(sms.EncodeUCS2(s)) }
	for _, tt := range []struct {
		name   string
		udh    []byte
		data   string
		gsm7   bool
		coding uint8
		esm    uint8
		want   string
	}{
		{"Turkish", turkish, "\x1bi\x1bs", false, 8, 0, utf16("ış")},
		{"only a ç of it", turkish, "\x1bc", false, 3, 0, "\xE7"},
		{"to an account of GSM 03.38", turkish, "\x1bi\x1bs", true, 8, 0, utf16("ış")},
		{"to such an account, with nothing national in it", turkish, "\x00\x1be", true, 0, 0, "\x00\x1be"},
		{"a part", part, "\x1bi", false, 8, smpp.ESMClassUDHI, "\x05\x00\x03\x07\x02\x01" + utf16("ı")},
		{"a locking table", []byte{3, 0x25, 1, byte(sms.Turkish)}, "\x07\x1d", false, 8, 0, utf16("ış")},
		{"a table that is not there", []byte{3, 0x24, 1, 99}, "\x1be", false, 8, smpp.ESMClassUDHI, "\x03\x24\x01\x63" + utf16("€")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := inbound(&store.Inbound{UDH: tt.udh, Data: []byte(tt.data)}, tt.gsm7, true)
			if len(list) != 1 {
				t.Fatalf("%d deliver_sm", len(list))
			}
			if p := list[0]; p.DataCoding != tt.coding || p.ESMClass != tt.esm || string(p.ShortMessage) != tt.want {
				t.Errorf("data_coding %d, esm_class %#02x, %q; want %d, %#02x, %q", p.DataCoding, p.ESMClass, p.ShortMessage,
					tt.coding, tt.esm, tt.want)
			}
		})
	}
}
