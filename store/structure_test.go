package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestStructureTakesWhatBoltWrites: no file that is whole is taken for damaged, however it was used: with buckets that grow,
// are emptied, deleted and made again, values of many pages, transactions that came to nothing, readers that hold pages back, a
// copy, and a compacted one.
func TestStructureTakesWhatBoltWrites(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	path := filepath.Join(t.TempDir(), "some.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoSync: true, InitialMmapSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var held *bolt.Tx
	for n := range 400 {
		if err := db.Update(func(tx *bolt.Tx) error { return scribble(r, tx, n/100%2 == 0) }); err != nil {
			t.Fatal(err)
		}
		if held == nil && r.IntN(10) == 0 {
			held, err = db.Begin(false)
		} else if held != nil && r.IntN(10) == 0 {
			err, held = held.Rollback(), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		wantWhole(t, fmt.Sprint("after commit ", n), path)
	}
	if held != nil {
		held.Rollback()
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := db.View(func(tx *bolt.Tx) error { return tx.CopyFile(copied, 0o600) }); err != nil {
		t.Fatal(err)
	}
	for n := range 5 { // its heads are two commits apart for a while
		wantWhole(t, fmt.Sprint("copied, commit ", n), copied)
		c, err := bolt.Open(copied, 0o600, nil)
		if err == nil {
			err = c.Update(func(tx *bolt.Tx) error { return scribble(r, tx, true) })
			c.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dense := filepath.Join(t.TempDir(), "dense.db")
	to, err := bolt.Open(dense, 0o600, nil)
	if err == nil {
		err = bolt.Compact(to, db, 1<<16)
		to.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	wantWhole(t, "compacted", dense)
}

// scribble changes some buckets, mostly by adding to them or by taking away.
func scribble(r *rand.Rand, tx *bolt.Tx, grow bool) error {
	for range 1 + r.IntN(6) {
		name := fmt.Appendf(nil, "bucket %d", r.IntN(12))
		if r.IntN(60) == 0 && tx.Bucket(name) != nil {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
			continue
		}
		b, err := tx.CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		b.FillPercent = []float64{0.5, 0.9, 1}[r.IntN(3)]
		size := []int{0, 20, 20, 300, 1 << r.IntN(16)}[r.IntN(5)]
		for range r.IntN(80) {
			key := fmt.Appendf(nil, "%0*d", 1+r.IntN(40), r.IntN(2000))
			err := b.Delete(key)
			if grow && r.IntN(8) > 0 || r.IntN(8) == 0 {
				err = b.Put(key, bytes.Repeat([]byte{byte(size)}, size))
			}
			if err != nil {
				return err
			}
		}
		if c := b.Cursor(); !grow && r.IntN(4) == 0 {
			for k, _ := c.First(); k != nil; k, _ = c.First() { // it is emptied
				if err := b.Delete(bytes.Clone(k)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func wantWhole(t *testing.T, when, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var log bytes.Buffer
	s, err := inspect(f, time.Time{}, 0, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || s.late || log.Len() > 0 {
		t.Fatalf("%s: %v, %s", when, err, log.String())
	}
}
