package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// head is one of the two meta pages. bbolt writes them in turn, at the end of each commit, and goes by the newer one whose
// checksum is right.
type head struct {
	data []byte // metaLen octets
	ok   bool   // magic and checksum are right
}

func (h head) number(at int) uint64 { return binary.NativeEndian.Uint64(h.data[at:]) }

func (h head) size() int64  { return int64(binary.NativeEndian.Uint32(h.data[metaPageSizeAt:])) }
func (h head) root() uint64 { return h.number(metaRootAt) }
func (h head) free() uint64 { return h.number(metaFreeAt) }
func (h head) high() uint64 { return h.number(metaHighAt) }
func (h head) tx() uint64   { return h.number(metaTxAt) }

func (h head) valid() bool {
	const least, most, pages = 512, 1 << 16, 1 << 40
	sum := fnv.New64a()
	sum.Write(h.data[metaMagicAt:metaSumAt])
	return binary.NativeEndian.Uint32(h.data[metaMagicAt:]) == metaMagic && h.number(metaSumAt) == sum.Sum64() &&
		h.size() >= least && h.size() <= most && h.high() <= pages
}

// errNoHead: what is at the begin of the file is no database, or was one once.
var errNoHead = errors.New("both heads are damaged")

// readBoth reads both heads. Where the second one is depends on the size of a page.
func readBoth(f *os.File) (both [2]head, err error) {
	pageSize := int64(os.Getpagesize())
	for n := range both {
		h := head{data: make([]byte, metaLen)}
		if _, err := f.ReadAt(h.data, int64(n)*pageSize); err != nil && err != io.EOF {
			return both, err
		}
		if h.ok = h.valid(); h.ok {
			pageSize = h.size()
		}
		both[n] = h
	}
	return both, nil
}

// heads is what the two heads of a file say.
type heads struct {
	newest head // its ok is false if there is none that can be read
	harmed int  // which of the two is damaged, and nothing is lost by that; below 0: none is
}

// readHeads finds the head in force. With an error that is not errNoHead, but a newest one, a commit may be missing.
func readHeads(f *os.File) (heads, error) {
	both, err := readBoth(f)
	if err != nil {
		return heads{}, err
	}
	one, two := both[0], both[1]
	switch {
	case !one.ok && !two.ok:
		return heads{}, errNoHead
	case one.ok && two.ok:
		newest := two
		if two.tx() < one.tx() {
			newest = one
		}
		// One more or less; a file that was restored just now has two.
		if gap := int64(one.tx() - two.tx()); max(gap, -gap) > 2 {
			return heads{newest, -1}, errors.New("one of its two heads is an old one: the last commit may be missing")
		}
		return heads{newest, -1}, nil
	}
	n, newest := 0, two
	if one.ok {
		n, newest = 1, one
	}
	if err := both[n].torn(newest); err != nil {
		return heads{newest, -1}, fmt.Errorf("head %d is damaged: %w", n, err)
	}
	return heads{newest, n}, nil
}

// within tells whether the file is as long as its head says.
func (h head) within(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if pages := uint64(info.Size() / h.size()); h.high() > pages {
		return fmt.Errorf("its end is missing: it should have %d pages and has %d", h.high(), pages)
	}
	return nil
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
