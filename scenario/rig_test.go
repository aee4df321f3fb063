package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// patience is for what must happen; nothing waits so long when all is well.
const patience = 30 * time.Second

// quick is a driver's timing for tests: the modem's answer is given up after a second instead of three minutes, and so on.
func quick() modem.Timing {
	return modem.Timing{
		Command: 2 * time.Second, Long: 2 * time.Second, Prompt: time.Second, Result: time.Second, Stop: 2 * time.Second,
		Grace: 100 * time.Millisecond, Settle: 10 * time.Millisecond, Probe: 200 * time.Millisecond, Quiet: 30 * time.Millisecond,
		Poll: 50 * time.Millisecond, SIM: 3 * time.Second, Blocked: 200 * time.Millisecond, Loss: 200 * time.Millisecond,
		Health: 2 * time.Second, RetryMin: 50 * time.Millisecond, RetryMax: 500 * time.Millisecond, Reset: 2 * time.Second,
		Second: 200 * time.Millisecond, RetryLong: 500 * time.Millisecond, Alarm: 2 * time.Second,
	}
}

// rig is a gateway with simulated modems and one client.
type rig struct {
	t      *testing.T
	g      *gateway.Gateway
	client *smpptest.Client
	addr   string
	air    *sim.Network
	modems []*sim.Modem
	spares []string // the links of those that the gateway does not know

	mu       sync.Mutex
	receipts map[string][]string // states, by message_id
	inbound  []*smpp.DeliverSM
}

// plan says what a rig is made of. The zero value is one modem, one account with the gateway's defaults.
type plan struct {
	modems    int
	simulated func(n int, c *sim.Config)
	modem     func(n int, c *modem.Config)
	options   func(*gateway.Options)
	account   gateway.NewAccount
	rules     gateway.ModemRules
	spare     int        // modems of which the gateway does not know
	card      *sim.Modem // takes the place of the first modem; nil: a new one
}

// start runs a gateway and binds to it. It ends with the test.
func start(t *testing.T, p plan) *rig {
	t.Helper()
	r := &rig{t: t, air: sim.NewNetwork(), receipts: make(map[string][]string)}
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	opt := gateway.Options{Path: filepath.Join(dir, "gateway.db"), Defaults: gateway.Defaults{UncertainWait: 2 * time.Second}, Log: log, Waits: gateway.Waits{
		Refused: []time.Duration{time.Second, 200 * time.Millisecond}, Soon: 200 * time.Millisecond, Mishap: 100 * time.Millisecond,
		Barred: 500 * time.Millisecond, BarredMost: 2 * time.Second, Rest: 100 * time.Millisecond, RestMost: 500 * time.Millisecond,
	}}
	if p.options != nil {
		p.options(&opt)
	}
	g, err := gateway.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	r.g = g
	hardware, unplug := context.WithCancel(context.Background())
	work, stop := context.WithCancel(context.Background())
	var devices, parts sync.WaitGroup
	for n := range max(p.modems, 1) + p.spare {
		r.addModem(hardware, &devices, dir, n, p, log)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	// On a busy machine the client may answer late; a receipt that is delivered twice would be one too many.
	server := &smpp.Server{SystemID: "test", Backend: g, Log: log, Response: 30 * time.Second}
	parts.Go(func() {
		if err := server.Serve(work, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	parts.Go(func() {
		if err := g.Run(work); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		parts.Wait()
		unplug()
		devices.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	r.client = r.bind(p.account)
	return r
}

// addModem makes modem n, with a number, a SIM and an IMEI of its own, all in one network.
func (r *rig) addModem(ctx context.Context, devices *sync.WaitGroup, dir string, n int, p plan, log *slog.Logger) {
	c := sim.Config{
		IMEI: fmt.Sprintf("49015420323751%d", n), IMSI: fmt.Sprintf("26201123456789%d", n), ICCID: fmt.Sprintf("894901000012345678%d", n),
		Number: fmt.Sprintf("+49176000000%d", n), Network: r.air, BootTime: 50 * time.Millisecond, Late: 500 * time.Millisecond,
	}
	if p.simulated != nil {
		p.simulated(n, &c)
	}
	m := p.card
	if m == nil || n > 0 {
		m = sim.New(c)
	}
	r.modems = append(r.modems, m)
	link, ready := filepath.Join(dir, fmt.Sprintf("ttyUSB%d", n)), make(chan struct{})
	var once sync.Once
	devices.Go(func() {
		if err := m.ServePTY(ctx, link, func(string) { once.Do(func() { close(ready) }) }); err != nil {
			r.t.Errorf("modem %d: %v", n, err)
		}
	})
	<-ready
	if n >= max(p.modems, 1) {
		r.spares = append(r.spares, link)
		return
	}
	cfg := modem.Config{Name: fmt.Sprintf("sim%d", n+1), Port: link, Log: log, Timing: quick()}
	if p.modem != nil {
		p.modem(n, &cfg)
	}
	r.g.AddModem(cfg, p.rules)
}

// bind makes the account and opens a session that takes all receipts and texts.
func (r *rig) bind(acct gateway.NewAccount) *smpptest.Client {
	r.t.Helper()
	if acct.Key == "" {
		acct.Key = "shop"
	}
	acct.Password = "secret"
	if _, err := r.g.AddAccount(acct); err != nil && !errors.Is(err, store.ErrAccountExists) {
		r.t.Fatal(err)
	}
	c, err := smpptest.Dial(r.t.Context(), r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c.Timeout, c.OnDeliver = patience, r.take
	if _, err := c.Bind(smpp.BindTransceiver, acct.Key, "secret"); err != nil {
		r.t.Fatal(err)
	}
	go func() { // take keeps what matters; the channel must not fill
		for range c.Deliveries() {
		}
	}()
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) take(d *smpp.DeliverSM) smpp.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.ESMClass&0x3C == 0 {
		r.inbound = append(r.inbound, d)
		return smpp.StatusOK
	}
	receipt, err := smpp.ParseReceipt(string(d.ShortMessage))
	if err != nil {
		r.t.Errorf("receipt %q: %v", d.ShortMessage, err)
		return smpp.StatusOK
	}
	r.receipts[receipt.MessageID] = append(r.receipts[receipt.MessageID], receipt.State.String())
	return smpp.StatusOK
}

// submit hands in a text, of any length, and gives its message_id.
func (r *rig) submit(to, text string) string {
	r.t.Helper()
	id, err := r.client.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: to}, RegisteredDelivery: 1,
		TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(text)}}})
	if err != nil {
		r.t.Fatalf("submit_sm to %s: %v", to, err)
	}
	return id
}

// receiptsOf lists the states that the receipts of a message told, in order.
func (r *rig) receiptsOf(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.receipts[id])
}

// state asks by query_sm.
func (r *rig) state(id string) smpp.MessageState {
	r.t.Helper()
	resp, err := r.client.Query(id, smpp.Address{})
	if err != nil {
		r.t.Fatalf("query_sm %s: %v", id, err)
	}
	return resp.MessageState
}

// until waits for what must come.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	r.within(patience, what, done)
}

func (r *rig) within(d time.Duration, what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(d); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("it never came: %s\n%s", what, r.how())
		}
	}
}

// how tells where things stand, for whoever reads a failure.
func (r *rig) how() string {
	var b strings.Builder
	for _, m := range r.g.Modems() {
		fmt.Fprintf(&b, "%s: %s, %s, last error %q\n", m.Name, m.State, m.RegistrationText, m.LastError)
	}
	for _, t := range r.air.Texts() {
		fmt.Fprintf(&b, "at phone %s: %q (part %d of %d)\n", t.To, t.Text, t.Part, t.Total)
	}
	return b.String()
}

// arrived counts how often each whole text has reached its phone.
func (r *rig) arrived() map[string]int {
	n := make(map[string]int)
	for _, t := range r.air.Texts() {
		if t.Whole {
			n[t.Text]++
		}
	}
	return n
}
