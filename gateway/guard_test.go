package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/store"
)

// gate is an authenticator whose hashes take 50 ms of the bubble's time, and are counted.
type gate struct {
	*authenticator
	t      *testing.T
	hashes atomic.Int32
}

func newGate(t *testing.T) *gate {
	g := &gate{authenticator: newAuthenticator(newGuard(time.Now, 20, 10*time.Minute)), t: t}
	g.match = func(encoded, password string) (bool, error) {
		g.hashes.Add(1)
		time.Sleep(50 * time.Millisecond)
		return encoded == "hash of "+password, nil
	}
	return g
}

var shop = &store.Account{Key: "shop", Password: "hash of right"}

func peer(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
}

func stranger(n int) applicant { return applicant{peer: peer(n)} }

// want tries once, and wants this answer after this time.
func (g *gate) want(who applicant, acct *store.Account, password string, right bool, err error, after time.Duration) {
	g.t.Helper()
	key := "nobody"
	if acct != nil {
		key = acct.Key
	}
	began := time.Now()
	got, gotErr := g.check(g.t.Context(), who, key, acct, password)
	if took := time.Since(began); got != right || !errors.Is(gotErr, err) || took != after {
		g.t.Errorf("%s from %v: %t, %v after %s; want %t, %v after %s", password, who, got, gotErr, took, right, err, after)
	}
}

const hashTime = 50 * time.Millisecond

// TestGuessing slows a stranger down, bans it, and lets it try again. The account's own client notices nothing.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		client := applicant{peer(1), "shop"}
		g.want(client, shop, "right", true, nil, hashTime)
		waits := []time.Duration{freeTries: 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000, 5000}
		for i := range 20 {
			wait := hashTime
			if i < len(waits) && waits[i] > 0 {
				wait = waits[i] * time.Millisecond // counted from the try before, which took its hash
			}
			g.want(stranger(2), shop, fmt.Sprint("guess", i), false, nil, max(wait, hashTime))
		}
		g.want(stranger(2), shop, "guess20", false, errBanned, 0)
		g.want(stranger(2), nil, "guess20", false, errBanned, 0)
		g.want(applicant{peer(2), "shop"}, shop, "right", true, nil, 0) // the same address, as a client's: it is remembered
		g.want(stranger(2), shop, "right", true, nil, 0)                // whoever has the password is no stranger
		g.want(client, shop, "right", true, nil, 0)
		if bans := g.guard.bans(); len(bans) != 1 || bans[0].Peer != peer(2) || bans[0].String() != "10.0.0.2" {
			t.Errorf("banned are %v", bans)
		}
		time.Sleep(10 * time.Minute)
		if bans := g.guard.bans(); len(bans) != 0 {
			t.Errorf("banned are %v, ten minutes later", bans)
		}
		g.want(stranger(2), shop, "guess21", false, nil, hashTime)
	})
}

// TestUnban lifts a ban.
func TestUnban(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		if g.guard.unban(peer(2)) {
			t.Error("a ban of nobody was lifted")
		}
		for i := range 20 {
			g.check(t.Context(), stranger(2), "shop", shop, fmt.Sprint("guess", i))
		}
		g.want(stranger(2), shop, "x", false, errBanned, 0)
		if !g.guard.unban(peer(2)) {
			t.Error("the ban was not lifted")
		}
		g.want(stranger(2), nil, "x", false, nil, hashTime)
	})
}

// TestKnownPeer is never banned for its account, whoever else guesses from there: it waits 5 s for a try at most.
func TestKnownPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		known := applicant{peer(2), "shop"}
		for i := range 50 {
			g.check(t.Context(), stranger(2), "other", nil, fmt.Sprint("guess", i))
			g.check(t.Context(), known, "shop", shop, fmt.Sprint("guess", i))
		}
		g.want(stranger(2), shop, "right", false, errBanned, 0)
		g.want(known, shop, "right", true, nil, longestPause)
		g.want(known, shop, "right", true, nil, 0)
	})
}

// TestSameTime: an account that does not exist costs the same hash and the same time as a wrong password, at each try.
func TestSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, acct := range []*store.Account{shop, nil, {Key: "nopassword"}} {
			g := newGate(t)
			var took []string
			for i := range 15 {
				began := time.Now()
				g.check(t.Context(), stranger(2), "shop", acct, fmt.Sprint("guess", i/2)) // the second the same again
				took = append(took, time.Since(began).String())
			}
			const want = "50ms 1s 50ms 1s 50ms 1s 50ms 1s 50ms 1s 50ms 1s 50ms 1s 50ms"
			if got := strings.Join(took, " "); got != want || g.hashes.Load() != 8 {
				t.Errorf("%v: %d hashes, answers after %s; want 8, %s", acct, g.hashes.Load(), got, want)
			}
		}
	})
}

// TestOldPassword is a client that goes on with a password that was changed: it is no stranger who guesses, costs nothing,
// and gets in when it is mended.
func TestOldPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.want(stranger(2), shop, "old", false, nil, hashTime)
		for range 100 {
			g.want(stranger(2), shop, "old", false, nil, repeatHold)
		}
		if n := g.hashes.Load(); n != 1 {
			t.Errorf("%d hashes, want 1", n)
		}
		g.want(stranger(2), shop, "right", true, nil, hashTime)
		changed := &store.Account{Key: "shop", Password: "hash of old"}
		g.want(stranger(2), changed, "old", true, nil, hashTime) // what was wrong is right now
	})
}

// TestManyAtOnce has one client open all its sessions: one hash is enough.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { g.want(stranger(2), shop, "right", true, nil, hashTime) })
		}
		all.Wait()
		if n := g.hashes.Load(); n != 1 {
			t.Errorf("%d hashes, want 1", n)
		}
	})
}

// TestManyPeers has two hundred addresses guess the passwords of one account, then of many: a known address gets its turn at
// once, a new one too unless it is for the account under attack, and what they may try together is little.
func TestManyPeers(t *testing.T) {
	for name, key := range map[string]func(i int) string{
		"one account": func(int) string { return "shop" },
		"many keys":   func(i int) string { return fmt.Sprint("key", i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				for n := range 200 {
					all.Go(func() {
						for i := 0; ctx.Err() == nil; i++ {
							g.check(ctx, stranger(100+n), key(i), nil, fmt.Sprint("guess", n, i))
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				time.Sleep(30 * time.Second)
				began := time.Now()
				right, err := g.check(ctx, applicant{peer(1), "shop"}, "shop", shop, "right")
				if took := time.Since(began); !right || took > 3*hashTime {
					t.Errorf("a known client: %t, %v after %s", right, err, took)
				}
				other := &store.Account{Key: "other", Password: "hash of mine"}
				in, tries := false, 0
				for ; !in && tries < 20; tries++ {
					in, _ = g.check(ctx, stranger(2), "other", other, "mine")
					time.Sleep(time.Second)
				}
				if !in {
					t.Errorf("a new client of an account that nobody attacks did not get in with %d tries", tries)
				}
				if name == "one account" {
					before := g.hashes.Load()
					time.Sleep(time.Minute)
					if n := g.hashes.Load() - before; n > 62 {
						t.Errorf("%d guesses in a minute at an account under attack, want one a second", n)
					}
				}
				cancel()
				all.Wait()
			})
		})
	}
}

// TestGuardIsBounded has a stranger with a network of IPv6, and one that makes up Account Keys.
func TestGuardIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.match = func(string, string) (bool, error) { return false, nil }
		b := newBinds(slog.New(slog.DiscardHandler), time.Now)
		for i := range 10_000 {
			who := applicant{peer: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0, 0, 0, 0, byte(i >> 8), byte(i)}), 64)}
			key := fmt.Sprint("key", i)
			g.check(t.Context(), who, key, nil, "x")
			b.count(kind{who.peer, key, "there is no such account"}, false, time.Now())
		}
		if p, a := len(g.guard.peers.at), len(g.guard.accounts.at); p != mostPeers || a != mostKeys {
			t.Errorf("%d peers and %d keys are remembered", p, a)
		}
		if n := len(b.list()); n != mostKinds {
			t.Errorf("%d refusals are remembered", n)
		}
		for i := range 1000 {
			b.count(kind{peer(1), fmt.Sprint("key", i), "there is no such account"}, false, time.Now())
		}
		if list := b.list(); len(list) != mostKinds || list[0].SystemID != "" || list[0].Count != 1000-mostOfPeer || list[mostOfPeer+1].Peer == peer(1) {
			t.Errorf("one peer with many keys: %d entries, %+v", len(list), list[:mostOfPeer+2])
		}
		if len(g.looks) != 0 || len(g.turns.waiting) != 0 || len(g.turns.served) != 0 || g.turns.busy {
			t.Errorf("left behind: %d looks, turns %+v", len(g.looks), &g.turns)
		}
	})
}

// TestTurns serves the known first, then each in turn, and sends away the last of the largest crowd.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turns
		var mu sync.Mutex
		var order []string
		come := func(who applicant, name string) {
			go func() {
				err := q.take(t.Context(), who)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					name += " sent away"
				}
				order = append(order, name)
				if err == nil {
					go q.leave()
				}
			}()
			synctest.Wait()
		}
		if err := q.take(t.Context(), stranger(1)); err != nil {
			t.Fatal(err)
		}
		for i := range authQueue - 3 {
			come(stranger(1), fmt.Sprint("crowd", i))
		}
		come(stranger(2), "two")
		come(stranger(3), "three")
		come(applicant{peer(4), "shop"}, "known")
		come(stranger(5), "five")
		come(stranger(1), "one more")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.take(gone, stranger(6)); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone gets %v", err)
		}
		synctest.Wait()
		q.leave()
		synctest.Wait()
		want := []string{"crowd60 sent away", "one more sent away", "crowd59 sent away", "known", "crowd0", "two", "three", "five", "crowd1"}
		if len(order) != authQueue+2 || fmt.Sprint(order[:len(want)]) != fmt.Sprint(want) {
			t.Errorf("%d served: %v\nwant %v ...", len(order), order, want)
		}
		if q.busy || len(q.waiting) != 0 || len(q.served) != 0 {
			t.Errorf("left behind: %+v", &q)
		}
	})
}

// TestKeysShareNoHash: the same password for two keys at once is two tries, whether there are such accounts or not. If those
// of keys that don't exist had one hash together, the time would tell them from an account's.
func TestKeysShareNoHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, second := range []*store.Account{shop, nil} {
			g := newGate(t)
			var both sync.WaitGroup
			both.Go(func() { g.want(stranger(2), nil, "guess", false, nil, hashTime) })
			synctest.Wait()
			began := time.Now()
			if _, err := g.check(t.Context(), stranger(2), "shop", second, "guess"); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != 2*hashTime || g.hashes.Load() != 2 {
				t.Errorf("%v: %d hashes, the answer after %s; want 2, behind the other's", second, g.hashes.Load(), took)
			}
			both.Wait()
		}
	})
}

// TestRefusedUnlooked: what is refused without a look costs nothing, so it must not make the guard forget others.
func TestRefusedUnlooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(time.Now, 20, 10*time.Minute)
		for n := range 30 { // shop is under attack
			g.admit(stranger(n), "shop", uint64(n))
		}
		refused := 0
		for n := range 2 * mostKeys { // one stranger makes up keys
			if _, _, err := g.admit(stranger(1000), fmt.Sprint("key", n), uint64(n)); errors.Is(err, errHurried) {
				refused++
			}
		}
		if _, ok := g.accounts.look("shop"); !ok || refused < mostKeys {
			t.Errorf("the tries at shop are remembered: %t, after %d refused for made up keys", ok, refused)
		}
		for n := range 2 * mostPeers { // and many come for shop, who would have to wait too long
			if _, _, err := g.admit(stranger(2000+n), "shop", 1); !errors.Is(err, errHurried) {
				t.Fatalf("stranger %d got %v", n, err)
			}
		}
		if _, ok := g.peers.look(stranger(1000)); !ok {
			t.Error("the stranger with the made up keys is forgotten")
		}
	})
}

// TestUnreadableStrangers: binds that no account can have wait behind those of their own address alone.
func TestUnreadableStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(time.Now, 20, 10*time.Minute)
		for n := range 100 {
			if wait, _, err := g.admit(stranger(n), "", 1); wait != 0 || err != nil {
				t.Fatalf("stranger %d waits %s, %v", n, wait, err)
			}
		}
	})
}

// TestEvenOut: what a refusal took is not to be seen from outside.
func TestEvenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ took, want time.Duration }{
			{0, refusalStep}, {1, refusalStep}, {700, refusalStep}, {6200, refusalStep}, {refusalStep - 1, refusalStep},
			{time.Second + 700, time.Second + refusalStep}, {time.Second + 6200, time.Second + refusalStep},
		} {
			began := time.Now()
			time.Sleep(tt.took)
			evenOut(t.Context(), began)
			if got := time.Since(began); got != tt.want {
				t.Errorf("a refusal of %s is answered after %s, want %s", tt.took, got, tt.want)
			}
		}
	})
}
