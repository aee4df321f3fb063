// Package cli is the operator's commands, a noun to a file. They speak to a gateway through admin.Client alone: to the
// running one, or, when none runs, to the same handlers in this process. main decides which.
//
// Results go to stdout, in a form for scripts with --json; everything else goes to stderr. Times are local for people
// and UTC for scripts.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smsgateway/admin"
)

// Exit codes of Run.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Env is what the commands need of the world around them.
type Env struct {
	// Connect gives the gateway, of the configuration and data directory that the flags --config and --data-dir name
	// ("" for not given), and a function that ends the connection. It doesn't take longer than two seconds. Without create
	// it makes no database where there is none.
	Connect func(ctx context.Context, configPath, dataDir string, create bool) (*admin.Client, func() error, error)
	// Database tells where the database is that the flags name, and gives the gateway that works with it; nil if none runs.
	Database func(ctx context.Context, configPath, dataDir string) (Database, error)
	Version  string

	Extra       []*cobra.Command // put beside the nouns
	ModemExtra  []*cobra.Command // put under modem
	ConfigExtra []*cobra.Command // put under config

	// ConfigPath and DataDir are where the global flags go, for the extra commands to look at; nil if nobody does.
	ConfigPath, DataDir *string

	WaitSaid time.Duration // after so long a command says which modem it waits for; default 2 s

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Database is a database, and who works with it.
type Database struct {
	Path    string
	Keep    time.Duration // how long messages are kept
	Running *admin.Client // nil: no gateway
}

// app is one command line at work.
type app struct{ env Env }

// New makes the command tree.
func New(env Env) *cobra.Command {
	if env.ConfigPath == nil {
		env.ConfigPath = new(string)
	}
	if env.DataDir == nil {
		env.DataDir = new(string)
	}
	env.WaitSaid = cmp.Or(env.WaitSaid, waitSaid)
	a := &app{env}
	root := group("smsgateway", "An SMS gateway in a box: SMPP 3.4 in, GSM modems out",
		`smsgateway takes short messages from your programs by SMPP 3.4, keeps each on disk
until its end is known, and sends them through GSM modems.

"serve" is the gateway itself. The other commands ask the running gateway; when none
runs they open its database themselves, so accounts can be made before the first start.

Exit codes: 0 done, 1 failed, 2 used wrongly.`,
		"  smsgateway demo\n  smsgateway account add --name Shop\n  smsgateway serve")
	root.AddCommand(a.accountCommand(), a.messageCommand(), a.inboxCommand(), a.modemCommand(), a.sendCommand(), a.configCommand(), a.doctorCommand(),
		a.backupCommand(), a.restoreCommand(), a.checkCommand(), a.compactCommand(), a.versionCommand())
	root.AddCommand(env.Extra...)

	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{flagError(err)} })
	flags := root.PersistentFlags()
	flags.StringVar(env.ConfigPath, "config", "", "configuration file (default ./config.toml, if it is there)")
	flags.StringVar(env.DataDir, "data-dir", "", "directory of the database, instead of the configuration's data_dir")
	root.MarkPersistentFlagFilename("config", "toml")
	root.MarkPersistentFlagDirname("data-dir")
	standard(root)
	finish(root)
	return root
}

// finish does for each command what none should have to think of: wrong arguments are a fault of usage, and the shell
// doesn't offer file names for keys and ids.
func finish(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

// Run runs the command that args name and gives the exit code: 0 done, 1 failed, 2 used wrongly. An error has been
// printed then.
func Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(append([]string{}, args...)) // not nil: for nil cobra takes the arguments of this process
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	said := strings.TrimPrefix(strings.TrimRight(err.Error(), "\n"), root.Name()+" ") // its name is said once
	fmt.Fprintf(root.ErrOrStderr(), "%s: %s\n", root.Name(), said)
	if usedWrongly(err) {
		fmt.Fprintf(root.ErrOrStderr(), "See %q.\n", cmd.CommandPath()+" --help")
		return exitUsage
	}
	return exitFailed
}

// usedWrongly tells a fault of the command line, a value that a flag or an argument can't have included, from what was
// refused or went wrong: a name that nothing has, a state that does not allow it, a file or standard input with faults.
func usedWrongly(err error) bool {
	var usage *usageError
	var refused *admin.Error
	return errors.As(err, &usage) || errors.As(err, &refused) && refused.Status == http.StatusBadRequest
}

// ofStdin is an error about what came from standard input: the command line was right.
func ofStdin(err error) error {
	if refused := new(admin.Error); errors.As(err, &refused) {
		return errors.New(refused.Message)
	}
	return err
}

// usageError is a fault in how a command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// group is a command that only holds others: alone it explains itself, and an unknown word is a fault of usage.
func group(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		DisableFlagsInUseLine: true,
		Args:                  onlyCommands,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(commands...)
	return cmd
}

// onlyCommands refuses what is no command of a group.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	has := cmd.CommandPath() + " has"
	if !cmd.HasParent() {
		has = "there is"
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%s no command %q; did you mean %q?", has, args[0], nearest(args[0], near))
	}
	return fmt.Errorf("%s no command %q", has, args[0])
}

// standard has cobra make the commands that it would add by itself, help and completion, so that they know a wrong use as
// the others do.
func standard(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Example = "  smsgateway help account add"
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && found.HasSubCommands() {
					return onlyCommands(found, rest)
				}
				return err
			}
		case "completion":
			cmd.Args, cmd.DisableFlagsInUseLine, cmd.Example = onlyCommands, true, "  smsgateway completion bash"
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Example = "  smsgateway completion " + shell.Name()
			}
		}
	}
}

// nearest is the one of several names that begins most like a word; of equals the one nearest in length.
func nearest(word string, names []string) string {
	common := func(name string) (n int) {
		for n < len(word) && n < len(name) && word[n] == name[n] {
			n++
		}
		return n
	}
	return slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(common(b)-common(a), abs(len(a)-len(word))-abs(len(b)-len(word)))
	})
}

func abs(n int) int { return max(n, -n) }

// flagError says what a flag takes, where the flag itself tells it in words of Go only.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	takes := ""
	switch cause := fmt.Sprint(errors.Unwrap(invalid)); {
	case strings.HasPrefix(cause, "time: "):
		takes = "a time needs its unit, as in 5s"
	case !strings.HasPrefix(cause, "strconv."):
		return err
	case invalid.GetFlag().Value.Type() == "bool":
		takes = "write true or false"
	case invalid.GetFlag().Value.Type() == "uint8":
		takes = "write a number from 0 to 255, as in 8 or 0x08"
	default:
		takes = "write a whole number, as in 7"
	}
	return fmt.Errorf("invalid argument %q for %q flag: %s", invalid.GetValue(), "--"+invalid.GetFlag().Name, takes)
}

// NoArgs refuses arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only, not %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArg wants one argument that is not empty; name is what Use calls it.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return fmt.Errorf("%s needs %s", cmd.CommandPath(), name)
		case len(args) > 1:
			return fmt.Errorf("%s takes one %s; %q is too much", cmd.CommandPath(), name, args[1])
		}
		return nil
	}
}

// with runs f with a gateway, which has nothing in it if there is no database.
func (a *app) with(ctx context.Context, f func(*admin.Client) error) error {
	return a.connected(ctx, false, f)
}

// withNew is with for commands that begin something: they make a database where there is none.
func (a *app) withNew(ctx context.Context, f func(*admin.Client) error) error {
	return a.connected(ctx, true, f)
}

func (a *app) connected(ctx context.Context, create bool, f func(*admin.Client) error) (err error) {
	client, end, err := a.env.Connect(ctx, *a.env.ConfigPath, *a.env.DataDir, create)
	if err != nil {
		return err
	}
	defer func() {
		if endErr := end(); err == nil {
			err = endErr
		}
	}()
	return f(client)
}

// fetch asks a gateway for one thing.
func fetch[T any](ctx context.Context, a *app, ask func(*admin.Client) (T, error)) (v T, err error) {
	err = a.with(ctx, func(c *admin.Client) error {
		v, err = ask(c)
		return err
	})
	return v, err
}

// say tells people something beside the result.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.env.Stderr, format+"\n", args...) }
