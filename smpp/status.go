package smpp

import "fmt"

// Status is a command_status (SMPP 3.4 §5.1.3): what a response says about its request. It is an error, so that a Handler
// can return the status that the client is to see. StatusOK is never an error to return: nil says that.
type Status uint32

// The 48 codes of SMPP 3.4. The numbers between them are reserved; 0x400 to 0x4FF belong to vendors.
const (
	StatusOK              Status = 0x00
	StatusInvMsgLen       Status = 0x01
	StatusInvCmdLen       Status = 0x02
	StatusInvCmdID        Status = 0x03
	StatusInvBndSts       Status = 0x04
	StatusAlyBnd          Status = 0x05
	StatusInvPrtFlg       Status = 0x06
	StatusInvRegDlvFlg    Status = 0x07
	StatusSysErr          Status = 0x08
	StatusInvSrcAdr       Status = 0x0A
	StatusInvDstAdr       Status = 0x0B
	StatusInvMsgID        Status = 0x0C
	StatusBindFail        Status = 0x0D
	StatusInvPaswd        Status = 0x0E
	StatusInvSysID        Status = 0x0F
	StatusCancelFail      Status = 0x11
	StatusReplaceFail     Status = 0x13
	StatusMsgQFul         Status = 0x14
	StatusInvSerTyp       Status = 0x15
	StatusInvNumDests     Status = 0x33
	StatusInvDLName       Status = 0x34
	StatusInvDestFlag     Status = 0x40
	StatusInvSubRep       Status = 0x42
	StatusInvESMClass     Status = 0x43
	StatusCntSubDL        Status = 0x44
	StatusSubmitFail      Status = 0x45
	StatusInvSrcTON       Status = 0x48
	StatusInvSrcNPI       Status = 0x49
	StatusInvDstTON       Status = 0x50
	StatusInvDstNPI       Status = 0x51
	StatusInvSysTyp       Status = 0x53
	StatusInvRepFlag      Status = 0x54
	StatusInvNumMsgs      Status = 0x55
	StatusThrottled       Status = 0x58
	StatusInvSched        Status = 0x61
	StatusInvExpiry       Status = 0x62
	StatusInvDftMsgID     Status = 0x63
	StatusRxTAppn         Status = 0x64
	StatusRxPAppn         Status = 0x65
	StatusRxRAppn         Status = 0x66
	StatusQueryFail       Status = 0x67
	StatusInvOptParStream Status = 0xC0
	StatusOptParNotAllwd  Status = 0xC1
	StatusInvParLen       Status = 0xC2
	StatusMissingOptParam Status = 0xC3
	StatusInvOptParamVal  Status = 0xC4
	StatusDeliveryFailure Status = 0xFE
	StatusUnknownErr      Status = 0xFF
)

// statusTexts holds the name of each code in the specification and what it says, for people.
var statusTexts = map[Status][2]string{
	StatusOK:              {"ESME_ROK", "no error"},
	StatusInvMsgLen:       {"ESME_RINVMSGLEN", "invalid message length"},
	StatusInvCmdLen:       {"ESME_RINVCMDLEN", "invalid command length"},
	StatusInvCmdID:        {"ESME_RINVCMDID", "invalid command id"},
	StatusInvBndSts:       {"ESME_RINVBNDSTS", "not allowed in this bind state"},
	StatusAlyBnd:          {"ESME_RALYBND", "already bound"},
	StatusInvPrtFlg:       {"ESME_RINVPRTFLG", "invalid priority flag"},
	StatusInvRegDlvFlg:    {"ESME_RINVREGDLVFLG", "invalid registered delivery flag"},
	StatusSysErr:          {"ESME_RSYSERR", "system error"},
	StatusInvSrcAdr:       {"ESME_RINVSRCADR", "invalid source address"},
	StatusInvDstAdr:       {"ESME_RINVDSTADR", "invalid destination address"},
	StatusInvMsgID:        {"ESME_RINVMSGID", "invalid message id"},
	StatusBindFail:        {"ESME_RBINDFAIL", "bind failed"},
	StatusInvPaswd:        {"ESME_RINVPASWD", "invalid password"},
	StatusInvSysID:        {"ESME_RINVSYSID", "invalid system id"},
	StatusCancelFail:      {"ESME_RCANCELFAIL", "cancel failed"},
	StatusReplaceFail:     {"ESME_RREPLACEFAIL", "replace failed"},
	StatusMsgQFul:         {"ESME_RMSGQFUL", "message queue full"},
	StatusInvSerTyp:       {"ESME_RINVSERTYP", "invalid service type"},
	StatusInvNumDests:     {"ESME_RINVNUMDESTS", "invalid number of destinations"},
	StatusInvDLName:       {"ESME_RINVDLNAME", "invalid distribution list name"},
	StatusInvDestFlag:     {"ESME_RINVDESTFLAG", "invalid destination flag"},
	StatusInvSubRep:       {"ESME_RINVSUBREP", "submit with replace not possible"},
	StatusInvESMClass:     {"ESME_RINVESMCLASS", "invalid esm class"},
	StatusCntSubDL:        {"ESME_RCNTSUBDL", "cannot submit to a distribution list"},
	StatusSubmitFail:      {"ESME_RSUBMITFAIL", "submit failed"},
	StatusInvSrcTON:       {"ESME_RINVSRCTON", "invalid source type of number"},
	StatusInvSrcNPI:       {"ESME_RINVSRCNPI", "invalid source numbering plan"},
	StatusInvDstTON:       {"ESME_RINVDSTTON", "invalid destination type of number"},
	StatusInvDstNPI:       {"ESME_RINVDSTNPI", "invalid destination numbering plan"},
	StatusInvSysTyp:       {"ESME_RINVSYSTYP", "invalid system type"},
	StatusInvRepFlag:      {"ESME_RINVREPFLAG", "invalid replace if present flag"},
	StatusInvNumMsgs:      {"ESME_RINVNUMMSGS", "invalid number of messages"},
	StatusThrottled:       {"ESME_RTHROTTLED", "throttled: slow down and try again"},
	StatusInvSched:        {"ESME_RINVSCHED", "invalid schedule delivery time"},
	StatusInvExpiry:       {"ESME_RINVEXPIRY", "invalid validity period"},
	StatusInvDftMsgID:     {"ESME_RINVDFTMSGID", "invalid predefined message"},
	StatusRxTAppn:         {"ESME_RX_T_APPN", "receiver: try again later"},
	StatusRxPAppn:         {"ESME_RX_P_APPN", "receiver: never deliver this"},
	StatusRxRAppn:         {"ESME_RX_R_APPN", "receiver: rejected"},
	StatusQueryFail:       {"ESME_RQUERYFAIL", "query failed"},
	StatusInvOptParStream: {"ESME_RINVOPTPARSTREAM", "unreadable optional parameters"},
	StatusOptParNotAllwd:  {"ESME_ROPTPARNOTALLWD", "optional parameter not allowed"},
	StatusInvParLen:       {"ESME_RINVPARLEN", "invalid parameter length"},
	StatusMissingOptParam: {"ESME_RMISSINGOPTPARAM", "expected optional parameter missing"},
	StatusInvOptParamVal:  {"ESME_RINVOPTPARAMVAL", "invalid optional parameter value"},
	StatusDeliveryFailure: {"ESME_RDELIVERYFAILURE", "delivery failed"},
	StatusUnknownErr:      {"ESME_RUNKNOWNERR", "unknown error"},
}

// String is the name of the specification ("ESME_RINVDSTADR"), or the number in hexadecimal when it is none of ours.
func (s Status) String() string {
	if text, ok := statusTexts[s]; ok {
		return text[0]
	}
	return fmt.Sprintf("0x%08X", uint32(s))
}

// Error is the name, the number and what it says: "ESME_RINVDSTADR (0x0B): invalid destination address".
func (s Status) Error() string {
	if text, ok := statusTexts[s]; ok {
		return fmt.Sprintf("%s (0x%02X): %s", text[0], uint32(s), text[1])
	}
	return fmt.Sprintf("command_status 0x%08X: not a code of SMPP 3.4", uint32(s))
}
