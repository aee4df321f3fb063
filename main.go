// Command smsgateway is an SMS gateway in a box: it serves SMPP 3.4, keeps accounts and messages in one file, and sends
// through GSM modems. See README.md.
//
// This package is the command tree, the configuration, and the wiring of `serve` (serve.go): read that and you know
// how the product hangs together.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
	"smsgateway/cli"
)

// release is the version that a release build sets with -ldflags "-X main.release=1.2.3".
var release string

func main() { os.Exit(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main with its surroundings given, for tests. Exit codes: 0 done, 1 failed, 2 used wrongly.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(ctx, commands(stdin, stdout, stderr), args)
}

// untilSignal gives a context that the first SIGINT or SIGTERM ends. The next one ends the process at once, as people expect
// of a second Ctrl-C, however soon it comes: signal.NotifyContext would swallow one that comes right behind the first. One
// that comes while the process ends by itself changes nothing: it has its own exit code to tell.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // from here on one ends the process
		select {
		case second := <-signals:
			if number, ok := second.(syscall.Signal); ok {
				syscall.Kill(os.Getpid(), number)
			}
		default:
		}
		cancel()
	}()
	return ctx
}

// commands is the command tree.
func commands(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	var configPath, dataDir string
	return cli.New(cli.Env{
		Connect:  connect,
		Database: database,
		Version:  version(),
		Stdin:    stdin, Stdout: stdout, Stderr: stderr,
		ConfigPath: &configPath, DataDir: &dataDir,
		Extra: []*cobra.Command{
			serveCommand(&configPath, &dataDir, stderr),
			demoCommand(stdout),
		},
		ModemExtra:  []*cobra.Command{simulateCommand(stdin, stdout)},
		ConfigExtra: []*cobra.Command{configCheckCommand(&configPath, &dataDir, stdout, stderr)},
	})
}

// connect gives a command its gateway: the running one, or the file opened here when none runs. The running one is reached
// also while the configuration file has faults.
func connect(ctx context.Context, configPath, dataDir string, create bool) (*admin.Client, func() error, error) {
	cfg, err := readConfig(configPath, dataDir)
	if err == nil {
		return dial(ctx, cfg, fileOf(configPath), create)
	}
	if dir, ok := dataDirOf(configPath, dataDir); ok {
		if client, ok := reach(ctx, filepath.Join(dir, socketName)); ok {
			return client, func() error { return nil }, nil
		}
	}
	return nil, nil, err
}

// database tells commands that work with the file itself where it is, and whether a gateway has it open.
func database(ctx context.Context, configPath, dataDir string) (cli.Database, error) {
	cfg, err := readConfig(configPath, dataDir)
	if err != nil {
		return cli.Database{}, err
	}
	db := cli.Database{Path: filepath.Join(cfg.DataDir, databaseName), Keep: time.Duration(cfg.Messages.Keep)}
	if client, ok := reach(ctx, filepath.Join(cfg.DataDir, socketName)); ok {
		db.Running = client
	}
	return db, nil
}

// version is the release, or what the build recorded of the revision.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}
