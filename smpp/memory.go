package smpp

import (
	"context"
	"sync"
)

const (
	// ownShare is how many octets of requests in work a session has for itself: about 100 short texts.
	ownShare = 32 << 10
	// perRequest is what a request takes beside its octets, about, and perTLV what each of its optional parameters does, which
	// may have as few as four octets.
	perRequest = 200
	perTLV     = 32
	// mostFree is the most octets of a request that is free as its session's only one. A submit_multi may be more.
	mostFree = 128 << 10
)

// weight is what a request counts: its octets, and those again for each destination that a message is made for.
func weight(body Body, octets int) int {
	switch p := body.(type) {
	case *SubmitSM:
		return octets + perTLV*len(p.TLVs)
	case *DataSM:
		return octets + perTLV*len(p.TLVs)
	case *ReplaceSM:
		return octets + perTLV*len(p.TLVs)
	case *SubmitMulti:
		return octets*max(len(p.Destinations), 1) + perTLV*len(p.TLVs)
	}
	return octets
}

// budget is what the requests in work of all sessions may take together, beyond the share that each session has for itself.
// Whoever finds it used up waits, and reads nothing meanwhile; who came first goes first. A session waits for one request
// at a time, so those that want much take turns. The zero value is ready.
type budget struct {
	mu      sync.Mutex
	used    int64
	waiting []*claim
}

// claim is a request that waits for its part of a budget.
type claim struct {
	octets, limit int64
	granted       chan struct{}
}

// fits tells whether a claim may be granted now: one is always, that is more than all.
func (b *budget) fits(c *claim) bool { return b.used == 0 || b.used+c.octets <= c.limit }

// take waits for octets of limit.
func (b *budget) take(ctx context.Context, octets, limit int64) error {
	c := &claim{octets: octets, limit: limit}
	b.mu.Lock()
	if len(b.waiting) == 0 && b.fits(c) {
		b.used += octets
		b.mu.Unlock()
		return nil
	}
	c.granted = make(chan struct{})
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.waiting {
		if other == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.grant() // the next may be smaller
			return context.Cause(ctx)
		}
	}
	b.used -= octets // it was granted meanwhile
	b.grant()
	return context.Cause(ctx)
}

// give returns what was taken.
func (b *budget) give(octets int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= octets
	b.grant()
}

func (b *budget) grant() {
	for len(b.waiting) > 0 && b.fits(b.waiting[0]) {
		b.used += b.waiting[0].octets
		close(b.waiting[0].granted)
		b.waiting[0] = nil
		b.waiting = b.waiting[1:]
	}
}

// charge is what a request in work counts: for its session, and of that from the budget of all.
type charge struct{ octets, shared int64 }

// charge counts a request of so many octets, and waits while the budget is used up. A session's first ownShare octets, and
// its only request, are free: so a session that asks for little never waits for those that ask for much, and
// each of them goes on.
func (s *Session) charge(ctx context.Context, octets int) (charge, error) {
	c := charge{octets: int64(octets) + perRequest}
	if total := s.inWork.Add(c.octets); total > ownShare && (total > c.octets || total > mostFree) {
		if err := s.memory.take(ctx, c.octets, s.maxMemory); err != nil {
			s.inWork.Add(-c.octets)
			return charge{}, err
		}
		c.shared = c.octets
	}
	return c, nil
}

// discharge is for a request that is answered, or never will be.
func (s *Session) discharge(c charge) {
	s.inWork.Add(-c.octets)
	if c.shared > 0 {
		s.memory.give(c.shared)
	}
}
