package gateway_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// logTo has a bench log to a buffer.
func logTo(out *lockedBuffer) benchOption {
	return func(opt *gateway.Options, _ *sim.Config) { opt.Log = slog.New(slog.NewTextHandler(out, nil)) }
}

// dialFrom connects from an address of this machine.
func (b *bench) dialFrom(ip string) *smpptest.Client {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.DialContext(b.t.Context(), "tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	c := smpptest.New(conn)
	b.t.Cleanup(func() { c.Close() })
	return c
}

// bindOctets sends a bind_transceiver with this body, and gives the status of the answer.
func (b *bench) bindOctets(body string) smpp.Status {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	pdu := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	pdu = append(pdu, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7)
	if _, err := conn.Write(append(pdu, body...)); err != nil {
		b.t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := smpp.NewFrameReader(conn, 1000).Next()
	if err != nil {
		b.t.Fatal(err)
	}
	h, _ := smpp.ParseHeader(answer)
	if h.Command != smpp.CmdBindTransceiverResp || h.Sequence != 7 {
		b.t.Errorf("answered with %s, %d", h.Command, h.Sequence)
	}
	return h.Status
}

// TestRefusedReasons: the operator is told why a bind failed, the client is not.
func TestRefusedReasons(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	b := startBench(t, logTo(&out))
	b.account("shop", 0)
	b.account("closed", 0)
	if err := b.SetDisabled("closed", true); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, body string
		status     smpp.Status
		key, why   string
	}{
		{"wrong password", "shop\x00guess\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shop", "wrong password"},
		{"the same again", "shop\x00guess\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shop", "wrong password"},
		{"no password", "shop\x00\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shop", "no password"},
		{"password of 9", "shop\x00secret789\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shop", "password has more than 8 octets"},
		{"NUL in the password", "shop\x00se\x00ret\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shop", "wrong password"},
		{"no such account", "ship\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "ship", "there is no such account"},
		{"system_id of 15", "shopshopshopsho\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "shopshopshopsho", "there is no such account"},
		{"system_id of 16", "shopshopshopshop\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusInvSysID, "", "system_id has more than 15 octets"},
		{"NUL in the system_id", "sh\x00op\x00secret\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "sh", "there is no such account"},
		{"no system_id", "\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusInvSysID, "", "no account can have this system_id"},
		{"octets that none has", "sh\x1bop\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusInvSysID, "sh\x1bop", "no account can have this system_id"},
		{"the built-in account", "operator\x00\x00\x00\x34\x00\x00\x00", smpp.StatusInvSysID, "operator", "no account can have this system_id"},
		{"cut short", "shop\x00secret\x00", smpp.StatusInvCmdLen, "shop", "system_type can't be read: the PDU ends before the NUL"},
		{"disabled", "closed\x00secret\x00\x00\x34\x00\x00\x00", smpp.StatusBindFail, "closed", "the account is disabled"},
		{"disabled, wrong password", "closed\x00guess\x00\x00\x34\x00\x00\x00", smpp.StatusInvPaswd, "closed", "wrong password"},
	} {
		if got := b.bindOctets(row.body); got != row.status {
			t.Errorf("%s: answered with %s, want %s", row.name, got, row.status)
		}
		last := b.Refusals()[0]
		if last.From() != "127.0.0.1" || last.SystemID != row.key || last.Reason != row.why {
			t.Errorf("%s: the operator sees %+v, want %q, %q", row.name, last, row.key, row.why)
		}
		acct, err := b.Account(row.key)
		if l := b.LastBind(acct); err == nil && (l.Reason != row.why || l.Refused.IsZero() || !strings.HasPrefix(l.RefusedFrom, "127.0.0.1:")) {
			t.Errorf("%s: the account shows %+v", row.name, l)
		}
	}
	for _, r := range b.Refusals() {
		if r.SystemID == "shop" && r.Reason == "wrong password" && r.Count != 3 {
			t.Errorf("counted %d wrong passwords, want 3", r.Count)
		}
	}
	acct, _ := b.Account("shop")
	if l := b.LastBind(acct); l.Count != 6 || !l.Good.IsZero() {
		t.Errorf("the account shows %+v, want 6 refused, none good", l)
	}
	b.bind(smpp.BindTransceiver, "shop")
	if l := b.LastBind(acct); time.Since(l.Good) > patience || !strings.HasPrefix(l.GoodFrom, "127.0.0.1:") {
		t.Errorf("the account shows %+v", l)
	}
	b.stop()
	if n := out.count(`msg="bind refused"`); n != 1 {
		t.Errorf("%d lines about one address in a minute, want 1: %q", n, out.b.String())
	}
	if n := out.count(`msg="more binds refused" peer=127.0.0.1 count=14 last_system_id=closed last_reason="wrong password"`); n != 1 {
		t.Errorf("no line that sums up the others: %q", out.b.String())
	}
}

// TestBanned bans an address over TCP: the account's client gets in from there all the same, also in the next life of the
// gateway, when nothing but the file knows it.
func TestBanned(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	var out lockedBuffer
	strict := func(opt *gateway.Options, _ *sim.Config) { opt.BanAfter = 3 }
	b := startBenchOn(t, path, strict, logTo(&out))
	b.account("shop", 0)
	b.account("other", 0)
	b.bind(smpp.BindTransceiver, "shop")
	b.stop()

	b = startBenchOn(t, path, strict, logTo(&out))
	acct, _ := b.Account("shop")
	if l := b.LastBind(acct); l.Good.IsZero() || l.GoodFrom != "127.0.0.1" {
		t.Errorf("after a restart the account shows %+v", l)
	}
	for i := range 3 {
		_, err := b.dial().Bind(smpp.BindTransceiver, "other", fmt.Sprint("guess", i))
		wantBind(t, err, smpp.StatusInvPaswd)
	}
	c := b.dial()
	_, err := c.Bind(smpp.BindTransceiver, "other", "secret")
	wantBind(t, err, smpp.StatusBindFail)
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Error("a banned client keeps its connection")
	}
	for i := range 5 { // guesses from there don't keep it out
		_, err := b.dial().Bind(smpp.BindTransceiver, "shop", fmt.Sprint("guess", i))
		wantBind(t, err, smpp.StatusInvPaswd)
	}
	b.bind(smpp.BindTransceiver, "shop")
	free := b.dialFrom("127.0.0.9")
	_, err = free.Bind(smpp.BindTransceiver, "other", "secret")
	wantBind(t, err, smpp.StatusOK)

	if bans := b.Bans(); len(bans) != 1 || bans[0].String() != "127.0.0.1" {
		t.Errorf("banned are %v", bans)
	}
	for address, want := range map[string]error{"127.0.0.2": gateway.ErrNotBanned, "127.0.0.1": nil} {
		if err := b.Unban(address); !errors.Is(err, want) {
			t.Errorf("unban %s: %v", address, err)
		}
	}
	var input *gateway.InputError
	if err := b.Unban("somewhere"); !errors.As(err, &input) {
		t.Errorf("unban somewhere: %v", err)
	}
	_, err = b.dial().Bind(smpp.BindTransceiver, "other", "guess9")
	wantBind(t, err, smpp.StatusInvPaswd)
	b.bind(smpp.BindTransceiver, "other")
}

func wantBind(t *testing.T, err error, want smpp.Status) {
	t.Helper()
	var got smpp.Status
	if err != nil && !errors.As(err, &got) || got != want {
		t.Fatalf("bind: %v, want %s", err, want)
	}
}

// TestOrigins: few and only new ones are written down.
func TestOrigins(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	origins := func() (list []string) {
		acct, err := b.Account("shop")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range acct.Origins {
			list = append(list, o.Peer)
		}
		return list
	}
	for _, n := range []int{1, 2, 1, 3, 4, 5, 1} {
		c := b.dialFrom(fmt.Sprint("127.0.0.", n))
		_, err := c.Bind(smpp.BindReceiver, "shop", "secret")
		wantBind(t, err, smpp.StatusOK)
		c.Unbind()
	}
	if got := fmt.Sprint(origins()); got != "[127.0.0.1/32 127.0.0.5/32 127.0.0.4/32 127.0.0.3/32]" {
		t.Errorf("it was bound from %s", got)
	}
	var none store.Account
	if l := b.LastBind(none); l != (gateway.LastBind{}) {
		t.Errorf("an account that never was bound shows %+v", l)
	}
}

// TestOriginOfWhoStays: a client that is bound for months is known when its connection breaks, and one that has gone is not.
func TestOriginOfWhoStays(t *testing.T) {
	t.Parallel()
	clock := clockFrom(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	b := startBench(t, clock.option)
	b.account("shop", 0)
	notes := func() map[string]time.Duration { // their ages
		acct, err := b.Account("shop")
		if err != nil {
			t.Fatal(err)
		}
		ages := make(map[string]time.Duration)
		for _, o := range acct.Origins {
			ages[o.Peer] = clock.now().Sub(o.At)
		}
		return ages
	}
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		c := b.dialFrom(from)
		_, err := c.Bind(smpp.BindReceiver, "shop", "secret")
		wantBind(t, err, smpp.StatusOK)
		if from == "127.0.0.2" {
			c.Unbind()
		}
	}
	for range 40 {
		clock.move(25 * time.Hour)
		b.ClockMoved()
		for began := time.Now(); notes()["127.0.0.3/32"] > time.Hour; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatalf("the note of a session that stays is old: %v", notes())
			}
		}
	}
	if ages := notes(); ages["127.0.0.2/32"] < 40*24*time.Hour {
		t.Errorf("the note of a session that has gone was renewed: %v", ages)
	}
}
