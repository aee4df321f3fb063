package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// ModemState is what has to be known of a configured modem after a restart, too.
type ModemState struct {
	Name string `json:"-"` // in the configuration

	// Who it was when it was seen last; "" not known.
	IMEI  string `json:"imei,omitempty"`
	ICCID string `json:"iccid,omitempty"`
	Model string `json:"model,omitempty"`

	// Where it was then: the port as the configuration has it, the device, and which life of that device's node it was.
	Spec string `json:"spec,omitempty"`
	Port string `json:"port,omitempty"`
	Node string `json:"node,omitempty"`

	// Whom "auto" found first: the PIN is for that one.
	HomeIMEI  string `json:"home_imei,omitempty"`
	HomeICCID string `json:"home_iccid,omitempty"`

	// An operator has taken it out of work.
	Paused   bool      `json:"paused,omitempty"`
	PausedAt time.Time `json:"paused_at,omitzero"`
	Reason   string    `json:"reason,omitempty"`

	// The last reading of its SIM's credit. BalanceAt is zero as long as there is none.
	Balance         int64     `json:"balance,omitempty"` // hundredths of the currency
	BalanceCurrency string    `json:"balance_currency,omitempty"`
	BalanceText     string    `json:"balance_text,omitempty"` // what the network answered
	BalanceAt       time.Time `json:"balance_at,omitzero"`
	BalanceLine     string    `json:"balance_line,omitempty"`    // the SIM, as modem.Identity.Line says it
	BalanceIgnored  bool      `json:"balance_ignored,omitempty"` // an operator lets it work although the credit is low
}

// Modem reads what is known of a modem of that name; the zero value, with its name, if nothing is.
func (db *DB) Modem(name string) (ModemState, error) {
	state := ModemState{Name: name}
	err := db.view(func(v *reader) error { return v.modem(&state) })
	return state, err
}

// UpdateModem changes what is known of a modem, and returns it as it is on disk then. An error of change leaves it.
func (db *DB) UpdateModem(name string, change func(*ModemState) error) (ModemState, error) {
	var state ModemState
	err := db.w.do(func(t *txn) error {
		state = ModemState{Name: name}
		if err := t.modem(&state); err != nil {
			return err
		}
		was := state
		if err := change(&state); err != nil || state == was {
			return err
		}
		record, err := json.Marshal(state)
		if err != nil {
			return err
		}
		return t.put(bModems, []byte(name), append([]byte{recordVersion}, record...))
	})
	if err != nil {
		return ModemState{}, fmt.Errorf("note the state of modem %s: %w", name, err)
	}
	return state, nil
}

func (v *reader) modem(into *ModemState) error {
	f, err := v.get(bModems, []byte(into.Name))
	if f == nil || err != nil {
		return err
	}
	f.check(json.Unmarshal(f.rest, into) == nil, "it is no modem's state")
	f.rest = nil
	return f.end()
}
