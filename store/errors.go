package store

import (
	"errors"
	"fmt"
	"syscall"
)

// What callers decide on.
var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("another process has it open")
	// ErrDamaged: the file, or a record in it, is not as it was written. Nothing was changed.
	ErrDamaged = errors.New("damaged")
	// ErrNewer: a newer smsgateway wrote the file.
	ErrNewer = errors.New("written by a newer version of smsgateway")
	// ErrFailed: a commit failed in a way that leaves open whether it is on disk. From then on every operation answers
	// so; the process is to end and to start afresh (delivery-semantics, section 9).
	ErrFailed = errors.New("the store has failed")
	// ErrInDoubt: the operation was part of the commit that failed, and may be found done at the next start. Always an
	// ErrFailed, too.
	ErrInDoubt = errors.New("it is not known whether it was written")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the store is closed")
	// ErrDiskFull: nothing was written, and it will work again when there is room.
	ErrDiskFull = errors.New("the disk is full")
	// ErrMoved: the file was removed or replaced while it is open. What is written to it will be gone, so nothing new is
	// accepted.
	ErrMoved = errors.New("the database file was removed or replaced while the gateway works with it")

	// ErrAccountExists: the key is taken.
	ErrAccountExists = errors.New("account exists")
	// ErrNoAccount: there is no such account.
	ErrNoAccount = errors.New("no such account")
	// ErrNotFound: the id was never given, or so long ago that nothing is left of it.
	ErrNotFound = errors.New("no such message")
	// ErrEmpty: no message may be sent now.
	ErrEmpty = errors.New("nothing to send")
	// ErrMore: nothing to send was found so far, and not all was looked at.
	ErrMore = errors.New("there is more to look at")
	// ErrGone: the message is not where the caller takes it to be. Always a *StateError.
	ErrGone = errors.New("message is in another state")
	// ErrLineBusy: the SIM has an open claim already.
	ErrLineBusy = errors.New("line has an open claim")
	// ErrNoIDs: all ten-digit ids have been given.
	ErrNoIDs = errors.New("no message id is left")
)

// DamagedError is a record whose checksum or shape is wrong. errors.Is ErrDamaged.
type DamagedError struct {
	Bucket string
	Key    []byte // as in the table of the package comment
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("damaged record %s/%x: %s", e.Bucket, e.Key, e.Reason)
}

// Is makes it an ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// GoneError: the id was given, to the account of Lane, and its keeping time is over.
type GoneError struct{ Lane uint32 }

func (e *GoneError) Error() string { return "message is past its keeping time" }

// forgotten tells whether an error says that nothing is left of a message but perhaps its id.
func forgotten(err error) bool {
	var gone *GoneError
	return errors.As(err, &gone) || errors.Is(err, ErrNotFound)
}

// StateError: the message does not permit what was asked, because of its state or for the reason given. Nothing was
// done, except that a message whose validity was over is at its end now. errors.Is ErrGone.
type StateError struct {
	State  State
	Reason string // a clause in words; may be ""
}

func (e *StateError) Error() string {
	if e.Reason == "" {
		return "message is " + e.State.String()
	}
	return "message is " + e.State.String() + ": " + e.Reason
}

// Is makes it an ErrGone.
func (e *StateError) Is(target error) bool { return target == ErrGone }

// AccountBusyError: messages of the account still wait to be sent, or their hand-over is open.
type AccountBusyError struct {
	Key     string
	Waiting uint64
}

func (e *AccountBusyError) Error() string {
	if e.Waiting == 1 {
		return fmt.Sprintf("account %s has a message that is not sent yet: cancel it or let it go out first", e.Key)
	}
	return fmt.Sprintf("account %s has %d messages that are not sent yet: cancel them or let them go out first", e.Key, e.Waiting)
}

// failure is what Err and every operation answer after a fail-stop.
type failure struct {
	cause error
	doubt bool // see ErrInDoubt
}

func (e *failure) Error() string {
	if e.doubt {
		return ErrInDoubt.Error() + ": " + (&failure{cause: e.cause}).Error()
	}
	return fmt.Sprintf("the store has failed, start the gateway afresh: %v%s", e.cause, cure(e.cause))
}

// cure says what to do about an error of the disk.
func cure(err error) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return " (the disk can't be written to any more: Linux mounts it so when it fails; see dmesg)"
	case errors.Is(err, syscall.EIO):
		return " (the disk fails: see dmesg, and move data_dir to another one)"
	case isFull(err):
		return " (the disk is full, and told so too late: make room)"
	}
	return ""
}
func (e *failure) Unwrap() error { return e.cause }
func (e *failure) Is(target error) bool {
	return target == ErrFailed || target == ErrInDoubt && e.doubt
}
