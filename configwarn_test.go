package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWarnSamePort: two paths that lead to one device are told of, and nothing else is.
func TestWarnSamePort(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ttyUSB0", "ttyUSB1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("ttyUSB0", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ports []string // "/" is the directory
		want  []string // words of the warning; nil: none
	}{
		{[]string{"/ttyUSB0", "/ttyUSB1", "auto", "auto", "simulated", "simulated"}, nil},
		{[]string{"/ttyUSB0", "/ttyUSB7", "/ttyUSB7/x"}, nil},
		{[]string{"/ttyUSB1", "/ttyUSB0", "/link"}, []string{"modem=m1 port=" + dir + "/ttyUSB0", "other=m2 other_port=" + dir + "/link"}},
		{[]string{"/ttyUSB0", "/../" + filepath.Base(dir) + "/ttyUSB0"}, []string{"modem=m0", "other=m1", "device="}},
	} {
		var cfg config
		for i, port := range tt.ports {
			if rest, ok := strings.CutPrefix(port, "/"); ok {
				port = dir + "/" + rest
			}
			cfg.Modems = append(cfg.Modems, modemConfig{Name: "m" + string(rune('0'+i)), Port: port})
		}
		var out bytes.Buffer
		cfg.warnSamePort(slog.New(slog.NewTextHandler(&out, nil)))
		if lines := strings.Count(out.String(), "\n"); lines != min(1, len(tt.want)) {
			t.Errorf("%v: %d warnings: %s", tt.ports, lines, out.String())
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: no %q in %s", tt.ports, want, out.String())
			}
		}
	}
}

// TestWrongKinds: values of the wrong kind hide no other fault.
func TestWrongKinds(t *testing.T) {
	for _, tt := range []faulty{
		{"values of the wrong kind among others", "data_dri = \"x\"\n[smpp]\nwindow = \"100\"\nenquire_link = \"30\"\nmax_sessions = 0\n" +
			"[[modem]]\nport = 5\n[[modem]]\nport = \"/dev/a\"\nprefixes = [\n  49,\n]\nbaud = \"fast\"\n[log]\nlevel = \"loud\"\n",
			[]string{
				`config.toml:1: unknown key "data_dri"; did you mean "data_dir"?`,
				`config.toml:3: smpp.window: is text in quotes, and must be a whole number, as in 60`,
				`config.toml:4: smpp.enquire_link: "30" is no time; write it as "30s", "15m", "24h" or "7d"`,
				`config.toml:5: smpp.max_sessions is 0; it takes 1 to 1000`,
				`config.toml:7: modem.port: is a number, and must be text in quotes: port = "5"`,
				`config.toml:10: modem.prefixes: is a number, and must be text in quotes`,
				`config.toml:13: modem.baud: is text in quotes, and must be a whole number, as in 60`,
				`config.toml:15: log.level is "loud"; take one of debug, info, warn, error`,
			}},
	} {
		t.Run(tt.name, tt.try)
	}
}
