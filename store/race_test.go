package store

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// raceFlag is how many times a cancel and a claim meet in TestCancelAgainstClaim.
var raceFlag = flag.Int("races", 3000, "messages that TestCancelAgainstClaim cancels and claims at once")

// TestCancelAgainstClaim has a cancel and a claim of the same message meet, many thousand times: one of the two wins, never
// both and never neither, and what they were told is what the file says afterwards. It is the real writer with its group
// commit, so that both are often in one transaction; only fsync is left out, which comes after all has been decided: a power
// cut would lose whole groups, of which nobody was told.
func TestCancelAgainstClaim(t *testing.T) {
	b := newBox(t, Options{})
	const racers = 32
	var won [racers]map[ID]bool // true: the claim
	var cancelled, claimed, left atomic.Int64
	left.Store(int64(*raceFlag))
	var all sync.WaitGroup
	for n := range racers {
		won[n] = make(map[ID]bool)
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for left.Add(-1) >= 0 && !t.Failed() {
				id, byClaim, err := b.race(r, n)
				if err != nil {
					t.Errorf("message %s: %v", id, err)
					return
				}
				won[n][id] = byClaim
				if byClaim {
					claimed.Add(1)
				} else {
					cancelled.Add(1)
				}
			}
		})
	}
	all.Wait()
	b.reopen()
	for n := range won {
		for id, byClaim := range won[n] {
			m := b.get(id)
			state, attempts := Deleted, 0
			if byClaim {
				state, attempts = Accepted, 1
			}
			if m.State != state || int(m.Parts[0].Attempts) != attempts {
				t.Errorf("message %s is %s after %d tries, won by the claim: %t", id, m.State, m.Parts[0].Attempts, byClaim)
			}
		}
	}
	b.wantIndexes()
	t.Logf("%d cancelled, %d claimed", cancelled.Load(), claimed.Load())
	if least := int64(*raceFlag / 20); cancelled.Load() < least || claimed.Load() < least {
		t.Error("there was no race")
	}
}

// race is one of them, and tells who won. The claim's message is sent then.
func (b *box) race(r *rand.Rand, n int) (id ID, byClaim bool, err error) {
	m := b.message(1)
	m.Destination.Number = fmt.Sprintf("4917%04d", n) // nobody else's
	if id, err = b.db.Enqueue(m).Result(); err != nil {
		return id, false, err
	}
	line := fmt.Sprint("line-", n)
	ready, canceling := make(chan struct{}), make(chan error)
	byNumber, late := r.IntN(4) == 0, r.IntN(3)
	go func() {
		<-ready
		if byNumber {
			n, err := b.db.CancelMatching(b.acct.Lane, "SHOP", m.Destination.Number, "", b.now)
			if err == nil && n == 0 {
				err = ErrGone
			}
			canceling <- err
			return
		}
		canceling <- b.db.Cancel(b.acct.Lane, id, b.now)
	}()
	if close(ready); late > 0 {
		time.Sleep(time.Duration(r.IntN(200*late)) * time.Microsecond)
	}
	claim := b.db.Claim(id, 0, "stick", line, b.now)
	during, err := b.db.Message(id)
	cancel := <-canceling
	switch {
	case err != nil:
	case claim == nil && cancel == nil:
		err = errors.New("cancelled, and claimed")
	case claim != nil && !errors.Is(claim, ErrGone), cancel != nil && !errors.Is(cancel, ErrGone):
		err = errors.Join(claim, cancel)
	case claim != nil && cancel != nil:
		err = errors.New("neither cancelled nor claimed")
	case claim == nil && during.State != Claimed, claim != nil && during.State != Deleted:
		err = fmt.Errorf("it was %s while both had their answers", during.State)
	case claim == nil:
		return id, true, b.db.Sent(id, 0, 1, false, b.now)
	}
	return id, false, err
}
