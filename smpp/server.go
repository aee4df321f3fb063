package smpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What a Session's Deliver may return besides a Status.
var (
	// ErrClosed: the session has ended or is ending, or is not one that can receive. If the PDU had been written, the client
	// may have it all the same.
	ErrClosed = errors.New("session closed")
	// ErrTimeout: the client has not answered within Server.Response. It may have the PDU all the same.
	ErrTimeout = errors.New("no answer from the client")
)

// ErrHangUp, beside a Status in an error of Backend.Bind, closes the connection after the answer.
var ErrHangUp = errors.New("the connection is closed")

// Backend decides who may bind. A nil error lets the client in, as what the Handler makes of it. An error that is
// (errors.As) a Status is answered as that; anything else is ESME_RSYSERR to the client, and goes to the log.
//
// Bind is called once for each bind request of a connection, on that session's own goroutine: it may take its time. b is
// the Backend's to keep.
type Backend interface {
	Bind(ctx context.Context, s *Session, b *Bind) (Handler, error)
}

// BindFaults may be implemented by a Backend that wants to know of binds that could not be read: a system_id or password
// that is too long, a PDU that is too short.
type BindFaults interface {
	// BindFault is called in place of Bind, as that is. b has the fields in front of the bad one. What it returns is answered
	// as an error of Bind is; nil and fault say the same.
	BindFault(ctx context.Context, s *Session, b *Bind, fault *FieldError) error
}

// Handler serves one bound session. ctx ends when the session's connection does. Errors are answered as those of Backend.
// The requests that it is given are the Handler's to keep.
//
// Submit, SubmitMulti and Data are called in the order of the client's requests; Query, Cancel and Replace are too, but
// later and on another goroutine, so that they run beside calls of the former.
type Handler interface {
	// Submit checks a message and hands it on, in order, and returns soon: later requests wait for it. submit_sm_resp goes out
	// when the Submission is done. An error refuses the message at once.
	Submit(ctx context.Context, p *SubmitSM) (Submission, error)
	// SubmitMulti is Submit for several destinations. An error refuses all of them at once, a *MultiRefusal with what is the
	// matter with each.
	SubmitMulti(ctx context.Context, p *SubmitMulti) (MultiSubmission, error)
	// Data is Submit for the other PDU that carries a message.
	Data(ctx context.Context, p *DataSM) (Submission, error)
	// Query is called when its answer is the next to go out: all earlier requests of the session are done by then. It should
	// not wait for anything: answers before its own may wait with it. With an error the answer is made of the request.
	Query(ctx context.Context, p *QuerySM) (*QuerySMResp, error)
	// Cancel is called when its answer is the next to go out, too. It may wait: nothing else is held back.
	Cancel(ctx context.Context, p *CancelSM) error
	// Replace is called when its answer is the next to go out, and may wait, as Cancel.
	Replace(ctx context.Context, p *ReplaceSM) error
	// Bound is called after the bind response has been written and before any other method; from here on s.Deliver may be
	// used. It must return soon: requests wait for it. It is left out if the connection broke before.
	Bound(s *Session)
	// Closed is called once, last of all, after the session has ended for whatever reason: nothing more is read or answered.
	// The connection may be there for a moment more, for the client to close it.
	Closed(s *Session)
}

// ErrNoAnswer is what a Handler returns, or a Submission's Result, when nobody knows whether the request was carried out: an
// error would say that it was not. There is no response then, as if the connection had ended before it.
var ErrNoAnswer = errors.New("there is no answer to give")

// Submission is a message on its way to where it is safe.
type Submission interface {
	// Done is closed when Result can be called. It is the same channel each time.
	Done() <-chan struct{}
	// Result is the message_id to answer with (at most 64 octets), or why there is none.
	Result() (messageID string, err error)
}

// MultiSubmission is a message to several destinations on its way to where it is safe.
type MultiSubmission interface {
	// Done is closed when Result can be called. It is the same channel each time.
	Done() <-chan struct{}
	// Result is the answer: which destinations were refused, and the message_id if not all were. With an error none was
	// accepted; the answer, if it is not nil, goes out with the error's status, and may tell the destinations all the same.
	Result() (*SubmitMultiResp, error)
}

// Server accepts SMPP sessions. SystemID and Backend must be set; no field may change after Serve has been called, but see
// Reconfigure.
type Server struct {
	SystemID string // who we are, in bind responses; at most 15 octets
	Backend  Backend
	Log      *slog.Logger // nil: slog.Default

	// LogBodies lets the bodies of PDUs, which hold texts and numbers of phones, into the log at level debug.
	LogBodies bool

	SessionInit time.Duration // from connection, or a refused bind, to the next bind; then we close. 0: 30 s
	EnquireLink time.Duration // silence of a bound client after which we ask; negative: never. 0: 30 s
	Inactivity  time.Duration // without any message either way, after which we unbind; 0: never
	Response    time.Duration // for the client to answer or to take what we write; then we close. 0: 10 s

	Stop time.Duration // at the end of Serve, for all that Response is for: then we close. 0: 10 s; at most Response

	PDUTime time.Duration // for a PDU to be there whole once it has begun; before a bind a third of it. 0: 30 s

	Window int // most requests of one session in work; beyond it we stop reading. 0: 100
	MaxPDU int // most octets in a PDU of a bound client. 0: 66000, which is 64 KiB of message_payload and the rest

	// MaxConns, MaxUnbound and MaxUnboundPeer are the most connections at a time: of all listeners together, of those not
	// bound, and of those of one peer (PeerOf). For one that is too many the oldest unbound one is closed, of the peer that has
	// most; when all are bound, the new one is. 0: 1000, half of MaxConns, and a fifth of it.
	MaxConns, MaxUnbound, MaxUnboundPeer int
	// Memory is how many octets the requests in work of all sessions may have together, beyond the 32 KiB or one request that
	// each session may have anyway. When it is used up we stop reading. 0: 32 MiB.
	Memory int

	lastID     atomic.Uint64
	crowd      crowd
	memory     budget
	current    atomic.Pointer[settings] // what new connections get; nil before Serve
	handshakes handshakes
}

// settings are a Server's fields with the defaults filled in. They do not change.
type settings struct {
	systemID                                       string
	backend                                        Backend
	log                                            *slog.Logger
	sessionInit, enquireLink, inactivity, response time.Duration
	pduTime, stop                                  time.Duration
	window, maxPDU                                 int
	maxConns, maxUnbound, maxUnboundPeer           int
	maxMemory                                      int64
	logBodies                                      bool
}

func (s *Server) settings() *settings {
	conns := cmp.Or(s.MaxConns, 1000)
	return &settings{
		systemID:    s.SystemID,
		backend:     s.Backend,
		log:         cmp.Or(s.Log, slog.Default()),
		logBodies:   s.LogBodies,
		sessionInit: cmp.Or(s.SessionInit, 30*time.Second),
		enquireLink: cmp.Or(s.EnquireLink, 30*time.Second),
		inactivity:  s.Inactivity,
		response:    cmp.Or(s.Response, 10*time.Second),
		pduTime:     cmp.Or(s.PDUTime, 30*time.Second),
		stop:        cmp.Or(s.Stop, 10*time.Second),
		window:      cmp.Or(s.Window, 100),
		maxPDU:      cmp.Or(s.MaxPDU, 66_000),
		maxMemory:   int64(cmp.Or(s.Memory, 32<<20)),

		maxConns:       conns,
		maxUnbound:     cmp.Or(s.MaxUnbound, max(conns/2, 1)),
		maxUnboundPeer: cmp.Or(s.MaxUnboundPeer, max(conns/5, 1)),
	}
}

// Reconfigure puts the settings of to in force for the connections that come from now on; those that are there keep theirs,
// but LogBodies is for all. Backend and Log stay. It may be called at any time. An error changes nothing.
func (s *Server) Reconfigure(to *Server) error {
	set := to.settings()
	if len(set.systemID) > 15 {
		return fmt.Errorf("system_id %q: at most 15 octets", set.systemID)
	}
	set.backend, set.log = s.Backend, cmp.Or(s.Log, slog.Default())
	s.current.Store(set)
	return nil
}

// Serve accepts sessions on ln until ctx ends; then it closes ln, answers what has come in, unbinds every session, and
// returns nil when all of them have ended: at the latest Stop and a second later, unless a Handler takes longer. It returns an error, after the
// same, when ln cannot be used any more. It may be called for several listeners at a time. One of crypto/tls is as good as
// another: the handshake is made on the session's goroutine, within 10 s.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	set := s.settings()
	if len(set.systemID) > 15 {
		return fmt.Errorf("system_id %q: at most 15 octets", set.systemID)
	}
	s.current.CompareAndSwap(nil, set)
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	live := sessions{set: make(map[*Session]struct{})}
	var running sync.WaitGroup
	err := accept(ctx, ln, set.log, func(conn net.Conn) {
		set := s.current.Load()
		session := newSession(set, s.lastID.Add(1), conn)
		session.crowd, session.memory, session.inForce = &s.crowd, &s.memory, &s.current
		in, crowded := s.crowd.enter(session)
		if crowded {
			time.Sleep(crowdPause)
		}
		if !in {
			conn.Close()
			return
		}
		live.add(session)
		running.Go(func() {
			defer s.crowd.leave(session)
			defer live.remove(session)
			if err := session.handshake(ctx); err != nil {
				session.cut("")
				session.stopTimers()
				s.handshakes.failed(session, err)
				return
			}
			session.run(ctx)
		})
	})
	ln.Close()
	live.closeAll(set.stop, "the server is stopping")
	running.Wait()
	return err
}

// accept gives each new connection to serve until ctx ends (nil) or the listener is of no use. Errors that pass, such as
// too many open files, are waited out.
func accept(ctx context.Context, ln net.Listener, log *slog.Logger, serve func(net.Conn)) error {
	const least, most = 5 * time.Millisecond, time.Second
	pause := least
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = least
			serve(conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept SMPP connections: %w", err)
		default:
			log.Warn("accept failed", "error", err, "again_in", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, most)
		}
	}
}

// sessions are those of one Serve, from accept to end.
type sessions struct {
	mu  sync.Mutex
	set map[*Session]struct{}
}

func (l *sessions) add(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set[s] = struct{}{}
}

func (l *sessions) remove(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.set, s)
}

func (l *sessions) closeAll(within time.Duration, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.set {
		s.CloseWithin(within, reason)
	}
}
