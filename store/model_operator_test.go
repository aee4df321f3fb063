package store

import "time"

// mayDouble is what is answered to an operator who did not say that he knows it.
var mayDouble = ErrMayDouble.Error()

// hold is what a restore does with what was on its way.
func (o *model) hold(m *modelMessage, now time.Time) {
	m.held, m.suspect, m.doubted, m.doubtEnds = true, false, true, m.expires
	o.settle(m, now)
}

// open: nobody knows what became of the part, or whether something did.
func (m *modelMessage) open(p *modelPart) bool {
	return p.state == PartUncertain || m.held && p.state == PartWaiting
}

// retry gives whether a copy is to be sent as a new message.
func (o *model) retry(id ID, order Order, now time.Time) (fresh bool, no string) {
	m, no := o.find(id)
	if no != fine {
		return false, no
	}
	tries := 0
	for _, p := range m.parts {
		tries += p.attempts
	}
	switch {
	case m.state.End():
		return true, o.mayCopy(m, order, now)
	case m.state == Claimed, m.state == Sent, !now.Before(m.expires):
		return false, state
	case m.state == Uncertain:
		return false, o.resend(m, order, now)
	case m.due.After(now) && m.refusals == 0 && tries == 0:
		return false, state
	}
	if m.due.After(now) {
		m.due, m.dueMoment = now, false
	}
	m.acts++
	return false, fine
}

func (o *model) resend(m *modelMessage, order Order, now time.Time) string {
	if !order.Twice {
		return mayDouble
	}
	for n := range m.parts {
		if p := &m.parts[n]; m.open(p) {
			p.state, p.attempts = PartWaiting, max(p.attempts, 1)
		}
	}
	if m.dueMoment = m.held && m.due.After(now); !m.dueMoment {
		m.due = now
	}
	m.held, m.suspect, m.duplicate = false, false, true
	m.acts++
	o.settle(m, now)
	return fine
}

// perhapsSent: the phone may have the text of a message that has ended.
func (m *modelMessage) perhapsSent() bool {
	for _, p := range m.parts {
		switch p.state {
		case PartUncertain, PartUnknown, PartSent, PartAccepted, PartDelivered:
			return true
		}
	}
	return m.copied
}

func (o *model) mayCopy(m *modelMessage, order Order, now time.Time) string {
	switch {
	case m.state == Deleted, m.state == Delivered, m.state == Accepted, m.textless:
		return state
	case m.perhapsSent() && !order.Twice:
		return mayDouble
	}
	return o.refuses(m.lane, now, newcomers{messages: 1, parts: len(m.parts)})
}

// copied takes the copy in.
func (o *model) copied(of, id ID, order Order, now time.Time) {
	m := o.messages[of]
	c := &modelMessage{
		id: id, lane: m.lane, state: Queued, priority: m.priority, to: m.to, service: m.service, texts: m.texts,
		accepted: now, expires: order.Expires, duplicate: m.perhapsSent(), parts: make([]modelPart, len(m.parts)), acts: 1,
	}
	o.messages[id] = c
	o.taken = append(o.taken, modelTaken{m.lane, now, len(m.parts)})
	m.copied = true
	m.acts++
}

func (o *model) closeAs(id ID, sent bool, now time.Time) string {
	m, no := o.find(id)
	switch {
	case no != fine:
		return no
	case m.state != Uncertain:
		return state
	}
	for n := range m.parts {
		switch p := &m.parts[n]; {
		case !m.open(p):
		case !sent:
			p.state = PartFailed
		default:
			p.state = PartAccepted
			if p.at = p.claimed; p.at.IsZero() {
				p.at = now
			}
		}
	}
	m.held = m.held && !sent
	m.acts++
	o.settle(m, now)
	return fine
}

// eachHeld does something with what is held for a lane, 0 for any, and a number, and tells of how many the validity is over.
func (o *model) eachHeld(lane uint32, to string, now time.Time, do func(m *modelMessage) string) (n, skipped int) {
	for _, m := range o.messages {
		switch {
		case !m.held || lane != 0 && m.lane != lane || to != "" && m.to != to:
		case !now.Before(m.expires):
			skipped++
		case do(m) == fine:
			n++
		}
	}
	return n, skipped
}

// modelStep is a change of the time.
type modelStep struct {
	since, until, now time.Time
	by                time.Duration
}

// wrong: it is dated by the clock as it was. What happened within the seconds of the change itself may be dated by either.
func (s *modelStep) wrong(at time.Time) bool {
	switch {
	case at.IsZero(), at.After(s.until), !at.Before(s.now) && !at.After(s.now.Add(5*time.Second)):
		return false
	}
	return !at.Before(s.since) || s.by < 0 && at.After(s.now)
}

func (s *modelStep) right(at *time.Time) bool {
	if !s.wrong(*at) {
		return false
	}
	*at = at.Add(s.by)
	return true
}

// step: whatever happened is dated anew, and what follows a certain time after it; but no date of a client's.
func (o *model) step(s *modelStep) {
	for _, m := range o.messages {
		o.stepMessage(m, s)
	}
	for n := range o.orphans {
		s.right(&o.orphans[n].at)
	}
	for line, l := range o.lines {
		s.right(&l.at)
		o.lines[line] = l
	}
	for line, l := range o.last {
		s.right(&l.next)
		o.last[line] = l
	}
	for key, first := range o.once {
		s.right(&first.at)
		o.once[key] = first
	}
	o.rest.step(s)
	for _, line := range []string{"line-0", "line-1", "line-2"} {
		o.early(line, s.now)
	}
}

func (o *model) stepMessage(m *modelMessage, s *modelStep) {
	claimed, tried := false, false
	for n := range m.parts {
		p := &m.parts[n]
		tried = tried || p.attempts > 0
		claimed = s.right(&p.claimed) || claimed
		s.right(&p.at)
		if p.former != nil && p.state == PartClaimed {
			s.right(&p.former.claimed)
		}
	}
	accepted := s.right(&m.accepted)
	s.right(&m.sentAt)
	s.right(&m.endedAt)
	ours := !m.dueMoment && (accepted && !tried || tried && s.by < 0 && m.due.After(s.now))
	if !m.due.IsZero() && (claimed || ours) {
		m.due = m.due.Add(s.by)
	}
	withValidity := m.doubtEnds.Equal(m.expires)
	if (accepted || claimed) && !m.expiresMoment {
		m.expires = m.expires.Add(s.by)
	}
	if m.state != Uncertain {
		return
	}
	begins := m.doubtEnds.Add(-o.opt.UncertainWait)
	wrong := !m.doubtEnds.Before(s.since) || s.by < 0 && begins.After(s.now)
	switch {
	case withValidity:
		m.doubtEnds = m.expires
	case claimed, wrong && !begins.After(s.until):
		if m.doubtEnds = m.doubtEnds.Add(s.by); m.doubtEnds.After(m.expires) {
			m.doubtEnds = m.expires
		}
	}
}

// step: windows of budgets that run go on, with what was used in them.
func (r *modelRest) step(s *modelStep) {
	for n := range r.inbox {
		s.right(&r.inbox[n].received)
		s.right(&r.inbox[n].seen)
	}
	for n := range r.parts {
		s.right(&r.parts[n].since)
		s.right(&r.parts[n].last)
	}
	for n := range r.spent {
		spent := &r.spent[n]
		s.right(&spent.claimed)
		for w := Minute; w < Month; w++ {
			if w.start(spent.at[w].UTC()).Equal(w.start(s.now.Add(-s.by).UTC())) {
				spent.at[w] = s.now
			} else {
				spent.at[w] = time.Time{}
			}
		}
	}
}
