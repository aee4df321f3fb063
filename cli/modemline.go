package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"smsgateway/admin"
)

func (a *app) modemAT() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "at NAME [COMMAND]",
		Short: "Send AT commands to a modem, between two texts",
		Long: `Sends one line of AT commands to a modem of the running gateway and prints the answer;
the exit code is 1 when that is an error, and 2 when the command is one that is refused.
Without COMMAND it reads lines from stdin until they end (Ctrl-D).

A command waits while a text is on its way, and works with a locked SIM and without a
network, too. What may have changed a setting is followed by setting the modem up again.
Refused is what would send a text behind the queue's back, erase one, use up tries of a
PIN, or take the line away.`,
		Example: `  smsgateway modem at modem1 AT+CSQ
  smsgateway modem at modem1
  echo 'AT+COPS?' | smsgateway modem at modem1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("%s takes one COMMAND, in quotes where it has blanks; %q is too much",
					cmd.CommandPath(), args[2])
			}
			return oneArg("NAME")(cmd, args[:min(len(args), 1)])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if asJSON {
					return usagef("--json goes with one COMMAND")
				}
				return a.with(cmd.Context(), func(c *admin.Client) error { return a.console(cmd.Context(), c, args[0]) })
			}
			answer, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Answer, error) {
				return a.command(cmd.Context(), c, args[0], args[1])
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = PrintJSON(a.env.Stdout, answer)
			} else {
				a.printAnswer(answer)
			}
			return errors.Join(err, answerError(answer))
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// command sends a line of AT commands, and says what it waits for.
func (a *app) command(ctx context.Context, c *admin.Client, name, text string) (answer admin.Answer, err error) {
	words := waitModem
	if upper := strings.ToUpper(text); strings.Contains(upper, "+COPS") || strings.Contains(upper, "+CFUN") {
		words = waitCOPS
	}
	err = patiently(ctx, a, c, name, words, func() error {
		answer, err = c.ModemCommand(ctx, name, text)
		return err
	})
	return answer, err
}

// ussd sends a code, or an answer to the network, and says what it waits for.
func (a *app) ussd(ctx context.Context, c *admin.Client, name, code string) (answer admin.USSD, err error) {
	err = patiently(ctx, a, c, name, waitUSSD, func() error {
		answer, err = c.ModemUSSD(ctx, name, code)
		return err
	})
	return answer, err
}

func (a *app) printAnswer(answer admin.Answer) {
	for _, line := range answer.Lines {
		fmt.Fprintln(a.env.Stdout, clean(line))
	}
}

// answerError is nil if the modem did what it was told.
func answerError(answer admin.Answer) error {
	switch {
	case answer.OK():
		return nil
	case answer.Error != "":
		return errors.New(strings.TrimSuffix(answer.Error, "."))
	case len(answer.Lines) == 0:
		return errors.New("the modem answered nothing")
	}
	return fmt.Errorf("the modem answered %s", clean(answer.Lines[len(answer.Lines)-1]))
}

// console sends what stdin says, line by line. On a terminal errors are a part of it; in a script one is a failure, once
// all lines are done.
func (a *app) console(ctx context.Context, c *admin.Client, name string) error {
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Modem(ctx, name); err != nil {
		return err
	}
	if !status.Running {
		return errors.New("no gateway is running, so no modem's line is open; start it with smsgateway serve")
	}
	person := isTerminal(a.env.Stdin)
	prompt := func() {
		if person && isTerminal(a.env.Stdout) {
			fmt.Fprintf(a.env.Stdout, "%s> ", clean(name))
		}
	}
	lines := linesOf(ctx, a.env.Stdin)
	failed := 0
	for prompt(); ; prompt() {
		text, err := lines()
		switch {
		case errors.Is(err, io.EOF) && failed > 0 && !person:
			return fmt.Errorf("%s failed", plural(failed, "command"))
		case errors.Is(err, io.EOF):
			if person {
				fmt.Fprintln(a.env.Stdout)
			}
			return nil
		case err != nil:
			return err
		case strings.TrimSpace(text) == "":
			continue
		}
		answer, err := a.command(ctx, c, name, text)
		var refused *admin.Error
		switch {
		case errors.As(err, &refused):
			a.say("%s", clean(refused.Message))
			failed++
			continue
		case err != nil:
			return err
		}
		a.printAnswer(answer)
		if answer.Error != "" {
			a.say("%s", clean(answer.Error))
		}
		if !answer.OK() {
			failed++
		}
	}
}

// linesOf gives a function that reads line after line, io.EOF behind the last. It ends when ctx does, though a read of
// a terminal can't be ended: that goes on until the process ends, or a line comes that nobody reads.
func linesOf(ctx context.Context, r io.Reader) func() (string, error) {
	type result struct {
		text string
		err  error
	}
	results := make(chan result)
	go func() {
		in := bufio.NewScanner(r)
		for {
			next := result{err: io.EOF}
			if in.Scan() {
				next = result{text: in.Text()}
			} else if err := in.Err(); err != nil {
				next.err = fmt.Errorf("read stdin: %w", err)
			}
			select {
			case results <- next:
			case <-ctx.Done():
				return
			}
			if next.err != nil {
				return
			}
		}
	}()
	var ended error
	return func() (string, error) {
		if ended != nil {
			return "", ended
		}
		select {
		case next := <-results:
			ended = next.err
			return next.text, next.err
		case <-ctx.Done():
			return "", errors.New("interrupted")
		}
	}
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) modemUSSD() *cobra.Command {
	var reply, asJSON bool
	cmd := &cobra.Command{
		Use:   "ussd NAME CODE",
		Short: "Ask the network by a code such as *100#, and print its answer",
		Long: `Sends a USSD code through a modem of the running gateway and prints what the network
answers. It waits while a text is on its way, and texts wait meanwhile, for two minutes
at most.

When the network asks back, --reply sends the lines of stdin, one for each question, and
prints each answer; where they end too early the dialogue is ended. Without it the network
waits until the next text, at most a minute, and a CODE such as 1 that comes before is the
answer; one such as *100# begins anew. Codes that take a PIN or a password, as **04* and
**03* do, are refused.`,
		Example: `  smsgateway modem ussd modem1 '*100#'
  echo 1 | smsgateway modem ussd modem1 '*101#' --reply`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs NAME and CODE, as in smsgateway modem ussd modem1 '*100#'", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && reply {
				return usagef("--json and --reply don't go together")
			}
			if !isCode(args[1]) {
				return usagef("%q is no USSD code: it has digits, * and #, at most %d of them", args[1], maxUSSD)
			}
			return a.with(cmd.Context(), func(c *admin.Client) error {
				answer, err := a.ussd(cmd.Context(), c, args[0], args[1])
				switch {
				case err != nil:
					return err
				case asJSON:
					return PrintJSON(a.env.Stdout, answer)
				}
				return a.dialogue(cmd.Context(), c, args[0], answer, reply)
			})
		},
	}
	cmd.Flags().BoolVar(&reply, "reply", false, "answer what the network asks back with lines of stdin")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// dialogue prints an answer of the network, and goes on for as long as it asks back and stdin has lines.
func (a *app) dialogue(ctx context.Context, c *admin.Client, name string, answer admin.USSD, reply bool) error {
	lines := linesOf(ctx, a.env.Stdin)
	for {
		for line := range strings.SplitSeq(answer.Text, "\n") {
			fmt.Fprintln(a.env.Stdout, clean(line))
		}
		if !answer.More {
			return nil
		}
		if !reply {
			a.say("The network waits for an answer, at most a minute: give it as the next CODE, as in 1, or use --reply.")
			return nil
		}
		text, err := lines()
		if errors.Is(err, io.EOF) {
			if err := patiently(ctx, a, c, name, waitModem, func() error { return c.EndUSSD(ctx, name) }); err != nil {
				return fmt.Errorf("the network waits for an answer, and stdin has no more lines; to end the dialogue: %w", err)
			}
			return errors.New("the network waits for an answer, and stdin has no more lines: the dialogue is ended")
		}
		if err != nil {
			return err
		}
		if answer, err = a.ussd(ctx, c, name, strings.TrimSpace(text)); err != nil {
			return ofStdin(err)
		}
	}
}

func (a *app) modemBalance() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "balance NAME",
		Short: "Read the credit of a modem's SIM now",
		Long: `Asks the network for the credit of the SIM by the code that the configuration names
(balance), and prints and keeps what it says: a modem that waits because its credit was
low goes on if it is enough now. Without this command that is noticed within an hour. It
waits while a text is on its way, and texts wait meanwhile, for two minutes at most.`,
		Example: "  smsgateway modem balance modem1",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := fetch(cmd.Context(), a, func(c *admin.Client) (b admin.Balance, err error) {
				err = patiently(cmd.Context(), a, c, args[0], waitUSSD, func() error {
					b, err = c.ModemBalance(cmd.Context(), args[0])
					return err
				})
				return b, err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, b)
			}
			return a.showBalance(b)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// modemVerb is a command that does something to one modem, and says what follows from it.
func (a *app) modemVerb(cmd *cobra.Command, said string, do func(*admin.Client, string) error) *cobra.Command {
	cmd.Args = oneArg("NAME")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := a.with(cmd.Context(), func(c *admin.Client) error { return do(c, args[0]) })
		if err == nil {
			a.say(said, clean(args[0]))
		}
		return err
	}
	return cmd
}

func (a *app) modemReset() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Restart a modem",
		Long: `Restarts a modem of the running gateway (AT+CFUN=1,1), once the text that is on its way
has its outcome. The gateway sets it up again, which takes up to a minute; no message is
lost by it.`,
		Example: "  smsgateway modem reset modem1",
	}
	return a.modemVerb(cmd, "Modem %[1]s restarts; see: smsgateway modem show %[1]s",
		func(c *admin.Client, name string) error {
			return patiently(cmd.Context(), a, c, name, waitReset, func() error { return c.ResetModem(cmd.Context(), name) })
		})
}

func (a *app) modemPause() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "pause NAME",
		Short: "Take a modem out of work",
		Long: `Gives a modem no more messages, also after a restart of the gateway, until "resume".
What it has on the air goes out, and it goes on receiving. Messages that are for it
alone wait; "message show" says so.`,
		Example: "  smsgateway modem pause modem1 --reason maintenance",
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who look at it later")
	cmd.Args = oneArg("NAME")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd.Context(), func(c *admin.Client) error { return a.pause(cmd.Context(), c, args[0], reason) })
	}
	return cmd
}

// pause takes a modem out of work, and says where it was already.
func (a *app) pause(ctx context.Context, c *admin.Client, name, reason string) error {
	before, err := c.Modem(ctx, name)
	if err != nil {
		return err
	}
	if err := c.PauseModem(ctx, name, reason); err != nil {
		return err
	}
	if !before.Paused {
		a.say("Modem %[1]s begins no message; to undo it: smsgateway modem resume %[1]s", clean(name))
		return nil
	}
	after, err := c.Modem(ctx, name)
	if err != nil {
		return err
	}
	why := strings.TrimSuffix("since "+clock(after.PausedAt)+": "+after.PausedReason, ": ")
	a.say("Modem %s was paused already, %s.", clean(name), clean(why))
	return nil
}

func (a *app) modemResume() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "Give a paused modem work again",
		Long: `Gives a modem that was paused messages again. One whose credit is below balance_low
works again, too, until the balance is read the next time.`,
		Example: "  smsgateway modem resume modem1",
	}
	cmd.Args = oneArg("NAME")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd.Context(), func(c *admin.Client) error { return a.resume(cmd.Context(), c, args[0]) })
	}
	return cmd
}

// resume gives a modem work again, and says what keeps it from that all the same.
func (a *app) resume(ctx context.Context, c *admin.Client, name string) error {
	before, err := c.Modem(ctx, name)
	if err != nil {
		return err
	}
	if err := c.ResumeModem(ctx, name); err != nil {
		return err
	}
	after, err := c.Modem(ctx, name)
	if err != nil {
		return err
	}
	was := "is paused no more"
	if !before.Paused {
		was = "was not paused"
	}
	switch {
	case after.Waiting != "":
		a.say("Modem %s %s, but it takes no work now: %s", clean(name), was, clean(after.Waiting))
	case before.Paused:
		a.say("Modem %s is given messages again.", clean(name))
	default:
		a.say("Modem %s %s; it is given messages.", clean(name), was)
	}
	if b := after.Balance; b != nil && b.Low && b.Ignored {
		a.say("The credit of its SIM is low (%s); it works all the same until the next reading.", clean(b.Amount))
	}
	return nil
}

// maxUSSD is how many characters a USSD string has room for: 160 octets of septets (TS 23.038 §5).
const maxUSSD = 182

// isCode tells whether a text can be a USSD code; what the network asks back may be answered with any text.
func isCode(s string) bool {
	return 0 < len(s) && len(s) <= maxUSSD && strings.Trim(s, "0123456789*#") == ""
}
