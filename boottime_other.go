//go:build !linux

package main

import "time"

// sinceBoot is a clock that nobody sets. While the machine sleeps it may stand still.
func sinceBoot() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
