package store

import (
	"errors"
	"fmt"
	"time"
)

// Sent records that the SMSC took a part: TP-MR ref came. reports tells whether a status report will come; without, a
// message that is sent whole is Accepted, which is an end. *StateError if the part is not claimed.
func (db *DB) Sent(id ID, part int, ref uint8, reports bool, now time.Time) error {
	return db.w.do(func(t *txn) error {
		m, p, err := t.release(id, part, "record as sent")
		if err != nil {
			return err
		}
		if err := t.putLastRef(p.Line, lastRef{ref: ref, reports: reports, at: p.ClaimedAt}); err != nil {
			return err
		}
		return t.taken(m, p, ref, reports, now)
	})
}

// taken: the SMSC has the part. A report that came before we knew is applied at once.
func (t *txn) taken(m *Message, p *Part, ref uint8, reports bool, now time.Time) error {
	p.State, p.Ref, p.predicted, p.SentAt, p.Reason = PartAccepted, ref, false, now, ""
	m.Reason, m.ErrorCode, m.ErrorKind = "", 0, 0
	if reports {
		p.State = PartSent
		if err := t.putMatch(m, p); err != nil {
			return err
		}
	}
	if err := t.settle(m, now); err != nil {
		return err
	}
	return t.applyOrphans(p.Line, now)
}

// Refusal is a clear no: the part was not sent.
type Refusal struct {
	Final     State         // Undeliverable or Rejected ends the message, Unknown gives up this part alone; 0: refused for now
	Counted   bool          // it says something about the message, not about modem or SIM
	Wait      time.Duration // until the next try
	Reason    string        // a clause in words
	ErrorCode uint16        // the network's cause, and its network type; 0 if it was not the network's
	ErrorKind uint8

	// Untaken gives back what the claim took of the SIM's budget: the network has certainly not sent it.
	Untaken bool

	kept bool // the modem never had it: its TP-MR did not go on
}

// Refused records that a claimed part was refused. *StateError if it is not claimed.
func (db *DB) Refused(id ID, part int, r Refusal, now time.Time) error {
	if r.Final != 0 && r.Final != Undeliverable && r.Final != Rejected && r.Final != Unknown {
		return fmt.Errorf("record the refusal of message %s: %s is no end that a refusal has", id, r.Final)
	}
	return db.w.do(func(t *txn) error {
		note := t.claimNote(id, part)
		m, p, err := t.release(id, part, "record the refusal of")
		if err != nil {
			return err
		}
		if note.counted && (r.Untaken || r.kept) {
			if err := t.refund(m, p); err != nil {
				return err
			}
		}
		if !r.kept {
			if err := t.spoilRef(p); err != nil {
				return err
			}
		}
		p.Reason, m.Reason = r.Reason, r.Reason
		m.ErrorCode, m.ErrorKind = r.ErrorCode, r.ErrorKind
		if r.Counted {
			m.Refusals++
		}
		line := p.Line
		if r.Final == 0 || r.Final == Unknown {
			if err := t.backTo(note.former, m, p); err != nil {
				return err
			}
		}
		switch r.Final {
		case 0:
			err = t.unsent(m, p, r.Wait, now)
		case Unknown:
			p.State = PartUnknown
			err = t.settle(m, now)
		default:
			p.State = PartFailed
			err = t.end(m, r.Final, now)
		}
		if err != nil {
			return err
		}
		if former := note.former; former != nil && former.line != line {
			if err := t.applyOrphans(former.line, now); err != nil {
				return err
			}
		}
		return t.applyOrphans(line, now)
	})
}

// Unclaim takes a claim back: the part was certainly not given to the modem. It waits at least that long. *StateError
// if the part is not claimed.
func (db *DB) Unclaim(id ID, part int, reason string, wait time.Duration, now time.Time) error {
	return db.Refused(id, part, Refusal{Wait: wait, Reason: reason, kept: true}, now)
}

// unsent puts a part back to those that wait.
func (t *txn) unsent(m *Message, p *Part, wait time.Duration, now time.Time) error {
	p.State = PartWaiting
	m.Due, m.DueMoment = now.Add(wait), false
	return t.settle(m, now)
}

// Doubt records that nobody knows whether a claimed part was sent. Evidence is awaited for UncertainWait, but not beyond
// validity; then the account's policy decides. *StateError if the part is not claimed.
func (db *DB) Doubt(id ID, part int, reason string, now time.Time) error {
	return db.w.do(func(t *txn) error {
		m, p, err := t.release(id, part, "record the doubt about")
		if err != nil {
			return err
		}
		return t.doubt(m, p, reason, now)
	})
}

// Suspect records that a modem gave a claimed part up, with an error that usually means that it was not sent, and
// sometimes hides that it was (delivery-semantics, section 4). It is uncertain for as long as r.Wait, so that a status report
// can tell; then it is sent again, marked as a possible duplicate. r.Final is not looked at. *StateError if the part is not
// claimed.
func (db *DB) Suspect(id ID, part int, r Refusal, now time.Time) error {
	return db.w.do(func(t *txn) error {
		m, p, err := t.release(id, part, "record the failure of")
		if err != nil {
			return err
		}
		m.ErrorCode, m.ErrorKind = r.ErrorCode, r.ErrorKind
		if r.Counted {
			m.Refusals++
		}
		m.Suspect = true
		return t.doubtFor(m, p, r.Reason, r.Wait, now)
	})
}

func (t *txn) doubt(m *Message, p *Part, reason string, now time.Time) error {
	m.Suspect = false
	return t.doubtFor(m, p, reason, t.w.db.settings().UncertainWait, now)
}

func (t *txn) doubtFor(m *Message, p *Part, reason string, wait time.Duration, now time.Time) error {
	p.State, p.Reason, m.Reason, m.in.doubted = PartUncertain, reason, reason, true
	m.DoubtEnds = now.Add(wait)
	if m.DoubtEnds.After(m.Expires) {
		m.DoubtEnds = m.Expires
	}
	if m.DoubtEnds.Before(now) {
		m.DoubtEnds = now
	}
	p.blind = !p.predicted
	if err := t.putMatch(m, p); err != nil {
		return err
	}
	if err := t.put(bDoubts, lineKey(p.Line), appendTime(partRow(m, m.indexOf(p)), time.Time{})); err != nil {
		return err
	}
	if err := t.spoilRef(p); err != nil {
		return err
	}
	if err := t.settle(m, now); err != nil {
		return err
	}
	return t.applyOrphans(p.Line, now)
}

// OpenClaim is a part that was in a modem's hands when the gateway stopped.
type OpenClaim struct {
	ID          ID
	Part        int // from 0
	Modem, Line string
	Ref         uint8 // TP-MR to be expected, if Predicted
	Predicted   bool
	At          time.Time
}

// Recover is called once, before any modem works: what is claimed in the file is uncertain now. It tells what there was.
func (db *DB) Recover(now time.Time) ([]OpenClaim, error) {
	var found []OpenClaim
	db.recovered.Store(milli(now))
	err := db.w.do(func(t *txn) error {
		found = nil
		t.plausible(now) // ClockDoubted tells from here on
		var lines [][]byte
		c := t.bucket(bClaims).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			lines = append(lines, ownKey(k))
		}
		for _, line := range lines {
			claimed, err := t.recover(line, now)
			if err != nil {
				return err
			}
			found = append(found, claimed...)
		}
		return nil
	})
	return found, err
}

// recover turns one claim into doubt. A claim that can't be read, or whose message can't, is dropped: it must not keep
// a SIM out of work for ever, and a message that can't be read is not sent.
func (t *txn) recover(line []byte, now time.Time) ([]OpenClaim, error) {
	f, err := t.get(bClaims, line)
	if err != nil {
		t.w.db.warnDamaged(err)
		return nil, t.delete(bClaims, line)
	}
	id, part := ID(f.uint64()), int(f.uint8())
	m, p, err := t.release(id, part, "recover")
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrGone) || forgotten(err) {
		t.w.db.warnDamaged(fmt.Errorf("claims/%x: %w", line, err))
		return nil, t.delete(bClaims, line)
	}
	if err != nil {
		return nil, err
	}
	claimed := OpenClaim{id, part, p.Modem, p.Line, p.Ref, p.predicted, p.ClaimedAt}
	return []OpenClaim{claimed}, t.doubt(m, p, "the gateway stopped between the modem's prompt and its answer", now)
}

// lastRef is what we know of a SIM's TP-MR counter.
type lastRef struct {
	ref     uint8
	reports bool      // its modem gives status reports
	at      time.Time // claim of the part that had it, or of the one that made it stale
	known   bool
	stale   bool // a later try may have used up one, or not: nothing can be predicted
}

func (v *reader) lastRef(line string) (lastRef, error) {
	f, err := v.get(bLines, lineKey(line))
	if f == nil || err != nil {
		return lastRef{}, err
	}
	l := lastRef{ref: f.uint8(), known: true}
	flags := f.uint8()
	l.reports, l.stale = flags&lineReports != 0, flags&lineStale != 0
	l.at = f.time()
	return l, f.end()
}

// Bits of a line's flags on disk.
const (
	lineReports = 1 << iota
	lineStale
)

// spoilRef: a try that was refused, or of which nobody knows, may have used up a TP-MR. Some modems count those, others
// don't.
func (t *txn) spoilRef(p *Part) error {
	last, err := t.lastRef(p.Line)
	if err != nil || !last.known || last.at.After(p.ClaimedAt) {
		return err
	}
	last.at, last.stale = p.ClaimedAt, true
	return t.putLastRef(p.Line, last)
}

func (t *txn) putLastRef(line string, l lastRef) error {
	return t.put(bLines, lineKey(line), appendTime([]byte{recordVersion, l.ref, bit(l.reports, lineReports) | bit(l.stale, lineStale)}, l.at))
}

// learnRef: evidence told the TP-MR of an older try. It is the line's last unless others were sent since.
func (t *txn) learnRef(p *Part, ref uint8, last lastRef) error {
	if !last.known || last.at.After(p.ClaimedAt) {
		return nil
	}
	last.ref, last.at, last.stale = ref, p.ClaimedAt, false
	return t.putLastRef(p.Line, last)
}

// settle brings a message's state in line with its parts, writes the receipts that this causes, and saves it.
func (t *txn) settle(m *Message, now time.Time) error {
	next := m.decide()
	if next != Uncertain {
		m.DoubtEnds, m.Suspect, m.Held = time.Time{}, false, false
	}
	if m.count(PartWaiting, PartClaimed, PartUncertain) == 0 {
		for i := range m.Parts {
			if at := m.Parts[i].SentAt; at.After(m.SentAt) {
				m.SentAt = at // the send event
			}
		}
	}
	if next.End() {
		return t.end(m, next, now)
	}
	if next == Queued && (len(m.Parts) == 1 || !m.in.doubted) {
		m.Line = "" // nothing is on air that another SIM could not repeat
	}
	m.State = next
	if err := t.tellSent(m, now); err != nil {
		return err
	}
	return t.save(m, now)
}

// tellSent writes the intermediate notification of the send event, once, if it is wished.
func (t *txn) tellSent(m *Message, now time.Time) error {
	if m.State != Sent || m.in.toldSent {
		return nil
	}
	m.in.toldSent = true
	return t.notifyIntermediate(m, now)
}

// end brings a message to its end, or an Unknown one to a better, with the receipt that is wished.
func (t *txn) end(m *Message, s State, now time.Time) error {
	if m.State == s {
		return t.save(m, now) // still Unknown: nothing new to tell
	}
	m.State, m.EndedAt, m.DoubtEnds, m.Suspect, m.Held = s, now, time.Time{}, false, false
	if m.Reason == "" {
		m.Reason = m.reasonOf(s)
	}
	if s == Delivered || s == Accepted {
		m.Reason = ""
	}
	if err := t.notifyEnd(m, now); err != nil {
		return err
	}
	return t.save(m, now)
}

// reasonOf is why a message ends so, if what was said of it since was about other parts.
func (m *Message) reasonOf(s State) string {
	is := map[State]PartState{Unknown: PartUnknown, Undeliverable: PartFailed, Expired: PartExpired}[s]
	for i := range m.Parts {
		if p := &m.Parts[i]; is != 0 && p.State == is && p.Reason != "" {
			return fmt.Sprintf("part %d of %d: %s", i+1, len(m.Parts), p.Reason)
		}
	}
	return ""
}

// expire ends a message that waits and whose validity is over. If all that waits may have been sent before, nobody knows
// what became of it.
func (t *txn) expire(m *Message, now time.Time) error {
	if m.count(PartWaiting) == m.perhapsSent() {
		for i := range m.Parts {
			if p := &m.Parts[i]; p.State == PartWaiting {
				p.State = PartUnknown
			}
		}
		m.Reason = "its validity was over before it could be sent again, and nobody knows whether it was sent: " + m.doubted()
		return t.settle(m, now)
	}
	why := "its validity was over before it could be sent"
	sent, perhaps := m.count(PartSent, PartAccepted, PartDelivered), m.count(PartUnknown)+m.perhapsSent()
	if sent+perhaps > 0 {
		why = fmt.Sprintf("its validity was over with %d of %d parts sent", sent, len(m.Parts))
	}
	if perhaps > 0 {
		why += fmt.Sprintf(" (%d more perhaps)", perhaps)
	}
	if m.Reason != "" {
		why += "; the last time: " + m.doubted()
	}
	m.Reason = why
	return t.end(m, Expired, now)
}
