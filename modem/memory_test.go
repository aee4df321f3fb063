package modem

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a memory of a fake: what lies in it, and how many places it has.
type shelf struct {
	f     *fake
	total int
	texts map[int]string // index to stat
	stuck bool           // nothing can be deleted
	wait  int            // texts that the network holds until there is room
}

// newShelf makes the fake's memory SM one with these texts, by their stat.
func newShelf(f *fake, total int, stats ...string) *shelf {
	s := &shelf{f: f, total: total, texts: make(map[int]string)}
	for i, stat := range stats {
		s.texts[i] = stat
	}
	for i := range total {
		del := fmt.Sprintf("AT+CMGD=%d", i)
		f.hooks[del] = func() {
			if s.stuck {
				f.set(del, "\r\n+CMS ERROR: 302\r\n")
				return
			}
			delete(s.texts, i)
			if s.wait > 0 {
				s.wait--
				s.texts[i] = "0"
			}
			s.show()
		}
	}
	f.answers["AT+CPMS=?"] = "\r\n+CPMS: (\"SM\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n"
	s.show()
	return s
}

// show sets the answers.
func (s *shelf) show() {
	var list strings.Builder
	for i := range s.total {
		if stat, ok := s.texts[i]; ok {
			fmt.Fprintf(&list, "\r\n+CMGL: %d,%s,,30\r\n%s\r\n", i, stat, cmt)
		}
	}
	n := len(s.texts)
	s.f.set("AT+CMGL=4", list.String()+"\r\nOK\r\n",
		"AT+CPMS?", fmt.Sprintf("\r\n+CPMS: \"SM\",%d,%d,\"SM\",%d,%d,\"SM\",%d,%d\r\n\r\nOK\r\n", n, s.total, n, s.total, n, s.total))
}

// TestMemoryFull: what arrived is fetched and deleted at once; what others wrote only when nothing else is left to
// delete; and what cannot be deleted is told to people.
func TestMemoryFull(t *testing.T) {
	tests := []struct {
		name     string
		stats    []string
		stuck    bool
		refuse   bool // the Receiver takes nothing
		received int
		left     int
		said     string
	}{
		{"received ones", []string{"0", "1", "1"}, false, false, 3, 0, ""},
		{"received ones and leftovers", []string{"0", "2", "3"}, false, false, 1, 2, ""},
		{"leftovers alone", []string{"2", "3", "3"}, false, false, 0, 0, ""},
		{"leftovers that cannot be deleted", []string{"2", "3", "3"}, true, false, 0, 3, "full (3 of 3)"},
		{"received ones that cannot be deleted", []string{"1", "1", "3"}, true, false, 2, 3, "full (3 of 3)"},
		{"received ones that nobody takes", []string{"1", "1", "3"}, false, true, 0, 3, "full (3 of 3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				s := newShelf(f, 3)
				b := ready(t, f, nil)
				if tt.refuse {
					b.inbox.refuse(fmt.Errorf("disk full"))
				}
				f.set("AT+CMGS=19", "\r\n+CMS ERROR: 322\r\n")
				for i, stat := range tt.stats {
					s.texts[i] = stat
				}
				s.stuck = tt.stuck
				s.show()
				b.send()
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(b.inbox.pdus()); n != tt.received || len(s.texts) != tt.left {
					t.Errorf("received %d, left %d; want %d, %d", n, len(s.texts), tt.received, tt.left)
				}
				st := b.Status()
				if (tt.said == "") != (st.Memory == "") || !strings.Contains(st.Memory, tt.said) {
					t.Errorf("memory %q, want %q", st.Memory, tt.said)
				}
				clear(s.texts) // somebody took it out
				s.show()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if st := b.Status(); st.Memory != "" {
					t.Errorf("memory %q although it is empty", st.Memory)
				}
			})
		})
	}
}

// TestMemoryFullUnsaid: at the start and at each look a full memory is found full, without a word of it.
func TestMemoryFullUnsaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newShelf(f, 2, "3", "2")
		b := ready(t, f, nil)
		if len(s.texts) != 0 {
			t.Errorf("%d leftovers in a full memory after the start, want 0", len(s.texts))
		}
		s.texts[0] = "3" // not full
		s.show()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if len(s.texts) != 1 {
			t.Error("a leftover was deleted from a memory that is not full")
		}
		s.texts[1] = "2"
		s.show()
		f.set("AT+CMGL=4", "") // the listing hangs: nothing is known of what lies there, nothing is deleted
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if st := b.Status(); len(s.texts) != 2 || st.State != StateReady || st.Memory == "" {
			t.Errorf("%d texts left, state %s, memory %q; want 2, ready, and a sentence", len(s.texts), st.State, st.Memory)
		}
	})
}

// TestMemoryFullAgainAndAgain: a modem that repeats that it is full is not emptied all the time.
func TestMemoryFullAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		b := ready(t, f, nil)
		f.set("AT+CMGS=19", "\r\n+CMS ERROR: 322\r\n")
		f.submit = func(string) string { return "\r\n+CMS ERROR: 322\r\n" }
		for range 100 {
			b.send()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := f.times("AT+CMGL=4"); n < 10 || n > 40 { // two memories
			t.Errorf("%d listings in 100 s, want 20 or so", n)
		}
	})
}

// TestMemoryFullSaid: a modem that says that a memory is full (Huawei) is not left so until the next look.
func TestMemoryFullSaid(t *testing.T) {
	for _, said := range []string{`^SMMEMFULL:"SM"`, "^SMMEMFULL"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			s := newShelf(f, 2)
			b := ready(t, f, nil)
			s.texts[0], s.texts[1] = "0", "1"
			s.show()
			f.say("\r\n" + said + "\r\n")
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(b.inbox.pdus()); n != 2 || len(s.texts) != 0 {
				t.Errorf("%s: received %d, left %d; want 2 and none", said, n, len(s.texts))
			}
		})
	}
}

// TestMemoryFillsAgain: the network has more than the memory holds, as for a box that was off for long. That is nothing for
// people to mend, and all of it is fetched.
func TestMemoryFillsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newShelf(f, 2)
		b := ready(t, f, nil)
		s.texts[0], s.texts[1], s.wait = "0", "1", 7
		s.show()
		f.say("\r\n^SMMEMFULL\r\n")
		for range 300 {
			time.Sleep(time.Second)
			synctest.Wait()
			if st := b.Status(); st.Memory != "" {
				t.Fatalf("with %d texts waiting the memory is %q", s.wait, st.Memory)
			}
		}
		if n := len(b.inbox.pdus()); n != 9 || len(s.texts) != 0 {
			t.Errorf("received %d, left %d; want 9 and none", n, len(s.texts))
		}
	})
}
