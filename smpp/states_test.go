package smpp

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// What a request gets in one state.
const (
	taken   = "taken"   // its own response, without an error
	bndsts  = "0x04"    // its own response with ESME_RINVBNDSTS
	alybnd  = "0x05"    // its own response with ESME_RALYBND
	nack    = "nack"    // generic_nack with ESME_RINVCMDID
	nothing = "nothing" // no answer
)

// stateTable is that of the specification (table 2-1) with our decisions: every command in every state.
var stateTable = []struct {
	id                CommandID
	open, tx, rx, trx string
}{
	{CmdBindTransmitter, taken, alybnd, alybnd, alybnd},
	{CmdBindReceiver, taken, alybnd, alybnd, alybnd},
	{CmdBindTransceiver, taken, alybnd, alybnd, alybnd},
	{CmdSubmitSM, bndsts, taken, bndsts, taken},
	{CmdQuerySM, bndsts, taken, bndsts, taken},
	{CmdCancelSM, bndsts, taken, bndsts, taken},
	{CmdEnquireLink, taken, taken, taken, taken},
	{CmdUnbind, taken, taken, taken, taken},

	{CmdReplaceSM, nack, nack, nack, nack}, // not offered
	{CmdSubmitMulti, nack, nack, nack, nack},
	{CmdDataSM, nack, nack, nack, nack},
	{CmdDeliverSM, nack, nack, nack, nack}, // not an ESME's to send
	{CmdAlertNotification, nack, nack, nack, nack},
	{CmdOutbind, nack, nack, nack, nack},
	{0x0000000A, nack, nack, nack, nack}, // unknown
	{0x00000111, nack, nack, nack, nack},

	{CmdGenericNack, nothing, nothing, nothing, nothing}, // responses to nothing
	{CmdBindReceiverResp, nothing, nothing, nothing, nothing},
	{CmdBindTransmitterResp, nothing, nothing, nothing, nothing},
	{CmdBindTransceiverResp, nothing, nothing, nothing, nothing},
	{CmdQuerySMResp, nothing, nothing, nothing, nothing},
	{CmdSubmitSMResp, nothing, nothing, nothing, nothing},
	{CmdDeliverSMResp, nothing, nothing, nothing, nothing},
	{CmdUnbindResp, nothing, nothing, nothing, nothing},
	{CmdReplaceSMResp, nothing, nothing, nothing, nothing},
	{CmdCancelSMResp, nothing, nothing, nothing, nothing},
	{CmdEnquireLinkResp, nothing, nothing, nothing, nothing},
	{CmdSubmitMultiResp, nothing, nothing, nothing, nothing},
	{CmdDataSMResp, nothing, nothing, nothing, nothing},
	{0x80000111, nothing, nothing, nothing, nothing},
}

// sampleBody is the body of the first golden PDU of a command; the unknown have none.
func sampleBody(t *testing.T, id CommandID) []byte {
	t.Helper()
	for _, g := range goldens {
		if g.want.CommandID() == id {
			return octets(t, g.body)
		}
	}
	switch id {
	case CmdBindTransmitter: // the kinds of bind share their layout
		return sampleBody(t, CmdBindReceiver)
	case 0x0A, 0x111, 0x80000111:
		return nil
	}
	t.Fatalf("no golden PDU for %s", id)
	return nil
}

func TestEveryCommandInEveryState(t *testing.T) {
	listed := map[CommandID]bool{}
	for _, row := range stateTable {
		listed[row.id] = true
		for kind, want := range map[BindKind]string{0: row.open, BindTransmitter: row.tx, BindReceiver: row.rx, BindTransceiver: row.trx} {
			state := "open"
			if kind != 0 {
				state = kind.String()
			}
			t.Run(fmt.Sprintf("%s as %s", row.id, state), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkState(t, row.id, kind, want) })
			})
		}
	}
	for _, g := range goldens {
		if !listed[g.want.CommandID()] {
			t.Errorf("%s is not in the table", g.want.CommandID())
		}
	}
}

// checkState sends one command in one state, and looks whether the session works afterwards as it should.
func checkState(t *testing.T, id CommandID, kind BindKind, want string) {
	server := serve(t, &Server{Backend: &fake{}})
	var p *peer
	if kind == 0 {
		p = server.dial()
	} else {
		p = server.dialAs(kind)
	}
	p.write(whole(id, StatusOK, 0x80000007, sampleBody(t, id))) // numbers with bit 31 occur
	if want == nothing {
		p.alive()
		return
	}
	got := p.next()
	wantID, wantStatus := id.Response(), StatusOK
	switch want {
	case bndsts:
		wantStatus = StatusInvBndSts
	case alybnd:
		wantStatus = StatusAlyBnd
	case nack:
		wantID, wantStatus = CmdGenericNack, StatusInvCmdID
	}
	if got.Sequence != 0x80000007 || got.Body.CommandID() != wantID || got.Status != wantStatus {
		t.Errorf("got %s %s %#x, want %s %s", got.Body.CommandID(), got.Status, got.Sequence, wantID, wantStatus)
	}
	if id == CmdUnbind {
		p.wantEnd()
		return
	}
	p.alive()
}
