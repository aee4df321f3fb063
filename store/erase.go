package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

// What bbolt deletes stays in the file, in pages that are free, until they are used again: by chance, perhaps never. So the
// store remembers since when that may be so of a text, a number or the digest of a password. Compact makes a file in which
// only what is there is found.

// erasure is since when deleted texts may be found in the file.
type erasure struct {
	since atomic.Int64 // ms, as on disk; 0: there are none

	// The rest is the writer's own.
	copying   bool  // Compact is at work
	meanwhile int64 // the first one since it began, ms; 0: none
}

// tells whether rows of a bucket hold, or are made from, what people wrote, whom they wrote to, or a secret.
func (b bucket) tells() bool {
	switch b {
	case bMessages, bOutbox, bInbound, bFragments, bOrphans, bAccounts, bContacts, bPINs, bSeen, bResubmits:
		return true
	}
	return false
}

func keyErased() []byte { return []byte("erased") }

// flushErasure writes down when the first text was deleted since the file was made.
func (t *txn) flushErasure() error {
	e := &t.w.erasure
	if !t.erased || e.since.Load() != 0 && (!e.copying || e.meanwhile != 0) {
		return nil
	}
	t.eraseStored = cmp.Or(t.w.clock.high, milli(time.Now())) // none is believed before the first Tick
	if e.since.Load() != 0 {
		return nil
	}
	return t.put(bMeta, keyErased(), erasureRecord(t.eraseStored))
}

func erasureRecord(since int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(since))
}

func (e *erasure) committed(t *txn) {
	if t.eraseStored == 0 {
		return
	}
	e.since.CompareAndSwap(0, t.eraseStored)
	if e.copying && e.meanwhile == 0 {
		e.meanwhile = t.eraseStored
	}
}

// readErasure reads since when deleted texts may be found in the file; 0 for never.
func (v *reader) readErasure() (int64, error) {
	f, err := v.get(bMeta, keyErased())
	if f == nil || err != nil {
		return 0, err
	}
	since := int64(f.uint64())
	return since, f.end()
}

// Space is what the file's octets are used for.
type Space struct {
	Size    int64     // of the file; what is neither used nor free is held for a full disk
	Used    int64     // of it: pages that hold something
	Free    int64     // of it: pages that hold nothing any more; they are used again, and given back by Compact alone
	Erased  time.Time // when the first text, number or secret was deleted that may still be found in them; zero: none was
	Commits int64     // since the file was opened
}

// Space tells how large the file is, and whether Compact is worth it.
func (db *DB) Space() (Space, error) {
	s := Space{Commits: db.w.commits.Load()}
	err := db.viewOf(func(v *reader, h *handle) (err error) {
		if s.Size, s.Free, err = h.size(); err != nil {
			return fmt.Errorf("look at the store %s: %w", db.path, err)
		}
		s.Used = max(v.tx.Size()-s.Free, 0)
		return nil
	})
	if since := db.w.erasure.since.Load(); since != 0 {
		s.Erased = fromMilli(since)
	}
	return s, err
}
