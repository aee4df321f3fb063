package gateway

import (
	"cmp"
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Explanation is how a text would go out, and what stands in the way of a cheaper one.
type Explanation struct {
	Status  string // of the submit_sm: "ESME_ROK", or why it is refused, with the reason
	Refused bool

	ReadAs   string // what the octets are taken for: "UTF-8"
	Text     string // as read; "" for binary
	Sent     string // as a phone shows it; differs from Text when it was transliterated
	Alphabet string // on air: GSM7, UCS2, binary
	Locking  string // languages of the national tables; "" the default ones
	Single   string
	DCS      uint8
	Parts    []ExplainedPart // also of a text that is refused for their number
	Costly   []CostlyRune    // what makes it longer, or impossible, in the order of the text
	Like     string          // what transliteration would make of it; "" nothing, or the same
	LikeIn   int             // parts of that
	Wide     bool            // it goes in UCS-2 because data_coding says so, and GSM 7 bit would do
	WideIn   int             // parts in GSM 7 bit, then
}

// ExplainedPart is one short message: septets, UTF-16 units or octets that are used, and that are left.
type ExplainedPart struct{ Used, Left int }

// CostlyRune is a character that costs more than others.
type CostlyRune struct {
	Rune      rune
	Positions []int  // of the first few, in characters from 1
	Count     int    // how often it is there
	Septets   int    // 2 of the extension table, 0 if the default alphabet lacks it
	Like      string // what stands for it when it is transliterated; "" nothing
	Without   int    // how many parts it would take without this one; 0: not fewer
}

// mostCostly and mostPositions bound what is told of a text.
const (
	mostCostly    = 20
	mostPositions = 10
)

// ExplainText shows how a text would go out for an account; "" has the gateway's defaults. text is UTF-8, as an account
// whose alphabet is utf8 sends it under data_coding 0.
func (g *Gateway) ExplainText(account, text string) (Explanation, error) {
	rules, err := g.rulesOf(account)
	if err != nil {
		return Explanation{}, err
	}
	rules.alphabet = AlphabetUTF8
	return explain(carrying(0, 0, []byte(text)), rules), nil
}

// ExplainOctets is ExplainText for the octets of a submit_sm.
func (g *Gateway) ExplainOctets(account string, dataCoding, esmClass uint8, octets []byte) (Explanation, error) {
	rules, err := g.rulesOf(account)
	if err != nil {
		return Explanation{}, err
	}
	return explain(carrying(dataCoding, esmClass, octets), rules), nil
}

func (g *Gateway) rulesOf(account string) (textRules, error) {
	var acct store.Account
	if account != "" {
		var err error
		if acct, err = g.db.Account(account); err != nil {
			return textRules{}, err
		}
	}
	return g.textRules(acct), nil
}

// carrying puts octets where a client has room for them.
func carrying(dataCoding, esmClass uint8, octets []byte) *smpp.SubmitSM {
	p := &smpp.SubmitSM{DataCoding: dataCoding, ESMClass: esmClass}
	if len(octets) > mostShort {
		p.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: octets}}
	} else {
		p.ShortMessage = octets
	}
	return p
}

// explain does to a message what accepting it does, and tells of it.
func explain(p *smpp.SubmitSM, rules textRules) Explanation {
	c, err := convert(p, rules)
	err = cmp.Or(checkClass(p.ESMClass), err)
	x := Explanation{Status: smpp.StatusOK.String(), ReadAs: c.readAs, Text: c.text, Sent: c.sent}
	if err != nil {
		x.Status, x.Refused = err.Error(), true
		if why := new(contentError); errors.As(err, &why) {
			x.Status = why.status.String() + ": " + why.why
		}
	}
	if len(c.parts) > 0 {
		x.parts(&c)
	}
	if c.text != "" {
		x.costs(&c, codingOf(p.DataCoding), rules)
	}
	return x
}

// parts tells what goes on air.
func (x *Explanation) parts(c *content) {
	a := c.alphabet()
	x.Alphabet, x.DCS = a.String(), c.dcs
	if c.shift.Locking != sms.NoLanguage {
		x.Locking = c.shift.Locking.String()
	}
	if c.shift.Single != sms.NoLanguage {
		x.Single = c.shift.Single.String()
	}
	header := len(c.udh)
	if len(c.parts) > 1 {
		elems, _ := sms.ParseUDH(c.udh) // nil, or one of ours
		header = len(sms.AppendUDH(nil, append(elems, sms.Concat(0, false, 0, 0))...))
	}
	unit := 1
	if a == sms.UCS2 {
		unit = 2
	}
	room := sms.Capacity(a, header) / unit
	for _, part := range c.parts {
		x.Parts = append(x.Parts, ExplainedPart{Used: len(part) / unit, Left: room - len(part)/unit})
	}
}

// costs tells which characters of the text cost what.
func (x *Explanation) costs(c *content, as coding, rules textRules) {
	// What else is in the header: ports, say.
	beside := max(0, len(c.udh)-1-len(c.shift.Elements())*3)
	if as.kind == codingUCS2 { // as it was asked: only another data_coding would change it
		if e, err := sms.EncodeSeptets(c.text, beside, nil); err == nil {
			x.Wide, x.WideIn = true, len(e.Parts)
		}
		return
	}
	text := norm.NFC.String(c.text) // as encode sees it
	for _, f := range costlyIn(text) {
		without := strings.ReplaceAll(text, string(f.Rune), "")
		e, _, err := rules.encode(without, beside, as.wide != 0)
		if n := len(e.Parts); err == nil && n > 0 && (n < len(c.parts) || len(c.parts) == 0) {
			f.Without = n
		}
		if f.Septets == 0 || f.Without > 0 {
			x.Costly = append(x.Costly, f)
		}
	}
	if like, ok := transliterate(text); ok && like != text {
		if e, err := sms.EncodeSeptets(like, beside, nil); err == nil {
			x.Like, x.LikeIn = like, len(e.Parts)
		}
	}
}

// costlyIn lists the characters that the default alphabet lacks, or has in its extension table.
func costlyIn(text string) (list []CostlyRune) {
	known := make(map[rune]int) // index in list
	position := 0
	for _, r := range text {
		position++
		septets := (sms.Shift{}).Septets(r)
		if septets == 1 {
			continue
		}
		i, ok := known[r]
		if !ok {
			if len(list) == mostCostly {
				continue
			}
			i = len(list)
			known[r] = i
			f := CostlyRune{Rune: r, Septets: septets}
			if septets == 0 {
				f.Like, _ = likeOf(r)
			}
			list = append(list, f)
		}
		if list[i].Count++; len(list[i].Positions) < mostPositions {
			list[i].Positions = append(list[i].Positions, position)
		}
	}
	return list
}
