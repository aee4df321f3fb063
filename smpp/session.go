package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// openLimit is the most octets in a PDU before the bind: a bind has at most 98 without optional parameters.
	openLimit = 1 << 10
	// maxRefused is how many binds of one connection are refused before it is closed.
	maxRefused = 5
	// maxEarly is how many PDUs of any kind are taken before the bind: load balancers enquire a few times.
	maxEarly = 50
	// mostUnbound is how many times session_init a connection may be there without a bind, whatever it does.
	mostUnbound = maxRefused + 1
	// openWindow is the window before the bind.
	openWindow = 4
	// lingerTime is how long we wait for the client to close after our last answer, and lingerMost how many octets we read
	// meanwhile.
	lingerTime = time.Second
	lingerMost = 256 << 10
	// unbindTime is the most that we wait for unbind_resp.
	unbindTime = 2 * time.Second
)

// Why a session's stream ends in good order.
var (
	errUnbound  = errors.New("the client unbound")
	errUnbindOK = errors.New("we unbound")
	errRefused  = errors.New("too many binds refused")
	errEarly    = errors.New("too many requests without a bind")
	errHungUp   = errors.New("bind refused, and no more tries wanted")
)

// Session is one connection of a client, from accept to end. Two goroutines serve it: the reader takes requests from the
// stream, checks them against the state and puts an answer to each into a queue, in the order of the requests and at most
// Server.Window at a time; the responder waits for the answers, one after the other, and writes them. The methods may be
// called from anywhere, once the Session has been given to a Backend.
type Session struct {
	*settings
	id    uint64
	conn  net.Conn
	peer  netip.Prefix
	since time.Time
	log   *slog.Logger

	crowd    *crowd                    // of the Server
	memory   *budget                   // of the Server
	inForce  *atomic.Pointer[settings] // of the Server, for what counts at once
	counted  bool                      // belongs to the crowd: one of the bound
	deciding atomic.Bool               // the Backend looks at a bind
	inWork   atomic.Int64              // octets of requests in work

	bind    Bind // kind and names of the bind, without its password
	handler Handler

	reading               // the reader's own
	queue   *fifo[answer] // reader to responder
	charges *fifo[charge] // of the requests in work, in their order
	window  window        // how many these may be
	writing chan struct{} // holds one token: whoever has it may write
	scratch []byte        // for single PDUs; belongs to the holder of the token
	bound   atomic.Bool   // bind response written and Bound about to be called
	worked  atomic.Int64  // when a message last went either way, in nanoseconds after since

	cancel  context.CancelFunc // ends the context of the handler's calls; with the connection
	closing chan struct{}      // closed by Close
	gone    chan struct{}      // closed when nothing is read any more

	mu       sync.Mutex
	reason   string // why the session ends; the first one counts
	told     bool   // Close was called
	ended    bool   // no more timers
	timers   []*time.Timer
	sequence uint32                  // of our last request
	failures seldom                  // of requests, through no fault of the client's
	waiting  map[uint32]chan Status  // deliver_sm that wait for their answer
	late     map[uint32]func(Status) // those that were given up; nil for none
}

func newSession(set *settings, id uint64, conn net.Conn) *Session {
	now := time.Now()
	return &Session{
		settings: set,
		id:       id,
		conn:     conn,
		peer:     PeerOf(conn.RemoteAddr()),
		since:    now,
		log:      set.log.With("session", id, "remote", conn.RemoteAddr().String()),
		reading: reading{
			state:  stateOpen,
			frames: NewFrameReader(conn, min(openLimit, set.maxPDU)),
			bindBy: now.Add(set.sessionInit),
		},
		queue:   newFIFO[answer](),
		charges: newFIFO[charge](),
		window:  newWindow(set.window),
		writing: make(chan struct{}, 1),
		cancel:  func() {},
		closing: make(chan struct{}),
		gone:    make(chan struct{}),
		waiting: make(map[uint32]chan Status),
	}
}

// ID numbers the connections of a Server from 1.
func (s *Session) ID() uint64 { return s.id }

// RemoteAddr is where the client connects from.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Peer is what the client counts by where strangers are counted: see PeerOf.
func (s *Session) Peer() netip.Prefix { return s.peer }

// Since is when the client connected.
func (s *Session) Since() time.Time { return s.since }

// Kind is how the client bound, or asks to.
func (s *Session) Kind() BindKind { return s.bind.Kind }

// SystemID is what the client calls itself in its bind.
func (s *Session) SystemID() string { return s.bind.SystemID }

// InterfaceVersion is what the client names in its bind: 0x34 for SMPP 3.4; anything occurs.
func (s *Session) InterfaceVersion() uint8 { return s.bind.InterfaceVersion }

// CanReceive tells a receiver or transceiver.
func (s *Session) CanReceive() bool {
	return s.bind.Kind == BindReceiver || s.bind.Kind == BindTransceiver
}

// CanTransmit tells a transmitter or transceiver.
func (s *Session) CanTransmit() bool {
	return s.bind.Kind == BindTransmitter || s.bind.Kind == BindTransceiver
}

// Close ends the session from our side and returns at once: what has come in is answered, then we unbind, wait shortly for
// the client's answer, and close the connection. reason goes to the log.
func (s *Session) Close(reason string) {
	s.mu.Lock()
	first := !s.told
	s.told = true
	s.mu.Unlock()
	if !first {
		return
	}
	s.endsFor(reason)
	close(s.closing)
	s.abortAfter(s.response)
}

// CloseWithin is Close for a session that must be over soon, however long Server.Response is.
func (s *Session) CloseWithin(most time.Duration, reason string) {
	s.Close(reason)
	s.abortAfter(most)
}

// run serves the connection until it ends. When ctx ends that is for Close to say.
func (s *Session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	var responder sync.WaitGroup
	responder.Go(func() {
		r := responding{Session: s, stop: s.closing}
		r.run(ctx)
	})
	stranger := time.AfterFunc(mostUnbound*s.sessionInit, s.cutUnbound)
	err := s.read(ctx)
	stranger.Stop()
	s.endsFor(err.Error())
	close(s.gone)
	s.queue.end()
	s.abortAfter(s.response) // for what was accepted to become ready and be answered
	responder.Wait()
	s.dischargeAll()
	if s.handler != nil {
		s.handler.Closed(s) // before we linger: who has unbound may bind again at once, on another connection
	}
	s.linger(err)
	s.abort("")
	s.stopTimers()
	s.log.Log(ctx, s.endLevel(), "session ended", "reason", s.endReason(), "after", time.Since(s.since).Round(time.Millisecond))
}

// dischargeAll is for what is still in work when nobody is left to answer it.
func (s *Session) dischargeAll() {
	for {
		c, ok := s.charges.take()
		if !ok {
			return
		}
		s.discharge(c)
	}
}

// endLevel keeps connections that never bound out of the log: port scans and health checks.
func (s *Session) endLevel() slog.Level {
	if s.handler == nil {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// linger waits for the client to close after our last answer. A connection that is closed with octets unread is reset, and
// the answer may be lost with it; and jSMPP reports a refused bind as an I/O error if the close comes with it.
func (s *Session) linger(err error) {
	var lost *LengthError
	switch {
	case errors.Is(err, errUnbound) || errors.As(err, &lost):
		if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	case !errors.Is(err, errRefused) && !errors.Is(err, errEarly) && !errors.Is(err, errHungUp):
		return
	}
	s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	io.CopyN(io.Discard, s.conn, lingerMost)
}

// endsFor notes why the session ends, unless that is known.
func (s *Session) endsFor(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == "" {
		s.reason = reason
	}
}

func (s *Session) endReason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// abort ends the connection by force. It may be called often.
func (s *Session) abort(reason string) {
	s.endsFor(reason)
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
}

// cut is abort at once: a tls.Conn would first wait for its peer to take a farewell.
func (s *Session) cut(reason string) {
	if conn, ok := s.conn.(*tls.Conn); ok {
		conn.NetConn().Close()
	}
	s.abort(reason)
}

// abortAfter sets an end to the session's patience. The soonest counts.
func (s *Session) abortAfter(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.timers = append(s.timers, time.AfterFunc(d, func() { s.cut("") }))
}

// cutUnbound is for a reader that nothing else wakes: a tls.Conn that reads may wait for its peer to take new keys.
func (s *Session) cutUnbound() {
	if !s.bound.Load() {
		s.cut(fmt.Sprintf("no bind within %s", mostUnbound*s.sessionInit))
	}
}

func (s *Session) stopTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, t := range s.timers {
		t.Stop()
	}
}

// write sends whole PDUs in one go. A client that does not take them in time loses its session.
func (s *Session) write(b []byte) error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	return s.writeHeld(b)
}

// writeHeld is write for the holder of the token.
func (s *Session) writeHeld(b []byte) error {
	s.conn.SetWriteDeadline(time.Now().Add(s.response)) // an error comes again with the write
	if _, err := s.conn.Write(b); err != nil {
		s.abort(fmt.Sprintf("write: %v", err))
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	s.conn.SetWriteDeadline(time.Time{}) // a tls.Conn also writes while it reads: when the client wants new keys
	return nil
}

// ask sends one request of ours.
func (s *Session) ask(ctx context.Context, sequence uint32, body Body) error {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	p := PDU{Sequence: sequence, Body: body}
	var err error
	if s.scratch, err = p.Append(s.scratch[:0]); err != nil {
		return err
	}
	s.trace("sent", p)
	err = s.writeHeld(s.scratch)
	if cap(s.scratch) > smallFrames { // one long text is no reason to keep its room
		s.scratch = nil
	}
	return err
}

// nextSequence numbers our requests from 1 to 0x7FFFFFFF and from 1 again.
func (s *Session) nextSequence() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence = s.sequence%maxSequence + 1
	return s.sequence
}

const maxSequence = 0x7FFFFFFF

// trace shows a PDU at Debug; its body, which has texts and numbers of phones in it, only where that is wanted. A Bind
// hides its password.
func (s *Session) trace(what string, p PDU) {
	if !s.debugs() {
		return
	}
	log := s.log
	if s.inForce.Load().logBodies {
		log = log.With("body", p.Body)
	}
	log.Debug(what, "command", p.Body.CommandID(), "status", p.Status, "sequence", p.Sequence)
}

// debugs tells that PDUs are logged; to put together what is thrown away costs more than the rest of a session.
func (s *Session) debugs() bool { return s.log.Enabled(context.Background(), slog.LevelDebug) }
