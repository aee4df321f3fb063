package modem

import (
	"context"
	"errors"
	"time"
)

// Evidence is who wants to know of texts whose outcome is open (delivery-semantics §5). All methods are called on
// Run's goroutine and must not call this Modem.
//
// given names the text that is meant: it is when the Ctrl-Z of that text was written, or what Open returned. So the text
// is the one whose claim on this modem is the newest that is not later than given. It need not be the last that was
// claimed: the answer to the next text may be what shows that this one was sent, and then that one's Send has not
// returned yet. It may also be that the Send of the text that is meant has only just returned, and its uncertain end is
// not written down yet: an error has it told again.
type Evidence interface {
	// Open tells when the latest text was given to this modem (Config.Name) whose outcome nobody knows; ok is false if
	// there is none, or if a text that was given later has an outcome.
	Open(modem string) (claimed time.Time, ok bool)
	// Late passes on a result (+CMGS: ref) that came when the text's Send had already returned: it was sent. An error
	// means that this could not be kept; it is told again later.
	Late(ctx context.Context, from Identity, given time.Time, ref uint8) error
	// Unsent: the SIM's own counter proves that the text was never sent. An error is as Late's.
	Unsent(ctx context.Context, from Identity, given time.Time) error
}

// doubt is the last text that was given to the modem, while its outcome may still come. The next Ctrl-Z ends it: a
// result that comes then could be either's.
type doubt struct {
	given  time.Time // when Ctrl-Z was written
	before int       // TP-MR of the text before it, -1 when that is not known
	silent bool      // it ended in silence and the modem has not restarted since: the modem may still answer it
	over   bool      // the modem has given it up for certain: it restarted, or answered with an error
	ask    time.Time // when the SIM's counter may be asked about it again
}

// late is what is to be told to Config.Evidence, once the SIM is known.
type late struct {
	from   Identity // empty until the SIM has said who it is
	given  time.Time
	ref    uint8
	unsent bool // the counter's word; else a result
}

// maxLate bounds what waits to be told.
const maxLate = 16

// listen waits for the answer of a text that was given to the modem before the line was opened, and writes nothing: a
// result that comes before anything was asked is that text's (delivery-semantics §5.1). The wait is what is left of
// Timing.Result, at most Timing.Listen; it ends with a whole answer or a greeting. One that comes later still, before another
// text is given to the modem, is taken by unasked.
func (s *session) listen(ctx context.Context) error {
	m := s.m
	if m.cfg.Evidence == nil {
		return nil
	}
	claimed, ok := m.cfg.Evidence.Open(m.cfg.Name)
	left := s.t.Result - time.Since(claimed)
	switch {
	case !ok || left <= 0, m.doubt != nil && m.doubt.over:
		return nil
	case m.doubt == nil && m.gave: // its outcome is known here, and not written down yet
		return nil
	case m.doubt == nil:
		m.doubt = &doubt{given: claimed, before: -1, silent: true}
	}
	left = min(left, s.t.Listen)
	s.log.Info("listening for the answer of a text that was given to the modem before", "given", claimed, "left", left)
	timer := time.NewTimer(left)
	defer timer.Stop()
	for {
		text, err := s.l.next(ctx, timer.C, false)
		switch {
		case errors.Is(err, ErrNoAnswer):
			return nil
		case err != nil:
			return err
		case isFinal(text):
			if m.doubt != nil && finalError(text) != nil {
				m.doubt.silent, m.doubt.over = false, true
			}
			return nil
		}
		s.l.stray(text, nil)
		if m.doubt == nil {
			timer.Reset(s.t.Grace) // for the OK behind the result
		}
		if s.l.reports.restarted {
			m.restarted()
			return nil
		}
	}
}

// unasked takes a result that came while no AT+CMGS was open. It belongs to the last text that was given to the modem,
// if that ended in doubt, and once.
func (s *session) unasked(text string) {
	var v verdict
	v.result(text)
	d := s.m.doubt
	if d == nil || !v.sent {
		s.log.Warn("an answer came too late", "line", text)
		return
	}
	s.m.doubt, s.m.lastRef = nil, int(v.ref)
	s.keepLate(late{given: d.given, ref: v.ref})
}

// keepLate notes what is to be told.
func (s *session) keepLate(l late) {
	if s.m.cfg.Evidence == nil || len(s.m.late) == maxLate {
		s.log.Warn("an answer came too late", "ref", l.ref, "given", l.given)
		return
	}
	if s.known {
		l.from = s.m.Status().Identity
	}
	s.m.late = append(s.m.late, l)
}

// tellLate tells Config.Evidence what has become known, when it is known of which SIM.
func (s *session) tellLate(ctx context.Context) error {
	for len(s.m.late) > 0 && s.known && !s.lateFailed {
		l := &s.m.late[0]
		if l.from == (Identity{}) {
			l.from = s.m.Status().Identity
		}
		var err error
		if l.unsent {
			err = s.m.cfg.Evidence.Unsent(ctx, l.from, l.given)
		} else {
			err = s.m.cfg.Evidence.Late(ctx, l.from, l.given, l.ref)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.log.Error("what became of a text could not be kept", "err", err)
			s.m.trouble(err)
			s.lateFailed = true // until the next look
			return nil
		}
		s.log.Info("the outcome of a text became known", "given", l.given, "ref", l.ref, "sent", !l.unsent)
		s.m.late = s.m.late[1:]
	}
	return nil
}

// forgetLate drops at the end of the line what came from a SIM that never said who it is: the next one may be another.
func (s *session) forgetLate() {
	kept := s.m.late[:0]
	for _, l := range s.m.late {
		if l.from == (Identity{}) {
			s.log.Warn("a late answer is dropped: the SIM did not say who it is", "ref", l.ref, "given", l.given)
			continue
		}
		kept = append(kept, l)
	}
	s.m.late = kept
}

// restarted: what the modem had in hand it will not answer any more.
func (m *Modem) restarted() {
	if m.doubt != nil {
		m.doubt.silent, m.doubt.over = false, true
	}
}

// gaveText notes, as Ctrl-Z is written, that a text is the modem's from now on. It returns the text before, if that may
// still be answered.
func (m *Modem) gaveText(now time.Time) (this doubt, before *doubt) {
	this = doubt{given: now, before: m.lastRef}
	if m.doubt != nil && m.doubt.silent {
		before = m.doubt
	}
	if m.doubt != nil {
		this.before = -1
	}
	m.doubt, m.gave, m.lastRef = nil, true, -1
	return this, before
}

// gotAnswer notes how that text ended. A refused one may have used up a TP-MR, or not.
func (m *Modem) gotAnswer(this doubt, ref uint8, err error) {
	var uncertain *UncertainError
	switch {
	case err == nil:
		m.lastRef = int(ref)
		m.uncounted = true
	case errors.As(err, &uncertain):
		this.over = uncertain.Suspect || errors.Is(err, ErrRestarted)
		this.silent = errors.Is(err, ErrNoAnswer)
		m.doubt = &this
	}
}

// mayBeLate tells whether an answer that came for a text may be that of the text before, which had none. TP-MR rises by
// one with each text. With r before both of them, the first took r+1 if it went on the air, and the second the next
// one: r+2 can be the second's alone. r+1 is the first's if that was tried, and the second's if not. Where r is not known,
// and where the modem counts in a way of its own, no number says anything; an error never does. Then the wait
// decides (Timing.Second): if another answer follows, the first one was late.
func (d *doubt) mayBeLate(v *verdict) bool {
	if d == nil {
		return false
	}
	return !v.sent || d.before < 0 || int(v.ref) != (d.before+2)%256
}
