package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBackupStream: a backup is the same in process and through the socket, comes in pieces, and one that breaks off is told from
// one that is whole.
func TestBackupStream(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		var out bytes.Buffer
		told := int64(0)
		n, err := b.Backup(t.Context(), &out, func(done, total int64) { told = total })
		if err != nil || n != int64(out.Len()) || n != told || n == 0 {
			t.Errorf("%d octets, %d came, %d were announced; %v", n, out.Len(), told, err)
		}
		no := errors.New("no")
		if _, err := b.Backup(t.Context(), brokenWriter{no}, func(int64, int64) {}); !errors.Is(err, no) {
			t.Errorf("where it can't be written: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Backup(ctx, io.Discard, func(int64, int64) {}); err == nil {
			t.Error("an interrupted backup was whole")
		}
		said := 0
		found, err := b.Check(t.Context(), false, func(Progress) { said++ })
		if err != nil || found.Faults != 0 || found.Pages == 0 || said == 0 {
			t.Errorf("%+v, %v, %d steps", found, err, said)
		}
	})
}

type brokenWriter struct{ err error }

func (f brokenWriter) Write([]byte) (int, error) { return 0, f.err }

// TestStreamed: of a handler in process the answer comes as it is written, and so does its breaking off.
func TestStreamed(t *testing.T) {
	next, gaveUp := make(chan string), make(chan struct{})
	c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for s := range next {
			if s == "break" {
				panic(http.ErrAbortHandler)
			}
			if _, err := io.WriteString(w, s); err != nil {
				close(gaveUp)
				return
			}
		}
	}))
	read := func(resp *http.Response) string {
		b := make([]byte, 10)
		n, _ := resp.Body.Read(b)
		return string(b[:n])
	}
	go func() { next <- "one" }()
	resp, err := c.stream(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(resp); got != "one" {
		t.Errorf("got %q", got)
	}
	next <- "two"
	if got := read(resp); got != "two" {
		t.Errorf("got %q", got)
	}
	next <- "break"
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the end of an answer that broke off: %v", err)
	}
	go func() { next <- "one" }()
	if resp, err = c.stream(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-gaveUp // the handler ends, as nobody reads
	refused := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusConflict, failure{"not now"}) }))
	if _, err := refused.stream(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("a refusal: %v", err)
	}
	never := make(chan struct{})
	defer close(never)
	stuck := Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-never }))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := stuck.stream(ctx, "/"); err == nil {
		t.Error("an answer that never began")
	}
}

// TestHeldNone: what is asked of held messages when there is none.
func TestHeldNone(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		if done, err := b.RetryHeld(t.Context(), HeldFilter{}, "root", true); err != nil || done.Messages != 0 || done.More {
			t.Errorf("%+v, %v", done, err)
		}
		_, err := b.RetryHeld(t.Context(), HeldFilter{}, "root", false)
		wantError(t, err, StatusSayTwice, "second time")
		_, err = b.CloseHeld(t.Context(), HeldFilter{}, "lost", "root")
		wantError(t, err, 400, "sent, failed")
		_, err = b.RetryHeld(t.Context(), HeldFilter{Account: "none"}, "root", true)
		wantError(t, err, 404, "no account")
		_, err = b.CloseMessage(t.Context(), "1", "sent", "root")
		wantError(t, err, 404, "no message")
	})
}
