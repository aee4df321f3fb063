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
	ErrPortBusy = errors.New("another program uses this port; stop it (ModemManager, smsd, minicom)")
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
	return fmt.Sprintf("+CMS ERROR %d: %s", int(e), textOf(cmsTexts, int(e), "no meaning is known"))
}

// CMEError is the code of a +CME ERROR (TS 27.007 §9.2).
type CMEError int

func (e CMEError) Error() string {
	return fmt.Sprintf("+CME ERROR %d: %s", int(e), textOf(cmeTexts, int(e), "no meaning is known"))
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

// codeOf returns the code of an error's text, numeric or verbose.
func codeOf(list []codeText, text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n, true
	}
	for _, t := range list {
		if strings.EqualFold(t.text, text) {
			return t.code, true
		}
	}
	return 0, false
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

// cmsTexts is TS 27.005 §3.2.5 with the causes that it refers to, and the vendors' codes that several of them share.
var cmsTexts = []codeText{
	{1, "unassigned number"},
	{8, "operator determined barring"},
	{10, "call barred"},
	{17, "network failure"},
	{21, "short message transfer rejected"},
	{22, "memory capacity exceeded or congestion"},
	{27, "destination out of service"},
	{28, "unidentified subscriber"},
	{29, "facility rejected"},
	{30, "unknown subscriber"},
	{38, "network out of order"},
	{41, "temporary failure"},
	{42, "congestion"},
	{47, "resources unavailable, unspecified"},
	{50, "requested facility not subscribed"},
	{69, "requested facility not implemented"},
	{81, "invalid short message transfer reference value"},
	{95, "invalid message, unspecified"},
	{96, "invalid mandatory information"},
	{97, "message type non-existent or not implemented"},
	{98, "message not compatible with short message protocol state"},
	{99, "information element non-existent or not implemented"},
	{111, "protocol error, unspecified"},
	{127, "interworking, unspecified"},
	{128, "telematic interworking not supported"},
	{129, "short message type 0 not supported"},
	{130, "cannot replace short message"},
	{143, "unspecified TP-PID error"},
	{144, "data coding scheme (alphabet) not supported"},
	{145, "message class not supported"},
	{159, "unspecified TP-DCS error"},
	{160, "command cannot be actioned"},
	{161, "command unsupported"},
	{175, "unspecified TP-command error"},
	{176, "TPDU not supported"},
	{192, "SC busy"},
	{193, "no SC subscription"},
	{194, "SC system failure"},
	{195, "invalid SME address"},
	{196, "destination SME barred"},
	{197, "SM rejected, duplicate SM"},
	{198, "TP-VPF not supported"},
	{199, "TP-VP not supported"},
	{208, "SIM SMS storage full"},
	{209, "no SMS storage capability in SIM"},
	{210, "error in MS"},
	{211, "memory capacity exceeded"},
	{212, "SIM application toolkit busy"},
	{213, "SIM data download error"},
	{255, "unspecified error cause"},
	{300, "ME failure"},
	{301, "SMS service of ME reserved"},
	{302, "operation not allowed"},
	{303, "operation not supported"},
	{304, "invalid PDU mode parameter"},
	{305, "invalid text mode parameter"},
	{310, "SIM not inserted"},
	{311, "SIM PIN required"},
	{312, "PH-SIM PIN required"},
	{313, "SIM failure"},
	{314, "SIM busy"},
	{315, "SIM wrong"},
	{316, "SIM PUK required"},
	{317, "SIM PIN2 required"},
	{318, "SIM PUK2 required"},
	{320, "memory failure"},
	{321, "invalid memory index"},
	{322, "memory full"},
	{330, "SMSC address unknown"},
	{331, "no network service"},
	{332, "network timeout"},
	{340, "no +CNMA acknowledgement expected"},
	{500, "unknown error"},
	{512, "user abort, or no connection to the network"},
	{513, "unable to store, or no answer from the network"},
	{514, "invalid status, or no answer from the network"},
	{515, "device busy"},
	{517, "invalid character in PDU"},
	{519, "invalid character in PDU"},
	{520, "invalid character in PDU"},
	{521, "timer expired"},
	{522, "temporarily not allowed"},
	{532, "SIM not ready"},
	{535, "protocol stack busy"},
	{538, "invalid parameter"},
	{549, "wrong PDU"},
	{550, "wrong PDU"},
	{551, "wrong PDU"},
	{552, "wrong PDU"},
	{553, "wrong PDU"},
	{554, "wrong PDU"},
	{615, "network failure"},
	{616, "network is down"},
	{772, "SIM powered down"},
}

// cmeTexts is TS 27.007 §9.2.1 and §9.2.2.
var cmeTexts = []codeText{
	{0, "phone failure"},
	{1, "no connection to phone"},
	{2, "phone-adaptor link reserved"},
	{3, "operation not allowed"},
	{4, "operation not supported"},
	{5, "PH-SIM PIN required"},
	{6, "PH-FSIM PIN required"},
	{7, "PH-FSIM PUK required"},
	{10, "SIM not inserted"},
	{11, "SIM PIN required"},
	{12, "SIM PUK required"},
	{13, "SIM failure"},
	{14, "SIM busy"},
	{15, "SIM wrong"},
	{16, "incorrect password"},
	{17, "SIM PIN2 required"},
	{18, "SIM PUK2 required"},
	{20, "memory full"},
	{21, "invalid index"},
	{22, "not found"},
	{23, "memory failure"},
	{24, "text string too long"},
	{25, "invalid characters in text string"},
	{26, "dial string too long"},
	{27, "invalid characters in dial string"},
	{30, "no network service"},
	{31, "network timeout"},
	{32, "network not allowed - emergency calls only"},
	{40, "network personalization PIN required"},
	{41, "network personalization PUK required"},
	{42, "network subset personalization PIN required"},
	{43, "network subset personalization PUK required"},
	{44, "service provider personalization PIN required"},
	{45, "service provider personalization PUK required"},
	{46, "corporate personalization PIN required"},
	{47, "corporate personalization PUK required"},
	{50, "incorrect parameters"},
	{100, "unknown"},
	{515, "please wait, the modem is busy or starting"},
}
