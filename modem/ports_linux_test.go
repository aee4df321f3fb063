package modem

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree is a machine with USB sticks: its /sys, /dev and /proc.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return tree{t, root}
}

func (tr tree) system() system { return system{root: tr.root} }

func (tr tree) write(text string, elem ...string) {
	tr.t.Helper()
	name := filepath.Join(append([]string{tr.root}, elem...)...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text+"\n"), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) link(target string, elem ...string) {
	tr.t.Helper()
	name := filepath.Join(append([]string{tr.root}, elem...)...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	os.Remove(name)
	if err := os.Symlink(target, name); err != nil {
		tr.t.Fatal(err)
	}
}

// device plugs a USB device into place "1-2". id is "12d1:1001".
func (tr tree) device(place, id, maker, model, serial string) {
	dir := filepath.Join("sys/devices/pci0/usb1", place)
	vendor, product, _ := strings.Cut(id, ":")
	for name, text := range map[string]string{
		"idVendor": vendor, "idProduct": product, "manufacturer": maker, "product": model, "serial": serial, "authorized": "1",
	} {
		if text != "" {
			tr.write(text, dir, name)
		}
	}
	tr.link(filepath.Join(tr.root, dir), "sys/bus/usb/devices", place)
}

// port gives a device an interface, "02" "ff/ff/ff", with a tty ("" none).
func (tr tree) port(place, number, class, tty string) {
	dir := filepath.Join("sys/devices/pci0/usb1", place, place+":1."+strings.TrimLeft(number[:1], "0")+number[1:])
	parts := strings.Split(class, "/")
	for name, text := range map[string]string{
		"bInterfaceNumber": number, "bInterfaceClass": parts[0], "bInterfaceSubClass": parts[1], "bInterfaceProtocol": parts[2],
	} {
		tr.write(text, dir, name)
	}
	if tty == "" {
		return
	}
	at, driver := filepath.Join(dir, tty), "/bus/usb-serial/drivers/option1"
	if strings.HasPrefix(tty, "ttyACM") {
		at, driver = dir, "/bus/usb/drivers/cdc_acm"
		tr.write("", dir, "tty", tty, "dev")
	}
	tr.link(driver, at, "driver")
	tr.link(filepath.Join(tr.root, at), "sys/class/tty", tty, "device")
	if _, err := os.Lstat(filepath.Join(tr.root, "dev", tty)); err != nil {
		tr.write("", "dev", tty)
	}
}

// named gives a tty a name below /dev/serial.
func (tr tree) named(tty string, names ...string) {
	for _, n := range names {
		tr.link("../../"+tty, "dev/serial", n)
	}
}

// huawei is an old stick: three ttys from ttyUSB<first> on.
func (tr tree) huawei(place, serial string, first int) {
	tr.device(place, "12d1:1001", "HUAWEI", "HUAWEI Mobile", serial)
	for i, number := range []string{"00", "01", "02"} {
		tty := "ttyUSB" + string(rune('0'+first+i))
		tr.port(place, number, "ff/ff/ff", tty)
		tr.named(tty, "by-path/pci-0000:00:14.0-usb-0:"+place+":1."+number[1:]+"-port0")
		if serial != "" {
			tr.named(tty, "by-id/usb-HUAWEI_HUAWEI_Mobile_"+serial+"-if"+number+"-port0")
		}
	}
}

func TestPorts(t *testing.T) {
	tr := newTree(t)
	tr.device("1-9", "2341:0043", "Arduino", "Uno", "7")
	tr.port("1-9", "00", "02/02/01", "ttyACM1")
	tr.device("1-8", "0403:6001", "FTDI", "FT232R", "A1")
	tr.port("1-8", "00", "ff/ff/ff", "ttyUSB9")
	tr.named("ttyUSB9", "by-id/usb-FTDI_FT232R_A1-if00-port0")
	tr.huawei("1-2", "99", 0)
	tr.device("1-1", "1e2d:0061", "Cinterion", "EHS6\x01", "")
	tr.port("1-1", "00", "02/02/01", "ttyACM0")
	tr.port("1-1", "02", "02/02/01", "ttyACM3")
	tr.link("../../pts/5", "dev/serial/by-id/usb-gone-if00") // leads nowhere
	tr.write("", "dev/ttyS0")
	ports, err := tr.system().ports()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ports {
		got = append(got, strings.ReplaceAll(p.Path+" "+p.String()+" "+p.Driver, tr.root, ""))
	}
	want := []string{
		"/dev/ttyACM3 /dev/ttyACM3 (Cinterion EHS6, USB 1e2d:0061, interface 2) cdc_acm",
		"/dev/ttyACM0 /dev/ttyACM0 (Cinterion EHS6, USB 1e2d:0061, interface 0) cdc_acm",
		"/dev/serial/by-id/usb-HUAWEI_HUAWEI_Mobile_99-if02-port0 /dev/ttyUSB2 (HUAWEI HUAWEI Mobile, USB 12d1:1001, interface 2) option",
		"/dev/serial/by-id/usb-HUAWEI_HUAWEI_Mobile_99-if00-port0 /dev/ttyUSB0 (HUAWEI HUAWEI Mobile, USB 12d1:1001, interface 0) option",
		"/dev/serial/by-id/usb-HUAWEI_HUAWEI_Mobile_99-if01-port0 /dev/ttyUSB1 (HUAWEI HUAWEI Mobile, USB 12d1:1001, interface 1) option",
		"/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0 /dev/ttyUSB9 (FTDI FT232R, USB 0403:6001, interface 0) option",
	}
	if !slices.Equal(got, want) {
		t.Errorf("ports\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !ports[2].sameStick(ports[4]) || ports[0].sameStick(ports[2]) || ports[2].Serial != "99" {
		t.Errorf("sticks are mixed up: %+v", ports)
	}
}

// TestPortsTwins: two sticks of a kind without numbers share their names by-id, so those by place are taken.
func TestPortsTwins(t *testing.T) {
	tr := newTree(t)
	tr.huawei("1-1", "", 0)
	tr.huawei("1-2", "", 3)
	tr.named("ttyUSB5", "by-id/usb-HUAWEI_HUAWEI_Mobile-if02-port0")
	ports, err := tr.system().ports()
	if err != nil || len(ports) != 6 {
		t.Fatalf("%d ports, %v", len(ports), err)
	}
	for i, want := range map[int]string{0: "usb-0:1-1:1.2-port0", 3: "usb-0:1-2:1.2-port0"} {
		if !strings.HasSuffix(ports[i].Path, "/dev/serial/by-path/pci-0000:00:14.0-"+want) {
			t.Errorf("port %d is %s, want %s", i, ports[i].Path, want)
		}
	}
}

func TestPortsWithoutAny(t *testing.T) {
	s := newTree(t).system()
	if ports, err := s.ports(); err != nil || len(ports) != 0 {
		t.Errorf("ports %v, %v", ports, err)
	}
	if sticks, err := s.sticks(); err != nil || len(sticks) != 0 {
		t.Errorf("sticks %v, %v", sticks, err)
	}
}

func TestRank(t *testing.T) {
	for _, tt := range []struct {
		name, id, protocol string
		order              []int // interfaces, the best first
	}{
		{"Huawei E1550", "12d1:1001", "", []int{2, 0, 1}},
		{"Quectel EC25", "2c7c:0125", "", []int{2, 3, 0}},
		{"Quectel BG95", "2c7c:0128", "", []int{5, 3}},
		{"SIMCom SIM7600", "1e0e:9001", "", []int{2, 3, 4}},
		{"Sierra MC7455", "1199:9071", "", []int{3, 2}},
		{"Telit LE910C1", "1bc7:1201", "", []int{4, 5, 0}},
		{"ZTE MF180", "19d2:2003", "", []int{3, 1, 0}},
		{"u-blox, of which nothing is known", "1546:1143", "", []int{0, 2, 4}},
	} {
		vendor, product, _ := strings.Cut(tt.id, ":")
		var ports []PortInfo
		for _, i := range slices.Backward(tt.order) {
			ports = append(ports, PortInfo{Vendor: vendor, Product: product, Interface: i, usb: "1-1"})
		}
		sortPorts(ports)
		for i, p := range ports {
			if p.Interface != tt.order[i] {
				t.Errorf("%s: interface %d comes at place %d, want %v", tt.name, p.Interface, i, tt.order)
			}
		}
	}
	for protocol, want := range map[string]int{"": rankBest, "ff/0": rankBest, "ff/02/12": rankBest, "ff/01/02": rankBest, "ff/01/10": rankData, "ff/01/03": rankNot, "ff/06/14": rankNot} {
		if got := rank(PortInfo{Vendor: "12d1", Product: "1506", Interface: 2, protocol: protocol}); got != want {
			t.Errorf("Huawei %s: rank %d, want %d", protocol, got, want)
		}
	}
}

// TestHints: ids are written as sysfs writes them, and no list has one twice.
func TestHints(t *testing.T) {
	seen := make(map[string]bool)
	for _, h := range portHints {
		for _, p := range strings.Fields(h.products) {
			id := h.vendor + ":" + p
			if seen[id] || len(id) != 9 || strings.ToLower(id) != id {
				t.Errorf("port hint for %q is there twice, or no id", id)
			}
			seen[id] = true
		}
		for _, i := range h.not {
			if slices.Contains(h.at, i) {
				t.Errorf("%s %s: interface %d is for AT and is not", h.vendor, h.products, i)
			}
		}
	}
	for _, id := range storageIDs {
		if seen["storage "+id] || len(id) != 9 || strings.ToLower(id) != id {
			t.Errorf("storage id %q is there twice, or no id", id)
		}
		seen["storage "+id] = true
	}
}

func TestSticks(t *testing.T) {
	for _, tt := range []struct {
		name, id, maker string
		classes         []string
		tty             string
		want            string // in What; "": nothing to say
	}{
		{"Huawei as CD-ROM", "12d1:1f01", "HUAWEI_MOBILE", []string{"08/06/50"}, "", "still is a CD-ROM"},
		{"Huawei with card reader", "12d1:1446", "HUAWEI", []string{"08/06/50", "08/06/50"}, "", "still is a CD-ROM"},
		{"ZTE as CD-ROM", "19d2:2000", "ZTE", []string{"08/06/50"}, "", "still is a CD-ROM"},
		{"D-Link as CD-ROM", "2001:a80b", "D-Link", []string{"08/06/50"}, "", "still is a CD-ROM"},
		{"Huawei HiLink", "12d1:14db", "HUAWEI", []string{"02/06/00", "0a/00/00"}, "", "HiLink"},
		{"Huawei HiLink with storage", "12d1:14dc", "HUAWEI", []string{"02/06/00", "0a/00/00", "08/06/50"}, "", "HiLink"},
		{"Huawei with ports", "12d1:1506", "HUAWEI", []string{"ff/02/12", "08/06/50"}, "ttyUSB0", ""},
		{"a phone", "12d1:107e", "Android", []string{"08/06/50"}, "", ""},
		{"a memory stick", "0781:5567", "SanDisk", []string{"08/06/50"}, "", ""},
		{"D-Link's network card", "2001:3319", "Realtek", []string{"02/06/00"}, "", ""},
		{"a hub", "1d6b:0002", "Linux", []string{"09/00/00"}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTree(t)
			tr.device("1-1", tt.id, tt.maker, "Mobile", "")
			for i, class := range tt.classes {
				tty := ""
				if i == 0 {
					tty = tt.tty
				}
				tr.port("1-1", "0"+string(rune('0'+i)), class, tty)
			}
			sticks, err := tr.system().sticks()
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if len(sticks) != 0 {
					t.Errorf("got %+v, want none", sticks)
				}
				return
			}
			if len(sticks) != 1 || !strings.Contains(sticks[0].What, tt.want) || !strings.Contains(sticks[0].What, tt.id) || sticks[0].Cure == "" {
				t.Errorf("got %+v, want one with %q", sticks, tt.want)
			}
		})
	}
}

func TestRebindUSB(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.huawei("1-2", "99", 0)
	s := tr.system()
	port := filepath.Join(tr.root, "dev/ttyUSB2")
	authorized := filepath.Join(tr.root, "sys/devices/pci0/usb1/1-2/authorized")
	p, err := s.info(port)
	if err != nil {
		t.Fatal(err)
	}
	values := make(chan string, 1)
	go func() { // what the file says while the device is off
		for {
			if b, err := os.ReadFile(authorized); err == nil && strings.TrimSpace(string(b)) == "0" {
				values <- "0"
				return
			}
			if t.Context().Err() != nil {
				return
			}
		}
	}()
	if err := s.rebindUSB(t.Context(), port); err != nil {
		t.Fatal(err)
	}
	if got := <-values + word(p.usb, "authorized"); got != "01" {
		t.Errorf("written %q, want 0, then 1", got)
	}

	if err := s.rebindUSB(t.Context(), filepath.Join(tr.root, "dev/ttyUSB7")); err == nil || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("a port that is not there: %v", err)
	}
	tr.write("", "dev/ttyS0")
	if err := s.rebindUSB(t.Context(), filepath.Join(tr.root, "dev/ttyS0")); err == nil || !strings.Contains(err.Error(), "no USB device") {
		t.Errorf("a port of the machine: %v", err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(authorized, 0o444); err != nil {
			t.Fatal(err)
		}
		if err := s.rebindUSB(t.Context(), port); err == nil || !strings.Contains(err.Error(), authorized) || !strings.Contains(err.Error(), "ATTR{idProduct}==\"1001\"") {
			t.Errorf("no permission: %v", err)
		}
	}
	tr.write("1f01", "sys/devices/pci0/usb1/1-2/idProduct")
	if err := rebind(t.Context(), p); err == nil {
		t.Error("another device at this place was switched off")
	}
}

// remove takes a file away.
func (tr tree) remove(elem ...string) {
	tr.t.Helper()
	if err := os.Remove(filepath.Join(append([]string{tr.root}, elem...)...)); err != nil && !os.IsNotExist(err) {
		tr.t.Fatal(err)
	}
}
