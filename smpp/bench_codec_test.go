package smpp

import "testing"

// benchPDUs are the PDUs of the wire as clients send them by day: the golden ones, and the two that are most of the traffic.
func benchPDUs(b testing.TB) map[string][]byte {
	pdus := make(map[string][]byte)
	for _, g := range goldens {
		if id := g.want.CommandID().String(); pdus[id] == nil {
			pdus[id] = g.octets(b)
		}
	}
	usual := SubmitSM{Source: Address{5, 0, "Shop"}, Destination: Address{1, 1, "491701234567"}, RegisteredDelivery: 1,
		ShortMessage: []byte("Your order 1042 is ready. You can fetch it until six.")}
	receipt := DeliverSM{Source: Address{1, 1, "491701234567"}, Destination: Address{5, 0, "Shop"}, ESMClass: ESMClassReceipt,
		ShortMessage: []byte("id:2176400000 sub:001 dlvrd:001 submit date:2611230930 done date:2611230931 stat:DELIVRD err:000 text:Your order"),
		TLVs:         TLVs{TLVString(TagReceiptedMessageID, "2176400000"), TLVUint8(TagMessageState, 2), {TagNetworkErrorCode, []byte{3, 0, 0}}}}
	for name, body := range map[string]Body{"submit_sm, usual": &usual, "deliver_sm, usual": &receipt} {
		pdu, err := PDU{Sequence: 7, Body: body}.Append(nil)
		if err != nil {
			b.Fatal(err)
		}
		pdus[name] = pdu
	}
	return pdus
}

// BenchmarkDecode measures a PDU of each kind from its octets. The message itself is what must be allocated: its struct, its
// strings, its text and its optional parameters.
func BenchmarkDecode(b *testing.B) {
	for name, pdu := range benchPDUs(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(pdu); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend measures a PDU of each kind to its octets, into room that is there.
func BenchmarkAppend(b *testing.B) {
	for name, pdu := range benchPDUs(b) {
		p, err := Decode(pdu)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			room := make([]byte, 0, 1000)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Append(room); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations: to append allocates nothing, and to decode a usual message only what it is made of.
func TestAllocations(t *testing.T) {
	most := map[string]float64{
		"submit_sm, usual":  3, // no optional parameters
		"deliver_sm, usual": 4, // text and optional parameters are one copy; their list is another
		"submit_sm_resp":    1,
		"query_sm":          2,
		"cancel_sm":         2,
		"enquire_link":      0,
		"enquire_link_resp": 0,
		"unbind":            0,
		"deliver_sm_resp":   1,
	}
	room := make([]byte, 0, 1000)
	for name, pdu := range benchPDUs(t) {
		var p PDU
		var err error
		got := testing.AllocsPerRun(100, func() { p, err = Decode(pdu) })
		if want, ok := most[name]; err != nil || ok && got > want {
			t.Errorf("%s is decoded with %g allocations (%v), at most %g are in order", name, got, err, want)
		}
		if got := testing.AllocsPerRun(100, func() { _, err = p.Append(room) }); got > 0 || err != nil {
			t.Errorf("%s is appended with %g allocations (%v)", name, got, err)
		}
	}
}
