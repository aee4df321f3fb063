package smpp

import (
	"context"
	"sync"
)

// window counts the requests of a session that are in work. Each that is let in may put one answer into the queue.
type window struct {
	most  int           // Server.Window
	freed chan struct{} // has a token after there may be room again; one goroutine waits

	mu          sync.Mutex
	used, limit int
	opened      bool // else openWindow holds
}

func newWindow(most int) window {
	return window{most: most, limit: most, freed: make(chan struct{}, 1)}
}

// enter waits until there is room for one more request. While there is none, nothing is read.
func (w *window) enter(ctx context.Context) error {
	for !w.take() {
		select {
		case <-w.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *window) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.limit
	if !w.opened {
		limit = min(limit, openWindow)
	}
	if w.used >= limit {
		return false
	}
	w.used++
	return true
}

// leave ends one request's stay.
func (w *window) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	w.tell()
}

// set makes the window narrower, or wider again. Requests that are in work already stay so.
func (w *window) set(limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = min(max(limit, 1), w.most)
	w.tell()
}

// open lets in as many as set says: the client is bound.
func (w *window) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = true
	w.tell()
}

func (w *window) tell() {
	select {
	case w.freed <- struct{}{}:
	default: // it is told already
	}
}

// SetWindow says how many requests of this session may be in work at a time, from the next one on; beyond it nothing is
// read. It is at least 1, and at most Server.Window, which holds until it is called.
func (s *Session) SetWindow(n int) { s.window.set(n) }
