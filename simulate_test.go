package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smsgateway/modem/sim"
)

// TestSimulateRefuses: what is wrong with the flags is said before there is a modem.
func TestSimulateRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("after 5 refuse 38\nat 10s explode\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--like", "nokia"}, "write one of huawei"},
		{[]string{"--timing", "fast"}, "write gsm, lte or instant"},
		{[]string{"--script", script}, script + `:2: fault "explode"`},
		{[]string{"--script", script + "x"}, "read the script"},
		{[]string{"--chaos", "10"}, "0 to 1"},
	} {
		cmd := simulateCommand(strings.NewReader(""), io.Discard)
		cmd.SetArgs(tt.args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v, want one with %q", tt.args, err, tt.want)
		}
	}
}

// TestTyped types at a simulated modem: a fault strikes, nonsense is explained.
func TestTyped(t *testing.T) {
	m := sim.New(sim.Config{})
	near, far := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(t.Context(), far) }()
	defer func() { near.Close(); <-ended }()

	var said strings.Builder
	typed(strings.NewReader("fault signal 7\nfault silent\nfaults\nhello\ntext +49170\n\n"), m, &console{out: &said})
	explained := []string{"silent sent, silent lost", "type faults for all", "fault unplug [TIME] [rename]", "type: text NUMBER"}
	for _, want := range explained {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it says %q, without %q", said.String(), want)
		}
	}
	if got := strings.Count(said.String(), "type: text"); got != 2 {
		t.Errorf("it explained itself %d times, want 2", got)
	}
	if _, err := io.WriteString(near, "AT+CSQ\r"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(near)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "+CSQ: 7,") {
		if lines.Text() == "OK" {
			t.Fatal("the signal is another one")
		}
	}
}

// TestSimulateFlags: the modem has the make, the times and the script of its flags.
func TestSimulateFlags(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("at 0s signal 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, said := io.Pipe()
	cmd := simulateCommand(strings.NewReader(""), said)
	cmd.SetArgs([]string{"--like", "cinterion", "--script", script, "--timing", "lte"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	path, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(strings.TrimSpace(path), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if _, err := io.WriteString(tty, "ATE0+CGMM;+CSQ;+CREG?\r"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for lines := bufio.NewScanner(tty); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line == "OK" {
			break
		} else if line != "" {
			got = append(got, line)
		}
	}
	answer := strings.Join(got, " ")
	for _, want := range []string{"MC55i", "+CSQ: 7,99", "+CREG: 0,2"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the modem says %q, without %s", answer, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
