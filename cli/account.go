package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smsgateway/admin"
)

func (a *app) accountCommand() *cobra.Command {
	return group("account", "Who may send: accounts for SMPP clients",
		`An account is what an SMPP client binds with: its Account Key is the system_id.
Changes count at once, also in a gateway that runs.`,
		"  smsgateway account add --key shop --name Shop\n  smsgateway account list",
		a.accountAdd(), a.accountList(), a.accountShow(), a.accountPassword(),
		a.accountDisable(), a.accountEnable(), a.accountSet(), a.accountRemove(),
		a.accountRefused(), a.accountUnban())
}

func (a *app) accountAdd() *cobra.Command {
	var req admin.NewAccount
	var fromStdin, asJSON bool
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add an account with which a client can bind",
		Long: `Adds an account. Without --key the Account Key is made: 10 capitals and digits.

The password is asked for twice on a terminal, or read from the first line of
standard input with --password-stdin. Otherwise, or when just Enter is pressed, one
is made and shown, this once. It is kept as a hash; nobody can ask for it later.`,
		Example: `  smsgateway account add --name Shop
  pass show shop | smsgateway account add --key shop --name "Shop" --password-stdin
  smsgateway account add --key alarm --uncertain resend --json`,
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if req.Password, err = a.password(cmd.Context(), fromStdin); err != nil {
				return err
			}
			req.Settings = settingsOf(cmd.Flags())
			var made admin.Credentials
			err = a.withNew(cmd.Context(), func(c *admin.Client) (err error) {
				made, err = c.AddAccount(cmd.Context(), req)
				return err
			})
			if err != nil {
				return err
			}
			return a.showCredentials(made, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Key, "key", "", "Account Key, 1-15 characters; made if not given")
	settingFlags(flags)
	passwordFlag(flags, &fromStdin)
	jsonFlag(flags, &asJSON)
	return cmd
}

// showCredentials prints a key, and the password if the gateway made it.
func (a *app) showCredentials(made admin.Credentials, asJSON bool) error {
	if made.Password != "" {
		a.say("The password is shown this once; keep it now.")
	}
	if asJSON {
		return PrintJSON(a.env.Stdout, made)
	}
	return fields(a.env.Stdout, "Account Key", made.Key, "Password", made.Password)
}

func (a *app) accountList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Long:    `Lists the accounts by key, with the sessions that each has bound. Changes nothing.`,
		Example: "  smsgateway account list\n  smsgateway account list --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := fetch(cmd.Context(), a, func(c *admin.Client) ([]admin.Account, error) { return c.Accounts(cmd.Context()) })
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, list)
			}
			if len(list) == 0 {
				a.say("There is no account yet; make one with: smsgateway account add")
				return nil
			}
			return a.listAccounts(list)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) listAccounts(list []admin.Account) error {
	head := []string{"KEY", "NAME", "MAY BIND", "SESSIONS"}
	for _, s := range admin.AccountSettings() {
		if s.Column {
			head = append(head, strings.ToUpper(title(s)))
		}
	}
	return table(a.env.Stdout, append(head, "CREATED"), func(row func(...any)) {
		for _, acct := range list {
			cells := []any{acct.Key, acct.Settings["name"], yesNo(mayBind(acct)), acct.Sessions}
			for _, s := range admin.AccountSettings() {
				if s.Column {
					cells = append(cells, cmp.Or(acct.Settings[s.Name], "default"))
				}
			}
			row(append(cells, clock(acct.Created))...)
		}
	})
}

func (a *app) accountShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show one account and its sessions",
		Long: `Shows an account's settings, with what holds where one is unset, what it has used of
its limits, what was refused since the gateway started, when and why a bind was last
refused, and who is bound with it. Changes nothing.`,
		Example: "  smsgateway account show shop\n  smsgateway account show shop --json",
		Args:    oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			acct, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Account, error) {
				return c.Account(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, acct)
			}
			return a.showAccount(acct)
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) showAccount(acct admin.Account) error {
	pairs := []any{"Account Key", acct.Key}
	for _, s := range admin.AccountSettings() {
		value := acct.Settings[s.Name]
		if unset, ok := acct.Defaults[s.Name]; ok && value == "" {
			value = "default (" + cmp.Or(unset, "no limit") + ")"
		}
		if most := acct.Defaults["window"]; s.Name == "window" && exceeds(value, most) {
			value += " (smpp.window holds it to " + most + ")"
		}
		pairs = append(pairs, title(s), value)
		if s.Name == "name" {
			pairs = append(pairs, "May bind", bindable(acct))
		}
	}
	pairs = append(pairs, "Created", clock(acct.Created), "Sessions", acct.Sessions)
	pairs = append(pairs, useOf(acct)...)
	pairs = append(pairs, lastBinds(acct.Binds)...)
	for _, h := range acct.Hints {
		pairs = append(pairs, "Hint", fmt.Sprintf("%s (%s): %s", h.Looks, plural(h.Texts, "text"), h.Mend))
	}
	err := fields(a.env.Stdout, pairs...)
	if err != nil || len(acct.Bound) == 0 {
		return err
	}
	fmt.Fprintln(a.env.Stdout)
	return table(a.env.Stdout, []string{"SESSION", "KIND", "FROM", "SINCE"}, func(row func(...any)) {
		for _, s := range acct.Bound {
			row(s.ID, s.Kind, s.Remote, clock(s.Since))
		}
	})
}

// bindable says whether clients may bind with an account, and why not.
func bindable(acct admin.Account) string {
	switch {
	case acct.BuiltIn:
		return "no: it is built in, for smsgateway send"
	case acct.Disabled:
		return "no: it is disabled; see smsgateway account enable"
	case acct.Expired:
		return "no: it has expired; see smsgateway account set --expires"
	}
	return "yes"
}

func mayBind(acct admin.Account) bool { return !acct.Disabled && !acct.BuiltIn && !acct.Expired }

// exceeds tells whether a whole number is above another; a text that is none is not.
func exceeds(number, most string) bool {
	n, err := strconv.Atoi(number)
	m, errMost := strconv.Atoi(most)
	return err == nil && errMost == nil && n > m
}

// useOf tells how an account stands to its limits.
func useOf(acct admin.Account) []any {
	use, queue := acct.Use, plural(acct.Use.Queued, "message")
	if !use.Oldest.IsZero() {
		queue += ", the oldest due since " + clock(use.Oldest)
	}
	var refused []string
	for _, reason := range slices.Sorted(maps.Keys(use.Refused)) {
		refused = append(refused, fmt.Sprintf("%s %d", reason, use.Refused[reason]))
	}
	return []any{"Queue", queue, "Today", quota(use.Day), "This month", quota(use.Month), "Refused", strings.Join(refused, ", ")}
}

// quota says how much of a day's or month's parts is used, and when counting begins anew.
func quota(q admin.Quota) string {
	if q.Limit == 0 {
		return fmt.Sprintf("%d parts", q.Used)
	}
	return fmt.Sprintf("%d of %d parts, anew at %s", q.Used, q.Limit, clock(q.Ends))
}

func (a *app) accountPassword() *cobra.Command {
	var fromStdin, asJSON bool
	cmd := &cobra.Command{
		Use:   "password KEY",
		Short: "Give an account another password",
		Long: `Puts another password in force and ends the sessions that were bound with the old
one. It is asked for twice on a terminal, or read from the first line of standard
input with --password-stdin. Otherwise, or when just Enter is pressed, one is made
and shown, this once.`,
		Example: "  smsgateway account password shop\n  pass show shop | smsgateway account password shop --password-stdin",
		Args:    oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.password(cmd.Context(), fromStdin)
			if err != nil {
				return err
			}
			made, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Credentials, error) {
				return c.SetPassword(cmd.Context(), args[0], password)
			})
			if err != nil {
				return err
			}
			return a.showCredentials(made, asJSON)
		},
	}
	passwordFlag(cmd.Flags(), &fromStdin)
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) accountDisable() *cobra.Command {
	return &cobra.Command{
		Use:   "disable KEY",
		Short: "Bar an account",
		Long: `Ends the account's sessions and lets nobody bind with it. Its messages that wait are
held back, and go on waiting until it is enabled again or their validity ends.`,
		Example: "  smsgateway account disable shop",
		Args:    oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args[0], "is disabled; its messages are held back", func(c *admin.Client) error {
				return c.SetDisabled(cmd.Context(), args[0], true)
			})
		},
	}
}

func (a *app) accountEnable() *cobra.Command {
	return &cobra.Command{
		Use:     "enable KEY",
		Short:   "Let a barred account in again",
		Long:    `Lets clients bind with the account again and sends its messages that waited.`,
		Example: "  smsgateway account enable shop",
		Args:    oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args[0], "is enabled", func(c *admin.Client) error {
				return c.SetDisabled(cmd.Context(), args[0], false)
			})
		},
	}
}

func (a *app) accountRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove KEY",
		Short: "Remove an account",
		Long: `Removes an account for good, ends its sessions, and drops receipts and texts that
wait for it. It is refused as long as messages of the account wait to be sent.
A later account with the same key is another one and sees nothing of this one's.`,
		Example: "  smsgateway account remove shop",
		Args:    oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args[0], "is removed", func(c *admin.Client) error {
				return c.RemoveAccount(cmd.Context(), args[0])
			})
		},
	}
}

// change does something to an account and says so.
func (a *app) change(cmd *cobra.Command, key, done string, f func(*admin.Client) error) error {
	if err := a.with(cmd.Context(), f); err != nil {
		return err
	}
	a.say("Account %s %s.", clean(key), done)
	return nil
}

func (a *app) accountSet() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set KEY",
		Short: "Change an account's settings",
		Long: `Changes the settings that are given as flags and leaves the others. They count at
once, also for sessions that are bound: those that the account may no longer have
are ended. 0 or "" brings back what the configuration says.`,
		Example: "  smsgateway account set shop --name \"New shop\" --max-parts 1\n  smsgateway account set shop --alphabet \"\"\n" +
			"  smsgateway account set shop --rate 10/s --per-day 500 --destinations +49,-+4990 --expires 2027-12-31",
		Args: oneArg("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change := settingsOf(cmd.Flags())
			if len(change) == 0 {
				return usagef("say what to change, as in --max-parts 3")
			}
			acct, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Account, error) {
				return c.ChangeAccount(cmd.Context(), args[0], change)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, acct)
			}
			return a.showAccount(acct)
		},
	}
	settingFlags(cmd.Flags())
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// settingFlags makes a flag of each setting.
func settingFlags(flags *pflag.FlagSet) {
	for _, s := range admin.AccountSettings() {
		help := s.Help + ": " + s.Form
		if s.Number {
			flags.Int(flagName(s), 0, help)
		} else {
			flags.String(flagName(s), "", help)
		}
	}
}

// settingsOf gives the settings whose flags were given.
func settingsOf(flags *pflag.FlagSet) admin.Settings {
	given := make(admin.Settings)
	for _, s := range admin.AccountSettings() {
		if f := flags.Lookup(flagName(s)); f.Changed {
			given[s.Name] = f.Value.String()
		}
	}
	return given
}

func flagName(s admin.Setting) string { return strings.ReplaceAll(s.Name, "_", "-") }

// title is a setting's name as people read it: "Max parts".
func title(s admin.Setting) string {
	return strings.ToUpper(s.Name[:1]) + strings.ReplaceAll(s.Name[1:], "_", " ")
}

func passwordFlag(flags *pflag.FlagSet, v *bool) {
	flags.BoolVar(v, "password-stdin", false, "read the password from the first line of standard input")
}

func jsonFlag(flags *pflag.FlagSet, v *bool) {
	flags.BoolVar(v, "json", false, "print JSON, for scripts")
}
