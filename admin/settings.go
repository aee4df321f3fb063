package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"

	"smsgateway/gateway"
)

// Setting describes one setting of an account.
type Setting = gateway.Setting

// AccountSettings lists them all, in the order in which they are shown.
func AccountSettings() []Setting { return gateway.AccountSettings() }

// Settings are values of settings by their names, each as people write it; "" is unset. In JSON those that are numbers
// are numbers, with 0 for unset, and null names nothing.
type Settings map[string]string

// MarshalJSON writes them sorted by name.
func (s Settings) MarshalJSON() ([]byte, error) {
	object := make(map[string]any)
	for name, text := range s {
		object[name] = text
	}
	for _, known := range AccountSettings() {
		if text, ok := s[known.Name]; ok && known.Number {
			if n, err := strconv.Atoi(cmp.Or(text, "0")); err == nil { // else the gateway says what is wrong with it
				object[known.Name] = n
			}
		}
	}
	return json.Marshal(object)
}

// UnmarshalJSON takes any names; the gateway refuses those that it does not know.
func (s *Settings) UnmarshalJSON(b []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	*s = make(Settings)
	for name, raw := range object {
		if err := s.take(name, raw); err != nil {
			return err
		}
	}
	return nil
}

// take reads one value.
func (s Settings) take(name string, raw json.RawMessage) error {
	var number json.Number
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] != '"' && json.Unmarshal(raw, &number) == nil:
		if s[name] = number.String(); s[name] == "0" {
			s[name] = ""
		}
		return nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	s[name] = text
	return nil
}

// beside writes an object with the settings as further names of it.
func (s Settings) beside(object any) ([]byte, error) {
	b, err := json.Marshal(object)
	if err != nil || len(s) == 0 {
		return b, err
	}
	settings, err := s.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return append(append(bytes.TrimSuffix(b, []byte("}")), ','), settings[1:]...), nil
}

// MarshalJSON has the settings beside the rest.
func (a Account) MarshalJSON() ([]byte, error) {
	type plain Account
	return a.Settings.beside(plain(a))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Account) UnmarshalJSON(b []byte) error {
	type plain Account
	if err := json.Unmarshal(b, (*plain)(a)); err != nil {
		return err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	a.Settings = make(Settings)
	for _, known := range AccountSettings() {
		if raw, ok := object[known.Name]; ok {
			if err := a.Settings.take(known.Name, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// MarshalJSON has the settings beside the rest.
func (a NewAccount) MarshalJSON() ([]byte, error) {
	type plain NewAccount
	return a.Settings.beside(plain(a))
}

// UnmarshalJSON takes all names but key and password for settings.
func (a *NewAccount) UnmarshalJSON(b []byte) error {
	type plain NewAccount
	if err := json.Unmarshal(b, (*plain)(a)); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &a.Settings); err != nil {
		return err
	}
	delete(a.Settings, "key")
	delete(a.Settings, "password")
	return nil
}
