package sms

import "time"

// AbsoluteVP is the end of validity as an absolute TP-VP, for Submit.VPRaw: to the second, with the zone of t (TS 23.040
// §9.2.3.12.2). The error, a *FieldError, says that two digits can't write its year.
func AbsoluteVP(t time.Time) ([]byte, error) {
	w := newWriter(nil)
	w.timestamp("TP-VP", t)
	return w.done()
}

// RelativeValidity is how long a message is valid with the relative TP-VP that Submit.Validity d becomes: in steps of 5
// minutes up to 12 hours, of half an hour up to a day, of a day up to 30 days, then of a week.
func RelativeValidity(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return validityOf(relativeVP(d))
}

// Formats of an enhanced TP-VP, in the low three bits of its first octet (§9.2.3.12.3).
const (
	enhancedMask     = 0x07
	enhancedRelative = 1 // an octet as of the relative form
	enhancedSeconds  = 2 // an octet, 1 to 255
	enhancedClock    = 3 // three octets of two swapped digits: hours, minutes, seconds
)

// Until is when the message expires, if the message centre took it then; zero if it does not say so, or not in a way that
// can be read.
func (p Submit) Until(taken time.Time) time.Time {
	switch {
	case p.Validity > 0:
		return taken.Add(RelativeValidity(p.Validity))
	case len(p.VPRaw) != timestampOctets:
		return time.Time{}
	case !p.VPEnhanced:
		r := reader{octets: p.VPRaw}
		return r.timestamp("TP-VP")
	}
	switch vp := p.VPRaw[1]; p.VPRaw[0] & enhancedMask {
	case enhancedRelative:
		return taken.Add(validityOf(vp))
	case enhancedSeconds:
		if vp > 0 {
			return taken.Add(time.Duration(vp) * time.Second)
		}
	case enhancedClock:
		var d time.Duration
		for i, unit := range [...]time.Duration{time.Hour, time.Minute, time.Second} {
			tens, units := p.VPRaw[1+i]&0xF, p.VPRaw[1+i]>>4
			if tens > 9 || units > 9 {
				return time.Time{}
			}
			d += time.Duration(10*tens+units) * unit
		}
		if d > 0 {
			return taken.Add(d)
		}
	}
	return time.Time{}
}
