package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// readCounter reads EF_SMSS of the SIM. Its first octet is the last used TP-MR, the second one the flag "memory capacity
// exceeded" (TS 31.102 §4.2.28, TS 51.011 §10.5.7; AT+CRSM: TS 27.007 §8.18).
const readCounter = "AT+CRSM=176,28483,0,0,2"

// proof is how many times in a row a SIM's counter must have been right before it is believed.
const proof = 5

// counter is what is known of one SIM's counter.
type counter struct {
	matches int  // how often in a row it was the TP-MR that +CMGS gave
	useless bool // it cannot be read, or was wrong once: never asked again
}

// trusted tells whether the counter is evidence.
func (c *counter) trusted() bool { return !c.useless && c.matches >= proof }

// counterOf returns what is known of the counter of the SIM that is in the modem.
func (m *Modem) counterOf() *counter {
	line := m.Status().Line()
	c := m.counters[line]
	if c == nil {
		c = &counter{}
		m.counters[line] = c
	}
	return c
}

// lastUsed reads the counter. ok is false when the modem or the SIM does not say it, now or ever.
func (s *session) lastUsed(ctx context.Context, c *counter) (ref uint8, ok bool, err error) {
	info, err := s.l.command(ctx, readCounter, s.t.Command)
	switch {
	case err == nil:
	case isBusy(err):
		return 0, false, nil
	case isAnswer(err), errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted):
		c.useless = true
		return 0, false, nil
	default:
		return 0, false, err
	}
	rest, _ := answer(info, "+CRSM:")
	if ref, ok = smssOf(rest); !ok {
		c.useless = true
	}
	return ref, ok, nil
}

// smssOf reads `144,0,"0CFF"`, the answer with the contents of EF_SMSS: status words 90 00 in decimal, then the octets.
// Some leave the quotes off.
func smssOf(rest string) (ref uint8, ok bool) {
	fields := fieldsOf(rest)
	if len(fields) < 3 || fields[0] != "144" || fields[1] != "0" {
		return 0, false
	}
	b, err := hex.DecodeString(strings.TrimSpace(fields[2]))
	if err != nil || len(b) != 2 {
		return 0, false
	}
	return b[0], true
}

// proveCounter compares the counter with the TP-MR of the last text, if that was sent and not compared yet.
func (s *session) proveCounter(ctx context.Context) error {
	if s.m.cfg.Evidence == nil || !s.m.uncounted || s.m.lastRef < 0 {
		return nil
	}
	c := s.m.counterOf()
	if c.useless {
		return nil
	}
	ref, ok, err := s.lastUsed(ctx, c)
	if err != nil || !ok {
		return err
	}
	s.m.uncounted = false
	if int(ref) != s.m.lastRef {
		s.log.Debug("the SIM's counter is no evidence", "counter", ref, "ref", s.m.lastRef)
		c.useless = true
		return nil
	}
	c.matches++
	return nil
}

// askCounter asks the SIM whether the text in doubt was ever sent. Unchanged since the text before it: it was not. One
// higher says that it was tried, no more. While the modem may still be at work on it nothing is asked: it may count at
// the end.
func (s *session) askCounter(ctx context.Context) error {
	d := s.m.doubt
	now := time.Now()
	if d == nil || s.m.cfg.Evidence == nil || d.before < 0 || now.Before(d.ask) {
		return nil
	}
	if !d.over && now.Sub(d.given) < s.t.Result {
		return nil
	}
	d.ask = now.Add(s.t.Health)
	c := s.m.counterOf()
	if !c.trusted() {
		return nil
	}
	ref, ok, err := s.lastUsed(ctx, c)
	if err != nil || !ok || s.m.doubt != d { // its result came meanwhile
		return err
	}
	before := d.before
	d.before = -1 // asked once
	if int(ref) == before {
		s.m.doubt, s.m.lastRef = nil, before
		s.keepLate(late{given: d.given, unsent: true})
	}
	return nil
}
