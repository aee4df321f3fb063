package gateway

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// handoff is a gateway whose one modem never runs: tests tell it how a part that the modem was given has ended.
type handoff struct {
	*Gateway
	t   *testing.T
	x   *member
	now time.Time
}

func newHandoff(t *testing.T) *handoff {
	b := &handoff{t: t, now: time.Now()}
	b.Gateway = clinic(t, func(o *Options) {
		o.Now = func() time.Time { return b.now }
		o.Waits.Refused = []time.Duration{30 * time.Second}
	})
	b.AddModem(modem.Config{Name: "sim1"}, ModemRules{})
	b.x = b.pool.members()[0]
	return b
}

// give claims a part as the modem's prompt does.
func (b *handoff) give(id store.ID, part int) *handover {
	b.t.Helper()
	m := b.message(id)
	h := newHandover(b.t.Context(), newTurn(m, func() {}), part, 1, "sim")
	h.form = vpRelative
	b.now = b.now.Add(time.Second) // what is as old as the start is decided about later
	h.given = b.now
	if err := b.db.Claim(id, part, b.x.Name(), h.line, b.now); err != nil {
		b.t.Fatal(err)
	}
	return h
}

func (b *handoff) message(id store.ID) *store.Message {
	b.t.Helper()
	m, err := b.db.Message(id)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *handoff) text(text string) store.ID {
	b.t.Helper()
	id, err := b.SendText(b.t.Context(), "", "+4915551", text)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// ends writes an end down.
func (b *handoff) ends(h *handover, err error) {
	b.t.Helper()
	var failed error
	switch e := err.(type) {
	case *modem.RefusedError:
		failed = b.refused(b.x, h, e.Cause, slog.New(slog.DiscardHandler))
	case *modem.UncertainError:
		failed = b.doubt(b.x, h, e, slog.New(slog.DiscardHandler))
	case nil:
		failed = b.db.Sent(h.msg.ID, h.part, 7, true, b.now)
	}
	if failed != nil {
		b.t.Fatal(failed)
	}
}

// later lets the waits pass; the clock is believed up to an hour ahead.
func (b *handoff) later() {
	b.t.Helper()
	b.now = b.now.Add(5 * time.Minute)
	if _, err := b.db.Tick(b.now, 0); err != nil {
		b.t.Fatal(err)
	}
}

// gaveUp is an error that may hide a sent text.
var gaveUp = &modem.UncertainError{Reason: "the modem gave up", Cause: modem.CMSError(332), Suspect: true}

func no(code int) error { return &modem.RefusedError{Cause: modem.CMSError(code)} }

// TestRefusedAfterDoubt: refusals say nothing of an earlier try that may have been sent, unless they are about the number or
// the text itself.
func TestRefusedAfterDoubt(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends []error
		want store.State
	}{
		{"refused five times", []error{no(38), no(38), no(38), no(38), no(38)}, store.Undeliverable},
		{"perhaps sent, then refused", []error{gaveUp, no(38), no(38), no(38), no(38)}, store.Unknown},
		{"refused, then perhaps sent, then refused", []error{no(38), gaveUp, no(38), no(38), no(38)}, store.Unknown},
		{"perhaps sent, and nobody has this number", []error{gaveUp, no(1)}, store.Undeliverable},
		{"perhaps sent, and the text is not understood", []error{gaveUp, no(304)}, store.Rejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newHandoff(t)
			id := b.text("hello")
			for _, end := range tt.ends {
				b.ends(b.give(id, 0), end)
				b.later()
			}
			if m := b.message(id); m.State != tt.want {
				t.Errorf("%s (%s), want %s", m.State, m.Reason, tt.want)
			}
		})
	}
}

// TestSuspectWaits: a text that may have been sent is not sent again before its report had time to come, whatever the error
// was about.
func TestSuspectWaits(t *testing.T) {
	for _, cause := range []error{modem.ErrError, modem.CMSError(38), modem.CMSError(314), modem.CMSError(10), modem.CMEError(30)} {
		b := newHandoff(t)
		id := b.text("hello")
		b.ends(b.give(id, 0), &modem.UncertainError{Reason: "refused, or the text before it was", Cause: cause, Suspect: true})
		if m := b.message(id); m.State != store.Uncertain || m.DoubtEnds.Sub(b.now) < 20*time.Second {
			t.Errorf("%v: %s, and again in %v", cause, m.State, m.DoubtEnds.Sub(b.now))
		}
	}
}

// TestDuplicate: "duplicate SM rejected" proves that an earlier try of that very part was sent.
func TestDuplicate(t *testing.T) {
	b := newHandoff(t)
	long := b.text(longText)
	b.ends(b.give(long, 0), gaveUp)
	b.later()
	b.ends(b.give(long, 0), no(197))
	if p := b.message(long).Parts[0]; p.State != store.PartSent {
		t.Errorf("the first part, which was perhaps sent before, is %s", p.State)
	}
	b.ends(b.give(long, 1), no(197))
	if p := b.message(long).Parts[1]; p.State != store.PartUncertain {
		t.Errorf("the second part, which had no try before, is %s", p.State)
	}
}

const longText = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, " +
	"it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness"

// TestAgainLogged: the log tells when a refused text is tried again: not before the only modem for it works again.
func TestAgainLogged(t *testing.T) {
	for _, tt := range []struct {
		code int
		want string
	}{
		{331, " again_in=5s modem_left_alone_for=5s\n"},
		{38, " again_in="},
	} {
		b := newHandoff(t)
		var log strings.Builder
		h := b.give(b.text("hello"), 0)
		if err := b.refused(b.x, h, modem.CMSError(tt.code), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		got, left := log.String(), strings.Contains(tt.want, "alone")
		if !strings.Contains(got, tt.want) || strings.Contains(got, "=0s") || strings.Contains(got, "alone") != left {
			t.Errorf("%d: %s", tt.code, got)
		}
	}
}
