package sim

import (
	"fmt"
	"time"
)

// The cell that the modem is in, as +CREG=2 gives it.
const cell = `"00C3","0000A1B2"`

// search starts RegisterAfter.
func (t *terminal) search(now time.Time) {
	t.searchUntil = now.Add(t.m.draw(t.m.cfg.Timing.Register, t.m.cfg.RegisterAfter))
}

// registration is <stat> of +CREG.
func (t *terminal) registration(now time.Time) int {
	switch {
	case t.booting, t.functionality != 1, t.detached, !t.m.card.unlocked, t.m.card.gone:
		return 0
	case t.searchUntil.After(now):
		return 2
	case t.m.sub.outage.until.After(now):
		return t.m.sub.outage.stat
	}
	return t.m.sub.registration
}

// carries tells whether texts pass with this <stat> (TS 27.007 §7.2).
func carries(stat int) bool {
	switch stat {
	case 1, 5, 6, 7, 9, 10:
		return true
	}
	return false
}

// tellRegistration gives the URCs of a registration that has changed.
func (t *terminal) tellRegistration(now time.Time) {
	stat := t.registration(now)
	if stat == t.shown {
		return
	}
	t.shown = stat
	for _, of := range []struct {
		name  string
		level int
	}{{"+CREG", t.creg}, {"+CGREG", t.cgreg}, {"+CEREG", t.cereg}} {
		if of.level > 0 {
			t.urc(fmt.Sprintf("%s: %s", of.name, located(stat, of.level)))
		}
	}
}

func located(stat, level int) string {
	if level == 2 && carries(stat) {
		return fmt.Sprintf("%d,%s", stat, cell)
	}
	return fmt.Sprint(stat)
}

// registrations makes the handler of +CREG, +CGREG or +CEREG.
func registrations(level func(*terminal) *int) func(*terminal, command) error {
	return func(t *terminal, c command) error {
		n := level(t)
		switch {
		case c.form == test:
			t.say(c.name + ": (0-2)")
		case c.form == read:
			t.sayf("%s: %d,%s", c.name, *n, located(t.registration(time.Now()), *n))
		case c.form != set || !c.has(0) || !c.number(0, n, 0, 2):
			return cmeIncorrect
		}
		return nil
	}
}

// doCOPS tells the operator, and takes the modem off the network (<mode> 2) and back.
func doCOPS(t *terminal, c command) error {
	now := time.Now()
	registered := carries(t.registration(now))
	operator, numeric := t.m.cfg.Operator, t.m.cfg.IMSI[:min(5, len(t.m.cfg.IMSI))]
	mode := 0
	switch {
	case c.form == test:
		t.sayf("+COPS: (2,%s,%s,%q),,(0-3),(0-2)", t.quoted(operator), t.quoted(operator), numeric)
	case c.form == read && t.detached:
		t.say("+COPS: 2")
	case c.form == read && !registered:
		t.say("+COPS: 0")
	case c.form == read && t.copsFormat == 2:
		t.sayf("+COPS: 0,2,%q", numeric)
	case c.form == read:
		t.sayf("+COPS: 0,%d,%s", t.copsFormat, t.quoted(operator))
	case c.form != set || !c.has(0) || !c.number(0, &mode, 0, 4) || !c.number(1, &t.copsFormat, 0, 2):
		return cmeIncorrect
	case mode == 2:
		t.detached = true
	case mode != 3 && t.detached:
		t.detached = false
		t.search(now)
	}
	return nil
}

// doCSQ tells the signal.
func doCSQ(t *terminal, c command) error {
	switch {
	case c.form == test:
		t.say("+CSQ: (0-31,99),(99)")
	case t.functionality != 1:
		t.say("+CSQ: 99,99")
	default:
		t.sayf("+CSQ: %d,99", t.m.sub.signal)
	}
	return nil
}

// doCFUN switches the radio (4), and the SIM with it (0), off and on again, and restarts the modem (1,1).
func doCFUN(t *terminal, c command) error {
	now, functionality, restart := time.Now(), t.functionality, 0
	switch {
	case c.form == test:
		t.say("+CFUN: (0,1,4),(0-1)")
		return nil
	case c.form == read:
		t.sayf("+CFUN: %d", t.functionality)
		return nil
	case c.form == set && len(c.args) == 1 && c.arg(0) == "16": // as Huawei's modules restart (ModemManager, plugins/huawei)
		return doRestart(t, c)
	case c.form != set || !c.has(0) || !c.number(0, &functionality, 0, 4) || !c.number(1, &restart, 0, 1),
		functionality == 2 || functionality == 3:
		return cmeIncorrect
	case restart == 1:
		return doRestart(t, c)
	}
	if t.functionality == 0 && functionality != 0 {
		t.m.card.powerOn(now)
	}
	t.settling = now.Add(t.m.cfg.Quirks.Settling)
	if t.functionality != 1 && functionality == 1 {
		t.search(now)
	}
	t.functionality = functionality
	return nil
}

// doRestart restarts the modem once it has said OK.
func doRestart(t *terminal, c command) error {
	if c.form == exec || c.form == set {
		t.after(0, t.reboot)
	}
	return nil
}
