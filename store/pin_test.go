package store

import (
	"path/filepath"
	"testing"
	"time"
)

// TestPINs: a refused PIN stays refused over a restart, and no other is.
func TestPINs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	db, err := Open(path, Options{Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.RememberPIN("sim and pin"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(path, Options{Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.RememberPIN("entered"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := db.ForgetPIN("entered"); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{"sim and pin": true, "sim and other pin": false, "entered": false} {
		if got, err := db.PINRefused(key); err != nil || got != want {
			t.Errorf("%s: refused %v, %v; want %v", key, got, err, want)
		}
	}
}
