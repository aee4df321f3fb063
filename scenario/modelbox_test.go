package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
)

// modelBox is a gateway that is stopped, or crashes, and starts again, while its modems and their phones live on.
type modelBox struct {
	t      *testing.T
	path   string
	air    *sim.Network
	modems []*sim.Modem
	log    *slog.Logger

	mu   sync.RWMutex // held for reading by whoever asks the gateway for something that is not SMPP
	g    *gateway.Gateway
	end  func(crash bool)
	born time.Time    // when this life began
	addr atomic.Value // of this life
	life atomic.Int64 // odd while a gateway runs
	ends atomic.Int64 // lives that were over
	mute atomic.Int64 // texts to the number to which the modem gives no answer, submitted or about to be

	steps chan struct{} // one for each operation
}

const modelModems = 2

// modelResponse is how long a session is waited for.
const modelResponse = 2 * time.Second

func newModelBox(t *testing.T) *modelBox {
	b := &modelBox{t: t, path: filepath.Join(t.TempDir(), "gateway.db"), air: sim.NewNetwork(), log: slog.New(slog.DiscardHandler),
		steps: make(chan struct{}, 1000)}
	for n := range modelModems {
		b.modems = append(b.modems, sim.New(sim.Config{
			IMEI: fmt.Sprintf("49015420323751%d", n), IMSI: fmt.Sprintf("26201123456789%d", n), ICCID: fmt.Sprintf("894901000012345678%d", n),
			Number: fmt.Sprintf("+49176000000%d", n), Network: b.air, BootTime: 20 * time.Millisecond, ReportDelay: 5 * time.Millisecond,
		}))
	}
	b.open()
	t.Cleanup(func() { b.end(false) })
	return b
}

// open begins a life. The caller holds mu, or is alone.
func (b *modelBox) open() {
	b.t.Helper()
	b.born = time.Now()
	g, err := gateway.Open(gateway.Options{Path: b.path, Defaults: gateway.Defaults{UncertainWait: time.Second, InboundTo: "party0"},
		EvidenceWait: time.Second, ReportGrace: 2 * time.Second, Log: b.log, Waits: gateway.Waits{
			Refused: []time.Duration{50 * time.Millisecond}, Soon: 50 * time.Millisecond, Mishap: 20 * time.Millisecond,
			Barred: 100 * time.Millisecond, BarredMost: time.Second, Rest: 20 * time.Millisecond, RestMost: 100 * time.Millisecond,
		}})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served, serving := context.WithCancel(ctx)
	var parts sync.WaitGroup
	lines := newBreakable()
	for n, m := range b.modems {
		g.AddModem(modem.Config{Name: fmt.Sprintf("sim%d", n+1), Port: "in memory", Log: b.log, Timing: modelTiming(),
			Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
				here, there := net.Pipe()
				lines.add(there)
				parts.Go(func() {
					m.Serve(ctx, there)
					there.Close()
				})
				return here, nil
			}}, gateway.ModemRules{})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	server := &smpp.Server{SystemID: "test", Backend: g, Log: b.log, Response: modelResponse}
	var crashed atomic.Bool
	parts.Go(func() {
		if err := server.Serve(served, tracked{ln, lines}); err != nil {
			b.t.Errorf("serve: %v", err)
		}
		cancel()
	})
	parts.Go(func() {
		if err := g.Run(ctx); err != nil && !crashed.Load() {
			b.t.Errorf("run: %v", err)
		}
	})
	b.g, b.end = g, func(crash bool) {
		b.life.Add(1)
		b.ends.Add(1)
		crashed.Store(crash)
		if crash {
			lines.breakAll()
			g.Close() // beneath everything that is at work
		}
		serving()
		parts.Wait()
		if err := g.Close(); err != nil && !crash {
			b.t.Errorf("close: %v", err)
		}
	}
	b.addr.Store(ln.Addr().String())
	b.life.Add(1)
}

// restart ends a life and begins the next one.
func (b *modelBox) restart(crash bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(crash)
	b.open()
}

// ask has something asked of the gateway of this life.
func (b *modelBox) ask(do func(g *gateway.Gateway) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return do(b.g)
}

// dial connects to the gateway of this life, or the next.
func (b *modelBox) dial() *smpptest.Client {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c, err := smpptest.Dial(context.Background(), b.addr.Load().(string))
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("connect: %v", err)
		}
	}
}

// modelTiming is a driver's timing for tests, with time enough for the result of a text on a busy machine.
func modelTiming() modem.Timing {
	return modem.Timing{
		Settle: time.Millisecond, Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond, RetryMin: 10 * time.Millisecond,
		Listen: 50 * time.Millisecond, Second: 50 * time.Millisecond, Grace: 50 * time.Millisecond, Result: 2 * time.Second, Stop: 2 * time.Second,
	}
}

// breakable are connections that can be broken together.
type breakable struct {
	mu     sync.Mutex
	conns  []net.Conn
	broken bool
}

func newBreakable() *breakable { return &breakable{} }

func (l *breakable) add(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		c.Close()
	}
	l.conns = append(l.conns, c)
}

func (l *breakable) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for _, c := range l.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

// tracked is a listener whose connections can be broken.
type tracked struct {
	net.Listener
	lines *breakable
}

func (l tracked) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.lines.add(c)
	}
	return c, err
}

// statusOf is the status of an answer, and whether there was an answer.
func statusOf(err error) (smpp.Status, bool) {
	var status smpp.Status
	if err == nil || errors.As(err, &status) {
		return status, true
	}
	return 0, false
}
