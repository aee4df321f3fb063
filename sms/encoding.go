package sms

import (
	"cmp"
	"slices"
)

// Encoding is a text as it goes on air.
type Encoding struct {
	Alphabet Alphabet // GSM7 or UCS2
	Shift    Shift    // the tables of GSM7; their Elements belong into the header of each part
	Data     []byte   // septets, one per octet, or UTF-16BE
	Parts    [][]byte // Data, cut; nil if the header leaves no room for a character
}

// Encode writes a text in as few parts as it can: in the default alphabet if that has all its characters, otherwise in
// UCS-2 or with the tables of the national languages that are allowed, whichever takes fewer parts. Where they take the
// same, UCS-2 goes first, for every phone reads it; then a single shift table, which leaves most characters as any phone
// shows them, then a locking one, then both; then the fewest septets. beside is how many octets of other elements, each
// with its identifier and length, each part carries.
func Encode(text string, beside int, allowed []Language) Encoding {
	if e, err := EncodeSeptets(text, beside, nil); err == nil {
		return e
	}
	wide := Encoding{Alphabet: UCS2, Data: EncodeUCS2(text)}
	wide.Parts = SplitBeside(wide.Data, UCS2, false, beside)
	if len(allowed) == 0 {
		return wide
	}
	if e, err := EncodeSeptets(text, beside, allowed); err == nil && len(e.Parts) > 0 &&
		(len(wide.Parts) == 0 || len(e.Parts) < len(wide.Parts)) {
		return e
	}
	return wide
}

// EncodeSeptets is Encode without UCS-2. The error is an *UnencodableError: the first character that the default alphabet
// lacks, of a text that no tables have whole.
func EncodeSeptets(text string, beside int, allowed []Language) (Encoding, error) {
	septets, err := EncodeGSM7(text)
	if err == nil {
		return Encoding{Data: septets, Parts: SplitBeside(septets, GSM7, false, beside)}, nil
	}
	var best Encoding
	found := false
	for _, c := range candidates(text, beside, allowed) {
		if found && c.atLeast > len(best.Parts) {
			break
		}
		if found && c.atLeast == len(best.Parts) && shiftRank(c.shift) >= shiftRank(best.Shift) {
			continue
		}
		septets, err := c.shift.Encode(text)
		if err != nil {
			continue
		}
		e := Encoding{Shift: c.shift, Data: septets, Parts: SplitBeside(septets, GSM7, false, beside+c.shift.octets())}
		if len(e.Parts) == 0 {
			continue
		}
		if !found || len(e.Parts) < len(best.Parts) ||
			len(e.Parts) == len(best.Parts) && shiftRank(e.Shift) < shiftRank(best.Shift) {
			best, found = e, true
		}
	}
	if !found {
		return Encoding{}, err
	}
	return best, nil
}

// shiftRank orders tables by how little they change of what a phone without them shows.
func shiftRank(s Shift) int {
	switch {
	case s.IsZero():
		return 0
	case s.Locking == NoLanguage:
		return 1
	case s.Single == NoLanguage:
		return 2
	}
	return 3
}

// candidate is a pair of tables that have each character of a text.
type candidate struct {
	shift   Shift
	septets int
	atLeast int // parts; a pair that can't be cut may cost one more
}

// candidates are the pairs of tables that can write text, those of the fewest parts first, and of these those of the
// lowest rank and the fewest septets. Each character is looked up once in each table, however many pairs there are.
func candidates(text string, beside int, allowed []Language) []candidate {
	locking, single := []Language{NoLanguage}, []Language{NoLanguage}
	for _, l := range allowed {
		if l == NoLanguage || l > Urdu || slices.Contains(single, l) {
			continue
		}
		single = append(single, l)
		if l != Spanish {
			locking = append(locking, l)
		}
	}
	var open []candidate
	for _, l := range locking {
		for _, s := range single {
			open = append(open, candidate{shift: Shift{l, s}})
		}
	}
	var inLocking, inSingle [Urdu + 1]bool
	for _, r := range text {
		for _, l := range locking {
			_, inLocking[l] = findCode(national[l].lockingCodes, r)
		}
		for _, l := range single {
			_, inSingle[l] = findCode(national[l].singleCodes, r)
		}
		kept := open[:0]
		for _, c := range open {
			switch {
			case inLocking[c.shift.Locking]:
				c.septets++
			case inSingle[c.shift.Single]:
				c.septets += 2
			default:
				continue
			}
			kept = append(kept, c)
		}
		if open = kept; len(open) == 0 {
			return nil
		}
	}
	for i := range open {
		open[i].atLeast = partsAtLeast(open[i].septets, beside+open[i].shift.octets())
	}
	slices.SortStableFunc(open, func(a, b candidate) int {
		return cmp.Or(a.atLeast-b.atLeast, shiftRank(a.shift)-shiftRank(b.shift), a.septets-b.septets)
	})
	return open
}

// partsAtLeast is how many parts septets take if no escape stands where one is cut.
func partsAtLeast(septets, beside int) int {
	header := beside
	if header > 0 {
		header++
	}
	if septets <= Capacity(GSM7, header) {
		return 1
	}
	room := Capacity(GSM7, beside+len(AppendUDH(nil, Concat(0, false, 0, 0))))
	if room == 0 {
		return septets + 1
	}
	return (septets + room - 1) / room
}
