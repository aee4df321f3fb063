package e2e

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// esme is a bound SMPP client.
type esme struct {
	*smpptest.Client
	early []*smpp.DeliverSM // deliveries that came before somebody asked for them
}

// dial connects without a bind.
func (b *box) dial(t *testing.T) *esme {
	t.Helper()
	c, err := smpptest.Dial(t.Context(), b.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = patience
	t.Cleanup(func() { c.Close() })
	return &esme{Client: c}
}

// bind is a bind_transceiver.
func (b *box) bind(t *testing.T, key string) *esme {
	t.Helper()
	return b.bindAs(t, smpp.BindTransceiver, key)
}

func (b *box) bindAs(t *testing.T, kind smpp.BindKind, key string) *esme {
	t.Helper()
	e := b.dial(t)
	if _, err := e.Bind(kind, key, password(key)); err != nil {
		t.Fatalf("bind %s as %s: %v", key, kind, err)
	}
	return e
}

// text is a submit_sm that asks for a receipt.
func text(to, message string) *smpp.SubmitSM {
	return &smpp.SubmitSM{Destination: smpp.Address{Addr: to}, RegisteredDelivery: 1, ShortMessage: []byte(message)}
}

// submit must be taken.
func (e *esme) submit(t *testing.T, p *smpp.SubmitSM) (id string) {
	t.Helper()
	id, err := e.Submit(p)
	if err != nil {
		t.Fatalf("submit_sm to %s: %v", p.Destination.Addr, err)
	}
	return id
}

// wantStatus compares the status of an answer; nil is ESME_ROK.
func wantStatus(t *testing.T, what string, err error, want smpp.Status) {
	t.Helper()
	var got smpp.Status
	if err != nil && !errors.As(err, &got) {
		t.Fatalf("%s: %v, want an answer with %s", what, err, want)
	}
	if got != want {
		t.Errorf("%s: answered with %s, want %s", what, got, want)
	}
}

// wantState asks once.
func (e *esme) wantState(t *testing.T, id string, want smpp.MessageState) *smpp.QuerySMResp {
	t.Helper()
	resp, err := e.Query(id, smpp.Address{})
	if err != nil {
		t.Fatalf("query_sm of %s: %v", id, err)
	}
	if resp.MessageState != want {
		t.Errorf("query_sm of %s says %s, want %s", id, resp.MessageState, want)
	}
	// UNKNOWN may be the end, or not yet.
	if open := resp.FinalDate == ""; want != smpp.StateUnknown && open != (want == smpp.StateEnroute) {
		t.Errorf("query_sm of %s says %s with final_date %q", id, want, resp.FinalDate)
	}
	return resp
}

// wantDelivery waits for the next deliver_sm that fits; those that don't are kept for others who ask.
func (e *esme) wantDelivery(t *testing.T, what string, fits func(*smpp.DeliverSM) bool) *smpp.DeliverSM {
	t.Helper()
	for i, d := range e.early {
		if fits(d) {
			e.early = append(e.early[:i:i], e.early[i+1:]...)
			return d
		}
	}
	timeout := time.After(patience)
	for {
		select {
		case d, ok := <-e.Deliveries():
			switch {
			case !ok:
				t.Fatalf("the session ended (%v) before %s came", e.Err(), what)
			case fits(d):
				return d
			}
			e.early = append(e.early, d)
		case <-timeout:
			t.Fatalf("%s did not come within %s; others: %d", what, patience, len(e.early))
		}
	}
}

// wantReceipt waits for the receipt of a message, which must tell of this state.
func (e *esme) wantReceipt(t *testing.T, id string, want smpp.MessageState) (*smpp.DeliverSM, smpp.Receipt) {
	t.Helper()
	var r smpp.Receipt
	d := e.wantDelivery(t, "the receipt of "+id, func(d *smpp.DeliverSM) bool {
		var err error
		if d.ESMClass&smpp.ESMClassReceipt == 0 {
			return false
		}
		if r, err = smpp.ParseReceipt(string(d.ShortMessage)); err != nil {
			t.Fatalf("the receipt %q: %v", d.ShortMessage, err)
		}
		return r.MessageID == id
	})
	if r.State != want {
		t.Errorf("the receipt of %s is %q, want stat:%s", id, d.ShortMessage, want.Stat())
	}
	return d, r
}

// wantTaken waits for the notification that the network has taken a message.
func (e *esme) wantTaken(t *testing.T, id string) {
	t.Helper()
	d := e.wantDelivery(t, "the notification that the network has taken "+id, func(d *smpp.DeliverSM) bool {
		return d.ESMClass == smpp.ESMClassIntermediate
	})
	if r, err := smpp.ParseReceipt(string(d.ShortMessage)); err != nil || r.MessageID != id || r.State != smpp.StateEnroute {
		t.Errorf("the notification is %q (%v), want one of %s with ENROUTE", d.ShortMessage, err, id)
	}
}

// wantText waits for a text from a phone.
func (e *esme) wantText(t *testing.T, from, message string) *smpp.DeliverSM {
	t.Helper()
	return e.wantDelivery(t, "the text from "+from, func(d *smpp.DeliverSM) bool {
		return d.ESMClass&smpp.ESMClassReceipt == 0 && d.Source.Addr == from && string(d.ShortMessage) == message
	})
}

// wantNothing says that no deliver_sm has come that nobody asked for.
func (e *esme) wantNothing(t *testing.T) {
	t.Helper()
	for _, d := range e.early {
		t.Errorf("nobody asked for the deliver_sm %q", d.ShortMessage)
	}
	select {
	case d, ok := <-e.Deliveries():
		if ok {
			t.Errorf("nobody asked for the deliver_sm %q", d.ShortMessage)
		}
	default:
	}
}

// wantClosed waits for the gateway to end the connection.
func (e *esme) wantClosed(t *testing.T) {
	t.Helper()
	select {
	case <-e.Done():
	case <-time.After(patience):
		t.Fatalf("the gateway did not close the connection within %s", patience)
	}
}

// wire is a connection for octets that no decent client sends.
type wire struct {
	conn   net.Conn
	frames *smpp.FrameReader
}

func (b *box) wire(t *testing.T) *wire {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{conn, smpp.NewFrameReader(conn, 1<<17)}
}

// send writes octets as they are.
func (w *wire) send(t *testing.T, b []byte) {
	t.Helper()
	w.conn.SetDeadline(time.Now().Add(patience))
	if _, err := w.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// want reads one PDU, which must be this one.
func (w *wire) want(t *testing.T, id smpp.CommandID, status smpp.Status, sequence uint32) smpp.PDU {
	t.Helper()
	w.conn.SetDeadline(time.Now().Add(patience))
	b, err := w.frames.Next()
	if err != nil {
		t.Fatalf("waiting for %s: %v", id, err)
	}
	p, err := smpp.Decode(b)
	if err != nil {
		t.Fatalf("% X: %v", b, err)
	}
	if p.Body.CommandID() != id || p.Status != status || p.Sequence != sequence {
		t.Fatalf("got %s %s, sequence_number %d; want %s %s, %d", p.Body.CommandID(), p.Status, p.Sequence, id, status, sequence)
	}
	return p
}

// wantEnd wants no more PDUs, and the connection closed.
func (w *wire) wantEnd(t *testing.T) {
	t.Helper()
	w.conn.SetDeadline(time.Now().Add(patience))
	if b, err := w.frames.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("got % X (%v), want the end of the connection", b, err)
	}
}

// pdu appends one PDU.
func pdu(t *testing.T, sequence uint32, body smpp.Body) []byte {
	t.Helper()
	b, err := smpp.PDU{Sequence: sequence, Body: body}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
