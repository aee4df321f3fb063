package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"smsgateway/smpp"
)

// ctrlZ is what the log says when the modem has been given a whole text: from here on nobody can call it back.
var ctrlZ = []string{`msg="to modem"`, `line="\x1a"`}

// TestKilledInMidSend ends the gateway with kill -9 while the modem has a text and has not answered. The next one must
// say that it does not know, send no second copy, and learn the truth from the status report.
func TestKilledInMidSend(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name        string
		reportDelay string
		first       bool // the SIM's first text: nothing is known of its TP-MR
		whileDown   bool // the report comes while no gateway runs
	}{
		{name: "the report comes after the restart", reportDelay: "3s"},
		{name: "the report comes while nobody listens", reportDelay: "10ms", whileDown: true},
		{name: "the first text of a SIM", reportDelay: "3s", first: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			// The answer, which the next gateway hears, is to leave time for a look at what it knows before.
			phones := startSimulator(t, "--latency", "5s", "--report-delay", row.reportDelay)
			b := startBox(t, settings{modem: phones.port})
			b.account(t, "shop")
			e := b.bind(t, "shop")
			b.ready(t)
			if !row.first {
				before := e.submit(t, &smpp.SubmitSM{Destination: smpp.Address{Addr: "4161230000"}, ShortMessage: []byte("before it")})
				eventually(t, "the first text to be sent", func() (bool, string) {
					m := b.message(t, before)
					return !m.Sent.IsZero(), m.Why
				})
			}
			n := b.log.count()
			id := e.submit(t, text("4161231234", "once only"))
			b.log.await(t, n, b.p.ended, ctrlZ...)
			b.kill()
			if row.whileDown {
				phones.wantText(t, "4161231234", "once only")
				b.must(t, "message", "show", id) // and a command opens the file meanwhile
			}
			b.serve(t)
			e = b.bind(t, "shop")
			if !row.whileDown {
				wantUncertain(t, b, e, id)
			}
			e.wantReceipt(t, id, smpp.StateDelivered)
			e.wantState(t, id, smpp.StateDelivered)
			// A second copy would go out before the next message.
			e.submit(t, text("4161231234", "after it"))
			phones.wantText(t, "4161231234", "after it")
			phones.wantCount(t, "4161231234", "once only", 1)
		})
	}
}

// TestKilledTwice kills the gateway in mid-send, and the next one at once, with a command that opens the file in between. The
// modem's answer waits for whoever listens next, also if somebody else has called the text uncertain by then. There is no
// other evidence: the modem gives no status reports.
func TestKilledTwice(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "1s", "--no-reports")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	n := b.log.count()
	id := e.submit(t, text("4161231234", "once only"))
	b.log.await(t, n, b.p.ended, ctrlZ...)
	b.kill()
	if m := b.message(t, id); m.State != "uncertain" { // a command finds the open claim
		t.Errorf("after the first kill it is %s, want uncertain", m.State)
	}
	b.serve(t)
	b.kill()
	phones.wantText(t, "4161231234", "once only")
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantReceipt(t, id, smpp.StateAccepted)
	e.wantReceipt(t, e.submit(t, text("4161231234", "after it")), smpp.StateAccepted)
	phones.wantCount(t, "4161231234", "once only", 1)
}

// wantUncertain wants everybody who asks about a message to hear that nobody knows.
func wantUncertain(t *testing.T, b *box, e *esme, id string) {
	t.Helper()
	if resp := e.wantState(t, id, smpp.StateUnknown); resp.FinalDate != "" {
		t.Errorf("query_sm has the final_date %q, though evidence is awaited", resp.FinalDate)
	}
	if m := b.message(t, id); m.State != "uncertain" || m.Final || m.Reason == "" {
		t.Errorf("the message is %+v, want it uncertain, with a reason", m)
	}
	wantStatus(t, "cancel_sm of an uncertain message", e.Cancel(&smpp.CancelSM{MessageID: id}), smpp.StatusCancelFail)
}

// TestKilledWithoutEvidence kills the gateway in mid-send of a text that never reached a phone: the message ends as
// UNKNOWN when its time is over, and is never sent again.
func TestKilledWithoutEvidence(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "1s")
	b := startBox(t, settings{modem: phones.port, messages: []string{`uncertain_wait = "3s"`}})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	n := b.log.count()
	id := e.submit(t, text("41699913", "lost")) // OK without +CMGS, and nothing sent
	b.log.await(t, n, b.p.ended, ctrlZ...)
	b.kill()
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantState(t, id, smpp.StateUnknown)
	e.wantReceipt(t, id, smpp.StateUnknown)
	if resp := e.wantState(t, id, smpp.StateUnknown); resp.FinalDate == "" {
		t.Error("query_sm has no final_date, though no evidence is awaited any more")
	}
	e.wantReceipt(t, e.submit(t, text("4161231234", "after it")), smpp.StateDelivered)
	phones.wantCount(t, "41699913", "lost", 0)
}

// TestKilledWithQueue kills the gateway with messages accepted and no modem, then while the modem works them off. What
// was answered with status 0 is sent; nothing is sent twice; every state agrees with what the phones have.
func TestKilledWithQueue(t *testing.T) {
	t.Parallel()
	link := linkName(t)
	b := startBox(t, settings{modem: link, messages: []string{`uncertain_wait = "5s"`}})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	const count = 30
	ids := make([]string, count)
	body := func(i int) string { return fmt.Sprintf("message %d of %d", i+1, count) }
	for i := range ids {
		ids[i] = e.submit(t, text(numberOf(i), body(i)))
	}
	b.kill()
	b.serve(t)
	e = b.bind(t, "shop")
	for _, id := range ids {
		e.wantState(t, id, smpp.StateEnroute)
	}
	if err := e.Unbind(); err != nil { // so that all receipts wait for the last life
		t.Fatal(err)
	}

	// No report comes before the kill: one that was read, and not on disk yet, would be gone with the process, for a modem
	// that wants no acknowledgement gives it once.
	phones := startSimulatorAt(t, link, "--latency", "50ms", "--report-delay", "8s")
	phones.wantText(t, numberOf(4), body(4))
	b.kill()
	b.serve(t)
	e = b.bind(t, "shop")
	unknown := 0
	for i, id := range ids {
		// Each ends; at most the one that the modem had at the kill may have got lost before Ctrl-Z.
		m := b.message(t, id)
		eventually(t, "an end of message "+id, func() (bool, string) {
			m = b.message(t, id)
			return m.Final, fmt.Sprintf("%+v", m)
		})
		copies := 1
		if m.State == "unknown" {
			unknown++
			copies = 0
		} else if m.State != "delivered" {
			t.Errorf("message %s ended as %s: %s", id, m.State, m.Why)
		}
		phones.wantCount(t, numberOf(i), body(i), copies)
		e.wantReceipt(t, id, map[int]smpp.MessageState{0: smpp.StateUnknown, 1: smpp.StateDelivered}[copies])
	}
	e.wantNothing(t)
	if unknown > 1 {
		t.Errorf("%d messages ended as unknown; the modem had one at a time", unknown)
	}
	if got := len(phones.texts(t)); got != count-unknown {
		t.Errorf("the phones got %d texts, want %d", got, count-unknown)
	}
}

// TestStop sends SIGTERM in mid-send: the client is unbound, the modem's answer is waited for and written down, and the
// file is whole.
func TestStop(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "2s", "--report-delay", "1s")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	n := b.log.count()
	id := e.submit(t, text("4161231234", "being sent"))
	waiting := e.submit(t, text("4161231234", "waiting"))
	b.log.await(t, n, b.p.ended, ctrlZ...)
	b.stop(t)
	e.wantClosed(t)
	// With no gateway running, the commands read the file themselves.
	if m := b.message(t, id); m.State != "sent" {
		t.Errorf("after the stop the message is %s, want sent: its answer could be waited for (%s)", m.State, m.Why)
	}
	if m := b.message(t, waiting); m.State != "queued" {
		t.Errorf("after the stop the next message is %s, want queued", m.State)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "data", "control.sock")); !os.IsNotExist(err) {
		t.Errorf("control.sock is still there (%v)", err)
	}
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantReceipt(t, id, smpp.StateDelivered)
	e.wantReceipt(t, waiting, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "being sent", 1)
	phones.wantCount(t, "4161231234", "waiting", 1)
}

// TestStopTwice sends a second signal while the modem has a text that it does not answer: the process ends at once, as by
// kill -9, and nothing is lost, or sent again.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "5s", "--report-delay", "1s")
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	b.ready(t)
	n := b.log.count()
	id := e.submit(t, text("4161231234", "being sent"))
	waiting := e.submit(t, text("4161231234", "waiting"))
	b.log.await(t, n, b.p.ended, ctrlZ...)
	b.p.cmd.Process.Signal(syscall.SIGTERM)
	b.log.await(t, n, b.p.ended, "msg=stopping")
	b.p.cmd.Process.Signal(syscall.SIGHUP) // changes nothing
	e.wantClosed(t)
	began := time.Now()
	b.p.cmd.Process.Signal(syscall.SIGINT)
	<-b.p.ended
	if state := b.p.cmd.ProcessState.Sys().(syscall.WaitStatus); !state.Signaled() || state.Signal() != syscall.SIGINT {
		t.Errorf("after the second signal it ended with %v", b.p.err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the second signal took %s", took)
	}
	b.serve(t)
	e = b.bind(t, "shop")
	e.wantReceipt(t, id, smpp.StateDelivered)
	e.wantReceipt(t, waiting, smpp.StateDelivered)
	phones.wantCount(t, "4161231234", "being sent", 1)
	phones.wantCount(t, "4161231234", "waiting", 1)
}

// TestStopDeafClients: clients that neither read nor answer unbind keep nobody from stopping, nor does a stop that comes while
// the gateway has just begun.
func TestStopDeafClients(t *testing.T) {
	t.Parallel()
	b := startBox(t, settings{modem: "simulated", smpp: []string{`response = "2s"`}})
	b.account(t, "shop")
	e := b.bind(t, "shop")
	id := e.submit(t, text("4161231234", "kept"))
	for range 5 {
		deafBind(t, b)
	}
	began := time.Now()
	b.stop(t)
	if took := time.Since(began); took > stopBound {
		t.Errorf("the stop took %s, and its bound is %s", took, stopBound)
	}
	if m := b.message(t, id); m.State == "" {
		t.Error("the message is gone")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond, 300 * time.Millisecond} {
		p := start(t, b.log, path, "serve", "--config", b.config)
		time.Sleep(after)
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(stopBound):
			t.Fatalf("stopped after %s it goes on", after)
		}
		if code := exitCode(p.err); code > 0 { // a process that has not come so far as to ask for signals dies by it
			t.Errorf("stopped after %s it ended with %d", after, code)
		}
	}
	b.serve(t)
	if m := b.message(t, id); m.State == "" {
		t.Error("the message is gone")
	}
}

// deafBind is a client that binds, and neither reads nor answers from then on.
func deafBind(t *testing.T, b *box) {
	t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	body := "shop\x00" + b.secrets[0] + "\x00\x00\x34\x00\x00\x00"
	pdu := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	pdu = binary.BigEndian.AppendUint32(pdu, 9) // bind_transceiver
	pdu = binary.BigEndian.AppendUint64(pdu, 1)
	if _, err := conn.Write(append(pdu, body...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(conn, head); err != nil || binary.BigEndian.Uint32(head[8:]) != 0 {
		t.Fatalf("bind: % X, %v", head, err)
	}
}
