package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"smsgateway/sms"
)

// Rules for matching status reports (delivery-semantics, section 10; gsm-modem, section 3.6).
const (
	clockSkew     = 5 * time.Minute // how far the SMSC's clock may be behind ours
	doubtSkew     = time.Hour       // likewise, for a part that is only believed to have been sent
	orphanKeep    = 24 * time.Hour
	orphansOfRef  = 8   // most that are kept of one line and TP-MR
	lookForReport = 512 // rows of one line and TP-MR
)

// gsmError is the network type of a GSM cause in network_error_code (SMPP 3.4 §5.3.2.31).
const gsmError = 3

// Report is a status report (TS 23.040 §9.2.2.3).
type Report struct {
	Ref       uint8
	Recipient string    // as the SMSC writes it, which is often not as we dialled it; may be empty
	Time      time.Time // when the SMSC took the message; zero if unreadable
	Discharge time.Time
	Status    sms.Status
}

// Report applies a status report that came by a line, with the new state and the receipt that it causes; it returns the
// message as it is then. Of an uncertain part it proves that it was sent. A report that is known already changes
// nothing, and one about an end changes nothing, unless that is Unknown: then the better end gets a receipt of its own.
// A report that fits no message yet is kept for a day, as reports may come before the modem's answer: nil, nil.
func (db *DB) Report(line string, r Report, now time.Time) (*Message, error) {
	var m *Message
	err := db.w.do(func(t *txn) (err error) {
		var part int
		m, part, err = t.match(line, r, now)
		if m == nil && err == nil {
			m, part, err = t.matchBlind(line, r)
		}
		if err != nil {
			return err
		}
		if m == nil {
			return t.putOrphan(line, r, now)
		}
		p := &m.Parts[part]
		before := *p
		if !t.apply(m, p, r, now) {
			return nil
		}
		if before.State == PartUncertain || before.State == PartUnknown {
			if err := t.proven(p); err != nil {
				return err
			}
		}
		if err := t.tellTrying(m, p, now); err != nil {
			return err
		}
		if err := t.settle(m, now); err != nil {
			return err
		}
		m, err = t.message(m.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply a status report: %w", err)
	}
	return m, nil
}

// match finds the part that a report is about, nil if there is none: same SIM, TP-MR and number; of several the newest
// that is not later than the time at which the SMSC says it took the message. If all are later its clock is wrong, and
// the oldest that still waits for a report is taken.
func (t *txn) match(line string, r Report, now time.Time) (*Message, int, error) {
	prefix := append(lineKey(line), r.Ref)
	from := r.Time.Add(clockSkew)
	c := t.bucket(bReports).Cursor()
	if !r.Time.IsZero() {
		k, _ := c.Seek(binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], uint64(milli(from)+1)))
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for n := 0; n < lookForReport && bytes.HasPrefix(k, prefix); n++ {
			if m, part := t.candidate(k, r); m != nil && m.Parts[part].mayBeMeant(r) {
				return m, part, nil
			}
			k, _ = c.Prev()
		}
	}
	k, _ := c.Seek(prefix)
	for n := 0; n < lookForReport && bytes.HasPrefix(k, prefix); n++ {
		if m, part := t.candidate(k, r); m != nil && m.Parts[part].State == PartSent {
			return m, part, nil
		}
		k, _ = c.Next()
	}
	return nil, 0, nil
}

// matchBlind finds an uncertain part of which not even the TP-MR could be predicted, because it was the first that we saw
// the SIM send: by its number and time, if there is exactly one that fits. What it finds has that TP-MR from now on.
func (t *txn) matchBlind(line string, r Report) (*Message, int, error) {
	var found *Message
	var part int
	for _, k := range t.keys(bReports, blindKey(line)) {
		m, n := t.candidate(k, r)
		if m == nil || !m.Parts[n].fitsBlind(r) {
			continue
		}
		if found != nil {
			return nil, 0, nil
		}
		found, part = m, n
	}
	if found == nil {
		return nil, 0, nil
	}
	return found, part, t.see(found, &found.Parts[part], r.Ref)
}

// fitsBlind asks for more than a known TP-MR needs: the report must name the number and a time, and that must not be
// before the claim.
func (p *Part) fitsBlind(r Report) bool {
	return (p.State == PartUncertain || p.State == PartUnknown) && r.Recipient != "" && !r.Time.Before(p.ClaimedAt.Add(-clockSkew))
}

// see gives a blind part the TP-MR that a report told.
func (t *txn) see(m *Message, p *Part, ref uint8) error {
	if err := t.deleteMatch(m, p); err != nil {
		return err
	}
	p.Ref, p.predicted = ref, true
	return t.putMatch(m, p)
}

// mayBeMeant is for the newest parts first. One of which it is not known that it was sent must not be settled by a report
// on an older one. One that has had its report is meant again if the times agree; else an SMSC whose clock is behind
// speaks of a later one.
func (p *Part) mayBeMeant(r Report) bool {
	switch p.State {
	case PartSent, PartUncertain, PartUnknown:
		return !p.predicted || !r.Time.Before(p.ClaimedAt.Add(-doubtSkew))
	}
	return r.Time.Sub(p.ClaimedAt) <= doubtSkew
}

// candidate reads the part of a row in reports, if its number fits. A report without a number fits any.
func (t *txn) candidate(k []byte, r Report) (*Message, int) {
	id, part := ID(binary.BigEndian.Uint64(k[len(k)-9:])), int(k[len(k)-1])
	m, err := t.message(id)
	if err != nil {
		t.w.db.warnDamaged(fmt.Errorf("reports/%x: %w", k, err))
		return nil, 0
	}
	if part >= len(m.Parts) || r.Recipient != "" && !sms.SameNumber(r.Recipient, m.Destination.Number) {
		return nil, 0
	}
	return m, part
}

// apply changes a part, and what the message says of it, as the report says. False: it says nothing new.
func (t *txn) apply(m *Message, p *Part, r Report, now time.Time) bool {
	fate := r.Status.Fate()
	doubted := p.State == PartUncertain || p.State == PartUnknown
	switch {
	case p.State != PartSent && !doubted:
		return false
	case m.State.End() && (m.State != Unknown || fate == sms.FateTrying || fate == sms.FateUnknown):
		return false
	case fate == sms.FateTrying && p.State == PartSent && p.Status == uint8(r.Status):
		return false
	}
	if doubted && p.SentAt.IsZero() {
		p.SentAt = now
		if r.Time.After(p.ClaimedAt) && r.Time.Before(now) {
			p.SentAt = r.Time
		}
	}
	p.predicted = false
	p.Status, p.ReportedAt = uint8(r.Status), now
	p.Reason = r.Status.String()
	switch fate {
	case sms.FateDelivered:
		p.State = PartDelivered
	case sms.FateTrying:
		p.State = PartSent
	case sms.FateExpired:
		p.State = PartExpired
	case sms.FateUnknown:
		p.State = PartUnknown
	default: // deleted, too: to us only what was cancelled in time is Deleted
		p.State = PartFailed
	}
	if fate != sms.FateDelivered {
		m.Reason = p.Reason
	}
	m.ErrorCode, m.ErrorKind = worstStatus(m, p)
	return true
}

// worstStatus is the code for the message: that of the report, or of a part delivered before with a reservation.
func worstStatus(m *Message, p *Part) (code uint16, kind uint8) {
	code = uint16(p.Status)
	for i := range m.Parts {
		if q := &m.Parts[i]; p.State == PartDelivered && q.State == PartDelivered {
			code = max(code, uint16(q.Status))
		}
	}
	if code != 0 {
		kind = gsmError
	}
	return code, kind
}

// proven: the report tells that the line's TP-MR went on when we did not know.
func (t *txn) proven(p *Part) error {
	last, err := t.lastRef(p.Line)
	if err != nil {
		return err
	}
	return t.learnRef(p, p.Ref, last)
}

// tellTrying writes the intermediate notification that the SMSC is still trying, once, if it is wished.
func (t *txn) tellTrying(m *Message, p *Part, now time.Time) error {
	if p.State != PartSent || m.in.toldTrying {
		return nil
	}
	m.in.toldTrying = true
	return t.notifyIntermediate(m, now)
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
	var part int
	for i := range m.Parts {
		if p == &m.Parts[i] {
			part = i
		}
	}
	k := append(lineKey(p.Line), p.Ref)
	if p.blind {
		k = blindKey(p.Line)
	}
	k = binary.BigEndian.AppendUint64(k, uint64(milli(p.ClaimedAt)))
	return append(binary.BigEndian.AppendUint64(k, uint64(m.ID)), byte(part))
}

// blindKey is where the rows of a line's blind parts are. No line has an empty name, so that they are apart from all
// others.
func blindKey(line string) []byte { return append(lineKey(""), lineKey(line)...) }

// putOrphan keeps a report that fits no part yet.
func (t *txn) putOrphan(line string, r Report, now time.Time) error {
	prefix := append(lineKey(line), r.Ref)
	old := t.keys(bOrphans, prefix)
	for _, k := range old[:max(len(old)-orphansOfRef+1, 0)] {
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	seq, err := t.sequence(bOrphans)
	if err != nil {
		return err
	}
	b := appendTime([]byte{recordVersion, byte(r.Status)}, now)
	b = appendText(appendTime(appendTime(b, r.Time), r.Discharge), r.Recipient)
	return t.put(bOrphans, binary.BigEndian.AppendUint64(prefix, seq), b)
}

// applyOrphans looks whether the report on a part came before we knew that it could: not before the claim, of course.
func (t *txn) applyOrphans(m *Message, p *Part, now time.Time) error {
	prefix := append(lineKey(p.Line), p.Ref)
	if p.blind {
		prefix = lineKey(p.Line)
	}
	for _, k := range t.keys(bOrphans, prefix) {
		r, received, err := t.orphan(k)
		if err != nil {
			t.w.db.warnDamaged(err)
			continue
		}
		fits := !received.Before(p.ClaimedAt) && (r.Recipient == "" || sms.SameNumber(r.Recipient, m.Destination.Number))
		if p.blind {
			fits = fits && p.fitsBlind(r)
		} else {
			fits = fits && r.Ref == p.Ref
		}
		if !fits {
			continue
		}
		if p.blind {
			if err := t.see(m, p, r.Ref); err != nil {
				return err
			}
		}
		if !t.apply(m, p, r, now) {
			continue
		}
		if err := t.tellTrying(m, p, now); err != nil {
			return err
		}
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	return nil
}

func (v *reader) orphan(k []byte) (r Report, received time.Time, err error) {
	f, err := v.get(bOrphans, k)
	if err != nil {
		return Report{}, time.Time{}, err
	}
	// The key is line, TP-MR and a number of eight octets.
	r = Report{Ref: k[len(k)-9], Status: sms.Status(f.uint8())}
	received = f.time()
	r.Time, r.Discharge, r.Recipient = f.time(), f.time(), f.text()
	return r, received, f.end()
}

// keys copies all keys with a prefix, in order.
func (v *reader) keys(b bucket, prefix []byte) (keys [][]byte) {
	c := v.bucket(b).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, ownKey(k))
	}
	return keys
}

// dropOrphans forgets reports that nobody waited for within a day.
func (t *txn) dropOrphans(now time.Time) error {
	for _, k := range t.keys(bOrphans, nil) {
		_, received, err := t.orphan(k)
		if err == nil && now.Sub(received) < orphanKeep {
			continue
		}
		if err := t.delete(bOrphans, k); err != nil {
			return err
		}
	}
	return nil
}
