package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/cli"
	"smsgateway/gateway"
)

// configCheckCommand looks at a file before anybody relies on it.
func configCheckCommand(configPath, dataDir *string, stdout, stderr io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say what is wrong with a configuration file",
		Long: `Reads a configuration file, the one of --config or ./config.toml if none is named, and
prints all its faults at once, each with its line, the certificate's included. The exit
code is 1 if there is one. Warnings are what works, but is hardly meant. Nothing is
changed, and a gateway that runs is not asked.`,
		Example: "  smsgateway config check\n  smsgateway config check /etc/smsgateway/config.toml --json",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(_ *cobra.Command, args []string) error {
			path := *configPath
			if len(args) > 0 {
				path = args[0]
			}
			cfg, err := checked(readConfig(path, *dataDir))
			file := fileOf(path)
			if asJSON {
				return printCheck(stdout, file, cfg, err)
			}
			if err != nil {
				return err
			}
			for _, w := range cfg.warnings() {
				fmt.Fprintf(stderr, "smsgateway: warning: %s\n", w)
			}
			if file != "" {
				fmt.Fprintf(stdout, "%s has no faults.\n", file)
			} else {
				fmt.Fprintf(stdout, "There is no %s: the defaults hold.\n", defaultConfig)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	return cmd
}

// checked looks at what else a start would look at, of a configuration that was read. The error is all faults.
func checked(cfg config, err error) (config, error) {
	if err == nil {
		_, err = cfg.certificateOnFile()
	}
	return cfg, err
}

// configCheck is what config check tells scripts.
type configCheck struct {
	File     string        `json:"file"` // "" none: the defaults hold
	Faults   []configFault `json:"faults"`
	Warnings []string      `json:"warnings"` // of a file without faults
}

// configFault is one thing to mend.
type configFault struct {
	Line int    `json:"line,omitempty"` // 0: that of a key that is not in the file, or not known
	Key  string `json:"key,omitempty"`  // "smpp.listen"; "" none in particular
	What string `json:"what"`           // a sentence, the key included
}

// printCheck prints what was found for scripts. The error says that there are faults.
func printCheck(w io.Writer, file string, cfg config, err error) error {
	v := configCheck{File: file, Faults: []configFault{}, Warnings: []string{}}
	for _, err := range faultsOf(err) {
		f := configFault{What: err.Error()}
		if at := (faultAt{}); errors.As(err, &at) {
			f = configFault{at.line, at.key(), at.err.Error()}
		}
		v.Faults = append(v.Faults, f)
	}
	if err == nil {
		v.Warnings = append(v.Warnings, cfg.warnings()...)
	}
	if err := cli.PrintJSON(w, v); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("the configuration has faults: %d", len(v.Faults))
	}
	return nil
}

// faultsOf takes faults that were joined apart.
func faultsOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// warnings are sentences about what is no fault, and hardly meant.
func (c config) warnings() (list []string) {
	c.samePorts(func(m, o modemConfig, device string) {
		list = append(list, fmt.Sprintf("modems %s and %s have one port now, %s; give each its own", o.Name, m.Name, device))
	})
	for _, what := range gateway.HiddenRules(c.inboundRules()) {
		list = append(list, what+"; the first rule that fits counts")
	}
	if len(c.Modems) == 0 {
		list = append(list, "no [[modem]]: messages are accepted and wait")
	}
	if why := c.readableByAll(); why != "" {
		list = append(list, why)
	}
	if cert, err := c.certificateOnFile(); err == nil && cert != nil {
		switch left := time.Until(cert.Expires); {
		case left <= 0:
			list = append(list, fmt.Sprintf("the certificate in %s has expired at %s", cert.Path, cert.Expires.Local().Format(time.DateTime)))
		case left <= gateway.CertificateEndsSoon:
			list = append(list, fmt.Sprintf("the certificate in %s expires at %s", cert.Path, cert.Expires.Local().Format(time.DateTime)))
		}
	}
	return list
}

// samePorts tells of modems whose ports lead to one device now: m and the one before it.
func (c config) samePorts(tell func(m, before modemConfig, device string)) {
	first := make(map[string]modemConfig) // by the path without links
	for _, m := range c.Modems {
		if !filepath.IsAbs(m.Port) {
			continue
		}
		device, err := filepath.EvalSymlinks(m.Port)
		if err != nil {
			continue
		}
		if before, ok := first[device]; ok {
			tell(m, before, device)
			continue
		}
		first[device] = m
	}
}
