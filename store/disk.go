package store

import (
	"syscall"
	"time"
)

// lookEvery is how old the known room may be: looking costs a system call.
const lookEvery = time.Second

// disk remembers whether there is room for more.
type disk struct {
	looked time.Time
	low    bool
}

// full tells whether only the reserve is left. What can't be found out is no reason to refuse.
func (d *disk) full(db *DB) bool {
	if now := time.Now(); d.looked.IsZero() || now.Sub(d.looked) >= lookEvery {
		was := d.low
		d.looked, d.low = now, db.low()
		if d.low && !was {
			db.log.Error("the disk is nearly full: no more messages are accepted until there is room", "reserve", db.opt.Reserve)
		}
		if was && !d.low {
			db.log.Info("there is room on the disk again")
		}
	}
	return d.low
}

func (db *DB) low() bool {
	reserve := max(db.opt.Reserve, 0)
	if limit := db.opt.MaxSize; limit > 0 {
		if size, free, err := db.handle().size(); err == nil && size-free+reserve > limit {
			return true
		}
	}
	if reserve == 0 {
		return false
	}
	free, err := db.handle().room()
	return err == nil && free < reserve
}

// Room tells how many octets are free on the disk of the file, and with how few no message is accepted any more.
func (db *DB) Room() (free, reserve int64, err error) {
	free, err = db.handle().room()
	return free, max(db.opt.Reserve, 0), err
}

// room is how many octets are free on the file's disk.
func (h *handle) room() (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(h.file.Fd()), &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}
