package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"
)

func FuzzDecode(f *testing.F) {
	for _, g := range goldens {
		f.Add(g.octets(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkTwice(t, b)
		if len(b) >= headerLength { // most inputs are wrong about their length alone
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b, uint32(len(b)))
			checkTwice(t, b)
		}
	})
}

func FuzzTLVs(f *testing.F) {
	f.Add([]byte{2, 4, 0, 2, 1, 2}, uint8(inSubmit))
	f.Add([]byte{0, 0x1E, 0, 2, '1', 0, 4, 0x27, 0, 1, 2}, uint8(inDeliver))
	f.Add([]byte{4, 0x24, 0, 0, 0x14, 1, 0, 3, 1, 2, 3}, uint8(inData))
	f.Add([]byte{2, 4, 0, 2, 1}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, in uint8) {
		r := reader{b: b}
		all := r.tlvs(place(in))
		if r.err != nil {
			var field *FieldError
			if !errors.As(r.err, &field) || field.Offset > len(b) || all != nil {
				t.Fatalf("%x: %v, %v", b, all, r.err)
			}
			return
		}
		var w writer
		w.tlvs(all)
		if w.err != nil || !bytes.Equal(w.b, b) {
			t.Fatalf("%x appends as %x (%v)", b, w.b, w.err)
		}
		for _, v := range all {
			if _, ok := all.Find(v.Tag); !ok {
				t.Fatalf("%x: %s is not found", b, v.Tag)
			}
			all.FindUint(v.Tag)
			all.FindString(v.Tag)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("")
	f.Add("261123090000000+")
	f.Add("020610233429948-")
	f.Add("000000001000000R")
	f.Add("261123090000")
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s, now)
		if err != nil || at.Year() < 1938 || at.Year() > 2037 { // the wire has no others
			return
		}
		again, err := ParseTime(FormatTime(at), now)
		if err != nil || !again.Equal(at.Truncate(time.Second)) {
			t.Fatalf("%q is %s, and then %s (%v)", s, at, again, err)
		}
	})
}

func FuzzParseReceipt(f *testing.F) {
	f.Add("id:17 sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:DELIVRD err:000 text:hi there")
	f.Add("id:a-b sub:1 dlvrd:0 submit date:261123090533 done date:000000000000 stat:UNDELIV err:27 Text:x\ny")
	f.Add("id:17 sub:001 dlvrd:001 submit date:2611230905 done date:2611230905 stat:REJECTD err:000")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReceipt(s)
		if err != nil {
			return
		}
		again, err := ParseReceipt(r.String())
		r.Text = receiptText(r.Text) // all that String keeps of it
		if err != nil || again != r {
			t.Fatalf("%q is %+v, and then %+v (%v)", s, r, again, err)
		}
	})
}

// FuzzFrameReader reads any stream in two ways: whole and octet by octet.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 17})
	f.Add([]byte{0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		one, oneErr := readFrames(bytes.NewReader(b))
		two, twoErr := readFrames(&byOctets{b})
		if !reflect.DeepEqual(one, two) || !reflect.DeepEqual(oneErr, twoErr) {
			t.Fatalf("%x: %x (%v) whole, %x (%v) in pieces", b, one, oneErr, two, twoErr)
		}
	})
}

func readFrames(r io.Reader) (all [][]byte, err error) {
	f := NewFrameReader(r, 256)
	for {
		b, err := f.Next()
		if err != nil {
			return all, err
		}
		all = append(all, bytes.Clone(b))
	}
}

// byOctets gives one octet a time.
type byOctets struct{ b []byte }

func (r *byOctets) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:1], r.b)
	r.b = r.b[n:]
	return n, nil
}
