package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"smsgateway/admin"
)

func TestCompact(t *testing.T) {
	s := newShell(t)
	if out := s.must("compact"); !strings.HasPrefix(out, "gateway.db had ") {
		t.Errorf("it says %q", out)
	}
	var done admin.Compacted
	if err := json.Unmarshal([]byte(s.must("compact", "--json")), &done); err != nil || done.Before == 0 || done.After == 0 {
		t.Errorf("got %+v, %v", done, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.ctx = ctx
	if _, stderr, code := s.do("compact"); code != 1 || !strings.Contains(stderr, "interrupted: the file is as it was") {
		t.Errorf("interrupted: %d %q", code, stderr)
	}
}

// TestProgress: on a terminal it is shown how far some work is, and the line goes when it ends; elsewhere nothing is.
func TestProgress(t *testing.T) {
	near, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	looked := make(chan struct{}, 100)
	look := func(context.Context) (done, total int64, err error) {
		looked <- struct{}{}
		return 30 << 20, 90 << 20, nil
	}
	a := &app{Env{Stderr: tty}}
	end := a.progress(t.Context(), look)
	<-looked
	<-looked
	end()
	tty.Close()
	if shown, _ := io.ReadAll(near); !strings.Contains(string(shown), "\r 33 % of 90.0 MiB") || !strings.HasSuffix(string(shown), "\r\033[K") {
		t.Errorf("it shows %q", shown)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	a = &app{Env{Stderr: file}}
	end = a.progress(t.Context(), look)
	end()
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d octets were shown to a file, %v", info.Size(), err)
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KiB", 1: "1 KiB", 24576: "24 KiB", 1<<20 - 1: "1024 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5120.0 MiB"} {
		if got := octets(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
