package cli

import (
	"strings"
	"testing"

	"smsgateway/admin"
)

// TestMessageExplain: a text by each of its ways in, and what is told of it.
func TestMessageExplain(t *testing.T) {
	s := newShell(t)
	s.must("account", "add", "--key", "shop", "--unencodable", "reject", "--national", "tr,pt")
	long := strings.Repeat("a", 80) + "’"
	for _, tt := range []struct {
		name  string
		stdin string
		args  []string
		want  []string // lines, with one blank between columns
	}{
		{"a text", "", []string{"--text", "hello [x]"}, []string{"Status ESME_ROK", "Read as UTF-8", "Goes out as gsm7, 1 part", "TP-DCS 0x00", "PART SEPTETS LEFT", "1 11 149"}},
		{"standard input", long + "\r\n", nil, []string{"Goes out as ucs2, 2 parts", "PART UTF-16 UNITS LEFT", "2 14 53",
			"’ U+2019 81 GSM 7 bit lacks it; without it 1 part instead of 2; like it: '", "Transliterated it would be 1 part: " + short(strings.Repeat("a", 80), 60)}},
		{"an account that wants it refused", "", []string{"--text", "so…", "--account", "shop"},
			[]string{"Status ESME_RSUBMITFAIL: 1 of its characters are not in the GSM 7 bit alphabet: U+2026",
				"… U+2026 3 GSM 7 bit lacks it; without it the text would go, in 1 part; like it: ..."}},
		{"a national table", "", []string{"--text", "ış", "--account", "shop"},
			[]string{"Goes out as gsm7, 1 part", "National tables Turkish (single shift)", "1 4 151"}},
		{"octets", "", []string{"--hex", "00 68 00 69", "--data-coding", "0x08"}, []string{"Read as UTF-16BE", "TP-DCS 0x08",
			"data_coding asks for UCS-2. GSM 7 bit has all its characters: 1 part with data_coding 0."}},
		{"with a header", "", []string{"--hex", "0500030702016869", "--esm-class", "64"}, []string{"Text hi", "1 2 151"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.stdin = strings.NewReader(tt.stdin)
			var lines []string
			for line := range strings.Lines(s.must(append([]string{"message", "explain"}, tt.args...)...)) {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
			for _, want := range tt.want {
				if all := strings.Join(lines, "\n"); !strings.Contains("\n"+all+"\n", "\n"+want+"\n") {
					t.Errorf("there is no line %q in\n%s", want, all)
				}
			}
		})
	}
	s.stdin = strings.NewReader("")
	x := mustJSON[admin.Explanation](s, "message", "explain", "--text", long)
	if x.Encoding != "ucs2" || len(x.Parts) != 2 || len(x.Costly) != 1 || x.Costly[0].CodePoint != "U+2019" || x.Costly[0].Without != 1 ||
		x.Like == nil || x.Like.Parts != 1 {
		t.Errorf("got %+v", x)
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"both":         {[]string{"--text", "x", "--hex", "00"}, 2, "give --text or --hex, not both"},
		"not hex":      {[]string{"--hex", "0g"}, 2, "--hex: write octets as in 48656c6c6f"},
		"coding alone": {[]string{"--text", "x", "--data-coding", "8"}, 2, "--data-coding and --esm-class belong to --hex"},
		"too long":     {[]string{"--text", strings.Repeat("x", 1<<16)}, 2, "the text has more than 65535 octets"},
		"no account":   {[]string{"--text", "x", "--account", "nobody"}, 1, `there is no account "nobody"`},
	} {
		_, stderr, code := s.do(append([]string{"message", "explain"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
}
