package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) messageCommand() *cobra.Command {
	return group("message", "What was sent, what waits, and why",
		`Messages on their way to phones. "message show" answers why one is not out yet.`,
		"  smsgateway message list --state queued,uncertain\n  smsgateway message show 2105481234",
		a.messageList(), a.messageShow(), a.messageExplain(), a.messageCancel(), a.messageRetry(), a.messageClose())
}

func (a *app) messageList() *cobra.Command {
	var filter admin.MessageFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List messages, the newest first",
		Long: `Lists messages with where each is. States are queued, claimed (a modem has it at this
moment), partial, uncertain (perhaps sent, perhaps not), sent, and the ends: delivered,
accepted, undeliverable, expired, deleted, rejected, unknown. With --held only those that
a restore holds: uncertain ones that only you send. Changes nothing.`,
		Example: `  smsgateway message list
  smsgateway message list --held
  smsgateway message list --account shop --state queued,partial --limit 200
  smsgateway message list --before 2105481234 --json`,
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 {
				return usagef("--limit: %d is too few; it takes 1 or more", filter.Limit)
			}
			list, err := fetch(cmd.Context(), a, func(c *admin.Client) ([]admin.Message, error) {
				return c.Messages(cmd.Context(), filter)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, list)
			}
			if len(list) == 0 {
				a.say("There is no such message.")
				return nil
			}
			err = table(a.env.Stdout, []string{"ID", "ACCOUNT", "TO", "STATE", "ACCEPTED", "PARTS", "REASON"}, func(row func(...any)) {
				for _, m := range list {
					reason := m.Reason
					if reason == "" && (m.State == "queued" || m.State == "partial") {
						reason = m.Why
					}
					row(m.ID, m.Account, m.Destination, m.State, clock(m.Accepted), len(m.Parts), short(reason, 60))
				}
			})
			if err == nil && len(list) == filter.Limit {
				a.say("There may be more: smsgateway message list --before %s", list[len(list)-1].ID)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Account, "account", "", "only those of this Account Key")
	flags.StringVar(&filter.State, "state", "", "only those in this state, or in one of several with commas between them")
	flags.StringVar(&filter.To, "to", "", "only those to this number; its last digits decide")
	flags.BoolVar(&filter.Held, "held", false, "only those that a restore holds")
	flags.StringVar(&filter.Before, "before", "", "only those older than this message")
	flags.IntVar(&filter.Limit, "limit", 50, "at most so many")
	jsonFlag(flags, &asJSON)
	return cmd
}

func (a *app) messageShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show where one message is, and why",
		Long: `Shows where a message is, why, how it goes out, and what happened to each of its parts,
in the order of time; of a part that was tried several times, the last try. ID is the
message_id that submit_sm_resp gave. service_type, message class and ports are shown
where the message has them. Changes nothing.`,
		Example: "  smsgateway message show 2105481234\n  smsgateway message show 2105481234 --json",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Message, error) {
				return c.Message(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, m)
			}
			return a.showMessage(m)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) showMessage(m admin.Message) error {
	var duplicate string
	if m.PossibleDuplicate {
		duplicate = "yes: an earlier try may have sent it, and it is tried again or was"
	}
	err := fields(a.env.Stdout,
		"Message", m.ID,
		"Account", m.Account,
		"From", m.Source,
		"To", m.Destination,
		"State", fmt.Sprintf("%s (query_sm: %s)", m.State, m.SMPPState),
		"Why", m.Why,
		"Held", heldWords(m.Held),
		"Possible duplicate", duplicate,
		"Text", m.Text,
		"Sent as", fmt.Sprintf("%s, %s (data_coding 0x%02X)", m.Encoding, plural(len(m.Parts), "part"), m.DataCoding),
		"Service type", m.ServiceType,
		"Message class", classOf(m),
		"Ports", portsOf(m),
	)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.env.Stdout)
	return table(a.env.Stdout, []string{"WHEN", "WHAT"}, func(row func(...any)) {
		for _, e := range story(m) {
			row(clock(e.at), e.what)
		}
	})
}

// classOf says what a phone does with a message of its class; "" if it has none.
func classOf(m admin.Message) string {
	if m.MessageClass == nil {
		return ""
	}
	does := map[int]string{
		0: "shown at once, not kept", 1: "for the phone", 2: "for the SIM", 3: "for what is connected to the phone",
	}
	return fmt.Sprintf("%d, %s", *m.MessageClass, does[*m.MessageClass])
}

// portsOf names the applications that a message is for and from; "" if it names none.
func portsOf(m admin.Message) string {
	if m.DestinationPort == nil || m.SourcePort == nil {
		return ""
	}
	return fmt.Sprintf("to %d, from %d", *m.DestinationPort, *m.SourcePort)
}

func heldWords(held bool) string {
	if !held {
		return ""
	}
	return "yes: it came out of a backup, and only you send it"
}

// event is one step in the life of a message.
type event struct {
	at   time.Time
	what string
}

// story puts what is known of a message in the order of time; what is still to come stands at the end.
func story(m admin.Message) []event {
	var list []event
	add := func(at time.Time, format string, args ...any) {
		if !at.IsZero() {
			list = append(list, event{at, fmt.Sprintf(format, args...)})
		}
	}
	add(m.Accepted, "accepted")
	for _, p := range m.Parts {
		name := "the message"
		if len(m.Parts) > 1 {
			name = fmt.Sprintf("part %d of %d", p.Number, len(m.Parts))
		}
		attempt := ""
		if p.Attempts > 1 {
			attempt = fmt.Sprintf(", try %d", p.Attempts)
		}
		open := p.Reference == nil // a reason is then why it is not known to be sent
		add(p.Claimed, "%s given to modem %s%s%s", name, p.Modem, attempt, because(p.Reason, open && p.Reported.IsZero()))
		if p.Reference != nil {
			add(p.Sent, "%s sent, reference %d%s", name, *p.Reference, because(p.Reason, p.Reported.IsZero()))
		}
		add(p.Reported, "status report for %s: %s%s", name, p.State, because(p.Reason, true))
	}
	for _, act := range m.Acts {
		add(act.At, "%s %s", cmp.Or(act.By, "an operator"), act.What)
	}
	if m.Final {
		add(m.Ended, "ended as %s%s", m.State, because(m.Reason, true))
	} else {
		if m.Due.After(time.Now()) {
			add(m.Due, "not before this time")
		}
		add(m.DoubtEnds, "the wait for evidence ends")
		add(m.Expires, "validity ends")
	}
	slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return list
}

// because adds a reason, where there is one and it belongs here.
func because(reason string, here bool) string {
	if reason == "" || !here {
		return ""
	}
	return ": " + strings.TrimSuffix(reason, ".")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func (a *app) messageCancel() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a message that no modem has had",
		Long: `Cancels a message for good, as the client could with cancel_sm; its receipt, if one was
asked for, says DELETED. It is refused once a modem has the message or has had it:
then nobody can call it back.`,
		Example: "  smsgateway message cancel 2105481234",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Message, error) {
				return c.CancelMessage(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, m)
			}
			a.say("Message %s is cancelled.", m.ID)
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}
