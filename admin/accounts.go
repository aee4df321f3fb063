package admin

import (
	"net/http"
	"time"

	"smsgateway/gateway"
)

// accounts lists those beyond a key, as many as a client waits for.
func (a *api) accounts(r *http.Request) (any, error) {
	const atOnce, most = 100, 500
	bound := map[string]int{}
	for _, s := range a.g.Sessions("") {
		bound[s.SystemID]++
	}
	f, after, began := foundAccounts{Accounts: []Account{}}, r.URL.Query().Get("after"), time.Now()
	for {
		accounts, err := a.g.AccountsAfter(after, atOnce)
		if err != nil {
			return nil, err
		}
		for _, acct := range accounts {
			v, err := accountOf(a.g, acct, bound[acct.Key])
			if err != nil {
				return nil, err
			}
			f.Accounts = append(f.Accounts, v)
			after = acct.Key
		}
		if len(accounts) < atOnce {
			return f, nil
		}
		if len(f.Accounts) >= most || time.Since(began) >= lookFor {
			f.Next = after
			return f, nil
		}
	}
}

// foundAccounts are some, by key.
type foundAccounts struct {
	Accounts []Account `json:"accounts"`
	Next     string    `json:"next,omitempty"` // where to go on, for "after"; "": these are the last
}

func (a *api) account(r *http.Request) (any, error) {
	key := r.PathValue("key")
	acct, err := a.g.Account(key)
	if err != nil {
		return nil, aboutAccount(key, err)
	}
	bound := []Session{}
	for _, s := range a.g.Sessions(key) {
		bound = append(bound, sessionOf(s))
	}
	v, err := accountOf(a.g, acct, len(bound))
	if err != nil {
		return nil, err
	}
	v.Binds, v.Bound = bindsOf(a.g.LastBind(acct)), bound
	return v, nil
}

func (a *api) addAccount(r *http.Request) (any, error) {
	req, err := read[NewAccount](r)
	if err != nil {
		return nil, err
	}
	var made Credentials
	if req.Password == "" {
		made.Password = a.g.GeneratePassword()
		req.Password = made.Password
	}
	acct, err := a.g.AddAccount(gateway.NewAccount{Key: req.Key, Password: req.Password, Settings: gateway.Settings(req.Settings)})
	if err != nil {
		return nil, aboutAccount(req.Key, err)
	}
	a.log.Info("account added", "system_id", acct.Key)
	made.Key = acct.Key
	return made, nil
}

func (a *api) setPassword(r *http.Request) (any, error) {
	key := r.PathValue("key")
	req, err := read[newPassword](r)
	if err != nil {
		return nil, err
	}
	made := Credentials{Key: key}
	if req.Password == "" {
		made.Password = a.g.GeneratePassword()
		req.Password = made.Password
	}
	if err := a.g.SetPassword(key, req.Password); err != nil {
		return nil, aboutAccount(key, err)
	}
	a.log.Info("account has another password", "system_id", key)
	return made, nil
}

func (a *api) disable(r *http.Request) (any, error) { return a.setDisabled(r.PathValue("key"), true) }

func (a *api) enable(r *http.Request) (any, error) { return a.setDisabled(r.PathValue("key"), false) }

func (a *api) setDisabled(key string, disabled bool) (any, error) {
	if err := a.g.SetDisabled(key, disabled); err != nil {
		return nil, aboutAccount(key, err)
	}
	a.log.Info("account changed", "system_id", key, "disabled", disabled)
	return nil, nil
}

func (a *api) changeAccount(r *http.Request) (any, error) {
	key := r.PathValue("key")
	req, err := read[Settings](r)
	if err != nil {
		return nil, err
	}
	acct, err := a.g.SetAccount(key, gateway.Settings(req))
	if err != nil {
		return nil, aboutAccount(key, err)
	}
	a.log.Info("account changed", "system_id", key)
	return accountOf(a.g, acct, len(a.g.Sessions(key)))
}

func (a *api) removeAccount(r *http.Request) (any, error) {
	key := r.PathValue("key")
	if err := a.g.RemoveAccount(key); err != nil {
		return nil, aboutAccount(key, err)
	}
	a.log.Info("account removed", "system_id", key)
	return nil, nil
}
