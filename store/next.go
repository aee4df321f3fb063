package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/sms"
)

// Bounds of one call of Next.
const (
	lookAgain  = 200  // rows of one lane and rank that are in the way for now only, and not for a busy recipient
	lookAtOnce = 5000 // rows that were not looked at before; then ErrMore
)

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
	// Busy tells of a recipient that nothing of the lane is to be given to for now: what Judge said NotNow of is not read
	// again before it is free. It must not call the DB, nor change its mind while Next is at work. nil: none is busy.
	Busy func(lane uint32, to sms.Address) bool
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

// Next gives the message whose turn it is: the lanes after the given one first, then from the lowest; within a lane
// by priority, then by acceptance. Lanes of accounts that are held, messages whose validity is over and those that the caller
// passes over are left out; of one lane and rank at most 200 that are passed over for now are gone through, beside those
// for busy recipients. ErrEmpty if there is none. ErrMore: there was too much to look at in one call; the next goes on
// from there, if there is a Bookmark. Nothing is changed: the same message is given again until it is claimed.
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
	if err != nil || owner == nil || owner.Held(n.now) {
		return nil, err
	}
	for rank := range uint8(numRanks) {
		if m := n.rank(lane, rank); m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// rank looks at what was passed over for now, then at what was not seen yet.
func (n *finder) rank(lane uint32, rank uint8) *Message {
	at := laneRank{lane, rank}
	seen := n.s.Seen.stretch(at)
	m, on := n.passed(at, seen)
	if !on {
		return m
	}
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
		switch seen.from = id + 1; {
		case verdict == Never:
		case n.busy(lane, m.Destination):
			seen.park(id, m.Destination)
		default:
			seen.again = append(seen.again, id)
		}
	}
	return nil
}

// passed looks, in order, at what was passed over before and may do by now: not at what is for a recipient that is busy.
// on is false if the message is found, or no more may be looked at.
func (n *finder) passed(at laneRank, seen *stretch) (m *Message, on bool) {
	free := seen.free(func(to sms.Address) bool { return n.busy(at.lane, to) })
	kept, rest := make([]ID, 0, min(len(seen.again), lookAgain)), seen.again
	for len(kept) < lookAgain && (len(rest) > 0 || len(free) > 0) {
		var id ID
		c := firstOf(free)
		if parked := c != nil && (len(rest) == 0 || c.first() <= rest[0]); !parked {
			c, id = nil, rest[0]
		} else if id = c.first(); len(c.ids) == 0 {
			seen.again = kept
			seen.rewind(id) // to rows for it that are not remembered
			return nil, true
		}
		m, verdict := n.judgePlace(Place{at.lane, at.rank, id})
		if verdict == Take {
			seen.again = append(kept, rest...)
			return m, false
		}
		if c != nil {
			c.ids = c.ids[1:]
			free = slices.DeleteFunc(free, (*crowd).empty)
		}
		if len(rest) > 0 && rest[0] == id {
			rest = rest[1:]
		}
		switch {
		case verdict == Never:
		case c == nil && n.busy(at.lane, m.Destination):
			seen.park(id, m.Destination)
			n.left--
		default:
			kept = append(kept, id)
		}
		if n.left < 0 {
			n.left = 0 // it may have been used up by another lane
			seen.again = append(kept, rest...)
			return nil, false
		}
	}
	seen.again = append(kept, rest...)
	return nil, len(seen.again) < lookAgain
}

func (n *finder) busy(lane uint32, to sms.Address) bool { return n.s.Busy != nil && n.s.Busy(lane, to) }

// judgePlace is judge for a row that may have left the queue.
func (n *finder) judgePlace(p Place) (*Message, Verdict) {
	k := placeKey(p)
	if at, _ := n.c.Seek(k); string(at) != string(k) {
		return nil, Never
	}
	return n.judge(k)
}

// judge reads the message of a row of the queue and tells what to do with it. With Never the message may be nil.
func (n *finder) judge(k []byte) (*Message, Verdict) {
	m, err := n.v.message(ID(binary.BigEndian.Uint64(k[5:])))
	switch {
	case err != nil:
		n.db.warnDamaged(fmt.Errorf("queue/%x: %w", k, err))
		return nil, Never
	case m.in.row != rowQueue || !bytes.Equal(k, queueKey(m)):
		n.db.warnRow(bQueue, k)
		return nil, Never
	case m.Due.After(n.now), !n.now.Before(m.Expires): // a clock that was wrong is put right one day
		return m, NotNow
	case n.contacts != nil && m.Line == "" && n.v.bucket(bContacts).Get(contactKey(n.contacts, m)) == nil:
		return nil, Never
	case n.s.Judge == nil:
		return m, Take
	}
	return m, n.s.Judge(m)
}
