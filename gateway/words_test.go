package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// TestStateWords: each state has words of its own, and a line that is not open is told in them.
func TestStateWords(t *testing.T) {
	seen := map[string]modem.State{}
	for _, s := range []modem.State{
		modem.StateStopped, modem.StateOpening, modem.StateMissing, modem.StateInitialising, modem.StateSIM, modem.StateSearching,
		modem.StateReady, modem.StateSending, modem.StateFailed,
	} {
		words := StateWords(modem.Status{State: s})
		if other, twice := seen[words]; twice || words == "" {
			t.Errorf("%s and %s are both %q", s, other, words)
		}
		seen[words] = s
		err := error(&ClosedError{"sim1", s})
		if !errors.Is(err, modem.ErrLineClosed) || !strings.HasPrefix(err.Error(), "modem sim1 ") ||
			!strings.HasSuffix(err.Error(), "see smsgateway modem show sim1") {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []modem.State{modem.StateOpening, modem.StateInitialising} {
		if text := (&ClosedError{"sim1", s}).Error(); !strings.Contains(text, "is restarting; try again in a minute") {
			t.Errorf("%s: %s", s, text)
		}
	}
}

// TestClosedLine: a gateway that runs, and a modem whose line is not open.
func TestClosedLine(t *testing.T) {
	g := clinic(t, nil)
	g.AddModem(modem.Config{Name: "sim1", Port: "/dev/none"}, ModemRules{})
	if v, err := g.ModemView("sim1"); err != nil || !strings.HasPrefix(v.Waiting, "No gateway is running") {
		t.Errorf("no gateway runs: %q, %v", v.Waiting, err)
	}
	g.running.Store(true)
	defer g.running.Store(false)
	_, command := g.Command(t.Context(), "sim1", "AT")
	_, ussd := g.USSD(t.Context(), "sim1", "*100#")
	for what, err := range map[string]error{"command": command, "ussd": ussd, "reset": g.ResetModem(t.Context(), "sim1")} {
		var closed *ClosedError
		if !errors.As(err, &closed) || closed.State != modem.StateStopped {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestLastError: an error from before the state that a modem is in is told as one.
func TestLastError(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		text string
		at   time.Time
		want string
	}{
		{"", time.Time{}, ""},
		{"No answer.", now, " The last error: No answer."},
		{"No answer.", now.Add(-errorSlack / 2), " The last error: No answer."},
		{"No answer.", now.Add(-time.Minute), " Before that: No answer."},
	} {
		if got := lastError(modem.Status{Since: now, LastError: tt.text, LastErrorAt: tt.at}); got != tt.want {
			t.Errorf("%q at %v: %q", tt.text, tt.at, got)
		}
	}
}

// TestTooLate: whether a message ends before what it waits for.
func TestTooLate(t *testing.T) {
	at := time.Now()
	for expires, late := range map[time.Time]bool{{}: false, at.Add(-time.Second): true, at: false, at.Add(time.Second): false} {
		if got := tooLate(&store.Message{Expires: expires}, at) != ""; got != late {
			t.Errorf("it ends %v: %v", expires.Sub(at), got)
		}
	}
}

// TestWhyAgain: what a message that waits met with the last time is told as that; that it goes again is no such thing.
func TestWhyAgain(t *testing.T) {
	g := clinic(t, nil)
	for reason, want := range map[string]string{
		"":                  ". The message is given up at",
		"the port is gone.": ". The last time: the port is gone. The message",
		"to be sent again, though it may have been sent before: no answer": ". It is to be sent again, though it may have been sent before: " +
			"no answer. The message",
	} {
		now := time.Now()
		m := &store.Message{State: store.Queued, Due: now.Add(time.Hour), Expires: now.Add(2 * time.Hour), Reason: reason}
		if why := g.Why(m); !strings.Contains(why, want) {
			t.Errorf("%q: %s", reason, why)
		}
	}
}

// TestWhyInPart: of a message of which one part was sent, and another perhaps, it is not said that the network took it.
func TestWhyInPart(t *testing.T) {
	g := clinic(t, nil)
	got := g.Why(&store.Message{
		State: store.Sent, SentAt: time.Now(), Reason: "nobody knows whether it was sent: the modem restarted",
		Parts: []store.Part{{State: store.PartSent}, {State: store.PartUnknown}},
	})
	for _, want := range []string{"took some of its parts", "is awaited", "nobody knows whether it was sent: the modem restarted."} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

// TestWhyUncertain: a message in doubt is told with what its account's policy makes of it, and when.
func TestWhyUncertain(t *testing.T) {
	g := clinic(t, nil)
	now := time.Now()
	lanes := make(map[string]uint32)
	for _, policy := range []string{"report", "never", "resend"} {
		acct, err := g.AddAccount(NewAccount{Key: policy, Password: "secret12", Settings: Settings{"uncertain": policy}})
		if err != nil {
			t.Fatal(err)
		}
		lanes[policy] = acct.Lane
	}
	for _, tt := range []struct {
		policy  string
		suspect bool
		expires time.Duration
		want    string
	}{
		{"report", false, time.Hour, " ends as unknown and is not sent again: the account's policy is report."},
		{"never", false, time.Hour, " ends as unknown and is not sent again: the account's policy is never."},
		{"resend", false, time.Hour, " is sent once more: the account's policy is resend."},
		{"resend", false, time.Minute, " ends as unknown and is not sent again"},
		{"report", true, time.Hour, "Most likely it was not sent: it is sent again at " + clock(now.Add(time.Minute))},
		{"never", true, time.Hour, " ends as unknown and is not sent again: the account's policy is never."},
	} {
		m := &store.Message{State: store.Uncertain, Lane: lanes[tt.policy], Suspect: tt.suspect, Reason: "no answer.",
			DoubtEnds: now.Add(time.Minute), Expires: now.Add(tt.expires)}
		if why := g.Why(m); !strings.Contains(why, tt.want) || !strings.Contains(why, "(no answer)") ||
			!strings.Contains(why, clock(m.DoubtEnds)) {
			t.Errorf("%+v: %s", tt, why)
		}
	}
}

// TestAwaited: an answer that takes longer than usual is told of, with its times; at an opening at once.
func TestAwaited(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		state modem.State
		since time.Duration // ago; 0: nothing is awaited
		want  string
	}{
		{modem.StateReady, 0, ""},
		{modem.StateSending, slowAnswer - time.Second, ""},
		{modem.StateSending, slowAnswer, "has not answered; it is waited for until " + clock(now.Add(time.Minute)) + ", and nothing else"},
		{modem.StateOpening, time.Second, "the answer is listened for until " + clock(now.Add(time.Minute))},
	} {
		st := modem.Status{State: tt.state}
		if tt.since > 0 {
			st.Awaiting, st.AwaitedUntil = now.Add(-tt.since), now.Add(time.Minute)
		}
		got := Awaited(st, now)
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s for %v: %q, want %q", tt.state, tt.since, got, tt.want)
		}
		if tt.want != "" && !strings.HasPrefix(got, "It was given a text at "+clock(st.Awaiting)) {
			t.Errorf("%s: %q does not say since when", tt.state, got)
		}
	}
}

// TestRestartedWords: what was before an operator's restart is told as of before, and the restart itself as one.
func TestRestartedWords(t *testing.T) {
	now := time.Now()
	st := modem.Status{State: modem.StateOpening, Since: now, Restarted: now, LastError: "No answer.", LastErrorAt: now.Add(-time.Second)}
	if words := StateWords(st); !strings.Contains(words, "restarted for the operator") || !IsOldError(st) {
		t.Errorf("%q, old error: %v", words, IsOldError(st))
	}
	st.State, st.LastErrorAt = modem.StateMissing, now.Add(time.Second)
	if words := StateWords(st); words != "is not there" || IsOldError(st) {
		t.Errorf("when it does not come back: %q, old error: %v", words, IsOldError(st))
	}
}
