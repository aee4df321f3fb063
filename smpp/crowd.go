package smpp

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// PeerOf is what connections from addr are counted by: the address, of IPv6 its first 64 bits, for whoever has one address
// there has them all. It is the zero Prefix for what is no address of IP; those count as one.
func PeerOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return PeerOfAddr(tcp.AddrPort().Addr())
}

// PeerOfAddr is PeerOf an address of IP.
func PeerOfAddr(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	peer, _ := ip.Prefix(bits) // the zero one for an address that is none
	return peer
}

// crowdPause is the least time between two connections of a crowd: of more than crowdBurst in crowdSpan, or when others have
// to go for them.
const (
	crowdPause = time.Millisecond
	crowdBurst = 200
	crowdSpan  = 100 * time.Millisecond
)

// madeRoom is why a connection was closed for another.
const madeRoom = "closed to make room for another connection"

// crowd bounds the connections of a Server, those that are not bound apart, so that no number of strangers keeps a client
// out: a new connection is always let in, and what goes to make room for it is the oldest unbound one of the peer that has
// most of them. Only when all connections are bound ones it is turned away. The zero value is ready.
//
// A crowd is taken in no faster than one in crowdPause: else its connections would have no time to bind, and the bound ones
// none to work.
type crowd struct {
	mu      sync.Mutex
	all     int
	open    int                         // not bound
	peers   map[netip.Prefix][]*Session // those, the oldest first
	recent  int                         // connections since
	since   time.Time                   // not longer ago than crowdSpan, if there are any
	cleared seldom
	refused seldom
}

// enter lets a new connection in, or not: there is no room, for all are bound. crowded: pause before the next.
func (c *crowd) enter(s *Session) (in, crowded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Since().Sub(c.since) > crowdSpan {
		c.recent, c.since = 0, s.Since()
	}
	c.recent++
	crowded = c.recent > crowdBurst
	if c.peers == nil {
		c.peers = make(map[netip.Prefix][]*Session)
	}
	for {
		switch {
		case len(c.peers[s.peer]) >= s.maxUnboundPeer:
			c.clear(s, &s.peer)
			crowded = true
		case c.open >= s.maxUnbound || c.all >= s.maxConns && c.open > 0:
			c.clear(s, nil)
			crowded = true
		case c.all >= s.maxConns:
			if others, ok := c.refused.tell(time.Now()); ok {
				s.settings.log.Warn("connection refused: too many are bound", "limit", s.maxConns, "peer", s.peer, "others", others)
			}
			return false, crowded
		default:
			c.all++
			c.open++
			c.peers[s.peer] = append(c.peers[s.peer], s)
			return true, crowded
		}
	}
}

// clear ends a connection of the peer that has most, or of this one if there is a peer.
func (c *crowd) clear(newcomer *Session, peer *netip.Prefix) {
	var victim *Session
	if peer != nil {
		victim = c.oldest(*peer)
	} else {
		for p := range c.peers {
			if s := c.oldest(p); victim == nil || c.before(s, victim) {
				victim = s
			}
		}
	}
	if others, ok := c.cleared.tell(time.Now()); ok {
		newcomer.settings.log.Warn("many connections without a bind: the oldest are closed", "peer", victim.peer,
			"of_it", len(c.peers[victim.peer]), "of_all", c.open, "others", others)
	}
	c.drop(victim)
	c.all--
	victim.cut(madeRoom)
}

// oldest is the oldest unbound connection of a peer, one whose bind is being looked at only if there is no other.
func (c *crowd) oldest(peer netip.Prefix) *Session {
	list := c.peers[peer]
	for _, s := range list {
		if !s.deciding.Load() {
			return s
		}
	}
	return list[0]
}

// before tells whether a, the oldest of its peer, goes before b, that of another.
func (c *crowd) before(a, b *Session) bool {
	n, m := len(c.peers[a.peer]), len(c.peers[b.peer])
	if n != m {
		return n > m
	}
	if d := a.deciding.Load(); d != b.deciding.Load() {
		return !d
	}
	return a.id < b.id
}

// drop takes a connection out of the unbound ones. False: it is none of them, or no more.
func (c *crowd) drop(s *Session) bool {
	list := c.peers[s.peer]
	i := slices.Index(list, s)
	if i < 0 {
		return false
	}
	c.open--
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(c.peers, s.peer)
	} else {
		c.peers[s.peer] = list
	}
	return true
}

// bound counts a connection with the bound ones from now on. False: it was ended to make room, just now.
func (c *crowd) bound(s *Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.counted = c.drop(s)
	return s.counted
}

// leave is called once for each connection that was let in, at its end.
func (c *crowd) leave(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drop(s) || s.counted {
		c.all--
	}
}
