package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// restoreBite is how many messages or rows are brought in line in one transaction; restoreOctets about how long these are.
const (
	restoreBite   = 2000
	restoreOctets = 4 << 20
)

// heldReason is why a message is held.
func heldReason(made time.Time) string {
	when := ""
	if !made.IsZero() {
		when = " of about " + made.UTC().Format(time.DateTime) + " UTC"
	}
	return "it was on its way when the backup" + when + " was made that was restored, and nobody knows what became of it since"
}

// hold keeps a message from being sent, as it may have been sent.
func (t *txn) hold(m *Message, reason string, now time.Time) error {
	m.Held, m.Suspect, m.in.doubted = true, false, true
	m.DoubtEnds, m.Reason = m.Expires, reason
	return t.settle(m, now)
}

// tally counts what is done with messages.
type tally struct{ held, settled, taken, left int64 }

func (r *restorer) add(n tally) {
	r.done.Held += n.held
	r.done.Settled += n.settled
	r.done.Taken += n.taken
	r.done.Left += n.left
}

// messages goes through those of the backup: each that was not at its end goes on as the replaced file says, or is held. Then
// come those that only the replaced file has.
func (r *restorer) messages() error {
	total, done := int64(0), int64(0)
	if err := r.db.view(func(v *reader) error {
		total = int64(v.bucket(bMessages).Stats().KeyN)
		return nil
	}); err != nil {
		return err
	}
	for from := []byte{}; from != nil; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		var n tally
		var seen int64
		err := r.beside(func(old *reader) error {
			return r.db.w.do(func(t *txn) (err error) {
				n, seen = tally{}, 0
				next, rows := take(t.bucket(bMessages).Cursor(), from)
				for _, row := range rows {
					seen++
					if err := r.message(t, old, row.k, &n); err != nil {
						return err
					}
				}
				from = next
				return nil
			})
		})
		if err != nil {
			return err
		}
		r.add(n)
		done += seen
		r.progress(Progress{"what the backup can't know", done, max(total, done)})
	}
	return r.newMessages()
}

// beside gives f the replaced file; nil if it can't be read.
func (r *restorer) beside(f func(old *reader) error) error {
	if r.old == nil {
		return f(nil)
	}
	return viewing(r.old, f)
}

type pair struct{ k, value []byte }

// take copies the next rows; next is nil if there are no more.
func take(c *bolt.Cursor, from []byte) (next []byte, rows []pair) {
	size := 0
	for k, value := c.Seek(from); k != nil; k, value = c.Next() {
		if len(rows) == restoreBite || size > restoreOctets {
			return ownKey(k), rows
		}
		size += len(value)
		rows = append(rows, pair{ownKey(k), bytes.Clone(value)})
	}
	return nil, rows
}

// message brings one message of the backup in line.
func (r *restorer) message(t *txn, old *reader, k []byte, n *tally) error {
	value := t.bucket(bMessages).Get(k)
	m, err := decodeMessage(k, value)
	if err != nil {
		return nil // damaged; it is not sent
	}
	if r.later && bytes.Equal(value, old.bucket(bMessages).Get(k)) {
		if m.Held {
			n.held++
		}
		return nil
	}
	known, gone := r.known(old, m)
	switch {
	case gone && (r.later || !m.State.End()):
		n.settled++
		return t.drop(m, r.now)
	case known != nil && r.tells(m, known):
		if m.State != known.State {
			n.settled++
		}
		if known.Held {
			n.held++
		}
		return t.adopt(m, known)
	case m.State.End() || m.State == Sent:
		return nil
	case known != nil && known.State == Deleted:
		n.settled++
		return t.neverAgain(m, r.now)
	case known != nil && known.tries() > m.tries(): // it knows of one more, of which evidence may come
		if err := t.adopt(m, known); err != nil {
			return err
		}
		if m, err = t.unclaimed(known, r.now); err != nil || m.State.End() || m.State == Sent {
			return err
		}
	}
	n.held++
	return t.hold(m, heldReason(r.done.Made), r.now)
}

// neverAgain ends the doubt about a message that a modem had, while another life of the file had its client told that it is
// cancelled: nobody may release it.
func (t *txn) neverAgain(m *Message, now time.Time) error {
	for i := range m.Parts {
		if p := &m.Parts[i]; p.State == PartUncertain || p.State == PartWaiting {
			p.State = PartUnknown
		}
	}
	m.Held, m.Suspect = false, false
	m.Reason = "its client was told that it is cancelled, as the replaced file says, but by the backup a modem had it"
	return t.settle(m, now)
}

// tells says whether what the replaced file knows of a message is all that there is to know. Of a later state of the backup it is. Of
// another one that is so if the message was sent there, or has ended; but what has ended in the backup has ended, and what was sent
// was never cancelled in time. Of what the backup only holds, and no modem had by it, a cancel is true.
func (r *restorer) tells(m, known *Message) bool {
	switch {
	case m.State.End() && m.State != Unknown:
		return r.later && known.State == m.State
	case known.State == Deleted:
		return r.later || m.untouched() == nil || m.tries() == 0
	case known.State.End():
		return true
	case m.State == Unknown:
		return false
	case known.State == Sent:
		return true
	}
	return r.later && m.State != Sent
}

// unclaimed gives a message with its open claim, if it has one, turned into doubt.
func (t *txn) unclaimed(m *Message, now time.Time) (*Message, error) {
	for i := range m.Parts {
		if m.Parts[i].State != PartClaimed {
			continue
		}
		claimed, p, err := t.release(m.ID, i, "hold")
		if err == nil {
			err = t.doubt(claimed, p, "the gateway stopped between the modem's prompt and its answer", now)
		}
		if err != nil {
			return nil, err
		}
		return t.message(m.ID)
	}
	return m, nil
}

// known is what the replaced file says of a message; gone: it has ended, and its keeping time is over.
func (r *restorer) known(old *reader, m *Message) (known *Message, gone bool) {
	if old == nil {
		return nil, false
	}
	known, err := old.message(m.ID)
	var past *GoneError
	switch {
	case errors.As(err, &past):
		return nil, past.Lane == m.Lane
	case err != nil || !known.same(m):
		return nil, false
	}
	return known, false
}

// drop forgets a message, and the part of a row that it has in reports.
func (t *txn) drop(m *Message, now time.Time) error {
	if err := t.place(m, rowNone); err != nil {
		return err
	}
	return t.purge(m, now)
}

// adopt puts another record in the place of a message, nil for none, with the rows that belong to it.
func (t *txn) adopt(was, m *Message) error {
	before := &Message{ID: m.ID}
	if was != nil {
		before = was
		if err := t.place(was, rowNone); err != nil {
			return err
		}
		for i := range was.Parts {
			if err := t.deleteMatch(was, &was.Parts[i]); err != nil {
				return err
			}
		}
	}
	if err := t.setTimer(m.ID, before.in.wake, m.in.wake); err != nil {
		return err
	}
	if err := t.recount(m.Lane, before.in.was, m.in.was); err != nil {
		return err
	}
	row := m.in.row
	m.in.row = rowNone
	if err := t.place(m, row); err != nil {
		return err
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.matched {
			if err := t.put(bReports, m.matchKey(p), nil); err != nil {
				return err
			}
		}
		if p.State == PartClaimed {
			if err := t.put(bClaims, lineKey(p.Line), partRow(m, i)); err != nil {
				return err
			}
		}
	}
	return t.put(bMessages, idKey(m.ID), appendMessage(t.scratch(), m))
}

// newMessages takes over what was accepted since the backup was made, of accounts that are still there. Of another life's
// messages only the kept file knows.
func (r *restorer) newMessages() error {
	for _, b := range [...]bucket{bMessages, bGone} {
		err := r.eachOld(b, "what was accepted since", func(t *txn, rows []pair) (n tally, err error) {
			for _, row := range rows {
				if err := r.newMessage(t, b, row, &n); err != nil {
					return n, err
				}
			}
			return n, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) newMessage(t *txn, b bucket, row pair, n *tally) error {
	if len(row.k) != 8 {
		return nil
	}
	if hasKey(&t.reader, bMessages, row.k) || hasKey(&t.reader, bGone, row.k) {
		if m, err := decodeMessage(row.k, row.value); b == bMessages && !r.later && err == nil {
			if mine, err := t.message(m.ID); err == nil && !mine.same(m) { // each life has given this id
				n.left++
			}
		}
		return nil
	}
	if b == bGone {
		f, err := unseal(b, row.k, row.value)
		if err != nil || !r.later {
			return nil
		}
		lane := f.uint32()
		if err := t.put(bGone, row.k, binary.BigEndian.AppendUint32([]byte{recordVersion}, lane)); err != nil {
			return err
		}
		id := ID(binary.BigEndian.Uint64(row.k))
		return t.setTimer(id, 0, wholeSecond(r.now.Add(t.w.db.opt.Tombstone)))
	}
	m, err := decodeMessage(row.k, row.value)
	if err != nil {
		n.left++
		return nil
	}
	owner, err := t.owner(m.Lane)
	if err != nil {
		return err
	}
	if !r.later || owner == nil || owner.Key != m.Account {
		n.left++
		return nil
	}
	n.taken++
	return t.adopt(nil, m)
}

// eachOld gives do the rows of a bucket of the replaced file, some at a time in a transaction of the new one.
func (r *restorer) eachOld(b bucket, what string, do func(t *txn, rows []pair) (tally, error)) error {
	if r.old == nil || !r.oldFound.present[b] {
		return nil
	}
	total, done := r.oldFound.records[b], int64(0)
	for from := []byte{}; from != nil; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		var next []byte
		var rows []pair
		if err := viewing(r.old, func(v *reader) error {
			next, rows = take(v.bucket(b).Cursor(), from)
			return nil
		}); err != nil {
			return fmt.Errorf("read the present file: %w", err)
		}
		var n tally
		err := r.db.w.do(func(t *txn) (err error) {
			n, err = do(t, rows)
			return err
		})
		if err != nil {
			return err
		}
		r.add(n)
		from, done = next, done+int64(len(rows))
		r.progress(Progress{what, min(done, total), total})
	}
	return nil
}
