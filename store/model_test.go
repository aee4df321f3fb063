package store

import (
	"slices"
	"time"

	"smsgateway/sms"
)

// model is what the store should be, in plain maps: no keys, no timers, no indexes. What it says of a message follows
// from delivery-semantics alone, by looking at everything each time.
type model struct {
	opt      Options
	messages map[ID]*modelMessage
	gone     map[ID]modelGone
	orphans  []modelOrphan
	lines    map[string]modelLine
	policy   map[uint32]UncertainPolicy
	disabled map[uint32]bool
	expires  map[uint32]time.Time
	limits   map[uint32]QueueLimits
	taken    []modelTaken
	told     map[ID][]string // receipts, by message
	last     map[string]modelLast
	steps    []TimerStep // of the last tick, without reasons
	once     map[modelKey]modelFirst
	afford   func(m *modelMessage) string // what the SIM's budget says of a claim; nil: nothing
	rest     modelRest
}

// modelKey is what makes a message the same as one before, modelFirst that one.
type modelKey struct {
	lane      uint32
	reference uint16
	content   [16]byte
}

type modelFirst struct {
	id     ID
	texts  [][]string // of it, and of those behind it
	at     time.Time
	window time.Duration
	note   string
}

// modelLast is what a line was given last, if that became uncertain.
type modelLast struct {
	id   ID
	part int
	next time.Time // when it was given another one
}

type modelMessage struct {
	id                          ID
	lane                        uint32
	state                       State
	priority, wish              uint8
	to, line, service           string
	texts                       []string
	accepted, due, expires      time.Time
	sentAt, endedAt, doubtEnds  time.Time
	doubted, duplicate, bounded bool
	suspect                     bool
	resends, refusals           int
	toldSent, toldTrying        bool
	held, copied, textless      bool
	dueMoment, expiresMoment    bool
	acts                        int // of operators
	parts                       []modelPart
}

type modelPart struct {
	state       PartState
	line        string
	ref         uint8
	status      int
	guess, row  bool // ref is a guess; reports look here
	blind       bool // and not even that is known
	claimed, at time.Time
	attempts    int
	former      *modelPart // the try in doubt before the claim
}

type modelGone struct {
	lane  uint32
	until time.Time
}

type modelOrphan struct {
	line string
	r    Report
	at   time.Time
}

type modelLine struct {
	ref     uint8
	reports bool
	at      time.Time
	stale   bool
}

// What a verb answers.
const (
	fine     = ""
	state    = "state"
	notFound = "not found"
	isGone   = "gone"
	busy     = "busy"
)

// inDoubt: it is uncertain, or waits since it was.
func (p modelPart) inDoubt() bool { return p.state == PartUncertain || p.state == PartWaiting && p.row }

// notAgain: it need not be sent again; and if nothing ever was, nothing is a duplicate.
func (m *modelMessage) notAgain(p *modelPart) {
	if p.state == PartWaiting && !slices.ContainsFunc(m.parts, func(q modelPart) bool { return q.attempts > 1 }) {
		m.duplicate = false
	}
}

func newModel(opt Options) *model {
	return &model{
		opt: opt.withDefaults(), messages: make(map[ID]*modelMessage), gone: make(map[ID]modelGone),
		lines: make(map[string]modelLine), policy: make(map[uint32]UncertainPolicy), disabled: make(map[uint32]bool),
		expires: make(map[uint32]time.Time), limits: make(map[uint32]QueueLimits),
		told: make(map[ID][]string), last: make(map[string]modelLast), once: make(map[modelKey]modelFirst),
		rest: newModelRest(),
	}
}

func (o *model) enqueue(id ID, m *Message) {
	o.taken = append(o.taken, modelTaken{m.Lane, m.Accepted, len(m.Parts)})
	o.messages[id] = &modelMessage{
		id: id, lane: m.Lane, state: Queued, priority: m.Priority, wish: m.RegisteredDelivery, to: m.Destination.Number,
		accepted: m.Accepted, due: m.Due, expires: m.Expires, parts: make([]modelPart, len(m.Parts)), service: m.ServiceType,
		dueMoment: m.DueMoment, expiresMoment: m.ExpiresMoment,
	}
	for _, p := range m.Parts {
		o.messages[id].texts = append(o.messages[id].texts, string(p.Data))
	}
}

// policyOf is what the account of a lane wishes, or else the gateway's default.
func (o *model) policyOf(lane uint32) UncertainPolicy {
	if p := o.policy[lane]; p != "" {
		return p
	}
	return o.opt.Uncertain
}

// find gives the message or what is answered without it.
func (o *model) find(id ID) (*modelMessage, string) {
	if m := o.messages[id]; m != nil {
		return m, fine
	}
	if _, was := o.gone[id]; was {
		return nil, isGone
	}
	return nil, notFound
}

func (m *modelMessage) waits() bool { return m.state == Queued || m.state == Partial }

func (m *modelMessage) firstWaiting() int {
	return slices.IndexFunc(m.parts, func(p modelPart) bool { return p.state == PartWaiting })
}

// sendable lists what Next may give, in its order when the lane after 0 has its turn.
func (o *model) sendable(now time.Time) (ids []ID) {
	var list []*modelMessage
	for _, m := range o.messages {
		if m.waits() && !m.due.After(now) && now.Before(m.expires) && !o.held(m.lane, now) {
			list = append(list, m)
		}
	}
	rank := func(m *modelMessage) int { return int(m.lane)<<1 + min(int(m.priority), 1)*-1 + 1 }
	slices.SortFunc(list, func(a, b *modelMessage) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return int(a.id) - int(b.id)
	})
	for _, m := range list {
		ids = append(ids, m.id)
	}
	return ids
}

func (o *model) claim(id ID, part int, line string, now time.Time) string {
	m, no := o.find(id)
	switch {
	case no != fine:
		return no
	case !m.waits():
		return state
	case !now.Before(m.expires):
		o.expire(m, now)
		return state
	case m.due.After(now), part != m.firstWaiting(), m.line != "" && m.line != line, o.held(m.lane, now):
		return state
	}
	for _, other := range o.messages {
		for _, p := range other.parts {
			if p.state == PartClaimed && p.line == line {
				return busy
			}
		}
	}
	if o.afford != nil {
		if no := o.afford(m); no != fine {
			return no
		}
	}
	p := &m.parts[part]
	if p.former = nil; p.row {
		was := *p
		p.former = &was
	}
	p.state, p.line, p.claimed, p.guess, p.ref = PartClaimed, line, now, false, 0
	p.row, p.blind = false, false
	if last, known := o.lines[line]; known && !last.stale {
		p.ref, p.guess = last.ref+1, true
	}
	p.attempts++
	m.state, m.line = Claimed, line
	if l, doubted := o.last[line]; doubted && l.next.IsZero() {
		l.next = now
		o.last[line] = l
	}
	return fine
}

// claimed gives the part if a modem has it.
func (o *model) claimed(id ID, part int) (*modelMessage, *modelPart, string) {
	m, no := o.find(id)
	if no != fine {
		return nil, nil, no
	}
	if part >= len(m.parts) || m.parts[part].state != PartClaimed {
		return nil, nil, state
	}
	return m, &m.parts[part], fine
}

func (o *model) sent(id ID, part int, ref uint8, reports bool, now time.Time) string {
	m, p, no := o.claimed(id, part)
	if no != fine {
		return no
	}
	o.lines[p.line] = modelLine{ref, reports, p.claimed, false}
	o.take(m, p, ref, reports, now)
	return fine
}

func (o *model) take(m *modelMessage, p *modelPart, ref uint8, reports bool, now time.Time) {
	p.state, p.ref, p.guess, p.at = PartAccepted, ref, false, now
	if reports {
		p.state, p.row = PartSent, true
	}
	o.settle(m, now)
	o.early(p.line, now)
}

// early looks again at reports that came while the line's modem was busy.
func (o *model) early(line string, now time.Time) {
	o.orphans = slices.DeleteFunc(o.orphans, func(w modelOrphan) bool {
		return w.line == line && now.Sub(w.at) < 24*time.Hour && o.apply1(line, w.r, w.at, now) != nil
	})
}

func fits(r Report, m *modelMessage) bool {
	return r.Recipient == "" || sms.SameNumber(r.Recipient, m.to)
}

func (o *model) refused(id ID, part int, r Refusal, now time.Time) string {
	m, p, no := o.claimed(id, part)
	if no != fine {
		return no
	}
	if !r.kept {
		o.spoil(p)
	} else {
		o.rest.refund(m, part)
	}
	if r.Counted {
		m.refusals++
	}
	line, former := p.line, p.former
	if (r.Final == 0 || r.Final == Unknown) && former != nil {
		p.line, p.ref, p.guess, p.blind, p.claimed, p.row = former.line, former.ref, former.guess, former.blind, former.claimed, true
	}
	switch r.Final {
	case 0:
		p.state, m.due, m.dueMoment = PartWaiting, now.Add(r.Wait), false
		o.settle(m, now)
	case Unknown:
		p.state = PartUnknown
		o.settle(m, now)
	default:
		p.state = PartFailed
		o.finish(m, r.Final, now)
	}
	if former != nil && former.line != line {
		o.early(former.line, now)
	}
	o.early(line, now)
	return fine
}

// spoil: the try may have used up a TP-MR.
func (o *model) spoil(p *modelPart) {
	if last, known := o.lines[p.line]; known && !last.at.After(p.claimed) {
		o.lines[p.line] = modelLine{last.ref, last.reports, p.claimed, true}
	}
}

func (o *model) doubt(id ID, part int, now time.Time) string {
	if m, _, no := o.claimed(id, part); no == fine {
		m.suspect = false
	}
	return o.doubtFor(id, part, o.opt.UncertainWait, now)
}

func (o *model) doubtFor(id ID, part int, wait time.Duration, now time.Time) string {
	m, p, no := o.claimed(id, part)
	if no != fine {
		return no
	}
	p.state, m.doubted = PartUncertain, true
	m.doubtEnds = now.Add(wait)
	if m.expires.Before(m.doubtEnds) {
		m.doubtEnds = m.expires
	}
	if m.doubtEnds.Before(now) {
		m.doubtEnds = now
	}
	p.row, p.blind = true, !p.guess
	o.last[p.line] = modelLast{id: id, part: part}
	o.spoil(p)
	o.settle(m, now)
	o.early(p.line, now)
	return fine
}

func (o *model) settleDoubt(id ID, part int, sent bool, ref uint8, now time.Time) string {
	return o.resolve(id, part, sent, ref, nil, now)
}

func (o *model) resolve(id ID, part int, sent bool, ref uint8, reports *bool, now time.Time) string {
	m, no := o.find(id)
	if no != fine {
		return no
	}
	if part >= len(m.parts) || !m.parts[part].inDoubt() {
		return state
	}
	p := &m.parts[part]
	p.row, p.blind = false, false
	if !sent {
		p.state, m.due, m.dueMoment = PartWaiting, now, false
		o.settle(m, now)
		return fine
	}
	m.notAgain(p)
	last, known := o.lines[p.line]
	if known && !last.at.After(p.claimed) {
		o.lines[p.line] = modelLine{ref, last.reports, p.claimed, false}
	}
	if reports == nil {
		given := last.reports || !known
		reports = &given
	}
	o.take(m, p, ref, *reports, now)
	return fine
}

// givenAt finds the part that a line was given then, if it became uncertain.
func (o *model) givenAt(line string, given time.Time) (*modelMessage, int, string) {
	for _, m := range o.messages {
		for _, p := range m.parts {
			if p.state == PartClaimed && p.line == line && !p.claimed.After(given) {
				return nil, 0, busy
			}
		}
	}
	l, was := o.last[line]
	m := o.messages[l.id]
	if !was || m == nil || !l.next.IsZero() && !given.Before(l.next) {
		return nil, 0, fine
	}
	switch since := given.Sub(m.parts[l.part].claimed); {
	case since < 0:
		return o.doubtBefore(line, given)
	case since > time.Minute:
		return nil, 0, fine
	}
	return m, l.part, fine
}

// doubtBefore is that for a part behind which another one became uncertain.
func (o *model) doubtBefore(line string, given time.Time) (last *modelMessage, part int, no string) {
	var newest time.Time
	for _, m := range o.messages {
		for n, p := range m.parts {
			if !p.row || p.line != line || p.claimed.After(given) || given.Sub(p.claimed) > time.Minute {
				continue
			}
			switch {
			case p.claimed.After(newest):
				last, part, newest = m, n, p.claimed
			case p.claimed.Equal(newest):
				last = nil
			}
		}
	}
	if last == nil || last.suspect || !last.parts[part].inDoubt() {
		return nil, 0, fine
	}
	return last, part, fine
}

// settleGiven gives the id of the message that it settled, 0 for none.
func (o *model) settleGiven(line string, given time.Time, ref uint8, reports bool, now time.Time) (ID, string) {
	m, part, no := o.givenAt(line, given)
	if m == nil || m.parts[part].guess && m.parts[part].ref != ref || o.resolve(m.id, part, true, ref, &reports, now) != fine {
		return 0, no
	}
	return m.id, fine
}

// doubtGiven gives the id of the message that is tried again because of it, 0 for none.
func (o *model) doubtGiven(line string, given time.Time, most int) (ID, string) {
	m, part, no := o.givenAt(line, given)
	if m == nil || o.policyOf(m.lane) == PolicyNever || m.state != Uncertain || m.held ||
		m.parts[part].state != PartUncertain || m.suspect || m.refusals+1 >= most {
		return 0, no
	}
	m.suspect = true
	m.refusals++
	return m.id, fine
}

// suspect: the modem said something that usually means that it was not sent.
func (o *model) suspect(id ID, part int, r Refusal, now time.Time) string {
	m, _, no := o.claimed(id, part)
	if no != fine {
		return no
	}
	if r.Counted {
		m.refusals++
	}
	m.suspect = true
	return o.doubtFor(id, part, r.Wait, now)
}

func (o *model) cancel(lane uint32, id ID, now time.Time) string {
	if g, was := o.gone[id]; was && g.lane == lane {
		return isGone
	}
	m := o.messages[id]
	switch {
	case m == nil || m.lane != lane:
		return notFound
	case m.state == Deleted:
		return fine
	case m.state != Queued || m.doubted:
		return state
	}
	o.finish(m, Deleted, now)
	return fine
}

func (o *model) cancelMatching(lane uint32, to string, now time.Time) (n int) {
	for id, m := range o.messages {
		if m.lane == lane && m.to == to && m.state == Queued && o.cancel(lane, id, now) == fine {
			n++
		}
	}
	return n
}

func (o *model) reject(id ID, now time.Time) string {
	m, no := o.find(id)
	switch {
	case no != fine:
		return no
	case m.state.End():
		return fine
	case !m.waits():
		return state
	}
	m.parts[m.firstWaiting()].state = PartFailed
	o.finish(m, Rejected, now)
	return fine
}

// recover: who was claimed is uncertain.
func (o *model) recover(now time.Time) (n int) {
	for id, m := range o.messages {
		for part := range m.parts {
			if o.doubt(id, part, now) == fine {
				n++
			}
		}
	}
	return n
}
