package store

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"smsgateway/sms"
)

// recordVersion is the first octet of each value. Another one is refused: a change of the payload is a change of the
// file's format.
const recordVersion = 1

const crcLen = 4

// maxMilli bounds the 48 bits that a time has on disk: the year 10889.
const maxMilli = 1<<48 - 1

// castagnoli is the polynomial of CRC-32C, which processors compute by themselves.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// checksum covers where a record stands as well as what it says: a page that turns up in another place is damage, too.
func checksum(b bucket, key, record []byte) uint32 {
	crc := crc32.Update(0, castagnoli(), []byte(bucketNames[b]))
	crc = crc32.Update(crc, castagnoli(), key)
	return crc32.Update(crc, castagnoli(), record)
}

// seal completes a record, version octet first, with its checksum.
func seal(b bucket, key, record []byte) []byte {
	return binary.BigEndian.AppendUint32(record, checksum(b, key, record))
}

// unseal gives a reader of the payload. A wrong checksum is a *DamagedError, at once or from the reader's end.
func unseal(b bucket, key, value []byte) (*fields, error) {
	damaged := func(reason string) (*fields, error) {
		return nil, &DamagedError{bucketNames[b], ownKey(key), reason}
	}
	n := len(value) - crcLen
	if n < 1 {
		return damaged("too short")
	}
	if binary.BigEndian.Uint32(value[n:]) != checksum(b, key, value[:n]) {
		return damaged("its checksum is wrong")
	}
	if value[0] != recordVersion {
		return damaged("its version is unknown")
	}
	return &fields{bucket: b, key: key, rest: value[1:n]}, nil
}

// fields reads a payload from the front. The first failure sticks; end gives it. What it returns is copied.
type fields struct {
	bucket bucket
	key    []byte
	rest   []byte
	reason string
}

func (f *fields) take(n int) []byte {
	if f.reason == "" && n > len(f.rest) {
		f.reason = "it ends too early"
	}
	if f.reason != "" {
		return make([]byte, min(n, 8))
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) uint8() uint8   { return f.take(1)[0] }
func (f *fields) uint16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) uint32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) uint64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

func (f *fields) length() int {
	n := int(f.uint16())
	if f.reason == "" && n > len(f.rest) {
		f.reason = "a length is too great"
	}
	if f.reason != "" {
		return 0
	}
	return n
}

func (f *fields) text() string { return string(f.take(f.length())) }

// octets gives nil for none.
func (f *fields) octets() []byte { return append([]byte(nil), f.take(f.length())...) }

func (f *fields) time() time.Time {
	b := f.take(6)
	ms := int64(b[0])<<40 | int64(b[1])<<32 | int64(binary.BigEndian.Uint32(b[2:]))
	return fromMilli(ms)
}

func (f *fields) address() sms.Address {
	return sms.Address{TON: sms.TON(f.uint8()), NPI: sms.NPI(f.uint8()), Number: f.text()}
}

// check is for rules beyond lengths: it makes the record damaged unless ok.
func (f *fields) check(ok bool, reason string) {
	if f.reason == "" && !ok {
		f.reason = reason
	}
}

// end tells whether all was read and nothing is left.
func (f *fields) end() error {
	f.check(len(f.rest) == 0, "it is too long")
	if f.reason != "" {
		return &DamagedError{bucketNames[f.bucket], ownKey(f.key), f.reason}
	}
	return nil
}

// appendText cuts what is beyond 64 KiB. Only reasons could be so long: Enqueue refuses it in what clients send.
func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), 1<<16-1)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendOctets(b, data []byte) []byte {
	data = data[:min(len(data), 1<<16-1)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

func appendTime(b []byte, t time.Time) []byte {
	ms := milli(t)
	return binary.BigEndian.AppendUint32(append(b, byte(ms>>40), byte(ms>>32)), uint32(ms))
}

func appendAddress(b []byte, a sms.Address) []byte {
	return appendText(append(b, byte(a.TON), byte(a.NPI)), a.Number)
}

// milli is a time as it is on disk; 0 is no time. Times that no clock of ours shows are brought to the nearest that
// fits.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.UnixMilli(), 1), maxMilli)
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
