package modem

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPINOverRestarts: the tries are not told, and the modem hangs when the PIN is entered: it is entered once, however
// often the gateway is started.
func TestPINOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pins := &memory{}
		f := newFake()
		locked(f, 0)
		f.set(`AT+CPIN="9999"`, "")
		life := func() Status {
			b := start(t, f, func(cfg *Config) { cfg.PIN, cfg.PINs = "9999", pins })
			time.Sleep(10 * time.Second) // within the wait for the answer
			st := b.Status()
			b.end()
			<-b.ended
			return st
		}
		for range 4 {
			life()
		}
		if n := f.times(`AT+CPIN="9999"`); n != 1 || len(pins.keys) == 0 {
			t.Errorf("entered %d times in 4 lives, %d keys; want once, some", n, len(pins.keys))
		}
		if st := life(); st.State != StateSIM || !strings.Contains(st.LastError, "set pin to") {
			t.Errorf("state %s, %q; want sim, and what to do", st.State, st.LastError)
		}
		// A person has unlocked it: all tries are there again, and the PIN may be entered once more.
		ready := f.answers["AT+CPIN?"]
		f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n")
		if st := life(); st.State != StateReady || len(pins.keys) != 0 {
			t.Errorf("state %s, %d keys; want ready, none", st.State, len(pins.keys))
		}
		f.set("AT+CPIN?", ready)
		for range 3 {
			life()
		}
		if n := f.times(`AT+CPIN="9999"`); n != 2 {
			t.Errorf("entered %d times, want once more", n)
		}
		// The modem tells that none was used up, then that one was.
		f.set("AT+CPINR", "\r\n+CPINR: SIM PIN,3,3\r\n\r\nOK\r\n")
		life()
		f.set("AT+CPINR", "\r\n+CPINR: SIM PIN,2,3\r\n\r\nOK\r\n")
		life()
		if n := f.times(`AT+CPIN="9999"`); n != 3 {
			t.Errorf("entered %d times, want once more, while no try was used up", n)
		}
	})
}

// TestPINNotedFirst: what cannot be noted is not entered.
func TestPINNotedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		locked(f, 3)
		entered, st := anHour(t, f, "8642", &memory{full: errors.New("disk full")})
		if entered != 0 || st.State != StateSIM || !strings.Contains(st.LastError, "disk full") {
			t.Errorf("entered %d times, state %s, %q", entered, st.State, st.LastError)
		}
	})
}

// TestPINKeys: a PIN that was refused is known again whichever of the numbers of card and modem can be read.
func TestPINKeys(t *testing.T) {
	const busy, no = "\r\n+CME ERROR: 14\r\n", "\r\nERROR\r\n"
	steps := []struct{ name, iccid, imei string }{
		{"both", "", ""}, {"card busy", busy, ""}, {"no modem", "", no}, {"neither", no, no}, {"no card", no, ""},
	}
	for first := range steps {
		t.Run(steps[first].name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pins := &memory{}
				f := newFake()
				locked(f, 0)
				f.set("AT+ICCID", no, "AT^ICCID?", no, "AT+QCCID", no, "AT^SCID", no)
				iccid, imei := f.answers["AT+CCID"], f.answers["AT+CGSN"]
				for n := range steps {
					step := steps[(first+n)%len(steps)]
					f.set("AT+CCID", cmp.Or(step.iccid, iccid), "AT+CGSN", cmp.Or(step.imei, imei))
					b := start(t, f, func(cfg *Config) { cfg.PIN, cfg.PINs = "9999", pins })
					time.Sleep(10 * time.Minute)
					b.end()
					<-b.ended
				}
				if n := f.times(`AT+CPIN="9999"`); n != 1 {
					t.Errorf("entered %d times, want once", n)
				}
			})
		})
	}
}

// TestPINWaitsForCard: a SIM that is busy is asked again who it is.
func TestPINWaitsForCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		locked(f, 3)
		iccid := f.answers["AT+CCID"]
		f.set("AT+CCID", "\r\n+CME ERROR: 14\r\n", "AT+ICCID", "\r\nERROR\r\n")
		time.AfterFunc(20*time.Second, func() { f.set("AT+CCID", iccid) })
		var asked Identity
		b := start(t, f, func(cfg *Config) {
			cfg.PIN, cfg.MayUnlock = "8642", func(id Identity) error { asked = id; return nil }
		})
		b.waitReady()
		if asked.ICCID != "8949020000012345678" || asked.IMEI == "" {
			t.Errorf("the PIN was entered in %+v", asked)
		}
	})
}

// TestPINOtherSIM: a wrong PIN does not keep the next SIM out.
func TestPINOtherSIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		locked(f, 3)
		f.set(`AT+CPIN="8642"`, "\r\n+CME ERROR: 16\r\n")
		f.hooks[`AT+CPIN="8642"`] = func() {}
		b := start(t, f, func(cfg *Config) { cfg.PIN, cfg.PINs = "8642", &memory{} })
		time.Sleep(time.Minute)
		f.pull()
		time.Sleep(time.Second)
		f.change(func() { f.gone = nil })
		time.Sleep(10 * time.Minute)
		if n := f.times(`AT+CPIN="8642"`); n != 1 || b.Status().State != StateSIM {
			t.Errorf("the same card: entered %d times, state %s", n, b.Status().State)
		}
		f.pull()
		time.Sleep(time.Second)
		locked(f, 3)
		f.set("AT+CCID", "\r\n+CCID: \"8949020000099999999\"\r\n\r\nOK\r\n")
		f.change(func() { f.gone = nil })
		time.Sleep(10 * time.Minute)
		if st := b.Status(); st.State != StateReady {
			t.Errorf("another card: state %s, %s; want ready", st.State, st.LastError)
		}
	})
}

// TestPINAnswers: what is answered to the right PIN at first, and how often it is entered then.
func TestPINAnswers(t *testing.T) {
	for _, tt := range []struct {
		answer  string
		tries   int // told before
		after   int // and afterwards; 0: not told
		lasts   bool
		entered int
		state   State
	}{
		{"+CME ERROR: 13", 3, 3, false, 2, StateReady},
		{"+CME ERROR: 10", 3, 3, false, 2, StateReady},
		{"+CME ERROR: 4", 3, 3, false, 2, StateReady},
		{"+CME ERROR: 14", 3, 3, false, 2, StateReady},
		{"+CME ERROR: 14", 0, 0, false, 2, StateReady},
		{"+CME ERROR: 14", 0, 0, true, 2, StateSIM},
		{"+CME ERROR: 13", 0, 0, false, 1, StateSIM},
		{"+CME ERROR: 3", 0, 0, true, 1, StateSIM},
		{"ERROR", 3, 3, false, 2, StateReady},
		{"ERROR", 3, 3, true, 2, StateSIM},
		{"+CME ERROR: 13", 3, 2, false, 1, StateSIM},
		{"+CME ERROR: 100", 3, 2, true, 1, StateSIM},
		{"+CME ERROR: 16", 3, 3, true, 1, StateSIM},
		{"+CME ERROR: 11", 3, 3, true, 1, StateSIM},
		{"+CME ERROR: 12", 3, 3, true, 1, StateSIM},
	} {
		t.Run(fmt.Sprintf("%s %d %d %v", tt.answer, tt.tries, tt.after, tt.lasts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				locked(f, tt.tries)
				right := f.hooks[`AT+CPIN="8642"`]
				f.set(`AT+CPIN="8642"`, "\r\n"+tt.answer+"\r\n")
				f.hooks[`AT+CPIN="8642"`] = func() {
					if tt.after > 0 {
						f.set("AT+CPINR", fmt.Sprintf("\r\n+CPINR: SIM PIN,%d,3\r\n\r\nOK\r\n", tt.after))
					}
					if !tt.lasts {
						time.AfterFunc(time.Second, func() {
							f.set(`AT+CPIN="8642"`, "\r\nOK\r\n")
							f.change(func() { f.hooks[`AT+CPIN="8642"`] = right })
						})
					}
				}
				pins := &memory{}
				entered, st := anHour(t, f, "8642", pins)
				if entered != tt.entered || st.State != tt.state {
					t.Errorf("entered %d times, state %s (%s); want %d, %s", entered, st.State, st.LastError, tt.entered, tt.state)
				}
				if (len(pins.keys) == 0) != (tt.state == StateReady) {
					t.Errorf("%d keys are noted in state %s", len(pins.keys), st.State)
				}
			})
		})
	}
}

// TestPINNotMeant: where the PIN is not meant for the SIM it is not entered; a port with the wrong SIM is closed.
func TestPINNotMeant(t *testing.T) {
	for _, tt := range []struct {
		err   error
		state State
		opens bool // again and again
	}{
		{errors.New("another SIM wants a PIN"), StateSIM, false},
		{&notFoundError{text: "it has not the SIM 89"}, StateMissing, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			locked(f, 3)
			b := start(t, f, func(cfg *Config) { cfg.PIN, cfg.MayUnlock = "8642", func(Identity) error { return tt.err } })
			time.Sleep(time.Minute)
			st := b.Status()
			if n := f.times(`AT+CPIN="8642"`); n != 0 || st.State != tt.state || !strings.HasPrefix(st.LastError, tt.err.Error()) || (st.Opens > 1) != tt.opens {
				t.Errorf("entered %d times, state %s, %q, %d opens", n, st.State, st.LastError, st.Opens)
			}
		})
	}
}

// TestHide: a PIN is in no trace, however it is written.
func TestHide(t *testing.T) {
	l := &line{}
	for text, want := range map[string]string{
		`AT+CPIN="2468"`: `AT+CPIN="****"`, "AT+CPIN=2468": "AT+CPIN=****", "at+cpin=2468": "at+cpin=****", "AT+CPIN=2468?": "AT+CPIN=****",
		`AT+CPIN2="2468","1111"`: `AT+CPIN2="****"`, `AT+CLCK="SC",2,"2468"?`: `AT+CLCK="****"`, `AT+CPWD="SC","2468","1"`: `AT+CPWD="****"`,
		"AT^CPIN=2468": "AT^CPIN=****", "AT+CPIN=?": "AT+CPIN=?", "AT+CPIN?": "AT+CPIN?", "+CPIN: READY": "+CPIN: READY",
	} {
		if got := l.hide(text); got != want {
			t.Errorf("hide(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestPINOfOperator: what an operator types with a PIN reaches neither modem nor log.
func TestPINOfOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var seen bytes.Buffer
		b := ready(t, f, func(cfg *Config) {
			cfg.PIN = "2468"
			cfg.Log = slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
			cfg.Trace = func(_ bool, line string) { seen.WriteString(line + "\n") }
		})
		for _, text := range []string{"AT+CPIN=2468?", `AT+CLCK="SC",2,"2468"?`, `AT+CPIN="2468"=?`} {
			_, err := b.Command(t.Context(), text)
			if mustBe[*CommandError](t, err); strings.Contains(err.Error(), "2468") {
				t.Errorf("%q: %v", text, err)
			}
		}
		if strings.Contains(seen.String(), "2468") || slices.ContainsFunc(f.asked(), func(c string) bool { return strings.Contains(c, "2468") }) {
			t.Errorf("the PIN was seen:\n%s", seen.String())
		}
	})
}
