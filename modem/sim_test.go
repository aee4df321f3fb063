package modem_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/sms"
)

// inbox is a Receiver that decodes.
type inbox struct {
	mu      sync.Mutex
	texts   []string
	reports []sms.StatusReport
	stored  int
	bad     []error
}

func (in *inbox) Receive(_ context.Context, _ modem.Identity, got modem.Incoming) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if got.Stored {
		in.stored++
	}
	mti, err := sms.MessageType(got.TPDU)
	switch {
	case err != nil:
	case mti == 2:
		var r sms.StatusReport
		if r, err = sms.ParseStatusReport(got.TPDU); err == nil {
			in.reports = append(in.reports, r)
		}
	default:
		var d sms.Deliver
		if d, err = sms.ParseDeliver(got.TPDU); err == nil {
			in.texts = append(in.texts, d.Originator.String()+": "+d.Text())
		}
	}
	if err != nil {
		in.bad = append(in.bad, err)
	}
	return nil
}

// wait waits until there are so many texts and reports.
func (in *inbox) wait(t *testing.T, texts, reports int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		in.mu.Lock()
		done := len(in.texts) == texts && len(in.reports) == reports
		in.mu.Unlock()
		if done {
			return
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	t.Fatalf("received %q and %d reports, bad %v; want %d and %d", in.texts, len(in.reports), in.bad, texts, reports)
}

// run starts a modem and stops it at the end.
func run(t *testing.T, cfg modem.Config) (*modem.Modem, *inbox) {
	in := &inbox{}
	cfg.Name = "sim1"
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	m := modem.New(cfg, in)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := m.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return m, in
}

// piped returns a Config.Open that switches the simulated modem on anew, in memory.
func piped(t *testing.T, s *sim.Modem) func(context.Context, string, int) (modem.Port, error) {
	var last chan struct{}
	return func(context.Context, string, int) (modem.Port, error) {
		if last != nil {
			<-last // its Serve notices the end of the former line
		}
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		last = ended
		go func() {
			defer close(ended)
			defer far.Close()
			_ = s.Serve(ctx, far) // it ends with the line
		}()
		t.Cleanup(func() {
			cancel()
			<-ended
		})
		return near, nil
	}
}

// tpdu is an SMS-SUBMIT that asks for a report.
func tpdu(t *testing.T, to, text string) []byte {
	t.Helper()
	dest, err := sms.ParseNumber(to)
	if err != nil {
		t.Fatal(err)
	}
	data, err := sms.EncodeGSM7(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sms.Submit{StatusReport: true, Destination: dest, Data: data}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ready(t *testing.T, m *modem.Modem) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := m.Ready(ctx); err != nil {
		t.Fatalf("not ready: %v; %+v", err, m.Status())
	}
}

// TestOverPTY is the whole way: tarm/serial, a pseudo-terminal, the simulated modem; out and back, twice, with the
// modem unplugged in between.
func TestOverPTY(t *testing.T) {
	s := sim.New(sim.Config{Latency: 20 * time.Millisecond, ReportDelay: 30 * time.Millisecond})
	link := filepath.Join(t.TempDir(), "ttySIM")
	there := make(chan string, 4)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServePTY(ctx, link, func(path string) { there <- path }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("ServePTY: %v", err)
		}
	})
	<-there
	m, in := run(t, modem.Config{Port: link, Timing: modem.Timing{
		Settle: 20 * time.Millisecond, Quiet: 50 * time.Millisecond, Poll: 100 * time.Millisecond,
		RetryMin: 100 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	}})
	ready(t, m)
	send := func(text string) {
		t.Helper()
		claims := 0
		ref, err := m.Send(t.Context(), tpdu(t, "+491701234567", text), func() error { claims++; return nil })
		if err != nil || claims != 1 {
			t.Fatalf("%q: %d claims, error %v", text, claims, err)
		}
		texts := s.Texts()
		if last := texts[len(texts)-1]; last.Text != text || last.Reference != ref || last.To.Number != "491701234567" {
			t.Errorf("the phone got %+v, want %q with reference %d", last, text, ref)
		}
	}
	send("hello")
	in.wait(t, 0, 1)
	if err := s.Receive("+491709999999", "and back, with €"); err != nil {
		t.Fatal(err)
	}
	in.wait(t, 1, 1)

	_, err := m.Send(t.Context(), tpdu(t, "+4917199914", "gone"), func() error { return nil })
	var uncertain *modem.UncertainError
	if !errors.As(err, &uncertain) || !errors.Is(err, modem.ErrPortGone) {
		t.Errorf("unplugged after Ctrl-Z: %v, want uncertain, the line gone", err)
	}
	<-there
	ready(t, m)
	send("hello again")
	in.wait(t, 1, 2)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.texts[0] != "+491709999999: and back, with €" || in.stored != 1 || len(in.bad) != 0 {
		t.Errorf("received %q, %d from memory, bad %v", in.texts, in.stored, in.bad)
	}
	for _, r := range in.reports {
		if r.Status.Fate() != sms.FateDelivered {
			t.Errorf("report %+v, want delivered", r)
		}
	}
	if st := m.Status(); st.Sent != 2 || st.Uncertain != 1 || st.Received != 3 || st.Texts != 1 || st.Opens != 2 || st.Operator != "SimNet" {
		t.Errorf("status %+v", st)
	}
}

// TestFaults is each fault that the simulated modem can rehearse, with the real timing, over a pipe in memory.
func TestFaults(t *testing.T) {
	const (
		sent, refused, uncertain, suspect = "sent", "refused", "uncertain", "suspect"
	)
	tests := []struct {
		to, want string
		arrived  int // texts at the phone
		reports  int
	}{
		{"+491701234567", sent, 1, 1},
		{"+4917199901", refused, 0, 0},
		{"+4917199902", refused, 0, 0},
		{"+4917199903", uncertain, 0, 0},
		{"+4917199905", uncertain, 0, 0},
		{"+4917199906", uncertain, 1, 1},
		{"+4917199907", sent, 1, 0},
		{"+4917199908", sent, 0, 1},
		{"+4917199909", sent, 0, 1},
		{"+4917199910", sent, 1, 2},
		{"+4917199911", refused, 0, 0},
		{"+4917199912", suspect, 0, 0},
		{"+4917199913", uncertain, 0, 0},
		{"+4917199914", uncertain, 0, 0},
		{"+4917199915", uncertain, 1, 1},
		{"+4917199916", uncertain, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sim.New(sim.Config{Latency: 2 * time.Second, ReportDelay: 3 * time.Second})
				m, in := run(t, modem.Config{Open: piped(t, s)})
				ready(t, m)
				claims := 0
				_, err := m.Send(t.Context(), tpdu(t, tt.to, "one"), func() error { claims++; return nil })
				if got := end(err); got != tt.want || claims != 1 {
					t.Errorf("%s, %d claims (%v); want %s, 1", got, claims, err, tt.want)
				}
				ready(t, m)
				time.Sleep(5 * time.Minute)
				if tt.want == "uncertain" { // its answer may still come, and be taken for the next one's
					if err := m.Restart(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					ready(t, m)
				}
				ref, err := m.Send(t.Context(), tpdu(t, "+491700000002", "two"), func() error { return nil })
				if err != nil {
					t.Fatalf("the next text: %v", err)
				}
				time.Sleep(5 * time.Minute)
				in.mu.Lock()
				defer in.mu.Unlock()
				texts := s.Texts()
				if len(texts) != tt.arrived+1 || texts[tt.arrived].Text != "two" || texts[tt.arrived].Reference != ref {
					t.Errorf("phones got %+v, want %d and the next with reference %d", texts, tt.arrived, ref)
				}
				if len(in.reports) != tt.reports+1 || len(in.bad) > 0 {
					t.Errorf("reports %+v, bad %v; want %d and that of the next", in.reports, in.bad, tt.reports)
				}
			})
		})
	}
}

// end names how a Send ended.
func end(err error) string {
	var refused *modem.RefusedError
	var uncertain *modem.UncertainError
	switch {
	case err == nil:
		return "sent"
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &uncertain) && uncertain.Suspect:
		return "suspect"
	case errors.As(err, &uncertain):
		return "uncertain"
	}
	return fmt.Sprint(err)
}

// TestLateResult: a result that comes when the text has been given up is nobody else's.
func TestLateResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Config{Latency: time.Second, Late: 8 * time.Minute})
		m, _ := run(t, modem.Config{Open: piped(t, s)})
		ready(t, m)
		_, err := m.Send(t.Context(), tpdu(t, "+4917199904", "late"), func() error { return nil })
		if end(err) != "uncertain" {
			t.Errorf("the silent one: %v, want uncertain", err)
		}
		ready(t, m)
		time.Sleep(10 * time.Minute) // it comes now
		ref, err := m.Send(t.Context(), tpdu(t, "+491700000002", "two"), func() error { return nil })
		texts := s.Texts()
		if err != nil || texts[len(texts)-1].Reference != ref {
			t.Errorf("the next: reference %d, error %v; phones got %+v", ref, err, texts)
		}
	})
}

// TestSIM goes through PIN, a busy SIM and the search for a network.
func TestSIM(t *testing.T) {
	tests := []struct {
		name, pin string
		state     modem.State
	}{
		{"right PIN", "4711", modem.StateReady},
		{"wrong PIN", "0815", modem.StateSIM},
		{"no PIN", "", modem.StateSIM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sim.New(sim.Config{PIN: "4711", SIMBusy: 20 * time.Second, RegisterAfter: 40 * time.Second})
				m, _ := run(t, modem.Config{PIN: tt.pin, Open: piped(t, s)})
				time.Sleep(10 * time.Minute)
				if st := m.Status(); st.State != tt.state {
					t.Errorf("state %s, last error %q; want %s", st.State, st.LastError, tt.state)
				}
			})
		})
	}
}

// TestInbound: many texts, long ones and other alphabets, while texts go out; every one arrives once, and the memory
// is empty in the end.
func TestInbound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Config{Latency: time.Second, ReportDelay: time.Second, StorageSize: 5})
		if err := s.Receive("+491709999999", "before it was on"); err != nil {
			t.Fatal(err)
		}
		m, in := run(t, modem.Config{Open: piped(t, s)})
		ready(t, m)
		for i := range 20 {
			if err := s.Receive("Bank", fmt.Sprintf("text %d: привет", i)); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Send(t.Context(), tpdu(t, "+491701234567", fmt.Sprint(i)), func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Receive("+491709999999", strings.Repeat("long ", 100)); err != nil { // 4 parts
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		in.mu.Lock()
		defer in.mu.Unlock()
		seen := make(map[string]int)
		for _, text := range in.texts {
			seen[text]++
		}
		if len(in.texts) != 25 || len(in.reports) != 20 || len(in.bad) > 0 || seen["Bank: text 19: привет"] != 1 {
			t.Errorf("received %q, %d reports, bad %v; want 25 and 20", in.texts, len(in.reports), in.bad)
		}
		if n := len(s.Texts()); n != 20 {
			t.Errorf("phones got %d, want 20", n)
		}
	})
}
