//go:build race

package e2e

// raceDetector: tests under the race detector build the binary with it too.
const raceDetector = true
