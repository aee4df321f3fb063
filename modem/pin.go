package modem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Why a PIN is not entered before a person has done something.
var (
	errNoPIN   = errors.New(`the SIM wants its PIN; set pin = "..."`)
	errBadPIN  = errors.New("the configured pin is not 4 to 8 digits; it was not entered")
	errLastTry = errors.New("the SIM has one try left for its PIN, which is not used; put the SIM into a phone and enter the PIN " +
		"there")
	errWrongPIN = errors.New("the SIM has refused the configured pin; it will not be entered again: " + pinCure)
	errOpenPIN  = errors.New("the pin was entered, and it is not known whether that used up a try of the SIM; " +
		"it will not be entered again: " + pinCure)
)

// pinCure is what a person can do about a PIN that is not entered again.
const pinCure = "set pin to the PIN of this SIM if it is another, or put the SIM into a phone and switch its PIN off there"

// fullTries is how often the PIN of a SIM may be entered wrong at least, if the right one came last (TS 31.101 §9.5.2
// leaves it to the issuer; three is what all have, some have more).
const fullTries = 3

// pinTry is what this process knows of the last time that a PIN was entered, beside what is in the PINMemory.
type pinTry struct {
	key     string // of the SIM and its PIN; another SIM begins anew
	tries   int    // left before; -1 the modem did not say
	repeats int    // entered so often without an end: an answer that says nothing of the PIN, or OK and the SIM not ready since
}

// pinKeys are the names under which a PINMemory has the PIN of a SIM. The number of the card is the best one, but some
// modems do not say it before the SIM is unlocked, or not each time.
type pinKeys struct {
	write  []string // what is noted of it
	read   []string // where it may be noted
	refuse []string // of write, for a PIN that was refused: the others are for one whose outcome is open
	wrong  []string // of read, the same
	card   bool     // the number of the card is among them
}

// pinMap is a PINMemory for the life of a Modem.
type pinMap struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (p *pinMap) Refused(key string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[key], nil
}

func (p *pinMap) Remember(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys = make(map[string]bool)
	}
	p.keys[key] = true
	return nil
}

func (p *pinMap) Forget(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.keys, key)
	return nil
}

// keysOf names the PIN of a SIM. Under a modem's names stands apart what was seen of a card whose number was known: it
// counts only for a card whose number is not known now, for it may be the same one.
func (m *Modem) keysOf(id Identity) (k pinKeys) {
	names := []string{"modem:" + m.cfg.Name}
	if id.IMEI != "" {
		names = append(names, id.IMEI)
	}
	add := func(name string, writes, reads bool) {
		wrong, open := m.pinKey(name), m.pinKey("entered:"+name)
		if writes {
			k.refuse, k.write = append(k.refuse, wrong), append(k.write, open)
		}
		if reads {
			k.wrong, k.read = append(k.wrong, wrong), append(k.read, open)
		}
	}
	if k.card = id.ICCID != ""; k.card {
		add(id.ICCID, true, true)
	}
	for _, name := range names {
		add(name, !k.card, true)
		add("card in "+name, k.card, !k.card)
	}
	return k
}

// pinKey is a key of a PINMemory.
func (m *Modem) pinKey(name string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + m.cfg.PIN))
	return hex.EncodeToString(sum[:])
}

// noted tells whether any of keys is in memory or on disk.
func (m *Modem) noted(keys []string) (bool, error) {
	for _, memory := range []PINMemory{&m.pins, m.cfg.PINs} {
		if memory == nil {
			continue
		}
		for _, key := range keys {
			if yes, err := memory.Refused(key); yes || err != nil {
				return yes, err
			}
		}
	}
	return false, nil
}

// note puts keys into memory and on disk.
func (m *Modem) note(keys []string) error {
	for _, key := range keys {
		if err := m.pins.Remember(key); err != nil {
			return err
		}
	}
	if m.cfg.PINs == nil {
		return nil
	}
	for _, key := range keys {
		if err := m.cfg.PINs.Remember(key); err != nil {
			return err
		}
	}
	return nil
}

// forget takes out of memory and disk what is there of keys.
func (m *Modem) forget(keys []string) error {
	for _, memory := range []PINMemory{&m.pins, m.cfg.PINs} {
		if memory == nil {
			continue
		}
		for _, key := range keys {
			there, err := memory.Refused(key)
			if err == nil && there {
				err = memory.Forget(key)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// enterPIN enters the PIN, if it is certain that this can not lock the SIM: it is meant for this SIM, it has not been
// refused before, and it is not the last try. That it is entered is on disk before, so that no end of the process in
// between makes a try that nobody counts. A *simError says why not, or that it was wrong. After nil the SIM is asked again.
func (s *session) enterPIN(ctx context.Context) error {
	pin := s.m.cfg.PIN
	switch {
	case pin == "":
		return &simError{errNoPIN}
	case len(pin) < 4 || len(pin) > 8 || digitsOf(pin, 4, 8) != pin:
		return &simError{errBadPIN}
	}
	id := s.m.Status().Identity
	var err error
	if id.ICCID, err = s.patientICCID(ctx); err != nil {
		return err
	}
	id.IMSI = ""
	if s.m.cfg.MayUnlock != nil {
		if err := s.m.cfg.MayUnlock(id); errors.Is(err, ErrPortMissing) {
			s.m.who.ICCID = id.ICCID // by which the search knows that this is another one
			return err
		} else if err != nil {
			return &simError{err}
		}
	}
	keys := s.m.keysOf(id)
	tries, err := s.mayEnter(ctx, keys)
	if err != nil {
		return err
	}
	if err := s.m.note(keys.write); err != nil {
		return &simError{fmt.Errorf("pin: it is not entered, for that can't be noted: %w", err)}
	}
	s.m.pinTry.tries = tries
	// A stop waits for the answer: a PIN whose outcome is open may not be entered again, where the modem tells no tries.
	entering, cancel := outlasting(ctx, s.t.Command)
	defer cancel()
	s.l.secret = pin
	_, err = s.l.command(entering, `AT+CPIN="`+pin+`"`, s.t.Long)
	s.l.secret = ""
	return s.pinEntered(ctx, keys, err)
}

// mayEnter returns the tries that are left, -1 if the modem does not say, or why the PIN is not entered.
func (s *session) mayEnter(ctx context.Context, keys pinKeys) (tries int, err error) {
	if s.m.pinTry.key != keys.write[0] {
		s.m.pinTry = pinTry{key: keys.write[0], tries: -1}
	}
	refused, err := s.m.noted(keys.wrong)
	if err == nil && refused {
		return 0, &simError{errWrongPIN}
	}
	open := false
	if err == nil {
		open, err = s.m.noted(keys.read)
	}
	if err != nil {
		return 0, &simError{fmt.Errorf("pin: it is not known whether it was refused before: %w", err)}
	}
	tries, known, err := s.triesLeft(ctx)
	before := s.m.pinTry.tries
	switch {
	case err != nil:
		return 0, err
	case known && tries <= 1:
		return 0, &simError{errLastTry}
	case known && open && 0 <= before && tries < before:
		return 0, s.pinWrong(keys)
	case known && open && s.m.pinTry.repeats > mostRepeats:
		return 0, &simError{errOpenPIN}
	case known && open && tries < fullTries && before < 0:
		return 0, &simError{errOpenPIN}
	case !known && open && !(s.m.pinTry.repeats == 1 && before == busyBefore):
		return 0, &simError{errOpenPIN}
	case !known:
		tries = -1
	}
	return tries, nil
}

// mostRepeats is how often a PIN is entered again after answers that need not mean that it was not looked at: the modem's
// word for the tries that are left may be an old one. busyBefore stands for the tries when the SIM was busy, once, and the
// modem does not tell them.
const (
	mostRepeats = 1
	busyBefore  = -2
)

// pinEntered draws the conclusions from the answer to the PIN. Refused it is only if the SIM says so, or has a try less;
// whatever else is not clear is left open.
func (s *session) pinEntered(ctx context.Context, keys pinKeys, err error) error {
	var cme CMEError
	errors.As(err, &cme)
	switch {
	case err == nil:
		// OK is not ready yet (gsm-modem §1.4), nor is it known that the SIM has looked: pinBehind takes the note back. Where
		// the modem does not tell its tries the first OK has to do, or a power cut meanwhile would leave it noted for ever.
		s.log.Info("the modem took the PIN")
		if s.m.pinTry.repeats++; s.m.pinTry.repeats == 1 && s.m.pinTry.tries < 0 {
			if err := s.m.forget(append(keys.write, keys.read...)); err != nil {
				s.log.Error("that the PIN is right is not noted; after a restart it may not be entered", "err", err)
			}
		}
		// The SIM needs seconds before it can be used; older cards crash when they are used at once (gsm-modem §1.4).
		return s.l.pause(ctx, s.t.Poll*3/2, nil)
	case !isAnswer(err):
		s.m.pinTry.repeats++
		return err
	case cme == 11, cme == 12, cme == 16: // it wants the PIN, the PUK; wrong password
		return s.pinWrong(keys)
	}
	answer := err
	tries, known, err := s.triesLeft(ctx)
	before := s.m.pinTry.tries
	switch {
	case err != nil:
		return err
	case known && before >= 0 && tries < before:
		return s.pinWrong(keys)
	case known && before >= 0 && notLooked(cme):
		if isBusy(answer) {
			return s.l.pause(ctx, s.t.Poll, nil)
		}
		return &simError{fmt.Errorf("the pin was entered, and the SIM did not look at it; it is entered again: %w", answer)}
	case isBusy(answer) && before == -1 && !known:
		s.m.pinTry.tries = busyBefore
		s.m.pinTry.repeats++
		return s.pause(ctx, s.t.Blocked)
	}
	// The next look at the SIM tells: it may be unlocked all the same.
	s.m.pinTry.repeats++
	return s.l.pause(ctx, s.t.Poll, nil)
}

// notLooked tells whether an error says that the SIM could not look at a PIN: not supported, no SIM, SIM failure, busy.
func notLooked(cme CMEError) bool { return cme == 4 || cme == 10 || cme == 13 || cme == 14 }

// pinWrong notes that the SIM has refused the PIN.
func (s *session) pinWrong(keys pinKeys) error {
	err := s.m.note(keys.refuse)
	if err == nil {
		err = s.m.forget(keys.write)
	}
	if err != nil {
		s.log.Error("the refused PIN is not remembered over a restart", "err", err)
	}
	return &simError{errWrongPIN}
}

// pinBehind is called for a SIM that is unlocked: the PIN is right, or switched off, which takes the right one. The card
// has all its tries again (TS 31.101 §9.5.2), and a PIN whose outcome was open may be entered once more.
func (s *session) pinBehind(ctx context.Context) error {
	if s.m.cfg.PIN == "" {
		return nil
	}
	s.m.pinTry = pinTry{}
	id := s.m.Status().Identity
	id.ICCID = ""
	keys := s.m.keysOf(id)
	open, err := s.m.noted(keys.read)
	if err != nil || !open {
		return nil // a memory that can't be read is told when the PIN is wanted
	}
	if id.ICCID, err = s.patientICCID(ctx); err != nil {
		return err
	}
	with := s.m.keysOf(id)
	if err := s.m.forget(append(keys.read, with.read...)); err != nil {
		s.log.Error("that the SIM is unlocked is not noted; after a restart its PIN may not be entered", "err", err)
	}
	return nil
}

// patientICCID asks for the number of the SIM card, again and again while the SIM is busy; "" when it does not say it.
func (s *session) patientICCID(ctx context.Context) (string, error) {
	for patience := time.Now().Add(s.t.SIM); ; {
		busy := false
		for _, text := range cardCommands {
			info, err := s.l.command(ctx, text, s.t.Command)
			switch {
			case err == nil:
				if id := cardIn(plain(info)); id != "" {
					return id, nil
				}
			case isAnswer(err):
				busy = busy || isBusy(err)
			case errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted):
			default:
				return "", err
			}
		}
		if !busy || !time.Now().Before(patience) {
			return "", nil
		}
		if err := s.pause(ctx, s.t.Poll); err != nil {
			return "", err
		}
	}
}
