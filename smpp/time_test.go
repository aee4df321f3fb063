package smpp

import (
	"testing"
	"time"
	_ "time/tzdata" // zones, on whatever machine
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.FixedZone("CET", 3600))
	utc := func(y int, mon time.Month, d, h, m, s, ms int) time.Time {
		return time.Date(y, mon, d, h, m, s, ms*1e6, time.UTC)
	}
	tests := []struct {
		name, in string
		want     time.Time
		bad      bool
	}{
		{"none", "", time.Time{}, false},
		{"UTC", "261123090000000+", utc(2026, 11, 23, 9, 0, 0, 0), false},
		{"ahead of UTC", "261123090000004+", utc(2026, 11, 23, 8, 0, 0, 0), false},
		{"behind UTC", "261123090000020-", utc(2026, 11, 23, 14, 0, 0, 0), false},
		{"tenths", "261123090000900+", utc(2026, 11, 23, 9, 0, 0, 900), false},
		{"1938", "380101000000000+", utc(1938, 1, 1, 0, 0, 0, 0), false},
		{"2037", "371231235959000+", utc(2037, 12, 31, 23, 59, 59, 0), false},
		{"leap day", "280229120000000+", utc(2028, 2, 29, 12, 0, 0, 0), false},
		{"ten minutes", "000000001000000R", now.Add(10 * time.Minute), false},
		{"the specification's example", "020610233429000R", now.AddDate(2, 6, 10).Add(23*time.Hour + 34*time.Minute + 29*time.Second), false},
		{"24 hours as hours", "000000240000000R", now.Add(24 * time.Hour), false},
		{"zero from now", "000000000000000R", now, false},
		{"a quarter of an hour ahead", "261123090000001+", utc(2026, 11, 23, 8, 45, 0, 0), false},
		{"Nepal", "261123090000023+", utc(2026, 11, 23, 3, 15, 0, 0), false},
		{"the most ahead, over a year's end", "270101110000048+", utc(2026, 12, 31, 23, 0, 0, 0), false},
		{"the most behind, over a leap day", "280228130000048-", utc(2028, 2, 29, 1, 0, 0, 0), false},
		{"zero behind", "261123090000000-", utc(2026, 11, 23, 9, 0, 0, 0), false},
		{"1999", "991231235959900+", utc(1999, 12, 31, 23, 59, 59, 900), false},
		{"2000, a leap year", "000229000000000+", utc(2000, 2, 29, 0, 0, 0, 0), false},
		{"a second", "000000000001000R", now.Add(time.Second), false},
		{"99 seconds", "000000000099000R", now.Add(99 * time.Second), false},
		{"tenths and quarters of a relative time do not count", "000000000100948R", now.Add(time.Minute), false},
		{"a month and a year", "010100000000000R", utc(2027, 12, 23, 8, 30, 0, 0), false},
		{"99 of all", "999999999999000R", utc(2134, 2, 23, 8, 30, 0, 0).AddDate(0, 0, 99).Add(99 * (time.Hour + time.Minute + time.Second)), false},
		{"12 characters, local", "261123090000", utc(2026, 11, 23, 8, 0, 0, 0), false},

		{"15 characters", "26112309000000+", time.Time{}, true},
		{"17 characters", "2611230900000000+", time.Time{}, true},
		{"13 characters", "2611230900000", time.Time{}, true},
		{"one blank", " ", time.Time{}, true},
		{"a blank for a digit", "26112309 0000000", time.Time{}, true},
		{"12 characters, no such day", "261131090000", time.Time{}, true},
		{"30 February, 2000", "000230000000000+", time.Time{}, true},
		{"29 February 1999", "990229000000000+", time.Time{}, true},
		{"R in lower case", "000000001000000r", time.Time{}, true},
		{"a letter", "2611230900x0000+", time.Time{}, true},
		{"a sign where a digit belongs", "-61123090000000+", time.Time{}, true},
		{"no such sign", "261123090000000Z", time.Time{}, true},
		{"month 13", "261323090000000+", time.Time{}, true},
		{"month 0", "260023090000000+", time.Time{}, true},
		{"no leap day", "260229120000000+", time.Time{}, true},
		{"hour 24", "261123240000000+", time.Time{}, true},
		{"minute 60", "261123096000000+", time.Time{}, true},
		{"second 60", "261123090060000+", time.Time{}, true},
		{"49 quarters", "261123090000049+", time.Time{}, true},
		{"not ASCII", "26112309000000é", time.Time{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTime(tt.in, now)
			if !got.Equal(tt.want) || (err != nil) != tt.bad {
				t.Errorf("ParseTime(%q) = %s, %v, want %s", tt.in, got, err, tt.want)
			}
		})
	}
}

// TestParseRelative: years and months by the calendar, days of 24 hours whatever the clocks of people do.
func TestParseRelative(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(y int, mon time.Month, d int) time.Time { return time.Date(y, mon, d, 12, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name, in  string
		now, want time.Time
	}{
		{"a month after January 31", "000100000000000R", at(2026, 1, 31), at(2026, 2, 28)},
		{"the same in a leap year", "000100000000000R", at(2028, 1, 31), at(2028, 2, 29)},
		{"a month and a day after it", "000101000000000R", at(2026, 1, 31), at(2026, 3, 1)},
		{"a year after a leap day", "010000000000000R", at(2028, 2, 29), at(2029, 2, 28)},
		{"four years after it", "040000000000000R", at(2028, 2, 29), at(2032, 2, 29)},
		{"14 months", "001400000000000R", at(2026, 12, 31), at(2028, 2, 29)},
		{"31 days", "000031000000000R", at(2026, 1, 31), at(2026, 3, 3)},
		{"a day as summer time begins", "000001000000000R", at(2026, 3, 28).In(berlin), at(2026, 3, 29)},
		{"a month over its beginning", "000100000000000R", at(2026, 3, 1).In(berlin), at(2026, 4, 1)},
		{"a day as it ends", "000001000000000R", at(2026, 10, 24).In(berlin), at(2026, 10, 25)},
	} {
		if got, err := ParseTime(tt.in, tt.now); err != nil || !got.Equal(tt.want) {
			t.Errorf("%s: %s after %s is %s, %v, want %s", tt.name, tt.in, tt.now, got, err, tt.want)
		}
	}
}

// TestParseLocal: twelve characters are in the time of the box, on whose zone is that of now.
func TestParseLocal(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*3600)
	got, err := ParseTime("260701120000", time.Date(2026, 7, 1, 0, 0, 0, 0, berlin))
	if want := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC); err != nil || !got.Equal(want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestFormatTime(t *testing.T) {
	if got := FormatTime(time.Time{}); got != "" {
		t.Errorf("the zero time: got %q", got)
	}
	at := time.Date(2026, 11, 23, 1, 30, 5, 999, time.FixedZone("CET", 3600))
	if got, want := FormatTime(at), "261123003005000+"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
