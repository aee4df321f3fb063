package gateway

import (
	"strings"
	"testing"
	"time"

	"smsgateway/store"
)

// TestDiagnoseRoom: what the doctor says of the disk, from all is well to nothing goes.
func TestDiagnoseRoom(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name string
		room store.DiskRoom
		want Severity
		says string
	}{
		{"well", store.DiskRoom{Free: 9000 * mib, Reserve: 64 * mib, Held: 8 * mib}, OK, "9000 MiB are free, and 8.0 MiB are held"},
		{"nearly full", store.DiskRoom{Free: 100 * mib, Reserve: 64 * mib, Held: 8 * mib}, Warn, "less than 64 MiB"},
		{"full", store.DiskRoom{Free: mib, Reserve: 64 * mib, Held: 3 * mib, Full: true}, Fault, "What was accepted is sent"},
		{"paused", store.DiskRoom{Held: mib, Full: true, Paused: true}, Fault, "none is sent"},
		{"moved", store.DiskRoom{Free: 9000 * mib, Moved: true}, Fault, "removed or replaced"},
		{"slow", store.DiskRoom{Free: 9000 * mib, Waits: 12 * time.Second}, Fault, "not answered for 12s"},
	} {
		f := diagnoseRoom("data", "data/gateway.db", tt.room)
		if f.Severity != tt.want || !strings.Contains(f.What, tt.says) {
			t.Errorf("%s: %s %q, want %s with %q in it", tt.name, f.Severity, f.What, tt.want, tt.says)
		}
		if (f.Cure == "") != (tt.want == OK) {
			t.Errorf("%s: the cure is %q", tt.name, f.Cure)
		}
	}
}
