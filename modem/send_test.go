package modem

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSendWire holds the order of delivery-semantics §3: AT+CMGS, prompt, claim, body, Ctrl-Z, each a write of its own.
func TestSendWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		var atClaim []string
		claims := 0
		ref, err := b.Send(t.Context(), octets(t, hello), func() error {
			claims++
			b.fake.mu.Lock()
			defer b.fake.mu.Unlock()
			atClaim = slices.Clone(b.fake.writes)
			return nil
		})
		if err != nil || ref != 12 || claims != 1 {
			t.Errorf("Send: ref %d, %d claims, error %v; want 12, 1, nil", ref, claims, err)
		}
		if want := []string{"AT+CMGS=19\r"}; !reflect.DeepEqual(atClaim, want) {
			t.Errorf("written when the claim was made: %q, want %q", atClaim, want)
		}
		if want := []string{"AT+CMGS=19\r", "00" + hello, "\x1a"}; !reflect.DeepEqual(b.fake.writes, want) {
			t.Errorf("writes %q, want %q", b.fake.writes, want)
		}
		if st := b.Status(); st.Sent != 1 || st.State != StateReady {
			t.Errorf("status: %d sent, state %s; want 1, ready", st.Sent, st.State)
		}
	})
}

// TestNothingIsWrittenWhileATextIsOpen: some modems give the command up on any octet (gsm-modem §1.8).
func TestNothingIsWrittenWhileATextIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		b.fake.submit = func(string) string {
			b.fake.later(100*time.Second, "\r\n+CMTI: \"SM\",1\r\n")
			b.fake.later(150*time.Second, "\r\n+CMGS: 1\r\n\r\nOK\r\n")
			return "\r\n+CREG: 0\r\n"
		}
		var duringResult int
		time.AfterFunc(149*time.Second, func() {
			b.fake.mu.Lock()
			defer b.fake.mu.Unlock()
			duringResult = len(b.fake.writes)
		})
		if _, _, err := b.send(); err != nil {
			t.Fatal(err)
		}
		if duringResult != 3 {
			t.Errorf("%d writes up to the result, want the 3 of the text", duringResult)
		}
		synctest.Wait()
		if n := b.fake.times("AT+CMGR=1"); n != 1 {
			t.Errorf("the text reported meanwhile was read %d times, want once, afterwards", n)
		}
	})
}

// TestLateAnswerIsNotTheNextCommands: the text before was given up; its result breaks into whatever goes on.
func TestLateAnswerIsNotTheNextCommands(t *testing.T) {
	tests := []struct{ name, late, into string }{
		{"result into AT+CSQ", "\r\n+CMGS: 77\r\n\r\nOK\r\n", "AT+CSQ"},
		{"refusal into AT+CSQ", "\r\n+CMS ERROR: 38\r\n", "AT+CSQ"},
		{"result into AT+CREG?", "\r\n+CMGS: 77\r\n\r\nOK\r\n", "AT+CREG?"},
		{"result into the next AT+CMGS", "\r\n+CMGS: 77\r\n\r\nOK\r\n", "AT+CMGS=19"},
		{"refusal into the next AT+CMGS", "\r\n+CMS ERROR: 38\r\n", "AT+CMGS=19"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := ready(t, newFake(), nil)
				given, broke := false, false // the first text is the modem's; its answer broke into tt.into
				b.fake.hooks[tt.into] = func() {
					if given && !broke {
						b.fake.say(tt.late)
						broke = true
					}
				}
				b.fake.submit = func(string) string {
					if given {
						return "\r\n+CMGS: 78\r\n\r\nOK\r\n"
					}
					given = true
					return ""
				}
				if _, _, err := b.send(); err == nil {
					t.Fatal("the silent one was sent")
				}
				time.Sleep(10 * time.Second) // a look is due at once
				if st := b.Status(); st.Signal != -95 || st.Operator != "Telekom.de" {
					t.Errorf("signal %d dBm at %q, want -95 at Telekom.de", st.Signal, st.Operator)
				}
				ref, claims, err := b.send()
				if strings.HasPrefix(tt.into, "AT+CMGS") {
					// Not sent is right: the prompt could not be told from what came before it.
					if e := mustBe[*NotSentError](t, err); e.Claimed || claims != 0 {
						t.Errorf("claimed %v, %d claims; want neither", e.Claimed, claims)
					}
					b.waitReady()
					ref, err = b.next()
				} else if err != nil {
					b.waitReady()
					ref, err = b.next()
				}
				if err != nil || ref != 78 {
					t.Errorf("the next text: ref %d, error %v; want 78, nil", ref, err)
				}
				for _, body := range b.fake.bodies {
					if body != "00"+hello {
						t.Errorf("the modem was given %q", body)
					}
				}
			})
		})
	}
}

// TestNotSent: every end before Ctrl-Z is known.
func TestNotSent(t *testing.T) {
	errGone := errors.New("the client cancelled it")
	tests := []struct {
		name    string
		prepare func(*bench)
		claim   error
		claims  int
		claimed bool
		want    error
	}{
		{"no prompt", func(b *bench) { b.fake.set("AT+CMGS=19", "") }, nil, 0, false, ErrNoAnswer},
		{"error instead of the prompt", func(b *bench) { b.fake.set("AT+CMGS=19", "\r\n+CMS ERROR: 331\r\n") }, nil, 0, false, CMSError(331)},
		{"OK instead of the prompt", func(b *bench) { b.fake.set("AT+CMGS=19", "\r\nOK\r\n") }, nil, 0, false, nil},
		{"claim refused", func(*bench) {}, errGone, 1, false, errGone},
		{"claim refused, ESC answered with an error", func(b *bench) { b.fake.escape = "\r\n+CMS ERROR: 512\r\n" }, errGone, 1, false, errGone},
		{"claim refused, ESC not answered", func(b *bench) { b.fake.escape = "" }, errGone, 1, false, errGone},
		{"an error while the claim was made", func(b *bench) {
			b.fake.prompt = "\r\n> \r\n+CMS ERROR: 500\r\n"
		}, nil, 1, true, CMSError(500)},
		{"a restart while the claim was made", func(b *bench) {
			b.fake.prompt = "\r\n> \r\nRDY\r\n"
		}, nil, 1, true, ErrRestarted},
		{"a restart instead of the prompt", func(b *bench) { b.fake.set("AT+CMGS=19", "\r\nRDY\r\n") }, nil, 0, false, ErrRestarted},
		{"the echo is back: a silent restart, perhaps text mode", func(b *bench) { b.fake.echo = true }, nil, 0, false, ErrRestarted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				b := ready(t, f, nil)
				tt.prepare(b)
				claims := 0
				_, err := b.Send(t.Context(), octets(t, hello), func() error { claims++; return tt.claim })
				e := mustBe[*NotSentError](t, err)
				if claims != tt.claims || e.Claimed != tt.claimed {
					t.Errorf("%d claims, claimed %v; want %d, %v", claims, e.Claimed, tt.claims, tt.claimed)
				}
				if tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v in it", err, tt.want)
				}
				// The modem is taken back from its prompt before anything else is said to it, and works on.
				good := newFake()
				f.change(func() {
					delete(f.answers, "AT+CMGS=19")
					f.prompt, f.escape = good.prompt, good.escape
				})
				b.waitReady()
				if ref, _, err := b.send(); err != nil || ref != 12 {
					t.Errorf("the next text: ref %d, error %v; want 12, nil", ref, err)
				}
				if want := []string{"00" + hello}; !reflect.DeepEqual(f.bodies, want) {
					t.Errorf("texts on the air: %q, want %q", f.bodies, want)
				}
			})
		})
	}
}

// TestPromptForms: no two makers send the same (gsm-modem §1.1).
func TestPromptForms(t *testing.T) {
	for _, form := range []string{"\r\n> ", "\r\n>", "> \r\n", "\r> ", "\r\n+CREG: 1\r\n\r\n> ", "\n>\n"} {
		t.Run(fmt.Sprintf("%q", form), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.prompt = form
				b := ready(t, f, nil)
				began := time.Now()
				if ref, claims, err := b.send(); err != nil || ref != 12 || claims != 1 {
					t.Errorf("ref %d, %d claims, error %v; want 12, 1, nil", ref, claims, err)
				}
				if d := time.Since(began); d > 0 {
					t.Errorf("it waited %v for a line end behind the prompt", d)
				}
			})
		})
	}
}

// TestUnplugged pulls the plug in every phase of a text.
func TestUnplugged(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(f *fake, claim *func() error)
		end     error // a *NotSentError, or a *UncertainError
		claimed bool
	}{
		{"at AT+CMGS", func(f *fake, _ *func() error) { f.hooks["AT+CMGS=19"] = f.pull; f.prompt = "" }, &NotSentError{}, false},
		{"at the claim", func(f *fake, claim *func() error) { *claim = func() error { f.pull(); return nil } }, &NotSentError{}, true},
		{"after Ctrl-Z", func(f *fake, _ *func() error) {
			f.submit = func(string) string { f.pull(); return "" }
		}, &UncertainError{}, false},
		{"a minute after Ctrl-Z", func(f *fake, _ *func() error) {
			f.submit = func(string) string { time.AfterFunc(time.Minute, f.pull); return "" }
		}, &UncertainError{}, false},
		{"between result and OK", func(f *fake, _ *func() error) {
			f.submit = func(string) string { time.AfterFunc(time.Second, f.pull); return "\r\n+CMGS: 12\r\n" }
		}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newFake(), newFake()
				opens := 0
				b := ready(t, first, func(cfg *Config) {
					cfg.Open = func(context.Context, string, int) (Port, error) {
						opens++
						switch {
						case opens == 1:
							return first, nil
						case opens < 5:
							return nil, fmt.Errorf("open: %w", ErrPortMissing)
						}
						return second, nil
					}
				})
				claim := func() error { return nil }
				tt.prepare(first, &claim)
				_, err := b.Send(t.Context(), octets(t, hello), claim)
				switch tt.end.(type) {
				case *NotSentError:
					if e := mustBe[*NotSentError](t, err); e.Claimed != tt.claimed {
						t.Errorf("claimed %v, want %v", e.Claimed, tt.claimed)
					}
				case *UncertainError:
					if e := mustBe[*UncertainError](t, err); e.Suspect || !errors.Is(err, ErrPortGone) {
						t.Errorf("%v, suspect %v; want the line gone, not suspect", err, e.Suspect)
					}
				default:
					if err != nil {
						t.Errorf("error %v, want nil", err)
					}
				}
				time.Sleep(5 * time.Second)
				if st := b.Status(); st.State != StateMissing {
					t.Errorf("state %s, want missing", st.State)
				}
				if _, _, err := b.send(); !errors.Is(err, ErrNotReady) {
					t.Errorf("Send without a modem: %v, want ErrNotReady", err)
				}
				b.waitReady()
				if ref, _, err := b.send(); err != nil || ref != 12 {
					t.Errorf("after it came back: ref %d, error %v; want 12, nil", ref, err)
				}
			})
		})
	}
}

// TestWriteOfCtrlZFails: from the start of that write on nobody knows.
func TestWriteOfCtrlZFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   int // write of the text that fails: 1 body, 2 Ctrl-Z
	}{{"body", 1}, {"Ctrl-Z", 2}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				b := ready(t, f, func(cfg *Config) {
					cfg.Open = func(context.Context, string, int) (Port, error) {
						return &breaking{fake: f, at: tt.at}, nil
					}
				})
				_, claims, err := b.send()
				if claims != 1 {
					t.Errorf("%d claims, want 1", claims)
				}
				if tt.at == 1 {
					if e := mustBe[*NotSentError](t, err); !e.Claimed {
						t.Error("not claimed, want claimed")
					}
					return
				}
				mustBe[*UncertainError](t, err)
			})
		})
	}
}

// breaking is a port whose n-th write behind AT+CMGS fails.
type breaking struct {
	*fake
	at, n int
}

func (p *breaking) Write(b []byte) (int, error) {
	if p.n > 0 {
		p.n++
	}
	if strings.HasPrefix(string(b), "AT+CMGS=") {
		p.n = 1
	}
	if p.n == p.at+1 {
		return 0, errors.New("input/output error")
	}
	return p.fake.Write(b)
}

func TestSendEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.Send(ctx, octets(t, hello), func() error { t.Error("claimed"); return nil })
		if mustBe[*NotSentError](t, err); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want canceled", err)
		}
	})
}

func TestSendEndedAtPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.prompt = ""
		b := ready(t, f, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Send(ctx, octets(t, hello), func() error { t.Error("claimed"); return nil })
		if mustBe[*NotSentError](t, err); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want deadline exceeded", err)
		}
		f.change(func() { f.prompt = "\r\n> " })
		if _, _, err := b.send(); err != nil {
			t.Errorf("the next text: %v", err)
		}
		if want := []string{"00" + hello}; !reflect.DeepEqual(f.bodies, want) {
			t.Errorf("texts on the air: %q, want %q", f.bodies, want)
		}
	})
}

func TestSendEndedAfterCtrlZ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		ctx, cancel := context.WithCancel(t.Context())
		f.submit = func(string) string {
			cancel()
			f.later(time.Minute, "\r\n+CMGS: 12\r\n\r\nOK\r\n")
			return ""
		}
		if ref, err := b.Send(ctx, octets(t, hello), func() error { return nil }); err != nil || ref != 12 {
			t.Errorf("ref %d, error %v; want 12, nil", ref, err)
		}
	})
}

func TestRunEndsAtPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.prompt = ""
		b := ready(t, f, nil)
		time.AfterFunc(time.Second, b.end)
		began := time.Now()
		_, claims, err := b.send()
		if mustBe[*NotSentError](t, err); claims != 0 || time.Since(began) > time.Second {
			t.Errorf("%d claims, after %v; want none, at once", claims, time.Since(began))
		}
	})
}

func TestRunEndsAfterCtrlZ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.submit = func(string) string {
			b.end()
			f.later(50*time.Second, "\r\n+CMGS: 12\r\n\r\nOK\r\n")
			return ""
		}
		if ref, _, err := b.send(); err != nil || ref != 12 {
			t.Errorf("ref %d, error %v; want 12, nil", ref, err)
		}
	})
}

func TestRunEndsInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.submit = func(string) string { b.end(); return "" }
		began := time.Now()
		_, _, err := b.send()
		mustBe[*UncertainError](t, err)
		if d := time.Since(began); d < time.Minute || d > 70*time.Second {
			t.Errorf("it waited %v, want Timing.Stop, a minute", d)
		}
	})
}

func TestSendInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		n := 0
		f.submit = func(string) string {
			n++
			f.later(2*time.Second, fmt.Sprintf("\r\n+CMGS: %d\r\n\r\nOK\r\n", n))
			return ""
		}
		refs := make(chan uint8, 3)
		for i := range 3 {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				ref, _, err := b.send()
				if err != nil {
					t.Error(err)
				}
				refs <- ref
			}()
		}
		for want := uint8(1); want <= 3; want++ {
			if got := <-refs; got != want {
				t.Errorf("ref %d, want %d: first come, first served", got, want)
			}
		}
	})
}

// TestWithoutPrompt: three texts in a row that the modem did not ask for set it up again, and when that does not help,
// it is restarted.
func TestWithoutPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("AT+CMGS=19", "\r\n+CMS ERROR: 302\r\n")
		b := ready(t, f, nil)
		for i := range 12 {
			b.waitReady()
			_, claims, err := b.send()
			if mustBe[*NotSentError](t, err); claims != 0 {
				t.Fatalf("text %d was claimed", i)
			}
		}
		b.waitReady()
		if n := f.times("ATZ"); n < 3 {
			t.Errorf("set up again %d times, want 3 or more", n)
		}
		if n := f.times("AT+CFUN=1,1"); n != 1 {
			t.Errorf("restarted %d times, want once", n)
		}
	})
}

// TestPromptNowAndThen: failures with a prompt in between are no reason to do anything.
func TestPromptNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		for range 4 {
			f.change(func() { f.prompt = "\r\n+CMS ERROR: 302\r\n" })
			for range maxPromptFailures - 1 {
				_, _, err := b.send()
				mustBe[*NotSentError](t, err)
			}
			f.change(func() { f.prompt = "\r\n> " })
			if _, _, err := b.send(); err != nil {
				t.Error(err)
			}
		}
		if n := f.times("ATZ"); n != 0 {
			t.Errorf("set up again %d times, want never", n)
		}
	})
}

func TestSendRefusesImpossibleTPDU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ready(t, newFake(), nil)
		for _, n := range []int{0, maxTPDU + 1} {
			_, err := b.Send(t.Context(), make([]byte, n), func() error { t.Error("claimed"); return nil })
			mustBe[*NotSentError](t, err)
		}
		if len(b.fake.writes) != 0 {
			t.Errorf("written: %q, want nothing", b.fake.writes)
		}
	})
}
