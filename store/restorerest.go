package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
)

// takeOver brings in what else the replaced file knows: counts that must not begin anew, what the SIMs sent last, receipts of what
// it told; and if it is a later state of the backup, which receipts were acknowledged since, and what phones sent.
func (r *restorer) takeOver() error {
	always := []struct {
		b   bucket
		row func(t *txn, k, value []byte) error
	}{
		{bPINs, replaceRow(bPINs)}, {bUsage, higherUsage}, {bContacts, higherContact}, {bQuotas, r.higherQuota}, {bLines, newerLine},
	}
	for _, x := range always {
		if err := r.rows(x.b, x.row); err != nil {
			return err
		}
	}
	if !r.later {
		return r.rows(bOutbox, r.receiptOfOther)
	}
	for _, b := range [...]bucket{bOutbox, bFragments, bOrphans} { // what is not in the later one was acknowledged, or has come together
		if err := r.clear(b); err != nil {
			return err
		}
	}
	for _, b := range [...]bucket{bOutbox, bInbound, bSeen, bFragments, bOrphans, bDoubts, bModems, bResubmits} {
		row := replaceRow(b)
		if b == bOutbox {
			row = outboxRow
		}
		if err := r.rows(b, row); err != nil {
			return err
		}
	}
	return r.cleanResubmits()
}

// rows does something with each row of a bucket of the replaced file that is whole.
func (r *restorer) rows(b bucket, do func(t *txn, k, value []byte) error) error {
	whole := newCensus()
	return r.eachOld(b, "the rest", func(t *txn, rows []pair) (tally, error) {
		for _, x := range rows {
			if whole.read(b, x.k, x.value) != nil {
				continue
			}
			if err := do(t, x.k, x.value); err != nil {
				return tally{}, err
			}
		}
		return tally{}, nil
	})
}

// replaceRow takes a row over as it is.
func replaceRow(b bucket) func(t *txn, k, value []byte) error {
	return func(t *txn, k, value []byte) error {
		if len(value) == 0 {
			return t.put(b, k, nil)
		}
		return t.put(b, k, value[:len(value)-crcLen:len(value)-crcLen])
	}
}

// outboxRow takes over what waits for the receivers of an account that is there.
func outboxRow(t *txn, k, value []byte) error {
	owner, err := t.owner(binary.BigEndian.Uint32(k))
	if owner == nil || err != nil {
		return err
	}
	return replaceRow(bOutbox)(t, k, value)
}

// receiptOfOther takes over what another life of the file had still to tell a client of a message that is now as it was there.
func (r *restorer) receiptOfOther(t *txn, k, value []byte) error {
	if bytes.Equal(t.bucket(bOutbox).Get(k), value) { // it is from before the two parted
		return nil
	}
	var lane uint32
	var tell bool
	err := viewing(r.old, func(old *reader) error {
		d, err := old.delivery(k)
		if err != nil || d.Receipt == nil {
			return nil
		}
		id := idKey(d.Receipt.ID)
		mine, theirs := t.bucket(bMessages).Get(id), old.bucket(bMessages).Get(id)
		lane, tell = d.Lane, mine != nil && bytes.Equal(mine, theirs)
		return nil
	})
	if err != nil || !tell {
		return err
	}
	return t.putOutbox(lane, value[:len(value)-crcLen:len(value)-crcLen])
}

// clear empties a bucket of the new file.
func (r *restorer) clear(b bucket) error {
	for more := true; more; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		err := r.db.w.do(func(t *txn) error {
			var rows []pair
			_, rows = take(t.bucket(b).Cursor(), nil)
			more = len(rows) > 0
			for _, x := range rows {
				if err := t.delete(b, x.k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cleanResubmits drops the pairs of rows that belong to each other no more: of two states of a key one is left.
func (r *restorer) cleanResubmits() error {
	for from := []byte{}; from != nil; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		err := r.db.w.do(func(t *txn) error {
			next, rows := take(t.bucket(bResubmits).Cursor(), from)
			for _, x := range rows {
				if !isForget(x.k) {
					continue
				}
				key := append([]byte{rowSubmitted}, x.k[9:]...)
				if s := t.submitted(key); s.id == 0 || string(forgetKey(s.until, key)) != string(x.k) {
					if err := t.delete(bResubmits, x.k); err != nil {
						return err
					}
				}
			}
			from = next
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// higherUsage keeps for each window the one that began later, and of the same one the higher count.
func higherUsage(t *txn, k, value []byte) error {
	line := string(k[1:])
	mine, err := t.storedUsage(line)
	if err != nil {
		return err
	}
	f, err := unseal(bUsage, k, value)
	if err != nil {
		return nil
	}
	for w := range mine.Used {
		start, used := f.time(), int(f.uint32())
		switch {
		case start.After(mine.starts[w]):
			mine.starts[w], mine.Used[w] = start, used
		case start.Equal(mine.starts[w]):
			mine.Used[w] = max(mine.Used[w], used)
		}
	}
	return t.putUsage(line, mine)
}

// storedUsage reads what is on disk, whenever its windows ended.
func (v *reader) storedUsage(line string) (u Usage, err error) {
	f, err := v.get(bUsage, lineKey(line))
	if f == nil || err != nil {
		return u, err
	}
	for w := range u.Used {
		u.starts[w], u.Used[w] = f.time(), int(f.uint32())
	}
	return u, f.end()
}

func higherContact(t *txn, k, value []byte) error {
	mine, err := t.contact(k)
	if err != nil {
		return err
	}
	f, err := unseal(bContacts, k, value)
	if err != nil {
		return nil
	}
	if n := f.uint32(); n > mine {
		return t.putContact(k, n)
	}
	return nil
}

// higherQuota is for an account that has the same number in both files.
func (r *restorer) higherQuota(t *txn, k, value []byte) error {
	lane := binary.BigEndian.Uint32(k)
	owner, err := t.owner(lane)
	if owner == nil || err != nil {
		return err
	}
	f, err := unseal(bQuotas, k, value)
	if err != nil || !r.later {
		return nil
	}
	mine, err := t.quota(lane)
	if err != nil {
		return err
	}
	for i := range mine.used {
		start, used := f.time(), int(f.uint32())
		switch {
		case start.After(mine.starts[i]):
			mine.starts[i], mine.used[i] = start, used
		case start.Equal(mine.starts[i]):
			mine.used[i] = max(mine.used[i], used)
		}
	}
	mine.dirty = true
	t.quotas[lane] = mine
	return nil
}

// newerLine takes over what a SIM sent last, unless the backup knows of something later.
func newerLine(t *txn, k, value []byte) error {
	mine, err := t.lastRef(string(k[1:]))
	if err != nil {
		return err
	}
	f, err := unseal(bLines, k, value)
	if err != nil {
		return nil
	}
	theirs := lastRef{ref: f.uint8(), known: true}
	flags := f.uint8()
	theirs.reports, theirs.stale, theirs.at = flags&lineReports != 0, flags&lineStale != 0, f.time()
	if mine.known && mine.at.After(theirs.at) {
		theirs = mine
		theirs.stale = true
	}
	return t.putLastRef(string(k[1:]), theirs)
}

// staleLines: SIMs have sent since, and nobody knows how much. No TP-MR can be predicted until they send again.
func (r *restorer) staleLines() error {
	return r.db.w.do(func(t *txn) error {
		for _, k := range t.keys(bLines, nil) {
			last, err := t.lastRef(string(k[1:]))
			if err != nil {
				continue // it is as good as stale
			}
			last.stale = true
			if err := t.putLastRef(string(k[1:]), last); err != nil {
				return err
			}
		}
		return nil
	})
}

// mostAccountChanges bounds how many accounts are told of.
const mostAccountChanges = 1000

// compareAccounts tells what the restore does to accounts: what was changed since the backup was made is undone by it.
func (r *restorer) compareAccounts() error {
	say := func(key, what string) {
		if len(r.done.Accounts) < mostAccountChanges {
			r.done.Accounts = append(r.done.Accounts, AccountChange{key, what})
		}
	}
	return viewing(r.old, func(old *reader) error {
		return r.db.view(func(v *reader) error {
			c := v.bucket(bAccounts).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				mine, err := v.account(string(ownKey(k)))
				if err != nil || mine == nil {
					continue
				}
				theirs, err := old.account(mine.Key)
				if err != nil {
					continue
				}
				if what := mine.against(theirs); what != "" {
					say(mine.Key, what)
				}
			}
			c = old.bucket(bAccounts).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				if !hasKey(v, bAccounts, k) {
					say(string(ownKey(k)), "is gone: it was added after the backup was made")
				}
			}
			return nil
		})
	})
}

// against says how an account of the backup differs from what it is now; "" if it does not.
func (a *Account) against(now *Account) string {
	switch {
	case now == nil:
		return "is back, with its old password: it was removed after the backup was made"
	case now.Lane != a.Lane:
		return "is the one that was removed after the backup was made, and not the one that was added in its place"
	case now.Password != a.Password:
		return "has its old password again"
	case now.Disabled && !a.Disabled:
		return "is enabled again: it was disabled after the backup was made"
	}
	x, y := *a, *now
	x.Changed, x.Origins, y.Changed, y.Origins = time.Time{}, nil, time.Time{}, nil
	if !reflect.DeepEqual(x, y) {
		return "has its old settings again"
	}
	return ""
}

func (r *restorer) sayReplaced() error {
	switch {
	case !r.later:
		r.done.Replaced = "it is no later state of this backup, so only what it says for certain was of use: what was sent, or has ended"
	case r.oldFound.found.Faults > 0:
		r.done.Replaced = fmt.Sprintf("it could be read but for %d faults, and what it says of messages was taken over", r.oldFound.found.Faults)
	default:
		r.done.Replaced = "it could be read, and what it says of messages was taken over"
	}
	return nil
}
