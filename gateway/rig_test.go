package gateway_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/sms"
	"smsgateway/store"
)

// stick is a simulated modem whose answers a test may change.
type stick struct {
	name  string
	rules gateway.ModemRules
	// answer is what the modem says of a text to this number, as in "+CMS ERROR: 10"; "": what the simulator says. It may
	// wait.
	answer func(to string) string

	phone *sim.Modem // what its texts reach

	mu    sync.Mutex
	asked int      // AT+CMGS so far
	given []string // numbers to which it was given a text with Ctrl-Z
	line  io.Closer
}

// texts gives the numbers to which the stick was given a text, in order.
func (s *stick) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.given)
}

func (s *stick) prompts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// unplug ends the line as a pulled stick does.
func (s *stick) unplug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Close()
}

// meddler is the line to a stick. An answer that the test gives takes the place of the simulator's, which never gets the
// text.
type meddler struct {
	net.Conn
	stick *stick
	body  string
	own   chan string // an answer, behind the simulator's OK to ESC
	rest  []byte
}

func (l *meddler) Write(p []byte) (int, error) {
	s := l.stick
	switch {
	case bytes.HasPrefix(p, []byte("AT+CMGS=")):
		s.mu.Lock()
		s.asked++
		s.mu.Unlock()
	case len(p) == 1 && p[0] == 0x1a:
		to := destination(l.body)
		s.mu.Lock()
		s.given = append(s.given, to)
		s.mu.Unlock()
		if s.answer == nil {
			break
		}
		answer := make(chan string, 1)
		go func() { answer <- s.answer(to) }()
		select {
		case text := <-answer:
			if text == "" {
				break
			}
			l.own <- text
			_, err := l.Conn.Write([]byte{0x1b})
			return 1, err
		case <-time.After(20 * time.Millisecond): // it waits: the modem is silent meanwhile
			go func() {
				if text := <-answer; text != "" {
					l.own <- text
					l.Conn.Write([]byte{0x1b})
				} else {
					l.Conn.Write([]byte{0x1a})
				}
			}()
			return 1, nil
		}
	default:
		l.body = string(p)
	}
	return l.Conn.Write(p)
}

func (l *meddler) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		b := make([]byte, 1024)
		n, err := l.Conn.Read(b)
		if err != nil {
			return 0, err
		}
		l.rest = b[:n]
		for len(l.own) > 0 && !bytes.Contains(l.rest, []byte("OK\r\n")) {
			if n, err = l.Conn.Read(b[len(l.rest):]); err != nil {
				return 0, err
			}
			l.rest = b[:len(l.rest)+n]
		}
		select {
		case text := <-l.own:
			l.rest = []byte("\r\n" + text + "\r\n")
		default:
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// destination reads the number from the PDU that the modem is given.
func destination(pdu string) string {
	tpdu, err := hex.DecodeString(strings.TrimPrefix(pdu, "00"))
	if err != nil {
		return "unreadable"
	}
	submit, err := sms.ParseSubmit(tpdu)
	if err != nil {
		return "unreadable"
	}
	return submit.Destination.Number
}

// crew is a gateway with several sticks.
type crew struct {
	*gateway.Gateway
	t     *testing.T
	ahead atomic.Int64 // of the clock
	log   lockedBuffer
	stop  func()
}

func startCrew(t *testing.T, path string, sticks ...*stick) *crew {
	t.Helper()
	return startCrewThatHolds(t, 300*time.Millisecond, path, sticks...)
}

// startCrewThatHolds has a message kept ready so long behind one that the modem does not get done with.
func startCrewThatHolds(t *testing.T, hold time.Duration, path string, sticks ...*stick) *crew {
	t.Helper()
	c := &crew{t: t}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &c.log), nil))
	g, err := gateway.Open(gateway.Options{Path: path, Log: log, Zone: zone(), Now: func() time.Time {
		return time.Now().Add(time.Duration(c.ahead.Load()))
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Gateway = g
	g.HoldNext(hold)
	g.TimersLook(100 * time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for n, s := range sticks {
		phone := sim.New(sim.Config{ICCID: fmt.Sprintf("894901000000000%04d", n)})
		s.phone = phone
		g.AddModem(modem.Config{Name: s.name, Log: log, Timing: quick(10 * time.Minute), // a text is held for as long as a test likes
			Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
				here, there := net.Pipe()
				parts.Go(func() {
					phone.Serve(ctx, there)
					there.Close()
				})
				s.mu.Lock()
				s.line = here
				s.mu.Unlock()
				return &meddler{Conn: here, stick: s, own: make(chan string, 1)}, nil
			}}, s.rules)
	}
	parts.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	c.stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(c.stop)
	return c
}

func newFile(t *testing.T) string { return filepath.Join(t.TempDir(), "gateway.db") }

func (c *crew) send(to string) store.ID {
	c.t.Helper()
	id, err := c.SendText(c.t.Context(), "", to, "hello")
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *crew) message(id store.ID) *store.Message {
	c.t.Helper()
	m, err := c.Message(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *crew) wantDelivered(ids ...store.ID) {
	c.t.Helper()
	for _, id := range ids {
		waitFor(c.t, "message "+id.String()+" to be delivered", func() bool { return c.message(id).State == store.Delivered })
	}
}

func (c *crew) wantBy(modem string, ids ...store.ID) {
	c.t.Helper()
	c.wantDelivered(ids...)
	for _, id := range ids {
		if m := c.message(id); m.Parts[0].Modem != modem {
			c.t.Errorf("message %s to %s left by %s, want %s", id, m.Destination, m.Parts[0].Modem, modem)
		}
	}
}

func (c *crew) view(name string) gateway.ModemView {
	c.t.Helper()
	for _, v := range c.ModemViews() {
		if v.Name == name {
			return v
		}
	}
	c.t.Fatalf("no view of %s", name)
	return gateway.ModemView{}
}

func (c *crew) pause(name string) {
	c.t.Helper()
	if err := c.PauseModem(name, "the test says so"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) resume(name string) {
	c.t.Helper()
	if err := c.ResumeModem(name); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) pass(d time.Duration) {
	c.ahead.Add(int64(d))
	c.ClockMoved()
}

// halfPast puts the clock to the middle of an hour, that none ends by itself.
func (c *crew) halfPast() {
	now := time.Now().UTC()
	c.ahead.Store(int64(now.Truncate(time.Hour).Add(30 * time.Minute).Sub(now)))
}

// zone is UTC, or a zone in which no month ends by the hours that a test lets pass.
func zone() *time.Location {
	const most = 13 * time.Hour
	if now := time.Now().UTC(); now.Add(most).Month() != now.Month() {
		return time.FixedZone("", -int(most.Seconds()))
	}
	return time.UTC
}

// hold is an answer that texts to one number wait for.
func hold(number string) (answer func(to string) string, release func()) {
	gate := make(chan struct{})
	return func(to string) string {
		if to == number {
			<-gate
		}
		return ""
	}, sync.OnceFunc(func() { close(gate) })
}
