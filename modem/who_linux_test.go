package modem

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMayUnlock: into which modem a PIN is entered.
func TestMayUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		old, fresh := answers("01", "11"), answers("05", "55")
		mute := func(p Probed) Identity { p.ICCID = ""; return p.Identity } // it says its card's number only when unlocked
		may := func(f *Finder, id Identity, want string) {
			t.Helper()
			err := f.MayUnlock("a")(id)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", who(id), err, want)
			}
		}
		b.adapter("1-1", "ttyUSB0", old)
		kept := notebook{}
		f := b.finder(kept)
		auto := f.Find("a", "auto", 0)
		may(f, old.Identity, "") // nothing is known yet
		b.wantPort(auto, Identity{}, "ttyUSB0")
		may(f, old.Identity, "")
		may(f, mute(old), "")
		may(f, answers("01", "77").Identity, "") // another SIM in its modem
		may(f, answers("09", "11").Identity, "") // its SIM in another modem
		may(f, fresh.Identity, "another SIM wants a PIN; pin is not entered in it")

		b.unplug("ttyUSB0")
		b.adapter("1-2", "ttyUSB1", fresh)
		b.wantNone(auto)
		time.Sleep(3 * time.Minute)
		b.wantPort(auto, old.Identity, "ttyUSB1") // it takes its place
		for range 2 {
			may(f, fresh.Identity, "IMEI "+old.IMEI)
			may(f, mute(fresh), `set port = "imei:`+fresh.IMEI[:14]+`"`)
			may(f, Identity{Model: "zeros"}, `set port = "`+b.dev("ttyUSB1")+`"`)
			f.Learn("a", fresh.Identity)
			may(f, fresh.Identity, "another SIM")
			may(f, old.Identity, "")
			f = b.finder(kept) // after a restart, too
			f.Find("a", "auto", 0)
		}

		// Named by number; another one has come to its port unnoticed.
		f = b.finder(nil)
		b.wantPort(f.Find("a", "imei:"+fresh.IMEI, 0), Identity{}, "ttyUSB1")
		may(f, fresh.Identity, "")
		may(f, old.Identity, "not the one with IMEI")
		if err := f.MayUnlock("a")(old.Identity); !errors.Is(err, ErrPortMissing) {
			t.Errorf("%v, want ErrPortMissing", err)
		}
		f = b.finder(nil)
		find := f.Find("a", "iccid:"+fresh.ICCID, 0)
		b.wantPort(find, Identity{}, "ttyUSB1")
		may(f, fresh.Identity, "")
		may(f, mute(fresh), "")
		may(f, mute(old), "not the one with the SIM "+fresh.ICCID)
		other := answers("05", "77").Identity
		may(f, other, "not the one with the SIM "+fresh.ICCID)
		b.plug("1-2", "ttyUSB1", answers("05", "77"))
		if _, _, err := find(t.Context(), other); !errors.Is(err, ErrPortMissing) {
			t.Errorf("looked for again: %v, want ErrPortMissing", err)
		}

		// A path is what the operator says it is.
		f = b.finder(nil)
		b.wantPort(f.Find("a", b.dev("ttyUSB1"), 0), Identity{}, "ttyUSB1")
		may(f, old.Identity, "")
		may(f, fresh.Identity, "")
	})
}

// TestMayWork: who works under a name that says a number, and that two names do not work with one stick.
func TestMayWork(t *testing.T) {
	b := newHub(t)
	b.huawei("1-1", "", 0)
	b.modems["ttyUSB0"], b.modems["ttyUSB2"] = answers("01", "11"), answers("01", "11")
	f := b.finder(nil)
	imei := f.Find("imei", "imei:"+answers("01", "").IMEI, 0)
	f.Find("iccid", "iccid:"+answers("05", "55").ICCID, 0)
	if _, _, err := imei(t.Context(), Identity{}); err != nil {
		t.Fatal(err)
	}
	may := func(name string, id Identity, want string) {
		t.Helper()
		err := f.MayWork(name)(id)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrPortMissing) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s with %s: %v, want %q", name, who(id), err, want)
		}
	}
	may("imei", answers("01", "77").Identity, "") // whatever its SIM
	may("imei", Identity{ICCID: answers("01", "11").ICCID}, "")
	may("iccid", answers("09", "55").Identity, "")
	may("iccid", answers("05", "").Identity, "")
	may("iccid", answers("05", "56").Identity, "not the one with the SIM")

	path := f.Find("path", b.dev("ttyUSB0"), 0) // another port of the same stick
	b.wantPort(path, Identity{}, "ttyUSB0")
	may("path", answers("01", "11").Identity, "which imei works with already")
	b.adapter("1-2", "ttyUSB5", answers("01", "99"))
	clone := f.Find("clone", b.dev("ttyUSB5"), 0)
	b.wantPort(clone, Identity{}, "ttyUSB5")
	may("clone", answers("01", "99").Identity, "") // a stick that shares the IMEI

	may("imei", answers("09", "11").Identity, "not the one with IMEI") // another modem behind the same tty
	b.modems["ttyUSB0"], b.modems["ttyUSB2"] = answers("09", "11"), answers("09", "11")
	f.looks = make(map[string]look)
	b.wantNone(imei, "no modem with IMEI")
	if got := f.modems["imei"].known.IMEI; got != answers("01", "").IMEI {
		t.Errorf("known as %s: the stranger's", got)
	}
}

// TestZeroIMEI: a stick without a number of its own is known by its SIM, or not at all, and gets its PIN.
func TestZeroIMEI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		locked(fake, 3)
		fake.set("AT+CGSN", "\r\n000000000000000\r\n\r\nOK\r\n")
		fake.set("AT+CCID", "\r\nERROR\r\n", "AT+CMGF=?", "\r\n+CMGF: (0,1)\r\n\r\nOK\r\n")
		b := newHub(t)
		b.adapter("1-1", "ttyUSB0", Probed{})
		f := b.finder(notebook{})
		f.probe = func(ctx context.Context, port string, baud int) (Probed, error) {
			open := func(context.Context, string, int) (Port, error) { return fake.open(), nil }
			return prober{open: open, timing: probeTiming}.look(ctx, port, baud, false)
		}
		m := start(t, fake, func(cfg *Config) {
			cfg.PIN, cfg.Find, cfg.MayUnlock, cfg.MayWork = "8642", f.Find("sim1", "auto", 0), f.MayUnlock("sim1"), f.MayWork("sim1")
			cfg.Known = func(id Identity) { f.Learn(id.Modem, id) }
		})
		m.waitReady()
		if st := m.Status(); st.IMEI != "" || st.Line() != st.IMSI {
			t.Errorf("IMEI %q, line %q; want neither to be zeros", st.IMEI, st.Line())
		}
	})
}

// TestFindRenamed: the sticks have each other's names after a restart of the machine, and start slowly. One opens the
// other's port; it enters no PIN there, lets go of it, and both are found.
func TestFindRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHub(t)
		one, two := answers("01", "11"), answers("05", "55")
		kept := notebook{}
		find := func() (a, b2 findPort, f *Finder) {
			f = b.finder(kept)
			return f.Find("a", b.dev("ttyUSB0"), 0), f.Find("b", b.dev("ttyUSB1"), 0), f
		}
		b.adapter("1-1", "ttyUSB0", one)
		b.adapter("1-2", "ttyUSB1", two)
		first, second, f := find()
		b.wantPort(first, Identity{}, "ttyUSB0")
		b.wantPort(second, Identity{}, "ttyUSB1")
		f.Learn("a", one.Identity)
		f.Learn("b", two.Identity)

		b.plug("1-1", "ttyUSB1", Probed{})
		b.plug("1-2", "ttyUSB0", Probed{})
		first, second, f = find()
		b.wantPort(first, Identity{}, "ttyUSB0")
		b.modems["ttyUSB0"], b.modems["ttyUSB1"] = two, one // they have started
		if err := f.MayUnlock("a")(two.Identity); !errors.Is(err, ErrPortMissing) || !strings.Contains(err.Error(), "the modem of b; pin is not entered") {
			t.Errorf("the PIN of a in b's modem: %v", err)
		}
		if err := f.MayUnlock("a")(answers("05", "77").Identity); err != nil {
			t.Errorf("a stick that shares b's IMEI, with another card: %v", err)
		}
		if err := f.MayUnlock("a")(two.Identity); err == nil {
			t.Error("the PIN of a in b's modem, asked again")
		}
		time.Sleep(time.Minute)
		b.wantPort(second, Identity{}, "ttyUSB0")
		b.wantPort(first, two.Identity, "ttyUSB1")
		for name, m := range map[string]Probed{"a": one, "b": two} {
			if err := f.MayUnlock(name)(m.Identity); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
