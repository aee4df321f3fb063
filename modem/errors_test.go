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
		ClassModem: "0 1 2 3 4 49 51 55 57 58 59 61 150 162 165 515", ClassSIM: "5 10 11 12 13 14 15 16 17 18 40 47 48", ClassMemory: "20 21 22 23",
		ClassMessage: "24 25 26 27 50", ClassNoService: "30 32 53 54 102 103 115 118", ClassSuspect: "31 52 60 100 148",
		ClassBarred: "56 62 133 152 161 177", ClassNetwork: "63 116 117 119 122 151 204", ClassUnknown: "8 19 28 64 99 101 205 600",
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
		{"+CMS ERROR: NETWORK OUT OF ORDER", true, CMSError(38)},
		{"+CMS ERROR: (U)SIM busy", true, CMSError(314)},
		{"+CMS ERROR: No network", true, CMSError(331)},
		{"+CMS ERROR: Invalid PDU  mode-parameter", true, CMSError(304)},
		{"+CME ERROR: operation not allowed", true, CMEError(3)},
		{"+CME ERROR: SIM PIN necessary", true, CMEError(11)},
		{"+CME ERROR: Network not allowed, emergency calls only", true, CMEError(32)},
		{"+CME ERROR:53", true, CMEError(53)},
		{"+CME ERROR: 15790320", true, CMEError(15790320)}, // GPRS-AT issue 12
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

// TestStandardCodes: every code of TS 27.005 §3.2.5, with those of TS 24.011 annex E-2 and TS 23.040 §9.2.3.22, and of
// TS 27.007 §9.2 has a name, a class, and something that can be done.
func TestStandardCodes(t *testing.T) {
	cms := "1 8 10 17 21 22 27 28 29 30 38 41 42 47 50 69 81 95 96 97 98 99 111 127 " +
		"128 129 130 143 144 145 159 160 161 175 176 192 193 194 195 196 197 198 199 208 209 210 211 212 213 224 254 255 " +
		"300 301 302 303 304 305 310 311 312 313 314 315 316 317 318 320 321 322 330 331 332 340 500"
	cme := "0 1 2 3 4 5 6 7 10 11 12 13 14 15 16 17 18 20 21 22 23 24 25 26 27 30 31 32 40 41 42 43 44 45 46 47 48 49 50 " +
		"51 52 53 54 55 56 57 58 59 60 61 62 63 100 103 106 107 111 112 113 132 133 134 148 149 150 " +
		"151 152 153 154 155 156 157 158 159 160 161 162 163 164 165 171 172 173 174 175 176 177"
	check := func(err error, text, other string) {
		if text == other && !strings.Contains(other, "application's own") {
			t.Errorf("%v has no name", err)
		}
		if Classify(err) == ClassUnknown {
			t.Errorf("%v has no class", err)
		}
		if got := Explain(err); !strings.HasPrefix(got, err.Error()+". ") {
			t.Errorf("Explain(%v) = %q: no advice", err, got)
		}
	}
	for code := range strings.FieldsSeq(cms) {
		var n int
		fmt.Sscan(code, &n)
		check(CMSError(n), textOf(cmsTexts, n, otherCMS(n)), otherCMS(n))
	}
	for code := range strings.FieldsSeq(cme) {
		var n int
		fmt.Sscan(code, &n)
		check(CMEError(n), textOf(cmeTexts, n, otherCME(n)), otherCME(n))
	}
	for _, c := range cmsTexts { // some share a name, and then a class
		if got := finalError("+CMS ERROR: " + strings.ToUpper(c.text)); Classify(got) != Classify(CMSError(c.code)) {
			t.Errorf("%q is %v, want a %v", c.text, got, CMSError(c.code))
		}
	}
	for _, c := range cmeTexts {
		if got := finalError("+CME ERROR: " + strings.ToUpper(c.text)); Classify(got) != Classify(CMEError(c.code)) {
			t.Errorf("%q is %v, want a %v", c.text, got, CMEError(c.code))
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
