package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// modemFault is a fault of the modem, and a look at what the driver sees then.
type modemFault struct {
	words string
	run   func(r *rig)
}

// startFaults are those that begin the line anew.
func startFaults() []modemFault {
	locked := strings.Replace(bootURCs, "READY", "SIM PIN", 1)
	return []modemFault{
		{"reset", func(r *rig) {
			time.Sleep(time.Minute)
			r.wantNow("later", locked)
			r.want("AT\r", "AT\r"+ok())
		}},
		{"reset silent", func(r *rig) {
			r.wantNow("at once", "")
			r.want("AT+CNMI?\r", "AT+CNMI?\r"+ok("+CNMI: 0,0,0,0,0"))
		}},
		{"brown-out", func(r *rig) {
			r.wantNow("at once", result("UNDER-VOLTAGE WARNNING")+result("UNDER-VOLTAGE POWER DOWN"))
			time.Sleep(time.Minute)
			r.wantNow("later", locked)
		}},
		{"unplug", func(r *rig) {
			if err := <-r.ended; !errors.Is(err, io.EOF) {
				r.t.Errorf("Serve: %v, want io.EOF", err)
			}
		}},
	}
}

// lineFaults are those of the line and of what the modem remembers.
func lineFaults() []modemFault {
	cnmi := "AT+CNMI=2,1,0,1,0\r"
	return []modemFault{
		{"deaf 5s", func(r *rig) {
			r.want("AT\r", "")
			if err := r.m.Receive("+49170", "x"); err != nil {
				r.t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
			r.want("AT\r", "")
			time.Sleep(time.Second) // now the network tries again
			r.wantNow("what came meanwhile", "\r\n+CMTI: \"SM\",1\r\n")
			r.want("AT\r", ok())
			r.want("AT+CPMS?\r", ok(`+CPMS: "SM",1,20,"SM",1,20,"SM",1,20`))
		}},
		{"slow 1m", func(r *rig) {
			r.want("AT\r", "\r")
			time.Sleep(5 * time.Millisecond)
			r.wantNow("5 ms later", "\n")
			time.Sleep(time.Second)
			r.wantNow("in the end", "OK\r\n")
			time.Sleep(time.Minute)
			r.want("AT\r", ok())
		}},
		{"junk 50", func(r *rig) {
			if got := r.take(); len(got) != 50 {
				r.t.Errorf("%d octets of junk, want 50", len(got))
			}
			r.want("AT\r", ok())
		}},
		{"storm 1s", func(r *rig) {
			time.Sleep(2 * time.Second)
			if got := strings.Count(r.take(), "\r\n^"); got < 9 || got > 11 {
				r.t.Errorf("%d URCs in a second", got)
			}
			r.want("AT\r", ok())
		}},
		{"echo", func(r *rig) { r.want("AT\r", "AT\r"+ok()) }},
		{"forget", func(r *rig) { r.want("AT+CNMI?\r", ok("+CNMI: 0,0,0,0,0")) }},
		{"cmgl hangs 30s", func(r *rig) {
			r.want("AT\r", ok())
			r.want("AT+CMGL=4\r", "")
			r.want("AT\r", "")
			time.Sleep(30 * time.Second)
			r.want("AT+CMGL=4\r", ok())
		}},
		{"cnmi refused 5s", func(r *rig) {
			r.want(cnmi, result("+CMS ERROR: 303"))
			time.Sleep(5 * time.Second)
			r.want(cnmi, ok())
		}},
	}
}

// simFaults are those of the network and the SIM.
func simFaults() []modemFault {
	return []modemFault{
		{"network lost 5s", func(r *rig) {
			r.wantNow("at once", result("+CREG: 2"))
			r.wantRefused("+CMS ERROR: 331")
			time.Sleep(5 * time.Second)
			r.wantNow("later", result("+CREG: 1"))
		}},
		{"network denied 5m", func(r *rig) {
			r.wantNow("at once", result("+CREG: 3"))
			r.m.Inject(Fault{Kind: FaultNetworkBack})
			r.wantNow("back", result("+CREG: 1"))
		}},
		{"network back", func(r *rig) { r.want("AT+CREG?\r", ok("+CREG: 1,1")) }},
		{"signal 7", func(r *rig) { r.want("AT+CSQ\r", ok("+CSQ: 7,99")) }},
		{"sim pulled 5s", func(r *rig) {
			r.wantNow("at once", result("+CREG: 0"))
			r.want("AT+CPIN?\r", result("+CME ERROR: 10"))
			r.want("AT+CPMS?\r", result("+CMS ERROR: 310"))
			time.Sleep(5 * time.Second)
			r.wantNow("it is back", "")
			r.want("AT+CPIN?\r", ok("+CPIN: SIM PIN"))
		}},
		{"sim busy 5s", func(r *rig) {
			r.want("AT+CPMS?\r", result("+CMS ERROR: 314"))
			time.Sleep(5 * time.Second)
			r.want("AT+CPMS?\r", ok(`+CPMS: "SM",0,20,"SM",0,20,"SM",0,20`))
		}},
		{"sim puk", func(r *rig) {
			r.wantNow("at once", result("+CREG: 0"))
			r.want("AT+CPIN?\r", ok("+CPIN: SIM PUK"))
			r.want("AT+CPIN=\"12345678\",\"4321\"\r", ok()+result("+CREG: 1"))
		}},
		{"sim ok", func(r *rig) {
			inject := func(words string) {
				r.m.Inject(mustFault(r.t, words))
				synctest.Wait()
			}
			inject("sim busy 1h")
			r.want("AT+CPMS?\r", result("+CMS ERROR: 314"))
			inject("sim ok")
			r.want("AT+CPMS?\r", ok(`+CPMS: "SM",0,20,"SM",0,20,"SM",0,20`))
			for _, words := range []string{"sim pulled 1h", "sim puk"} {
				inject(words)
				r.wantNow(words, result("+CREG: 0"))
				inject("sim ok")
				r.want("AT+CPIN?\r", ok("+CPIN: SIM PIN"))
				r.want("AT+CPIN=1234\r", ok()+result("+CREG: 1"))
			}
			r.want("AT+CPINR\r", ok("+CPINR: SIM PIN,3,3\r\n+CPINR: SIM PUK,10,10"))
		}},
		{"memory full", func(r *rig) {
			if err := r.m.Receive("+49170", "waits"); err != nil {
				r.t.Fatal(err)
			}
			r.want("AT+CPMS?\r", ok(`+CPMS: "SM",20,20,"SM",20,20,"SM",20,20`))
			r.want("AT+CRSM=176,28483,0,0,2\r", ok(`+CRSM: 144,0,"00FE"`))
			r.want("AT+CMGW=11\r", "\r\n> ")
			typed, _ := submit(r.t, textTo("491701", "x"))
			r.want(typed+"\x1a", result("+CMS ERROR: 322"))
			r.want("AT+CMGD=3\r", ok()+result(`+CMTI: "SM",3`))
		}},
	}
}

// TestModemFaults has each fault of the modem strike.
func TestModemFaults(t *testing.T) {
	tested := []FaultKind{}
	for _, tt := range slices.Concat(startFaults(), lineFaults(), simFaults()) {
		f := mustFault(t, tt.words)
		tested = append(tested, f.Kind)
		t.Run(tt.words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{PIN: "1234"})
				r.want("AT+CMEE=1;+CPIN=1234\r", ok())
				r.want("AT+CREG=1;+CNMI=2,1,0,1,0\r", ok())
				r.m.Inject(f)
				synctest.Wait()
				tt.run(r)
				if struck := r.m.Faults(); len(struck) == 0 || struck[0].Fault != f {
					t.Errorf("what struck: %+v", struck)
				}
			})
		})
	}
	for _, k := range FaultKinds() {
		if !k.OfText() && !slices.Contains(tested, k) {
			t.Errorf("%s has no test", k)
		}
	}
}

// TestOnFault tells of each fault once, when it strikes: injected, of a script, by a magic number, by chance.
func TestOnFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		struck := make(chan string, 9)
		told := func(s Struck) { struck <- s.Fault.String() }
		step := Step{After: 10 * time.Second, Fault: mustFault(t, "signal 5")}
		r := start(t, Config{OnFault: told, Script: []Step{step}})
		r.m.Inject(mustFault(t, "refuse 38"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(struck) > 0 {
			t.Errorf("before anything struck: %s", <-struck)
		}
		time.Sleep(10 * time.Second)
		r.send(textTo("491701", "x"))
		r.send(textTo("491702", "x"))
		r.send(textTo("49170199902", "x"))
		r.m.Inject(mustFault(t, "unplug 3s rename"))
		<-r.ended
		close(struck)
		for _, want := range []string{"signal 5", "refuse 38", "refuse 38", "unplug 3s rename", ""} {
			if got := <-struck; got != want {
				t.Errorf("told of %q, want %q", got, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		r := start(t, Config{OnFault: func(Struck) { told.Add(1) }, Chaos: &Chaos{Rate: 1, Kinds: []FaultKind{FaultReportNever}}})
		for range 3 {
			r.send(textTo("491701", "x"))
		}
		synctest.Wait()
		if told.Load() != 3 || len(r.m.Faults()) != 3 {
			t.Errorf("told of %d faults of %d, want 3", told.Load(), len(r.m.Faults()))
		}
	})
}

// wantRefused sends a text that must be refused.
func (r *rig) wantRefused(code string) {
	r.t.Helper()
	if got := r.send(textTo("491701", "x")); got != result(code) {
		r.t.Errorf("a text: %q, want %s", got, code)
	}
}

// A storm comes between all lines of an answer, even behind a header.
func TestStormInAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		if err := r.m.Receive("+49170", "hello"); err != nil {
			t.Fatal(err)
		}
		calm := r.say("AT+CMGL=4\r")
		r.m.Inject(mustFault(t, "storm 1h"))
		r.take()
		stormy := r.say("AT+CMGL=4\r")
		var kept []string
		for _, line := range strings.Fields(stormy) {
			if !strings.HasPrefix(line, "^") {
				kept = append(kept, line)
			}
		}
		_, behind, _ := strings.Cut(stormy, "\r\n^")
		want := strings.Fields(strings.Replace(calm, ": 1,0", ": 1,1", 1))
		if !slices.Equal(kept, want) || !strings.Contains(behind, "\r\n07") {
			t.Errorf("got %q, want the lines of %q and a URC before the PDU", stormy, calm)
		}
	})
}

// A modem that is off is struck when it is switched on.
func TestInjectedWhileOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.stop()
		<-r.ended
		r.m.Inject(mustFault(t, "signal 3"))
		if len(r.m.Faults()) != 0 {
			t.Error("it struck a modem that is off")
		}
		r.plug()
		r.want("ATE0+CSQ\r", "ATE0+CSQ\r"+ok("+CSQ: 3,99"))
	})
}

func TestScript(t *testing.T) {
	steps, err := ParseScript("faults.txt", strings.NewReader("# a comment\n\nat 10s signal 5\nafter 2 refuse 38\n  at 1m deaf 5s  \n"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Script: steps})
		r.want("AT+CSQ\r", ok("+CSQ: 21,99"))
		time.Sleep(10 * time.Second)
		r.want("AT+CSQ\r", ok("+CSQ: 5,99"))
		for i, want := range []string{ok("+CMGS: 1"), ok("+CMGS: 2"), result("+CMS ERROR: 38"), ok("+CMGS: 4")} {
			if got := r.send(textTo("491701", "x")); got != want {
				t.Errorf("text %d: %q, want %q", i+1, got, want)
			}
		}
		time.Sleep(50 * time.Second)
		r.want("AT\r", "")
		time.Sleep(time.Hour)
		r.want("AT\r", ok())
		if got := len(r.m.Faults()); got != 3 {
			t.Errorf("%d faults struck, want 3", got)
		}
	})
}

func TestScriptErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\nsometimes refuse 38", `s.txt:2: "sometimes" begins no step: write at TIME FAULT or after TEXTS FAULT`},
		{"at noon reset", `s.txt:1: "noon" is no time`},
		{"at 10 reset", "s.txt:1: a time needs its unit, as in 10s"},
		{"at 1s reset\nat once\n\nat 5s unplug 3", "s.txt:2: \"once\" is no time: write for example at 10s unplug 3s\n" +
			"s.txt:4: fault \"unplug 3\": a time needs its unit, as in 3s"},
		{"after 0 reset", `s.txt:1: "0" is no number of texts`},
		{"after 5", `s.txt:1: fault ""`},
		{"at 5s silent", "silent sent, silent lost"},
		{strings.Repeat("x", 1<<17), "s.txt:1: "},
	} {
		if _, err := ParseScript("s.txt", strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: error %v, want %s", tt.text, err, tt.want)
		}
	}
}

func FuzzParseScript(f *testing.F) {
	f.Add("at 10s unplug 3s rename\nafter 5 refuse 38\n# x\n")
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := ParseScript("s", strings.NewReader(text))
		if err != nil && !strings.HasPrefix(err.Error(), "s:") {
			t.Errorf("error %v names no line", err)
		}
		for _, s := range steps {
			when := fmt.Sprintf("at %v", s.After)
			if s.AfterTexts > 0 {
				when = fmt.Sprintf("after %d", s.AfterTexts)
			}
			again, err := ParseScript("s", strings.NewReader(when+" "+s.Fault.String()))
			if err != nil || len(again) != 1 || again[0] != s {
				t.Errorf("%+v, written again, is %+v (%v)", s, again, err)
			}
		}
	})
}

// chaosRun sends texts through chaos and returns what struck, without the times.
func chaosRun(t *testing.T, cfg Config, texts int) (struck []Struck) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, cfg)
		for range texts {
			typed, length := submit(t, textTo("491701", "x"))
			if got := r.say(fmt.Sprintf("AT+CMGS=%d\r", length)); strings.HasSuffix(got, "> ") {
				r.say(typed + "\x1a")
			}
			time.Sleep(time.Minute)
			r.take()
		}
		reached := 0
		for _, s := range r.m.Faults() {
			if s.Reached {
				reached++
			}
			s.At = time.Time{}
			struck = append(struck, s)
		}
		if unstruck := texts - len(struck); len(r.m.Texts()) != reached+unstruck {
			t.Errorf("phones have %d texts, want %d that reached one with a fault and %d without", len(r.m.Texts()), reached, unstruck)
		}
	})
	return struck
}

// The same seed and modem give the same faults, and each text is accounted for.
func TestChaos(t *testing.T) {
	kinds := slices.DeleteFunc(textKinds(), func(k FaultKind) bool { // a modem that is gone gets no more texts here
		return k >= FaultUnplugPrompt && k <= FaultUnplugBetween
	})
	cfg := func(seed uint64, imei string) Config {
		return Config{IMEI: imei, Chaos: &Chaos{Seed: seed, Rate: 0.3, Kinds: kinds}}
	}
	first := chaosRun(t, cfg(1, ""), 300)
	if len(first) < 60 || len(first) > 120 {
		t.Errorf("%d of 300 texts met a fault, want about 90", len(first))
	}
	if !slices.Equal(first, chaosRun(t, cfg(1, ""), 300)) {
		t.Error("the same seed gave other faults")
	}
	for _, other := range []Config{cfg(2, ""), cfg(1, "490154203237526")} {
		if slices.Equal(first, chaosRun(t, other, 300)) {
			t.Error("another seed or modem gave the same faults")
		}
	}
}

// Chaos may strike the modem as well; without kinds it strikes texts alone.
func TestChaosKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Chaos: &Chaos{Rate: 1, Kinds: []FaultKind{FaultReset}}})
		r.want("AT+CMGS=11\r", "")
		time.Sleep(time.Minute)
		r.wantNow("later", bootURCs)
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Chaos: &Chaos{Rate: 1}})
		for range 20 {
			r.m.mu.Lock()
			r.m.draws()
			r.m.mu.Unlock()
		}
		if len(r.m.faults) != 20 || len(r.m.due) != 0 {
			t.Errorf("%d faults of texts and %d of the modem, want 20 and none", len(r.m.faults), len(r.m.due))
		}
	})
}

// An unplugged modem stays away as long as the fault says, and comes back under another name if it is to.
func TestUnplugOnPTY(t *testing.T) {
	link := filepath.Join(t.TempDir(), "modem")
	m := New(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	paths, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- m.ServePTY(ctx, link, func(path string) { paths <- path }) }()
	first := <-paths
	for range 3 {
		began := time.Now()
		m.Inject(Fault{Kind: FaultUnplug, For: 50 * time.Millisecond, Rename: true})
		second := <-paths
		if took := time.Since(began); second == first || took < 50*time.Millisecond || took > 900*time.Millisecond {
			t.Errorf("it came back as %s, was %s, after %v", second, first, took)
		}
		openTTY(t, link).expect("AT\r", "\r\nOK\r\n")
		first = second
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What a fault tells of a text to another SIM is whether the network has it.
func TestStruckOnTheWayToASIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := NewNetwork()
		a := start(t, Config{Network: net, IMEI: "1"})
		b := New(Config{Network: net, IMEI: "2"})
		a.m.Inject(mustFault(t, "silent sent"))
		a.send(textTo(strings.TrimPrefix(b.own().String(), "+"), "x"))
		to := sms.Address{TON: sms.TONInternational, NPI: sms.NPIISDN, Number: "491760000002"}
		want := Struck{Fault: Fault{Kind: FaultSilentSent}, To: to, Reference: 1, Reached: true}
		got := a.m.Faults()
		if len(got) != 1 {
			t.Fatalf("%d faults struck", len(got))
		}
		if got[0].At = (time.Time{}); got[0] != want {
			t.Errorf("got %+v, want %+v", got[0], want)
		}
	})
}
