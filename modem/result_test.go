package modem

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The ends of a text whose Ctrl-Z was written.
const (
	sent      = "sent"
	refused   = "refused"
	uncertain = "uncertain"
	suspect   = "suspect"
)

// result is what a modem says after Ctrl-Z, and what it means.
type result struct {
	name string
	say  []string // a piece that begins with '@' is how long it waits
	want string
	ref  uint8
}

// checkResults sends a text for each result, and a second one: whatever the first one was, the next gets its own answer.
func checkResults(t *testing.T, tests []result) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := ready(t, newFake(), nil)
				b.fake.submit = func(string) string {
					script(t, b.fake, tt.say)
					return ""
				}
				began := time.Now()
				ref, claims, err := b.send()
				if claims != 1 {
					t.Errorf("%d claims, want 1", claims)
				}
				if d := time.Since(began); errors.Is(err, ErrRestarted) && d > 3*time.Second {
					t.Errorf("it waited %v for a modem that has restarted", d)
				}
				if got := endOf(err); got != tt.want || ref != tt.ref {
					t.Errorf("got %s, ref %d (%v); want %s, ref %d", got, ref, err, tt.want, tt.ref)
				}
				// Whatever it was, the next text gets its own answer.
				b.waitReady()
				b.fake.change(func() { b.fake.submit = func(string) string { return "\r\n+CMGS: 99\r\n\r\nOK\r\n" } })
				if ref, err := b.next(); err != nil || ref != 99 {
					t.Errorf("the next text: ref %d, error %v; want 99, nil", ref, err)
				}
			})
		})
	}
}

// script says the pieces of a result, each at its time.
func script(t *testing.T, f *fake, say []string) {
	at := time.Duration(0)
	for _, s := range say {
		if d, ok := strings.CutPrefix(s, "@"); ok {
			wait, err := time.ParseDuration(d)
			if err != nil {
				t.Fatal(err)
			}
			at += wait
			continue
		}
		at += time.Millisecond
		f.later(at, s)
	}
}

// endOf names an end.
func endOf(err error) string {
	var r *RefusedError
	var u *UncertainError
	switch {
	case err == nil:
		return sent
	case errors.As(err, &r):
		return refused
	case errors.As(err, &u) && u.Suspect:
		return suspect
	case errors.As(err, &u):
		return uncertain
	}
	return fmt.Sprint(err)
}

// TestSent: the proof is +CMGS, whatever else is said.
func TestSent(t *testing.T) {
	checkResults(t, []result{
		{"plain", []string{"\r\n+CMGS: 12\r\n\r\nOK\r\n"}, sent, 12},
		{"in pieces", []string{"\r", "\n+CM", "@1s", "GS: 2", "55\r", "\n\r\nO", "@1s", "K\r\n"}, sent, 255},
		{"trailing comma, prompt before (moteus, lua-lluv-gsmmodem, test)", []string{"\r> \r\n+CMGS: 40,\r\n\r\nOK\r\n"}, sent, 40},
		{"submit report behind (CSMS=1)", []string{"\r\n+CMGS: 7,\"079194710716000001\"\r\n\r\nOK\r\n"}, sent, 7},
		{"no blank", []string{"\r\n+CMGS:7\r\n\r\nOK\r\n"}, sent, 7},
		{"OK lost", []string{"\r\n+CMGS: 9\r\n"}, sent, 9},
		{"an error behind the proof", []string{"\r\n+CMGS: 9\r\n\r\n+CMS ERROR: 500\r\n"}, sent, 9},
		{"slow network", []string{"@179s", "\r\n+CMGS: 3\r\n\r\nOK\r\n"}, sent, 3},
		{"reports before it (Huawei, gammu issue 138)", []string{"\r\n^RSSI:14\r\n\r\n^BOOT:27008117,0,0,0,75\r\n\r\n+CREG: 1\r\n\r\n+CMGS: 5\r\n\r\nOK\r\n"}, sent, 5},
		{"a ring before it", []string{"\r\nRING\r\n\r\n+CMGS: 5\r\n\r\nOK\r\n"}, sent, 5},
		{"SMS Ready is no restart", []string{"\r\nCall Ready\r\n\r\nSMS Ready\r\n\r\n+CMGS: 5\r\n\r\nOK\r\n"}, sent, 5},
		{"a greeting that was none", []string{"\r\n+CPIN: READY\r\n", "@1s", "\r\n+CMGS: 5\r\n\r\nOK\r\n"}, sent, 5},
		{"late, during the resync", []string{"@180100ms", "\r\n+CMGS: 6\r\n\r\nOK\r\n"}, sent, 6},
	})
}

// TestRefused: a clear cause.
func TestRefused(t *testing.T) {
	checkResults(t, []result{
		{"network out of order", []string{"\r\n+CMS ERROR: 38\r\n"}, refused, 0},
		{"verbose", []string{"\r\n+CMS ERROR: Network out of order\r\n"}, refused, 0},
		{"duplicate", []string{"\r\n+CMS ERROR: 197\r\n"}, refused, 0},
		{"no network service", []string{"\r\n+CME ERROR: 30\r\n"}, refused, 0},
		{"SIM busy", []string{"\r\n+CMS ERROR: 314\r\n"}, refused, 0},
		{"the network's refusal during the resync", []string{"@180100ms", "\r\n+CMS ERROR: 38\r\n"}, refused, 0},
	})
}

// TestSuspect: the modem gave up, or nobody knows what it means.
func TestSuspect(t *testing.T) {
	checkResults(t, []result{
		{"bare error", []string{"\r\nERROR\r\n"}, suspect, 0},
		{"unknown error", []string{"\r\n+CMS ERROR: 500\r\n"}, suspect, 0},
		{"network timeout", []string{"\r\n+CMS ERROR: 332\r\n"}, suspect, 0},
		{"CME network timeout", []string{"\r\n+CME ERROR: 31\r\n"}, suspect, 0},
		{"aborted", []string{"\r\n+CMS ERROR: 512\r\n"}, suspect, 0},
		{"a vendor's own", []string{"\r\n+CMS ERROR: 2162\r\n"}, suspect, 0},
		{"not a number", []string{"\r\n+CMS ERROR: whatever\r\n"}, suspect, 0},
		{"Huawei's", []string{"\r\nCOMMAND NOT SUPPORT\r\n"}, suspect, 0},
	})
}

// TestUncertain: no credible answer.
func TestUncertain(t *testing.T) {
	checkResults(t, []result{
		{"OK alone (AT^SM20)", []string{"\r\nOK\r\n"}, uncertain, 0},
		{"unreadable result", []string{"\r\n+CMGS: 2x5\r\n\r\nOK\r\n"}, uncertain, 0},
		{"unreadable result and an error", []string{"\r\n+CMGS: 2x5\r\n\r\n+CMS ERROR: 38\r\n"}, uncertain, 0},
		{"result out of range", []string{"\r\n+CMGS: 256\r\n\r\nOK\r\n"}, uncertain, 0},
		{"result without a number", []string{"\r\n+CMGS:\r\n\r\nOK\r\n"}, uncertain, 0},
		{"garbage", []string{"\r\n+CM\xff\xfeS: 4\r\n\r\n0K\r\n"}, uncertain, 0},
		{"silence", nil, uncertain, 0},
		{"restart (SIM800)", []string{"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n"}, uncertain, 0},
		{"restart (Cinterion)", []string{"\r\n^SYSSTART\r\n"}, uncertain, 0},
		{"brown-out (SIM800)", []string{"\r\nUNDER-VOLTAGE POWER DOWN\r\n"}, uncertain, 0},
		{"an answer to our ESC", []string{"@180100ms", "\r\n+CMS ERROR: 512\r\n"}, uncertain, 0},
	})
}
