package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// TestConvert: what clients send, as sheet D8 saw it on the wire, against what goes on air.
func TestConvert(t *testing.T) {
	for _, tt := range []struct {
		name     string
		coding   uint8
		data     string
		alphabet string
		dcs      uint8
		text     string // as a phone shows it; hexadecimal for binary
	}{
		{"ASCII", 0, "user@host_$[x]{y}~^|\\", AlphabetAuto, 0x00, "user@host_$[x]{y}~^|\\"},
		{"ASCII by data_coding 1", 1, "abc", AlphabetAuto, 0x00, "abc"},
		{"ASCII with a backquote", 0, "a`b", AlphabetAuto, 0x08, "a`b"}, // GSM 03.38 has none
		{"ASCII with the NUL that some clients count", 0, "hello\x00", AlphabetAuto, 0x00, "hello"},
		{"a tab", 0, "a\tb", AlphabetAuto, 0x00, "a b"},
		{"GSM 03.38 by its control characters", 0, "a\x00b\x02c\x11d\x1b<\x05\x1b>\x1be", AlphabetAuto, 0x00, "a@b$c_d[é]€"},
		{"Latin-1 by its high octets", 0, "caf\xe9", AlphabetAuto, 0x00, "café"},
		{"UTF-8 by its high octets", 0, "café €", AlphabetAuto, 0x00, "café €"},
		{"UTF-8 that needs UCS-2", 0, "Привет 🎉", AlphabetAuto, 0x08, "Привет 🎉"},
		{"gsm7 account", 0, "\x00ab", AlphabetGSM7, 0x00, "@ab"},
		{"gsm7 account, @ last", 0, "ab\x00", AlphabetGSM7, 0x00, "ab@"},
		{"latin1 account", 0, "\xa3\xe9", AlphabetLatin1, 0x00, "£é"},
		{"utf8 account", 0, "ñ", AlphabetUTF8, 0x00, "ñ"},
		{"Latin-1", 3, "\xfcber\xa7", AlphabetAuto, 0x00, "über§"},
		{"Latin-1 that needs UCS-2", 3, "\xe7a", AlphabetAuto, 0x08, "ça"},
		{"UCS-2", 8, "\x04\x1f\xd8\x3c\xdf\x89", AlphabetAuto, 0x08, "П🎉"},
		{"binary", 4, "\x00\xff", AlphabetAuto, 0x04, "00FF"},
		{"binary", 2, "\x01\x02", AlphabetAuto, 0x04, "0102"},
		{"flash", 0x10, "hi", AlphabetAuto, 0x10, "hi"},
		{"class 1 in the older group", 0xF1, "hi", AlphabetAuto, 0xF1, "hi"},
		{"class 1 that needs UCS-2", 0xF1, "ж", AlphabetUTF8, 0x19, "ж"},
		{"8 bit with class", 0xF5, "\x01", AlphabetAuto, 0xF5, "01"},
		{"8 bit with class, general group", 0x15, "\x01", AlphabetAuto, 0x15, "01"},
		{"flash UCS-2", 0x18, "\x04\x1f", AlphabetAuto, 0x18, "П"},
		{"voice mail waits", 0xC8, "1 new", AlphabetAuto, 0xC8, "1 new"},
		{"empty", 0, "", AlphabetAuto, 0x00, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := convert(&smpp.SubmitSM{DataCoding: tt.coding, ShortMessage: []byte(tt.data)}, textRules{alphabet: tt.alphabet, maxParts: 10})
			if err != nil {
				t.Fatalf("convert: %v", err)
			}
			if got := readText(c.dcs, c.udh, c.parts); c.dcs != tt.dcs || got != tt.text {
				t.Errorf("got %q with DCS %#02x, want %q with %#02x", got, c.dcs, tt.text, tt.dcs)
			}
		})
	}
}

// TestConvertRefuses: what can't go out, with the status that tells the client what to mend.
func TestConvertRefuses(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	sar := func(ref, total, seq string) smpp.TLVs {
		return smpp.TLVs{{Tag: smpp.TagSarMsgRefNum, Value: []byte(ref)}, {Tag: smpp.TagSarTotalSegments, Value: []byte(total)}, {Tag: smpp.TagSarSegmentSeqnum, Value: []byte(seq)}}
	}
	for _, tt := range []struct {
		name     string
		p        smpp.SubmitSM
		alphabet string
		maxParts int
		want     smpp.Status
	}{
		{"161 characters by the classic contract", smpp.SubmitSM{ShortMessage: long(161)}, AlphabetAuto, 1, smpp.StatusInvMsgLen},
		{"text in both places", smpp.SubmitSM{ShortMessage: long(1), TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: long(1)}}}, AlphabetAuto, 10, smpp.StatusInvMsgLen},
		{"more parts than allowed", smpp.SubmitSM{TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: long(153*10 + 1)}}}, AlphabetAuto, 10, smpp.StatusInvMsgLen},
		{"half a UCS-2 character", smpp.SubmitSM{DataCoding: 8, ShortMessage: long(3)}, AlphabetAuto, 10, smpp.StatusInvMsgLen},
		{"UDH longer than the data", smpp.SubmitSM{ESMClass: 0x40, ShortMessage: []byte{9, 0}}, AlphabetAuto, 10, smpp.StatusInvESMClass},
		{"UDH whose element runs over", smpp.SubmitSM{ESMClass: 0x40, ShortMessage: []byte{3, 0, 9, 1, 'x'}}, AlphabetAuto, 10, smpp.StatusInvESMClass},
		{"no room beside the UDH", smpp.SubmitSM{ESMClass: 0x40, DataCoding: 4, ShortMessage: append([]byte{5, 0, 3, 1, 2, 1}, long(135)...)}, AlphabetAuto, 10, smpp.StatusInvMsgLen},
		{"a UDH longer than an SMS", smpp.SubmitSM{ESMClass: 0x40, DataCoding: 4, ShortMessage: append([]byte{195, 0x70, 193}, long(193)...)}, AlphabetAuto, 10, smpp.StatusInvMsgLen},
		{"sar segment 3 of 2", smpp.SubmitSM{ShortMessage: long(5), TLVs: sar("\x00\x01", "\x02", "\x03")}, AlphabetAuto, 10, smpp.StatusInvOptParamVal},
		{"sar reference of one octet", smpp.SubmitSM{ShortMessage: long(5), TLVs: sar("\x01", "\x02", "\x01")}, AlphabetAuto, 10, smpp.StatusInvParLen},
		{"high octet in an ascii account", smpp.SubmitSM{ShortMessage: []byte{0xE9}}, AlphabetASCII, 10, smpp.StatusSubmitFail},
		{"broken UTF-8 in a utf8 account", smpp.SubmitSM{ShortMessage: []byte{0xE9}}, AlphabetUTF8, 10, smpp.StatusSubmitFail},
		{"high octet in a gsm7 account", smpp.SubmitSM{ShortMessage: []byte{0x80}}, AlphabetGSM7, 10, smpp.StatusSubmitFail},
		{"pictograms", smpp.SubmitSM{DataCoding: 9, ShortMessage: []byte{0xB0}}, AlphabetAuto, 10, smpp.StatusSubmitFail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := convert(&tt.p, textRules{alphabet: tt.alphabet, maxParts: tt.maxParts})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestConvertLong: the classic 160, and what is cut.
func TestConvertLong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     smpp.SubmitSM
		parts int
	}{
		{"160 characters", smpp.SubmitSM{ShortMessage: bytes.Repeat([]byte("x"), 160)}, 1},
		{"161 characters", smpp.SubmitSM{ShortMessage: bytes.Repeat([]byte("x"), 161)}, 2},
		{"254 characters", smpp.SubmitSM{ShortMessage: bytes.Repeat([]byte("x"), 254)}, 2},
		{"1000 characters in message_payload", smpp.SubmitSM{TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: bytes.Repeat([]byte("x"), 1000)}}}, 7},
		{"70 UCS-2 characters", smpp.SubmitSM{DataCoding: 8, ShortMessage: sms.EncodeUCS2(strings.Repeat("ж", 70))}, 1},
		{"71 UCS-2 characters", smpp.SubmitSM{DataCoding: 8, ShortMessage: sms.EncodeUCS2(strings.Repeat("ж", 71))}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := convert(&tt.p, textRules{alphabet: AlphabetAuto, maxParts: 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.parts) != tt.parts {
				t.Errorf("got %d parts, want %d", len(c.parts), tt.parts)
			}
			want := tt.p.ShortMessage
			if payload, ok := tt.p.TLVs.Find(smpp.TagMessagePayload); ok {
				want = payload
			}
			if got := bytes.Join(c.parts, nil); !bytes.Equal(got, want) {
				t.Errorf("the parts join to %q, want %q", got, want)
			}
		})
	}
}

// TestConvertUDH: the client's own header, and the one made of sar_*.
func TestConvertUDH(t *testing.T) {
	udhi := smpp.SubmitSM{ESMClass: 0x40, ShortMessage: []byte("\x05\x00\x03\x07\x02\x01part one")}
	sar := smpp.SubmitSM{ShortMessage: []byte("part one"), TLVs: smpp.TLVs{
		{Tag: smpp.TagSarMsgRefNum, Value: []byte{0, 7}}, {Tag: smpp.TagSarTotalSegments, Value: []byte{2}}, {Tag: smpp.TagSarSegmentSeqnum, Value: []byte{1}}}}
	for name, p := range map[string]smpp.SubmitSM{"UDHI": udhi, "sar": sar} {
		c, err := convert(&p, textRules{alphabet: AlphabetAuto, maxParts: 1})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := []byte{5, 0, 3, 7, 2, 1}; !bytes.Equal(c.udh, want) || len(c.parts) != 1 || string(c.parts[0]) != "part one" {
			t.Errorf("%s: got UDH %x and %q, want %x and one part", name, c.udh, c.parts, want)
		}
	}
}

// TestConvertNational: what goes out by national tables, part by part, as a phone reads it.
func TestConvertNational(t *testing.T) {
	rules := textRules{alphabet: AlphabetUTF8, national: []sms.Language{sms.Turkish}, maxParts: 10}
	text := strings.Repeat("a", 148) + "ı" + strings.Repeat("b", 60) // the escape pair would be cut
	c, err := convert(&smpp.SubmitSM{ShortMessage: []byte(text)}, rules)
	if err != nil {
		t.Fatal(err)
	}
	m := message(c)
	if len(m.Parts) != 2 {
		t.Fatalf("%d parts, want 2", len(m.Parts))
	}
	var got string
	for i := range m.Parts {
		tpdu, err := testGateway(noon).encodeTPDU(m, i, false, vpRelative, m.Accepted)
		if err != nil {
			t.Fatal(err)
		}
		p, err := sms.ParseSubmit(tpdu)
		if err != nil {
			t.Fatal(err)
		}
		if want := []byte{8, 0, 3, 7, 2, byte(i + 1), 0x24, 1, 1}; !bytes.Equal(p.UDH, want) {
			t.Errorf("part %d: header %x, want %x", i+1, p.UDH, want)
		}
		got += p.Text()
	}
	if got != text {
		t.Errorf("the phone shows %q, want %q", got, text)
	}
}

// TestConvertOwnTables: a client that makes its own header with national tables in it sends septets, unless its account
// says that data_coding 0 is something else.
func TestConvertOwnTables(t *testing.T) {
	turkish := "\x03\x24\x01\x01"
	for _, tt := range []struct {
		name, alphabet, data string
		coding               uint8
		want                 string // "" is refused
	}{
		{"septets", AlphabetAuto, "\x1bi@", 0, "ı¡"},
		{"septets that look like ASCII", AlphabetAuto, "a@", 0, "a¡"},
		{"gsm7", AlphabetGSM7, "\x1bi", 0, "ı"},
		{"UTF-8", AlphabetAuto, "ı@", 0, "ı@"},
		{"utf8", AlphabetUTF8, "a@", 0, "a@"},
		{"Latin-1", AlphabetAuto, "\xe7", 3, "ç"},
		{"what the tables lack", AlphabetUTF8, "Ж", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := convert(&smpp.SubmitSM{ESMClass: 0x40, DataCoding: tt.coding, ShortMessage: []byte(turkish + tt.data)},
				textRules{alphabet: tt.alphabet, maxParts: 1})
			if tt.want == "" {
				if !errors.Is(err, smpp.StatusSubmitFail) {
					t.Errorf("got %v, want it refused", err)
				}
				return
			}
			if got := readText(c.dcs, c.udh, c.parts); err != nil || got != tt.want || string(c.udh) != turkish || c.dcs != 0 {
				t.Errorf("got %q with header %x and %#02x, %v; want %q", got, c.udh, c.dcs, err, tt.want)
			}
		})
	}
}
