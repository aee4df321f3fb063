package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Rung is something that is done to bring a modem back to work. They are in the order of gsm-modem §4: a later one
// costs more, and is taken when those before it did not help.
type Rung uint8

// The rungs of the ladder.
const (
	RungResync  Rung = iota + 1 // ESC, CR, AT: the line is brought back in step
	RungSetUp                   // the modem is set up again on the same line
	RungSearch                  // AT+COPS=0: it looks for a network anew
	RungRadio                   // AT+CFUN=4, 5 s, AT+CFUN=1: its radio is switched off and on
	RungRestart                 // AT+CFUN=1,1, or what its maker calls it
	RungReopen                  // the line is opened again
	RungFind                    // it is looked for at the ports that there are
	RungUSB                     // Config.ResetUSB
	RungAlarm                   // people are told
)

var rungNames = map[Rung]string{
	RungResync: "resync", RungSetUp: "set up", RungSearch: "search", RungRadio: "radio", RungRestart: "restart",
	RungReopen: "reopen", RungFind: "find", RungUSB: "usb reset", RungAlarm: "alarm",
}

// String returns the rung in a word or two.
func (r Rung) String() string {
	if name, ok := rungNames[r]; ok {
		return name
	}
	return "unknown"
}

// Climb counts how often a rung was taken, and says when last and why.
type Climb struct {
	Rung  Rung
	Times uint64
	Last  time.Time
	Cause string // in words
}

// climbed returns list with one more of rung in it, in the order of the rungs. The list given is not changed: it may
// be part of a snapshot.
func climbed(list []Climb, rung Rung, cause string, now time.Time) []Climb {
	list = slices.Clone(list)
	i, found := slices.BinarySearchFunc(list, rung, func(c Climb, r Rung) int { return int(c.Rung) - int(r) })
	if !found {
		list = slices.Insert(list, i, Climb{Rung: rung})
	}
	list[i].Times++
	list[i].Last, list[i].Cause = now, cause
	return list
}

// climb notes that a rung is taken; the first one begins an incident.
func (m *Modem) climb(rung Rung, cause string) {
	now := m.cfg.Now()
	m.update(func(st *Status) {
		if st.Unwell.IsZero() {
			st.Unwell = now
		}
		st.Ladder = climbed(st.Ladder, rung, cause, now)
		st.Climbed = climbed(st.Climbed, rung, cause, now)
	})
}

// taken tells whether a rung was taken in this incident.
func (m *Modem) taken(rung Rung) bool {
	return slices.ContainsFunc(m.Status().Ladder, func(c Climb) bool { return c.Rung == rung })
}

// well ends the incident, if there is one: the modem works.
func (m *Modem) well(log *slog.Logger) {
	m.failures, m.badStarts = 0, 0
	var began time.Time
	var done []string
	level := slog.LevelDebug // a line out of step is no more than that
	m.update(func(st *Status) {
		for _, c := range st.Ladder {
			done = append(done, fmt.Sprintf("%s %d×", c.Rung, c.Times))
			if c.Rung > RungResync {
				level = slog.LevelInfo
			}
		}
		began = st.Unwell
		st.Unwell, st.Ladder = time.Time{}, nil
	})
	if !began.IsZero() {
		log.Log(context.Background(), level, "the modem is well again", "after", m.cfg.Now().Sub(began).Round(time.Second),
			"done", strings.Join(done, ", "))
	}
}

// laddersBeforeUSB is how many ladders, of maxBadStarts openings each, fail in a row before the device is reset and
// the openings become rare.
const laddersBeforeUSB = 3

// hopeless tells whether the ladder has failed that often.
func (m *Modem) hopeless() bool { return m.failures >= laddersBeforeUSB*maxBadStarts }

// backOff is how long to wait before the next opening, after one that failed. A device that is not there, or that
// somebody else uses, costs nobody anything by being looked for.
func (m *Modem) backOff(wait time.Duration, err error) time.Duration {
	if m.hopeless() && !errors.Is(err, ErrPortMissing) && !errors.Is(err, ErrPortBusy) {
		return m.cfg.Timing.RetryLong
	}
	return wait
}

// resetUSB has the device reset at its bus when nothing else has helped, at most once per Timing.Reset.
func (m *Modem) resetUSB(ctx context.Context, log *slog.Logger, cause error) {
	port := m.Status().Port
	switch {
	case m.cfg.ResetUSB == nil, !m.hopeless(), time.Since(m.lastUSB) < m.cfg.Timing.Reset, port == "":
		return
	case errors.Is(cause, ErrPortBusy), errors.Is(cause, fs.ErrPermission): // a reset would strike somebody else
		return
	}
	m.lastUSB = time.Now()
	log.Warn("the modem's USB device is reset", "port", port, "err", cause)
	m.climb(RungUSB, Explain(cause))
	if err := m.cfg.ResetUSB(ctx, port, m.who); err != nil && ctx.Err() == nil {
		log.Warn("the USB device could not be reset", "err", err)
		m.trouble(err)
	}
}

// restarts are the ways to restart a modem, beside the words in its maker's or its model's name that it is for
// (gsm-modem §1.5): Huawei's MU736 takes 16, SIMCom's SIM7xxx +CRESET. The standard's is TS 27.007 §8.2.
var restarts = []struct{ word, text string }{
	{"mu736", "AT+CFUN=16"},
	{"sim7", "AT+CRESET"},
	{"", "AT+CFUN=1,1"},
	{"huawei", "AT^RESET"},
	{"", "AT+CRESET"},
	{"", "AT+CFUN=16"},
}

// mayRestart tells whether the last restart is long enough ago.
func (m *Modem) mayRestart() bool { return time.Since(m.lastReset) >= m.cfg.Timing.Reset }

// restart restarts the modem: in the way of its maker if that is known, else in the first way that it does not answer
// with an error. It returns an error that ends the line, for USB modems vanish; the others take the time of a reopening.
func (s *session) restart(ctx context.Context, cause string) error {
	s.m.badStarts, s.m.lastReset = 0, time.Now()
	s.m.climb(RungRestart, cause)
	name := strings.ToLower(s.m.who.Manufacturer + " " + s.m.who.Model)
	asked := make(map[string]bool)
	for _, r := range restarts {
		if asked[r.text] || !strings.Contains(name, r.word) {
			continue
		}
		asked[r.text] = true
		s.log.Warn("the modem is restarted", "by", r.text, "cause", cause)
		_, err := s.l.command(ctx, r.text, s.t.Command)
		if isAnswer(err) {
			continue
		}
		if err != nil && !errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted) {
			return err
		}
		s.m.restarted()
		return &restartedError{"the gateway restarted the modem, because of: " + strings.TrimSuffix(cause, ".")}
	}
	return errors.New("the modem takes no command to restart")
}

// radioOff is how long the radio stays off.
const radioOff = 5 * time.Second

// cycleRadio switches the radio off and on, so that the modem registers anew. It is on again whatever happens here.
func (s *session) cycleRadio(ctx context.Context, cause string) error {
	s.m.climb(RungRadio, cause)
	s.log.Warn("the modem's radio is switched off and on", "cause", cause)
	s.m.setState(StateSearching)
	if _, err := s.l.command(ctx, "AT+CFUN=4", s.t.Long); err != nil {
		if isAnswer(err) {
			s.log.Debug("the radio cannot be switched off", "err", err)
			return nil
		}
		return err
	}
	paused := s.l.pause(ctx, radioOff, nil)
	on := ctx
	if ctx.Err() != nil {
		on = context.WithoutCancel(ctx)
	} else if paused != nil {
		return paused
	}
	if _, err := s.must(on, "AT+CFUN=1", s.t.Long); err != nil {
		if isAnswer(err) {
			return fmt.Errorf("the radio does not come on again (%w): %w", err, errSettingsLost)
		}
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.askRegistrations(ctx)
}

// rung is after how long without a network the next rung is taken (gsm-modem §4, step 4), in the first round; it
// doubles with each round, up to three times.
const rung = 5 * time.Minute

// outage is how far a modem without a network, or without a SIM, has been helped.
type outage struct {
	since time.Time // of the loss, or of the last rung; zero: there is one
	step  int       // rungs taken
}

// due is when the next rung is taken.
func (f *outage) due() time.Time { return f.since.Add(rung << min(f.step/3, 3)) }

// searchOn takes the next rung of a modem that has had no network for long: it looks anew; its radio is switched off
// and on; it is restarted; and so on from the first, at longer and longer intervals, for ever.
func (s *session) searchOn(ctx context.Context) error {
	f := &s.m.outage
	now := time.Now()
	if now.Before(f.due()) {
		return nil
	}
	step := f.step % 3
	f.since, f.step = now, f.step+1
	cause := "no network: " + s.m.Status().RegistrationText
	switch {
	case step == 1:
		return s.cycleRadio(ctx, cause)
	case step == 2 && s.m.mayRestart():
		return s.restart(ctx, cause)
	}
	s.m.climb(RungSearch, cause)
	s.log.Warn("the modem is told to look for a network anew", "without", now.Sub(s.lost).Round(time.Second))
	_, err := s.l.command(ctx, "AT+COPS=0", longSearch)
	if isAnswer(err) || errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted) {
		return nil
	}
	return err
}

// longSearch is how long AT+COPS=0 may take: where there is no network some answer when they have looked everywhere, and
// nothing else before that (gsm-modem §1.3 has it of +COPS=?).
const longSearch = 180 * time.Second

// maxFailing is how many different texts in a row may fail on a modem that has a network before its radio is cycled;
// after as many more it is restarted.
const maxFailing = 3

// failing counts texts in a row that failed for no reason of their own.
type failing struct {
	texts int
	last  string // the text that failed last: a repetition of it is none more
	cause error
}

// judge counts a text's end, and takes the rung that three failures call for. A text that was sent is the end of any
// trouble.
func (m *Modem) judge(tpdu []byte, err error, log *slog.Logger) {
	var refused *RefusedError
	var uncertain *UncertainError
	if err == nil {
		m.failing = failing{}
		m.well(log)
		return
	}
	if !errors.As(err, &refused) && !errors.As(err, &uncertain) {
		return
	}
	switch class := Classify(err); {
	case class == ClassNetwork, class == ClassModem, class == ClassSuspect, errors.Is(err, ErrNoAnswer):
		if key := textKey(tpdu); key != m.failing.last {
			m.failing.texts++
			m.failing.last, m.failing.cause = key, err
		}
	case class == ClassDestination, class == ClassMessage, class == ClassDuplicate: // the network has answered
		m.failing = failing{}
	}
}

// relieve takes the rung that texts which fail in a row call for, each once in an incident (gsm-modem §4, steps 4
// and 5).
func (s *session) relieve(ctx context.Context) error {
	f := &s.m.failing
	if f.texts < maxFailing || !s.registered() {
		return nil
	}
	cause := fmt.Sprintf("%d texts in a row failed: %s", f.texts, Explain(f.cause))
	switch {
	case !s.m.taken(RungRadio):
		return s.cycleRadio(ctx, cause)
	case f.texts >= 2*maxFailing && !s.m.taken(RungRestart) && s.m.mayRestart():
		return s.restart(ctx, cause)
	}
	return nil
}

// textKey is what tells one text from another in an SMS-SUBMIT: its destination and user data. What changes from one
// try to the next, TP-MR and TP-VP, is left out (TS 23.040 §9.2.2.2).
func textKey(tpdu []byte) string {
	if len(tpdu) < 3 {
		return string(tpdu)
	}
	address := 2 + 2 + (int(tpdu[2])+1)/2 // its end
	validity := [...]int{0, 7, 1, 7}[tpdu[0]>>3&3]
	data := address + 2 + validity
	if data > len(tpdu) {
		return string(tpdu)
	}
	return string(tpdu[2:address]) + string(tpdu[data:])
}

// watch raises the alarm when the modem has been out of work for Timing.Alarm, and ends it when it works again. It
// returns when ctx ends.
func (m *Modem) watch(ctx context.Context, log *slog.Logger) {
	defer m.update(func(st *Status) { st.Down, st.DownCause = false, "" })
	for {
		m.mu.Lock()
		up, down, works := m.up, m.down, m.status.State.canSend()
		m.mu.Unlock()
		next := up
		if works {
			next = down
		}
		timer := time.NewTimer(m.cfg.Timing.Alarm)
		alarm := timer.C
		if works || m.Status().Down {
			alarm = nil
		}
		select {
		case <-next:
		case <-alarm:
			m.alarm(log)
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		m.endAlarm(log)
	}
}

// alarm tells people, once.
func (m *Modem) alarm(log *slog.Logger) {
	cause := m.downCause()
	m.update(func(st *Status) { st.Down, st.DownCause = true, cause })
	m.climb(RungAlarm, cause)
	log.Error("the modem cannot send", "for", m.cfg.Timing.Alarm, "cause", cause)
}

// endAlarm ends the alarm of a modem that can send again.
func (m *Modem) endAlarm(log *slog.Logger) {
	if st := m.Status(); st.Down && st.State.canSend() {
		m.update(func(st *Status) { st.Down, st.DownCause = false, "" })
		log.Info("the modem can send again")
	}
}

// downCause says why the modem cannot send.
func (m *Modem) downCause() string {
	st := m.Status()
	switch {
	case st.State == StateSearching:
		return "no network: " + st.RegistrationText
	case st.LastError != "":
		return st.LastError
	}
	return "it is " + string(st.State)
}
