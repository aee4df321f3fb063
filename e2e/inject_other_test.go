//go:build !linux || !amd64

package e2e

const injectorEnv = "SMSGATEWAY_E2E_INJECT"

var diskStops []stopRow

// injectorMain is for Linux on amd64.
func injectorMain(string, []string) int { return 99 }
