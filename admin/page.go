package admin

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"smsgateway/gateway"
	"smsgateway/store"
)

//go:embed page.html
var pageText string

// StatusHandler serves the page for people at / and, for watchdogs, the same truth at /healthz: 200 when texts can be
// accepted and sent, 503 when not. Both only read, and show no text, no number and no key of an account.
func StatusHandler(g *gateway.Gateway) http.Handler {
	page := template.Must(template.New("page").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Local().Format(time.DateTime) },
	}).Parse(pageText))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := look(g)
		status := http.StatusOK
		if h.Status == failing {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, h)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		page.Execute(w, viewOf(g)) // an error is the browser's that went away
	})
	return mux
}

// The words of health.Status.
const (
	well     = "ok"
	degraded = "degraded" // texts go out, but somebody should look
	failing  = "failing"  // no text goes out, or none can be accepted
)

// health is the answer of /healthz.
type health struct {
	Status   string        `json:"status"`
	Reasons  []string      `json:"reasons"` // sentences; empty when all is well
	Version  string        `json:"version"`
	Started  time.Time     `json:"started"`
	Accounts int           `json:"accounts"`
	Sessions int           `json:"sessions"`
	Disk     diskHealth    `json:"disk"`
	Modems   []modemHealth `json:"modems"`
}

// diskHealth is in octets; see store.DiskRoom.
type diskHealth struct {
	Free    int64 `json:"free"`
	Reserve int64 `json:"reserve"`
	Held    int64 `json:"held_in_the_file"`
}

type modemHealth struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`
}

// note adds a reason; the worst status of all stays.
func (h *health) note(status, reason string, args ...any) {
	if h.Status != failing {
		h.Status = status
	}
	h.Reasons = append(h.Reasons, fmt.Sprintf(reason, args...))
}

// look sees how the gateway is.
func look(g *gateway.Gateway) health {
	h := health{
		Status:   well,
		Reasons:  []string{},
		Version:  g.Version(),
		Started:  g.Started().UTC(),
		Sessions: len(g.Sessions("")),
		Modems:   []modemHealth{},
	}
	if !g.Running() {
		h.note(failing, "The gateway is starting or stopping.")
	}
	accounts, err := g.CountAccounts()
	if err != nil {
		h.note(failing, "The database can't be read: %v.", err)
	}
	h.Accounts = accounts
	h.lookAtDisk(g)

	ready := 0
	for _, s := range g.Modems() {
		m := modemOf(s)
		h.Modems = append(h.Modems, modemHealth{m.Name, m.State, m.Since})
		if m.Ready() {
			ready++
			continue
		}
		h.note(degraded, "Modem %s %s.", m.Name, m.StateWords)
	}
	switch {
	case len(h.Modems) == 0:
		h.note(failing, "No modem is configured: messages are accepted and wait.")
	case ready == 0:
		h.note(failing, "No modem is ready: messages are accepted and wait.")
	}
	return h
}

// lookAtDisk sees whether there is room for what is to be written.
func (h *health) lookAtDisk(g *gateway.Gateway) {
	room, err := g.Disk()
	if err != nil {
		return // look has said so
	}
	h.Disk = diskHealth{room.Free, room.Reserve, room.Held}
	switch {
	case room.Waits > 2*time.Second:
		h.note(failing, "The disk has not answered for %s.", room.Waits.Round(time.Second))
	case room.Moved:
		h.note(failing, "The database file was removed or replaced while the gateway works with it: no message is accepted.")
	case room.Paused:
		h.note(failing, "The disk is full: no message is accepted, and none is sent.")
	case room.Full:
		h.note(failing, "The disk is full: no message is accepted.")
	}
}

// view is what the page shows.
type view struct {
	health
	Now              time.Time
	Modems           []Modem
	Waiting, InDoubt string
}

func viewOf(g *gateway.Gateway) view {
	counts, err := g.Counts()
	if err != nil {
		counts = nil // look says that the database can't be read
	}
	v := view{
		health:  look(g),
		Now:     time.Now(),
		Waiting: countOf(counts, store.Queued, store.Partial, store.Claimed),
		InDoubt: countOf(counts, store.Uncertain),
	}
	for _, s := range g.Modems() {
		v.Modems = append(v.Modems, modemOf(s))
	}
	return v
}

// countOf says how many messages are in the states.
func countOf(counts map[store.State]uint64, states ...store.State) string {
	if counts == nil {
		return "unknown"
	}
	var n uint64
	for _, s := range states {
		n += counts[s]
	}
	return fmt.Sprint(n)
}
