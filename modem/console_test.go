package modem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCommand(t *testing.T) {
	clac := "\r\n&C\r\r\n\r\n+FCLASS\r\r\n\r\n+CUSD\r\r\n\r\n^RSSI:9\r\n\r\n+CMTI: \"SM\",3\r\n\r\n^BOOT\r\r\n\r\nOK\r\n"
	tests := []struct {
		name, text string
		answer     string // of the modem; "" is as the fake has it
		want       []string
		again      bool // the modem is set up again
	}{
		{"a question", "AT+CSQ", "", []string{"+CSQ: 9,99", "OK"}, false},
		{"with blanks", "  AT+CSQ ", "\r\n+CSQ: 9,99\r\n\r\nOK\r\n", []string{"+CSQ: 9,99", "OK"}, false},
		{"registration, and a report of it", "AT+CREG?", "\r\n+CREG: 5\r\n\r\n+CREG: 1,1\r\n\r\nOK\r\n", []string{"+CREG: 1,1", "OK"}, false},
		{"free text", "ATI", "\r\nManufacturer: huawei\r\nModel: E173\r\n+GCAP: +CGSM,+DS,+ES\r\n\r\nOK\r\n",
			[]string{"Manufacturer: huawei", "Model: E173", "+GCAP: +CGSM,+DS,+ES", "OK"}, false},
		{"list of a Huawei E1752 (python-gsmmodem)", "AT+CLAC", clac, []string{"&C", "+FCLASS", "+CUSD", "^BOOT", "OK"}, false},
		{"two at once", "AT+CSQ;+COPS?", "\r\n+CSQ: 9,99\r\n\r\n+COPS: 0\r\n\r\nOK\r\n", []string{"+CSQ: 9,99", "+COPS: 0", "OK"}, false},
		{"refused by the modem", "AT+QNWINFO", "\r\n+CME ERROR: 50\r\n", []string{"+CME ERROR: 50"}, false},
		{"refused as old Huawei does", "AT+XYZ?", "\r\nCOMMAND NOT SUPPORT\r\n", []string{"COMMAND NOT SUPPORT"}, false},
		{"a +CMS ERROR of its own", "AT+CPMS?", "\r\n+CMS ERROR: 500\r\n", []string{"+CMS ERROR: 500"}, false},
		{"a setting", "AT+CNMI=0,0", "", []string{"OK"}, true},
		{"text mode", "ATE1+CMGF=1", "", []string{"OK"}, true},
		{"a setting that is refused", "AT+COPS=1,2,\"26201\"", "\r\n+CME ERROR: 30\r\n", []string{"+CME ERROR: 30"}, true},
		{"number of the caller", "AT+CLIP=1", "\r\n+CLIP: 1,1\r\n\r\nOK\r\n", []string{"+CLIP: 1,1", "OK"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				if tt.answer != "" {
					f.set(strings.TrimSpace(tt.text), tt.answer)
				}
				b := ready(t, f, nil)
				got, err := b.Command(t.Context(), tt.text)
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("%q, %v; want %q", got, err, tt.want)
				}
				synctest.Wait()
				b.waitReady()
				if again := f.times("ATZ") == 1 && f.times("AT+CNMI=2,1,0,1,0") == 1; again != tt.again {
					t.Errorf("set up again: %v, want %v; asked %q", again, tt.again, f.asked())
				}
				if strings.Contains(tt.answer, "+CMTI") && f.times("AT+CMGR=3") != 1 {
					t.Errorf("the report in the answer is lost; asked %q", f.asked())
				}
				if _, _, err := b.send(); err != nil {
					t.Errorf("a text afterwards: %v", err)
				}
				if st := b.Status(); st.Opens != 1 {
					t.Errorf("opened %d times, want once", st.Opens)
				}
			})
		})
	}
}

// TestCommandRefused: what an operator may not send never reaches the modem, and no PIN the error.
func TestCommandRefused(t *testing.T) {
	tests := []struct{ text, want string }{
		{`AT+CMGS=19`, "queue"}, {`at+cmgs="+49170"`, "queue"}, {"AT+CSQ;+CMGS=19", "queue"}, {"ATE0+CMSS=1", "queue"}, {"AT + CMGW=19", "queue"},
		{"AT+CMGC=4", "queue"}, {"AT+CMGF=1;+CSQ;+CMGS=1", "queue"}, {`AT+CSCS="GSM;";+CMGS=1`, "queue"}, {"AT&F+CMGS=1", "queue"},
		{"AT+CPIN=1234", "PIN"}, {`AT+CPIN="1234"`, "PIN"}, {`AT+CPWD="SC","1234","9999"`, "PIN"}, {`AT+CLCK="SC",1,"1234"`, "PIN"},
		{`AT^CPIN="1234"`, "PIN"}, {"AT^CARDLOCK=\"1234\"", "PIN"}, {"AT+CSIM=26,\"0020000108\"", "PIN"}, {"AT+CSQ;+CPIN=1234", "PIN"},
		{"ATD*99#", "line"}, {"ATD*99***1#", "line"}, {"ATD*100#;", "use smsgateway modem ussd"}, {"ATE0D #100#;", "modem ussd"}, {"ATA", "line"}, {"ATDT0170;", "line"}, {"ATE0D0170", "line"}, {"ATO", "line"}, {"AT+CGDATA=\"PPP\",1", "line"},
		{"AT+CMUX=0", "line"}, {"AT+IPR=9600", "line"}, {"AT+CNMA", "acknowledged"}, {"AT+CNMA=0", "acknowledged"}, {"AT+CMGD=1,4", "erase"},
		{"AT+CPIN=1234?", "PIN"}, {`AT+CPIN="1234"?`, "PIN"}, {"AT+CPIN?1234", "PIN"}, {"AT+CPIN=1234=?", "PIN"}, {"AT+CPIN=?1234?", "PIN"},
		{`AT+CLCK="SC",2,"1234"?`, "PIN"}, {"AT+CMGD=1?", "erase"}, {"AT+CMGD=?1?", "erase"}, {"AT+CMGDA?=6", "erase"}, {"AT+CMGS=5?", "queue"},
		{"AT+CPOF", "off"}, {"AT^SMSO", "off"}, {"AT+QPOWD=1", "off"}, {"AT$QCPWRDN", "off"}, {"AT+CPWROFF", "off"}, {`AT^SETPORT="FF;1"`, "line"},
		{"AT+CRSM=214,28589,0,0,4,\"00000001\"", "SIM"}, {"AT+CRSM=220,28476,1,4,176", "SIM"}, {"AT+crsm = 220,28476,1,4,176", "SIM"}, {"AT+CRSM=0214,1", "SIM"},
		{"AT+CPOWD=1", "off"}, {"AT$OFF", "off"}, {"AT^U2DIAG=0", "ports"}, {"AT+ZCDRUN=8", "ports"}, {`AT+QPIN="1234"`, "PIN"}, {"AT+xpin2=1234", "PIN"},
		{`AT+CUSD=1,"**04*1234*9999*9999#",15`, "modem ussd"}, {`AT+CUSD=1,"*100#"`, "modem ussd"}, {`AT+CUSD=1,AA180C3602`, "modem ussd"},
		{`ATE0"+cmgs=5`, "not one"}, {`AT&F"+cpin=1234`, "not one"}, {`AT\Q"+cmgd=1,4`, "not one"}, {`ATE"d0170`, "not one"}, {`ATD"a"`, "line"},
		{"ATS3=13", "registers"}, {"ATE0S4=10", "registers"}, {"AT&W", "outlast"}, {"AT&W1", "outlast"}, {"ATE1&W", "outlast"}, {"ATDS=1?", "line"}, {"ATD?", "line"},
		{"AT0+CMGS=1", "not one"}, {"AT+CSQ+CMGS=1", "not one"}, {`AT+CSQ="`, "not one"}, {"AT+CSCA=+CMGS=1", "not one"}, {"A/", "begins with AT"}, {"", "begins with AT"}, {"+CSQ", "begins with AT"}, {"hello", "begins with AT"},
		{"AT+CSQ\rAT+CMGS=1", "control"}, {"AT\x1a", "control"}, {"AT+CSQ\x1b", "control"}, {"ATä", "ASCII"},
		{"AT" + strings.Repeat("I", maxCommand), "longer"},
	}
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		for _, tt := range tests {
			_, err := b.Command(t.Context(), tt.text)
			if mustBe[*CommandError](t, err); !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "1234") {
				t.Errorf("%q: %v, want something about %q and no PIN", tt.text, err, tt.want)
			}
		}
		synctest.Wait()
		if got := b.fake.asked(); len(got) > 0 {
			t.Errorf("the modem was asked %q", got)
		}
		for _, text := range []string{"AT+CPIN?", "AT+CMGS=?", "AT^CPIN?", "AT+CLCK=?", "AT+CMGD=?", "AT+CMGL=4", "AT", "ATI9", "AT&V", "AT&V1", "ATS3?", "AT^SETPORT?", `AT+QPINC="SC"`, `AT+CPINR="SIM PIN"`, "AT+SPIC"} {
			if list, err := parseLine(text); err != nil || !harmless(list) {
				t.Errorf("%q: %q, %v; want it harmless", text, list, err)
			}
		}
		for _, text := range []string{"ATZ?", "AT&F?", "ATE1?", "AT+CUSD=0", "AT+CUSD=1", "AT+CUSD=2", "ATH"} { // let through, but not without a set-up
			if list, err := parseLine(text); err != nil || harmless(list) {
				t.Errorf("%q: %q, %v; want it sent and followed by a set-up", text, list, err)
			}
		}
	})
}

func TestCommandsOf(t *testing.T) {
	tests := []struct {
		body string
		want []string
	}{
		{"", nil},
		{"i", []string{"I"}},
		{"E0V1Q0", []string{"E0", "V1", "Q0"}},
		{"&F&C1+CMEE=1;S0=0", []string{"&F", "&C1", "+CMEE=1", "S0=0"}},
		{`+CUSD=1,"*100#;a",15;+CSQ`, []string{`+CUSD=1,"*100#;a",15`, "+CSQ"}},
		{"S7?D0170;+CMGS", []string{"S7?", "D0170;+CMGS"}},
		{"%C1", []string{"%C1"}}, {"%PIN=1", []string{"%PIN=1"}}, {`\Q3E0`, []string{`\Q3`, "E0"}},
		{"^RSSI?;^HCSQ?", []string{"^RSSI?", "^HCSQ?"}}, {"_OSIGQ?", []string{"_OSIGQ?"}}, {";;", nil}, {"&", []string{"&"}},
	}
	for _, tt := range tests {
		if got := commandsOf(tt.body); !slices.Equal(got, tt.want) {
			t.Errorf("commandsOf(%q) = %q, want %q", tt.body, got, tt.want)
		}
	}
}

// FuzzParseLine: no line that is let through holds a command that is forbidden, however it is hidden.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"AT+CMGS=19", "ATE0;+CMGS=1", `AT+CSCS="+CMGS=";+CSQ`, "at d 0170", "AT&FD1", "AT%C1+CPIN=1", `AT"+CMGS=1`, "AT+CPIN=1234?", "AT+CPIN=?;+CPIN=1?", `ATE0"+cmgs=5`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseLine(strings.TrimSpace(text))
		if err != nil {
			return
		}
		outside := ""
		for i, part := range strings.Split(strings.ToUpper(strings.ReplaceAll(text, " ", "")), `"`) {
			if i%2 == 0 {
				outside += part
			}
		}
		outside += ";"
		for _, c := range list {
			if name := nameOf(c); c[0] != 'D' && name != strings.ToUpper(name) {
				t.Errorf("%q has a command that is looked up as %q", text, name)
			}
		}
		for _, name := range []string{"+CMGS=", "+CMSS=", "+CMGW=", "+CPIN=", "+CPWD="} {
			if strings.Contains(strings.ReplaceAll(outside, name+"?;", ";"), name) {
				t.Errorf("%q is let through as %q", text, list)
			}
		}
	})
}

// TestTurns: an operator's command waits for a text, a text for a command, and neither for ever.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.submit = func(string) string {
			f.later(30*time.Second, "\r\n+CMGS: 12\r\n\r\nOK\r\n")
			return ""
		}
		f.set("AT+COPS=?", "")
		f.hooks["AT+COPS=?"] = func() { f.later(100*time.Second, "\r\n+COPS: (2,\"o2\",\"o2\",\"26207\",2)\r\n\r\nOK\r\n") }
		b := ready(t, f, nil)
		ends := make(chan time.Duration, 9)
		began := time.Now()
		go func() { // a queue that does not end
			for range 4 {
				if _, _, err := b.send(); err != nil {
					t.Error(err)
				}
				ends <- time.Since(began).Round(time.Second)
			}
		}()
		time.Sleep(10 * time.Second)
		if _, err := b.Command(t.Context(), "AT+CSQ"); err != nil || time.Since(began).Round(time.Second) != 30*time.Second {
			t.Errorf("%v after %v, want it behind the text, after 30 s", err, time.Since(began))
		}
		if _, err := b.Command(t.Context(), "AT+COPS=?"); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Minute)
		var got []time.Duration
		for range 4 {
			got = append(got, <-ends)
		}
		// The command that looks for networks takes 100 s, behind the first or the second text.
		one := []time.Duration{30 * time.Second, 160 * time.Second, 190 * time.Second, 220 * time.Second}
		two := []time.Duration{30 * time.Second, 60 * time.Second, 190 * time.Second, 220 * time.Second}
		if !slices.Equal(got, one) && !slices.Equal(got, two) {
			t.Errorf("texts ended after %v, want %v or %v", got, one, two)
		}
	})
}

// TestCommandStates: it works in every state in which the line is open, and says at once when it is not.
func TestCommandStates(t *testing.T) {
	tests := []struct {
		name  string
		how   func(*fake)
		state State
	}{
		{"no SIM", func(f *fake) { f.set("AT+CPIN?", "\r\n+CME ERROR: 10\r\n") }, StateSIM},
		{"PUK", func(f *fake) { f.set("AT+CPIN?", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n") }, StateSIM},
		{"SIM busy", func(f *fake) { f.set("AT+CPIN?", "\r\n+CME ERROR: 14\r\n") }, StateSIM},
		{"busy behind the PIN", func(f *fake) { f.set("AT+CMGF=0", "\r\n+CMS ERROR: 314\r\n") }, StateInitialising},
		{"searching", func(f *fake) {
			f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
		}, StateSearching},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				tt.how(f)
				b := start(t, f, nil)
				time.Sleep(20 * time.Second)
				if st := b.Status(); st.State != tt.state {
					t.Fatalf("state %s, want %s", st.State, tt.state)
				}
				began := time.Now()
				got, err := b.Command(t.Context(), "AT+CSQ")
				if err != nil || !slices.Equal(got, []string{"+CSQ: 9,99", "OK"}) || time.Since(began) > 3*time.Second {
					t.Errorf("%q, %v after %v", got, err, time.Since(began))
				}
				for range 10 { // settings do no harm: the modem is not restarted for it
					if _, err := b.Command(t.Context(), "AT+COPS=0"); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(10 * time.Second)
				if f.times("AT+CFUN=1,1") != 0 || b.Status().Opens != 1 {
					t.Errorf("restarted %d times, opened %d times", f.times("AT+CFUN=1,1"), b.Status().Opens)
				}
			})
		})
	}
}

func TestCommandLineClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{Name: "sim1"}, &inbox{})
		if _, err := m.Command(t.Context(), "AT"); !errors.Is(err, ErrLineClosed) || !strings.Contains(err.Error(), "(state stopped)") {
			t.Errorf("before Run: %v, want ErrLineClosed and the state", err)
		}
		f := newFake()
		there := true
		b := start(t, f, func(cfg *Config) {
			cfg.Open = func(context.Context, string, int) (Port, error) {
				if !there {
					return nil, fmt.Errorf("open: %w", ErrPortMissing)
				}
				return f.open(), nil
			}
		})
		b.waitReady()
		there = false
		f.pull()
		synctest.Wait()
		_, err := b.Command(t.Context(), "AT+CSQ")
		if !errors.Is(err, ErrLineClosed) || !strings.Contains(err.Error(), "(state ") {
			t.Errorf("unplugged: %v, want ErrLineClosed and the state", err)
		}
		if err := b.Restart(t.Context()); !errors.Is(err, ErrLineClosed) {
			t.Errorf("Restart: %v, want ErrLineClosed", err)
		}
		if _, err := b.USSD(t.Context(), "*100#"); !errors.Is(err, ErrLineClosed) {
			t.Errorf("USSD: %v, want ErrLineClosed", err)
		}
	})
}

// TestCommandGivenUp: the operator goes, or the modem says nothing; the next text is sent all the same, and what comes
// late is nobody's.
func TestCommandGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+COPS=?", "")
		f.hooks["AT+COPS=?"] = func() { f.later(30100*time.Millisecond, "\r\n+COPS: (2,\"o2\")\r\n\r\nOK\r\n") }
		f.set("AT+CPAS", "")
		b := ready(t, f, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if got, err := b.Command(ctx, "AT+COPS=?"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v; want the operator's deadline", got, err)
		}
		if ref, _, err := b.send(); err != nil || ref != 12 {
			t.Errorf("a text afterwards: %d, %v", ref, err)
		}
		began := time.Now()
		if _, err := b.Command(t.Context(), "AT+CPAS"); !errors.Is(err, ErrNoAnswer) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v, want ErrNoAnswer after a minute", err, time.Since(began))
		}
		if _, _, err := b.send(); err != nil {
			t.Errorf("a text afterwards: %v", err)
		}
		f.pull()
		synctest.Wait()
	})
}

// TestCommandGivenUpIsSetUpAfter: a command that nobody saw the answer of may have changed a setting all the same. In text
// mode the modem would send the PDU as a text, to the number that its length makes.
func TestCommandGivenUpIsSetUpAfter(t *testing.T) {
	for name, patience := range map[string]time.Duration{"the operator goes": 10 * time.Second, "no answer": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const text = "AT+CMGF=1;+COPS=?"
				f := newFake()
				f.set(text, "")
				b := ready(t, f, nil)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if _, err := b.Command(ctx, text); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoAnswer) {
					t.Errorf("%v, want the operator's deadline, or no answer", err)
				}
				synctest.Wait() // the operator is answered before the state says so
				b.waitReady()
				if _, _, err := b.send(); err != nil {
					t.Error(err)
				}
				asked := f.asked()
				sent := slices.IndexFunc(asked, func(c string) bool { return strings.HasPrefix(c, "AT+CMGS=") })
				if sent < 0 || !slices.Contains(asked[:sent], "AT+CMGF=0") || b.Status().Opens != 1 {
					t.Errorf("asked %q, opened %d times; want PDU mode set before the text, on the same line", asked, b.Status().Opens)
				}
			})
		})
	}
}

// TestJobDropped: an operator who goes before his command has begun has nothing done.
func TestJobDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+COPS=?", "")
		f.hooks["AT+COPS=?"] = func() { f.later(30*time.Second, "\r\nOK\r\n") }
		b := ready(t, f, nil)
		first := make(chan error, 1)
		go func() {
			_, err := b.Command(t.Context(), "AT+COPS=?")
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 2)
		go func() { second <- b.Restart(ctx) }()
		go func() {
			_, err := b.USSD(ctx, "*100#")
			second <- err
		}()
		time.Sleep(time.Second)
		cancel()
		for range 2 {
			if err := <-second; !errors.Is(err, context.Canceled) {
				t.Errorf("who went: %v", err)
			}
		}
		if err := <-first; err != nil {
			t.Errorf("the one that had begun: %v", err)
		}
		time.Sleep(time.Minute)
		for _, asked := range f.asked() {
			if strings.HasPrefix(asked, "AT+CFUN=1,1") || strings.HasPrefix(asked, "AT+CUSD=1") {
				t.Errorf("%s was done, and nobody waited for it", asked)
			}
		}
		if opens := b.Status().Opens; opens != 1 {
			t.Errorf("opened %d times", opens)
		}
	})
}

func TestRestartByOperator(t *testing.T) {
	for name, answer := range map[string]string{"OK": "\r\nOK\r\n", "silence": "", "hello": "\r\nRDY\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.set("AT+CFUN=1,1", answer)
				var log strings.Builder
				b := ready(t, f, func(cfg *Config) {
					cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
				})
				if err := b.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				if b.Status().Restarted.IsZero() {
					t.Error("the status does not say that it was restarted for the operator")
				}
				time.Sleep(5 * time.Second)
				b.waitReady()
				if at := b.Status().Restarted; !at.IsZero() {
					t.Errorf("ready, and still being restarted since %v", at)
				}
				if st := b.Status(); st.LastError != "" {
					t.Errorf("what the operator wanted is an error: %q", st.LastError)
				}
				b.end()
				<-b.ended
				if log.String() != "" {
					t.Errorf("what the operator wanted is a warning: %s", log.String())
				}
				if f.times("AT+CFUN=1,1") != 1 || b.Status().Opens != 2 || f.times("ATZ") != 1 {
					t.Errorf("opened %d times, asked %q", b.Status().Opens, f.asked())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CFUN=1,1", "\r\n+CME ERROR: 3\r\n")
		b := ready(t, f, nil)
		if err := b.Restart(t.Context()); mustBe[CMEError](t, err) != 3 {
			t.Errorf("%v, want +CME ERROR 3", err)
		}
		if _, _, err := b.send(); err != nil || b.Status().Opens != 1 {
			t.Errorf("a text afterwards: %v; opened %d times", err, b.Status().Opens)
		}
	})
}
