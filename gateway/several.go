package gateway

import (
	"context"
	"errors"

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
		m, err := h.one(acct, p, i)
		if err != nil {
			err = h.refuseFor("", err)
		} else {
			err = h.permit(acct, m)
		}
		if err == nil {
			s.messages = append(s.messages, m)
		} else if !errors.As(err, &s.status[i]) {
			return nil, err
		}
	}
	if len(s.messages) == 0 {
		return nil, &smpp.MultiRefusal{Status: s.common(), Unsuccessful: s.unsuccessful()}
	}
	s.accept = h.g.enqueueAll(acct, p.ScheduleDeliveryTime, s.messages)
	return s, nil
}

// one makes the message for one destination.
func (h *handler) one(acct store.Account, p *smpp.SubmitMulti, i int) (*store.Message, error) {
	switch to := p.Destinations[i]; {
	case p.ReplaceIfPresentFlag > 1:
		return nil, smpp.StatusInvRepFlag
	case p.ReplaceIfPresentFlag == 1: // must be 0 here
		return nil, smpp.StatusInvSubRep
	case to.List != "": // we keep none
		return nil, smpp.StatusCntSubDL
	default:
		return h.g.message(acct, &smpp.SubmitSM{
			ServiceType:          p.ServiceType,
			Source:               p.Source,
			Destination:          to.Address,
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
		})
	}
}

// several waits for the commit that makes messages of one submit_multi accepted. It implements smpp.MultiSubmission.
type several struct {
	h        *handler
	to       []smpp.Destination
	status   []smpp.Status // of each destination; OK if it is in messages
	messages []*store.Message
	accept   *store.Accept
}

// Done implements smpp.MultiSubmission.
func (s *several) Done() <-chan struct{} { return s.accept.Done() }

// Result implements smpp.MultiSubmission. With an error the answer lists all destinations.
func (s *several) Result() (*smpp.SubmitMultiResp, error) {
	first, err := s.accept.Result()
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
	if s.accept.Again() {
		s.h.log.Info("resubmitted", "id", first, "destinations", len(s.messages))
		return s.answer(first.String()), nil
	}
	for i, m := range s.messages {
		s.h.g.logAccepted(s.h.log, first+store.ID(i), m)
	}
	return s.answer(first.String()), nil
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
