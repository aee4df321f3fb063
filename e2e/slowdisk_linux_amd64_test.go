package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smsgateway/smpp"
)

// slowSync is how long each fdatasync of TestSlowDisk takes.
var slowSync = flag.Duration("slowsync", 3*time.Second, "how long each fdatasync of the database takes in TestSlowDisk; 3s or more")

// TestSlowDisk: for a while the disk takes seconds for each sync. Sessions stay, and are answered what needs no disk; the
// watchdog is told; nothing is given to the network without a claim on disk; then all goes on, each text once.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t, "--latency", "5ms", "--report-delay", "5ms")
	admin := freePort(t)
	b := newBox(t, settings{modem: phones.port, admin: admin, smpp: []string{`enquire_link = "1s"`, `response = "10s"`}})
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	slow := filepath.Join(b.dir, "slow")
	env, _ := underInjector(t, b, diskFault{Call: "fdatasync", Hold: *slowSync, While: slow})
	b.p = startIn(t, []string{env}, b.log, os.Args[0], path, "serve", "--config", b.config)
	b.served(t, 0)
	b.account(t, "shop")
	e := b.bind(t, "shop")
	e.Timeout = 20 * *slowSync
	other := b.bind(t, "shop") // answers go out in order, so only one without a submit_sm can be answered meanwhile
	b.ready(t)
	if err := os.WriteFile(slow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	answered := make(chan error, 1)
	go func() {
		_, err := e.Submit(text("4161230000", "slowly"))
		answered <- err
	}()
	for open := true; open; {
		select {
		case err := <-answered:
			if err != nil {
				t.Fatal(err)
			}
			open = false
		case <-time.After(100 * time.Millisecond):
			asked := time.Now()
			if err := other.EnquireLink(); err != nil {
				t.Fatalf("enquire_link after %s: %v", time.Since(began), err)
			}
			if took := time.Since(asked); took > 2*time.Second {
				t.Errorf("enquire_link was answered after %s", took)
			}
			if time.Since(began) < *slowSync {
				if got := phones.texts(t); len(got) != 0 {
					t.Errorf("sent before it was accepted: %v", got)
				}
			}
		}
	}
	if took := time.Since(began); took < 2**slowSync { // a commit has two
		t.Errorf("submit_sm was answered after %s, though its commit takes %s", took, 2**slowSync)
	}
	eventually(t, "/healthz to tell", func() (bool, string) { // its claim is being written
		status, body := healthz(t, admin)
		return status == 503 && strings.Contains(body, "has not answered"), body
	})
	if err := os.Remove(slow); err != nil {
		t.Fatal(err)
	}
	var d *smpp.DeliverSM
	select { // the account's two sessions share its receipts
	case d = <-e.Deliveries():
	case d = <-other.Deliveries():
	case <-time.After(patience):
		t.Fatal("no receipt")
	}
	if r, err := smpp.ParseReceipt(string(d.ShortMessage)); err != nil || r.State != smpp.StateDelivered {
		t.Errorf("the receipt is %q (%v)", d.ShortMessage, err)
	}
	phones.wantCount(t, "4161230000", "slowly", 1)
	if late := strings.Contains(b.log.String(), "the disk took too long"); late != (*slowSync > 20*time.Second) {
		t.Errorf("the modem was taken back from its prompt: %t, with syncs of %s", late, *slowSync)
	}
	e.EnquireLink()
	b.stop(t)
}
