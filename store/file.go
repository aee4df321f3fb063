package store

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// create makes an empty store. bbolt may be torn while it initialises a file, and does not sync the directory, so the
// file is made whole under another name first. A file that somebody else made at path in the meantime is left alone; he may
// have taken ours for something left. When it returns the file is there to stay, and so are the directories above it, which
// may be as new as the file.
func create(path string, now time.Time) error {
	err := createWhole(path, now)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(path); err == nil {
			return syncAbove(path)
		}
	}
	return err
}

func createWhole(path string, now time.Time) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*"+tempSuffix) // 0600
	if err != nil {
		return err
	}
	f.Close()
	defer os.Remove(f.Name())
	if err := initialise(f.Name(), now); err != nil {
		return err
	}
	if err := syncPath(f.Name()); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces what is there. File systems without links get the rename.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	os.Remove(f.Name()) // now, so that the sync below holds for that, too
	return syncAbove(path)
}

// syncAbove makes the directories above a file last, from the nearest up: fsync(2) of a file or a directory says nothing of
// the name that it has in the directory above. One that we may not read was there before us, and so were those above it.
func syncAbove(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := syncPath(dir); err != nil {
		return err
	}
	for above := filepath.Dir(dir); above != dir; above = filepath.Dir(dir) {
		dir = above
		err := syncPath(dir)
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		// There are file systems that don't sync directories, or not this one: nothing new can be in it then.
		if err != nil && !unsynced(err) {
			return err
		}
	}
	return nil
}

// unsynced tells the errors of a file system that does not sync directories, or not this one.
func unsynced(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) || errors.Is(err, errors.ErrUnsupported)
}

// syncNames makes last that a path leads to the file to which it leads now: whoever made the file, or put it in the place of
// another one, may have been killed before he had synced the directory. A directory that we may not read was not written
// by us.
func syncNames(path string) error {
	places := []string{path}
	if file, err := filepath.EvalSymlinks(path); err == nil && file != filepath.Clean(path) {
		places = append(places, file)
	}
	for _, place := range places {
		if err := syncAbove(place); err != nil && !unsynced(err) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

func initialise(path string, now time.Time) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range bucketNames {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		if err := writeFormat(tx.Bucket([]byte(bucketNames[bMeta]))); err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketNames[bMessages])).SetSequence(firstID(now))
	})
	return errors.Join(err, db.Close())
}

// firstID is where a new file's ids begin: ten for each second since 2020, so that a file made anew never gives an id
// that a lost one gave, unless that one had more than ten messages a second all its life. A clock that is far ahead
// must not use up all ids.
func firstID(now time.Time) uint64 {
	const perSecond, highest = 10, maxID / 10 * 9
	since := now.Unix() - time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	return uint64(min(max(since, 0)*perSecond, highest))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// formatVersion is that of the buckets and records described in the package comment. 2 added the buckets from modems on,
// 3 quotas and resubmits, and a flag of messages, Bounded; 4 what a message says of operators and restores, behind its parts.
const formatVersion = 4

// since is the format in which a bucket came into being.
func since(b bucket) uint32 {
	switch {
	case b >= bQuotas:
		return 3
	case b >= bModems:
		return 2
	}
	return 1
}

func keyFormat() []byte { return []byte("format") }
func keyClock() []byte  { return []byte("clock") }

func writeFormat(meta *bolt.Bucket) error {
	record := binary.BigEndian.AppendUint32([]byte{recordVersion}, formatVersion)
	return meta.Put(keyFormat(), seal(bMeta, keyFormat(), record))
}

func readFormat(meta *bolt.Bucket) (uint32, error) {
	f, err := unseal(bMeta, keyFormat(), meta.Get(keyFormat()))
	if err != nil {
		return 0, err
	}
	format := f.uint32()
	return format, f.end()
}
