package modem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/modem/sim"
)

func TestFindByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		b.adapter("1-1", "ttyUSB0", answers("01", "11"))
		b.adapter("1-2", "ttyUSB1", Probed{})
		b.adapter("1-3", "ttyUSB2", answers("03", "33"))
		f := b.finder(nil)
		b.wantPort(f.Find("a", "imei:356938035643030", 115200), Identity{}, "ttyUSB2") // 14 digits decide
		if got := b.looked(); got != "ttyUSB0 ttyUSB1 ttyUSB2" {
			t.Errorf("looked at %s", got)
		}
		b.wantPort(f.Find("b", "iccid:8949010000123456711F", 115200), Identity{}, "ttyUSB0")
		c := f.Find("c", "imei:356938035643990", 115200)
		b.wantNone(c, "no modem with IMEI 356938035643990 among: /dev/ttyUSB0 (in use by b), /dev/ttyUSB1 (does not answer AT), /dev/ttyUSB2 (in use by a)")
		b.wantNone(f.Find("d", "iccid:8949010000123456799", 115200), "no modem with the SIM 8949010000123456799 among")
		if got := b.looked(); got != "" {
			t.Errorf("looked again at %s: what was seen just now holds", got)
		}
	})
}

// TestFindSimulated: two simulated modems behind pseudo-terminals, found by number, followed under another name.
func TestFindSimulated(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	dev := func(tty string) string { return filepath.Join(root, "dev", tty) }
	one := sim.New(sim.Config{IMEI: "356938035643018", ICCID: "8949010000123456711"})
	two := sim.New(sim.Config{IMEI: "356938035643026", ICCID: "8949010000123456722", PIN: "1234"})
	pull := plugIn(t, one, dev("ttyUSB0"))
	plugIn(t, two, dev("ttyUSB1"))
	look := prober{open: OpenSerial, timing: Timing{
		Command: 3 * time.Second, Probe: 300 * time.Millisecond, Settle: 20 * time.Millisecond, Quiet: 50 * time.Millisecond,
	}}
	f := &Finder{sys: system{root: root}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	f.probe = func(ctx context.Context, port string, baud int) (Probed, error) {
		return look.look(ctx, port, baud, false)
	}
	findOne, findTwo := f.Find("one", "auto", 0), f.Find("two", "iccid:8949010000123456722", 0)
	for _, step := range []struct {
		find findPort
		want string
	}{{findTwo, "ttyUSB1"}, {findOne, "ttyUSB0"}, {findTwo, "ttyUSB1"}} {
		if port, _, err := step.find(t.Context(), Identity{}); err != nil || port != dev(step.want) {
			t.Fatalf("found %s, %v; want %s", port, err, step.want)
		}
	}
	pull()
	if _, _, err := findOne(t.Context(), Identity{}); !errors.Is(err, ErrPortMissing) {
		t.Errorf("pulled out: %v", err)
	}
	plugIn(t, one, dev("ttyUSB5"))
	if port, _, err := findOne(t.Context(), Identity{}); err != nil || port != dev("ttyUSB5") {
		t.Errorf("found %s, %v; want ttyUSB5", port, err)
	}
	got := (system{root: root}).diagnoseAll(t.Context(), look, nil, []Config{{Name: "one", Port: "imei:35693803564301"}})[0]
	if !slices.ContainsFunc(got, func(f Finding) bool { return strings.Contains(f.What, "IMEI 356938035643018") && f.Severity == OK }) {
		t.Errorf("diagnosed by IMEI: %+v", got)
	}
}

// TestFindBackOff: a port that does not answer is not asked each second, until it is another device.
func TestFindBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		b.adapter("1-1", "ttyUSB0", Probed{})
		f := b.finder(nil)
		find := f.Find("a", "imei:356938035643010", 0)
		count := 0
		for range 600 { // ten minutes
			b.wantNone(find)
			if b.looked() != "" {
				count++
			}
			time.Sleep(time.Second)
		}
		if count < 4 || count > 8 {
			t.Errorf("looked %d times in 10 minutes at a port that says nothing", count)
		}
		time.Sleep(time.Millisecond)
		b.plug("1-1", "ttyUSB0", answers("01", ""))
		b.wantPort(find, Identity{}, "ttyUSB0")
	})
}

func TestFindAuto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		data := answers("09", "")
		data.SMS = false
		b.adapter("1-1", "ttyUSB0", data)
		b.adapter("1-2", "ttyUSB1", answers("01", "11")) // modem path's
		b.adapter("1-3", "ttyUSB2", answers("02", "22")) // modem imei's
		b.adapter("1-4", "ttyUSB3", answers("03", "33"))
		b.adapter("1-5", "ttyUSB4", answers("04", "44"))
		b.adapter("1-6", "ttyUSB5", answers("04", "44")) // the same modem, through another port
		f := b.finder(nil)
		f.Find("path", b.dev("ttyUSB1"), 0)
		f.Find("imei", "imei:35693803564302", 0)
		one, two, three := f.Find("one", "auto", 0), f.Find("two", "auto", 0), f.Find("three", "auto", 0)
		b.wantPort(one, Identity{}, "ttyUSB3")
		b.wantPort(two, Identity{}, "ttyUSB4")
		b.wantNone(three, "no free modem that does texts among: ", "ttyUSB0 (Huawei E1550, IMEI 356938035643098, does no texts)", "ttyUSB4 (in use by two)")
	})
}

// TestFindFollows: a modem that comes back under another name is found there, whatever its port is called in the
// configuration; and it is not taken for the one that has its old name now.
func TestFindFollows(t *testing.T) {
	for _, spec := range []string{"auto", "imei:356938035643010", "iccid:8949010000123456711", "path"} {
		t.Run(strings.TrimRight(spec, ":0123456789"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHub(t)
				us := answers("01", "11")
				b.adapter("1-1", "ttyUSB0", us)
				if spec == "path" {
					spec = b.dev("ttyUSB0")
				}
				kept := notebook{}
				find := b.finder(kept).Find("a", spec, 0)
				b.wantPort(find, Identity{}, "ttyUSB0")
				b.looked()
				if port, looked, err := find(t.Context(), us.Identity); err != nil || port != b.dev("ttyUSB0") || looked {
					t.Errorf("found %s, %v; it looked: %v", port, err, looked)
				}
				if got := b.looked(); got != "" {
					t.Errorf("looked at %s, though nothing was plugged", got)
				}

				b.unplug("ttyUSB0")
				b.wantNone(find)
				b.plug("1-1", "ttyUSB7", us)
				b.wantPort(find, us.Identity, "ttyUSB7")

				// Another stick gets the old name, and ours a third one.
				b.unplug("ttyUSB7")
				b.plug("1-2", "ttyUSB0", answers("02", "22"))
				b.plug("1-1", "ttyUSB8", us)
				time.Sleep(time.Minute)
				b.wantPort(find, us.Identity, "ttyUSB8")

				// The gateway is started again: it still knows who it is, and does not disturb what has not moved.
				b.looked()
				find = b.finder(kept).Find("a", spec, 0)
				b.wantPort(find, Identity{}, "ttyUSB8")
				if got := b.looked(); got != "" {
					t.Errorf("looked at %s after a restart, though nothing was plugged", got)
				}
				b.unplug("ttyUSB8")
				b.plug("1-1", "ttyUSB9", us)
				find = b.finder(kept).Find("a", spec, 0)
				b.wantPort(find, Identity{}, "ttyUSB9")
			})
		})
	}
}

// TestFindSwapped: two modems with paths that have exchanged their names each get what is theirs.
func TestFindSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		one, two := answers("01", "11"), answers("02", "22")
		b.adapter("1-1", "ttyUSB0", one)
		b.adapter("1-2", "ttyUSB1", two)
		f := b.finder(nil)
		findOne, findTwo := f.Find("one", b.dev("ttyUSB0"), 0), f.Find("two", b.dev("ttyUSB1"), 0)
		b.wantPort(findOne, Identity{}, "ttyUSB0")
		b.wantPort(findTwo, Identity{}, "ttyUSB1")
		f.Learn("one", one.Identity)
		f.Learn("two", two.Identity)
		b.plug("1-1", "ttyUSB0", two)
		b.plug("1-2", "ttyUSB1", one)
		b.wantPort(findOne, one.Identity, "ttyUSB1")
		b.wantPort(findTwo, two.Identity, "ttyUSB0")

		// One is pulled out: the other's stick at its old path is not taken for it.
		b.unplug("ttyUSB1")
		b.wantNone(findOne, "/dev/ttyUSB0 is the port of two now")
	})
}

// TestFindSwappedAround: three modems at ports that are on no list of ports have changed places, so that each port leads to
// the modem of another name, and each gets its own all the same.
func TestFindSwappedAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		ttys := []string{"ttyS0", "ttyS1", "ttyS2"}
		modems := []Probed{answers("01", "11"), answers("02", "22"), answers("03", "33")}
		f := b.finder(nil)
		var find []findPort
		for i, tty := range ttys {
			b.write("", "dev", tty)
			b.modems[tty] = modems[i]
			find = append(find, f.Find(tty, b.dev(tty), 0))
			b.wantPort(find[i], Identity{}, tty)
			f.Learn(tty, modems[i].Identity)
		}
		for i, tty := range ttys { // all are plugged in anew, each at the port of the next
			b.remove("dev", tty)
			b.write("", "dev", tty)
			b.modems[tty] = modems[(i+1)%3]
		}
		time.Sleep(time.Minute) // what was seen there before holds no more
		for i := range ttys {
			b.wantPort(find[i], modems[i].Identity, ttys[(i+2)%3])
		}
	})
}

// TestFindMovedLink: a name that leads to the open port of another modem now is not taken, and neither is one that could
// not be looked at taken for good.
func TestFindMovedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		one, two, three := answers("01", "11"), answers("02", "22"), answers("03", "33")
		b.adapter("1-1", "ttyUSB0", one)
		b.adapter("1-2", "ttyUSB1", two)
		b.link("ttyUSB0", "dev", "left")
		b.link("ttyUSB1", "dev", "right")
		f := b.finder(nil)
		findOne, findTwo := f.Find("one", b.dev("left"), 0), f.Find("two", b.dev("right"), 0)
		b.wantPort(findOne, Identity{}, "left")
		b.wantPort(findTwo, Identity{}, "right")
		f.Learn("one", one.Identity)
		f.Learn("two", two.Identity)

		// The modem of two is pulled out, and the links change while one works.
		b.unplug("ttyUSB1")
		b.remove("dev", "left")
		b.remove("dev", "right")
		b.link("ttyUSB0", "dev", "right")
		b.errs["ttyUSB0"] = ErrPortBusy
		b.wantNone(findTwo, "/dev/right is the port of one now")

		// Another program has the port to which the link leads. When it is gone, who is there is looked at.
		b.adapter("1-3", "ttyUSB3", three)
		b.errs["ttyUSB3"] = ErrPortBusy
		b.remove("dev", "right")
		b.link("ttyUSB3", "dev", "right")
		b.wantPort(findTwo, two.Identity, "right")
		delete(b.errs, "ttyUSB3")
		time.Sleep(time.Minute)
		b.plug("1-2", "ttyUSB1", two)
		port, _, err := findTwo(t.Context(), two.Identity)
		if err != nil || filepath.Base(port) == "right" {
			t.Errorf("found %s, %v; want the modem that it was, not what the link leads to", port, err)
		}
	})
}

// TestFindExchanged: where the operator has put another stick, that one is taken: by a path at once, by auto after a wait.
func TestFindExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		old, fresh := answers("01", "11"), answers("05", "55")
		b.adapter("1-1", "ttyUSB0", old)
		f := b.finder(notebook{})
		path := f.Find("path", b.dev("ttyUSB0"), 0)
		b.wantPort(path, Identity{}, "ttyUSB0")
		b.plug("1-1", "ttyUSB0", fresh)
		b.wantPort(path, old.Identity, "ttyUSB0")
		b.wantPort(path, old.Identity, "ttyUSB0") // it could not be opened, so the caller knows nothing new
		if got := f.modems["path"].known.IMEI; got != fresh.IMEI {
			t.Errorf("known as %s, want the new one's IMEI", got)
		}
		b.plug("1-1", "ttyUSB0", old)
		b.wantPort(path, fresh.Identity, "ttyUSB0")
		b.wantPort(path, old.Identity, "ttyUSB0")
		if got := f.modems["path"].known.IMEI; got != old.IMEI {
			t.Errorf("known as %s, want the old one's IMEI", got)
		}

		b = newHub(t)
		b.adapter("1-1", "ttyUSB0", old)
		auto := b.finder(notebook{}).Find("auto", "auto", 0)
		b.wantPort(auto, Identity{}, "ttyUSB0")
		b.unplug("ttyUSB0")
		b.adapter("1-2", "ttyUSB1", fresh)
		b.wantNone(auto, "IMEI "+old.IMEI, "is not there among: /dev/ttyUSB1")
		time.Sleep(time.Minute)
		b.wantNone(auto)
		time.Sleep(61 * time.Second)
		b.wantPort(auto, old.Identity, "ttyUSB1")
		b.plug("1-1", "ttyUSB0", old)
		b.wantPort(auto, fresh.Identity, "ttyUSB1") // and stays with it

		// The SIM in another stick is the same modem at once: the number is the same.
		b = newHub(t)
		b.adapter("1-1", "ttyUSB0", old)
		auto = b.finder(notebook{}).Find("auto", "auto", 0)
		b.wantPort(auto, Identity{}, "ttyUSB0")
		b.unplug("ttyUSB0")
		b.adapter("1-2", "ttyUSB1", answers("06", "11"))
		b.wantPort(auto, old.Identity, "ttyUSB1")
	})
}

// TestFindChangedConfig: what is remembered holds for the port of the configuration that it was remembered under.
func TestFindChangedConfig(t *testing.T) {
	b := newHub(t)
	b.adapter("1-1", "ttyUSB0", answers("01", "11"))
	b.adapter("1-2", "ttyUSB1", answers("02", "22"))
	kept := notebook{}
	b.wantPort(b.finder(kept).Find("a", b.dev("ttyUSB0"), 0), answers("01", "11").Identity, "ttyUSB0")
	b.wantPort(b.finder(kept).Find("a", b.dev("ttyUSB1"), 0), Identity{}, "ttyUSB1")
	b.wantPort(b.finder(kept).Find("a", "imei:356938035643010", 0), Identity{}, "ttyUSB0")
}

// TestFindStick: of a stick's ports the best is taken that answers; one that is deaf, or busy, gives way to the next.
func TestFindStick(t *testing.T) {
	b := newHub(t)
	b.huawei("1-1", "99", 0)
	byID := func(i int) string {
		return filepath.Join(b.root, "dev/serial/by-id", fmt.Sprintf("usb-HUAWEI_HUAWEI_Mobile_99-if%02d-port0", i))
	}
	b.modems["ttyUSB0"], b.modems["ttyUSB2"] = answers("01", "11"), answers("01", "11")
	if port, _, err := b.finder(nil).Find("a", "auto", 0)(t.Context(), Identity{}); err != nil || port != byID(2) {
		t.Errorf("found %s, %v; want interface 2", port, err)
	}
	if got := b.looked(); got != "ttyUSB2" {
		t.Errorf("looked at %s, want the best port alone", got)
	}
	delete(b.modems, "ttyUSB2")
	if port, _, err := b.finder(nil).Find("a", "auto", 0)(t.Context(), Identity{}); err != nil || port != byID(0) {
		t.Errorf("found %s, %v; want interface 0", port, err)
	}
	b.errs["ttyUSB0"] = &heldError{pid: 812, program: "ModemManager", port: "ttyUSB0"}
	b.device("1-4", "12d1:1f01", "HUAWEI", "Mobile", "")
	b.port("1-4", "00", "08/06/50", "")
	b.wantNone(b.finder(nil).Find("a", "auto", 0), "ttyUSB0 (in use by ModemManager)", "ttyUSB1 (does not answer AT)", "still is a CD-ROM", "install usb-modeswitch")
}

// TestFindHelpless: what is opened again and again at the same place is looked at after all.
func TestFindHelpless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		b.adapter("1-1", "ttyUSB0", answers("01", "11"))
		b.adapter("1-2", "ttyUSB1", Probed{})
		find := b.finder(nil).Find("a", "imei:356938035643018", 0)
		b.wantPort(find, Identity{}, "ttyUSB0")
		time.Sleep(time.Minute)
		b.modems["ttyUSB0"], b.modems["ttyUSB1"] = Probed{}, answers("01", "11")
		for range lookAgain {
			b.wantPort(find, Identity{}, "ttyUSB0")
		}
		b.wantPort(find, Identity{}, "ttyUSB1")
	})
}

func TestFindCancelled(t *testing.T) {
	b := newHub(t)
	b.adapter("1-1", "ttyUSB0", answers("01", "11"))
	f := b.finder(nil)
	waiting, find := make(chan struct{}), f.Find("a", "auto", 0)
	f.probe = func(ctx context.Context, _ string, _ int) (Probed, error) {
		close(waiting)
		<-ctx.Done()
		return Probed{}, ctx.Err()
	}
	first, cancelFirst := context.WithCancel(t.Context())
	second, cancelSecond := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, _, err := find(first, Identity{})
		ended <- err
	}()
	<-waiting
	other := f.Find("b", "auto", 0)
	go func() {
		_, _, err := other(second, Identity{}) // waits for its turn
		ended <- err
	}()
	cancelSecond()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that waits: %v", err)
	}
	cancelFirst()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that looks: %v", err)
	}
	if len(f.looks) != 0 {
		t.Error("a look that was broken off counts as seen")
	}
}

// TestFindHung: a port whose driver hangs costs the others a minute, once; the same tty in its next life is looked at again.
func TestFindHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		b.adapter("1-1", "ttyUSB0", answers("01", ""))
		b.adapter("1-2", "ttyUSB1", answers("05", ""))
		f := b.finder(nil)
		driver := make(chan struct{})
		var hangs atomic.Bool
		hangs.Store(true)
		f.probe = func(ctx context.Context, port string, baud int) (Probed, error) {
			if hangs.Load() && filepath.Base(port) == "ttyUSB0" {
				<-driver
			}
			return b.probe(ctx, port, baud)
		}
		first, second := f.Find("a", "imei:"+answers("01", "").IMEI, 0), f.Find("b", "imei:"+answers("05", "").IMEI, 0)
		began := time.Now()
		b.wantNone(first, "ttyUSB0 (could not be opened: its driver does not answer", "ttyUSB1 (")
		b.wantPort(second, Identity{}, "ttyUSB1")
		time.Sleep(time.Hour)
		b.wantNone(first, "its driver does not answer")
		if d := time.Since(began) - time.Hour; d != hungAfter {
			t.Errorf("it took %v, want %v in all", d, hungAfter)
		}
		hangs.Store(false)
		b.plug("1-1", "ttyUSB0", answers("01", ""))
		time.Sleep(keepBusy)
		b.wantPort(first, Identity{}, "ttyUSB0")

		hangs.Store(true)
		b.plug("1-1", "ttyUSB0", answers("01", ""))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began = time.Now()
		if _, _, err := first(ctx, Identity{}); !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
			t.Errorf("a stop: %v after %v", err, time.Since(began))
		}
		close(driver)
	})
}

func TestFinderResetUSB(t *testing.T) {
	b := newHub(t)
	b.device("1-1", "0403:6011", "FTDI", "Quad", "4")
	for i, number := range []string{"00", "01"} {
		tty := fmt.Sprintf("ttyUSB%d", i)
		b.port("1-1", number, "ff/ff/ff", tty)
		b.modems[tty] = answers(fmt.Sprintf("0%d", i), "")
	}
	b.adapter("1-2", "ttyUSB5", answers("05", ""))
	f := b.finder(nil)
	for i, tty := range []string{"ttyUSB0", "ttyUSB1", "ttyUSB5"} {
		b.wantPort(f.Find(fmt.Sprintf("m%d", i), "imei:"+b.modems[tty].IMEI, 0), Identity{}, tty)
	}
	if err := f.ResetUSB(t.Context(), b.dev("ttyUSB0"), Identity{Modem: "m0"}); err == nil || !strings.Contains(err.Error(), "also that of m1") {
		t.Errorf("a device with another modem on it: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	b.unplug("ttyUSB5") // the tty is gone, the USB device hangs
	if err := f.ResetUSB(ctx, b.dev("ttyUSB5"), Identity{Modem: "m2"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a device whose tty is gone: %v, want to be told that time is up", err)
	}
	dir := filepath.Join(b.root, "sys/devices/pci0/usb1/1-2")
	if word(dir, "authorized") != "1" {
		t.Error("a stop has left the device switched off")
	}

	// It is unplugged for good, and its name goes to a device that is none of ours.
	b.remove("sys/devices/pci0/usb1/1-2/idVendor")
	b.device("1-3", "10c4:ea60", "Silicon Labs", "Zigbee", "7")
	b.port("1-3", "00", "ff/ff/ff", "ttyUSB5")
	b.write("untouched", "sys/devices/pci0/usb1/1-3/authorized")
	if err := f.ResetUSB(t.Context(), b.dev("ttyUSB5"), Identity{Modem: "m2"}); !errors.Is(err, ErrPortMissing) {
		t.Errorf("a modem that is gone: %v", err)
	}
	f.Find("new", "imei:"+answers("09", "").IMEI, 0)
	if err := f.ResetUSB(t.Context(), b.dev("ttyUSB5"), Identity{Modem: "new"}); !errors.Is(err, ErrPortMissing) {
		t.Errorf("a modem that was never found: %v", err)
	}
	if word(filepath.Join(b.root, "sys/devices/pci0/usb1/1-3"), "authorized") != "untouched" {
		t.Error("a strange device was reset")
	}

	// Another of our modems has the name now, and works.
	b.plug("1-4", "ttyUSB5", answers("07", ""))
	b.wantPort(f.Find("m3", "imei:"+answers("07", "").IMEI, 0), Identity{}, "ttyUSB5")
	if err := f.ResetUSB(t.Context(), b.dev("ttyUSB5"), Identity{Modem: "m2"}); !errors.Is(err, ErrPortMissing) {
		t.Errorf("the name is another modem's now: %v", err)
	}
	if err := f.ResetUSB(t.Context(), b.dev("ttyUSB9"), Identity{}); !errors.Is(err, ErrPortMissing) {
		t.Errorf("a port that nobody knows: %v", err)
	}
}

// TestSpec: what is proposed as port finds the modem, whatever it tells behind the 14 digits that count.
func TestSpec(t *testing.T) {
	for imei, want := range map[string]string{
		"490154203237518": "imei:490154203237518", "490154203237510": "imei:490154203237510", // the check digit, 0 in its place
		"490154203237513": "imei:49015420323751", "49015420323751": "imei:49015420323751",
		"4901542032375101": "imei:4901542032375101", "49015420323751801": "imei:49015420323751", // IMEISV; IMEI and version
		"": "", "4901542": "", "000000000000000": "",
	} {
		id := Identity{IMEI: imei}
		if got := id.Spec(); got != want || want != "" && !sameIMEI(strings.TrimPrefix(got, "imei:"), imei) {
			t.Errorf("%q: %q, want %q", imei, got, want)
		}
	}
}

func TestSameNumbers(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"IMEI and IMEISV", sameIMEI("356938035643809", "3569380356438012"), true},
		{"IMEI without check digit", sameIMEI("356938035643809", "35693803564380"), true},
		{"other IMEI", sameIMEI("356938035643809", "356938035643819"), false},
		{"no IMEI", sameIMEI("", ""), false},
		{"zeros", sameIMEI("000000000000000", "000000000000000"), false},
		{"ICCID with filler", sameICCID("8949010000123456789", "8949010000123456789F"), true},
		{"ICCID without check digit", sameICCID("8949010000123456789", "894901000012345678"), true},
		{"ICCID swapped, its end cut off by F", sameICCID("8949010000123456789", "989410000021436587"), true},
		{"ICCID of 20 digits, swapped", sameICCID("89490100001234567890", "98941000002143658709"), true},
		{"other ICCID", sameICCID("8949010000123456789", "8949010000123456779"), false},
		{"too short", sameICCID("89490100001234567", "8949010000123456789"), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
}
