package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"smsgateway/smpp"
)

// isMarked tells whether a deliver_sm says that it may be a repetition, by the TLV redelivered of docs/smpp.md.
func isMarked(d *smpp.DeliverSM) bool {
	value, ok := d.TLVs.Find(0x3D01)
	return ok && len(value) == 1 && value[0] == 1
}

// nameOf is what a text from a phone is known by, if it comes again.
func nameOf(d *smpp.DeliverSM) string {
	value, _ := d.TLVs.Find(smpp.TagUserMessageReference)
	return fmt.Sprintf("% X", value)
}

// killDrain is how long everything may take to end when nobody kills any more: doubts are decided 40 s after the start, and
// a text that was refused is tried again after 30 s, then a minute.
const killDrain = 6 * time.Minute

// drain has a last gateway bring everything to its end.
func (k *killLoop) drain() {
	clients := k.lastLife()
	defer func() {
		for _, c := range clients {
			c.leave()
		}
	}()
	deadline := time.Now().Add(killDrain)
	for {
		open := k.unended(clients)
		if len(open) == 0 {
			break
		}
		if time.Now().After(deadline) {
			for _, id := range open[:min(10, len(open))] {
				k.t.Errorf("message %s did not end: %+v", id, k.message(k.t, id))
			}
			break
		}
		if k.stuck() { // a modem owes an answer that will not come, and is waited for for three minutes
			k.ends("while a modem was silent")
			k.end()
			for _, c := range clients {
				c.leave()
			}
			clients = k.lastLife()
		}
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // for what must not come
	for _, c := range clients {
		for _, id := range k.idsOf(c.p) {
			c.ask(id)
		}
	}
}

// lastLife starts a gateway that is to live, with a client for each account.
func (k *killLoop) lastLife() (clients []*killClient) {
	k.begin()
	k.serving()
	for _, name := range []string{"sim", "sim2"} {
		k.must(k.t, "modem", "resume", name)
	}
	for _, p := range k.parties {
		k.l.mu.Lock()
		p.mute = true
		k.l.mu.Unlock()
		var c *killClient
		eventually(k.t, p.key+" to be bound", func() (bool, string) {
			c = p.bind(k.t.Context(), smpp.BindTransceiver, k.r, 0)
			return c != nil, "no session"
		})
		clients = append(clients, c)
		for len(p.adrift) > 0 && c.submitAgain() {
		}
	}
	return clients
}

// stuck tells whether a modem was given a text and has been silent for longer than any of ours takes.
func (k *killLoop) stuck() bool {
	open := make(map[string]time.Time)
	list, _ := k.log.from(0)
	for _, line := range list {
		switch modem := wordOf(line, "modem"); {
		case modem == "":
		case strings.Contains(line, `msg="to modem" `) && strings.HasSuffix(line, `line="\x1a"`):
			open[modem] = timeOf(line)
		case strings.Contains(line, `msg="from modem" `):
			delete(open, modem)
		}
	}
	for _, since := range open {
		if time.Since(since) > 10*time.Second {
			return true
		}
	}
	return false
}

// idsOf are all messages of an account of which its clients know.
func (k *killLoop) idsOf(p *killParty) (ids []string) {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	for id, i := range k.l.issues {
		if i.deed.party == p {
			ids = append(ids, id)
		}
	}
	return ids
}

// unended asks for all that have not ended, and gives those that still may. One that the network has taken and whose status
// report was lost on the way, in the line of a modem or with a process, does not end before its validity is over.
func (k *killLoop) unended(clients []*killClient) (open []string) {
	for _, c := range clients {
		for _, id := range k.idsOf(c.p) {
			k.l.mu.Lock()
			i := k.l.issues[id]
			done := i.final && len(i.receipts) > 0
			k.l.mu.Unlock()
			if !done {
				c.ask(id)
				k.l.mu.Lock()
				if !i.final || len(i.receipts) == 0 || i.receipts[len(i.receipts)-1] != i.state {
					open = append(open, id)
				}
				k.l.mu.Unlock()
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	sent := k.messages("--state", "sent")
	return slices.DeleteFunc(open, func(id string) bool {
		m, ok := sent[id]
		return ok && time.Since(m.Sent) > 8*time.Second
	})
}

// messages are those that the operator sees, by id.
func (k *killLoop) messages(args ...string) map[string]messageJSON {
	const page = 1000
	all, before := make(map[string]messageJSON), ""
	for {
		ask := append([]string{"message", "list", "--limit", strconv.Itoa(page), "--before", before}, args...)
		list := cliJSON[[]messageJSON](k.t, k.box, ask...)
		for _, m := range list {
			all[m.ID], before = m, m.ID
		}
		if len(list) < page {
			return all
		}
	}
}

// copies are the parts of a message that phones got, by number.
type copies map[int][]airPart

// judge holds all that was told against what the phones have.
func (k *killLoop) judge() {
	parts := k.air.all()
	k.table = k.messages()
	got := make(map[*deed]copies)
	for _, p := range parts {
		d := k.l.deeds[place{numberIn(p.Text), p.To}]
		if p.Total > 1 && numberIn(p.Text) == 0 { // a part that is too short for it
			d = k.l.deeds[place{numberIn(sibling(parts, p).Text), p.To}]
		}
		if d == nil {
			k.t.Errorf("the phone %s got %q, which nobody sent to it", p.To, p.Text)
			continue
		}
		if got[d] == nil {
			got[d] = make(copies)
		}
		got[d][p.Part] = append(got[d][p.Part], p)
		k.judgePart(d, p)
	}
	seen := make(map[*deed]bool)
	for _, d := range k.l.deeds {
		if !seen[d] {
			seen[d] = true
			k.judgeDeed(d, got[d])
		}
	}
	for id, i := range k.l.issues {
		k.judgeIssue(id, i, got[i.deed])
	}
	k.judgeOrder(got)
	k.judgeCalls()
	k.judgeAccounts()
}

// sibling is another part of the same text, the nearest in time.
func sibling(parts []airPart, p airPart) (nearest airPart) {
	for _, s := range parts {
		if s.SIM == p.SIM && s.To == p.To && s.Concat == p.Concat && s.Total == p.Total && numberIn(s.Text) > 0 &&
			(nearest.Total == 0 || s.At.Sub(p.At).Abs() < nearest.At.Sub(p.At).Abs()) {
			nearest = s
		}
	}
	return nearest
}

// judgePart: what is on air is what was handed in, and not what was taken back or replaced.
func (k *killLoop) judgePart(d *deed, p airPart) {
	n := numberIn(p.Text)
	if n == 0 {
		n = d.words[0].n // one of several parts
	}
	w := d.words[slices.IndexFunc(d.words, func(w wording) bool { return w.n == n })]
	switch {
	case !w.may:
		k.t.Errorf("the phone %s got %q, which was replaced or refused", p.To, p.Text)
	case !strings.Contains(w.text, p.Text), p.All != "" && p.All != w.text:
		k.t.Errorf("the phone %s got %q (part %d of %d), want %q", p.To, p.Text, p.Part, p.Total, w.text)
	}
}

// judgeDeed: nothing twice but by the policy resend, and then marked so and behind something that explains it; all parts by
// one SIM, with one reference.
func (k *killLoop) judgeDeed(d *deed, c copies) {
	if len(c) == 0 {
		return
	}
	var first airPart
	for _, number := range slices.Sorted(maps.Keys(c)) {
		list := c[number]
		if first.Total == 0 {
			first = list[0]
		}
		for _, p := range list {
			if first.Total > 1 && p.SIM != first.SIM || p.Concat != first.Concat || p.Total != first.Total {
				k.t.Errorf("the parts of %q came from %s and %s, with the references %d and %d",
					first.Text, first.SIM, p.SIM, first.Concat, p.Concat)
			}
		}
		if len(list) == 1 {
			continue
		}
		k.figures.count("a part was on air twice")
		if d.party.policy != "resend" {
			k.t.Errorf("%q came %d times, and the policy is %q: %+v", list[0].Text, len(list), d.party.policy, list)
			continue
		}
		if !k.figures.between(list[0].At, list[1].At) {
			k.t.Errorf("%q came at %s and %s, and nothing happened between", list[0].Text, list[0].At, list[1].At)
		}
		if len(d.ids) > 0 && !slices.ContainsFunc(d.ids, func(id string) bool { return k.table[id].PossibleDuplicate }) {
			k.t.Errorf("%q came %d times, and is not marked as a possible duplicate", list[0].Text, len(list))
		}
	}
}

// judgeIssue: an end that was told is true, and was told by a receipt.
func (k *killLoop) judgeIssue(id string, i *issued, c copies) {
	k.figures.count("ended as " + i.state.String())
	wrong := func(format string, args ...any) {
		k.t.Errorf("message %s of %s (%s): %s; %+v", id, i.deed.party.key, i.state, fmt.Sprintf(format, args...), k.table[id])
	}
	whole := false
	for _, list := range c {
		whole = whole || len(c) == list[0].Total
	}
	switch i.state {
	case smpp.StateDelivered:
		if !whole {
			wrong("its phone lacks parts of it: %v", c)
		}
	case smpp.StateDeleted:
		if len(c) > 0 {
			wrong("its phone has it: %v", c)
		}
	case smpp.StateEnroute:
		k.figures.count("whose status report was lost")
		if len(i.receipts) > 0 && i.receipts[0] != smpp.StateUnknown {
			wrong("it has the receipts %v", i.receipts)
		}
	case smpp.StateUndeliverable, smpp.StateUnknown:
	default:
		wrong("that cannot be")
	}
	if i.cancelled && i.state != smpp.StateDeleted {
		wrong("cancel_sm was answered with 0")
	}
	if i.final && (len(i.receipts) == 0 || i.receipts[len(i.receipts)-1] != i.state) {
		wrong("its receipts say %v", i.receipts)
	}
}

// judgeOrder: texts of one account to one number come in the order of acceptance, unless one had to be tried again.
func (k *killLoop) judgeOrder(got map[*deed]copies) {
	type sent struct {
		id string
		at time.Time
	}
	lanes := make(map[string][]sent)
	for d, c := range got {
		if len(d.ids) != 1 || len(c[1]) == 0 {
			continue
		}
		name := d.party.key + " " + d.to
		lanes[name] = append(lanes[name], sent{d.ids[0], c[1][0].At})
	}
	for name, list := range lanes {
		slices.SortFunc(list, func(a, b sent) int { return strings.Compare(a.id, b.id) })
		for n := 1; n < len(list); n++ {
			k.figures.count("pairs in order")
			if a, b := list[n-1], list[n]; b.at.Before(a.at) {
				if m := k.table[a.id]; m.Refusals == 0 && !m.PossibleDuplicate && m.Parts[0].Attempts < 2 {
					k.t.Errorf("%s: %s was on air before %s, which was accepted first and never put off: %+v", name, b.id, a.id, m)
				}
				k.figures.count("pairs that were turned round, as the first was tried again")
			}
		}
	}
}

// judgeCalls: texts of phones come once, or can be told; only a modem's process takes some with it.
func (k *killLoop) judgeCalls() {
	inbox := make(map[string]int)
	for _, in := range cliJSON[[]inboxJSON](k.t, k.box, "inbox", "list", "--limit", "10000") {
		inbox[in.Text]++
	}
	lost := k.air.lostAt()
	for _, call := range k.l.calls {
		n := inbox[call.text]
		excused := slices.ContainsFunc(lost, func(at time.Time) bool { return at.After(call.at.Add(-time.Second)) })
		switch {
		case n > 1:
			k.t.Errorf("the text %q is in the inbox %d times", call.text, n)
		case n == 1 && call.got == 0:
			k.t.Errorf("the text %q is in the inbox, and came to no client", call.text)
		case n == 0 && call.got > 0:
			k.t.Errorf("the text %q came to a client, and is not in the inbox", call.text)
		case n == 0 && !excused:
			k.t.Errorf("the text %q, sent at %s, was lost", call.text, call.at)
		case n == 0:
			k.figures.count("texts of phones that went with a modem's process")
		}
	}
}

// judgeAccounts: what a command said that it did is done.
func (k *killLoop) judgeAccounts() {
	have := make(map[string]bool)
	for _, a := range cliJSON[[]accountJSON](k.t, k.box, "account", "list") {
		have[a.Key] = true
	}
	for _, key := range k.added {
		if !have[key] {
			k.t.Errorf("the account %s is not there, and the command that added it ended with 0", key)
		}
	}
	k.figures.counts["accounts added"] = len(k.added)
}
