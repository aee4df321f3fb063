package sms

// maxUserData is the most octets of user data in a TPDU, header and all (TS 23.040 §9.2.3.24): 160 septets when packed.
const (
	maxUserData = 140
	maxSeptets  = maxUserData * 8 / 7
)

// Capacity is how much user data fits beside a header of udhOctets (its length octet included; 0 for none): septets for
// GSM7, octets for the rest, an even number of them for UCS2. 0 when the header leaves no room.
func Capacity(a Alphabet, udhOctets int) int {
	octets := maxUserData - max(0, udhOctets)
	switch {
	case octets <= 0:
		return 0
	case a == GSM7:
		return octets * 8 / 7
	case a == UCS2:
		return octets &^ 1
	}
	return octets
}

// Split cuts user data into as few parts as the alphabet allows: into one that leaves no room for a header if everything
// fits there, else into parts that leave room for a Concat (16 bit reference if wide). Data are septets, one per octet,
// for GSM7 and octets for the rest. An escape stays with its character and a surrogate pair together. Empty data are one
// empty part. The parts belong to data; joined they are data. There may be more of them than the 255 a Concat can count.
func Split(data []byte, a Alphabet, wide bool) [][]byte {
	return SplitBeside(data, a, wide, 0)
}

// SplitBeside is Split for parts that carry other elements too, such as ports: reserved is how many octets these take,
// each with its identifier and length. It returns nil if they leave no room for a character.
func SplitBeside(data []byte, a Alphabet, wide bool, reserved int) [][]byte {
	reserved = max(0, min(reserved, maxUserData))
	single := reserved
	if reserved > 0 {
		single++ // the header's length octet
	}
	if limit := Capacity(a, single); limit > 0 && len(data) <= limit {
		return [][]byte{data[:len(data):len(data)]}
	}
	concat := AppendUDH(nil, Concat(0, wide, 0, 0))
	limit := Capacity(a, len(concat)+reserved)
	if limit < widest {
		return nil
	}
	parts := make([][]byte, 0, len(data)/limit+1)
	for len(data) > limit {
		n := cut(data, a, limit)
		parts = append(parts, data[:n:n])
		data = data[n:]
	}
	return append(parts, data[:len(data):len(data)])
}

// widest is the longest character: a surrogate pair of UCS2. With room for it, every part gets at least one character.
const widest = 4

// cut is where data can be cut at or before limit (widest or more) without cutting a character.
func cut(data []byte, a Alphabet, limit int) int {
	switch {
	case a == GSM7 && escapesBefore(data, limit)%2 == 1:
		return limit - 1
	case a == UCS2 && unit(data[limit-2:])>>10 == 0xD800>>10 && len(data) >= limit+2 && unit(data[limit:])>>10 == 0xDC00>>10:
		return limit - 2
	}
	return limit
}

// escapesBefore counts the escapes that stand together just before position n. If their number is odd the last one belongs
// to what follows; if even, they are pairs of their own (two escapes are one character).
func escapesBefore(septets []byte, n int) (count int) {
	for count < n && septets[n-1-count]&0x7F == escape {
		count++
	}
	return count
}
