package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
	"smsgateway/cli"
	"smsgateway/gateway"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/store"
)

// stopGrace is how long a stop waits for parts that a modem is sending. What is still open then is on disk as claimed,
// and the next start takes it for uncertain. Clients have had stopClients before it to take their answers and unbind, and
// nothing takes more than stopBound in all: whoever supervises the process has to give it that (systemd: TimeoutStopSec).
const (
	stopClients = 10 * time.Second
	stopGrace   = 30 * time.Second
	stopBound   = 45 * time.Second
)

// failGrace is how long it waits when the store has failed. What a modem answers can't be written down any more: who starts
// next should find the answer still waiting.
const failGrace = time.Second

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

SIGTERM and Ctrl-C stop it in order: no message is begun any more, clients are
unbound, a message that a modem is sending is waited for (at most 30 s), then the
database is closed: at most 45 s in all. A second Ctrl-C stops it at once; nothing that was accepted is lost by it.

SIGHUP has it read its configuration again, as "smsgateway config reload" does.`,
		Example: "  smsgateway serve\n  smsgateway serve --config /etc/smsgateway/config.toml",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signals := hangUps() // first of all: one that comes while the gateway starts waits for its end
			file := fileOf(*configPath)
			cfg, err := readConfig(*configPath, *dataDir)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			level.Set(cfg.logLevel())
			b, err := openUnlessStopped(cmd.Context(), cfg, boxOptions{
				log:    slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
				level:  level,
				reread: rereadConfig(*configPath, *dataDir, file),
				file:   file,
			})
			if b == nil {
				return err
			}
			stop := b.reloadOn(cmd.Context(), signals)
			err = b.run(cmd.Context())
			if late := (*lateError)(nil); !errors.As(err, &late) { // else a reload may wait for the same
				stop()
			}
			return err
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

// rereadConfig reads it again and again. The file that was there at the start must be there each time: were its absence the
// defaults, as at a start, a reload while it is moved or written anew would take out all modems.
func rereadConfig(configPath, dataDir, file string) func() (config, error) {
	if configPath == "" && file != "" {
		configPath = defaultConfig
	}
	return func() (config, error) {
		cfg, err := readConfig(configPath, dataDir)
		if file != "" && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is no more there; for the defaults put an empty file in its place: %w", file, fs.ErrNotExist)
		}
		return cfg, err
	}
}

func (c config) logLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil { // Validate has looked at it
		return slog.LevelInfo
	}
	return level
}

// boxOptions are what `serve` and `demo` wire differently.
type boxOptions struct {
	log       *slog.Logger
	level     *slog.LevelVar                    // of log; nil: it stays as it is
	reread    func() (config, error)            // reads the configuration again; nil for none
	file      string                            // that it is from; "" none
	trace     func(fromModem bool, line string) // the AT dialogue; nil for none
	wall      func() time.Time                  // the machine's wall clock, which tests set; nil: the true one
	simulated func(*sim.Config)                 // changes a simulated modem before it is made; nil for none
}

// box is the whole appliance: store and gateway, the SMPP ports, the modems, the control socket and the status page.
type box struct {
	opt     boxOptions
	log     *slog.Logger
	gateway *gateway.Gateway
	esmes   *smpp.Server
	smpp    net.Listener // nil for none
	tls     net.Listener // nil for none
	cert    certificate  // of tls
	ending  expiryWarner // about cert
	admin   net.Listener // nil for none
	fleet   fleet

	reloading sync.Mutex // one at a time
	mu        sync.Mutex
	cfg       config    // in force
	read      time.Time // when that was
	waits     []string  // keys whose value in the file is for the next start
}

// config is the one in force.
func (b *box) config() config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg
}

// openBox opens the file and the ports; nothing runs yet.
func openBox(cfg config, opt boxOptions) (*box, error) {
	b := &box{cfg: cfg, opt: opt, log: opt.log, fleet: newFleet(), read: time.Now()}
	if err := b.open(cfg); err != nil {
		return nil, errors.Join(err, b.closePorts())
	}
	b.esmes = cfg.server()
	b.esmes.Backend, b.esmes.Log = b.gateway, b.log
	return b, nil
}

// openUnlessStopped is openBox, but once ctx has ended all is closed again, and there is no box.
func openUnlessStopped(ctx context.Context, cfg config, opt boxOptions) (b *box, err error) {
	var waits atomic.Value // what for
	waits.Store("the file to be opened")
	var opened *box
	err = bounded(ctx, &waits, func() (err error) {
		if opened, err = openBox(cfg, opt); err != nil || ctx.Err() == nil {
			return err
		}
		opt.log.Info("stopping")
		err = errors.Join(opened.closePorts(), opened.gateway.Close())
		opened = nil
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (b *box) open(cfg config) error {
	for _, port := range []struct {
		at        *net.Listener
		key, addr string
	}{
		{&b.smpp, "smpp.listen", cfg.SMPP.Listen}, {&b.tls, "smpp.tls_listen", cfg.SMPP.TLSListen},
		{&b.admin, "admin.listen", cfg.Admin.Listen},
	} {
		if port.addr == "" {
			continue
		}
		ln, err := listen(port.key, port.addr)
		if err != nil {
			return err
		}
		*port.at = ln
	}
	if b.tls != nil {
		if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
			return fmt.Errorf("make data_dir: %w", err)
		}
		pair, err := cfg.keyPair(true)
		if err != nil {
			return err
		}
		b.cert.inForce.Store(pair)
	}
	cfg.SMPP.Listen, cfg.SMPP.TLSListen = address(b.smpp), address(b.tls) // with the port that the system chose, where it was 0
	var err error
	b.gateway, err = openToServe(cfg, fileUse{wanted: cfg.DataDir, cert: b.seen, file: b.configFile, wall: b.opt.wall}, b.log)
	if err == nil {
		b.tellMade(b.cert.inForce.Load())
	}
	return err
}

// seen is the certificate that clients get to see.
func (b *box) seen() (*gateway.Certificate, error) {
	if k := b.cert.inForce.Load(); k != nil {
		return k.info(), nil
	}
	return nil, nil
}

// closePorts closes those that are open.
func (b *box) closePorts() error {
	var errs []error
	for _, ln := range []net.Listener{b.smpp, b.tls, b.admin} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}

// address is where a listener is, "" for none.
func address(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

// server is the SMPP server of a configuration, without what it works with.
func (c config) server() *smpp.Server {
	return &smpp.Server{
		SystemID:    c.SMPP.SystemID,
		LogBodies:   c.Log.Texts,
		SessionInit: time.Duration(c.SMPP.SessionInit),
		EnquireLink: time.Duration(c.SMPP.EnquireLink),
		Inactivity:  time.Duration(c.SMPP.Inactivity),
		Response:    time.Duration(c.SMPP.Response),
		Stop:        stopClients,
		Window:      c.SMPP.Window,
		MaxConns:    c.SMPP.MaxConnections,
	}
}

// settings are what the gateway makes of it.
func (c config) settings() gateway.Defaults {
	return gateway.Defaults{
		Keep:          time.Duration(c.Messages.Keep),
		Validity:      time.Duration(c.Messages.Validity),
		UncertainWait: time.Duration(c.Messages.UncertainWait),
		Uncertain:     c.Messages.Uncertain,
		MaxParts:      c.Messages.MaxParts,
		Alphabet:      c.Messages.Alphabet,
		MaxSessions:   c.SMPP.MaxSessions,
		Window:        c.SMPP.Window,
		Rate:          c.Accounts.Rate,
		Destinations:  c.Accounts.destinations(),
		Limits:        c.Accounts.limits(),
		BanAfter:      c.SMPP.banAfter(),
		BanTime:       time.Duration(c.SMPP.BanTime),
		Inbound:       c.inboundRules(),
		InboundTo:     c.Messages.InboundAccount,
		InboundWait:   time.Duration(c.Messages.InboundWait),

		ResubmitWindow: c.Messages.resubmitWindow(),
		EraseWithin:    c.Store.eraseWithin(),
	}
}

// commandTime is how long `serve` waits for the file when a command has it open.
const commandTime = 10 * time.Second

// openToServe opens the file for `serve`, which a command that found no gateway may have open for a moment.
func openToServe(cfg config, use fileUse, log *slog.Logger) (*gateway.Gateway, error) {
	for began := time.Now(); ; {
		g, err := openGateway(cfg, use, log)
		if !errors.Is(err, store.ErrLocked) || time.Since(began) > commandTime {
			return g, err
		}
		if _, ok := reach(context.Background(), filepath.Join(cfg.DataDir, socketName)); ok {
			return nil, err
		}
	}
}

// fileUse is what the file is opened for.
type fileUse struct {
	wanted     string // data_dir of the configuration, which the file of a command may not be in
	forCommand bool   // for a command that runs without the gateway
	cert       func() (*gateway.Certificate, error)
	file       func() []gateway.Finding // about the configuration file
	wall       func() time.Time         // the machine's wall clock; nil: the true one
}

// openGateway opens the file, for `serve` and for commands that run without it. It waits a second for whoever has the file
// open.
func openGateway(cfg config, use fileUse, log *slog.Logger) (*gateway.Gateway, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data_dir: %w", err)
	}
	return gateway.Open(gateway.Options{
		Path:        filepath.Join(cfg.DataDir, databaseName),
		Defaults:    cfg.settings(),
		DataDir:     use.wanted,
		Listen:      cfg.SMPP.Listen,
		ListenTLS:   cfg.SMPP.TLSListen,
		Certificate: use.cert,
		ConfigFile:  use.file,
		ForCommand:  use.forCommand,
		Clock:       gateway.NewClock(use.wall, sinceBoot()),
		Version:     version(),
		Log:         log,
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
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: this machine does not have the address of %s; write one that it has, or 0.0.0.0 for all", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}

// run serves until ctx ends or a part fails. The stop is in order: nothing more is begun to be sent, then there are no more
// requests, then no open hand-overs, then the modems' lines end, the file last.
func (b *box) run(ctx context.Context) error {
	fatal, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	hardware, unplug := context.WithCancel(context.WithoutCancel(ctx))
	defer unplug()
	if err := b.addModems(hardware); err != nil {
		return errors.Join(err, b.closePorts(), b.gateway.Close())
	}
	close(b.fleet.wired)

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
	var keepers sync.WaitGroup
	keepers.Go(func() {
		select {
		case <-b.gateway.Failed():
			fail(b.gateway.Err())
		case <-fatal.Done():
		}
	})
	keepers.Go(func() { b.keepModems(fatal, hardware) })
	keepers.Go(func() { b.watchCertificate(fatal) })
	b.greet()

	<-fatal.Done()
	b.log.Info("stopping")
	b.gateway.StopSending()
	var cause error
	if why := context.Cause(fatal); !errors.Is(why, context.Canceled) {
		cause = why
	}
	var waits atomic.Value // what for
	waits.Store("clients")
	err := bounded(fatal, &waits, func() error {
		servers.Wait()
		stopHandOver()
		waits.Store("modems")
		if err := b.waitFlow(flow); err != nil {
			unplug()
			return err
		}
		keepers.Wait()
		unplug()
		b.fleet.simulators.Wait()
		waits.Store("the file to be closed")
		err := errors.Join(cause, b.gateway.Close())
		b.log.Info("stopped")
		return err
	})
	if late := (*lateError)(nil); errors.As(err, &late) {
		return errors.Join(cause, err)
	}
	return err
}

// lateError: a stop was given up.
type lateError struct {
	within time.Duration
	waits  string // what for
}

func (e *lateError) Error() string {
	return fmt.Sprintf("the stop was given up after %s, waiting for %s: nothing that was accepted is lost; "+
		"what a modem was sending may be uncertain until evidence comes", e.within, e.waits)
}

// bounded is do, or a *lateError when that goes on for stopBound after the end of ctx: the process ends then, which is as safe
// as kill -9.
func bounded(ctx context.Context, waits *atomic.Value, do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(stopBound):
		return &lateError{stopBound, waits.Load().(string)}
	}
}

// waitFlow waits for the open hand-overs. Past the grace the process ends without closing the file: that is as safe as
// kill -9, and a modem that says nothing for minutes must not keep the box from restarting.
func (b *box) waitFlow(flow <-chan error) error {
	stop := time.NewTimer(stopGrace)
	defer stop.Stop()
	failed := b.gateway.Failed()
	var giveUp <-chan time.Time // nil while the store is well
	for {
		select {
		case <-flow: // its error is the cause of fatal
			return nil
		case <-failed:
			failed, giveUp = nil, time.After(failGrace)
		case <-giveUp:
			return b.gateway.Err()
		case <-stop.C:
			if slow := b.gateway.DiskWaits(); slow > 0 {
				return &lateError{stopGrace, fmt.Sprintf("the disk, which has not answered for %s", slow.Round(time.Second))}
			}
			return fmt.Errorf("a modem did not answer within %s of the stop: what it was sending is uncertain until evidence comes", stopGrace)
		}
	}
}

// greet says in the log that clients may come, and where.
func (b *box) greet() {
	cfg := b.config()
	b.log.Info("smsgateway serves", "version", version(), "smpp", address(b.smpp), "tls", address(b.tls),
		"data_dir", cfg.DataDir, "modems", len(cfg.Modems))
	if pair := b.cert.inForce.Load(); pair != nil {
		b.log.Info("the certificate for TLS", "file", pair.path, "sha256", pair.info().Fingerprint,
			"expires", pair.expires().UTC().Format(time.RFC3339))
	}
	if len(cfg.Modems) == 0 {
		b.log.Warn("no modem is configured: messages are accepted and wait; add [[modem]] to the configuration")
	}
}

// servers are the parts that take requests.
func (b *box) servers() []func(context.Context) error {
	control := admin.WithConfig(admin.NewHandler(b.gateway, b.log), b)
	socket := filepath.Join(b.config().DataDir, socketName)
	list := []func(context.Context) error{
		func(ctx context.Context) error { return admin.ServeSocket(ctx, socket, control) },
	}
	if b.smpp != nil {
		list = append(list, func(ctx context.Context) error { return b.esmes.Serve(ctx, b.smpp) })
	}
	if b.tls != nil {
		list = append(list, func(ctx context.Context) error {
			return b.esmes.Serve(ctx, tls.NewListener(b.tls, b.cert.config()))
		})
	}
	if b.admin != nil {
		list = append(list, func(ctx context.Context) error {
			return serveHTTP(ctx, b.admin, admin.StatusHandler(b.gateway))
		})
	}
	return list
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
