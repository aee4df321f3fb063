//go:build !linux

package store

import (
	"errors"
	"os"
)

// allocate is not known of other systems.
func allocate(*os.File, int64, int64) error { return errors.ErrUnsupported }
