package modem

import "testing"

// TestFindClones: sticks that share an IMEI are told apart by their cards.
func TestFindClones(t *testing.T) {
	b := newHub(t)
	b.adapter("1-1", "ttyUSB0", answers("01", "11"))
	b.adapter("1-2", "ttyUSB1", answers("01", "99"))
	kept := notebook{}
	f := b.finder(kept)
	b.wantPort(f.Find("a", "auto", 0), Identity{}, "ttyUSB0")
	f.Learn("a", answers("01", "11").Identity)
	b.wantPort(f.Find("b", "auto", 0), Identity{}, "ttyUSB1")
	f.Learn("b", answers("01", "99").Identity)
	b.wantNone(f.Find("c", "auto", 0), "no free modem")

	b.plug("1-1", "ttyUSB1", answers("01", "11"))
	b.plug("1-2", "ttyUSB0", answers("01", "99"))
	f = b.finder(kept)
	a, other := f.Find("a", "auto", 0), f.Find("b", "auto", 0)
	b.wantPort(a, Identity{}, "ttyUSB1")
	b.wantPort(other, Identity{}, "ttyUSB0")
}
