package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// wantIndexes reads the whole file and checks that each row of an index belongs to a message and each message has the
// rows that its state asks for.
func (b *box) wantIndexes() {
	b.t.Helper()
	err := b.db.view(func(v *reader) error {
		want := [numBuckets]map[string]bool{}
		for _, i := range indexes {
			want[i] = make(map[string]bool)
		}
		counts := make(map[uint32]*[numStates]uint64)
		err := v.bucket(bMessages).ForEach(func(k, value []byte) error {
			m, err := decodeMessage(k, value)
			if err != nil {
				return err
			}
			if counts[m.Lane] == nil {
				counts[m.Lane] = &[numStates]uint64{}
			}
			counts[m.Lane][m.State]++
			return m.wantRows(want)
		})
		if err != nil {
			return err
		}
		wantGone(v, want)
		for _, i := range indexes {
			if err := sameKeys(v.bucket(i), want[i]); err != nil {
				return fmt.Errorf("bucket %s: %w", bucketNames[i], err)
			}
		}
		return v.bucket(bCounts).ForEach(func(k, _ []byte) error {
			got, err := v.laneCounts(k)
			lane := binary.BigEndian.Uint32(k)
			if counts[lane] == nil {
				counts[lane] = &[numStates]uint64{}
			}
			if err == nil && got.n != *counts[lane] {
				err = fmt.Errorf("counts of lane %d: got %v, want %v", lane, got.n, *counts[lane])
			}
			return err
		})
	})
	b.ok(err)
}

var indexes = []bucket{bQueue, bLater, bTimers, bClaims, bReports}

// wantRows is the package comment's table in other words.
func (m *Message) wantRows(want [numBuckets]map[string]bool) error {
	rank := "\x01"
	if m.Priority > 0 {
		rank = "\x00"
	}
	lane, id := string(laneKey(m.Lane)), string(idKey(m.ID))
	switch {
	case !m.State.waiting():
	case m.in.row == rowQueue:
		want[bQueue][lane+rank+id] = true
	default:
		want[bLater][lane+id] = true
	}
	if m.in.wake%1000 != 0 || m.in.wake == 0 {
		return fmt.Errorf("message %s has its timer at %d ms", m.ID, m.in.wake)
	}
	want[bTimers][string(binary.BigEndian.AppendUint64(nil, uint64(m.in.wake)))+id] = true
	for n, p := range m.Parts {
		if p.State == PartClaimed {
			want[bClaims][string(lineKey(p.Line))] = true
		}
		if p.matched {
			row := append(lineKey(p.Line), p.Ref)
			if p.blind {
				row = append([]byte{0}, lineKey(p.Line)...)
			}
			at := binary.BigEndian.AppendUint64(row, uint64(p.ClaimedAt.UnixMilli()))
			want[bReports][string(at)+id+string(rune(n))] = true
		}
	}
	return nil
}

// wantGone adds the timers of tombstones; when they end is not noted in them.
func wantGone(v *reader, want [numBuckets]map[string]bool) {
	for _, k := range v.keys(bTimers, nil) {
		if v.bucket(bGone).Get(k[8:]) != nil && v.bucket(bMessages).Get(k[8:]) == nil {
			want[bTimers][string(k)] = true
		}
	}
}

func sameKeys(b *bolt.Bucket, want map[string]bool) error {
	left := maps.Clone(want)
	err := b.ForEach(func(k, _ []byte) error {
		if !want[string(k)] {
			return fmt.Errorf("row %x belongs to nothing", k)
		}
		delete(left, string(k))
		return nil
	})
	for k := range left {
		return fmt.Errorf("row %x is missing", k)
	}
	return err
}

// TestIndexesAreChecked makes sure that the check above sees what it is for.
func TestIndexesAreChecked(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.wantIndexes()
	b.ok(b.db.w.do(func(t *txn) error { return t.delete(bQueue, queueKey(&Message{Lane: 1, ID: id})) }))
	err := b.db.view(func(v *reader) error {
		return sameKeys(v.bucket(bQueue), map[string]bool{string(queueKey(&Message{Lane: 1, ID: id})): true})
	})
	if err == nil {
		t.Fatal("a missing row was not noticed")
	}
}
