package smpp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fake is a Backend and the Handler of all its sessions. What is nil does the friendly thing. It notes what it is asked.
type fake struct {
	bind   func(*Session, *Bind) error
	submit func(*SubmitSM) (Submission, error)
	query  func(*QuerySM) (*QuerySMResp, error)
	cancel func(*CancelSM) error
	bound  func(*Session)

	multi   func(*SubmitMulti) (MultiSubmission, error)
	data    func(*DataSM) (Submission, error)
	replace func(*ReplaceSM) error

	mu       sync.Mutex
	events   []string
	sessions []*Session // bound ones
	last     int        // message_id
}

func (f *fake) note(event string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, event)
}

func (f *fake) Bind(_ context.Context, s *Session, b *Bind) (Handler, error) {
	f.note("bind " + b.SystemID)
	if f.bind != nil {
		if err := f.bind(s, b); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fake) Submit(_ context.Context, p *SubmitSM) (Submission, error) {
	f.note("submit " + string(p.ShortMessage))
	if f.submit != nil {
		return f.submit(p)
	}
	return accepted(f.nextID()), nil
}

func (f *fake) Query(_ context.Context, p *QuerySM) (*QuerySMResp, error) {
	f.note("query " + p.MessageID)
	if f.query != nil {
		return f.query(p)
	}
	return &QuerySMResp{MessageID: p.MessageID, MessageState: StateEnroute}, nil
}

func (f *fake) Cancel(_ context.Context, p *CancelSM) error {
	f.note("cancel " + p.MessageID)
	if f.cancel != nil {
		return f.cancel(p)
	}
	return nil
}

func (f *fake) SubmitMulti(_ context.Context, p *SubmitMulti) (MultiSubmission, error) {
	f.note("multi " + string(p.ShortMessage))
	if f.multi != nil {
		return f.multi(p)
	}
	return acceptedAll{MessageID: f.nextID()}, nil
}

func (f *fake) Data(_ context.Context, p *DataSM) (Submission, error) {
	f.note("data " + p.Destination.Addr)
	if f.data != nil {
		return f.data(p)
	}
	return accepted(f.nextID()), nil
}

func (f *fake) Replace(_ context.Context, p *ReplaceSM) error {
	f.note("replace " + p.MessageID)
	if f.replace != nil {
		return f.replace(p)
	}
	return nil
}

func (f *fake) nextID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return strconv.Itoa(f.last)
}

// acceptedAll is a message to several that was safe at once.
type acceptedAll SubmitMultiResp

func (acceptedAll) Done() <-chan struct{}               { return closedChan }
func (a acceptedAll) Result() (*SubmitMultiResp, error) { return (*SubmitMultiResp)(&a), nil }

func (f *fake) Bound(s *Session) {
	f.note("bound")
	f.mu.Lock()
	f.sessions = append(f.sessions, s)
	f.mu.Unlock()
	if f.bound != nil {
		f.bound(s)
	}
}

func (f *fake) Closed(*Session) { f.note("closed") }

// seen gives what was noted since the last call.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

func (f *fake) wantSeen(t *testing.T, want ...string) {
	t.Helper()
	if got := f.seen(); !reflect.DeepEqual(got, want) {
		t.Errorf("the backend saw %q, want %q", got, want)
	}
}

// session is the last that was bound.
func (f *fake) session(t *testing.T) *Session {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sessions) == 0 {
		t.Fatal("no session is bound")
	}
	return f.sessions[len(f.sessions)-1]
}

// ticket is a Submission that the test completes.
type ticket struct {
	done chan struct{}
	id   string
	err  error
}

func newTicket() *ticket { return &ticket{done: make(chan struct{})} }

func (s *ticket) Done() <-chan struct{}   { return s.done }
func (s *ticket) Result() (string, error) { return s.id, s.err }

// multiTicket is a MultiSubmission that the test completes.
type multiTicket struct {
	done chan struct{}
	resp *SubmitMultiResp
	err  error
}

func (s *multiTicket) Done() <-chan struct{}             { return s.done }
func (s *multiTicket) Result() (*SubmitMultiResp, error) { return s.resp, s.err }

// finish gives the result.
func (s *ticket) finish(id string, err error) {
	s.id, s.err = id, err
	close(s.done)
}

// pipes is a net.Listener whose connections are pipes in memory: nothing is buffered between the two ends.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    sync.Once
}

func newPipes() *pipes {
	return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// running is a Server at work on pipes, for use inside a synctest bubble.
type running struct {
	t     *testing.T
	ln    *pipes
	stop  context.CancelFunc // ends ctx of Serve
	ended chan error         // what Serve returns
}

// serve starts a server that stops with the test. Fields that a test does not set are those of a plain one.
func serve(t *testing.T, s *Server) *running {
	t.Helper()
	if s.SystemID == "" {
		s.SystemID = "gateway"
	}
	if s.Log == nil {
		s.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, ln: newPipes(), stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- s.Serve(ctx, r.ln) }()
	t.Cleanup(cancel)
	return r
}

// dial is a client that is not bound. At the end of the test it is closed.
func (r *running) dial() *peer {
	ours, theirs := net.Pipe()
	r.ln.accepted <- theirs
	return newPeer(r.t, ours)
}

// dialAs is a client that is bound, without the events up to there.
func (r *running) dialAs(kind BindKind) *peer {
	r.t.Helper()
	p := r.dial()
	p.send(1, &Bind{Kind: kind, SystemID: "shop", InterfaceVersion: 0x34})
	if got := p.next(); got.Status != StatusOK || got.Body.CommandID() != CommandID(kind).Response() {
		r.t.Fatalf("bind answered with %+v", got)
	}
	return p
}

// peer is a client by the octets.
type peer struct {
	t      *testing.T
	conn   net.Conn
	frames *FrameReader
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, frames: NewFrameReader(conn, 100_000)}
}

// send writes one request.
func (p *peer) send(sequence uint32, body Body) {
	p.t.Helper()
	p.sendStatus(sequence, StatusOK, body)
}

func (p *peer) sendStatus(sequence uint32, status Status, body Body) {
	p.t.Helper()
	p.write(encode(p.t, PDU{Status: status, Sequence: sequence, Body: body}))
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func encode(t *testing.T, pdus ...PDU) []byte {
	t.Helper()
	var b []byte
	for _, p := range pdus {
		var err error
		if b, err = p.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// next waits for the server's next PDU.
func (p *peer) next() PDU {
	p.t.Helper()
	b, err := p.nextOctets(time.Hour)
	if err != nil {
		p.t.Fatalf("waiting for a PDU: %v", err)
	}
	pdu, err := Decode(b)
	if err != nil {
		p.t.Fatalf("the server sent %x: %v", b, err)
	}
	return pdu
}

func (p *peer) nextOctets(patience time.Duration) ([]byte, error) {
	p.conn.SetReadDeadline(time.Now().Add(patience))
	return p.frames.Next()
}

// want waits for exactly this PDU.
func (p *peer) want(sequence uint32, status Status, body Body) {
	p.t.Helper()
	want := encode(p.t, PDU{Status: status, Sequence: sequence, Body: body})
	got, err := p.nextOctets(time.Hour)
	if err != nil || !bytes.Equal(got, want) {
		p.t.Fatalf("\n got %x, %v\nwant %x: %s %d %s", got, err, want, body.CommandID(), sequence, status)
	}
}

// wantOctets waits for exactly these octets.
func (p *peer) wantOctets(text string) {
	p.t.Helper()
	want := octets(p.t, text)
	if got, err := p.nextOctets(time.Hour); err != nil || !bytes.Equal(got, want) {
		p.t.Fatalf("\n got %x, %v\nwant %x", got, err, want)
	}
}

// wantNothing sees that the server says nothing and stays, for so long.
func (p *peer) wantNothing(d time.Duration) {
	p.t.Helper()
	if got, err := p.nextOctets(d); err == nil || isEnd(err) {
		p.t.Fatalf("got %x, %v, want nothing", got, err)
	}
}

// wantEnd waits until the server closes the connection.
func (p *peer) wantEnd() {
	p.t.Helper()
	if got, err := p.nextOctets(time.Hour); !isEnd(err) {
		p.t.Fatalf("got %x, %v, want the end", got, err)
	}
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// alive sees that the session still works.
func (p *peer) alive() {
	p.t.Helper()
	p.send(999, &EnquireLink{})
	p.want(999, StatusOK, &EnquireLinkResp{})
}

// text is a submit_sm with a text.
func text(s string) *SubmitSM {
	return &SubmitSM{Destination: Address{1, 1, "491701"}, ShortMessage: []byte(s)}
}
