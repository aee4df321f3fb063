package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// tlsAddr is where the box takes TLS in this life.
func (b *box) tlsAddr(t *testing.T) string {
	t.Helper()
	line := b.log.await(t, 0, b.p.ended, `msg="smsgateway serves"`)
	_, rest, _ := strings.Cut(line, " tls=")
	addr, _, _ := strings.Cut(rest, " ")
	return addr
}

// TestTLS: a gateway with a certificate of its own, and nothing but TLS: clients that trust it get in, others see that it is
// none of those that they trust.
func TestTLS(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := newBox(t, settings{modem: phones.port, smpp: []string{`tls_listen = "127.0.0.1:0"`}})
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	plainOff := strings.Replace(string(text), `listen = "127.0.0.1:0"`, `listen = ""`, 1)
	if err := os.WriteFile(b.config, []byte(plainOff), 0o600); err != nil {
		t.Fatal(err)
	}
	b.serve(t)
	b.account(t, "shop")
	addr := b.tlsAddr(t)
	trusted := b.cli(t, "config", "certificate")
	_, fingerprint, _ := strings.Cut(strings.TrimSpace(trusted.stderr), "SHA-256 ")
	ca := filepath.Join(b.dir, "gateway.pem")
	if err := os.WriteFile(ca, []byte(trusted.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	b.log.await(t, 0, b.p.ended, "the certificate for TLS", fingerprint)

	t.Run("Go", func(t *testing.T) {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(trusted.stdout))
		_, port, _ := net.SplitHostPort(addr)
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		if err != nil {
			t.Fatalf("localhost:%s: %v", port, err)
		}
		e := smpptest.New(conn)
		defer e.Close()
		if _, err := e.Bind(smpp.BindTransceiver, "shop", password("shop")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "4161231234"}, ShortMessage: []byte("from Go")}); err != nil {
			t.Error(err)
		}
		phones.wantText(t, "4161231234", "from Go")
		if err := e.Unbind(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a stranger", func(t *testing.T) {
		if _, err := tls.Dial("tcp", addr, &tls.Config{}); err == nil {
			t.Error("a client that does not know the certificate trusts it")
		}
		b.log.await(t, 0, b.p.ended, "TLS handshake failed", "does it trust")
	})
	t.Run("openssl", func(t *testing.T) {
		out, err := exec.Command(need(t, "openssl"), "s_client", "-connect", addr, "-CAfile", ca, "-verify_return_error",
			"-verify_hostname", "localhost", "-brief").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Verification: OK") {
			t.Errorf("%v: %s", err, out)
		}
		out, err = exec.Command("openssl", "x509", "-in", ca, "-noout", "-fingerprint", "-sha256").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "="+fingerprint) {
			t.Errorf("%v: %s, and the gateway says %s", err, out, fingerprint)
		}
	})
	t.Run("npm smpp", func(t *testing.T) {
		node := need(t, "node")
		if _, err := os.Stat(filepath.Join("node", "node_modules", "smpp")); err != nil {
			without(t, "the npm package smpp", "is not installed (npm ci --prefix e2e/node)")
		}
		_, port, _ := net.SplitHostPort(addr)
		p := start(t, nil, node, filepath.Join("node", "tls.cjs"), port, ca, "shop", password("shop"), "4161231235")
		p.wantEnd(t, 0)
		list, _ := p.stdout.from(0)
		if want := []string{`{"step":"bind","status":0}`, `{"step":"submit","status":0}`, `{"step":"unbind","status":0}`}; !slices.Equal(list, want) {
			t.Errorf("got %q", list)
		}
		phones.wantText(t, "4161231235", "over TLS")
	})
	b.stop(t)
}

// TestReload: config reload and SIGHUP put another configuration into force, and the session stays.
func TestReload(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) {
		if err := os.WriteFile(b.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change("[messages]\n", "[messages]\nmax_parts = 3\n")
	if out := b.must(t, "config", "reload"); !strings.Contains(out, "applied  messages.max_parts is 3") {
		t.Errorf("it says %q", out)
	}
	change("[messages]\n", "[messages]\nmax_parts = 0\n")
	r := b.cli(t, "config", "reload")
	if r.code != 1 || !strings.Contains(r.stderr, "messages.max_parts is 0") || !strings.Contains(r.stderr, "Nothing was changed.") {
		t.Errorf("a file with a fault: %+v", r)
	}
	if out := b.must(t, "config", "show"); !strings.Contains(out, "\nmax_parts = 3\n") {
		t.Errorf("in force is %s", out)
	}
	change("[messages]\n", "[messages]\nmax_parts = 4\n")
	n := b.log.count()
	b.p.cmd.Process.Signal(syscall.SIGHUP)
	b.log.await(t, n, b.p.ended, "configuration changed", "messages.max_parts is 4")
	if err := e.EnquireLink(); err != nil {
		t.Errorf("the session from before: %v", err)
	}
	b.stop(t)
	if out := b.must(t, "config", "check"); !strings.Contains(out, "has no faults") {
		t.Errorf("it says %q", out)
	}
	if r := b.cli(t, "config", "reload"); r.code != 1 || !strings.Contains(r.stderr, "no gateway is running: the next start reads") {
		t.Errorf("without a gateway: %+v", r)
	}
	if r := b.cli(t, "account", "refused"); r.code != 0 || !strings.Contains(r.stderr, "No gateway is running") {
		t.Errorf("without a gateway: %+v", r)
	}
}

// TestEarlyHangUp: SIGHUP while the gateway starts does not end it, and is served when it has.
func TestEarlyHangUp(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{})
	b.stop(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	database, err := os.Open(filepath.Join(b.dir, "data", "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	if err := syscall.Flock(int(database.Fd()), syscall.LOCK_EX); err != nil { // the start waits for it
		t.Fatal(err)
	}
	n := b.log.count()
	b.p = start(t, b.log, path, "serve", "--config", b.config)
	time.Sleep(300 * time.Millisecond)
	b.p.cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(300 * time.Millisecond)
	database.Close()
	b.log.await(t, n, b.p.ended, `msg="configuration reloaded"`)
	b.log.await(t, n, b.p.ended, `msg="smsgateway serves"`)
	b.stop(t)
}
