package e2e

import (
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/smpp"
)

// TestReceiptsWait wants receipts and texts kept on disk while nobody is bound, also over a kill -9, delivered after the
// next bind, and once.
func TestReceiptsWait(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	const to = "4161231234"
	first := e.submit(t, text(to, "first"))
	second := e.submit(t, text("41699908", "second"))
	if err := e.Unbind(); err != nil {
		t.Fatal(err)
	}
	phones.text(t, to, "an answer")
	b.awaitState(t, first, "delivered")
	b.awaitState(t, second, "undeliverable")
	eventually(t, "the text to be in the inbox", func() (bool, string) {
		return len(cliJSON[[]inboxJSON](t, b, "inbox", "list")) == 1, "no text"
	})

	b.kill()
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantReceipt(t, first, smpp.StateDelivered)
	e.wantReceipt(t, second, smpp.StateUndeliverable)
	e.wantText(t, to, "an answer")
	if err := e.Unbind(); err != nil {
		t.Fatal(err)
	}

	// What was acknowledged is gone: another receipt is the next to come.
	e = b.bind(t, "shop")
	e.wantReceipt(t, e.submit(t, text(to, "third")), smpp.StateDelivered)
	e.wantNothing(t)
}

// TestReceiptsRefused has the client put a receipt off, refuse one for good, and not answer at all.
func TestReceiptsRefused(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port, smpp: []string{`response = "1s"`}})
	b.account(t, "shop")
	const to = "4161231234"

	t.Run("put off", func(t *testing.T) {
		e := b.dial(t)
		var offered atomic.Int32
		e.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
			if offered.Add(1) == 1 {
				return smpp.StatusRxTAppn
			}
			return smpp.StatusOK
		}
		if _, err := e.Bind(smpp.BindTransceiver, "shop", password("shop")); err != nil {
			t.Fatal(err)
		}
		e.wantReceipt(t, e.submit(t, text(to, "put off")), smpp.StateDelivered)
		if n := offered.Load(); n != 2 {
			t.Errorf("it was offered %d times, want 2", n)
		}
		e.Close()
	})
	t.Run("refused for good", func(t *testing.T) {
		e := b.dial(t)
		refused := make(chan struct{}, 10)
		e.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
			refused <- struct{}{}
			return smpp.StatusRxPAppn
		}
		if _, err := e.Bind(smpp.BindTransceiver, "shop", password("shop")); err != nil {
			t.Fatal(err)
		}
		e.submit(t, text(to, "refused"))
		select {
		case <-refused:
		case <-time.After(patience):
			t.Fatal("no receipt came to be refused")
		}
		if err := e.Unbind(); err != nil {
			t.Fatal(err)
		}
		e = b.bind(t, "shop")
		e.wantReceipt(t, e.submit(t, text(to, "after the refused one")), smpp.StateDelivered)
		e.wantNothing(t)
		e.Close()
	})
	t.Run("no answer", func(t *testing.T) {
		w := b.wire(t)
		w.send(t, pdu(t, 1, &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: "shop", Password: password("shop")}))
		w.want(t, smpp.CmdBindTransceiverResp, smpp.StatusOK, 1)
		w.send(t, pdu(t, 2, text(to, "never answered")))
		id := w.want(t, smpp.CmdSubmitSMResp, smpp.StatusOK, 2).Body.(*smpp.SubmitSMResp).MessageID
		b.awaitState(t, id, "delivered")
		if _, err := w.frames.Next(); err != nil { // the receipt
			t.Fatal(err)
		}
		w.conn.Close()
		b.bind(t, "shop").wantReceipt(t, id, smpp.StateDelivered)
	})
}
