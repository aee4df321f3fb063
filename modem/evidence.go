package modem

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Evidence is who wants to know of texts whose outcome is open (delivery-semantics §5). All methods are called on
// Run's goroutine and must not call this Modem.
//
// given names the text that is meant: it is when the Ctrl-Z of that text was written, or what Open returned. So the text
// is the one whose claim on this modem is the newest that is not later than given. It need not be the last that was
// claimed: the answer to the next text may be what shows that this one was sent, and then that one's Send has not
// returned yet. It may also be that the Send of the text that is meant has only just returned, and its uncertain end is
// not written down yet: ErrNotYet has it told again.
type Evidence interface {
	// Open tells when the latest text was given to this modem (Config.Name) whose outcome nobody knows; ok is false if
	// there is none, if a text that was given later has an outcome, or once a status report has told that it was sent.
	Open(modem string) (claimed time.Time, ok bool)
	// Settled tells whether the text that Open told of with this time is known to have been sent, by its status report, and its
	// TP-MR.
	Settled(modem string, given time.Time) (ref uint8, ok bool)
	// Expected passes on a result that came before anything was asked, so that it is not known of which SIM. It is kept, and
	// true returned, if ref is the very TP-MR that the text was expected to get; else Late tells of it in a moment.
	Expected(modem string, given time.Time, ref uint8) bool
	// Late passes on a result (+CMGS: ref) that came when the text's Send had already returned: it was sent. An error
	// means that this could not be kept; it is told again later. An error that is ErrNotYet is no trouble: it is told
	// again within a second.
	Late(ctx context.Context, from Identity, given time.Time, ref uint8) error
	// Unsent: the SIM's own counter says that the text was most likely never sent. An error is as Late's.
	Unsent(ctx context.Context, from Identity, given time.Time) error
}

// ErrNotYet is what an Evidence returns while the end of the text that is meant is being written down.
var ErrNotYet = errors.New("not yet")

// notYet is after what time such a text is told of again.
const notYet = 500 * time.Millisecond

// doubt is a text that was given to the modem and whose outcome may still come.
type doubt struct {
	given  time.Time // when Ctrl-Z was written
	before int       // the last TP-MR that is known to have been used before it, -1 when none is
	nth    int       // it is the nth text since: 1 for the next one. Each took one TP-MR, or none
	told   bool      // Evidence told of it, and may know its TP-MR
	silent bool      // it ended in silence and the modem has not restarted since: the modem may still answer it
	over   bool      // the modem has given it up for certain: it restarted, or answered with an error
	ask    time.Time // when the SIM's counter may be asked about it again
	asked  bool      // it has said what it has to say
}

// last returns the last TP-MR that the text can have, -1 when that is not known. Only this text can have it: those before
// it would have had to take more than one each.
func (d *doubt) last() int {
	if d.before < 0 {
		return -1
	}
	return (d.before + d.nth) % 256
}

// maxDoubts bounds the texts in doubt: each has taken Timing.Result.
const maxDoubts = 16

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
// Timing.Result, at most Timing.Listen; it ends with a whole answer or a greeting, and soon after a status report of a text
// that the service centre took later than this one was claimed: that can be no earlier text's, if the clocks agree. An
// answer that comes later still, before another text is given to the modem, is taken by unasked.
func (s *session) listen(ctx context.Context) error {
	m := s.m
	if m.cfg.Evidence == nil {
		return nil
	}
	claimed, ok := m.cfg.Evidence.Open(m.cfg.Name)
	left := s.t.Result - m.cfg.Now().Sub(claimed)
	switch {
	case !ok || left <= 0, m.newest() != nil && m.newest().over:
		return nil
	case m.newest() == nil && m.gave: // its outcome is known here, and not written down yet
		return nil
	case m.newest() == nil:
		m.doubts = []*doubt{{given: claimed, before: -1, nth: 1, silent: true, told: true}}
		m.since = 1
	}
	left = min(left, s.t.Listen)
	s.log.Info("listening for the answer of a text that was given to the modem before", "given", claimed, "left", left)
	m.awaits(claimed, time.Now().Add(left))
	defer m.awaits(time.Time{}, time.Time{})
	timer := time.NewTimer(left)
	defer timer.Stop()
	reported := false
	for {
		text, err := s.l.next(ctx, timer.C, false)
		switch {
		case errors.Is(err, ErrNoAnswer):
			return nil
		case err != nil:
			return err
		case isFinal(text):
			s.tellExpected()
			if d := m.newest(); d != nil && finalError(text) != nil {
				d.silent, d.over = len(m.doubts) > 1, len(m.doubts) == 1 // of several texts it may be any's
			}
			return nil
		}
		s.l.stray(text, nil)
		if len(m.doubts) == 0 {
			s.tellExpected()
			timer.Reset(s.t.Grace) // for the OK behind the result
		}
		if s.l.reports.restarted {
			m.restarted()
			return nil
		}
		if !reported && s.l.reports.reportedSince(claimed) {
			reported = true
			timer.Reset(min(left, s.t.Grace))
		}
	}
}

// tellExpected has a result kept at once where its TP-MR says enough: to ask for the SIM takes a second, and who is killed
// again within it loses the answer for good.
func (s *session) tellExpected() {
	s.m.late = slices.DeleteFunc(s.m.late, func(l late) bool {
		if l.unsent || l.from != (Identity{}) || !s.m.cfg.Evidence.Expected(s.m.cfg.Name, l.given, l.ref) {
			return false
		}
		s.log.Info("evidence of a text in doubt was kept", "given", l.given, "ref", l.ref, "sent", true)
		return true
	})
}

// settled asks for the TP-MR of the text in doubt, which its status report tells if it was sent. Then the next text's is one
// higher, and a result with that can be no late one: it need not be waited for whether a second one comes.
func (s *session) settled() {
	d := s.m.newest()
	if d == nil || len(s.m.doubts) > 1 || !d.told {
		return
	}
	if ref, ok := s.m.cfg.Evidence.Settled(s.m.cfg.Name, d.given); ok {
		d.told = false
		s.m.lastRef, s.m.since = int(ref), 0
	}
}

// unasked takes a result that came while no AT+CMGS was open. It belongs to a text that ended in doubt, and once.
func (s *session) unasked(text string) {
	var v verdict
	v.result(text)
	if !v.sent || len(s.m.doubts) == 0 {
		s.log.Warn("an answer came too late", "line", text)
		return
	}
	s.lateAnswer(v)
}

// lateAnswer takes an answer to one of the texts in doubt. Of several texts it is the newest one's if its TP-MR can be
// nobody else's. Every other TP-MR can be that of an earlier one, or of a later one if an earlier one never went on the air;
// so nobody gets it before there is an answer for each: answers come in the order of the texts.
func (s *session) lateAnswer(v verdict) {
	m := s.m
	m.unclear = append(m.unclear, v)
	newest := m.newest()
	certain := v.sent && len(m.doubts) > 1 && int(v.ref) == newest.last()
	switch {
	case len(m.unclear) == len(m.doubts):
		s.inOrder()
	case certain:
		s.keepLate(late{given: newest.given, ref: v.ref})
	default:
		s.log.Warn("an answer came too late, and may be that of several texts", "ref", v.ref, "texts", len(m.doubts))
		return
	}
	m.doubts, m.unclear = nil, nil
	if m.lastRef, m.since = -1, 0; v.sent {
		m.lastRef = int(v.ref)
	}
}

// inOrder gives each text in doubt its answer. An error settles nothing: what the modem gave up may be on the air.
func (s *session) inOrder() {
	for i, v := range s.m.unclear {
		if v.sent {
			s.keepLate(late{given: s.m.doubts[i].given, ref: v.ref})
		} else {
			s.log.Warn("an answer came too late", "err", v.err())
		}
	}
}

// newest returns the last text that was given to the modem, if it is in doubt; else nil.
func (m *Modem) newest() *doubt {
	if len(m.doubts) == 0 {
		return nil
	}
	return m.doubts[len(m.doubts)-1]
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
	for len(s.m.late) > 0 && s.known && !s.lateFailed && !time.Now().Before(s.lateAgain) {
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
			if errors.Is(err, ErrNotYet) {
				s.log.Debug("what became of a text is told again in a moment", "err", err)
				s.lateAgain = time.Now().Add(notYet)
				return nil
			}
			s.log.Error("what became of a text could not be kept", "err", err)
			s.m.trouble(err)
			s.lateFailed = true // until the next look
			return nil
		}
		s.log.Info("evidence of a text in doubt was kept", "given", l.given, "ref", l.ref, "sent", !l.unsent)
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
	for _, d := range m.doubts {
		d.silent, d.over = false, true
	}
}

// gaveText notes, as Ctrl-Z is written, that a text is the modem's from now on. owed is how many texts before it may still
// be answered.
func (m *Modem) gaveText(now time.Time) (this doubt, owed int) {
	m.since++
	this = doubt{given: now, before: m.lastRef, nth: m.since}
	for _, d := range m.doubts {
		if d.silent {
			owed++
		}
	}
	if owed = max(0, owed-len(m.unclear)); owed == 0 {
		if len(m.doubts) > 0 { // the last of them ended in another way than silence
			this.before, this.nth = -1, 1
			m.lastRef, m.since = -1, 1
		}
		m.doubts, m.unclear = nil, nil
	}
	m.gave, m.uncounted, m.refusedAt = true, false, -1
	return this, owed
}

// gotAnswer notes how that text ended. A refused one may have used up a TP-MR, or not.
func (m *Modem) gotAnswer(this doubt, ref uint8, err error) {
	var refused *RefusedError
	var uncertain *UncertainError
	switch {
	case err == nil:
		m.doubts, m.unclear = nil, nil
		m.lastRef, m.since, m.uncounted = int(ref), 0, true
		return
	case errors.As(err, &refused):
		m.doubts, m.unclear = nil, nil
		var cms CMSError
		if this.nth == 1 && errors.As(err, &cms) && 0 < cms && cms < 128 { // the network's own word (TS 24.011, annex E)
			m.refusedAt = this.before
		}
	case errors.As(err, &uncertain):
		this.silent = errors.Is(err, ErrNoAnswer) && !uncertain.once
		this.over = uncertain.Suspect || errors.Is(err, ErrRestarted)
		m.doubts = append(m.doubts, &this)
		if uncertain.once { // Timing.Result is over for all of them
			for _, d := range m.doubts {
				d.silent = false
			}
		}
		if len(m.doubts) > maxDoubts {
			m.doubts = m.doubts[1:]
		}
		if this.silent {
			return
		}
	}
	m.lastRef, m.since = -1, 0
}

// mayBeLate tells whether an answer that came for this text may be that of a text before it, which had none. TP-MR rises
// by one with each text. With r before two of them, the first took r+1 if it went on the air, and the second the next
// one: r+2 can be the second's alone. r+1 is the first's if that was tried, and the second's if not. Where r is not known,
// and where the modem counts in a way of its own, no number says anything; an error never does.
func (d *doubt) mayBeLate(v *verdict) bool { return !v.sent || int(v.ref) != d.last() }
