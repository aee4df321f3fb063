package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestReadOnlyDisk: a disk that fails is often made read-only by the system. The database on it can still be looked at and
// backed up, and the backup serves on another disk.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	d := newSmallDisk(t, "tmpfs", 40)
	b := newBox(t, settings{})
	b.onDisk(t, d)
	b.serve(t)
	b.account(t, "shop")
	id := b.bind(t, "shop").submit(t, text("4161231234", "kept"))
	b.stop(t)
	sh(t, need(t, "mount"), "-o", "remount,ro", d.dir)
	if r := b.cli(t, "serve"); r.code != 1 || !strings.Contains(r.stderr, "read-only") {
		t.Errorf("serve: %d, %s", r.code, r.stderr)
	}
	b.must(t, "check")
	file := filepath.Join(b.dir, "backup.db")
	b.must(t, "backup", file)

	other := newBox(t, settings{})
	other.must(t, "restore", file)
	if m := cliJSON[messageJSON](t, other, "message", "show", id); m.Text != "kept" {
		t.Errorf("%+v", m)
	}
}
