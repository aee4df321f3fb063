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

// validFor is a text that is valid for so long, as TP-VP says it in that form.
func validFor(t *testing.T, form string, d time.Duration) sms.Submit {
	t.Helper()
	p := textTo("491701", "hello")
	p.StatusReport = true
	switch form {
	case "none":
	case "relative":
		p.Validity = d
	case "absolute":
		vp, err := sms.AbsoluteVP(time.Now().Add(d).In(time.FixedZone("", 3600)))
		if err != nil {
			t.Fatal(err)
		}
		p.VPRaw = vp
	case "seconds":
		p.VPRaw, p.VPEnhanced = []byte{2, byte(d / time.Second), 0, 0, 0, 0, 0}, true
	}
	return p
}

// TestPhoneOff: a phone that is on again gets what has not expired by then, to the second, in each form of TP-VP.
func TestPhoneOff(t *testing.T) {
	for _, tt := range []struct {
		form    string
		valid   time.Duration
		off     string
		status  sms.Status
		reached bool
	}{
		{"none", 0, "1h", sms.StatusReceived, true},
		{"relative", 5 * time.Minute, "4m59s", sms.StatusReceived, true},
		{"relative", 5 * time.Minute, "5m", statusExpired, false},
		{"absolute", 90 * time.Second, "1m29s", sms.StatusReceived, true},
		{"absolute", 90 * time.Second, "1m30s", statusExpired, false},
		{"absolute", -time.Second, "1s", statusExpired, false},
		{"seconds", 17 * time.Second, "16s", sms.StatusReceived, true},
		{"seconds", 17 * time.Second, "18s", statusExpired, false},
	} {
		t.Run(tt.form+" "+tt.valid.String()+" off "+tt.off, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{})
				r.want("AT+CMEE=1;+CNMI=2,1,0,1,0\r", ok())
				r.m.Inject(mustFault(t, "phone off "+tt.off))
				began := time.Now()
				said := strings.TrimPrefix(r.send(validFor(t, tt.form, tt.valid)), ok("+CMGS: 1"))
				off, err := time.ParseDuration(tt.off)
				if err != nil {
					t.Fatal(err)
				}
				end := off
				if !tt.reached {
					end = max(tt.valid, 0)
				}
				if end > time.Second {
					time.Sleep(time.Until(began.Add(end - time.Millisecond)))
					r.wantNow("before its end", "")
				}
				time.Sleep(2 * time.Hour)
				if got := reports(t, said+r.take()); !slices.Equal(got, []sms.Status{tt.status}) {
					t.Errorf("status reports %v, want %v", got, tt.status)
				}
				if n := len(r.m.Texts()); (n == 1) != tt.reached {
					t.Errorf("the phone got %d texts, want it there: %t", n, tt.reached)
				}
				if f := r.m.Faults(); len(f) == 1 && f[0].Reached != tt.reached {
					t.Errorf("the fault says reached %t", f[0].Reached)
				}
			})
		})
	}
}

// TestExpiredUnderWay: a text to a SIM whose modem is off for too long never arrives there.
func TestExpiredUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork()
		r := start(t, Config{Network: network, Number: "+491760000001"})
		r.want("AT+CNMI=2,1,0,1,0\r", ok())
		other := New(Config{Network: network, Number: "+491760000002", IMEI: "490154203237526"})
		p := validFor(t, "absolute", 90*time.Second)
		p.Destination = sms.Address{TON: 1, NPI: 1, Number: "491760000002"}
		said := strings.TrimPrefix(r.send(p), ok("+CMGS: 1"))
		time.Sleep(2 * time.Minute)
		on := &rig{t: t, m: other}
		on.plug()
		time.Sleep(time.Minute)
		if got := reports(t, said+r.take()); !slices.Equal(got, []sms.Status{statusNoResponse, statusExpired}) {
			t.Errorf("status reports %v", got)
		}
		if got := on.say("AT+CMGL=4\r"); got != "AT+CMGL=4\r"+ok() {
			t.Errorf("it has %q", got)
		}
	})
}

// TestValidityForms: what networks do not take.
func TestValidityForms(t *testing.T) {
	for _, tt := range []struct {
		network  Validity
		form     string
		want     string
		received int
	}{
		{ValidityAny, "absolute", ok("+CMGS: 1"), 1},
		{ValidityRelative, "relative", ok("+CMGS: 1"), 1},
		{ValidityRelative, "absolute", "\r\n+CMS ERROR: 198\r\n", 0},
		{ValidityRelative, "seconds", "\r\n+CMS ERROR: 198\r\n", 0},
		{ValidityNone, "relative", "\r\n+CMS ERROR: 199\r\n", 0},
		{ValidityNone, "none", ok("+CMGS: 1"), 1},
		{ValidityNoPDU, "absolute", "\r\n+CMS ERROR: 304\r\n", 0},
		{ValidityNoPDU, "relative", ok("+CMGS: 1"), 1},
	} {
		t.Run(tt.network.String()+", "+tt.form, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{Validity: tt.network})
				r.want("AT+CMEE=1\r", ok())
				typed, length := submit(t, validFor(t, tt.form, 2*time.Minute))
				r.want(fmt.Sprintf("AT+CMGS=%d\r", length), "\r\n> ")
				r.want(typed+"\x1a", tt.want)
				time.Sleep(time.Minute)
				if n := len(r.m.Texts()); n != tt.received {
					t.Errorf("the phone got %d texts, want %d", n, tt.received)
				}
			})
		})
	}
}
