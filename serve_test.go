package main

import (
	"log/slog"
	"testing"
	"time"
)

// TestServeBehindCommand: a gateway that starts while a command has the file open waits for the command's end.
func TestServeBehindCommand(t *testing.T) {
	t.Parallel()
	cfg := config{DataDir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	command, err := openGateway(cfg, cfg.DataDir, true, log)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { command.Close() }) // longer than the store waits for a lock
	g, err := openToServe(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
