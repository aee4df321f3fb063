package gateway

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// testPool makes a pool of modems that never run. clock is its time.
func testPool(t *testing.T, clock *time.Time, rules ...ModemRules) *pool {
	t.Helper()
	db, err := store.Open(t.TempDir()+"/gateway.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := newPool(db, Options{Now: func() time.Time { return *clock }, Zone: time.UTC}.withDefaults(), func() {})
	for i, r := range rules {
		name := string(rune('a' + i))
		x, err := p.make(modem.New(modem.Config{Name: name}, nil), r)
		if err != nil {
			t.Fatal(err)
		}
		p.setMembers(append(p.members(), x))
	}
	return p
}

func names(list []*member) string {
	var s []string
	for _, x := range list {
		s = append(s, x.Name())
	}
	return strings.Join(s, " ")
}

// TestRoute: who takes a message first, and who when those are out of work for long.
func TestRoute(t *testing.T) {
	shop := ModemRules{Accounts: []string{"shop"}, SpillAfter: time.Minute}
	german := ModemRules{Prefixes: []string{"+49", "41"}, SpillAfter: time.Minute}
	berlin := ModemRules{Prefixes: []string{"4930"}, SpillAfter: time.Minute}
	never := ModemRules{Prefixes: []string{"49"}}
	sender := ModemRules{Sources: []string{"+491700000001"}, SpillAfter: time.Minute}
	both := ModemRules{Accounts: []string{"shop", "clinic"}, Prefixes: []string{"49"}}
	general := ModemRules{SpillAfter: time.Minute}
	for _, tt := range []struct {
		name              string
		rules             []ModemRules
		account, from, to string
		first, others     string
	}{
		{"general alone", []ModemRules{general}, "x", "", "491", "a", ""},
		{"general ones share", []ModemRules{general, general}, "x", "", "491", "a b", ""},
		{"a rule goes before none", []ModemRules{general, german}, "x", "", "491", "b", "a"},
		{"the second prefix", []ModemRules{general, german}, "x", "", "411", "b", "a"},
		{"no rule fits", []ModemRules{general, german}, "x", "", "431", "a", "b"},
		{"no rule fits, and none is general", []ModemRules{german, berlin}, "x", "", "431", "", ""},
		{"the longest prefix", []ModemRules{general, german, berlin}, "x", "", "49301", "c", "a b"},
		{"same rules share", []ModemRules{german, german, general}, "x", "", "491", "a b", "c"},
		{"all must be willing to spill", []ModemRules{german, never, general}, "x", "", "491", "a b", ""},
		{"never", []ModemRules{never, general}, "x", "", "491", "a", ""},
		{"a modem of an account", []ModemRules{shop, general}, "shop", "", "491", "a", "b"},
		{"not for others, in need neither", []ModemRules{shop, general}, "x", "", "491", "b", ""},
		{"prefix before account, which helps", []ModemRules{shop, german}, "shop", "", "491", "b", "a"},
		{"each list must fit", []ModemRules{both, general}, "clinic", "", "431", "b", ""},
		{"and does", []ModemRules{both, general}, "clinic", "", "491", "a", ""},
		{"sender", []ModemRules{sender, general}, "x", "491700000001", "431", "a", "b"},
		{"sender with a plus", []ModemRules{sender, general}, "x", "+491700000001", "431", "a", "b"},
		{"another sender", []ModemRules{sender, general}, "x", "49170", "431", "b", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1e9, 0)
			p := testPool(t, &now, tt.rules...)
			m := &store.Message{Account: tt.account, Source: sms.Address{Number: tt.from}, Destination: sms.Address{TON: 1, Number: tt.to}}
			p.look()
			if first, others := p.route(m); names(first) != tt.first || len(others) != 0 {
				t.Errorf("at first %q, then %q; want %q alone", names(first), names(others), tt.first)
			}
			now = now.Add(2 * time.Minute)
			p.look()
			if first, others := p.route(m); names(first) != tt.first || names(others) != tt.others {
				t.Errorf("at last %q, then %q; want %q, then %q", names(first), names(others), tt.first, tt.others)
			}
		})
	}
}

// TestBoundMessage: parts that follow leave by the SIM of the first, whatever the rules say.
func TestBoundMessage(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := testPool(t, &now, ModemRules{Prefixes: []string{"43"}}, ModemRules{})
	m := &store.Message{Line: "sim-1", Destination: sms.Address{Number: "491"}}
	if x := p.members()[0]; !p.takes(x, "sim-1", m) || p.takes(x, "sim-2", m) || p.takes(p.members()[1], "sim-2", m) {
		t.Error("the SIM of the first part does not decide")
	}
}

func TestQuietHours(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		hours, at string
		want      bool
	}{
		{"22:00-07:00", "2026-05-04T21:59:59+02:00", false},
		{"22:00-07:00", "2026-05-04T22:00:00+02:00", true},
		{"22:00-07:00", "2026-05-05T00:00:00+02:00", true},
		{"22:00-07:00", "2026-05-05T06:59:59+02:00", true},
		{"22:00-07:00", "2026-05-05T07:00:00+02:00", false},
		{"22:00-07:00", "2026-05-04T20:00:00Z", true}, // in Berlin it is 22:00
		{"12:00-13:30", "2026-05-04T13:29:00+02:00", true},
		{"12:00-13:30", "2026-05-04T13:30:00+02:00", false},
		{"0:00-6:00", "2026-05-04T00:00:00+02:00", true},
		{"02:00-03:00", "2026-03-29T01:59:00+01:00", false}, // the clock goes from 2 to 3
		{"02:00-03:00", "2026-03-29T03:00:00+02:00", false},
		{"02:00-03:00", "2026-10-25T02:30:00+02:00", true}, // and comes by twice
		{"02:00-03:00", "2026-10-25T02:30:00+01:00", true},
		{"02:00-03:00", "2026-10-25T03:00:00+01:00", false},
		{"", "2026-05-04T00:00:00+02:00", false},
	} {
		q, err := ParseQuiet(tt.hours)
		if err != nil {
			t.Errorf("%s: %v", tt.hours, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.holds(at.In(zone)); got != tt.want {
			t.Errorf("%s at %s: quiet is %t", tt.hours, tt.at, got)
		}
	}
	for _, s := range []string{"22:00", "22-7", "22:00-24:00", "25:00-07:00", "07:00-07:00", "-", "22:00-07:00-08:00", "a:b-c:d"} {
		if q, err := ParseQuiet(s); err == nil {
			t.Errorf("%q was read as %s", s, q)
		}
	}
}

// FuzzParseQuiet: what is read is written so that it reads the same.
func FuzzParseQuiet(f *testing.F) {
	for _, s := range []string{"22:00-07:00", "7:05-7:06", "", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuiet(s)
		if err != nil {
			return
		}
		if again, err := ParseQuiet(q.String()); err != nil || again != q {
			t.Errorf("%q reads as %s, and that as %s, %v", s, q, again, err)
		}
	})
}

// TestQuietLine: in its quiet hours a modem begins nothing, but ends what it has begun.
func TestQuietLine(t *testing.T) {
	now := time.Date(2026, 5, 4, 23, 0, 0, 0, time.UTC)
	quiet, err := ParseQuiet("22:00-07:00")
	if err != nil {
		t.Fatal(err)
	}
	p := testPool(t, &now, ModemRules{Quiet: quiet})
	x := p.members()[0]
	if why := p.heldBack(x, "sim", false, now); !strings.Contains(why, "07:00") {
		t.Errorf("at %s: %q", now, why)
	}
	if why := p.heldBack(x, "sim", true, now); why != "" {
		t.Errorf("in the middle of a message: %q", why)
	}
	now = now.Add(8 * time.Hour)
	if why := p.heldBack(x, "sim", false, now); why != "" {
		t.Errorf("at %s: %q", now, why)
	}
}

// learnt lets a pool learn of refusals.
type learnt struct {
	*pool
	log strings.Builder
	id  store.ID
}

func (l *learnt) until(now time.Time) time.Time {
	until, _ := l.barred("sim", now)
	return until
}

func (l *learnt) refuse(to string, cause error) store.Refusal {
	l.id++
	return l.refuseAgain(l.id, to, cause)
}

func (l *learnt) refuseAgain(id store.ID, to string, cause error) store.Refusal {
	m := &store.Message{ID: id, Destination: sms.Address{Number: to}}
	r := refusal(cause, 0, Waits{}.withDefaults())
	l.learn(l.members()[0], "sim", m, cause, &r, slog.New(slog.NewTextHandler(&l.log, nil)))
	return r
}

// TestWhoElse: while all modems that a message is for are out of work it is said from when others may take it, and then
// that they may.
func TestWhoElse(t *testing.T) {
	now := time.Unix(1e9, 0)
	start := now
	german := ModemRules{Prefixes: []string{"49"}, SpillAfter: 10 * time.Minute}
	slow := ModemRules{Prefixes: []string{"49"}, SpillAfter: time.Hour}
	never := ModemRules{Prefixes: []string{"49"}}
	shop := ModemRules{Accounts: []string{"shop"}}
	from := func(after time.Duration) string {
		return " Other modems may take it from " + clock(start.Add(after)) + "."
	}
	for _, tt := range []struct {
		name  string
		rules []ModemRules
		after time.Duration
		want  string
	}{
		{"at once", []ModemRules{german, {}}, time.Second, from(10 * time.Minute)},
		{"the last of them counts", []ModemRules{german, slow, {}}, 11 * time.Minute, from(time.Hour)},
		{"over", []ModemRules{german, {}}, 10 * time.Minute, " Other modems may take it now."},
		{"one is waited for", []ModemRules{german, never, {}}, time.Hour, ""},
		{"no other may", []ModemRules{german, shop}, time.Hour, ""},
		{"too late", []ModemRules{slow, {}}, time.Second, from(time.Hour) + " The message ends before that."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now = start
			p := testPool(t, &now, tt.rules...)
			p.look()
			now = now.Add(tt.after)
			p.look()
			m := &store.Message{Destination: sms.Address{Number: "491"}}
			if tt.name == "too late" {
				m.Expires = start.Add(time.Minute)
			}
			if got := p.whoElse(m, now); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestWhoElseSick: a modem that fails with each text is missed from its first failure on, not from its last rest.
func TestWhoElseSick(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := testPool(t, &now, ModemRules{Prefixes: []string{"49"}, SpillAfter: 10 * time.Minute}, ModemRules{})
	x, failed := p.members()[0], now
	for range 3 {
		p.mu.Lock()
		p.rest(p.line(x.Status().Line()), "it does not work", now)
		p.mu.Unlock()
		x.idleSince, x.idle = now, "It is left alone."
		at, ok := p.spillsAt(x, now)
		if want := failed.Add(10 * time.Minute); !ok || !at.Equal(want) {
			t.Errorf("%s after its first failure it is missed from %s, %t; want %s", now.Sub(failed), at, ok, want)
		}
		now = now.Add(4 * time.Minute)
	}
	x.idle, x.idleSince = "", time.Time{}
	if at, ok := p.spillsAt(x, now); ok {
		t.Errorf("one that is at work is missed from %s", at)
	}
}

// TestBarred: the pause of a SIM that may not send doubles up to four hours; three different messages are an alarm; one
// success ends it all.
func TestBarred(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := &learnt{pool: testPool(t, &now, ModemRules{})}
	var pauses []time.Duration
	for n := range 6 {
		l.refuse("491", modem.CMSError(10))
		until := l.until(now)
		pauses = append(pauses, until.Sub(now))
		_, words := l.barred("sim", now)
		if alarm := strings.Contains(l.log.String(), "level=ERROR"); alarm != (n >= 2) || alarm != (words != "") {
			t.Errorf("after %d messages: alarm is %t", n+1, alarm)
		}
		now = until
		if !l.until(now).IsZero() || l.lineIdle("sim", now) != "" {
			t.Errorf("the pause does not end")
		}
	}
	const quarter = 15 * time.Minute
	if want := []time.Duration{quarter, 2 * quarter, 4 * quarter, 8 * quarter, 16 * quarter, 16 * quarter}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	l.well("sim", 1)
	l.refuse("491", modem.CMSError(10))
	if got := l.until(now).Sub(now); got != quarter {
		t.Errorf("after a success the pause is %s", got)
	}
}

// TestBarredMessage: a message that no SIM may send bars one of them, not one after the other, and waits longer than
// the SIM, so that others are tried first.
func TestBarredMessage(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := &learnt{pool: testPool(t, &now, ModemRules{}, ModemRules{})}
	if r := l.refuseAgain(1, "491", modem.CMSError(8)); r.Counted || r.Wait <= 15*time.Minute {
		t.Errorf("counted %t, again in %s", r.Counted, r.Wait)
	}
	l.members()[0], l.members()[1] = l.members()[1], l.members()[0]
	m := &store.Message{ID: 1, Destination: sms.Address{Number: "491"}}
	r := refusal(modem.CMSError(8), 0, Waits{}.withDefaults())
	l.learn(l.members()[0], "other sim", m, modem.CMSError(8), &r, slog.New(slog.DiscardHandler))
	if until, _ := l.barred("other sim", now); !until.IsZero() {
		t.Errorf("the second SIM is barred until %s by a message that had barred the first", until)
	}
}

// TestTakenForSpam: cause 21 counts against the message; three destinations in a row pause the SIM.
func TestTakenForSpam(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		name string
		to   []string
		want bool
	}{
		{"three destinations", []string{"491", "492", "493"}, true},
		{"one destination", []string{"491", "491", "491"}, false},
		{"two destinations", []string{"491", "492", "491"}, false},
		{"another cause in between", []string{"491", "492", "", "493"}, false},
	} {
		l := &learnt{pool: testPool(t, &now, ModemRules{})}
		for _, to := range tt.to {
			if to == "" {
				l.refuse("499", modem.CMSError(38))
				continue
			}
			if r := l.refuse(to, modem.CMSError(21)); !r.Counted {
				t.Errorf("%s: not counted", tt.name)
			}
		}
		if got := !l.until(now).IsZero(); got != tt.want {
			t.Errorf("%s: paused is %t", tt.name, got)
		}
	}
}

// TestModemTrouble: trouble of modem or SIM leaves the modem alone for a while and is not counted; the message goes back
// at once, but if it meets with trouble again others go first.
func TestModemTrouble(t *testing.T) {
	for _, cause := range []error{modem.CMSError(302), modem.CMSError(310), modem.CMSError(331), modem.CMSError(322), modem.CMEError(30)} {
		now := time.Unix(1e9, 0)
		l := &learnt{pool: testPool(t, &now, ModemRules{})}
		first, again := l.refuseAgain(1, "491", cause), l.refuseAgain(1, "491", cause)
		if first.Counted || again.Counted || first.Wait != 0 || again.Wait < 10*time.Second || !first.Untaken {
			t.Errorf("%v: %+v, then %+v", cause, first, again)
		}
		if l.lineIdle("sim", now) == "" || l.lineIdle("sim", now.Add(time.Minute)) != "" {
			t.Errorf("%v: left alone: %q, then %q", cause, l.lineIdle("sim", now), l.lineIdle("sim", now.Add(time.Minute)))
		}
	}
}

// TestNoPromptForOne: a message that never gets a prompt lets others go first.
func TestNoPromptForOne(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := testPool(t, &now)
	for n := range 3 {
		if p.waits(7, now) {
			t.Errorf("after %d failures it waits", n)
		}
		p.failed(7)
	}
	if !p.waits(7, now) || p.waits(8, now) || p.waits(7, now.Add(time.Minute)) {
		t.Error("after 3 failures it does not wait for less than a minute")
	}
	for id := range store.ID(2 * hardMost) {
		p.failed(id)
	}
	if len(p.hard) > hardMost {
		t.Errorf("%d messages remembered", len(p.hard))
	}
}

// TestSpent: a modem whose budget was refused at the prompt is not asked again at once, nor left alone for long.
func TestSpent(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := testPool(t, &now, ModemRules{})
	x := p.members()[0]
	for reset, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: time.Minute} {
		p.spentUntil(x, &store.BudgetError{Window: store.Day, Resets: now.Add(reset)})
		if p.heldBack(x, "sim", false, now.Add(want-1)) == "" || p.heldBack(x, "sim", false, now.Add(want)) != "" {
			t.Errorf("with a new budget in %s it is not left alone for %s", reset, want)
		}
	}
}
