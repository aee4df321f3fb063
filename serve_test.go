package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"testing"
	"time"
)

// TestServeBehindCommand: a gateway that starts while a command has the file open waits for the command's end.
func TestServeBehindCommand(t *testing.T) {
	t.Parallel()
	cfg := config{DataDir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	command, err := openGateway(cfg, fileUse{wanted: cfg.DataDir, forCommand: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { command.Close() }) // longer than the store waits for a lock
	g, err := openToServe(cfg, fileUse{wanted: cfg.DataDir}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// TestFileGone: a configuration file that was there at the start and is not when it is read again is a fault, not the
// defaults.
func TestFileGone(t *testing.T) {
	t.Chdir(t.TempDir())
	reread := func() func() (config, error) { return rereadConfig("", "", fileOf("")) }
	none := reread()
	if _, err := none(); err != nil {
		t.Errorf("there never was one: %v", err)
	}
	writeFile(t, defaultConfig, "[smpp]\nwindow = 7\n")
	was := reread()
	c, err := was()
	if err != nil || c.SMPP.Window != 7 || c.DataDir != "data" {
		t.Errorf("got %+v, %v", c, err)
	}
	if err := os.Remove(defaultConfig); err != nil {
		t.Fatal(err)
	}
	if c, err := was(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has gone: %+v, %v", c, err)
	}
}
