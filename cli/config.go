package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) configCommand() *cobra.Command {
	cmd := group("config", "The configuration: look at it, check it, put it into force",
		`The configuration file is read at the start; "reload" has the running gateway read it
again, without an end of sessions. config.toml.example explains each key.`,
		"  smsgateway config show\n  smsgateway config reload",
		a.configShow(), a.configReload(), a.configCertificate())
	cmd.AddCommand(a.env.ConfigExtra...)
	return cmd
}

func (a *app) configShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what is in force",
		Long: `Shows each key with its value, and which of them are the defaults: what is in force in
the running gateway; when none runs, what a start would find. PINs are not shown.
Behind it stands the fingerprint of the certificate for TLS. Changes nothing.`,
		Example: "  smsgateway config show\n  smsgateway config show --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Config, error) { return c.Config(cmd.Context()) })
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, c)
			}
			showConfig(a.env.Stdout, c)
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// showConfig writes it in the form of a configuration file, with what people want to know as comments.
func showConfig(w io.Writer, c admin.Config) {
	from := "no configuration file: the defaults"
	if c.File != "" {
		from = clean(c.File)
	}
	if c.Running {
		fmt.Fprintf(w, "# In force in the running gateway since %s. From: %s\n", clock(c.Read), from)
	} else {
		fmt.Fprintf(w, "# No gateway is running; a start would find this. From: %s\n", from)
	}
	head := ""
	for _, s := range c.Settings {
		table, key, ok := strings.Cut(s.Key, ".")
		if !ok {
			table, key = "", s.Key
		}
		if at := fmt.Sprint(table, " ", s.Modem, " ", s.Rule); ok && at != head {
			head = at
			form := "\n[%s]\n"
			if s.Modem != "" || s.Rule != 0 {
				form = "\n[[%s]]\n"
			}
			fmt.Fprintf(w, form, table)
		}
		line := key + " = " + clean(admin.TOML(s.Value))
		switch {
		case s.Hidden:
			line = "# " + key + " is set, and not shown"
		case s.Default:
			line += "  # default"
		}
		fmt.Fprintln(w, line)
	}
	if k := c.Certificate; k != nil {
		whose := "of yours"
		if k.Own {
			whose = "the gateway's own"
		}
		names := cmp.Or(strings.Join(k.Names, ", "), "no name or address (subjectAltName): most clients refuse it")
		fmt.Fprintf(w, "\n# Certificate for TLS (%s): %s\n# SHA-256 %s\n# valid until %s, for %s\n", whose, clean(k.File), k.SHA256,
			clock(k.Expires), clean(names))
	}
	if len(c.Restart) > 0 {
		fmt.Fprintf(w, "\n# The file has other values for these, which need a restart: %s\n", strings.Join(c.Restart, ", "))
	}
}

func (a *app) configReload() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: `The running gateway reads its file again, and puts into force what has changed, without
an end of sessions: defaults for messages and accounts, the timers of new sessions, the
rules for texts from phones, modems, the log, the certificate for TLS. It prints what
was applied, and which keys need a restart: data_dir and the addresses to listen at.

A file with faults, or one that has gone, changes nothing at all. SIGHUP does the same;
see the log then.`,
		Example: "  smsgateway config reload\n  smsgateway config reload --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Reloaded, error) { return c.Reload(cmd.Context()) })
			if err != nil {
				return err
			}
			for _, w := range r.Warnings {
				a.say("warning: %s", clean(w))
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, r)
			}
			for _, what := range r.Applied {
				fmt.Fprintf(a.env.Stdout, "applied  %s\n", clean(what))
			}
			for _, key := range r.Restart {
				fmt.Fprintf(a.env.Stdout, "restart  %s: in force after a restart of the gateway\n", clean(key))
			}
			if len(r.Applied)+len(r.Restart) == 0 {
				fmt.Fprintln(a.env.Stdout, "Nothing has changed.")
			}
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) configCertificate() *cobra.Command {
	return &cobra.Command{
		Use:   "certificate",
		Short: "Print the certificate for TLS, for clients to trust",
		Long: `Prints the certificate that clients of the TLS port get to see, in PEM form, without its
key. A client that is given it as the one it trusts knows that it speaks to this
gateway. Changes nothing.`,
		Example: "  smsgateway config certificate",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Config, error) { return c.Config(cmd.Context()) })
			switch {
			case err != nil:
				return err
			case c.Certificate == nil && c.Running:
				return fmt.Errorf("the gateway has no TLS port; set smpp.tls_listen")
			case c.Certificate == nil:
				return fmt.Errorf("there is no certificate: smpp.tls_listen is not set, or the gateway has not been started with it yet")
			}
			fmt.Fprint(a.env.Stdout, c.Certificate.PEM)
			a.say("SHA-256 %s", c.Certificate.SHA256)
			return nil
		},
	}
}
