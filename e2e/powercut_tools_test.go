package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// toolCuts goes through the trace of a command, and cuts the power at each moment of it.
type toolCuts struct {
	t      *testing.T
	root   string
	dir    string // below it, that is looked at, or "."
	words  string // that a command says at its end
	bench  string // where files are looked at
	seed   uint64
	faults int
}

// digestOf reads a file of a disk; "" for one that is not there.
func (c *toolCuts) digestOf(f *image) (string, error) {
	if f == nil {
		return "", nil
	}
	path := filepath.Join(c.bench, "file")
	if err := f.save(path); err != nil {
		return "", err
	}
	defer os.Remove(path)
	raw, err := readRaw(path)
	if err != nil {
		return "", fmt.Errorf("it is half: %w", err)
	}
	if len(raw.faults) > 0 {
		return "", fmt.Errorf("it is half: %q", raw.faults)
	}
	return fmt.Sprint(raw.digest), nil
}

// run looks at the file with this name on each disk. Its states are what it is before the first command of the trace, and
// after each: it must be one of the two, and from the command's words on the one after. "" is no file at all.
func (c *toolCuts) run(trace, name string, states ...string) {
	t := c.t
	t.Helper()
	moments, _, err := readTrace(trace)
	if err != nil {
		t.Fatal(err)
	}
	d, chance := newDisk(c.root), rand.New(rand.NewPCG(c.seed, 2))
	told, instants, disks := 0, 0, 0
	for _, m := range moments {
		changed, err := d.step(m)
		if err != nil {
			t.Fatalf("line %d of the trace: %v", m.call.begin, err)
		}
		says := m.call.name == "write" && !m.ends && saysToCaller(m.call, c.words)
		if says {
			told++
		}
		if !changed && !says {
			continue
		}
		instants++
		for _, cut := range d.cuts(chance, randomCuts) {
			disks++
			got, err := c.digestOf(d.files(cut, c.dir)[name])
			switch {
			case err == nil && slices.Contains(states[told:min(told+2, len(states))], got):
				continue
			case err == nil:
				err = fmt.Errorf("it has the rows %q, want one of %q from the %d. on", got, states, told)
			}
			if c.faults++; c.faults <= mostFaults {
				t.Errorf("power cut at line %d (%s), %s of %q: %s: %v", m.call.begin, m.call.name, cut, d.pending, name, err)
			}
		}
	}
	t.Logf("-diskseed %d: %s: %d instants, %d disks; %d writes and %d syncs", c.seed, c.words, instants, disks, d.writes, d.syncs)
	if told != len(states)-1 {
		t.Errorf("%d commands said %q, want %d", told, c.words, len(states)-1)
	}
}

// saysToCaller tells whether a write(2) says something to who called the program.
func saysToCaller(c *sysCall, words string) bool {
	data, err := c.data()
	number, _ := c.fd()
	return err == nil && (number == "1" || number == "2") && strings.Contains(string(data), words)
}

// TestToolsPowerCut cuts the power at each moment of a backup, of one that replaces another, and of a restore to a box where
// there is nothing yet. A half backup never has the name of a whole one; what the commands have told is there to stay.
func TestToolsPowerCut(t *testing.T) {
	t.Parallel()
	strace := need(t, "strace")
	b := startBox(t, settings{level: "info"})
	root, err := filepath.EvalSymlinks(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	bench, err := memoryDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bench) })
	b.account(t, "shop", "--per-day", "100000")
	e := b.bind(t, "shop")
	fill := func() {
		for n := range 30 {
			e.submit(t, text(numberOf(n), strings.Repeat("a long text ", 20)))
		}
	}
	digest := func(path string) string {
		raw, err := readRaw(path)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(raw.digest)
	}
	backup := filepath.Join(root, "backup.db")
	backups, restore := recorder{strace: strace, out: filepath.Join(bench, "backups")}, recorder{strace: strace, out: filepath.Join(bench, "restore")}
	fill()
	backups.run(t, b, "backup", backup)
	first := digest(backup)
	fill()
	backups.run(t, b, "backup", backup, "--force")
	second := digest(backup)
	if first == second {
		t.Error("both backups say the same")
	}
	b.stop(t)
	fresh := filepath.Join(root, "fresh", "data")
	restore.run(t, b, "restore", backup, "--data-dir", fresh)
	c := toolCuts{t: t, root: root, dir: ".", words: "it is whole", bench: bench, seed: chance()}
	c.run(backups.out, filepath.Base(backup), "", first, second)
	c.dir, c.words = "fresh/data", " is the backup"
	c.run(restore.out, databaseName, "", digest(filepath.Join(fresh, databaseName)))
}
