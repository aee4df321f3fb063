package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// cancelBite is how many messages are cancelled in one transaction.
const cancelBite = 500

// Cancel deletes a message that no modem has been given yet. nil: it is Deleted, now or since before, and nothing of it
// will ever be sent. ErrNotFound: there is no such message of this lane. *GoneError: its keeping time is over.
// *StateError: too late.
func (db *DB) Cancel(lane uint32, id ID, now time.Time) error {
	return db.w.do(func(t *txn) error {
		m, err := t.messageOf(lane, id)
		if err != nil || m.State == Deleted {
			return err
		}
		return t.cancel(m, now)
	})
}

func (t *txn) cancel(m *Message, now time.Time) error {
	if err := m.untouched(); err != nil {
		return err
	}
	m.Reason = "cancelled before any modem had it"
	return t.end(m, Deleted, now)
}

// CancelMatching cancels what waits in a lane with exactly this source and destination, and this service_type unless it
// is "" (SMPP 3.4 §4.9.1); an empty source matches an empty source alone, and a leading '+' of it does not count. It
// tells how many there were. Many are cancelled in several transactions, so that the writer is not kept from others; on
// an error some may be.
func (db *DB) CancelMatching(lane uint32, source, destination, serviceType string, now time.Time) (int, error) {
	source = strings.TrimPrefix(source, "+")
	match := func(m *Message) bool {
		return m.Lane == lane && m.cancellable() && strings.TrimPrefix(m.Source.Number, "+") == source && m.Destination.Number == destination &&
			(serviceType == "" || m.ServiceType == serviceType)
	}
	// The lane may be long. It is searched beside the writer; what is found is looked at once more before it goes.
	var found []ID
	err := db.view(func(v *reader) error {
		found = v.waiting(lane, match)
		return nil
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	total := 0
	for bite := range slices.Chunk(found, cancelBite) {
		n := 0
		err := db.w.do(func(t *txn) (err error) {
			n, err = t.cancelAll(bite, match, now)
			return err
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func (t *txn) cancelAll(ids []ID, match func(*Message) bool, now time.Time) (n int, err error) {
	for _, id := range ids {
		m, err := t.message(id)
		if err != nil || !match(m) {
			continue // a modem has it by now, or it is at an end
		}
		if err := t.cancel(m, now); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// waiting finds messages that wait in a lane, due or not. What can't be read is left out.
func (v *reader) waiting(lane uint32, match func(*Message) bool) (found []ID) {
	for _, b := range [...]bucket{bQueue, bLater} {
		c := v.bucket(b).Cursor()
		for k, _ := c.Seek(laneKey(lane)); k != nil && binary.BigEndian.Uint32(k) == lane; k, _ = c.Next() {
			id := ID(binary.BigEndian.Uint64(k[len(k)-8:]))
			if m, err := v.message(id); err == nil && match(m) {
				found = append(found, id)
			}
		}
	}
	return found
}

// Reject ends a message that waits, because it can't be sent as it is. nil if it has ended already; *StateError if a
// modem has it.
func (db *DB) Reject(id ID, reason string, now time.Time) error {
	return db.w.do(func(t *txn) error {
		m, err := t.message(id)
		switch {
		case err != nil:
			return fmt.Errorf("reject message %s: %w", id, err)
		case m.State.End():
			return nil
		case !m.State.waiting():
			return &StateError{m.State, ""}
		}
		m.Reason = reason
		m.Parts[m.next()].State = PartFailed
		return t.end(m, Rejected, now)
	})
}
