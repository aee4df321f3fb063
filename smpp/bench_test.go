package smpp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// memory is a Backend that lets everybody in and accepts every message at once.
type memory struct{ last atomic.Uint64 }

func (m *memory) Bind(context.Context, *Session, *Bind) (Handler, error) { return m, nil }
func (m *memory) Query(context.Context, *QuerySM) (*QuerySMResp, error)  { return &QuerySMResp{}, nil }
func (m *memory) Cancel(context.Context, *CancelSM) error                { return nil }
func (m *memory) Replace(context.Context, *ReplaceSM) error              { return nil }
func (m *memory) Bound(*Session)                                         {}
func (m *memory) Closed(*Session)                                        {}
func (m *memory) Submit(_ context.Context, p *SubmitSM) (Submission, error) {
	return accepted(strconv.FormatUint(m.last.Add(1), 10)), nil
}

func (m *memory) SubmitMulti(context.Context, *SubmitMulti) (MultiSubmission, error) {
	return acceptedAll{MessageID: strconv.FormatUint(m.last.Add(1), 10)}, nil
}

func (m *memory) Data(context.Context, *DataSM) (Submission, error) {
	return accepted(strconv.FormatUint(m.last.Add(1), 10)), nil
}

// accepted is a message that was safe at once.
type accepted string

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (accepted) Done() <-chan struct{}     { return closedChan }
func (a accepted) Result() (string, error) { return string(a), nil }

// BenchmarkSubmit measures submit_sm over loopback into a backend in memory, one session, with so many requests open.
func BenchmarkSubmit(b *testing.B) {
	for _, window := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) { benchmarkSubmit(b, window) })
	}
}

func benchmarkSubmit(b *testing.B, window int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended := make(chan error)
	server := &Server{SystemID: "bench", Backend: &memory{}, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- server.Serve(ctx, ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	frames := NewFrameReader(conn, 1000)
	exchange := func(body Body) {
		pdu, err := PDU{Sequence: 1, Body: body}.Append(nil)
		if err != nil {
			b.Fatal(err)
		}
		conn.Write(pdu)
		if _, err := frames.Next(); err != nil {
			b.Fatal(err)
		}
	}
	exchange(&Bind{Kind: BindTransceiver})
	submit, err := PDU{Sequence: 2, Body: &SubmitSM{Source: Address{1, 1, "4915112345"}, Destination: Address{1, 1, "491701234567"},
		ShortMessage: []byte("hello, this is a text of a usual length, more or less")}}.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	free := make(chan int, window)
	free <- window
	go func() {
		var burst []byte
		for sent := 0; sent < b.N; {
			n := min(<-free, b.N-sent)
			burst = burst[:0]
			for range n {
				burst = append(burst, submit...)
			}
			conn.Write(burst)
			sent += n
		}
	}()
	for got := 0; got < b.N; {
		n := 0
		for ok := true; ok; ok = frames.Buffered() {
			if _, err := frames.Next(); err != nil {
				b.Error(err)
				return
			}
			n++
		}
		got += n
		free <- n
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submit/s")
	exchange(&Unbind{})
	conn.Close()
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
