package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
)

// head is one of the two meta pages. bbolt writes them in turn, at the end of each commit, and goes by the newer one whose
// checksum is right.
type head struct {
	data []byte // metaLen octets
	ok   bool   // magic and checksum are right
}

func (h head) number(at int) uint64 { return binary.NativeEndian.Uint64(h.data[at:]) }

func (h head) valid() bool {
	sum := fnv.New64a()
	sum.Write(h.data[metaMagicAt:metaSumAt])
	return binary.NativeEndian.Uint32(h.data[metaMagicAt:]) == metaMagic && h.number(metaSumAt) == sum.Sum64()
}

// readHeads gives the head in force, and the size of a page.
func readHeads(f *os.File, log *slog.Logger) (newest head, pageSize int64, err error) {
	var heads [2]head
	pageSize = int64(os.Getpagesize())
	for n := range heads {
		h := head{data: make([]byte, metaLen)}
		if _, err := f.ReadAt(h.data, int64(n)*pageSize); err != nil && err != io.EOF {
			return head{}, 0, err
		}
		if h.ok = h.valid(); h.ok {
			pageSize = int64(binary.NativeEndian.Uint32(h.data[metaPageSizeAt:]))
			newest = h
		}
		heads[n] = h
	}
	one, two := heads[0], heads[1]
	switch {
	case !one.ok && !two.ok:
		return head{}, 0, errors.New("both heads are damaged")
	case one.ok && two.ok:
		if two.number(metaTxAt) < one.number(metaTxAt) {
			newest = one
		}
		// One more or less; a file that was restored just now has two.
		if gap := int64(one.number(metaTxAt) - two.number(metaTxAt)); max(gap, -gap) > 2 {
			return head{}, 0, errors.New("one of its two heads is an old one: the last commit may be missing")
		}
		return newest, pageSize, nil
	}
	n := 0
	if one.ok {
		n = 1
	}
	if err := heads[n].torn(newest); err != nil {
		return head{}, 0, fmt.Errorf("head %d is damaged: %w", n, err)
	}
	log.Warn("one of the two heads of the database is damaged; the last commit before may be lost", "head", n)
	return newest, pageSize, nil
}

// torn tells whether a damaged head may come from a write that was cut short: that of a commit that nobody had an answer of
// yet, so that nothing is lost by going on from the other head. Each of its octets is then one of the head that was to be
// written or of the one before in its place. If it is not so, a commit may be missing that was acknowledged, a claim
// perhaps; going on would send a text twice.
func (h head) torn(other head) error {
	const rootSeqAt, rootSeqEnd = 40, 48
	lost := errors.New("the last commit may be missing")
	if !bytes.Equal(h.data[metaMagicAt:metaRootAt], other.data[metaMagicAt:metaRootAt]) ||
		!bytes.Equal(h.data[rootSeqAt:rootSeqEnd], other.data[rootSeqAt:rootSeqEnd]) {
		return lost // these never change
	}
	tx := other.number(metaTxAt)
	for bit := metaMagicAt * 8; bit < metaLen*8; bit++ {
		h.data[bit/8] ^= 1 << (bit % 8)
		ok, was := h.valid(), h.number(metaTxAt)
		h.data[bit/8] ^= 1 << (bit % 8)
		switch {
		case ok && was < tx:
			return nil // one bit is wrong, of the older one
		case ok:
			return lost
		}
	}
	for n := range 8 { // of a number near the other's: a file that was restored just now begins with a step of two
		near := false
		for step := range uint64(5) {
			near = near || h.data[metaTxAt+n] == binary.NativeEndian.AppendUint64(nil, tx+step-2)[n]
		}
		if !near {
			return lost
		}
	}
	return nil
}
