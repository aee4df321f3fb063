package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// Files that are not whole yet stand beside the database under names that nobody else gives: that of the database, what
// they are for, a number or a time, and tempSuffix. A process that is killed leaves them, and a power cut may bring back
// one that was removed. The next one that opens the database removes them. Whatever else is in the directory belongs to
// the operator.
const tempSuffix = ".tmp"

// leftover are these names, behind that of the database.
var leftover = regexp.MustCompile(`^\.(compact|new-\d+|backup-\d+|(restore|before-repair)-\d{8}T\d{6}Z(-\d+)?)\.tmp$`)

// keptName is what a restore calls the file that it replaces. It has both names before it has lost the first one.
var keptName = regexp.MustCompile(`^\.replaced-\d{8}T\d{6}Z(-\d+)?$`)

// removeLeftovers removes what is left of work that did not come to its end, beside path and beside the file that this
// leads to. What another process has locked is in use, and stays.
func removeLeftovers(path string, log *slog.Logger) {
	own, _ := os.Stat(path)
	places := []string{path}
	if file, err := filepath.EvalSymlinks(path); err == nil && file != filepath.Clean(path) {
		places = append(places, file)
	}
	for _, place := range places {
		list, err := os.ReadDir(filepath.Dir(place))
		if err != nil {
			log.Warn("what may be left beside the database can't be seen", "err", err)
			continue
		}
		for _, entry := range list {
			name := filepath.Join(filepath.Dir(place), entry.Name())
			rest, ours := strings.CutPrefix(entry.Name(), filepath.Base(place))
			ours = ours && (leftover.MatchString(rest) || keptName.MatchString(rest) && sameFile(name, own))
			if !ours || !entry.Type().IsRegular() {
				continue
			}
			switch removed, err := removeUnused(name, own); {
			case removed:
				log.Info("work on the file had not come to its end; what it left was removed", "file", name)
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				log.Warn("what such work left can't be removed", "err", err)
			}
		}
	}
}

// removeUnused removes a file that nobody has locked, or the second name of own, as the database had one when it was made.
func removeUnused(name string, own os.FileInfo) (removed bool, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if sameFile(name, own) {
		return true, os.Remove(name)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	return true, os.Remove(name)
}

// sameFile tells whether a name leads to that file, which may be nil.
func sameFile(name string, own os.FileInfo) bool {
	info, err := os.Lstat(name)
	return err == nil && own != nil && os.SameFile(info, own)
}
