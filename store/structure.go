package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// inspectFor bounds how long inspect looks at the buckets' pages: start-up must not grow with the file. It is enough for
// all of some hundred megabytes that are in memory, and for the branch pages of a file of many gigabytes.
const inspectFor = 100 * time.Millisecond

// inspectLeast is how many pages it looks at in any case: a busy machine must not decide what is found in a small file.
const inspectLeast = 2000

// deepest is more levels than a tree in a file of any size has.
const deepest = 24

// keyLengths are those of the buckets whose keys all have one length; see the package comment.
var keyLengths = map[bucket]int{
	bLanes: 4, bMessages: 8, bGone: 8, bQueue: 13, bLater: 12, bTimers: 16, bOutbox: 12, bInbound: 8, bSeen: 16, bCounts: 4,
	bQuotas: 4,
}

// valueless tells whether all rows of a bucket are without a value.
func valueless(b bucket) bool { return b == bQueue || b == bLater || b == bTimers || b == bReports }

// structure looks at the buckets' trees: that each page is there once and is not free, that the entries of a page stand as
// bbolt puts them, without gap or overlap, and that keys are in order and where the page above says. bbolt takes all of
// that for granted: it may ask for all memory there is, go round in a circle, or say that nothing is there.
type structure struct {
	pages
	until time.Time // then it stops, if it has looked at so many pages; zero: never
	least int
	seen  []uint64 // a bit for each page that is in use, as far as is known
	free  []uint64 // and for each that is in the list of free pages
	trees []tree
	late  bool // not all was looked at
	rows  [numBuckets]uint64
	sums  rowSums
	buf   [deepest + 1][]byte // the page of each level that is looked at
}

// tree is a bucket, or the bucket of all buckets.
type tree struct {
	name   string
	b      bucket // numBuckets: none of ours
	root   uint64
	seq    uint64
	height int // of leaf pages above one another: 0 if the root is one
}

// fault is damage to a page.
func fault(id uint64, format string, args ...any) error {
	return fmt.Errorf("page %d is damaged: %s", id, fmt.Sprintf(format, args...))
}

func bucketByName(name []byte) bucket {
	for b, n := range bucketNames {
		if n == string(name) {
			return bucket(b)
		}
	}
	return numBuckets
}

// inspect looks at all trees: at the pages that lead to others first, as far as there is time.
func (s *structure) inspect(root uint64) error {
	all := tree{name: "of buckets", b: numBuckets, root: root}
	if err := s.measure(&all); err != nil {
		return err
	}
	for _, leaves := range []bool{false, true} {
		if err := s.walk(&all, root, 0, nil, nil, leaves); err != nil {
			return err
		}
	}
	for n := range s.trees {
		t := &s.trees[n]
		if err := s.measure(t); err != nil {
			return fmt.Errorf("bucket %s: %w", t.name, err)
		}
	}
	for _, leaves := range []bool{false, true} {
		for n := range s.trees {
			t := &s.trees[n]
			if err := s.walk(t, t.root, 0, nil, nil, leaves); err != nil {
				return fmt.Errorf("bucket %s: %w", t.name, err)
			}
		}
	}
	return nil
}

// measure finds the height of a tree, going down along its left side.
func (s *structure) measure(t *tree) error {
	id := t.root
	for ; t.height < deepest; t.height++ {
		page, kind, err := s.readAt(t.height, id)
		if err != nil {
			return err
		}
		if kind == pageIsLeaf {
			return nil
		}
		if kind != pageIsBranch || binary.NativeEndian.Uint16(page[10:]) == 0 {
			return fault(id, "it is of kind %#x", kind)
		}
		id = binary.NativeEndian.Uint64(page[pageHeader+8:])
	}
	return fault(t.root, "it leads round in a circle")
}

// walk looks at a page and those below it: at branch pages and a root, or, with leaves, at the others. All keys must be
// at or after low and before high; nil: no bound.
func (s *structure) walk(t *tree, id uint64, depth int, low, high []byte, leaves bool) error {
	isLeaf := depth == t.height
	if leaves && isLeaf && depth == 0 {
		return nil // it was looked at with the branch pages
	}
	if s.least--; s.least < 0 && !s.until.IsZero() {
		s.late = s.late || time.Now().After(s.until)
	}
	if s.late {
		return nil
	}
	if !leaves && isLeaf && depth > 0 {
		return s.mark(id, 1) // the rest of it when it is read
	}
	page, kind, err := s.readAt(depth, id)
	if err != nil {
		return err
	}
	count := uint64(len(page)) / uint64(s.size)
	switch {
	case isLeaf != (kind == pageIsLeaf) || !isLeaf && kind != pageIsBranch:
		return fault(id, "it is of kind %#x", kind)
	case leaves && isLeaf:
		err = s.mark(id+1, count-1)
	case !leaves:
		err = s.mark(id, count)
	}
	if err != nil {
		return err
	}
	if isLeaf {
		return s.leaf(t, id, page, low, high)
	}
	return s.branch(t, id, depth, page, low, high, leaves)
}

// branch looks at a branch page and at what it leads to.
func (s *structure) branch(t *tree, id uint64, depth int, page, low, high []byte, leaves bool) error {
	order := binary.NativeEndian
	count := int(order.Uint16(page[10:]))
	end := pageHeader + count*elementLen
	if count == 0 || end > len(page) {
		return fault(id, "it has %d entries", count)
	}
	key := func(n int) []byte {
		at := pageHeader + n*elementLen
		from := at + sizeAt(page, at)
		return page[from : from+sizeAt(page, at+4)]
	}
	if !leaves {
		for n := range count { // all lengths before any key
			at := pageHeader + n*elementLen
			length := sizeAt(page, at+4)
			if at+sizeAt(page, at) != end || length == 0 || length > len(page)-end {
				return fault(id, "entry %d is not where it should be", n)
			}
			end += length
		}
		for n := range count {
			if k := key(n); !between(k, low, high) || n > 0 && bytes.Compare(key(n-1), k) >= 0 {
				return fault(id, "key %d is out of order", n)
			}
		}
	}
	for n := range count {
		next := high
		if n+1 < count {
			next = key(n + 1)
		}
		child := order.Uint64(page[pageHeader+n*elementLen+8:])
		if err := s.walk(t, child, depth+1, key(n), next, leaves); err != nil {
			return err
		}
	}
	return nil
}

// sizeAt reads a position or a length.
func sizeAt(page []byte, at int) int {
	return int(min(binary.NativeEndian.Uint32(page[at:]), math.MaxInt32))
}

func between(k, low, high []byte) bool {
	return bytes.Compare(k, low) >= 0 && (high == nil || bytes.Compare(k, high) < 0)
}

// leaf looks at a leaf page. That of an empty bucket is never a page of its own.
func (s *structure) leaf(t *tree, id uint64, page, low, high []byte) error {
	n, _, err := s.entries(t, page, low, high)
	if err == nil && n == 0 {
		err = fmt.Errorf("it has no entries")
	}
	if err != nil {
		return fault(id, "%v", err)
	}
	return nil
}

// entries looks at the entries of a leaf page, or of a bucket inside of one; they end at the octet that it gives.
func (s *structure) entries(t *tree, page, low, high []byte) (count, end int, err error) {
	order := binary.NativeEndian
	count = int(order.Uint16(page[10:]))
	if end = pageHeader + count*elementLen; end > len(page) {
		return 0, 0, fmt.Errorf("it has %d entries", count)
	}
	var last []byte
	for n := range count {
		at := pageHeader + n*elementLen
		from, keyLen, valueLen := at+sizeAt(page, at+4), sizeAt(page, at+8), sizeAt(page, at+12)
		if from != end || keyLen == 0 || keyLen > len(page)-end || valueLen > len(page)-end-keyLen {
			return 0, 0, fmt.Errorf("entry %d is not where it should be", n)
		}
		key, value := page[from:from+keyLen], page[from+keyLen:from+keyLen+valueLen]
		end += keyLen + valueLen
		if !between(key, low, high) || last != nil && bytes.Compare(last, key) >= 0 {
			return 0, 0, fmt.Errorf("key %d is out of order", n)
		}
		last = key
		if err := s.entry(t, order.Uint32(page[at:]), key, value); err != nil {
			return 0, 0, fmt.Errorf("entry %d: %w", n, err)
		}
	}
	if t.b != numBuckets {
		s.rows[t.b] += uint64(count)
	}
	return count, end, nil
}

// entry looks at one of them: a bucket in the tree of buckets, else a row.
func (s *structure) entry(t *tree, flags uint32, key, value []byte) error {
	order := binary.NativeEndian
	if t.name != "of buckets" {
		want := keyLengths[t.b]
		if flags != 0 || want != 0 && len(key) != want || valueless(t.b) && len(value) > 0 {
			return fmt.Errorf("it is no row of this bucket")
		}
		if t.b != numBuckets {
			s.sums.row(t.b, key, value)
		}
		return nil
	}
	if flags != elementIsBucket || len(value) < bucketHeader {
		return fmt.Errorf("it is no bucket")
	}
	sub := tree{name: string(key), b: bucketByName(key), root: order.Uint64(value), seq: order.Uint64(value[8:])}
	if sub.root != 0 && len(value) == bucketHeader {
		s.trees = append(s.trees, sub)
		return nil
	}
	inside := value[bucketHeader:]
	if sub.root != 0 || len(inside) < pageHeader || order.Uint16(inside[8:]) != pageIsLeaf {
		return fmt.Errorf("bucket %s has no page", key)
	}
	if _, end, err := s.entries(&sub, inside, nil, nil); err != nil || end != len(inside) {
		return fmt.Errorf("bucket %s is damaged: %v", key, err)
	}
	return nil
}

// mark notes that pages are in use.
func (s *structure) mark(id, count uint64) error {
	if count > s.high || id+count > s.high {
		return fault(id, "it is not in the file")
	}
	for ; count > 0; id, count = id+1, count-1 {
		switch {
		case id < 2:
			return fault(id, "it is led to")
		case has(s.seen, id):
			return fault(id, "two others lead to it")
		case has(s.free, id):
			return fault(id, "it is in use, and in the list of free ones")
		}
		s.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

func has(bits []uint64, id uint64) bool {
	return id/64 < uint64(len(bits)) && bits[id/64]>>(id%64)&1 == 1
}

// lost counts pages that nothing leads to and that are not free. They do no harm, but somebody led to them once.
func (s *structure) lost() (n int) {
	for id := uint64(2); id < s.high; id++ {
		if !has(s.seen, id) && !has(s.free, id) {
			n++
		}
	}
	return n
}

// readAt is read into a buffer that the level has for itself.
func (s *structure) readAt(level int, id uint64) (page []byte, kind uint16, err error) {
	page, kind, err = s.pages.read(id, s.buf[level])
	if err == nil {
		s.buf[level] = page[:cap(page)]
	}
	return page, kind, err
}
