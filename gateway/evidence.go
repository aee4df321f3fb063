package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// openTexts remembers when each modem was given the latest text whose outcome nobody knows. It implements modem.Evidence
// for all of them: what a modem says late settles what the store has in doubt (delivery-semantics, section 5).
type openTexts struct {
	g *Gateway

	mu    sync.Mutex
	since map[string]time.Time // by name of the modem
}

func newOpenTexts(g *Gateway) *openTexts {
	return &openTexts{g: g, since: make(map[string]time.Time)}
}

// doubt: a modem was given a text then, and nobody knows what became of it.
func (o *openTexts) doubt(modem string, given time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if given.After(o.since[modem]) {
		o.since[modem] = given
	}
}

// known: the outcome of the text that the modem was given last is known.
func (o *openTexts) known(modem string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.since, modem)
}

// Open implements modem.Evidence.
func (o *openTexts) Open(modem string) (claimed time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	claimed, ok = o.since[modem]
	return claimed, ok
}

// Late implements modem.Evidence.
func (o *openTexts) Late(_ context.Context, from modem.Identity, given time.Time, ref uint8) error {
	reports := false
	for _, x := range o.g.pool.members() {
		reports = reports || x.Name() == from.Modem && x.Status().Reports
	}
	const reason = "the modem's answer came late"
	m, err := o.g.db.SettleGiven(from.Line(), given, ref, reports, reason, o.g.opt.Now())
	if err != nil {
		return o.notKept(from, err)
	}
	o.over(from, given)
	if m == nil {
		o.g.log.Info("a late answer, but of no text that is in doubt", "modem", from.Modem, "ref", ref)
		return nil
	}
	o.g.log.Info("settled", "id", m.ID, "modem", from.Modem, "state", m.State.String(), "reason", reason)
	return nil
}

// Unsent implements modem.Evidence.
func (o *openTexts) Unsent(_ context.Context, from modem.Identity, given time.Time) error {
	const reason = "the SIM did not count it, so most likely it was not sent"
	m, err := o.g.db.DoubtGiven(from.Line(), given, mostRefusals, reason, o.g.opt.Now())
	if err != nil {
		return o.notKept(from, err)
	}
	o.over(from, given)
	if m != nil {
		o.g.log.Info("most likely not sent", "id", m.ID, "modem", from.Modem, "again_at", clock(m.DoubtEnds), "reason", reason)
	}
	return nil
}

// notKept is the error for the driver.
func (o *openTexts) notKept(from modem.Identity, err error) error {
	if errors.Is(err, store.ErrLineBusy) || errors.Is(err, store.ErrDiskFull) {
		return fmt.Errorf("%w: %w", modem.ErrNotYet, err) // its end, or this, can't be written down yet
	}
	return fmt.Errorf("keep what modem %s tells late: %w", from.Modem, err)
}

// over: the text that the modem was given then is no open one any more.
func (o *openTexts) over(from modem.Identity, given time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since[from.Modem].After(given) {
		delete(o.since, from.Modem)
	}
}

var _ modem.Evidence = (*openTexts)(nil)
