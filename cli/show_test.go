package cli

import (
	"bytes"
	"strings"
	"testing"

	"smsgateway/admin"
)

// TestShowMessage: what few messages have is shown of those alone.
func TestShowMessage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		message admin.Message
		want    []string // lines, with one blank for several
	}{
		{"plain", admin.Message{}, nil},
		{"service_type", admin.Message{ServiceType: "WAP"}, []string{"Service type WAP"}},
		{"class 0", admin.Message{MessageClass: new(0)}, []string{"Message class 0, shown at once, not kept"}},
		{"class 2", admin.Message{MessageClass: new(2)}, []string{"Message class 2, for the SIM"}},
		{"ports", admin.Message{DestinationPort: new(2948), SourcePort: new(0)}, []string{"Ports to 2948, from 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{Env{Stdout: &out}}
			if err := a.showMessage(tt.message); err != nil {
				t.Fatal(err)
			}
			shown := oneBlank(out.String())
			for _, want := range tt.want {
				if !strings.Contains(shown, want+"\n") {
					t.Errorf("it does not say %q:\n%s", want, shown)
				}
			}
			for _, name := range []string{"Service type", "Message class", "Ports"} {
				if meant := strings.Contains(strings.Join(tt.want, "\n"), name); strings.Contains(shown, name) != meant {
					t.Errorf("%s: want it shown %t:\n%s", name, meant, shown)
				}
			}
		})
	}
}
