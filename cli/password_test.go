package cli

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// person sits at a terminal and types an answer at each prompt.
type person struct {
	t            *testing.T
	keys, screen *os.File // the two ends of the terminal: what the person has, what the program has
	prompts      chan string

	mu   sync.Mutex
	seen strings.Builder // what the terminal showed of the typing
}

func newPerson(t *testing.T) *person {
	t.Helper()
	keys, screen, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, keys: keys, screen: screen, prompts: make(chan string, 16)}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		b := make([]byte, 256)
		for {
			n, err := keys.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		keys.WriteString("\n") // frees a program that still reads
		screen.Close()
		<-shown // the terminal ends when nobody has its other end open
		keys.Close()
	})
	return p
}

// Write takes what the program prints beside the results: its prompts.
func (p *person) Write(b []byte) (int, error) {
	if text := strings.TrimSpace(string(b)); text != "" {
		p.prompts <- text
	}
	return len(b), nil
}

func (p *person) echo() bool {
	p.t.Helper()
	state, err := unix.IoctlGetTermios(int(p.screen.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// prompted waits until the program listens without echo.
func (p *person) prompted() {
	p.t.Helper()
	deadline := time.After(10 * time.Second)
	select {
	case <-p.prompts:
	case <-deadline:
		p.t.Fatal("there was no prompt")
	}
	for p.echo() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			p.t.Fatal("the echo stays on")
		}
	}
}

func TestPasswordAtATerminal(t *testing.T) {
	for _, tt := range []struct {
		name    string
		typed   []string
		want    string
		problem string
	}{
		{"typed twice", []string{"secret12", "secret12"}, "secret12", ""},
		{"just Enter", []string{""}, "", ""},
		{"typed differently", []string{"secret12", "secret13"}, "", "differ"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPerson(t)
			a := &app{Env{Stdin: p.screen, Stderr: p}}
			type answer struct {
				password string
				err      error
			}
			got := make(chan answer, 1)
			go func() {
				password, err := a.password(t.Context(), false)
				got <- answer{password, err}
			}()
			for _, line := range tt.typed {
				p.prompted()
				if _, err := p.keys.WriteString(line + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			in := <-got
			if in.password != tt.want {
				t.Errorf("password %q, want %q", in.password, tt.want)
			}
			if (in.err == nil) != (tt.problem == "") || in.err != nil && !strings.Contains(in.err.Error(), tt.problem) {
				t.Errorf("error %v, want %q", in.err, tt.problem)
			}
			if !p.echo() {
				t.Error("the terminal is left without echo")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if seen := p.seen.String(); strings.Contains(seen, "secret") {
				t.Errorf("the terminal showed %q", seen)
			}
		})
	}
}

func TestPasswordInterrupted(t *testing.T) {
	p := newPerson(t)
	a := &app{Env{Stdin: p.screen, Stderr: p}}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := a.password(ctx, false)
		got <- err
	}()
	p.prompted()
	cancel()
	if err := <-got; err == nil || !strings.Contains(err.Error(), "interrupted; nothing was changed") {
		t.Errorf("error %v, want that it was interrupted", err)
	}
	if !p.echo() {
		t.Error("the terminal is left without echo")
	}
}

func TestPasswordFromStdin(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		ok             bool
	}{
		{"a line", "secret12\n", "secret12", true},
		{"without its end", "secret12", "secret12", true},
		{"as Windows ends lines", "secret12\r\n", "secret12", true},
		{"the first of two", "secret12\nmore\n", "secret12", true},
		{"blanks belong to it", " a b \n", " a b ", true},
		{"nothing", "", "", false},
		{"an empty line", "\n", "", false},
	} {
		got, err := firstLine(strings.NewReader(tt.in))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}
