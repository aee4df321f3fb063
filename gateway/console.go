package gateway

import (
	"context"
	"errors"
	"fmt"

	"smsgateway/modem"
)

// ErrNotRunning: only a gateway that runs has a modem's line open.
var ErrNotRunning = errors.New("no gateway is running, so no modem's line is open; start it with smsgateway serve")

// console is what an operator can have done on a modem's line; *modem.Modem is one.
type console interface {
	Command(ctx context.Context, text string) ([]string, error)
	USSD(ctx context.Context, code string) (modem.USSDReply, error)
	EndUSSD(ctx context.Context) error
	Restart(ctx context.Context) error
}

var _ console = (*modem.Modem)(nil)

// configured finds a modem by its name. *InputError: there is none.
func (g *Gateway) configured(name string) (*member, error) {
	if x := g.pool.member(name); x != nil {
		return x, nil
	}
	return nil, &InputError{"modem", fmt.Sprintf("%q is not configured; `smsgateway modem list` names those that are", name)}
}

// console gives the line of a modem. Errors: *InputError, ErrNotRunning.
func (g *Gateway) console(name string) (console, error) {
	x, err := g.configured(name)
	switch {
	case err != nil:
		return nil, err
	case !g.Running():
		return nil, ErrNotRunning
	}
	return x, nil
}

// ClosedError: a modem's line is not open at this moment. It is a modem.ErrLineClosed.
type ClosedError struct {
	Modem string
	State modem.State
}

func (e *ClosedError) Error() string {
	words := wordsOf(e.State)
	if e.State == modem.StateOpening || e.State == modem.StateInitialising {
		words = "is restarting"
	}
	return fmt.Sprintf("modem %s %s; try again in a minute, see smsgateway modem show %[1]s", e.Modem, words)
}

// Unwrap returns modem.ErrLineClosed.
func (e *ClosedError) Unwrap() error { return modem.ErrLineClosed }

// closed says of an error of a line that is not open which modem's it is.
func (g *Gateway) closed(name string, err error) error {
	if x := g.pool.member(name); x != nil && errors.Is(err, modem.ErrLineClosed) {
		return &ClosedError{name, x.Status().State}
	}
	return err
}

// ModemView tells how one modem is. *InputError: there is none of that name.
func (g *Gateway) ModemView(name string) (ModemView, error) {
	x, err := g.configured(name)
	if err != nil {
		return ModemView{}, err
	}
	return g.view(x), nil
}

// Command sends one line of AT commands to a modem, and returns the lines of the answer, the final one last. Errors:
// *InputError, ErrNotRunning, and those of modem.Command, perhaps beside the lines that came.
func (g *Gateway) Command(ctx context.Context, name, text string) ([]string, error) {
	line, err := g.console(name)
	if err != nil {
		return nil, err
	}
	lines, err := line.Command(ctx, text)
	return lines, g.closed(name, err)
}

// USSD asks the network of a modem by a code, "*100#". Errors: *InputError, ErrNotRunning, and those of modem.USSD.
func (g *Gateway) USSD(ctx context.Context, name, code string) (modem.USSDReply, error) {
	line, err := g.console(name)
	if err != nil {
		return modem.USSDReply{}, err
	}
	reply, err := line.USSD(ctx, code)
	return reply, g.closed(name, err)
}

// EndUSSD tells the network of a modem that the answer that it waits for does not come. Errors are those of USSD.
func (g *Gateway) EndUSSD(ctx context.Context, name string) error {
	line, err := g.console(name)
	if err != nil {
		return err
	}
	return g.closed(name, line.EndUSSD(ctx))
}

// ResetModem restarts a modem, which is set up again afterwards; what it has on the air is waited for. Errors:
// *InputError, ErrNotRunning, and those of modem.Restart.
func (g *Gateway) ResetModem(ctx context.Context, name string) error {
	line, err := g.console(name)
	if err != nil {
		return err
	}
	return g.closed(name, line.Restart(ctx))
}
