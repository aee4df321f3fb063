package gateway

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"smsgateway/store"
)

// Bounds of what is kept in memory of one account's rows, however many wait on disk.
const (
	outboxLook  = 500    // rows that may go, or are on their way
	outboxLater = 10_000 // rows that were put off; with so many nothing more is read until some are gone
)

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
		l = &outboxLane{lane: lane, held: make(map[string]bool)}
		o.lanes[lane] = l
	}
	return l
}

// changed tells that there are new rows. The store's writer calls it, and it waits for nothing that reads.
func (o *outbox) changed(lane uint32) { o.lane(lane).hint.set() }

// outboxLane is the head of one account's rows, as far as it has been read. Of one message, or one sender, at most one
// row is on its way or put off at a time: they arrive in order.
type outboxLane struct {
	lane uint32
	hint hint

	mu    sync.Mutex
	rows  []*outboxRow // free or on their way, in the order of the file
	later []*outboxRow // put off
	due   time.Time    // when the first of these may go; zero for none
	held  map[string]bool
	read  uint64 // seq of the last row that was read
}

// outboxRow is one row in memory.
type outboxRow struct {
	store.Delivery
	subject string // what order is kept within
	onWay   bool
	tries   int
	next    time.Time // not to be offered before
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

// next gives a row that may go: one that was put off and is due, else the first that is free and has none of the same
// subject before it. Without one, it says when the first that was put off may go; zero if none was.
func (l *outboxLane) next(db *store.DB, now time.Time) (*outboxRow, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.takeDue(now); r != nil {
		return r, l.due, nil
	}
	for {
		for _, r := range l.rows {
			if !r.onWay && !l.held[r.subject] {
				r.onWay, l.held[r.subject] = true, true
				return r, l.due, nil
			}
		}
		if more, err := l.readOn(db); err != nil || !more {
			return nil, l.due, err
		}
	}
}

// takeDue takes the first row that was put off and whose time has come, and forgets those that the file has dropped.
func (l *outboxLane) takeDue(now time.Time) *outboxRow {
	if l.due.IsZero() || now.Before(l.due) {
		return nil
	}
	var due *outboxRow
	keep := l.later[:0]
	l.due = time.Time{}
	for _, r := range l.later {
		switch {
		case now.Sub(r.Created) > outboxKeep:
			delete(l.held, r.subject)
			continue
		case due == nil && !now.Before(r.next):
			due = r
			continue
		case l.due.IsZero() || r.next.Before(l.due):
			l.due = r.next
		}
		keep = append(keep, r)
	}
	clear(l.later[len(keep):])
	l.later = keep
	if due != nil {
		due.onWay = true
		l.rows = slices.Insert(l.rows, 0, due)
	}
	return due
}

// readOn reads further rows, if there is room for them, and tells whether there were any.
func (l *outboxLane) readOn(db *store.DB) (bool, error) {
	room := min(outboxLook-len(l.rows), outboxLater-len(l.later))
	if room <= 0 {
		return false, nil
	}
	more, err := db.Outbox(l.lane, l.read, room)
	if err != nil {
		return false, err
	}
	for _, d := range more {
		l.rows = append(l.rows, &outboxRow{Delivery: d, subject: subject(&d)})
		l.read = d.Seq
	}
	return len(more) > 0, nil
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
	delete(l.held, r.subject)
	l.mu.Unlock()
	l.hint.set()
}

// putBack offers the row again after a while.
func (l *outboxLane) putBack(r *outboxRow, now time.Time) {
	l.mu.Lock()
	r.next = now.Add(redeliveries[min(r.tries, len(redeliveries)-1)])
	r.tries++
	r.onWay = false
	l.drop(r)
	l.later = append(l.later, r)
	if l.due.IsZero() || r.next.Before(l.due) {
		l.due = r.next
	}
	l.mu.Unlock()
	l.hint.set()
}

// done forgets a row that is gone from the file.
func (l *outboxLane) done(r *outboxRow) {
	l.mu.Lock()
	l.drop(r)
	delete(l.held, r.subject)
	l.mu.Unlock()
	l.hint.set()
}

// drop takes a row out of those that may go.
func (l *outboxLane) drop(r *outboxRow) {
	if i := slices.Index(l.rows, r); i >= 0 {
		l.rows = slices.Delete(l.rows, i, i+1)
	}
}
