package smpp

import (
	"context"
	"fmt"
	"time"
)

// Deliver sends a deliver_sm and waits for its answer, at most Server.Response. nil: the client has taken the message. A
// Status: it has refused it, by deliver_sm_resp or generic_nack. ErrTimeout, ErrClosed or ctx's error: the client may have
// it or not. A *FieldError: p cannot be written, nothing was sent. It may be called many times at once; how many is for the
// caller to bound.
func (s *Session) Deliver(ctx context.Context, p *DeliverSM) error { return s.DeliverLate(ctx, p, nil) }

// DeliverLate is Deliver, and after ErrTimeout an answer that comes all the same goes to late, unless that is nil or a
// thousand more were given up since. late is called by the session's reader and must return at once.
func (s *Session) DeliverLate(ctx context.Context, p *DeliverSM, late func(Status)) error {
	answered, sequence, err := s.expect()
	if err != nil {
		return err
	}
	defer s.forget(sequence)
	if err = s.ask(ctx, sequence, p); err != nil {
		return err
	}
	s.work()
	timeout := time.NewTimer(s.response)
	defer timeout.Stop()
	select {
	case status := <-answered:
		return refusal(status)
	case <-timeout.C:
		s.giveUp(sequence, late)
		err = fmt.Errorf("%w to deliver_sm within %s", ErrTimeout, s.response)
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.gone:
		err = ErrClosed
	}
	select {
	case status := <-answered: // it was the last that came
		return refusal(status)
	default:
		return err
	}
}

// Alert sends an alert_notification, which has no answer. ErrClosed: the session has ended or is ending, or is not one that
// can receive. ctx's error: nothing was sent. A *FieldError: p cannot be written, nothing was sent.
func (s *Session) Alert(ctx context.Context, p *AlertNotification) error {
	_, sequence, err := s.expect()
	if err != nil {
		return err
	}
	s.forget(sequence)
	s.work()
	return s.ask(ctx, sequence, p)
}

func refusal(status Status) error {
	if status == StatusOK {
		return nil
	}
	return status
}

// expect makes room for the answer to a deliver_sm with the sequence number that it gives. ErrClosed: no more of them here.
func (s *Session) expect() (answered chan Status, sequence uint32, err error) {
	if !s.bound.Load() || !s.CanReceive() {
		return nil, 0, ErrClosed
	}
	select {
	case <-s.closing:
		return nil, 0, ErrClosed
	case <-s.gone:
		return nil, 0, ErrClosed
	default:
	}
	answered, sequence = make(chan Status, 1), s.nextSequence()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[sequence] = answered
	return answered, sequence, nil
}

func (s *Session) forget(sequence uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, sequence)
}

// mostLate bounds how many answers that did not come in time are awaited still.
const mostLate = 1000

// giveUp leaves an answer that has not come to late, if it comes.
func (s *Session) giveUp(sequence uint32, late func(Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.waiting[sequence]; !ok || late == nil {
		return
	}
	if s.late == nil {
		s.late = make(map[uint32]func(Status))
	}
	if len(s.late) >= mostLate {
		delete(s.late, s.oldestLate())
	}
	s.late[sequence] = late
	delete(s.waiting, sequence)
}

// oldestLate is the sequence number that was given out longest ago, of those whose answer comes late if at all.
func (s *Session) oldestLate() (oldest uint32) {
	var most uint32
	for sequence := range s.late {
		if age := (s.sequence - sequence) & maxSequence; age >= most {
			oldest, most = sequence, age
		}
	}
	return oldest
}

// answered gives the answer to whoever waits for it, or did. False: nobody does.
func (s *Session) answered(sequence uint32, status Status) bool {
	s.mu.Lock()
	waiter, ok := s.waiting[sequence]
	late, isLate := s.late[sequence]
	delete(s.waiting, sequence) // a second answer finds nobody
	delete(s.late, sequence)
	if ok {
		waiter <- status // has room
	}
	s.mu.Unlock()
	if isLate {
		late(status)
	}
	return ok || isLate
}
