package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// contactBite is how many old contacts are dropped in one transaction.
const contactBite = 500

// Window is a stretch of the local clock in which what a SIM sends is counted: it begins with the full minute, the full
// hour, at midnight, or on the first of the month.
type Window uint8

// The windows. Their order is that on disk.
const (
	Minute Window = iota
	Hour
	Day
	Month

	numWindows
)

// String is the word for people and scripts.
func (w Window) String() string { return [...]string{"minute", "hour", "day", "month"}[w%numWindows] }

// start is when the window began that t lies in, by the clock of t's zone. Minutes and hours are counted back from t,
// because an hour of the clock may come twice.
func (w Window) start(t time.Time) time.Time {
	y, m, d := t.Date()
	switch w {
	case Minute, Hour:
		back := time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
		if w == Hour {
			back += time.Duration(t.Minute()) * time.Minute
		}
		return t.Add(-back)
	case Day:
		return dayBegins(y, m, d, t.Location())
	}
	return dayBegins(y, m, 1, t.Location())
}

// dayBegins is the first moment of a day. In some zones (Chile, Cuba, Lebanon) the clock is put forward at midnight, and a
// day begins at one.
func dayBegins(year int, month time.Month, day int, zone *time.Location) time.Time {
	begin := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if begin.Day() != time.Date(year, month, day, 12, 0, 0, 0, zone).Day() { // 23:00: so Go reads a midnight that there is not
		_, begin = begin.ZoneBounds()
	}
	return begin
}

// setBack is how far ahead of the clock a window may have begun and still count: after the clock was set back, its budget
// is not given twice. A minute or an hour is waited for once more at most; else a clock that was set right by a day would
// leave a SIM with a budget of a minute out of work for that day.
var setBack = [numWindows]time.Duration{
	Minute: time.Minute, Hour: time.Hour, Day: 48 * time.Hour, Month: 62 * 24 * time.Hour,
}

// over tells whether a window that begins at start is another one than that which began at stored. A clock that was set
// back a little, or a box that was moved to another zone, gives no budget twice.
func (w Window) over(stored, start time.Time) bool {
	if w == Month && monthOf(stored, start.Location()) == monthOf(start, start.Location()) {
		return false
	}
	back := stored.Sub(start)
	if w == Day && back < 0 && -back < 12*time.Hour { // days of one zone begin further apart
		return false
	}
	return back < 0 || back > setBack[w]
}

// monthOf is the number of the month that began at start, in whichever zone that was.
func monthOf(start time.Time, zone *time.Location) uint32 {
	return monthNumber(start.Add(15 * 24 * time.Hour).In(zone))
}

// End is when the window that t lies in ends.
func (w Window) End(t time.Time) time.Time {
	y, m, d := t.Date()
	switch w {
	case Minute:
		return w.start(t).Add(time.Minute)
	case Hour:
		return w.start(t).Add(time.Hour)
	case Day:
		return dayBegins(y, m, d+1, t.Location())
	}
	return dayBegins(y, m+1, 1, t.Location())
}

// Limits bound what one SIM sends: in Minute, Hour and Day the parts that are handed over, in Month the numbers that
// they go to, each counted once. 0 is no limit.
type Limits [numWindows]int

// Any tells whether there is a limit at all.
func (l Limits) Any() bool { return l != Limits{} }

// BudgetError: a claim would go beyond a limit of the SIM. Nothing was written, and nothing is counted.
type BudgetError struct {
	Window Window
	Limit  int
	Resets time.Time // when the window ends
}

func (e *BudgetError) Error() string {
	what := [...]string{"parts a minute", "parts an hour", "parts a day", "recipients a month"}[e.Window%numWindows]
	return fmt.Sprintf("the SIM may send no more than %d %s", e.Limit, what)
}

// Usage is what a SIM has sent in the present windows.
type Usage struct {
	Used   [numWindows]int
	starts [numWindows]time.Time
}

// Resets is when the budget of a window is given anew. After the clock was set back the window may lie ahead of now.
func (u *Usage) Resets(w Window, now time.Time) time.Time {
	if begun := u.starts[w].In(now.Location()); begun.After(now) {
		return w.End(begun)
	}
	return w.End(now)
}

// Full tells whether no part may be handed over any more, and gives the window that ends last of those used up. The
// Month is not among them: who is a contact already may still get something.
func (u *Usage) Full(l Limits, now time.Time) (full *BudgetError) {
	for w := Minute; w < Month; w++ {
		if l[w] > 0 && u.Used[w] >= l[w] {
			full = &BudgetError{w, l[w], u.Resets(w, now)}
		}
	}
	return full
}

// Room tells whether a message may be begun or gone on with: to begin one there must be room for all parts that wait,
// or nothing used yet, as it might never fit.
func (u *Usage) Room(m *Message, l Limits, now time.Time) *BudgetError {
	waiting := m.count(PartWaiting)
	begins := waiting == len(m.Parts)
	for w := Minute; w < Month; w++ {
		used := u.Used[w]
		switch {
		case l[w] <= 0, begins && used == 0, begins && used+waiting <= l[w], !begins && used < l[w]:
		default:
			return &BudgetError{w, l[w], u.Resets(w, now)}
		}
	}
	return nil
}

// Usage tells what a SIM has sent in the windows of now, as far as it had any limit.
func (db *DB) Usage(line string, now time.Time) (u Usage, err error) {
	err = db.view(func(v *reader) error {
		u, err = v.usage(line, now.In(db.opt.Zone), true)
		return err
	})
	return u, err
}

// usage reads the record of a line and begins the windows anew that are over. While the clock is not believed none is.
func (v *reader) usage(line string, now time.Time, believed bool) (u Usage, err error) {
	f, err := v.get(bUsage, lineKey(line))
	if err != nil {
		return u, err
	}
	if f != nil {
		for w := range u.Used {
			u.starts[w], u.Used[w] = f.time(), int(f.uint32())
		}
		if err := f.end(); err != nil {
			return Usage{}, err
		}
	}
	for w := range numWindows {
		if start := w.start(now); f == nil || believed && w.over(u.starts[w], start) {
			u.starts[w], u.Used[w] = start, 0
		}
	}
	return u, nil
}

func (t *txn) putUsage(line string, u Usage) error {
	b := append(t.scratch(), recordVersion)
	for w := range u.Used {
		b = binary.BigEndian.AppendUint32(appendTime(b, u.starts[w]), uint32(min(max(u.Used[w], 0), math.MaxInt32)))
	}
	return t.put(bUsage, lineKey(line), b)
}

// bill is a claim that has been found to lie within the limits: what is to be written of it.
type bill struct {
	line    string
	usage   Usage
	contact []byte // its key; nil: contacts are not counted
	texts   uint32 // to that contact this month, with this one
}

// afford looks whether a SIM may send one more part of a message. It writes nothing; pay does.
func (t *txn) afford(m *Message, line string, l Limits, now time.Time) (bill, error) {
	now = now.In(t.w.db.opt.Zone)
	u, err := t.usage(line, now, t.plausible(now))
	if err != nil {
		return bill{}, err
	}
	if full := u.Room(m, l, now); full != nil {
		return bill{}, full
	}
	b := bill{line: line}
	if l[Month] > 0 {
		b.contact = contactKey(contactsOf(line, u.starts[Month], t.w.db.opt.Zone), m)
		if b.texts, err = t.contact(b.contact); err != nil {
			return bill{}, err
		}
		if b.texts++; b.texts == 1 {
			u.Used[Month]++
		}
		if b.texts == 1 && u.Used[Month] > l[Month] && m.Line == "" {
			return bill{}, &BudgetError{Month, l[Month], u.Resets(Month, now)}
		}
	}
	for w := Minute; w < Month; w++ {
		u.Used[w]++
	}
	b.usage = u
	return b, nil
}

func (t *txn) pay(b bill) error {
	if b.contact != nil {
		if err := t.putContact(b.contact, b.texts); err != nil {
			return err
		}
	}
	return t.putUsage(b.line, b.usage)
}

// refund takes back what a claim counted, in the windows that are still the same.
func (t *txn) refund(m *Message, p *Part) error {
	zone := t.w.db.opt.Zone
	u, err := t.usage(p.Line, p.ClaimedAt.In(zone), false)
	if err != nil {
		return err
	}
	for w := Minute; w < Month; w++ {
		if u.starts[w].Equal(w.start(p.ClaimedAt.In(zone))) && u.Used[w] > 0 {
			u.Used[w]--
		}
	}
	contact := contactKey(contactsOf(p.Line, u.starts[Month], zone), m)
	texts, err := t.contact(contact)
	if err != nil {
		return err
	}
	if texts > 0 && u.starts[Month].Equal(Month.start(p.ClaimedAt.In(zone))) {
		if texts == 1 {
			u.Used[Month]--
		}
		if err := t.putContact(contact, texts-1); err != nil {
			return err
		}
	}
	return t.putUsage(p.Line, u)
}

// contactsOf is what the keys of a SIM's contacts in one month begin with.
func contactsOf(line string, start time.Time, zone *time.Location) []byte {
	return binary.BigEndian.AppendUint32(lineKey(line), monthOf(start, zone))
}

func monthNumber(t time.Time) uint32 { return uint32(t.Year()*12 + int(t.Month()) - 1) }

// contactKey keeps a digest of the number: it is to be told apart, not to be read.
func contactKey(prefix []byte, m *Message) []byte {
	digest := sha256.Sum256([]byte(strings.TrimPrefix(m.Destination.Number, "+")))
	return append(bytes.Clone(prefix), digest[:8]...)
}

// contact tells how many texts went to a contact in its month.
func (v *reader) contact(key []byte) (uint32, error) {
	f, err := v.get(bContacts, key)
	if f == nil || err != nil {
		return 0, err
	}
	n := f.uint32()
	return n, f.end()
}

func (t *txn) putContact(key []byte, texts uint32) error {
	if texts == 0 {
		return t.delete(bContacts, key)
	}
	return t.put(bContacts, key, binary.BigEndian.AppendUint32([]byte{recordVersion}, texts))
}

// Contact tells whether something was sent to a message's recipient by that SIM this month, as far as contacts are
// counted.
func (db *DB) Contact(line string, m *Message, now time.Time) (known bool, err error) {
	err = db.view(func(v *reader) error {
		u, err := v.usage(line, now.In(db.opt.Zone), true)
		if err != nil {
			return err
		}
		n, err := v.contact(contactKey(contactsOf(line, u.starts[Month], db.opt.Zone), m))
		known = n > 0
		return err
	})
	return known, err
}

// openContacts finds out which contacts will do.
func (n *finder) openContacts() error {
	zone := n.db.opt.Zone
	u, err := n.v.usage(n.s.Contacts, n.now.In(zone), true)
	if err != nil {
		return err
	}
	n.contacts = contactsOf(n.s.Contacts, u.starts[Month], zone)
	return nil
}

// DropContacts forgets contacts of months that are over, at most 500 at a call, and tells how many. While the clock is
// not believed none goes.
func (db *DB) DropContacts(now time.Time) (n int, err error) {
	err = db.w.do(func(t *txn) error {
		n = 0
		if !t.plausible(now) {
			return nil
		}
		old := t.oldContacts(monthNumber(now.In(db.opt.Zone)))
		for _, k := range old {
			if err := t.delete(bContacts, k); err != nil {
				return err
			}
		}
		n = len(old)
		return nil
	})
	return n, err
}

// oldContacts copies the keys of contacts before that month. In a line they stand in the order of months, so that the
// present one's are passed over at once.
func (v *reader) oldContacts(month uint32) (old [][]byte) {
	c := v.bucket(bContacts).Cursor()
	for k, _ := c.First(); k != nil && len(old) < contactBite; {
		n := 1 + int(k[0])
		if len(k) != n+12 || binary.BigEndian.Uint32(k[n:]) < month {
			old = append(old, ownKey(k)) // what has no such key is of no use to anybody
			k, _ = c.Next()
			continue
		}
		k, _ = c.Seek(append(bytes.Clone(k[:n]), bytes.Repeat([]byte{0xff}, 13)...))
	}
	return old
}
