package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/store"
)

// config is what config.toml says; config.toml.example explains each key. It comes out of loadConfig complete: with a
// value for every key, checked, and data_dir as a path that is good from the working directory.
type config struct {
	DataDir  string         `toml:"data_dir"` // holds gateway.db and control.sock
	SMPP     smppConfig     `toml:"smpp"`
	Accounts accountsConfig `toml:"accounts"`
	Messages messagesConfig `toml:"messages"`
	Store    storeConfig    `toml:"store"`
	Admin    adminConfig    `toml:"admin"`
	Log      logConfig      `toml:"log"`
	Inbound  []inboundRule  `toml:"inbound"`
	Modems   []modemConfig  `toml:"modem"`
}

type smppConfig struct {
	Listen      string   `toml:"listen"`     // host:port; port 0 takes any free one; "" none
	TLSListen   string   `toml:"tls_listen"` // likewise, with TLS
	TLSCert     string   `toml:"tls_cert"`   // path of a file; "" the gateway makes one
	TLSKey      string   `toml:"tls_key"`
	SystemID    string   `toml:"system_id"`    // what bind_resp says
	MaxSessions int      `toml:"max_sessions"` // of one account at a time
	Window      int      `toml:"window"`       // requests of one session in work
	SessionInit duration `toml:"session_init"` // from connect to bind
	EnquireLink duration `toml:"enquire_link"` // silence after which we ask
	Inactivity  duration `toml:"inactivity"`   // no request for so long ends a session; 0 off
	Response    duration `toml:"response"`     // for an answer of the client

	MaxConnections int      `toml:"max_connections"` // of all, bound or not
	BanAfter       int      `toml:"ban_after"`       // wrong binds of one address; 0 never
	BanTime        duration `toml:"ban_time"`
}

// accountsConfig are limits of accounts that have none of their own; zero values are none.
type accountsConfig struct {
	Rate         string   `toml:"rate"` // as gateway.ParseRate reads it
	MaxQueued    int      `toml:"max_queued"`
	MaxQueueAge  duration `toml:"max_queue_age"`
	PerDay       int      `toml:"per_day"`
	PerMonth     int      `toml:"per_month"`
	Destinations []string `toml:"destinations"`
}

// limits is what the gateway makes of them.
func (c accountsConfig) limits() store.QueueLimits {
	return store.QueueLimits{MaxQueued: c.MaxQueued, MaxQueueAge: time.Duration(c.MaxQueueAge), PerDay: c.PerDay, PerMonth: c.PerMonth}
}

// destinations is the list in the form of the accounts' setting.
func (c accountsConfig) destinations() string { return gateway.Destinations(c.Destinations) }

type messagesConfig struct {
	Keep           duration `toml:"keep"`
	Validity       duration `toml:"validity"`
	MaxParts       int      `toml:"max_parts"`
	Alphabet       string   `toml:"alphabet"`
	Uncertain      string   `toml:"uncertain"`
	UncertainWait  waitTime `toml:"uncertain_wait"`
	InboundAccount string   `toml:"inbound_account"` // Account Key; "" the oldest
	InboundWait    duration `toml:"inbound_wait"`    // for the parts of a long text
	ResubmitWindow duration `toml:"resubmit_window"` // in which a submit_sm is known again; 0 off
}

type storeConfig struct {
	EraseWithin duration `toml:"erase_within"` // how long deleted texts may be found in the file; 0 for ever
}

// eraseWithin is the setting as the gateway has it: below 0 for ever.
func (c storeConfig) eraseWithin() time.Duration {
	if c.EraseWithin == 0 {
		return -1
	}
	return time.Duration(c.EraseWithin)
}

func (c storeConfig) validate(check checker) {
	check(c.EraseWithin == 0 || c.EraseWithin >= duration(time.Hour), "store.erase_within",
		"is %s; it takes a time of 1h or more, or \"0s\" for never", c.EraseWithin)
}

// inboundRule says which account gets a text from a phone; "" of the last three fits any.
type inboundRule struct {
	Account string `toml:"account"`
	Modem   string `toml:"modem"`   // name of a [[modem]]
	From    string `toml:"from"`    // how the sender begins
	Keyword string `toml:"keyword"` // the first word
}

type adminConfig struct {
	Listen string `toml:"listen"` // host:port of the status page, "" none
}

type logConfig struct {
	Level string `toml:"level"`
	Texts bool   `toml:"texts"` // texts and numbers too, at level debug
}

type modemConfig struct {
	Name string `toml:"name"`
	Port string `toml:"port"` // path of the device, "auto", "imei:...", "iccid:...", or "simulated"
	Baud int    `toml:"baud"`
	PIN  string `toml:"pin"`  // a secret: in no error, in no log
	SMSC string `toml:"smsc"` // "" the one that the SIM holds

	USBReset bool `toml:"usb_reset"` // a stick that nothing else helps is re-bound

	// Which messages it is for; all empty: what no other is for.
	Prefixes   []string `toml:"prefixes"`
	Accounts   []string `toml:"accounts"`
	Sources    []string `toml:"sources"`
	SpillAfter string   `toml:"spill_after"` // a time, or "" or "never"

	// How much its SIM may send; 0 no limit.
	PerMinute          int    `toml:"per_minute"`
	PerHour            int    `toml:"per_hour"`
	PerDay             int    `toml:"per_day"`
	RecipientsPerMonth int    `toml:"recipients_per_month"`
	Quiet              string `toml:"quiet"` // "22:00-07:00"; "" never

	RoundValidity bool `toml:"round_validity"` // the network is told the end of validity in steps, never to the second

	// How the credit of its SIM is watched.
	Balance      string   `toml:"balance"`       // a preset, "de-o2", or a code, "*100#"; "" not at all
	BalanceMatch string   `toml:"balance_match"` // a regular expression; its first group is the amount
	BalanceEvery duration `toml:"balance_every"`
	BalanceLow   string   `toml:"balance_low"` // "2.00"; "" none
}

// rules is what the gateway makes of a modem that Validate has passed.
func (m modemConfig) rules() gateway.ModemRules {
	quiet, _ := gateway.ParseQuiet(m.Quiet)
	spill, _ := m.spillAfter()
	return gateway.ModemRules{
		Prefixes: m.Prefixes, Accounts: m.Accounts, Sources: m.Sources, SpillAfter: spill,
		PerMinute: m.PerMinute, PerHour: m.PerHour, PerDay: m.PerDay, RecipientsPerMonth: m.RecipientsPerMonth, Quiet: quiet,
		Balance: m.balanceRule(), RoundValidity: m.RoundValidity,
	}
}

// spillAfter is 0 for never.
func (m modemConfig) spillAfter() (time.Duration, error) {
	if m.SpillAfter == "" || m.SpillAfter == "never" {
		return 0, nil
	}
	var d duration
	if err := d.UnmarshalText([]byte(m.SpillAfter)); err != nil {
		return 0, err
	}
	if d <= 0 {
		return 0, durationFault(m.SpillAfter)
	}
	return time.Duration(d), nil
}

// What may stand in keys that take a word; alphabets are gateway.Alphabets.
var (
	logLevels         = []string{"debug", "info", "warn", "error"}
	uncertainPolicies = []string{string(store.PolicyReport), string(store.PolicyNever), string(store.PolicyResend)}
)

// maxValidity is the longest that TP-VP can say: 63 weeks (TS 23.040 §9.2.3.12.1).
const maxValidity = 63 * 7 * 24 * time.Hour

// maxInboundWait is as long as anybody would wait for the rest of a text.
const maxInboundWait = 7 * 24 * time.Hour

// defaults is the configuration of an empty file.
func defaults() config {
	return config{
		DataDir: "data",
		SMPP: smppConfig{
			Listen:      "0.0.0.0:7777",
			SystemID:    "smsgateway",
			MaxSessions: 10,
			Window:      100,
			SessionInit: duration(30 * time.Second),
			EnquireLink: duration(30 * time.Second),
			Response:    duration(10 * time.Second),

			MaxConnections: 1000,
			BanAfter:       20,
			BanTime:        duration(10 * time.Minute),
		},
		Accounts: accountsConfig{Destinations: []string{}},
		Messages: messagesConfig{
			Keep:          duration(24 * time.Hour),
			Validity:      duration(24 * time.Hour),
			MaxParts:      10,
			Alphabet:      "auto",
			Uncertain:     "report",
			UncertainWait: waitTime(15 * time.Minute),
			InboundWait:   duration(time.Hour),

			ResubmitWindow: duration(10 * time.Minute),
		},
		Store: storeConfig{EraseWithin: duration(24 * time.Hour)},
		Admin: adminConfig{Listen: "127.0.0.1:7780"},
		Log:   logConfig{Level: "info"},
	}
}

// modemDefaults fills in what a [[modem]] leaves out. Names are modem1, modem2 ... by place.
func (c *config) modemDefaults() {
	for i := range c.Modems {
		m := &c.Modems[i]
		if m.Name == "" {
			m.Name = "modem" + strconv.Itoa(i+1)
		}
		if m.Baud == 0 {
			m.Baud = 115200
		}
		if m.BalanceEvery == 0 {
			m.BalanceEvery = duration(24 * time.Hour)
		}
		for _, list := range []*[]string{&m.Prefixes, &m.Accounts, &m.Sources} {
			if len(*list) == 0 {
				*list = nil // an empty list says as much as none
			}
		}
	}
}

// banAfter is smpp.ban_after as the gateway takes it: below 0 for never.
func (c smppConfig) banAfter() int {
	if c.BanAfter == 0 {
		return -1
	}
	return c.BanAfter
}

// inboundRules are the rules as the gateway takes them.
func (c config) inboundRules() (rules []gateway.InboundRule) {
	for _, r := range c.Inbound {
		rules = append(rules, gateway.InboundRule(r))
	}
	return rules
}

// fault is one thing to mend in the configuration.
type fault struct {
	key   string // as in "smpp.listen"
	place int    // which of several keys of that name, from 0: the modem's or the rule's number
	why   string // goes behind the key: "is empty; give ..."
}

func (f fault) Error() string { return f.key + " " + f.why }

// Validate reports all faults at once, joined; each is a fault.
func (c config) Validate() error {
	var faults []error
	check := func(ok bool, key, why string, args ...any) {
		if !ok {
			faults = append(faults, fault{key: key, why: fmt.Sprintf(why, args...)})
		}
	}
	check(c.DataDir != "", "data_dir", "is empty; name the directory for gateway.db")
	c.SMPP.validate(check)
	c.Accounts.validate(check)
	c.Messages.validate(check)
	c.Store.validate(check)
	wrong := listenFault(c.Admin.Listen, "127.0.0.1:7780")
	check(c.Admin.Listen == "" || wrong == "", "admin.listen", "%s", wrong)
	check(c.Admin.Listen != c.SMPP.Listen || wrong != "" || strings.HasSuffix(c.Admin.Listen, ":0"), "admin.listen",
		"is %q, as smpp.listen; it takes a port of its own, as in \"127.0.0.1:7780\"", c.Admin.Listen)
	check(c.Admin.Listen != c.SMPP.TLSListen || wrong != "" || strings.HasSuffix(c.Admin.Listen, ":0"), "admin.listen",
		"is %q, as smpp.tls_listen; it takes a port of its own, as in \"127.0.0.1:7780\"", c.Admin.Listen)
	check(slices.Contains(logLevels, c.Log.Level), "log.level", "is %q; take one of %s", c.Log.Level, strings.Join(logLevels, ", "))
	names, ports := map[string]bool{}, map[string]bool{}
	for i, m := range c.Modems {
		check := func(ok bool, key, why string, args ...any) {
			if !ok {
				faults = append(faults, fault{key: "modem." + key, place: i, why: fmt.Sprintf(why, args...)})
			}
		}
		check(!names[m.Name], "name", "is %q, as another modem's; each needs a name of its own", m.Name)
		port := portKey(m.Port)
		check(port == "" || !ports[port], "port", "is %q, as another modem's", m.Port)
		names[m.Name], ports[port] = true, true
		m.validate(check)
	}
	c.validatePINs(func(i int, why string) { faults = append(faults, fault{key: "modem.pin", place: i, why: why}) })
	for i, r := range c.Inbound {
		r.validate(names, func(ok bool, key, why string, args ...any) {
			if !ok {
				faults = append(faults, fault{key: "inbound." + key, place: i, why: fmt.Sprintf(why, args...)})
			}
		})
	}
	return errors.Join(faults...)
}

// validatePINs refuses different PINs of modems that are found by themselves: which of them finds which SIM is chance, and
// a PIN in the wrong SIM uses up a try.
func (c config) validatePINs(fault func(place int, why string)) {
	first := ""
	for i, m := range c.Modems {
		switch {
		case m.Port != portAuto || m.PIN == "":
		case first == "":
			first = m.PIN
		case m.PIN != first:
			fault(i, `differs from that of another modem with port = "auto", and either could get the other's SIM; `+
				`name them by port = "imei:..." or "iccid:...", as smsgateway modem probe shows them`)
		}
	}
}

// checker notes a fault of a key unless ok.
type checker func(ok bool, key, why string, args ...any)

func (c smppConfig) validate(check checker) {
	wrong := listenFault(c.Listen, "127.0.0.1:7777")
	check(wrong == "" || c.Listen == "" && c.TLSListen != "", "smpp.listen", "%s", wrong)
	wrong = listenFault(c.TLSListen, "0.0.0.0:3550")
	check(wrong == "" || c.TLSListen == "", "smpp.tls_listen", "%s", wrong)
	check(c.TLSListen == "" || c.TLSListen != c.Listen || strings.HasSuffix(c.TLSListen, ":0"), "smpp.tls_listen",
		"is %q, as smpp.listen; it takes a port of its own, as in \"0.0.0.0:3550\"", c.TLSListen)
	check(c.TLSCert == "" || c.TLSKey != "", "smpp.tls_key", "is empty; name the file with the key of tls_cert")
	check(c.TLSKey == "" || c.TLSCert != "", "smpp.tls_cert", "is empty; name the file with the certificate of tls_key")
	check(c.TLSListen != "" || c.TLSCert == "" || c.TLSKey == "", "smpp.tls_cert", "is of no use without tls_listen")
	check(len(c.SystemID) >= 1 && len(c.SystemID) <= 15 && printable(c.SystemID), "smpp.system_id",
		"is %q; it takes 1 to 15 characters of ASCII", c.SystemID)
	check(between(c.MaxSessions, 1, 1000), "smpp.max_sessions", "is %d; it takes 1 to 1000", c.MaxSessions)
	check(between(c.Window, 1, 10000), "smpp.window", "is %d; it takes 1 to 10000", c.Window)
	check(c.SessionInit > 0, "smpp.session_init", "is %s; it takes a time above zero", c.SessionInit)
	check(c.EnquireLink > 0, "smpp.enquire_link", "is %s; it takes a time above zero", c.EnquireLink)
	check(c.Inactivity >= 0, "smpp.inactivity", "is %s; it takes a time, or \"0s\" for off", c.Inactivity)
	check(c.Response > 0, "smpp.response", "is %s; it takes a time above zero", c.Response)
	check(between(c.MaxConnections, 10, 100_000), "smpp.max_connections", "is %d; it takes 10 to 100000", c.MaxConnections)
	check(between(c.BanAfter, 0, 100_000), "smpp.ban_after", "is %d; it takes 1 to 100000, or 0 for never", c.BanAfter)
	check(c.BanTime > 0, "smpp.ban_time", "is %s; it takes a time above zero", c.BanTime)
}

func (c accountsConfig) validate(check checker) {
	for _, f := range [][2]string{ // name of the key and of the account's setting, and its value
		{"rate", c.Rate},
		{"max_queued", strconv.Itoa(c.MaxQueued)},
		{"max_queue_age", c.MaxQueueAge.String()},
		{"per_day", strconv.Itoa(c.PerDay)},
		{"per_month", strconv.Itoa(c.PerMonth)},
		{"destinations", strings.Join(c.Destinations, ",")},
	} {
		err := gateway.CheckSetting(f[0], f[1])
		check(err == nil, "accounts."+f[0], "is wrong: %v", err)
	}
}

func (c messagesConfig) validate(check checker) {
	check(c.Keep > 0, "messages.keep", "is %s; it takes a time above zero", c.Keep)
	check(c.Validity > 0 && time.Duration(c.Validity) <= maxValidity, "messages.validity",
		"is %s; it takes a time above zero, at most %dd", c.Validity, maxValidity/(24*time.Hour))
	check(between(c.MaxParts, 1, 255), "messages.max_parts", "is %d; it takes 1 to 255", c.MaxParts)
	check(slices.Contains(gateway.Alphabets(), c.Alphabet), "messages.alphabet",
		"is %q; take one of %s", c.Alphabet, strings.Join(gateway.Alphabets(), ", "))
	check(slices.Contains(uncertainPolicies, c.Uncertain), "messages.uncertain",
		"is %q; take one of %s", c.Uncertain, strings.Join(uncertainPolicies, ", "))
	check(c.UncertainWait > 0, "messages.uncertain_wait", "is %s; it takes a time above zero, or \"forever\"", c.UncertainWait)
	check(isKey(c.InboundAccount), "messages.inbound_account", keyTakes, c.InboundAccount)
	check(c.InboundWait > 0 && time.Duration(c.InboundWait) <= maxInboundWait, "messages.inbound_wait",
		"is %s; it takes a time above zero, at most 7d", c.InboundWait)
	check(c.ResubmitWindow == 0 || c.ResubmitWindow >= duration(time.Second) && c.ResubmitWindow <= duration(24*time.Hour), "messages.resubmit_window",
		"is %s; it takes a time of 1s to 24h, or \"0s\" for off", c.ResubmitWindow)
}

// resubmitWindow is the setting as the gateway has it: below 0 for off.
func (c messagesConfig) resubmitWindow() time.Duration {
	if c.ResubmitWindow == 0 {
		return -1
	}
	return time.Duration(c.ResubmitWindow)
}

func (r inboundRule) validate(modems map[string]bool, check checker) {
	check(r.Account != "", "account", "is empty; name the account that gets these texts")
	check(isKey(r.Account), "account", keyTakes, r.Account)
	check(r.Modem == "" || modems[r.Modem], "modem", "is %q, and no [[modem]] has that name", r.Modem)
	check(len(r.From) <= 21 && !strings.ContainsFunc(r.From, unicode.IsControl), "from",
		"is %q; it takes the beginning of a number or a name, as in \"+49\"", r.From)
	check(len(r.Keyword) <= 160 && !strings.ContainsFunc(r.Keyword, notInWord), "keyword",
		"is %q; it takes one word, without blanks", r.Keyword)
}

// keyTakes is the fault of a key that is no Account Key.
const keyTakes = "is %q; an Account Key has 1 to 15 characters of ASCII, none of them a blank, a quote or a slash; " +
	"see smsgateway account list"

// isKey tells whether an account may have such a key; "" is none, and will do.
func isKey(key string) bool { return gateway.CheckKey(key) == nil }

func notInWord(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func (m modemConfig) validate(check checker) {
	check(len(m.Name) <= 40 && printable(m.Name), "name", "is %q; it takes at most 40 characters of ASCII", m.Name)
	check(m.Port != "", "port", `is empty; name the device, as in port = "/dev/ttyUSB2", or let it be found: port = "auto"`)
	if why := portFault(m.Port); why != "" {
		check(false, "port", "is %q; %s", m.Port, why)
	}
	wrong := modem.BaudFault(m.Baud)
	check(wrong == "", "baud", "is %d, %s", m.Baud, wrong)
	check(goodPIN(m.PIN), "pin", "is no PIN: that has 4 to 8 digits")
	number := strings.TrimPrefix(m.SMSC, "+")
	check(m.SMSC == "" || len(number) >= 1 && len(number) <= 20 && digits(number), "smsc",
		"is %q; it takes a number of up to 20 digits, as in \"+491710760000\"", m.SMSC)
	m.validateRules(check)
	m.validateBalance(check)
}

// validateRules looks at what the modem is for and how much it may send.
func (m modemConfig) validateRules(check checker) {
	for _, p := range m.Prefixes {
		n := strings.TrimPrefix(p, "+")
		check(len(n) >= 1 && len(n) <= 20 && digits(n), "prefixes", "has %q; it takes the first digits of numbers, as in \"+49\"", p)
	}
	for _, key := range m.Accounts {
		check(key != "" && isKey(key), "accounts", strings.Replace(keyTakes, "is", "has", 1), key)
	}
	for _, s := range m.Sources {
		check(len(s) >= 1 && len(s) <= 21 && printable(s), "sources", "has %q; it takes a source_addr of 1 to 20 characters", s)
	}
	_, spill := m.spillAfter()
	check(spill == nil, "spill_after", "is %q; it takes a time as in \"10m\", or \"never\"", m.SpillAfter)
	for _, l := range []struct {
		key   string
		limit int
	}{
		{"per_minute", m.PerMinute}, {"per_hour", m.PerHour}, {"per_day", m.PerDay}, {"recipients_per_month", m.RecipientsPerMonth},
	} {
		check(between(l.limit, 0, 1_000_000), l.key, "is %d; it takes 1 to 1000000, or 0 for no limit", l.limit)
	}
	why := quietFault(m.Quiet)
	check(why == "", "quiet", "is %q; %s", m.Quiet, why)
}

// quietFault says what is wrong with quiet hours, "" if nothing is.
func quietFault(quiet string) string {
	if _, err := gateway.ParseQuiet(quiet); err == nil {
		return ""
	}
	const takes = `hours of the day, as in "22:00-07:00"`
	from, to, _ := strings.Cut(quiet, "-")
	if timeOfDay(from) && timeOfDay(to) {
		return "its begin and end are the same; it takes " + takes
	}
	return "it takes " + takes
}

// timeOfDay tells whether quiet hours may begin at s: with one of two ends they are then not empty.
func timeOfDay(s string) bool {
	_, midnight := gateway.ParseQuiet(s + "-00:00")
	_, noon := gateway.ParseQuiet(s + "-12:00")
	return midnight == nil || noon == nil
}

// Ports that are no path: the gateway finds the modem (modem.Finder).
const (
	portAuto  = "auto"
	portIMEI  = "imei:"
	portICCID = "iccid:"
)

// portFault says what is wrong with a port, "" if nothing is. Whether a path is there shows later.
func portFault(port string) string {
	if imei, ok := strings.CutPrefix(port, portIMEI); ok {
		if len(imei) < 14 || len(imei) > 16 || !digits(imei) {
			return `an IMEI has 15 digits, as in "imei:356938035643809"; a modem tells its own to AT+CGSN, and it is printed on it`
		}
		if len(imei) == 15 && !modem.CheckDigitFits(imei) {
			return "its last digit does not fit: a typing error? (If the modem itself says so, write the first 14 digits)"
		}
		return ""
	}
	if iccid, ok := strings.CutPrefix(port, portICCID); ok {
		// Some cards have F behind the last digit.
		if number := strings.TrimRight(iccid, "Ff"); len(number) < 18 || len(number) > 20 || !digits(number) {
			return `the number of a SIM card has 18 to 20 digits, as in "iccid:8949010000123456789"; it is printed on the card`
		}
		return ""
	}
	if port == "" || port == portAuto || port == portSimulated || strings.Contains(port, "/") {
		return ""
	}
	for _, word := range []string{portAuto, portSimulated} {
		if distance(strings.ToLower(port), word) <= 2 {
			return fmt.Sprintf("did you mean %q?", word)
		}
	}
	if numbered.MatchString(port) {
		return `write a modem's number as in "imei:356938035643809", a SIM card's as in "iccid:8949010000123456789"`
	}
	return fmt.Sprintf("it takes a whole path: write %q", "/dev/"+port)
}

// numbered is what was meant for the number of a modem or a SIM card.
var numbered = regexp.MustCompile(`^((?i:imei|iccid)\b.*|[0-9]{14,20})$`)

// portKey is the same for two ports that can't be two modems', and "" for one that any number of modems may have.
func portKey(port string) string {
	if port == portAuto || port == portSimulated {
		return ""
	}
	if imei, ok := strings.CutPrefix(port, portIMEI); ok && len(imei) > 14 {
		return port[:len(portIMEI)+14] // behind it: a check digit, or a version
	}
	if strings.HasPrefix(port, portICCID) {
		return strings.TrimRight(port, "Ff")
	}
	return port
}

// listenFault says what is wrong with an address to listen at, "" if nothing is; example is a good one.
func listenFault(addr, example string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("is %q; it takes host:port, as in %q", addr, example)
	}
	if n, err := strconv.Atoi(port); err != nil || !between(n, 0, 65535) {
		return fmt.Sprintf("is %q; its port must be a number from 0 to 65535", addr)
	}
	return ""
}

func between(n, low, high int) bool { return low <= n && n <= high }

// printable tells whether s has printable ASCII alone; "" has.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// duration is a time as people write it: "90s", "24h", "1h30m", and with days, "7d" or "1d12h".
type duration time.Duration

// UnmarshalText reads a duration. A day is 24 hours.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := gateway.ParseDuration(string(text))
	if err == nil {
		*d = duration(v)
	}
	return err
}

// waitTime is a duration that may be "forever".
type waitTime time.Duration

// UnmarshalText reads one.
func (w *waitTime) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*w = waitTime(store.Forever)
		return nil
	}
	return (*duration)(w).UnmarshalText(text)
}

func (w waitTime) String() string {
	if time.Duration(w) == store.Forever {
		return "forever"
	}
	return duration(w).String()
}

func durationFault(s string) error {
	return fmt.Errorf(`%q is no time; write it as "30s", "15m", "24h" or "7d"`, s)
}

func (d duration) String() string { return gateway.FormatDuration(time.Duration(d)) }
