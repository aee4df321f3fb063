package modem

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// hub is a machine with modems at its ports, for a Finder.
type hub struct {
	tree
	mu     sync.Mutex
	modems map[string]Probed // by tty; none: nobody answers
	errs   map[string]error
	asked  []string // which ttys were looked at
}

func newHub(t *testing.T) *hub {
	return &hub{tree: newTree(t), modems: make(map[string]Probed), errs: make(map[string]error)}
}

func (b *hub) dev(tty string) string { return filepath.Join(b.root, "dev", tty) }

// adapter plugs in a serial adapter, with a modem behind it.
func (b *hub) adapter(place, tty string, m Probed) {
	b.device(place, "0403:6001", "FTDI", "FT232R", place)
	b.port(place, "00", "ff/ff/ff", tty)
	b.modems[tty] = m
}

// unplug takes a tty away, and plug puts it, or another one, there anew.
func (b *hub) unplug(tty string) {
	b.remove("dev", tty)
	b.remove("sys/class/tty", tty, "device")
}

func (b *hub) plug(place, tty string, m Probed) {
	b.unplug(tty)
	b.adapter(place, tty, m)
}

func (b *hub) probe(_ context.Context, port string, _ int) (Probed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tty := filepath.Base(port)
	b.asked = append(b.asked, tty)
	if err := b.errs[tty]; err != nil {
		return Probed{}, err
	}
	return b.modems[tty], nil
}

// looked gives the ttys that were looked at since it was called last.
func (b *hub) looked() string {
	defer func() { b.asked = nil }()
	return strings.Join(b.asked, " ")
}

func (b *hub) finder(notebook Memory) *Finder {
	return &Finder{Memory: notebook, sys: b.system(), probe: b.probe, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil))}
}

// answers is a modem, by the last digits of its IMEI and its SIM.
func answers(imei, iccid string) Probed {
	m := Probed{AnswersAT: true, SMS: true, Identity: Identity{Manufacturer: "Huawei", Model: "E1550", IMEI: "356938035643" + imei + "8"}}
	if iccid != "" {
		m.ICCID = "89490100001234567" + iccid
	}
	return m
}

// notebook is a Memory without a disk.
type notebook map[string]Known

func (m notebook) Modem(name string) (Known, bool, error) {
	k, ok := m[name]
	return k, ok, nil
}

func (m notebook) RememberModem(name string, k Known) error {
	m[name] = k
	return nil
}

type findPort = func(context.Context, Identity) (string, bool, error)

// wantPort calls a Config.Find.
func (b *hub) wantPort(find findPort, id Identity, tty string) {
	b.t.Helper()
	asked := len(b.asked)
	port, looked, err := find(b.t.Context(), id)
	if len(b.asked) > asked && !looked {
		b.t.Errorf("it looked at %v and does not say so", b.asked)
	}
	if err != nil || port != b.dev(tty) {
		b.t.Fatalf("found %q, %v; want %s", strings.TrimPrefix(port, b.root), err, tty)
	}
}

// wantNone calls a Config.Find that finds nothing, and says so in words.
func (b *hub) wantNone(find findPort, words ...string) {
	b.t.Helper()
	port, _, err := find(b.t.Context(), Identity{})
	if !errors.Is(err, ErrPortMissing) {
		b.t.Fatalf("found %q, %v; want ErrPortMissing", port, err)
	}
	text := strings.ReplaceAll(err.Error(), b.root, "")
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("the error says %q, want %q in it", text, w)
		}
	}
}
