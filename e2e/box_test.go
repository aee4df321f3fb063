package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// settings are what a box's configuration says beside the usual.
type settings struct {
	modem    string   // the port; "" for none
	more     []string // lines behind [[modem]]
	smpp     []string // lines for [smpp]
	messages []string // lines for [messages]
	log      []string // lines for [log]
	level    string   // of the log; "" is debug
	admin    string   // address of the status page; "" for none
	listen   string   // address of SMPP, in all lives of the process; "" for any free port
}

// box is one gateway with its data, over any number of lives of its process.
type box struct {
	dir     string
	config  string   // path of config.toml
	log     *lines   // of all its lives
	p       *process // nil while none runs
	addr    string   // of SMPP, in this life
	secrets []string // what must never be in the log
	sick    bool     // its disk is full or fails, and it may say so in the log
}

// newBox writes a configuration; nothing runs yet.
func newBox(t *testing.T, s settings) *box {
	t.Helper()
	// Not t.TempDir: with a test's name in it the control socket's path would be too long.
	dir, err := os.MkdirTemp(scratch, "box-")
	if err != nil {
		t.Fatal(err)
	}
	b := &box{dir: dir, config: filepath.Join(dir, "config.toml"), log: &lines{}}
	modem := ""
	if s.modem != "" {
		modem = fmt.Sprintf("[[modem]]\nname = \"sim\"\nport = %q\n%s\n", s.modem, strings.Join(s.more, "\n"))
	}
	text := fmt.Sprintf(`data_dir = "data"
[smpp]
listen = %q
%s
[messages]
%s
[admin]
listen = %q
[log]
level = %q
%s
%s`, cmp.Or(s.listen, "127.0.0.1:0"), strings.Join(s.smpp, "\n"), strings.Join(s.messages, "\n"), s.admin, cmp.Or(s.level, "debug"),
		strings.Join(s.log, "\n"), modem)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.judge(t) })
	return b
}

// judge looks at what the gateway logged in all its lives: nothing that only happens when something is broken, and no
// secret.
func (b *box) judge(t *testing.T) {
	if b.p != nil {
		b.p.kill()
	}
	list, _ := b.log.from(0)
	for _, line := range list {
		switch {
		case strings.Contains(line, "DATA RACE"), strings.HasPrefix(line, "panic"), strings.HasPrefix(line, "fatal error"),
			strings.Contains(line, "level=ERROR") && !b.sick, strings.Contains(line, "panicked"):
			t.Errorf("the gateway logged: %s", line)
		}
		for _, secret := range b.secrets {
			if strings.Contains(line, secret) {
				t.Errorf("the gateway logged the password %q: %s", secret, line)
			}
		}
	}
	if t.Failed() && len(list) > 0 {
		list = list[max(0, len(list)-100):]
		t.Logf("the end of the gateway's log:\n%s", strings.Join(list, "\n"))
	}
}

// startBox is a gateway that serves.
func startBox(t *testing.T, s settings) *box {
	t.Helper()
	b := newBox(t, s)
	b.serve(t)
	return b
}

// serve starts a gateway on the box's data and returns when it takes clients.
func (b *box) serve(t *testing.T) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	n := b.log.count()
	b.p = start(t, b.log, path, "serve", "--config", b.config)
	b.served(t, n)
}

// served waits until the gateway whose log begins there takes clients.
func (b *box) served(t *testing.T, n int) {
	t.Helper()
	line := b.log.await(t, n, b.p.ended, `msg="smsgateway serves"`)
	_, rest, _ := strings.Cut(line, " smpp=")
	b.addr, _, _ = strings.Cut(rest, " ")
}

// kill is kill -9.
func (b *box) kill() {
	b.p.kill()
	b.p = nil
}

// stop is SIGTERM, and wants an end in order.
func (b *box) stop(t *testing.T) {
	t.Helper()
	b.p.cmd.Process.Signal(syscall.SIGTERM)
	b.p.wantEnd(t, 0)
	b.p = nil
}

// ready waits until the box's modem can send.
func (b *box) ready(t *testing.T) {
	t.Helper()
	eventually(t, "a modem that is ready", func() (bool, string) {
		list := cliJSON[[]modemJSON](t, b, "modem", "list")
		return len(list) == 1 && list[0].State == "ready", fmt.Sprintf("%+v", list)
	})
}

// result is what a command left.
type result struct {
	stdout, stderr string
	code           int
}

// command runs the binary to its end, with this standard input.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.Dir = scratch // so that no config.toml is found by chance
	err = cmd.Run()
	r := result{stdout.String(), stderr.String(), exitCode(err)}
	if r.code < 0 {
		t.Fatalf("smsgateway %q ended with %v; it said:\n%s%s", args, err, r.stdout, r.stderr)
	}
	return r
}

// cli runs a command on this box.
func (b *box) cli(t *testing.T, args ...string) result {
	t.Helper()
	return command(t, "", append(args, "--config", b.config)...)
}

// must runs a command on this box that has to succeed, and gives what it printed.
func (b *box) must(t *testing.T, args ...string) string {
	t.Helper()
	r := b.cli(t, args...)
	if r.code != 0 {
		t.Fatalf("smsgateway %q ended with %d: %s", args, r.code, r.stderr)
	}
	return r.stdout
}

// cliJSON runs a command on a box with --json.
func cliJSON[T any](t *testing.T, b *box, args ...string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(b.must(t, append(args, "--json")...)), &v); err != nil {
		t.Fatalf("smsgateway %q --json: %v", args, err)
	}
	return v
}

// What --json prints. Scripts stand on these names: TestJSON holds them.
type (
	accountJSON struct {
		Key       string    `json:"key"`
		Name      string    `json:"name"`
		Disabled  bool      `json:"disabled"`
		Created   time.Time `json:"created"`
		MaxParts  int       `json:"max_parts"`
		Alphabet  string    `json:"alphabet"`
		Uncertain string    `json:"uncertain"`
		Inbound   string    `json:"inbound"`
		Sessions  int       `json:"sessions"`
	}
	messageJSON struct {
		ID                string     `json:"id"`
		Account           string     `json:"account"`
		Source            string     `json:"source"`
		Destination       string     `json:"destination"`
		State             string     `json:"state"`
		SMPPState         string     `json:"smpp_state"`
		Final             bool       `json:"final"`
		Reason            string     `json:"reason"`
		Why               string     `json:"why"`
		Text              string     `json:"text"`
		DataCoding        int        `json:"data_coding"`
		Encoding          string     `json:"encoding"`
		PossibleDuplicate bool       `json:"possible_duplicate"`
		Held              bool       `json:"held"`
		Refusals          int        `json:"refusals"`
		Accepted          time.Time  `json:"accepted"`
		Due               time.Time  `json:"due"`
		Expires           time.Time  `json:"expires"`
		Sent              time.Time  `json:"sent"`
		Ended             time.Time  `json:"ended"`
		Parts             []partJSON `json:"parts"`
	}
	partJSON struct {
		Number    int       `json:"number"`
		State     string    `json:"state"`
		Attempts  int       `json:"attempts"`
		Modem     string    `json:"modem"`
		Reference *int      `json:"reference"`
		Reason    string    `json:"reason"`
		Claimed   time.Time `json:"claimed"`
		Sent      time.Time `json:"sent"`
		Reported  time.Time `json:"reported"`
	}
	inboxJSON struct {
		ID       string    `json:"id"`
		Account  string    `json:"account"`
		Modem    string    `json:"modem"`
		From     string    `json:"from"`
		To       string    `json:"to"`
		Time     time.Time `json:"time"`
		Received time.Time `json:"received"`
		Encoding string    `json:"encoding"`
		Text     string    `json:"text"`
		Data     string    `json:"data"`
		Part     int       `json:"part"`
		Parts    int       `json:"parts"`
		Missing  int       `json:"missing"`
	}
	modemJSON struct {
		Name         string    `json:"name"`
		Port         string    `json:"port"`
		State        string    `json:"state"`
		Since        time.Time `json:"since"`
		Manufacturer string    `json:"manufacturer"`
		Model        string    `json:"model"`
		IMEI         string    `json:"imei"`
		ICCID        string    `json:"iccid"`
		Operator     string    `json:"operator"`
		Registration string    `json:"registration"`
		SignalDBm    int       `json:"signal_dbm"`
		SMSC         string    `json:"smsc"`
		Reports      bool      `json:"reports"`
		Sent         uint64    `json:"sent"`
		Refused      uint64    `json:"refused"`
		Uncertain    uint64    `json:"uncertain"`
		Received     uint64    `json:"received"`
		LastError    string    `json:"last_error"`
		LastErrorAt  time.Time `json:"last_error_at"`
	}
)

// message shows one message.
func (b *box) message(t *testing.T, id string) messageJSON {
	t.Helper()
	return cliJSON[messageJSON](t, b, "message", "show", id)
}

// awaitState waits until the operator sees a message in a state.
func (b *box) awaitState(t *testing.T, id, state string) messageJSON {
	t.Helper()
	var m messageJSON
	eventually(t, "message "+id+" to be "+state, func() (bool, string) {
		m = b.message(t, id)
		return m.State == state, fmt.Sprintf("%+v", m)
	})
	return m
}

// password is that of the account with this key. No hexadecimal dump can hold it by chance.
func password(key string) string {
	return fmt.Sprintf("p~%06x", crc32.ChecksumIEEE([]byte(key))>>8)
}

// account adds an account with the password of its key.
func (b *box) account(t *testing.T, key string, flags ...string) {
	t.Helper()
	args := append([]string{"account", "add", "--key", key, "--name", "Name of " + key, "--password-stdin", "--config", b.config}, flags...)
	if r := command(t, password(key)+"\n", args...); r.code != 0 {
		t.Fatalf("smsgateway %q ended with %d: %s", args, r.code, r.stderr)
	}
	b.secrets = append(b.secrets, password(key))
}

// portsGiven are those that freePort has given.
var portsGiven sync.Map

// freePort is a TCP address that nobody uses at this moment, another one each time. It is below those that the system gives to connections and to
// listeners on any port (Linux: from 32768 on): one of these might have it before the program for which it is.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000))
		if _, given := portsGiven.LoadOrStore(addr, true); given {
			continue
		}
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			ln.Close()
			return addr
		}
	}
	t.Fatal(err)
	return ""
}
