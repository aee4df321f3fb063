package gateway

import (
	"fmt"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// TestLateAnswerOverStep: what a modem says late of a text settles it though the clock was set since: while it was on the air,
// when it was in doubt, or by a start after which the clock was put right. The modem goes on to name it by the time at which it
// was given.
func TestLateAnswerOverStep(t *testing.T) {
	silent := &modem.UncertainError{Reason: "silence", Cause: modem.ErrNoAnswer}
	for _, by := range []time.Duration{31 * time.Second, 10 * time.Hour, -10 * time.Hour, 56 * 365 * 24 * time.Hour} {
		for _, when := range []string{"on air", "in doubt", "after a start"} {
			t.Run(fmt.Sprint(when, by), func(t *testing.T) {
				b := newHandoff(t)
				if by > 10000*time.Hour {
					b.now = time.Unix(1000, 0)
				}
				began := b.now
				id := b.text("hello")
				h := b.give(id, 0)
				step := func() {
					was := b.now
					b.now = was.Add(by)
					if _, err := b.db.Step(began, was, by); err != nil {
						t.Fatal(err)
					}
					b.stepMemory(clockStep{began, was, by})
				}
				given := b.now
				switch when {
				case "on air":
					step()
					b.ends(h, silent)
				case "in doubt":
					b.ends(h, silent)
					step()
				default:
					b.now = b.now.Add(time.Second)
					b.open.since = make(map[string]openText)
					if err := b.recover(); err != nil {
						t.Fatal(err)
					}
					given, _ = b.open.Open("sim1")
					b.now = b.now.Add(time.Second)
					began = b.now
					step()
				}
				b.now = b.now.Add(time.Minute)
				if err := b.open.Late(t.Context(), modem.Identity{Modem: "sim1", IMSI: "sim"}, given, 7); err != nil {
					t.Fatal(err)
				}
				if m := b.message(id); m.State != store.Sent && m.State != store.Accepted {
					t.Errorf("it is %s (%s): given %s, claimed %s", m.State, m.Reason, given, m.Parts[0].ClaimedAt)
				}
				if _, ok := b.open.Open("sim1"); ok {
					t.Error("it is open still")
				}
			})
		}
	}
}
