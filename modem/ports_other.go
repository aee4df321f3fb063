//go:build !linux

package modem

import (
	"context"
	"errors"
	"path/filepath"
)

// ports lists the ttys by their names; the system is not asked about USB.
func (s system) ports() ([]PortInfo, error) {
	var ports []PortInfo
	for _, pattern := range []string{"/dev/cu.usbmodem*", "/dev/cu.usbserial*", "/dev/cuaU[0-9]*", "/dev/ttyU[0-9]*"} {
		names, err := filepath.Glob(s.path(pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			ports = append(ports, PortInfo{Path: name, Device: name, Interface: -1})
		}
	}
	sortPorts(ports)
	return ports, nil
}

// sticks finds none: that takes Linux.
func (s system) sticks() ([]Stick, error) { return nil, nil }

// info knows nothing of a port but its name.
func (s system) info(port string) (PortInfo, error) {
	return PortInfo{Path: port, Device: port, Interface: -1}, nil
}

// stamp is empty: a node that was made anew can't be told from the old one.
func stamp(string) string { return "" }

// holder finds nobody: that takes Linux.
func (s system) holder(string) (int, string, bool) { return 0, "", false }

// ours can't tell.
func (s system) ours(string) bool { return false }

// suspect knows nobody either.
func (s system) suspect() (int, string, bool) { return 0, "", false }

// ownersAdvice can't tell more than openError.
func ownersAdvice(string) string {
	return "add the user to the group that owns it: usermod -aG dialout USER"
}

var errNoRebind = errors.New("a USB device can be taken off and on again by software on Linux alone")

func (s system) rebindUSB(context.Context, string) error { return errNoRebind }

func rebind(context.Context, PortInfo) error { return errNoRebind }
