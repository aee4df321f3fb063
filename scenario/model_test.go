package scenario

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/gateway"
	"smsgateway/smpp"
	"smsgateway/smpp/smpptest"
	"smsgateway/store"
)

// Flags of TestModel: go test ./scenario -run TestModel -v -ops 20000
var (
	modelOps  = flag.Int("ops", 250, "operations that TestModel does")
	modelSeed = flag.Uint64("modelseed", 0, "seed of TestModel; 0: a new one")
)

// TestModel has clients of several accounts do what comes to their mind, with stops and crashes of the gateway in between.
// Each answer is held against a plain model of the rules; in the end the phones, the receipts and query_sm must agree.
func TestModel(t *testing.T) {
	t.Parallel()
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with: go test ./scenario -run TestModel -v -ops %d -modelseed %d", *modelOps, seed)
	began := time.Now()
	box := newModelBox(t)
	var parties []*party
	for n, settings := range modelSettings {
		p := &party{box: box, t: t, n: n, key: fmt.Sprintf("party%d", n), password: "secret0", r: rand.New(rand.NewPCG(seed, uint64(n))),
			messages: make(map[string]*sent), receipts: make(map[string][]smpp.MessageState), texts: make(map[string]int),
			onTheWay: make(map[string]int), latest: make(map[string]*sent)}
		err := box.ask(func(g *gateway.Gateway) error {
			_, err := g.AddAccount(gateway.NewAccount{Key: p.key, Password: p.password, Settings: settings})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		parties = append(parties, p)
	}
	for n, p := range parties {
		p.stranger = parties[(n+1)%len(parties)]
	}
	lives := box.livesOn(seed)
	var work sync.WaitGroup
	for _, p := range parties {
		work.Go(func() { p.run(*modelOps / len(parties)) })
	}
	work.Wait()
	stops, crashes := lives()
	for _, p := range parties {
		work.Go(p.settle)
	}
	work.Wait()
	counts := make(map[string]int)
	for _, p := range parties {
		p.check()
		p.checkNotified()
		for name, n := range p.count() {
			counts[name] += n
		}
	}
	checkUnknown(t, box, parties)
	checkPhones(t, box, parties)
	t.Logf("%d operations in %s, %d stops, %d crashes; %v", *modelOps, time.Since(began).Round(time.Millisecond), stops, crashes, counts)
}

// livesOn stops the gateway or has it crash after every 30 to 120 operations, until the result is called.
func (b *modelBox) livesOn(seed uint64) (halt func() (stops, crashes int)) {
	done, told := make(chan struct{}), make(chan [2]int)
	r := rand.New(rand.NewPCG(seed, 99))
	go func() {
		var n [2]int
		left := 30 + r.IntN(90)
		for {
			select {
			case <-done:
				told <- n
				return
			case <-b.steps:
				if left--; left > 0 {
					continue
				}
				left = 30 + r.IntN(90)
				kind := (n[0] + n[1] + 1) % 2 // a crash first
				b.restart(kind == 1)
				n[kind]++
			}
		}
	}()
	return func() (int, int) {
		close(done)
		n := <-told
		return n[0], n[1]
	}
}

// sent is what the model knows of one message.
type sent struct {
	text     string
	orText   string // "", or what a replace_sm said that was not answered
	from, to string
	wish     uint8
	asked    time.Time // before it was submitted
	due      time.Time // not before; zero: at once
	expires  time.Time // not before; zero: not within this test
	refused  bool      // the network will have none of it
	doubtful bool      // the modem gives no answer
	later    bool      // scheduled for long after the test

	req     *smpp.SubmitSM // to submit it again by; nil: it has no reference
	after   *sent          // that was accepted in its place when it was submitted again
	changed bool           // by a replace_sm, perhaps

	ends       int64 // lives that were over before it was submitted
	life       int64 // when it was submitted
	unclear    bool  // query_sm has said UNKNOWN
	cancelled  bool
	mayBe      bool // a cancel_sm was not answered, or meant several
	state      smpp.MessageState
	final      bool // state is an end that can't change any more
	unreported bool // its status report was lost
	atThePhone int
	tries      int
}

// may tells whether query_sm may say so. now is after the answer.
func (m *sent) may(q *smpp.QuerySMResp, now time.Time) error {
	s := q.MessageState
	ended := s != smpp.StateEnroute && s != smpp.StateUnknown
	switch {
	case s == smpp.StateEnroute && q.FinalDate != "":
		return fmt.Errorf("ENROUTE with final_date %s", q.FinalDate)
	case ended && len(q.FinalDate) != 16:
		return fmt.Errorf("%s with final_date %q", s, q.FinalDate)
	case m.final && s != m.state:
		return fmt.Errorf("%s after %s", s, m.state)
	case m.cancelled && s != smpp.StateDeleted:
		return fmt.Errorf("%s after it was cancelled", s)
	case s == smpp.StateDeleted && !m.cancelled && !m.mayBe:
		return fmt.Errorf("DELETED, and nobody cancelled it")
	case m.later && s != smpp.StateEnroute && s != smpp.StateDeleted:
		return fmt.Errorf("%s, and it is not due yet", s)
	case !m.due.IsZero() && now.Before(m.due) && s != smpp.StateEnroute && s != smpp.StateDeleted:
		return fmt.Errorf("%s %s before it is due", s, m.due.Sub(now))
	case s == smpp.StateExpired && (m.expires.IsZero() || now.Before(m.expires.Truncate(time.Second))): // TP-VP has whole seconds
		return fmt.Errorf("EXPIRED before its time")
	case s == smpp.StateDelivered && (m.refused || m.doubtful):
		return fmt.Errorf("DELIVERED, and no phone can have it")
	case s == smpp.StateUndeliverable && !m.refused && !m.doubtful:
		return fmt.Errorf("UNDELIVERABLE without a reason")
	case s == smpp.StateRejected, s == smpp.StateAccepted:
		return fmt.Errorf("%s, which cannot be here", s)
	}
	return nil
}

// party is an account and those who bind with it. What it does is drawn from r, one thing after the other.
type party struct {
	box      *modelBox
	t        *testing.T
	n        int
	key      string
	password string
	disabled bool
	r        *rand.Rand
	sessions []*smpptest.Client
	kinds    []smpp.BindKind
	ids      []string // of messages, in the order of submission
	messages map[string]*sent
	adrift   []*sent // submitted, and the answer was lost
	last     int     // texts are numbered
	stranger *party
	attempts []time.Time      // of submission
	latest   map[string]*sent // of submitInstead, by number
	slow     sync.Map         // clients that answer late

	mu       sync.Mutex
	onTheWay map[string]int                 // intermediate notifications, by message_id
	receipts map[string][]smpp.MessageState // by message_id, as they came
	inbound  []string
	texts    map[string]int // from phones, by text: how often they came
	mo       []string       // handed to the SIM
}

// fail tells what is wrong, and about what.
func (p *party) fail(m *sent, format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("%s, %+v: %s", p.key, *m, fmt.Sprintf(format, args...))
}

// take is what each session does with deliver_sm.
func (p *party) take(c *smpptest.Client, refuse bool) func(d *smpp.DeliverSM) smpp.Status {
	return func(d *smpp.DeliverSM) smpp.Status {
		if refuse && rand.IntN(10) == 0 {
			return smpp.StatusRxTAppn
		}
		defer p.answersLate(c)
		p.mu.Lock()
		defer p.mu.Unlock()
		if d.ESMClass == smpp.ESMClassIntermediate {
			p.notify(d)
			return smpp.StatusOK
		}
		if d.ESMClass&smpp.ESMClassReceipt == 0 {
			p.texts[string(d.ShortMessage)]++
			p.inbound = append(p.inbound, string(d.ShortMessage))
			return smpp.StatusOK
		}
		receipt, err := smpp.ParseReceipt(string(d.ShortMessage))
		if err != nil {
			p.t.Errorf("receipt %q: %v", d.ShortMessage, err)
		}
		p.receipts[receipt.MessageID] = append(p.receipts[receipt.MessageID], receipt.State)
		return smpp.StatusOK
	}
}

func (p *party) receiptsOf(id string) []smpp.MessageState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.receipts[id])
}

// learn takes an answer of query_sm, and what it allows from now on.
func (p *party) learn(id string, m *sent, q *smpp.QuerySMResp, before []smpp.MessageState) {
	p.t.Helper()
	if err := m.may(q, time.Now()); err != nil {
		p.fail(m, "query_sm of %s says %v; the gateway says: %s", id, err, p.why(id))
	}
	// Nobody knows what became of a text to which a modem gave no answer, of the one behind it, to which the only answer may
	// not belong, and of what a modem had when the gateway ended.
	if q.MessageState == smpp.StateUnknown && p.box.mute.Load() == 0 && p.box.ends.Load() == m.ends {
		p.fail(m, "query_sm of %s says UNKNOWN, and nothing happened; the gateway says: %s", id, p.why(id))
	}
	m.unclear = m.unclear || q.MessageState == smpp.StateUnknown
	m.state = q.MessageState
	m.final = m.state != smpp.StateEnroute && m.state != smpp.StateUnknown
	for _, told := range before {
		if told != smpp.StateUnknown && told != q.MessageState {
			p.fail(m, "query_sm of %s says %s after a receipt of %s", id, q.MessageState, told)
		}
	}
}

// settling is how long everything may take to end.
const settling = 2 * patience

// settle comes to an end: everybody may, everything is cancelled or ends.
func (p *party) settle() {
	p.enable()
	c := p.bindAs(smpp.BindTransceiver, false)
	if c == nil {
		return
	}
	for _, id := range p.ids {
		if m := p.messages[id]; m.later && !m.cancelled {
			if err := c.Cancel(&smpp.CancelSM{MessageID: id}); err != nil {
				p.fail(m, "cancel_sm of %s, which waits: %v", id, err)
			}
			m.cancelled = true
		}
	}
	began := time.Now()
	deadline := began.Add(settling)
	for _, id := range p.ids {
		for m := p.messages[id]; ; time.Sleep(10 * time.Millisecond) {
			before := p.receiptsOf(id)
			q, err := c.Query(id, smpp.Address{})
			if err != nil {
				p.fail(m, "query_sm of %s: %v", id, err)
				break
			}
			p.learn(id, m, q, before)
			if q.FinalDate != "" && (p.told(id, m) || p.t.Failed()) {
				break
			}
			if time.Since(began) > time.Second && p.reportMayBeLost(id, m) {
				m.unreported = true
				break
			}
			if time.Now().After(deadline) {
				p.fail(m, "%s: %s at last, with the receipts %v", id, q.MessageState, p.receiptsOf(id))
				break
			}
		}
	}
	for _, text := range p.mo {
		for ; p.came(text) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				p.t.Errorf("the text %q of a phone did not come", text)
				break
			}
		}
	}
}

// askAgain asks for a message whose status report may have come after all, when these receipts are here.
func (p *party) askAgain(id string, m *sent, told []smpp.MessageState) {
	c := p.session()
	if c == nil {
		return
	}
	q, err := c.Query(id, smpp.Address{})
	if err != nil {
		p.fail(m, "query_sm of %s: %v", id, err)
		return
	}
	p.learn(id, m, q, told)
}

// why is what the gateway tells its operator about a message.
func (p *party) why(id string) (why string) {
	err := p.box.ask(func(g *gateway.Gateway) error {
		n, err := store.ParseID(id)
		if err != nil {
			return err
		}
		m, err := g.Message(n)
		if err == nil {
			why = fmt.Sprintf("%s, %q, %+v", m.State, m.Reason, m.Parts)
		}
		return err
	})
	if err != nil {
		why = err.Error()
	}
	return why
}

// reportMayBeLost tells whether a part that the network has taken was given to a modem in a former life: its status report may
// have gone with the line by which it came, or may come yet. Without one the message ends a day later.
func (p *party) reportMayBeLost(id string, m *sent) (lost bool) {
	err := p.box.ask(func(g *gateway.Gateway) error {
		n, err := store.ParseID(id)
		if err != nil {
			return err
		}
		stored, err := g.Message(n)
		lost = err == nil && stored.State == store.Sent && slices.ContainsFunc(stored.Parts, func(part store.Part) bool {
			return part.State == store.PartSent && part.ClaimedAt.Before(p.box.born)
		})
		return err
	})
	if err != nil {
		p.fail(m, "message %s: %v", id, err)
	}
	return lost
}

func (p *party) came(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts[text]
}

// told tells whether the receipt of an end has come, if it was wished, and what had to come before it.
func (p *party) told(id string, m *sent) bool {
	return !p.unnotified(id, m) && (!m.wants() || slices.Contains(p.receiptsOf(id), m.state))
}

func (m *sent) wants() bool {
	return m.wish&3 == 1 || m.wish&3 == 2 && m.state != smpp.StateDelivered
}

// check holds the receipts against the ends.
func (p *party) check() {
	p.mu.Lock()
	receipts := make(map[string][]smpp.MessageState)
	for id, told := range p.receipts {
		receipts[id] = slices.Clone(told)
	}
	p.mu.Unlock()
	for id, told := range receipts {
		m := p.messages[id]
		if m == nil {
			if len(p.adrift) == 0 {
				p.t.Errorf("%s got a receipt of %s, which it did not send", p.key, id)
			}
			continue
		}
		if m.unreported {
			p.askAgain(id, m, told)
		}
		for _, state := range told {
			if !m.wants() && (m.wish&3 != 2 || state == smpp.StateDelivered) {
				p.fail(m, "a receipt of %s for %s that was not wished", state, id)
			}
			if state != m.state && state != smpp.StateUnknown {
				p.fail(m, "receipts of %s say %v, query_sm %s", id, told, m.state)
			}
		}
	}
	seen := make(map[string]bool)
	next := 0
	for _, text := range p.inbound { // of one sender, so in order but for repetitions
		if !seen[text] && (next >= len(p.mo) || p.mo[next] != text) {
			p.t.Errorf("%q came, want the texts in this order: %q", text, p.mo)
			break
		}
		if !seen[text] {
			next++
		}
		seen[text] = true
	}
}

// count tells how many messages ended in each way.
func (p *party) count() map[string]int {
	n := map[string]int{"answer lost": len(p.adrift), "from phones": len(p.mo)}
	for _, m := range p.messages {
		if m.unreported {
			n["status report lost"]++
		} else {
			n[m.state.String()]++
		}
	}
	return n
}

// checkUnknown: a text to which a modem gave no answer leaves itself and the one behind it in doubt, the end of a life what the
// modems had just then (delivery-semantics, I10).
func checkUnknown(t *testing.T, box *modelBox, parties []*party) {
	var unclear, most int
	for _, p := range parties {
		for _, m := range p.messages {
			if m.unclear {
				unclear++
			}
		}
	}
	if most = 2*int(box.mute.Load()) + modelModems*int(box.ends.Load()); unclear > most {
		t.Errorf("of %d messages nobody knew what became of them, want at most %d", unclear, most)
	}
}

// checkPhones: what came to phones is what was sent, once, to whom it was sent, and not before its time.
func checkPhones(t *testing.T, box *modelBox, parties []*party) {
	known := make(map[[2]string]*sent) // by text and number
	for _, p := range parties {
		for _, m := range slices.Concat(p.adrift, slices.Collect(maps.Values(p.messages))) {
			if m.after != nil {
				continue // it ended unsent: all that comes is of the other one
			}
			m.tries = p.tries()
			known[[2]string{m.text, m.to}] = m
			if m.orText != "" {
				known[[2]string{m.orText, m.to}] = m
			}
		}
	}
	for _, text := range box.air.Texts() {
		if !text.Whole {
			continue
		}
		words := strings.ReplaceAll(text.Text, "§", "_") // one octet, which the alphabet of then decides about
		m := known[[2]string{words, strings.TrimPrefix(text.To.Number, "+")}]
		if m == nil {
			t.Errorf("phone %s has %q, which nobody sent to it, or somebody replaced", text.To.Number, text.Text)
			continue
		}
		m.atThePhone++
		if !m.due.IsZero() && text.At.Before(m.due) {
			t.Errorf("%q was sent %s before it was due", text.Text, m.due.Sub(text.At))
		}
	}
	for _, m := range known {
		switch n := m.atThePhone; {
		case n > m.tries, n > 1 && box.mute.Load() == 0 && box.ends.Load() == m.ends:
			t.Errorf("%+v was sent %d times", *m, n)
		case n > 0 && (m.cancelled || m.refused || m.later || m.state == smpp.StateDeleted):
			t.Errorf("%+v is at its phone", *m)
		case n == 0 && (m.state == smpp.StateDelivered || m.unreported && len(m.text) <= 160): // of a long one some parts may be there
			t.Errorf("%+v is not at its phone", *m)
		}
	}
}
