package gateway

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// TestExplain: what is told of a text, of which nothing else says so.
func TestExplain(t *testing.T) {
	rep := strings.Repeat
	for _, tt := range []struct {
		name  string
		p     *smpp.SubmitSM
		rules textRules
		want  Explanation
	}{
		{"plain", carrying(0, 0, []byte("hello [x]")), textRules{maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsASCII, Text: "hello [x]", Sent: "hello [x]", Alphabet: "GSM7",
			Parts: []ExplainedPart{{11, 149}}}},
		{"one quote too many", carrying(0, 0, []byte(rep("a", 80)+"’"+rep("b", 70)+"’")),
			textRules{alphabet: AlphabetUTF8, maxParts: 10}, Explanation{
				Status: "ESME_ROK", ReadAs: readAsUTF8, Text: rep("a", 80) + "’" + rep("b", 70) + "’", Sent: rep("a", 80) + "’" + rep("b", 70) + "’",
				Alphabet: "UCS2", DCS: 8, Parts: []ExplainedPart{{67, 0}, {67, 0}, {18, 49}},
				Costly: []CostlyRune{{Rune: '’', Positions: []int{81, 152}, Count: 2, Like: "'", Without: 1}},
				Like:   rep("a", 80) + "'" + rep("b", 70) + "'", LikeIn: 1}},
		{"an extension character too many", carrying(0, 0, []byte(rep("a", 159)+"€")), textRules{alphabet: AlphabetUTF8, maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsUTF8, Text: rep("a", 159) + "€", Sent: rep("a", 159) + "€",
			Alphabet: "GSM7", Parts: []ExplainedPart{{153, 0}, {8, 145}},
			Costly: []CostlyRune{{Rune: '€', Positions: []int{160}, Count: 1, Septets: 2, Without: 1}}}},
		{"transliterated", carrying(0, 0, []byte("a…")), textRules{alphabet: AlphabetUTF8, unencodable: UnencodableTransliterate, maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsUTF8, Text: "a…", Sent: "a...", Alphabet: "GSM7", Parts: []ExplainedPart{{4, 156}},
			Costly: []CostlyRune{{Rune: '…', Positions: []int{2}, Count: 1, Like: "..."}}, Like: "a...", LikeIn: 1}},
		{"refused", carrying(0, 0, []byte("aЖ")), textRules{alphabet: AlphabetUTF8, unencodable: UnencodableReject, maxParts: 10}, Explanation{
			Status: "ESME_RSUBMITFAIL: 1 of its characters are not in the GSM 7 bit alphabet: U+0416", Refused: true,
			ReadAs: readAsUTF8, Text: "aЖ", Sent: "aЖ", Costly: []CostlyRune{{Rune: 'Ж', Positions: []int{2}, Count: 1, Without: 1}}}},
		{"too long", carrying(0, 0, []byte(rep("a", 161))), textRules{maxParts: 1}, Explanation{
			Status: "ESME_RINVMSGLEN: it takes 2 parts in GSM7, and the account may send 1", Refused: true,
			ReadAs: readAsASCII, Text: rep("a", 161), Sent: rep("a", 161), Alphabet: "GSM7", Parts: []ExplainedPart{{153, 0}, {8, 145}}}},
		{"a national table", carrying(0, 0, []byte(rep("a", 71)+"ş")),
			textRules{alphabet: AlphabetUTF8, national: []sms.Language{sms.Turkish}, maxParts: 10}, Explanation{
				Status: "ESME_ROK", ReadAs: readAsUTF8, Text: rep("a", 71) + "ş", Sent: rep("a", 71) + "ş",
				Alphabet: "GSM7", Single: "Turkish", Parts: []ExplainedPart{{73, 82}},
				Costly: []CostlyRune{{Rune: 'ş', Positions: []int{72}, Count: 1, Like: "s"}}, Like: rep("a", 71) + "s", LikeIn: 1}},
		{"UCS-2 that GSM 7 bit would do", carrying(8, 0, sms.EncodeUCS2(rep("a", 80))), textRules{maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsUCS2, Text: rep("a", 80), Sent: rep("a", 80), Alphabet: "UCS2", DCS: 8,
			Parts: []ExplainedPart{{67, 0}, {13, 54}}, Wide: true, WideIn: 1}},
		{"octets with a header", carrying(4, 0x40, []byte("\x06\x05\x04\x0B\x84\x23\xF0\x01")), textRules{maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsOctets, Alphabet: "binary", DCS: 4, Parts: []ExplainedPart{{1, 132}}}},
		{"a header that is none", carrying(4, 0x40, []byte("\x06")), textRules{maxParts: 10}, Explanation{
			Status: "ESME_RINVESMCLASS: esm_class says that a UDH is in front, and there is none: " +
				"TP-UDHL at octet 0: a header of 7 octets in user data of 1", Refused: true}},
		{"transaction mode", carrying(0, 2, nil), textRules{maxParts: 10}, Explanation{
			Status: "ESME_RINVESMCLASS: esm_class asks for transaction mode; there is store and forward only", Refused: true,
			ReadAs: "ASCII", Alphabet: "GSM7", Parts: []ExplainedPart{{0, 160}}}},
		{"a receipt", carrying(4, 4, []byte("x")), textRules{maxParts: 10}, Explanation{
			Status: "ESME_RINVESMCLASS: the type in esm_class is one that only a message centre gives", Refused: true,
			ReadAs: "octets", Alphabet: "binary", DCS: 4, Parts: []ExplainedPart{{1, 139}}}},
		{"accents apart", carrying(0, 0, []byte("cafe\u0301")), textRules{alphabet: AlphabetUTF8, maxParts: 10}, Explanation{
			Status: "ESME_ROK", ReadAs: readAsUTF8, Text: "cafe\u0301", Sent: "café", Alphabet: "GSM7", Parts: []ExplainedPart{{4, 156}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := explain(tt.p, tt.rules); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
	many := explain(carrying(0, 0, []byte("ЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗ"+rep("Ѐ", 20))), textRules{alphabet: AlphabetUTF8, maxParts: 10})
	if len(many.Costly) != mostCostly || len(many.Costly[0].Positions) != mostPositions || many.Costly[0].Count != 21 {
		t.Errorf("of many characters %d are told, the first at %v", len(many.Costly), many.Costly[0].Positions)
	}
}

// TestExplainIsTrue draws texts and settings at random. What is told of them is what is in the TPDUs, and what is told of
// other texts comes true when these are explained.
func TestExplainIsTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", "b ", "[", "€", "ş", "ı", "é", "á", "е", "न", "😀", "’", "…", "e\u0301", "`", "Σ", "ά", "\t", "\n", "ﬁ", "½"}
	for range 2000 {
		rare, common := pieces[r.IntN(len(pieces))], pieces[r.IntN(3)]
		var text strings.Builder
		for range []int{1 + r.IntN(9), 60 + r.IntN(20), 140 + r.IntN(30), 290 + r.IntN(30)}[r.IntN(4)] {
			if r.IntN(30) == 0 {
				text.WriteString(rare)
			} else {
				text.WriteString(common)
			}
		}
		rules := textRules{alphabet: AlphabetUTF8, unencodable: Unencodables()[r.IntN(3)], maxParts: []int{1, 255}[r.IntN(2)]}
		if r.IntN(2) == 0 {
			rules.national = []sms.Language{sms.Turkish, sms.Spanish, sms.Portuguese, sms.Hindi}[:1+r.IntN(4)]
		}
		p := carrying(0, 0, []byte(text.String()))
		if r.IntN(4) == 0 {
			port := []byte{0x1F, 0x90}
			p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.TagSourcePort, Value: port}, smpp.TLV{Tag: smpp.TagDestinationPort, Value: port})
		}
		x := explain(p, rules)
		checkExplained(t, p, rules, x)
		checkOthers(t, p, rules, x)
		if t.Failed() {
			t.Fatalf("%q with %+v: %+v", text.String(), rules, x)
		}
	}
}

// checkExplained holds an explanation against what a modem would be given.
func checkExplained(t *testing.T, p *smpp.SubmitSM, rules textRules, x Explanation) {
	t.Helper()
	c, err := convert(p, rules)
	if x.Refused != (err != nil) {
		t.Errorf("refused: %t, and submit_sm gets %v", x.Refused, err)
	}
	if err != nil {
		return
	}
	m := message(c)
	var sent sms.Submit
	for i := range m.Parts {
		tpdu, err := testGateway(noon).encodeTPDU(m, i, true, vpRelative, m.Accepted)
		if err != nil {
			t.Fatal(err)
		}
		part, err := sms.ParseSubmit(tpdu)
		if err != nil {
			t.Fatal(err)
		}
		sent.DCS, sent.UDH, sent.Data = part.DCS, part.UDH, append(sent.Data, part.Data...)
		a, _ := sms.AlphabetOf(part.DCS)
		unit := map[sms.Alphabet]int{sms.GSM7: 1, sms.UCS2: 2}[a]
		want := ExplainedPart{len(part.Data) / unit, (sms.Capacity(a, len(part.UDH)) - len(part.Data)) / unit}
		if i >= len(x.Parts) || x.Parts[i] != want || x.Alphabet != a.String() || x.DCS != part.DCS {
			t.Errorf("part %d is %+v in %v", i+1, want, a)
		}
	}
	shift := sms.ShiftIn(sent.UDH)
	if x.Locking != strings.TrimPrefix(shift.Locking.String(), "default") || x.Single != strings.TrimPrefix(shift.Single.String(), "default") {
		t.Errorf("the tables are %+v", shift)
	}
	if got := sent.Text(); got != x.Sent || len(x.Parts) != len(m.Parts) {
		t.Errorf("%d parts read as %q", len(m.Parts), got)
	}
}

// checkOthers holds what is told of the text without a character, and of the text transliterated, against these.
func checkOthers(t *testing.T, p *smpp.SubmitSM, rules textRules, x Explanation) {
	t.Helper()
	parts := func(text string, rules textRules) int {
		other := *carrying(0, 0, []byte(text))
		for _, v := range p.TLVs {
			if v.Tag != smpp.TagMessagePayload {
				other.TLVs = append(other.TLVs, v)
			}
		}
		return len(explain(&other, rules).Parts)
	}
	for _, c := range x.Costly {
		if n := parts(strings.ReplaceAll(norm.NFC.String(x.Text), string(c.Rune), ""), rules); c.Without != 0 && c.Without != n {
			t.Errorf("without %U it takes %d", c.Rune, n)
		}
	}
	if x.Like != "" {
		if n := parts(x.Like, textRules{alphabet: AlphabetUTF8, maxParts: 255}); n != x.LikeIn {
			t.Errorf("transliterated it takes %d", n)
		}
	}
}
