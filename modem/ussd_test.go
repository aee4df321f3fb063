package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"smsgateway/sms"
)

// TestParseUSSD has what real devices gave: gammu, tests/at-ussd and the issues named; python-gsmmodem, test_modem.py.
func TestParseUSSD(t *testing.T) {
	tests := []struct {
		name, rest, charset string
		packed              bool
		mode                int
		text                string
	}{
		{"E160, packed, without quotes", " 0, 49B41C74ACD3D16171D90D32FBE52072BA0C72CA5DB45CAC76C3CD6CB41B2D060389CB74F9FE4C07D55C371CA85897BF1B", "GSM", true,
			0, "Ihr Guthaben für die Nr.4915783647410 beträgt 5.78 Euro"},
		{"E160, packed, not known to be", `0,"49B41C74ACD3D16171D90D32FBE52072BA0C72CA5DB45CAC76C3CD6CB41B2D060389CB74F9FE4C07D55C371CA85897BF1B",15`, "GSM", false,
			0, "Ihr Guthaben für die Nr.4915783647410 beträgt 5.78 Euro"},
		{"national letters in ASCII's places", `1,"Kontostand: 3.00 EUR Bitte w{hlen Sie: 1 Konto aufladen 2 CallNow Transfer"`, "GSM", false,
			1, "Kontostand: 3.00 EUR Bitte wählen Sie: 1 Konto aufladen 2 CallNow Transfer"},
		{"braces where ASCII is meant", `1,"{x}"`, "IRA", false, 1, "{x}"},
		{"dcs 0", `2,"Maaf, permintaan Anda tidak dapat kami proses.",0`, "GSM", false, 2, "Maaf, permintaan Anda tidak dapat kami proses."},
		{"Quectel M35 says 15 to UTF-16 (gammu issue 358)", `2,"00480061007600690020006B0065007200650074003A0020003000460074002E",15`, "GSM", false, 2, "Havi keret: 0Ft."},
		{"E3276, UCS2 (gammu issue 109)", `0,"0414043B044F00200441043F044004300432043A0438",72`, "GSM", true, 0, "Для справки"},
		{"HE910: a language before it, memory behind it (gammu issue 377)", `2,"613906310635064A062F06430020003100300037002E003900330000FFFF60B1626000",17`, "GSM", false,
			2, "رصيدك 107.93"},
		{"commas and a mode without a list (gammu issue 178)", `0,"On DATA Pack u have 3Gb 817Mb 169kb, valid until 21/05/2016",15`, "GSM", false,
			0, "On DATA Pack u have 3Gb 817Mb 169kb, valid until 21/05/2016"},
		{"lines", "1,\"Bal:$100.00 *\r\nExp 01 Jan 2013\n\n1. Recharge \n00. Home\",15", "GSM", false, 1, "Bal:$100.00 *\nExp 01 Jan 2013\n1. Recharge\n00. Home"},
		{"quotes inside", `0,"say "yes", now",15`, "GSM", false, 0, `say "yes", now`},
		{"digits alone", `0,"12345678",15`, "GSM", false, 0, "12345678"},
		{"digits alone, packed", `0,"31D98C56B3DD70",15`, "GSM", true, 0, "12345678"},
		{"7 characters, filled with CR", `0,"AA180CA68A8D1A",15`, "GSM", true, 0, "*100*1#"},
		{"CSCS UCS2", `0,"00420061006C003A00200035",15`, "UCS2", false, 0, "Bal: 5"},
		{"GSM 7 bit with a language", `0,"657669A8CBD37A0D2",16`, "GSM", false, 0, "657669A8CBD37A0D2"},
		{"8 bit", `0,"53616C646F3A20352C3030E9",68`, "GSM", false, 0, "Saldo: 5,00é"},
		{"Latin 1 on the wire", "0,\"Cr\xe9dit 5\",15", "8859-1", false, 0, "Crédit 5"},
		{"no text", "2", "GSM", false, 2, ""},
		{"an empty one", `0,"",15`, "GSM", false, 0, ""},
		{"not supported", " 4", "GSM", false, 4, ""},
		{"undocumented (GPRS-AT issue 12)", `6,"x"`, "GSM", false, 0, "x"},
		{"text without dcs and quotes", "0,Saldo: 5,99 EUR", "GSM", false, 0, "Saldo: 5,99 EUR"},
		{"nothing", "", "GSM", false, 0, ""},
	}
	for _, tt := range tests {
		if mode, text := parseUSSD(tt.rest, tt.charset, tt.packed); mode != tt.mode || text != tt.text {
			t.Errorf("%s: %d, %q; want %d, %q", tt.name, mode, text, tt.mode, tt.text)
		}
	}
}

func TestUSSDForms(t *testing.T) {
	for _, tt := range []struct {
		form       ussdForm
		code, want string
	}{
		{ussdPlain, "*100#", "*100#"},
		{ussdPacked, "*100#", "AA180C3602"}, // python-gammu issue 3
		{ussdPacked, "*100*1#", "AA180CA68A8D1A"},
		{ussdPacked, "1", "31"},
		{ussdUCS2, "*1#", "002A00310023"},
	} {
		if got := tt.form.encode(tt.code); got != tt.want {
			t.Errorf("%d: %q is %q, want %q", tt.form, tt.code, got, tt.want)
		}
	}
	for code, want := range map[string]bool{"*100#": true, "1": true, "": false, `*100#",15;+CMGS=1,"`: false, "*100#\r": false, "**04*1234*1111*1111#": false,
		"**05*12345678*1111*1111#": false, "*99*ä#": false,
		"**03*330*0000*1234*1234#": false, "**03**0000*1234*1234#": false, "*03*330*0000*1234*1234#": false, "* 03 *1#": false,
		"*33*0000#": false, "#33*0000*16#": false, "**331*0000#": false, "##330*0000#": false, "# 353 * 0000 #": false, "*35*0000*16#": false,
		"*#33#": true, "*#03#": true, "*033#": true, "*333#": true, "*33*1#": true, "*333*12345678901234#": true, "*#10#": true, "*104*#": true,
		" **04*1234*1111*1111#": false, "**042*1234*1111*1111#": false, "* *04*1#": false, "**0 52*1#": false,
		"**052*1*1*1#": false, " * * 0 5 *1#": false, strings.Repeat("1", 183): false, "hello world": true} {
		if got := isUSSD(code) && !isSecret(code); got != want {
			t.Errorf("%q may be sent: %v, want %v", code, got, want)
		}
	}
	for code, want := range map[string]bool{"*100#": true, "#100#": true, "*100*1#": true, "**21*4917#": true, "*#06#": true, "1": false, "*": false,
		"#": false, "*#": false, "*1": false, "1#": false, "0#": false} {
		if got := isServiceCode(code); got != want {
			t.Errorf("%q begins anew: %v, want %v", code, got, want)
		}
	}
	m := New(Config{}, nil)
	for code, want := range map[string]error{"*99*ä#": ErrUSSDCode, "**04*1*1*1#": ErrUSSDSecret, "*100#": ErrLineClosed} {
		if _, err := m.USSD(t.Context(), code); !errors.Is(err, want) || strings.Contains(err.Error(), code) {
			t.Errorf("%q: %v, want %v", code, err, want)
		}
	}
	for dcs, want := range map[byte]sms.Alphabet{0: sms.GSM7, 15: sms.GSM7, 0x10: sms.GSM7, 0x11: sms.UCS2, 0x2F: sms.GSM7, 0x40: sms.GSM7, 0x44: sms.Binary,
		0x48: sms.UCS2, 0x58: sms.UCS2, 0x94: sms.Binary, 0x98: sms.UCS2, 0xF0: sms.GSM7, 0xF4: sms.Binary, 0xE0: sms.GSM7} {
		if got, _ := cbsAlphabet(dcs); got != want {
			t.Errorf("dcs %#x is %v, want %v (TS 23.038 §5)", dcs, got, want)
		}
	}
}

// FuzzUSSD: whatever a network says becomes text that a terminal can show; and what is packed comes back.
func FuzzUSSD(f *testing.F) {
	f.Add(` 0,"49B41C74ACD3D16171D90D",15`, "GSM", true)
	f.Add(`2,"613906310635064A0000FFFF",17`, "UCS2", false)
	f.Add("1,\"a\nb\"", "IRA", false)
	f.Add(`0,"`, "", true)
	f.Add(",,,", "8859-1", false)
	f.Fuzz(func(t *testing.T, rest, charset string, packed bool) {
		mode, text := parseUSSD(rest, charset, packed)
		if mode < 0 || mode > 5 || !utf8.ValidString(text) {
			t.Errorf("%q: %d, %q", rest, mode, text)
		}
		for _, r := range text {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%q: %q has %U", rest, text, r)
			}
		}
		if isUSSD(rest) && !strings.HasSuffix(rest, "@") { // an @ at the end may be filling
			octets, err := hex.DecodeString(ussdPacked.encode(rest))
			if got := unpackUSSD(octets); err == nil && got != rest {
				t.Errorf("%q is packed to % X, which is %q", rest, octets, got)
			}
		}
	})
}

// TestUSSD: what is asked of which modem, and how it ends.
func TestUSSD(t *testing.T) {
	const plain, packed = `AT+CUSD=1,"*100#",15`, `AT+CUSD=1,"AA180C3602",15`
	answered := "\r\n+CUSD: 0,\"Available Balance: R 96.45 .\",15\r\n"
	tests := []struct {
		name  string
		how   func(*fake)
		want  string
		err   error
		asked []string // of AT+CUSD and AT^USSDMODE
	}{
		{"behind the OK", func(f *fake) { f.hooks[plain] = func() { f.later(5*time.Second, answered) } },
			"Available Balance: R 96.45 .", nil, []string{plain}},
		{"before the OK", func(f *fake) { f.set(plain, answered+"\r\nOK\r\n") }, "Available Balance: R 96.45 .", nil, []string{plain}},
		{"before an ERROR", func(f *fake) { f.set(plain, answered+"\r\nERROR\r\n") }, "Available Balance: R 96.45 .", nil, []string{plain}},
		{"in lines, with reports around", func(f *fake) {
			f.hooks[plain] = func() {
				f.later(time.Second, "\r\n+CREG: 5\r\n\r\n+CUSD: 0,\"Vash balans 968.98 r.\n")
				f.later(1500*time.Millisecond, "Podkl.: *320#\",15\r\n^RSSI:9\r\n")
			}
		}, "Vash balans 968.98 r.\nPodkl.: *320#", nil, []string{plain}},
		{"without the quote at its end", func(f *fake) { f.hooks[plain] = func() { f.later(time.Second, "\r\n+CUSD: 0,\"Saldo\r\n5,00\r\n") } },
			"Saldo\n5,00", nil, []string{plain}},
		{"Huawei wants it packed", func(f *fake) {
			f.set("AT+CGMI", "\r\nhuawei\r\n\r\nOK\r\n")
			f.hooks[packed] = func() {
				f.later(time.Second, "\r\n+CUSD: 0,\"49B41C74ACD3D16171D90D32FBE52072BA0C72CA5D\",15\r\n")
			}
		}, "Ihr Guthaben für die Nr.", nil, []string{packed}},
		{"Huawei's E1752 wants another mode (python-gsmmodem)", func(f *fake) {
			f.set("AT+CGMI", "\r\nhuawei\r\n\r\nOK\r\n", packed, "\r\nERROR\r\n")
			f.hooks[plain] = func() { f.later(time.Second, answered) }
		}, "Available Balance: R 96.45 .", nil, []string{packed, "AT^USSDMODE=0", plain}},
		{"not known so: the other form", func(f *fake) {
			f.hooks[plain] = func() { f.later(time.Second, "\r\n+CUSD: 4\r\n") }
			f.hooks[packed] = func() { f.later(time.Second, answered) }
		}, "Available Balance: R 96.45 .", nil, []string{plain, packed}},
		{"not known at all", func(f *fake) {
			f.hooks[plain] = func() { f.later(time.Second, "\r\n+CUSD: 4\r\n") }
			f.set(packed, "\r\nERROR\r\n")
		}, "", ErrUSSDUnsupported, []string{plain, packed}},
		{"CSCS UCS2", func(f *fake) {
			f.set("AT+CSCS?", "\r\n+CSCS: \"UCS2\"\r\n\r\nOK\r\n")
			f.hooks[`AT+CUSD=1,"002A0031003000300023",15`] = func() { f.later(time.Second, "\r\n+CUSD: 0,\"00420061006C0020003500200045\",15\r\n") }
		}, "Bal 5 E", nil, []string{`AT+CUSD=1,"002A0031003000300023",15`}},
		{"no network", func(f *fake) { f.set(plain, "\r\n+CME ERROR: 30\r\n") }, "", CMEError(30), []string{plain}},
		{"silence", func(*fake) {}, "", ErrUSSDTimeout, []string{plain, "AT+CUSD=2"}},
		{"time-out of the network", func(f *fake) { f.set(plain, "\r\nOK\r\n\r\n+CUSD: 5\r\n") }, "", ErrUSSDTimeout, []string{plain}},
		{"ended by the network", func(f *fake) { f.set(plain, "\r\nOK\r\n\r\n+CUSD: 2\r\n") }, "", ErrUSSDEnded, []string{plain}},
		{"ended by the network, with a text", func(f *fake) { f.set(plain, "\r\nOK\r\n\r\n+CUSD: 2,\"Totsiens\",15\r\n") }, "Totsiens", nil, []string{plain}},
		{"answered elsewhere", func(f *fake) { f.set(plain, "\r\nOK\r\n\r\n+CUSD: 3\r\n") }, "", ErrUSSDElsewhere, []string{plain}},
		{"an end of the one before (python-gsmmodem issue 14)", func(f *fake) {
			f.set(plain, "\r\n+CUSD: 2,\"Initiating Release\",15\r\n\r\n+CUSD: 0,\"Wrong order test message\",15\r\n\r\nOK\r\n")
		}, "Wrong order test message", nil, []string{plain}},
		{"a client of the modem's own before (python-gsmmodem issue 14)", func(f *fake) {
			f.set(plain, "\r\nOK\r\n\r\n+CUSD: 3,\"Other local client responded\",15\r\n\r\n+CUSD: 0,\"Test2\",15\r\n")
		}, "Test2", nil, []string{plain}},
		{"restart", func(f *fake) { f.set(plain, "\r\nOK\r\n\r\nRDY\r\n") }, "", ErrRestarted, []string{plain}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.set("AT+CGMI", "\r\nQuectel\r\n\r\nOK\r\n", "AT+CSCS?", "\r\n+CSCS: \"GSM\"\r\n\r\nOK\r\n")
				tt.how(f)
				b := ready(t, f, nil)
				got, err := b.USSD(t.Context(), "*100#")
				if got.Text != tt.want || got.More || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
					t.Errorf("%+v, %v; want %q, %v", got, err, tt.want, tt.err)
				}
				synctest.Wait() // a restart is noticed by the one who asked before the state says so
				b.waitReady()
				if _, _, err := b.send(); err != nil {
					t.Errorf("a text afterwards: %v", err)
				}
				asked := slices.DeleteFunc(f.asked(), func(c string) bool { return !strings.HasPrefix(c, "AT+CUSD") && !strings.HasPrefix(c, "AT^USSD") })
				if !slices.Equal(asked, tt.asked) {
					t.Errorf("asked %q, want %q", asked, tt.asked)
				}
			})
		})
	}
}

// TestUSSDFormAgain: the form of codes is found out again when the modem was set up again: its alphabet may be another.
func TestUSSDFormAgain(t *testing.T) {
	const plain, ucs2 = `AT+CUSD=1,"*100#",15`, `AT+CUSD=1,"002A0031003000300023",15`
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CGMI", "\r\nQuectel\r\n\r\nOK\r\n", "AT+CSCS?", "\r\n+CSCS: \"GSM\"\r\n\r\nOK\r\n")
		for _, code := range []string{plain, ucs2} {
			f.hooks[code] = func() { f.later(time.Second, "\r\n+CUSD: 0,\"00420061006C0020003500200045\",15\r\n") }
		}
		b := ready(t, f, nil)
		if _, err := b.USSD(t.Context(), "*100#"); err != nil {
			t.Fatal(err)
		}
		f.set("AT+CSCS?", "\r\n+CSCS: \"UCS2\"\r\n\r\nOK\r\n")
		if _, err := b.Command(t.Context(), `AT+CSCS="UCS2"`); err != nil {
			t.Fatal(err)
		}
		if _, err := b.USSD(t.Context(), "*100#"); err != nil {
			t.Fatal(err)
		}
		if f.times(plain) != 1 || f.times(ucs2) != 1 {
			t.Errorf("asked %q; want the code once in each form", f.asked())
		}
	})
}

// TestUSSDDialogue: the network waits for an answer: it is given, or the network is told that none comes, after a minute
// or before a text. A code, as that of the balance, begins a dialogue of its own and is no answer.
func TestUSSDDialogue(t *testing.T) {
	const code, answer, end = `AT+CUSD=1,"*100#",15`, `AT+CUSD=1,"1",15`, "AT+CUSD=2"
	tests := []struct {
		name  string
		act   func(t *testing.T, b *bench)
		asked []string
	}{
		{"answered", func(t *testing.T, b *bench) {
			time.Sleep(50 * time.Second)
			if got, err := b.USSD(t.Context(), "1"); err != nil || got.Text != "5 EUR" || got.More {
				t.Errorf("%+v, %v", got, err)
			}
			time.Sleep(5 * time.Minute)
		}, []string{answer}},
		{"a menu's own #", func(t *testing.T, b *bench) {
			b.fake.set(`AT+CUSD=1,"#",15`, "\r\nOK\r\n\r\n+CUSD: 0,\"more\",15\r\n")
			if got, err := b.USSD(t.Context(), "#"); err != nil || got.Text != "more" {
				t.Errorf("%+v, %v", got, err)
			}
		}, []string{`AT+CUSD=1,"#",15`}},
		{"ended", func(t *testing.T, b *bench) {
			for range 2 { // once is enough
				if err := b.EndUSSD(t.Context()); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(5 * time.Minute)
		}, []string{end}},
		{"left", func(t *testing.T, b *bench) { time.Sleep(61 * time.Second) }, []string{end}},
		{"a text comes first", func(t *testing.T, b *bench) {
			if _, _, err := b.send(); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Minute)
		}, []string{end, "AT+CMGS=19"}},
		{"another code", func(t *testing.T, b *bench) {
			if _, err := b.USSD(t.Context(), "*100#"); err != nil {
				t.Error(err)
			}
		}, []string{end, code}},
		{"another code, and the network says that the first is over", func(t *testing.T, b *bench) {
			b.fake.change(func() {
				b.fake.hooks[end] = func() { b.fake.later(time.Second, "\r\n+CUSD: 2\r\n") }
				b.fake.hooks[code] = func() { b.fake.later(5*time.Second, "\r\n+CUSD: 0,\"5 EUR\",15\r\n") }
			})
			b.fake.set(code, "\r\nOK\r\n")
			if got, err := b.USSD(t.Context(), "*100#"); err != nil || got.Text != "5 EUR" {
				t.Errorf("%+v, %v", got, err)
			}
		}, []string{end, code}},
		{"the operator goes", func(t *testing.T, b *bench) {
			b.fake.set(answer, "\r\nOK\r\n")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := b.USSD(ctx, "1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want the operator's deadline", err)
			}
			time.Sleep(5 * time.Second)
		}, []string{answer, end}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.set("AT+CGMI", "\r\nQuectel\r\n\r\nOK\r\n", code, "\r\nOK\r\n\r\n+CUSD: 1,\"1 balance\",15\r\n", answer, "\r\nOK\r\n\r\n+CUSD: 0,\"5 EUR\",15\r\n")
				b := ready(t, f, nil)
				if got, err := b.USSD(t.Context(), "*100#"); err != nil || got.Text != "1 balance" || !got.More {
					t.Fatalf("%+v, %v", got, err)
				}
				f.forget()
				tt.act(t, b)
				asked := slices.DeleteFunc(f.asked(), func(c string) bool { return !strings.HasPrefix(c, "AT+CUSD") && !strings.HasPrefix(c, "AT+CMGS") })
				if !slices.Equal(asked, tt.asked) {
					t.Errorf("asked %q, want %q", asked, tt.asked)
				}
			})
		})
	}
}
