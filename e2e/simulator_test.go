package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// simulator is a `modem simulate`: a modem for anybody who opens its port, and all the phones behind it.
type simulator struct {
	p    *process
	port string // the symbolic link, which stays the same when the modem is unplugged
}

// startSimulator makes a modem that answers fast; args may say otherwise.
func startSimulator(t *testing.T, args ...string) *simulator {
	t.Helper()
	return startSimulatorAt(t, linkName(t), args...)
}

// linkName is a name for the link to a modem's port.
func linkName(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "modem-")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "tty")
}

func startSimulatorAt(t *testing.T, link string, args ...string) *simulator {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"modem", "simulate", "--link", link, "--latency", "100ms", "--report-delay", "100ms"}, args...)
	s := &simulator{p: start(t, nil, path, args...), port: link}
	first := s.p.stdout.await(t, 0, s.p.ended, "/dev/")
	if target, err := os.Readlink(link); err != nil || target != first {
		t.Fatalf("the link leads to %q (%v), and the first line of output is %q", target, err, first)
	}
	return s
}

// stop ends it with SIGTERM, as Ctrl-C does, and wants exit code 0 and the link gone.
func (s *simulator) stop(t *testing.T) {
	t.Helper()
	s.p.cmd.Process.Signal(syscall.SIGTERM)
	s.p.wantEnd(t, 0)
	if _, err := os.Lstat(s.port); !os.IsNotExist(err) {
		t.Errorf("the link %s is still there (%v)", s.port, err)
	}
}

// text has a phone text the SIM.
func (s *simulator) text(t *testing.T, from, message string) {
	t.Helper()
	if _, err := fmt.Fprintf(s.p.stdin, "text %s %s\n", from, message); err != nil {
		t.Fatal(err)
	}
}

// phoneText is what a phone got.
type phoneText struct{ to, text string }

// texts are all whole texts that phones have got.
func (s *simulator) texts(t *testing.T) []phoneText {
	t.Helper()
	list, _ := s.p.stdout.from(0)
	var texts []phoneText
	for _, line := range list {
		_, rest, _ := strings.Cut(line, " ")
		to, quoted, ok := strings.Cut(rest, " ")
		if !ok || to == "fault:" || to == "back" {
			continue // the port, a fault that strikes, the port after an unplugging
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("the simulator printed %q: %v", line, err)
		}
		texts = append(texts, phoneText{to, text})
	}
	return texts
}

// wantText waits until a phone has got a text.
func (s *simulator) wantText(t *testing.T, to, text string) {
	t.Helper()
	s.p.stdout.await(t, 0, s.p.ended, " "+to+" "+strconv.Quote(text))
}

// wantCount says how often a phone must have got a text so far. The simulator's line may come after what the gateway tells
// of the text, so it is waited for.
func (s *simulator) wantCount(t *testing.T, to, text string, want int) {
	t.Helper()
	n := 0
	eventually(t, fmt.Sprintf("the phone %s to get %q %d times", to, text, want), func() (bool, string) {
		n = 0
		for _, got := range s.texts(t) {
			if got == (phoneText{to, text}) {
				n++
			}
		}
		return n >= want, fmt.Sprintf("%d times", n)
	})
	if n != want {
		t.Errorf("the phone %s got %q %d times, want %d", to, text, n, want)
	}
}
