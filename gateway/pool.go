package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

const (
	// watchEvery is how often the pool looks whether a modem may work again, or is missed for so long that others help.
	watchEvery = time.Second
	// lookAgain is how often an idle modem looks at the queue though nobody tells of a change: a message may wait for the
	// clock alone.
	lookAgain = 30 * time.Second
	// lookAfresh is how often a modem looks at the whole queue again, whatever it remembers of it.
	lookAfresh = 15 * time.Minute
)

// member is one modem of the pool: its driver, what it is for, and why it may have no work now.
type member struct {
	*modem.Modem
	spec string // the port as the configuration has it: a path, "auto", "imei:..." ...
	baud int
	seen store.Bookmark

	inForce      atomic.Pointer[ModemRules]
	rulesChanged hint

	pausing   sync.Mutex // one change of paused at a time, and none while a claim is made
	mu        sync.Mutex
	paused    store.ModemState // of which Paused, PausedAt, Reason and the last balance count
	credit    creditTrouble    // why the last readings of the balance failed
	lowTold   string           // the SIM of which the log has said that its credit is low; "" none
	spent     time.Time        // the store said at the prompt that the budget is used up: until then
	idleSince time.Time        // since when it can't take work; zero: it can
	idle      string           // why not, at the last look of the pool
	spills    bool             // it is out of work for so long that others take what is for it
	leaving   bool             // it is taken out of the gateway, and begins nothing more
	post      *post            // nil before its start

	// What the bookmark is good for. The queue's lock guards this and what follows.
	seenLine     string
	seenContacts bool
	seenAt       time.Time
	// short is a message that the budget had no room for. When it has, that one's account has its turn first: the others
	// would leave no room for a long text again.
	short *store.Message
}

// pool is all modems together.
type pool struct {
	db      *store.DB
	now     func() time.Time
	zone    *time.Location
	list    atomic.Pointer[[]*member] // is replaced, never changed
	pauses  Waits
	changed func()      // somebody may have work now who had none
	ending  atomic.Bool // nothing is begun any more: the gateway stops

	mu    sync.Mutex
	lines map[string]*lineHealth
	hard  map[store.ID]*trouble // messages that lines could not send, through no fault that is known to be theirs
}

func newPool(db *store.DB, opt Options, changed func()) *pool {
	p := &pool{
		db: db, now: opt.Now, zone: opt.Zone, pauses: opt.Waits, changed: changed,
		lines: make(map[string]*lineHealth), hard: make(map[store.ID]*trouble),
	}
	p.setMembers(nil)
	return p
}

// members are those that there are now, for the caller to read.
func (p *pool) members() []*member { return *p.list.Load() }

func (p *pool) setMembers(list []*member) { p.list.Store(&list) }

// make gives a member, which is not in the pool yet. With an error it is one that nobody has paused.
func (p *pool) make(m *modem.Modem, rules ModemRules) (x *member, err error) {
	x = &member{Modem: m, idleSince: p.now()}
	x.setRules(rules)
	x.paused, err = p.db.Modem(m.Name())
	return x, err
}

// rules are those in force. Who needs several that fit each other asks once.
func (x *member) rules() *ModemRules { return x.inForce.Load() }

func (x *member) setRules(rules ModemRules) {
	rules = rules.normal()
	x.inForce.Store(&rules)
	x.rulesChanged.set()
}

func (x *member) limits() store.Limits { return x.rules().limits() }

func (p *pool) member(name string) *member {
	for _, x := range p.members() {
		if x.Name() == name {
			return x
		}
	}
	return nil
}

// watch wakes those who wait when the clock has changed what a modem may do.
func (p *pool) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if p.db.Paused() { // nobody else may look again whether there is room
			if _, err := p.db.Disk(); err != nil {
				return err
			}
		}
		p.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look brings up to date which modems can work, and which are missed.
func (p *pool) look() {
	now := p.now()
	wake, spill := false, false
	for _, x := range p.members() {
		why, ailed := p.whyIdle(x, now), p.ailed(x.Status().Line())
		x.mu.Lock()
		if (why == "") != (x.idle == "") {
			wake = true
		}
		switch {
		case why == "":
			x.idleSince = time.Time{}
		case x.idleSince.IsZero():
			x.idleSince = now
		}
		x.idle = why
		if why != "" { // between two tries that fail it seems to be at work
			ailed = max(ailed, now.Sub(x.idleSince))
		}
		after := x.rules().SpillAfter
		spills := after > 0 && ailed >= after
		if spills != x.spills {
			x.spills, spill = spills, true
		}
		x.mu.Unlock()
	}
	if spill {
		p.reset()
	}
	if wake || spill {
		p.changed()
	}
}

// returned tells of rows that came back into the queue.
func (p *pool) returned(places []store.Place) {
	if len(places) == 0 {
		return
	}
	for _, x := range p.members() {
		x.seen.Returned(places)
	}
}

// reset has all modems look at the whole queue again.
func (p *pool) reset() {
	for _, x := range p.members() {
		x.seen.Reset()
	}
}

// whyIdle says in a sentence why a modem takes no work now; "" if it does.
func (p *pool) whyIdle(x *member, now time.Time) string {
	st := x.Status()
	if why := p.heldBack(x, st.Line(), false, now); why != "" {
		return why
	}
	if why := p.overBudget(x, st.Line(), now); why != "" || canSend(st) {
		return why
	}
	why := fmt.Sprintf("It %s.", StateWords(st))
	if awaited := Awaited(st, now); awaited != "" {
		return why + " " + awaited
	}
	return why + lastError(st)
}

// heldBack says why a modem that is ready must not be given anything with that SIM; "" if it may. begun: it is in the
// middle of a message, which quiet hours do not cut in two.
func (p *pool) heldBack(x *member, line string, begun bool, now time.Time) string {
	x.mu.Lock()
	paused, spent, leaving := x.paused, x.spent, x.leaving
	x.mu.Unlock()
	rules := x.rules()
	switch {
	case p.ending.Load():
		return "The gateway stops."
	case leaving:
		return "It is being taken out, as the configuration was changed."
	case p.db.Paused():
		return "The disk is full: what becomes of a message could not be written down."
	case paused.Paused && paused.Reason != "":
		return fmt.Sprintf("It is paused since %s: %s.", clock(paused.PausedAt), paused.Reason)
	case paused.Paused:
		return fmt.Sprintf("It is paused since %s.", clock(paused.PausedAt))
	case !begun && rules.Balance.short(paused, line):
		return lowCredit(paused)
	case !begun && rules.Quiet.holds(now.In(p.zone)):
		return fmt.Sprintf("It has its quiet hours until %s.", rules.Quiet.end())
	case now.Before(spent):
		return fmt.Sprintf("The budget of its SIM is used up until %s.", clock(spent))
	}
	return p.lineIdle(line, now)
}

// overBudget says that a SIM may not send one more part; "" if it may.
func (p *pool) overBudget(x *member, line string, now time.Time) string {
	limits := x.limits()
	if !limits.Any() {
		return ""
	}
	u, err := p.db.Usage(line, now)
	if err != nil {
		return "What its SIM has sent can't be read: " + err.Error() + "."
	}
	if full := u.Full(limits, now.In(p.zone)); full != nil {
		return fmt.Sprintf("The budget of its SIM is used up: %v; the next %s begins at %s.", full, full.Window,
			clock(full.Resets))
	}
	return ""
}

// errHeldBack: between the pick and the prompt the modem was told to begin nothing.
var errHeldBack = errors.New("the modem is to begin nothing now")

// spentUntil notes that the store refused a claim for want of budget. As what has no room is not picked, that is because
// the store does not believe the clock: it is asked again soon, but not at once.
func (p *pool) spentUntil(x *member, e *store.BudgetError) {
	until := e.Resets
	if most := p.now().Add(time.Minute); until.After(most) {
		until = most
	}
	x.mu.Lock()
	x.spent = until
	x.mu.Unlock()
}

// route tells which modems a message is for first, and which may take it now because those are out of work for long.
// A message whose first parts are on air is for their SIM alone.
func (p *pool) route(m *store.Message) (first, others []*member) {
	best := unfit
	for _, x := range p.members() {
		best = max(best, x.rules().fit(m))
	}
	if best == unfit {
		return nil, nil
	}
	spill := true
	for _, x := range p.members() {
		if x.rules().fit(m) == best {
			first = append(first, x)
			spill = spill && x.missed()
		}
	}
	if spill {
		others = p.helpers(m, best)
	}
	return first, others
}

// helpers are the modems that may stand in for those whom a message fits best.
func (p *pool) helpers(m *store.Message, best int) (others []*member) {
	for _, x := range p.members() {
		fit := x.rules().fit(m)
		if fit != best && (fit > unfit || len(x.rules().Accounts) == 0) {
			others = append(others, x)
		}
	}
	return others
}

// standsInFor names the modems that a message is for, if that one is not among them.
func (p *pool) standsInFor(x *member, m *store.Message) string {
	first, _ := p.route(m)
	if slices.Contains(first, x) {
		return ""
	}
	var names []string
	for _, y := range first {
		names = append(names, y.Name())
	}
	return strings.Join(names, " ")
}

// spillsAt tells from when others take what is for a modem, if it does no work until then. ok is false if that is not to
// be: it works, or is waited for however long.
func (p *pool) spillsAt(x *member, now time.Time) (at time.Time, ok bool) {
	ailing, again := p.ailing(x.Status().Line())
	x.mu.Lock()
	defer x.mu.Unlock()
	after := x.rules().SpillAfter
	switch {
	case after <= 0:
		return time.Time{}, false
	case x.spills:
		return now, true
	case x.idle == "" || x.idleSince.IsZero():
		return time.Time{}, false
	}
	at = x.idleSince.Add(after)
	if ailing.IsZero() {
		return at, true
	}
	next := ailing.Add(after) // with the first try from then on that fails like those before
	if again.After(next) {
		next = again
	}
	if next.After(now) && next.Before(at) {
		at = next
	}
	return at, true
}

// homeless tells whether a message is for none of the modems that are configured.
func (p *pool) homeless(m *store.Message) bool {
	first, _ := p.route(m)
	return len(first) == 0 && m.Line == "" && len(p.members()) > 0
}

func (x *member) missed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.spills
}

// takes tells whether a message is for a modem with that SIM.
func (p *pool) takes(x *member, line string, m *store.Message) bool {
	if m.Line != "" {
		return m.Line == line
	}
	first, others := p.route(m)
	return slices.Contains(first, x) || slices.Contains(others, x)
}

// yields tells whether a modem that fails with each text leaves one that had trouble to others, which were at work when
// they were looked at last; for a while only, as it does not look into the store.
func (p *pool) yields(x *member, m *store.Message, now time.Time) bool {
	if !x.missed() || m.Line != "" || !p.troubled(m.ID) {
		return false
	}
	first, others := p.route(m)
	atWork := slices.ContainsFunc(append(first, others...), func(y *member) bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y != x && !y.spills && y.idle == "" && y.idleSince.IsZero()
	})
	return atWork && p.leaves(m.ID, now)
}

// elsewhere tells whether another modem could take a message at this moment.
func (p *pool) elsewhere(x *member, m *store.Message, now time.Time) bool {
	first, others := p.route(m)
	return slices.ContainsFunc(append(first, others...), func(y *member) bool {
		return y != x && p.whyIdle(y, now) == "" && (m.Line == "" || m.Line == y.Status().Line())
	})
}
