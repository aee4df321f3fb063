package store

import (
	"errors"
	"reflect"
	"strconv"
	"testing"
	"time"
)

func TestAccounts(t *testing.T) {
	b := newBox(t, Options{})
	if b.acct.Lane != 1 || b.other.Lane != 2 || !b.acct.Created.Equal(b.now) {
		t.Errorf("got %+v and %+v", b.acct, b.other)
	}
	_, err := b.db.AddAccount(Account{Key: "SHOP"}, b.now)
	wantError(t, err, ErrAccountExists)
	_, err = b.db.AddAccount(Account{}, b.now)
	if err == nil {
		t.Error("an account without a key was added")
	}
	_, err = b.db.Account("NOBODY")
	wantError(t, err, ErrNoAccount)
	_, err = b.db.AccountOfLane(99)
	wantError(t, err, ErrNoAccount)
	if a, err := b.db.AccountOfLane(2); err != nil || a.Key != "CLINIC" {
		t.Errorf("lane 2 is %+v, %v", a, err)
	}
	all, err := b.db.Accounts()
	if err != nil || len(all) != 2 || all[0].Key != "CLINIC" || all[1].Key != "SHOP" {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestUpdateAccount(t *testing.T) {
	b := newBox(t, Options{})
	b.pass(time.Hour)
	a, err := b.db.UpdateAccount("SHOP", b.now, func(a *Account) error {
		a.Key, a.Lane, a.Created = "THEFT", 77, b.now
		a.Name, a.Password, a.Disabled, a.MaxParts, a.Alphabet = "Shop", "$argon2id$...", true, 3, "gsm7"
		a.Uncertain, a.MaxSessions, a.Inbound, a.DeliverWindow = PolicyResend, 4, InboundParts, 20
		a.QueueLimits, a.Expires = QueueLimits{1, time.Hour, 2, 3}, start()
		a.Rate, a.Window, a.Destinations, a.Sources, a.Addresses = "10/s", 5, "+49", "Shop", "::1"
		a.Unencodable, a.National = "reject", "tr,pt"
		a.Origins = []Origin{{"192.0.2.7/32", start()}}
		a.ResubmitWindow = -1
		return nil
	})
	b.ok(err)
	want := Account{
		Key: "SHOP", Name: "Shop", Lane: 1, Password: "$argon2id$...", Disabled: true, Created: start(), Changed: b.now,
		MaxParts: 3, Alphabet: "gsm7", Uncertain: PolicyResend, MaxSessions: 4, Inbound: InboundParts, DeliverWindow: 20,
		QueueLimits: QueueLimits{1, time.Hour, 2, 3}, Expires: start(), Rate: "10/s", Window: 5, Destinations: "+49",
		Sources: "Shop", Addresses: "::1", Unencodable: "reject", National: "tr,pt", ResubmitWindow: -1,
		Origins: []Origin{{"192.0.2.7/32", start()}},
	}
	b.reopen()
	if read, err := b.db.Account("SHOP"); err != nil || !reflect.DeepEqual(read, want) || !reflect.DeepEqual(a, want) {
		t.Errorf("got %+v and %+v, %v\nwant %+v", a, read, err, want)
	}
	mine := errors.New("no")
	_, err = b.db.UpdateAccount("SHOP", b.now, func(a *Account) error { a.Name = "x"; return mine })
	wantError(t, err, mine)
	if read, _ := b.db.Account("SHOP"); !reflect.DeepEqual(read, want) {
		t.Errorf("a change that was refused changed it to %+v", read)
	}
	_, err = b.db.UpdateAccount("NOBODY", b.now, func(*Account) error { return nil })
	wantError(t, err, ErrNoAccount)
}

// TestNoteOrigin keeps the latest few, each once, and changes nothing else.
func TestNoteOrigin(t *testing.T) {
	b := newBox(t, Options{})
	origin := func(n int, at time.Time) Origin { return Origin{"192.0.2." + strconv.Itoa(n) + "/32", at} }
	for i, n := range []int{1, 2, 3, 2, 4} {
		b.ok(b.db.NoteOrigin(b.acct.Lane, origin(n, b.now.Add(time.Duration(i)*time.Hour)), 3))
	}
	b.reopen()
	want := b.acct
	for i, n := range []int{4, 2, 3} {
		want.Origins = append(want.Origins, origin(n, b.now.Add([]time.Duration{4, 3, 2}[i]*time.Hour)))
	}
	if a, err := b.db.Account("SHOP"); err != nil || !reflect.DeepEqual(a, want) {
		t.Errorf("got %+v, %v\nwant %+v", a, err, want)
	}
	wantError(t, b.db.NoteOrigin(77, origin(1, b.now), 3), ErrNoAccount)
}

// TestRemoveAccount: not while something of it waits; then without a trace for a later account of the same key.
func TestRemoveAccount(t *testing.T) {
	b := newBox(t, Options{})
	wantError(t, b.db.RemoveAccount("NOBODY", b.now), ErrNoAccount)
	for _, r := range reach {
		m := b.message(1)
		if r.state == Partial {
			m = b.message(2)
		}
		if r.state == Claimed || r.state == Unknown || r.state == Expired {
			continue // they need the line, or the time
		}
		r.by(b, b.enqueue(m))
	}
	var busy *AccountBusyError
	if err := b.db.RemoveAccount("SHOP", b.now); !errors.As(err, &busy) || busy.Waiting != 3 {
		t.Fatalf("got %v, want 3 waiting: queued, partial, uncertain", err)
	}
	b.pass(25 * time.Hour)
	b.tick()
	sent := b.enqueue(b.message(1))
	b.send(sent, 0, 9)
	_, _, err := b.db.Receive(Inbound{Lane: b.acct.Lane, Line: "line-1", Text: "hi"}, b.now)
	b.ok(err)
	b.ok(b.db.RemoveAccount("SHOP", b.now))

	if got := b.receipts(); got != nil {
		t.Errorf("the outbox still has %v", got)
	}
	_, err = b.db.Enqueue(b.message(1)).Result()
	wantError(t, err, ErrNoAccount)
	b.report(9, 0x00)
	b.wantState(sent, Delivered)
	if got := b.receipts(); got != nil {
		t.Errorf("a removed account is told %v", got)
	}
	in, _, err := b.db.Receive(Inbound{Account: "SHOP", Lane: b.acct.Lane, Line: "line-1", Time: b.now, Text: "to nobody"}, b.now.Add(time.Second))
	if err != nil || in.Lane != 0 || in.Account != "" {
		t.Errorf("a text for it became %+v, %v", in, err)
	}
	again := b.account("SHOP")
	if again.Lane == b.acct.Lane {
		t.Error("the number of an account was given again")
	}
	wantError(t, b.db.Cancel(again.Lane, sent, b.now), ErrNotFound)
	b.wantIndexes()
}
