package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the picture of DESIGN.md section 2: which packages of ours each may import, and whether it may use
// anything outside the standard library. Arrows point down only.
var mayImport = map[string]struct {
	ours    []string
	outside []string // module path prefixes; nil: the standard library alone
}{
	"smsgateway":               {ours: []string{"admin", "cli", "gateway", "modem", "modem/sim", "smpp", "smpp/smpptest", "store"}, outside: []string{"github.com/BurntSushi/toml", "github.com/spf13/cobra"}},
	"smsgateway/cli":           {ours: []string{"admin"}, outside: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"}},
	"smsgateway/admin":         {ours: []string{"gateway", "modem", "store", "sms"}},
	"smsgateway/gateway":       {ours: []string{"smpp", "store", "modem", "sms"}, outside: []string{"golang.org/x/crypto", "golang.org/x/text"}},
	"smsgateway/store":         {ours: []string{"sms"}, outside: []string{"go.etcd.io/bbolt"}},
	"smsgateway/modem":         {ours: []string{"sms"}, outside: []string{"github.com/tarm/serial", "golang.org/x/sys"}},
	"smsgateway/modem/sim":     {ours: []string{"sms"}, outside: []string{"github.com/creack/pty", "golang.org/x/sys", "golang.org/x/term"}},
	"smsgateway/smpp":          {},
	"smsgateway/smpp/smpptest": {ours: []string{"smpp"}},
	"smsgateway/sms":           {},
	"smsgateway/e2e":           {},
	"smsgateway/scenario":      {},
}

// TestArrows holds the import arrows of the house, as `go list` sees them. Tests may import what they like.
func TestArrows(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		seen++
		rule, ok := mayImport[pkg.ImportPath]
		if !ok {
			t.Errorf("package %s has no place in the house: give it one in mayImport and in the README's picture", pkg.ImportPath)
			continue
		}
		for _, path := range pkg.Imports {
			if name, ours := strings.CutPrefix(path, "smsgateway/"); ours {
				if !slices.Contains(rule.ours, name) {
					t.Errorf("%s imports %s: that arrow does not point down", pkg.ImportPath, path)
				}
				continue
			}
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") { // standard library
				continue
			}
			if !slices.ContainsFunc(rule.outside, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") }) {
				t.Errorf("%s imports %s, which it may not", pkg.ImportPath, path)
			}
		}
	}
	if seen < len(mayImport)-2 { // e2e and scenario may hold tests alone
		t.Errorf("go list showed %d packages, the picture has %d", seen, len(mayImport))
	}
}
