package sim

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"smsgateway/sms"
)

// rig is a modem that is served in a synctest bubble, with the test at the other end of its line.
type rig struct {
	t     *testing.T
	m     *Modem
	conn  net.Conn
	ended chan error
	stop  context.CancelFunc

	mu    sync.Mutex
	heard strings.Builder
}

// start serves a new modem; echo is off, so that tests read answers alone.
func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := &rig{t: t, m: New(cfg)}
	r.plug()
	r.want("ATE0\r", "ATE0\r\r\nOK\r\n")
	return r
}

// plug serves the modem on a new line.
func (r *rig) plug() {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	r.conn, r.ended, r.stop = near, ended, cancel
	go func() { ended <- r.m.Serve(ctx, far) }()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := near.Read(buf)
			r.mu.Lock()
			r.heard.Write(buf[:n])
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	r.t.Cleanup(func() {
		cancel()
		near.Close()
	})
	synctest.Wait()
}

// take returns what the modem has said since the last call.
func (r *rig) take() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	said := r.heard.String()
	r.heard.Reset()
	return said
}

// say types something and returns what comes back at once.
func (r *rig) say(typed string) string {
	r.t.Helper()
	if _, err := r.conn.Write([]byte(typed)); err != nil {
		r.t.Fatalf("typing %q: %v", typed, err)
	}
	return r.take()
}

// want types something and compares what comes back at once, octet by octet.
func (r *rig) want(typed, want string) {
	r.t.Helper()
	if got := r.say(typed); got != want {
		r.t.Fatalf("after %q\n got %q\nwant %q", typed, got, want)
	}
}

// wantNow compares what the modem says without being asked.
func (r *rig) wantNow(what, want string) {
	r.t.Helper()
	if got := r.take(); got != want {
		r.t.Fatalf("%s\n got %q\nwant %q", what, got, want)
	}
}

// ok is an answer of these lines and OK.
func ok(lines ...string) string {
	if len(lines) == 0 {
		return "\r\nOK\r\n"
	}
	return "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\nOK\r\n"
}

// result is an answer of one line.
func result(code string) string { return "\r\n" + code + "\r\n" }

// submit is an SMS-SUBMIT as it is typed behind the prompt, and its length as AT+CMGS wants it.
func submit(t testing.TB, p sms.Submit) (typed string, length int) {
	t.Helper()
	tpdu, err := p.Append(nil)
	if err != nil {
		t.Fatalf("the test's own text: %v", err)
	}
	return strings.ToUpper("00" + hex.EncodeToString(tpdu)), len(tpdu)
}

// textTo is a short text with a status report.
func textTo(number, text string) sms.Submit {
	septets, err := sms.EncodeGSM7(text)
	if err != nil {
		panic(err) // of the test's own text
	}
	return sms.Submit{
		StatusReport: true,
		Destination:  sms.Address{TON: sms.TONInternational, NPI: sms.NPIISDN, Number: number},
		Data:         septets,
	}
}

// send sends a text and returns what comes back at once.
func (r *rig) send(p sms.Submit) string {
	r.t.Helper()
	typed, length := submit(r.t, p)
	r.want(fmt.Sprintf("AT+CMGS=%d\r", length), "\r\n> ")
	return r.say(typed + "\x1a")
}

// reports reads the statuses out of +CDS lines, and fails the test if anything else was said.
func reports(t *testing.T, said string) (statuses []sms.Status) {
	t.Helper()
	lines := strings.Fields(strings.ReplaceAll(said, "+CDS: ", "+CDS:"))
	for i := 0; i+1 < len(lines); i += 2 {
		pdu, err := hex.DecodeString(lines[i+1])
		if err != nil || !strings.HasPrefix(lines[i], "+CDS:") {
			t.Fatalf("want status reports, got %q", said)
		}
		_, tpdu, err := sms.SplitSCA(pdu)
		if err != nil || lines[i] != fmt.Sprintf("+CDS:%d", len(tpdu)) {
			t.Fatalf("a status report of another length than it says: %q", said)
		}
		report, err := sms.ParseStatusReport(tpdu)
		if err != nil {
			t.Fatalf("status report %s: %v", lines[i+1], err)
		}
		statuses = append(statuses, report.Status)
	}
	if len(lines)%2 != 0 {
		t.Fatalf("want status reports, got %q", said)
	}
	return statuses
}

// unhex reads a PDU line.
func unhex(t testing.TB, line string) []byte {
	t.Helper()
	pdu, err := hex.DecodeString(line)
	if err != nil {
		t.Fatalf("%q is no PDU: %v", line, err)
	}
	return pdu
}
