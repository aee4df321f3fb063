package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
)

// TestRemovedAccountIsForgotten: of an account that was at work until it was removed nothing stays in memory, also when its
// client goes on for as long as it can.
func TestRemovedAccountIsForgotten(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	if _, err := b.SetAccount("shop", gateway.Settings{"rate": "1000/s"}); err != nil {
		t.Fatal(err)
	}
	acct, err := b.Account("shop")
	if err != nil {
		t.Fatal(err)
	}
	c := b.bind(smpp.BindTransceiver, "shop")
	id := b.submit(c, "+4917012345", "hello")
	b.wantReceipt(c, id, smpp.StateDelivered)
	refused := &smpp.SubmitSM{Destination: smpp.Address{Addr: "none"}, ShortMessage: []byte("to nobody")}
	c.Submit(refused)
	want := []string{"limiter", "rejected", "hints", "outbox", "sessions"}
	if got := b.Remembers(acct.Lane); !slices.Equal(got, want) {
		t.Errorf("of an account at work %v is known, want %v", got, want)
	}
	var client sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	client.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-c.Done():
				return
			default:
				c.Submit(refused)
			}
		}
	})
	if err := b.RemoveAccount("shop"); err != nil {
		t.Fatal(err)
	}
	client.Wait()
	for got := want; len(got) > 0; time.Sleep(10 * time.Millisecond) {
		if got = b.Remembers(acct.Lane); ctx.Err() != nil {
			t.Fatalf("of a removed account %v is known", got)
		}
	}
}

// TestSettingsMakeNoCouriers: an account that nobody is bound with needs no place among those that are.
func TestSettingsMakeNoCouriers(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	for n := range 3 {
		key := fmt.Sprint("shop", n)
		b.account(key, 0)
		acct, err := b.SetAccount(key, gateway.Settings{"deliver_window": "5"})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Remembers(acct.Lane); got != nil {
			t.Errorf("of an account that was only set %v is known", got)
		}
	}
}
