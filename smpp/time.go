package smpp

import (
	"fmt"
	"strings"
	"time"
)

// ParseTime reads a time of SMPP (§7.1.1): "" is the zero time; `YYMMDDhhmmsstnnp` with p + or - is absolute, to a tenth of
// a second, nn quarter hours ahead of or behind UTC; with p R it is that far after now. Years from 38 are 19xx until
// 2036, and later those that are nearest to now. Twelve
// characters `YYMMDDhhmmss`, which occur in the field, are in the location of now.
//
// A relative time may use any two digits in each place: 24 hours as 24 in hh is common. Its years and months go by the
// calendar, in UTC, and end with the last day of a shorter month (a month after January 31 is the end of February); then come
// days of 24 hours and the rest. Its last three digits are to be 000, and do not count.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if len(s) != 16 && len(s) != 12 {
		return time.Time{}, fmt.Errorf("time of %d characters: 16 wanted, or none", len(s))
	}
	digits := s[:min(len(s), 15)]
	if i := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' }); i >= 0 {
		return time.Time{}, fmt.Errorf("time: character %d is not a digit", i+1)
	}
	var f [6]int // year, month, day, hours, minutes, seconds
	for i := range f {
		f[i] = twoDigits(s[2*i:])
	}
	if len(s) == 12 {
		return date(f, 0, now.Location(), now)
	}
	tenths, quarters := int(s[12]-'0'), twoDigits(s[13:])
	east := 1
	switch s[15] {
	case 'R':
		clock := time.Duration(f[3])*time.Hour + time.Duration(f[4])*time.Minute + time.Duration(f[5])*time.Second
		return addMonths(now, 12*f[0]+f[1]).AddDate(0, 0, f[2]).Add(clock), nil
	case '+':
	case '-':
		east = -1
	default:
		return time.Time{}, fmt.Errorf("time: character 16 is none of + - R")
	}
	if quarters > 48 {
		return time.Time{}, fmt.Errorf("time: %d quarter hours from UTC, 48 are the most", quarters)
	}
	return date(f, tenths, time.FixedZone("", east*quarters*15*60), now)
}

// addMonths goes on by so many months of the calendar of UTC, and not beyond the month's end.
func addMonths(t time.Time, n int) time.Time {
	t = t.UTC()
	on := t.AddDate(0, n, 0)
	if on.Day() != t.Day() { // it ran over into the next month
		return on.AddDate(0, 0, -on.Day())
	}
	return on
}

// date makes an absolute time of year, month, day, hours, minutes and seconds, and refuses what the calendar does not have.
func date(f [6]int, tenths int, loc *time.Location, now time.Time) (time.Time, error) {
	year := 2000 + f[0]
	if f[0] >= 38 && now.Year() < 2037 {
		year -= 100
	}
	for now.Year() >= 2037 && year < now.Year()-50 {
		year += 100
	}
	day := time.Date(year, time.Month(f[1]), f[2], 0, 0, 0, 0, time.UTC)
	if int(day.Month()) != f[1] || day.Day() != f[2] || f[3] > 23 || f[4] > 59 || f[5] > 59 {
		return time.Time{}, fmt.Errorf("time: no such date or time of day")
	}
	return time.Date(year, time.Month(f[1]), f[2], f[3], f[4], f[5], tenths*int(100*time.Millisecond), loc).UTC(), nil
}

func twoDigits(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// FormatTime writes an absolute time in UTC to the second, `YYMMDDhhmmss000+`; "" for the zero time. Always 16 characters:
// some clients lose their session over the 12 that the specification also mentions.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("060102150405") + "000+"
}
