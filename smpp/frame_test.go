package smpp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// stream is some PDUs behind each other, small ones and large.
func stream(t *testing.T) (all []byte, pdus [][]byte) {
	t.Helper()
	for i, size := range []int{0, 1, 100, 1000, 5000, 0, 40_000, 3, 60_000, 0} {
		pdu := whole(CmdSubmitSM, 0, uint32(i), bytes.Repeat([]byte{byte(i)}, size))
		all, pdus = append(all, pdu...), append(pdus, pdu)
	}
	return all, pdus
}

func TestFrameReaderPieces(t *testing.T) {
	all, pdus := stream(t)
	pieces := map[string]func(io.Reader) io.Reader{
		"glued":            func(r io.Reader) io.Reader { return r },
		"octet by octet":   iotest.OneByteReader,
		"halves":           iotest.HalfReader,
		"EOF with the end": iotest.DataErrReader,
	}
	for name, piece := range pieces {
		t.Run(name, func(t *testing.T) {
			f := NewFrameReader(piece(bytes.NewReader(all)), 66_000)
			for i, want := range pdus {
				got, err := f.Next()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("PDU %d: %d octets, %v, want %d", i, len(got), err, len(want))
				}
			}
			if _, err := f.Next(); err != io.EOF {
				t.Errorf("at the end: %v, want EOF", err)
			}
		})
	}
}

// TestFrameReaderRoom reads a large PDU among small ones: its room is given back.
func TestFrameReaderRoom(t *testing.T) {
	all, pdus := stream(t)
	f := NewFrameReader(bytes.NewReader(all), 66_000)
	if len(f.buf) > smallFrames {
		t.Errorf("%d octets of room before anything was read", len(f.buf))
	}
	for range pdus {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Next(); err != io.EOF || len(f.buf) > largeFrames {
		t.Errorf("%d octets of room at the end (%v)", len(f.buf), err)
	}
}

func TestFrameReaderErrors(t *testing.T) {
	tests := []struct {
		name   string
		octets string
		want   LengthError
	}{
		{"zero", "00000000", LengthError{0, 100, 0}},
		{"one short", "0000000f 00000015 00000000 00000009", LengthError{15, 100, 0}},
		{"one over the limit", "00000065 00000015 00000000 00000009", LengthError{101, 100, 9}},
		{"all ones", "ffffffff 00000015 00000000 00000009", LengthError{0xFFFFFFFF, 100, 9}},
		{"HTTP", "47455420 2f204854 54502f31 2e310d0a", LengthError{0x47455420, 100, 0x2e310d0a}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFrameReader(iotest.OneByteReader(bytes.NewReader(octets(t, tt.octets))), 100)
			_, err := f.Next()
			var got *LengthError
			if !errors.As(err, &got) || *got != tt.want {
				t.Errorf("got %v, want %v", err, &tt.want)
			}
			if !f.Buffered() {
				t.Error("the error is not at hand")
			}
		})
	}
	whole := octets(t, "00000012 00000015 00000000 00000009 0000")
	for n := 1; n < len(whole); n++ {
		if _, err := NewFrameReader(bytes.NewReader(whole[:n]), 100).Next(); err != io.ErrUnexpectedEOF {
			t.Errorf("cut after %d octets: %v", n, err)
		}
	}
	if _, err := NewFrameReader(strings.NewReader("\x00\x00\xff\xff\x00"), 100).Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("an oversize header cut short: %v", err)
	}
	if _, err := NewFrameReader(noProgress{}, 100).Next(); err != io.ErrNoProgress {
		t.Errorf("a reader that does nothing: %v", err)
	}
}

type noProgress struct{}

func (noProgress) Read([]byte) (int, error) { return 0, nil }

// TestFrameReaderTimeout goes on where it was after the reader had nothing for a while.
func TestFrameReaderTimeout(t *testing.T) {
	r, w := io.Pipe()
	slow := &stuttering{r: r}
	f := NewFrameReader(slow, 100)
	go func() {
		w.Write([]byte{0, 0, 0, 16, 0, 0})
		w.Write([]byte{0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1})
		w.Close()
	}()
	for range 2 { // before the first octets and between the pieces
		if _, err := f.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want a timeout", err)
		}
	}
	if got, err := f.Next(); err != nil || len(got) != 16 {
		t.Errorf("got %x, %v", got, err)
	}
}

// stuttering times out in front of every read.
type stuttering struct {
	r    io.Reader
	next bool
}

func (s *stuttering) Read(b []byte) (int, error) {
	s.next = !s.next
	if s.next {
		return 0, os.ErrDeadlineExceeded
	}
	return s.r.Read(b)
}

func TestFrameReaderLimit(t *testing.T) {
	all, pdus := stream(t)
	f := NewFrameReader(bytes.NewReader(all), 1016)
	for range 4 {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	f.SetLimit(5016) // as after the bind, with the next PDU in the buffer
	if got, err := f.Next(); err != nil || !bytes.Equal(got, pdus[4]) {
		t.Errorf("got %d octets, %v, want %d", len(got), err, len(pdus[4]))
	}
}
