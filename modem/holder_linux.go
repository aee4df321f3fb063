package modem

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder looks through the open files of all processes that we may look into.
func (s system) holder(port string) (int, string, bool) {
	want, ok := deviceOf(port)
	if !ok {
		return 0, "", false
	}
	processes, err := os.ReadDir(s.path("/proc"))
	if err != nil {
		return 0, "", false
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := s.path("/proc", p.Name())
		if found, maker := holds(filepath.Join(dir, "fd"), want); found && !maker {
			return pid, cmp.Or(word(dir, "comm"), "another program"), true
		}
	}
	return 0, "", false
}

// ours tells whether this process has a device open itself.
func (s system) ours(port string) bool {
	want, ok := deviceOf(port)
	if !ok {
		return false
	}
	found, _ := holds(s.path("/proc/self/fd"), want)
	return found
}

// deviceOf gives what a device is told by; ok is false for anything else.
func deviceOf(port string) (st unix.Stat_t, ok bool) {
	err := unix.Stat(port, &st)
	return st, err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR
}

// holds tells whether a process has a device open, and whether it makes pseudo-terminals, where the device is one.
func holds(fds string, want unix.Stat_t) (found, maker bool) {
	list, err := os.ReadDir(fds)
	if err != nil {
		return false, false // not ours to see, or it has just ended
	}
	ptys := isPTY(want.Rdev)
	for _, fd := range list {
		name := filepath.Join(fds, fd.Name())
		target, err := os.Readlink(name)
		if err != nil || !strings.Contains(target, "/dev/") {
			continue // a socket, a file: some of those could keep us waiting
		}
		st, ok := deviceOf(name)
		if !ok {
			continue
		}
		// Each container has pseudo-terminals of the same numbers, on a file system of its own.
		found = found || st.Rdev == want.Rdev && (!ptys || st.Dev == want.Dev)
		maker = maker || ptys && strings.HasSuffix(target, "/ptmx")
	}
	return found, maker
}

// grabbers are programs that take modems for themselves.
var grabbers = []string{"ModemManager", "gammu-smsd", "smsd", "brltty", "wvdial", "pppd", "minicom", "picocom"}

// suspect gives a program that runs here and may be the one that has a port, where its open files are not ours to see.
func (s system) suspect() (int, string, bool) {
	processes, err := os.ReadDir(s.path("/proc"))
	if err != nil {
		return 0, "", false
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if program := word(s.path("/proc", p.Name()), "comm"); slices.Contains(grabbers, program) {
			return pid, program, true
		}
	}
	return 0, "", false
}

// isPTY tells whether a device is a pseudo-terminal: majors 136 to 143 (Linux, Documentation/admin-guide/devices.txt).
func isPTY(rdev uint64) bool {
	major := unix.Major(rdev)
	return major >= 136 && major <= 143
}

// ownersAdvice says what gives us the right to open a file that we may not open.
func ownersAdvice(port string) string {
	const other = "add the user to the group that owns it: usermod -aG dialout USER"
	info, err := os.Stat(port)
	if err != nil {
		return other
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return other
	}
	group, err := user.LookupGroupId(strconv.Itoa(int(st.Gid)))
	if err != nil || st.Gid == 0 || info.Mode()&0o060 != 0o060 {
		return fmt.Sprintf("no group has the right to read and write it (mode %o); give it one by a udev rule: "+
			`SUBSYSTEM=="tty", KERNEL==%q, GROUP="dialout", MODE="0660"`, info.Mode().Perm(), filepath.Base(port))
	}
	name := "USER"
	if u, err := user.Current(); err == nil {
		name = u.Username
		if ids, err := u.GroupIds(); err == nil && slices.Contains(ids, group.Gid) {
			return fmt.Sprintf("the user %s is in the group %s that owns it, but was not yet when this program was started: "+
				"log in again, or restart the service", name, group.Name)
		}
	}
	return fmt.Sprintf("add the user to the group that owns it and start this again: usermod -aG %s %s", group.Name, name)
}
