package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) modemCommand() *cobra.Command {
	cmd := group("modem", "The GSM modems that send",
		`The modems of the configuration, one [[modem]] each.`,
		"  smsgateway modem list",
		a.modemList())
	cmd.AddCommand(a.env.ModemExtra...)
	return cmd
}

func (a *app) modemList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the modems and how they are",
		Long: `Lists the configured modems with state, network, signal, and what they did since the
gateway's start. The last error stays shown when the trouble is over. Changes nothing.`,
		Example: "  smsgateway modem list\n  smsgateway modem list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []admin.Modem
			var status admin.Status
			err := a.with(cmd.Context(), func(c *admin.Client) (err error) {
				if list, err = c.Modems(cmd.Context()); err != nil {
					return err
				}
				status, err = c.Status(cmd.Context())
				return err
			})
			if err != nil {
				return err
			}
			if !status.Running {
				a.say("No gateway is running, so no modem is in use; start it with: smsgateway serve")
			}
			if asJSON {
				return printJSON(a.env.Stdout, list)
			}
			if len(list) == 0 {
				a.say("No modem is configured; add [[modem]] to the configuration.")
				return nil
			}
			return a.showModems(list)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) showModems(list []admin.Modem) error {
	err := table(a.env.Stdout, []string{"NAME", "STATE", "PORT", "NETWORK", "SIGNAL", "REPORTS", "SENT", "REFUSED", "UNCERTAIN", "RECEIVED"},
		func(row func(...any)) {
			for _, m := range list {
				signal := ""
				if m.SignalDBm != 0 {
					signal = fmt.Sprintf("%d dBm", m.SignalDBm)
				}
				row(m.Name, m.State, m.Port, m.Operator, signal, yesNo(m.Reports), m.Sent, m.Refused, m.Uncertain, m.Received)
			}
		})
	for _, m := range list {
		if m.LastError != "" {
			fmt.Fprintf(a.env.Stdout, "%s, %s: %s\n", clean(m.Name), clock(m.LastErrorAt), clean(m.LastError))
		}
	}
	return err
}
