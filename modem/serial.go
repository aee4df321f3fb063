package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// readTimeout is the shortest that a tty can do (VTIME counts tenths of a second). A Read of tarm/serial that finds
// nothing for that long returns 0, io.EOF, which is also what it returns, at once, when the device is gone.
const readTimeout = 100 * time.Millisecond

// writeTimeout is how long the device may take to accept what is written: 350 octets at 1200 baud are 3 s.
const writeTimeout = 10 * time.Second

// bauds are the rates that tarm/serial can set.
var bauds = []int{50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200,
	230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000}

// BaudFault says what is wrong with a rate of a line, behind "is 5, "; "" if nothing is.
func BaudFault(baud int) string {
	if slices.Contains(bauds, baud) {
		return ""
	}
	return "a rate that serial lines don't have; 115200 fits nearly all modems; there are " +
		strings.Trim(strings.ReplaceAll(fmt.Sprint(bauds), " ", ", "), "[]")
}

// OpenSerial opens a tty at baud, 8N1, raw, without flow control, and locks it against other gateways. A tty that another
// program has open is refused, whether that program has locked it or not. The error says what to do: ErrPortMissing,
// ErrPortBusy, or a missing right.
//
// tarm/serial sets the line up, reads and writes. Its Read cannot be interrupted, and its Close waits for a Read; so a
// second descriptor of the same tty is opened. It holds the lock, and a Read waits on it for octets to come, where
// Close can free it; a line that is quiet costs nothing.
func OpenSerial(ctx context.Context, port string, baud int) (Port, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	watch, err := os.OpenFile(port, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(port, baud, err)
	}
	raw, err := watch.SyscallConn()
	if err == nil {
		var lockErr error
		err = raw.Control(func(fd uintptr) { lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
		err = errors.Join(err, lockErr)
	}
	if err == nil {
		// The lock is ours, but it only binds who asks for it. Another program on the line would mix its octets with ours.
		if pid, program, ok := Holder(port); ok {
			err = &heldError{pid: pid, program: program, port: port}
		}
	}
	var tty *serial.Port
	if err == nil {
		tty, err = serial.OpenPort(&serial.Config{Name: port, Baud: baud, ReadTimeout: readTimeout})
	}
	if err != nil {
		watch.Close()
		return nil, openError(port, baud, err)
	}
	return &serialPort{tty: tty, watch: watch, raw: raw, patience: writeTimeout}, nil
}

// openError says why a port cannot be opened and what to do about it.
func openError(port string, baud int, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) { // the port need not be named twice
		err = path.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EIO):
		return fmt.Errorf("open %s: %w", port, ErrPortMissing)
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open %s: %w", port, busyError(port))
	case errors.Is(err, ErrPortBusy):
		return fmt.Errorf("open %s: %w", port, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: %w; %s", port, err, ownersAdvice(port))
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("open %s: this is not a serial port (%w)", port, err)
	}
	return fmt.Errorf("open %s at %d baud: %w", port, baud, err)
}

// serialPort is a tty as a Port.
type serialPort struct {
	tty   *serial.Port
	watch *os.File // the same tty, non-blocking
	raw   syscall.RawConn

	patience time.Duration // writeTimeout

	mu    sync.Mutex
	stuck bool // a Write never came back
	once  sync.Once
}

// Read waits until the tty has octets, and returns them; any error means that it is gone, or was closed.
func (p *serialPort) Read(b []byte) (n int, err error) {
	fast := 0
	waitErr := p.raw.Read(func(uintptr) (done bool) {
		for {
			began := time.Now()
			n, err = p.tty.Read(b)
			quiet := n == 0 && (err == nil || errors.Is(err, io.EOF))
			if !quiet {
				return true
			}
			err = nil
			if time.Since(began) >= readTimeout/2 {
				return false // nothing there: wait for it
			}
			// The end of the tty returns at once, and for ever; three in a row are no accident.
			if fast++; fast == 3 {
				err = ErrPortGone
				return true
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, fmt.Errorf("%w (%w)", ErrPortGone, waitErr)
	case err != nil && !errors.Is(err, ErrPortGone):
		return n, fmt.Errorf("%w (%w)", ErrPortGone, err)
	}
	return n, err
}

// Write writes b, and gives the device up when it does not take it in time. A write that blocks cannot be ended; its
// goroutine stays until the device takes the octets, or disappears.
func (p *serialPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck {
		return 0, ErrPortStuck
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	own := append([]byte(nil), b...)
	go func() {
		n, err := p.tty.Write(own)
		done <- result{n, err}
	}()
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case r := <-done:
		if r.err != nil {
			return r.n, fmt.Errorf("%w (%w)", ErrPortGone, r.err)
		}
		return r.n, nil
	case <-timer.C:
		p.stuck = true
		return 0, ErrPortStuck
	}
}

// Close ends the line. A blocked Read returns within readTimeout; where a Write is stuck, the tty itself is closed when
// that comes back, which is not waited for.
func (p *serialPort) Close() (err error) {
	p.once.Do(func() {
		err = p.watch.Close() // frees a Read, and waits for it
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stuck {
			go p.tty.Close()
			return
		}
		err = errors.Join(err, p.tty.Close())
	})
	return err
}
