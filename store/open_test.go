package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// otherBolt is a bbolt file that another program made.
func otherBolt(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCreate: a new file is its owner's alone, and no trace of its making is left.
func TestCreate(t *testing.T) {
	b := newBox(t, Options{})
	info, err := os.Stat(b.path)
	b.ok(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	entries, err := os.ReadDir(filepath.Dir(b.path))
	b.ok(err)
	if len(entries) != 1 {
		t.Errorf("beside the store there is %v", entries)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing", "gateway.db"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

// TestCreateLeavesOthersAlone: a file that turns up while ours is made is not replaced.
func TestCreateLeavesOthersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := create(path, start()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestLocked(t *testing.T) {
	b := newBox(t, Options{})
	before := time.Now()
	_, err := Open(b.path, Options{})
	wantError(t, err, ErrLocked)
	if !strings.Contains(err.Error(), b.path) {
		t.Errorf("the sentence does not name the file: %v", err)
	}
	if waited := time.Since(before); waited > 20*time.Second { // it waits for a second, and a busy machine for longer
		t.Errorf("it took %s", waited)
	}
}

func TestNewerFormat(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.w.do(func(t *txn) error {
		return t.put(bMeta, keyFormat(), binary.BigEndian.AppendUint32([]byte{recordVersion}, formatVersion+1))
	}))
	b.ok(b.db.Close())
	_, err := Open(b.path, b.opt)
	wantError(t, err, ErrNewer)
	if !strings.Contains(err.Error(), b.path) {
		t.Errorf("the sentence does not name the file: %v", err)
	}
}

func TestMissingBucket(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.w.do(func(t *txn) error { t.writes++; return t.tx.DeleteBucket([]byte("queue")) }))
	b.ok(b.db.Close())
	_, err := Open(b.path, b.opt)
	wantError(t, err, ErrDamaged)
}

// TestIDs: ids of a new file begin beyond those that a lost one can have given, grow by one, and are never given again,
// whatever happens to message and file.
func TestIDs(t *testing.T) {
	for _, tt := range []struct {
		name string
		now  time.Time
		want uint64
	}{
		{"one second after", time.Date(2020, 1, 1, 0, 0, 1, 0, time.UTC), 10},
		{"2026", start(), 1_945_296_000},
		{"no clock", time.Unix(0, 0), 0},
		{"mad clock", time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), 8_999_999_991},
	} {
		if got := firstID(tt.now); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	b := newBox(t, Options{})
	first := b.enqueue(b.message(1))
	if now := firstID(time.Now()); uint64(first) > now+1 || uint64(first) < now-1000 {
		t.Errorf("the first id is %s, ten a second make %d", first, now)
	}
	b.ok(b.db.Cancel(b.acct.Lane, first, b.now))
	b.pass(60 * 24 * time.Hour)
	b.tick()
	b.pass(60 * 24 * time.Hour)
	b.tick()
	_, err := b.db.Message(first)
	wantError(t, err, ErrNotFound)
	b.reopen()
	if next := b.enqueue(b.message(1)); next != first+1 {
		t.Errorf("the next after %s is %s", first, next)
	}
	b.ok(b.db.w.do(func(t *txn) error { t.writes++; return t.bucket(bMessages).SetSequence(maxID - 1) }))
	if last := b.enqueue(b.message(1)); last.String() != "9999999999" {
		t.Errorf("the last is %s", last)
	}
	_, err = b.db.Enqueue(b.message(1)).Result()
	wantError(t, err, ErrNoIDs)
}

func TestParseID(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want ID
		ok   bool
	}{
		{"1", 1, true},
		{"9999999999", 9_999_999_999, true},
		{"0000000042", 42, true},
		{"0", 0, true},
		{"", 0, false},
		{"12345678901", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{" 1", 0, false},
		{"1a", 0, false},
		{"٣", 0, false}, // a digit, but none of ours
	} {
		if got, err := ParseID(tt.in); got != tt.want && tt.ok || (err == nil) != tt.ok {
			t.Errorf("%q: got %d, %v", tt.in, got, err)
		}
	}
}

// TestOlderFormat: a file of an older format is brought to this one with all that is in it.
func TestOlderFormat(t *testing.T) {
	for format := range uint32(formatVersion - 1) {
		t.Run(fmt.Sprint(format+1), func(t *testing.T) { testFormat(t, format+1) })
	}
}

func testFormat(t *testing.T, format uint32) {
	b := newBox(t, Options{})
	id := b.enqueue(b.message(1))
	age := func(also ...bucket) {
		b.ok(b.db.w.do(func(t *txn) error {
			t.writes++
			for n, name := range bucketNames {
				if since(bucket(n)) > format || slices.Contains(also, bucket(n)) {
					if err := t.tx.DeleteBucket([]byte(name)); err != nil {
						return err
					}
				}
			}
			return t.put(bMeta, keyFormat(), binary.BigEndian.AppendUint32([]byte{recordVersion}, format))
		}))
		b.ok(b.db.Close())
	}
	age()
	b.open()
	b.wantState(id, Queued)
	if _, err := b.db.UpdateModem("sim1", func(s *ModemState) error { s.Paused = true; return nil }); err != nil {
		t.Error(err)
	}
	b.enqueue(b.message(2))
	b.reopen() // it is a file of the new format now
	parts := 2
	if since(bQuotas) <= format {
		parts++ // that of the first message was counted then
	}
	if use, err := b.db.Use(b.acct.Lane, b.now); err != nil || use.Today != parts || use.Queued != 2 {
		t.Errorf("%+v, %v; want %d parts counted, and both messages in the queue", use, err, parts)
	}
	if s, err := b.db.Modem("sim1"); err != nil || !s.Paused {
		t.Errorf("%+v, %v", s, err)
	}
	if again := b.submitOnce(Once{Window: time.Hour}); b.submitOnce(Once{Window: time.Hour}) != again {
		t.Error("a resubmission was not known")
	}
	age(bQueue)
	_, err := Open(b.path, b.opt)
	wantError(t, err, ErrDamaged) // what the old format had must be there
}

func TestModemState(t *testing.T) {
	b := newBox(t, Options{})
	if s, err := b.db.Modem("sim1"); err != nil || s != (ModemState{Name: "sim1"}) {
		t.Errorf("of a modem never seen: %+v, %v", s, err)
	}
	want := ModemState{Name: "sim1", IMEI: "490154203237518", ICCID: "8949010000123456789", Paused: true, PausedAt: start(), Reason: "no credit"}
	got, err := b.db.UpdateModem("sim1", func(s *ModemState) error { *s = want; return nil })
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	b.crash()
	if got, err := b.db.Modem("sim1"); err != nil || got != want {
		t.Errorf("after a crash: %+v, %v", got, err)
	}
	no := errors.New("no")
	if _, err := b.db.UpdateModem("sim1", func(s *ModemState) error { s.Paused = false; return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if got, _ := b.db.Modem("sim1"); got != want {
		t.Errorf("after a change that was refused: %+v", got)
	}
}
