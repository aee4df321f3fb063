package main

import (
	"syscall"
	"time"
	"unsafe"
)

// sinceBoot is a clock that nobody sets. It goes on while the machine sleeps, as Go's own does not: after a night in a
// laptop bag it agrees with the wall clock.
func sinceBoot() func() time.Duration {
	const clockBoottime = 7 // of linux/time.h
	start := time.Now()
	return func() time.Duration {
		var t syscall.Timespec
		if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
			return time.Since(start) // a kernel before 2.6.39
		}
		return time.Duration(t.Nano())
	}
}
