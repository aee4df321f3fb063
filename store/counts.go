package store

import (
	"encoding/binary"
	"maps"
	"slices"
)

// laneCounts is how many messages of a lane are in each state.
type laneCounts struct {
	n     [numStates]uint64
	dirty bool
}

// waiting is how many are not handed over yet, or not for certain.
func (c *laneCounts) waiting() uint64 {
	return c.n[Queued] + c.n[Claimed] + c.n[Partial] + c.n[Uncertain]
}

// Counts tells how many messages are in each state, of one lane or of all (0). States without any are left out. It
// costs the same however many there are.
func (db *DB) Counts(lane uint32) (map[State]uint64, error) {
	total := make(map[State]uint64)
	err := db.view(func(v *reader) error {
		clear(total)
		c := v.bucket(bCounts).Cursor()
		for k, _ := c.Seek(laneKey(lane)); k != nil; k, _ = c.Next() {
			if lane != 0 && string(k) != string(laneKey(lane)) {
				return nil
			}
			counts, err := v.laneCounts(k)
			if err != nil {
				return err
			}
			for s, n := range counts.n {
				if n > 0 {
					total[State(s)] += n
				}
			}
		}
		return nil
	})
	return total, err
}

func (v *reader) laneCounts(key []byte) (*laneCounts, error) {
	c := &laneCounts{}
	f, err := v.get(bCounts, key)
	if f == nil || err != nil {
		return c, err
	}
	for s := range c.n {
		c.n[s] = f.uint64()
	}
	return c, f.end()
}

// lane gives the counts of a lane as they are within the transaction.
func (t *txn) lane(lane uint32) (*laneCounts, error) {
	if c := t.counts[lane]; c != nil {
		return c, nil
	}
	c, err := t.laneCounts(laneKey(lane))
	if err == nil {
		t.counts[lane] = c
	}
	return c, err
}

// recount moves one message from state to state; 0 is none.
func (t *txn) recount(lane uint32, from, to State) error {
	if from == to {
		return nil
	}
	c, err := t.lane(lane)
	if err != nil {
		return err
	}
	c.dirty = true
	if from != 0 && c.n[from] > 0 {
		c.n[from]--
	}
	if to != 0 {
		c.n[to]++
	}
	return nil
}

// flushCounts writes one row for each lane that the transaction touched, however many messages it moved.
func (t *txn) flushCounts() error {
	for _, lane := range slices.Sorted(maps.Keys(t.counts)) {
		c := t.counts[lane]
		if !c.dirty {
			continue
		}
		record := []byte{recordVersion}
		for _, n := range c.n {
			record = binary.BigEndian.AppendUint64(record, n)
		}
		if err := t.put(bCounts, laneKey(lane), record); err != nil {
			return err
		}
	}
	return nil
}
