package smpp

import "fmt"

// Tag names an optional parameter (SMPP 3.4 §5.3.2).
type Tag uint16

// The 44 tags of SMPP 3.4. 0x1400 to 0x3FFF belong to vendors.
const (
	TagDestAddrSubunit        Tag = 0x0005
	TagDestNetworkType        Tag = 0x0006
	TagDestBearerType         Tag = 0x0007
	TagDestTelematicsID       Tag = 0x0008
	TagSourceAddrSubunit      Tag = 0x000D
	TagSourceNetworkType      Tag = 0x000E
	TagSourceBearerType       Tag = 0x000F
	TagSourceTelematicsID     Tag = 0x0010
	TagQosTimeToLive          Tag = 0x0017
	TagPayloadType            Tag = 0x0019
	TagAdditionalStatusInfo   Tag = 0x001D
	TagReceiptedMessageID     Tag = 0x001E
	TagMsMsgWaitFacilities    Tag = 0x0030
	TagPrivacyIndicator       Tag = 0x0201
	TagSourceSubaddress       Tag = 0x0202
	TagDestSubaddress         Tag = 0x0203
	TagUserMessageReference   Tag = 0x0204
	TagUserResponseCode       Tag = 0x0205
	TagSourcePort             Tag = 0x020A
	TagDestinationPort        Tag = 0x020B
	TagSarMsgRefNum           Tag = 0x020C
	TagLanguageIndicator      Tag = 0x020D
	TagSarTotalSegments       Tag = 0x020E
	TagSarSegmentSeqnum       Tag = 0x020F
	TagScInterfaceVersion     Tag = 0x0210
	TagCallbackNumPresInd     Tag = 0x0302
	TagCallbackNumAtag        Tag = 0x0303
	TagNumberOfMessages       Tag = 0x0304
	TagCallbackNum            Tag = 0x0381
	TagDpfResult              Tag = 0x0420
	TagSetDpf                 Tag = 0x0421
	TagMsAvailabilityStatus   Tag = 0x0422
	TagNetworkErrorCode       Tag = 0x0423
	TagMessagePayload         Tag = 0x0424
	TagDeliveryFailureReason  Tag = 0x0425
	TagMoreMessagesToSend     Tag = 0x0426
	TagMessageState           Tag = 0x0427
	TagUssdServiceOp          Tag = 0x0501
	TagDisplayTime            Tag = 0x1201
	TagSmsSignal              Tag = 0x1203
	TagMsValidity             Tag = 0x1204
	TagAlertOnMessageDelivery Tag = 0x130C
	TagItsReplyType           Tag = 0x1380
	TagItsSessionInfo         Tag = 0x1383
)

// place is a set of PDUs: those in which the specification lists an optional parameter.
type place uint8

const (
	inSubmit place = 1 << iota
	inMulti
	inDeliver
	inData
	inDataResp
	inAlert
	inBindResp
	inReplace
)

const inMessage = inSubmit | inMulti | inDeliver | inData // in all that carry a short message

// tagInfo is what §5.3.2 says of a tag: its name, how few and how many octets its value has, and where it belongs.
type tagInfo struct {
	name        string
	least, most int
	in          place
}

var tagInfos = map[Tag]tagInfo{
	TagDestAddrSubunit:        {"dest_addr_subunit", 1, 1, inSubmit | inMulti | inData},
	TagDestNetworkType:        {"dest_network_type", 1, 1, inData},
	TagDestBearerType:         {"dest_bearer_type", 1, 1, inData},
	TagDestTelematicsID:       {"dest_telematics_id", 2, 2, inData},
	TagSourceAddrSubunit:      {"source_addr_subunit", 1, 1, inSubmit | inMulti | inData},
	TagSourceNetworkType:      {"source_network_type", 1, 1, inData},
	TagSourceBearerType:       {"source_bearer_type", 1, 1, inData},
	TagSourceTelematicsID:     {"source_telematics_id", 1, 2, inData}, // 1 is written; its counterpart has 2, and npm smpp sends 2 here
	TagQosTimeToLive:          {"qos_time_to_live", 4, 4, inData},
	TagPayloadType:            {"payload_type", 1, 1, inMessage},
	TagAdditionalStatusInfo:   {"additional_status_info_text", 1, 256, inDataResp},
	TagReceiptedMessageID:     {"receipted_message_id", 1, 65, inDeliver | inData},
	TagMsMsgWaitFacilities:    {"ms_msg_wait_facilities", 1, 1, inSubmit | inMulti | inData},
	TagPrivacyIndicator:       {"privacy_indicator", 1, 1, inMessage},
	TagSourceSubaddress:       {"source_subaddress", 2, 23, inMessage},
	TagDestSubaddress:         {"dest_subaddress", 2, 23, inSubmit | inDeliver | inData},
	TagUserMessageReference:   {"user_message_reference", 2, 2, inMessage},
	TagUserResponseCode:       {"user_response_code", 1, 1, inSubmit | inDeliver | inData},
	TagSourcePort:             {"source_port", 2, 2, inMessage},
	TagDestinationPort:        {"destination_port", 2, 2, inMessage},
	TagSarMsgRefNum:           {"sar_msg_ref_num", 2, 2, inMessage},
	TagLanguageIndicator:      {"language_indicator", 1, 1, inMessage},
	TagSarTotalSegments:       {"sar_total_segments", 1, 1, inMessage},
	TagSarSegmentSeqnum:       {"sar_segment_seqnum", 1, 1, inMessage},
	TagScInterfaceVersion:     {"sc_interface_version", 1, 1, inBindResp},
	TagCallbackNumPresInd:     {"callback_num_pres_ind", 1, 1, inSubmit | inMulti | inData},
	TagCallbackNumAtag:        {"callback_num_atag", 0, 65, inSubmit | inMulti | inData},
	TagNumberOfMessages:       {"number_of_messages", 1, 1, inSubmit | inData},
	TagCallbackNum:            {"callback_num", 4, 19, inMessage},
	TagDpfResult:              {"dpf_result", 1, 1, inDataResp},
	TagSetDpf:                 {"set_dpf", 1, 1, inData},
	TagMsAvailabilityStatus:   {"ms_availability_status", 1, 1, inAlert},
	TagNetworkErrorCode:       {"network_error_code", 3, 3, inDeliver | inData | inDataResp},
	TagMessagePayload:         {"message_payload", 0, 65535, inMessage | inReplace}, // SMPP 5.0 has it in replace_sm
	TagDeliveryFailureReason:  {"delivery_failure_reason", 1, 1, inDataResp},
	TagMoreMessagesToSend:     {"more_messages_to_send", 1, 1, inSubmit | inData},
	TagMessageState:           {"message_state", 1, 1, inDeliver | inData},
	TagUssdServiceOp:          {"ussd_service_op", 1, 1, inSubmit},
	TagDisplayTime:            {"display_time", 1, 1, inSubmit | inMulti | inData},
	TagSmsSignal:              {"sms_signal", 2, 2, inSubmit | inMulti | inData},
	TagMsValidity:             {"ms_validity", 1, 1, inSubmit | inMulti | inData},
	TagAlertOnMessageDelivery: {"alert_on_message_delivery", 0, 1, inSubmit | inMulti | inData}, // 1 in SMPP 5.0; npm smpp
	TagItsReplyType:           {"its_reply_type", 1, 1, inSubmit | inData},
	TagItsSessionInfo:         {"its_session_info", 2, 2, inSubmit | inDeliver | inData},
}

// String is the name of the specification, or the number in hexadecimal when the tag is unknown.
func (t Tag) String() string {
	if info, ok := tagInfos[t]; ok {
		return info.name
	}
	return fmt.Sprintf("tag 0x%04X", uint16(t))
}
