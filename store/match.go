package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	"smsgateway/sms"
)

// match finds the part that a report is about, nil if there is none: same SIM, TP-MR and number, and of several the nearest
// to the time at which the SMSC says it took the message. If all are later its clock is wrong, and the oldest that still
// waits for a report is taken; by more than a day no clock is, unless it is known to be, and the report is one that lay
// somewhere.
func (t *txn) match(line string, r Report, received time.Time) (*Message, int, error) {
	prefix := append(lineKey(line), r.Ref)
	if m, part := t.nearest(prefix, r, received); m != nil {
		return m, part, nil
	}
	c := t.bucket(bReports).Cursor()
	k, _ := c.Seek(prefix)
	for n := 0; n < lookForReport && bytes.HasPrefix(k, prefix); n++ {
		m, part := t.candidate(k, r, received)
		if m != nil && m.Parts[part].State == PartSent && (r.Time.IsZero() || r.Doubted || m.Parts[part].ClaimedAt.Sub(r.Time) <= wrongClock) {
			return m, part, nil
		}
		k, _ = c.Next()
	}
	return t.matchBlind(line, r, received)
}

// nearest finds among the rows of a line and TP-MR the newest part that is not later than the SMSC's time, or the oldest that
// is a little later, as the SMSC's clock may be behind; of both the nearer, unless the later refutes the other.
func (t *txn) nearest(prefix []byte, r Report, received time.Time) (later *Message, laterPart int) {
	if r.Time.IsZero() {
		return nil, 0
	}
	r.Time = r.Time.Add(smscSecond) // of two parts claimed within this second it may be either
	c := t.bucket(bReports).Cursor()
	k, _ := c.Seek(binary.BigEndian.AppendUint64(bytes.Clone(prefix), uint64(milli(r.Time.Add(clockSkew))+1)))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	for n := 0; n < lookForReport && bytes.HasPrefix(k, prefix); n++ {
		m, part := t.candidate(k, r, received)
		switch {
		case m == nil || !m.Parts[part].mayBeMeant(r):
		case m.Parts[part].ClaimedAt.After(r.Time):
			later, laterPart = m, part
		case later != nil && later.Parts[laterPart].refutes(&m.Parts[part]):
			return later, laterPart
		case later == nil || r.Time.Sub(m.Parts[part].ClaimedAt) < later.Parts[laterPart].ClaimedAt.Sub(r.Time):
			return m, part
		default:
			return later, laterPart
		}
		k, _ = c.Prev()
	}
	return later, laterPart
}

// refutes tells whether a part has for certain the TP-MR that was only expected of one shortly before: had that one been
// sent, the modem would have counted on.
func (p *Part) refutes(before *Part) bool {
	return before.predicted && !p.predicted && p.ClaimedAt.Sub(before.ClaimedAt) <= shortOfWrap
}

// matchBlind finds an uncertain part of which not even the TP-MR could be predicted, because it was the first that we saw
// the SIM send: by its number and time, if there is exactly one that fits. What it finds has that TP-MR from now on.
func (t *txn) matchBlind(line string, r Report, received time.Time) (*Message, int, error) {
	var found *Message
	var part int
	for _, k := range t.keys(bReports, blindKey(line)) {
		m, n := t.candidate(k, r, received)
		if m == nil || !m.Parts[n].fitsBlind(r) {
			continue
		}
		if found != nil {
			return nil, 0, nil
		}
		found, part = m, n
	}
	return found, part, nil
}

// fitsBlind asks for more than a known TP-MR needs: the report must name the number and a time, and that must not be
// before the claim.
func (p *Part) fitsBlind(r Report) bool {
	return (p.inDoubt() || p.State == PartUnknown) && r.Recipient != "" && (r.Doubted || !r.Time.Before(p.ClaimedAt.Add(-clockSkew)))
}

// see gives a blind part the TP-MR that a report told.
func (t *txn) see(m *Message, p *Part, ref uint8) error {
	if err := t.deleteMatch(m, p); err != nil {
		return err
	}
	p.Ref = ref
	return t.putMatch(m, p)
}

// mayBeMeant tells whether a report may be about a part that has its TP-MR and number. One that has had its report is meant
// again if the times agree; else an SMSC whose clock is behind speaks of a later one.
func (p *Part) mayBeMeant(r Report) bool {
	if p.State == PartSent || p.State == PartUnknown || p.inDoubt() {
		return true
	}
	return r.Time.Sub(p.ClaimedAt) <= repeatSkew
}

// candidate reads the part of a row in reports, if its number fits and it was claimed before the report came. A report
// without a number fits any.
func (t *txn) candidate(k []byte, r Report, received time.Time) (*Message, int) {
	id, part := ID(binary.BigEndian.Uint64(k[len(k)-9:])), int(k[len(k)-1])
	m, err := t.message(id)
	if err != nil {
		t.w.db.warnDamaged(fmt.Errorf("reports/%x: %w", k, err))
		return nil, 0
	}
	if part >= len(m.Parts) || !r.fits(m) || received.Before(m.Parts[part].ClaimedAt) {
		return nil, 0
	}
	return m, part
}

func (r *Report) fits(m *Message) bool {
	return r.Recipient == "" || sms.SameNumber(r.Recipient, m.Destination.Number)
}

// inModem tells whether a report may be about the part that a modem has just now: reports may come before the answer.
// Then only the answer tells, by its TP-MR, whose it is. open: the number fits; awaited: so does the TP-MR, as far as one
// is expected.
func (t *txn) inModem(line string, r Report, received time.Time) (open, awaited bool, err error) {
	f, err := t.get(bClaims, lineKey(line))
	if f == nil || err != nil {
		return false, false, err
	}
	id, part := ID(f.uint64()), int(f.uint8())
	m, err := t.message(id)
	if err != nil || part >= len(m.Parts) {
		t.w.db.warnDamaged(fmt.Errorf("claims/%x: message %d: %w", lineKey(line), id, cmp.Or(err, ErrDamaged)))
		return false, false, nil
	}
	p := &m.Parts[part]
	open = r.fits(m) && !received.Before(p.ClaimedAt)
	return open, open && (!p.predicted || p.Ref == r.Ref), nil
}

// putMatch makes the part findable for reports: a row of its line, TP-MR and time of claim.
func (t *txn) putMatch(m *Message, p *Part) error {
	p.matched = true
	return t.put(bReports, m.matchKey(p), nil)
}

func (t *txn) deleteMatch(m *Message, p *Part) error {
	if !p.matched {
		return nil
	}
	key := m.matchKey(p)
	p.matched, p.blind = false, false
	return t.delete(bReports, key)
}

func (m *Message) matchKey(p *Part) []byte {
	part := m.indexOf(p)
	k := append(lineKey(p.Line), p.Ref)
	if p.blind {
		k = blindKey(p.Line)
	}
	k = binary.BigEndian.AppendUint64(k, uint64(milli(p.ClaimedAt)))
	return append(binary.BigEndian.AppendUint64(k, uint64(m.ID)), byte(part))
}

// indexOf is which part p is.
func (m *Message) indexOf(p *Part) int {
	for i := range m.Parts {
		if p == &m.Parts[i] {
			return i
		}
	}
	return 0
}

// blindKey is where the rows of a line's blind parts are. No line has an empty name, so that they are apart from all
// others.
func blindKey(line string) []byte { return append(lineKey(""), lineKey(line)...) }
