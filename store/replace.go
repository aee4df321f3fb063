package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrTimes: the message would be due after the end of its validity, or its validity would be over. Nothing was changed.
var ErrTimes = errors.New("its times contradict each other")

// replacedMeanwhile is why a claim is refused of a message that was changed since it was picked.
const replacedMeanwhile = "it was replaced meanwhile"

// Replacement is what becomes of a message that waits (SMPP 3.4 §4.10.1). All but the times is as told here; the rest of
// the message stays as it is.
type Replacement struct {
	DCS                uint8
	UDH                []byte // as in Message
	Preview            string
	Parts              [][]byte // the data of each
	RegisteredDelivery uint8
	Due                *time.Time // nil: as it was; zero: at once
	Expires            time.Time  // zero: as it was
	Default            time.Time  // that instead, if no client ever said when it expires; zero: as it was

	DueMoment, ExpiresMoment bool // what Message says of Due, and of Expires or Default, where they are given
}

// Replace changes a message that no modem has been given yet, in its place in the queue. nil: nothing of what it said
// before will ever be sent. Errors as of Cancel, *StateError also if its validity is over; ErrTimes; *LimitError if it has more
// parts than before, and there is no room for them in the day or month; ErrDiskFull.
func (db *DB) Replace(lane uint32, id ID, r Replacement, now time.Time) error {
	o := &op{grow: true}
	o.run = func(t *txn) error {
		m, err := t.messageOf(lane, id)
		if err != nil {
			return err
		}
		return t.replace(m, &r, now)
	}
	db.w.put(o)
	<-o.done
	return o.err
}

// messageOf reads a message of a lane: ErrNotFound if it is another's.
func (t *txn) messageOf(lane uint32, id ID) (*Message, error) {
	m, err := t.message(id)
	var gone *GoneError
	switch {
	case errors.As(err, &gone) && gone.Lane != lane:
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	case m.Lane != lane:
		return nil, ErrNotFound
	}
	return m, nil
}

func (t *txn) replace(m *Message, r *Replacement, now time.Time) error {
	if err := m.untouched(); err != nil {
		return err
	}
	if !now.Before(m.Expires) {
		return &StateError{m.State, "its validity is over"}
	}
	due, expires := m.Due, m.Expires
	if r.Due != nil {
		due, m.DueMoment = *r.Due, r.DueMoment
	}
	switch {
	case !r.Expires.IsZero():
		expires, m.Bounded, m.ExpiresMoment = r.Expires, true, r.ExpiresMoment
	case !m.Bounded && !r.Default.IsZero():
		expires, m.ExpiresMoment = r.Default, r.ExpiresMoment
	}
	scheduled := r.Due != nil || m.Refusals == 0 && m.Parts[0].Attempts == 0 // else Due is when it is tried again
	if !expires.After(now) || scheduled && !expires.After(due) {
		return ErrTimes
	}
	more := max(len(r.Parts)-len(m.Parts), 0)
	if more > 0 {
		if err := t.within(m.Lane, now, newcomers{parts: more}); err != nil {
			return err
		}
	}
	m.Due, m.Expires = due, expires
	m.DCS, m.UDH, m.Preview, m.RegisteredDelivery = r.DCS, r.UDH, r.Preview, r.RegisteredDelivery
	m.Parts = make([]Part, len(r.Parts))
	for i, data := range r.Parts {
		m.Parts[i].Data = data
	}
	m.Reason, m.ErrorCode, m.ErrorKind, m.Refusals, m.Line = "", 0, 0, 0, "" // they were about another text
	if err := m.check(); err != nil {
		return fmt.Errorf("replace message %s: %w", m.ID, err)
	}
	if more > 0 {
		if err := t.count(m.Lane, now, more); err != nil {
			return err
		}
	}
	was := m.in.row
	t.erased = true
	if err := t.save(m, now); err != nil {
		return err
	}
	if was == rowQueue && m.in.row == rowQueue { // who has passed it over looks again
		t.change.Queue = true
		t.change.Back = append(t.change.Back, m.place())
	}
	return nil
}

// untouched is a *StateError unless nothing of the message is or was on air, as far as anybody can know.
func (m *Message) untouched() error {
	if m.cancellable() {
		return nil
	}
	reason := ""
	if m.State == Queued {
		reason = "a modem had it once, and nobody knows whether it was sent"
	}
	return &StateError{m.State, reason}
}

// sameContent tells whether all that goes on air of a message is as it was when picked was read.
func (m *Message) sameContent(picked *Message) bool {
	return m.sameText(picked) && m.Expires.Equal(picked.Expires) && m.RegisteredDelivery == picked.RegisteredDelivery
}

// sameText tells whether two messages say the same in the same alphabet, below the same headers.
func (m *Message) sameText(n *Message) bool {
	return m.DCS == n.DCS && bytes.Equal(m.UDH, n.UDH) &&
		slices.EqualFunc(m.Parts, n.Parts, func(p, q Part) bool { return bytes.Equal(p.Data, q.Data) })
}

// EnqueueReplacing is Enqueue for a message that takes the place of one that waits: of those of the lane with the same
// source, destination and service_type that no modem has been given yet, the newest ends as Deleted in the same transaction
// (SMPP 3.4 §5.2.18). If there is none it is Enqueue. The first call for a lane reads all that waits in it.
func (db *DB) EnqueueReplacing(m *Message) *Accept { return db.enqueueReplacing(m, nil) }

func (db *DB) enqueueReplacing(m *Message, once *Once) *Accept {
	fresh, err := prepare(m, db)
	if err == nil {
		err = db.indexPending(m.Lane)
	}
	if err != nil {
		return db.refused(err)
	}
	a := &Accept{}
	return db.submit(a, once, []prepared{fresh}, func(t *txn) error {
		a.replaced = 0
		old := t.newestPending(fresh.m, fresh.m.Accepted)
		n := newcomers{messages: 1, parts: len(fresh.m.Parts)}
		if old != nil {
			n.replaced = 1
		}
		if err := t.within(fresh.m.Lane, fresh.m.Accepted, n); err != nil {
			return err
		}
		id, err := t.accept(fresh)
		if a.id = id; err != nil || old == nil {
			return err
		}
		a.replaced = old.ID
		old.Reason = ReplacedBy + id.String() + ", before any modem had it"
		return t.end(old, Deleted, fresh.m.Accepted)
	})
}

// ReplacedBy begins the Reason of a message that ended because another took its place; the id follows.
const ReplacedBy = "replaced by message "

// EnqueueAll is Enqueue for several messages of one lane at once: all of them are stored or none, and their ids follow one
// another in their order. The Accept gives the first.
func (db *DB) EnqueueAll(list []*Message) *Accept { return db.enqueueAll(list, nil) }

func (db *DB) enqueueAll(list []*Message, once *Once) *Accept {
	if len(list) == 0 {
		return db.refused(errors.New("there is none"))
	}
	all := make([]prepared, len(list))
	n := newcomers{messages: len(list)}
	for i, m := range list {
		var err error
		if all[i], err = prepare(m, db); err == nil && m.Lane != list[0].Lane {
			err = errors.New("it is for another account than the others")
		}
		if err != nil {
			return db.refused(err)
		}
		n.parts += len(m.Parts)
	}
	a := &Accept{}
	return db.submit(a, once, all, func(t *txn) error {
		a.id = 0
		if err := t.within(all[0].m.Lane, all[0].m.Accepted, n); err != nil {
			return err
		}
		for _, p := range all {
			id, err := t.accept(p)
			if err != nil {
				return err
			}
			if a.id == 0 {
				a.id = id
			}
		}
		return nil
	})
}
