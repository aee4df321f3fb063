package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// QueueLimits bound what is accepted of an account. The writer looks at them with each message that it takes in, so that
// no client can get past them by asking for much at once. 0 of an account is what Options.Limits says, and there no limit.
type QueueLimits struct {
	MaxQueued   int           `json:",omitempty"` // messages that wait, or that a modem has
	MaxQueueAge time.Duration `json:",omitempty"` // while a message that is due waits longer, no other is taken in
	PerDay      int           `json:",omitempty"` // parts taken in, in a day and in a calendar month of Options.Zone
	PerMonth    int           `json:",omitempty"`
}

// or fills in what is 0.
func (l QueueLimits) or(other QueueLimits) QueueLimits {
	if l.MaxQueued == 0 {
		l.MaxQueued = other.MaxQueued
	}
	if l.MaxQueueAge == 0 {
		l.MaxQueueAge = other.MaxQueueAge
	}
	if l.PerDay == 0 {
		l.PerDay = other.PerDay
	}
	if l.PerMonth == 0 {
		l.PerMonth = other.PerMonth
	}
	return l
}

// Limits are those that hold for an account.
func (db *DB) Limits(a *Account) QueueLimits { return a.QueueLimits.or(db.settings().Limits) }

// The limits that a LimitError may name, as the settings of accounts do.
const (
	LimitQueued   = "max_queued"
	LimitQueueAge = "max_queue_age"
	LimitPerDay   = "per_day"
	LimitPerMonth = "per_month"
)

// LimitError: a limit of the account keeps a message out. Nothing was written, and nothing is counted.
type LimitError struct {
	Account string
	Limit   string    // one of the above
	Until   time.Time // when the day or the month is over; zero for the other two
}

func (e *LimitError) Error() string {
	why := "has as many messages waiting as it may"
	switch e.Limit {
	case LimitQueueAge:
		why = "has a message that waits longer than any may"
	case LimitPerDay:
		why = "has not enough left of what it may send in a day, until " + e.Until.Format(time.DateTime)
	case LimitPerMonth:
		why = "has not enough left of what it may send in a month, until " + e.Until.Format(time.DateTime)
	}
	return fmt.Sprintf("account %s %s (%s)", e.Account, why, e.Limit)
}

// Expired tells whether the account's time is over.
func (a *Account) Expired(now time.Time) bool { return !a.Expires.IsZero() && !now.Before(a.Expires) }

// Held tells whether nothing of the account is to be sent: it is disabled, or has expired.
func (a *Account) Held(now time.Time) bool { return a.Disabled || a.Expired(now) }

// quota is how many parts were taken in of a lane, in a day and in a month.
type quota struct {
	starts [2]time.Time // by quotaWindows
	used   [2]int
	dirty  bool
}

func quotaWindows() [2]Window { return [...]Window{Day, Month} }

// AccountUse is how an account stands to its limits.
type AccountUse struct {
	Queued             int       // messages that wait, or that a modem has
	Oldest             time.Time // since when the message waits that waits longest of those that are due; zero: none does
	Today, ThisMonth   int       // parts taken in
	DayEnds, MonthEnds time.Time
}

// Use tells how an account stands to its limits.
func (db *DB) Use(lane uint32, now time.Time) (use AccountUse, err error) {
	now = now.In(db.opt.Zone)
	err = db.view(func(v *reader) error {
		counts, err := v.laneCounts(laneKey(lane))
		if err != nil {
			return err
		}
		q, err := v.quota(lane)
		if err != nil {
			return err
		}
		q.turn(now, func() bool { return true })
		use = AccountUse{
			Queued: counts.queued(), Oldest: v.oldestDue(lane), Today: q.used[0], ThisMonth: q.used[1],
			DayEnds: q.end(0, now), MonthEnds: q.end(1, now),
		}
		return nil
	})
	return use, err
}

// newcomers are what is to be taken in together.
type newcomers struct {
	messages, parts int
	replaced        int // of the messages that wait, which go
}

// within refuses newcomers of a lane that is at one of its limits, or would go beyond it. It writes nothing.
func (t *txn) within(lane uint32, now time.Time, n newcomers) error {
	owner, err := t.owner(lane)
	switch {
	case err != nil:
		return err
	case owner == nil:
		return ErrNoAccount
	}
	limits := t.w.db.Limits(owner)
	if n.messages > 0 {
		if err := t.queueWithin(owner, limits, now, n); err != nil {
			return err
		}
	}
	used, err := t.quotaOf(lane, now)
	if err != nil {
		return err
	}
	for i, most := range [...]int{limits.PerDay, limits.PerMonth} {
		if most > 0 && used.used[i]+n.parts > most {
			return &LimitError{owner.Key, [...]string{LimitPerDay, LimitPerMonth}[i], used.end(i, now.In(t.w.db.opt.Zone))}
		}
	}
	return nil
}

// queueWithin is within for the length of the queue, and its age.
func (t *txn) queueWithin(owner *Account, limits QueueLimits, now time.Time, n newcomers) error {
	if limits.MaxQueued > 0 {
		counts, err := t.lane(owner.Lane)
		if err != nil {
			return err
		}
		if counts.queued()-n.replaced+n.messages > limits.MaxQueued {
			return &LimitError{Account: owner.Key, Limit: LimitQueued}
		}
	}
	if limits.MaxQueueAge > 0 {
		if oldest := t.waitsSince(owner.Lane); !oldest.IsZero() && now.Sub(oldest) > limits.MaxQueueAge {
			return &LimitError{Account: owner.Key, Limit: LimitQueueAge}
		}
	}
	return nil
}

// count adds parts that were taken in.
func (t *txn) count(lane uint32, now time.Time, parts int) error {
	used, err := t.quotaOf(lane, now)
	if err != nil {
		return err
	}
	for i := range used.used {
		used.used[i] = min(used.used[i]+parts, math.MaxInt32)
	}
	used.dirty = true
	return nil
}

// quotaOf gives the counts of a lane as they are within the transaction, of the windows that its first message lies in.
func (t *txn) quotaOf(lane uint32, now time.Time) (*quota, error) {
	if q := t.quotas[lane]; q != nil {
		return q, nil
	}
	q, err := t.quota(lane)
	if err != nil {
		return nil, err
	}
	q.turn(now.In(t.w.db.opt.Zone), func() bool { return t.plausible(now) })
	t.quotas[lane] = q
	return q, nil
}

func (v *reader) quota(lane uint32) (*quota, error) {
	q := &quota{}
	f, err := v.get(bQuotas, laneKey(lane))
	if f == nil || err != nil {
		return q, err
	}
	for i := range q.used {
		q.starts[i], q.used[i] = f.time(), int(f.uint32())
	}
	return q, f.end()
}

// turn begins the windows anew that are over. While the clock is not believed none is.
func (q *quota) turn(now time.Time, believed func() bool) {
	for i, w := range quotaWindows() {
		if start := w.start(now); q.starts[i].IsZero() || w.over(q.starts[i], start) && believed() {
			q.starts[i], q.used[i] = start, 0
		}
	}
}

// end is when a window ends. After the clock was set back it may lie ahead of now.
func (q *quota) end(i int, now time.Time) time.Time {
	if begun := q.starts[i].In(now.Location()); begun.After(now) {
		now = begun
	}
	return quotaWindows()[i].End(now)
}

// flushQuotas writes one row for each lane of which something was taken in.
func (t *txn) flushQuotas() error {
	for _, lane := range slices.Sorted(maps.Keys(t.quotas)) {
		q := t.quotas[lane]
		if !q.dirty {
			continue
		}
		b := append(t.scratch(), recordVersion)
		for i := range q.used {
			b = binary.BigEndian.AppendUint32(appendTime(b, q.starts[i]), uint32(q.used[i]))
		}
		if err := t.put(bQuotas, laneKey(lane), b); err != nil {
			return err
		}
	}
	return nil
}

// queued is how many messages wait, or are with a modem.
func (c *laneCounts) queued() int {
	return int(min(c.n[Queued]+c.n[Claimed]+c.n[Partial], math.MaxInt32))
}

// waitsSince is oldestDue, looked for once in a transaction: what is taken in meanwhile is not older.
func (t *txn) waitsSince(lane uint32) time.Time {
	since, known := t.ages[lane]
	if !known {
		since = t.oldestDue(lane)
		t.ages[lane] = since
	}
	return since
}

// lookScheduled is how many messages oldestDue reads of each rank.
const lookScheduled = 16

// oldestDue tells since when the message of a lane waits that waits longest of those that are due; zero if none does. Of
// each rank the first one is it, unless it was scheduled, or tried before: then others that were accepted later may wait
// longer, and a few more are looked at.
func (v *reader) oldestDue(lane uint32) (oldest time.Time) {
	c := v.bucket(bQueue).Cursor()
	for rank := range uint8(numRanks) {
		first := placeKey(Place{Lane: lane, Rank: rank})
		k, _ := c.Seek(first)
		for n := 0; n < lookScheduled && len(k) == len(first) && string(k[:5]) == string(first[:5]); n++ {
			if m, err := v.message(ID(binary.BigEndian.Uint64(k[5:]))); err == nil { // else it is damaged, and the log says so
				since := m.Accepted
				if m.Due.After(since) {
					since = m.Due
				}
				if oldest.IsZero() || since.Before(oldest) {
					oldest = since
				}
				if since.Equal(m.Accepted) {
					break
				}
			}
			k, _ = c.Next()
		}
	}
	return oldest
}
