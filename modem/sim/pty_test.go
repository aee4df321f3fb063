package sim

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// driver opens a tty as foreign programs do, and has read at most a second for each answer.
type driver struct {
	t *testing.T
	f *os.File
}

func openTTY(t *testing.T, path string) driver {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return driver{t, f}
}

// expect types something and reads until want has come.
func (d driver) expect(typed, want string) {
	d.t.Helper()
	if _, err := d.f.WriteString(typed); err != nil {
		d.t.Fatalf("typing %q: %v", typed, err)
	}
	var got bytes.Buffer
	buf := make([]byte, 256)
	for !strings.HasSuffix(got.String(), want) {
		n, err := d.f.Read(buf)
		if err != nil {
			d.t.Fatalf("after %q: %q, then %v", typed, got.String(), err)
		}
		got.Write(buf[:n])
	}
}

func TestServePTY(t *testing.T) {
	link := filepath.Join(t.TempDir(), "modem")
	m := New(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	paths, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- m.ServePTY(ctx, link, func(path string) { paths <- path }) }()
	path := <-paths
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v, want %q", target, err, path)
	}

	for range 3 { // opened, closed and opened again: the modem has not noticed
		d := openTTY(t, link)
		d.expect("AT\r", "\r\nOK\r\n")
		d.f.Close()
	}
	d := openTTY(t, path)
	d.expect("ATE0\r", "ATE0\r\r\nOK\r\n")
	d.f.Close()
	d = openTTY(t, path)
	d.expect("AT\r", "\r\nOK\r\n")

	m.Unplug()
	if _, err := d.f.Read(make([]byte, 1)); err == nil {
		t.Error("an unplugged line can be read")
	}
	d.f.Close()
	path = <-paths
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("after plugging in again the link leads to %q, %v, want %q", target, err, path)
	}
	openTTY(t, link).expect("AT\r", "AT\r\r\nOK\r\n")

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ServePTY: %v", err)
	}
	if _, err := os.Lstat(link); err == nil {
		t.Error("the link is still there")
	}
}

// A modem may end while nobody has its line open, and while it is unplugged.
func TestServePTYEnds(t *testing.T) {
	m := New(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- m.ServePTY(ctx, "", func(path string) { ready <- path }) }()
	<-ready
	for !serving(m) {
		time.Sleep(time.Millisecond)
	}
	m.Unplug()
	for serving(m) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ServePTY: %v", err)
	}
}

func serving(m *Modem) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term != nil
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	occupied, stale := filepath.Join(dir, "file"), filepath.Join(dir, "stale")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", stale); err != nil {
		t.Fatal(err)
	}
	if err := New(Config{}).ServePTY(t.Context(), occupied, nil); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a file in the link's place: %v", err)
	}
	for _, missing := range []string{filepath.Join(dir, "no"), occupied} {
		err := New(Config{}).ServePTY(t.Context(), filepath.Join(missing, "such"), nil)
		if err == nil || !strings.Contains(err.Error(), "there is no directory "+missing+":") {
			t.Errorf("a link in a directory that is not there: %v", err)
		}
	}
	if err := point(stale, "/dev/null"); err != nil {
		t.Errorf("a link of a former run: %v", err)
	}
	unpoint(stale, "/dev/zero")
	if target, _ := os.Readlink(stale); target != "/dev/null" {
		t.Errorf("another one's link was removed")
	}
}

// TestLinkTaken: a simulated modem that runs keeps its link, whatever way another one writes it; it is free again afterwards.
func TestLinkTaken(t *testing.T) {
	dir := t.TempDir()
	link, alias := filepath.Join(dir, "modem0"), filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(dir, alias); err != nil {
		t.Fatal(err)
	}
	run := func() (path string, stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ready, ended := make(chan string, 1), make(chan error, 1)
		go func() { ended <- New(Config{}).ServePTY(ctx, link, func(path string) { ready <- path }) }()
		select {
		case path = <-ready:
		case err := <-ended:
			t.Fatalf("the link is free, and: %v", err)
		}
		return path, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	path, stop := run()
	for _, name := range []string{link, filepath.Join(alias, "modem0"), filepath.Join(dir, "..", filepath.Base(dir), "modem0")} {
		err := New(Config{}).ServePTY(t.Context(), name, func(string) { t.Error("it runs") })
		if err == nil || !strings.Contains(err.Error(), "link "+name+": another simulated modem that runs has it") {
			t.Errorf("the link of another, as %s: %v", name, err)
		}
	}
	if target, err := os.Readlink(link); target != path {
		t.Errorf("the link leads to %q, %v; want %s", target, err, path)
	}
	stop()
	master, slave, err := openPTY() // whose number a killed run has left in its link
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	if err := os.Symlink(slave.Name(), link); err != nil {
		t.Fatal(err)
	}
	_, stop = run()
	stop()
}
