package admin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
)

// get asks the status page's server.
func get(t *testing.T, h http.Handler, method, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

// run lets the gateway run until the test ends.
func (b box) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.gateway.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("gateway: %v", err)
		}
	})
	for !b.gateway.Running() {
		time.Sleep(time.Millisecond)
	}
}

// noPort is a device that can't be opened.
func noPort(context.Context, string, int) (modem.Port, error) { return nil, io.ErrUnexpectedEOF }

// simulated adds a modem in software, and waits for it once the gateway runs.
func (b box) simulated(t *testing.T) (ready func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var lines sync.WaitGroup
	phone := sim.New(sim.Config{})
	b.gateway.AddModem(modem.Config{Name: "sim1", Port: "/dev/sim1", Open: func(context.Context, string, int) (modem.Port, error) {
		near, far := net.Pipe()
		lines.Go(func() {
			phone.Serve(ctx, far)
			far.Close()
		})
		return near, nil
	}}, gateway.ModemRules{})
	t.Cleanup(func() {
		cancel()
		lines.Wait()
	})
	return func() {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for b.gateway.Modems()[0].State != modem.StateReady {
			select {
			case <-time.After(time.Millisecond):
			case <-deadline:
				t.Fatalf("the simulated modem is not ready: %+v", b.gateway.Modems())
			}
		}
	}
}

func TestHealthz(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, b box)
		code    int
		status  string
		reason  string
	}{
		{"not running", func(*testing.T, box) {}, 503, "failing", "starting or stopping"},
		{"no modem", func(t *testing.T, b box) { b.run(t) }, 503, "failing", "No modem is configured"},
		{"modem that is not there", func(t *testing.T, b box) {
			b.gateway.AddModem(modem.Config{Name: "sim1", Port: "/dev/none", Open: noPort}, gateway.ModemRules{})
			b.run(t)
		}, 503, "failing", "No modem is ready"},
		{"modem that is ready", func(t *testing.T, b box) {
			ready := b.simulated(t)
			b.run(t)
			ready()
		}, 200, "ok", ""},
		{"one of two modems", func(t *testing.T, b box) {
			ready := b.simulated(t)
			b.gateway.AddModem(modem.Config{Name: "sim2", Port: "/dev/none", Open: noPort}, gateway.ModemRules{})
			b.run(t)
			ready()
		}, 200, "degraded", "Modem sim2 does not work"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := openBox(t, t.TempDir())
			tt.prepare(t, b)
			resp, body := get(t, StatusHandler(b.gateway), http.MethodGet, "/healthz")
			if resp.StatusCode != tt.code {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.code)
			}
			var h health
			if err := json.Unmarshal([]byte(body), &h); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if h.Status != tt.status || !strings.Contains(strings.Join(h.Reasons, " "), tt.reason) || h.Version != "1.2.3" {
				t.Errorf("%s; want %s because of %q", body, tt.status, tt.reason)
			}
		})
	}
}

// TestPageKeepsSecrets: the page tells how things are, and nothing about who wrote what to whom.
func TestPageKeepsSecrets(t *testing.T) {
	dir := t.TempDir()
	seed(t, dir)
	b := openBox(t, dir)
	b.gateway.AddModem(modem.Config{Name: "<sim1>", Port: "/dev/none", PIN: "8417", Open: noPort}, gateway.ModemRules{})
	if _, err := b.Send(t.Context(), NewMessage{To: "+491701234567", Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	resp, body := get(t, StatusHandler(b.gateway), http.MethodGet, "/")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, want := range []string{"Texts do not go out.", "&lt;sim1&gt;", "wait</dt><dd>1</dd>", "perhaps not</dt><dd>1</dd>", "1.2.3", "</html>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q:\n%s", want, body)
		}
	}
	for _, secret := range []string{"1701234567", "Hello", "shop", "8417", "<sim1>"} {
		if strings.Contains(body, secret) {
			t.Errorf("the page shows %q:\n%s", secret, body)
		}
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("Content-Security-Policy %q", policy)
	}
}

func TestPageOnlyReads(t *testing.T) {
	b := openBox(t, t.TempDir())
	h := StatusHandler(b.gateway)
	for path, want := range map[string]int{"/": 405, "/healthz": 405, "/v1/accounts": 404} {
		if resp, _ := get(t, h, http.MethodPost, path); resp.StatusCode != want {
			t.Errorf("POST %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if resp, _ := get(t, h, http.MethodGet, "/v1/accounts"); resp.StatusCode != 404 {
		t.Errorf("the commands' requests are served on the page's port: %d", resp.StatusCode)
	}
}
