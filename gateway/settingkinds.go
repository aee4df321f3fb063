package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"smsgateway/sms"
	"smsgateway/store"
)

// The kinds of settings: how each is read and written.

// textField is any text of at most so many characters.
func textField(at func(*store.Account) *string, longest int) field {
	return checkedField(at, func(text string) (string, error) {
		if utf8.RuneCountInString(text) > longest {
			return "", fmt.Errorf("is longer than %d characters", longest)
		}
		return text, nil
	})
}

// checkedField is a text that read puts into the form in which it is kept.
func checkedField(at func(*store.Account) *string, read func(string) (string, error)) field {
	return field{
		parse: func(a *store.Account, text string, _ *Options) error {
			kept, err := read(text)
			if err == nil {
				*at(a) = kept
			}
			return err
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
				return &rangeError{fmt.Sprintf("%d is out of range: %d-%d", n, least, most), "0"}
			}
			*at(a) = n
			return nil
		},
		print: func(a *store.Account, _ *Options) string { return number(*at(a)) },
	}
}

// rangeError is a number or a time that is too low or too high for a setting. unset is how people write that it is unset.
type rangeError struct{ what, unset string }

func (e *rangeError) Error() string { return e.what + ", or " + e.unset + " for the gateway's default" }

// number writes a whole number; 0 is "".
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// durationField is a time such as "90s" or "7d"; 0 is unset.
func durationField(at func(*store.Account) *time.Duration, least, most time.Duration) field {
	return field{
		parse: func(a *store.Account, text string, _ *Options) error {
			d, err := ParseDuration(cmp.Or(text, "0s"))
			switch {
			case err != nil:
				return err
			case d != 0 && (d < least || d > most):
				return &rangeError{fmt.Sprintf("%s is out of range: %s to %dd", FormatDuration(d), FormatDuration(least),
					most/(24*time.Hour)), "0s"}
			}
			*at(a) = d
			return nil
		},
		print: func(a *store.Account, _ *Options) string { return duration(*at(a)) },
	}
}

// duration writes a time; 0 is "".
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return FormatDuration(d)
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

func noneOf[S ~string](text string, choices []S) error {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
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

// expiresField is a day, the last one, or a time of a day, both by the gateway's zone.
var expiresField = field{
	parse: func(a *store.Account, text string, o *Options) error {
		end, err := parseExpiry(text, o.Zone)
		if err == nil {
			a.Expires = end
		}
		return err
	},
	print: func(a *store.Account, o *Options) string {
		end := a.Expires.In(o.Zone)
		switch {
		case a.Expires.IsZero():
			return ""
		case store.Day.End(end.Add(-time.Second)).Equal(end): // a day's
			return end.Add(-time.Second).Format(time.DateOnly)
		}
		return end.Format(time.DateTime)
	},
}

// parseExpiry gives the first moment that is too late.
func parseExpiry(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	end, err := time.Parse(time.DateOnly, text)
	if err == nil {
		y, m, d := end.Date()
		end = store.Day.End(time.Date(y, m, d, 12, 0, 0, 0, zone))
	}
	for _, form := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if err != nil {
			end, err = time.ParseInLocation(form, text, zone)
		}
	}
	if err != nil || end.Year() < 1970 || end.Year() > 9000 {
		return time.Time{}, fmt.Errorf(`%q is no date; write the last day, as in "2027-12-31", or a time, as in "2027-12-31 18:00"`,
			text)
	}
	return end.UTC(), nil
}

// ParseDuration reads a time as people write it: "90s", "24h", "1h30m", and with days, "7d" or "1d12h". A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	fault := fmt.Errorf(`%q is no time; write it as "30s", "15m", "24h" or "7d"`, s)
	n, rest, withDays := strings.Cut(s, "d")
	if !withDays {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fault
		}
		return d, nil
	}
	days, err := strconv.Atoi(n)
	if err != nil || strings.Trim(n, "0123456789") != "" || days > 10_000 {
		return 0, fault
	}
	var d time.Duration
	if rest != "" {
		if d, err = time.ParseDuration(rest); err != nil || d < 0 || d > 25*time.Hour {
			return 0, fault
		}
	}
	return time.Duration(days)*24*time.Hour + d, nil
}

// FormatDuration writes a time without what is zero: "15m", not "15m0s".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
