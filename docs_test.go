package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smsgateway/cli"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSimulatorDoc holds the table of docs/simulator.md to the simulator's own.
func TestSimulatorDoc(t *testing.T) {
	doc := readDoc(t, "docs/simulator.md")
	for _, m := range sim.MagicNumbers() {
		if row := "| " + m.Suffix + " | " + m.Effect + " |"; !strings.Contains(doc, row) {
			t.Errorf("docs/simulator.md lacks the row %q", row)
		}
	}
	if rows, want := strings.Count(doc, "\n| 999"), len(sim.MagicNumbers()); rows != want {
		t.Errorf("docs/simulator.md has %d magic numbers, the simulator %d", rows, want)
	}
}

// TestNamedCommandsExist: whatever command the program or its documents tell anybody to run is there.
func TestNamedCommandsExist(t *testing.T) {
	root := commands(nil, nil, nil)
	named := regexp.MustCompile("(?:`|run |with )smsgateway ([a-z]+)(?: ([a-z]+))?")
	n := 0
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || d.IsDir() || ext != ".go" && ext != ".md" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range named.FindAllStringSubmatch(readDoc(t, path), -1) {
			n++
			cmd, _, err := root.Find([]string{m[1]})
			if err == nil && m[2] != "" && cmd.HasSubCommands() {
				_, _, err = root.Find([]string{m[1], m[2]})
			}
			if err != nil {
				t.Errorf("%s: %s: there is no such command", path, strings.TrimLeft(m[0], "`"))
			}
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Errorf("%d commands are named, %v", n, err)
	}
}

// TestModemsDoc: docs/modems.md has a row for each command that is about modems, and each preset of balance.
func TestModemsDoc(t *testing.T) {
	doc := readDoc(t, "docs/modems.md")
	root := cli.New(cli.Env{ModemExtra: []*cobra.Command{simulateCommand(nil, nil)}})
	group, _, err := root.Find([]string{"modem"})
	if err != nil {
		t.Fatal(err)
	}
	doctor, _, err := root.Find([]string{"doctor"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range append(group.Commands(), doctor) {
		if row := "`smsgateway " + strings.TrimPrefix(cmd.CommandPath()+strings.TrimPrefix(cmd.Use, cmd.Name()), "smsgateway ") + "`"; !strings.Contains(doc, row) {
			t.Errorf("docs/modems.md lacks the command %s", row)
		}
	}
	for _, name := range modem.Presets() {
		query, _ := modem.Preset(name)
		country, operator, _ := strings.Cut(name, "-")
		row := regexp.MustCompile(`(?m)^\| ` + country + ` \| .*\b` + regexp.QuoteMeta(operator+" `"+query.USSD+"`"))
		if !row.MatchString(doc) {
			t.Errorf("docs/modems.md lacks the preset %s, %s", name, query.USSD)
		}
	}
}

// TestAccountsDoc holds the table of docs/accounts.md to the settings that there are.
func TestAccountsDoc(t *testing.T) {
	g, err := gateway.Open(gateway.Options{Path: filepath.Join(t.TempDir(), "gateway.db"), ForCommand: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	defaults, rows := g.Defaults(), ""
	for _, s := range gateway.AccountSettings() {
		unset := defaults[s.Name]
		if _, ok := defaults[s.Name]; ok && unset == "" {
			unset = "no limit"
		}
		rows += "| `" + s.Name + "` | " + s.Form + " | " + unset + " | " + s.Help + " |\n"
	}
	if doc := readDoc(t, "docs/accounts.md"); !strings.Contains(doc, "|---|---|---|---|\n"+rows+"\n") {
		t.Errorf("the table of docs/accounts.md should be\n%s", rows)
	}
}

// statusNames gives the names of the specification's statuses, as smpp knows them.
func statusNames() map[string]bool {
	names := make(map[string]bool)
	for code := range smpp.Status(0x400) {
		if name := code.String(); strings.HasPrefix(name, "ESME_R") {
			names[name] = true
		}
	}
	return names
}

// TestSMPPDoc: each status that docs/smpp.md and the README name exists, and each one that the gateway answers with is
// explained in docs/smpp.md.
func TestSMPPDoc(t *testing.T) {
	known := statusNames()
	if len(known) != 48 {
		t.Errorf("smpp names %d statuses, SMPP 3.4 has 48", len(known))
	}
	word := regexp.MustCompile(`ESME_R\w+`)
	for _, name := range []string{"docs/smpp.md", "README.md"} {
		for _, status := range word.FindAllString(readDoc(t, name), -1) {
			if !known[status] {
				t.Errorf("%s names %s, which SMPP 3.4 does not have", name, status)
			}
		}
	}
	doc := readDoc(t, "docs/smpp.md")
	for goName, status := range statusesUsed(t, "gateway") {
		if !strings.Contains(doc, status) {
			t.Errorf("gateway answers with smpp.%s, and docs/smpp.md does not say when (%s)", goName, status)
		}
	}
}

// statusesUsed finds the smpp.StatusXxx in the source of a package, with their names on the wire: these have ESME_R
// instead of Status, but for the ESME_RX_, and are in capitals.
func statusesUsed(t *testing.T, pkg string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]string)
	word := regexp.MustCompile(`smpp\.(Status[A-Z]\w+)`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range word.FindAllStringSubmatch(readDoc(t, f), -1) {
			if m[1] != "StatusOK" {
				used[m[1]] = wireName(m[1])
			}
		}
	}
	if len(used) < 10 {
		t.Fatalf("found only %d statuses in %s: the test looks for the wrong thing", len(used), pkg)
	}
	return used
}

func wireName(goName string) string {
	name := strings.ToUpper(strings.TrimPrefix(goName, "Status"))
	for wire := range statusNames() {
		if plain := strings.ReplaceAll(strings.TrimPrefix(wire, "ESME_"), "_", ""); plain == name || plain == "R"+name {
			return wire
		}
	}
	return goName
}

// TestLinks: files that the documents point to exist.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)\)`)
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(docs, "README.md") {
		for _, m := range link.FindAllStringSubmatch(readDoc(t, name), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s points to %s, which is not there", name, m[1])
			}
		}
	}
}
