package sms

import "fmt"

// FieldError says which field could not be read or written, where, and why. It holds neither number nor text, so it
// may be logged.
type FieldError struct {
	Field  string // name in TS 23.040, such as "TP-DA"; "SCA" for the address in front of a TPDU
	Offset int    // octets from the head of what was parsed (or is being appended) to the field
	Reason string // what is wrong, and what would be right
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s at octet %d: %s", e.Field, e.Offset, e.Reason)
}

// reader takes fields off the head of octets. Its first failure sticks: from then on every field reads as zero, and one
// look at err, at the end, is enough.
type reader struct {
	octets []byte
	pos    int
	err    error // nil or a *FieldError
}

// fail records why the field that starts at offset cannot be read, unless an earlier one failed already.
func (r *reader) fail(field string, offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &FieldError{Field: field, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
}

// take returns the next n octets, which still belong to the input; nil when they are not all there.
func (r *reader) take(field string, n int) []byte {
	if r.err != nil {
		return nil
	}
	if left := len(r.octets) - r.pos; n > left {
		r.fail(field, r.pos, "cut short: %d octets needed, %d left", n, left)
		return nil
	}
	r.pos += n
	return r.octets[r.pos-n : r.pos : r.pos]
}

func (r *reader) octet(field string) byte {
	if b := r.take(field, 1); b != nil {
		return b[0]
	}
	return 0
}

// writer appends the fields of one TPDU; like reader, it keeps its first failure.
type writer struct {
	octets []byte
	start  int // where the TPDU begins in octets
	err    error
}

func newWriter(b []byte) *writer {
	return &writer{octets: b, start: len(b)}
}

// fail records why the field that would stand next cannot be written.
func (w *writer) fail(field, format string, args ...any) {
	if w.err == nil {
		w.err = &FieldError{Field: field, Offset: len(w.octets) - w.start, Reason: fmt.Sprintf(format, args...)}
	}
}

func (w *writer) octet(v byte) {
	w.octets = append(w.octets, v)
}

// done returns the octets with the TPDU behind them, or without it and the error.
func (w *writer) done() ([]byte, error) {
	if w.err != nil {
		return w.octets[:w.start], w.err
	}
	return w.octets, nil
}
