package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"
)

// Once makes the acceptance of a message idempotent. A client that saw no submit_sm_resp can't tell whether its message was
// accepted, and submits it again (sheet D17).
type Once struct {
	Window    time.Duration // how long after the first one another is taken for the same; 0: never
	Reference uint16        // user_message_reference
	Content   [16]byte      // digest of what makes it the same: addresses, text and the like
}

// EnqueueOnce is Enqueue for a message that may have been accepted before. If the lane accepted one with the same reference
// and content within the window, and within the one that was named then, that one's id is the result and Again tells so;
// nothing is stored then. But one that ended unsent since, Deleted, Expired, Undeliverable or Rejected, is forgotten, and so
// is one whose text was replaced: who submits it again wants it sent.
func (db *DB) EnqueueOnce(m *Message, once Once) *Accept { return db.enqueue(m, &once) }

// EnqueueReplacingOnce is EnqueueReplacing in the same way.
func (db *DB) EnqueueReplacingOnce(m *Message, once Once) *Accept {
	return db.enqueueReplacing(m, &once)
}

// EnqueueAllOnce is EnqueueAll in the same way: the list is known again as a whole, unless all of it ended unsent or was
// replaced.
func (db *DB) EnqueueAllOnce(list []*Message, once Once) *Accept { return db.enqueueAll(list, &once) }

// submit has the writer run what accepts messages of one lane; once is nil for those that were certainly not accepted before.
func (db *DB) submit(a *Accept, once *Once, list []prepared, accept func(t *txn) error) *Accept {
	lane, now := list[0].m.Lane, list[0].m.Accepted
	a.op.grow = true
	a.op.run = accept
	if once != nil {
		a.op.asks = true
		a.op.run = func(t *txn) error {
			a.again, a.replaced = false, 0
			id, err := t.again(lane, once, list, now)
			if err != nil || id != 0 {
				a.id, a.again = id, err == nil
				return err
			}
			if t.w.disk.full(t.w.db) {
				return ErrDiskFull
			}
			if err := accept(t); err != nil {
				return err
			}
			return t.remember(lane, once, a.id, now)
		}
	}
	db.w.put(&a.op)
	return a
}

// Rows of the bucket resubmits begin with one of these; the package comment has the rest.
const (
	rowSubmitted = 'k'
	rowForget    = 't'
)

// forgetStep is what the time of a row that is to go is rounded up to, so that many go together.
const forgetStep = time.Minute

func (o *Once) key(lane uint32) []byte {
	k := append([]byte{rowSubmitted}, laneKey(lane)...)
	return append(binary.BigEndian.AppendUint16(k, o.Reference), o.Content[:]...)
}

// forgetKey is the row that says when the row of a key goes, whose window ends then.
func forgetKey(until time.Time, key []byte) []byte {
	at := until.Add(forgetStep - time.Millisecond).Truncate(forgetStep)
	return append(binary.BigEndian.AppendUint64([]byte{rowForget}, uint64(milli(at))), key[1:]...)
}

// submittedRow is what a row says.
type submittedRow struct {
	id        ID
	at, until time.Time // when the message was accepted, and the end of its window
}

// submitted reads a row; its id is 0 if there is none. One that is damaged says nothing: it was written for a client that
// does not know whether its message was accepted, and such a one is rather told a new id than none.
func (v *reader) submitted(key []byte) (r submittedRow) {
	f, err := v.get(bResubmits, key)
	if f == nil || err != nil {
		return submittedRow{}
	}
	r.id, r.at, r.until = ID(f.uint64()), f.time(), f.time()
	if f.end() != nil {
		return submittedRow{}
	}
	return r
}

// again gives the id under which messages, or the first of them, were accepted before; 0 if they were not.
func (t *txn) again(lane uint32, once *Once, list []prepared, now time.Time) (ID, error) {
	row := t.submitted(once.key(lane))
	// A time of acceptance that lies ahead is of a clock that was wrong. One that jumped ends no window before it is believed.
	over := now.Sub(row.at).Abs() >= once.Window || !now.Before(row.until)
	if row.id == 0 || over && t.plausible(now) {
		return 0, nil
	}
	for i, p := range list {
		switch wanted, err := t.wantedAnew(row.id+ID(i), p.m); {
		case err != nil:
			return 0, err
		case !wanted:
			return row.id, nil
		}
	}
	return 0, nil
}

// wantedAnew tells whether a message that was accepted before is no reason not to send next, which was the same then: it
// ended unsent, or says something else by now. Of one that can't be read, or is past its keeping time, nobody knows that.
func (t *txn) wantedAnew(id ID, next *Message) (bool, error) {
	m, err := t.message(id)
	switch {
	case errors.Is(err, ErrNotFound):
		return true, nil
	case forgotten(err), errors.Is(err, ErrDamaged):
		return false, nil
	case err != nil:
		return false, err
	}
	switch m.State {
	case Deleted, Expired, Undeliverable, Rejected:
		return true, nil
	}
	return !m.in.textless && !m.sameText(next), nil
}

// remember notes that a message was accepted.
func (t *txn) remember(lane uint32, once *Once, id ID, now time.Time) error {
	key := once.key(lane)
	if old := t.submitted(key); old.id != 0 {
		if err := t.delete(bResubmits, forgetKey(old.until, key)); err != nil {
			return err
		}
	}
	until := now.Add(once.Window)
	record := binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(id))
	if err := t.put(bResubmits, key, appendTime(appendTime(record, now), until)); err != nil {
		return err
	}
	forget := forgetKey(until, key)
	t.wake = min(t.wake, forgetTime(forget))
	return t.put(bResubmits, forget, nil)
}

// forget drops rows whose time has come, at most limit of them, and tells how many.
func (t *txn) forget(now time.Time, limit int) (n int, err error) {
	var due [][]byte
	c := t.bucket(bResubmits).Cursor()
	for k, _ := c.Seek([]byte{rowForget}); isForget(k) && len(due) < limit && forgetTime(k) <= milli(now); k, _ = c.Next() {
		due = append(due, ownKey(k))
	}
	for _, k := range due {
		key := append([]byte{rowSubmitted}, k[9:]...)
		if row := t.submitted(key); row.id == 0 || bytes.Equal(forgetKey(row.until, key), k) { // else it is a newer one's
			if err := t.delete(bResubmits, key); err != nil {
				return 0, err
			}
		}
		if err := t.delete(bResubmits, k); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// firstForget is when the first row goes; zero for none.
func (v *reader) firstForget() time.Time {
	if k, _ := v.bucket(bResubmits).Cursor().Seek([]byte{rowForget}); isForget(k) {
		return fromMilli(forgetTime(k))
	}
	return time.Time{}
}

func isForget(k []byte) bool { return len(k) == 31 && k[0] == rowForget }

func forgetTime(k []byte) int64 { return int64(binary.BigEndian.Uint64(k[1:])) }
