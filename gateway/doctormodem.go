package gateway

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

const (
	weakSignal = -97              // dBm, below +CSQ: 8 sends get slow and fail (gsm-modem §1.5)
	longStart  = 2 * time.Minute  // a modem that is set up for longer has trouble
	longAnswer = 30 * time.Second // so has one that does not answer to a text for longer
)

// SignalWord says how good a signal is; "" for 0, unknown.
func SignalWord(dBm int) string {
	switch {
	case dBm == 0:
		return ""
	case dBm >= -77:
		return "strong"
	case dBm >= -87:
		return "good"
	case dBm >= weakSignal:
		return "fair"
	}
	return "weak"
}

func (g *Gateway) diagnoseModems(ctx context.Context) []Finding {
	if len(g.pool.members()) == 0 {
		return []Finding{{Fault, "modems", "No modem is configured: messages are accepted and wait.",
			"Find yours with `smsgateway modem probe`, and put the [[modem]] that it prints into the configuration."}}
	}
	running := g.Running()
	known := make([][]Finding, len(g.pool.members())) // of each, what its port need not be opened for
	for i, x := range g.pool.members() {
		d := ward{g, g.view(x), nil}
		if running {
			if g.isSimulated(x.spec, d.v.Model) {
				d.add(Note, "It is a simulated one: nothing that it sends reaches a phone", "")
			}
			d.state()
			d.port()
		}
		d.work()
		d.accounts(x.rules().Accounts)
		known[i] = d.list
	}
	var idle map[string][]Finding
	if !running {
		idle = g.diagnoseIdle(ctx)
	}
	var list []Finding
	for i, x := range g.pool.members() {
		list = append(append(list, idle[x.Name()]...), known[i]...)
	}
	return list
}

// accounts names those that the modem is for and that are not there: a typing error keeps it out of work for good.
func (d *ward) accounts(keys []string) {
	for _, key := range keys {
		if key == OperatorKey { // is made when it is first needed
			continue
		}
		if _, err := d.g.db.Account(key); errors.Is(err, store.ErrNoAccount) {
			d.add(Warn, fmt.Sprintf("It is for account %s, which does not exist", key),
				"Correct accounts in the configuration, or add it: `smsgateway account add --key "+key+"`")
		}
	}
}

// isSimulated tells whether a modem is one in software: of ours, whose port serve makes in the data directory, or of
// `modem simulate`, which says so where it does not play a real one.
func (g *Gateway) isSimulated(spec, model string) bool {
	dir := g.opt.DataDir
	if dir == "" {
		dir = filepath.Dir(g.opt.Path)
	}
	ours := filepath.Dir(spec) == filepath.Clean(dir) && strings.HasPrefix(filepath.Base(spec), "simulated")
	return spec == "simulated" || ours || model == "simulated modem"
}

// noted is what is known of modems, for one who looks at them without the file. It implements modem.Memory.
type noted map[string]modem.Known

func (n noted) Modem(name string) (known modem.Known, ok bool, err error) {
	known, ok = n[name]
	return known, ok, nil
}

// RememberModem does nothing.
func (noted) RememberModem(string, modem.Known) error { return nil }

// diagnoseIdle looks at the modems, which nobody uses, by opening their ports.
func (g *Gateway) diagnoseIdle(ctx context.Context) map[string][]Finding {
	byName := make(map[string][]Finding)
	var modems []modem.Config
	memory := make(noted)
	for _, x := range g.pool.members() {
		if x.spec == "simulated" {
			byName[x.Name()] = []Finding{{Note, "modem " + x.Name(),
				"It is a simulated one: nothing that it sends reaches a phone.", ""}}
			continue
		}
		modems = append(modems, modem.Config{Name: x.Name(), Port: x.spec, Baud: x.baud})
		if known, ok, err := g.ModemMemory().Modem(x.Name()); err == nil && ok {
			memory[x.Name()] = known
		}
	}
	if name, until := g.answerAwaited(); name != "" {
		for _, m := range modems {
			byName[m.Name] = []Finding{{Note, "modem " + m.Name, "It was not looked at. " + sentence(notOpened(name)),
				"Start the gateway, which listens for the answer; or ask again after " + clock(until) + "."}}
		}
		return byName
	}
	g.freeFile()
	for i, found := range g.hw.diagnose(ctx, memory, modems) {
		byName[modems[i].Name] = fromPort("modem "+modems[i].Name, found)
	}
	return byName
}

// fromPort takes over what package modem has found.
func fromPort(about string, found []modem.Finding) []Finding {
	severities := map[modem.Severity]Severity{modem.OK: OK, modem.Warn: Warn, modem.Fail: Fault}
	var list []Finding
	for _, f := range found {
		list = append(list, Finding{severities[f.Severity], about, sentence(f.What), sentence(f.Cure)})
	}
	return list
}

// ward is a modem that is being looked at.
type ward struct {
	g    *Gateway
	v    ModemView
	list []Finding
}

func (d *ward) add(s Severity, what, cure string) {
	d.list = append(d.list, Finding{s, "modem " + d.v.Name, sentence(what), sentence(cure)})
}

// addNamed is add for a sentence that begins with a name, which keeps its case.
func (d *ward) addNamed(s Severity, what, cure string) {
	d.list = append(d.list, Finding{s, "modem " + d.v.Name, ended(what), sentence(cure)})
}

// state says what the state of the line means.
func (d *ward) state() {
	v := d.v
	since := " since " + clock(v.Since)
	if !v.Restarted.IsZero() {
		since += ", after the operator restarted it"
	}
	switch v.State {
	case modem.StateReady, modem.StateSending:
		d.ready()
	case modem.StateSIM:
		if v.LastError == "" || IsOldError(v.Status) {
			d.add(Warn, "The SIM is still starting"+since, "Wait a minute and look again")
			break
		}
		d.add(Fault, "The SIM can't be used"+since+": "+v.LastError, "See to the SIM as the error says; the gateway goes on "+
			"by itself then, or, where the configuration was changed, when it is started again")
	case modem.StateSearching:
		d.searching()
	case modem.StateInitialising, modem.StateOpening:
		if d.g.opt.Now().Sub(v.Since) < longStart && v.Unwell.IsZero() {
			d.add(Note, "It is being set up"+since, "")
			break
		}
		d.add(Fault, "It is not brought to work"+since+": "+v.LastError, "Unplug it, wait ten seconds, plug it in again")
	case modem.StateMissing:
		d.add(Fault, "It is not there"+since+": "+v.LastError, "Plug it in; `smsgateway modem probe` shows what is there")
	case modem.StateStopped:
		d.add(Fault, "The gateway is starting or stopping", "Look again in a few seconds")
	default:
		d.add(Fault, "It does not work"+since+": "+v.LastError, "See what was tried: `smsgateway modem show "+v.Name+"`")
	}
	if len(v.Ladder) > 0 {
		var tried []string
		for _, c := range v.Ladder {
			tried = append(tried, fmt.Sprintf("%s (%d)", c.Rung, c.Times))
		}
		what := "It is unwell since " + clock(v.Unwell) + "; tried so far: " + strings.Join(tried, ", ")
		if Worst(d.list) == Fault { // that is what somebody has to see to
			d.add(Note, what, "")
		} else {
			d.add(Warn, what, "Wait; `smsgateway modem show "+v.Name+"` tells the causes")
		}
	}
}

// ready: the modem can send; what is not well all the same?
func (d *ward) ready() {
	v := d.v
	what := strings.TrimSpace(v.Manufacturer + " " + v.Model)
	if what == "" {
		what = "The modem"
	}
	what += " is ready"
	if v.Operator != "" {
		what += ", " + v.Operator
	}
	if v.Signal != 0 {
		what += fmt.Sprintf(", %d dBm (%s)", v.Signal, SignalWord(v.Signal))
	}
	if v.Unregistered.IsZero() {
		d.addNamed(OK, what, "")
	} else {
		cure := "If that lasts, look at the aerial; the operator knows about the SIM and the network"
		if deniedSIM(v.Registration) {
			cure = askOperator
		}
		d.addNamed(Warn, fmt.Sprintf("%s, but the network carries none of its texts since %s: %s", what, clock(v.Unregistered),
			v.RegistrationText), cure)
	}
	if v.Signal != 0 && v.Signal < weakSignal {
		d.add(Warn, fmt.Sprintf("The signal is weak (%d dBm)", v.Signal),
			"Give the modem an aerial or another place, away from metal")
	}
	if v.SMSC == "" {
		d.add(Fault, "The SIM does not name its service centre, without which nothing can be sent",
			`Set smsc = "+..." in the configuration; the operator names the number`)
	}
	if !v.Reports {
		d.add(Warn, "The modem passes on no status reports: whether a text arrived will not be known",
			"Take another modem where that matters; messages end as accepted")
	}
	if v.Memory != "" {
		d.add(Warn, v.Memory, "See what is in it: `smsgateway modem at "+v.Name+" AT+CMGL=4`; delete it in a phone")
	}
}

// awaited tells of a text that the modem has not answered. Most are answered within seconds.
func (d *ward) awaited() (told bool) {
	why := Awaited(d.v.Status, d.g.opt.Now())
	switch {
	case why == "":
		return false
	case d.g.opt.Now().Sub(d.v.Awaiting) < longAnswer || d.v.State == modem.StateOpening:
		d.add(Note, why, "")
	default:
		d.add(Warn, why, "Wait; if it happens again, see `smsgateway modem show "+d.v.Name+"`")
	}
	return true
}

const askOperator = "Ask the operator about the SIM: it may not be activated, be blocked, or be too old for this network"

// deniedSIM tells whether a <stat> of +CREG says that there is a network, which does not let the SIM in: no aerial helps.
func deniedSIM(stat int) bool { return stat == 3 || stat == 8 }

// searching: the modem works, and the network does not take it.
func (d *ward) searching() {
	v := d.v
	since := " since " + clock(v.Since)
	signal := ""
	if v.Signal != 0 {
		signal = fmt.Sprintf(" (%d dBm, %s)", v.Signal, SignalWord(v.Signal))
	}
	atSIM := ""
	if v.Registration == 0 { // a modem does not search without a SIM
		atSIM = ", and whether its SIM is in place and unlocked: `smsgateway modem at " + v.Name + " AT+CPIN?`"
	}
	if deniedSIM(v.Registration) {
		d.add(Fault, "The network does not accept the SIM"+since+": "+v.RegistrationText, askOperator)
	} else {
		d.add(Fault, "It has no network"+since+": "+v.RegistrationText+signal,
			"Look at the aerial, and whether the network still has the modem's technology (2G, 3G)"+atSIM)
	}
}

// port: what stands in the way between us and the modem.
func (d *ward) port() {
	v := d.v
	works := v.State == modem.StateReady || v.State == modem.StateSending
	if !strings.HasPrefix(v.Port, "/") { // not found yet; the error says what was looked at
		d.sticks()
		return
	}
	if pid, program, ok := d.g.hw.holder(v.Port); ok && works {
		d.addNamed(Warn, fmt.Sprintf("%s (pid %d) has %s open, too, and may take answers away", program, pid, v.Port),
			"Stop it, or tell it to leave the stick alone")
	}
	if works || v.State == modem.StateSIM || v.State == modem.StateSearching {
		return
	}
	found := d.g.hw.diagnosePort(v.Port)
	if len(found) == 0 {
		d.siblings()
		return
	}
	if v.State == modem.StateMissing { // which has been said
		found = slices.DeleteFunc(found, func(f modem.Finding) bool { return strings.HasSuffix(f.What, modem.NoSuchPort) })
	}
	d.list = append(d.list, fromPort("modem "+v.Name, found)...)
}

// sticks tells of modems that show no port, one of which may be the one that is looked for.
func (d *ward) sticks() {
	sticks, err := d.g.hw.sticks()
	if err != nil || d.v.State != modem.StateMissing && d.v.State != modem.StateFailed && d.v.State != modem.StateOpening {
		return
	}
	for _, s := range sticks {
		d.add(Fault, s.What, s.Cure)
	}
}

// siblings names the other ports of the stick: the one that is configured can be opened, but gives no modem.
func (d *ward) siblings() {
	self, err := d.g.hw.portAt(d.v.Port)
	if err != nil {
		return
	}
	ports, err := d.g.hw.ports()
	if err != nil {
		return
	}
	var others []string
	for _, p := range ports {
		if p.Device != self.Device && p.SameStick(self) {
			others = append(others, p.Path)
		}
	}
	if len(others) > 0 {
		d.add(Note, "The stick has other ports; the one that is configured may be the wrong one",
			"Try `smsgateway modem probe "+strings.Join(others, " ")+"`")
	}
}

// work: why the modem gets no message, though its line may be well.
func (d *ward) work() {
	v := d.v
	resume := "Resume it: `smsgateway modem resume " + v.Name + "`"
	told := d.awaited()
	if v.Paused {
		reason := ""
		if v.PausedReason != "" {
			reason = ": " + v.PausedReason
		}
		d.add(Warn, "It is paused since "+clock(v.PausedAt)+reason, resume)
		told = true
	}
	if !v.BarredUntil.IsZero() {
		d.add(Fault, "The network does not let its SIM send; it is tried again at "+clock(v.BarredUntil)+". "+v.LastError,
			"Look at the SIM's credit, its tariff and its bars")
		told = true
	}
	if v.Alarm != "" {
		d.add(Fault, v.Alarm, "Look after the SIM: its credit, its tariff and its bars")
		told = true
	}
	told = d.credit() || told
	for _, b := range v.Budget {
		switch {
		case b.Used >= b.Limit:
			d.add(Warn, fmt.Sprintf("The budget of its SIM for this %s is used up (%d of %d); the next %[1]s begins at %[4]s",
				b.Window, b.Used, b.Limit, clock(b.Resets)), "Wait, or raise the limit in the configuration")
			told = true
		case b.Used*10 >= b.Limit*9 && b.Limit >= 10:
			d.add(Note, fmt.Sprintf("The budget of its SIM for this %s is nearly used up (%d of %d)", b.Window, b.Used,
				b.Limit), "")
		}
	}
	if v.Quiet {
		d.add(Note, "It has its quiet hours ("+v.QuietHours+") and begins no message", "")
		told = true
	}
	works := v.State == modem.StateReady || v.State == modem.StateSending
	if works && !told && v.Waiting != "" && Worst(d.list) != Fault {
		d.add(Warn, v.Waiting, "Wait; if it lasts, see `smsgateway modem show "+v.Name+"`")
	}
}

// credit: whether the SIM can pay. told: it is why the modem begins no message.
func (d *ward) credit() (told bool) {
	b := d.v.Balance
	if b.Low && !b.Ignored {
		d.add(Fault, fmt.Sprintf("The credit of its SIM is low: %s at %s, less than %s", b.Amount, clock(b.At), b.Limit),
			"Top it up, and have it read with `smsgateway modem balance "+d.v.Name+"`, else that is done within the hour. "+
				"`smsgateway modem resume "+d.v.Name+"` lets it work as it is")
		return true
	}
	if b.Low {
		d.add(Warn, fmt.Sprintf("The credit of its SIM is low: %s at %s, less than %s; an operator lets it work all the same",
			b.Amount, clock(b.At), b.Limit), "Top it up")
	}
	if b.Bare && b.Limit != "" {
		d.add(Warn, fmt.Sprintf("The credit was read as %s, without a currency, so it is never counted as low", b.Amount),
			"Look whether `smsgateway modem show "+d.v.Name+"` has the right number; balance_match says which one it is")
	}
	if b.Watched && b.Trouble != "" {
		d.add(Warn, "Its balance can't be read: "+b.Trouble,
			"Try the code with `smsgateway modem ussd "+d.v.Name+" CODE`, and see to balance and balance_match")
	}
	return false
}
