package modem

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Run opens the line, sets the modem up, sends and receives, and starts again when the line or the modem fails, until
// ctx ends; it returns nil then. A text that has been given to the modem at that time is waited for, at most for
// Timing.Stop.
func (m *Modem) Run(ctx context.Context) error {
	defer m.setState(StateStopped)
	defer m.lastOffer(ctx)
	log := m.cfg.Log.With("modem", m.cfg.Name)
	watched, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() { m.watch(watched, log) })
	wait, known := m.cfg.Timing.RetryMin, ""
	for {
		served, err := m.opening(ctx, log)
		if ctx.Err() != nil {
			return nil
		}
		if served {
			wait, known = m.afterLife(), ""
		}
		m.failed(err)
		var restarted *restartedError
		switch {
		case errors.As(err, &restarted): // which has been told
		case kindOf(err) != known: // what repeats itself at each try is said once
			known = kindOf(err)
			log.Warn("modem is out of work", "state", m.Status().State, "err", err)
		}
		m.failures++
		m.resetUSB(ctx, log, err)
		if sleep(ctx, m.backOff(wait, err)) != nil {
			return nil
		}
		m.climb(RungReopen, Explain(err))
		wait = min(2*wait, m.cfg.Timing.RetryMax)
	}
}

// kindOf is what is the same of an error as long as it is about the same: a modem that is missing is no other news when
// another one comes or goes.
func kindOf(err error) string {
	if missing, ok := errors.AsType[*notFoundError](err); ok && missing.what != "" {
		return missing.what
	}
	return err.Error()
}

// afterLife is how long to wait after an opening in which the modem worked: as at first, but longer and longer when it
// never works for long. Each text that such a modem loses on the way is one more whose outcome nobody knows.
func (m *Modem) afterLife() time.Duration {
	t := m.cfg.Timing
	if m.flaps++; time.Since(m.served) >= t.Health {
		m.flaps = 0
	}
	return min(t.RetryMin<<min(max(0, m.flaps-1), 6), t.RetryLong)
}

// failed notes why an opening ended.
func (m *Modem) failed(err error) {
	if errors.Is(err, errRestartedForOperator) { // as it was told to
		m.setState(StateOpening)
		return
	}
	state := StateFailed
	if errors.Is(err, ErrPortMissing) {
		state = StateMissing
	}
	m.setState(state)
	m.trouble(err)
}

// opening is one life of the line: from open to its end. served tells whether the modem was ready to send once.
func (m *Modem) opening(ctx context.Context, log *slog.Logger) (served bool, err error) {
	switch m.Status().State {
	case StateMissing, StateFailed: // a state that would change at each try tells nobody anything
	default:
		m.setState(StateOpening)
	}
	path, err := m.find(ctx)
	if err != nil {
		return false, err
	}
	port, err := m.cfg.Open(ctx, path, m.cfg.Baud)
	if err != nil {
		return false, err
	}
	m.update(func(st *Status) { st.Opens++ })
	l := newLine(port, m.cfg.Timing, log, m.cfg.Trace)
	l.logTexts = &m.logTexts
	s := &session{m: m, l: l, t: m.cfg.Timing, log: log}
	defer s.lastWords(ctx)
	defer m.lineOpen()()
	l.unasked = s.unasked
	l.resynced = func(cause string) { m.climb(RungResync, cause) }
	defer func() { // whoever finds the line closed finds no state in which it is open
		if ctx.Err() != nil {
			m.setState(StateStopped)
		} else if err != nil {
			m.failed(err)
		}
	}()
	if err := s.listen(ctx); err != nil {
		return false, err
	}
	for {
		m.setState(StateInitialising)
		err := s.start(ctx)
		if err == nil {
			if !served {
				served, m.served = true, time.Now()
			}
			err = s.serve(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return served, nil
		case errors.Is(err, ErrPortGone), errors.Is(err, ErrPortStuck):
			return served, err
		case errors.Is(err, errSetUpAgain):
			continue
		}
		// A modem that restarted is set up again on the same line; one that cannot be set up is opened again, which
		// ends by its restart (start).
		restarted := errors.Is(err, ErrRestarted) || errors.Is(err, errSettingsLost) || errors.Is(err, errSIMLost)
		// Whether a deaf one is well shows when it answers again; one that is not ours need not get to work.
		if !errors.Is(err, errDeaf) && !errors.Is(err, ErrPortMissing) {
			m.badStarts++
		}
		if !restarted || m.badStarts > maxBadStarts {
			return served, err
		}
		if errors.Is(err, ErrRestarted) {
			m.restarted()
		}
		log.Warn("the modem is set up again", "err", err)
		m.trouble(err)
		m.climb(RungSetUp, Explain(err))
	}
}

// lastWords closes the line, and has all that the modem has said until then kept: it will not say it again.
func (s *session) lastWords(ctx context.Context) {
	s.l.hearOut()
	s.l.close()
	if ctx.Err() != nil { // else the next opening tells it
		if err := s.tellLate(context.WithoutCancel(ctx)); err != nil {
			s.log.Debug("not told", "err", err)
		}
	}
	s.handOver(ctx)
	s.forgetLate()
}

// find asks at which port the modem is.
func (m *Modem) find(ctx context.Context) (port string, err error) {
	if m.cfg.Find == nil {
		return m.cfg.Port, nil
	}
	before := m.Status()
	port, looked, err := m.cfg.Find(ctx, m.who)
	if looked && !before.Unwell.IsZero() {
		m.climb(RungFind, before.LastError)
	}
	if err == nil {
		m.update(func(st *Status) { st.Port = port })
	}
	return port, err
}

// maxBadStarts is how many times in a row a modem may answer AT without getting to work before it is restarted.
const maxBadStarts = 3

// errSIMLost: the modem works, but says that its SIM cannot be used.
var errSIMLost = errors.New("the SIM has to be looked at")

// errSettingsLost: the modem works, but not as it was set up.
var errSettingsLost = errors.New("the modem has lost its settings")

// session is one opening of the line, as Run's goroutine sees it.
type session struct {
	m   *Modem
	l   *line
	t   Timing
	log *slog.Logger

	acks       bool            // AT+CSMS=1: what comes directly is acknowledged with AT+CNMA
	ackRefused bool            // since it was cleared, an error answered one that may have been about something else
	ackText    string          // the form of it that this modem takes; "" not known yet
	cnmi       string          // what AT+CNMI? said after it was set; "" it says nothing
	store      string          // the memory that is read and deleted from; "" the modem's own choice
	home       string          // the memory in which texts arrive
	stores     []string        // all memories in which texts may be
	domains    []string        // registrations that this modem knows: "+CREG" ...
	noList     bool            // AT+CMGL hangs here
	again      []slot          // places that could not be read, for SIM or modem was busy
	astray     bool            // a text was not where the modem said
	seekAgain  time.Time       // it is not looked for before
	looks      int             // since all memories were looked into
	undeleted  map[slot]string // what was received, but could not be deleted
	dialogue   dialogue        // USSD

	left      map[string]listing // what the last listing of each memory left there
	emptied   time.Time          // when room was made last
	fullStore string             // the memory that is full of what cannot be deleted

	known      bool      // the SIM has said who it is
	lateFailed bool      // Config.Evidence could not keep what it was told
	lateAgain  time.Time // before then it is not told again (ErrNotYet)
	overtaken  int       // texts sent while reports waited, and
	since      time.Time // since when
	relayEach  bool      // AT+CMMS=1 is all that it has: to be sent anew for each burst
	lastText   time.Time // when the last text was answered

	looked   time.Time // when the modem's health was looked at
	lost     time.Time // since when there is no registration; zero: there is one
	searched time.Time // when it was asked for last
	lossTold bool      // the log has it
}

// slot is a place in a memory of the modem.
type slot struct {
	store string
	index int
}

// ask sends a command whose failure concerns nobody: many modems lack it. Only an error of the line comes back.
func (s *session) ask(ctx context.Context, text string) ([]string, error) {
	info, err := s.l.command(ctx, text, s.t.Command)
	if err != nil && (isAnswer(err) || errors.Is(err, ErrNoAnswer) && !errors.Is(err, ErrRestarted)) {
		s.log.Debug("left aside", "err", err)
		return nil, nil
	}
	return info, err
}

// must sends a command without which there is no work, and repeats it while SIM or modem are busy, as they are for
// half a minute after a PIN (gsm-modem §1.4).
func (s *session) must(ctx context.Context, text string, timeout time.Duration) ([]string, error) {
	patience := time.Now().Add(s.t.SIM)
	for {
		info, err := s.l.command(ctx, text, timeout)
		if !isBusy(err) || time.Now().After(patience) {
			return info, err
		}
		if err := s.pause(ctx, s.t.Poll); err != nil {
			return nil, err
		}
	}
}

// isAnswer tells whether err is what a modem answered.
func isAnswer(err error) bool {
	var cms CMSError
	var cme CMEError
	return errors.As(err, &cms) || errors.As(err, &cme) || errors.Is(err, ErrError)
}

// isBusy tells whether err says that SIM or modem are still starting.
func isBusy(err error) bool {
	var cms CMSError
	var cme CMEError
	switch {
	case errors.As(err, &cms):
		return cms == 314 || cms == 515 || cms == 532
	case errors.As(err, &cme):
		return cme == 14 || cme == 515
	}
	return false
}

// blocked keeps the session in state sim while a person has to do something, and says so once.
func (s *session) blocked(ctx context.Context, err error) error {
	changed := s.m.setState(StateSIM)
	if again := !s.m.trouble(err); changed || !again {
		s.log.Warn("the SIM cannot be used", "err", err)
	}
	return s.pause(ctx, s.t.Blocked)
}

// outlasting is ctx, but it ends so much later. cancel must be called.
func outlasting(ctx context.Context, d time.Duration) (longer context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	late := time.AfterFunc(d, end)
	late.Stop()
	stop := context.AfterFunc(ctx, func() { late.Reset(d) })
	return longer, func() {
		stop()
		end()
		late.Stop()
	}
}

// sleep waits for d, or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	}
}
