package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
)

// pair is two modems of one network. Both forward reports and tell of texts.
func pair(t *testing.T, a, b Config) (from, to *rig) {
	t.Helper()
	net := NewNetwork()
	a.Network, a.IMEI = net, "1"
	b.Network, b.IMEI = net, "2"
	from, to = start(t, a), start(t, b)
	for _, r := range []*rig{from, to} {
		r.want("AT+CNMI=2,1,0,1,0\r", ok())
	}
	return from, to
}

// delivered reads what a modem has at a place.
func (r *rig) delivered(index int) sms.Deliver {
	r.t.Helper()
	lines := strings.Split(r.say(fmt.Sprintf("AT+CMGR=%d\r", index)), "\r\n")
	if len(lines) < 3 {
		r.t.Fatalf("nothing at place %d", index)
	}
	_, tpdu, err := sms.SplitSCA(unhex(r.t, lines[2]))
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := sms.ParseDeliver(tpdu)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// A text from SIM to SIM keeps alphabet, header and octets, has the sender's number and the time, and is at no phone.
func TestBetweenSIMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := pair(t, Config{ReportDelay: 2 * time.Second}, Config{Number: "+12025550123"})
		parts := partsOf(t, "12025550123", strings.Repeat("日本語😀", 40), true)
		for i, p := range parts {
			p.PID = 0x41
			if got := from.send(p); got != ok(fmt.Sprintf("+CMGS: %d", i+1)) {
				t.Fatalf("part %d: %q", i+1, got)
			}
			to.wantNow("as the text comes", result(fmt.Sprintf(`+CMTI: "SM",%d`, i+1)))
			d := to.delivered(i + 1)
			if d.Originator.String() != "+491760000001" || d.DCS != p.DCS || d.PID != p.PID || string(d.UDH) != string(p.UDH) ||
				string(d.Data) != string(p.Data) || !d.Time.Equal(time.Now()) {
				t.Errorf("part %d: %+v of %+v", i+1, d, p)
			}
		}
		time.Sleep(2 * time.Second)
		if got := reports(t, from.take()); !slices.Equal(got, make([]sms.Status, len(parts))) {
			t.Errorf("status reports %v, want %d of received", got, len(parts))
		}
		if len(from.m.Texts()) != 0 || len(from.m.net.Texts()) != 0 {
			t.Error("the text is at a phone as well")
		}
	})
}

// The report says still trying while the other modem is off, without network or full, and received once it has the text.
func TestSIMOutOfReach(t *testing.T) {
	const trying, failing = statusNoResponse, statusErrorInSME
	for _, tt := range []struct {
		name         string
		config       Config
		before, then func(r *rig)
		want         []sms.Status
	}{
		{"off", Config{},
			func(r *rig) { r.stop(); <-r.ended },
			func(r *rig) { r.plug(); r.say("AT+CNMI=2,1\r") }, []sms.Status{trying, 0}},
		{"without network", Config{},
			func(r *rig) { r.m.SetRegistration(2); r.take() },
			func(r *rig) { r.m.SetRegistration(1) }, []sms.Status{trying, 0}},
		{"full", Config{StorageSize: 1},
			func(r *rig) { r.m.Inject(Fault{Kind: FaultMemoryFull}); r.take() },
			func(r *rig) { r.say("AT+CMGD=1,4\r") }, []sms.Status{failing, 0}},
		{"not acknowledged", Config{},
			func(r *rig) { r.say("AT+CSMS=1;+CNMI=2,2\r") },
			func(r *rig) { r.say("AT+CNMA=1\r") }, []sms.Status{0}},
		{"acknowledged late", Config{},
			func(r *rig) { r.say("AT+CSMS=1;+CNMI=2,2\r") },
			func(r *rig) { r.say("AT+CNMA=2\r"); time.Sleep(retry); r.say("AT+CNMA\r") }, []sms.Status{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := pair(t, Config{ReportDelay: time.Second}, tt.config)
				tt.before(to)
				if got := from.send(textTo("491760000002", "x")); got != ok("+CMGS: 1") {
					t.Fatalf("sent: %q", got)
				}
				time.Sleep(10 * time.Second)
				if got := reports(t, from.take()); !slices.Equal(got, tt.want[:len(tt.want)-1]) {
					t.Errorf("status reports %v at first, want %v", got, tt.want[:len(tt.want)-1])
				}
				tt.then(to)
				time.Sleep(10 * time.Second)
				if got := reports(t, from.take()); !slices.Equal(got, tt.want[len(tt.want)-1:]) {
					t.Errorf("status reports %v then, want received", got)
				}
			})
		})
	}
}

// A fault's own reports are those that come, whatever becomes of the text.
func TestFaultOnTheWayToASIM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := pair(t, Config{}, Config{})
		from.m.Inject(mustFault(t, "report never"))
		from.send(textTo("491760000002", "x"))
		to.wantNow("as the text comes", result(`+CMTI: "SM",1`))
		from.m.Inject(mustFault(t, "silent lost"))
		from.send(textTo("491760000002", "y"))
		time.Sleep(time.Hour)
		to.wantNow("later", "")
		from.wantNow("later", "")
	})
}

// A SIM can text itself.
func TestToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		r.want("AT+CNMI=2,1,0,1,0\r", ok())
		got := r.send(textTo("491760000001", "x"))
		answer, rest := got[:len(ok("+CMGS: 1"))], got[len(ok("+CMGS: 1")):]
		cmti := result(`+CMTI: "SM",1`)
		if answer != ok("+CMGS: 1") || !strings.HasPrefix(rest, cmti) || !slices.Equal(reports(t, rest[len(cmti):]), []sms.Status{0}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestReaches(t *testing.T) {
	const own = "+491760000002"
	for _, tt := range []struct {
		dialled string
		ton     sms.TON
		want    bool
	}{
		{"491760000002", sms.TONInternational, true},
		{"491760000003", sms.TONInternational, false},
		{"1760000002", sms.TONInternational, false},
		{"01760000002", sms.TONUnknown, true},
		{"00491760000002", sms.TONUnknown, true},
		{"1760000002", sms.TONNational, true},
		{"00002", sms.TONUnknown, false},
		{"", sms.TONUnknown, false},
	} {
		if got := reaches(sms.Address{TON: tt.ton, Number: tt.dialled}, own); got != tt.want {
			t.Errorf("%s (%d): %v, want %v", tt.dialled, tt.ton, got, tt.want)
		}
	}
}

// Texts of all modems are in one list, in order, with their senders.
func TestNetworkTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Config{}, Config{})
		for i, r := range []*rig{a, b, a} {
			r.send(textTo("491701", fmt.Sprint(i)))
		}
		var got []string
		for _, text := range a.m.net.Texts() {
			got = append(got, text.From.String()+" "+text.Text)
		}
		if want := []string{"+491760000001 0", "+491760000002 1", "+491760000001 2"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if len(a.m.Texts()) != 2 || len(b.m.Texts()) != 1 {
			t.Errorf("%d and %d texts, want 2 and 1", len(a.m.Texts()), len(b.m.Texts()))
		}
	})
}

// Each modem without a number gets one that no other has.
func TestNumbers(t *testing.T) {
	net := NewNetwork()
	for i, tt := range []struct{ number, want string }{{"", "+491760000001"}, {"+491760000002", "+491760000002"}, {"", "+491760000003"}} {
		if got := New(Config{Network: net, Number: tt.number}).own().String(); got != tt.want {
			t.Errorf("modem %d has %s, want %s", i+1, got, tt.want)
		}
	}
}
