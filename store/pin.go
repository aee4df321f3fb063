package store

import "fmt"

// RememberPIN records that a SIM has refused a PIN, or that one is about to be entered. key stands for the SIM and the PIN together, without telling either.
func (db *DB) RememberPIN(key string) error {
	err := db.w.do(func(t *txn) error { return t.put(bPINs, []byte(key), []byte{recordVersion}) })
	if err != nil {
		return fmt.Errorf("remember that a PIN was entered or refused: %w", err)
	}
	return nil
}

// ForgetPIN takes back what RememberPIN recorded. To forget what is not there is no error.
func (db *DB) ForgetPIN(key string) error {
	err := db.w.do(func(t *txn) error { return t.delete(bPINs, []byte(key)) })
	if err != nil {
		return fmt.Errorf("forget that a PIN was entered: %w", err)
	}
	return nil
}

// PINRefused tells whether RememberPIN was called with this key, and ForgetPIN not since. A record that can't be read counts as refused: one
// try less is better than a locked SIM.
func (db *DB) PINRefused(key string) (bool, error) {
	refused := false
	err := db.view(func(v *reader) error {
		refused = v.bucket(bPINs).Get([]byte(key)) != nil
		return nil
	})
	return refused, err
}
