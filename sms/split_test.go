package sms

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCapacity(t *testing.T) {
	for _, test := range []struct {
		name             string
		udh              int
		gsm, binary, ucs int
	}{
		{"no header", 0, 160, 140, 140},
		{"negative is none", -5, 160, 140, 140},
		{"empty header", 1, 158, 139, 138},
		{"single shift", 4, 155, 136, 136},
		{"concatenation, 8 bit reference", 6, 153, 134, 134},
		{"concatenation, 16 bit; or both shifts", 7, 152, 133, 132},
		{"concatenation and single shift", 9, 149, 131, 130},
		{"concatenation and both shifts", 12, 146, 128, 128},
		{"one octet left", 139, 1, 1, 0},
		{"full", 140, 0, 0, 0},
		{"too much", 1000, 0, 0, 0},
	} {
		for a, want := range map[Alphabet]int{GSM7: test.gsm, Binary: test.binary, UCS2: test.ucs} {
			if got := Capacity(a, test.udh); got != want {
				t.Errorf("%s, %v: got %d, want %d", test.name, a, got, want)
			}
		}
	}
}

// TestCapacityIsReal holds Capacity against TPDUs: what it says fits, fits, and one character more does not.
func TestCapacityIsReal(t *testing.T) {
	const before = 8 // octets of a Submit to "12" up to TP-UD
	for a, dcs := range map[Alphabet]uint8{GSM7: 0x00, Binary: 0x04, UCS2: 0x08} {
		for size := range maxUserData + 1 {
			var udh []byte
			if size > 0 {
				udh = append([]byte{byte(size - 1)}, make([]byte, size-1)...)
			}
			p := Submit{Destination: unknown("12"), DCS: dcs, UDH: udh, Data: make([]byte, Capacity(a, size))}
			tpdu, err := p.Append(nil)
			if err != nil || len(tpdu)-before > maxUserData {
				t.Fatalf("%v beside %d: %d octets of user data, %v", a, size, len(tpdu)-before, err)
			}
			if got := len(tpdu) - before; a == GSM7 && got < maxUserData || a == Binary && got < maxUserData || got < maxUserData-1 {
				t.Fatalf("%v beside %d: only %d octets used", a, size, got)
			}
			p.Data = append(p.Data, 0)
			if a == UCS2 {
				p.Data = append(p.Data, 0)
			}
			if _, err := p.Append(nil); err == nil {
				t.Fatalf("%v beside %d: %d fit too", a, size, len(p.Data))
			}
		}
	}
}

func TestSplit(t *testing.T) {
	letters := func(n int) []byte { return bytes.Repeat([]byte{'a'}, n) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	esc := []byte{escape, 0x65}
	pair := []byte{0xD8, 0x3D, 0xDE, 0x00}
	for _, test := range []struct {
		name     string
		data     []byte
		a        Alphabet
		wide     bool
		reserved int
		want     []int // lengths
	}{
		{"empty", nil, GSM7, false, 0, []int{0}},
		{"empty UCS-2", nil, UCS2, false, 0, []int{0}},
		{"full", letters(160), GSM7, false, 0, []int{160}},
		{"one more", letters(161), GSM7, false, 0, []int{153, 8}},
		{"two full", letters(306), GSM7, false, 0, []int{153, 153}},
		{"two full and one", letters(307), GSM7, false, 0, []int{153, 153, 1}},
		{"16 bit reference", letters(305), GSM7, true, 0, []int{152, 152, 1}},
		{"binary", letters(140), Binary, false, 0, []int{140}},
		{"binary, one more", letters(141), Binary, false, 0, []int{134, 7}},
		{"binary, 16 bit", letters(141), Binary, true, 0, []int{133, 8}},
		{"binary with escapes in it", join(letters(133), esc, letters(10)), Binary, false, 0, []int{134, 11}},
		{"UCS-2", letters(140), UCS2, false, 0, []int{140}},
		{"UCS-2, one more", letters(142), UCS2, false, 0, []int{134, 8}},
		{"UCS-2, 16 bit", letters(142), UCS2, true, 0, []int{132, 10}},
		{"UCS-2, odd", letters(141), UCS2, false, 0, []int{134, 7}},
		{"escape before the border", join(letters(151), esc, letters(10)), GSM7, false, 0, []int{153, 10}},
		{"escape on the border", join(letters(152), esc, letters(10)), GSM7, false, 0, []int{152, 12}},
		{"escape behind the border", join(letters(153), esc, letters(10)), GSM7, false, 0, []int{153, 12}},
		{"a pair of escapes before it", join(letters(151), []byte{escape, escape}, letters(10)), GSM7, false, 0, []int{153, 10}},
		{"three escapes", join(letters(150), []byte{escape, escape, escape}, letters(10)), GSM7, false, 0, []int{152, 11}},
		{"nothing but escapes", bytes.Repeat([]byte{escape}, 161), GSM7, false, 0, []int{152, 9}},
		{"escape with a top bit", join(letters(152), []byte{0x9B, 0x65}, letters(10)), GSM7, false, 0, []int{152, 12}},
		{"single part may end in an escape", join(letters(159), esc[:1]), GSM7, false, 0, []int{160}},
		{"pair before the border", join(letters(130), pair, letters(8)), UCS2, false, 0, []int{134, 8}},
		{"pair on the border", join(letters(132), pair, letters(8)), UCS2, false, 0, []int{132, 12}},
		{"pair on the border, and nothing behind it", join(letters(134+132), pair), UCS2, false, 0, []int{134, 132, 4}},
		{"pair behind the border", join(letters(134), pair, letters(8)), UCS2, false, 0, []int{134, 12}},
		{"lone high surrogate on the border", join(letters(132), pair[:2], letters(8)), UCS2, false, 0, []int{134, 8}},
		{"half of a low surrogate at the end", join(letters(134+132), pair[:3]), UCS2, false, 0, []int{134, 134, 1}},
		{"room for a single shift", letters(155), GSM7, false, 3, []int{155}},
		{"beside a single shift", letters(156), GSM7, false, 3, []int{149, 7}},
		{"beside both shifts", letters(153), GSM7, false, 6, []int{146, 7}},
		{"beside ports", letters(134), Binary, true, 6, []int{127, 7}},
		{"4 octets left", letters(141), Binary, false, 130, append(slices.Repeat([]int{4}, 35), 1)},
		{"one octet left, and one is enough", letters(1), Binary, false, 138, []int{1}},
		{"negative reserve is none", letters(161), GSM7, false, -1, []int{153, 8}},
	} {
		t.Run(test.name, func(t *testing.T) {
			parts := SplitBeside(test.data, test.a, test.wide, test.reserved)
			var lengths []int
			for _, p := range parts {
				lengths = append(lengths, len(p))
			}
			same(t, "lengths", lengths, test.want)
			if !bytes.Equal(bytes.Join(parts, nil), test.data) {
				t.Error("joined they are not the data")
			}
			if test.reserved == 0 {
				same(t, "Split", Split(test.data, test.a, test.wide), parts)
			}
		})
	}
}

func TestSplitBesideTooMuch(t *testing.T) {
	for _, reserved := range []int{131, 134, 140, 1000, math.MaxInt} {
		for _, a := range []Alphabet{GSM7, Binary, UCS2} {
			if parts := SplitBeside(make([]byte, 200), a, false, reserved); parts != nil {
				t.Errorf("%v beside %d octets: %d parts", a, reserved, len(parts))
			}
		}
	}
}

// TestSplitPartsAreApart holds that a caller who appends to a part does not write into the next one.
func TestSplitPartsAreApart(t *testing.T) {
	parts := Split(bytes.Repeat([]byte{'a'}, 400), GSM7, false)
	for i := range parts {
		_ = append(parts[i], 'X')
	}
	if bytes.Contains(bytes.Join(parts, nil), []byte{'X'}) {
		t.Error("a part was overwritten")
	}
}

// characters cuts user data into its characters, so that the property below has its own view of them.
func characters(data []byte, a Alphabet) (lengths []int) {
	for len(data) > 0 {
		n := 1
		switch {
		case a == GSM7 && data[0] == escape:
			n = 2
		case a == UCS2 && len(data) >= 4 && data[0]&0xFC == 0xD8 && data[2]&0xFC == 0xDC:
			n = 4
		case a == UCS2:
			n = 2
		}
		n = min(n, len(data))
		lengths = append(lengths, n)
		data = data[n:]
	}
	return lengths
}

// TestSplitProperty: joined, the parts are the data; each is the longest run of whole characters that fits, so there are
// as few as possible; and each goes into a TPDU with its header.
func TestSplitProperty(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5_000 {
		a, wide := Alphabet(rng.IntN(3)), rng.IntN(2) == 0
		data := randomData(rng, a)
		parts := Split(data, a, wide)
		limit := Capacity(a, len(AppendUDH(nil, Concat(0, wide, 0, 0))))
		if len(parts) == 1 {
			limit = Capacity(a, 0)
		}
		rest := characters(data, a)
		for i, part := range parts {
			if len(part) > limit {
				t.Fatalf("%v: part %d has %d, at most %d fit", a, i, len(part), limit)
			}
			size := 0
			for len(rest) > 0 && size+rest[0] <= limit {
				size += rest[0]
				rest = rest[1:]
			}
			if size != len(part) {
				t.Fatalf("%v: part %d has %d, the longest run of characters is %d", a, i, len(part), size)
			}
			sendPart(t, a, wide, parts, i)
		}
		if !bytes.Equal(bytes.Join(parts, nil), data) || len(rest) > 0 {
			t.Fatalf("%v: joined they are not the data", a)
		}
	}
}

// randomData is rich in what must not be cut.
func randomData(rng *rand.Rand, a Alphabet) []byte {
	data := make([]byte, 0, 900)
	for range rng.IntN(400) {
		switch {
		case a == GSM7 && rng.IntN(3) == 0:
			data = append(data, escape)
		case a == UCS2 && rng.IntN(3) == 0:
			data = append(data, 0xD8|byte(rng.IntN(8)), byte(rng.IntN(256)))
		case a == UCS2:
			data = append(data, byte(rng.IntN(256)), byte(rng.IntN(256)))
		default:
			data = append(data, byte(rng.IntN(128)))
		}
	}
	return data
}

func sendPart(t *testing.T, a Alphabet, wide bool, parts [][]byte, i int) {
	t.Helper()
	dcs := map[Alphabet]uint8{GSM7: 0x00, Binary: 0x04, UCS2: 0x08}[a]
	p := Submit{Destination: international("491701234567"), DCS: dcs, Data: parts[i]}
	if len(parts) > 1 {
		p.UDH = AppendUDH(nil, Concat(1, wide, uint8(len(parts)), uint8(i+1)))
	}
	tpdu, err := p.Append(nil)
	if err != nil {
		t.Fatalf("%v: part %d: %v", a, i, err)
	}
	back, err := ParseSubmit(tpdu)
	if err != nil || !bytes.Equal(back.Data, p.Data) || !bytes.Equal(back.UDH, p.UDH) {
		t.Fatalf("%v: part %d came back as %+v, %v", a, i, back, err)
	}
}
