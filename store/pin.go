package store

import "fmt"

// RememberPIN records that a SIM has refused a PIN. key stands for the SIM and the PIN together, without telling either.
func (db *DB) RememberPIN(key string) error {
	err := db.w.do(func(t *txn) error { return t.put(bPINs, []byte(key), []byte{recordVersion}) })
	if err != nil {
		return fmt.Errorf("remember that a SIM refused its PIN: %w", err)
	}
	return nil
}

// PINRefused tells whether RememberPIN was ever called with this key. A record that can't be read counts as refused: one
// try less is better than a locked SIM.
func (db *DB) PINRefused(key string) (bool, error) {
	refused := false
	err := db.view(func(v *reader) error {
		refused = v.bucket(bPINs).Get([]byte(key)) != nil
		return nil
	})
	return refused, err
}
