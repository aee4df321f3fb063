package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// The limits of a party that has some.
const (
	modelRate   = 25 // messages a second
	modelQueued = 40
)

// modelSettings are those of each party.
var modelSettings = []gateway.Settings{
	{"uncertain": "report"},
	{"uncertain": "never", "rate": fmt.Sprintf("%d/s", modelRate), "max_queued": fmt.Sprint(modelQueued)},
	{"uncertain": "resend"},
}

// tries is how often a message goes to a modem at most, if nobody knows what became of it.
func (p *party) tries() int {
	if modelSettings[p.n]["uncertain"] == "resend" {
		return 2
	}
	return 1
}

// limited tells whether a message may be refused with this status for the party's limits, n messages having been asked for.
// asked has been told of them.
func (p *party) limited(err error, n int) bool {
	status, _ := statusOf(err)
	if modelSettings[p.n]["rate"] == "" {
		return false
	}
	switch status {
	case smpp.StatusThrottled: // even an empty bucket has so many places in a second; the rest is for a busy machine
		recent := 0
		for _, at := range p.attempts {
			if time.Since(at) < 5*time.Second {
				recent++
			}
		}
		return recent >= modelRate
	case smpp.StatusMsgQFul:
		waiting := len(p.adrift) + n
		for _, m := range p.messages {
			if !m.final && !m.cancelled {
				waiting++
			}
		}
		return waiting > modelQueued
	}
	return false
}

// asks notes that n messages are about to be submitted.
func (p *party) asks(n int) {
	for range n {
		p.attempts = append(p.attempts, time.Now())
	}
}

// notify takes an intermediate notification: of a message that has not ended, for anybody who has its receipts.
func (p *party) notify(d *smpp.DeliverSM) {
	r, err := smpp.ParseReceipt(string(d.ShortMessage))
	if err != nil || r.State != smpp.StateEnroute {
		p.t.Errorf("intermediate notification %q: %v", d.ShortMessage, err)
	}
	if ends := p.receipts[r.MessageID]; len(ends) > 0 {
		p.t.Errorf("%s got an intermediate notification of %s after the receipts %v", p.key, r.MessageID, ends)
	}
	p.onTheWay[r.MessageID]++
}

// unnotified tells whether a message was delivered without word that the network had it, and that was wished. With a doubt
// its status report may be the first that is heard of it.
func (p *party) unnotified(id string, m *sent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.wish&0x10 != 0 && m.state == smpp.StateDelivered && p.onTheWay[id] == 0 &&
		p.box.mute.Load() == 0 && p.box.ends.Load() == m.ends
}

// checkNotified: who wished it heard that the network has a message, and nobody else did.
func (p *party) checkNotified() {
	for id, m := range p.messages {
		p.mu.Lock()
		n := p.onTheWay[id]
		p.mu.Unlock()
		if m.wish&0x10 == 0 && n > 0 {
			p.fail(m, "%d intermediate notifications of %s that were not wished", n, id)
		}
		if p.unnotified(id, m) {
			p.fail(m, "no intermediate notification of %s", id)
		}
	}
}

// bindSlow opens a session that answers when nobody waits for it any more.
func (p *party) bindSlow() {
	if len(p.sessions) >= 4 {
		return
	}
	if c := p.bindAs(smpp.BindReceiver, false); c != nil {
		p.slow.Store(c, true)
	}
}

// set changes a setting of the party's account.
func (p *party) set(name, value string) {
	err := p.box.ask(func(g *gateway.Gateway) error {
		_, err := g.SetAccount(p.key, gateway.Settings{name: value})
		return err
	})
	if err != nil {
		p.t.Errorf("set %s of %s to %q: %v", name, p.key, value, err)
	}
}

// otherAlphabet has the texts that follow read otherwise, and those that are submitted again.
func (p *party) otherAlphabet() {
	p.set("alphabet", []string{gateway.AlphabetAuto, gateway.AlphabetGSM7}[p.r.IntN(2)])
}

// submitAgain submits a message with a reference once more: first of all one whose answer was lost. Sometimes its account
// may send to nobody meanwhile: then it is known, or refused.
func (p *party) submitAgain() {
	c := p.session()
	if c == nil {
		return
	}
	old := slices.IndexFunc(p.adrift, func(m *sent) bool { return m.req != nil && m.after == nil })
	id, m := p.any()
	if old >= 0 {
		id, m = "", p.adrift[old]
	}
	if m == nil || m.req == nil || m.after != nil || m.changed {
		return
	}
	p.asks(1)
	barred := p.r.IntN(3) == 0
	if barred {
		p.set("destinations", "1")
		defer p.set("destinations", "")
	}
	life := p.box.life.Load()
	if m.doubtful {
		p.box.mute.Add(int64(p.tries()))
	}
	again, err := c.Submit(m.req)
	switch {
	case err == nil && old >= 0: // it is that one, or the first never came
		p.adrift = slices.Delete(p.adrift, old, old+1)
		p.accepted(again, m)
	case err == nil && again == id:
		if m.cancelled || m.final && m.state != smpp.StateDelivered {
			p.fail(m, "submitted again it is still %s", id)
		}
	case err == nil:
		if !m.mayEndUnsent() || barred {
			p.fail(m, "submitted again %s is %s", id, again)
		}
		p.accepted(again, m.anew())
	case barred && errors.Is(err, smpp.StatusInvDstAdr):
		if old < 0 && !m.mayEndUnsent() {
			p.fail(m, "submitted again %s is refused", id)
		}
	case p.limited(err, 1):
	case p.lost(err, life):
		if old < 0 && m.mayEndUnsent() {
			p.adrift = append(p.adrift, m.anew())
		}
	default:
		p.fail(m, "submit_sm once more: %v", err)
	}
}

// mayEndUnsent tells whether a message can have ended so that it is accepted anew.
func (m *sent) mayEndUnsent() bool {
	return m.cancelled || m.mayBe || m.refused || m.doubtful || !m.expires.IsZero()
}

// anew is the message that takes the place of one that ended unsent; what comes to the phone is its.
func (m *sent) anew() *sent {
	m.after = &sent{text: m.text, from: m.from, to: m.to, wish: m.wish, asked: m.asked, due: m.due, expires: m.expires, refused: m.refused,
		doubtful: m.doubtful, later: m.later, ends: m.ends, life: m.life, req: m.req}
	return m.after
}

// submitInstead submits a text of a kind of which the latest alone counts.
func (p *party) submitInstead() {
	c := p.session()
	if c == nil {
		return
	}
	req, m := p.compose()
	m.due, m.expires, m.refused, m.doubtful, m.later = time.Time{}, time.Time{}, false, false, true
	m.from, m.to = "5500", fmt.Sprintf("49155200000%d", p.r.IntN(3))
	req.Source.Addr, req.Destination.Addr = m.from, m.to
	req.ScheduleDeliveryTime, req.ValidityPeriod, req.ReplaceIfPresentFlag = "000001000000000R", "", 1
	m.life, m.req = p.box.life.Load(), nil
	p.asks(1)
	id, err := c.Submit(req)
	before := p.latest[m.to]
	switch {
	case err == nil:
		if before != nil {
			before.cancelled = true // in the same transaction
		}
		p.accepted(id, m)
		p.latest[m.to] = m
	case p.limited(err, 1):
	case p.lost(err, m.life):
		if before != nil {
			before.mayBe = true
		}
		p.adrift = append(p.adrift, m)
		delete(p.latest, m.to) // the next one is for this one, if it was accepted
	default:
		p.fail(m, "submit_sm instead of another: %v", err)
	}
}

// answersLate waits until nobody waits for the answer any more, if the session is a slow one.
func (p *party) answersLate(c *smpptest.Client) {
	if _, slow := p.slow.Load(c); slow {
		time.Sleep(modelResponse + 200*time.Millisecond)
	}
}
