package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// modelOperations are what a party does, each as often as its weight says. A new operation of the protocol is an entry here, a
// function that does it, and what it changes of sent.
var modelOperations = []struct {
	weight int
	do     func(p *party)
}{
	{30, (*party).submitOne},
	{6, (*party).submitBurst},
	{4, (*party).submitData},
	{4, (*party).submitMulti},
	{8, (*party).submitWrong},
	{25, (*party).queryOne},
	{4, (*party).queryStrange},
	{12, (*party).cancelOne},
	{4, (*party).cancelByAddress},
	{8, (*party).replaceOne},
	{6, (*party).submitAgain},
	{3, (*party).otherAlphabet},
	{5, (*party).submitInstead},
	{1, (*party).bindSlow},
	{3, (*party).leave},
	{3, (*party).drop},
	{4, (*party).bindMore},
	{1, (*party).bindWrong},
	{2, (*party).disableAWhile},
	{1, (*party).newPassword},
	{4, (*party).phoneTexts},
}

// run does so many things.
func (p *party) run(n int) {
	sum := 0
	for _, op := range modelOperations {
		sum += op.weight
	}
	for range n {
		if p.t.Failed() {
			return
		}
		at := p.r.IntN(sum)
		for _, op := range modelOperations {
			if at -= op.weight; at < 0 {
				op.do(p)
				break
			}
		}
		select {
		case p.box.steps <- struct{}{}:
		default:
		}
	}
}

// bindAs opens a session; nil if the account is disabled, or the gateway stopped meanwhile.
func (p *party) bindAs(kind smpp.BindKind, refuse bool) *smpptest.Client {
	for range 100 {
		life := p.box.life.Load()
		c := p.box.dial()
		c.Timeout, c.OnDeliver = patience, p.take(c, refuse)
		_, err := c.Bind(kind, p.key, p.password)
		status, answered := statusOf(err)
		switch {
		case err == nil && p.disabled:
			p.t.Errorf("%s is disabled, and bound", p.key)
		case err == nil:
			go func() {
				for range c.Deliveries() {
				}
			}()
			p.t.Cleanup(func() { c.Close() })
			p.sessions, p.kinds = append(p.sessions, c), append(p.kinds, kind)
			return c
		case answered && p.disabled && status == smpp.StatusBindFail:
			c.Close()
			return nil
		case answered && p.box.life.Load() == life && status != smpp.StatusAlyBnd && status != smpp.StatusBindFail:
			p.t.Errorf("%s can't bind: %v", p.key, err)
			c.Close()
			return nil
		}
		c.Close() // the gateway was going, is busy with passwords, or has not seen yet that former sessions are gone
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Errorf("%s never got a session", p.key)
	return nil
}

// session gives one that may transmit, and forgets those that have ended.
func (p *party) session() *smpptest.Client {
	for i := len(p.sessions) - 1; i >= 0; i-- {
		select {
		case <-p.sessions[i].Done():
			p.forget(i)
		default:
		}
	}
	var may []*smpptest.Client
	for i, c := range p.sessions {
		if p.kinds[i] != smpp.BindReceiver {
			may = append(may, c)
		}
	}
	if len(may) > 0 {
		return may[p.r.IntN(len(may))]
	}
	return p.bindAs(smpp.BindTransceiver, p.r.IntN(2) == 0)
}

func (p *party) forget(i int) {
	p.sessions[i].Close()
	p.sessions, p.kinds = slices.Delete(p.sessions, i, i+1), slices.Delete(p.kinds, i, i+1)
}

// lost tells whether an error only means that the session is gone, or goes, which may happen at any time.
func (p *party) lost(err error, life int64) bool {
	if errors.Is(err, smpptest.ErrClosed) {
		return true
	}
	status, answered := statusOf(err)
	if !answered {
		return !strings.Contains(err.Error(), "no answer to")
	}
	return p.box.life.Load() != life && (status == smpp.StatusSysErr || status == smpp.StatusInvBndSts)
}

// compose makes a message, and what the model expects of it.
func (p *party) compose() (*smpp.SubmitSM, *sent) {
	p.last++
	m := &sent{text: fmt.Sprintf("text_%d of %s", p.last, p.key), from: fmt.Sprint(4400 + p.r.IntN(3)),
		wish: uint8(p.r.IntN(3)) | uint8(p.r.IntN(2))<<4,
		ends: p.box.ends.Load(),
		to:   fmt.Sprintf("49155%07d", p.r.IntN(5)), asked: time.Now()}
	if p.r.IntN(8) == 0 {
		m.text += strings.Repeat(" and so on", 20)
	}
	req := &smpp.SubmitSM{RegisteredDelivery: m.wish, PriorityFlag: uint8(p.r.IntN(2))}
	switch p.r.IntN(60) {
	case 0, 1, 2, 3, 4, 5:
		m.to, m.refused = "4915500099901", true // unassigned
	case 6:
		m.to, m.doubtful = "4915500099903", true // the modem does not answer
		p.box.mute.Add(int64(p.tries()))
	case 10, 11, 12, 13, 14, 15, 16, 17, 18:
		m.later, req.ScheduleDeliveryTime = true, "000001000000000R"
	case 20, 21, 22, 23, 24, 25:
		m.due, req.ScheduleDeliveryTime = m.asked.Add(time.Second), "000000000001000R"
	case 30, 31, 32, 33, 34, 35:
		m.expires, req.ValidityPeriod = m.asked.Add(2*time.Second), "000000000002000R"
	}
	req.Source, req.Destination = smpp.Address{Addr: m.from}, smpp.Address{TON: 1, NPI: 1, Addr: m.to}
	if len(m.text) > 160 && p.r.IntN(2) == 0 {
		req.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(m.text)}}
	} else {
		req.ShortMessage = []byte(m.text)
	}
	if p.r.IntN(2) == 0 {
		req.TLVs = append(req.TLVs, smpp.TLV{Tag: smpp.TagUserMessageReference, Value: []byte{byte(p.last >> 8), byte(p.last)}})
	}
	return req, m
}

// accepted notes a message_id.
func (p *party) accepted(id string, m *sent) {
	if p.messages[id] != nil || p.stranger.knows(id) {
		p.fail(m, "message_id %s was given twice", id)
	}
	if id == "" || len(id) > 10 || strings.Trim(id, "0123456789") != "" {
		p.fail(m, "message_id %q", id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages[id] = m
	p.ids = append(p.ids, id)
}

func (p *party) knows(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages[id] != nil
}

func (p *party) submitOne() {
	c := p.session()
	if c == nil {
		return
	}
	req, m := p.compose()
	m.life = p.box.life.Load()
	if _, ok := req.TLVs.Find(smpp.TagUserMessageReference); ok {
		m.req = req
	}
	p.asks(1)
	id, err := c.Submit(req)
	switch {
	case err == nil:
		p.accepted(id, m)
	case p.limited(err, 1):
	case p.lost(err, m.life):
		p.adrift = append(p.adrift, m)
	default:
		p.fail(m, "submit_sm: %v", err)
	}
}

// submitData hands in a message by data_sm, which has no times.
func (p *party) submitData() {
	c := p.session()
	if c == nil {
		return
	}
	req, m := p.compose()
	m.later, m.due, m.expires = false, time.Time{}, time.Time{}
	m.life = p.box.life.Load()
	p.asks(1)
	id, err := c.Data(&smpp.DataSM{Source: req.Source, Destination: req.Destination, RegisteredDelivery: m.wish,
		TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(m.text)}}})
	switch {
	case err == nil:
		p.accepted(id, m)
	case p.limited(err, 1):
	case p.lost(err, m.life):
		p.adrift = append(p.adrift, m)
	default:
		p.fail(m, "data_sm: %v", err)
	}
}

// submitMulti hands in one text for several phones: the ids follow one another.
func (p *party) submitMulti() {
	c := p.session()
	if c == nil {
		return
	}
	one, m := p.compose()
	req := &smpp.SubmitMulti{Source: one.Source, RegisteredDelivery: m.wish, ScheduleDeliveryTime: one.ScheduleDeliveryTime,
		ValidityPeriod: one.ValidityPeriod, ShortMessage: one.ShortMessage, TLVs: one.TLVs}
	m.life = p.box.life.Load()
	var all []*sent
	for n := range 1 + p.r.IntN(4) {
		each := *m
		if n > 0 {
			each.to, each.refused, each.doubtful = fmt.Sprintf("4915511%06d", n), false, false
		}
		all = append(all, &each)
		req.Destinations = append(req.Destinations, smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: each.to}})
	}
	p.asks(len(all))
	resp, err := c.SubmitMulti(req)
	switch {
	case p.limited(err, len(all)):
	case err == nil && len(resp.Unsuccessful) > 0:
		p.fail(m, "submit_multi refused %v", resp.Unsuccessful)
	case err == nil:
		first, err := store.ParseID(resp.MessageID)
		if err != nil {
			p.fail(m, "submit_multi: %v", err)
		}
		for n, each := range all {
			p.accepted((first + store.ID(n)).String(), each)
		}
	case p.lost(err, m.life):
		p.adrift = append(p.adrift, all...)
	default:
		p.fail(m, "submit_multi: %v", err)
	}
}

// replaceOne gives a message another text; the old one must not come to a phone any more.
func (p *party) replaceOne() {
	id, m := p.any()
	c := p.session()
	if c == nil || m == nil || m.orText != "" {
		return
	}
	p.last++
	text := fmt.Sprintf("instead %d of %s", p.last, p.key)
	life := p.box.life.Load()
	m.changed = true
	err := c.Replace(&smpp.ReplaceSM{MessageID: id, RegisteredDelivery: m.wish, ShortMessage: []byte(text)})
	switch {
	case err == nil && (m.final || m.cancelled):
		p.fail(m, "replace_sm of %s: 0 after its end", id)
	case err == nil:
		m.text = text
	case errors.Is(err, smpp.StatusReplaceFail) && m.later && !m.cancelled && !m.mayBe:
		p.fail(m, "replace_sm of %s, which waits: %v", id, err)
	case errors.Is(err, smpp.StatusReplaceFail):
	case p.lost(err, life):
		m.orText = text
	default:
		p.fail(m, "replace_sm of %s: %v", id, err)
	}
}

// submitBurst hands in many without waiting for answers, and sometimes drops the connection before they come.
func (p *party) submitBurst() {
	c := p.session()
	if c == nil {
		return
	}
	type open struct {
		resp <-chan smpp.PDU
		m    *sent
	}
	var burst []open
	for range 2 + p.r.IntN(10) {
		req, m := p.compose()
		m.life = p.box.life.Load()
		p.asks(1)
		resp, err := c.Send(req)
		if err != nil {
			p.adrift = append(p.adrift, m)
			continue
		}
		burst = append(burst, open{resp, m})
	}
	if p.r.IntN(4) == 0 {
		c.Close()
	}
	for _, o := range burst {
		answer, ok := <-o.resp
		resp, isResp := answer.Body.(*smpp.SubmitSMResp)
		switch {
		case ok && isResp && answer.Status == smpp.StatusOK:
			p.accepted(resp.MessageID, o.m)
		case ok && p.limited(answer.Status, len(burst)):
		case !ok || p.lost(answer.Status, o.m.life):
			p.adrift = append(p.adrift, o.m)
		default:
			p.fail(o.m, "submit_sm: %v", answer.Status)
		}
	}
}

// submitWrong hands in what is refused; nothing of it may come to a phone.
func (p *party) submitWrong() {
	c := p.session()
	if c == nil {
		return
	}
	req := &smpp.SubmitSM{Destination: smpp.Address{Addr: "491551234567"}, ShortMessage: []byte("wrong")}
	var want smpp.Status
	switch p.r.IntN(7) {
	case 0:
		req.Destination.Addr, want = "not a number", smpp.StatusInvDstAdr
	case 1:
		req.Destination.Addr, want = "", smpp.StatusInvDstAdr
	case 2:
		req.PriorityFlag, want = 4, smpp.StatusInvPrtFlg
	case 3:
		req.ScheduleDeliveryTime, want = "000000000000000X", smpp.StatusInvSched
	case 4:
		req.ValidityPeriod, want = "200101000000000+", smpp.StatusInvExpiry
	case 5:
		req.ScheduleDeliveryTime, req.ValidityPeriod, want = "000001000000000R", "000000010000000R", smpp.StatusInvExpiry
	case 6:
		req.ShortMessage, want = nil, smpp.StatusInvMsgLen
		req.TLVs = smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte(strings.Repeat("wrong", 400))}}
	}
	life := p.box.life.Load()
	p.asks(1)
	if _, err := c.Submit(req); !errors.Is(err, want) && !p.limited(err, 1) && (err == nil || !p.lost(err, life)) {
		p.t.Errorf("submit_sm %+v: %v, want %v", req, err, want)
	}
}

// any draws one of the party's messages, rather a new one; nil if there is none.
func (p *party) any() (string, *sent) {
	if len(p.ids) == 0 {
		return "", nil
	}
	n := min(len(p.ids), 10)
	if p.r.IntN(3) == 0 {
		n = len(p.ids)
	}
	id := p.ids[len(p.ids)-1-p.r.IntN(n)]
	return id, p.messages[id]
}

func (p *party) queryOne() {
	id, m := p.any()
	c := p.session()
	if c == nil || m == nil {
		return
	}
	before := p.receiptsOf(id)
	source := smpp.Address{Addr: m.from}
	if p.r.IntN(2) == 0 {
		source = smpp.Address{}
	}
	life := p.box.life.Load()
	q, err := c.Query(id, source)
	switch {
	case err == nil && q.MessageID != id:
		p.fail(m, "query_sm of %s answers with %s", id, q.MessageID)
	case err == nil:
		p.learn(id, m, q, before)
	case !p.lost(err, life):
		p.fail(m, "query_sm of %s: %v", id, err)
	}
}

// queryStrange asks for what is none of the party's business, and tries to cancel it.
func (p *party) queryStrange() {
	c := p.session()
	if c == nil {
		return
	}
	id := "17"
	p.stranger.mu.Lock()
	if n := len(p.stranger.ids); n > 0 {
		id = p.stranger.ids[n-1]
	}
	p.stranger.mu.Unlock()
	life := p.box.life.Load()
	if _, err := c.Query(id, smpp.Address{}); !errors.Is(err, smpp.StatusInvMsgID) && (err == nil || !p.lost(err, life)) {
		p.t.Errorf("%s asked for %s of a stranger: %v", p.key, id, err)
	}
	if err := c.Cancel(&smpp.CancelSM{MessageID: id}); !errors.Is(err, smpp.StatusInvMsgID) && (err == nil || !p.lost(err, life)) {
		p.t.Errorf("%s cancelled %s of a stranger: %v", p.key, id, err)
	}
}

func (p *party) cancelOne() {
	id, m := p.any()
	c := p.session()
	if c == nil || m == nil {
		return
	}
	life := p.box.life.Load()
	err := c.Cancel(&smpp.CancelSM{MessageID: id})
	switch {
	case err == nil && m.final && m.state != smpp.StateDeleted:
		p.fail(m, "cancel_sm of %s: 0 after %s", id, m.state)
	case err == nil:
		m.cancelled = true
	case errors.Is(err, smpp.StatusCancelFail) && (m.cancelled || m.later):
		p.fail(m, "cancel_sm of %s, which waits or is cancelled: %v", id, err)
	case errors.Is(err, smpp.StatusCancelFail):
	case p.lost(err, life):
		m.mayBe = true
	default:
		p.fail(m, "cancel_sm of %s: %v", id, err)
	}
}

func (p *party) cancelByAddress() {
	_, example := p.any()
	c := p.session()
	if c == nil || example == nil {
		return
	}
	life := p.box.life.Load()
	err := c.Cancel(&smpp.CancelSM{Source: smpp.Address{Addr: example.from}, Destination: smpp.Address{Addr: example.to}})
	for _, m := range p.messages {
		if m.from != example.from || m.to != example.to || m.cancelled {
			continue
		}
		switch {
		case err == nil && m.later:
			m.cancelled = true
		case errors.Is(err, smpp.StatusCancelFail) && m.later && !m.mayBe:
			p.fail(m, "cancel_sm by addresses: %v, and it waits", err)
		case err == nil, p.lost(err, life):
			m.mayBe = true
		case !errors.Is(err, smpp.StatusCancelFail):
			p.fail(m, "cancel_sm by addresses: %v", err)
		}
	}
}

// leave unbinds a session, drop breaks one.
func (p *party) leave() { p.part(func(c *smpptest.Client) { c.Unbind() }) }
func (p *party) drop()  { p.part(func(c *smpptest.Client) { c.Close() }) }

func (p *party) part(how func(*smpptest.Client)) {
	if len(p.sessions) > 0 {
		i := p.r.IntN(len(p.sessions))
		how(p.sessions[i])
		p.forget(i)
	}
}

func (p *party) bindMore() {
	if len(p.sessions) < 4 {
		kinds := []smpp.BindKind{smpp.BindTransceiver, smpp.BindTransmitter, smpp.BindReceiver}
		p.bindAs(kinds[p.r.IntN(3)], p.r.IntN(2) == 0)
	}
}

// bindWrong tries a wrong password. That the account is disabled only its password tells.
func (p *party) bindWrong() {
	life := p.box.life.Load()
	c := p.box.dial()
	defer c.Close()
	_, err := c.Bind(smpp.BindTransceiver, p.key, "guess")
	if !errors.Is(err, smpp.StatusInvPaswd) && !errors.Is(err, smpp.StatusBindFail) && (err == nil || !p.lost(err, life)) {
		p.t.Errorf("a bind with a wrong password: %v", err)
	}
}

// disableAWhile bars the account, and lets it in again the next time.
func (p *party) disableAWhile() {
	if p.disabled {
		p.enable()
		return
	}
	if err := p.box.ask(func(g *gateway.Gateway) error { return g.SetDisabled(p.key, true) }); err != nil {
		p.t.Errorf("disable %s: %v", p.key, err)
	}
	p.disabled = true
	p.gone("disabled")
}

func (p *party) enable() {
	if err := p.box.ask(func(g *gateway.Gateway) error { return g.SetDisabled(p.key, false) }); err != nil {
		p.t.Errorf("enable %s: %v", p.key, err)
	}
	p.disabled = false
}

func (p *party) newPassword() {
	p.password = fmt.Sprint("pass", p.r.IntN(1000))
	if err := p.box.ask(func(g *gateway.Gateway) error { return g.SetPassword(p.key, p.password) }); err != nil {
		p.t.Errorf("a new password for %s: %v", p.key, err)
	}
	p.gone("given another password")
}

// gone: the sessions must have been ended.
func (p *party) gone(why string) {
	for i := len(p.sessions) - 1; i >= 0; i-- {
		select {
		case <-p.sessions[i].Done():
		case <-time.After(patience):
			p.t.Errorf("%s was %s, and its session goes on", p.key, why)
		}
		p.forget(i)
	}
}

// phoneTexts has a phone text a SIM; the texts are for the oldest account, and come from one sender for all.
func (p *party) phoneTexts() {
	if p.n != 0 {
		return
	}
	p.last++
	text := fmt.Sprintf("MO %d", p.last)
	if err := p.box.modems[0].Receive("+4915550009", text); err == nil {
		p.mo = append(p.mo, text)
	}
}
