package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// ModemView is a modem as people see it: the state of its line, and what the gateway does with it.
type ModemView struct {
	modem.Status
	Route        string // in words: which messages it is for
	Waiting      string // why it takes no work now, in a sentence; "" if it does
	Paused       bool   // an operator has taken it out of work
	PausedReason string
	PausedAt     time.Time
	Alarm        string    // what somebody has to look after, in a sentence; "" nothing
	BarredUntil  time.Time // the network does not let its SIM send, so it is left alone; zero: it does
	Quiet        bool      // it has its quiet hours
	QuietHours   string    // "22:00-07:00"; "" none
	SpillAfter   time.Duration
	Spills       bool        // it is out of work for so long that others take what is for it
	Budget       []BudgetUse // of its SIM; one for each limit
	Balance      Balance     // credit of its SIM
}

// BudgetUse is how much of one limit is used.
type BudgetUse struct {
	Window      string // "minute", "hour", "day" or "month"
	Used, Limit int    // parts; recipients in a month
	Resets      time.Time
}

// ModemViews tells how each modem is, in the order of the configuration.
func (g *Gateway) ModemViews() []ModemView {
	list := make([]ModemView, len(g.pool.members()))
	for i, x := range g.pool.members() {
		list[i] = g.view(x)
	}
	return list
}

// view is the pool's, and knows whether the gateway runs.
func (g *Gateway) view(x *member) ModemView {
	v := g.pool.view(x)
	if !g.Running() {
		v.Waiting = strings.TrimSpace("No gateway is running; start it with `smsgateway serve`. " +
			g.pool.heldBack(x, v.Line(), false, g.opt.Now()))
	}
	return v
}

// view leaves the budget out if it can't be read; Waiting says so then.
func (p *pool) view(x *member) ModemView {
	now := p.now()
	v := ModemView{
		Status: x.Status(), Route: x.rules().String(), Waiting: p.whyIdle(x, now), QuietHours: x.rules().Quiet.String(),
		Quiet: x.rules().Quiet.holds(now.In(p.zone)), SpillAfter: x.rules().SpillAfter, Spills: x.missed(),
	}
	if v.Waiting == "" {
		v.Waiting = Awaited(v.Status, now)
	}
	v.BarredUntil, v.Alarm = p.barred(v.Line(), now)
	v.Balance = x.balance(v.Line())
	x.mu.Lock()
	v.Paused, v.PausedReason, v.PausedAt = x.paused.Paused, x.paused.Reason, x.paused.PausedAt
	x.mu.Unlock()
	if !x.limits().Any() {
		return v
	}
	used, err := p.db.Usage(v.Line(), now)
	if err != nil {
		return v
	}
	for i, limit := range x.limits() {
		if w := store.Window(i); limit > 0 {
			v.Budget = append(v.Budget, BudgetUse{w.String(), used.Used[i], limit, used.Resets(w, now.In(p.zone))})
		}
	}
	return v
}

// mostReason is how long the reason of a pause may be, in octets.
const mostReason = 200

// PauseModem takes a modem out of work until it is resumed, over restarts, too. It goes on receiving, and what it has on
// the air goes out. reason is for people and may be "". *InputError: there is no such modem, or reason is long. To pause
// a paused one changes nothing but the reason, if one is given.
func (g *Gateway) PauseModem(name, reason string) error {
	if len(reason) > mostReason {
		return &InputError{"reason", fmt.Sprintf("has %d octets; it is shown wherever a message waits, so %d are the most",
			len(reason), mostReason)}
	}
	var again bool
	var why string // the reason that stands
	err := g.updateModem(name, func(s *store.ModemState) error {
		if again = s.Paused; !again {
			s.Paused, s.PausedAt, s.Reason = true, g.opt.Now().UTC(), ""
		}
		if reason != "" {
			s.Reason = strings.TrimSuffix(reason, ".")
		}
		why = s.Reason
		return nil
	})
	switch {
	case err != nil:
		return err
	case again:
		g.log.Info("modem was paused already", "modem", name, "reason", why)
	default:
		g.log.Info("modem paused by the operator", "modem", name, "reason", why)
	}
	return nil
}

// ResumeModem gives a paused modem work again, and one whose credit is low until the next reading. *InputError: there is
// no such modem. One that works goes on.
func (g *Gateway) ResumeModem(name string) error {
	var paused, short bool
	err := g.updateModem(name, func(s *store.ModemState) error {
		x := g.pool.member(name)
		paused, short = s.Paused, x.rules().Balance.short(*s, x.Status().Line())
		s.Paused, s.PausedAt, s.Reason = false, time.Time{}, ""
		s.BalanceIgnored = x.rules().Balance.low(*s) // one that is enough is waived by nobody
		return nil
	})
	switch {
	case err != nil:
		return err
	case paused:
		g.log.Info("modem resumed by the operator", "modem", name)
	case short:
		g.log.Info("modem with little credit is given messages by the operator, until the next reading", "modem", name)
	}
	return nil
}

func (g *Gateway) updateModem(name string, change func(*store.ModemState) error) error {
	x := g.pool.member(name)
	if x == nil {
		return &InputError{"modem", fmt.Sprintf("%q is not configured; `smsgateway modem list` names those that are", name)}
	}
	x.pausing.Lock() // what is in memory and what is on disk change in the same order
	defer x.pausing.Unlock()
	state, err := g.db.UpdateModem(name, change)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.paused = state
	x.mu.Unlock()
	g.pool.look()
	g.queue.hint.set()
	return nil
}

const noModemFor = "No modem is for it: there is none whose prefixes, accounts and sources fit, and none without such rules."

// whyNoModem tells of a message that is due which modems may take it, and why each does not.
func (g *Gateway) whyNoModem(m *store.Message) string {
	now := g.opt.Now()
	if m.Line != "" {
		for _, x := range g.pool.members() {
			if x.Status().Line() == m.Line {
				return "Its other parts have to leave by the SIM in modem " + x.Name() + ". " + g.pool.whyNotNow(x, m, now)
			}
		}
		return "The parts of it that are sent left by a SIM that no modem has now; the others wait for that one."
	}
	first, others := g.pool.route(m)
	switch {
	case len(first) == 0 && len(g.pool.members()) > 0:
		return noModemFor
	case len(g.pool.members()) == 1:
		return g.pool.whyNotNow(first[0], m, now)
	}
	var words []string
	for _, x := range slices.Concat(first, others) {
		words = append(words, fmt.Sprintf("Modem %s: %s", x.Name(), g.pool.whyNotNow(x, m, now)))
	}
	return strings.Join(words, " ") + g.pool.whoElse(m, now)
}

// whoElse tells of a message whose modems are all out of work from when others may take it, behind other sentences; "" if
// they will not.
func (p *pool) whoElse(m *store.Message, now time.Time) string {
	first, others := p.route(m)
	if len(others) > 0 {
		return " Other modems may take it now."
	}
	if len(first) == 0 || len(p.helpers(m, first[0].rules().fit(m))) == 0 {
		return ""
	}
	var at time.Time
	for _, x := range first {
		spills, ok := p.spillsAt(x, now)
		if !ok {
			return ""
		}
		if spills.After(at) {
			at = spills
		}
	}
	return " Other modems may take it from " + clock(at) + "." + tooLate(m, at)
}

// whyNotNow tells why a modem that may take a message does not.
func (p *pool) whyNotNow(x *member, m *store.Message, now time.Time) string {
	if why := p.whyIdle(x, now); why != "" {
		if p.heldBack(x, x.Status().Line(), false, now) == "" {
			if u, err := p.db.Usage(x.Status().Line(), now); err == nil {
				if full := u.Full(x.limits(), now.In(p.zone)); full != nil {
					why += tooLate(m, full.Resets)
				}
			}
		}
		return why
	}
	const turn = "It waits for its turn."
	if why := Awaited(x.Status(), now); why != "" {
		return why
	}
	if p.waits(m.ID, now) {
		return "It had no prompt for this message several times; others go first for a while."
	}
	if p.yields(x, m, now) {
		return "It fails with each text, and leaves this one to others for a while."
	}
	if !x.limits().Any() {
		return turn
	}
	line := x.Status().Line()
	u, err := p.db.Usage(line, now)
	if err != nil {
		return "What its SIM has sent can't be read: " + err.Error() + "."
	}
	if full := u.Room(m, x.limits(), now.In(p.zone)); full != nil {
		return fmt.Sprintf("The budget of its SIM has no room for all %d parts: %v; the next %s begins at %s.",
			len(m.Parts), full, full.Window, clock(full.Resets)) + tooLate(m, full.Resets)
	}
	if most := x.limits()[store.Month]; most > 0 && m.Line == "" && u.Used[store.Month] >= most {
		known, err := p.db.Contact(line, m, now)
		if err == nil && !known {
			begins := u.Resets(store.Month, now.In(p.zone))
			return fmt.Sprintf("This month's budget of different numbers (%d) is used up, and this is not one of them; "+
				"the next month begins at %s.", most, clock(begins)) + tooLate(m, begins)
		}
	}
	return turn
}

// tooLate says of a message that waits for a time whether it ends before.
func tooLate(m *store.Message, at time.Time) string {
	if m.Expires.IsZero() || !m.Expires.Before(at) {
		return ""
	}
	return " The message ends before that."
}
