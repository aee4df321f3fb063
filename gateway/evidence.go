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
	return o.settle(from, given, true, ref, "the modem's answer came late")
}

// Unsent implements modem.Evidence.
func (o *openTexts) Unsent(_ context.Context, from modem.Identity, given time.Time) error {
	return o.settle(from, given, false, 0, "the SIM did not count it, so it was not sent")
}

func (o *openTexts) settle(from modem.Identity, given time.Time, sent bool, ref uint8, reason string) error {
	reports := false
	for _, x := range o.g.pool.members {
		reports = reports || x.Name() == from.Modem && x.Status().Reports
	}
	m, err := o.g.db.SettleGiven(from.Line(), given, sent, ref, reports, reason, o.g.opt.Now())
	switch {
	case errors.Is(err, store.ErrLineBusy):
		return err // its end is not written down yet: the modem tells it again
	case err != nil:
		return fmt.Errorf("keep what modem %s tells late: %w", from.Modem, err)
	}
	if open, ok := o.Open(from.Modem); ok && !open.After(given) {
		o.known(from.Modem)
	}
	if m == nil {
		o.g.log.Info("a late answer, of a text that is not in doubt (any more)", "modem", from.Modem, "ref", ref, "reason", reason)
		return nil
	}
	o.g.log.Info("settled", "id", m.ID, "modem", from.Modem, "sent", sent, "state", m.State.String(), "reason", reason)
	return nil
}

var _ modem.Evidence = (*openTexts)(nil)
