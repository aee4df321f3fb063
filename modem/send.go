package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// request is one Send on its way to Run's goroutine.
type request struct {
	ctx   context.Context
	tpdu  []byte
	claim func() error
	done  chan outcome // has room for the one outcome
}

// outcome is how it ended.
type outcome struct {
	ref uint8
	err error
}

// Send hands one TPDU, an SMS-SUBMIT without service centre address, to the modem. claim is called once, at the
// modem's prompt and before any octet of the text: when it returns an error, nothing is sent, and that error is the
// Cause of a *NotSentError. It is called on Run's goroutine and must not call this Modem.
//
// With a nil error the network took the text, and ref is the TP-MR under which its status report will come. Else:
//
//	*NotSentError    certainly not sent; Ctrl-Z was not written
//	*RefusedError    the modem or the network said no, with a clear cause (a CMSError or CMEError; see Classify).
//	                 ClassDuplicate means that an earlier try of it was sent
//	*UncertainError  Ctrl-Z was written, and no credible answer came
//
// Several may call Send at a time; they are served in turn, each as soon as the modem has answered the one before.
// From Ctrl-Z on ctx does not end it: there is no way back, and the answer is worth waiting for.
func (m *Modem) Send(ctx context.Context, tpdu []byte, claim func() error) (ref uint8, err error) {
	r := &request{ctx: ctx, tpdu: tpdu, claim: claim, done: make(chan outcome, 1)}
	m.mu.Lock()
	down, state := m.down, m.status.State
	m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, &NotSentError{Cause: err}
	}
	if !state.canSend() {
		return 0, &NotSentError{Cause: fmt.Errorf("%w (%s)", ErrNotReady, state)}
	}
	select {
	case m.requests <- r:
		out := <-r.done
		return out.ref, out.err
	case <-down:
		return 0, &NotSentError{Cause: ErrNotReady}
	case <-ctx.Done():
		return 0, &NotSentError{Cause: ctx.Err()}
	}
}

// count keeps the score.
func (m *Modem) count(err error) {
	var refused *RefusedError
	var uncertain *UncertainError
	m.update(func(st *Status) {
		switch {
		case err == nil:
			st.Sent++
		case errors.As(err, &refused):
			st.Refused++
		case errors.As(err, &uncertain):
			st.Uncertain++
		}
	})
}

// maxPromptFailures is after how many texts in a row that the modem did not even ask for it is set up again.
const maxPromptFailures = 3

// maxTPDU is the longest SMS-SUBMIT in octets: a full address, an absolute validity and 140 octets of user data.
const maxTPDU = 1 + 1 + 12 + 1 + 1 + 7 + 1 + 140

// send gives one text to the modem. err is for the sender; lineErr says what the session has to do about the line.
func (s *session) send(ctx context.Context, r *request) (ref uint8, err, lineErr error) {
	if len(r.tpdu) == 0 || len(r.tpdu) > maxTPDU {
		return 0, &NotSentError{Cause: fmt.Errorf("a TPDU of %d octets; 1 to %d are possible", len(r.tpdu), maxTPDU)}, nil
	}
	s.settled()
	if err := s.keepRelay(ctx); err != nil {
		return 0, &NotSentError{Cause: err}, err
	}
	if err := s.l.ready(ctx); err != nil {
		return 0, &NotSentError{Cause: err}, err
	}
	lineErr, err = s.askPrompt(ctx, r)
	if err != nil {
		if lineErr == nil && r.ctx.Err() == nil {
			lineErr = s.noPrompt()
		}
		return 0, &NotSentError{Cause: err}, lineErr
	}
	s.m.unprompted = 0
	if err := r.claim(); err != nil {
		return 0, &NotSentError{Cause: err}, s.leavePrompt(ctx)
	}
	// "00": the service centre is the SIM's (+CSCA).
	body := "00" + strings.ToUpper(hex.EncodeToString(r.tpdu))
	if err := s.l.write(body); err != nil {
		return 0, &NotSentError{Cause: err, Claimed: true}, err
	}
	if err := s.saysNo(); err != nil {
		// Not at its prompt any more, or not the modem that it was: ESC, and nothing of the body reaches the network.
		s.l.outOfStep = true
		return 0, &NotSentError{Cause: err, Claimed: true}, lineError(err)
	}
	// From the start of this write on the text may be on the air.
	this, owed := s.m.gaveText(s.m.cfg.Now())
	if lineErr = s.l.write("\x1a"); lineErr != nil {
		err = &UncertainError{Reason: "the line failed while the text was given to the modem", Cause: lineErr}
	} else {
		ref, err, lineErr = s.result(ctx, body, wait{this: this, owed: owed})
	}
	s.m.gotAnswer(this, ref, err)
	s.lastText = time.Now()
	return ref, err, lineErr
}

// lineError returns err if it says that the line or the modem has to be looked after.
func lineError(err error) error {
	if errors.Is(err, ErrPortGone) || errors.Is(err, ErrPortStuck) || errors.Is(err, ErrRestarted) {
		return err
	}
	return nil
}

// askPrompt sends AT+CMGS and waits for the prompt. A sender who gives up, and Run's end, end the wait; the next
// command begins with ESC then.
func (s *session) askPrompt(ctx context.Context, r *request) (lineErr, err error) {
	ask := "AT+CMGS=" + strconv.Itoa(len(r.tpdu))
	if err := s.l.write(ask + "\r"); err != nil {
		return err, err
	}
	wait, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	timer := time.NewTimer(s.t.Prompt)
	defer timer.Stop()
	open := newCommand(ask)
	for {
		text, err := s.l.next(wait, timer.C, true)
		switch {
		case err != nil:
			s.l.outOfStep = true
			return lineError(err), fmt.Errorf("%s: %w", ask, err)
		case text == prompt:
			return nil, nil
		case isFinal(text):
			// Were this the late answer of another command, the prompt would still come: ESC before anything else.
			s.l.outOfStep = true
			if err = finalError(text); err == nil {
				err = errors.New("the modem answered OK where it should have asked for the text")
			}
			return nil, fmt.Errorf("%s: %w", ask, err)
		case s.l.echo(text, ask):
		case isResult(text):
			s.l.stray(text, nil)
		default:
			s.l.reports.take(text, open, time.Now())
		}
		if s.l.reports.restarted {
			// It may be in text mode now, where the number behind AT+CMGS is the one to send to: back out with ESC.
			s.l.outOfStep = true
			return ErrRestarted, fmt.Errorf("%s: %w", ask, ErrRestarted)
		}
	}
}

// noPrompt counts the texts in a row for which the modem had no prompt. After the third it is set up again; whether
// that helps shows in the next one, and when it does not help either, the modem is restarted (basics).
func (s *session) noPrompt() error {
	if s.m.unprompted++; s.m.unprompted%maxPromptFailures != 0 {
		return nil
	}
	return fmt.Errorf("%d texts in a row got no prompt: %w", maxPromptFailures, errSettingsLost)
}

// leavePrompt takes the modem back from its prompt without sending anything. Devices answer ESC with OK, with ERROR,
// or not at all.
func (s *session) leavePrompt(ctx context.Context) error {
	if err := s.l.write("\x1b"); err != nil {
		return err
	}
	timer := time.NewTimer(s.t.Grace)
	defer timer.Stop()
	for {
		text, err := s.l.next(ctx, timer.C, false)
		if err != nil {
			s.l.outOfStep = true
			return lineError(err)
		}
		if isFinal(text) {
			return nil
		}
		s.l.stray(text, nil)
	}
}

// saysNo looks, without waiting, for a sign that the modem does not want the body that it was given.
func (s *session) saysNo() error {
	var no error
	gone := s.l.sift(func(text string) {
		switch {
		case no == nil && isFinal(text):
			if no = finalError(text); no == nil {
				no = errors.New("the modem answered OK before it had the text")
			}
		default:
			s.l.stray(text, nil)
		}
	})
	switch {
	case gone != nil:
		return gone
	case no != nil:
		return no
	case s.l.reports.restarted:
		return ErrRestarted
	}
	return nil
}

// result waits for the modem's word on a text that it has. Nothing is written meanwhile: some modems give the command
// up on any character, and send the text all the same (gsm-modem §1.8). While texts before it may still be answered, an
// answer that may be one of theirs waits for as many more (mayBeLate), for Timing.Second. With one text before, the only
// answer is this one's then; with several it is nobody's for certain.
func (s *session) result(ctx context.Context, body string, w wait) (ref uint8, err, lineErr error) {
	began := time.Now()
	w.until = began.Add(s.t.Result)
	s.m.awaits(w.this.given, w.until)
	defer s.m.awaits(time.Time{}, time.Time{})
	timer := time.NewTimer(s.t.Result)
	defer timer.Stop()
	patience := func(d time.Duration) {
		w.until = time.Now().Add(d)
		s.m.awaits(w.this.given, w.until)
		timer.Reset(d)
	}
	second := func() { // an answer may be that of a text before
		w.putOff()
		patience(min(s.t.Second, max(0, time.Until(began.Add(s.t.Result)))))
	}
	open := newCommand("AT+CMGS")
	waiting := ctx
	for {
		if len(w.first) > 0 && s.acks {
			if err := s.acknowledgeNow(waiting, &w); err != nil {
				return s.cutOff(&w, err)
			}
			if w.v.sent {
				patience(s.t.Grace) // for its OK, which may have come
			}
		}
		text, err := s.nextOfText(waiting, timer.C)
		switch {
		case err == nil && s.l.echo(text, body):
		case err == nil && isResult(text):
			if w.v.sent && w.doubtful() { // no OK came in between
				w.putOff()
			}
			if w.v.result(text); w.v.sent {
				patience(s.t.Grace)
			}
		case err == nil && w.endsFirst(text):
		case err == nil && isFinal(text):
			w.v.final(text)
			if !w.doubtful() {
				return s.answered(&w)
			}
			second()
		case err == nil && text != prompt:
			if s.overheard(text, open); s.l.reports.restarted && !w.v.restarted {
				w.v.restarted = true
				patience(s.t.Grace) // in case it was not a restart
			}
		case errors.Is(err, ErrNoAnswer) && w.v.sent && !w.v.restarted && w.doubtful():
			s.l.outOfStep = true // the OK behind +CMGS got lost
			second()
		case errors.Is(err, ErrNoAnswer) && len(w.first) == 1 && len(s.m.doubts) == 1 && !w.muddled && w.v.empty():
			ref, err := s.onlyAnswer(w.first[0])
			return ref, err, nil
		case errors.Is(err, ErrNoAnswer) && len(w.first) > 0 && w.v.empty():
			return s.answered(&w)
		case errors.Is(err, ErrNoAnswer):
			return s.silent(waiting, &w)
		case errors.Is(err, ErrPortGone):
			return s.cutOff(&w, err)
		case err != nil && ctx.Err() != nil:
			waiting = context.WithoutCancel(ctx)
			patience(min(s.t.Stop, max(0, time.Until(w.until))))
		}
	}
}

// cutOff is what result gives when the line ends while it waits.
func (s *session) cutOff(w *wait, err error) (ref uint8, end, lineErr error) {
	w.v.cause = err
	ref, end, _ = s.answered(w)
	return ref, end, err
}

// onlyAnswer is for the one answer that came to a text and the silent one before it, with no second one: it is this text's
// own. A modem that takes a text while it still has an answer to give for another is not known; the Fibocom G510 drops the
// old one then. A refusal might have the text sent twice all the same, so its status report gets the time to say otherwise.
func (s *session) onlyAnswer(only verdict) (ref uint8, err error) {
	s.m.doubts, s.m.unclear = nil, nil
	if only.refusal != nil && !only.sent {
		return 0, &UncertainError{Reason: "the modem refused it, or the text before it", Cause: only.refusal, Suspect: true}
	}
	return only.ref, only.err()
}

// overheard takes what is no answer while a text's is waited for: reports, a loss of the network among them.
func (s *session) overheard(text string, open *command) {
	s.l.reports.take(text, open, time.Now())
	if !s.registered() {
		s.noteLoss(time.Now())
	}
}

// nextOfText is the line's next while a text's result is waited for. That may take minutes, and a loss of the network that
// lasts is told meanwhile.
func (s *session) nextOfText(ctx context.Context, timeout <-chan time.Time) (string, error) {
	if s.lost.IsZero() || s.lossTold || s.registered() {
		return s.l.next(ctx, timeout, false)
	}
	lost, cancel := context.WithDeadline(ctx, s.lost.Add(s.t.Loss))
	defer cancel()
	text, err := s.l.next(lost, timeout, false)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.tellLoss()
		return s.l.next(ctx, timeout, false)
	}
	return text, err
}

// wait is the wait for a result.
type wait struct {
	v       verdict
	until   time.Time
	this    doubt     // the text that is waited for
	owed    int       // how many texts before it may still be answered
	muddled bool      // an error came that may be its answer
	first   []verdict // answers that may be theirs, in order: this one's is v, if it comes
}

// acknowledgeNow handles what came directly while a second answer is waited for. The modem is not busy with a text then,
// and the network does not wait as long for the acknowledgement as we do. An error ends the line.
func (s *session) acknowledgeNow(ctx context.Context, w *wait) error {
	usual := s.l.unasked
	defer func() { s.l.unasked = usual }()
	s.l.unasked = w.v.result
	for !s.l.outOfStep && !w.v.sent {
		r, ok := s.l.reports.pop()
		if !ok {
			return nil
		}
		s.ackRefused = false
		err := s.handle(ctx, r)
		w.muddled = w.muddled || s.ackRefused // that error may have been the second answer
		if err != nil {
			s.l.outOfStep = true
			return lineError(err)
		}
	}
	return nil
}

// doubtful tells whether v may be the answer of a text before.
func (w *wait) doubtful() bool { return len(w.first) < w.owed && w.this.mayBeLate(&w.v) }

// putOff sets v aside as one of several answers that may come.
func (w *wait) putOff() {
	w.first, w.v = append(w.first, w.v), verdict{}
}

// endsFirst tells whether a line is only the OK behind a result that was set aside without it.
func (w *wait) endsFirst(text string) bool {
	if text != "OK" || len(w.first) == 0 || !w.v.empty() {
		return false
	}
	last := &w.first[len(w.first)-1]
	if !last.sent || last.ended {
		return false
	}
	last.ended = true
	return true
}

// answered draws the conclusions. If v says how this text ended, the answers that came before it were those of the texts
// before. Of fewer answers than texts nobody can tell whose they are.
func (s *session) answered(w *wait) (ref uint8, err, lineErr error) {
	m, v := s.m, &w.v
	says := v.sent || v.refusal != nil
	switch {
	case !says && len(w.first) == 0:
		return 0, v.err(), nil
	case !says || w.doubtful():
		m.unclear = append(m.unclear, w.first...)
		if says {
			m.unclear = append(m.unclear, *v)
		}
		cause := v.cause
		if v.restarted {
			cause = ErrRestarted
		}
		return 0, &UncertainError{Reason: "the modem answered once for two texts", Cause: cause, once: true}, nil
	}
	m.unclear = append(m.unclear, w.first...)
	if len(m.unclear) == len(m.doubts) {
		s.inOrder()
	} else {
		s.log.Warn("no answer to texts before this one; status reports alone can settle them", "texts", len(m.doubts), "answers", len(m.unclear))
	}
	m.doubts, m.unclear = nil, nil
	return v.ref, v.err(), nil
}

// isResult tells whether a line is the result of AT+CMGS, readable or not.
func isResult(text string) bool {
	_, ok := cutPrefix(text, "+CMGS")
	return ok
}

// silent ends the wait for a result. The line is brought back in step, and what comes meanwhile may still be the
// answer.
func (s *session) silent(ctx context.Context, w *wait) (ref uint8, err, lineErr error) {
	s.l.outOfStep = true
	v := &w.v
	switch {
	case v.restarted:
		ref, err, _ = s.answered(w)
		return ref, err, ErrRestarted
	case v.sent:
		return s.answered(w) // the OK behind +CMGS got lost
	}
	v.cause = ErrNoAnswer
	s.m.climb(RungResync, "a text got no answer")
	lineErr = s.l.resync(ctx, func(text string) {
		if isResult(text) && v.sent && w.doubtful() {
			w.putOff()
			v.cause = ErrNoAnswer
		}
		v.late(text)
	})
	ref, err, _ = s.answered(w)
	return ref, err, lineErr
}

// verdict collects what is known of a text that the modem has.
type verdict struct {
	sent      bool
	ref       uint8
	garbled   bool  // a +CMGS came that could not be read
	restarted bool  // the modem said hello
	refusal   error // the modem's error; nil: none, or none that counts
	ended     bool  // a final OK came
	cause     error // why nothing is known, if it is not what the modem said
}

// empty tells whether nothing has come.
func (v *verdict) empty() bool {
	return !v.sent && !v.garbled && !v.restarted && v.refusal == nil && !v.ended && v.cause == nil
}

// result takes a +CMGS: <mr>[,<ackpdu>] line. It is the proof that the network has the text.
func (v *verdict) result(text string) {
	rest, ok := cutPrefix(text, "+CMGS:")
	n, err := strconv.Atoi(fieldsOf(rest)[0])
	if !ok || err != nil || n < 0 || n > 255 {
		v.garbled = true
		return
	}
	v.sent, v.ref = true, uint8(n)
}

// final takes the line that ends the answer.
func (v *verdict) final(text string) {
	if v.refusal = finalError(text); v.refusal == nil {
		v.ended = true
	}
}

// late takes a line that came after our ESC. A result proves what it proves before; of the errors only those count
// that the network has to say: the others may be the modem's answer to the ESC.
func (v *verdict) late(text string) {
	if isResult(text) {
		v.result(text)
		return
	}
	var cms CMSError
	if err := finalError(text); v.refusal == nil && errors.As(err, &cms) && cms > 0 && cms < 256 {
		v.refusal = err
	}
}

// err is the end of the text as Send returns it.
func (v *verdict) err() error {
	class := Classify(v.refusal)
	switch {
	case v.sent:
		return nil
	case v.garbled:
		return &UncertainError{Reason: "the modem's result could not be read", Cause: v.refusal}
	case v.refusal != nil && class == ClassSuspect:
		return &UncertainError{Reason: "the modem gave up waiting for the network", Cause: v.refusal, Suspect: true}
	case v.refusal != nil && class == ClassUnknown:
		return &UncertainError{Reason: "the modem answered with an error of unknown meaning", Cause: v.refusal, Suspect: true}
	case v.refusal != nil:
		return &RefusedError{Cause: v.refusal}
	case v.ended:
		return &UncertainError{Reason: "the modem answered OK without a result"}
	case v.restarted:
		return &UncertainError{Reason: "the modem restarted while it had the text", Cause: ErrRestarted}
	case errors.Is(v.cause, ErrPortGone):
		return &UncertainError{Reason: "the line was lost while the modem had the text", Cause: v.cause}
	}
	return &UncertainError{Reason: "the modem had the text and said nothing more", Cause: v.cause}
}
