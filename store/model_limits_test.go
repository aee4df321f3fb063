package store

import "time"

// modelTaken is a message that was taken in, whatever became of it.
type modelTaken struct {
	lane  uint32
	at    time.Time
	parts int
}

// refuses names the limit that keeps messages out, "" for none.
func (o *model) refuses(lane uint32, now time.Time, n newcomers) string {
	now = now.In(o.opt.Zone)
	limits := o.limits[lane]
	queued, tooOld := 0, false
	for _, other := range o.messages {
		if other.lane != lane {
			continue
		}
		if other.state == Queued || other.state == Claimed || other.state == Partial {
			queued++
		}
		if other.waits() && !other.due.After(now) {
			tooOld = tooOld || now.Sub(other.accepted) > limits.MaxQueueAge && now.Sub(other.due) > limits.MaxQueueAge
		}
	}
	today, month := n.parts, n.parts
	for _, t := range o.taken {
		at := t.at.In(o.opt.Zone)
		if t.lane == lane && at.Format("2006-01") == now.Format("2006-01") {
			month += t.parts
			if at.Day() == now.Day() {
				today += t.parts
			}
		}
	}
	switch {
	case n.messages > 0 && limits.MaxQueued > 0 && queued-n.replaced+n.messages > limits.MaxQueued:
		return LimitQueued
	case n.messages > 0 && limits.MaxQueueAge > 0 && tooOld:
		return LimitQueueAge
	case limits.PerDay > 0 && today > limits.PerDay:
		return LimitPerDay
	case limits.PerMonth > 0 && month > limits.PerMonth:
		return LimitPerMonth
	}
	return fine
}

// held tells whether nothing of a lane may be sent.
func (o *model) held(lane uint32, now time.Time) bool {
	return o.disabled[lane] || !o.expires[lane].IsZero() && !now.Before(o.expires[lane])
}
