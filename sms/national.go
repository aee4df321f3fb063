package sms

import (
	"cmp"
	"fmt"
	"slices"
)

// Language is a national language identifier (TS 23.038 §6.2.1.2.4). It names tables of characters, not a language: the
// Portuguese ones serve a French text, too.
type Language uint8

// The languages that have tables. NoLanguage stands for the default alphabet and its extension table.
const (
	NoLanguage Language = iota
	Turkish
	Spanish // has a single shift table only
	Portuguese
	Bengali
	Gujarati
	Hindi
	Kannada
	Malayalam
	Oriya
	Punjabi
	Tamil
	Telugu
	Urdu
)

// languageNames are the codes of ISO 639-1 and the names in English.
var languageNames = [...]struct{ code, name string }{
	NoLanguage: {"", "default"},
	Turkish:    {"tr", "Turkish"}, Spanish: {"es", "Spanish"}, Portuguese: {"pt", "Portuguese"},
	Bengali: {"bn", "Bengali"}, Gujarati: {"gu", "Gujarati"}, Hindi: {"hi", "Hindi"}, Kannada: {"kn", "Kannada"},
	Malayalam: {"ml", "Malayalam"}, Oriya: {"or", "Oriya"}, Punjabi: {"pa", "Punjabi"}, Tamil: {"ta", "Tamil"},
	Telugu: {"te", "Telugu"}, Urdu: {"ur", "Urdu"},
}

// Languages lists those that have tables, by their identifiers.
func Languages() []Language {
	list := make([]Language, 0, Urdu)
	for l := Turkish; l <= Urdu; l++ {
		list = append(list, l)
	}
	return list
}

// LanguageOf finds a language by its code of ISO 639-1, such as "tr".
func LanguageOf(code string) (l Language, ok bool) {
	for l := Turkish; l <= Urdu; l++ {
		if languageNames[l].code == code {
			return l, true
		}
	}
	return NoLanguage, false
}

// Code is the language's code of ISO 639-1; "" for NoLanguage and for a reserved identifier.
func (l Language) Code() string {
	if l > Urdu {
		return ""
	}
	return languageNames[l].code
}

func (l Language) String() string {
	if l > Urdu {
		return fmt.Sprintf("language %d", uint8(l))
	}
	return languageNames[l].name
}

// Identifiers of the elements that choose tables (TS 23.040 §9.2.3.24.15 and .16).
const (
	singleShift  = 0x24
	lockingShift = 0x25
)

// Shift says of which tables septets are: Locking instead of the default alphabet, and Single instead of its extension
// table, for the characters behind an escape. The zero value is these two themselves. A language without such a table
// counts as NoLanguage, as TS 23.038 §6.2.1.2.4 asks of a phone.
type Shift struct{ Locking, Single Language }

// IsZero tells whether there is nothing national about the tables.
func (s Shift) IsZero() bool { return s == Shift{} }

// Elements are the information elements that announce the tables, 3 octets each in a header; none for the zero value.
func (s Shift) Elements() (elems []Element) {
	if s.Locking != NoLanguage {
		elems = append(elems, Element{ID: lockingShift, Data: []byte{byte(s.Locking)}})
	}
	if s.Single != NoLanguage {
		elems = append(elems, Element{ID: singleShift, Data: []byte{byte(s.Single)}})
	}
	return elems
}

// octets is how much of a header Elements take.
func (s Shift) octets() (n int) {
	if s.Locking != NoLanguage {
		n += 3
	}
	if s.Single != NoLanguage {
		n += 3
	}
	return n
}

// ShiftOf finds the tables that elements announce. Of several for the same, the last one counts (§9.2.3.24); what is not
// of one octet, or names a table that is not there, changes nothing.
func ShiftOf(elems []Element) (s Shift) {
	for _, e := range elems {
		if len(e.Data) != 1 || e.Data[0] == 0 || e.Data[0] > byte(Urdu) {
			continue
		}
		switch l := Language(e.Data[0]); {
		case e.ID == singleShift:
			s.Single = l
		case e.ID == lockingShift && l != Spanish:
			s.Locking = l
		}
	}
	return s
}

// ShiftIn is ShiftOf for a whole user data header; zero if it can't be read.
func ShiftIn(udh []byte) Shift {
	if len(udh) == 0 {
		return Shift{}
	}
	elems, err := ParseUDH(udh)
	if err != nil {
		return Shift{}
	}
	return ShiftOf(elems)
}

// WithoutShift leaves the elements out that choose tables: for a text that is no longer in septets.
func WithoutShift(elems []Element) []Element {
	return slices.DeleteFunc(slices.Clone(elems), func(e Element) bool { return e.ID == singleShift || e.ID == lockingShift })
}

// table is the characters by their codes; 0 where there is none.
type table [128]rune

// national holds the tables of each language both ways; those of NoLanguage are basic and extension.
var national = makeTables()

type languageTables struct {
	locking, single           *table
	lockingCodes, singleCodes []runeCode // by character
}

type runeCode struct {
	r    rune
	code byte
}

func makeTables() (all [Urdu + 1]languageTables) {
	defaults := [2]table{basic, extension}
	for i := range all {
		l := Language(i)
		locking, single := defaults[0], defaults[1]
		if i < len(lockingSpans) {
			locking.write(lockingSpans[i])
		}
		if l >= Bengali {
			single.write(indicSpans)
		}
		if i < len(singleSpans) {
			single.write(singleSpans[i])
		}
		all[i] = languageTables{&locking, &single, locking.codes(), single.codes()}
	}
	telugu := &all[Telugu]
	telugu.singleCodes = slices.DeleteFunc(telugu.singleCodes, func(c runeCode) bool { return c.r == '€' }) // see nationaltables.go
	return all
}

func (t *table) write(spans []span) {
	for _, s := range spans {
		at := s.at
		for _, r := range s.runes {
			t[at] = r
			at++
		}
	}
}

// codes is the table the other way round. Of several codes of a character it has the lowest.
func (t *table) codes() (list []runeCode) {
	for code, r := range t {
		if r != 0 && code != escape {
			list = append(list, runeCode{r, byte(code)})
		}
	}
	slices.SortStableFunc(list, func(a, b runeCode) int { return cmp.Compare(a.r, b.r) })
	return slices.CompactFunc(list, func(a, b runeCode) bool { return a.r == b.r })
}

func findCode(list []runeCode, r rune) (code byte, ok bool) {
	i, ok := slices.BinarySearchFunc(list, r, func(c runeCode, r rune) int { return cmp.Compare(c.r, r) })
	if !ok {
		return 0, false
	}
	return list[i].code, true
}

func (s Shift) tables() (locking, single *languageTables) {
	return &national[known(s.Locking)], &national[known(s.Single)]
}

// known is l, or NoLanguage for a reserved identifier.
func known(l Language) Language {
	if l > Urdu {
		return NoLanguage
	}
	return l
}

// Septets is how many septets a character takes: 1, 2 with the escape in front, or 0 if the tables don't have it.
func (s Shift) Septets(r rune) int {
	locking, single := s.tables()
	if _, ok := findCode(locking.lockingCodes, r); ok {
		return 1
	}
	if _, ok := findCode(single.singleCodes, r); ok {
		return 2
	}
	return 0
}

// Encode writes text in septets of the tables, one per octet. The error is an *UnencodableError.
func (s Shift) Encode(text string) ([]byte, error) {
	if s.IsZero() {
		return EncodeGSM7(text)
	}
	locking, single := s.tables()
	septets := make([]byte, 0, len(text))
	index := 0
	for _, r := range text {
		if code, ok := findCode(locking.lockingCodes, r); ok {
			septets = append(septets, code)
		} else if code, ok := findCode(single.singleCodes, r); ok {
			septets = append(septets, escape, code)
		} else {
			return nil, &UnencodableError{Rune: r, Index: index}
		}
		index++
	}
	return septets, nil
}

// Decode reads septets of the tables, one per octet, in the manner of DecodeGSM7. A code without a character is a space.
func (s Shift) Decode(septets []byte) string {
	locking, single := s.tables()
	return decodeSeptets(septets, locking.locking, single.single)
}
