package cli

import (
	"context"
	"errors"
	"time"

	"smsgateway/admin"
)

// waitSaid is how long a command waits for a modem before it says what for: Env.WaitSaid's default.
const waitSaid = 2 * time.Second

// What a command may wait for.
const (
	waitModem = "Waiting for the modem; at most 60 s ..."
	waitText  = "Waiting: a text is on its way; its outcome is awaited, at most 3 min ..."
	waitCOPS  = "Waiting for the modem; a command that looks for networks or restarts takes 3 min at most ..."
	waitUSSD  = "Waiting for the network's answer; at most 2 min ..."
	waitReset = "Waiting for the modem to take the command; at most 60 s ..."
	waitProbe = "Waiting for the port to answer; at most 30 s ..."
	// Only where no gateway runs does it take long.
	waitDoctor = "Looking at the modems, which takes up to a minute for each ..."
)

// errInterrupted: a job that has not begun is dropped when its client goes; of one that has, nobody knows.
var errInterrupted = errors.New("interrupted: if the modem had not begun with it, it is not done any more; " +
	"if it had, it may be done, or not: look before you repeat it")

// patiently does what may wait for a modem, and says on stderr what it waits for when that takes longer than a moment:
// words, unless the modem of that name ("" none) has a text on its way.
func patiently(ctx context.Context, a *app, c *admin.Client, name, words string, do func() error) error {
	saying, done := context.WithCancel(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		select {
		case <-time.After(a.env.WaitSaid):
		case <-saying.Done():
			return
		}
		if name != "" {
			if m, err := c.Modem(saying, name); err == nil && m.State == "sending" {
				words = waitText
			}
		}
		if saying.Err() == nil {
			a.say("%s", words)
		}
	}()
	err := do()
	done()
	<-said
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return errInterrupted
	}
	return err
}
