package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"smsgateway/store"
)

// OperatorKey is the account of `smsgateway send`. It is made when it is first needed, has no password, and so nobody
// can bind with it.
const OperatorKey = "operator"

// InboundWhole is the setting of accounts that get a long text as one, the default; store.InboundParts is the other.
const InboundWhole = "whole"

// unambiguous are the characters of made Account Keys: capitals and digits that can't be taken for each other when
// read aloud or copied from paper.
const unambiguous = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// InputError is a fault in what a person or program gave us. What names the thing, Why says what is wrong and what to do.
type InputError struct{ What, Why string }

func (e *InputError) Error() string { return e.What + ": " + e.Why }

// NewAccount is what an account is made from. Key is 1-15 characters (system_id without its NUL), "" to have one made;
// Password is 1-8 octets of printable ASCII. Settings that are not named are unset.
type NewAccount struct {
	Key, Password string
	Settings      Settings
}

// Accounts lists the accounts by key.
func (g *Gateway) Accounts() ([]store.Account, error) { return g.db.Accounts() }

// AccountsAfter lists some of them, beyond a key: see store.AccountsAfter.
func (g *Gateway) AccountsAfter(key string, most int) ([]store.Account, error) {
	return g.db.AccountsAfter(key, most)
}

// CountAccounts tells how many there are.
func (g *Gateway) CountAccounts() (int, error) { return g.db.CountAccounts() }

// Account reads one. store.ErrNoAccount if there is none of that key.
func (g *Gateway) Account(key string) (store.Account, error) { return g.db.Account(key) }

// AddAccount makes an account with which an ESME can bind from then on.
func (g *Gateway) AddAccount(a NewAccount) (store.Account, error) {
	if a.Key == "" {
		a.Key = randomText(10)
	}
	if err := checkKey(a.Key); err != nil {
		return store.Account{}, err
	}
	if err := CheckPassword(a.Password); err != nil {
		return store.Account{}, err
	}
	acct := store.Account{Key: a.Key}
	if err := a.Settings.apply(&acct, &g.opt); err != nil {
		return store.Account{}, err
	}
	acct.Password = hashPassword(a.Password)
	g.access.Lock()
	defer g.access.Unlock()
	return g.db.AddAccount(acct, g.opt.Now())
}

// GeneratePassword makes a password of 8 characters, about 40 bits.
func (g *Gateway) GeneratePassword() string { return randomText(8) }

// SetPassword puts a new password in force and ends the sessions of the account.
func (g *Gateway) SetPassword(key, password string) error {
	if err := CheckPassword(password); err != nil {
		return err
	}
	if err := notOperator(key); err != nil {
		return err
	}
	encoded := hashPassword(password)
	return g.changeAccess(key, "the password was changed", func(a *store.Account) { a.Password = encoded })
}

// SetDisabled bars an account from binding, or lets it in again. Its sessions end at once when it is barred; messages
// that wait are held back until it is enabled again.
func (g *Gateway) SetDisabled(key string, disabled bool) error {
	if err := notOperator(key); err != nil {
		return err
	}
	err := g.changeAccess(key, "the account was disabled", func(a *store.Account) { a.Disabled = disabled })
	g.queue.hint.set()
	return err
}

// changeAccess makes a change to who may bind, and ends the sessions that came in under the old terms.
func (g *Gateway) changeAccess(key, reason string, change func(*store.Account)) error {
	g.access.Lock()
	defer g.access.Unlock()
	var old, lane = "", uint32(0)
	after, err := g.db.UpdateAccount(key, g.opt.Now(), func(a *store.Account) error {
		old, lane = a.Password, a.Lane
		change(a)
		return nil
	})
	if err != nil {
		return err
	}
	if after.Password != old || after.Disabled {
		g.auth.forget(old)
		g.sessions.end(lane, reason)
	}
	return nil
}

// SetAccount changes the settings that are named; they are in force when it returns, also for sessions that are
// bound.
func (g *Gateway) SetAccount(key string, s Settings) (store.Account, error) {
	acct, err := g.db.UpdateAccount(key, g.opt.Now(), func(a *store.Account) error { return s.apply(a, &g.opt) })
	if err != nil {
		return acct, err
	}
	g.resize(acct.Lane)
	g.terms.set()
	if err := g.enforce(acct.Lane); err != nil && !errors.Is(err, store.ErrNoAccount) {
		return acct, err
	}
	return acct, nil
}

// RemoveAccount removes an account that has nothing waiting to be sent; *store.AccountBusyError if it has.
func (g *Gateway) RemoveAccount(key string) error {
	g.access.Lock() // until its sessions are gone nobody makes another one of that key
	defer g.access.Unlock()
	acct, err := g.db.Account(key)
	if err != nil {
		return err
	}
	if err := g.db.RemoveAccount(key, g.opt.Now()); err != nil {
		return err
	}
	g.auth.forget(acct.Password)
	g.binds.forget(key)
	g.sessions.end(acct.Lane, "the account was removed")
	g.forget(acct.Lane)
	return nil
}

// forget drops what is known in memory of an account that is no more. Its last sessions may bring some of it back while they
// end, and so it is called again when each has.
func (g *Gateway) forget(lane uint32) {
	g.limiter.forget(lane)
	g.rejected.forget(lane)
	g.hints.forget(lane)
	g.outbox.forget(lane)
}

// operator gives the built-in account of the commands.
func (g *Gateway) operator() (store.Account, error) {
	acct, err := g.db.Account(OperatorKey)
	if !errors.Is(err, store.ErrNoAccount) {
		return acct, err
	}
	acct, err = g.db.AddAccount(store.Account{Key: OperatorKey, Name: "smsgateway send (built in)"}, g.opt.Now())
	if errors.Is(err, store.ErrAccountExists) {
		return g.db.Account(OperatorKey)
	}
	return acct, err
}

// CheckKey says what is wrong with the form of an Account Key; an *InputError. "", for which one is made, has no fault.
func CheckKey(key string) error {
	if len(key) > 15 {
		return &InputError{"Account Key", fmt.Sprintf("%q has %d characters; system_id holds at most 15 (SMPP 3.4 §4.1)", key, len(key))}
	}
	for _, r := range key {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\"'`, r) {
			return &InputError{"Account Key", fmt.Sprintf("%q has the character %q; use letters, digits, - _ . and the like", key, r)}
		}
	}
	return nil
}

// checkKey says why nobody can bind with a key.
func checkKey(key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return notOperator(key)
}

func notOperator(key string) error {
	if key == OperatorKey {
		return &InputError{"Account Key", fmt.Sprintf("%q is the built-in account of `smsgateway send`; nobody binds with it", key)}
	}
	return nil
}

// CheckPassword says what is wrong with a password, an *InputError. It never repeats the password: the error may be logged.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return &InputError{"password", "is empty; give 1 to 8 characters"}
	case len(password) > 8:
		return &InputError{"password", fmt.Sprintf("has %d octets; SMPP has room for 8 (SMPP 3.4 §4.1)", len(password))}
	}
	for _, r := range password {
		if r < ' ' || r > '~' {
			return &InputError{"password", "has a character that is not printable ASCII"}
		}
	}
	return nil
}

// randomText makes n characters; the alphabet has 32, so five bits of an octet choose one without bias.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = unambiguous[b[i]&31]
	}
	return string(b)
}
