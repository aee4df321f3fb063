package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"smsgateway/modem"
)

// roster starts and stops modems while the gateway runs.
type roster struct {
	mu    sync.Mutex    // one change at a time; to read the pool's list takes none
	start func(*member) // puts a modem to work; nil while Run is not at work
}

// post is a modem's place of work, from its start on.
type post struct {
	leave  context.CancelFunc // nothing more is begun
	work   sync.WaitGroup     // until what it is sending has its outcome on disk
	hangUp context.CancelFunc // ends its line
	line   chan struct{}      // closed when that has ended
}

// AddModem gives the gateway a modem to send through, for the messages that the rules name. It may be called at any time; no
// other modem has its name. While the gateway runs it is started.
func (g *Gateway) AddModem(cfg modem.Config, rules ModemRules) {
	cfg.PINs = pinMemory{g.db}
	cfg.Evidence = g.open
	cfg.Now = g.opt.Now
	known := cfg.Known
	cfg.Known = func(id modem.Identity) {
		if known != nil {
			known(id)
		}
		g.queue.hint.set() // it may be another SIM
	}
	x, err := g.pool.make(modem.New(cfg, g), rules)
	if err != nil {
		g.log.Error("whether the modem is paused can't be read; it is taken as not paused", "modem", cfg.Name, "err", err)
	}
	x.spec, x.baud = cfg.Port, cfg.Baud

	g.roster.mu.Lock()
	defer g.roster.mu.Unlock()
	g.pool.setMembers(append(slices.Clone(g.pool.members()), x))
	if g.roster.start != nil {
		g.roster.start(x)
	}
	g.rulesChanged()
}

// RemoveModem takes a modem out of the gateway. Nothing more is begun with it; what it is sending goes to its end, which is
// written down, and then its line is closed. It returns when all that is done: that may take minutes. It returns at once
// if there is no such modem.
func (g *Gateway) RemoveModem(name string) {
	x, p := g.dismiss(name)
	if x == nil {
		return
	}
	if p != nil {
		p.leave()
		p.work.Wait()
		p.hangUp()
		<-p.line
	}
	g.roster.mu.Lock()
	defer g.roster.mu.Unlock()
	g.pool.setMembers(slices.DeleteFunc(slices.Clone(g.pool.members()), func(y *member) bool { return y == x }))
	g.rulesChanged()
}

// dismiss marks a modem as leaving.
func (g *Gateway) dismiss(name string) (*member, *post) {
	g.roster.mu.Lock()
	defer g.roster.mu.Unlock()
	x := g.pool.member(name)
	if x == nil {
		return nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leaving = true
	return x, x.post
}

// SetModemRules puts other rules in force for a modem, from the next message that it takes on. A message that it has begun
// keeps to it.
func (g *Gateway) SetModemRules(name string, rules ModemRules) error {
	x := g.pool.member(name)
	if x == nil {
		return fmt.Errorf("there is no modem %s", name)
	}
	x.setRules(rules)
	g.rulesChanged()
	return nil
}

// OrderModems lists the modems in another order: these names first.
func (g *Gateway) OrderModems(names []string) {
	g.roster.mu.Lock()
	defer g.roster.mu.Unlock()
	place := func(x *member) int {
		if i := slices.Index(names, x.Name()); i >= 0 {
			return i
		}
		return len(names)
	}
	list := slices.Clone(g.pool.members())
	slices.SortStableFunc(list, func(a, b *member) int { return place(a) - place(b) })
	g.pool.setMembers(list)
}

// SetLogTexts says whether texts and numbers may go to the log of the modems, at level debug.
func (g *Gateway) SetLogTexts(on bool) {
	for _, x := range g.pool.members() {
		x.SetLogTexts(on)
	}
}

// rulesChanged has all modems look at the whole queue again, as who takes what has changed.
func (g *Gateway) rulesChanged() {
	g.pool.reset()
	g.queue.hint.set()
}

// open puts the modems to work, those there are and those to come, until close.
func (r *roster) open(p *pool, start func(*member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start = start
	for _, x := range p.members() {
		start(x)
	}
}

// close: no modem is started any more.
func (r *roster) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start = nil
}

// crew is all the modems at work, while Run is.
type crew struct {
	work, lines sync.WaitGroup
}

// start puts one modem to work until ctx ends; then its line goes on until lines does. fail is told the store's errors.
func (g *Gateway) start(ctx, lines context.Context, c *crew, x *member, fail func(error)) {
	p := &post{line: make(chan struct{})}
	ctx, p.leave = context.WithCancel(ctx)
	lines, p.hangUp = context.WithCancel(lines)
	p.work.Go(func() { fail(g.dispatch(ctx, x)) })
	p.work.Go(func() { fail(g.watchBalance(ctx, x)) })
	c.work.Go(p.work.Wait)
	c.lines.Go(func() {
		defer close(p.line)
		if err := x.Run(lines); err != nil {
			g.log.Error("modem stopped", "modem", x.Name(), "err", err)
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	x.post = p
}
