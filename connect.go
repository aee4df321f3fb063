package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"smsgateway/admin"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/store"
)

// dial connects a command to the gateway that has the file open, or opens the file itself and answers through the same
// handlers. close ends the connection.
func dial(ctx context.Context, cfg config) (client *admin.Client, close func() error, err error) {
	socket := filepath.Join(cfg.DataDir, socketName)
	if client, ok := reach(ctx, socket); ok {
		return client, func() error { return nil }, nil
	}
	// A damaged record, say, is left out of a list; whoever reads the list must hear of it.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	database := filepath.Join(cfg.DataDir, databaseName)
	_, statErr := os.Stat(database)
	g, err := openGateway(cfg, log)
	if errors.Is(err, store.ErrLocked) {
		// It may have started, or be stopping, between the two looks.
		if client, ok := reach(ctx, socket); ok {
			return client, func() error { return nil }, nil
		}
		return nil, nil, fmt.Errorf("a gateway has %s open but does not answer on %s: is it starting or stopping, or is data_dir another user's? Try again, or look at its log",
			database, socket)
	}
	if err != nil {
		return nil, nil, err
	}
	if errors.Is(statErr, fs.ErrNotExist) { // a command that was started in the wrong directory should not look like loss
		fmt.Fprintf(os.Stderr, "smsgateway: made a new, empty database at %s: there was none (--config and --data-dir choose the place)\n", database)
	}
	for _, m := range cfg.Modems {
		g.AddModem(modem.Config{Name: m.Name, Port: m.Port, Baud: m.Baud, Log: log})
	}
	// The command says what went wrong; the handlers need not log it as well.
	handlers := admin.NewHandler(g, slog.New(slog.DiscardHandler))
	return admin.Local(handlers), func() error { return closeSoon(g) }, nil
}

// closeSoon closes the file, unless a reader that a damaged page sent round in a circle holds it: the end of the process
// frees it then.
func closeSoon(g *gateway.Gateway) error {
	closed := make(chan error, 1)
	go func() { closed <- g.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(2 * time.Second):
		return nil
	}
}

// reach tells whether a gateway answers on the socket.
func reach(ctx context.Context, socket string) (*admin.Client, bool) {
	client := admin.Dial(socket)
	if err := client.Ping(ctx); err != nil {
		return nil, false
	}
	return client, true
}
