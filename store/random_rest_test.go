package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smsgateway/sms"
)

// TestModelIsWhole: whatever the store can be asked to do the random run does, beside its model. Who exports a method gives
// it an operation there.
func TestModelIsWhole(t *testing.T) {
	files, err := filepath.Glob("random*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range append(files, "helper_test.go", "index_test.go") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(data)
	}
	typ := reflect.TypeFor[*DB]()
	for n := range typ.NumMethod() {
		if name := typ.Method(n).Name; !strings.Contains(source.String(), "db."+name+"(") {
			t.Errorf("TestRandom never calls %s: give it an operation, and the model what it should do", name)
		}
	}
}

func (w *walk) randomText() {
	r := &w.model.rest
	lane := []uint32{0, w.acct.Lane, w.other.Lane, r.lane}[w.r.IntN(4)]
	in := Inbound{Lane: lane, Modem: "stick", Line: w.line(),
		From: sms.Address{TON: 1, NPI: 1, Number: w.numbers()[w.r.IntN(2)]}, Time: w.now,
		Data: fmt.Appendf(nil, "text %d", w.r.IntN(1000)), Text: "text"}
	if len(r.inbox) > 0 && w.r.IntN(3) == 0 {
		if old := r.inbox[w.r.IntN(len(r.inbox))]; old.in.Line != "" {
			in = old.in
		}
	}
	var got uint64
	var again bool
	var err error
	if w.r.IntN(2) == 0 {
		var kept Inbound
		kept, again, err = w.db.Receive(in, w.now)
		got = kept.ID
	} else {
		a, e := w.db.ReceiveText(in, w.now)
		got, again, err = a.ID, a.Again, e
	}
	old, want := r.again(in, w.now), uint64(0)
	if old != nil {
		want = old.id
	} else {
		if in.Lane > w.other.Lane && in.Lane != r.lane { // its account was removed
			in.Lane = 0
		}
		want = r.keep(in, in.Lane, 0, w.now)
	}
	w.same(fine, err, "text %d for lane %d, again %t", got, in.Lane, again)
	if got != want || again != (old != nil) {
		w.t.Errorf("it is text %d, again %t, want %d, %t", got, again, want, old != nil)
	}
}

// randomPart has one part of a text of two or three come; of most texts all come in the end.
func (w *walk) randomPart() {
	r := &w.model.rest
	ref, of, line, have := uint16(w.r.Uint32()), 2+w.r.IntN(2), w.line(), []uint8(nil)
	if len(r.parts) > 0 && w.r.IntN(3) > 0 {
		p := r.parts[w.r.IntN(len(r.parts))]
		ref, of, line, have = p.ref, p.of, p.line, p.have
	} else if slices.ContainsFunc(r.parts, func(p modelParts) bool {
		return p.ref == ref || p.line == line && p.since.Equal(w.now)
	}) {
		return // of two that began together nobody promises which is delivered first
	}
	number := uint8(1 + w.r.IntN(of))
	if slices.Contains(have, number) {
		return
	}
	in := Inbound{Lane: w.acct.Lane, Modem: "stick", Line: line, Time: w.now,
		From: sms.Address{TON: 1, NPI: 1, Number: "4917055"},
		Data: fmt.Appendf(nil, "part %d", number), UDH: sms.AppendUDH(nil, sms.Concat(ref, true, uint8(of), number)), Text: "part"}
	id, n := r.part(ref, line, w.acct.Lane, number, of, w.now)
	a, err := w.db.ReceiveText(in, w.now)
	w.same(fine, err, "part %d of %d of %d on %s", number, of, ref, line)
	if a.ID != id || a.Have != n && id == 0 || a.Waiting != (id == 0) || len(a.InPart) > 0 {
		w.t.Errorf("it is text %d with %d parts, waiting %t, want %d with %d", a.ID, a.Have, a.Waiting, id, n)
	}
}

// lanes are those that have an outbox.
func (w *walk) lanes() []uint32 {
	lanes := []uint32{w.acct.Lane, w.other.Lane}
	if w.model.rest.lane != 0 {
		lanes = append(lanes, w.model.rest.lane)
	}
	return lanes
}

func (w *walk) randomAcknowledge() {
	lanes := w.lanes()
	lane := lanes[w.r.IntN(len(lanes))]
	rows, err := w.db.Outbox(lane, 0, 1<<20)
	w.ok(err)
	if n, err := w.db.CountOutbox(lane, 1<<20); err != nil || n != len(rows) {
		w.t.Errorf("%d rows counted of %d: %v", n, len(rows), err)
	}
	if len(rows) == 0 {
		return
	}
	at := w.r.IntN(len(rows)) * w.r.IntN(2)
	w.same(fine, w.db.Acknowledge(lane, rows[at].Seq), "acknowledge %d of lane %d", rows[at].Seq, lane)
	w.same(fine, w.db.Acknowledge(lane, rows[at].Seq), "acknowledge it again")
	w.taken(rows, func(n int) bool { return n == at })
}

// taken has the model forget rows of an outbox.
func (w *walk) taken(rows []Delivery, which func(n int) bool) {
	r := &w.model.rest
	before := make(map[ID]int) // receipts of a message that were kept
	for n, d := range rows {
		switch gone := which(n); {
		case d.Receipt == nil && gone:
			r.rows[d.Lane] = slices.DeleteFunc(r.rows[d.Lane], func(id uint64) bool { return id == d.Inbound.ID })
		case d.Receipt != nil && gone:
			id := d.Receipt.ID
			w.model.told[id] = slices.Delete(w.model.told[id], before[id], before[id]+1)
			if len(w.model.told[id]) == 0 {
				delete(w.model.told, id)
			}
		case d.Receipt != nil:
			before[d.Receipt.ID]++
		}
	}
}

func (w *walk) randomDrop() {
	keep := time.Duration(1+w.r.IntN(72)) * time.Hour
	before, want := w.now.Add(-keep), 0
	for _, lane := range w.lanes() {
		rows, err := w.db.Outbox(lane, 0, 1<<20)
		w.ok(err)
		gone := len(rows) // they stand in the order of time
		if n := slices.IndexFunc(rows, func(d Delivery) bool { return !d.Created.Before(before) }); n >= 0 {
			gone = n
		}
		want += gone
		w.taken(rows, func(n int) bool { return n < gone })
	}
	n, err := w.db.DropOutbox(w.now, keep)
	w.same(fine, err, "drop %d rows of the outbox older than %s", n, keep)
	if n != want {
		w.t.Errorf("%d rows were dropped, want %d", n, want)
	}
	r, old := &w.model.rest, 0
	for old < len(r.inbox) && r.inbox[old].received.Before(before) {
		old++
	}
	r.inbox = r.inbox[old:]
	if n, err := w.db.DropInbound(w.now, keep); err != nil || n != old {
		w.t.Errorf("%d texts were dropped, want %d: %v", n, old, err)
	}
	wantContacts := r.dropContacts(w.now)
	if n, err := w.db.DropContacts(w.now); err != nil || n != wantContacts {
		w.t.Errorf("%d contacts were dropped, want %d: %v", n, wantContacts, err)
	}
}

// randomTemporary adds and removes an account that has texts, but no messages; and notes where accounts were bound.
func (w *walk) randomTemporary() {
	r := &w.model.rest
	switch {
	case w.r.IntN(2) == 0:
		lanes := w.lanes()
		lane, peer := lanes[w.r.IntN(len(lanes))], fmt.Sprintf("192.0.2.%d/32", w.r.IntN(5))
		w.same(fine, w.db.NoteOrigin(lane, Origin{peer, w.now}, 3), "bound from %s", peer)
		list := slices.DeleteFunc(r.origins[lane], func(s string) bool { return s == peer })
		r.origins[lane] = slices.Insert(list, 0, peer)[:min(len(list)+1, 3)]
	case r.lane == 0:
		a, err := w.db.AddAccount(Account{Key: "TEMP"}, w.now)
		w.same(fine, err, "account TEMP is lane %d", a.Lane)
		r.lane = a.Lane
		_, err = w.db.AddAccount(Account{Key: "TEMP"}, w.now)
		wantError(w.t, err, ErrAccountExists)
	default:
		w.same(fine, w.db.RemoveAccount("TEMP", w.now), "remove account TEMP")
		delete(r.rows, r.lane)
		delete(r.origins, r.lane)
		wantError(w.t, second(w.db.AccountOfLane(r.lane)), ErrNoAccount)
		wantError(w.t, second(w.db.Account("TEMP")), ErrNoAccount)
		wantError(w.t, w.db.RemoveAccount("TEMP", w.now), ErrNoAccount)
		r.lane = 0
	}
	waiting := 0
	for _, m := range w.model.messages {
		if m.lane == w.acct.Lane && slices.Contains([]State{Queued, Claimed, Partial, Uncertain}, m.state) {
			waiting++
		}
	}
	var busy *AccountBusyError
	if waiting > 0 && (!errors.As(w.db.RemoveAccount(w.acct.Key, w.now), &busy) || busy.Waiting != uint64(waiting)) {
		w.t.Errorf("an account with %d messages could be removed: %v", waiting, busy)
	}
}

func (w *walk) randomModem() {
	r := &w.model.rest
	key := fmt.Sprint("sim ", w.r.IntN(4))
	switch w.r.IntN(3) {
	case 0:
		w.same(fine, w.db.RememberPIN(key), "a PIN of %s is refused", key)
		r.pins[key] = true
	case 1:
		w.same(fine, w.db.ForgetPIN(key), "it is forgotten")
		delete(r.pins, key)
	case 2:
		imei := fmt.Sprint(w.r.Uint64())
		_, err := w.db.UpdateModem(key, func(s *ModemState) error { s.IMEI = imei; return nil })
		w.same(fine, err, "modem %s has IMEI %s", key, imei)
		r.modems[key] = imei
	}
}

func (w *walk) randomSettings() {
	def := []UncertainPolicy{PolicyReport, PolicyNever, PolicyResend}[w.r.IntN(3)]
	w.opt.Uncertain, w.model.opt.Uncertain = def, def // for the next start, too
	o := w.model.opt
	w.db.Reconfigure(Settings{o.Keep, o.UncertainWait, o.InboundWait, def, QueueLimits{}})
	w.same(fine, nil, "the default policy is %s", def)
}

// randomClock has the clock jump, and come back: nothing ends by that, and nothing goes.
func (w *walk) randomClock() {
	w.tick()
	w.model.tick(w.now) // else that is what would happen now
	w.sameSteps()
	jump := time.Duration([]int{-50 * 365 * 24, -3, 3, 400 * 24, 12 * 365 * 24}[w.r.IntN(5)]) * time.Hour
	mad := w.now.Add(jump)
	done, err := w.db.Tick(mad, 100)
	w.same(fine, err, "the clock jumps by %s", jump)
	if len(done.Steps) > 0 || !w.db.ClockDoubted() {
		w.t.Errorf("by a jump of %s: %+v, doubted %t", jump, done.Steps, w.db.ClockDoubted())
	}
	for what, drop := range map[string]func() (int, error){
		"outbox":   func() (int, error) { return w.db.DropOutbox(mad, time.Hour) },
		"inbox":    func() (int, error) { return w.db.DropInbound(mad, time.Hour) },
		"contacts": func() (int, error) { return w.db.DropContacts(mad) },
	} {
		if n, err := drop(); n != 0 || err != nil {
			w.t.Errorf("by a jump of %s %d rows of %s went: %v", jump, n, what, err)
		}
	}
	w.tick()
	w.model.tick(w.now)
	if w.sameSteps(); w.db.ClockDoubted() {
		w.t.Error("the clock came back and is not believed")
	}
}

// randomTorn cuts the power within the commit of a verb that nobody has an answer of: some of its pages are written, and its
// head is not, or torn. It did not happen.
func (w *walk) randomTorn() {
	w.endCompaction()
	w.away.Lock() // nobody is told of it
	before := inUse(w.t, w.path)
	id, line := w.anyID(), w.line()
	switch w.r.IntN(4) {
	case 0:
		w.db.Enqueue(w.randomMessage()).Result()
	case 1:
		w.db.CancelMatching(w.acct.Lane, "SHOP", w.numbers()[0], "", w.now)
	case 2:
		if ids := w.model.sendable(w.now); len(ids) > 0 {
			id = ids[w.r.IntN(len(ids))]
		}
		w.db.Claim(id, 0, "stick", line, w.now)
	case 3:
		w.db.UpdateModem("torn", func(s *ModemState) error { s.IMEI = "torn"; return nil })
	}
	after := inUse(w.t, w.path)
	w.db.Close()
	w.path = filepath.Join(w.t.TempDir(), "gateway.db")
	writeFile(w.t, w.path, tear(w.r, before, after, w.r.IntN(2) == 0))
	w.open()
	w.away.Unlock()
	w.same(fine, nil, "the power is cut within a commit (%t)", bytes.Equal(before, after))
	w.recovered()
}

// randomBudget claims within the limits of a SIM.
func (w *walk) randomBudget() {
	ids, line := w.model.sendable(w.now), w.line()
	if len(ids) == 0 {
		return
	}
	id := ids[w.r.IntN(len(ids))]
	m := w.model.messages[id]
	if m.line != "" {
		line = m.line
	}
	part, limits := m.firstWaiting(), Limits{Hour: w.r.IntN(8), Day: w.r.IntN(2) * 12, Month: 1000}
	w.model.afford = func(m *modelMessage) string { return w.model.rest.affords(m, line, limits, w.now) }
	want := w.model.claim(id, part, line, w.now)
	w.model.afford = nil
	if want == fine {
		w.model.rest.spend(m, part, line, w.now)
	}
	err := w.db.ClaimWithin(id, part, "stick", line, limits, w.now)
	w.same(want, err, "claim %d/%d by %s within %v", id, part, line, limits)
}

// compareRest compares what is beside messages.
func (w *walk) compareRest() {
	r := &w.model.rest
	inbox, err := w.db.Inbox(InboxFilter{Limit: 1000})
	w.ok(err)
	var got, want []string
	for _, in := range inbox {
		got = append(got, fmt.Sprint(in.ID, in.Lane, in.Received.UTC(), in.Missing))
	}
	for _, t := range slices.Backward(r.inbox[max(len(r.inbox)-1000, 0):]) {
		want = append(want, fmt.Sprint(t.id, t.lane, t.received.UTC(), t.missing))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("inbox: got %v, want %v", got, want)
	}
	texts, err := w.db.WaitingTexts(1000)
	if w.ok(err); len(texts) != len(r.parts) {
		w.t.Errorf("%d texts wait for parts, want %d", len(texts), len(r.parts))
	}
	keys := make(map[string]uint32)
	all, err := w.db.Accounts()
	w.ok(err)
	for _, a := range all {
		keys[a.Key] = a.Lane
		var origins []string
		for _, o := range a.Origins {
			origins = append(origins, o.Peer)
		}
		known, err := w.db.AccountOfLane(a.Lane)
		if w.ok(err); !slices.Equal(origins, r.origins[a.Lane]) || known.Key != a.Key ||
			w.db.Limits(&a) != w.model.limits[a.Lane] {
			w.t.Errorf("account %+v, %+v, want origins %v", a, known, r.origins[a.Lane])
		}
	}
	wantKeys := map[string]uint32{w.acct.Key: w.acct.Lane, w.other.Key: w.other.Lane, "TEMP": r.lane}
	if r.lane == 0 {
		delete(wantKeys, "TEMP")
	}
	if !maps.Equal(keys, wantKeys) {
		w.t.Errorf("accounts %v, want %v", keys, wantKeys)
	}
	w.compareAccounts(all)
	w.compareOutbox()
	if w.r.IntN(5) == 0 { // it asks the disk
		w.compareFile()
	}
	w.compareModems()
	w.compareUse()
	w.compareList()
}

func (w *walk) compareOutbox() {
	for _, lane := range w.lanes() {
		rows, err := w.db.Outbox(lane, 0, 1<<20)
		w.ok(err)
		var texts []uint64
		for _, d := range rows {
			if d.Inbound != nil {
				texts = append(texts, d.Inbound.ID)
			}
		}
		if !slices.Equal(texts, w.model.rest.rows[lane]) {
			w.t.Errorf("texts for lane %d: got %v, want %v", lane, texts, w.model.rest.rows[lane])
		}
	}
}

func (w *walk) compareModems() {
	r := &w.model.rest
	for n := range 4 {
		key := fmt.Sprint("sim ", n)
		refused, err := w.db.PINRefused(key)
		if err != nil || refused != r.pins[key] {
			w.t.Errorf("PIN of %s: got %t, want %t, %v", key, refused, r.pins[key], err)
		}
		s, err := w.db.Modem(key)
		if err != nil || s.IMEI != r.modems[key] {
			w.t.Errorf("modem %s: got %s, want %s, %v", key, s.IMEI, r.modems[key], err)
		}
	}
	if free, _, err := w.db.Room(); err != nil || free <= 0 {
		w.t.Errorf("there is room for %d octets: %v", free, err)
	}
	if err := w.db.Err(); err != nil {
		w.t.Error(err)
	}
	if d := w.db.Damage(); len(d) > 0 {
		w.t.Errorf("it is taken for damaged: %v", d)
	}
	select {
	case <-w.db.Failed():
		w.t.Error("the store has failed")
	default:
	}
}

func (w *walk) compareUse() {
	r := &w.model.rest
	for n := range 3 {
		line := fmt.Sprint("line-", n)
		u, err := w.db.Usage(line, w.now)
		if want := r.used(line, w.now); err != nil || u.Used != want {
			w.t.Errorf("usage of %s: got %v, want %v, %v", line, u.Used, want, err)
		}
		for _, to := range w.numbers() {
			known, err := w.db.Contact(line, &Message{Destination: sms.Address{Number: to}}, w.now)
			if want := r.contacts[modelContact{line, to, monthName(w.now)}] > 0; err != nil || known != want {
				w.t.Errorf("contact %s of %s: got %t, want %t, %v", to, line, known, want, err)
			}
		}
	}
	for _, lane := range []uint32{w.acct.Lane, w.other.Lane} {
		got, err := w.db.Use(lane, w.now)
		want := w.model.use(lane, w.now)
		if err != nil || got.Queued != want.Queued || got.Today != want.Today || got.ThisMonth != want.ThisMonth {
			w.t.Errorf("use of lane %d: got %+v, want %+v, %v", lane, got, want, err)
		}
	}
}

// compareList asks for a list by a filter.
func (w *walk) compareList() {
	f := Filter{Lane: uint32(w.r.IntN(3)), Limit: 1 + w.r.IntN(1000), Before: ID(w.r.IntN(2)) * w.anyID()}
	for n := range w.r.IntN(4) {
		f.States = append(f.States, []State{Queued, Sent, Delivered, Expired, Deleted}[(n+w.r.IntN(2))%5])
	}
	if w.r.IntN(3) == 0 {
		f.Destination = "+" + w.numbers()[w.r.IntN(2)]
	}
	f.Held = w.r.IntN(4) == 0
	list, err := w.db.Messages(f)
	w.ok(err)
	var got, want []ID
	for _, m := range list {
		got = append(got, m.ID)
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(w.model.messages))) {
		m := w.model.messages[id]
		if (f.Lane == 0 || m.lane == f.Lane) && (len(f.States) == 0 || slices.Contains(f.States, m.state)) &&
			(!f.Held || m.held) && (f.Destination == "" || f.Destination == "+"+m.to) && (f.Before == 0 || id < f.Before) && len(want) < f.Limit {
			want = append(want, id)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("list by %+v: got %v, want %v", f, got, want)
	}
	got = nil
	for next, limit := ID(1), f.Limit; next != 0; f.Before = next {
		f.Limit = limit - len(got)
		list, next, err = w.db.SearchMessages(f, 0)
		w.ok(err)
		for _, m := range list {
			got = append(got, m.ID)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("search in bites: got %v, want %v", got, want)
	}
}

// compareAccounts holds what else lists accounts against all there are.
func (w *walk) compareAccounts(all []Account) {
	some, err := w.db.AccountsAfter("", 2)
	w.ok(err)
	rest, err := w.db.AccountsAfter(some[len(some)-1].Key, 2)
	w.ok(err)
	if got := append(some, rest...); !reflect.DeepEqual(got, all) {
		w.t.Errorf("two and two accounts are %+v, want %+v", got, all)
	}
	if n, err := w.db.CountAccounts(); err != nil || n != len(all) {
		w.t.Errorf("%d accounts, %v; want %d", n, err, len(all))
	}
	expiring, err := w.db.ExpiringAccounts()
	w.ok(err)
	for _, a := range all {
		if has := slices.ContainsFunc(expiring, func(e Account) bool { return e.Key == a.Key }); has == a.Expires.IsZero() {
			w.t.Errorf("account %s, which ends at %s, is among those that expire: %t", a.Key, a.Expires, has)
		}
	}
}

// readBeside has two readers look at everything while the run goes on: what they are told must hold together, and an end
// that they saw once must stay. It gives what ends them.
func (w *walk) readBeside() (stop func()) {
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			ended := make(map[ID]State)
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				w.away.RLock()
				if err := w.lookAround(ended); err != nil {
					w.t.Errorf("beside: %v", err)
				}
				w.away.RUnlock()
			}
		})
	}
	return func() {
		close(done)
		readers.Wait()
	}
}

func (w *walk) lookAround(ended map[ID]State) error {
	list, err := w.db.Messages(Filter{Limit: 50})
	if err != nil {
		return err
	}
	for _, m := range list {
		was := ended[m.ID]
		if was.End() && was != Unknown && m.State != was {
			return fmt.Errorf("message %s was %s and is %s", m.ID, was, m.State)
		}
		if m.State.End() != !m.EndedAt.IsZero() {
			return fmt.Errorf("message %s is %s and ended at %s", m.ID, m.State, m.EndedAt)
		}
		ended[m.ID] = m.State
		if _, err := w.db.Message(m.ID); err != nil && !forgotten(err) {
			return err
		}
	}
	_, err = w.db.Next(list0(list), Search{})
	if errors.Is(err, ErrEmpty) {
		err = nil
	}
	return errors.Join(err, second(w.db.Counts(0)), second(w.db.Outbox(1, 0, 10)), second(w.db.NextTimer()))
}

// list0 is a time at which something happened.
func list0(list []*Message) time.Time {
	if len(list) == 0 {
		return start()
	}
	return list[0].Accepted
}
