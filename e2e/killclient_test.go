package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
)

// killParty is an account, with the clients that bind with it.
type killParty struct {
	l      *ledger
	key    string
	policy string
	addr   string
	n      int

	// l.mu guards what follows.
	ids    []string // in the order in which the clients heard of them
	adrift []*deed  // to be handed in again
	refs   uint16
	mute   bool // receipts are acknowledged at once: the end is near
}

// mostOpen is how many messages wait for modems at most: what matters is what a kill meets, not how much.
const mostOpen = 60

// run has clients do what they do, binding again when the gateway has gone, until ctx ends.
func (p *killParty) run(ctx context.Context, seed uint64) {
	var work sync.WaitGroup
	for n, kind := range []smpp.BindKind{smpp.BindTransceiver, smpp.BindTransmitter} {
		work.Go(func() { p.sender(ctx, kind, rand.New(rand.NewPCG(seed, uint64(10*p.n+n)))) })
	}
	work.Go(func() { p.receiver(ctx, rand.New(rand.NewPCG(seed, uint64(10*p.n+5)))) })
	work.Wait()
}

// killClient is one session of a party.
type killClient struct {
	*smpptest.Client
	p    *killParty
	ctx  context.Context
	r    *rand.Rand
	quit chan struct{} // closed before the connection is: frees an answer that is late
}

// bind opens a session; nil when there is no gateway at this moment. slowly says how late deliver_sm are acknowledged: 0
// is at once, 1 some time, 2 never.
func (p *killParty) bind(ctx context.Context, kind smpp.BindKind, r *rand.Rand, slowly int) *killClient {
	dialling, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := smpptest.Dial(dialling, p.addr)
	if err != nil {
		return nil
	}
	c := &killClient{Client: conn, p: p, ctx: ctx, r: r, quit: make(chan struct{})}
	conn.Timeout = 15 * time.Second
	conn.OnDeliver = func(d *smpp.DeliverSM) smpp.Status {
		p.take(d)
		p.l.mu.Lock()
		hasty := p.mute
		p.l.mu.Unlock()
		var wait time.Duration
		switch {
		case hasty:
		case slowly == 1:
			wait = rand.N(300 * time.Millisecond)
		case slowly == 2:
			wait = time.Hour
		}
		select {
		case <-time.After(wait):
		case <-c.quit:
		}
		return smpp.StatusOK
	}
	go func() {
		for range conn.Deliveries() {
		}
	}()
	if _, err := conn.Bind(kind, p.key, password(p.key)); err != nil {
		c.leave()
		return nil
	}
	return c
}

// leave drops the connection.
func (c *killClient) leave() {
	close(c.quit)
	c.Close()
}

// take takes a deliver_sm.
func (p *killParty) take(d *smpp.DeliverSM) {
	switch {
	case d.ESMClass == smpp.ESMClassIntermediate:
	case d.ESMClass&smpp.ESMClassReceipt != 0:
		p.l.receipt(p, d)
	default:
		p.l.inbound(p, d)
	}
}

// receiver binds to receive, for a while each time.
func (p *killParty) receiver(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		c := p.bind(ctx, smpp.BindReceiver, r, r.IntN(3))
		if c == nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		select {
		case <-time.After(300*time.Millisecond + rand.N(3*time.Second)):
		case <-c.Done():
		case <-ctx.Done():
		}
		c.leave()
	}
}

// sender does what comes to its mind.
func (p *killParty) sender(ctx context.Context, kind smpp.BindKind, r *rand.Rand) {
	for ctx.Err() == nil {
		c := p.bind(ctx, kind, r, r.IntN(2))
		if c == nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		for gone := false; !gone && ctx.Err() == nil; pause(ctx, time.Duration(r.IntN(40))*time.Millisecond) {
			select {
			case <-c.Done():
				gone = true
			default:
				gone = r.IntN(80) == 0 || !c.act()
			}
		}
		c.leave()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// act does one thing; false says that the connection is gone.
func (c *killClient) act() bool {
	at := c.r.IntN(100)
	if at < 60 && c.p.l.backlog() >= mostOpen {
		at = 60 + c.r.IntN(40)
	}
	switch {
	case at < 45:
		return c.submit()
	case at < 50:
		return c.submitMulti()
	case at < 60:
		return c.submitAgain()
	case at < 95 || c.r.IntN(3) > 0:
		return c.query()
	case at < 98:
		return c.cancel()
	default:
		return c.replace()
	}
}

// answered sorts the ends of a request: a status, or nothing, in which case the connection is given up.
func (c *killClient) answered(err error) (status smpp.Status, ok bool) {
	if err == nil || errors.As(err, &status) {
		return status, true
	}
	if c.ctx.Err() == nil && strings.HasPrefix(err.Error(), "no answer") {
		c.p.l.mu.Lock()
		c.p.l.fault("%s: a request had no answer, and the connection is there: %v", c.p.key, err)
		c.p.l.mu.Unlock()
	}
	return 0, false
}

// destination is one of few numbers, so that order matters.
func (p *killParty) destination(r *rand.Rand) string {
	return fmt.Sprintf("49155%d%06d", p.n, r.IntN(6))
}

// compose makes a submit_sm.
func (c *killClient) compose() (*deed, *smpp.SubmitSM) {
	length, cyrillic := 1, c.r.IntN(10) == 0
	if c.r.IntN(6) == 0 {
		length = 170 + c.r.IntN(500)
		if cyrillic {
			length = 80 + c.r.IntN(200)
		}
	}
	w := c.p.l.compose(length, cyrillic)
	d := &deed{party: c.p, to: c.p.destination(c.r), words: []wording{w}}
	p := &smpp.SubmitSM{Destination: smpp.Address{TON: 1, NPI: 1, Addr: d.to}, RegisteredDelivery: 1}
	octets := []byte(w.text)
	if cyrillic {
		p.DataCoding, octets = 8, utf16be(w.text)
	}
	if p.ShortMessage = octets; len(octets) > 254 {
		p.ShortMessage, p.TLVs = nil, smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: octets}}
	}
	if c.r.IntN(2) == 0 {
		c.p.l.mu.Lock()
		c.p.refs++
		ref := c.p.refs
		c.p.l.mu.Unlock()
		p.TLVs = append(p.TLVs, smpp.TLV{Tag: smpp.TagUserMessageReference, Value: []byte{byte(ref >> 8), byte(ref)}})
		d.again = p
	}
	return d, p
}

func utf16be(text string) []byte {
	var b []byte
	for _, r := range text {
		b = append(b, byte(r>>8), byte(r))
	}
	return b
}

// submit hands one message in.
func (c *killClient) submit() bool {
	d, p := c.compose()
	c.p.l.hand(d)
	return c.handIn(d, p)
}

func (c *killClient) handIn(d *deed, p *smpp.SubmitSM) bool {
	id, err := c.Submit(p)
	status, ok := c.answered(err)
	switch {
	case !ok:
		c.p.l.mu.Lock()
		c.p.l.count("submit_sm without an answer")
		if d.again != nil {
			c.p.adrift = append(c.p.adrift, d)
		}
		c.p.l.mu.Unlock()
	case status == smpp.StatusOK:
		c.p.accepted(d, id)
	default:
		c.p.refused(d, "submit_sm", status)
	}
	return ok
}

// accepted: the client knows the id from now on.
func (p *killParty) accepted(d *deed, id string) {
	p.l.accept(d, id)
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.ids = append(p.ids, id)
}

func (p *killParty) refused(d *deed, what string, status smpp.Status) {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if len(d.ids) == 0 {
		d.words[0].may = false
	}
	p.l.fault("%s of %q: %s", what, d.words[0].text, status)
}

// submitAgain hands in once more what had no answer.
func (c *killClient) submitAgain() bool {
	c.p.l.mu.Lock()
	if len(c.p.adrift) == 0 {
		c.p.l.mu.Unlock()
		return true
	}
	d := c.p.adrift[0]
	c.p.adrift = c.p.adrift[1:]
	c.p.l.count("submitted again")
	c.p.l.mu.Unlock()
	return c.handIn(d, d.again)
}

// submitMulti hands in a message to several.
func (c *killClient) submitMulti() bool {
	// The words are the same for all: by the number that is in them the destination must be looked at, too.
	w := c.p.l.compose(1, false)
	p := &smpp.SubmitMulti{RegisteredDelivery: 1, ShortMessage: []byte(w.text)}
	list := make([]*deed, 2)
	for n := range list {
		to := fmt.Sprintf("49155%d%06d", c.p.n, 6+n)
		list[n] = &deed{party: c.p, to: to, words: []wording{{n: w.n, text: w.text, may: true}}}
		p.Destinations = append(p.Destinations, smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: to}})
	}
	for _, d := range list {
		c.p.l.hand(d)
	}
	resp, err := c.SubmitMulti(p)
	status, ok := c.answered(err)
	switch {
	case !ok:
	case status != smpp.StatusOK:
		c.p.refused(list[0], "submit_multi", status)
	default:
		first, err := strconv.ParseUint(resp.MessageID, 10, 64)
		if err != nil || len(resp.Unsuccessful) > 0 {
			c.p.refused(list[0], "submit_multi", smpp.StatusOK)
			break
		}
		for n, d := range list {
			c.p.accepted(d, strconv.FormatUint(first+uint64(n), 10))
		}
	}
	return ok
}

// query asks for a message.
func (c *killClient) query() bool {
	ids := c.p.some(40)
	if len(ids) == 0 {
		return true
	}
	return c.ask(ids[c.r.IntN(len(ids))])
}

func (c *killClient) ask(id string) bool {
	before := c.p.l.known(id)
	q, err := c.Query(id, smpp.Address{})
	status, ok := c.answered(err)
	switch {
	case !ok:
	case status != smpp.StatusOK:
		c.p.l.mu.Lock()
		c.p.l.fault("query_sm of %s, which was accepted: %s", id, status)
		c.p.l.mu.Unlock()
	default:
		c.p.l.told(id, q, before)
	}
	return ok
}

// cancel takes a message back, or tries to.
func (c *killClient) cancel() bool {
	ids := c.p.some(12)
	if len(ids) == 0 {
		return true
	}
	id := ids[c.r.IntN(len(ids))]
	l := c.p.l
	l.mu.Lock()
	i := l.issues[id]
	i.cancelling++
	before := *i
	l.mu.Unlock()
	status, ok := c.answered(c.Cancel(&smpp.CancelSM{MessageID: id}))
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		i.cancelling--
	}
	switch {
	case !ok:
		l.count("cancel_sm without an answer")
	case status == smpp.StatusOK:
		if before.final && before.state != smpp.StateDeleted {
			l.fault("cancel_sm of %s: 0, and its end was %s", id, i.state)
		}
		i.cancelled = true
		l.count("cancelled")
	case status == smpp.StatusCancelFail:
		if before.cancelled {
			l.fault("cancel_sm of %s: an error, after 0", id)
		}
		i.tooLate = true
		l.count("too late to cancel")
	default:
		l.fault("cancel_sm of %s: %s", id, status)
	}
	return ok
}

// replace gives a message other words.
func (c *killClient) replace() bool {
	ids := c.p.some(8)
	if len(ids) == 0 {
		return true
	}
	l := c.p.l
	id := ids[c.r.IntN(len(ids))]
	l.mu.Lock()
	d := l.issues[id].deed
	plain := !d.busy && len(d.ids) == 1 && d.again == nil && len(d.words) < 3 && isASCII(d.words[0].text)
	d.busy = d.busy || plain
	l.mu.Unlock()
	if !plain {
		return true
	}
	w := l.compose(1, false)
	l.mu.Lock()
	d.words = append(d.words, w)
	at := len(d.words) - 1
	l.deeds[place{w.n, d.to}] = d
	l.mu.Unlock()
	err := c.Replace(&smpp.ReplaceSM{MessageID: id, RegisteredDelivery: 1, ShortMessage: []byte(w.text)})
	status, ok := c.answered(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	d.busy = !ok
	switch {
	case !ok:
	case status == smpp.StatusOK:
		l.count("replaced")
		for n := range at {
			d.words[n].may = false
		}
	case status == smpp.StatusReplaceFail:
		d.words[at].may = false
	default:
		l.fault("replace_sm of %s: %s", id, status)
	}
	return ok
}

func isASCII(text string) bool {
	for _, r := range text {
		if r > 126 {
			return false
		}
	}
	return true
}
