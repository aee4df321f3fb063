package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/store"
)

// purse is a line to a simulated modem on which a test says what the network answers to the code of the balance.
type purse struct {
	net.Conn
	mu     *sync.Mutex
	amount *string // as long as "12.34"
	menu   *bool   // the network asks something back
}

func (p purse) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := bytes.Index(b[:n], []byte("Your balance is ")); at >= 0 && *p.amount != "" {
		copy(b[at+len("Your balance is "):n], *p.amount)
	}
	if at := bytes.Index(b[:n], []byte("+CUSD: 0,")); at >= 0 && *p.menu {
		b[at+len("+CUSD: ")] = '1'
	}
	return n, err
}

// prepaid is a gateway with one modem whose credit is watched. It is for a bubble of synctest.
type prepaid struct {
	*gateway.Gateway
	t     *testing.T
	log   *lockedBuffer
	phone *sim.Modem
	mu    sync.Mutex
	says  string // the amount in the network's answer
	menu  bool   // which has a menu behind it
	ended chan error
	stop  context.CancelFunc
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// count tells how many lines hold a text.
func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), text)
}

func openPrepaid(t *testing.T, path string, rule gateway.BalanceRule) *prepaid {
	t.Helper()
	p := &prepaid{t: t, log: &lockedBuffer{}, phone: sim.New(sim.Config{}), says: "12.34"}
	log := slog.New(slog.NewTextHandler(p.log, nil))
	g, err := gateway.Open(gateway.Options{Path: path, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	p.Gateway = g
	g.AddModem(modem.Config{Name: "sim1", Port: "in memory", Log: log,
		Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
			here, there := net.Pipe()
			go func() {
				p.phone.Serve(ctx, there)
				there.Close()
			}()
			return purse{here, &p.mu, &p.says, &p.menu}, nil
		}}, gateway.ModemRules{Balance: rule})
	return p
}

func (p *prepaid) run() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.ended = stop, make(chan error, 1)
	go func() { p.ended <- p.Run(ctx) }()
}

func (p *prepaid) end() {
	p.t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		p.t.Errorf("run: %v", err)
	}
	if err := p.Close(); err != nil {
		p.t.Errorf("close: %v", err)
	}
}

func (p *prepaid) answer(amount string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = amount
}

func (p *prepaid) view() gateway.ModemView {
	p.t.Helper()
	v, err := p.ModemView("sim1")
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// state tells how a message is.
func (p *prepaid) state(id store.ID) store.State {
	p.t.Helper()
	m, err := p.Message(id)
	if err != nil {
		p.t.Fatal(err)
	}
	return m.State
}

// why tells why a message waits.
func (p *prepaid) why(id store.ID) string {
	p.t.Helper()
	m, err := p.Message(id)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.Why(m)
}

func (p *prepaid) send(to string) store.ID {
	p.t.Helper()
	id, err := p.SendText(context.Background(), "", to, "hello")
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// TestBalance: a modem whose SIM has too little begins no message, over a restart too, until there is enough again or
// an operator says so.
func TestBalance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	rule := gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Every: 10 * time.Minute, Low: 200}
	synctest.Test(t, func(t *testing.T) {
		p := openPrepaid(t, path, rule)
		p.run()
		time.Sleep(time.Minute)
		if b := p.view().Balance; b.Amount != "12.34 EUR" || b.Low || b.Limit != "2.00" ||
			!strings.Contains(b.Text, "Your balance") || b.At.IsZero() {
			t.Errorf("after the first reading: %+v", b)
		}
		first := p.send("+491701234567")
		time.Sleep(time.Minute)
		if got := p.state(first); got != store.Delivered {
			t.Errorf("with credit a message is %s", got)
		}

		p.answer("01.99")
		time.Sleep(10 * time.Minute)
		if v := p.view(); !v.Balance.Low || !strings.Contains(v.Waiting, "1.99 EUR") {
			t.Errorf("with too little: %+v, waiting %q", v.Balance, v.Waiting)
		}
		second := p.send("+491701234568")
		time.Sleep(30 * time.Minute)
		if got := p.state(second); got != store.Queued {
			t.Errorf("without credit a message is %s", got)
		}
		if why := p.why(second); !strings.Contains(why, "credit of its SIM is low") {
			t.Errorf("it waits: %q", why)
		}
		if n := p.log.count("the credit of the SIM is low"); n != 1 {
			t.Errorf("the alarm was logged %d times", n)
		}
		p.end()

		p = openPrepaid(t, path, rule)
		p.answer("01.50")
		p.run()
		time.Sleep(10 * time.Second)
		if got := p.state(second); got != store.Queued {
			t.Errorf("after a restart the message is %s", got)
		}
		if err := p.ResumeModem("sim1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if got := p.state(second); got != store.Delivered {
			t.Errorf("the operator let it work, and the message is %s", got)
		}
		time.Sleep(time.Hour)
		third := p.send("+491701234569")
		time.Sleep(time.Minute)
		if got := p.state(third); got != store.Queued || !p.view().Balance.Low {
			t.Errorf("after the next reading, low again: the message is %s, %+v", got, p.view().Balance)
		}
		if n := p.log.count("the credit of the SIM is low"); n != 1 {
			t.Errorf("after the restart the alarm was logged %d times, want once whatever the operator allowed", n)
		}
		p.answer("20.00")
		time.Sleep(time.Hour)
		if got := p.state(third); got != store.Delivered {
			t.Errorf("topped up, and the message is %s", got)
		}
		if n := p.log.count("enough again"); n != 1 {
			t.Errorf("the end was logged %d times", n)
		}
		if err := errors.Join(p.PauseModem("sim1", "a new stick"), p.ResumeModem("sim1")); err != nil {
			t.Fatal(err)
		}
		if p.view().Balance.Ignored {
			t.Error("with enough credit the end of a pause counts as leave to work with too little")
		}
		p.end()
	})
}

// TestLowFromTheStart: a modem that stops for a reading on file is an alarm as well, once: with a limit that is above it
// now, and after a start; not where an operator lets it work.
func TestLowFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	rule := gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Low: 200}
	synctest.Test(t, func(t *testing.T) {
		for _, start := range []struct {
			low    int64
			resume bool
			alarms int
		}{{200, false, 0}, {2000, false, 1}, {2000, true, 1}, {2000, false, 0}, {200, false, 0}, {2000, false, 0}} {
			rule.Low = start.low
			p := openPrepaid(t, path, rule)
			p.run()
			time.Sleep(2 * time.Minute)
			if v := p.view(); v.Balance.Low != (start.low > 1234) {
				t.Errorf("with %d: %+v", start.low, v.Balance)
			}
			if start.resume {
				if err := p.ResumeModem("sim1"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Minute)
			lines := p.log.count(`level=ERROR msg="the credit of the SIM is low`)
			if lines != start.alarms || p.log.count("enough again") != 0 {
				t.Errorf("%+v: %d alarms, %d ends", start, lines, p.log.count("enough again"))
			}
			p.end()
		}
	})
}

// TestReadBalance: an operator has the credit read after a top-up, and the modem goes on at once.
func TestReadBalance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	synctest.Test(t, func(t *testing.T) {
		p := openPrepaid(t, path, gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Low: 200})
		if _, err := p.ReadBalance(t.Context(), "sim1"); !errors.Is(err, gateway.ErrNotRunning) {
			t.Errorf("while no gateway runs: %v", err)
		}
		p.answer("00.50")
		p.run()
		time.Sleep(time.Minute)
		id := p.send("+491701234567")
		time.Sleep(time.Minute)
		if got := p.state(id); got != store.Queued {
			t.Errorf("without credit a message is %s", got)
		}
		p.answer("20.00")
		if b, err := p.ReadBalance(t.Context(), "sim1"); err != nil || b.Amount != "20.00 EUR" || b.Low {
			t.Errorf("after a top-up: %+v, %v", b, err)
		}
		time.Sleep(time.Minute)
		if got := p.state(id); got != store.Delivered {
			t.Errorf("after the reading the message is %s", got)
		}
		p.end()
	})
}

// TestBalanceTrouble: what can't be read is tried again, told once, and holds up nothing.
func TestBalanceTrouble(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	synctest.Test(t, func(t *testing.T) {
		p := openPrepaid(t, path, gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*999#"}, Every: 10 * time.Minute,
			Low: 200})
		p.run()
		time.Sleep(20 * time.Minute)
		b := p.view().Balance
		if b.Trouble == "" || b.Amount != "" || b.Low || !b.Watched {
			t.Errorf("a code that the network does not know: %+v", b)
		}
		if n := p.log.count("the balance could not be read"); n != 1 {
			t.Errorf("the trouble was logged %d times", n)
		}
		id := p.send("+491701234567")
		time.Sleep(time.Minute)
		if got := p.state(id); got != store.Delivered {
			t.Errorf("the balance is not known, and a message is %s", got)
		}
		p.end()
	})
}

// TestBalanceQuestion: a menu is no reading, whatever numbers it has, unless balance_match finds the credit in it.
func TestBalanceQuestion(t *testing.T) {
	for _, match := range []*regexp.Regexp{nil, regexp.MustCompile(`Guthaben (\d+)`), regexp.MustCompile(`^(\d+)`)} {
		path := filepath.Join(t.TempDir(), "gateway.db")
		synctest.Test(t, func(t *testing.T) {
			p := openPrepaid(t, path, gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*101#", Match: match},
				Every: 10 * time.Minute, Low: 200})
			p.run()
			time.Sleep(time.Minute)
			b := p.view().Balance
			fits := match != nil && match.MatchString("1 ")
			if fits != (b.Amount == "1.00") || fits != b.Low || fits == strings.Contains(b.Trouble, "answered with a question") {
				t.Errorf("balance_match %v: %+v", match, b)
			}
			id := p.send("+491701234567")
			time.Sleep(time.Minute)
			if got := p.state(id); fits != (got == store.Queued) {
				t.Errorf("balance_match %v: a message is %s", match, got)
			}
			p.end()
		})
	}
}

// TestBalanceMenu: credit that is certain is read before a menu too, and stops the modem when it is low; what may be
// something else is no reading.
func TestBalanceMenu(t *testing.T) {
	for says, low := range map[string]bool{"01.99": true, "9 c =": false, "> 1.0": false} {
		path := filepath.Join(t.TempDir(), "gateway.db")
		synctest.Test(t, func(t *testing.T) {
			p := openPrepaid(t, path, gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Every: 10 * time.Minute,
				Low: 200})
			p.menu = true
			p.answer(says)
			p.run()
			time.Sleep(time.Minute)
			b := p.view().Balance
			if low != (b.Amount == "1.99 EUR") || low != b.Low || low == strings.Contains(b.Trouble, "answered with a question") {
				t.Errorf("%s: %+v", says, b)
			}
			id := p.send("+491701234567")
			time.Sleep(time.Minute)
			if got := p.state(id); low != (got == store.Queued) {
				t.Errorf("%s: a message is %s", says, got)
			}
			p.end()
		})
	}
}

// TestBalanceBare: a number without currency and decimals is shown, and stops nothing.
func TestBalanceBare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	synctest.Test(t, func(t *testing.T) {
		p := openPrepaid(t, path, gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Every: 10 * time.Minute,
			Low: 200})
		p.answer("1    left")
		p.run()
		time.Sleep(time.Minute)
		if v := p.view(); v.Balance.Amount != "1.00" || v.Balance.Low || !v.Balance.Bare || v.Waiting != "" {
			t.Errorf("%+v, waiting %q", v.Balance, v.Waiting)
		}
		p.end()
	})
}

// TestConsole: what an operator may have done on a modem's line.
func TestConsole(t *testing.T) {
	b := startBench(t)
	if _, err := b.Command(t.Context(), "nobody", "AT"); !errors.As(err, new(*gateway.InputError)) {
		t.Errorf("a modem that is not there: %v", err)
	}
	wait := func() {
		t.Helper()
		for end := time.Now().Add(patience); b.Modems()[0].State != modem.StateReady; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the modem is %s", b.Modems()[0].State)
			}
		}
	}
	wait()
	lines, err := b.Command(t.Context(), "sim1", "AT+CSQ")
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "+CSQ:") || lines[1] != "OK" {
		t.Errorf("AT+CSQ: %q, %v", lines, err)
	}
	if _, err := b.Command(t.Context(), "sim1", "AT+CMGS=20"); !errors.As(err, new(*modem.CommandError)) {
		t.Errorf("AT+CMGS: %v", err)
	}
	if r, err := b.USSD(t.Context(), "sim1", "*100#"); err != nil || r.Text != "Your balance is 12.34 EUR." {
		t.Errorf("*100#: %+v, %v", r, err)
	}
	opens := b.Modems()[0].Opens
	if err := b.ResetModem(t.Context(), "sim1"); err != nil {
		t.Errorf("reset: %v", err)
	}
	for end := time.Now().Add(patience); b.Modems()[0].Opens == opens; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the modem was not opened again")
		}
	}
	wait()
}

// TestConsoleClosed: without a gateway that runs there is no line.
func TestConsoleClosed(t *testing.T) {
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(t.TempDir(), "gateway.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.AddModem(modem.Config{Name: "sim1", Port: "/dev/none"}, gateway.ModemRules{})
	_, command := g.Command(t.Context(), "sim1", "AT")
	_, ussd := g.USSD(t.Context(), "sim1", "*100#")
	for what, err := range map[string]error{"command": command, "ussd": ussd, "reset": g.ResetModem(t.Context(), "sim1")} {
		if !errors.Is(err, gateway.ErrNotRunning) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
