package store

import (
	"errors"
	"sync"
	"testing"
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
