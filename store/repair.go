package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// mend is one change that puts something right.
type mend struct {
	b     bucket
	key   []byte
	value []byte // record without its checksum; nil: a row that is all key
	drop  bool

	sequence   uint64 // the bucket's is raised to this
	head       bool   // a commit is made, which writes the older head
	clock      bool   // the clock is set to the newest message
	tombstones bool   // the timers of tombstones are made anew
}

// repair collects what is to be changed, and changes it.
type repair struct {
	c     *checker
	db    *bolt.DB
	mends []mend
	anew  bool // timers of tombstones
}

// Repair is CheckFile, and puts right what follows from the rest of the file: indexes, timers, counts and the like. Before
// anything is changed the file is copied beside it; kept is that copy's name, "" if there was nothing to mend. What is lost it
// can't bring back: damaged pages, and records of messages, accounts and texts; Findings tell of them.
func Repair(ctx context.Context, path string, now time.Time, progress func(Progress)) (found Findings, kept string, err error) {
	found, err = CheckFile(ctx, path, CheckOptions{}, progress)
	if err != nil || found.Mendable == 0 || found.Skipped != "" {
		return found, "", err
	}
	f, err := lockFile(path, os.O_RDWR, syscall.LOCK_EX)
	if err != nil {
		return found, "", err
	}
	defer f.Close()
	kept, err = keepCopy(ctx, f, path, now, progress)
	if err != nil {
		return found, "", fmt.Errorf("copy %s before it is repaired: %w", path, err)
	}
	db, err := openLocked(f, path, false)
	if err != nil {
		return found, kept, fmt.Errorf("repair %s: %w", path, err)
	}
	c := newChecker(ctx, CheckOptions{}, progress)
	c.repair = &repair{c: c, db: db}
	err = errors.Join(c.mendAll(f, now), db.Close())
	if err != nil {
		return found, kept, fmt.Errorf("repair %s: %w", path, err)
	}
	mended, _ := c.done(nil)
	after, err := CheckFile(ctx, path, CheckOptions{}, progress)
	after.Mended = mended.Mended
	after.List = append(onlyMended(mended.List), after.List...)
	after.List = after.List[:min(len(after.List), mostFindings)]
	return after, kept, err
}

func onlyMended(list []Finding) (mended []Finding) {
	for _, f := range list {
		if f.Mended {
			mended = append(mended, f)
		}
	}
	return mended
}

// mendAll goes through the file as a check does, and writes what that finds to be mended.
func (c *checker) mendAll(f *os.File, now time.Time) error {
	c.view = func(fn func(v *reader) error) error { return viewing(c.repair.db, fn) }
	h, err := c.head(f)
	if err != nil {
		return err
	}
	if err := c.snapshot(f, h); err != nil {
		return err
	}
	if c.damagedPages > 0 {
		return fmt.Errorf("it is %w", ErrDamaged)
	}
	if err := c.repair.write(); err != nil {
		return err
	}
	if err := c.agree(); err != nil {
		return err
	}
	if c.repair.anew {
		return c.tombstones(now)
	}
	return nil
}

// write makes the changes that were collected, in one transaction.
func (r *repair) write() (err error) {
	if len(r.mends) == 0 {
		return nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is %w (%s)", ErrDamaged, panicSays(p))
		}
	}()
	err = r.db.Update(func(tx *bolt.Tx) error {
		v := &reader{tx: tx}
		for _, m := range r.mends {
			if err := r.apply(v, m); err != nil {
				return err
			}
		}
		return nil
	})
	r.mends = nil
	return err
}

func (r *repair) apply(v *reader, m mend) error {
	if m.head {
		return nil
	}
	switch b := v.bucket(m.b); {
	case m.tombstones:
		r.anew = true
		return nil
	case m.sequence != 0:
		return b.SetSequence(max(m.sequence, b.Sequence()))
	case m.clock:
		record := binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(milli(r.c.newest)))
		return b.Put(keyClock(), seal(bMeta, keyClock(), record))
	case m.drop:
		return b.Delete(m.key)
	case m.value != nil:
		return b.Put(m.key, seal(m.b, m.key, m.value))
	default:
		return b.Put(m.key, nil)
	}
}

// tombstones gives each id that is only known as ours a timer anew. Which of them have one can't be told without remembering
// all, so the old ones go.
func (c *checker) tombstones(now time.Time) error {
	drop := func(v *reader, k, _ []byte) {
		if len(k) == 16 && hasKey(v, bGone, k[8:]) && !hasKey(v, bMessages, k[8:]) {
			c.repair.mends = append(c.repair.mends, mend{b: bTimers, key: ownKey(k), drop: true})
		}
	}
	ends := wholeSecond(now.Add(Options{}.withDefaults().Tombstone))
	add := func(_ *reader, k, _ []byte) {
		if len(k) == 8 {
			c.repair.mends = append(c.repair.mends, mend{b: bTimers, key: timerKey(ends, ID(binary.BigEndian.Uint64(k)))})
		}
	}
	for _, r := range []rowCheck{{bTimers, drop}, {bGone, add}} {
		for from := []byte{}; from != nil; {
			var err error
			if from, _, err = c.bite(r.b, from, r.look); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepCopy copies a file whose lock the caller has, under a name that tells when. The copy has that name when it is whole and
// on disk.
func keepCopy(ctx context.Context, f *os.File, path string, now time.Time, progress func(Progress)) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	to, err := newName(path, "before-repair", now)
	if err != nil {
		return "", err
	}
	removeLeftovers(path, slog.New(slog.DiscardHandler))
	temp := to + tempSuffix
	defer os.Remove(temp)
	in := io.NewSectionReader(f, 0, info.Size())
	if err := copyTo(ctx, in, info.Size(), temp, "a copy of the file", progress); err != nil {
		return "", err
	}
	if err := os.Rename(temp, to); err != nil {
		return "", err
	}
	return to, syncPath(filepath.Dir(path))
}

// newName is a name beside path that nothing has: path, what it is, and when.
func newName(path, what string, now time.Time) (string, error) {
	base := path + "." + what + "-" + now.UTC().Format("20060102T150405Z")
	for n := range 100 {
		name := base
		if n > 0 {
			name = fmt.Sprintf("%s-%d", base, n+1)
		}
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("there are too many files %s", base)
}

// copyTo writes a new file with mode 0600 and syncs it.
func copyTo(ctx context.Context, from io.Reader, size int64, to, what string, progress func(Progress)) (err error) {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	chunk := make([]byte, 1<<20)
	for done := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.Read(chunk)
		if n > 0 {
			if _, err := out.Write(chunk[:n]); err != nil {
				return err
			}
			done += int64(n)
			if progress != nil {
				progress(Progress{what, done, size})
			}
		}
		if errors.Is(err, io.EOF) {
			return out.Sync()
		}
		if err != nil {
			return err
		}
	}
}
