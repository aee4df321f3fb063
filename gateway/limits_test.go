package gateway

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smsgateway/sms"
	"smsgateway/store"
)

func TestRate(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""}, {"10/s", "10/s"}, {" 30 / min ", "30/min"}, {"1/h", "1/h"}, {"1000000/s", "1000000/s"},
	} {
		r, err := ParseRate(tt.text)
		if err != nil || r.String() != tt.want {
			t.Errorf("ParseRate(%q) = %s, %v; want %q", tt.text, r, err, tt.want)
		}
	}
	for _, text := range []string{"10", "/s", "0/s", "-1/s", "10/d", "10/", "1.5/s", "10/s/s", "1000001/s", "s"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %s, want an error", text, r)
		}
	}
}

// TestTokens: evenly, and after a pause what comes in a second, one at least; what many destinations took is waited for.
func TestTokens(t *testing.T) {
	for _, tt := range []struct {
		name, rate string
		after      []time.Duration // of each message, from the first
		n          int             // destinations; 0 is one
		want       string          // + let in, - not
	}{
		{"burst of a second", "3/s", []time.Duration{0, 0, 0, 0, 333, 334, 700, 5000, 5000, 5000, 5000}, 0, "+++--++" + "+++-"},
		{"slow: one at a time", "30/min", []time.Duration{0, 0, 1999, 2000, 2001, 4000, 90_000, 90_000}, 0, "+--+-++-"},
		{"an hour", "2/h", []time.Duration{0, 1_799_000, 1_800_000}, 0, "+-+"},
		{"the clock goes back", "1/s", []time.Duration{5000, 0, 999, 1000}, 0, "+--+"},
		{"many destinations", "10/s", []time.Duration{0, 0, 24_000, 24_500, 24_600}, 254, "+--+-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rate, err := ParseRate(tt.rate)
			if err != nil {
				t.Fatal(err)
			}
			l, begin, got := limiter{byLane: make(map[uint32]*tokens)}, time.Now(), ""
			for _, ms := range tt.after {
				if l.take(7, rate, max(tt.n, 1), begin.Add(ms*time.Millisecond)) {
					got += "+"
				} else {
					got += "-"
				}
			}
			if got != tt.want {
				t.Errorf("at %v: got %s, want %s", tt.after, got, tt.want)
			}
		})
	}
}

func TestDestinations(t *testing.T) {
	for _, tt := range []struct{ list, yes, no string }{
		{"", "+491701 112 0900 1", ""},
		{"+49,+43", "+491701234567 491701234567 00491701234567 +436601234567", "+41791234567 01701234567 49123 112 +4"},
		{"+49, -+4990 ,+4990123", "+491701234567 +499012345", "+49901 4990555555 004990555555 +43"},
		{"-+4990", "+491701234567 112 0900123", "+4990123456 4990123456 004990123456"},
		{"!0900 !118", "+491701234567 0170123456 112", "0900123456 11833"},
		{"11,0", "112 01701234567 110", "+491701234567 00491701234567 222"},
		{"*,-+49", "+43660123 112", "+491701234567 00491701234567"},
		{"49", "49123 +491701234567", "+43660123"},
		{"+49,-+49", "", "+491701234567"},
		{"-*,+49", "+491701234567", "112 +43660123"},
	} {
		list, err := parseDestinations(tt.list)
		if err != nil {
			t.Errorf("%q: %v", tt.list, err)
			continue
		}
		if again, err := parseDestinations(list); err != nil || again != list {
			t.Errorf("%q is kept as %q, and that as %q, %v", tt.list, list, again, err)
		}
		for want, numbers := range map[bool]string{true: tt.yes, false: tt.no} {
			for n := range strings.FieldsSeq(numbers) {
				to, err := sms.ParseNumber(n)
				if err != nil {
					t.Fatal(err)
				}
				if got := mayReach(list, to); got != want {
					t.Errorf("%q may be sent to %s: %v, want %v", list, n, got, want)
				}
			}
		}
	}
	for _, list := range []string{"+", "-", "+49x", "--49", "49-", "++49", "+123456789012345678901", "Shop", "**",
		"+49 171", "-+49 90", "11 12", ",", " "} {
		if got, err := parseDestinations(list); err == nil {
			t.Errorf("parseDestinations(%q) = %q, want an error", list, got)
		}
	}
}

func TestSources(t *testing.T) {
	for _, tt := range []struct{ list, yes, no string }{
		{"", "Shop +4917012345", ""},
		{"Shop,+4917*", "Shop +4917012345 4917012345", "shop Shopper 4916012345 +49"},
		{"*", "Shop 1", ""},
	} {
		list, err := parseSources(tt.list)
		if err != nil {
			t.Fatal(err)
		}
		if !mayBeFrom(list, sms.Address{}) {
			t.Errorf("%q: no source at all is refused", tt.list)
		}
		for want, sources := range map[bool]string{true: tt.yes, false: tt.no} {
			for s := range strings.FieldsSeq(sources) {
				if got := mayBeFrom(list, sms.Address{Number: s}); got != want {
					t.Errorf("%q allows %s: %v, want %v", list, s, got, want)
				}
			}
		}
	}
	for _, list := range []string{"S*p", "Shöp", strings.Repeat("x", 22), strings.Repeat("x,", 2001)} {
		if got, err := parseSources(list); err == nil {
			t.Errorf("parseSources(%.30q) = %.30q, want an error", list, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct{ list, kept, yes, no string }{
		{"", "", "192.0.2.1 2001:db8::1", ""},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1 ::ffff:192.0.2.1", "192.0.2.2 ::192.0.2.1 2001:db8::1"},
		{"10.1.2.3/8 2001:DB8::/32", "10.0.0.0/8,2001:db8::/32", "10.9.9.9 2001:db8:1::5", "11.0.0.1 2001:db9::1"},
		{"::ffff:192.0.2.1,::ffff:10.0.0.0/104", "192.0.2.1,10.0.0.0/8", "192.0.2.1 10.1.1.1", "192.0.2.2"},
		{"fe80::/10,::1", "fe80::/10,::1", "fe80::1%eth0 ::1", "127.0.0.1"},
	} {
		list, err := parseAddresses(tt.list)
		if err != nil || list != tt.kept {
			t.Errorf("%q is kept as %q, %v; want %q", tt.list, list, err, tt.kept)
			continue
		}
		for want, clients := range map[bool]string{true: tt.yes, false: tt.no} {
			for c := range strings.FieldsSeq(clients) {
				host, zone, _ := strings.Cut(c, "%")
				at := &net.TCPAddr{IP: net.ParseIP(host), Port: 4711, Zone: zone}
				if got := mayComeFrom(list, at); got != want {
					t.Errorf("%q lets in %s: %v, want %v", list, at, got, want)
				}
			}
		}
	}
	for _, list := range []string{"10.0.0.0/33", "10.0.0", "localhost", "::ffff:10.0.0.0/8x", "::ffff:10.0.0.0/90", "::ffff:10.0.0.0/8"} {
		if got, err := parseAddresses(list); err == nil {
			t.Errorf("parseAddresses(%q) = %q, want an error", list, got)
		}
	}
	if here, _ := net.Pipe(); mayComeFrom("127.0.0.1", here.LocalAddr()) {
		t.Error("a client without an address is let in")
	}
}

// TestSettingForms: what a setting prints is what it reads, and in which forms it may be given.
func TestSettingForms(t *testing.T) {
	zone := time.FixedZone("UTC+2", 2*3600)
	opt := Options{Zone: zone}.withDefaults()
	for _, tt := range []struct{ name, text, want string }{
		{"max_queue_age", "90m", "1h30m"},
		{"max_queue_age", "0s", ""},
		{"max_queue_age", "7d", "168h"},
		{"rate", "5/s", "5/s"},
		{"per_day", "0", ""},
		{"per_month", "100", "100"},
		{"destinations", "+49, !0900", "+49,-0900"},
		{"expires", "2027-12-31", "2027-12-31"},
		{"expires", "2027-12-31 18:00", "2027-12-31 18:00:00"},
		{"expires", "2027-12-31T18:00:05", "2027-12-31 18:00:05"},
		{"expires", "2027-12-31T22:00:00Z", "2027-12-31"}, // 00:00 in that zone: the end of the day
		{"expires", "", ""},
	} {
		var a store.Account
		if err := (Settings{tt.name: tt.text}).apply(&a, &opt); err != nil {
			t.Errorf("%s %q: %v", tt.name, tt.text, err)
			continue
		}
		printed := (&Gateway{opt: opt}).Settings(a)[tt.name]
		if err := (Settings{tt.name: printed}).apply(&a, &opt); err != nil || printed != tt.want {
			t.Errorf("%s %q is printed as %q (read again: %v), want %q", tt.name, tt.text, printed, err, tt.want)
		}
	}
	// In Chile the day after begins at one.
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"2026-09-05": "2026-09-06T01:00:00-03:00", "2026-09-06": "2026-09-07T00:00:00-03:00"} {
		var a store.Account
		chile := Options{Zone: santiago}
		if err := (Settings{"expires": text}).apply(&a, &chile); err != nil || a.Expires.In(santiago).Format(time.RFC3339) != want {
			t.Errorf("expires %s: %v, %v, want %s", text, a.Expires.In(santiago), err, want)
		}
		if got := (&Gateway{opt: chile}).Settings(a)["expires"]; got != text {
			t.Errorf("expires %s is printed as %s", text, got)
		}
	}
	for name, texts := range map[string][]string{
		"max_queue_age": {"5", "1ms", "-1h", "2000d"},
		"rate":          {"fast"},
		"window":        {"-1", "10001", "x"},
		"max_sessions":  {"1001"},
		"max_queued":    {"1000000001"},
		"per_day":       {"-5"},
		"expires":       {"tomorrow", "31.12.2027", "9999-12-31", "2027-02-30"},
		"addresses":     {"here"},
		"colour":        {"red"},
		"name":          {strings.Repeat("x", 101), strings.Repeat("ü", 101)},
	} {
		for _, text := range texts {
			if err := CheckSetting(name, text); err == nil {
				t.Errorf("%s takes %q", name, text)
			}
		}
	}
	for _, s := range accountSettings {
		if s.Help == "" || s.Form == "" || s.field.parse == nil || s.field.print == nil || strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("setting %q is not complete", s.Name)
		}
	}
}

// TestRejectionsSaid: the log has a reason at once, then once a minute with its number, and in the end all of them.
func TestRejectionsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(slog.NewTextHandler(&out, nil))
		count := func(words string) int { return strings.Count(out.String(), words) }
		r := rejections{byLane: make(map[uint32]map[string]*rejection)}
		for range 100_000 {
			r.note(log, 1, "rate", 0x58, time.Now())
		}
		r.note(log, 1, "per_day", 0x14, time.Now())
		r.note(log, 2, "rate", 0x58, time.Now())
		if n := count("requests refused"); n != 3 {
			t.Errorf("the log has %d lines, want 3", n)
		}
		time.Sleep(sayAgain)
		r.note(log, 1, "rate", 0x58, time.Now())
		if n := count("reason=rate status=ESME_RTHROTTLED times=100000 since_start=100001"); n != 1 {
			t.Errorf("a minute later the log does not say how many there were:\n%s", out.String())
		}
		for range 5 {
			r.note(log, 1, "per_day", 0x14, time.Now())
		}
		time.Sleep(sayAgain)
		r.flush(time.Now())
		r.flush(time.Now())
		if n := count("requests refused"); n != 6 {
			t.Errorf("the log has %d lines, want 6:\n%s", n, out.String())
		}
		r.note(log, 1, "cancel_sm", 0x11, time.Now(), "id", 7)
		if n := count("reason=cancel_sm status=ESME_RCANCELFAIL times=1 since_start=1 id=7"); n != 1 {
			t.Errorf("the log does not say which message it was:\n%s", out.String())
		}
		if of := r.of(1); of["rate"] != 100_001 || of["per_day"] != 6 {
			t.Errorf("counted %v", of)
		}
	})
}
