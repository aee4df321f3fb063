package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// rawFile is a file as bbolt alone sees it, past the store. The layout is that of package store's comment; it is read
// here once more so that the store does not judge itself.
type rawFile struct {
	digest  uint64          // of all keys, values and sequences
	gone    map[string]bool // ids of which only the number is left
	orphans bool            // there are reports that fit nothing yet
	pins    int             // that were entered, or refused
	faults  []string
}

// readRaw reads a file and checks it: bbolt's pages, the checksum of each record, and the indexes against the messages.
func readRaw(path string) (f rawFile, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt panicked: %v", p)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return f, err
	}
	f.gone = make(map[string]bool)
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			f.fault("bbolt: %v", err)
		}
		f.faults = f.faults[:min(len(f.faults), 3)] // one bad page may bring thousands
		f.read(tx)
		return nil
	})
	return f, errors.Join(err, db.Close())
}

func (f *rawFile) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// rawIndexes are the rows that the messages ask for, and the claims that name one.
type rawIndexes struct {
	queue, later, timers map[string]bool
	counts               map[string]*[13]uint64 // by lane
	claimed              int
}

func (f *rawFile) read(tx *bolt.Tx) {
	h := fnv.New64a()
	seal := crc32.MakeTable(crc32.Castagnoli)
	err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		fmt.Fprintf(h, "bucket %s %d;", name, b.Sequence())
		return b.ForEach(func(k, v []byte) error {
			fmt.Fprintf(h, "%d %d;", len(k), len(v))
			h.Write(k)
			h.Write(v)
			if n := len(v) - 4; len(v) > 0 {
				sum := crc32.Update(crc32.Update(crc32.Checksum(name, seal), seal, k), seal, v[:max(n, 0)])
				if n < 1 || binary.BigEndian.Uint32(v[n:]) != sum {
					f.fault("%s %x: the checksum is wrong", name, k)
				}
			}
			return nil
		})
	})
	if err != nil {
		f.fault("read: %v", err)
	}
	f.digest = h.Sum64()
	if tx.Bucket([]byte("messages")) == nil || tx.Bucket([]byte("timers")) == nil {
		f.fault("buckets are missing")
		return
	}
	tx.Bucket([]byte("gone")).ForEach(func(k, _ []byte) error {
		f.gone[strconv.FormatUint(binary.BigEndian.Uint64(k), 10)] = true
		return nil
	})
	k, _ := tx.Bucket([]byte("orphans")).Cursor().First()
	f.orphans = k != nil
	f.pins = tx.Bucket([]byte("pins")).Inspect().KeyN
	f.indexes(tx)
}

// indexes checks queue, later, timers, claims, reports and counts.
func (f *rawFile) indexes(tx *bolt.Tx) {
	want := rawIndexes{queue: map[string]bool{}, later: map[string]bool{}, timers: map[string]bool{}, counts: map[string]*[13]uint64{}}
	messages := tx.Bucket([]byte("messages"))
	messages.ForEach(func(k, v []byte) error {
		if len(v) < 18 || v[5] == 0 || v[5] > 12 {
			f.fault("message %x is too short, or its state is %x", k, v[min(5, len(v)-1)])
			return nil
		}
		if n := binary.BigEndian.Uint64(k); n > messages.Sequence() {
			f.fault("message %d is beyond the sequence %d", n, messages.Sequence())
		}
		want.add(k, v)
		return nil
	})
	same := func(name string, want map[string]bool) {
		left := maps.Clone(want)
		tx.Bucket([]byte(name)).ForEach(func(k, _ []byte) error {
			if name == "queue" && len(k) == 13 {
				k = append(append(bytes.Clone(k[:4]), 1), k[5:]...)
			}
			tombstone := name == "timers" && len(k) == 16 && tx.Bucket([]byte("gone")).Get(k[8:]) != nil
			if !want[string(k)] && !tombstone {
				f.fault("%s: row %x belongs to nothing", name, k)
			}
			delete(left, string(k))
			return nil
		})
		for k := range left {
			f.fault("%s: row %x is missing", name, k)
		}
	}
	same("queue", want.queue)
	same("later", want.later)
	same("timers", want.timers)
	claims := 0
	tx.Bucket([]byte("claims")).ForEach(func(k, v []byte) error {
		claims++
		if m := messages.Get(v[1:9]); len(m) < 6 || m[5] != 2 {
			f.fault("claims: %x names a message that is not claimed", k)
		}
		return nil
	})
	if claims != want.claimed {
		f.fault("claims: there are %d, and %d messages are claimed", claims, want.claimed)
	}
	tx.Bucket([]byte("reports")).ForEach(func(k, _ []byte) error {
		if len(k) < 9 || messages.Get(k[len(k)-9:len(k)-1]) == nil {
			f.fault("reports: row %x belongs to nothing", k)
		}
		return nil
	})
	for _, lane := range slices.Sorted(maps.Keys(want.counts)) {
		v := tx.Bucket([]byte("counts")).Get([]byte(lane))
		if !want.countsAre(lane, v) {
			f.fault("counts of lane %x are %x, want %v", lane, v, *want.counts[lane])
		}
	}
}

// add notes what a message's record, read from its front, asks for: version 1, lane 4, state 1, flags 1, counted state 1,
// row 1, resends 1, timer 8. priority_flag stands further behind, so a row of the queue is taken with any rank.
func (w *rawIndexes) add(k, v []byte) {
	lane, state, row, wake := string(v[1:5]), v[5], v[8], v[10:18]
	switch row {
	case 1:
		w.queue[lane+"\x01"+string(k)] = true
	case 2:
		w.later[lane+string(k)] = true
	}
	w.timers[string(wake)+string(k)] = true
	if w.counts[lane] == nil {
		w.counts[lane] = new([13]uint64)
	}
	w.counts[lane][state]++
	if state == 2 {
		w.claimed++
	}
}

// countsAre compares with a record of the counts: version 1, then a number of 8 for each state from 0 on.
func (w *rawIndexes) countsAre(lane string, v []byte) bool {
	want := w.counts[lane]
	if len(v) != 1+8*len(want)+4 {
		return false
	}
	for state, n := range want {
		if binary.BigEndian.Uint64(v[1+8*state:]) != n {
			return false
		}
	}
	return true
}
