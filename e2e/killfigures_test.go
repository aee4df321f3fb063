package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// killFigures is what TestKillLoop counts and measures, mostly from what the gateways logged.
type killFigures struct {
	mu     sync.Mutex
	counts map[string]int
	ends   []time.Time // kills
	faults []time.Time

	calm, wasCalm  bool               // the modems worked when it was killed: this one, the last one
	how            string             // the last gateway was killed
	last           map[string]*stages // that it had come to, by modem
	lives, unclear int                // kills, and those that left a part in doubt
	doubts         []*doubtful        // parts that a kill left in doubt
	window, onAir  []time.Duration    // from claim to outcome; from Ctrl-Z to +CMGS
	before, behind []time.Duration    // from claim to Ctrl-Z; from +CMGS to outcome
}

// doubtful is a part that was in a modem when a gateway was killed.
type doubtful struct {
	id    string
	how   string // it was killed
	calm  bool   // the modems had worked as they should
	stage string // of the hand-over, as far as the gateway that was killed had logged it
}

func (f *killFigures) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = make(map[string]int)
	}
	f.counts[what]++
}

// struck notes that something was made to go wrong.
func (f *killFigures) struck(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, at)
}

// faulty tells whether something else than the kill may have left a doubt: the modem was in trouble in the last gateway, or
// silent for longer than a text takes, or a fault was made to strike about the same time.
func (f *killFigures) faulty(modem string) bool {
	const most = 2 * time.Second
	s, end := f.last[modem], f.ends[len(f.ends)-1]
	return s == nil || s.trouble || !s.ctrlZ.IsZero() && s.answer.IsZero() && end.Sub(s.ctrlZ) > most ||
		slices.ContainsFunc(f.faults, func(at time.Time) bool { return end.Sub(at).Abs() < most })
}

// between tells whether something went wrong between two times, or not long before.
func (f *killFigures) between(a, b time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a = a.Add(-5 * time.Second)
	return slices.ContainsFunc(slices.Concat(f.ends, f.faults), func(at time.Time) bool { return at.After(a) && at.Before(b) })
}

// stages are the times of the hand-over that a modem is at, as its lines tell.
type stages struct {
	claim, ctrlZ, answer time.Time
	trouble              bool // something else than a result came
}

// String says how far it got.
func (s *stages) String() string {
	switch {
	case s == nil:
		return "not known"
	case !s.answer.IsZero():
		return "behind the answer"
	case !s.ctrlZ.IsZero():
		return "on air"
	}
	return "before Ctrl-Z"
}

// read takes what a gateway logged in its life, which was ended then, and in which way.
func (f *killFigures) read(list []string, end time.Time, how string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := make(map[string]*stages)
	unclear := false
	for _, line := range list {
		modem := wordOf(line, "modem")
		s := at[modem]
		if s == nil {
			s = &stages{}
			at[modem] = s
		}
		now := timeOf(line)
		switch {
		case strings.Contains(line, "the gateway stopped while the modem had it"):
			f.doubts = append(f.doubts, &doubtful{wordOf(line, "id"), f.how, f.wasCalm && !f.faulty(modem), f.last[modem].String()})
			unclear = true
		case modem == "":
		case strings.Contains(line, `msg="from modem" `) && strings.HasSuffix(line, `line=>`):
			*s = stages{trouble: s.trouble}
		case strings.Contains(line, "level=WARN"):
			s.trouble = true
		case strings.Contains(line, `msg="to modem" `) && strings.HasSuffix(line, `line="\x1a"`):
			s.ctrlZ = now
		case strings.Contains(line, `msg="to modem" `) && s.claim.IsZero() && s.ctrlZ.IsZero():
			s.claim = now
		case strings.Contains(line, `msg="from modem" `) && strings.Contains(line, "+CMGS:") && !s.ctrlZ.IsZero():
			s.answer = now
		case strings.Contains(line, `msg=sent `) && !s.answer.IsZero() && !s.claim.IsZero():
			f.window = append(f.window, now.Sub(s.claim))
			f.onAir = append(f.onAir, s.answer.Sub(s.ctrlZ))
			f.before = append(f.before, s.ctrlZ.Sub(s.claim))
			f.behind = append(f.behind, now.Sub(s.answer))
			*s = stages{}
		}
	}
	f.ends = append(f.ends, end)
	if f.how, f.last, f.wasCalm = how, at, f.calm; unclear {
		f.unclear++
	}
	f.lives++
}

// timeOf is when a line was logged.
func timeOf(line string) time.Time {
	word, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
	at, _ := time.Parse(time.RFC3339Nano, word)
	return at
}

// middle is the median.
func middle(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// tell prints the figures, and wants most doubts settled.
func (k *killLoop) tell(loop, all time.Duration) {
	f, t := &k.figures, k.t
	t.Logf("%d kills in %s, %s with the end; %d parts on air, %d commands", f.lives, loop.Round(time.Second), all.Round(time.Second),
		len(k.air.all()), k.calls)
	share := 100 * float64(f.unclear) / float64(max(1, f.lives))
	t.Logf("%d kills (%.0f %%) left a part in doubt, %d parts; of these:", f.unclear, share, len(f.doubts))
	ways := make(map[string]int)
	judged, settled := 0, 0
	for _, d := range f.doubts {
		m := k.table[d.id]
		how := "in doubt to the end"
		switch {
		case m.PossibleDuplicate:
			how = "sent again"
		case m.State == "delivered" || m.State == "undeliverable" || m.State == "sent" || m.State == "expired":
			how = "settled"
		}
		ways[fmt.Sprintf("%s: killed %s, %s", how, d.how, d.stage)]++
		// At the prompt nothing is on air yet, of which there could be evidence; a modem's process takes it along.
		if d.calm && d.how != atThePrompt && d.how != withModem {
			judged++
			if how == "settled" {
				settled++
			}
		}
	}
	for _, how := range slices.Sorted(maps.Keys(ways)) {
		t.Logf("%5d %s", ways[how], how)
	}
	t.Logf("evidence settled %d of %d parts of gateways that were killed while all was well, not those killed at the prompt",
		settled, judged)
	if judged >= 20 && settled*100 < judged*80 {
		t.Errorf("that is less than 80 %%")
	}
	t.Logf("from the claim on disk to the outcome on disk: %s (median of %d); %s before Ctrl-Z, %s on air, %s behind the answer",
		middle(f.window), len(f.window), middle(f.before), middle(f.onAir), middle(f.behind))
	for _, counts := range []map[string]int{f.counts, k.l.counts} {
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%5d %s", counts[what], what)
		}
	}
}
