package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"smsgateway/smpp"
)

// ledger is what the clients of TestKillLoop asked for, and what they were told. Each wording of each text has a number of
// its own, which is in each part of it, so that what phones get can be told apart.
type ledger struct {
	t *testing.T

	mu     sync.Mutex
	last   int
	deeds  map[place]*deed    // by each of its wordings
	issues map[string]*issued // by message_id
	calls  map[int]*phoneCall // texts from phones, by number
	open   []*issued          // those that may wait for modems: see backlog
	wrong  int
	counts map[string]int
}

func newLedger(t *testing.T) *ledger {
	return &ledger{
		t: t, deeds: make(map[place]*deed), issues: make(map[string]*issued), calls: make(map[int]*phoneCall),
		counts: make(map[string]int),
	}
}

// place is what a part that a phone got is known by: the number in it, and whose phone that is.
type place struct {
	n  int
	to string
}

// deed is one message that a client handed in, once or, for want of an answer, again.
type deed struct {
	party *killParty
	to    string
	words []wording // the first is that of the submit, the others those of replace_sm
	again *smpp.SubmitSM
	ids   []string // more than one if it ended unsent before it was handed in again
	busy  bool     // a replace_sm is on its way, or had no answer
}

// wording is a text of a message, and whether it may still come to a phone.
type wording struct {
	n    int
	text string
	may  bool
}

// issued is a message_id, and what was said of it.
type issued struct {
	id       string
	deed     *deed
	state    smpp.MessageState // the last that query_sm said
	final    bool              // with a final_date
	receipts []smpp.MessageState
	since    time.Time // when it was accepted
	ended    bool      // as far as clients know

	cancelling int  // cancel_sm that have no answer yet, or never got one
	cancelled  bool // one was answered with 0
	tooLate    bool // the last one was answered with an error
}

// phoneCall is a text of a phone to one of our SIMs.
type phoneCall struct {
	text, from string
	at         time.Time
	got        int    // how often it came to a client
	mark       string // what it can be told by if it comes again
}

// fault tells what is wrong, at most twenty times.
func (l *ledger) fault(format string, args ...any) {
	if l.wrong++; l.wrong <= 20 {
		l.t.Errorf(format, args...)
	}
}

func (l *ledger) count(what string) { l.counts[what]++ }

// compose makes a wording with this much text, which says nothing but its number.
func (l *ledger) compose(length int, cyrillic bool) wording {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	token := fmt.Sprintf("#%d. ", l.last)
	text := token + "hello"
	if cyrillic {
		text = token + "да"
	}
	for len([]rune(text)) < length {
		text += " " + token + "and so on"
	}
	return wording{n: l.last, text: text, may: true}
}

// hand notes that a client is about to hand something in.
func (l *ledger) hand(d *deed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deeds[place{d.words[0].n, d.to}] = d
	l.count("handed in")
}

// accept notes that it was accepted with this id.
func (l *ledger) accept(d *deed, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issue(d, id)
}

func (l *ledger) issue(d *deed, id string) *issued {
	if old := l.issues[id]; old != nil {
		if old.deed != d {
			l.fault("message_id %s was given to %q and to %q", id, old.deed.words[0].text, d.words[0].text)
		}
		return old
	}
	i := &issued{id: id, deed: d, since: time.Now()}
	l.issues[id] = i
	d.ids = append(d.ids, id)
	l.open = append(l.open, i)
	l.count("accepted")
	return i
}

// openFor is for how long a message may wait for a modem. One that is older was sent, and a kill took its status report: it
// is open for a day, and clients must not wait for it.
const openFor = 30 * time.Second

// backlog is how many messages may wait for modems, as far as clients know.
func (l *ledger) backlog() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(i *issued) bool { return i.ended || time.Since(i.since) > openFor })
	return len(l.open)
}

// told takes an answer of query_sm. It is held against what was said before: an end stays, only UNKNOWN may be bettered.
// before is what was known when it was asked.
func (l *ledger) told(id string, q *smpp.QuerySMResp, before issued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.issues[id]
	final := q.FinalDate != ""
	switch {
	case before.final && before.state != smpp.StateUnknown && (q.MessageState != before.state || !final):
		l.fault("query_sm of %s says %s (final_date %q), and said %s before as its end",
			id, q.MessageState, q.FinalDate, before.state)
	case q.MessageState != smpp.StateEnroute && q.MessageState != smpp.StateUnknown && !final:
		l.fault("query_sm of %s says %s without final_date", id, q.MessageState)
	case q.MessageState == smpp.StateDeleted && !i.cancelled && i.cancelling == 0:
		l.fault("query_sm of %s says DELETED, and nobody cancelled it, or it was refused", id)
	case before.cancelled && q.MessageState != smpp.StateDeleted:
		l.fault("query_sm of %s says %s, and cancel_sm was answered with 0", id, q.MessageState)
	}
	for _, said := range before.receipts {
		if said != smpp.StateUnknown && said != q.MessageState {
			l.fault("query_sm of %s says %s after a receipt of %s", id, q.MessageState, said)
		}
	}
	if i.final && !final || i.final && i.state != smpp.StateUnknown {
		return // somebody who asked later was answered sooner
	}
	if i.state, i.final = q.MessageState, final; final {
		i.ended = true
	}
}

// known is what is known of a message at this moment.
func (l *ledger) known(id string) issued {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := *l.issues[id]
	i.receipts = slices.Clone(i.receipts)
	return i
}

// textNumber finds the number of a text in it, or in a part of it.
var textNumber = regexp.MustCompile(`[#@](\d+)\.`)

func numberIn(text string) int {
	m := textNumber.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// receipt takes a receipt. One that was there before has to be marked as a possible repetition.
func (l *ledger) receipt(p *killParty, d *smpp.DeliverSM) {
	r, err := smpp.ParseReceipt(string(d.ShortMessage))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.fault("the receipt %q: %v", d.ShortMessage, err)
		return
	}
	i := l.issues[r.MessageID]
	if i == nil {
		deed := l.deeds[place{numberIn(r.Text), d.Source.Addr}]
		if deed == nil || deed.party != p {
			l.fault("%s got a receipt of %s, which it did not send: %q", p.key, r.MessageID, d.ShortMessage)
			return
		}
		i = l.issue(deed, r.MessageID) // the answer to its submit_sm was lost
	}
	if i.deed.party != p {
		l.fault("%s got the receipt of %s, which is %s's", p.key, r.MessageID, i.deed.party.key)
	}
	again := slices.Contains(i.receipts, r.State)
	l.count("receipts")
	if again {
		l.count("receipts that came again")
	}
	if marked := isMarked(d); again && !marked {
		l.fault("the receipt of %s with %s came again, unmarked", r.MessageID, r.State)
	} else if marked {
		l.count("receipts marked as possible repetitions")
	}
	if last := len(i.receipts) - 1; !again && last >= 0 && i.receipts[last] != smpp.StateUnknown {
		l.fault("the receipts of %s say %s after %v", r.MessageID, r.State, i.receipts)
	}
	if !again {
		i.receipts = append(i.receipts, r.State)
	}
	i.ended = true
}

// inbound takes a text from a phone.
func (l *ledger) inbound(p *killParty, d *smpp.DeliverSM) {
	l.mu.Lock()
	defer l.mu.Unlock()
	call := l.calls[numberIn(string(d.ShortMessage))]
	if call == nil || call.text != string(d.ShortMessage) || call.from != d.Source.Addr {
		l.fault("%s got the text %q from %s, which no phone sent", p.key, d.ShortMessage, d.Source.Addr)
		return
	}
	mark := nameOf(d)
	call.got++
	l.count("texts from phones")
	if call.got == 1 {
		call.mark = mark
		return
	}
	l.count("texts from phones that came again")
	if !isMarked(d) {
		l.fault("the text %q from %s came again, unmarked", call.text, call.from)
	}
	if mark != call.mark {
		l.fault("the text %q from %s came as %q and again as %q", call.text, call.from, call.mark, mark)
	}
}

// some gives up to n of the account's messages, of the last ones.
func (p *killParty) some(n int) []string {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	return slices.Clone(p.ids[max(0, len(p.ids)-n):])
}
