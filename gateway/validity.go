package gateway

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// vpForm is how TP-VP tells the SMSC when a message expires (TS 23.040 §9.2.3.12). Relative is what all modem programs that
// we know use (gammu, Kannel, smstools, ModemManager), in steps of 5 minutes and more; only the absolute form says it to
// the second. The enhanced form could do so without a clock, but nobody is known to send it, and networks may not take it.
type vpForm uint8

const (
	vpAbsolute vpForm = iota
	vpRelative        // rounded up
	vpNone
)

// String is the form in a word.
func (f vpForm) String() string { return [...]string{"absolute", "relative", "none"}[f] }

const (
	// vpTrial is how long a SIM is spared the absolute form for a message that was refused with it, for reasons that may be
	// others: then it is tried with it again.
	vpTrial = 15 * time.Minute
	// vpSkew is by how much the SMSC's clock may differ from ours. By one that is wrong, ours or its, an absolute TP-VP would
	// end a message at once, or hours too late.
	vpSkew = 30 * time.Second
)

// validities is what is known of SIMs and TP-VP. It is in memory alone: after a restart the network refuses once more.
type validities struct {
	now func() time.Time

	mu     sync.Mutex
	lines  map[string]*vpLine
	unsure bool // our time may be wrong, until the network's agrees
}

type vpLine struct {
	best    vpForm    // that the network takes, as far as is known
	took    bool      // it has taken the absolute one
	trial   store.ID  // the message because of which best is vpRelative, while it may have been refused for another reason
	ends    time.Time // of that trial
	skewed  bool      // the status reports tell of another time than ours
	skewLog bool      // the log has said so
}

func newValidities(now func() time.Time) *validities {
	return &validities{now: now, lines: make(map[string]*vpLine)}
}

// doubt: nobody knows whether our time is right. A network that was told the end of validity by a wrong clock would throw the
// text away at once, so it is told how long that lasts, until its status reports show that it has the same time.
func (v *validities) doubt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unsure = true
	for _, l := range v.lines {
		l.skewed = true
	}
}

func (v *validities) line(line string) *vpLine {
	l := v.lines[line]
	if l == nil {
		l = &vpLine{skewed: v.unsure}
		v.lines[line] = l
	}
	return l
}

// form chooses for a message and a SIM. The absolute one is for what a client has bounded and steps can't say. waits: the
// text is made ready behind another one, so it is not known when the network will count these steps from.
func (v *validities) form(m *store.Message, line string, round, waits bool, now time.Time) vpForm {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.line(line)
	if l.trial != 0 && !now.Before(l.ends) {
		l.best, l.trial = vpAbsolute, 0
	}
	left := m.Expires.Sub(now)
	steps := !waits && sms.RelativeValidity(left)-left < time.Second && left > 0
	if l.best == vpAbsolute && (!m.Bounded || steps || round || l.skewed) {
		return vpRelative
	}
	return l.best
}

// vpFaults are the causes that a network or a modem may give for a TP-VP that it does not take, beside those that say so:
// facility not implemented, semantically incorrect, invalid mandatory information, unknown message type or element, protocol
// error, TPDU not supported (TS 24.011 annex E, TS 23.040 §9.2.3.22), and the modem's "invalid PDU".
var vpFaults = map[modem.CMSError]bool{69: true, 95: true, 96: true, 97: true, 99: true, 111: true, 175: true, 176: true, 304: true}

// TP-FCS for TP-VPF and TP-VP (TS 23.040 §9.2.3.22).
const (
	fcsNoVPF modem.CMSError = 198
	fcsNoVP  modem.CMSError = 199
)

// refused learns from a refusal whether it was about TP-VP, and tells whether the message is to be tried at once in another
// form (delivery-semantics, section 7: 198 and 199).
func (v *validities) refused(id store.ID, line string, form vpForm, cause error, log *slog.Logger) (again bool) {
	var cms modem.CMSError
	if !errors.As(cause, &cms) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.line(line)
	switch {
	case (cms == fcsNoVPF || cms == fcsNoVP) && form < vpNone:
		if l.best < form+1 || l.trial != 0 {
			l.best, l.trial = form+1, 0
			log.Warn("the network refuses this form of validity (TP-VP); another is used from now on", "cause", int(cms), "form", l.best.String())
		}
		return true
	case vpFaults[cms] && form == vpAbsolute:
		v.try(l, id)
		return true
	case l.trial == id && form == vpRelative: // it was not that
		l.best, l.trial = vpAbsolute, 0
	}
	return false
}

// suspect is refused for an error that usually means that a text was not sent, and does not say why: a modem may answer so
// to a TP-VP that it can't read.
func (v *validities) suspect(id store.ID, line string, form vpForm) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch l := v.line(line); {
	case form == vpAbsolute:
		v.try(l, id)
	case l.trial == id && form == vpRelative:
		l.best, l.trial = vpAbsolute, 0
	}
}

// try has the relative form used until a message shows whether it helps.
func (v *validities) try(l *vpLine, id store.ID) {
	if l.best == vpAbsolute {
		l.best, l.trial, l.ends = vpRelative, id, v.now().Add(vpTrial)
	}
}

// sent learns from a text that the network took.
func (v *validities) sent(id store.ID, line string, form vpForm, log *slog.Logger) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.line(line)
	switch {
	case form == vpAbsolute:
		l.took = true
	case l.trial != id || form != vpRelative:
	case l.took: // it was something else, and is over
		l.best, l.trial = vpAbsolute, 0
	default:
		l.trial = 0
		log.Warn("the network takes no validity to the second (TP-VP); it is rounded up from now on")
	}
}

// clock compares the SMSC's clock with ours: it took the message, so it says, when the modem gave it the text.
func (v *validities) clock(m *store.Message, line string, ref uint8, taken time.Time, log *slog.Logger) {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Line != line || p.Ref != ref || taken.IsZero() || p.ClaimedAt.IsZero() || p.SentAt.IsZero() || p.SentAt.Equal(taken) {
			continue
		}
		skewed := taken.Before(p.ClaimedAt.Add(-vpSkew)) || taken.After(p.SentAt.Add(vpSkew))
		v.mu.Lock()
		l := v.line(line)
		tell := skewed && !l.skewLog
		l.skewed, l.skewLog = skewed, l.skewLog || skewed
		v.mu.Unlock()
		if tell {
			log.Warn("the network's clock differs from ours: look at the time of this machine. Until they agree, the validity that the network is told is rounded up",
				"ours", p.SentAt.UTC().Format(time.DateTime), "network", taken.UTC().Format(time.DateTime))
		}
	}
}

// otherDay is how far the network's clock may be off, at the most, if only its zone is wrong.
const otherDay = 24 * time.Hour

// differ tells whether the network's clock and ours are known to differ. What was discharged at a moment comes at that moment,
// unless it had to wait in the modem.
func (v *validities) differ(line string, discharged time.Time, waited bool, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.line(line)
	if !waited && !discharged.IsZero() && discharged.Before(now.Add(-otherDay)) {
		l.skewed = true
	}
	return l.skewed
}

// setValidity writes the end of validity into a TPDU in a form. An absolute one has the zone of the box: a network that
// overlooks the zone is most likely in the same.
func setValidity(p *sms.Submit, form vpForm, expires time.Time, zone *time.Location, now time.Time) {
	left := max(expires.Sub(now), time.Second)
	switch form {
	case vpAbsolute:
		vp, err := sms.AbsoluteVP(now.Add(left).Truncate(time.Second).In(zone))
		if err == nil {
			p.VPRaw = vp
			return
		}
		fallthrough // a year that can't be written
	case vpRelative:
		p.Validity = left
	}
}
