package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

// bindRefusal is why somebody was not let in: the status is for the client, the reason for the operator alone.
type bindRefusal struct {
	status smpp.Status
	reason string
	hangUp bool // no more tries on this connection
}

func refuseBind(status smpp.Status, reason string) *bindRefusal {
	return &bindRefusal{status: status, reason: reason}
}

func (r *bindRefusal) Error() string { return r.reason }

// Unwrap gives what the server of package smpp looks for.
func (r *bindRefusal) Unwrap() []error {
	if r.hangUp {
		return []error{r.status, smpp.ErrHangUp}
	}
	return []error{r.status}
}

// Refusal sums up binds that were refused for one reason.
type Refusal struct {
	Peer        netip.Prefix // the zero one: not by IP
	SystemID    string       // as the client gave it; "" is also for the rest of a peer that gave many
	Reason      string
	First, Last time.Time
	Count       int
}

// LastBind is what is known of an account's latest binds. Zero times: none.
type LastBind struct {
	Good        time.Time // may be up to an hour older than the truth for one before the start
	GoodFrom    string    // host:port; of one before the start the address alone, of IPv6 its first 64 bits
	Refused     time.Time // since the start, as all below
	RefusedFrom string
	Reason      string
	Count       int
}

const (
	// mostKinds is how many kinds of refusals are remembered, and mostOfPeer how many of one peer.
	mostKinds, mostOfPeer = 500, 10
	// refusalLines is how many lines about refusals the log gets in a refusalSpan, and as many again to sum them up.
	refusalLines, refusalSpan = 10, time.Minute
)

// kind is what refusals have in common that are counted together.
type kind struct {
	peer             netip.Prefix
	systemID, reason string
}

// binds remember how binds went, for the operator, in memory of a fixed size, and tell the log as much as it can bear: the
// first refusal of a peer in a minute as it is, the others as numbers when the minute is over.
type binds struct {
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex
	refused  *latest[kind, *Refusal]
	accounts map[string]*LastBind // by key, of those that exist

	untold map[netip.Prefix]*Refusal // in this minute; of the zero Peer's entry the reason is nobody's in particular
	lines  int                       // in this minute
	rest   Refusal                   // of peers that got no line
	more   hint                      // something is untold
}

func newBinds(log *slog.Logger, now func() time.Time) *binds {
	return &binds{
		log: log, now: now, refused: newLatest[kind, *Refusal](mostKinds), accounts: make(map[string]*LastBind),
		untold: make(map[netip.Prefix]*Refusal),
	}
}

// good takes down a bind that was let in.
func (b *binds) good(key string, s *smpp.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.account(key)
	l.Good, l.GoodFrom = b.now(), s.RemoteAddr().String()
}

func (b *binds) account(key string) *LastBind {
	if b.accounts[key] == nil {
		b.accounts[key] = &LastBind{}
	}
	return b.accounts[key]
}

// forget is for an account that is no more.
func (b *binds) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, key)
}

// refuse takes down a bind that was not let in. found: there is an account of that key.
func (b *binds) refuse(s *smpp.Session, key string, found bool, r *bindRefusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if found {
		l := b.account(key)
		l.Refused, l.RefusedFrom, l.Reason = now, s.RemoteAddr().String(), r.reason
		l.Count++
	}
	b.count(kind{s.Peer(), key, r.reason}, found, now)

	told := b.untold[s.Peer()]
	switch {
	case told != nil:
		told.SystemID, told.Reason, told.Last = key, r.reason, now
		told.Count++
	case b.lines >= refusalLines:
		b.rest.Last = now
		b.rest.Count++
	default:
		b.lines++
		b.untold[s.Peer()] = &Refusal{Peer: s.Peer()}
		b.log.Warn("bind refused", "session", s.ID(), "system_id", key, "remote", s.RemoteAddr().String(), "status", r.status.String(),
			"reason", r.reason)
		b.more.set()
	}
}

// count adds to what the operator can ask for. A peer that makes up many Account Keys does not push out all others.
func (b *binds) count(k kind, found bool, now time.Time) {
	if _, ok := b.refused.look(k); !ok && !found {
		n := 0
		b.refused.each(func(other kind, _ *Refusal) {
			if other.peer == k.peer {
				n++
			}
		})
		if n >= mostOfPeer {
			k.systemID = ""
		}
	}
	r := b.refused.touch(k, func() *Refusal { return &Refusal{Peer: k.peer, SystemID: k.systemID, Reason: k.reason, First: now} })
	r.Last = now
	r.Count++
}

// run sums up each minute in which binds were refused, until ctx ends.
func (b *binds) run(ctx context.Context) {
	for {
		more := b.more.wait()
		b.mu.Lock()
		untold := b.lines > 0
		b.mu.Unlock()
		if !untold {
			select {
			case <-more:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer := time.NewTimer(refusalSpan)
		select {
		case <-timer.C:
			b.sumUp()
		case <-ctx.Done():
			timer.Stop()
			b.sumUp()
			return
		}
	}
}

// sumUp tells the rest of a minute and begins another.
func (b *binds) sumUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.untold {
		if r.Count > 0 {
			b.log.Warn("more binds refused", "peer", peerText(r.Peer), "count", r.Count, "last_system_id", r.SystemID, "last_reason", r.Reason)
		}
	}
	if b.rest.Count > 0 {
		b.log.Warn("more binds refused", "peer", "others", "count", b.rest.Count, "see", "smsgateway account refused")
	}
	clear(b.untold)
	b.lines, b.rest = 0, Refusal{}
}

// list gives the refusals, the latest first.
func (b *binds) list() []Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Refusal
	b.refused.each(func(_ kind, r *Refusal) { all = append(all, *r) })
	return all
}

// of is what is known of an account.
func (b *binds) of(a store.Account) LastBind {
	b.mu.Lock()
	defer b.mu.Unlock()
	var l LastBind
	if known := b.accounts[a.Key]; known != nil {
		l = *known
	}
	for _, o := range a.Origins {
		if o.At.After(l.Good) {
			l.Good, l.GoodFrom = o.At, strings.TrimSuffix(o.Peer, "/32")
		}
	}
	return l
}

// Refusals lists the binds that were refused since the start, the latest first: the latest few hundred kinds of them.
func (g *Gateway) Refusals() []Refusal { return g.binds.list() }

// LastBind tells when an account was bound, and when a bind for it was refused.
func (g *Gateway) LastBind(a store.Account) LastBind { return g.binds.of(a) }

// Bans lists the addresses from which strangers can't bind now.
func (g *Gateway) Bans() []Ban { return g.auth.guard.bans() }

// Unban lets strangers from an address try again. ErrNotBanned if it is not banned.
func (g *Gateway) Unban(address string) error {
	peer, err := parsePeer(address)
	if err != nil {
		return err
	}
	if !g.Running() {
		return ErrNoGateway
	}
	if !g.auth.guard.unban(peer) {
		return ErrNotBanned
	}
	g.log.Info("ban lifted", "peer", peerText(peer))
	return nil
}

// ErrNoGateway: bans are known to a gateway that runs, and to no other.
var ErrNoGateway = errors.New("no gateway is running, so nobody is banned")

// ErrNotBanned: an address that is to be let in again was not kept out.
var ErrNotBanned = errors.New("not banned")

// parsePeer reads an address, or a peer as Refusals and Bans show it.
func parsePeer(text string) (netip.Prefix, error) {
	addr, err := netip.ParseAddr(text)
	if p, e := netip.ParsePrefix(text); e == nil {
		addr, err = p.Addr(), nil
	}
	if err != nil {
		return netip.Prefix{}, &InputError{"address", fmt.Sprintf("%q is none; it takes one as in 192.0.2.7, or as smsgateway account refused shows it", text)}
	}
	return smpp.PeerOfAddr(addr), nil
}

// peerText shows a peer as people write it: without /32.
func peerText(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return "unknown"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

// String is the address of the peer, of IPv6 its first 64 bits: "192.0.2.7", "2001:db8::/64".
func (b Ban) String() string { return peerText(b.Peer) }

// From is where it came from, as of Ban.
func (r Refusal) From() string { return peerText(r.Peer) }

// aboutField says in plain words why a bind could not be read.
func aboutField(f *smpp.FieldError) string {
	switch {
	case f.Status == smpp.StatusInvSysID:
		return "system_id has more than 15 octets"
	case f.Status == smpp.StatusInvPaswd:
		return "password has more than 8 octets"
	}
	return cmp.Or(f.Field, "the PDU") + " can't be read: " + f.Reason
}
