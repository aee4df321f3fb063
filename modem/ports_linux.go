package modem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ports lists the candidates, each tty once.
func (s system) ports() ([]PortInfo, error) {
	byID, err := s.named("/dev/serial/by-id/*")
	if err != nil {
		return nil, err
	}
	byPath, err := s.named("/dev/serial/by-path/*")
	if err != nil {
		return nil, err
	}
	devices, err := s.devices(byID, byPath)
	if err != nil {
		return nil, err
	}
	var ports []PortInfo
	for real, device := range devices {
		p := s.describe(device)
		p.links = append(append([]string{device}, byID[real]...), byPath[real]...)
		if !knownOtherwise(p) {
			ports = append(ports, p)
		}
	}
	for i := range ports {
		p := &ports[i]
		p.Path = p.Device
		// Two sticks of a kind without serial numbers fight for one name by-id.
		twins := slices.ContainsFunc(ports, func(q PortInfo) bool {
			return !p.sameStick(q) && q.Device != p.Device && q.Vendor == p.Vendor && q.Product == p.Product && q.Serial == p.Serial
		})
		for _, link := range p.links {
			if strings.Contains(link, "/by-id/") && !twins || strings.Contains(link, "/by-path/") {
				p.Path = link
				break
			}
		}
	}
	sortPorts(ports)
	return ports, nil
}

// named resolves links: the names of each tty, by where they lead.
func (s system) named(pattern string) (map[string][]string, error) {
	links, err := filepath.Glob(s.path(pattern))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", pattern, err)
	}
	names := make(map[string][]string)
	for _, link := range links {
		if real, err := filepath.EvalSymlinks(link); err == nil { // else it has just gone
			names[real] = append(names[real], link)
		}
	}
	return names, nil
}

// devices gives the ttys: the name of each below /dev, by the path without links.
func (s system) devices(named ...map[string][]string) (map[string]string, error) {
	devices := make(map[string]string)
	for _, names := range named {
		for real := range names {
			devices[real] = real
		}
	}
	for _, pattern := range []string{"/dev/ttyACM*", "/dev/ttyUSB*"} {
		found, err := filepath.Glob(s.path(pattern))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", pattern, err)
		}
		for _, device := range found {
			if real, err := filepath.EvalSymlinks(device); err == nil {
				devices[real] = device
			}
		}
	}
	return devices, nil
}

// info describes the tty that a name leads to. A name that leads nowhere is an error.
func (s system) info(port string) (PortInfo, error) {
	ports, err := s.ports()
	if err != nil {
		return PortInfo{}, err
	}
	real, err := filepath.EvalSymlinks(port)
	if err != nil {
		return PortInfo{}, err
	}
	for _, p := range ports {
		if at, err := filepath.EvalSymlinks(p.Device); err == nil && at == real {
			return p, nil
		}
	}
	p := s.describe(real)
	p.Path = port
	return p, nil
}

// describe reads what sysfs says of a tty. What it does not say stays empty.
func (s system) describe(device string) PortInfo {
	p := PortInfo{Device: device, Interface: -1}
	class := s.path("/sys/class/tty", filepath.Base(device), "device")
	dir, err := filepath.EvalSymlinks(class)
	if err != nil {
		return p
	}
	if driver, err := os.Readlink(filepath.Join(class, "driver")); err == nil {
		p.Driver = strings.TrimSuffix(filepath.Base(driver), "1") // the kernel calls it option1 there
	}
	top := s.path("/sys")
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real
	}
	for ; strings.HasPrefix(dir, top+"/"); dir = filepath.Dir(dir) {
		if n, err := strconv.ParseInt(word(dir, "bInterfaceNumber"), 16, 16); err == nil && p.Interface < 0 {
			p.Interface = int(n)
			p.protocol = word(dir, "bInterfaceClass") + "/" + word(dir, "bInterfaceSubClass") + "/" + word(dir, "bInterfaceProtocol")
		}
		if vendor := word(dir, "idVendor"); vendor != "" {
			p.usb = dir
			p.Vendor, p.Product = vendor, word(dir, "idProduct")
			p.Manufacturer, p.Model, p.Serial = word(dir, "manufacturer"), word(dir, "product"), word(dir, "serial")
			break
		}
	}
	return p
}

// word reads a file of sysfs; "" where there is none. What a device calls itself may hold anything.
func word(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == '\uFFFD' {
			return ' '
		}
		return r
	}, string(b)))
}

// sticks looks for USB devices of makers of modems that have no tty.
func (s system) sticks() ([]Stick, error) {
	devices, err := os.ReadDir(s.path("/sys/bus/usb/devices"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a machine without USB
	}
	if err != nil {
		return nil, fmt.Errorf("list the USB devices: %w", err)
	}
	var sticks []Stick
	for _, d := range devices {
		dir := s.path("/sys/bus/usb/devices", d.Name())
		st := Stick{
			Vendor: word(dir, "idVendor"), Product: word(dir, "idProduct"),
			Manufacturer: word(dir, "manufacturer"), Model: word(dir, "product"),
		}
		if st.Vendor == "" {
			continue // an interface
		}
		if st.What, st.Cure = portless(st, interfacesOf(dir)); st.What != "" {
			sticks = append(sticks, st)
		}
	}
	return sticks, nil
}

// usbInterface is what matters of one.
type usbInterface struct {
	class, subclass, protocol string
	tty, net                  bool
}

func interfacesOf(dir string) []usbInterface {
	dirs, err := filepath.Glob(filepath.Join(dir, "*:*.*"))
	if err != nil {
		return nil
	}
	var all []usbInterface
	for _, d := range dirs {
		i := usbInterface{
			class: word(d, "bInterfaceClass"), subclass: word(d, "bInterfaceSubClass"), protocol: word(d, "bInterfaceProtocol"),
		}
		if i.class == "" {
			continue
		}
		_, err := os.Stat(filepath.Join(d, "net"))
		i.net = err == nil
		ttys, err := filepath.Glob(filepath.Join(d, "tty*"))
		i.tty = err == nil && len(ttys) > 0
		all = append(all, i)
	}
	return all
}

// portless says why a USB device is a modem without a port, and what helps; "" if it has one, or is no modem.
func portless(st Stick, interfaces []usbInterface) (what, cure string) {
	id := st.Vendor + ":" + st.Product
	name := strings.TrimSpace(st.Manufacturer + " " + st.Model)
	if name == "" {
		name = "a USB modem"
	}
	storage, network := len(interfaces) > 0, false
	for _, i := range interfaces {
		if i.tty {
			return "", ""
		}
		// Beside the CD some have a card reader (0b) or keys (03).
		storage = storage && (i.class == "08" || i.class == "03" || i.class == "0b")
		network = network || i.net || i.class == "02" && slices.Contains([]string{"06", "0d", "0e"}, i.subclass) ||
			i.class == "e0" && i.subclass == "01" && i.protocol == "03"
	}
	known := slices.Contains(storageIDs, id) || slices.Contains(storageVendors, st.Vendor) && st.Manufacturer != "Android"
	switch {
	case storage && known:
		return fmt.Sprintf("%s (USB %s) still is a CD-ROM with drivers and shows no port", name, id),
			"install usb-modeswitch, which makes a modem of it, and plug it in again: apt install usb-modeswitch"
	case network && slices.Contains(storageVendors, st.Vendor) && st.Manufacturer != "Android":
		return fmt.Sprintf("%s (USB %s) is a network card (Huawei calls it HiLink) and has no port for AT commands", name, id),
			"take another stick, or one of the same model with stick firmware instead of HiLink"
	}
	return "", ""
}

// stamp tells one life of a device node from the next: a stick that comes back gets a new node. Its time of change is
// part of it, not that of modification, which each octet on the line moves on. "" where there is no node.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", uint64(st.Rdev), st.Ino, int64(st.Ctim.Sec), int64(st.Ctim.Nsec))
}
