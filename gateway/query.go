package gateway

import (
	"context"
	"errors"
	"strings"

	"smsgateway/smpp"
	"smsgateway/store"
)

// Query tells the truth about one message of the account (SMPP 3.4 §4.8).
func (h *handler) Query(_ context.Context, p *smpp.QuerySM) (*smpp.QuerySMResp, error) {
	if h.barred.Load() {
		return nil, smpp.StatusInvBndSts
	}
	m, err := h.find(p.MessageID, p.Source)
	if err != nil {
		if errors.Is(err, errPurged) {
			return nil, smpp.StatusQueryFail
		}
		return nil, err
	}
	if !m.Answerable(h.g.opt.Now(), h.g.defaults().Keep) && !h.g.clockDoubted() {
		return nil, smpp.StatusQueryFail
	}
	resp := &smpp.QuerySMResp{MessageID: p.MessageID, MessageState: MessageState(m.State)}
	if m.GoesAgain() {
		resp.MessageState = smpp.StateEnroute
	}
	if m.State.End() {
		resp.FinalDate = smpp.FormatTime(m.EndedAt)
	}
	if m.ErrorCode <= 0xFF { // one octet here; receipts carry the whole code
		resp.ErrorCode = uint8(m.ErrorCode)
	}
	return resp, nil
}

// Cancel stops what no modem has been given yet (SMPP 3.4 §4.9); the store decides, inside one transaction.
func (h *handler) Cancel(_ context.Context, p *smpp.CancelSM) error {
	if h.barred.Load() {
		return smpp.StatusInvBndSts
	}
	if p.MessageID == "" {
		to, err := destination(p.Destination)
		if err != nil {
			return err
		}
		n, err := h.g.db.CancelMatching(h.lane, p.Source.Addr, to.Number, p.ServiceType, h.g.opt.Now())
		if err != nil {
			return uncancelled(err)
		}
		h.log.Info("cancel_sm by address", "cancelled", n)
		if n == 0 {
			return smpp.StatusCancelFail
		}
		return nil
	}
	m, err := h.find(p.MessageID, p.Source)
	if errors.Is(err, errPurged) {
		return smpp.StatusCancelFail
	}
	if err != nil {
		return err
	}
	err = h.g.db.Cancel(h.lane, m.ID, h.g.opt.Now())
	var gone *store.GoneError
	var state *store.StateError
	switch {
	case err == nil:
		h.log.Info("cancelled", "id", m.ID)
		return nil
	case errors.As(err, &state):
		return h.refuse("cancel_sm", smpp.StatusCancelFail, "id", m.ID, "state", state.State.String())
	case errors.As(err, &gone):
		return smpp.StatusCancelFail
	case errors.Is(err, store.ErrNotFound):
		return smpp.StatusInvMsgID
	}
	return uncancelled(err)
}

// uncancelled is the answer to an error of the store that is not about the message.
func uncancelled(err error) error {
	if errors.Is(err, store.ErrInDoubt) {
		return answerless(err)
	}
	return err
}

// errPurged: the message was this account's and is past its keeping time.
var errPurged = errors.New("message is past its keeping time")

// find reads a message of the account. Another account's is as unknown as one that never was. source_addr must agree
// where the request gives one; ton and npi need not, as many clients leave them out here (sheet section 12).
func (h *handler) find(messageID string, source smpp.Address) (*store.Message, error) {
	id, err := store.ParseID(messageID)
	if err != nil {
		return nil, smpp.StatusInvMsgID
	}
	m, err := h.g.db.Message(id)
	var gone *store.GoneError
	switch {
	case errors.As(err, &gone) && gone.Lane == h.lane:
		return nil, errPurged
	case errors.As(err, &gone), errors.Is(err, store.ErrNotFound):
		return nil, smpp.StatusInvMsgID
	case err != nil:
		return nil, err
	case m.Lane != h.lane:
		return nil, smpp.StatusInvMsgID
	}
	if source.Addr != "" && strings.TrimPrefix(source.Addr, "+") != strings.TrimPrefix(m.Source.Number, "+") {
		return nil, smpp.StatusInvMsgID
	}
	return m, nil
}

// MessageState is what QUERY_SM says of a state (delivery-semantics, section 2).
func MessageState(s store.State) smpp.MessageState {
	switch s {
	case store.Delivered:
		return smpp.StateDelivered
	case store.Expired:
		return smpp.StateExpired
	case store.Deleted:
		return smpp.StateDeleted
	case store.Undeliverable:
		return smpp.StateUndeliverable
	case store.Accepted:
		return smpp.StateAccepted
	case store.Uncertain, store.Unknown:
		return smpp.StateUnknown
	case store.Rejected:
		return smpp.StateRejected
	}
	return smpp.StateEnroute
}
