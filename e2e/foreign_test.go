package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"
)

// Programs that drive real modems use the simulated one as they find it. Each test has a simulator of its own: as with a
// real modem, settings outlive the program that made them.

// foreign runs a foreign program to its end and gives all that it said.
func foreign(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// writeFile writes a file in a directory of the test, and makes that directory if it has to.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantFile waits for a file that fits the pattern and holds all the words.
func wantFile(t *testing.T, pattern string, read func([]byte) string, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("a file %s with %q", pattern, words), func() (bool, string) {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		seen := ""
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err == nil && holds(read(b), words) {
				return true, ""
			}
			seen += fmt.Sprintf("%s: %q (%v)\n", name, read(b), err)
		}
		return false, seen
	})
}

// plain and wide are how the programs write texts.
func plain(b []byte) string { return string(b) }

func wide(b []byte) string {
	b = bytes.TrimPrefix(b, []byte{0xFE, 0xFF})
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// TestGammu identifies the modem, sends and reads texts.
func TestGammu(t *testing.T) {
	t.Parallel()
	gammu := need(t, "gammu")
	// setUp gives a simulator and a function that runs gammu on it.
	setUp := func(t *testing.T, args ...string) (*simulator, func(args ...string) (string, error)) {
		t.Helper()
		t.Parallel()
		phones := startSimulator(t, args...)
		config := filepath.Join(t.TempDir(), "gammurc")
		writeFile(t, config, fmt.Sprintf("[gammu]\ndevice = %s\nconnection = at115200\n", phones.port))
		return phones, func(args ...string) (string, error) {
			return foreign(append([]string{gammu, "-c", config}, args...)...)
		}
	}
	want := func(t *testing.T, out string, err error, words ...string) {
		t.Helper()
		if err != nil || !holds(out, words) {
			t.Errorf("gammu ended with %v and said %q, want %q in it", err, out, words)
		}
	}
	t.Run("identity", func(t *testing.T) {
		_, ask := setUp(t, "--pin", "1234")
		out, err := ask("getsecuritystatus")
		want(t, out, err, "Waiting for PIN")
		out, err = ask("entersecuritycode", "PIN", "1234")
		want(t, out, err)
		out, err = ask("--identify")
		want(t, out, err, "smsgateway", "simulated modem", "IMEI")
		out, err = ask("networkinfo")
		want(t, out, err, "SimNet", "262 01")
	})
	t.Run("send", func(t *testing.T) {
		phones, ask := setUp(t)
		out, err := ask("sendsms", "TEXT", "+491701234567", "-text", "Hello from gammu")
		want(t, out, err, "OK")
		phones.wantText(t, "+491701234567", "Hello from gammu")
		long := strings.Repeat("0123456789", 30)
		out, err = ask("sendsms", "TEXT", "+491701234567", "-len", "400", "-text", long)
		want(t, out, err, "OK")
		phones.wantText(t, "+491701234567", long)
	})
	t.Run("refusal", func(t *testing.T) {
		_, ask := setUp(t)
		if out, err := ask("sendsms", "TEXT", "+4917099901", "-text", "x"); err == nil || !strings.Contains(out, "error 1") {
			t.Errorf("gammu sent to an unassigned number (%v): %s", err, out)
		}
	})
	t.Run("receive", func(t *testing.T) {
		phones, ask := setUp(t)
		phones.text(t, "+491709999999", "an answer for gammu")
		eventually(t, "gammu to find the text", func() (bool, string) {
			out, err := ask("getallsms")
			return err == nil && holds(out, []string{"an answer for gammu", "+491709999999"}), out
		})
	})
}

// TestGammuSMSD has gammu's daemon send and receive.
func TestGammuSMSD(t *testing.T) {
	t.Parallel()
	smsd, inject := need(t, "gammu-smsd"), need(t, "gammu-smsd-inject")
	phones := startSimulator(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "smsdrc")
	for _, box := range []string{"inbox", "outbox", "sent", "error"} {
		if err := os.Mkdir(filepath.Join(dir, box), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, config, fmt.Sprintf(`[gammu]
device = %s
connection = at115200
[smsd]
service = files
logfile = %s/log
ReceiveFrequency = 1
LoopSleep = 1
StatusFrequency = 5
commtimeout = 5
inboxpath = %[2]s/inbox/
outboxpath = %[2]s/outbox/
sentsmspath = %[2]s/sent/
errorsmspath = %[2]s/error/
inboxformat = unicode
outboxformat = unicode
`, phones.port, dir))
	p := start(t, nil, smsd, "-c", config)
	if out, err := foreign(inject, "-c", config, "TEXT", "+491701112222", "-text", "Hello from gammu-smsd"); err != nil {
		t.Fatalf("gammu-smsd-inject: %v\n%s", err, out)
	}
	phones.wantText(t, "+491701112222", "Hello from gammu-smsd")
	wantFile(t, filepath.Join(dir, "sent", "OUT*"), wide, "Hello from gammu-smsd")
	phones.text(t, "+491709999999", "an answer: Grüße")
	wantFile(t, filepath.Join(dir, "inbox", "IN*_+491709999999_*"), wide, "an answer: Grüße")
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.wantEnd(t, 0)
	phones.wantCount(t, "+491701112222", "Hello from gammu-smsd", 1)
}

// TestSmstools has smsd of smstools send with a report, and receive.
func TestSmstools(t *testing.T) {
	t.Parallel()
	smsd := need(t, "smsd")
	phones := startSimulator(t)
	dir := t.TempDir()
	for _, box := range []string{"outgoing", "checked", "incoming", "failed", "sent", "report"} {
		if err := os.Mkdir(filepath.Join(dir, box), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "smsd.conf")
	// smsd finds reports by reading memories only, hence +CNMI and the two memories.
	writeFile(t, config, fmt.Sprintf(`devices = GSM1
loglevel = 7
logfile = %[2]s/smsd.log
outgoing = %[2]s/outgoing
checked = %[2]s/checked
incoming = %[2]s/incoming
failed = %[2]s/failed
sent = %[2]s/sent
report = %[2]s/report
infofile = %[2]s/smsd.working
pidfile = %[2]s/smsd.pid
receive_before_send = no
autosplit = 3
delaytime = 1
terminal = yes

[GSM1]
device = %[1]s
incoming = yes
report = yes
baudrate = 115200
memory_start = 1
init = AT+CNMI=2,1,0,2,0
primary_memory = SM
secondary_memory = SR
`, phones.port, dir))
	p := start(t, nil, smsd, "-t", "-c"+config)
	outgoing := func(name, to, body string) {
		t.Helper()
		writeFile(t, filepath.Join(dir, name), fmt.Sprintf("To: %s\nReport: yes\n\n%s", to, body))
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "outgoing", name)); err != nil {
			t.Fatal(err)
		}
	}
	outgoing("one", "491701234567", "Hello from smstools")
	phones.wantText(t, "+491701234567", "Hello from smstools")
	wantFile(t, filepath.Join(dir, "sent", "one"), plain, "Message_id: ", "Hello from smstools")
	wantFile(t, filepath.Join(dir, "report", "*"), plain, "Status: 0,")
	long := strings.Repeat("0123456789", 30)
	outgoing("two", "491701234567", long)
	phones.wantText(t, "+491701234567", long)
	phones.text(t, "+491709999999", "an answer for smstools")
	wantFile(t, filepath.Join(dir, "incoming", "*"), plain, "From: 491709999999", "an answer for smstools")
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.wantEnd(t, 0)
	phones.wantCount(t, "+491701234567", "Hello from smstools", 1)
}

// TestGnokii has gnokii's AT driver identify the modem, send, and read a text.
func TestGnokii(t *testing.T) {
	t.Parallel()
	gnokii := need(t, "gnokii")
	phones := startSimulator(t)
	port, err := filepath.EvalSymlinks(phones.port) // it has no room for long names
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "gnokiirc")
	writeFile(t, config, fmt.Sprintf("[global]\nport = %s\nmodel = AT\nconnection = serial\nserial_baudrate = 115200\nsmsc_timeout = 10\n", port))
	run := func(text string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, gnokii, append([]string{"--config", config}, args...)...)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	want := func(words []string, text string, args ...string) {
		t.Helper()
		if out, err := run(text, args...); err != nil || !holds(out, words) {
			t.Errorf("gnokii %s ended with %v and said %q, want %q in it", args[0], err, out, words)
		}
	}
	want([]string{"smsgateway", "simulated modem", "IMEI"}, "", "--identify")
	if out, _ := run("", "--monitor", "once"); !holds(out, []string{"262 01", "RFLevel: 21"}) { // its exit status says nothing
		t.Errorf("gnokii --monitor said %q", out)
	}
	want([]string{"Send succeeded"}, "Hello from gnokii", "--sendsms", "+491701234567", "-r")
	phones.wantText(t, "+491701234567", "Hello from gnokii")
	long := strings.Repeat("0123456789", 30)
	want([]string{"Message sent in 2 parts"}, long, "--sendsms", "+491701234567", "--long", "400")
	phones.wantText(t, "+491701234567", long)
	if out, err := run("x", "--sendsms", "+4917099901"); err == nil {
		t.Errorf("gnokii sent to an unassigned number: %s", out)
	}
	phones.text(t, "+491709999999", "an answer for gnokii")
	eventually(t, "gnokii to find the text", func() (bool, string) {
		out, err := run("", "--getsms", "SM", "1", "end")
		return err == nil && holds(out, []string{"an answer for gnokii", "+491709999999"}), out
	})
	phones.wantCount(t, "+491701234567", "Hello from gnokii", 1)
}
