package store

import (
	"slices"
	"time"

	"smsgateway/sms"
)

// report gives the id of the message that the report is about, 0 for none.
func (o *model) report(line string, r Report, now time.Time) ID {
	if m := o.apply1(line, r, now, now); m != nil {
		return m.id
	}
	o.orphans = append(o.orphans, modelOrphan{line, r, now})
	return 0
}

// apply1 applies a report that came then, if it is about something, and not perhaps about what a modem has just now.
func (o *model) apply1(line string, r Report, came, now time.Time) *modelMessage {
	open := false
	for _, m := range o.messages {
		for _, p := range m.parts {
			if p.state != PartClaimed || p.line != line || !fits(r, m) || came.Before(p.claimed) {
				continue
			}
			if open = true; !p.guess || p.ref == r.Ref {
				return nil
			}
		}
	}
	m, p := o.meant(line, r, came)
	if m == nil {
		return nil
	}
	was := p.state
	if !o.apply(m, p, r, now) {
		if open {
			return nil
		}
		return m
	}
	if p.blind {
		p.blind, p.ref = false, r.Ref
	}
	if last, known := o.lines[line]; known && was != PartSent && !last.at.After(p.claimed) {
		o.lines[line] = modelLine{p.ref, last.reports, p.claimed, false}
	}
	o.settle(m, now)
	return m
}

func (o *model) meant(line string, r Report, came time.Time) (message *modelMessage, part *modelPart) {
	type candidate struct {
		m *modelMessage
		p *modelPart
		n int
	}
	var list, blind []candidate
	for _, m := range o.messages {
		for n := range m.parts {
			p := &m.parts[n]
			switch {
			case !p.row || p.line != line || !fits(r, m) || came.Before(p.claimed):
			case p.blind && r.Recipient != "" && !r.Time.Before(p.claimed.Add(-5*time.Minute)) && (p.inDoubt() || p.state == PartUnknown):
				blind = append(blind, candidate{m, p, n})
			case !p.blind && p.ref == r.Ref:
				list = append(list, candidate{m, p, n})
			}
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if d := a.p.claimed.Compare(b.p.claimed); d != 0 {
			return d
		}
		if d := int(a.m.id) - int(b.m.id); d != 0 {
			return d
		}
		return a.n - b.n
	})
	end := r.Time.Add(smscSecond) // the SMSC's time has whole seconds
	var before, after *candidate  // the nearest of those that may be meant, by the SMSC's clock
	for n := range list {
		c := &list[n]
		off := end.Sub(c.p.claimed)
		awaits := c.p.state == PartSent || c.p.inDoubt() || c.p.state == PartUnknown
		switch {
		case r.Time.IsZero() || off < -5*time.Minute || !awaits && off > time.Hour:
		case off >= 0:
			before = c
		case after == nil:
			after = c
		}
	}
	switch {
	case before != nil && (after == nil || end.Sub(before.p.claimed) < after.p.claimed.Sub(end)):
		return before.m, before.p
	case after != nil:
		return after.m, after.p
	}
	for _, c := range list {
		if c.p.state == PartSent && (r.Time.IsZero() || c.p.claimed.Sub(r.Time) <= 24*time.Hour) {
			return c.m, c.p
		}
	}
	if len(blind) == 1 {
		return blind[0].m, blind[0].p
	}
	return nil, nil
}

func (o *model) apply(m *modelMessage, p *modelPart, r Report, now time.Time) bool {
	fate := r.Status.Fate()
	doubted := p.inDoubt() || p.state == PartUnknown
	better := m.state == Unknown && fate != sms.FateTrying && fate != sms.FateUnknown
	news := fate != sms.FateTrying || p.state != PartSent || p.status != int(r.Status)
	if p.state != PartSent && !doubted || m.state.End() && !better || !news {
		return false
	}
	if doubted && p.at.IsZero() {
		if p.at = now; r.Time.After(p.claimed) && r.Time.Before(now) {
			p.at = r.Time
		}
	}
	m.notAgain(p)
	p.guess, p.status = false, int(r.Status)
	p.state = map[sms.Fate]PartState{
		sms.FateDelivered: PartDelivered, sms.FateTrying: PartSent, sms.FateExpired: PartExpired, sms.FateUnknown: PartUnknown,
		sms.FateDeleted: PartFailed, sms.FateUndeliverable: PartFailed,
	}[fate]
	if p.state == PartSent && !m.toldTrying {
		m.toldTrying = true
		o.tell(m, Sent, true)
	}
	return true
}
