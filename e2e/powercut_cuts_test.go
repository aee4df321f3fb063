package e2e

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// cut is one of the ways in which a power cut may deal with what is pending.
type cut struct {
	keep  []bool           // by place in pending
	torn  map[int][]uint64 // of those kept: bits of the sectors that are kept
	stale bool             // new parts of the file hold old blocks rather than zeroes
}

// databaseName is the file that counts.
const databaseName = "gateway.db"

// counting lists the changes that decide what the database is: those of names, and of files that may have its name.
func (d *disk) counting() (list []int) {
	may := make(map[*inode]bool)
	for _, node := range d.now {
		if node.entries != nil {
			may[node.entries[databaseName]] = true
		}
	}
	for _, ch := range d.pending {
		if ch.name == databaseName {
			may[ch.entry] = true
		}
	}
	for i, ch := range d.pending {
		if ch.name != "" || may[ch.of] {
			list = append(list, i)
		}
	}
	return list
}

// cuts lists ways of a power cut at this moment: with at most four changes all subsets, beyond that nothing, all, each
// one missing or alone by turns, and random subsets; if no more than four decide what the database is, all subsets of
// these, and random ones of the others; of each change that can be torn also a torn one; and stale blocks.
func (d *disk) cuts(r *rand.Rand, random int) (list []cut) {
	n := len(d.pending)
	subset := func(keep func(i int) bool) cut {
		c := cut{keep: make([]bool, n)}
		for i := range n {
			c.keep[i] = keep(i)
		}
		return c
	}
	counting := d.counting()
	switch few := len(counting); {
	case n <= 4:
		for bits := range 1 << n {
			list = append(list, subset(func(i int) bool { return bits>>i&1 == 1 }))
		}
	case few <= 4:
		list = append(list, subset(func(int) bool { return false }), subset(func(int) bool { return true }))
		for bits := range 1 << few {
			share := r.IntN(3) // of two: none, half, or all of the others
			list = append(list, subset(func(i int) bool {
				if k := slices.Index(counting, i); k >= 0 {
					return bits>>k&1 == 1
				}
				return r.IntN(2) < share
			}))
		}
	default:
		one := r.IntN(n)
		list = append(list, subset(func(int) bool { return false }), subset(func(int) bool { return true }),
			subset(func(i int) bool { return i != one }), subset(func(i int) bool { return i == one }))
		for range random {
			list = append(list, subset(func(int) bool { return r.IntN(2) == 0 }))
		}
	}
	for i, ch := range d.pending {
		if ch.kind != changeData && ch.kind != changeAlloc || n > 4 && r.IntN(n) >= 2 && !slices.Contains(counting, i) {
			continue
		}
		c := subset(func(k int) bool { return k == i || r.IntN(4) > 0 })
		bits := make([]uint64, len(ch.data)/sector/64+2)
		for k := range bits {
			bits[k] = r.Uint64()
		}
		c.torn, c.stale = map[int][]uint64{i: bits}, r.IntN(2) == 0
		list = append(list, c)
	}
	return list
}

// String says what a cut leaves.
func (c cut) String() string {
	var s strings.Builder
	for i, kept := range c.keep {
		switch {
		case kept && c.torn[i] != nil:
			s.WriteByte('t')
		case kept:
			s.WriteByte('k')
		default:
			s.WriteByte('-')
		}
	}
	if c.stale {
		s.WriteString(", stale blocks")
	}
	return s.String()
}

// kind classifies a cut for the figures.
func (c cut) kind() string {
	kept := 0
	for _, k := range c.keep {
		if k {
			kept++
		}
	}
	switch {
	case len(c.torn) > 0:
		return "torn"
	case kept == len(c.keep):
		return "all kept"
	case kept == 0:
		return "none kept"
	}
	return "some kept"
}
