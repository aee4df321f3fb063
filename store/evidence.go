package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Settle resolves a part in doubt, by evidence or by the operator's word: it was sent, with this TP-MR, or it was not
// and waits again, at once. *StateError if the part is not in doubt (any more): uncertain, or waiting to be sent again.
func (db *DB) Settle(id ID, part int, sent bool, ref uint8, reason string, now time.Time) error {
	return db.w.do(func(t *txn) error { return t.resolve(id, part, outcome{sent: sent, ref: ref, reason: reason}, now) })
}

// SettleGiven is Settle for the part that was given to this line then, which is what a late answer of the modem is about:
// the one whose claim is the newest that is not later. It gives the message as it is then; nil, and nothing is changed, if
// that part is not uncertain (any more), or is not known, or another TP-MR was to be expected. ErrLineBusy: its hand-over has
// not come to its end yet. reports is as for Sent.
func (db *DB) SettleGiven(line string, given time.Time, ref uint8, reports bool, reason string, now time.Time) (*Message, error) {
	var m *Message
	err := db.w.do(func(t *txn) error {
		m = nil
		id, part, err := t.givenAt(line, given)
		if id == 0 || err != nil {
			return err
		}
		if it, err := t.message(id); err == nil && it.Parts[part].predicted && it.Parts[part].Ref != ref {
			return nil // the answer to another one
		}
		var other *StateError
		err = t.resolve(id, part, outcome{true, ref, &reports, reason}, now)
		switch {
		case errors.As(err, &other):
			return nil // by other evidence, by policy, or long ago
		case err != nil:
			return err
		}
		m, err = t.message(id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("settle what was given to %s at %s: %w", line, given.Format(time.DateTime), err)
	}
	return m, nil
}

// OpenDoubts tells of each line which text was given to it last, if nobody knows what became of that one: its modem may still
// answer. What Recover has just made uncertain is among them, and so is what became so in an earlier life.
func (db *DB) OpenDoubts() ([]OpenClaim, error) {
	var open []OpenClaim
	err := db.view(func(v *reader) error {
		open = nil
		c := v.bucket(bDoubts).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			f, err := v.get(bDoubts, k)
			if err != nil {
				db.warnDamaged(err)
				continue
			}
			id, part, next := ID(f.uint64()), int(f.uint8()), f.time()
			m, err := v.message(id)
			if f.end() != nil || err != nil || part >= len(m.Parts) || !next.IsZero() {
				continue
			}
			if p := &m.Parts[part]; m.State == Uncertain && p.State == PartUncertain && !m.Suspect {
				open = append(open, OpenClaim{id, part, p.Modem, p.Line, p.Ref, p.predicted, p.ClaimedAt})
			}
		}
		return nil
	})
	return open, err
}

// mostToCtrlZ is the longest from a claim to the time at which the modem was given the text.
const mostToCtrlZ = time.Minute

// givenAt finds the part that was given to a line then, if it became uncertain; 0 if it is not known.
func (t *txn) givenAt(line string, given time.Time) (ID, int, error) {
	given = fromMilli(milli(given)) // claims are on disk so
	if open, err := t.get(bClaims, lineKey(line)); open != nil || err != nil {
		if err != nil {
			return 0, 0, err
		}
		id, part := ID(open.uint64()), int(open.uint8())
		if m, err := t.message(id); err == nil && part < len(m.Parts) && !m.Parts[part].ClaimedAt.After(given) {
			return 0, 0, ErrLineBusy
		}
	}
	f, err := t.get(bDoubts, lineKey(line))
	if f == nil || err != nil {
		return 0, 0, err
	}
	id, part, next := ID(f.uint64()), int(f.uint8()), f.time()
	if err := f.end(); err != nil || !next.IsZero() && !given.Before(next) {
		return 0, 0, err
	}
	m, err := t.message(id)
	if forgotten(err) {
		return 0, 0, nil
	}
	if err != nil || part >= len(m.Parts) {
		return 0, 0, err
	}
	// From the claim to Ctrl-Z it is a matter of moments. What lies longer apart is another text: of a SIM, say, that was in
	// another modem meanwhile.
	switch since := given.Sub(m.Parts[part].ClaimedAt); {
	case since < 0:
		return t.doubtBefore(line, given)
	case since > mostToCtrlZ:
		return 0, 0, nil
	}
	return id, part, nil
}

// doubtBefore finds the part that was given to a line then, if it is in doubt, where a later one made us doubt as well: two
// texts in a row may end in silence. It looks at the rows for reports, which each part that was sent or may have been sent
// has. One that is sent again soon is left out: a modem that gave a text up owes no answer. 0 if it is not known.
func (t *txn) doubtBefore(line string, given time.Time) (id ID, part int, err error) {
	earliest := binary.BigEndian.AppendUint64(nil, uint64(milli(given.Add(-mostToCtrlZ))))
	newest := int64(-1)
	c := t.bucket(bReports).Cursor()
	look := func(prefix []byte) {
		for k, _ := c.Seek(append(bytes.Clone(prefix), earliest...)); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			at := int64(binary.BigEndian.Uint64(k[len(prefix):]))
			if at > milli(given) {
				return
			}
			switch {
			case at > newest:
				newest, id, part = at, ID(binary.BigEndian.Uint64(k[len(k)-9:])), int(k[len(k)-1])
			case at == newest: // either of two
				id = 0
			}
		}
	}
	for ref := range 256 {
		look(append(lineKey(line), byte(ref)))
	}
	look(blindKey(line))
	m, err := t.message(id)
	if forgotten(err) {
		return 0, 0, nil
	}
	if err != nil || part >= len(m.Parts) || !m.Parts[part].inDoubt() || m.Suspect {
		return 0, 0, err
	}
	return id, part, nil
}

// overtake notes that a line is given another part behind the one of which it had made us doubt.
func (t *txn) overtake(line string, now time.Time) error {
	f, err := t.get(bDoubts, lineKey(line))
	if f == nil || err != nil {
		return err
	}
	id, part := f.uint64(), f.uint8()
	if next := f.time(); f.end() != nil || !next.IsZero() {
		return nil
	}
	row := append(binary.BigEndian.AppendUint64([]byte{recordVersion}, id), part)
	return t.put(bDoubts, lineKey(line), appendTime(row, now))
}

// DoubtGiven is for evidence that the part which was given to this line then was most likely not sent, as by the SIM's own
// count. It is not proof, as modems count in ways of their own; so the part stays uncertain for as long as it would, and is
// sent again then, marked as a possible duplicate. It counts as a refusal; after most of them, and with PolicyNever, nothing
// is changed. It gives the message as it is then; nil as of SettleGiven.
func (db *DB) DoubtGiven(line string, given time.Time, most int, reason string, now time.Time) (*Message, error) {
	var m *Message
	err := db.w.do(func(t *txn) error {
		m = nil
		id, part, err := t.givenAt(line, given)
		if id == 0 || err != nil {
			return err
		}
		it, err := t.message(id)
		if err != nil || it.State != Uncertain || it.Held || it.Parts[part].State != PartUncertain || it.Suspect || it.Refusals+1 >= most {
			return err
		}
		if policy, err := t.policy(it); err != nil || policy == PolicyNever {
			return err
		}
		it.Suspect = true
		it.Refusals++
		it.Reason, it.Parts[part].Reason = reason, reason
		m = it
		return t.save(it, now)
	})
	if err != nil {
		return nil, fmt.Errorf("note what is known of what was given to %s at %s: %w", line, given.Format(time.DateTime), err)
	}
	return m, nil
}

// outcome is what evidence says of a part that was in doubt.
type outcome struct {
	sent    bool
	ref     uint8
	reports *bool // whether a status report will come; nil: as the line is known
	reason  string
}

func (t *txn) resolve(id ID, part int, o outcome, now time.Time) error {
	m, err := t.message(id)
	if err != nil {
		return fmt.Errorf("settle message %s: %w", id, err)
	}
	if part < 0 || part >= len(m.Parts) || !m.Parts[part].inDoubt() {
		return &StateError{m.State, "this part is not uncertain"}
	}
	p := &m.Parts[part]
	if err := t.deleteMatch(m, p); err != nil {
		return err
	}
	if !o.sent {
		p.Reason, m.Reason = o.reason, o.reason
		return t.unsent(m, p, 0, now)
	}
	last, err := t.lastRef(p.Line)
	if err != nil {
		return err
	}
	if err := t.learnRef(p, o.ref, last); err != nil {
		return err
	}
	m.notAgain(p)
	reports := last.reports || !last.known // a line of which we know nothing yet may well give some
	if o.reports != nil {
		reports = *o.reports
	}
	return t.taken(m, p, o.ref, reports, now)
}
