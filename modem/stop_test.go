package modem

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestStopKeepsReports: what the modem has said, or begun to say, when the gateway is stopped is kept. Who opens the port next
// would find nothing, or half of it.
func TestStopKeepsReports(t *testing.T) {
	const header, all = "\r\n+CDS: 24\r\n", "\r\n+CDS: 24\r\n" + cds + "\r\n"
	for _, tt := range []struct {
		name         string
		before, then string // the stop, and 150 ms later
		want         int
		most         time.Duration
	}{
		{"just before", all, "", 1, 100 * time.Millisecond},
		{"two", all + all, "", 2, 100 * time.Millisecond},
		{"its header before", header, cds + "\r\n", 1, 250 * time.Millisecond},
		{"half of its line before", header + cds[:10], cds[10:] + "\r\n", 1, 250 * time.Millisecond},
		{"half of its header before", "\r\n+CD", "S: 24\r\n" + cds + "\r\n", 1, 250 * time.Millisecond},
		{"the rest never", header, "", 0, 2 * time.Second},
		{"nothing but a prompt", "\r\n> ", "", 0, 100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // who is first, the reader or the stop, is chance
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					b := ready(t, f, nil)
					f.say(tt.before)
					b.end()
					f.later(150*time.Millisecond, tt.then)
					began := time.Now()
					<-b.ended
					if got := b.inbox.pdus(); len(got) != tt.want || slices.ContainsFunc(got, func(s string) bool { return s != cdsTPDU }) {
						t.Errorf("kept %q, want it %d times", got, tt.want)
					}
					if took := time.Since(began); took != tt.most {
						t.Errorf("the stop took %s, want %s", took, tt.most)
					}
				})
			}
		})
	}
}

// TestStopAtPIN: a stop waits for the answer to the PIN, but not for ever. The next start enters it again, though the modem
// was switched off meanwhile and tells no tries.
func TestStopAtPIN(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  time.Duration // 0: never
		took    time.Duration
		entered int
		state   State
	}{
		{"it is answered", 2 * time.Second, 2100*time.Millisecond - time.Millisecond, 2, StateReady},
		{"it is not", 0, 10100 * time.Millisecond, 1, StateSIM},
	} {
		synctest.Test(t, func(t *testing.T) {
			pins := &memory{}
			f := newFake()
			locked(f, 0)
			entering := make(chan struct{}, 9)
			f.set(`AT+CPIN="8642"`, "")
			f.hooks[`AT+CPIN="8642"`] = func() {
				entering <- struct{}{}
				if tt.answer > 0 {
					f.later(tt.answer, "\r\nOK\r\n")
				}
			}
			life := func() *bench {
				return start(t, f, func(cfg *Config) { cfg.PIN, cfg.PINs = "8642", pins })
			}
			b := life()
			<-entering
			time.Sleep(time.Millisecond)
			began := time.Now()
			b.end()
			<-b.ended
			if took := time.Since(began); took != tt.took {
				t.Errorf("%s: the stop took %s, want %s", tt.name, took, tt.took)
			}
			locked(f, 0) // it was without power
			b = life()
			time.Sleep(10 * time.Minute)
			if n := f.times(`AT+CPIN="8642"`); n != tt.entered || b.Status().State != tt.state {
				t.Errorf("%s: entered %d times, state %s; want %d, %s", tt.name, n, b.Status().State, tt.entered, tt.state)
			}
		})
	}
}
