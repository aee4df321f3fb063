package store

import (
	"cmp"
	"iter"
	"slices"
)

// pendings are the messages of a lane that wait, found by their key. What was there when the lane was read, or when much had
// changed since, is one sorted list, of 16 octets and a bit for each: a million take 16 MB. What came since is in a map.
type pendings struct {
	base []pendingID // in order
	gone bits        // of base: does not wait any more
	dead int         // how many bits are set

	ids   map[uint64][]ID // by key, in order: those that wait and are not in base
	fresh int             // how many these are
	// left is nil but while the lane is read: then ids is what came since that began, and left what went.
	left map[ID]uint64
}

// pendingID is a message and its key.
type pendingID struct {
	key uint64
	id  ID
}

func (a pendingID) compare(b pendingID) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(n int) bool { return b[n/64]&(1<<(n%64)) != 0 }
func (b bits) set(n int)      { b[n/64] |= 1 << (n % 64) }
func (b bits) clear(n int)    { b[n/64] &^= 1 << (n % 64) }

// leastFresh is how many may be in the map of a short lane; else it is a quarter of the list.
const leastFresh = 1024

// newPendings takes a list over; it need not be in order.
func newPendings(list []pendingID) *pendings {
	slices.SortFunc(list, pendingID.compare)
	return &pendings{base: list, gone: make(bits, len(list)/64+1), ids: make(map[uint64][]ID)}
}

// add notes that a message waits.
func (p *pendings) add(key uint64, id ID) {
	if n, there := p.find(key, id); there {
		if p.gone.has(n) {
			p.gone.clear(n)
			p.dead--
		}
		return
	}
	if at, there := slices.BinarySearch(p.ids[key], id); !there {
		p.ids[key] = slices.Insert(p.ids[key], at, id)
		p.fresh++
	}
	p.settle()
}

// drop notes that a message waits no more.
func (p *pendings) drop(key uint64, id ID) {
	if n, there := p.find(key, id); there {
		if !p.gone.has(n) {
			p.gone.set(n)
			p.dead++
		}
		p.settle()
		return
	}
	at, there := slices.BinarySearch(p.ids[key], id)
	if !there {
		return
	}
	p.fresh--
	if p.ids[key] = slices.Delete(p.ids[key], at, at+1); len(p.ids[key]) == 0 {
		delete(p.ids, key)
	}
}

func (p *pendings) find(key uint64, id ID) (int, bool) {
	return slices.BinarySearchFunc(p.base, pendingID{key, id}, pendingID.compare)
}

// settle makes the list anew when much has changed.
func (p *pendings) settle() {
	if p.left != nil || max(p.fresh, p.dead) <= max(leastFresh, len(p.base)/4) {
		return
	}
	since := make([]pendingID, 0, p.fresh)
	for key, ids := range p.ids {
		for _, id := range ids {
			since = append(since, pendingID{key, id})
		}
	}
	slices.SortFunc(since, pendingID.compare)
	list := make([]pendingID, 0, len(p.base)-p.dead+len(since))
	for n, old := range p.base {
		for len(since) > 0 && since[0].compare(old) < 0 {
			list, since = append(list, since[0]), since[1:]
		}
		if !p.gone.has(n) {
			list = append(list, old)
		}
	}
	*p = *newPendings(append(list, since...))
}

// newestFirst gives the messages with a key.
func (p *pendings) newestFirst(key uint64) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		since := p.ids[key]
		n, _ := p.find(key, ^ID(0))
		for n--; ; {
			for n >= 0 && p.base[n].key == key && p.gone.has(n) {
				n--
			}
			inBase := n >= 0 && p.base[n].key == key
			switch {
			case len(since) > 0 && (!inBase || since[len(since)-1] > p.base[n].id):
				if !yield(since[len(since)-1]) {
					return
				}
				since = since[:len(since)-1]
			case !inBase || !yield(p.base[n].id):
				return
			default:
				n--
			}
		}
	}
}
