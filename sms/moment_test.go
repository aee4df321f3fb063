package sms

import (
	"testing"
	"time"
)

// TestValidity reads and writes relative validity periods by their rows in TS 23.040 §9.2.3.12.1; the four in the middle
// are python-gsmmodem's vectors.
func TestValidity(t *testing.T) {
	for _, test := range []struct {
		vp   byte
		want time.Duration
	}{
		{0, 5 * time.Minute},
		{1, 10 * time.Minute},
		{143, 12 * time.Hour},
		{144, 12*time.Hour + 30*time.Minute},
		{167, 24 * time.Hour},
		{168, 48 * time.Hour},
		{196, 720 * time.Hour},
		{5, 30 * time.Minute},
		{151, 16 * time.Hour},
		{169, 3 * day},
		{197, 840 * time.Hour},
		{0xAA, 4 * day},
		{255, 63 * week},
	} {
		if got := validityOf(test.vp); got != test.want {
			t.Errorf("%d lasts %v, want %v", test.vp, got, test.want)
		}
		if got := relativeVP(test.want); got != test.vp {
			t.Errorf("%v is %d, want %d", test.want, got, test.vp)
		}
	}
}

// TestValidityRoundsUp: between two values that exist, the longer one is taken, all along the scale.
func TestValidityRoundsUp(t *testing.T) {
	for vp := range 255 {
		longest := validityOf(byte(vp))
		next := validityOf(byte(vp + 1))
		if next <= longest {
			t.Fatalf("%d lasts %v, and %d only %v", vp, longest, vp+1, next)
		}
		for d, want := range map[time.Duration]int{longest - 1: vp, longest: vp, longest + 1: vp + 1, next - time.Second: vp + 1} {
			if got := relativeVP(d); int(got) != want {
				t.Errorf("%v is %d (%v), want %d", d, got, validityOf(got), want)
			}
		}
	}
	for _, d := range []time.Duration{1, time.Second, 5*time.Minute - 1} {
		if got := relativeVP(d); got != 0 {
			t.Errorf("%v is %d, want 0: 5 minutes", d, got)
		}
	}
	for _, d := range []time.Duration{63*week + 1, 1000 * week, 1<<63 - 1} {
		if got := relativeVP(d); got != 255 {
			t.Errorf("%v is %d, want 255: the longest there is", d, got)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, test := range []struct {
		name, octets string
		want         time.Time
	}{
		{"UTC (python-gsmmodem)", "51117200000000", at(2015, 11, 27, 0, 0, 0, 0)},
		{"two hours east (python-gsmmodem)", "51117200000080", at(2015, 11, 27, 0, 0, 0, 8)},
		{"eight hours east (python-gsmmodem)", "70402132522423", at(2007, 4, 12, 23, 25, 42, 32)},
		{"eight hours west (python-gsmmodem)", "7040213252242B", at(2007, 4, 12, 23, 25, 42, -32)},
		{"last century", "99309251619580", at(1999, 3, 29, 15, 16, 59, 8)},
		{"first year", "09101000000000", at(1990, 1, 1, 0, 0, 0, 0)},
		{"last year", "98211332959500", at(2089, 12, 31, 23, 59, 59, 0)},
		{"leap day", "42209221436500", at(2024, 2, 29, 12, 34, 56, 0)},
		{"half an hour", "42502221436522", at(2024, 5, 22, 12, 34, 56, 22)},
		{"quarter, west", "4250222143658B", at(2024, 5, 22, 12, 34, 56, -38)},
		{"furthest east", "42502221436597", at(2024, 5, 22, 12, 34, 56, 79)},
		{"furthest west", "4250222143659F", at(2024, 5, 22, 12, 34, 56, -79)},
		{"zero", "00000000000000", time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			r := reader{octets: octets}
			got := r.timestamp("TP-SCTS")
			_, seconds := got.Zone()
			_, want := test.want.Zone()
			if r.err != nil || !got.Equal(test.want) || seconds != want {
				t.Errorf("read %v, error %v; want %v", got, r.err, test.want)
			}
			if seconds == 0 && got.Location() != time.UTC {
				t.Errorf("zone %v, want UTC", got.Location())
			}
			w := newWriter(nil)
			w.timestamp("TP-SCTS", test.want)
			written, err := w.done()
			if err != nil {
				t.Fatal(err)
			}
			same(t, "written", written, octets)
		})
	}
}

func TestTimestampWithoutSense(t *testing.T) {
	for _, test := range []struct{ name, octets string }{
		{"filler", "FFFFFFFFFFFFFF"},
		{"filler in the year", "F1502221436500"},
		{"tens of A in the year", "0A502221436500"},
		{"digit of A", "42502221A36500"},
		{"zone of filler alone", "425022214365FF"},
		{"month 0", "42002221436500"},
		{"month 13", "42312221436500"},
		{"day 0", "42500021436500"},
		{"day 32", "42502321436500"},
		{"30th of February", "42200321436500"},
		{"29th of February without a leap year", "32209221436500"},
		{"hour 24", "42502242436500"},
		{"minute 60", "42502221066500"},
		{"second 60", "42502221430600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets := unhex(t, test.octets)
			r := reader{octets: octets}
			if got := r.timestamp("TP-SCTS"); r.err != nil || !got.IsZero() || r.pos != len(octets) {
				t.Errorf("got %v at octet %d, error %v; want the zero time at the end", got, r.pos, r.err)
			}
		})
	}
}

func TestTimestampWritten(t *testing.T) {
	inZone := func(seconds int) time.Time { return at(2024, 5, 22, 12, 0, 0, 0).In(time.FixedZone("", seconds)) }
	for _, test := range []struct {
		name   string
		t      time.Time
		octets string
	}{
		{"zone between quarters (Amsterdam until 1937)", inZone(19*60 + 32), "42502221510010"},
		{"the same in the west", inZone(-19*60 - 32), "42502211540018"},
		{"zone beyond the furthest", inZone(24 * 3600), "42503270540097"},
		{"parts of a second", at(2024, 5, 22, 12, 0, 0, 0).Add(999 * time.Millisecond), "42502221000000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWriter(nil)
			w.timestamp("TP-SCTS", test.t)
			got, err := w.done()
			if err != nil {
				t.Fatal(err)
			}
			same(t, "written", got, unhex(t, test.octets))
		})
	}
	for _, year := range []int{1, 1989, 2090, 20240} {
		if _, err := (Deliver{Time: at(year, 5, 1, 0, 0, 0, 0)}).Append(nil); err == nil {
			t.Errorf("the year %d was written", year)
		} else {
			wantField(t, err, "TP-SCTS", 5)
		}
	}
	_, err := (StatusReport{Discharge: at(2090, 1, 1, 0, 0, 0, 0)}).Append(nil)
	wantField(t, err, "TP-DT", 11)
}
