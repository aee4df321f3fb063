package gateway_test

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
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
)

// phones have n texts come in, of as many senders, in one go.
func (b *bench) phones(n int, text string) {
	b.t.Helper()
	var group sync.WaitGroup
	room := make(chan struct{}, 200)
	for i := range n {
		tpdu, err := sms.Deliver{Originator: sms.Address{Number: fmt.Sprintf("49123%05d", i)}, Time: time.Now(), Data: []byte(text)}.Append(nil)
		if err != nil {
			b.t.Fatal(err)
		}
		room <- struct{}{}
		group.Go(func() {
			if err := b.Receive(b.t.Context(), modem.Identity{Modem: "sim1"}, modem.Incoming{TPDU: tpdu}); err != nil {
				b.t.Error(err)
			}
			<-room
		})
	}
	group.Wait()
}

// waiting tells how many rows wait on disk for an account.
func (b *bench) waiting(key string) int {
	b.t.Helper()
	n, err := b.OutboxWaiting(key)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// receiver binds a session that does with each deliver_sm what it is told, and counts them.
func (b *bench) receiver(key string, answer func(n int32) smpp.Status) *atomic.Int32 {
	b.t.Helper()
	var n atomic.Int32
	c := b.dial()
	c.OnDeliver = func(*smpp.DeliverSM) smpp.Status { return answer(n.Add(1)) }
	if _, err := c.Bind(smpp.BindReceiver, key, "secret"); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		for range c.Deliveries() {
		}
	}()
	return &n
}

func silent(o *gateway.Options, _ *sim.Config) { o.Log = slog.New(slog.DiscardHandler) }

// TestGoodBesideBad: what a session does not take reaches the other one, whatever is wrong with the first, and soon.
func TestGoodBesideBad(t *testing.T) {
	t.Parallel()
	const texts = 300
	never := make(chan struct{})
	for _, tt := range []struct {
		name   string
		answer func(n int32) smpp.Status
		most   int32 // that it may be given
	}{
		{"refuses with ESME_RX_T_APPN", func(int32) smpp.Status { return smpp.StatusRxTAppn }, 10},
		{"refuses with ESME_RSYSERR", func(int32) smpp.Status { return smpp.StatusSysErr }, 10},
		{"never answers", func(int32) smpp.Status { <-never; return smpp.StatusOK }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBench(t, silent)
			b.account("shop", 0)
			bad := b.receiver("shop", tt.answer)
			good := b.receiver("shop", func(int32) smpp.Status { return smpp.StatusOK })
			tx := b.bind(smpp.BindTransmitter, "shop")
			tx.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
				t.Error("a transmitter got a deliver_sm")
				return smpp.StatusOK
			}
			b.phones(texts, "hello")
			if tt.most == 2 {
				t.Cleanup(func() { close(never) }) // before the clients are closed
			}
			waitFor(t, "all texts", func() bool { return b.waiting("shop") == 0 })
			if bad.Load() > tt.most || good.Load() != texts {
				t.Errorf("the bad session was given %d, want %d at most; the good one %d", bad.Load(), tt.most, good.Load())
			}
		})
	}
}

// TestEqualSessions: a backlog is shared among the sessions that are there, and nothing comes twice.
func TestEqualSessions(t *testing.T) {
	t.Parallel()
	const texts, k = 2000, 4
	b := startBench(t, silent)
	b.account("shop", 0)
	var all []*atomic.Int32
	for range k {
		all = append(all, b.receiver("shop", func(int32) smpp.Status { return smpp.StatusOK }))
	}
	b.phones(texts, "hello")
	waitFor(t, "all texts", func() bool { return b.waiting("shop") == 0 })
	sum := int32(0)
	for n, got := range all {
		sum += got.Load()
		if got.Load() < texts/k/4 { // a busy machine may well make one slower
			t.Errorf("session %d of %d got %d of %d texts", n+1, k, got.Load(), texts)
		}
	}
	if sum != texts {
		t.Errorf("%d deliver_sm for %d texts", sum, texts)
	}
}

// TestBacklog: thousands of texts that waited come, each once.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const texts = 5000
	b := startBench(t, silent)
	b.account("shop", 0)
	b.phones(texts, "hello")
	if n := b.waiting("shop"); n != texts {
		t.Errorf("%d rows wait, want %d", n, texts)
	}
	got := b.receiver("shop", func(int32) smpp.Status { return smpp.StatusOK })
	waitFor(t, "all texts", func() bool { return b.waiting("shop") == 0 })
	if got.Load() != texts {
		t.Errorf("%d deliver_sm for %d texts", got.Load(), texts)
	}
}

// esme is a client that answers by hand.
type esme struct {
	t      *testing.T
	conn   net.Conn
	frames *smpp.FrameReader
}

func (b *bench) esme(key string, version uint8) *esme {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	e := &esme{b.t, conn, smpp.NewFrameReader(conn, 1<<17)}
	e.send(smpp.PDU{Sequence: 1, Body: &smpp.Bind{Kind: smpp.BindTransceiver, SystemID: key, Password: "secret", InterfaceVersion: version}})
	if p := e.next(); p.Status != smpp.StatusOK || p.Sequence != 1 {
		b.t.Fatalf("bind: %+v", p)
	}
	return e
}

func (e *esme) send(p smpp.PDU) {
	e.t.Helper()
	octets, err := p.Append(nil)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := e.conn.Write(octets); err != nil {
		e.t.Fatal(err)
	}
}

func (e *esme) next() smpp.PDU {
	e.t.Helper()
	octets, err := e.frames.Next()
	if err != nil {
		e.t.Fatal(err)
	}
	p, err := smpp.Decode(octets)
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

// delivery waits for a deliver_sm and gives its number.
func (e *esme) delivery() (*smpp.DeliverSM, uint32) {
	e.t.Helper()
	for {
		if p := e.next(); p.Body != nil {
			if d, ok := p.Body.(*smpp.DeliverSM); ok {
				return d, p.Sequence
			}
		}
	}
}

// TestDeliverWindow: the account's setting bounds what is open on a session, and counts for one that is bound.
func TestDeliverWindow(t *testing.T) {
	t.Parallel()
	b := startBench(t, silent)
	b.account("shop", 0)
	if _, err := b.SetAccount("shop", gateway.Settings{"deliver_window": "3"}); err != nil {
		t.Fatal(err)
	}
	e := b.esme("shop", 0x34)
	b.phones(40, "hello")
	answer := func(n uint32) { e.send(smpp.PDU{Sequence: n, Body: &smpp.DeliverSMResp{}}) }
	open := func(want int) (list []uint32) { // takes what comes without an answer: so many, and none more
		for {
			if len(list) >= want {
				e.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			}
			octets, err := e.frames.Next()
			if err != nil {
				e.conn.SetReadDeadline(time.Now().Add(patience))
				return list
			}
			if h, err := smpp.ParseHeader(octets); err == nil && h.Command == smpp.CmdDeliverSM {
				list = append(list, h.Sequence)
			}
		}
	}
	for range 5 { // it opens with the answers
		_, n := e.delivery()
		answer(n)
	}
	list := open(3)
	if len(list) != 3 {
		t.Errorf("%d deliver_sm are open with a window of 3", len(list))
	}
	if _, err := b.SetAccount("shop", gateway.Settings{"deliver_window": "1"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, n := range list {
			answer(n)
		}
		if list = open(1); len(list) != 1 {
			t.Errorf("%d deliver_sm are open with a window of 1", len(list))
		}
	}
}

// TestOddAnswers: what becomes of a row after answers that real clients give.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	answer := func(status smpp.Status, body smpp.Body) func(*esme, uint32) {
		return func(e *esme, n uint32) { e.send(smpp.PDU{Status: status, Sequence: n, Body: body}) }
	}
	for _, tt := range []struct {
		name   string
		answer func(e *esme, n uint32)
		again  bool
	}{
		{"taken", answer(0, &smpp.DeliverSMResp{}), false},
		{"taken twice", func(e *esme, n uint32) {
			answer(0, &smpp.DeliverSMResp{})(e, n)
			answer(0, &smpp.DeliverSMResp{})(e, n)
		}, false},
		{"taken, then refused", func(e *esme, n uint32) {
			answer(0, &smpp.DeliverSMResp{})(e, n)
			answer(smpp.StatusRxTAppn, &smpp.DeliverSMResp{})(e, n)
		}, false},
		{"refused for good", answer(smpp.StatusRxPAppn, &smpp.DeliverSMResp{}), false},
		{"generic_nack", answer(smpp.StatusInvCmdID, &smpp.GenericNack{}), false},
		{"refused for now", answer(smpp.StatusThrottled, &smpp.DeliverSMResp{}), true},
		{"generic_nack for now", answer(smpp.StatusSysErr, &smpp.GenericNack{}), true},
		{"the session breaks", func(e *esme, n uint32) { e.conn.Close() }, true},
		{"the client unbinds", func(e *esme, n uint32) { e.send(smpp.PDU{Sequence: 9, Body: &smpp.Unbind{}}) }, true},
		{"too late, but taken", func(e *esme, n uint32) {
			time.Sleep(2500 * time.Millisecond) // Server.Response is 2 s, and a second later it would be offered again
			answer(0, &smpp.DeliverSMResp{})(e, n)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBench(t)
			b.account("shop", 0)
			e := b.esme("shop", 0x34)
			b.phones(1, "hello")
			_, n := e.delivery()
			if b.waiting("shop") != 1 {
				t.Error("the row is gone before it is answered")
			}
			tt.answer(e, n)
			if !tt.again {
				waitFor(t, "the row to go", func() bool { return b.waiting("shop") == 0 })
				return
			}
			again := b.esme("shop", 0x34)
			d, n := again.delivery()
			if string(d.ShortMessage) != "hello" {
				t.Errorf("got %q", d.ShortMessage)
			}
			answer(0, &smpp.DeliverSMResp{})(again, n)
			waitFor(t, "the row to go", func() bool { return b.waiting("shop") == 0 })
		})
	}
}

// TestVersions: receipts and long texts, to clients that know TLVs and to those that don't.
func TestVersions(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 45)
	for version, tlvs := range map[uint8]bool{0x00: true, 0x33: false, 0x01: false, 0x34: true, 0x50: true} {
		t.Run(fmt.Sprintf("%#02x", version), func(t *testing.T) {
			t.Parallel()
			b := startBench(t)
			b.account("shop", 0)
			b.submit(b.bind(smpp.BindTransmitter, "shop"), "4161231234", "hello")
			e := b.esme("shop", version)
			d, n := e.delivery()
			e.send(smpp.PDU{Sequence: n, Body: &smpp.DeliverSMResp{}})
			if d.ESMClass != smpp.ESMClassReceipt || len(d.TLVs) > 0 != tlvs {
				t.Errorf("receipt with esm_class %#02x, TLVs %v", d.ESMClass, d.TLVs)
			}
			if err := b.phone.Receive("+491701234567", long); err != nil {
				t.Fatal(err)
			}
			var text []byte
			for len(text) < len(long) {
				d, n := e.delivery()
				e.send(smpp.PDU{Sequence: n, Body: &smpp.DeliverSMResp{}})
				piece, header := d.ShortMessage, 0
				if payload, ok := d.TLVs.Find(smpp.TagMessagePayload); ok {
					piece = payload
				}
				if d.ESMClass&smpp.ESMClassUDHI != 0 {
					header, _ = sms.UDHLength(piece)
				}
				if tlvs != (header == 0) || tlvs != (len(d.TLVs) > 0) {
					t.Errorf("esm_class %#02x, TLVs %v", d.ESMClass, d.TLVs)
				}
				text = append(text, piece[header:]...)
			}
			if string(text) != long {
				t.Errorf("got %q", text)
			}
		})
	}
}

// TestPartsTaken: of a text that goes in parts, those that a session has taken do not come to it again after it put off the
// rest; to another session they all come.
func TestPartsTaken(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	e := b.esme("shop", 0x33)
	if err := b.phone.Receive("+491701234567", strings.Repeat("0123456789", 60)); err != nil {
		t.Fatal(err)
	}
	part := func(e *esme, status smpp.Status) byte {
		d, n := e.delivery()
		e.send(smpp.PDU{Status: status, Sequence: n, Body: &smpp.DeliverSMResp{}})
		return d.ShortMessage[5] // of 05 00 03 ref total seq
	}
	got := []byte{part(e, 0), part(e, smpp.StatusMsgQFul), part(e, 0)}
	if want := []byte{1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("after a refusal of the second part the session got parts %v, want %v", got, want)
	}
	e.delivery()
	e.conn.Close()
	e = b.esme("shop", 0x33)
	got = []byte{part(e, 0), part(e, 0), part(e, 0)}
	if want := []byte{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("another session got parts %v, want %v", got, want)
	}
	waitFor(t, "the row to go", func() bool { return b.waiting("shop") == 0 })

	// Another of 3.3 takes a part, and no more: the next session gets all of it again, and is told so.
	if err := b.phone.Receive("+491701234567", strings.Repeat("9876543210", 60)); err != nil {
		t.Fatal(err)
	}
	part(e, 0)
	part(e, smpp.StatusMsgQFul)
	e.conn.Close()
	if d, _ := b.esme("shop", 0x34).delivery(); !redelivered(d) {
		t.Error("a text of which a client has a part is not marked")
	}
}

// TestOutboxRestart: rows of which some are taken, some open and some put off when the gateway stops come after it, in
// order, and none that was taken.
func TestOutboxRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path)
	b.account("shop", 0)
	for n := range 20 {
		if err := b.phone.Receive("+491701234567", fmt.Sprint("text ", n)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the text", func() bool { return b.waiting("shop") == n+1 })
	}
	var mu sync.Mutex
	var got []string
	bind := func(b *bench, most int) *smpptest.Client {
		c := b.dial()
		left := most
		c.OnDeliver = func(d *smpp.DeliverSM) smpp.Status {
			mu.Lock()
			defer mu.Unlock()
			if left--; left < 0 {
				return smpp.StatusRxTAppn
			}
			got = append(got, string(d.ShortMessage))
			return smpp.StatusOK
		}
		if _, err := c.Bind(smpp.BindReceiver, "shop", "secret"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	bind(b, 7)
	waitFor(t, "seven texts to go", func() bool { return b.waiting("shop") == 13 })
	b.stop()
	b = startBenchOn(t, path)
	if n := b.waiting("shop"); n != 13 {
		t.Errorf("after the restart %d texts wait, want 13", n)
	}
	bind(b, 100)
	waitFor(t, "the rest", func() bool { return b.waiting("shop") == 0 })
	mu.Lock()
	defer mu.Unlock()
	for n := range 20 {
		if n >= len(got) || got[n] != fmt.Sprint("text ", n) {
			t.Fatalf("got %q", got)
		}
	}
	if len(got) != 20 {
		t.Errorf("got %d texts", len(got))
	}
}

// TestUnboundSession: a session that has unbound, or that we have told to, gets no rows for as long as its connection stays.
func TestUnboundSession(t *testing.T) {
	t.Parallel()
	for name, unbind := range map[string]func(b *bench, e *esme){
		"by the client": func(_ *bench, e *esme) {
			e.send(smpp.PDU{Sequence: 2, Body: &smpp.Unbind{}})
			if p := e.next(); p.Sequence != 2 || p.Status != smpp.StatusOK {
				t.Errorf("after unbind: %+v", p)
			}
		},
		"by us": func(b *bench, e *esme) {
			if err := b.SetPassword("shop", "secret"); err != nil {
				t.Fatal(err)
			}
			if p, is := e.next().Body.(*smpp.Unbind); !is {
				t.Errorf("after another password: %+v", p)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBench(t, silent)
			b.account("shop", 0)
			unbind(b, b.esme("shop", 0x34))
			b.phones(1, "hello")
			time.Sleep(500 * time.Millisecond)
			if n := b.Given("shop"); n > 1 {
				t.Errorf("its row was given to it %d times", n)
			}
			got := b.receiver("shop", func(int32) smpp.Status { return smpp.StatusOK })
			waitFor(t, "the text", func() bool { return got.Load() == 1 })
		})
	}
}
