package store

import (
	"fmt"
	"time"
)

func (w *walk) randomMessage() *Message {
	m := w.message(1 + w.r.IntN(3)*w.r.IntN(2))
	if w.r.IntN(3) == 0 {
		m.Account, m.Lane = w.other.Key, w.other.Lane
	}
	m.Destination.Number = w.numbers()[w.r.IntN(2)]
	m.RegisteredDelivery = uint8(w.r.IntN(32))
	m.Priority = uint8(w.r.IntN(4)) * uint8(w.r.IntN(2))
	m.Expires = w.now.Add(time.Duration(1+w.r.IntN(48)) * 30 * time.Minute)
	if w.r.IntN(4) == 0 {
		m.Due = w.now.Add(time.Duration(w.r.IntN(120)) * time.Minute)
	}
	m.DueMoment, m.ExpiresMoment = w.r.IntN(2) == 0, w.r.IntN(2) == 0
	if w.r.IntN(4) == 0 {
		m.ServiceType = "VMN"
	}
	return m
}

// randomOnce submits what may have been submitted before, in each of the three ways; the limits are for what was not. What
// is submitted again may have become other texts, fewer, or none.
func (w *walk) randomOnce() {
	once := Once{Window: time.Duration(1+w.r.IntN(3)) * 20 * time.Minute, Note: fmt.Append(nil, len(w.ids))}
	list := w.resubmission()
	once.Content = w.content
	key := modelKey{w.submitted[0].Lane, once.Reference, once.Content}
	wantID, wantNote := w.model.again(key, once.Window, w.now)
	want, wantOld := fine, ID(0)
	var a *Accept
	switch {
	case len(list) == 0:
		if a = w.db.Known(key.lane, once, w.now); wantID == 0 {
			want = notFound
		}
	case len(list) > 1 || w.r.IntN(3) == 0:
		want = w.model.refusesOnce(wantID, list, nil, w.now)
		a = w.db.EnqueueAllOnce(list, once)
	case w.r.IntN(2) == 0:
		want = w.model.refusesOnce(wantID, list, nil, w.now)
		a = w.db.EnqueueOnce(list[0], once)
	default:
		old := w.model.replaceable(list[0], w.now)
		want = w.model.refusesOnce(wantID, list, old, w.now)
		a = w.db.EnqueueReplacingOnce(list[0], once)
		if old != nil && want == fine && wantID == 0 {
			wantOld = old.id
		}
	}
	id, err := a.Result()
	if err == nil && wantID == 0 {
		for i, m := range list {
			w.ids = append(w.ids, id+ID(i))
			w.model.enqueue(id+ID(i), m)
		}
		w.model.remember(key, id, len(list), once, w.now)
		w.once = id
		if wantOld != 0 {
			w.model.finish(w.model.messages[wantOld], Deleted, w.now)
		}
	}
	w.same(want, err, "enqueue %d messages from %d on once for %s as %v, for %d", len(list), id, once.Window, key, a.Replaced())
	if a.Again() != (wantID != 0) || wantID != 0 && id != wantID || a.Replaced() != wantOld || string(a.Note()) != wantNote {
		w.t.Errorf("got %d for %d, again %t %q, want %d for %d, %q", id, a.Replaced(), a.Again(), a.Note(), wantID, wantOld, wantNote)
	}
}

// resubmission makes messages of what was submitted last, or of something else, which is submitted from then on.
func (w *walk) resubmission() (list []*Message) {
	fresh := len(w.submitted) == 0 || w.r.IntN(3) == 0
	if fresh {
		w.submitted = []*Message{w.randomMessage()}
		if w.r.IntN(2) == 0 {
			w.submitted = append(w.submitted, w.randomMessage())
			w.submitted[1].Account, w.submitted[1].Lane = w.submitted[0].Account, w.submitted[0].Lane
		}
		w.content = [16]byte{byte(w.r.IntN(8))}
	}
	for _, m := range w.submitted {
		if !fresh && w.r.IntN(6) == 0 {
			continue
		}
		m.Accepted, m.Expires = w.now, w.now.Add(time.Duration(1+w.r.IntN(10))*time.Hour)
		if next := *m; !fresh && w.r.IntN(3) == 0 {
			next.Parts = w.message(1 + w.r.IntN(2)).Parts
			next.Parts[0].Data = fmt.Appendf(nil, "encoded %d", w.r.IntN(10))
			m = &next
		}
		list = append(list, m)
	}
	return list
}

func (w *walk) randomEnqueue() {
	m := w.randomMessage()
	n := newcomers{messages: 1, parts: len(m.Parts)}
	if w.r.IntN(4) > 0 {
		want := w.model.refuses(m.Lane, w.now, n)
		id, err := w.db.Enqueue(m).Result()
		if err == nil {
			w.ids = append(w.ids, id)
			w.model.enqueue(id, m)
		}
		w.same(want, err, "enqueue %d, %d parts, lane %d, due %s, expires %s", id, len(m.Parts), m.Lane, m.Due, m.Expires)
		return
	}
	old, wantOld := w.model.replaceable(m, w.now), ID(0)
	if old != nil {
		n.replaced = 1
	}
	want := w.model.refuses(m.Lane, w.now, n)
	a := w.db.EnqueueReplacing(m)
	id, err := a.Result()
	if err == nil {
		w.ids = append(w.ids, id)
		w.model.enqueue(id, m)
		if old != nil {
			w.model.finish(old, Deleted, w.now)
			wantOld = old.id
		}
	}
	w.same(want, err, "enqueue %d for %d, %d parts, lane %d, due %s, expires %s", id, a.Replaced(), len(m.Parts), m.Lane, m.Due, m.Expires)
	if a.Replaced() != wantOld {
		w.t.Errorf("message %s took the place of %s, want %s", id, a.Replaced(), wantOld)
	}
}

func (w *walk) randomEnqueueAll() {
	list := make([]*Message, 1+w.r.IntN(4))
	n := newcomers{messages: len(list)}
	for i := range list {
		list[i] = w.randomMessage()
		list[i].Account, list[i].Lane = list[0].Account, list[0].Lane
		n.parts += len(list[i].Parts)
	}
	want := w.model.refuses(list[0].Lane, w.now, n)
	first, err := w.db.EnqueueAll(list).Result()
	w.same(want, err, "enqueue %d from %d on", len(list), first)
	if err != nil {
		return
	}
	for i, m := range list {
		id := first + ID(i)
		w.ids = append(w.ids, id)
		w.model.enqueue(id, m)
	}
}

func (w *walk) randomReplace() {
	lane, id := w.acct.Lane, w.anyID()
	if w.r.IntN(3) == 0 {
		lane = w.other.Lane
	}
	if w.once != 0 && w.r.IntN(3) == 0 { // its client may submit it again
		lane, id = w.submitted[0].Lane, w.once
	}
	r := Replacement{RegisteredDelivery: uint8(w.r.IntN(32))}
	for range 1 + w.r.IntN(3)*w.r.IntN(2) {
		r.Parts = append(r.Parts, fmt.Appendf(nil, "new %d", w.r.IntN(1000)))
	}
	if w.r.IntN(3) == 0 {
		due := w.now.Add(time.Duration(w.r.IntN(120)-10) * time.Minute)
		r.Due = &due
	}
	if w.r.IntN(3) == 0 {
		r.Expires = w.now.Add(time.Duration(w.r.IntN(48)-1) * 30 * time.Minute)
	}
	if w.r.IntN(3) == 0 {
		r.Default = w.now.Add(time.Duration(w.r.IntN(48)-1) * 30 * time.Minute)
	}
	r.DueMoment, r.ExpiresMoment = w.r.IntN(2) == 0, w.r.IntN(2) == 0
	w.same(w.model.replace(lane, id, r, w.now), w.db.Replace(lane, id, r, w.now), "replace %d of lane %d by %+v", id, lane, r)
}
