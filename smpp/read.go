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
	early   int       // PDUs before the bind
	barren  barren    // requests that lead to nothing
	began   time.Time // when the PDU began that is not there whole; zero if there is none
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
		if s.state == stateOpen {
			if s.early++; s.early > maxEarly {
				return errEarly
			}
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
		if full := s.enter(ctx, 0); full != nil {
			return full
		}
		s.queue.put(answer{sequence: lost.Sequence, status: StatusInvCmdLen, body: &GenericNack{}})
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
		b, err := s.frames.step()
		switch {
		case b != nil:
			s.heard, s.askedAt, s.began = true, time.Time{}, time.Time{}
			return b, nil
		case err == nil: // more is to come
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		default:
			if err := s.silent(ctx, time.Now()); err != nil {
				return nil, err
			}
		}
	}
}

// wholeBy is when a PDU that has begun must be there whole; zero if none has. Time in which we do not read counts for
// nobody: a PDU begins when we first wait for the rest of it.
func (s *Session) wholeBy(now time.Time) time.Time {
	if !s.frames.partial() {
		return time.Time{}
	}
	if s.began.IsZero() {
		s.began = now
	}
	return s.began.Add(s.wholeTime())
}

func (s *Session) wholeTime() time.Duration {
	if s.state == stateOpen {
		return s.pduTime / 3
	}
	return s.pduTime
}

// patience is when we next do something about a client that stays silent from now on; zero for never. In the middle of a PDU
// it is not idle, and can't answer an enquire_link either: it has the PDU's time. Only a bind has to be there in time.
func (s *Session) patience(now time.Time) time.Time {
	if s.heard {
		s.lastPDU, s.heard = now, false
	}
	until, whole := s.idleBy(), s.wholeBy(now)
	if whole.IsZero() || s.state == stateOpen && until.Before(whole) {
		return until
	}
	return whole
}

// idleBy is patience for a client that is between two PDUs.
func (s *Session) idleBy() time.Time {
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
	s.frames.shrink()
	switch {
	case s.state == stateOpen && !now.Before(s.bindBy):
		return fmt.Errorf("no bind within %s", s.sessionInit)
	case !s.began.IsZero():
		return fmt.Errorf("a PDU was not there whole within %s", s.wholeTime())
	case isClosed(s.closing):
		return nil
	case s.inactivity > 0 && now.Sub(s.lastWork()) >= s.inactivity:
		s.Close(fmt.Sprintf("no message for %s", s.inactivity))
		return nil
	case s.enquireLink < 0: // a delivery has moved the inactivity on
	case s.askedAt.IsZero() && now.Sub(s.lastPDU) >= s.enquireLink:
		err := s.ask(ctx, s.nextSequence(), &EnquireLink{})
		s.askedAt = time.Now() // others may have been writing
		return err
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

// enter takes a place in the window for a request of so many octets, and their part of the memory; while there is none of
// either, nothing is read. Each place lets one answer into the queue.
func (s *Session) enter(ctx context.Context, octets int) error {
	if err := s.window.enter(ctx); err != nil {
		return err
	}
	c, err := s.charge(ctx, octets)
	if err != nil {
		return err
	}
	s.charges.put(c)
	return nil
}

// request puts the answer to one request into the queue, or what it will come from. An error ends the session, after the
// answers.
func (s *Session) request(ctx context.Context, h Header, b []byte) error {
	p, decodeErr := Decode(b)
	if err := s.enter(ctx, weight(p.Body, len(b))); err != nil {
		return err
	}
	if p.Body != nil {
		s.trace("received", p)
	}
	switch status := s.state.allows(h.Command); {
	case status == StatusInvCmdID:
		s.queue.put(answer{sequence: h.Sequence, status: status, body: &GenericNack{}})
		return s.pace(ctx, costIdle)
	case status != StatusOK:
		s.queue.put(refuse(p, status))
		return s.pace(ctx, costIdle)
	case decodeErr != nil:
		s.log.Debug("malformed request", "command", h.Command, "error", decodeErr)
		if req, isBind := p.Body.(*Bind); isBind {
			return s.openFor(ctx, p, req, decodeErr)
		}
		s.queue.put(refuse(p, s.statusOf(ctx, decodeErr)))
		return s.pace(ctx, costIdle)
	}
	switch req := p.Body.(type) {
	case *Bind:
		return s.openFor(ctx, p, req, nil)
	case *SubmitSM:
		s.work()
		submission, err := s.handler.Submit(ctx, req)
		if err != nil {
			s.queue.put(refuse(p, s.statusOf(ctx, err)))
			return s.pace(ctx, costRefused)
		}
		s.queue.put(answer{sequence: p.Sequence, submission: submission})
	case *DataSM:
		s.work()
		submission, err := s.handler.Data(ctx, req)
		if err != nil {
			s.queue.put(refuse(p, s.statusOf(ctx, err)))
			return s.pace(ctx, costRefused)
		}
		s.queue.put(answer{sequence: p.Sequence, submission: submission, data: true})
	case *SubmitMulti:
		s.work()
		multi, err := s.handler.SubmitMulti(ctx, req)
		if err != nil {
			return s.refuseMulti(ctx, p, err)
		}
		s.queue.put(answer{sequence: p.Sequence, multi: multi})
	case *QuerySM:
		s.work()
		s.queue.put(answer{sequence: p.Sequence, query: req})
	case *CancelSM:
		s.work()
		s.queue.put(answer{sequence: p.Sequence, cancel: req})
	case *ReplaceSM:
		s.work()
		s.queue.put(answer{sequence: p.Sequence, replace: req})
	case *EnquireLink:
		s.queue.put(answer{sequence: p.Sequence, body: &EnquireLinkResp{}})
		return s.pace(ctx, costIdle)
	case *Unbind:
		s.state = stateClosed
		s.queue.put(answer{sequence: p.Sequence, body: &UnbindResp{}})
		return errUnbound
	}
	return nil
}

// refuseMulti refuses a submit_multi at once. One of which each destination was looked at costs as much as a message for
// each would.
func (s *Session) refuseMulti(ctx context.Context, p PDU, err error) error {
	a, cost := refuse(p, s.statusOf(ctx, err)), costRefused
	var all *MultiRefusal
	if errors.As(err, &all) {
		a.body = &SubmitMultiResp{Unsuccessful: all.Unsuccessful}
		cost *= max(len(all.Unsuccessful), 1)
	}
	s.queue.put(a)
	return s.pace(ctx, cost)
}

// decide asks the Backend about a bind; fault is what is wrong with it, nil if it could be read.
func (s *Session) decide(ctx context.Context, req *Bind, fault error) (Handler, error) {
	s.bind = *req
	s.bind.Password = ""
	s.deciding.Store(true)
	defer s.deciding.Store(false)
	if fault == nil {
		return s.backend.Bind(ctx, s, req)
	}
	var field *FieldError
	if faults, ok := s.backend.(BindFaults); ok && errors.As(fault, &field) {
		if err := faults.BindFault(ctx, s, req, field); err != nil {
			return nil, err
		}
	}
	return nil, fault
}

// openFor lets the Backend decide about a bind.
func (s *Session) openFor(ctx context.Context, p PDU, req *Bind, fault error) error {
	handler, err := s.decide(ctx, req, fault)
	if err != nil {
		status := s.statusOf(ctx, err)
		// At Debug: the Backend knows why, and how much of it the log can bear.
		s.log.Debug("bind refused", "system_id", s.SystemID(), "kind", s.Kind().String(), "status", status.String())
		s.queue.put(refuse(p, status))
		if errors.Is(err, ErrHangUp) {
			return errHungUp
		}
		return s.bindRefused()
	}
	s.handler, s.state = handler, boundAs(req.Kind)
	if !s.crowd.bound(s) {
		return errors.New(madeRoom)
	}
	s.frames.SetLimit(s.maxPDU)
	s.work()
	resp := &BindResp{Kind: req.Kind, SystemID: s.systemID}
	if v := req.InterfaceVersion; v == 0 || v >= interfaceVersion {
		resp.TLVs = TLVs{TLVUint8(TagScInterfaceVersion, interfaceVersion)} // a client of 3.3 knows no TLVs
	}
	known := make(chan struct{})
	s.queue.put(answer{sequence: p.Sequence, body: resp, bound: known})
	select {
	case <-known:
		s.window.open()
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
// ESME_RSYSERR on the wire, and the whole error in our log, once a minute: the client will try again, and quickly.
func (s *Session) statusOf(ctx context.Context, err error) Status {
	var status Status
	var field *FieldError
	switch {
	case errors.As(err, &status) && status != StatusOK:
		return status
	case errors.As(err, &field) && field.Status != StatusOK:
		return field.Status
	case ctx.Err() == nil: // else the session is ending, and nobody will see the answer
		s.mu.Lock()
		others, ok := s.failures.tell(time.Now())
		s.mu.Unlock()
		if ok {
			s.log.Error("request failed", "error", err, "others", others)
		}
	}
	return StatusSysErr
}
