package modem

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// BalanceQuery is how the credit of a prepaid SIM is asked for, and found in the answer.
type BalanceQuery struct {
	USSD  string         // "*100#"
	Match *regexp.Regexp // its first group is the amount; nil: the amount beside a currency, else the first
}

// Preset returns the query of an operator by the name that Presets gives it, "de-o2". ok is false when there is none.
func Preset(name string) (q BalanceQuery, ok bool) {
	country, operator, _ := strings.Cut(strings.ToLower(name), "-")
	fields := strings.Fields(presets[country])
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == operator {
			return BalanceQuery{USSD: fields[i+1]}, true
		}
	}
	return BalanceQuery{}, false
}

// Presets returns the names of all presets, in order: a country and an operator, "de-o2", "uk-giffgaff".
func Presets() []string {
	var names []string
	for _, country := range slices.Sorted(maps.Keys(presets)) {
		fields := strings.Fields(presets[country])
		for i := 0; i+1 < len(fields); i += 2 {
			names = append(names, country+"-"+fields[i])
		}
	}
	return names
}

// ErrNoBalance: no amount of money was found in what the network answered.
var ErrNoBalance = errors.New("no amount of money is in the network's answer")

// ParseBalance finds an amount of money in text, what a network answered to a BalanceQuery. amount is in hundredths of the
// currency, rounded down, and may be negative. currency is its ISO 4217 code where that is certain, else the sign that
// the network used ("$", "kr"), "" when there is none. match may be nil. Error: ErrNoBalance.
//
// Thousands may be separated by a comma, a point, a blank or an apostrophe; a lone separator with three digits behind it
// is one of thousands, but not behind a lone 0.
func ParseBalance(text string, match *regexp.Regexp) (amount int64, currency string, err error) {
	n, currency, err := balanceIn(text, match)
	return n.hundredths, currency, err
}

// IsBareBalance tells whether the amount that ParseBalance finds in text without a match is a number alone, with neither
// a currency nor decimals: it may count anything.
func IsBareBalance(text string) bool {
	n, currency, err := balanceIn(text, nil)
	return err == nil && currency == "" && !n.decimals
}

// balanceIn is ParseBalance, and tells more of the number.
func balanceIn(text string, match *regexp.Regexp) (n number, currency string, err error) {
	if match != nil {
		at := match.FindStringSubmatchIndex(text)
		if len(at) < 4 || at[2] < 0 {
			return number{}, "", ErrNoBalance
		}
		for _, n := range numbersIn(text[at[2]:at[3]]) {
			n.from, n.to = n.from+at[2], n.to+at[2]
			return n, currencyAt(text, n), nil
		}
		return number{}, "", ErrNoBalance
	}
	var best *number
	for _, n := range numbersIn(text) {
		if isNoMoney(text, n) {
			continue
		}
		if owed(text, n) {
			n.hundredths = -n.hundredths
		}
		if c := currencyAt(text, n); c != "" {
			return n, c, nil
		}
		if best == nil || n.decimals && !best.decimals {
			best = &n
		}
	}
	if best == nil {
		return number{}, "", ErrNoBalance
	}
	return *best, "", nil
}

// number is a number in a text, at the octets from to to.
type number struct {
	from, to   int
	hundredths int64
	decimals   bool
}

// digitsRun is digits with single separators between them; a blank is one only before three digits.
var digitsRun = regexp.MustCompile(`\d+(?:[.,'\x{2019}]\d+|[ \x{a0}\x{202f}]\d{3}\b)*`)

// numbersIn returns the numbers of a text. Dates, times, numbers of phones and USSD codes are none.
func numbersIn(text string) []number {
	var list []number
	for _, at := range digitsRun.FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, size := utf8.DecodeRuneInString(text[at[1]:])
		next, _ := utf8.DecodeRuneInString(text[at[1]+size:])
		joined := strings.ContainsRune("/:-", after) && unicode.IsDigit(next)
		behindDigits := before == '-' && digitBefore(text[:at[0]-1])
		if before == ':' { // a time, or as in "IMSI:262..."; but there is "Balance:439r", too
			behindDigits = digitBefore(text[:at[0]-1]) || at[1]-at[0] >= longNumber
		}
		if strings.ContainsRune("/*#+_", before) || after == '*' || after == '#' || joined || behindDigits {
			continue
		}
		value, decimals, ok := valueOf(text[at[0]:at[1]])
		if !ok {
			continue
		}
		n := number{from: at[0], to: at[1], hundredths: value, decimals: decimals}
		if sign := at[0] - utf8.RuneLen(before); (before == '-' || before == '\u2212') && isMinus(text[:sign]) {
			n.hundredths, n.from = -value, sign
		}
		list = append(list, n)
	}
	return list
}

// isMinus tells whether a dash between before and a number is its sign. Behind a word it only parts the two ("within
// network-340", Babilon-M), but for a currency.
func isMinus(before string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	return !unicode.IsLetter(r) || currencies[strings.ToLower(signAt(before, true))] != ""
}

// longNumber is how many digits no amount of money has, without separators.
const longNumber = 10

// digitBefore tells whether text ends in a digit.
func digitBefore(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsDigit(r)
}

// valueOf reads digits with separators: "1.234,56".
func valueOf(s string) (hundredths int64, decimals, ok bool) {
	s = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u2019", "'").Replace(s)
	whole, fraction := s, ""
	if i := strings.LastIndexAny(s, ".,"); i >= 0 {
		lone := strings.IndexAny(s, ".,' ") == i
		thousands := len(s)-i-1 == 3 && (lone && i <= 3 && s[:i] != "0" || !lone && strings.IndexByte(s, s[i]) < i)
		if !thousands {
			whole, fraction, decimals = s[:i], s[i+1:], true
		}
	}
	groups := strings.FieldsFunc(whole, func(r rune) bool { return strings.ContainsRune(".,' ", r) })
	for i, g := range groups {
		if i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && len(g) > 3 {
			return 0, false, false
		}
	}
	separators := strings.Trim(whole, "0123456789")
	if separators != "" && strings.Trim(separators, separators[:1]+"0123456789") != "" {
		return 0, false, false // two kinds of them
	}
	n, err := strconv.ParseInt(strings.Join(groups, ""), 10, 64)
	if err != nil || n > 1e15 || len(fraction) > 6 {
		return 0, false, false
	}
	cents, _ := strconv.ParseInt((fraction + "00")[:2], 10, 64)
	return n*100 + cents, decimals, true
}

// debt is what stands before an amount that is owed, or before its currency. A dash between blanks only parts it from the
// words, unless these end in a colon.
var debt = regexp.MustCompile(`(?i)(?:(?:минус|minus):?\s?|(?:^|[\s:(])[-\x{2212}]|:\s?[-\x{2212}]\s)$`)

// owed tells whether a number without a sign of its own is one of debt: "-$5.00", "Минус: 12,30 руб." (as Russian
// networks say it).
func owed(text string, n number) bool {
	before := text[:n.from]
	blank := strings.TrimRight(before, " \u00a0")
	if sign := signAt(blank, true); currencies[strings.ToLower(sign)] != "" {
		before = strings.TrimSuffix(blank, sign)
	}
	return n.hundredths > 0 && debt.MatchString(before)
}

// unitsOfOther are what a number counts that is no money.
var unitsOfOther = regexp.MustCompile(`(?i)^\s?(%|[kmgt]i?b\b|[kmgt]o\b|min|sms|mms|msg|messages?\b|days?\b|hours?\b|hrs?\b|` +
	`h\b|uhr\b|tage?\b|jours?\b|d[ií]as?\b|dni\b|мин|смс|[кмг]б|дн|nachrichten)`)

// isNoMoney tells whether a number counts something else, or stands in a date or a list of choices.
func isNoMoney(text string, n number) bool {
	if unitsOfOther.MatchString(text[n.to:]) {
		return true
	}
	line := text[strings.LastIndexByte(text[:n.from], '\n')+1:]
	rest := text[n.to:]
	choice := strings.HasPrefix(rest, ". ") || strings.HasPrefix(rest, ")") || strings.HasPrefix(rest, ":")
	return choice && !n.decimals && len(text)-len(line) == n.from
}

// currencies are the signs and words that networks use, with their ISO 4217 codes where these are certain.
var currencies = map[string]string{
	"€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP", "$": "$", "usd": "USD", "us$": "USD",
	"a$": "AUD", "aud": "AUD", "руб": "RUB", "р": "RUB", "r.": "RUB", "rub": "RUB", "₽": "RUB",
	"грн": "UAH", "uah": "UAH", "hrn": "UAH", "grn": "UAH", "₴": "UAH", "zł": "PLN", "zl": "PLN", "pln": "PLN",
	"kč": "CZK", "kc": "CZK", "czk": "CZK", "ft": "HUF", "huf": "HUF", "kr": "kr", "sek": "SEK", "nok": "NOK",
	"dkk": "DKK", "chf": "CHF", "fr": "CHF", "r": "ZAR", "zar": "ZAR", "ksh": "KES", "kshs": "KES", "kes": "KES",
	"tk": "BDT", "bdt": "BDT", "ghs": "GHS", "gh¢": "GHS", "ngn": "NGN", "₦": "NGN", "n": "NGN", "ugx": "UGX",
	"ush": "UGX", "tzs": "TZS", "tsh": "TZS", "lei": "RON", "ron": "RON", "лв": "BGN", "bgn": "BGN",
	"lv": "BGN", "km": "BAM", "bam": "BAM", "rp": "IDR", "idr": "IDR", "rm": "MYR", "myr": "MYR", "₹": "INR",
	"inr": "INR", "rs": "Rs", "₸": "KZT", "kzt": "KZT", "тг": "KZT", "сом": "KGS", "kgs": "KGS",
	"eur": "EUR", "byn": "BYN", "amd": "AMD", "etb": "ETB", "birr": "ETB", "brl": "BRL", "r$": "BRL",
	"dop": "DOP", "rd$": "DOP", "sgd": "SGD", "s$": "SGD", "hkd": "HKD", "hk$": "HKD", "nis": "ILS",
	"ils": "ILS", "₪": "ILS", "mwk": "MWK", "mk": "MWK", "szl": "SZL", "sdg": "SDG", "tnd": "TND", "dt": "TND",
	"lak": "LAK", "kip": "LAK", "khr": "KHR", "mkd": "MKD", "ден": "MKD", "try": "TRY", "tl": "TRY",
	"₺": "TRY", "php": "PHP", "₱": "PHP", "thb": "THB", "baht": "THB", "฿": "THB", "vnd": "VND",
	"đ": "VND", "lkr": "LKR", "pkr": "PKR", "npr": "NPR", "mad": "MAD", "dh": "DH", "aed": "AED", "egp": "EGP",
	"le": "EGP", "xof": "XOF", "xaf": "XAF", "fcfa": "FCFA", "cfa": "FCFA", "د.ل": "LYD", "lyd": "LYD",
}

// currencyAt returns the currency that stands behind or before a number, with a blank between them at most.
func currencyAt(text string, n number) string {
	behind := strings.TrimLeft(text[n.to:], " \u00a0")
	if len(text[n.to:])-len(behind) <= 2 {
		sign := signAt(behind, false)
		if sign == "r" { // roubles; rands are a capital in front
			return "RUB"
		}
		if c := currencies[strings.ToLower(sign)]; c != "" {
			return c
		}
	}
	before := strings.TrimRight(text[:n.from], " \u00a0.:")
	if len(text[:n.from])-len(before) <= 3 {
		return currencies[strings.ToLower(signAt(before, true))]
	}
	return ""
}

// signAt returns the word or sign at the head of text, or at its end.
func signAt(text string, end bool) string {
	isSign := func(r rune) bool { return unicode.IsLetter(r) || unicode.Is(unicode.Sc, r) }
	runes := []rune(text)
	if end {
		i := len(runes)
		for i > 0 && isSign(runes[i-1]) {
			i--
		}
		return string(runes[i:])
	}
	i := 0
	for i < len(runes) && (isSign(runes[i]) || i > 0 && runes[i] == '.' && i+1 < len(runes) && unicode.IsLetter(runes[i+1])) {
		i++
	}
	if i == 1 && i < len(runes) && runes[i] == '.' && runes[0] == 'r' {
		i++ // "968.98 r.", roubles
	}
	return string(runes[:i])
}

// presets are the codes by which operators tell the credit: by country, names and codes by turns. They are facts from the
// balance checks of GNOME's mobile-broadband-provider-info (serviceproviders.xml, in the public domain), as of 2026.
var presets = map[string]string{
	"am": "karabakh *122#",
	"at": "hot *101# lycamobile *231# tele-ring *102#",
	"au": "lycamobile *131#",
	"ba": "ht-eronet *101# m-tel *101#",
	"bd": "airtel *1# banglalink *124# grameenphone *566# robi *222# teletalk *152#",
	"be": "lycamobile *103# mobistar #123#",
	"bg": "globul *125# m-tel *101# vivacom *102#",
	"br": "claro *544# tim *222#",
	"by": "life *100# mts *100# velcom *100#",
	"ch": "lycamobile *131# salt #121# swisscom *130#",
	"cz": "mobil *146# o2 *104*# t-mobile *101*# vodafone *22#",
	"de": "1und1 *100# alditalk *100# blau *100# congstar *100# e-plus *100# fonic *101# lycamobile *131# " +
		"o2 *101# simyo *100# tchibo-mobil *101# telekom *100# vodafone *100# willkommen *100#",
	"dk": "lycamobile *102# tdc *101# telenor *101# telia *101# telia-iot *101#",
	"do": "claro *122# orange #131# viva #111#",
	"es": "lycamobile *221# orange *111# suop *123# yoigo *111#",
	"et": "ethio-telecom *804#",
	"fr": "lycamobile *131# orange #123#",
	"gh": "airtel *133# gloghana *124# mtn *124# tigo *820# vodafone *122#",
	"hk": "lycamobile *131#",
	"ie": "lycamobile *131# o2 *#100#",
	"il": "cellcom *11777#",
	"it": "lycamobile *131#",
	"ke": "safaricom *144#",
	"kg": "beeline *102# megacom *500# o *100#",
	"kh": "beeline *102# cellcard #124# hello *100# metfone *097# mfone *222# qb #132# smart-mobile *888#",
	"la": "lao-telecom *122#",
	"mk": "lycamobile *122#",
	"mw": "airtel *137#",
	"ng": "airtel *123# etisalat *232# mtn *556#",
	"nl": "lycamobile *101#",
	"no": "lycamobile *150# telia *150#",
	"pl": "heyah *108# lycamobile *131# nju-mobile *127*1# orange *124*# play *101# plus *100# t-mobile *101# " +
		"virgin-mobile *101#",
	"pt": "lycamobile *123# meo *#123# nos *111# vodafone *#123#",
	"ro": "lycamobile *131#",
	"ru": "beeline *102# megafon *100# mts *100#",
	"sd": "zain *888#",
	"se": "comviq *111# lycamobile *102# tele2 *111# telenor *222# telia *120#",
	"sg": "starhub *123*1*1#",
	"si": "telemach *123#",
	"sz": "eswatini-mobile *202# mtn *556#",
	"tn": "lycamobile *143#",
	"ua": "lifecell *111#",
	"uk": "giffgaff *100# lycamobile *131# o2 *#10# vodafone *#1345#",
	"us": "lycamobile *611#",
	"za": "cell-c *101# mtn *141# telkom *188# virgin-mobile *101# vodacom *100#",
}
