package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"smsgateway/admin"
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
	return admin.Local(admin.NewHandler(g, log)), g.Close, nil
}

// reach tells whether a gateway answers on the socket.
func reach(ctx context.Context, socket string) (*admin.Client, bool) {
	client := admin.Dial(socket)
	if err := client.Ping(ctx); err != nil {
		return nil, false
	}
	return client, true
}
