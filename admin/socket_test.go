package admin

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// teapot answers everything with an empty object.
var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })

func TestSocketIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "control.sock")
	stop := serveSocket(t, path, teapot)
	for name, want := range map[string]fs.FileMode{dir: fs.ModeDir | 0o700, path: fs.ModeSocket | 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end the socket is still there: %v", err)
	}
}

func TestSocketOfADeadGateway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false) // as kill -9 leaves it
	ln.Close()
	serveSocket(t, path, teapot)
	if err := Dial(path).Ping(t.Context()); err != nil {
		t.Errorf("the socket was not taken over: %v", err)
	}
}

func TestSocketFaults(t *testing.T) {
	dir := t.TempDir()
	inUse := filepath.Join(dir, "used.sock")
	serveSocket(t, inUse, teapot)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"another gateway listens", inUse, "another gateway listens on " + inUse},
		{"a file is in the way", file, "is not a socket"},
		{"path too long", filepath.Join(dir, strings.Repeat("x", 108)), "choose a shorter data_dir"},
		{"a file where the directory should be", filepath.Join(file, "control.sock"), "directory of the control socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := ServeSocket(t.Context(), tt.path, teapot)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want words like %q", err, tt.want)
			}
		})
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file in the way is now %q, %v", text, err)
	}
	if err := Dial(inUse).Ping(t.Context()); err != nil {
		t.Errorf("the gateway that listened was disturbed: %v", err)
	}
}

// TestSocketEndsInOrder: a request that is being served when the gateway stops gets its answer.
func TestSocketEndsInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	entered, leave := make(chan struct{}), make(chan struct{})
	stop := serveSocket(t, path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, `{"version": "slow"}`)
	}))
	got := make(chan error, 1)
	go func() {
		s, err := Dial(path).Status(context.Background())
		if err == nil && s.Version != "slow" {
			err = errors.New("another answer: " + s.Version)
		}
		got <- err
	}()
	<-entered
	ended := make(chan struct{})
	go func() {
		stop()
		close(ended)
	}()
	close(leave)
	if err := <-got; err != nil {
		t.Errorf("the request in work: %v", err)
	}
	<-ended
}

func TestClientWithoutGateway(t *testing.T) {
	dir := t.TempDir()
	silent := filepath.Join(dir, "silent.sock") // as of a stopped process: the system takes connections, nobody answers
	ln, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	rude := filepath.Join(dir, "rude.sock")
	serveSocket(t, rude, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}))
	babble := filepath.Join(dir, "babble.sock")
	serveSocket(t, babble, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	for _, tt := range []struct {
		name, path, want string
		ask              func(context.Context, *Client) error
	}{
		{"nobody there", filepath.Join(dir, "none.sock"), "no gateway answers on", status},
		{"silence to a question", silent, "does not answer", status},
		{"silence to an order", silent, "may have done", func(ctx context.Context, c *Client) error { return c.RemoveAccount(ctx, "shop") }},
		{"connection lost", rude, "without an answer", status},
		{"no JSON", babble, "another version", status},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			c := Dial(tt.path)
			c.order = patience
			err := tt.ask(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want words like %q", err, tt.want)
			}
			if took := time.Since(start); took > 2*patience {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

// status asks for something and drops the answer.
func status(ctx context.Context, c *Client) error {
	_, err := c.Status(ctx)
	return err
}

func TestClientInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]*Client{
		"in process": Local(teapot),
		"socket":     Dial(filepath.Join(t.TempDir(), "none.sock")),
	} {
		if _, err := c.Status(ctx); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s: %v; want that it was interrupted", name, err)
		}
	}
}
