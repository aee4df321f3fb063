package admin

import (
	"errors"
	"net/http"
	"time"

	"smsgateway/gateway"
)

// Binds tell when an account was last bound, and when a bind for it was last refused. What is refused is counted since the
// start of the gateway.
type Binds struct {
	Last          time.Time `json:"last,omitzero"`            // of one before the start up to an hour too early
	LastFrom      string    `json:"last_from,omitempty"`      // host:port; of one before the start the address
	Refused       time.Time `json:"refused,omitzero"`         // the last
	RefusedFrom   string    `json:"refused_from,omitempty"`   // host:port
	RefusedReason string    `json:"refused_reason,omitempty"` // a sentence; clients are never told
	RefusedCount  int       `json:"refused_count"`
}

// Refused are the binds that were refused since the start, the latest first, and who is kept out for them.
type Refused struct {
	Binds  []RefusedBind `json:"binds"`
	Banned []Banned      `json:"banned"`
}

// RefusedBind sums up binds of one address that were refused for one reason.
type RefusedBind struct {
	Address  string    `json:"address"`   // of IPv6 its first 64 bits: "2001:db8::/64"
	SystemID string    `json:"system_id"` // "" is also for the many of an address that gave many
	Reason   string    `json:"reason"`    // a sentence; clients are never told
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Count    int       `json:"count"`
}

// Banned is an address from which nobody can bind who has not done so before.
type Banned struct {
	Address string    `json:"address"`
	Until   time.Time `json:"until"`
}

// unban lets an address try again.
type unban struct {
	Address string `json:"address"`
}

func bindsOf(b gateway.LastBind) *Binds {
	return &Binds{
		Last: b.Good.UTC(), LastFrom: b.GoodFrom,
		Refused: b.Refused.UTC(), RefusedFrom: b.RefusedFrom, RefusedReason: b.Reason, RefusedCount: b.Count,
	}
}

func (a *api) refused(*http.Request) (any, error) {
	all := Refused{Binds: []RefusedBind{}, Banned: []Banned{}}
	for _, r := range a.g.Refusals() {
		all.Binds = append(all.Binds, RefusedBind{
			Address: r.From(), SystemID: r.SystemID, Reason: r.Reason, First: r.First.UTC(), Last: r.Last.UTC(), Count: r.Count,
		})
	}
	for _, b := range a.g.Bans() {
		all.Banned = append(all.Banned, Banned{Address: b.String(), Until: b.Until.UTC()})
	}
	return all, nil
}

func (a *api) unban(r *http.Request) (any, error) {
	req, err := read[unban](r)
	if err != nil {
		return nil, err
	}
	err = a.g.Unban(req.Address)
	if errors.Is(err, gateway.ErrNotBanned) {
		return nil, refuse(http.StatusNotFound, "%s is not banned; see smsgateway account refused", req.Address)
	}
	return nil, err
}
