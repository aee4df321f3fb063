package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
)

// head is what a meta page of bbolt says.
type head struct {
	size       int64 // of a page
	root, free uint64
	high, tx   uint64
}

// readHead reads the meta page n, whose place depends on the size of a page.
func readHead(f *os.File, n, pageSize int64) (h head, ok bool) {
	order := binary.NativeEndian
	b := make([]byte, metaLen)
	if _, err := f.ReadAt(b, n*pageSize); err != nil {
		return h, false
	}
	sum := fnv.New64a()
	sum.Write(b[metaMagicAt:metaSumAt])
	if order.Uint32(b[metaMagicAt:]) != metaMagic || order.Uint64(b[metaSumAt:]) != sum.Sum64() {
		return h, false
	}
	return head{
		size: int64(order.Uint32(b[metaPageSizeAt:])), root: order.Uint64(b[metaRootAt:]), free: order.Uint64(b[metaFreeAt:]),
		high: order.Uint64(b[metaHighAt:]), tx: order.Uint64(b[metaTxAt:]),
	}, true
}

// heads reads both.
func heads(f *os.File) (found []head) {
	pageSize := int64(os.Getpagesize())
	for n := range int64(2) {
		if h, ok := readHead(f, n, pageSize); ok {
			found = append(found, h)
			pageSize = h.size
		}
	}
	return found
}

// walker goes through all pages of one state of a file, trusting none. What it keeps in memory is one bit for each page.
type walker struct {
	pages
	seen    []uint64 // a bit for each page that is in use
	buf     []byte
	bad     func(what string)
	row     func(b bucket, key, value []byte)
	step    func(pages int64)
	visited int64

	interrupted func() bool

	present  [numBuckets]bool
	sequence [numBuckets]uint64
}

func newWalker(f *os.File, h head) *walker {
	return &walker{pages: pages{f, h.size, h.high}, seen: make([]uint64, h.high/64+1)}
}

// walk looks at the whole: the list of free pages, the buckets, and that each page is one of these, once.
func (w *walker) walk(h head) {
	w.use(0, 1)
	w.use(1, 1)
	w.freePages(h.free)
	var buckets []element // copies: what is below them is read into the same buffer
	w.tree(h.root, nil, nil, 0, func(key []byte, flags uint32, value []byte) {
		if len(buckets) < mostBuckets {
			buckets = append(buckets, element{bytes.Clone(key), bytes.Clone(value), flags})
		}
	})
	for _, b := range buckets {
		w.bucket(b.key, b.flags, b.value)
	}
	lost := 0
	for id := range w.high {
		if w.seen[id/64]&(1<<(id%64)) == 0 {
			lost++
		}
	}
	if lost > 0 {
		w.bad(fmt.Sprintf("%d pages are neither in use nor free: room that is lost until the file is compacted", lost))
	}
}

// mostBuckets is far more than a file has.
const mostBuckets = 1000

// element is an entry of the page of the buckets.
type element struct {
	key, value []byte
	flags      uint32
}

// use marks n pages from id on; false if one is in use already.
func (w *walker) use(id, n uint64) bool {
	for i := id; i < id+n; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			w.bad(fmt.Sprintf("page %d is used twice", i))
			return false
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	w.visited += int64(n)
	if w.step != nil {
		w.step(w.visited)
	}
	return true
}

func (w *walker) freePages(id uint64) {
	if err := w.inspectFree(id); err != nil {
		w.bad(err.Error())
		return
	}
	page, _, err := w.read(id)
	if err != nil || !w.use(id, uint64(int64(len(page))/w.size)) {
		return
	}
	order := binary.NativeEndian
	count, list := uint64(order.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF {
		count, list = order.Uint64(list), list[8:]
	}
	for list = list[:count*8]; len(list) > 0; list = list[8:] {
		w.use(order.Uint64(list), 1)
	}
}

// deepestTree is far more than a tree of any size has.
const deepestTree = 32

// load reads a page into the walker's own buffer, which the next load overwrites.
func (w *walker) load(id uint64) (page []byte, kind uint16, err error) {
	order := binary.NativeEndian
	if id < 2 || id >= w.high {
		return nil, 0, fmt.Errorf("page %d is not in it", id)
	}
	if len(w.buf) < int(w.size) {
		w.buf = make([]byte, w.size)
	}
	if _, err := w.f.ReadAt(w.buf[:w.size], int64(id)*w.size); err != nil {
		return nil, 0, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	if n := order.Uint32(w.buf[12:]); n > 0 || order.Uint64(w.buf) != id {
		return w.read(id)
	}
	return w.buf[:w.size], order.Uint16(w.buf[8:]), nil
}

// tree goes through a tree in the order of its keys, which lie in [from, to); nil: without a bound.
func (w *walker) tree(id uint64, from, to []byte, depth int, do func(key []byte, flags uint32, value []byte)) {
	if w.interrupted() {
		return
	}
	page, kind, err := w.load(id)
	if err != nil {
		w.bad(err.Error())
		return
	}
	if !w.use(id, uint64(int64(len(page))/w.size)) {
		return
	}
	switch {
	case kind == pageIsLeaf:
		err = leaf(page, id, from, to, do)
	case kind == pageIsBranch && depth < deepestTree:
		err = w.branch(page, id, from, to, depth, do)
	default:
		err = fmt.Errorf("page %d is damaged", id)
	}
	if err != nil {
		w.bad(err.Error())
	}
}

// leaf gives the entries of a leaf page, which are to be in order.
func leaf(page []byte, id uint64, from, to []byte, do func(key []byte, flags uint32, value []byte)) error {
	order := binary.NativeEndian
	bad := fmt.Errorf("page %d is damaged", id)
	at, last := 0, from
	return eachElement(page, bad, func(flags uint32, value []byte) error {
		begin := pageHeader + at*elementLen
		key := begin + int(order.Uint32(page[begin+4:]))
		k := page[key : key+int(order.Uint32(page[begin+8:]))]
		if at++; last != nil && (bytes.Compare(k, last) < 0 || at > 1 && bytes.Equal(k, last)) || to != nil && bytes.Compare(k, to) >= 0 {
			return fmt.Errorf("page %d has its keys out of order", id)
		}
		last = k
		do(k, flags, value)
		return nil
	})
}

func (w *walker) branch(page []byte, id uint64, from, to []byte, depth int, do func(key []byte, flags uint32, value []byte)) error {
	order := binary.NativeEndian
	count := int(order.Uint16(page[10:]))
	if count == 0 || pageHeader+count*elementLen > len(page) {
		return fmt.Errorf("page %d is damaged", id)
	}
	type child struct {
		key []byte
		id  uint64
	}
	children := make([]child, count)
	for n := range count {
		at := pageHeader + n*elementLen
		key := int64(at) + int64(order.Uint32(page[at:]))
		end := key + int64(order.Uint32(page[at+4:]))
		if end > int64(len(page)) {
			return fmt.Errorf("page %d is damaged", id)
		}
		children[n] = child{bytes.Clone(page[key:end]), order.Uint64(page[at+8:])}
		before := from
		if n > 0 {
			before = children[n-1].key
		}
		if k := children[n].key; before != nil && bytes.Compare(k, before) < 0 || to != nil && bytes.Compare(k, to) >= 0 {
			return fmt.Errorf("page %d has its keys out of order", id)
		}
	}
	for n, c := range children {
		end := to
		if n+1 < count {
			end = children[n+1].key
		}
		w.tree(c.id, c.key, end, depth+1, do)
	}
	return nil
}

// bucket goes through a bucket of the root.
func (w *walker) bucket(name []byte, flags uint32, value []byte) {
	order := binary.NativeEndian
	if flags != elementIsBucket || len(value) < bucketHeader {
		w.bad(fmt.Sprintf("%.40q stands where buckets are", name))
		return
	}
	b := bucketOf(string(name))
	root := order.Uint64(value)
	if b < numBuckets {
		w.present[b], w.sequence[b] = true, order.Uint64(value[8:])
	}
	each := func(key []byte, flags uint32, value []byte) {
		switch {
		case flags != 0:
			w.bad(fmt.Sprintf("bucket %.40s has another one in it", name))
		case b < numBuckets:
			w.row(b, key, value)
		}
	}
	if root != 0 {
		w.tree(root, nil, nil, 0, each)
		return
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != pageIsLeaf {
		w.bad(fmt.Sprintf("bucket %.40s is damaged", name))
		return
	}
	if err := leaf(inline, 0, nil, nil, each); err != nil {
		w.bad(fmt.Sprintf("bucket %.40s, in the page of the buckets: %v", name, err))
	}
}

// bucketOf finds a bucket by its name; numBuckets for none of ours.
func bucketOf(name string) bucket {
	for b, n := range bucketNames {
		if n == name {
			return bucket(b)
		}
	}
	return numBuckets
}
