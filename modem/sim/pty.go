package sim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// ServePTY is Serve on a pseudo-terminal of its own, until ctx ends. Programs open it like the tty of a USB stick, at the
// path that ready gets; they may close it and open it again without the modem noticing. If link is not "", it becomes a
// symbolic link to that path; one that a former run has left is replaced, anything else of that name is an error, and so
// is the link of a simulated modem that still runs, also while that is unplugged.
//
// An unplugged modem comes back after a second, or as its Fault says, switched on anew, and ready is called again: the path
// may be another one, and is if the Fault says so; the link is the same. At the end the link is removed.
func (m *Modem) ServePTY(ctx context.Context, link string, ready func(path string)) error {
	release, err := claimLink(link)
	if err != nil {
		return err
	}
	defer release()
	avoid := ""
	for {
		path, err := m.serveOnce(ctx, avoid, link, ready)
		if !errors.Is(err, io.EOF) {
			return err
		}
		m.mu.Lock()
		absence := m.absence
		m.mu.Unlock()
		if avoid = ""; absence.Rename {
			avoid = path
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(absence.lasting()):
		}
	}
}

// serveOnce is the life of one pseudo-terminal, and returns its path, which is another than avoid.
func (m *Modem) serveOnce(ctx context.Context, avoid, link string, ready func(path string)) (path string, err error) {
	master, slave, err := openPTYBut(avoid)
	if err != nil {
		return "", fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	defer master.Close()
	// The slave stays open on our side as well: else its settings would be lost whenever the other side closes it, and
	// our own output echoed back to us.
	defer slave.Close()
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		return "", fmt.Errorf("make %s raw: %w", slave.Name(), err)
	}
	if link != "" {
		if err := point(link, slave.Name()); err != nil {
			return "", err
		}
		defer unpoint(link, slave.Name())
	}
	if ready != nil {
		ready(slave.Name())
	}
	return slave.Name(), m.Serve(ctx, master)
}

// openPTYBut is openPTY with another path than avoid. The system gives the first one that is free, so avoid is held until
// there is another.
func openPTYBut(avoid string) (master, slave *os.File, err error) {
	master, slave, err = openPTY()
	if err != nil || slave.Name() != avoid {
		return master, slave, err
	}
	defer master.Close()
	defer slave.Close()
	return openPTY()
}

// openPTY is pty.Open with a master whose Close frees a blocked Read. That of the library is in blocking mode, because it
// asks for the descriptor (os.File.Fd), so a copy takes its place.
func openPTY() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := syscall.Dup(int(blocking.Fd()))
	if err == nil {
		syscall.CloseOnExec(fd)
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		slave.Close()
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), blocking.Name()), slave, nil
}

// claimLink takes a link for as long as this process has not called release or ended, however that comes: two simulated
// modems would take it from each other. The link itself does not tell: the number of a pseudo-terminal that a killed run
// has left is soon given to a shell. So a socket of Linux's abstract namespace stands for it, which leaves nothing behind;
// where there is none, no link is refused.
func claimLink(link string) (release func(), err error) {
	release = func() {}
	if link == "" || runtime.GOOS != "linux" {
		return release, nil
	}
	where := filepath.Dir(link)
	if real, err := filepath.EvalSymlinks(where); err == nil {
		where = real
	}
	if abs, err := filepath.Abs(where); err == nil {
		where = abs
	}
	name := sha256.Sum256([]byte(filepath.Join(where, filepath.Base(link))))
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("@smsgateway-link-%x", name), Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("link %s: another simulated modem that runs has it: stop that one, or choose another name", link)
	}
	if err == nil {
		release = func() { ln.Close() }
	}
	return release, nil
}

// point makes link a symbolic link to path, in one step.
func point(link, path string) error {
	dir := filepath.Dir(link)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return fmt.Errorf("link %s: there is no directory %s: make it, or choose another one", link, dir)
	}
	switch info, err := os.Lstat(link); {
	case err == nil && info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("link %s: something else has that name: remove it, or choose another name", link)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("link to the pseudo-terminal: %w", err)
	}
	fresh := fmt.Sprintf("%s.%d", link, os.Getpid())
	os.Remove(fresh)
	if err := os.Symlink(path, fresh); err != nil {
		return fmt.Errorf("link to the pseudo-terminal: %w", err)
	}
	if err := os.Rename(fresh, link); err != nil {
		os.Remove(fresh)
		return fmt.Errorf("link to the pseudo-terminal: %w", err)
	}
	return nil
}

// unpoint removes the link if it is still ours.
func unpoint(link, path string) {
	if target, err := os.Readlink(link); err == nil && target == path {
		os.Remove(link)
	}
}
