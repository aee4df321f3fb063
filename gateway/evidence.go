package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	since map[string]openText // by name of the modem
	steps []clockStep         // of the clock: modems go on to name a text by the time at which they were given it
}

// mostSteps is how many are remembered. A text is open for minutes, and the clock steps once in a quarter of an hour.
const mostSteps = 8

func (o *openTexts) step(s clockStep) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = append(o.steps, s)
	o.steps = o.steps[max(0, len(o.steps)-mostSteps):]
	for name, text := range o.since {
		text.given = s.moved(text.given, o.g.opt.Now())
		o.since[name] = text
	}
}

// now gives the time by which the file knows a text that was given to a modem then. The lock is held.
func (o *openTexts) now(given time.Time) time.Time {
	for n := range o.steps {
		ends := o.g.opt.Now()
		if n+1 < len(o.steps) {
			ends = o.steps[n+1].was
		}
		given = o.steps[n].moved(given, ends)
	}
	return given
}

// named is the open text of a modem, if it is the one that it was given then, and the time by which the file knows that one.
func (o *openTexts) named(modem string, given time.Time) (text openText, at time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at = o.now(given)
	text, ok = o.since[modem]
	return text, at, ok && text.given.Equal(at)
}

// openText is a part that a modem was given then.
type openText struct {
	given time.Time
	id    store.ID
	part  int
}

func newOpenTexts(g *Gateway) *openTexts {
	return &openTexts{g: g, since: make(map[string]openText)}
}

// doubt: a modem was given a text then, and nobody knows what became of it.
func (o *openTexts) doubt(modem string, text openText) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if text.given = o.now(text.given); text.given.After(o.since[modem].given) {
		o.since[modem] = text
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
	text, ok := o.since[modem]
	o.mu.Unlock()
	if _, sent := o.sent(text); sent {
		return time.Time{}, false
	}
	return text.given, ok
}

// Settled implements modem.Evidence.
func (o *openTexts) Settled(modem string, given time.Time) (ref uint8, ok bool) {
	text, _, ok := o.named(modem, given)
	if !ok {
		return 0, false
	}
	return o.sent(text)
}

// sent tells whether a part that was in doubt is known to have reached the network by now, and its TP-MR.
func (o *openTexts) sent(text openText) (ref uint8, ok bool) {
	if text.given.IsZero() {
		return 0, false
	}
	m, err := o.g.db.Message(text.id)
	if err != nil || text.part >= len(m.Parts) {
		return 0, false
	}
	p := m.Parts[text.part]
	return p.Ref, p.State == store.PartSent || p.State == store.PartDelivered
}

// lateAnswer is why a text is settled.
const lateAnswer = "the modem's answer came late"

// Expected implements modem.Evidence.
func (o *openTexts) Expected(modem string, given time.Time, ref uint8) bool {
	text, _, ok := o.named(modem, given)
	if !ok {
		return false
	}
	open, err := o.g.db.OpenDoubts()
	if err != nil || !slices.ContainsFunc(open, func(c store.OpenClaim) bool {
		return c.ID == text.id && c.Part == text.part && c.Modem == modem && c.Predicted && c.Ref == ref
	}) {
		return false
	}
	if err := o.g.db.Settle(text.id, text.part, true, ref, lateAnswer, o.g.opt.Now()); err != nil {
		o.g.log.Error("what a modem told late could not be kept; it is tried again", "id", text.id, "modem", modem, "err", err)
		return false
	}
	o.known(modem)
	o.g.log.Info("settled", "id", text.id, "modem", modem, "state", "sent", "reason", lateAnswer)
	return true
}

// Late implements modem.Evidence.
func (o *openTexts) Late(_ context.Context, from modem.Identity, given time.Time, ref uint8) error {
	reports := false
	for _, x := range o.g.pool.members() {
		reports = reports || x.Name() == from.Modem && x.Status().Reports
	}
	_, given, _ = o.named(from.Modem, given)
	m, err := o.g.db.SettleGiven(from.Line(), given, ref, reports, lateAnswer, o.g.opt.Now())
	if err != nil {
		return o.notKept(from, err)
	}
	o.over(from, given)
	if m == nil {
		o.g.log.Info("a late answer, but of no text that is in doubt", "modem", from.Modem, "ref", ref)
		return nil
	}
	o.g.log.Info("settled", "id", m.ID, "modem", from.Modem, "state", m.State.String(), "reason", lateAnswer)
	return nil
}

// Unsent implements modem.Evidence.
func (o *openTexts) Unsent(_ context.Context, from modem.Identity, given time.Time) error {
	const reason = "the SIM did not count it, so most likely it was not sent"
	_, given, _ = o.named(from.Modem, given)
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
	if !o.since[from.Modem].given.After(given) {
		delete(o.since, from.Modem)
	}
}

var _ modem.Evidence = (*openTexts)(nil)
