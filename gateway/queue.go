package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"smsgateway/sms"
	"smsgateway/store"
)

// queue gives out messages to the modems, one modem a message. Who holds what is kept in memory alone: a restart
// forgets it, and nothing has happened.
type queue struct {
	db   *store.DB
	now  func() time.Time
	pool *pool
	hint hint

	mu    sync.Mutex
	held  map[store.ID]struct{}
	busy  map[recipient]struct{} // one message at a time for each, so that they arrive in order
	after uint32                 // the lane that had its turn last
}

// recipient is what order is kept for: an account's messages to one number.
type recipient struct {
	lane uint32
	to   sms.Address
}

func newQueue(db *store.DB, now func() time.Time, p *pool) *queue {
	return &queue{
		db:   db,
		now:  now,
		pool: p,
		held: make(map[store.ID]struct{}),
		busy: make(map[recipient]struct{}),
	}
}

// take waits for a message that the modem may send with this SIM, and holds it until it is put back. errOtherSIM: it has
// another one now.
func (q *queue) take(ctx context.Context, x *member, line string) (*store.Message, error) {
	for ctx.Err() == nil {
		changed := q.hint.wait()
		if x.Status().Line() != line {
			return nil, errOtherSIM
		}
		now := q.now()
		held := q.pool.heldBack(x, line, false, now) != "" || q.pool.overBudget(x, line, now) != ""
		if !held {
			if m, err := q.next(x, line); !errors.Is(err, store.ErrEmpty) {
				return m, err
			}
		}
		wait := lookAgain
		if held || x.limits().Any() { // the clock alone may change that
			wait = watchEvery
		}
		if soon := q.pool.troubleEnds(now); soon > 0 {
			wait = min(wait, soon)
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil, ctx.Err()
}

// next looks for a message, in bites: other modems are not kept waiting by a long look.
func (q *queue) next(x *member, line string) (*store.Message, error) {
	for {
		m, err := q.look(x, line)
		if !errors.Is(err, store.ErrMore) {
			return m, err
		}
	}
}

func (q *queue) look(x *member, line string) (*store.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, limits := q.now(), x.limits()
	var used store.Usage
	if limits.Any() {
		var err error
		if used, err = q.db.Usage(line, now); err != nil {
			return nil, err
		}
	}
	contacts := limits[store.Month] > 0 && used.Used[store.Month] >= limits[store.Month]
	if x.seenLine != line || x.seenContacts != contacts || now.Sub(x.seenAt).Abs() > lookAfresh {
		x.seenLine, x.seenContacts, x.seenAt = line, contacts, now
		x.seen.Reset()
	}
	after := q.after
	if x.short != nil && used.Room(x.short, limits, now) == nil {
		after, x.short = x.short.Lane-1, nil
	}
	busy := func(lane uint32, to sms.Address) bool {
		_, busy := q.busy[recipient{lane, to}]
		return busy
	}
	s := store.Search{After: after, Seen: &x.seen, Busy: busy, Judge: func(m *store.Message) store.Verdict {
		_, held := q.held[m.ID]
		switch {
		case !q.pool.takes(x, line, m):
			return store.Never
		case held || busy(m.Lane, m.Destination) || q.pool.waits(m.ID, now) || q.pool.yields(x, m, now):
			return store.NotNow
		case limits.Any() && used.Room(m, limits, now) != nil:
			if x.short == nil {
				x.short = m
			}
			return store.NotNow
		}
		return store.Take
	}}
	if contacts {
		s.Contacts = line
	}
	m, err := q.db.Next(now, s)
	if err != nil {
		return nil, err
	}
	q.held[m.ID] = struct{}{}
	q.busy[recipient{m.Lane, m.Destination}] = struct{}{}
	q.after = m.Lane
	return m, nil
}

// putBack lets others have the message, if it still waits, and those behind it for the same number.
func (q *queue) putBack(m *store.Message) {
	q.mu.Lock()
	delete(q.held, m.ID)
	delete(q.busy, recipient{m.Lane, m.Destination})
	q.mu.Unlock()
	q.hint.set()
}
