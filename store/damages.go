package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// damages are the damaged records and rows that were come across since Open, each once.
type damages struct {
	mu    sync.Mutex
	known map[string]bool
	list  []string
}

// mostNamed bounds how many of them the log names one by one.
const mostNamed = 1000

// add tells whether it is a new one.
func (d *damages) add(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known[what] || len(d.list) >= mostNamed {
		return false
	}
	if d.known == nil {
		d.known = make(map[string]bool)
	}
	d.known[what] = true
	d.list = append(d.list, what)
	return true
}

// Damage lists what was found damaged since Open, in the order in which it was come across: a clause each, at most 1000.
// What nobody has read yet is not among it.
func (db *DB) Damage() []string {
	db.damage.mu.Lock()
	defer db.damage.mu.Unlock()
	return append([]string(nil), db.damage.list...)
}

// warnDamaged logs a damaged record, once for each, where the work goes on without it.
func (db *DB) warnDamaged(err error) {
	what := err.Error()
	if record := (*DamagedError)(nil); errors.As(err, &record) {
		what = record.Error() // wherever it was come across
	}
	if db.damage.add(what) {
		db.log.Error("a record can't be read and is left out; restore a backup", "err", err)
	}
}

// warnRow logs an index's row that does not belong to its message. It is left out; but then another row is missing.
func (db *DB) warnRow(b bucket, k []byte) {
	what := fmt.Sprintf("damaged row %s/%x: it is not its message's", bucketNames[b], ownKey(k))
	if db.damage.add(what) {
		db.log.Error("an index of the database is damaged: a message may be overlooked; run smsgateway check", "err", what)
	}
}

// warnFound logs what was found when the file was opened.
func (db *DB) warnFound(found *found) {
	for _, err := range found.bad {
		db.warnDamaged(err)
	}
	if found.late {
		return
	}
	for _, d := range append(found.miscounts(), found.misfits()...) {
		what := bucketNames[d.b] + ": " + d.what
		if d.key != nil {
			what = fmt.Sprintf("%s/%x: %s", bucketNames[d.b], d.key, d.what)
		}
		if db.damage.add(what) {
			db.log.Error("the database does not agree with itself; run smsgateway check", "err", what, "means", d.means)
		}
	}
}

// checkSequences makes sure that no number is given again: those of bbolt's sequences have no checksum. It does so, too, where there
// was no time to look at all of the file.
func (db *DB) checkSequences(v *reader) error {
	last := func(b bucket) uint64 {
		k, _ := v.bucket(b).Cursor().Last()
		switch len(k) {
		case 4:
			return uint64(binary.BigEndian.Uint32(k))
		case 8:
			return binary.BigEndian.Uint64(k)
		}
		return 0
	}
	for _, s := range [...]struct {
		b    bucket
		last uint64
	}{
		{bMessages, max(last(bMessages), last(bGone))},
		{bAccounts, last(bLanes)},
		{bInbound, last(bInbound)},
		{bOutbox, lastOutbox(v.bucket(bOutbox).Cursor())},
	} {
		if seq := v.bucket(s.b).Sequence(); seq < s.last {
			return fmt.Errorf("bucket %s has number %d, and says that %d was the last", bucketNames[s.b], s.last, seq)
		}
	}
	return nil
}

// lastOutbox is the highest sequence number of all lanes, of the first ten thousand.
func lastOutbox(c *bolt.Cursor) (highest uint64) {
	k, _ := c.First()
	for n := 0; len(k) == 12 && n < 10_000; n++ {
		lane := binary.BigEndian.Uint32(k)
		next, _ := c.Seek(laneKey(lane + 1))
		last := next
		if next == nil || lane == 1<<32-1 {
			last, _ = c.Last()
			next = nil
		} else {
			last, _ = c.Prev()
			next = ownKey(next)
		}
		if len(last) == 12 {
			highest = max(highest, binary.BigEndian.Uint64(last[4:]))
		}
		if k = next; k != nil {
			k, _ = c.Seek(k)
		}
	}
	return highest
}
