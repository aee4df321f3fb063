package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/cli"
	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/modem/sim"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// demoPatience is how long the demo waits for each thing that must come by itself.
const demoPatience = 30 * time.Second

const (
	demoPhone = "4161231234"
	demoText  = "Hello from the gateway: your order 1042 is ready."
)

func demoCommand(out io.Writer) *cobra.Command {
	var once bool
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a message all the way to a simulated phone and back, then serve",
		Long: `Starts the whole gateway in a temporary directory with a simulated modem on a
pseudo-terminal, makes an account, binds to itself as an SMPP client, and shows
one message all the way: accepted, handed to the modem, on the phone, its receipt
back. A second message is cancelled in time, and a phone answers. Each step is
checked. Then the gateway stays up for your own SMPP client until Ctrl-C.

Nothing outside the temporary directory is changed, and it is removed at the end.`,
		Example: "  smsgateway demo\n  smsgateway demo --once --listen 127.0.0.1:17777",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wrong := listenFault(listen, "127.0.0.1:7777"); wrong != "" {
				return cmd.FlagErrorFunc()(cmd, errors.New("--listen "+wrong))
			}
			return demo(cmd.Context(), &console{out: out}, listen, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the tour; exit status 0 only if every step was seen to be true")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:7777", "address for SMPP clients")
	return cmd
}

// demo runs the tour in a gateway of its own.
func demo(ctx context.Context, con *console, listen string, once bool) error {
	dir, err := os.MkdirTemp("", "smsgateway-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer os.RemoveAll(dir)

	cfg := defaults()
	cfg.DataDir = dir
	cfg.SMPP.Listen = listen
	cfg.Admin.Listen = ""
	cfg.Modems = []modemConfig{{Name: "demo", Port: portSimulated, Baud: 115200}}
	texts := make(chan sim.Text, 16)
	b, err := openBox(cfg, boxOptions{
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		trace: func(fromModem bool, line string) {
			con.at(fromModem, line)
		},
		simulated: func(c *sim.Config) {
			c.Latency = 800 * time.Millisecond
			c.ReportDelay = time.Second
			c.OnText = func(t sim.Text) {
				if t.Whole {
					con.say("phone", "%s got: %q", t.To.Number, t.Text)
				}
				select {
				case texts <- t:
				default: // nobody of the tour waits any more
				}
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- b.run(ctx)
		stop() // the tour can't go on without it
	}()

	tour := &tour{con: con, box: b, texts: texts}
	err = tour.run(ctx)
	if err == nil && !once {
		tour.invite()
		select {
		case err = <-ended:
			return err
		case <-ctx.Done():
		}
	}
	stop()
	if endErr := <-ended; err == nil {
		err = endErr
	} else if errors.Is(err, context.Canceled) && endErr != nil {
		err = endErr
	}
	if err != nil {
		return fmt.Errorf("the demo did not go as it must: %w", err)
	}
	con.say("demo", "ended; %s is removed", dir)
	return nil
}

// tour is one message's way, each step looked at.
type tour struct {
	con   *console
	box   *box
	texts <-chan sim.Text

	esme          *smpptest.Client
	key, password string
}

func (t *tour) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 4*demoPatience)
	defer cancel()
	if err := t.start(ctx); err != nil {
		return err
	}
	defer t.esme.Close()
	if err := t.message(ctx); err != nil {
		return err
	}
	if err := t.answer(ctx); err != nil {
		return err
	}
	if err := t.esme.Unbind(); err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	t.con.say("client", "unbind: ESME_ROK")
	t.con.say("demo", "every step was checked and is true")
	return nil
}

// start waits for the modem, makes the account and binds with it.
func (t *tour) start(ctx context.Context) error {
	ready, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	if err := t.box.waitReady(ready); err != nil {
		return fmt.Errorf("wait for the simulated modem: %w", err)
	}
	m := t.box.gateway.Modems()[0]
	t.con.say("modem", "%s %s on %s is registered with %s", m.Manufacturer, m.Model, m.Port, m.Operator)

	t.password = t.box.gateway.GeneratePassword()
	acct, err := t.box.gateway.AddAccount(gateway.NewAccount{Password: t.password, Settings: gateway.Settings{"name": "Demo"}})
	if err != nil {
		return fmt.Errorf("make an account: %w", err)
	}
	t.key = acct.Key
	t.con.say("account", "Account Key %s (system_id), password %s", t.key, t.password)

	t.esme, err = smpptest.Dial(ctx, address(t.box.smpp))
	if err != nil {
		return fmt.Errorf("connect to our own SMPP port: %w", err)
	}
	if _, err := t.esme.Bind(smpp.BindTransceiver, t.key, t.password); err != nil {
		t.esme.Close()
		return fmt.Errorf("bind_transceiver: %w", err)
	}
	t.con.say("client", "bind_transceiver to %s: ESME_ROK", address(t.box.smpp))
	return nil
}

// message sends one text, cancels another, and sees the first to its end.
func (t *tour) message(ctx context.Context) error {
	t.con.showAT(true)
	id, err := t.esme.Submit(&smpp.SubmitSM{
		Destination:        smpp.Address{Addr: demoPhone},
		RegisteredDelivery: 1,
		ShortMessage:       []byte(demoText),
	})
	if err != nil {
		return fmt.Errorf("submit_sm: %w", err)
	}
	t.con.say("client", "submit_sm to %s %q: ESME_ROK, message_id %s (it is on disk)", demoPhone, demoText, id)
	if err := t.wantState(id, smpp.StateEnroute); err != nil {
		return err
	}
	cancelled, err := t.cancelInTime()
	if err != nil {
		return err
	}
	if err := t.wantText(ctx, demoText); err != nil {
		return err
	}
	if err := t.esme.Cancel(&smpp.CancelSM{MessageID: id}); !errors.Is(err, smpp.StatusCancelFail) {
		return fmt.Errorf("cancel_sm of a message that the modem had was answered with %v, not with ESME_RCANCELFAIL", err)
	}
	t.con.say("client", "cancel_sm %s: ESME_RCANCELFAIL (the modem has had it, nothing can call it back)", id)
	if err := t.wantReceipt(ctx, id); err != nil {
		return err
	}
	if err := t.wantState(id, smpp.StateDelivered); err != nil {
		return err
	}
	if n := len(t.box.fleet.made[0].Texts()); n != 1 {
		return fmt.Errorf("the network took %d messages, not 1: message %s was cancelled", n, cancelled)
	}
	return nil
}

// cancelInTime submits a message for later, so that no modem can have it yet, and cancels it.
func (t *tour) cancelInTime() (string, error) {
	id, err := t.esme.Submit(&smpp.SubmitSM{
		Destination:          smpp.Address{Addr: demoPhone},
		ScheduleDeliveryTime: "000000010000000R", // in an hour
		ShortMessage:         []byte("nobody will read this"),
	})
	if err != nil {
		return "", fmt.Errorf("submit_sm of the message to be cancelled: %w", err)
	}
	t.con.say("client", "submit_sm of a second message, for in an hour: message_id %s", id)
	if err := t.esme.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
		return "", fmt.Errorf("cancel_sm: %w", err)
	}
	t.con.say("client", "cancel_sm %s: ESME_ROK", id)
	return id, t.wantState(id, smpp.StateDeleted)
}

// answer lets the phone text back.
func (t *tour) answer(ctx context.Context) error {
	const text = "Thank you!"
	t.con.say("phone", "%s sends: %q", demoPhone, text)
	if err := t.box.fleet.made[0].Receive(demoPhone, text); err != nil {
		return fmt.Errorf("let the phone send a text: %w", err)
	}
	d, err := t.delivery(ctx)
	if err != nil {
		return fmt.Errorf("wait for the phone's text: %w", err)
	}
	if string(d.ShortMessage) != text || d.ESMClass != 0 {
		return fmt.Errorf("the client got %q (esm_class %#02x) for the phone's text %q", d.ShortMessage, d.ESMClass, text)
	}
	t.con.say("client", "deliver_sm from %s: %q", d.Source.Addr, d.ShortMessage)
	return nil
}

func (t *tour) wantState(id string, want smpp.MessageState) error {
	resp, err := t.esme.Query(id, smpp.Address{})
	if err != nil {
		return fmt.Errorf("query_sm of %s: %w", id, err)
	}
	if got := resp.MessageState; got != want {
		return fmt.Errorf("query_sm of %s says %s, not %s", id, got, want)
	}
	t.con.say("client", "query_sm %s: %s", id, want)
	return nil
}

func (t *tour) wantText(ctx context.Context, want string) error {
	timer := time.NewTimer(demoPatience)
	defer timer.Stop()
	for {
		select {
		case got := <-t.texts:
			if !got.Whole {
				continue
			}
			if got.Text != want || got.To.Number != demoPhone {
				return fmt.Errorf("the phone %s got %q, not %q", got.To.Number, got.Text, want)
			}
			return nil
		case <-timer.C:
			return fmt.Errorf("the phone got nothing within %s", demoPatience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tour) wantReceipt(ctx context.Context, id string) error {
	d, err := t.delivery(ctx)
	if err != nil {
		return fmt.Errorf("wait for the delivery receipt: %w", err)
	}
	r, err := smpp.ParseReceipt(string(d.ShortMessage))
	if err != nil {
		return fmt.Errorf("read the delivery receipt %q: %w", d.ShortMessage, err)
	}
	if r.MessageID != id || r.State != smpp.StateDelivered {
		return fmt.Errorf("the delivery receipt is %q, not one of %s with DELIVRD", d.ShortMessage, id)
	}
	t.con.say("client", "deliver_sm, the receipt: %s", d.ShortMessage)
	return nil
}

func (t *tour) delivery(ctx context.Context) (*smpp.DeliverSM, error) {
	timer := time.NewTimer(demoPatience)
	defer timer.Stop()
	select {
	case d, ok := <-t.esme.Deliveries():
		if !ok {
			return nil, errors.New("the session ended")
		}
		return d, nil
	case <-timer.C:
		return nil, fmt.Errorf("no deliver_sm came within %s", demoPatience)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// invite says how to go on by oneself.
func (t *tour) invite() {
	self := selfCommand()
	t.con.print(fmt.Sprintf(`
The gateway stays up. Point your own SMPP client at it:

    address    %s
    system_id  %s
    password   %s

What phones receive and what is said on the modem's line appears here. In another terminal:

    %s message list --data-dir %s
    %s send --to %s --text "Hello" --wait --data-dir %s

Numbers that end in 99901 to 99928 rehearse faults: see docs/simulator.md. Ctrl-C ends it.
`, address(t.box.smpp), t.key, t.password, self, t.box.cfg.DataDir, self, demoPhone, t.box.cfg.DataDir))
}

// selfCommand is how to call this program again from where it was called: "go run" keeps the binary in a cache.
func selfCommand() string {
	exe, err := os.Executable()
	if err != nil {
		return "smsgateway"
	}
	if _, err := os.Stat("go.mod"); err == nil && filepath.IsAbs(os.Args[0]) {
		return "go run ."
	}
	if found, err := exec.LookPath("smsgateway"); err == nil && found == exe {
		return "smsgateway"
	}
	return exe
}

// console prints the steps of the demo, from several goroutines, a line each.
type console struct {
	mu   sync.Mutex
	out  io.Writer
	line bool // show the modem's line
}

func (c *console) say(who, format string, args ...any) {
	c.print(fmt.Sprintf("%-8s %s\n", who, fmt.Sprintf(format, args...)))
}

func (c *console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	io.WriteString(c.out, text)
}

func (c *console) showAT(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = on
}

// at prints one line of the AT dialogue.
func (c *console) at(fromModem bool, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.line || strings.TrimSpace(line) == "" {
		return
	}
	arrow := ">"
	if fromModem {
		arrow = "<"
	}
	fmt.Fprintf(c.out, "%-8s     %s %s\n", "AT", arrow, strings.NewReplacer("\x1a", "<Ctrl-Z>", "\x1b", "<ESC>").Replace(line))
}

// waitReady waits until every modem can send.
func (b *box) waitReady(ctx context.Context) error {
	select {
	case <-b.fleet.wired:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		ready := len(b.gateway.Modems()) > 0
		for _, s := range b.gateway.Modems() {
			ready = ready && s.State == modem.StateReady
		}
		if ready {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
