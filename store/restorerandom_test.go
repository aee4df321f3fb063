package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// lives is a random life with backups, restores and losses in it, and what was seen from outside.
type lives struct {
	*box
	r       *rand.Rand
	given   map[ID]bool // ids that clients were told
	onAir   map[ID]int  // how often it was sent
	allowed map[ID]int  // how often it may be
	gone    map[ID]bool // cancelled, and the client was told so
	backups []string
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
	}
	l.now = time.Now().Truncate(time.Second) // ids begin by the true time
	held, released := int64(0), 0
	for step := range 1500 {
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
			l.backups = append(l.backups, l.backup())
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
	}
	t.Logf("%d messages, %d on air, %d backups, %d times held, %d released", len(l.given), len(l.onAir), len(l.backups), held, released)
}

func (l *lives) submit() {
	m := l.message(1 + l.r.IntN(2))
	m.Expires = l.now.Add(4 * time.Hour)
	if l.r.IntN(5) == 0 {
		m.Due = l.now.Add(time.Hour)
	}
	id := l.enqueue(m)
	if l.given[id] {
		l.t.Errorf("id %s is given twice", id)
	}
	l.given[id], l.allowed[id] = true, 1
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
	if id, ok := l.some(); ok && l.db.Cancel(l.acct.Lane, id, l.now) == nil {
		if l.gone[id] = true; l.onAir[id] > 0 {
			l.t.Errorf("message %s was cancelled after it was sent", id)
		}
	}
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
		if l.given[done.ID] {
			l.t.Errorf("id %s is given twice", done.ID)
		}
		l.given[done.ID], l.allowed[done.ID] = true, 1
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
	done, err := Restore(src, l.path, l.now)
	l.ok(err)
	l.open()
	_, err = l.db.Recover(l.now)
	l.ok(err)
	l.wantWhole()
	if lost { // that a message was cancelled which only the lost file knew, nobody knows, and an operator may send it
		for id := range l.gone {
			if m, err := l.db.Message(id); err != nil || m.State != Deleted {
				delete(l.gone, id)
			}
		}
	}
	return done.Held
}
