package store

import (
	"os"
	"syscall"
)

// allocate gives blocks of the disk to a part of a file, which becomes longer if that is beyond its end. What was written
// there stays.
func allocate(f *os.File, from, size int64) error {
	for {
		// A signal may interrupt it (fallocate(2), EINTR); what was allocated by then stays so.
		if err := syscall.Fallocate(int(f.Fd()), 0, from, size); err != syscall.EINTR {
			return err
		}
	}
}
