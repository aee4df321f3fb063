package sim

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"smsgateway/sms"
)

// settings are what ATZ, AT&F and a restart undo.
type settings struct {
	echo, verbose, quiet bool
	cmee                 int
	creg, cgreg, cereg   int
	copsFormat           int
	csms                 int
	cmms                 int
	cusd                 int
	cnmi                 cnmi
	memory               [3]string // for reading, writing and receiving
	charset              string    // of strings: "GSM", "IRA" or "UCS2"
}

// cnmi is where texts and reports go when they arrive (TS 27.005 §3.4.1).
type cnmi struct {
	mode, mt, bm, ds, bfr int
	given                 bool // it was set since power-on
}

func defaultSettings() settings {
	return settings{echo: true, verbose: true, memory: [3]string{"SM", "SM", "SM"}, charset: "IRA"}
}

func doReset(t *terminal, _ command) error {
	t.settings = defaultSettings()
	t.giveBack(time.Now()) // +CSMS is 0 now: nobody will acknowledge
	return nil
}

// sayf is say with a format.
func (t *terminal) sayf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }

// quoted is a string parameter in the character set of +CSCS.
func (t *terminal) quoted(s string) string {
	if t.charset == "UCS2" {
		return fmt.Sprintf(`"%X"`, sms.EncodeUCS2(s))
	}
	return `"` + s + `"`
}

// plain reads a string parameter in the character set of +CSCS. One that is plain text all the same stays as it is.
func (t *terminal) plain(s string) string {
	if t.charset != "UCS2" {
		return s
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b)%2 != 0 {
		return s
	}
	return sms.DecodeUCS2(b)
}

// doCNMI sets the modes one by one; what is omitted stays.
func doCNMI(t *terminal, c command) error {
	switch n := t.cnmi; c.form {
	case test:
		t.say("+CNMI: " + t.m.cfg.Quirks.CNMI.says(t.m.cfg.RefuseReports))
	case read:
		t.sayf("+CNMI: %d,%d,%d,%d,%d", n.mode, n.mt, n.bm, n.ds, n.bfr)
	case set:
		if !c.number(0, &n.mode, 0, 3) || !c.number(1, &n.mt, 0, 3) || !c.number(2, &n.bm, 0, 2) || n.bm == 1 ||
			!c.number(3, &n.ds, 0, 2) || n.ds != 0 && t.m.cfg.RefuseReports || !c.number(4, &n.bfr, 0, 1) || len(c.args) > 5 ||
			!t.m.cfg.Quirks.CNMI.takes(n) || t.cnmiRefusedUntil.After(time.Now()) {
			return cmsNotSupported
		}
		n.given = true
		t.cnmi = n
		t.unbuffer()
	default:
		return errPlain
	}
	return nil
}

// unbuffer lets out, or throws away, what <mode> 0 kept.
func (t *terminal) unbuffer() {
	if t.cnmi.mode == 0 {
		return
	}
	for _, line := range t.buffered {
		if t.cnmi.bfr == 0 {
			t.urc(line)
		}
	}
	t.buffered = nil
}

// doCSMS chooses the service: 1 has the driver acknowledge what it is passed.
func doCSMS(t *terminal, c command) error {
	switch {
	case c.form == test:
		t.say("+CSMS: (0,1)")
	case c.form == read:
		t.sayf("+CSMS: %d,1,1,1", t.csms)
	case c.form != set || !c.has(0) || !c.number(0, &t.csms, 0, 1):
		return cmsNotSupported
	default:
		t.say("+CSMS: 1,1,1")
		if t.csms == 0 {
			t.giveBack(time.Now())
		}
	}
	return nil
}

// doCSCA tells and changes the service centre on the SIM.
func doCSCA(t *terminal, c command) error {
	switch c.form {
	case test:
	case read:
		kind := 129
		if strings.HasPrefix(t.m.card.smsc, "+") {
			kind = 145
		}
		t.sayf("+CSCA: %q,%d", t.m.card.smsc, kind)
	case set:
		kind, number := 0, t.plain(c.arg(0))
		if !c.number(1, &kind, 0, 255) {
			return cmsNotSupported
		}
		if _, err := sms.ParseNumber(number); number != "" && err != nil {
			return cmsNotSupported
		}
		if kind == 145 && number != "" && !strings.HasPrefix(number, "+") {
			number = "+" + number
		}
		t.m.card.smsc = number
	default:
		return errPlain
	}
	return nil
}

// doCSCS chooses the character set of strings; PDUs are what they are.
func doCSCS(t *terminal, c command) error {
	switch name := strings.ToUpper(c.arg(0)); {
	case c.form == test:
		t.say(`+CSCS: ("GSM","IRA","UCS2")`)
	case c.form == read:
		t.sayf("+CSCS: %q", t.charset)
	case c.form == set && (name == "GSM" || name == "IRA" || name == "UCS2"):
		t.charset = name
	default:
		return cmeIncorrect
	}
	return nil
}

// number makes the handler of a setting that is one number of low to high.
func number(low, high int, at func(*terminal) *int) func(*terminal, command) error {
	return func(t *terminal, c command) error {
		switch {
		case c.form == test && low == high:
			t.sayf("%s: (%d)", c.name, low)
		case c.form == test:
			t.sayf("%s: (%d-%d)", c.name, low, high)
		case c.form == read:
			t.sayf("%s: %d", c.name, *at(t))
		case c.form != set || !c.has(0) || !c.number(0, at(t), low, high):
			return cmeIncorrect
		}
		return nil
	}
}

// onOff makes the handler of E, V and Q.
func onOff(at func(*terminal) *bool) func(*terminal, command) error {
	return func(t *terminal, c command) error {
		switch c.arg(0) {
		case "", "0":
			*at(t) = false
		case "1":
			*at(t) = true
		default:
			return errPlain
		}
		return nil
	}
}

// says makes the handler of a command that only tells something.
func says(prefix string, what func(*terminal) string) func(*terminal, command) error {
	return func(t *terminal, c command) error {
		if c.form == exec || c.form == read {
			t.say(prefix + what(t))
		}
		return nil
	}
}

// accepted is the handler of what nothing here depends on.
func accepted(*terminal, command) error { return nil }

// doParameter reads and sets S-parameters (V.250 §5.3.2), of which none has an effect.
func doParameter(t *terminal, c command) error {
	if c.form == read {
		known := map[string]int{"3": '\r', "4": '\n', "5": '\b'}
		t.say(fmt.Sprintf("%03s", strconv.Itoa(known[c.arg(0)])))
	}
	return nil
}
