package modem

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// isMemoryFull tells whether a modem's answer says that a memory for texts is full: CMS 208, 211 and 322, CME 20
// (TS 23.040 §9.2.3.22, TS 27.005 §3.2.5, TS 27.007 §9.2.1).
func isMemoryFull(err error) bool {
	var cms CMSError
	var cme CMEError
	switch {
	case errors.As(err, &cms):
		return cms == 208 || cms == 211 || cms == 322
	case errors.As(err, &cme):
		return cme == 20
	}
	return false
}

// emptyEvery is the least time between two tries to make room: there are modems that repeat every second that they
// are full.
const emptyEvery = 10 * time.Second

// listing is what a listing of a memory left there.
type listing struct {
	foreign []slot // texts that another program wrote there to send them, sent or not (stat 2 and 3)
	held    int    // texts that arrived and could not be handed over or deleted
	fetched int    // texts that arrived and are gone from it
}

// usage asks how full the chosen memory is; known is false when the modem does not say it.
func (s *session) usage(ctx context.Context) (used, total int, known bool, err error) {
	info, err := s.ask(ctx, "AT+CPMS?")
	if err != nil {
		return 0, 0, false, err
	}
	rest, _ := answer(info, "+CPMS:")
	fields := fieldsOf(rest) // "SM",1,20,...
	if len(fields) < 3 {
		return 0, 0, false, nil
	}
	used, errUsed := strconv.Atoi(fields[1])
	total, errTotal := strconv.Atoi(fields[2])
	return used, total, errUsed == nil && errTotal == nil && used >= 0 && total > 0, nil
}

// makeRoom empties the memories of a modem that said that one is full: what arrived is handed over and deleted, and
// where that leaves nothing but what other programs wrote, that too. A memory that stays full takes in nothing more,
// and people are told.
func (s *session) makeRoom(ctx context.Context) error {
	s.l.reports.full, s.emptied = false, time.Now()
	s.log.Warn("a memory for texts is full; the texts in it are fetched now")
	if err := s.drainAll(ctx); err != nil {
		return err
	}
	if len(s.stores) == 0 {
		return s.makeRoomIn(ctx, "")
	}
	for _, store := range s.stores {
		if err := s.makeRoomIn(ctx, store); err != nil {
			return err
		}
	}
	if err := s.choose(ctx, s.home); err != nil && !isAnswer(err) {
		return err
	}
	return nil
}

// makeRoomIn does so in one memory, which has been listed.
func (s *session) makeRoomIn(ctx context.Context, store string) error {
	if err := s.choose(ctx, store); err != nil {
		if isAnswer(err) {
			return nil
		}
		return err
	}
	used, total, known, err := s.usage(ctx)
	if err != nil {
		return err
	}
	left := s.left[s.store]
	if !known || used < total || left.fetched > 0 { // in the last case it is full again: the network had more
		s.full(s.store, nil)
		return nil
	}
	if left.held > 0 || len(left.foreign) == 0 {
		s.full(s.store, fmt.Errorf("the memory %s for texts is full (%d of %d) of what cannot be fetched or deleted, so nothing more "+
			"can be received; put the SIM into a phone and delete texts there", s.store, used, total))
		return nil
	}
	for _, at := range left.foreign {
		_, err := s.l.command(ctx, "AT+CMGD="+strconv.Itoa(at.index), s.t.Command)
		if err != nil && !isAnswer(err) {
			return err
		}
		s.log.Warn("a text that another program left in the full memory was deleted", "store", at.store, "index", at.index, "err", err)
	}
	if used, total, known, err = s.usage(ctx); err != nil {
		return err
	}
	if known && used >= total {
		s.full(s.store, fmt.Errorf("the memory %s for texts is full (%d of %d), and nothing in it can be deleted", s.store, used, total))
		return nil
	}
	s.full(s.store, nil)
	return nil
}

// full notes that a memory is full of what cannot be deleted, or, with nil, that it is not.
func (s *session) full(store string, err error) {
	if err == nil {
		if s.fullStore == store {
			s.m.update(func(st *Status) { st.Memory = "" })
		}
		return
	}
	s.fullStore = store
	s.m.update(func(st *Status) { st.Memory = Explain(err) })
	if s.m.trouble(err) {
		s.log.Error("nothing more can be received", "err", err)
	}
}
