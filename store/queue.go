package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"smsgateway/sms"
)

// Bounds of what is looked at in one call.
const (
	lookMessages = 100_000 // records, by Messages in one transaction, and by Inbox
	lookLate     = 256     // records, before Messages looks at its watch
	mostMessages = 1000    // that Messages gives
)

// mostOctets bounds a message's data, so that a record stays far below what a page of bbolt is good for.
const mostOctets = 1 << 16

// Accept is a message on its way into the file.
type Accept struct {
	op       op
	id       ID
	replaced ID
	again    bool
	note     []byte
}

// Done is closed when the message is on disk with its place in the queue, or was refused.
func (a *Accept) Done() <-chan struct{} { return a.op.done }

// Result gives the message's id, once Done is closed. Errors: ErrNoAccount (the account was removed),
// *LimitError, ErrDiskFull, ErrNoIDs, ErrFailed, ErrClosed; the message is not accepted then, and will never be sent.
func (a *Accept) Result() (ID, error) {
	<-a.op.done
	if a.op.err != nil {
		return 0, a.op.err
	}
	return a.id, nil
}

// Replaced is the message whose place this one took, once Done is closed; 0 for none: see EnqueueReplacing.
func (a *Accept) Replaced() ID { return a.replaced }

// Again tells whether the message was accepted before, under the id of Result, once Done is closed: see EnqueueOnce.
func (a *Accept) Again() bool { return a.again }

// Note is that of the Once with which the message was accepted before, if Again; nil for an empty one.
func (a *Accept) Note() []byte { return a.note }

// Enqueue stores a new message and queues it for sending. ID, State and everything that happens to it later is given
// here; the caller sets the rest: Lane, Account, Accepted (which is now), Due, Expires, Parts with their Data, and what
// the client said. The message is not kept and may be changed as soon as Enqueue has returned, but for the octets that its
// slices hold. Messages of one goroutine are stored in the order of its calls.
func (db *DB) Enqueue(m *Message) *Accept { return db.enqueue(m, nil) }

func (db *DB) enqueue(m *Message, once *Once) *Accept {
	fresh, err := prepare(m, db)
	if err != nil {
		return db.refused(err)
	}
	a := &Accept{}
	return db.submit(a, once, []prepared{fresh}, func(t *txn) (err error) {
		if err := t.within(fresh.m.Lane, fresh.m.Accepted, newcomers{messages: 1, parts: len(fresh.m.Parts)}); err != nil {
			return err
		}
		a.id, err = t.accept(fresh)
		return err
	})
}

// refused is the Accept of what is refused at the door.
func (db *DB) refused(err error) *Accept {
	return &Accept{op: op{err: fmt.Errorf("accept a message: %w", err), done: db.w.nothing}}
}

// prepared is a new message as the writer takes it in: its record is made before, so that the one writer need not do it.
type prepared struct {
	m      *Message // not to be changed
	record []byte
}

func prepare(m *Message, db *DB) (p prepared, err error) {
	fresh := m.fresh()
	if err := fresh.check(); err != nil {
		return p, err
	}
	fresh.in.row = fresh.wantedRow(m.Accepted)
	fresh.in.wake = fresh.wakeTime(db)
	fresh.in.was = Queued
	return prepared{fresh, appendMessage(make([]byte, 0, 512), fresh)}, nil
}

// accept gives the id and writes the three rows of a new message; that it is within the limits was looked at before.
func (t *txn) accept(p prepared) (ID, error) {
	if owner, err := t.owner(p.m.Lane); err != nil {
		return 0, err
	} else if owner == nil {
		return 0, ErrNoAccount
	}
	if t.bucket(bMessages).Sequence() >= maxID {
		return 0, ErrNoIDs
	}
	seq, err := t.sequence(bMessages)
	if err != nil {
		return 0, err
	}
	m := *p.m
	m.ID, m.in.row = ID(seq), rowNone
	if err := t.place(&m, p.m.in.row); err != nil {
		return 0, err
	}
	if err := t.setTimer(m.ID, 0, m.in.wake); err != nil {
		return 0, err
	}
	if err := t.recount(m.Lane, 0, Queued); err != nil {
		return 0, err
	}
	if err := t.count(m.Lane, m.Accepted, len(m.Parts)); err != nil {
		return 0, err
	}
	t.note(&m, true)
	return m.ID, t.put(bMessages, idKey(m.ID), append(t.scratch(), p.record...))
}

// fresh is a copy without anything that only the store may say.
func (m *Message) fresh() *Message {
	f := *m
	f.ID, f.State, f.in = 0, Queued, internal{}
	f.SentAt, f.EndedAt, f.DoubtEnds = time.Time{}, time.Time{}, time.Time{}
	f.Suspect, f.Held, f.Acts = false, false, nil
	f.Reason, f.ErrorCode, f.ErrorKind, f.Refusals, f.Duplicate, f.Line = "", 0, 0, 0, false, ""
	f.Parts = make([]Part, len(m.Parts))
	for i := range m.Parts {
		f.Parts[i].Data = m.Parts[i].Data
	}
	return &f
}

// check refuses what can't be stored or would never end.
func (m *Message) check() error {
	size := len(m.UDH)
	for i := range m.Parts {
		size += len(m.Parts[i].Data)
	}
	words := len(m.Account) + len(m.Source.Number) + len(m.Destination.Number) + len(m.ServiceType) + len(m.Preview)
	switch {
	case len(m.Parts) == 0 || len(m.Parts) > 255:
		return fmt.Errorf("it has %d parts, 1 to 255 can be sent", len(m.Parts))
	case size > mostOctets || words > mostOctets:
		return fmt.Errorf("it has %d octets, at most %d can be stored", size+words, mostOctets)
	case m.Accepted.IsZero() || m.Expires.IsZero():
		return errors.New("it has no time of acceptance or no end of validity")
	}
	return nil
}

// Message reads a message. ErrNotFound: the id was never given, or nothing is left of it. *GoneError: it was given, and
// its keeping time is over.
func (db *DB) Message(id ID) (*Message, error) {
	var m *Message
	err := db.view(func(v *reader) (err error) {
		m, err = v.message(id)
		return err
	})
	return m, err
}

// Filter chooses messages. Its zero value is the newest fifty.
type Filter struct {
	Lane        uint32  // 0: of all accounts
	States      []State // none: in any
	Destination string  // as sms.SameNumber compares; "": to anybody
	Held        bool    // only what a restore holds
	Before      ID      // older than this one; 0: from the newest
	Limit       int     // 1 to 1000; 0: 50
}

// Messages lists messages, the newest first. A list that is shorter than Limit is all there is. Records that are damaged
// are left out.
func (db *DB) Messages(f Filter) ([]*Message, error) {
	list, _, err := db.SearchMessages(f, math.MaxInt64)
	return list, err
}

// SearchMessages is Messages for who can't wait until very many were looked at: it ends after about that time. next is where to
// go on then, for Before; 0 if the list is full, or all there is.
func (db *DB) SearchMessages(f Filter, most time.Duration) (list []*Message, next ID, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, mostMessages)
	began := time.Now()
	late := func() bool { return time.Since(began) >= most }
	for more := true; more && len(list) < f.Limit; {
		if next != 0 && late() {
			return list, next, nil
		}
		err := db.view(func(v *reader) error {
			list, more = db.matching(v, &f, list, late)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		next = f.Before
	}
	return list, 0, nil
}

// matching appends messages to a list, from f.Before on, and puts that to where it stopped. It looks at so many records
// that a long search keeps no pages of the file from being used again, and at some more when it is late; more tells that there
// are others.
func (db *DB) matching(v *reader, f *Filter, list []*Message, late func() bool) (_ []*Message, more bool) {
	from := f.Before
	c := v.bucket(bMessages).Cursor()
	k, value := c.Last()
	if f.Before != 0 {
		if at, _ := c.Seek(idKey(f.Before)); at != nil {
			k, value = c.Prev()
		}
	}
	for n := 0; k != nil && n < lookMessages && len(list) < f.Limit; n++ {
		if n%lookLate == lookLate-1 && late() {
			break
		}
		if f.mayMatch(value) {
			if m, err := decodeMessage(k, value); err != nil {
				db.warnDamaged(err)
			} else if f.match(m) {
				list = append(list, m)
			}
		}
		if len(k) == 8 {
			f.Before = ID(binary.BigEndian.Uint64(k))
		}
		k, value = c.Prev()
	}
	return list, k != nil && f.Before != 0 && f.Before != from
}

// mayMatch spares decoding most of what does not match.
func (f *Filter) mayMatch(value []byte) bool {
	lane, state, ok := peekMessage(value)
	return !ok || (f.Lane == 0 || f.Lane == lane) && f.hasState(state) && (!f.Held || state == Uncertain)
}

func (f *Filter) match(m *Message) bool {
	return (f.Lane == 0 || f.Lane == m.Lane) && f.hasState(m.State) && (!f.Held || m.Held) &&
		(f.Destination == "" || sms.SameNumber(f.Destination, m.Destination.Number))
}

func (f *Filter) hasState(s State) bool {
	for _, want := range f.States {
		if s == want {
			return true
		}
	}
	return len(f.States) == 0
}
