package modem

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unlock waits until the SIM is usable, and enters the PIN if that is what it takes. It stays here, with the reason in
// the status, for as long as a person has to do something.
func (s *session) unlock(ctx context.Context) error {
	patience := time.Now().Add(s.t.SIM)
	for {
		info, err := s.l.command(ctx, "AT+CPIN?", s.t.Command)
		if len(info) > 0 && errors.Is(err, ErrNoAnswer) {
			err = nil // Wavecom's old firmware sends no OK behind it (gammu, F_CPIN_NO_OK)
		}
		state, _ := answer(info, "+CPIN:")
		switch {
		case err == nil && isUnlocked(state):
			s.m.cardless = outage{}
			return s.pinBehind(ctx)
		case err == nil && state == "SIM PIN":
			err = s.enterPIN(ctx)
		case err == nil && state != "":
			err = &simError{fmt.Errorf("the SIM is locked (%s); put it into a phone and unlock it there", state)}
		case isBusy(err) && time.Now().Before(patience):
			s.m.setState(StateSIM)
			if err = s.pause(ctx, s.t.Poll); err == nil {
				continue
			}
		case isAnswer(err) && Classify(err) == ClassSIM && !isBusy(err):
			err = s.cardUnread(ctx, err)
		case err == nil:
			err = errors.New("AT+CPIN?: the modem does not say how its SIM is")
		}
		var sim *simError
		if errors.As(err, &sim) {
			err = s.blocked(ctx, sim.cause)
			patience = time.Now().Add(s.t.SIM)
		}
		if err != nil {
			return err
		}
	}
}

// cardUnread is for a SIM that the modem does not find, or cannot read, as err says. Many modems notice one that was put in,
// and get over a failure, by a restart alone (gsm-modem §1.11, 313); it is tried after 5 minutes, and at longer and longer
// intervals then. One that waits for its PUK would not be helped. It returns a *simError, or that of the restart.
func (s *session) cardUnread(ctx context.Context, err error) error {
	var cme CMEError
	var cms CMSError
	unread := errors.As(err, &cme) && (cme == 10 || cme == 13 || cme == 15) ||
		errors.As(err, &cms) && (cms == 310 || cms == 313 || cms == 315)
	c := &s.m.cardless
	if c.since.IsZero() {
		c.since = time.Now()
	}
	if !unread || time.Since(c.since) < rung<<min(c.step, 4) || !s.m.mayRestart() {
		return &simError{err}
	}
	c.since, c.step = time.Now(), c.step+1
	return s.restart(ctx, Explain(err))
}

// isUnlocked tells whether a state of +CPIN lets texts be sent. PIN2 protects other things.
func isUnlocked(state string) bool {
	return state == "READY" || state == "SIM PIN2" || state == "SIM PUK2"
}

// simError is a reason to wait for a person.
type simError struct{ cause error }

func (e *simError) Error() string { return e.cause.Error() }

func (e *simError) Unwrap() error { return e.cause }

// triesLeft asks how often the PIN may still be entered wrong. known is false when the modem does not say.
func (s *session) triesLeft(ctx context.Context) (n int, known bool, err error) {
	for _, q := range pinCounters {
		if q.maker != "" && !strings.Contains(strings.ToLower(s.m.Status().Manufacturer), q.maker) {
			continue
		}
		info, err := s.ask(ctx, q.text)
		if err != nil {
			return 0, false, err
		}
		if n, ok := q.count(info); ok {
			return n, true, nil
		}
	}
	return 0, false, nil
}

// pinCounter is a way to ask for the tries left: the command, the field of its answer that counts the PIN's, and the
// word that has to stand in the field before, if any.
type pinCounter struct {
	maker, text, prefix string
	field               int
	word                string
}

// pinCounters begins with the standard's (TS 27.007 §8.65); the others are the vendors' (oFono, drivers/atmodem/sim.c).
var pinCounters = []pinCounter{
	{"", "AT+CPINR", "+CPINR:", 1, "SIM PIN"},
	{"huawei", "AT^CPIN?", "^CPIN:", 3, ""},
	{"quectel", `AT+QPINC="SC"`, "+QPINC:", 1, "SC"},
	{"simcom", "AT+SPIC", "+SPIC:", 0, ""},
	{"u-blox", "AT+UPINCNT", "+UPINCNT:", 0, ""},
	{"telit", "AT#PCT", "#PCT:", 0, ""},
	{"cinterion", "AT^SPIC", "^SPIC:", 0, ""},
	{"siemens", "AT^SPIC", "^SPIC:", 0, ""},
}

// count reads the tries left out of an answer.
func (q pinCounter) count(info []string) (int, bool) {
	for _, line := range info {
		rest, ok := cutPrefix(line, q.prefix)
		if !ok {
			continue
		}
		fields := fieldsOf(rest)
		if len(fields) <= q.field || q.word != "" && fields[q.field-1] != q.word {
			continue
		}
		if n, err := strconv.Atoi(fields[q.field]); err == nil && n >= 0 {
			return n, true
		}
	}
	return 0, false
}
