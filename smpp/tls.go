package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// handshakeTime is the most that a TLS handshake may take; SessionInit, if that is less.
const handshakeTime = 10 * time.Second

// handshake makes a connection of a crypto/tls listener ready for PDUs; any other is. It runs on the session's own
// goroutine, so that a slow client holds up nobody.
func (s *Session) handshake(ctx context.Context) error {
	conn, ok := s.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	within := min(handshakeTime, s.sessionInit)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := conn.HandshakeContext(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		return fmt.Errorf("no TLS handshake within %s", within)
	}
	if err != nil {
		return err
	}
	s.log = s.log.With("tls", strings.TrimPrefix(tls.VersionName(conn.ConnectionState().Version), "TLS "))
	return nil
}

const doesItTrust = "; does it trust the gateway's certificate, and ask for one of its names?"

// handshakeFault says in plain words why a handshake failed.
func handshakeFault(err error) string {
	var alert tls.AlertError
	switch {
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the client does not speak TLS; is it meant for the port without?"
	case errors.As(err, &alert), strings.HasPrefix(err.Error(), "remote error: tls: "):
		return "the client gave up: " + strings.TrimPrefix(err.Error(), "remote error: tls: ") + doesItTrust
	case strings.HasSuffix(err.Error(), "bad record MAC"):
		// OpenSSL's clients, as Kannel and stunnel, say why they give up without encrypting it, which crypto/tls can't read in
		// TLS 1.3 (golang/go issue 76767).
		return "the client gave up, or sent nonsense" + doesItTrust
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

// handshakes tells the log which of them failed.
type handshakes struct {
	mu   sync.Mutex
	told seldom
}

func (h *handshakes) failed(s *Session, err error) {
	log := s.log.With("reason", handshakeFault(err))
	switch {
	case s.endReason() != "": // we have closed it, and said why
		log.Debug("TLS handshake failed", "closed", s.endReason())
		return
	case errors.Is(err, io.EOF), errors.Is(err, context.Canceled): // a look whether the port is open; our stop
		log.Debug("TLS handshake failed")
		return
	}
	h.mu.Lock()
	others, ok := h.told.tell(time.Now())
	h.mu.Unlock()
	if !ok {
		log.Debug("TLS handshake failed")
		return
	}
	log.Warn("TLS handshake failed", "others", others)
}
