package smpp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestServeEnds stops a server with sessions in every state. That no goroutine is left is what the bubble sees to.
func TestServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return slow, nil }}
		server := serve(t, &Server{Backend: backend})
		open, idle, busy, silent := server.dial(), server.dialAs(BindReceiver), server.dialAs(BindTransceiver), server.dialAs(BindTransmitter)
		open.alive()
		busy.send(1, text("x"))
		synctest.Wait()
		start := time.Now()
		server.stop()
		open.wantEndAfter(0)
		idle.want(1, StatusOK, &Unbind{})
		idle.send(1, &UnbindResp{})
		idle.wantEndAfter(0)
		silent.want(1, StatusOK, &Unbind{})
		busy.wantNothing(time.Second)
		slow.finish("1", nil)
		busy.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		busy.want(1, StatusOK, &Unbind{})
		busy.send(1, &UnbindResp{})
		busy.wantEndAfter(0)
		select {
		case <-server.ended:
			t.Error("Serve did not wait for the silent one")
		default:
		}
		if err := <-server.ended; err != nil || time.Since(start) != unbindTime {
			t.Errorf("Serve returned %v after %s", err, time.Since(start))
		}
		silent.wantEndAfter(0)
	})
}

// TestCloseAnswersFirst: unbind goes out behind the answers to what had come in, for many clients go at once when they see it.
func TestCloseAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := []*ticket{newTicket(), newTicket(), newTicket()}
		n := 0
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { n++; return tickets[n-1], nil }}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransmitter)
		for i := range tickets {
			p.send(uint32(i+2), text("x"))
		}
		synctest.Wait()
		backend.session(t).Close("enough")
		p.wantNothing(time.Second)
		for i, ticket := range tickets {
			ticket.finish(strconv.Itoa(i), nil)
		}
		for i := range tickets {
			p.want(uint32(i+2), StatusOK, &SubmitSMResp{MessageID: strconv.Itoa(i)})
		}
		p.want(1, StatusOK, &Unbind{})
		p.wantEndAfter(unbindTime)
	})
}

// TestServeEndsInBind stops a server while a Backend makes up its mind.
func TestServeEndsInBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{bind: func(*Session, *Bind) error { time.Sleep(time.Second); return nil }}
		server := serve(t, &Server{Backend: backend})
		p := server.dial()
		p.send(1, &Bind{Kind: BindReceiver, SystemID: "shop"})
		synctest.Wait()
		server.stop()
		p.wantEndAfter(0)
		if err := <-server.ended; err != nil {
			t.Errorf("Serve returned %v", err)
		}
		backend.wantSeen(t, "bind shop", "closed")
	})
}

// TestMaxConns closes what is not bound to make room, the oldest first, and turns newcomers away only when all are bound.
func TestMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		server := serve(t, &Server{Backend: &fake{}, MaxConns: 2, MaxUnbound: 2, Log: slog.New(slog.NewTextHandler(&out, nil))})
		open, bound := server.dial(), server.dialAs(BindReceiver)
		for range 3 {
			next := server.dial()
			open.wantEndAfter(0)
			next.alive()
			open = next
		}
		open.send(1, &Bind{Kind: BindReceiver, SystemID: "shop"})
		open.next()
		for range 3 {
			server.dial().wantEndAfter(0)
		}
		for _, line := range []string{"the oldest are closed", "too many are bound"} {
			if n := strings.Count(out.String(), line); n != 1 {
				t.Errorf("%d lines with %q, want 1:\n%s", n, line, &out)
			}
		}
		open.conn.Close()
		synctest.Wait()
		server.dial().alive()
		bound.alive()
	})
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestServeRefusesItsName(t *testing.T) {
	err := (&Server{SystemID: "sixteen letters!", Backend: &fake{}}).Serve(t.Context(), newPipes())
	if err == nil || !strings.Contains(err.Error(), "at most 15") {
		t.Errorf("got %v", err)
	}
}

// moody is a listener that fails before it accepts.
type moody struct {
	*pipes
	errs []error
}

func (l *moody) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.pipes.Accept()
}

func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("too many open files")
		ln := &moody{newPipes(), []error{full, full, full}}
		server := &Server{SystemID: "x", Backend: &fake{}, Log: slog.New(slog.DiscardHandler)}
		ended := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- server.Serve(ctx, ln) }()
		start := time.Now()
		ours, theirs := net.Pipe()
		ln.accepted <- theirs
		if got := time.Since(start); got != 35*time.Millisecond {
			t.Errorf("accepted after %s, want 5+10+20 ms", got)
		}
		newPeer(t, ours).alive()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // stopped while it waits
		full := errors.New("too many open files")
		ln := &moody{newPipes(), []error{full, full, full}}
		server := &Server{SystemID: "x", Backend: &fake{}, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := server.Serve(ctx, ln); err != nil || time.Since(start) != 12*time.Millisecond {
			t.Errorf("Serve returned %v after %s", err, time.Since(start))
		}
	})
}

// TestListenerBreaks ends the sessions, too.
func TestListenerBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, &Server{Backend: &fake{}})
		p := server.dialAs(BindReceiver)
		server.ln.Close()
		p.want(1, StatusOK, &Unbind{})
		p.send(1, &UnbindResp{})
		p.wantEnd()
		if err := <-server.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// TestOverTCP does what a pipe cannot: it closes one way only, and closes with octets unread.
func TestOverTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tickets := make(chan *ticket, 10)
	backend := &fake{submit: func(*SubmitSM) (Submission, error) {
		ticket := newTicket()
		tickets <- ticket
		return ticket, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	server := &Server{SystemID: "gateway", Backend: backend, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	go func() { ended <- server.Serve(ctx, ln) }()
	dial := func() *peer {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		p.send(1, &Bind{Kind: BindTransmitter})
		p.next()
		return p
	}

	p := dial() // says nothing more, and waits for what is owed to it
	p.send(2, text("x"))
	p.conn.(*net.TCPConn).CloseWrite()
	(<-tickets).finish("17", nil)
	p.want(2, StatusOK, &SubmitSMResp{MessageID: "17"})
	p.wantEnd()

	p = dial() // goes on sending behind its unbind: the answers must not be lost with a reset
	p.write(encode(t, PDU{Sequence: 2, Body: &Unbind{}}))
	p.write(encode(t, PDU{Sequence: 3, Body: text("too late")}))
	p.want(2, StatusOK, &UnbindResp{})
	if _, err := p.nextOctets(time.Minute); err != io.EOF {
		t.Errorf("got %v, want a clean end", err)
	}
	p.conn.Close()

	p = dial() // is just gone
	p.send(2, text("x"))
	p.conn.Close()
	(<-tickets).finish("18", nil)

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}
