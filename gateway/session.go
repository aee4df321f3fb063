package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

// Bind lets an ESME in. It implements smpp.Backend.
//
// An unknown Account Key and a wrong password get the same ESME_RINVPASWD, after the same time: a stranger learns
// nothing about which keys exist. ESME_RINVSYSID is left for a system_id that no account can have. Our log tells the
// operator which of them it was.
func (g *Gateway) Bind(ctx context.Context, s *smpp.Session, b *smpp.Bind) (smpp.Handler, error) {
	log := g.log.With("session", s.ID(), "system_id", b.SystemID, "remote", s.RemoteAddr())
	if b.SystemID == "" || checkKey(b.SystemID) != nil {
		log.Warn("bind refused", "reason", "no account can have this system_id")
		return nil, smpp.StatusInvSysID
	}
	acct, err := g.db.Account(b.SystemID)
	if err != nil && !errors.Is(err, store.ErrNoAccount) {
		return nil, fmt.Errorf("read account %s: %w", b.SystemID, err)
	}
	found := err == nil
	ok, err := g.auth.check(ctx, acct, found, b.Password)
	switch {
	case errors.Is(err, errAuthBusy):
		log.Warn("bind refused", "reason", err.Error())
		return nil, smpp.StatusBindFail
	case err != nil:
		return nil, fmt.Errorf("check the password of account %s: %w", b.SystemID, err)
	case !found:
		log.Warn("bind refused", "reason", "there is no such account")
		return nil, smpp.StatusInvPaswd
	case !ok:
		log.Warn("bind refused", "reason", "wrong password")
		return nil, smpp.StatusInvPaswd
	case acct.Disabled:
		log.Warn("bind refused", "reason", "the account is disabled")
		return nil, smpp.StatusBindFail
	}
	h := &handler{g: g, lane: acct.Lane, session: s, log: log, since: g.opt.Now()}
	most := acct.MaxSessions
	if most == 0 {
		most = g.defaults().MaxSessions
	}
	if !g.sessions.add(h, most) {
		log.Warn("bind refused", "reason", "the account has as many sessions as it may", "max_sessions", most)
		return nil, smpp.StatusAlyBnd
	}
	// Whoever changed the password or disabled the account meanwhile ended the sessions that were there; this one came
	// too late for that, so look once more.
	if now, err := g.db.Account(b.SystemID); err != nil || now.Password != acct.Password || now.Disabled {
		g.sessions.remove(h)
		return nil, smpp.StatusBindFail
	}
	return h, nil
}

// handler serves one bound session. It implements smpp.Handler.
type handler struct {
	g       *Gateway
	lane    uint32
	session *smpp.Session
	log     *slog.Logger
	since   time.Time
	barred  atomic.Bool // the terms of the bind are no longer in force; nothing more is taken from this session

	hangUp context.CancelFunc // ends the courier; nil if the session can't receive
}

// Bound starts the courier of a session that can receive.
func (h *handler) Bound(s *smpp.Session) {
	if !s.CanReceive() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.hangUp = cancel
	h.g.courier(ctx, h)
}

// Closed ends what Bound began.
func (h *handler) Closed(*smpp.Session) {
	if h.hangUp != nil {
		h.hangUp()
	}
	h.g.sessions.remove(h)
}

// account reads the settings anew for each request, so that a change counts from the next message on.
func (h *handler) account() (store.Account, error) { return h.g.db.AccountOfLane(h.lane) }

// farewell is how long a session of an account that may not bind any more has for its last answers, whatever its client does.
const farewell = 5 * time.Second

// sessions are the bound ones, by account.
type sessions struct {
	mu     sync.Mutex
	byLane map[uint32]map[*handler]struct{}
}

// add takes in a session, unless the account has most of them already.
func (s *sessions) add(h *handler, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byLane[h.lane]) >= most {
		return false
	}
	if s.byLane[h.lane] == nil {
		s.byLane[h.lane] = make(map[*handler]struct{})
	}
	s.byLane[h.lane][h] = struct{}{}
	return true
}

func (s *sessions) remove(h *handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byLane[h.lane], h)
	if len(s.byLane[h.lane]) == 0 {
		delete(s.byLane, h.lane)
	}
}

// end closes the sessions of an account.
func (s *sessions) end(lane uint32, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.byLane[lane] {
		h.barred.Store(true) // a client may ignore our unbind, and go on for as long as it is waited for
		h.session.CloseWithin(farewell, reason)
	}
}

// endAll closes all sessions.
func (s *sessions) endAll(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, handlers := range s.byLane {
		for h := range handlers {
			h.session.Close(reason)
		}
	}
}

// SessionInfo describes a bound session.
type SessionInfo struct {
	ID                     uint64
	SystemID, Kind, Remote string
	Since                  time.Time
}

// Sessions lists the bound sessions of an account, "" all.
func (g *Gateway) Sessions(key string) []SessionInfo {
	g.sessions.mu.Lock()
	defer g.sessions.mu.Unlock()
	var list []SessionInfo
	for _, handlers := range g.sessions.byLane {
		for h := range handlers {
			if key != "" && h.session.SystemID() != key {
				continue
			}
			list = append(list, SessionInfo{
				ID:       h.session.ID(),
				SystemID: h.session.SystemID(),
				Kind:     h.session.Kind().String(),
				Remote:   h.session.RemoteAddr().String(),
				Since:    h.since,
			})
		}
	}
	return list
}
