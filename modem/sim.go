package modem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Why a SIM cannot be used before a person has done something.
var (
	errNoPIN      = errors.New(`the SIM wants its PIN; set pin = "..."`)
	errBadPIN     = errors.New("the configured pin is not 4 to 8 digits; it was not entered")
	errWrongPIN   = errors.New("the SIM has refused the configured pin; it will not be entered again before it is changed")
	errLastTry    = errors.New("the SIM has one try left for its PIN, which is not used; put the SIM into a phone and enter the PIN there")
	errUnknownPIN = errors.New("entering the pin got no answer, and the modem does not say how many tries are left; it will not be entered again")
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
			return nil
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
			err = &simError{err}
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

// isUnlocked tells whether a state of +CPIN lets texts be sent. PIN2 protects other things.
func isUnlocked(state string) bool {
	return state == "READY" || state == "SIM PIN2" || state == "SIM PUK2"
}

// simError is a reason to wait for a person.
type simError struct{ cause error }

func (e *simError) Error() string { return e.cause.Error() }

func (e *simError) Unwrap() error { return e.cause }

// enterPIN enters the PIN, if it is certain that this can not lock the SIM: it has not been refused before, and it is
// not the last try. A *simError says why not, or that it was wrong. After nil the SIM is asked again.
func (s *session) enterPIN(ctx context.Context) error {
	pin := s.m.cfg.PIN
	switch {
	case pin == "":
		return &simError{errNoPIN}
	case len(pin) < 4 || len(pin) > 8 || digitsOf(pin, 4, 8) != pin:
		return &simError{errBadPIN}
	case s.m.pinRefused:
		return &simError{errWrongPIN}
	}
	key, err := s.pinKey(ctx)
	if err != nil {
		return err
	}
	if s.m.cfg.PINs != nil {
		refused, err := s.m.cfg.PINs.Refused(key)
		if err != nil {
			return &simError{fmt.Errorf("pin: it is not known whether it was refused before: %w", err)}
		}
		if refused {
			s.m.pinRefused = true
			return &simError{errWrongPIN}
		}
	}
	tries, known, err := s.triesLeft(ctx)
	switch {
	case err != nil:
		return err
	case known && tries <= 1:
		return &simError{errLastTry}
	case !known && s.m.pinUnanswered:
		return &simError{errUnknownPIN}
	}
	s.m.pinUnanswered = true
	s.l.secret = pin
	_, err = s.l.command(ctx, `AT+CPIN="`+pin+`"`, s.t.Long)
	s.l.secret = ""
	return s.pinEntered(ctx, key, err)
}

// pinEntered draws the conclusions from the answer to the PIN. Whatever is not clearly something else is taken for a
// refusal.
func (s *session) pinEntered(ctx context.Context, key string, err error) error {
	var cme CMEError
	errors.As(err, &cme)
	switch {
	case err == nil:
		s.m.pinUnanswered = false
		s.log.Info("the SIM took its PIN")
		// The SIM needs seconds before it can be used; older cards crash when they are used at once (gsm-modem §1.4).
		return s.l.pause(ctx, s.t.Poll*3/2, nil)
	case !isAnswer(err):
		return err
	case isBusy(err), cme == 3: // 3: it does not want one now; AT+CPIN? will tell
		s.m.pinUnanswered = false
		return s.l.pause(ctx, s.t.Poll, nil)
	}
	s.m.pinRefused = true
	if s.m.cfg.PINs != nil {
		if err := s.m.cfg.PINs.Remember(key); err != nil {
			s.log.Error("the refused PIN is not remembered over a restart", "err", err)
		}
	}
	return &simError{errWrongPIN}
}

// pinKey names the PIN of this SIM for a PINMemory; of the modem, if the SIM cannot be read before it is unlocked.
func (s *session) pinKey(ctx context.Context) (string, error) {
	iccid, err := s.iccid(ctx)
	if err != nil {
		return "", err
	}
	id := s.m.Status().Identity
	id.ICCID, id.IMSI = iccid, ""
	sum := sha256.Sum256([]byte(id.Line() + "\x00" + s.m.cfg.PIN))
	return hex.EncodeToString(sum[:]), nil
}

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
