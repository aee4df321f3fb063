package modem

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTextsGoBeforeStoredOnes: while texts wait to be sent, a few of them go before what lies in the modem's memory is
// read, and no more than a few; what came directly is nowhere else, and waits for nothing.
func TestTextsGoBeforeStoredOnes(t *testing.T) {
	tests := []struct {
		name  string
		say   string        // in front of the first text's result
		slow  time.Duration // each text's result
		read  string        // the command that shows that it was dealt with
		texts int           // sent before that
	}{
		{"stored", "\r\n+CMTI: \"SM\",1\r\n", time.Millisecond, "AT+CMGR=1", 4},
		{"stored, slow network", "\r\n+CMTI: \"SM\",1\r\n", 5 * time.Second, "AT+CMGR=1", 2},
		{"direct", "\r\n+CDS: 25\r\n" + cds + "\r\n", time.Millisecond, "AT+CNMA=1", 1},
		{"stored, then direct", "\r\n+CMTI: \"SM\",1\r\n\r\n+CDS: 25\r\n" + cds + "\r\n", time.Millisecond, "AT+CMGR=1", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake().wantsAcks()
				b := ready(t, f, nil)
				n := 0
				f.submit = func(string) string {
					if n++; n == 1 {
						f.say(tt.say)
					}
					f.later(tt.slow, fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", n))
					return ""
				}
				for range 10 {
					go b.Send(t.Context(), octets(t, hello), func() error { return nil })
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				asked := f.asked()
				i := slices.Index(asked, tt.read)
				if i < 0 || len(f.bodies) != 10 {
					t.Fatalf("%d texts sent, asked %q", len(f.bodies), asked)
				}
				before := 0
				for _, c := range asked[:i] {
					if strings.HasPrefix(c, "AT+CMGS=") {
						before++
					}
				}
				if before != tt.texts {
					t.Errorf("%d texts before %s, want %d: %q", before, tt.read, tt.texts, asked)
				}
			})
		})
	}
}

// TestBackToBack: between two texts of which the second waits already, nothing is written.
func TestBackToBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CMMS=?", "\r\n+CMMS: (0,1)\r\n\r\nOK\r\n")
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = &witness{} })
		for range 5 {
			go b.Send(t.Context(), octets(t, hello), func() error { return nil })
		}
		synctest.Wait()
		send := "AT+CMGS=19"
		if want := []string{"AT+CMMS=1", send, send, send, send, send}; !slices.Equal(f.asked(), want) {
			t.Errorf("asked %q, want %q", f.asked(), want)
		}
		f.forget()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		b.send()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		b.send()
		if want := []string{send, "AT+CMMS=1", send}; !slices.Equal(f.asked(), want) {
			t.Errorf("asked %q, want the link kept open anew after a pause of more than 5 s: %q", f.asked(), want)
		}
	})
}

// TestRelay: what a modem can of AT+CMMS.
func TestRelay(t *testing.T) {
	tests := []struct {
		says     string
		two, one int // AT+CMMS=2 at the start, AT+CMMS=1 with a text
	}{
		{"\r\n+CMMS: (0-2)\r\n\r\nOK\r\n", 1, 0},
		{"\r\n+CMMS: (0,1,2)\r\n\r\nOK\r\n", 1, 0},
		{"\r\n+CMMS: (0-1)\r\n\r\nOK\r\n", 0, 1},
		{"\r\n+CMMS: (0)\r\n\r\nOK\r\n", 0, 0},
		{"\r\nERROR\r\n", 0, 0},
		{"", 0, 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.set("AT+CMMS=?", tt.says)
			b := start(t, f, nil)
			b.waitReady()
			b.send()
			if two, one := f.times("AT+CMMS=2"), f.times("AT+CMMS=1"); two != tt.two || one != tt.one {
				t.Errorf("%q: AT+CMMS=2 %d times, =1 %d times; want %d, %d", tt.says, two, one, tt.two, tt.one)
			}
		})
	}
}

// TestSIMLost: an answer that the SIM is locked or gone has the SIM looked at, at once, and not three texts later.
func TestSIMLost(t *testing.T) {
	for _, answer := range []string{"\r\n+CMS ERROR: 316\r\n", "\r\n+CME ERROR: 10\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			b := ready(t, f, nil)
			f.set("AT+CPIN?", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n")
			f.submit = func(string) string { return answer }
			if _, _, err := b.send(); err == nil {
				t.Error("it was sent")
			}
			synctest.Wait()
			time.Sleep(time.Minute)
			if st := b.Status(); st.State != StateSIM || !strings.Contains(st.LastError, "PUK") {
				t.Errorf("the modem is %s: %s", st.State, st.LastError)
			}
			f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n")
			b.waitReady()
		})
	}
}

// TestReportDuringJob: what the modem tells of while an operator's command is on, taken between two texts, is seen to at
// once, and not at the next look.
func TestReportDuringJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.set("AT+CMGR=3", "\r\n+CMGR: 0,,30\r\n"+cmt+"\r\n\r\nOK\r\n")
		f.hooks["AT+COPS=?"] = func() { f.say("\r\n+CMTI: \"SM\",3\r\n") }
		f.submit = func(string) string {
			go func() {
				if _, err := b.Command(t.Context(), "AT+COPS=?"); err != nil {
					t.Error(err)
				}
			}()
			f.later(time.Second, "\r\n+CMGS: 12\r\n\r\nOK\r\n")
			return ""
		}
		if _, _, err := b.send(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if got := b.inbox.pdus(); len(got) != 1 {
			t.Errorf("received %q within 5 s, want the text", got)
		}
	})
}

// TestSinceReady: since when a modem can send is not the time of its last text.
func TestSinceReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		began := b.Status().Since
		for range 2 {
			time.Sleep(time.Minute)
			if _, _, err := b.send(); err != nil {
				t.Fatal(err)
			}
			b.waitReady()
			if st := b.Status(); !st.Since.Equal(began) || st.State != StateReady {
				t.Errorf("%s since %v, want since %v", st.State, st.Since, began)
			}
		}
		f.pull()
		synctest.Wait()
		if st := b.Status(); st.State == StateReady || st.Since.Equal(began) {
			t.Errorf("pulled out, and %s since %v", st.State, st.Since)
		}
		f.change(func() { f.gone = nil })
		b.waitReady()
		if st := b.Status(); !st.Since.After(began) {
			t.Errorf("ready again since %v", st.Since)
		}
	})
}

// TestLossDuringSend: while a text's answer is waited for, it shows since when and until when, and a loss of the network
// is told after Timing.Loss, once.
func TestLossDuringSend(t *testing.T) {
	for _, tt := range []struct {
		name string
		back time.Duration // after the loss; 0: it stays away
		want int           // warnings
	}{{"it lasts", 0, 1}, {"it comes back soon", 5 * time.Second, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				f := newFake()
				b := ready(t, f, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				f.submit = func(string) string {
					f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
					f.say("\r\n+CGREG: 0\r\n\r\n+CREG: 2\r\n")
					if tt.back > 0 {
						f.set("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n")
						f.later(tt.back, "\r\n+CREG: 1\r\n")
					}
					return ""
				}
				given := time.Now()
				go b.Send(t.Context(), octets(t, hello), func() error { return nil })
				time.Sleep(12 * time.Second)
				synctest.Wait()
				st := b.Status()
				if st.State != StateSending || !st.Awaiting.Equal(given) || !st.AwaitedUntil.Equal(given.Add(180*time.Second)) {
					t.Errorf("state %s, awaiting since %v until %v", st.State, st.Awaiting, st.AwaitedUntil)
				}
				if n := strings.Count(log.String(), "the modem has no network"); n != tt.want {
					t.Errorf("%d warnings after 12 s, want %d:\n%s", n, tt.want, log.String())
				}
				time.Sleep(4 * time.Minute)
				synctest.Wait()
				if n := strings.Count(log.String(), "the modem has no network"); n != tt.want {
					t.Errorf("%d warnings in all, want %d:\n%s", n, tt.want, log.String())
				}
				if st := b.Status(); !st.Awaiting.IsZero() || !st.AwaitedUntil.IsZero() {
					t.Errorf("still awaiting since %v until %v", st.Awaiting, st.AwaitedUntil)
				}
			})
		})
	}
}
