package cli

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"smsgateway/admin"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// TestAccountShowSessions: JSON has the sessions that people are shown.
func TestAccountShowSessions(t *testing.T) {
	s := newShell(t)
	s.stdin = strings.NewReader("secret12\n")
	s.must("account", "add", "--key", "shop", "--password-stdin")
	if text := s.must("account", "show", "shop", "--json"); !strings.Contains(text, `"bound": []`) {
		t.Errorf("an account without a session: want an empty list in\n%s", text)
	}
	if text := s.must("account", "list", "--json"); strings.Contains(text, `"bound"`) {
		t.Errorf("a list has the sessions of each account:\n%s", text)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := &smpp.Server{Backend: s.gateway, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the SMPP server: %v", err)
		}
	})
	esme, err := smpptest.Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer esme.Close()
	if _, err := esme.Bind(smpp.BindReceiver, "shop", "secret12"); err != nil {
		t.Fatal(err)
	}
	acct := mustJSON[admin.Account](s, "account", "show", "shop")
	if len(acct.Bound) != 1 || acct.Sessions != 1 || acct.Bound[0].Kind != "receiver" || acct.Bound[0].Account != "shop" {
		t.Errorf("with a session: %d, %+v", acct.Sessions, acct.Bound)
	}
	if text := s.must("account", "show", "shop"); !strings.Contains(text, "SESSION") || !strings.Contains(text, acct.Bound[0].Remote) {
		t.Errorf("account show:\n%s", text)
	}
}

func TestVersionJSON(t *testing.T) {
	if v := mustJSON[buildInfo](newShell(t), "version"); v.Version != "1.2.3" || v.Go == "" || v.OS == "" || v.Arch == "" {
		t.Errorf("version --json: %+v", v)
	}
}

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
