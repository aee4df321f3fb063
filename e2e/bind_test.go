package e2e

import (
	"encoding/binary"
	"testing"

	"smsgateway/smpp"
)

// TestBind wants strangers kept out, each with the status of docs/smpp.md.
func TestBind(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{smpp: []string{"max_sessions = 2"}})
	b.account(t, "shop")
	b.account(t, "barred")
	b.must(t, "account", "disable", "barred")

	for _, row := range []struct {
		name, key, password string
		want                smpp.Status
	}{
		{"right", "shop", password("shop"), smpp.StatusOK},
		{"wrong password", "shop", "wrong", smpp.StatusInvPaswd},
		{"no password", "shop", "", smpp.StatusInvPaswd},
		{"wrong Account Key", "ship", password("shop"), smpp.StatusInvPaswd},
		{"another's password", "shop", password("barred"), smpp.StatusInvPaswd},
		{"no Account Key", "", password("shop"), smpp.StatusInvSysID},
		{"the built-in account", "operator", "", smpp.StatusInvSysID},
		{"disabled", "barred", password("barred"), smpp.StatusBindFail},
		{"disabled, wrong password", "barred", "wrong", smpp.StatusInvPaswd},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := b.dial(t)
			resp, err := e.Bind(smpp.BindTransceiver, row.key, row.password)
			wantStatus(t, "bind_transceiver", err, row.want)
			if err != nil {
				_, err = e.Submit(text("4161231234", "let me in"))
				wantStatus(t, "submit_sm after a refused bind", err, smpp.StatusInvBndSts)
				return
			}
			if resp.SystemID != "smsgateway" {
				t.Errorf("bind_transceiver_resp has system_id %q", resp.SystemID)
			}
			if v, _ := resp.TLVs.Find(smpp.TagScInterfaceVersion); len(v) != 1 || v[0] != 0x34 {
				t.Errorf("sc_interface_version is % X, want 34", v)
			}
			_, err = e.Bind(smpp.BindTransceiver, row.key, row.password)
			wantStatus(t, "a second bind", err, smpp.StatusAlyBnd)
			if err := e.Unbind(); err != nil {
				t.Errorf("unbind: %v", err)
			}
		})
	}
	t.Run("too many sessions", func(t *testing.T) { tooManySessions(t, b) })
}

// TestBindTries wants a refused client to have a few more tries on its connection.
func TestBindTries(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	t.Run("tries again", func(t *testing.T) {
		e := b.dial(t)
		for range 4 {
			_, err := e.Bind(smpp.BindTransceiver, "shop", "wrong")
			wantStatus(t, "bind_transceiver", err, smpp.StatusInvPaswd)
		}
		_, err := e.Bind(smpp.BindTransceiver, "shop", password("shop"))
		wantStatus(t, "the fifth bind, with the right password", err, smpp.StatusOK)
	})
	t.Run("tries too often", func(t *testing.T) {
		e := b.dial(t)
		for range 5 {
			_, err := e.Bind(smpp.BindTransceiver, "shop", "wrong")
			wantStatus(t, "bind_transceiver", err, smpp.StatusInvPaswd)
		}
		e.wantClosed(t)
	})
}

// tooManySessions binds an account that may have two sessions.
func tooManySessions(t *testing.T, b *box) {
	eventually(t, "no session", func() (bool, string) {
		return cliJSON[accountJSON](t, b, "account", "show", "shop").Sessions == 0, "sessions"
	})
	b.bind(t, "shop")
	second := b.bind(t, "shop")
	_, err := b.dial(t).Bind(smpp.BindTransceiver, "shop", password("shop"))
	wantStatus(t, "the third session", err, smpp.StatusAlyBnd)
	if err := second.Unbind(); err != nil {
		t.Errorf("unbind: %v", err)
	}
	eventually(t, "room for another session", func() (bool, string) {
		_, err := b.dial(t).Bind(smpp.BindTransceiver, "shop", password("shop"))
		return err == nil, "bind refused"
	})
}

// TestAccessEnds wants sessions to end when their account's password changes, is disabled, or removed.
func TestAccessEnds(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")

	e := b.bind(t, "shop")
	r := command(t, "other~pw\n", "account", "password", "shop", "--password-stdin", "--config", b.config)
	if r.code != 0 {
		t.Fatalf("account password: %s", r.stderr)
	}
	b.secrets = append(b.secrets, "other~pw")
	e.wantClosed(t)
	e = b.dial(t)
	_, err := e.Bind(smpp.BindTransceiver, "shop", password("shop"))
	wantStatus(t, "bind with the old password", err, smpp.StatusInvPaswd)
	_, err = e.Bind(smpp.BindTransceiver, "shop", "other~pw")
	wantStatus(t, "bind with the new password", err, smpp.StatusOK)

	b.must(t, "account", "disable", "shop")
	e.wantClosed(t)
	e = b.dial(t)
	_, err = e.Bind(smpp.BindTransceiver, "shop", "other~pw")
	wantStatus(t, "bind while disabled", err, smpp.StatusBindFail)
	b.must(t, "account", "enable", "shop")
	_, err = e.Bind(smpp.BindTransceiver, "shop", "other~pw")
	wantStatus(t, "bind when enabled again", err, smpp.StatusOK)

	id := e.submit(t, text("4161231234", "waits"))
	if r := b.cli(t, "account", "remove", "shop"); r.code != 1 {
		t.Errorf("account remove with a message waiting ended with %d: %s", r.code, r.stderr)
	}
	wantStatus(t, "cancel_sm", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusOK)
	b.must(t, "account", "remove", "shop")
	e.wantClosed(t)
	_, err = b.dial(t).Bind(smpp.BindTransceiver, "shop", "other~pw")
	wantStatus(t, "bind when removed", err, smpp.StatusInvPaswd)
}

// TestBeforeBind sends each request before a bind. The link lives through all of them.
func TestBeforeBind(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	w := b.wire(t)
	sequence := uint32(100)
	for _, row := range []struct {
		body   smpp.Body
		answer smpp.CommandID
		status smpp.Status
	}{
		{text("4161231234", "x"), smpp.CmdSubmitSMResp, smpp.StatusInvBndSts},
		{&smpp.QuerySM{MessageID: "1"}, smpp.CmdQuerySMResp, smpp.StatusInvBndSts},
		{&smpp.CancelSM{MessageID: "1"}, smpp.CmdCancelSMResp, smpp.StatusInvBndSts},
		{&smpp.ReplaceSM{MessageID: "1"}, smpp.CmdReplaceSMResp, smpp.StatusInvBndSts},
		{&smpp.SubmitMulti{Destinations: make([]smpp.Destination, 1)}, smpp.CmdSubmitMultiResp, smpp.StatusInvBndSts},
		{&smpp.DataSM{}, smpp.CmdDataSMResp, smpp.StatusInvBndSts},
		{&smpp.DeliverSM{}, smpp.CmdGenericNack, smpp.StatusInvCmdID},
		{&smpp.EnquireLink{}, smpp.CmdEnquireLinkResp, smpp.StatusOK},
		{&smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "shop", Password: password("shop")}, smpp.CmdBindTransceiverResp, smpp.StatusOK},
		{text("4161231234", "x"), smpp.CmdSubmitSMResp, smpp.StatusOK},
	} {
		sequence++
		w.send(t, pdu(t, sequence, row.body))
		w.want(t, row.answer, row.status, sequence)
	}
	t.Run("unbind", func(t *testing.T) {
		w := b.wire(t)
		w.send(t, pdu(t, 1, &smpp.Unbind{}))
		w.want(t, smpp.CmdUnbindResp, smpp.StatusOK, 1)
		w.wantEnd(t)
	})
}

// TestOddPDUs sends what no decent client does on a bound session: the link lives, but for a length that can't be true.
func TestOddPDUs(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	bound := func(t *testing.T) *wire {
		w := b.wire(t)
		w.send(t, pdu(t, 1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "shop", Password: password("shop")}))
		w.want(t, smpp.CmdBindTransceiverResp, smpp.StatusOK, 1)
		return w
	}
	header := func(length, command, status, sequence uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, length)
		b = binary.BigEndian.AppendUint32(b, command)
		b = binary.BigEndian.AppendUint32(b, status)
		return binary.BigEndian.AppendUint32(b, sequence)
	}

	w := bound(t)
	w.send(t, header(16, 0x0000FFFF, 0, 2))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 2)
	w.send(t, append(header(20, 0x00010201, 0, 3), "body"...))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 3)
	w.send(t, pdu(t, 4, &smpp.DeliverSM{}))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 4)
	w.send(t, pdu(t, 5, &smpp.AlertNotification{}))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 5)
	w.send(t, pdu(t, 6, &smpp.Outbind{}))
	w.want(t, smpp.CmdGenericNack, smpp.StatusInvCmdID, 6)
	// Answers to nothing get none: the next answer is that to the enquire_link behind them.
	w.send(t, pdu(t, 77, &smpp.DeliverSMResp{}))
	w.send(t, pdu(t, 78, &smpp.GenericNack{}))
	w.send(t, header(16, 0x8000FFFF, 0, 79))
	// A submit_sm whose body is too short to be one.
	w.send(t, append(header(20, uint32(smpp.CmdSubmitSM), 0, 7), 0, 0, 0, 0))
	w.want(t, smpp.CmdSubmitSMResp, smpp.StatusInvCmdLen, 7)
	// Three requests in pieces of one octet, and again in one piece.
	three := append(append(pdu(t, 8, &smpp.EnquireLink{}), pdu(t, 9, text("4161231234", "x"))...), pdu(t, 10, &smpp.EnquireLink{})...)
	for i := range three {
		w.send(t, three[i:i+1])
	}
	w.want(t, smpp.CmdEnquireLinkResp, smpp.StatusOK, 8)
	w.want(t, smpp.CmdSubmitSMResp, smpp.StatusOK, 9)
	w.want(t, smpp.CmdEnquireLinkResp, smpp.StatusOK, 10)
	w.send(t, three)
	w.want(t, smpp.CmdEnquireLinkResp, smpp.StatusOK, 8)
	w.want(t, smpp.CmdSubmitSMResp, smpp.StatusOK, 9)
	w.want(t, smpp.CmdEnquireLinkResp, smpp.StatusOK, 10)

	for name, length := range map[string]uint32{"length 15": 15, "length 0": 0, "length of a gigabyte": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			w := bound(t)
			w.send(t, header(length, uint32(smpp.CmdSubmitSM), 0, 2))
			b, err := w.frames.Next()
			if err != nil {
				t.Fatal(err)
			}
			p, err := smpp.Decode(b)
			if err != nil || p.Body.CommandID() != smpp.CmdGenericNack || p.Status != smpp.StatusInvCmdLen {
				t.Errorf("answered with % X (%v), want generic_nack ESME_RINVCMDLEN", b, err)
			}
		})
	}
}

// TestEnquireLink is silent until the gateway asks, and answers, and then doesn't.
func TestEnquireLink(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{smpp: []string{`enquire_link = "1s"`, `response = "1s"`}})
	b.account(t, "shop")
	w := b.wire(t)
	w.send(t, pdu(t, 1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "shop", Password: password("shop")}))
	w.want(t, smpp.CmdBindTransceiverResp, smpp.StatusOK, 1)
	w.send(t, pdu(t, 1, &smpp.EnquireLinkResp{}))
	next := func() smpp.PDU {
		t.Helper()
		b, err := w.frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		p, err := smpp.Decode(b)
		if err != nil || p.Body.CommandID() != smpp.CmdEnquireLink {
			t.Fatalf("got % X (%v), want an enquire_link", b, err)
		}
		return p
	}
	w.send(t, pdu(t, next().Sequence, &smpp.EnquireLinkResp{}))
	next()
	for { // unbind may come first
		if _, err := w.frames.Next(); err != nil {
			break
		}
	}
}
