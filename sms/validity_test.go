package sms

import (
	"bytes"
	"testing"
	"time"
)

// TestUntil: the end of validity in each form of TP-VP, written and read again.
func TestUntil(t *testing.T) {
	taken := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	at := func(t time.Time) []byte {
		vp, err := AbsoluteVP(t)
		if err != nil {
			panic(err)
		}
		return vp
	}
	enhanced := func(octets ...byte) Submit {
		return Submit{VPRaw: append(octets, make([]byte, 7-len(octets))...), VPEnhanced: true}
	}
	end := taken.Add(90*time.Second + time.Hour)
	for _, tt := range []struct {
		name string
		p    Submit
		want time.Time
	}{
		{"none", Submit{}, time.Time{}},
		{"5 minutes", Submit{Validity: 5 * time.Minute}, taken.Add(5 * time.Minute)},
		{"rounded up", Submit{Validity: 5*time.Minute + time.Second}, taken.Add(10 * time.Minute)},
		{"the longest", Submit{Validity: 99 * week}, taken.Add(63 * week)},
		{"absolute", Submit{VPRaw: at(end)}, end},
		{"absolute, east", Submit{VPRaw: at(end.In(time.FixedZone("", 5*3600+1800)))}, end},
		{"absolute, west", Submit{VPRaw: at(end.In(time.FixedZone("", -9*3600)))}, end},
		{"absolute, over a year's end", Submit{VPRaw: at(time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC))}, time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC)},
		{"absolute, past", Submit{VPRaw: at(taken.Add(-time.Second))}, taken.Add(-time.Second)},
		{"absolute, a month 13", Submit{VPRaw: []byte{0x62, 0x31, 0x32, 0x90, 0x03, 0x00, 0}}, time.Time{}},
		{"enhanced, none", enhanced(0), time.Time{}},
		{"enhanced, relative", enhanced(1, 0), taken.Add(5 * time.Minute)},
		{"enhanced, seconds", enhanced(2, 90), taken.Add(90 * time.Second)},
		{"enhanced, no seconds", enhanced(2, 0), time.Time{}},
		{"enhanced, single shot, by the clock", enhanced(0x43, 0x10, 0x10, 0x03), end},
		{"enhanced, no clock", enhanced(3, 0xA0, 0, 0), time.Time{}},
		{"enhanced, reserved", enhanced(4, 1), time.Time{}},
	} {
		tt.p.Destination = Address{Number: "4161231234"}
		tpdu, err := tt.p.Append(nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		p, err := ParseSubmit(tpdu)
		if err != nil || !p.Until(taken).Equal(tt.want) {
			t.Errorf("%s: got %s, %v, want %s", tt.name, p.Until(taken), err, tt.want)
		}
		if again, err := p.Append(nil); err != nil || !bytes.Equal(again, tpdu) {
			t.Errorf("%s: %x becomes %x, %v", tt.name, tpdu, again, err)
		}
	}
	if got := RelativeValidity(0) + RelativeValidity(-1); got != 0 {
		t.Errorf("no validity is %s long", got)
	}
	if _, err := AbsoluteVP(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("the year 2100 can be written")
	}
}

// FuzzUntil: whatever a TP-VP says, its end is not before the message was taken, but for an absolute one.
func FuzzUntil(f *testing.F) {
	f.Add([]byte{3, 0x10, 0x10, 0x03, 0, 0, 0}, true)
	f.Add([]byte{0x62, 0x11, 0x32, 0x90, 0x03, 0x00, 0x40}, false)
	taken := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, octets []byte, enhanced bool) {
		until := Submit{VPRaw: octets, VPEnhanced: enhanced}.Until(taken)
		if enhanced && !until.IsZero() && (!until.After(taken) || until.After(taken.Add(64*week))) {
			t.Errorf("%x ends at %s", octets, until)
		}
		if enhanced || until.IsZero() {
			return
		}
		vp, err := AbsoluteVP(until)
		if again := (Submit{VPRaw: vp}).Until(taken); err != nil || !again.Equal(until) {
			t.Errorf("%x is %s, and then %s, %v", octets, until, again, err)
		}
	})
}
