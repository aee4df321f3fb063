package e2e

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// startDemo runs `smsgateway demo` with a directory for temporary files of its own, which must be empty after it.
func startDemo(t *testing.T, args ...string) (p *process, tmp string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	tmp, err = os.MkdirTemp(scratch, "demo-")
	if err != nil {
		t.Fatal(err)
	}
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, nil, env, append([]string{"TMPDIR=" + tmp, path, "demo"}, args...)...), tmp
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%s holds %v (%v), want nothing", dir, list, err)
	}
}

// TestDemoOnce is the README's first command as scripts run it.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	p, tmp := startDemo(t, "--once", "--listen", "127.0.0.1:0")
	p.wantEnd(t, 0)
	out := p.stdout.String()
	for _, step := range []string{
		"Account Key", "password", "bind_transceiver", "message_id", "AT+CMGS=", "<Ctrl-Z>", "+CMGS: ", "ENROUTE", "DELETED",
		"ESME_RCANCELFAIL", "stat:DELIVRD", "DELIVERED", "Thank you!", "unbind", "every step was checked and is true",
	} {
		if !strings.Contains(out, step) {
			t.Errorf("the demo shows no %q:\n%s", step, out)
		}
	}
	wantEmpty(t, tmp)
}

// TestDemoStays uses the demo as a client developer does: with the account that it shows, until Ctrl-C.
func TestDemoStays(t *testing.T) {
	t.Parallel()
	p, tmp := startDemo(t, "--listen", "127.0.0.1:0")
	value := func(name string) string {
		t.Helper()
		line := p.stdout.await(t, 0, p.ended, "    "+name+" ")
		return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), name))
	}
	addr, key, secret := value("address"), value("system_id"), value("password")
	c, err := smpptest.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Bind(smpp.BindTransceiver, key, secret); err != nil {
		t.Fatal(err)
	}
	e := &esme{Client: c}
	e.wantReceipt(t, e.submit(t, text("4161230000", "from a developer")), smpp.StateDelivered)
	p.stdout.await(t, 0, p.ended, "4161230000", "from a developer")
	p.cmd.Process.Signal(syscall.SIGINT)
	p.wantEnd(t, 0)
	e.wantClosed(t)
	wantEmpty(t, tmp)
}

// TestDemoBusy wants a sentence that says what to do.
func TestDemoBusy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p, tmp := startDemo(t, "--once", "--listen", taken.Addr().String())
	p.wantEnd(t, 1)
	if got := p.stderr.String(); !holds(got, []string{"smsgateway: ", taken.Addr().String(), "--listen"}) {
		t.Errorf("stderr is %q, want a sentence with the address and --listen", got)
	}
	wantEmpty(t, tmp)
}
