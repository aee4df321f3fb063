package store

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRoute: who gets it is decided when it is whole, and an account that wants parts gets them at once, unless a word may
// say otherwise.
func TestRoute(t *testing.T) {
	word := false
	b := newBox(t, Options{Route: func(in *Inbound, accounts iter.Seq[Account], part bool) (string, bool) {
		if n := len(slices.Collect(accounts)); n != 2 {
			t.Errorf("%d accounts to choose from", n)
		}
		if word && part {
			return "SHOP", false
		}
		if word && strings.HasPrefix(in.Text, "STOP") {
			return "CLINIC", true
		}
		return "SHOP", true
	}})
	parts := func(ref uint16) []Inbound { return b.parts(ref, 0, "ST", "OP it") }
	set := func(key, inbound string) {
		_, err := b.db.UpdateAccount(key, b.now, func(a *Account) error { a.Inbound = inbound; return nil })
		b.ok(err)
	}
	want := func(name string, a Arrival, account string, texts ...string) {
		t.Helper()
		acct := b.acct
		if account == "CLINIC" {
			acct = b.other
		}
		rows, err := b.db.Outbox(acct.Lane, 0, 100)
		b.ok(err)
		var got []string
		for _, d := range rows {
			got = append(got, d.Inbound.Text)
			b.ok(b.db.Acknowledge(d.Lane, d.Seq))
			if number, total := d.Inbound.PartOf(); len(texts) > 1 && (number != len(got) || total != len(texts)) {
				t.Errorf("%s: row %d is part %d of %d", name, len(got), number, total)
			}
		}
		if !slices.Equal(got, texts) || len(texts) > 0 && a.Account != account {
			t.Errorf("%s: %s got %q, want %q (%+v)", name, account, got, texts, a)
		}
	}
	b.arrive(parts(1)[1])
	want("whole", b.arrive(parts(1)[0]), "SHOP", "STOP it")
	word = true
	b.arrive(parts(2)[1])
	want("by its first word", b.arrive(parts(2)[0]), "CLINIC", "STOP it")
	set("CLINIC", InboundParts)
	b.arrive(parts(3)[1])
	want("by its first word, in parts", b.arrive(parts(3)[0]), "CLINIC", "ST", "OP it")
	set("SHOP", InboundParts)
	word = false
	want("at once", b.arrive(parts(4)[1]), "SHOP", "OP it")
	want("the other at once", b.arrive(parts(4)[0]), "SHOP", "ST")
	want("none is left", Arrival{}, "CLINIC")
}

// TestRouteReadsFew: a text from a phone costs the writer no more with two thousand accounts than with two.
func TestRouteReadsFew(t *testing.T) {
	b := newBox(t, Options{Route: func(_ *Inbound, accounts iter.Seq[Account], _ bool) (string, bool) {
		for a := range accounts {
			return a.Key, true
		}
		return "", true
	}})
	fillLanes(t, b.db, 2000)
	n := 0
	if allocs := testing.AllocsPerRun(10, func() {
		n++
		in := b.parts(uint16(n), 0, "whole")[0]
		in.UDH = nil
		if a := b.arrive(in); a.Account != "SHOP" {
			t.Errorf("it is for %q, want SHOP", a.Account)
		}
	}); allocs > 1000 {
		t.Errorf("a text from a phone allocates %.0f times", allocs)
	}
}

// TestRouteDamaged: when accounts can't be read nobody is guessed at: the text is in the inbox, on disk, and the work goes
// on.
func TestRouteDamaged(t *testing.T) {
	b := newBox(t, Options{Route: func(_ *Inbound, accounts iter.Seq[Account], _ bool) (string, bool) {
		if len(slices.Collect(accounts)) == 0 { // all are looked at
			return "", true
		}
		return "SHOP", true
	}})
	b.arrive(b.parts(1, 0, "a", "b")[0])
	for _, key := range []struct {
		bucket bucket
		key    []byte
	}{{bLanes, laneKey(b.acct.Lane)}, {bAccounts, []byte("CLINIC")}} {
		b.ok(b.db.w.do(func(t *txn) error {
			t.writes++
			return t.bucket(key.bucket).Put(key.key, []byte("nonsense"))
		}))
		if a := b.arrive(b.parts(2, 0, bucketNames[key.bucket])[0]); a.ID == 0 || a.Account != "" || a.Lane != 0 {
			t.Errorf("damaged %s: %+v", bucketNames[key.bucket], a)
		}
	}
	b.pass(time.Hour)
	b.tick()
	if all, err := b.db.Inbox(InboxFilter{}); err != nil || len(all) != 3 || all[0].Text != "a[...]" || all[0].Lane != 0 {
		t.Errorf("the inbox has %+v, %v", all, err)
	}
}
