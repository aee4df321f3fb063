package admin

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"smsgateway/gateway"
	"smsgateway/sms"
	"smsgateway/store"
)

func accountOf(g *gateway.Gateway, a store.Account, sessions int) (Account, error) {
	use, err := g.Use(a)
	var hints []AlphabetHint
	for _, h := range g.AlphabetHints(a) {
		hints = append(hints, AlphabetHint{Looks: h.Looks, Texts: h.Texts, Mend: h.Mend})
	}
	return Account{
		Hints:    hints,
		Key:      a.Key,
		Disabled: a.Disabled,
		BuiltIn:  a.Key == gateway.OperatorKey,
		Created:  a.Created,
		Sessions: sessions,
		Settings: Settings(g.Settings(a)),
		Defaults: Settings(g.Defaults()),
		Expired:  use.Expired,
		Use: Use{
			Queued:  use.Queued,
			Oldest:  use.Oldest,
			Day:     Quota{use.Today, use.Limits.PerDay, use.DayEnds.UTC()},
			Month:   Quota{use.ThisMonth, use.Limits.PerMonth, use.MonthEnds.UTC()},
			Refused: use.Refused,
		},
	}, err
}

func messageOf(g *gateway.Gateway, m *store.Message) Message {
	v := Message{
		ID:                m.ID.String(),
		Account:           m.Account,
		Source:            m.Source.String(),
		Destination:       m.Destination.String(),
		State:             m.State.String(),
		SMPPState:         gateway.MessageState(m.State).String(),
		Final:             m.State.End(),
		Reason:            m.Reason,
		Why:               g.Why(m),
		Text:              g.Text(m),
		DataCoding:        int(m.DataCoding),
		Encoding:          encodingOf(m.DCS),
		ServiceType:       m.ServiceType,
		PossibleDuplicate: m.Duplicate,
		Refusals:          m.Refusals,
		Accepted:          m.Accepted,
		Due:               m.Due,
		Expires:           m.Expires,
		DoubtEnds:         m.DoubtEnds,
		Sent:              m.SentAt,
		Ended:             m.EndedAt,
		Held:              m.Held,
		Parts:             make([]Part, len(m.Parts)),
		Acts:              []Act{},
	}
	for _, a := range m.Acts {
		v.Acts = append(v.Acts, Act(a))
	}
	for i, p := range m.Parts {
		v.Parts[i] = partOf(i+1, p)
	}
	if class, ok := sms.ClassOf(m.DCS); ok {
		v.MessageClass = new(int(class))
	}
	elems, _ := sms.ParseUDH(m.UDH) // of one that can't be read nothing is known
	if destination, source, ok := sms.PortsOf(elems); ok {
		v.DestinationPort, v.SourcePort = new(int(destination)), new(int(source))
	}
	return v
}

func partOf(number int, p store.Part) Part {
	v := Part{
		Number:   number,
		State:    p.State.String(),
		Attempts: int(p.Attempts),
		Modem:    p.Modem,
		Reason:   p.Reason,
		Claimed:  p.ClaimedAt,
		Sent:     p.SentAt,
		Reported: p.ReportedAt,
	}
	if !p.SentAt.IsZero() { // before that it is what we expect it to be
		ref := int(p.Ref)
		v.Reference = &ref
	}
	return v
}

// stranger is the account that would have got it, if it were there.
func inboxTextOf(in store.Inbound, stranger string) InboxText {
	v := InboxText{
		ID:       strconv.FormatUint(in.ID, 10),
		Account:  in.Account,
		Stranger: stranger,
		Modem:    in.Modem,
		From:     in.From.String(),
		To:       in.To,
		Time:     in.Time,
		Received: in.Received,
		Encoding: encodingOf(in.DCS),
		Text:     in.Text,
		Parts:    in.Parts,
		Missing:  in.Missing,
	}
	if in.Parts == 0 {
		number, total := in.PartOf()
		if v.Parts = total; total > 1 {
			v.Part = number
		}
	}
	if in.Text == "" {
		v.Data = hex.EncodeToString(in.Data)
	}
	return v
}

func sessionOf(s gateway.SessionInfo) Session {
	return Session{ID: s.ID, Account: s.SystemID, Kind: s.Kind, Remote: s.Remote, Since: s.Since.UTC()}
}

// encodingOf names what is on air: gsm7, ucs2 or binary.
func encodingOf(dcs uint8) string {
	alphabet, _ := sms.AlphabetOf(dcs)
	return strings.ToLower(alphabet.String())
}

func explanationOf(x gateway.Explanation) Explanation {
	v := Explanation{
		Status: x.Status, Refused: x.Refused, ReadAs: x.ReadAs, Text: x.Text, Sent: x.Sent, Encoding: strings.ToLower(x.Alphabet),
		Locking: x.Locking, Single: x.Single, DCS: x.DCS, Parts: []ExplainedPart{}, Costly: []CostlyRune{},
	}
	for _, p := range x.Parts {
		v.Parts = append(v.Parts, ExplainedPart(p))
	}
	for _, c := range x.Costly {
		v.Costly = append(v.Costly, CostlyRune{Character: string(c.Rune), CodePoint: fmt.Sprintf("%U", c.Rune), Positions: c.Positions,
			Count: c.Count, Septets: c.Septets, Like: c.Like, Without: c.Without})
	}
	if x.Like != "" {
		v.Like = &ExplainedText{x.Like, x.LikeIn}
	}
	if x.Wide {
		v.Narrow = &ExplainedText{x.Text, x.WideIn}
	}
	return v
}
