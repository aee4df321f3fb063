package sms

import (
	"fmt"
	"strings"
)

// semiOctets holds the character of each nibble of a number; 0xF is the filler behind an odd one (TS 23.040 §9.1.2.3).
const (
	semiOctets = "0123456789*#abc"
	filler     = 0xF
)

// maxValue is the longest address value in octets: 20 semi-octets.
const maxValue = maxDigits / 2

// address reads an address field of a TPDU: its length in useful semi-octets, type of address, value (§9.1.2.5).
func (r *reader) address(field string) Address {
	at := r.pos
	length := int(r.octet(field))
	toa := r.octet(field)
	if length > maxDigits {
		r.fail(field, at, "%d semi-octets: at most %d are possible", length, maxDigits)
	}
	value := r.take(field, (length+1)/2)
	if r.err != nil {
		return Address{}
	}
	return addressOf(toa, length, value)
}

// addressOf reads length semi-octets of value; value holds them all. A filler ends a number wherever it stands, because
// some message centres count it.
func addressOf(toa byte, length int, value []byte) Address {
	a := Address{TON: TON(toa >> 4 & 7), NPI: NPI(toa & 0xF)}
	if a.TON == TONAlphanumeric {
		a.Number = DecodeGSM7(Unpack(value, length*4/7, 0))
		return a
	}
	var digits [2 * maxValue]byte
	n := 0
	for ; n < length; n++ {
		nibble := value[n/2] >> (4 * (n % 2)) & 0xF
		if nibble == filler {
			break
		}
		digits[n] = semiOctets[nibble]
	}
	a.Number = string(digits[:n])
	return a
}

// address writes an address field of a TPDU.
func (w *writer) address(field string, a Address) {
	value, length, err := addressValue(a)
	if err != nil {
		w.fail(field, "%v", err)
		return
	}
	w.octets = append(w.octets, byte(length), typeOfAddress(a))
	w.octets = append(w.octets, value...)
}

func typeOfAddress(a Address) byte {
	return 0x80 | byte(a.TON)<<4 | byte(a.NPI)
}

// addressValue returns the value of an address field and how many semi-octets of it are useful.
func addressValue(a Address) (value []byte, length int, err error) {
	if a.TON > 7 || a.NPI > 0xF {
		return nil, 0, fmt.Errorf("type of number %d with numbering plan %d: at most 7 and 15 are possible", a.TON, a.NPI)
	}
	if a.TON == TONAlphanumeric {
		return alphanumericValue(a.Number)
	}
	if len(a.Number) > maxDigits {
		return nil, 0, fmt.Errorf("%d digits: at most %d are possible", len(a.Number), maxDigits)
	}
	value = make([]byte, 0, maxValue)
	for i := range len(a.Number) {
		nibble := strings.IndexByte(semiOctets, a.Number[i])
		switch {
		case nibble < 0:
			return nil, 0, fmt.Errorf("character %d is not one of the digits %s", i+1, semiOctets)
		case i%2 == 0:
			value = append(value, filler<<4|byte(nibble))
		default:
			value[i/2] = value[i/2]&0xF | byte(nibble)<<4
		}
	}
	return value, len(a.Number), nil
}

// alphanumericValue packs a sender's name. Its length is what the septets need of the last octet: ceil(7n/4) semi-octets.
func alphanumericValue(name string) (value []byte, length int, err error) {
	septets, err := EncodeGSM7(name)
	if err != nil {
		return nil, 0, err
	}
	if most := maxValue * 8 / 7; len(septets) > most {
		return nil, 0, fmt.Errorf("a name of %d septets: at most %d are possible", len(septets), most)
	}
	return Pack(septets, 0), (len(septets)*7 + 3) / 4, nil
}

// AppendSCA appends the service centre address that stands before a TPDU at the AT interface (TS 27.005 §3.1): its length
// in octets with the type of address, then the digits. The zero Address gives 00, which lets the modem use its own (+CSCA);
// so does a name, or a number that the field cannot hold, since the alternative would be a PDU that no modem can read.
func AppendSCA(b []byte, sca Address) []byte {
	value, _, err := addressValue(sca)
	if err != nil || len(value) == 0 || sca.TON == TONAlphanumeric {
		return append(b, 0)
	}
	b = append(b, byte(len(value)+1), typeOfAddress(sca))
	return append(b, value...)
}

// SplitSCA takes the service centre address off a PDU of the AT interface. The TPDU still belongs to pdu, and may be
// empty. An address without digits is the zero Address, and so is a name: without a count of its semi-octets it could not
// be told where it ends. The error is a *FieldError.
func SplitSCA(pdu []byte) (sca Address, tpdu []byte, err error) {
	r := reader{octets: pdu}
	length := int(r.octet("SCA"))
	if length > 1+maxValue {
		r.fail("SCA", 0, "%d octets: at most %d are possible", length, 1+maxValue)
	}
	address := r.take("SCA", length)
	if r.err != nil {
		return Address{}, nil, r.err
	}
	if length > 1 {
		sca = addressOf(address[0], 2*(length-1), address[1:])
	}
	if sca.Number == "" || sca.TON == TONAlphanumeric {
		sca = Address{}
	}
	return sca, pdu[r.pos:], nil
}
