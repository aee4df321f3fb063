package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what fits into sun_path of Linux beside its NUL, in octets.
const maxSocketPath = 107

// ServeSocket serves h on a Unix socket that its owner alone can open, until ctx ends; nil then. The directory is made,
// with mode 0700, if it is not there. A socket that a dead process left is taken over; one that answers is an error.
func ServeSocket(ctx context.Context, path string, h http.Handler) error {
	ln, err := listenUnix(ctx, path)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", path, err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(bye); err != nil { // a request takes longer than the grace
		srv.Close()
	}
	<-ended
	return nil
}

// listenUnix opens the socket; closing the listener removes it.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the control socket has %d octets, and the system takes at most %d: choose a shorter data_dir (%s)",
			len(path), maxSocketPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the control socket: %w", err)
	}
	if err := clearStale(ctx, path); err != nil {
		return nil, err
	}
	// A socket gets its mode from the one its descriptor has before it is bound (Linux). So nobody else can connect
	// between bind and chmod, not even in a directory that others may enter.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.Fchmod(int(fd), 0o600) // other systems refuse it; Chmod below serves for them
		})
	}}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("keep others from the control socket: %w", err), ln.Close())
	}
	return ln, nil
}

// clearStale removes a socket on which nobody listens any more.
func clearStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the control socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of the control socket and is not a socket: move it elsewhere", path)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another gateway listens on %s: stop it, or give this one another data_dir", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("look who listens on the control socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the control socket of a gateway that has ended: %w", err)
	}
	return nil
}
