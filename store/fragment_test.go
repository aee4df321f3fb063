package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smsgateway/sms"
)

// parts are what a phone makes of a text that was cut before: GSM 7 bit, or what dcs says of octets.
func (b *box) parts(ref uint16, dcs uint8, texts ...string) (parts []Inbound) {
	b.t.Helper()
	for n, text := range texts {
		data := []byte(text)
		if a, _ := sms.AlphabetOf(dcs); a == sms.GSM7 {
			var err error
			data, err = sms.EncodeGSM7(text)
			b.ok(err)
		}
		parts = append(parts, Inbound{
			Lane: b.acct.Lane, Modem: "stick", Line: "line-1", From: sms.Address{TON: 1, NPI: 1, Number: number}, DCS: dcs,
			Time: b.now.Add(time.Duration(n) * time.Second), Data: data,
			UDH: sms.AppendUDH(nil, sms.Concat(ref, ref > 255, uint8(len(texts)), uint8(n+1))),
		})
		last := &parts[n]
		last.Text = textOf(last)
	}
	return parts
}

// national are parts in GSM 7 bit, each with the single shift table of a language.
func (b *box) national(ref uint16, texts []string, languages ...sms.Language) []Inbound {
	parts := b.parts(ref, 0, make([]string, len(texts))...)
	for n, l := range languages {
		p, shift := &parts[n], sms.Shift{Single: l}
		elems, err := sms.ParseUDH(p.UDH)
		b.ok(err)
		p.UDH = sms.AppendUDH(nil, append(elems, shift.Elements()...)...)
		p.Data, err = shift.Encode(texts[n])
		b.ok(err)
		p.Text = texts[n]
	}
	return parts
}

func (b *box) arrive(in Inbound) Arrival {
	b.t.Helper()
	a, err := b.db.ReceiveText(in, b.now)
	b.ok(err)
	b.wantFragments()
	return a
}

// inbox lists the texts, the oldest first, and checks that the receivers get the same.
func (b *box) inbox() (texts []string) {
	b.t.Helper()
	all, err := b.db.Inbox(InboxFilter{Limit: 1000})
	b.ok(err)
	slices.Reverse(all)
	for _, in := range all {
		texts = append(texts, in.Text)
	}
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1000)
	b.ok(err)
	var out []Inbound
	for _, d := range rows {
		out = append(out, *d.Inbound)
	}
	if !reflect.DeepEqual(all, out) {
		b.t.Errorf("the inbox has %+v, the outbox %+v", all, out)
	}
	return texts
}

func (b *box) wantInbox(want ...string) {
	b.t.Helper()
	if got := b.inbox(); !slices.Equal(got, want) {
		b.t.Errorf("the inbox has %q, want %q", got, want)
	}
}

// wantFragments checks that each long text that waits has its parts, its age and its place in the count, and nothing else
// is there.
func (b *box) wantFragments() {
	b.t.Helper()
	b.ok(b.db.view(func(v *reader) error {
		texts, waiting, counted := map[string]bool{}, map[string]int{}, map[string]int{}
		for _, k := range v.keys(bFragments, []byte{rowFragment}) {
			texts[string(k[1:17])] = true
		}
		for _, k := range v.keys(bFragments, []byte{rowAge}) {
			line, _, digest := splitAge(k)
			if waiting[line]++; !texts[string(digest)] {
				return fmt.Errorf("row %x has no parts", k)
			}
			delete(texts, string(digest))
		}
		for _, k := range v.keys(bFragments, []byte{rowWaiting}) {
			f, err := v.get(bFragments, k)
			if err != nil {
				return err
			}
			counted[string(k[2:])] = int(f.uint32())
		}
		if len(texts) > 0 || !reflect.DeepEqual(waiting, counted) {
			return fmt.Errorf("%d texts without an age; %v wait, counted are %v", len(texts), waiting, counted)
		}
		return nil
	}))
}

// joinTest is a long text, and what becomes of it: the text, and DCS, UDH and Data.
type joinTest struct {
	name  string
	parts []Inbound
	text  string
	want  Inbound
}

func joinTests(b *box) []joinTest {
	utf16 := func(s string) string { return string(sms.EncodeUCS2(s)) }
	ports := []byte{0x05, 0x04, 0x0B, 0x84, 0x23, 0xF0}
	clip := func(parts []Inbound) []Inbound { // ports before the concatenation
		for n := range parts {
			parts[n].UDH = append(append([]byte{parts[n].UDH[0] + 6}, ports...), parts[n].UDH[1:]...)
		}
		return parts
	}
	o := strings.Repeat("ö", 153)
	return []joinTest{
		{"GSM 7 bit", b.parts(1, 0, "Hello, ", "wor", "ld"), "Hello, world", Inbound{Data: []byte("Hello, world")}},
		{"reference of 16 bits", b.parts(0x1234, 0, "a", "b"), "ab", Inbound{Data: []byte("ab")}},
		{"one of one", b.parts(2, 0, "alone"), "alone", Inbound{Data: []byte("alone")}},
		{"escape pair cut", func() []Inbound {
			p := b.parts(3, 0, "5 ", "x")
			p[0].Data, p[1].Data = append(p[0].Data, 0x1B), []byte("e!")
			return p
		}(), "5 €!", Inbound{Data: []byte("5 \x1Be!")}},
		{"surrogate pair cut", b.parts(4, 8, utf16("🎉")[:2], utf16("🎉")[2:]), "🎉",
			Inbound{DCS: 8, Data: []byte(utf16("🎉"))}},
		{"cut within an octet pair", b.parts(5, 8, utf16("äö")[:3], utf16("äö")[3:]), "äö",
			Inbound{DCS: 8, Data: []byte(utf16("äö"))}},
		{"binary with ports", clip(b.parts(6, 4, "\x00\x01", "\xFE")), "",
			Inbound{DCS: 4, Data: []byte("\x00\x01\xFE"), UDH: append([]byte{6}, ports...)}},
		{"two alphabets", append(b.parts(7, 0, "a@", "", "c")[:1], append(b.parts(7, 8, "", utf16("é🎉"), "")[1:2],
			b.parts(7, 0, "", "", "c")[2])...), "a@é🎉c", Inbound{DCS: 8, Data: []byte(utf16("a@é🎉c"))}},
		{"flash", b.parts(8, 0x10, "a", "b"), "ab", Inbound{DCS: 0x10, Data: []byte("ab")}},
		{"by a national table", b.national(10, []string{"ı", "ş["}, sms.Turkish, sms.Turkish), "ış[",
			Inbound{Data: []byte("\x1bi\x1bs\x1b<"), UDH: []byte{3, 0x24, 1, byte(sms.Turkish)}}},
		{"by two tables", b.national(11, []string{"ı", "í"}, sms.Turkish, sms.Spanish), "ıí",
			Inbound{DCS: 8, Data: []byte(utf16("ıí"))}},
		{"by a table and none", b.national(12, []string{"ı", "é"}, sms.Turkish, sms.NoLanguage), "ıé",
			Inbound{DCS: 8, Data: []byte(utf16("ıé"))}},
		{"200 parts of letters that are two octets in UTF-8", b.parts(9, 0, slices.Repeat([]string{o}, 200)...),
			strings.Repeat(o, 200), Inbound{Data: bytes.Repeat([]byte{0x7C}, 153*200)}},
	}
}

// TestJoin: the parts come in the wrong order, each twice, with the gateway stopped between them.
func TestJoin(t *testing.T) {
	for _, tt := range joinTests(newBox(t, Options{})) {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{})
			sent := tt.parts[0].Time
			for n, p := range slices.Backward(tt.parts) { // the last one first, and each twice
				b.pass(time.Second)
				for again := range 2 {
					a := b.arrive(p)
					if a.Again != (again == 1) || a.Waiting != (n > 0) {
						t.Fatalf("part %d: %+v", n+1, a)
					}
				}
				b.reopen()
			}
			b.wantInbox(tt.text)
			all, err := b.db.Inbox(InboxFilter{})
			b.ok(err)
			got := all[0]
			want := Inbound{ID: 1, Account: "SHOP", Lane: b.acct.Lane, Modem: "stick", Line: "line-1", From: tt.parts[0].From,
				Time: sent, Received: b.now, DCS: tt.want.DCS, UDH: tt.want.UDH, Data: tt.want.Data, Text: tt.text,
				Parts: len(tt.parts), digests: got.digests}
			if !reflect.DeepEqual(got, want) || len(got.digests) != len(tt.parts) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			b.pass(47 * time.Hour)
			for _, p := range tt.parts {
				if a := b.arrive(p); !a.Again || a.Waiting || a.ID != 1 {
					t.Errorf("a part again after the whole: %+v", a)
				}
			}
			if n, err := b.db.DropInbound(b.now, 0); n != 1 || err != nil {
				t.Errorf("%d were dropped, %v", n, err)
			}
			b.ok(b.db.view(func(v *reader) error {
				if n := len(v.keys(bSeen, nil)) + len(v.keys(bFragments, nil)); n != 0 {
					t.Errorf("%d rows are left of nothing", n)
				}
				return nil
			}))
		})
	}
}

// TestNotJoined: what has nothing in common is never put together.
func TestNotJoined(t *testing.T) {
	b := newBox(t, Options{})
	of := func(total uint8, change func(*Inbound)) Inbound {
		p := b.parts(7, 0, "one", "two")[1]
		p.UDH = sms.AppendUDH(nil, sms.Concat(7, false, total, 2))
		change(&p)
		return p
	}
	b.arrive(b.parts(7, 0, "one", "two")[0])
	for name, p := range map[string]Inbound{
		"line":           of(2, func(p *Inbound) { p.Line = "line-2" }),
		"number":         of(2, func(p *Inbound) { p.From.Number = "110" }),
		"kind of number": of(2, func(p *Inbound) { p.From.TON = 5 }),
		"reference":      of(2, func(p *Inbound) { p.UDH = sms.AppendUDH(nil, sms.Concat(8, false, 2, 2)) }),
		"width":          of(2, func(p *Inbound) { p.UDH = sms.AppendUDH(nil, sms.Concat(7, true, 2, 2)) }),
		"total":          of(3, func(*Inbound) {}),
		"octets":         of(2, func(p *Inbound) { p.DCS = 4 }),
	} {
		if a := b.arrive(p); !a.Waiting || a.Again || a.Have != 1 {
			t.Errorf("another %s: %+v", name, a)
		}
	}
	b.wantInbox()
	for n, seq := range []byte{0, 3} { // no part there is: a text by itself, as it came
		p := of(2, func(p *Inbound) { p.UDH = []byte{5, 0, 3, 7, 2, seq} })
		if a := b.arrive(p); a.Waiting || a.ID != uint64(n+1) || !bytes.Equal(a.UDH, p.UDH) || a.Parts != 0 {
			t.Errorf("part %d of 2: %+v", seq, a)
		}
	}
	b.wantInbox("two", "two")
}

// TestInPart: after the wait a text is delivered without what did not come, and what comes later by itself.
func TestInPart(t *testing.T) {
	utf16 := func(s string) string { return string(sms.EncodeUCS2(s)) }
	for _, tt := range []struct {
		name  string
		parts func(b *box) []Inbound
		come  []int
		want  string
	}{
		{"the first", func(b *box) []Inbound { return b.parts(1, 0, "a", "b", "c") }, []int{1}, "[...]b[...]"},
		{"the last", func(b *box) []Inbound { return b.parts(1, 0, "a", "b", "c") }, []int{0, 1}, "ab[...]"},
		{"two in the middle", func(b *box) []Inbound { return b.parts(1, 0, "a", "b", "c", "d") }, []int{3, 0}, "a[...]d"},
		{"half an escape pair", func(b *box) []Inbound {
			p := b.parts(1, 0, "a", "b")
			p[0].Data = []byte{'a', 0x1B}
			return p
		}, []int{0}, "a[...]"},
		{"half a surrogate pair", func(b *box) []Inbound {
			return b.parts(1, 8, utf16("a🎉")[:4], "xx")
		}, []int{0}, "a\uFFFD[...]"},
		{"half an octet pair", func(b *box) []Inbound { return b.parts(1, 8, utf16("ab")[:3], "xx") }, []int{0}, "a[...]"},
		{"by a national table", func(b *box) []Inbound {
			return b.national(1, []string{"ı", "b", "ş"}, sms.Turkish, sms.Turkish, sms.Turkish)
		}, []int{2, 0}, "ı[...]ş"},
		{"octets", func(b *box) []Inbound { return b.parts(1, 4, "\x01", "\x02", "\x03") }, []int{2, 0}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, Options{InboundWait: 30 * time.Minute})
			parts := tt.parts(b)
			for _, n := range tt.come {
				b.arrive(parts[n])
			}
			if next, err := b.db.NextTimer(); err != nil || !next.Equal(b.now.Add(30*time.Minute)) {
				t.Errorf("the next timer is %s, %v", next, err)
			}
			b.pass(30*time.Minute - time.Second)
			b.tick()
			b.wantInbox()
			b.pass(time.Second)
			b.tick()
			b.wantInbox(tt.want)
			all, err := b.db.Inbox(InboxFilter{})
			b.ok(err)
			if got := all[0]; got.Parts != len(parts) || got.Missing != len(parts)-len(tt.come) || without(got.UDH, isShift) != nil {
				t.Errorf("got %+v", got)
			}
			b.wantFragments()
			if next, err := b.db.NextTimer(); err != nil || !next.IsZero() {
				t.Errorf("the next timer is %s, %v", next, err)
			}
			if a := b.arrive(parts[tt.come[0]]); !a.Again || a.ID != 1 {
				t.Errorf("a part again: %+v", a)
			}
		})
	}
}

func TestLatePart(t *testing.T) {
	b := newBox(t, Options{})
	parts := b.parts(1, 0, "a", "b", "c")
	b.arrive(parts[0])
	b.pass(time.Hour)
	b.tick()
	b.arrive(parts[2])
	b.arrive(parts[1])
	b.pass(time.Hour)
	b.tick()
	b.wantInbox("a[...]", "[...]bc")
}

// TestFragmentsAreHeld: nothing is given up while the clock is not believed, just after a start, and on a full disk.
func TestFragmentsAreHeld(t *testing.T) {
	b := newBox(t, Options{EvidenceWait: 5 * time.Minute})
	b.arrive(b.parts(1, 0, "a", "b")[0])
	b.tick()
	b.pass(10 * time.Minute)
	b.now = b.now.Add(1000 * time.Hour) // a jump
	b.tick()
	b.wantInbox()
	b.now = b.now.Add(-1000 * time.Hour)

	b.pass(clockGap - 15*time.Minute) // longer, and the clock would be doubted after the start
	b.reopen()
	done, err := b.db.Tick(b.now, 10)
	if b.ok(err); !done.Next.Equal(b.now.Add(5 * time.Minute)) {
		t.Errorf("after a start the next timer is %s", done.Next)
	}
	b.pass(5 * time.Minute)
	b.reserve(1 << 60)
	done, err = b.db.Tick(b.now, 10)
	if b.ok(err); !done.Next.Equal(b.now.Add(time.Minute)) {
		t.Errorf("on a full disk the next timer is %s", done.Next)
	}
	if _, err := b.db.ReceiveText(b.parts(2, 0, "a", "b")[0], b.now); !errors.Is(err, ErrDiskFull) {
		t.Errorf("a part on a full disk: %v", err)
	}
	b.wantInbox()
	b.reserve(-1)
	b.tick()
	b.wantInbox("a[...]")
}

// TestFragmentFromTheFuture: a part that came while the clock was years ahead does not wait for years.
func TestFragmentFromTheFuture(t *testing.T) {
	b := newBox(t, Options{})
	_, err := b.db.ReceiveText(b.parts(1, 0, "a", "b")[0], b.now.Add(10000*time.Hour))
	b.ok(err)
	b.arrive(b.parts(2, 0, "c", "d")[0])
	b.tick()
	b.wantInbox("a[...]")
}

// TestReferenceUsedAgain: another text with the reference of one that waits puts an end to the waiting; a part that the
// phone sent twice does not.
func TestReferenceUsedAgain(t *testing.T) {
	b := newBox(t, Options{})
	first := b.parts(1, 0, "old 1 ", "old 2 ", "old 3")
	b.arrive(first[0])
	b.arrive(first[2])
	twice := first[0]
	twice.Time = twice.Time.Add(9 * time.Minute)
	if a := b.arrive(twice); !a.Again || !a.Waiting || a.Have != 2 || a.Total != 3 {
		t.Errorf("a part that was sent twice: %+v", a)
	}
	second := b.parts(1, 0, "new 1 ", "new 2 ", "new 3")
	if a := b.arrive(second[0]); a.Again || !a.Waiting || a.Have != 1 || len(a.InPart) != 1 || a.InPart[0].Missing != 1 {
		t.Errorf("another text: %+v", a)
	}
	b.arrive(second[1])
	if a := b.arrive(second[2]); a.Waiting || a.ID != 2 || a.Have != 3 {
		t.Errorf("its end: %+v", a)
	}
	b.wantInbox("old 1 [...]old 3", "new 1 new 2 new 3")
}

// TestWaitingTexts: what waits is listed as far as it has come, and no more once it is whole or given up.
func TestWaitingTexts(t *testing.T) {
	b := newBox(t, Options{})
	whole, half := b.parts(1, 0, "a", "b"), b.parts(2, 0, "c", "d", "e")
	b.arrive(whole[0])
	b.pass(time.Minute)
	b.arrive(half[2])
	other := half[1]
	other.Line = "line-0"
	b.arrive(other)
	list := func(limit int) (texts []string) {
		all, err := b.db.WaitingTexts(limit)
		b.ok(err)
		for _, w := range all {
			texts = append(texts, fmt.Sprintf("%s %d/%d until %s", w.Text, w.Parts-w.Missing, w.Parts, w.Until.Sub(b.now)))
			if w.ID != 0 || w.Lane != 0 || w.Account != "" {
				t.Errorf("it has an ID or an account: %+v", w)
			}
		}
		return texts
	}
	if got := list(2); !slices.Equal(got, []string{"[...]d[...] 1/3 until 1h0m0s", "a[...] 1/2 until 59m0s"}) {
		t.Errorf("two wait: %q", got)
	}
	b.arrive(whole[1])
	if got := list(10); len(got) != 2 || got[1] != "[...]e 1/3 until 1h0m0s" {
		t.Errorf("one of a line waits: %q", got)
	}
	b.pass(time.Hour)
	b.tick()
	if got := list(10); len(got) != 0 {
		t.Errorf("nothing waits: %q", got)
	}
}

// TestMostWaiting: the oldest of a line makes room for a new one; another line's stay.
func TestMostWaiting(t *testing.T) {
	b := newBox(t, Options{})
	b.db.mostWaiting = 3
	other := b.parts(1, 0, "other", "x")[0]
	other.Line = "line-2"
	b.arrive(other)
	for n := range 5 {
		b.pass(time.Second)
		a := b.arrive(b.parts(uint16(n), 0, fmt.Sprint(n), "x")[0])
		if want := max(n-2, 0) - max(n-3, 0); len(a.InPart) != want {
			t.Errorf("text %d: %d made room, want %d", n, len(a.InPart), want)
		}
	}
	b.wantInbox("0[...]", "1[...]")
}

// TestDamagedFragment: a part that can't be read counts as missing, and as never seen when it comes again.
func TestDamagedFragment(t *testing.T) {
	b := newBox(t, Options{})
	spoil := func(seq int) {
		parts := b.parts(1, 0, "a", "b", "c")
		key := fragmentKey(parts[0].fragmentsDigest(1, false, 3), seq)
		b.ok(b.db.w.do(func(t *txn) error {
			t.writes++
			return t.bucket(bFragments).Put(key, []byte("nonsense"))
		}))
	}
	parts := b.parts(1, 0, "a", "b", "c")
	b.arrive(parts[0])
	b.arrive(parts[1])
	spoil(1)
	if a := b.arrive(parts[2]); !a.Waiting || a.Have != 2 {
		t.Errorf("the last part: %+v", a)
	}
	b.reopen()
	if a := b.arrive(parts[0]); a.Waiting || a.Again || a.Have != 3 {
		t.Errorf("the damaged part again: %+v", a)
	}
	b.wantInbox("abc")

	parts = b.parts(1, 0, "x", "y", "z")
	b.arrive(parts[0])
	spoil(1)
	b.pass(time.Hour)
	b.tick()
	b.wantInbox("abc") // nothing is left of it
	b.wantFragments()

	b.arrive(parts[0])
	spoil(1)
	b.pass(time.Minute)
	_, err := b.db.ReceiveText(parts[1], b.now) // one age too many until the first is over
	b.ok(err)
	b.pass(time.Hour)
	b.tick()
	b.wantInbox("abc", "[...]y[...]")
	b.wantFragments()
}

// TestRandomFragments: long texts of several phones, their parts in any order, twice or more often, lost answers and power
// cuts between: each is in the inbox once, and whole.
func TestRandomFragments(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	b := newBox(t, Options{InboundWait: 7 * 24 * time.Hour})
	var want []string
	var todo []Inbound
	for n := range 60 {
		var texts []string
		for range 1 + r.IntN(5)*r.IntN(4) {
			texts = append(texts, fmt.Sprintf("%d.%d ", n, len(texts)))
		}
		parts := b.parts(uint16(n*7), 0, texts...)
		for _, p := range parts {
			p.From.Number = fmt.Sprint(n % 3)
			for range 1 + r.IntN(2)*r.IntN(3) {
				todo = append(todo, p)
			}
		}
		want = append(want, strings.Join(texts, ""))
	}
	r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	for _, p := range todo {
		switch r.IntN(12) {
		case 0: // written, but the answer is lost: the modem gives it again
			_, err := b.db.ReceiveText(p, b.now)
			b.ok(err)
			b.crash()
		case 1: // a commit that fails changes nothing, and stops the store
			b.db.w.do(func(t *txn) error {
				t.w.commit = func(tx *bolt.Tx) error { return errors.Join(tx.Rollback(), errors.New("the disk is gone")) }
				return nil
			})
			if _, err := b.db.ReceiveText(p, b.now); err == nil {
				if a, err := b.db.ReceiveText(p, b.now); err != nil || !a.Again {
					t.Fatalf("a commit that failed was answered with nil: %+v, %v", a, err)
				}
			}
			b.crash()
		}
		b.arrive(p)
		b.pass(time.Duration(r.IntN(600)) * time.Second)
		_, err := b.db.Tick(b.now, 1+r.IntN(50))
		b.ok(err)
	}
	got := b.inbox()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// FuzzJoin: whatever parts say, they are joined without a panic, their record is read as it was written, and what is joined
// fits into a deliver_sm.
func FuzzJoin(f *testing.F) {
	f.Add([]byte{5, 0, 3, 1, 2, 1}, []byte("hello"), uint8(0), []byte("wörld"), uint8(8), uint8(2))
	f.Add([]byte{11, 5, 4, 1, 2, 3, 4, 0, 3, 1, 2, 1}, []byte{0x1B}, uint8(0), []byte{1}, uint8(4), uint8(200))
	f.Fuzz(func(t *testing.T, udh, one []byte, dcs uint8, two []byte, dcs2, gaps uint8) {
		one, two = one[:min(len(one), 160)], two[:min(len(two), 160)]
		parts := []*Inbound{{UDH: udh[:min(len(udh), 140)], DCS: dcs, Data: one}}
		for n := range int(gaps) % (mostJoined - 1) {
			if n%2 == 0 {
				parts = append(parts, nil)
			} else {
				parts = append(parts, &Inbound{DCS: dcs2, Data: two})
			}
		}
		in, ok := join(parts)
		if !ok || in.Parts != len(parts) || in.Missing >= in.Parts || len(in.digests) != in.Parts-in.Missing {
			t.Fatalf("joined to %+v, %t", in, ok)
		}
		if len(in.Data)+len(in.UDH) > 1<<16-1 {
			t.Fatalf("%d octets", len(in.Data))
		}
		in.concatenation()
		in.From.Number = "1"
		r := &fields{rest: appendInbound(nil, &in)}
		if again := decodeInbound(r); r.end() != nil || !bytes.Equal(again.Data, in.Data) || again.Text != in.Text {
			t.Fatalf("read %+v, %v; want %+v", again, r.end(), in)
		}
	})
}

// TestMoreThanJoined: a text of more parts than one record holds comes as two.
func TestMoreThanJoined(t *testing.T) {
	b := newBox(t, Options{})
	parts := b.parts(1, 0, slices.Repeat([]string{strings.Repeat("x", 153)}, 255)...)
	for n, p := range parts {
		if a := b.arrive(p); a.Waiting != (n < 254) {
			t.Fatalf("part %d: %+v", n+1, a)
		}
	}
	b.wantInbox(strings.Repeat("x", 200*153), strings.Repeat("x", 55*153))
	if a := b.arrive(parts[254]); !a.Again || a.ID != 2 {
		t.Errorf("the last part again: text %d, %t", a.ID, a.Again)
	}
}

// TestWithoutTime: of texts from an SMSC that gives no time that can be read, the same one again soon is a repeat, and later
// somebody has said the same again.
func TestWithoutTime(t *testing.T) {
	b := newBox(t, Options{})
	stop := Inbound{Lane: b.acct.Lane, Line: "line-1", From: sms.Address{TON: 1, Number: number}, Data: []byte("STOP"), Text: "STOP"}
	for n, wait := range []time.Duration{0, 9 * time.Minute, 11 * time.Minute} {
		b.pass(wait)
		if a := b.arrive(stop); a.Again != (n == 1) {
			t.Errorf("text %d: again %t", n+1, a.Again)
		}
	}
	b.wantInbox("STOP", "STOP")
}
