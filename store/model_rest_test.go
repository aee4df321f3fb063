package store

import (
	"cmp"
	"slices"
	"time"
)

// modelRest is what the store should be beside messages: texts from phones, modems, PINs, accounts that come and go, and
// what SIMs have used up.
type modelRest struct {
	inbox    []modelText
	lastText uint64
	rows     map[uint32][]uint64 // texts that wait for receivers, by lane
	parts    []modelParts        // that wait for others
	pins     map[string]bool
	modems   map[string]string // name to IMEI
	origins  map[uint32][]string
	lane     uint32 // of the account that comes and goes; 0: it is gone
	spent    []modelSpent
	contacts map[modelContact]int // texts to each
}

type modelText struct {
	in       Inbound // as it was given to the store
	id       uint64
	lane     uint32
	received time.Time // and when it was given again last
	seen     time.Time
	missing  int
}

type modelParts struct {
	ref   uint16
	line  string
	lane  uint32
	since time.Time
	last  time.Time // when the newest part came
	have  []uint8
	of    int
}

type modelSpent struct {
	line string
	id   ID
	part int
	try  int
	at   [numWindows]time.Time // in the windows that run then; zero: in one that is over
	to   modelContact

	claimed time.Time
}

type modelContact struct {
	line, to string
	month    string
}

func newModelRest() modelRest {
	return modelRest{
		rows: make(map[uint32][]uint64), pins: make(map[string]bool), modems: make(map[string]string),
		origins: make(map[uint32][]string), contacts: make(map[modelContact]int),
	}
}

// keep stores a text.
func (r *modelRest) keep(in Inbound, lane uint32, missing int, now time.Time) uint64 {
	r.lastText++
	r.inbox = append(r.inbox, modelText{in: in, id: r.lastText, lane: lane, received: now, seen: now, missing: missing})
	if lane != 0 {
		r.rows[lane] = append(r.rows[lane], r.lastText)
	}
	return r.lastText
}

// again finds the text that this one is a repeat of; a repeat counts from then on.
func (r *modelRest) again(in Inbound, now time.Time) *modelText {
	for n := range r.inbox {
		t := &r.inbox[n]
		if t.in.Line == in.Line && string(t.in.Data) == string(in.Data) && t.in.Time.Equal(in.Time) && now.Sub(t.seen) < sameText {
			t.seen = now
			return t
		}
	}
	return nil
}

// part takes in one of a text. It gives the id of the text if this was the last, and how many are there.
func (r *modelRest) part(ref uint16, line string, lane uint32, number uint8, of int, now time.Time) (id uint64, have int) {
	at := slices.IndexFunc(r.parts, func(p modelParts) bool { return p.ref == ref })
	if at < 0 {
		at = len(r.parts)
		r.parts = append(r.parts, modelParts{ref: ref, line: line, lane: lane, since: now, of: of})
	}
	p := &r.parts[at]
	p.have, p.last = append(p.have, number), now
	if have = len(p.have); have == of {
		id = r.keep(Inbound{}, lane, 0, now)
		r.parts = slices.Delete(r.parts, at, at+1)
	}
	return id, have
}

// tick delivers texts in part whose other parts did not come, line by line.
func (r *modelRest) tick(wait time.Duration, now time.Time) {
	var due []modelParts
	r.parts = slices.DeleteFunc(r.parts, func(p modelParts) bool {
		if now.Sub(p.since) < wait {
			return false
		}
		due = append(due, p)
		return true
	})
	slices.SortFunc(due, func(a, b modelParts) int { return cmp.Or(cmp.Compare(a.line, b.line), a.since.Compare(b.since)) })
	for _, p := range due {
		r.keep(Inbound{}, p.lane, p.of-len(p.have), p.last)
	}
}

func monthName(t time.Time) string { return t.UTC().Format("2006-01") }

// used counts what a SIM has sent in the windows of now.
func (r *modelRest) used(line string, now time.Time) (n [numWindows]int) {
	for _, s := range r.spent {
		if s.line != line {
			continue
		}
		for w := Minute; w < Month; w++ {
			if w.start(s.at[w].UTC()).Equal(w.start(now.UTC())) {
				n[w]++
			}
		}
	}
	for c, texts := range r.contacts {
		if c.line == line && c.month == monthName(now) && texts > 0 {
			n[Month]++
		}
	}
	return n
}

// affords says which budget of a SIM would be overdrawn.
func (r *modelRest) affords(m *modelMessage, line string, l Limits, now time.Time) string {
	waiting, used := 0, r.used(line, now)
	for _, p := range m.parts {
		if p.state == PartWaiting {
			waiting++
		}
	}
	begins := waiting == len(m.parts)
	for w := Minute; w < Month; w++ {
		room := used[w]+waiting <= l[w] || used[w] == 0
		if !begins {
			room = used[w] < l[w]
		}
		if l[w] > 0 && !room {
			return "budget of a " + w.String()
		}
	}
	return fine
}

func (r *modelRest) spend(m *modelMessage, part int, line string, now time.Time) {
	c := modelContact{line, m.to, monthName(now)}
	r.contacts[c]++
	r.spent = append(r.spent, modelSpent{line: line, id: m.id, part: part, try: m.parts[part].attempts, to: c, claimed: now})
	for w := range numWindows {
		r.spent[len(r.spent)-1].at[w] = now
	}
}

// refund takes back what a try had cost, in the windows in which it was made.
func (r *modelRest) refund(m *modelMessage, part int) {
	for n := len(r.spent) - 1; n >= 0; n-- { // Replace begins to count anew
		s := &r.spent[n]
		if s.id != m.id || s.part != part || s.try != m.parts[part].attempts {
			continue
		}
		for w := Minute; w < Month; w++ {
			if w.start(s.at[w].UTC()).Equal(w.start(s.claimed.UTC())) {
				s.at[w] = time.Time{}
			}
		}
		r.contacts[s.to]--
		s.id = 0
		return
	}
}

// dropContacts forgets months that are over.
func (r *modelRest) dropContacts(now time.Time) (n int) {
	for c, texts := range r.contacts {
		if c.month != monthName(now) {
			if texts > 0 {
				n++
			}
			delete(r.contacts, c)
		}
	}
	return n
}

// use is what Use should say.
func (o *model) use(lane uint32, now time.Time) (use AccountUse) {
	for _, m := range o.messages {
		if m.lane == lane && (m.state == Queued || m.state == Claimed || m.state == Partial) {
			use.Queued++
		}
	}
	for _, t := range o.taken {
		if t.lane == lane && monthName(t.at) == monthName(now) {
			use.ThisMonth += t.parts
			if t.at.UTC().Day() == now.UTC().Day() {
				use.Today += t.parts
			}
		}
	}
	return use
}
