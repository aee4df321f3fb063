package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// Account is one customer of the gateway. Its Key is what an ESME binds with.
type Account struct {
	Key      string
	Name     string
	Lane     uint32 // number of the account, from 1; never given to another one
	Password string // encoded hash; the store does not look into it
	Disabled bool   // can't bind, and its messages wait
	Created  time.Time
	Changed  time.Time

	// Settings; the zero value is the gateway's default.
	MaxParts    int
	Alphabet    string
	Uncertain   UncertainPolicy
	MaxSessions int
	Unencodable string // what becomes of a text that GSM 7 bit lacks a character of; "": UCS-2
	National    string // languages whose tables a text may go out with, codes with commas between them
	Inbound     string // InboundParts; "": long texts from phones come whole

	DeliverWindow int    // rows of the outbox that may be open on one session
	Redelivered   string `json:",omitempty"` // RedeliveredPlain; "": what a client may have had already is marked

	// Limits. The store looks at Expires and QueueLimits alone; the rest is the caller's, in the caller's form.
	QueueLimits
	Expires      time.Time `json:",omitzero"`  // from then on nothing of it is sent; zero: never
	Rate         string    `json:",omitempty"` // of submit_sm
	Window       int       `json:",omitempty"` // requests of a session in work
	Destinations string    `json:",omitempty"`
	Sources      string    `json:",omitempty"`
	Addresses    string    `json:",omitempty"` // that clients may come from

	// ResubmitWindow is how long a message is known again that is submitted again; below 0: never.
	ResubmitWindow time.Duration

	Origins []Origin `json:",omitempty"` // from where it was bound lately, the newest first; written by NoteOrigin alone
}

// RedeliveredPlain is the setting of accounts whose clients can't bear a TLV that they don't know.
const RedeliveredPlain = "plain"

// Origin is from where an account was bound, and when.
type Origin struct {
	Peer string // an address with its number of bits: "192.0.2.7/32", "2001:db8::/64"
	At   time.Time
}

// AddAccount stores a new account; Lane, Created and Changed are given here. ErrAccountExists if the key is taken.
func (db *DB) AddAccount(a Account, now time.Time) (Account, error) {
	if a.Key == "" {
		return Account{}, fmt.Errorf("add an account: its key is empty")
	}
	var added Account
	err := db.w.do(func(t *txn) error {
		switch old, err := t.account(a.Key); {
		case err != nil:
			return err
		case old != nil:
			return fmt.Errorf("%w: %s", ErrAccountExists, a.Key)
		}
		seq, err := t.sequence(bAccounts)
		if err != nil {
			return err
		}
		added = a
		added.Lane, added.Created, added.Changed = uint32(seq), now.UTC(), now.UTC()
		if err := t.put(bLanes, laneKey(added.Lane), appendText([]byte{recordVersion}, a.Key)); err != nil {
			return err
		}
		return t.putAccount(&added)
	})
	return added, err
}

// Account reads one. ErrNoAccount if there is none of that key.
func (db *DB) Account(key string) (Account, error) {
	var a Account
	err := db.view(func(v *reader) error {
		found, err := v.account(key)
		if err == nil && found == nil {
			err = ErrNoAccount
		}
		if err == nil {
			a = *found
		}
		return err
	})
	return a, err
}

// AccountOfLane reads the account of a lane. ErrNoAccount if it was removed, or never was.
func (db *DB) AccountOfLane(lane uint32) (Account, error) {
	if err := db.w.over(); err != nil { // what is known may not be what is on disk
		return Account{}, err
	}
	a, ok := db.accounts.look(lane)
	if ok {
		return a, nil
	}
	age := db.accounts.age.Load() // before it is read: what is changed meanwhile makes it old
	err := db.view(func(v *reader) error {
		found, err := v.accountOfLane(lane)
		if err == nil && found == nil {
			err = ErrNoAccount
		}
		if err == nil {
			a = *found
		}
		return err
	})
	if err == nil {
		db.accounts.keep(a, age)
	}
	return a, err
}

// Accounts lists all, in the order of their keys.
func (db *DB) Accounts() ([]Account, error) {
	var all []Account
	err := db.view(func(v *reader) (err error) {
		all, err = v.allAccounts()
		return err
	})
	return all, err
}

// AccountsAfter lists accounts in the order of their keys, beyond one of them, "" for all; at most so many.
func (db *DB) AccountsAfter(key string, most int) ([]Account, error) {
	var some []Account
	err := db.view(func(v *reader) error {
		some = nil
		c := v.bucket(bAccounts).Cursor()
		k, _ := c.Seek([]byte(key))
		if k != nil && string(k) == key {
			k, _ = c.Next()
		}
		for ; k != nil && len(some) < most; k, _ = c.Next() {
			a, err := v.accountOf(k)
			if err != nil {
				return err
			}
			some = append(some, *a)
		}
		return nil
	})
	return some, err
}

// ExpiringAccounts lists those that have an end, which may be past, the oldest first. The others are not in memory together.
func (db *DB) ExpiringAccounts() ([]Account, error) {
	var some []Account
	err := db.view(func(v *reader) (err error) {
		some = nil
		for a := range v.oldestFirst(&err) {
			if !a.Expires.IsZero() {
				some = append(some, a)
			}
		}
		return err
	})
	return some, err
}

// CountAccounts tells how many there are, without reading them.
func (db *DB) CountAccounts() (n int, err error) {
	err = db.view(func(v *reader) error {
		n = 0
		c := v.bucket(bAccounts).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			n++
		}
		return nil
	})
	return n, err
}

// UpdateAccount changes an account in one transaction. An error of change is handed on, and nothing is changed then.
// change may be called more than once. Key, Lane and Created stay as they are whatever change does.
func (db *DB) UpdateAccount(key string, now time.Time, change func(*Account) error) (Account, error) {
	var after Account
	err := db.w.do(func(t *txn) error {
		a, err := t.account(key)
		if err != nil {
			return err
		}
		if a == nil {
			return ErrNoAccount
		}
		before := *a
		if err := change(a); err != nil {
			return err
		}
		a.Key, a.Lane, a.Created, a.Changed = before.Key, before.Lane, before.Created, now.UTC()
		after = *a
		t.change.Queue = true // it may have been disabled
		return t.putAccount(a)
	})
	return after, err
}

// NoteOrigin puts o in front of the account's Origins, in place of an older one of the same peer, and keeps most of them.
// ErrNoAccount if the account was removed.
func (db *DB) NoteOrigin(lane uint32, o Origin, most int) error {
	return db.w.do(func(t *txn) error {
		a, err := t.accountOfLane(lane)
		if err != nil {
			return err
		}
		if a == nil {
			return ErrNoAccount
		}
		origins := []Origin{o}
		for _, old := range a.Origins {
			if old.Peer != o.Peer && len(origins) < most {
				origins = append(origins, old)
			}
		}
		changed := *a
		changed.Origins = origins
		return t.putAccount(&changed)
	})
}

// RemoveAccount removes an account that has nothing waiting to be sent; *AccountBusyError if it has. Its receipts and
// texts that no receiver fetched go with it; its messages stay until their time is over, and no later account of the
// same key sees them. Many receipts go in several transactions, so that the writer is not kept from others; what an error, or
// the end of the process, leaves of them nobody gets, and DropOutbox removes it.
func (db *DB) RemoveAccount(key string, now time.Time) error {
	lane := uint32(0)
	err := db.w.do(func(t *txn) error {
		a, err := t.account(key)
		if err != nil {
			return err
		}
		if a == nil {
			return ErrNoAccount
		}
		counts, err := t.lane(a.Lane)
		if err != nil {
			return err
		}
		if n := counts.waiting(); n > 0 {
			return &AccountBusyError{key, n}
		}
		if err := t.delete(bAccounts, []byte(key)); err != nil {
			return err
		}
		if err := t.delete(bLanes, laneKey(a.Lane)); err != nil {
			return err
		}
		if err := t.delete(bQuotas, laneKey(a.Lane)); err != nil {
			return err
		}
		delete(t.accounts, a.Lane)
		delete(t.quotas, a.Lane)
		lane = a.Lane
		return nil
	})
	for more := true; more && err == nil; {
		err = db.w.do(func(t *txn) (err error) {
			more, err = t.clearLane(lane)
			return err
		})
	}
	return err
}

func (v *reader) allAccounts() (all []Account, err error) {
	c := v.bucket(bAccounts).Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		a, err := v.accountOf(key)
		if err != nil {
			return nil, err
		}
		all = append(all, *a)
	}
	return all, nil
}

// accountOf reads the account of a row that is there.
func (v *reader) accountOf(key []byte) (*Account, error) {
	a, err := v.account(string(ownKey(key)))
	if err == nil && a == nil {
		err = &DamagedError{bucketNames[bAccounts], ownKey(key), "its key is too long"}
	}
	return a, err
}

// oldestFirst gives all accounts in the order of their age, and reads each as it is asked for. It ends with the first one that
// can't be read, and *failed says why.
func (v *reader) oldestFirst(failed *error) iter.Seq[Account] {
	return func(yield func(Account) bool) {
		c := v.bucket(bLanes).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			f, err := v.get(bLanes, k)
			if err != nil {
				*failed = err
				return
			}
			key := f.text()
			if err := f.end(); err != nil {
				*failed = err
				return
			}
			a, err := v.account(key)
			if err != nil {
				*failed = err
				return
			}
			if a != nil && !yield(*a) {
				return
			}
		}
	}
}

// account reads an account, nil if there is none.
func (v *reader) account(key string) (*Account, error) {
	if key == "" {
		return nil, nil
	}
	f, err := v.get(bAccounts, []byte(key))
	if f == nil || err != nil {
		return nil, err
	}
	a := &Account{}
	f.check(json.Unmarshal(f.rest, a) == nil && a.Key == key, "it is no account")
	f.rest = nil
	return a, f.end()
}

// accountOfLane reads the account of a lane, nil if there is none.
func (v *reader) accountOfLane(lane uint32) (*Account, error) {
	f, err := v.get(bLanes, laneKey(lane))
	if f == nil || err != nil {
		return nil, err
	}
	key := f.text()
	if err := f.end(); err != nil {
		return nil, err
	}
	return v.account(key)
}

// owner is the account of a lane, read once in a transaction; nil if it was removed. It is not to be changed.
func (t *txn) owner(lane uint32) (*Account, error) {
	if a, known := t.accounts[lane]; known {
		return a, nil
	}
	a, err := t.accountOfLane(lane)
	if err == nil {
		t.accounts[lane] = a
	}
	return a, err
}

func (t *txn) putAccount(a *Account) error {
	delete(t.accounts, a.Lane)
	payload, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode account %s: %w", a.Key, err)
	}
	return t.put(bAccounts, []byte(a.Key), append([]byte{recordVersion}, payload...))
}

// clearLane drops what waits in the outbox for a lane, 1,000 rows at most; more tells that there are others.
func (t *txn) clearLane(lane uint32) (more bool, err error) {
	var keys [][]byte
	c := t.bucket(bOutbox).Cursor()
	for k, _ := c.Seek(laneKey(lane)); k != nil && binary.BigEndian.Uint32(k) == lane && len(keys) < mostDropped; k, _ = c.Next() {
		keys = append(keys, ownKey(k))
	}
	for _, k := range keys {
		if err := t.delete(bOutbox, k); err != nil {
			return false, err
		}
	}
	return len(keys) == mostDropped, nil
}
