package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
)

// BenchmarkGap measures how long the line is idle between two texts: from the final OK of one, as the driver reads it, to
// the AT+CMGS of the next. The modem takes no time of its own, and each text goes to another number.
func BenchmarkGap(b *testing.B) {
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(b.TempDir(), "gateway.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	for n := range b.N {
		if _, err := g.SendText(b.Context(), "", fmt.Sprintf("+4916%08d", n), "hello"); err != nil {
			b.Fatal(err)
		}
	}
	line := &tappedLine{left: b.N, done: make(chan struct{})}
	phone := sim.New(sim.Config{RefuseReports: true})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	g.AddModem(modem.Config{Name: "sim1", Open: func(ctx context.Context, _ string, _ int) (modem.Port, error) {
		here, there := net.Pipe()
		parts.Go(func() {
			phone.Serve(ctx, there)
			there.Close()
		})
		line.ReadWriteCloser = here
		return line, nil
	}}, gateway.ModemRules{})
	b.ResetTimer()
	parts.Go(func() {
		if err := g.Run(ctx); err != nil {
			b.Errorf("run: %v", err)
		}
	})
	<-line.done
	b.StopTimer()
	if slices.Sort(line.gaps); len(line.gaps) > 0 {
		b.ReportMetric(float64(line.gaps[len(line.gaps)/2]), "gap-p50-ns")
		b.ReportMetric(float64(line.gaps[len(line.gaps)*99/100]), "gap-p99-ns")
	}
}

// tappedLine measures the gaps as the two sides of a line see them.
type tappedLine struct {
	io.ReadWriteCloser
	done chan struct{}

	mu   sync.Mutex
	said []byte    // by the modem since the last AT+CMGS
	idle time.Time // since the OK behind a +CMGS
	gaps []time.Duration
	left int // texts to go
}

func (l *tappedLine) Read(p []byte) (int, error) {
	n, err := l.ReadWriteCloser.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, p[:n]...)
	if at := bytes.Index(l.said, []byte("+CMGS:")); at >= 0 && bytes.Contains(l.said[at:], []byte("OK\r\n")) {
		l.idle, l.said = time.Now(), nil
		if l.left--; l.left == 0 {
			close(l.done)
		}
	}
	return n, err
}

func (l *tappedLine) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("AT+CMGS=")) {
		l.mu.Lock()
		if l.said = nil; !l.idle.IsZero() {
			l.gaps = append(l.gaps, time.Since(l.idle))
		}
		l.mu.Unlock()
	}
	return l.ReadWriteCloser.Write(p)
}
