package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
)

// The parts of a bbolt meta page that inspect reads: offsets from the page's start. bbolt writes them in the machine's
// own order; the checksum is FNV-64a of what lies between page header and checksum.
const (
	metaMagicAt    = 16
	metaPageSizeAt = 24
	metaRootAt     = 32 // page with the buckets
	metaFreeAt     = 48 // page with the list of free pages
	metaHighAt     = 56 // number of pages in use
	metaTxAt       = 64 // number of the transaction
	metaSumAt      = 72
	metaLen        = 80
	metaMagic      = 0xED0CDAED

	// Every page: its number 8, type 2, number of entries 2, further pages it goes on for 4.
	pageHeader     = 16
	pageIsBranch   = 0x01
	pageIsLeaf     = 0x02
	pageIsFreelist = 0x10

	// Entries, four numbers of 4: of a leaf page flags, where the key is, its length, that of the value behind it; of a
	// branch page where the key is, its length, and a page number of 8.
	elementLen      = 16
	elementIsBucket = 0x01
	bucketHeader    = 16 // a bucket's root page 8 and sequence 8; a page follows if the root is 0
)

// inspect looks for damage that bbolt does not look for when it opens a file: an end that is cut off, which would be a
// fault in the middle of work; a list of free pages that can't be true; and one damaged meta page of the two, which makes
// it go back by one commit in silence. That one may be an honest torn write, so it is only logged. What it can't look for
// without reading all of the file are wrong lengths and page numbers within the buckets' own pages: bbolt trusts them, and
// may ask for all memory there is, or go round in a circle.
func inspect(f *os.File, log *slog.Logger) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	order := binary.NativeEndian
	head := make([]byte, metaLen)
	pageSize := int64(os.Getpagesize())
	var newest, root, free, high uint64
	for n := range int64(2) {
		if _, err := f.ReadAt(head, n*pageSize); err != nil && err != io.EOF {
			return err
		}
		sum := fnv.New64a()
		sum.Write(head[metaMagicAt:metaSumAt])
		if order.Uint32(head[metaMagicAt:]) != metaMagic || order.Uint64(head[metaSumAt:]) != sum.Sum64() {
			log.Warn("one of the two heads of the database is damaged; the last commit before may be lost", "head", n)
			continue
		}
		pageSize = int64(order.Uint32(head[metaPageSizeAt:]))
		if high := int64(order.Uint64(head[metaHighAt:])); high > info.Size()/pageSize {
			return fmt.Errorf("its end is missing: it should have at least %d octets and has %d", high*pageSize, info.Size())
		}
		if tx := order.Uint64(head[metaTxAt:]); tx >= newest {
			newest, root = tx, order.Uint64(head[metaRootAt:])
			free, high = order.Uint64(head[metaFreeAt:]), order.Uint64(head[metaHighAt:])
		}
	}
	p := pages{f, pageSize, high}
	if err := p.inspectFree(free); err != nil {
		return err
	}
	return p.inspectRoot(root, 0)
}

// pages reads bbolt's pages one by one, trusting none.
type pages struct {
	f    *os.File
	size int64  // of a page
	high uint64 // number of pages in use
}

// read gives a page with all that it goes on for, and its type.
func (p pages) read(id uint64) (page []byte, kind uint16, err error) {
	const most = 1 << 20 // pages: a list of free ones may be long, but not so long
	order := binary.NativeEndian
	head := make([]byte, pageHeader)
	if id < 2 || id >= p.high {
		return nil, 0, fmt.Errorf("page %d is not in it", id)
	}
	if _, err := p.f.ReadAt(head, int64(id)*p.size); err != nil {
		return nil, 0, err
	}
	n := uint64(order.Uint32(head[12:])) + 1
	if order.Uint64(head) != id || n > most || id+n > p.high {
		return nil, 0, fmt.Errorf("page %d is damaged", id)
	}
	page = make([]byte, int64(n)*p.size)
	_, err = p.f.ReadAt(page, int64(id)*p.size)
	return page, order.Uint16(head[8:]), err
}

// inspectFree looks whether the list of free pages can be true: each is within the file and there once. bbolt would
// write new data over whatever it names.
func (p pages) inspectFree(id uint64) error {
	order := binary.NativeEndian
	page, kind, err := p.read(id)
	if err != nil {
		return err
	}
	count, list := uint64(order.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF { // too many for the field: the first entry holds their number
		count, list = order.Uint64(list), list[8:]
	}
	if kind != pageIsFreelist || count > uint64(len(list)/8) {
		return errors.New("its list of free pages is damaged")
	}
	last := uint64(1) // the two heads are never free
	for list = list[:count*8]; len(list) > 0; list = list[8:] {
		free := order.Uint64(list)
		if free <= last || free >= p.high {
			return errors.New("its list of free pages is damaged")
		}
		last = free
	}
	return nil
}

// inspectRoot looks at the pages that hold the buckets. Small buckets are inside of them, and bbolt copies those into
// memory and goes by their lengths: what is wrong there would corrupt the process.
func (p pages) inspectRoot(id uint64, depth int) error {
	const deepest = 4
	order := binary.NativeEndian
	page, kind, err := p.read(id)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("page %d is damaged", id)
	switch {
	case kind == pageIsLeaf:
		return eachElement(page, bad, func(flags uint32, value []byte) error {
			if flags != elementIsBucket || len(value) < bucketHeader {
				return bad
			}
			if root := order.Uint64(value); root != 0 {
				_, _, err := p.read(root)
				return err
			}
			if len(value) < bucketHeader+pageHeader || order.Uint16(value[bucketHeader+8:]) != pageIsLeaf {
				return bad
			}
			return eachElement(value[bucketHeader:], bad, func(flags uint32, _ []byte) error {
				if flags != 0 {
					return bad
				}
				return nil
			})
		})
	case kind == pageIsBranch && depth < deepest:
		count := int(order.Uint16(page[10:]))
		if count == 0 || pageHeader+count*elementLen > len(page) {
			return bad
		}
		for n := range count {
			at := pageHeader + n*elementLen
			key := int64(at) + int64(order.Uint32(page[at:])) + int64(order.Uint32(page[at+4:]))
			if key > int64(len(page)) {
				return bad
			}
			if err := p.inspectRoot(order.Uint64(page[at+8:]), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return bad
}

// eachElement goes through the elements of a leaf page, if their lengths can be true.
func eachElement(page []byte, bad error, do func(flags uint32, value []byte) error) error {
	order := binary.NativeEndian
	count := int(order.Uint16(page[10:]))
	if pageHeader+count*elementLen > len(page) {
		return bad
	}
	for n := range count {
		at := pageHeader + n*elementLen
		key := int64(at) + int64(order.Uint32(page[at+4:]))
		value := key + int64(order.Uint32(page[at+8:]))
		end := value + int64(order.Uint32(page[at+12:]))
		if key < int64(pageHeader+count*elementLen) || end > int64(len(page)) {
			return bad
		}
		if err := do(order.Uint32(page[at:]), page[value:end]); err != nil {
			return err
		}
	}
	return nil
}
