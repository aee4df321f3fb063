package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// courierWindow is how many deliver_sm may be open on one session. Client libraries expect about 10 (sheet section 13).
const courierWindow = 10

// redeliveries is how long to wait after the first, second ... delivery that an ESME put off or did not answer.
var redeliveries = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

// deliver brings the rows of an account's outbox to one of its sessions for as long as ctx lasts. A row goes when its
// deliver_sm_resp says so; sessions of one account share the work.
func (g *Gateway) deliver(ctx context.Context, h *handler) {
	var open sync.WaitGroup
	defer open.Wait()
	window := make(chan struct{}, courierWindow)
	lane := g.outbox.lane(h.lane)
	for {
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return
		}
		row, err := lane.take(ctx, g.db, g.opt.Now)
		if err != nil {
			if ctx.Err() == nil {
				h.log.Error("can't read the outbox; receipts stop on this session", "err", err)
			}
			return
		}
		open.Go(func() {
			g.deliverRow(ctx, h, lane, row)
			<-window
		})
	}
}

// deliverRow brings one row to the session and does what its answer asks for.
func (g *Gateway) deliverRow(ctx context.Context, h *handler, lane *outboxLane, row *outboxRow) {
	log := h.log.With("outbox", row.Seq)
	if row.Receipt != nil {
		log = log.With("id", row.Receipt.ID, "state", row.Receipt.State.String())
	} else {
		log = log.With("inbox", row.Inbound.ID)
	}
	var err error
	for _, p := range h.deliverSMs(&row.Delivery) {
		if err = h.session.Deliver(ctx, p); err != nil {
			break
		}
	}
	var status smpp.Status
	var field *smpp.FieldError
	switch {
	case err == nil:
		log.Info("delivered to the ESME")
	case errors.As(err, &field):
		log.Error("it can't be written as a deliver_sm; it is not offered again", "err", err)
	case errors.As(err, &status) && !temporary(status):
		log.Warn("the ESME refused it for good; it is not offered again", "status", status.String())
	case ctx.Err() != nil, errors.Is(err, smpp.ErrClosed):
		lane.release(row) // that the session ended says nothing about the row
		return
	default:
		log.Info("the ESME did not take it; it will be offered again", "err", err)
		lane.putBack(row, g.opt.Now())
		return
	}
	if err := g.db.Acknowledge(row.Lane, row.Seq); err != nil {
		log.Error("can't write down that it was delivered; it may be delivered again", "err", err)
		lane.putBack(row, g.opt.Now())
		return
	}
	lane.done(row)
}

// temporary tells the refusals after which a delivery is offered again (sheet D12).
func temporary(s smpp.Status) bool {
	switch s {
	case smpp.StatusRxTAppn, smpp.StatusSysErr, smpp.StatusMsgQFul, smpp.StatusThrottled:
		return true
	}
	return false
}

// deliverSMs makes the deliver_sm of a row; there are several for a long text to an ESME of 3.3, which knows no TLVs. To an
// account that says so, data_coding 0 is GSM 03.38 in this direction, too.
func (h *handler) deliverSMs(row *store.Delivery) []*smpp.DeliverSM {
	gsm7 := false
	if acct, err := h.account(); err == nil {
		gsm7 = h.g.alphabet(acct) == AlphabetGSM7
	}
	version := h.session.InterfaceVersion()
	tlvs := version == 0 || version >= 0x34
	if row.Receipt == nil {
		return inbound(row.Inbound, gsm7, tlvs)
	}
	p := receipt(row.Receipt, tlvs)
	if gsm7 {
		text := strings.ReplaceAll(string(p.ShortMessage), "`", "?") // the one printable character that GSM 03.38 lacks
		if septets, err := sms.EncodeGSM7(text); err == nil {
			p.ShortMessage = septets
		}
	}
	return []*smpp.DeliverSM{p}
}

// receipt makes a delivery receipt or an intermediate notification (SMPP 3.4 §5.2.12 and appendix B). tlvs is false
// for ESMEs of 3.3, which know none.
func receipt(r *store.ReceiptRow, tlvs bool) *smpp.DeliverSM {
	text := r.Preview
	if r.Duplicate { // the policy "resend" sent it again after it had perhaps been sent
		text = "(maybe twice) " + text
	}
	if len(text) > previewLen {
		text = text[:previewLen]
	}
	code := 0
	if r.ErrorKind != 0 {
		code = int(r.ErrorCode)
	}
	p := &smpp.DeliverSM{
		Source:      smpp.Address{TON: uint8(r.Destination.TON), NPI: uint8(r.Destination.NPI), Addr: r.Destination.Number},
		Destination: smpp.Address{TON: uint8(r.Source.TON), NPI: uint8(r.Source.NPI), Addr: r.Source.Number},
		ServiceType: r.ServiceType,
		ESMClass:    smpp.ESMClassReceipt,
		ShortMessage: []byte(smpp.Receipt{
			MessageID:  r.ID.String(),
			Submitted:  r.Parts,
			Delivered:  r.Delivered,
			SubmitDate: r.Submitted,
			DoneDate:   r.Done,
			State:      MessageState(r.State),
			Err:        code,
			Text:       text,
		}.String()),
	}
	if r.Intermediate {
		p.ESMClass = smpp.ESMClassIntermediate
	}
	if !tlvs {
		return p
	}
	p.TLVs = smpp.TLVs{
		{Tag: smpp.TagReceiptedMessageID, Value: append([]byte(r.ID.String()), 0)},
		{Tag: smpp.TagMessageState, Value: []byte{uint8(MessageState(r.State))}},
		{Tag: smpp.TagNetworkErrorCode, Value: []byte{3, byte(code >> 8), byte(code)}}, // 3: GSM
	}
	if r.UserReference != nil {
		ref := *r.UserReference
		p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.TagUserMessageReference, Value: []byte{byte(ref >> 8), byte(ref)}})
	}
	return p
}
