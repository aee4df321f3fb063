package admin

import (
	"net/http"

	"smsgateway/gateway"
)

func (a *api) accounts(*http.Request) (any, error) {
	accounts, err := a.g.Accounts()
	if err != nil {
		return nil, err
	}
	bound := map[string]int{}
	for _, s := range a.g.Sessions("") {
		bound[s.SystemID]++
	}
	list := []Account{}
	for _, acct := range accounts {
		v, err := accountOf(a.g, acct, bound[acct.Key])
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
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
