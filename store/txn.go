package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// reader looks at one state of the file. Slices that it hands out end with the transaction.
type reader struct {
	tx      *bolt.Tx
	buckets [numBuckets]*bolt.Bucket
}

// txn is one write transaction, shared by the operations of a round.
type txn struct {
	reader
	w           *writer
	writes      int // so far
	change      Change
	wake        int64 // earliest timer that was set, ms
	clockStored int64 // the highest time, if it was written
	erased      bool  // a text or number was deleted, and stays in a page that is free then
	eraseStored int64 // when that was, if it was written
	counts      map[uint32]*laneCounts
	quotas      map[uint32]*quota
	ages        map[uint32]time.Time // since when the oldest message waits
	accounts    map[uint32]*Account  // by lane; nil for a lane that is gone
	pending     []pendingChange
}

// fill is how full bbolt leaves a page behind when it splits it. Most of our keys only ever grow, and half empty pages
// would double the file; but a message's record grows a little when it is claimed, and should find room in its page.
const fill = 0.9

func newTxn(w *writer, tx *bolt.Tx) *txn {
	w.arena = w.arena[:0]
	return &txn{
		reader: reader{tx: tx}, w: w, wake: math.MaxInt64,
		counts: make(map[uint32]*laneCounts), quotas: make(map[uint32]*quota), ages: make(map[uint32]time.Time),
		accounts: make(map[uint32]*Account),
	}
}

// run runs one operation. False: it failed after it had written, or panicked, and the transaction is of no use any more.
func (t *txn) run(o *op) (ok bool) {
	before := t.writes
	defer func() {
		if p := recover(); p != nil {
			t.w.db.log.Error("an operation of the store panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			o.err, o.settled, ok = fmt.Errorf("write to the store %s: %w: %s", t.w.db.path, ErrDamaged, panicSays(p)), true, false
		}
	}()
	o.wrote = false
	if o.err = t.w.disk.permit(o); o.err != nil {
		return true
	}
	o.err = o.run(t)
	o.wrote = t.writes > before
	if errors.Is(o.err, ErrDamaged) {
		t.w.db.warnDamaged(o.err)
	}
	if o.err != nil && o.wrote {
		o.settled = true
		return false
	}
	return true
}

// flush writes what operations of one transaction have in common.
func (t *txn) flush() error {
	if err := t.flushCounts(); err != nil {
		return err
	}
	if err := t.flushQuotas(); err != nil {
		return err
	}
	if err := t.flushErasure(); err != nil {
		return err
	}
	return t.flushClock()
}

func (v *reader) bucket(b bucket) *bolt.Bucket {
	if v.buckets[b] == nil {
		v.buckets[b] = v.tx.Bucket([]byte(bucketNames[b]))
		v.buckets[b].FillPercent = fill
	}
	return v.buckets[b]
}

// scratch gives an empty slice to build a record on. bbolt wants values to last as long as the transaction; put sees to
// it.
func (t *txn) scratch() []byte {
	const chunk, largest = 256 << 10, 64 << 10
	if cap(t.w.arena)-len(t.w.arena) < largest {
		t.w.arena = make([]byte, 0, chunk)
	}
	return t.w.arena[len(t.w.arena):]
}

// keep takes what was appended to scratch out of the arena.
func (t *txn) keep(b []byte) []byte {
	if cap(b) == cap(t.w.arena)-len(t.w.arena) { // it did not outgrow the arena
		t.w.arena = t.w.arena[:len(t.w.arena)+len(b)]
	}
	return b[:len(b):len(b)]
}

// put stores a record that starts with its version octet; nil is a row without a value.
func (t *txn) put(b bucket, key, record []byte) error {
	if record != nil {
		record = t.keep(seal(b, key, record))
	}
	t.writes++
	t.touch(b, key)
	t.erased = t.erased || b == bAccounts // the digest of a former password, perhaps
	if err := t.bucket(b).Put(key, record); err != nil {
		return &DamagedError{bucketNames[b], key, "it can't be written: " + err.Error()}
	}
	return nil
}

func (t *txn) delete(b bucket, key []byte) error {
	t.writes++
	t.touch(b, key)
	t.erased = t.erased || b.tells()
	if err := t.bucket(b).Delete(key); err != nil {
		return &DamagedError{bucketNames[b], key, "it can't be deleted: " + err.Error()}
	}
	return nil
}

// touch notes that a row may change, whether or not the transaction comes to a good end.
func (t *txn) touch(b bucket, key []byte) {
	t.change.accounts = t.change.accounts || b == bAccounts || b == bLanes
	if t.w.changes != nil {
		t.w.changes.add(b, key)
	}
}

// sequence gives the bucket's next number.
func (t *txn) sequence(b bucket) (uint64, error) {
	t.writes++
	return t.bucket(b).NextSequence()
}

// get opens the record of a key; nil, nil if there is none.
func (v *reader) get(b bucket, key []byte) (*fields, error) {
	value := v.bucket(b).Get(key)
	if value == nil {
		return nil, nil
	}
	return unseal(b, key, value)
}

// message reads a message: ErrNotFound, *GoneError, *DamagedError.
func (v *reader) message(id ID) (*Message, error) {
	key := idKey(id)
	if value := v.bucket(bMessages).Get(key); value != nil {
		return decodeMessage(key, value)
	}
	f, err := v.get(bGone, key)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, ErrNotFound
	}
	gone := &GoneError{Lane: f.uint32()}
	if err := f.end(); err != nil {
		return nil, err
	}
	return nil, gone
}

// save writes a message and brings all rows that belong to its state in line with it: its place in queue or later, its
// timer, its lane's count. Nothing else writes messages, except Enqueue their first record.
func (t *txn) save(m *Message, now time.Time) error {
	was := m.in.row
	if err := t.place(m, m.wantedRow(now)); err != nil {
		return err
	}
	if m.in.row == rowQueue && was != rowQueue {
		t.change.Back = append(t.change.Back, m.place())
	}
	if (was == rowNone) != (m.in.row == rowNone) {
		t.note(m, m.in.row != rowNone)
	}
	wake := m.wakeTime(t.w.db) // asked for once: settings may change
	if err := t.setTimer(m.ID, m.in.wake, wake); err != nil {
		return err
	}
	m.in.wake = wake
	if err := t.recount(m.Lane, m.in.was, m.State); err != nil {
		return err
	}
	m.in.was = m.State
	return t.put(bMessages, idKey(m.ID), appendMessage(t.scratch(), m))
}

// wantedRow is where a message stands in its state, at this time.
func (m *Message) wantedRow(now time.Time) queueRow {
	switch {
	case !m.State.waiting():
		return rowNone
	case m.Due.After(now):
		return rowLater
	}
	return rowQueue
}

// place moves a message between queue and later.
func (t *txn) place(m *Message, to queueRow) error {
	if to == m.in.row {
		return nil
	}
	var err error
	switch m.in.row {
	case rowQueue:
		err = t.delete(bQueue, queueKey(m))
	case rowLater:
		err = t.delete(bLater, laterKey(m.Lane, m.ID))
	}
	if err != nil {
		return err
	}
	switch m.in.row = to; to {
	case rowQueue:
		t.change.Queue = true
		return t.put(bQueue, queueKey(m), nil)
	case rowLater:
		return t.put(bLater, laterKey(m.Lane, m.ID), nil)
	}
	return nil
}

// setTimer moves the one timer row of an id; 0 is none.
func (t *txn) setTimer(id ID, was, to int64) error {
	if was == to {
		return nil
	}
	if was != 0 {
		if err := t.delete(bTimers, timerKey(was, id)); err != nil {
			return err
		}
	}
	if to == 0 {
		return nil
	}
	t.wake = min(t.wake, to)
	return t.put(bTimers, timerKey(to, id), nil)
}

// keys copies all keys with a prefix, in order.
func (v *reader) keys(b bucket, prefix []byte) (keys [][]byte) {
	c := v.bucket(b).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, ownKey(k))
	}
	return keys
}

// mostKey is more than any key has; what is longer is damage, and may be gigabytes long.
const mostKey = 512

// ownKey is a copy of a key that lasts longer than the transaction. One that is too long is cut: it leads to nothing.
func ownKey(k []byte) []byte { return append([]byte(nil), k[:min(len(k), mostKey)]...) }

func idKey(id ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func laneKey(lane uint32) []byte { return binary.BigEndian.AppendUint32(nil, lane) }

func seqKey(lane uint32, seq uint64) []byte { return binary.BigEndian.AppendUint64(laneKey(lane), seq) }

func laterKey(lane uint32, id ID) []byte { return seqKey(lane, uint64(id)) }

// numRanks is how many ranks there are in a lane.
const numRanks = 2

// place is where a message stands when it is due: priorities 1 to 3 rank alike, before 0.
func (m *Message) place() Place {
	if m.Priority > 0 {
		return Place{m.Lane, 0, m.ID}
	}
	return Place{m.Lane, 1, m.ID}
}

func queueKey(m *Message) []byte { return placeKey(m.place()) }

func placeKey(p Place) []byte {
	return binary.BigEndian.AppendUint64(append(laneKey(p.Lane), p.Rank), uint64(p.ID))
}

func timerKey(wake int64, id ID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(wake)), uint64(id))
}

// lineKey: length and name. A line of more than 255 octets is told by the first 255; a SIM's name has twenty.
func lineKey(line string) []byte {
	line = line[:min(len(line), 255)]
	return append([]byte{byte(len(line))}, line...)
}
