package gateway

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// TestEveryDataCoding: what each of the 256 values is read as, and TP-DCS on air: of a text that GSM 7 bit has, and of one
// that it lacks a character of.
func TestEveryDataCoding(t *testing.T) {
	const account = "the account's alphabet"
	type row struct {
		from, to uint8
		readAs   string // "" is refused
		data     string // in that reading
		text     string // what data say
		dcs      int    // of data; -1: with the low two bits of data_coding, as a class; -2: data_coding itself
		wide     int    // of "Ж" in that reading, 0 where that is not asked, -3: refused; -1 as above, with 0x18
	}
	rows := []row{
		{0x00, 0x01, account, "A", "A", 0x00, 0x08},
		{0x02, 0x02, readAsOctets, "\x00\xFF", "00FF", 0x04, 0},
		{0x03, 0x03, readAsLatin1, "\xE9", "é", 0x00, 0},
		{0x04, 0x04, readAsOctets, "\x00\xFF", "00FF", 0x04, 0},
		{0x05, 0x05, "Shift JIS", "\x93\xFA\x96\x7B", "日本", 0x08, 0},
		{0x06, 0x06, "ISO 8859-5", "\xBF\xE0\xD8", "При", 0x08, 0},
		{0x07, 0x07, "ISO 8859-8", "\xF9\xEC\xE5\xED", "שלום", 0x08, 0},
		{0x08, 0x08, readAsUCS2, "\x00A", "A", 0x08, 0},
		{0x09, 0x09, "", "\x00A", "", 0, 0},
		{0x0A, 0x0A, "ISO-2022-JP", "\x1b$BF|K\\\x1b(B", "日本", 0x08, 0},
		{0x0B, 0x0C, account, "A", "A", 0x00, 0x08},
		{0x0D, 0x0D, "EUC-JP", "\xC6\xFC\xCB\xDC", "日本", 0x08, 0},
		{0x0E, 0x0E, "KS C 5601", "\xB0\xA1", "가", 0x08, 0},
		{0x0F, 0x0F, account, "A", "A", 0x00, 0x08},
		{0x10, 0x13, account, "A", "A", -2, -1},
		{0x14, 0x17, readAsOctets, "\x00\xFF", "00FF", -2, 0},
		{0x18, 0x1B, readAsUCS2, "\x00A", "A", -2, 0},
		{0x1C, 0x1F, account, "A", "A", -1, -1}, // alphabet 3 is reserved: GSM 7 bit
		{0x20, 0xBF, account, "A", "A", 0x00, 0x08},
		{0xC0, 0xDF, account, "A", "A", -2, -3},
		{0xE0, 0xEF, readAsUCS2, "\x00A", "A", -2, 0},
		{0xF0, 0xF3, account, "A", "A", -2, -1},
		{0xF4, 0xF7, readAsOctets, "\x00\xFF", "00FF", -2, 0},
		{0xF8, 0xFB, account, "A", "A", -1, -1}, // bit 3 is reserved
		{0xFC, 0xFF, readAsOctets, "\x00\xFF", "00FF", -2, 0},
	}
	next := 0
	for _, r := range rows {
		if int(r.from) != next {
			t.Fatalf("the table jumps from %#02x to %#02x", next, r.from)
		}
		for n := int(r.from); n <= int(r.to); n++ {
			coding := uint8(n)
			dcs := func(want, group int) uint8 {
				switch want {
				case -1:
					return uint8(group) | coding&3
				case -2:
					return coding
				}
				return uint8(want)
			}
			rules := textRules{alphabet: AlphabetUTF8, maxParts: 10}
			c, err := convert(&smpp.SubmitSM{DataCoding: coding, ShortMessage: []byte(r.data)}, rules)
			if r.readAs == "" {
				if !errors.Is(err, smpp.StatusSubmitFail) {
					t.Errorf("%#02x: %v, want it refused", coding, err)
				}
				continue
			}
			readAs := c.readAs
			if readAs == readAsUTF8 {
				readAs = account
			}
			if text := readText(c.dcs, c.udh, c.parts); err != nil || readAs != r.readAs || text != r.text || c.dcs != dcs(r.dcs, n&0xF0) {
				t.Errorf("%#02x: read as %s, TP-DCS %#02x, %q, %v; want %s, %#02x, %q", coding, readAs, c.dcs, text, err,
					r.readAs, dcs(r.dcs, n&0xF0), r.text)
			}
			if r.wide == 0 {
				continue
			}
			c, err = convert(&smpp.SubmitSM{DataCoding: coding, ShortMessage: []byte("Ж")}, rules)
			switch {
			case r.wide == -3 && !errors.Is(err, smpp.StatusSubmitFail):
				t.Errorf("%#02x: Cyrillic gives %v, want it refused", coding, err)
			case r.wide != -3 && (err != nil || c.dcs != dcs(r.wide, 0x18)):
				t.Errorf("%#02x: Cyrillic gives TP-DCS %#02x, %v; want %#02x", coding, c.dcs, err, dcs(r.wide, 0x18))
			}
		}
		next = int(r.to) + 1
	}
	if next != 256 {
		t.Errorf("the table ends at %#02x", next)
	}
}

// TestCharacterSets: more of what the numbered character sets say, and what can't be read.
func TestCharacterSets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding uint8
		data   string
		text   string // "" is refused
		dcs    uint8
	}{
		{"Latin-1 with the quotes and the euro sign of Windows", 3, "\x93\x80\x94", "“€”", 0x08},
		{"Windows' euro sign", 3, "5 \x80", "5 €", 0x00},
		{"what Windows has not, either", 3, "a\x81", "a\u0081", 0x08},
		{"data_coding 0 with high octets is read so, too", 0, "5 \x80", "5 €", 0x00},
		{"Cyrillic with a NUL that the client counts", 6, "\xBF\xE0\xD8\x00", "При", 0x08},
		{"Latin letters in ISO 8859-5", 6, "abc", "abc", 0x00},
		{"nothing in ISO 8859-8", 7, "a\xBF", "", 0},
		{"Shift JIS, half width", 5, "\xB1\xB2", "ｱｲ", 0x08},
		{"half a character", 5, "a\x93", "", 0},
		{"JIS with escape sequences", 5, "\x1b$BF|K\\\x1b(B!", "日本!", 0x08},
		{"JIS with escape sequences under 13", 0x0D, "\x1b$BF|K\\\x1b(B", "日本", 0x08},
		{"EUC-JP with JIS X 0212", 0x0D, "\x8F\xB0\xA1", "丂", 0x08},
		{"not EUC-JP", 0x0D, "\xFF\xFF", "", 0},
		{"Latin letters in ISO-2022-JP", 0x0A, "abc", "abc", 0x00},
		{"Korean with the additions of Windows", 0x0E, "\x81\x41", "갂", 0x08},
		{"not Korean", 0x0E, "\xFF", "", 0},
		{"UCS-2 that fits GSM 7 bit stays", 8, "\x00h\x00i", "hi", 0x08},
		{"a byte order mark", 8, "\xFE\xFF\x00h", "h", 0x08},
		{"little endian", 8, "\xFF\xFEh\x00i\x00", "hi", 0x08},
		{"little endian, a pair", 8, "\xFF\xFE\x3C\xD8\x89\xDF", "🎉", 0x08},
		{"a mark alone", 8, "\xFE\xFF", " ", 0x08},
		{"half a pair goes as it came", 8, "\xD8\x3C", "\uFFFD", 0x08},
		{"odd", 8, "\x00h\x00", "", 0},
		{"flash with a mark", 0x18, "\xFF\xFEh\x00", "h", 0x18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := convert(&smpp.SubmitSM{DataCoding: tt.coding, ShortMessage: []byte(tt.data)},
				textRules{alphabet: AlphabetAuto, maxParts: 10})
			if tt.text == "" {
				if status := smpp.Status(0); !errors.As(err, &status) || status == 0 {
					t.Fatalf("got %q, %v; want it refused", c.text, err)
				}
				return
			}
			text := readText(c.dcs, c.udh, c.parts)
			if err != nil || text != strings.TrimSpace(tt.text) || c.dcs != tt.dcs {
				t.Errorf("got %q with %#02x, %v; want %q with %#02x", text, c.dcs, err, tt.text, tt.dcs)
			}
		})
	}
}

// TestUnencodable: what an account's settings make of a text that the default alphabet lacks a character of.
func TestUnencodable(t *testing.T) {
	tr, pt := []sms.Language{sms.Turkish}, []sms.Language{sms.Portuguese}
	long := strings.Repeat("a", 100)
	for _, tt := range []struct {
		name        string
		text        string
		unencodable string
		national    []sms.Language
		coding      uint8
		sent        string // "" is refused
		dcs         uint8
		udh         string
		why         string // of the refusal
	}{
		{"in the default alphabet", "hi", UnencodableReject, nil, 0, "hi", 0, "", ""},
		{"accents apart", "cafe\u0301 A\u030A", UnencodableReject, nil, 0, "café Å", 0, "", ""},
		{"ucs2", "it’s", UnencodableUCS2, nil, 0, "it’s", 8, "", ""},
		{"unset is ucs2", "it’s", "", nil, 0, "it’s", 8, "", ""},
		{"transliterate", "it’s", UnencodableTransliterate, nil, 0, "it's", 0, "", ""},
		{"transliterate, not all can be", "it’s Ж", UnencodableTransliterate, nil, 0, "it’s Ж", 8, "", ""},
		{"reject", "it’s “Ж”", UnencodableReject, nil, 0, "", 0, "", "4 of its characters are not in the GSM 7 bit alphabet: U+2019, U+201C, U+0416, U+201D"},
		{"a national table for what is short: UCS-2 is read by all", "ış", UnencodableUCS2, tr, 0, "ış", 8, "", ""},
		{"a national table", long + "ış", UnencodableUCS2, tr, 0, long + "ış", 0, "\x03\x24\x01\x01", ""},
		{"a national table before other characters", "ış", UnencodableTransliterate, tr, 0, "ış", 0, "\x03\x24\x01\x01", ""},
		{"a national table instead of a refusal", "ış", UnencodableReject, tr, 0, "ış", 0, "\x03\x24\x01\x01", ""},
		{"accents apart in a national table", "a\u0303", UnencodableReject, pt, 0, "ã", 0, "\x03\x24\x01\x03", ""},
		{"with a class", "ış", UnencodableReject, tr, 0xF1, "ış", 0xF1, "\x03\x24\x01\x01", ""},
		{"with a class, transliterated", "ış", UnencodableTransliterate, nil, 0x10, "is", 0x10, "", ""},
		{"Cyrillic under its own number", "Ж", UnencodableReject, nil, 0, "", 0, "", "1 of its characters are not in the GSM 7 bit alphabet: U+0416"},
		{"message waiting can't be wide", "ış", UnencodableUCS2, tr, 0xC8, "", 0, "", "2 of its characters are not in the GSM 7 bit alphabet: U+0131, U+015F"},
		{"message waiting, transliterated", "ış", UnencodableTransliterate, tr, 0xC8, "is", 0xC8, "", ""},
		{"emoji", "🎉🎉🎈🎁🎂🎃🎄", UnencodableReject, nil, 0, "", 0, "",
			"7 of its characters are not in the GSM 7 bit alphabet: U+1F389, U+1F388, U+1F381, U+1F382, U+1F383 and 1 more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := convert(&smpp.SubmitSM{DataCoding: tt.coding, ShortMessage: []byte(tt.text)},
				textRules{alphabet: AlphabetUTF8, unencodable: tt.unencodable, national: tt.national, maxParts: 10})
			if tt.sent == "" {
				if why := new(contentError); !errors.As(err, &why) || why.status != smpp.StatusSubmitFail || why.why != tt.why {
					t.Fatalf("got %v, want %q", err, tt.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := readText(c.dcs, c.udh, c.parts); got != tt.sent || c.sent != tt.sent || c.dcs != tt.dcs || string(c.udh) != tt.udh {
				t.Errorf("got %q (%q) with %#02x and %x, want %q with %#02x and %x", got, c.sent, c.dcs, c.udh, tt.sent, tt.dcs, tt.udh)
			}
		})
	}
}

func TestTransliterate(t *testing.T) {
	for _, tt := range []struct {
		text, want string // want "": it can't be
	}{
		{"“Hello” – it’s 5 o’clock…", `"Hello" - it's 5 o'clock...`},
		{"«oui» ‹non› „ja“", `"oui" 'non' "ja"`},
		{"señor, où, ça, São, Łódź, Žižek, ő, ů", "señor, où, ca, Sao, Lodz, Zizek, o, u"},
		{"Ǖber ǘ ế", "Über ü e"},
		{"œuvre ﬁn straẞe", "oeuvre fin straSSe"},
		{"10 ₺, 20 ₹, 5 ¢, 3 €", "10 TL, 20 INR, 5 c, 3 €"},
		{"20\u00A0°C ± 1\u2009µg × 2", "20 degC +- 1 ug x 2"},
		{"ＡＢＣ１２３＠！", "ABC123@!"},
		{"καλημέρα ΑΒΓ ΐ", "KAΛHMEPA ABΓ I"},
		{"so\u00ADft a\u200Bb", "soft ab"},
		{"user@exämple.de http://müller.de/?a=1", "user@exämple.de http://müller.de/?a=1"},
		{"see “http://example.com/a_b”…", `see "http://example.com/a_b"...`},
		{"http://café.fr/", "http://café.fr/"},
		{"http://exámple.fr/", ""}, // another address
		{"www.exámple.fr", ""},     //
		{"(www.exámple.fr)", ""},   //
		{"josé@exámple.fr’s", ""},  //
		{"żabka.pl", ""},           //
		{"(żabka.pl/promo?x)", ""}, //
		{"ŻABKA.PL:8080", ""},      //
		{"koniec.Następny, 5.99zł, “ząb.”, z.B. ő", `koniec.Nastepny, 5.99zl, "zab.", z.B. o`},
		{"100 μg, 5μm, 3 μ.μ.", "100 ug, 5um, 3 M.M."}, // a Greek letter where the sign for millionths is meant
		{"a·b 3·", "a.b 3."},
		{"3·5 = 15", ""},             // 3.5 is another number
		{"10² = 100", ""},            // 102 is another number
		{"1½", ""},                   //
		{"Привет", ""},               // another spelling is not ours to choose
		{"日本", ""},                   //
		{"party 🎉", ""},              //
		{"a\u0323\u0302\u20E0b", ""}, // a sign that nothing stands for
	} {
		got, ok := transliterate(tt.text)
		if ok != (tt.want != "") || ok && got != tt.want || !ok && got != tt.text {
			t.Errorf("%q: got %q, %t; want %q", tt.text, got, ok, tt.want)
		}
	}
	for r, s := range likes {
		if (sms.Shift{}).Septets(r) > 0 {
			t.Errorf("%U is in the default alphabet, and is in likes", r)
		}
		if _, err := sms.EncodeGSM7(s); err != nil {
			t.Errorf("%U becomes %q: %v", r, s, err)
		}
	}
}

// message is what is stored of c.
func message(c content) *store.Message {
	m := &store.Message{ID: 7, DCS: c.dcs, UDH: c.udh, Destination: sms.Address{Number: "491701234567"}, Accepted: time.Unix(0, 0),
		Parts: make([]store.Part, len(c.parts))}
	for i, data := range c.parts {
		m.Parts[i].Data = data
	}
	return m
}

// FuzzConvert: whatever a client sends is refused with a status, or goes out in parts that fit a TPDU and read as what
// was said to be sent.
func FuzzConvert(f *testing.F) {
	f.Add(uint8(0), uint8(0), []byte("a\x1bb@ü"), uint8(0), uint16(0))
	f.Add(uint8(8), uint8(0x40), []byte("\x03\x24\x01\x01\xFF\xFEa\x00"), uint8(1), uint16(0xFFFF))
	f.Add(uint8(0), uint8(0x40), []byte("\x03\x25\x01\x01\x07\x1d"), uint8(2), uint16(2))
	f.Add(uint8(5), uint8(0), []byte("\x1b$BF|K\\\x1b(B"), uint8(2), uint16(2))
	f.Fuzz(func(t *testing.T, coding, esm uint8, data []byte, choice uint8, languages uint16) {
		rules := textRules{maxParts: 255, alphabet: Alphabets()[int(choice)%5], unencodable: Unencodables()[int(choice/5)%3]}
		for _, l := range sms.Languages() {
			if languages>>l&1 != 0 {
				rules.national = append(rules.national, l)
			}
		}
		p := smpp.SubmitSM{DataCoding: coding, ESMClass: esm & 0x40, ShortMessage: data[:min(len(data), 254)]}
		c, err := convert(&p, rules)
		hints := newAlphabetHints()
		for range hintAfter {
			hints.look(store.Account{Key: "fuzz", Lane: 1}, rules.alphabet, coding, c.raw, slog.New(slog.DiscardHandler))
		}
		if list := hints.of(store.Account{Key: "fuzz", Lane: 1}, rules.alphabet); list != nil {
			t.Fatalf("one text, three times, makes the hint %+v", list)
		}
		explain(&p, rules)
		if err != nil {
			if status := smpp.Status(0); !errors.As(err, &status) || status == smpp.StatusOK {
				t.Fatalf("no status in %v", err)
			}
			return
		}
		if len(c.parts) == 0 {
			t.Fatal("no part")
		}
		m := message(c)
		for i := range m.Parts {
			tpdu, err := testGateway(noon).encodeTPDU(m, i, true, vpRelative, m.Accepted)
			if err != nil {
				t.Fatalf("part %d of %+v: %v", i+1, c, err)
			}
			if s, err := sms.ParseSubmit(tpdu); err != nil || s.DCS != c.dcs {
				t.Fatalf("part %d reads as %+v, %v", i+1, s, err)
			}
		}
		if got := readText(c.dcs, c.udh, c.parts); c.alphabet() != sms.Binary && got != c.sent {
			t.Fatalf("it reads as %q, want %q", got, c.sent)
		}
	})
}

// TestTextSettings: unencodable and national as people write them, and what they come to.
func TestTextSettings(t *testing.T) {
	g := &Gateway{opt: Options{}.withDefaults()}
	for _, tt := range []struct {
		set      Settings
		national string
		rules    []sms.Language
		fault    string
	}{
		{Settings{}, "", nil, ""},
		{Settings{"national": "tr, pt,tr", "unencodable": "reject"}, "tr,pt", []sms.Language{sms.Turkish, sms.Portuguese}, ""},
		{Settings{"national": "none"}, "", nil, ""},
		{Settings{"national": "tr,xx"}, "", nil, `national: "xx" is no language with a table; these are: tr, es, pt, bn, gu, hi, kn, ml, or, pa, ta, te, ur`},
		{Settings{"unencodable": "drop"}, "", nil, `unencodable: "drop" is none of ucs2, transliterate, reject`},
	} {
		var a store.Account
		err := tt.set.apply(&a, &g.opt)
		if (err != nil) != (tt.fault != "") || err != nil && err.Error() != tt.fault {
			t.Errorf("%v: %v, want %q", tt.set, err, tt.fault)
			continue
		}
		if rules := g.textRules(a); err == nil && (a.National != tt.national || !slices.Equal(rules.national, tt.rules) ||
			rules.unencodable != cmp.Or(tt.set["unencodable"], UnencodableUCS2)) {
			t.Errorf("%v: got %q and %+v", tt.set, a.National, rules)
		}
	}
}
