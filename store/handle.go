package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// handle is one bbolt file that is open. Compact puts another one in its place, so nobody keeps one for longer than a
// transaction: readers hold it meanwhile, the writer asks for it anew in each round.
type handle struct {
	bolt    *bolt.DB
	file    *os.File     // bbolt's own descriptor
	page    int64        // octets
	durable atomic.Int64 // number of the last transaction that is on disk; each file counts its own

	readers int           // under handles.mu
	left    chan struct{} // nil until it is retired or closed; closed when the last reader has gone
}

// handles knows which file is the store's now.
type handles struct {
	mu      sync.Mutex
	present *handle
	closed  bool
	retired sync.WaitGroup // files that another one took the place of, and that are not closed yet
}

// handle is the present one, for the writer and for those who need no transaction of it.
func (db *DB) handle() *handle {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	return db.files.present
}

// hold keeps the present file open until release; ErrClosed. bbolt's own Close would have readers that end wait for those
// that go on.
func (db *DB) hold() (*handle, error) {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	if db.files.closed {
		return nil, ErrClosed
	}
	db.files.present.readers++
	return db.files.present, nil
}

func (db *DB) release(h *handle) {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	h.readers--
	h.leave()
}

// leave tells whoever wants to close the file when nobody reads it any more.
func (h *handle) leave() {
	if h.readers == 0 && h.left != nil {
		close(h.left)
		h.left = nil
	}
}

// replace lets all that begins from now on use another file. The one before is closed when its readers have ended.
func (db *DB) replace(next *handle) {
	db.files.mu.Lock()
	old := db.files.present
	db.files.present = next
	left := old.closing()
	db.files.mu.Unlock()
	db.files.retired.Go(func() {
		<-left
		if err := old.bolt.Close(); err != nil {
			db.log.Error("the file as it was before it was compacted could not be closed", "err", err)
		}
	})
}

// closing has no new readers come, and tells when the last one has gone.
func (h *handle) closing() <-chan struct{} {
	left := make(chan struct{})
	h.left = left
	h.leave()
	return left
}

// shut closes the door for readers, and waits for those that are within.
func (db *DB) shut() *handle {
	db.files.mu.Lock()
	h := db.files.present
	db.files.closed = true
	left := h.closing()
	db.files.mu.Unlock()
	<-left
	db.files.retired.Wait()
	return h
}

// mapAhead is how much of a file is mapped from the start: address space, not memory. Where the file outgrows it, the
// writer has to wait for all readers; and one that reads all, as Backup and Check do, reads for long.
func mapAhead(path string) int {
	const ahead = 256 << 20
	info, err := os.Stat(path)
	if err != nil || strconv.IntSize < 64 {
		return ahead
	}
	return int(2*info.Size()) + 4*ahead
}

// open opens a bbolt file and locks it. Where it fails, or bbolt panics, h holds what is open.
func (h *handle) open(path string, flag int) (err error) {
	if h.bolt, err = bolt.Open(path, 0o600, h.options(path, flag)); err == nil {
		h.page = int64(h.bolt.Info().PageSize)
	}
	return err
}

func (h *handle) options(path string, flag int) *bolt.Options {
	return &bolt.Options{
		Timeout:         time.Second,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: mapAhead(path),
		OpenFile: func(name string, _ int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			h.file = f
			return f, err
		},
	}
}

// isAt tells whether the file is the one that the path leads to. Who waited for the lock may have got that of a file in
// whose place a compaction has put another one.
func (h *handle) isAt(path string) (bool, error) {
	mine, err := h.file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// abandon frees a file that can't be used, where bbolt panicked, too.
func (h *handle) abandon() {
	defer func() {
		recover() // bbolt may find the same damage once more
		if h.file != nil {
			h.letGo() // an error says that bbolt has done it
		}
	}()
	if h.bolt != nil {
		h.bolt.Close()
	}
}

// letGo frees lock and descriptor where bbolt can't. The lock has to be taken off by name: the file is still mapped, and
// a mapping keeps it.
func (h *handle) letGo() error {
	return errors.Join(syscall.Flock(int(h.file.Fd()), syscall.LOCK_UN), h.file.Close())
}

// size of the file, and how much of it are pages that hold nothing any more and will be used again.
func (h *handle) size() (size, free int64, err error) {
	info, err := h.file.Stat()
	if err != nil {
		return 0, 0, err
	}
	stats := h.bolt.Stats()
	return info.Size(), int64(stats.FreePageN+stats.PendingPageN) * h.page, nil
}

// lastOpened bounds how often the file is opened anew because another one was put in its place.
const lastOpened = 5

// openAt opens and locks the file that is at path.
func openAt(path string, h *handle) error {
	for range lastOpened {
		if err := h.open(path, os.O_RDWR); err != nil {
			return err
		}
		there, err := h.isAt(path)
		if err != nil || there {
			return err
		}
		if err := h.bolt.Close(); err != nil {
			return err
		}
		h.bolt, h.file = nil, nil
	}
	return fmt.Errorf("%w: its place is taken by another file again and again", bolterrors.ErrTimeout)
}
