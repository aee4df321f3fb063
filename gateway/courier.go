package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"smsgateway/smpp"
	"smsgateway/sms"
	"smsgateway/store"
)

// courierWindow is how many deliver_sm may be open on one session, of accounts that say nothing else. Client libraries
// expect about 10 (sheet section 13).
const courierWindow = 10

// refusalsInFavour is how many times in a row a session may refuse for now before others are preferred.
const refusalsInFavour = 3

// redeliveries is how long to wait after the first, second ... delivery that an ESME put off or did not answer.
var redeliveries = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

// courier is a session that can receive, as the lane of its account sees it. The lane's lock guards it.
type courier struct {
	*handler
	ctx context.Context // of the session

	window  int       // most rows open at a time
	allowed int       // most by experience: one at first, one more after each answer, half after one that did not come
	open    int       // rows that are on their way
	alone   bool      // the one that is open is a suspect
	served  uint64    // of the last row that it was given, among all of the lane
	heard   time.Time // when it last answered
	cut     time.Time // when allowed was last halved

	refusals int       // for now, in a row
	falls    int       // how often in a row it fell out of favour
	until    time.Time // out of favour, and to be tried then; zero: in favour
}

// good tells that the session is in favour: it takes what it gets, as far as is known.
func (c *courier) good() bool { return c.until.IsZero() }

// room tells whether one more row may be open.
func (c *courier) room() bool { return !c.alone && c.open < min(c.allowed, c.window) }

// closes: a row is not open any more.
func (c *courier) closes() { c.open, c.alone = c.open-1, false }

// answered: the session has taken a row, or refused it for good.
func (c *courier) answered(now time.Time) {
	c.closes()
	c.heard, c.until, c.refusals, c.falls = now, time.Time{}, 0, 0
	c.allowed = min(c.allowed+1, c.window)
}

// refused: it does not want a row for now. With fell it is out of favour from now on.
func (c *courier) refused(now time.Time) (fell bool) {
	c.closes()
	c.heard = now
	c.refusals++
	return c.refusals >= refusalsInFavour && c.fall(now)
}

// unanswered: it was given up. One that has answered others since is only slow.
func (c *courier) unanswered(sent, now time.Time) (fell bool) {
	c.closes()
	if sent.After(c.cut) { // those that were open together count once
		c.cut, c.allowed = now, max(1, min(c.allowed, c.window)/2)
	}
	return !c.heard.After(sent) && c.fall(now)
}

// fall puts the session out of favour for a while, longer each time. It tells whether it was in favour.
func (c *courier) fall(now time.Time) bool {
	was := c.good()
	if was || !now.Before(c.until) {
		c.until = now.Add(redeliveries[min(c.falls, len(redeliveries)-1)])
		c.falls++
	}
	return was
}

// courier makes a session one of those that its account's rows go to, until ctx ends.
func (g *Gateway) courier(ctx context.Context, h *handler) {
	c := &courier{handler: h, ctx: ctx, window: courierWindow, allowed: 1}
	lane := g.outbox.lane(h.lane)
	first := lane.join(c)
	g.resize(h.lane)
	if first {
		g.couriers.Go(func() { g.shareOut(lane) })
	}
	context.AfterFunc(ctx, func() { lane.leave(c) })
}

// resize puts the account's deliver_window in force for the sessions that it has. The account is read under the lock, so
// that of two changes at a time the last one counts.
func (g *Gateway) resize(lane uint32) {
	l := g.outbox.known(lane)
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	acct, err := g.db.AccountOfLane(lane)
	if err != nil { // it was removed: its sessions end
		return
	}
	for _, c := range l.couriers {
		c.window = cmp.Or(acct.DeliverWindow, courierWindow)
	}
	l.hint.set()
}

// shareOut brings the rows of an account's outbox to its sessions for as long as it has any. A row goes when its
// deliver_sm_resp says so.
func (g *Gateway) shareOut(lane *outboxLane) {
	const again = time.Second // after the store could not be read
	for {
		changed := lane.hint.wait()
		now := time.Now()
		gifts, next, over, err := lane.share(g.db, now)
		for _, gift := range gifts {
			g.couriers.Go(func() { g.deliver(lane, gift.courier, gift.outboxRow) })
		}
		if over {
			return
		}
		if err != nil {
			g.log.Error("can't read the outbox; receipts wait", "err", err)
			next = now.Add(again)
		}
		var wake <-chan time.Time
		if !next.IsZero() {
			wake = time.After(next.Sub(now))
		}
		select {
		case <-changed:
		case <-wake:
		}
	}
}

// deliver brings one row to a session and does what its answer asks for.
func (g *Gateway) deliver(lane *outboxLane, c *courier, r *outboxRow) {
	log := c.log.With("outbox", r.seq)
	row, err := g.outboxRow(lane.lane, r)
	switch {
	case err != nil:
		log.Error("can't read the outbox; it will be tried again", "err", err)
		lane.refused(r, c, time.Now())
		return
	case row == nil:
		lane.vanished(r, c)
		return
	case row.Receipt != nil:
		log = log.With("id", row.Receipt.ID, "state", row.Receipt.State.String())
	default:
		log = log.With("inbox", row.Inbound.ID)
	}
	sent, again := time.Now(), lane.offering(r)
	err = g.deliverAll(lane, c, r, row, again && !r.plain)
	var status smpp.Status
	if again && !r.plain && errors.As(err, &status) && aboutTLVs(status) {
		log.Warn("the ESME refused a mark that it should ignore, and gets it without", "status", status.String())
		r.plain = true
		err = g.deliverAll(lane, c, r, row, false)
	}
	if !again && errors.As(err, &status) && r.taken == 0 { // of several deliver_sm it has some
		lane.declined(r)
	}
	var field *smpp.FieldError
	fell := false
	switch {
	case err == nil:
		log.Info("delivered to the ESME")
	case errors.As(err, &field):
		log.Error("it can't be written as a deliver_sm; it is not offered again", "err", err)
	case errors.As(err, &status) && !temporary(status):
		log.Warn("the ESME refused it for good; it is not offered again", "status", status.String())
	case errors.As(err, &status):
		fell = lane.refused(r, c, time.Now())
	case errors.Is(err, smpp.ErrTimeout):
		fell = lane.unanswered(r, c, sent, time.Now())
	default:
		lane.broken(r, c)
		return
	}
	switch {
	case fell:
		c.log.Warn("the ESME does not take what it is given; other sessions of the account are preferred", "err", err)
	case errors.Is(err, smpp.ErrTimeout) || temporary(status):
		log.Info("the ESME did not take it; it will be offered again", "err", err)
	default:
		g.acknowledge(lane, c, r, log)
	}
}

// outboxRow is what a row says; nil if it is gone from the file, or about to go.
func (g *Gateway) outboxRow(lane uint32, r *outboxRow) (*store.Delivery, error) {
	old := func() bool { return g.opt.Now().Sub(r.row.Created) > outboxKeep && !g.clockDoubted() }
	if r.row == nil || old() { // the clock may have been set since it was read
		rows, err := g.db.Outbox(lane, r.seq-1, 1)
		if err != nil || len(rows) == 0 || rows[0].Seq != r.seq {
			return nil, err
		}
		r.row = &rows[0]
	}
	if old() {
		return nil, nil
	}
	return r.row, nil
}

// deliverAll sends the deliver_sm of a row, one after the other, but for those that this session has taken already.
// again: a client may have them already.
func (g *Gateway) deliverAll(lane *outboxLane, c *courier, r *outboxRow, row *store.Delivery, again bool) error {
	list := c.deliverSMs(row)
	if again {
		c.mark(list)
	}
	if r.by != c || r.parts != len(list) {
		r.by, r.taken = nil, 0
	}
	r.parts = len(list)
	for i := r.taken; i < len(list); i++ {
		var late func(smpp.Status)
		if len(list) == 1 {
			late = func(status smpp.Status) { g.late(lane, c, r, status) }
		}
		if err := c.session.DeliverLate(c.ctx, list[i], late); err != nil {
			return err
		}
		r.by, r.taken = c, i+1
	}
	return nil
}

// acknowledge lets a row go that a session has taken.
func (g *Gateway) acknowledge(lane *outboxLane, c *courier, r *outboxRow, log *slog.Logger) {
	if err := g.writeDown(c.ctx, func() error { return g.db.Acknowledge(lane.lane, r.seq) }); err != nil {
		log.Error("can't write down that it was delivered; it may be delivered again", "err", err)
		lane.refused(r, c, time.Now())
		return
	}
	lane.taken(r, c, time.Now())
}

// late takes the answer to a deliver_sm that had been given up. Only one that takes the row matters. It is called by the
// session's reader, which must not wait for the store.
func (g *Gateway) late(lane *outboxLane, c *courier, r *outboxRow, status smpp.Status) {
	if status != smpp.StatusOK {
		return
	}
	g.couriers.Go(func() {
		if err := g.writeDown(c.ctx, func() error { return g.db.Acknowledge(lane.lane, r.seq) }); err != nil {
			c.log.Error("can't write down that it was delivered; it may be delivered again", "outbox", r.seq, "err", err)
			return
		}
		c.log.Info("delivered to the ESME, which answered late", "outbox", r.seq)
		lane.late(r)
	})
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
	tlvs := h.knowsTLVs()
	if row.Receipt == nil {
		return inbound(row.Inbound, gsm7, tlvs)
	}
	p := receipt(row.Receipt, tlvs)
	if gsm7 {
		p.ShortMessage = inBoth(p.ShortMessage)
	}
	return []*smpp.DeliverSM{p}
}

// inBoth puts a ? for each character of a receipt that is not the same octet in ASCII and in GSM 03.38. Some programs read
// receipts as ASCII whatever data_coding 0 is to them, and in C an @ of GSM 03.38 would end them.
func inBoth(text []byte) []byte {
	both := bytes.Clone(text)
	for i, o := range both {
		if septets, err := sms.EncodeGSM7(string(rune(o))); err != nil || len(septets) != 1 || septets[0] != o {
			both[i] = '?'
		}
	}
	return both
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

// mostCounted bounds how many rows OutboxWaiting counts.
const mostCounted = 100_000

// OutboxWaiting counts the receipts and texts from phones that wait for the sessions of an account, at most 100,000.
// store.ErrNoAccount if there is none of that key.
func (g *Gateway) OutboxWaiting(key string) (int, error) {
	acct, err := g.db.Account(key)
	if err != nil {
		return 0, err
	}
	return g.db.CountOutbox(acct.Lane, mostCounted)
}
