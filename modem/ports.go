package modem

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// PortInfo is one tty that may lead to a modem, with what the system knows of it without opening it.
type PortInfo struct {
	Path   string // the name that lasts longest: below /dev/serial/by-id, else by-path, else Device
	Device string // the tty itself, "/dev/ttyUSB2"

	// Of the USB device that the tty belongs to; all empty, and Interface -1, where there is none.
	Vendor, Product     string // four hexadecimal digits each, "12d1", "1001"
	Manufacturer, Model string // what the device calls itself
	Serial              string // its serial number, which many sticks lack
	Interface           int    // number of the USB interface
	Driver              string // "option", "cdc_acm" ...

	links    []string // other names
	usb      string   // directory of the USB device in sysfs: the same for all ports of one stick
	protocol string   // class, subclass and protocol of the interface, "ff/02/12"
}

// String names the port for people.
func (p PortInfo) String() string {
	var facts []string
	if name := strings.TrimSpace(p.Manufacturer + " " + p.Model); name != "" {
		facts = append(facts, name)
	}
	if p.Vendor != "" {
		facts = append(facts, fmt.Sprintf("USB %s:%s", p.Vendor, p.Product))
	}
	if p.Interface >= 0 {
		facts = append(facts, fmt.Sprintf("interface %d", p.Interface))
	}
	if len(facts) == 0 {
		return p.Device
	}
	return p.Device + " (" + strings.Join(facts, ", ") + ")"
}

// sameStick tells whether two ports belong to one USB device.
func (p PortInfo) sameStick(q PortInfo) bool { return p.usb != "" && p.usb == q.usb }

// Stick is a USB modem that shows no port for AT commands.
type Stick struct {
	Vendor, Product     string // USB ids, as in PortInfo
	Manufacturer, Model string
	What                string // a sentence: what is the matter with it
	Cure                string // a sentence: what to do
}

// Ports lists the ttys on which a modem may be: ttyUSB*, ttyACM*, and whatever /dev/serial names. Ports of the machine
// itself (ttyS*) are not among them: most lead nowhere, and some to other things than modems. The best candidates come
// first; what is known to be no modem is left out. Nothing is opened.
func Ports() ([]PortInfo, error) { return system{}.ports() }

// StorageSticks lists the modems that show no port: those that still are a CD-ROM with drivers, and those whose firmware
// is a router behind a network card.
func StorageSticks() ([]Stick, error) { return system{}.sticks() }

// RebindUSB takes the USB device that a port belongs to off, and on again after a second, as far as software can: the
// drivers let go of it and take it anew, under another name perhaps. It ends all ports of the device. Errors say what is
// missing: the right, or the device.
func RebindUSB(ctx context.Context, port string) error { return system{}.rebindUSB(ctx, port) }

// system is the tree that the files of the system are looked up in.
type system struct{ root string } // "" the real one; tests have one of their own

func (s system) path(elem ...string) string {
	return filepath.Join(append([]string{s.root, "/"}, elem...)...)
}

// sortPorts brings ports into the order in which they are worth a try: makers of modems first, then stick by stick, in a
// stick the port that is best for texts first (see rank), then by name.
func sortPorts(ports []PortInfo) {
	slices.SortStableFunc(ports, func(a, b PortInfo) int {
		return cmp.Or(
			cmp.Compare(stranger(a), stranger(b)),
			cmp.Compare(stickName(a), stickName(b)),
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.Interface, b.Interface),
			compareNumbered(a.Device, b.Device),
		)
	})
}

// stranger is 0 for ports of makers of modems, 1 for all others: serial adapters and what else has a tty.
func stranger(p PortInfo) int {
	if slices.Contains(modemVendors, p.Vendor) {
		return 0
	}
	return 1
}

func stickName(p PortInfo) string {
	if p.usb == "" {
		return "~" // behind all USB devices
	}
	return p.usb
}

// compareNumbered orders ttyUSB2 before ttyUSB10.
func compareNumbered(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Ranks of a stick's ports for texts: a modem has one port on which it tells what arrives. Of ports that nothing is known
// of all are rankOther.
const (
	rankBest  = 0  // the port for control, where reports (URCs) come
	rankOther = 10 // takes commands; reports may or may not come there
	rankData  = 20 // the port for dialling: takes commands, but reports go elsewhere
	rankNot   = 90 // diagnosis, positions, sound: no AT
)

// rank says how good a port of a stick is for texts; the lowest is tried first. It only gives the order: a probe has to
// show that the port answers.
func rank(p PortInfo) int {
	if p.Vendor == "12d1" && strings.HasPrefix(p.protocol, "ff/0") {
		// Huawei's newer devices tell in the protocol of the interface what it is for (ModemManager, plugins/huawei,
		// 77-mm-huawei-net-port-types.rules; descriptors of an ME909u, freebsd-src #45). PCUI is the port for control.
		switch p.protocol[strings.LastIndex(p.protocol, "/")+1:] {
		case "02", "12":
			return rankBest // PCUI
		case "01", "10":
			return rankData // modem
		case "03", "05", "13", "14":
			return rankNot // diagnosis, positions
		}
	}
	for _, h := range portHints {
		if h.vendor != p.Vendor || h.products != "" && !strings.Contains(h.products, p.Product) {
			continue
		}
		switch i := slices.Index(h.at, p.Interface); {
		case i == 0:
			return rankBest
		case i > 0:
			return rankOther
		case slices.Contains(h.not, p.Interface):
			return rankNot
		}
		return rankData
	}
	return rankOther
}

// knownOtherwise tells whether a port certainly leads to no modem, and must not be written to.
func knownOtherwise(p PortInfo) bool {
	for _, id := range notModems {
		if id == p.Vendor || id == p.Vendor+":"+p.Product {
			return true
		}
	}
	return false
}
