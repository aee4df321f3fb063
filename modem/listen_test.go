package modem

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// TestListenExpected: a result with the TP-MR that the text was to get is kept before the modem is asked anything; any other
// once the SIM is known.
func TestListenExpected(t *testing.T) {
	for expected, want := range map[uint8]string{5: "sent 5, as expected", 6: card + " sent 5"} {
		synctest.Test(t, func(t *testing.T) {
			w := &witness{claimed: time.Now().Add(-time.Second), expected: &expected}
			f := newFake()
			script(t, f, []string{"@3s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"})
			first := ""
			f.wrote = func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				if first == "" {
					first = fmt.Sprint(len(w.told))
				}
			}
			b := start(t, f, func(cfg *Config) { cfg.Evidence = w })
			b.waitReady()
			w.wants(t, want)
			if told := first == "1"; told != (expected == 5) {
				t.Errorf("when the first octet was written %s answers had been told, want it only of the one that was expected", first)
			}
		})
	}
}

// reportOf is a +CDS of the text with this TP-MR, which the service centre took then.
func reportOf(t *testing.T, ref uint8, taken time.Time) string {
	t.Helper()
	tpdu, err := sms.StatusReport{Reference: ref, Recipient: sms.Address{Number: "491"}, Time: taken, Discharge: taken}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("\r\n+CDS: %d\r\n00%X\r\n", len(tpdu), tpdu)
}

// TestListenReport: a status report of a text that was taken since the claim can only be of that text, so the modem is at
// work on it no longer; one of an earlier text says nothing.
func TestListenReport(t *testing.T) {
	for _, tt := range []struct {
		name  string
		taken time.Duration // after the claim
		quiet time.Duration
		ref   int // that Evidence knows; -1: none
		took  time.Duration
	}{
		{"of the text", 2 * time.Second, 7 * time.Second, 40, 0},
		{"of the text, and its TP-MR is not what was expected", 2 * time.Second, 7 * time.Second, 60, 30 * time.Second},
		{"of the text, but the store knows nothing of it", 2 * time.Second, 7 * time.Second, -1, 30 * time.Second},
		{"of an earlier text", -time.Minute, 20 * time.Second, -1, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{claimed: time.Now().Add(-time.Second)}
				if tt.ref >= 0 {
					ref := uint8(tt.ref)
					w.settled = &ref
				}
				f := newFake()
				script(t, f, []string{"@5s", reportOf(t, 40, w.claimed.Add(tt.taken))})
				var first time.Duration = -1
				began := time.Now()
				f.wrote = func() {
					if first < 0 {
						first = time.Since(began)
					}
				}
				b := start(t, f, func(cfg *Config) { cfg.Evidence = w })
				b.waitReady()
				if d := first.Truncate(time.Second); d != tt.quiet {
					t.Errorf("the first octet was written after %v, want %v", d, tt.quiet)
				}
				// The next text is answered once: is that the answer that is still owed, or its own?
				f.change(func() { f.submit = func(string) string { return "\r\n+CMGS: 41\r\n\r\nOK\r\n" } })
				began = time.Now()
				ref, _, err := b.send()
				if took := time.Since(began).Truncate(time.Second); err != nil || ref != 41 || took != tt.took {
					t.Errorf("ref %d, %v after %v; want 41 after %v", ref, err, took, tt.took)
				}
			})
		})
	}
}
