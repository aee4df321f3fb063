package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// claimLasts is when a claim without an outcome is taken for uncertain though the gateway runs, if validity is over,
	// too: no modem takes so long, so whoever had to tell is lost.
	claimLasts = time.Hour
	// doubtfulClock is how soon Tick is to be called again while the clock is not believed.
	doubtfulClock = time.Minute
	// damagedWait is when a timer whose message can't be read is looked at again.
	damagedWait = time.Hour
	// orphanSweep is how often old reports are looked for.
	orphanSweep = time.Hour
	// lookTimers bounds the rows that Tick passes over while the clock is not believed, per row that it may work off.
	lookTimers = 10
)

// resends is how often a part is sent again under PolicyResend.
const resends = 1

// wakeTime is when a message next changes by itself, in milliseconds, rounded up to the second.
func (m *Message) wakeTime(db *DB) int64 {
	var at time.Time
	switch {
	case m.State.waiting() && m.in.row == rowLater && m.Due.Before(m.Expires):
		at = m.Due
	case m.State.waiting():
		at = m.Expires
	case m.State == Claimed:
		at = m.Expires
		for i := range m.Parts {
			if late := m.Parts[i].ClaimedAt.Add(claimLasts); m.Parts[i].State == PartClaimed && late.After(at) {
				at = late
			}
		}
	case m.State == Uncertain:
		at = m.DoubtEnds
	case m.State == Sent:
		at = m.Expires.Add(db.opt.ReportGrace)
		if drop := m.SentAt.Add(db.settings().Keep); !m.in.textless && drop.Before(at) {
			at = drop
		}
	default:
		at = m.EndedAt
		if m.SentAt.After(at) {
			at = m.SentAt
		}
		at = at.Add(db.settings().Keep)
	}
	return wholeSecond(at)
}

func wholeSecond(at time.Time) int64 { return (milli(at) + 999) / 1000 * 1000 }

// Ticked is what one call of Tick did.
type Ticked struct {
	N     int         // timers that were worked off
	Next  time.Time   // when there is more, zero for never; it may be past
	Steps []TimerStep // messages that came into another state by them, in order; at most N
}

// TimerStep is a change of a message's state that nothing but the clock brought about.
type TimerStep struct {
	ID       ID
	From, To State
	Reason   string // the message's, from then on
}

// Tick works off timers that are due, at most limit of them (200 if it is 0): what was scheduled becomes due, what is
// over expires, doubt ends by policy, missing reports are given up, long texts from phones are delivered without parts
// that did not come, and what was kept long enough goes. While the clock is not believed nothing ends and nothing goes
// (delivery-semantics, section 9), and Next is soon.
func (db *DB) Tick(now time.Time, limit int) (Ticked, error) {
	if limit <= 0 {
		limit = 200
	}
	var done Ticked
	var inPart []Inbound
	var at []byte // the timer that is worked off
	err := db.w.do(func(t *txn) error {
		done, inPart, at = Ticked{}, nil, nil
		believed := t.plausible(now)
		if err := t.sweepOrphans(now, believed); err != nil {
			return err
		}
		for _, k := range t.dueTimers(now, limit, believed) {
			at = k
			fired, step, err := t.fire(k, now, believed)
			if err != nil {
				return err
			}
			at = nil
			if step.From != step.To {
				done.Steps = append(done.Steps, step)
			}
			if fired {
				if done.N++; done.N == limit {
					break
				}
			}
		}
		if believed && done.N < limit {
			texts, ended, err := t.endFragments(now, min(limit-done.N, endsInTick))
			if err != nil {
				return err
			}
			inPart, done.N = texts, done.N+ended
		}
		if believed && done.N < limit {
			n, err := t.forget(now, limit-done.N)
			if err != nil {
				return err
			}
			done.N += n
		}
		done.Next = sooner(sooner(t.firstTimer(), t.firstForget()), t.nextFragments(now))
		if !believed {
			done.Next = now.Add(doubtfulClock)
		}
		t.w.soonest = math.MaxInt64
		if !done.Next.IsZero() {
			t.w.soonest = milli(done.Next)
		}
		return t.saveIdleClock()
	})
	if at != nil && errors.Is(err, ErrDamaged) && db.w.ended() == nil {
		return Ticked{N: 1, Next: now}, db.postpone(at, now)
	}
	if err != nil {
		return Ticked{}, err
	}
	db.logInPart(inPart)
	return done, nil
}

// postpone puts off a timer that can't be worked off because something that belongs to its message is damaged, its account
// perhaps: it must not keep all others from their time.
func (db *DB) postpone(k []byte, now time.Time) error {
	return db.w.do(func(t *txn) error {
		wake, id := int64(binary.BigEndian.Uint64(k)), ID(binary.BigEndian.Uint64(k[8:]))
		later := wholeSecond(now.Add(damagedWait))
		if err := t.setTimer(id, wake, later); err != nil {
			return err
		}
		m, err := t.message(id)
		if err != nil {
			return nil // it has no other timer
		}
		m.in.wake = later
		return t.put(bMessages, idKey(id), appendMessage(t.scratch(), m))
	})
}

// sooner is the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// NextTimer tells when Tick has something to do; zero for never.
func (db *DB) NextTimer() (next time.Time, err error) {
	err = db.view(func(v *reader) error {
		next = sooner(sooner(v.firstTimer(), v.firstForget()), v.firstFragments(db.settings().InboundWait))
		return nil
	})
	return next, err
}

func (v *reader) firstTimer() time.Time {
	k, _ := v.bucket(bTimers).Cursor().First()
	if len(k) != 16 {
		return time.Time{}
	}
	return fromMilli(int64(binary.BigEndian.Uint64(k)))
}

// dueTimers copies the keys of rows to look at.
func (t *txn) dueTimers(now time.Time, limit int, believed bool) (keys [][]byte) {
	if !believed {
		limit *= lookTimers
	}
	c := t.bucket(bTimers).Cursor()
	for k, _ := c.First(); len(k) == 16 && len(keys) < limit; k, _ = c.Next() {
		if int64(binary.BigEndian.Uint64(k)) > milli(now) {
			break
		}
		keys = append(keys, ownKey(k))
	}
	return keys
}

// fire does what one timer is there for. done is false if the clock is not believed and it has to wait. step is the zero
// value if no message changed.
func (t *txn) fire(k []byte, now time.Time, believed bool) (done bool, step TimerStep, err error) {
	wake, id := int64(binary.BigEndian.Uint64(k)), ID(binary.BigEndian.Uint64(k[8:]))
	m, err := t.message(id)
	var gone *GoneError
	switch {
	case errors.As(err, &gone):
		if !believed {
			return false, step, nil
		}
		if err := t.delete(bGone, idKey(id)); err != nil {
			return false, step, err
		}
		return true, step, t.delete(bTimers, k)
	case errors.Is(err, ErrNotFound):
		return true, step, t.dropTimer(k)
	case err != nil:
		t.w.db.warnDamaged(err)
		return true, step, t.setTimer(id, wake, wholeSecond(now.Add(damagedWait)))
	case m.in.wake != wake:
		return true, step, t.dropTimer(k)
	}
	if m.in.row == rowLater && !m.Due.After(now) && now.Before(m.Expires) {
		return true, step, t.save(m, now) // becomes due; no clock does harm by that
	}
	if !believed {
		return false, step, nil
	}
	step.ID, step.From = id, m.State
	if err := t.wakeUp(m, now); err != nil {
		return true, step, err
	}
	if step.From == Claimed { // a report that had come before may have told what became of it
		if m, err = t.message(id); errors.As(err, &gone) {
			return true, TimerStep{}, nil
		} else if err != nil {
			return true, step, err
		}
	}
	step.To, step.Reason = m.State, m.Reason
	return true, step, nil
}

// dropTimer removes a row that is not its message's. A timer that another one has moved in the same call is no longer there.
func (t *txn) dropTimer(k []byte) error {
	if t.bucket(bTimers).Get(k) == nil {
		return nil
	}
	t.w.db.warnRow(bTimers, k)
	return t.delete(bTimers, k)
}

// wakeUp changes a message whose time has come.
func (t *txn) wakeUp(m *Message, now time.Time) error {
	switch {
	case m.State.waiting():
		return t.expire(m, now)
	case m.State == Claimed:
		for i := range m.Parts {
			if m.Parts[i].State == PartClaimed {
				m, p, err := t.release(m.ID, i, "give up")
				if err != nil {
					return err
				}
				return t.doubt(m, p, "its hand-over never came to an end", now)
			}
		}
	case m.State == Uncertain:
		if wait := t.w.db.evidenceWait(); wait > 0 && t.w.db.inherited(m) {
			m.DoubtEnds = now.Add(wait)
			return t.save(m, now)
		}
		return t.endDoubt(m, now)
	case m.State == Sent && now.Before(m.Expires.Add(t.w.db.opt.ReportGrace)):
		m.dropText()
		t.erased = true
		return t.save(m, now)
	case m.State == Sent:
		for i := range m.Parts {
			if p := &m.Parts[i]; p.State == PartSent {
				p.State = PartUnknown
			}
		}
		m.Reason = "sent, but no status report came"
		return t.settle(m, now)
	}
	return t.purge(m, now)
}

// inherited tells whether a message was in a modem's hands before the file was opened.
func (db *DB) inherited(m *Message) bool {
	recovered := db.recovered.Load()
	for i := range m.Parts {
		if p := &m.Parts[i]; p.State == PartUncertain && milli(p.ClaimedAt) <= recovered {
			return true
		}
	}
	return false
}

// evidenceWait is how long such doubt goes on because the file was opened just now.
func (db *DB) evidenceWait() time.Duration {
	return db.opened + db.opt.EvidenceWait - db.opt.Monotonic()
}

// dropText forgets what was said. The message itself waits for its report.
func (m *Message) dropText() {
	m.UDH, m.Preview, m.in.textless = nil, "", true
	for i := range m.Parts {
		m.Parts[i].Data = nil
	}
}

// policy is what the account of a message wishes, or else the gateway's default.
func (t *txn) policy(m *Message) (UncertainPolicy, error) {
	owner, err := t.owner(m.Lane)
	if err != nil || owner == nil || owner.Uncertain == "" {
		return t.w.db.settings().Uncertain, err
	}
	return owner.Uncertain, nil
}

// ToBeSentAgain begins the Reason of a message that waits after a doubt; as it is claimed that becomes sentAgain. Behind
// sentBefore stands why there was a doubt.
const (
	ToBeSentAgain = "to be " + sentAgain
	sentAgain     = "sent again"
	sentBefore    = "though it may have been sent before: "
)

// doubted is why there was a doubt about a message that waits to be sent again; of any other its Reason.
func (m *Message) doubted() string {
	if _, why, ok := strings.Cut(m.Reason, sentBefore); ok {
		return why
	}
	return m.Reason
}

// endDoubt lets the account's policy decide about uncertain parts of which no evidence came.
func (t *txn) endDoubt(m *Message, now time.Time) error {
	policy, err := t.policy(m)
	if err != nil {
		return err
	}
	again := m.AgainBy(policy, now)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.State != PartUncertain && !(m.Held && p.State == PartWaiting) {
			continue
		}
		if !again {
			p.State = PartUnknown
			continue
		}
		p.State = PartWaiting // until it is claimed again its report is looked for
	}
	if again {
		why := ToBeSentAgain + ", "
		if !m.Suspect {
			m.in.resends++
			why += "as its account wishes, "
		}
		m.Duplicate, m.Due, m.DueMoment = true, now, false
		m.Reason = why + sentBefore + m.Reason
	} else {
		m.Reason = "nobody knows whether it was sent: " + m.Reason
	}
	return t.settle(m, now)
}

// purge leaves of a message only that its id was one of the lane's.
func (t *txn) purge(m *Message, now time.Time) error {
	for i := range m.Parts {
		if err := t.deleteMatch(m, &m.Parts[i]); err != nil {
			return err
		}
	}
	if err := t.recount(m.Lane, m.in.was, 0); err != nil {
		return err
	}
	if err := t.setTimer(m.ID, m.in.wake, wholeSecond(now.Add(t.w.db.opt.Tombstone))); err != nil {
		return err
	}
	if err := t.put(bGone, idKey(m.ID), binary.BigEndian.AppendUint32([]byte{recordVersion}, m.Lane)); err != nil {
		return err
	}
	return t.delete(bMessages, idKey(m.ID))
}

// sweepOrphans looks for old reports now and then, not at each call.
func (t *txn) sweepOrphans(now time.Time, believed bool) error {
	mono := t.w.db.opt.Monotonic()
	if !believed || t.w.swept && mono-t.w.sweptAt < orphanSweep {
		return nil
	}
	t.w.swept, t.w.sweptAt = true, mono
	return t.dropOrphans(now)
}

// saveIdleClock makes the highest time go to disk though nothing else does.
func (t *txn) saveIdleClock() error {
	if t.w.clock.off() < clockSaveIdle {
		return nil
	}
	return t.saveClock()
}

// restore takes up what the writer keeps in memory.
func (w *writer) restore(tx *bolt.Tx) error {
	v := &reader{tx: tx}
	high, err := v.readClock()
	if err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	w.clock.high, w.clock.stored = high, high
	erased, err := v.readErasure()
	if err != nil {
		erased = 1 // long ago: Compact, which is asked for then, writes it anew
	}
	w.erasure.since.Store(erased)
	w.soonest = math.MaxInt64
	return nil
}
