package admin

import (
	"net/http"
	"testing"
)

// TestRefusedWithoutGateway: what only a gateway that runs can know is empty.
func TestRefusedWithoutGateway(t *testing.T) {
	everyWay(t, func(t *testing.T, b box) {
		all, err := b.Refused(t.Context())
		if err != nil || all.Binds == nil || all.Banned == nil || len(all.Binds)+len(all.Banned) != 0 {
			t.Errorf("got %+v, %v; want two empty lists", all, err)
		}
		wantError(t, b.Unban(t.Context(), "192.0.2.7"), http.StatusConflict, "no gateway is running")
	})
}
