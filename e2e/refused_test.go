package e2e

import (
	"fmt"
	"strings"
	"testing"

	"smsgateway/smpp"
)

// TestRefused: the operator is told why a bind was refused, and can lift a ban.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{smpp: []string{"ban_after = 3", `ban_time = "1h"`}})
	b.account(t, "shop")
	for i := range 3 {
		_, err := b.dial(t).Bind(smpp.BindTransmitter, "shop", fmt.Sprint("guess", i))
		wantStatus(t, "bind with a wrong password", err, smpp.StatusInvPaswd)
	}
	e := b.dial(t)
	_, err := e.Bind(smpp.BindTransmitter, "shop", password("shop"))
	wantStatus(t, "bind from a banned address", err, smpp.StatusBindFail)
	e.wantClosed(t)

	all := cliJSON[refusedJSON](t, b, "account", "refused")
	if len(all.Banned) != 1 || all.Banned[0].Address != "127.0.0.1" || len(all.Binds) != 2 ||
		all.Binds[0].Address != "127.0.0.1" || all.Binds[0].SystemID != "shop" || !strings.Contains(all.Binds[0].Reason, "banned") ||
		all.Binds[1].Reason != "wrong password" || all.Binds[1].Count != 3 {
		t.Errorf("account refused --json: %+v", all)
	}
	text := b.must(t, "account", "refused")
	for _, want := range []string{"BANNED", "127.0.0.1", "wrong password", "SYSTEM_ID"} {
		if !strings.Contains(text, want) {
			t.Errorf("account refused lacks %q:\n%s", want, text)
		}
	}
	shown := strings.Join(strings.Fields(b.must(t, "account", "show", "shop")), " ")
	for _, want := range []string{"Last bind never", "Last refused ", "banned", "(4 since the start)"} {
		if !strings.Contains(shown, want) {
			t.Errorf("account show lacks %q:\n%s", want, shown)
		}
	}
	if r := b.cli(t, "account", "unban", "192.0.2.7"); r.code != 1 || !strings.Contains(r.stderr, "192.0.2.7 is not banned") {
		t.Errorf("account unban of another: %d, %s", r.code, r.stderr)
	}
	b.must(t, "account", "unban", "127.0.0.1")
	b.bind(t, "shop")
	if shown := b.must(t, "account", "show", "shop"); !strings.Contains(shown, "from 127.0.0.1:") || strings.Contains(shown, "never") {
		t.Errorf("account show after a bind:\n%s", shown)
	}
	b.stop(t)
	if shown := b.must(t, "account", "show", "shop"); !strings.Contains(shown, "from 127.0.0.1\n") {
		t.Errorf("account show, with no gateway running:\n%s", shown)
	}
	if r := b.cli(t, "account", "unban", "127.0.0.1"); r.code != 1 || !strings.Contains(r.stderr, "no gateway is running") {
		t.Errorf("account unban with no gateway: %d, %s", r.code, r.stderr)
	}
}

// TestPipelined writes ten thousand submit_sm at once, with two sequence numbers only, behind a window of ten: each is answered,
// in order, with an id of its own.
func TestPipelined(t *testing.T) {
	t.Parallel()
	const many = 10_000
	b := startBox(t, settings{smpp: []string{"window = 10"}, level: "info"})
	b.account(t, "shop")
	w := b.wire(t)
	w.send(t, pdu(t, 1, &smpp.Bind{Kind: smpp.BindTransmitter, SystemID: "shop", Password: password("shop")}))
	w.want(t, smpp.CmdBindTransmitterResp, smpp.StatusOK, 1)
	var flood []byte
	for i := range uint32(many) {
		flood = append(flood, pdu(t, i%2, text("4161231234", "hello"))...)
	}
	written := make(chan error, 1)
	go func() {
		_, err := w.conn.Write(flood)
		written <- err
	}()
	ids := make(map[string]bool)
	for i := range uint32(many) {
		ids[w.want(t, smpp.CmdSubmitSMResp, smpp.StatusOK, i%2).Body.(*smpp.SubmitSMResp).MessageID] = true
	}
	if err := <-written; err != nil || len(ids) != many {
		t.Errorf("%d ids (%v), want %d", len(ids), err, many)
	}
}
