package store

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
)

// A restore begins a new life of a file: from there on it goes another way than the file that the backup was taken from went. The
// row "lives" of the bucket meta has an entry for each restore in a file's past, the first one first. So a file is a later state of
// a backup if it has had the same lives, and left the last of them behind the backup.

// life is one restore: a random name, and how far the file was from which it went on.
type life struct {
	name uint64
	fork position
}

// position is how far a life has come: the sequences of the buckets that have one.
type position [5]uint64

func positionBuckets() [5]bucket {
	return [...]bucket{bAccounts, bMessages, bOutbox, bInbound, bOrphans}
}

// notBeyond tells whether a position may lie before another one of the same life, or is it.
func (p position) notBeyond(q position) bool {
	for i := range p {
		if p[i] > q[i] {
			return false
		}
	}
	return true
}

func keyLives() []byte { return []byte("lives") }

// mostLives bounds what a row may hold; beyond it the oldest are forgotten, and no backup of theirs is known again.
const mostLives = 500

func (v *reader) lives() ([]life, error) {
	f, err := v.get(bMeta, keyLives())
	if f == nil || err != nil {
		return nil, err
	}
	var all []life
	for range min(f.uint16(), mostLives) {
		l := life{name: f.uint64()}
		for i := range l.fork {
			l.fork[i] = f.uint64()
		}
		all = append(all, l)
	}
	return all, f.end()
}

// beginLife notes that the file goes on, from now on, in another way than that which came so far.
func (t *txn) beginLife(before []life, fork position) error {
	var name [8]byte
	rand.Read(name[:]) // never fails
	all := append(slices.Clone(before), life{binary.BigEndian.Uint64(name[:]), fork})
	all = all[max(len(all)-mostLives, 0):]
	record := binary.BigEndian.AppendUint16([]byte{recordVersion}, uint16(len(all)))
	for _, l := range all {
		record = binary.BigEndian.AppendUint64(record, l.name)
		for _, n := range l.fork {
			record = binary.BigEndian.AppendUint64(record, n)
		}
	}
	return t.put(bMeta, keyLives(), record)
}

func (v *reader) position() (p position) {
	for i, b := range positionBuckets() {
		p[i] = v.bucket(b).Sequence()
	}
	return p
}

// descends tells whether a file with these lives, which has come so far, is a later state of one that had those, and was there.
func descends(lives []life, at position, from []life, was position) bool {
	if len(lives) < len(from) {
		return false
	}
	for i, l := range from {
		if lives[i].name != l.name {
			return false
		}
	}
	if len(lives) > len(from) {
		at = lives[len(from)].fork
	}
	return was.notBeyond(at)
}
