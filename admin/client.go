package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"smsgateway/gateway"
)

// patience is how long a command waits for the answer to a question; with what it takes to start it stays below two seconds.
const patience = 1500 * time.Millisecond

// orderPatience is how long it waits for what it orders, which ends on disk, perhaps behind the hash of a password on a slow
// box. That the gateway answers at all was seen by a Ping before.
const orderPatience = 10 * time.Second

// pingPatience is how long Ping waits. A command may ping, try the file, and ping again before it gives up.
const pingPatience = 300 * time.Millisecond

// maxAnswer bounds what a client reads: thousands of long messages.
const maxAnswer = 64 << 20

// Client asks a gateway. Its methods may be called from any goroutine. An error is a sentence for people; one that the
// gateway answered with is an *Error.
type Client struct {
	http *http.Client
	path string // of the socket, "" in process

	question, order time.Duration // how long answers are waited for; in process the transport knows
}

// Error is the gateway's refusal of a request.
type Error struct {
	// Status of HTTP: 400 a value that can't be, 404 no such thing, 409 not in this state, 410 past its keeping time, 422 what
	// was to be read has faults: the configuration, or a request of another version.
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

// Dial makes a client of the gateway that listens on a socket. It does not connect yet.
func Dial(socket string) *Client {
	return &Client{path: socket, question: patience, order: orderPatience, http: &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
	}}
}

// Local makes a client of handlers in this process, NewHandler's.
func Local(h http.Handler) *Client {
	return &Client{http: &http.Client{Transport: inProcess{h, inProcessPatience}}}
}

// Ping tells whether a gateway answers; it waits for 300 ms at most.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	return c.do(ctx, http.MethodGet, "/v1/ping", nil, nil)
}

// Status gives the gateway at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Accounts lists the accounts by key.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	list := []Account{}
	for after := ""; ; {
		some, err := ask[foundAccounts](ctx, c, http.MethodGet, "/v1/accounts"+query("after", after), nil)
		if err != nil {
			return nil, err
		}
		list = append(list, some.Accounts...)
		if after = some.Next; after == "" {
			return list, nil
		}
	}
}

// Account reads one.
func (c *Client) Account(ctx context.Context, key string) (Account, error) {
	return ask[Account](ctx, c, http.MethodGet, accountPath(key), nil)
}

// AddAccount makes an account.
func (c *Client) AddAccount(ctx context.Context, a NewAccount) (Credentials, error) {
	return ask[Credentials](ctx, c, http.MethodPost, "/v1/accounts", a)
}

// ChangeAccount changes the settings that are named and gives the account as it is then.
func (c *Client) ChangeAccount(ctx context.Context, key string, change Settings) (Account, error) {
	return ask[Account](ctx, c, http.MethodPatch, accountPath(key), change)
}

// CheckPassword says what is wrong with a password for an account; the error never repeats it.
func CheckPassword(password string) error { return gateway.CheckPassword(password) }

// SetPassword puts another password in force, a made one for "", and ends the account's sessions.
func (c *Client) SetPassword(ctx context.Context, key, password string) (Credentials, error) {
	return ask[Credentials](ctx, c, http.MethodPost, accountPath(key)+"/password", newPassword{password})
}

// SetDisabled bars the account or lets it in again.
func (c *Client) SetDisabled(ctx context.Context, key string, disabled bool) error {
	verb := "/enable"
	if disabled {
		verb = "/disable"
	}
	return c.do(ctx, http.MethodPost, accountPath(key)+verb, nil, nil)
}

// RemoveAccount removes an account that has nothing waiting.
func (c *Client) RemoveAccount(ctx context.Context, key string) error {
	return c.do(ctx, http.MethodDelete, accountPath(key), nil, nil)
}

// Refused lists the binds that were refused since the start.
func (c *Client) Refused(ctx context.Context) (Refused, error) {
	return ask[Refused](ctx, c, http.MethodGet, "/v1/refused", nil)
}

// Unban lets a banned address try to bind again.
func (c *Client) Unban(ctx context.Context, address string) error {
	return c.do(ctx, http.MethodPost, "/v1/unban", unban{address}, nil)
}

// Send queues a text and gives the message as it is then; it is on disk.
func (c *Client) Send(ctx context.Context, m NewMessage) (Message, error) {
	return ask[Message](ctx, c, http.MethodPost, "/v1/messages", m)
}

// Explain tells how a text would go out.
func (c *Client) Explain(ctx context.Context, r ExplainRequest) (Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodPost, "/v1/explain", r)
}

// Messages lists messages, the newest first.
func (c *Client) Messages(ctx context.Context, f MessageFilter) ([]Message, error) {
	held := ""
	if f.Held {
		held = "1"
	}
	wanted := cmp.Or(f.Limit, defaultLimit)
	list := []Message{}
	for {
		some, err := ask[found](ctx, c, http.MethodGet, "/v1/messages"+query("account", f.Account, "state", f.State, "to", f.To,
			"held", held, "before", f.Before, "limit", number(wanted-len(list))), nil)
		if err != nil {
			return nil, err
		}
		list = append(list, some.Messages...)
		if f.Before = some.Next; f.Before == "" || len(list) >= wanted {
			return list, nil
		}
	}
}

// Message reads one.
func (c *Client) Message(ctx context.Context, id string) (Message, error) {
	return ask[Message](ctx, c, http.MethodGet, "/v1/messages/"+segment(id), nil)
}

// CancelMessage cancels one that no modem has been given yet, and gives it as it is then.
func (c *Client) CancelMessage(ctx context.Context, id string) (Message, error) {
	return ask[Message](ctx, c, http.MethodPost, "/v1/messages/"+segment(id)+"/cancel", nil)
}

// Inbox lists texts from phones, the newest first.
func (c *Client) Inbox(ctx context.Context, f InboxFilter) ([]InboxText, error) {
	return ask[[]InboxText](ctx, c, http.MethodGet, "/v1/inbox"+query(
		"account", f.Account, "before", f.Before, "limit", number(f.Limit)), nil)
}

// InboxWaiting lists the long texts that wait for parts, and are not in the inbox yet; of limit only that is sent.
func (c *Client) InboxWaiting(ctx context.Context, limit int) ([]InboxText, error) {
	return ask[[]InboxText](ctx, c, http.MethodGet, "/v1/inbox/waiting"+query("limit", number(limit)), nil)
}

// InboxText reads one.
func (c *Client) InboxText(ctx context.Context, id string) (InboxText, error) {
	return ask[InboxText](ctx, c, http.MethodGet, "/v1/inbox/"+segment(id), nil)
}

// Sessions lists the bound sessions of an account, "" all.
func (c *Client) Sessions(ctx context.Context, account string) ([]Session, error) {
	return ask[[]Session](ctx, c, http.MethodGet, "/v1/sessions"+query("account", account), nil)
}

func accountPath(key string) string { return "/v1/accounts/" + segment(key) }

// segment makes one segment of a path of s. Dots are written out, as ".." would be taken for the segment above.
func segment(s string) string { return strings.ReplaceAll(url.PathEscape(s), ".", "%2E") }

// query makes a query of names and values; those with an empty value are left out.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func ask[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var answer T
	err := c.do(ctx, method, path, body, &answer)
	return answer, err
}

// do makes one request. body nil is none; answer nil reads none.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
		content = bytes.NewReader(b)
	}
	caller := ctx
	if wait := c.wait(method); wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://smsgateway"+path, content)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(caller, method, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(caller, method, err)
	}
	if resp.StatusCode >= 300 {
		return refusal(resp.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the gateway's answer can't be read (is it another version than this command?): %w", err)
	}
	return nil
}

// wait is how long an answer to a request is waited for; 0: as the transport does.
func (c *Client) wait(method string) time.Duration {
	if method == http.MethodGet {
		return c.question
	}
	return c.order
}

// refusal makes an error of an answer that is none of ours where the gateway does not know the request.
func refusal(status int, body []byte) error {
	var f failure
	if err := json.Unmarshal(body, &f); err != nil || f.Error == "" {
		f.Error = fmt.Sprintf("the gateway does not know this request (%d %s): is it another version than this command?",
			status, http.StatusText(status))
	}
	return &Error{Status: status, Message: f.Error}
}

// unreachable says why no answer came, and what to do.
func (c *Client) unreachable(ctx context.Context, method string, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errStuck):
		return errStuck
	case errors.Is(ctx.Err(), context.Canceled):
		return errors.New("interrupted; the gateway may have done what it was asked for")
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to use %s: run the command as the user that the gateway runs as", c.path)
	case errors.As(err, &timeout) && timeout.Timeout() && method == http.MethodGet:
		return fmt.Errorf("the gateway has %s open but does not answer; look at its log, or start it anew", c.path)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the gateway has %s open but did not answer in time: it may have done what it was asked for, or not; look before you repeat it", c.path)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no gateway answers on %s: start it with smsgateway serve", c.path)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // without the made-up address
	}
	return fmt.Errorf("the gateway ended the connection without an answer: %w", err)
}

// inProcess answers requests by calling the handler.
type inProcess struct {
	handler  http.Handler
	patience time.Duration
}

// errStuck: a damaged page can send bbolt round in a circle, which nobody can stop. The command must end all the same.
var errStuck = errors.New("the database gives no answer: it is probably damaged; keep the file, and restore a backup in its place")

// inProcessPatience is long: a list may have to look at very many records.
const inProcessPatience = 10 * time.Second

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	out := &answer{header: http.Header{}, status: http.StatusOK}
	served := make(chan struct{})
	go func() {
		defer close(served)
		t.handler.ServeHTTP(out, in)
	}()
	timer := time.NewTimer(t.patience)
	defer timer.Stop()
	select {
	case <-served:
	case <-timer.C:
		return nil, errStuck
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status:        http.StatusText(out.status),
		StatusCode:    out.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        out.header,
		Body:          io.NopCloser(&out.body),
		ContentLength: int64(out.body.Len()),
		Request:       r,
	}, nil
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.wrote = true
	return a.body.Write(b)
}
