package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
	"smsgateway/cli"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// portSimulated as the port of a [[modem]] makes one up (DESIGN.md section 10).
const portSimulated = "simulated"

// stopGrace is how long a stop waits for parts that a modem is sending. What is still open then is on disk as claimed,
// and the next start takes it for uncertain.
const stopGrace = 30 * time.Second

// databaseName and socketName are the files in data_dir.
const (
	databaseName = "gateway.db"
	socketName   = "control.sock"
)

func serveCommand(configPath, dataDir *string, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Serves SMPP, sends through the configured modems, and answers the other commands
through a socket in data_dir. It runs in the foreground and logs to stderr.

SIGTERM and Ctrl-C stop it in order: clients are unbound, a message that a modem
is sending is waited for (at most 30 s), then the database is closed. A second
Ctrl-C stops it at once; nothing that was accepted is lost by it.`,
		Example: "  smsgateway serve\n  smsgateway serve --config /etc/smsgateway/config.toml",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(*configPath, *dataDir)
			if err != nil {
				return err
			}
			b, err := openBox(cfg, boxOptions{log: newLog(cfg, stderr)})
			if err != nil {
				return err
			}
			return b.run(cmd.Context())
		},
	}
}

// readConfig reads the configuration as the global flags say.
func readConfig(configPath, dataDir string) (config, error) {
	cfg, err := loadConfig(configPath)
	if err != nil {
		return config{}, err
	}
	if dataDir != "" {
		cfg.DataDir = dataDir
	}
	return cfg, nil
}

func newLog(cfg config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil { // Validate has looked at it
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// boxOptions are what `serve` and `demo` wire differently.
type boxOptions struct {
	log       *slog.Logger
	trace     func(fromModem bool, line string) // the AT dialogue; nil for none
	simulated func(*sim.Config)                 // changes a simulated modem before it is made; nil for none
}

// box is the whole appliance: store and gateway, the SMPP port, the modems, the control socket and the status page.
type box struct {
	cfg        config
	opt        boxOptions
	log        *slog.Logger
	gateway    *gateway.Gateway
	smpp       net.Listener
	admin      net.Listener // nil for none
	simulators []*sim.Modem
	air        *sim.Network  // that all of these are in
	wired      chan struct{} // closed when run has added the modems
}

// openBox opens the file and the ports; nothing runs yet.
func openBox(cfg config, opt boxOptions) (*box, error) {
	b := &box{cfg: cfg, opt: opt, log: opt.log, air: sim.NewNetwork(), wired: make(chan struct{})}
	var err error
	if b.smpp, err = listen("smpp.listen", cfg.SMPP.Listen); err != nil {
		return nil, err
	}
	if cfg.Admin.Listen != "" {
		if b.admin, err = listen("admin.listen", cfg.Admin.Listen); err != nil {
			return nil, errors.Join(err, b.smpp.Close())
		}
	}
	cfg.SMPP.Listen = b.smppAddr() // with the port that the system chose, where it was 0
	if b.gateway, err = openToServe(cfg, opt.log); err != nil {
		b.smpp.Close()
		if b.admin != nil {
			b.admin.Close()
		}
		return nil, err
	}
	return b, nil
}

// commandTime is how long `serve` waits for the file when a command has it open.
const commandTime = 10 * time.Second

// openToServe opens the file for `serve`, which a command that found no gateway may have open for a moment.
func openToServe(cfg config, log *slog.Logger) (*gateway.Gateway, error) {
	for began := time.Now(); ; {
		g, err := openGateway(cfg, cfg.DataDir, false, log)
		if !errors.Is(err, store.ErrLocked) || time.Since(began) > commandTime {
			return g, err
		}
		if _, ok := reach(context.Background(), filepath.Join(cfg.DataDir, socketName)); ok {
			return nil, err
		}
	}
}

// openGateway opens the file, for `serve` and for commands that run without it. wanted is the data_dir of the
// configuration, which the file of a command may not be in. It waits a second for whoever has the file open.
func openGateway(cfg config, wanted string, forCommand bool, log *slog.Logger) (*gateway.Gateway, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	return gateway.Open(gateway.Options{
		Path:          filepath.Join(cfg.DataDir, databaseName),
		Keep:          time.Duration(cfg.Messages.Keep),
		Validity:      time.Duration(cfg.Messages.Validity),
		UncertainWait: time.Duration(cfg.Messages.UncertainWait),
		Uncertain:     cfg.Messages.Uncertain,
		MaxParts:      cfg.Messages.MaxParts,
		Alphabet:      cfg.Messages.Alphabet,
		MaxSessions:   cfg.SMPP.MaxSessions,
		Window:        cfg.SMPP.Window,
		Rate:          cfg.Accounts.Rate,
		Destinations:  cfg.Accounts.destinations(),
		Limits:        cfg.Accounts.limits(),
		Inbound:       cfg.inboundRules(),
		InboundTo:     cfg.Messages.InboundAccount,
		InboundWait:   time.Duration(cfg.Messages.InboundWait),
		DataDir:       wanted,
		Listen:        cfg.SMPP.Listen,
		ForCommand:    forCommand,
		Version:       version(),
		Log:           log,

		ResubmitWindow: cfg.Messages.resubmitWindow(),
	})
}

// listen opens a TCP port; key is the place in the configuration that named it.
func listen(key, addr string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).To4() != nil {
		network = "tcp4" // Go would take 0.0.0.0 for all addresses of IPv6, too
	}
	ln, err := net.Listen(network, addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: another program, perhaps another smsgateway, uses %s: stop it, or choose another address (key %s, flag --listen of demo)", key, addr, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: no permission to listen on %s: ports below 1024 need a privilege; choose a higher one", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}

func (b *box) smppAddr() string { return b.smpp.Addr().String() }

// run serves until ctx ends or a part fails. The stop is in order: no more requests first, then no more hand-overs,
// then the modems' lines, the file last.
func (b *box) run(ctx context.Context) error {
	fatal, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	hardware, unplug := context.WithCancel(context.WithoutCancel(ctx))
	defer unplug()
	var simulators sync.WaitGroup
	if err := b.addModems(hardware, &simulators); err != nil {
		return errors.Join(err, b.smpp.Close(), b.gateway.Close())
	}
	close(b.wired)

	handOver, stopHandOver := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHandOver()
	flow := make(chan error, 1)
	go func() {
		err := b.gateway.Run(handOver)
		if err != nil {
			fail(err)
		}
		flow <- err
	}()

	var servers sync.WaitGroup
	for _, serve := range b.servers() {
		servers.Go(func() {
			if err := serve(fatal); err != nil && fatal.Err() == nil {
				fail(err)
			}
		})
	}
	b.log.Info("smsgateway serves", "version", version(), "smpp", b.smppAddr(), "data_dir", b.cfg.DataDir, "modems", len(b.cfg.Modems))
	if len(b.cfg.Modems) == 0 {
		b.log.Warn("no modem is configured: messages are accepted and wait; add [[modem]] to the configuration")
	}

	<-fatal.Done()
	b.log.Info("stopping")
	servers.Wait()
	stopHandOver()
	err := b.waitFlow(flow)
	unplug()
	simulators.Wait()
	if err != nil {
		return err
	}
	if cause := context.Cause(fatal); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, b.gateway.Close())
	}
	return b.gateway.Close()
}

// waitFlow waits for the open hand-overs. Past the grace the process ends without closing the file: that is as safe as
// kill -9, and a modem that says nothing for minutes must not keep the box from restarting.
func (b *box) waitFlow(flow <-chan error) error {
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-flow: // its error is the cause of fatal
		return nil
	case <-timer.C:
		return fmt.Errorf("a modem did not answer within %s of the stop: what it was sending is uncertain until evidence comes", stopGrace)
	}
}

// servers are the parts that take requests.
func (b *box) servers() []func(context.Context) error {
	esmes := &smpp.Server{
		SystemID:    b.cfg.SMPP.SystemID,
		Backend:     b.gateway,
		Log:         b.log,
		LogBodies:   b.cfg.Log.Texts,
		SessionInit: time.Duration(b.cfg.SMPP.SessionInit),
		EnquireLink: time.Duration(b.cfg.SMPP.EnquireLink),
		Inactivity:  time.Duration(b.cfg.SMPP.Inactivity),
		Response:    time.Duration(b.cfg.SMPP.Response),
		Window:      b.cfg.SMPP.Window,
	}
	list := []func(context.Context) error{
		func(ctx context.Context) error { return esmes.Serve(ctx, b.smpp) },
		func(ctx context.Context) error {
			return admin.ServeSocket(ctx, filepath.Join(b.cfg.DataDir, socketName), admin.NewHandler(b.gateway, b.log))
		},
	}
	if b.admin != nil {
		list = append(list, func(ctx context.Context) error {
			return serveHTTP(ctx, b.admin, admin.StatusHandler(b.gateway))
		})
	}
	return list
}

// addModems gives the gateway its modems, the simulated ones with a network of their own. All others are found by one
// finder, so that none takes the other's port.
func (b *box) addModems(ctx context.Context, simulators *sync.WaitGroup) error {
	b.cfg.warnSamePort(b.log)
	finder := &modem.Finder{Log: b.log, Memory: b.gateway.ModemMemory()}
	for _, m := range b.cfg.Modems {
		cfg := modem.Config{
			Name: m.Name, Port: m.Port, Baud: m.Baud, PIN: m.PIN, SMSC: m.SMSC, Log: b.log, LogTexts: b.cfg.Log.Texts, Trace: b.opt.trace,
		}
		if m.Port == portSimulated {
			var err error
			if cfg.Port, err = b.simulate(ctx, m, simulators); err != nil {
				return err
			}
		} else {
			cfg.Find = finder.Find(m.Name, m.Port, m.Baud)
			cfg.MayWork = finder.MayWork(m.Name)
			cfg.MayUnlock = finder.MayUnlock(m.Name)
			cfg.Known = func(id modem.Identity) { finder.Learn(id.Modem, id) }
			if m.USBReset {
				cfg.ResetUSB = finder.ResetUSB
			}
		}
		b.gateway.AddModem(cfg, m.rules())
	}
	return nil
}

// simulate starts a modem in software and gives the path of a link to its pseudo-terminal: that stays the same when the
// simulated modem is unplugged and comes back.
func (b *box) simulate(ctx context.Context, m modemConfig, simulators *sync.WaitGroup) (string, error) {
	cfg := sim.Config{PIN: m.PIN, Latency: time.Second, ReportDelay: time.Second, Network: b.air, Log: b.log}
	identify(&cfg)
	if b.opt.simulated != nil {
		b.opt.simulated(&cfg)
	}
	s := sim.New(cfg)
	b.simulators = append(b.simulators, s)
	link := filepath.Join(b.cfg.DataDir, fmt.Sprintf("simulated%d", len(b.simulators)))
	ready, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	simulators.Go(func() {
		ended <- s.ServePTY(ctx, link, func(string) { once.Do(func() { close(ready) }) })
	})
	select {
	case <-ready:
		return link, nil
	case err := <-ended:
		return "", fmt.Errorf("modem %s: simulate: %w", m.Name, err)
	}
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the status page: %w", err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(bye); err != nil {
		srv.Close()
	}
	<-ended
	return nil
}
