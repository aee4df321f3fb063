package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

// probed is a port, and what a look at it showed.
type probed struct {
	admin.Port
	Probe *admin.Probe `json:"probe,omitempty"` // nil: not looked at, or Error
	Error string       `json:"error,omitempty"`
	Skip  string       `json:"skipped,omitempty"` // why it was not looked at
}

// survey is the result of modem probe.
type survey struct {
	Ports  []probed      `json:"ports"`
	Sticks []admin.Stick `json:"sticks"`
	Config string        `json:"config,omitempty"` // [[modem]] entries for those that can be used
}

func (a *app) modemProbe() *cobra.Command {
	var asJSON bool
	var baud int
	cmd := &cobra.Command{
		Use:   "probe [PORT...]",
		Short: "Look which modems are at the ports of this machine",
		Long: `Looks at all ports of USB modems and serial adapters, or at those that are named: who
answers there, what it can do, how its SIM and its network are. For each modem that can
send texts it prints a [[modem]] for the configuration.

Ports that the running gateway uses are not opened. A look takes a few seconds a port,
enters no PIN, sends nothing and changes nothing that lasts. Ports of the machine itself
(/dev/ttyS0) are looked at when they are named.`,
		Example: "  smsgateway modem probe\n  smsgateway modem probe /dev/ttyUSB2 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if wrong := admin.BaudFault(baud); cmd.Flags().Changed("baud") && wrong != "" {
				return usagef("--baud is %d, %s", baud, wrong)
			}
			return a.with(cmd.Context(), func(c *admin.Client) error {
				found, err := a.survey(cmd.Context(), c, args, baud)
				if err != nil {
					return err
				}
				if asJSON {
					err = PrintJSON(a.env.Stdout, found)
				} else {
					err = a.showSurvey(found)
				}
				return errors.Join(err, surveyError(found, args))
			})
		},
	}
	cmd.Flags().IntVar(&baud, "baud", 0, "rate of serial lines (default 115200)")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// surveyError: a port that was asked for could not be looked at.
func surveyError(found survey, args []string) error {
	failed := 0
	for _, p := range found.Ports {
		if p.Error != "" {
			failed++
		}
	}
	if failed == 0 || len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s could not be looked at", plural(failed, "port"))
}

// survey looks at the ports that args name, at all of them for none.
func (a *app) survey(ctx context.Context, c *admin.Client, args []string, baud int) (survey, error) {
	found := survey{Ports: []probed{}, Sticks: []admin.Stick{}}
	if len(args) == 0 {
		all, err := c.Ports(ctx)
		if err != nil {
			return survey{}, err
		}
		found.Sticks = all.Sticks
		for _, p := range all.Ports {
			found.Ports = append(found.Ports, probed{Port: p})
		}
	}
	for _, path := range args {
		p, err := c.Port(ctx, path)
		if err != nil {
			if ctx.Err() != nil {
				return survey{}, err
			}
			found.Ports = append(found.Ports, probed{Port: admin.Port{Path: path, Device: path, Interface: -1},
				Error: err.Error()})
			continue
		}
		p.Path = path
		found.Ports = append(found.Ports, probed{Port: p})
	}
	for i := range found.Ports {
		if err := a.probe(ctx, c, &found.Ports[i], len(args) > 0, baud); err != nil {
			return survey{}, err
		}
	}
	modems, err := c.Modems(ctx)
	if err != nil {
		return survey{}, err
	}
	found.Config = snippets(found.Ports, modems)
	return found, nil
}

// probe looks at one port, unless the gateway uses it, or its stick and nobody asked for this very port.
func (a *app) probe(ctx context.Context, c *admin.Client, p *probed, named bool, baud int) error {
	switch {
	case p.Error != "":
		return nil
	case p.Modem != "":
		p.Skip = fmt.Sprintf("in use: modem %s (%s)", p.Modem, p.ModemState)
		return nil
	case p.ModemOfStick != "" && !named:
		p.Skip = fmt.Sprintf("another port of the stick is in use: modem %s", p.ModemOfStick)
		return nil
	}
	if isTerminal(a.env.Stderr) {
		a.say("Looking at %s ...", clean(p.Path))
	}
	var result admin.Probe
	err := patiently(ctx, a, c, "", waitProbe, func() (err error) {
		result, err = c.Probe(ctx, p.Path, baud)
		return err
	})
	var refused *admin.Error
	switch {
	case err == nil:
		p.Probe = &result
	case errors.As(err, &refused):
		p.Error = refused.Message
	default:
		return err
	}
	return nil
}

func (a *app) showSurvey(found survey) error {
	w := a.env.Stdout
	for _, p := range found.Ports {
		names := p.Path
		if p.Device != p.Path {
			names += " = " + p.Device
		}
		fmt.Fprintln(w, clean(names))
		var usb []string
		for _, s := range []string{p.Name, p.USB} {
			if s != "" {
				usb = append(usb, s)
			}
		}
		if p.USB != "" && p.Interface >= 0 {
			usb = append(usb, fmt.Sprintf("interface %d", p.Interface))
		}
		pairs := append([]any{"  USB", strings.Join(usb, ", ")}, probeFields(p)...)
		if err := fields(w, pairs...); err != nil {
			return err
		}
	}
	for _, s := range found.Sticks {
		fmt.Fprintf(w, "%s\n  %s\n  -> %s\n", clean(strings.TrimSpace(s.Name+" "+s.USB)), clean(s.What), clean(s.Cure))
	}
	if len(found.Ports) == 0 {
		a.say("No port of a modem is there; plug one in, or name a serial port: smsgateway modem probe /dev/ttyS0")
	}
	if found.Config != "" {
		a.say("For the configuration:")
		fmt.Fprintf(w, "\n%s", found.Config)
	}
	return nil
}

// probeFields are the names and values of what a look showed.
func probeFields(p probed) []any {
	switch {
	case p.Skip != "":
		return []any{"  Not opened", p.Skip}
	case p.Error != "":
		return []any{"  Not opened", p.Error}
	case !p.Probe.AnswersAT:
		return []any{"  AT", "no answer: another port of a stick, no modem, or one that is starting"}
	}
	m := p.Probe
	sim, signal, texts := m.SIM, "", "no: it knows no commands for texts in PDU mode"
	if m.WantsPIN && m.PINTries > 0 {
		sim += fmt.Sprintf(" (%s left)", triesWord(m.PINTries))
	}
	if m.SignalDBm != 0 {
		signal = fmt.Sprintf("%d dBm, %s", m.SignalDBm, m.SignalWord)
	}
	if m.SMS {
		texts = "yes"
		if m.KeepsLink {
			texts += ", several over one link (AT+CMMS)"
		}
	}
	store := ""
	if m.StoreRoom > 0 {
		store = fmt.Sprintf("%s, %d of %d used", m.Store, m.StoreUsed, m.StoreRoom)
	}
	return []any{
		"  Modem", strings.TrimSpace(m.Manufacturer + " " + m.Model + " " + m.Revision),
		"  IMEI", m.IMEI,
		"  SIM", strings.TrimSpace(sim + " " + m.ICCID),
		"  Network", strings.TrimPrefix(m.Operator+", "+m.Registration, ", "),
		"  Signal", signal,
		"  SMSC", m.SMSC,
		"  Texts", texts,
		"  Reports", yesNo(m.Reports),
		"  Memory", store,
	}
}

func triesWord(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// snippets writes a [[modem]] for each modem that can send texts and is not in use: once, though a stick answers at
// several ports. The first is the best: ports come so ordered.
func snippets(ports []probed, have []admin.Modem) string {
	var b strings.Builder
	seen, names := map[string]bool{}, map[string]bool{}
	for _, m := range have {
		names[m.Name] = true
		if m.IMEI != "" {
			seen[m.IMEI] = true
		}
	}
	for _, p := range ports {
		m := p.Probe
		if m == nil || !m.SMS || seen[m.IMEI] {
			continue
		}
		port := p.Path
		if m.Spec != "" {
			seen[m.IMEI] = true
			port = m.Spec
		}
		name := nameFor(m.Model, names)
		names[name] = true
		fmt.Fprintf(&b, "[[modem]]\nname = %q\nport = %q\n", name, port)
		if m.WantsPIN {
			b.WriteString("pin = \"\"            # the SIM asks for it\n")
		}
		if m.SIM == "ready" && m.SMSC == "" {
			b.WriteString("smsc = \"\"           # the SIM does not name its service centre; the operator does\n")
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// maxName is the longest name that is made of a model.
const maxName = 20

// nameFor makes a name of a model that none has yet: its letters and digits with single dashes between them, or modem1,
// modem2 ... where that is nothing or long.
func nameFor(model string, taken map[string]bool) string {
	name := strings.Join(strings.FieldsFunc(strings.ToLower(model), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
	form, n := name+"-%d", 2
	unique := name
	if name == "" || len(name) > maxName {
		form, n, unique = "modem%d", 2, "modem1"
	}
	for ; taken[unique]; n++ {
		unique = fmt.Sprintf(form, n)
	}
	return unique
}
