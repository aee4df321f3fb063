package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// biteLen is how many octets are copied at once, and synced: with more the writer's own syncs would wait.
	biteLen = 1 << 20
	// enoughChanges is when what changed is copied before all else has been: the keys are in memory.
	enoughChanges = 50_000
	// mostChanges bounds these keys: some hundred megabytes.
	mostChanges = 1_000_000
	// fewChanges may be left to be copied in the writer's own turn.
	fewChanges = 2000
	// mostRounds is how often what has changed since the last time is copied, in the hope that it gets less.
	mostRounds = 30
	// mostValue is more than any record has; what is longer is damage.
	mostValue = 16 << 20
)

// errInTheWay: bbolt holds something that is not the store's.
var errInTheWay = errors.New("it holds something that this program does not know")

// changes are the keys that were written since Compact began, or looked last: what they hold is read when it is copied. It
// is the writer's own until it is handed over.
type changes struct {
	keys [numBuckets]map[string]struct{}
	n    atomic.Int64 // of them; beyond mostChanges they are lost
}

func (c *changes) add(b bucket, key []byte) {
	if c.lost() {
		return
	}
	m := c.keys[b]
	if m == nil {
		m = make(map[string]struct{})
		c.keys[b] = m
	}
	was := len(m)
	m[string(key)] = struct{}{}
	if c.n.Add(int64(len(m)-was)) > mostChanges {
		c.keys = [numBuckets]map[string]struct{}{}
	}
}

func (c *changes) lost() bool { return c.n.Load() > mostChanges }

// row is one that is copied, or deleted in the new file, too.
type row struct {
	in         bucket
	key, value []byte
	gone       bool
}

// bite is some rows of one state of the present file.
type bite struct {
	rows []row
	size int64
}

func (b *bite) add(in bucket, key, value []byte, gone bool) {
	b.rows = append(b.rows, row{in, bytes.Clone(key), bytes.Clone(value), gone})
	b.size += int64(len(key)+len(value)) + elementLen
}

// follow has the writer note from now on what it changes.
func (c *compaction) follow() error {
	return c.db.w.do(func(t *txn) error {
		c.current = new(changes)
		t.w.changes = c.current
		t.w.erasure.copying, t.w.erasure.meanwhile = true, 0
		return nil
	})
}

// fill copies all rows, bucket by bucket, in order.
func (c *compaction) fill() error {
	for c.at < numBuckets {
		began, commits := time.Now(), c.db.w.commits.Load()
		b, err := c.read()
		if err != nil {
			return err
		}
		if err := c.write(b); err != nil {
			return err
		}
		if err := c.step("filled some"); err != nil {
			return err
		}
		if c.db.w.commits.Load() != commits { // others have work
			c.pause(time.Since(began))
		}
		if c.current.n.Load() > c.enough {
			if err := c.round(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause gives the others as much time as was taken from them.
func (c *compaction) pause(d time.Duration) {
	timer := time.NewTimer(min(d, time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// read takes the next rows.
func (c *compaction) read() (*bite, error) {
	b := new(bite)
	err := c.db.view(func(v *reader) error {
		if c.at == 0 && c.last == nil {
			if err := onlyOurs(v); err != nil {
				return err
			}
		}
		for c.at < numBuckets && b.size < c.bite {
			all, err := c.readBucket(v, b)
			if err != nil {
				return err
			}
			if all {
				c.at, c.last = c.at+1, nil
			}
		}
		return nil
	})
	return b, err
}

// onlyOurs looks whether there is anything that would not be copied.
func onlyOurs(v *reader) error {
	return v.tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if !slices.Contains(bucketNames[:], string(name)) {
			return fmt.Errorf("%w: bucket %q", errInTheWay, name)
		}
		return nil
	})
}

// readBucket takes rows of one bucket, behind the last one that was taken. A record that is damaged is copied as it is.
func (c *compaction) readBucket(v *reader, b *bite) (all bool, err error) {
	cursor := v.bucket(c.at).Cursor()
	k, value := cursor.Seek(c.last)
	if c.last != nil && bytes.Equal(k, c.last) {
		k, value = cursor.Next()
	}
	for ; k != nil; k, value = cursor.Next() {
		switch {
		case c.last != nil && bytes.Compare(k, c.last) <= 0:
			return false, fmt.Errorf("%w: bucket %s is out of order", ErrDamaged, bucketNames[c.at])
		case len(k) > mostKey, len(value) > mostValue:
			return false, fmt.Errorf("%w: a record of bucket %s is too long", ErrDamaged, bucketNames[c.at])
		case value == nil:
			return false, fmt.Errorf("%w: a bucket in bucket %s", errInTheWay, bucketNames[c.at])
		}
		if len(value) > 0 {
			if _, err := unseal(c.at, k, value); err != nil {
				c.db.warnDamaged(err)
			}
		}
		b.add(c.at, k, value, false)
		c.last = b.rows[len(b.rows)-1].key
		if b.size >= c.bite {
			return false, nil
		}
	}
	return true, nil
}

// write puts rows into the new file.
func (c *compaction) write(b *bite) error {
	if len(b.rows) == 0 {
		return nil
	}
	if err := c.room(2 * b.size); err != nil {
		return err
	}
	err := c.update(func(next *reader) error {
		for _, r := range b.rows {
			var err error
			if r.gone {
				err = next.bucket(r.in).Delete(r.key)
			} else {
				err = next.bucket(r.in).Put(r.key, r.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if size, free, err := c.next.size(); err == nil {
		c.total = max(c.total, size-free)
		c.progress(size-free, c.total)
	}
	if c.unsynced += b.size; c.unsynced >= biteLen {
		return c.sync()
	}
	return nil
}

// update is one transaction of the new file. It is on disk before anybody else sees it.
func (c *compaction) update(do func(next *reader) error) error {
	return c.onNext(func() error {
		return c.next.bolt.Update(func(tx *bolt.Tx) error {
			c.next.durable.Store(int64(tx.ID()))
			return do(&reader{tx: tx})
		})
	})
}

// catchUp copies what has changed meanwhile, until little is left, and brings all of it to disk.
func (c *compaction) catchUp() error {
	for n := 0; n == 0 || c.current.n.Load() > fewChanges && n < mostRounds; n++ {
		if err := c.round(); err != nil {
			return err
		}
		if err := c.sync(); err != nil {
			return err
		}
		if err := c.step("copied changes"); err != nil {
			return err
		}
	}
	if c.current.n.Load() > 10*fewChanges {
		return ErrTooBusy
	}
	return nil
}

// round copies what has changed since the last one. The writer hands the keys over in a turn of its own, so that all of
// them are committed when their rows are read.
func (c *compaction) round() error {
	err := c.db.w.do(func(t *txn) error {
		c.left = append(c.left, c.current)
		c.current = new(changes)
		t.w.changes = c.current
		return nil
	})
	if err != nil {
		return err
	}
	return c.copyChanges()
}

// copyChanges copies what is left.
func (c *compaction) copyChanges() error {
	const atOnce = 2000
	left := c.left
	c.left = nil
	for b := range min(c.at+1, numBuckets) {
		keys, err := c.changed(left, b)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(keys, atOnce) {
			if err := c.copyKeys(b, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// changed lists the keys of a bucket, in order. What was not reached yet will be copied as it is then.
func (c *compaction) changed(left []*changes, b bucket) (keys []string, err error) {
	for _, some := range left {
		if some.lost() {
			return nil, ErrTooBusy
		}
		for k := range some.keys[b] {
			if b < c.at || c.last != nil && k <= string(c.last) {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (c *compaction) copyKeys(in bucket, keys []string) error {
	b := new(bite)
	err := c.db.view(func(v *reader) error {
		bucket := v.bucket(in)
		for _, k := range keys {
			value := bucket.Get([]byte(k))
			if len(value) > mostValue {
				return fmt.Errorf("%w: a record of bucket %s is too long", ErrDamaged, bucketNames[in])
			}
			b.add(in, []byte(k), value, value == nil)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.write(b)
}

// copyHeads copies the buckets' sequences, and writes down since when texts are deleted that are in the new file; 0: none
// was.
func (c *compaction) copyHeads(erased int64) error {
	var sequences [numBuckets]uint64
	err := c.db.view(func(v *reader) error {
		for b := range numBuckets {
			sequences[b] = v.bucket(b).Sequence()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.update(func(next *reader) error {
		for b, n := range sequences {
			if err := next.bucket(bucket(b)).SetSequence(n); err != nil {
				return err
			}
		}
		if erased == 0 {
			return next.bucket(bMeta).Delete(keyErased())
		}
		return next.bucket(bMeta).Put(keyErased(), seal(bMeta, keyErased(), erasureRecord(erased)))
	})
}
