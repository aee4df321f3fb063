package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smsgateway/admin"
	"smsgateway/gateway"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// everyKey is a configuration in which each key has another value than by default.
func everyKey(t *testing.T) config {
	t.Helper()
	var c config
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for field := range v.Type().Fields() {
				fill(v.FieldByIndex(field.Index))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		case reflect.String:
			v.SetString("other")
		case reflect.Int, reflect.Int64:
			v.SetInt(77)
		case reflect.Bool:
			v.SetBool(true)
		default:
			t.Fatalf("no value for a %s", v.Kind())
		}
	}
	fill(reflect.ValueOf(&c).Elem())
	return c
}

// TestListIsComplete: config show has each key, knows what is a default, and hides PINs.
func TestListIsComplete(t *testing.T) {
	other := everyKey(t)
	shown := map[string]bool{}
	for _, s := range other.list("") {
		shown[s.Key] = true
		if s.Default {
			t.Errorf("%s = %v is taken for a default", s.Key, s.Value)
		}
		if namesPIN.MatchString(s.Key) != s.Hidden || s.Hidden && s.Value != "" {
			t.Errorf("%s: hidden %t, %v", s.Key, s.Hidden, s.Value)
		}
	}
	for _, key := range knownKeys() {
		if table := slices.Contains([]string{"smpp", "accounts", "messages", "store", "admin", "log", "inbound", "modem"}, key); !table && !shown[key] {
			t.Errorf("%s is not shown", key)
		}
	}
	plain := defaults()
	plain.Modems = []modemConfig{{Port: "/dev/a", Balance: "*100#"}}
	plain.Inbound = []inboundRule{{Account: "a"}}
	plain.modemDefaults()
	plain.Modems = append(plain.Modems, modemConfig{Port: "/dev/b"}) // its credit is not read
	plain.modemDefaults()
	for _, s := range plain.list("") {
		if s.Key == "modem.balance_every" && s.Value != "24h" {
			t.Errorf("modem %s: balance_every is shown as %v, and is 24h where nothing is given", s.Modem, s.Value)
		}
		if s.Modem == "modem2" && s.Key == "modem.balance" {
			continue
		}
		given := slices.Contains([]string{"modem.port", "modem.balance", "inbound.account"}, s.Key)
		if s.Default == given {
			t.Errorf("%s = %v: default %t", s.Key, s.Value, s.Default)
		}
	}
}

// TestDifference: each key is either applied or said to need a restart, and then it is as it was.
func TestDifference(t *testing.T) {
	old, next := defaults(), everyKey(t)
	old.Modems = []modemConfig{{Name: "other", Port: "/dev/a"}, {Name: "gone", Port: "/dev/b"}}
	inForce, applied, waits := old.difference(next)
	said := strings.Join(applied, "\n")
	for _, s := range next.list("") {
		restart := slices.Contains(waits, s.Key)
		mentions := regexp.MustCompile(`(^|[ \n])` + regexp.QuoteMeta(s.Key) + ` is `).MatchString(said)
		if s.Modem == "" && s.Rule == 0 && restart == mentions {
			t.Errorf("%s: applied %t, for a restart %t", s.Key, mentions, restart)
		}
		if word := strings.TrimPrefix(s.Key, "modem."); s.Modem != "" && word != "name" && !regexp.MustCompile(`\b`+word+`\b`).MatchString(said) {
			t.Errorf("%s is not among what is applied:\n%s", s.Key, said)
		}
	}
	if want := append(slices.Clone(restartKeys), "smpp.tls_cert", "smpp.tls_key"); !sameWords(waits, want) {
		t.Errorf("a restart is needed for %q, want %q", waits, want)
	}
	for _, s := range inForce.list("") {
		if slices.Contains(waits, s.Key) && !s.Default {
			t.Errorf("%s is %v before the restart", s.Key, s.Value)
		}
	}
	for _, want := range []string{"[[inbound]]", "modem other: is started anew for port", "modem gone: is taken out"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	if strings.Contains(said, next.Modems[0].PIN+"\"") && strings.Contains(said, "pin is") {
		t.Errorf("the PIN is told:\n%s", said)
	}
	if _, applied, waits := next.difference(next); len(applied)+len(waits) > 0 {
		t.Errorf("nothing has changed, and it says %q, %q", applied, waits)
	}
}

func sameWords(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// reloading is a gateway that runs in this process, to be reloaded.
type reloading struct {
	t     *testing.T
	b     *box
	file  string // its configuration
	level *slog.LevelVar
}

const (
	reloadHead = "[smpp]\nlisten = \"127.0.0.1:0\"\ntls_listen = \"127.0.0.1:0\"\n"
	// reloadFrom is what it starts with, reloadTo what it is changed to.
	reloadFrom = reloadHead + "[admin]\nlisten = \"\"\n[[modem]]\nname = \"a\"\nport = \"simulated\"\n"
	reloadTo   = reloadHead + "system_id = \"anew\"\n[log]\nlevel = \"debug\"\n[messages]\nmax_parts = 1\n[admin]\nlisten = \"127.0.0.1:7\"\n" +
		"[[modem]]\nname = \"b\"\nport = \"simulated\"\nper_day = 9\n"
)

func startReloading(t *testing.T) *reloading {
	t.Helper()
	dir, err := os.MkdirTemp("", "reload-") // short, for the control socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &reloading{t: t, file: filepath.Join(dir, "config.toml"), level: new(slog.LevelVar)}
	writeFile(t, r.file, reloadFrom)
	reread := rereadConfig(r.file, "", r.file)
	cfg, err := reread()
	if err != nil {
		t.Fatal(err)
	}
	r.b, err = openBox(cfg, boxOptions{log: slog.New(slog.NewTextHandler(t.Output(), nil)), level: r.level, reread: reread, file: r.file})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.b.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	<-r.b.fleet.wired
	if _, err := r.b.gateway.AddAccount(gateway.NewAccount{Key: "shop", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reloading) dial() *tls.Conn {
	r.t.Helper()
	conn, err := tls.Dial("tcp", address(r.b.tls), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// withCertificate is reloadTo with a certificate and key of these files.
func withCertificate(file string) string {
	return strings.Replace(reloadTo, "system_id", fmt.Sprintf("tls_cert = %q\ntls_key = %q\nsystem_id", file, file), 1)
}

// TestReload: a gateway at work takes on another configuration; its sessions stay. Faults change nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	r := startReloading(t)
	esme := smpptest.New(r.dial())
	if _, err := esme.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil {
		t.Fatal(err)
	}
	r.refusesFaults()
	r.losesFiles()
	r.applies(esme)
	r.changesCertificate()
	if err := esme.EnquireLink(); err != nil {
		t.Errorf("the session from before: %v", err)
	}
}

// refusesFaults: a file with faults changes nothing.
func (r *reloading) refusesFaults() {
	was := r.b.config()
	for _, faulty := range []string{strings.Replace(reloadTo, "max_parts = 1", "max_parts = 0", 1), withCertificate(r.file), "[smpp"} {
		writeFile(r.t, r.file, faulty)
		_, err := r.b.Reload(r.t.Context())
		if refused := new(admin.Error); !errors.As(err, &refused) || !strings.Contains(err.Error(), "Nothing was changed") {
			r.t.Fatalf("a file with faults: %v", err)
		}
		if got := r.b.config(); !reflect.DeepEqual(got, was) {
			r.t.Errorf("it changed the configuration to %+v", got)
		}
	}
}

// losesFiles: a configuration that has gone changes nothing, and a certificate of our own that has gone stays in force.
func (r *reloading) losesFiles() {
	t, b := r.t, r.b
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "is no more there") {
		t.Errorf("a file that has gone: %v", err)
	}
	writeFile(t, r.file, reloadFrom)
	own := filepath.Join(b.config().DataDir, "tls.pem")
	if err := os.Rename(own, own+".away"); err != nil {
		t.Fatal(err)
	}
	if done, err := b.Reload(t.Context()); err != nil || !slices.Contains(done.Warnings, ownHasGone) {
		t.Errorf("a certificate that has gone: %+v, %v", done, err)
	}
	if err := os.Rename(own+".away", own); err != nil {
		t.Fatal(err)
	}
}

// applies puts another configuration into force, while a session from before goes on.
func (r *reloading) applies(esme *smpptest.Client) {
	t, b := r.t, r.b
	writeFile(t, r.file, reloadTo)
	done, err := b.Reload(t.Context())
	if err != nil || !slices.Equal(done.Restart, []string{"admin.listen"}) || len(done.Applied) != 5 {
		t.Fatalf("got %+v, %v", done, err)
	}
	if r.level.Level() != slog.LevelDebug {
		t.Errorf("the log's level is %s", r.level.Level())
	}
	_, err = esme.Submit(&smpp.SubmitSM{Destination: smpp.Address{Addr: "491"}, ShortMessage: bytes.Repeat([]byte("x"), 170)})
	if status := smpp.Status(0); !errors.As(err, &status) || status != smpp.StatusInvMsgLen {
		t.Errorf("a long text on the session from before: %v", err)
	}
	another := smpptest.New(r.dial())
	if resp, err := another.Bind(smpp.BindTransceiver, "shop", "secret"); err != nil || resp.SystemID != "anew" {
		t.Errorf("a new bind: %+v, %v", resp, err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		list := b.gateway.ModemViews()
		if len(list) == 1 && list[0].Name == "b" && list[0].Status.State == "ready" && len(list[0].Budget) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the modems are %+v", list)
		}
	}
	c, err := b.Config()
	if err != nil || !c.Running || c.Certificate == nil || !slices.Equal(c.Restart, done.Restart) {
		t.Errorf("in force: %+v, %v", c, err)
	}
	if again, err := b.Reload(t.Context()); err != nil || len(again.Applied) != 0 || len(again.Restart) != 1 {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

// changesCertificate: another one is for connections from now on.
func (r *reloading) changesCertificate() {
	fingerprint := func() string { return gateway.Fingerprint(r.dial().ConnectionState().PeerCertificates[0].Raw) }
	was := fingerprint()
	other := withTLS(r.t)
	if _, err := other.keyPair(true); err != nil {
		r.t.Fatal(err)
	}
	writeFile(r.t, r.file, withCertificate(filepath.Join(other.DataDir, ownCertificateName)))
	if _, err := r.b.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if fingerprint() == was {
		r.t.Error("the certificate is the one from before")
	}
	if err := os.Remove(filepath.Join(r.b.config().DataDir, ownCertificateName)); err != nil {
		r.t.Fatal(err)
	}
	writeFile(r.t, r.file, reloadTo)
	if done, err := r.b.Reload(r.t.Context()); err != nil || !slices.Contains(done.Warnings, madeAnew) {
		r.t.Errorf("back to a certificate of our own, which had to be made: %+v, %v", done, err)
	}
}

// TestReloadKeepsCertificate: another data_dir waits for a restart, and so does the certificate that is in it.
func TestReloadKeepsCertificate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	write := func(data string) {
		writeFile(t, file, fmt.Sprintf("data_dir = %q\n[smpp]\nlisten = \"\"\ntls_listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n", data))
	}
	write("one")
	reread := func() (config, error) { return readConfig(file, "") }
	cfg, err := reread()
	if err != nil {
		t.Fatal(err)
	}
	b, err := openBox(cfg, boxOptions{log: slog.New(slog.NewTextHandler(t.Output(), nil)), reread: reread, file: file})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(b.closePorts(), b.gateway.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := os.Mkdir(filepath.Join(dir, "two"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeKeyPair(filepath.Join(dir, "two", ownCertificateName)); err != nil {
		t.Fatal(err)
	}
	write("two")
	r, err := b.Reload(t.Context())
	if err != nil || !slices.Equal(r.Restart, []string{"data_dir"}) || len(r.Applied) != 0 {
		t.Errorf("got %+v, %v; want data_dir to wait, and nothing applied", r, err)
	}
}

// TestConfigCheck: the exit code, all faults, and warnings.
func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	for _, tt := range []struct {
		name, text, stdout, stderr string
		faults                     []string
	}{
		{"good", "[[modem]]\nport = \"simulated\"\n", "has no faults", "", nil},
		{"hardly meant", "", "has no faults", "no [[modem]]", nil},
		{"two faults", "[smpp]\nwindow = 0\nlisten = \"x\"\n", "", "", []string{":2:", ":3:"}},
		{"no TOML", "[smpp\n", "", "", []string{":2:"}},
		{"certificate", "[smpp]\ntls_listen = \":1\"\ntls_cert = \"a\"\ntls_key = \"b\"\n", "", "", []string{"smpp.tls_cert"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writeFile(t, file, tt.text)
			var stdout, stderr bytes.Buffer
			none := ""
			cmd := configCheckCommand(&none, &none, &stdout, &stderr)
			cmd.SetArgs([]string{file})
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.Execute()
			if (err != nil) != (tt.faults != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.faults {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("it says %q and %q", stdout.String(), stderr.String())
			}
			checkForScripts(t, file, tt.faults, tt.stderr)
		})
	}
}

// checkForScripts looks at config check --json: faults with their lines, or a warning, and the exit code.
func checkForScripts(t *testing.T, file string, faults []string, warning string) {
	t.Helper()
	var out, said bytes.Buffer
	code := run(t.Context(), []string{"config", "check", file, "--json"}, strings.NewReader(""), &out, &said)
	var v configCheck
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.File != file || v.Faults == nil || v.Warnings == nil || len(v.Faults) != len(faults) || (code == 1) != (len(faults) > 0) {
		t.Fatalf("exit code %d, %+v, %s", code, v, said.String())
	}
	for i, f := range v.Faults {
		place := faults[i]
		if f.Line > 0 {
			place = strings.Replace(place, fmt.Sprintf(":%d:", f.Line), f.Key, 1)
		}
		if !strings.Contains(f.What, place) || strings.Contains(f.What, file) {
			t.Errorf("fault %+v, want %q", f, faults[i])
		}
	}
	if !strings.Contains(strings.Join(v.Warnings, "\n"), warning) {
		t.Errorf("warnings %q, want %q", v.Warnings, warning)
	}
}

// boxAt runs a gateway with the configuration of a file, until the end of the test.
func boxAt(t *testing.T, text string) (b *box, file string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "reload-") // short, for the control socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file = filepath.Join(dir, "config.toml")
	writeFile(t, file, text)
	reread := func() (config, error) { return readConfig(file, "") }
	cfg, err := reread()
	if err != nil {
		t.Fatal(err)
	}
	b, err = openBox(cfg, boxOptions{log: slog.New(slog.NewTextHandler(t.Output(), nil)), reread: reread, file: file})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	<-b.fleet.wired
	return b, file
}

// within waits for what must come true.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestReloadWhileModemLeaves: a modem that has to end its text first is taken out, and meanwhile the file is changed again.
// That change counts as well.
func TestReloadWhileModemLeaves(t *testing.T) {
	t.Parallel()
	const head = "[smpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n"
	const first = "[[modem]]\nname = \"first\"\nport = \"simulated\"\nprefixes = [\"+1\"]\n"
	const second = "[[modem]]\nname = \"second\"\nport = \"simulated\"\n"
	b, file := boxAt(t, head+first+second)
	reload := func(text string) {
		t.Helper()
		writeFile(t, file, text)
		if _, err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	id, err := b.gateway.SendText(t.Context(), "", "+12125550100", "x")
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the text on the air", func() bool { // for a second: on a busy machine it may have left by then
		m, err := b.gateway.Message(id)
		return err == nil && m.State != store.Queued
	})
	reload(head + second)
	time.Sleep(100 * time.Millisecond) // the first modem is waited for
	reload(head + second + "smsc = \"+4917200001\"\n")
	within(t, "the second modem with its SMSC", func() bool {
		list := b.gateway.ModemViews()
		return len(list) == 1 && list[0].Name == "second" && strings.Contains(list[0].Status.SMSC, "4917200001")
	})
	if m, err := b.gateway.Message(id); err != nil || m.State != store.Sent && m.State != store.Delivered {
		t.Errorf("the text that was on the air is %v, %v", m, err)
	}
}

// TestReloadTwiceWhileModemLeaves: what the first of two reloads said, and the second took back, is never put to work,
// though a modem that leaves has held both up.
func TestReloadTwiceWhileModemLeaves(t *testing.T) {
	t.Parallel()
	const head = "[smpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n"
	const first = "[[modem]]\nname = \"first\"\nport = \"simulated\"\n"
	const second = "[[modem]]\nname = \"second\"\nport = \"simulated\"\n"
	b, file := boxAt(t, head+first)
	reload := func(text string) {
		t.Helper()
		writeFile(t, file, text)
		if _, err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	id, err := b.gateway.SendText(t.Context(), "", "+12125550100", "x")
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the text on the air", func() bool {
		m, err := b.gateway.Message(id)
		return err == nil && m.State == store.Claimed
	})
	reload(head + second)
	time.Sleep(100 * time.Millisecond) // the first modem is waited for
	reload(head)
	var gone time.Time
	for gone.IsZero() || time.Since(gone) < 200*time.Millisecond {
		list := b.gateway.ModemViews()
		if len(list) == 0 && gone.IsZero() {
			gone = time.Now()
		}
		if slices.ContainsFunc(list, func(v gateway.ModemView) bool { return v.Name == "second" }) {
			t.Fatal("a modem is put to work that the configuration has no more")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// TestReloadOtherDataDir: another data_dir takes a restart, and so does the gateway's own certificate there.
func TestReloadOtherDataDir(t *testing.T) {
	t.Parallel()
	const rest = "[smpp]\nlisten = \"127.0.0.1:0\"\ntls_listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n"
	b, file := boxAt(t, rest)
	other := withTLS(t)
	if _, err := other.keyPair(true); err != nil {
		t.Fatal(err)
	}
	was := b.cert.inForce.Load().info().Fingerprint
	writeFile(t, file, fmt.Sprintf("data_dir = %q\n", other.DataDir)+rest)
	r, err := b.Reload(t.Context())
	if err != nil || len(r.Applied) != 0 || !slices.Equal(r.Restart, []string{"data_dir"}) {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := b.cert.inForce.Load().info().Fingerprint; got != was {
		t.Error("the certificate is another one")
	}
}
