package smpp

import "time"

// seldomSpan is how often a seldom speaks.
const seldomSpan = time.Minute

// seldom lets one line a minute into the log of many that are alike. Its owner has the lock. The zero value is ready.
type seldom struct {
	next   time.Time
	untold int
}

// tell says whether to log, and how many times it was not done since.
func (l *seldom) tell(now time.Time) (others int, ok bool) {
	if now.Before(l.next) {
		l.untold++
		return 0, false
	}
	others, l.untold = l.untold, 0
	l.next = now.Add(seldomSpan)
	return others, true
}
