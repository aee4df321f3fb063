package modem

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is the far end of a line: a modem with one answer for each command, which a test replaces where it wants
// trouble. It is a Port, so that it sees each write by itself.
type fake struct {
	mu     sync.Mutex
	out    []byte
	wake   chan struct{}
	closed bool
	gone   error // what Read and Write return once the plug is pulled

	echo    bool
	deaf    bool              // it reads and says nothing
	answers map[string]string // command to answer; "" says nothing at all. What is not in it is OK
	hooks   map[string]func() // run before the answer, without the lock

	line  []byte // of the command or body
	wrote func() // sees that something is written

	prompted bool
	prompt   string                   // what AT+CMGS is answered with
	submit   func(body string) string // what Ctrl-Z is answered with
	escape   string                   // what ESC at the prompt is answered with

	writes   []string
	commands []string
	bodies   []string
}

// newFake returns a modem that does everything right, with the answers of a Huawei E173 (gammu issue 126).
func newFake() *fake {
	f := &fake{
		wake:   make(chan struct{}, 1),
		echo:   true,
		hooks:  make(map[string]func()),
		prompt: "\r\n> ",
		submit: func(string) string { return "\r\n+CMGS: 12\r\n\r\nOK\r\n" },
		escape: "\r\nOK\r\n",
	}
	f.answers = map[string]string{
		"AT+CGMI": "\r\nhuawei\r\n\r\nOK\r\n", "AT+CGMM": "\r\nE173\r\n\r\nOK\r\n",
		"AT+CGMR": "\r\n11.126.85.00.209\r\n\r\nOK\r\n", "AT+CGSN": "\r\n356938035643809\r\n\r\nOK\r\n",
		"AT+CIMI": "\r\n262011234567890\r\n\r\nOK\r\n", "AT+CCID": "\r\n+CCID: \"8949020000012345678\"\r\n\r\nOK\r\n",
		"AT+CFUN?": "\r\n+CFUN: 1\r\n\r\nOK\r\n", "AT+CPIN?": "\r\n+CPIN: READY\r\n\r\nOK\r\n",
		"AT+CSMS=1": "\r\n+CSMS: 1,1,1\r\n\r\nOK\r\n", "AT+CSCA?": "\r\n+CSCA: \"+491710760000\",145\r\n\r\nOK\r\n",
		"AT+CMMS=?": "\r\n+CMMS: (0-2)\r\n\r\nOK\r\n",
		"AT+CPMS=?": "\r\n+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")\r\n\r\nOK\r\n",
		"AT+CPMS?":  "\r\n+CPMS: \"SM\",0,50,\"SM\",0,50,\"SM\",0,50\r\n\r\nOK\r\n",
		"AT+CNMI?":  "\r\n+CNMI: 2,1,0,1,0\r\n\r\nOK\r\n",
		"AT+CREG?":  "\r\n+CREG: 1,1\r\n\r\nOK\r\n", "AT+CGREG?": "\r\n+CGREG: 1,1\r\n\r\nOK\r\n",
		"AT+CEREG=1": "\r\nERROR\r\n", "AT+CEREG?": "\r\nERROR\r\n",
		"AT+CSQ": "\r\n+CSQ: 9,99\r\n\r\nOK\r\n", "AT+COPS?": "\r\n+COPS: 0,0,\"Telekom.de\",2\r\n\r\nOK\r\n",
	}
	return f
}

// change changes the modem while it is in use.
func (f *fake) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// wantsAcks makes it a modem that gives reports only to those who acknowledge them.
func (f *fake) wantsAcks() *fake {
	for _, mode := range reportModes {
		f.set("AT+CNMI="+mode, "\r\n+CMS ERROR: 303\r\n")
	}
	f.hooks["AT+CSMS=1"] = func() { f.set("AT+CNMI=2,1,0,1,0", "\r\nOK\r\n") }
	return f
}

// set replaces answers while the modem is in use.
func (f *fake) set(pairs ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < len(pairs); i += 2 {
		f.answers[pairs[i]] = pairs[i+1]
	}
}

// say makes the modem speak.
func (f *fake) say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = append(f.out, text...)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// later makes it speak after d.
func (f *fake) later(d time.Duration, text string) { time.AfterFunc(d, func() { f.say(text) }) }

// pull unplugs the modem.
func (f *fake) pull() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = ErrPortGone
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fake) Read(b []byte) (int, error) {
	for {
		f.mu.Lock()
		n := copy(b, f.out)
		f.out = f.out[n:]
		gone, closed := f.gone, f.closed
		f.mu.Unlock()
		switch {
		case n > 0:
			return n, nil
		case gone != nil:
			return 0, gone
		case closed:
			return 0, io.EOF
		}
		<-f.wake
	}
}

// open is for Config.Open: the modem goes on where it was.
func (f *fake) open() *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = false
	return f
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return nil
}

func (f *fake) Write(b []byte) (int, error) {
	f.mu.Lock()
	if gone := f.gone; gone != nil {
		f.mu.Unlock()
		return 0, gone
	}
	f.writes = append(f.writes, string(b))
	if f.wrote != nil {
		f.wrote()
	}
	deaf := f.deaf
	f.mu.Unlock()
	if deaf {
		return len(b), nil
	}
	for _, c := range b {
		f.octet(c)
	}
	return len(b), nil
}

// octet is what a modem does with one octet from us.
func (f *fake) octet(c byte) {
	f.mu.Lock()
	echo, prompted, escape, submit := f.echo, f.prompted, f.escape, f.submit
	end := c == '\r' && !prompted || c == 0x1A && prompted || c == 0x1B
	if !end {
		f.line = append(f.line, c)
	}
	text := string(f.line)
	if end {
		f.line, f.prompted = nil, false
	}
	if c == 0x1A && prompted {
		f.bodies = append(f.bodies, text)
	}
	f.mu.Unlock()
	if echo {
		f.say(string(c))
	}
	switch {
	case !end:
	case prompted && c == 0x1B:
		f.say(escape)
	case prompted:
		f.say(submit(text))
	case c == '\r' && strings.HasPrefix(text, "AT"):
		f.command(text)
	}
}

func (f *fake) command(text string) {
	f.mu.Lock()
	f.commands = append(f.commands, text)
	hook := f.hooks[text]
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
	f.mu.Lock()
	answer, known := f.answers[text]
	switch {
	case known:
	case strings.HasPrefix(text, "AT+CMGS="):
		f.prompted = true
		answer = f.prompt
	default:
		f.echo = f.echo && text != "ATE0" || text == "ATZ"
		answer = "\r\nOK\r\n"
	}
	f.mu.Unlock()
	f.say(answer)
}

// asked returns the commands so far, without the AT of the line's own.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, c := range f.commands {
		if c != "AT" {
			list = append(list, c)
		}
	}
	return list
}

// times counts a command.
func (f *fake) times(command string) (n int) {
	for _, c := range f.asked() {
		if c == command {
			n++
		}
	}
	return n
}

// forget empties the record.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes, f.commands, f.bodies = nil, nil, nil
}

// inbox is a Receiver.
type inbox struct {
	mu   sync.Mutex
	got  []Incoming
	from []Identity
	err  error
}

func (in *inbox) Receive(_ context.Context, from Identity, got Incoming) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return in.err
	}
	in.got = append(in.got, got)
	in.from = append(in.from, from)
	return nil
}

func (in *inbox) refuse(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.err = err
}

// pdus returns the TPDUs so far, in hexadecimal digits.
func (in *inbox) pdus() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []string
	for _, g := range in.got {
		list = append(list, strings.ToUpper(hex.EncodeToString(g.TPDU)))
	}
	return list
}

// bench is a Modem at work on a fake, inside a synctest bubble: minutes are free there.
type bench struct {
	*Modem
	t     *testing.T
	fake  *fake
	inbox *inbox
	end   context.CancelFunc // Run's ctx
	ended chan struct{}
	born  time.Time
}

// start runs a modem on f; change, if any, changes its configuration before.
func start(t *testing.T, f *fake, change func(*Config)) *bench {
	t.Helper()
	in := &inbox{}
	cfg := Config{
		Name: "sim1", Port: "/dev/fake",
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
		Open: func(context.Context, string, int) (Port, error) { return f.open(), nil },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{Modem: New(cfg, in), t: t, fake: f, inbox: in, end: cancel, ended: make(chan struct{}), born: time.Now()}
	go func() {
		defer close(b.ended)
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run: %v, want nil at the end of its context", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-b.ended
	})
	return b
}

// ready starts a modem and waits until it can send, with an empty record.
func ready(t *testing.T, f *fake, change func(*Config)) *bench {
	t.Helper()
	b := start(t, f, change)
	b.waitReady()
	f.forget()
	return b
}

func (b *bench) waitReady() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Hour)
	defer cancel()
	if _, err := b.Ready(ctx); err != nil {
		b.t.Fatalf("not ready: %v; status %+v", err, b.Status())
	}
	synctest.Wait()
}

// hello is the SMS-SUBMIT of gsm-modem §3.1: to +12345678901, "hello".
const hello = "31000B912143658709F10000A705E8329BFD06"

// send sends hello, and counts the claims.
func (b *bench) send() (ref uint8, claims int, err error) {
	b.t.Helper()
	ref, err = b.Send(b.t.Context(), octets(b.t, hello), func() error { claims++; return nil })
	return ref, claims, err
}

func octets(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mustBe is an error that matches a type with errors.As.
func mustBe[E error](t *testing.T, err error) E {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("error %v (%T), want a %T", err, err, want)
	}
	return want
}

// next sends hello after a text that may be in doubt. Of one answer for two texts nobody can tell whose it is; the text
// after that is as any other.
func (b *bench) next() (ref uint8, err error) {
	b.t.Helper()
	var uncertain *UncertainError
	if ref, _, err = b.send(); errors.As(err, &uncertain) && uncertain.once {
		b.waitReady()
		ref, _, err = b.send()
	}
	return ref, err
}
