package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// noHardware is a machine without any port.
func noHardware() hardware {
	return hardware{
		ports:  func() ([]modem.PortInfo, error) { return nil, nil },
		sticks: func() ([]modem.Stick, error) { return nil, nil },
		portAt: func(string) (modem.PortInfo, error) { return modem.PortInfo{}, modem.ErrPortMissing },
		holder: func(string) (int, string, bool) { return 0, "", false },
		probe: func(context.Context, string, int) (modem.Probed, error) {
			return modem.Probed{},
				modem.ErrPortMissing
		},
		diagnose: func(_ context.Context, _ modem.Memory, modems []modem.Config) [][]modem.Finding {
			return make([][]modem.Finding, len(modems))
		},
		diagnosePort: func(string) []modem.Finding { return nil },
	}
}

// clinic is a gateway that does not run, on a machine without ports.
func clinic(t *testing.T, change func(*Options)) *Gateway {
	t.Helper()
	opt := Options{Path: filepath.Join(t.TempDir(), "gateway.db")}
	if change != nil {
		change(&opt)
	}
	g, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	g.hw = noHardware()
	return g
}

// has tells whether a finding of that severity about something says all the words; "" fits any.
func has(list []Finding, s Severity, about string, words ...string) bool {
	for _, f := range list {
		ok := f.Severity == s && (about == "" || f.About == about)
		for _, w := range words {
			ok = ok && strings.Contains(f.What+" "+f.Cure, w)
		}
		if ok {
			return true
		}
	}
	return false
}

// wantCures: what is at fault has a cure, and all are sentences.
func wantCures(t *testing.T, list []Finding) {
	t.Helper()
	for _, f := range list {
		if (f.Severity == Warn || f.Severity == Fault) && f.Cure == "" {
			t.Errorf("no cure: %+v", f)
		}
		if !strings.HasSuffix(f.What, ".") || f.About == "" {
			t.Errorf("no sentence, or about nothing: %+v", f)
		}
	}
}

// wardCase is a modem of a gateway that runs, and what the doctor says of it.
type wardCase struct {
	name  string
	view  ModemView
	hw    func(*hardware)
	worst Severity
	words []string
}

// with is a modem that is well, but for a change.
func with(change func(*ModemView)) ModemView {
	v := ModemView{Status: modem.Status{Name: "sim1", Port: "/dev/none", State: modem.StateReady, Since: time.Now(),
		Operator:     "SimNet",
		Registration: 1, Signal: -71, SMSC: "+491710760000", Reports: true}}
	change(&v)
	return v
}

// lineCases are about the way to the modem, its SIM and its network.
func lineCases() []wardCase {
	now, well := time.Now(), with(func(*ModemView) {})
	return []wardCase{
		{"well", well, nil, OK, []string{"ready", "SimNet", "strong"}},
		{"weak signal", with(func(v *ModemView) { v.Signal = -105 }), nil, Warn, []string{"weak", "aerial"}},
		{"no service centre", with(func(v *ModemView) { v.SMSC = "" }), nil, Fault, []string{"service centre", "smsc ="}},
		{"not registered for a moment", with(func(v *ModemView) {
			v.Manufacturer, v.Unregistered, v.RegistrationText = "huawei", now, "searching for a network"
		}), nil, Warn, []string{"huawei is ready, SimNet", "but the network carries none of its texts since", "searching"}},
		{"ladder beside a fault", with(func(v *ModemView) {
			v.State, v.Unwell, v.Ladder = modem.StateFailed, now, []modem.Climb{{Rung: modem.RungReopen, Times: 2}}
		}), nil, Fault, []string{"does not work"}},
		{"no reports", with(func(v *ModemView) { v.Reports = false }), nil, Warn, []string{"no status reports"}},
		{"memory full", with(func(v *ModemView) { v.Memory = "The memory SM is full." }), nil, Warn,
			[]string{"memory SM is full", "AT+CMGL=4"}},
		{"no PIN", with(func(v *ModemView) {
			v.State, v.LastError = modem.StateSIM,
				`the SIM wants its PIN; set pin = "..."`
		}), nil, Fault,
			[]string{"SIM can't be used", "set pin"}},
		{"SIM busy", with(func(v *ModemView) { v.State = modem.StateSIM }), nil, Warn, []string{"still starting", "a minute"}},
		{"does not search", with(func(v *ModemView) {
			v.State, v.Registration, v.RegistrationText = modem.StateSearching, 0,
				"not registered and not searching"
		}), nil, Fault,
			[]string{"no network", "SIM is in place", "AT+CPIN?"}},
		{"searching", with(func(v *ModemView) {
			v.State, v.Registration, v.RegistrationText = modem.StateSearching, 2,
				"searching"
		}), nil, Fault,
			[]string{"no network", "aerial"}},
		{"denied", with(func(v *ModemView) {
			v.State, v.Registration, v.RegistrationText = modem.StateSearching, 3,
				"denied"
		}), nil, Fault,
			[]string{"does not accept the SIM", "Ask the operator"}},
		{"missing", with(func(v *ModemView) { v.State, v.LastError = modem.StateMissing, "no such device" }), nil, Fault,
			[]string{"not there", "modem probe"}},
		{"missing, as its port is", with(func(v *ModemView) { v.State, v.LastError = modem.StateMissing, "no such device" }),
			func(hw *hardware) {
				hw.diagnosePort = func(string) []modem.Finding {
					return []modem.Finding{{Severity: modem.Fail, What: "/dev/none" + modem.NoSuchPort}}
				}
			}, Fault, []string{"not there", "modem probe", "!no such port"}},
		{"denied while it is ready", with(func(v *ModemView) {
			v.Unregistered, v.Registration, v.RegistrationText = now.Add(-time.Second), 3, "registration denied"
		}), nil, Warn, []string{"registration denied", "Ask the operator about the SIM", "!aerial"}},
		{"an answer that is slow", with(func(v *ModemView) {
			v.State, v.Awaiting, v.AwaitedUntil = modem.StateSending, now.Add(-20*time.Second), now.Add(160*time.Second)
		}), nil, Note, []string{"has not answered; it is waited for until " + clock(now.Add(160*time.Second))}},
		{"an answer that is late", with(func(v *ModemView) {
			v.State, v.Awaiting, v.AwaitedUntil = modem.StateSending, now.Add(-40*time.Second), now.Add(140*time.Second)
		}), nil, Warn, []string{"given a text at " + clock(now.Add(-40*time.Second)), "Wait; if it happens again"}},
		{"restarted for the operator", with(func(v *ModemView) { v.State, v.Restarted = modem.StateInitialising, now }),
			nil, Note, []string{"set up", "after the operator restarted it"}},
		{"just started", with(func(v *ModemView) { v.State = modem.StateInitialising }), nil, Note, []string{"set up"}},
		{"never gets ready", with(func(v *ModemView) { v.State, v.Since = modem.StateInitialising, now.Add(-time.Hour) }),
			nil, Fault, []string{"Unplug"}},
		{"starting", with(func(v *ModemView) { v.State = modem.StateStopped }), nil, Fault, []string{"starting"}},
		{"ladder", with(func(v *ModemView) {
			v.Unwell, v.Ladder = now, []modem.Climb{{Rung: modem.RungResync, Times: 2}}
		}), nil, Warn, []string{"unwell", "resync (2)"}},
		{"no permission", with(func(v *ModemView) { v.State, v.LastError = modem.StateFailed, "permission denied" }),
			func(hw *hardware) {
				hw.diagnosePort = func(string) []modem.Finding {
					return []modem.Finding{{Severity: modem.Fail, What: "no right to open /dev/none",
						Cure: "usermod -aG dialout me"}}
				}
			}, Fault, []string{"No right to open", "Usermod"}},
		{"wrong port of the stick", with(func(v *ModemView) { v.State, v.LastError = modem.StateFailed, "no answer" }),
			func(hw *hardware) {
				hw.portAt = func(string) (modem.PortInfo, error) { return modem.PortInfo{Device: "/dev/none"}, nil }
			}, Fault, []string{"does not work"}},
		{"searched for, and a stick that still is a CD-ROM", with(func(v *ModemView) {
			v.Port, v.State, v.LastError = "auto", modem.StateMissing, "no modem is there"
		}), func(hw *hardware) {
			hw.sticks = func() ([]modem.Stick, error) {
				return []modem.Stick{{What: "a Huawei stick is in storage mode", Cure: "install usb-modeswitch"}}, nil
			}
		}, Fault, []string{"storage mode", "Install usb-modeswitch"}},
		{"another program too", well, func(hw *hardware) {
			hw.holder = func(string) (int, string, bool) { return 812, "ModemManager", true }
		}, Warn, []string{"ModemManager (pid 812)", "Stop it"}},
	}
}

// workCases are about what the gateway does with the modem.
func workCases() []wardCase {
	now := time.Now()
	budget := func(used int) []BudgetUse { return []BudgetUse{{"day", used, 100, now.Add(time.Hour)}} }
	return []wardCase{
		{"paused", with(func(v *ModemView) {
			v.Paused, v.PausedReason, v.PausedAt, v.Waiting = true, "new tariff", now, "It is paused."
		}), nil, Warn,
			[]string{"paused since", "new tariff", "modem resume sim1"}},
		{"barred", with(func(v *ModemView) {
			v.BarredUntil, v.LastError, v.Waiting = now.Add(time.Hour), "barred.", "Left alone."
		}), nil, Fault,
			[]string{"does not let its SIM send", "tariff"}},
		{"alarm", with(func(v *ModemView) { v.Alarm, v.Waiting = "The SIM may not send.", "Left alone." }), nil, Fault,
			[]string{"may not send", "tariff"}},
		{"quiet", with(func(v *ModemView) {
			v.Quiet, v.QuietHours, v.Waiting = true, "22:00-07:00",
				"It has its quiet hours."
		}), nil, Note,
			[]string{"22:00-07:00"}},
		{"budget used up", with(func(v *ModemView) { v.Budget, v.Waiting = budget(100), "The budget is used up." }), nil,
			Warn, []string{"this day is used up (100 of 100)"}},
		{"budget nearly used up", with(func(v *ModemView) { v.Budget = budget(90) }), nil, Note,
			[]string{"nearly used up (90 of 100)"}},
		{"left alone", with(func(v *ModemView) { v.Waiting = "It is left alone for 5s." }), nil, Warn,
			[]string{"left alone for 5s"}},
		{"low credit", with(func(v *ModemView) {
			v.Balance, v.Waiting = Balance{Watched: true, Amount: "1.20 EUR", At: now, Limit: "2.00",
				Low: true}, "The credit is low."
		}), nil, Fault, []string{"1.20 EUR", "Top it up", "modem resume sim1"}},
		{"low credit, overruled", with(func(v *ModemView) {
			v.Balance = Balance{Watched: true, Amount: "1.20 EUR", At: now, Limit: "2.00", Low: true, Ignored: true}
		}), nil, Warn, []string{"1.20 EUR", "all the same"}},
		{"balance without a currency", with(func(v *ModemView) {
			v.Balance = Balance{Watched: true, Amount: "1.00", At: now, Limit: "2.00", Bare: true}
		}), nil, Warn, []string{"without a currency", "balance_match"}},
		{"balance not readable", with(func(v *ModemView) { v.Balance = Balance{Watched: true, Trouble: "no answer."} }),
			nil, Warn,
			[]string{"can't be read", "modem ussd sim1 CODE"}},
	}
}

// TestWard: what the doctor says of a modem of a gateway that runs.
func TestWard(t *testing.T) {
	for _, tt := range append(lineCases(), workCases()...) {
		t.Run(tt.name, func(t *testing.T) {
			g := &Gateway{opt: Options{}.withDefaults(), hw: noHardware()}
			if tt.hw != nil {
				tt.hw(&g.hw)
			}
			d := ward{g, tt.view, nil}
			d.state()
			d.port()
			d.work()
			tt.words = slices.DeleteFunc(tt.words, func(word string) bool { // "!word" is in none of them
				word, not := strings.CutPrefix(word, "!")
				if said := fmt.Sprintf("%+v", d.list); not && strings.Contains(said, word) {
					t.Errorf("it says %q: %s", word, said)
				}
				return not
			})
			if got := Worst(d.list); got != tt.worst || !has(d.list, tt.worst, "modem sim1", tt.words...) {
				t.Errorf("worst %s, want %s with %q: %+v", got, tt.worst, tt.words, d.list)
			}
			wantCures(t, d.list)
			if tt.worst == Fault && has(d.list, Warn, "", "Wait") {
				t.Errorf("to wait is no cure beside a fault: %+v", d.list)
			}
		})
	}
}

// TestDoctorFreesTheFile: a gateway can start while a command looks at the modems, which takes minutes.
func TestDoctorFreesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g := clinic(t, func(o *Options) { o.Path, o.ForCommand = path, true })
	looks := 0
	look := func() {
		looks++
		other, err := Open(Options{Path: path})
		if err != nil {
			t.Errorf("while a modem is looked at: %v", err)
			return
		}
		other.Close()
	}
	g.hw.portAt = func(port string) (modem.PortInfo, error) { return modem.PortInfo{Device: port}, nil }
	g.hw.probe = func(context.Context, string, int) (modem.Probed, error) { look(); return modem.Probed{}, nil }
	g.hw.diagnose = func(context.Context, modem.Memory, []modem.Config) [][]modem.Finding { look(); return nil }
	g.AddModem(modem.Config{Name: "sim1", Port: "/dev/ttyUSB0"}, ModemRules{})
	if err := g.PauseModem("sim1", "tests"); err != nil {
		t.Fatal(err)
	}
	list, err := g.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.ProbePort(t.Context(), "/dev/ttyUSB1", 0); err != nil {
		t.Error(err)
	}
	if looks != 2 || !slices.ContainsFunc(list, func(f Finding) bool { return strings.Contains(f.What, "paused") }) {
		t.Errorf("looked at %d ports, want 2; found %+v", looks, list)
	}
}

// TestDoctorLeavesTheAnswer: while a modem's answer may lie in its port, for a gateway that starts, no command opens a port.
func TestDoctorLeavesTheAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	killed := clinic(t, func(o *Options) { o.Path = path })
	id, err := killed.SendText(t.Context(), "", "+491701234567", "hello")
	if err == nil {
		err = killed.db.Claim(id, 0, "sim1", "sim", killed.opt.Now())
	}
	if err := errors.Join(err, killed.Close()); err != nil {
		t.Fatal(err)
	}
	ahead, looks := time.Duration(0), 0
	g := clinic(t, func(o *Options) {
		o.Path, o.Now = path, func() time.Time { return time.Now().Add(ahead) }
	})
	g.hw.portAt = func(port string) (modem.PortInfo, error) { return modem.PortInfo{Device: port}, nil }
	g.hw.probe = func(context.Context, string, int) (modem.Probed, error) { looks++; return modem.Probed{}, nil }
	g.hw.diagnose = func(_ context.Context, _ modem.Memory, modems []modem.Config) [][]modem.Finding {
		looks++
		return make([][]modem.Finding, len(modems))
	}
	g.AddModem(modem.Config{Name: "sim1", Port: "/dev/ttyUSB0"}, ModemRules{})
	g.AddModem(modem.Config{Name: "sim2", Port: "auto"}, ModemRules{}) // to find it, all ports are opened
	list, err := g.Diagnose(t.Context())
	if err != nil || !has(list, Note, "modem sim1", "not looked at", "sim1 was given a text") ||
		!has(list, Note, "modem sim2", "not looked at") {
		t.Errorf("%v, %+v", err, list)
	}
	wantCures(t, list)
	if _, err := g.ProbePort(t.Context(), "/dev/ttyUSB0", 0); err == nil || !strings.Contains(err.Error(), "was not opened") {
		t.Errorf("probe: %v", err)
	}
	if looks != 0 {
		t.Errorf("%d ports were opened", looks)
	}
	ahead = claimMost + time.Second // nobody would listen for it now
	if _, err := g.Diagnose(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := g.ProbePort(t.Context(), "/dev/ttyUSB0", 0); err != nil || looks != 2 {
		t.Errorf("later: %v, looked %d times, want 2", err, looks)
	}
}

// TestDoctorIdle: without a gateway that runs the ports are looked at.
func TestDoctorIdle(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	g := clinic(t, func(o *Options) { o.Listen = taken.Addr().String() })
	var asked string
	g.hw.diagnose = func(_ context.Context, memory modem.Memory, modems []modem.Config) [][]modem.Finding {
		if known, ok, err := memory.Modem("sim1"); !ok || err != nil || known.IMEI != "490154203237518" {
			t.Errorf("of sim1 is known %+v, %v", known, err)
		}
		for _, m := range modems {
			asked += fmt.Sprintf("%s %s %d", m.Name, m.Port, m.Baud)
		}
		return [][]modem.Finding{{{Severity: modem.OK, What: "it answers"},
			{Severity: modem.Fail, What: "no SIM", Cure: "put one in"}}}
	}
	known := modem.Known{Identity: modem.Identity{IMEI: "490154203237518"}}
	if err := g.ModemMemory().RememberModem("sim1", known); err != nil {
		t.Fatal(err)
	}
	g.AddModem(modem.Config{Name: "sim1", Port: "imei:490154203237518", Baud: 9600}, ModemRules{})
	g.AddModem(modem.Config{Name: "sim2", Port: "simulated"}, ModemRules{})
	if err := g.PauseModem("sim2", "tests"); err != nil {
		t.Fatal(err)
	}
	list, err := g.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantCures(t, list)
	if asked != "sim1 imei:490154203237518 9600" {
		t.Errorf("looked at %q", asked)
	}
	for _, want := range []struct {
		s     Severity
		about string
		words string
	}{
		{Fault, "gateway", "No gateway is running"},
		{Fault, "smpp", "another smsgateway, uses"},
		{OK, "clock", "It says"},
		{OK, "data_dir", "can be written to"},
		{Note, "accounts", "no account"},
		{OK, "queue", "No message waits"},
		{Fault, "modem sim1", "No SIM. Put one in."},
		{Note, "modem sim2", "simulated"},
		{Warn, "modem sim2", "paused"},
	} {
		if !has(list, want.s, want.about, want.words) {
			t.Errorf("no %s about %s: %q in %+v", want.s, want.about, want.words, list)
		}
	}
}

// TestDoctorBox: faults of the box itself.
func TestDoctorBox(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	late := time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	g := clinic(t, nil)
	if !has(g.diagnoseDisk(), OK, "data_dir") || !has(g.diagnoseClock(), OK, "clock") {
		t.Errorf("a good box: %+v %+v", g.diagnoseDisk(), g.diagnoseClock())
	}
	g.opt.Now = func() time.Time { return late }
	if list := g.diagnoseClock(); !has(list, Fault, "clock", "1970", "set-ntp") {
		t.Errorf("a clock of long ago: %+v", list)
	}
	g.opt.Path = filepath.Join(t.TempDir(), "gone", "gateway.db")
	if list := g.diagnoseDisk(); !has(list, Note, "data_dir", "the first start makes it") {
		t.Errorf("no directory yet: %+v", list)
	}
	g.opt.DataDir = file
	if list := g.diagnoseDisk(); !has(list, Fault, "data_dir", "can't be written to") {
		t.Errorf("a directory that is not ours: %+v", list)
	}
	g.opt.DataDir = ""
	g.opt.Path = "/proc/gone/gateway.db"
	if list := g.diagnoseDisk(); !has(list, Fault, "data_dir", "can't be made") {
		t.Errorf("a directory that can't be made: %+v", list)
	}
	modems := g.diagnoseModems(t.Context())
	if !has(modems, Fault, "modems", "No modem is configured", "modem probe") {
		t.Errorf("no modem: %+v", modems)
	}

	g.running.Store(true)
	defer g.running.Store(false)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.opt.Listen = ln.Addr().String()
	if list := g.diagnoseSMPP(t.Context()); !has(list, OK, "smpp", "takes connections") {
		t.Errorf("an open port: %+v", list)
	}
	ln.Close()
	g.opt.Listen = "127.0.0.1:1" // not the one from before, which by now may be another program's
	if list := g.diagnoseSMPP(t.Context()); !has(list, Fault, "smpp", "can't be reached") {
		t.Errorf("a closed port: %+v", list)
	}
}

// TestHiddenRules: a rule behind one that takes all that it would is told of, unless both are for one account.
func TestHiddenRules(t *testing.T) {
	all, other := InboundRule{Account: "all"}, InboundRule{Account: "other"}
	stop, bank := InboundRule{Account: "stop", Keyword: "Stop"}, InboundRule{Account: "bank", From: "+4917", Modem: "one"}
	country := InboundRule{Account: "de", From: "+49"}
	for _, tt := range []struct {
		rules []InboundRule
		want  []string
	}{
		{nil, nil},
		{[]InboundRule{stop, bank, country, all}, nil},
		{[]InboundRule{all, stop, bank}, []string{"rule 1 of [[inbound]] (account all) takes all that is for rule 2 (account stop), rule 3 (account bank)"}},
		{[]InboundRule{stop, country, bank, all, other}, []string{
			"rule 2 of [[inbound]] (account de) takes all that is for rule 3 (account bank)",
			"rule 4 of [[inbound]] (account all) takes all that is for rule 5 (account other)"}},
		{[]InboundRule{stop, {Account: "x", Keyword: "STOP", From: "+1"}, {Account: "y", From: "+1"}},
			[]string{"rule 1 of [[inbound]] (account stop) takes all that is for rule 2 (account x)"}},
		{[]InboundRule{all, {Account: "all", Keyword: "hi"}}, nil},
		{[]InboundRule{{Account: "x", Modem: "one"}, {Account: "y", Modem: "two"}, {Account: "z", From: "Bank"}}, nil},
	} {
		var log bytes.Buffer
		g := clinic(t, func(o *Options) { o.Inbound, o.Log = tt.rules, slog.New(slog.NewTextHandler(&log, nil)) })
		if got := HiddenRules(g.defaults().Inbound); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.rules, got, tt.want)
		}
		list := g.diagnoseInbound()
		wantCures(t, list)
		list = slices.DeleteFunc(list, func(f Finding) bool { return f.About != "inbound" || f.Severity != Warn })
		if g.warnInbound(); len(list) != len(tt.want) || strings.Count(log.String(), "has to stand before") != len(tt.want) {
			t.Errorf("%+v: found %+v, logged %s", tt.rules, list, log.String())
		}
	}
}

// TestDoctorExpiry: accounts that have expired, or will within a week.
func TestDoctorExpiry(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	g := clinic(t, func(o *Options) { o.Now, o.Zone = func() time.Time { return now }, time.UTC })
	for key, expires := range map[string]string{"past": "2026-03-09", "soon": "2026-03-15", "far": "2026-12-31", "free": ""} {
		if _, err := g.AddAccount(NewAccount{Key: key, Password: "secret12", Settings: Settings{"expires": expires}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := g.diagnoseAccounts()
	if err != nil {
		t.Fatal(err)
	}
	wantCures(t, list)
	if len(list) != 2 || !has(list, Warn, "account past", "It expired at", "--expires") || !has(list, Note, "account soon", "It will expire at", "--expires") {
		t.Errorf("%+v", list)
	}
}

// TestDoctorDamage: what was found damaged is told of until the gateway ends, by the name of its record.
func TestDoctorDamage(t *testing.T) {
	var path string
	g := clinic(t, func(o *Options) { path = o.Path })
	if list := g.diagnoseDamage(); len(list) > 0 {
		t.Errorf("of a file that is whole: %+v", list)
	}
	if _, err := g.AddAccount(NewAccount{Key: "shop", Password: "secret12"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(data, []byte("argon2id"))
	copied := filepath.Join(t.TempDir(), "gateway.db")
	for ; at >= 0; at = bytes.LastIndex(data[:at], []byte("argon2id")) {
		data[at] ^= 1
	}
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := clinic(t, func(o *Options) { o.Path = copied })
	if _, err := bad.Account("shop"); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("the damaged account is read: %v", err)
	}
	list := bad.diagnoseDamage()
	if len(list) != 1 || !has(list, Fault, "database", "damaged record accounts/", "smsgateway restore") {
		t.Errorf("%+v", list)
	}
}

// TestDoctorInbound: rules for accounts that do not exist, and what the inbox says of their texts.
func TestDoctorInbound(t *testing.T) {
	g := clinic(t, func(o *Options) {
		o.Inbound, o.InboundTo = []InboundRule{{Account: "stop", Keyword: "stop"}, {Account: "shop", From: "+1"}}, "rest"
	})
	if _, err := g.AddAccount(NewAccount{Key: "shop", Password: "secret12"}); err != nil {
		t.Fatal(err)
	}
	list := g.diagnoseInbound()
	wantCures(t, list)
	if len(list) != 2 || !has(list, Warn, "account stop", "[[inbound]]", "account add --key stop") ||
		!has(list, Warn, "account rest", "inbound_account names it") {
		t.Errorf("%+v", list)
	}
	for _, tt := range []struct {
		in   store.Inbound
		want string
	}{
		{store.Inbound{Text: "stop", Parts: 1}, "stop"},
		{store.Inbound{Text: "hello", Parts: 1}, "rest"},
		{store.Inbound{Text: "hello", Parts: 1, Account: "shop"}, ""},
		{store.Inbound{Text: "hello", Parts: 1, From: sms.Address{TON: 1, NPI: 1, Number: "123"}}, ""},
	} {
		if got := g.Stranger(tt.in); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestDoctorHomeless: a message that no modem is ever for is told of at once.
func TestDoctorHomeless(t *testing.T) {
	g := clinic(t, nil)
	g.AddModem(modem.Config{Name: "sim1", Port: "simulated"}, ModemRules{Prefixes: []string{"49"}})
	if _, err := g.SendText(t.Context(), "", "+491701234567", "hello"); err != nil {
		t.Fatal(err)
	}
	if list, err := g.diagnoseQueue(); err != nil || !has(list, OK, "queue", "Waiting messages: 1") {
		t.Errorf("for a modem: %+v, %v", list, err)
	}
	id, err := g.SendText(t.Context(), "", "+431701234567", "hello")
	if err != nil {
		t.Fatal(err)
	}
	list, err := g.diagnoseQueue()
	wantCures(t, list)
	if err != nil || len(list) != 1 || !has(list, Warn, "queue", id.String(), "No modem is for it") {
		t.Errorf("for no modem: %+v, %v", list, err)
	}
	g.running.Store(true)
	defer g.running.Store(false)
	if list := g.diagnoseModems(t.Context()); !has(list, Note, "modem sim1", "reaches a phone") {
		t.Errorf("a simulated one of a gateway that runs: %+v", list)
	}
}

// TestIsSimulated: what tells a modem in software.
func TestIsSimulated(t *testing.T) {
	g := &Gateway{opt: Options{Path: "/data/gateway.db"}}
	for _, tt := range []struct {
		spec, model string
		want        bool
	}{
		{"simulated", "", true}, {"/data/simulated1", "E1550", true}, {"/run/modem", "simulated modem", true},
		{"/dev/ttyUSB2", "E1550", false}, {"/data/modem", "", false}, {"/dev/simulated1", "", false},
	} {
		if got := g.isSimulated(tt.spec, tt.model); got != tt.want {
			t.Errorf("%s, %s: %v", tt.spec, tt.model, got)
		}
	}
}

// TestSentence: clauses become sentences, and names stay as they are.
func TestSentence(t *testing.T) {
	for clause, want := range map[string]string{
		"no SIM": "No SIM.", "": "", "minicom (pid 3) has it open": "minicom (pid 3) has it open.",
		"/dev/x is no port.": "/dev/x is no port.", "o2: registered": "o2: registered.",
	} {
		if got := sentence(clause); got != want {
			t.Errorf("%q: %q", clause, got)
		}
	}
}

// TestDoctorWaiting: messages and receipts that wait for too long.
func TestDoctorWaiting(t *testing.T) {
	ahead := time.Duration(0)
	g := clinic(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
	if _, err := g.AddAccount(NewAccount{Key: "shop", Password: "secret12"}); err != nil {
		t.Fatal(err)
	}
	id, err := g.SendText(t.Context(), "shop", "+491701234567", "hello")
	if err != nil {
		t.Fatal(err)
	}
	list, err := g.diagnoseQueue()
	if err != nil || !has(list, OK, "queue", "Waiting messages: 1") {
		t.Errorf("just queued: %+v, %v", list, err)
	}
	ahead = time.Hour
	list, err = g.diagnoseQueue()
	if err != nil || !has(list, Warn, "queue", id.String(), "message show") {
		t.Errorf("an hour later: %+v, %v", list, err)
	}
	wantCures(t, list)

	acct, err := g.Account("shop")
	if err != nil {
		t.Fatal(err)
	}
	number, err := sms.ParseNumber("+491701234568")
	if err != nil {
		t.Fatal(err)
	}
	accept := g.db.Enqueue(&store.Message{Account: acct.Key, Lane: acct.Lane, Accepted: g.opt.Now(),
		Expires:     g.opt.Now().Add(time.Hour),
		Destination: number, RegisteredDelivery: 1, Parts: make([]store.Part, 1)})
	<-accept.Done()
	second, err := accept.Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.db.Reject(second, "for the test", g.opt.Now()); err != nil {
		t.Fatal(err)
	}
	g.running.Store(true)
	defer g.running.Store(false)
	if list, err := g.diagnoseAccounts(); err != nil || !has(list, OK, "accounts", "may bind: 1") {
		t.Errorf("a fresh receipt: %+v, %v", list, err)
	}
	ahead += 2 * time.Minute
	if list, err := g.diagnoseAccounts(); err != nil || !has(list, Warn, "account shop", "no session is bound") {
		t.Errorf("a receipt that waits: %+v, %v", list, err)
	}
}
