package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"smsgateway/modem"
)

// TestExampleIsComplete holds config.toml.example to the code: it loads, it says every key, and its values are the
// defaults, so that nobody changes anything by copying it.
func TestExampleIsComplete(t *testing.T) {
	text, err := os.ReadFile("config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseConfig("config.toml.example", string(text))
	if err != nil {
		t.Fatal(err)
	}
	if want := defaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("the example says other than the defaults:\n got %+v\nwant %+v", got, want)
	}

	whole := regexp.MustCompile(`(?m)^#(\[\[|\w+ = |$)`).ReplaceAllString(string(text), "$1")
	got, err = parseConfig("config.toml.example", whole)
	if err != nil {
		t.Fatalf("with its [[modem]] in force: %v", err)
	}
	port := "/dev/ttyUSB2"
	want := config{Modems: []modemConfig{{Port: port}}}
	want.modemDefaults()
	if !reflect.DeepEqual(got.Modems, want.Modems) {
		t.Errorf("the example's [[modem]] is %+v, want the defaults and a port: %+v", got.Modems, want.Modems)
	}

	if rules := []inboundRule{{Account: "shop", From: "+49"}}; !reflect.DeepEqual(got.Inbound, rules) {
		t.Errorf("the example's [[inbound]] is %+v, want %+v", got.Inbound, rules)
	}

	meta, err := toml.Decode(whole, new(map[string]any))
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]bool{}
	for _, k := range meta.Keys() {
		in[k.String()] = true
	}
	for _, key := range knownKeys() {
		if !in[key] {
			t.Errorf("%s is not in the example", key)
		}
	}
}

func TestParseConfig(t *testing.T) {
	with := func(change func(*config)) config {
		c := defaults()
		change(&c)
		for i := range c.Modems {
			c.Modems[i].BalanceEvery = duration(24 * time.Hour)
		}
		return c
	}
	for _, tt := range []struct {
		name, text string
		want       config
	}{
		{"empty", "", defaults()},
		{"comments and line ends of Windows", "# nothing\r\n\r\n[smpp]\r\n", defaults()},
		{"one key leaves the others", "[smpp]\nlisten = \"127.0.0.1:2775\"\n",
			with(func(c *config) { c.SMPP.Listen = "127.0.0.1:2775" })},
		{"days", "[messages]\nkeep = \"7d\"\nvalidity = \"1d12h\"\n", with(func(c *config) {
			c.Messages.Keep = duration(7 * 24 * time.Hour)
			c.Messages.Validity = duration(36 * time.Hour)
		})},
		{"nothing is erased", "[store]\nerase_within = \"0s\"\n", with(func(c *config) { c.Store.EraseWithin = 0 })},
		{"limits of accounts", "[accounts]\nrate = \"30/min\"\nmax_queued = 1000\nmax_queue_age = \"1d\"\nper_day = 500\nper_month = 9000\n" +
			"destinations = [\"+49\", \"-+4990\"]\n",
			with(func(c *config) {
				c.Accounts = accountsConfig{"30/min", 1000, duration(24 * time.Hour), 500, 9000, []string{"+49", "-+4990"}}
			})},
		{"two simulated modems", "[[modem]]\nport = \"simulated\"\n[[modem]]\nport = \"simulated\"\n", with(func(c *config) {
			c.Modems = []modemConfig{
				{Name: "modem1", Port: "simulated", Baud: 115200},
				{Name: "modem2", Port: "simulated", Baud: 115200},
			}
		})},
		{"who gets texts", "[[inbound]]\naccount = \"a\"\nmodem = \"modem1\"\nkeyword = \"STOP\"\n[[inbound]]\naccount = \"b\"\n[[modem]]\nport = \"simulated\"\n",
			with(func(c *config) {
				c.Modems = []modemConfig{{Name: "modem1", Port: "simulated", Baud: 115200}}
				c.Inbound = []inboundRule{{Account: "a", Modem: "modem1", Keyword: "STOP"}, {Account: "b"}}
			})},
		{"rules of a modem", "[[modem]]\nport = \"/dev/a\"\nprefixes = [\"+49\", \"43\"]\naccounts = [\"shop\"]\nsources = []\nspill_after = \"10m\"\nper_hour = 60\nquiet = \"22:00-07:00\"\n",
			with(func(c *config) {
				c.Modems = []modemConfig{{Name: "modem1", Port: "/dev/a", Baud: 115200, Prefixes: []string{"+49", "43"}, Accounts: []string{"shop"},
					SpillAfter: "10m", PerHour: 60, Quiet: "22:00-07:00"}}
			})},
		{"no status page", "[admin]\nlisten = \"\"\n", with(func(c *config) { c.Admin.Listen = "" })},
		{"modems get names and a rate", "[[modem]]\nport = \"/dev/a\"\n[[modem]]\nport = \"/dev/b\"\nbaud = 9600\npin = \"0123\"\n",
			with(func(c *config) {
				c.Modems = []modemConfig{
					{Name: "modem1", Port: "/dev/a", Baud: 115200},
					{Name: "modem2", Port: "/dev/b", Baud: 9600, PIN: "0123"},
				}
			})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseConfig("config.toml", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// faulty is a file with something to mend, and the lines of the error.
type faulty struct {
	name, text string
	want       []string
}

// isNoKey is how the error ends about a key that no account can have.
const isNoKey = "; an Account Key has 1 to 15 characters of ASCII, none of them a blank, a quote or a slash; see smsgateway account list"

func (tt faulty) try(t *testing.T) {
	_, err := parseConfig("config.toml", tt.text)
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	if !reflect.DeepEqual(got, tt.want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
	}
}

// TestUnreadable: what is no TOML, or not what a key takes.
func TestUnreadable(t *testing.T) {
	for _, tt := range []faulty{
		{"unknown key", "\n\n[smpp]\nlisten = \":7777\"\nlisen = 1\n",
			[]string{`config.toml:5: unknown key "smpp.lisen"; did you mean "smpp.listen"?`}},
		{"unknown key behind a value of several lines", "[smpp]\nsystem_id = \"\"\"\na\"\"\"\nxyzzy = [\n1,\n2]\n",
			[]string{`config.toml:4: unknown key "smpp.xyzzy"`}},
		{"unknown table is told once", "[smtp]\nlisten = 1\nport = 2\n",
			[]string{`config.toml:1: unknown key "smtp"; did you mean "smpp"?`}},
		{"key in the wrong table", "system_id = \"x\"\n",
			[]string{`config.toml:1: unknown key "system_id"; did you mean "smpp.system_id"?`}},
		{"nearly a key of another table", "lisen = \"a:1\"\nlevl = \"debug\"\nmax_sesions = 3\nport = \"auto\"\nto = 3\nlist = 1\n",
			[]string{
				`config.toml:1: unknown key "lisen"; did you mean "smpp.listen"?`, `config.toml:2: unknown key "levl"; did you mean "log.level"?`,
				`config.toml:3: unknown key "max_sesions"; did you mean "smpp.max_sessions"?`,
				`config.toml:4: unknown key "port"; did you mean "modem.port"?`, `config.toml:5: unknown key "to"`, `config.toml:6: unknown key "list"`,
			}},
		{"text for a list", "[[modem]]\nport = \"auto\"\nprefixes = \"+49\" # home\n",
			[]string{`config.toml:3: modem.prefixes: is text in quotes, and must be a list: prefixes = ["+49"]`}},
		{"text for a list, of several", "[[modem]]\nport = \"auto\"\naccounts = 'shop, bank'\n",
			[]string{`config.toml:3: modem.accounts: is text in quotes, and must be a list: accounts = ["shop", "bank"]`}},
		{"number for a list", "[[modem]]\nport = \"auto\"\nprefixes = +49\n",
			[]string{`config.toml:3: modem.prefixes: is a number, and must be a list: prefixes = ["+49"]`}},
		{"text of several lines for a list", "[[modem]]\nport = \"auto\"\nprefixes = \"\"\"\n49\"\"\"\n",
			[]string{`config.toml:3: modem.prefixes: is text in quotes, and must be a list, as in ["a", "b"]`}},
		{"unknown key of two modems", "[[modem]]\nport = \"/dev/a\"\nspeed = 1\n[[modem]]\nport = \"/dev/b\"\nspeed = 1\n",
			[]string{`config.toml:3: unknown key "modem.speed"`, `config.toml:6: unknown key "modem.speed"`}},
		{"wrong kind", "[smpp]\nwindow = \"many\"\n",
			[]string{`config.toml:2: smpp.window: is text in quotes, and must be a whole number, as in 60`}},
		{"wrong kind in the first of two modems", "[[modem]]\nport = 7\n[[modem]]\nport = \"/dev/b\"\n",
			[]string{`config.toml:2: modem.port: is a number, and must be text in quotes: port = "7"`}},
		{"one prefix without its list", "[[modem]]\nport = \"/dev/a\"\nprefixes = \"+49\"\n",
			[]string{`config.toml:3: modem.prefixes: is text in quotes, and must be a list: prefixes = ["+49"]`}},
		{"time without its unit", "[[modem]]\nport = \"/dev/a\"\nspill_after = 10\n",
			[]string{`config.toml:3: modem.spill_after: is a number, and must be text in quotes, with its unit, as in "10m"`}},
		{"number with a point", "[[modem]]\nport = \"/dev/a\"\nper_hour = 1.5\n",
			[]string{`config.toml:3: modem.per_hour: is a number with a point, and must be a whole number, as in 60`}},
		{"one bracket", "[modem]\nport = \"/dev/a\"\n",
			[]string{`config.toml:1: modem: takes two brackets, as there may be several: write [[modem]]`}},
		{"one bracket of a rule", "[inbound]\naccount = \"a\"\n",
			[]string{`config.toml:1: inbound: takes two brackets, as there may be several: write [[inbound]]`}},
		{"a port where a table belongs", "modem = \"/dev/a\"\n",
			[]string{`config.toml:1: modem: is text in quotes, and must be a table: write [[modem]]`}},
		{"several quiet hours", "[[modem]]\nport = \"/dev/a\"\nquiet = [\"22:00-07:00\", \"12:00-13:00\"]\n",
			[]string{`config.toml:3: modem.quiet: is a list, and must be text, one span only: quiet = "22:00-07:00"`}},
		{"a number for text", "[[modem]]\nport = \"/dev/a\"\n  balance_low = 2.00 # of euros\r\n",
			[]string{`config.toml:3: modem.balance_low: is a number with a point, and must be text in quotes: balance_low = "2.00"`}},
		{"a number for a number of a phone", "[[modem]]\nsmsc = +491710760000\nport = \"/dev/a\"\n",
			[]string{`config.toml:2: modem.smsc: is a number, and must be text in quotes: smsc = "+491710760000"`}},
		{"a time for text", "[[modem]]\nquiet = 22:00:00\nport = \"/dev/a\"\n",
			[]string{`config.toml:2: modem.quiet: is a date or a time, and must be text in quotes: quiet = "22:00:00"`}},
		{"a list of numbers", "[[modem]]\nprefixes = [49, 43]\nport = \"/dev/a\"\n",
			[]string{`config.toml:2: modem.prefixes: is a number, and must be text in quotes: prefixes = ["49", "43"]`}},
		{"a list for a time", "[messages]\nkeep = [\"24h\"]\n",
			[]string{`config.toml:2: messages.keep: is a list, and must be text in quotes`}},
		{"a mistyped key that is needed", "[[modem]]\nport = \"/dev/a\"\n[[modem]]\nprt = \"/dev/b\"\n[[modem]]\nname = \"c\"\n[[inbound]]\nacount = \"a\"\n",
			[]string{
				`config.toml:4: unknown key "modem.prt"; did you mean "modem.port"?`,
				`config.toml:5: modem.port is empty; name the device, as in port = "/dev/ttyUSB2", or let it be found: port = "auto"`,
				`config.toml:8: unknown key "inbound.acount"; did you mean "inbound.account"?`,
			}},
		{"a mistyped key beside the right one", "[[modem]]\nport = \"ttyS0\"\nprt = \"/dev/b\"\n",
			[]string{
				`config.toml:2: modem.port is "ttyS0"; it takes a whole path: write "/dev/ttyS0"`,
				`config.toml:3: unknown key "modem.prt"; did you mean "modem.port"?`,
			}},
		{"table where a value belongs", "[data_dir]\n", []string{`config.toml:1: data_dir: is a table, and must be text in quotes`}},
		{"value where a table belongs", "smpp = 1\n", []string{`config.toml:1: smpp: must be a table, as in [smpp]`}},
		{"no time", "[smpp]\nresponse = \"10\"\n",
			[]string{`config.toml:2: smpp.response: "10" is no time; write it as "30s", "15m", "24h" or "7d"`}},
		{"syntax at a place that the toml package can't tell", "a0emaa0=\"\r\n[[modem]]\n[[[mama0]",
			[]string{`config.toml: strings cannot contain newlines`}},
		{"syntax", "[smpp]\nwindow = = 3\n", []string{
			`config.toml:2: expected value but found '=' instead`,
			``,
			`At line 2, column 10:`,
			``,
			`      1 | [smpp]`,
			`      2 | window = = 3`,
			`                   ^`,
		}},
	} {
		t.Run(tt.name, tt.try)
	}
}

// TestInvalid: what Validate finds.
func TestInvalid(t *testing.T) {
	for _, tt := range []faulty{
		{"all faults at once, in the order of the file", "[messages]\nuncertain = \"perhaps\"\nmax_parts = 0\n[smpp]\nlisten = \"7777\"\nlog = 1\n",
			[]string{
				`config.toml:2: messages.uncertain is "perhaps"; take one of report, never, resend`,
				`config.toml:3: messages.max_parts is 0; it takes 1 to 255`,
				`config.toml:5: smpp.listen is "7777"; it takes host:port, as in "127.0.0.1:7777"`,
				`config.toml:6: unknown key "smpp.log"; did you mean "log"?`,
			}},
		{"one address twice", "[admin]\nlisten = \"0.0.0.0:7777\"\n",
			[]string{`config.toml:2: admin.listen is "0.0.0.0:7777", as smpp.listen; it takes a port of its own, as in "127.0.0.1:7780"`}},
		{"rules of a modem", "[[modem]]\nport = \"/dev/a\"\nprefixes = [\"49\", \"4x\"]\naccounts = [\"\"]\nsources = [\"\"]\nspill_after = \"soon\"\nper_day = -1\nquiet = \"22:00\"\n",
			[]string{
				`config.toml:3: modem.prefixes has "4x"; it takes the first digits of numbers, as in "+49"`,
				`config.toml:4: modem.accounts has ""` + isNoKey,
				`config.toml:5: modem.sources has ""; it takes a source_addr of 1 to 20 characters`,
				`config.toml:6: modem.spill_after is "soon"; it takes a time as in "10m", or "never"`,
				`config.toml:7: modem.per_day is -1; it takes 1 to 1000000, or 0 for no limit`,
				`config.toml:8: modem.quiet is "22:00"; it takes hours of the day, as in "22:00-07:00"`,
			}},
		{"modems", "[[modem]]\nname = \"a\"\nport = \"/dev/a\"\n[[modem]]\nname = \"a\"\nport = \"/dev/a\"\nbaud = 14400\nsmsc = \"+49x\"\n",
			[]string{
				`config.toml:5: modem.name is "a", as another modem's; each needs a name of its own`,
				`config.toml:6: modem.port is "/dev/a", as another modem's`,
				`config.toml:7: modem.baud is 14400, a rate that serial lines don't have; 115200 fits nearly all modems; ` +
					`there are 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, ` +
					`500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000`,
				`config.toml:8: modem.smsc is "+49x"; it takes a number of up to 20 digits, as in "+491710760000"`,
			}},
		{"modem without a port", "\n[[modem]]\n", []string{`config.toml:2: modem.port is empty; name the device, as in port = "/dev/ttyUSB2", or let it be found: port = "auto"`}},
		{"ports that are none", "[[modem]]\nport = \"ttyUSB0\"\n[[modem]]\nport = \"Auto\"\n[[modem]]\nport = \"simulate\"\n" +
			"[[modem]]\nport = \"356938035643809\"\n[[modem]]\nport = \"IMEI 356938035643809\"\n",
			[]string{
				`config.toml:2: modem.port is "ttyUSB0"; it takes a whole path: write "/dev/ttyUSB0"`,
				`config.toml:4: modem.port is "Auto"; did you mean "auto"?`,
				`config.toml:6: modem.port is "simulate"; did you mean "simulated"?`,
				`config.toml:8: modem.port is "356938035643809"; write a modem's number as in "imei:356938035643809", a SIM card's as in "iccid:8949010000123456789"`,
				`config.toml:10: modem.port is "IMEI 356938035643809"; write a modem's number as in "imei:356938035643809", a SIM card's as in "iccid:8949010000123456789"`,
			}},
		{"an IMEI with a typing error", "[[modem]]\nport = \"imei:356938035643808\"\n",
			[]string{`config.toml:2: modem.port is "imei:356938035643808"; its last digit does not fit: a typing error? (If the modem itself says so, write the first 14 digits)`}},
		{"quiet hours without an end", "[[modem]]\nport = \"/dev/a\"\nquiet = \"22:00-22:00\"\n[[modem]]\nport = \"/dev/b\"\nquiet = \"0:00-00:00\"\n" +
			"[[modem]]\nport = \"/dev/c\"\nquiet = \"x-x\"\n",
			[]string{
				`config.toml:3: modem.quiet is "22:00-22:00"; its begin and end are the same; it takes hours of the day, as in "22:00-07:00"`,
				`config.toml:6: modem.quiet is "0:00-00:00"; its begin and end are the same; it takes hours of the day, as in "22:00-07:00"`,
				`config.toml:9: modem.quiet is "x-x"; it takes hours of the day, as in "22:00-07:00"`,
			}},
		{"numbers of modems and SIMs", "[[modem]]\nport = \"imei:35693803564380\"\n[[modem]]\nport = \"imei:356938035643809\"\n" +
			"[[modem]]\nport = \"imei:3569\"\n[[modem]]\nport = \"iccid:89490100001234x6789\"\n" +
			"[[modem]]\nport = \"iccid:8949010000123456789\"\n[[modem]]\nport = \"iccid:8949010000123456789F\"\n",
			[]string{
				`config.toml:4: modem.port is "imei:356938035643809", as another modem's`,
				`config.toml:6: modem.port is "imei:3569"; an IMEI has 15 digits, as in "imei:356938035643809"; a modem tells its own to AT+CGSN, and it is printed on it`,
				`config.toml:8: modem.port is "iccid:89490100001234x6789"; the number of a SIM card has 18 to 20 digits, as in "iccid:8949010000123456789"; it is printed on the card`,
				`config.toml:12: modem.port is "iccid:8949010000123456789F", as another modem's`,
			}},
		{"who gets texts", "[[inbound]]\naccount = \"a\"\nmodem = \"sim9\"\n[[modem]]\nport = \"/dev/a\"\n[[inbound]]\nfrom = \"+4917012345678901234567\"\nkeyword = \"two words\"\n" +
			"[[inbound]]\naccount = \"more than 15 octets\"\nfrom = \"\\n\"\n[messages]\ninbound_wait = \"8d\"\nresubmit_window = \"25h\"\n",
			[]string{
				`config.toml:3: inbound.modem is "sim9", and no [[modem]] has that name`,
				`config.toml:6: inbound.account is empty; name the account that gets these texts`,
				`config.toml:7: inbound.from is "+4917012345678901234567"; it takes the beginning of a number or a name, as in "+49"`,
				`config.toml:8: inbound.keyword is "two words"; it takes one word, without blanks`,
				`config.toml:10: inbound.account is "more than 15 octets"` + isNoKey,
				`config.toml:11: inbound.from is "\n"; it takes the beginning of a number or a name, as in "+49"`,
				`config.toml:13: messages.inbound_wait is 192h; it takes a time above zero, at most 7d`,
				`config.toml:14: messages.resubmit_window is 25h; it takes a time of 1s to 24h, or "0s" for off`,
			}},
		{"limits of accounts", "[accounts]\nrate = \"fast\"\nmax_queued = -1\nmax_queue_age = \"1ms\"\nper_day = -1\nper_month = 2000000000\n" +
			"destinations = [\"+49\", \"Germany\"]\n", []string{
			`config.toml:2: accounts.rate is wrong: "fast" is no rate; write it as "10/s", "30/min" or "500/h", with a whole number from 1 to 1000000`,
			`config.toml:3: accounts.max_queued is wrong: -1 is out of range: 1-1000000000, or 0 for no limit`,
			`config.toml:4: accounts.max_queue_age is wrong: 1ms is out of range: 1s to 441d, or 0s for no limit`,
			`config.toml:5: accounts.per_day is wrong: -1 is out of range: 1-1000000000, or 0 for no limit`,
			`config.toml:6: accounts.per_month is wrong: 2000000000 is out of range: 1-1000000000, or 0 for no limit`,
			`config.toml:7: accounts.destinations is wrong: "Germany" is no prefix of numbers; write +49, 11 for short codes, -+4990 for what is barred, or *`,
		}},
		{"keys that no account can have", "[messages]\ninbound_account = \"a b\"\n[[inbound]]\naccount = \"a/b\"\n[[modem]]\nport = \"/dev/a\"\n" +
			"accounts = [\"operator\", \"it's\"]\n", []string{
			`config.toml:2: messages.inbound_account is "a b"` + isNoKey,
			`config.toml:4: inbound.account is "a/b"` + isNoKey,
			`config.toml:7: modem.accounts has "it's"` + isNoKey,
		}},
		{"listen addresses", "[smpp]\nlisten = \":http\"\n[admin]\nlisten = \"::1\"\n", []string{
			`config.toml:2: smpp.listen is ":http"; its port must be a number from 0 to 65535`,
			`config.toml:4: admin.listen is "::1"; it takes host:port, as in "127.0.0.1:7780"`,
		}},
		{"times", "[smpp]\nsession_init = \"0s\"\nenquire_link = \"0s\"\nresponse = \"-1s\"\ninactivity = \"-1m\"\n[messages]\nkeep = \"0d\"\nvalidity = \"500d\"\nuncertain_wait = \"0s\"\n",
			[]string{
				`config.toml:2: smpp.session_init is 0s; it takes a time above zero`,
				`config.toml:3: smpp.enquire_link is 0s; it takes a time above zero`,
				`config.toml:4: smpp.response is -1s; it takes a time above zero`,
				`config.toml:5: smpp.inactivity is -1m; it takes a time, or "0s" for off`,
				`config.toml:7: messages.keep is 0s; it takes a time above zero`,
				`config.toml:8: messages.validity is 12000h; it takes a time above zero, at most 441d`,
				`config.toml:9: messages.uncertain_wait is 0s; it takes a time above zero, or "forever"`,
			}},
		{"words", "data_dir = \"\"\n[smpp]\nsystem_id = \"more than 15 octets\"\nmax_sessions = 0\nwindow = -1\n[messages]\nalphabet = \"klingon\"\ninbound_account = \"\\n\"\n[log]\nlevel = \"loud\"\n",
			[]string{
				`config.toml:1: data_dir is empty; name the directory for gateway.db`,
				`config.toml:3: smpp.system_id is "more than 15 octets"; it takes 1 to 15 characters of ASCII`,
				`config.toml:4: smpp.max_sessions is 0; it takes 1 to 1000`,
				`config.toml:5: smpp.window is -1; it takes 1 to 10000`,
				`config.toml:7: messages.alphabet is "klingon"; take one of auto, ascii, latin1, gsm7, utf8`,
				`config.toml:8: messages.inbound_account is "\n"` + isNoKey,
				`config.toml:10: log.level is "loud"; take one of debug, info, warn, error`,
			}},
	} {
		t.Run(tt.name, tt.try)
	}
}

// TestPorts: what a modem's port may be, and that modems may look for theirs side by side.
func TestPorts(t *testing.T) {
	text := ""
	for _, port := range []string{"auto", "auto", "simulated", "simulated", "imei:356938035643809", "imei:35693803564381", "imei:490154203237510", "imei:3569380356438201",
		"iccid:894901000012345678", "iccid:89490100001234567901", "iccid:8949010000123456791F", "/dev/x", "/dev/xF"} {
		text += "[[modem]]\nport = \"" + port + "\"\nusb_reset = true\n"
	}
	c, err := parseConfig("config.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Modems) != 13 || !c.Modems[12].USBReset {
		t.Errorf("modems: %+v", c.Modems)
	}
}

// TestPINsOfAuto: modems that are found by themselves cannot have different PINs.
func TestPINsOfAuto(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string
	}{
		{"port = \"auto\"\npin = \"8417\"\n[[modem]]\nport = \"auto\"\npin = \"8417\"", ""},
		{"port = \"auto\"\npin = \"8417\"\n[[modem]]\nport = \"auto\"", ""},
		{"port = \"auto\"\npin = \"8417\"\n[[modem]]\nport = \"imei:356938035643809\"\npin = \"9417\"", ""},
		{"port = \"auto\"\npin = \"8417\"\n[[modem]]\nport = \"/dev/x\"\n[[modem]]\nport = \"auto\"\npin = \"9417\"",
			"config.toml:8: modem.pin differs from that of another modem with port = \"auto\""},
	} {
		_, err := parseConfig("config.toml", "[[modem]]\n"+tt.text+"\n")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "417") {
			t.Errorf("the error shows a PIN: %v", err)
		}
	}
}

// TestPINIsNeverShown: whatever is wrong with a PIN, the error names the place and not the PIN.
func TestPINIsNeverShown(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"a number", "[[modem]]\npin = 8417\n"},
		{"a number with a leading zero", "[[modem]]\npin = 08417\n"},
		{"too long", "[[modem]]\npin = \"841784178\"\n"},
		{"no digits", "[[modem]]\npin = \"8417x\"\n"},
		{"quote not closed", "[[modem]]\npin = \"8417\n"},
		{"fault in the next line", "[[modem]]\npin = \"8417\"\nport = = 1\n"},
		{"in one line with others", "modem = [{pin = \"8417\", port}]\n"},
		{"key in quotes", "[[modem]]\n\"pin\" = '8417\n"},
		{"a list", "[[modem]]\nPIN = [\"8417\"]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig("config.toml", tt.text)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "8417") {
				t.Errorf("the error shows the PIN: %v", err)
			}
			if !strings.HasPrefix(err.Error(), "config.toml:") {
				t.Errorf("the error does not say where: %v", err)
			}
		})
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	got, err := loadConfig("")
	if err != nil || !reflect.DeepEqual(got, defaults()) {
		t.Errorf("no file: %+v, %v; want the defaults", got, err)
	}

	if _, err := loadConfig("missing.toml"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing.toml") ||
		!strings.HasSuffix(err.Error(), "give the path with --config") {
		t.Errorf("a file that was asked for and is not there: %v", err)
	}

	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(defaultConfig, "data_dir = \"mine\"\n")
	if got, err := loadConfig(""); err != nil || got.DataDir != "mine" {
		t.Errorf("./config.toml: data_dir %q, %v; want mine", got.DataDir, err)
	}

	other := filepath.Join(dir, "etc")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(other, "sms.toml")
	write(named, "")
	if got, err := loadConfig(named); err != nil || got.DataDir != filepath.Join(other, "data") {
		t.Errorf("relative data_dir: %q, %v; want it beside the file", got.DataDir, err)
	}
	write(named, "data_dir = \"/var/lib/sms\"\n")
	if got, err := loadConfig(named); err != nil || got.DataDir != "/var/lib/sms" {
		t.Errorf("absolute data_dir: %q, %v", got.DataDir, err)
	}
	write(named, "[smpp]\nlisen = 1\n")
	if _, err := loadConfig(named); err == nil || !strings.HasPrefix(err.Error(), named+":2: unknown key") {
		t.Errorf("unknown key: %v; want the file, the line and the key", err)
	}
}

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"0s", 0, true},
		{"0d", 0, true},
		{"90s", 90 * time.Second, true},
		{"1h30m", 90 * time.Minute, true},
		{"7d", 7 * 24 * time.Hour, true},
		{"1d12h", 36 * time.Hour, true},
		{"-5s", -5 * time.Second, true}, // Validate refuses it with its key
		{"", 0, false},
		{"5", 0, false},
		{"d", 0, false},
		{"-1d", 0, false},
		{"+1d", 0, false},
		{"1.5d", 0, false},
		{"1d-1h", 0, false},
		{"1d100h", 0, false},
		{"1d1d", 0, false},
		{"10001d", 0, false},
		{"99999999999999999999d", 0, false},
	} {
		var got duration
		err := got.UnmarshalText([]byte(tt.text))
		if (err == nil) != tt.ok || time.Duration(got) != tt.want {
			t.Errorf("%q: %v, %v; want %v, ok %v", tt.text, time.Duration(got), err, tt.want, tt.ok)
		}
	}
}

// FuzzParseConfig: no text makes it panic, and what it accepts is valid and has a line for each of its keys.
func FuzzParseConfig(f *testing.F) {
	if text, err := os.ReadFile("config.toml.example"); err == nil {
		f.Add(string(text))
	}
	f.Add("[smpp]\nlisen = 1\n")
	f.Add("modem = [{port = \"/dev/a\"}, {pin = 1}]\n")
	f.Add("a.b = \"\"\"\nx\"\"\"\n[[modem]]\n[modem.x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("config.toml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "config.toml:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("accepted, but not valid: %v", err)
		}
		meta, err := toml.Decode(text, new(map[string]any))
		if err != nil {
			t.Fatalf("accepted, but no TOML: %v", err)
		}
		if got, want := len(keyLines(text)), len(meta.Keys()); got != want {
			t.Errorf("lines are known of %d keys, the file has %d", got, want)
		}
	})
}

// TestInvalidBalance: faults of the balance keys name what is near, and where.
func TestInvalidBalance(t *testing.T) {
	for _, tt := range []faulty{
		{"balance", "[[modem]]\nport = \"/dev/a\"\nbalance = \"de-o3\"\nbalance_match = \"[0-9\"\nbalance_every = \"9m\"\nbalance_low = \"-1\"\n" +
			"[[modem]]\nport = \"/dev/b\"\nbalance = \"o2\"\nbalance_match = \"€ [0-9]+\"\n[[modem]]\nport = \"/dev/c\"\nbalance_low = \"2.00\"\n" +
			"[[modem]]\nport = \"/dev/d\"\nbalance = \"whatever\"\n",
			[]string{
				`config.toml:3: modem.balance is "de-o3"; it takes a code, as in "*100#", or the name of a preset, near it de-o2, ie-o2; all: docs/modems.md`,
				`config.toml:4: modem.balance_match is no regular expression: missing closing ] at character 1, "[0-9"`,
				`config.toml:5: modem.balance_every is 9m; it takes 10m or more: texts wait while the network is asked`,
				`config.toml:6: modem.balance_low is "-1"; it takes an amount above zero, as in "2.00"`,
				`config.toml:9: modem.balance is "o2"; it takes a code, as in "*100#", or the name of a preset, near it cz-o2, de-o2, ie-o2, uk-o2; all: docs/modems.md`,
				`config.toml:10: modem.balance_match has no group; put the amount in brackets, as in "credit: ([0-9.]+)"`,
				`config.toml:13: modem.balance_low is of no use without balance`,
				`config.toml:16: modem.balance is "whatever"; it takes a code, as in "*100#", or the name of a preset, a country and an operator, as in "de-o2"; all: docs/modems.md`,
			}},
	} {
		t.Run(tt.name, tt.try)
	}
}

// TestBalanceRule: what the gateway is told of the balance keys.
func TestBalanceRule(t *testing.T) {
	for _, tt := range []struct {
		name, keys, code, match string
		low                     int64
		every                   time.Duration
	}{
		{"nothing", "", "", "", 0, 0},
		{"a preset", `balance = "de-o2"`, "*101#", "", 0, 24 * time.Hour},
		{"a code", "balance = \"*100#\"\nbalance_low = \"2\"\nbalance_every = \"6h\"", "*100#", "", 200, 6 * time.Hour},
		{"a pattern", "balance = \"*100#\"\nbalance_match = 'left: (\\d+)'\nbalance_low = \"1,5\"", "*100#", `left: (\d+)`, 150, 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseConfig("config.toml", "[[modem]]\nport = \"/dev/a\"\n"+tt.keys+"\n")
			if err != nil {
				t.Fatal(err)
			}
			got := c.Modems[0].rules().Balance
			match := ""
			if got.Query.Match != nil {
				match = got.Query.Match.String()
			}
			if got.Query.USSD != tt.code || match != tt.match || got.Low != tt.low || got.Every != tt.every {
				t.Errorf("%s gives %q, pattern %q, low %d, every %s", tt.keys, got.Query.USSD, match, got.Low, got.Every)
			}
		})
	}
}

// TestSpecOfProbe: the port that a probe proposes is one that the configuration takes.
func TestSpecOfProbe(t *testing.T) {
	for last := '0'; last <= '9'; last++ {
		for _, imei := range []string{"35693803564380" + string(last), "35693803564380" + string(last) + "1", "35693803564380" + string(last) + "12"} {
			spec := modem.Identity{IMEI: imei}.Spec()
			if why := portFault(spec); why != "" || spec == "" {
				t.Errorf("a modem says %s; its port would be %q: %s", imei, spec, why)
			}
		}
	}
}
