package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) accountRefused() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "refused",
		Short: "List the binds that were refused, and why",
		Long: `Lists who could not bind since the gateway was started, and why: the latest first,
those of one address, system_id and reason as one line; without a system_id it was
empty or unreadable, or one of many. Clients are never told the reason. Addresses that
are banned come first. Changes nothing.`,
		Example: "  smsgateway account refused\n  smsgateway account refused --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all admin.Refused
			var status admin.Status
			err := a.with(cmd.Context(), func(c *admin.Client) (err error) {
				if status, err = c.Status(cmd.Context()); err == nil {
					all, err = c.Refused(cmd.Context())
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return PrintJSON(a.env.Stdout, all)
			case !status.Running:
				a.say("No gateway is running, and refused binds are remembered by a running one alone; start it with: smsgateway serve")
				return nil
			}
			return a.showRefused(all)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) showRefused(all admin.Refused) error {
	if len(all.Banned)+len(all.Binds) == 0 {
		a.say("No bind was refused since the gateway was started.")
		return nil
	}
	if len(all.Banned) > 0 {
		err := table(a.env.Stdout, []string{"BANNED", "UNTIL"}, func(row func(...any)) {
			for _, b := range all.Banned {
				row(b.Address, clock(b.Until))
			}
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(a.env.Stdout)
	}
	return table(a.env.Stdout, []string{"LAST", "FROM", "SYSTEM_ID", "TIMES", "WHY"}, func(row func(...any)) {
		for _, r := range all.Binds {
			row(clock(r.Last), r.Address, r.SystemID, r.Count, r.Reason)
		}
	})
}

func (a *app) accountUnban() *cobra.Command {
	return &cobra.Command{
		Use:   "unban ADDRESS",
		Short: "Let a banned address try to bind again",
		Long: `Lifts the ban of an address from which too many wrong binds came. By itself it ends
after smpp.ban_time. Clients that have bound from there before were never kept out.`,
		Example: "  smsgateway account unban 192.0.2.7\n  smsgateway account unban 2001:db8::1",
		Args:    oneArg("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.with(cmd.Context(), func(c *admin.Client) error { return c.Unban(cmd.Context(), args[0]) }); err != nil {
				return err
			}
			a.say("%s may try again.", clean(args[0]))
			return nil
		},
	}
}

// lastBinds are the lines of account show about binds.
func lastBinds(b *admin.Binds) []any {
	if b == nil {
		return nil
	}
	last, refused := "never", ""
	if !b.Last.IsZero() {
		last = fmt.Sprintf("%s from %s", clock(b.Last), b.LastFrom)
	}
	if !b.Refused.IsZero() {
		refused = fmt.Sprintf("%s from %s: %s (%d since the start)", clock(b.Refused), b.RefusedFrom, b.RefusedReason, b.RefusedCount)
	}
	return []any{"Last bind", last, "Last refused", refused}
}
