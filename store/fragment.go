package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"smsgateway/sms"
)

const (
	// mostWaiting is how many long texts of one line may wait for parts. Beyond it the oldest is delivered in part.
	mostWaiting = 10_000
	// mostJoined is how many parts make one Inbound: more would not fit into the 64 KiB that a record and a
	// message_payload hold. A text of more comes as two.
	mostJoined = 200
	// endsInTick bounds how many long texts Tick gives up at a time.
	endsInTick = 50
	// samePart is how far apart the SMSC's times of two parts of the same contents may be that are one: a phone whose part
	// was not acknowledged sends it again.
	samePart = 10 * time.Minute
)

// GapText stands in a text where parts never came.
const GapText = "[...]"

// Rows of the bucket fragments begin with one of these; the package comment has the rest.
const (
	rowFragment = 'p' // a part
	rowAge      = 'a' // since when a long text waits; no value
	rowWaiting  = 'n' // how many of a line wait
)

// fragments are the parts of one long text that have come so far.
type fragments struct {
	digest []byte // of what they have in common
	line   string
	since  time.Time  // when the first came
	parts  []*Inbound // by number, from 0; nil for what has not come, or can't be read any more
}

func (f *fragments) whole() bool { return f.have() == len(f.parts) }

func (f *fragments) have() (n int) {
	for _, p := range f.parts {
		if p != nil {
			n++
		}
	}
	return n
}

// concatenation tells which part of how many a text is. ok is false for one that is whole by itself; what says that it is
// part 0, or one beyond the last, is such a one, too (TS 23.040 §9.2.3.24.1).
func (in *Inbound) concatenation() (ref uint16, wide bool, total, seq int, ok bool) {
	if len(in.UDH) == 0 {
		return 0, false, 0, 0, false
	}
	elems, err := sms.ParseUDH(in.UDH)
	if err != nil {
		return 0, false, 0, 0, false
	}
	ref, wide, t, s, ok := sms.ConcatOf(elems)
	return ref, wide, int(t), int(s), ok
}

// PartOf tells which part of how many it is, for a text that an account gets in parts; 1, 1 if it is whole.
func (in *Inbound) PartOf() (number, total int) {
	if _, _, total, seq, ok := in.concatenation(); ok {
		return seq, total
	}
	return 1, 1
}

// fragmentsDigest is what the parts of one text have in common: line, sender, reference and its width, and how many there
// are (gsm-modem §3.3). Words and octets are never parts of one text.
func (in *Inbound) fragmentsDigest(ref uint16, wide bool, total int) []byte {
	b := appendText(append(appendText(nil, in.Line), byte(in.From.TON)), in.From.Number)
	b = append(binary.BigEndian.AppendUint16(b, ref), bit(wide, 1)|bit(alphabetOf(in) == sms.Binary, 2), byte(total))
	sum := sha256.Sum256(b)
	return sum[:digestLen]
}

func alphabetOf(in *Inbound) sms.Alphabet {
	a, _ := sms.AlphabetOf(in.DCS) // what is compressed is octets
	return a
}

// sameAs tells whether a part that comes is one that waits already.
func (in *Inbound) sameAs(old *Inbound) bool {
	return in.DCS == old.DCS && bytes.Equal(in.UDH, old.UDH) && bytes.Equal(in.Data, old.Data) &&
		in.Time.Sub(old.Time).Abs() <= samePart
}

// fragment takes in a part of a long text.
func (t *txn) fragment(a *Arrival, in *Inbound, now time.Time) error {
	ref, wide, total, seq, _ := in.concatenation()
	digest := in.fragmentsDigest(ref, wide, total)
	f := t.fragments(digest, in.Line, total)
	if old := f.parts[seq-1]; old != nil {
		if in.sameAs(old) {
			a.Inbound, a.Again, a.Waiting, a.Have, a.Total = *old, true, true, f.have(), total
			return nil
		}
		texts, err := t.finish(f, now) // the phone uses the reference for another text now
		if err != nil {
			return err
		}
		a.InPart = texts
		f = t.fragments(digest, in.Line, total)
	}
	if f.since.IsZero() {
		f.since = now
		texts, err := t.wait(f, now)
		if err != nil {
			return err
		}
		a.InPart = append(a.InPart, texts...)
	}
	f.parts[seq-1] = in
	a.Have, a.Total = f.have(), total
	if !f.whole() {
		a.Inbound, a.Waiting = *in, true
		record := appendInbound(appendTime([]byte{recordVersion}, f.since), in)
		return t.put(bFragments, fragmentKey(digest, seq), record)
	}
	whole, err := t.finish(f, now)
	if err == nil {
		a.Inbound = whole[0]
	}
	return err
}

func (t *txn) fragments(digest []byte, line string, total int) *fragments {
	f, err := t.readFragments(digest, line, total)
	if err != nil {
		t.w.db.warnDamaged(err)
	}
	return f
}

// readFragments reads the parts that have come. One that can't be read counts as not come, and is damaged. total 0: as the
// parts say.
func (v *reader) readFragments(digest []byte, line string, total int) (f *fragments, damaged error) {
	f = &fragments{digest: digest, line: line, parts: make([]*Inbound, total)}
	for _, k := range v.keys(bFragments, fragmentKey(digest)) {
		r, err := v.get(bFragments, k)
		if err == nil {
			since, in := r.time(), decodeInbound(r)
			_, _, n, seq, ok := in.concatenation()
			if total == 0 && len(f.parts) == 0 {
				f.parts = make([]*Inbound, n)
			}
			r.check(ok && n == len(f.parts) && bytes.Equal(k, fragmentKey(digest, seq)), "it is not the part that its key says")
			if err = r.end(); err == nil {
				f.since, f.parts[seq-1] = since, in
			}
		}
		damaged = errors.Join(damaged, err)
	}
	return f, damaged
}

// WaitingText is a long text of which parts are missing still.
type WaitingText struct {
	Inbound           // as it would be delivered now, without an ID or an Account
	Until   time.Time // then it is delivered in part, unless something holds that up
}

// WaitingTexts lists the long texts that wait for parts, those of each line in the order in which they began, at most limit.
func (db *DB) WaitingTexts(limit int) ([]WaitingText, error) {
	var list []WaitingText
	err := db.view(func(v *reader) error {
		list = nil
		c := v.bucket(bFragments).Cursor()
		for k, _ := c.Seek([]byte{rowAge}); isAge(k) && len(list) < limit; k, _ = c.Next() {
			line, since, digest := splitAge(k)
			f, err := v.readFragments(digest, line, 0)
			if err != nil {
				db.warnDamaged(err)
			} else if f.have() == 0 || !f.since.Equal(since) {
				db.warnRow(bFragments, k)
			}
			if in, ok := join(f.parts); ok {
				in.Lane, in.Account = 0, ""
				list = append(list, WaitingText{in, since.Add(db.settings().InboundWait)})
			}
		}
		return nil
	})
	return list, err
}

// wait notes a new long text of a line. With too many the oldest is delivered as it is.
func (t *txn) wait(f *fragments, now time.Time) (ended []Inbound, err error) {
	n, err := t.countWaiting(f.line)
	if err != nil {
		return nil, err
	}
	for ; n >= t.w.db.mostWaiting; n-- {
		oldest := t.oldest(f.line)
		if oldest == nil {
			break
		}
		texts, err := t.finishRow(oldest, now)
		if err != nil {
			return nil, err
		}
		ended = append(ended, texts...)
	}
	if err := t.put(bFragments, ageKey(f.line, f.since, f.digest), nil); err != nil {
		return nil, err
	}
	t.wake = min(t.wake, milli(f.since.Add(t.w.db.settings().InboundWait)))
	return ended, t.addWaiting(f.line, 1)
}

// finish delivers a long text as far as it has come, and forgets that it waited.
func (t *txn) finish(f *fragments, now time.Time) ([]Inbound, error) {
	for _, k := range t.keys(bFragments, fragmentKey(f.digest)) {
		if err := t.delete(bFragments, k); err != nil {
			return nil, err
		}
	}
	if err := t.dropAge(ageKey(f.line, f.since, f.digest)); err != nil {
		return nil, err
	}
	var delivered []Inbound
	for first := 0; first < len(f.parts); first += mostJoined {
		texts, err := t.deliverJoined(f.parts[first:min(first+mostJoined, len(f.parts))], now)
		if err != nil {
			return nil, err
		}
		delivered = append(delivered, texts...)
	}
	return delivered, nil
}

// deliverJoined stores parts as one text, or each by itself if their account wants it so.
func (t *txn) deliverJoined(parts []*Inbound, now time.Time) ([]Inbound, error) {
	in, ok := join(parts)
	if !ok {
		return nil, nil
	}
	acct, _ := t.route(&in, false)
	if acct == nil || acct.Inbound != InboundParts {
		err := t.keepText(&in, acct, now)
		return []Inbound{in}, err
	}
	var each []Inbound
	for _, p := range parts {
		if p == nil {
			continue
		}
		if err := t.keepText(p, acct, now); err != nil {
			return nil, err
		}
		each = append(each, *p)
	}
	return each, nil
}

// finishRow is finish for a row of the kind rowAge.
func (t *txn) finishRow(k []byte, now time.Time) ([]Inbound, error) {
	line, since, digest := splitAge(k)
	f := t.fragments(digest, line, 0)
	if f.have() == 0 || !f.since.Equal(since) { // damaged, or a row of nothing
		t.w.db.warnRow(bFragments, k)
		if err := t.dropAge(k); err != nil || f.have() > 0 {
			return nil, err
		}
		f.since = since
	}
	return t.finish(f, now)
}

// endFragments delivers in part what has waited for inbound_wait, at most limit texts: the oldest of each line, and those
// whose time is in the future, from a clock that was wrong. n is how many there were.
func (t *txn) endFragments(now time.Time, limit int) (ended []Inbound, n int, err error) {
	if t.holdFragments() > 0 {
		return nil, 0, nil
	}
	for _, line := range t.waitingLines() {
		for n < limit {
			k := t.oldest(line)
			if k == nil {
				break
			}
			if !t.waitedLong(k, now) {
				if k = t.newest(line); k == nil || !t.waitedLong(k, now) {
					break
				}
			}
			texts, err := t.finishRow(k, now)
			if err != nil {
				return nil, 0, err
			}
			ended = append(ended, texts...)
			n++
		}
	}
	return ended, n, nil
}

func (t *txn) waitedLong(k []byte, now time.Time) bool {
	_, since, _ := splitAge(k)
	return now.Sub(since).Abs() >= t.w.db.settings().InboundWait
}

// holdFragments is for how long nothing is given up: what came while the gateway was off is read first, and on a full disk
// the room is left to outcomes.
func (t *txn) holdFragments() time.Duration {
	if t.w.disk.low {
		return time.Minute
	}
	return max(t.w.db.evidenceWait(), 0)
}

// nextFragments is when endFragments has something to do; zero for never.
func (t *txn) nextFragments(now time.Time) time.Time {
	next := t.firstFragments(t.w.db.settings().InboundWait)
	if held := now.Add(t.holdFragments()); !next.IsZero() && next.Before(held) {
		return held
	}
	return next
}

// firstFragments is when the first long text has waited long enough; zero for none.
func (v *reader) firstFragments(wait time.Duration) (first time.Time) {
	for _, line := range v.waitingLines() {
		if k := v.oldest(line); k != nil {
			_, since, _ := splitAge(k)
			if end := since.Add(wait); first.IsZero() || end.Before(first) {
				first = end
			}
		}
	}
	return first
}

// waitingLines lists the lines that have long texts which wait.
func (v *reader) waitingLines() (lines []string) {
	c := v.bucket(bFragments).Cursor()
	k, _ := c.Seek([]byte{rowAge})
	for isAge(k) {
		line, _, _ := splitAge(k)
		lines = append(lines, line)
		k, _ = c.Seek(append(append([]byte{rowAge}, lineKey(line)...), 0xFF))
	}
	return lines
}

// oldest is the row of the long text of a line that has waited longest; nil for none.
func (v *reader) oldest(line string) []byte {
	prefix := append([]byte{rowAge}, lineKey(line)...)
	k, _ := v.bucket(bFragments).Cursor().Seek(prefix)
	if !isAge(k) || !bytes.HasPrefix(k, prefix) {
		return nil
	}
	return ownKey(k)
}

// newest is the row of that which came last, by the clock at that time.
func (v *reader) newest(line string) []byte {
	prefix := append([]byte{rowAge}, lineKey(line)...)
	c := v.bucket(bFragments).Cursor()
	k, _ := c.Seek(append(prefix[:len(prefix):len(prefix)], 0xFF)) // no time begins so
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !isAge(k) || !bytes.HasPrefix(k, prefix) {
		return nil
	}
	return ownKey(k)
}

// dropAge deletes the row of a long text that waits no more, if it is there.
func (t *txn) dropAge(key []byte) error {
	if k, _ := t.bucket(bFragments).Cursor().Seek(key); !bytes.Equal(k, key) {
		return nil
	}
	if err := t.delete(bFragments, key); err != nil {
		return err
	}
	line, _, _ := splitAge(key)
	return t.addWaiting(line, -1)
}

// countWaiting tells how many long texts of a line wait. A number that can't be read is counted anew.
func (t *txn) countWaiting(line string) (int, error) {
	f, err := t.get(bFragments, waitingKey(line))
	if f == nil && err == nil {
		return 0, nil
	}
	if err == nil {
		n := int(f.uint32())
		if err = f.end(); err == nil {
			return n, nil
		}
	}
	t.w.db.warnDamaged(err)
	n := len(t.keys(bFragments, append([]byte{rowAge}, lineKey(line)...)))
	return n, t.setWaiting(line, n)
}

// addWaiting is called when the row itself was written or deleted.
func (t *txn) addWaiting(line string, d int) error {
	n, err := t.countWaiting(line)
	if err != nil {
		return err
	}
	return t.setWaiting(line, max(n+d, 0))
}

func (t *txn) setWaiting(line string, n int) error {
	if n == 0 {
		return t.delete(bFragments, waitingKey(line))
	}
	return t.put(bFragments, waitingKey(line), binary.BigEndian.AppendUint32([]byte{recordVersion}, uint32(n)))
}

// fragmentKey is the key of a part, or without its number what all parts of the text begin with.
func fragmentKey(digest []byte, seq ...int) []byte {
	k := append([]byte{rowFragment}, digest...)
	for _, s := range seq {
		k = append(k, byte(s))
	}
	return k
}

func ageKey(line string, since time.Time, digest []byte) []byte {
	k := append([]byte{rowAge}, lineKey(line)...)
	return append(binary.BigEndian.AppendUint64(k, uint64(milli(since))), digest...)
}

func waitingKey(line string) []byte { return append([]byte{rowWaiting}, lineKey(line)...) }

// isAge tells whether k has the shape that splitAge wants.
func isAge(k []byte) bool {
	return len(k) >= 2 && k[0] == rowAge && len(k) == 2+int(k[1])+8+digestLen
}

func splitAge(k []byte) (line string, since time.Time, digest []byte) {
	n := 2 + int(k[1])
	return string(k[2:n]), fromMilli(int64(binary.BigEndian.Uint64(k[n:]))), bytes.Clone(k[n+8:])
}
