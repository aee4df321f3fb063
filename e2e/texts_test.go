package e2e

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"smsgateway/smpp"
)

func ucs2(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

func payload(b []byte) smpp.TLVs { return smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: b}} }

func repeat(s string, n int) []byte { return bytes.Repeat([]byte(s), n) }

// TestTexts sends all kinds of text and wants the phone to read what was written, in as few SMS as there can be.
func TestTexts(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "10ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "auto")
	b.account(t, "gsm", "--alphabet", "gsm7")
	b.account(t, "classic", "--max-parts", "1")
	esmes := map[string]*esme{"auto": b.bind(t, "auto"), "gsm": b.bind(t, "gsm"), "classic": b.bind(t, "classic")}

	smiles := strings.Repeat("a😀", 60) // 180 UTF-16 units: in parts of 67, one cut would go through a pair
	for i, row := range []struct {
		name     string
		account  string
		submit   smpp.SubmitSM
		status   smpp.Status
		want     string // at the phone
		encoding string
		parts    int
	}{
		{"ASCII", "auto", smpp.SubmitSM{ShortMessage: []byte("Hello @ $5_[x]{y}~^|\\")}, 0, "Hello @ $5_[x]{y}~^|\\", "gsm7", 1},
		{"160", "auto", smpp.SubmitSM{ShortMessage: repeat("x", 160)}, 0, strings.Repeat("x", 160), "gsm7", 1},
		{"161", "auto", smpp.SubmitSM{ShortMessage: repeat("x", 161)}, 0, strings.Repeat("x", 161), "gsm7", 2},
		{"254", "auto", smpp.SubmitSM{ShortMessage: repeat("ab", 127)}, 0, strings.Repeat("ab", 127), "gsm7", 2},
		{"10 parts in message_payload", "auto", smpp.SubmitSM{TLVs: payload(repeat("0123456789", 153))}, 0, strings.Repeat("0123456789", 153), "gsm7", 10},
		{"11 parts", "auto", smpp.SubmitSM{TLVs: payload(repeat("x", 1531))}, smpp.StatusInvMsgLen, "", "", 0},
		{"160 with max_parts 1", "classic", smpp.SubmitSM{ShortMessage: repeat("x", 160)}, 0, strings.Repeat("x", 160), "gsm7", 1},
		{"161 with max_parts 1", "classic", smpp.SubmitSM{ShortMessage: repeat("x", 161)}, smpp.StatusInvMsgLen, "", "", 0},
		{"161 in message_payload with max_parts 1", "classic", smpp.SubmitSM{TLVs: payload(repeat("x", 161))}, smpp.StatusInvMsgLen, "", "", 0},
		{"escapes never cut", "auto", smpp.SubmitSM{ShortMessage: repeat("[", 81)}, 0, strings.Repeat("[", 81), "gsm7", 2},
		{"UTF-8 by auto", "auto", smpp.SubmitSM{ShortMessage: []byte("Größe: 5 €")}, 0, "Größe: 5 €", "gsm7", 1},
		{"UTF-8 that needs UCS-2", "auto", smpp.SubmitSM{ShortMessage: []byte("да 😀")}, 0, "да 😀", "ucs2", 1},
		{"GSM 03.38 by the account", "gsm", smpp.SubmitSM{ShortMessage: []byte("\x00\x02\x1B\x65 x")}, 0, "@$€ x", "gsm7", 1},
		{"Latin-1", "auto", smpp.SubmitSM{DataCoding: 3, ShortMessage: []byte("Stra\xDFe")}, 0, "Straße", "gsm7", 1},
		{"UCS-2", "auto", smpp.SubmitSM{DataCoding: 8, ShortMessage: ucs2("Привет 😀")}, 0, "Привет 😀", "ucs2", 1},
		{"70 units of UCS-2", "auto", smpp.SubmitSM{DataCoding: 8, ShortMessage: ucs2(strings.Repeat("я", 70))}, 0, strings.Repeat("я", 70), "ucs2", 1},
		{"pairs never cut", "auto", smpp.SubmitSM{DataCoding: 8, TLVs: payload(ucs2(smiles))}, 0, smiles, "ucs2", 3},
		{"71 units with max_parts 1", "classic", smpp.SubmitSM{DataCoding: 8, ShortMessage: ucs2(strings.Repeat("я", 71))}, smpp.StatusInvMsgLen, "", "", 0},
		{"odd UCS-2", "auto", smpp.SubmitSM{DataCoding: 8, ShortMessage: []byte("abc")}, smpp.StatusInvMsgLen, "", "", 0},
		{"binary", "auto", smpp.SubmitSM{DataCoding: 4, ShortMessage: []byte{0, 1, 0xFF}}, 0, "", "binary", 1},
		{"flash", "auto", smpp.SubmitSM{DataCoding: 0x10, ShortMessage: []byte("fire!")}, 0, "fire!", "gsm7", 1},
		{"Cyrillic", "auto", smpp.SubmitSM{DataCoding: 6, ShortMessage: []byte{0xBF, 0xE0, 0xD8, 0xD2, 0xD5, 0xE2}}, 0, "Привет", "ucs2", 1},
		{"pictograms", "auto", smpp.SubmitSM{DataCoding: 9, ShortMessage: []byte("x")}, smpp.StatusSubmitFail, "", "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := esmes[row.account]
			row.submit.Destination.Addr = numberOf(i)
			row.submit.RegisteredDelivery = 1
			id, err := e.Submit(&row.submit)
			wantStatus(t, "submit_sm", err, row.status)
			if err != nil {
				return
			}
			e.wantReceipt(t, id, smpp.StateDelivered)
			phones.wantText(t, numberOf(i), row.want)
			m := b.message(t, id)
			if m.Encoding != row.encoding || len(m.Parts) != row.parts {
				t.Errorf("it went out as %s in %d parts, want %s in %d", m.Encoding, len(m.Parts), row.encoding, row.parts)
			}
			if row.want != "" && m.Text != row.want {
				t.Errorf("message show has the text %q, want %q", m.Text, row.want)
			}
		})
	}
}

// numberOf is a phone for each row of a table.
func numberOf(i int) string {
	return "4160000" + string(rune('0'+i/100%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
}

// TestClientsParts has the client cut a text, and wants the phone to join it.
func TestClientsParts(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "10ms", "--report-delay", "10ms")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	parts := [][]byte{repeat("first ", 20), repeat("second ", 20)}
	whole := string(parts[0]) + string(parts[1])

	t.Run("UDH", func(t *testing.T) {
		for i, part := range parts {
			p := text("4161230001", "")
			p.ESMClass = smpp.ESMClassUDHI
			p.ShortMessage = append([]byte{5, 0, 3, 0x77, 2, byte(i + 1)}, part...)
			e.wantReceipt(t, e.submit(t, p), smpp.StateDelivered)
		}
		phones.wantText(t, "4161230001", whole)
	})
	t.Run("sar", func(t *testing.T) {
		for i, part := range parts {
			p := text("4161230002", string(part))
			p.TLVs = smpp.TLVs{
				{Tag: smpp.TagSarMsgRefNum, Value: []byte{0x01, 0x77}},
				{Tag: smpp.TagSarTotalSegments, Value: []byte{2}},
				{Tag: smpp.TagSarSegmentSeqnum, Value: []byte{byte(i + 1)}},
			}
			e.wantReceipt(t, e.submit(t, p), smpp.StateDelivered)
		}
		phones.wantText(t, "4161230002", whole)
	})
	t.Run("a UDH that does not fit", func(t *testing.T) {
		p := text("4161230003", "\x20\x00\x03")
		p.ESMClass = smpp.ESMClassUDHI
		_, err := e.Submit(p)
		wantStatus(t, "submit_sm", err, smpp.StatusInvESMClass)
	})
}
