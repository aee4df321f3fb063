package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// When a SIM is left alone (delivery-semantics, section 7).
const (
	alarmAfter = 3 // different messages that it may not send; or destinations in a row with cause 21

	// hardMost bounds how many messages with trouble are remembered; more are forgotten together.
	hardMost = 10_000
)

// lineHealth is what is known of a SIM beyond what its modem says. It is in memory alone: after a restart the SIM is
// tried once more.
type lineHealth struct {
	barredUntil time.Time
	barredWhy   string
	bars        int                      // in a row
	barredBy    map[store.ID]struct{}    // messages
	rejected    map[sms.Address]struct{} // destinations with cause 21 in a row, at most alarmAfter

	restUntil time.Time
	restWhy   string
	rests     int // in a row

	ailing time.Time // when the first of the tries failed since which nothing went out; zero: none did
	failed time.Time // when the last one did
}

// leaveFor is how long a sick modem leaves a message that had trouble to others at a time. They may be at work and still
// not take it, as with a budget of recipients.
const leaveFor = 10 * time.Minute

// trouble is what a message met with that may be its own fault or not.
type trouble struct {
	times int
	until time.Time // it is not given to a modem before
	left  time.Time // since when sick modems leave it to others; zero: they did not since it had trouble last
	bars  int       // SIMs that were barred because of it
}

func (p *pool) line(line string) *lineHealth {
	h := p.lines[line]
	if h == nil {
		h = &lineHealth{barredBy: make(map[store.ID]struct{}), rejected: make(map[sms.Address]struct{})}
		p.lines[line] = h
	}
	return h
}

// lineIdle says why a SIM is left alone; "" if it is not.
func (p *pool) lineIdle(line string, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.lines[line]
	switch {
	case h == nil:
		return ""
	case now.Before(h.barredUntil):
		return fmt.Sprintf("Its SIM is left alone until %s, because %s", clock(h.barredUntil), h.barredWhy)
	case now.Before(h.restUntil):
		return fmt.Sprintf("It is left alone for %s, because %s", h.restUntil.Sub(now).Round(time.Second), h.restWhy)
	}
	return ""
}

// alone tells for how long a SIM is left alone yet; 0: it is not.
func (p *pool) alone(line string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.lines[line]
	if h == nil {
		return 0
	}
	return max(h.barredUntil.Sub(now), h.restUntil.Sub(now), 0)
}

// barred gives the end of a SIM's pause, zero if it has none, and what to do about it if many messages were refused.
func (p *pool) barred(line string, now time.Time) (until time.Time, alarm string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.lines[line]
	if h == nil {
		return time.Time{}, ""
	}
	if len(h.barredBy) >= alarmAfter {
		alarm = fmt.Sprintf("The network does not let its SIM send (%d messages so far): %s", len(h.barredBy), h.barredWhy)
	}
	if now.Before(h.barredUntil) {
		until = h.barredUntil
	}
	return until, alarm
}

// ailed tells for how long each try of a SIM has failed: from the first to the last one. That nothing was tried since
// proves nothing.
func (p *pool) ailed(line string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.lines[line]; h != nil {
		return h.failed.Sub(h.ailing)
	}
	return 0
}

// ailing tells since when each try of a SIM has failed, and when it is tried again; zero times: none has.
func (p *pool) ailing(line string) (since, again time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.lines[line]
	if h == nil || h.ailing.IsZero() {
		return time.Time{}, time.Time{}
	}
	if again = h.restUntil; h.barredUntil.After(again) {
		again = h.barredUntil
	}
	return h.ailing, again
}

// ails: a SIM or its modem could not send.
func (h *lineHealth) ails(now time.Time) {
	if h.failed = now; h.ailing.IsZero() {
		h.ailing = now
	}
}

// well: a SIM has sent a message.
func (p *pool) well(line string, id store.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lines, line)
	delete(p.hard, id)
}

// trouble is for a message that has trouble now.
func (p *pool) trouble(id store.ID) *trouble {
	t := p.hard[id]
	if t == nil {
		if len(p.hard) >= hardMost {
			clear(p.hard)
		}
		t = &trouble{}
		p.hard[id] = t
	}
	t.left = time.Time{}
	return t
}

// waits tells whether a message has had trouble so often that others go first.
func (p *pool) waits(id store.ID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.hard[id]
	return t != nil && now.Before(t.until)
}

// troubled tells whether a message had trouble.
func (p *pool) troubled(id store.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hard[id] != nil
}

// leaves tells whether a message that had trouble is left to others still.
func (p *pool) leaves(id store.ID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.hard[id]
	if t == nil {
		return false
	}
	if t.left.IsZero() {
		t.left = now
	}
	return now.Sub(t.left).Abs() < leaveFor
}

// troubleEnds is how long it takes until the first of the messages that wait so may be tried again; 0 if none does.
func (p *pool) troubleEnds(now time.Time) (first time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.hard {
		if wait := t.until.Sub(now); wait > 0 && (first == 0 || wait < first) {
			first = wait
		}
	}
	return first
}

// learn draws from a refusal what it says of the SIM, and lets the message wait where no other SIM may take it now: then
// others go first, and a message that no SIM can send does not hold up the rest.
func (p *pool) learn(x *member, line string, m *store.Message, cause error, r *store.Refusal, log *slog.Logger) {
	class := modem.Classify(cause)
	now := p.now()
	elsewhere := p.elsewhere(x, m, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.line(line)
	var cms modem.CMSError
	code := 0
	if errors.As(cause, &cms) {
		code = int(cms)
	}
	if code != 21 && class != modem.ClassSuspect && class != modem.ClassUnknown {
		clear(h.rejected)
	}
	switch class {
	case modem.ClassBarred:
		if code == 21 { // content filters use it, too: one message proves nothing
			h.rejected[m.Destination] = struct{}{}
			if len(h.rejected) >= alarmAfter {
				clear(h.rejected)
				p.bar(h, x.Name(), cause, now, log)
			}
			return
		}
		t := p.trouble(m.ID)
		h.barredBy[m.ID] = struct{}{}
		h.ails(now)
		if t.bars == 0 || len(h.barredBy) > 1 { // else it is the message that no SIM may send
			p.bar(h, x.Name(), cause, now, log)
		}
		t.bars++
		if r.Wait = 0; !elsewhere || t.bars > len(p.members()) {
			r.Wait = max(h.barredUntil.Sub(now), p.pauses.Barred) + p.pauses.backOff(t.bars)
		}
	case modem.ClassNoService, modem.ClassSIM, modem.ClassMemory, modem.ClassModem:
		p.rest(h, modem.Explain(cause), now)
		t := p.trouble(m.ID)
		if t.times++; t.times == 1 {
			r.Wait = 0 // at once, and for another modem
		} else {
			r.Wait = p.pauses.backOff(t.times - 2)
		}
	default: // the SIM and its modem did their part
		h.rests, h.ailing, h.failed = 0, time.Time{}, time.Time{}
	}
}

// bar pauses a SIM that may not send, each time for twice as long.
func (p *pool) bar(h *lineHealth, name string, cause error, now time.Time, log *slog.Logger) {
	pause := min(p.pauses.Barred<<min(h.bars, 10), p.pauses.BarredMost)
	h.bars++
	h.barredUntil, h.barredWhy = now.Add(pause), modem.Explain(cause)
	args := []any{"modem", name, "for", pause.String(), "messages", len(h.barredBy), "reason", h.barredWhy}
	if len(h.barredBy) >= alarmAfter {
		log.Error("the SIM may not send; look after it", args...)
		return
	}
	log.Warn("the SIM may not send and is left alone", args...)
}

// rest leaves a modem alone for a short while.
func (p *pool) rest(h *lineHealth, why string, now time.Time) {
	h.ails(now)
	h.restUntil, h.restWhy = now.Add(min(p.pauses.Rest<<min(h.rests, 10), p.pauses.RestMost)), why
	h.rests++
}

// failed: a modem had no prompt for a message. That is the modem's fault, unless it is always the same message.
func (p *pool) failed(id store.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.trouble(id)
	if t.times++; t.times >= alarmAfter {
		t.until = p.now().Add(p.pauses.backOff(t.times - alarmAfter))
	}
}
