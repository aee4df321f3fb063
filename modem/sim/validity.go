package sim

import (
	"fmt"

	"smsgateway/sms"
)

// Validity is which forms of TP-VP a network takes (TS 23.040 §9.2.3.12).
type Validity uint8

const (
	ValidityAny      Validity = iota
	ValidityRelative          // the others are refused with TP-FCS 198
	ValidityNone              // any is refused: 199
	ValidityNoPDU             // the modem takes the relative one alone, and says of others that they are no PDU: +CMS ERROR 304
)

// String is the network's habit in words.
func (v Validity) String() string {
	switch v {
	case ValidityAny:
		return "any TP-VP"
	case ValidityRelative:
		return "a relative TP-VP alone"
	case ValidityNone:
		return "no TP-VP"
	case ValidityNoPDU:
		return "a relative TP-VP alone, else 304"
	}
	return fmt.Sprintf("Validity(%d)", uint8(v))
}

// refuses is the error for a text whose TP-VP has a form that is not taken.
func (v Validity) refuses(p sms.Submit) error {
	relative := p.Validity > 0
	switch {
	case p.VPRaw == nil && !relative:
		return nil
	case v == ValidityNone:
		return cmsError(199)
	case v == ValidityRelative && !relative:
		return cmsError(198)
	case v == ValidityNoPDU && !relative:
		return cmsInvalidPDU
	}
	return nil
}
