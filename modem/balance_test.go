package modem

import (
	"errors"
	"regexp"
	"slices"
	"testing"
)

// TestParseBalance has answers of networks: gammu, tests/at-ussd and issue 150; python-gammu, issue 12; python-gsmmodem,
// test_modem.py; the tests of PrepaidBalance (an app for Android); sketches and logs of SIM900 with cards of MTS, Beeline
// and Ukrainian networks; the simulator; and the ways in which countries write amounts.
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
		{"Balance:439r", "", 43900, "RUB", nil},
		{"Balance:45,05r,Limit:0,01r ", "", 4505, "RUB", nil},
		{"Balans=3394r (OP=9777 do 09.05 23:19) Ostatok: MB=43.6 min=232", "", 339400, "RUB", nil},
		{"Balans 0.00hrn, bonus 0.00hrn.\n\n", "", 0, "UAH", nil},
		{"Na Vashomu rahunku 8.05 grn. Taryf 'Device M'. Nomer diysnyi do 28.12.2025 00:00:00.", "", 805, "UAH", nil},
		{"Ваш баланс: 2.22 руб.", "", 222, "RUB", nil},
		{"Минус:12,30р", "", -1230, "RUB", nil},
		{"Минус: 12,30 руб.", "", -1230, "RUB", nil},
		{"Balance: -$5.00", "", -500, "$", nil},
		{"Main Bal-12.50 Tk", "", 1250, "BDT", nil},
		{"Balance EUR-5.00", "", -500, "EUR", nil},
		{"Bal -R5.20", "", -520, "ZAR", nil},
		{"Guthaben: - 5,00 EUR", "", -500, "EUR", nil},
		{"Balance - 5.00 EUR", "", 500, "EUR", nil},
		{"Saldo:10.00", "", 1000, "", nil},
		{"IMSI:123456789012345\n USD:5.87\n Num#:123456789012", "", 587, "USD", nil},
		{"IMSI:123456789012345", "", 0, "", ErrNoBalance},
		{"Aktualny stan konta dla numeru 48123456789: 1,23 PLN. Konto wazne do dnia 01-01-2022 01:02:03.", "", 123, "PLN", nil},
		{"Aktualni vyse kreditu na cisle 12345678 je 300 Kc, z toho bonusovy kredit je 0 Kc.", "", 30000, "CZK", nil},
		{"1.Stan konta glownego: 11.00 zl. Srodki wazne bezterminowo.", "", 1100, "PLN", nil},
		{"ZALYSHOK: 1424:00 HV NA INSHI MEREZHI; 1500 SMS; 50:00 HV ZA KORDON", "", 0, "", ErrNoBalance},
		{"Dieser Service steht leider erst ab 9 Uhr wieder zur Verfügung.", "", 0, "", ErrNoBalance},
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
