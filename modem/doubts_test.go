package modem

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTwoDoubts: two texts in a row end in silence, behind one whose TP-MR is 12. 13 is the first one's, or the second's if
// the first was never tried; 14 can be the second's alone; and answers come in the order of the texts.
func TestTwoDoubts(t *testing.T) {
	tests := []struct {
		name   string
		before string // what the text before them is answered
		late   []int
		told   []string // of A, the first, and of B
	}{
		{"r+1 may be either's", "\r\n+CMGS: 12\r\n\r\nOK\r\n", []int{13}, nil},
		{"r+2 is the second's", "\r\n+CMGS: 12\r\n\r\nOK\r\n", []int{14}, []string{"B sent 14"}},
		{"both", "\r\n+CMGS: 12\r\n\r\nOK\r\n", []int{13, 14}, []string{"A sent 13", "B sent 14"}},
		{"both around 255", "\r\n+CMGS: 254\r\n\r\nOK\r\n", []int{255, 0}, []string{"A sent 255", "B sent 0"}},
		{"r not known, one", "\r\n+CMS ERROR: 38\r\n", []int{13}, nil},
		{"r not known, both", "\r\n+CMS ERROR: 38\r\n", []int{70, 71}, []string{"A sent 70", "B sent 71"}},
		{"in its own way, both", "\r\n+CMGS: 0\r\n\r\nOK\r\n", []int{0, 0}, []string{"A sent 0", "B sent 0"}},
		{"one too many", "\r\n+CMGS: 12\r\n\r\nOK\r\n", []int{13, 14, 15}, []string{"A sent 13", "B sent 14"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake(), &witness{}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				f.submit = func(string) string { return tt.before }
				b.send()
				given := twoSilent(t, b)
				for _, ref := range tt.late {
					f.say(fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", ref))
					time.Sleep(5 * time.Second)
				}
				synctest.Wait()
				var told []string
				for i, what := range w.told {
					who := "A"
					if w.given[i].Equal(given[1]) {
						who = "B"
					} else if !w.given[i].Equal(given[0]) {
						t.Errorf("given %v, want one of %v", w.given[i], given)
					}
					told = append(told, strings.Replace(what, card, who, 1))
				}
				if !reflect.DeepEqual(told, tt.told) {
					t.Errorf("told %q, want %q", told, tt.told)
				}
			})
		})
	}
}

// twoSilent sends two texts that are not answered, and returns when they were given.
func twoSilent(t *testing.T, b *bench) (given []time.Time) {
	t.Helper()
	b.fake.change(func() {
		b.fake.submit = func(string) string { given = append(given, time.Now()); return "" }
	})
	for range 2 {
		if _, _, err := b.send(); endOf(err) != uncertain {
			t.Fatalf("got %v, want uncertain", err)
		}
		b.waitReady()
	}
	return given
}

// TestThird: a text behind two silent ones has its own answer only when nobody else's is missing, or by its TP-MR.
func TestThird(t *testing.T) {
	ok := func(ref int) string { return fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", ref) }
	tests := []struct {
		name   string
		before []int // late results before the third is given
		say    []string
		want   string
		ref    uint8
		took   time.Duration
		told   []string
	}{
		{"r+3 is its own", nil, []string{ok(15)}, sent, 15, 0, nil},
		{"r+1", nil, []string{ok(13)}, uncertain, 0, 30 * time.Second, nil},
		{"r+1 and r+2", nil, []string{ok(13), "@9s", ok(14)}, uncertain, 0, 39 * time.Second, nil},
		{"all three", nil, []string{ok(13), "@9s", ok(14), "@9s", ok(15)}, sent, 15, 18 * time.Second,
			[]string{card + " sent 13", card + " sent 14"}},
		{"r+1 before it, then r+2", []int{13}, []string{ok(14)}, uncertain, 0, 30 * time.Second, nil},
		{"r+1 before it, then the others", []int{13}, []string{ok(14), "@9s", "\r\n+CMS ERROR: 38\r\n"}, refused, 0, 9 * time.Second,
			[]string{card + " sent 13", card + " sent 14"}},
		{"both before it", []int{13, 14}, []string{ok(15)}, sent, 15, 0, []string{card + " sent 13", card + " sent 14"}},
		{"the second's before it", []int{14}, []string{"\r\n+CMS ERROR: 38\r\n"}, refused, 0, 0, []string{card + " sent 14"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake(), &witness{}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				b.send() // 12
				twoSilent(t, b)
				for _, ref := range tt.before {
					f.say(ok(ref))
					time.Sleep(5 * time.Second)
				}
				f.change(func() { f.submit = func(string) string { script(t, f, tt.say); return "" } })
				began := time.Now()
				ref, _, err := b.send()
				if got, took := endOf(err), time.Since(began).Truncate(time.Second); got != tt.want || ref != tt.ref || took != tt.took {
					t.Errorf("got %s, ref %d after %v (%v); want %s, ref %d after %v", got, ref, took, err, tt.want, tt.ref, tt.took)
				}
				b.waitReady()
				time.Sleep(time.Second)
				synctest.Wait()
				w.wants(t, tt.told...)
				f.change(func() { f.submit = func(string) string { return ok(50) } })
				if ref, _, err := b.send(); err != nil || ref != 50 {
					t.Errorf("the next text: ref %d, %v; want 50", ref, err)
				}
			})
		})
	}
}

// TestNotYet: an Evidence that wants to be told again in a moment is told again in a moment, and nobody is alarmed.
func TestNotYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := newFake(), &witness{notYet: 3}
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
		f.submit = func(string) string { return "" }
		b.send()
		b.waitReady()
		before := b.Status().LastError
		f.say("\r\n+CMGS: 13\r\n\r\nOK\r\n")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.wants(t, card+" sent 13")
		if got := b.Status().LastError; got != before {
			t.Errorf("last error %q, want %q still", got, before)
		}
	})
}

// TestOperatorsRestartEndsTheDoubt: as any other restart does.
func TestOperatorsRestartEndsTheDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = &witness{} })
		f.submit = func(string) string { return "" }
		b.send()
		if err := b.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		b.waitReady()
		f.change(func() { f.submit = func(string) string { return "\r\n+CMS ERROR: 38\r\n" } })
		began := time.Now()
		if _, _, err := b.send(); endOf(err) != refused || time.Since(began) > time.Second {
			t.Errorf("%v after %v; want refused at once", err, time.Since(began))
		}
	})
}

// TestLateErrorIsNotTheOperators: the late error of a text that was given up breaks into an operator's command.
func TestLateErrorIsNotTheOperators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.submit = func(string) string { return "" }
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = &witness{} })
		b.send()
		b.waitReady()
		f.set("AT+CSQ", "\r\n+CMS ERROR: 38\r\n\r\n+CSQ: 9,99\r\n\r\nOK\r\n")
		lines, err := b.Command(t.Context(), "AT+CSQ")
		if want := []string{"+CSQ: 9,99", "OK"}; err != nil || !reflect.DeepEqual(lines, want) {
			t.Errorf("%q, %v; want %q", lines, err, want)
		}
	})
}

// watchedPort tells when it is closed, which is after the line was closed to jobs.
type watchedPort struct {
	Port
	closing func()
}

func (p watchedPort) Close() error {
	p.closing()
	return p.Port.Close()
}

// TestClosedLineHasNoOpenState: what an operator is told of a line that has just ended is true.
func TestClosedLineHasNoOpenState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var b *bench
		var states []State
		b = ready(t, f, func(cfg *Config) {
			cfg.Open = func(context.Context, string, int) (Port, error) {
				return watchedPort{f.open(), func() { states = append(states, b.Status().State) }}, nil
			}
		})
		f.pull()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if len(states) != 1 || states[0] != StateFailed {
			t.Errorf("closed in state %v, want failed", states)
		}
	})
}

// TestReportDuringSetup: a report that comes while the modem is set up belongs to the SIM, also when the line ends before
// the SIM has said who it is; before the modem has said who it is, too.
func TestReportDuringSetup(t *testing.T) {
	for _, during := range []string{"AT+CPIN?", "AT+CGMI"} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprint(during, " first ", first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					n, at := 0, 2
					if first { // nothing is known of any SIM yet
						at = 1
					}
					f.hooks[during] = func() {
						if n++; n == at {
							f.say("\r\n+CDS: 25\r\n" + cds + "\r\n")
							time.Sleep(time.Millisecond)
							f.pull()
							time.AfterFunc(time.Minute, func() { f.change(func() { f.gone = nil }) })
						}
					}
					b := ready(t, f, nil)
					if !first {
						f.say("\r\nRDY\r\n")
					}
					time.Sleep(5 * time.Minute)
					synctest.Wait()
					if len(b.inbox.from) != 1 || b.inbox.from[0].Line() != card {
						t.Errorf("received from %+v, want one from the SIM %s", b.inbox.from, card)
					}
				})
			})
		}
	}
}

// TestParkedKeepsItsSIM: a report that could not be kept at once is that of the SIM that was there when it came; and Run's
// end offers it once more.
func TestParkedKeepsItsSIM(t *testing.T) {
	for _, stop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			b := ready(t, f, nil)
			b.inbox.refuse(fmt.Errorf("disk full"))
			f.say("\r\n+CDS: 25\r\n" + cds + "\r\n")
			time.Sleep(time.Second)
			synctest.Wait()
			if !stop {
				f.set("AT+CCID", "\r\n+CCID: \"8949020000099999999\"\r\n\r\nOK\r\n")
				f.say("\r\nRDY\r\n")
				time.Sleep(10 * time.Second)
			}
			b.inbox.refuse(nil)
			if stop {
				b.end()
				<-b.ended
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if len(b.inbox.from) != 1 || b.inbox.from[0].Line() != card {
				t.Errorf("received from %+v, want one from the SIM %s", b.inbox.from, card)
			}
		})
	}
}

// TestBusyPlaceIsReadAgain: a text that was reported, and could not be read because the SIM was busy, is read at the next
// look, of a modem too that lists nothing and does not say how full its memory is.
func TestBusyPlaceIsReadAgain(t *testing.T) {
	for _, usage := range []string{"\r\n+CPMS: \"SM\",1,50,\"SM\",1,50,\"SM\",1,50\r\n\r\nOK\r\n", "\r\nERROR\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.set("AT+CMGL=4", "") // it hangs
			b := ready(t, f, nil)
			f.set("AT+CMGR=3", "\r\n+CMS ERROR: 314\r\n", "AT+CPMS?", usage)
			f.say("\r\n+CMTI: \"SM\",3\r\n")
			time.Sleep(time.Second)
			f.set("AT+CMGR=3", "\r\n+CMGR: 0,,24\r\n"+"07919471060040F0040C91947106004034000062803081058040056877BA2707"+"\r\n\r\nOK\r\n")
			gone := func() { f.set("AT+CMGR=3", "\r\n+CMS ERROR: 321\r\n") }
			f.change(func() { f.hooks["AT+CMGD=3"] = gone })
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := len(b.inbox.pdus()); n != 1 {
				t.Errorf("received %d, want 1", n)
			}
		})
	}
}
