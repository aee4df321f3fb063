package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{PIN: "4711", PUK: "87654321", SIMBusy: 5 * time.Second, RegisterAfter: 8 * time.Second})
		time.Sleep(5 * time.Second)
		r.want("AT+CMEE=1;+CREG=1\r", ok())
		r.want("AT+CPIN?\r", ok("+CPIN: SIM PIN"))
		r.want("AT+CREG?\r", ok("+CREG: 1,0"))
		r.want("AT+CPMS?\r", result("+CMS ERROR: 311"))
		r.want("AT+CIMI\r", result("+CME ERROR: 11"))
		r.want("AT+CLCK=\"SC\",2\r", ok("+CLCK: 1"))
		r.want("AT+CPIN=\"0000\"\r", result("+CME ERROR: 16"))
		r.want("AT+CPINR=\"SIM PIN\"\r", ok("+CPINR: SIM PIN,2,3"))

		r.stop() // the SIM remembers
		<-r.ended
		r.plug()
		time.Sleep(5 * time.Second)
		r.want("ATE0+CMEE=1;+CREG=1;+CPINR=\"SIM PIN\"\r", "ATE0+CMEE=1;+CREG=1;+CPINR=\"SIM PIN\"\r"+ok("+CPINR: SIM PIN,2,3"))
		if err := r.m.Receive("+4917", "while it is locked"); err != nil {
			t.Fatal(err)
		}
		r.want("AT+CNMI=2,1\r", ok())
		r.want("AT+CPIN=4711\r", ok()+result("+CREG: 2"))
		r.want("AT+CPIN?\r", result("+CME ERROR: 14"))
		r.want("AT+CPMS?\r", result("+CMS ERROR: 314"))
		time.Sleep(5 * time.Second)
		r.want("AT+CPIN?\r", ok("+CPIN: READY"))
		r.want("AT+CMGS=20\r", "\r\n> ")
		time.Sleep(3 * time.Second)
		r.wantNow("behind the prompt", "")
		r.want("\x1b", ok()+result("+CREG: 1")+result(`+CMTI: "SM",1`))
		r.want("AT+CPINR\r", ok("+CPINR: SIM PIN,3,3", "+CPINR: SIM PUK,10,10"))
	})
}

// A text waits for a SIM that is busy longer than the modem takes to register, and a restart is no different.
func TestSIMBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SIMBusy: 5 * time.Second})
		r.want("AT+CNMI=2,1\r", ok())
		if err := r.m.Receive("+4917", "x"); err != nil {
			t.Fatal(err)
		}
		r.wantNow("while the SIM is busy", "")
		r.want("AT+CMGS=20\r", result("+CMS ERROR: 314"))
		time.Sleep(5 * time.Second)
		r.wantNow("then", result(`+CMTI: "SM",1`))
	})
}

func TestPUK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{PIN: "4711", PUK: "87654321"})
		r.want("AT+CMEE=1\r", ok())
		for _, want := range []string{"16", "16", "12", "12"} {
			r.want("AT+CPIN=\"0000\"\r", result("+CME ERROR: "+want))
		}
		r.want("AT+CPIN?\r", ok("+CPIN: SIM PUK"))
		r.want("AT+CPMS?\r", result("+CMS ERROR: 316"))
		r.want("AT+CIMI\r", result("+CME ERROR: 12"))
		r.want("AT+CPIN=\"87654321\",\"12\"\r", result("+CME ERROR: 50"))
		r.want("AT+CPIN=\"00000000\",\"1234\"\r", result("+CME ERROR: 16"))
		r.want("AT+CPINR\r", ok("+CPINR: SIM PIN,0,3", "+CPINR: SIM PUK,9,10"))
		r.want("AT+CPIN=\"87654321\",\"1234\"\r", ok())
		r.want("AT+CPIN?;+CPINR\r", ok("+CPIN: READY", "+CPINR: SIM PIN,3,3", "+CPINR: SIM PUK,10,10"))
		r.want("AT+CFUN=0\r", ok())
		r.want("AT+CFUN=1\r", ok())
		r.want("AT+CPIN=\"4711\"\r", result("+CME ERROR: 16"))
		r.want("AT+CPIN=\"1234\"\r", ok())
	})
}

func TestDeadSIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{PIN: "4711"})
		for range maxTries {
			r.say("AT+CPIN=\"0000\"\r")
		}
		for range maxPUKTries {
			r.say("AT+CPIN=\"00000000\",\"1234\"\r")
		}
		r.want("AT+CMEE=1\r", ok())
		r.want("AT+CPIN?\r", result("+CME ERROR: 13"))
		r.want("AT+CPIN=\"12345678\",\"1234\"\r", result("+CME ERROR: 13"))
		r.want("AT+CPMS?\r", result("+CMS ERROR: 313"))
	})
}

// A restart undoes the settings and asks for the PIN; texts and references stay.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{PIN: "4711", BootTime: 4 * time.Second})
		settings := "AT+CMEE=2;+CREG=2;+CNMI=2,1,0,1,0;+CSMS=1;+CSCA=\"+4917\"\r"
		asked := "AT+CMEE?;+CREG?;+CNMI?;+CSMS?;+CPIN?\r"
		r.want("AT+CPIN=\"4711\"\r", ok())
		r.want(settings, ok("+CSMS: 1,1,1"))
		if err := r.m.Receive("+49170", "x"); err != nil {
			t.Fatal(err)
		}
		r.wantNow("a text", result(`+CMTI: "SM",1`))
		r.send(textTo("4917", "x"))
		r.want("AT+CFUN=1,1\r", ok())
		r.want("AT\r", "")
		time.Sleep(4 * time.Second)
		r.wantNow("after the restart", "\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: SIM PIN\r\n\r\nCall Ready\r\n\r\nSMS Ready\r\n")
		r.want("ATE0\r", "ATE0\r"+ok())
		r.want(asked, ok("+CMEE: 0", "+CREG: 0,0", "+CNMI: 0,0,0,0,0", "+CSMS: 0,1,1,1", "+CPIN: SIM PIN"))
		r.want("AT+CPIN=\"4711\";+CPMS?;+CSCA?\r", ok(`+CPMS: "SM",1,20,"SM",1,20,"SM",1,20`, `+CSCA: "+4917",145`))
		if got := r.send(textTo("4917", "x")); got != ok("+CMGS: 2") {
			t.Errorf("the next reference: %q", got)
		}
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		m.Reset() // off: nothing happens
		m.Unplug()
		r := start(t, Config{})
		r.m.SetSignal(7)
		r.want("AT+CSQ;+CREG=1\r", ok("+CSQ: 7,99"))
		r.m.SetRegistration(5)
		r.wantNow("roaming", result("+CREG: 5"))
		r.m.SetRegistration(3)
		r.wantNow("denied", result("+CREG: 3"))
		r.say("AT+CNMI=2,1,0,1\r")
		if got := r.send(textTo("4917", "x")); got != result("+CMS ERROR: 331") {
			t.Errorf("sent without a network: %q", got)
		}
		if err := r.m.Receive("+4917", "x"); err != nil {
			t.Fatal(err)
		}
		r.wantNow("without a network", "")
		r.want("AT+CMEE=1;+CUSD=1,\"*100#\"\r", result("+CME ERROR: 30"))
		r.m.SetRegistration(1)
		r.wantNow("back", result("+CREG: 1")+result(`+CMTI: "SM",1`))
		r.m.Reset()
		r.wantNow("at first", "")
		time.Sleep(time.Second)
		if got := r.take(); !strings.Contains(got, "RDY") {
			t.Errorf("after a reset: %q", got)
		}
		r.want("AT\r", "AT\r"+ok())
	})
}

func TestServeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		if err := r.m.Serve(t.Context(), &bytes.Buffer{}); !errors.Is(err, errServing) {
			t.Errorf("a second Serve beside the first: %v", err)
		}
		for range 3 {
			r.stop()
			if err := <-r.ended; err != nil {
				t.Errorf("Serve at the end of ctx: %v", err)
			}
			r.plug()
			r.want("AT\r", "AT\r"+ok())
		}
		r.conn.Close()
		if err := <-r.ended; !errors.Is(err, io.EOF) {
			t.Errorf("Serve at the end of the line: %v", err)
		}
	})
}

// stream is a line that has said all already.
type stream struct {
	io.Reader
	bytes.Buffer
}

func (s *stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// A line that cannot be closed is answered to its end.
func TestServeStream(t *testing.T) {
	s := &stream{Reader: strings.NewReader("AT\rATE0\rAT+CMEE?\r")}
	if err := New(Config{}).Serve(t.Context(), s); !errors.Is(err, io.EOF) {
		t.Errorf("Serve: %v", err)
	}
	if got, want := s.String(), "AT\r\r\nOK\r\nATE0\r\r\nOK\r\n\r\n+CMEE: 0\r\n\r\nOK\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// brokenWriter can be read for ever and not be written.
type brokenWriter struct{ net.Conn }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no light") }

func TestServeBrokenWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		go near.Write([]byte("AT\r"))
		if err := New(Config{}).Serve(t.Context(), brokenWriter{far}); err == nil || err.Error() != "no light" {
			t.Errorf("Serve: %v", err)
		}
	})
}

// A driver that types for ever and never reads stops nobody.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		m := New(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Serve(ctx, far) }()
		for range 10_000 {
			if _, err := near.Write([]byte("AT+CNMI=?\r")); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
