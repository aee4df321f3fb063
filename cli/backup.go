package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"smsgateway/admin"
)

// backupMade describes a backup for scripts.
type backupMade struct {
	File     string `json:"file"` // "-" standard output
	Octets   int64  `json:"octets"`
	SHA256   string `json:"sha256"`
	Verified bool   `json:"verified"`
	Messages int64  `json:"messages"` // of a verified one
	Accounts int64  `json:"accounts"`
}

func (a *app) backupCommand() *cobra.Command {
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write a backup of the database, also while the gateway runs",
		Long: `Writes the whole database, as it is on disk at this moment, to FILE (mode 0600) or, with
"-", to standard output. The gateway goes on meanwhile. FILE appears under its name when
it is complete, synced and looked through; one that is there is kept, unless --force.
Where the database has faults, so has the backup: then the exit code is 1, and one that
is there is kept all the same.

It holds all texts, numbers and hashed passwords: keep it as safe as the database. The
configuration and tls.pem, the gateway's own certificate, are files of their own: copy
these, too. "-" can't be looked through as it goes; do that with "smsgateway check FILE"
where it arrives, as in

  ssh box smsgateway backup - > backup.db && smsgateway check backup.db

Who fetches it slowly does the gateway no harm: after ten seconds of waiting the rest is
kept in a temporary file in data_dir, if the disk has room. From a disk that can only be
read any more, with the gateway stopped, the file is copied as it is.

Bring it back with "smsgateway restore".`,
		Example:           "  smsgateway backup /mnt/backup/gateway.db --force\n  smsgateway backup -",
		Args:              oneArg("FILE, or - for standard output"),
		ValidArgsFunction: anyFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.wantDatabase(cmd.Context()); err != nil {
				return err
			}
			if args[0] == "-" {
				if asJSON {
					return usagef("--json and - both want standard output")
				}
				return a.backupToStdout(cmd.Context())
			}
			if err := a.besideDatabase(cmd.Context(), args[0]); err != nil {
				return err
			}
			made, err := a.backupToFile(cmd.Context(), args[0], force)
			if err != nil {
				return err
			}
			if asJSON {
				err = PrintJSON(a.env.Stdout, made)
			}
			if err == nil && !made.Verified {
				err = fmt.Errorf("%s was written, with the faults that the database has; restore takes it with --damaged alone", made.File)
			}
			if err != nil || asJSON {
				return err
			}
			a.say("%s: %s, %s, %s; it is whole.\nIt holds texts, numbers and hashed passwords: keep it safe. The configuration and tls.pem are not in it.",
				made.File, size(made.Octets), plural(int(made.Messages), "message"), plural(int(made.Accounts), "account"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// anyFile lets the shell offer file names.
func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// wantDatabase is for commands for which no database is as good as an error.
func (a *app) wantDatabase(ctx context.Context) error {
	db, err := a.env.Database(ctx, *a.env.ConfigPath, *a.env.DataDir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(db.Path); db.Running == nil && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s (--config and --data-dir choose the place)", db.Path)
	}
	return nil
}

// besideDatabase refuses the place of the database itself. A backup there, with --force, would take the file away from the
// gateway that works with it; and where it has gone, a start would take the backup for the database and hold nothing.
func (a *app) besideDatabase(ctx context.Context, path string) error {
	db, err := a.env.Database(ctx, *a.env.ConfigPath, *a.env.DataDir)
	if err != nil {
		return err
	}
	same := sameFile(path, db.Path) ||
		filepath.Base(path) == filepath.Base(db.Path) && sameFile(filepath.Dir(path), filepath.Dir(db.Path))
	if same {
		return fmt.Errorf("%s is the database itself; write the backup elsewhere, best to another disk", path)
	}
	return nil
}

// sameFile tells whether two names lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

func (a *app) backupToStdout(ctx context.Context) error {
	if f, ok := a.env.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return usagef("standard output is a terminal; send it into a file or another program")
	}
	made, err := a.stream(ctx, a.env.Stdout)
	if err != nil {
		return fmt.Errorf("the backup is not complete and of no use: %w", err)
	}
	a.say("%s, SHA-256 %s", size(made.Octets), made.SHA256)
	return nil
}

// stream writes a backup somewhere.
func (a *app) stream(ctx context.Context, w io.Writer) (made backupMade, err error) {
	m := a.meter()
	defer m.end()
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	show := func(done, total int64) { m.show(admin.Progress{What: "Backup", Done: done, Total: total}) }
	err = a.with(ctx, func(c *admin.Client) error {
		made.Octets, err = c.Backup(ctx, both, show)
		return err
	})
	if errors.Is(err, syscall.EROFS) && made.Octets == 0 {
		a.say("The disk of the database can only be read: the file is copied as it is.")
		made.Octets, err = a.copyAtRest(ctx, both, show)
	}
	made.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return made, err
}

// copyAtRest is the backup of a database that can't be opened to be written to.
func (a *app) copyAtRest(ctx context.Context, w io.Writer, progress func(done, total int64)) (int64, error) {
	db, err := a.env.Database(ctx, *a.env.ConfigPath, *a.env.DataDir)
	if err != nil {
		return 0, err
	}
	return admin.CopyFile(ctx, db.Path, w, progress)
}

// backupToFile writes it under another name first, and looks through it.
func (a *app) backupToFile(ctx context.Context, path string, force bool) (made backupMade, err error) {
	inTheWay := fmt.Errorf("%s is there already; choose another name, or have it replaced with --force", path)
	info, err := os.Stat(path)
	there := err == nil
	switch {
	case err == nil && info.IsDir():
		return made, fmt.Errorf("%s is a directory; write the name of a file in it", path)
	case err == nil && !force:
		return made, inTheWay
	case err == nil && !info.Mode().IsRegular():
		return made, fmt.Errorf("%s is not a regular file", path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return made, fmt.Errorf("there is no directory %s for %s", dir, filepath.Base(path))
	}
	removeParts(path)
	f, err := os.CreateTemp(dir, partOf(path)+"*") // 0600
	if err != nil {
		return made, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	used, err := lockPart(f.Name(), syscall.LOCK_SH)
	if err != nil {
		return made, err
	}
	defer used.Close()
	if made, err = a.stream(ctx, f); err != nil {
		return made, fmt.Errorf("the backup was not made: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return made, fmt.Errorf("the backup was not made: %w", err)
	}
	m := a.meter()
	found, err := admin.CheckFile(ctx, f.Name(), true, m.show)
	m.end()
	switch {
	case err != nil:
		return made, fmt.Errorf("the backup can't be read again, and is not kept: %w", err)
	case found.Faults > 0 && there:
		return made, fmt.Errorf("the database has faults, and so has the backup (%d; the first: %s). %s is kept as it was: see smsgateway check, "+
			"and choose another name for a backup all the same", found.Faults, found.List[0].What, path)
	case found.Faults > 0:
		a.say("The database has faults, and so has the backup (%d; the first: %s). See smsgateway check.", found.Faults, found.List[0].What)
	}
	if force {
		err = os.Rename(f.Name(), path)
	} else if err = os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // a link replaces nothing
		err = os.Rename(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return made, inTheWay
	}
	if err == nil {
		err = syncDir(dir)
	}
	made.File, made.Verified = path, found.Faults == 0
	made.Messages, made.Accounts = found.Records["messages"], found.Records["accounts"]
	return made, err
}

// partOf is what the names of a backup's temporary files begin with; a number follows.
func partOf(path string) string { return "." + filepath.Base(path) + ".part-" }

// removeParts removes what backups to this name left that were killed. Who is at work has locked his. An error is none here: it
// is the next one's turn, then.
func removeParts(path string) {
	list, _ := os.ReadDir(filepath.Dir(path))
	for _, entry := range list {
		number, ours := strings.CutPrefix(entry.Name(), partOf(path))
		if _, err := strconv.ParseUint(number, 10, 64); !ours || err != nil || !entry.Type().IsRegular() {
			continue
		}
		name := filepath.Join(filepath.Dir(path), entry.Name())
		if f, err := lockPart(name, syscall.LOCK_EX); err == nil {
			os.Remove(name)
			f.Close()
		}
	}
}

// lockPart locks a file until it is closed: shared by who writes and reads it, alone by who removes it. Some file systems know
// no locks: then it stays.
func lockPart(name string, how int) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if err != nil && how == syscall.LOCK_EX {
		f.Close()
		return nil, err
	}
	return f, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
