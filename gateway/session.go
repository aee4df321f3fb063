package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/smpp"
	"smsgateway/store"
)

// Bind lets an ESME in. It implements smpp.Backend.
//
// An unknown Account Key and a wrong password get the same ESME_RINVPASWD, after the same time: a stranger learns
// nothing about which keys exist. ESME_RINVSYSID is left for a system_id that no account can have. Our log and the
// commands tell the operator which of them it was.
func (g *Gateway) Bind(ctx context.Context, s *smpp.Session, b *smpp.Bind) (smpp.Handler, error) {
	began := time.Now()
	acct, err := g.db.Account(b.SystemID)
	if err != nil && !errors.Is(err, store.ErrNoAccount) {
		return nil, fmt.Errorf("read account %s: %w", b.SystemID, err)
	}
	found := err == nil
	h, err := g.letIn(ctx, s, b, acct, found)
	var why *bindRefusal
	switch {
	case errors.As(err, &why):
		g.binds.refuse(s, b.SystemID, found, why)
		evenOut(ctx, began)
		return nil, err
	case err != nil: // the session is ending, or it is our own fault
		return nil, err
	}
	g.noteOrigin(acct, s.Peer())
	g.binds.good(acct.Key, s)
	return h, nil
}

// letIn decides about a bind. A *bindRefusal says why not.
func (g *Gateway) letIn(ctx context.Context, s *smpp.Session, b *smpp.Bind, acct store.Account, found bool) (*handler, error) {
	if b.SystemID == "" || checkKey(b.SystemID) != nil {
		return nil, g.impossible(ctx, s, b.SystemID, refuseBind(smpp.StatusInvSysID, "no account can have this system_id"))
	}
	if err := g.identify(ctx, s, b, acct, found); err != nil {
		return nil, err
	}
	if why := barred(acct, s.RemoteAddr(), g.opt.Now()); why != "" {
		return nil, refuseBind(smpp.StatusBindFail, why)
	}
	log := g.log.With("session", s.ID(), "system_id", b.SystemID, "remote", s.RemoteAddr())
	h := &handler{g: g, lane: acct.Lane, session: s, log: log, since: g.opt.Now()}
	most := g.maxSessions(acct)
	if !g.sessions.enter(ctx, h, most) {
		return nil, refuseBind(smpp.StatusAlyBnd, fmt.Sprintf("the account has as many sessions as it may: %d", most))
	}
	// Whoever changed the account meanwhile brought the sessions in line that were there; this one came too late for
	// that, so look once more.
	now, err := g.db.Account(b.SystemID)
	if err == nil {
		err = g.enforce(h.lane)
	}
	if err != nil || now.Password != acct.Password || h.barred.Load() {
		g.sessions.remove(h)
		return nil, refuseBind(smpp.StatusBindFail, "the account was changed in the same moment")
	}
	return h, nil
}

// identify checks the password of a bind.
func (g *Gateway) identify(ctx context.Context, s *smpp.Session, b *smpp.Bind, acct store.Account, found bool) error {
	who, real := applicant{peer: s.Peer()}, (*store.Account)(nil)
	if found {
		real = &acct
		if knownFrom(acct, s.Peer(), g.opt.Now()) {
			who.known = acct.Key
		}
	}
	right, err := g.auth.check(ctx, who, b.SystemID, real, b.Password)
	switch {
	case err != nil:
		return g.unlooked(fmt.Errorf("check the password of account %s: %w", b.SystemID, err))
	case right:
		return nil
	case !found:
		err = refuseBind(smpp.StatusInvPaswd, "there is no such account")
	case b.Password == "":
		err = refuseBind(smpp.StatusInvPaswd, "no password")
	default:
		err = refuseBind(smpp.StatusInvPaswd, "wrong password")
	}
	return err
}

// unlooked turns an error of the guard into a refusal that tells the client nothing of the account.
func (g *Gateway) unlooked(err error) error {
	for _, reason := range []error{errBanned, errHurried, errAuthBusy} {
		if errors.Is(err, reason) {
			return &bindRefusal{status: smpp.StatusBindFail, reason: reason.Error(), hangUp: reason == errBanned}
		}
	}
	return err
}

// impossible takes a bind for a wrong try that needs no look: as such it is slowed down, and counts.
func (g *Gateway) impossible(ctx context.Context, s *smpp.Session, key string, why *bindRefusal) error {
	h := fnv.New64a()
	h.Write([]byte(key + "\x00" + why.reason))
	_, err := g.auth.guard.try(ctx, applicant{peer: s.Peer()}, "", h.Sum64(), func() (bool, error) { return false, nil })
	if err != nil {
		return g.unlooked(err)
	}
	return why
}

// BindFault hears of a bind that could not be read. It implements smpp.BindFaults.
func (g *Gateway) BindFault(ctx context.Context, s *smpp.Session, b *smpp.Bind, fault *smpp.FieldError) error {
	began := time.Now()
	err := g.impossible(ctx, s, b.SystemID, refuseBind(fault.Status, aboutField(fault)))
	var why *bindRefusal
	if errors.As(err, &why) {
		_, missing := g.db.Account(b.SystemID)
		g.binds.refuse(s, b.SystemID, missing == nil, why)
		evenOut(ctx, began)
	}
	return err
}

// refusalStep is what the time of a refused bind is rounded up to.
const refusalStep = 10 * time.Millisecond

// evenOut waits until a whole number of refusalSteps has passed. To read an account takes a few microseconds longer than to
// find none, and what is refused without a look, or for the same as before, may be asked so often that this would tell.
func evenOut(ctx context.Context, began time.Time) {
	timer := time.NewTimer(refusalStep - time.Since(began)%refusalStep)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
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
	if _, err := h.account(); errors.Is(err, store.ErrNoAccount) {
		h.g.forget(h.lane)
	}
}

// end closes the session, and takes nothing more from it.
func (h *handler) end(reason string) {
	h.barred.Store(true) // a client may ignore our unbind, and go on for as long as it is waited for
	h.session.CloseWithin(farewell, reason)
}

// account reads the settings anew for each request, so that a change counts from the next message on.
func (h *handler) account() (store.Account, error) { return h.g.db.AccountOfLane(h.lane) }

// farewell is how long a session of an account that may not bind any more has for its last answers, whatever its client does.
const farewell = 5 * time.Second

// leaveTime is how long a bind waits for the end of another session of its account when there are as many as there may be: a
// client that comes again is often quicker than the end of its old connection is noticed.
const leaveTime = 2 * time.Second

// sessions are the bound ones, by account.
type sessions struct {
	mu     sync.Mutex
	byLane map[uint32]map[*handler]struct{}
	left   hint // one is no longer there
}

// enter takes in a session when the account has less than most. False: it had no room for leaveTime.
func (s *sessions) enter(ctx context.Context, h *handler, most int) bool {
	patience := time.NewTimer(leaveTime)
	defer patience.Stop()
	for {
		left := s.left.wait()
		if s.add(h, most) {
			return true
		}
		select {
		case <-left:
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// add takes in a session, unless the account has most of them already. Those that are being ended don't count.
func (s *sessions) add(h *handler, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	staying := 0
	for other := range s.byLane[h.lane] {
		if !other.barred.Load() {
			staying++
		}
	}
	if staying >= most {
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
	s.left.set()
}

// end closes the sessions of an account.
func (s *sessions) end(lane uint32, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.byLane[lane] {
		h.end(reason)
	}
}

// each calls f for the sessions of an account that are not being ended, the oldest first, and tells it how many of those that
// stay are older. f must not wait.
func (s *sessions) each(lane uint32, f func(older int, h *handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byAge := slices.SortedFunc(maps.Keys(s.byLane[lane]), func(a, b *handler) int {
		return cmp.Compare(a.session.ID(), b.session.ID())
	})
	older := 0
	for _, h := range byAge {
		if !h.barred.Load() {
			f(older, h)
		}
		if !h.barred.Load() {
			older++
		}
	}
}

// lanes are the accounts that have sessions.
func (s *sessions) lanes() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.byLane))
}

// staying are those of all accounts that are not being ended.
func (s *sessions) staying() (all []*handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, handlers := range s.byLane {
		for h := range handlers {
			if !h.barred.Load() {
				all = append(all, h)
			}
		}
	}
	return all
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
