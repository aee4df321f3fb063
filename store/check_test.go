package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/sms"
)

// wantWhole: a check of the open file finds nothing.
func (b *box) wantWhole() {
	b.t.Helper()
	found, err := b.db.Check(b.t.Context(), CheckOptions{}, nil)
	b.ok(err)
	b.wantNothing(found)
}

func (b *box) wantNothing(found Findings) {
	b.t.Helper()
	if found.Faults == 0 && len(found.List) == 0 && found.Skipped == "" {
		return
	}
	b.t.Errorf("%d faults, %q", found.Faults, found.Skipped)
	for _, f := range found.List {
		b.t.Errorf("%s/%s: %s; %s", f.Bucket, f.Key, f.What, f.Means)
	}
}

// fullLife leaves something in each bucket of the file.
func fullLife(t *testing.T) *box {
	b := newBox(t, Options{InboundWait: 100 * time.Hour})
	ended := b.enqueue(b.message(1))
	b.send(ended, 0, 7)
	b.report(7, 0)
	b.pass(30 * time.Hour)
	b.tick() // it is gone now
	waits, urgent, late := b.message(1), b.message(2), b.message(1)
	urgent.Priority, late.Due = 1, b.now.Add(time.Hour)
	for _, m := range []*Message{waits, waits, urgent, late} {
		b.enqueue(m)
	}
	b.send(b.enqueue(b.message(1)), 0, 20)
	doubt := b.enqueue(b.message(1))
	b.claim(doubt, 0)
	b.ok(b.db.Doubt(doubt, 0, "silence", b.now))
	blind := b.enqueue(b.message(1))
	b.ok(b.db.Claim(blind, 0, "stick", "line-2", b.now))
	b.ok(b.db.Doubt(blind, 0, "silence", b.now))
	b.ok(b.db.ClaimWithin(b.enqueue(b.message(1)), 0, "stick", "line-1", Limits{1000, 1000, 1000, 1000}, b.now))
	_, err := b.db.Report("line-3", Report{Ref: 9, Recipient: "1", Time: b.now}, b.now)
	b.ok(err)
	b.ok(b.db.RememberPIN("pin"))
	_, err = b.db.UpdateModem("stick", func(s *ModemState) error { s.Paused = true; return nil })
	b.ok(err)
	text := Inbound{Modem: "stick", Line: "line-1", Lane: b.acct.Lane, From: sms.Address{Number: "49170"}, Time: b.now, Data: []byte("hi"), Text: "hi"}
	_, err = b.db.ReceiveText(text, b.now)
	b.ok(err)
	text.UDH, text.Data = []byte{5, 0, 3, 1, 3, 1}, []byte("one")
	_, err = b.db.ReceiveText(text, b.now)
	b.ok(err)
	b.submitOnce(Once{Window: 1000 * time.Hour})
	b.pass(time.Minute)
	b.ok(b.db.Cancel(b.acct.Lane, b.enqueue(b.message(1)), b.now))
	b.ok(b.db.view(func(v *reader) error {
		for n, name := range bucketNames {
			if k, _ := v.bucket(bucket(n)).Cursor().First(); k == nil {
				return fmt.Errorf("there is nothing in %s", name)
			}
		}
		return nil
	}))
	return b
}

// meddle changes the closed file with bbolt alone.
func meddle(t *testing.T, path string, fn func(b func(bucket) *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error {
		return fn(func(b bucket) *bolt.Bucket { return tx.Bucket([]byte(bucketNames[b])) })
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckFindsAndRepairs: each row of each index is deleted, altered and doubled elsewhere; each time that is found, put right,
// and the file is as it was.
func TestCheckFindsAndRepairs(t *testing.T) {
	b := fullLife(t)
	b.wantWhole()
	b.ok(b.db.Close())
	found, err := CheckFile(t.Context(), b.path, CheckOptions{}, nil)
	b.ok(err)
	b.wantNothing(found)
	if found.Records["messages"] == 0 || found.Pages == 0 || found.NextID == 0 || found.Written.IsZero() || found.Format != formatVersion {
		t.Errorf("%+v", found)
	}
	b.trim()
	whole := dump(t, b.path)
	derived := []bucket{bLanes, bQueue, bLater, bTimers, bClaims, bReports, bCounts, bSeen, bFragments, bResubmits}
	for _, at := range derived {
		t.Run(bucketNames[at], func(t *testing.T) {
			for _, k := range sample(whole[at]) {
				value := whole[at][k]
				if at == bFragments && k[0] == rowFragment || at == bResubmits && k[0] == rowSubmitted {
					continue // not derived from anything
				}
				ways := map[string]func(*bolt.Bucket) error{
					"deleted": func(x *bolt.Bucket) error { return x.Delete([]byte(k)) },
					"altered": func(x *bolt.Bucket) error { return x.Put([]byte(k), append([]byte("\x01?"), value...)) },
					"moved": func(x *bolt.Bucket) error {
						to := append([]byte{}, k...)
						to[len(to)-1] ^= 0x40
						return errors.Join(x.Delete([]byte(k)), x.Put(to, []byte(value)))
					},
				}
				if at == bFragments && k[0] == rowWaiting {
					delete(ways, "moved")
				}
				for way, do := range ways {
					mendOne(t, b.path, at, way+" "+fmt.Sprintf("%x", k), whole, do)
				}
			}
		})
	}
}

// trim cuts off of the closed file what was made ahead of need: tests that copy it often need less time.
func (b *box) trim() {
	b.t.Helper()
	writeFile(b.t, b.path, inUse(b.t, b.path))
}

// sample gives a few of the keys: the first and the last that begin with the same octet.
func sample(rows map[string]string) (keys []string) {
	all := slices.Sorted(maps.Keys(rows))
	for i, k := range all {
		if i == 0 || i == len(all)-1 || all[i-1][0] != k[0] || all[i+1][0] != k[0] {
			keys = append(keys, k)
		}
	}
	return keys
}

func mendOne(t *testing.T, path string, at bucket, way string, whole [numBuckets]map[string]string, do func(*bolt.Bucket) error) {
	t.Helper()
	bad := filepath.Join(t.TempDir(), "gateway.db")
	copyFile(t, path, bad)
	meddle(t, bad, func(b func(bucket) *bolt.Bucket) error { return do(b(at)) })
	found, err := CheckFile(t.Context(), bad, CheckOptions{}, nil)
	if err != nil || found.Faults == 0 || found.Mendable != found.Faults {
		t.Fatalf("%s: %v, %d faults, %d can be mended: %+v", way, err, found.Faults, found.Mendable, found.List)
	}
	after, kept, err := Repair(t.Context(), bad, start().Add(31*time.Hour), nil)
	if err != nil || after.Faults != 0 || after.Mended == 0 || kept == "" {
		t.Fatalf("%s: repaired: %v, %d faults left, %d mended, kept %q: %+v", way, err, after.Faults, after.Mended, kept, after.List)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Fatal(err)
	}
	got := dump(t, bad)
	for n := range whole {
		if diff := diffOf(whole[n], got[n]); diff != "" && !mayDiffer(bucket(n)) {
			t.Fatalf("%s: %s: %s", way, bucketNames[n], diff)
		}
	}
}

// mayDiffer: the timer of a tombstone ends at another time, a claim forgets what it cost.
func mayDiffer(b bucket) bool { return b == bTimers || b == bClaims }

func diffOf(want, got map[string]string) string {
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			return fmt.Sprintf("%x: got %x, %t, want %x", k, g, ok, v)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	return ""
}

func dump(t *testing.T, path string) (all [numBuckets]map[string]string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		for n, name := range bucketNames {
			all[n] = make(map[string]string)
			if err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
				all[n][string(k)] = string(v)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCheckLostMessage: of a message that is not there, though rows of indexes know it, check says that it is lost.
func TestCheckLostMessage(t *testing.T) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	b.ok(b.db.w.do(func(t *txn) error { return t.delete(bMessages, idKey(id)) }))
	b.ok(b.db.Close())
	found, err := CheckFile(t.Context(), b.path, CheckOptions{}, nil)
	b.ok(err)
	if !slices.ContainsFunc(found.List, func(f Finding) bool {
		return strings.Contains(f.What, id.String()) && strings.Contains(f.Means, "is lost")
	}) {
		t.Errorf("%+v", found.List)
	}
}

// TestCheckRecords: each octet of each record is flipped in turn, and found.
func TestCheckRecords(t *testing.T) {
	b := fullLife(t)
	b.ok(b.db.Close())
	b.trim()
	whole := dump(t, b.path)
	for n, rows := range whole {
		for _, k := range sample(rows) {
			value := rows[k]
			if value == "" {
				continue
			}
			bad := filepath.Join(t.TempDir(), "gateway.db")
			copyFile(t, b.path, bad)
			flipped := []byte(value)
			flipped[len(flipped)/2] ^= 4
			meddle(t, bad, func(b func(bucket) *bolt.Bucket) error { return b(bucket(n)).Put([]byte(k), flipped) })
			found, err := CheckFile(t.Context(), bad, CheckOptions{Quick: true}, nil)
			if bucket(n) == bMeta && string(k) == string(keyFormat()) {
				continue // without it nothing can be opened; what it is then called is not told here
			}
			if err != nil || found.Faults == 0 {
				t.Errorf("%s/%x: %v, %+v", bucketNames[n], k, err, found)
			}
			after, _, err := Repair(t.Context(), bad, b.now, nil)
			if err != nil {
				t.Errorf("%s/%x: repair: %v", bucketNames[n], k, err)
			}
			if after.Mendable > 0 {
				t.Errorf("%s/%x: not all is mended: %+v", bucketNames[n], k, after.List)
			}
			db, err := Open(bad, b.opt)
			if err != nil {
				t.Errorf("%s/%x: after the repair: %v", bucketNames[n], k, err)
				continue
			}
			db.Close()
		}
	}
}

// TestCheckPages: what a page may suffer is found, and never brings the check down.
func TestCheckPages(t *testing.T) {
	b := newBox(t, Options{})
	for range 200 {
		b.enqueue(b.message(2))
	}
	b.ok(b.db.Close())
	data, err := os.ReadFile(b.path)
	b.ok(err)
	f, err := os.Open(b.path)
	b.ok(err)
	defer f.Close()
	both, err := readHeads(f)
	b.ok(err)
	h := both.newest
	high, size := h.high(), h.size()
	free := make(map[uint64]bool)
	list, _, err := pages{f, size, high}.read(h.free(), nil)
	b.ok(err)
	for n := range int(binary.NativeEndian.Uint16(list[10:])) {
		free[binary.NativeEndian.Uint64(list[pageHeader+8*n:])] = true
	}
	for id := uint64(2); id < high; id++ {
		page := data[int64(id)*size : int64(id+1)*size]
		was := bytes.Clone(page)
		for n, harm := range []func(){
			func() { clear(page) },
			func() { page[0] ^= 1 },
			func() { page[10] ^= 1 },
			func() { page[20] ^= 0xFF },
			func() { page[24] ^= 8 },
			func() { copy(page, data[int64((id+1)%high)*size:]) },
		} {
			harm()
			path := filepath.Join(t.TempDir(), fmt.Sprint(id, n))
			writeFile(t, path, data)
			found, err := CheckFile(t.Context(), path, CheckOptions{}, nil)
			if err == nil && found.Faults == 0 && n == 0 && !free[id] {
				t.Errorf("page %d was emptied, and nobody noticed", id)
			}
			copy(page, was)
		}
	}
	for _, size := range []int64{0, 100, size, 2 * size, int64(high)*size - 1} {
		path := filepath.Join(t.TempDir(), "cut")
		writeFile(t, path, data[:size])
		if _, err := CheckFile(t.Context(), path, CheckOptions{}, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d octets: %v", size, err)
		}
	}
	path := filepath.Join(t.TempDir(), "words")
	writeFile(t, path, []byte(strings.Repeat("no database", 10000)))
	if _, err := CheckFile(t.Context(), path, CheckOptions{}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("of a text: %v", err)
	}
}

// TestCheckHeads: a head that a write left torn is mended by the next commit, and so by a repair; where a commit may be missing
// nothing is mended, and nobody goes on with the file, nor believes what it says of messages that wait.
func TestCheckHeads(t *testing.T) {
	b := newBox(t, Options{})
	for range 3 {
		b.enqueue(b.message(1))
	}
	backup := b.backup()
	b.ok(b.db.Close())
	b.trim()
	whole, err := os.ReadFile(b.path)
	b.ok(err)
	newer := 0
	if &newestHead(whole)[0] != &whole[0] {
		newer = pageLen
	}
	harmed := bytes.Clone(whole)
	harmed[pageLen-newer+metaFreeAt] ^= 1
	writeFile(t, b.path, harmed)
	found, err := CheckFile(t.Context(), b.path, CheckOptions{}, nil)
	if err != nil || found.Faults != 1 || found.Mendable != 1 {
		t.Fatalf("a harmed head: %+v, %v", found, err)
	}
	after, _, err := Repair(t.Context(), b.path, b.now, nil)
	if err != nil || after.Faults != 0 || after.Mended != 1 {
		t.Errorf("repaired: %+v, %v", after, err)
	}
	b.open()
	b.wantWhole()
	b.ok(b.db.Close())
	lost := bytes.Clone(whole)
	clear(lost[newer : newer+pageLen])
	writeFile(t, b.path, lost)
	found, err = CheckFile(t.Context(), b.path, CheckOptions{}, nil)
	if err != nil || found.Faults == 0 || found.Mendable != 0 || !strings.Contains(found.List[0].What, "commit may be missing") {
		t.Errorf("a lost head: %+v, %v", found, err)
	}
	_, err = Open(b.path, b.opt)
	wantError(t, err, ErrDamaged)
	b.lostAndMiscounted(whole)
	writeFile(t, b.path, lost)
	if done := b.restore(backup); done.Held != 3 || !strings.Contains(done.Replaced, "can't be read") {
		t.Errorf("restored: %+v", done)
	}
}

// lostAndMiscounted: a repair of what could be mended beside a lost head would write both heads anew, and nobody would see
// any more that a commit is missing.
func (b *box) lostAndMiscounted(whole []byte) {
	b.t.Helper()
	writeFile(b.t, b.path, whole)
	b.open()
	b.ok(b.db.w.do(func(t *txn) error { return t.delete(bCounts, laneKey(b.acct.Lane)) }))
	b.ok(b.db.RememberPIN("in the commit that is lost"))
	b.ok(b.db.Close())
	b.trim()
	lost, err := os.ReadFile(b.path)
	b.ok(err)
	newer := 0
	if &newestHead(lost)[0] != &lost[0] {
		newer = pageLen
	}
	clear(lost[newer : newer+pageLen])
	writeFile(b.t, b.path, lost)
	after, kept, err := Repair(b.t.Context(), b.path, b.now, nil)
	if err != nil || after.Faults != 2 || after.Mendable+after.Mended != 0 || kept != "" {
		b.t.Errorf("a lost head and a wrong count: %+v, %q, %v", after, kept, err)
	}
	if now, _ := os.ReadFile(b.path); !bytes.Equal(now, lost) {
		b.t.Error("a file that may lack a commit was changed")
	}
	_, err = Open(b.path, b.opt)
	wantError(b.t, err, ErrDamaged)
}
