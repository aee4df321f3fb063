package gateway

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"smsgateway/smpp"
	"smsgateway/sms"
)

// What an account may have done with a text that GSM 7 bit lacks a character of, where data_coding leaves the choice.
const (
	UnencodableUCS2          = "ucs2"          // the default: the whole text in UCS-2
	UnencodableTransliterate = "transliterate" // like characters in their place if there are any for all, else UCS-2
	UnencodableReject        = "reject"        // ESME_RSUBMITFAIL
)

// Unencodables lists the values that the setting may have.
func Unencodables() []string {
	return []string{UnencodableUCS2, UnencodableTransliterate, UnencodableReject}
}

// languages reads the setting national, codes with commas between them; what is none is left out.
func languages(list string) (all []sms.Language) {
	for code := range strings.SplitSeq(list, ",") {
		if l, ok := sms.LanguageOf(strings.TrimSpace(code)); ok && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// encode writes text as the account wants it: in the default alphabet if that has it all, else in the fewest parts with
// the national tables that are allowed and UCS-2, if wide says that there is one; transliterate and reject take UCS-2
// last, or not at all. sent is the text as it goes out. The errors hold an smpp.Status.
func (t textRules) encode(text string, beside int, wide bool) (e sms.Encoding, sent string, err error) {
	composed := norm.NFC.String(text) // an accent of its own becomes part of its letter, which the default alphabet may have
	if e, err := sms.EncodeSeptets(composed, beside, nil); err == nil {
		return e, composed, nil
	}
	if wide && t.unencodable != UnencodableTransliterate && t.unencodable != UnencodableReject {
		e, sent := sms.Encode(text, beside, t.national), text
		if composed != text {
			if c := sms.Encode(composed, beside, t.national); len(c.Parts) < len(e.Parts) {
				e, sent = c, composed
			}
		}
		return e, sent, nil
	}
	if wide { // without it there is no room for tables, either: message waiting
		for _, form := range []string{text, composed} {
			if e, err := sms.EncodeSeptets(form, beside, t.national); err == nil {
				return e, form, nil
			}
		}
	}
	if t.unencodable == UnencodableTransliterate {
		if like, ok := transliterate(composed); ok {
			e, err := sms.EncodeSeptets(like, beside, nil)
			return e, like, err
		}
		if wide {
			return sms.Encode(text, beside, nil), text, nil
		}
	}
	lacking := lackingIn(text, sms.Shift{})
	return sms.Encoding{}, text, refuseText(smpp.StatusSubmitFail, "%d of its characters are not in the GSM 7 bit alphabet: %s",
		len(lacking), codePoints(lacking))
}

// lackingIn lists the characters of text that the tables lack, in their order.
func lackingIn(text string, shift sms.Shift) (list []rune) {
	for _, r := range text {
		if shift.Septets(r) == 0 {
			list = append(list, r)
		}
	}
	return list
}

// transliterate writes what the default alphabet lacks in characters like it that it has; ok is false if there are none
// for one of them, and then the text is as it was. It keeps the meaning: digits and numbers stay what they are, and an
// address of the web or of e-mail stays as it is or makes it fail. text is in Unicode's form NFC.
func transliterate(text string) (like string, ok bool) {
	var b strings.Builder
	for _, word := range splitWords(text) {
		if !steadfast(word) {
			return text, false
		}
		letters := append([]rune(word), 0)
		for i, r := range letters[:len(letters)-1] {
			s, ok := likeOf(r)
			switch next := letters[i+1]; {
			case r == 'μ' && unicode.Is(unicode.Latin, next): // the Greek letter for the sign in μg, which is no M
				s = "u"
			case r == '·' && i > 0 && unicode.IsDigit(letters[i-1]) && unicode.IsDigit(next): // times, or a decimal point
				ok = false
			}
			if !ok {
				return text, false
			}
			b.WriteString(s)
		}
	}
	return b.String(), true
}

// splitWords cuts text behind its spaces.
func splitWords(text string) (list []string) {
	start := 0
	for i, r := range text {
		if unicode.IsSpace(r) {
			end := i + utf8.RuneLen(r)
			list = append(list, text[start:end])
			start = end
		}
	}
	return append(list, text[start:])
}

// steadfast tells whether a word may be transliterated: it is no address, or only its quotes and the like would change.
func steadfast(word string) bool {
	core := strings.TrimFunc(word, notWord)
	if !strings.Contains(word, "@") && !strings.Contains(word, "://") && !isHost(core) {
		return true
	}
	return len(lackingIn(core, sms.Shift{})) == 0
}

// isHost tells whether a word begins like a host's name: "www.x", or letters in one case behind its last point, "x.pl/a".
// A sentence that follows without a blank begins with a capital.
func isHost(word string) bool {
	if strings.HasPrefix(strings.ToLower(word), "www.") {
		return true
	}
	if end := strings.IndexAny(word, "/?:#"); end >= 0 {
		word = word[:end]
	}
	point := strings.LastIndexByte(word, '.')
	last := word[point+1:]
	other := func(r rune) bool { return !unicode.IsLetter(r) }
	return point > 0 && utf8.RuneCountInString(last) >= 2 && strings.IndexFunc(last, other) < 0 &&
		(last == strings.ToLower(last) || last == strings.ToUpper(last))
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }

// likeOf is what stands for a character in the default alphabet: itself if it is there.
func likeOf(r rune) (string, bool) {
	if (sms.Shift{}).Septets(r) > 0 {
		return string(r), true
	}
	if s, ok := likes[r]; ok {
		return s, true
	}
	switch {
	case r >= 0xFF01 && r <= 0xFF5E: // full width forms of ASCII
		return likeOf(r - 0xFEE0)
	case unicode.Is(unicode.Greek, r):
		return greekCapital(r)
	case r != ' ' && unicode.Is(unicode.Zs, r):
		return " ", true
	}
	return withoutAccents(r)
}

// withoutAccents takes as many accents off a Latin letter as it must.
func withoutAccents(r rune) (string, bool) {
	parts := []rune(norm.NFD.String(string(r)))
	if len(parts) < 2 || !unicode.Is(unicode.Latin, parts[0]) {
		return "", false
	}
	for n := len(parts) - 1; n > 0; n-- {
		if left := []rune(norm.NFC.String(string(parts[:n]))); len(left) == 1 && (sms.Shift{}).Septets(left[0]) > 0 {
			return string(left), true
		}
	}
	s, ok := likes[parts[0]] // a letter with a stroke, and an accent above it
	return s, ok
}

// greekCapital writes a Greek letter as phones without Greek do: a capital without its accent, by a Latin one where that
// looks the same.
func greekCapital(r rune) (string, bool) {
	base := unicode.ToUpper([]rune(norm.NFD.String(string(r)))[0])
	if s, ok := greekAsLatin[base]; ok {
		return s, true
	}
	return string(base), (sms.Shift{}).Septets(base) > 0
}

var greekAsLatin = map[rune]string{
	'Α': "A", 'Β': "B", 'Ε': "E", 'Ζ': "Z", 'Η': "H", 'Ι': "I", 'Κ': "K", 'Μ': "M", 'Ν': "N", 'Ο': "O", 'Ρ': "P",
	'Τ': "T", 'Υ': "Y", 'Χ': "X",
}

// likes is what stands for characters that no rule covers. Superscripts and fractions are not in it: 10² is not 102. Nor
// is Cyrillic: in Latin letters it is another spelling, which is the sender's to choose.
var likes = map[rune]string{
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", 'ʼ': "'", '´': "'", '`': "'", '‹': "'", '›': "'",
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`, '«': `"`, '»': `"`,
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-",
	'…': "...", '•': "*", '·': ".", '‣': "*", '¦': "|", '⁄': "/", '∕': "/", '‼': "!!", '⁇': "??", '⁈': "?!", '⁉': "!?",
	'\u00AD': "", '\u200B': "", '\u2060': "", '\uFEFF': "", // soft hyphen, and spaces of no width
	'\u2028': "\n", '\u2029': "\n",
	'œ': "oe", 'Œ': "OE", 'ĳ': "ij", 'Ĳ': "IJ", 'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ẞ': "SS", 'ſ': "s",
	'ł': "l", 'Ł': "L", 'đ': "d", 'Đ': "D", 'ð': "d", 'Ð': "D", 'þ': "th", 'Þ': "Th", 'ħ': "h", 'Ħ': "H", 'ı': "i",
	'ŧ': "t", 'Ŧ': "T", 'ŋ': "ng", 'Ŋ': "NG", 'ĸ': "k", 'ə': "e", 'Ə': "E",
	'¢': "c", '₹': "INR", '₺': "TL", '₽': "RUB", '₴': "UAH", '₩': "KRW", '₪': "ILS", '₫': "VND", '₦': "NGN", '₱': "PHP",
	'฿': "THB", '₸': "KZT", '₾': "GEL", '₼': "AZN", '₿': "BTC",
	'©': "(c)", '®': "(R)", '™': "(TM)", '№': "No", 'ª': "a", 'º': "o", '°': "deg", 'µ': "u", '×': "x", '±': "+-",
	'≤': "<=", '≥': ">=", '≠': "!=", '≈': "~", '→': "->", '←': "<-", '⇒': "=>",
}
