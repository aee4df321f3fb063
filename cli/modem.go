package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) modemCommand() *cobra.Command {
	cmd := group("modem", "The GSM modems that send",
		`The modems of the configuration, one [[modem]] each: how they are, what is at the ports,
and an operator's own commands, between two texts. See "doctor" for what is wrong.`,
		"  smsgateway modem list\n  smsgateway modem show modem1\n  smsgateway modem probe",
		a.modemList(), a.modemShow(), a.modemProbe(), a.modemAT(), a.modemUSSD(), a.modemBalance(),
		a.modemReset(), a.modemPause(), a.modemResume())
	cmd.AddCommand(a.env.ModemExtra...)
	return cmd
}

func (a *app) modemList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the modems and how they are",
		Long: `Lists the configured modems with state, network, signal, and what they did since the
gateway's start, and why one takes no work now. The last error stays shown when the
trouble is over. Changes nothing.`,
		Example: "  smsgateway modem list\n  smsgateway modem list --json",
		Args:    NoArgs,
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
				return PrintJSON(a.env.Stdout, list)
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
	head := []string{"NAME", "STATE", "PAUSED", "PORT", "NETWORK", "SIGNAL", "REPORTS", "SENT", "REFUSED", "UNCERTAIN",
		"RECEIVED"}
	err := table(a.env.Stdout, head, func(row func(...any)) {
		for _, m := range list {
			network, signal := m.Operator, ""
			if m.SignalDBm != 0 {
				signal = fmt.Sprintf("%d dBm", m.SignalDBm)
			}
			if m.NetworkIsOld {
				network, signal = "", ""
			}
			row(m.Name, m.State, yesNo(m.Paused), m.Port, network, signal, yesNo(m.Reports), m.Sent, m.Refused,
				m.Uncertain, m.Received)
		}
	})
	for _, m := range list {
		for _, note := range notesOf(m) {
			fmt.Fprintf(a.env.Stdout, "%s %s\n", clean(m.Name), clean(note))
		}
	}
	return err
}

// notesOf says what is not well with a modem: what follows its name, a sentence each.
func notesOf(m admin.Modem) (list []string) {
	old := m.LastError != "" && (m.ErrorIsOld || m.Ready())
	if !m.Ready() && m.State != "stopped" { // all are stopped where no gateway runs, which has been said
		why := ""
		switch {
		case m.LastError != "" && !old:
			why = ": " + m.LastError
		case m.State == "searching" && m.Registration != "":
			why = ": " + m.Registration
		}
		list = append(list, fmt.Sprintf("%s since %s%s", m.StateWords, clock(m.Since), why))
	}
	if m.Awaited != "" && m.Waiting != m.Awaited {
		list = append(list, "has not answered: "+m.Awaited)
	}
	if m.Waiting != "" && (m.Ready() || m.Paused) { // else its state says it
		list = append(list, "takes no work now: "+m.Waiting)
	}
	if old {
		when := "had trouble before that, at "
		if m.Ready() {
			when = "had trouble last at "
		}
		list = append(list, when+clock(m.LastErrorAt)+": "+m.LastError)
	}
	for i, note := range list {
		list[i] = strings.TrimSuffix(note, ".") + "."
	}
	return list
}

func (a *app) modemShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show all that is known of a modem",
		Long: `Shows a modem with its port, SIM, network and signal, what it is for, what is left of
its budget and its credit, why it takes no work now, and what the gateway did to bring
it back when it was in trouble. Changes nothing.`,
		Example: "  smsgateway modem show modem1\n  smsgateway modem show modem1 --json",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.ModemDetail, error) {
				return c.Modem(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, m)
			}
			return a.showModem(m)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// modemColumn is where the values of modem show stand: two behind its longest name.
const modemColumn = len("Registration") + 2

func (a *app) showModem(m admin.ModemDetail) error {
	errorName, waiting := "Last error", "yes"
	if m.ErrorIsOld {
		errorName = "Before that"
	}
	if m.Waiting != "" {
		waiting = "no. " + m.Waiting
	}
	err := fieldsAt(a.env.Stdout, modemColumn, slices.Concat(
		[]any{"Modem", m.Name, "State", stateOf(m), "Takes work", waiting},
		troubleOf(m),
		[]any{
			"Port", m.Port,
			"Device", m.Device,
			"Hardware", strings.TrimSpace(m.Manufacturer + " " + m.Model + " " + m.Revision),
			"IMEI", m.IMEI,
			"SIM", m.ICCID,
			"IMSI", m.IMSI,
			"Network", lastKnown(m, m.Operator),
			"Registration", lastKnown(m, m.Registration),
			"Signal", lastKnown(m, signalOf(m)),
			"SMSC", m.SMSC,
		},
		abilitiesOf(m),
		[]any{
			"For", m.Route,
			"Spill-over", spillWords(m),
			"Quiet hours", m.QuietHours,
			"Sent", m.Sent,
			"Refused", m.Refused,
			"Uncertain", m.Uncertain,
			"Received", m.Received,
			"Line opened", plural(int(m.Opens), "time"),
			errorName, m.LastError,
			"At", clock(m.LastErrorAt),
		})...)
	if err != nil {
		return err
	}
	return a.showModemTables(m)
}

func stateOf(m admin.ModemDetail) string {
	state := m.State + " since " + clock(m.Since)
	if m.State == "sending" {
		state = m.State + ", ready since " + clock(m.Since)
	}
	if !m.Unregistered.IsZero() && m.Ready() {
		state += ", but the network carries none of its texts since " + clock(m.Unregistered)
	}
	return state
}

func signalOf(m admin.ModemDetail) string {
	if m.SignalDBm == 0 {
		return ""
	}
	return fmt.Sprintf("%d dBm, %s", m.SignalDBm, m.SignalWord)
}

// troubleOf is what keeps the modem from its work.
func troubleOf(m admin.ModemDetail) []any {
	var paused, barred, unwell string
	if m.Paused {
		paused = strings.TrimSuffix("since "+clock(m.PausedAt)+": "+m.PausedReason, ": ")
	}
	if !m.BarredUntil.IsZero() {
		barred = "until " + clock(m.BarredUntil) + ": the network does not let its SIM send"
	}
	if !m.Unwell.IsZero() {
		unwell = "since " + clock(m.Unwell)
	}
	awaited := m.Awaited
	if strings.Contains(m.Waiting, awaited) {
		awaited = "" // said already
	}
	return []any{"Awaited", awaited, "Paused", paused, "Barred", barred, "Alarm", m.Alarm, "Down", m.DownCause, "Unwell", unwell}
}

// abilitiesOf is what the modem can do, as far as it has been set up.
func abilitiesOf(m admin.ModemDetail) []any {
	var reports, texts, keeps string
	switch {
	case m.Reports && m.ReportsStored:
		reports = "yes, through the modem's memory"
	case m.Reports:
		reports = "yes, directly"
	case m.Ready():
		reports = "no"
	}
	if m.Ready() {
		texts, keeps = strings.TrimSpace("through the modem's memory "+m.Store), yesNo(m.KeepsLink)+" (AT+CMMS)"
	}
	return []any{"Reports", reports, "Texts arrive", texts, "Memory", m.MemoryFull, "Keeps link", keeps}
}

// lastKnown marks what a modem whose line is not open said of its network.
func lastKnown(m admin.ModemDetail, value string) string {
	if value == "" || !m.NetworkIsOld {
		return value
	}
	return "last known: " + value
}

func spillWords(m admin.ModemDetail) string {
	switch {
	case m.SpillAfter == "":
		return ""
	case m.Spills:
		return "after " + m.SpillAfter + "; others take what is for it now"
	}
	return "after " + m.SpillAfter
}

// causeWidth is how wide the causes of what was done are.
const causeWidth = 70

func sameClimb(a, b admin.Climb) bool {
	return a.Rung == b.Rung && a.Times == b.Times && a.Last.Equal(b.Last) && a.Cause == b.Cause
}

// showModemTables prints what has several lines: budget, balance, and what was done in trouble.
func (a *app) showModemTables(m admin.ModemDetail) error {
	w := a.env.Stdout
	if len(m.Budget) > 0 {
		fmt.Fprintln(w)
		err := table(w, []string{"BUDGET", "USED", "LIMIT", "RESETS"}, func(row func(...any)) {
			for _, b := range m.Budget {
				row("this "+b.Window, b.Used, b.Limit, clock(b.Resets))
			}
		})
		if err != nil {
			return err
		}
	}
	if m.Balance != nil {
		fmt.Fprintln(w)
		if err := a.showBalance(*m.Balance); err != nil {
			return err
		}
	}
	for i, part := range []struct {
		head   string
		climbs []admin.Climb
	}{{"DONE SINCE IT IS UNWELL", m.Ladder}, {"DONE SINCE THE START", m.Climbed}} {
		if len(part.climbs) == 0 || i > 0 && slices.EqualFunc(m.Ladder, m.Climbed, sameClimb) {
			continue
		}
		fmt.Fprintln(w)
		err := table(w, []string{part.head, "TIMES", "LAST", "CAUSE"}, func(row func(...any)) {
			for _, c := range part.climbs {
				cause := wrapped(clean(c.Cause), causeWidth)
				row(c.Rung, c.Times, clock(c.Last), cause[0])
				for _, more := range cause[1:] {
					row("", "", "", more)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showBalance(b admin.Balance) error {
	said := b.Amount
	switch {
	case said == "":
		said = "not known yet"
	case b.Low && b.Ignored:
		said += ", which is low; it works all the same until the next reading"
	case b.Bare && b.Limit != "":
		said += ", a number without a currency: it is not compared with balance_low; see balance_match"
	case b.Low:
		said += ", which is low"
	}
	return fieldsAt(a.env.Stdout, modemColumn, "Balance", said, "Read", clock(b.At), "Network said", b.Text, "Low below",
		b.Limit, "Trouble", b.Trouble)
}
