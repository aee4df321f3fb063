package sim

import "time"

const (
	maxTries    = 3  // of the PIN
	maxPUKTries = 10 // of the PUK; then the SIM is dead
)

// card is the SIM. It survives every power-off.
type card struct {
	pin, puk        string
	tries, pukTries int
	unlocked        bool      // the PIN was entered since power-on, or there is none
	readyAt         time.Time // until then it is busy
	busyFor         time.Duration
	smsc            string
	gone            bool      // it is not in the modem, until backAt
	backAt          time.Time // of a SIM that is gone
	lastRef         uint8     // TP-MR of the last text (TS 23.040 §9.2.3.6)
}

func newCard(cfg Config, busyFor time.Duration) card {
	return card{pin: cfg.PIN, puk: cfg.PUK, tries: maxTries, pukTries: maxPUKTries, busyFor: busyFor, smsc: cfg.SMSC}
}

func (c *card) powerOn(now time.Time) {
	c.unlocked = c.pin == ""
	c.readyAt = now.Add(c.busyFor)
}

// state is <code> of +CPIN (TS 27.007 §8.3).
func (c *card) state() string {
	switch {
	case c.tries == 0:
		return "SIM PUK"
	case !c.unlocked:
		return "SIM PIN"
	}
	return "READY"
}

// enter tries a PIN.
func (c *card) enter(pin string, now time.Time) error {
	if pin == c.pin {
		c.tries, c.unlocked, c.readyAt = maxTries, true, now.Add(c.busyFor)
		return nil
	}
	if c.tries--; c.tries == 0 {
		return cmePUK
	}
	return cmeWrong
}

// reset tries a PUK, which brings a new PIN.
func (c *card) reset(puk, pin string, now time.Time) error {
	switch {
	case leading(pin, "0123456789") != len(pin) || len(pin) < 4 || len(pin) > 8:
		return cmeIncorrect
	case puk == c.puk:
		c.pin, c.tries, c.pukTries = pin, maxTries, maxPUKTries
		c.unlocked, c.readyAt = true, now.Add(c.busyFor)
		return nil
	}
	if c.pukTries--; c.pukTries == 0 {
		return cmeSIMFailure
	}
	return cmeWrong
}

// need is what must be so before a command can do anything.
type need uint8

const (
	needNothing need = iota
	needSIM          // the PIN was entered; else a +CME ERROR
	needSMS          // the same, and the SIM is not busy; else a +CMS ERROR
)

// allowed tells whether a command with such a need can do its work now, or the error that it gives.
func (t *terminal) allowed(n need) error {
	c := &t.m.card
	var cms, cme error
	switch {
	case n == needNothing:
		return nil
	case t.functionality == 0 || c.gone:
		cms, cme = cmsNoSIM, cmeNoSIM
	case time.Now().Before(t.settling):
		cms, cme = cmeBusy, cmeBusy
	case c.pukTries == 0:
		cms, cme = cmsSIMFailure, cmeSIMFailure
	case c.tries == 0:
		cms, cme = cmsPUKRequired, cmePUK
	case !c.unlocked:
		cms, cme = cmsPINRequired, cmePIN
	case time.Now().Before(c.readyAt):
		cms, cme = cmsSIMBusy, cmeSIMBusy
	}
	if n == needSMS {
		return cms
	}
	return cme
}

// doCPIN asks for the lock and opens it: AT+CPIN=<pin>, or AT+CPIN=<puk>,<new pin>.
func doCPIN(t *terminal, c command) error {
	now, card := time.Now(), &t.m.card
	switch {
	case c.form == test:
		return nil
	case t.functionality == 0 || card.gone:
		return cmeNoSIM
	case card.pukTries == 0:
		return cmeSIMFailure
	case card.readyAt.After(now):
		return cmeSIMBusy
	case c.form == read:
		t.say("+CPIN: " + card.state())
		if t.m.cfg.Quirks.NoOKAfterCPIN {
			t.flush()
			return errLater
		}
		return nil
	case c.form != set || len(c.args) > 2:
		return cmeIncorrect
	case card.tries == 0 && len(c.args) == 1:
		return cmePUK
	}
	var err error
	switch {
	case card.tries == 0:
		err = card.reset(c.arg(0), c.arg(1), now)
	case card.unlocked:
		return cmeNotAllowed
	default:
		err = card.enter(c.arg(0), now)
	}
	if err == nil {
		t.search(now)
	}
	return err
}

// doCPINR tells how many tries are left (TS 27.007 §8.65).
func doCPINR(t *terminal, c command) error {
	card := &t.m.card
	if c.form == test {
		return nil
	}
	for _, of := range []struct {
		name       string
		left, most int
	}{{"SIM PIN", card.tries, maxTries}, {"SIM PUK", card.pukTries, maxPUKTries}} {
		if !c.has(0) || c.arg(0) == of.name {
			t.sayf("+CPINR: %s,%d,%d", of.name, of.left, of.most)
		}
	}
	return nil
}

// doCLCK tells whether the SIM asks for a PIN. It changes no lock.
func doCLCK(t *terminal, c command) error {
	switch {
	case c.form == test:
		t.say(`+CLCK: ("SC")`)
	case c.form != set || c.arg(0) != "SC":
		return cmeIncorrect
	case c.arg(1) != "2":
		return cmeNotAllowed
	case t.m.card.pin == "":
		t.say("+CLCK: 0")
	default:
		t.say("+CLCK: 1")
	}
	return nil
}
