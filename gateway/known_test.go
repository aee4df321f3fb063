package gateway

import (
	"path/filepath"
	"testing"

	"smsgateway/modem"
	"smsgateway/store"
)

// TestModemMemory: which modem it was outlives the process, and an operator's pause is not touched by it.
func TestModemMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if k, ok, err := g.ModemMemory().Modem("sim1"); ok || err != nil {
		t.Errorf("known before it was seen: %+v, %v", k, err)
	}
	if _, err := g.db.UpdateModem("sim1", func(s *store.ModemState) error { s.Paused = true; return nil }); err != nil {
		t.Fatal(err)
	}
	want := modem.Known{
		Identity: modem.Identity{IMEI: "356938035643809", ICCID: "8949010000123456789", Model: "E1550"},
		Spec:     "auto", Port: "/dev/ttyUSB2", Node: "1.2.3.4", HomeIMEI: "356938035643908", HomeICCID: "8949010000123456790",
	}
	if err := g.ModemMemory().RememberModem("sim1", want); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if g, err = Open(Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got, ok, err := g.ModemMemory().Modem("sim1"); !ok || err != nil || got != want {
		t.Errorf("known after a restart: %+v, %v, %v; want %+v", got, ok, err, want)
	}
	if s, err := g.db.Modem("sim1"); err != nil || !s.Paused {
		t.Errorf("state %+v, %v: the pause is gone", s, err)
	}
}
