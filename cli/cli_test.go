package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/sms"
)

// shell runs commands against one gateway with a real store. Without run it doesn't run: as if the commands had opened
// the file themselves.
type shell struct {
	t       *testing.T
	gateway *gateway.Gateway
	stdin   io.Reader
	ctx     context.Context

	waitSaid            time.Duration
	onStderr            func(string) // is told what is said there; may be nil
	unreachable         error        // what Connect answers; nil: it connects
	configPath, dataDir string
	connects, ends      int

	path    string // of the database
	running bool   // what Database says
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{t: t, stdin: strings.NewReader(""), ctx: t.Context(), path: filepath.Join(t.TempDir(), "gateway.db")}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *shell) open() {
	s.t.Helper()
	g, err := gateway.Open(gateway.Options{Path: s.path})
	if err != nil {
		s.t.Fatal(err)
	}
	s.gateway = g
}

func (s *shell) close() {
	if err := s.gateway.Close(); err != nil {
		s.t.Error(err)
	}
}

// database is as if a gateway ran where running says so.
func (s *shell) database(context.Context, string, string) (Database, error) {
	db := Database{Path: s.path}
	if s.running {
		db.Running = admin.Local(admin.NewHandler(s.gateway, slog.New(slog.DiscardHandler)))
	}
	return db, nil
}

func (s *shell) connect(_ context.Context, configPath, dataDir string, _ bool) (*admin.Client, func() error, error) {
	s.connects++
	s.configPath, s.dataDir = configPath, dataDir
	if s.unreachable != nil {
		return nil, nil, s.unreachable
	}
	client := admin.Local(admin.NewHandler(s.gateway, slog.New(slog.DiscardHandler)))
	return client, func() error { s.ends++; return nil }, nil
}

// do runs one command line.
func (s *shell) do(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	listen := io.Writer(&err)
	if s.onStderr != nil {
		listen = io.MultiWriter(&err, listener(s.onStderr))
	}
	root := New(Env{
		Connect: s.connect, Database: s.database, Version: "1.2.3", WaitSaid: s.waitSaid,
		Extra:      []*cobra.Command{{Use: "serve", Short: "x", Long: "x", Example: "  smsgateway serve", Args: NoArgs, RunE: func(*cobra.Command, []string) error { return errors.New("served") }}},
		ModemExtra: []*cobra.Command{{Use: "simulate", Short: "x", Long: "x", Example: "  smsgateway modem simulate", Args: NoArgs, RunE: func(*cobra.Command, []string) error { return nil }}},
		Stdin:      s.stdin, Stdout: &out, Stderr: listen,
	})
	code = Run(s.ctx, root, args)
	return out.String(), err.String(), code
}

// listener is an io.Writer that only tells what is written.
type listener func(string)

func (l listener) Write(b []byte) (int, error) {
	l(string(b))
	return len(b), nil
}

// must runs one that has to succeed, and gives what it printed.
func (s *shell) must(args ...string) string {
	s.t.Helper()
	stdout, stderr, code := s.do(args...)
	if code != 0 {
		s.t.Fatalf("%s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	if s.connects != s.ends {
		s.t.Fatalf("%s: %d connections, %d ended", strings.Join(args, " "), s.connects, s.ends)
	}
	return stdout
}

// mustJSON reads what a command prints for scripts.
func mustJSON[T any](s *shell, args ...string) T {
	s.t.Helper()
	text := s.must(append(args, "--json")...)
	var v T
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		s.t.Fatalf("%s --json: %v in %s", strings.Join(args, " "), err, text)
	}
	return v
}

// run gives the gateway a simulated modem and lets it run until the test ends.
func (s *shell) run(cfg sim.Config) *sim.Modem {
	s.t.Helper()
	return s.runFor(cfg, gateway.ModemRules{})
}

func (s *shell) runFor(cfg sim.Config, rules gateway.ModemRules) *sim.Modem {
	s.t.Helper()
	phone := sim.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var lines sync.WaitGroup
	quick := modem.Timing{Settle: time.Millisecond, Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond, RetryMin: 10 * time.Millisecond}
	s.gateway.AddModem(modem.Config{Name: "sim1", Port: "/dev/sim1", Timing: quick, Open: func(context.Context, string, int) (modem.Port, error) {
		near, far := net.Pipe()
		lines.Go(func() {
			phone.Serve(ctx, far)
			far.Close()
		})
		return near, nil
	}}, rules)
	ended := make(chan error, 1)
	go func() { ended <- s.gateway.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("gateway: %v", err)
		}
		lines.Wait()
	})
	deadline := time.After(20 * time.Second)
	for s.gateway.Modems()[0].State != modem.StateReady {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			s.t.Fatalf("the simulated modem is not ready: %+v", s.gateway.Modems())
		}
	}
	return phone
}

func TestAccountCommands(t *testing.T) {
	s := newShell(t)
	if out, hint, code := s.do("account", "list"); code != 0 || out != "" || !strings.Contains(hint, "account add") {
		t.Errorf("list of nothing: %q, %q, %d; want a hint on stderr", out, hint, code)
	}
	if list := mustJSON[[]admin.Account](s, "account", "list"); list == nil || len(list) != 0 {
		t.Errorf("list of nothing: %v, want an empty array", list)
	}

	s.stdin = strings.NewReader("secret12\r\nnot this\n")
	if got, want := s.must("account", "add", "--key", "shop", "--name", "Shop", "--password-stdin", "--max-parts", "3", "--per-day", "100"), "Account Key  shop\n"; got != want {
		t.Errorf("add with a password printed %q, want %q", got, want)
	}
	s.stdin = strings.NewReader("")
	made := mustJSON[admin.Credentials](s, "account", "add", "--alphabet", "utf8")
	if len(made.Key) != 10 || len(made.Password) != 8 {
		t.Errorf("add without a password gave %+v, want both made", made)
	}
	text := s.must("account", "password", "shop")
	if !strings.HasPrefix(text, "Account Key  shop\nPassword     ") {
		t.Errorf("password printed %q", text)
	}
	password := strings.TrimSpace(strings.TrimPrefix(text, "Account Key  shop\nPassword     "))

	shown := s.must("account", "show", "shop")
	for _, want := range []string{"Account Key shop", "Name Shop", "May bind yes", "Max parts 3", "Alphabet default (auto)", "Per day 100",
		"Destinations default (no limit)", "Sessions 0", "Queue 0 messages", "Today 0 of 100 parts, anew at 2", "This month 0 parts"} {
		if !strings.Contains(oneBlank(shown), want) {
			t.Errorf("show does not say %q:\n%s", want, shown)
		}
	}
	list := s.must("account", "list")
	for _, secret := range []string{"secret12", password, made.Password, "argon2"} {
		if strings.Contains(shown+list, secret) {
			t.Errorf("%q is shown:\n%s%s", secret, shown, list)
		}
	}
	if lines := strings.Split(strings.TrimSpace(list), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "KEY") {
		t.Errorf("list printed\n%s", list)
	}

	if !strings.Contains(strings.Join(strings.Fields(shown), " "), "Last bind never") || strings.Contains(shown, "Last refused") {
		t.Errorf("show of an account that was never bound:\n%s", shown)
	}
	if all := mustJSON[admin.Refused](s, "account", "refused"); len(all.Binds)+len(all.Banned) != 0 {
		t.Errorf("refused: %+v", all)
	}
	if text := s.must("account", "refused"); text != "" {
		t.Errorf("refused printed %q", text)
	}

	s.must("account", "disable", "shop")
	if acct := mustJSON[admin.Account](s, "account", "show", "shop"); !acct.Disabled {
		t.Error("disabled, and show does not say so")
	}
	s.must("account", "enable", "shop")
	if acct := mustJSON[admin.Account](s, "account", "set", "shop", "--inbound", "parts"); acct.Settings["inbound"] != "parts" {
		t.Errorf("account set --inbound parts: %+v", acct)
	}
	if shown := s.must("account", "show", "shop"); !strings.Contains(oneBlank(shown), "Inbound parts") {
		t.Errorf("account show:\n%s", shown)
	}
	changed := mustJSON[admin.Account](s, "account", "set", "shop", "--name", "New", "--max-parts", "0", "--inbound", "whole")
	if changed.Settings["name"] != "New" || changed.Settings["max_parts"] != "" || changed.Disabled {
		t.Errorf("after set and enable: %+v", changed)
	}
	past := mustJSON[admin.Account](s, "account", "set", "shop", "--expires", "2020-01-01", "--rate", "5/s", "--destinations", "+49,-+4990")
	if !past.Expired || past.Settings["rate"] != "5/s" || past.Settings["per_day"] != "100" || past.Use.Day.Limit != 100 {
		t.Errorf("after set of limits: %+v", past)
	}
	if shown := oneBlank(s.must("account", "show", "shop")); !strings.Contains(shown, "May bind no: it has expired") || !strings.Contains(shown, "Expires 2020-01-01") {
		t.Errorf("account show:\n%s", shown)
	}
	s.must("account", "remove", made.Key)
	if list := mustJSON[[]admin.Account](s, "account", "list"); len(list) != 1 || list[0].Key != "shop" {
		t.Errorf("after remove: %+v", list)
	}
}

// oneBlank takes the columns out of a text.
func oneBlank(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

func TestMessageCommands(t *testing.T) {
	s := newShell(t)
	out, hint, code := s.do("send", "--to", "+49 170 1234567", "--text", "Hello\x1b[2J")
	if code != 0 || !strings.Contains(out, "to +491701234567: queued") || !strings.Contains(hint, "nothing is sent until smsgateway serve runs") {
		t.Errorf("send without a running gateway: %q, %q, %d", out, hint, code)
	}
	sent := mustJSON[admin.Message](s, "send", "--to", "0170", "--text", strings.Repeat("long ", 50))
	list := mustJSON[[]admin.Message](s, "message", "list")
	if len(list) != 2 || list[0].ID != sent.ID || list[0].Due != sent.Due || len(list[0].Parts) != 2 {
		t.Errorf("list: %+v; want the message %s of two parts first", list, sent.ID)
	}
	out, hint, _ = s.do("message", "list", "--limit", "1", "--state", "queued")
	if !strings.Contains(out, sent.ID) || !strings.Contains(hint, "--before "+sent.ID) {
		t.Errorf("list of one: %q, %q; want how to see the others", out, hint)
	}

	shown := s.must("message", "show", list[1].ID)
	for _, want := range []string{"To       +491701234567", "queued (query_sm: ENROUTE)", "no gateway is running", "ucs2, 1 part (data_coding 0x00)", "accepted\n", "validity ends\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("show does not say %q:\n%s", want, shown)
		}
	}
	if strings.ContainsRune(shown, 0x1b) {
		t.Errorf("show gives the terminal an escape sequence: %q", shown)
	}

	if got := mustJSON[admin.Message](s, "message", "cancel", sent.ID); got.State != "deleted" {
		t.Errorf("cancelled: %+v", got)
	}
	shown = s.must("message", "show", sent.ID)
	if !strings.Contains(shown, "ended as deleted") || strings.Contains(shown, "validity ends") {
		t.Errorf("show of a cancelled message:\n%s", shown)
	}
}

// TestSendWait follows texts through a real gateway and a simulated modem.
func TestSendWait(t *testing.T) {
	s := newShell(t)
	phone := s.run(sim.Config{ReportDelay: 10 * time.Millisecond})
	out, steps, code := s.do("send", "--to", "+491701234567", "--text", "Hello", "--wait")
	if code != 0 || !strings.Contains(out, "to +491701234567: delivered") || !strings.Contains(steps, "delivered") {
		t.Errorf("delivered: %q, %q, %d", out, steps, code)
	}
	if texts := phone.Texts(); len(texts) != 1 || texts[0].Text != "Hello" {
		t.Errorf("the phone got %+v", texts)
	}
	id := strings.Fields(out)[1]
	shown := s.must("message", "show", id)
	for _, want := range []string{"accepted", "the message given to modem sim1", "the message sent, reference", "status report for the message: delivered", "ended as delivered"} {
		if !strings.Contains(shown, want) {
			t.Errorf("its story does not say %q:\n%s", want, shown)
		}
	}

	got := mustJSON[admin.Message](s, "send", "--to", "+4917099907", "--text", "Hello", "--wait", "--timeout", "1s")
	if got.State != "sent" { // 99907: never a status report
		t.Errorf("sent, and no report within the timeout: %+v", got)
	}
	out, steps, code = s.do("send", "--to", "+4917099908", "--text", "Hello", "--wait")
	if code != 1 || !strings.Contains(out, "undeliverable") || !strings.Contains(steps, "was not delivered") {
		t.Errorf("refused by the phone's network: %q, %q, %d; want exit code 1", out, steps, code)
	}

	if list := mustJSON[[]admin.Modem](s, "modem", "list"); len(list) != 1 || list[0].Name != "sim1" || list[0].Sent != 3 || !list[0].Ready() {
		t.Errorf("modem list: %+v", list)
	}
	if text := s.must("modem", "list"); !strings.HasPrefix(text, "NAME") || !strings.Contains(text, "SimNet") {
		t.Errorf("modem list:\n%s", text)
	}

	if err := phone.Receive("+491709999", "Thank\nyou"); err != nil {
		t.Fatal(err)
	}
	var inbox []admin.InboxText
	for len(inbox) == 0 && t.Context().Err() == nil {
		inbox = mustJSON[[]admin.InboxText](s, "inbox", "list")
		time.Sleep(time.Millisecond)
	}
	if text := s.must("inbox", "list"); !strings.Contains(text, "Thank you") {
		t.Errorf("inbox list:\n%s", text)
	}
	if text := s.must("inbox", "show", inbox[0].ID); !strings.Contains(text, "From         +491709999") {
		t.Errorf("inbox show:\n%s", text)
	}
	long := strings.Repeat("0123456789", 40)
	if err := phone.Receive("+491709999", long); err != nil {
		t.Fatal(err)
	}
	for len(inbox) == 1 && t.Context().Err() == nil {
		inbox = mustJSON[[]admin.InboxText](s, "inbox", "list")
		time.Sleep(time.Millisecond)
	}
	if in := inbox[0]; in.Text != long || in.Parts != 3 || in.Missing != 0 || in.Part != 0 {
		t.Errorf("a long text: %+v", in)
	}
	if out, said, code := s.do("inbox", "list", "--waiting"); out != "" || said != "No text waits for parts.\n" || code != 0 {
		t.Errorf("inbox list --waiting, and none does: %q, %q, %d", out, said, code)
	}
	part, err := sms.Deliver{Originator: sms.Address{TON: 1, NPI: 1, Number: "491709999"}, Time: time.Now(),
		UDH: sms.AppendUDH(nil, sms.Concat(99, false, 2, 2)), Data: []byte("the end")}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := phone.ReceiveTPDU(part); err != nil {
		t.Fatal(err)
	}
	var waiting []admin.InboxText
	for len(waiting) == 0 && t.Context().Err() == nil {
		waiting = mustJSON[[]admin.InboxText](s, "inbox", "list", "--waiting")
		time.Sleep(time.Millisecond)
	}
	if in := waiting[0]; in.ID != "" || in.Text != "[...]the end" || in.Missing != 1 || in.Until.Sub(in.Received).Round(time.Minute) != time.Hour {
		t.Errorf("a text that waits: %+v", in)
	}
	if text := s.must("inbox", "list", "--waiting"); !strings.HasPrefix(text, "RECEIVED") || !strings.Contains(text, "2, 1 missing") {
		t.Errorf("inbox list --waiting:\n%s", text)
	}
	if _, said, code := s.do("inbox", "list", "--waiting", "--account", "shop"); code != 2 || !strings.Contains(said, "--account") {
		t.Errorf("inbox list --waiting --account: %q, %d", said, code)
	}
	for in, want := range map[admin.InboxText]string{
		{Parts: 1}: "1", {Parts: 3}: "3", {Parts: 3, Missing: 2}: "3, 2 missing", {Part: 2, Parts: 3}: "part 2 of 3",
	} {
		if got := partsOf(in); got != want {
			t.Errorf("parts of %+v: %q, want %q", in, got, want)
		}
	}
}

func TestSendWaitInVain(t *testing.T) {
	s := newShell(t)
	_, why, code := s.do("send", "--to", "123", "--text", "Hello", "--wait")
	if code != 1 || !strings.Contains(why, "no gateway is running") {
		t.Errorf("without a running gateway: %q, %d", why, code)
	}
	if list := mustJSON[[]admin.Message](s, "message", "list"); len(list) != 0 {
		t.Errorf("the text was queued all the same: %+v", list)
	}

	s = newShell(t)
	s.run(sim.Config{Latency: time.Minute})
	_, why, code = s.do("send", "--to", "123", "--text", "Hello", "--wait", "--timeout", "300ms")
	if code != 1 || !strings.Contains(why, "after 300ms; see smsgateway message show") {
		t.Errorf("a modem that takes its time: %q, %d", why, code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx, s.onStderr = ctx, func(string) { cancel() } // once it says how the message is
	if _, why, code = s.do("send", "--to", "124", "--text", "Hello", "--wait"); code != 1 || !strings.Contains(why, "goes on without you") {
		t.Errorf("interrupted: %q, %d", why, code)
	}
}

func TestFaults(t *testing.T) {
	s := newShell(t)
	if _, why, code := s.do("account", "refused"); code != 0 || !strings.Contains(why, "No gateway is running") {
		t.Errorf("account refused without a gateway: %q, %d", why, code)
	}
	s.stdin = strings.NewReader("\n")
	for _, tt := range []struct {
		name string
		args string
		code int
		want string // on stderr
	}{
		{"unknown command", "acount list", 2, `there is no command "acount"; did you mean "account"?`},
		{"unknown command, nothing near", "teapot", 2, `there is no command "teapot"`},
		{"unknown command of a group", "account lst", 2, `did you mean "list"?`},
		{"unknown command, with another as near", "modem lst", 2, `did you mean "list"?`},
		{"unknown flag", "account list --jason", 2, "--jason"},
		{"flag of the wrong kind", "message list --limit many", 2, `"many" for "--limit" flag: write a whole number, as in 7`},
		{"an octet", "message explain --hex 41 --data-coding 256", 2, `"256" for "--data-coding" flag: write a number from 0 to 255`},
		{"no UTF-8", "message explain --text \xff", 2, "the text is not UTF-8; give its octets with --hex"},
		{"time without its unit", "send --to 1 --text x --timeout 5", 2, "a time needs its unit, as in 5s"},
		{"no argument", "account show", 2, "smsgateway: account show needs KEY"},
		{"too many arguments", "message show 1 2", 2, `"2" is too much`},
		{"argument where none is", "modem list sim1", 2, `flags only, not "sim1"`},
		{"argument of a command of main's", "serve now", 2, `serve takes flags only, not "now"`},
		{"command of main's fails", "serve", 1, "smsgateway: served"},
		{"send to nobody", "send --text x", 2, "--to NUMBER"},
		{"send nothing", "send --to 1", 2, "--text TEXT"},
		{"send without patience", "send --to 1 --text x --wait --timeout 0s", 2, "--timeout"},
		{"no message at all", "message list --limit 0", 2, "--limit"},
		{"no text at all", "inbox list --limit -1", 2, "--limit"},
		{"nothing to change", "account set shop", 2, "say what to change"},
		{"no such account", "account show shop", 1, `smsgateway: there is no account "shop"`},
		{"no such message", "message show 7", 1, "there is no message 7"},
		{"no such text", "inbox show 7", 1, "there is no text 7"},
		{"no password on stdin", "account add --key shop --password-stdin", 1, "holds no password"},
		{"bad number", "send --to none --text x", 2, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, stderr, code := s.do(strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(stderr, tt.want) || !strings.HasPrefix(stderr, "smsgateway: ") {
				t.Errorf("exit code %d, %q; want %d and words like %q", code, stderr, tt.code, tt.want)
			}
			if out != "" {
				t.Errorf("stdout is for results, and got %q", out)
			}
			if usage := strings.Contains(stderr, `--help".`); usage != (tt.code == 2) {
				t.Errorf("points to the help: %v, with exit code %d: %q", usage, tt.code, stderr)
			}
		})
	}
	if list := mustJSON[[]admin.Account](s, "account", "list"); len(list) != 0 {
		t.Errorf("a command that failed made %+v", list)
	}
	s.unreachable = errors.New("the gateway is out")
	if _, stderr, code := s.do("account", "list"); code != 1 || stderr != "smsgateway: the gateway is out\n" {
		t.Errorf("no connection: %q, %d", stderr, code)
	}
}

func TestGlobalFlags(t *testing.T) {
	s := newShell(t)
	s.must("account", "list", "--config", "c.toml", "--data-dir", "/d")
	if s.configPath != "c.toml" || s.dataDir != "/d" {
		t.Errorf("Connect got %q and %q", s.configPath, s.dataDir)
	}
	s.must("account", "list")
	if s.configPath != "" || s.dataDir != "" {
		t.Errorf("without flags Connect got %q and %q", s.configPath, s.dataDir)
	}
	if got := s.must("version"); !strings.HasPrefix(got, "smsgateway 1.2.3 (go") {
		t.Errorf("version printed %q", got)
	}
	for _, args := range [][]string{nil, {"account"}, {"--help"}, {"account", "add", "--help"}} {
		if out := s.must(args...); !strings.Contains(out, "Usage:") {
			t.Errorf("%v printed %q, want help", args, out)
		}
	}
}

// TestHelp: each command explains itself, and its example can be pasted: it names a command that is there, with flags
// and arguments that it takes.
func TestHelp(t *testing.T) {
	var out bytes.Buffer
	env := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
				t.Fatalf("Short %q, Long %q, Example %q: one is missing", cmd.Short, cmd.Long, cmd.Example)
			}
			if strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("Short ends with a full stop: %q", cmd.Short)
			}
			for line := range strings.SplitSeq(cmd.Example, "\n") {
				_, command, ok := strings.Cut(line, "smsgateway ")
				if !ok {
					t.Fatalf("the example %q does not call smsgateway", line)
				}
				tryExample(t, env, cmd, words(command))
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(New(env))
}

// tryExample parses a command line as Run does, and runs nothing.
func tryExample(t *testing.T, env Env, shown *cobra.Command, args []string) {
	t.Helper()
	cmd, rest, err := New(env).Find(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if args[0] == "demo" || args[0] == "serve" { // main's
		return
	}
	if !strings.HasPrefix(cmd.CommandPath(), shown.CommandPath()) {
		t.Errorf("%q shows %q", args, cmd.CommandPath())
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%q: %v", args, err)
	}
}

// words cuts a command line as a shell does, as far as the examples need it: blanks, and double quotes.
func words(line string) []string {
	var list []string
	quoted, inWord, word := false, false, ""
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, inWord = !quoted, true
		case r == ' ' && !quoted:
			if inWord {
				list, word, inWord = append(list, word), "", false
			}
		default:
			word, inWord = word+string(r), true
		}
	}
	return list
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain text, Grüße 👩‍👩‍👧", "plain text, Grüße 👩‍👩‍👧"},
		{"two\nlines\tand a tab\r", "two lines and a tab "},
		{"\x1b[31mred\x07", "�[31mred�"},
		{"\u202eright to left", "�right to left"},
		{"\x9b2J", "�2J"},
		{"\u009b2J", "�2J"},
	} {
		if got := clean(tt.in); got != tt.want {
			t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestStory: the steps of a message of two parts stand in the order of time.
// TestTable: a column stands in line, also where rows end before it, and no line ends in blanks.
func TestTable(t *testing.T) {
	var out strings.Builder
	err := table(&out, []string{"ID", "PARTS", "REASON"}, func(row func(...any)) {
		row(7, 1, "refused")
		row(8, 1, "")
		row(9, 10, "a\nb")
	})
	const want = "ID  PARTS  REASON\n7   1      refused\n8   1\n9   10     a b\n"
	if err != nil || out.String() != want {
		t.Errorf("got\n%s%v, want\n%s", out.String(), err, want)
	}
}

// TestExceeds: what account show says of a window that smpp.window holds back.
func TestExceeds(t *testing.T) {
	for _, tt := range []struct {
		number, most string
		want         bool
	}{{"500", "100", true}, {"100", "100", false}, {"", "100", false}, {"default", "100", false}, {"5", "", false}} {
		if got := exceeds(tt.number, tt.most); got != tt.want {
			t.Errorf("exceeds(%q, %q) = %v", tt.number, tt.most, got)
		}
	}
}

func TestStory(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	ref := 7
	got := story(admin.Message{
		State: "partial", Accepted: at(1), Expires: at(50),
		Parts: []admin.Part{
			{Number: 1, State: "delivered", Attempts: 2, Modem: "sim1", Reference: &ref, Claimed: at(3), Sent: at(5), Reported: at(9)},
			{Number: 2, State: "uncertain", Attempts: 1, Modem: "sim1", Claimed: at(6), Reason: "there was no answer"},
		},
	})
	want := []event{
		{at(1), "accepted"},
		{at(3), "part 1 of 2 given to modem sim1, try 2"},
		{at(5), "part 1 of 2 sent, reference 7"},
		{at(6), "part 2 of 2 given to modem sim1: there was no answer"},
		{at(9), "status report for part 1 of 2: delivered"},
		{at(50), "validity ends"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}
