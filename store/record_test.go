package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"smsgateway/sms"
)

// octets reads hexadecimal with remarks behind '#'.
func octets(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fullMessage has something in every field.
func fullMessage() *Message {
	ref := uint16(0x1234)
	at := func(s int64) time.Time { return time.UnixMilli(s).UTC() }
	return &Message{
		ID: 4711, Account: "SHOP", Lane: 3, State: Uncertain,
		Source: sms.Address{TON: 5, NPI: 0, Number: "Shop"}, Destination: sms.Address{TON: 1, NPI: 1, Number: "4917"},
		ServiceType: "CMT", ESMClass: 0x40, ProtocolID: 0x41, Priority: 2, RegisteredDelivery: 0x11, DataCoding: 8, UserReference: &ref,
		DCS: 0x18, UDH: []byte{5, 0, 3, 9, 2, 1}, Accepted: at(1), Due: at(2), Expires: at(3), SentAt: at(4), EndedAt: at(5), DoubtEnds: at(6),
		Preview: "hi", Reason: "silence", ErrorCode: 0x29, ErrorKind: 3, Refusals: 2, Duplicate: true, Line: "icc",
		Parts: []Part{
			{Data: []byte{0, 'H'}, State: PartUncertain, Attempts: 2, Modem: "m1", Line: "icc", Ref: 9, ClaimedAt: at(7), SentAt: at(8),
				ReportedAt: at(9), Status: 0x20, Reason: "r", predicted: true, matched: true},
			{Data: []byte{1}, Line: "x"},
		},
		in:      internal{was: Uncertain, row: rowNone, wake: 1000, resends: 1, doubted: true, toldSent: true, toldTrying: true, textless: true},
		Bounded: true,
	}
}

// TestMessageRecord holds the format: what is on disks out there must stay readable.
func TestMessageRecord(t *testing.T) {
	golden := octets(t, `01              # version
		00000003         # lane
		04 bf            # state, flags
		04 00 01         # was, row, resends
		00000000000003e8 # wake
		0004 53484f50    # account
		05 00 0004 53686f70  # source
		01 01 0004 34393137  # destination
		0003 434d54      # service_type
		40 41 02 11 08 18    # esm_class, protocol_id, priority, registered_delivery, data_coding, TP-DCS
		1234             # user_message_reference
		0006 050003090201    # UDH
		000000000001 000000000002 000000000003  # accepted, due, expires
		000000000004 000000000005 000000000006  # sent, ended, doubt ends
		0002 6869        # preview
		0007 73696c656e6365  # reason
		0029 03 0002     # error code, its kind, refusals
		0003 696363      # line
		02               # parts
		02 07 02 09 20   # state, flags, attempts, TP-MR, TP-ST
		000000000007 000000000008 000000000009  # claimed, sent, reported
		0002 6d31        # modem; line as the message's
		0001 72          # reason
		0002 0048        # data
		00 00 00 00 00   # the second part
		000000000000 000000000000 000000000000
		0000             # modem
		0001 78          # line
		0000             # reason
		0001 01          # data
	`)
	m := fullMessage()
	if got := appendMessage(nil, m); !bytes.Equal(got, golden) {
		t.Errorf("append:\n got %x\nwant %x", got, golden)
	}
	key := idKey(m.ID)
	value := seal(bMessages, key, golden)
	got, err := decodeMessage(key, value)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("decode: got %+v, %v\nwant %+v", got, err, m)
	}
	if lane, s, ok := peekMessage(value); lane != 3 || s != Uncertain || !ok {
		t.Errorf("peek: got lane %d, %s, %t", lane, s, ok)
	}
	for n := range value {
		for _, bad := range [][]byte{value[:n], flipped(value, n)} {
			var damaged *DamagedError
			if _, err := decodeMessage(key, bad); !errors.As(err, &damaged) {
				t.Fatalf("cut or flipped at %d: %v", n, err)
			}
		}
		// With a checksum that is right, a record that is cut must still be noticed.
		if n > 0 && n < len(golden) {
			if _, err := decodeMessage(key, seal(bMessages, key, bytes.Clone(golden[:n]))); !errors.Is(err, ErrDamaged) {
				t.Fatalf("cut at %d and sealed: %v", n, err)
			}
		}
	}
	for name, bad := range map[string]error{
		"another key":    decodeError(idKey(4712), value),
		"another bucket": decodeError(key, seal(bGone, key, bytes.Clone(golden))),
		"too long":       decodeError(key, seal(bMessages, key, append(bytes.Clone(golden), 0))),
		"version 2":      decodeError(key, seal(bMessages, key, flipped(golden, 0))),
		"no value":       decodeError(key, nil),
	} {
		if !errors.Is(bad, ErrDamaged) {
			t.Errorf("%s: %v", name, bad)
		}
	}
}

func decodeError(key, value []byte) error {
	_, err := decodeMessage(key, value)
	return err
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x81
	return b
}

// FuzzMessageRecord: what decodes appends to the same octets; nothing panics.
func FuzzMessageRecord(f *testing.F) {
	f.Add(appendMessage(nil, fullMessage()))
	f.Add(appendMessage(nil, &Message{State: Queued, Parts: []Part{{}}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, record []byte) {
		key := idKey(7)
		m, err := decodeMessage(key, seal(bMessages, key, bytes.Clone(record)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if again := appendMessage(nil, m); !bytes.Equal(again, record) {
			t.Fatalf("got %x, want %x", again, record)
		}
	})
}

// FuzzOutboxRecord: likewise for receipts and texts from phones.
func FuzzOutboxRecord(f *testing.F) {
	ref := uint16(1)
	f.Add(appendReceipt(nil, &ReceiptRow{ID: 1, State: Delivered, Preview: "hi", UserReference: &ref}), true)
	f.Add(appendInbound(nil, &Inbound{ID: 1, Account: "SHOP", Lane: 1, Text: "hi", Data: []byte("hi"), UDH: []byte{0}}), false)
	joined, _ := join([]*Inbound{{Line: "line-1", UDH: []byte{5, 0, 3, 1, 2, 1}, Data: []byte("hi"), DCS: 8}, nil})
	f.Add(appendInbound(nil, &joined), false)
	f.Fuzz(func(t *testing.T, record []byte, receipt bool) {
		in := &fields{rest: record}
		var again []byte
		if receipt {
			again = appendReceipt(nil, decodeReceipt(in))
		} else {
			again = appendInbound(nil, decodeInbound(in))
		}
		if in.end() == nil && !bytes.Equal(again, record) {
			t.Fatalf("got %x, want %x", again, record)
		}
	})
}
