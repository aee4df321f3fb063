package sms

import "fmt"

// Element is an information element of a user data header (TS 23.040 §9.2.3.24).
type Element struct {
	ID   byte
	Data []byte // without the element's identifier and length; at most 137 octets fit
}

// Identifiers of the concatenation elements (§9.2.3.24.1, §9.2.3.24.8), and of the application ports (§9.2.3.24.3,
// §9.2.3.24.4).
const (
	concat8  = 0x00 // reference of 8 bits
	ports8   = 0x04 // ports of 8 bits
	ports16  = 0x05 // ports of 16 bits
	concat16 = 0x08 // reference of 16 bits
)

// UDHLength returns how many octets of data, from its head, are the user data header, with its length octet. The error,
// a *FieldError, says that data is shorter than its header claims to be.
func UDHLength(data []byte) (int, error) {
	n, fault := headerLength(data)
	if fault != "" {
		return 0, &FieldError{Field: "TP-UDHL", Reason: fault}
	}
	return n, nil
}

// headerLength is UDHLength for callers that know better where data stand; fault is "" or the reason.
func headerLength(data []byte) (n int, fault string) {
	if len(data) == 0 {
		return 0, "no user data, but a header was announced"
	}
	n = 1 + int(data[0])
	if n > len(data) {
		return 0, fmt.Sprintf("a header of %d octets in user data of %d", n, len(data))
	}
	return n, ""
}

// ParseUDH reads a whole user data header: its length octet, then elements, and nothing behind them. The elements' data
// still belong to udh. The error is a *FieldError.
func ParseUDH(udh []byte) ([]Element, error) {
	n, err := UDHLength(udh)
	if err != nil {
		return nil, err
	}
	if n < len(udh) {
		return nil, &FieldError{Field: "TP-UDHL", Reason: fmt.Sprintf("%d octets behind a header of %d", len(udh)-n, n)}
	}
	var elems []Element
	r := reader{octets: udh, pos: 1}
	for r.pos < n {
		id := r.octet("IEI")
		length := int(r.octet("IEIDL"))
		data := r.take("IED", length)
		if r.err != nil {
			return nil, r.err
		}
		elems = append(elems, Element{ID: id, Data: data})
	}
	return elems, nil
}

// AppendUDH appends a user data header with its length octet. There is room for 140 octets in all; a longer one is
// refused when the TPDU is appended.
func AppendUDH(b []byte, elems ...Element) []byte {
	start := len(b)
	b = append(b, 0)
	for _, e := range elems {
		b = append(b, e.ID, byte(len(e.Data)))
		b = append(b, e.Data...)
	}
	b[start] = byte(len(b) - start - 1)
	return b
}

// Concat says that a message is part seq (from 1) of total, all with the same reference. Without wide, only the low 8 bits
// of ref are sent.
func Concat(ref uint16, wide bool, total, seq uint8) Element {
	if wide {
		return Element{ID: concat16, Data: []byte{byte(ref >> 8), byte(ref), total, seq}}
	}
	return Element{ID: concat8, Data: []byte{byte(ref), total, seq}}
}

// Ports says which application on the phone gets the message, and which one sent it.
func Ports(destination, source uint16) Element {
	return Element{ID: ports16, Data: []byte{byte(destination >> 8), byte(destination), byte(source >> 8), byte(source)}}
}

// Ports reads what Ports wrote; ok is false for another element.
func (e Element) Ports() (destination, source uint16, ok bool) {
	if e.ID != ports16 || len(e.Data) != 4 {
		return 0, 0, false
	}
	return unit(e.Data), unit(e.Data[2:]), true
}

// PortsOf finds the ports among elems, of 16 or of 8 bits: the last one counts (§9.2.3.24). One of the wrong length is
// ignored.
func PortsOf(elems []Element) (destination, source uint16, ok bool) {
	for i := len(elems) - 1; i >= 0; i-- {
		if destination, source, ok = elems[i].Ports(); ok {
			return destination, source, true
		}
		if d := elems[i].Data; elems[i].ID == ports8 && len(d) == 2 {
			return uint16(d[0]), uint16(d[1]), true
		}
	}
	return 0, 0, false
}

// ConcatOf finds the concatenation among elems: the last one counts (§9.2.3.24). One of the wrong length, or whose seq is
// not between 1 and total, is to be ignored (§9.2.3.24.1), which leaves a message of one part.
func ConcatOf(elems []Element) (ref uint16, wide bool, total, seq uint8, ok bool) {
	for i := len(elems) - 1; i >= 0; i-- {
		switch d := elems[i].Data; {
		case elems[i].ID == concat8 && len(d) == 3:
			ref, wide, total, seq = uint16(d[0]), false, d[1], d[2]
		case elems[i].ID == concat16 && len(d) == 4:
			ref, wide, total, seq = unit(d), true, d[2], d[3]
		default:
			continue
		}
		if 1 <= seq && seq <= total {
			return ref, wide, total, seq, true
		}
	}
	return 0, false, 0, 0, false
}
