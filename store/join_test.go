package store

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"
)

// TestWordsAndOctets: a concatenation of both comes as two texts, each in part, and no octet of it is lost.
func TestWordsAndOctets(t *testing.T) {
	b := newBox(t, Options{InboundWait: 30 * time.Minute})
	b.arrive(b.parts(7, 0, "words ", "")[0])
	b.arrive(b.parts(7, 4, "", "\x00\xFE")[1])
	b.pass(30 * time.Minute)
	b.tick()
	all, err := b.db.Inbox(InboxFilter{})
	b.ok(err)
	if len(all) != 2 {
		t.Fatalf("%d texts came, want 2", len(all))
	}
	slices.SortFunc(all, func(x, y Inbound) int { return cmp.Compare(x.DCS, y.DCS) })
	words, octets := all[0], all[1]
	if words.Text != "words "+GapText || words.Missing != 1 {
		t.Errorf("the words are %q, %d parts missing", words.Text, words.Missing)
	}
	if string(octets.Data) != "\x00\xFE" || octets.DCS != dcsOctets || octets.Missing != 1 {
		t.Errorf("the octets are %x with DCS %#x, %d parts missing", octets.Data, octets.DCS, octets.Missing)
	}
}

// TestJoinDropsNothing: should words and octets ever meet, all of both is there.
func TestJoinDropsNothing(t *testing.T) {
	b := newBox(t, Options{})
	words, octets, wide := b.parts(7, 0, "a@", "", ""), b.parts(7, 4, "", "\x00\xFE", ""), b.parts(7, 8, "", "", "\x04\x10")
	for name, parts := range map[string][]*Inbound{
		"words first":  {&words[0], &octets[1], &wide[2]},
		"octets first": {&octets[1], &words[0], &wide[2]},
		"a gap":        {&words[0], nil, &octets[1], &wide[2]},
	} {
		var want []byte
		for _, p := range parts {
			if p != nil {
				want = append(want, p.Data...)
			}
		}
		if in, ok := join(parts); !ok || in.DCS != dcsOctets || !bytes.Equal(in.Data, want) || in.Text != "" {
			t.Errorf("%s: %x with DCS %#x and the text %q, want %x", name, in.Data, in.DCS, in.Text, want)
		}
	}
}
