package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Restored tells what a restore did.
type Restored struct {
	Path   string
	Kept   string    // where the file is that was there before; "" there was none
	Made   time.Time // highest time that the backup knows: about when it was made; zero if it knows none
	NextID ID        // the next message gets this one

	Messages int64 // in the file now
	Held     int64 // of them, that may have been sent since the backup was made: only the operator sends them
	Settled  int64 // that have gone on since, as the replaced file says
	Taken    int64 // accepted since, and taken over from the replaced file
	Left     int64 // messages that only the kept file has

	Accounts []AccountChange // against the replaced file, the first thousand
	// Replaced says in words how the replaced file was of use, or why it was of none; "" there was none.
	Replaced string
}

// AccountChange is what a restore did to an account.
type AccountChange struct{ Key, What string }

// RestoreOptions are those of RestoreWith.
type RestoreOptions struct {
	Keep    time.Duration // as in Options
	Zone    *time.Location
	Damaged bool // a backup is taken of which records are damaged; they stay so
	Log     *slog.Logger
}

// Restore puts a backup into the place of the file at path; see RestoreWith.
func Restore(src, path string, now time.Time) (Restored, error) {
	return RestoreWith(context.Background(), src, path, now, RestoreOptions{}, nil)
}

// RestoreWith puts a backup into the place of the file at path, which is kept beside it under another name, and never changed.
// At each instant one of the two is at path, whole. No id is given again that the backup or the replaced file has given; if the
// latter can't be read, as many are passed over as it may have given.
//
// The backup can't know what was sent since. What the replaced file says of a message is true, if it can be read: then the
// message goes on from there, and what was accepted since is taken over. All else that was not at its end is held: see
// Message.Held. Counts of budgets and quotas are the higher ones, and a PIN that either knows as refused stays refused.
//
// ErrLocked: a gateway runs. ErrNewer. ErrDamaged: the backup is, or is none. Nothing was changed then.
func RestoreWith(ctx context.Context, src, path string, now time.Time, o RestoreOptions, progress func(Progress)) (Restored, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	r := &restorer{ctx: ctx, path: path, now: now, o: o, progress: progress, done: Restored{Path: path}}
	if file, err := filepath.EvalSymlinks(path); err == nil {
		r.path = file // a link stays, and the file is replaced where it is
	}
	defer r.close()
	if err := r.restore(src); err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", src, err)
	}
	return r.done, nil
}

// restorer is one restore at work.
type restorer struct {
	ctx      context.Context
	path     string
	now      time.Time
	o        RestoreOptions
	progress func(Progress)
	done     Restored

	present  *os.File // the file to be replaced, locked; nil: there is none
	old      *bolt.DB // the same, if it can be read
	oldFound *checker // what a look through it told; nil: not even that
	later    bool     // it is a later state of the backup
	pins     [][]byte // that it knows

	temp string
	db   *DB // the new file
}

func (r *restorer) close() {
	if r.db != nil {
		r.db.Close()
	}
	if r.old != nil {
		r.old.Close()
	}
	if r.present != nil {
		r.present.Close()
	}
	if r.temp != "" {
		os.Remove(r.temp)
	}
}

func (r *restorer) restore(src string) error {
	if err := r.lockPresent(src); err != nil {
		return err
	}
	if err := r.copyBackup(src); err != nil {
		return err
	}
	if err := r.readPresent(); err != nil {
		return err
	}
	db, err := Open(r.temp, Options{Keep: r.o.Keep, Zone: r.o.Zone, Log: r.o.Log, Reserve: -1})
	if err != nil {
		return err
	}
	r.db = db
	if err := r.fill(); err != nil {
		return err
	}
	err = r.db.Close()
	r.db = nil
	if err = cmp.Or(err, r.own()); err == nil {
		err = syncPath(r.temp)
	}
	if err != nil {
		return err
	}
	found, err := CheckFile(r.ctx, r.temp, CheckOptions{}, r.as("the new file: "))
	if err != nil {
		return err
	}
	if found.Faults > 0 && !r.o.Damaged {
		return fmt.Errorf("the new file would have faults (%s); nothing was changed", found.List[0].What)
	}
	r.done.Messages, r.done.NextID = found.Records[bucketNames[bMessages]], found.NextID
	return r.swap()
}

// as puts words before those of a part of the work.
func (r *restorer) as(words string) func(Progress) {
	return func(p Progress) {
		p.What = words + p.What
		r.progress(p)
	}
}

// lockPresent takes the lock of the file that is to be replaced, so that no gateway works with it.
func (r *restorer) lockPresent(src string) error {
	backup, err := os.Stat(src)
	if err != nil {
		return err
	}
	if !backup.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	info, err := os.Stat(r.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case os.SameFile(info, backup):
		return errors.New("it is the file that it would replace")
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is in the way, and is not a regular file", r.path)
	}
	r.present, err = lockFile(r.path, os.O_RDWR, syscall.LOCK_EX)
	return err
}

// copyBackup looks whether the backup is whole, and copies it beside the file that it will replace.
func (r *restorer) copyBackup(src string) error {
	found, err := CheckFile(r.ctx, src, CheckOptions{}, r.as("the backup: "))
	if err != nil {
		return err
	}
	switch {
	case found.Skipped != "" || found.lostCommit:
		return fmt.Errorf("it is %w in its pages, and can't be relied on: %s. Nothing was changed; take another backup. "+
			"smsgateway check %s tells all", ErrDamaged, found.List[0].What, src)
	case found.Faults > 0 && !r.o.Damaged:
		return fmt.Errorf("it is %w; faults: %d, the first: %s. Nothing was changed; smsgateway check %s tells all, "+
			"and --damaged has it restored as it is", ErrDamaged, found.Faults, found.List[0].What, src)
	}
	r.done.Made = found.Written
	in, err := lockFile(src, os.O_RDONLY, syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	removeLeftovers(r.path, cmp.Or(r.o.Log, slog.New(slog.DiscardHandler)))
	temp, err := newName(r.path, "restore", r.now)
	if err != nil {
		return err
	}
	r.temp = temp + tempSuffix
	return copyTo(r.ctx, in, info.Size(), r.temp, "copying", r.progress)
}

// readPresent looks through the file that is to be replaced. What is wrong with it is no reason not to replace it. ErrLocked.
func (r *restorer) readPresent() error {
	if r.present == nil {
		return nil
	}
	c := newChecker(r.ctx, CheckOptions{Quick: true}, r.as("the present file: "))
	c.sawPIN = func(key []byte) {
		if len(r.pins) < mostPINs {
			r.pins = append(r.pins, ownKey(key))
		}
	}
	h, err := c.head(r.present)
	if err == nil {
		err = c.snapshot(r.present, h)
		r.oldFound = c
	}
	if err == nil && (c.damagedPages > 0 || c.found.lostCommit) { // of a message that it says waits there it may not know that it was sent
		err = errors.New(c.found.List[0].What)
	}
	if err == nil && c.found.Format > formatVersion {
		err = ErrNewer
	}
	if err == nil {
		r.old, err = openLocked(r.present, r.path, false)
	}
	if errors.Is(err, ErrLocked) {
		return err
	}
	if err != nil {
		r.done.Replaced = "it can't be read (" + err.Error() + "), so what it knew was of no use"
	}
	return nil
}

// mostPINs bounds how many refused PINs are taken over from a file that can't be read as a whole.
const mostPINs = 10_000

// fill brings the new file in line with what can be known.
func (r *restorer) fill() error {
	// It is on disk when it takes its place; until then it may be lost.
	if err := r.db.w.do(func(t *txn) error { r.db.handle().bolt.NoSync = true; return nil }); err != nil {
		return err
	}
	for _, step := range []func() error{r.descent, r.recover, r.numbers, r.refusedPINs} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := r.messages(); err != nil {
		return err
	}
	if r.old == nil {
		return r.staleLines()
	}
	if err := r.compareAccounts(); err != nil {
		return err
	}
	if err := r.takeOver(); err != nil {
		return err
	}
	return r.sayReplaced()
}

// recover turns what was claimed in the backup into doubt.
func (r *restorer) recover() error {
	_, err := r.db.Recover(r.now)
	return err
}

// numbers sees to it that none is given twice.
func (r *restorer) numbers() error {
	return r.db.w.do(func(t *txn) error {
		t.writes++
		for _, b := range positionBuckets() {
			n := t.bucket(b).Sequence()
			if r.oldFound != nil {
				n = max(n, r.oldFound.sequence[b], r.oldFound.highest[b])
			}
			if b == bMessages {
				n = max(min(n+r.unknownIDs(), maxID), firstID(r.now))
			}
			if err := t.bucket(b).SetSequence(n); err != nil {
				return err
			}
		}
		if r.oldFound == nil || !r.oldFound.found.Written.After(fromMilli(t.w.clock.high)) {
			return nil
		}
		t.w.clock.high = milli(r.oldFound.found.Written)
		return t.saveClock()
	})
}

// unknownIDs is how many ids are passed over, because the file that was lost may have given them since the backup was made: many
// more than ten a second, if it was busy. There are ten thousand million of them, so a few are no loss. Only a later state of the
// backup says how many there were: a file of another past, as of an older backup, can't know what became of this one.
func (r *restorer) unknownIDs() uint64 {
	const atLeast, perSecond, most = 100_000, 100, 500_000_000
	if r.later {
		return 0
	}
	n := uint64(atLeast)
	if since := r.now.Sub(r.done.Made); !r.done.Made.IsZero() && since > 0 {
		n += uint64(min(since/time.Second, most)) * perSecond
	}
	return min(n, most)
}

// refusedPINs takes over which PINs are not to be tried again: a SIM gives three tries.
func (r *restorer) refusedPINs() error {
	return r.db.w.do(func(t *txn) error {
		for _, key := range r.pins {
			if err := t.put(bPINs, key, []byte{recordVersion}); err != nil {
				return err
			}
		}
		return nil
	})
}

// descent finds out whether the replaced file is a later state of the backup, and begins a life of the new one. Of a file that is
// not, as of an older backup with which somebody went on, only what it says for certain is of use.
func (r *restorer) descent() error {
	var lives []life
	var at position
	var newest *Message
	var accounts []Account
	if err := r.db.view(func(v *reader) (err error) {
		at = v.position()
		c := v.bucket(bMessages).Cursor()
		for k, value := c.Last(); k != nil && newest == nil; k, value = c.Prev() {
			newest, _ = decodeMessage(k, value)
		}
		if accounts, err = v.allAccounts(); err == nil {
			lives, err = v.lives()
		}
		return err
	}); err != nil {
		return err
	}
	err := r.beside(func(old *reader) error {
		if old == nil {
			return nil
		}
		theirs, err := old.lives()
		if err != nil || !descends(theirs, old.position(), lives, at) {
			return nil
		}
		if newest != nil { // it may be another file altogether
			known, gone := r.known(old, newest)
			r.later = known != nil || gone
		} else {
			r.later = slices.ContainsFunc(accounts, func(a Account) bool {
				known, err := old.account(a.Key)
				return err == nil && known != nil && known.Lane == a.Lane && known.Created.Equal(a.Created)
			})
		}
		if r.later {
			lives, at = theirs, old.position()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.db.w.do(func(t *txn) error { return t.beginLife(lives, at) })
}

// same tells whether two records are of one message.
func (m *Message) same(n *Message) bool {
	return m.ID == n.ID && m.Lane == n.Lane && m.Account == n.Account && m.Accepted.Equal(n.Accepted) && m.Destination == n.Destination
}

// own gives the new file to the owner of the one that it replaces, or of the directory: who restores as root does not want the
// gateway kept out.
func (r *restorer) own() error {
	like, err := os.Stat(filepath.Dir(r.path))
	if r.present != nil {
		like, err = r.present.Stat()
	}
	if err != nil {
		return err
	}
	if owner, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Chown(r.temp, int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// swap puts the new file into the place of the present one.
func (r *restorer) swap() error {
	dir := filepath.Dir(r.path)
	if r.present == nil {
		// A link never replaces what somebody made there meanwhile.
		if err := os.Link(r.temp, r.path); err != nil { // the other name goes at the end
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("%s was made meanwhile, by a gateway perhaps; nothing was changed", r.path)
			}
			if err := os.Rename(r.temp, r.path); err != nil {
				return err
			}
		}
		return syncAbove(r.path) // the directories may be as new
	}
	if at, err := os.Stat(r.path); err != nil {
		return err
	} else if own, err := r.present.Stat(); err != nil || !os.SameFile(at, own) {
		return fmt.Errorf("%s was replaced meanwhile; nothing was changed", r.path)
	}
	kept, err := newName(r.path, "replaced", r.now)
	if err != nil {
		return err
	}
	if err := os.Link(r.path, kept); err != nil {
		if err := os.Rename(r.path, kept); err != nil { // a file system without links
			return err
		}
	}
	if err := syncPath(dir); err != nil {
		return err
	}
	if err := os.Rename(r.temp, r.path); err != nil {
		return errors.Join(err, os.Rename(kept, r.path)) // two names of one file: the same as before
	}
	r.done.Kept = kept
	return syncPath(dir)
}
