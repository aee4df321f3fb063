package modem

import (
	"errors"
	"fmt"
	"testing"
)

// TestParseMenuBalance has answers with a menu: PrepaidBalance, issues 9 (Vodafone in Germany), 11 (Indonesia), 84
// (Kaufland mobil), 160 (nju mobile) and 166 (Iran); gammu, issue 150; a sketch for SIM900; the simulator; and what
// networks could say.
func TestParseMenuBalance(t *testing.T) {
	for text, want := range map[string]string{
		"Aktuelles Guthaben: 5,12 EUR\nWähl bitte aus:\n1 Aufladen\n2 Guthaben & Verbrauch\n3  Tarife & Optionen\n" +
			"4 Spracheinstellungen\n5 Vorteilsangebot": "5.12 EUR",
		"Kontostand: 3.00 EUR Bitte wählen Sie: 1 Konto aufladen 2 CallNow Transfer":     "3.00 EUR",
		"Pulsa Rp 1234 s.d. 01-01-2022 \n1 8GB,Rp30rb/30hr\n2 25GB,Rp50rb/30hr\n22 Info": "1234.00 IDR",
		"Bal:$100.00 *\nExp 01 Jan 2013\n1. Recharge":                                    "100.00 $",
		"Your balance is £6.45. Reply:\r\n1 Top up\r\n2 Bundles from £5":                 "6.45 GBP",
		"Your current balance is: 0.40 EUR\n(1) Top up 5 EUR\n(2) Top up 10 EUR":         "0.40 EUR",
		"Votre crédit est de 5,00 €, valable jusqu'au 12.05.2026\n1: Recharger":          "5.00 EUR",
		"Su saldo actual es $ 12.50\n1.Recargas\n2.Paquetes":                             "12.50 $",
		"Il tuo credito residuo è di 3,20 euro.\n1 Ricarica":                             "3.20 EUR",
		"Saldo: R$ 7,00\n1 Recarga":                                                      "7.00 BRL",
		"Kalan bakiyeniz: 15,00 TL\n1. Paketler":                                         "15.00 TRY",
		"Ваш баланс: 2.22 руб.\n1 Пополнить\n2 Тарифы от 100 руб.":                       "2.22 RUB",
		"Баланс: -15,30 руб.\n1 Кредит":                                                  "-15.30 RUB",
		"Hello!\nMain balance: N50.00\nData: 20MB\n1. Buy data N100":                     "50.00 NGN",
		"Guthaben: 1.234,56 EUR bis 12.05.2026\n1 mehr":                                  "1234.56 EUR",
		"1 Balance 2 Number":           "",
		"1. Solde: 5 EUR\n2. Recharge": "",
		"Twoja oferta to nju na karte.\n1.Stan konta glownego: 11.00 zl. Srodki wazne":       "",
		"Credit 43240 IRR. WOW 0 IRR, till 9378/10/12.\nReply to activate:\n2.5GB 10000T":    "",
		"Dein Guthaben betraegt: 10,00 EUR Startguthaben und 0,00 EUR Kaufguthaben.\n1 mehr": "",
		"Dein Guthaben betraegt: 0,00 EUR Kaufguthaben.\n1 mehr":                             "",
		"Balance 7.50\n1 Top up":                    "", // no currency
		"12 EUR balance\n1 Top up":                  "", // the word stands behind
		"Balance:\n5 EUR\n1 Top up":                 "", // on the line before
		"Buy 1 GB\nPrice 5 EUR\n1 Yes":              "", // no word for credit
		"Your balance is low\nTop up 5 EUR\n1 Yes":  "",
		"O2: Your balance is £6.45\n1 More":         "", // a digit before the word
		"Main balance 5 EUR\nBonus 1 EUR\n1 More":   "", // two amounts
		"Balance 5 EUR, bonus balance 1 EUR\n1 Yes": "",
		"Kontostand: 3.00 EUR 1 Aufladen 10 EUR":    "",
		"Bonus balance: 0.00 EUR\n1 More":           "",
		"Bonusguthaben: 0,00 EUR\n1 mehr":           "",
		"Bonus-Guthaben: 0,00 EUR\n1 mehr":          "",
		"Data balance: $0.00\n1 More":               "",
		"Guthaben aufladen ab 5 EUR\n1 Ja":          "",
		"Guthaben aufladen: 15 EUR\n1 Ja":           "",
		"Guthaben 15 EUR aufladen\n1 Ja":            "",
		"Guthaben 15 EUR geschenkt!\n1 Ja":          "",
		"Credit limit: 1 EUR\n1 More":               "",
		"Low credit: below 1 EUR\n1 More":           "",
		"Balance < 5 EUR\n1 Top up":                 "",
		"e) Saldo 5 EUR\nf) mais":                   "",
		"- Credit 2 EUR\n- Exit":                    "",
		"* Borrow credit: 2 EUR\n* Exit":            "",
		"Credit 2 EUR loan\n1 Yes":                  "",
		"Saldo bonus: R$ 0,00\n1 Recarga":           "",
		"Balance: 5 EUR -> top up 10\n1 Yes":        "",
		"Guthaben: 5 EUR (ohne Bonus)":              "",
		"":                                          "",
		"Balance: none\n1 More":                     "",
	} {
		amount, currency, err := ParseMenuBalance(text)
		got := ""
		if err == nil {
			got = fmt.Sprintf("%.2f %s", float64(amount)/100, currency)
		} else if !errors.Is(err, ErrNoBalance) || amount != 0 || currency != "" {
			t.Errorf("%q: %d %q, %v", text, amount, currency, err)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// FuzzParseMenuBalance: what is taken out of a menu is an amount that ParseBalance knows too, with its currency.
func FuzzParseMenuBalance(f *testing.F) {
	for _, s := range []string{"Guthaben: 5,12 EUR\n1 Aufladen", "Saldo R$ 7,00 *", "Bal:$-1.00", "баланс 5 р.\r\n2) 5 р", "pulsa rp 1\n\n", "sold\u00a0€5)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, currency, err := ParseMenuBalance(text)
		if err != nil {
			if amount != 0 || currency != "" {
				t.Errorf("%q: %d %q, %v", text, amount, currency, err)
			}
			return
		}
		if _, _, err := ParseBalance(text, nil); err != nil || currency == "" || amount > 1e17+99 || amount < -1e17-99 {
			t.Errorf("%q: %d %q; ParseBalance: %v", text, amount, currency, err)
		}
	})
}
