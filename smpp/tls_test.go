package smpp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// secure is a server's TLS configuration with a certificate made up for the test, which its clients don't check.
func secure(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// serveTLS is serve behind TLS. It is dialled as ever; see over.
func serveTLS(t *testing.T, s *Server) *running {
	t.Helper()
	if s.SystemID == "" {
		s.SystemID = "gateway"
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, ln: newPipes(), stop: cancel, ended: make(chan error, 1)}
	cfg := secure(t)
	go func() { r.ended <- s.Serve(ctx, tls.NewListener(r.ln, cfg)) }()
	t.Cleanup(cancel)
	return r
}

// over puts TLS on a client's connection.
func over(p *peer) *peer {
	return newPeer(p.t, tls.Client(p.conn, &tls.Config{InsecureSkipVerify: true}))
}

// TestTLSHandshakes: those who are slow, or speak something else, hold up nobody, end in bounded time, and the log tells of
// them in a line a minute.
func TestTLSHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		server := serveTLS(t, &Server{Backend: &fake{}, Log: slog.New(slog.NewTextHandler(&out, nil))})
		slow := server.dial()
		good := over(server.dial())
		good.send(1, &Bind{Kind: BindTransceiver, SystemID: "shop"})
		if got := good.next(); got.Status != StatusOK {
			t.Fatalf("bind answered with %+v", got)
		}
		synctest.Wait()
		if !strings.Contains(out.String(), "msg=bound") || !strings.Contains(out.String(), "tls=1.3") {
			t.Errorf("the log does not tell of TLS:\n%s", &out)
		}
		slow.wantEndAfter(handshakeTime)
		synctest.Wait() // for the log
		for range 5 {   // these send SMPP, and read what we answer
			plain := server.dial()
			go io.Copy(io.Discard, plain.conn)
			plain.conn.Write(encode(t, PDU{Sequence: 1, Body: &EnquireLink{}}))
			synctest.Wait()
		}
		good.alive()
		time.Sleep(tellHandshakes)
		plain := server.dial()
		go io.Copy(io.Discard, plain.conn)
		plain.conn.Write(encode(t, PDU{Sequence: 1, Body: &EnquireLink{}}))
		synctest.Wait()
		server.dial().conn.Close() // whoever looks whether the port is open
		synctest.Wait()
		said := out.String()
		for what, want := range map[string]int{
			"TLS handshake failed": 2, "no TLS handshake within 10s": 1, "does not speak TLS": 1, "others=5": 1,
		} {
			if n := strings.Count(said, what); n != want {
				t.Errorf("%q is said %d times, want %d:\n%s", what, n, want, said)
			}
		}
	})
}

// TestDistrust: the log says what to look at when a client does not trust the certificate, also where it is one of OpenSSL's,
// whose alert is not encrypted in TLS 1.3.
func TestDistrust(t *testing.T) {
	for name, alert := range map[string]string{"Go": "", "OpenSSL": "\x15\x03\x03\x00\x02\x02\x30"} { // unknown CA
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out lockedBuffer
				server := serveTLS(t, &Server{Backend: &fake{}, Log: slog.New(slog.NewTextHandler(&out, nil))})
				conn := server.dial().conn
				client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
					if alert != "" {
						io.WriteString(conn, alert)
						conn.Close()
					}
					return x509.UnknownAuthorityError{}
				}})
				if err := client.Handshake(); err == nil {
					t.Fatal("the client trusts")
				}
				synctest.Wait()
				if said := out.String(); !strings.Contains(said, "the client gave up") || !strings.Contains(said, "does it trust the gateway's certificate") {
					t.Errorf("the log says %q", said)
				}
			})
		})
	}
}

// TestStopInHandshake: a stop does not wait for a client that says nothing.
func TestStopInHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := serveTLS(t, &Server{Backend: &fake{}})
		server.dial()
		synctest.Wait()
		start := time.Now()
		server.stop()
		if err := <-server.ended; err != nil || time.Since(start) != 0 {
			t.Errorf("Serve returned %v after %s", err, time.Since(start))
		}
	})
}

// TestMaxConnsOfAll: the bound counts over all listeners, and a handshake counts.
func TestMaxConnsOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &Server{
			SystemID: "gateway", Backend: &fake{}, MaxConns: 2, MaxUnbound: 2, MaxUnboundPeer: 2, Log: slog.New(slog.DiscardHandler),
		}
		plain, secure := serve(t, server), serveTLS(t, server)
		silent := secure.dial() // it never shakes hands, and is the oldest
		synctest.Wait()
		one := plain.dial()
		one.alive()
		three := over(secure.dial())
		three.alive()
		silent.wantEndAfter(0)
		one.alive()
		one.conn.Close()
		three.conn.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		server.crowd.mu.Lock()
		defer server.crowd.mu.Unlock()
		if n := server.crowd.all; n != 0 {
			t.Errorf("%d connections are counted that are gone", n)
		}
	})
}

// TestReconfigure: connections from then on get the new settings, the others keep theirs.
func TestReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{SystemID: "old", Backend: &fake{}, SessionInit: time.Second, Log: slog.New(slog.DiscardHandler)}
		server := serve(t, s)
		before := server.dial()
		synctest.Wait()
		if err := s.Reconfigure(&Server{SystemID: "sixteen letters!"}); err == nil {
			t.Error("a name that is too long is taken")
		}
		if err := s.Reconfigure(&Server{SystemID: "new", SessionInit: time.Minute}); err != nil {
			t.Fatal(err)
		}
		after := server.dial()
		synctest.Wait()
		before.wantEndAfter(time.Second)
		after.send(1, &Bind{Kind: BindTransmitter, SystemID: "shop"})
		after.want(1, StatusOK, &BindResp{Kind: BindTransmitter, SystemID: "new", TLVs: TLVs{TLVUint8(TagScInterfaceVersion, 0x34)}})
	})
}

// TestReconfigureLogBodies: whoever wants no texts in the log any more means the sessions that are there, too.
func TestReconfigureLogBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		debug := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := &Server{Backend: &fake{}, LogBodies: true, Log: debug}
		p := serve(t, s).dialAs(BindTransmitter)
		for _, wanted := range []bool{true, false, true} {
			if err := s.Reconfigure(&Server{LogBodies: wanted}); err != nil {
				t.Fatal(err)
			}
			before := len(out.String())
			p.send(2, text("for nobody else"))
			p.next()
			if said := out.String()[before:]; strings.Contains(said, "491701") != wanted {
				t.Errorf("LogBodies %t: the log says\n%s", wanted, said)
			}
		}
	})
}

// TestOverTLS is TestOverTCP with TLS: one way closed, octets unread, just gone; and a client that reads nothing.
func TestOverTLS(t *testing.T) {
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
	server := &Server{SystemID: "gateway", Backend: backend, Response: time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	go func() { ended <- server.Serve(ctx, tls.NewListener(ln, secure(t))) }()
	dial := func() (*peer, *tls.Conn) {
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		p.send(1, &Bind{Kind: BindTransmitter})
		p.next()
		return p, conn
	}

	p, conn := dial() // says nothing more, and waits for what is owed to it
	p.send(2, text("x"))
	conn.CloseWrite()
	(<-tickets).finish("17", nil)
	p.want(2, StatusOK, &SubmitSMResp{MessageID: "17"})
	p.wantEnd()

	p, conn = dial() // goes on sending behind its unbind: the answers must not be lost with a reset
	p.write(encode(t, PDU{Sequence: 2, Body: &Unbind{}}))
	p.write(encode(t, PDU{Sequence: 3, Body: text("too late")}))
	p.want(2, StatusOK, &UnbindResp{})
	if _, err := p.nextOctets(time.Minute); err != io.EOF {
		t.Errorf("got %v, want a clean end", err)
	}
	conn.Close()

	p, conn = dial() // is just gone
	p.send(2, text("x"))
	conn.NetConn().Close()
	(<-tickets).finish("18", nil)

	_, _ = dial() // ignores our unbind, and is cut all the same
	session, start := backend.session(t), time.Now()
	session.Close("enough")
	<-session.gone
	if took := time.Since(start); took > unbindTime+time.Second {
		t.Errorf("the session was over after %s", took)
	}

	if _, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}
