package gateway

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/modem"
	"smsgateway/store"
)

// logLines is a log that a test reads while others write it.
type logLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// about gives the lines about a message, without time and id.
func (l *logLines) about(id store.ID) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if head, tail, ok := strings.Cut(line, " id="+id.String()+" "); ok {
			_, head, _ = strings.Cut(head, " ")
			lines = append(lines, head+" "+strings.TrimSpace(tail))
		}
	}
	return lines
}

// TestClockLogged: what the clock makes of a message is a line in the log: a doubt that ends as unknown, a text that is to
// be sent again, a validity that is over, a status report that never comes.
func TestClockLogged(t *testing.T) {
	silent := &modem.UncertainError{Reason: "silence", Cause: modem.ErrError}
	for _, tt := range []struct {
		name string
		end  error
		none bool // no modem ever had it
		want string
	}{
		{"never sent", nil, true, `level=INFO msg=expired reason="its validity was over before it could be sent"`},
		{"doubt", silent, false, `level=WARN msg="ended as unknown" reason="nobody knows whether it was sent: silence"`},
		{"most likely not sent", gaveUp, false,
			`level=INFO msg="to be sent again" reason="though it may have been sent before: `},
		{"no report", nil, false, `level=INFO msg="ended as unknown" reason="sent, but no status report came"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logLines{}
				b := newHandoff(t)
				b.now = time.Now()
				b.log = slog.New(slog.NewTextHandler(log, nil))
				b.opt.Now = time.Now
				id := b.text("hello")
				if !tt.none {
					time.Sleep(time.Minute) // what is as old as the start is decided about later
					b.now = time.Now()
					b.ends(b.give(id, 0), tt.end)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- b.sweep(ctx) }()
				var lines []string
				for n := 0; n < 30*60 && !strings.Contains(strings.Join(lines, "\n"), tt.want); n++ {
					time.Sleep(time.Minute)
					synctest.Wait()
					lines = log.about(id)
				}
				stop()
				<-ended
				if n := strings.Count(strings.Join(lines, "\n"), tt.want); n != 1 {
					t.Errorf("%d lines %q; the log has %q", n, tt.want, lines)
				}
				b.Close()
			})
		})
	}
}
