package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smsgateway/store"
)

// ModemRules say which messages a modem is for, and how much its SIM may send. The zero value is a general modem without
// limits.
type ModemRules struct {
	// Which messages: those that fit each of the lists that are not empty. Prefixes and Sources are digits, a '+' in front
	// does not count; Accounts are Account Keys.
	Prefixes, Accounts, Sources []string
	// SpillAfter is how long this modem may be out of work before others take what is for it; 0: for ever.
	SpillAfter time.Duration

	// Parts that the SIM may send, by the clock of the box; 0: no limit.
	PerMinute, PerHour, PerDay int
	// RecipientsPerMonth is to how many numbers it may send in a calendar month; 0: no limit.
	RecipientsPerMonth int
	Quiet              QuietHours // in which nothing is begun
	// RoundValidity has the network told the end of validity in steps of 5 minutes and more, rounded up, and never to the
	// second: for one that takes it wrongly.
	RoundValidity bool

	Balance BalanceRule // how the SIM's credit is watched
}

func (r *ModemRules) limits() store.Limits {
	return store.Limits{
		store.Minute: r.PerMinute, store.Hour: r.PerHour, store.Day: r.PerDay, store.Month: r.RecipientsPerMonth,
	}
}

// normal is a copy in the form in which it is compared.
func (r ModemRules) normal() ModemRules {
	plain := func(numbers []string) []string {
		list := make([]string, len(numbers))
		for i, n := range numbers {
			list[i] = digitsOf(n)
		}
		return list
	}
	r.Prefixes, r.Sources, r.Accounts = plain(r.Prefixes), plain(r.Sources), slices.Clone(r.Accounts)
	return r
}

// digitsOf is a number as it is compared.
func digitsOf(number string) string { return strings.TrimPrefix(number, "+") }

// general: the modem has no rule, and takes what no other is for.
func (r *ModemRules) general() bool {
	return len(r.Prefixes) == 0 && len(r.Accounts) == 0 && len(r.Sources) == 0
}

// unfit is the fit of a message that a modem is not for, generalFit that of a modem for anything; from ruleFit on it is
// for it by its rules, the more so the longer the prefix.
const (
	unfit = iota - 1
	generalFit
	ruleFit
)

// fit tells how well a message fits the rules.
func (r *ModemRules) fit(m *store.Message) int {
	if r.general() {
		return generalFit
	}
	if len(r.Accounts) > 0 && !slices.Contains(r.Accounts, m.Account) ||
		len(r.Sources) > 0 && !slices.Contains(r.Sources, digitsOf(m.Source.Number)) {
		return unfit
	}
	longest := unfit
	for _, prefix := range r.Prefixes {
		if strings.HasPrefix(digitsOf(m.Destination.Number), prefix) {
			longest = max(longest, ruleFit+len(prefix))
		}
	}
	if len(r.Prefixes) == 0 {
		return ruleFit
	}
	return longest
}

// String says in words what the modem is for.
func (r *ModemRules) String() string {
	if r.general() {
		return "everything that no other modem is for"
	}
	var words []string
	list := func(what string, values []string, sign string) {
		if len(values) > 0 {
			words = append(words, what+" "+sign+strings.Join(values, ", "+sign))
		}
	}
	list("numbers that begin with", r.Prefixes, "+")
	list("account", r.Accounts, "")
	list("sender", r.Sources, "+")
	return strings.Join(words, "; ")
}

// QuietHours are a time of the day in which a modem begins nothing, by the clock of the box: the hand of the clock
// decides, also on days that have 23 or 25 hours. The zero value is never.
type QuietHours struct{ from, to int } // minutes of the day; to may lie before from

// ParseQuiet reads "22:00-07:00"; "" is never.
func ParseQuiet(s string) (QuietHours, error) {
	if s == "" {
		return QuietHours{}, nil
	}
	from, to, ok := strings.Cut(s, "-")
	q := QuietHours{minuteOfDay(from), minuteOfDay(to)}
	if !ok || q.from < 0 || q.to < 0 || q.from == q.to {
		return QuietHours{}, fmt.Errorf(`%q are no hours of the day; write them as "22:00-07:00"`, s)
	}
	return q, nil
}

// minuteOfDay reads "7:05" or "07:05"; -1 if it is no time of the day.
func minuteOfDay(s string) int {
	t, err := time.Parse("15:04", strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return t.Hour()*60 + t.Minute()
}

// String is the form that ParseQuiet reads.
func (q QuietHours) String() string {
	if q == (QuietHours{}) {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.from/60, q.from%60, q.to/60, q.to%60)
}

// holds tells whether it is quiet at t, by the clock of t's zone.
func (q QuietHours) holds(t time.Time) bool {
	now := t.Hour()*60 + t.Minute()
	if q.from <= q.to {
		return q.from <= now && now < q.to
	}
	return now >= q.from || now < q.to
}

// end is when the quiet in which t lies will be over, in words.
func (q QuietHours) end() string { return fmt.Sprintf("%02d:%02d", q.to/60, q.to%60) }
