package modem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMissingPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		tries, there := 0, false
		var log strings.Builder
		b := start(t, f, func(cfg *Config) {
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			cfg.Open = func(_ context.Context, port string, baud int) (Port, error) {
				if port != "/dev/fake" || baud != 115200 {
					t.Errorf("opened %s at %d", port, baud)
				}
				if tries++; !there {
					return nil, fmt.Errorf("open %s: %w", port, ErrPortMissing)
				}
				return f.open(), nil
			}
		})
		time.Sleep(10 * time.Minute)
		if st := b.Status(); st.State != StateMissing || st.Opens != 0 || time.Since(st.Since) < 9*time.Minute {
			t.Errorf("state %s since %v, %d opens; want missing all the time", st.State, st.Since, st.Opens)
		}
		if tries < 60 || tries > 64 {
			t.Errorf("%d tries in 10 minutes, want one in 10 s and some at first", tries)
		}
		there = true
		began := time.Now()
		b.waitReady()
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("it took %v to be ready", d)
		}
		f.pull() // a new trouble: it is looked for as quickly as at first
		synctest.Wait()
		f.change(func() { f.gone = nil })
		began = time.Now()
		b.waitReady()
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("it took %v to be ready again", d)
		}
		b.end()
		<-b.ended
		if n := strings.Count(log.String(), "out of work"); n != 2 {
			t.Errorf("%d warnings, want one for each trouble:\n%s", n, log.String())
		}
		if st := b.Status(); st.State != StateStopped {
			t.Errorf("state %s after the end, want stopped", st.State)
		}
	})
}

// TestMissingAmongOthers: that a modem is missing is said once, whatever other ports come and go.
func TestMissingAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		tries := 0
		b := start(t, newFake(), func(cfg *Config) {
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			cfg.Find = func(context.Context, Identity) (string, bool, error) {
				tries++
				return "", true, &notFoundError{fmt.Sprintf("no modem with IMEI 1 among: /dev/ttyUSB%d", tries), "no modem with IMEI 1"}
			}
		})
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "out of work"); n != 1 || tries < 20 {
			t.Errorf("%d warnings in %d tries, want one:\n%s", n, tries, log.String())
		}
		if last := b.Status().LastError; !strings.Contains(last, fmt.Sprintf("ttyUSB%d", tries)) {
			t.Errorf("the last error is not of the last try: %s", last)
		}
	})
}

func TestReadyAndSendWithoutRun(t *testing.T) {
	m := New(Config{Name: "sim1"}, &inbox{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ready: %v, want canceled", err)
	}
	_, err := m.Send(t.Context(), []byte{1}, func() error { t.Error("claimed"); return nil })
	if mustBe[*NotSentError](t, err); !errors.Is(err, ErrNotReady) {
		t.Errorf("Send: %v, want ErrNotReady", err)
	}
	if st := m.Status(); st.State != StateStopped || st.Name != "sim1" || m.Name() != "sim1" {
		t.Errorf("status %+v", st)
	}
}

// TestRestarts: a modem that restarts by itself is set up again on the same line; how it is noticed differs.
func TestRestarts(t *testing.T) {
	tests := []struct {
		name    string
		restart func(*fake)
	}{
		{"it says hello (SIM800)", func(f *fake) {
			f.say("\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n")
			f.later(5*time.Second, "\r\nCall Ready\r\n\r\nSMS Ready\r\n")
		}},
		{"its SIM comes back", func(f *fake) { f.say("\r\n+CPIN: READY\r\n") }},
		{"in silence, but with its echo", func(f *fake) { f.change(func() { f.echo = true }) }},
		{"in silence, its reports off", func(f *fake) {
			f.set("AT+CNMI?", "\r\n+CNMI: 0,0,0,0,0\r\n\r\nOK\r\n")
			f.change(func() {
				f.hooks["AT+CNMI=2,1,0,1,0"] = func() { f.set("AT+CNMI?", "\r\n+CNMI: 2,1,0,1,0\r\n\r\nOK\r\n") }
			})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				b := ready(t, f, nil)
				for round := 1; round <= 5; round++ { // for ever, if need be
					time.Sleep(10 * time.Minute)
					tt.restart(f)
					time.Sleep(2 * time.Minute)
					if n := f.times("ATZ"); n != round {
						t.Fatalf("set up again %d times after %d restarts", n, round)
					}
					if ref, _, err := b.send(); err != nil || ref != 12 {
						t.Errorf("ref %d, error %v; want 12, nil", ref, err)
					}
				}
				if st := b.Status(); st.Opens != 1 {
					t.Errorf("%d opens, want 1", st.Opens)
				}
			})
		})
	}
}

// TestDeadModem: one that stops to answer is opened again and again, and works when it comes back.
func TestDeadModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.change(func() { f.deaf = true })
		time.Sleep(10 * time.Minute)
		if st := b.Status(); st.State.canSend() || st.Opens < 10 || !strings.Contains(st.LastError, "does not react to AT") {
			t.Errorf("state %s, %d opens, last error %q", st.State, st.Opens, st.LastError)
		}
		f.change(func() { f.deaf = false })
		b.waitReady()
	})
}

// TestHopelessModem: one that answers AT, but cannot be set up, is restarted, and not more often than Timing.Reset.
func TestHopelessModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CMGF=0", "\r\n+CMS ERROR: 300\r\n")
		b := start(t, f, nil)
		time.Sleep(25 * time.Minute)
		if n := f.times("AT+CFUN=1,1"); n != 3 {
			t.Errorf("restarted %d times in 25 minutes, want 3", n)
		}
		if st := b.Status(); !strings.Contains(st.LastError, "300") {
			t.Errorf("last error %q", st.LastError)
		}
		f.change(func() { f.hooks["AT+CFUN=1,1"] = func() { f.set("AT+CMGF=0", "\r\nOK\r\n") } })
		b.waitReady()
	})
}

// TestLostNetwork: a registration that flaps does no harm; one that stays away stops the sending until it is back.
func TestLostNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		lose := func() {
			f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
			f.say("\r\n+CGREG: 0\r\n\r\n+CREG: 2\r\n")
		}
		lose()
		time.Sleep(5 * time.Second)
		if st := b.Status(); st.State != StateReady || st.Registration != 2 {
			t.Errorf("after 5 s: state %s, registration %d; want ready, 2", st.State, st.Registration)
		}
		f.set("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n")
		f.say("\r\n+CREG: 1\r\n")
		time.Sleep(time.Minute)
		if st := b.Status(); st.State != StateReady || st.Since.After(time.Now().Add(-time.Minute)) {
			t.Errorf("state %s since %v, want ready all the time", st.State, st.Since)
		}
		lose()
		time.Sleep(11 * time.Second)
		if st := b.Status(); st.State != StateSearching {
			t.Errorf("after 11 s: state %s, want searching", st.State)
		}
		if _, _, err := b.send(); !errors.Is(err, ErrNotReady) {
			t.Errorf("Send: %v, want ErrNotReady", err)
		}
		f.set("AT+CREG?", "\r\n+CREG: 1,5\r\n\r\nOK\r\n")
		began := time.Now()
		b.waitReady()
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("noticed after %v, want 2 s, without a report", d)
		}
	})
}

// TestChangedSIM: a card that was changed while the modem ran is noticed when it has a network, before a text leaves by it.
func TestChangedSIM(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 3 * time.Second, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const other = "8949020000099999999"
				f := newFake()
				b := ready(t, f, nil)
				f.set("AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
				f.say("\r\n+CREG: 0\r\n+CGREG: 0\r\n")
				time.Sleep(away)
				f.set("AT+CIMI", "\r\n262019999999999\r\n\r\nOK\r\n", "AT+CCID", "\r\n+CCID: \""+other+"\"\r\n\r\nOK\r\n",
					"AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,1\r\n\r\nOK\r\n")
				f.say("\r\n+CREG: 1\r\n+CGREG: 1\r\n")
				time.Sleep(5 * time.Second)
				b.waitReady()
				if id, err := b.Ready(t.Context()); err != nil || id.ICCID != other || b.Status().Opens != 1 {
					t.Errorf("SIM %q, %v, opened %d times; want %s on the same line", id.ICCID, err, b.Status().Opens, other)
				}
			})
		})
	}
}

// TestIdle: an idle modem is asked once a minute, and not at all while there is always a text to send.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		time.Sleep(10*time.Minute + time.Second)
		if n := f.times("AT+CSQ"); n != 10 {
			t.Errorf("%d looks in 10 minutes, want 10", n)
		}
		f.forget()
		f.change(func() {
			f.submit = func(string) string {
				f.later(2*time.Second, "\r\n+CMGS: 1\r\n\r\nOK\r\n")
				return ""
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ended := make(chan struct{}, 2)
		for range 2 {
			go func() {
				for ctx.Err() == nil {
					b.Send(ctx, octets(t, hello), func() error { return nil })
				}
				ended <- struct{}{}
			}()
		}
		<-ended
		<-ended
		texts, others := 0, 0
		for _, c := range f.asked() {
			if strings.HasPrefix(c, "AT+CMGS=") {
				texts++
			} else {
				others++
			}
		}
		if texts < 1790 || float64(others)/float64(texts) > 0.02 {
			t.Errorf("%d texts in an hour and %d other commands, want 1800 and at most 0.02 for each", texts, others)
		}
	})
}

// TestLostReportIsFound: the health of a modem includes texts of which it did not tell.
func TestLostReportIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.set("AT+CPMS?", "\r\n+CPMS: \"SM\",1,50,\"SM\",1,50,\"SM\",1,50\r\n\r\nOK\r\n",
			"AT+CMGL=4", "\r\n+CMGL: 0,0,,30\r\n"+cmt+"\r\n\r\nOK\r\n")
		f.change(func() {
			f.hooks["AT+CMGD=0"] = func() {
				f.set("AT+CPMS?", "\r\n+CPMS: \"SM\",0,50,\"SM\",0,50,\"SM\",0,50\r\n\r\nOK\r\n", "AT+CMGL=4", "\r\nOK\r\n")
			}
		})
		time.Sleep(5 * time.Minute)
		if n := len(b.inbox.pdus()); n != 1 || f.times("AT+CMGL=4") != 1 {
			t.Errorf("received %d, %d listings; want 1 and 1", n, f.times("AT+CMGL=4"))
		}
	})
}

// TestTrace: a console sees each line once, in order.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		f := newFake()
		b := ready(t, f, func(cfg *Config) {
			cfg.Trace = func(fromModem bool, line string) {
				lines = append(lines, map[bool]string{false: "> ", true: "< "}[fromModem]+line)
			}
		})
		lines = nil
		if _, _, err := b.send(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := "> AT+CMGS=19|< >|> 00" + hello + "|> \x1a|< +CMGS: 12|< OK"
		if got := strings.Join(lines, "|"); got != want {
			t.Errorf("trace %q, want %q", got, want)
		}
	})
}
