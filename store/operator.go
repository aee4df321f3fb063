package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"smsgateway/sms"
)

// mostActs is how many acts of operators a message remembers, mostName how many octets of a name.
const (
	mostActs = 10
	mostName = 100
)

// Act is what an operator did with a message.
type Act struct {
	At   time.Time
	By   string // who, as the system calls him; "" if that is not known
	What string // a clause in words
}

// ErrMayDouble: what the operator orders may have a text go out twice, and he did not say that he knows it. Nothing was
// changed.
var ErrMayDouble = errors.New("it may go out twice")

// Order is what comes with the operator's word.
type Order struct {
	By      string
	Twice   bool      // he knows that the phone may get the text a second time
	Expires time.Time // end of validity of a message that has to be made anew
}

func (m *Message) note(o Order, what string, now time.Time) {
	acts := append(m.Acts[:len(m.Acts):len(m.Acts)], Act{now, o.By[:min(len(o.By), mostName)], what})
	m.Acts = acts[max(len(acts)-mostActs, 0):]
}

// Retried is what Retry did.
type Retried struct {
	ID    ID   // of the message that is sent
	Fresh bool // it is a new one: the one of which it is a copy had ended
	Due   time.Time
}

// Retry has a message sent: one that waits for its next try at once; one in doubt, or held after a restore, once more, marked
// as a possible duplicate. A message that has ended as Unknown, Undeliverable, Expired or Rejected stays so, as its client was
// told; a copy of it is sent as a new message, without receipts, as the client knows no such id.
//
// ErrMayDouble: the phone may have the text already, and o.Twice is not set. *StateError: it can't be sent again. *LimitError
// and ErrDiskFull as of Enqueue, for a copy.
func (db *DB) Retry(id ID, order Order, now time.Time) (Retried, error) {
	var done Retried
	o := &op{asks: true, grow: true}
	o.run = func(t *txn) (err error) {
		m, err := t.message(id)
		if err != nil {
			return fmt.Errorf("send message %s again: %w", id, err)
		}
		if m.State.End() {
			done, err = t.sendCopy(m, order, now)
			return err
		}
		done = Retried{ID: id}
		if err := t.retry(m, order, now); err != nil {
			return err
		}
		done.Due = m.Due
		return nil
	}
	db.w.put(o)
	<-o.done
	return done, o.err
}

// retry has a message that has not ended sent now.
func (t *txn) retry(m *Message, order Order, now time.Time) error {
	switch {
	case m.State == Claimed:
		return &StateError{m.State, "a modem has it at this moment; its answer comes first"}
	case m.State == Sent:
		return &StateError{m.State, "the network has taken it"}
	case !now.Before(m.Expires):
		return &StateError{m.State, "its validity is over, so it is about to end"}
	case m.State == Uncertain:
		return t.resend(m, order, now)
	case m.Due.After(now) && m.Refusals == 0 && m.tries() == 0:
		return &StateError{m.State, "it is scheduled: its client wants it to go out at " + m.Due.UTC().Format(time.DateTime) + " UTC"}
	}
	if m.Due.After(now) {
		m.Due, m.DueMoment = now, false
	}
	m.note(order, "had it tried at once", now)
	was := m.in.row
	if err := t.save(m, now); err != nil {
		return err
	}
	if was == rowQueue { // who has passed it over looks again
		t.change.Queue = true
		t.change.Back = append(t.change.Back, m.place())
	}
	return nil
}

// resend has a message in doubt sent once more. What its client scheduled for later still goes out then.
func (t *txn) resend(m *Message, order Order, now time.Time) error {
	if !order.Twice {
		return ErrMayDouble
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.State == PartUncertain || m.Held && p.State == PartWaiting {
			p.State, p.Attempts = PartWaiting, max(p.Attempts, 1) // a try that nobody knows of counts, too
		}
	}
	if m.Held && m.Due.After(now) {
		m.DueMoment = true // what it was reckoned from is of another life of the file
	} else {
		m.Due, m.DueMoment = now, false
	}
	m.Held, m.Suspect, m.Duplicate = false, false, true
	m.Reason = ToBeSentAgain + ", as the operator wishes, " + sentBefore + m.Reason
	m.note(order, "had it sent though it may have been sent before", now)
	return t.settle(m, now)
}

// tries counts the claims of all parts.
func (m *Message) tries() (n int) {
	for i := range m.Parts {
		n += int(m.Parts[i].Attempts)
	}
	return n
}

// copies begins what is noted of a message that was sent again as another one.
const copies = "had it sent again as message "

// sendCopy sends what an ended message said as a new one.
func (t *txn) sendCopy(m *Message, order Order, now time.Time) (Retried, error) {
	doubtful := m.count(PartUncertain, PartUnknown, PartSent, PartAccepted, PartDelivered) > 0
	for _, a := range m.Acts {
		doubtful = doubtful || len(a.What) > len(copies) && a.What[:len(copies)] == copies
	}
	switch {
	case m.State == Deleted:
		return Retried{}, &StateError{m.State, "its client was told that it is never sent"}
	case m.State == Delivered || m.State == Accepted:
		return Retried{}, &StateError{m.State, "it was sent"}
	case m.in.textless:
		return Retried{}, &StateError{m.State, "its text is not kept any more"}
	case doubtful && !order.Twice:
		return Retried{}, ErrMayDouble
	}
	c := m.fresh()
	c.Accepted, c.Due, c.Expires, c.Bounded = now, time.Time{}, order.Expires, false
	c.DueMoment, c.ExpiresMoment = false, false
	c.RegisteredDelivery, c.UserReference, c.Duplicate = 0, nil, doubtful
	c.note(order, "had it sent as a copy of message "+m.ID.String(), now)
	if err := c.check(); err != nil {
		return Retried{}, fmt.Errorf("send message %s again: %w", m.ID, err)
	}
	if err := t.w.disk.refuse(); err != nil {
		return Retried{}, err
	}
	if err := t.within(c.Lane, now, newcomers{messages: 1, parts: len(c.Parts)}); err != nil {
		return Retried{}, err
	}
	c.in.row, c.in.was = c.wantedRow(now), Queued
	c.in.wake = c.wakeTime(t.w.db)
	id, err := t.accept(prepared{c, appendMessage(nil, c)})
	if err != nil {
		return Retried{}, err
	}
	m.note(order, copies+id.String(), now)
	return Retried{ID: id, Fresh: true}, t.save(m, now)
}

// CloseAs ends the doubt about a message, held or not, by the operator's word: its parts in doubt were sent, or it has failed.
// *StateError if it is not in doubt (any more).
func (db *DB) CloseAs(id ID, sent bool, order Order, now time.Time) (*Message, error) {
	var m *Message
	err := db.w.do(func(t *txn) (err error) {
		if m, err = t.message(id); err != nil {
			return fmt.Errorf("close message %s: %w", id, err)
		}
		return t.closeAs(m, sent, order, now)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (t *txn) closeAs(m *Message, sent bool, order Order, now time.Time) error {
	if m.State != Uncertain {
		return &StateError{m.State, "nobody doubts what became of it"}
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.State != PartUncertain && !(m.Held && p.State == PartWaiting) {
			continue
		}
		if !sent {
			p.State, p.Reason = PartFailed, "closed as failed by the operator"
			continue
		}
		p.State, p.Reason = PartAccepted, "closed as sent by the operator"
		if p.SentAt = p.ClaimedAt; p.SentAt.IsZero() {
			p.SentAt = now
		}
	}
	if sent {
		m.Held, m.ErrorCode, m.ErrorKind, m.Reason = false, 0, 0, ""
		m.note(order, "closed it as sent", now)
		return t.settle(m, now)
	}
	m.Reason = "the operator closed it as failed; before: " + m.Reason
	m.note(order, "closed it as failed", now)
	return t.settle(m, now)
}

// HeldFilter chooses messages that a restore holds, in the order of acceptance.
type HeldFilter struct {
	Lane        uint32    // 0: of all accounts
	Destination string    // as sms.SameNumber compares; "": to anybody
	From, Until time.Time // of acceptance; zero: any. Until is the first moment that is not meant
	After       ID        // those behind this one
}

func (f *HeldFilter) match(m *Message) bool {
	return m.Held && (f.Lane == 0 || m.Lane == f.Lane) &&
		(f.Destination == "" || sms.SameNumber(f.Destination, m.Destination.Number)) &&
		!m.Accepted.Before(f.From) && (f.Until.IsZero() || m.Accepted.Before(f.Until))
}

// Released is what one call of RetryHeld or CloseHeld did.
type Released struct {
	N       int
	Skipped int  // their validity is over
	After   ID   // all up to this one were looked at
	More    bool // not all were: call again, from After
}

// heldBite is how many held messages are changed in one transaction.
const heldBite = 500

// RetryHeld is Retry for what a restore holds, some at a time.
func (db *DB) RetryHeld(f HeldFilter, order Order, now time.Time) (Released, error) {
	if !order.Twice {
		return Released{}, ErrMayDouble
	}
	return db.eachHeld(f, now, func(t *txn, m *Message) error { return t.resend(m, order, now) })
}

// CloseHeld is CloseAs for what a restore holds, some at a time.
func (db *DB) CloseHeld(f HeldFilter, sent bool, order Order, now time.Time) (Released, error) {
	return db.eachHeld(f, now, func(t *txn, m *Message) error { return t.closeAs(m, sent, order, now) })
}

func (db *DB) eachHeld(f HeldFilter, now time.Time, do func(t *txn, m *Message) error) (done Released, err error) {
	var ids []ID
	err = db.view(func(v *reader) error {
		ids, done.After, done.More = v.held(f)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return done, err
	}
	err = db.w.do(func(t *txn) error {
		done.N, done.Skipped = 0, 0
		for _, id := range ids {
			m, err := t.message(id)
			switch {
			case err != nil || !m.Held: // its doubt has ended meanwhile
				continue
			case !now.Before(m.Expires):
				done.Skipped++
				continue
			}
			if err := do(t, m); err != nil {
				return err
			}
			done.N++
		}
		return nil
	})
	return done, err
}

// held finds held messages. What can't be read is left out.
func (v *reader) held(f HeldFilter) (ids []ID, last ID, more bool) {
	last = f.After
	c := v.bucket(bMessages).Cursor()
	n := 0
	for k, value := c.Seek(idKey(f.After + 1)); k != nil; k, value = c.Next() {
		if n++; len(ids) == heldBite || n > lookMessages {
			return ids, last, true
		}
		if len(k) == 8 {
			last = ID(binary.BigEndian.Uint64(k))
		}
		if _, state, ok := peekMessage(value); !ok || state != Uncertain {
			continue
		}
		if m, err := decodeMessage(k, value); err == nil && f.match(m) {
			ids = append(ids, m.ID)
		}
	}
	return ids, last, false
}
