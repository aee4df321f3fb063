package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"smsgateway/modem/sim"
)

// TestSimulateRefuses: what is wrong with the flags is said before there is a modem.
func TestSimulateRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("after 5 refuse 38\nat 10s explode\nat 5 reset\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const used, failed = 2, 1
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--like", "nokia"}, used, `--like "nokia": there is none of that name: write one of huawei`},
		{[]string{"--timing", "fast"}, used, "write gsm, lte or instant"},
		{[]string{"--script", script}, failed, script + `:2: fault "explode"`},
		{[]string{"--script", script}, failed, script + `:3: a time needs its unit, as in 5s`},
		{[]string{"--script", script + "x"}, failed, "read the script"},
		{[]string{"--link", filepath.Join(script+"x", "modem0")}, failed, "there is no directory " + script + "x: make it"},
		{[]string{"--chaos", "10"}, used, "0 to 1"},
		{[]string{"--chaos", "NaN"}, used, "0 to 1"},
		{[]string{"--chaos", "much"}, used, "0 to 1"},
		{[]string{"--seed", "-1"}, used, "write a whole number, 0 or above"},
		{[]string{"--latency", "5"}, used, "a time needs its unit, as in 5s"},
		{[]string{"--latency", "soon"}, used, "write it as in 500ms, 5s or 2m"},
		{[]string{"--report-delay", "-5s"}, used, "a time can't be below zero"},
		{[]string{"--no-reports=maybe"}, used, "write true or false"},
		{[]string{"--pin", "98x"}, used, "--pin is no PIN: that has 4 to 8 digits"},
		{[]string{"--imei", "3569"}, used, "an IMEI has 15 digits"},
		{[]string{"--imei", "356938035643808"}, used, "a typing error? 356938035643809 would do"},
		{[]string{"--iccid", "8949x"}, used, "18 to 20 digits"},
		{[]string{"--number", "+49 170"}, used, "1 to 20 digits and no blanks"},
	} {
		var said strings.Builder
		args := append([]string{"modem", "simulate"}, tt.args...)
		if code := run(t.Context(), args, strings.NewReader(""), io.Discard, &said); code != tt.code || !strings.Contains(said.String(), tt.want) {
			t.Errorf("%v: exit code %d, want %d; it says %q, want %q", tt.args, code, tt.code, said.String(), tt.want)
		}
		for _, foreign := range []string{"strconv", "missing unit", "98x"} {
			if strings.Contains(said.String(), foreign) {
				t.Errorf("%v: it says %q, with %q", tt.args, said.String(), foreign)
			}
		}
	}
}

// TestSimulateHelp: the defaults are shown as they are, and only where there are any.
func TestSimulateHelp(t *testing.T) {
	var help strings.Builder
	if code := run(t.Context(), []string{"modem", "simulate", "--help"}, strings.NewReader(""), &help, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"instant", "--latency duration", "+CMGS (default 1s)", "--no-reports  ", "--imei string"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, help.String())
		}
	}
	if got := strings.Count(help.String(), "(default"); got != 3 { // --config has one too
		t.Errorf("the help shows %d defaults, want 3:\n%s", got, help.String())
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
	lines := bufio.NewReader(out)
	path, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, lines) // the fault that strikes
	defer said.Close()
	tty, err := os.OpenFile(strings.TrimSpace(path), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if _, err := io.WriteString(tty, "ATE0+CGMM;+CSQ;+CREG?\r"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for answer := bufio.NewScanner(tty); answer.Scan(); {
		if line := strings.TrimSpace(answer.Text()); line == "OK" {
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

// TestSimulateTells prints what strikes, once, and where the modem is back.
func TestSimulateTells(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("at 0s unplug 1ms rename\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	out, said := io.Pipe()
	cmd := simulateCommand(in, said)
	cmd.SetArgs([]string{"--script", script, "--timing", "instant"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	lines := bufio.NewReader(out)
	next := func(want string) []string {
		t.Helper()
		line, err := lines.ReadString('\n')
		found := regexp.MustCompile("^" + want + "\n$").FindStringSubmatch(line)
		if err != nil || found == nil {
			t.Fatalf("it says %q, %v; want %s", line, err, want)
		}
		return found
	}
	const clock = `\d\d:\d\d:\d\d `
	first := next(`(/dev/\S+)`)
	next(clock + "fault: unplug 1ms rename")
	if second := next(clock + `back as (/dev/\S+)`); second[1] == first[1] {
		t.Errorf("renamed, and back as %s again", second[1])
	}
	for _, words := range []string{"sim puk", "sim ok"} {
		if _, err := io.WriteString(typing, "fault "+words+"\n"); err != nil {
			t.Fatal(err)
		}
		next(clock + "fault: " + words)
	}
	typing.Close() // it goes on
	select {
	case err := <-ended:
		t.Fatalf("it ended with its input: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestIdentify: what is made up is what the port of a [[modem]] takes.
func TestIdentify(t *testing.T) {
	for range 100 {
		var cfg sim.Config
		identify(&cfg)
		for _, port := range []string{portIMEI + cfg.IMEI, portICCID + cfg.ICCID} {
			if why := portFault(port); why != "" || len(cfg.IMEI) != 15 {
				t.Fatalf("%s: %s", port, why)
			}
		}
	}
}
