// Package gateway is the flow of messages: it accepts them from ESMEs into the store, hands them from the store to the
// modems, takes in what the modems receive, and delivers receipts and texts to the ESMEs.
//
// The store holds the truth. What this package keeps in memory (which message a modem is working on, which row of the
// outbox is on its way) may be forgotten at any instant: a restart goes on from the file.
//
//	accept.go   submit_sm to a message on disk         dispatch.go  message to modem, three kinds of outcome
//	convert.go  data_coding to GSM user data, with     receive.go   status reports and texts from phones
//	            coding.go, unencodable.go              alphabethint.go  what looks like another alphabet
//	pool.go     the modems together: who takes what    route.go     rules of a modem; health.go: of its SIM
//	query.go    query_sm, cancel_sm                    courier.go   receipts and texts to the ESME
//	session.go  who may bind, what a session may ask   inbound.go   which account gets a text from a phone
//	auth.go     passwords                              sweep.go     whatever has its hour: validity, doubt, retention
//	account.go, operator.go  what the commands ask for mo.go        a text from a phone as deliver_sm
//	settings.go the settings of accounts, as a table limits.go   rate, destinations, sources, addresses
//	terms.go    who may stay bound, expiry           rejected.go how often something was refused
//	balance.go  credit of the SIMs                     console.go  a modem's line for an operator; ports.go, doctor.go
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// Options are what a gateway is made with. The zero value of each field has the default that DESIGN.md names.
type Options struct {
	Path          string        // the database file
	Keep          time.Duration // how long a status is answerable after the send event; default 24 h
	Validity      time.Duration // validity of a message whose ESME gives none; default 24 h
	UncertainWait time.Duration // how long evidence is awaited for an uncertain part; default 15 min
	EvidenceWait  time.Duration // how long after a start nothing from before it is decided; default 5 min or UncertainWait, if that is less, but 40 s at least
	ReportGrace   time.Duration // how long after its validity a message waits for its status report; default 2 h
	Uncertain     string        // policy of accounts that name none: report, never, resend; default report
	MaxParts      int           // most parts of a message, of accounts that name no other; 1-255, default 10
	Alphabet      string        // what data_coding 0 means, of accounts that name no other; default auto
	MaxSessions   int           // sessions of one account at a time, of accounts that name no other; default 10
	Window        int           // requests of a session in work, of accounts that name no other; default 100

	// Limits of accounts that name no other; the zero values are none. Rate and Destinations are as in the settings.
	Rate, Destinations string
	Limits             store.QueueLimits

	Inbound     []InboundRule  // which account gets a text from a phone
	InboundTo   string         // Account Key that gets those that no rule fits; "" is the oldest account
	InboundWait time.Duration  // how long the parts of a long text from a phone are waited for; default 1 h
	Waits       Waits          // between tries
	DataDir     string         // where the file should be, for Diagnose to look at; "": where it is
	Listen      string         // host:port of the SMPP port, for Diagnose to look at; "" it doesn't
	Zone        *time.Location // where days begin that are counted, and quiet hours lie; default time.Local
	ForCommand  bool           // a command has opened the file for itself, and Run is not called
	Version     string
	Log         *slog.Logger
	Now         func() time.Time // the wall clock; default time.Now

	// ResubmitWindow is how long a submit_sm with the same user_message_reference and content is taken for the same message, of
	// accounts that name no other; default 10 min, below 0 never.
	ResubmitWindow time.Duration
}

func (o Options) withDefaults() Options {
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.Validity == 0 {
		o.Validity = 24 * time.Hour
	}
	if o.UncertainWait == 0 {
		o.UncertainWait = 15 * time.Minute
	}
	if o.InboundWait == 0 {
		o.InboundWait = time.Hour
	}
	if o.ResubmitWindow == 0 {
		o.ResubmitWindow = resubmitWindow
	}
	if o.Uncertain == "" {
		o.Uncertain = string(store.PolicyReport)
	}
	if o.MaxParts == 0 {
		o.MaxParts = 10
	}
	if o.Alphabet == "" {
		o.Alphabet = AlphabetAuto
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 10
	}
	if o.Window == 0 {
		o.Window = 100
	}
	if o.EvidenceWait == 0 {
		o.EvidenceWait = max(min(o.UncertainWait, evidenceWait), listenWait)
	}
	o.Waits = o.Waits.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// evidenceWait is how long after a start the modems are given to pass on reports that came while nobody listened, before
// doubt that is over by then is decided.
const evidenceWait = 5 * time.Minute

// listenWait is the least of it: a modem is listened to for up to 20 s, and then set up, before anything can be known.
const listenWait = 40 * time.Second

// Gateway joins one store, any number of modems and any number of bound sessions.
type Gateway struct {
	opt     Options
	db      *store.DB
	log     *slog.Logger
	auth    *authenticator
	pool    *pool
	queue   *queue
	open    *openTexts
	timers  hint
	outbox  *outbox
	started time.Time
	running atomic.Bool

	holdNext, timersLook time.Duration // tests shorten them

	validities *validities

	diskFull diskFull
	hints    *alphabetHints
	hw       hardware

	limiter  limiter
	rejected rejections
	terms    hint // of an account have changed
	sessions sessions
	couriers sync.WaitGroup // one for each receiving session
}

// Open opens the store and makes a gateway of it that does nothing yet: the commands use it so when no gateway runs. A
// message that a modem had when the last process ended is uncertain from here on.
// Errors are those of store.Open.
func Open(opt Options) (*Gateway, error) {
	opt = opt.withDefaults()
	g := &Gateway{
		opt:     opt,
		log:     opt.Log,
		auth:    newAuthenticator(),
		outbox:  newOutbox(),
		hints:   newAlphabetHints(),
		started: opt.Now(),
		hw:      realHardware(),

		holdNext:   holdNext,
		timersLook: timersLook,
	}
	g.open = newOpenTexts(g)
	g.validities = newValidities(opt.Now)
	g.sessions.byLane = make(map[uint32]map[*handler]struct{})
	g.limiter.byLane = make(map[uint32]*tokens)
	g.rejected.byLane = make(map[uint32]map[string]*rejection)
	db, err := store.Open(opt.Path, store.Options{
		Keep:          opt.Keep,
		UncertainWait: opt.UncertainWait,
		ReportGrace:   opt.ReportGrace,
		InboundWait:   opt.InboundWait,
		Route:         g.routeInbound,
		EvidenceWait:  opt.EvidenceWait,
		Uncertain:     store.UncertainPolicy(opt.Uncertain),
		Limits:        opt.Limits,
		Zone:          opt.Zone,
		Log:           opt.Log,
		Notify:        g.notify,
	})
	if err != nil {
		return nil, err
	}
	g.db = db
	g.pool = newPool(db, opt, func() { g.queue.hint.set() })
	g.queue = newQueue(db, opt.Now, g.pool)
	if err := g.recover(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return g, nil
}

// recover writes down that what a modem had when the last process ended is uncertain, before anybody can ask about it.
// bbolt's lock on the file says that no other process is at work.
func (g *Gateway) recover() error {
	claimed, err := g.db.Recover(g.opt.Now())
	if err != nil {
		return fmt.Errorf("look for messages that were being sent when the gateway stopped: %w", err)
	}
	for _, c := range claimed {
		g.log.Warn("uncertain", "id", c.ID, "part", c.Part+1, "modem", c.Modem, "reason", "the gateway stopped while the modem had it")
		g.open.doubt(c.Modem, c.At)
	}
	return nil
}

// Close closes the store. It is called after Run has returned and no session is left.
func (g *Gateway) Close() error { return g.db.Close() }

// AddModem gives the gateway a modem to send through, for the messages that the rules name. It is called before Run.
func (g *Gateway) AddModem(cfg modem.Config, rules ModemRules) {
	cfg.PINs = pinMemory{g.db}
	cfg.Evidence = g.open
	known := cfg.Known
	cfg.Known = func(id modem.Identity) {
		if known != nil {
			known(id)
		}
		g.queue.hint.set() // it may be another SIM
	}
	if err := g.pool.add(modem.New(cfg, g), rules); err != nil {
		g.log.Error("whether the modem is paused can't be read; it is taken as not paused", "modem", cfg.Name, "err", err)
	}
	x := g.pool.members[len(g.pool.members)-1]
	x.spec, x.baud = cfg.Port, cfg.Baud
}

// pinMemory keeps in the store which PINs were refused, or entered without an answer, so that no restart tries them again. It implements
// modem.PINMemory.
type pinMemory struct{ db *store.DB }

func (p pinMemory) Refused(key string) (bool, error) { return p.db.PINRefused(key) }
func (p pinMemory) Remember(key string) error        { return p.db.RememberPIN(key) }
func (p pinMemory) Forget(key string) error          { return p.db.ForgetPIN(key) }

// Running tells whether Run is at work: if not, this process only has the file open for a command.
func (g *Gateway) Running() bool { return g.running.Load() }

// Version is the one given in Options.
func (g *Gateway) Version() string { return g.opt.Version }

// Started is when the gateway was opened.
func (g *Gateway) Started() time.Time { return g.started }

// notify passes on what a commit changed. The store's writer calls it, so it never blocks.
func (g *Gateway) notify(c store.Change) {
	if c.Queue && g.queue != nil {
		if g.running.Load() { // else no modem has looked at anything
			g.pool.returned(c.Back)
		}
		g.queue.hint.set()
	}
	if c.Timers {
		g.timers.set()
	}
	for _, lane := range c.Outbox {
		g.outbox.changed(lane)
	}
}

// Run sends, receives and delivers until ctx ends or the store has failed; the error is the store's then. It ends in
// order: no new hand-over, the open ones to their outcome, then the modems' lines.
func (g *Gateway) Run(ctx context.Context) error {
	g.warnInbound()
	g.running.Store(true)
	defer g.running.Store(false)

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	lines, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()

	var work, life sync.WaitGroup
	for _, x := range g.pool.members {
		life.Go(func() {
			if err := x.Run(lines); err != nil {
				g.log.Error("modem stopped", "modem", x.Name(), "err", err)
			}
		})
		work.Go(func() { g.fail(stop, g.dispatch(ctx, x)) })
		work.Go(func() { g.fail(stop, g.watchBalance(ctx, x)) })
	}
	work.Go(func() { g.fail(stop, g.pool.watch(ctx)) })
	work.Go(func() { g.fail(stop, g.sweep(ctx)) })
	work.Go(func() { g.fail(stop, g.watchTerms(ctx)) })
	work.Go(func() {
		select {
		case <-g.db.Failed():
			stop(g.db.Err())
		case <-ctx.Done():
		}
	})
	work.Wait()
	hangUp()
	life.Wait()
	g.sessions.endAll("the gateway stops") // else a failure would wait for clients to go by themselves
	g.couriers.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// fail stops everything when one of the parts can't go on.
func (g *Gateway) fail(stop context.CancelCauseFunc, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		stop(err)
	}
}

// hint wakes whoever waits for a change. It may be set any number of times before anybody looks: a hint is never a
// count, and a lost one costs time only.
type hint struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait gives a channel that is closed at the next set. Take it before looking at the store.
func (h *hint) wait() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ch == nil {
		h.ch = make(chan struct{})
	}
	return h.ch
}

func (h *hint) set() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ch != nil {
		close(h.ch)
		h.ch = nil
	}
}
