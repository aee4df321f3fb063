package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// rungsOf returns the rungs of a list with their counts.
func rungsOf(list []Climb) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("%s %d", c.Rung, c.Times))
	}
	return strings.Join(all, ", ")
}

// text returns an SMS-SUBMIT like hello to another number for each n.
func text(t *testing.T, n int) []byte {
	b := octets(t, hello)
	b[1] = byte(n) // TP-MR, which does not make it another text
	b[9] = byte(n%10)<<4 | 0x01
	return b
}

func TestClimbed(t *testing.T) {
	now := time.Now()
	one := climbed(nil, RungReopen, "a", now)
	two := climbed(one, RungResync, "b", now)
	three := climbed(two, RungReopen, "c", now.Add(time.Second))
	if got := rungsOf(one) + " | " + rungsOf(two) + " | " + rungsOf(three); got != "reopen 1 | resync 1, reopen 1 | resync 1, reopen 2" {
		t.Errorf("got %s", got)
	}
	if c := three[1]; c.Cause != "c" || !c.Last.Equal(now.Add(time.Second)) || two[1].Cause != "a" {
		t.Errorf("got %+v, and before it %+v", c, two[1])
	}
	for r := RungResync; r <= RungAlarm; r++ {
		if r.String() == "unknown" {
			t.Errorf("rung %d has no name", r)
		}
	}
}

// TestIncident: what is done about a modem is in its status until it is well, and then in the log.
func TestIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var log strings.Builder
		b := ready(t, f, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		if st := b.Status(); len(st.Ladder) > 0 || len(st.Climbed) > 0 || !st.Unwell.IsZero() {
			t.Errorf("a modem that is well has %+v", st.Ladder)
		}
		f.change(func() { f.deaf = true })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		st := b.Status()
		if got := rungsOf(st.Ladder); !strings.HasPrefix(got, "resync 1, reopen ") || st.Unwell.IsZero() {
			t.Errorf("ladder %q, unwell since %v", got, st.Unwell)
		}
		if c := st.Ladder[1]; !strings.Contains(c.Cause, "does not react to AT") || time.Since(c.Last) > time.Minute {
			t.Errorf("reopened at %v because of %q", c.Last, c.Cause)
		}
		f.change(func() { f.deaf = false })
		b.waitReady()
		st = b.Status()
		if len(st.Ladder) > 0 || !st.Unwell.IsZero() || !strings.HasPrefix(rungsOf(st.Climbed), "resync 1, reopen ") {
			t.Errorf("well again: ladder %q, climbed %q, unwell since %v", rungsOf(st.Ladder), rungsOf(st.Climbed), st.Unwell)
		}
		f.say("\r\nRDY\r\n")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := rungsOf(b.Status().Climbed); !strings.Contains(got, "set up 1") {
			t.Errorf("climbed %q, want one set up in it", got)
		}
		b.end()
		<-b.ended
		if n := strings.Count(log.String(), "the modem is well again"); n != 2 || !strings.Contains(log.String(), "resync 1×, reopen ") {
			t.Errorf("%d incidents ended in the log, want 2:\n%s", n, log.String())
		}
	})
}

// TestAlarm: people are told once that a modem is out of work, whatever the reason, and once that it works again.
func TestAlarm(t *testing.T) {
	tests := []struct {
		name  string
		fail  func(*fake)
		mend  func(*fake)
		cause string
	}{
		{"deaf", func(f *fake) { f.change(func() { f.deaf = true }) }, func(f *fake) { f.change(func() { f.deaf = false }) }, "does not react"},
		{"no network", func(f *fake) {
			f.set("AT+CREG?", "\r\n+CREG: 1,3\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
			f.say("\r\n+CREG: 3\r\n\r\n+CGREG: 0\r\n")
		}, func(f *fake) { f.set("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n") }, "registration denied"},
		{"no SIM", func(f *fake) {
			f.set("AT+CPIN?", "\r\n+CME ERROR: 10\r\n")
			f.say("\r\n^SYSSTART\r\n")
		}, func(f *fake) { f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n") }, "SIM not inserted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var log strings.Builder
				b := ready(t, f, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				tt.fail(f)
				time.Sleep(4 * time.Minute)
				synctest.Wait()
				if st := b.Status(); st.Down {
					t.Errorf("down after 4 minutes: %s", st.DownCause)
				}
				time.Sleep(26 * time.Minute)
				synctest.Wait()
				if st := b.Status(); !st.Down || !strings.Contains(st.DownCause, tt.cause) || !strings.Contains(rungsOf(st.Ladder), "alarm 1") {
					t.Errorf("down %v because of %q, ladder %q; want true, %q", st.Down, st.DownCause, rungsOf(st.Ladder), tt.cause)
				}
				tt.mend(f)
				b.waitReady()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if st := b.Status(); st.Down || st.DownCause != "" || len(st.Ladder) > 0 {
					t.Errorf("down %v because of %q, ladder %q, after the end", st.Down, st.DownCause, rungsOf(st.Ladder))
				}
				b.end()
				<-b.ended
				began, ended := strings.Count(log.String(), "the modem cannot send"), strings.Count(log.String(), "the modem can send again")
				if began != 1 || ended != 1 || strings.Count(log.String(), "level=ERROR") != 1 {
					t.Errorf("%d beginnings and %d ends in the log, want one each:\n%s", began, ended, log.String())
				}
			})
		})
	}
}

// TestNoNetworkLadder: a modem that does not find its network is helped with more and more, and then at longer intervals.
func TestNoNetworkLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,2\r\n\r\nOK\r\n")
		b := start(t, f, nil)
		for _, step := range []struct {
			until                  time.Duration
			search, radio, restart int
		}{
			{4 * time.Minute, 0, 0, 0}, {6 * time.Minute, 1, 0, 0}, {11 * time.Minute, 1, 1, 0}, {16 * time.Minute, 1, 1, 1},
			{24 * time.Minute, 1, 1, 1}, {26 * time.Minute, 2, 1, 1}, {37 * time.Minute, 2, 2, 1}, {48 * time.Minute, 2, 2, 2},
			{2 * time.Hour, 3, 3, 3}, {24 * time.Hour, 14, 13, 13},
		} {
			time.Sleep(step.until - time.Since(b.born))
			synctest.Wait()
			search, radio, restart := f.times("AT+COPS=0"), f.times("AT+CFUN=4"), f.times("AT+CFUN=1,1")
			if step.until < 2*time.Hour && (search != step.search || radio != step.radio || restart != step.restart) ||
				step.until >= 2*time.Hour && (search < step.search-1 || search > step.search+1) {
				t.Errorf("after %v: %d searches, %d radios, %d restarts; want %d, %d, %d", step.until, search, radio, restart, step.search, step.radio, step.restart)
			}
		}
		if n := f.times("AT+CFUN=1"); n < f.times("AT+CFUN=4") {
			t.Errorf("the radio was switched on %d times and off %d times", n, f.times("AT+CFUN=4"))
		}
		f.set("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n")
		b.waitReady()
	})
}

// TestCardLost: a modem that loses its SIM while nothing is sent says so, not that it has no network. It is restarted for a
// SIM that cannot be read, at longer and longer intervals; not for one that wants its PUK, nor for one that is busy.
func TestCardLost(t *testing.T) {
	tests := []struct {
		name, answer, state string
		restarts            int // in a day
	}{
		{"pulled out", "\r\n+CME ERROR: 10\r\n", "SIM not inserted", 21},
		{"broken", "\r\n+CMS ERROR: 313\r\n", "SIM failure", 21},
		{"PUK", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n", "locked (SIM PUK)", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				b := ready(t, f, nil)
				f.set("AT+CPIN?", tt.answer, "AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,0\r\n\r\nOK\r\n")
				f.say("\r\n+CREG: 0\r\n\r\n+CGREG: 0\r\n")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if st := b.Status(); st.State != StateSIM || !strings.Contains(st.LastError, tt.state) {
					t.Errorf("it is %s, and the last error %q; want %q in it", st.State, st.LastError, tt.state)
				}
				if n := f.times("AT+CFUN=1,1"); n > 0 {
					t.Errorf("restarted %d times in two minutes", n)
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if n := f.times("AT+CFUN=1,1"); n != tt.restarts {
					t.Errorf("restarted %d times in a day, want %d", n, tt.restarts)
				}
				f.set("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n", "AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n")
				b.waitReady()
			})
		})
	}
}

// TestLongSearch: a modem that answers nothing while it looks for a network is left to it. It is not taken for a dead one.
func TestLongSearch(t *testing.T) {
	for name, long := range map[string]time.Duration{"two minutes": 2 * time.Minute, "longer than anybody waits": 181 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.set("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n", "AT+CGREG?", "\r\n+CGREG: 1,2\r\n\r\nOK\r\n", "AT+COPS=0", "")
				f.hooks["AT+COPS=0"] = func() {
					f.change(func() { f.deaf = true })
					time.AfterFunc(long, func() {
						f.change(func() { f.deaf = false })
						f.say("\r\nOK\r\n")
					})
				}
				b := start(t, f, nil)
				time.Sleep(9 * time.Minute)
				st := b.Status()
				if st.Opens != 1 || st.State != StateSearching || !strings.Contains(rungsOf(st.Ladder), "search 1") {
					t.Errorf("opened %d times, state %s, done: %s; want it searching on the first opening", st.Opens, st.State, rungsOf(st.Ladder))
				}
			})
		})
	}
}

// TestFailingTexts: texts that fail in a row on a modem that has a network get its radio cycled, then the modem
// restarted, each once; the same text again and again is one.
func TestFailingTexts(t *testing.T) {
	tests := []struct {
		name             string
		say              string
		texts, different int
		radio, restart   int
	}{
		{"two", "\r\n+CMS ERROR: 38\r\n", 2, 2, 0, 0},
		{"three", "\r\n+CMS ERROR: 38\r\n", 3, 3, 1, 0},
		{"the same nine times", "\r\n+CMS ERROR: 38\r\n", 9, 1, 0, 0},
		{"suspect", "\r\nERROR\r\n", 3, 3, 1, 0},
		{"the modem's", "\r\n+CMS ERROR: 300\r\n", 3, 3, 1, 0},
		{"numbers that cannot be reached", "\r\n+CMS ERROR: 1\r\n", 9, 9, 0, 0},
		{"a SIM that may not", "\r\n+CMS ERROR: 50\r\n", 9, 9, 0, 0},
		{"six", "\r\n+CMS ERROR: 38\r\n", 6, 6, 1, 1},
		{"many", "\r\n+CMS ERROR: 38\r\n", 60, 10, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.submit = func(string) string { return tt.say }
				b := ready(t, f, nil)
				send := func(n int) {
					b.waitReady()
					if _, err := b.Send(t.Context(), text(t, n), func() error { return nil }); err == nil {
						t.Error("it was sent")
					}
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				for i := range tt.texts {
					send(i % tt.different)
				}
				b.waitReady()
				if radio, restart := f.times("AT+CFUN=4"), f.times("AT+CFUN=1,1"); radio != tt.radio || restart != tt.restart {
					t.Errorf("radio cycled %d times, modem restarted %d times; want %d, %d", radio, restart, tt.radio, tt.restart)
				}
				// A text that is sent is the end of it.
				f.change(func() { f.submit = newFake().submit })
				if _, _, err := b.send(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if st := b.Status(); len(st.Ladder) > 0 {
					t.Errorf("ladder %q although a text was sent", rungsOf(st.Ladder))
				}
				f.change(func() { f.submit = func(string) string { return tt.say } })
				send(0)
				send(1)
				if radio := f.times("AT+CFUN=4"); radio != tt.radio {
					t.Errorf("radio cycled after two texts more")
				}
			})
		})
	}
}

// TestRadioIsOnAtTheEnd: a stop between off and on leaves no modem without its radio.
func TestRadioIsOnAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.submit = func(string) string { return "\r\n+CMS ERROR: 38\r\n" }
		b := ready(t, f, nil)
		f.hooks["AT+CFUN=4"] = func() { time.AfterFunc(2*time.Second, b.end) }
		for i := range 3 {
			b.Send(t.Context(), text(t, i), func() error { return nil })
		}
		<-b.ended
		if f.times("AT+CFUN=4") != 1 || f.times("AT+CFUN=1") != 1 {
			t.Errorf("asked %q, want the radio off and on", f.asked())
		}
	})
}

// TestRestartByMaker: each maker has its own way, and what is answered with an error is followed by another.
func TestRestartByMaker(t *testing.T) {
	tests := []struct {
		maker, model string
		errors       []string
		want         []string
	}{
		{"huawei", "E173", nil, []string{"AT+CFUN=1,1"}},
		{"Huawei Technologies Co., Ltd.", "MU736", nil, []string{"AT+CFUN=16"}},
		{"SIMCOM INCORPORATED", "SIMCOM_SIM7600E", nil, []string{"AT+CRESET"}},
		{"SIMCOM_Ltd", "SIMCOM_SIM800L", nil, []string{"AT+CFUN=1,1"}},
		{"huawei", "E1552", []string{"AT+CFUN=1,1"}, []string{"AT+CFUN=1,1", "AT^RESET"}},
		{"ZTE", "MF100", []string{"AT+CFUN=1,1", "AT+CRESET"}, []string{"AT+CFUN=1,1", "AT+CRESET", "AT+CFUN=16"}},
	}
	for _, tt := range tests {
		t.Run(tt.model, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.set("AT+CGMI", "\r\n"+tt.maker+"\r\n\r\nOK\r\n", "AT+CGMM", "\r\n"+tt.model+"\r\n\r\nOK\r\n", "AT+CMGF=0", "\r\n+CMS ERROR: 300\r\n")
				for _, c := range tt.errors {
					f.set(c, "\r\nERROR\r\n")
				}
				var log strings.Builder
				b := start(t, f, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				time.Sleep(time.Minute)
				synctest.Wait()
				b.end()
				<-b.ended
				if !strings.Contains(log.String(), "the modem is restarted") || strings.Contains(log.String(), "unplugged") {
					t.Errorf("what was done on purpose is told as a trouble:\n%s", log.String())
				}
				var got []string
				for _, c := range f.asked() {
					for _, r := range restarts {
						if c == r.text && !slices.Contains(got, c) {
							got = append(got, c)
						}
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("restarted by %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestResetUSB: when the ladder has failed three times the device is reset, and not more often than Timing.Reset; the
// openings get rare. What another program holds, and what we may not open, is left alone.
func TestResetUSB(t *testing.T) {
	tests := []struct {
		name   string
		open   error
		resets int
		rare   bool
	}{
		{"deaf", nil, 3, true},
		{"no such device", fmt.Errorf("open: %w", ErrPortMissing), 3, false},
		{"another program has it", fmt.Errorf("open: %w", ErrPortBusy), 0, false},
		{"not allowed", fmt.Errorf("open: %w", fs.ErrPermission), 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				resets, opens := 0, 0
				var open error
				b := ready(t, f, func(cfg *Config) {
					cfg.Open = func(context.Context, string, int) (Port, error) {
						port := f.open()
						opens++
						return port, open
					}
					cfg.ResetUSB = func(_ context.Context, port string, id Identity) error {
						if resets++; port != "/dev/fake" || id.ICCID != card || id.IMEI == "" {
							t.Errorf("reset of %s, %+v", port, id)
						}
						return errors.New("read-only file system")
					}
				})
				f.change(func() { f.deaf = true; open = tt.open })
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				f.change(func() { opens = 0 })
				time.Sleep(24 * time.Minute)
				synctest.Wait()
				if resets != tt.resets || (opens < 30) != tt.rare {
					t.Errorf("%d resets, %d openings in 24 minutes; want %d resets, rare openings: %v", resets, opens, tt.resets, tt.rare)
				}
				if got := rungsOf(b.Status().Ladder); strings.Contains(got, "usb reset") != (tt.resets > 0) {
					t.Errorf("ladder %q", got)
				}
				f.change(func() { f.deaf = false; open = nil })
				b.waitReady()
			})
		})
	}
}

// TestFind: a modem is looked for before each opening, by what was known last of it.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var asked []Identity
		port, looked, missing := "/dev/one", true, error(nil)
		var opened []string
		b := ready(t, f, func(cfg *Config) {
			cfg.Port = "auto"
			cfg.Find = func(_ context.Context, id Identity) (string, bool, error) {
				asked = append(asked, id)
				return port, looked, missing
			}
			cfg.Open = func(_ context.Context, path string, _ int) (Port, error) {
				opened = append(opened, path)
				return f.open(), nil
			}
		})
		if st := b.Status(); st.Port != "/dev/one" || asked[0] != (Identity{Modem: "sim1"}) {
			t.Errorf("port %s, asked for %+v", st.Port, asked[0])
		}
		port, missing = "", fmt.Errorf("no modem with IMEI 356938035643809: %w", ErrPortMissing)
		f.pull()
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := b.Status(); st.State != StateMissing || !strings.Contains(st.LastError, "no modem with IMEI") || !strings.Contains(rungsOf(st.Ladder), "find") {
			t.Errorf("state %s, %q, ladder %q", st.State, st.LastError, rungsOf(st.Ladder))
		}
		port, missing = "/dev/two", nil
		f.change(func() { f.gone = nil })
		b.waitReady()
		if st := b.Status(); st.Port != "/dev/two" || !slices.Equal(opened, []string{"/dev/one", "/dev/two"}) {
			t.Errorf("port %s, opened %q", st.Port, opened)
		}
		if id := asked[len(asked)-1]; id.IMEI != "356938035643809" || id.ICCID != card {
			t.Errorf("asked for %+v at last", id)
		}
		count := func() (n uint64) {
			for _, c := range b.Status().Climbed {
				if c.Rung == RungFind {
					n += c.Times
				}
			}
			return n
		}
		before, times := count(), len(asked)
		looked = false // it is where it was, and nothing else was looked at
		f.pull()
		synctest.Wait()
		f.change(func() { f.gone = nil })
		time.Sleep(10 * time.Second)
		b.waitReady()
		if len(asked) == times || count() != before || before == 0 {
			t.Errorf("asked %d times more; the rung was counted %d times, then %d", len(asked)-times, before, count())
		}
	})
}

// TestMayWorkEndsTheOpening: a modem that is not the one that is meant sends nothing; it is looked for by who was there.
func TestMayWorkEndsTheOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const right = "8949020000012345678"
		f := newFake()
		f.set("AT+CCID", "\r\n+CCID: \"8949020000099999999\"\r\n\r\nOK\r\n")
		var asked []string
		b := start(t, f, func(cfg *Config) {
			cfg.Find = func(_ context.Context, id Identity) (string, bool, error) {
				asked = append(asked, id.ICCID)
				return "/dev/fake", true, nil
			}
			cfg.MayWork = func(id Identity) error {
				if id.ICCID != right {
					return &notFoundError{text: "not the one with the SIM " + right}
				}
				return nil
			}
		})
		time.Sleep(20 * time.Minute)
		if st := b.Status(); st.State != StateMissing || !strings.Contains(st.LastError, "not the one with the SIM "+right) {
			t.Errorf("state %s, %q", st.State, st.LastError)
		}
		if f.times("AT+CFUN=1,1") != 0 || f.times("AT+CNMI=2,1,0,1,0") != 0 {
			t.Errorf("a modem of nobody's was restarted or set up: %q", f.asked())
		}
		f.set("AT+CCID", "\r\n+CCID: \""+right+"\"\r\n\r\nOK\r\n")
		b.waitReady()
		if asked[0] != "" || asked[1] != "8949020000099999999" {
			t.Errorf("looked for by %q", asked[:2])
		}
	})
}

// TestFlapping: a modem that never works for long is given more and more time between two openings; one that breaks
// now and then is not.
func TestFlapping(t *testing.T) {
	for _, tt := range []struct {
		lives time.Duration
		most  time.Duration // until it is ready again, in the end
		least time.Duration
	}{
		{5 * time.Second, 65 * time.Second, 60 * time.Second},
		{5 * time.Minute, 3 * time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			b := ready(t, f, nil)
			var last time.Duration
			for range 10 {
				time.Sleep(tt.lives)
				synctest.Wait()
				f.pull()
				synctest.Wait()
				f.change(func() { f.gone = nil })
				began := time.Now()
				b.waitReady()
				last = time.Since(began)
			}
			if last < tt.least || last > tt.most {
				t.Errorf("a modem that works for %v is ready again after %v, want %v to %v", tt.lives, last, tt.least, tt.most)
			}
		})
	}
}
