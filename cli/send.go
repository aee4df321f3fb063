package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

// lookEvery is how often send --wait looks where its message is.
const lookEvery = 250 * time.Millisecond

func (a *app) sendCommand() *cobra.Command {
	var req admin.NewMessage
	var wait, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "send --to NUMBER --text TEXT",
		Short: "Send a text",
		Long: `Queues a text and returns when it is on disk; prints the message's number. For an
account that is disabled or has expired nothing is queued: the exit code is 1.

With --wait it stays until the phone has the text, or until it is known that it won't,
and shows the steps. It exits with 0 only if the text is out: delivered, or accepted
by the network from a modem that gets no reports, or sent when --timeout is over.
An interrupt ends the waiting; the text stays queued.`,
		Example: `  smsgateway send --to +491701234567 --text "Hello"
  smsgateway send --to 01701234567 --text "Door open" --account alarm --wait --timeout 5m`,
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case req.To == "":
				return usagef("send needs --to NUMBER")
			case req.Text == "":
				return usagef("send needs --text TEXT")
			case timeout <= 0:
				return usagef("--timeout: %s is no time to wait", timeout)
			}
			return a.withNew(cmd.Context(), func(c *admin.Client) error {
				return a.send(cmd.Context(), c, req, wait, timeout, asJSON)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.To, "to", "", "the phone's number; +49... is international")
	flags.StringVar(&req.Text, "text", "", "the text; a long one goes out in parts")
	flags.StringVar(&req.Account, "account", "", "Account Key whose settings count (default the built-in account operator)")
	flags.BoolVar(&wait, "wait", false, "wait until its end is known")
	flags.DurationVar(&timeout, "timeout", 3*time.Minute, "wait no longer than this")
	jsonFlag(flags, &asJSON)
	return cmd
}

func (a *app) send(ctx context.Context, c *admin.Client, req admin.NewMessage, wait bool, timeout time.Duration, asJSON bool) error {
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if wait && !status.Running {
		return errors.New("no gateway is running, so waiting would be in vain: start it with smsgateway serve, or send without --wait")
	}
	m, err := c.Send(ctx, req)
	if err != nil {
		return err
	}
	var failed error
	if wait {
		m, failed = a.follow(ctx, c, m, timeout)
	}
	if asJSON {
		err = PrintJSON(a.env.Stdout, m)
	} else {
		_, err = fmt.Fprintf(a.env.Stdout, "Message %s to %s: %s\n", m.ID, clean(m.Destination), m.State)
	}
	if !status.Running {
		a.say("No gateway is running: nothing is sent until smsgateway serve runs.")
	}
	return errors.Join(failed, err)
}

// follow watches a message until its end or the timeout, and tells each step. The error says that it is not out, or
// that it is not known to be; the message is as it was seen last.
func (a *app) follow(ctx context.Context, c *admin.Client, m admin.Message, timeout time.Duration) (admin.Message, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := ""
	for {
		if m.Why != told {
			a.say("%s  %-9s  %s", time.Now().Format(time.TimeOnly), m.State, clean(m.Why))
			told = m.Why
		}
		if m.Final {
			return m, verdict(m)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return m, a.timedOut(m, timeout)
		case <-ctx.Done():
			return m, fmt.Errorf("interrupted; message %s is %s and goes on without you", m.ID, m.State)
		}
		now, err := c.Message(ctx, m.ID)
		switch {
		case err == nil:
			m = now
		case ctx.Err() == nil:
			return m, fmt.Errorf("lost sight of message %s, which was %s: %w", m.ID, m.State, err)
		}
	}
}

// timedOut judges a message that has not ended in time.
func (a *app) timedOut(m admin.Message, timeout time.Duration) error {
	if m.State == "sent" {
		a.say("The network has it; the phone did not confirm it within %s.", timeout)
		return nil
	}
	return fmt.Errorf("message %s is still %s after %s; see smsgateway message show %s", m.ID, m.State, timeout, m.ID)
}

// verdict tells whether a message that has ended is out.
func verdict(m admin.Message) error {
	if m.State == "delivered" || m.State == "accepted" {
		return nil
	}
	return fmt.Errorf("message %s was not delivered: %s", m.ID, m.Why)
}
