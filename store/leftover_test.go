package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// besides lists what is in the directory of a file, other than this.
func besides(t *testing.T, path string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Name() != filepath.Base(path) {
			names = append(names, f.Name())
		}
	}
	return names
}

// TestLeftovers: a start removes what killed work has left, and nothing that somebody else may have put there. A symbolic
// link leads to the database, and work on it leaves files in both places.
func TestLeftovers(t *testing.T) {
	left := []string{".compact.tmp", ".new-4123456789.tmp", ".backup-17.tmp", ".restore-20261123T165124Z.tmp", ".restore-20261123T165124Z-2.tmp",
		".before-repair-20261123T165124Z.tmp"}
	kept := []string{".compact", ".new-17", ".backup-20260101", ".restore-20261123T165124Z", ".restore-old", ".restore-old.tmp", ".tmp",
		".replaced-20261123T165124Z", ".before-repair-20261123T165124Z", ".new-.tmp", ".new-1.tmp2", "2.new-1.tmp", ".used-1.tmp"}
	b := newBox(t, Options{})
	b.ok(b.db.Close())
	link := filepath.Join(t.TempDir(), "link.db")
	b.ok(os.Symlink(b.path, link))
	want := make(map[string][]string)
	for _, path := range []string{b.path, link} {
		for _, name := range slices.Concat(left, kept) {
			b.ok(os.WriteFile(path+name, []byte("it is not whole"), 0o600))
		}
		b.ok(os.Mkdir(path+".new-1.tmp", 0o700))
		b.ok(os.Symlink(b.path, path+".new-2.tmp"))
		b.ok(os.Link(b.path, path+".new-4.tmp"))                 // the database had that name when it was made
		b.ok(os.Link(b.path, path+".replaced-20261123T165125Z")) // a restore was about to replace it
		b.ok(os.WriteFile(path+".new-3.tmp", nil, 0o600))
		want[path] = []string{".new-1.tmp", ".new-2.tmp", ".new-3.tmp"}
		want[path] = append(want[path], kept...)
		used, err := lockFile(path+".new-3.tmp", os.O_RDWR, syscall.LOCK_SH)
		b.ok(err)
		defer used.Close()
	}
	db, err := Open(link, Options{})
	b.ok(err)
	for path, names := range want {
		for i := range names {
			names[i] = filepath.Base(path) + names[i]
		}
		slices.Sort(names)
		if got := besides(t, path); !slices.Equal(got, names) {
			t.Errorf("beside %s is %q, want %q", path, got, names)
		}
	}
	b.ok(os.WriteFile(b.path+".compact.tmp", nil, 0o600))
	if _, err := Open(b.path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second start: %v", err)
	}
	if _, err := os.Stat(b.path + ".compact.tmp"); err != nil {
		t.Errorf("who could not open the file removed what its user may need: %v", err)
	}
	b.ok(db.Close())
}

// TestOpenAtOnce: of several that start in an empty directory at once one gets the file; the others wait for it, and nobody
// stumbles over what another one removes.
func TestOpenAtOnce(t *testing.T) {
	for range 6 {
		path := filepath.Join(t.TempDir(), "gateway.db")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				db, err := Open(path, Options{})
				if err != nil {
					if !errors.Is(err, ErrLocked) {
						t.Errorf("open: %v", err)
					}
					return
				}
				if err := db.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
		all.Wait()
		if names := besides(t, path); len(names) > 0 {
			t.Errorf("left: %q", names)
		}
	}
}

// TestCreateRemoved: who makes a file anew finds it taken for something left, by somebody who has made one meanwhile.
func TestCreateRemoved(t *testing.T) {
	b := newBox(t, Options{})
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.db")
	stop := make(chan struct{})
	var robber sync.WaitGroup
	robber.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			list, _ := os.ReadDir(dir)
			for _, f := range list {
				if name := filepath.Join(dir, f.Name()); name != path {
					os.Link(b.path, path)
					os.Remove(name)
				}
			}
		}
	})
	for range 50 {
		if err := create(path, time.Now()); err != nil {
			t.Errorf("create: %v", err)
		}
		b.ok(os.Remove(path))
	}
	close(stop)
	robber.Wait()
}

// TestRestoreLeavesOthers: a restore removes what a killed one has left, and no file of the operator.
func TestRestoreLeavesOthers(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.Close())
	backup := filepath.Join(t.TempDir(), "backup.db")
	copyFile(t, b.path, backup)
	mine, left := b.path+".restore-monday", b.path+".restore-20200101T000000Z.tmp"
	copyFile(t, b.path, mine)
	copyFile(t, b.path, left)
	if _, err := Restore(backup, b.path, b.now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the operator's file: %v", err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what another restore left: %v", err)
	}
}

// TestRepairCopy: the copy that a repair makes has its name when it is whole; what a killed one left goes with the next.
func TestRepairCopy(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.w.do(func(t *txn) error { return t.put(bSeen, make([]byte, digestLen), make([]byte, 17)) }))
	b.ok(b.db.Close())
	whole, err := os.ReadFile(b.path)
	b.ok(err)
	left := b.path + ".before-repair-20251123T165124Z.tmp"
	b.ok(os.WriteFile(left, []byte("half a copy"), 0o600))
	copied := 0
	_, kept, err := Repair(t.Context(), b.path, b.now, func(p Progress) {
		if p.What != "a copy of the file" {
			return
		}
		copied++
		if names, _ := filepath.Glob(b.path + ".before-repair-*Z"); len(names) > 0 {
			t.Errorf("%q has its name while it is written", names)
		}
	})
	b.ok(err)
	if data, err := os.ReadFile(kept); copied == 0 || err != nil || !slices.Equal(data, whole) {
		t.Errorf("the copy %s is not the file as it was: %v", kept, err)
	}
	if names := besides(t, b.path); !slices.Equal(names, []string{filepath.Base(kept)}) {
		t.Errorf("beside the file is %q", names)
	}
}

// TestLockStays: who holds the lock of a file still does after bbolt could not open it.
func TestLockStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	writeFile(t, path, []byte("no database"))
	for _, readOnly := range []bool{false, true} {
		f, err := lockFile(path, os.O_RDWR, syscall.LOCK_EX)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openLocked(f, path, readOnly); err == nil || errors.Is(err, ErrLocked) {
			t.Errorf("got %v", err)
		}
		if _, err := lockFile(path, os.O_RDWR, syscall.LOCK_EX); !errors.Is(err, ErrLocked) {
			t.Errorf("another one gets the lock: %v", err)
		}
		f.Close()
	}
}
