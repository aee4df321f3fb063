package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Once makes the acceptance of a message idempotent. A client that saw no submit_sm_resp can't tell whether its message was
// accepted, and submits it again (sheet D17).
type Once struct {
	Window    time.Duration // how long after the first one another is taken for the same; 0: never
	Reference uint16        // user_message_reference
	// Content is a digest of what makes it the same: addresses, text and the like as the client named them. What was made of
	// them does not count, for the settings that decide it may have changed since.
	Content [16]byte
	Note    []byte // is kept with the first, for Accept.Note of those that follow; at most 64 KiB
}

// EnqueueOnce is Enqueue for a message that may have been accepted before. If the lane accepted one with the same reference
// and content within the window, and within the one that was named then, that one's id is the result and Again tells so;
// nothing is stored then, whatever m has become since. But one that ended unsent since, Deleted, Expired, Undeliverable or
// Rejected, is forgotten, and so is one whose text was replaced: who submits it again wants it sent.
func (db *DB) EnqueueOnce(m *Message, once Once) *Accept { return db.enqueue(m, &once) }

// EnqueueReplacingOnce is EnqueueReplacing in the same way.
func (db *DB) EnqueueReplacingOnce(m *Message, once Once) *Accept {
	return db.enqueueReplacing(m, &once)
}

// EnqueueAllOnce is EnqueueAll in the same way: what was accepted is known again as a whole, unless all of it ended unsent or
// was replaced. It need not be as many messages as list.
func (db *DB) EnqueueAllOnce(list []*Message, once Once) *Accept { return db.enqueueAll(list, &once) }

// Known is EnqueueOnce for what can't be stored as things are now: nothing but the answer of before. ErrNotFound: there is
// none, as it was never accepted, or would be accepted anew.
func (db *DB) Known(lane uint32, once Once, now time.Time) *Accept {
	a := &Accept{}
	a.op.run = func(t *txn) error {
		if known, err := t.known(a, lane, &once, now); known || err != nil {
			return err
		}
		return ErrNotFound
	}
	db.w.put(&a.op)
	return a
}

// known makes a the acceptance of before, if there was one.
func (t *txn) known(a *Accept, lane uint32, once *Once, now time.Time) (bool, error) {
	row, err := t.again(lane, once, now)
	a.id, a.note, a.again, a.replaced = row.id, row.note, row.id != 0, 0
	return a.again, err
}

// submit has the writer run what accepts messages of one lane; once is nil for those that were certainly not accepted before.
func (db *DB) submit(a *Accept, once *Once, list []prepared, accept func(t *txn) error) *Accept {
	lane, now := list[0].m.Lane, list[0].m.Accepted
	a.op.grow = true
	a.op.run = accept
	if once != nil {
		row := submittedRow{at: now, until: now.Add(once.Window), note: once.Note}
		for _, p := range list {
			row.texts = append(row.texts, p.m.textDigest())
		}
		a.op.asks = true
		a.op.run = func(t *txn) error {
			if known, err := t.known(a, lane, once, now); known || err != nil {
				return err
			}
			if err := t.w.disk.refuse(); err != nil {
				return err
			}
			if err := accept(t); err != nil {
				return err
			}
			return t.remember(once.key(lane), row, a.id)
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
	id        ID        // of the first message
	at, until time.Time // when it was accepted, and the end of its window
	note      []byte
	texts     [][16]byte // digest of what each message said; their ids follow one another
}

// textDigest is equal for messages that sameText finds equal.
func (m *Message) textDigest() (digest [16]byte) {
	h := sha256.New()
	h.Write(appendOctets([]byte{m.DCS}, m.UDH))
	for i := range m.Parts {
		h.Write(appendOctets(nil, m.Parts[i].Data))
	}
	copy(digest[:], h.Sum(nil))
	return digest
}

// submitted reads a row; its id is 0 if there is none. One that is damaged says nothing: it was written for a client that
// does not know whether its message was accepted, and such a one is rather told a new id than none.
func (v *reader) submitted(key []byte) (r submittedRow) {
	f, err := v.get(bResubmits, key)
	if f == nil || err != nil {
		return submittedRow{}
	}
	if r = decodeSubmitted(f); f.end() != nil {
		return submittedRow{}
	}
	return r
}

func decodeSubmitted(f *fields) (r submittedRow) {
	r.id, r.at, r.until = ID(f.uint64()), f.time(), f.time()
	if f.reason == "" && len(f.rest) > 0 { // rows ended here once
		r.note = f.octets()
	}
	for f.reason == "" && len(f.rest) > 0 {
		r.texts = append(r.texts, [16]byte{})
		copy(r.texts[len(r.texts)-1][:], f.take(16))
	}
	return r
}

// again gives what was accepted before; its id is 0 if nothing was, or all of it is wanted anew.
func (t *txn) again(lane uint32, once *Once, now time.Time) (submittedRow, error) {
	row := t.submitted(once.key(lane))
	// A time of acceptance that lies ahead is of a clock that was wrong. One that jumped ends no window before it is believed.
	over := now.Sub(row.at).Abs() >= once.Window || !now.Before(row.until)
	if row.id == 0 || over && t.plausible(now) {
		return submittedRow{}, nil
	}
	texts := row.texts
	if texts == nil { // an old row, which does not tell
		if m, err := t.message(row.id); err == nil {
			texts = append(texts, m.textDigest())
		}
	}
	for i, text := range texts {
		switch wanted, err := t.wantedAnew(row.id+ID(i), text); {
		case err != nil:
			return submittedRow{}, err
		case !wanted:
			return row, nil
		}
	}
	return submittedRow{}, nil
}

// wantedAnew tells whether a message that was accepted before is no reason not to send it again: it ended unsent, or says
// something else by now than text, what it said then. Of one that can't be read, or is past its keeping time, nobody knows
// that.
func (t *txn) wantedAnew(id ID, text [16]byte) (bool, error) {
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
	return !m.in.textless && m.textDigest() != text, nil
}

// remember notes that messages were accepted, the first of them as id.
func (t *txn) remember(key []byte, row submittedRow, id ID) error {
	if old := t.submitted(key); old.id != 0 {
		if err := t.delete(bResubmits, forgetKey(old.until, key)); err != nil {
			return err
		}
	}
	record := binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(id))
	record = appendOctets(appendTime(appendTime(record, row.at), row.until), row.note)
	for _, text := range row.texts {
		record = append(record, text[:]...)
	}
	if err := t.put(bResubmits, key, record); err != nil {
		return err
	}
	forget := forgetKey(row.until, key)
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
