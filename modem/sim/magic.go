package sim

import "strings"

// MagicNumber is a fault that a destination rehearses.
type MagicNumber struct {
	Suffix string // of the destination, five digits
	Effect string // a line for people

	fault Fault
	once  bool // every second try to a number works
}

// MagicNumbers returns the table of the package comment.
func MagicNumbers() []MagicNumber {
	of := func(kind FaultKind) Fault { return Fault{Kind: kind} }
	refuse := func(code cmsError) Fault { return Fault{Kind: FaultRefuse, Code: int(code)} }
	return []MagicNumber{
		{Suffix: "99901", Effect: "refused: unassigned number", fault: refuse(cmsUnassigned)},
		{Suffix: "99902", Effect: "refused: network out of order", fault: refuse(cmsOutOfOrder)},
		{Suffix: "99903", Effect: "never an answer, and nothing sent", fault: of(FaultSilentLost)},
		{Suffix: "99904", Effect: "sent, but the answer comes too late", fault: of(FaultLate)},
		{Suffix: "99905", Effect: "the modem restarts, and nothing is sent", fault: of(FaultResetLost)},
		{Suffix: "99906", Effect: "sent, but the modem restarts", fault: of(FaultResetSent)},
		{Suffix: "99907", Effect: "sent, without a status report", fault: of(FaultReportNever)},
		{Suffix: "99908", Effect: "accepted, then undeliverable", fault: of(FaultReportFailed)},
		{Suffix: "99909", Effect: "accepted, then expired", fault: of(FaultReportExpired)},
		{Suffix: "99910", Effect: "sent at the second attempt", fault: of(FaultReportInterim)},
		{Suffix: "99911", Effect: "SIM busy the first time, then sent", fault: refuse(cmsSIMBusy), once: true},
		{Suffix: "99912", Effect: "a bare ERROR, and nothing sent", fault: of(FaultRefuseError)},
		{Suffix: "99913", Effect: "OK without a reference, and nothing sent", fault: of(FaultNoReferenceLost)},
		{Suffix: "99914", Effect: "the modem is unplugged for a second, and nothing sent", fault: of(FaultUnplugLost)},
		{Suffix: "99915", Effect: "sent, but never an answer", fault: of(FaultSilentSent)},
		{Suffix: "99916", Effect: "sent, but neither an answer nor a status report", fault: of(FaultSilentUnreported)},
		{Suffix: "99917", Effect: "sent, but the answer is garbled", fault: of(FaultGarbledSent)},
		{Suffix: "99918", Effect: "a garbled answer, and nothing sent", fault: of(FaultGarbledLost)},
		{Suffix: "99919", Effect: "sent, but OK without a reference", fault: of(FaultNoReferenceSent)},
		{Suffix: "99920", Effect: "sent, and a reference without OK", fault: of(FaultNoOK)},
		{Suffix: "99921", Effect: "sent, and the modem restarts between the reference and OK", fault: of(FaultResetBetween)},
		{Suffix: "99922", Effect: "sent, but the modem is unplugged for a second", fault: of(FaultUnplugSent)},
		{Suffix: "99923", Effect: "refused: network timeout, though the text is sent",
			fault: Fault{Kind: FaultRefuseSent, Code: int(cmsNetworkTimeout)}},
		{Suffix: "99924", Effect: "the status report comes before the answer", fault: of(FaultReportFirst)},
		{Suffix: "99925", Effect: "the status report comes twice", fault: of(FaultReportTwice)},
		{Suffix: "99926", Effect: "the status report spells the number in another way", fault: of(FaultReportRespelled)},
		{Suffix: "99927", Effect: "the status report comes after that of the next text", fault: of(FaultReportSwapped)},
		{Suffix: "99928", Effect: "the phone is off for a minute, and gets it then, unless it has expired", fault: of(FaultPhoneOff)},
	}
}

// magicOf returns the magic of a number; one without a suffix has none.
func magicOf(number string) MagicNumber {
	for _, m := range MagicNumbers() {
		if strings.HasSuffix(number, m.Suffix) {
			return m
		}
	}
	return MagicNumber{}
}
