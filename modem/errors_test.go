package modem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestClassify is the table of delivery-semantics §7, code by code, with the vendors' of gsm-modem §1.11.
func TestClassify(t *testing.T) {
	cms := map[Class]string{
		ClassDestination: "1 195 196",
		ClassMessage:     "95 96 97 99 111 128 129 130 143 144 145 159 160 161 175 176 198 199 304 305 517 519 520 538 549 554",
		ClassBarred:      "8 10 21 28 29 30 50 69 193",
		ClassNetwork:     "0 17 22 27 38 41 42 47 81 98 127 131 192 194 212 255 299 522 615 616",
		ClassNoService:   "331",
		ClassSIM:         "310 311 312 313 314 315 316 317 318 532 772",
		ClassMemory:      "208 209 210 211 320 321 322",
		ClassModem:       "300 301 302 303 330 340 515 535",
		ClassSuspect:     "332 500 512 513 514 521",
		ClassDuplicate:   "197",
		ClassUnknown:     "306 319 333 511 516 2162",
	}
	cme := map[Class]string{
		ClassModem: "0 1 2 3 4 515", ClassSIM: "5 10 11 12 13 14 15 16 17 18 40 47", ClassMemory: "20 21 22 23",
		ClassMessage: "24 25 26 27 50", ClassNoService: "30 32", ClassSuspect: "31 100", ClassUnknown: "8 19 28 48 99 600",
	}
	for class, codes := range cms {
		for code := range strings.FieldsSeq(codes) {
			var n int
			fmt.Sscan(code, &n)
			if got := Classify(fmt.Errorf("AT+CMGS=19: %w", CMSError(n))); got != class {
				t.Errorf("+CMS ERROR %d is %v, want %v", n, got, class)
			}
		}
	}
	for class, codes := range cme {
		for code := range strings.FieldsSeq(codes) {
			var n int
			fmt.Sscan(code, &n)
			if got := Classify(&RefusedError{Cause: CMEError(n)}); got != class {
				t.Errorf("+CME ERROR %d is %v, want %v", n, got, class)
			}
		}
	}
	for _, tt := range []struct {
		err  error
		want Class
	}{
		{nil, ClassUnknown},
		{ErrError, ClassSuspect},
		{ErrPortGone, ClassUnknown},
		{context.Canceled, ClassUnknown},
		{&UncertainError{Reason: "silence", Cause: ErrNoAnswer}, ClassUnknown},
		{&UncertainError{Reason: "gave up", Cause: CMSError(332), Suspect: true}, ClassSuspect},
	} {
		if got := Classify(tt.err); got != tt.want {
			t.Errorf("%v is %v, want %v", tt.err, got, tt.want)
		}
	}
	seen := make(map[string]bool)
	for c := ClassUnknown; c <= ClassDuplicate; c++ {
		if seen[c.String()] {
			t.Errorf("two classes are called %q", c)
		}
		seen[c.String()] = true
	}
}

func TestFinals(t *testing.T) {
	tests := []struct {
		line  string
		final bool
		want  error // errors.Is
	}{
		{"OK", true, nil},
		{"ERROR", true, ErrError},
		{"+CMS ERROR: 38", true, CMSError(38)},
		{"+CMS ERROR:38", true, CMSError(38)},
		{"+cms error: 38", true, CMSError(38)},
		{"+CMS ERROR: Network out of order", true, CMSError(38)},
		{"+CMS ERROR: SIM BUSY", true, CMSError(314)},
		{"+CMS ERROR: -1", true, CMSError(500)},
		{"+CMS ERROR:", true, CMSError(500)},
		{"+CME ERROR: SIM busy", true, CMEError(14)},
		{"+CME ERROR: 515", true, CMEError(515)},
		{"+CME ERROR: something", true, CMEError(100)},
		{"COMMAND NOT SUPPORT", true, ErrError},
		{"MODEM ERROR: 5", true, ErrError},
		{"NO CARRIER", false, nil},
		{"OK ", false, nil}, // the scanner leaves no such line
		{"ALL OK", false, nil},
		{"+CMS ERRORS: 5", false, nil},
		{"+CMGS: 5", false, nil},
	}
	for _, tt := range tests {
		if got := isFinal(tt.line); got != tt.final {
			t.Errorf("isFinal(%q) = %v, want %v", tt.line, got, tt.final)
		}
		if !tt.final {
			continue
		}
		if err := finalError(tt.line); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("finalError(%q) = %v, want %v", tt.line, err, tt.want)
		}
	}
}

// TestExplain: every code that has a class has a sentence, and no error loses its own words.
func TestExplain(t *testing.T) {
	if got := Explain(nil); got != "" {
		t.Errorf("Explain(nil) = %q, want nothing", got)
	}
	for n := range 800 {
		for _, err := range []error{CMSError(n), CMEError(n)} {
			text := Explain(err)
			if !strings.HasPrefix(text, err.Error()) || !strings.HasSuffix(text, ".") {
				t.Errorf("Explain(%v) = %q", err, text)
			}
			if Classify(err) != ClassUnknown && len(text) < len(err.Error())+10 {
				t.Errorf("Explain(%v) = %q: no advice", err, text)
			}
		}
	}
	for _, tt := range []struct{ err, want string }{
		{Explain(&RefusedError{Cause: CMSError(38)}), "refused: +CMS ERROR 38: network out of order. The network is disturbed; on prepaid cards also when the credit is used up."},
		{Explain(ErrPortGone), "the line is gone: the modem was unplugged, or restarts."},
		{Explain(&UncertainError{Reason: "x"}), "uncertain whether it was sent: x."},
	} {
		if tt.err != tt.want {
			t.Errorf("got %q, want %q", tt.err, tt.want)
		}
	}
}

func TestLineOfIdentity(t *testing.T) {
	id := Identity{Modem: "sim1"}
	for _, step := range []struct {
		set  func()
		want string
	}{
		{func() {}, "modem:sim1"},
		{func() { id.IMEI = "356938035643809" }, "356938035643809"},
		{func() { id.IMSI = "262011234567890" }, "262011234567890"},
		{func() { id.ICCID = "8949020000012345678" }, "8949020000012345678"},
	} {
		if step.set(); id.Line() != step.want {
			t.Errorf("%+v: line %q, want %q", id, id.Line(), step.want)
		}
	}
}
