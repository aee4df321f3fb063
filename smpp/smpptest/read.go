package smpptest

import (
	"fmt"
	"time"

	"smsgateway/smpp"
)

// read starts the goroutine that reads the connection, once.
func (c *Client) read() {
	c.start.Do(func() { go c.run() })
}

// run takes PDUs from the connection until it ends.
func (c *Client) run() {
	defer close(c.done)
	defer close(c.deliveries)
	frames := smpp.NewFrameReader(c.conn, maxPDU)
	for {
		b, err := frames.Next()
		if err == nil {
			err = c.take(b)
		}
		if err != nil {
			c.end(fmt.Errorf("%w: %w", ErrClosed, err))
			c.giveUp()
			return
		}
	}
}

// giveUp tells all who wait that there will be no answer.
func (c *Client) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sequence, answer := range c.waiting {
		close(answer)
		delete(c.waiting, sequence)
	}
}

// take deals with one PDU from the server. An error ends the connection.
func (c *Client) take(b []byte) error {
	p, err := smpp.Decode(b)
	if err != nil {
		return err
	}
	if p.Body.CommandID().IsResponse() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if answer, ok := c.waiting[p.Sequence]; ok {
			delete(c.waiting, p.Sequence)
			answer <- p
		}
		return nil
	}
	switch req := p.Body.(type) {
	case *smpp.DeliverSM:
		return c.deliver(p.Sequence, req)
	case *smpp.EnquireLink:
		return c.write(smpp.PDU{Sequence: p.Sequence, Body: &smpp.EnquireLinkResp{}})
	case *smpp.Unbind:
		if err := c.write(smpp.PDU{Sequence: p.Sequence, Body: &smpp.UnbindResp{}}); err != nil {
			return err
		}
		return errUnbound
	}
	return c.write(smpp.PDU{Status: smpp.StatusInvCmdID, Sequence: p.Sequence, Body: &smpp.GenericNack{}})
}

// deliver answers a deliver_sm and then, if it is taken, puts it into Deliveries: whoever finds it there may close the
// connection, and the answer is out.
func (c *Client) deliver(sequence uint32, p *smpp.DeliverSM) error {
	status := smpp.StatusOK
	if c.OnDeliver != nil {
		status = c.OnDeliver(p)
	}
	if status == smpp.StatusOK && len(c.deliveries) == cap(c.deliveries) { // nobody else fills it
		status = smpp.StatusRxTAppn
	}
	if err := c.write(smpp.PDU{Status: status, Sequence: sequence, Body: &smpp.DeliverSMResp{}}); err != nil {
		return err
	}
	if status == smpp.StatusOK {
		c.deliveries <- p
	}
	return nil
}

// write sends one PDU in one piece.
func (c *Client) write(p smpp.PDU) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var err error
	if c.out, err = p.Append(c.out[:0]); err != nil {
		return err
	}
	c.conn.SetWriteDeadline(time.Now().Add(c.timeout())) // an error comes again with the write
	if _, err := c.conn.Write(c.out); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}
