package modem

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a PINMemory.
type memory struct {
	keys []string
	err  error
	full error // of Remember
}

func (m *memory) Refused(key string) (bool, error) { return slices.Contains(m.keys, key), m.err }

func (m *memory) Remember(key string) error {
	if m.full == nil {
		m.keys = append(m.keys, key)
	}
	return m.full
}

func (m *memory) Forget(key string) error {
	m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
	return nil
}

// locked makes the SIM of f want the PIN 8642, with a number of tries; 0: the modem does not tell them.
func locked(f *fake, tries int) {
	f.set("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", "AT+CPINR", "\r\nERROR\r\n", "AT^CPIN?", "\r\nERROR\r\n",
		`AT+CPIN="8642"`, "\r\nOK\r\n", `AT+CPIN="9999"`, "\r\n+CME ERROR: 16\r\n")
	if tries > 0 {
		f.set("AT+CPINR", fmt.Sprintf("\r\n+CPINR: SIM PUK,10,10\r\n+CPINR: SIM PIN,%d,3\r\n\r\nOK\r\n", tries))
	}
	f.hooks[`AT+CPIN="8642"`] = func() { f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n") }
}

// anHour lets a modem work for an hour, and returns how often a PIN was entered. The PIN must be in no log.
func anHour(t *testing.T, f *fake, pin string, pins PINMemory) (entered int, st Status) {
	var log, trace strings.Builder
	b := start(t, f, func(cfg *Config) {
		cfg.PIN, cfg.PINs = pin, pins
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Trace = func(_ bool, line string) { trace.WriteString(line + "\n") }
	})
	time.Sleep(time.Hour)
	st = b.Status()
	b.end()
	<-b.ended
	for _, c := range f.asked() {
		if strings.HasPrefix(c, "AT+CPIN=") {
			entered++
		}
	}
	if pin != "" && strings.Contains(log.String()+trace.String()+st.LastError, pin) {
		t.Errorf("the PIN is in the log or the trace:\n%s\n%s", log.String(), trace.String())
	}
	if entered > 0 && !strings.Contains(trace.String(), `AT+CPIN="****"`) {
		t.Error("the entering of the PIN is not in the trace")
	}
	return entered, st
}

func TestPIN(t *testing.T) {
	known := &memory{}
	tests := []struct {
		name    string
		pin     string
		pins    PINMemory
		change  func(*fake)
		entered int
		state   State
		trouble string // in the last error
	}{
		{"right", "8642", nil, func(f *fake) { locked(f, 3) }, 1, StateReady, ""},
		{"right, tries not told", "8642", nil, func(f *fake) { locked(f, 0) }, 1, StateReady, ""},
		{"right, Huawei tells the tries", "8642", nil, func(f *fake) {
			locked(f, 0)
			f.set("AT^CPIN?", "\r\n^CPIN: SIM PIN,3,10,3,10,3\r\n\r\nOK\r\n")
		}, 1, StateReady, ""},
		{"none configured", "", nil, func(f *fake) { locked(f, 3) }, 0, StateSIM, `set pin = "..."`},
		{"none needed", "8642", nil, func(*fake) {}, 0, StateReady, ""},
		{"wrong", "9999", known, func(f *fake) { locked(f, 3) }, 1, StateSIM, "has refused"},
		{"wrong, next start", "9999", known, func(f *fake) { locked(f, 2) }, 0, StateSIM, "has refused"},
		{"memory broken", "8642", &memory{err: io.ErrUnexpectedEOF}, func(f *fake) { locked(f, 3) }, 0, StateSIM, "refused before"},
		{"last try", "8642", nil, func(f *fake) { locked(f, 1) }, 0, StateSIM, "one try left"},
		{"last try, Huawei", "8642", nil, func(f *fake) {
			locked(f, 0)
			f.set("AT^CPIN?", "\r\n^CPIN: SIM PIN,3,10,1,10,3\r\n\r\nOK\r\n")
		}, 0, StateSIM, "one try left"},
		{"PUK", "8642", nil, func(f *fake) { f.set("AT+CPIN?", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n") }, 0, StateSIM, "SIM PUK"},
		{"PIN2 is none of ours", "8642", nil, func(f *fake) { f.set("AT+CPIN?", "\r\n+CPIN: SIM PIN2\r\n\r\nOK\r\n") }, 0, StateReady, ""},
		{"not digits", `1";+CFUN=0;"`, nil, func(f *fake) { locked(f, 3) }, 0, StateSIM, "4 to 8 digits"},
		{"busy, then right", "8642", nil, func(f *fake) {
			locked(f, 3)
			right := f.hooks[`AT+CPIN="8642"`]
			f.set(`AT+CPIN="8642"`, "\r\n+CME ERROR: 14\r\n")
			f.hooks[`AT+CPIN="8642"`] = func() {
				time.AfterFunc(time.Second, func() { f.set(`AT+CPIN="8642"`, "\r\nOK\r\n") })
				f.change(func() { f.hooks[`AT+CPIN="8642"`] = right })
			}
		}, 2, StateReady, ""},
		{"bare ERROR, tries not told", "8642", nil, func(f *fake) {
			locked(f, 0)
			delete(f.hooks, `AT+CPIN="8642"`)
			f.set(`AT+CPIN="8642"`, "\r\nERROR\r\n")
		}, 1, StateSIM, "not be entered again"},
		{"OK, and wants it again; tries not told", "8642", nil, func(f *fake) {
			locked(f, 0)
			delete(f.hooks, `AT+CPIN="8642"`)
		}, 2, StateSIM, "not be entered again"},
		{"OK, and wants it again; tries do not change", "8642", nil, func(f *fake) {
			locked(f, 3)
			delete(f.hooks, `AT+CPIN="8642"`)
		}, 2, StateSIM, "not be entered again"},
		{"OK, and a try less", "8642", nil, func(f *fake) {
			locked(f, 3)
			f.hooks[`AT+CPIN="8642"`] = func() { f.set("AT+CPINR", "\r\n+CPINR: SIM PIN,2,3\r\n\r\nOK\r\n") }
		}, 1, StateSIM, "has refused"},
		{"OK, and a power cut each time, but for the last", "8642", nil, func(f *fake) {
			locked(f, 0)
			right := f.hooks[`AT+CPIN="8642"`]
			f.hooks[`AT+CPIN="8642"`] = func() {
				f.later(time.Second, "\r\nRDY\r\n")
				f.change(func() { f.hooks[`AT+CPIN="8642"`] = right })
			}
		}, 2, StateReady, ""},
		{"no answer, tries not told", "8642", nil, func(f *fake) {
			locked(f, 0)
			delete(f.hooks, `AT+CPIN="8642"`)
			f.set(`AT+CPIN="8642"`, "")
		}, 1, StateSIM, "not be entered again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				tt.change(f)
				entered, st := anHour(t, f, tt.pin, tt.pins)
				if entered != tt.entered || st.State != tt.state || !strings.Contains(st.LastError, tt.trouble) {
					t.Errorf("entered %d times, state %s, last error %q; want %d, %s, %q", entered, st.State, st.LastError, tt.entered, tt.state, tt.trouble)
				}
			})
		})
	}
	if len(known.keys) != 3 || len(known.keys[0]) != 64 {
		t.Errorf("remembered %q, want the card, and a card in the modem of this IMEI and name, of 64 digits each", known.keys)
	}
}

// TestWrongPINIsNeverEnteredAgain: not after a restart of the modem, not after a new opening.
func TestWrongPINIsNeverEnteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		locked(f, 3)
		b := start(t, f, func(cfg *Config) { cfg.PIN = "9999" })
		time.Sleep(time.Minute)
		f.say("\r\nRDY\r\n")
		time.Sleep(time.Minute)
		f.pull()
		time.Sleep(time.Second)
		f.change(func() { f.gone = nil })
		time.Sleep(10 * time.Minute)
		if n := f.times(`AT+CPIN="9999"`); n != 1 {
			t.Errorf("entered %d times, want once", n)
		}
		if st := b.Status(); st.Opens < 2 || st.State != StateSIM {
			t.Errorf("%d opens, state %s; want 2 or more, sim", st.Opens, st.State)
		}
	})
}
