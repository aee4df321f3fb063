package modem

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// openPTY opens a pseudo-terminal and its other end through OpenSerial.
func openPTY(t *testing.T) (far *os.File, port Port, path string) {
	t.Helper()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	path = tty.Name()
	t.Cleanup(func() { far.Close(); tty.Close() })
	port, err = OpenSerial(t.Context(), path, 115200)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	tty.Close() // so that the last open descriptor is the port's
	return far, port, path
}

// soon is within how long something must end that does not wait; on a busy machine it may take some of it.
const soon = 20 * time.Second

// within runs f and fails when it takes longer than d.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s took longer than %v", what, d)
	}
}

func TestSerialBothWays(t *testing.T) {
	far, port, _ := openPTY(t)
	if _, err := port.Write([]byte("AT\r\x1a\x1b")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, err := far.Read(buf); err != nil || string(buf[:n]) != "AT\r\x1a\x1b" {
		t.Errorf("at the modem %q, %v: the line is not raw", buf[:n], err)
	}
	// Reads span the read timeout many times: silence is not the end.
	for _, quiet := range []time.Duration{0, 50 * time.Millisecond, 350 * time.Millisecond} {
		go func() {
			time.Sleep(quiet)
			far.WriteString("\r\nOK\r\n")
		}()
		within(t, soon, "Read", func() {
			if n, err := port.Read(buf); err != nil || string(buf[:n]) != "\r\nOK\r\n" {
				t.Errorf("after %v read %q, %v", quiet, buf[:n], err)
			}
		})
	}
}

func TestSerialCloseFreesRead(t *testing.T) {
	for _, after := range []time.Duration{10 * time.Millisecond, 300 * time.Millisecond} {
		_, port, _ := openPTY(t)
		read := make(chan error, 1)
		go func() {
			_, err := port.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(after) // once in tarm's Read, once in ours
		within(t, soon, "Close", func() {
			if err := port.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		if err := <-read; !errors.Is(err, ErrPortGone) {
			t.Errorf("Read: %v, want ErrPortGone", err)
		}
		if _, err := port.Write([]byte("x")); err == nil {
			t.Error("Write after Close: no error")
		}
		if err := port.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	}
}

func TestSerialUnplugged(t *testing.T) {
	for _, after := range []time.Duration{0, 300 * time.Millisecond} {
		far, port, path := openPTY(t)
		read := make(chan error, 1)
		go func() {
			_, err := port.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(after)
		far.Close()
		within(t, soon, "noticing", func() {
			if err := <-read; !errors.Is(err, ErrPortGone) {
				t.Errorf("Read: %v, want ErrPortGone", err)
			}
		})
		if _, err := port.Write([]byte("x")); !errors.Is(err, ErrPortGone) {
			t.Errorf("Write: %v, want ErrPortGone", err)
		}
		within(t, soon, "Close", func() { port.Close() })
		if _, err := OpenSerial(t.Context(), path, 115200); !errors.Is(err, ErrPortMissing) {
			t.Errorf("opened again: %v, want ErrPortMissing", err)
		}
	}
}

// TestSerialLastWords: what the modem said before it vanished is read first.
func TestSerialLastWords(t *testing.T) {
	far, port, _ := openPTY(t)
	far.WriteString("\r\n+CMGS: 12\r\n")
	buf := make([]byte, 64)
	n, err := port.Read(buf)
	far.Close()
	if err != nil || string(buf[:n]) != "\r\n+CMGS: 12\r\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestSerialOpenErrors(t *testing.T) {
	_, _, busy := openPTY(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	master, free, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close() // not before: without it there is no such device
	defer free.Close()
	tests := []struct {
		name, port string
		baud       int
		want       error
		says       string
	}{
		{"missing", filepath.Join(dir, "ttyUSB2"), 115200, ErrPortMissing, "not plugged in"},
		{"busy, by this very program", busy, 115200, ErrPortBusy, "another [[modem]] names it"},
		{"a directory", dir, 115200, unix.EISDIR, "open " + dir + ": this is not a serial port (is a directory)"},
		{"a plain file", plain, 115200, unix.ENOTTY, "not a serial port"},
		{"a rate that there is not", free.Name(), 14400, nil, "at 14400 baud"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenSerial(t.Context(), tt.port, tt.baud)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.port) {
				t.Errorf("error %v, want %v, with %q and the port in it", err, tt.want, tt.says)
			}
		})
	}
	if err := openError("/dev/ttyUSB0", 115200, fs.ErrPermission); !strings.Contains(err.Error(), "dialout") {
		t.Errorf("no permission: %v, want what to do", err)
	}
	// Neither the refused second opening nor the failed ones keep the tty locked.
	port, err := OpenSerial(t.Context(), free.Name(), 9600)
	if err != nil {
		t.Fatalf("after the errors: %v", err)
	}
	port.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenSerial(ctx, free.Name(), 9600); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// TestSerialStuck: a device that takes nothing ends neither Write nor Close in a wait for ever.
func TestSerialStuck(t *testing.T) {
	far, port, _ := openPTY(t)
	p := port.(*serialPort)
	p.patience = 200 * time.Millisecond
	var err error
	within(t, soon, "Write", func() {
		for err == nil {
			_, err = port.Write(make([]byte, 4096))
		}
	})
	if !errors.Is(err, ErrPortStuck) {
		t.Errorf("Write: %v, want ErrPortStuck", err)
	}
	if _, err := port.Write([]byte("x")); !errors.Is(err, ErrPortStuck) {
		t.Errorf("next Write: %v, want ErrPortStuck", err)
	}
	within(t, soon, "Close", func() { port.Close() })
	far.Close() // frees the writer
}
