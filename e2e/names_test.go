package e2e

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestNamesAreSynced: whoever made the database, or put a compacted or restored one in its place, may have been killed before
// he had the directory synced. A start does that before it writes anything: else a power cut leaves no file, or the one before,
// without what was accepted since.
func TestNamesAreSynced(t *testing.T) {
	t.Parallel()
	strace := need(t, "strace")
	b := newBox(t, settings{})
	b.serve(t)
	b.kill()
	r := recorder{strace: strace, out: filepath.Join(t.TempDir(), "trace")}
	end := r.serve(t, b)
	b.account(t, "shop") // there is something to be written
	end(syscall.SIGTERM)
	moments, _, err := readTrace(r.out)
	if err != nil {
		t.Fatal(err)
	}
	data, err := filepath.EvalSymlinks(filepath.Join(b.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	synced, written := false, false
	for _, m := range moments {
		switch _, what := m.call.fd(); {
		case what == data && m.call.name == "fsync":
			synced = synced || m.ends && m.call.ret == 0
		case what == filepath.Join(data, databaseName) && m.call.name == "pwrite64":
			if written = true; !synced {
				t.Fatal("the database is written to, and a power cut may take its name away")
			}
		}
	}
	if !synced || !written {
		t.Errorf("synced: %t, written to: %t", synced, written)
	}
}
