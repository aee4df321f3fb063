package modem

import (
	"fmt"
	"path/filepath"
)

// Holder tells which other program has a tty open, as far as the system lets us see: without the rights of root only
// programs of our own user. ok is false when none was seen. Where the tty is a pseudo-terminal, the program that made it
// is left out: it is the modem.
func Holder(port string) (pid int, program string, ok bool) { return system{}.holder(port) }

// errPortOurs is an ErrPortBusy whose other program is this one.
var errPortOurs error = ownError{}

type ownError struct{}

func (ownError) Error() string {
	return "this gateway uses this port already: another [[modem]] names it too, or it is being looked at"
}

// Unwrap returns ErrPortBusy.
func (ownError) Unwrap() error { return ErrPortBusy }

// heldError is an ErrPortBusy that knows who it is.
type heldError struct {
	pid           int
	program, port string
	perhaps       bool // the program runs here and does such things; whether it does is not ours to see
}

func (e *heldError) Error() string {
	perhaps := ""
	if e.perhaps {
		perhaps = "perhaps "
	}
	cure := release(e.program, e.port)
	return fmt.Sprintf("another program uses this port: %s%s (pid %d); %s", perhaps, e.program, e.pid, cure)
}

// Unwrap returns ErrPortBusy.
func (e *heldError) Unwrap() error { return ErrPortBusy }

// busyError is the error of a port that is locked, with as much as can be known of by whom.
func busyError(port string) error {
	if pid, program, ok := Holder(port); ok {
		return &heldError{pid: pid, program: program, port: port}
	}
	if (system{}).ours(port) {
		return errPortOurs // nobody else is to blame
	}
	if pid, program, ok := (system{}).suspect(); ok {
		return &heldError{pid: pid, program: program, port: port, perhaps: true}
	}
	return ErrPortBusy
}

// release says how a program is brought to leave a port alone.
func release(program, port string) string {
	switch filepath.Base(program) {
	case "ModemManager":
		return `tell it to leave the stick alone with the udev rule ENV{ID_MM_DEVICE_IGNORE}="1", or stop it: ` +
			"systemctl disable --now ModemManager"
	case "smsgateway":
		return "two gateways can't share a modem: stop one, or give it another port"
	case "gammu-smsd":
		return "stop it: systemctl disable --now gammu-smsd"
	case "smsd":
		return "stop it: systemctl disable --now smstools"
	case "brltty":
		return "it takes serial adapters for Braille displays; remove it, or stop it: systemctl disable --now brltty-udev"
	case "agetty", "getty":
		return "it waits for a login there; stop it: systemctl disable --now serial-getty@" + filepath.Base(port)
	}
	return "end it, or give it another port"
}
