package sms

import (
	"bytes"
	"testing"
	"time"
)

// holdsField fails unless err is a *FieldError that points into octets, or just behind them.
func holdsField(t *testing.T, octets []byte, err error) {
	t.Helper()
	fault, ok := err.(*FieldError)
	if !ok || fault.Field == "" || fault.Offset < 0 || fault.Offset > len(octets) {
		t.Fatalf("%x: error %#v", octets, err)
	}
}

// fuzzBothWays holds the promise of the package: whatever parses can be appended, and parses to the same value again.
func fuzzBothWays[T interface {
	Append([]byte) ([]byte, error)
}](f *testing.F, parse func([]byte) (T, error), equal func(a, b T) bool) {
	f.Fuzz(func(t *testing.T, octets []byte) {
		p, err := parse(octets)
		if err != nil {
			holdsField(t, octets, err)
			return
		}
		written, err := p.Append(nil)
		if err != nil {
			t.Fatalf("%x parses to %+v, which can't be appended: %v", octets, p, err)
		}
		again, err := parse(written)
		if err != nil || !equal(p, again) {
			t.Fatalf("%x parses to\n%+v, which appends to %x, which parses to\n%+v, %v", octets, p, written, again, err)
		}
		if len(written) > 3+12+3+7+1+maxUserData {
			t.Fatalf("%x appends to %d octets", octets, len(written))
		}
	})
}

func FuzzSubmit(f *testing.F) {
	for _, test := range submits {
		f.Add(unhex(f, test.octets))
	}
	f.Add(unhex(f, "41 00 02 D0 1B 00 00 06 05 00 03 2A 02 01"))
	fuzzBothWays(f, ParseSubmit, sameSubmit)
}

func FuzzDeliver(f *testing.F) {
	for _, test := range delivers {
		f.Add(unhex(f, test.octets))
	}
	f.Add(unhex(f, "07 04 81 2143 00 00 FFFFFFFFFFFFFF "+hello))
	fuzzBothWays(f, ParseDeliver, sameDeliver)
}

func FuzzStatusReport(f *testing.F) {
	for _, test := range reports {
		f.Add(unhex(f, test.octets))
	}
	f.Add(unhex(f, "06 07 0C 91 2143658709F1 FFFFFFFFFFFFFF 00000000000000 21 FF"))
	fuzzBothWays(f, ParseStatusReport, sameReport)
}

func FuzzUDH(f *testing.F) {
	for _, test := range headers {
		f.Add(unhex(f, test.octets))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		n, err := UDHLength(octets)
		if err != nil {
			holdsField(t, octets, err)
		} else if n < 1 || n > len(octets) {
			t.Fatalf("%x: a header of %d octets", octets, n)
		}
		elems, err := ParseUDH(octets)
		if err != nil {
			holdsField(t, octets, err)
			return
		}
		if again := AppendUDH(nil, elems...); !bytes.Equal(again, octets) {
			t.Fatalf("%x appends to %x", octets, again)
		}
		if ref, wide, total, seq, ok := ConcatOf(elems); ok {
			gotRef, gotWide, gotTotal, gotSeq, ok := ConcatOf([]Element{Concat(ref, wide, total, seq)})
			if !ok || gotRef != ref || gotWide != wide || gotTotal != total || gotSeq != seq || seq < 1 || seq > total {
				t.Fatalf("%x: part %d of %d, reference %d, is not found again", octets, seq, total, ref)
			}
		}
	})
}

func FuzzGSM7(f *testing.F) {
	for _, test := range packed {
		f.Add(unhex(f, test.octets), 0)
	}
	f.Add([]byte{0x1B, 0x9B, 0x1B, 0xE5}, 3)
	f.Fuzz(func(t *testing.T, octets []byte, fill int) {
		text := DecodeGSM7(octets)
		s, err := EncodeGSM7(text)
		if err != nil || len(s) > len(octets) {
			t.Fatalf("%x is %q, which is %x, %v", octets, text, s, err)
		}
		if again := DecodeGSM7(s); again != text {
			t.Fatalf("%x is %q, and then %q", octets, text, again)
		}
		unpacked := Unpack(octets, len(octets)*8/7, fill)
		if again := Unpack(Pack(unpacked, fill), len(unpacked), fill); !bytes.Equal(again, unpacked) {
			t.Fatalf("%x with %d fill bits unpacks to %x, and then to %x", octets, fill, unpacked, again)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, test := range addressFields {
		f.Add(unhex(f, test.octets))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		r := reader{octets: octets}
		a := r.address("TP-OA")
		if r.err != nil {
			holdsField(t, octets, r.err)
			return
		}
		w := newWriter(nil)
		w.address("TP-OA", a)
		written, err := w.done()
		if err != nil {
			t.Fatalf("%x is %+v, which can't be written: %v", octets, a, err)
		}
		again := reader{octets: written}
		if b := again.address("TP-OA"); again.err != nil || a != b {
			t.Fatalf("%x is %+v, which is written %x and read %+v, %v", octets, a, written, b, again.err)
		}
		if number, err := ParseNumber(a.String()); err == nil && !SameNumber(number.Number, a.Number) {
			t.Fatalf("%q is %+v, not the same number as %+v", a.String(), number, a)
		}
	})
}

func FuzzSCA(f *testing.F) {
	f.Add(unhex(f, "00 11 00"))
	f.Add(unhex(f, "07 91 1326040000F0 04"))
	f.Add(unhex(f, "08 D8 303030BF313030 04"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		sca, tpdu, err := SplitSCA(octets)
		if err != nil {
			holdsField(t, octets, err)
			return
		}
		if !bytes.HasSuffix(octets, tpdu) {
			t.Fatalf("%x: TPDU %x", octets, tpdu)
		}
		written := append(AppendSCA(nil, sca), tpdu...)
		scaAgain, tpduAgain, err := SplitSCA(written)
		if err != nil || scaAgain != sca || !bytes.Equal(tpduAgain, tpdu) {
			t.Fatalf("%x is %+v and %x; %x is %+v and %x, %v", octets, sca, tpdu, written, scaAgain, tpduAgain, err)
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	for _, text := range []string{"", "+", "+49170", "0170", "12345678901234567890", "4\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseNumber(text)
		if err != nil {
			return
		}
		if a.String() != text || !SameNumber(a.Number, text) {
			t.Fatalf("%q is %+v", text, a)
		}
		tpdu, err := Submit{Destination: a}.Append(nil)
		if err != nil {
			t.Fatalf("%q is %+v, which can't be sent: %v", text, a, err)
		}
		if p, err := ParseSubmit(tpdu); err != nil || p.Destination != a {
			t.Fatalf("%q is %+v, and comes back as %+v, %v", text, a, p.Destination, err)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add(bytes.Repeat([]byte{escape}, 161), uint8(GSM7), false, 0)
	f.Add(bytes.Repeat([]byte{0xD8, 0x3D, 0xDE, 0x00}, 40), uint8(UCS2), true, 3)
	f.Fuzz(func(t *testing.T, data []byte, alphabet uint8, wide bool, reserved int) {
		a := Alphabet(alphabet % 3)
		parts := SplitBeside(data, a, wide, reserved)
		if parts == nil {
			if reserved <= maxUserData-12 {
				t.Fatalf("%d octets leave room, but there are no parts", reserved)
			}
			return
		}
		if !bytes.Equal(bytes.Join(parts, nil), data) {
			t.Fatal("joined they are not the data")
		}
		for i, part := range parts {
			if len(part) > Capacity(a, 0) || len(part) == 0 && len(data) > 0 {
				t.Fatalf("part %d has %d", i, len(part))
			}
		}
	})
}

// FuzzValidity holds that no message centre gives up before the client wants it, if there is a value as long.
func FuzzValidity(f *testing.F) {
	for _, d := range []time.Duration{-58, -1 << 63, 0, 1, 5 * time.Minute, 12 * time.Hour, day, 30 * day, 63 * week, 1<<63 - 1} {
		f.Add(int64(d))
	}
	f.Fuzz(func(t *testing.T, nanoseconds int64) {
		d := time.Duration(nanoseconds)
		tpdu, err := Submit{Validity: d}.Append(nil)
		if d < 0 {
			wantField(t, err, "TP-VP", 6)
			return
		}
		p, errParse := ParseSubmit(tpdu)
		if err != nil || errParse != nil || p.Validity < min(d, 63*week) {
			t.Fatalf("%v became %v, %v, %v", d, p.Validity, err, errParse)
		}
	})
}
