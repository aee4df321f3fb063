package store

import (
	"fmt"
	"slices"
	"time"
)

// replaceable is the message whose place a new one would take, nil for none.
func (o *model) replaceable(m *Message, now time.Time) (old *modelMessage) {
	for _, w := range o.messages {
		same := w.lane == m.Lane && w.to == m.Destination.Number && w.service == m.ServiceType
		if same && w.state == Queued && !w.doubted && now.Before(w.expires) && (old == nil || w.id > old.id) {
			old = w
		}
	}
	return old
}

// replace has its own word for times that contradict each other.
func (o *model) replace(lane uint32, id ID, r Replacement, now time.Time) string {
	if g, was := o.gone[id]; was && g.lane == lane {
		return isGone
	}
	m := o.messages[id]
	switch {
	case m == nil || m.lane != lane:
		return notFound
	case m.state != Queued || m.doubted || !now.Before(m.expires):
		return state
	}
	due, expires := m.due, m.expires
	dueMoment, expiresMoment := m.dueMoment, m.expiresMoment
	if r.Due != nil {
		due = *r.Due
		dueMoment = r.DueMoment
	}
	bounded := m.bounded || !r.Expires.IsZero()
	if !r.Expires.IsZero() {
		expires, expiresMoment = r.Expires, r.ExpiresMoment
	} else if !bounded && !r.Default.IsZero() {
		expires, expiresMoment = r.Default, r.ExpiresMoment
	}
	deferred := r.Due == nil && m.parts[0].attempts > 0
	if !expires.After(now) || !deferred && !expires.After(due) {
		return ErrTimes.Error()
	}
	if more := len(r.Parts) - len(m.parts); more > 0 {
		if no := o.refuses(lane, now, newcomers{parts: more}); no != fine {
			return no
		}
		o.taken = append(o.taken, modelTaken{lane, now, more})
	}
	m.bounded, m.dueMoment, m.expiresMoment = bounded, dueMoment, expiresMoment
	m.due, m.expires, m.wish, m.refusals, m.line = due, expires, r.RegisteredDelivery, 0, ""
	m.parts, m.texts = make([]modelPart, len(r.Parts)), nil
	for _, p := range r.Parts {
		m.texts = append(m.texts, string(p))
	}
	return fine
}

// again gives the id under which messages, or the first of them, were accepted before, with the note of then; 0 if they were
// not, or if all of them ended unsent or became others.
func (o *model) again(k modelKey, window time.Duration, now time.Time) (ID, string) {
	first, was := o.once[k]
	if !was || now.Sub(first.at) >= min(window, first.window) {
		return 0, ""
	}
	for i, texts := range first.texts {
		m, no := o.find(first.id + ID(i))
		switch {
		case no == notFound:
		case no == fine && slices.Contains([]State{Deleted, Expired, Undeliverable, Rejected}, m.state):
		case no == fine && !slices.Equal(m.texts, texts):
		default:
			return first.id, first.note
		}
	}
	return 0, ""
}

// remember takes down n messages that were accepted from id on.
func (o *model) remember(k modelKey, id ID, n int, once Once, now time.Time) {
	first := modelFirst{id: id, at: now, window: once.Window, note: string(once.Note)}
	for i := range n {
		first.texts = append(first.texts, slices.Clone(o.messages[id+ID(i)].texts))
	}
	o.once[k] = first
}

// refusesOnce is refuses for a list that was accepted before as id, or takes the place of old.
func (o *model) refusesOnce(id ID, list []*Message, old *modelMessage, now time.Time) string {
	if id != 0 {
		return fine
	}
	n := newcomers{messages: len(list)}
	if old != nil {
		n.replaced = 1
	}
	for _, m := range list {
		n.parts += len(m.Parts)
	}
	return o.refuses(list[0].Lane, now, n)
}

// says is what a modem makes ready of a message.
func (o *model) says(id ID) string {
	m := o.messages[id]
	return fmt.Sprintf("%q until %s, wish %d", m.texts, m.expires, m.wish)
}

// claimAs is claim for a message that said this when it was made ready.
func (o *model) claimAs(says string, id ID, part int, line string, now time.Time) string {
	m := o.messages[id]
	if m == nil || m.waits() && !now.Before(m.expires) || says == o.says(id) {
		return o.claim(id, part, line, now)
	}
	return state
}
