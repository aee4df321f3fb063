package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
)

// readCounter reads EF_SMSS of the SIM. Its first octet is the last used TP-MR, the second one the flag "memory capacity
// exceeded" (TS 31.102 §4.2.28, TS 51.011 §10.5.7; AT+CRSM: TS 27.007 §8.18).
const readCounter = "AT+CRSM=176,28483,0,0,2"

// proof is how many times in a row a SIM's counter must have been right before it is believed.
const proof = 5

// counter is what is known of one SIM's counter.
type counter struct {
	matches int  // how often in a row it was the TP-MR that +CMGS gave
	refused bool // it counted a text that the network refused
	early   bool // it counted a text of which no answer of the network is known
	useless bool // it cannot be read, or was wrong once: never asked again
}

// trusted tells whether the counter is evidence. A modem that counts only what was sent, or only when the network has
// answered, matches each +CMGS too; but with it an unchanged counter says nothing of a text without an answer. So it must
// have been seen to count one that was refused, and one that had no answer.
func (c *counter) trusted() bool { return !c.useless && c.matches >= proof && c.refused && c.early }

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

// proveCounter compares the counter with the TP-MR of the last text, if that was sent and not compared yet; and with what
// it must be if the network has refused that text.
func (s *session) proveCounter(ctx context.Context) error {
	m := s.m
	sent := m.uncounted && m.lastRef >= 0
	if m.cfg.Evidence == nil || !sent && m.refusedAt < 0 {
		return nil
	}
	c := m.counterOf()
	if c.useless {
		return nil
	}
	want := m.lastRef
	if !sent {
		want = (m.refusedAt + 1) % 256
	}
	ref, ok, err := s.lastUsed(ctx, c)
	if err != nil || !ok {
		return err
	}
	m.uncounted, m.refusedAt = false, -1
	switch {
	case int(ref) != want:
		s.log.Debug("the SIM's counter is no evidence", "counter", ref, "want", want, "sent", sent)
		c.useless = true
	case sent:
		c.matches++
	default:
		c.refused = true
	}
	return nil
}

// askCounter asks the SIM whether the text in doubt was ever sent. Unchanged since the text before it: it was not, if
// the counter is trusted. One higher says that it was tried, no more. While the modem may still be at work on it nothing
// is asked: it may count at the end. Of several texts in doubt the counter does not tell which was tried.
func (s *session) askCounter(ctx context.Context) error {
	d := s.m.newest()
	now := s.m.cfg.Now()
	if d == nil || len(s.m.doubts) > 1 || s.m.cfg.Evidence == nil || d.before < 0 || d.nth != 1 || d.asked || now.Before(d.ask) {
		return nil
	}
	if !d.over && now.Sub(d.given) < s.t.Result {
		return nil
	}
	d.ask = now.Add(s.t.Health)
	c := s.m.counterOf()
	if c.useless || c.matches < proof {
		return nil
	}
	ref, ok, err := s.lastUsed(ctx, c)
	if err != nil || !ok || s.m.newest() != d { // its result came meanwhile
		return err
	}
	before := d.before
	d.asked = true
	switch {
	case int(ref) == before && c.trusted():
		s.m.doubts, s.m.unclear, s.m.lastRef, s.m.since = nil, nil, before, 0
		s.keepLate(late{given: d.given, unsent: true})
	case int(ref) == (before+1)%256 && d.silent:
		c.early = true
	}
	return nil
}
