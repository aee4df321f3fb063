package gateway

import (
	"log/slog"
	"maps"
	"sync"
	"time"

	"smsgateway/smpp"
)

// sayAgain is how often the log says that requests of one account are refused for one reason.
const sayAgain = time.Minute

// rejections counts what was refused since the start, by account and reason. The log has each of them once, and then once a
// minute with their number: a client that tries a thousand times a second must not drown it.
type rejections struct {
	mu     sync.Mutex
	byLane map[uint32]map[string]*rejection
}

type rejection struct {
	total, unsaid uint64
	next          time.Time    // not said before
	log           *slog.Logger // this, and what follows, of the last one
	status        smpp.Status
	args          []any
}

// note counts one. The reasons are few: the limits, the statuses, and the requests that submit nothing. args are for the log,
// and tell of this one.
func (r *rejections) note(log *slog.Logger, lane uint32, what string, status smpp.Status, now time.Time, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byLane[lane] == nil {
		r.byLane[lane] = make(map[string]*rejection)
	}
	n := r.byLane[lane][what]
	if n == nil {
		n = &rejection{}
		r.byLane[lane][what] = n
	}
	n.total++
	n.unsaid++
	n.log, n.status, n.args = log, status, args
	n.say(what, now)
}

// say logs what was not said yet, if it is time.
func (n *rejection) say(what string, now time.Time) {
	if n.unsaid == 0 || now.Before(n.next) && n.next.Sub(now) <= sayAgain { // else the clock was set back
		return
	}
	args := append([]any{"reason", what, "status", n.status.String(), "times", n.unsaid, "since_start", n.total}, n.args...)
	n.log.Warn("requests refused", args...)
	n.unsaid, n.next = 0, now.Add(sayAgain)
}

// flush says what is left to be said.
func (r *rejections) flush(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reasons := range r.byLane {
		for what, n := range reasons {
			n.say(what, now)
		}
	}
}

// of tells how often requests of an account were refused since the start, by reason.
func (r *rejections) of(lane uint32) map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]uint64)
	for what, n := range maps.All(r.byLane[lane]) {
		all[what] = n.total
	}
	return all
}

func (r *rejections) forget(lane uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byLane, lane)
}
