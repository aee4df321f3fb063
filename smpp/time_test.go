package smpp

import (
	"testing"
	"time"
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
		{"12 characters, local", "261123090000", utc(2026, 11, 23, 8, 0, 0, 0), false},

		{"15 characters", "26112309000000+", time.Time{}, true},
		{"17 characters", "2611230900000000+", time.Time{}, true},
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

func TestFormatTime(t *testing.T) {
	if got := FormatTime(time.Time{}); got != "" {
		t.Errorf("the zero time: got %q", got)
	}
	at := time.Date(2026, 11, 23, 1, 30, 5, 999, time.FixedZone("CET", 3600))
	if got, want := FormatTime(at), "261123003005000+"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
