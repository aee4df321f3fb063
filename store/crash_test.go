package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// disk is what the file was after one commit, and what had been promised by then.
type savedDisk struct {
	data   []byte
	states map[ID]State
	left   []byte // of a compaction, in a file beside it; nil: nothing
}

// TestPowerCut cuts the power after each commit of a day's work, and within the next one: with some of its pages
// written and others not, and with a torn meta page. What was answered before must be found each time, and nothing of
// what was not.
func TestPowerCut(t *testing.T) {
	b := newBox(t, Options{})
	var disks []savedDisk
	b.commitBy(func(tx *bolt.Tx) error {
		err := tx.Commit()
		disks = append(disks, savedDisk{data: inUse(t, b.path)})
		return err
	})
	ids := day(b, func(ids []ID) {
		states := make(map[ID]State)
		for _, id := range ids {
			if m, err := b.db.Message(id); err == nil {
				states[id] = m.State
			}
		}
		disks[len(disks)-1].states = states
	})
	t.Logf("%d commits, %d messages", len(disks), len(ids))
	r := rand.New(rand.NewPCG(1, 2))
	for n := range disks {
		if disks[n].states == nil { // a verb of several commits: nobody has an answer yet
			disks[n].states = disks[n-1].states
			continue
		}
		disks[n].check(t, fmt.Sprintf("after commit %d", n), disks[n].data, b.opt)
		if n+1 < len(disks) {
			for try := range 3 {
				torn := tear(r, disks[n].data, disks[n+1].data, try == 0)
				disks[n].check(t, fmt.Sprintf("within commit %d", n+1), torn, b.opt)
			}
		}
	}
}

// inUse reads the pages of a file that hold something; it is larger, ahead of need.
func inUse(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const page = 4096
	heads := make([]byte, 2*page)
	if _, err := io.ReadFull(f, heads); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, page*max(binary.NativeEndian.Uint64(heads[metaHighAt:]), binary.NativeEndian.Uint64(heads[page+metaHighAt:])))
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}

// day is some of everything; after is called when a verb has been answered.
func day(b *box, after func(ids []ID)) (ids []ID) {
	did := func(err error) {
		b.t.Helper()
		b.ok(err)
		after(ids)
	}
	for n := range 24 {
		id, err := b.db.Enqueue(b.message(1 + n%3)).Result()
		ids = append(ids, id)
		did(err)
	}
	for n, id := range ids {
		ref := uint8(n)
		if n%8 == 7 {
			did(b.db.Cancel(b.acct.Lane, id, b.now))
			continue
		}
		for part := range b.get(id).Parts {
			if part > 0 && n%8 != 1 && n%8 != 2 {
				break
			}
			did(b.db.Claim(id, part, "stick", "line-1", b.now))
			switch n % 8 {
			case 3:
				did(b.db.Doubt(id, part, "silence", b.now))
			case 4:
				did(b.db.Refused(id, part, Refusal{Wait: time.Minute, Reason: "congestion"}, b.now))
			case 5:
				did(b.db.Refused(id, part, Refusal{Final: Undeliverable, Reason: "no such number"}, b.now))
			default:
				did(b.db.Sent(id, part, ref, true, b.now))
			}
		}
		if n%8 == 2 {
			_, err := b.db.Report("line-1", Report{Ref: ref, Recipient: number, Time: b.now}, b.now)
			did(err)
		}
	}
	b.pass(16 * time.Minute)
	_, err := b.db.Tick(b.now, 1000)
	did(err)
	did(b.db.Claim(ids[4], 0, "stick", "line-1", b.now))
	return ids
}

// tear writes some of the pages that differ between two commits, but not the meta page that makes them count, or at
// most its first half.
func tear(r *rand.Rand, before, after []byte, meta bool) []byte {
	const page = 4096
	before = append(bytes.Clone(before), make([]byte, len(after)-len(before))...)
	for at := 0; at < len(after); at += page {
		switch n := page; {
		case bytes.Equal(before[at:at+page], after[at:at+page]):
		case at < 2*page && !meta:
		case at < 2*page:
			n = 70 // ends within the checksum
			fallthrough
		case r.IntN(2) == 0:
			copy(before[at:at+n], after[at:at+n])
		}
	}
	return before
}

// check opens a disk, as after a power cut, and looks for what was promised.
func (d *savedDisk) check(t *testing.T, when string, data []byte, opt Options) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.db")
	writeFile(t, path, data)
	if d.left != nil {
		writeFile(t, path+compactSuffix, d.left)
	}
	c := &box{t: t, path: path, opt: opt, now: start().Add(time.Hour)}
	c.opt.Log = nil
	c.open()
	defer c.db.Close()
	c.wantNothingLeft()
	if _, err := c.db.Recover(c.now); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	list, err := c.db.Messages(Filter{Limit: 1000})
	if err != nil || len(list) != len(d.states) {
		t.Fatalf("%s: %d messages, want %d: %v", when, len(list), len(d.states), err)
	}
	for _, m := range list {
		want := d.states[m.ID]
		if want == Claimed {
			want = Uncertain
		}
		if m.State != want {
			t.Errorf("%s: message %s is %s, want %s", when, m.ID, m.State, want)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	c.wantIndexes()
	if next := c.enqueue(&Message{Lane: 1, Accepted: c.now, Expires: c.now.Add(time.Hour), Parts: []Part{{}}}); d.states[next] != 0 {
		t.Errorf("%s: id %s was given twice", when, next)
	}
}
