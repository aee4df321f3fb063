package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// inspectFor bounds how long inspect looks at the buckets' pages: start-up must not grow with the file. It is enough for
// all of some hundred megabytes that are in memory, and for the branch pages of a file of many gigabytes.
const inspectFor = 100 * time.Millisecond

// inspectLeast is how many pages it looks at in any case: a busy machine must not decide what is found in a small file.
const inspectLeast = 2000

// deepest is more levels than a tree in a file of any size has.
const deepest = 24

// structure looks at the buckets' trees: that each page is there once and is not free, that the entries of a page stand as
// bbolt puts them, without gap or overlap, and that keys are in order and where the page above says. bbolt takes all of
// that for granted: it may ask for all memory there is, go round in a circle, or say that nothing is there.
//
// It stops at the first fault, or with bad tells each and goes on with what is not behind it. In memory it keeps two bits
// for each page.
type structure struct {
	pages
	ctx    context.Context
	until  time.Time // then it stops, if it has looked at so many pages; zero: never
	least  int
	bad    func(err error)
	row    func(b bucket, key, value []byte) error // of a bucket of ours; buckets of many pages in the order of their names
	step   func(pages uint64)                      // so many were looked at; nil: nobody asks
	done   uint64
	seen   []uint64 // a bit for each page that is in use, as far as is known
	free   []uint64 // and for each that is in the list of free pages
	broken map[uint64]bool
	trees  []tree
	late   bool                // not all was looked at
	buf    [deepest + 1][]byte // the page of each level that is looked at
}

// tree is a bucket, or the bucket of all buckets.
type tree struct {
	top    bool // it is that one
	name   string
	b      bucket // numBuckets: none of ours
	root   uint64
	seq    uint64
	inside []byte // the only page, in that of the buckets; nil: it has its own
	height int    // of leaf pages above one another: 0 if the root is one
}

func newStructure(ctx context.Context, f *os.File, h head) *structure {
	s := &structure{pages: pages{f, h.size(), h.high()}, ctx: ctx, broken: make(map[uint64]bool)}
	s.seen, s.free = make([]uint64, s.high/64+1), make([]uint64, s.high/64+1)
	return s
}

// look looks at all that a head leads to.
func (s *structure) look(h head) error {
	s.looked(2)
	if err := s.inspectFree(h.free()); err != nil {
		if err := s.fail(nil, h.free(), err); err != nil {
			return err
		}
	}
	return s.inspect(h.root())
}

// looked notes how far it is.
func (s *structure) looked(pages uint64) {
	if s.done += pages; s.step != nil {
		s.step(s.done)
	}
}

// fail tells of a fault of a page, once, or gives it back if that is the end.
func (s *structure) fail(t *tree, id uint64, err error) error {
	if t != nil && !t.top {
		err = fmt.Errorf("bucket %.40s: %w", t.name, err)
	}
	if s.bad == nil {
		return err
	}
	if !s.broken[id] {
		s.broken[id] = true
		s.bad(err)
	}
	return nil
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
	all := tree{top: true, b: numBuckets, root: root}
	if err := s.measure(&all); err != nil {
		return err
	}
	for _, leaves := range []bool{false, true} {
		if err := s.walk(&all, root, 0, nil, nil, leaves); err != nil {
			return err
		}
	}
	for n := range s.trees {
		if err := s.measure(&s.trees[n]); err != nil {
			return err
		}
	}
	for _, leaves := range []bool{false, true} {
		for n := range s.trees {
			t := &s.trees[n]
			var err error
			if t.inside == nil {
				err = s.walk(t, t.root, 0, nil, nil, leaves)
			} else if leaves {
				err = s.inline(t)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// inline looks at a bucket whose page is in that of the buckets.
func (s *structure) inline(t *tree) error {
	if _, end, err := s.entries(t, t.inside, nil, nil); err != nil || end != len(t.inside) {
		return s.noBucket(fmt.Errorf("bucket %.40s is damaged: %v", t.name, err))
	}
	return nil
}

// measure finds the height of a tree, going down along its left side.
func (s *structure) measure(t *tree) (err error) {
	if t.inside != nil {
		return nil
	}
	tries := deepest + 1
	if s.bad != nil {
		tries = 1000 // another way may lead down
	}
	if t.height, err = s.down(t.root, 0, &tries); err != nil {
		return s.fail(t, t.root, err)
	}
	return nil
}

// down gives how far below the root the leaf pages are, the first of them to which a way leads.
func (s *structure) down(id uint64, depth int, tries *int) (height int, err error) {
	if depth >= deepest {
		return 0, fault(id, "it leads round in a circle")
	}
	*tries--
	page, kind, err := s.readAt(depth, id)
	if err != nil || kind == pageIsLeaf {
		return depth, err
	}
	count := int(binary.NativeEndian.Uint16(page[10:]))
	if kind != pageIsBranch || count == 0 || pageHeader+count*elementLen > len(page) {
		return 0, fault(id, "it is of kind %#x", kind)
	}
	for n := range count {
		height, err = s.down(binary.NativeEndian.Uint64(page[pageHeader+n*elementLen+8:]), depth+1, tries)
		if err == nil || *tries <= 0 || s.bad == nil {
			break
		}
	}
	return height, err
}

// walk looks at a page and those below it: at branch pages and a root, or, with leaves, at the others. All keys must be
// at or after low and before high; nil: no bound.
func (s *structure) walk(t *tree, id uint64, depth int, low, high []byte, leaves bool) error {
	isLeaf := depth == t.height
	if leaves && isLeaf && depth == 0 {
		return nil // it was looked at with the branch pages
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.least--; s.least < 0 && !s.until.IsZero() {
		s.late = s.late || time.Now().After(s.until)
	}
	if s.late || s.broken[id] {
		return nil
	}
	if !leaves && isLeaf && depth > 0 {
		if err := s.mark(id, 1); err != nil { // the rest of it when it is read
			return s.fail(t, id, err)
		}
		return nil
	}
	page, err := s.pageOf(t, id, depth, leaves)
	switch {
	case err != nil:
	case isLeaf:
		err = s.leaf(t, id, page, low, high)
	default:
		err = branch(id, page, low, high)
	}
	if err != nil {
		return s.fail(t, id, err)
	}
	if isLeaf {
		return nil
	}
	return s.below(t, page, depth, high, leaves)
}

// pageOf reads a page of a tree, and notes that it is in use.
func (s *structure) pageOf(t *tree, id uint64, depth int, leaves bool) ([]byte, error) {
	page, kind, err := s.readAt(depth, id)
	if err != nil {
		return nil, err
	}
	isLeaf, count := depth == t.height, uint64(len(page))/uint64(s.size)
	if isLeaf != (kind == pageIsLeaf) || !isLeaf && kind != pageIsBranch {
		return nil, fault(id, "it is of kind %#x", kind)
	}
	if leaves && !isLeaf {
		return page, nil // for the second time
	}
	s.looked(count)
	if leaves {
		return page, s.mark(id+1, count-1)
	}
	return page, s.mark(id, count)
}

// branch looks at the entries of a branch page.
func branch(id uint64, page, low, high []byte) error {
	count := int(binary.NativeEndian.Uint16(page[10:]))
	end := pageHeader + count*elementLen
	if count == 0 || end > len(page) {
		return fault(id, "it has %d entries", count)
	}
	for n := range count { // all lengths before any key
		at := pageHeader + n*elementLen
		length := sizeAt(page, at+4)
		if at+sizeAt(page, at) != end || length == 0 || length > len(page)-end {
			return fault(id, "entry %d is not where it should be", n)
		}
		end += length
	}
	for n := range count {
		if k := branchKey(page, n); !between(k, low, high) || n > 0 && bytes.Compare(branchKey(page, n-1), k) >= 0 {
			return fault(id, "key %d is out of order", n)
		}
	}
	return nil
}

func branchKey(page []byte, n int) []byte {
	at := pageHeader + n*elementLen
	from := at + sizeAt(page, at)
	return page[from : from+sizeAt(page, at+4)]
}

// below looks at what a branch page leads to.
func (s *structure) below(t *tree, page []byte, depth int, high []byte, leaves bool) error {
	count := int(binary.NativeEndian.Uint16(page[10:]))
	for n := range count {
		next := high
		if n+1 < count {
			next = branchKey(page, n+1)
		}
		child := binary.NativeEndian.Uint64(page[pageHeader+n*elementLen+8:])
		if err := s.walk(t, child, depth+1, branchKey(page, n), next, leaves); err != nil {
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
		err = errors.New("it has no entries")
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
	return count, end, nil
}

// entry looks at one of them: a bucket in the tree of buckets, else a row.
func (s *structure) entry(t *tree, flags uint32, key, value []byte) error {
	order := binary.NativeEndian
	if !t.top {
		if flags != 0 {
			return errors.New("it is no row of this bucket")
		}
		if t.b != numBuckets {
			return s.row(t.b, key, value)
		}
		return nil
	}
	if flags != elementIsBucket || len(value) < bucketHeader {
		return s.noBucket(fmt.Errorf("%.40q stands where buckets are", key))
	}
	sub := tree{name: string(key), b: bucketByName(key), root: order.Uint64(value), seq: order.Uint64(value[8:])}
	inside := value[bucketHeader:]
	switch {
	case sub.root != 0 && len(inside) == 0:
	case sub.root != 0, len(inside) < pageHeader, order.Uint16(inside[8:]) != pageIsLeaf:
		return s.noBucket(fmt.Errorf("bucket %.40s has no page", key))
	default:
		sub.inside = bytes.Clone(inside)
	}
	s.trees = append(s.trees, sub)
	return nil
}

// noBucket is for a fault that does not keep from looking at the next bucket.
func (s *structure) noBucket(err error) error {
	if s.bad == nil {
		return err
	}
	s.bad(err)
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
