package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestSlowly: a request that waits for a modem outlives the time-outs of the server, and ends with its client.
func TestSlowly(t *testing.T) {
	ask := func(timeout time.Duration, wrap func(http.HandlerFunc) http.HandlerFunc) (string, error) {
		srv := httptest.NewUnstartedServer(wrap(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(5 * timeout):
				io.WriteString(w, "done")
			case <-r.Context().Done():
			}
		}))
		srv.Config.ReadTimeout, srv.Config.WriteTimeout = timeout, timeout
		srv.Start()
		defer srv.Close()
		resp, err := srv.Client().Post(srv.URL, "application/json", nil)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	timeout := 50 * time.Millisecond
	if got, err := ask(timeout, func(h http.HandlerFunc) http.HandlerFunc { return h }); got != "" {
		t.Errorf("an ordinary request got %q, %v; want the server to give up", got, err)
	}
	got, err := ask(timeout, slowly)
	for ; got != "done" && timeout < 5*time.Second; got, err = ask(timeout, slowly) {
		timeout *= 2 // a busy machine takes as long to bring the request to the handler
	}
	if got != "done" {
		t.Errorf("got %q, %v with a time-out of %s", got, err, timeout)
	}
}
