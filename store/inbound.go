package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"smsgateway/sms"
)

// sameText is how long a text is known as the same when it comes again: a modem that was cut off before it could
// acknowledge gets it once more from the network, or from its SIM.
const sameText = 48 * time.Hour

// InboundParts is the setting of accounts that get long texts in parts, as they come; others get them whole.
const InboundParts = "parts"

// Inbound is a text, or one part of it, that a phone sent to one of our SIMs (MO).
type Inbound struct {
	ID          uint64
	Account     string // Account Key of Lane
	Lane        uint32 // whose receivers get it; 0: it is for the inbox alone
	Modem, Line string
	From        sms.Address
	To          string    // our number, if it is known
	Time        time.Time // as the SMSC says; zero if unreadable
	Received    time.Time // the last part of it
	PID, DCS    uint8
	UDH, Data   []byte // Data: septets, one per octet, or octets
	Text        string // as people read it; with "[...]" where parts are missing

	// Of a text that was put together: of how many parts, and how many of these never came. 0: nothing was.
	Parts, Missing int

	digests [][]byte // of the parts that came
}

// Arrival is what became of a text that ReceiveText was given.
type Arrival struct {
	Inbound      // as it is in the inbox; without an ID while it waits for its other parts
	Again   bool // it was known, and nothing was written
	Waiting bool // it is a part, and others are missing
	// Of a part of a text that is put together: how many there are now, and how many there have to be.
	Have, Total int
	// InPart are texts that were delivered in part because this one came: it uses the reference of another one, or too
	// many wait.
	InPart []Inbound
}

// ReceiveText stores a text from a phone; with nil error the modem may forget it. A part of a long one is kept until all
// are there, in any order; then, or when Tick gives up waiting, it is stored as one text. Parts for an account with
// InboundParts are stored as they come. Options.Route tells whose it is; without it in.Lane does. What is stored has a row
// for the receivers of its lane, in the same transaction. ID is given here. The same again within 48 hours (10 minutes, if
// the SMSC gave no time), or while it waits, is a duplicate. ErrDiskFull when only the reserve is left: it stays with the
// modem then.
func (db *DB) ReceiveText(in Inbound, now time.Time) (Arrival, error) {
	var a Arrival
	o := &op{grow: true, run: func(t *txn) (err error) {
		text := in
		a, err = t.receiveText(&text, now)
		return err
	}}
	db.w.put(o)
	<-o.done
	if o.err != nil {
		return Arrival{}, o.err
	}
	db.logInPart(a.InPart)
	return a, nil
}

func (t *txn) receiveText(in *Inbound, now time.Time) (Arrival, error) {
	var a Arrival
	if in.Received.IsZero() {
		in.Received = now
	}
	old, err := t.seen(in, now)
	if err != nil {
		return a, err
	}
	if old != nil {
		a.Inbound, a.Again = *old, true
		return a, nil
	}
	_, _, total, _, isPart := in.concatenation()
	acct, sure := t.route(in, total > 1)
	switch {
	case !isPart, sure && acct != nil && acct.Inbound == InboundParts:
		err = t.keepText(in, acct, now)
		a.Inbound = *in
	case total == 1:
		whole, _ := join([]*Inbound{in})
		err = t.keepText(&whole, acct, now)
		a.Inbound = whole
	default:
		err = t.fragment(&a, in, now)
	}
	return a, err
}

// Receive stores what a phone sent as it is, for the receivers of in.Lane, and otherwise like ReceiveText. A lane whose
// account was removed is as good as none.
func (db *DB) Receive(in Inbound, now time.Time) (Inbound, bool, error) {
	var stored Inbound
	var again bool
	o := &op{grow: true, run: func(t *txn) (err error) {
		stored, again, err = t.receive(in, now)
		return err
	}}
	db.w.put(o)
	<-o.done
	if o.err != nil {
		return Inbound{}, false, o.err
	}
	return stored, again, nil
}

func (t *txn) receive(in Inbound, now time.Time) (Inbound, bool, error) {
	old, err := t.seen(&in, now)
	if err != nil {
		return Inbound{}, false, err
	}
	if old != nil {
		return *old, true, nil
	}
	var owner *Account
	if in.Lane != 0 {
		if owner, err = t.owner(in.Lane); err != nil {
			return Inbound{}, false, err
		}
	}
	if in.Received.IsZero() {
		in.Received = now
	}
	return in, false, t.keepText(&in, owner, now)
}

// keepText stores a text for an account, nil for the inbox alone, with what tells it and each of its parts from their
// repeats.
func (t *txn) keepText(in *Inbound, acct *Account, now time.Time) error {
	in.Lane, in.Account = 0, ""
	if acct != nil {
		in.Lane, in.Account = acct.Lane, acct.Key
	}
	seq, err := t.sequence(bInbound)
	if err != nil {
		return err
	}
	in.ID = seq
	record := appendInbound([]byte{recordVersion}, in)
	if err := t.put(bInbound, idKey(ID(seq)), record); err != nil {
		return err
	}
	for _, digest := range in.allDigests() {
		row := binary.BigEndian.AppendUint64(appendTime([]byte{recordVersion}, now), seq)
		if err := t.put(bSeen, digest, row); err != nil {
			return err
		}
	}
	if in.Lane == 0 {
		return nil
	}
	return t.putOutbox(in.Lane, appendInbound(appendTime([]byte{recordVersion, outInbound}, now), in))
}

// route gives the account that gets a text, nil for none. Of a part of a long one it looks at what all parts have in
// common; sure is false if the text has to be read to decide. If an account can't be read that is to be looked at, it is for
// the inbox alone: better nobody gets it than a stranger.
func (t *txn) route(in *Inbound, part bool) (acct *Account, sure bool) {
	lane, sure := in.Lane, true
	if route := t.w.db.opt.Route; route != nil {
		var key string
		var err error
		key, sure = route(in, t.oldestFirst(&err), part)
		var named *Account
		if err == nil {
			named, err = t.account(key)
		}
		if err != nil {
			t.w.db.warnDamaged(err)
			return nil, true
		}
		if lane = 0; named != nil {
			lane = named.Lane
		}
	}
	if lane == 0 {
		return nil, sure
	}
	acct, err := t.owner(lane)
	if err != nil {
		t.w.db.warnDamaged(err)
	}
	return acct, sure
}

// logInPart tells of texts that were delivered though parts of them are missing.
func (db *DB) logInPart(texts []Inbound) {
	for _, in := range texts {
		db.log.Warn("a long text is delivered in part: the rest did not come in time", "inbox", in.ID, "modem", in.Modem,
			"system_id", in.Account, "parts", in.Parts, "missing", in.Missing)
	}
}

// allDigests are the digests of what came to make this text.
func (in *Inbound) allDigests() [][]byte {
	if in.Parts == 0 {
		return [][]byte{in.digest()}
	}
	return in.digests
}

// digestLen is how many octets of a SHA-256 tell texts apart.
const digestLen = 16

// digest is what makes a text the same as another.
func (in *Inbound) digest() []byte {
	b := appendText(nil, in.Line)
	b = appendAddress(b, in.From)
	b = appendTime(b, in.Time)
	b = appendOctets(appendOctets(b, in.UDH), in.Data)
	sum := sha256.Sum256(b)
	return sum[:digestLen]
}

// repeatedWithin is how long the same as in is in again. Without the SMSC's time, which some send as zeros, two texts of
// the same words are told apart by when they come alone: people say "STOP" more than once. What is unreadable, and has no
// sender either, is all that came.
func (in *Inbound) repeatedWithin() time.Duration {
	if in.Time.IsZero() && in.From.Number != "" {
		return samePart
	}
	return sameText
}

// seen gives the text that in is a repeat of; nil if it is none. What can't be read any more was not seen.
func (t *txn) seen(in *Inbound, now time.Time) (*Inbound, error) {
	digest := in.digest()
	f, err := t.get(bSeen, digest)
	if err != nil {
		t.w.db.warnDamaged(err)
		return nil, nil
	}
	if f == nil {
		return nil, nil
	}
	at, seq := f.time(), f.uint64()
	if err := f.end(); err != nil || now.Sub(at).Abs() >= in.repeatedWithin() {
		return nil, nil
	}
	old, err := t.inbound(idKey(ID(seq)))
	if err != nil {
		t.w.db.warnDamaged(err)
		return nil, nil
	}
	// One that can't be deleted from a SIM comes for as long as it lies there.
	row := binary.BigEndian.AppendUint64(appendTime([]byte{recordVersion}, now), seq)
	return old, t.put(bSeen, digest, row)
}

// InboxFilter chooses texts from phones. Its zero value is the newest fifty.
type InboxFilter struct {
	Account string // Account Key; "": of all, and those that no account gets
	From    string // as sms.SameNumber compares; "": from anybody
	Before  uint64 // older than this ID; 0: from the newest
	Limit   int    // 1 to 1000; 0: 50
}

// Inbox lists texts from phones, the newest first, looking at 100,000 at most. Records that are damaged are left out.
func (db *DB) Inbox(f InboxFilter) ([]Inbound, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, mostMessages)
	var list []Inbound
	err := db.view(func(v *reader) error {
		list = nil
		c := v.bucket(bInbound).Cursor()
		k, _ := c.Last()
		if f.Before != 0 {
			if at, _ := c.Seek(idKey(ID(f.Before))); at != nil {
				k, _ = c.Prev()
			}
		}
		for n := 0; k != nil && n < lookMessages && len(list) < f.Limit; n++ {
			in, err := v.inbound(k)
			switch {
			case err != nil:
				db.warnDamaged(err)
			case f.Account != "" && in.Account != f.Account, f.From != "" && !sms.SameNumber(f.From, in.From.Number):
			default:
				list = append(list, *in)
			}
			k, _ = c.Prev()
		}
		return nil
	})
	return list, err
}

// DropInbound removes texts that were received so long ago, at most 1,000 at a time, and tells how many there were: call
// it again until there are none. While the clock is not believed nothing goes.
func (db *DB) DropInbound(now time.Time, keep time.Duration) (int, error) {
	n := 0
	err := db.w.do(func(t *txn) error {
		n = 0
		if !t.plausible(now) {
			return nil
		}
		for _, k := range t.oldInbound(now.Add(-keep)) {
			if err := t.dropInbound(k); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// oldInbound finds texts that were received before; one that is damaged counts as old when an old one is behind it.
func (t *txn) oldInbound(before time.Time) (old [][]byte) {
	var damaged [][]byte
	c := t.bucket(bInbound).Cursor()
	for k, _ := c.First(); k != nil && len(old) < mostDropped; k, _ = c.Next() {
		key := ownKey(k)
		in, err := t.inbound(k)
		if err != nil {
			damaged = append(damaged, key)
			continue
		}
		if !in.Received.Before(before) {
			break
		}
		old = append(append(old, damaged...), key)
		damaged = nil
	}
	return old
}

// dropInbound removes a text, and what tells whether it came before, unless that speaks of a later one.
func (t *txn) dropInbound(k []byte) error {
	in, err := t.inbound(k)
	if err != nil {
		return t.delete(bInbound, k)
	}
	for _, digest := range in.allDigests() {
		if f, err := t.get(bSeen, digest); err == nil && f != nil {
			if f.time(); f.uint64() == in.ID {
				if err := t.delete(bSeen, digest); err != nil {
					return err
				}
			}
		}
	}
	return t.delete(bInbound, k)
}

// inbound reads a text; a *DamagedError if there is none.
func (v *reader) inbound(k []byte) (*Inbound, error) {
	f, err := v.get(bInbound, k)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, &DamagedError{bucketNames[bInbound], ownKey(k), "it is missing"}
	}
	in := decodeInbound(f)
	return in, f.end()
}

// appendInbound writes nothing behind the text of one that was not put together: so it was in format 1.
func appendInbound(b []byte, in *Inbound) []byte {
	b = binary.BigEndian.AppendUint64(b, in.ID)
	b = binary.BigEndian.AppendUint32(appendText(b, in.Account), in.Lane)
	b = appendText(appendText(b, in.Modem), in.Line)
	b = appendText(appendAddress(b, in.From), in.To)
	b = appendTime(appendTime(b, in.Time), in.Received)
	b = appendOctets(appendOctets(append(b, in.PID, in.DCS), in.UDH), in.Data)
	if in.Parts == 0 {
		return appendText(b, in.Text)
	}
	b = appendText(b, "") // Data say the same, and in UTF-8 it may not fit
	b = append(b, byte(in.Parts), byte(in.Missing))
	for _, digest := range in.digests {
		b = append(b, digest...)
	}
	return b
}

func decodeInbound(f *fields) *Inbound {
	in := &Inbound{ID: f.uint64(), Account: f.text(), Lane: f.uint32()}
	in.Modem, in.Line = f.text(), f.text()
	in.From, in.To = f.address(), f.text()
	in.Time, in.Received = f.time(), f.time()
	in.PID, in.DCS = f.uint8(), f.uint8()
	in.UDH, in.Data, in.Text = f.octets(), f.octets(), f.text()
	if len(f.rest) == 0 {
		return in
	}
	in.Parts, in.Missing = int(f.uint8()), int(f.uint8())
	f.check(in.Text == "" && in.Missing < in.Parts, "its parts make no sense")
	for range in.Parts - in.Missing {
		if f.reason != "" {
			break
		}
		in.digests = append(in.digests, bytes.Clone(f.take(digestLen)))
	}
	in.Text = textOf(in)
	return in
}
