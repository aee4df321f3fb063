package gateway

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"

	"smsgateway/store"
)

// InboundRule gives texts from phones to an account. "" of a condition fits any.
type InboundRule struct {
	Account string // Account Key; while there is none of that key, the text stays in the inbox
	Modem   string // the name of the modem that it came to
	From    string // how its sender begins, as the inbox shows it: "+49", "Bank"
	Keyword string // its first word, in capitals or not
}

// routeInbound is who gets a text from a phone: the account of the first rule that fits, else Defaults.InboundTo, else the
// oldest account that an ESME can bind with. Of a part of a long text the rules with a keyword are left out; sure is false
// if one of them might fit when the text is whole. It implements Route of store.Options.
func (g *Gateway) routeInbound(in *store.Inbound, accounts iter.Seq[store.Account], part bool) (key string, sure bool) {
	set := g.defaults()
	sure = true
	for _, r := range set.Inbound {
		switch {
		case r.Modem != "" && r.Modem != in.Modem, !strings.HasPrefix(in.From.String(), r.From):
		case r.Keyword == "", !part && beginsWith(in, r.Keyword):
			return r.Account, sure
		case part:
			sure = false
		}
	}
	if set.InboundTo != "" {
		return set.InboundTo, sure
	}
	for a := range accounts { // the oldest first
		if a.Key != OperatorKey && !a.Held(in.Received) {
			return a.Key, sure
		}
	}
	return "", sure
}

// beginsWith tells whether the first word of a text is the keyword: people write "stop", "STOP!" and "Stop." alike. With
// the first part missing nobody knows the first word.
func beginsWith(in *store.Inbound, keyword string) bool {
	words := strings.Fields(in.Text)
	if len(words) == 0 || in.Missing > 0 && strings.HasPrefix(in.Text, store.GapText) {
		return false
	}
	bare := strings.TrimFunc(words[0], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	return strings.EqualFold(words[0], keyword) || strings.EqualFold(bare, keyword)
}

// hides tells whether r, which stands first, takes all that other would.
func (r InboundRule) hides(other InboundRule) bool {
	return (r.Modem == "" || r.Modem == other.Modem) && strings.HasPrefix(other.From, r.From) &&
		(r.Keyword == "" || strings.EqualFold(r.Keyword, other.Keyword))
}

// HiddenRules says of which rules nothing ever comes, as one before them takes all that they would, for another account:
// a clause for each that stands in the way. Rules are counted from 1.
func HiddenRules(rules []InboundRule) (list []string) {
	hidden := make(map[int]bool)
	for i, r := range rules {
		var behind []string
		for j := i + 1; j < len(rules) && !hidden[i]; j++ {
			if other := rules[j]; !hidden[j] && r.hides(other) {
				hidden[j] = true
				if other.Account != r.Account {
					behind = append(behind, fmt.Sprintf("rule %d (account %s)", j+1, other.Account))
				}
			}
		}
		if len(behind) > 0 {
			list = append(list, fmt.Sprintf("rule %d of [[inbound]] (account %s) takes all that is for %s", i+1, r.Account,
				strings.Join(behind, ", ")))
		}
	}
	return list
}

// warnInbound tells of accounts that are configured to get texts from phones, and do not exist, and of rules that hide others.
func (g *Gateway) warnInbound() {
	for _, what := range HiddenRules(g.defaults().Inbound) {
		g.log.Warn(what + "; the first rule that fits counts, so the one with more conditions has to stand before it")
	}
	for _, key := range g.strangers() {
		g.log.Warn("an account for texts from phones does not exist; until it does they stay in the inbox", "system_id", key)
	}
}

// strangers are the accounts that are configured to get texts from phones, and do not exist.
func (g *Gateway) strangers() (keys []string) {
	set := g.defaults()
	configured := []string{set.InboundTo}
	for _, r := range set.Inbound {
		configured = append(configured, r.Account)
	}
	for _, key := range configured {
		if key == "" || slices.Contains(keys, key) {
			continue
		}
		if _, err := g.db.Account(key); errors.Is(err, store.ErrNoAccount) {
			keys = append(keys, key)
		}
	}
	return keys
}

// diagnoseInbound looks whether the accounts are there that texts from phones are for, and whether each rule can fit.
func (g *Gateway) diagnoseInbound() (list []Finding) {
	for _, what := range HiddenRules(g.defaults().Inbound) {
		list = append(list, Finding{Warn, "inbound", sentence(what),
			"Put the rule with more conditions first: the first that fits counts."})
	}
	for _, key := range g.strangers() {
		where := "a rule [[inbound]] names"
		if key == g.defaults().InboundTo {
			where = "inbound_account names"
		}
		list = append(list, Finding{Warn, "account " + key,
			fmt.Sprintf("It does not exist, and %s it: texts from phones that are for it stay in the inbox.", where),
			"Make it with `smsgateway account add --key " + key + "`, or correct the configuration."})
	}
	return list
}

// Stranger gives the key of the account that a text of the inbox was for, as the configuration is now, where no account
// got it because there is none of that key; "" if one got it, or that is not why.
func (g *Gateway) Stranger(in store.Inbound) string {
	if in.Account != "" {
		return ""
	}
	_, total := in.PartOf()
	key, sure := g.routeInbound(&in, slices.Values[[]store.Account](nil), in.Parts == 0 && total > 1)
	if key == "" || !sure {
		return ""
	}
	if _, err := g.db.Account(key); !errors.Is(err, store.ErrNoAccount) {
		return ""
	}
	return key
}
