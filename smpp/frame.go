package smpp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// LengthError is a command_length that no PDU can have, or is over the limit. The stream has lost its frame: nothing behind
// it can be read.
type LengthError struct {
	Length   uint32
	Limit    int
	Sequence uint32 // of the PDU, for the generic_nack; 0 if it cannot be known
}

func (e *LengthError) Error() string {
	return fmt.Sprintf("command_length %d: %d to %d allowed", e.Length, headerLength, e.Limit)
}

// Sizes of a FrameReader's buffer: small for the many sessions that are idle, growing when a read fills it.
const (
	smallFrames = 2 << 10
	largeFrames = 32 << 10
)

// FrameReader cuts a stream into PDUs by their command_length, whichever pieces they come in.
type FrameReader struct {
	r        io.Reader
	limit    int
	buf      []byte
	from, to int // what has been read and not given out
}

// NewFrameReader reads PDUs of at most limit octets from r.
func NewFrameReader(r io.Reader, limit int) *FrameReader {
	return &FrameReader{r: r, limit: limit, buf: make([]byte, smallFrames)}
}

// SetLimit sets the most octets that a PDU may have, from the next one on.
func (f *FrameReader) SetLimit(limit int) { f.limit = limit }

// Buffered tells that Next has a whole PDU, or an error about one, at hand and will not read.
func (f *FrameReader) Buffered() bool {
	n, err := f.whole()
	return n > 0 || err != nil
}

// Next gives the octets of the next whole PDU, valid until the next call. It ends with io.EOF between two PDUs,
// io.ErrUnexpectedEOF inside one, a *LengthError, or what the reader says; after a timeout of the reader it may be called
// again and goes on where it was.
func (f *FrameReader) Next() ([]byte, error) {
	for {
		if pdu, err := f.step(); pdu != nil || err != nil {
			return pdu, err
		}
	}
}

// step is Next, but reads once at most. Nothing and no error: the PDU is not whole yet.
func (f *FrameReader) step() ([]byte, error) {
	n, err := f.whole()
	if n == 0 && err == nil {
		if err = f.fill(); err == nil {
			n, err = f.whole()
		}
	}
	if n == 0 || err != nil {
		return nil, err
	}
	pdu := f.buf[f.from : f.from+n]
	f.from += n
	return pdu, nil
}

// partial tells that a PDU has begun that is not whole.
func (f *FrameReader) partial() bool { return f.from < f.to }

// shrink gives back the room of a busier time, if nothing is held.
func (f *FrameReader) shrink() {
	if !f.partial() && len(f.buf) > smallFrames {
		f.move(make([]byte, smallFrames))
	}
}

// whole is the length of the PDU at the head of the buffer, or 0 if more must be read first.
func (f *FrameReader) whole() (int, error) {
	held := f.buf[f.from:f.to]
	if len(held) < 4 {
		return 0, nil
	}
	length := binary.BigEndian.Uint32(held)
	switch {
	case length < headerLength:
		return 0, &LengthError{Length: length, Limit: f.limit}
	case int64(length) > int64(f.limit) && len(held) >= headerLength: // the number must be known for the generic_nack
		return 0, &LengthError{Length: length, Limit: f.limit, Sequence: binary.BigEndian.Uint32(held[12:])}
	case int64(length) > int64(len(held)):
		return 0, nil
	}
	return int(length), nil
}

// fill reads once, behind what is held, and makes room for that first.
func (f *FrameReader) fill() error {
	held := f.to - f.from
	want := headerLength
	if held >= 4 {
		want = min(int(binary.BigEndian.Uint32(f.buf[f.from:])), max(f.limit, headerLength))
	}
	switch {
	case want > len(f.buf) && held > len(f.buf)/2: // as it comes, not as a length claims that may be a lie
		f.move(make([]byte, min(want, 2*len(f.buf))))
	case held == 0 && len(f.buf) > largeFrames: // one large PDU is no reason to keep its room
		f.move(make([]byte, largeFrames))
	case f.from > 0:
		f.move(f.buf)
	}
	n, err := f.r.Read(f.buf[f.to:])
	f.to += n
	if f.to == len(f.buf) && len(f.buf) < largeFrames {
		f.move(make([]byte, 2*len(f.buf)))
	}
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case err == io.EOF && held > 0:
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// move puts what is held at the head of buf, which may be the present buffer, and goes on with that.
func (f *FrameReader) move(buf []byte) {
	n := copy(buf, f.buf[f.from:f.to])
	f.buf, f.from, f.to = buf, 0, n
}
