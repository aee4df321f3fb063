package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// Bounds of resubmit_window, which is how long a submit_sm with the same user_message_reference and content is taken for
// the same message.
const (
	resubmitWindow = 10 * time.Minute // of gateways that name none
	leastResubmit  = time.Second
	mostResubmit   = 24 * time.Hour
	resubmitOff    = "off"
)

// resubmitWindow is the account's, but no longer than messages are kept: of one that is gone nobody knows whether it was
// sent or cancelled. 0: it is off.
func (g *Gateway) resubmitWindow(a store.Account) time.Duration {
	d := g.defaults()
	return max(min(cmp.Or(a.ResubmitWindow, d.ResubmitWindow), d.Keep), 0)
}

// enqueue stores what a submit_sm became, in the place of another that waits if the client wishes so. With once it is stored
// once, however often it comes.
func (g *Gateway) enqueue(m *store.Message, replacing bool, once *store.Once) *store.Accept {
	switch {
	case replacing && once != nil:
		return g.db.EnqueueReplacingOnce(m, *once)
	case replacing:
		return g.db.EnqueueReplacing(m)
	case once != nil:
		return g.db.EnqueueOnce(m, *once)
	}
	return g.db.Enqueue(m)
}

// enqueueAll stores what a submit_multi became, in the same way.
func (g *Gateway) enqueueAll(list []*store.Message, once *store.Once) *store.Accept {
	if once != nil {
		return g.db.EnqueueAllOnce(list, *once)
	}
	return g.db.EnqueueAll(list)
}

// known looks whether a request was accepted before, which as the settings are now, or by now, would be refused. nil: it
// was not, and the refusal stands. It waits for what the client submitted before it to be on disk.
func (g *Gateway) known(acct store.Account, once *store.Once) *store.Accept {
	if once == nil {
		return nil
	}
	accept := g.db.Known(acct.Lane, *once, g.opt.Now())
	if _, err := accept.Result(); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return accept
}

// once is by what a request for these destinations is known again. nil: it need not be, or no settings would let it in.
func (g *Gateway) once(acct store.Account, p *smpp.SubmitSM, to ...smpp.Destination) *store.Once {
	window, ref := g.resubmitWindow(acct), userReference(p.TLVs)
	if ref == nil || window == 0 || checkFields(p) != nil {
		return nil
	}
	text, err := payload(p)
	if err != nil {
		return nil
	}
	return &store.Once{Window: window, Reference: *ref, Content: contentOf(p, text, to)}
}

// userReference is the user_message_reference; nil for none.
func userReference(all smpp.TLVs) *uint16 {
	ref, ok := all.Find(smpp.TagUserMessageReference)
	if !ok || len(ref) != 2 {
		return nil
	}
	n := binary.BigEndian.Uint16(ref)
	return &n
}

// contentOf is the digest of what makes a request the same as another: where from and to, when, and all that decides what
// goes on air. It is of what the client said, not of what we make of that: the account's settings may be others when it comes
// again. What a client may write anew each time, as an absolute validity, does not count.
func contentOf(p *smpp.SubmitSM, text []byte, to []smpp.Destination) (digest [16]byte) {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	add([]byte(p.ScheduleDeliveryTime))
	add([]byte(p.Source.Addr))
	add([]byte(p.ServiceType))
	add([]byte{p.ESMClass, p.ProtocolID, p.DataCoding})
	add(text)
	for _, tag := range airTags {
		if value, ok := p.TLVs.Find(tag); ok {
			add([]byte{byte(tag >> 8), byte(tag)})
			add(value)
		}
	}
	for _, d := range to {
		number, err := destination(d.Address)
		if err != nil { // of a submit_multi, whose others may do
			number = sms.Address{TON: sms.TON(d.Address.TON), NPI: sms.NPI(d.Address.NPI), Number: d.Address.Addr}
		}
		add([]byte{byte(number.TON), byte(number.NPI)})
		add([]byte(number.Number))
		add([]byte(d.List))
	}
	copy(digest[:], h.Sum(nil))
	return digest
}

// airTags are the optional parameters beside the text that make the UDH and TP-DCS: see header and dcsBeside.
var airTags = [...]smpp.Tag{
	smpp.TagDestAddrSubunit, smpp.TagMsMsgWaitFacilities, smpp.TagMsValidity, smpp.TagSourcePort, smpp.TagDestinationPort,
	smpp.TagSarMsgRefNum, smpp.TagSarTotalSegments, smpp.TagSarSegmentSeqnum,
}

// windowField is a time, or "off"; the store has 0 for unset and less for off.
var windowField = field{
	parse: func(a *store.Account, text string, _ *Options) error {
		switch text {
		case "", "0":
			a.ResubmitWindow = 0
			return nil
		case resubmitOff:
			a.ResubmitWindow = -1
			return nil
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < leastResubmit || d > mostResubmit {
			return fmt.Errorf("%q is neither off nor a time of %s to %s, as in 10m", text, leastResubmit, windowWords(mostResubmit))
		}
		a.ResubmitWindow = d
		return nil
	},
	print: func(a *store.Account, _ *Options) string { return windowWords(a.ResubmitWindow) },
}

// windowWords is a window as people write it: "10m", "off", "" for unset.
func windowWords(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 0:
		return resubmitOff
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
