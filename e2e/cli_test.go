package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCommands gives the same command lines to a gateway that runs and to one that doesn't: what people see must not
// depend on it.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			t.Parallel()
			b := newBox(t, settings{})
			if running {
				b.serve(t)
			}
			testCommands(t, b, running)
		})
	}
}

// row is a command line and what must come of it. ID stands for the id of the message that was sent.
type row struct {
	args   string // cut at blanks; _ is an empty argument
	stdin  string
	code   int
	stdout string // a part of it; "" for nothing at all there
	stderr string // likewise, but "" for whatever
}

// commandRows are command lines for one new box, in this order.
func commandRows(secret string) []row {
	return []row{
		{args: "version", stdout: "smsgateway "},
		{args: "account list", stderr: "There is no account yet"},
		{args: "account add --key shop --name Shop --password-stdin", stdin: secret + "\n", stdout: "shop"},
		{args: "account add --key shop --password-stdin", stdin: secret, code: 1, stderr: `there is an account "shop" already`},
		{args: "account add --key made", stdout: "Password", stderr: "shown this once"},
		{args: "account add --key averyverylongkey", code: 2, stderr: "at most 15"},
		{args: "account add --key a/b", code: 2, stderr: "Account Key"},
		{args: "account add --key x --password-stdin", code: 1, stderr: "holds no password"},
		{args: "account add --key x --password-stdin", stdin: "nine-char\n", code: 1, stderr: "room for 8"},
		{args: "account add --key x --max-parts 256", code: 2, stderr: "1-255"},
		{args: "account add --key x --alphabet klingon", code: 2, stderr: "none of auto"},
		{args: "account add --key x --uncertain maybe", code: 2, stderr: "none of report"},
		{args: "account list", stdout: "made"},
		{args: "account show shop", stdout: "Shop"},
		{args: "account show nobody", code: 1, stderr: `there is no account "nobody"`},
		{args: "account set shop --max-parts 3 --alphabet latin1", stdout: "latin1"},
		{args: "account set shop", code: 2, stderr: "say what to change"},
		{args: "account password shop", stdout: "Password", stderr: "shown this once"},
		{args: "account password nobody", code: 1, stderr: `there is no account "nobody"`},
		{args: "account disable shop", stderr: "is disabled"},
		{args: "account enable shop", stderr: "is enabled"},
		{args: "account disable nobody", code: 1, stderr: `there is no account "nobody"`},
		{args: "message list", stderr: "There is no such message"},
		{args: "send --to (416)_123-1234 --text Hello --account shop", stdout: "to 4161231234: queued"},
		{args: "send --to 4161231234 --text Hello --account nobody", code: 1, stderr: `there is no account "nobody"`},
		{args: "send --to 416-CALL --text Hello", code: 2, stderr: "'C'"},
		{args: "send --to 4161231234", code: 2, stderr: "--text"},
		{args: "send --text Hello", code: 2, stderr: "--to"},
		{args: "message list", stdout: "4161231234"},
		{args: "message list --state queued --account shop --limit 1", stdout: "queued"},
		{args: "message list --state sent", stderr: "There is no such message"},
		{args: "message list --state frobbed", code: 2, stderr: "none of queued"},
		{args: "message list --limit 0", code: 2, stderr: "--limit"},
		{args: "message list --before x", code: 2, stderr: "no digit"},
		{args: "message show ID", stdout: "It waits because no"},
		{args: "message show 12", code: 1, stderr: "there is no message 12"},
		{args: "message show 12a", code: 2, stderr: "no digit"},
		{args: "message show _", code: 2, stderr: "needs ID"},
		{args: "message show", code: 2, stderr: "needs ID"},
		{args: "account remove shop", code: 1, stderr: "not sent yet"},
		{args: "message cancel ID", stderr: "is cancelled"},
		{args: "message cancel ID", stderr: "is cancelled"},
		{args: "message cancel 12", code: 1, stderr: "there is no message 12"},
		{args: "message show ID", stdout: "deleted (query_sm: DELETED)"},
		{args: "inbox list", stderr: "There is no text from a phone yet"},
		{args: "inbox show 1", code: 1, stderr: "there is no text 1"},
		{args: "modem list"},
		{args: "compact", stdout: "gateway.db had"},
		{args: "compact all", code: 2, stderr: "takes flags only"},
		{args: "account remove shop", stderr: "is removed"},
		{args: "account show shop", code: 1, stderr: `there is no account "shop"`},
	}
}

func testCommands(t *testing.T, b *box, running bool) {
	secret := password("shop")
	b.secrets = append(b.secrets, secret)
	id := "ID"
	for _, r := range commandRows(secret) {
		t.Run(r.args, func(t *testing.T) {
			args := strings.Fields(strings.Replace(r.args, "ID", id, 1))
			for i := range args {
				args[i] = strings.TrimPrefix(strings.Replace(args[i], "_", " ", 1), " ")
			}
			got := command(t, r.stdin, append(args, "--config", b.config)...)
			if _, rest, ok := strings.Cut(got.stdout, "Message "); ok && args[0] == "send" {
				id, _, _ = strings.Cut(rest, " ")
			}
			r.judge(t, got)
		})
	}
	r := b.cli(t, "send", "--to", "4161231234", "--text", "x", "--wait", "--timeout", "1s")
	if want := map[bool]string{true: "still queued after 1s", false: "no gateway is running"}[running]; r.code != 1 || !strings.Contains(r.stderr, want) {
		t.Errorf("send --wait ended with %d: %s; want 1 and %q", r.code, r.stderr, want)
	}
}

// judge compares a result with the row.
func (r row) judge(t *testing.T, got result) {
	t.Helper()
	if got.code != r.code {
		t.Errorf("exit code %d, want %d", got.code, r.code)
	}
	if !strings.Contains(got.stdout, r.stdout) || r.stdout == "" && strings.TrimSpace(got.stdout) != "" {
		t.Errorf("stdout is %q, want %q in it", got.stdout, r.stdout)
	}
	if !strings.Contains(got.stderr, r.stderr) {
		t.Errorf("stderr is %q, want %q in it", got.stderr, r.stderr)
	}
	if r.code != 0 {
		wantSentence(t, got)
	}
}

// wantSentence wants an error as people can read it, and nothing else.
func wantSentence(t *testing.T, got result) {
	t.Helper()
	if !strings.HasPrefix(got.stderr, "smsgateway: ") {
		t.Errorf("stderr is %q, want a sentence behind \"smsgateway: \"", got.stderr)
	}
	if strings.Contains(got.stderr, "goroutine ") || strings.Contains(got.stderr, "%!") || strings.Contains(got.stderr, "0x") {
		t.Errorf("stderr is no sentence: %q", got.stderr)
	}
	if asks := strings.Contains(got.stderr, "--help\"."); asks != (got.code == 2) {
		t.Errorf("exit code %d with %q: faults of usage, and those alone, name the help", got.code, got.stderr)
	}
}

// TestUsage uses the commands wrongly, and asks for the help of each.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{args: "acount list", code: 2, stderr: `did you mean "account"?`},
		{args: "account lst", code: 2, stderr: `did you mean "list"?`},
		{args: "--verbose", code: 2, stderr: "--verbose"},
		{args: "serve --frobnicate", code: 2, stderr: "--frobnicate"},
		{args: "serve here", code: 2, stderr: `"here"`},
		{args: "account show a b", code: 2, stderr: `"b"`},
		{args: "account show", code: 2, stderr: "KEY"},
		{args: "send --to 1 --text x --timeout soon", code: 2, stderr: "soon"},
		{args: "send --to 1 --text x --wait --timeout 0s", code: 2, stderr: "--timeout"},
		{args: "modem simulate --latency fast", code: 2, stderr: "fast"},
		{args: "account list --config /nowhere/config.toml", code: 1, stderr: "/nowhere/config.toml"},
		{args: "account list --data-dir /dev/null/data", code: 1, stderr: "/dev/null"},
	} {
		t.Run(r.args, func(t *testing.T) {
			t.Parallel()
			r.judge(t, command(t, "", strings.Fields(r.args)...))
		})
	}
	for _, args := range []string{
		"", "account", "account add", "account list", "account show", "account password", "account disable", "account enable",
		"account set", "account remove", "message", "message list", "message show", "message cancel", "inbox", "inbox list",
		"inbox show", "modem", "modem list", "modem simulate", "send", "serve", "demo", "version",
	} {
		t.Run("help of "+args, func(t *testing.T) {
			t.Parallel()
			row{stdout: "Usage:"}.judge(t, command(t, "", append(strings.Fields(args), "--help")...))
		})
	}
}

// TestSendWait follows a text from the command line, to a good end and to a bad one.
func TestSendWait(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	r := b.cli(t, "send", "--to", "+1 (416) 123-1234", "--text", "Hello", "--wait")
	if r.code != 0 || !strings.Contains(r.stdout, "to +14161231234: delivered") || !strings.Contains(r.stderr, "delivered") {
		t.Errorf("send --wait ended with %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	phones.wantText(t, "+14161231234", "Hello")
	r = b.cli(t, "send", "--to", "41699901", "--text", "Hello", "--wait", "--json")
	var m messageJSON
	if err := json.Unmarshal([]byte(r.stdout), &m); err != nil || r.code != 1 || m.State != "undeliverable" {
		t.Errorf("send --wait --json of what can't arrive ended with %d (%v), stdout %q", r.code, err, r.stdout)
	}
	if !strings.Contains(r.stderr, "unassigned") {
		t.Errorf("send --wait says nothing of the reason: %q", r.stderr)
	}
	r = b.cli(t, "send", "--to", "41699907", "--text", "Hello", "--wait", "--timeout", "2s")
	if r.code != 0 || !strings.Contains(r.stdout, "sent") {
		t.Errorf("send --wait without a report ended with %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

// TestJSON holds the names on which scripts stand, and wants the same of a file as of the gateway that had it open.
func TestJSON(t *testing.T) {
	t.Parallel()
	phones := startSimulator(t)
	b := startBox(t, settings{modem: phones.port})
	b.account(t, "shop", "--max-parts", "3")
	b.ready(t)
	phones.text(t, "4161231234", "yes")
	b.must(t, "send", "--to", "4161231234", "--text", "Hello", "--wait", "--account", "shop")
	eventually(t, "the text to be in the inbox", func() (bool, string) {
		return len(cliJSON[[]inboxJSON](t, b, "inbox", "list")) == 1, "no text"
	})
	id := cliJSON[[]messageJSON](t, b, "message", "list")[0].ID

	commands := map[string]struct {
		shape any
		later []string // names that are there only at times
	}{
		"account list":       {accountJSON{}, nil},
		"account show shop":  {accountJSON{}, nil},
		"message list":       {messageJSON{}, []string{"reason", "due"}},
		"message show " + id: {messageJSON{}, []string{"reason", "due"}},
		"inbox list":         {inboxJSON{}, []string{"to", "data", "part"}},
		"inbox show 1":       {inboxJSON{}, []string{"to", "data", "part"}},
		"modem list":         {modemJSON{}, []string{"last_error", "last_error_at"}},
	}
	before := make(map[string]string)
	for args, c := range commands {
		before[args] = b.must(t, append(strings.Fields(args), "--json")...)
		object := firstObject(t, args, before[args])
		for name := range fieldsOf(c.shape) {
			if _, ok := object[name]; !ok && !slices.Contains(c.later, name) {
				t.Errorf("%s --json has no %q: %v", args, name, object)
			}
		}
		if raw := before[args]; strings.Contains(raw, password("shop")) || strings.Contains(raw, "argon2") {
			t.Errorf("%s --json holds a secret: %s", args, raw)
		}
	}
	parts := firstObject(t, "message list", before["message list"])["parts"].([]any)
	for name := range fieldsOf(partJSON{}) {
		if _, ok := parts[0].(map[string]any)[name]; !ok && name != "reason" {
			t.Errorf("message list --json has a part without %q: %v", name, parts[0])
		}
	}

	b.stop(t)
	for args := range commands {
		if after := b.must(t, append(strings.Fields(args), "--json")...); after != before[args] && args != "modem list" {
			t.Errorf("%s --json said while the gateway ran\n%s\nand after\n%s", args, before[args], after)
		}
	}
	if list := cliJSON[[]modemJSON](t, b, "modem", "list"); len(list) != 1 || list[0].State != "stopped" {
		t.Errorf("modem list with no gateway running says %+v, want one that is stopped", list)
	}
	empty := newBox(t, settings{})
	for _, args := range []string{"account list", "message list", "inbox list", "modem list"} {
		if out := empty.must(t, append(strings.Fields(args), "--json")...); strings.TrimSpace(out) != "[]" {
			t.Errorf("%s --json of nothing is %q, want []", args, out)
		}
	}
}

// firstObject reads an object, or the first of a list.
func firstObject(t *testing.T, what, text string) map[string]any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s --json: %v", what, err)
	}
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s --json holds no object: %s", what, text)
	}
	return object
}

// fieldsOf gives the JSON names of a struct.
func fieldsOf(shape any) map[string]struct{} {
	return maps.Collect(func(yield func(string, struct{}) bool) {
		for field := range reflect.TypeOf(shape).Fields() {
			if !yield(field.Tag.Get("json"), struct{}{}) {
				return
			}
		}
	})
}
