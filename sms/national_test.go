package sms

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestNationalTables pins the tables as they were verified (nationaltables.go): how many characters each has, and a sum
// over all of them.
func TestNationalTables(t *testing.T) {
	sum := fnv.New64a()
	var locking, single []int
	for _, n := range national {
		for i, table := range []*table{n.locking, n.single} {
			count := 0
			for code, r := range table {
				if r != 0 && code != escape {
					count++
				}
				fmt.Fprintf(sum, "%d %X\n", code, r)
			}
			if i == 0 {
				locking = append(locking, count)
			} else {
				single = append(single, count)
			}
		}
	}
	// Spanish has no locking table: that of the default alphabet stands in its place.
	if want := []int{127, 127, 127, 127, 114, 120, 127, 120, 120, 116, 110, 102, 120, 127}; !slices.Equal(locking, want) {
		t.Errorf("the locking tables have %v characters, want %v", locking, want)
	}
	if want := []int{10, 17, 19, 37, 82, 70, 88, 73, 82, 75, 76, 77, 78, 90}; !slices.Equal(single, want) {
		t.Errorf("the single shift tables have %v characters, want %v", single, want)
	}
	if got, want := fmt.Sprintf("%x", sum.Sum(nil)), "f111a08dfa4ab785"; got != want {
		t.Errorf("the sum over all tables is %s, want %s: a value differs from what was verified", got, want)
	}
}

// TestShiftGolden: texts as octets, worked out by hand with the specification's tables.
func TestShiftGolden(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shift Shift
		text  string
		want  string
	}{
		{"Turkish, single", Shift{Single: Turkish}, "ışık Ğ", "\x1b\x69\x1b\x73\x1b\x69k \x1b\x47"},
		{"Turkish, locking", Shift{Locking: Turkish}, "ışık Ğçi€", "\x07\x1d\x07k \x0b\x60i\x04"},
		{"Turkish locking leaves the default extension", Shift{Locking: Turkish}, "[ş]", "\x1b\x3c\x1d\x1b\x3e"},
		{"Turkish, both: the main table goes first", Shift{Turkish, Turkish}, "ığ", "\x07\x0c"},
		{"Spanish, single", Shift{Single: Spanish}, "Buenos días, ¿qué tal? Á", "Buenos d\x1bias, \x60qu\x05 tal? \x1bA"},
		{"Portuguese, single", Shift{Single: Portuguese}, "não é ê", "n\x1b\x7bo \x05 \x1b\x05"},
		{"Portuguese, locking", Shift{Locking: Portuguese}, "não é ê ∞", "n\x7bo \x05 \x04 \x15"},
		{"Hindi, locking", Shift{Locking: Hindi}, "नमस्ते a", "\x2f\x42\x4c\x5f\x27\x59 a"},
		{"Hindi, both: digits and capitals behind the escape", Shift{Hindi, Hindi}, "१A।", "\x1b\x1d\x1bA\x1b\x19"},
		{"Kannada 0x24", Shift{Locking: Kannada}, "\u0CA1\u0CAA", "\x24\x3d"},
		{"Urdu, locking", Shift{Locking: Urdu}, "\u0627\u0644", "\x00\x4d"},
		{"Portuguese locking with Spanish single", Shift{Portuguese, Spanish}, "ãñ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.shift.Encode(tt.text)
			if tt.want == "" {
				if e := new(UnencodableError); !errors.As(err, &e) || e.Rune != 'ñ' || e.Index != 1 {
					t.Fatalf("got %x, %v; want that character 2 can't be written", got, err)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Fatalf("got %x, %v; want %x", got, err, tt.want)
			}
			if text := tt.shift.Decode(got); text != tt.text {
				t.Errorf("it reads as %q, want %q", text, tt.text)
			}
		})
	}
}

// TestShiftEveryCharacter: each character of each pair of tables comes back.
func TestShiftEveryCharacter(t *testing.T) {
	for _, locking := range append(Languages(), NoLanguage) {
		for _, single := range append(Languages(), NoLanguage) {
			s := Shift{locking, single}
			for _, r := range national[locking].locking[:] {
				if r == 0 || r == escape {
					continue
				}
				septets, err := s.Encode(string(r))
				if err != nil || len(septets) != 1 || s.Septets(r) != 1 || s.Decode(septets) != string(r) {
					t.Fatalf("%v: %U is written as %x, %v", s, r, septets, err)
				}
			}
			for _, r := range national[single].single[:] {
				if r == 0 || single == Telugu && r == '€' && locking != Turkish && locking != Portuguese {
					continue
				}
				septets, err := s.Encode(string(r))
				if err != nil || len(septets) != s.Septets(r) || s.Decode(septets) != string(r) {
					t.Fatalf("%v: %U is written as %x, %v", s, r, septets, err)
				}
			}
		}
	}
}

// TestShiftDecodeHoles: what the tables lack, read as TS 23.038 asks of a phone.
func TestShiftDecodeHoles(t *testing.T) {
	for _, tt := range []struct {
		shift   Shift
		septets string
		want    string
	}{
		{Shift{Single: Turkish}, "\x1bb", "b"},                  // of the main table
		{Shift{Turkish, NoLanguage}, "\x1b\x07", "ı"},           // of the locking one
		{Shift{Locking: Bengali}, "a\x0cb", "a b"},              // a hole
		{Shift{Bengali, Turkish}, "a\x1b\x0cb", "a b"},          // a hole in both
		{Shift{Single: Hindi}, "a\x1b\x1bb\x1b", "a b "},        // escapes
		{Shift{Single: Telugu}, "\x1b\x65", "€"},                // read, though we don't send it
		{Shift{Locking: 99, Single: 200}, "\x1b\x65\x40", "€¡"}, // reserved languages
	} {
		if got := tt.shift.Decode([]byte(tt.septets)); got != tt.want {
			t.Errorf("%v: %x reads as %q, want %q", tt.shift, tt.septets, got, tt.want)
		}
	}
	if _, err := (Shift{Single: Telugu}).Encode("€"); err == nil {
		t.Error("the euro sign is sent with the Telugu table, where the specification has none")
	}
}

func TestShiftOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		elems []Element
		want  Shift
	}{
		{"none", nil, Shift{}},
		{"single", []Element{{0x24, []byte{1}}}, Shift{Single: Turkish}},
		{"both, between others", []Element{Concat(1, false, 2, 1), {0x25, []byte{3}}, {0x24, []byte{13}}}, Shift{Portuguese, Urdu}},
		{"the last counts", []Element{{0x24, []byte{1}}, {0x24, []byte{2}}}, Shift{Single: Spanish}},
		{"Spanish has no locking table", []Element{{0x25, []byte{2}}}, Shift{}},
		{"reserved languages, wrong lengths", []Element{{0x24, []byte{14}}, {0x25, []byte{0}}, {0x24, nil}, {0x25, []byte{1, 1}}}, Shift{}},
	} {
		if got := ShiftOf(tt.elems); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	for _, s := range []Shift{{}, {Turkish, NoLanguage}, {NoLanguage, Spanish}, {Hindi, Urdu}} {
		elems := s.Elements()
		if got := ShiftIn(AppendUDH(nil, elems...)); got != s {
			t.Errorf("%v comes back as %v", s, got)
		}
		if rest := WithoutShift(append(elems, Concat(1, false, 2, 1))); len(rest) != 1 || rest[0].ID != 0 {
			t.Errorf("without the shifts of %v there is %v", s, rest)
		}
	}
	if got := ShiftIn([]byte{9, 0x24}); got != (Shift{}) {
		t.Errorf("a header that is cut short gives %v", got)
	}
}

func TestLanguageCodes(t *testing.T) {
	for _, l := range Languages() {
		if got, ok := LanguageOf(l.Code()); !ok || got != l || len(l.Code()) != 2 {
			t.Errorf("%v has the code %q, which gives %v, %v", l, l.Code(), got, ok)
		}
	}
	for _, code := range []string{"", "TR", "xx"} {
		if l, ok := LanguageOf(code); ok {
			t.Errorf("%q is %v", code, l)
		}
	}
	if Language(77).Code() != "" || Language(77).String() != "language 77" {
		t.Errorf("a reserved one is %q, %v", Language(77).Code(), Language(77))
	}
}

// TestEncode: which way a text goes, and what that costs.
func TestEncode(t *testing.T) {
	all := Languages()
	turkish, iberian := []Language{Turkish}, []Language{Spanish, Portuguese}
	rep := strings.Repeat
	for _, tt := range []struct {
		name     string
		text     string
		beside   int
		allowed  []Language
		alphabet Alphabet
		shift    Shift
		parts    int
	}{
		{"nothing", "", 0, all, GSM7, Shift{}, 1},
		{"default", "hello [é] €", 0, all, GSM7, Shift{}, 1},
		{"default, though a locking table would save a part", rep("€", 81), 0, all, GSM7, Shift{}, 2},
		{"UCS-2 when no language is allowed", "ış", 0, nil, UCS2, Shift{}, 1},
		{"UCS-2 when it is no longer", rep("ı", 70), 0, turkish, UCS2, Shift{}, 1},
		{"single where that is enough", rep("a", 70) + "ı", 0, turkish, GSM7, Shift{Single: Turkish}, 1},
		{"single, full", rep("a", 153) + "ı", 0, turkish, GSM7, Shift{Single: Turkish}, 1},
		{"locking, as the escape is too much", rep("a", 154) + "ı", 0, turkish, GSM7, Shift{Locking: Turkish}, 1},
		{"locking", rep("ı", 155), 0, turkish, GSM7, Shift{Locking: Turkish}, 1},
		{"locking, two parts", rep("ı", 156), 0, turkish, GSM7, Shift{Locking: Turkish}, 2},
		{"both", rep("ı", 100) + "É" + rep("áéí", 9), 0, all, GSM7, Shift{Turkish, Spanish}, 1},
		{"locking, as a pair that is not cut takes a third part", rep("a", 148) + "ı" + rep("a", 148), 0, turkish, GSM7, Shift{Locking: Turkish}, 2},
		{"Spanish has no locking table", rep("á", 100), 0, []Language{Spanish}, UCS2, Shift{}, 2},
		{"Spanish by the Portuguese locking table", rep("á", 100), 0, iberian, GSM7, Shift{Locking: Portuguese}, 1},
		{"no table has it", rep("ж", 71), 0, all, UCS2, Shift{}, 2},
		{"one character that no table has", rep("ı", 100) + "ж", 0, all, UCS2, Shift{}, 2},
		{"Hindi", rep("नमस्ते ", 20), 0, []Language{Hindi}, GSM7, Shift{Locking: Hindi}, 1},
		{"beside ports", rep("a", 147) + "ı", 6, turkish, GSM7, Shift{Locking: Turkish}, 1},
		{"no room", "ı", 137, turkish, UCS2, Shift{}, 1},
		{"no room at all", "ı", 139, turkish, UCS2, Shift{}, 0},
		{"unknown and doubled languages", rep("ı", 80), 0, []Language{0, 99, Turkish, Turkish}, GSM7, Shift{Locking: Turkish}, 1},
		{"not UTF-8", "\xff", 0, all, UCS2, Shift{}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Encode(tt.text, tt.beside, tt.allowed)
			if e.Alphabet != tt.alphabet || e.Shift != tt.shift || len(e.Parts) != tt.parts {
				t.Errorf("got %v %v in %d parts, want %v %v in %d", e.Alphabet, e.Shift, len(e.Parts), tt.alphabet, tt.shift, tt.parts)
			}
			checkEncoding(t, e, tt.text, tt.beside, tt.allowed)
		})
	}
}

// checkEncoding holds what is true of every encoding: it reads as the text again, each part fits its TPDU, and no pair of
// tables that is allowed takes fewer parts.
func checkEncoding(t *testing.T, e Encoding, text string, beside int, allowed []Language) {
	t.Helper()
	text = string([]rune(text)) // what is no UTF-8 becomes U+FFFD
	var joined []byte
	for _, p := range e.Parts {
		joined = append(joined, p...)
		elems := e.Shift.Elements()
		if len(e.Parts) > 1 {
			elems = append(elems, Concat(1, false, uint8(len(e.Parts)), 1))
		}
		header := 0
		if len(elems) > 0 {
			header = len(AppendUDH(nil, elems...))
		} else if beside > 0 {
			header = 1
		}
		if room := Capacity(e.Alphabet, header+beside); len(p) > room {
			t.Errorf("a part has %d, and there is room for %d", len(p), room)
		}
	}
	if len(e.Parts) == 0 {
		return
	}
	got := DecodeUCS2(joined)
	if e.Alphabet == GSM7 {
		got = e.Shift.Decode(joined)
	}
	if got != text {
		t.Errorf("it reads as %q, want %q", got, text)
	}
	if e.Alphabet == GSM7 && e.Shift.IsZero() {
		return
	}
	for _, locking := range append(allowed, NoLanguage) {
		for _, single := range append(allowed, NoLanguage) {
			s := Shift{locking, single}
			septets, err := s.Encode(text)
			if err != nil || locking > Urdu || single > Urdu || locking == Spanish {
				continue
			}
			if parts := SplitBeside(septets, GSM7, false, beside+len(s.Elements())*3); parts != nil && len(parts) < len(e.Parts) {
				t.Errorf("%v in %d parts, and %v takes %d", e.Shift, len(e.Parts), s, len(parts))
			}
		}
	}
}

// TestDeliverNational: a text from a phone with a table announced in its header.
func TestDeliverNational(t *testing.T) {
	s := Shift{Single: Turkish}
	septets, err := s.Encode("ışık")
	if err != nil {
		t.Fatal(err)
	}
	d := Deliver{Originator: Address{TON: TONInternational, NPI: NPIISDN, Number: "491701234567"},
		UDH: AppendUDH(nil, s.Elements()...), Data: septets}
	tpdu, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseDeliver(tpdu)
	if err != nil || got.Text() != "ışık" {
		t.Errorf("got %q, %v", got.Text(), err)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("ışık", byte(0), uint16(0xFFFF))
	f.Add(strings.Repeat("á", 160)+"€[", byte(6), uint16(0x0C))
	f.Add("नमस्ते १A।\xff", byte(139), uint16(0x40))
	f.Add(strings.Repeat("[", 200), byte(137), uint16(0))
	f.Fuzz(func(t *testing.T, text string, beside byte, set uint16) {
		var allowed []Language
		for l := Turkish; l <= Urdu; l++ {
			if set>>l&1 != 0 {
				allowed = append(allowed, l)
			}
		}
		if len(text) > 600 {
			text = text[:600]
		}
		beside %= 141
		checkEncoding(t, Encode(text, int(beside), allowed), text, int(beside), allowed)
	})
}

func FuzzShiftDecode(f *testing.F) {
	f.Add([]byte("\x1b\x69\x07abc\x1b"), byte(1), byte(3))
	f.Fuzz(func(t *testing.T, septets []byte, locking, single byte) {
		s := Shift{Language(locking), Language(single)}
		text := s.Decode(septets)
		if !utf8.ValidString(text) {
			t.Fatalf("%x reads as %q", septets, text)
		}
		again, err := s.Encode(text)
		if err != nil {
			if single != byte(Telugu) && !strings.Contains(text, " ") {
				t.Fatalf("%x reads as %q, which can't be written: %v", septets, text, err)
			}
			return
		}
		if got := s.Decode(again); got != text {
			t.Fatalf("%q is written as %x, which reads as %q", text, again, got)
		}
	})
}

// TestEncodeSearch holds texts drawn at random, most of them about as long as a whole number of parts, against all pairs of
// tables: none takes fewer parts, and none of as many changes less of what other phones show.
func TestEncodeSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sets := [][]rune{[]rune("abc1 "), []rune("[]{}€^"), []rune("ığşİçĞ"), []rune("áéíóúñâãõê"), []rune("नमसतअ।१"), []rune("😀ж"), []rune("ঌআক")}
	for range 3000 {
		var text []rune
		a, b := sets[r.IntN(len(sets))], sets[r.IntN(3)]
		often := r.IntN(20)
		for range []int{r.IntN(10), 60 + r.IntN(20), 140 + r.IntN(30), 290 + r.IntN(30)}[r.IntN(4)] {
			from := b
			if r.IntN(20) < often {
				from = a
			}
			text = append(text, from[r.IntN(len(from))])
		}
		var allowed []Language
		for _, l := range []Language{Turkish, Spanish, Portuguese, Hindi, Bengali} {
			if r.IntN(2) == 0 {
				allowed = append(allowed, l)
			}
		}
		beside := []int{0, 0, 6, r.IntN(140)}[r.IntN(4)]
		e := Encode(string(text), beside, allowed)
		checkEncoding(t, e, string(text), beside, allowed)
		if e.Alphabet == GSM7 && len(e.Parts) > 0 {
			checkRank(t, e, string(text), beside, allowed)
		}
		if t.Failed() {
			t.Fatalf("%q beside %d, %v", string(text), beside, allowed)
		}
	}
}

// checkRank: no pair of tables that takes as few parts has a lower rank.
func checkRank(t *testing.T, e Encoding, text string, beside int, allowed []Language) {
	t.Helper()
	for _, locking := range append(allowed, NoLanguage) {
		for _, single := range append(allowed, NoLanguage) {
			s := Shift{locking, single}
			septets, err := s.Encode(text)
			if err != nil || locking == Spanish || shiftRank(s) >= shiftRank(e.Shift) {
				continue
			}
			if parts := SplitBeside(septets, GSM7, false, beside+s.octets()); parts != nil && len(parts) <= len(e.Parts) {
				t.Errorf("%v in %d parts, and %v takes %d", e.Shift, len(e.Parts), s, len(parts))
			}
		}
	}
}
