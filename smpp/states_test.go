package smpp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What a PDU gets in one state.
const (
	taken   = "taken"   // its own response, without an error
	bndsts  = "0x04"    // its own response with ESME_RINVBNDSTS
	alybnd  = "0x05"    // its own response with ESME_RALYBND
	nack    = "nack"    // generic_nack with ESME_RINVCMDID
	nothing = "nothing" // no answer; the session goes on
	unread  = "unread"  // nobody reads it: the connection is at its end
)

// stateTable is that of the specification (SMPP 3.4 §2.3, table 2-1) with our decisions: every command_id, from the lowest
// to the highest, in every state. What the table of the specification says is behind each row: the states in which an ESME
// may send the PDU; (SMSC) for what only we may send; - for what it does not list. Where we differ states.go says why.
// CLOSED is the state after the client's unbind.
var stateTable = []struct {
	from, to                  CommandID // to 0: from alone
	open, tx, rx, trx, closed string
}{
	//                                    OPEN     TX       RX       TRX      CLOSED
	{0x00000000, 0, nack, nack, nack, nack, unread},                      // -
	{CmdBindReceiver, 0, taken, alybnd, alybnd, alybnd, unread},          // OPEN
	{CmdBindTransmitter, 0, taken, alybnd, alybnd, alybnd, unread},       // OPEN
	{CmdQuerySM, 0, bndsts, taken, bndsts, taken, unread},                // TX TRX
	{CmdSubmitSM, 0, bndsts, taken, bndsts, taken, unread},               // TX TRX
	{CmdDeliverSM, 0, nack, nack, nack, nack, unread},                    // (SMSC) RX TRX
	{CmdUnbind, 0, taken, taken, taken, taken, unread},                   // TX RX TRX
	{CmdReplaceSM, 0, bndsts, taken, bndsts, taken, unread},              // TX
	{CmdCancelSM, 0, bndsts, taken, bndsts, taken, unread},               // TX TRX
	{CmdBindTransceiver, 0, taken, alybnd, alybnd, alybnd, unread},       // OPEN
	{0x0000000A, 0, nack, nack, nack, nack, unread},                      // -
	{CmdOutbind, 0, nack, nack, nack, nack, unread},                      // (SMSC) OPEN
	{0x0000000C, 0x00000014, nack, nack, nack, nack, unread},             // -
	{CmdEnquireLink, 0, taken, taken, taken, taken, unread},              // TX RX TRX
	{0x00000016, 0x00000020, nack, nack, nack, nack, unread},             // -
	{CmdSubmitMulti, 0, bndsts, taken, bndsts, taken, unread},            // TX TRX
	{0x00000022, 0x00000101, nack, nack, nack, nack, unread},             // -
	{CmdAlertNotification, 0, nack, nack, nack, nack, unread},            // (SMSC) RX TRX
	{CmdDataSM, 0, bndsts, taken, bndsts, taken, unread},                 // TX RX TRX
	{0x00000104, 0x000101FF, nack, nack, nack, nack, unread},             // -, broadcast_sm and its like of 5.0 among them
	{0x00010200, 0x000102FF, nack, nack, nack, nack, unread},             // -, for vendors
	{0x00010300, 0x7FFFFFFF, nack, nack, nack, nack, unread},             // -
	{CmdGenericNack, 0, nothing, nothing, nothing, nothing, unread},      // TX RX TRX; to no request of ours, as all below
	{CmdBindReceiverResp, 0, nothing, nothing, nothing, nothing, unread}, // (SMSC)
	{CmdBindTransmitterResp, 0, nothing, nothing, nothing, nothing, unread},
	{CmdQuerySMResp, 0, nothing, nothing, nothing, nothing, unread},
	{CmdSubmitSMResp, 0, nothing, nothing, nothing, nothing, unread},
	{CmdDeliverSMResp, 0, nothing, nothing, nothing, nothing, unread}, // RX TRX
	{CmdUnbindResp, 0, nothing, nothing, nothing, nothing, unread},    // TX RX TRX
	{CmdReplaceSMResp, 0, nothing, nothing, nothing, nothing, unread}, // (SMSC)
	{CmdCancelSMResp, 0, nothing, nothing, nothing, nothing, unread},
	{CmdBindTransceiverResp, 0, nothing, nothing, nothing, nothing, unread},
	{0x8000000A, 0x80000014, nothing, nothing, nothing, nothing, unread}, // -
	{CmdEnquireLinkResp, 0, nothing, nothing, nothing, nothing, unread},  // TX RX TRX
	{0x80000016, 0x80000020, nothing, nothing, nothing, nothing, unread}, // -
	{CmdSubmitMultiResp, 0, nothing, nothing, nothing, nothing, unread},  // (SMSC)
	{0x80000022, 0x80000102, nothing, nothing, nothing, nothing, unread}, // -
	{CmdDataSMResp, 0, nothing, nothing, nothing, nothing, unread},       // TX RX TRX
	{0x80000104, 0xFFFFFFFF, nothing, nothing, nothing, nothing, unread}, // -
}

// samples are the command_ids of a row that are tried: the first and the last four, and one between.
func samples(from, to CommandID) (ids []CommandID) {
	if to == 0 {
		return []CommandID{from}
	}
	for id := uint64(from); id <= uint64(to); id++ {
		switch {
		case id == uint64(from)+4 && uint64(to) > id+4:
			between := id + (uint64(to)-id)/2
			ids = append(ids, CommandID(between))
			id = max(between, uint64(to)-4)
		default:
			ids = append(ids, CommandID(id))
		}
	}
	return ids
}

// sampleBody is the body of the first golden PDU of a command; the unknown have none.
func sampleBody(t *testing.T, id CommandID) []byte {
	t.Helper()
	for _, g := range goldens {
		if g.want.CommandID() == id {
			return octets(t, g.body)
		}
	}
	switch {
	case id == CmdBindTransmitter: // the kinds of bind share their layout
		return sampleBody(t, CmdBindReceiver)
	case newBody(id) == nil:
		return nil
	}
	t.Fatalf("no golden PDU for %s", id)
	return nil
}

func TestEveryCommandInEveryState(t *testing.T) {
	next := uint64(0)
	for _, row := range stateTable {
		if uint64(row.from) != next {
			t.Fatalf("the table goes on with %#x, want %#x", uint32(row.from), next)
		}
		next = uint64(max(row.from, row.to)) + 1
		for _, id := range samples(row.from, row.to) {
			for _, in := range []struct {
				state, want string
				kind        BindKind
			}{
				{"OPEN", row.open, 0},
				{"BOUND_TX", row.tx, BindTransmitter},
				{"BOUND_RX", row.rx, BindReceiver},
				{"BOUND_TRX", row.trx, BindTransceiver},
				{"CLOSED", row.closed, BindTransceiver},
			} {
				t.Run(fmt.Sprintf("%s in %s", id, in.state), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { checkState(t, id, in.kind, in.want) })
				})
			}
		}
	}
	if next != 1<<32 {
		t.Errorf("the table ends before %#x", next)
	}
}

// checkState sends one command in one state, and looks whether the session works afterwards as it should.
func checkState(t *testing.T, id CommandID, kind BindKind, want string) {
	backend := &fake{}
	server := serve(t, &Server{Backend: backend})
	var p *peer
	if kind == 0 {
		p = server.dial()
	} else {
		p = server.dialAs(kind)
	}
	b := whole(id, StatusOK, 0x80000007, sampleBody(t, id)) // numbers with bit 31 occur
	switch want {
	case unread:
		synctest.Wait()
		backend.seen()
		p.write(append(encode(t, PDU{Sequence: 8, Body: &Unbind{}}), b...))
		p.want(8, StatusOK, &UnbindResp{})
		p.wantEnd()
		synctest.Wait()
		backend.wantSeen(t, "closed")
		return
	case nothing:
		p.write(b)
		p.alive()
		return
	}
	p.write(b)
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

// TestAlert: an alert_notification goes to those who can receive, has a number of its own, and waits for nothing.
func TestAlert(t *testing.T) {
	alert := &AlertNotification{Source: Address{1, 1, "4917"}, ESME: Address{0, 0, "shop"}, TLVs: TLVs{TLVUint8(TagMsAvailabilityStatus, 0)}}
	for kind, want := range map[BindKind]error{BindTransmitter: ErrClosed, BindReceiver: nil, BindTransceiver: nil} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := &fake{}
				p := serve(t, &Server{Backend: backend}).dialAs(kind)
				synctest.Wait()
				sent := make(chan error, 1)
				go func() { sent <- backend.session(t).Alert(t.Context(), alert) }()
				if want == nil {
					p.want(1, StatusOK, alert)
				}
				if err := <-sent; err != want {
					t.Errorf("Alert: %v, want %v", err, want)
				}
				p.alive()
			})
		})
	}
}

// TestOurRequests holds what the server asks of a client of each kind to Sends: whether it is there when it is silent, to take
// a delivery, and to end.
func TestOurRequests(t *testing.T) {
	for _, kind := range []BindKind{0, BindTransmitter, BindReceiver, BindTransceiver} {
		synctest.Test(t, func(t *testing.T) {
			backend := &fake{}
			server := serve(t, &Server{Backend: backend, SessionInit: time.Minute})
			p := server.dial()
			if kind != 0 {
				p = server.dialAs(kind)
				synctest.Wait()
				go backend.session(t).Deliver(t.Context(), &DeliverSM{})
			}
			asked := map[CommandID]bool{}
			hear := func() {
				for {
					b, err := p.nextOctets(40 * time.Second) // of silence we make 30
					if err != nil {
						return
					}
					got, err := Decode(b)
					if err != nil {
						t.Fatal(err)
					}
					asked[got.Body.CommandID()] = true
					if got.Body.CommandID() == CmdEnquireLink {
						return
					}
				}
			}
			hear()
			server.stop()
			hear()
			for _, id := range Commands() {
				if asked[id] != Sends(kind, id) {
					t.Errorf("to a client bound as %s: %s was sent: %t, want %t", kind, id, asked[id], Sends(kind, id))
				}
			}
		})
	}
}

// TestCommands: each command has a body, and a place in both of the specification's tables.
func TestCommands(t *testing.T) {
	all := Commands()
	if len(all) != 27 {
		t.Errorf("%d commands, SMPP 3.4 has 27", len(all))
	}
	for _, id := range all {
		if body := newBody(id); body == nil || body.CommandID() != id {
			t.Errorf("%s has the body %T", id, body)
		}
	}
}
