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
	command, err := openGateway(cfg, fileUse{wanted: cfg.DataDir, forCommand: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { command.Close() }) // longer than the store waits for a lock
	g, err := openToServe(cfg, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
