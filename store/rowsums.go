package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// rowSums tells whether the indexes fit the records, in one pass over all pages in any order: for each bucket whose rows
// have no value, and so no checksum, the sum of the digests of the rows that are there, and of those that the records ask for.
type rowSums struct {
	seed      maphash.Seed
	got, want [numBuckets]uint64
	gone      map[ID]bool // when their timers are due is not noted in them
	timers    [][16]byte  // which are whose is known at the end
	text      []byte      // digest of the long text whose part was read last
	bad       []error     // records that can't be read
}

// row takes note of a row, and reads its record.
func (s *rowSums) row(b bucket, key, value []byte) {
	index := b == bFragments && isAge(key) || b == bResubmits && isForget(key)
	switch {
	case b == bTimers:
		s.timers = append(s.timers, [16]byte(key))
		return
	case index || valueless(b):
		s.got[b] += maphash.Bytes(s.seed, key)
		return
	}
	f, err := unseal(b, key, value)
	if err == nil {
		err = s.record(b, key, value, f)
	}
	if err != nil && len(s.bad) < mostNamed {
		s.bad = append(s.bad, err)
	}
}

// misfits lists the buckets whose rows are not those that the records ask for.
func (s *rowSums) misfits() (list []bucket) {
	for _, k := range s.timers {
		if !s.gone[ID(binary.BigEndian.Uint64(k[8:]))] {
			s.got[bTimers] += maphash.Bytes(s.seed, k[:])
		}
	}
	for b := range numBuckets {
		if s.got[b] != s.want[b] {
			list = append(list, b)
		}
	}
	return list
}

func (s *rowSums) ask(b bucket, key []byte) { s.want[b] += maphash.Bytes(s.seed, key) }

// record adds the rows that a record asks for.
func (s *rowSums) record(b bucket, key, value []byte, f *fields) error {
	switch {
	case b == bMessages:
		m, err := decodeMessage(key, value)
		if err != nil {
			return err
		}
		s.message(m)
	case b == bGone:
		s.gone[ID(binary.BigEndian.Uint64(key))] = true
	case b == bFragments && len(key) == 18 && !bytes.Equal(s.text, key[1:17]): // the parts of a text follow one another
		since, in := f.time(), decodeInbound(f)
		if err := f.end(); err != nil {
			return err
		}
		s.text = bytes.Clone(key[1:17])
		s.ask(b, ageKey(in.Line, since, s.text))
	case b == bResubmits && len(key) > 0 && key[0] == rowSubmitted:
		f.take(8 + 6) // id, time of acceptance
		s.ask(b, forgetKey(f.time(), key))
	}
	return nil
}

func (s *rowSums) message(m *Message) {
	switch m.in.row {
	case rowQueue:
		s.ask(bQueue, queueKey(m))
	case rowLater:
		s.ask(bLater, laterKey(m.Lane, m.ID))
	}
	if m.in.wake != 0 {
		s.ask(bTimers, timerKey(m.in.wake, m.ID))
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; p.matched {
			s.ask(bReports, m.matchKey(p))
		}
	}
}
