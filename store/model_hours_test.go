package store

import (
	"slices"
	"time"
)

// What the model does by itself: states that follow from those of the parts, and whatever has its hour.

// settle works out a message's state from its parts.
func (o *model) settle(m *modelMessage, now time.Time) {
	has := func(s PartState) bool {
		return slices.ContainsFunc(m.parts, func(p modelPart) bool { return p.state == s })
	}
	if !has(PartWaiting) && !has(PartClaimed) && !has(PartUncertain) {
		for _, p := range m.parts {
			if p.at.After(m.sentAt) {
				m.sentAt = p.at
			}
		}
	}
	rules := []struct {
		if_  bool
		then State
	}{
		{has(PartClaimed), Claimed},
		{has(PartFailed), Undeliverable},
		{has(PartExpired), Expired},
		{has(PartUncertain) || m.held && has(PartWaiting), Uncertain},
		{has(PartWaiting), Partial},
		{has(PartSent), Sent},
		{has(PartUnknown), Unknown},
		{has(PartAccepted), Accepted},
		{true, Delivered},
	}
	next := rules[slices.IndexFunc(rules, func(r struct {
		if_  bool
		then State
	}) bool {
		return r.if_
	})].then
	if next == Partial && !slices.ContainsFunc(m.parts, func(p modelPart) bool { return p.state != PartWaiting }) {
		next = Queued
		if len(m.parts) == 1 || !m.doubted {
			m.line = ""
		}
	}
	if next != Uncertain {
		m.doubtEnds, m.suspect, m.held = time.Time{}, false, false
	}
	if next.End() {
		o.finish(m, next, now)
		return
	}
	if m.state = next; next == Sent && !m.toldSent {
		m.toldSent = true
		o.tell(m, Sent, true)
	}
}

// expire: what waits will not be sent, if it was not before.
func (o *model) expire(m *modelMessage, now time.Time) {
	fresh := func(p modelPart) bool { return p.state == PartWaiting && (p.attempts == 0 || !m.duplicate) }
	if slices.ContainsFunc(m.parts, fresh) {
		o.finish(m, Expired, now)
		return
	}
	for n := range m.parts {
		if m.parts[n].state == PartWaiting {
			m.parts[n].state = PartUnknown
		}
	}
	o.settle(m, now)
}

func (o *model) finish(m *modelMessage, s State, now time.Time) {
	if m.state == s {
		return
	}
	m.state, m.endedAt, m.doubtEnds, m.suspect, m.held = s, now, time.Time{}, false, false
	o.tell(m, s, false)
}

func (o *model) tell(m *modelMessage, s State, progress bool) {
	good := s == Delivered || s == Accepted
	switch {
	case progress && m.wish&0x10 != 0:
		o.told[m.id] = append(o.told[m.id], s.String()+"...")
	case !progress && (m.wish&3 == 1 || m.wish&3 == 2 && !good || m.wish&3 == 3 && good):
		o.told[m.id] = append(o.told[m.id], s.String())
	}
}

// tick lets time act on everything until nothing changes any more.
func (o *model) tick(now time.Time) {
	o.steps = nil
	o.rest.tick(o.opt.InboundWait, now)
	for id, g := range o.gone {
		if !now.Before(g.until) {
			delete(o.gone, id)
		}
	}
	for o.round(now) {
	}
	for _, m := range o.messages {
		if m.state == Sent && !now.Before(m.sentAt.Add(o.opt.Keep)) {
			m.textless = true
		}
	}
}

// round lets each message whose hour has come act once, in the order of their hours: one that ends or goes earlier is no
// candidate for the report that a later one waits for. It tells whether there was any.
func (o *model) round(now time.Time) bool {
	var due []*modelMessage
	for _, m := range o.messages {
		if !now.Before(o.hour(m)) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, func(a, b *modelMessage) int {
		if d := o.hour(a).Compare(o.hour(b)); d != 0 {
			return d
		}
		return int(a.id) - int(b.id)
	})
	hours := make([]time.Time, len(due))
	for n, m := range due {
		hours[n] = o.hour(m)
	}
	for n, m := range due {
		switch {
		case o.messages[m.id] != m || !o.hour(m).Equal(hours[n]): // another one has changed it
		case !o.wakeTold(m, now):
			delete(o.messages, m.id)
			o.gone[m.id] = modelGone{m.lane, now.Add(o.opt.Tombstone)}
		}
	}
	return len(due) > 0
}

// hour is when a message next ends, is decided about, or goes.
func (o *model) hour(m *modelMessage) time.Time {
	switch {
	case m.waits():
		return m.expires
	case m.state == Claimed:
		at := m.expires
		for _, p := range m.parts {
			if late := p.claimed.Add(time.Hour); p.state == PartClaimed && late.After(at) {
				at = late
			}
		}
		return at
	case m.state == Uncertain:
		return m.doubtEnds
	case m.state == Sent:
		return m.expires.Add(o.opt.ReportGrace)
	}
	last := m.endedAt
	if m.sentAt.After(last) {
		last = m.sentAt
	}
	return last.Add(o.opt.Keep)
}

// wakeTold notes what wake did.
func (o *model) wakeTold(m *modelMessage, now time.Time) bool {
	from := m.state
	stays := o.wake(m, now)
	if m.state != from {
		o.steps = append(o.steps, TimerStep{ID: m.id, From: from, To: m.state})
	}
	return stays
}

// wake changes a message if its time has come.
func (o *model) wake(m *modelMessage, now time.Time) bool {
	switch {
	case m.waits() && !now.Before(m.expires):
		o.expire(m, now)
		return true
	case m.state == Claimed && !now.Before(m.expires):
		for n, p := range m.parts {
			if p.state == PartClaimed && !now.Before(p.claimed.Add(time.Hour)) {
				o.doubt(m.id, n, now)
				return true
			}
		}
	case m.state == Uncertain && !now.Before(m.doubtEnds):
		o.giveUp(m, now)
		return true
	case m.state == Sent && !now.Before(m.expires.Add(o.opt.ReportGrace)):
		for n := range m.parts {
			if m.parts[n].state == PartSent {
				m.parts[n].state = PartUnknown
			}
		}
		o.settle(m, now)
		return true
	}
	return false
}

// giveUp ends a doubt by policy.
func (o *model) giveUp(m *modelMessage, now time.Time) {
	policy := o.policyOf(m.lane)
	again := !m.held && now.Before(m.expires) && (policy == PolicyResend && m.resends == 0 || m.suspect && policy != PolicyNever)
	for n := range m.parts {
		switch p := &m.parts[n]; {
		case !m.open(p):
		case again:
			p.state = PartWaiting
		default:
			p.state = PartUnknown
		}
	}
	if again {
		m.duplicate, m.due, m.dueMoment = true, now, false
		if !m.suspect {
			m.resends = 1
		}
	}
	o.settle(m, now)
}
