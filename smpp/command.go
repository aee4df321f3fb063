package smpp

import (
	"fmt"
	"slices"
)

// CommandID is the command_id of a PDU's header (SMPP 3.4 §5.1.2.1). Bit 31 tells a response from a request.
type CommandID uint32

// The commands of SMPP 3.4, in the order of table 5-1.
const (
	CmdGenericNack         CommandID = 0x80000000
	CmdBindReceiver        CommandID = 0x00000001
	CmdBindReceiverResp    CommandID = 0x80000001
	CmdBindTransmitter     CommandID = 0x00000002
	CmdBindTransmitterResp CommandID = 0x80000002
	CmdQuerySM             CommandID = 0x00000003
	CmdQuerySMResp         CommandID = 0x80000003
	CmdSubmitSM            CommandID = 0x00000004
	CmdSubmitSMResp        CommandID = 0x80000004
	CmdDeliverSM           CommandID = 0x00000005
	CmdDeliverSMResp       CommandID = 0x80000005
	CmdUnbind              CommandID = 0x00000006
	CmdUnbindResp          CommandID = 0x80000006
	CmdReplaceSM           CommandID = 0x00000007
	CmdReplaceSMResp       CommandID = 0x80000007
	CmdCancelSM            CommandID = 0x00000008
	CmdCancelSMResp        CommandID = 0x80000008
	CmdBindTransceiver     CommandID = 0x00000009
	CmdBindTransceiverResp CommandID = 0x80000009
	CmdOutbind             CommandID = 0x0000000B
	CmdEnquireLink         CommandID = 0x00000015
	CmdEnquireLinkResp     CommandID = 0x80000015
	CmdSubmitMulti         CommandID = 0x00000021
	CmdSubmitMultiResp     CommandID = 0x80000021
	CmdAlertNotification   CommandID = 0x00000102
	CmdDataSM              CommandID = 0x00000103
	CmdDataSMResp          CommandID = 0x80000103
)

// responseBit is set in the command_id of every response.
const responseBit CommandID = 0x80000000

// commandNames gives each request its name in the specification; a response has the same name with _resp behind it.
var commandNames = map[CommandID]string{
	CmdBindReceiver:      "bind_receiver",
	CmdBindTransmitter:   "bind_transmitter",
	CmdQuerySM:           "query_sm",
	CmdSubmitSM:          "submit_sm",
	CmdDeliverSM:         "deliver_sm",
	CmdUnbind:            "unbind",
	CmdReplaceSM:         "replace_sm",
	CmdCancelSM:          "cancel_sm",
	CmdBindTransceiver:   "bind_transceiver",
	CmdOutbind:           "outbind",
	CmdEnquireLink:       "enquire_link",
	CmdSubmitMulti:       "submit_multi",
	CmdAlertNotification: "alert_notification",
	CmdDataSM:            "data_sm",
}

// Commands gives all commands of SMPP 3.4 by their number: the requests first, generic_nack and the responses behind them.
func Commands() []CommandID {
	var all []CommandID
	for id := range commandNames {
		all = append(all, id)
		if id != CmdOutbind && id != CmdAlertNotification {
			all = append(all, id.Response())
		}
	}
	all = append(all, CmdGenericNack)
	slices.Sort(all)
	return all
}

// IsResponse tells a response, generic_nack included, from a request.
func (id CommandID) IsResponse() bool { return id&responseBit != 0 }

// Response is the command_id with which a request is answered. It means nothing for outbind and alert_notification, which
// have no answer.
func (id CommandID) Response() CommandID { return id | responseBit }

// String is the name of the specification ("submit_sm_resp"), or the number in hexadecimal when the command is unknown.
func (id CommandID) String() string {
	if id == CmdGenericNack {
		return "generic_nack"
	}
	name, ok := commandNames[id&^responseBit]
	switch {
	case !ok || id == CmdOutbind.Response() || id == CmdAlertNotification.Response():
		return fmt.Sprintf("0x%08X", uint32(id))
	case id.IsResponse():
		return name + "_resp"
	}
	return name
}
