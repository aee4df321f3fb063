package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

// mostExplained is the longest text in octets: message_payload has room for no more.
const mostExplained = 1<<16 - 1

func (a *app) messageExplain() *cobra.Command {
	var req admin.ExplainRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show how a text would go out",
		Long: `Shows in which alphabet a text would go out, in how many parts, and which characters
make it longer or impossible. It sends nothing, changes nothing and needs no running
gateway.

The text is UTF-8: --text, or standard input. With --hex it is the octets of a
submit_sm (its UDH in front, if --esm-class has 0x40), read as --data-coding says.`,
		Example: `  smsgateway message explain --text "It’s 5 o’clock" --account shop
  cat text.txt | smsgateway message explain
  smsgateway message explain --hex 0500030702016869 --esm-class 0x40 --data-coding 1 --json`,
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.explained(cmd, &req); err != nil {
				return err
			}
			x, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Explanation, error) {
				return c.Explain(cmd.Context(), req)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, x)
			}
			return a.showExplanation(x)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Text, "text", "", "the text; without it and --hex it is read from standard input")
	flags.StringVar(&req.Hex, "hex", "", "octets of a submit_sm in hexadecimal, instead of a text")
	flags.Uint8Var(&req.DataCoding, "data-coding", 0, "data_coding of the octets")
	flags.Uint8Var(&req.ESMClass, "esm-class", 0, "esm_class of the octets")
	flags.StringVar(&req.Account, "account", "", "Account Key whose settings count (default: the gateway's defaults)")
	jsonFlag(flags, &asJSON)
	return cmd
}

// explained takes the text from where it is.
func (a *app) explained(cmd *cobra.Command, req *admin.ExplainRequest) error {
	flags := cmd.Flags()
	text, octets := flags.Changed("text"), flags.Changed("hex")
	fault := usagef
	if !text && !octets {
		fault = fmt.Errorf // of standard input
	}
	switch {
	case text && octets:
		return usagef("give --text or --hex, not both")
	case !octets && (flags.Changed("data-coding") || flags.Changed("esm-class")):
		return usagef("--data-coding and --esm-class belong to --hex; a text is UTF-8")
	case octets:
		req.Hex = strings.Join(strings.Fields(req.Hex), "")
		if _, err := hex.DecodeString(req.Hex); err != nil || req.Hex == "" {
			return usagef("--hex: write octets as in 48656c6c6f")
		}
	case !text:
		b, err := io.ReadAll(io.LimitReader(a.env.Stdin, mostExplained+2)) // and a line's end
		if err != nil {
			return fmt.Errorf("read the text: %w", err)
		}
		req.Text = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	if !octets && !utf8.ValidString(req.Text) {
		return fault("the text is not UTF-8; give its octets with --hex, and --data-coding with it")
	}
	if n := max(len(req.Text), len(req.Hex)/2); n > mostExplained {
		return fault("the text has more than %d octets: no submit_sm has room for it", mostExplained)
	}
	return nil
}

func (a *app) showExplanation(x admin.Explanation) error {
	units := map[string]string{"gsm7": "septets", "ucs2": "UTF-16 units", "binary": "octets"}[x.Encoding]
	var goes, dcs, tables, sent string
	if x.Encoding != "" {
		goes, dcs = fmt.Sprintf("%s, %s", x.Encoding, plural(len(x.Parts), "part")), fmt.Sprintf("0x%02X", x.DCS)
	}
	if x.Locking != "" {
		tables = x.Locking + " (locking shift)"
	}
	if x.Single != "" {
		tables = strings.TrimPrefix(tables+", "+x.Single+" (single shift)", ", ")
	}
	if x.Sent != x.Text && x.Encoding != "" {
		sent = x.Sent
	}
	err := fields(a.env.Stdout, "Status", x.Status, "Read as", x.ReadAs, "Text", short(x.Text, 60), "Goes out as", goes,
		"National tables", tables, "TP-DCS", dcs, "Changed to", short(sent, 60))
	if err != nil {
		return err
	}
	if x.Encoding != "" {
		fmt.Fprintln(a.env.Stdout)
		err = table(a.env.Stdout, []string{"PART", strings.ToUpper(units), "LEFT"}, func(row func(...any)) {
			for i, p := range x.Parts {
				row(i+1, p.Used, p.Left)
			}
		})
	}
	if err == nil && len(x.Costly) > 0 {
		fmt.Fprintln(a.env.Stdout)
		err = table(a.env.Stdout, []string{"CHARACTER", "CODE POINT", "AT", "WHAT IT DOES"}, func(row func(...any)) {
			for _, c := range x.Costly {
				row(c.Character, c.CodePoint, places(c), cost(c, len(x.Parts)))
			}
		})
	}
	if err != nil {
		return err
	}
	if l := x.Like; l != nil && l.Text != x.Sent {
		_, err = fmt.Fprintf(a.env.Stdout, "\nTransliterated it would be %s: %s\n", plural(l.Parts, "part"), clean(short(l.Text, 60)))
	}
	if x.Narrow != nil && err == nil {
		_, err = fmt.Fprintf(a.env.Stdout, "\ndata_coding asks for UCS-2. GSM 7 bit has all its characters: %s with data_coding 0.\n",
			plural(x.Narrow.Parts, "part"))
	}
	return err
}

// places lists where a character is.
func places(c admin.CostlyRune) string {
	list := make([]string, len(c.Positions))
	for i, p := range c.Positions {
		list[i] = fmt.Sprint(p)
	}
	text := strings.Join(list, ", ")
	if more := c.Count - len(c.Positions); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// cost says what a character does to a text of so many parts; 0 are a text that does not go.
func cost(c admin.CostlyRune, parts int) string {
	what := "GSM 7 bit lacks it"
	if c.Septets == 2 {
		what = "takes 2 septets"
	}
	switch {
	case c.Without > 0 && parts == 0:
		what += "; without it the text would go, in " + plural(c.Without, "part")
	case c.Without > 0:
		what += fmt.Sprintf("; without it %s instead of %d", plural(c.Without, "part"), parts)
	}
	if c.Like != "" {
		what += "; like it: " + c.Like
	}
	return what
}
