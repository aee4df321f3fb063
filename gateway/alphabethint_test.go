package gateway

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"smsgateway/sms"
	"smsgateway/store"
)

// TestAlphabetHints: three texts of each kind, and what is said of them, by the head of its words. The second half are
// ordinary texts, of which nothing is said.
func TestAlphabetHints(t *testing.T) {
	const (
		gsm7, ascii, utf8, latin1 = "what is sent under data_coding 0 looks like GSM 03.38", "what is sent under data_coding 0 looks like ASCII",
			"what is sent under data_coding 0 looks like UTF-8", "what is sent under data_coding 0 looks like ISO 8859-1"
		packed                 = "what is sent under data_coding 0 looks like packed"
		latin1UTF8, latin1GSM7 = "what is sent under data_coding 3 looks like UTF-8", "what is sent under data_coding 3 looks like GSM 03.38"
		narrow, little         = "what is sent under data_coding 8 looks like one octet", "what is sent under data_coding 8 looks like UTF-16LE"
	)
	pack := func(list ...string) []string {
		for i, s := range list {
			list[i] = string(sms.Pack([]byte(s), 0))
		}
		return list
	}
	wide := func(list ...string) []string {
		for i, s := range list {
			list[i] = string(sms.EncodeUCS2(s))
		}
		return list
	}
	le := func(list ...string) []string {
		for i, s := range wide(list...) {
			b := []byte(s)
			for j := 0; j < len(b); j += 2 {
				b[j], b[j+1] = b[j+1], b[j]
			}
			list[i] = string(b)
		}
		return list
	}
	for _, tt := range []struct {
		name     string
		alphabet string
		coding   uint8
		texts    []string
		want     string // "" nothing
	}{
		{"GSM 03.38 to auto", AlphabetAuto, 0, []string{"mail me a\x00b.de", "5 \x1be", "caf\x05 [x]"}, gsm7},
		{"GSM 03.38 under data_coding 1", AlphabetAuto, 1, []string{"a\x00b", "c\x11d", "\x02 5"}, gsm7},
		{"GSM 03.38 without control characters", AlphabetAuto, 0, []string{"am 3. M{rz", "f~r dich", "feliz a}o"}, gsm7},
		{"GSM 03.38 to ascii", AlphabetASCII, 0, []string{"a\x00b", "\x1b<x\x1b>", "\x07\x08"}, gsm7},
		{"GSM 03.38 to latin1", AlphabetLatin1, 0, []string{"a\x00b", "\x1b<x\x1b>", "\x07\x08"}, gsm7},
		{"ASCII to gsm7", AlphabetGSM7, 0, []string{"joe@example.com", "your file_name", "a@b"}, ascii},
		{"UTF-8 to latin1", AlphabetLatin1, 0, []string{"café", "für", "5 €"}, utf8},
		{"UTF-8 to ascii", AlphabetASCII, 0, []string{"Привет", "für", "日本"}, utf8},
		{"UTF-8 to gsm7", AlphabetGSM7, 0, []string{"café", "für", "5 €"}, utf8},
		{"Latin-1 to ascii", AlphabetASCII, 0, []string{"caf\xe9", "f\xfcr", "\xbfqu\xe9?"}, latin1},
		{"Latin-1 to utf8", AlphabetUTF8, 0, []string{"caf\xe9", "f\xfcr", "\xbfqu\xe9?"}, latin1},
		{"packed septets", AlphabetAuto, 0, pack("Your code is 123456", "Hello world, how are you", "See you tomorrow at 8"), packed},
		{"packed septets to gsm7", AlphabetGSM7, 0, pack("Your code is waiting", "Hello world, how are you", "See you tomorrow at 8"), packed},
		{"UTF-8 as Latin-1", AlphabetAuto, 3, []string{"café", "für", "5 €"}, latin1UTF8},
		{"GSM 03.38 as Latin-1", AlphabetAuto, 3, []string{"a\x00b", "c\x11d", "\x02 5"}, latin1GSM7},
		{"ASCII as UCS-2", AlphabetAuto, 8, []string{"Hello world!", "How are you?!", "See you soon"}, narrow},
		{"UTF-16LE", AlphabetAuto, 8, le("Hello world", "How are you?", "See you"), little},

		{"two are too few", AlphabetLatin1, 0, []string{"café", "für"}, ""},
		{"the same again", AlphabetLatin1, 0, []string{"café", "café", "café", "café"}, ""},
		{"some and others", AlphabetLatin1, 0, []string{"caf\xe9", "café", "für", "5 €"}, ""},
		{"English", AlphabetAuto, 0, []string{"Hi {name}, it's 5 o'clock", "yes|no", "~/file_name [x] a@b.de", `{"a":"b"}`, "x^2 \\ y", "50% off!"}, ""},
		{"English with what strays in", AlphabetAuto, 0, []string{"hello\x00", "page\x0cbreak", "a\tb\r\n", "end\x1a", "esc\x1b[0m"}, ""},
		{"French, Latin-1", AlphabetLatin1, 0, []string{"CAF\xc9\xa0!", "d\xe9j\xe0 vu \xe0 No\xebl", "\xabOUI\xc9\xbb", "\xc9T\xc9\xa0?"}, ""},
		{"German, Latin-1 to auto", AlphabetAuto, 0, []string{"Gr\xfc\xdfe aus K\xf6ln", "\xbbJA\xab, \xc4rger", "f\xfcr M\xe4rz", "\xd6l"}, ""},
		{"Spanish, GSM 03.38", AlphabetGSM7, 0, []string{"\x40Hola! \x60qu\x05 tal?", "a}o", "ma}ana, \x40s\x04!", "\x5f 5"}, ""},
		{"German, GSM 03.38", AlphabetGSM7, 0, []string{"Gr~~e aus K|ln", "f~r M{rz", "[rger \x00home"}, ""},
		{"UTF-8 to auto", AlphabetAuto, 0, []string{"café", "Привет", "日本", "5 €"}, ""},
		{"UTF-8 to utf8", AlphabetUTF8, 0, []string{"café", "Привет", "日本", "5 €"}, ""},
		{"Polish in ISO 8859-2 to auto", AlphabetAuto, 0, []string{"za\xbf\xf3\xb3\xe6 g\xea\xb6l\xb1 ja\xbc\xf1", "\xb3\xf3d\xbc", "dzi\xea\xb6"}, ""},
		{"Russian in KOI8-R to auto", AlphabetAuto, 0, []string{"\xf0\xd2\xc9\xd7\xc5\xd4 \xcd\xc9\xd2 \xcb\xc1\xcb", "\xf3\xd0\xc1\xd3\xc9\xc2\xcf \xd7\xc1\xcd \xd7\xd3\xc5\xcd", "\xf7\xc1\xdb \xcb\xcf\xc4 \xc7\xcf\xd4\xcf\xd7"}, ""},
		{"Latin-1", AlphabetAuto, 3, []string{"caf\xe9", "f\xfcr", "CAF\xc9\xa0!", "plain"}, ""},
		{"UCS-2: Chinese", AlphabetAuto, 8, wide("你好，世界，今天天气很好", "中文短信测试内容在这里", "验证码是一二三四五六"), ""},
		{"UCS-2: Latin, Cyrillic", AlphabetAuto, 8, wide("Hello world", "Привет мир", "Ünïcödé text", "12345678"), ""},
		{"UTF-16LE with its mark", AlphabetAuto, 8, []string{"\xff\xfe" + le("Hello world")[0], "\xff\xfe" + le("How are you")[0], "\xff\xfe" + le("See you")[0]}, ""},
		{"two texts to many, by turns", AlphabetASCII, 0, []string{"café", "für", "café", "für", "café"}, ""},
		{"binary", AlphabetASCII, 4, []string{"\x01\x02é", "\x03é", "\x04é"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newAlphabetHints()
			var log strings.Builder
			acct := store.Account{Key: "shop", Lane: 3}
			for _, text := range tt.texts {
				h.look(acct, tt.alphabet, tt.coding, []byte(text), slog.New(slog.NewTextHandler(&log, nil)))
			}
			list := h.of(acct, tt.alphabet)
			if tt.want == "" {
				if len(list) > 0 || log.Len() > 0 {
					t.Errorf("got %+v, and in the log %s", list, &log)
				}
				return
			}
			if len(list) != 1 || !strings.HasPrefix(list[0].Looks, tt.want) || list[0].Texts != len(tt.texts) || !strings.Contains(list[0].Mend, "shop") {
				t.Fatalf("got %+v, want %q of %d texts", list, tt.want, len(tt.texts))
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), fmt.Sprintf("looks=%q", list[0].Looks)) {
				t.Errorf("the log has %s", &log)
			}
			if other := h.of(acct, AlphabetAuto+"?"); other != nil {
				t.Errorf("after another setting there is %+v", other)
			}
			h.look(acct, "another", tt.coding, []byte(tt.texts[0]), slog.New(slog.DiscardHandler))
			if again := h.of(acct, tt.alphabet); again != nil {
				t.Errorf("after the setting was changed and put back there is %+v", again)
			}
		})
	}
}
