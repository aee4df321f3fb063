package modem

import (
	"fmt"
	"path/filepath"
)

// Holder tells which other program has a tty open, as far as the system lets us see: without the rights of root only
// programs of our own user. ok is false when none was seen. Where the tty is a pseudo-terminal, the program that made it
// is left out: it is the modem.
func Holder(port string) (pid int, program string, ok bool) { return system{}.holder(port) }

// heldBy is the sentence about a program that has a port open.
func heldBy(pid int, program, port string) string {
	what := fmt.Sprintf("%s (pid %d) uses %s", program, pid, port)
	if cure := release(program, port); cure != "" {
		return what + ": " + cure
	}
	return what + ": end it, or give it another port"
}

// release says how a well-known program is brought to leave a port alone; "" for others.
func release(program, port string) string {
	switch filepath.Base(program) {
	case "ModemManager":
		return `tell it to leave the stick alone with the udev rule ENV{ID_MM_DEVICE_IGNORE}="1", or stop it: systemctl disable --now ModemManager`
	case "gammu-smsd":
		return "stop it: systemctl disable --now gammu-smsd"
	case "smsd":
		return "stop it: systemctl disable --now smstools"
	case "brltty":
		return "it takes serial adapters for Braille displays; remove it, or stop it: systemctl disable --now brltty-udev"
	case "agetty", "getty":
		return "it waits for a login there; stop it: systemctl disable --now serial-getty@" + filepath.Base(port)
	}
	return ""
}
