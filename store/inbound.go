package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"smsgateway/sms"
)

// sameText is how long a text is known as the same when it comes again: a modem that was cut off before it could
// acknowledge gets it once more from the network, or from its SIM.
const sameText = 48 * time.Hour

// Inbound is a text, or one part of it, that a phone sent to one of our SIMs (MO).
type Inbound struct {
	ID          uint64
	Account     string // Account Key of Lane
	Lane        uint32 // whose receivers get it; 0: it is for the inbox alone
	Modem, Line string
	From        sms.Address
	To          string    // our number, if it is known
	Time        time.Time // as the SMSC says; zero if unreadable
	Received    time.Time
	PID, DCS    uint8
	UDH, Data   []byte // Data: septets, one per octet, or octets
	Text        string // as people read it
}

// Receive stores a text from a phone, and a row for the receivers of its lane, in one transaction; with nil error the
// modem may forget it. ID is given here. The same text again within 48 hours is a duplicate: what is stored is returned,
// with true, and nothing is written. A lane whose account was removed is as good as none. ErrDiskFull when only the
// reserve is left: it stays with the modem then.
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
	digest := in.digest()
	if old, err := t.seen(digest, now); old != nil || err != nil {
		return orZero(old), old != nil, err
	}
	if in.Lane != 0 {
		owner, err := t.owner(in.Lane)
		if err != nil {
			return Inbound{}, false, err
		}
		if owner == nil {
			in.Lane, in.Account = 0, ""
		}
	}
	seq, err := t.sequence(bInbound)
	if err != nil {
		return Inbound{}, false, err
	}
	in.ID = seq
	if in.Received.IsZero() {
		in.Received = now
	}
	record := appendInbound([]byte{recordVersion}, &in)
	if err := t.put(bInbound, idKey(ID(seq)), record); err != nil {
		return Inbound{}, false, err
	}
	row := binary.BigEndian.AppendUint64(appendTime([]byte{recordVersion}, now), seq)
	if err := t.put(bSeen, digest, row); err != nil {
		return Inbound{}, false, err
	}
	if in.Lane == 0 {
		return in, false, nil
	}
	return in, false, t.putOutbox(in.Lane, appendInbound(appendTime([]byte{recordVersion, outInbound}, now), &in))
}

func orZero(in *Inbound) Inbound {
	if in == nil {
		return Inbound{}
	}
	return *in
}

// digest is what makes a text the same as another.
func (in *Inbound) digest() []byte {
	b := appendText(nil, in.Line)
	b = appendAddress(b, in.From)
	b = appendTime(b, in.Time)
	b = appendOctets(appendOctets(b, in.UDH), in.Data)
	sum := sha256.Sum256(b)
	return sum[:16]
}

// seen gives the text of that digest if it came within 48 hours. What can't be read any more was not seen.
func (t *txn) seen(digest []byte, now time.Time) (*Inbound, error) {
	f, err := t.get(bSeen, digest)
	if err != nil {
		t.w.db.warnDamaged(err)
		return nil, nil
	}
	if f == nil {
		return nil, nil
	}
	at, seq := f.time(), f.uint64()
	if err := f.end(); err != nil || now.Sub(at).Abs() >= sameText {
		return nil, nil
	}
	in, err := t.inbound(idKey(ID(seq)))
	if err != nil {
		t.w.db.warnDamaged(err)
		return nil, nil
	}
	return in, nil
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
	if in, err := t.inbound(k); err == nil {
		digest := in.digest()
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

func appendInbound(b []byte, in *Inbound) []byte {
	b = binary.BigEndian.AppendUint64(b, in.ID)
	b = binary.BigEndian.AppendUint32(appendText(b, in.Account), in.Lane)
	b = appendText(appendText(b, in.Modem), in.Line)
	b = appendText(appendAddress(b, in.From), in.To)
	b = appendTime(appendTime(b, in.Time), in.Received)
	b = appendOctets(appendOctets(append(b, in.PID, in.DCS), in.UDH), in.Data)
	return appendText(b, in.Text)
}

func decodeInbound(f *fields) *Inbound {
	in := &Inbound{ID: f.uint64(), Account: f.text(), Lane: f.uint32()}
	in.Modem, in.Line = f.text(), f.text()
	in.From, in.To = f.address(), f.text()
	in.Time, in.Received = f.time(), f.time()
	in.PID, in.DCS = f.uint8(), f.uint8()
	in.UDH, in.Data, in.Text = f.octets(), f.octets(), f.text()
	return in
}
