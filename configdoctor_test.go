package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smsgateway/admin"
	"smsgateway/gateway"
)

// TestDoctorLooksAtTheFile: the doctor of a gateway that runs tells whether it could be started with the file as it is now.
func TestDoctorLooksAtTheFile(t *testing.T) {
	const head = "[smpp]\nlisten = \"127.0.0.1:0\"\n"
	const good = head + "[admin]\nlisten = \"\"\n"
	b, file := boxAt(t, good)
	for _, tt := range []struct {
		name, text string
		severity   gateway.Severity
		what, cure []string
	}{
		{"as it was", good, gateway.OK, []string{file + " has no faults, and is in force."}, nil},
		{"a fault", good + "[messages]\nkeep = \"0s\"\n", gateway.Warn,
			[]string{"could not be started again: " + file + ":6: messages.keep is 0s"}, []string{"smsgateway config check"}},
		{"very many", head + strings.Repeat("[[inbound]]\n", 8), gateway.Warn, []string{":3: ", ":7: ", "; and 3 more."}, nil},
		{"no TOML", "[smpp\n", gateway.Warn, []string{file + ":2: "}, nil},
		{"a certificate that is not there", good + "[smpp]", gateway.Warn, []string{":5"}, nil},
		{"a certificate", strings.Replace(good, "[admin]", "tls_listen = \":0\"\ntls_cert = \"a\"\ntls_key = \"b\"\n[admin]", 1), gateway.Warn,
			[]string{"smpp.tls_cert: open "}, nil},
		{"another window", strings.Replace(good, "[admin]", "window = 7\n[admin]", 1), gateway.Note,
			[]string{"has no faults, and not all of it is in force: smpp.window is 7."}, []string{"config reload"}},
		{"another port", strings.Replace(good, ":0", ":1", 1), gateway.Note, []string{"smpp.listen is another, which needs a restart"},
			[]string{"Restart"}},
		{"gone", "", gateway.Warn, []string{file + " is no more there"}, []string{"Put it back"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.text != "" {
				writeFile(t, file, tt.text)
			} else if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			all, err := b.gateway.Diagnose(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(all, func(f gateway.Finding) bool { return f.About == aboutConfig })
			if i < 0 {
				t.Fatalf("nothing is said of the file: %+v", all)
			}
			f := all[i]
			if f.Severity != tt.severity || strings.ContainsRune(f.What, '\n') {
				t.Errorf("got %+v, want severity %s", f, tt.severity)
			}
			for _, want := range tt.what {
				if !strings.Contains(f.What, want) {
					t.Errorf("%q is not in %q", want, f.What)
				}
			}
			for _, want := range tt.cure {
				if !strings.Contains(f.Cure, want) {
					t.Errorf("%q is not in %q", want, f.Cure)
				}
			}
		})
	}
}

// TestDoctorWithoutGateway: where none runs, it is the file that the command has read.
func TestDoctorWithoutGateway(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "config.toml")
	for _, tt := range []struct{ name, text, severity, what string }{
		{"none", "", "ok", "There is no config.toml: the defaults hold."},
		{"good", "[smpp]\nlisten = \"127.0.0.1:0\"\n", "ok", file + " has no faults."},
		{"certificate", "[smpp]\ntls_listen = \":0\"\ntls_cert = \"a\"\ntls_key = \"b\"\n", "fault", "The gateway can't be started: smpp.tls_cert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.text != "" {
				writeFile(t, file, tt.text)
			}
			var out, said strings.Builder
			if code := run(t.Context(), []string{"doctor", "--json"}, strings.NewReader(""), &out, &said); code != 1 { // no gateway runs
				t.Errorf("exit code %d: %s", code, said.String())
			}
			var all []admin.Finding
			if err := json.Unmarshal([]byte(out.String()), &all); err != nil {
				t.Fatalf("%v in %s", err, out.String())
			}
			if !slices.ContainsFunc(all, func(f admin.Finding) bool {
				return f.About == aboutConfig && f.Severity == tt.severity && strings.Contains(f.What, tt.what)
			}) {
				t.Errorf("%q is not said: %+v", tt.what, all)
			}
		})
	}
	writeFile(t, file, "[smpp]\nwindow = 0\n")
	var out, said strings.Builder
	if code := run(t.Context(), []string{"doctor"}, strings.NewReader(""), &out, &said); code != 1 || !strings.Contains(said.String(), "config.toml:2: smpp.window is 0") {
		t.Errorf("a file with a fault: %d, %q", code, said.String())
	}
}
