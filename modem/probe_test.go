package modem

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"smsgateway/modem/sim"
)

// plugIn starts a simulated modem on a pseudo-terminal that link points to, and returns what pulls it out.
func plugIn(t *testing.T, s *sim.Modem, link string) (pull func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- s.ServePTY(ctx, link, func(path string) { ready <- path }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("simulated modem: %v", err)
	}
	pulled := false
	pull = func() {
		if !pulled {
			pulled = true
			cancel()
			<-ended
		}
	}
	t.Cleanup(pull)
	return pull
}

func TestProbe(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "modem")
	s := sim.New(sim.Config{Manufacturer: "Huawei", Model: "E1550"})
	plugIn(t, s, link)
	// A program that died has left the modem at its prompt, with echo on.
	tty, err := os.OpenFile(link, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tty.WriteString("AT+CMGS=20\r"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for got := ""; !strings.Contains(got, ">"); {
		n, err := tty.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	tty.Close()

	p, err := Probe(t.Context(), link, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Probed{
		Port: link, AnswersAT: true, SMS: true, SIM: "READY", SIMText: "ready", PINTries: -1,
		Identity: Identity{Manufacturer: "Huawei", Model: "E1550", Revision: "1.0", IMEI: "490154203237518",
			IMSI: "262011234567890", ICCID: "8949010000123456789"},
		Registration: 1, RegistrationText: "registered, home network", Registered: true,
		Operator: "SimNet", SMSC: "+491710760000", Reports: true, KeepsLink: true, Memory: p.Memory, Total: 20,
		Signal: p.Signal, Clock: p.Clock,
	}
	if p != want {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if p.Signal >= 0 || p.Memory == "" {
		t.Errorf("signal %d, memory %q", p.Signal, p.Memory)
	}
	if texts := s.Texts(); len(texts) != 0 {
		t.Errorf("the probe has sent %v", texts)
	}
	// It has freed the port.
	port, err := OpenSerial(t.Context(), link, 115200)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if _, err := Probe(t.Context(), link, 0); !errors.Is(err, ErrPortBusy) {
		t.Errorf("of a port in use: %v, want ErrPortBusy", err)
	}
}

// TestProbeLocked: what can be said of a modem whose SIM is locked, without touching its PIN.
func TestProbeLocked(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "modem")
	plugIn(t, sim.New(sim.Config{PIN: "1234"}), link)
	p, err := Probe(t.Context(), link, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !p.AnswersAT || !p.SMS || p.SIM != "SIM PIN" || p.SIMText != "asks for its PIN" || p.PINTries != 3 || p.IMEI == "" {
		t.Errorf("got %+v", p)
	}
}

// TestProbeDeaf: a port where nobody answers takes a few seconds, and is no error.
func TestProbeDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := prober{timing: probeTiming, open: func(context.Context, string, int) (Port, error) { return &deafPort{closed: make(chan struct{})}, nil }}
		found, err := p.look(t.Context(), "/dev/ttyUSB1", 0, true)
		if err != nil || found.AnswersAT || found.Port != "/dev/ttyUSB1" {
			t.Errorf("got %+v, %v", found, err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// deafPort takes everything and says nothing.
type deafPort struct{ closed chan struct{} }

func (p *deafPort) Read([]byte) (int, error) {
	<-p.closed
	return 0, io.EOF
}
func (p *deafPort) Write(b []byte) (int, error) { return len(b), nil }
func (p *deafPort) Close() error                { close(p.closed); return nil }

// TestProbeNotOpened: errors of the opening come back.
func TestProbeNotOpened(t *testing.T) {
	t.Parallel()
	if _, err := Probe(t.Context(), filepath.Join(t.TempDir(), "ttyUSB0"), 0); !errors.Is(err, ErrPortMissing) {
		t.Errorf("%v, want ErrPortMissing", err)
	}
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	go func() {
		buf := make([]byte, 16)
		_, _ = far.Read(buf) // pulled out as soon as the first octets are there
		far.Close()
	}()
	tty.Close()
	if _, err := Probe(t.Context(), tty.Name(), 0); err == nil {
		t.Error("no error of a port that vanished")
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]bool{
		"(0-3),(0-3),(0,2,3),(0-2),(0,1)":   true,
		"(1,2),(0,1,2,3),(0,2),(0,1),(0,1)": true, // SIM900
		"(2),(0,1,3),(0,2),(2),(1)":         true, // Cinterion
		"(0,1,2),(0,1),(0),(0),(0)":         false,
		"(0,1,2),(0,1)":                     false,
		"":                                  false,
		"((0,1),(":                          false,
		"(0-9999999),(0),(0),(0-x,1)":       true,
	} {
		if got := reportsPossible(text); got != want {
			t.Errorf("reports with +CNMI: %s: %v", text, got)
		}
	}
	for text, want := range map[string]bool{"(0,1)": true, "(0-1)": true, "(0)": true, "0,1": true, "(1)": false, "": false} {
		if got := holds0(text); got != want {
			t.Errorf("PDU mode with +CMGF: %s: %v", text, got)
		}
	}
	for text, want := range map[string]string{
		`"SM",3,20,"SM",3,20,"ME",0,99`: "ME 0 99",
		`"SM",20,20`:                    "SM 20 20",
		`3,20,3,20,3,20`:                " 0 0",
		"":                              " 0 0",
		`"SM",x,20`:                     " 0 0",
	} {
		name, used, total := memoryOf(text)
		if got := strings.Join([]string{name, strconv.Itoa(used), strconv.Itoa(total)}, " "); got != want {
			t.Errorf("memory of %s: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`"26/11/23,05:20:42+04"`: "2026-11-23T04:20:42Z",
		`"26/11/23,05:20:42-08"`: "2026-11-23T07:20:42Z",
		`"26/11/23,05:20:42"`:    "2026-11-23T05:20:42Z",
		`"04/01/01,00:00:00+00"`: "", // what SIM900 says before the network has told it
		`"80/01/06,00:00:00"`:    "",
		`"26/13/23,05:20:42+04"`: "",
		"":                       "",
	} {
		got := ""
		if at := clockOf(text); !at.IsZero() {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("clock %s: %q, want %q", text, got, want)
		}
	}
}

func FuzzProbed(f *testing.F) {
	for _, s := range []string{`"26/11/23,05:20:42+04"`, "(0-3),(0-3),(0,2,3),(0-2),(0,1)", `"SM",3,20,"SM",3,20,"ME",0,99`, "+-,(((\"", "-1-3,5-2", "989420000010325476F8", "9894200000103254761"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at := clockOf(text); !at.IsZero() && (at.Year() < 2024 || at.Year() > 2060) {
			t.Errorf("clock %q: %v", text, at)
		}
		if n := len(valuesOf(text)); n > 256*(len(text)+1) {
			t.Errorf("%d values in %q", n, text)
		}
		reportsPossible(text)
		if name, used, total := memoryOf(text); name == "" && (used != 0 || total != 0) {
			t.Errorf("memory of %q: %d of %d in none", text, used, total)
		}
		if sameICCID(text, text) != (len(cardNumber(text)) >= 18) {
			t.Errorf("SIM %q is not the same as itself", text)
		}
		if card := cardIn(text); card != "" && (digitsOf(card, 18, 22) != card || cardIn(card) != card || !sameICCID(card, card)) {
			t.Errorf("SIM %q has the number %q", text, card)
		}
	})
}
