package smpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// reading is what the reader of a session alone knows.
type reading struct {
	state   state
	frames  *FrameReader
	refused int       // binds so far
	bindBy  time.Time // end of patience with a client that is not bound
	heard   bool      // a PDU came since lastPDU was set
	lastPDU time.Time
	askedAt time.Time // when we sent an enquire_link, if nothing has come since; else zero
}

// read takes PDUs from the stream until it ends, and says why.
func (s *Session) read(ctx context.Context) error {
	for {
		b, err := s.next(ctx)
		if err != nil {
			return s.streamEnd(ctx, err)
		}
		h, _ := ParseHeader(b) // a whole PDU has one
		if h.Command.IsResponse() {
			err = s.settle(h)
		} else {
			err = s.request(ctx, h, b)
		}
		if err != nil {
			return err
		}
	}
}

// streamEnd says why nothing more can be read. A length that cannot be is answered first.
func (s *Session) streamEnd(ctx context.Context, err error) error {
	var lost *LengthError
	switch {
	case errors.As(err, &lost):
		s.abortAfter(s.response) // nothing more will come that could end a long wait
		if full := s.enter(ctx); full != nil {
			return full
		}
		s.queue <- answer{sequence: lost.Sequence, status: StatusInvCmdLen, body: &GenericNack{}}
		return err
	case errors.Is(err, io.EOF):
		return errors.New("the client closed the connection")
	}
	return fmt.Errorf("read: %w", err)
}

// next waits for the next PDU, asks a client that is silent for too long whether it is there, and gives it up.
func (s *Session) next(ctx context.Context) ([]byte, error) {
	for {
		if !s.frames.Buffered() {
			s.conn.SetReadDeadline(s.patience(time.Now())) // an error comes again with the read
		}
		b, err := s.frames.Next()
		if err == nil {
			s.heard, s.askedAt = true, time.Time{}
			return b, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		if err := s.silent(ctx, time.Now()); err != nil {
			return nil, err
		}
	}
}

// patience is when we next do something about a client that stays silent from now on; zero for never.
func (s *Session) patience(now time.Time) time.Time {
	if s.heard {
		s.lastPDU, s.heard = now, false
	}
	switch {
	case s.state == stateOpen:
		return s.bindBy
	case isClosed(s.closing): // Close sees to it
		return time.Time{}
	}
	var until time.Time
	switch {
	case s.enquireLink < 0:
	case s.askedAt.IsZero():
		until = s.lastPDU.Add(s.enquireLink)
	default:
		until = s.askedAt.Add(s.response)
	}
	if s.inactivity > 0 {
		if idle := s.lastWork().Add(s.inactivity); until.IsZero() || idle.Before(until) {
			until = idle
		}
	}
	return until
}

// silent does what patience announced. An error ends the session.
func (s *Session) silent(ctx context.Context, now time.Time) error {
	switch {
	case s.state == stateOpen:
		return fmt.Errorf("no bind within %s", s.sessionInit)
	case isClosed(s.closing):
		return nil
	case s.inactivity > 0 && now.Sub(s.lastWork()) >= s.inactivity:
		s.Close(fmt.Sprintf("no message for %s", s.inactivity))
		return nil
	case s.enquireLink < 0: // a delivery has moved the inactivity on
	case s.askedAt.IsZero() && now.Sub(s.lastPDU) >= s.enquireLink:
		s.askedAt = now
		return s.ask(ctx, s.nextSequence(), &EnquireLink{})
	case !s.askedAt.IsZero() && now.Sub(s.askedAt) >= s.response:
		return fmt.Errorf("enquire_link not answered within %s", s.response)
	}
	return nil
}

// work notes that a message goes one way or the other, for those who want to know.
func (s *Session) work() {
	if s.inactivity > 0 {
		s.worked.Store(int64(time.Since(s.since)))
	}
}

func (s *Session) lastWork() time.Time { return s.since.Add(time.Duration(s.worked.Load())) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// settle takes a response of the client. Whatever is wrong with it is never answered: nacks would go round and round. Its
// body is not even looked at: clients answer deliver_sm with a wrong one, an empty one and none.
func (s *Session) settle(h Header) error {
	wanted := true
	switch h.Command {
	case CmdUnbindResp:
		if isClosed(s.closing) {
			return errUnbindOK
		}
		wanted = false
	case CmdDeliverSMResp:
		if wanted = s.answered(h.Sequence, h.Status); wanted {
			s.work()
		}
	case CmdGenericNack:
		if h.Status == StatusOK {
			h.Status = StatusUnknownErr // it is a refusal, whatever it says
		}
		wanted = s.answered(h.Sequence, h.Status)
	case CmdEnquireLinkResp: // that it came was all
	default:
		wanted = false
	}
	if s.debugs() {
		s.log.Debug("received", "command", h.Command, "status", h.Status, "sequence", h.Sequence, "wanted", wanted)
	}
	return nil
}

// enter takes a slot of the window; while there is none, nothing is read. Each slot lets one answer into the queue.
func (s *Session) enter(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// request puts the answer to one request into the queue, or what it will come from. An error ends the session, after the
// answers.
func (s *Session) request(ctx context.Context, h Header, b []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	p, decodeErr := Decode(b)
	if p.Body != nil {
		s.trace("received", p)
	}
	switch status := s.state.allows(h.Command); {
	case status == StatusInvCmdID:
		s.queue <- answer{sequence: h.Sequence, status: status, body: &GenericNack{}}
		return nil
	case status != StatusOK:
		s.queue <- refuse(p, status)
		return nil
	case decodeErr != nil:
		s.log.Debug("malformed request", "command", h.Command, "error", decodeErr)
		s.queue <- refuse(p, s.statusOf(ctx, decodeErr))
		if _, isBind := p.Body.(*Bind); isBind {
			return s.bindRefused()
		}
		return nil
	}
	switch req := p.Body.(type) {
	case *Bind:
		return s.openFor(ctx, p, req)
	case *SubmitSM:
		s.work()
		submission, err := s.handler.Submit(ctx, req)
		if err != nil {
			s.queue <- refuse(p, s.statusOf(ctx, err))
			return nil
		}
		s.queue <- answer{sequence: p.Sequence, submission: submission}
	case *DataSM:
		s.work()
		submission, err := s.handler.Data(ctx, req)
		if err != nil {
			s.queue <- refuse(p, s.statusOf(ctx, err))
			return nil
		}
		s.queue <- answer{sequence: p.Sequence, submission: submission, data: true}
	case *SubmitMulti:
		s.work()
		multi, err := s.handler.SubmitMulti(ctx, req)
		if err != nil {
			s.queue <- refuse(p, s.statusOf(ctx, err))
			return nil
		}
		s.queue <- answer{sequence: p.Sequence, multi: multi}
	case *QuerySM:
		s.work()
		s.queue <- answer{sequence: p.Sequence, query: req}
	case *CancelSM:
		s.work()
		s.queue <- answer{sequence: p.Sequence, cancel: req}
	case *ReplaceSM:
		s.work()
		s.queue <- answer{sequence: p.Sequence, replace: req}
	case *EnquireLink:
		s.queue <- answer{sequence: p.Sequence, body: &EnquireLinkResp{}}
	case *Unbind:
		s.state = stateClosed
		s.queue <- answer{sequence: p.Sequence, body: &UnbindResp{}}
		return errUnbound
	}
	return nil
}

// openFor lets the Backend decide about a bind.
func (s *Session) openFor(ctx context.Context, p PDU, req *Bind) error {
	s.bind = *req
	s.bind.Password = ""
	handler, err := s.backend.Bind(ctx, s, req)
	if err != nil {
		status := s.statusOf(ctx, err)
		s.log.Info("bind refused", "system_id", s.SystemID(), "kind", s.Kind().String(), "status", status.String())
		s.queue <- refuse(p, status)
		return s.bindRefused()
	}
	s.handler, s.state = handler, boundAs(req.Kind)
	s.frames.SetLimit(s.maxPDU)
	s.work()
	resp := &BindResp{Kind: req.Kind, SystemID: s.systemID}
	if v := req.InterfaceVersion; v == 0 || v >= interfaceVersion {
		resp.TLVs = TLVs{TLVUint8(TagScInterfaceVersion, interfaceVersion)} // a client of 3.3 knows no TLVs
	}
	known := make(chan struct{})
	s.queue <- answer{sequence: p.Sequence, body: resp, bound: known}
	select {
	case <-known:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// interfaceVersion is that of SMPP 3.4; jSMPP knows few others.
const interfaceVersion = 0x34

// bindRefused lets the client try again, a few times.
func (s *Session) bindRefused() error {
	s.refused++
	s.bindBy = time.Now().Add(s.sessionInit)
	if s.refused >= maxRefused {
		return errRefused
	}
	return nil
}

// statusOf turns an error into the command_status that tells the client what to do next. What was not foreseen is
// ESME_RSYSERR on the wire, and the whole error in our log.
func (s *Session) statusOf(ctx context.Context, err error) Status {
	var status Status
	var field *FieldError
	switch {
	case errors.As(err, &status) && status != StatusOK:
		return status
	case errors.As(err, &field) && field.Status != StatusOK:
		return field.Status
	case ctx.Err() == nil: // else the session is ending, and nobody will see the answer
		s.log.Error("request failed", "error", err)
	}
	return StatusSysErr
}
