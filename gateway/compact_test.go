package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/store"
)

func TestWhyCompact(t *testing.T) {
	const mib, day = 1 << 20, 24 * time.Hour
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	busy := int64(1000)
	erased := func(ago time.Duration, commits int64) store.Space {
		return store.Space{Size: mib, Used: mib, Erased: now.Add(-ago), Commits: commits}
	}
	for _, tt := range []struct {
		name   string
		s      store.Space
		within time.Duration
		doubt  bool
		ago    time.Duration // since the last one; 0: none
		want   string        // in the reason; "" it is not done
	}{
		{"a new file", store.Space{Size: mib, Used: mib}, day, false, 0, ""},
		{"texts of an hour ago", erased(time.Hour, 0), day, false, 0, ""},
		{"of half a day, and it is quiet", erased(day/2, 0), day, false, 0, "to vanish"},
		{"of half a day, and it is not", erased(day/2, busy), day, false, 0, ""},
		{"of a day", erased(day, busy), day, false, 0, "to vanish"},
		{"of a day, and it was tried", erased(day, 0), day, false, time.Minute, ""},
		{"of a day, and it was tried long ago", erased(day, 0), day, false, 2 * time.Hour, "to vanish"},
		{"of a year, and never", erased(365*day, 0), -1, false, 0, ""},
		{"of a year, by a clock that is not believed", erased(365*day, 0), day, true, 0, ""},
		{"of tomorrow", erased(-day, 0), day, false, 0, "not known when"},
		{"of tomorrow, and it is not quiet", erased(-day, busy), day, false, 0, ""},
		{"of next year, and it is not quiet", erased(-365*day, busy), day, false, 0, "not known when"},
		{"a third is free", store.Space{Size: 90 * mib, Used: 60 * mib, Free: 30 * mib}, day, false, 0, "33 %"},
		{"and it is not quiet", store.Space{Size: 90 * mib, Used: 60 * mib, Free: 30 * mib, Commits: busy}, day, false, 0, ""},
		{"half is free", store.Space{Size: 90 * mib, Used: 40 * mib, Free: 50 * mib, Commits: busy}, day, false, 0, "55 %"},
		{"and that was just mended", store.Space{Size: 90 * mib, Used: 40 * mib, Free: 50 * mib}, day, false, 30 * time.Minute, ""},
		{"little is free", store.Space{Size: 20 * mib, Used: 5 * mib, Free: 15 * mib}, day, false, 0, ""},
		{"half is free, and texts stay", store.Space{Size: 90 * mib, Used: 40 * mib, Free: 50 * mib, Commits: busy}, -1, false, 0, "55 %"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l compactState
				if tt.ago != 0 {
					l.tried()
					time.Sleep(tt.ago)
				}
				if got := l.why(tt.s, now, tt.within, tt.doubt); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestErasedInTime: a text that was kept long enough is no more in the file a day later at most, and the file is not written
// anew more often than for that. Without erase_within it stays.
func TestErasedInTime(t *testing.T) {
	for _, tt := range []struct {
		name   string
		within time.Duration
		gone   bool
	}{{"default", 0, true}, {"two days", 48 * time.Hour, true}, {"never", -1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logLines{}
				b := newHandoff(t)
				b.log, b.opt.Now = slog.New(slog.NewTextHandler(log, nil)), time.Now
				b.Reconfigure(Defaults{EraseWithin: tt.within})
				inFile := func() bool {
					data, err := os.ReadFile(b.opt.Path)
					if err != nil {
						t.Fatal(err)
					}
					return bytes.Contains(data, []byte("for your eyes only"))
				}
				id := b.text("for your eyes only")
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { b.sweep(ctx) })
				running.Go(func() { b.keepCompact(ctx) })
				time.Sleep(47 * time.Hour) // it expires, and is kept for as long
				if !inFile() || b.message(id).State != store.Expired {
					t.Error("it went too early")
				}
				most := b.defaults().eraseWithin()
				time.Sleep(2*time.Hour + max(most, 48*time.Hour))
				if _, err := b.db.Message(id); err == nil {
					t.Error("the message is still there")
				}
				if tt.gone && inFile() { // else pages may be used again by chance
					t.Error("the text is in the file")
				}
				time.Sleep(240 * time.Hour)
				stop()
				running.Wait()
				n := strings.Count(log.b.String(), `msg="the file is compacted"`)
				if tt.gone && (n == 0 || n > 4) || !tt.gone && n != 0 {
					t.Errorf("it was compacted %d times: %s", n, log.b.String())
				}
				b.Close()
			})
		})
	}
}

// TestDiagnoseFile: the doctor says how large the file is, that deleted texts stay in it, and why it can't be compacted.
func TestDiagnoseFile(t *testing.T) {
	b := newHandoff(t)
	if list := b.diagnoseFile(); !has(list, OK, "file", "KiB") {
		t.Errorf("got %+v", list)
	}
	b.compaction.is.Failed = &store.NoRoomError{Need: 10 << 20, Free: 1 << 20}
	if list := b.diagnoseFile(); !has(list, Warn, "file", "takes 10 MiB", "smsgateway compact") {
		t.Errorf("got %+v", list)
	}
	if _, err := b.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := b.diagnoseFile(); !has(list, OK, "file") {
		t.Errorf("got %+v", list)
	}
	if err := b.db.Cancel(b.message(b.text("hello")).Lane, b.text("hello again"), b.now); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(26 * time.Hour)
	if _, err := b.db.Tick(b.now, 100); err != nil { // the clock is not believed, nothing ends
		t.Fatal(err)
	}
	id := b.text("more")
	if err := b.db.Replace(b.message(id).Lane, id, store.Replacement{Parts: [][]byte{{}}}, b.now); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(26 * time.Hour)
	if list := b.diagnoseFile(); !has(list, Note, "file", "can still be found") {
		t.Errorf("got %+v", list)
	}
	b.Close()
	if _, err := b.Compact(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if list := b.diagnoseFile(); !has(list, Warn, "file", "not known") {
		t.Errorf("got %+v", list)
	}
}
