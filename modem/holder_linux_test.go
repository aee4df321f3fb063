package modem

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestHolder: a program that has a tty open is named, and OpenSerial refuses to share the line with it.
func TestHolder(t *testing.T) {
	t.Parallel()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	defer tty.Close()
	if pid, program, ok := Holder(tty.Name()); ok {
		t.Errorf("held by %s (%d), want nobody but us", program, pid)
	}
	sleeper := exec.Command("sleep", "60")
	sleeper.Stdin = tty
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Wait()
	defer sleeper.Process.Kill()
	var program string
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var pid int
		var ok bool
		if pid, program, ok = Holder(tty.Name()); ok && pid == sleeper.Process.Pid && program == "sleep" {
			break
		}
	}
	if program != "sleep" {
		t.Fatalf("held by %q, want sleep", program)
	}
	_, err = OpenSerial(t.Context(), tty.Name(), 115200)
	if !errors.Is(err, ErrPortBusy) || !strings.Contains(err.Error(), "sleep (pid ") || !strings.Contains(err.Error(), tty.Name()) {
		t.Errorf("OpenSerial: %v, want ErrPortBusy with the program", err)
	}
	sleeper.Process.Kill()
	sleeper.Wait()
	port, err := OpenSerial(t.Context(), tty.Name(), 115200)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	port.Close()
}

// TestHolderMaker: the program that made a pseudo-terminal is the modem, not a rival.
func TestHolderMaker(t *testing.T) {
	t.Parallel()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	defer tty.Close()
	maker := exec.Command("sleep", "60")
	maker.Stdin, maker.Stdout = far, tty // a process with both ends
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	defer maker.Wait()
	defer maker.Process.Kill()
	time.Sleep(50 * time.Millisecond) // until it is surely there
	if pid, program, ok := Holder(tty.Name()); ok {
		t.Errorf("held by %s (%d): that is the modem itself", program, pid)
	}
}

func TestHolderOfNothing(t *testing.T) {
	for _, port := range []string{"/dev/ttyUSB77", t.TempDir()} {
		if pid, program, ok := Holder(port); ok {
			t.Errorf("%s is held by %s (%d)", port, program, pid)
		}
	}
	if _, _, ok := (system{root: t.TempDir()}).holder(os.DevNull); ok { // a machine without /proc
		t.Error("held without /proc")
	}
}

// TestHolderSuspected: where open files are not ours to see, who runs is.
func TestHolderSuspected(t *testing.T) {
	tr := newTree(t)
	tr.write("bash", "proc/1/comm")
	if pid, program, ok := tr.system().suspect(); ok {
		t.Errorf("suspects %s (%d)", program, pid)
	}
	tr.write("ModemManager", "proc/812/comm")
	if pid, program, ok := tr.system().suspect(); !ok || pid != 812 || program != "ModemManager" {
		t.Errorf("suspects %s (%d), %v", program, pid, ok)
	}
	e := &heldError{pid: 812, program: "ModemManager", port: "/dev/ttyUSB2", perhaps: true}
	if want := "another program uses this port: perhaps ModemManager (pid 812); tell"; !strings.HasPrefix(e.Error(), want) || !errors.Is(e, ErrPortBusy) {
		t.Errorf("got %s", e)
	}
}

func TestHeldBy(t *testing.T) {
	for program, want := range map[string]string{
		"ModemManager": `another program uses this port: ModemManager (pid 812); tell it to leave the stick alone with the udev rule ENV{ID_MM_DEVICE_IGNORE}="1", or stop it: systemctl disable --now ModemManager`,
		"agetty":       "another program uses this port: agetty (pid 812); it waits for a login there; stop it: systemctl disable --now serial-getty@ttyUSB2",
		"minicom":      "another program uses this port: minicom (pid 812); end it, or give it another port",
	} {
		if got := (&heldError{pid: 812, program: program, port: "/dev/ttyUSB2"}).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
