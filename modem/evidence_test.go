package modem

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// witness is an Evidence that keeps what it is told.
type witness struct {
	mu       sync.Mutex
	claimed  time.Time // zero: no text is open
	told     []string
	given    []time.Time
	fail     int    // so many times it cannot keep it
	notYet   int    // so many times it is too early
	settled  *uint8 // TP-MR that a status report told
	expected *uint8 // TP-MR that the text was to get
}

func (w *witness) Expected(_ string, given time.Time, ref uint8) bool {
	if w.expected == nil || *w.expected != ref {
		return false
	}
	return w.keep(fmt.Sprintf("sent %d, as expected", ref), given) == nil
}

func (w *witness) Settled(string, time.Time) (uint8, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled == nil {
		return 0, false
	}
	return *w.settled, true
}

func (w *witness) Open(string) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claimed, !w.claimed.IsZero()
}

func (w *witness) Late(_ context.Context, from Identity, given time.Time, ref uint8) error {
	return w.keep(fmt.Sprintf("%s sent %d", from.Line(), ref), given)
}

func (w *witness) Unsent(_ context.Context, from Identity, given time.Time) error {
	return w.keep(from.Line()+" unsent", given)
}

func (w *witness) keep(what string, given time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.notYet > 0 {
		w.notYet--
		return fmt.Errorf("its end is not written: %w", ErrNotYet)
	}
	if w.fail > 0 {
		w.fail--
		return errors.New("disk full")
	}
	w.told, w.given = append(w.told, what), append(w.given, given)
	return nil
}

func (w *witness) wants(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !reflect.DeepEqual(w.told, want) {
		t.Errorf("told %q, want %q", w.told, want)
	}
}

// card is the SIM of newFake.
const card = "8949020000012345678"

// TestListen: a text was given to the modem by a process that ended. What the modem says before anything is written is
// its answer, and the wait for it is no longer than it has to be.
func TestListen(t *testing.T) {
	tests := []struct {
		name  string
		ago   time.Duration // since the claim; 0: there is none
		say   []string
		quiet time.Duration // how long nothing is written
		want  []string
	}{
		{"nothing is open", 0, nil, 0, nil},
		{"too long ago", 4 * time.Minute, []string{"@1s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"}, 0, nil},
		{"silence", time.Second, nil, 20 * time.Second, nil},
		{"the rest of the time", 170 * time.Second, nil, 10 * time.Second, nil},
		{"a result", time.Second, []string{"@10s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"}, 10 * time.Second, []string{card + " sent 5"}},
		{"a result without its OK", time.Second, []string{"@10s", "\r\n+CMGS: 5\r\n"}, 12 * time.Second, []string{card + " sent 5"}},
		{"a refusal", time.Second, []string{"@10s", "\r\n+CMS ERROR: 38\r\n"}, 10 * time.Second, nil},
		{"a result that cannot be read", time.Second, []string{"@10s", "\r\n+CMGS: x\r\n\r\nOK\r\n"}, 10 * time.Second, nil},
		{"reports before it", time.Second, []string{"@3s", "\r\n+CREG: 1\r\n\r\n+CMTI: \"SM\",1\r\n", "@3s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"},
			6 * time.Second, []string{card + " sent 5"}},
		{"it restarts", time.Second, []string{"@10s", "\r\nRDY\r\n"}, 10 * time.Second, nil},
		{"later, once it has been set up", time.Second, []string{"@80s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"}, 20 * time.Second, []string{card + " sent 5"}},
		{"twice", time.Second, []string{"@3s", "\r\n+CMGS: 5\r\n\r\nOK\r\n", "@9s", "\r\n+CMGS: 6\r\n\r\nOK\r\n"}, 3 * time.Second, []string{card + " sent 5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{}
				if tt.ago > 0 {
					w.claimed = time.Now().Add(-tt.ago)
				}
				claimed := w.claimed
				f := newFake()
				script(t, f, tt.say)
				var first time.Duration = -1
				began := time.Now()
				f.wrote = func() {
					if first < 0 {
						first = time.Since(began)
					}
				}
				b := start(t, f, func(cfg *Config) { cfg.Evidence = w })
				b.waitReady()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if d := first.Truncate(time.Second); d != tt.quiet {
					t.Errorf("the first octet was written after %v, want %v", d, tt.quiet)
				}
				w.wants(t, tt.want...)
				if len(tt.want) > 0 && !w.given[0].Equal(claimed) {
					t.Errorf("given %v, want the claim's %v", w.given[0], claimed)
				}
				if b.fake.writes[0] != "\x1b" {
					t.Errorf("the first write is %q, want ESC", b.fake.writes[0])
				}
			})
		})
	}
}

// TestListenAfterLoss: the line was lost in mid-send; the modem had power of its own, and answers on the next one.
func TestListenAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := newFake(), &witness{}
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
		f.submit = func(string) string {
			w.mu.Lock()
			w.claimed = time.Now()
			w.mu.Unlock()
			f.pull()
			time.AfterFunc(500*time.Millisecond, func() { f.change(func() { f.gone = nil }) })
			f.later(20*time.Second, "\r\n+CMGS: 41\r\n\r\nOK\r\n")
			return ""
		}
		began := time.Now()
		if _, _, err := b.send(); endOf(err) != uncertain {
			t.Fatalf("got %v, want uncertain", err)
		}
		b.waitReady()
		if d := time.Since(began); d < 20*time.Second || d > 25*time.Second {
			t.Errorf("ready after %v, want 20 s to 25 s: once it was answered", d)
		}
		w.wants(t, card+" sent 41")
	})
}

// TestLate: an answer that comes after its text was given up, and before the next text, is evidence, wherever it breaks in.
func TestLate(t *testing.T) {
	for _, into := range []string{"", "AT+CSQ", "AT+CREG?", "AT+CPMS?", "AT+CMGS=19"} {
		t.Run("into "+into, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake(), &witness{fail: 1}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				given, broke := time.Time{}, false
				f.hooks[into] = func() {
					if !given.IsZero() && !broke {
						f.say("\r\n+CMGS: 77\r\n\r\nOK\r\n")
						broke = true
					}
				}
				f.submit = func(string) string { given = time.Now(); return "" }
				if _, _, err := b.send(); endOf(err) != uncertain {
					t.Fatalf("got %v, want uncertain", err)
				}
				if into == "" {
					f.later(time.Second, "\r\n+CMGS: 77\r\n\r\nOK\r\n")
				}
				if strings.HasPrefix(into, "AT+CMGS") {
					time.Sleep(2 * time.Second)
					synctest.Wait()
					if _, _, err := b.send(); endOf(err) == sent {
						t.Fatal("the second was sent without a prompt of its own")
					}
				}
				time.Sleep(3 * time.Minute) // what could not be kept is told again
				synctest.Wait()
				w.wants(t, card+" sent 77")
				if len(w.given) == 1 && !w.given[0].Equal(given) {
					t.Errorf("given %v, want %v", w.given[0], given)
				}
				f.say("\r\n+CMGS: 78\r\n\r\nOK\r\n")
				time.Sleep(time.Minute)
				synctest.Wait()
				w.wants(t, card+" sent 77") // once
			})
		})
	}
}

// TestNoLate: what came when the last text was sent, refused or never given belongs to nobody.
func TestNoLate(t *testing.T) {
	for _, say := range []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "\r\n+CMS ERROR: 38\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			f, w := newFake(), &witness{}
			b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
			f.say("\r\n+CMGS: 1\r\n")
			time.Sleep(time.Minute)
			synctest.Wait()
			f.submit = func(string) string { return say }
			b.send()
			f.say("\r\n+CMGS: 2\r\n")
			time.Sleep(time.Minute)
			synctest.Wait()
			w.wants(t)
		})
	}
}

// TestSecond: the text before ended in silence, and the modem may still answer it. sent before it is the text whose
// TP-MR is 11; the silent one takes 12, if it takes one.
func TestSecond(t *testing.T) {
	ok := func(ref int) string { return fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", ref) }
	tests := []struct {
		name   string
		before string // what a text before the silent one is answered; "": there is none
		say    []string
		want   string
		ref    uint8
		took   time.Duration
		told   []string
	}{
		{"r+2 is its own", ok(11), []string{ok(13)}, sent, 13, 0, nil},
		{"r+1 and no more: the silent one took none", ok(11), []string{ok(12)}, sent, 12, 30 * time.Second, nil},
		{"r+1, then r+2", ok(11), []string{ok(12), "@20s", ok(13)}, sent, 13, 20 * time.Second, []string{card + " sent 12"}},
		{"both at once", ok(11), []string{"\r\n+CMGS: 12\r\n\r\n+CMGS: 13\r\n\r\nOK\r\n"}, sent, 13, 0, []string{card + " sent 12"}},
		{"r+1, its OK late", ok(11), []string{"\r\n+CMGS: 12\r\n", "@4s", "\r\nOK\r\n"}, sent, 12, 32 * time.Second, nil},
		{"r+1 without OK, then r+2", ok(11), []string{"\r\n+CMGS: 12\r\n", "@4s", "\r\nOK\r\n", "@4s", ok(13)}, sent, 13, 8 * time.Second, []string{card + " sent 12"}},
		{"r+1, then a refusal", ok(11), []string{ok(12), "@20s", "\r\n+CMS ERROR: 38\r\n"}, refused, 0, 20 * time.Second, []string{card + " sent 12"}},
		{"r+1, then the modem gives up", ok(11), []string{ok(12), "@20s", "\r\nERROR\r\n"}, suspect, 0, 20 * time.Second, []string{card + " sent 12"}},
		{"a refusal and no more", ok(11), []string{"\r\n+CMS ERROR: 38\r\n"}, suspect, 0, 30 * time.Second, nil},
		{"a refusal, then a result", ok(11), []string{"\r\n+CMS ERROR: 38\r\n", "@20s", ok(13)}, sent, 13, 20 * time.Second, nil},
		{"r+1, then a restart", ok(11), []string{ok(12), "@5s", "\r\nRDY\r\n"}, uncertain, 0, 7 * time.Second, nil},
		{"r+1, then OK alone", ok(11), []string{ok(12), "@5s", "\r\nOK\r\n"}, uncertain, 0, 5 * time.Second, nil},
		{"255 and around", ok(254), []string{ok(0)}, sent, 0, 0, nil},
		{"r+1, and a word after a minute", ok(11), []string{ok(12), "@70s", "\r\n+CMS ERROR: 38\r\n"}, sent, 12, 30 * time.Second, nil},
		{"r+1 late, and its own after a minute", ok(11), []string{"@170s", ok(12), "@5s", ok(13)}, sent, 13, 175 * time.Second, []string{card + " sent 12"}},
		{"it counts in its own way", ok(0), []string{ok(0)}, sent, 0, 30 * time.Second, nil},
		{"r is not known: one", "", []string{ok(99)}, sent, 99, 30 * time.Second, nil},
		{"r is not known: two", "", []string{ok(99), "@29s", ok(100)}, sent, 100, 29 * time.Second, []string{card + " sent 99"}},
		{"r is not known after a refusal", "\r\n+CMS ERROR: 38\r\n", []string{ok(13)}, sent, 13, 30 * time.Second, nil},
		{"silence again, and one answer in the end", ok(11), []string{"@180100ms", ok(12)}, uncertain, 0, 180 * time.Second, nil},
		{"silence again, and both answers in the end", ok(11), []string{"@180100ms", ok(12), ok(13)}, sent, 13, 180 * time.Second, []string{card + " sent 12"}},
		{"silence again, and its own in the end", ok(11), []string{"@180100ms", ok(13)}, sent, 13, 180 * time.Second, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake(), &witness{}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				if tt.before != "" {
					f.submit = func(string) string { return tt.before }
					b.send()
				}
				var given time.Time
				f.change(func() { f.submit = func(string) string { given = time.Now(); return "" } })
				if _, _, err := b.send(); endOf(err) != uncertain {
					t.Fatalf("got %v, want uncertain", err)
				}
				f.change(func() { f.submit = func(string) string { script(t, f, tt.say); return "" } })
				began := time.Now()
				ref, _, err := b.send()
				took := time.Since(began).Truncate(time.Second)
				w.wants(t, tt.told...) // before the end of the next one is known
				if got := endOf(err); got != tt.want || ref != tt.ref || took != tt.took {
					t.Errorf("got %s, ref %d after %v (%v); want %s, ref %d after %v", got, ref, took, err, tt.want, tt.ref, tt.took)
				}
				b.waitReady()
				time.Sleep(time.Second)
				synctest.Wait()
				w.wants(t, tt.told...)
				if len(tt.told) > 0 && !w.given[0].Equal(given) {
					t.Errorf("given %v, want that of the silent one, %v", w.given[0], given)
				}
				// From here on it is as if there had been no doubt.
				f.change(func() { f.submit = func(string) string { return ok(50) } })
				if ref, _, err := b.send(); err != nil || ref != 50 {
					t.Errorf("the next text: ref %d, %v; want 50", ref, err)
				}
			})
		})
	}
}

// TestSecondAcknowledges: while a second answer is waited for, what comes directly is acknowledged: the network does not
// wait that long. The second answer may break into that, too.
func TestSecondAcknowledges(t *testing.T) {
	report := "\r\n+CDS: 25\r\n" + cds + "\r\n"
	tests := []struct {
		name string
		say  []string
		ack  string // what AT+CNMA=1 is answered
		want string
		ref  uint8
		told []string
	}{
		{"one answer", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report}, "\r\nOK\r\n", sent, 12, nil},
		{"the report first", []string{report + "\r\n+CMGS: 12\r\n\r\nOK\r\n"}, "\r\nOK\r\n", sent, 12, nil},
		{"the second behind it", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report, "@2s", "\r\n+CMGS: 13\r\n\r\nOK\r\n"}, "\r\nOK\r\n", sent, 13, []string{card + " sent 12"}},
		{"the second breaks in", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report}, "\r\n+CMGS: 13\r\n\r\nOK\r\n\r\nOK\r\n", sent, 13, []string{card + " sent 12"}},
		{"an error whose nobody knows", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report}, "\r\n+CMS ERROR: 38\r\n\r\nOK\r\n", uncertain, 0, nil},
		{"too late for the modem", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report}, "\r\n+CMS ERROR: 340\r\n", sent, 12, nil},
		{"the modem restarts", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n", "@2s", report}, "\r\nRDY\r\n", uncertain, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake().wantsAcks(), &witness{}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				f.submit = func(string) string { return "\r\n+CMGS: 11\r\n\r\nOK\r\n" }
				b.send()
				f.change(func() { f.submit = func(string) string { return "" } })
				b.send()
				f.change(func() { f.submit = func(string) string { script(t, f, tt.say); return "" } })
				f.set("AT+CNMA=1", tt.ack)
				acked := time.Duration(-1)
				began := time.Now()
				f.change(func() { f.hooks["AT+CNMA=1"] = func() { acked = time.Since(began) } })
				ref, _, err := b.send()
				synctest.Wait()
				if got := endOf(err); got != tt.want || ref != tt.ref {
					t.Errorf("got %s, ref %d (%v); want %s, ref %d", got, ref, err, tt.want, tt.ref)
				}
				if acked < 0 || acked > 3*time.Second || len(b.inbox.pdus()) != 1 {
					t.Errorf("acknowledged after %v, %d received; want at once, 1", acked, len(b.inbox.pdus()))
				}
				b.waitReady()
				w.wants(t, tt.told...)
			})
		})
	}
}

// TestRestartEndsTheDoubt: a modem that restarted does not answer what it had before, so its next answer does not wait.
func TestRestartEndsTheDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.submit = func(string) string { return "" }
		b.send()
		f.say("\r\nRDY\r\n")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b.waitReady()
		f.change(func() { f.submit = func(string) string { return "\r\n+CMGS: 12\r\n\r\nOK\r\n" } })
		began := time.Now()
		if ref, _, err := b.send(); ref != 12 || err != nil || time.Since(began) > time.Second {
			t.Errorf("ref %d, %v after %v; want 12 at once", ref, err, time.Since(began))
		}
	})
}

// TestOtherSIM: what was given to one SIM is no business of the next one's.
func TestOtherSIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := newFake(), &witness{}
		b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
		f.submit = func(string) string { return "" }
		b.send()
		f.set("AT+CCID", "\r\n+CCID: \"8949020000099999999\"\r\n\r\nOK\r\n")
		f.say("\r\nRDY\r\n")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b.waitReady()
		f.say("\r\n+CMGS: 12\r\n\r\nOK\r\n")
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wants(t)
	})
}

// TestCounter: the SIM's own counter, once it has proved itself, tells that a text was never sent. A modem that counts only
// what was sent, or only when the network has answered, proves nothing.
func TestCounter(t *testing.T) {
	unsent := []string{card + " unsent"}
	tests := []struct {
		name    string
		texts   int    // sent and compared before
		wrong   bool   // the counter is wrong once
		refused string // what one text is refused with; "": none is
		early   bool   // a text that is not answered is seen to be counted
		silent  string // what the doubtful text is answered
		tried   bool   // the SIM counts it
		want    []string
	}{
		{"proved, unchanged", 5, false, "counted", true, "", false, unsent},
		{"proved, one higher", 5, false, "counted", true, "", true, nil},
		{"proved, unchanged after an error", 5, false, "counted", true, "\r\nERROR\r\n", false, unsent},
		{"proved, unchanged after a restart", 5, false, "counted", true, "\r\nRDY\r\n", false, unsent},
		{"not proved yet", 3, false, "counted", true, "", false, nil},
		{"wrong once", 12, true, "counted", true, "", false, nil},
		{"it counts what was sent only", 5, false, "not counted", true, "", false, nil},
		{"no text was refused", 5, false, "", true, "", false, nil},
		{"it counts when the network answers", 12, false, "counted", false, "", false, nil},
		{"the same, and an error", 12, false, "counted", false, "\r\n+CMS ERROR: 512\r\n", false, nil},
		{"the same, and a restart", 12, false, "counted", false, "\r\nRDY\r\n", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := newFake(), &witness{}
				b := ready(t, f, func(cfg *Config) { cfg.Evidence = w })
				mr := 250
				count := func(n int) { f.set(readCounter, fmt.Sprintf("\r\n+CRSM: 144,0,\"%02XFF\"\r\n\r\nOK\r\n", n%256)) }
				give := func(submit func() string) error {
					f.change(func() { f.submit = func(string) string { return submit() } })
					_, _, err := b.send()
					time.Sleep(145 * time.Second) // no look falls on a text
					synctest.Wait()
					b.waitReady()
					return err
				}
				accept := func() string {
					mr = (mr + 1) % 256
					count(mr)
					return fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", mr)
				}
				for i := range tt.texts {
					if err := give(func() string {
						answer := accept()
						if tt.wrong && i == 6 {
							count(mr + 1)
						}
						return answer
					}); err != nil {
						t.Fatal(err)
					}
				}
				if tt.refused != "" {
					give(func() string {
						if tt.refused == "counted" {
							mr = (mr + 1) % 256
							count(mr)
						}
						return "\r\n+CMS ERROR: 38\r\n"
					})
					give(accept)
				}
				if tt.early {
					give(func() string { mr = (mr + 1) % 256; count(mr); return "" })
					if err := give(accept); err != nil { // r+2
						t.Fatal(err)
					}
				}
				w.wants(t)
				if err := give(func() string {
					if tt.tried {
						count(mr + 1)
					}
					return tt.silent
				}); endOf(err) != uncertain && endOf(err) != suspect {
					t.Fatalf("got %v, want a doubt", err)
				}
				w.wants(t, tt.want...)
			})
		})
	}
}

// TestCounterRefused: who answers with an error is asked once, and who has nobody to tell is not asked at all.
func TestCounterRefused(t *testing.T) {
	for _, answer := range []string{"\r\nERROR\r\n", "\r\n+CME ERROR: 4\r\n", "\r\n+CRSM: 106,130\r\n\r\nOK\r\n", ""} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.set(readCounter, answer)
			b := ready(t, f, func(cfg *Config) { cfg.Evidence = &witness{} })
			for range 5 {
				b.send()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
			}
			if n := f.times(readCounter); n != 1 {
				t.Errorf("asked %d times although the answer was %q, want once", n, answer)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		b.send()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := b.fake.times(readCounter); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
	})
}

func FuzzSMSS(f *testing.F) {
	for _, s := range []string{`144,0,"0CFF"`, "144,0,0cff", "106,130", `144,0,"0C"`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		ref, ok := smssOf(rest)
		again, okAgain := smssOf(fmt.Sprintf(`144,0,"%02XFF"`, ref))
		if !okAgain || again != ref || !ok && ref != 0 {
			t.Errorf("%q: %d, %v; again %d, %v", rest, ref, ok, again, okAgain)
		}
	})
}
