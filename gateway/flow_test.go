package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
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
	"smsgateway/store"
)

// patience is for things that must happen; nothing waits so long when all is well.
const patience = 60 * time.Second

// bench is a gateway with its SMPP port and one simulated modem, all in this process and all real but the modem.
type bench struct {
	*gateway.Gateway
	t     *testing.T
	addr  string
	phone *sim.Modem
	texts chan sim.Text
	stop  func()
	stick *stick // nil: the modem answers as the simulator does
}

type benchOption func(*gateway.Options, *sim.Config)

// startBench runs a gateway on a fresh file.
func startBench(t *testing.T, options ...benchOption) *bench {
	t.Helper()
	return startBenchOn(t, filepath.Join(t.TempDir(), "gateway.db"), options...)
}

func startBenchOn(t *testing.T, path string, options ...benchOption) *bench {
	t.Helper()
	b := &bench{t: t}
	b.start(path, 500*time.Millisecond, options...)
	return b
}

// startBenchThatHolds runs one whose modem keeps what is for one number on the air until that is released.
func startBenchThatHolds(t *testing.T, number string) (b *bench, release func()) {
	t.Helper()
	answer, release := hold(number)
	t.Cleanup(release)
	b = &bench{t: t, stick: &stick{name: "sim1", answer: answer}}
	b.start(filepath.Join(t.TempDir(), "gateway.db"), patience)
	return b, release
}

// start runs the gateway, whose modem waits so long for the result of a text.
func (b *bench) start(path string, result time.Duration, options ...benchOption) {
	b.t.Helper()
	t := b.t
	b.texts = make(chan sim.Text, 1000)
	opt := gateway.Options{Path: path, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	cfg := sim.Config{OnText: func(text sim.Text) { b.texts <- text }}
	for _, o := range options {
		o(&opt, &cfg)
	}
	g, err := gateway.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	b.Gateway = g
	b.phone = sim.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	g.AddModem(modem.Config{Name: "sim1", Port: "in memory", Log: opt.Log, Timing: quick(result),
		Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
			here, there := net.Pipe()
			parts.Go(func() {
				b.phone.Serve(ctx, there)
				there.Close()
			})
			if b.stick != nil {
				return &meddler{Conn: here, stick: b.stick, own: make(chan string, 1)}, nil
			}
			return here, nil
		}}, gateway.ModemRules{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = ln.Addr().String()
	server := &smpp.Server{SystemID: "test", Backend: g, Log: opt.Log, Response: 2 * time.Second}
	served, serving := context.WithCancel(ctx)
	parts.Go(func() {
		if err := server.Serve(served, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
		cancel()
	})
	parts.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	b.stop = sync.OnceFunc(func() {
		serving()
		parts.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(b.stop)
}

// quick is a driver's timing for tests, with so long a wait for the result of a text.
func quick(result time.Duration) modem.Timing {
	return modem.Timing{
		Settle: time.Millisecond, Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond, RetryMin: 10 * time.Millisecond,
		Listen: 50 * time.Millisecond, Second: 50 * time.Millisecond, Grace: 50 * time.Millisecond, Result: result, Stop: time.Second,
	}
}

// account makes one with password "secret".
func (b *bench) account(key string, maxParts int) {
	b.t.Helper()
	if _, err := b.AddAccount(gateway.NewAccount{Key: key, Password: "secret", Settings: gateway.Settings{"max_parts": strconv.Itoa(maxParts)}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) dial() *smpptest.Client {
	b.t.Helper()
	c, err := smpptest.Dial(b.t.Context(), b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func (b *bench) bind(kind smpp.BindKind, key string) *smpptest.Client {
	b.t.Helper()
	c := b.dial()
	if _, err := c.Bind(kind, key, "secret"); err != nil {
		b.t.Fatalf("bind %s: %v", key, err)
	}
	return c
}

func (b *bench) submit(c *smpptest.Client, to, text string) string {
	b.t.Helper()
	id, err := c.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: to}, RegisteredDelivery: 1, ShortMessage: []byte(text)})
	if err != nil {
		b.t.Fatalf("submit_sm to %s: %v", to, err)
	}
	return id
}

func (b *bench) wantText(want string) sim.Text {
	b.t.Helper()
	for {
		select {
		case got := <-b.texts:
			if !got.Whole {
				continue
			}
			if got.Text != want {
				b.t.Fatalf("the phone got %q, want %q", got.Text, want)
			}
			return got
		case <-time.After(patience):
			b.t.Fatalf("the phone did not get %q", want)
		}
	}
}

func (b *bench) wantDelivery(c *smpptest.Client) *smpp.DeliverSM {
	b.t.Helper()
	select {
	case d := <-c.Deliveries():
		return d
	case <-time.After(patience):
		b.t.Fatal("no deliver_sm came")
		return nil
	}
}

func (b *bench) wantReceipt(c *smpptest.Client, id string, want smpp.MessageState) *smpp.DeliverSM {
	b.t.Helper()
	d := b.wantDelivery(c)
	r, err := smpp.ParseReceipt(string(d.ShortMessage))
	if err != nil || r.MessageID != id || r.State != want {
		b.t.Fatalf("got the receipt %q (%v), want one of %s with %s", d.ShortMessage, err, id, want)
	}
	return d
}

func wantState(t *testing.T, c *smpptest.Client, id string, want smpp.MessageState) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		resp, err := c.Query(id, smpp.Address{})
		if err != nil {
			t.Fatalf("query_sm %s: %v", id, err)
		}
		if resp.MessageState == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("query_sm %s says %s, want %s", id, resp.MessageState, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	id := b.submit(c, "4161231234", "hello")
	b.wantText("hello")
	d := b.wantReceipt(c, id, smpp.StateDelivered)
	if d.ESMClass != smpp.ESMClassReceipt || d.Source.Addr != "4161231234" {
		t.Errorf("receipt with esm_class %#02x from %s", d.ESMClass, d.Source.Addr)
	}
	for tag, want := range map[smpp.Tag]string{
		smpp.TagReceiptedMessageID: id + "\x00", smpp.TagMessageState: "\x02", smpp.TagNetworkErrorCode: "\x03\x00\x00",
	} {
		if got, _ := d.TLVs.Find(tag); string(got) != want {
			t.Errorf("TLV %v of the receipt is %q, want %q", tag, got, want)
		}
	}
	wantState(t, c, id, smpp.StateDelivered)
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("cancel_sm of a delivered message: %v, want ESME_RCANCELFAIL", err)
	}
}

func TestLongText(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.account("classic", 1)
	c := b.bind(smpp.BindTransceiver, "shop")
	long := strings.Repeat("0123456789", 40)
	id, err := c.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, RegisteredDelivery: 1,
		TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(long)}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.wantText(long); got.Total != 3 {
		t.Errorf("sent in %d parts, want 3", got.Total)
	}
	d := b.wantReceipt(c, id, smpp.StateDelivered)
	if !strings.Contains(string(d.ShortMessage), "sub:003 dlvrd:003") {
		t.Errorf("receipt %q does not count 3 parts", d.ShortMessage)
	}
	_, err = b.bind(smpp.BindTransmitter, "classic").Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ShortMessage: []byte(long[:161])})
	if !errors.Is(err, smpp.StatusInvMsgLen) {
		t.Errorf("161 characters with max_parts 1: %v, want ESME_RINVMSGLEN", err)
	}
}

// TestCancelInTime: what was cancelled is never given to the modem, although it waits in front of it.
func TestCancelInTime(t *testing.T) {
	t.Parallel()
	b, release := startBenchThatHolds(t, "4161231230")
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	b.submit(c, "4161231230", "first")
	waitFor(t, "the first on the air", func() bool { return len(b.stick.texts()) == 1 })
	var waiting []string
	for range 3 {
		waiting = append(waiting, b.submit(c, "4161231234", "no"))
	}
	other := b.submit(c, "4161231299", "last")
	if err := c.Cancel(&smpp.CancelSM{MessageID: waiting[0]}); err != nil {
		t.Fatalf("cancel_sm by id: %v", err)
	}
	if err := c.Cancel(&smpp.CancelSM{Destination: smpp.Address{Addr: "4161231234"}}); err != nil {
		t.Fatalf("cancel_sm by destination: %v", err)
	}
	if err := c.Cancel(&smpp.CancelSM{Destination: smpp.Address{Addr: "4161231234"}}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("cancel_sm of nothing: %v, want ESME_RCANCELFAIL", err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: waiting[0]}); err != nil {
		t.Errorf("cancel_sm again: %v", err)
	}
	release()
	for _, id := range waiting {
		wantState(t, c, id, smpp.StateDeleted)
	}
	wantState(t, c, other, smpp.StateDelivered)
	for _, text := range b.phone.Texts() {
		if text.Text == "no" {
			t.Error("a cancelled text was sent")
		}
	}
}

// TestFaults: what the modem does, what the client hears, and what became of the text.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, to string
		want     smpp.MessageState
		phones   int
	}{
		{"unassigned number", "416123" + "99901", smpp.StateUndeliverable, 0},
		{"network out of order for now", "416123" + "99902", smpp.StateEnroute, 0},
		{"no answer, and sent: the status report settles it", "416123" + "99915", smpp.StateDelivered, 1},
		{"no answer, not sent", "416123" + "99903", smpp.StateUnknown, 0},
		{"restart in the middle", "416123" + "99905", smpp.StateUnknown, 0},
		{"failed at the phone", "416123" + "99908", smpp.StateUndeliverable, 0},
		{"expired at the SMSC", "416123" + "99909", smpp.StateExpired, 0},
		{"SIM busy once", "416123" + "99911", smpp.StateDelivered, 1},
		{"OK without +CMGS", "416123" + "99913", smpp.StateUnknown, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBench(t)
			b.account("shop", 0)
			c := b.bind(smpp.BindTransceiver, "shop")
			before := b.submit(c, "4161230001", "one that teaches the TP-MR")
			wantState(t, c, before, smpp.StateDelivered)
			id := b.submit(c, tt.to, "text")
			after := b.submit(c, "4161230000", "the next one goes all the same")
			wantState(t, c, after, smpp.StateDelivered)
			wantState(t, c, id, tt.want)
			n := 0
			for _, text := range b.phone.Texts() {
				if text.To.Number == tt.to {
					n++
				}
			}
			if n != tt.phones {
				t.Errorf("the phone got it %d times, want %d", n, tt.phones)
			}
		})
	}
}

// TestNoReports: through a modem that gives no status reports ACCEPTED is the end, and never DELIVERED.
func TestNoReports(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(_ *gateway.Options, c *sim.Config) { c.RefuseReports = true })
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	id := b.submit(c, "4161231234", "hello")
	b.wantText("hello")
	b.wantReceipt(c, id, smpp.StateAccepted)
	wantState(t, c, id, smpp.StateAccepted)
}

// TestReceiptsWait: a receipt is kept for an absent receiver, offered again after a refusal for now, and dropped after one
// for good.
func TestReceiptsWait(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	tx := b.bind(smpp.BindTransmitter, "shop")
	id := b.submit(tx, "4161231234", "hello")
	wantState(t, tx, id, smpp.StateDelivered)

	var tries atomic.Int32
	rx := b.dial()
	rx.OnDeliver = func(*smpp.DeliverSM) smpp.Status {
		if tries.Add(1) == 1 {
			return smpp.StatusRxTAppn
		}
		return smpp.StatusOK
	}
	if _, err := rx.Bind(smpp.BindReceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	b.wantReceipt(rx, id, smpp.StateDelivered) // the one that it took: the first it refused for now
	if n := tries.Load(); n != 2 {
		t.Errorf("offered %d times, want 2", n)
	}
	if err := rx.Unbind(); err != nil {
		t.Errorf("unbind: %v", err)
	}
	again := b.bind(smpp.BindReceiver, "shop")
	id = b.submit(tx, "4161231234", "second")
	b.wantReceipt(again, id, smpp.StateDelivered) // and nothing of the first before it
}

func TestInbound(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("first", 0)
	b.account("second", 0)
	c := b.bind(smpp.BindTransceiver, "first")
	for _, tt := range []struct {
		text   string
		coding uint8
		want   string
	}{
		{"Thank you!", 0, "Thank you!"},
		{"Café", 3, "Caf\xe9"},
		{"Привет 🎉", 8, string(sms.EncodeUCS2("Привет 🎉"))},
	} {
		if err := b.phone.Receive("+491701234567", tt.text); err != nil {
			t.Fatal(err)
		}
		d := b.wantDelivery(c)
		if string(d.ShortMessage) != tt.want || d.DataCoding != tt.coding || d.ESMClass != 0 || d.Source.Addr != "491701234567" {
			t.Errorf("%q came as %q, data_coding %d, esm_class %#02x, from %s", tt.text, d.ShortMessage, d.DataCoding, d.ESMClass, d.Source.Addr)
		}
	}
	inbox, err := b.Inbox(store.InboxFilter{})
	if err != nil || len(inbox) != 3 {
		t.Errorf("the inbox has %d texts (%v), want 3", len(inbox), err)
	}
}

// TestGSM7Account: data_coding 0 is GSM 03.38 both ways for an account that says so.
func TestGSM7Account(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	if _, err := b.AddAccount(gateway.NewAccount{Key: "shop", Password: "secret", Settings: gateway.Settings{"alphabet": gateway.AlphabetGSM7}}); err != nil {
		t.Fatal(err)
	}
	c := b.bind(smpp.BindTransceiver, "shop")
	b.submit(c, "4161231234", "a\x00b_\x1b<\x02c") // GSM 03.38: a@b§[$c
	b.wantText("a@b§[$c")
	if d := b.wantDelivery(c); !strings.HasSuffix(string(d.ShortMessage), "text:a?b???c") {
		t.Errorf("receipt %q, want only what is the same in ASCII and GSM 03.38", d.ShortMessage)
	}
	if err := b.phone.Receive("+491701234567", "x@[y]"); err != nil {
		t.Fatal(err)
	}
	if d := b.wantDelivery(c); string(d.ShortMessage) != "x\x00\x1b<y\x1b>" || d.DataCoding != 0 {
		t.Errorf("text %q with data_coding %d, want GSM 03.38", d.ShortMessage, d.DataCoding)
	}
}

func TestBindRefused(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.account("closed", 0)
	if err := b.SetDisabled("closed", true); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, key, password string
		want                smpp.Status
	}{
		{"wrong password", "shop", "guess", smpp.StatusInvPaswd},
		{"no such account", "nobody", "secret", smpp.StatusInvPaswd},
		{"a key that can't be", "no body", "secret", smpp.StatusInvSysID},
		{"disabled", "closed", "secret", smpp.StatusBindFail},
		{"disabled and wrong password", "closed", "guess", smpp.StatusInvPaswd},
		{"the built-in account", gateway.OperatorKey, "", smpp.StatusInvSysID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := b.dial()
			if _, err := c.Bind(smpp.BindTransceiver, tt.key, tt.password); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := c.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil {
				t.Errorf("a second try with the right password: %v", err)
			}
		})
	}
}

// TestAccessEnds: disabling an account and a new password end its sessions at once.
func TestAccessEnds(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	for name, change := range map[string]func() error{
		"password": func() error { return b.SetPassword("shop", "secret") },
		"disable":  func() error { return b.SetDisabled("shop", true) },
	} {
		if err := b.SetDisabled("shop", false); err != nil {
			t.Fatal(err)
		}
		c := b.bind(smpp.BindTransceiver, "shop")
		if err := change(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Done():
		case <-time.After(patience):
			t.Errorf("%s: the session goes on", name)
		}
	}
}

// TestStrangers: an account neither sees nor cancels another's messages.
func TestStrangers(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	b.account("other", 0)
	shop, other := b.bind(smpp.BindTransceiver, "shop"), b.bind(smpp.BindTransceiver, "other")
	id, err := shop.Submit(&smpp.SubmitSM{Source: smpp.Address{Addr: "77"}, Destination: smpp.Address{Addr: "4161231234"}, ScheduleDeliveryTime: "000000010000000R"})
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []string{id, "1", "0", "abc", "99999999999"} {
		if _, err := other.Query(ask, smpp.Address{}); !errors.Is(err, smpp.StatusInvMsgID) {
			t.Errorf("query_sm of %s by a stranger: %v, want ESME_RINVMSGID", ask, err)
		}
		if err := other.Cancel(&smpp.CancelSM{MessageID: ask}); ask != "" && !errors.Is(err, smpp.StatusInvMsgID) {
			t.Errorf("cancel_sm of %s by a stranger: %v, want ESME_RINVMSGID", ask, err)
		}
	}
	if err := other.Cancel(&smpp.CancelSM{Source: smpp.Address{Addr: "77"}, Destination: smpp.Address{Addr: "4161231234"}}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("cancel_sm by address by a stranger: %v, want ESME_RCANCELFAIL", err)
	}
	if _, err := shop.Query(id, smpp.Address{Addr: "78"}); !errors.Is(err, smpp.StatusInvMsgID) {
		t.Errorf("query_sm with another source_addr: %v, want ESME_RINVMSGID", err)
	}
	if _, err := shop.Query("00"+id, smpp.Address{Addr: "77"}); err == nil && len(id) == 10 {
		t.Errorf("query_sm with 12 digits was answered")
	}
	if err := shop.Cancel(&smpp.CancelSM{MessageID: id, Source: smpp.Address{TON: 1, NPI: 1, Addr: "77"}}); err != nil {
		t.Errorf("cancel_sm by its own account, with other ton and npi: %v", err)
	}
}

// TestPurged: after its keeping time a message is ESME_RQUERYFAIL to its account, and still nobody else's.
func TestPurged(t *testing.T) {
	t.Parallel()
	b := startBench(t, func(o *gateway.Options, _ *sim.Config) { o.Keep = 200 * time.Millisecond })
	b.account("shop", 0)
	b.account("other", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	id := b.submit(c, "4161231234", "hello")
	b.wantReceipt(c, id, smpp.StateDelivered)
	deadline := time.Now().Add(patience)
	for {
		_, err := c.Query(id, smpp.Address{})
		if errors.Is(err, smpp.StatusQueryFail) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("query_sm past the keeping time: %v, want ESME_RQUERYFAIL", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); !errors.Is(err, smpp.StatusCancelFail) {
		t.Errorf("cancel_sm past the keeping time: %v, want ESME_RCANCELFAIL", err)
	}
	if _, err := b.bind(smpp.BindTransceiver, "other").Query(id, smpp.Address{}); !errors.Is(err, smpp.StatusInvMsgID) {
		t.Errorf("query_sm of a stranger past the keeping time: %v, want ESME_RINVMSGID", err)
	}
}

// TestRestart: what was queued and what waits in the outbox is there after a restart, and nothing is sent twice.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path)
	b.account("shop", 0)
	tx := b.bind(smpp.BindTransmitter, "shop")
	sent := b.submit(tx, "4161231234", "sent before")
	wantState(t, tx, sent, smpp.StateDelivered)
	b.phone.SetRegistration(0)
	queued := b.submit(tx, "4161239999", "sent after")
	b.stop()

	b = startBenchOn(t, path)
	c := b.bind(smpp.BindTransceiver, "shop")
	b.wantText("sent after")
	got := map[string]bool{}
	for range 2 {
		r, err := smpp.ParseReceipt(string(b.wantDelivery(c).ShortMessage))
		if err != nil {
			t.Fatal(err)
		}
		got[r.MessageID] = true
	}
	if !got[sent] || !got[queued] {
		t.Errorf("receipts of %v, want %s and %s", got, sent, queued)
	}
}

// TestWindow: answers to a window of requests come in order, and the ids rise with it.
func TestWindow(t *testing.T) {
	t.Parallel()
	b := startBench(t)
	b.account("shop", 0)
	c := b.bind(smpp.BindTransceiver, "shop")
	var open []<-chan smpp.PDU
	for range 50 {
		ch, err := c.Send(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ShortMessage: []byte("x"), ScheduleDeliveryTime: "000000010000000R"})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, ch)
	}
	last := store.ID(0)
	for i, ch := range open {
		p := <-ch
		resp, ok := p.Body.(*smpp.SubmitSMResp)
		if !ok || p.Status != smpp.StatusOK {
			t.Fatalf("answer %d is %v", i, p)
		}
		id, err := store.ParseID(resp.MessageID)
		if err != nil || id <= last {
			t.Fatalf("answer %d has the id %q after %s", i, resp.MessageID, last)
		}
		last = id
	}
}

var _ io.Closer = (*gateway.Gateway)(nil)
