package modem

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// instant is a modem that answers at once, at the far end of a pty. It measures how long after its final OK the next
// AT+CMGS begins.
type instant struct {
	far     *os.File
	answers map[string]string
	gaps    []time.Duration
}

// run serves until the pty is closed.
func (m *instant) run() {
	r := bufio.NewReader(m.far)
	var ended time.Time // when the last final OK was written
	for {
		first, err := r.ReadByte()
		if err != nil {
			return
		}
		at := time.Now()
		if first == '\r' || first == 0x1b {
			continue
		}
		line, err := r.ReadString('\r')
		if err != nil {
			return
		}
		line = string(first) + strings.TrimSuffix(line, "\r")
		answer, known := m.answers[line]
		switch {
		case strings.HasPrefix(line, "AT+CMGS="):
			if !ended.IsZero() {
				m.gaps = append(m.gaps, at.Sub(ended))
			}
			m.far.WriteString("\r\n> ")
			if _, err := r.ReadString(0x1a); err != nil {
				return
			}
			ended = time.Now()
			m.far.WriteString("\r\n+CMGS: 12\r\n\r\nOK\r\n")
			continue
		case !known:
			answer = "\r\nOK\r\n"
		}
		ended = time.Time{}
		m.far.WriteString(answer)
	}
}

// ticks measures the same of a bare loop: what it takes for octets to cross the pty and for the other side to answer.
func ticks(b *testing.B, n int) []time.Duration {
	far, tty, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer far.Close()
	raw(b, tty)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256)
		for {
			if _, err := tty.Read(buf); err != nil {
				return
			}
			if _, err := tty.WriteString("AT+CMGS=19\r"); err != nil {
				return
			}
		}
	}()
	list := make([]time.Duration, 0, n)
	buf := make([]byte, 256)
	for range n {
		began := time.Now()
		if _, err := far.WriteString("\r\n+CMGS: 12\r\n\r\nOK\r\n"); err != nil {
			b.Fatal(err)
		}
		if k, err := far.Read(buf); err != nil || !bytes.HasPrefix(buf[:k], []byte("AT")) {
			b.Fatalf("read %q, %v", buf[:k], err)
		}
		list = append(list, time.Since(began))
	}
	far.Close()
	tty.Close()
	<-done
	return list
}

// raw switches off what a terminal does to octets.
func raw(b *testing.B, tty *os.File) {
	b.Helper()
	term, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		b.Fatal(err)
	}
	term.Iflag, term.Oflag, term.Lflag = 0, 0, 0
	term.Cc[unix.VMIN], term.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, term); err != nil {
		b.Fatal(err)
	}
}

// percentile returns the p-th percentile of list in nanoseconds.
func percentile(list []time.Duration, p int) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[min(len(list)-1, len(list)*p/100)].Nanoseconds())
}

// BenchmarkGap measures, over a pty and with a text always waiting, what passes between a text's final OK and the first
// octet of the next AT+CMGS, beside the bare loop on a pty (tick). A modem takes a second or more for each text; all of
// the gap is time in which it does nothing.
func BenchmarkGap(b *testing.B) {
	far, tty, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer far.Close()
	raw(b, tty)
	modem := &instant{far: far, answers: newFake().answers}
	var ends sync.WaitGroup
	ends.Go(modem.run)
	m := New(Config{Name: "sim1", Port: tty.Name(), Timing: Timing{Settle: 5 * time.Millisecond, Quiet: 5 * time.Millisecond}}, &inbox{})
	ctx, stop := context.WithCancel(b.Context())
	ends.Go(func() {
		if err := m.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	if _, err := m.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	tpdu := []byte("\x31\x00\x0b\x91\x21\x43\x65\x87\x09\xf1\x00\x00\xa7\x05\xe8\x32\x9b\xfd\x06")
	texts := make(chan struct{}, b.N)
	for range b.N {
		texts <- struct{}{}
	}
	close(texts)
	b.ResetTimer()
	var senders sync.WaitGroup
	for range 2 { // so that one always waits
		senders.Go(func() {
			for range texts {
				if _, err := m.Send(ctx, tpdu, func() error { return nil }); err != nil {
					b.Error(err)
				}
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	stop()
	tty.Close() // with the Modem's own, which ends too, the last: the far end reads EIO
	ends.Wait()
	bare := ticks(b, max(b.N, 1000))
	b.ReportMetric(percentile(modem.gaps, 50), "gap-p50-ns")
	b.ReportMetric(percentile(modem.gaps, 99), "gap-p99-ns")
	b.ReportMetric(percentile(bare, 50), "tick-p50-ns")
	b.ReportMetric(percentile(bare, 99), "tick-p99-ns")
}
