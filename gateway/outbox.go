package gateway

import (
	"cmp"
	"container/heap"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"smsgateway/store"
)

// outboxBite is how many rows are read in one go; places.go has how many are known at a time. With so many nothing more is
// read until some are gone.
const outboxBite = 500

// outboxPatience is after how long an account that got no places looks whether there are some again.
const outboxPatience = time.Second

// suspectAfter is in how many sessions' ends a row must have been open to be suspected of causing them.
const suspectAfter = 3

// outbox shares out the rows that wait on disk among the sessions that can receive.
type outbox struct {
	places places
	mu     sync.Mutex
	lanes  map[uint32]*outboxLane // of accounts that had such a session since the start, and are still there
	before uint64                 // see offers
}

func newOutbox() *outbox { return &outbox{lanes: make(map[uint32]*outboxLane)} }

func (o *outbox) lane(lane uint32) *outboxLane {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[lane]
	if l == nil {
		l = newOutboxLane(lane, &o.places)
		l.offers.before = o.before
		o.lanes[lane] = l
	}
	return l
}

// known is the lane of an account, nil if it had no session yet: a new one finds on disk what there is.
func (o *outbox) known(lane uint32) *outboxLane {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lanes[lane]
}

// changed tells that there are new rows. The store's writer calls it, and it waits for nothing that reads.
func (o *outbox) changed(lane uint32) {
	if l := o.known(lane); l != nil {
		l.more.Store(true)
		l.hint.set()
	}
}

// forget is for an account that is no more. Whoever still shares out what it had comes to an end with its sessions.
func (o *outbox) forget(lane uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.lanes, lane)
}

// outboxLane is one account's rows, as far as they have been read, and its sessions that can receive. Of one message, or
// one sender, at most one row is on its way or put off at a time: they arrive in order. It knows rows only while there are
// sessions.
//
// A row is in one of five places: behind another of its subject; free to go; on its way; refused by one session and now
// for another one; put off. Those that were open whenever sessions broke go last and alone, so that one that kills its
// client stops nothing else.
type outboxLane struct {
	lane   uint32
	places *places // of all lanes
	hint   hint
	more   atomic.Bool // there may be rows behind the last one that was read

	mu       sync.Mutex
	couriers []*courier
	shared   bool // somebody shares out
	subjects map[string]*outboxSubject
	known    int            // rows in subjects; each has one of the places
	cramped  bool           // there were no places for more rows
	onWay    int            // of these
	free     rowHeap        // by place
	again    []*outboxRow   // for a session that has not refused them
	later    rowHeap        // put off, by time
	suspects []*outboxRow   // they go last, and alone
	lost     map[uint64]int // in how many sessions' ends a row was open, by place
	read     uint64         // place of the last row that was read
	served   uint64         // counts rows that were given to couriers
	offers   offers
}

// outboxSubject is what order is kept within: the receipts of a message, the texts of a sender. The first row is the one
// that may go.
type outboxSubject struct {
	name string
	rows []*outboxRow
}

// outboxRow is one row in memory.
type outboxRow struct {
	seq     uint64
	subject *outboxSubject
	row     *store.Delivery // nil: to be read again
	tried   []*courier      // that have refused it, since it was last put off
	tries   int             // how often it was put off
	next    time.Time       // not to be offered before
	onWay   bool
	gone    bool // from the file; or, while it is on its way, taken by a session that had been given up

	plain        bool     // without the mark of a repetition, of which a client stumbles
	by           *courier // that has taken some of its deliver_sm
	taken, parts int      // how many of how many
}

func newOutboxLane(lane uint32, all *places) *outboxLane {
	l := &outboxLane{lane: lane, places: all, lost: make(map[uint64]int)}
	l.reset()
	return l
}

// reset forgets the rows. Which of them were open when sessions broke stays known.
func (l *outboxLane) reset() {
	l.unknow(l.known)
	l.subjects, l.read = make(map[string]*outboxSubject), 0
	l.free, l.later = rowHeap{less: bySeq}, rowHeap{less: byTime}
	l.again, l.suspects = nil, nil
	l.more.Store(true)
}

// join adds a session, and tells whether nobody shares out yet. What others have put off is offered to it at once.
func (l *outboxLane) join(c *courier) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.later.Len() > 0 {
		r := heap.Pop(&l.later).(*outboxRow)
		heap.Push(&l.free, r)
	}
	l.couriers = append(l.couriers, c)
	first = !l.shared
	l.shared = true
	l.hint.set()
	return first
}

// leave removes a session.
func (l *outboxLane) leave(c *courier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
	l.hint.set()
}

func (l *outboxLane) remove(c *courier) {
	l.couriers = slices.DeleteFunc(l.couriers, func(other *courier) bool { return other == c })
}

// gift is a row on its way to a session.
type gift struct {
	*courier
	*outboxRow
}

// share takes from what waits all that may go now, each row for the session that it suits best, and tells when there may
// be more without a hint; zero for never. It reads the store and is called by one goroutine at a time. over: there is no
// session any more, and whoever called need not call again.
func (l *outboxLane) share(db outboxReader, now time.Time) (gifts []gift, next time.Time, over bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.couriers) == 0 {
		if l.onWay > 0 { // the store may be about to be told that they are taken
			return nil, time.Time{}, false, nil
		}
		l.shared = false
		l.reset()
		return nil, time.Time{}, true, nil
	}
	l.cramped = false
	for l.later.Len() > 0 && !now.Before(l.later.rows[0].next) {
		heap.Push(&l.free, heap.Pop(&l.later))
	}
	gifts = l.shareAgain(now)
	for {
		c := l.best(now)
		if c == nil {
			break
		}
		r, err := l.first(db)
		if err != nil {
			return gifts, time.Time{}, false, err
		}
		if r == nil {
			gifts = append(gifts, l.shareSuspects()...)
			break
		}
		gifts = append(gifts, l.give(r, c))
	}
	return gifts, l.nextLook(now), false, nil
}

// shareAgain gives away what one session has refused, and puts off what none is left for.
func (l *outboxLane) shareAgain(now time.Time) (gifts []gift) {
	keep := l.again[:0]
	for _, r := range l.again {
		if !l.hopeful(r) {
			l.putOff(r, now)
		} else if c := l.roomiest(func(c *courier) bool { return c.good() && !slices.Contains(r.tried, c) }); c != nil {
			gifts = append(gifts, l.give(r, c))
		} else {
			keep = append(keep, r)
		}
	}
	clear(l.again[len(keep):])
	l.again = keep
	return gifts
}

// hopeful tells whether there is a session in favour that has not refused the row.
func (l *outboxLane) hopeful(r *outboxRow) bool {
	return slices.ContainsFunc(l.couriers, func(c *courier) bool { return c.good() && !slices.Contains(r.tried, c) })
}

// shareSuspects gives a suspect to each session that has nothing else open, first those that saw the fewest ends.
func (l *outboxLane) shareSuspects() (gifts []gift) {
	slices.SortStableFunc(l.suspects, func(a, b *outboxRow) int { return cmp.Compare(l.lost[a.seq], l.lost[b.seq]) })
	for _, c := range l.couriers {
		if len(l.suspects) == 0 {
			break
		}
		if c.open == 0 {
			r := l.suspects[0]
			l.suspects = slices.Delete(l.suspects, 0, 1)
			c.alone = true
			gifts = append(gifts, l.give(r, c))
		}
	}
	return gifts
}

// first takes the first row that is free, with what it says; nil if there is none.
func (l *outboxLane) first(db outboxReader) (*outboxRow, error) {
	for {
		for l.free.Len() > 0 {
			r := heap.Pop(&l.free).(*outboxRow)
			if l.lost[r.seq] >= suspectAfter {
				l.suspects = append(l.suspects, r)
				continue
			}
			return r, nil
		}
		if more, err := l.readOn(db); err != nil || !more {
			return nil, err
		}
	}
}

// outboxReader is the store, as far as rows are read from it.
type outboxReader interface {
	Outbox(lane uint32, after uint64, limit int) ([]store.Delivery, error)
}

// readOn reads further rows, if there is room for them, and tells whether there were any.
func (l *outboxLane) readOn(db outboxReader) (bool, error) {
	if !l.more.Load() {
		return false, nil
	}
	room := l.places.take(l.known, outboxBite)
	if room == 0 {
		l.cramped = l.known < outboxKnown
		return false, nil
	}
	l.known += room
	l.more.Store(false)
	rows, err := db.Outbox(l.lane, l.read, room)
	l.unknow(room - len(rows))
	if err != nil {
		l.more.Store(true)
		return false, err
	}
	if len(rows) == room {
		l.more.Store(true)
	}
	for i := range rows {
		d := &rows[i]
		l.read = d.Seq
		name := subject(d)
		s := l.subjects[name]
		if s == nil {
			s = &outboxSubject{name: name}
			l.subjects[name] = s
		}
		r := &outboxRow{seq: d.Seq, subject: s}
		s.rows = append(s.rows, r)
		if len(s.rows) == 1 {
			r.row = &store.Delivery{}
			*r.row = *d // not a pointer into rows, which would keep the others
			heap.Push(&l.free, r)
		}
	}
	return len(rows) > 0, nil
}

// unknow gives places back.
func (l *outboxLane) unknow(n int) {
	l.places.give(l.known, n)
	l.known -= n
}

// subject is the name of what order is kept within.
func subject(d *store.Delivery) string {
	if d.Receipt != nil {
		return "message " + strconv.FormatUint(uint64(d.Receipt.ID), 10)
	}
	return "from " + d.Inbound.From.Number
}

func (l *outboxLane) give(r *outboxRow, c *courier) gift {
	l.served++
	c.open, c.served = c.open+1, l.served
	l.onWay++
	r.onWay = true
	return gift{c, r}
}

// best is the session that a free row should go to: one that is out of favour and is to be tried now; else the roomiest of
// those in favour, or of all if none is. nil: there is no room.
func (l *outboxLane) best(now time.Time) *courier {
	good := slices.ContainsFunc(l.couriers, (*courier).good)
	for _, c := range l.couriers {
		if good && !c.good() && c.open == 0 && !now.Before(c.until) {
			return c
		}
	}
	return l.roomiest(func(c *courier) bool { return !good || c.good() })
}

// roomiest is the session with the fewest rows open, of several the one that has waited longest; nil if none has room.
func (l *outboxLane) roomiest(of func(*courier) bool) (best *courier) {
	for _, c := range l.couriers {
		if !c.room() || !of(c) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(c.open, best.open), cmp.Compare(c.served, best.served)) < 0 {
			best = c
		}
	}
	return best
}

// nextLook is when rows that were put off may go, a session out of favour is tried, or there may be places again.
func (l *outboxLane) nextLook(now time.Time) (next time.Time) {
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if l.later.Len() > 0 {
		sooner(l.later.rows[0].next)
	}
	for _, c := range l.couriers {
		sooner(c.until)
	}
	if l.cramped {
		sooner(now.Add(outboxPatience))
	}
	return next
}

// offering notes that a row is about to be sent to a client, and tells whether one may have it already.
func (l *outboxLane) offering(r *outboxRow) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again = l.offers.perhapsHad(r.seq)
	l.offers.offer(r.seq)
	return again
}

// declined: a client has answered that it does not take the row. So it does not have it, if this was the first offer.
func (l *outboxLane) declined(r *outboxRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offers.over(r.seq)
}

// taken: the row is gone from the file, as c has taken it, or refused it for good.
func (l *outboxLane) taken(r *outboxRow, c *courier, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.answered(now)
	l.back(r)
	l.forget(r)
}

// vanished: the row is gone from the file, and c has not had it.
func (l *outboxLane) vanished(r *outboxRow, c *courier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.closes()
	l.back(r)
	l.forget(r)
}

// refused: c does not want the row for now. It goes to another session, or waits. With fell it is out of favour from now
// on.
func (l *outboxLane) refused(r *outboxRow, c *courier, now time.Time) (fell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fell = c.refused(now)
	l.comesBack(r, c, now)
	return fell
}

// unanswered: c was given up. With fell it is out of favour from now on.
func (l *outboxLane) unanswered(r *outboxRow, c *courier, sent, now time.Time) (fell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fell = c.unanswered(sent, now)
	l.comesBack(r, c, now)
	return fell
}

// broken: the session ended while the row was open, which says little about the row. It gets no other: its connection may
// stay for as long as the client is waited for, and nothing goes there any more.
func (l *outboxLane) broken(r *outboxRow, c *courier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
	c.closes()
	if l.back(r); r.gone {
		l.forget(r)
		return
	}
	if len(l.lost) >= outboxBite {
		clear(l.lost)
	}
	l.lost[r.seq]++
	heap.Push(&l.free, r)
}

// back notes that a row is not on its way any more.
func (l *outboxLane) back(r *outboxRow) {
	l.onWay--
	r.onWay = false
	l.hint.set()
}

// comesBack has a row go to another session or, if there is none, wait.
func (l *outboxLane) comesBack(r *outboxRow, c *courier, now time.Time) {
	if l.back(r); r.gone {
		l.forget(r)
		return
	}
	r.tried = append(r.tried, c)
	if l.hopeful(r) && r.by != c { // else a part would come to two sessions
		l.again = append(l.again, r)
		return
	}
	l.putOff(r, now)
}

// putOff has a row offered again after a while.
func (l *outboxLane) putOff(r *outboxRow, now time.Time) {
	r.next = now.Add(redeliveries[min(r.tries, len(redeliveries)-1)])
	r.tries++
	r.tried, r.row = nil, nil
	heap.Push(&l.later, r)
}

// late: a session that had been given up has taken the row after all, and it is gone from the file.
func (l *outboxLane) late(r *outboxRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.gone = true; r.onWay {
		return // whoever has it now will find that it is gone
	}
	for _, h := range []*rowHeap{&l.free, &l.later} {
		if i := slices.Index(h.rows, r); i >= 0 {
			heap.Remove(h, i)
		}
	}
	isRow := func(other *outboxRow) bool { return other == r }
	l.again, l.suspects = slices.DeleteFunc(l.again, isRow), slices.DeleteFunc(l.suspects, isRow)
	l.forget(r)
	l.hint.set()
}

// forget drops a row, the first of its subject, which is in no list any more; the next one may go.
func (l *outboxLane) forget(r *outboxRow) {
	s := r.subject
	delete(l.lost, r.seq)
	l.offers.over(r.seq)
	if l.subjects[s.name] != s || len(s.rows) == 0 || s.rows[0] != r {
		return // all sessions were gone meanwhile, and it was forgotten with the rest
	}
	s.rows[0] = nil
	s.rows = s.rows[1:]
	l.unknow(1)
	if len(s.rows) == 0 {
		delete(l.subjects, s.name)
		return
	}
	heap.Push(&l.free, s.rows[0])
}

// rowHeap is a heap of rows; the first is that which goes first.
type rowHeap struct {
	rows []*outboxRow
	less func(a, b *outboxRow) bool
}

func bySeq(a, b *outboxRow) bool  { return a.seq < b.seq }
func byTime(a, b *outboxRow) bool { return a.next.Before(b.next) }

func (h *rowHeap) Len() int           { return len(h.rows) }
func (h *rowHeap) Less(i, j int) bool { return h.less(h.rows[i], h.rows[j]) }
func (h *rowHeap) Swap(i, j int)      { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }
func (h *rowHeap) Push(r any)         { h.rows = append(h.rows, r.(*outboxRow)) }

func (h *rowHeap) Pop() any {
	last := len(h.rows) - 1
	r := h.rows[last]
	h.rows[last] = nil
	h.rows = h.rows[:last]
	return r
}
