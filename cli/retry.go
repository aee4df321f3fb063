package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smsgateway/admin"
)

// whoami is whom the log and message show name for what is ordered.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// heldFlags choose among the messages that a restore holds.
type heldFlags struct {
	all         bool
	filter      admin.HeldFilter
	from, until string
}

func (h *heldFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&h.all, "held", false, "all that a restore holds, instead of one by its ID")
	flags.StringVar(&h.filter.Account, "account", "", "of the held ones only those of this Account Key")
	flags.StringVar(&h.filter.To, "to", "", "of the held ones only those to this number; its last digits decide")
	flags.StringVar(&h.from, "accepted-from", "", `of the held ones only those accepted from then on ("2026-03-01" or "2026-03-01 14:30")`)
	flags.StringVar(&h.until, "accepted-until", "", "of the held ones only those accepted before")
}

// chosen tells whether all held ones are meant, or one by its ID.
func (h *heldFlags) chosen(cmd *cobra.Command, args []string) (held bool, err error) {
	switch {
	case h.all && len(args) > 0:
		return false, usagef("%s takes an ID or --held, not both", cmd.CommandPath())
	case !h.all && len(args) == 0:
		return false, usagef("%s needs an ID, or --held", cmd.CommandPath())
	case !h.all && (h.filter.Account != "" || h.filter.To != "" || h.from != "" || h.until != ""):
		return false, usagef("--account, --to, --accepted-from and --accepted-until go with --held")
	}
	if h.filter.From, err = localTime(h.from); err != nil {
		return false, usagef("--accepted-from: %w", err)
	}
	if h.filter.Until, err = localTime(h.until); err != nil {
		return false, usagef("--accepted-until: %w", err)
	}
	return h.all, nil
}

// localTime reads a day or a time by the local clock; zero for "".
func localTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%q is no time; write it as "2026-03-01" or "2026-03-01 14:30"`, s)
}

// releasedAll is what became of all held messages that were chosen.
type releasedAll struct {
	Messages int `json:"messages"`
	Skipped  int `json:"skipped"`
}

// each has do done to some held messages after the other, until none is left.
func (a *app) each(ctx context.Context, f admin.HeldFilter, do func(*admin.Client, admin.HeldFilter) (admin.Released, error)) (all releasedAll, err error) {
	m := a.meter()
	defer m.end()
	err = a.with(ctx, func(c *admin.Client) error {
		for {
			done, err := do(c, f)
			if err != nil {
				if all.Messages > 0 {
					err = fmt.Errorf("after %s: %w", plural(all.Messages, "message"), err)
				}
				return err
			}
			all.Messages += done.Messages
			all.Skipped += done.Skipped
			m.show(admin.Progress{What: "Messages", Done: int64(all.Messages)})
			if f.After = done.After; !done.More {
				return nil
			}
		}
	})
	return all, err
}

func (a *app) messageRetry() *cobra.Command {
	var held heldFlags
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "retry [ID]",
		Short: "Have a message sent now, or once more",
		Long: `Has a message sent by your word. One that waits for its next try is tried at once. One that
is uncertain, or held after a restore, is sent though it may have been sent before: the
phone may get it twice, so this wants --yes; it is marked as a possible duplicate. One that
has ended as unknown, undeliverable, expired or rejected stays so, as its client was told;
a copy is sent under a new ID and without receipts, with --yes where it may be a second one.

A message that was cancelled, sent or delivered, that a modem has, or that is scheduled for
later, is refused. --held takes all that a restore holds, in their order. What you order is
in the log and in "message show".`,
		Example: `  smsgateway message retry 2105481234
  smsgateway message retry 2105481234 --yes
  smsgateway message retry --held --account shop --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := held.chosen(cmd, args)
			if err != nil {
				return err
			}
			if all {
				return a.retryHeld(cmd.Context(), held.filter, yes, asJSON)
			}
			m, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Retried, error) {
				return c.RetryMessage(cmd.Context(), args[0], whoami(), yes)
			})
			if err != nil {
				return wantsYes(err)
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, m)
			}
			if m.CopyOf != "" {
				a.say("Message %s stays as it is; a copy of it is message %s.", m.CopyOf, m.ID)
			} else {
				a.say("Message %s: %s", m.ID, m.Why)
			}
			return nil
		},
	}
	held.add(cmd.Flags())
	cmd.Flags().BoolVar(&yes, "yes", false, "send it though the phone may get it a second time")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// wantsYes says how to go on where a text may go out twice.
func wantsYes(err error) error {
	var refused *admin.Error
	if errors.As(err, &refused) && refused.Status == admin.StatusSayTwice {
		return fmt.Errorf("nothing was sent: %w. Say --yes if it is to go out all the same", err)
	}
	return err
}

func (a *app) retryHeld(ctx context.Context, f admin.HeldFilter, yes, asJSON bool) error {
	all, err := a.each(ctx, f, func(c *admin.Client, f admin.HeldFilter) (admin.Released, error) {
		return c.RetryHeld(ctx, f, whoami(), yes)
	})
	if err != nil {
		return wantsYes(err)
	}
	return a.saidReleased(all, "will be sent", asJSON)
}

func (a *app) saidReleased(all releasedAll, what string, asJSON bool) error {
	if asJSON {
		return PrintJSON(a.env.Stdout, all)
	}
	a.say("%s %s.", plural(all.Messages, "held message"), what)
	if all.Skipped > 0 {
		a.say("The validity of %d is over: they end as unknown by themselves.", all.Skipped)
	}
	return nil
}

func (a *app) messageClose() *cobra.Command {
	var held heldFlags
	var as string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "close [ID]",
		Short: "End the doubt about a message: it was sent, or it has failed",
		Long: `Ends a message that is uncertain, or held after a restore, because you know better: as
"sent" it is ACCEPTED, as "failed" UNDELIVERABLE, and its client gets that receipt, if it
asked for one. It can't be undone. --held takes all that a restore holds. What you order is
in the log and in "message show".`,
		Example: `  smsgateway message close 2105481234 --as sent
  smsgateway message close --held --account shop --accepted-until 2026-03-01 --as failed`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := held.chosen(cmd, args)
			if err != nil {
				return err
			}
			if as != "sent" && as != "failed" {
				return usagef(`--as: %q is none of sent, failed`, as)
			}
			ctx := cmd.Context()
			if all {
				n, err := a.each(ctx, held.filter, func(c *admin.Client, f admin.HeldFilter) (admin.Released, error) {
					return c.CloseHeld(ctx, f, as, whoami())
				})
				if err != nil {
					return err
				}
				return a.saidReleased(n, "closed as "+as, asJSON)
			}
			m, err := fetch(ctx, a, func(c *admin.Client) (admin.Message, error) { return c.CloseMessage(ctx, args[0], as, whoami()) })
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, m)
			}
			a.say("Message %s is %s.", m.ID, m.State)
			return nil
		},
	}
	held.add(cmd.Flags())
	cmd.Flags().StringVar(&as, "as", "", `"sent" or "failed"`)
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}
