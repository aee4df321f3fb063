package store

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"smsgateway/sms"
)

// inFile counts how often something stands in the file.
func (b *box) inFile(what string) int {
	b.t.Helper()
	data, err := os.ReadFile(b.path)
	b.ok(err)
	return bytes.Count(data, []byte(what))
}

// secretLife does everything that leaves texts, numbers and secrets in the file, and has all of it end.
func (b *box) secretLife() {
	b.t.Helper()
	next := 0
	secret := func(parts int) *Message {
		m := b.message(parts)
		next++
		m.Destination.Number, m.Preview = fmt.Sprintf("4915550%05d", next), fmt.Sprint("SECRET preview ", next)
		for i := range m.Parts {
			m.Parts[i].Data = fmt.Appendf(nil, "SECRET text %d, part %d", next, i)
		}
		return m
	}
	for range 30 { // cancelled
		b.ok(b.db.Cancel(b.acct.Lane, b.enqueue(secret(2)), b.now))
	}
	for range 10 { // replaced
		id := b.enqueue(secret(1))
		other := Replacement{Preview: "SECRET preview", Parts: [][]byte{[]byte("SECRET other text")}}
		b.ok(b.db.Replace(b.acct.Lane, id, other, b.now))
	}
	for n := range 12 { // sent, with a report for some, which another one comes before
		id := b.enqueue(secret(1))
		m := b.get(id)
		b.claim(id, 0)
		if n%3 == 0 {
			_, err := b.db.Report("line-1", Report{Ref: uint8(n), Recipient: "+" + m.Destination.Number, Time: b.now}, b.now)
			b.ok(err)
		}
		b.ok(b.db.Sent(id, 0, uint8(n), true, b.now))
		_, err := b.db.Contact("line-1", m, b.now)
		b.ok(err)
	}
	_, err := b.db.Report("line-2", Report{Ref: 7, Recipient: "+491555012345", Time: b.now}, b.now) // whose is not known
	b.ok(err)
	doubted := b.enqueue(secret(1))
	b.claim(doubted, 0)
	b.ok(b.db.Doubt(doubted, 0, "silence", b.now))

	from := sms.Address{TON: 1, NPI: 1, Number: "4915550999"}
	for n := range 10 { // texts from phones, whole and in parts
		in := Inbound{Lane: b.acct.Lane, Account: b.acct.Key, Line: "line-1", From: from, Time: b.now}
		in.Data, in.Text = fmt.Appendf(nil, "SECRET answer %d", n), fmt.Sprint("SECRET answer ", n)
		_, err := b.db.ReceiveText(in, b.now)
		b.ok(err)
		in.UDH, in.Data = []byte{0, 3, byte(n), 3, 1}, fmt.Appendf(nil, "SECRET part %d", n)
		in.Text = string(in.Data)
		_, err = b.db.ReceiveText(in, b.now)
		b.ok(err)
	}
	b.ok(b.db.RememberPIN("SECRET digest of a PIN"))
	b.ok(b.db.ForgetPIN("SECRET digest of a PIN"))
	_, err = b.db.AddAccount(Account{Key: "GONE", Password: "SECRET hash"}, b.now)
	b.ok(err)
	b.ok(b.db.RemoveAccount("GONE", b.now))
	for _, password := range []string{"SECRET former hash", "hash"} {
		_, err = b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.Password = password; return nil })
		b.ok(err)
	}
	for range 4 {
		b.pass(24 * time.Hour)
		b.tick()
	}
	b.pass(31 * 24 * time.Hour)
	b.tick()
	for {
		rows, err := b.db.DropOutbox(b.now, 72*time.Hour)
		b.ok(err)
		texts, err := b.db.DropInbound(b.now, 30*24*time.Hour)
		b.ok(err)
		contacts, err := b.db.DropContacts(b.now)
		b.ok(err)
		if rows+texts+contacts == 0 {
			return
		}
	}
}

// TestErased: after its time a text can be found in the file, as bbolt leaves it there; after a compaction it can't, nor a
// number, nor the digest of a former password.
func TestErased(t *testing.T) {
	b := newBox(t, Options{})
	b.compact() // what the box has written so far
	if s, err := b.db.Space(); err != nil || !s.Erased.IsZero() {
		t.Fatalf("nothing was deleted, and Space says %+v, %v", s, err)
	}
	first := b.now
	b.secretLife()
	kept := b.enqueue(b.message(1))
	s, err := b.db.Space()
	if b.ok(err); s.Erased.IsZero() || s.Erased.After(first.Add(time.Hour)) && s.Erased.Before(b.now) {
		t.Errorf("texts were deleted since %s, and Space says %+v", first, s)
	}
	needles := []string{"SECRET text", "SECRET preview", "SECRET other", "SECRET answer", "SECRET part", "SECRET digest",
		"SECRET hash", "SECRET former", "491555"}
	found := 0
	for _, what := range needles {
		found += b.inFile(what)
	}
	if found < 20 {
		t.Errorf("they stand in the file %d times before it is compacted: the test finds nothing", found)
	}
	t.Logf("before: %d times", found)
	b.reopen()
	if again, err := b.db.Space(); err != nil || !again.Erased.Equal(s.Erased) {
		t.Errorf("after a restart Space says %+v, %v", again, err)
	}
	b.compact()
	for _, what := range append(needles, "SECRET") {
		if n := b.inFile(what); n != 0 {
			t.Errorf("%q stands in the file %d times", what, n)
		}
	}
	if n := b.inFile("part 1"); n == 0 || b.get(kept).ID != kept {
		t.Errorf("the text that is kept stands in the file %d times", n)
	}
	if s, err := b.db.Space(); err != nil || !s.Erased.IsZero() {
		t.Errorf("after that Space says %+v, %v", s, err)
	}
	b.reopen()
	if s, err := b.db.Space(); err != nil || !s.Erased.IsZero() {
		t.Errorf("after a restart Space says %+v, %v", s, err)
	}
}

// TestErasedMeanwhile: what is deleted while the file is compacted may be in the new file, and it is known since when.
func TestErasedMeanwhile(t *testing.T) {
	b := newBox(t, Options{})
	b.tick()
	id := b.enqueue(b.message(1))
	b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
	other := b.enqueue(b.message(1))
	due := b.now.Add(30 * 24 * time.Hour)
	long := b.message(1)
	long.Due, long.Expires = due, due.Add(time.Hour)
	waits := b.enqueue(long)
	b.pass(2 * time.Hour)
	b.tick()
	for round, deletes := range []bool{true, false} {
		began := b.now
		b.onStep(func(_ *compaction, name string) error {
			if name == "caught up" && deletes {
				b.ok(b.db.Replace(b.acct.Lane, waits, Replacement{Parts: [][]byte{[]byte("other")}}, b.now))
			}
			return nil
		})
		b.compact()
		s, err := b.db.Space()
		if b.ok(err); s.Erased.IsZero() == deletes || deletes && s.Erased.Before(began.Add(-time.Minute)) {
			t.Errorf("round %d, with a deletion: %t, at %s: %+v", round, deletes, began, s)
		}
		b.onStep(nil)
		b.reopen()
		if again, err := b.db.Space(); err != nil || !again.Erased.Equal(s.Erased) {
			t.Errorf("round %d: after a restart Space says %+v, %v", round, again, err)
		}
		b.pass(time.Hour)
		b.tick()
	}
	b.get(other)
}

// TestKeptWithoutText: of a message that waits for its report after it was kept long enough, only what that takes is left.
func TestKeptWithoutText(t *testing.T) {
	b := newBox(t, Options{Keep: time.Hour})
	m := b.message(1)
	m.Preview, m.Parts[0].Data = "SECRET preview", []byte("SECRET text")
	id := b.enqueue(m)
	b.send(id, 0, 1)
	for _, d := range b.outbox() { // "sent", as the notification tells with the text
		b.ok(b.db.Acknowledge(b.acct.Lane, d.Seq))
	}
	b.pass(2 * time.Hour)
	b.tick()
	b.compact()
	if n := b.inFile("SECRET"); n != 0 {
		t.Errorf("its text stands in the file %d times", n)
	}
	b.report(1, 0)
	b.wantState(id, Delivered)
}

func (b *box) outbox() []Delivery {
	b.t.Helper()
	rows, err := b.db.Outbox(b.acct.Lane, 0, 1000)
	b.ok(err)
	return rows
}

// steadyDays is how long TestSteadyLoad lasts: go test ./store -run TestSteadyLoad -v -days 60.
var steadyDays = flag.Int("days", 9, "virtual days of TestSteadyLoad; 6 or more")

// TestSteadyLoad: under the same load day after day the file settles: pages that are free are used again.
func TestSteadyLoad(t *testing.T) {
	if *steadyDays < 6 {
		t.Fatalf("-days %d: the file settles in 5; take 6 or more", *steadyDays)
	}
	b := newBox(t, Options{Tombstone: 24 * time.Hour})
	const perHour = 40
	var sizes []Space
	var days []string
	for range *steadyDays {
		for range 24 {
			b.steadyHour(perHour)
		}
		s, err := b.db.Space()
		b.ok(err)
		sizes = append(sizes, s)
		days = append(days, fmt.Sprintf("%d+%d", s.Used>>10, s.Free>>10))
	}
	t.Logf("KiB in use + free, day by day: %s", strings.Join(days, " "))
	settled, last := sizes[4], sizes[len(sizes)-1]
	if last.Used > settled.Used*5/4 {
		t.Errorf("%d octets are in use after %d days, and %d were after 5", last.Used, len(sizes), settled.Used)
	}
	if last.Free > last.Used {
		t.Errorf("%d octets are free after %d days, and %d in use", last.Free, len(sizes), last.Used)
	}
	done := b.compact()
	t.Logf("compacted: %d KiB before, %d after", done.Before>>10, done.After>>10)
	b.wantIndexes()
}

// steadyHour takes some messages in; some go out and are reported, some are cancelled, the rest expires.
func (b *box) steadyHour(n int) {
	b.t.Helper()
	var window []*Accept
	for range n {
		m := b.message(1)
		m.Expires = b.now.Add(90 * time.Minute)
		m.Parts[0].Data = bytes.Repeat([]byte("text "), 28)
		window = append(window, b.db.Enqueue(m))
	}
	for i, a := range window {
		id, err := a.Result()
		b.ok(err)
		switch i % 8 {
		case 0:
			b.send(id, 0, uint8(i))
			b.report(uint8(i), 0)
		case 1:
			b.ok(b.db.Cancel(b.acct.Lane, id, b.now))
		}
	}
	for _, d := range b.outbox() {
		b.ok(b.db.Acknowledge(b.acct.Lane, d.Seq))
	}
	b.pass(time.Hour)
	b.tick()
}
