package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func sure() Order { return Order{By: "root", Twice: true, Expires: start().Add(48 * time.Hour)} }

// heldBox has some held messages in it.
func heldBox(t *testing.T, n int) (*box, []ID) {
	b := newBox(t, Options{})
	var ids []ID
	for range n {
		ids = append(ids, b.enqueue(b.message(1)))
	}
	backup := b.backup()
	b.loseFile()
	b.restore(backup)
	return b, ids
}

// TestRetryHeld: what is released is sent once, as a possible duplicate, in its old order; the rest is still held.
func TestRetryHeld(t *testing.T) {
	b, ids := heldBox(t, 600)
	_, err := b.db.Retry(ids[7], Order{By: "root"}, b.now)
	wantError(t, err, ErrMayDouble)
	_, err = b.db.RetryHeld(HeldFilter{}, Order{}, b.now)
	wantError(t, err, ErrMayDouble)
	if _, err := b.db.Retry(ids[7], sure(), b.now); err != nil {
		t.Fatal(err)
	}
	m, err := b.db.Next(b.now, Search{})
	b.ok(err)
	if m.ID != ids[7] || !m.Duplicate || m.Held || len(m.Acts) != 1 || m.Acts[0].By != "root" {
		t.Fatalf("%+v", m)
	}
	b.send(ids[7], 0, 1)
	list, err := b.db.Messages(Filter{Held: true, Limit: 1000})
	b.ok(err)
	if len(list) != 599 || list[0].ID != ids[599] {
		t.Errorf("%d are listed as held", len(list))
	}
	n, calls := 0, 0
	for f := (HeldFilter{Lane: b.acct.Lane, Destination: number}); ; calls++ {
		done, err := b.db.RetryHeld(f, sure(), b.now)
		b.ok(err)
		n += done.N
		if f.After = done.After; !done.More {
			break
		}
	}
	if n != 599 || calls == 0 {
		t.Errorf("%d released in %d calls", n, calls+1)
	}
	b.wantWhole()
	b.wantIndexes()
	for _, id := range slices.Concat(ids[:7], ids[8:]) {
		m, err := b.db.Next(b.now, Search{})
		b.ok(err)
		if m.ID != id {
			t.Fatalf("message %s is next, want %s", m.ID, id)
		}
		b.send(id, 0, 2)
	}
	_, err = b.db.Next(b.now, Search{})
	wantError(t, err, ErrEmpty)
}

// TestReleasedExpires: what was released and not sent ends as unknown, as nobody knows of the first try.
func TestReleasedExpires(t *testing.T) {
	b, ids := heldBox(t, 1)
	_, err := b.db.Retry(ids[0], sure(), b.now)
	b.ok(err)
	var state *StateError
	if err := b.db.Cancel(b.acct.Lane, ids[0], b.now); !errors.As(err, &state) {
		t.Errorf("cancel: %v", err)
	}
	b.pass(25 * time.Hour)
	b.tick()
	b.wantState(ids[0], Unknown)
}

func TestCloseAs(t *testing.T) {
	b, ids := heldBox(t, 3)
	m, err := b.db.CloseAs(ids[0], true, sure(), b.now)
	b.ok(err)
	if m.State != Accepted || m.Held || len(m.Acts) != 1 {
		t.Errorf("%+v", m)
	}
	m, err = b.db.CloseAs(ids[1], false, sure(), b.now)
	b.ok(err)
	if m.State != Undeliverable {
		t.Errorf("%+v", m)
	}
	done, err := b.db.CloseHeld(HeldFilter{}, true, sure(), b.now)
	if err != nil || done.N != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	var state *StateError
	if _, err := b.db.CloseAs(ids[1], true, sure(), b.now); !errors.As(err, &state) {
		t.Errorf("closed twice: %v", err)
	}
	if got := b.receipts(); !slices.Equal(got, []string{"accepted", "undeliverable", "accepted"}) {
		t.Errorf("receipts: %v", got)
	}
	doubt := b.enqueue(b.message(2))
	b.claim(doubt, 0)
	b.ok(b.db.Doubt(doubt, 0, "silence", b.now))
	m, err = b.db.CloseAs(doubt, true, sure(), b.now)
	if err != nil || m.State != Partial { // its other part is still to go
		t.Errorf("%+v, %v", m, err)
	}
	b.wantWhole()
	b.wantIndexes()
}

// TestRetry: what may be sent again in each state, and how.
func TestRetry(t *testing.T) {
	b := newBox(t, Options{})
	scheduled := b.message(1)
	scheduled.Due = b.now.Add(time.Hour)
	refused, later, claimed, sent := b.enqueue(b.message(1)), b.enqueue(scheduled), b.enqueue(b.message(1)), b.enqueue(b.message(1))
	failed, unknown, deleted, doubt := b.enqueue(b.message(1)), b.enqueue(b.message(1)), b.enqueue(b.message(1)), b.enqueue(b.message(1))
	b.claim(refused, 0)
	b.ok(b.db.Refused(refused, 0, Refusal{Wait: 30 * time.Minute, Reason: "no"}, b.now))
	b.send(sent, 0, 1)
	b.claim(failed, 0)
	b.ok(b.db.Refused(failed, 0, Refusal{Final: Undeliverable, Reason: "no"}, b.now))
	for _, id := range []ID{unknown, doubt} {
		b.claim(id, 0)
		b.ok(b.db.Doubt(id, 0, "silence", b.now))
		if id == unknown {
			b.pass(16 * time.Minute)
			b.tick()
		}
	}
	b.wantState(unknown, Unknown)
	b.ok(b.db.Cancel(b.acct.Lane, deleted, b.now))
	b.claim(claimed, 0)
	once := Order{By: "root", Expires: b.now.Add(24 * time.Hour)}
	for _, id := range []ID{later, claimed, sent, deleted} {
		var state *StateError
		if _, err := b.db.Retry(id, sure(), b.now); !errors.As(err, &state) || state.Reason == "" {
			t.Errorf("%s: %v", b.get(id).State, err)
		}
	}
	for _, id := range []ID{unknown, doubt} {
		_, err := b.db.Retry(id, once, b.now)
		wantError(t, err, ErrMayDouble)
	}
	if done, err := b.db.Retry(refused, once, b.now); err != nil || done.ID != refused || done.Fresh || b.get(refused).in.row != rowQueue {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := b.db.Retry(doubt, sure(), b.now); err != nil || done.ID != doubt || !b.get(doubt).Duplicate {
		t.Errorf("%+v, %v", done, err)
	}
	done, err := b.db.Retry(failed, once, b.now)
	if err != nil || !done.Fresh || done.ID == failed {
		t.Fatalf("%+v, %v", done, err)
	}
	if m := b.get(done.ID); m.Duplicate || m.RegisteredDelivery != 0 || string(m.Parts[0].Data) != "part 1" || m.Acts[0].What == "" {
		t.Errorf("%+v", m)
	}
	_, err = b.db.Retry(failed, once, b.now) // a second copy
	wantError(t, err, ErrMayDouble)
	if done, err := b.db.Retry(unknown, sure(), b.now); err != nil || !b.get(done.ID).Duplicate {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantState(failed, Undeliverable)
	b.wantState(unknown, Unknown)
	b.reopen()
	if m := b.get(failed); len(m.Acts) != 1 || m.Acts[0].By != "root" {
		t.Errorf("after a restart: %+v", m.Acts)
	}
	for range 15 {
		_, err := b.db.Retry(failed, sure(), b.now)
		b.ok(err)
	}
	if n := len(b.get(failed).Acts); n != mostActs {
		t.Errorf("%d acts are kept", n)
	}
	b.wantWhole()
	b.wantIndexes()
}
