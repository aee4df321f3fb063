package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"smsgateway/store"
)

// TestFile: the file is compacted through the handlers, in process and through the socket.
func TestFile(t *testing.T) {
	plain := openBox(t, t.TempDir())
	for _, b := range []box{plain, plain.overSocket(t)} {
		done, err := b.Compact(t.Context())
		if err != nil || done.Before == 0 || done.After == 0 || done.Took <= 0 || done.Stall <= 0 || done.Stall > done.Took {
			t.Errorf("got %+v, %v", done, err)
		}
		f, err := b.File(t.Context())
		if err != nil || f.Size != done.After || f.Free > f.Size || f.Total != 0 {
			t.Errorf("got %+v, %v after %+v", f, err, done)
		}
	}
}

// TestCompactRefusals: why it was not done reaches people as a sentence.
func TestCompactRefusals(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		words  string
	}{
		{store.ErrCompacting, http.StatusConflict, "being compacted already"},
		{store.ErrTooBusy, http.StatusConflict, "quieter hour"},
		{&store.NoRoomError{Need: 5 << 20, Free: 1 << 20}, http.StatusInsufficientStorage, "takes 5 MiB"},
	} {
		if status, sentence := explain(errors.Join(tt.err)); status != tt.status || !strings.Contains(sentence, tt.words) {
			t.Errorf("%v: %d %q", tt.err, status, sentence)
		}
	}
	b := openBox(t, t.TempDir())
	if err := b.gateway.Close(); err != nil {
		t.Fatal(err)
	}
	var refused *Error
	if _, err := b.Compact(t.Context()); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v", err)
	}
}

// TestInterrupted: who asked for work and has gone is no error of the gateway.
func TestInterrupted(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		ctx   context.Context
		err   error
		level string
	}{
		{gone, fmt.Errorf("compact: %w", context.Canceled), "level=INFO"},
		{gone, errors.New("the disk is broken"), "level=ERROR"},
		{t.Context(), context.Canceled, "level=ERROR"},
	} {
		var log bytes.Buffer
		a := &api{log: slog.New(slog.NewTextHandler(&log, nil))}
		serve := a.serve(func(*http.Request) (any, error) { return nil, row.err })
		serve(httptest.NewRecorder(), httptest.NewRequestWithContext(row.ctx, http.MethodPost, "/v1/file/compact", nil))
		if !strings.Contains(log.String(), row.level) {
			t.Errorf("%v: the log says %q, want %s", row.err, log.String(), row.level)
		}
	}
}
