package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is a clock that nobody sets. It goes on while the machine sleeps, as Go's own does not: after a night in a
// laptop bag it agrees with the wall clock.
func sinceBoot() func() time.Duration {
	start := time.Now()
	return func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil { // a kernel before 2.6.39
			return time.Since(start)
		}
		return time.Duration(t.Nano())
	}
}
