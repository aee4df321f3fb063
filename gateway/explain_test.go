package gateway

import (
	"reflect"
	"strings"
	"testing"

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
