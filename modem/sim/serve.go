package sim

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// errServing is what a second Serve beside the first gets: a modem has one line.
var errServing = errors.New("this modem is being served already: end that first, or make a second modem")

// Serve switches the modem on and speaks AT on rw, until ctx ends (nil), rw fails (its error), or the modem is unplugged
// (io.EOF). It may be called again then; that is another power-on. At the end it closes rw if it can be closed: nothing
// else frees a Read that is under way. If it cannot, Serve waits for that Read. Output that nobody reads is lost beyond
// 64 KiB, like that of a serial line.
func (m *Modem) Serve(ctx context.Context, rw io.ReadWriter) error {
	out := newOutbox()
	t := newTerminal(m, out)
	m.mu.Lock()
	if m.term != nil {
		m.mu.Unlock()
		return errServing
	}
	m.term = t
	if m.started.IsZero() {
		m.started = time.Now()
	}
	t.powerOn(time.Now())
	m.mu.Unlock()

	var workers sync.WaitGroup
	in, broken, stop := make(chan input), make(chan error, 1), make(chan struct{})
	workers.Go(func() { readInto(rw, in, stop) })
	workers.Go(func() { broken <- out.drain(rw) })
	err := m.dialogue(ctx, t, in, broken)
	close(stop)
	if c, ok := rw.(io.Closer); ok {
		c.Close()
	}
	out.close()
	workers.Wait()

	m.mu.Lock()
	t.giveBack(time.Now())
	m.term = nil
	m.mu.Unlock()
	return err
}

// input is what one Read gave.
type input struct {
	octets []byte
	err    error
}

// readInto passes on what it reads until that fails or stop is closed.
func readInto(r io.Reader, to chan<- input, stop <-chan struct{}) {
	for {
		buf := make([]byte, 1024)
		n, err := r.Read(buf)
		select {
		case to <- input{buf[:n], err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// dialogue is the modem's life between power-on and power-off.
func (m *Modem) dialogue(ctx context.Context, t *terminal, in <-chan input, broken <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var ended error
	for {
		m.mu.Lock()
		next := t.work(time.Now())
		unplugged, busy := t.unplugged, t.busy || t.blockedUntil.After(time.Now())
		fresh, struck := m.sub.takeFresh(), m.fresh
		m.fresh = nil
		m.mu.Unlock()
		for _, s := range struck {
			m.cfg.OnFault(s)
		}
		for _, text := range fresh {
			if m.cfg.OnText != nil {
				m.cfg.OnText(text)
			}
		}
		if unplugged {
			ended = io.EOF
		}
		if ended != nil {
			return ended
		}
		timer.Stop()
		if !next.IsZero() {
			wait := time.Until(next)
			if wait <= 0 {
				continue
			}
			timer.Reset(wait)
		}
		listen := in
		if busy {
			listen = nil // the other side's octets wait in its buffer, as they would in ours
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-timer.C:
		case err := <-broken:
			return err
		case got := <-listen:
			m.mu.Lock()
			t.pending = append(t.pending, got.octets...)
			m.mu.Unlock()
			ended = got.err
		}
	}
}

// maxUnread bounds the output that waits for the other side to read.
const maxUnread = 64 << 10

// outbox holds what the modem says until it can be written, so that a driver that does not read stops nobody.
type outbox struct {
	mu     sync.Mutex
	octets []byte
	closed bool
	muted  bool      // what is written is lost
	slow   time.Time // until then it goes octet by octet
	more   chan struct{}
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// write never blocks; what does not fit is dropped whole.
func (o *outbox) write(s string) {
	o.mu.Lock()
	if len(o.octets)+len(s) <= maxUnread && !o.muted {
		o.octets = append(o.octets, s...)
	}
	o.mu.Unlock()
	o.signal()
}

// close has drain return once everything is written.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.signal()
}

// mute has all that is written from now on be lost, or ends that.
func (o *outbox) mute(on bool) {
	o.mu.Lock()
	o.muted = on
	o.mu.Unlock()
}

// slowDown has octets go one by one until then.
func (o *outbox) slowDown(until time.Time) {
	o.mu.Lock()
	o.slow = until
	o.mu.Unlock()
}

// slowOctet is the pause after an octet on a slow line: that of 2400 baud, about.
const slowOctet = 5 * time.Millisecond

func (o *outbox) signal() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// drain writes to w what comes in, until that fails or close is called.
func (o *outbox) drain(w io.Writer) error {
	var spare []byte
	for {
		o.mu.Lock()
		octets, closed := o.octets, o.closed
		slow := time.Now().Before(o.slow) && !closed
		o.octets = spare[:0]
		o.mu.Unlock()
		if slow && len(octets) > 1 {
			o.unread(octets[1:])
			octets = octets[:1:1]
		}
		if len(octets) > 0 {
			if _, err := w.Write(octets); err != nil {
				return err
			}
			if slow {
				time.Sleep(slowOctet)
				octets = nil
			}
		} else if closed {
			return nil
		} else {
			<-o.more
		}
		spare = octets
	}
}

// unread puts octets back before those that came since.
func (o *outbox) unread(octets []byte) {
	o.mu.Lock()
	o.octets = append(append([]byte(nil), octets...), o.octets...)
	o.mu.Unlock()
}
