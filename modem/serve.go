package modem

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// backlogged is how many times Timing.Health a modem that always has a text to send goes without a look.
const backlogged = 10

// ahead bounds what goes before the texts that wait in the modem's memory to be read: so many texts of ours, and so long.
const (
	aheadTexts = 3
	aheadTime  = time.Second
)

// serve does the work of a modem that is set up: it sends what Send brings, handles what the modem reports, follows
// the registration, and looks at the modem's health. It returns when ctx ends, or with the reason why the modem has to
// be set up or opened again.
func (s *session) serve(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	wake := time.NewTimer(s.t.Health)
	defer wake.Stop()
	for ctx.Err() == nil {
		if r := s.ahead(ctx); r != nil {
			if err := s.sendFor(ctx, r); err != nil {
				return err
			}
			continue
		}
		for _, chore := range []func(context.Context) error{s.settle, s.follow, s.operatorsTurn, s.relieve} {
			if err := chore(ctx); err != nil {
				return err
			}
		}
		var requests <-chan *request
		if s.m.state().canSend() {
			requests = s.m.requests
		}
		idle := time.Since(s.looked)
		select {
		case r := <-requests: // a text goes before a look, unless looks have waited for long
			if err := s.sendFor(ctx, r); err != nil {
				return err
			}
			if idle < backlogged*s.t.Health {
				continue
			}
		default:
		}
		if idle >= s.t.Health {
			if err := s.look(ctx); err != nil {
				return err
			}
			continue
		}
		if s.l.unseen() { // it came while the above asked the modem something
			continue
		}
		wake.Reset(time.Until(s.nextAct()))
		select {
		case chunk, ok := <-s.l.in:
			if !ok {
				return s.l.gone()
			}
			s.l.scan.feed(chunk)
		case j := <-s.m.jobs:
			if err := s.runJob(ctx, j); err != nil {
				return err
			}
		case r := <-requests:
			if err := s.sendFor(ctx, r); err != nil {
				return err
			}
		case <-wake.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// ahead returns the next text if one waits that may go before what the modem has reported; nil: none. Reading a text
// out of the modem's memory takes several commands, and it is safe there. What came directly is nowhere but here, so it
// does not wait, nor what stands before it.
func (s *session) ahead(ctx context.Context) *request {
	if len(s.m.doubts) > 0 || len(s.m.late) > 0 { // evidence first
		return nil
	}
	if s.l.idle() != nil || s.l.outOfStep || len(s.l.reports.queue) == 0 || s.l.reports.restarted || !s.m.state().canSend() {
		return nil
	}
	for _, r := range s.l.reports.queue {
		if r.pdu != nil {
			return nil
		}
	}
	now := time.Now()
	if s.overtaken == 0 {
		s.since = now
	}
	if s.overtaken == aheadTexts || now.Sub(s.since) >= aheadTime || now.Sub(s.looked) >= s.t.Health || ctx.Err() != nil {
		return nil
	}
	select {
	case r := <-s.m.requests:
		s.overtaken++
		return r
	default:
		return nil
	}
}

// sendFor sends one text, counts how it ended, and tells the one who wants it sent.
func (s *session) sendFor(ctx context.Context, r *request) error {
	if err := s.endDialogue(ctx, true); err != nil {
		s.m.setState(StateInitialising)
		r.done <- outcome{err: &NotSentError{Cause: err}}
		return err
	}
	s.m.setState(StateSending)
	ref, err, lineErr := s.send(ctx, r)
	s.m.count(err)
	if isMemoryFull(err) {
		s.l.reports.full = true
	}
	var notSent *NotSentError
	if err != nil && (!errors.As(err, &notSent) || isAnswer(err) || lineErr != nil) { // a refused claim is no trouble
		s.m.trouble(err)
	}
	if lineErr == nil && isAnswer(err) && Classify(err) == ClassSIM && !isBusy(err) {
		lineErr = fmt.Errorf("%w: %w", errSIMLost, err) // no SIM, PIN, PUK: it has to be unlocked, or a person to be told
	}
	next := StateReady
	if lineErr != nil || s.l.reports.restarted {
		next = StateInitialising // what waits for its turn goes back: there may be another modem
	}
	s.m.setState(next)
	if err := s.tellLate(ctx); err != nil { // before this text's end is known: what was late is the text's before it
		s.log.Debug("not told", "err", err)
	}
	r.done <- outcome{ref: ref, err: err}
	s.m.judge(r.tpdu, err, s.log)
	return lineErr
}

// settle looks at what has come, brings the line in step, and handles what the modem reported, in order.
func (s *session) settle(ctx context.Context) error {
	s.overtaken = 0
	for {
		if err := s.l.ready(ctx); err != nil {
			return err
		}
		if err := s.askCounter(ctx); err != nil {
			return err
		}
		if err := s.tellLate(ctx); err != nil {
			return err
		}
		if s.l.reports.full && time.Since(s.emptied) >= emptyEvery {
			if err := s.makeRoom(ctx); err != nil {
				return err
			}
			continue
		}
		r, ok := s.l.reports.pop()
		if !ok {
			if sought, err := s.seek(ctx); !sought || err != nil {
				return err
			}
			continue
		}
		if err := s.handle(ctx, r); err != nil {
			return err
		}
	}
}

// follow keeps the state in step with the registration. One that is lost has a while to come back by itself; then it
// is asked for, for its report may have been lost.
func (s *session) follow(ctx context.Context) error {
	now := time.Now()
	if s.registered() {
		if !s.lost.IsZero() {
			if err := s.sameSIM(ctx); err != nil {
				return err
			}
		}
		s.lost, s.lossTold, s.m.outage = time.Time{}, false, outage{}
		s.m.update(func(st *Status) { st.Unregistered = time.Time{} })
		if s.m.setState(StateReady) {
			st := s.m.Status()
			s.log.Info("the modem is ready", "network", st.Operator, "registration", st.RegistrationText)
		}
		return nil
	}
	s.noteLoss(now)
	if s.m.state().canSend() && now.Sub(s.lost) < s.t.Loss {
		return nil
	}
	if s.m.setState(StateSearching) {
		s.tellLoss()
	}
	if err := s.searchOn(ctx); err != nil {
		return err
	}
	if now.Sub(s.searched) < s.t.Poll {
		return nil
	}
	s.searched = now
	if err := s.askRegistrations(ctx); err != nil {
		return err
	}
	return s.cardThere(ctx)
}

// noteLoss notes since when there is no registration.
func (s *session) noteLoss(now time.Time) {
	if !s.lost.IsZero() {
		return
	}
	s.lost, s.searched = now, now
	s.m.update(func(st *Status) {
		if st.Unregistered.IsZero() {
			st.Unregistered = now
		}
	})
	if s.m.outage.since.IsZero() {
		s.m.outage.since = now
	}
}

// tellLoss logs that there is no network, once for each loss.
func (s *session) tellLoss() {
	if s.lossTold {
		return
	}
	s.lossTold = true
	s.log.Warn("the modem has no network", "registration", s.m.Status().RegistrationText)
}

// cardThere looks whether a modem that is not even searching (registration 0) has its SIM: it may have been pulled out, or
// the modem restarted without a word and wants its PIN. Else the owner would look after the aerial.
func (s *session) cardThere(ctx context.Context) error {
	if s.m.Status().Registration != 0 || s.registered() {
		return nil
	}
	info, err := s.l.command(ctx, "AT+CPIN?", s.t.Command)
	state, _ := answer(info, "+CPIN:")
	switch {
	case state != "" && !isUnlocked(state):
		return fmt.Errorf("%w: it is locked (%s)", errSIMLost, state)
	case isAnswer(err) && Classify(err) == ClassSIM && !isBusy(err):
		return fmt.Errorf("%w: %w", errSIMLost, err)
	case err == nil, isAnswer(err), errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted):
		return nil
	}
	return err
}

// sameSIM asks, after a time without a network, whether the SIM is the one that the modem was set up with: cards are changed
// while modems run, and not every modem tells it. Another one's texts, reports and budget are its own.
func (s *session) sameSIM(ctx context.Context) error {
	info, err := s.ask(ctx, "AT+CIMI")
	if err != nil {
		return err
	}
	if was, is := s.m.Status().IMSI, digitsOf(plain(info), 6, 15); was != "" && is != "" && was != is {
		return fmt.Errorf("another SIM is in the modem: %w", errSIMLost)
	}
	return nil
}

// askRegistrations asks for all registrations that the modem knows.
func (s *session) askRegistrations(ctx context.Context) error {
	for _, name := range s.domains {
		if _, err := s.askRegistration(ctx, name); err != nil {
			return err
		}
	}
	s.registered()
	return nil
}

// nextAct is when serve has something to do by itself.
func (s *session) nextAct() time.Time {
	next := s.looked.Add(s.t.Health)
	if !s.dialogue.until.IsZero() {
		next = earlier(next, s.dialogue.until)
	}
	if len(s.m.late) > 0 && !s.lateFailed {
		next = earlier(next, s.lateAgain)
	}
	if s.astray {
		next = earlier(next, s.seekAgain)
	}
	switch {
	case s.lost.IsZero():
		return next
	case s.m.state().canSend():
		return earlier(next, s.lost.Add(s.t.Loss))
	}
	return earlier(next, s.searched.Add(s.t.Poll))
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// look asks an idle modem how it is: signal, network, whether it still tells us of what arrives, and whether texts lie
// in its memory of which it did not tell. A modem that passes is not taken for a sick one any more.
func (s *session) look(ctx context.Context) error {
	s.looked = time.Now()
	s.lateFailed = false
	info, err := s.ask(ctx, "AT+CSQ")
	if err != nil {
		return err
	}
	rest, _ := answer(info, "+CSQ:")
	signal := decibels(fieldsOf(rest)[0])
	if err := s.askRegistrations(ctx); err != nil {
		return err
	}
	operator, err := s.operator(ctx)
	if err != nil {
		return err
	}
	s.m.update(func(st *Status) { st.Signal, st.Operator = signal, operator })
	set, err := s.indicated(ctx)
	if err != nil {
		return err
	}
	if set != s.cnmi && set != "" {
		return errSettingsLost
	}
	if err := s.drainParked(ctx); err != nil {
		return err
	}
	again := s.again
	s.again = nil
	for _, at := range again {
		if err := s.fetch(ctx, at); err != nil {
			return err
		}
	}
	if err := s.drainUsed(ctx); err != nil {
		return err
	}
	if err := s.proveCounter(ctx); err != nil {
		return err
	}
	if s.m.unprompted == 0 {
		s.m.badStarts = 0
		if s.m.failing.texts < maxFailing && s.registered() {
			s.m.well(s.log)
		}
	}
	return nil
}

// operator asks for the name of the network.
func (s *session) operator(ctx context.Context) (string, error) {
	info, err := s.ask(ctx, "AT+COPS?")
	if err != nil {
		return "", err
	}
	rest, _ := answer(info, "+COPS:")
	if fields := fieldsOf(rest); len(fields) > 2 {
		return fields[2], nil
	}
	return "", nil
}

// decibels turns the <rssi> of +CSQ into dBm; 0 when it says nothing (TS 27.007 §8.5; LTE modems give other scales
// from 100 on).
func decibels(rssi string) int {
	n, err := strconv.Atoi(rssi)
	if err != nil || n < 0 || n > 31 {
		return 0
	}
	return -113 + 2*n
}
