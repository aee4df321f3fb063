package modem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PortAt tells what the system knows of one port, whatever name of it is given. The error is that there is none.
func PortAt(port string) (PortInfo, error) { return system{}.info(port) }

// SameStick tells whether two ports belong to one USB device.
func (p PortInfo) SameStick(q PortInfo) bool { return p.sameStick(q) }

// DiagnosePort finds out what is in the way of opening a port, without opening it: that it is not there, that we have no
// right, that another program has it. nil: nothing is known to be. port is a path. Unlike Diagnose it is also for ports
// that a modem of ours uses or waits for.
func DiagnosePort(port string) []Finding {
	var s system
	if st, err := os.Stat(port); err == nil && st.Mode()&os.ModeCharDevice == 0 {
		e := evidence{port: port, err: unix.ENOTTY}
		e.ports, _ = s.ports()
		return e.unopened()
	}
	return s.diagnosePort(port)
}

func (s system) diagnosePort(port string) []Finding {
	e := evidence{port: port}
	if e.err = s.mayOpen(port); e.err == nil {
		return nil
	}
	e.ports, _ = s.ports() // what can't be listed is not named as another choice
	e.sticks, _ = s.sticks()
	return e.unopened()
}

// mayOpen gives the error that opening a port would have, as far as it shows from outside.
func (s system) mayOpen(port string) error {
	if _, err := os.Stat(port); os.IsNotExist(err) {
		return fmt.Errorf("open %s: %w", port, ErrPortMissing)
	}
	if err := unix.Access(port, unix.R_OK|unix.W_OK); err != nil {
		return &os.PathError{Op: "open", Path: port, Err: err}
	}
	if pid, program, ok := s.holder(port); ok {
		return &heldError{pid: pid, program: program, port: port}
	}
	return nil
}
