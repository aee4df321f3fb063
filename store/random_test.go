package store

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"smsgateway/sms"
)

// runSeed repeats one run: go test -run TestRandom -seed N. Zero takes a new one each time.
var runSeed = flag.Uint64("seed", 0, "seed of TestRandom and TestDamage; 0: a new one")

// runSteps is how long TestRandom goes on.
var runSteps = flag.Int("steps", 1500, "operations of TestRandom")

// walk is a random run of the store beside its model.
type walk struct {
	*box
	r     *rand.Rand
	model *model
	ids   []ID
	log   []string
	seen  *Bookmark // of a modem that is not for odd ids
	busy  *Bookmark // of one among many: at each look other recipients are busy with them

	compaction *slowCompaction // nil: none is at work
	compacted  int

	away      sync.RWMutex  // held while the file is closed
	submitted []*Message    // last that may be submitted again
	content   [16]byte      // of those
	once      ID            // of the last that was accepted
	picked    map[ID]picked // that a modem has made ready

	moments    []time.Time // at which something was done
	highest    time.Time   // that the store knew
	lastOutbox uint64
}

// picked is a message as it was when a modem took it, and what of that goes on air.
type picked struct {
	m    *Message
	says string
}

// TestRandom does thousands of random things to the store and to the model, with closings and crashes between them, and
// compares all they say.
func TestRandom(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -seed %d", seed)
	seen, busy := new(Bookmark), new(Bookmark)
	opt := Options{Tombstone: 48 * time.Hour, Notify: func(c Change) {
		seen.Returned(c.Back)
		busy.Returned(c.Back)
	}}
	w := &walk{box: newBox(t, opt), r: rand.New(rand.NewPCG(seed, 1)), seen: seen, busy: busy, picked: make(map[ID]picked)}
	w.model = newModel(w.opt)
	stop := w.readBeside()
	defer stop()
	for step := range *runSteps {
		w.compactOn()
		w.step()
		w.compare()
		if step%100 == 0 {
			w.wantIndexes()
			w.wantWhole()
			w.wantPending()
			w.compareGone()
		}
		if t.Failed() {
			for _, line := range w.log[max(len(w.log)-40, 0):] {
				t.Log(line)
			}
			t.Fatalf("step %d of seed %d", step, seed)
		}
	}
	w.wantIndexes()
	w.wantWhole()
	w.compareGone()
	ends := make(map[string]int)
	for _, told := range w.model.told {
		for _, s := range told {
			ends[s]++
		}
	}
	t.Logf("%d messages, %d compactions, told: %v", len(w.ids), w.compacted, ends)
}

func (w *walk) step() {
	steps := []struct {
		weight int
		do     func()
	}{
		{10, w.randomEnqueue},
		{8, w.randomOnce},
		{2, w.randomEnqueueAll},
		{6, w.randomReplace},
		{22, w.randomClaim},
		{26, w.randomOutcome},
		{4, w.randomSettle},
		{3, w.randomLate},
		{18, w.randomReport},
		{5, w.randomCancel},
		{1, w.randomReject},
		{2, w.randomAccount},
		{12, w.randomTick},
		{1, w.randomEnd},
		{2, w.randomCompact},
		{6, w.randomText},
		{3, w.randomPart},
		{4, w.randomAcknowledge},
		{1, w.randomDrop},
		{2, w.randomTemporary},
		{2, w.randomModem},
		{1, w.randomSettings},
		{1, w.randomClock},
		{1, w.randomTorn},
		{6, w.randomBudget},
		{2, w.randomHold},
		{4, w.randomRetry},
		{2, w.randomClose},
		{1, w.randomHeld},
		{2, w.randomStep},
		{1, w.randomBackup},
		{1, w.randomCheck},
	}
	w.moments = append(w.moments, w.now)
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := w.r.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.do()
			return
		}
	}
}

// same notes what was done and compares the answers.
func (w *walk) same(want string, err error, format string, args ...any) {
	w.t.Helper()
	got := err
	var class string
	var gone *GoneError
	var limit *LimitError
	var budget *BudgetError
	switch {
	case got == nil:
		class = fine
	case errors.As(got, &limit):
		class = limit.Limit
	case errors.As(got, &budget):
		class = "budget of a " + budget.Window.String()
	case errors.As(got, &gone):
		class = isGone
	case errors.Is(got, ErrNotFound):
		class = notFound
	case errors.Is(got, ErrLineBusy):
		class = busy
	case errors.Is(got, ErrGone):
		class = state
	default:
		class = got.Error()
	}
	w.log = append(w.log, fmt.Sprintf("%s %s: %q", w.now.Format("02 15:04:05"), fmt.Sprintf(format, args...), class))
	if class != want {
		w.t.Errorf("%s: got %q, want %q", fmt.Sprintf(format, args...), class, want)
	}
}

func (w *walk) numbers() []string { return []string{"491701234567", "15551230000"} }

// anyID is mostly a recent one.
func (w *walk) anyID() ID {
	switch {
	case len(w.ids) == 0 || w.r.IntN(50) == 0:
		return ID(w.r.Uint64N(100))
	case w.r.IntN(10) == 0:
		return w.ids[w.r.IntN(len(w.ids))]
	}
	return w.ids[len(w.ids)-1-w.r.IntN(min(12, len(w.ids)))]
}

func (w *walk) line() string { return fmt.Sprint("line-", w.r.IntN(3)) }

func (w *walk) randomClaim() {
	id, part, line := w.anyID(), w.r.IntN(2)*w.r.IntN(3), w.line()
	if ids := w.model.sendable(w.now); len(ids) > 0 && w.r.IntN(8) > 0 {
		id = ids[w.r.IntN(len(ids))]
		part = w.model.messages[id].firstWaiting()
		if l := w.model.messages[id].line; l != "" && w.r.IntN(8) > 0 {
			line = l
		}
	}
	if w.r.IntN(2) == 0 {
		w.same(w.model.claim(id, part, line, w.now), w.db.Claim(id, part, "stick", line, w.now), "claim %d/%d by %s", id, part, line)
		return
	}
	p, was := w.picked[id]
	if !was || w.r.IntN(2) == 0 {
		m, err := w.db.Message(id)
		if err != nil {
			return
		}
		p = picked{m, w.model.says(id)}
		w.picked[id] = p
		if w.r.IntN(2) == 0 {
			return // it waits behind another one
		}
	}
	want := w.model.claimAs(p.says, id, part, line, w.now)
	w.same(want, w.db.ClaimAsPicked(p.m, part, "stick", line, Limits{}, w.now), "claim %d/%d as picked by %s", id, part, line)
}

// inState finds a part in that state, mostly.
func (w *walk) inState(s PartState) (ID, int) {
	if w.r.IntN(10) > 0 {
		for _, id := range slices.Backward(w.ids) {
			if m := w.model.messages[id]; m != nil {
				for n, p := range m.parts {
					if p.state == s {
						return id, n
					}
				}
			}
		}
	}
	return w.anyID(), w.r.IntN(2)
}

func (w *walk) randomOutcome() {
	id, part := w.inState(PartClaimed)
	ref, reports := uint8(w.r.IntN(4)), w.r.IntN(6) > 0
	switch w.r.IntN(7) {
	case 0, 1, 2:
		want := w.model.sent(id, part, ref, reports, w.now)
		w.same(want, w.db.Sent(id, part, ref, reports, w.now), "sent %d/%d ref %d, reports %t", id, part, ref, reports)
	case 3:
		r := Refusal{Counted: true, Wait: time.Duration(w.r.IntN(3)) * time.Minute, Reason: "no"}
		r.Final = []State{0, 0, 0, Undeliverable, Rejected, Unknown}[w.r.IntN(6)]
		w.same(w.model.refused(id, part, r, w.now), w.db.Refused(id, part, r, w.now), "refused %d/%d %v", id, part, r)
	case 4:
		r := Refusal{Wait: time.Second, kept: true}
		w.same(w.model.refused(id, part, r, w.now), w.db.Unclaim(id, part, "gone", time.Second, w.now), "unclaim %d/%d", id, part)
	case 5:
		w.same(w.model.doubt(id, part, w.now), w.db.Doubt(id, part, "silence", w.now), "doubt %d/%d", id, part)
	case 6:
		r := Refusal{Counted: w.r.IntN(3) > 0, Wait: time.Duration(w.r.IntN(3)) * time.Minute, Reason: "no"}
		w.same(w.model.suspect(id, part, r, w.now), w.db.Suspect(id, part, r, w.now), "suspect %d/%d %v", id, part, r)
	}
}

func (w *walk) randomSettle() {
	id, part := w.inState(PartUncertain)
	sent, ref := w.r.IntN(2) == 0, uint8(w.r.IntN(4))
	want := w.model.settleDoubt(id, part, sent, ref, w.now)
	w.same(want, w.db.Settle(id, part, sent, ref, "evidence", w.now), "settle %d/%d %t ref %d", id, part, sent, ref)
}

func (w *walk) randomLate() {
	line, ref, reports := w.line(), uint8(w.r.IntN(4)), w.r.IntN(6) > 0
	given := w.now.Add(-[]time.Duration{0, 0, time.Second, 20 * time.Second, 20 * time.Minute}[w.r.IntN(5)])
	if w.r.IntN(3) == 0 {
		want, no := w.model.doubtGiven(line, given, 5)
		m, err := w.db.DoubtGiven(line, given, 5, "not counted", w.now)
		w.sameMessage(m, want)
		w.same(no, err, "doubt what %s was given at %s, which is %s", line, given.Format("15:04:05"), want)
		return
	}
	want, no := w.model.settleGiven(line, given, ref, reports, w.now)
	m, err := w.db.SettleGiven(line, given, ref, reports, "a late answer", w.now)
	w.sameMessage(m, want)
	w.same(no, err, "settle what %s was given at %s: ref %d, which is %s", line, given.Format("15:04:05"), ref, want)
}

func (w *walk) sameMessage(m *Message, want ID) {
	var got ID
	if m != nil {
		got = m.ID
	}
	if got != want {
		w.t.Errorf("it is about message %s, want %s", got, want)
	}
}

func (w *walk) randomReport() {
	line, ago := w.line(), []time.Duration{0, 0, 10 * time.Second, 10 * time.Minute, 3 * time.Hour, -2 * time.Hour}[w.r.IntN(6)]
	r := Report{
		Ref: uint8(w.r.IntN(5)), Recipient: []string{"+491701234567", "01701234567", "5551230000", ""}[w.r.IntN(4)],
		Time: w.now.Add(-ago), Status: []sms.Status{0, 0, 0, 1, 0x20, 0x21, 0x41, 0x46, 0x48, 0x49, 0x62}[w.r.IntN(11)],
	}
	if id, n := w.inState(PartSent); w.r.IntN(3) > 0 && w.model.messages[id] != nil && n < len(w.model.messages[id].parts) {
		m := w.model.messages[id]
		line, r.Ref, r.Recipient = m.parts[n].line, m.parts[n].ref, m.to
	}
	if w.r.IntN(8) == 0 {
		r.Time = time.Time{}
	}
	want := w.model.report(line, r, w.now)
	m, err := w.db.Report(line, r, w.now)
	var got ID
	if m != nil {
		got = m.ID
	}
	w.same(fine, err, "report %s %+v for %d", line, r, got)
	if got != want {
		w.t.Errorf("the report is about message %s, want %s", got, want)
	}
}

func (w *walk) randomCancel() {
	lane, id := w.acct.Lane, w.anyID()
	if w.r.IntN(3) == 0 {
		lane = w.other.Lane
	}
	if w.r.IntN(4) > 0 {
		w.same(w.model.cancel(lane, id, w.now), w.db.Cancel(lane, id, w.now), "cancel %d of lane %d", id, lane)
		return
	}
	to := w.numbers()[w.r.IntN(2)]
	want := w.model.cancelMatching(lane, to, w.now)
	n, err := w.db.CancelMatching(lane, "SHOP", to, "", w.now)
	w.same(fine, err, "cancel %d to %s of lane %d", n, to, lane)
	if n != want {
		w.t.Errorf("%d cancelled, want %d", n, want)
	}
}

func (w *walk) randomReject() {
	id := w.anyID()
	w.same(w.model.reject(id, w.now), w.db.Reject(id, "not to be sent", w.now), "reject %d", id)
}

func (w *walk) randomAccount() {
	a := []Account{w.acct, w.other}[w.r.IntN(2)]
	policy := []UncertainPolicy{"", PolicyReport, PolicyNever, PolicyResend, PolicyResend}[w.r.IntN(5)]
	w.model.policy[a.Lane], w.model.disabled[a.Lane] = policy, w.r.IntN(4) == 0
	w.model.expires[a.Lane] = time.Time{}
	if w.r.IntN(4) == 0 {
		w.model.expires[a.Lane] = w.now.Add(time.Duration(w.r.IntN(600)-60) * time.Minute)
	}
	some := func(most int) int { return (1 + w.r.IntN(most)) * w.r.IntN(2) * w.r.IntN(2) }
	limits := QueueLimits{some(20), time.Duration(some(20)) * time.Hour, some(60), some(300)}
	w.model.limits[a.Lane] = limits
	_, err := w.db.UpdateAccount(a.Key, w.now, func(a *Account) error {
		a.Uncertain, a.Disabled, a.Expires, a.QueueLimits = policy, w.model.disabled[a.Lane], w.model.expires[a.Lane], limits
		return nil
	})
	w.same(fine, err, "account %s: policy %q, disabled %t, expires %s, %+v", a.Key, policy, w.model.disabled[a.Lane],
		w.model.expires[a.Lane], limits)
}

func (w *walk) randomTick() {
	steps := []time.Duration{0, time.Second, time.Second, 30 * time.Second, 5 * time.Minute, 10 * time.Minute, 40 * time.Minute, 5 * time.Hour}
	w.pass(steps[w.r.IntN(len(steps)-w.r.IntN(2))])
	w.tick()
	w.model.tick(w.now)
	w.same(fine, nil, "tick")
	w.sameSteps()
	next, err := w.db.NextTimer()
	w.ok(err)
	if !next.IsZero() && !next.After(w.now) {
		w.t.Errorf("after all ticks the next timer is due since %s", next)
	}
}

// sameSteps: Tick tells of each message that changed, and how.
func (w *walk) sameSteps() {
	w.t.Helper()
	for i, s := range w.steps {
		if s.Reason == "" && s.To != Delivered && s.To != Accepted {
			w.t.Errorf("message %s became %s and nobody says why", s.ID, s.To)
		}
		w.steps[i].Reason = ""
	}
	order := func(a, b TimerStep) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	}
	slices.SortFunc(w.steps, order)
	slices.SortFunc(w.model.steps, order)
	if !slices.Equal(w.steps, w.model.steps) {
		w.t.Errorf("the tick told %v, want %v", w.steps, w.model.steps)
	}
}

// randomEnd closes the file, or cuts the power, and starts again.
func (w *walk) randomEnd() {
	w.away.Lock()
	if w.r.IntN(2) == 0 {
		w.reopen()
	} else {
		w.crash()
	}
	w.wantNothingLeft()
	w.endCompaction()
	w.away.Unlock()
	w.recovered()
}

// recovered does what is done once after each start.
func (w *walk) recovered() {
	w.seen.Reset()
	want := w.model.recover(w.now)
	found, err := w.db.Recover(w.now)
	w.same(fine, err, "opened again, %d claims found", len(found))
	if len(found) != want {
		w.t.Errorf("%d claims found, want %d", len(found), want)
	}
}

func (w *walk) compare() {
	w.ok(w.db.view(func(v *reader) error {
		for n := range 3 {
			line := fmt.Sprint("line-", n)
			got, err := v.lastRef(line)
			want, known := w.model.lines[line]
			if err != nil || got != (lastRef{want.ref, want.reports, want.at, known, want.stale}) {
				w.t.Errorf("%s: got %+v, want %+v, %v", line, got, want, err)
			}
		}
		return nil
	}))
	told := make(map[ID][]string)
	for _, a := range []Account{w.acct, w.other} {
		rows, err := w.db.Outbox(a.Lane, 0, 1<<20)
		w.ok(err)
		for _, d := range rows {
			if d.Receipt == nil {
				continue
			}
			s := d.Receipt.State.String()
			if d.Receipt.Intermediate {
				s += "..."
			}
			told[d.Receipt.ID] = append(told[d.Receipt.ID], s)
		}
	}
	if !maps.EqualFunc(told, w.model.told, slices.Equal) {
		w.t.Errorf("receipts: got %v, want %v", told, w.model.told)
	}
	for _, id := range w.ids {
		if m := w.model.messages[id]; m != nil {
			w.compareMessage(m)
		}
	}
	var sendable []ID
	_, err := w.db.Next(w.now, Search{Judge: func(m *Message) Verdict { sendable = append(sendable, m.ID); return NotNow }})
	wantError(w.t, err, ErrEmpty)
	if want := w.model.sendable(w.now); !slices.Equal(sendable, want) {
		w.t.Errorf("sendable: got %v, want %v", sendable, want)
	}
	w.compareSeen(sendable)
	w.compareBusy(sendable)
	w.compareRest()
}

// compareSeen: a modem that remembers what it has seen finds the same as one that does not.
func (w *walk) compareSeen(sendable []ID) {
	w.ok(w.db.w.do(func(*txn) error { return nil })) // Notify has been called for what was done before
	var got []ID
	_, err := w.db.Next(w.now, Search{Seen: w.seen, Judge: func(m *Message) Verdict {
		if m.ID%2 == 1 {
			return Never
		}
		got = append(got, m.ID)
		return NotNow
	}})
	wantError(w.t, err, ErrEmpty)
	want := slices.DeleteFunc(slices.Clone(sendable), func(id ID) bool { return id%2 == 1 })
	if !slices.Equal(got, want) {
		w.t.Errorf("sendable with a bookmark: got %v, want %v", got, want)
	}
}

// compareBusy: a modem that remembers what it has seen finds all that is for nobody who is busy now, in order.
func (w *walk) compareBusy(sendable []ID) {
	type recipient struct {
		lane uint32
		to   string
	}
	busy := make(map[recipient]bool)
	for _, a := range []Account{w.acct, w.other} {
		for _, to := range w.numbers() {
			busy[recipient{a.Lane, to}] = w.r.IntN(2) == 0
		}
	}
	var got []ID
	_, err := w.db.Next(w.now, Search{
		Seen: w.busy,
		Busy: func(lane uint32, to sms.Address) bool { return busy[recipient{lane, to.Number}] },
		Judge: func(m *Message) Verdict {
			if !busy[recipient{m.Lane, m.Destination.Number}] {
				got = append(got, m.ID)
			}
			return NotNow
		},
	})
	wantError(w.t, err, ErrEmpty)
	want := slices.DeleteFunc(slices.Clone(sendable), func(id ID) bool {
		m := w.model.messages[id]
		return busy[recipient{m.lane, m.to}]
	})
	if !slices.Equal(got, want) {
		w.t.Errorf("sendable to those who are not busy: got %v, want %v", got, want)
	}
}

func (w *walk) compareMessage(want *modelMessage) {
	m, err := w.db.Message(want.id)
	if err != nil {
		w.t.Errorf("message %s: %v", want.id, err)
		return
	}
	got := fmt.Sprintf("%s due %s sent %s ended %s doubt %s dup %t suspect %t line %s refusals %d held %t acts %d", m.State, m.Due, m.SentAt, m.EndedAt,
		m.DoubtEnds, m.Duplicate, m.Suspect, m.Line, m.Refusals, m.Held, len(m.Acts))
	wanted := fmt.Sprintf("%s due %s sent %s ended %s doubt %s dup %t suspect %t line %s refusals %d held %t acts %d", want.state, want.due, want.sentAt,
		want.endedAt, want.doubtEnds, want.duplicate, want.suspect, want.line, want.refusals, want.held, min(want.acts, mostActs))
	for n := range m.Parts {
		p, q := &m.Parts[n], &want.parts[n]
		got += fmt.Sprintf("\n\t%s by %s ref %d attempts %d at %s", p.State, p.Line, p.Ref, p.Attempts, p.SentAt)
		wanted += fmt.Sprintf("\n\t%s by %s ref %d attempts %d at %s", q.state, q.line, q.ref, q.attempts, q.at)
	}
	if m.State.waiting() {
		got += fmt.Sprintf("\n\texpires %s wish %d", m.Expires, m.RegisteredDelivery)
		wanted += fmt.Sprintf("\n\texpires %s wish %d", want.expires, want.wish)
		for n, p := range m.Parts {
			got += " " + string(p.Data)
			wanted += " " + want.texts[n]
		}
	}
	if got != wanted {
		w.t.Errorf("message %s: got %s\nwant %s", want.id, got, wanted)
	}
}

// compareGone looks at all ids that ever were.
func (w *walk) compareGone() {
	for _, id := range w.ids {
		_, err := w.db.Message(id)
		_, want := w.model.find(id)
		w.same(want, err, "message %d", id)
	}
	counts, err := w.db.Counts(0)
	w.ok(err)
	want := make(map[State]uint64)
	for _, m := range w.model.messages {
		want[m.state]++
	}
	if !maps.Equal(counts, want) {
		w.t.Errorf("counts: got %v, want %v", counts, want)
	}
}
