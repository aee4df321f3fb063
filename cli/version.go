package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// buildInfo is what version tells.
type buildInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    `Prints the version of this program, of the Go it was built with, and the system it was built for.`,
		Example: "  smsgateway version\n  smsgateway version --json",
		Args:    NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildInfo{a.env.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH}
			if asJSON {
				return PrintJSON(a.env.Stdout, v)
			}
			_, err := fmt.Fprintf(a.env.Stdout, "smsgateway %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
			return err
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}
