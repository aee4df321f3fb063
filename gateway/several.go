package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"smsgateway/smpp"
	"smsgateway/store"
)

// SubmitMulti takes in one text for several recipients (SMPP 3.4 §4.5). Each destination becomes a message of its own, as if
// it had come by submit_sm. Those that are accepted are stored at once, all or none, and their ids follow one another in the
// order of the request. The answer has one message_id, the first; so a client knows them all, and each is queried,
// cancelled, replaced and receipted by its own: one id for all would have no true state once two of them differ.
func (h *handler) SubmitMulti(_ context.Context, p *smpp.SubmitMulti) (smpp.MultiSubmission, error) {
	acct, err := h.entitled()
	if err != nil {
		return nil, err
	}
	if err := h.admit(acct, len(p.Destinations)); err != nil {
		return nil, err
	}
	s := &several{h: h, to: p.Destinations, status: make([]smpp.Status, len(p.Destinations))}
	for i := range p.Destinations {
		m, err := h.g.one(acct, p, i)
		switch {
		case err == nil:
			s.messages = append(s.messages, m)
		case errors.As(err, &s.status[i]):
			s.refusals = append(s.refusals, err)
		default:
			return nil, err
		}
	}
	once := h.g.onceFor(acct, p, s.status)
	if len(s.messages) > 0 {
		s.accept = h.g.enqueueAll(s.messages, once)
		return s, nil
	}
	if s.accept = h.g.known(acct, once); s.accept != nil {
		return s, nil
	}
	s.countRefusals()
	return nil, &smpp.MultiRefusal{Status: s.common(), Unsuccessful: s.unsuccessful()}
}

// one makes the message for one destination. The errors are smpp.Status values, or hold one.
func (g *Gateway) one(acct store.Account, p *smpp.SubmitMulti, i int) (*store.Message, error) {
	switch to := p.Destinations[i]; {
	case p.ReplaceIfPresentFlag > 1:
		return nil, smpp.StatusInvRepFlag
	case p.ReplaceIfPresentFlag == 1: // must be 0 here
		return nil, smpp.StatusInvSubRep
	case to.List != "": // we keep none
		return nil, smpp.StatusCntSubDL
	default:
		return g.permitted(acct, submitTo(p, to.Address))
	}
}

// submitTo is the submit_sm that says the same for one destination.
func submitTo(p *smpp.SubmitMulti, to smpp.Address) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		ServiceType:          p.ServiceType,
		Source:               p.Source,
		Destination:          to,
		ESMClass:             p.ESMClass,
		ProtocolID:           p.ProtocolID,
		PriorityFlag:         p.PriorityFlag,
		ScheduleDeliveryTime: p.ScheduleDeliveryTime,
		ValidityPeriod:       p.ValidityPeriod,
		RegisteredDelivery:   p.RegisteredDelivery,
		DataCoding:           p.DataCoding,
		SMDefaultMsgID:       p.SMDefaultMsgID,
		ShortMessage:         p.ShortMessage,
		TLVs:                 p.TLVs,
	}
}

// onceFor is by what a submit_multi is known again: all its destinations, also those that are refused. What became of each
// is kept, so that the answer is the same again.
func (g *Gateway) onceFor(acct store.Account, p *smpp.SubmitMulti, status []smpp.Status) *store.Once {
	if p.ReplaceIfPresentFlag != 0 {
		return nil
	}
	once := g.once(acct, submitTo(p, smpp.Address{}), p.Destinations...)
	if once != nil && slices.ContainsFunc(status, refused) {
		for _, s := range status {
			once.Note = binary.BigEndian.AppendUint32(once.Note, uint32(s))
		}
	}
	return once
}

// statusesOf reads the note of onceFor for n destinations.
func statusesOf(note []byte, n int) []smpp.Status {
	status := make([]smpp.Status, n)
	for i := range status {
		if len(note) >= 4 {
			status[i], note = smpp.Status(binary.BigEndian.Uint32(note)), note[4:]
		}
	}
	return status
}

func refused(s smpp.Status) bool { return s != smpp.StatusOK }

// several waits for the commit that makes messages of one submit_multi accepted. It implements smpp.MultiSubmission.
type several struct {
	h        *handler
	to       []smpp.Destination
	status   []smpp.Status // of each destination; OK if it is in messages
	refusals []error       // of the others
	messages []*store.Message
	accept   *store.Accept
}

// Done implements smpp.MultiSubmission.
func (s *several) Done() <-chan struct{} { return s.accept.Done() }

// Result implements smpp.MultiSubmission. With an error the answer lists all destinations.
func (s *several) Result() (*smpp.SubmitMultiResp, error) {
	first, err := s.accept.Result()
	if err == nil && s.accept.Again() {
		s.status = statusesOf(s.accept.Note(), len(s.to))
		answer := s.answer(first.String())
		s.h.log.Info("resubmitted", "id", first, "destinations", len(s.to)-len(answer.Unsuccessful))
		return answer, nil
	}
	s.countRefusals()
	if err != nil {
		status := smpp.StatusSysErr
		err = s.h.unstored(err)
		errors.As(err, &status)
		for i := range s.status {
			if s.status[i] == smpp.StatusOK {
				s.status[i] = status
			}
		}
		return s.answer(""), err
	}
	for i, m := range s.messages {
		s.h.g.logAccepted(s.h.log, first+store.ID(i), m)
	}
	return s.answer(first.String()), nil
}

// countRefusals counts those of destinations, once it is certain that the request was not accepted before.
func (s *several) countRefusals() {
	for _, err := range s.refusals {
		s.h.refuseFor("", err)
	}
}

func (s *several) answer(id string) *smpp.SubmitMultiResp {
	return &smpp.SubmitMultiResp{MessageID: id, Unsuccessful: s.unsuccessful()}
}

// unsuccessful lists the destinations that were refused. A distribution list has its name where others have their number
// (§4.5.2).
func (s *several) unsuccessful() (list []smpp.Unsuccessful) {
	for i, to := range s.to {
		if s.status[i] == smpp.StatusOK {
			continue
		}
		address := to.Address
		if to.List != "" {
			address = smpp.Address{Addr: to.List}
		}
		list = append(list, smpp.Unsuccessful{Address: address, Status: s.status[i]})
	}
	return list
}

// common is the status of an answer when all are refused: the one reason, if there is one for all.
func (s *several) common() smpp.Status {
	for _, status := range s.status {
		if status != s.status[0] {
			return smpp.StatusSubmitFail
		}
	}
	return s.status[0]
}
