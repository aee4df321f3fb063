package modem

import (
	"errors"
	"regexp"
	"slices"
	"testing"
)

// TestParseBalance has answers of networks: gammu, tests/at-ussd and issue 150; python-gsmmodem, test_modem.py; the
// simulator; and the ways in which countries write amounts.
func TestParseBalance(t *testing.T) {
	tests := []struct {
		text, match string
		amount      int64
		currency    string
		err         error
	}{
		{"Ihr Guthaben für die Nr.4915783647410 beträgt 5.78 Euro", "", 578, "EUR", nil},
		{"Kontostand: 3.00 EUR Bitte wählen Sie: 1 Konto aufladen 2 CallNow Transfer", "", 300, "EUR", nil},
		{"Available Balance: R 96.45 .", "", 9645, "ZAR", nil},
		{"Vash balans 968.98 r.\nDlya vas - nedelya besplatnogo SMS! Podkl.: *320#", "", 96898, "RUB", nil},
		{"Bal:$100.00 *\nExp 01 Jan 2013\n1. Recharge", "", 10000, "$", nil},
		{"Havi keret: 0Ft. Feltöltött egyenleg: 7777Ft,", "", 0, "HUF", nil},
		{"Havi keret: 0Ft. Feltöltött egyenleg: 7777Ft,", `egyenleg: (\d+)`, 777700, "HUF", nil},
		{"رصيدك 107.93 د.ل،الصلاحية  2018-11-09", "", 10793, "LYD", nil},
		{"Your balance is 12.34 EUR.", "", 1234, "EUR", nil},
		{"Saldo: 1.234,56 €", "", 123456, "EUR", nil},
		{"Balance: £1,234.56", "", 123456, "GBP", nil},
		{"Saldo 1 234,50 zl", "", 123450, "PLN", nil},
		{"Guthaben CHF 1'234.50", "", 123450, "CHF", nil},
		{"Balance Rp12.500, valid until 31/12/2026", "", 1250000, "IDR", nil},
		{"Баланс: -15,30 руб.", "", -1530, "RUB", nil},
		{"Баланс 15,3 грн до 12.05.2026", "", 1530, "UAH", nil},
		{"Valid till 12.05.2026 18:30. Bal 7.5", "", 750, "", nil},
		{"You have 3 SMS, 500 MB, 20% bonus and 4.20 left", "", 420, "", nil},
		{"You have 100 left", "", 10000, "", nil},
		{"1. Balance\n2) Menu\nCredit 9", "", 900, "", nil},
		{"Saldo: 0.123 KWD", "", 12, "", nil},
		{"Saldo 12.345.678 VND", "", 1234567800, "VND", nil},
		{"Dial *100# or call +491701234567", "", 0, "", ErrNoBalance},
		{"On DATA Pack u have 3Gb 817Mb 169kb valid until 21/05/2016", "", 0, "", ErrNoBalance},
		{"Для справки о балансе наберите *105#.", "", 0, "", ErrNoBalance},
		{"", "", 0, "", ErrNoBalance},
		{"Credit: none", `Credit: (\w+)`, 0, "", ErrNoBalance},
		{"Credit 5", `Debit (\d+)`, 0, "", ErrNoBalance},
		{"Credit 5", `Credit \d+`, 0, "", ErrNoBalance},
		{"99999999999999999999999", "", 0, "", ErrNoBalance},
	}
	for _, tt := range tests {
		var match *regexp.Regexp
		if tt.match != "" {
			match = regexp.MustCompile(tt.match)
		}
		amount, currency, err := ParseBalance(tt.text, match)
		if amount != tt.amount || currency != tt.currency || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%q: %d %q %v, want %d %q %v", tt.text, amount, currency, err, tt.amount, tt.currency, tt.err)
		}
	}
}

func TestPresets(t *testing.T) {
	names := Presets()
	if len(names) < 100 || !slices.IsSorted(names) {
		t.Errorf("%d presets, sorted %v; want 100 at least, in order", len(names), slices.IsSorted(names))
	}
	for _, name := range names {
		if q, ok := Preset(name); !ok || !isUSSD(q.USSD) || q.USSD[len(q.USSD)-1] != '#' {
			t.Errorf("%s: %+v, %v; want a code", name, q, ok)
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) != len(Presets()) {
		t.Error("two presets have one name")
	}
	for name, want := range map[string]string{"de-o2": "*101#", "uk-giffgaff": "*100#", "DE-Telekom": "*100#", "pl-nju-mobile": "*127*1#", "xx-none": "", "de": "", "": "", "de-": ""} {
		if q, ok := Preset(name); q.USSD != want || ok != (want != "") {
			t.Errorf("Preset(%q) = %+v, %v; want %q", name, q, ok, want)
		}
	}
}

// TestIsBareBalance: a number that nothing marks as money.
func TestIsBareBalance(t *testing.T) {
	for text, want := range map[string]bool{
		"You have 100 left": true, "1 Balance 2 Number": true, "Bal 7.5": false, "Bal 7 EUR": false, "none": false,
	} {
		if got := IsBareBalance(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzParseBalance: no answer of a network makes it fall over, and an amount is one that fits.
func FuzzParseBalance(f *testing.F) {
	for _, s := range []string{"Saldo: 1.234,56 €", "5.00", "-1'234 kr", "*100# 5", "R 96.45 .", "1.2.3", "0,5r.", "د.ل 5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, _, err := ParseBalance(text, nil)
		if err != nil && amount != 0 || amount > 1e17+99 || amount < -1e17-99 {
			t.Errorf("%q: %d, %v", text, amount, err)
		}
		ParseBalance(text, regexp.MustCompile(`(.*)`))
	})
}
