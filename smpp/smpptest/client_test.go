package smpptest_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// desk is a Backend and Handler in memory.
type desk struct {
	sessions chan *smpp.Session

	mu   sync.Mutex
	last int
}

func newDesk() *desk { return &desk{sessions: make(chan *smpp.Session, 10)} }

func (d *desk) Bind(_ context.Context, _ *smpp.Session, b *smpp.Bind) (smpp.Handler, error) {
	if b.Password != "secret" {
		return nil, smpp.StatusInvPaswd
	}
	return d, nil
}

func (d *desk) Submit(_ context.Context, p *smpp.SubmitSM) (smpp.Submission, error) {
	if p.Destination.Addr == "" {
		return nil, smpp.StatusInvDstAdr
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return taken(strconv.Itoa(d.last)), nil
}

func (d *desk) Query(_ context.Context, p *smpp.QuerySM) (*smpp.QuerySMResp, error) {
	if p.MessageID != "1" || p.Source.Addr != "7" {
		return nil, smpp.StatusInvMsgID
	}
	return &smpp.QuerySMResp{MessageID: "1", MessageState: smpp.StateEnroute}, nil
}

func (d *desk) Cancel(_ context.Context, p *smpp.CancelSM) error {
	if p.MessageID != "1" {
		return smpp.StatusCancelFail
	}
	return nil
}

func (d *desk) SubmitMulti(_ context.Context, p *smpp.SubmitMulti) (smpp.MultiSubmission, error) {
	if p.Destinations[0].Address.Addr == "" {
		return nil, smpp.StatusCntSubDL
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return takenAll(strconv.Itoa(d.last)), nil
}

func (d *desk) Data(_ context.Context, p *smpp.DataSM) (smpp.Submission, error) {
	if len(p.TLVs) == 0 {
		return nil, smpp.StatusMissingOptParam
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return taken(strconv.Itoa(d.last)), nil
}

func (d *desk) Replace(_ context.Context, p *smpp.ReplaceSM) error {
	if p.MessageID != "1" {
		return smpp.StatusReplaceFail
	}
	return nil
}

func (d *desk) Bound(s *smpp.Session) { d.sessions <- s }
func (d *desk) Closed(*smpp.Session)  {}

// taken is a Submission that is done.
type taken string

func (taken) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (id taken) Result() (string, error) { return string(id), nil }

// takenAll is a MultiSubmission that is done, and left out one destination.
type takenAll string

func (id takenAll) Done() <-chan struct{} { return taken(id).Done() }

func (id takenAll) Result() (*smpp.SubmitMultiResp, error) {
	left := []smpp.Unsuccessful{{Address: smpp.Address{Addr: "8"}, Status: smpp.StatusInvDstAdr}}
	return &smpp.SubmitMultiResp{MessageID: string(id), Unsuccessful: left}, nil
}

// start runs a server on loopback that ends with the test, and connects a client to it.
func start(t *testing.T) (*smpptest.Client, *desk) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk()
	server := &smpp.Server{SystemID: "gateway", Backend: d, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, ln) }()
	c, err := smpptest.Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c, d
}

func bind(t *testing.T, c *smpptest.Client) {
	t.Helper()
	if _, err := c.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
}

func text(s string) *smpp.SubmitSM {
	return &smpp.SubmitSM{Destination: smpp.Address{Addr: "4917"}, ShortMessage: []byte(s)}
}

func TestSession(t *testing.T) {
	c, _ := start(t)
	if _, err := c.Bind(smpp.BindTransmitter, "shop", "guess"); !errors.Is(err, smpp.StatusInvPaswd) {
		t.Errorf("a wrong password: %v", err)
	}
	resp, err := c.Bind(smpp.BindTransceiver, "shop", "secret")
	if err != nil || resp.SystemID != "gateway" {
		t.Fatalf("bind: %+v, %v", resp, err)
	}
	if id, err := c.Submit(text("hi")); id != "1" || err != nil {
		t.Errorf("Submit: %q, %v", id, err)
	}
	if _, err := c.Submit(&smpp.SubmitSM{}); !errors.Is(err, smpp.StatusInvDstAdr) {
		t.Errorf("Submit to nobody: %v", err)
	}
	if _, err := c.Submit(&smpp.SubmitSM{ServiceType: "too long"}); err == nil || errors.As(err, new(smpp.Status)) {
		t.Errorf("Submit of what cannot be written: %v", err)
	}
	if q, err := c.Query("1", smpp.Address{Addr: "7"}); err != nil || q.MessageState != smpp.StateEnroute {
		t.Errorf("Query: %+v, %v", q, err)
	}
	if _, err := c.Query("2", smpp.Address{}); !errors.Is(err, smpp.StatusInvMsgID) {
		t.Errorf("Query of nothing: %v", err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: "1"}); err != nil {
		t.Errorf("Cancel: %v", err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: "2"}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("Cancel of nothing: %v", err)
	}
	if err := c.EnquireLink(); err != nil {
		t.Errorf("EnquireLink: %v", err)
	}
	if id, err := c.Data(&smpp.DataSM{TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload}}}); id != "2" || err != nil {
		t.Errorf("Data: %q, %v", id, err)
	}
	if _, err := c.Data(&smpp.DataSM{}); !errors.Is(err, smpp.StatusMissingOptParam) {
		t.Errorf("Data without any: %v", err)
	}
	several := &smpp.SubmitMulti{Destinations: []smpp.Destination{{Address: smpp.Address{Addr: "7"}}, {Address: smpp.Address{Addr: "8"}}}}
	if resp, err := c.SubmitMulti(several); err != nil || resp.MessageID != "3" || len(resp.Unsuccessful) != 1 {
		t.Errorf("SubmitMulti: %+v, %v", resp, err)
	}
	several.Destinations = []smpp.Destination{{List: "all"}}
	if _, err := c.SubmitMulti(several); !errors.Is(err, smpp.StatusCntSubDL) {
		t.Errorf("SubmitMulti to a list: %v", err)
	}
	if err := c.Replace(&smpp.ReplaceSM{MessageID: "1"}); err != nil {
		t.Errorf("Replace: %v", err)
	}
	if err := c.Replace(&smpp.ReplaceSM{MessageID: "2"}); !errors.Is(err, smpp.StatusReplaceFail) {
		t.Errorf("Replace of nothing: %v", err)
	}
	nack, err := c.Request(&smpp.Outbind{})
	if _, ok := nack.Body.(*smpp.GenericNack); !ok || !errors.Is(err, smpp.StatusInvCmdID) {
		t.Errorf("outbind: %+v, %v", nack, err)
	}
	if c.Err() != nil {
		t.Errorf("Err of an open connection: %v", c.Err())
	}
	if err := c.Unbind(); err != nil {
		t.Errorf("Unbind: %v", err)
	}
	<-c.Done()
	if _, err := c.Submit(text("late")); !errors.Is(err, smpptest.ErrClosed) || !errors.Is(c.Err(), smpptest.ErrClosed) {
		t.Errorf("Submit after the end: %v (%v)", err, c.Err())
	}
	if _, open := <-c.Deliveries(); open {
		t.Error("a delivery after the end")
	}
}

func TestSendKeepsAWindow(t *testing.T) {
	c, _ := start(t)
	bind(t, c)
	var answers []<-chan smpp.PDU
	for range 50 {
		answer, err := c.Send(text("x"))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for i, answer := range answers {
		if got, want := (<-answer).Body.(*smpp.SubmitSMResp).MessageID, strconv.Itoa(i+1); got != want {
			t.Errorf("answer %d has id %s", i, got)
		}
	}
}

func TestDeliveries(t *testing.T) {
	c, d := start(t)
	c.OnDeliver = func(p *smpp.DeliverSM) smpp.Status {
		if string(p.ShortMessage) == "unwanted" {
			return smpp.StatusRxPAppn
		}
		return smpp.StatusOK
	}
	bind(t, c)
	s := <-d.sessions
	for _, message := range []string{"one", "unwanted", "two"} {
		err := s.Deliver(t.Context(), &smpp.DeliverSM{ShortMessage: []byte(message)})
		if message == "unwanted" && !errors.Is(err, smpp.StatusRxPAppn) || message != "unwanted" && err != nil {
			t.Errorf("Deliver %s: %v", message, err)
		}
	}
	for _, want := range []string{"one", "two"} {
		if got := <-c.Deliveries(); string(got.ShortMessage) != want {
			t.Errorf("got %q, want %q", got.ShortMessage, want)
		}
	}
}

// TestFullMailbox does not read its deliveries: the server is asked to try again, and nothing else suffers.
func TestFullMailbox(t *testing.T) {
	c, d := start(t)
	bind(t, c)
	s := <-d.sessions
	for range cap(c.Deliveries()) {
		if err := s.Deliver(t.Context(), &smpp.DeliverSM{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Deliver(t.Context(), &smpp.DeliverSM{}); !errors.Is(err, smpp.StatusRxTAppn) {
		t.Errorf("one more: %v", err)
	}
	if _, err := c.Submit(text("x")); err != nil {
		t.Error(err)
	}
	<-c.Deliveries()
	if err := s.Deliver(t.Context(), &smpp.DeliverSM{}); err != nil {
		t.Errorf("after one was taken: %v", err)
	}
}

func TestServerUnbinds(t *testing.T) {
	c, d := start(t)
	bind(t, c)
	(<-d.sessions).Close("test")
	<-c.Done()
	if !errors.Is(c.Err(), smpptest.ErrClosed) {
		t.Errorf("Err: %v", c.Err())
	}
}

func TestDialNowhere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := smpptest.Dial(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestOddServer has a server by hand, which does what none should.
func TestOddServer(t *testing.T) {
	tests := []struct {
		name   string
		answer func(conn net.Conn, sequence uint32)
		want   func(error) bool
	}{
		{"no answer", func(net.Conn, uint32) {}, func(err error) bool { return err != nil && !errors.Is(err, smpptest.ErrClosed) }},
		{"it closes", func(c net.Conn, _ uint32) { c.Close() }, func(err error) bool { return errors.Is(err, smpptest.ErrClosed) }},
		{"another response", func(c net.Conn, n uint32) { send(c, n, &smpp.UnbindResp{}) }, func(err error) bool { return err != nil }},
		{"to another request", func(c net.Conn, n uint32) { send(c, n+1, &smpp.QuerySMResp{}); send(c, n, &smpp.SubmitSMResp{}) },
			func(err error) bool { return err == nil }},
		{"octets that are no PDU", func(c net.Conn, _ uint32) { c.Write(make([]byte, 16)) },
			func(err error) bool { return errors.As(err, new(*smpp.LengthError)) }},
		{"a response that cannot be read", func(c net.Conn, n uint32) { c.Write([]byte{0, 0, 0, 16, 128, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, byte(n)}) },
			func(err error) bool { return errors.As(err, new(*smpp.FieldError)) }},
		{"first an enquire_link", func(c net.Conn, n uint32) {
			send(c, 5, &smpp.EnquireLink{})
			if got := receive(c); got.Sequence != 5 || got.Body.CommandID() != smpp.CmdEnquireLinkResp {
				c.Close()
			}
			send(c, n, &smpp.SubmitSMResp{})
		}, func(err error) bool { return err == nil }},
		{"first an outbind", func(c net.Conn, n uint32) {
			send(c, 5, &smpp.Outbind{})
			if got := receive(c); got.Sequence != 5 || got.Status != smpp.StatusInvCmdID {
				c.Close()
			}
			send(c, n, &smpp.SubmitSMResp{})
		}, func(err error) bool { return err == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				c := smpptest.New(ours)
				c.Timeout = 3 * time.Second
				go func() { tt.answer(theirs, receive(theirs).Sequence) }()
				_, err := c.Submit(text("x"))
				if !tt.want(err) {
					t.Errorf("Submit: %v", err)
				}
				theirs.Close()
				c.Close()
				c.Close()
			})
		})
	}
}

func send(conn net.Conn, sequence uint32, body smpp.Body) {
	b, _ := smpp.PDU{Sequence: sequence, Body: body}.Append(nil)
	conn.Write(b)
}

func receive(conn net.Conn) smpp.PDU {
	b, err := smpp.NewFrameReader(conn, 1000).Next()
	if err != nil {
		return smpp.PDU{}
	}
	p, _ := smpp.Decode(b)
	return p
}
