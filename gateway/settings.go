package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"smsgateway/store"
)

// Setting is one of the things that are set for an account. The commands make their flags from it, JSON has its name and
// docs/accounts.md a row: to add a setting is to add a field to store.Account and an entry to accountSettings.
type Setting struct {
	Name   string // in JSON and in errors, "max_parts"; the flag is --max-parts
	Form   string // what it takes, for help and docs: "1-255"
	Help   string // what it is, in one line
	Number bool   // a whole number, also in JSON, with 0 for unset; else text in JSON, with "" for unset
	Column bool   // account list shows it

	field field
	unset func(*Defaults) string // what holds when it is unset, in the same form; "" is no limit
}

// field is where a setting lies in an account, and how it is written. parse takes "" for unset, and its error says what
// is wrong with the text; print gives "" for unset, and else what parse reads.
type field struct {
	parse func(a *store.Account, text string, o *Options) error
	print func(a *store.Account, o *Options) string
}

// accountSettings is the table of all settings, in the order in which they are shown.
var accountSettings = []Setting{
	{
		Name: "name", Form: "up to 100 characters", Help: "name for people",
		field: textField(func(a *store.Account) *string { return &a.Name }, 100),
	}, {
		Name: "max_parts", Form: "1-255", Help: "most parts a long text may be cut into", Number: true, Column: true,
		field: numberField(func(a *store.Account) *int { return &a.MaxParts }, 1, 255),
		unset: func(d *Defaults) string { return strconv.Itoa(d.MaxParts) },
	}, {
		Name: "alphabet", Form: strings.Join(Alphabets(), ", "), Help: "what data_coding 0 means", Column: true,
		field: choiceField(func(a *store.Account) *string { return &a.Alphabet }, Alphabets()...),
		unset: func(d *Defaults) string { return d.Alphabet },
	}, {
		Name: "unencodable", Form: strings.Join(Unencodables(), ", "), Column: true,
		Help:  "what becomes of a text that GSM 7 bit lacks a character of",
		field: choiceField(func(a *store.Account) *string { return &a.Unencodable }, Unencodables()...),
		unset: func(*Defaults) string { return UnencodableUCS2 },
	}, {
		Name: "national", Form: "codes as tr,pt",
		Help:  "languages whose tables a text may go out with: " + languageCodes(),
		field: nationalField,
		unset: func(*Defaults) string { return "none" },
	}, {
		Name: "uncertain", Form: "report, never, resend", Help: "what becomes of a message that was perhaps sent", Column: true,
		field: choiceField(func(a *store.Account) *store.UncertainPolicy { return &a.Uncertain },
			store.PolicyReport, store.PolicyNever, store.PolicyResend),
		unset: func(d *Defaults) string { return d.Uncertain },
	}, {
		Name: "inbound", Form: "whole, parts", Column: true,
		Help:  "how long texts from phones are delivered: when all parts are there, or each part as it comes",
		field: inboundField,
		unset: func(*Defaults) string { return InboundWhole },
	}, {
		Name: "deliver_window", Form: "1-100", Number: true,
		Help:  "most receipts and texts that may wait for a session's answer at a time",
		field: numberField(func(a *store.Account) *int { return &a.DeliverWindow }, 1, 100),
		unset: func(*Defaults) string { return strconv.Itoa(courierWindow) },
	}, {
		Name: "redelivered", Form: "marked, plain",
		Help:  "whether receipts and texts that a client may have had already come with a TLV that says so",
		field: choiceField(func(a *store.Account) *string { return &a.Redelivered }, redeliveredMarked, store.RedeliveredPlain),
		unset: func(*Defaults) string { return redeliveredMarked },
	}, {
		Name: "rate", Form: "10/s, 30/min, 500/h", Help: "messages that may be submitted; beyond it ESME_RTHROTTLED",
		field: checkedField(func(a *store.Account) *string { return &a.Rate }, func(text string) (string, error) {
			rate, err := ParseRate(text)
			return rate.String(), err
		}),
		unset: func(d *Defaults) string { return d.Rate },
	}, {
		Name: "window", Form: "1-10000, smpp.window at most", Number: true,
		Help:  "requests of a session that may be in work; beyond it nothing is read from it",
		field: numberField(func(a *store.Account) *int { return &a.Window }, 1, 10000),
		unset: func(d *Defaults) string { return number(d.Window) },
	}, {
		Name: "max_sessions", Form: "1-1000", Help: "sessions at a time; beyond it ESME_RALYBND", Number: true,
		field: numberField(func(a *store.Account) *int { return &a.MaxSessions }, 1, 1000),
		unset: func(d *Defaults) string { return number(d.MaxSessions) },
	}, {
		Name: "max_queued", Form: "1-1000000000", Number: true,
		Help:  "messages that may wait, those with a modem included; beyond it ESME_RMSGQFUL",
		field: numberField(func(a *store.Account) *int { return &a.MaxQueued }, 1, mostCount),
		unset: func(d *Defaults) string { return number(d.Limits.MaxQueued) },
	}, {
		Name: "max_queue_age", Form: "30s, 15m, 24h, 7d",
		Help:  "how long a message that is due may wait; while one waits longer, ESME_RMSGQFUL",
		field: durationField(func(a *store.Account) *time.Duration { return &a.MaxQueueAge }, time.Second, longest),
		unset: func(d *Defaults) string { return duration(d.Limits.MaxQueueAge) },
	}, {
		Name: "per_day", Form: "1-1000000000", Help: "parts that are accepted in a day; beyond it ESME_RMSGQFUL", Number: true,
		field: numberField(func(a *store.Account) *int { return &a.PerDay }, 1, mostCount),
		unset: func(d *Defaults) string { return number(d.Limits.PerDay) },
	}, {
		Name: "per_month", Form: "1-1000000000", Help: "parts that are accepted in a month; beyond it ESME_RMSGQFUL", Number: true,
		field: numberField(func(a *store.Account) *int { return &a.PerMonth }, 1, mostCount),
		unset: func(d *Defaults) string { return number(d.Limits.PerMonth) },
	}, {
		Name: "destinations", Form: "prefixes, as in +49,+43,-+4990",
		Help:  "numbers that may be sent to, with a hyphen those that may not; else ESME_RINVDSTADR",
		field: checkedField(func(a *store.Account) *string { return &a.Destinations }, parseDestinations),
		unset: func(d *Defaults) string { return d.Destinations },
	}, {
		Name: "sources", Form: "addresses, as in Shop,+4917*", Help: "source_addr that may be given; else ESME_RINVSRCADR",
		field: checkedField(func(a *store.Account) *string { return &a.Sources }, parseSources),
		unset: none,
	}, {
		Name: "addresses", Form: "addresses, as in 10.0.0.5,192.168.0.0/16", Help: "where clients may bind from; else ESME_RBINDFAIL",
		field: checkedField(func(a *store.Account) *string { return &a.Addresses }, parseAddresses),
		unset: none,
	}, {
		Name: "expires", Form: "2027-12-31, 2027-12-31 18:00",
		Help:  "last day or moment of the account; then nobody can bind, and its messages are held back",
		field: expiresField,
		unset: none,
	}, {
		Name: "resubmit_window", Form: "off, 1s-24h",
		Help:  "how long the same user_message_reference and content is taken for the same message, no longer than messages.keep",
		field: windowField,
		unset: func(d *Defaults) string { return windowWords(d.ResubmitWindow) },
	},
}

// redeliveredMarked is what holds unless an account says store.RedeliveredPlain.
const redeliveredMarked = "marked"

// mostCount is the highest number that a limit may be: as good as none.
const mostCount = 1_000_000_000

// none is what holds for settings that are set for an account or not at all.
func none(*Defaults) string { return "" }

// AccountSettings lists all settings, in the order in which they are shown.
func AccountSettings() []Setting { return slices.Clone(accountSettings) }

// Settings are values of settings by their names, each as people write it; "" is unset: the gateway's default holds.
type Settings map[string]string

// Settings gives the value of each setting of an account.
func (g *Gateway) Settings(a store.Account) Settings {
	all := make(Settings)
	for _, s := range accountSettings {
		all[s.Name] = s.field.print(&a, &g.opt)
	}
	return all
}

// Defaults tells what holds for accounts that have a setting unset, of each setting that has such a thing.
func (g *Gateway) Defaults() Settings {
	now, all := g.defaults(), make(Settings)
	for _, s := range accountSettings {
		if s.unset != nil {
			all[s.Name] = s.unset(now)
		}
	}
	return all
}

// CheckSetting says what is wrong with a value, as people write it, that is to hold for accounts which have a setting unset.
// There is nothing behind it, so unset is no limit.
func CheckSetting(name, text string) error {
	i := slices.IndexFunc(accountSettings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no setting %q of an account", name)
	}
	err := accountSettings[i].field.parse(&store.Account{}, text, &Options{Zone: time.UTC})
	if out := new(rangeError); errors.As(err, &out) {
		return fmt.Errorf("%s, or %s for no limit", out.what, out.unset)
	}
	return err
}

// apply changes the settings that are named, and nothing else. An *InputError names the setting at fault.
func (s Settings) apply(a *store.Account, o *Options) error {
	for name := range s {
		if !slices.ContainsFunc(accountSettings, func(known Setting) bool { return known.Name == name }) {
			return &InputError{name, "there is no such setting of an account"}
		}
	}
	for _, known := range accountSettings {
		text, given := s[known.Name]
		if !given {
			continue
		}
		if err := known.field.parse(a, text, o); err != nil {
			return &InputError{known.Name, err.Error()}
		}
	}
	return nil
}
