package gateway

import (
	"smsgateway/smpp"
	"smsgateway/store"
)

// tagRedelivered is a TLV of ours (SMPP 3.4 leaves 0x1400 to 0x3FFF to vendors, and has no such thing itself): one octet,
// 1. The client may have had this receipt, or this text, before. Without it the client has not.
//
// Message queues have the same (JMSRedelivered, AMQP's redelivered). Of the standard tags none means it, and one that is
// not listed for deliver_sm would be refused by strict clients with more right than one that they should ignore.
const tagRedelivered smpp.Tag = 0x3D01

// offers knows which rows of a lane a client may have without our knowing it: its answer did not come, or could not be
// written down before the gateway ended. The lane's lock guards it.
type offers struct {
	before uint64              // rows up to this place were there at the start: an earlier life may have offered them
	open   map[uint64]struct{} // that this life has offered and that are not known to be taken
}

// mostOffers bounds offers.open. A client that answers nothing has at most 100 rows of a session open.
const mostOffers = outboxKnown

// perhapsHad tells whether a client may have a row already.
func (o *offers) perhapsHad(seq uint64) bool {
	_, open := o.open[seq]
	return open || seq <= o.before
}

// offer notes that a row is about to be sent.
func (o *offers) offer(seq uint64) {
	if o.open == nil {
		o.open = make(map[uint64]struct{})
	}
	if o.open[seq] = struct{}{}; len(o.open) > mostOffers {
		for seq := range o.open { // rather too many marks than one too few
			o.before = max(o.before, seq)
		}
		clear(o.open)
	}
}

// over: the row is gone from the file, or a client has just said that it does not have it.
func (o *offers) over(seq uint64) { delete(o.open, seq) }

// startsWith tells what was on disk when the gateway started: rows up to this place.
func (o *outbox) startsWith(last uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before = last
	for _, l := range o.lanes {
		l.mu.Lock()
		l.offers.before = last
		l.mu.Unlock()
	}
}

// mark marks what a client may have already, unless its account has it otherwise, or it knows no TLVs. It tells whether it
// did.
func (h *handler) mark(list []*smpp.DeliverSM) bool {
	if acct, err := h.account(); !h.knowsTLVs() || err == nil && acct.Redelivered == store.RedeliveredPlain {
		return false
	}
	for _, p := range list {
		p.TLVs = append(p.TLVs, smpp.TLV{Tag: tagRedelivered, Value: []byte{1}})
	}
	return true
}

// aboutTLVs tells the refusals of a client that stumbles over a TLV that it does not know, which it should ignore (SMPP 3.4
// §3.3).
func aboutTLVs(s smpp.Status) bool {
	switch s {
	case smpp.StatusInvOptParStream, smpp.StatusOptParNotAllwd, smpp.StatusInvParLen, smpp.StatusInvOptParamVal,
		smpp.StatusInvCmdLen, smpp.StatusUnknownErr:
		return true
	}
	return false
}

// knowsTLVs: ESMEs of 3.3 know none.
func (h *handler) knowsTLVs() bool {
	version := h.session.InterfaceVersion()
	return version == 0 || version >= 0x34
}
