package gateway

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// What keeps a bind from being looked at.
var (
	errBanned  = errors.New("the address is banned for a while: too many wrong binds came from there")
	errHurried = errors.New("too many binds at once from this address, or for this account from strangers")
)

const (
	// freeTries is how many tries a peer has before it must wait between them, and strangers together for one account.
	freeTries = 10
	// firstPause is what it must wait then, doubled with each try, and longestPause the most; strangerPause is between any
	// two tries of strangers for one account.
	firstPause, longestPause, strangerPause = 500 * time.Millisecond, 5 * time.Second, time.Second
	// longestHold is how long a try is held back at most; one that would have to wait longer is refused at once.
	longestHold = 10 * time.Second
	// repeatHold is how long the same wrong bind is held back that was wrong before.
	repeatHold = time.Second
	// forgetTries is how long after the last one tries are remembered.
	forgetTries = 10 * time.Minute
	// mostPeers and mostKeys are how many peers and Account Keys are remembered: those of the latest tries.
	mostPeers, mostKeys = 4096, 1024
	// mostWrong is how many wrong binds of a peer are remembered.
	mostWrong = 16
)

// guard keeps strangers from trying passwords, and true clients from being kept out with them: docs/design.md has the
// reasons. It remembers tries by peer (smpp.PeerOf) and by Account Key, in memory of a fixed size. A peer that has bound an
// account before is known for that account: its tries for it are counted by themselves, and no ban and no stranger holds
// them up.
type guard struct {
	now func() time.Time

	mu       sync.Mutex
	banAfter int // below 0: never
	banTime  time.Duration
	peers    *latest[applicant, *tries]
	accounts *latest[string, *tries]
}

// applicant is who tries: a peer, and the account that it is known for, or "" for a stranger.
type applicant struct {
	peer  netip.Prefix
	known string
}

// tries are what is remembered of an applicant, or of the strangers of one account.
type tries struct {
	count  int       // that were wrong or are being looked at
	wrong  int       // of these
	next   time.Time // not looked at before
	last   time.Time
	banned time.Time // until
	before [mostWrong]uint64
	place  int // in before, of the next
}

func newGuard(now func() time.Time, banAfter int, banTime time.Duration) *guard {
	return &guard{
		now: now, banAfter: banAfter, banTime: banTime,
		peers: newLatest[applicant, *tries](mostPeers), accounts: newLatest[string, *tries](mostKeys),
	}
}

// set puts others in force. Bans that are there stay as they are.
func (g *guard) set(banAfter int, banTime time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.banAfter, g.banTime = banAfter, banTime
}

// try looks at one bind with check, when its turn has come; account is the key that it is for, "" for one that no account
// can have, print a fingerprint of it with its password. It is false for a wrong one. errBanned and errHurried, or an error
// of check, say that nobody looked.
func (g *guard) try(ctx context.Context, who applicant, account string, print uint64, check func() (bool, error)) (bool, error) {
	wait, again, err := g.admit(who, account, print)
	if err != nil {
		return false, err
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done(): // it has had its turn, all the same
			return false, ctx.Err()
		}
	}
	if again {
		return false, nil
	}
	right, err := check()
	g.tried(who, account, print, right, err)
	return right, err
}

// admit gives a try its time. again: the very same was wrong before, and needs no look. A client with an old password that
// binds again and again is no stranger who guesses.
func (g *guard) admit(who applicant, account string, print uint64) (wait time.Duration, again bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	p := recall(g.peers, who, now)
	if p.banned.After(now) {
		return 0, false, errBanned
	}
	for _, b := range p.before {
		if b == print {
			return repeatHold, true, nil
		}
	}
	at := later(now, p.next)
	var a *tries
	if who.known == "" && account != "" {
		a = recall(g.accounts, account, now)
		at = later(at, a.next)
	}
	if at.Sub(now) > longestHold {
		return 0, false, errHurried // and nothing is remembered, as that would push out others at no cost
	}
	g.peers.keep(who, p)
	p.count++
	p.next, p.last = at.Add(pause(p.count)), now
	if a != nil {
		a.count++
		a.last = now
		if a.count > freeTries {
			a.next = at.Add(strangerPause)
		}
		g.accounts.keep(account, a)
	}
	return at.Sub(now), false, nil
}

// pause is how long a peer must wait after so many tries.
func pause(tries int) time.Duration {
	switch n := tries - freeTries; {
	case n < 0:
		return 0
	case n > 4:
		return longestPause
	default:
		return min(firstPause<<n, longestPause)
	}
}

// tried takes down how a try went. A right one clears its applicant: it comes this way once, and is remembered by its
// password from then on, so that nobody clears himself again and again with an account of his own.
func (g *guard) tried(who applicant, account string, print uint64, right bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	p := recall(g.peers, who, now)
	g.peers.keep(who, p) // it was remembered when it was admitted
	if right || err != nil {
		if a, ok := g.accounts.look(account); ok && who.known == "" {
			a.count = max(a.count-1, 0)
		}
		if right {
			*p = tries{banned: p.banned}
		} else {
			p.count = max(p.count-1, 0)
		}
		return
	}
	p.before[p.place] = print
	p.place = (p.place + 1) % mostWrong
	p.wrong++
	if who.known == "" && g.banAfter >= 0 && p.wrong >= g.banAfter {
		*p = tries{banned: now.Add(g.banTime), last: now}
	}
}

// banned tells whether strangers from there are banned.
func (g *guard) banned(peer netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.peers.look(applicant{peer: peer})
	return ok && p.banned.After(g.now())
}

// recall finds what is remembered under a key, and forgets what is over. What is new is remembered from keep on.
func recall[K comparable](in *latest[K, *tries], key K, now time.Time) *tries {
	t, ok := in.look(key)
	if !ok {
		return &tries{}
	}
	in.keep(key, t)
	if now.Sub(t.last) > forgetTries {
		*t = tries{banned: t.banned}
	}
	return t
}

// Ban is a peer from which no stranger can bind.
type Ban struct {
	Peer  netip.Prefix
	Until time.Time
}

// bans lists them, the latest first.
func (g *guard) bans() (all []Ban) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.peers.each(func(who applicant, t *tries) {
		if t.banned.After(now) {
			all = append(all, Ban{who.peer, t.banned})
		}
	})
	return all
}

// unban forgets all about a peer. False: it was not banned.
func (g *guard) unban(peer netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := applicant{peer: peer}
	t, ok := g.peers.look(who)
	if !ok || !t.banned.After(g.now()) {
		return false
	}
	g.peers.drop(who)
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// latest is a map of a fixed size: the entry that was not touched for the longest time makes room for a new one.
type latest[K comparable, V any] struct {
	most  int
	order *list.List // of entry[K, V], the latest in front
	at    map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLatest[K comparable, V any](most int) *latest[K, V] {
	return &latest[K, V]{most: most, order: list.New(), at: make(map[K]*list.Element)}
}

// touch gives the value under a key, a new one if there is none.
func (l *latest[K, V]) touch(key K, make func() V) V {
	v, ok := l.look(key)
	if !ok {
		v = make()
	}
	l.keep(key, v)
	return v
}

// keep puts a value under a key, in place of any other.
func (l *latest[K, V]) keep(key K, v V) {
	l.drop(key)
	if len(l.at) >= l.most {
		l.drop(l.order.Back().Value.(entry[K, V]).key)
	}
	l.at[key] = l.order.PushFront(entry[K, V]{key, v})
}

// look gives the value under a key without touching it.
func (l *latest[K, V]) look(key K) (v V, ok bool) {
	e, ok := l.at[key]
	if ok {
		v = e.Value.(entry[K, V]).value
	}
	return v, ok
}

func (l *latest[K, V]) drop(key K) {
	if e, ok := l.at[key]; ok {
		l.order.Remove(e)
		delete(l.at, key)
	}
}

// each calls f with all, the latest first.
func (l *latest[K, V]) each(f func(K, V)) {
	for e := l.order.Front(); e != nil; e = e.Next() {
		f(e.Value.(entry[K, V]).key, e.Value.(entry[K, V]).value)
	}
}
