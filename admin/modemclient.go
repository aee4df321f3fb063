package admin

import (
	"context"
	"net/http"
	"time"

	"smsgateway/modem"
)

// patient is a client that waits for answers for as long as a modem may need.
func (c *Client) patient() *Client {
	const long = slowest + time.Minute
	if t, ok := c.http.Transport.(inProcess); ok {
		t.patience = long
		return &Client{http: &http.Client{Transport: t}}
	}
	return &Client{http: c.http, path: c.path, question: long, order: long}
}

// Modems tells how each modem is, in the order of the configuration.
func (c *Client) Modems(ctx context.Context) ([]Modem, error) {
	return ask[[]Modem](ctx, c, http.MethodGet, "/v1/modems", nil)
}

// Modem tells all of one.
func (c *Client) Modem(ctx context.Context, name string) (ModemDetail, error) {
	return ask[ModemDetail](ctx, c, http.MethodGet, modemPath(name), nil)
}

// ModemCommand sends a line of AT commands to a modem of the running gateway. It may take minutes.
func (c *Client) ModemCommand(ctx context.Context, name, text string) (Answer, error) {
	return ask[Answer](ctx, c.patient(), http.MethodPost, modemPath(name)+"/command", command{text})
}

// ModemUSSD asks the network of a modem of the running gateway by a code. It may take minutes.
func (c *Client) ModemUSSD(ctx context.Context, name, code string) (USSD, error) {
	return ask[USSD](ctx, c.patient(), http.MethodPost, modemPath(name)+"/ussd", ussdCode{code})
}

// ModemBalance has the credit of a modem's SIM read now, as the configuration says. It may take minutes.
func (c *Client) ModemBalance(ctx context.Context, name string) (Balance, error) {
	return ask[Balance](ctx, c.patient(), http.MethodPost, modemPath(name)+"/balance", nil)
}

// EndUSSD tells the network that the answer that it waits for does not come.
func (c *Client) EndUSSD(ctx context.Context, name string) error {
	return c.patient().do(ctx, http.MethodDelete, modemPath(name)+"/ussd", nil, nil)
}

// ResetModem restarts a modem of the running gateway.
func (c *Client) ResetModem(ctx context.Context, name string) error {
	return c.patient().do(ctx, http.MethodPost, modemPath(name)+"/reset", nil, nil)
}

// PauseModem takes a modem out of work. reason is for people.
func (c *Client) PauseModem(ctx context.Context, name, reason string) error {
	return c.do(ctx, http.MethodPost, modemPath(name)+"/pause", pauseReason{reason}, nil)
}

// ResumeModem gives it work again.
func (c *Client) ResumeModem(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, modemPath(name)+"/resume", nil, nil)
}

// BaudFault says what is wrong with a rate of a line, behind "is 5, "; "" if nothing is.
func BaudFault(baud int) string { return modem.BaudFault(baud) }

// Ports lists the ports on which modems may be. Nothing is opened.
func (c *Client) Ports(ctx context.Context) (Ports, error) {
	return ask[Ports](ctx, c, http.MethodGet, "/v1/ports", nil)
}

// Port tells of one port.
func (c *Client) Port(ctx context.Context, path string) (Port, error) {
	return ask[Port](ctx, c, http.MethodGet, "/v1/ports"+query("path", path), nil)
}

// Probe looks who answers at a port that no modem of the gateway uses; baud 0 is the usual rate. It may take a minute.
func (c *Client) Probe(ctx context.Context, port string, baud int) (Probe, error) {
	return ask[Probe](ctx, c.patient(), http.MethodPost, "/v1/ports/probe", probePort{port, baud})
}

// Doctor finds out what is wrong. It may take minutes when no gateway runs.
func (c *Client) Doctor(ctx context.Context) ([]Finding, error) {
	return ask[[]Finding](ctx, c.patient(), http.MethodGet, "/v1/doctor", nil)
}

func modemPath(name string) string { return "/v1/modems/" + segment(name) }
