package modem

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// TestResync: a modem that was given up in the middle of something is back in step before the next command.
func TestResync(t *testing.T) {
	tests := []struct {
		name string
		at   int    // the AT at which the rest comes
		left string // the rest
		asks int    // how often AT is asked
	}{
		{"nothing", 1, "", 2},
		{"the OK of the command given up", 1, "\r\nOK\r\n", 2},
		{"half a line", 1, "\r\n+CSQ: 9", 2},
		{"two answers", 1, "\r\n+CSQ: 9,99\r\n\r\nOK\r\n\r\nERROR\r\n", 2},
		{"an OK too many at the second AT", 2, "\r\nOK\r\n", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.echo = false
				asks := 0
				f.hooks["AT"] = func() {
					if asks++; asks == tt.at {
						f.say(tt.left)
					}
				}
				l := newLine(f, Timing{}.withDefaults(), slog.New(slog.DiscardHandler), nil)
				defer l.close()
				if err := l.resync(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if asks != tt.asks {
					t.Errorf("AT was asked %d times, want %d", asks, tt.asks)
				}
				info, err := l.command(t.Context(), "AT+CSQ", time.Second)
				if err != nil || !reflect.DeepEqual(info, []string{"+CSQ: 9,99"}) {
					t.Errorf("AT+CSQ: %q, %v", info, err)
				}
			})
		})
	}
}

// TestResyncDeaf: one that does not react is given up.
func TestResyncDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.deaf = true
		l := newLine(f, Timing{}.withDefaults(), slog.New(slog.DiscardHandler), nil)
		defer l.close()
		if err := l.resync(t.Context(), nil); !errors.Is(err, errDeaf) {
			t.Errorf("error %v, want errDeaf", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.resync(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want canceled", err)
		}
	})
}

// TestResyncBabbling: one that never stops to talk cannot be brought in step.
func TestResyncBabbling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					f.say("\r\n^RSSI:14\r\n")
				}
			}
		}()
		l := newLine(f, Timing{}.withDefaults(), slog.New(slog.DiscardHandler), nil)
		defer l.close()
		if err := l.resync(t.Context(), nil); !errors.Is(err, errDeaf) {
			t.Errorf("error %v, want errDeaf: silence never came", err)
		}
	})
}
