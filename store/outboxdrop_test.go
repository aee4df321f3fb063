package store

import (
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// putReceipts writes so many receipts for a lane, as if messages had ended now.
func (b *box) putReceipts(lane uint32, n int) {
	b.t.Helper()
	m := b.message(1)
	m.Lane = lane
	b.ok(b.db.w.do(func(t *txn) error {
		for range n {
			if err := t.putReceipt(m, m.receipt(), b.now); err != nil {
				return err
			}
		}
		return nil
	}))
}

// watchCommits has the most operations on rows counted that one commit held.
func (b *box) watchCommits() (most func() int64) {
	b.t.Helper()
	var n int64
	b.ok(b.db.w.do(func(*txn) error {
		b.db.w.commit = func(tx *bolt.Tx) error {
			stats := tx.Stats()
			n = max(n, stats.GetNodeCount())
			return tx.Commit()
		}
		return nil
	}))
	return func() int64 { return n }
}

// TestRemoveAccountInBites: a removed account's receipts go in several commits, none of which touches many pages, and what a
// crash leaves of them goes with DropOutbox.
func TestRemoveAccountInBites(t *testing.T) {
	const rows = 20_500
	b := newBox(t, Options{})
	b.putReceipts(b.acct.Lane, rows)
	b.putReceipts(b.other.Lane, 1)
	most := b.watchCommits()
	commits := b.db.w.commits.Load()
	b.ok(b.db.RemoveAccount(b.acct.Key, b.now))
	if n := b.db.w.commits.Load() - commits; n < rows/mostDropped {
		t.Errorf("%d receipts went in %d commits", rows, n)
	}
	if n := most(); n > 150 {
		t.Errorf("a commit touched %d pages", n)
	}
	left, err := b.db.CountOutbox(b.acct.Lane, rows)
	if b.ok(err); left > 0 {
		t.Errorf("%d receipts are left", left)
	}

	b.putReceipts(b.other.Lane, 4000)
	b.ok(b.db.w.do(func(t *txn) error { // its first commit, and no other
		if err := t.delete(bAccounts, []byte(b.other.Key)); err != nil {
			return err
		}
		return t.delete(bLanes, laneKey(b.other.Lane))
	}))
	b.crash()
	total := 0
	for n := 1; n > 0; total += n {
		n, err = b.db.DropOutbox(b.now, 72*time.Hour)
		b.ok(err)
	}
	if total != 4001 {
		t.Errorf("%d rows of a removed account were dropped, want 4001", total)
	}
}

// TestDropOutboxGoesOn: the accounts whose rows are young are not looked through for each bite of old ones, and none that is old
// is overlooked.
func TestDropOutboxGoesOn(t *testing.T) {
	b := newBox(t, Options{})
	third := b.account("THIRD")
	b.putReceipts(b.other.Lane, 2*mostDropped+10)
	b.putReceipts(third.Lane, 5)
	b.pass(73 * time.Hour)
	b.putReceipts(b.acct.Lane, 3)
	b.tick() // the clock is believed
	drop := func(want int, from uint32) {
		t.Helper()
		n, err := b.db.DropOutbox(b.now, 72*time.Hour)
		if b.ok(err); n != want || b.db.dropFrom != from {
			t.Errorf("%d were dropped, and it goes on with lane %d; want %d, %d", n, b.db.dropFrom, want, from)
		}
	}
	drop(mostDropped, b.other.Lane)
	drop(mostDropped, b.other.Lane)
	drop(15, 0)
	drop(0, 0)
	b.pass(73 * time.Hour)
	drop(3, 0)
	drop(0, 0)
	b.putReceipts(b.acct.Lane, 1)
	b.pass(73 * time.Hour)
	b.tick()
	b.db.dropFrom = third.Lane // behind it nothing is old
	drop(1, 0)
}
