package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// FieldError says which field of a PDU cannot be read or written, at which octet of the PDU, and why. It never carries the
// field's value: that may be a password.
type FieldError struct {
	Field  string // its name in the specification
	Offset int    // octets from the start of the PDU, header included
	Reason string
	Status Status // what to answer to the sender of such a PDU; never StatusOK
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s at octet %d: %s", e.Field, e.Offset, e.Reason)
}

// fieldStatus is the code with which a bad field is answered, where it has one of its own (SMPP 3.4 §5.1.3). The rest get
// StatusInvParLen.
var fieldStatus = map[string]Status{
	"system_id":              StatusInvSysID,
	"password":               StatusInvPaswd,
	"system_type":            StatusInvSysTyp,
	"service_type":           StatusInvSerTyp,
	"source_addr":            StatusInvSrcAdr,
	"destination_addr":       StatusInvDstAdr,
	"message_id":             StatusInvMsgID,
	"schedule_delivery_time": StatusInvSched,
	"validity_period":        StatusInvExpiry,
	"short_message":          StatusInvMsgLen,
	"sm_length":              StatusInvMsgLen,
	"number_of_dests":        StatusInvNumDests,
	"dest_flag":              StatusInvDestFlag,
	"dl_name":                StatusInvDLName,
}

func statusOfField(field string) Status {
	if status, ok := fieldStatus[field]; ok {
		return status
	}
	return StatusInvParLen
}

// reader takes the fields of one PDU from its octets, in the order of the specification. The first failure sticks: from
// there on every field is zero, so that a decoder needs no check but that of err at its end.
type reader struct {
	b      []byte // the whole PDU, so that offsets are those of the PDU; never changed, never kept
	off    int
	status Status // command_status of the header: some responses have no body when it is not 0
	err    error  // the first *FieldError

	// Strings of one PDU are cut out of one copy of so many octets; but where one is a secret, which is to go with the PDU.
	together bool
	copied   string
	copiedAt int // where copied begins in b
}

// ahead is how much is copied for a string and those behind it: all of an usual PDU, and little to keep for one string.
const ahead = 64

// text is a copy of the next n octets.
func (r *reader) text(n int) string {
	if n == 0 || !r.together {
		return string(r.b[r.off : r.off+n])
	}
	if r.off < r.copiedAt || r.off+n > r.copiedAt+len(r.copied) {
		r.copied, r.copiedAt = string(r.b[r.off:min(r.off+max(ahead, n), len(r.b))]), r.off
	}
	return r.copied[r.off-r.copiedAt:][:n]
}

func (r *reader) fail(field, reason string, status Status) {
	if r.err == nil {
		r.err = &FieldError{Field: field, Offset: r.off, Reason: reason, Status: status}
	}
}

// atEnd tells that no octets are left.
func (r *reader) atEnd() bool { return r.off >= len(r.b) }

// take gives the next n octets, in place, or nil after a failure.
func (r *reader) take(field string, n int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.b)-r.off < n {
		r.fail(field, fmt.Sprintf("the PDU ends: %d octets wanted, %d left", n, len(r.b)-r.off), StatusInvCmdLen)
		return nil
	}
	b := r.b[r.off : r.off+n]
	r.off += n
	return b
}

func (r *reader) uint8(field string) uint8 {
	if b := r.take(field, 1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32(field string) uint32 {
	if b := r.take(field, 4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// cstring reads a C-octet string of at most size octets, its NUL included (SMPP 3.4 §3.1). A string that is too long gets
// the field's own status; one that the end of the PDU cuts off gets StatusInvCmdLen.
func (r *reader) cstring(field string, size int) string {
	if r.err != nil {
		return ""
	}
	rest := r.b[r.off:]
	n := bytes.IndexByte(rest[:min(size, len(rest))], 0)
	switch {
	case n < 0 && len(rest) >= size:
		r.fail(field, fmt.Sprintf("no NUL within %d octets", size), statusOfField(field))
		return ""
	case n < 0:
		r.fail(field, "the PDU ends before the NUL", StatusInvCmdLen)
		return ""
	}
	text := r.text(n)
	r.off += n + 1
	return text
}

// clone is a copy of b; nil for none.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// address reads type of number, numbering plan and an address of at most size octets, its NUL included.
func (r *reader) address(field string, size int) Address {
	return Address{TON: r.uint8(field), NPI: r.uint8(field), Addr: r.cstring(field, size)}
}

// shortMessage reads sm_length and short_message, in place. 255 is not allowed (SMPP 3.4 §5.2.21).
func (r *reader) shortMessage() []byte {
	n := r.uint8("sm_length")
	if n > maxShortMessage {
		r.off--
		r.fail("sm_length", "255 is not allowed", StatusInvMsgLen)
	}
	return r.take("short_message", int(n))
}

// message reads what ends a PDU with a text: sm_length, short_message and the optional parameters, in one copy. text is nil
// when there is none.
func (r *reader) message(in place) (text []byte, all TLVs) {
	inPlace := r.shortMessage()
	if r.err != nil || len(inPlace) == 0 {
		return nil, r.tlvs(in)
	}
	n := len(inPlace)
	own := bytes.Clone(r.b[r.off-n:])
	return own[:n:n], r.tlvsOf(own[n:], in)
}

// writer appends the fields of one PDU, in the order of the specification. The first failure sticks.
type writer struct {
	b      []byte
	start  int    // where the PDU begins in b
	status Status // command_status of the header: some responses have no body when it is not 0
	err    error  // the first *FieldError
}

func (w *writer) fail(field, reason string) {
	if w.err == nil {
		w.err = &FieldError{Field: field, Offset: len(w.b) - w.start, Reason: reason, Status: statusOfField(field)}
	}
}

func (w *writer) uint8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) uint16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) uint32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }

// cstring writes s and a NUL, together at most size octets.
func (w *writer) cstring(field string, size int, s string) {
	switch {
	case len(s) >= size:
		w.fail(field, fmt.Sprintf("%d octets and a NUL, %d allowed", len(s), size))
	case strings.IndexByte(s, 0) >= 0:
		w.fail(field, "holds a NUL")
	}
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) address(field string, size int, a Address) {
	w.uint8(a.TON)
	w.uint8(a.NPI)
	w.cstring(field, size, a.Addr)
}

func (w *writer) shortMessage(text []byte) {
	if len(text) > maxShortMessage {
		w.fail("short_message", fmt.Sprintf("%d octets, %d allowed: longer text goes into message_payload", len(text), maxShortMessage))
	}
	w.uint8(uint8(len(text)))
	w.b = append(w.b, text...)
}

// maxShortMessage is the most octets in short_message.
const maxShortMessage = 254
