package smpp

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBindAnswers(t *testing.T) {
	refuse := func(err error) func(*Session, *Bind) error { return func(*Session, *Bind) error { return err } }
	tests := []struct {
		name    string
		kind    BindKind
		version uint8
		bind    func(*Session, *Bind) error
		want    string
	}{
		{"transceiver", BindTransceiver, 0x34, nil, "0000001d 80000009 00000000 00000001 6761746577617900 0210 0001 34"},
		{"receiver", BindReceiver, 0x34, nil, "0000001d 80000001 00000000 00000001 6761746577617900 0210 0001 34"},
		{"transmitter", BindTransmitter, 0x34, nil, "0000001d 80000002 00000000 00000001 6761746577617900 0210 0001 34"},
		{"node-smpp: 5.0", BindTransceiver, 0x50, nil, "0000001d 80000009 00000000 00000001 6761746577617900 0210 0001 34"},
		{"larvitsmpp: 0", BindTransceiver, 0, nil, "0000001d 80000009 00000000 00000001 6761746577617900 0210 0001 34"},
		{"Kannel: 3.3", BindTransceiver, 0x33, nil, "00000018 80000009 00000000 00000001 6761746577617900"},
		{"refused transceiver", BindTransceiver, 0x34, refuse(StatusInvPaswd), "00000011 80000009 0000000e 00000001 00"},
		{"refused receiver", BindReceiver, 0x34, refuse(StatusBindFail), "00000010 80000001 0000000d 00000001"},
		{"refused transmitter", BindTransmitter, 0x34, refuse(StatusInvSysID), "00000010 80000002 0000000f 00000001"},
		{"refused for our own fault", BindTransmitter, 0x34, refuse(errors.New("disk")), "00000010 80000002 00000008 00000001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := &fake{bind: tt.bind}
				p := serve(t, &Server{Backend: backend}).dial()
				p.send(1, &Bind{Kind: tt.kind, SystemID: "shop", Password: "secret", InterfaceVersion: tt.version})
				p.wantOctets(tt.want)
				p.alive() // refused or not
				events := []string{"bind shop"}
				if tt.bind == nil {
					events = append(events, "bound")
				}
				backend.wantSeen(t, events...)
			})
		})
	}
}

// TestMalformedBind answers a bind that cannot be read by its own response: the client may mend it.
func TestMalformedBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{}
		p := serve(t, &Server{Backend: backend}).dial()
		p.write(whole(CmdBindTransceiver, 0, 1, []byte("shop\x00a-long-password\x00\x00\x34\x00\x00\x00")))
		p.want(1, StatusInvPaswd, &BindResp{Kind: BindTransceiver})
		p.write(whole(CmdBindTransmitter, 0, 2, []byte("a-very-long-system-id\x00\x00\x00\x34\x00\x00\x00")))
		p.want(2, StatusInvSysID, &BindResp{Kind: BindTransmitter})
		p.write(whole(CmdBindReceiver, 0, 3, []byte("shop\x00\x00\x00\x34")))
		p.want(3, StatusInvCmdLen, &BindResp{Kind: BindReceiver})
		backend.wantSeen(t)
		p.send(4, &Bind{Kind: BindReceiver})
		p.want(4, StatusOK, &BindResp{Kind: BindReceiver, SystemID: "gateway", TLVs: TLVs{TLVUint8(TagScInterfaceVersion, 0x34)}})
	})
}

// TestRefusedBinds lets a client try again, but not for ever: after the last answer it has a moment to read it.
func TestRefusedBinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{bind: func(*Session, *Bind) error { return StatusInvPaswd }}
		p := serve(t, &Server{Backend: backend}).dial()
		for i := range uint32(maxRefused) {
			time.Sleep(20 * time.Second) // each try has the whole session init time
			p.send(i, &Bind{Kind: BindTransmitter})
			p.want(i, StatusInvPaswd, &BindResp{Kind: BindTransmitter})
		}
		start := time.Now()
		p.wantEnd()
		if got := time.Since(start); got != lingerTime {
			t.Errorf("closed after %s, want %s", got, lingerTime)
		}
	})
}

func TestSessionIsWhatWasBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			kind              BindKind
			receive, transmit bool
		}{{BindReceiver, true, false}, {BindTransmitter, false, true}, {BindTransceiver, true, true}}
		backend := &fake{bind: func(s *Session, b *Bind) error {
			if s.Kind() != b.Kind || s.SystemID() != b.SystemID {
				t.Errorf("a session of %s as %s, for a bind of %s as %s", s.SystemID(), s.Kind(), b.SystemID, b.Kind)
			}
			return nil
		}}
		start := time.Now()
		server := serve(t, &Server{Backend: backend})
		for i, tt := range tests {
			server.dialAs(tt.kind)
			synctest.Wait()
			s := backend.session(t)
			if s.Kind() != tt.kind || s.CanReceive() != tt.receive || s.CanTransmit() != tt.transmit || s.ID() != uint64(i+1) ||
				s.SystemID() != "shop" || s.InterfaceVersion() != 0x34 || s.RemoteAddr() == nil || !s.Since().Equal(start) {
				t.Errorf("%s: got %s receive %t transmit %t id %d", tt.kind, s.Kind(), s.CanReceive(), s.CanTransmit(), s.ID())
			}
		}
	})
}

// TestBoundComesFirst holds requests that came with the bind until the Handler knows its session.
func TestBoundComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &fake{bound: func(*Session) { time.Sleep(time.Second) }}
		p := serve(t, &Server{Backend: backend}).dial()
		p.write(encode(t, PDU{Sequence: 1, Body: &Bind{Kind: BindTransmitter, SystemID: "shop"}}, PDU{Sequence: 2, Body: text("a")},
			PDU{Sequence: 3, Body: &Unbind{}}))
		p.next()
		p.want(2, StatusOK, &SubmitSMResp{MessageID: "1"})
		p.want(3, StatusOK, &UnbindResp{})
		p.wantEnd()
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "bound", "submit a", "closed")
	})
}

// TestBindBreaks loses the connection with the bind: the Handler hears of the end, if it had been let in.
func TestBindBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (*peer)(nil)
		backend := &fake{bind: func(*Session, *Bind) error { p.conn.Close(); return nil }}
		p = serve(t, &Server{Backend: backend}).dial()
		p.send(1, &Bind{Kind: BindTransmitter, SystemID: "shop"})
		synctest.Wait()
		backend.wantSeen(t, "bind shop", "closed")
	})
}

// TestLogsKeepSecrets runs a session with everything logged: no password may be there.
func TestLogsKeepSecrets(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		backend := &fake{bind: func(_ *Session, b *Bind) error {
			if b.Password != "geheim" {
				return StatusInvPaswd
			}
			return nil
		}}
		p := serve(t, &Server{Backend: backend, Log: log}).dial()
		p.write(whole(CmdBindReceiver, 0, 1, []byte("shop\x00geheimgeheim\x00\x00\x34\x00\x00\x00")))
		p.next()
		p.send(2, &Bind{Kind: BindReceiver, SystemID: "shop", Password: "geheim2"})
		p.next()
		p.send(3, &Bind{Kind: BindReceiver, SystemID: "shop", Password: "geheim"})
		p.next()
		p.send(4, &Bind{Kind: BindReceiver, SystemID: "shop", Password: "geheim"})
		p.next()
		p.send(5, &Unbind{})
		p.next()
		p.wantEnd()
	})
	if strings.Contains(out.String(), "geheim") || strings.Contains(out.String(), "Z2Vo") {
		t.Errorf("the password is logged:\n%s", &out)
	}
	for _, want := range []string{`"msg":"received"`, `"msg":"sent"`, `"msg":"bind refused"`, `"msg":"bound"`, `"msg":"session ended"`, `"system_id":"shop"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
}
