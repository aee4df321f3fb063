package gateway

import (
	"context"
	"strconv"
	"sync"
	"time"

	"smsgateway/store"
)

// outboxLook is how many rows of an account are looked at together. What stands behind them waits until one of them is
// gone: a receiver that takes nothing costs bounded memory and time, however much waits for it.
const outboxLook = 500

// outbox shares out the rows that wait on disk among the sessions that can receive.
type outbox struct {
	mu    sync.Mutex
	lanes map[uint32]*outboxLane
}

func newOutbox() *outbox { return &outbox{lanes: make(map[uint32]*outboxLane)} }

func (o *outbox) lane(lane uint32) *outboxLane {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[lane]
	if l == nil {
		l = &outboxLane{lane: lane}
		o.lanes[lane] = l
	}
	return l
}

// changed tells that there are new rows. The store's writer calls it, and it waits for nothing that reads.
func (o *outbox) changed(lane uint32) { o.lane(lane).hint.set() }

// outboxLane is the head of one account's rows, as far as it has been read.
type outboxLane struct {
	lane uint32
	hint hint

	mu   sync.Mutex
	rows []*outboxRow // in the order of the file
	read uint64       // seq of the last row that was read
}

// outboxRow is a row on its way, put off, or free.
type outboxRow struct {
	store.Delivery
	onWay bool
	tries int
	next  time.Time // not to be offered before
}

// take waits for a row that may go now, and holds it until done or putBack.
func (l *outboxLane) take(ctx context.Context, db *store.DB, now func() time.Time) (*outboxRow, error) {
	for ctx.Err() == nil {
		changed := l.hint.wait()
		row, next, err := l.next(db, now())
		if err != nil || row != nil {
			return row, err
		}
		var again <-chan time.Time
		if !next.IsZero() {
			again = time.After(max(next.Sub(now()), time.Millisecond))
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
		}
	}
	return nil, ctx.Err()
}

// next finds the first row that is free and has none before it of the same message or sender: these arrive in order.
// Without one, it says when the first that was put off may go; zero if none was.
func (l *outboxLane) next(db *store.DB, now time.Time) (*outboxRow, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rows) < outboxLook/2 {
		if err := l.readOn(db); err != nil {
			return nil, time.Time{}, err
		}
	}
	var first time.Time
	held := make(map[string]bool)
	for _, r := range l.rows {
		about := subject(&r.Delivery)
		switch putOff := now.Before(r.next); {
		case r.onWay, held[about]:
		case putOff:
			if first.IsZero() || r.next.Before(first) {
				first = r.next
			}
		default:
			r.onWay = true
			return r, first, nil
		}
		held[about] = true
	}
	return nil, first, nil
}

// readOn fills up what is looked at.
func (l *outboxLane) readOn(db *store.DB) error {
	more, err := db.Outbox(l.lane, l.read, outboxLook-len(l.rows))
	if err != nil {
		return err
	}
	for _, d := range more {
		l.rows = append(l.rows, &outboxRow{Delivery: d})
		l.read = d.Seq
	}
	return nil
}

// subject is what order is kept within: the receipts of a message, the texts of a sender.
func subject(d *store.Delivery) string {
	if d.Receipt != nil {
		return "message " + strconv.FormatUint(uint64(d.Receipt.ID), 10)
	}
	return "from " + d.Inbound.From.Number
}

// release offers the row again to whoever comes next.
func (l *outboxLane) release(r *outboxRow) {
	l.mu.Lock()
	r.onWay = false
	l.mu.Unlock()
	l.hint.set()
}

// putBack offers the row again after a while.
func (l *outboxLane) putBack(r *outboxRow, now time.Time) {
	l.mu.Lock()
	r.next = now.Add(redeliveries[min(r.tries, len(redeliveries)-1)])
	r.tries++
	r.onWay = false
	l.mu.Unlock()
	l.hint.set()
}

// done forgets a row that is gone from the file.
func (l *outboxLane) done(r *outboxRow) {
	l.mu.Lock()
	for i, other := range l.rows {
		if other == r {
			l.rows = append(l.rows[:i], l.rows[i+1:]...)
			break
		}
	}
	l.mu.Unlock()
	l.hint.set()
}
