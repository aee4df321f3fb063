package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
)

// BenchmarkSubmit measures durable submit_sm a second over loopback TCP: the real gateway on its real store, each answer
// after the fsync, beside the same SMPP server with a backend that keeps nothing. Both take turns within each run, so
// that what else the machine does meets both; ratio is durable over nothing. The store lies in TMPDIR: it says nothing
// about a disk if that is one in memory.
//
//	go test -run '^$' -bench Submit -benchtime 2s ./e2e
func BenchmarkSubmit(b *testing.B) {
	for _, conns := range []int{1, 10} {
		for _, window := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("conns=%d/window=%d", conns, window), func(b *testing.B) {
				benchmarkSubmit(b, conns, window)
			})
		}
	}
}

func benchmarkSubmit(b *testing.B, conns, window int) {
	log := slog.New(slog.DiscardHandler)
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(b.TempDir(), "gateway.db"), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := g.AddAccount(gateway.NewAccount{Key: "bench", Password: "bench"}); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	durable := dialBench(b, ctx, &running, g, conns)
	nothing := dialBench(b, ctx, &running, newKeepsNothing(), conns)

	turn := max(200, 20*conns*window)
	var kept, dropped time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; done += turn {
		n := max(min(turn, b.N-done)/conns, 1)
		kept += durable.submit(b, n, window)
		dropped += nothing.submit(b, n, window)
	}
	b.StopTimer()
	total := float64(durable.answered.Load())
	b.ReportMetric(total/kept.Seconds(), "durable/s")
	b.ReportMetric(total/dropped.Seconds(), "nothing/s")
	b.ReportMetric(dropped.Seconds()/kept.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // of both together: says nothing

	durable.close()
	nothing.close()
	stop()
	running.Wait()
	if err := g.Close(); err != nil {
		b.Error(err)
	}
}

// keepsNothing answers each submit_sm at once and forgets it.
type keepsNothing struct {
	last atomic.Uint64 // message_id
	done chan struct{} // closed
}

func newKeepsNothing() *keepsNothing {
	k := &keepsNothing{done: make(chan struct{})}
	close(k.done)
	return k
}

func (k *keepsNothing) Bind(context.Context, *smpp.Session, *smpp.Bind) (smpp.Handler, error) {
	return k, nil
}

func (k *keepsNothing) Submit(context.Context, *smpp.SubmitSM) (smpp.Submission, error) {
	return forgotten{k.done, k.last.Add(1)}, nil
}

func (*keepsNothing) Query(context.Context, *smpp.QuerySM) (*smpp.QuerySMResp, error) {
	return nil, smpp.StatusInvMsgID
}

func (k *keepsNothing) Data(context.Context, *smpp.DataSM) (smpp.Submission, error) {
	return forgotten{k.done, k.last.Add(1)}, nil
}

func (*keepsNothing) SubmitMulti(context.Context, *smpp.SubmitMulti) (smpp.MultiSubmission, error) {
	return nil, smpp.StatusSubmitFail
}

func (*keepsNothing) Cancel(context.Context, *smpp.CancelSM) error   { return smpp.StatusInvMsgID }
func (*keepsNothing) Replace(context.Context, *smpp.ReplaceSM) error { return smpp.StatusInvMsgID }
func (*keepsNothing) Bound(*smpp.Session)                            {}
func (*keepsNothing) Closed(*smpp.Session)                           {}

// forgotten is a submission that is done as soon as it is made.
type forgotten struct {
	done chan struct{}
	id   uint64
}

func (f forgotten) Done() <-chan struct{}   { return f.done }
func (f forgotten) Result() (string, error) { return strconv.FormatUint(f.id, 10), nil }

// bench is a server with bound clients.
type bench struct {
	clients  []*benchClient
	answered atomic.Int64
}

// dialBench serves a backend until ctx ends, and binds to it.
func dialBench(b *testing.B, ctx context.Context, running *sync.WaitGroup, backend smpp.Backend, conns int) *bench {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &smpp.Server{SystemID: "bench", Backend: backend, Log: slog.New(slog.DiscardHandler), EnquireLink: -1}
	running.Go(func() {
		if err := server.Serve(ctx, ln); err != nil {
			b.Error(err)
		}
	})
	set := &bench{}
	for range conns {
		c, err := newBenchClient(ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		set.clients = append(set.clients, c)
	}
	return set
}

// submit has each client send n messages with this window, and gives the time until all are answered.
func (s *bench) submit(b *testing.B, n, window int) time.Duration {
	started := time.Now()
	var sending sync.WaitGroup
	for _, c := range s.clients {
		sending.Go(func() {
			if err := c.submit(n, window); err != nil {
				b.Error(err)
				return
			}
			s.answered.Add(int64(n))
		})
	}
	sending.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return time.Since(started)
}

func (s *bench) close() {
	for _, c := range s.clients {
		c.conn.Close()
	}
}

// benchClient is a client that costs little beside the server: it sends the same octets again and again, all that its
// window has room for in one write.
type benchClient struct {
	conn    net.Conn
	frames  *smpp.FrameReader
	request []byte // one submit_sm, but for its sequence_number
	out     []byte
	next    uint32 // sequence_number of the next request
	wanted  uint32 // and of the next answer: they come in order
	lastID  uint64 // of the last answer
}

func newBenchClient(addr string) (*benchClient, error) {
	return newBenchClientAs(addr, smpp.BindTransmitter)
}

func newBenchClientAs(addr string, kind smpp.BindKind) (*benchClient, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &benchClient{conn: conn, frames: smpp.NewFrameReader(conn, 1<<16), next: 2, wanted: 2}
	bind, err := smpp.PDU{Sequence: 1, Body: &smpp.Bind{Kind: kind, SystemID: "bench", Password: "bench"}}.Append(nil)
	if err != nil {
		return nil, err
	}
	c.request, err = smpp.PDU{Body: text("4161231234", "Your order 1042 is ready. You can fetch it until six.")}.Append(nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(bind); err != nil {
		return nil, err
	}
	answer, err := c.frames.Next()
	if err != nil {
		return nil, err
	}
	p, err := smpp.Decode(answer)
	if err == nil && p.Status != smpp.StatusOK {
		err = p.Status
	}
	return c, err
}

// submit sends n messages and returns when all are answered. Each answer must be the next one, with a new message_id.
func (c *benchClient) submit(n, window int) error {
	sent, answered, room := 0, 0, window
	for answered < n {
		if burst := min(room, n-sent); burst > 0 {
			if err := c.send(burst); err != nil {
				return err
			}
			sent += burst
			room -= burst
		}
		for first := true; first || c.frames.Buffered() && answered < n; first = false {
			b, err := c.frames.Next()
			if err != nil {
				return err
			}
			if err := c.check(b); err != nil {
				return err
			}
			answered++
			room++
		}
	}
	return nil
}

func (c *benchClient) send(burst int) error {
	c.out = c.out[:0]
	for range burst {
		binary.BigEndian.PutUint32(c.request[12:], c.next)
		c.next++
		c.out = append(c.out, c.request...)
	}
	_, err := c.conn.Write(c.out)
	return err
}

// check looks at a submit_sm_resp: command_id, command_status, sequence_number, message_id with its NUL.
func (c *benchClient) check(b []byte) error {
	header, err := smpp.ParseHeader(b)
	if err != nil {
		return err
	}
	if header.Command != smpp.CmdSubmitSMResp || header.Status != smpp.StatusOK || header.Sequence != c.wanted {
		return fmt.Errorf("got %s %s, sequence_number %d; want a submit_sm_resp with %d", header.Command, header.Status, header.Sequence, c.wanted)
	}
	c.wanted++
	id, err := strconv.ParseUint(string(b[16:len(b)-1]), 10, 64)
	if err != nil {
		return err
	}
	if id <= c.lastID {
		return errors.New("a message_id came twice, or out of order")
	}
	c.lastID = id
	return nil
}
