package admin

import (
	"context"
	"net/http"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

// File is what the octets of gateway.db are used for.
type File struct {
	Size   int64     `json:"size"`                   // octets
	Free   int64     `json:"free"`                   // octets of pages that hold nothing any more, and are used again
	Erased time.Time `json:"erased_since,omitzero"`  // the first text was deleted that may still be found in free pages
	Done   int64     `json:"compact_done,omitempty"` // how far a compaction is
	Total  int64     `json:"compact_total,omitempty"`
}

// Compacted is what a compaction did; sizes in octets.
type Compacted struct {
	Before int64   `json:"before"`
	After  int64   `json:"after"`
	Took   float64 `json:"seconds"`
	Stall  float64 `json:"stall_seconds"` // how long nothing could be written
}

func fileOf(s store.Space, c gateway.Compaction) File {
	f := File{Size: s.Size, Free: s.Free, Erased: s.Erased}
	if c.Running {
		f.Done, f.Total = c.Done, c.Total
	}
	return f
}

func (a *api) file(*http.Request) (any, error) {
	s, err := a.g.Space()
	if err != nil {
		return nil, err
	}
	return fileOf(s, a.g.Compaction()), nil
}

func (a *api) compact(r *http.Request) (any, error) {
	done, err := a.g.Compact(r.Context())
	if err != nil {
		return nil, err
	}
	return Compacted{done.Before, done.After, done.Took.Seconds(), done.Stall.Seconds()}, nil
}

// atLeisure serves a request that ends when its work is done, or its client goes.
func atLeisure(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w) // in process there are no time-outs to lift: then these are errors
		c.SetReadDeadline(time.Time{})
		c.SetWriteDeadline(time.Time{})
		next(w, r)
	}
}

// File tells what the file's octets are used for.
func (c *Client) File(ctx context.Context) (File, error) {
	return ask[File](ctx, c, http.MethodGet, "/v1/file", nil)
}

// Compact has the file written anew, and waits for its end for as long as ctx goes on. The end of ctx gives it up.
func (c *Client) Compact(ctx context.Context) (Compacted, error) {
	return ask[Compacted](ctx, c.atLeisure(), http.MethodPost, "/v1/file/compact", nil)
}

// atLeisure is a client that waits for as long as it takes.
func (c *Client) atLeisure() *Client {
	const ever = 1000 * time.Hour
	if t, ok := c.http.Transport.(inProcess); ok {
		t.patience = ever
		return &Client{http: &http.Client{Transport: t}}
	}
	return &Client{http: c.http, path: c.path, question: ever, order: ever}
}
