package gateway

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"smsgateway/modem"
)

// hardware is what the gateway asks the machine; tests have one of their own.
type hardware struct {
	ports        func() ([]modem.PortInfo, error)
	sticks       func() ([]modem.Stick, error)
	portAt       func(port string) (modem.PortInfo, error)
	holder       func(port string) (pid int, program string, ok bool)
	probe        func(ctx context.Context, port string, baud int) (modem.Probed, error)
	diagnose     func(ctx context.Context, memory modem.Memory, modems []modem.Config) [][]modem.Finding
	diagnosePort func(port string) []modem.Finding
}

func realHardware() hardware {
	return hardware{modem.Ports, modem.StorageSticks, modem.PortAt, modem.Holder, modem.Probe, modem.Diagnose,
		modem.DiagnosePort}
}

// Port is a port of this machine, and what the gateway does with it.
type Port struct {
	modem.PortInfo
	Modem *modem.Status // of ours that uses it; nil: none does
	Stick string        // name of a modem of ours at another port of the same stick; "" none
}

// Ports lists the ports on which modems may be, and the sticks that show none. Nothing is opened.
func (g *Gateway) Ports() ([]Port, []modem.Stick, error) {
	found, err := g.hw.ports()
	if err != nil {
		return nil, nil, fmt.Errorf("list the ports of this machine: %w", err)
	}
	sticks, err := g.hw.sticks()
	if err != nil {
		return nil, nil, fmt.Errorf("look for sticks without a port: %w", err)
	}
	list := make([]Port, 0, len(found))
	for _, p := range found {
		list = append(list, g.port(p))
	}
	return list, sticks, nil
}

// Port tells of one, whatever name of it is given. *InputError: there is none.
func (g *Gateway) Port(path string) (Port, error) {
	p, err := g.hw.portAt(path)
	if err != nil {
		return Port{}, &InputError{"port", fmt.Sprintf("%s is not there; `smsgateway modem probe` looks at all that are",
			path)}
	}
	return g.port(p), nil
}

// port says which of our modems uses a port. While no gateway runs none does.
func (g *Gateway) port(p modem.PortInfo) Port {
	view := Port{PortInfo: p}
	if !g.Running() {
		return view
	}
	real, err := filepath.EvalSymlinks(p.Device)
	if err != nil {
		return view
	}
	for _, x := range g.pool.members() {
		st := x.Status()
		at, err := filepath.EvalSymlinks(st.Port)
		if err != nil {
			continue // it is not there, or still looked for
		}
		if at == real {
			view.Modem = &st
			return view
		}
		if q, err := g.hw.portAt(st.Port); err == nil && q.SameStick(p) {
			view.Stick = st.Name
		}
	}
	return view
}

// InUseError: the port is that of a modem of ours, so it must not be opened by anybody else.
type InUseError struct{ Port, Modem string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is the port of modem %s and was not opened; see smsgateway modem show %[2]s", e.Port, e.Modem)
}

// ProbePort looks who answers at a port. baud is the rate of the line, 0 the usual one. With Options.ForCommand the file is
// closed before. Errors: *InputError, *InUseError, and those of modem.Probe.
func (g *Gateway) ProbePort(ctx context.Context, path string, baud int) (modem.Probed, error) {
	p, err := g.Port(path)
	if err != nil {
		return modem.Probed{}, err
	}
	if p.Modem != nil {
		return modem.Probed{}, &InUseError{path, p.Modem.Name}
	}
	if wrong := modem.BaudFault(baud); baud != 0 && wrong != "" {
		return modem.Probed{}, &InputError{"baud", fmt.Sprintf("is %d, %s", baud, wrong)}
	}
	if name, until := g.answerAwaited(); name != "" && !g.Running() {
		return modem.Probed{}, &InputError{"port", fmt.Sprintf("%s was not opened: %s. Start the gateway, which listens for it, "+
			"or ask again after %s", path, notOpened(name), clock(until))}
	}
	g.freeFile()
	return g.hw.probe(ctx, path, baud)
}

// answerAwaited names a modem that was given a text whose outcome nobody knows, and until when it may answer: the time that a
// gateway would listen for it. No command may open a port meanwhile, for the answer may be in it, and whoever reads it takes it
// away. "": there is none.
func (g *Gateway) answerAwaited() (name string, until time.Time) {
	for _, x := range g.pool.members() {
		given, ok := g.open.Open(x.Name())
		if end := given.Add(claimMost); ok && end.After(g.opt.Now()) && end.After(until) {
			name, until = x.Name(), end
		}
	}
	return name, until
}

// notOpened is why.
func notOpened(name string) string {
	return "modem " + name + " was given a text before the gateway stopped, and its answer may lie in the port: who reads it takes it away"
}

// freeFile closes the file of a command that goes on to what takes long and needs it no more: a gateway can start then.
func (g *Gateway) freeFile() {
	if !g.opt.ForCommand {
		return
	}
	if err := g.db.Close(); err != nil {
		g.log.Warn("the file could not be closed before the modems are looked at", "err", err)
	}
}

// PortOf tells what the machine knows of a modem's port; ok is false when it is not there.
func (g *Gateway) PortOf(st modem.Status) (p modem.PortInfo, ok bool) {
	p, err := g.hw.portAt(st.Port)
	return p, err == nil
}
