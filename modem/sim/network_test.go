package sim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// partsOf is a text in as many parts as it takes.
func partsOf(t *testing.T, to, text string, wide bool) (parts []sms.Submit) {
	t.Helper()
	alphabet, dcs := sms.GSM7, uint8(0)
	data, err := sms.EncodeGSM7(text)
	if err != nil {
		alphabet, dcs, data = sms.UCS2, 0x08, sms.EncodeUCS2(text)
	}
	pieces := sms.Split(data, alphabet, wide)
	for i, piece := range pieces {
		p := textTo(to, "")
		p.DCS, p.Data = dcs, piece
		if len(pieces) > 1 {
			p.UDH = sms.AppendUDH(nil, sms.Concat(77, wide, uint8(len(pieces)), uint8(i+1)))
		}
		parts = append(parts, p)
	}
	return parts
}

func TestTexts(t *testing.T) {
	long := strings.Repeat("0123456789€", 50)
	for _, tt := range []struct {
		name, text string
		wide       bool
		order      []int
	}{
		{"one part", "hello", false, []int{0}},
		{"empty", "", false, []int{0}},
		{"UCS-2", "Привет 😀", false, []int{0}},
		{"long", long, false, []int{0, 1, 2, 3}},
		{"out of order", long, true, []int{3, 1, 0, 2}},
		{"a part twice", long, false, []int{0, 1, 1, 0, 2, 3}},
		{"long UCS-2", strings.Repeat("日本語😀", 40), false, []int{2, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var called []Text
				r := start(t, Config{OnText: func(text Text) { called = append(called, text) }})
				parts := partsOf(t, "4917012345", tt.text, tt.wide)
				for n, i := range tt.order {
					if got, want := r.send(parts[i]), ok(fmt.Sprintf("+CMGS: %d", n+1)); got != want {
						t.Fatalf("part %d: %q, want %q", i+1, got, want)
					}
				}
				texts := r.m.Texts()
				if len(texts) != len(tt.order) || len(called) != len(texts) {
					t.Fatalf("%d texts, %d calls, want %d of each", len(texts), len(called), len(tt.order))
				}
				for n, got := range texts {
					last := n == len(texts)-1
					want := parts[tt.order[n]].Text()
					if last {
						want = tt.text
					}
					if got.Text != want || got.Whole != last || got.Part != tt.order[n]+1 || got.Total != len(parts) || int(got.Reference) != n+1 {
						t.Errorf("text %d: %+v, want %q", n+1, got, want)
					}
					if called[n].Text != got.Text {
						t.Errorf("OnText had %q for %q", called[n].Text, got.Text)
					}
				}
			})
		})
	}
}

// The parts of one message may have different alphabets, and another message of the same reference is another one.
func TestMixedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		one, two := textTo("4917", "plain "), textTo("4917", "")
		two.DCS, two.Data = 0x08, sms.EncodeUCS2("Ж")
		one.UDH = sms.AppendUDH(nil, sms.Concat(1, false, 2, 1))
		two.UDH = sms.AppendUDH(nil, sms.Concat(1, false, 2, 2))
		other := two
		other.Destination.Number = "4918"
		for _, p := range []sms.Submit{one, other, two} {
			r.send(p)
		}
		texts := r.m.Texts()
		if len(texts) != 3 || texts[1].Whole || !texts[2].Whole || texts[2].Text != "plain Ж" {
			t.Errorf("got %+v", texts)
		}
	})
}

// References count to 255 and start again at 0.
func TestReferencesWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		for i := range 300 {
			if got, want := r.send(textTo("4917", "x")), ok(fmt.Sprintf("+CMGS: %d", (i+1)%256)); got != want {
				t.Fatalf("text %d: %q, want %q", i+1, got, want)
			}
		}
	})
}

// The list of texts does not grow for ever.
func TestTextsAreBounded(t *testing.T) {
	m := New(Config{})
	for i := range maxTexts + 1 {
		m.toPhone(sms.Submit{}, uint8(i), time.Time{})
		m.sub.takeFresh()
	}
	for _, texts := range [][]Text{m.Texts(), m.net.Texts()} {
		if last := texts[len(texts)-1]; len(texts) > maxTexts || len(texts) < maxTexts/2 || int(last.Reference) != maxTexts%256 {
			t.Errorf("%d texts, the last of them %d", len(texts), last.Reference)
		}
	}
}

func TestReceive(t *testing.T) {
	for _, tt := range []struct {
		name, from, text string
		parts            int
		fault            string
	}{
		{"number", "+491701", "hello", 1, ""},
		{"short code", "12345", "hello", 1, ""},
		{"name", "Shop & Co", "hello", 1, ""},
		{"UCS-2", "+491701", "Привет", 1, ""},
		{"long", "+491701", strings.Repeat("x", 400), 3, ""},
		{"empty", "+491701", "", 1, ""},
		{"no number", "", "x", 0, "no digits"},
		{"number too long", "+123456789012345678901", "x", 0, "at most 20"},
		{"name too long", "a very long name", "x", 0, "at most 11"},
		{"name of others", "Магазин", "x", 0, "Index"},
		{"too long", "+491701", strings.Repeat("x", 300*153), 0, "more than 255"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(Config{})
			err := m.Receive(tt.from, tt.text)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) && tt.fault != "Index" {
					t.Errorf("error %v, want one with %q", err, tt.fault)
				}
				return
			}
			if err != nil || len(m.sub.queue) != tt.parts {
				t.Fatalf("%d parts, error %v, want %d", len(m.sub.queue), err, tt.parts)
			}
			var text strings.Builder
			for i, a := range m.sub.queue {
				d, err := sms.ParseDeliver(a.tpdu)
				if err != nil {
					t.Fatal(err)
				}
				if d.MoreMessages != (i+1 < tt.parts) || d.Originator.String() != tt.from {
					t.Errorf("part %d: %+v", i+1, d)
				}
				text.WriteString(d.Text())
			}
			if text.String() != tt.text {
				t.Errorf("got %q, want %q", text.String(), tt.text)
			}
		})
	}
}

func TestReceiveTPDU(t *testing.T) {
	for _, tpdu := range [][]byte{nil, {0x00}, {0x04, 0x01}, {0x02}, {0x06, 0x01, 0x05}} {
		if err := New(Config{}).ReceiveTPDU(tpdu); err == nil {
			t.Errorf("% X: no error", tpdu)
		}
	}
}
