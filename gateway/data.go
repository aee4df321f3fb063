package gateway

import (
	"context"
	"fmt"
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

// validityOf is the validity_period that says the same as a qos_time_to_live. A relative one ends at 99 days.
func validityOf(life time.Duration, now time.Time) string {
	const day = 24 * time.Hour
	if days := life / day; days < 100 {
		rest := life % day
		return fmt.Sprintf("0000%02d%02d%02d%02d000R", days, rest/time.Hour, rest/time.Minute%60, rest/time.Second%60)
	}
	// A moment of whole seconds, rounded up: cut off, the last second would be missing. But the longest life stays it.
	return smpp.FormatTime(now.Add(min(life+time.Second-1, longest)))
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
		submit.ValidityPeriod = validityOf(life, now)
	}
	return submit, nil
}
