package sms

import "time"

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// relativeVP is the smallest relative TP-VP (TS 23.040 §9.2.3.12.1) that is not shorter than d, or the longest there is:
// 63 weeks. d is positive.
func relativeVP(d time.Duration) byte {
	switch {
	case d <= 12*time.Hour:
		return byte(steps(d, 5*time.Minute) - 1)
	case d <= day:
		return byte(143 + steps(d-12*time.Hour, 30*time.Minute))
	case d <= 30*day:
		return byte(166 + steps(d, day))
	}
	return byte(min(192+steps(d, week), 255))
}

// steps is how many steps are needed to cover d.
func steps(d, step time.Duration) int {
	n := int(d / step)
	if d%step > 0 {
		n++
	}
	return n
}

// validityOf is how long a relative TP-VP lasts.
func validityOf(vp byte) time.Duration {
	v := time.Duration(vp)
	switch {
	case v <= 143:
		return (v + 1) * 5 * time.Minute
	case v <= 167:
		return 12*time.Hour + (v-143)*30*time.Minute
	case v <= 196:
		return (v - 166) * day
	}
	return (v - 192) * week
}

// quarter is the unit of a timestamp's zone; zoneSign, in its octet, says west of Greenwich.
const (
	quarter     = 15 * 60 // seconds
	maxQuarters = 79
	zoneSign    = 0x08
)

// pivot is the first year that a timestamp's two digits can mean: SMS is not older.
const pivot = 1990

// timestamp reads TP-SCTS or TP-DT (§9.2.3.11): year, month, day, hour, minute, second, zone in quarter hours, each two
// swapped digits. It is zero if these are no time: there are message centres that send zeros or FF.
func (r *reader) timestamp(field string) time.Time {
	octets := r.take(field, timestampOctets)
	if octets == nil {
		return time.Time{}
	}
	var v [timestampOctets]int
	for i, o := range octets {
		tens, units := int(o&0xF), int(o>>4)
		if i == timestampOctets-1 {
			tens &^= zoneSign
		}
		if tens > 9 || units > 9 {
			return time.Time{}
		}
		v[i] = 10*tens + units
	}
	year := pivot/100*100 + v[0]
	if year < pivot {
		year += 100
	}
	zone := v[6] * quarter
	if octets[6]&zoneSign != 0 {
		zone = -zone
	}
	t := time.Date(year, time.Month(v[1]), v[2], v[3], v[4], v[5], 0, location(zone))
	if t.Month() != time.Month(v[1]) || t.Day() != v[2] || t.Hour() != v[3] || t.Minute() != v[4] || t.Second() != v[5] {
		return time.Time{} // a 30th of February or a 25th hour
	}
	return t
}

// timestamp writes t with its zone, to the quarter of an hour; the zero time is all zeros, which parses to it again.
func (w *writer) timestamp(field string, t time.Time) {
	if t.IsZero() {
		w.octets = append(w.octets, make([]byte, timestampOctets)...)
		return
	}
	_, seconds := t.Zone()
	quarters := max(-maxQuarters, min(seconds/quarter, maxQuarters))
	t = t.In(location(quarters * quarter))
	if t.Year() < pivot || t.Year() >= pivot+100 {
		w.fail(field, "the year %d: only %d to %d can be written", t.Year(), pivot, pivot+99)
		return
	}
	for _, v := range [...]int{t.Year() % 100, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()} {
		w.octet(swapped(v))
	}
	if quarters < 0 {
		w.octet(swapped(-quarters) | zoneSign)
		return
	}
	w.octet(swapped(quarters))
}

// swapped is a number of two digits, tens in the low nibble.
func swapped(v int) byte {
	return byte(v%10<<4 | v/10)
}

// location is the zone that many seconds east of Greenwich.
func location(seconds int) *time.Location {
	if seconds == 0 {
		return time.UTC
	}
	return time.FixedZone("", seconds)
}
