package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

// progressEvery is how often a command looks how far its work is.
const progressEvery = 500 * time.Millisecond

func (a *app) compactCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Make the database small again, and erase what was deleted",
		Long: `Writes gateway.db anew, with what is there and nothing else: what was freed goes back to
the disk, and texts, numbers and passwords that were deleted can't be found in the file
any more. The gateway goes on meanwhile. It takes room on the disk for both files until
the new one takes the place of the old one; without that room nothing is begun.

Interrupted at any moment, by Ctrl-C or a power cut, it leaves a whole file. A running
gateway does all this by itself when texts have been deleted for store.erase_within, or
much of the file is free.`,
		Example: "  smsgateway compact\n  smsgateway compact --json",
		Args:    NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := fetch(cmd.Context(), a, func(c *admin.Client) (admin.Compacted, error) {
				end := a.progress(cmd.Context(), func(ctx context.Context) (done, total int64, err error) {
					f, err := c.File(ctx)
					return f.Done, f.Total, err
				})
				defer end()
				return c.Compact(cmd.Context())
			})
			switch {
			case err != nil && errors.Is(cmd.Context().Err(), context.Canceled):
				return errors.New("interrupted: the file is as it was")
			case err != nil:
				return err
			case asJSON:
				return PrintJSON(a.env.Stdout, done)
			}
			fmt.Fprintf(a.env.Stdout, "gateway.db had %s and has %s. It took %s; nothing could be written for %s of it.\n",
				octets(done.Before), octets(done.After), seconds(done.Took), seconds(done.Stall))
			return nil
		},
	}
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// progress shows on a terminal how far some work is, until end is called.
func (a *app) progress(ctx context.Context, look func(ctx context.Context) (done, total int64, err error)) (end func()) {
	if !isTerminal(a.env.Stderr) {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		said := false
		for {
			select {
			case <-time.After(progressEvery):
			case <-ctx.Done():
				if said {
					fmt.Fprint(a.env.Stderr, "\r\033[K")
				}
				return
			}
			if done, total, err := look(ctx); err == nil && total > 0 {
				said = true
				fmt.Fprintf(a.env.Stderr, "\r%3d %% of %s ", min(done*100/total, 100), octets(total))
			}
		}
	}()
	return func() {
		stop()
		<-ended
	}
}

// octets is a size for people.
func octets(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1<<10-1)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
