package store

import (
	"slices"
	"sync"

	"smsgateway/sms"
)

const (
	// mostReturned is how many places a Bookmark keeps for a Next that does not come; beyond it all is looked at afresh.
	mostReturned = 1000
	// mostParked is how many rows a Bookmark remembers for one busy recipient: 8 KiB. Those behind are read again when
	// these are used up, so that a hundred thousand texts to one number are read once in a thousand of them.
	mostParked = 1000
)

// Bookmark remembers for one modem what of the queue it has seen, so that a hundred thousand messages for others, or to a
// busy recipient, at the head of a lane are read once and not at each pick. The zero value has seen nothing. One Next at a
// time may use it; Returned and Reset may be called at any time.
type Bookmark struct {
	lanes map[laneRank]*stretch // Next's own

	mu       sync.Mutex
	returned []Place
	reset    bool
}

type laneRank struct {
	lane uint32
	rank uint8
}

// stretch is what was seen of one rank of a lane.
type stretch struct {
	from   ID                     // rows below it were seen
	again  []ID                   // those of them that are to be looked at each time, in order
	crowds map[sms.Address]*crowd // and those that are to be looked at when their recipient is free
}

// crowd is what was seen for a recipient that was busy.
type crowd struct {
	ids  []ID // in order, 1000 at most
	more ID   // from here on rows for the recipient were seen that are not in ids; 0: all are
}

// Returned tells which messages came into the queue at another place than its end: see Change.
func (b *Bookmark) Returned(places []Place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.returned)+len(places) > mostReturned {
		b.returned, b.reset = nil, true
	}
	if !b.reset {
		b.returned = append(b.returned, places...)
	}
}

// Reset makes the next Next look at everything: what is for this modem has changed.
func (b *Bookmark) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.returned, b.reset = nil, true
}

// open brings the bookmark up to date. What returns from now on may be missing in what is read after it, and is kept
// for the next time.
func (b *Bookmark) open() {
	b.mu.Lock()
	returned, reset := b.returned, b.reset
	b.returned, b.reset = nil, false
	b.mu.Unlock()
	if reset || b.lanes == nil {
		b.lanes = make(map[laneRank]*stretch)
	}
	for _, p := range returned {
		s := b.lanes[laneRank{p.Lane, p.Rank}]
		if s == nil || p.ID >= s.from {
			continue // it will be met
		}
		if at, there := slices.BinarySearch(s.again, p.ID); !there {
			s.again = slices.Insert(s.again, at, p.ID)
		}
	}
}

func (b *Bookmark) stretch(at laneRank) *stretch {
	s := b.lanes[at]
	if s == nil {
		s = new(stretch)
		b.lanes[at] = s
	}
	return s
}

// tidy forgets a stretch that says nothing: of a hundred thousand accounts most have their first message taken.
func (b *Bookmark) tidy(at laneRank) {
	if s := b.lanes[at]; s.from == 0 && len(s.again) == 0 && len(s.crowds) == 0 {
		delete(b.lanes, at)
	}
}

// park remembers a row until its recipient is free. Where rows for the recipient are not remembered, none behind them is,
// or it would be sent before them.
func (s *stretch) park(id ID, to sms.Address) {
	c := s.crowds[to]
	if c == nil {
		if c = new(crowd); s.crowds == nil {
			s.crowds = make(map[sms.Address]*crowd)
		}
		s.crowds[to] = c
	}
	at, there := slices.BinarySearch(c.ids, id)
	if there || c.more != 0 && id >= c.more {
		return
	}
	if c.ids = slices.Insert(c.ids, at, id); len(c.ids) > mostParked {
		c.ids, c.more = c.ids[:mostParked], c.ids[mostParked]
	}
}

// free lists the crowds whose recipient is not busy any more.
func (s *stretch) free(busy func(sms.Address) bool) (list []*crowd) {
	for to, c := range s.crowds {
		switch {
		case c.empty():
			delete(s.crowds, to)
		case !busy(to):
			list = append(list, c)
		}
	}
	return list
}

// rewind forgets what was seen from a row on: it is read once more.
func (s *stretch) rewind(id ID) {
	s.from = id
	at, _ := slices.BinarySearch(s.again, id)
	s.again = s.again[:at]
	for _, c := range s.crowds {
		at, _ := slices.BinarySearch(c.ids, id)
		if c.ids = c.ids[:at]; c.more >= id {
			c.more = 0
		}
	}
}

func (c *crowd) empty() bool { return len(c.ids) == 0 && c.more == 0 }

// first gives the first row, which is to be read once more if it is not in ids.
func (c *crowd) first() ID {
	if len(c.ids) > 0 {
		return c.ids[0]
	}
	return c.more
}

// firstOf gives the crowd with the lowest row; nil if there is none.
func firstOf(list []*crowd) (first *crowd) {
	for _, c := range list {
		if first == nil || c.first() < first.first() {
			first = c
		}
	}
	return first
}
