package gateway

import (
	"errors"
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

// routeInbound is who gets a text from a phone: the account of the first rule that fits, else Options.InboundTo, else the
// oldest account that an ESME can bind with. Of a part of a long text the rules with a keyword are left out; sure is false
// if one of them might fit when the text is whole. It implements Route of store.Options.
func (g *Gateway) routeInbound(in *store.Inbound, accounts []store.Account, part bool) (key string, sure bool) {
	sure = true
	for _, r := range g.opt.Inbound {
		switch {
		case r.Modem != "" && r.Modem != in.Modem, !strings.HasPrefix(in.From.String(), r.From):
		case r.Keyword == "", !part && beginsWith(in, r.Keyword):
			return r.Account, sure
		case part:
			sure = false
		}
	}
	if g.opt.InboundTo != "" {
		return g.opt.InboundTo, sure
	}
	lane := uint32(0)
	for _, a := range accounts {
		if a.Key != OperatorKey && !a.Disabled && (lane == 0 || a.Lane < lane) {
			key, lane = a.Key, a.Lane
		}
	}
	return key, sure
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

// warnInbound tells of accounts that are configured to get texts from phones, and do not exist.
func (g *Gateway) warnInbound() {
	keys := []string{g.opt.InboundTo}
	for _, r := range g.opt.Inbound {
		keys = append(keys, r.Account)
	}
	warned := map[string]bool{"": true}
	for _, key := range keys {
		if warned[key] {
			continue
		}
		warned[key] = true
		if _, err := g.db.Account(key); errors.Is(err, store.ErrNoAccount) {
			g.log.Warn("an account for texts from phones does not exist; until it does they stay in the inbox", "system_id", key)
		}
	}
}
