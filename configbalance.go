package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"smsgateway/gateway"
	"smsgateway/modem"
)

// leastBalanceEvery is the shortest balance_every: texts wait while the network is asked.
const leastBalanceEvery = 10 * time.Minute

// balanceRule is what the gateway makes of a modem that Validate has passed.
func (m modemConfig) balanceRule() gateway.BalanceRule {
	query, err := m.balanceQuery()
	if err != nil || m.Balance == "" {
		return gateway.BalanceRule{}
	}
	low, _ := hundredths(m.BalanceLow)
	return gateway.BalanceRule{Query: query, Every: time.Duration(m.BalanceEvery), Low: low}
}

// ussdCode is what a code may be made of.
var ussdCode = regexp.MustCompile(`^[*#0-9]{2,160}$`)

// balanceQuery is the query that balance names, with the pattern of balance_match where there is one.
func (m modemConfig) balanceQuery() (modem.BalanceQuery, error) {
	if m.Balance == "" {
		return modem.BalanceQuery{}, nil
	}
	query, ok := modem.Preset(m.Balance)
	switch {
	case ok:
	case ussdCode.MatchString(m.Balance):
		query = modem.BalanceQuery{USSD: m.Balance}
	default:
		return query, errors.New(presetFault(m.Balance))
	}
	if m.BalanceMatch != "" {
		re, err := regexp.Compile(m.BalanceMatch)
		if err != nil {
			return query, nil // a fault of balance_match
		}
		query.Match = re
	}
	return query, nil
}

// validateBalance looks at how the credit of the SIM is watched.
func (m modemConfig) validateBalance(check checker) {
	if _, err := m.balanceQuery(); err != nil {
		check(false, "balance", "is %q; %s", m.Balance, err)
	}
	check(m.Balance != "" || m.BalanceMatch == "", "balance_match", "is of no use without balance")
	check(m.Balance != "" || m.BalanceLow == "", "balance_low", "is of no use without balance")
	why := patternFault(m.BalanceMatch)
	check(why == "", "balance_match", "%s", why)
	check(m.Balance == "" || time.Duration(m.BalanceEvery) >= leastBalanceEvery, "balance_every",
		"is %s; it takes %s or more: texts wait while the network is asked",
		m.BalanceEvery, duration(leastBalanceEvery))
	low, ok := hundredths(m.BalanceLow)
	check(m.BalanceLow == "" || ok && low > 0, "balance_low", "is %q; it takes an amount above zero, as in \"2.00\"",
		m.BalanceLow)
}

// patternFault says what is wrong with a pattern, and where; "" if nothing is.
func patternFault(pattern string) string {
	if pattern == "" {
		return ""
	}
	re, err := regexp.Compile(pattern)
	if bad := new(syntax.Error); errors.As(err, &bad) {
		at := max(strings.Index(pattern, bad.Expr), 0)
		return fmt.Sprintf("is no regular expression: %s at character %d, %q", bad.Code,
			utf8.RuneCountInString(pattern[:at])+1, bad.Expr)
	}
	if err != nil {
		return "is no regular expression: " + err.Error()
	}
	if re.NumSubexp() == 0 {
		return `has no group; put the amount in brackets, as in "credit: ([0-9.]+)"`
	}
	return ""
}

// hundredths reads an amount: "2", "2.5", "2.00"; a comma will do for the point.
func hundredths(s string) (n int64, ok bool) {
	whole, fraction, point := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	if whole == "" || len(whole) > 12 || !digits(whole) || !digits(fraction) || len(fraction) > 2 || point &&
		fraction == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	return n, err == nil
}

// mostNear bounds how many presets an error names.
const mostNear = 6

// presetFault says what balance takes instead, with the presets that are two letters away at most, or of an
// operator of that name.
func presetFault(name string) string {
	name = strings.ToLower(name)
	var near []string
	for _, preset := range modem.Presets() {
		_, operator, _ := strings.Cut(preset, "-")
		if distance(name, preset) <= 2 || operator == name {
			near = append(near, preset)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	const takes = `it takes a code, as in "*100#", or the name of a preset`
	if len(near) == 0 {
		return takes + `, a country and an operator, as in "de-o2"; all: docs/modems.md`
	}
	return takes + ", near it " + strings.Join(near[:min(len(near), mostNear)], ", ") + "; all: docs/modems.md"
}
