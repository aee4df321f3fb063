package store

import (
	"encoding/binary"
	"encoding/json"
)

// record is called for each row of the file, in the order of buckets and keys.
func (c *checker) record(b bucket, key, value []byte) {
	c.records[b]++
	if err := c.decode(b, key, value); err != nil {
		reason := "its checksum is wrong"
		if damaged, ok := err.(*DamagedError); ok {
			reason = damaged.Reason
		}
		c.damaged[b]++
		what, mends := c.lostRecord(b, key)
		c.find(b, key, "the record is damaged: "+reason, what, mends...)
		return
	}
	if n, ok := numberIn(b, key); ok {
		if b == bGone {
			b = bMessages
		}
		c.highest[b] = max(c.highest[b], n)
	}
}

// numberIn gives the number that a bucket's sequence gave to a key.
func numberIn(b bucket, key []byte) (uint64, bool) {
	switch b {
	case bMessages, bGone, bInbound, bOutbox, bOrphans:
		if len(key) >= 8 {
			return binary.BigEndian.Uint64(key[len(key)-8:]), true
		}
	}
	return 0, false
}

// decode reads a record whole, and counts what is in it.
func (c *checker) decode(b bucket, key, value []byte) error {
	switch b {
	case bQueue, bLater, bTimers, bReports:
		return bareRow(b, key, value)
	case bMessages:
		m, err := decodeMessage(key, value)
		if err == nil {
			c.count(m)
		}
		return err
	case bFragments:
		if len(key) > 0 && key[0] == rowAge {
			return bareRow(b, key, value)
		}
	case bResubmits:
		if len(key) > 0 && key[0] == rowForget {
			return bareRow(b, key, value)
		}
	}
	f, err := unseal(b, key, value)
	if err != nil {
		return err
	}
	c.fields(b, key, f)
	return f.end()
}

func (c *checker) count(m *Message) {
	if c.counts[m.Lane] == nil {
		c.counts[m.Lane] = &[numStates]uint64{}
	}
	c.counts[m.Lane][m.State]++
	if m.Accepted.After(c.newest) {
		c.newest = m.Accepted
	}
	c.highest[bMessages] = max(c.highest[bMessages], uint64(m.ID))
}

// bareRow is for rows that are all key.
func bareRow(b bucket, key, value []byte) error {
	length := map[bucket]int{bQueue: 13, bLater: 12, bTimers: 16}[b]
	ok := length == 0 || len(key) == length
	switch b {
	case bReports:
		ok = len(key) >= 19
	case bFragments:
		ok = isAge(key)
	case bResubmits:
		ok = isForget(key)
	}
	switch {
	case !ok:
		return &DamagedError{bucketNames[b], ownKey(key), "its key has another shape"}
	case len(value) > 0:
		return &DamagedError{bucketNames[b], ownKey(key), "it has a value, and should have none"}
	}
	return nil
}

// fields reads the payload of one of the other buckets.
func (c *checker) fields(b bucket, key []byte, f *fields) {
	keyLen := map[bucket]int{bLanes: 4, bGone: 8, bOutbox: 12, bInbound: 8, bSeen: digestLen, bCounts: 4, bQuotas: 4}[b]
	f.check(keyLen == 0 || len(key) == keyLen, "its key has another shape")
	if f.reason != "" {
		return
	}
	switch b {
	case bMeta:
		c.meta(key, f)
	case bAccounts:
		var a Account
		f.check(json.Unmarshal(f.rest, &a) == nil && a.Key == string(key), "it is no account")
		f.rest = nil
		c.highest[b] = max(c.highest[b], uint64(a.Lane))
	case bLanes:
		f.text()
		c.highest[bAccounts] = max(c.highest[bAccounts], uint64(binary.BigEndian.Uint32(key)))
	case bGone:
		f.uint32()
	case bClaims:
		f.uint64()
		f.uint8()
		f.rest = nil // the note is read where it is of use
	case bLines:
		f.take(2)
		f.time()
	case bOrphans:
		f.check(len(key) >= 10, "its key has another shape")
		f.uint8()
		f.time()
		f.time()
		f.time()
		f.text()
	case bOutbox:
		switch what := f.uint8(); {
		case f.time().IsZero() && f.reason != "":
		case what == outReceipt:
			decodeReceipt(f)
		case what == outInbound:
			decodeInbound(f)
		default:
			f.check(false, "what it is is unknown")
		}
	case bInbound:
		in := decodeInbound(f)
		f.check(in.ID == binary.BigEndian.Uint64(key), "it is not the text that its key says")
	case bSeen:
		f.time()
		f.uint64()
	case bCounts:
		var n [numStates]uint64
		for s := range n {
			n[s] = f.uint64()
		}
		c.written[binary.BigEndian.Uint32(key)] = n
	case bPINs:
		if c.sawPIN != nil {
			c.sawPIN(key)
		}
	case bModems:
		var s ModemState
		f.check(json.Unmarshal(f.rest, &s) == nil, "it is no modem's state")
		f.rest = nil
	default:
		fieldsOfUse(b, key, f)
	}
}

// fieldsOfUse is fields for what is counted or remembered.
func fieldsOfUse(b bucket, key []byte, f *fields) {
	switch b {
	case bUsage:
		for range numWindows {
			f.time()
			f.uint32()
		}
	case bContacts:
		f.uint32()
	case bFragments:
		switch {
		case len(key) == 2+digestLen && key[0] == rowFragment:
			f.time()
			decodeInbound(f)
		case len(key) > 1 && key[0] == rowWaiting:
			f.uint32()
		default:
			f.check(false, "its key has another shape")
		}
	case bDoubts:
		f.uint64()
		f.uint8()
		f.time()
	case bQuotas:
		for range len(quota{}.starts) {
			f.time()
			f.uint32()
		}
	case bResubmits:
		f.check(len(key) == 23, "its key has another shape")
		decodeSubmitted(f)
	}
}

// meta reads a row of the bucket meta; of what it does not know, the checksum has to do.
func (c *checker) meta(key []byte, f *fields) {
	switch string(key) {
	case string(keyFormat()):
		c.found.Format = f.uint32()
	case string(keyClock()):
		if high := int64(f.uint64()); high != 0 {
			c.found.Written = fromMilli(high)
		}
	default:
		f.rest = nil
	}
}

// lostRecord tells what it means that a record can't be read, and how to go on without it where that is possible.
func (c *checker) lostRecord(b bucket, key []byte) (means string, mends []mend) {
	drop := mend{b: b, key: ownKey(key), drop: true}
	switch b {
	case bMessages:
		return "the message is neither sent nor told of; nothing else in the file says what it was", nil
	case bAccounts:
		return "nobody can bind with the account, and its messages wait; nothing else in the file says what it was", nil
	case bFragments:
		if len(key) > 0 && key[0] != rowFragment {
			return "it is made again from the parts that wait", []mend{drop}
		}
	case bQueue, bLater, bTimers, bReports, bClaims, bLanes, bCounts, bResubmits, bSeen:
		return "it is made again from the messages, accounts and texts", []mend{drop}
	case bLines, bDoubts:
		return "what a SIM sent last is not known, until it sends again", []mend{drop}
	case bUsage, bContacts:
		return "the SIM sends nothing within a budget; without the record its budget begins anew", []mend{drop}
	case bQuotas:
		return "nothing is accepted of the account; without the record its day and its month begin anew", []mend{drop}
	case bMeta:
		if string(key) == string(keyClock()) {
			return "the file can't be opened; the time is that of the newest message then", []mend{{b: bMeta, key: keyClock(), clock: true}}
		}
		return "the file can't be opened: restore a backup", nil
	case bPINs:
		return "the PIN counts as refused", nil
	case bOutbox:
		return "a receipt, or a text from a phone, is not delivered; the text is still in the inbox", nil
	}
	return "what it said is lost", nil
}
