package store

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Claim records, durably, that a part (counted from 0) is about to be given to a modem: from here on CANCEL_SM is
// refused, and a restart that finds the claim without an outcome takes the part for uncertain, never for unsent. It is
// called at the modem's prompt, just before Ctrl-Z. line is the SIM by which status reports will come.
//
// ErrDiskFull: there might be no room for what becomes of it; see Paused.
// *StateError: it is not waiting, not due, not the next part, bound to another SIM, its account is disabled, or its
// validity is over (then it is at its end now); it must not be sent. ErrLineBusy: the line has an open claim already.
// ErrNotFound and *GoneError as of Message.
func (db *DB) Claim(id ID, part int, modem, line string, now time.Time) error {
	return db.ClaimWithin(id, part, modem, line, Limits{}, now)
}

// ClaimWithin is Claim for a SIM that may not send without end. *BudgetError: it would be more than that; the message
// waits as before, and this was no try.
func (db *DB) ClaimWithin(id ID, part int, modem, line string, limits Limits, now time.Time) error {
	return db.claim(id, nil, part, modem, line, limits, now)
}

// ClaimAsPicked is ClaimWithin for a message as it was when the caller made ready what goes on air. *StateError also if
// Replace has changed it since.
func (db *DB) ClaimAsPicked(picked *Message, part int, modem, line string, limits Limits, now time.Time) error {
	return db.claim(picked.ID, picked, part, modem, line, limits, now)
}

// claim is Claim; picked may be nil.
func (db *DB) claim(id ID, picked *Message, part int, modem, line string, limits Limits, now time.Time) error {
	var refused error
	o := &op{claims: true, run: func(t *txn) error {
		refused = nil
		m, err := t.message(id)
		if err != nil {
			return fmt.Errorf("claim message %s: %w", id, err)
		}
		if m.State.waiting() && !now.Before(m.Expires) && t.plausible(now) {
			err := t.expire(m, now)
			refused = &StateError{m.State, "its validity is over"} // written down, so no error to the writer
			return err
		}
		if picked != nil && !m.sameContent(picked) {
			return &StateError{m.State, replacedMeanwhile}
		}
		if err := t.mayClaim(m, part, line, now); err != nil {
			return err
		}
		if !limits.Any() {
			return t.claim(m, part, modem, line, false, now)
		}
		b, err := t.afford(m, line, limits, now)
		if err != nil {
			return err
		}
		if err := t.pay(b); err != nil {
			return err
		}
		return t.claim(m, part, modem, line, true, now)
	}}
	db.w.put(o)
	<-o.done
	if o.err != nil {
		return o.err
	}
	return refused
}

func (t *txn) mayClaim(m *Message, part int, line string, now time.Time) error {
	refuse := func(reason string) error { return &StateError{m.State, reason} }
	switch {
	case !m.State.waiting():
		return refuse("")
	case !now.Before(m.Expires):
		return refuse("its validity is over, if the clock is right")
	case m.Due.After(now):
		return refuse("it is not due")
	case part != m.next():
		return refuse("this part is not the next")
	case m.Line != "" && m.Line != line:
		return refuse("its first part left by another SIM")
	}
	owner, err := t.owner(m.Lane)
	if err != nil {
		return err
	}
	if owner == nil || owner.Held(now) {
		return refuse("its account is disabled or has expired")
	}
	open, err := t.get(bClaims, lineKey(line))
	if err != nil {
		return err
	}
	if open != nil {
		return fmt.Errorf("claim message %s: %w: message %d", m.ID, ErrLineBusy, open.uint64())
	}
	return nil
}

// claim writes it down. counted: it was paid for, and may have to be refunded.
func (t *txn) claim(m *Message, part int, modem, line string, counted bool, now time.Time) error {
	p := &m.Parts[part]
	note := claimNote{counted: counted, former: m.formerTry(p)}
	if err := t.deleteMatch(m, p); err != nil {
		return err
	}
	p.State, p.Modem, p.Line, p.ClaimedAt = PartClaimed, modem, line, now
	p.Reason, p.Ref, p.predicted = "", 0, false
	if p.Attempts < 255 {
		p.Attempts++
	}
	last, err := t.lastRef(line)
	if err != nil {
		return err
	}
	if last.known && !last.stale {
		p.Ref, p.predicted = last.ref+1, true
	}
	m.State, m.Line = Claimed, line
	if rest, ok := strings.CutPrefix(m.Reason, ToBeSentAgain); ok {
		m.Reason = sentAgain + rest
	}
	if err := t.overtake(line, now); err != nil {
		return err
	}
	if err := t.put(bClaims, lineKey(line), note.append(partRow(m, part))); err != nil {
		return err
	}
	return t.save(m, now)
}

// claimNote is what a row in claims says beside its part: what a claim that comes to nothing gives back.
type claimNote struct {
	counted bool
	former  *formerTry // nil: there was none in doubt
}

// formerTry is the last try of a part that is tried again, and of which evidence may still come.
type formerTry struct {
	modem, line      string
	ref              uint8
	predicted, blind bool
	at               time.Time
}

// formerTry gives it; nil if p is not in doubt.
func (m *Message) formerTry(p *Part) *formerTry {
	if !p.matched {
		return nil
	}
	return &formerTry{p.Modem, p.Line, p.Ref, p.predicted, p.blind, p.ClaimedAt}
}

// Bits of a claimNote on disk, which has no octet if none is set.
const (
	claimCounted = 1 << iota
	claimFormer
	claimPredicted
	claimBlind
)

func (n claimNote) append(b []byte) []byte {
	former := n.former
	switch {
	case former == nil && !n.counted:
		return b
	case former == nil:
		return append(b, claimCounted)
	}
	b = append(b, bit(n.counted, claimCounted)|claimFormer|bit(former.predicted, claimPredicted)|bit(former.blind, claimBlind), former.ref)
	return appendText(appendText(appendTime(b, former.at), former.modem), former.line)
}

// claimNote reads what the open claim of a part says. What can't be read says nothing: the budget is rather used up too
// early, and a report rather not found, than that a claim stays open.
func (t *txn) claimNote(id ID, part int) (n claimNote) {
	m, err := t.message(id)
	if err != nil || part < 0 || part >= len(m.Parts) || m.Parts[part].State != PartClaimed {
		return n
	}
	f, err := t.get(bClaims, lineKey(m.Parts[part].Line))
	if f == nil || err != nil {
		return n
	}
	f.uint64()
	f.uint8()
	if len(f.rest) == 0 {
		return n
	}
	flags := f.uint8()
	n.counted = flags&claimCounted != 0
	if flags&claimFormer == 0 {
		return n
	}
	former := formerTry{ref: f.uint8(), predicted: flags&claimPredicted != 0, blind: flags&claimBlind != 0}
	former.at, former.modem, former.line = f.time(), f.text(), f.text()
	if f.end() == nil {
		n.former = &former
	}
	return n
}

// backTo has evidence of the try before looked for again: the one of p came to nothing.
func (t *txn) backTo(former *formerTry, m *Message, p *Part) error {
	if former == nil {
		return nil
	}
	p.Modem, p.Line, p.Ref, p.ClaimedAt = former.modem, former.line, former.ref, former.at
	p.predicted, p.blind = former.predicted, former.blind
	return t.putMatch(m, p)
}

// partRow is the record that names a part.
func partRow(m *Message, part int) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(m.ID)), byte(part))
}

// release reads the message with an open claim of this part, and drops the claim. *StateError if there is none.
func (t *txn) release(id ID, part int, what string) (*Message, *Part, error) {
	m, err := t.message(id)
	if err != nil {
		return nil, nil, fmt.Errorf("%s message %s: %w", what, id, err)
	}
	if part < 0 || part >= len(m.Parts) || m.Parts[part].State != PartClaimed {
		return nil, nil, &StateError{m.State, "no modem has this part"}
	}
	p := &m.Parts[part]
	return m, p, t.delete(bClaims, lineKey(p.Line))
}
