package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"smsgateway/store"
)

// Progress tells how far a long work is. Total 0: that is not known.
type Progress struct {
	What  string `json:"what"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Findings are what a check of a database has found.
type Findings struct {
	Faults   int              `json:"faults"`            // those that were mended are none
	Mendable int              `json:"mendable"`          // of them, that a repair puts right
	Mended   int              `json:"mended"`            // that one has put right
	Kept     string           `json:"kept,omitempty"`    // the copy that was made before
	Skipped  string           `json:"skipped,omitempty"` // what was not looked at, and why
	Octets   int64            `json:"octets"`
	Pages    int64            `json:"pages"`
	Format   int              `json:"format"`
	Records  map[string]int64 `json:"records"`
	NextID   string           `json:"next_id"`
	Written  time.Time        `json:"written,omitzero"` // highest time that the file knows
	List     []FileFinding    `json:"findings"`         // the first thousand
}

// FileFinding is one thing in a database that is not as it should be.
type FileFinding struct {
	Bucket string `json:"bucket,omitempty"` // "" the pages of the file
	Key    string `json:"key,omitempty"`    // in hexadecimal
	What   string `json:"what"`
	Means  string `json:"means"` // what comes of it
	Mends  bool   `json:"mends"` // a repair puts it right
	Mended bool   `json:"mended"`
}

func findingsOf(f store.Findings) Findings {
	v := Findings{
		Faults: f.Faults, Mendable: f.Mendable, Mended: f.Mended, Skipped: f.Skipped, Octets: f.Octets, Pages: f.Pages,
		Format: int(f.Format), Records: f.Records, NextID: f.NextID.String(), Written: f.Written, List: []FileFinding{},
	}
	for _, x := range f.List {
		v.List = append(v.List, FileFinding(x))
	}
	return v
}

// CheckFile looks at a database, or a backup, that no gateway has open. quick leaves out whether indexes and records agree.
func CheckFile(ctx context.Context, path string, quick bool, progress func(Progress)) (Findings, error) {
	found, err := store.CheckFile(ctx, path, store.CheckOptions{Quick: quick}, onStore(progress))
	return findingsOf(found), aboutFile(ctx, "not all was looked at", err)
}

// CopyFile writes a database that no gateway has open to w, also from a disk that can only be read. It tells the octets.
func CopyFile(ctx context.Context, path string, w io.Writer, progress func(done, total int64)) (int64, error) {
	return store.CopyFile(ctx, path, w, progress)
}

// RepairFile is CheckFile, and puts right what follows from the rest of the file, after a copy was made beside it.
func RepairFile(ctx context.Context, path string, progress func(Progress)) (Findings, error) {
	found, kept, err := store.Repair(ctx, path, time.Now(), onStore(progress))
	v := findingsOf(found)
	v.Kept = kept
	return v, aboutFile(ctx, "the repair may not be complete; repeat it", err)
}

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	Keep    time.Duration // of the configuration
	Damaged bool          // also if records of it are damaged
}

// Restored tells what a restore did.
type Restored struct {
	Path     string          `json:"path"`
	Kept     string          `json:"kept,omitempty"`     // the file that was there before
	Made     time.Time       `json:"made,omitzero"`      // about when the backup was made
	Messages int64           `json:"messages"`           // in the file now
	Held     int64           `json:"held"`               // of them, that only the operator sends
	Settled  int64           `json:"settled"`            // that went on as the replaced file says
	Taken    int64           `json:"taken_over"`         // accepted since, of which the replaced file knows
	Left     int64           `json:"left"`               // that only the kept file has
	NextID   string          `json:"next_id"`            // of the next message
	Replaced string          `json:"replaced,omitempty"` // of what use the replaced file was
	Accounts []AccountChange `json:"accounts"`
}

// AccountChange is what a restore did to an account, as a clause behind its name.
type AccountChange struct {
	Key  string `json:"key"`
	What string `json:"what"`
}

// Restore puts a backup into the place of the database at path, which no gateway may have open. The file that is there is kept
// beside it.
func Restore(ctx context.Context, src, path string, o RestoreOptions, progress func(Progress)) (Restored, error) {
	done, err := store.RestoreWith(ctx, src, path, time.Now(), store.RestoreOptions{Keep: o.Keep, Damaged: o.Damaged}, onStore(progress))
	if err != nil {
		return Restored{}, aboutFile(ctx, "the database is as it was", err)
	}
	v := Restored{
		Path: done.Path, Kept: done.Kept, Made: done.Made, Messages: done.Messages, Held: done.Held, Settled: done.Settled,
		Taken: done.Taken, Left: done.Left, NextID: done.NextID.String(), Replaced: done.Replaced, Accounts: []AccountChange{},
	}
	for _, c := range done.Accounts {
		v.Accounts = append(v.Accounts, AccountChange(c))
	}
	return v, nil
}

func onStore(progress func(Progress)) func(store.Progress) {
	return func(p store.Progress) { progress(Progress{p.What, p.Done, p.Total}) }
}

// aboutFile puts an error about a file into words for people.
func aboutFile(ctx context.Context, interrupted string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.New("interrupted: " + interrupted)
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%w (smsgateway serve, or a command that has just begun)", err)
	case errors.Is(err, fs.ErrNotExist):
		var at *fs.PathError
		if errors.As(err, &at) {
			return fmt.Errorf("there is no such file: %s", at.Path)
		}
		return fmt.Errorf("there is no such file: %w", err)
	}
	return err
}
