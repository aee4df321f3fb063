package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

// called is a command line, cut at blanks, _ being an empty argument, and its exit code.
type called struct {
	args  string
	stdin string
	code  int
}

// exitRows are command lines in this order, where no gateway runs: 0 done, 1 failed, 2 used wrongly.
var exitRows = []called{
	{"acount", "", 2},
	{"account lst", "", 2},
	{"account list --jason", "", 2},

	{"account add --key shop --password-stdin", "secret\n", 0},
	{"account add --key shop --password-stdin", "secret\n", 1}, // there is one already
	{"account add --key x --password-stdin", "", 1},            // standard input is not the command line
	{"account add --key x --password-stdin", "ninechars\n", 1},
	{"account add --key sixteencharacters", "", 2},
	{"account add --key a/b", "", 2},
	{"account add --key operator", "", 2},
	{"account add --max-parts many", "", 2},
	{"account add --max-parts 256", "", 2},
	{"account list", "", 0},
	{"account list here", "", 2},
	{"account list --config missing.toml", "", 1},
	{"account list --config faulty.toml", "", 1},
	{"account list --data-dir /dev/null/data", "", 1},
	{"account show shop", "", 0},
	{"account show nobody", "", 1},
	{"account show", "", 2},
	{"account show _", "", 2},
	{"account password shop --password-stdin", "other\n", 0},
	{"account password shop --password-stdin", "ninechars\n", 1},
	{"account password nobody", "", 1},
	{"account password operator", "", 2},
	{"account password", "", 2},
	{"account set shop --per-day 100", "", 0},
	{"account set nobody --per-day 100", "", 1},
	{"account set shop --per-day -1", "", 2},
	{"account set shop --expires tomorrow", "", 2},
	{"account set shop", "", 2},
	{"account enable nobody", "", 1},
	{"account enable", "", 2},
	{"account disable nobody", "", 1},
	{"account disable operator", "", 2},
	{"account disable a b", "", 2},
	{"account refused", "", 0},
	{"account refused all", "", 2},
	{"account unban 192.0.2.7", "", 1},
	{"account unban somewhere", "", 2},

	{"send --to 491701234567 --text x --account shop", "", 0},
	{"send --to 491701234567 --text x --account nobody", "", 1},
	{"send --to 491701234567 --text x --wait", "", 1}, // no gateway runs
	{"send --to none --text x", "", 2},
	{"send --to 491701234567 --text _", "", 2},
	{"send --to 491701234567 --text x --timeout 5", "", 2},
	{"account remove shop", "", 1}, // a message of it waits
	{"account remove", "", 2},
	{"account set shop --max-parts 1", "", 0},
	{"send --account shop --to 491701234567 --text " + strings.Repeat("long", 100), "", 1}, // for its settings
	{"account disable shop", "", 0},
	{"send --account shop --to 491701234567 --text x", "", 1},

	{"message list --state queued", "", 0},
	{"message list --account nobody", "", 1},
	{"message list --state lost", "", 2},
	{"message list --before x", "", 2},
	{"message list --limit 0", "", 2},
	{"message list --limit 10001", "", 2},
	{"message show 12", "", 1},
	{"message show 12a", "", 2},
	{"message cancel 12", "", 1},
	{"message cancel 12345678901", "", 2},
	{"message explain --text Hello", "", 0},
	{"message explain --text Hello --account nobody", "", 1},
	{"message explain", "\xff", 1},
	{"message explain --text \xff", "", 2},
	{"message explain --hex 4", "", 2},

	{"message list --held", "", 0},
	{"message retry 12 --yes", "", 1},
	{"message retry --held", "", 1}, // without --yes
	{"message retry --held --yes", "", 0},
	{"message retry", "", 2},
	{"message retry 12a", "", 2},
	{"message retry 12 --held", "", 2},
	{"message retry --held --accepted-from yesterday", "", 2},
	{"message close 12 --as sent", "", 1},
	{"message close 12 --as lost", "", 2},
	{"message close --held --as failed", "", 0},
	{"message close --held", "", 2},

	{"backup copy.db", "", 0},
	{"backup copy.db", "", 1}, // there is one already
	{"backup copy.db --force", "", 0},
	{"backup", "", 2},
	{"backup - --json", "", 2},
	{"check", "", 0},
	{"check copy.db --json", "", 0},
	{"check --repair", "", 0},
	{"check missing.db", "", 1},
	{"check faulty.toml", "", 1},
	{"check a b", "", 2},
	{"check --quick --repair", "", 2},
	{"compact", "", 0},
	{"compact --config missing.toml", "", 1},
	{"compact it", "", 2},
	{"restore missing.db", "", 1},
	{"restore faulty.toml", "", 1},
	{"restore copy.db", "", 0},
	{"restore", "", 2},

	{"inbox list", "", 0},
	{"inbox list --account nobody", "", 1},
	{"inbox list --before x", "", 2},
	{"inbox show 12", "", 1},
	{"inbox show x", "", 2},

	{"modem list", "", 0},
	{"modem list x", "", 2},
	{"modem show nobody", "", 1},
	{"modem show", "", 2},
	{"modem probe /dev/null/port", "", 1},
	{"modem probe --baud 5", "", 2},
	{"modem at sim1 AT", "", 1}, // no gateway runs
	{"modem at", "", 2},
	{"modem ussd sim1 *100#", "", 1},
	{"modem ussd sim1 hello", "", 2},
	{"modem balance sim1", "", 1}, // it has none
	{"modem balance", "", 2},
	{"modem reset sim1", "", 1},
	{"modem reset", "", 2},
	{"modem pause sim1", "", 0},
	{"modem pause nobody", "", 1},
	{"modem pause sim1 --reason " + strings.Repeat("x", 1000), "", 2},
	{"modem resume nobody", "", 1},
	{"modem resume", "", 2},
	{"modem simulate --script missing", "", 1},
	{"modem simulate --like nothing", "", 2},
	{"modem simulate --pin 1", "", 2},

	{"config show", "", 0},
	{"config show it", "", 2},
	{"config check", "", 0},
	{"config check faulty.toml", "", 1},
	{"config check missing.toml", "", 1},
	{"config check a b", "", 2},
	{"config reload", "", 1}, // no gateway runs
	{"config reload now", "", 2},
	{"config certificate", "", 1}, // there is none
	{"config certificate x", "", 2},

	{"serve --config faulty.toml", "", 1},
	{"serve now", "", 2},
	{"demo --once --listen 192.0.2.1:1", "", 1}, // not an address of this machine
	{"demo --listen here", "", 2},
	{"demo --listen 127.0.0.1:http", "", 2},
	{"doctor", "", 1}, // no gateway runs
	{"doctor now", "", 2},
	{"help account add", "", 0},
	{"help teapot", "", 2},
	{"help account lst", "", 2},
	{"completion", "", 0},
	{"completion tcsh", "", 2},
	{"completion bash", "", 0},
	{"completion bash x", "", 2},
	{"completion zsh x", "", 2},
	{"completion fish x", "", 2},
	{"completion powershell x", "", 2},
	{"version", "", 0},
	{"version 2", "", 2},
}

// TestExitCodes: scripts tell a wrong use from a refusal by the exit code.
func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "config.toml", "[smpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n[[modem]]\nname = \"sim1\"\nport = \"simulated\"\n")
	writeFile(t, "faulty.toml", "[smpp]\nlisen = 1\n")
	for _, r := range exitRows {
		args := strings.Fields(r.args)
		for i := range args {
			if args[i] == "_" {
				args[i] = ""
			}
		}
		wantExit(t, r.code, r.stdin, args...)
	}
	for _, s := range admin.AccountSettings() {
		flag := "--" + strings.ReplaceAll(s.Name, "_", "-")
		wantExit(t, 2, "", "account", "set", "shop", flag, strings.Repeat("?", 101))
	}
	if dir, err := filepath.Abs("data"); err != nil || !isDir(dir) {
		t.Errorf("the commands worked in another directory than %s, %v", dir, err)
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// wantExit runs a command line: whoever used it wrongly is told where the help is, and nobody else.
func wantExit(t *testing.T, code int, stdin string, args ...string) {
	t.Helper()
	var said strings.Builder
	got := run(t.Context(), args, strings.NewReader(stdin), io.Discard, &said)
	if got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, said.String())
	}
	if help := strings.Contains(said.String(), `--help".`); help != (code == 2) {
		t.Errorf("%q, exit code %d: points to the help %t: %s", args, code, help, said.String())
	}
}

// TestExitRowsAreComplete: each command is used wrongly once, and fails once if it can.
func TestExitRowsAreComplete(t *testing.T) {
	canNotFail := []string{"account list", "account refused", "modem list", "config show", "version", "help",
		"completion bash", "completion zsh", "completion fish", "completion powershell"}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() {
			return
		}
		name := strings.TrimPrefix(cmd.CommandPath(), "smsgateway ")
		for _, code := range []int{1, 2} {
			has := slices.ContainsFunc(exitRows, func(r called) bool {
				return r.code == code && (r.args == name || strings.HasPrefix(r.args, name+" "))
			})
			if !has && (code == 2 || !slices.Contains(canNotFail, name)) {
				t.Errorf("exitRows has no row of %q with exit code %d", name, code)
			}
		}
	}
	walk(commands(strings.NewReader(""), io.Discard, io.Discard))
}

// TestWrongConfigurationIsNoWrongUse: the exit code is 2 for the command line alone.
func TestWrongConfigurationIsNoWrongUse(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("wrong.toml", []byte("[smpp]\nlisen = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file string
		code int
		said string
	}{
		{"wrong.toml", 1, "wrong.toml:2: unknown key"},
		{"missing.toml", 1, "give the path with --config"},
	} {
		var said strings.Builder
		if code := run(t.Context(), []string{"account", "list", "--config", tt.file}, strings.NewReader(""), io.Discard, &said); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.file, code, tt.code)
		}
		if !strings.Contains(said.String(), tt.said) {
			t.Errorf("%s: it says %q, without %q", tt.file, said.String(), tt.said)
		}
	}
}
