package modem

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseMenuBalance finds the credit in text, an answer in which the network asks something back, as Vodafone's in Germany
// does: "Aktuelles Guthaben: 5,12 EUR", and behind it a menu (PrepaidBalance, issue 9). The prices in a menu, what it sells
// and what else an account holds are not to be taken for it, so it must be certain: the amount has a currency; its line
// begins with a word for credit, and has up to the amount nothing but words that say that it is the present one, and none
// behind it but until when; and it is the only amount with a currency outside the lines that begin with a number. amount and
// currency are ParseBalance's. Error: ErrNoBalance, in doubt too.
func ParseMenuBalance(text string) (amount int64, currency string, err error) {
	amounts := 0
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if first := strings.IndexFunc(line, isLetterOrDigit); first >= 0 && '0' <= line[first] && line[first] <= '9' {
			continue // a choice
		}
		for _, n := range numbersIn(line) {
			c := currencyAt(line, n)
			if c == "" {
				continue
			}
			if amounts++; amounts > 1 || !isCredit(line, n) {
				return 0, "", ErrNoBalance
			}
			if owed(line, n) {
				n.hundredths = -n.hundredths
			}
			amount, currency = n.hundredths, c
		}
	}
	if amounts == 0 {
		return 0, "", ErrNoBalance
	}
	return amount, currency, nil
}

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// isCredit tells whether a line says that an amount in it is the present credit, and nothing else.
func isCredit(line string, n number) bool {
	other := func(r rune) bool {
		plain := unicode.IsLetter(r) || unicode.Is(unicode.Sc, r) || strings.ContainsRune(" \u00a0:.,=-\u2212\u2013'\u2019", r)
		return !plain
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(line, " \u00a0"))
	if !unicode.IsLetter(first) || strings.ContainsFunc(line[:n.from], other) { // a list, or "<"
		return false
	}
	credit := false
	before := wordsOf(line[:n.from])
	for i, word := range before {
		switch {
		case creditWords[word]:
			credit = true
		case presentWords[word], i == len(before)-1 && currencies[word] != "":
		default:
			return false
		}
	}
	behind := strings.TrimLeft(line[n.to:], " \u00a0")
	if sign := signAt(behind, false); currencies[strings.ToLower(sign)] != "" {
		behind = behind[len(sign):]
	}
	behind = strings.TrimLeft(behind, " \u00a0*")
	if behind == "" || strings.IndexByte(".,;)", behind[0]) >= 0 {
		return credit
	}
	word := wordsOf(behind)
	return credit && len(word) > 0 && strings.HasPrefix(strings.ToLower(behind), word[0]) && nextWords[word[0]]
}

// wordsOf returns the words of a text in small letters.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}

// setOf is for the lists of words below.
func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// The words of an answer that tells the credit, by language: English, German, French, Spanish, Portuguese and Italian, Dutch
// and the Scandinavian ones, Polish, Czech, Romanian, Hungarian, Turkish, Russian and Ukrainian, Indonesian, Swahili. What a
// bonus, a loan or a data plan is called is not among them. Compounds such as "Bonusguthaben" are words of their own.
var (
	creditWords = setOf("balance bal credit guthaben kontostand solde crédit saldo crédito credito tegoed beltegoed " +
		"kredit kreditu zůstatek zustatek sold soldul egyenleg egyenlege egyenleged bakiye bakiyeniz баланс balans pulsa salio")
	presentWords = setOf("your you the my current main account acct available remaining prepaid airtime now is of " +
		"ihr dein das aktuelles aktueller aktuell verfügbares verfuegbares verbleibendes derzeit beträgt betraegt ist " +
		"votre ton le du compte principal actuel restant disponible est de " +
		"su tu tua el il o seu teu tuo suo actual atual attuale disponível disponibile principale residuo es e é è di " +
		"je uw jouw huidige ditt din dit nuvarande nuværende är er " +
		"twoje aktualne dostępne dostepne wynosi váš vas aktuální aktualni výše vyse je tau este az ön jelenlegi aktuális " +
		"kalan mevcut güncel ваш текущий поточний основной основний составляет становить anda kamu adalah lako ni")
	nextWords = setOf("bitte gültig gueltig bis please valid until till exp expires valable jusqu válido valido vence " +
		"hasta até geldig tot ważne wazne do до действует діє s sampai")
)
