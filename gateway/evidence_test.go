package gateway

import (
	"testing"
	"time"

	"smsgateway/store"
)

// TestOpenTextsAfterCrash: what a modem had at a crash is open until evidence comes, over any number of starts. An answer is
// taken at once if it has the TP-MR that was expected, and a report tells the TP-MR.
func TestOpenTextsAfterCrash(t *testing.T) {
	b := newHandoff(t)
	first := b.text("first")
	b.ends(b.give(first, 0), nil) // with TP-MR 7
	crash := func() (given time.Time) {
		t.Helper()
		for range 2 { // the second start finds no open claim any more
			b.open.since = make(map[string]openText)
			if err := b.recover(); err != nil {
				t.Fatal(err)
			}
		}
		given, ok := b.open.Open("sim1")
		if !ok {
			t.Fatal("no text is open after a crash")
		}
		return given
	}
	second := b.text("second")
	b.give(second, 0)
	given := crash()
	switch {
	case b.open.Expected("sim1", given, 9), b.open.Expected("sim1", given.Add(time.Second), 8), b.open.Expected("sim2", given, 8):
		t.Error("an answer that is no expected one is taken")
	case b.message(second).State != store.Uncertain:
		t.Errorf("it is %s, want uncertain", b.message(second).State)
	case !b.open.Expected("sim1", given, 8):
		t.Error("the answer that was expected is not taken")
	}
	if m := b.message(second); m.State != store.Sent || m.Parts[0].Ref != 8 {
		t.Errorf("it is %s with TP-MR %d, want sent with 8", m.State, m.Parts[0].Ref)
	}
	if _, ok := b.open.Open("sim1"); ok {
		t.Error("it is open still")
	}

	third := b.text("third")
	h := b.give(third, 0)
	given = crash()
	if _, ok := b.open.Settled("sim1", given); ok {
		t.Error("it is settled by nothing")
	}
	report := store.Report{Ref: 9, Recipient: "4915551", Time: b.now.Add(time.Second)}
	if m, err := b.db.Report(h.line, report, b.now.Add(2*time.Second)); err != nil || m == nil || m.ID != third {
		t.Fatalf("the report is %+v's, %v", m, err)
	}
	if ref, ok := b.open.Settled("sim1", given); !ok || ref != 9 {
		t.Errorf("its TP-MR is %d, %t; want 9", ref, ok)
	}
	if _, ok := b.open.Open("sim1"); ok {
		t.Error("it is open still, though its report came")
	}
}
