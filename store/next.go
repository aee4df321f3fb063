package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of one call of Next.
const (
	lookAgain  = 200  // rows of one lane and rank that are in the way for now only
	lookAtOnce = 5000 // rows that were not looked at before; then ErrMore
)

// mostReturned is how many places a Bookmark keeps for a Next that does not come; beyond it all is looked at afresh.
const mostReturned = 1000

// Verdict is what the caller of Next says of a message.
type Verdict uint8

// The verdicts.
const (
	Take   Verdict = iota
	NotNow         // passed over this time: it is busy, or does not fit at the moment
	Never          // passed over until the Bookmark is reset, or the message has left the queue and come back
)

// Search says what Next is to look for.
type Search struct {
	After uint32                 // the lane that had its turn last
	Judge func(*Message) Verdict // nil: takes any. It must not call the DB
	// Contacts is a SIM: only recipients among its contacts of this month will do. "": any.
	Contacts string
	Seen     *Bookmark // nil: nothing is remembered
}

// Place is where a message stands in the queue.
type Place struct {
	Lane uint32
	Rank uint8 // lower goes first
	ID   ID
}

// Bookmark remembers for one modem what of the queue it has seen, so that a hundred thousand messages for others at
// the head of a lane are read once and not at each pick. The zero value has seen nothing. One Next at a time may use
// it; Returned and Reset may be called at any time.
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
	from  ID   // rows below it were seen
	again []ID // those of them that are to be looked at each time, in order
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

func (b *Bookmark) stretch(lane uint32, rank uint8) *stretch {
	s := b.lanes[laneRank{lane, rank}]
	if s == nil {
		s = &stretch{}
		b.lanes[laneRank{lane, rank}] = s
	}
	return s
}

// Next gives the message whose turn it is: the lanes after the given one first, then from the lowest; within a lane
// by priority, then by acceptance. Lanes of disabled accounts, messages whose validity is over and those that the caller
// passes over are left out; of one lane and rank at most 200 that are passed over for now are gone through. ErrEmpty if
// there is none. ErrMore: there was too much to look at in one call; the next goes on from there, if there is a
// Bookmark. Nothing is changed: the same message is given again until it is claimed.
func (db *DB) Next(now time.Time, s Search) (*Message, error) {
	if s.Seen == nil {
		s.Seen = new(Bookmark)
	}
	s.Seen.open()
	var next *Message
	err := db.view(func(v *reader) error {
		n := &finder{db: db, v: v, c: v.bucket(bQueue).Cursor(), s: s, now: now, left: lookAtOnce}
		if s.Contacts != "" {
			if err := n.openContacts(); err != nil {
				return err
			}
		}
		lane, wrapped := s.After, false
		for {
			var k []byte
			if lane != 1<<32-1 {
				k, _ = n.c.Seek(laneKey(lane + 1))
			}
			switch {
			case k == nil && wrapped:
				return n.empty()
			case k == nil:
				lane, wrapped = 0, true
				continue
			}
			lane = binary.BigEndian.Uint32(k)
			if wrapped && lane > s.After {
				return n.empty()
			}
			var err error
			if next, err = n.lane(lane); next != nil || err != nil {
				return err
			}
		}
	})
	return next, err
}

// finder is one call of Next.
type finder struct {
	db       *DB
	v        *reader
	c        *bolt.Cursor
	s        Search
	now      time.Time
	left     int    // new rows that may be looked at
	contacts []byte // prefix of the keys of those that will do; nil: all
}

func (n *finder) empty() error {
	if n.left == 0 {
		return ErrMore
	}
	return ErrEmpty
}

// lane looks through one lane; nil if nothing of it may be sent.
func (n *finder) lane(lane uint32) (*Message, error) {
	owner, err := n.v.accountOfLane(lane)
	if errors.Is(err, ErrDamaged) {
		n.db.warnDamaged(err) // the other lanes can go on
		return nil, nil
	}
	if err != nil || owner == nil || owner.Disabled {
		return nil, err
	}
	for rank := range uint8(numRanks) {
		if m := n.rank(lane, rank); m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// rank looks at what has to be looked at each time, then at what was not seen yet.
func (n *finder) rank(lane uint32, rank uint8) *Message {
	seen := n.s.Seen.stretch(lane, rank)
	again := seen.again[:0]
	for i, id := range seen.again {
		if len(again) == lookAgain {
			seen.again = append(again, seen.again[i:]...)
			return nil
		}
		k := placeKey(Place{lane, rank, id})
		if at, _ := n.c.Seek(k); string(at) != string(k) {
			continue // it has left the queue
		}
		m, verdict := n.judge(k)
		switch verdict {
		case Take:
			seen.again = append(again, seen.again[i:]...)
			return m
		case NotNow:
			again = append(again, id)
		}
	}
	seen.again = again
	first := placeKey(Place{lane, rank, seen.from})
	for k, _ := n.c.Seek(first); k != nil && string(k[:5]) == string(first[:5]); k, _ = n.c.Next() {
		if len(seen.again) >= lookAgain || n.left == 0 {
			return nil
		}
		m, verdict := n.judge(k)
		if verdict == Take {
			return m
		}
		n.left--
		id := ID(binary.BigEndian.Uint64(k[5:]))
		if seen.from = id + 1; verdict == NotNow {
			seen.again = append(seen.again, id)
		}
	}
	return nil
}

// judge reads the message of a row of the queue and tells what to do with it.
func (n *finder) judge(k []byte) (*Message, Verdict) {
	m, err := n.v.message(ID(binary.BigEndian.Uint64(k[5:])))
	switch {
	case err != nil:
		n.db.warnDamaged(fmt.Errorf("queue/%x: %w", k, err))
		return nil, Never
	case m.in.row != rowQueue, m.Due.After(n.now), !n.now.Before(m.Expires): // a clock that was wrong is put right one day
		return nil, NotNow
	case n.contacts != nil && m.Line == "" && n.v.bucket(bContacts).Get(contactKey(n.contacts, m)) == nil:
		return nil, Never
	case n.s.Judge == nil:
		return m, Take
	}
	return m, n.s.Judge(m)
}
