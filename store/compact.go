package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// Compact and its helpers make a new file of what is in the present one, while everybody goes on with that. First all rows
// are copied in bites, each of them from a transaction of its own, so that none holds back pages that are free. What
// commits meanwhile is known by its keys (changes), and copied anew in rounds, until little of it is left. That little is
// copied in the writer's own turn, when nothing is under way: then the new file is whole and current. It is synced, takes
// the place of the present one by rename(2), and the directory is synced before anything else commits.
//
// So a power cut at any moment leaves the old file or the new one at path, each whole: until the directory is synced they
// say the same. The new one is locked before it gets its name, the old one until nobody has it open, and who waits for a
// lock looks whether the file that he gets is still the one with the name (openAt).

// Why a compaction was not done, or given up. Nothing was changed.
var (
	// ErrCompacting: one is at work already.
	ErrCompacting = errors.New("the file is being compacted already")
	// ErrTooBusy: more changed than was copied.
	ErrTooBusy = errors.New("more is written than can be copied; compact the file in a quieter hour")
)

// NoRoomError: the disk has not the room for a second file beside the present one, the reserve included. errors.Is
// ErrDiskFull.
type NoRoomError struct{ Need, Free int64 } // octets

func (e *NoRoomError) Error() string {
	const mib = 1 << 20
	return fmt.Sprintf("to compact the file takes %d MiB on its disk, the reserve included, and %d MiB are free: "+
		"make room first", (e.Need+mib-1)/mib, e.Free/mib)
}

// Is makes it an ErrDiskFull.
func (e *NoRoomError) Is(target error) bool { return target == ErrDiskFull }

// Compacted is what Compact did.
type Compacted struct {
	Before, After int64         // size of the file without what is held for a full disk, octets
	Took          time.Duration // all in all
	Stall         time.Duration // of that how long nothing could be written
}

// compactor is what a DB knows of compactions.
type compactor struct {
	mu     sync.Mutex
	closed bool
	cancel context.CancelFunc // of the one at work
	ended  chan struct{}      // closed when that has ended; nil: none is at work

	step func(c *compaction, name string) error // called at each step, if it is set: tests look at it, or disturb it
	bite int64                                  // octets that are copied at once; 0: biteLen
	some int64                                  // changes that are enough to copy them; 0: enoughChanges
}

// compactSuffix makes the name of the new file. Nobody but the holder of the store's lock makes or removes it.
const compactSuffix = ".compact" + tempSuffix

// Compact rewrites the file, so that it holds nothing but what is there: free pages are given back to the disk, and what
// was deleted before the call can't be found in the file any more (what its blocks on the medium hold is the medium's
// affair). Others go on meanwhile; nothing is lost, whenever it ends. It gives way to a writer that is busy. progress is
// called now and then with how many octets were written, and about how many there are; nil for nobody. Errors:
// ErrCompacting, *NoRoomError, ErrTooBusy, ErrDamaged, that of ctx, and those of the file system; but for ErrFailed all
// leave the file as it was.
func (db *DB) Compact(ctx context.Context, progress func(done, total int64)) (Compacted, error) {
	ctx, end, err := db.compactor.begin(ctx)
	if err != nil {
		return Compacted{}, err
	}
	defer end()
	if progress == nil {
		progress = func(int64, int64) {}
	}
	c := &compaction{db: db, ctx: ctx, progress: progress, began: time.Now()}
	c.bite, c.enough = cmp.Or(db.compactor.bite, biteLen), cmp.Or(db.compactor.some, enoughChanges)
	if err := c.run(); err != nil {
		c.giveUp()
		if errors.Is(err, ErrFailed) || errors.Is(err, ErrClosed) {
			return Compacted{}, err
		}
		return Compacted{}, fmt.Errorf("compact the store %s: %w", db.path, err)
	}
	c.done.Took = time.Since(c.began)
	progress(c.done.After, c.done.After)
	db.log.Info("the file was compacted", "file", db.path, "before", c.done.Before, "after", c.done.After,
		"took", c.done.Took.Round(time.Millisecond), "stall", c.done.Stall.Round(time.Millisecond))
	return c.done, nil
}

// Compacting tells whether Compact is at work.
func (db *DB) Compacting() bool {
	db.compactor.mu.Lock()
	defer db.compactor.mu.Unlock()
	return db.compactor.ended != nil
}

func (c *compactor) begin(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, ErrClosed
	case c.ended != nil:
		return nil, nil, ErrCompacting
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.ended = make(chan struct{})
	return ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cancel()
		close(c.ended)
		c.ended = nil
	}, nil
}

// stop has a compaction given up, waits for its end, and lets none begin any more.
func (c *compactor) stop() {
	c.mu.Lock()
	c.closed = true
	ended := c.ended
	if ended != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// compactPaths are where the file really is, and the new one beside it: it must be on the same disk.
func compactPaths(path string) (file, next string, err error) {
	file, err = filepath.EvalSymlinks(path)
	return file, file + compactSuffix, err
}

// compaction is one call of Compact.
type compaction struct {
	db       *DB
	ctx      context.Context
	progress func(done, total int64)
	began    time.Time
	done     Compacted

	path, nextPath string
	next           *handle // nil until it is open, and again once it is the store's
	total          int64   // octets that the new file will have, about
	unsynced       int64   // octets that were copied since the last sync

	bite    int64      // octets that are copied at once
	enough  int64      // changes that are copied before all else was
	at      bucket     // that is being copied
	last    []byte     // of its keys, that was copied; nil: none yet
	current *changes   // that the writer notes
	left    []*changes // that are to be copied
	broken  bool       // bbolt has panicked over the new file, and holds locks
}

// step is where a compaction may be given up.
func (c *compaction) step(name string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return c.reached(name)
}

func (c *compaction) reached(name string) error {
	if c.db.compactor.step == nil {
		return nil
	}
	return c.db.compactor.step(c, name)
}

func (c *compaction) run() error {
	if err := c.lookForRoom(); err != nil {
		return err
	}
	if err := c.create(); err != nil {
		return err
	}
	if err := c.step("created"); err != nil {
		return err
	}
	if err := c.follow(); err != nil {
		return err
	}
	if err := c.fill(); err != nil {
		return err
	}
	if err := c.catchUp(); err != nil {
		return err
	}
	if err := c.look(); err != nil {
		return err
	}
	if err := c.step("caught up"); err != nil {
		return err
	}
	return c.db.w.between(c.swap)
}

// look looks at the new file as each start does. It takes its time, so it is done before the writer waits; of what the
// writer's turn adds, which is little, the head is looked at (lookAgain).
func (c *compaction) look() error {
	_, err := inspect(c.next.file, time.Now().Add(inspectFor), inspectLeast, c.db.log.With("file", c.nextPath))
	return err
}

func (c *compaction) lookAgain() error {
	both, err := readHeads(c.next.file)
	if err != nil {
		return err
	}
	return both.newest.within(c.next.file)
}

// compactMargin is how much larger than thought the new file may become: what is written meanwhile.
const compactMargin = 16 << 20

// lookForRoom looks whether there is room for both files at once.
func (c *compaction) lookForRoom() error {
	s, err := c.db.Space()
	if err != nil {
		return err
	}
	c.done.Before, c.total = s.Used+s.Free, s.Used
	return c.room(s.Used + s.Used/10 + compactMargin)
}

func (c *compaction) room(need int64) error {
	free, reserve, err := c.db.Room()
	if err != nil {
		return err
	}
	if need += reserve; free < need {
		return &NoRoomError{need, free}
	}
	return nil
}

// create makes the new file, empty, for the same user and with the same rights as the present one.
func (c *compaction) create() (err error) {
	if c.path, c.nextPath, err = compactPaths(c.db.path); err != nil {
		return err
	}
	if err := c.inPlace(); err != nil {
		return err
	}
	c.next = new(handle)
	if err := c.onNext(func() error { return c.next.open(c.nextPath, os.O_RDWR|os.O_CREATE|os.O_EXCL) }); err != nil {
		return err
	}
	info, err := c.db.handle().file.Stat()
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := c.next.file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("it belongs to another user: %w", err)
		}
	}
	if err := c.next.file.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	c.next.bolt.NoSync, c.next.bolt.NoGrowSync = true, true // synced by us, and as large as need be
	return c.update(func(next *reader) error {
		for _, name := range bucketNames {
			if _, err := next.tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// inPlace looks whether the present file is still where it was.
func (c *compaction) inPlace() error {
	if here, err := c.db.handle().isAt(c.path); err != nil || !here {
		return errors.Join(errors.New("it is no more at its place: somebody has moved it, or put another file there"), err)
	}
	return nil
}

// giveUp leaves all as it was.
func (c *compaction) giveUp() {
	// An error says that nobody writes any more.
	c.db.w.between(func() error {
		c.unfollow()
		return nil
	})
	if c.next == nil {
		return
	}
	if c.broken {
		c.next.letGo()
	} else {
		c.next.abandon()
	}
	if err := os.Remove(c.nextPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.db.log.Warn("what a compaction left can't be removed", "err", err)
	}
}

func (c *compaction) unfollow() {
	c.db.w.changes = nil
	c.db.w.erasure.copying = false
}

// onNext does something with the new file. bbolt panics where it finds what it does not expect.
func (c *compaction) onNext(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // its disk may be full, and its pages not there
	defer func() {
		if p := recover(); p != nil {
			c.broken = c.next.bolt != nil
			err = fmt.Errorf("the new file could not be written: %s", panicSays(p))
		}
	}()
	err = do()
	if full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG); full {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// sync brings to disk what was copied so far.
func (c *compaction) sync() error {
	c.unsynced = 0
	return c.onNext(c.next.file.Sync)
}

// swap puts the new file in the place of the present one. The writer calls it, between two rounds.
func (c *compaction) swap() error {
	began := time.Now()
	w := &c.db.w
	c.progress = func(int64, int64) {} // it may wait for somebody
	c.left = append(c.left, c.current)
	if err := c.copyChanges(); err != nil {
		return err
	}
	if err := c.copyHeads(w.erasure.meanwhile); err != nil {
		return err
	}
	if err := c.sync(); err != nil {
		return err
	}
	if err := c.lookAgain(); err != nil {
		return err
	}
	if err := c.step("synced"); err != nil {
		return err
	}
	if err := c.inPlace(); err != nil {
		return err
	}
	if err := c.rename(); err != nil {
		return err
	}
	c.adopt()
	c.done.Stall = time.Since(began)
	return nil
}

// rename gives the new file its name for good. Until then both say the same; if it is not known which of the two a power
// cut would leave, nothing more may be written to either.
func (c *compaction) rename() error {
	old := c.db.handle()
	if err := os.Rename(c.nextPath, c.path); err != nil {
		if here, statErr := old.isAt(c.path); here && statErr == nil {
			return err
		}
		return c.fail(err)
	}
	if err := c.reached("renamed"); err != nil {
		return c.fail(err)
	}
	if err := syncPath(filepath.Dir(c.path)); err != nil {
		return c.fail(err)
	}
	return nil
}

func (c *compaction) fail(err error) error {
	c.db.w.fail(fmt.Errorf("put the compacted file in its place: %w", err), false)
	return c.db.w.ended()
}

// adopt makes the new file the store's.
func (c *compaction) adopt() {
	w, next, old := &c.db.w, c.next, c.db.handle()
	c.next = nil
	next.bolt.NoSync, next.bolt.NoGrowSync = old.bolt.NoSync, old.bolt.NoGrowSync
	if size, _, err := next.size(); err == nil {
		c.done.After = size
	}
	w.erasure.since.Store(w.erasure.meanwhile)
	c.unfollow()
	c.db.replace(next)
	w.disk.anew()
}
