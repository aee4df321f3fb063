package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// lifeTime is when the life that live leads comes to its end, in the file and for those who ask it.
func lifeTime() time.Time { return start().Add(26 * time.Hour) }

// live leads a varied life until all buckets have rows; between its chapters it calls chapter, for
// those who want to know what the file was before.
func live(b *box, chapter func()) {
	takeIn(b, 300)
	b.ok(second(b.db.UpdateAccount(b.acct.Key, b.now, func(a *Account) error { a.Name = "Shop"; return nil })))
	for n := range 12 {
		b.account(fmt.Sprintf("ACCOUNT%03d", n))
	}
	chapter()
	outcomes(b)
	chapter()
	texts(b)
	chapter()
	b.pass(25 * time.Hour)
	b.tick() // what has ended is gone now
	takeIn(b, 250)
	chapter()
	b.pass(50 * time.Minute)
	outcomes(b)
	texts(b)
	chapter()
	b.pass(10 * time.Minute)
	b.tick()
	takeIn(b, 60)
	id := b.enqueue(b.message(1))
	b.claim(id, 0) // the file ends with an open claim
}

// takeIn takes in messages of four sizes, due at once and later, some of which may be submitted again.
func takeIn(b *box, messages int) {
	for n := range messages {
		m := b.message(1 + n%5)
		m.Destination.Number = fmt.Sprintf("49170%07d", n)
		m.Priority = uint8(n % 7 / 6)
		for i := range m.Parts {
			m.Parts[i].Data = fmt.Appendf(nil, "%0*d", 40+100*(n%2), n)
		}
		if n%4 == 3 {
			m.Due = b.now.Add(time.Duration(n%100) * time.Minute)
		}
		if n%5 == 4 {
			m.Account, m.Lane = b.other.Key, b.other.Lane
		}
		if n%6 == 5 {
			b.ok(second(b.db.EnqueueOnce(m, Once{Reference: uint16(n), Content: [16]byte{byte(n)}, Window: 48 * time.Hour}).Result()))
			continue
		}
		b.enqueue(m)
	}
}

// outcomes has some of what waits sent, refused, reported, cancelled, and left in doubt.
func outcomes(b *box) {
	for n := range 120 {
		line := fmt.Sprint("line-", n%3)
		m, err := b.db.Next(b.now, Search{})
		b.ok(err)
		if n%10 == 9 && m.State == Queued {
			b.ok(b.db.Cancel(m.Lane, m.ID, b.now))
			continue
		}
		part := m.next()
		if m.Line != "" {
			line = m.Line
		}
		var limits Limits
		limits[Month] = 1000
		b.ok(b.db.ClaimWithin(m.ID, part, "stick", line, limits, b.now))
		switch n % 10 {
		case 2:
			b.ok(b.db.Doubt(m.ID, part, "silence", b.now))
		case 3:
			b.ok(b.db.Refused(m.ID, part, Refusal{Wait: time.Minute, Counted: true, Reason: "congestion"}, b.now))
		case 4:
			b.ok(b.db.Refused(m.ID, part, Refusal{Final: Undeliverable, Reason: "no such number"}, b.now))
		default:
			b.ok(b.db.Sent(m.ID, part, uint8(n), true, b.now))
			if n%10 > 6 {
				r := Report{Ref: uint8(n), Recipient: m.Destination.Number, Time: b.now, Discharge: b.now}
				b.ok(second(b.db.Report(line, r, b.now)))
			}
		}
		b.pass(time.Second)
	}
	for n := range 5 { // reports that belong to nothing
		b.ok(second(b.db.Report("line-1", Report{Ref: uint8(n), Recipient: "15550001111", Time: b.now}, b.now)))
	}
}

// texts come from phones, whole and in parts; and modems and SIMs are told about.
func texts(b *box) {
	for n := range 30 {
		text := fmt.Sprint("text ", n)
		in := Inbound{Lane: b.acct.Lane, Line: "line-1", Time: b.now, Text: text, Data: []byte(text)}
		_, _, err := b.db.Receive(in, b.now)
		b.ok(err)
		b.ok(second(b.db.ReceiveText(b.parts(uint16(n), 0, "one", "two", "three")[n%3], b.now)))
	}
	rows, err := b.db.Outbox(b.acct.Lane, 0, 20)
	b.ok(err)
	for _, d := range rows {
		b.ok(b.db.Acknowledge(d.Lane, d.Seq))
	}
	b.ok(b.db.RememberPIN("8949010000123456789"))
	b.ok(second(b.db.UpdateModem("sim1", func(s *ModemState) error { s.IMEI = "490154203237518"; return nil })))
}

func second(_ any, err error) error { return err }

// digest stands for an answer: times and pointers must not make a difference.
func digest(v any, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	says, err := json.Marshal(v)
	if err != nil {
		return "error: " + err.Error()
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		return fmt.Sprintf("%d of them, %x", list.Len(), sha256.Sum256(says))
	}
	return string(says)
}

// record is what a message says, as octets.
func (m *Message) record() string { return string(appendMessage(nil, m)) }

// question is one that the store is asked, and its answer.
type question struct {
	Name, Answer string
	List         bool // damaged records are left out of it
}

// ask asks all that can be asked.
func ask(db *DB, ids []ID, now time.Time) (all []question) {
	add := func(name string, answer string, list bool) { all = append(all, question{name, answer, list}) }
	for _, id := range ids {
		answer := ""
		if m, err := db.Message(id); err != nil {
			answer = "error: " + err.Error()
		} else {
			answer = m.record()
		}
		add("message "+id.String(), answer, false)
	}
	accounts, err := db.Accounts()
	add("accounts", digest(accounts, err), true)
	for _, a := range []string{"SHOP", "CLINIC", "ACCOUNT003"} {
		a, err := db.Account(a)
		add("account "+a.Key, digest(a, err), false)
	}
	for lane := range uint32(3) {
		add(fmt.Sprint("counts of ", lane), digest(db.Counts(lane)), false)
		list, err := db.Outbox(lane, 0, 1000)
		var rows []string
		for _, d := range list {
			rows = append(rows, fmt.Sprint(d.Seq, d.Created.UTC(), d.Receipt != nil, d.Inbound != nil))
		}
		add(fmt.Sprint("outbox of ", lane), digest(rows, err), true)
		add(fmt.Sprint("count of outbox ", lane), digest(db.CountOutbox(lane, 1000)), false)
		add(fmt.Sprint("use of ", lane), digest(db.Use(lane, now)), false)
	}
	inbox, err := db.Inbox(InboxFilter{})
	add("inbox", digest(inbox, err), true)
	add("waiting texts", digest(db.WaitingTexts(100)), true)
	list, err := db.Messages(Filter{Limit: 1000})
	var records []string
	for _, m := range list {
		records = append(records, m.ID.String()+m.record())
	}
	slices.Sort(records)
	add("list", digest(records, err), true)
	for n := range 3 {
		add(fmt.Sprint("usage ", n), digest(db.Usage(fmt.Sprint("line-", n), now)), false)
	}
	add("modem", digest(db.Modem("sim1")), false)
	add("pin", digest(db.PINRefused("8949010000123456789")), false)
	add("timer", digest(db.NextTimer()), true)
	var queue []string
	_, err = db.Next(now, Search{Judge: func(m *Message) Verdict {
		queue = append(queue, m.ID.String())
		return Never
	}})
	add("queue", digest(queue, nil)+fmt.Sprint(err), true)
	return all
}
