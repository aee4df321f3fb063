package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"
)

// CertificateEndsSoon is how long before its end people are warned.
const CertificateEndsSoon = 14 * 24 * time.Hour

// Certificate is what people are told of the one that SMPP clients get to see.
type Certificate struct {
	Path            string   // the file that it is in
	Own             bool     // the gateway has made it for itself
	Names           []string // names and addresses that it is good for
	Fingerprint     string   // SHA-256, as openssl writes it: "AB:CD:..."
	Begins, Expires time.Time
	PEM             string // with those that it is signed by, without any key
}

// Fingerprint is the SHA-256 of a certificate in DER form, as openssl writes it: "AB:CD:...".
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

// diagnoseTLS looks at the TLS port and its certificate.
func (g *Gateway) diagnoseTLS(ctx context.Context) []Finding {
	addr := g.opt.ListenTLS
	list := g.diagnosePort(ctx, "tls", "smpp.tls_listen", addr, func(conn net.Conn) error {
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // our own port: whether it speaks TLS is the question
		return c.HandshakeContext(ctx)
	})
	if len(list) == 0 || g.opt.Certificate == nil {
		return list
	}
	const reload = "put another one in its place, then `smsgateway config reload`."
	c, err := g.opt.Certificate()
	if err != nil {
		return append(list, Finding{Fault, "tls", "The certificate can't be used: " + sentence(err.Error()),
			"Correct smpp.tls_cert and smpp.tls_key."})
	}
	if c == nil {
		return append(list, Finding{Note, "tls", "There is no certificate yet; the first start makes one.", ""})
	}
	now := g.opt.Now()
	switch {
	case now.After(c.Expires):
		return append(list, Finding{Fault, "tls", fmt.Sprintf("The certificate in %s has expired at %s: clients refuse it.",
			c.Path, clock(c.Expires)), sentence(reload)})
	case now.Before(c.Begins):
		return append(list, Finding{Fault, "tls", fmt.Sprintf("The certificate in %s is valid from %s on only.",
			c.Path, clock(c.Begins)), "Look at the clock of this machine; else " + reload})
	case c.Expires.Sub(now) <= CertificateEndsSoon:
		return append(list, Finding{Warn, "tls", fmt.Sprintf("The certificate in %s expires at %s.", c.Path, clock(c.Expires)),
			sentence(reload)})
	}
	return append(list, Finding{OK, "tls", fmt.Sprintf("The certificate in %s is valid until %s; SHA-256 %s.",
		c.Path, clock(c.Expires), c.Fingerprint), ""})
}
