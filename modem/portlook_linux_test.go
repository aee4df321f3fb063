package modem

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiagnosePort: what shows of a port without opening it.
func TestDiagnosePort(t *testing.T) {
	b := newHub(t)
	b.adapter("1-1", "ttyUSB0", Probed{})
	none := b.dev("ttyUSB7")
	list := b.system().diagnosePort(none)
	if len(list) != 1 || list[0].Severity != Fail || !strings.Contains(list[0].What, "no such port") || !strings.Contains(list[0].Cure, "ttyUSB0") {
		t.Errorf("a port that is not there: %+v; want what there is instead", list)
	}
	if err := b.system().mayOpen(none); !errors.Is(err, ErrPortMissing) {
		t.Errorf("a port that is not there: %v", err)
	}
	if list := b.system().diagnosePort(b.dev("ttyUSB0")); list != nil {
		t.Errorf("a port that nothing is known against: %+v", list)
	}
}

// TestDiagnoseNoPort: a directory and a plain file are told from a port.
func TestDiagnoseNoPort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Dir(file), file} {
		list := DiagnosePort(path)
		if len(list) != 1 || list[0].Severity != Fail || !strings.Contains(list[0].Cure, "name a serial port") {
			t.Errorf("%s: %+v", path, list)
		}
		if _, err := OpenSerial(t.Context(), path, 9600); err == nil || !strings.Contains(err.Error(), "not a serial port") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSameStick: the ports of one USB device, and those of two.
func TestSameStick(t *testing.T) {
	b := newHub(t)
	b.adapter("1-1", "ttyUSB0", Probed{})
	b.adapter("1-2", "ttyUSB1", Probed{})
	one, err := b.system().info(b.dev("ttyUSB0"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.system().info(b.dev("ttyUSB1"))
	if err != nil {
		t.Fatal(err)
	}
	if !one.SameStick(one) || one.SameStick(other) || (PortInfo{}).SameStick(PortInfo{}) {
		t.Errorf("%+v and %+v", one, other)
	}
	if _, err := PortAt(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a port that is not there is known")
	}
}
