package smpp

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// nopConn is a connection that is only named.
type nopConn struct{ net.Conn }

func (nopConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "nowhere"} }

// wantEndAfter sees the connection closed, without another word, after so long.
func (p *peer) wantEndAfter(d time.Duration) {
	p.t.Helper()
	start := time.Now()
	p.wantEnd()
	if got := time.Since(start); got != d {
		p.t.Errorf("closed after %s, want %s", got, d)
	}
}

func TestSessionInit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, &Server{Backend: &fake{}, SessionInit: 12 * time.Second})
		server.dial().wantEndAfter(12 * time.Second)
		p := server.dial()
		time.Sleep(10 * time.Second)
		p.alive() // is no bind
		p.write([]byte{0, 0})
		p.wantEndAfter(2 * time.Second)
	})
}

func TestEnquireLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serve(t, &Server{Backend: &fake{}, EnquireLink: 20 * time.Second, Response: 5 * time.Second})
		p := server.dialAs(BindTransmitter)
		start := time.Now()
		wantAsked := func(number uint32, after time.Duration) {
			t.Helper()
			p.want(number, StatusOK, &EnquireLink{})
			if got := time.Since(start); got != after {
				t.Fatalf("asked after %s, want %s", got, after)
			}
			start = time.Now()
		}
		wantAsked(1, 20*time.Second)
		p.send(1, &EnquireLinkResp{})
		wantAsked(2, 20*time.Second)
		p.write(whole(CmdEnquireLinkResp, 0, 2, []byte{0})) // php-smpp: 17 octets
		wantAsked(3, 20*time.Second)
		time.Sleep(4 * time.Second)
		p.send(1, text("any PDU is a sign of life")) // also without an answer to what we asked
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		wantAsked(4, 24*time.Second)
		time.Sleep(4 * time.Second)
		p.sendStatus(4, StatusInvCmdID, &GenericNack{}) // a client that does not know it
		wantAsked(5, 24*time.Second)
		p.wantEndAfter(5 * time.Second)
	})
}

// TestEnquireLinkAndSlowPDU: a client that is sending a PDU is not idle, and could not answer before its end. It has the PDU's
// time, whether that began before it was asked or after.
func TestEnquireLinkAndSlowPDU(t *testing.T) {
	for name, idle := range map[string]time.Duration{"begun before it would be asked": 19 * time.Second, "asked before": 22 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := serve(t, &Server{Backend: &fake{}, EnquireLink: 20 * time.Second, Response: 5 * time.Second})
				p := server.dialAs(BindTransmitter)
				pdu := encode(t, PDU{Sequence: 7, Body: text("slowly")})
				if idle > 20*time.Second {
					p.want(1, StatusOK, &EnquireLink{})
				}
				synctest.Wait()
				time.Sleep(idle % (20 * time.Second))
				p.write(pdu[:20])
				time.Sleep(29 * time.Second)
				p.write(pdu[20:])
				p.want(7, StatusOK, &SubmitSMResp{MessageID: "1"})
				p.write(pdu[:20])
				p.wantEndAfter(30 * time.Second) // nor is it asked then
			})
		})
	}
}

func TestEnquireLinkNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, &Server{Backend: &fake{}, EnquireLink: -1}).dialAs(BindTransmitter)
		p.wantNothing(100 * time.Hour)
		p.alive()
	})
}

func TestInactivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		server := serve(t, &Server{Backend: backend, EnquireLink: 30 * time.Second, Inactivity: 80 * time.Second})
		p := server.dialAs(BindTransceiver)
		start := time.Now()
		time.Sleep(20 * time.Second)
		p.send(1, text("x")) // is work
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		go backend.session(t).Deliver(t.Context(), mo("y")) // is work
		p.want(1, StatusOK, mo("y"))
		time.Sleep(5 * time.Second)
		p.send(1, &DeliverSMResp{}) // is work
		for number := uint32(2); number <= 3; number++ {
			p.want(number, StatusOK, &EnquireLink{})
			p.send(number, &EnquireLinkResp{}) // is none
		}
		p.want(4, StatusOK, &Unbind{})
		if got := time.Since(start); got != 105*time.Second {
			t.Errorf("unbound after %s, want 105s", got)
		}
		p.send(4, &UnbindResp{})
		p.wantEnd()

		server = serve(t, &Server{Backend: backend, EnquireLink: -1, Inactivity: 80 * time.Second}) // the same without enquire_link
		p = server.dialAs(BindTransceiver)
		time.Sleep(50 * time.Second)
		go backend.session(t).Deliver(t.Context(), mo("y")) // is work, also without an answer
		p.want(1, StatusOK, mo("y"))
		p.wantNothing(80*time.Second - 1)
		p.want(2, StatusOK, &Unbind{})
		p.wantEndAfter(unbindTime) // it does not answer
	})
}

// TestUnbindByClient answers what has come in first, and nothing that comes after.
func TestUnbindByClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return slow, nil }}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransmitter)
		p.write(encode(t, PDU{Sequence: 1, Body: text("a")}, PDU{Sequence: 2, Body: &Unbind{}}, PDU{Sequence: 3, Body: text("b")}))
		p.wantNothing(time.Second)
		slow.finish("1", nil)
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(2, StatusOK, &UnbindResp{})
		p.wantEndAfter(lingerTime)
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "bound", "submit a", "closed")
	})
}

// TestUnbindEndsTheSession: whoever has unbound may bind again at once, whether the old connection is closed by then or not.
func TestUnbindEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransmitter)
		p.send(2, &Unbind{})
		p.want(2, StatusOK, &UnbindResp{})
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "bound", "closed")
		p.wantEndAfter(lingerTime)
	})
}

// TestUnbindByUs serves the client until it answers.
func TestUnbindByUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		backend := &fake{submit: func(p *SubmitSM) (Submission, error) {
			if string(p.ShortMessage) == "slow" {
				return slow, nil
			}
			return accepted("2"), nil
		}}
		p := serve(t, &Server{Backend: backend}).dialAs(BindTransceiver)
		p.send(1, text("slow"))
		synctest.Wait()
		backend.session(t).Close("test")
		backend.session(t).Close("again")
		p.wantNothing(3 * time.Second)
		slow.finish("1", nil)
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(1, StatusOK, &Unbind{})
		p.send(2, text("on its way before the client knew"))
		p.want(2, StatusOK, &SubmitSMResp{MessageID: "2"})
		p.send(1, &UnbindResp{})
		p.wantEndAfter(0)
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "bound", "submit slow", "submit on its way before the client knew", "closed")
	})
}

func TestUnbindNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		server := serve(t, &Server{Backend: backend})
		p := server.dialAs(BindTransceiver)
		synctest.Wait()
		backend.session(t).Close("test")
		p.want(1, StatusOK, &Unbind{})
		p.wantEndAfter(unbindTime)

		p = server.dialAs(BindTransceiver) // both at once
		synctest.Wait()
		backend.session(t).Close("test")
		p.want(1, StatusOK, &Unbind{})
		p.send(9, &Unbind{})
		p.want(9, StatusOK, &UnbindResp{})
		p.wantEnd()
	})
}

// TestUnbindStuck ends a session whose submission never is done, with another request waiting for its place in the window.
func TestUnbindStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return newTicket(), nil }}
		server := serve(t, &Server{Backend: backend, Response: 9 * time.Second, Window: 1})
		p := server.dialAs(BindTransceiver)
		p.write(encode(t, PDU{Sequence: 1, Body: text("never")}, PDU{Sequence: 2, Body: text("not even begun")}))
		synctest.Wait()
		backend.session(t).Close("test")
		p.wantEndAfter(9 * time.Second)
		synctest.Wait()

		p = server.dialAs(BindTransceiver)
		p.send(1, text("never"))
		p.write([]byte{0, 0, 0, 1}) // the nack waits for its place
		p.wantEndAfter(9 * time.Second)
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "bound", "submit never", "closed", "bind shop", "bound", "submit never", "closed")
	})
}

// TestNothingIsAskedWhileClosing keeps enquire_link from a session that waits for its last answers.
func TestNothingIsAskedWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return slow, nil }}
		p := serve(t, &Server{Backend: backend, EnquireLink: 5 * time.Second, Response: time.Minute}).dialAs(BindTransceiver)
		p.send(1, text("slow"))
		synctest.Wait()
		backend.session(t).Close("test")
		p.wantNothing(50 * time.Second)
		slow.finish("1", nil)
		p.want(1, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(1, StatusOK, &Unbind{})
		p.wantEndAfter(unbindTime)
	})
}

// TestCloseWithin ends a session long before its patience would.
func TestCloseWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return newTicket(), nil }}
		p := serve(t, &Server{Backend: backend, Response: time.Hour}).dialAs(BindTransceiver)
		p.send(1, text("never"))
		synctest.Wait()
		backend.session(t).CloseWithin(3*time.Second, "test")
		p.wantEndAfter(3 * time.Second)
	})
}

// TestStopInTime: however long clients may take, the end of Serve is not put off by one that never takes its answers, nor by a
// request that never is done.
func TestStopInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return newTicket(), nil }}
		server := serve(t, &Server{Backend: backend, Response: time.Hour})
		server.dialAs(BindTransceiver).send(1, text("never"))
		deaf := server.dialAs(BindTransceiver)
		deaf.send(1, &EnquireLink{})
		synctest.Wait()
		began := time.Now()
		server.stop()
		if err := <-server.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("Serve ended after %s, want 10s", took)
		}
	})
}

// TestSlowReader has a client that takes no answers: its session ends, and others do not notice.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		server := serve(t, &Server{Backend: backend, Response: 6 * time.Second})
		good := server.dialAs(BindTransceiver)
		synctest.Wait() // it is bound first
		bad := server.dialAs(BindTransceiver)
		synctest.Wait()
		badSession := backend.session(t)
		backend.seen()
		start := time.Now()
		bad.send(1, text("x"))
		delivered := make(chan error)
		go func() { delivered <- badSession.Deliver(t.Context(), mo("y")) }()
		for range 5 {
			time.Sleep(time.Second)
			good.alive()
		}
		if err := <-delivered; !errors.Is(err, ErrClosed) {
			t.Errorf("Deliver to it: %v", err)
		}
		if got := time.Since(start); got != 6*time.Second {
			t.Errorf("ended after %s, want 6s", got)
		}
		synctest.Wait()
		backend.wantSeen(t, "submit x", "closed")
		good.alive()
	})
}

// TestClientGoes loses the connection with a submission under way and a request that waits for its place in the window.
func TestClientGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newTicket()
		backend := &fake{submit: func(*SubmitSM) (Submission, error) { return slow, nil }}
		p := serve(t, &Server{Backend: backend, Window: 1}).dialAs(BindTransceiver)
		p.send(1, text("a"))
		go p.conn.Write(encode(t, PDU{Sequence: 2, Body: text("b")}))
		synctest.Wait()
		p.conn.Close()
		slow.finish("1", nil) // the answer finds nobody
		synctest.Wait()
		if got := backend.seen(); got[2] != "submit a" || got[len(got)-1] != "closed" { // b came: it may be taken or not
			t.Errorf("the backend saw %q", got)
		}
	})
}
