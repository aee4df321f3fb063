package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
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

// tlsBox is a gateway with a certificate of its own, and nothing but TLS.
type tlsBox struct {
	*box
	phones      *simulator
	addr        string // of TLS
	ca          string // a file: the certificate
	fingerprint string // its SHA-256
}

func startTLSBox(t *testing.T) *tlsBox {
	t.Helper()
	b := &tlsBox{phones: startSimulator(t)}
	b.box = newBox(t, settings{modem: b.phones.port, smpp: []string{`tls_listen = "127.0.0.1:0"`}})
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, b.config, strings.Replace(string(text), `listen = "127.0.0.1:0"`, `listen = ""`, 1))
	b.serve(t)
	b.account(t, "shop")
	line := b.log.await(t, 0, b.p.ended, `msg="smsgateway serves"`)
	_, rest, _ := strings.Cut(line, " tls=")
	b.addr, _, _ = strings.Cut(rest, " ")
	trusted := b.cli(t, "config", "certificate")
	_, b.fingerprint, _ = strings.Cut(strings.TrimSpace(trusted.stderr), "SHA-256 ")
	b.ca = filepath.Join(b.dir, "gateway.pem")
	writeFile(t, b.ca, trusted.stdout)
	b.log.await(t, 0, b.p.ended, "the certificate for TLS", b.fingerprint)
	return b
}

// anotherCertificate is a file with one that is not the gateway's.
func anotherCertificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	file := filepath.Join(t.TempDir(), "another.pem")
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return file
}

// TestTLS: clients that trust the gateway's certificate get in, others see that it is none of those that they trust. The
// ways are those of docs/smpp.md.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := startTLSBox(t)
	t.Run("Go", func(t *testing.T) { tlsGo(t, b) })
	t.Run("a stranger", func(t *testing.T) {
		if _, err := tls.Dial("tcp", b.addr, &tls.Config{}); err == nil {
			t.Error("a client that does not know the certificate trusts it")
		}
		b.log.await(t, 0, b.p.ended, "TLS handshake failed", "does it trust")
	})
	t.Run("openssl", func(t *testing.T) { tlsOpenSSL(t, b) })
	t.Run("npm smpp", func(t *testing.T) { tlsNode(t, b) })
	t.Run("kannel", func(t *testing.T) { tlsKannel(t, b) })
	t.Run("stunnel", func(t *testing.T) { tlsStunnel(t, b) })
	b.stop(t)
}

func tlsGo(t *testing.T, b *tlsBox) {
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(b.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	tlsLife(t, b, conn, "4161231234", "from Go")
}

// tlsLife is a message over a connection that has passed TLS.
func tlsLife(t *testing.T, b *tlsBox, conn net.Conn, number, text string) {
	t.Helper()
	e := smpptest.New(conn)
	defer e.Close()
	if _, err := e.Bind(smpp.BindTransceiver, "shop", password("shop")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: number}, ShortMessage: []byte(text)}); err != nil {
		t.Error(err)
	}
	b.phones.wantText(t, number, text)
	if err := e.Unbind(); err != nil {
		t.Error(err)
	}
}

func tlsOpenSSL(t *testing.T, b *tlsBox) {
	out, err := exec.Command(need(t, "openssl"), "s_client", "-connect", b.addr, "-CAfile", b.ca, "-verify_return_error",
		"-verify_hostname", "localhost", "-brief").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Verification: OK") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command("openssl", "x509", "-in", b.ca, "-noout", "-fingerprint", "-sha256").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "="+b.fingerprint) {
		t.Errorf("%v: %s, and the gateway says %s", err, out, b.fingerprint)
	}
}

func tlsNode(t *testing.T, b *tlsBox) {
	node := need(t, "node")
	if _, err := os.Stat(filepath.Join("node", "node_modules", "smpp")); err != nil {
		without(t, "the npm package smpp", "is not installed (npm ci --prefix e2e/node)")
	}
	_, port, _ := net.SplitHostPort(b.addr)
	p := start(t, nil, node, filepath.Join("node", "tls.cjs"), port, b.ca, "shop", password("shop"), "4161231235")
	p.wantEnd(t, 0)
	list, _ := p.stdout.from(0)
	if want := []string{`{"step":"bind","status":0}`, `{"step":"submit","status":0}`, `{"step":"unbind","status":0}`}; !slices.Equal(list, want) {
		t.Errorf("got %q", list)
	}
	b.phones.wantText(t, "4161231235", "over TLS")
}

// tlsKannel: Kannel asks whether it trusts a certificate only if it has an ssl-trusted-ca-file.
func tlsKannel(t *testing.T, b *tlsBox) {
	bind := func(core string) *kannel {
		return startKannel(t, b.box, kannelLink{addr: b.addr, core: core, connection: []string{"use-ssl = true"}})
	}
	for name, core := range map[string]string{"the right one": "ssl-trusted-ca-file = " + b.ca, "any": ""} {
		k := bind(core)
		k.send(t, "TLS", "4161231236", name)
		k.wantReport(t, "TLS", delivered, "stat:DELIVRD")
		k.stop(t)
		b.phones.wantCount(t, "4161231236", name, 1)
	}
	n := b.log.count()
	k := bind("ssl-trusted-ca-file = " + anotherCertificate(t))
	b.log.await(t, n, b.p.ended, "TLS handshake failed", "does it trust")
	k.stop(t)
}

// tlsStunnel has stunnel lend TLS to a client that has none.
func tlsStunnel(t *testing.T, b *tlsBox) {
	stunnel := need(t, "stunnel")
	dial := func(ca, host string) net.Conn {
		accept := freePort(t)
		config := filepath.Join(t.TempDir(), "stunnel.conf")
		writeFile(t, config, fmt.Sprintf("foreground = yes\npid =\n[smpp]\nclient = yes\naccept = %s\nconnect = %s\nCAfile = %s\nverifyChain = yes\ncheckHost = %s\n",
			accept, b.addr, ca, host))
		p := start(t, nil, stunnel, config)
		p.stderr.await(t, 0, p.ended, "Configuration successful")
		conn, err := net.Dial("tcp", accept)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	tlsLife(t, b, dial(b.ca, "localhost"), "4161231237", "through stunnel")
	for name, conn := range map[string]net.Conn{"another certificate": dial(anotherCertificate(t), "localhost"), "another host": dial(b.ca, "gateway.example")} {
		conn.SetDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: stunnel keeps the connection: %v", name, err)
		}
	}
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
	eventually(t, "the gateway to wait for its database", func() (bool, string) { return b.p.hasOpen(database), b.log.String() })
	b.p.cmd.Process.Signal(syscall.SIGHUP)
	database.Close()
	b.log.await(t, n, b.p.ended, `msg="configuration reloaded"`)
	b.log.await(t, n, b.p.ended, `msg="smsgateway serves"`)
	b.stop(t)
}
