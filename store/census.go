package store

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"time"
)

// census is what one pass over all rows of one state of the file tells: how many there are, what the records say, and
// whether the indexes fit them. For each bucket whose rows follow from records of others that is a sum of the digests of the
// rows that are there, and one of those that the records ask for: so a row too few or too many shows, whatever the order, and nothing
// is kept in memory but a bit for each past id. That of bGone is of their timers, of which nobody knows when they are due.
//
// Start-up and check both stand on it. Which row it is that does not fit, check finds out (checkrows.go).
type census struct {
	seed      maphash.Seed
	got, want [numBuckets]uint64
	gone      idSet
	early     [][16]byte // timers that may have come before all past ids are known
	text      []byte     // digest of the long text whose part was read last

	records [numBuckets]int64
	damaged [numBuckets]int64             // of them can't be read
	highest [numBuckets]uint64            // number in a key
	counts  map[uint32]*[numStates]uint64 // by lane, as the messages say
	written map[uint32][numStates]uint64  // as the rows in counts say
	newest  time.Time                     // of acceptance
	clock   time.Time                     // highest time that the file knows
	format  uint32
	sawPIN  func(key []byte) // nil: nobody asks
}

func newCensus() *census {
	return &census{
		seed: maphash.MakeSeed(), gone: make(idSet),
		counts: make(map[uint32]*[numStates]uint64), written: make(map[uint32][numStates]uint64),
	}
}

// idSet has a bit for each id.
type idSet map[uint64]uint64

func (s idSet) add(id uint64)      { s[id/64] |= 1 << (id % 64) }
func (s idSet) has(id uint64) bool { return s[id/64]>>(id%64)&1 == 1 }

// row takes note of a row. The error is a *DamagedError: its record can't be read.
func (n *census) row(b bucket, key, value []byte) error {
	n.records[b]++
	if err := n.read(b, key, value); err != nil {
		n.damaged[b]++
		return err
	}
	switch b {
	case bMessages, bGone:
		n.highest[bMessages] = max(n.highest[bMessages], binary.BigEndian.Uint64(key))
	case bInbound, bOutbox, bOrphans:
		n.highest[b] = max(n.highest[b], binary.BigEndian.Uint64(key[len(key)-8:]))
	}
	return nil
}

func (n *census) read(b bucket, key, value []byte) error {
	if err := shape(b, key, value); err != nil {
		return err
	}
	if isIndex(b, key) {
		return n.index(b, key, value)
	}
	if b == bMessages {
		m, err := decodeMessage(key, value)
		if err == nil {
			n.message(m)
		}
		return err
	}
	f, err := unseal(b, key, value)
	if err != nil {
		return err
	}
	n.fields(b, key, f)
	return f.end()
}

// keyLengths are those of the buckets whose keys all have one length; see the package comment.
var keyLengths = map[bucket]int{
	bLanes: 4, bMessages: 8, bGone: 8, bQueue: 13, bLater: 12, bTimers: 16, bOutbox: 12, bInbound: 8, bSeen: digestLen,
	bCounts: 4, bQuotas: 4,
}

// valueless tells whether all rows of a bucket are without a value.
func valueless(b bucket) bool { return b == bQueue || b == bLater || b == bTimers || b == bReports }

// isIndex tells whether a row is without a value.
func isIndex(b bucket, key []byte) bool {
	return valueless(b) || b == bFragments && len(key) > 0 && key[0] == rowAge ||
		b == bResubmits && len(key) > 0 && key[0] == rowForget
}

// shape looks whether a row is one of its bucket at all, as everybody takes for granted who finds it there.
func shape(b bucket, key, value []byte) error {
	switch want := keyLengths[b]; {
	case want != 0 && len(key) != want, b == bReports && len(key) < 19, b == bOrphans && len(key) < 10:
		return &DamagedError{bucketNames[b], ownKey(key), "its key has another shape"}
	case valueless(b) && len(value) > 0:
		return &DamagedError{bucketNames[b], ownKey(key), "it has a value, and should have none"}
	}
	return nil
}

// index takes note of a row that is all key.
func (n *census) index(b bucket, key, value []byte) error {
	switch {
	case b == bFragments && !isAge(key), b == bResubmits && !isForget(key):
		return &DamagedError{bucketNames[b], ownKey(key), "its key has another shape"}
	case len(value) > 0:
		return &DamagedError{bucketNames[b], ownKey(key), "it has a value, and should have none"}
	}
	const page = 4096 // rows: more than one of any size has, so that it is no single one, and all past ids are known
	switch {
	case b != bTimers:
		n.is(b, key)
	case len(n.early) < page:
		n.early = append(n.early, [16]byte(key))
	default:
		n.timer(key)
	}
	return nil
}

func (n *census) timer(key []byte) {
	if id := key[8:]; n.gone.has(binary.BigEndian.Uint64(id)) {
		n.is(bGone, id)
	} else {
		n.is(bTimers, key)
	}
}

// is notes a row that is there, asks one that has to be.
func (n *census) is(b bucket, row []byte)   { n.got[b] += maphash.Bytes(n.seed, row) }
func (n *census) asks(b bucket, row []byte) { n.want[b] += maphash.Bytes(n.seed, row) }

// message counts one, and notes the rows that it asks for.
func (n *census) message(m *Message) {
	if n.counts[m.Lane] == nil {
		n.counts[m.Lane] = &[numStates]uint64{}
	}
	n.counts[m.Lane][m.State]++
	if m.Accepted.After(n.newest) {
		n.newest = m.Accepted
	}
	switch m.in.row {
	case rowQueue:
		n.asks(bQueue, queueKey(m))
	case rowLater:
		n.asks(bLater, laterKey(m.Lane, m.ID))
	}
	if m.in.wake != 0 {
		n.asks(bTimers, timerKey(m.in.wake, m.ID))
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.matched {
			n.asks(bReports, m.matchKey(p))
		}
		if p.State == PartClaimed {
			n.asks(bClaims, append(lineKey(p.Line), partRow(m, i)[1:]...))
		}
	}
}

// disagreement is something that the records of a state of the file contradict.
type disagreement struct {
	b           bucket
	key         []byte
	what, means string
	mends       []mend
}

// numbers compares the highest numbers with what the buckets say were the last ones.
func (n *census) numbers(sequence *[numBuckets]uint64) (list []disagreement) {
	for _, b := range positionBuckets() {
		if n.highest[b] > sequence[b] {
			list = append(list, disagreement{b, nil,
				fmt.Sprintf("number %d was given, and the last one is said to be %d", n.highest[b], sequence[b]),
				"a number would be given twice", []mend{{b: b, sequence: n.highest[b]}}})
		}
	}
	return list
}

// miscounts compares how many messages there are with how many the counts say. If some can't be read, nobody knows.
func (n *census) miscounts() (list []disagreement) {
	if n.damaged[bMessages] > 0 {
		return nil
	}
	for lane, got := range n.counts {
		if n.written[lane] != *got {
			list = append(list, disagreement{bCounts, laneKey(lane),
				"how many messages of the lane are in each state is not what it says",
				"limits and figures are wrong", []mend{{b: bCounts, key: laneKey(lane), value: countsRecord(got)}}})
		}
	}
	for lane, got := range n.written {
		if n.counts[lane] == nil && got != [numStates]uint64{} {
			list = append(list, disagreement{bCounts, laneKey(lane), "it counts messages, and the lane has none",
				"limits and figures are wrong", []mend{{b: bCounts, key: laneKey(lane), drop: true}}})
		}
	}
	return list
}

// misfits lists the buckets whose rows are not those that the records ask for. Nobody knows what a record asks for that
// can't be read.
func (n *census) misfits() (list []disagreement) {
	if n.damaged[bMessages]+n.damaged[bGone]+n.damaged[bFragments]+n.damaged[bResubmits] > 0 {
		return nil
	}
	for _, key := range n.early {
		n.timer(key[:])
	}
	n.early = nil
	for b := range numBuckets {
		switch {
		case n.got[b] == n.want[b] || b == bClaims && n.damaged[b] > 0:
		case b == bGone:
			list = append(list, disagreement{bGone, nil, "ids that are past their keeping time do not have one timer each",
				"they are forgotten too late, or never", []mend{{tombstones: true}}})
		default:
			list = append(list, disagreement{b: b, what: "its rows are not those that the records ask for",
				means: "a message, report or text may be overlooked"})
		}
	}
	return list
}

func countsRecord(n *[numStates]uint64) []byte {
	record := []byte{recordVersion}
	for _, n := range n {
		record = binary.BigEndian.AppendUint64(record, n)
	}
	return record
}
