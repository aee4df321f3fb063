package gateway

import (
	"context"
	"sync"
)

// authQueue is how many binds may wait for their turn to be hashed. Beyond it binds are refused unhashed, so that
// strangers who guess passwords cost neither memory nor the processor.
const authQueue = 64

// turns lets one of many at a time do something costly: first those who are known, then strangers; of each, who was not
// served for the longest time, so that a crowd of one applicant waits behind itself. When too many wait, the last of the
// largest crowd of strangers is sent away. The zero value is ready.
type turns struct {
	mu      sync.Mutex
	busy    bool
	waiting []*waiter
	served  map[applicant]uint64 // of those with somebody waiting: when last
	clock   uint64
}

// waiter is one who waits.
type waiter struct {
	who     applicant
	granted chan bool // false: sent away
}

// take waits for a turn. errAuthBusy: too many wait.
func (q *turns) take(ctx context.Context, who applicant) error {
	t := q.enter(who)
	if t == nil {
		return nil
	}
	select {
	case granted := <-t.granted:
		if !granted {
			return errAuthBusy
		}
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.remove(t) && <-t.granted { // it was granted meanwhile
		q.next()
	}
	return ctx.Err()
}

// enter lines up; nil: it is one's turn.
func (q *turns) enter(who applicant) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.busy {
		q.busy = true
		return nil
	}
	t := &waiter{who: who, granted: make(chan bool, 1)}
	q.waiting = append(q.waiting, t)
	if len(q.waiting) > authQueue {
		last := q.superfluous()
		q.remove(last)
		last.granted <- false
	}
	return t
}

// leave ends a turn.
func (q *turns) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next gives the turn on.
func (q *turns) next() {
	var best *waiter
	for _, t := range q.waiting {
		if best == nil || q.before(t, best) {
			best = t
		}
	}
	if best == nil {
		q.busy = false
		return
	}
	q.clock++
	if q.served == nil {
		q.served = make(map[applicant]uint64)
	}
	q.served[best.who] = q.clock
	q.remove(best)
	best.granted <- true
}

// before tells whether a, who may have come later, is served before b.
func (q *turns) before(a, b *waiter) bool {
	if known := a.who.known != ""; known != (b.who.known != "") {
		return known
	}
	return q.served[a.who] < q.served[b.who]
}

// superfluous is who has to go when there are too many.
func (q *turns) superfluous() *waiter {
	crowd := make(map[applicant]int)
	var most *waiter
	for _, t := range q.waiting {
		crowd[t.who]++
		switch {
		case most == nil, most.who.known != "" && t.who.known == "":
			most = t
		case most.who.known == "" && t.who.known != "":
		case crowd[t.who] >= crowd[most.who]:
			most = t
		}
	}
	return most
}

// remove takes one out of the line. False: it was not there any more.
func (q *turns) remove(t *waiter) bool {
	found, more := false, false
	for i := 0; i < len(q.waiting); i++ {
		switch w := q.waiting[i]; {
		case w == t:
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			found = true
			i--
		case w.who == t.who:
			more = true
		}
	}
	if !more {
		delete(q.served, t.who)
	}
	return found
}
