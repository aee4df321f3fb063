package admin

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

// TestStuckHandler: a command ends though the handler that it runs in its own process never does.
func TestStuckHandler(t *testing.T) {
	free := make(chan struct{})
	defer close(free)
	c := Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-free }))
	c.http.Transport = inProcess{c.http.Transport.(inProcess).handler, time.Millisecond}
	if _, err := c.Accounts(t.Context()); !errors.Is(err, errStuck) {
		t.Errorf("got %v, want %v", err, errStuck)
	}
}
