package modem

import (
	"errors"
	"testing"
)

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

// TestMayWorkTogether: of two names that open one stick at the same time, by different ports of it, one works.
func TestMayWorkTogether(t *testing.T) {
	b := newHub(t)
	b.huawei("1-1", "", 0)
	f := b.finder(nil)
	for _, name := range []string{"one", "two"} {
		port := map[string]string{"one": "ttyUSB0", "two": "ttyUSB2"}[name]
		b.wantPort(f.Find(name, b.dev(port), 0), Identity{}, port)
	}
	who := answers("01", "11").Identity
	if err := f.MayWork("one")(who); err != nil {
		t.Error(err)
	}
	if err := f.MayWork("two")(who); !errors.Is(err, ErrPortMissing) {
		t.Errorf("two works with the stick of one, too: %v", err)
	}
	if err := f.MayWork("one")(who); err != nil {
		t.Errorf("one, set up again: %v", err)
	}
}
