package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/gateway"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withTLS is a configuration with a TLS port and its files in a directory of the test.
func withTLS(t *testing.T) config {
	c := defaults()
	c.DataDir = t.TempDir()
	c.SMPP.TLSListen = "127.0.0.1:0"
	return c
}

// TestOwnCertificate: it is made once, for its owner's eyes, and good for the names of the box.
func TestOwnCertificate(t *testing.T) {
	c := withTLS(t)
	if _, err := c.keyPair(false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	k, err := c.keyPair(true)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.DataDir, ownCertificateName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(k.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := k.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := time.Until(k.expires()); left < 9*365*24*time.Hour || !k.own {
		t.Errorf("valid for %s, own %t", left, k.own)
	}
	again, err := c.keyPair(true)
	if err != nil || again.info().Fingerprint != k.info().Fingerprint {
		t.Errorf("the second time it is another: %v", err)
	}
	if strings.Contains(k.info().PEM, "PRIVATE") {
		t.Error("what clients are given has the key in it")
	}
	left, err := filepath.Glob(filepath.Join(c.DataDir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%q is left behind, %v", left, err)
	}
	writeFile(t, path, "broken")
	if _, err := c.keyPair(true); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a broken one is told as %v", err)
	}
}

// TestBadCertificates: each is refused with a sentence, and no secret in it.
func TestBadCertificates(t *testing.T) {
	one, two := withTLS(t), withTLS(t)
	for _, c := range []config{one, two} {
		if _, err := c.keyPair(true); err != nil {
			t.Fatal(err)
		}
	}
	text := func(c config) (cert, key string) {
		b, err := os.ReadFile(filepath.Join(c.DataDir, ownCertificateName))
		if err != nil {
			t.Fatal(err)
		}
		block, rest := pem.Decode(b)
		return string(pem.EncodeToMemory(block)), string(rest)
	}
	cert, key := text(one)
	_, otherKey := text(two)
	for _, tt := range []struct{ name, cert, key, want string }{
		{"good", cert, key, ""},
		{"no certificate", key, key, "holds no certificate"},
		{"no key", cert, cert, "holds no key"},
		{"passphrase", cert, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "passphrase"},
		{"key of another", cert, otherKey, "don't go together"},
		{"cut", cert[:100], key, "holds no certificate"},
		{"missing", "", key, "smpp.tls_cert: open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := withTLS(t)
			c.SMPP.TLSCert, c.SMPP.TLSKey = filepath.Join(c.DataDir, "c.pem"), filepath.Join(c.DataDir, "k.pem")
			if tt.cert != "" {
				writeFile(t, c.SMPP.TLSCert, tt.cert)
			}
			writeFile(t, c.SMPP.TLSKey, tt.key)
			_, err := c.keyPair(true)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err := os.Chmod(c.SMPP.TLSKey, 0o644); err != nil || c.readableByAll() == "" {
				t.Errorf("nobody is warned of a key that everybody can read (%v)", err)
			}
		})
	}
}

// TestExpiryWarner: once a day, from two weeks before the end.
func TestExpiryWarner(t *testing.T) {
	k, err := withTLS(t).keyPair(true)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	log, w := slog.New(slog.NewTextHandler(&out, nil)), expiryWarner{}
	for hours := -20 * 24; hours <= 24; hours++ {
		w.look(k, log, k.expires().Add(time.Duration(hours)*time.Hour))
	}
	if n := strings.Count(out.String(), "expires soon"); n != 14 {
		t.Errorf("%d warnings, want 14", n)
	}
	if n := strings.Count(out.String(), "has expired"); n != 2 {
		t.Errorf("it is said %d times that it has expired, want 2", n)
	}
}

// TestCertificateMadeAnew: where there are accounts the log warns of a certificate that was made, for clients may trust an
// earlier one.
func TestCertificateMadeAnew(t *testing.T) {
	cfg := withTLS(t)
	cfg.SMPP.Listen, cfg.Admin.Listen = "127.0.0.1:0", ""
	own := filepath.Join(cfg.DataDir, ownCertificateName)
	remove := func() {
		if err := os.Remove(own); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		before func(*gateway.Gateway) error // with what was made at the start before
		warns  bool
	}{
		{"the first start", nil, false},
		{"no account", func(*gateway.Gateway) error { remove(); return nil }, false},
		{"the operator's account", func(g *gateway.Gateway) error {
			remove()
			_, err := g.SendText(t.Context(), "", "491", "x")
			return err
		}, false},
		{"an account", func(g *gateway.Gateway) error {
			remove()
			_, err := g.AddAccount(gateway.NewAccount{Key: "shop", Password: "secret"})
			return err
		}, true},
		{"it is there still", func(*gateway.Gateway) error { return nil }, false},
	} {
		if tt.before != nil {
			g, err := openGateway(cfg, fileUse{wanted: cfg.DataDir}, slog.New(slog.DiscardHandler))
			if err == nil {
				err = errors.Join(tt.before(g), g.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var log strings.Builder
		b, err := openBox(cfg, boxOptions{log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.closePorts(), b.gateway.Close()); err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "clients that trust an earlier one"); warned != tt.warns {
			t.Errorf("%s: warned %t, want %t; the log:\n%s", tt.name, warned, tt.warns, log.String())
		}
	}
}
