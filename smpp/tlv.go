package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// TLV is an optional parameter (SMPP 3.4 §3.2.4.1): tag, length and value on the wire.
type TLV struct {
	Tag   Tag
	Value []byte // at most 65535 octets
}

// TLVString is a TLV that holds a C-octet string. Its NUL is written: without it some clients lose the last character.
func TLVString(tag Tag, s string) TLV { return TLV{tag, append([]byte(s), 0)} }

// TLVUint8 is a TLV that holds a number of one octet.
func TLVUint8(tag Tag, v uint8) TLV { return TLV{tag, []byte{v}} }

// TLVUint16 is a TLV that holds a number of two octets.
func TLVUint16(tag Tag, v uint16) TLV { return TLV{tag, binary.BigEndian.AppendUint16(nil, v)} }

// String shows tag and value ("sar_total_segments=03").
func (t TLV) String() string { return fmt.Sprintf("%s=%x", t.Tag, t.Value) }

// TLVs are the optional parameters of a PDU in the order of the wire, unknown ones included.
type TLVs []TLV

// Find is the value of the last TLV with this tag: the specification is silent about repeated ones. ok tells that there is
// one; its value may be empty.
func (t TLVs) Find(tag Tag) (value []byte, ok bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].Tag == tag {
			return t[i].Value, true
		}
	}
	return nil, false
}

// FindUint is the number in the last TLV with this tag; ok is false when there is none or it has not 1, 2 or 4 octets.
func (t TLVs) FindUint(tag Tag) (v uint32, ok bool) {
	value, _ := t.Find(tag)
	switch len(value) {
	case 1:
		return uint32(value[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(value)), true
	case 4:
		return binary.BigEndian.Uint32(value), true
	}
	return 0, false
}

// FindString is the C-octet string in the last TLV with this tag, up to its NUL if it has one.
func (t TLVs) FindString(tag Tag) (s string, ok bool) {
	value, ok := t.Find(tag)
	value, _, _ = bytes.Cut(value, []byte{0})
	return string(value), ok
}

// tlvs reads the optional parameters, which fill the rest of the PDU. A tag that is known and expected in this place must
// have a length that it can have; all others are kept as they are, for whoever wants to look at them.
func (r *reader) tlvs(in place) TLVs {
	if r.err != nil || r.atEnd() {
		return nil
	}
	return r.tlvsOf(bytes.Clone(r.b[r.off:]), in) // one copy for all values
}

// tlvsOf is tlvs from a copy of the rest of the PDU.
func (r *reader) tlvsOf(area []byte, in place) TLVs {
	if len(area) == 0 {
		return nil
	}
	all := make(TLVs, 0, countTLVs(area))
	for len(area) > 0 {
		if len(area) < 4 {
			r.fail("optional parameters", fmt.Sprintf("%d octets left, a tag and a length need 4", len(area)), StatusInvOptParStream)
			return nil
		}
		tag, n := Tag(binary.BigEndian.Uint16(area)), int(binary.BigEndian.Uint16(area[2:]))
		if n > len(area)-4 {
			r.fail(tag.String(), fmt.Sprintf("length %d, %d octets left", n, len(area)-4), StatusInvOptParStream)
			return nil
		}
		if info := tagInfos[tag]; info.in&in != 0 && (n < info.least || n > info.most) {
			r.fail(tag.String(), fmt.Sprintf("length %d, %d to %d allowed", n, info.least, info.most), StatusInvParLen)
			return nil
		}
		all = append(all, TLV{tag, area[4 : 4+n : 4+n]})
		area = area[4+n:]
		r.off += 4 + n
	}
	return all
}

// countTLVs is how many can be walked.
func countTLVs(area []byte) (n int) {
	for len(area) >= 4 {
		length := 4 + int(binary.BigEndian.Uint16(area[2:]))
		if length > len(area) {
			break
		}
		area = area[length:]
		n++
	}
	return n
}

// tlvs writes the optional parameters in their order.
func (w *writer) tlvs(all TLVs) {
	for _, t := range all {
		if len(t.Value) > 0xFFFF {
			w.fail(t.Tag.String(), fmt.Sprintf("%d octets, 65535 allowed", len(t.Value)))
			return
		}
		w.uint16(uint16(t.Tag))
		w.uint16(uint16(len(t.Value)))
		w.b = append(w.b, t.Value...)
	}
}
