package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/admin"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/store"
)

// TestModemShow: what is known of a modem, and what pause and resume make of it.
func TestModemShow(t *testing.T) {
	s := newShell(t)
	s.run(sim.Config{})
	shown := s.must("modem", "show", "sim1")
	for _, want := range []string{
		"State         ready", "Takes work    yes", "Port          /dev/sim1", "Hardware      smsgateway simulated modem", "IMEI          490154203237518",
		"SIM           8949010000123456789", "IMSI          262011234567890", "Network       SimNet", "registered, home network", "dBm, strong",
		"SMSC          +491710760000", "Reports       yes, directly", "Texts arrive  through the modem's memory SM", "Keeps link    yes",
		"For           everything that no other modem is for", "Sent          0",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("show does not say %q:\n%s", want, shown)
		}
	}
	if _, hint, code := s.do("modem", "pause", "sim1", "--reason", "new tariff"); code != 0 ||
		!strings.Contains(hint, "modem resume sim1") {
		t.Errorf("pause: %q, %d; want how to undo it", hint, code)
	}
	if _, hint, code := s.do("modem", "pause", "sim1"); code != 0 || !strings.Contains(hint, "was paused already, since ") ||
		!strings.Contains(hint, ": new tariff.") {
		t.Errorf("a second pause: %q, %d", hint, code)
	}
	d := mustJSON[admin.ModemDetail](s, "modem", "show", "sim1")
	if !d.Paused || d.PausedReason != "new tariff" || d.PausedAt.IsZero() || !strings.Contains(d.Waiting, "paused") ||
		!d.Ready() {
		t.Errorf("paused: %+v", d)
	}
	if list := s.must("modem", "list"); !strings.Contains(list, "takes no work now: It is paused since") ||
		!strings.Contains(list, "PAUSED") {
		t.Errorf("list of a paused modem:\n%s", list)
	}
	if shown = s.must("modem", "show", "sim1"); !strings.Contains(shown, "new tariff") ||
		!strings.Contains(shown, "Takes work    no. It is paused") {
		t.Errorf("show of a paused modem:\n%s", shown)
	}
	if _, hint, code := s.do("modem", "resume", "sim1"); code != 0 || !strings.Contains(hint, "is given messages again") {
		t.Errorf("resume: %q, %d", hint, code)
	}
	if _, hint, code := s.do("modem", "resume", "sim1"); code != 0 || !strings.Contains(hint, "was not paused; it is given") {
		t.Errorf("resume of one that works: %q, %d", hint, code)
	}
	if d = mustJSON[admin.ModemDetail](s, "modem", "show", "sim1"); d.Paused || d.Waiting != "" {
		t.Errorf("resumed: %+v", d)
	}
}

// TestModemNotes: what modem list says below its table of a modem that is not well, or was not.
func TestModemNotes(t *testing.T) {
	since, before := time.Now(), time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name string
		m    admin.Modem
		want []string
	}{
		{"well", admin.Modem{State: "ready", StateWords: "is ready"}, nil},
		{"trouble now", admin.Modem{State: "missing", StateWords: "is not there", LastError: "no such device.", LastErrorAt: since},
			[]string{"is not there since " + clock(since) + ": no such device."}},
		{"searches, after other trouble", admin.Modem{State: "searching", StateWords: "has no network", Registration: "denied",
			LastError: "the line is gone.", LastErrorAt: before, ErrorIsOld: true},
			[]string{"has no network since " + clock(since) + ": denied.",
				"had trouble before that, at " + clock(before) + ": the line is gone."}},
		{"ready, after trouble", admin.Modem{State: "ready", StateWords: "is ready", LastError: "no answer.", LastErrorAt: since},
			[]string{"had trouble last at " + clock(since) + ": no answer."}},
		{"being set up", admin.Modem{State: "initialising", StateWords: "is being set up"},
			[]string{"is being set up since " + clock(since) + "."}},
		{"waits", admin.Modem{State: "ready", StateWords: "is ready", Waiting: "It is paused."},
			[]string{"takes no work now: It is paused."}},
		{"does not answer", admin.Modem{State: "sending", StateWords: "is sending", Waiting: "It was given a text.",
			Awaited: "It was given a text."}, []string{"takes no work now: It was given a text."}},
		{"is listened to", admin.Modem{State: "opening", StateWords: "is being opened", Waiting: "It is being opened. It was given a text.",
			Awaited: "It was given a text."}, []string{"is being opened since " + clock(since) + ".", "has not answered: It was given a text."}},
		{"no gateway runs", admin.Modem{State: "stopped", StateWords: "is not started", Waiting: "No gateway is running."}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.Since = since
			if got := notesOf(tt.m); !slices.Equal(got, tt.want) {
				t.Errorf("notes %q, want %q", got, tt.want)
			}
		})
	}
}

// TestModemTables: the parts of show that a modem has only in certain cases.
func TestModemTables(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	var out strings.Builder
	a := &app{Env{Stdout: &out, Stderr: &out}}
	err := a.showModem(admin.ModemDetail{
		Modem: admin.Modem{Name: "sim1", State: "failed", Since: at, LastError: "The modem did not answer.",
			LastErrorAt: at},
		BarredUntil: at, Unwell: at, SpillAfter: "10m0s", Spills: true,
		Budget:  []admin.Budget{{Window: "day", Used: 7, Limit: 50, Resets: at}},
		Balance: &admin.Balance{Amount: "1.20 EUR", Text: "Credit:\n1.20 EUR", At: at, Limit: "2.00", Low: true},
		Ladder:  []admin.Climb{{Rung: "restart", Times: 1, Last: at, Cause: "no answer"}},
		Climbed: []admin.Climb{{Rung: "resync", Times: 12, Last: at, Cause: "no answer"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Barred        until 2026-03-01 12:00:00", "after 10m0s; others take what is for it now", "this day  7     50     2026-03-01 12:00:00",
		"Balance       1.20 EUR, which is low", "Network said  Credit: 1.20 EUR", "DONE SINCE IT IS UNWELL", "restart", "DONE SINCE THE START", "resync",
		"Last error    The modem did not answer.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("show does not say %q:\n%s", want, out.String())
		}
	}
}

// TestModemClimbs: what was done since the modem is unwell is told once where that is all, and a long cause in lines.
func TestModemClimbs(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	const cause = "no modem with IMEI 356938035643809 among: /dev/ttyUSB0 (in use by ModemManager), /dev/ttyUSB1 (does not answer AT), /dev/ttyS0"
	climbs := []admin.Climb{{Rung: "reopen", Times: 1, Last: at, Cause: "no answer"}, {Rung: "find", Times: 12, Last: at, Cause: cause}}
	show := func(ladder, climbed []admin.Climb) string {
		var out strings.Builder
		a := &app{Env{Stdout: &out, Stderr: &out}}
		if err := a.showModemTables(admin.ModemDetail{Ladder: ladder, Climbed: climbed}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := `
DONE SINCE IT IS UNWELL  TIMES  LAST                 CAUSE
reopen                   1      2026-03-01 12:00:00  no answer
find                     12     2026-03-01 12:00:00  no modem with IMEI 356938035643809 among: /dev/ttyUSB0 (in use by
                                                     ModemManager), /dev/ttyUSB1 (does not answer AT), /dev/ttyS0
`
	if got := show(climbs, slices.Clone(climbs)); got != want {
		t.Errorf("it says:%s\nwant:%s", got, want)
	}
	if got := show(climbs[:1], climbs); !strings.Contains(got, "DONE SINCE THE START") || strings.Count(got, "reopen") != 2 {
		t.Errorf("before this trouble more was done:%s", got)
	}
	if got := show(nil, climbs); strings.Contains(got, "UNWELL") || !strings.Contains(got, "DONE SINCE THE START") {
		t.Errorf("of a modem that is well:%s", got)
	}
}

// TestModemAT: one command, and a console that reads stdin.
func TestModemAT(t *testing.T) {
	s := newShell(t)
	s.run(sim.Config{})
	for _, tt := range []struct {
		name, command, stdin string
		code                 int
		out, hint            string
	}{
		{"a question", "AT+CPIN?", "", 0, "+CPIN: READY\nOK\n", ""},
		{"an error", "AT+NONSENSE", "", 1, "ERROR", "the modem answered"},
		{"a text", "AT+CMGS=20", "", 2, "", "use smsgateway send"},
		{"no AT", "hello", "", 2, "", "a command begins with AT"},
		{"console", "", "AT+CPIN?\n\nAT+CGSN\n", 0, "490154203237518", ""},
		{"console with errors", "", "AT+CMGD=1\nAT+NONSENSE\nAT+CPIN?\n", 1, "+CPIN: READY", "2 commands failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"modem", "at", "sim1"}
			if tt.command != "" {
				args = append(args, tt.command)
			}
			s.stdin = strings.NewReader(tt.stdin)
			out, hint, code := s.do(args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(hint, tt.hint) {
				t.Errorf("got %q, %q, %d; want %q, %q, %d", out, hint, code, tt.out, tt.hint, tt.code)
			}
		})
	}
	if a := mustJSON[admin.Answer](s, "modem", "at", "sim1", "AT+CPIN?"); !a.OK() || len(a.Lines) != 2 {
		t.Errorf("--json: %+v", a)
	}
	s.stdin = strings.NewReader("")
	if _, hint, code := s.do("modem", "at", "sim1", "--json"); code != 2 || !strings.Contains(hint, "one COMMAND") {
		t.Errorf("a console with --json: %q, %d", hint, code)
	}
}

// TestModemUSSD: answers, and dialogues that go on.
func TestModemUSSD(t *testing.T) {
	s := newShell(t)
	s.run(sim.Config{})
	if out := s.must("modem", "ussd", "sim1", "*100#"); out != "Your balance is 12.34 EUR.\n" {
		t.Errorf("*100#: %q", out)
	}
	if r := mustJSON[admin.USSD](s, "modem", "ussd", "sim1", "*101#"); !r.More || r.Text == "" {
		t.Errorf("*101#: %+v", r)
	}
	s.stdin = strings.NewReader("2\n")
	if out := s.must("modem", "ussd", "sim1", "*101#", "--reply"); !strings.Contains(out, "Your number is") {
		t.Errorf("*101# and 2: %q", out)
	}
	s.stdin = strings.NewReader("")
	if _, hint, code := s.do("modem", "ussd", "sim1", "*101#", "--reply"); code != 1 ||
		!strings.Contains(hint, "no more lines: the dialogue is ended") {
		t.Errorf("a question and no answer: %q, %d", hint, code)
	}
	if _, hint, code := s.do("modem", "ussd", "sim1", "2"); code != 1 {
		t.Errorf("an answer to a dialogue that is ended: %q, %d", hint, code)
	}
	if _, hint, code := s.do("modem", "ussd", "sim1", "*101#"); code != 0 || !strings.Contains(hint, "--reply") {
		t.Errorf("a question without --reply: %q, %d", hint, code)
	}
	if _, hint, code := s.do("modem", "at", "sim1", "ATD*100#;"); code != 2 || !strings.Contains(hint, "use smsgateway modem ussd") {
		t.Errorf("a code that is dialled: %q, %d", hint, code)
	}
	for _, baud := range []string{"5", "-9600", "0"} {
		if _, hint, code := s.do("modem", "probe", "/dev/none", "--baud", baud); code != 2 || !strings.Contains(hint, "there are 50, 75, 110") {
			t.Errorf("a rate of %s: %q, %d", baud, hint, code)
		}
	}
	if _, hint, code := s.do("modem", "ussd", "sim1", "hello"); code != 2 || !strings.Contains(hint, "digits, * and #") {
		t.Errorf("a code that is none: %q, %d", hint, code)
	}
	if _, hint, code := s.do("modem", "ussd", "sim1", "**04*1234*5678*5678#"); code != 2 ||
		!strings.Contains(hint, "uses or changes a PIN") || strings.Contains(hint, "1234") {
		t.Errorf("a code that changes the PIN: %q, %d", hint, code)
	}
	s.stdin = strings.NewReader("**04*1234*5678*5678#\n")
	if _, hint, code := s.do("modem", "ussd", "sim1", "*101#", "--reply"); code != 1 || !strings.Contains(hint, "uses or changes a PIN") {
		t.Errorf("an answer that changes the PIN, from standard input: %q, %d", hint, code)
	}
}

// TestModemBalance: the credit is read when it is asked for.
func TestModemBalance(t *testing.T) {
	s := newShell(t)
	s.runFor(sim.Config{}, gateway.ModemRules{Balance: gateway.BalanceRule{Query: modem.BalanceQuery{USSD: "*100#"}, Low: 2000}})
	if out := s.must("modem", "balance", "sim1"); !strings.Contains(out, "12.34 EUR, which is low") ||
		!strings.Contains(out, "Your balance is 12.34 EUR.") {
		t.Errorf("balance: %q", out)
	}
	if b := mustJSON[admin.Balance](s, "modem", "balance", "sim1"); b.Amount != "12.34 EUR" || !b.Low || b.At.IsZero() {
		t.Errorf("balance: %+v", b)
	}
	if _, hint, code := s.do("modem", "balance", "none"); code != 1 || !strings.Contains(hint, "not configured") {
		t.Errorf("of no modem: %q, %d", hint, code)
	}
	other := newShell(t)
	other.run(sim.Config{})
	if _, hint, code := other.do("modem", "balance", "sim1"); code != 1 || !strings.Contains(hint, "modem ussd sim1 CODE") {
		t.Errorf("without a code: %q, %d", hint, code)
	}
}

// TestModemWaiting: what a command waits for is said, and one that is interrupted says what is known then.
func TestModemWaiting(t *testing.T) {
	s := newShell(t)
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	s.run(sim.Config{Latency: 600 * time.Millisecond, OnText: func(sim.Text) { <-gate }}) // a text is on the air until then
	t.Cleanup(release)
	s.waitSaid = time.Millisecond
	if out, hint, code := s.do("modem", "ussd", "sim1", "*100#"); code != 0 || !strings.Contains(out, "balance") ||
		!strings.Contains(hint, "Waiting for the network's answer") {
		t.Errorf("ussd: %q, %q, %d", out, hint, code)
	}
	s.waitSaid = time.Minute
	if _, hint, code := s.do("modem", "at", "sim1", "AT"); code != 0 || hint != "" {
		t.Errorf("what does not wait says %q, %d", hint, code)
	}
	id, err := s.gateway.SendText(t.Context(), "", "+491701234567", "hello")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if m, err := s.gateway.Message(id); err != nil || time.Now().After(end) {
			t.Fatalf("the message is not on its way: %+v, %v", m, err)
		} else if m.State == store.Claimed {
			break
		}
	}
	if why := mustJSON[admin.Message](s, "message", "show", id.String()).Why; !strings.Contains(why, "Modem sim1 has it since") {
		t.Errorf("while a modem has it: %q", why)
	}
	opens := s.gateway.Modems()[0].Opens
	whole, cancel := s.ctx, context.CancelFunc(nil)
	s.ctx, cancel = context.WithCancel(whole)
	s.waitSaid = time.Millisecond
	s.onStderr = func(string) { cancel() }
	_, hint, code := s.do("modem", "reset", "sim1")
	s.ctx, s.onStderr = whole, nil
	if code != 1 || !strings.Contains(hint, "a text is on its way") || !strings.Contains(hint, "not done any more") {
		t.Errorf("interrupted: %q, %d", hint, code)
	}
	release()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if m, err := s.gateway.Message(id); err != nil || time.Now().After(end) {
			t.Fatalf("the message has not left: %+v, %v", m, err)
		} else if m.State != store.Claimed {
			break
		}
	}
	time.Sleep(time.Second)
	if now := s.gateway.Modems()[0].Opens; now != opens {
		t.Errorf("the restart was done although nobody waited for it: opened %d times, then %d", opens, now)
	}
}

func TestModemReset(t *testing.T) {
	s := newShell(t)
	s.run(sim.Config{BootTime: time.Millisecond})
	before := mustJSON[admin.ModemDetail](s, "modem", "show", "sim1").Opens
	s.must("modem", "reset", "sim1")
	deadline := time.Now().Add(20 * time.Second)
	for mustJSON[admin.ModemDetail](s, "modem", "show", "sim1").Opens == before {
		if time.Now().After(deadline) {
			t.Fatal("the modem was not opened again")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestModemNotRunning: without a gateway what needs the line fails, and what does not works.
func TestModemNotRunning(t *testing.T) {
	s := newShell(t)
	s.gateway.AddModem(modem.Config{Name: "a/b ..", Port: "/dev/none"}, gateway.ModemRules{})
	for _, args := range []string{"at NAME AT", "at NAME", "ussd NAME *100#", "reset NAME"} {
		argv := []string{"modem"}
		for _, w := range strings.Fields(args) {
			argv = append(argv, strings.Replace(w, "NAME", "a/b ..", 1))
		}
		if out, why, code := s.do(argv...); code != 1 || out != "" || !strings.Contains(why, "no gateway is running") {
			t.Errorf("%s: %q, %q, %d", args, out, why, code)
		}
	}
	s.must("modem", "pause", "a/b ..")
	if d := mustJSON[admin.ModemDetail](s, "modem", "show", "a/b .."); !d.Paused || d.State != "stopped" {
		t.Errorf("paused without a gateway: %+v", d)
	}
	if _, hint, _ := s.do("modem", "resume", "a/b .."); !strings.Contains(hint, "takes no work now: No gateway is running") {
		t.Errorf("resumed without a gateway: %q", hint)
	}
	for _, verb := range []string{"show", "at", "reset", "pause", "resume"} {
		if _, why, code := s.do("modem", verb, "none"); code != 1 ||
			!strings.Contains(why, `modem "none" is not configured`) {
			t.Errorf("%s of a modem that is not there: %q, %d", verb, why, code)
		}
	}
}

// plugIn gives the path of a link to a simulated modem behind a pseudo-terminal.
func plugIn(t *testing.T, cfg sim.Config) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "modem")
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- sim.New(cfg).ServePTY(ctx, link, func(string) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return link
}

// TestModemProbe looks at ports for real.
func TestModemProbe(t *testing.T) {
	s := newShell(t)
	link := plugIn(t, sim.Config{Manufacturer: "Huawei", Model: "E1550"})
	out := s.must("modem", "probe", link)
	for _, want := range []string{
		link, "Modem    Huawei E1550", "IMEI     490154203237518", "SIM      ready 8949010000123456789", "Network  SimNet, registered", "Texts    yes",
		"[[modem]]\nname = \"e1550\"\nport = \"imei:490154203237518\"\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("probe does not say %q:\n%s", want, out)
		}
	}
	found := mustJSON[survey](s, "modem", "probe", link)
	if len(found.Ports) != 1 || found.Ports[0].Probe == nil || !found.Ports[0].Probe.SMS ||
		!strings.Contains(found.Config, "imei:") {
		t.Errorf("--json: %+v", found)
	}
	none := filepath.Join(t.TempDir(), "none")
	if out, why, code := s.do("modem", "probe", none); code != 1 || !strings.Contains(out, "is not there") ||
		!strings.Contains(why, "1 port could not be looked at") {
		t.Errorf("a port that is not there: %q, %q, %d", out, why, code)
	}
	if _, why, code := s.do("modem", "probe"); code != 0 {
		t.Errorf("all ports of this machine: %q, %d", why, code)
	}
}

// TestModemProbeInUse: a port that the gateway uses is not opened by anybody else.
func TestModemProbeInUse(t *testing.T) {
	s := newShell(t)
	link := plugIn(t, sim.Config{})
	s.gateway.AddModem(modem.Config{Name: "mine", Port: link}, gateway.ModemRules{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.gateway.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for deadline := time.Now().Add(20 * time.Second); !mustJSON[[]admin.Modem](s, "modem",
		"list")[0].Ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the modem is not ready")
		}
	}
	found := mustJSON[survey](s, "modem", "probe", link)
	if p := found.Ports[0]; p.Probe != nil || p.Modem != "mine" || !strings.Contains(p.Skip, "in use: modem mine (ready)") {
		t.Errorf("the port of a modem that works: %+v", p)
	}
	err := s.with(func(c *admin.Client) error { _, err := c.Probe(t.Context(), link, 0); return err })
	if err == nil || !strings.Contains(err.Error(), "is the port of modem mine") {
		t.Errorf("asked for all the same: %v", err)
	}
}

// with asks the gateway without a command.
func (s *shell) with(f func(*admin.Client) error) error {
	c, end, err := s.connect(s.ctx, "", "", false)
	if err != nil {
		return err
	}
	defer end()
	return f(c)
}

// TestSnippets: one [[modem]] a stick, under a name that is free, by what lasts.
func TestSnippets(t *testing.T) {
	at := func(path string, p admin.Probe) probed {
		p.Port = path
		return probed{Port: admin.Port{Path: path}, Probe: &p}
	}
	ports := []probed{
		at("/dev/a2", admin.Probe{AnswersAT: true, SMS: true, Model: "E1550", IMEI: "490154203237518", Spec: "imei:490154203237518", SIM: "ready",
			SMSC: "+49171"}),
		at("/dev/a0", admin.Probe{AnswersAT: true, SMS: true, Model: "E1550", IMEI: "490154203237518", Spec: "imei:490154203237518", SIM: "ready",
			SMSC: "+49171"}),
		at("/dev/b", admin.Probe{AnswersAT: true, SMS: true, Model: "E1550", IMEI: "000000000000000", WantsPIN: true,
			SIM: "asks for its PIN"}),
		at("/dev/c", admin.Probe{AnswersAT: true, IMEI: "490154203237526"}),
		at("/dev/d", admin.Probe{AnswersAT: true, SMS: true, IMEI: "490154203237534", Spec: "imei:490154203237534"}),
		{Port: admin.Port{Path: "/dev/e"}, Skip: "in use"},
	}
	have := []admin.Modem{{Name: "e1550"}, {Name: "x", IMEI: "490154203237534"}}
	want := "[[modem]]\nname = \"e1550-2\"\nport = \"imei:490154203237518\"\n\n" +
		"[[modem]]\nname = \"e1550-3\"\nport = \"/dev/b\"\npin = \"\"            # the SIM asks for it\n"
	if got := snippets(ports, have); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDoctor: faults are the exit code.
func TestDoctor(t *testing.T) {
	s := newShell(t)
	out, why, code := s.do("doctor")
	if code != 1 || !strings.Contains(why, "the doctor found 2 faults") {
		t.Errorf("no gateway and no modem: %q, %d", why, code)
	}
	for _, want := range []string{"fault  gateway: No gateway is running", "\n       -> Start it with `smsgateway serve`",
		"fault  modems: No modem", "ok     data_dir: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor does not say %q:\n%s", want, out)
		}
	}
	s.run(sim.Config{NoReports: true})
	list := mustJSON[[]admin.Finding](s, "doctor")
	ready := false
	for _, f := range list {
		if f.Severity == "fault" {
			t.Errorf("a fault of a box that works: %+v", f)
		}
		ready = ready || f.About == "modem sim1" && f.Severity == "ok" && strings.Contains(f.What, "is ready, SimNet")
	}
	if !ready {
		t.Errorf("nothing is said of the modem that works: %+v", list)
	}
}

// TestNameFor: names of models.
func TestNameFor(t *testing.T) {
	taken := map[string]bool{"e1550": true, "modem1": true}
	for model, want := range map[string]string{
		"E1550": "e1550-2", "Quectel  EC25/-": "quectel-ec25", "": "modem2", "***": "modem2",
		"A very long name of a modem": "modem2", "SIM7600": "sim7600",
	} {
		if got := nameFor(model, taken); got != want {
			t.Errorf("%q: %q, want %q", model, got, want)
		}
	}
}
