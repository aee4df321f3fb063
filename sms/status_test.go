package sms

import (
	"fmt"
	"strings"
	"testing"
)

// fates is table 3.5 of the modem sheet (TS 23.040 §9.2.3.15): from each status on, up to the next row.
var fates = []struct {
	from Status
	fate Fate
	says string // somewhere in its sentence
}{
	{0x00, FateDelivered, "received"},
	{0x01, FateDelivered, "cannot tell"},
	{0x02, FateDelivered, "replaced"},
	{0x03, FateDelivered, "completed"},
	{0x20, FateTrying, "congested; the network keeps trying"},
	{0x21, FateTrying, "busy; the network keeps trying"},
	{0x22, FateTrying, "not answer; the network keeps trying"},
	{0x23, FateTrying, "refused the service; the network keeps trying"},
	{0x24, FateTrying, "quality of service is not available; the network keeps trying"},
	{0x25, FateTrying, "phone reported an error; the network keeps trying"},
	{0x26, FateTrying, "not delivered, for a reason of the network's own; the network keeps trying"},
	{0x40, FateUndeliverable, "remote part of the network failed"},
	{0x41, FateUndeliverable, "destination cannot take"},
	{0x42, FateUndeliverable, "phone refused the connection"},
	{0x43, FateUndeliverable, "cannot be obtained"},
	{0x44, FateUndeliverable, "quality of service"},
	{0x45, FateUndeliverable, "other network"},
	{0x46, FateExpired, "validity ran out"},
	{0x47, FateDeleted, "sender"},
	{0x48, FateDeleted, "operator"},
	{0x49, FateUnknown, "does not know"},
	{0x4A, FateUndeliverable, "not deliverable, for a reason of the network's own; the network has given up"},
	{0x60, FateUndeliverable, "congested; the network has given up"},
	{0x61, FateUndeliverable, "busy; the network has given up"},
	{0x62, FateUndeliverable, "not answer; the network has given up"},
	{0x63, FateUndeliverable, "refused the service; the network has given up"},
	{0x64, FateUndeliverable, "quality of service is not available; the network has given up"},
	{0x65, FateUndeliverable, "phone reported an error; the network has given up"},
	{0x66, FateUndeliverable, "not delivered, for a reason of the network's own; the network has given up"},
	{0x80, FateUndeliverable, "no name; the network has given up"},
}

func TestStatus(t *testing.T) {
	row := 0
	for code := range 256 {
		s := Status(code)
		if row+1 < len(fates) && fates[row+1].from <= s {
			row++
		}
		if got := s.Fate(); got != fates[row].fate {
			t.Errorf("0x%02X: %v, want %v", code, got, fates[row].fate)
		}
		got := s.String()
		if !strings.Contains(got, fates[row].says) || !strings.HasSuffix(got, fmt.Sprintf("(status 0x%02X)", code)) {
			t.Errorf("0x%02X says %q, want %q and the code in it", code, got, fates[row].says)
		}
	}
}

func TestFateString(t *testing.T) {
	for fate, want := range map[Fate]string{
		FateUnknown: "unknown", FateTrying: "trying", FateDelivered: "delivered",
		FateUndeliverable: "undeliverable", FateExpired: "expired", FateDeleted: "deleted", 77: "fate 77",
	} {
		if got := fate.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
