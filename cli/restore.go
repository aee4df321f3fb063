package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"smsgateway/admin"
)

func (a *app) restoreCommand() *cobra.Command {
	var damaged, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into the place of the database",
		Long: `Puts a backup into the place of the database. Stop the gateway first. The database that is
there is kept beside it under another name and never changed.

A backup can't know what was sent after it was made. Where the present database can be
read it tells: messages go on from there, and those accepted since are taken over. All
other messages that were not at their end are held: they are uncertain, can't be
cancelled, and go out only by your word; a status report settles one, and with its
validity it ends as unknown. To see, send or close them:
  smsgateway message list --held
  smsgateway message retry --held --yes     (phones may get a text twice)
  smsgateway message close --held --as sent|failed

Accounts and passwords are those of the backup: what was removed or changed since is back.
No message_id is given twice. Move the present database away if it is to be of no account.`,
		Example: "  smsgateway restore /mnt/backup/gateway.db",
		Args:    oneArg("FILE"), ValidArgsFunction: anyFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := a.env.Database(cmd.Context(), *a.env.ConfigPath, *a.env.DataDir)
			if err != nil {
				return err
			}
			if db.Running != nil {
				return fmt.Errorf("a gateway works with %s: stop it first", db.Path)
			}
			if _, err := os.Stat(args[0]); err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(db.Path), 0o700); err != nil {
				return fmt.Errorf("make data_dir: %w", err)
			}
			m := a.meter()
			done, err := admin.Restore(cmd.Context(), args[0], db.Path, admin.RestoreOptions{Keep: db.Keep, Damaged: damaged}, m.show)
			m.end()
			if err != nil {
				return err
			}
			if asJSON {
				return PrintJSON(a.env.Stdout, done)
			}
			a.sayRestored(done)
			return nil
		},
	}
	cmd.Flags().BoolVar(&damaged, "damaged", false, "also where records of the backup are damaged; they stay so")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// sayRestored tells what was done, and what is left to do.
func (a *app) sayRestored(r admin.Restored) {
	out := func(format string, args ...any) { fmt.Fprintf(a.env.Stdout, format+"\n", args...) }
	made := ""
	if !r.Made.IsZero() {
		made = ", as it was about " + clock(r.Made)
	}
	out("%s is the backup%s, with %s. The next message_id is %s.", r.Path, made, plural(int(r.Messages), "message"), r.NextID)
	if r.Kept != "" {
		out("The database that was there is kept as %s; %s.", r.Kept, r.Replaced)
	}
	if r.Settled+r.Taken > 0 {
		out("It told what became of %s, and %s accepted since.", plural(int(r.Settled), "message"), plural(int(r.Taken), "message"))
	}
	if r.Left > 0 {
		out("Only the kept one has %s that came after the backup: they are not in this one.", plural(int(r.Left), "message"))
	}
	for _, c := range r.Accounts {
		out("Account %s %s.", clean(c.Key), clean(c.What))
	}
	if r.Kept == "" {
		out("Accounts and passwords are those of the backup: what was removed or changed since is back.")
	}
	if r.Held == 0 {
		out("No message is held.")
		return
	}
	out(`
%s may have been sent since the backup was made, and nobody knows: held, sent only by your word.
  smsgateway message list --held
  smsgateway message retry ID --yes      sends it, perhaps a second time; --held instead of ID: all of them
  smsgateway message close ID --as sent  or --as failed`, plural(int(r.Held), "message"))
}

func (a *app) checkCommand() *cobra.Command {
	var quick, repair, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Look through the whole database, or a backup",
		Long: `Reads all of the database, also while the gateway works with it, or a backup FILE: whether
its pages hold together, each record is as it was written, and indexes, counts, timers,
receipts and numbers agree with the messages. It prints what it finds and what that
means. The exit code is 1 when there is a fault. Nothing is changed.

With --repair, and the gateway stopped, what follows from the rest is put right: indexes,
counts, timers, numbers. The file is copied beside itself before. What is lost, as damaged
pages or the record of a message, no repair brings back: restore a backup.`,
		Example: `  smsgateway check
  smsgateway check /mnt/backup/gateway.db --json
  smsgateway check --repair`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: anyFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if quick && repair {
				return usagef("--quick and --repair don't go together: a repair looks at everything")
			}
			m := a.meter()
			found, path, err := a.check(cmd, args, quick, repair, m)
			m.end()
			if err != nil {
				return err
			}
			if asJSON {
				if err := PrintJSON(a.env.Stdout, found); err != nil {
					return err
				}
			} else {
				a.showFileFindings(path, found)
			}
			if found.Faults > 0 {
				return fmt.Errorf("%s in %s", plural(found.Faults, "fault"), path)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "tell only whether indexes agree with the records, not which row does not")
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what follows from the rest; the gateway must be stopped")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

func (a *app) check(cmd *cobra.Command, args []string, quick, repair bool, m *meter) (found admin.Findings, path string, err error) {
	ctx := cmd.Context()
	db := Database{}
	if len(args) > 0 {
		db.Path = args[0]
	} else if db, err = a.env.Database(ctx, *a.env.ConfigPath, *a.env.DataDir); err != nil {
		return found, "", err
	}
	switch {
	case repair && db.Running != nil:
		err = errors.New("a gateway works with the database: stop it first")
	case repair:
		found, err = admin.RepairFile(ctx, db.Path, m.show)
	case db.Running != nil:
		found, err = db.Running.Check(ctx, quick, m.show)
	default:
		found, err = admin.CheckFile(ctx, db.Path, quick, m.show)
	}
	return found, db.Path, err
}

func (a *app) showFileFindings(path string, f admin.Findings) {
	out := func(format string, args ...any) { fmt.Fprintf(a.env.Stdout, format+"\n", args...) }
	for _, x := range f.List {
		what := "fault "
		if x.Mended {
			what = "mended"
		}
		where := "pages"
		if x.Bucket != "" {
			where = x.Bucket + "/" + x.Key
		}
		if id, err := strconv.ParseUint(x.Key, 16, 64); err == nil && x.Bucket == "messages" {
			where = fmt.Sprintf("message %d", id)
		}
		out("%s  %s: %s\n        -> %s", what, where, clean(x.What), clean(x.Means))
	}
	if all := f.Faults + f.Mended; all > len(f.List) {
		out("... and %d more.", all-len(f.List))
	}
	if f.Skipped != "" {
		out("Not looked at: %s.", f.Skipped)
	}
	if f.Kept != "" {
		out("Before the repair it was copied to %s.", f.Kept)
	}
	out("%s: %s, %d pages, %s, %s, next message_id %s.", path, size(f.Octets), f.Pages, plural(int(f.Records["messages"]), "message"),
		plural(int(f.Records["accounts"]), "account"), f.NextID)
	switch {
	case f.Faults == 0 && f.Mended == 0:
		out("It is whole.")
	case f.Faults == 0:
		out("It is whole again: %s mended.", plural(f.Mended, "fault"))
	case f.Mendable > 0:
		out("%d of them can be put right: stop the gateway, then smsgateway check --repair.", f.Mendable)
	default:
		out("None of them can be put right: restore a backup.")
	}
}
