package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"smsgateway/admin"
	"smsgateway/gateway"
)

// Reload reads the configuration again and puts into force what a gateway that runs can change, without the end of a session.
// A file with faults changes nothing. It implements admin.Configuration.
func (b *box) Reload(context.Context) (admin.Reloaded, error) {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if b.opt.reread == nil {
		return admin.Reloaded{}, &admin.Error{Status: http.StatusConflict, Message: "this gateway was started without a configuration that could be read again"}
	}
	next, err := b.opt.reread()
	inForce, applied, waits := b.config().difference(next)
	var pair *keyPair
	if err == nil && next.SMPP.TLSListen != "" {
		pair, err = b.nextKeyPair(inForce)
	}
	if err == nil {
		err = b.esmes.Reconfigure(next.server())
	}
	if err != nil {
		b.log.Warn("the configuration was not reloaded; nothing was changed", "reason", strings.ReplaceAll(err.Error(), "\n", "; "))
		return admin.Reloaded{}, &admin.Error{Status: http.StatusUnprocessableEntity,
			Message: err.Error() + "\nNothing was changed."}
	}
	if was := b.cert.inForce.Load(); pair != nil {
		if gateway.Fingerprint(pair.Leaf.Raw) != gateway.Fingerprint(was.Leaf.Raw) {
			applied = append(applied, fmt.Sprintf("the certificate for TLS is another one: SHA-256 %s", pair.info().Fingerprint))
		}
		b.cert.inForce.Store(pair)
	}
	if b.opt.level != nil {
		b.opt.level.Set(next.logLevel())
	}
	b.mu.Lock()
	b.cfg, b.read, b.waits = inForce, time.Now(), waits
	b.mu.Unlock()
	b.gateway.Reconfigure(inForce.settings())
	b.gateway.SetLogTexts(inForce.Log.Texts)
	for _, m := range inForce.Modems {
		b.gateway.SetModemRules(m.Name, m.rules()) // one that is not there yet gets them when it comes
	}
	select {
	case b.fleet.changed <- struct{}{}:
	default:
	}
	done := b.reloaded(inForce, applied, waits)
	if b.tellMade(pair) {
		done.Warnings = append(done.Warnings, madeAnew)
	}
	return done, nil
}

const ownHasGone = "the gateway's own certificate is no more in data_dir; the one in force stays until the next start, which makes " +
	"another, and clients that trust this one refuse it: put the file back"

// nextKeyPair is the certificate that a configuration about to be in force asks for; nil: the one in force stays. A file of
// our own that has gone does not end TLS.
func (b *box) nextKeyPair(c config) (*keyPair, error) {
	if b.tls == nil {
		return nil, nil
	}
	pair, err := c.keyPair(false)
	if c.SMPP.TLSCert != "" || !errors.Is(err, fs.ErrNotExist) {
		return pair, err
	}
	if b.cert.inForce.Load().own {
		b.log.Warn(ownHasGone)
		return nil, nil
	}
	return c.keyPair(true)
}

// reloaded says in the log, and to the command, what a reload did.
func (b *box) reloaded(inForce config, applied, waits []string) admin.Reloaded {
	inForce.warnSamePort(b.log)
	for _, what := range applied {
		b.log.Info("configuration changed", "what", what)
	}
	for _, key := range waits {
		b.log.Warn("configuration changed, but not in force before a restart", "key", key)
	}
	b.log.Info("configuration reloaded", "file", b.opt.file, "applied", len(applied), "for_restart", len(waits))
	warnings := inForce.warnings()
	if k := b.cert.inForce.Load(); k != nil && k.own {
		if _, err := os.Stat(k.path); errors.Is(err, fs.ErrNotExist) {
			warnings = append(warnings, ownHasGone)
		}
	}
	return admin.Reloaded{File: b.opt.file, Applied: applied, Restart: waits, Warnings: warnings}
}

// Config is what is in force. It implements admin.Configuration.
func (b *box) Config() (admin.Config, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := admin.Config{Running: true, File: b.opt.file, Read: b.read.UTC(), Settings: b.cfg.list(b.opt.file), Restart: b.waits}
	if k := b.cert.inForce.Load(); k != nil {
		c.Certificate = certificateOf(k.info())
	}
	return c, nil
}

// onFile is the configuration for commands that run without the gateway. It implements admin.Configuration.
type onFile struct {
	cfg  config
	file string
}

// Config is what the next start will find.
func (f onFile) Config() (admin.Config, error) {
	c := admin.Config{File: f.file, Settings: f.cfg.list(f.file)}
	info, err := f.cfg.certificateOnFile()
	if err == nil && info != nil {
		c.Certificate = certificateOf(info)
	}
	return c, err
}

// Reload has nothing to do.
func (f onFile) Reload(context.Context) (admin.Reloaded, error) {
	return admin.Reloaded{}, admin.ErrNothingToReload
}

// certificateOnFile is the one that a start would use; nil if there is no TLS port, or the start would make it.
func (c config) certificateOnFile() (*gateway.Certificate, error) {
	if c.SMPP.TLSListen == "" {
		return nil, nil
	}
	pair, err := c.keyPair(false)
	switch {
	case c.SMPP.TLSCert == "" && errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return pair.info(), nil
}

func certificateOf(c *gateway.Certificate) *admin.Certificate {
	return &admin.Certificate{
		File: c.Path, Own: c.Own, Names: c.Names, SHA256: c.Fingerprint, Expires: c.Expires.UTC(), PEM: c.PEM,
	}
}

// fileOf is the whole path of the configuration file that --config names, or the one that is read without it; "" if there is
// none.
func fileOf(configPath string) string {
	if configPath == "" {
		configPath = defaultConfig
		if _, err := os.Stat(configPath); err != nil {
			return ""
		}
	}
	if whole, err := filepath.Abs(configPath); err == nil {
		return whole
	}
	return configPath
}

// hangUps collects SIGHUP from now on: one stays until somebody looks, and none ends the process.
func hangUps() chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// reloadOn reloads at each signal until ctx ends, or the function that it gives is called.
func (b *box) reloadOn(ctx context.Context, signals chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-signals:
				b.Reload(ctx) // the log tells how it went
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		cancel()
		listening.Wait()
	}
}

// lookAtCertificate is how often that is done.
const lookAtCertificate = time.Hour

// watchCertificate says in the log when that of the TLS port ends soon, until ctx ends.
func (b *box) watchCertificate(ctx context.Context) {
	tick := time.NewTicker(lookAtCertificate)
	defer tick.Stop()
	for {
		if k := b.cert.inForce.Load(); k != nil {
			b.ending.look(k, b.log, time.Now())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
