package main

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"smsgateway/modem"
	"smsgateway/modem/sim"
)

// portSimulated as the port of a [[modem]] makes one up (DESIGN.md section 10).
const portSimulated = "simulated"

// fleet is the modems of a box.
type fleet struct {
	wired   chan struct{} // closed when those of the start are there
	changed chan struct{} // holds a token when the configuration's modems have changed since

	finder     *modem.Finder
	atWork     map[string]posted // by name; of whoever adds and removes
	air        *sim.Network      // that all simulated ones are in
	made       []*sim.Modem      // all that ever were simulated
	simulators sync.WaitGroup
}

// posted is a modem as it was given to the gateway.
type posted struct {
	modemConfig
	unplug context.CancelFunc // ends a simulated one
}

func newFleet() fleet {
	return fleet{
		wired: make(chan struct{}), changed: make(chan struct{}, 1), atWork: make(map[string]posted), air: sim.NewNetwork(),
	}
}

// driver is what of a modem's configuration its driver has for good: with other values it is another modem.
func (m modemConfig) driver() modemConfig {
	return modemConfig{Name: m.Name, Port: m.Port, Baud: m.Baud, PIN: m.PIN, SMSC: m.SMSC, USBReset: m.USBReset}
}

// addModems gives the gateway its modems, the simulated ones with a network of their own. All others are found by one
// finder, so that none takes the other's port.
func (b *box) addModems(ctx context.Context) error {
	b.fleet.finder = &modem.Finder{Log: b.log, Memory: b.gateway.ModemMemory()}
	cfg := b.config()
	cfg.warnSamePort(b.log)
	for _, m := range cfg.Modems {
		if err := b.addModem(ctx, m, cfg.Log.Texts); err != nil {
			return err
		}
	}
	return nil
}

func (b *box) addModem(ctx context.Context, m modemConfig, logTexts bool) error {
	cfg := modem.Config{
		Name: m.Name, Port: m.Port, Baud: m.Baud, PIN: m.PIN, SMSC: m.SMSC, Log: b.log, LogTexts: logTexts, Trace: b.opt.trace,
	}
	ctx, unplug := context.WithCancel(ctx)
	if m.Port == portSimulated {
		var err error
		if cfg.Port, err = b.simulate(ctx, m); err != nil {
			unplug()
			return err
		}
	} else {
		finder := b.fleet.finder
		cfg.Find = finder.Find(m.Name, m.Port, m.Baud)
		cfg.MayWork = finder.MayWork(m.Name)
		cfg.MayUnlock = finder.MayUnlock(m.Name)
		cfg.Known = func(id modem.Identity) { finder.Learn(id.Modem, id) }
		if m.USBReset {
			cfg.ResetUSB = finder.ResetUSB
		}
	}
	b.gateway.AddModem(cfg, m.rules())
	b.fleet.atWork[m.Name] = posted{m, unplug}
	return nil
}

// simulate starts a modem in software and gives the path of a link to its pseudo-terminal: that stays the same when the
// simulated modem is unplugged and comes back.
func (b *box) simulate(ctx context.Context, m modemConfig) (string, error) {
	cfg := sim.Config{PIN: m.PIN, Latency: time.Second, ReportDelay: time.Second, Network: b.fleet.air, Log: b.log}
	identify(&cfg)
	if b.opt.simulated != nil {
		b.opt.simulated(&cfg)
	}
	s := sim.New(cfg)
	b.fleet.made = append(b.fleet.made, s)
	link := filepath.Join(b.config().DataDir, fmt.Sprintf("simulated%d", len(b.fleet.made)))
	ready, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	b.fleet.simulators.Go(func() {
		ended <- s.ServePTY(ctx, link, func(string) { once.Do(func() { close(ready) }) })
	})
	select {
	case <-ready:
		return link, nil
	case err := <-ended:
		return "", fmt.Errorf("modem %s: simulate: %w", m.Name, err)
	}
}

// keepModems makes the gateway's modems those of the configuration, whenever that has changed, until ctx ends. hardware is
// the life of simulated ones.
func (b *box) keepModems(ctx, hardware context.Context) {
	for {
		select {
		case <-b.fleet.changed:
		case <-ctx.Done():
			return
		}
		cfg := b.config() // the same to the end: when it changes meanwhile, there is another token
		b.removeModems(cfg)
		if len(b.fleet.changed) > 0 {
			continue // that took minutes, perhaps, and what is to be added, or ruled, is older than what holds by now
		}
		names := make([]string, 0, len(cfg.Modems))
		for _, m := range cfg.Modems {
			if ctx.Err() != nil {
				return
			}
			names = append(names, m.Name)
			b.keepModem(hardware, m, cfg.Log.Texts)
		}
		b.gateway.OrderModems(names)
		b.gateway.SetLogTexts(cfg.Log.Texts)
	}
}

// keepModem sees to it that one modem is at work as the configuration says.
func (b *box) keepModem(hardware context.Context, m modemConfig, logTexts bool) {
	is, ok := b.fleet.atWork[m.Name]
	var err error
	switch {
	case !ok:
		if err = b.addModem(hardware, m, logTexts); err == nil {
			b.log.Info("modem added", "modem", m.Name, "port", m.Port)
		}
	case !reflect.DeepEqual(is.modemConfig, m):
		err = b.gateway.SetModemRules(m.Name, m.rules())
		b.fleet.atWork[m.Name] = posted{m, is.unplug}
	}
	if err != nil {
		b.log.Error("the modem can't be used as the configuration says; correct it, then smsgateway config reload", "modem", m.Name, "err", err)
	}
}

// removeModems takes out those that the configuration has no more, or has with another driver, side by side. It waits until
// what they are sending has come to its end.
func (b *box) removeModems(cfg config) {
	wanted := make(map[string]modemConfig)
	for _, m := range cfg.Modems {
		wanted[m.Name] = m
	}
	var leaving sync.WaitGroup
	for name, is := range b.fleet.atWork {
		if m, ok := wanted[name]; ok && reflect.DeepEqual(m.driver(), is.driver()) {
			continue
		}
		delete(b.fleet.atWork, name)
		leaving.Go(func() {
			b.gateway.RemoveModem(name)
			b.fleet.finder.Forget(name)
			is.unplug()
			b.log.Info("modem removed", "modem", name)
		})
	}
	leaving.Wait()
}
