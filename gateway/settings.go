package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"smsgateway/sms"
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
	unset func(*Options) string // what holds when it is unset, in the same form
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
		unset: func(o *Options) string { return strconv.Itoa(o.MaxParts) },
	}, {
		Name: "alphabet", Form: strings.Join(Alphabets(), ", "), Help: "what data_coding 0 means", Column: true,
		field: choiceField(func(a *store.Account) *string { return &a.Alphabet }, Alphabets()...),
		unset: func(o *Options) string { return o.Alphabet },
	}, {
		Name: "unencodable", Form: strings.Join(Unencodables(), ", "), Column: true,
		Help:  "what becomes of a text that GSM 7 bit lacks a character of",
		field: choiceField(func(a *store.Account) *string { return &a.Unencodable }, Unencodables()...),
		unset: func(*Options) string { return UnencodableUCS2 },
	}, {
		Name: "national", Form: "codes as tr,pt",
		Help:  "languages whose tables a text may go out with: " + languageCodes(),
		field: nationalField,
		unset: func(*Options) string { return "none" },
	}, {
		Name: "uncertain", Form: "report, never, resend", Help: "what becomes of a message that was perhaps sent", Column: true,
		field: choiceField(func(a *store.Account) *store.UncertainPolicy { return &a.Uncertain },
			store.PolicyReport, store.PolicyNever, store.PolicyResend),
		unset: func(o *Options) string { return o.Uncertain },
	}, {
		Name: "inbound", Form: "whole, parts", Column: true,
		Help:  "how long texts from phones are delivered: when all parts are there, or each part as it comes",
		field: inboundField,
		unset: func(*Options) string { return InboundWhole },
	}, {
		Name: "deliver_window", Form: "1-100", Number: true,
		Help:  "most receipts and texts that may wait for a session's answer at a time",
		field: numberField(func(a *store.Account) *int { return &a.DeliverWindow }, 1, 100),
		unset: func(*Options) string { return strconv.Itoa(courierWindow) },
	},
}

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
	all := make(Settings)
	for _, s := range accountSettings {
		if s.unset != nil {
			all[s.Name] = s.unset(&g.opt)
		}
	}
	return all
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

// textField is any text of at most so many octets.
func textField(at func(*store.Account) *string, longest int) field {
	return field{
		parse: func(a *store.Account, text string, _ *Options) error {
			if len(text) > longest {
				return fmt.Errorf("is longer than %d characters", longest)
			}
			*at(a) = text
			return nil
		},
		print: func(a *store.Account, _ *Options) string { return *at(a) },
	}
}

// numberField is a whole number; 0 is unset.
func numberField(at func(*store.Account) *int, least, most int) field {
	return field{
		parse: func(a *store.Account, text string, _ *Options) error {
			n, err := strconv.Atoi(cmp.Or(text, "0"))
			switch {
			case err != nil:
				return fmt.Errorf("%q is no whole number", text)
			case n != 0 && (n < least || n > most):
				return fmt.Errorf("%d is out of range: %d-%d, or 0 for the gateway's default", n, least, most)
			}
			*at(a) = n
			return nil
		},
		print: func(a *store.Account, _ *Options) string {
			if n := *at(a); n != 0 {
				return strconv.Itoa(n)
			}
			return ""
		},
	}
}

// choiceField is one of some words.
func choiceField[S ~string](at func(*store.Account) *S, choices ...S) field {
	return field{
		parse: func(a *store.Account, text string, _ *Options) error {
			if text != "" && !slices.Contains(choices, S(text)) {
				return noneOf(text, choices)
			}
			*at(a) = S(text)
			return nil
		},
		print: func(a *store.Account, _ *Options) string { return string(*at(a)) },
	}
}

// inboundField is always one of two words; the store has "" for the first.
var inboundField = field{
	parse: func(a *store.Account, text string, _ *Options) error {
		switch text {
		case "", InboundWhole:
			a.Inbound = ""
		case store.InboundParts:
			a.Inbound = text
		default:
			return noneOf(text, []string{InboundWhole, store.InboundParts})
		}
		return nil
	},
	print: func(a *store.Account, _ *Options) string { return cmp.Or(a.Inbound, InboundWhole) },
}

// nationalField is a list of languages, kept as people write it, without blanks. "none" is the same as unset.
var nationalField = field{
	parse: func(a *store.Account, text string, _ *Options) error {
		if text == "none" {
			text = ""
		}
		var codes []string
		for _, code := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			if _, ok := sms.LanguageOf(code); !ok {
				return fmt.Errorf("%q is no language with a table; these are: %s", code, languageCodes())
			}
			if !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
		a.National = strings.Join(codes, ",")
		return nil
	},
	print: func(a *store.Account, _ *Options) string { return a.National },
}

// languageCodes lists the languages that have national tables.
func languageCodes() string {
	var codes []string
	for _, l := range sms.Languages() {
		codes = append(codes, l.Code())
	}
	return strings.Join(codes, ", ")
}

func noneOf[S ~string](text string, choices []S) error {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
}
