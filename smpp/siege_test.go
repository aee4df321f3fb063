package smpp_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// counter is a Backend that lets in who knows the password, and takes all messages.
type counter struct {
	taken  atomic.Int64
	closed sync.WaitGroup
}

func (c *counter) Bind(_ context.Context, _ *smpp.Session, b *smpp.Bind) (smpp.Handler, error) {
	if b.Password != "right" {
		return nil, smpp.StatusInvPaswd
	}
	c.closed.Add(1)
	return c, nil
}

func (c *counter) Submit(_ context.Context, p *smpp.SubmitSM) (smpp.Submission, error) {
	if p.Destination.Addr == "no number" {
		return nil, smpp.StatusInvDstAdr
	}
	c.taken.Add(1)
	return done("1"), nil
}

func (c *counter) Query(_ context.Context, p *smpp.QuerySM) (*smpp.QuerySMResp, error) {
	return &smpp.QuerySMResp{MessageID: p.MessageID, MessageState: smpp.StateEnroute}, nil
}

func (c *counter) Data(context.Context, *smpp.DataSM) (smpp.Submission, error) {
	return nil, smpp.StatusInvDstAdr
}

func (c *counter) SubmitMulti(context.Context, *smpp.SubmitMulti) (smpp.MultiSubmission, error) {
	return nil, smpp.StatusInvDstAdr
}

func (c *counter) Replace(context.Context, *smpp.ReplaceSM) error { return smpp.StatusReplaceFail }

func (c *counter) Cancel(context.Context, *smpp.CancelSM) error { return nil }
func (c *counter) Bound(*smpp.Session)                          {}
func (c *counter) Closed(*smpp.Session)                         { c.closed.Done() }

// done is a Submission that is.
type done string

func (done) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (d done) Result() (string, error) { return string(d), nil }

// lineCount is a log that only counts.
type lineCount struct{ n atomic.Int64 }

func (l *lineCount) Write(b []byte) (int, error) {
	l.n.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

// TestSiege makes all attacks on a server over TCP, one after the other, beside a decent client: that goes on, in a time
// that is bounded (generously: this machine may be busy), and when all is over nothing is left behind.
func TestSiege(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend, log := &counter{}, &lineCount{}
	server := &smpp.Server{SystemID: "siege", Backend: backend, Log: slog.New(slog.NewTextHandler(log, nil)), Response: 5 * time.Second}
	before := runtime.NumGoroutine()
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	good, err := smpptest.Dial(ctx, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := good.Bind(smpp.BindTransceiver, "good", "right"); err != nil {
		t.Fatal(err)
	}
	target := smpptest.Target{Addr: ln.Addr().String(), SystemID: "bad", Password: "right"}
	for _, a := range smpptest.Attacks() {
		lines := log.n.Load()
		attack, enough := context.WithTimeout(ctx, 250*time.Millisecond)
		var attacking sync.WaitGroup
		attacking.Go(func() { a.Run(attack, target) })
		var took []time.Duration
		for len(took) == 0 || attack.Err() == nil {
			began := time.Now()
			if _, err := good.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4917012345"}, ShortMessage: []byte("hello")}); err != nil {
				t.Fatalf("%s: submit_sm: %v", a.Name, err)
			}
			took = append(took, time.Since(began))
			time.Sleep(time.Millisecond)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		enough()
		attacking.Wait()
		slices.Sort(took)
		logged := log.n.Load() - lines
		t.Logf("%-42s %3d submits, p99 %8s, most %8s, heap %2d MB, %d lines logged", a.Name, len(took), took[len(took)*99/100].Round(time.Microsecond),
			took[len(took)-1].Round(time.Microsecond), m.HeapInuse>>20, logged)
		if most := took[len(took)-1]; most > 5*time.Second {
			t.Errorf("%s: a submit_sm took %s", a.Name, most)
		}
		if m.HeapInuse > 256<<20 {
			t.Errorf("%s: %d MB in use", a.Name, m.HeapInuse>>20)
		}
		if logged > 100 {
			t.Errorf("%s: %d lines in the log", a.Name, logged)
		}
	}
	if err := good.Unbind(); err != nil {
		t.Errorf("unbind: %v", err)
	}
	stop()
	serving.Wait()
	backend.closed.Wait()
	for until := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
		}
	}
}
