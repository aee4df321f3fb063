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
// handlers. close ends the connection. Where there is no file it is made only if create is set; else the command sees an
// empty one that is gone with it, as a list that is asked for in the wrong directory must leave nothing there.
func dial(ctx context.Context, cfg config, file string, create bool) (client *admin.Client, close func() error, err error) {
	socket, database := filepath.Join(cfg.DataDir, socketName), filepath.Join(cfg.DataDir, databaseName)
	if client, ok := reach(ctx, socket); ok {
		return client, func() error { return nil }, nil
	}
	cleanUp, wanted, asConfigured := func() error { return nil }, cfg.DataDir, cfg
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		what := "made a new, empty one"
		if !create {
			what = "nothing is made"
			if cfg.DataDir, err = os.MkdirTemp("", "smsgateway-empty-"); err != nil {
				return nil, nil, fmt.Errorf("look at no database: %w", err)
			}
			cleanUp = func() error { return os.RemoveAll(cfg.DataDir) }
		}
		fmt.Fprintf(os.Stderr, "smsgateway: there is no database %s yet (--config and --data-dir choose the place); %s\n", database, what)
	}
	// A damaged record, say, is left out of a list; whoever reads the list must hear of it.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	g, err := openGateway(cfg, fileUse{wanted: wanted, forCommand: true, cert: asConfigured.certificateOnFile,
		file: onFile{asConfigured, file}.findings}, log)
	if errors.Is(err, store.ErrLocked) {
		// It may have started, or be stopping, between the two looks.
		if client, ok := reach(ctx, socket); ok {
			return client, func() error { return nil }, nil
		}
		return nil, nil, fmt.Errorf("a gateway has %s open but does not answer on %s: is it starting or stopping, or is data_dir another user's? Try again, or look at its log",
			database, socket)
	}
	if err != nil {
		return nil, nil, errors.Join(err, cleanUp())
	}
	for _, m := range cfg.Modems {
		g.AddModem(modem.Config{Name: m.Name, Port: m.Port, Baud: m.Baud, Log: log}, m.rules())
	}
	// The command says what went wrong; the handlers need not log it as well.
	handlers := admin.WithConfig(admin.NewHandler(g, slog.New(slog.DiscardHandler)), onFile{asConfigured, file})
	return admin.Local(handlers), func() error { return errors.Join(closeSoon(g), cleanUp()) }, nil
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
