package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, and what cures it",
		Long: `Looks at the gateway, its disk, clock and SMPP port, its accounts and its queue, and at
each configured modem: port, permission, other programs, SIM, network, budget, credit;
and whether the configuration file on disk would do for the next start. For each it
says how it is (ok, note, warn, fault), and what to do.

When no gateway runs it looks at the modems itself, which takes up to a minute for each.
It enters no PIN and sends nothing. The exit code is 1 when there is a fault.`,
		Example: "  smsgateway doctor\n  smsgateway doctor --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := fetch(cmd.Context(), a, func(c *admin.Client) ([]admin.Finding, error) {
				var list []admin.Finding
				err := patiently(cmd.Context(), a, c, "", waitDoctor, func() (err error) {
					list, err = c.Doctor(cmd.Context())
					return err
				})
				if errors.Is(err, errInterrupted) {
					err = errors.New("interrupted: not all was looked at")
				}
				return list, err
			})
			if err != nil {
				return err
			}
			if asJSON {
				if err := PrintJSON(a.env.Stdout, list); err != nil {
					return err
				}
			} else {
				a.showFindings(list)
			}
			if n := countFaults(list); n > 0 {
				return fmt.Errorf("the doctor found %s", plural(n, "fault"))
			}
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// showFindings prints a line for each, with its cure below it.
func (a *app) showFindings(list []admin.Finding) {
	for _, f := range list {
		fmt.Fprintf(a.env.Stdout, "%-5s  %s: %s\n", f.Severity, clean(f.About), clean(f.What))
		if f.Cure != "" {
			fmt.Fprintf(a.env.Stdout, "       -> %s\n", clean(f.Cure))
		}
	}
}

func countFaults(list []admin.Finding) (n int) {
	for _, f := range list {
		if f.Severity == "fault" {
			n++
		}
	}
	return n
}
