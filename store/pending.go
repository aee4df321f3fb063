package store

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

// mostCandidates bounds how many messages with the same addresses are looked at for one that may be replaced.
const mostCandidates = 100

// mostExpected bounds for how many messages memory is taken before they are read.
const mostExpected = 1 << 24

// pendingSeed makes the keys of this process.
var pendingSeed = maphash.MakeSeed()

// pendingKey tells messages apart by what replace_if_present_flag compares: source, destination and service_type. A leading
// '+' of the source does not count. Two may share a key by chance.
func (m *Message) pendingKey() uint64 {
	var h maphash.Hash
	h.SetSeed(pendingSeed)
	for _, s := range [...]string{strings.TrimPrefix(m.Source.Number, "+"), m.Destination.Number, m.ServiceType} {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}

func (m *Message) samePending(n *Message) bool {
	return m.Lane == n.Lane && strings.TrimPrefix(m.Source.Number, "+") == strings.TrimPrefix(n.Source.Number, "+") &&
		m.Destination.Number == n.Destination.Number && m.ServiceType == n.ServiceType
}

// pendingIndex finds what waits by its key. It is in memory, and only for lanes that have asked for it: a lane that never
// does costs nothing, and the writer never reads through one.
type pendingIndex struct {
	mu    sync.Mutex           // held while a lane is read
	ready map[uint32]bool      // under mu
	lanes map[uint32]*pendings // the writer's own
}

// pendingChange is one that a transaction makes, and that counts once it is committed.
type pendingChange struct {
	lane  uint32
	key   uint64
	id    ID
	waits bool
}

// note keeps the index in line with a message that begins or ceases to wait.
func (t *txn) note(m *Message, waits bool) {
	if t.w.pending.lanes[m.Lane] != nil {
		t.pending = append(t.pending, pendingChange{m.Lane, m.pendingKey(), m.ID, waits})
	}
}

// committed takes over the changes of a transaction.
func (x *pendingIndex) committed(changes []pendingChange) {
	for _, c := range changes {
		p := x.lanes[c.lane]
		if p == nil {
			continue
		}
		if c.waits {
			delete(p.left, c.id)
			p.add(c.key, c.id)
			continue
		}
		p.drop(c.key, c.id)
		if p.left != nil {
			p.left[c.id] = c.key
		}
	}
}

// newestPending is the newest message of m's lane that m may replace; nil if there is none.
func (t *txn) newestPending(m *Message, now time.Time) *Message {
	key := m.pendingKey()
	looked := 0
	take := func(id ID) *Message {
		looked++
		old, err := t.message(id)
		if err != nil || !old.samePending(m) || old.untouched() != nil || !now.Before(old.Expires) {
			return nil
		}
		return old
	}
	for _, c := range slices.Backward(t.pending) {
		if c.lane != m.Lane || c.key != key || !c.waits || looked == mostCandidates {
			continue
		}
		if old := take(c.id); old != nil {
			return old
		}
	}
	p := t.w.pending.lanes[m.Lane]
	if p == nil {
		return nil
	}
	for id := range p.newestFirst(key) {
		if looked == mostCandidates {
			break
		}
		if old := take(id); old != nil {
			return old
		}
	}
	return nil
}

// indexPending reads what waits in a lane, once, beside the writer.
func (db *DB) indexPending(lane uint32) error {
	x := &db.w.pending
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ready[lane] {
		return nil
	}
	err := db.w.do(func(*txn) error {
		x.lanes[lane] = newPendings(nil)
		x.lanes[lane].left = make(map[ID]uint64)
		return nil
	})
	if err != nil {
		return err
	}
	var found []pendingID
	err = db.view(func(v *reader) error {
		found = v.pending(lane)
		return nil
	})
	if err != nil {
		return err
	}
	whole := newPendings(found)
	err = db.w.do(func(*txn) error {
		p := x.lanes[lane]
		for id, key := range p.left {
			whole.drop(key, id)
		}
		for key, since := range p.ids {
			for _, id := range since {
				whole.add(key, id)
			}
		}
		x.lanes[lane] = whole
		return nil
	})
	x.ready[lane] = err == nil
	return err
}

// pending lists what waits in a lane. What can't be read is left out.
func (v *reader) pending(lane uint32) (found []pendingID) {
	if counts, err := v.laneCounts(laneKey(lane)); err == nil {
		found = make([]pendingID, 0, min(counts.waiting(), mostExpected))
	}
	for _, b := range [...]bucket{bQueue, bLater} {
		c := v.bucket(b).Cursor()
		for k, _ := c.Seek(laneKey(lane)); k != nil && binary.BigEndian.Uint32(k) == lane; k, _ = c.Next() {
			id := ID(binary.BigEndian.Uint64(k[len(k)-8:]))
			if m, err := v.message(id); err == nil {
				found = append(found, pendingID{m.pendingKey(), id})
			}
		}
	}
	return found
}
