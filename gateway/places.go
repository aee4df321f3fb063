package gateway

import "sync"

// Bounds of the places of rows of the outbox that are known in memory, however many rows wait on disk. A place takes about
// 230 octets: with 1000 sessions, each of an account of its own that takes nothing, that is 80 MB.
const (
	outboxOwn   = 250     // that an account can always have
	outboxKnown = 20_000  // that it can have at most
	outboxAll   = 100_000 // of all accounts together, beyond what is their own
)

// places counts these for all accounts. Of what is common an account gets more only as long as it would not have more than
// is left for the others (dynamic thresholds: Choudhury and Hahne, 1998): one alone finds nothing in its way, and those that
// take all they can leave something to each that comes after them.
type places struct {
	mu   sync.Mutex
	used int // of what is common
}

// take gives an account that has so many places more of them, at most want.
func (p *places) take(has, want int) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	common := commonPlaces(has)
	left := outboxAll - p.used
	n = max(outboxOwn-has, 0) + max(left-common, 0)/2
	n = max(min(n, want, outboxKnown-has), 0)
	p.used += commonPlaces(has+n) - common
	return n
}

// give takes back n of the places that an account has.
func (p *places) give(has, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= commonPlaces(has) - commonPlaces(has-n)
}

// commonPlaces is how many of the places of an account are not its own.
func commonPlaces(has int) int { return max(has-outboxOwn, 0) }
