package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) inboxCommand() *cobra.Command {
	return group("inbox", "Texts that phones sent to the modems",
		`What phones sent to the modems' numbers. Each text also goes to the SMPP client of its
account; here it stays for 30 days, whether a client took it or not. A long text is
here when all its parts have come, or when they were waited for long enough; [...]
stands for what is missing. Until then "inbox list --waiting" shows it.`,
		"  smsgateway inbox list\n  smsgateway inbox show 12",
		a.inboxList(), a.inboxShow())
}

func (a *app) inboxList() *cobra.Command {
	var filter admin.InboxFilter
	var waiting, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List received texts, the newest first",
		Long: `Lists texts from phones. With --waiting it lists the long texts of which parts are
missing still, and until when these are waited for. Changes nothing.`,
		Example: "  smsgateway inbox list\n  smsgateway inbox list --account shop --limit 200 --json\n" +
			"  smsgateway inbox list --waiting",
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 {
				return usagef("--limit: %d is too few; it takes 1 or more", filter.Limit)
			}
			if waiting && (filter.Account != "" || filter.Before != "") {
				return usagef("--waiting: a text that waits has no account and no number yet: leave out --account and --before")
			}
			list, err := fetch(cmd.Context(), a, func(c *admin.Client) ([]admin.InboxText, error) {
				if waiting {
					return c.InboxWaiting(cmd.Context(), filter.Limit)
				}
				return c.Inbox(cmd.Context(), filter)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, list)
			}
			if waiting {
				return a.waitingTexts(list)
			}
			if len(list) == 0 {
				if filter.Account == "" && filter.Before == "" {
					a.say("There is no text from a phone yet.")
				} else {
					a.say("There is no such text.")
				}
				return nil
			}
			err = table(a.env.Stdout, []string{"ID", "RECEIVED", "FROM", "MODEM", "ACCOUNT", "PARTS", "TEXT"}, func(row func(...any)) {
				for _, in := range list {
					row(in.ID, clock(in.Received), in.From, in.Modem, accountOf(in), partsOf(in), short(readable(in), 60))
				}
			})
			if err == nil && len(list) == filter.Limit {
				a.say("There may be more: smsgateway inbox list --before %s", list[len(list)-1].ID)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Account, "account", "", "only those for this Account Key")
	flags.StringVar(&filter.Before, "before", "", "only those older than this text")
	flags.IntVar(&filter.Limit, "limit", 50, "at most so many")
	flags.BoolVar(&waiting, "waiting", false, "long texts that wait for parts, and are not in the inbox yet")
	jsonFlag(flags, &asJSON)
	return cmd
}

// waitingTexts prints the long texts that wait for parts.
func (a *app) waitingTexts(list []admin.InboxText) error {
	if len(list) == 0 {
		a.say("No text waits for parts.")
		return nil
	}
	return table(a.env.Stdout, []string{"RECEIVED", "UNTIL", "FROM", "MODEM", "PARTS", "TEXT"}, func(row func(...any)) {
		for _, in := range list {
			row(clock(in.Received), clock(in.Until), in.From, in.Modem, partsOf(in), short(readable(in), 60))
		}
	})
}

func (a *app) inboxShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one received text",
		Long:    `Shows a text from a phone as a whole. ID is the number that "inbox list" shows. Changes nothing.`,
		Example: "  smsgateway inbox show 12",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.InboxText, error) {
				return c.InboxText(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, in)
			}
			return fields(a.env.Stdout, "Text number", in.ID, "From", in.From, "To", in.To, "Modem", in.Modem,
				"Account", accountOf(in), "Sent", clock(in.Time), "Received", clock(in.Received),
				"Written as", in.Encoding, "Parts", partsOf(in), "Text", readable(in))
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// accountOf tells who got a text.
func accountOf(in admin.InboxText) string {
	switch {
	case in.Account != "":
		return in.Account
	case in.Stranger != "":
		return fmt.Sprintf("nobody (account %s does not exist)", in.Stranger)
	}
	return "nobody"
}

// partsOf tells of how many parts a text is, and which of them are there.
func partsOf(in admin.InboxText) string {
	switch {
	case in.Part > 0:
		return fmt.Sprintf("part %d of %d", in.Part, in.Parts)
	case in.Missing > 0:
		return fmt.Sprintf("%d, %d missing", in.Parts, in.Missing)
	}
	return strconv.Itoa(in.Parts)
}

// readable gives the text, or the octets of one that is binary.
func readable(in admin.InboxText) string {
	if in.Text == "" && in.Data != "" {
		return "(binary) " + in.Data
	}
	return in.Text
}
