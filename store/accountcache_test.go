package store

import (
	"errors"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestAccountIsFresh: who has been told of a change sees it from then on, whatever others read at the same time.
func TestAccountIsFresh(t *testing.T) {
	b := newBox(t, Options{})
	a, err := b.db.AddAccount(Account{Key: "shop"}, b.now)
	b.ok(err)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := b.db.AccountOfLane(a.Lane)
				if err != nil || got.MaxParts < last {
					t.Errorf("%d parts after %d, %v", got.MaxParts, last, err)
					return
				}
				last = got.MaxParts
			}
		})
	}
	for n := 1; n <= 200; n++ {
		_, err := b.db.UpdateAccount("shop", b.now, func(a *Account) error { a.MaxParts = n; return nil })
		b.ok(err)
		if got, err := b.db.AccountOfLane(a.Lane); err != nil || got.MaxParts != n {
			t.Fatalf("after the change to %d: %d, %v", n, got.MaxParts, err)
		}
	}
	close(stop)
	readers.Wait()
	b.ok(b.db.RemoveAccount("shop", b.now))
	if _, err := b.db.AccountOfLane(a.Lane); !errors.Is(err, ErrNoAccount) {
		t.Errorf("after the removal: %v", err)
	}
	again, err := b.db.AddAccount(Account{Key: "shop", MaxParts: 7}, b.now)
	b.ok(err)
	if got, err := b.db.AccountOfLane(again.Lane); err != nil || got.MaxParts != 7 || got.Lane == a.Lane {
		t.Errorf("after it was added again: %+v, %v", got, err)
	}
}

// known tells how many accounts are held.
func (c *accountCache) known() (n int) {
	c.byLane.Range(func(_, _ any) bool { n++; return true })
	return n
}

// TestRemovedAccountIsForgotten: nothing of it, its password's hash not either, stays in memory though nobody asks for it
// again, and one that was read just before the removal does not come back.
func TestRemovedAccountIsForgotten(t *testing.T) {
	b := newBox(t, Options{})
	_, err := b.db.AccountOfLane(b.acct.Lane)
	b.ok(err)
	if n := b.db.accounts.known(); n != 1 {
		t.Fatalf("%d accounts are held, want the one that was read", n)
	}
	age := b.db.accounts.age.Load()
	b.ok(b.db.RemoveAccount(b.acct.Key, b.now))
	b.db.accounts.keep(b.acct, age) // by a slow reader
	if n := b.db.accounts.known(); n != 0 {
		t.Errorf("%d accounts are held after the removal", n)
	}
}

// TestAccountByLaneIsAsByKey: who has seen a change of an account by its key sees it by its lane.
func TestAccountByLaneIsAsByKey(t *testing.T) {
	b := newBox(t, Options{})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				byKey, err := b.db.Account(b.acct.Key)
				byLane, err2 := b.db.AccountOfLane(b.acct.Lane)
				if err != nil || err2 != nil || byLane.MaxParts < byKey.MaxParts {
					t.Errorf("by lane %d, %v after %d, %v by key", byLane.MaxParts, err2, byKey.MaxParts, err)
					return
				}
			}
		})
	}
	for n := 1; n <= 1000; n++ {
		_, err := b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.MaxParts = n; return nil })
		b.ok(err)
	}
	close(stop)
	readers.Wait()
}

// TestAccountNotCommitted: an account is never as a transaction would have it that did not come to its end.
func TestAccountNotCommitted(t *testing.T) {
	b := newBox(t, Options{})
	of := func() int {
		t.Helper()
		a, err := b.db.AccountOfLane(b.acct.Lane)
		b.ok(err)
		return a.MaxParts
	}
	set := func(n int, fault error) error {
		_, err := b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.MaxParts = n; return fault })
		return err
	}
	b.ok(set(1, nil))
	wrong := errors.New("wrong")
	if err := set(2, wrong); !errors.Is(err, wrong) || of() != 1 {
		t.Errorf("an error of change: %v, %d", err, of())
	}
	err := b.db.w.do(func(t *txn) error {
		a, err := t.owner(b.acct.Lane)
		changed := *a
		changed.MaxParts = 3
		return errors.Join(err, t.putAccount(&changed), wrong)
	})
	if !errors.Is(err, wrong) || of() != 1 {
		t.Errorf("rolled back after it was written: %v, %d", err, of())
	}
	// While it is being committed it is not there yet, and a reader that comes then waits or sees what was.
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.commitBy(func(tx *bolt.Tx) error {
		close(begun)
		<-goOn
		return tx.Commit()
	})
	var writer sync.WaitGroup
	writer.Go(func() { b.ok(set(4, nil)) })
	<-begun
	if n := of(); n != 1 {
		t.Errorf("before the commit it is %d", n)
	}
	close(goOn)
	writer.Wait()
	if n := of(); n != 4 {
		t.Errorf("after the commit it is %d", n)
	}
}

// TestAccountOfFailedStore: when nobody knows what is on disk, nobody is told what was known before.
func TestAccountOfFailedStore(t *testing.T) {
	b := newBox(t, Options{})
	read := func() error {
		_, err := b.db.AccountOfLane(b.acct.Lane)
		return err
	}
	b.ok(read())
	b.commitBy(func(tx *bolt.Tx) error { tx.Rollback(); return errors.New("the disk is gone") })
	_, err := b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.Disabled = true; return nil })
	if !errors.Is(err, ErrFailed) {
		t.Fatalf("the change: %v", err)
	}
	if err := read(); !errors.Is(err, ErrFailed) {
		t.Errorf("read after the failure: %v", err)
	}
}

// TestAccountOfClosedStore: a file that is closed is not served from memory.
func TestAccountOfClosedStore(t *testing.T) {
	b := newBox(t, Options{})
	_, err := b.db.AccountOfLane(b.acct.Lane)
	b.ok(err)
	b.ok(b.db.Close())
	if _, err := b.db.AccountOfLane(b.acct.Lane); !errors.Is(err, ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
}

// TestCallerOwnsItsAccount: who changes the copy that he was given changes it for nobody else.
func TestCallerOwnsItsAccount(t *testing.T) {
	b := newBox(t, Options{})
	b.ok(b.db.NoteOrigin(b.acct.Lane, Origin{"192.0.2.7/32", b.now}, 4))
	for range 2 { // the first is read, the second is remembered
		a, err := b.db.AccountOfLane(b.acct.Lane)
		b.ok(err)
		if len(a.Origins) != 1 || a.Origins[0].Peer != "192.0.2.7/32" {
			t.Fatalf("origins %v", a.Origins)
		}
		a.Origins[0].Peer = "198.51.100.9/32"
		a.Disabled = true
	}
	if a, err := b.db.AccountOfLane(b.acct.Lane); err != nil || a.Disabled || a.Origins[0].Peer != "192.0.2.7/32" {
		t.Errorf("it was changed for others: %+v, %v", a, err)
	}
}

// TestCachedAccounts: with very many accounts not all are in memory, and each is read as it is.
func TestCachedAccounts(t *testing.T) {
	var c accountCache
	for lane := range uint32(3 * mostCached) {
		c.keep(Account{Lane: lane, MaxParts: int(lane)}, 0)
		if a, known := c.look(lane); !known || a.MaxParts != int(lane) {
			t.Fatalf("account %d is not known, or another one: %+v", lane, a)
		}
	}
	n := 0
	c.byLane.Range(func(any, any) bool { n++; return true })
	if n > mostCached {
		t.Errorf("%d accounts are in memory, %d at most are right", n, mostCached)
	}
}
