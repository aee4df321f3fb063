package gateway

import (
	"context"
	"errors"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Replace gives a message another text as long as no modem has it (SMPP 3.4 §4.10); the store decides, inside one
// transaction. Empty times leave those of the message as they are; but our default validity begins with the schedule.
func (h *handler) Replace(_ context.Context, p *smpp.ReplaceSM) error {
	acct, err := h.entitled()
	if err != nil {
		return err
	}
	m, err := h.find(p.MessageID, p.Source)
	switch {
	case errors.Is(err, errPurged):
		return smpp.StatusReplaceFail
	case err != nil:
		return err
	case m.State != store.Queued:
		return h.notReplaced(m.ID, &store.StateError{State: m.State})
	}
	submit, err := replaced(m, p)
	if err != nil {
		return err
	}
	next, err := h.g.message(acct, submit)
	if err != nil {
		return h.refuseFor("replace_sm", err, "id", m.ID)
	}
	r := store.Replacement{DCS: next.DCS, UDH: next.UDH, Preview: next.Preview, RegisteredDelivery: p.RegisteredDelivery,
		DueMoment: next.DueMoment, ExpiresMoment: next.ExpiresMoment}
	for i := range next.Parts {
		r.Parts = append(r.Parts, next.Parts[i].Data)
	}
	if p.ScheduleDeliveryTime != "" {
		r.Due, r.Default = &next.Due, next.Expires
	}
	if p.ValidityPeriod != "" {
		r.Expires = next.Expires
	}
	err = h.g.db.Replace(h.lane, m.ID, r, h.g.opt.Now())
	switch {
	case err == nil:
		h.log.Info("replaced", "id", m.ID, "parts", len(r.Parts))
		return nil
	case errors.Is(err, store.ErrTimes) && p.ValidityPeriod != "":
		return smpp.StatusInvExpiry
	case errors.Is(err, store.ErrTimes): // it would be due after its validity, which stays
		return smpp.StatusInvSched
	}
	return h.notReplaced(m.ID, err)
}

// notReplaced gives the status for a message that stays as it is, or is nobody's.
func (h *handler) notReplaced(id store.ID, err error) error {
	var gone *store.GoneError
	switch {
	case errors.Is(err, store.ErrGone): // a *StateError
		return h.refuse("replace_sm", smpp.StatusReplaceFail, "id", id, "why", err.Error())
	case errors.As(err, &gone):
		return smpp.StatusReplaceFail
	case errors.Is(err, store.ErrNotFound):
		return smpp.StatusInvMsgID
	}
	return h.unstored(err)
}

// replaced is the submit_sm that the message would have come by, had it had the new text from the start: data_coding and
// all that replace_sm does not name stay. The errors are smpp.Status values.
func replaced(m *store.Message, p *smpp.ReplaceSM) (*smpp.SubmitSM, error) {
	submit := &smpp.SubmitSM{
		ServiceType:          m.ServiceType,
		Source:               smpp.Address{TON: uint8(m.Source.TON), NPI: uint8(m.Source.NPI), Addr: m.Source.Number},
		Destination:          smpp.Address{TON: uint8(m.Destination.TON), NPI: uint8(m.Destination.NPI), Addr: m.Destination.Number},
		ESMClass:             m.ESMClass,
		ProtocolID:           m.ProtocolID,
		PriorityFlag:         m.Priority,
		ScheduleDeliveryTime: p.ScheduleDeliveryTime,
		ValidityPeriod:       p.ValidityPeriod,
		RegisteredDelivery:   p.RegisteredDelivery,
		DataCoding:           m.DataCoding,
		SMDefaultMsgID:       p.SMDefaultMsgID,
		ShortMessage:         p.ShortMessage,
		TLVs:                 p.TLVs,
	}
	text, err := payload(submit)
	if err != nil {
		return nil, err
	}
	submit.ShortMessage, submit.TLVs = nil, append(tlvsOf(m), smpp.TLV{Tag: smpp.TagMessagePayload, Value: text})
	return submit, nil
}

// tlvsOf gives the optional parameters that ports, segment, class and indication of a message came from. Where its own
// header or its data_coding say them, these do not count.
func tlvsOf(m *store.Message) (tlvs smpp.TLVs) {
	elements, _ := sms.ParseUDH(m.UDH) // read before it was stored; none in an empty one
	for _, e := range elements {
		if destination, source, ok := e.Ports(); ok {
			tlvs = append(tlvs, smpp.TLVUint16(smpp.TagDestinationPort, destination), smpp.TLVUint16(smpp.TagSourcePort, source))
		}
	}
	if ref, _, total, seq, ok := sms.ConcatOf(elements); ok {
		tlvs = append(tlvs, smpp.TLVUint16(smpp.TagSarMsgRefNum, ref), smpp.TLVUint8(smpp.TagSarTotalSegments, total), smpp.TLVUint8(smpp.TagSarSegmentSeqnum, seq))
	}
	switch group := m.DCS & 0xF0; group {
	case hasClass:
		tlvs = append(tlvs, smpp.TLVUint8(smpp.TagDestAddrSubunit, m.DCS&0x03+1))
	case waitingDiscard, waitingText, waitingUCS2:
		wait := m.DCS & 0x03
		if m.DCS&waitingActive != 0 {
			wait |= 0x80
		}
		tlvs = append(tlvs, smpp.TLVUint8(smpp.TagMsMsgWaitFacilities, wait))
	}
	return tlvs
}
