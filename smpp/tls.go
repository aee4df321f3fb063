package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// handshakeTime is the most that a TLS handshake may take; SessionInit, if that is less.
	handshakeTime = 10 * time.Second
	// tellHandshakes is how often the log tells of handshakes that failed.
	tellHandshakes = time.Minute
)

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

// handshakes tells the log which of them failed: a line a minute, however many strangers knock.
type handshakes struct {
	mu     sync.Mutex
	next   time.Time
	untold int
}

func (h *handshakes) failed(s *Session, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	level, now := slog.LevelWarn, time.Now()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, context.Canceled): // a look whether the port is open; our stop
		level = slog.LevelDebug
	case now.Before(h.next):
		level = slog.LevelDebug
		h.untold++
	}
	log := s.log
	if level == slog.LevelWarn {
		if h.untold > 0 {
			log = log.With("others", h.untold)
		}
		h.next, h.untold = now.Add(tellHandshakes), 0
	}
	log.Log(context.Background(), level, "TLS handshake failed", "reason", handshakeFault(err))
}

// cut ends the connection by force. A tls.Conn would first wait for its peer to take a farewell.
func (s *Session) cut() {
	if conn, ok := s.conn.(*tls.Conn); ok {
		conn.NetConn().Close()
	}
	s.abort("")
}
