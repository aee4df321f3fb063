package modem

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStart holds the whole sequence of gsm-modem §1.2, for a modem that does everything right.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := start(t, f, nil)
		b.waitReady()
		want := []string{
			"ATZ", "ATE0", "AT+CMEE=1", "AT+CGMI", "AT+CGMM", "AT+CGMR", "AT+CGSN", "AT+CFUN?", "AT+CPIN?",
			"AT+CMGF=0", "AT+CSMS=0", "AT+CMMS=?", "AT+CMMS=2", "AT+CSCA?", "AT+CPMS=?", `AT+CPMS="SM","SM","SM"`, "AT+CIMI", "AT+CCID", "AT+CNMI=2,1,0,1,0", "AT+CNMI?",
			"AT+CREG=1", "AT+CREG?", "AT+CGREG=1", "AT+CGREG?", "AT+CEREG=1", "AT+CEREG?",
			"AT+CMGL=4", `AT+CPMS="ME"`, "AT+CMGL=4", `AT+CPMS="SM"`,
			"AT+CSQ", "AT+CREG?", "AT+CGREG?", "AT+COPS?", "AT+CNMI?", "AT+CPMS?",
		}
		if got := f.asked(); !reflect.DeepEqual(got, want) {
			t.Errorf("asked %q\nwant %q", got, want)
		}
		if f.writes[0] != "\x1b" || f.writes[1] != "\r" || f.writes[2] != "AT\r" {
			t.Errorf("it began with %q, want ESC, CR, AT", f.writes[:3])
		}
		st := b.Status()
		id := Identity{"sim1", "356938035643809", "262011234567890", "8949020000012345678", "huawei", "E173", "11.126.85.00.209"}
		if st.Identity != id {
			t.Errorf("identity %+v, want %+v", st.Identity, id)
		}
		if st.State != StateReady || st.Operator != "Telekom.de" || st.Signal != -95 || st.SMSC != "+491710760000" || !st.Reports ||
			st.Registration != 1 || st.LastError != "" || st.Opens != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// quirk is a deviation that the sheet or a public driver knows, and what has to become of it.
type quirk struct {
	name   string
	change func(*fake)
	check  func(*testing.T, *bench) // nil: it is enough that the modem gets to work
}

// startAll starts a modem with each of the quirks, and sends a text.
func startAll(t *testing.T, quirks []quirk) {
	for _, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				q.change(f)
				b := start(t, f, nil)
				b.waitReady()
				if q.check != nil {
					q.check(t, b)
				}
				if ref, _, err := b.send(); err != nil || ref != 12 {
					t.Errorf("ref %d, error %v; want 12, nil", ref, err)
				}
			})
		})
	}
}

// TestStartLine: what the line may be like when it is opened.
func TestStartLine(t *testing.T) {
	startAll(t, []quirk{
		{"at the prompt of a dead process", func(f *fake) { f.prompted = true; f.line = []byte("003100") }, func(t *testing.T, b *bench) {
			if len(b.fake.bodies) != 0 {
				t.Errorf("sent %q", b.fake.bodies)
			}
		}},
		{"it cannot stop to echo", func(f *fake) { f.set("ATE0", "\r\nERROR\r\n") }, func(t *testing.T, b *bench) {
			if n := b.fake.times("ATE0"); n != 2 {
				t.Errorf("ATE0 was tried %d times, want twice", n)
			}
			for range 3 {
				if ref, _, err := b.send(); err != nil || ref != 12 {
					t.Errorf("with echo: ref %d, error %v; want 12, nil", ref, err)
				}
			}
			if n := b.fake.times("ATZ"); n != 1 {
				t.Errorf("its echo was taken for a restart: set up %d times", n)
			}
		}},
		{"it says nothing to ATZ and sleeps for 3 s", func(f *fake) {
			f.set("ATZ", "")
			f.hooks["ATZ"] = func() {
				f.change(func() { f.deaf = true })
				time.AfterFunc(3*time.Second, func() { f.change(func() { f.deaf = false }) })
			}
		}, nil},
		{"digits instead of words (ATV0)", func(f *fake) {
			verbose := false
			for _, c := range []string{"AT", "ATQ0V1"} {
				f.hooks[c] = func() {
					verbose = verbose || c != "AT"
					f.set("AT", map[bool]string{false: "0\r", true: "\r\nOK\r\n"}[verbose])
				}
			}
		}, nil},
		{"a storm of reports", func(f *fake) {
			for c, a := range f.answers {
				f.answers[c] = "\r\n^RSSI:14\r\n" + strings.Replace(a, "\r\n\r\n", "\r\n\r\n^DSFLOWRPT:0,0\r\n\r\n", 1)
			}
		}, func(t *testing.T, b *bench) {
			if id := b.Status().Identity; id.IMEI != "356938035643809" || id.Manufacturer != "huawei" {
				t.Errorf("identity %+v", id)
			}
		}},
	})
}

// TestStartModem: how modems differ.
func TestStartModem(t *testing.T) {
	startAll(t, []quirk{
		{"identity in every form (gsm-modem §1.6)", func(f *fake) {
			f.set("AT+CGMI", "\r\n+CGMI: \" WAVECOM MODEM\"\r\n\r\nOK\r\n", "AT+CGMM", "\r\nERROR\r\n", "AT+CGMR", "\r\nR7.43\r\nbuilt x\r\n\r\nOK\r\n",
				"AT+CGSN", "\r\n+CGSN: \"352097013456789\"\r\n\r\nOK\r\n", "AT+CCID", "\r\nERROR\r\n", "AT+ICCID", "\r\n+ICCID: 8949020000012345678F\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			id := Identity{"sim1", "352097013456789", "262011234567890", "8949020000012345678", "WAVECOM MODEM", "", "R7.43"}
			if got := b.Status().Identity; got != id {
				t.Errorf("identity %+v, want %+v", got, id)
			}
		}},
		{"radio off", func(f *fake) { f.set("AT+CFUN?", "\r\n+CFUN: 4\r\n\r\nOK\r\n") }, func(t *testing.T, b *bench) {
			if b.fake.times("AT+CFUN=1") != 1 {
				t.Error("AT+CFUN=1 was not said")
			}
		}},
		{"Wavecom is busy for a while after AT+CFUN=1 (gammu issue 93)", func(f *fake) {
			f.set("AT+CFUN?", "\r\n+CFUN: 0\r\n\r\nOK\r\n", "AT+CMGF=0", "\r\n+CME ERROR: 515\r\n")
			time.AfterFunc(10*time.Second, func() { f.set("AT+CMGF=0", "\r\nOK\r\n") })
		}, nil},
		{"Wavecom says no OK behind +CPIN (gammu F_CPIN_NO_OK)", func(f *fake) { f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n") }, nil},
	})
}

// TestCardName: one card has one name in whatever form a modem gives its number, whoever asks for it: the probe, the PIN,
// the start.
func TestCardName(t *testing.T) {
	const printed, of20 = "8949020000012345678", "89860220110450001234"
	for answer, want := range map[string]string{
		"+CCID: " + printed:               printed,
		"+CCID: \"" + printed + "F\"":     printed,
		"+CCID: 98942000001032547 6F8":    "", // no number in one piece
		"989420000010325476F8":            printed,
		"+CCID: 989420000010325476":       "894902000001234567", // the modem has cut it off at the F
		"+CCID: \"989420000010325476f8\"": printed,
		"+CCID: " + of20:                  of20,
		"+CCID: 98682002114005002143":     of20,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			locked(f, 3)
			f.set("AT+CCID", "\r\n"+answer+"\r\n\r\nOK\r\n", "AT+ICCID", "\r\nERROR\r\n")
			p := prober{timing: probeTiming, open: func(context.Context, string, int) (Port, error) { return f.open(), nil }}
			probed, err := p.look(t.Context(), "/dev/fake", 0, true)
			if err != nil || probed.ICCID != want {
				t.Errorf("%s: probed as %q, %v, want %q", answer, probed.ICCID, err, want)
			}
			var asked Identity
			b := start(t, f, func(cfg *Config) {
				cfg.PIN, cfg.MayUnlock = "8642", func(id Identity) error { asked = id; return nil }
			})
			b.waitReady()
			if got := b.Status().Identity; asked.ICCID != want || got.ICCID != want || want != "" && got.Line() != want {
				t.Errorf("%s: unlocked as %q, started as %q with the line %s, want %q", answer, asked.ICCID, got.ICCID, got.Line(), want)
			}
		})
	}
}

// TestStartSIM: SIM and service centre.
func TestStartSIM(t *testing.T) {
	startAll(t, []quirk{
		{"SIM busy", func(f *fake) {
			f.set("AT+CPIN?", "\r\n+CME ERROR: 14\r\n")
			time.AfterFunc(20*time.Second, func() { f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n") })
		}, nil},
		{"SIM busy where it is read (314 after the PIN)", func(f *fake) {
			f.set("AT+CSCA?", "\r\n+CMS ERROR: 314\r\n")
			time.AfterFunc(20*time.Second, func() { f.set("AT+CSCA?", "\r\n+CSCA: \"+491710760000\",145\r\n\r\nOK\r\n") })
		}, func(t *testing.T, b *bench) {
			if got := b.Status().SMSC; got != "+491710760000" {
				t.Errorf("service centre %q", got)
			}
		}},
		{"SIM missing, then put in", func(f *fake) {
			f.set("AT+CPIN?", "\r\n+CME ERROR: 10\r\n")
			time.AfterFunc(5*time.Minute, func() { f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n") })
		}, func(t *testing.T, b *bench) {
			if st := b.Status(); st.Opens != 1 || !strings.Contains(st.LastError, "Put a SIM into the modem") {
				t.Errorf("%d opens, last error %q; want 1, and what to do", st.Opens, st.LastError)
			}
		}},
		{"reports only with acknowledgements", func(f *fake) { f.wantsAcks() }, func(t *testing.T, b *bench) {
			if !b.Status().Reports || b.fake.times("AT+CSMS=1") != 1 {
				t.Errorf("reports %v, AT+CSMS=1 said %d times; want it once, and reports", b.Status().Reports, b.fake.times("AT+CSMS=1"))
			}
		}},
		{"no reports at all", func(f *fake) {
			f.wantsAcks().set("AT+CSMS=1", "\r\n+CMS ERROR: 303\r\n", "AT+CNMI?", "\r\n+CNMI: 2,1,0,0,0\r\n\r\nOK\r\n")
			f.hooks["AT+CSMS=1"] = nil
		}, func(t *testing.T, b *bench) {
			if b.Status().Reports || b.fake.times("AT+CNMI=2,1,0,0,0") != 1 {
				t.Errorf("reports %v, asked %q; want none", b.Status().Reports, b.fake.asked())
			}
		}},
		{"no reports with acknowledgements either", func(f *fake) {
			f.wantsAcks().set("AT+CNMI?", "\r\n+CNMI: 2,1,0,0,0\r\n\r\nOK\r\n")
			f.hooks["AT+CSMS=1"] = nil
		}, func(t *testing.T, b *bench) {
			if b.Status().Reports || b.fake.times("AT+CSMS=1") != 1 || b.fake.times("AT+CSMS=0") != 2 {
				t.Errorf("reports %v, asked %q; want none, and no need to acknowledge", b.Status().Reports, b.fake.asked())
			}
		}},
		{"no service centre", func(f *fake) { f.set("AT+CSCA?", "\r\n+CSCA: \"\",129\r\n\r\nOK\r\n") }, func(t *testing.T, b *bench) {
			if st := b.Status(); !strings.Contains(st.LastError, "service centre") || st.SMSC != "" {
				t.Errorf("last error %q, service centre %q", st.LastError, st.SMSC)
			}
		}},
		{"service centre without plus", func(f *fake) { f.set("AT+CSCA?", "\r\n+CSCA: \"491710760000\",145\r\n\r\nOK\r\n") }, func(t *testing.T, b *bench) {
			if got := b.Status().SMSC; got != "+491710760000" {
				t.Errorf("service centre %q", got)
			}
		}},
	})
}

// TestStartMemory: memories and what is reported.
func TestStartMemory(t *testing.T) {
	startAll(t, []quirk{
		{"refuses three memories", func(f *fake) {
			f.set(`AT+CPMS="SM","SM","SM"`, "\r\n+CMS ERROR: 302\r\n", `AT+CPMS="SM","SM"`, "\r\nERROR\r\n")
		}, func(t *testing.T, b *bench) {
			if b.fake.times(`AT+CPMS="SM"`) == 0 {
				t.Error("one memory was not tried")
			}
		}},
		{"memories without brackets (iWOW, gammu tests/at-cpms-sm)", func(f *fake) {
			f.set("AT+CPMS=?", "\r\n+CPMS: \"SM\",\"SM\",\"SM\"\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if n := b.fake.times("AT+CMGL=4"); n != 1 {
				t.Errorf("%d listings, want that of SM", n)
			}
		}},
		{"memories of which it says nothing (Samsung J700, gammu tests/at-cpms)", func(f *fake) {
			f.set("AT+CPMS=?", "\r\n+CPMS: \r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if b.fake.times(`AT+CPMS="SM","SM","SM"`) != 1 {
				t.Error("SM was not tried")
			}
		}},
		{"Qualcomm refuses mode 2 (oFono)", func(f *fake) {
			f.set("AT+CNMI=2,1,0,1,0", "\r\n+CMS ERROR: 303\r\n", "AT+CNMI?", "\r\n+CNMI: 1,1,0,1,0\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if b.fake.times("AT+CNMI=1,1,0,1,0") != 1 || !b.Status().Reports {
				t.Errorf("asked %q, reports %v", b.fake.asked(), b.Status().Reports)
			}
		}},
		{"Siemens stores reports (Kannel, modems.conf TC35)", func(f *fake) {
			for _, m := range reportModes[:8] {
				f.answers["AT+CNMI="+m] = "\r\n+CMS ERROR: 303\r\n"
			}
			f.set("AT+CNMI?", "\r\n+CNMI: 3,1,0,2,1\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if b.fake.times("AT+CNMI=3,1,0,2,1") != 1 || !b.Status().Reports {
				t.Errorf("asked %q, reports %v", b.fake.asked(), b.Status().Reports)
			}
		}},
		{"Cinterion wants bfr 1 (Kannel, modems.conf), and this one gives no reports", func(f *fake) {
			for _, m := range slices.Concat(reportModes, []string{"2,1,0,0,0", "2,1", "1,1"}) {
				f.answers["AT+CNMI="+m] = "\r\n+CMS ERROR: 303\r\n"
			}
			f.set("AT+CNMI?", "\r\n+CNMI: 2,1,0,0,1\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if b.fake.times("AT+CNMI=2,1,0,0,1") != 1 || b.Status().Reports {
				t.Errorf("asked %q, reports %v", b.fake.asked(), b.Status().Reports)
			}
		}},
		{"it says OK to AT+CNMI and does not do it", func(f *fake) {
			f.set("AT+CNMI?", "\r\n+CNMI: 0,0,0,0,0\r\n\r\nOK\r\n")
			f.hooks["AT+CNMI=1,1,0,1,0"] = func() { f.set("AT+CNMI?", "\r\n+CNMI: 1,1,0,1,0\r\n\r\nOK\r\n") }
		}, func(t *testing.T, b *bench) {
			if b.fake.times("AT+CNMI=1,1,0,1,0") != 1 || b.fake.times("AT+CNMI=2,1,0,1,1") != 0 {
				t.Errorf("asked %q, want the second setting and no more", b.fake.asked())
			}
		}},
	})
}

// TestStartNetwork: registration, and trouble at the end.
func TestStartNetwork(t *testing.T) {
	startAll(t, []quirk{
		{"LTE alone is registered", func(f *fake) {
			f.set("AT+CREG?", "\r\n+CREG: 1,3\r\n\r\nOK\r\n", "AT+CGREG?", "\r\nERROR\r\n",
				"AT+CEREG=1", "\r\nOK\r\n", "AT+CEREG?", "\r\n+CEREG: 1,6\r\n\r\nOK\r\n")
		}, func(t *testing.T, b *bench) {
			if st := b.Status(); st.Registration != 6 {
				t.Errorf("registration %d (%s), want 6", st.Registration, st.RegistrationText)
			}
		}},
		{"it knows no registration", func(f *fake) {
			f.set("AT+CREG?", "\r\nERROR\r\n", "AT+CGREG?", "\r\nERROR\r\n")
		}, nil},
		{"it finds its network after a while", func(f *fake) {
			f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,2\r\n\r\nOK\r\n")
			time.AfterFunc(12*time.Minute, func() { f.set("AT+CREG?", "\r\n+CREG: 1,5\r\n\r\nOK\r\n") })
		}, func(t *testing.T, b *bench) {
			if n, off, on := b.fake.times("AT+COPS=0"), b.fake.times("AT+CFUN=4"), b.fake.times("AT+CFUN=1"); n != 1 || off != 1 || on != 1 {
				t.Errorf("in 12 minutes it was told to look anew %d times, and its radio switched off %d and on %d times; want once each", n, off, on)
			}
		}},
		{"it greets while it is set up", func(f *fake) {
			once := true
			f.hooks["AT+CSCA?"] = func() {
				if once {
					f.say("\r\nRDY\r\n")
				}
				once = false
			}
		}, func(t *testing.T, b *bench) {
			if n := b.fake.times("ATZ"); n != 2 {
				t.Errorf("set up %d times, want twice", n)
			}
		}},
		{"its listing hangs (Huawei, gammu issue 4)", func(f *fake) { f.set("AT+CMGL=4", "") }, func(t *testing.T, b *bench) {
			if n := b.fake.times("AT+CMGL=4"); n != 1 {
				t.Errorf("%d listings, want one and no more", n)
			}
		}},
	})
}

func TestConfiguredCentre(t *testing.T) {
	for _, tt := range []struct{ smsc, said string }{
		{"+447785016005", `AT+CSCA="+447785016005",145`},
		{"0171", `AT+CSCA="0171",129`},
		{"+491710760000", ""}, // the SIM has it already: its memory wears out
	} {
		t.Run(tt.smsc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				b := start(t, f, func(cfg *Config) { cfg.SMSC = tt.smsc })
				b.waitReady()
				var said []string
				for _, c := range f.asked() {
					if strings.HasPrefix(c, "AT+CSCA=") {
						said = append(said, c)
					}
				}
				if got := strings.Join(said, " "); got != tt.said || b.Status().SMSC != tt.smsc {
					t.Errorf("said %q, service centre %q; want %q, %q", got, b.Status().SMSC, tt.said, tt.smsc)
				}
			})
		})
	}
}

// TestCardKeepsItsName: a card that is busy when it is asked for its number, or whose answer gets lost, goes by no other
// name: its budget and its status reports would be another SIM's.
func TestCardKeepsItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CCID", "\r\n+CME ERROR: 14\r\n")
		time.AfterFunc(5*time.Second, func() { f.set("AT+CCID", "\r\n+CCID: \"8949020000012345678\"\r\n\r\nOK\r\n") })
		b := ready(t, f, nil)
		if got := b.Status().Line(); got != card {
			t.Errorf("a busy card goes by the name of %s", got)
		}
		f.set("AT+CCID", "\r\nERROR\r\n")
		f.say("\r\nRDY\r\n")
		time.Sleep(10 * time.Second)
		b.waitReady()
		if got := b.Status().Line(); got != card || !slices.Contains(f.asked(), "AT+CCID") {
			t.Errorf("after a restart it goes by the name of %s", got)
		}
		f.set("AT+CIMI", "\r\n262019999999999\r\n\r\nOK\r\n")
		f.say("\r\nRDY\r\n")
		time.Sleep(10 * time.Second)
		b.waitReady()
		if got := b.Status().Line(); got != "262019999999999" {
			t.Errorf("another card without a number goes by the name of %s", got)
		}
	})
}
