package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// checkBite is how many rows are looked at in one transaction, so that none keeps pages of the file from being used again for
// long. What a row has to agree with is looked up in the same one.
const checkBite = 10_000

// agree looks whether the rows of the buckets agree with each other, in both directions.
func (c *checker) agree() error {
	if c.o.Quick || c.damagedPages > 0 {
		return nil
	}
	total, done := int64(0), int64(0)
	rows := slices.DeleteFunc(c.rowChecks(), func(r rowCheck) bool { return !c.present[r.b] }) // in a file of an older format
	for _, r := range rows {
		total += c.records[r.b]
	}
	for _, r := range rows {
		for from := []byte{}; from != nil; {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			var n int64
			var err error
			if from, n, err = c.bite(r.b, from, r.look); err != nil {
				return err
			}
			done += n
			c.say(Progress{"whether records and indexes agree", min(done, total), total})
		}
	}
	for _, d := range c.misfits() {
		if c.faults[d.b] == 0 && c.faults[bGone] == 0 { // else it was found which rows these are
			c.findAll([]disagreement{d})
		}
	}
	if c.repair != nil {
		return c.repair.write()
	}
	return nil
}

// bite looks at some rows of a bucket from a key on, and gives where to go on; nil: there are no more.
func (c *checker) bite(b bucket, from []byte, look func(v *reader, k, value []byte)) (next []byte, n int64, err error) {
	err = c.view(func(v *reader) error {
		next, n = nil, 0
		cur := v.bucket(b).Cursor()
		k, value := cur.Seek(from)
		for ; k != nil; k, value = cur.Next() {
			if n == checkBite {
				next = ownKey(k)
				return nil
			}
			n++
			look(v, k, value)
		}
		return nil
	})
	if err == nil && c.repair != nil {
		err = c.repair.write()
	}
	return next, n, err
}

type rowCheck struct {
	b    bucket
	look func(v *reader, k, value []byte)
}

// rowChecks: what stands for itself comes first, and what is derived from it behind, so that a repair finds the rows of an index
// made before it looks for those that belong to nothing.
func (c *checker) rowChecks() []rowCheck {
	return []rowCheck{
		{bAccounts, c.lookAccount}, {bLanes, c.lookLane}, {bMessages, c.lookMessage},
		{bQueue, c.lookQueue}, {bLater, c.lookLater}, {bTimers, c.lookTimer}, {bClaims, c.lookClaim}, {bReports, c.lookReport},
		{bOutbox, c.lookOutbox}, {bInbound, c.lookInbound}, {bSeen, c.lookSeen}, {bQuotas, c.lookQuota},
		{bFragments, c.lookFragment}, {bFragments, c.lookAge}, {bFragments, c.lookWaiting}, {bResubmits, c.lookResubmit},
	}
}

func (c *checker) lookAccount(v *reader, k, _ []byte) {
	a, err := v.account(string(ownKey(k)))
	if a == nil || err != nil {
		return // told with the records
	}
	owner, err := v.accountOfLane(a.Lane)
	if err == nil && owner != nil && owner.Key == a.Key {
		return
	}
	if err == nil && owner != nil {
		c.find(bAccounts, k, fmt.Sprintf("account %s has the number of account %s", a.Key, owner.Key), "one may see the other's messages")
		return
	}
	c.find(bAccounts, k, fmt.Sprintf("account %s can't be found by its number", a.Key), "its messages wait, and its receipts are dropped",
		mend{b: bLanes, key: laneKey(a.Lane), value: appendText([]byte{recordVersion}, a.Key)})
}

func (c *checker) lookLane(v *reader, k, _ []byte) {
	f, err := v.get(bLanes, k)
	if f == nil || err != nil {
		return
	}
	key := f.text()
	if a, err := v.account(key); err == nil && (a == nil || !bytes.Equal(laneKey(a.Lane), k)) {
		c.find(bLanes, k, fmt.Sprintf("it names account %s, which is not there or has another number", key), "nothing: it is left over",
			mend{b: bLanes, key: ownKey(k), drop: true})
	}
}

func (c *checker) lookMessage(v *reader, k, value []byte) {
	m, err := decodeMessage(k, value)
	if err != nil {
		return
	}
	put := func(b bucket, key []byte, what, means string) {
		if !hasKey(v, b, key) {
			c.find(b, key, fmt.Sprintf("message %s %s", m.ID, what), means, mend{b: b, key: key})
		}
	}
	changed := false
	if !m.State.End() && m.decide() != m.State {
		c.find(bMessages, k, fmt.Sprintf("message %s is %s, and its parts say %s", m.ID, m.State, m.decide()), "it may be stuck: see message show")
	}
	if m.State.waiting() != (m.in.row != rowNone) {
		changed = true
		m.in.row = m.wantedRow(c.found.Written) // if it is due since, its timer says so
	}
	if m.in.was != m.State || m.in.wake <= 0 || m.in.wake%1000 != 0 {
		changed = true
		m.in.was, m.in.wake = m.State, m.wakeTime(withDefaults())
	}
	if changed {
		c.find(bMessages, k, fmt.Sprintf("message %s does not say rightly where its rows are", m.ID), "it may be stuck",
			mend{b: bMessages, key: ownKey(k), value: appendMessage(nil, m)})
	}
	switch m.in.row {
	case rowQueue:
		put(bQueue, queueKey(m), "waits and has no place in the queue", "it would never be sent")
	case rowLater:
		put(bLater, laterKey(m.Lane, m.ID), "waits for its time and has no row among those that do", "it can't be cancelled by its address")
	}
	if timer := timerKey(m.in.wake, m.ID); !hasKey(v, bTimers, timer) {
		put(bTimers, timer, "has no timer", "it would never expire, nor be forgotten")
	}
	c.lookParts(v, m, put)
	if hasKey(v, bGone, k) {
		c.find(bGone, k, fmt.Sprintf("message %s is there, and is said to be gone", m.ID), "nothing: it is left over", mend{b: bGone, key: ownKey(k), drop: true})
	}
}

func (c *checker) lookParts(v *reader, m *Message, put func(b bucket, key []byte, what, means string)) {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.matched {
			put(bReports, m.matchKey(p), fmt.Sprintf("can't be found for the status report of its part %d", i+1), "the report would not be known as its own")
		}
		if p.State != PartClaimed {
			continue
		}
		f, err := v.get(bClaims, lineKey(p.Line))
		if err == nil && f != nil && ID(f.uint64()) == m.ID && int(f.uint8()) == i {
			continue
		}
		c.find(bClaims, lineKey(p.Line), fmt.Sprintf("message %s is with a modem, and the SIM has no open claim of it", m.ID),
			"a restart would not notice that it may have been sent", mend{b: bClaims, key: lineKey(p.Line), value: partRow(m, i)})
	}
}

// ofMessage reads the message that a row of an index names; nil if there is none. known is false if it can't be read.
func ofMessage(v *reader, id []byte) (m *Message, known bool) {
	m, err := v.message(ID(binary.BigEndian.Uint64(id)))
	if err != nil && !forgotten(err) {
		return nil, false
	}
	return m, true
}

// stray notes a row that belongs to nothing.
func (c *checker) stray(b bucket, k []byte, what, means string) {
	c.find(b, k, what, means, mend{b: b, key: ownKey(k), drop: true})
}

func (c *checker) lookQueue(v *reader, k, _ []byte) {
	if len(k) != 13 {
		return
	}
	m, known := ofMessage(v, k[5:])
	if known && (m == nil || m.in.row != rowQueue || !bytes.Equal(queueKey(m), k)) {
		c.stray(bQueue, k, "it is a place in the queue, and its message does not wait there", "it is passed over each time")
	}
}

func (c *checker) lookLater(v *reader, k, _ []byte) {
	if len(k) != 12 {
		return
	}
	m, known := ofMessage(v, k[4:])
	if known && (m == nil || m.in.row != rowLater || !bytes.Equal(laterKey(m.Lane, m.ID), k)) {
		c.stray(bLater, k, "it is of a message that waits for its time, and that does not", "it is passed over")
	}
}

func (c *checker) lookTimer(v *reader, k, _ []byte) {
	if len(k) != 16 {
		return
	}
	m, err := v.message(ID(binary.BigEndian.Uint64(k[8:])))
	var gone *GoneError
	switch {
	case errors.As(err, &gone), err != nil && !errors.Is(err, ErrNotFound):
	case m == nil:
		c.stray(bTimers, k, fmt.Sprintf("it is a timer of message %s, which is not there", ID(binary.BigEndian.Uint64(k[8:]))),
			"a message that was accepted is lost, and a repair does not bring it back: restore a backup, or go on without it")
	case m.in.wake != int64(binary.BigEndian.Uint64(k)):
		c.stray(bTimers, k, "it is a timer of a message that has another one", "it goes when it is due")
	}
}

func (c *checker) lookClaim(v *reader, k, _ []byte) {
	f, err := v.get(bClaims, k)
	if f == nil || err != nil {
		return
	}
	id, part := f.uint64(), int(f.uint8())
	m, known := ofMessage(v, binary.BigEndian.AppendUint64(nil, id))
	if !known {
		return
	}
	if m == nil || part >= len(m.Parts) || m.Parts[part].State != PartClaimed || !bytes.Equal(lineKey(m.Parts[part].Line), k) {
		c.stray(bClaims, k, "the SIM has an open claim of a message that is with no modem", "the SIM sends nothing until the next start")
	}
}

func (c *checker) lookReport(v *reader, k, _ []byte) {
	if len(k) < 19 {
		return
	}
	m, known := ofMessage(v, k[len(k)-9:])
	if !known {
		return
	}
	part := int(k[len(k)-1])
	if m == nil || part >= len(m.Parts) || !m.Parts[part].matched || !bytes.Equal(m.matchKey(&m.Parts[part]), k) {
		c.stray(bReports, k, "it leads status reports to a part that awaits none there", "a report may be taken for another message's")
	}
}

func (c *checker) lookOutbox(v *reader, k, _ []byte) {
	d, err := v.delivery(k)
	if err != nil {
		return
	}
	if owner, err := v.accountOfLane(d.Lane); err == nil && owner == nil {
		c.stray(bOutbox, k, "it waits for the receivers of an account that is not there", "it goes within an hour")
		return
	}
	r := d.Receipt
	if r == nil {
		return
	}
	if !r.Intermediate && !r.State.End() {
		c.find(bOutbox, k, fmt.Sprintf("it is the receipt of message %s, and %s is no end", r.ID, r.State), "its client is told something wrong")
	}
	m, err := v.message(r.ID)
	if err == nil && !r.Intermediate && m.State != r.State && r.State != Unknown {
		c.find(bOutbox, k, fmt.Sprintf("it says that message %s ended as %s, and that one is %s", r.ID, r.State, m.State),
			"its client is told something wrong")
	}
}

func (c *checker) lookInbound(v *reader, k, _ []byte) {
	in, err := v.inbound(k)
	if err != nil {
		return
	}
	for _, digest := range in.allDigests() {
		if !hasKey(v, bSeen, digest) {
			record := binary.BigEndian.AppendUint64(appendTime([]byte{recordVersion}, in.Received), in.ID)
			c.find(bSeen, digest, fmt.Sprintf("text %d of the inbox would not be known if it came again", in.ID), "it might be delivered twice",
				mend{b: bSeen, key: digest, value: record})
		}
	}
}

func (c *checker) lookSeen(v *reader, k, _ []byte) {
	f, err := v.get(bSeen, k)
	if f == nil || err != nil {
		return
	}
	f.time()
	if id := f.uint64(); f.end() == nil && !hasKey(v, bInbound, idKey(ID(id))) {
		c.stray(bSeen, k, fmt.Sprintf("it is of text %d, which is not in the inbox", id), "nothing: it is left over")
	}
}

func (c *checker) lookQuota(v *reader, k, _ []byte) {
	if len(k) != 4 {
		return
	}
	if owner, err := v.accountOfLane(binary.BigEndian.Uint32(k)); err == nil && owner == nil {
		c.stray(bQuotas, k, "it counts for an account that is not there", "nothing: it is left over")
	}
}

func (c *checker) lookFragment(v *reader, k, _ []byte) {
	if len(k) != 2+digestLen || k[0] != rowFragment {
		return
	}
	f, err := v.get(bFragments, k)
	if f == nil || err != nil {
		return
	}
	since, in := f.time(), decodeInbound(f)
	if age := ageKey(in.Line, since, k[1:1+digestLen]); f.end() == nil && !hasKey(v, bFragments, age) {
		c.find(bFragments, age, "a long text from a phone waits for parts, and nothing says since when", "it would wait for ever",
			mend{b: bFragments, key: age})
	}
}

// lookAge looks at the rows that say since when long texts wait. A repair has made those that were missing.
func (c *checker) lookAge(v *reader, k, _ []byte) {
	if !isAge(k) {
		return
	}
	line, _, digest := splitAge(k)
	prefix := fragmentKey(digest)
	if first, _ := v.bucket(bFragments).Cursor().Seek(prefix); !bytes.HasPrefix(first, prefix) {
		c.stray(bFragments, k, "a long text from a phone is said to wait, and none of its parts is there", "nothing: it goes when its time is over")
		return
	}
	if n := waitingKey(line); !hasKey(v, bFragments, n) && (c.noCount == nil || !bytes.Equal(c.noCount, n)) {
		c.noCount = n
		c.find(bFragments, n, "nothing says how many long texts of a SIM wait", "too many may wait", countOf(v, n))
	}
}

// countOf counts the long texts of a line that wait; n is the key of their number.
func countOf(v *reader, n []byte) mend {
	count := uint32(0)
	prefix := append([]byte{rowAge}, n[1:]...)
	cur := v.bucket(bFragments).Cursor()
	for a, _ := cur.Seek(prefix); isAge(a) && bytes.HasPrefix(a, prefix); a, _ = cur.Next() {
		count++
	}
	if count == 0 {
		return mend{b: bFragments, key: ownKey(n), drop: true}
	}
	return mend{b: bFragments, key: ownKey(n), value: binary.BigEndian.AppendUint32([]byte{recordVersion}, count)}
}

// lookWaiting compares how many long texts of a line are said to wait with those that do. Their rows are mended before.
func (c *checker) lookWaiting(v *reader, k, value []byte) {
	if len(k) < 2 || k[0] != rowWaiting {
		return
	}
	if _, err := v.get(bFragments, k); err != nil {
		return
	}
	is := countOf(v, k)
	if !is.drop && bytes.Equal(value[:len(value)-crcLen], is.value) {
		return
	}
	c.find(bFragments, k, "it is not said rightly how many long texts of a SIM wait", "some may be delivered in part too early", is)
}

func (c *checker) lookResubmit(v *reader, k, _ []byte) {
	switch {
	case len(k) == 23 && k[0] == rowSubmitted:
		row := v.submitted(k)
		if row.id == 0 {
			return
		}
		if forget := forgetKey(row.until, k); !hasKey(v, bResubmits, forget) {
			c.find(bResubmits, forget, fmt.Sprintf("nothing says when it is forgotten that message %s was submitted", row.id), "the row would stay for ever",
				mend{b: bResubmits, key: forget})
		}
	case isForget(k):
		key := append([]byte{rowSubmitted}, k[9:]...)
		if row := v.submitted(key); row.id == 0 || !bytes.Equal(forgetKey(row.until, key), k) {
			c.stray(bResubmits, k, "it is to forget what is forgotten, or is to go at another time", "nothing: it goes when it is due")
		}
	}
}

// hasKey tells whether there is a row of that key, also one without a value.
func hasKey(v *reader, b bucket, key []byte) bool {
	k, _ := v.bucket(b).Cursor().Seek(key)
	return bytes.Equal(k, key)
}

// withDefaults is a DB that knows the settings by default, and nothing else.
func withDefaults() *DB {
	db := &DB{opt: Options{}.withDefaults()}
	db.inForce.Store(db.opt.settings())
	return db
}
