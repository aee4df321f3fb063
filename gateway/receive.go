package gateway

import (
	"context"
	"fmt"

	"smsgateway/modem"
	"smsgateway/sms"
	"smsgateway/store"
)

// Receive stores what a modem got from the network. To return nil is to let the modem forget it, so what can't be read
// is stored too. modem.ErrRepeated: it is in the inbox already. It implements modem.Receiver.
func (g *Gateway) Receive(_ context.Context, from modem.Identity, in modem.Incoming) error {
	mti, err := sms.MessageType(in.TPDU)
	if err != nil {
		return g.unreadable(from, in, err)
	}
	switch mti {
	case sms.MTIDeliver, sms.MTIReserved:
		return g.text(from, in)
	case sms.MTIStatusReport:
		return g.report(from, in)
	}
	return g.unreadable(from, in, fmt.Errorf("message type %d is none that a network sends", mti))
}

// report applies a status report to the message it belongs to.
func (g *Gateway) report(from modem.Identity, in modem.Incoming) error {
	r, err := sms.ParseStatusReport(in.TPDU)
	if err != nil {
		return g.unreadable(from, in, err)
	}
	m, err := g.db.Report(from.Line(), store.Report{
		Ref:       r.Reference,
		Recipient: r.Recipient.Number,
		Time:      r.Time,
		Discharge: r.Discharge,
		Status:    r.Status,
		Doubted:   g.validities.differ(from.Line(), r.Discharge, in.Stored, g.opt.Now()),
	}, g.opt.Now())
	if err != nil {
		return fmt.Errorf("store a status report: %w", err)
	}
	log := g.log.With("modem", from.Modem, "ref", r.Reference, "status", fmt.Sprintf("%#02x", uint8(r.Status)))
	if m == nil {
		log.Info("status report that fits no message yet; kept for a day")
		return nil
	}
	g.validities.clock(m, from.Line(), r.Reference, r.Time, log)
	log.Info("status report", "id", m.ID, "state", m.State.String(), "says", r.Status.String())
	return nil
}

// text stores a text from a phone, or a part of one, with its row for the account that gets it.
func (g *Gateway) text(from modem.Identity, in modem.Incoming) error {
	d, err := sms.ParseDeliver(in.TPDU)
	if err != nil {
		return g.unreadable(from, in, err)
	}
	now := g.opt.Now()
	text := store.Inbound{
		Modem:    from.Modem,
		Line:     from.Line(),
		From:     d.Originator,
		Time:     d.Time,
		Received: now,
		PID:      d.PID,
		DCS:      d.DCS,
		UDH:      d.UDH,
		Data:     d.Data,
		Text:     d.Text(),
	}
	a, err := g.db.ReceiveText(text, now)
	if err != nil {
		return fmt.Errorf("store a text from a phone: %w", err)
	}
	log := g.log.With("modem", from.Modem)
	switch {
	case a.Again: // a modem offers what it could not delete at each look
		log.Debug("text received again", "inbox", a.ID, "have", a.Have, "parts", max(a.Parts, a.Total, 1))
		return modem.ErrRepeated
	case a.Waiting:
		log.Info("part of a long text received; it waits for the others", "have", a.Have, "parts", a.Total)
		return nil
	}
	log.Info("text received", "inbox", a.ID, "system_id", a.Account, "parts", max(a.Parts, 1))
	if a.Account == "" && (g.defaults().InboundTo != "" || len(g.defaults().Inbound) > 0) {
		log.Warn("the account that the configuration names for the text does not exist; it stays in the inbox", "inbox", a.ID)
	}
	return nil
}

// unreadable keeps what we can't make sense of in the inbox, whole, for the operator; no ESME gets it.
func (g *Gateway) unreadable(from modem.Identity, in modem.Incoming, cause error) error {
	g.log.Warn("received something unreadable; it is kept in the inbox", "modem", from.Modem, "err", cause)
	now := g.opt.Now()
	_, _, err := g.db.Receive(store.Inbound{
		Modem: from.Modem, Line: from.Line(), Received: now, DCS: 0x04, Data: in.TPDU,
		Text: fmt.Sprintf("(unreadable: %v) %X", cause, in.TPDU),
	}, now)
	if err != nil {
		return fmt.Errorf("store an unreadable message: %w", err)
	}
	return nil
}
