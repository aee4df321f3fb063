package gateway

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"unicode/utf8"

	"smsgateway/sms"
	"smsgateway/store"
)

// AlphabetHint says that an account's texts look like another alphabet than they are read in.
type AlphabetHint struct {
	Looks string // what they look like, as a clause: "its texts look like UTF-8"
	Mend  string // what to do: a command, or what the client has to change
	Texts int    // how many of them looked so since the start, or since the setting was changed
}

// hintAfter is how many different texts have to look wrong before it is said; one may be a joke.
const hintAfter = 3

// hintRecent is how many texts are known again: several may be sent to many at a time, by turns.
const hintRecent = 16

// alphabetHints watches what accounts send, in memory alone.
type alphabetHints struct {
	mu      sync.Mutex
	seed    maphash.Seed
	watches map[uint32]*alphabetWatch // by lane
}

// alphabetWatch is what was seen of an account while its alphabet was this.
type alphabetWatch struct {
	alphabet string
	recent   [hintRecent]uint64 // the texts before: one that is sent to many, or again, counts once
	looked   int                // texts in recent so far
	pro, con [len(suspicions)]int
	told     [len(suspicions)]bool
}

func newAlphabetHints() *alphabetHints {
	return &alphabetHints{seed: maphash.MakeSeed(), watches: make(map[uint32]*alphabetWatch)}
}

// look takes notice of one text of an account, and says in the log when it and others make a suspicion.
func (h *alphabetHints) look(acct store.Account, alphabet string, dataCoding uint8, data []byte, log *slog.Logger) {
	if len(data) == 0 {
		return
	}
	as := codingOf(dataCoding)
	var verdicts [len(suspicions)]verdict
	for i, s := range suspicions {
		verdicts[i] = s.test(as, alphabet, data)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[acct.Lane]
	if w == nil || w.alphabet != alphabet {
		w = &alphabetWatch{alphabet: alphabet}
		h.watches[acct.Lane] = w
	}
	sum := maphash.Bytes(h.seed, data)
	if slices.Contains(w.recent[:], sum) {
		return
	}
	w.recent[w.looked%hintRecent] = sum
	w.looked++
	for i, v := range verdicts {
		switch v {
		case speaksFor:
			w.pro[i]++
		case speaksAgainst:
			w.con[i]++
		}
		if hint, ok := w.hint(i, acct.Key); ok && !w.told[i] {
			w.told[i] = true
			log.Warn("the account's texts look like another alphabet than they are read in", "system_id", acct.Key,
				"looks", hint.Looks, "mend", hint.Mend)
		}
	}
}

// hint is a suspicion that is strong enough: texts that speak against it are one to four at most.
func (w *alphabetWatch) hint(i int, key string) (AlphabetHint, bool) {
	if w.pro[i] < hintAfter || w.pro[i] < 4*w.con[i] {
		return AlphabetHint{}, false
	}
	return AlphabetHint{Looks: suspicions[i].looks, Mend: fmt.Sprintf(suspicions[i].mend, key), Texts: w.pro[i]}, true
}

// of lists what is suspected of an account as it is set now.
func (h *alphabetHints) of(acct store.Account, alphabet string) (list []AlphabetHint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[acct.Lane]
	if w == nil || w.alphabet != alphabet {
		return nil
	}
	for i := range suspicions {
		if hint, ok := w.hint(i, acct.Key); ok {
			list = append(list, hint)
		}
	}
	return list
}

// forget is for an account that is no more.
func (h *alphabetHints) forget(lane uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watches, lane)
}

// AlphabetHints tells what the texts that an account sent since the start look like, if that is not what they are read as.
func (g *Gateway) AlphabetHints(acct store.Account) []AlphabetHint {
	return g.hints.of(acct, g.alphabet(acct))
}

// verdict is what one text says about a suspicion.
type verdict int

const (
	silent verdict = iota
	speaksFor
	speaksAgainst
)

// suspicion is one way in which clients and settings misunderstand each other.
type suspicion struct {
	looks string
	mend  string // with %[1]s for the Account Key
	test  func(as coding, alphabet string, data []byte) verdict
}

const setAlphabet = "smsgateway account set %[1]s --alphabet "

// suspicions is a table rather than a guess: each test speaks only of octets that the other reading can't explain.
var suspicions = [...]suspicion{
	{"what is sent under data_coding 0 looks like GSM 03.38", setAlphabet + "gsm7", looksGSM7},
	{"what is sent under data_coding 0 looks like ASCII, and is read as GSM 03.38", setAlphabet + "auto", looksASCII},
	{"what is sent under data_coding 0 looks like UTF-8", setAlphabet + "utf8", looksUTF8},
	{"what is sent under data_coding 0 looks like ISO 8859-1", setAlphabet + "auto", looksLatin1},
	{"what is sent under data_coding 0 looks like packed septets", "have the client of %[1]s send GSM 03.38 with one septet an octet, unpacked", looksPacked},
	{"what is sent under data_coding 3 looks like UTF-8", "have the client of %[1]s send ISO 8859-1, or data_coding 0 with: " + setAlphabet + "utf8", looksUTF8AsLatin1},
	{"what is sent under data_coding 3 looks like GSM 03.38", "have the client of %[1]s send ISO 8859-1, or data_coding 0 with: " + setAlphabet + "gsm7", looksGSM7AsLatin1},
	{"what is sent under data_coding 8 looks like one octet a character", "have the client of %[1]s send UTF-16BE, or data_coding 0", looksNarrow},
	{"what is sent under data_coding 8 looks like UTF-16LE", "have the client of %[1]s send UTF-16BE, or FF FE in front", looksLittle},
}

// byAccount tells whether the account's alphabet says how a text is read, and is one of these.
func byAccount(as coding, alphabet string, oneOf ...string) bool {
	if as.kind != codingText || as.decode != nil {
		return false
	}
	for _, a := range oneOf {
		if a == alphabet {
			return true
		}
	}
	return false
}

func looksGSM7(as coding, alphabet string, data []byte) verdict {
	switch {
	case !byAccount(as, alphabet, AlphabetAuto, AlphabetASCII, AlphabetLatin1, AlphabetUTF8):
		return silent
	case hasHigh(data):
		return speaksAgainst
	case hasGSM7Codes(data), hasGSM7Letters(data):
		return speaksFor
	}
	return silent
}

// looksASCII finds an e-mail address or a name with an underscore: in GSM 03.38 these octets are ¡ and §, which never stand
// inside a word.
func looksASCII(as coding, alphabet string, data []byte) verdict {
	switch {
	case !byAccount(as, alphabet, AlphabetGSM7):
		return silent
	case hasGSM7Codes(data):
		return speaksAgainst
	case !hasHigh(data) && between(data, "@_", alphanumeric, alphanumeric):
		return speaksFor
	}
	return silent
}

func looksUTF8(as coding, alphabet string, data []byte) verdict {
	if !byAccount(as, alphabet, AlphabetLatin1, AlphabetASCII, AlphabetGSM7) {
		return silent
	}
	return utf8Verdict(data)
}

func looksUTF8AsLatin1(as coding, _ string, data []byte) verdict {
	if as.name != readAsLatin1 {
		return silent
	}
	return utf8Verdict(data)
}

// utf8Verdict: two octets of Latin-1 that are valid UTF-8 by chance, as É and a no-break space, make letters that nobody
// writes.
func utf8Verdict(data []byte) verdict {
	switch {
	case !hasHigh(data):
		return silent
	case !utf8.Valid(data):
		return speaksAgainst
	}
	for _, r := range string(data) {
		if r >= 0x180 && r < 0x370 || r >= 0x460 && r < 0x590 || r >= 0x700 && r < 0x900 || r >= 0x80 && r < 0xA0 {
			return speaksAgainst
		}
	}
	return speaksFor
}

func looksLatin1(as coding, alphabet string, data []byte) verdict {
	switch {
	case !byAccount(as, alphabet, AlphabetASCII, AlphabetUTF8, AlphabetGSM7) || !hasHigh(data):
		return silent
	case utf8.Valid(data) || packedText(data):
		return speaksAgainst
	}
	return speaksFor
}

func looksPacked(as coding, alphabet string, data []byte) verdict {
	switch {
	case !byAccount(as, alphabet, Alphabets()...) || !hasHigh(data) || utf8.Valid(data):
		return silent
	case packedText(data):
		return speaksFor
	}
	return speaksAgainst
}

func looksGSM7AsLatin1(as coding, _ string, data []byte) verdict {
	switch {
	case as.name != readAsLatin1:
		return silent
	case hasHigh(data):
		return speaksAgainst
	case hasGSM7Codes(data):
		return speaksFor
	}
	return silent
}

// looksNarrow: as UTF-16 it would be Chinese of which each octet is a letter or a blank.
func looksNarrow(as coding, _ string, data []byte) verdict {
	if as.kind != codingUCS2 || len(data) < 10 {
		return silent
	}
	letters := 0
	for _, o := range data {
		switch {
		case alphanumeric(o) || o == ' ':
			letters++
		case (o < ' ' || o > '~') && o != '\n' && o != '\r':
			return speaksAgainst
		}
	}
	if letters*5 < len(data)*4 {
		return silent
	}
	return speaksFor
}

// looksLittle: as UTF-16BE most characters would end in 00.
func looksLittle(as coding, _ string, data []byte) verdict {
	if as.kind != codingUCS2 || len(data) < 8 || len(data)%2 != 0 || bytes.HasPrefix(data, []byte{0xFF, 0xFE}) {
		return silent
	}
	units := 0
	for i := 0; i < len(data); i += 2 {
		if data[i] >= ' ' && data[i] <= '~' && data[i+1] == 0 {
			units++
		}
	}
	if units*4 >= len(data)/2*3 {
		return speaksFor
	}
	return speaksAgainst
}

func hasHigh(data []byte) bool {
	for _, o := range data {
		if o > 0x7F {
			return true
		}
	}
	return false
}

func alphanumeric(o byte) bool { return letter(o) || o >= '0' && o <= '9' }

func letter(o byte) bool { return o|0x20 >= 'a' && o|0x20 <= 'z' }

func small(o byte) bool { return o >= 'a' && o <= 'z' }

// between tells whether one of the signs stands between two octets of these kinds.
func between(data []byte, signs string, before, behind func(byte) bool) bool {
	for i := 1; i+1 < len(data); i++ {
		if bytes.IndexByte([]byte(signs), data[i]) >= 0 && before(data[i-1]) && behind(data[i+1]) {
			return true
		}
	}
	return false
}

// hasGSM7Codes finds control characters that are letters in GSM 03.38, and escape pairs of its extension table. Those that
// stray into ASCII texts are left out: the NUL at the end, tab, form feed, the end of a file.
func hasGSM7Codes(data []byte) bool {
	for i, o := range data {
		switch {
		case o == 0x00 && i == len(data)-1, o >= 0x20, o >= '\t' && o <= '\r', o == 0x1A:
		case o == 0x1B:
			if i+1 < len(data) && bytes.IndexByte([]byte("\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65"), data[i+1]) >= 0 {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// hasGSM7Letters finds { } ~ inside a word, where GSM 03.38 has ä, ñ and ü: M{rz, a}o, f~r. A pair of braces is a
// placeholder, and yes|no an alternative.
func hasGSM7Letters(data []byte) bool {
	if bytes.IndexByte(data, '{') >= 0 && bytes.IndexByte(data, '}') >= 0 {
		return between(data, "~", letter, small)
	}
	return between(data, "{}~", letter, small)
}

// packedText tells whether octets are words when they are unpacked, and could hardly be so by chance.
func packedText(data []byte) bool {
	high := 0
	for _, o := range data {
		if o > 0x7F {
			high++
		}
	}
	if len(data) < 10 || high*4 < len(data) {
		return false
	}
	septets := sms.Unpack(data, len(data)*8/7, 0)
	if n := len(septets); septets[n-1] == 0 { // what is left of the last octet
		septets = septets[:n-1]
	}
	letters := 0
	for _, s := range septets {
		switch {
		case alphanumeric(s) || s == ' ':
			letters++
		case s < ' ' && s != '\n' && s != '\r' && s != 0, s == 0x5F, s == 0x60, s > 0x7A:
			return false
		}
	}
	return letters*5 >= len(septets)*4
}
