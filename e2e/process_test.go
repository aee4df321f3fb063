package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a child that goes on running. It ends with the test at the latest.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *lines
	stderr *lines
	ended  chan struct{} // closed when it has ended
	err    error         // how; read it after ended
}

// start runs a program. stderr may be nil for lines of its own.
func start(t *testing.T, stderr *lines, path string, args ...string) *process {
	t.Helper()
	return startIn(t, nil, stderr, path, args...)
}

// startIn is start with more in the environment.
func startIn(t *testing.T, env []string, stderr *lines, path string, args ...string) *process {
	t.Helper()
	if stderr == nil {
		stderr = &lines{}
	}
	p := &process{cmd: exec.Command(path, args...), stdout: &lines{}, stderr: stderr}
	p.cmd.Stdout, p.cmd.Env = p.stdout, append(os.Environ(), env...)
	return p.start(t)
}

// startWith runs a program with settings in its environment, whose stdout goes elsewhere.
func startWith(t *testing.T, stdout io.Writer, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), stdout: &lines{}, stderr: &lines{}}
	p.cmd.Stdout, p.cmd.Env = stdout, append(os.Environ(), env...)
	return p.start(t)
}

func (p *process) start(t *testing.T) *process {
	t.Helper()
	p.ended, p.cmd.Stderr = make(chan struct{}), p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, // a test that times out ends without cleaning up
		Setpgid:   true,            // daemons signal their whole group at their end
	}
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
}

// hasOpen tells whether the process has a file open.
func (p *process) hasOpen(file *os.File) bool {
	want, err := file.Stat()
	if err != nil {
		return false
	}
	dir := fmt.Sprintf("/proc/%d/fd/", p.cmd.Process.Pid)
	entries, _ := os.ReadDir(dir) // an error: it has ended, which others tell
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		got, err := os.Stat(dir + e.Name())
		return err == nil && os.SameFile(got, want)
	})
}

// wantEnd waits for the end of the process, and for this exit code.
func (p *process) wantEnd(t *testing.T, code int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s did not end within %s; it said:\n%s%s", p.cmd.Args, patience, p.stdout, p.stderr)
	}
	if got := exitCode(p.err); got != code {
		t.Fatalf("%s ended with %d (%v), want %d; it said:\n%s%s", p.cmd.Args, got, p.err, code, p.stdout, p.stderr)
	}
}

// exitCode is -1 for a signal and what else is no exit.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// lines keeps what somebody writes, line by line, for others to wait for.
type lines struct {
	mu      sync.Mutex
	all     []string
	rest    []byte        // of a line that has not ended
	changed chan struct{} // closed at the next line; nil while nobody waits
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			break
		}
		l.all = append(l.all, string(line))
		l.rest = rest
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return len(b), nil
}

// from gives the lines from the n-th on, and a channel that is closed when there are more.
func (l *lines) from(n int) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return append([]string(nil), l.all[min(n, len(l.all)):]...), l.changed
}

// count is the number of lines so far: where what comes next begins.
func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// String gives all that was written.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.all, "\n") + "\n" + string(l.rest)
	return strings.TrimPrefix(s, "\n")
}

// await waits for a line, from the n-th on, that holds all the words. gone, if not nil, ends the wait early: whoever
// writes the lines is no more.
func (l *lines) await(t *testing.T, n int, gone <-chan struct{}, words ...string) string {
	t.Helper()
	timeout := time.After(patience)
	over := false
	for {
		list, changed := l.from(n)
		for _, line := range list {
			if holds(line, words) {
				return line
			}
		}
		if over {
			t.Fatalf("the process ended without a line with %q; it said:\n%s", words, l)
		}
		n += len(list)
		select {
		case <-changed:
		case <-gone:
			over = true // one more look
		case <-timeout:
			t.Fatalf("no line with %q within %s; it said:\n%s", words, patience, l)
		}
	}
}

func holds(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}
