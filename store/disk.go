package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// lookEvery is how old the known room may be: looking costs system calls.
	lookEvery = time.Second
	// tellEvery is how often the log repeats what goes on.
	tellEvery = 10 * time.Minute
	// mostAhead is how much of the disk is held in the file, for what must be written when there is no room else.
	mostAhead = 4 << 20
	// mostReserve is the default of Options.Reserve on a large disk.
	mostReserve = 64 << 20
)

// disk sees to it that there is room. The end of the file is allocated before it is needed: what others write on the same
// disk can't take that away, and neither can a quota. Together with the pages that are free within the file it holds what
// must be written when the disk is full: outcomes, cancels, receipts. There are two marks. Below the first nothing new is
// taken in; below the second no message is given to a modem either, as its outcome might find no room.
type disk struct {
	low   bool        // nothing new
	tight atomic.Bool // no claim
	gone  atomic.Bool // the file is no more where it was opened
	last  atomic.Pointer[DiskRoom]

	looked, toldFull, toldGone time.Time

	most         int64 // instead of mostAhead; tests make it less
	avail, total int64 // of the disk; total is 0 where that is not known
	ready        int64 // the file is allocated up to there; 0: not known
	held         int64 // free within the file
	short        bool  // there was no room for more at the last try
	lacks        bool  // a commit found no room since it was looked at
	unable       bool  // this file system can't allocate ahead
}

// ahead is how much the file should hold beyond what is in use: less on a disk that is small.
func (d *disk) ahead() int64 {
	const least = 256 << 10
	most := cmp.Or(d.most, mostAhead)
	if d.total == 0 {
		return most
	}
	return min(max(d.total/16, least), most)
}

// reserve is what is left free on the disk itself.
func (d *disk) reserve(db *DB) int64 {
	if r := db.opt.Reserve; r != 0 {
		return max(r, 0)
	}
	if d.total == 0 {
		return mostReserve
	}
	return min(d.total/8, mostReserve)
}

// round is called in each transaction before anything is written. used is the file's length as far as it is in use. Its
// error is one of the disk, after which nothing is certain any more.
func (d *disk) round(db *DB, used int64) error {
	now := time.Now()
	look := d.looked.IsZero() || now.Sub(d.looked) >= lookEvery
	if look {
		d.looked, d.lacks = now, false
		d.look(db, now)
	}
	if d.ready == 0 {
		d.ready = allocated(db.handle().file)
	}
	if d.ready-used < d.ahead() && !d.unable && (look || !d.short) {
		if err := d.allocate(db, used); err != nil {
			return fmt.Errorf("make the file longer: %w", err)
		}
	}
	d.judge(db, used, now)
	return nil
}

// anew is called when another file has taken the place of this one.
func (d *disk) anew() { d.ready, d.looked = 0, time.Time{} }

// look asks the system how much room there is, and whether the file is still where it was.
func (d *disk) look(db *DB, now time.Time) {
	if avail, total, err := db.handle().room(); err == nil {
		d.avail, d.total = avail, total
	}
	gone := db.moved()
	if d.gone.Swap(gone) && !gone {
		db.log.Info("the database file is back in its place", "file", db.path)
		d.toldGone = time.Time{}
	}
	if gone && (d.toldGone.IsZero() || now.Sub(d.toldGone) >= tellEvery) {
		d.toldGone = now
		db.log.Error("the database file was removed or replaced, or its disk unmounted, while the gateway works with it: all that it "+
			"knows will be gone when it stops; nothing new is accepted", "file", db.path)
	}
}

// moved tells whether the path leads to another file than the open one, or to none.
func (db *DB) moved() bool {
	there, err := os.Stat(db.path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	own, err := db.handle().file.Stat()
	return err == nil && !os.SameFile(there, own)
}

// isFull tells the errors of a disk without room: no space, no quota, or the limit of the process for a file.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// allocated tells how far a file that was just opened is allocated: what was held before a restart is there still, and where the
// disk is full no more can be had. It has as many blocks as that takes, the holes being at its end, which bbolt makes longer; a
// few are the file system's, to know where the others are.
func allocated(f *os.File) int64 {
	const block, others = 512, 64 << 10
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return max(min(info.Size(), s.Blocks*block-others), 0)
	}
	return 0
}

// allocate makes the file longer than it need be, by as much as there is room for.
func (d *disk) allocate(db *DB, used int64) error {
	const least = 64 << 10
	from := max(d.ready, used)
	for size := 2 * d.ahead(); size >= least; size /= 2 {
		if used+size <= from {
			break
		}
		if d.total != 0 && used+size-from > d.avail {
			continue
		}
		switch err := allocate(db.handle().file, from, used+size-from); {
		case err == nil:
			d.ready, d.short = used+size, size < d.ahead()
			d.avail -= used + size - from
			if db.handle().bolt.NoSync {
				return nil
			}
			return db.handle().file.Sync() // the new length, as bbolt does when it makes the file longer
		case isFull(err):
		case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
			return err
		default:
			d.unable = true
			return nil
		}
	}
	d.short = true
	return nil
}

// judge decides what there is room for.
func (d *disk) judge(db *DB, used int64, now time.Time) {
	h := db.handle()
	free := int64(h.bolt.Stats().FreePageN) * h.page
	held := free + max(d.ready-used, 0)
	d.held = held
	if d.unable {
		held = free + d.avail
	}
	ahead, reserve := d.ahead(), d.reserve(db)
	limit := db.opt.MaxSize
	mark, hardMark := ahead, ahead/2
	if d.low { // not to and fro with each page
		mark += ahead / 4
	}
	if d.tight.Load() {
		hardMark += ahead / 4
	}
	low := d.lacks || held < mark || d.avail < reserve && held < 4*ahead || limit > 0 && used-free+reserve > limit
	d.become(db, low, held < hardMark, now)
	r := d.room(db)
	if last := d.last.Load(); last == nil || *last != r {
		d.last.Store(&r)
	}
}

func (d *disk) room(db *DB) DiskRoom {
	return DiskRoom{Free: d.avail, Reserve: d.reserve(db), Held: d.held, Full: d.low, Paused: d.tight.Load(), Moved: d.gone.Load()}
}

// become notes what there is room for, and says so in the log.
func (d *disk) become(db *DB, low, tight bool, now time.Time) {
	was, wasTight := d.low, d.tight.Load()
	d.low = low
	d.tight.Store(tight)
	if tight && !wasTight {
		db.log.Error("there is no more room on the disk for what becomes of messages: none is given to a modem until there is")
	}
	if low && (!was || now.Sub(d.toldFull) >= tellEvery) {
		d.toldFull = now
		db.log.Error("the disk is nearly full: no more messages are accepted until there is room", "free", d.avail,
			"reserve", d.reserve(db), "held_in_the_file", d.held)
	}
	if was && !low {
		db.log.Info("there is room on the disk again")
	}
}

// lacked is called after a commit that failed because the disk was full, though there seemed to be room.
func (d *disk) lacked(db *DB) {
	now := time.Now()
	d.looked, d.lacks = now, true
	d.become(db, true, d.tight.Load(), now)
}

// permit tells whether there is room for an operation: ErrDiskFull, ErrMoved.
func (d *disk) permit(o *op) error {
	switch {
	case o.grow && !o.asks:
		return d.refuse()
	case o.claims && d.tight.Load():
		return ErrDiskFull
	}
	return nil
}

// refuse says why nothing new is taken in; nil: it is.
func (d *disk) refuse() error {
	switch {
	case d.gone.Load():
		return ErrMoved
	case d.low:
		return ErrDiskFull
	}
	return nil
}

// DiskRoom is how much room there is, in octets.
type DiskRoom struct {
	Free    int64         // on the disk of the file
	Reserve int64         // with less nothing new is accepted, unless much is free within the file
	Held    int64         // within the file: what outcomes, cancels and receipts are written to when the disk is full
	Full    bool          // nothing new is accepted
	Paused  bool          // nor is a message given to a modem
	Moved   bool          // the file was removed, or replaced by another
	Waits   time.Duration // if it is not 0, the disk has not answered for so long, and the rest is from before
}

// roomWait is how long Disk waits for the disk.
const roomWait = 500 * time.Millisecond

// Disk tells how much room there is. It asks the writer, so that it is as new as can be, but not for long. After a
// fail-stop it is as it was before.
func (db *DB) Disk() (DiskRoom, error) {
	asked := time.Now()
	if since := db.w.busy.Load(); since != nil && asked.Sub(*since) > roomWait {
		return db.lastRoom(asked) // nobody more needs to wait for such a disk
	}
	var r DiskRoom
	o := &op{run: func(t *txn) error { r = t.w.disk.room(db); return nil }}
	put := make(chan struct{})
	go func() { // it may have to wait for its turn
		db.w.put(o)
		<-o.done
		close(put)
	}()
	timer := time.NewTimer(roomWait)
	defer timer.Stop()
	select {
	case <-put:
		if o.err == nil {
			return r, nil
		}
	case <-timer.C:
	}
	return db.lastRoom(asked)
}

// lastRoom is what was known last, for who has asked since then in vain.
func (db *DB) lastRoom(asked time.Time) (DiskRoom, error) {
	if last := db.w.disk.last.Load(); last != nil {
		r := *last
		r.Waits = time.Since(asked)
		if since := db.w.busy.Load(); since != nil {
			r.Waits = time.Since(*since)
		}
		return r, db.w.over()
	}
	return DiskRoom{}, cmp.Or(db.w.over(), error(os.ErrDeadlineExceeded))
}

// Room tells how many octets are free on the disk of the file, and with how few nothing new is accepted any more, unless
// much is free within the file. It never waits.
func (db *DB) Room() (free, reserve int64, err error) {
	free, total, err := db.handle().room()
	if err != nil {
		return 0, 0, err
	}
	return free, (&disk{total: total}).reserve(db), nil
}

// room is how many octets are free on the file's disk, and how many it has.
func (h *handle) room() (free, total int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(h.file.Fd()), &fs); err != nil {
		return 0, 0, err
	}
	return int64(fs.Bavail) * int64(fs.Bsize), int64(fs.Blocks) * int64(fs.Bsize), nil
}

// Paused tells whether, when it was looked at last, there was no room for what becomes of a message that is given to a
// modem: Claim answers ErrDiskFull then. Disk looks anew.
func (db *DB) Paused() bool { return db.w.disk.tight.Load() }
