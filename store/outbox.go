package store

import (
	"encoding/binary"
	"time"

	"smsgateway/sms"
)

// mostDropped bounds how many rows DropOutbox, DropInbound and RemoveAccount remove in one transaction.
const mostDropped = 1000

// Delivery is something that waits for a receiver of an account: a receipt or a text from a phone. One of the two is
// set.
type Delivery struct {
	Seq     uint64 // its place: Outbox gives them in this order
	Lane    uint32
	Created time.Time
	Receipt *ReceiptRow
	Inbound *Inbound
}

// ReceiptRow is what a delivery receipt, or an intermediate notification, says (SMPP 3.4 appendix B).
type ReceiptRow struct {
	ID                  ID
	State               State       // an end; Sent in an intermediate notification
	Intermediate        bool        // notification: the message has not ended
	Source, Destination sms.Address // of the original, not swapped
	ServiceType         string
	Submitted, Done     time.Time
	Parts, Delivered    int
	ErrorCode           uint16
	ErrorKind           uint8
	Preview             string
	UserReference       *uint16
	Duplicate           bool // perhaps sent twice (policy resend)
}

// What the rows of the outbox are.
const (
	outReceipt = 1
	outInbound = 2
)

// Outbox lists what waits for the receivers of a lane, in order, beyond seq after: at most limit rows, 100 if it is 0.
// Rows that are damaged are left out.
func (db *DB) Outbox(lane uint32, after uint64, limit int) ([]Delivery, error) {
	if limit <= 0 {
		limit = 100
	}
	var rows []Delivery
	err := db.view(func(v *reader) error {
		rows = nil
		c := v.bucket(bOutbox).Cursor()
		for k, _ := c.Seek(seqKey(lane, after+1)); k != nil && len(rows) < limit; k, _ = c.Next() {
			if binary.BigEndian.Uint32(k) != lane {
				break
			}
			d, err := v.delivery(k)
			if err != nil {
				db.warnDamaged(err)
				continue
			}
			rows = append(rows, d)
		}
		return nil
	})
	return rows, err
}

// CountOutbox counts what waits for the receivers of a lane, most at most.
func (db *DB) CountOutbox(lane uint32, most int) (int, error) {
	n := 0
	err := db.view(func(v *reader) error {
		n = 0
		c := v.bucket(bOutbox).Cursor()
		for k, _ := c.Seek(laneKey(lane)); k != nil && n < most && binary.BigEndian.Uint32(k) == lane; k, _ = c.Next() {
			n++
		}
		return nil
	})
	return n, err
}

// LastOutbox is the place of the last row that was ever written, in any lane.
func (db *DB) LastOutbox() (last uint64, err error) {
	err = db.view(func(v *reader) error {
		last = v.bucket(bOutbox).Sequence()
		return nil
	})
	return last, err
}

// Acknowledge removes a row: a receiver has taken it, or it is dropped for good. That there is none is no error, as two
// sessions may have delivered the same.
func (db *DB) Acknowledge(lane uint32, seq uint64) error {
	return db.w.do(func(t *txn) error {
		key := seqKey(lane, seq)
		if t.bucket(bOutbox).Get(key) == nil {
			return nil
		}
		return t.delete(bOutbox, key)
	})
}

// DropOutbox removes what was written so long ago and nobody fetched, and what a removed account left, at most 1,000 rows at a
// time, and tells how many there were: call it again until there are none. Texts from phones stay in the inbox. While the clock
// is not believed nothing goes. It is for one caller at a time.
func (db *DB) DropOutbox(now time.Time, keep time.Duration) (int, error) {
	before := now.Add(-keep)
	var old [][]byte
	lane := db.dropFrom
	// There may be very many accounts with rows that are young. They are searched beside the writer, and not anew in each bite.
	err := db.view(func(v *reader) error {
		old, db.dropFrom = v.oldRows(lane, before)
		return nil
	})
	if err != nil || len(old) == 0 && lane == 0 {
		return 0, err
	}
	n := 0
	err = db.w.do(func(t *txn) error {
		n = 0
		if !t.plausible(now) {
			return nil
		}
		for _, k := range old {
			if t.bucket(bOutbox).Get(k) == nil {
				continue // it was fetched meanwhile
			}
			switch is, damaged := t.isOld(k, before); {
			case damaged != nil:
				db.warnDamaged(damaged)
			case !is:
				continue // the clock was set right
			}
			if err := t.delete(bOutbox, k); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if n == 0 && err == nil && lane != 0 { // what comes before that lane is not known to be young
		db.dropFrom = 0
		return db.DropOutbox(now, keep)
	}
	return n, err
}

// oldRows finds rows of the outbox by lane, from one on: within a lane they stand in the order of time. next is the lane to go
// on with, 0 if all were looked at.
func (v *reader) oldRows(lane uint32, before time.Time) (old [][]byte, next uint32) {
	c := v.bucket(bOutbox).Cursor()
	k, _ := c.Seek(laneKey(lane))
	for k != nil {
		if lane = binary.BigEndian.Uint32(k); len(old) == mostDropped {
			return old, lane
		}
		if is, _ := v.isOld(k, before); is {
			old = append(old, ownKey(k))
			k, _ = c.Next()
			continue
		}
		if lane == 1<<32-1 {
			break
		}
		k, _ = c.Seek(laneKey(lane + 1))
	}
	return old, 0
}

// isOld tells whether a row was written before, or can't come to anybody any more: it is damaged, or its account was removed.
func (v *reader) isOld(k []byte, before time.Time) (old bool, damaged error) {
	d, err := v.delivery(k)
	return err != nil || d.Created.Before(before) || v.bucket(bLanes).Get(laneKey(d.Lane)) == nil, err
}

// Bits of registered_delivery (SMPP 3.4 §5.2.17).
const (
	receiptMask       = 0x03
	receiptAlways     = 0x01
	receiptOnFailure  = 0x02
	receiptOnSuccess  = 0x03 // reserved in 3.4; of SMPP 5.0 §4.7.21
	receiptOnProgress = 0x10
)

// notifyEnd writes the receipt of an end, if it is wished. Of an Unknown one nobody can say that it was a success.
func (t *txn) notifyEnd(m *Message, now time.Time) error {
	success := m.State == Delivered || m.State == Accepted
	switch m.RegisteredDelivery & receiptMask {
	case receiptAlways:
	case receiptOnFailure:
		if success {
			return nil
		}
	case receiptOnSuccess:
		if !success {
			return nil
		}
	default:
		return nil
	}
	return t.putReceipt(m, m.receipt(), now)
}

// notifyIntermediate writes a notification that the message is on its way, if it is wished.
func (t *txn) notifyIntermediate(m *Message, now time.Time) error {
	if m.RegisteredDelivery&receiptOnProgress == 0 {
		return nil
	}
	r := m.receipt()
	r.State, r.Intermediate, r.Done = Sent, true, now
	return t.putReceipt(m, r, now)
}

func (m *Message) receipt() *ReceiptRow {
	return &ReceiptRow{
		ID: m.ID, State: m.State, Source: m.Source, Destination: m.Destination, ServiceType: m.ServiceType,
		Submitted: m.Accepted, Done: m.EndedAt, Parts: len(m.Parts), Delivered: m.count(PartDelivered),
		ErrorCode: m.ErrorCode, ErrorKind: m.ErrorKind, Preview: m.Preview, UserReference: m.UserReference,
		Duplicate: m.Duplicate,
	}
}

func (t *txn) putReceipt(m *Message, r *ReceiptRow, now time.Time) error {
	b := appendTime([]byte{recordVersion, outReceipt}, now)
	return t.putOutbox(m.Lane, appendReceipt(b, r))
}

// putOutbox adds a row for the receivers of a lane. To an account that was removed nothing is delivered.
func (t *txn) putOutbox(lane uint32, record []byte) error {
	owner, err := t.owner(lane)
	if owner == nil || err != nil {
		return err
	}
	seq, err := t.sequence(bOutbox)
	if err != nil {
		return err
	}
	t.change.Outbox = append(t.change.Outbox, lane)
	return t.put(bOutbox, seqKey(lane, seq), record)
}

func (v *reader) delivery(k []byte) (Delivery, error) {
	f, err := v.get(bOutbox, k)
	if err != nil {
		return Delivery{}, err
	}
	f.check(len(k) == 12, "its key is wrong")
	if f.reason != "" {
		return Delivery{}, f.end()
	}
	d := Delivery{Lane: binary.BigEndian.Uint32(k), Seq: binary.BigEndian.Uint64(k[4:])}
	what := f.uint8()
	d.Created = f.time()
	switch what {
	case outReceipt:
		d.Receipt = decodeReceipt(f)
	case outInbound:
		d.Inbound = decodeInbound(f)
	default:
		f.check(false, "what it is is unknown")
	}
	return d, f.end()
}

func appendReceipt(b []byte, r *ReceiptRow) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.ID))
	b = append(b, byte(r.State), bit(r.Intermediate, 1)|bit(r.Duplicate, 2)|bit(r.UserReference != nil, 4))
	b = appendText(appendAddress(appendAddress(b, r.Source), r.Destination), r.ServiceType)
	b = appendTime(appendTime(b, r.Submitted), r.Done)
	b = binary.BigEndian.AppendUint16(append(b, byte(r.Parts), byte(r.Delivered)), r.ErrorCode)
	b = appendText(append(b, r.ErrorKind), r.Preview)
	if r.UserReference != nil {
		b = binary.BigEndian.AppendUint16(b, *r.UserReference)
	}
	return b
}

func decodeReceipt(f *fields) *ReceiptRow {
	r := &ReceiptRow{ID: ID(f.uint64()), State: State(f.uint8())}
	flags := f.uint8()
	r.Intermediate, r.Duplicate = flags&1 != 0, flags&2 != 0
	r.Source, r.Destination, r.ServiceType = f.address(), f.address(), f.text()
	r.Submitted, r.Done = f.time(), f.time()
	r.Parts, r.Delivered = int(f.uint8()), int(f.uint8())
	r.ErrorCode, r.ErrorKind, r.Preview = f.uint16(), f.uint8(), f.text()
	if flags&4 != 0 {
		ref := f.uint16()
		r.UserReference = &ref
	}
	f.check(flags < 8, "its flags are unknown")
	return r
}
