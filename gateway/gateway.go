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
//	roster.go   modems that come and go                inforce.go   defaults that may change while it runs
//	clock.go    the time, and what becomes of it when it is set
//	query.go    query_sm, cancel_sm                    courier.go   receipts and texts to the ESME
//	session.go  who may bind, what a session may ask   inbound.go   which account gets a text from a phone
//	auth.go     passwords; guard.go, turns.go: bans    sweep.go     whatever has its hour: validity, doubt, retention
//	refused.go  what the operator hears of binds       mo.go        a text from a phone as deliver_sm
//	account.go, operator.go  what the commands ask for settings.go the settings of accounts, as a table
//	limits.go   rate, destinations, sources, addresses rejected.go  how often a request was refused
//	terms.go    who may stay bound, expiry             origin.go    from where accounts are bound
//	balance.go  credit of the SIMs                     console.go  a modem's line for an operator; ports.go, doctor.go, doctortls.go
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/store"
)

// Options are what a gateway is made with. The zero value of each field has the default that DESIGN.md names.
type Options struct {
	Path string // the database file
	Defaults

	EvidenceWait time.Duration  // how long after a start nothing from before it is decided; default 5 min or UncertainWait, if that is less, but 40 s at least
	ReportGrace  time.Duration  // how long after its validity a message waits for its status report; default 2 h
	Waits        Waits          // between tries
	DataDir      string         // where the file should be, for Diagnose to look at; "": where it is
	Listen       string         // host:port of the SMPP port, for Diagnose to look at; "" it doesn't
	ListenTLS    string         // of the port with TLS, likewise
	Zone         *time.Location // where days begin that are counted, and quiet hours lie; default time.Local
	ForCommand   bool           // a command has opened the file for itself, and Run is not called
	Version      string
	Log          *slog.Logger

	// Certificate gives that of the TLS port, for Diagnose to look at; nil of it: none has been made yet. nil: it doesn't.
	Certificate func() (*Certificate, error)
	// ConfigFile says whether the configuration file, as it is on disk now, would do, for Diagnose. nil: nobody asks.
	ConfigFile func() []Finding

	// Clock is the time, and keeps what was dated right when the machine's clock is set; nil: Now is.
	Clock *Clock
	Now   func() time.Time // the wall clock; default Clock's time, or else time.Now
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
	if o.BanAfter == 0 {
		o.BanAfter = 20
	}
	if o.BanTime == 0 {
		o.BanTime = 10 * time.Minute
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
	if o.Now == nil && o.Clock != nil {
		o.Now = o.Clock.Now
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
	opt     Options                  // as it was made with; see defaults
	inForce atomic.Pointer[Defaults] // what was changed since; nil: nothing
	db      *store.DB
	log     *slog.Logger
	auth    *authenticator
	binds   *binds
	pool    *pool
	roster  roster
	queue   *queue
	open    *openTexts
	timers  hint
	outbox  *outbox
	started time.Time
	running atomic.Bool

	holdNext, timersLook time.Duration // tests shorten them

	validities *validities

	diskFull  seldom // submit_sm is refused
	unwritten seldom // outcomes can't be written down
	unstepped seldom // what was dated by a wrong clock can't be dated anew
	hints     *alphabetHints
	hw        hardware

	compaction compaction
	stepping   atomic.Bool // the clock is set, and what is dated by the wrong time is being dated anew

	limiter   limiter
	rejected  rejections
	terms     hint       // of an account have changed
	access    sync.Mutex // one change at a time of who may bind
	enforcing sync.Mutex // held from a look at an account's terms until its sessions are in line with them
	sessions  sessions
	couriers  sync.WaitGroup // one for each receiving session
}

// Open opens the store and makes a gateway of it that does nothing yet: the commands use it so when no gateway runs. A
// message that a modem had when the last process ended is uncertain from here on.
// Errors are those of store.Open.
func Open(opt Options) (*Gateway, error) {
	opt = opt.withDefaults()
	g := &Gateway{
		opt:    opt,
		log:    opt.Log,
		auth:   newAuthenticator(newGuard(opt.Now, opt.BanAfter, opt.BanTime)),
		binds:  newBinds(opt.Log, opt.Now),
		outbox: newOutbox(),
		hints:  newAlphabetHints(),
		hw:     realHardware(),

		holdNext:   holdNext,
		timersLook: timersLook,
	}
	g.open = newOpenTexts(g)
	g.validities = newValidities(opt.Now)
	g.sessions.byLane = make(map[uint32]map[*handler]struct{})
	g.limiter.byLane = make(map[uint32]*tokens)
	g.rejected.byLane = make(map[uint32]map[string]*rejection)
	kept := store.Options{
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
	}
	if opt.Clock != nil {
		kept.Monotonic = opt.Clock.monotonic
	}
	db, err := store.Open(opt.Path, kept)
	if err != nil {
		return nil, err
	}
	g.db = db
	if opt.Clock != nil {
		if opt.Clock.begin(db.HighestTime()); opt.Clock.unsure() {
			g.validities.doubt()
		}
	}
	g.started = opt.Now()
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
	last, err := g.db.LastOutbox()
	if err != nil {
		return fmt.Errorf("look at the outbox: %w", err)
	}
	g.outbox.startsWith(last)
	claimed, err := g.db.Recover(g.opt.Now())
	if err != nil {
		return fmt.Errorf("look for messages that were being sent when the gateway stopped: %w", err)
	}
	for _, c := range claimed {
		g.log.Warn("uncertain", "id", c.ID, "part", c.Part+1, "modem", c.Modem, "reason", "the gateway stopped while the modem had it")
	}
	// Of those that an earlier life made uncertain the answer may still come, too: that one was a command, or soon over.
	open, err := g.db.OpenDoubts()
	if err != nil {
		return fmt.Errorf("look for messages of which nobody knows: %w", err)
	}
	for _, c := range open {
		g.open.doubt(c.Modem, openText{c.At, c.ID, c.Part})
	}
	return nil
}

// Failed is closed when the store has failed: nothing more can be written down, and the process is to end soon and to start
// afresh. Err is the reason then.
func (g *Gateway) Failed() <-chan struct{} { return g.db.Failed() }

// Err is nil until the store has failed.
func (g *Gateway) Err() error { return g.db.Err() }

// Close closes the store. It is called after Run has returned and no session is left.
func (g *Gateway) Close() error { return g.db.Close() }

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

// StopSending lets modems begin nothing more until Run ends: what is on the air, or at its prompt, goes on. All else of Run does,
// too: clients that are being unbound get their answers, and phones' texts come in.
func (g *Gateway) StopSending() { g.pool.ending.Store(true) }

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

	var work crew
	g.roster.open(g.pool, func(x *member) {
		g.start(ctx, lines, &work, x, func(err error) { g.fail(stop, err) })
	})
	work.work.Go(func() { g.fail(stop, g.pool.watch(ctx)) })
	work.work.Go(func() { g.fail(stop, g.sweep(ctx)) })
	work.work.Go(func() { g.watchTerms(ctx) })
	work.work.Go(func() { g.binds.run(ctx) })
	work.work.Go(func() { g.keepCompact(ctx) })
	select {
	case <-g.db.Failed():
		stop(g.db.Err())
	case <-ctx.Done():
	}
	g.roster.close()
	work.work.Wait()
	hangUp()
	work.lines.Wait()
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
