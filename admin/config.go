package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrNothingToReload: a command that runs without the gateway reads the configuration anyway.
var ErrNothingToReload = &Error{Status: http.StatusConflict, Message: "no gateway is running: the next start reads the configuration"}

// Configuration is what the handlers ask about the configuration.
type Configuration interface {
	// Config is what is in force.
	Config() (Config, error)
	// Reload reads it again and says what that changed. An *Error for faults of the file, which change nothing.
	Reload(ctx context.Context) (Reloaded, error)
}

// Config is a configuration as it is in force.
type Config struct {
	Running     bool         `json:"running"`         // in a gateway that runs; else it is what a start would find
	File        string       `json:"file"`            // "" none: the defaults
	Read        time.Time    `json:"read,omitzero"`   // when that was
	Settings    []ConfigKey  `json:"settings"`        // each key
	Restart     []string     `json:"restart"`         // keys whose value in the file was another one, and is for the next start
	Certificate *Certificate `json:"tls_certificate"` // nil: no TLS port, or it is made at the first start
}

// ConfigKey is one key and its value.
type ConfigKey struct {
	Key     string `json:"key"`             // "smpp.listen"; "modem.port", "inbound.account" of the tables of which there are several
	Modem   string `json:"modem,omitempty"` // name of the modem that it is of
	Rule    int    `json:"rule,omitempty"`  // number of the [[inbound]] that it is of, from 1
	Value   any    `json:"value"`           // text, number, true or false, list of texts
	Default bool   `json:"default"`         // it is what holds without a word in the file
	Hidden  bool   `json:"hidden,omitempty"`
}

// Certificate is what TLS clients get to see.
type Certificate struct {
	File    string    `json:"file"`
	Own     bool      `json:"own"` // the gateway has made it
	Names   []string  `json:"names"`
	SHA256  string    `json:"sha256"` // "AB:CD:..."
	Expires time.Time `json:"expires"`
	PEM     string    `json:"pem"`
}

// Reloaded is what a reload did.
type Reloaded struct {
	File     string   `json:"file"`
	Applied  []string `json:"applied"`  // a clause for each change that is in force
	Restart  []string `json:"restart"`  // keys that take a restart
	Warnings []string `json:"warnings"` // sentences
}

// TOML writes the value of a key as a configuration file has it.
func TOML(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case float64: // of JSON
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = TOML(v[i])
		}
		return "[" + strings.Join(words, ", ") + "]"
	case []string:
		words := make([]string, len(v))
		for i := range v {
			words[i] = TOML(v[i])
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return fmt.Sprint(value)
}

// WithConfig answers requests about the configuration, and leaves all others to next.
func WithConfig(next http.Handler, c Configuration) http.Handler {
	a := &api{log: slog.New(slog.DiscardHandler)}
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /v1/config", a.serve(func(*http.Request) (any, error) {
		v, err := c.Config()
		if err != nil {
			return nil, &Error{Status: http.StatusConflict, Message: err.Error()}
		}
		v.Restart = orEmpty(v.Restart)
		return v, nil
	}))
	mux.HandleFunc("POST /v1/config/reload", a.serve(func(r *http.Request) (any, error) {
		v, err := c.Reload(r.Context())
		if err != nil {
			return nil, err
		}
		v.Applied, v.Restart, v.Warnings = orEmpty(v.Applied), orEmpty(v.Restart), orEmpty(v.Warnings)
		return v, nil
	}))
	return mux
}

// orEmpty is a list that JSON has as one, and not as null.
func orEmpty(list []string) []string { return append([]string{}, list...) }

// Config is the configuration that is in force.
func (c *Client) Config(ctx context.Context) (Config, error) {
	return ask[Config](ctx, c, http.MethodGet, "/v1/config", nil)
}

// Reload has the gateway read its configuration again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return ask[Reloaded](ctx, c, http.MethodPost, "/v1/config/reload", nil)
}
