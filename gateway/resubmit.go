package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"smsgateway/smpp"
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

// enqueue stores what p became, in the place of another that waits if the client wishes so. With a user_message_reference
// it is stored once, however often it comes.
func (g *Gateway) enqueue(acct store.Account, p *smpp.SubmitSM, m *store.Message) *store.Accept {
	once, ok := g.once(acct, p.ScheduleDeliveryTime, m)
	replacing := p.ReplaceIfPresentFlag == 1
	switch {
	case replacing && ok:
		return g.db.EnqueueReplacingOnce(m, once)
	case replacing:
		return g.db.EnqueueReplacing(m)
	case ok:
		return g.db.EnqueueOnce(m, once)
	}
	return g.db.Enqueue(m)
}

// enqueueAll stores what a submit_multi became, in the same way.
func (g *Gateway) enqueueAll(acct store.Account, schedule string, list []*store.Message) *store.Accept {
	if once, ok := g.once(acct, schedule, list...); ok {
		return g.db.EnqueueAllOnce(list, once)
	}
	return g.db.EnqueueAll(list)
}

// once is by what messages of one PDU are known again; ok is false if they need not be.
func (g *Gateway) once(acct store.Account, schedule string, list ...*store.Message) (once store.Once, ok bool) {
	window, ref := g.resubmitWindow(acct), list[0].UserReference
	if ref == nil || window == 0 {
		return once, false
	}
	return store.Once{Window: window, Reference: *ref, Content: contentOf(schedule, list)}, true
}

// contentOf is the digest of what makes messages the same as others: where from and to, what goes on air, and when. What a
// client may write anew each time, as an absolute validity, does not count.
func contentOf(schedule string, list []*store.Message) (digest [16]byte) {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	add([]byte(schedule))
	for _, m := range list {
		add([]byte(m.Source.Number))
		add([]byte{byte(m.Destination.TON), byte(m.Destination.NPI)})
		add([]byte(m.Destination.Number))
		add([]byte(m.ServiceType))
		add([]byte{m.ESMClass, m.ProtocolID, m.DataCoding, m.DCS, byte(len(m.Parts))})
		add(m.UDH)
		for i := range m.Parts {
			add(m.Parts[i].Data)
		}
	}
	copy(digest[:], h.Sum(nil))
	return digest
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
