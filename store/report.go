package store

import (
	"fmt"
	"time"

	"smsgateway/sms"
)

// Rules for matching status reports (delivery-semantics, section 10; gsm-modem, section 3.6).
const (
	clockSkew     = 5 * time.Minute        // how far the SMSC's clock may be behind ours
	wrongClock    = 24 * time.Hour         // how far at most, where nothing fits better: of a wrong time zone, or day
	repeatSkew    = time.Hour              // how far it may be ahead, for a part that has had its report
	smscSecond    = 999 * time.Millisecond // what the SMSC's time leaves out: it has whole seconds
	shortOfWrap   = 2 * time.Minute        // in which no SIM sends 256 texts
	lookForReport = 512                    // rows of one line and TP-MR
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
	Doubted   bool // our clock and the SMSC's do not agree: where no part fits its time, any that waits for a report will do
}

// Report applies a status report that came by a line, with the new state and the receipt that it causes; it returns the
// message as it is then. Of a part in doubt it proves that it was sent. A report that is known already changes
// nothing, and one about an end changes nothing, unless that is Unknown: then the better end gets a receipt of its own.
// A report that fits no message yet is kept for a day, as reports may come before the modem's answer: nil, nil.
func (db *DB) Report(line string, r Report, now time.Time) (*Message, error) {
	var m *Message
	err := db.w.do(func(t *txn) (err error) {
		if m, err = t.report(line, r, now, now); m == nil && err == nil {
			err = t.putOrphan(line, r, now)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply a status report: %w", err)
	}
	return m, nil
}

// report applies a report that was received then, and gives the message; nil if it fits none, or not for certain.
func (t *txn) report(line string, r Report, received, now time.Time) (*Message, error) {
	open, awaited, err := t.inModem(line, r, received)
	if awaited || err != nil {
		return nil, err
	}
	m, part, err := t.match(line, r, received)
	if m == nil || err != nil {
		return nil, err
	}
	p := &m.Parts[part]
	before := *p
	if !t.apply(m, p, r, now) {
		if open { // it may be no repetition, but that one's, of a modem whose TP-MR began anew
			return nil, nil
		}
		return m, nil
	}
	if p.blind {
		if err := t.see(m, p, r.Ref); err != nil {
			return nil, err
		}
	}
	if before.inDoubt() || before.State == PartUnknown {
		if err := t.proven(p); err != nil {
			return nil, err
		}
	}
	if err := t.tellTrying(m, p, now); err != nil {
		return nil, err
	}
	if err := t.settle(m, now); err != nil {
		return nil, err
	}
	return t.message(m.ID)
}

// apply changes a part, and what the message says of it, as the report says. False: it says nothing new.
func (t *txn) apply(m *Message, p *Part, r Report, now time.Time) bool {
	fate := r.Status.Fate()
	doubted := p.inDoubt() || p.State == PartUnknown
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
	m.notAgain(p)
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
