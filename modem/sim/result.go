package sim

import (
	"errors"
	"strconv"
)

// The ends of a command that have no number. To return nil is OK.
var (
	errPlain     = errors.New("ERROR")
	errNoCarrier = errors.New("NO CARRIER")
	errLater     = errors.New("the result comes later") // a prompt is open, or the network is asked
)

// cmsError is a +CMS ERROR (TS 27.005 §3.2.5), cmeError a +CME ERROR (TS 27.007 §9.2).
type (
	cmsError int
	cmeError int
)

func (e cmsError) Error() string { return "+CMS ERROR: " + strconv.Itoa(int(e)) }
func (e cmeError) Error() string { return "+CME ERROR: " + strconv.Itoa(int(e)) }

// The codes that the modem gives.
const (
	cmsUnassigned     cmsError = 1
	cmsOutOfOrder     cmsError = 38
	cmsNotAllowed     cmsError = 302
	cmsNotSupported   cmsError = 303
	cmsInvalidPDU     cmsError = 304
	cmsNoSIM          cmsError = 310
	cmsPINRequired    cmsError = 311
	cmsSIMFailure     cmsError = 313
	cmsSIMBusy        cmsError = 314
	cmsPUKRequired    cmsError = 316
	cmsInvalidIndex   cmsError = 321
	cmsMemoryFull     cmsError = 322
	cmsNoSMSC         cmsError = 330
	cmsNoService      cmsError = 331
	cmsNetworkTimeout cmsError = 332
	cmsNoCNMAExpected cmsError = 340

	cmeNotAllowed cmeError = 3
	cmeNoSIM      cmeError = 10
	cmePIN        cmeError = 11
	cmePUK        cmeError = 12
	cmeSIMFailure cmeError = 13
	cmeSIMBusy    cmeError = 14
	cmeWrong      cmeError = 16
	cmeNoNetwork  cmeError = 30
	cmeIncorrect  cmeError = 50
	cmeBusy       cmeError = 515 // still starting (Wavecom, gammu issue 93)
)

// verboseText is what AT+CMEE=2 makes of the codes.
var verboseText = map[error]string{
	cmsUnassigned:     "Unassigned (unallocated) number",
	cmsOutOfOrder:     "Network out of order",
	cmsNotAllowed:     "Operation not allowed",
	cmsNotSupported:   "Operation not supported",
	cmsInvalidPDU:     "Invalid PDU mode parameter",
	cmsNoSIM:          "SIM not inserted",
	cmsPINRequired:    "SIM PIN required",
	cmsSIMFailure:     "SIM failure",
	cmsSIMBusy:        "SIM busy",
	cmsPUKRequired:    "SIM PUK required",
	cmsInvalidIndex:   "Invalid memory index",
	cmsMemoryFull:     "Memory full",
	cmsNoSMSC:         "SMSC address unknown",
	cmsNoService:      "No network service",
	cmsNetworkTimeout: "Network timeout",
	cmsNoCNMAExpected: "No +CNMA acknowledgement expected",
	cmeNotAllowed:     "operation not allowed",
	cmeNoSIM:          "SIM not inserted",
	cmePIN:            "SIM PIN required",
	cmePUK:            "SIM PUK required",
	cmeSIMFailure:     "SIM failure",
	cmeSIMBusy:        "SIM busy",
	cmeWrong:          "incorrect password",
	cmeNoNetwork:      "no network service",
	cmeIncorrect:      "incorrect parameters",
	cmeBusy:           "please wait, init or command processing in progress",
}

// resultOf returns a result code as text and, where V.250 has one, as digit for ATV0. With AT+CMEE=0 a +CME ERROR is a
// bare ERROR; +CMS ERROR is a number even then, as with most modems.
func (t *terminal) resultOf(err error) (text, digit string) {
	var cms cmsError
	var cme cmeError
	var word wordError
	switch {
	case errors.As(err, &word):
		return err.Error(), ""
	case err == nil:
		return "OK", "0"
	case errors.Is(err, errNoCarrier):
		return err.Error(), "3"
	case errors.As(err, &cms) && t.cmee == 2 && verboseText[cms] != "":
		return "+CMS ERROR: " + verboseText[cms], ""
	case errors.As(err, &cms):
		return cms.Error(), ""
	case errors.As(err, &cme) && t.cmee == 2 && verboseText[cme] != "":
		return "+CME ERROR: " + verboseText[cme], ""
	case errors.As(err, &cme) && t.cmee > 0:
		return cme.Error(), ""
	}
	return errPlain.Error(), "4"
}
