package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
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
// fault in the middle of work; a list of free pages that can't be true; trees that can't be (structure.go), as far as there
// is time until then, but so many pages at least; and one damaged meta page of the two, which makes it go back by one commit
// in silence (heads.go). The first fault ends it. What is wrong with records does not: see found.
func inspect(f *os.File, until time.Time, least int, log *slog.Logger) (*found, error) {
	both, err := readHeads(f)
	if err != nil {
		return nil, err
	}
	h := both.newest
	if err := h.within(f); err != nil {
		return nil, err
	}
	if both.harmed >= 0 {
		log.Warn("one of the two heads of the database is damaged; the last commit before may be lost", "head", both.harmed)
	}
	s := newStructure(context.Background(), f, h)
	s.until, s.least = until, least
	all := &found{census: newCensus()}
	s.row = all.row
	if err := s.look(h); err != nil {
		return nil, err
	}
	if all.late = s.late; all.late {
		return all, nil
	}
	if n := s.lost(); n > 0 {
		log.Warn("nothing leads to some pages of the database; compact gives them back", "pages", n)
	}
	return all, nil
}

// found is what inspect found of rows and records.
type found struct {
	*census
	late bool    // not all was looked at
	bad  []error // records that can't be read, the first thousand
}

// row refuses what the store would stumble over.
func (a *found) row(b bucket, key, value []byte) error {
	err := a.census.row(b, key, value)
	if err != nil && len(a.bad) < mostNamed {
		a.bad = append(a.bad, err)
	}
	return shape(b, key, value)
}

// pages reads bbolt's pages one by one, trusting none.
type pages struct {
	f    *os.File
	size int64  // of a page
	high uint64 // number of pages in use
}

// read gives a page with all that it goes on for, and its type. It may use buf, which is nil or some pages long.
func (p pages) read(id uint64, buf []byte) (page []byte, kind uint16, err error) {
	const most = 1 << 20 // pages: a list of free ones may be long, but not so long
	order := binary.NativeEndian
	if id < 2 || id >= p.high {
		return nil, 0, fmt.Errorf("page %d is not in it", id)
	}
	if buf == nil {
		buf = make([]byte, p.size)
	}
	if _, err := p.f.ReadAt(buf[:p.size], int64(id)*p.size); err != nil {
		return nil, 0, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	n := uint64(order.Uint32(buf[12:])) + 1
	if order.Uint64(buf) != id || n > most || id+n > p.high {
		return nil, 0, fault(id, "its head makes no sense")
	}
	size := int64(n) * p.size
	if size > int64(len(buf)) {
		buf = append(make([]byte, 0, size), buf[:p.size]...)[:size]
	}
	if _, err := p.f.ReadAt(buf[p.size:size], (int64(id)+1)*p.size); err != nil {
		return nil, 0, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	return buf[:size], order.Uint16(buf[8:]), nil
}

// inspectFree looks whether the list of free pages can be true: each is within the file and there once. bbolt would
// write new data over whatever it names.
func (s *structure) inspectFree(id uint64) error {
	order := binary.NativeEndian
	page, kind, err := s.read(id, nil)
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
		if free <= last || free >= s.high {
			return errors.New("its list of free pages is damaged")
		}
		last = free
		s.free[free/64] |= 1 << (free % 64)
	}
	own := uint64(len(page)) / uint64(s.size)
	s.looked(count + own)
	return s.mark(id, own)
}
