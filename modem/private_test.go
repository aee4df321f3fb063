package modem

import "testing"

// TestPrivate: what the log may show of a line at level debug when texts are not wanted there.
func TestPrivate(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"0031000B912143658709F10000A705E8329BFD06", "(40 hexadecimal digits)"},
		{"0031000B912143658709F10000A705E8329BFD06\x1a", "(40 hexadecimal digits)"},
		{`+CUSD: 0,"Your balance is 5.00",15`, "+CUSD: (28 characters)"},
		{`+CLIP: "+491701234567",145`, "+CLIP: (20 characters)"},
		{"AT+CMGS=19", "AT+CMGS=19"},
		{"+CMGS: 42", "+CMGS: 42"},
		{"+CDS: 24", "+CDS: 24"},
	} {
		if got := private(tt.line); got != tt.want {
			t.Errorf("private(%q) = %q, want %q", tt.line, got, tt.want)
		}
	}
}
