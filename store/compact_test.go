package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// allRows reads everything that the store holds but the clock and what compactions write down: bucket, key and value.
func (b *box) allRows() (all map[string]string) {
	b.t.Helper()
	all = make(map[string]string)
	b.ok(b.db.view(func(v *reader) error {
		return v.tx.ForEach(func(name []byte, in *bolt.Bucket) error {
			all[string(name)] = fmt.Sprint(in.Sequence())
			return in.ForEach(func(k, value []byte) error {
				if string(name) != "meta" || string(k) == "format" {
					all[fmt.Sprintf("%s/%x", name, k)] = string(value)
				}
				return nil
			})
		})
	}))
	return all
}

func (b *box) wantRows(want map[string]string) {
	b.t.Helper()
	got := b.allRows()
	for k, v := range want {
		if w, ok := got[k]; !ok || w != v {
			b.t.Errorf("%s: got %q (%t), want %q", k, w, ok, v)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			b.t.Errorf("%s is there", k)
		}
	}
}

// onStep has something done at each step of compactions.
func (b *box) onStep(do func(c *compaction, name string) error) {
	b.db.compactor.step, b.db.compactor.bite, b.db.compactor.some = do, 400, 7
}

func (b *box) compact() Compacted {
	b.t.Helper()
	done, err := b.db.Compact(b.t.Context(), nil)
	b.ok(err)
	return done
}

// fileSize is the size of the file at path.
func (b *box) fileSize() int64 { return b.fileInfo().Size() }

func (b *box) fileInfo() os.FileInfo {
	b.t.Helper()
	info, err := os.Stat(b.path)
	b.ok(err)
	return info
}

// life fills the box, and has most of it end and go.
func (b *box) life(n int) (ids []ID) {
	b.t.Helper()
	var window []*Accept
	for range n {
		window = append(window, b.db.Enqueue(b.message(1)))
	}
	for _, a := range window {
		id, err := a.Result()
		b.ok(err)
		ids = append(ids, id)
	}
	for i, id := range ids {
		if i%5 > 0 {
			b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
		}
	}
	b.pass(23 * time.Hour)
	b.tick()
	b.pass(2 * time.Hour)
	b.tick()
	return ids
}

// TestCompact: the file gets smaller and says the same, with another handle, after a restart, and it goes on from there.
func TestCompact(t *testing.T) {
	b := newBox(t, Options{})
	day(b, func([]ID) {})
	last := b.life(3000)[2999]
	b.pass(48 * time.Hour)
	b.tick()
	day(b, func([]ID) {})
	space, err := b.db.Space()
	b.ok(err)
	before, want := space.Used+space.Free, b.allRows()
	if err := os.Chmod(b.path, 0o640); err != nil {
		t.Fatal(err)
	}
	var told []int64
	done, err := b.db.Compact(t.Context(), func(n, total int64) {
		if told = append(told, n); n > total {
			t.Errorf("%d of %d octets were copied", n, total)
		}
	})
	b.ok(err)
	if done.Before != before || done.After != b.fileSize() || done.After*2 > before || len(told) == 0 ||
		told[len(told)-1] != done.After {
		t.Errorf("%+v, told %v; it was %d and is %d", done, told, before, b.fileSize())
	}
	if info, err := os.Stat(b.path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the rights are %v, %v", info.Mode(), err)
	}
	b.wantRows(want)
	b.wantIndexes()
	b.wantPages()
	if id := b.enqueue(b.message(1)); id <= last {
		t.Errorf("id %s after %s", id, last)
	}
	want = b.allRows()
	b.compact() // once more, and with commits between
	b.wantRows(want)
	b.reopen()
	b.wantRows(want)
	b.wantNothingLeft()
	if s, err := b.db.Space(); err != nil || s.Size != b.fileSize() || s.Free > s.Size/2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// wantPages has bbolt look through the whole file.
func (b *box) wantPages() {
	b.t.Helper()
	b.ok(b.db.view(func(v *reader) error {
		var list []error
		for err := range v.tx.Check() {
			list = append(list, err)
		}
		return errors.Join(list...)
	}))
}

// wantNothingLeft: there is the store's file in the directory, and nothing else.
func (b *box) wantNothingLeft() {
	b.t.Helper()
	list, err := os.ReadDir(filepath.Dir(b.path))
	b.ok(err)
	if len(list) != 1 {
		b.t.Errorf("there are %v", list)
	}
}

// wantSame compares the two files of a compaction that is about to give the new one its name. What it wrote down about
// itself is not to be the same.
func wantSame(t *testing.T, c *compaction) {
	t.Helper()
	var all [2]map[string]string
	for n, h := range []*handle{c.db.handle(), c.next} {
		all[n] = make(map[string]string)
		err := h.bolt.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, in *bolt.Bucket) error {
				all[n][string(name)] = fmt.Sprint(in.Sequence())
				return in.ForEach(func(k, value []byte) error {
					all[n][fmt.Sprintf("%s/%x", name, k)] = string(value)
					return nil
				})
			})
		})
		if err != nil {
			t.Error(err)
		}
		delete(all[n], fmt.Sprintf("meta/%x", keyErased()))
	}
	if !maps.Equal(all[0], all[1]) {
		t.Errorf("before it said %q,\nthen %q", all[0], all[1])
	}
}

// TestCompactFollows: what commits at any step of a compaction is in the new file, whether its rows were copied before or
// not: new messages, changes, deletions, sequences.
func TestCompactFollows(t *testing.T) {
	b := newBox(t, Options{})
	b.life(40)
	kept := make([]ID, 0, 40)
	for range 40 {
		kept = append(kept, b.enqueue(b.message(2)))
	}
	steps := make(map[string]int)
	b.onStep(func(c *compaction, name string) error {
		steps[name]++
		switch name { // the writer waits
		case "synced":
			wantSame(t, c)
			return nil
		case "renamed":
			return nil
		}
		b.enqueue(b.message(1))
		if len(kept) > 2 {
			b.ok(b.db.Cancel(b.acct.Lane, kept[0], b.now))
			b.send(kept[len(kept)-1], 0, uint8(len(kept)))
			kept = kept[1 : len(kept)-1]
		}
		b.pass(40 * time.Minute)
		b.tick() // what was cancelled goes after a day
		return nil
	})
	b.compact()
	t.Log(steps)
	if steps["filled some"] < 20 || steps["copied changes"] == 0 || steps["renamed"] != 1 {
		t.Errorf("steps: %v", steps)
	}
	got := b.allRows()
	b.wantIndexes()
	b.wantPages()
	b.onStep(nil)
	b.compact() // copies rows without any change meanwhile
	b.wantRows(got)
	b.reopen()
	b.wantRows(got)
}

// TestCompactGivenUp: whatever goes wrong at whichever step before the new file has its name, all goes on with the old one.
func TestCompactGivenUp(t *testing.T) {
	sick := errors.New("sick")
	for _, name := range []string{"created", "filled some", "copied changes", "caught up", "synced"} {
		for _, way := range []string{"error", "cancel", "close", "lost descriptor", "panic"} {
			if name == "synced" && (way == "lost descriptor" || way == "panic") {
				continue // nothing is done with it any more
			}
			t.Run(name+", "+way, func(t *testing.T) {
				b := newBox(t, Options{})
				b.life(20)
				want, before := b.allRows(), b.fileInfo()
				ctx, cancel := context.WithCancel(t.Context())
				var closed sync.WaitGroup
				b.onStep(func(c *compaction, step string) error {
					if step != name {
						return nil
					}
					switch way {
					case "error":
						return sick
					case "cancel":
						cancel()
					case "close":
						closed.Go(func() { b.db.Close() })
						for c.ctx.Err() == nil {
							time.Sleep(time.Millisecond)
						}
					case "lost descriptor": // every write from here on fails
						c.next.file.Close()
					case "panic":
						c.next.bolt = nil
					}
					return nil
				})
				_, err := b.db.Compact(ctx, nil)
				// From "synced" on there is nothing left that these would disturb.
				late := name == "synced" && way != "error"
				if (err == nil) != late {
					t.Fatalf("got %v", err)
				}
				t.Log(err)
				closed.Wait()
				if way == "close" {
					b.open()
				}
				b.wantRows(want)
				b.onStep(nil)
				b.enqueue(b.message(1))
				if !late && !os.SameFile(b.fileInfo(), before) {
					t.Error("another file has its place")
				}
				b.wantNothingLeft()
				b.compact()
				b.reopen()
				b.wantNothingLeft()
				b.wantIndexes()
			})
		}
	}
}

// TestCompactFailStop: once the new file has its name, and it is not known for good, nothing more is written to either, and
// both say all that was ever answered.
func TestCompactFailStop(t *testing.T) {
	b := newBox(t, Options{})
	b.life(20)
	want := b.allRows()
	b.onStep(func(_ *compaction, name string) error {
		if name == "renamed" {
			return errors.New("the directory can't be synced")
		}
		return nil
	})
	_, err := b.db.Compact(t.Context(), nil)
	wantError(t, err, ErrFailed)
	_, err = b.db.Enqueue(b.message(1)).Result()
	wantError(t, err, ErrFailed)
	b.db.Close()
	b.open()
	b.wantRows(want)
	b.wantNothingLeft()
}

// TestCompactReaders: who reads when the file changes sees what was there when he began, holds up nobody, and the former
// file is closed when he has ended.
func TestCompactReaders(t *testing.T) {
	b := newBox(t, Options{})
	b.life(50)
	old := b.db.handle()
	within, out := make(chan struct{}), make(chan struct{})
	var reading sync.WaitGroup
	before := b.get(b.enqueue(b.message(1))).ID
	reading.Go(func() {
		err := b.db.view(func(v *reader) error {
			close(within)
			<-out
			if _, err := v.message(before); err != nil {
				t.Error(err)
			}
			if _, err := v.message(before + 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("the reader sees what came later: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-within
	b.compact()
	if b.db.handle() == old {
		t.Fatal("it is the same file")
	}
	b.compact() // there may be several
	b.get(b.enqueue(b.message(1)))
	for range 5 {
		b.get(before)
	}
	close(out)
	reading.Wait()
	b.db.files.retired.Wait()
	if err := old.file.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the former file was not closed: %v", err)
	}
}

// TestCompactLock: nobody else can open the file while another one takes its place, again and again.
func TestCompactLock(t *testing.T) {
	b := newBox(t, Options{})
	b.life(20)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var others sync.WaitGroup
	var tried atomic.Int64
	for range 4 {
		others.Go(func() {
			for ctx.Err() == nil {
				db, err := Open(b.path, Options{})
				if err == nil {
					db.Close()
				}
				if !errors.Is(err, ErrLocked) {
					t.Errorf("it was opened a second time: %v", err)
				}
				tried.Add(1)
			}
		})
	}
	n := 0
	for ; ctx.Err() == nil; n++ {
		b.enqueue(b.message(1))
		b.compact()
	}
	others.Wait()
	t.Logf("%d compactions, %d tries to open the file", n, tried.Load())
	b.wantIndexes()
}

// TestCompactTwice: there is one at a time.
func TestCompactTwice(t *testing.T) {
	b := newBox(t, Options{})
	b.life(20)
	b.onStep(func(_ *compaction, name string) error {
		if name == "created" {
			_, err := b.db.Compact(t.Context(), nil)
			wantError(t, err, ErrCompacting)
		}
		return nil
	})
	b.compact()
	b.db.Close()
	_, err := b.db.Compact(t.Context(), nil)
	wantError(t, err, ErrClosed)
}

// TestCompactNoRoom: without room for two files nothing is begun, and it is said how much it takes.
func TestCompactNoRoom(t *testing.T) {
	b := newBox(t, Options{Reserve: 1 << 60})
	_, err := b.db.Compact(t.Context(), nil)
	wantError(t, err, ErrDiskFull)
	var room *NoRoomError
	if !errors.As(err, &room) || room.Need < 1<<60 || room.Free <= 0 {
		t.Errorf("got %v", err)
	}
	b.wantNothingLeft()
}

// TestCompactDamaged: a record with a broken checksum goes into the new file as it is.
func TestCompactDamaged(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.ok(b.db.w.do(func(t *txn) error {
		value := bytes.Clone(t.bucket(bMessages).Get(idKey(id)))
		value[20] ^= 1
		t.writes++
		return t.bucket(bMessages).Put(idKey(id), value)
	}))
	want := b.allRows()
	b.compact()
	b.wantRows(want)
	_, err := b.db.Message(id)
	wantError(t, err, ErrDamaged)
}

// TestCompactForeign: a bucket that is not ours would be lost.
func TestCompactForeign(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.w.do(func(t *txn) error {
		t.writes++
		_, err := t.tx.CreateBucket([]byte("theirs"))
		return err
	}))
	_, err := b.db.Compact(t.Context(), nil)
	wantError(t, err, errInTheWay)
	b.wantNothingLeft()
}

// TestCompactMoved: a file that somebody has moved away, or put another one in the place of, is not replaced.
func TestCompactMoved(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(os.Rename(b.path, b.path+".aside"))
	_, err := b.db.Compact(t.Context(), nil)
	t.Log(err)
	if err == nil {
		t.Error("it was compacted")
	}
	b.ok(os.WriteFile(b.path, []byte("theirs"), 0o600))
	_, err = b.db.Compact(t.Context(), nil)
	t.Log(err)
	if data, _ := os.ReadFile(b.path); err == nil || string(data) != "theirs" {
		t.Errorf("got %v, and the file holds %d octets", err, len(data))
	}
	for _, step := range []string{"filled some", "caught up", "synced"} {
		b.ok(os.Rename(b.path+".aside", b.path))
		b.onStep(func(_ *compaction, name string) error {
			if _, err := os.Stat(b.path + ".aside"); name == step && err != nil {
				os.Rename(b.path, b.path+".aside")
				os.WriteFile(b.path, []byte("theirs"), 0o600)
			}
			return nil
		})
		_, err = b.db.Compact(t.Context(), nil)
		if data, _ := os.ReadFile(b.path); err == nil || string(data) != "theirs" {
			t.Errorf("moved at %q: got %v, and the file holds %d octets", step, err, len(data))
		}
	}
}

// TestCompactLink: where data_dir has a link to the file, the link stays and the file is replaced where it is.
func TestCompactLink(t *testing.T) {
	b := newBox(t, Options{})
	b.enqueue(b.message(1))
	b.ok(b.db.Close())
	real, link := b.path, filepath.Join(t.TempDir(), "link.db")
	b.ok(os.Symlink(real, link))
	b.path = link
	b.open()
	want := b.allRows()
	b.compact()
	b.reopen()
	b.wantRows(want)
	if to, err := os.Readlink(link); err != nil || to != real {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// TestCompactBusy: more changes than can be remembered end a compaction, and nothing else.
func TestCompactBusy(t *testing.T) {
	b := newBox(t, Options{})
	b.life(20)
	want := b.allRows()
	b.onStep(func(_ *compaction, name string) error {
		if name != "filled some" {
			return nil
		}
		return b.db.w.do(func(t *txn) error {
			t.w.changes.n.Store(mostChanges)
			t.w.changes.add(bMessages, idKey(1))
			return nil
		})
	})
	_, err := b.db.Compact(t.Context(), nil)
	wantError(t, err, ErrTooBusy)
	b.wantRows(want)
	b.wantNothingLeft()
}

// TestCompactCrash ends the process, or cuts the power, at each step of a compaction in the middle of a day's work: the file
// at path is whole and says all that was answered, be it the former one or the new one, and what is beside it goes.
func TestCompactCrash(t *testing.T) {
	b := newBox(t, Options{})
	states := make(map[ID]State)
	var ids []ID
	look := func() {
		for _, id := range ids {
			if m, err := b.db.Message(id); err == nil {
				states[id] = m.State
			}
		}
	}
	day(b, func(known []ID) { ids = known })
	look()
	type cut struct {
		savedDisk
		when string
	}
	var cuts []cut
	save := func(when string, data, left []byte) {
		cuts = append(cuts, cut{savedDisk{data, maps.Clone(states), left}, when})
	}
	b.onStep(func(c *compaction, name string) error {
		left, err := os.ReadFile(c.nextPath)
		switch name {
		case "renamed":
			save("renamed", inUse(t, b.path), nil)
			old, err := io.ReadAll(io.NewSectionReader(c.db.handle().file, 0, math.MaxInt64))
			if err != nil {
				t.Error(err)
			}
			save("renamed, but not for good", old, inUse(t, b.path))
			return nil
		case "synced":
			save(name, inUse(t, b.path), left)
			return err
		}
		save(name, inUse(t, b.path), left[:len(left)/2]) // some of it was written
		id := b.enqueue(b.message(2))
		b.ok(b.db.Cancel(b.acct.Lane, ids[len(ids)-1], b.now)) // once more, or for the first time
		ids = append(ids, id)
		look()
		save(name+", with a commit", inUse(t, b.path), left)
		return err
	})
	ids = append(ids, b.enqueue(b.message(1)))
	look()
	b.compact()
	b.onStep(nil)
	save("done", inUse(t, b.path), nil)
	ids = append(ids, b.enqueue(b.message(1)))
	look()
	save("done, and more", inUse(t, b.path), nil)
	for n, c := range cuts {
		if n%3 == 0 || n > len(cuts)-8 { // bites are all alike
			c.check(t, c.when, c.data, b.opt)
		}
	}
	t.Logf("%d places to stop at", len(cuts))
}
