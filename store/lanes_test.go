package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkNextManyLanes measures a pick for a modem that takes nothing of all but one of so many accounts, each with a message
// that waits. The first one, which reads them all, is not counted.
func BenchmarkNextManyLanes(b *testing.B) {
	for _, lanes := range []int{1000, 20_000} {
		b.Run(fmt.Sprintf("accounts=%d", lanes), func(b *testing.B) {
			db, err := Open(filepath.Join(b.TempDir(), "gateway.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			last := fillLanes(b, db, lanes)
			s := Search{Seen: new(Bookmark), Judge: func(m *Message) Verdict {
				if m.Lane == last {
					return Take
				}
				return Never
			}}
			pick := func() {
				m, err := db.Next(time.Now(), s)
				for err == ErrMore {
					m, err = db.Next(time.Now(), s)
				}
				if err != nil || m.Lane != last {
					b.Fatal(m, err)
				}
			}
			pick()
			b.ReportAllocs()
			for b.Loop() {
				pick()
			}
		})
	}
}

// TestNextManyLanes: a pick takes no more memory with two thousand accounts than with one, though nothing of theirs will do; and
// where the first message of each does, nothing is remembered of them.
func TestNextManyLanes(t *testing.T) {
	const lanes = 2000
	b := newBox(t, Options{})
	last := fillLanes(t, b.db, lanes)
	now := time.Now()
	look := func(seen *Bookmark, judge func(*Message) Verdict) *Message {
		m, err := b.db.Next(now, Search{Seen: seen, Judge: judge})
		b.ok(err)
		return m
	}
	onlyLast := func(m *Message) Verdict {
		if m.Lane == last {
			return Take
		}
		return Never
	}
	seen := new(Bookmark)
	look(seen, onlyLast)
	if n := testing.AllocsPerRun(10, func() {
		if m := look(seen, onlyLast); m.Lane != last {
			t.Errorf("the message of account %d was picked, want %d", m.Lane, last)
		}
	}); n > 200 {
		t.Errorf("a pick among %d accounts that were looked at before allocates %.0f times", lanes, n)
	}
	seen = new(Bookmark)
	after := uint32(0)
	for range lanes {
		m, err := b.db.Next(now, Search{Seen: seen, After: after})
		b.ok(err)
		after = m.Lane
	}
	if n := len(seen.lanes); n > 0 {
		t.Errorf("after picks of first messages alone %d lanes are remembered", n)
	}
}

// TestManyAccounts: to count two thousand accounts takes no memory, and of those that have an end only these are given.
func TestManyAccounts(t *testing.T) {
	b := newBox(t, Options{})
	fillLanes(t, b.db, 2000)
	b.account("B")
	b.account("A")
	for _, key := range []string{"A", "B"} {
		_, err := b.db.UpdateAccount(key, b.now, func(a *Account) error { a.Expires = b.now; return nil })
		b.ok(err)
	}
	if n := testing.AllocsPerRun(5, func() {
		if n, err := b.db.CountAccounts(); err != nil || n != 2004 {
			t.Errorf("%d accounts, %v; want 2004", n, err)
		}
	}); n > 100 {
		t.Errorf("to count the accounts allocates %.0f times", n)
	}
	var keys []string
	for some, err := b.db.AccountsAfter("", 150); len(some) > 0; some, err = b.db.AccountsAfter(keys[len(keys)-1], 150) {
		b.ok(err)
		for _, a := range some {
			keys = append(keys, a.Key)
		}
	}
	if len(keys) != 2004 || !slices.IsSorted(keys) || len(slices.Compact(keys)) != 2004 {
		t.Errorf("%d accounts by key, want 2004, each once", len(keys))
	}
	list, err := b.db.ExpiringAccounts()
	b.ok(err)
	if len(list) != 2 || list[0].Key != "B" || list[1].Key != "A" {
		t.Errorf("%d accounts have an end: %+v; want B and A", len(list), list)
	}
	b.ok(b.db.w.do(func(t *txn) error {
		t.writes++
		return t.bucket(bLanes).Put(laneKey(b.acct.Lane), []byte("nonsense"))
	}))
	if _, err := b.db.ExpiringAccounts(); !errors.Is(err, ErrDamaged) {
		t.Errorf("with damage: %v", err)
	}
}

// fillLanes makes so many accounts, each with one message that waits, and gives the last lane.
func fillLanes(tb testing.TB, db *DB, lanes int) (last uint32) {
	tb.Helper()
	const atOnce = 256
	made := make([]*Accept, 0, lanes)
	for from := 0; from < lanes; from += atOnce {
		if err := db.w.do(func(t *txn) error {
			for n := from; n < min(from+atOnce, lanes); n++ {
				a := Account{Key: fmt.Sprintf("a%06d", n), Lane: uint32(n + 10), Password: fmt.Sprintf("%090d", n), Created: time.Now()}
				if err := t.put(bLanes, laneKey(a.Lane), appendText([]byte{recordVersion}, a.Key)); err != nil {
					return err
				}
				if err := t.putAccount(&a); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			tb.Fatal(err)
		}
	}
	for n := range lanes {
		made = append(made, db.Enqueue(benchMessage(Account{Key: fmt.Sprintf("a%06d", n), Lane: uint32(n + 10)})))
	}
	for _, a := range made {
		if _, err := a.Result(); err != nil {
			tb.Fatal(err)
		}
	}
	return uint32(lanes + 9)
}
