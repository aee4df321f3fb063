package store

import (
	"testing"
	"time"
)

// TestDoubtAfterRestart: doubt that was over while nothing ran is not decided before what came meanwhile was read, or a
// text would go out twice though the proof that it was sent lies in the modem.
func TestDoubtAfterRestart(t *testing.T) {
	const evidence = 5 * time.Minute
	for _, reported := range []bool{true, false} {
		b := newBox(t, Options{Uncertain: PolicyResend, UncertainWait: 10 * time.Minute, EvidenceWait: evidence})
		id := b.enqueue(b.message(1))
		b.ok(b.db.Claim(id, 0, "stick", "line-1", b.now))
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		claimed := b.now
		b.pass(time.Hour)
		b.reopen()
		tick := func(want State) {
			t.Helper()
			if _, _, err := b.db.Tick(b.now, 0); err != nil {
				t.Fatal(err)
			}
			if m, err := b.db.Message(id); err != nil || m.State != want {
				t.Errorf("reported %v: the message is %v (%v), want %s", reported, m.State, err, want)
			}
		}
		tick(Uncertain)
		if reported {
			b.pass(time.Minute)
			if _, err := b.db.Report("line-1", Report{Ref: 1, Recipient: number, Time: claimed}, b.now); err != nil {
				t.Fatal(err)
			}
			tick(Delivered)
			continue
		}
		b.pass(evidence + time.Second)
		tick(Queued) // sent again, as its account wishes
	}
}
