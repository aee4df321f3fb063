package modem

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"smsgateway/modem/sim"
)

// TestFindings: each thing that can be wrong is found, with its cure, and nothing else.
func TestFindings(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ports := []PortInfo{{Path: "/dev/serial/by-id/usb-HUAWEI-if02", Device: "/dev/ttyUSB2", Vendor: "12d1", Product: "1001", Interface: 2}}
	held := fmt.Errorf("open: %w", &heldError{pid: 812, program: "ModemManager", port: "/dev/ttyUSB2"})
	for _, tt := range []struct {
		name   string
		change func(*evidence)
		want   []string // "severity: words of What | words of Cure"; all that is not ok
	}{
		{"well", func(*evidence) {}, nil},
		{"no such port", func(e *evidence) { e.err = ErrPortMissing },
			[]string{"fail: there is no such port | take one of these: /dev/ttyUSB2 (USB 12d1:1001, interface 2) = /dev/serial/by-id/usb-HUAWEI-if02"}},
		{"no port at all", func(e *evidence) { e.err, e.ports = ErrPortMissing, nil }, []string{"fail: no such port | plug the modem in"}},
		{"storage mode", func(e *evidence) {
			e.err, e.sticks = ErrPortMissing, []Stick{{What: "HUAWEI still is a CD-ROM", Cure: "install usb-modeswitch"}}
		}, []string{"fail: no such port | take", "fail: still is a CD-ROM | install usb-modeswitch"}},
		{"no right", func(e *evidence) { e.err = &fs.PathError{Op: "open", Path: e.port, Err: unix.EACCES} }, []string{"fail: no right to open | usermod -aG dialout"}},
		{"no tty", func(e *evidence) { e.err = fmt.Errorf("open: %w", unix.ENOTTY) }, []string{"fail: is no serial port | name a serial port; take one of these"}},
		{"ModemManager", func(e *evidence) { e.err = held }, []string{`fail: ModemManager (pid 812) has /dev/ttyUSB77 open | ENV{ID_MM_DEVICE_IGNORE}="1"`}},
		{"somebody", func(e *evidence) { e.err = fmt.Errorf("open: %w", ErrPortBusy) }, []string{"fail: another program uses | stop it"}},
		{"ourselves", func(e *evidence) { e.err = fmt.Errorf("open: %w", errPortOurs) }, []string{"fail: this gateway uses | of its own"}},
		{"never quiet", func(e *evidence) { e.err = errUnclear }, []string{"fail: no clear answer to AT | plug the modem in again"}},
		{"another error", func(e *evidence) { e.err = unix.EINVAL }, []string{"fail: invalid argument | "}},
		{"deaf", func(e *evidence) { e.found = Probed{} }, []string{"fail: does not answer AT | wait a minute"}},
		{"deaf, of the machine", func(e *evidence) { e.found, e.port = Probed{}, "/dev/ttyS0" }, []string{"fail: does not answer AT | look at the cable"}},
		{"wrong port of the stick", func(e *evidence) { e.found, e.sibling = Probed{}, "/dev/ttyUSB3" },
			[]string{"fail: does not answer AT: it is another port of the stick | take the one that does: /dev/ttyUSB3"}},
		{"no texts", func(e *evidence) { e.found.SMS = false }, []string{"fail: knows no commands for texts | another modem"}},
		{"no texts on this port", func(e *evidence) { e.found.SMS, e.sibling = false, "/dev/ttyUSB3" }, []string{"fail: knows no commands for texts | /dev/ttyUSB3"}},
		{"PIN", func(e *evidence) { e.found.SIM, e.found.SIMText, e.found.PINTries = "SIM PIN", "asks for its PIN", -1 },
			[]string{`warn: asks for its PIN | nothing, if pin = "..." is set`}},
		{"PIN, tries known", func(e *evidence) { e.found.SIM, e.found.SIMText, e.found.PINTries = "SIM PIN", "asks for its PIN", 3 },
			[]string{`warn: asks for its PIN; 3 tries are left | nothing, if pin = "..." is set`}},
		{"PIN, last try", func(e *evidence) { e.found.SIM, e.found.SIMText, e.found.PINTries = "SIM PIN", "asks for its PIN", 1 },
			[]string{"fail: one try left | into a phone"}},
		{"PUK", func(e *evidence) { e.found.SIM, e.found.SIMText = "SIM PUK", simText("SIM PUK", nil) }, []string{"fail: its PUK | enter the PUK"}},
		{"no SIM", func(e *evidence) { e.found.SIM, e.found.SIMText = "", simText("", CMEError(10)) }, []string{"fail: missing | put one in"}},
		{"SIM busy", func(e *evidence) { e.found.SIM, e.found.SIMText = "", simText("", CMEError(14)) }, []string{"warn: busy | wait"}},
		{"SIM failure", func(e *evidence) { e.found.SIM, e.found.SIMText = "", simText("", CMEError(13)) }, []string{"fail: not usable | clean"}},
		{"SIM silent", func(e *evidence) { e.found.SIM, e.found.SIMText = "", simText("", ErrNoAnswer) }, []string{"fail: unknown | clean"}},
		{"modem locked", func(e *evidence) { e.found.SIM, e.found.SIMText = "PH-NET PIN", simText("PH-NET PIN", nil) },
			[]string{"fail: locked to another network | unlock"}},
		{"denied", func(e *evidence) { e.register(3) }, []string{"fail: registration denied | activated"}},
		{"searching", func(e *evidence) { e.register(2) }, []string{"fail: searching | aerial"}},
		{"emergency", func(e *evidence) { e.register(8) }, []string{"fail: emergency | roam"}},
		{"no registration", func(e *evidence) { e.found.Registration, e.found.Registered = -1, false }, []string{"warn: does not say | "}},
		{"weak", func(e *evidence) { e.found.Signal = -105 }, []string{"warn: -105 dBm, which is weak | aerial"}},
		{"no service centre", func(e *evidence) { e.found.SMSC = "" }, []string{"fail: service centre | set smsc"}},
		{"full", func(e *evidence) { e.found.Used = 20 }, []string{"warn: the memory SM is full (20 of 20 texts) | start the gateway"}},
		{"no reports", func(e *evidence) { e.found.Reports = false }, []string{"warn: no status reports | another modem"}},
		{"clock long past", func(e *evidence) { e.now, e.found.Clock = time.Unix(0, 0), time.Time{} }, []string{"fail: long past | timedatectl"}},
		{"clocks differ", func(e *evidence) { e.found.Clock = now.Add(25 * time.Hour) }, []string{"warn: the clock of this machine | timedatectl"}},
		{"clocks differ a little", func(e *evidence) { e.found.Clock = now.Add(-23 * time.Hour) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := evidence{port: "/dev/ttyUSB77", ports: ports, now: now, found: Probed{
				AnswersAT: true, SMS: true, SIM: "READY", SIMText: "ready", PINTries: -1, Registration: 1, RegistrationText: "registered, home network",
				Registered: true, Operator: "SimNet", Signal: -71, SMSC: "+49171", Reports: true, Memory: "SM", Used: 1, Total: 20, Clock: now,
			}}
			tt.change(&e)
			var bad []Finding
			for _, f := range e.findings() {
				if f.Severity != OK {
					bad = append(bad, f)
				}
			}
			if len(bad) != len(tt.want) {
				t.Fatalf("got %+v, want %q", bad, tt.want)
			}
			for i, want := range tt.want {
				severity, words, _ := strings.Cut(want, ": ")
				what, cure, _ := strings.Cut(words, " | ")
				if f := bad[i]; string(f.Severity) != severity || !strings.Contains(f.What, what) || !strings.Contains(f.Cure, cure) {
					t.Errorf("got %+v, want %q", f, want)
				}
			}
		})
	}
}

// register puts a registration into what was found.
func (e *evidence) register(stat int) {
	e.found.Registration = stat
	e.found.RegistrationText, e.found.Registered = registration(stat)
}

// TestDiagnoseStick: where a port is deaf, the one of the same stick that does texts is named, and no other.
func TestDiagnoseStick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 366 * 24 * time.Hour) // a bubble begins in the year 2000, which would be a finding of its own
		tr := newTree(t)
		tr.huawei("1-1", "11", 0)
		tr.huawei("1-2", "22", 3)
		open := func(_ context.Context, port string, _ int) (Port, error) {
			switch filepath.Base(port) {
			case "ttyUSB3":
				return nil, ErrPortBusy
			case "ttyUSB2", "ttyUSB4":
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					_ = sim.New(sim.Config{}).Serve(t.Context(), far) // it ends with the line
				}()
				return near, nil
			}
			return &deafPort{closed: make(chan struct{})}, nil
		}
		_, got := tr.system().diagnose(t.Context(), prober{open: open, timing: probeTiming}, filepath.Join(tr.root, "dev/ttyUSB5"), 0)
		if len(got) != 1 || got[0].Severity != Fail || !strings.HasSuffix(got[0].Cure, "usb-HUAWEI_HUAWEI_Mobile_22-if01-port0") {
			t.Errorf("got %+v", got)
		}
		_, got = tr.system().diagnose(t.Context(), prober{open: open, timing: probeTiming}, filepath.Join(tr.root, "dev/ttyUSB2"), 0)
		if slices.ContainsFunc(got, func(f Finding) bool { return f.Severity == Fail }) || len(got) < 3 {
			t.Errorf("of the right port: %+v", got)
		}
	})
}

func TestDiagnoseMissing(t *testing.T) {
	all := Diagnose(t.Context(), nil, []Config{{Name: "a", Port: filepath.Join(t.TempDir(), "ttyUSB0"), Baud: 115200}})
	if got := all[0]; len(all) != 1 || len(got) == 0 || got[0].Severity != Fail || !strings.Contains(got[0].What, "no such port") {
		t.Errorf("got %+v", got)
	}
}

// TestDiagnoseTogether: no two modems of a configuration are said to be well on one stick, and one that is known is
// looked for as the gateway does.
func TestDiagnoseTogether(t *testing.T) {
	const first, second, third = "356938035643809", "490154203237518", "356938035643817"
	twoAuto := []Config{{Name: "a", Port: "auto"}, {Name: "b", Port: "auto"}}
	for _, tt := range []struct {
		name    string
		sticks  []string // their IMEIs; the first is at ttyUSB0
		modems  []Config // a path begins at the root of the tree
		known   notebook
		answers []string // words of a finding of each modem that is not ok; "" all are
	}{
		{"two auto, one stick", []string{first}, twoAuto, nil, []string{"", "no free modem that does texts among"}},
		{"two auto, two sticks", []string{first, second}, twoAuto, nil, []string{"", ""}},
		{"auto leaves the others theirs", []string{first, second},
			[]Config{{Name: "a", Port: "auto"}, {Name: "b", Port: "imei:" + first}}, nil, []string{"", ""}},
		{"a path and a link to it", []string{first}, []Config{{Name: "a", Port: "/dev/ttyUSB0"}, {Name: "b", Port: "/dev/modem"}},
			nil, []string{"", "is the port of modem a too: it leads to"}},
		{"one path in two ways", []string{first}, []Config{{Name: "a", Port: "/dev/ttyUSB0"}, {Name: "b", Port: "/dev/../dev/ttyUSB0"}},
			nil, []string{"", "is the port of modem a too"}},
		{"one by its number, one by its path", []string{first},
			[]Config{{Name: "a", Port: "imei:" + first}, {Name: "b", Port: "/dev/ttyUSB0"}}, nil, []string{"", "is the port of modem a too"}},
		{"a path at which another's modem is", []string{first, second},
			[]Config{{Name: "a", Port: "/dev/ttyUSB0"}, {Name: "b", Port: "imei:" + first}}, nil, []string{"", "(in use by a)"}},
		{"known, and moved", []string{first, second}, twoAuto,
			notebook{"a": {Identity: Identity{IMEI: second}, Spec: "auto", HomeIMEI: second}}, []string{"", ""}},
		{"known, and exchanged", []string{first}, twoAuto[:1],
			notebook{"a": {Identity: Identity{IMEI: third}, Spec: "auto", HomeIMEI: third}},
			[]string{"is not there; the gateway takes another in its place"}},
		{"a path that is not there", []string{first}, []Config{{Name: "a", Port: "/dev/ttyUSB7"}}, nil, []string{"there is no such port"}},
		{"an IMEI that is not there", []string{first}, []Config{{Name: "a", Port: "imei:" + third}}, nil, []string{"no modem with IMEI"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(26 * 366 * 24 * time.Hour)
				b := newHub(t)
				for i, imei := range tt.sticks {
					b.adapter(fmt.Sprintf("1-%d", i+1), fmt.Sprintf("ttyUSB%d", i), Probed{Identity: Identity{IMEI: imei}})
				}
				b.link("ttyUSB0", "dev", "modem")
				open := func(_ context.Context, port string, _ int) (Port, error) {
					real, err := filepath.EvalSymlinks(port)
					if err != nil {
						return nil, ErrPortMissing
					}
					near, far := net.Pipe()
					go func() {
						defer far.Close()
						imei := b.modems[filepath.Base(real)].IMEI
						_ = sim.New(sim.Config{IMEI: imei, ICCID: "8949010000" + imei[6:]}).Serve(t.Context(), far)
					}()
					return near, nil
				}
				modems := slices.Clone(tt.modems)
				for i := range modems {
					if strings.HasPrefix(modems[i].Port, "/") {
						modems[i].Port = b.root + modems[i].Port
					}
				}
				var memory Memory
				if tt.known != nil {
					memory = tt.known
				}
				before := maps.Clone(tt.known)
				all := b.system().diagnoseAll(t.Context(), prober{open: open, timing: probeTiming}, memory, modems)
				for i, want := range tt.answers {
					var bad []string
					for _, f := range all[i] {
						if f.Severity != OK {
							bad = append(bad, f.What)
						}
					}
					if text := strings.Join(bad, "; "); !strings.Contains(text, want) || want == "" && text != "" {
						t.Errorf("of %s: %q, want %q", modems[i].Name, text, want)
					}
				}
				if !maps.Equal(before, tt.known) {
					t.Errorf("it remembers %+v", tt.known)
				}
			})
		})
	}
}
