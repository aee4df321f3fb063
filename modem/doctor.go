package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Severity says how bad a Finding is.
type Severity string

// The severities.
const (
	OK   Severity = "ok"   // as it should be
	Warn Severity = "warn" // it works, but not all of it, or not for long
	Fail Severity = "fail" // no text can be sent
)

// Finding is one thing that Diagnose found out about a modem's port.
type Finding struct {
	Severity Severity
	What     string // a sentence
	Cure     string // what to do about it; "" nothing
}

// NoSuchPort is what a Finding says behind the name of a port that is not there.
const NoSuchPort = ": there is no such port"

// Diagnose finds out why the modems of a gateway do not work, or that they do. Of a Config it takes Name, Port and Baud. The
// modems are found as Finder finds them, all by one, so that two are never said to be well on one stick; nothing is written
// to memory, which may be nil. The findings are in the order of modems; the worst is not always first: they come in the
// order of the way from the system to the network. Like Probe, it is for ports that no modem of ours has open.
func Diagnose(ctx context.Context, memory Memory, modems []Config) [][]Finding {
	return system{}.diagnoseAll(ctx, prober{open: OpenSerial, timing: probeTiming}, memory, modems)
}

// evidence is all that Diagnose draws its conclusions from.
type evidence struct {
	port    string
	ports   []PortInfo
	sticks  []Stick
	err     error  // of the opening
	found   Probed // after an opening without error
	sibling string // a port of the same stick that does texts, where this one does not
	now     time.Time
}

// readOnly is a Memory that is read alone.
type readOnly struct{ Memory }

// RememberModem does nothing.
func (readOnly) RememberModem(string, Known) error { return nil }

func (s system) diagnoseAll(ctx context.Context, look prober, memory Memory, modems []Config) (list [][]Finding) {
	f := &Finder{sys: s, probe: func(ctx context.Context, port string, baud int) (Probed, error) {
		return look.look(ctx, port, baud, false)
	}}
	if memory != nil {
		f.Memory = readOnly{memory}
	}
	for _, m := range modems { // all of them first: what belongs to one is nothing for the others
		f.Find(m.Name, m.Port, m.Baud)
	}
	for _, m := range modems {
		list = append(list, s.diagnoseFound(ctx, look, f, m))
	}
	return list
}

// diagnoseFound looks for a modem and then at its port.
func (s system) diagnoseFound(ctx context.Context, look prober, f *Finder, m Config) (list []Finding) {
	const ofItsOwn = "give each [[modem]] a modem and a port of its own"
	f.mu.Lock()
	w := f.modems[m.Name]
	before := w.known.Identity
	w.missing = time.Now().Add(-waitForKnown) // what serve does after two minutes is to be seen now
	f.mu.Unlock()
	port, _, err := f.find(ctx, w)
	_, gone := s.info(m.Port)
	switch {
	case err != nil && filepath.IsAbs(m.Port) && gone != nil:
		port = m.Port // what there is instead is said below
	case err != nil && filepath.IsAbs(m.Port):
		return []Finding{{Fail, err.Error(), ofItsOwn}}
	case err != nil:
		return []Finding{{Fail, err.Error(), "plug the modem in; stop what uses its port; or name the port by its path"}}
	}
	f.mu.Lock()
	owner := f.claimed(w, port)
	now := w.known.Identity
	f.mu.Unlock()
	switch real, err := filepath.EvalSymlinks(port); {
	case owner != "" && err == nil && real != port:
		return []Finding{{Fail, fmt.Sprintf("%s is the port of modem %s too: it leads to %s", port, owner, real), ofItsOwn}}
	case owner != "":
		return []Finding{{Fail, fmt.Sprintf("%s is the port of modem %s too", port, owner), ofItsOwn}}
	}
	if m.Port == "auto" && before.IMEI != "" && now.IMEI != "" && !sameIMEI(before.IMEI, now.IMEI) &&
		!sameICCID(before.ICCID, now.ICCID) {
		list = append(list, Finding{Warn, fmt.Sprintf("the modem of this name (%s) is not there; the gateway takes another in its "+
			"place after two minutes: %s", who(before), who(now)), "plug it in; pin is not entered in another one"})
	}
	found, findings := s.diagnose(ctx, look, port, m.Baud)
	if err := f.MayWork(m.Name)(found.Identity); err != nil {
		return append(list, Finding{Fail, err.Error(), ofItsOwn})
	}
	f.Learn(m.Name, found.Identity)
	return append(list, findings...)
}

// diagnose looks at one port. What the look at it showed is empty where nobody answered.
func (s system) diagnose(ctx context.Context, look prober, port string, baud int) (Probed, []Finding) {
	e := evidence{port: port, now: time.Now()}
	var err error
	if e.ports, err = s.ports(); err != nil {
		return Probed{}, []Finding{{Fail, "the ports of this machine cannot be listed: " + err.Error(), ""}}
	}
	if e.sticks, err = s.sticks(); err != nil {
		e.sticks = nil // then nothing is said of sticks without ports
	}
	e.found, e.err = look.look(ctx, port, baud, true)
	if e.err == nil && !(e.found.AnswersAT && e.found.SMS) {
		e.sibling = s.sibling(ctx, look, port, baud, e.ports)
	}
	return e.found, e.findings()
}

// sibling looks for another port of the same stick that does texts.
func (s system) sibling(ctx context.Context, look prober, port string, baud int, ports []PortInfo) string {
	self, err := s.info(port)
	if err != nil {
		return ""
	}
	for _, p := range ports {
		if p.Device == self.Device || !p.sameStick(self) {
			continue
		}
		if found, err := look.look(ctx, p.Device, baud, false); err == nil && found.AnswersAT && found.SMS {
			return p.Path
		}
	}
	return ""
}

// findings are the conclusions.
func (e evidence) findings() []Finding {
	var list []Finding
	list = append(list, e.clock()...)
	switch {
	case e.err != nil:
		return append(list, e.unopened()...)
	case !e.found.AnswersAT:
		return append(list, e.deaf())
	case !e.found.SMS:
		return append(list, e.noTexts())
	}
	list = append(list, Finding{OK, fmt.Sprintf("%s answers: %s", e.port, who(e.found.Identity)), ""})
	list = append(list, e.sim())
	if !isUnlocked(e.found.SIM) {
		return list // what the network says does not count before
	}
	list = append(list, e.network())
	return append(list, e.settings()...)
}

// clock: times in receipts and validity periods are taken from the clock of this machine.
func (e evidence) clock() []Finding {
	const cure = "set the clock, and have it kept right: timedatectl set-ntp true"
	if e.now.Year() < 2024 {
		return []Finding{{Fail, "the clock of this machine says " + e.now.Format(time.DateTime) + ", which is long past", cure}}
	}
	if c := e.found.Clock; !c.IsZero() && e.now.Sub(c).Abs() > 24*time.Hour {
		return []Finding{{Warn, fmt.Sprintf("the clock of this machine says %s, that of the modem %s",
			e.now.UTC().Format(time.DateTime), c.UTC().Format(time.DateTime)), cure}}
	}
	return nil
}

// unopened: the port could not be opened.
func (e evidence) unopened() []Finding {
	var held *heldError
	switch err := e.err; {
	case errors.Is(err, ErrPortMissing):
		list := []Finding{{Fail, e.port + NoSuchPort, e.present()}}
		for _, st := range e.sticks {
			list = append(list, Finding{Fail, st.What, st.Cure})
		}
		return list
	case errors.As(err, &held):
		has := "has"
		if held.perhaps {
			has = "runs here, and perhaps has"
		}
		return []Finding{{Fail, fmt.Sprintf("%s (pid %d) %s %s open", held.program, held.pid, has, e.port),
			release(held.program, held.port)}}
	case errors.Is(err, errPortOurs):
		return []Finding{{Fail, err.Error(), "give each [[modem]] a port of its own"}}
	case errors.Is(err, errUnclear):
		return []Finding{{Fail, e.port + ": " + err.Error(), "plug the modem in again, and look again"}}
	case errors.Is(err, ErrPortBusy):
		return []Finding{{Fail, "another program uses " + e.port,
			"stop it (ModemManager, smsd, minicom, another smsgateway); root is told which one it is"}}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{{Fail, "no right to open " + e.port, ownersAdvice(e.port)}}
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		return []Finding{{Fail, e.port + " is no serial port", "name a serial port; " + e.present()}}
	}
	return []Finding{{Fail, e.err.Error(), ""}}
}

// orElse returns text, or other where there is none.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// present says which ports there are instead.
func (e evidence) present() string {
	if len(e.ports) == 0 {
		return "plug the modem in; no port of a modem is there now"
	}
	var names []string
	for _, p := range e.ports {
		text := p.String()
		if p.Path != p.Device {
			text += " = " + p.Path
		}
		names = append(names, text)
	}
	return "take one of these: " + strings.Join(names, "; ")
}

func (e evidence) deaf() Finding {
	what := e.port + " does not answer AT"
	if e.sibling != "" {
		return Finding{Fail, what + ": it is another port of the stick", "take the one that does: " + e.sibling}
	}
	if strings.HasPrefix(filepath.Base(e.port), "ttyS") {
		return Finding{Fail, what, "look at the cable, the power of the modem, and baud, which both sides must agree on"}
	}
	return Finding{Fail, what, "wait a minute, it may be starting; plug it in again; else it leads to no modem"}
}

func (e evidence) noTexts() Finding {
	what := fmt.Sprintf("%s answers AT, but knows no commands for texts in PDU mode (%s)", e.port, who(e.found.Identity))
	if e.sibling != "" {
		return Finding{Fail, what, "take the port of the stick that does: " + e.sibling}
	}
	return Finding{Fail, what, "take another modem: this one does data alone, or texts in text mode alone"}
}

// sim: whether the card can be used. PINs are not tried here; which one was refused is the gateway's to know.
func (e evidence) sim() Finding {
	const setPIN = `nothing, if pin = "..." is set in the configuration: the gateway enters it; else set it, or switch ` +
		"the PIN off in a phone"
	p := e.found
	what := "the SIM: " + p.SIMText
	switch {
	case isUnlocked(p.SIM):
		return Finding{OK, strings.TrimSpace("the SIM "+p.ICCID) + " is ready", ""}
	case p.SIM == "SIM PIN" && p.PINTries == 1:
		return Finding{Fail, what + ", and has one try left",
			"put the SIM into a phone and enter the right PIN there; then set pin in the configuration"}
	case p.SIM == "SIM PIN" && p.PINTries > 1:
		return Finding{Warn, fmt.Sprintf("%s; %d tries are left", what, p.PINTries), setPIN}
	case p.SIM == "SIM PIN":
		return Finding{Warn, what, setPIN}
	case p.SIM == "SIM PUK":
		return Finding{Fail, what, "put the SIM into a phone and enter the PUK there, which came with the SIM"}
	case p.SIMText == "missing":
		return Finding{Fail, what, "put one in, contacts towards the board; then plug the modem in again"}
	case strings.HasPrefix(p.SIMText, "busy"):
		return Finding{Warn, what, "wait a minute and look again"}
	case p.SIM == "":
		return Finding{Fail, what, "take the SIM out, clean its contacts, put it in again; try it in a phone"}
	}
	return Finding{Fail, what, "put the SIM into a phone and unlock it there"}
}

func (e evidence) network() Finding {
	p := e.found
	network := orElse(p.Operator, "the network")
	signal := ""
	if p.Signal != 0 {
		signal = fmt.Sprintf(", %d dBm", p.Signal)
	}
	const weak = -97 // below +CSQ: 8 sends get slow and fail (gsm-modem §1.5)
	switch {
	case p.Registered && p.Signal != 0 && p.Signal < weak:
		return Finding{Warn, network + ": " + p.RegistrationText + signal + ", which is weak",
			"give the modem an aerial or another place"}
	case p.Registered:
		return Finding{OK, network + ": " + p.RegistrationText + signal, ""}
	case p.Registration < 0:
		return Finding{Warn, "the modem does not say whether it is registered", ""}
	case p.Registration == 3:
		return Finding{Fail, p.RegistrationText,
			"ask the operator: the SIM may not be activated, be blocked, or be too old for this network"}
	case p.Registration == 8:
		return Finding{Fail, p.RegistrationText + signal,
			"the SIM is not accepted here: ask the operator whether it is activated and may roam"}
	}
	return Finding{Fail, p.RegistrationText + signal,
		"wait a minute; then look at the aerial, and whether the network still has the modem's technology (2G, 3G)"}
}

// settings: what a modem that is registered may still lack.
func (e evidence) settings() []Finding {
	var list []Finding
	p := e.found
	if p.SMSC == "" {
		list = append(list, Finding{Fail, "the SIM does not name its service centre, without which nothing can be sent",
			`set smsc = "+..." in the configuration; the operator names the number`})
	}
	if p.Total > 0 && p.Used >= p.Total {
		list = append(list, Finding{Warn,
			fmt.Sprintf("the memory %s is full (%d of %d texts): nothing more can arrive", p.Memory, p.Used, p.Total),
			"start the gateway, which takes over what is there; or delete texts"})
	}
	if !p.Reports {
		list = append(list, Finding{Warn, "the modem passes on no status reports: whether a text arrived will not be known",
			"take another modem where that matters"})
	}
	return list
}
