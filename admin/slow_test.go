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
	const timeout = 50 * time.Millisecond
	wait := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(5 * timeout):
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"slow", slowly(wait), "done"},
		{"ordinary", wait, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(tt.handler)
			srv.Config.ReadTimeout, srv.Config.WriteTimeout = timeout, timeout
			srv.Start()
			defer srv.Close()
			resp, err := srv.Client().Post(srv.URL, "application/json", nil)
			if err != nil && tt.want == "" {
				return // the server has given up
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); string(body) != tt.want {
				t.Errorf("got %q, %v; want %q", body, err, tt.want)
			}
		})
	}
}
