package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// as is a modem with the quirks of a make.
func as(t *testing.T, name string, cfg Config) Config {
	t.Helper()
	q, err := Like(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Quirks = q
	return cfg
}

// TestQuirks looks at what is odd about each make.
func TestQuirks(t *testing.T) {
	cmsRefused, plainError := result("+CMS ERROR: 303"), result("ERROR")
	type step struct{ typed, want string }
	for _, tt := range []struct {
		like  string
		wait  time.Duration // before the first step
		steps []step
	}{
		{"huawei", time.Minute, []step{
			{"AT^CURC=0\r", ok()},
			{"AT+CGMI;+CGMM\r", ok("huawei", "E173")},
			{"AT+CNMI=?\r", ok("+CNMI: (0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)")},
			{"AT+CNMI=2,1,0,1,0\r", cmsRefused}, {"AT+CNMI=1,1,0,1,0\r", cmsRefused}, {"AT+CNMI=1,1,0,2,0\r", ok()},
			{"AT+CPMS=\"SM\",\"SM\",\"SM\"\r", result("+CMS ERROR: 302")},
			{"AT+CPMS=\"ME\",\"ME\"\r", ok("+CPMS: 0,20,0,20,0,20")},
			{"AT^CPIN?\r", ok("^CPIN: READY,3,10,3,10,3")},
			{"AT+CPINR\r", result("COMMAND NOT SUPPORT")}, {"AT+NIL\r", result("COMMAND NOT SUPPORT")},
		}},
		{"simcom", 0, []step{
			{"AT+SPIC\r", ok("+SPIC: 3,10,3,10")}, {"AT+CPINR\r", plainError}, {"AT+CPMS?\r", result("+CMS ERROR: 314")},
		}},
		{"wavecom", 0, []step{
			{"AT+CPMS?\r", plainError},
			{"AT+CMEE=1;+CPMS?\r", result("+CME ERROR: 515")},
			{"AT+CPIN?\r", "\r\n+CPIN: READY\r\n"}, {"AT+WIND=0\r", ok()}, {"AT+GMI\r", ok(" WAVECOM MODEM")},
		}},
		{"cinterion", 0, []step{
			{"AT+CNMI=?\r", ok("+CNMI: (0-3),(0-3),(0,2),(0,2),(1)")},
			{"AT+CNMI=2,1,0,2,0\r", cmsRefused}, {"AT+CNMI=2,1,0,1,1\r", cmsRefused}, {"AT+CNMI=2,1,0,2,1\r", ok()},
			{"AT+CNMA\r", plainError}, {"AT+CNMA=0\r", plainError}, {"AT+CNMA=1\r", result("+CMS ERROR: 340")},
			{"AT^SPIC\r", ok("^SPIC: 3")}, {"AT+CMMS=2\r", plainError},
		}},
		{"quectel", 0, []step{
			{"AT+QPINC\r", ok(`+QPINC: "SC",3,10`, `+QPINC: "P2",3,10`)}, {"AT+CNMI=2,1\r", cmsRefused},
			{"AT+CNMA=1\r", plainError}, {"AT+CNMA\r", result("+CMS ERROR: 340")}, {"AT+QURCCFG=\"urcport\",\"usbat\"\r", ok()},
		}},
		{"zte", 0, []step{
			{"AT+CPMS?\r", ok(`+CPMS: "SM",0,20,"SM",0,20,"SM",0,20`)}, {"AT+ZOPRT=5\r", ok()}, {"AT+CNMI=2,1\r", cmsRefused},
		}},
	} {
		t.Run(tt.like, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, as(t, tt.like, Config{}))
				time.Sleep(tt.wait)
				r.take()
				for _, s := range tt.steps {
					r.want(s.typed, s.want)
				}
			})
		})
	}
	if _, err := Like("nokia"); err == nil || !strings.Contains(err.Error(), "huawei, simcom") {
		t.Errorf("an unknown make: %v", err)
	}
}

// Boot words are those of the make.
func TestBootWords(t *testing.T) {
	for like, want := range map[string]string{
		"simcom":    bootURCs,
		"cinterion": result("^SYSSTART"),
		"wavecom":   result("+WIND: 1") + result("+WIND: 7") + result("+WIND: 4"),
	} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, as(t, like, Config{}))
			r.want("AT+CFUN=1,1\r", ok())
			time.Sleep(time.Second)
			r.wantNow("after a restart", want)
		})
	}
}

// The URCs of a make come by themselves and within lists, but not between a header and its PDU, until they are stopped.
func TestNoisy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, as(t, "huawei", Config{}))
		time.Sleep(30 * time.Second)
		if got := strings.Count(r.take(), "\r\n^"); got < 6 || got > 8 {
			t.Errorf("%d URCs in half a minute", got)
		}
		for range 2 {
			if err := r.m.Receive("+49170", "hello"); err != nil {
				t.Fatal(err)
			}
		}
		r.take()
		r.say("AT+CPMS=\"ME\"\r")
		var lines []string
		for _, line := range strings.Split(r.say("AT+CMGL=4\r"), "\r\n") {
			if line != "" {
				lines = append(lines, line[:2])
			}
		}
		if want := []string{"+C", "07", lines[2], "+C", "07", "OK"}; !slices.Equal(lines, want) || lines[2][0] != '^' {
			t.Errorf("lines begin with %q", lines)
		}
		r.want("AT+CMGR=2\r", result("+CMS ERROR: 321"))
		r.want("AT+CMGD=0\r", ok())
		r.want("AT+CMGD=20\r", result("+CMS ERROR: 321"))
		r.say("AT^CURC=0\r")
		time.Sleep(time.Hour)
		r.wantNow("when it is quiet", "")
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, as(t, "zte", Config{}))
		time.Sleep(5 * time.Second)
		if got := strings.Count(r.take(), "\r\n+ZUSIMR:2\r\n"); got < 4 {
			t.Errorf("%d URCs in 5 s", got)
		}
		r.say("AT+CPMS?\r")
		time.Sleep(time.Hour)
		r.wantNow("when it is quiet", "")
	})
}

// Another file of the SIM, another command and too many octets are the SIM's own errors.
func TestCRSM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.want("AT+CRSM=176,28483,0,0,2\r", ok(`+CRSM: 144,0,"00FF"`))
		for range 3 {
			r.send(textTo("491701", "x"))
		}
		for typed, want := range map[string]string{
			"176,28483,0,0,2": `144,0,"03FF"`, "176,28483,0,0,1": `144,0,"03"`, "176,28483,0,0,0": `144,0,"03FF"`,
			"176,28483,0,1,1": `144,0,"FF"`, "176,28483,0,1,2": "103,0", "176,28483,0,3,0": "103,0", "176,28476,0,0,2": "106,130",
			"214,28483,0,0,2": "109,0",
		} {
			r.want("AT+CRSM="+typed+"\r", ok("+CRSM: "+want))
		}
		r.want("AT+CRSM=\r", result("ERROR"))
		r.want("AT+CRSM=?\r", ok())
	})
}

func TestClockAndRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		now := time.Now()
		_, offset := now.Zone()
		r.want("AT+CCLK?\r", ok(fmt.Sprintf(`+CCLK: "%s%+03d"`, now.Format("06/01/02,15:04:05"), offset/900)))
		for _, typed := range []string{"AT+CRESET\r", "AT^RESET\r", "AT+CFUN=16\r", "AT+CFUN=1,1\r"} {
			r.want(typed, ok())
			time.Sleep(time.Second)
			r.wantNow("after "+typed, bootURCs)
			r.want("ATE0\r", "ATE0\r"+ok())
		}
		r.want("AT+CRESET=?\r", ok())
		r.want("AT+CFUN=4;+CREG?\r", ok("+CREG: 0,0"))
		r.want("AT+CFUN=1;+CREG?\r", ok("+CREG: 0,1"))
	})
}

func TestUSSD(t *testing.T) {
	cusd := func(code string) string { return "AT+CUSD=1,\"" + code + "\",15\r" }
	answer := func(mode int, text string) string { return ok() + result(fmt.Sprintf(`+CUSD: %d,"%s",15`, mode, text)) }
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.want(cusd("*100#"), answer(0, "Your balance is 12.34 EUR."))
		r.send(textTo("491701", "x"))
		r.send(textTo("4917199901", "refused, so it costs nothing"))
		r.want(cusd("*100#"), answer(0, "Your balance is 12.25 EUR."))
		r.want(cusd("*101#"), answer(1, "1 Balance 2 Number"))
		r.want(cusd("7"), answer(1, "Answer 1 or 2"))
		r.want(cusd("2"), answer(0, "Your number is +491760000001."))
		r.want(cusd("1"), ok()+result("+CUSD: 4"))
		r.want(cusd("*101#"), answer(1, "1 Balance 2 Number"))
		r.want("AT+CUSD=2\r", ok())
		r.want(cusd("1"), ok()+result("+CUSD: 4"))
		r.m.sub.cents = 5
		r.send(textTo("491701", "x"))
		r.want(cusd("*100#"), answer(0, "Your balance is 0.00 EUR."))
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{USSD: USSDPacked})
		code, _ := sms.EncodeGSM7("*100#")
		text, _ := sms.EncodeGSM7("Your balance is 12.34 EUR.")
		want := fmt.Sprintf("%X", sms.Pack(text, 0))
		r.want(cusd(fmt.Sprintf("%X", sms.Pack(code, 0))), answer(0, want))
		r.want(cusd("*100#"), result("ERROR"))
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{USSD: USSDUCS2})
		want := fmt.Sprintf("%X", sms.EncodeUCS2("Your balance is 12.34 EUR."))
		r.want(cusd("*100#"), ok()+result(`+CUSD: 0,"`+want+`",72`))
	})
}

// Times are within their spans, vary, and are the same for the same seed.
func TestTimings(t *testing.T) {
	measure := func(seed uint64, timing Timings) (sends, reported []time.Duration) {
		timing.Seed = seed
		synctest.Test(t, func(t *testing.T) {
			r := start(t, Config{Timing: timing, Latency: time.Hour})
			time.Sleep(timing.Register.Max + timing.SIMBusy.Max)
			r.want("AT+CNMI=2,1,0,1,0\r", ok())
			until := func(what string) time.Duration {
				began := time.Now()
				for said := ""; !strings.Contains(said, what); said += r.take() {
					if time.Since(began) > time.Minute {
						t.Fatalf("no %q in a minute, but %q", what, said)
					}
					time.Sleep(time.Millisecond)
				}
				return time.Since(began)
			}
			typed, length := submit(t, textTo("491701", "x"))
			for range 20 {
				r.say(fmt.Sprintf("AT+CMGS=%d\r", length))
				if took := until("> "); took < timing.Prompt.Min || took > timing.Prompt.Max+time.Millisecond {
					t.Errorf("a prompt after %v", took)
				}
				r.say(typed + "\x1a")
				sends = append(sends, until("OK"))
				reported = append(reported, until("+CDS"))
			}
		})
		return sends, reported
	}
	for name, timing := range map[string]Timings{"gsm": TimingGSM(), "lte": TimingLTE()} {
		named, err := TimingOf(name)
		if err != nil || named != timing {
			t.Errorf("%s: %+v, %v", name, named, err)
		}
		sends, reported := measure(1, timing)
		for i := range sends {
			if sends[i] < timing.Send.Min || sends[i] > timing.Send.Max+time.Millisecond || reported[i] < timing.Report.Min-time.Millisecond ||
				reported[i] > timing.Report.Max+time.Millisecond {
				t.Errorf("%s: sent after %v, reported after %v", name, sends[i], reported[i])
			}
		}
		if slices.Max(sends)-slices.Min(sends) < (timing.Send.Max-timing.Send.Min)/3 {
			t.Errorf("%s: they do not vary: %v", name, sends)
		}
		if again, _ := measure(1, timing); !slices.Equal(again, sends) {
			t.Errorf("%s: another run gave %v, not %v", name, again, sends)
		}
		if other, _ := measure(2, timing); slices.Equal(other, sends) {
			t.Errorf("%s: another seed gave the same", name)
		}
	}
	if none, err := TimingOf(""); err != nil || none != (Timings{}) {
		t.Errorf("no name: %+v, %v", none, err)
	}
	if _, err := TimingOf("fast"); err == nil {
		t.Error("fast: no error")
	}
}

// A restart takes Boot, and then Register and SIMBusy.
func TestBootTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Timing: TimingGSM()})
		time.Sleep(time.Minute)
		r.m.Reset()
		time.Sleep(7900 * time.Millisecond)
		r.wantNow("before 8 s", "")
		time.Sleep(100 * time.Millisecond)
		r.wantNow("at 8 s", bootURCs)
		r.want("ATE0+CREG?\r", "ATE0+CREG?\r"+ok("+CREG: 0,2"))
		r.want("AT+CPMS?\r", result("+CMS ERROR: 314"))
		time.Sleep(20 * time.Second)
		r.want("AT+CREG?\r", ok("+CREG: 0,1"))
	})
}
