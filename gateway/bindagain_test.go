package gateway_test

import (
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// TestBindAgain: a client with as many sessions as it may have comes back at once, in good order or not, and is let in.
func TestBindAgain(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.set("max_sessions", "1")
	for n := range 100 {
		c := b.bind(smpp.BindTransceiver, "shop")
		if n%2 == 0 {
			if err := c.Unbind(); err != nil {
				t.Fatal(err)
			}
		}
		if n != 0 { // that one stays open behind the unbind
			c.Close()
		}
	}
}

// TestEndedDontCount: sessions that are being ended take no other's place.
func TestEndedDontCount(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.bind(smpp.BindTransmitter, "shop")
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := from.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	younger := smpptest.New(conn)
	defer younger.Close()
	if _, err := younger.Bind(smpp.BindTransmitter, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	b.set("addresses", "127.0.0.2", "max_sessions", "1")
	wantStatus(t, "the one that may stay", tomorrow(younger, "1701", "", "x"), smpp.StatusOK)
	waitFor(t, "the end of the other", func() bool { return len(b.Sessions("shop")) == 1 })
	wantStatus(t, "still", tomorrow(younger, "1701", "", "x"), smpp.StatusOK)
}

// TestBindRacesWithTerms: whenever binds come while max_sessions is changed, no more sessions are left than it says.
func TestBindRacesWithTerms(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.bind(smpp.BindTransmitter, "shop").Close()
	for n := range 100 {
		b.set("max_sessions", "")
		var binds sync.WaitGroup
		var clients []*smpptest.Client
		for range 4 {
			c := b.dial()
			clients = append(clients, c)
			binds.Go(func() {
				time.Sleep(time.Duration(n) * 30 * time.Microsecond)
				c.Bind(smpp.BindTransceiver, "shop", "secret")
			})
		}
		time.Sleep(time.Millisecond)
		b.set("max_sessions", "1")
		time.Sleep(5 * time.Millisecond) // who was on the way in is in; the others wait for room
		waitFor(t, "one session at most", func() bool { return len(b.Sessions("shop")) <= 1 })
		for _, c := range clients {
			c.Close()
		}
		binds.Wait()
		waitFor(t, "the end of all", func() bool { return len(b.Sessions("shop")) == 0 })
	}
}

// TestDamagedAccount: the record of one account is damaged, and the others go on.
func TestDamagedAccount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path)
	b.account("shop", 0)
	b.account("bad", 0)
	b.stop()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		accounts := tx.Bucket([]byte("accounts"))
		record := append([]byte(nil), accounts.Get([]byte("bad"))...)
		record[len(record)/2] ^= 1
		return accounts.Put([]byte("bad"), record)
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b = startBenchOn(t, path)
	c := b.bind(smpp.BindTransceiver, "shop")
	b.wantReceipt(c, b.submit(c, "491701", "x"), smpp.StateDelivered)
	b.set("expires", "2020-01-01")
	ended(t, "of an account that has expired", c)
	if !b.Running() {
		t.Error("the gateway does not run any more")
	}
	b.Reconfigure(gateway.Defaults{MaxSessions: 1})
}

// TestRefusedAtOnce: what is refused without a look is answered after the same time whether there is such an account or not.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(opt *gateway.Options, _ *sim.Config) { opt.BanAfter = 1 })
	b.account("shop", 0)
	_, err := b.dial().Bind(smpp.BindTransceiver, "nobody", "guess")
	wantStatus(t, "the first", err, smpp.StatusInvPaswd)
	for _, key := range []string{"shop", "nobody"} {
		c := b.dial()
		began := time.Now()
		_, err := c.Bind(smpp.BindTransceiver, key, "guess2")
		wantStatus(t, "from a banned address", err, smpp.StatusBindFail)
		if took := time.Since(began); took < 10*time.Millisecond {
			t.Errorf("%s: answered after %s", key, took)
		}
	}
}
