package modem

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors that a caller can decide on with errors.Is.
var (
	// ErrError is the answer ERROR, which says no more.
	ErrError = errors.New("the modem answered ERROR")
	// ErrNoAnswer: the modem said nothing in the time that it had.
	ErrNoAnswer = errors.New("the modem did not answer in time")
	// ErrRestarted: the modem said hello as after power-on; its settings are gone.
	ErrRestarted = errors.New("the modem restarted by itself")
	// ErrNotReady: no text can be sent in the modem's present state.
	ErrNotReady = errors.New("the modem is not ready to send")
	// ErrLineClosed: nothing can be asked of the modem, for its line is not open.
	ErrLineClosed = errors.New("the modem's line is not open")
	// ErrPortGone: the line ended; the device was unplugged or restarted.
	ErrPortGone = errors.New("the line is gone: the modem was unplugged, or restarts")
	// ErrPortMissing: there is no such device.
	ErrPortMissing = errors.New("no such device: the modem is not plugged in, or has another name now")
	// ErrPortBusy: another program has locked the device.
	ErrPortBusy = errors.New("another program uses this port; stop it (ModemManager, smsd, minicom, another smsgateway)")
	// ErrRepeated is what a Receiver returns of a text that it has already.
	ErrRepeated = errors.New("this text was received before")
	// ErrPortStuck: the device takes no more octets.
	ErrPortStuck = errors.New("the modem does not read what is written to it")
)

// NotSentError is an end of Send: the text was certainly not sent, for Ctrl-Z was never written.
type NotSentError struct {
	Cause   error // what happened; the claim's own error if the claim was refused
	Claimed bool  // the claim had returned nil before
}

func (e *NotSentError) Error() string { return fmt.Sprintf("not sent: %v", e.Cause) }

// Unwrap returns the cause.
func (e *NotSentError) Unwrap() error { return e.Cause }

// RefusedError is an end of Send: the modem or the network said, with a clear cause, that it did not take the text.
type RefusedError struct {
	Cause error // a CMSError or a CMEError; Classify tells what to do
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused: %v", e.Cause) }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

// UncertainError is an end of Send: the modem had the text, and whether it was sent is not known.
type UncertainError struct {
	Reason  string // why nobody knows, for people
	Cause   error  // nil when there is none beyond Reason
	Suspect bool   // the modem gave up waiting for the network: probably not sent

	once bool // there were fewer answers than texts
}

func (e *UncertainError) Error() string {
	if e.Cause == nil {
		return "uncertain whether it was sent: " + e.Reason
	}
	return fmt.Sprintf("uncertain whether it was sent: %s: %v", e.Reason, e.Cause)
}

// Unwrap returns the cause, which may be nil.
func (e *UncertainError) Unwrap() error { return e.Cause }

// CMSError is the code of a +CMS ERROR: below 128 a cause of RP-ERROR (TS 24.011 annex E-2), 128 to 255 TP-FCS
// (TS 23.040 §9.2.3.22), above that the modem's own (TS 27.005 §3.2.5), from 512 on the vendor's.
type CMSError int

func (e CMSError) Error() string {
	return fmt.Sprintf("+CMS ERROR %d: %s", int(e), textOf(cmsTexts, int(e), otherCMS(int(e))))
}

// CMEError is the code of a +CME ERROR (TS 27.007 §9.2).
type CMEError int

func (e CMEError) Error() string {
	return fmt.Sprintf("+CME ERROR %d: %s", int(e), textOf(cmeTexts, int(e), otherCME(int(e))))
}

// codeText is what a code means: in the words of the specification, which modems send as verbose errors (+CMEE=2).
type codeText struct {
	code int
	text string
}

// textOf returns the text of a code, or other.
func textOf(list []codeText, code int, other string) string {
	for _, t := range list {
		if t.code == code {
			return t.text
		}
	}
	return other
}

// codeOf returns the code of an error's text, numeric or verbose. Devices write the verbose one with other blanks, other
// capitals and "(U)SIM" (ModemManager, mm-error-helpers.c).
func codeOf(list []codeText, text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n, true
	}
	text = bare(text)
	for _, t := range list {
		if text != "" && bare(t.text) == text {
			return t.code, true
		}
	}
	return 0, false
}

// bare is a text without all that devices write differently.
func bare(text string) string {
	text = strings.ReplaceAll(strings.ToLower(text), "(u)", "")
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// finalError returns the error that a final result line stands for: nil for OK. A verbose text that no table knows
// becomes the code for "unknown error", with the text beside it.
func finalError(line string) error {
	if line == "OK" {
		return nil
	}
	if text, ok := cutPrefix(line, "+CMS ERROR:"); ok {
		if code, ok := codeOf(cmsTexts, text); ok {
			return CMSError(code)
		}
		return fmt.Errorf("%w (the modem said %q)", CMSError(500), text)
	}
	if text, ok := cutPrefix(line, "+CME ERROR:"); ok {
		if code, ok := codeOf(cmeTexts, text); ok {
			return CMEError(code)
		}
		return fmt.Errorf("%w (the modem said %q)", CMEError(100), text)
	}
	if line == "ERROR" {
		return ErrError
	}
	return fmt.Errorf("%w (the modem said %q)", ErrError, line)
}

// cutPrefix returns what follows prefix, without blanks around it; upper and lower case are the same.
func cutPrefix(line, prefix string) (rest string, ok bool) {
	if len(line) < len(prefix) || !strings.EqualFold(line[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimSpace(line[len(prefix):]), true
}

// isFinal tells whether a line ends an answer. The last three are of old Huawei, Motorola and Samsung firmware
// (ModemManager, mm-serial-parsers.c).
func isFinal(line string) bool {
	switch line {
	case "OK", "ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS", "NA":
		return true
	}
	for _, p := range []string{"+CMS ERROR:", "+CME ERROR:", "MODEM ERROR:"} {
		if _, ok := cutPrefix(line, p); ok {
			return true
		}
	}
	return false
}
