package gateway_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/sms"
	"smsgateway/store"
)

// What a second reader found, each kept from coming back.

// TestSIMSwapped: the SIM is changed while the modem has nothing to do; the next message is written down under the SIM by
// which it leaves, so that its status report finds it.
func TestSIMSwapped(t *testing.T) {
	t.Parallel()
	phones := []*sim.Modem{sim.New(sim.Config{ICCID: "8949010000000000001"}), sim.New(sim.Config{ICCID: "8949010000000000002"})}
	var current atomic.Int32
	var mu sync.Mutex
	var open net.Conn
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(t.TempDir(), "gateway.db")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	g.AddModem(modem.Config{Name: "sim1", Timing: quick(0),
		Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
			here, there := net.Pipe()
			mu.Lock()
			open = there
			mu.Unlock()
			parts.Go(func() { phones[current.Load()].Serve(ctx, there) })
			return here, nil
		}}, gateway.ModemRules{})
	parts.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	defer func() {
		cancel()
		parts.Wait()
		g.Close()
	}()
	for n, want := range []string{"8949010000000000001", "8949010000000000002"} {
		if n == 1 {
			current.Store(1)
			mu.Lock()
			open.Close()
			mu.Unlock()
			waitFor(t, "the other SIM", func() bool {
				s := g.Modems()[0]
				return s.Line() == want && s.State == modem.StateReady
			})
		}
		id, err := g.SendText(ctx, "", "4161231234", "hello")
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the end of the message", func() bool {
			m, err := g.Message(id)
			return err == nil && m.State.End()
		})
		if m, err := g.Message(id); err != nil || m.State != store.Delivered || m.Line != want {
			t.Errorf("message %d: %s by %s (%v), want delivered by %s", n+1, m.State, m.Line, err, want)
		}
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestCancelAsSubmitted: cancel_sm by addresses takes these as submit_sm does, a leading '+' included.
func TestCancelAsSubmitted(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	from, to := smpp.Address{Addr: "+4930123456"}, smpp.Address{Addr: "+14161231234"}
	for range 2 {
		id, err := c.Submit(&smpp.SubmitSM{Source: from, Destination: to, ScheduleDeliveryTime: "000000010000000R"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Cancel(&smpp.CancelSM{Source: from, Destination: to}); err != nil {
			t.Errorf("cancel_sm from %s to %s: %v", from.Addr, to.Addr, err)
		}
		wantState(t, c, id, smpp.StateDeleted)
		from.Addr = "4930123456"
	}
	if err := c.Cancel(&smpp.CancelSM{Destination: smpp.Address{Addr: "(416) 123"}}); !errors.Is(err, smpp.StatusInvDstAdr) {
		t.Errorf("cancel_sm to what is no number: %v, want ESME_RINVDSTADR", err)
	}
}

// TestSenderWithName: a name of letters that ASCII does not have is no number, and may be longer than source_addr.
func TestSenderWithName(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	tpdu, err := sms.Deliver{Originator: sms.Address{TON: sms.TONAlphanumeric, Number: "ΔΦΓΛΩΠΨΣΘΞΔ"}, Time: time.Now(), Data: []byte("hello")}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.phone.ReceiveTPDU(tpdu); err != nil {
		t.Fatal(err)
	}
	if d := b.wantDelivery(c); d.Source.Addr != "???????????" || d.Source.TON != 5 || string(d.ShortMessage) != "hello" {
		t.Errorf("deliver_sm from %q (ton %d): %q", d.Source.Addr, d.Source.TON, d.ShortMessage)
	}
}

// TestBarredAtOnce: a client that ignores our unbind gets nothing accepted any more once its account is disabled.
func TestBarredAtOnce(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	send := func(p smpp.PDU) {
		t.Helper()
		octets, err := p.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(octets); err != nil {
			t.Fatal(err)
		}
	}
	frames := smpp.NewFrameReader(conn, 1<<16)
	answer := func(to uint32) smpp.Status {
		t.Helper()
		for {
			octets, err := frames.Next()
			if err != nil {
				t.Fatalf("wait for the answer to %d: %v", to, err)
			}
			if h, err := smpp.ParseHeader(octets); err == nil && h.Command.IsResponse() && h.Sequence == to {
				return h.Status
			}
		}
	}
	send(smpp.PDU{Sequence: 1, Body: &smpp.Bind{Kind: smpp.BindTransmitter, SystemID: "shop", Password: "secret", InterfaceVersion: 0x34}})
	if status := answer(1); status != smpp.StatusOK {
		t.Fatal(status)
	}
	submit := &smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ScheduleDeliveryTime: "000000010000000R"}
	send(smpp.PDU{Sequence: 2, Body: submit})
	if status := answer(2); status != smpp.StatusOK {
		t.Fatal(status)
	}
	if err := b.SetDisabled("shop", true); err != nil {
		t.Fatal(err)
	}
	send(smpp.PDU{Sequence: 3, Body: submit})
	if status := answer(3); status != smpp.StatusInvBndSts {
		t.Errorf("submit_sm after the account was disabled: %v, want ESME_RINVBNDSTS", status)
	}
}

// TestBacklogOfOneSender: more texts than are looked at together, all of one sender, come in order, and another account
// has its receipts meanwhile.
func TestBacklogOfOneSender(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(o *gateway.Options, _ *sim.Config) { o.Log = nil })
	b.account("shop", 0)
	b.account("other", 0)
	const n = 1200
	var group sync.WaitGroup
	for i := range n {
		data := binary.BigEndian.AppendUint32(nil, uint32(i))
		tpdu, err := sms.Deliver{Originator: sms.Address{TON: sms.TONInternational, NPI: sms.NPIISDN, Number: "4912345678"}, DCS: 0x04, Time: time.Now(), Data: data}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 { // in groups, as one commit each would take long; within a group any order is right
			group.Wait()
		}
		group.Go(func() {
			if err := b.Receive(t.Context(), modem.Identity{Modem: "sim1"}, modem.Incoming{TPDU: tpdu}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c := b.dial()
	seen := make(map[uint32]bool)
	floor := uint32(0)
	finished := make(chan error, 1)
	c.OnDeliver = func(d *smpp.DeliverSM) smpp.Status {
		i := binary.BigEndian.Uint32(d.ShortMessage)
		if i/50 < floor/50 {
			finished <- fmt.Errorf("text %d came after %d", i, floor)
		}
		floor = max(floor, i)
		if seen[i] = true; len(seen) == n {
			finished <- nil
		}
		return smpp.StatusOK
	}
	go func() {
		for range c.Deliveries() { // emptied, or the client puts off what doesn't fit
		}
	}()
	if _, err := c.Bind(smpp.BindReceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	other := b.bind(smpp.BindTransceiver, "other")
	id := b.submit(other, "4161231234", "hello")
	b.wantReceipt(other, id, smpp.StateDelivered)
	select {
	case err := <-finished:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * patience):
		t.Error("not all texts came")
	}
}

// TestReceiptsOfABrokenSession: a client whose connection breaks finds its receipt at once when it binds again, however
// often that happens.
func TestReceiptsOfABrokenSession(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	tx := b.bind(smpp.BindTransmitter, "shop")
	id := b.submit(tx, "4161231234", "hello")
	wantState(t, tx, id, smpp.StateDelivered)
	for n := range 5 {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		rx := smpptest.New(conn)
		offered := make(chan struct{}, 1)
		rx.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
			offered <- struct{}{}
			conn.Close() // before it is answered
			return smpp.StatusOK
		}
		if _, err := rx.Bind(smpp.BindReceiver, "shop", "secret"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-offered:
		case <-time.After(20 * time.Second): // as a refusal the third would wait 30 s
			t.Fatalf("bind %d: the receipt was not offered", n+1)
		}
		<-rx.Done()
	}
}

// TestPutOffRowsDontStopTheRest: a client that puts off hundreds of texts still gets its receipts.
func TestPutOffRowsDontStopTheRest(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(o *gateway.Options, _ *sim.Config) { o.Log = nil })
	b.account("shop", 0)
	var group sync.WaitGroup
	for i := range 600 { // more than are looked at together
		tpdu, err := sms.Deliver{Originator: sms.Address{Number: fmt.Sprintf("49123%05d", i)}, Time: time.Now(), Data: []byte("hello")}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			if err := b.Receive(t.Context(), modem.Identity{Modem: "sim1"}, modem.Incoming{TPDU: tpdu}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	c := b.dial()
	c.OnDeliver = func(d *smpp.DeliverSM) smpp.Status {
		if d.ESMClass != smpp.ESMClassReceipt {
			return smpp.StatusRxTAppn
		}
		return smpp.StatusOK
	}
	if _, err := c.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	id := b.submit(c, "4161231234", "hello")
	b.wantReceipt(c, id, smpp.StateDelivered)
}
