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
	age := db.accounts.age.Load()
	err := db.view(func(v *reader) error {
		n := &finder{db: db, v: v, c: v.bucket(bQueue).Cursor(), s: s, now: now, left: lookAtOnce, age: age}
		if s.Contacts != "" {
			if err := n.openContacts(); err != nil {
				return err
			}
		}
		lane, wrapped := s.After, false
		for {
			var k []byte
			if lane != 1<<32-1 {
				k, _ = n.c.Seek(n.at(Place{Lane: lane + 1})[:4])
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
	age      uint64 // of what is known of accounts, before the transaction began
	key      [13]byte
}

// at is placeKey; it lasts until the next call.
func (n *finder) at(p Place) []byte {
	binary.BigEndian.PutUint32(n.key[:], p.Lane)
	n.key[4] = p.Rank
	binary.BigEndian.PutUint64(n.key[5:], uint64(p.ID))
	return n.key[:]
}

func (n *finder) empty() error {
	if n.left == 0 {
		return ErrMore
	}
	return ErrEmpty
}

// lane looks through one lane; nil if nothing of it may be sent. The account is read last: of most lanes nothing is new since
// the last pick, and there may be a hundred thousand.
func (n *finder) lane(lane uint32) (*Message, error) {
	known := false
	for rank := range uint8(numRanks) {
		at := laneRank{lane, rank}
		if !n.any(at) {
			continue
		}
		if !known {
			if held, err := n.held(lane); held || err != nil {
				return nil, err
			}
			known = true
		}
		if m := n.rank(at); m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// any tells whether there is a row of this lane and rank that is to be judged.
func (n *finder) any(at laneRank) bool {
	from := ID(0)
	if seen := n.s.Seen.lanes[at]; seen != nil {
		if from = seen.from; len(seen.again) > 0 || len(n.free(at, seen)) > 0 {
			return true
		}
	}
	first := n.at(Place{at.lane, at.rank, from})
	k, _ := n.c.Seek(first)
	return k != nil && string(k[:5]) == string(first[:5])
}

// held tells whether nothing of a lane may be sent because of its account.
func (n *finder) held(lane uint32) (bool, error) {
	if held, known := n.db.accounts.held(lane, n.now); known {
		return held, nil
	}
	owner, err := n.v.accountOfLane(lane)
	switch {
	case errors.Is(err, ErrDamaged):
		n.db.warnDamaged(err) // the other lanes can go on
		return true, nil
	case err != nil || owner == nil:
		return true, err
	}
	n.db.accounts.keep(*owner, n.age)
	return owner.Held(n.now), nil
}

// rank looks at what was passed over for now, then at what was not seen yet.
func (n *finder) rank(at laneRank) *Message {
	seen := n.s.Seen.stretch(at)
	defer n.s.Seen.tidy(at)
	m, on := n.passed(at, seen)
	if !on {
		return m
	}
	first := n.at(Place{at.lane, at.rank, seen.from})
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
		case n.busy(at.lane, m.Destination):
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
	free := n.free(at, seen)
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

func (n *finder) free(at laneRank, seen *stretch) []*crowd {
	return seen.free(func(to sms.Address) bool { return n.busy(at.lane, to) })
}

func (n *finder) busy(lane uint32, to sms.Address) bool { return n.s.Busy != nil && n.s.Busy(lane, to) }

// judgePlace is judge for a row that may have left the queue.
func (n *finder) judgePlace(p Place) (*Message, Verdict) {
	k := n.at(p)
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
