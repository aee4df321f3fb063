package gateway

import (
	"net/netip"
	"testing"
	"time"

	"smsgateway/store"
)

// TestOriginsAge: who has bound an account is a stranger again after a month, whatever a clock once said.
func TestOriginsAge(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	here, elsewhere := netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("192.0.2.8/32")
	for _, tt := range []struct {
		name string
		peer netip.Prefix
		age  time.Duration
		want bool
	}{
		{"just now", here, 0, true},
		{"29 days", here, 29 * 24 * time.Hour, true},
		{"30 days", here, 30 * 24 * time.Hour, false},
		{"years", here, 10 * 365 * 24 * time.Hour, false},
		{"the clock was set back by a day", here, -24 * time.Hour, true},
		{"a year in the future", here, -365 * 24 * time.Hour, false},
		{"another peer", elsewhere, 0, false},
		{"no IP", netip.Prefix{}, 0, false},
	} {
		a := store.Account{Origins: []store.Origin{
			{Peer: "198.51.100.9/32", At: now}, {Peer: here.String(), At: now.Add(-tt.age)},
		}}
		if got := knownFrom(a, tt.peer, now); got != tt.want {
			t.Errorf("%s: known %t", tt.name, got)
		}
	}
}
