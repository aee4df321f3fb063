package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// restoreSteps bounds one life; the work for a step grows with the number of messages.
var restoreSteps = flag.Int("restoresteps", 600, "steps of TestRandomRestore")

// lives is a random life with backups, restores and losses in it, and what was seen from outside.
type lives struct {
	*box
	r       *rand.Rand
	given   map[ID]bool // ids that clients were told
	onAir   map[ID]int  // how often it was sent
	allowed map[ID]int  // how often it may be
	gone    map[ID]bool // cancelled, and the client was told so; false: no file at hand knows of it
	again   bool        // one of lost was given
	lost    map[ID]bool // that only lost files gave, beyond what a restore passes over: they may come again
	backups []kept
}

// kept is a backup, and how far the file was.
type kept struct {
	path string
	last ID // that was given
	now  time.Time
}

// TestRandomRestore: whatever is backed up, lost and restored, no id is given twice, nothing is sent again without an operator's
// word, nothing that was cancelled is sent, and each file is whole.
func TestRandomRestore(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat this run with -seed %d", seed)
	l := &lives{
		box: newBox(t, Options{}), r: rand.New(rand.NewPCG(seed, 2)),
		given: make(map[ID]bool), onAir: make(map[ID]int), allowed: make(map[ID]int), gone: make(map[ID]bool),
		lost: make(map[ID]bool),
	}
	l.now = time.Now().Truncate(time.Second) // ids begin by the true time
	l.tick()                                 // as a gateway does at once, so that backups know their time
	held, released := int64(0), 0
	for step := range *restoreSteps {
		switch n := l.r.IntN(100); {
		case n < 30:
			l.submit()
		case n < 70:
			l.sendNext()
		case n < 75:
			l.cancelOne()
		case n < 80:
			l.pass(time.Duration(l.r.IntN(600)) * time.Second)
			l.tick()
		case n < 84:
			l.backups = append(l.backups, kept{l.backup(), l.last(), l.now})
		case n < 90:
			released += l.operate()
		case n < 91:
			l.crash()
			_, err := l.db.Recover(l.now)
			l.ok(err)
		case n < 93 && len(l.backups) > 0:
			held += l.bringBack()
		}
		if t.Failed() {
			t.Fatalf("step %d of seed %d", step, seed)
		}
		if l.again {
			t.Logf("step %d: an id that nobody could know of is given again", step)
			break
		}
	}
	t.Logf("%d messages, %d on air, %d backups, %d times held, %d released", len(l.given), len(l.onAir), len(l.backups), held, released)
}

func (l *lives) submit() {
	m := l.message(1 + l.r.IntN(2))
	m.Expires = l.now.Add(4 * time.Hour)
	if l.r.IntN(5) == 0 {
		m.Due = l.now.Add(time.Hour)
	}
	l.give(l.enqueue(m))
}

// give notes a new message.
func (l *lives) give(id ID) {
	switch {
	case !l.given[id]:
		l.given[id], l.allowed[id] = true, 1
	case l.lost[id]:
		l.again = true
	default:
		l.t.Errorf("id %s is given twice", id)
	}
}

// last is the id that the file gave last, or passed over.
func (l *lives) last() (id ID) {
	l.ok(l.db.view(func(v *reader) error {
		id = ID(v.bucket(bMessages).Sequence())
		return nil
	}))
	return id
}

// sendNext hands over what is next, as a modem would, and sometimes dies in the middle.
func (l *lives) sendNext() {
	m, err := l.db.Next(l.now, Search{})
	if errors.Is(err, ErrEmpty) {
		return
	}
	l.ok(err)
	part := m.next()
	line := m.Line
	if line == "" {
		line = fmt.Sprint("line-", l.r.IntN(2))
	}
	if err := l.db.Claim(m.ID, part, "stick", line, l.now); errors.Is(err, ErrLineBusy) {
		return
	} else if err != nil {
		l.t.Errorf("claim: %v", err)
		return
	}
	switch l.r.IntN(8) {
	case 0:
		l.ok(l.db.Refused(m.ID, part, Refusal{Wait: time.Minute, Reason: "no"}, l.now))
		return
	case 1:
		l.air(m.ID, part)
		l.ok(l.db.Doubt(m.ID, part, "silence", l.now))
		return
	case 2:
		l.air(m.ID, part)
		return // the outcome never comes
	}
	l.air(m.ID, part)
	ref := uint8(l.r.IntN(256))
	l.ok(l.db.Sent(m.ID, part, ref, true, l.now))
	if l.r.IntN(2) == 0 {
		_, err := l.db.Report(line, Report{Ref: ref, Recipient: number, Time: l.now}, l.now)
		l.ok(err)
	}
}

// air: the first part counts for the message.
func (l *lives) air(id ID, part int) {
	if l.gone[id] {
		l.t.Errorf("message %s was cancelled, and is sent", id)
	}
	if part > 0 {
		return
	}
	if l.onAir[id]++; l.onAir[id] > l.allowed[id] {
		l.t.Errorf("message %s is on air %d times, %d were allowed", id, l.onAir[id], l.allowed[id])
	}
}

func (l *lives) some() (ID, bool) {
	list, err := l.db.Messages(Filter{Limit: 30})
	l.ok(err)
	if len(list) == 0 {
		return 0, false
	}
	return list[l.r.IntN(len(list))].ID, true
}

func (l *lives) cancelOne() {
	id, ok := l.some()
	if !ok {
		return
	}
	before := l.get(id).State
	if l.db.Cancel(l.acct.Lane, id, l.now) != nil {
		return
	}
	// What was cancelled, lost, and sent by an operator's word is cancelled still in a backup of the time between.
	_, told := l.gone[id]
	if l.onAir[id] > 0 && !(told && before == Deleted) {
		l.t.Errorf("message %s was cancelled after it was sent", id)
	}
	l.gone[id] = true
}

func (l *lives) operate() int {
	if l.r.IntN(3) == 0 {
		list, err := l.db.Messages(Filter{Held: true, Limit: 1000})
		l.ok(err)
		for _, m := range list {
			l.allowed[m.ID] = l.onAir[m.ID] + 1
		}
		done, err := l.db.RetryHeld(HeldFilter{}, Order{Twice: true}, l.now)
		l.ok(err)
		return done.N
	}
	id, ok := l.some()
	if !ok {
		return 0
	}
	if l.r.IntN(2) == 0 {
		l.db.CloseAs(id, l.r.IntN(2) == 0, Order{}, l.now)
		return 0
	}
	twice := l.r.IntN(2) == 0
	done, err := l.db.Retry(id, Order{Twice: twice, Expires: l.now.Add(4 * time.Hour)}, l.now)
	switch {
	case err != nil:
		return 0
	case done.Fresh:
		l.give(done.ID)
	case twice:
		l.allowed[id] = l.onAir[id] + 1
	}
	return 1
}

// bringBack restores one of the backups, over the present file, or after it was lost.
func (l *lives) bringBack() int64 {
	src := l.backups[len(l.backups)-1-l.r.IntN(min(len(l.backups), 3))]
	// Ids go on at ten a second; the test gives them more quickly, and needs that time to have passed.
	l.pass(time.Duration(len(l.given)) * time.Second)
	l.ok(l.db.Close())
	lost := l.r.IntN(2) == 0
	if lost {
		l.ok(os.Remove(l.path))
	}
	done, err := Restore(src.path, l.path, l.now)
	l.ok(err)
	l.passedOver(src, lost, done)
	l.open()
	_, err = l.db.Recover(l.now)
	l.ok(err)
	l.wantWhole()
	// A cancel is forgotten with the file that was lost, or that is only kept, with the message, as another life of the backup. If a
	// backup still has the message, an operator may send it.
	for id := range l.gone {
		m, err := l.db.Message(id)
		if errors.Is(err, ErrNotFound) || lost && (err != nil || m.State != Deleted) {
			l.gone[id] = false
		}
	}
	return done.Held
}

// passedOver holds a restore to the number of ids that it promises to pass over, if it has no later state of the backup. A file
// that was lost may have given more only after several losses, each of which cost as many. Any two files that are not lost know
// what they gave.
func (l *lives) passedOver(src kept, lost bool, done Restored) {
	if !lost && !strings.Contains(done.Replaced, "no later state") {
		return
	}
	end := src.last + 100_000 + 100*ID(l.now.Sub(src.now)/time.Second)
	if done.NextID <= end {
		l.t.Errorf("the next id is %s, after a backup at %s; want one beyond %s", done.NextID, src.last, end)
	}
	for id := range l.given {
		switch {
		case id <= end:
			delete(l.lost, id)
		case lost:
			l.lost[id] = true
		}
	}
}
