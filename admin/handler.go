package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// maxRequest bounds the body of a request: the longest text of 255 parts, as JSON, several times over.
const maxRequest = 1 << 20

// Limits of listings.
const (
	defaultLimit = 50
	maxLimit     = 10_000
)

// NewHandler answers the requests of Client. It checks nobody's identity: whoever can reach it may do everything.
func NewHandler(g *gateway.Gateway, log *slog.Logger) http.Handler {
	a := &api{g: g, log: log}
	mux := http.NewServeMux()
	for pattern, e := range map[string]endpoint{
		"GET /v1/ping":                     a.ping,
		"GET /v1/status":                   a.status,
		"GET /v1/accounts":                 a.accounts,
		"POST /v1/accounts":                a.addAccount,
		"GET /v1/accounts/{key}":           a.account,
		"PATCH /v1/accounts/{key}":         a.changeAccount,
		"DELETE /v1/accounts/{key}":        a.removeAccount,
		"POST /v1/accounts/{key}/password": a.setPassword,
		"POST /v1/accounts/{key}/disable":  a.disable,
		"POST /v1/accounts/{key}/enable":   a.enable,
		"GET /v1/refused":                  a.refused,
		"POST /v1/unban":                   a.unban,
		"GET /v1/messages":                 a.messages,
		"POST /v1/messages":                a.send,
		"GET /v1/messages/{id}":            a.message,
		"POST /v1/messages/{id}/cancel":    a.cancelMessage,
		"POST /v1/messages/{id}/retry":     a.retryMessage,
		"POST /v1/messages/{id}/close":     a.closeMessage,
		"POST /v1/held/retry":              a.retryHeld,
		"POST /v1/held/close":              a.closeHeld,
		"POST /v1/explain":                 a.explain,
		"GET /v1/inbox":                    a.inbox,
		"GET /v1/inbox/waiting":            a.inboxWaiting,
		"GET /v1/inbox/{id}":               a.inboxText,
		"GET /v1/modems":                   a.modems,
		"GET /v1/modems/{name}":            a.modem,
		"POST /v1/modems/{name}/pause":     a.pauseModem,
		"POST /v1/modems/{name}/resume":    a.resumeModem,
		"GET /v1/ports":                    a.ports,
		"GET /v1/file":                     a.file,
		"GET /v1/sessions":                 a.sessions,
	} {
		mux.HandleFunc(pattern, a.serve(e))
	}
	for pattern, e := range map[string]endpoint{
		"POST /v1/modems/{name}/command": a.modemCommand,
		"POST /v1/modems/{name}/ussd":    a.modemUSSD,
		"POST /v1/modems/{name}/balance": a.modemBalance,
		"DELETE /v1/modems/{name}/ussd":  a.endUSSD,
		"POST /v1/modems/{name}/reset":   a.resetModem,
		"POST /v1/ports/probe":           a.probe,
		"GET /v1/doctor":                 a.doctor,
	} {
		mux.HandleFunc(pattern, slowly(a.serve(e)))
	}
	mux.HandleFunc("GET /v1/backup", a.backup)
	mux.HandleFunc("GET /v1/check", a.check)
	mux.HandleFunc("POST /v1/file/compact", atLeisure(a.serve(a.compact)))
	return mux
}

type api struct {
	g   *gateway.Gateway
	log *slog.Logger
}

// endpoint answers one kind of request with a value for JSON, nil for an empty object.
type endpoint func(r *http.Request) (any, error)

func (a *api) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		v, err := e(r)
		if err != nil {
			status, sentence := explain(err)
			switch {
			case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
				a.log.Info("a command was interrupted by who gave it", "request", r.Pattern)
			case status == http.StatusInternalServerError:
				a.log.Error("a command could not be served", "request", r.Pattern, "err", err)
			}
			writeJSON(w, status, failure{sentence})
			return
		}
		if v == nil {
			v = struct{}{}
		}
		writeJSON(w, http.StatusOK, v)
	}
}

// slowest is how long a request may take that waits for a modem: a text that is on the air, then the longest command.
const slowest = 7 * time.Minute

// slowly serves a request that may take longer than the server's time-outs are.
func slowly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), slowest)
		defer cancel()
		c := http.NewResponseController(w) // in process there are no time-outs to lift: then these are errors
		c.SetReadDeadline(time.Time{})
		c.SetWriteDeadline(time.Now().Add(slowest + time.Minute))
		next(w, r.WithContext(ctx))
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error is the client's that went away
}

// explain chooses the status of HTTP for an error, and the sentence that people get to see.
func explain(err error) (status int, sentence string) {
	var refused *Error
	var input *gateway.InputError
	var account *gateway.AccountError
	var busy *store.AccountBusyError
	var limit *store.LimitError
	var room *store.NoRoomError
	switch {
	case errors.As(err, &refused):
		return refused.Status, refused.Message
	case errors.As(err, &input):
		return http.StatusBadRequest, input.Error()
	case errors.As(err, &account):
		return http.StatusConflict, account.Error()
	case errors.As(err, &busy):
		return http.StatusConflict, busy.Error()
	case errors.As(err, &limit):
		return http.StatusConflict, limit.Error()
	case errors.Is(err, gateway.ErrNotRunning), errors.Is(err, gateway.ErrNoGateway):
		return http.StatusConflict, err.Error()
	case errors.As(err, &room):
		return http.StatusInsufficientStorage, room.Error()
	case errors.Is(err, store.ErrCompacting), errors.Is(err, store.ErrTooBusy):
		return http.StatusConflict, err.Error()
	case errors.Is(err, store.ErrDiskFull):
		return http.StatusInsufficientStorage, "the disk is full: nothing was changed; make room and try again"
	case errors.Is(err, store.ErrMoved):
		return http.StatusServiceUnavailable, err.Error() + ": nothing was changed; see smsgateway doctor"
	case errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrClosed):
		return http.StatusServiceUnavailable, "the gateway is stopping: " + err.Error()
	}
	return http.StatusInternalServerError, err.Error()
}

// refuse makes an error that reaches the client as it is.
func refuse(status int, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// aboutAccount says of which account an error of the store is.
func aboutAccount(key string, err error) error {
	switch {
	case errors.Is(err, store.ErrNoAccount):
		return refuse(http.StatusNotFound, "there is no account %q; see smsgateway account list", key)
	case errors.Is(err, store.ErrAccountExists):
		return refuse(http.StatusConflict, "there is an account %q already; choose another key, or change it with smsgateway account set", key)
	}
	return err
}

// aboutMessage says of which message an error of the store is.
func aboutMessage(id store.ID, err error) error {
	var gone *store.GoneError
	var state *store.StateError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refuse(http.StatusNotFound, "there is no message %s; see smsgateway message list", id)
	case errors.As(err, &gone):
		return refuse(http.StatusGone, "message %s is past its keeping time: nothing of it is left but its number", id)
	case errors.As(err, &state) && state.State == store.Uncertain:
		return refuse(http.StatusConflict, "message %s can't be cancelled: a modem has had it or may have (%s); end it with smsgateway message close %s --as sent|failed",
			id, state.State, id)
	case errors.As(err, &state) && state.State.End():
		return refuse(http.StatusConflict, "message %s can't be cancelled: it has ended as %s", id, state.State)
	case errors.As(err, &state):
		return refuse(http.StatusConflict, "message %s can't be cancelled: a modem has it or has had it (%s)", id, state.State)
	}
	return err
}

// read takes the body of a request. A field we don't know is refused: a newer command must not believe that an older
// gateway did what it can't.
func read[T any](r *http.Request) (T, error) {
	var v T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, refuse(http.StatusUnprocessableEntity, "the request can't be read: %s",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return v, refuse(http.StatusUnprocessableEntity, "the request can't be read: there is something behind its end")
	}
	return v, nil
}

// limit reads the query's limit.
func limit(r *http.Request) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		return 0, refuse(http.StatusBadRequest, "limit: %q is out of range: 1-%d", s, maxLimit)
	}
	return n, nil
}

func (a *api) ping(*http.Request) (any, error) { return nil, nil }

func (a *api) status(*http.Request) (any, error) {
	accounts, err := a.g.CountAccounts()
	if err != nil {
		return nil, err
	}
	s := Status{
		Version:  a.g.Version(),
		Running:  a.g.Running(),
		Started:  a.g.Started().UTC(),
		Accounts: accounts,
		Sessions: len(a.g.Sessions("")),
	}
	for _, m := range a.g.Modems() {
		s.Modems++
		if modemOf(m).Ready() {
			s.ModemsReady++
		}
	}
	return s, nil
}

func (a *api) sessions(r *http.Request) (any, error) {
	key := r.URL.Query().Get("account")
	if key != "" {
		if _, err := a.g.Account(key); err != nil {
			return nil, aboutAccount(key, err)
		}
	}
	list := []Session{}
	for _, s := range a.g.Sessions(key) {
		list = append(list, sessionOf(s))
	}
	return list, nil
}
