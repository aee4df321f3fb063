package gateway_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// gone is how soon a session must be over whose account may not bind any more, whatever its client does: a few seconds, and
// more on a busy machine.
const gone = patience

// wantGone waits for the end of a session.
func wantGone(t *testing.T, what string, c *smpptest.Client) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(gone):
		t.Errorf("%s: the session is not over after %s", what, gone)
	}
}

// TestAccessInFlight: sessions send as fast as they can while their account is changed. What was answered with status 0 is on
// disk, what was not is not, and nothing is taken that was sent after the change.
func TestAccessInFlight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*bench) error
	}{
		{"disable", func(b *bench) error { return b.SetDisabled("shop", true) }},
		{"password", func(b *bench) error { return b.SetPassword("shop", "secret2") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBench(t)
			if err := b.PauseModem("sim1", ""); err != nil { // nothing goes out
				t.Fatal(err)
			}
			b.account("shop", 1)
			var changed atomic.Bool
			var mu sync.Mutex
			accepted := make(map[string]bool)
			var senders sync.WaitGroup
			var clients []*smpptest.Client
			for n := range 4 {
				c := b.bind(smpp.BindTransmitter, "shop")
				clients = append(clients, c)
				senders.Go(func() {
					for i := 0; ; i++ {
						late := changed.Load()
						answer, err := c.Send(&smpp.SubmitSM{Destination: smpp.Address{Addr: fmt.Sprint(1000000*n + i)}, ShortMessage: []byte("x")})
						if err != nil {
							return
						}
						if i%20 != 0 { // a window of that many
							senders.Go(func() { note(t, &mu, accepted, answer, late) })
							continue
						}
						if !note(t, &mu, accepted, answer, late) {
							return
						}
					}
				})
			}
			waitFor(t, "some messages", func() bool { mu.Lock(); defer mu.Unlock(); return len(accepted) > 200 })
			if err := tt.change(b); err != nil {
				t.Fatal(err)
			}
			changed.Store(true)
			for _, c := range clients {
				wantGone(t, tt.name, c)
			}
			senders.Wait()
			waitFor(t, "the gateway to know it", func() bool { return len(b.Sessions("shop")) == 0 })
			on := make(map[string]bool)
			list, err := b.Messages(store.Filter{Limit: 1000})
			for ; err == nil && len(list) > 0; list, err = b.Messages(store.Filter{Limit: 1000, Before: list[len(list)-1].ID}) {
				for _, m := range list {
					on[m.ID.String()] = true
					if m.State != store.Queued {
						t.Errorf("message %s is %s", m.ID, m.State)
					}
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			for id := range accepted {
				if !on[id] {
					t.Errorf("message %s was answered with status 0 and is not there", id)
				}
			}
			t.Logf("%d accepted, %d on disk", len(accepted), len(on))
		})
	}
}

// note takes down an answer to submit_sm; false if none came. late: it was sent after the change.
func note(t *testing.T, mu *sync.Mutex, accepted map[string]bool, answer <-chan smpp.PDU, late bool) bool {
	p, ok := <-answer
	resp, _ := p.Body.(*smpp.SubmitSMResp)
	if !ok || resp == nil || p.Status != smpp.StatusOK {
		return false
	}
	mu.Lock()
	defer mu.Unlock()
	if late {
		t.Errorf("message %s was taken after the change", resp.MessageID)
	}
	if accepted[resp.MessageID] {
		t.Errorf("message_id %s was given twice", resp.MessageID)
	}
	accepted[resp.MessageID] = true
	return true
}

// TestBindRacesWithChange: whenever a bind comes while its account is changed, no session of the old terms is left.
func TestBindRacesWithChange(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 1)
	b.bind(smpp.BindTransmitter, "shop").Close() // its password is remembered: later binds are quick
	for n := range 40 {
		var binds sync.WaitGroup
		var clients []*smpptest.Client
		for range 3 {
			c := b.dial()
			clients = append(clients, c)
			binds.Go(func() {
				time.Sleep(time.Duration(n) * 50 * time.Microsecond)
				c.Bind(smpp.BindTransceiver, "shop", "secret")
			})
		}
		time.Sleep(time.Millisecond)
		if err := b.SetDisabled("shop", true); err != nil {
			t.Fatal(err)
		}
		binds.Wait()
		waitFor(t, "the end of the sessions", func() bool { return len(b.Sessions("shop")) == 0 })
		for _, c := range clients {
			if _, err := c.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "49"}, ShortMessage: []byte("x")}); err == nil {
				t.Fatal("a message of a disabled account was taken")
			}
			c.Close()
		}
		if err := b.SetDisabled("shop", false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemovedWithReceipts: the account goes while receipts are on their way to it. Its session ends, the gateway goes on, and
// a new account of the same key gets nothing of the old one's.
func TestRemovedWithReceipts(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 1)
	sender, c := b.bind(smpp.BindTransmitter, "shop"), b.dial()
	reached, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	var once sync.Once
	c.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
		once.Do(func() { close(reached) })
		<-goOn
		return smpp.StatusOK
	}
	if _, err := c.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := range 5 {
		ids = append(ids, b.submit(sender, fmt.Sprintf("491%d", n), "hello"))
	}
	<-reached // the client does not answer any more, not even to unbind
	waitFor(t, "all to be delivered", func() bool {
		for _, id := range ids {
			n, err := store.ParseID(id)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := b.Message(n); err != nil || m.State != store.Delivered {
				return false
			}
		}
		return true
	})
	start := time.Now()
	if err := b.RemoveAccount("shop"); err != nil {
		t.Fatal(err)
	}
	if took, over := time.Since(start), len(b.Sessions("shop")) == 0; took > time.Second && over {
		t.Errorf("the removal took %s, and waited for the session", took)
	}
	b.account("shop", 1)
	waitFor(t, "the end of the old session", func() bool { return len(b.Sessions("shop")) == 0 })
	release()
	anew := b.bind(smpp.BindTransceiver, "shop")
	select {
	case d := <-anew.Deliveries():
		t.Errorf("the new account got %q of the old one", d.ShortMessage)
	case <-time.After(300 * time.Millisecond):
	}
	_, err := anew.Query(ids[0], smpp.Address{})
	if status := smpp.Status(0); !errors.As(err, &status) || status != smpp.StatusInvMsgID {
		t.Errorf("the new account asks about a message of the old one: %v", err)
	}
	id := b.submit(anew, "4920", "hello again")
	b.wantReceipt(anew, id, smpp.StateDelivered)
}

// TestRemoveWhileSubmitting: an account is removed as soon as nothing of it waits, while its session goes on sending. What
// was answered with status 0 is never without its account.
func TestRemoveWhileSubmitting(t *testing.T) {
	t.Parallel()
	for n := range 10 {
		key := fmt.Sprint("shop", n)
		b := startBench(t)
		b.account(key, 1)
		c := b.bind(smpp.BindTransmitter, key)
		taken := make(chan int, 1)
		go func() {
			count := 0
			for i := 0; ; i++ {
				_, err := c.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: fmt.Sprint(49000 + i)}, ShortMessage: []byte("x")})
				if err != nil {
					taken <- count
					return
				}
				count++
				if i%5 == 0 {
					time.Sleep(20 * time.Millisecond) // so that now and then nothing waits
				}
			}
		}()
		waitFor(t, "the removal", func() bool {
			err := b.RemoveAccount(key)
			if busy := new(store.AccountBusyError); err != nil && !errors.As(err, &busy) {
				t.Fatal(err)
			}
			return err == nil
		})
		wantGone(t, "removed", c)
		count, sent := <-taken, 0
		waitFor(t, "all that was taken to be sent", func() bool {
			for {
				select {
				case <-b.texts:
					sent++
					continue
				default:
					return sent >= count
				}
			}
		})
		if sent != count {
			t.Errorf("%d were taken and %d were sent", count, sent)
		}
		b.stop()
	}
}
