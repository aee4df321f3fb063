package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// ownCertificateName is the file in data_dir with the certificate and the key that the gateway makes for itself. They stand
// in one file, so that they can't come apart.
const ownCertificateName = "tls.pem"

// ownCertificateYears is how long it is valid. Clients are told its fingerprint by hand, so it should outlive the box.
const ownCertificateYears = 10

// keyPair is a certificate with its key, and where they are from.
type keyPair struct {
	tls.Certificate
	own  bool
	made bool   // just now, as there was none
	path string // of the file with the certificate
}

// expires is when clients stop to believe it: the first of the chain to end.
func (k *keyPair) expires() time.Time {
	end := k.Leaf.NotAfter
	for _, der := range k.Certificate.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil && c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

// info is what people are told of it.
func (k *keyPair) info() *gateway.Certificate {
	var chain bytes.Buffer
	for _, der := range k.Certificate.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return &gateway.Certificate{
		Path: k.path, Own: k.own, Names: slices.Concat(k.Leaf.DNSNames, addresses(k.Leaf.IPAddresses)),
		Fingerprint: gateway.Fingerprint(k.Leaf.Raw), Begins: k.Leaf.NotBefore, Expires: k.expires(), PEM: chain.String(),
	}
}

func addresses(ips []net.IP) (list []string) {
	for _, ip := range ips {
		list = append(list, ip.String())
	}
	return list
}

// certificate is the one in force. It may be changed while clients come.
type certificate struct{ inForce atomic.Pointer[keyPair] }

// config is that of the listener. Go's own choice of ciphers is a safe one.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.inForce.Load().Certificate, nil },
	}
}

// keyPair reads the certificate that the configuration names, or our own, which is made in data_dir where there is none if
// create is set; fs.ErrNotExist if it is not. The errors are sentences.
func (c config) keyPair(create bool) (*keyPair, error) {
	if c.SMPP.TLSCert != "" {
		return readKeyPair("smpp.tls_cert", c.SMPP.TLSCert, "smpp.tls_key", c.SMPP.TLSKey)
	}
	path := filepath.Join(c.DataDir, ownCertificateName)
	k, err := readKeyPair("the gateway's own certificate", path, "the gateway's own key", path)
	made := errors.Is(err, fs.ErrNotExist) && create
	if made {
		if err := makeKeyPair(path); err != nil {
			return nil, fmt.Errorf("make the gateway's own certificate for TLS: %w", err)
		}
		k, err = readKeyPair("the gateway's own certificate", path, "the gateway's own key", path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; restore %s, or move it away: then a new one is made at the next start, with another fingerprint", err, path)
	}
	if err != nil {
		return nil, err
	}
	k.own, k.made = true, made
	return k, nil
}

// readKeyPair reads a certificate, with those that it is signed by behind it, and its key. certKey and keyKey are what the
// files are called in errors, which never hold what is in them.
func readKeyPair(certKey, certPath, keyKey, keyPath string) (*keyPair, error) {
	cert, err := os.ReadFile(certPath)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certKey, err)
	}
	key, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyKey, err)
	}
	if !hasBlock(cert, "CERTIFICATE") {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", certKey, certPath)
	}
	switch {
	case hasBlock(key, "ENCRYPTED PRIVATE KEY") || bytes.Contains(key, []byte("Proc-Type: 4,ENCRYPTED")):
		return nil, fmt.Errorf("%s: the key in %s has a passphrase, which nobody could type in at a start; take it off with openssl pkey", keyKey, keyPath)
	case !hasBlock(key, "PRIVATE KEY") && !hasBlock(key, "RSA PRIVATE KEY") && !hasBlock(key, "EC PRIVATE KEY"):
		return nil, fmt.Errorf("%s: %s holds no key in PEM form (-----BEGIN PRIVATE KEY-----)", keyKey, keyPath)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%s and %s don't go together, or can't be read: %s and %s: %w", certKey, keyKey, certPath, keyPath, err)
	}
	return &keyPair{Certificate: pair, path: certPath}, nil
}

func hasBlock(text []byte, kind string) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if block.Type == kind {
			return true
		}
	}
}

// makeKeyPair makes a certificate that signs itself, for all names and addresses that the box has now.
func makeKeyPair(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	names, ips := ownNames()
	begins, ends := validFor(time.Now())
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "smsgateway " + names[0]},
		NotBefore:             begins,
		NotAfter:              ends,
		DNSNames:              names,
		IPAddresses:           ips,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	return writeWhole(path, text)
}

// validFor is for when a certificate holds that is made now. It must do also if the clock is wrong now and is set later: a box
// without a battery makes it in 1970, and clients whose clock is right look at it.
func validFor(now time.Time) (begins, ends time.Time) {
	begins = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	ends = begins.AddDate(1, 0, 0)
	if now.After(ends) {
		ends = now
	}
	if day := now.Add(-24 * time.Hour); day.Before(begins) {
		begins = day
	}
	return begins, ends.AddDate(ownCertificateYears, 0, 0)
}

const madeAnew = "a certificate for TLS was made, as there was none in data_dir: clients that trust an earlier one " +
	"refuse this one; put the earlier tls.pem back, then smsgateway config reload, or give them this one: smsgateway config certificate"

// tellMade warns of a certificate that was made though there are accounts: their clients may have been told to trust
// another, as when data_dir was restored without its tls.pem. It tells whether it did.
func (b *box) tellMade(k *keyPair) bool {
	if k == nil || !k.made {
		return false
	}
	accounts, err := b.gateway.Accounts() // if that can't be read there were some
	if err == nil && !slices.ContainsFunc(accounts, func(a store.Account) bool { return a.Key != gateway.OperatorKey }) {
		return false
	}
	b.log.Warn(madeAnew, "file", k.path, "sha256", k.info().Fingerprint)
	return true
}

// mostAddresses bounds what a box with very many addresses puts into its certificate.
const mostAddresses = 50

// ownNames are those by which clients may call this box: its host name first.
func ownNames() (names []string, ips []net.IP) {
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" && printable(host) {
		names = append(names, host)
	}
	names = append(names, "localhost")
	ips = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return names, ips
	}
	for _, a := range found {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.IsGlobalUnicast() && len(ips) < mostAddresses {
			ips = append(ips, n.IP)
		}
	}
	return names, ips
}

// writeWhole writes a file that nobody but its owner can read, all of it or nothing, and returns when it is on disk.
func writeWhole(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readableByAll tells of a key that everybody on this machine can read; "" if it is not so.
func (c config) readableByAll() string {
	if c.SMPP.TLSKey == "" {
		return ""
	}
	if info, err := os.Stat(c.SMPP.TLSKey); err == nil && info.Mode().Perm()&0o004 != 0 {
		return fmt.Sprintf("smpp.tls_key: everybody on this machine can read %s; take that right away with chmod o-r", c.SMPP.TLSKey)
	}
	return ""
}

// expiryWarner says in the log once a day that the certificate ends soon, or has ended.
type expiryWarner struct {
	mu   sync.Mutex
	next time.Time
}

func (w *expiryWarner) look(k *keyPair, log *slog.Logger, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := k.expires().Sub(now)
	if left > gateway.CertificateEndsSoon || now.Before(w.next) {
		return
	}
	w.next = now.Add(24 * time.Hour)
	log = log.With("file", k.path, "expires", k.expires().UTC().Format(time.RFC3339))
	if left <= 0 {
		log.Error("the certificate for TLS has expired: clients refuse it; put another one in its place, then smsgateway config reload")
		return
	}
	log.Warn("the certificate for TLS expires soon; put another one in its place, then smsgateway config reload")
}
