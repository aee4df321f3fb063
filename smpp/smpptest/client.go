// Package smpptest is an ESME: the client's side of SMPP 3.4, for tests and for trying a server out. It stands on the PDUs
// of package smpp alone and shares nothing with the server there.
package smpptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"smsgateway/smpp"
)

// ErrClosed says that the connection ended before the answer came.
var ErrClosed = errors.New("connection closed")

// errUnbound says that the server ended the session in good order.
var errUnbound = errors.New("the server unbound")

// mailbox is how many deliver_sm wait for whoever reads Deliveries.
const mailbox = 1000

// maxPDU is the most octets in a PDU that a Client reads.
const maxPDU = 1 << 17

// Client is one connection to a server. Its methods may be called from several goroutines. Its fields may be set until the
// first call of one.
type Client struct {
	// OnDeliver answers each deliver_sm, before it goes to Deliveries, on the goroutine that reads the connection. nil: all
	// are taken with StatusOK. A status that is not StatusOK keeps the message out of Deliveries.
	OnDeliver func(*smpp.DeliverSM) smpp.Status
	// Timeout bounds the wait for the answer to a request. 0: 10 s.
	Timeout time.Duration

	conn       net.Conn
	deliveries chan *smpp.DeliverSM
	start      sync.Once     // starts the reader, late: so the fields above can be set after Dial
	done       chan struct{} // closed when the reader has ended

	writing sync.Mutex
	out     []byte

	mu       sync.Mutex
	err      error                      // why the connection ended
	sequence uint32                     // of the last request
	waiting  map[uint32]chan<- smpp.PDU // requests without an answer yet
}

// Dial connects to a server by TCP.
func Dial(ctx context.Context, addr string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to SMPP server: %w", err)
	}
	return New(conn), nil
}

// New is a Client on a connection that is there already. Close closes it.
func New(conn net.Conn) *Client {
	return &Client{
		conn:       conn,
		deliveries: make(chan *smpp.DeliverSM, mailbox),
		done:       make(chan struct{}),
		waiting:    make(map[uint32]chan<- smpp.PDU),
	}
}

// Bind opens the session. When the server refuses, the error is its smpp.Status, and Bind may be tried again.
func (c *Client) Bind(kind smpp.BindKind, systemID, password string) (*smpp.BindResp, error) {
	req := &smpp.Bind{Kind: kind, SystemID: systemID, Password: password, InterfaceVersion: 0x34}
	resp, err := c.Request(req)
	if err != nil {
		return nil, err
	}
	if body, ok := resp.Body.(*smpp.BindResp); ok && body.Kind == kind {
		return body, nil
	}
	return nil, unexpected(req, resp)
}

// Submit sends one message and gives its message_id. When the server refuses, the error is its smpp.Status.
func (c *Client) Submit(p *smpp.SubmitSM) (messageID string, err error) {
	resp, err := c.Request(p)
	if err != nil {
		return "", err
	}
	if body, ok := resp.Body.(*smpp.SubmitSMResp); ok {
		return body.MessageID, nil
	}
	return "", unexpected(p, resp)
}

// Query asks for the state of a message; source is that of its submit_sm. When the server refuses, the error is its
// smpp.Status.
func (c *Client) Query(messageID string, source smpp.Address) (*smpp.QuerySMResp, error) {
	req := &smpp.QuerySM{MessageID: messageID, Source: source}
	resp, err := c.Request(req)
	if err != nil {
		return nil, err
	}
	if body, ok := resp.Body.(*smpp.QuerySMResp); ok {
		return body, nil
	}
	return nil, unexpected(req, resp)
}

// Cancel takes a message back. When the server refuses, the error is its smpp.Status.
func (c *Client) Cancel(p *smpp.CancelSM) error {
	resp, err := c.Request(p)
	if err != nil {
		return err
	}
	if _, ok := resp.Body.(*smpp.CancelSMResp); ok {
		return nil
	}
	return unexpected(p, resp)
}

// Data sends one message by data_sm and gives its message_id. When the server refuses, the error is its smpp.Status.
func (c *Client) Data(p *smpp.DataSM) (messageID string, err error) {
	resp, err := c.Request(p)
	if err != nil {
		return "", err
	}
	if body, ok := resp.Body.(*smpp.DataSMResp); ok {
		return body.MessageID, nil
	}
	return "", unexpected(p, resp)
}

// SubmitMulti sends one message to several. When the server refuses all of them the error is its smpp.Status, and the
// answer, which lists them, comes with it.
func (c *Client) SubmitMulti(p *smpp.SubmitMulti) (*smpp.SubmitMultiResp, error) {
	resp, err := c.Request(p)
	if body, ok := resp.Body.(*smpp.SubmitMultiResp); ok {
		return body, err
	}
	if err != nil {
		return nil, err
	}
	return nil, unexpected(p, resp)
}

// Replace gives a message that waits another text. When the server refuses, the error is its smpp.Status.
func (c *Client) Replace(p *smpp.ReplaceSM) error {
	resp, err := c.Request(p)
	if err != nil {
		return err
	}
	if _, ok := resp.Body.(*smpp.ReplaceSMResp); ok {
		return nil
	}
	return unexpected(p, resp)
}

// EnquireLink asks whether the server is there.
func (c *Client) EnquireLink() error {
	_, err := c.Request(&smpp.EnquireLink{})
	return err
}

// Unbind ends the session and closes the connection once the server has answered.
func (c *Client) Unbind() error {
	_, err := c.Request(&smpp.Unbind{})
	return errors.Join(err, c.Close())
}

func unexpected(req smpp.Body, resp smpp.PDU) error {
	return fmt.Errorf("%s answered with %s", req.CommandID(), resp.Body.CommandID())
}

// Request sends any request and waits for its answer. When the status of that is not StatusOK it is the error as well.
func (c *Client) Request(body smpp.Body) (smpp.PDU, error) {
	answer, err := c.Send(body)
	if err != nil {
		return smpp.PDU{}, err
	}
	timeout := time.NewTimer(c.timeout())
	defer timeout.Stop()
	select {
	case resp, ok := <-answer:
		switch {
		case !ok:
			return smpp.PDU{}, c.Err()
		case resp.Status != smpp.StatusOK:
			return resp, resp.Status
		}
		return resp, nil
	case <-timeout.C:
		return smpp.PDU{}, fmt.Errorf("no answer to %s within %s", body.CommandID(), c.timeout())
	}
}

func (c *Client) timeout() time.Duration {
	if c.Timeout == 0 {
		return 10 * time.Second
	}
	return c.Timeout
}

// Send sends any request and does not wait: the answer comes on the channel, which is closed without one when the
// connection ends. So a client keeps a window of requests open.
func (c *Client) Send(body smpp.Body) (<-chan smpp.PDU, error) {
	answer := make(chan smpp.PDU, 1)
	c.read()
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.Err()
	}
	c.sequence = c.sequence%0x7FFFFFFF + 1
	sequence := c.sequence
	c.waiting[sequence] = answer
	c.mu.Unlock()
	if err := c.write(smpp.PDU{Sequence: sequence, Body: body}); err != nil {
		c.mu.Lock()
		delete(c.waiting, sequence)
		c.mu.Unlock()
		return nil, err
	}
	return answer, nil
}

// Deliveries gives the messages and receipts that the server has delivered, in their order. It holds 1000; while it is full,
// deliver_sm is answered with StatusRxTAppn, so that the server tries again. It is closed when the connection ends.
func (c *Client) Deliveries() <-chan *smpp.DeliverSM {
	c.read()
	return c.deliveries
}

// Done is closed when the connection has ended, from whichever side.
func (c *Client) Done() <-chan struct{} {
	c.read()
	return c.done
}

// Err says why the connection has ended; nil while it is open.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection without unbind and waits until nothing runs any more. It may be called often, but not from
// OnDeliver.
func (c *Client) Close() error {
	c.read()
	c.end(ErrClosed)
	<-c.done
	return nil
}

// end closes the connection for this reason, if it is the first.
func (c *Client) end(reason error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = reason
	}
	c.mu.Unlock()
	c.conn.Close()
}
