package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/gateway"
)

// configCheckCommand looks at a file before anybody relies on it.
func configCheckCommand(configPath, dataDir *string, stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say what is wrong with a configuration file",
		Long: `Reads a configuration file, the one of --config or ./config.toml if none is named, and
prints all its faults at once, each with its line, the certificate's included. The exit
code is 1 if there is one. Warnings are what works, but is hardly meant. Nothing is
changed, and a gateway that runs is not asked.`,
		Example: "  smsgateway config check\n  smsgateway config check /etc/smsgateway/config.toml",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(_ *cobra.Command, args []string) error {
			path := *configPath
			if len(args) > 0 {
				path = args[0]
			}
			cfg, err := readConfig(path, *dataDir)
			if err != nil {
				return err
			}
			if _, err := cfg.certificateOnFile(); err != nil {
				return err
			}
			for _, w := range cfg.warnings() {
				fmt.Fprintf(stderr, "smsgateway: warning: %s\n", w)
			}
			if file := fileOf(path); file != "" {
				fmt.Fprintf(stdout, "%s has no faults.\n", file)
			} else {
				fmt.Fprintf(stdout, "There is no %s: the defaults hold.\n", defaultConfig)
			}
			return nil
		},
	}
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
