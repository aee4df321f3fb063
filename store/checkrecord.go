package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
)

// record is called for each row of the file.
func (c *checker) record(b bucket, key, value []byte) error {
	err := c.row(b, key, value)
	if err == nil {
		return nil
	}
	reason := "its checksum is wrong"
	if damaged := (*DamagedError)(nil); errors.As(err, &damaged) {
		reason = damaged.Reason
	}
	what, mends := c.lostRecord(b, key)
	c.find(b, key, "the record is damaged: "+reason, what, mends...)
	return nil
}

// fields reads the payload of one of the other buckets.
func (n *census) fields(b bucket, key []byte, f *fields) {
	switch b {
	case bMeta:
		n.meta(key, f)
	case bAccounts:
		var a Account
		f.check(json.Unmarshal(f.rest, &a) == nil && a.Key == string(key), "it is no account")
		f.rest = nil
		n.highest[b] = max(n.highest[b], uint64(a.Lane))
	case bLanes:
		f.text()
		n.highest[bAccounts] = max(n.highest[bAccounts], uint64(binary.BigEndian.Uint32(key)))
	case bGone:
		f.uint32()
		if f.reason == "" {
			n.gone.add(binary.BigEndian.Uint64(key))
			n.asks(bGone, key)
		}
	case bClaims:
		n.is(b, append(ownKey(key), f.take(8+1)...))
		f.rest = nil // the note is read where it is of use
	case bLines:
		f.take(2)
		f.time()
	case bOrphans:
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
		var counts [numStates]uint64
		for s := range counts {
			counts[s] = f.uint64()
		}
		n.written[binary.BigEndian.Uint32(key)] = counts
	case bPINs:
		if n.sawPIN != nil {
			n.sawPIN(key)
		}
	case bModems:
		var s ModemState
		f.check(json.Unmarshal(f.rest, &s) == nil, "it is no modem's state")
		f.rest = nil
	default:
		n.fieldsOfUse(b, key, f)
	}
}

// fieldsOfUse is fields for what is counted or remembered.
func (n *census) fieldsOfUse(b bucket, key []byte, f *fields) {
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
			n.part(key, f)
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
		row := decodeSubmitted(f)
		if f.end() == nil && len(key) == 23 {
			n.asks(b, forgetKey(row.until, key))
		}
	}
}

// part reads one of a long text; those of one text follow one another.
func (n *census) part(key []byte, f *fields) {
	since, in := f.time(), decodeInbound(f)
	if digest := key[1 : 1+digestLen]; f.end() == nil && !bytes.Equal(n.text, digest) {
		n.text = bytes.Clone(digest)
		n.asks(bFragments, ageKey(in.Line, since, digest))
	}
}

// meta reads a row of the bucket meta; of what it does not know, the checksum has to do.
func (n *census) meta(key []byte, f *fields) {
	switch string(key) {
	case string(keyFormat()):
		n.format = f.uint32()
	case string(keyClock()):
		if high := int64(f.uint64()); high != 0 {
			n.clock = fromMilli(high)
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
