package gateway

import (
	"context"
	"time"

	"smsgateway/smpp"
)

// mostAddress is the most characters of an address in all PDUs but data_sm. What is longer could not be named in a receipt.
const mostAddress = 20

// Data takes in one message by data_sm (SMPP 3.4 §4.7), and goes the way of a submit_sm. Its answer never has dpf_result:
// so the client knows that no delivery pending flag is set.
func (h *handler) Data(_ context.Context, p *smpp.DataSM) (smpp.Submission, error) {
	acct, err := h.entitled()
	if err != nil {
		return nil, err
	}
	if err := h.admit(acct, 1); err != nil {
		return nil, err
	}
	submit, err := submitOf(p, h.g.opt.Now())
	if err != nil {
		return nil, h.refuseFor("", err)
	}
	return h.take(acct, submit)
}

// submitOf is the submit_sm that says the same. The errors are smpp.Status values.
func submitOf(p *smpp.DataSM, now time.Time) (*smpp.SubmitSM, error) {
	_, payload := p.TLVs.Find(smpp.TagMessagePayload)
	switch {
	case !payload:
		return nil, smpp.StatusMissingOptParam
	case len(p.Source.Addr) > mostAddress:
		return nil, smpp.StatusInvSrcAdr
	case len(p.Destination.Addr) > mostAddress:
		return nil, smpp.StatusInvDstAdr
	}
	submit := &smpp.SubmitSM{
		ServiceType:        p.ServiceType,
		Source:             p.Source,
		Destination:        p.Destination,
		ESMClass:           p.ESMClass,
		RegisteredDelivery: p.RegisteredDelivery,
		DataCoding:         p.DataCoding,
		TLVs:               p.TLVs,
	}
	if seconds, ok := p.TLVs.FindUint(smpp.TagQosTimeToLive); ok {
		life := time.Duration(seconds) * time.Second
		if life <= 0 || life > longest {
			return nil, smpp.StatusInvExpiry
		}
		// A moment of whole seconds, rounded up: cut off, the last second would be missing. But the longest life stays it.
		submit.ValidityPeriod = smpp.FormatTime(now.Add(min(life+time.Second-1, longest)))
	}
	return submit, nil
}
