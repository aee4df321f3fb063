package sim

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// mustFault reads a fault of the test's own.
func mustFault(t testing.TB, words string) Fault {
	t.Helper()
	f, err := ParseFault(words)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const bootURCs = "\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n\r\nCall Ready\r\n\r\nSMS Ready\r\n"

// textFault is a fault that strikes a text, and all that happens then on a modem of 3 s latency.
type textFault struct {
	words     string
	prompt    string // after AT+CMGS
	result    string // 3 s after Ctrl-Z
	later     string // within 10 s after that
	reached   bool
	reference uint8
	reports   []sms.Status
	unplugged bool
}

var garbled = "\r\n+CM\xc7S\xba 1\r\xca\r\nO\xcb\r\n"

func textFaults() []textFault {
	const prompt = "\r\n> "
	received := []sms.Status{0}
	return []textFault{
		{"refuse 38", prompt, result("+CMS ERROR: 38"), "", false, 1, nil, false},
		{"refuse 302", prompt, result("+CMS ERROR: 302"), "", false, 0, nil, false},
		{"refuse 500", prompt, result("+CMS ERROR: 500"), "", false, 1, nil, false},
		{"refuse cme 100", prompt, result("+CME ERROR: 100"), "", false, 0, nil, false},
		{"refuse error", prompt, result("ERROR"), "", false, 1, nil, false},
		{"refuse sent 332", prompt, result("+CMS ERROR: 332"), "", true, 1, received, false},
		{"refuse sent 302", prompt, result("+CMS ERROR: 302"), "", true, 1, received, false},
		{"refuse prompt 314", result("+CMS ERROR: 314"), "", "", false, 0, nil, false},
		{"refuse prompt cme 515", result("+CME ERROR: 515"), "", "", false, 0, nil, false},
		{"refuse prompt error", result("ERROR"), "", "", false, 0, nil, false},
		{"prompt never", "", "", "", false, 0, nil, false},
		{"prompt twice", prompt + prompt, ok("+CMGS: 1"), "", true, 1, received, false},
		{"silent sent", prompt, "", "", true, 1, received, false},
		{"silent lost", prompt, "", "", false, 1, nil, false},
		{"silent unreported", prompt, "", "", true, 1, nil, false},
		{"late 2s", prompt, "", ok("+CMGS: 1"), true, 1, received, false},
		{"garbled sent", prompt, garbled, "", true, 1, received, false},
		{"garbled lost", prompt, garbled, "", false, 1, nil, false},
		{"ok sent", prompt, ok(), "", true, 1, received, false},
		{"ok lost", prompt, ok(), "", false, 1, nil, false},
		{"no ok", prompt, result("+CMGS: 1"), "", true, 1, received, false},
		{"reset prompt", "", bootURCs, "", false, 0, nil, false},
		{"reset sent", prompt, "", bootURCs, true, 1, received, false},
		{"reset lost", prompt, "", bootURCs, false, 1, nil, false},
		{"reset between", prompt, result("+CMGS: 1"), bootURCs, true, 1, received, false},
		{"unplug prompt", "", "", "", false, 0, nil, true},
		{"unplug sent", prompt, "", "", true, 1, received, true},
		{"unplug lost", prompt, "", "", false, 1, nil, true},
		{"unplug between", prompt, result("+CMGS: 1"), "", true, 1, received, true},
		{"report never", prompt, ok("+CMGS: 1"), "", true, 1, nil, false},
		{"report twice", prompt, ok("+CMGS: 1"), "", true, 1, []sms.Status{0, 0}, false},
		{"report failed", prompt, ok("+CMGS: 1"), "", false, 1, []sms.Status{0x41}, false},
		{"report failed 99", prompt, ok("+CMGS: 1"), "", false, 1, []sms.Status{99}, false},
		{"report expired", prompt, ok("+CMGS: 1"), "", false, 1, []sms.Status{0x46}, false},
		{"report interim", prompt, ok("+CMGS: 1"), "", true, 1, []sms.Status{0x20, 0}, false},
	}
}

func TestTextFaults(t *testing.T) {
	for _, tt := range textFaults() {
		t.Run(tt.words, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { tt.run(t) }) })
	}
	// The others have tests of their own, below.
	tested := []FaultKind{FaultBlocked, FaultReportFirst, FaultReportRespelled, FaultReportSwapped, FaultPhoneOff}
	for _, tt := range textFaults() {
		tested = append(tested, mustFault(t, tt.words).Kind)
	}
	for _, k := range FaultKinds() {
		if k.OfText() && !slices.Contains(tested, k) {
			t.Errorf("%s has no test", k)
		}
	}
}

func (tt textFault) run(t *testing.T) {
	r := start(t, Config{Latency: 3 * time.Second, ReportDelay: time.Minute})
	r.want("AT+CMEE=1;+CNMI=2,1,0,1,0\r", ok())
	f := mustFault(t, tt.words)
	r.m.Inject(f)
	typed, _ := submit(t, textTo("491701", "hello"))
	r.want("AT+CMGS=15\r", tt.prompt)
	prompted := strings.HasSuffix(tt.prompt, "> ")
	if prompted {
		r.want(typed+"\x1a", "")
	}
	time.Sleep(3 * time.Second)
	r.wantNow("as the result", tt.result)
	time.Sleep(10 * time.Second)
	r.wantNow("after the result", tt.later)
	if tt.unplugged {
		if err := <-r.ended; !errors.Is(err, io.EOF) {
			t.Fatalf("Serve: %v, want io.EOF", err)
		}
		r.plug()
	}
	r.say("ATE0+CMEE=1;+CNMI=2,1,0,1,0\r")
	time.Sleep(time.Hour)
	if got := reports(t, r.take()); !slices.Equal(got, tt.reports) {
		t.Errorf("status reports %v, want %v", got, tt.reports)
	}
	if got := len(r.m.Texts()); (got == 1) != tt.reached || got > 1 {
		t.Errorf("phones have %d texts, want it there: %v", got, tt.reached)
	}
	struck := r.m.Faults()
	if len(struck) != 1 || struck[0].Fault != f || struck[0].Reached != tt.reached || struck[0].Reference != tt.reference ||
		(struck[0].To.Number == "491701") != prompted || struck[0].At.IsZero() {
		t.Errorf("what struck: %+v", struck)
	}
	if got, want := r.send(textTo("491702", "hello")), ""; got != want {
		t.Errorf("the next text at once: %q", got)
	}
	time.Sleep(3 * time.Second)
	if got := r.take(); !strings.HasPrefix(got, "\r\n+CMGS: ") || !strings.HasSuffix(got, "\r\n\r\nOK\r\n") {
		t.Errorf("the next text: %q", got)
	}
}

// A text that never was one leaves the fault to the next; two faults strike two texts.
func TestFaultsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.m.Inject(mustFault(t, "refuse 38"))
		r.m.Inject(mustFault(t, "refuse 41"))
		r.want("AT+CMGS=15\r", "\r\n> ")
		r.want("\x1b", ok())
		r.want("AT+CMGS=15\r", "\r\n> ")
		r.want("00\x1a", result("+CMS ERROR: 304"))
		for i, want := range []string{result("+CMS ERROR: 38"), result("+CMS ERROR: 41"), ok("+CMGS: 3")} {
			if got := r.send(textTo("491701", "x")); got != want {
				t.Errorf("text %d: %q, want %q", i+1, got, want)
			}
		}
		if got := len(r.m.Faults()); got != 2 {
			t.Errorf("%d faults struck, want 2", got)
		}
	})
}

// Behind the prompt nothing is read for a while: a write blocks, and then all goes on.
func TestBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.m.Inject(mustFault(t, "blocked 30s"))
		typed, length := submit(t, textTo("491701", "x"))
		if length != 11 {
			t.Fatalf("the test's own text has %d octets", length)
		}
		r.want("AT+CMGS=11\r", "\r\n> ")
		written := make(chan time.Time, 1)
		began := time.Now()
		go func() {
			io.WriteString(r.conn, typed) // fits into the modem's buffer
			io.WriteString(r.conn, "\x1a")
			written <- time.Now()
		}()
		if at := <-written; at.Sub(began) != 30*time.Second {
			t.Errorf("written after %v, want 30s", at.Sub(began))
		}
		r.wantNow("in the end", ok("+CMGS: 1"))
	})
}

// reportsOf reads all reports, with their recipients and references.
func reportsOf(t *testing.T, said string) (got []sms.StatusReport) {
	t.Helper()
	for _, line := range strings.Split(said, "\r\n") {
		if line == "" || strings.HasPrefix(line, "+CDS:") {
			continue
		}
		pdu := unhex(t, line)
		_, tpdu, err := sms.SplitSCA(pdu)
		if err != nil {
			t.Fatal(err)
		}
		report, err := sms.ParseStatusReport(tpdu)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, report)
	}
	return got
}

func TestReportsOutOfOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		two  bool
		refs []uint8
	}{{"after the next one", true, []uint8{2, 1}}, {"after ten minutes", false, []uint8{1}}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{ReportDelay: time.Minute})
				r.want("AT+CNMI=2,1,0,1,0\r", ok())
				r.m.Inject(mustFault(t, "report swapped"))
				r.send(textTo("491701", "first"))
				if time.Sleep(5 * time.Minute); tt.two {
					r.send(textTo("491701", "second"))
				}
				time.Sleep(5 * time.Minute)
				if !tt.two {
					r.wantNow("within ten minutes", "")
				}
				time.Sleep(time.Minute)
				var refs []uint8
				for _, report := range reportsOf(t, r.take()) {
					refs = append(refs, report.Reference)
				}
				if !slices.Equal(refs, tt.refs) {
					t.Errorf("references %v, want %v", refs, tt.refs)
				}
			})
		})
	}
}

func TestRespelled(t *testing.T) {
	international := func(n string) sms.Address { return sms.Address{TON: 1, NPI: 1, Number: n} }
	for _, tt := range []struct {
		name     string
		to, want sms.Address
	}{
		{"two digits of country", international("491701234567"), sms.Address{NPI: 1, Number: "01701234567"}},
		{"one", international("12025550123"), sms.Address{NPI: 1, Number: "02025550123"}},
		{"three", international("420601123456"), sms.Address{NPI: 1, Number: "0601123456"}},
		{"national", sms.Address{NPI: 1, Number: "01701234567"}, international("491701234567")},
		{"short code", sms.Address{NPI: 1, Number: "22232"}, sms.Address{NPI: 1, Number: "22232"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{})
				r.want("AT+CNMI=2,1,0,1,0\r", ok())
				r.m.Inject(mustFault(t, "report respelled"))
				p := textTo("", "x")
				p.Destination = tt.to
				_, cds, _ := strings.Cut(r.send(p), "OK\r\n")
				if got := reportsOf(t, cds); len(got) != 1 || got[0].Recipient != tt.want {
					t.Errorf("reports %+v, want one of %+v", got, tt.want)
				}
			})
		})
	}
}

func TestReportFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{ReportDelay: time.Minute})
		r.want("AT+CNMI=2,1,0,1,0\r", ok())
		r.m.Inject(mustFault(t, "report first"))
		cds, answer, _ := strings.Cut(r.send(textTo("491701", "x")), "\r\n+CMGS")
		if got := reportsOf(t, cds); len(got) != 1 || answer != ": 1\r\n\r\nOK\r\n" {
			t.Errorf("%d reports, then %q", len(got), answer)
		}
	})
}

func TestParseFault(t *testing.T) {
	for _, tt := range []struct {
		words string
		want  Fault
	}{
		{"refuse 38", Fault{Kind: FaultRefuse, Code: 38}},
		{" Refuse  prompt CME 515 ", Fault{Kind: FaultRefusePromptCME, Code: 515}},
		{"silent sent", Fault{Kind: FaultSilentSent}},
		{"late", Fault{Kind: FaultLate}},
		{"late 90s", Fault{Kind: FaultLate, For: 90 * time.Second}},
		{"reset", Fault{Kind: FaultReset}},
		{"reset lost", Fault{Kind: FaultResetLost}},
		{"unplug 2s rename", Fault{Kind: FaultUnplug, For: 2 * time.Second, Rename: true}},
		{"unplug between rename", Fault{Kind: FaultUnplugBetween, Rename: true}},
		{"junk 20", Fault{Kind: FaultJunk, Code: 20}},
		{"signal 0", Fault{Kind: FaultSignal}},
	} {
		got, err := ParseFault(tt.words)
		if err != nil || got != tt.want {
			t.Errorf("%q: %+v, %v, want %+v", tt.words, got, err, tt.want)
		}
		if again, err := ParseFault(got.String()); err != nil || again != got {
			t.Errorf("%q written as %q: %+v, %v", tt.words, got.String(), again, err)
		}
	}
	for _, tt := range []struct{ words, hint string }{
		{"", "write for example"},
		{"fire", "write for example"},
		{"silent", "silent sent, silent lost, silent unreported"},
		{"refuse", "write refuse NUMBER"},
		{"refuse many", `"many" does not belong there`},
		{"refuse 1000", "0 to 999"},
		{"refuse 38 39", `"39" does not belong`},
		{"reset 2s", "write reset"},
		{"deaf rename", "write deaf [TIME]"},
		{"deaf -2s", "write deaf [TIME]"},
		{"report failed 300", "1 to 255"},
		{"unplug 5", "a time needs its unit, as in 5s"},
		{"late 200", "a time needs its unit, as in 200s"},
	} {
		if _, err := ParseFault(tt.words); err == nil || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("%q: error %v, want a word like %q", tt.words, err, tt.hint)
		}
	}
}

func TestFaultsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range FaultKinds() {
		if row := "| `" + k.Usage() + "` | " + k.Effect() + " |"; !strings.Contains(string(doc), row) {
			t.Errorf("docs/simulator.md lacks the row %q", row)
		}
	}
	for _, name := range LikeNames() {
		if !strings.Contains(string(doc), "\n| "+name+" | ") {
			t.Errorf("docs/simulator.md lacks the make %s", name)
		}
	}
}

// FuzzParseFault: what is read is written in words that read the same, and striking it stops no modem.
func FuzzParseFault(f *testing.F) {
	for _, k := range FaultKinds() {
		f.Add(k.String())
		f.Add(k.String() + " 38 2s rename")
		f.Add(k.String() + " 5m")
	}
	f.Fuzz(func(t *testing.T, words string) {
		fault, err := ParseFault(words)
		if err != nil {
			return
		}
		if again, err := ParseFault(fault.String()); err != nil || again != fault {
			t.Fatalf("%q is %+v, and %q is %+v (%v)", words, fault, fault.String(), again, err)
		}
		m := New(Config{StorageSize: 1})
		terminal := newTerminal(m, newOutbox())
		m.term = terminal
		now := time.Now()
		terminal.powerOn(now)
		m.Inject(fault)
		terminal.pending = []byte("AT+CMGL=4\rAT+CMGS=10\r0001000491107100000178\x1a")
		for range 5 {
			terminal.work(now)
			now = now.Add(1 << 40)
		}
		if len(m.Faults()) != 1 {
			t.Errorf("%q has struck %d times", words, len(m.Faults()))
		}
	})
}
