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

func newQueue(db *store.DB, now func() time.Time) *queue {
	return &queue{
		db:   db,
		now:  now,
		held: make(map[store.ID]struct{}),
		busy: make(map[recipient]struct{}),
	}
}

// take waits for a message that the modem with this SIM may send, and holds it until it is put back.
func (q *queue) take(ctx context.Context, line string) (*store.Message, error) {
	for ctx.Err() == nil {
		changed := q.hint.wait()
		m, err := q.next(line)
		if !errors.Is(err, store.ErrEmpty) {
			return m, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil, ctx.Err()
}

func (q *queue) next(line string) (*store.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, err := q.db.Next(q.now(), q.after, func(m *store.Message) bool {
		_, held := q.held[m.ID]
		_, busy := q.busy[recipient{m.Lane, m.Destination}]
		return held || busy || m.Line != "" && m.Line != line
	})
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
