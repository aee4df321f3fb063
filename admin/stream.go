package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"smsgateway/store"
)

// takenWithin is how long a client may need for one piece of a long answer before it is given up.
const takenWithin = 10 * time.Minute

// streamWriter is the body of a long answer. Each piece has its own time.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	wrote   bool
}

func newStreamWriter(w http.ResponseWriter) *streamWriter {
	s := &streamWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	s.control.SetReadDeadline(time.Time{}) // in process there are no time-outs: then these are errors
	return s
}

func (s *streamWriter) Write(b []byte) (int, error) {
	s.wrote = true
	s.control.SetWriteDeadline(time.Now().Add(takenWithin))
	return s.ResponseWriter.Write(b)
}

// backup streams the database. Its length is known before, so that a client can tell an end from a break.
func (a *api) backup(w http.ResponseWriter, r *http.Request) {
	out := newStreamWriter(w)
	err := a.g.Backup(r.Context(), out, func(done, total int64) {
		if done == 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.FormatInt(total, 10))
		}
	})
	switch {
	case err == nil:
	case out.wrote:
		panic(http.ErrAbortHandler) // the client sees that it is too short
	default:
		w.Header().Del("Content-Length")
		status, sentence := explain(err)
		writeJSON(w, status, failure{sentence})
	}
}

// checkLine is one line of the answer to a check: one of its fields.
type checkLine struct {
	Progress *Progress `json:"progress,omitempty"`
	Findings *Findings `json:"findings,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// check streams how far it is, and at last what it found.
func (a *api) check(w http.ResponseWriter, r *http.Request) {
	out := newStreamWriter(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(out)
	found, err := a.g.Check(r.Context(), r.URL.Query().Get("quick") != "", func(p store.Progress) {
		enc.Encode(checkLine{Progress: &Progress{p.What, p.Done, p.Total}})
		out.control.Flush()
	})
	if err != nil {
		_, sentence := explain(err)
		enc.Encode(checkLine{Error: sentence})
		return
	}
	v := findingsOf(found)
	enc.Encode(checkLine{Findings: &v})
}

// Backup writes the database to w, as it is on disk at this moment, and gives how many octets it has. progress is told how far
// that is. An error after the first octet means that what was written is of no use.
func (c *Client) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (int64, error) {
	resp, err := c.stream(ctx, "/v1/backup")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, errors.New("the gateway did not say how long the backup is")
	}
	done := int64(0)
	chunk := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(chunk)
		if n > 0 {
			if _, err := w.Write(chunk[:n]); err != nil {
				return done, err
			}
			done += int64(n)
			progress(done, resp.ContentLength)
		}
		switch {
		case err == io.EOF && done == resp.ContentLength:
			return done, nil
		case errors.Is(ctx.Err(), context.Canceled):
			return done, errors.New("interrupted")
		case err != nil:
			return done, fmt.Errorf("the gateway gave up in the middle of it; its log says why: %w", err)
		}
	}
}

// Check looks at the whole database of the running gateway. progress may be called often.
func (c *Client) Check(ctx context.Context, quick bool, progress func(Progress)) (Findings, error) {
	q := ""
	if quick {
		q = "1"
	}
	resp, err := c.stream(ctx, "/v1/check"+query("quick", q))
	if err != nil {
		return Findings{}, err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var line checkLine
		err := dec.Decode(&line)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return Findings{}, errors.New("interrupted: not all was looked at")
		case err != nil:
			return Findings{}, fmt.Errorf("the gateway gave up in the middle of it; its log says why: %w", err)
		case line.Error != "":
			return Findings{}, errors.New(line.Error)
		case line.Findings != nil:
			return *line.Findings, nil
		case line.Progress != nil:
			progress(*line.Progress)
		}
	}
}

// stream asks for a long answer, of which only the beginning has to come soon.
func (c *Client) stream(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://smsgateway"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	client := c.http
	if t, ok := client.Transport.(inProcess); ok {
		client = &http.Client{Transport: streamed{t.handler}}
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, http.MethodGet, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return nil, refusal(resp.StatusCode, text)
	}
	return resp, nil
}

// streamed answers requests by calling the handler, and hands on what it writes as it comes.
type streamed struct{ handler http.Handler }

func (t streamed) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Body = http.NoBody
	body, pipe := io.Pipe()
	out := &piped{header: http.Header{}, pipe: pipe, begun: make(chan struct{})}
	go func() {
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
			out.WriteHeader(http.StatusOK)
			if p != nil {
				pipe.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			pipe.Close()
		}()
		t.handler.ServeHTTP(out, in)
	}()
	select {
	case <-out.begun:
	case <-r.Context().Done():
		body.Close() // the handler's next Write fails
		return nil, r.Context().Err()
	}
	length := int64(-1)
	if n, err := strconv.ParseInt(out.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.sent, Body: body, ContentLength: length, Request: r,
	}, nil
}

// piped is the answer of a handler on its way. Only the handler calls its methods.
type piped struct {
	header, sent http.Header // sent is what it was when the answer began
	status       int
	pipe         *io.PipeWriter
	begun        chan struct{} // closed then
}

func (p *piped) Header() http.Header { return p.header }

func (p *piped) WriteHeader(status int) {
	if p.status == 0 {
		p.status, p.sent = status, p.header.Clone()
		close(p.begun)
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.pipe.Write(b)
}
