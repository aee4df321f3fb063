package gateway

import (
	"smsgateway/smpp"
	"smsgateway/sms"
)

// What becomes of an optional parameter.
const (
	tlvHonoured = "honoured"
	tlvIgnored  = "ignored"
	tlvRefused  = "refused"
)

// tlvRule is what we do with one optional parameter of a message that an ESME submits, by whichever PDU. docs/smpp.md
// carries does and how, and a test holds both together. The lengths are package smpp's business.
type tlvRule struct {
	tag       smpp.Tag
	does, how string
	check     func(value []byte) error // of what must not be said; nil: everything may. The errors are smpp.Status values
}

// tlvRules has a rule for each of the 44 tags, in their order. GSM decides most of them: TS 23.040 and 23.038 say what an
// SMS-SUBMIT can carry. Reserved values are taken for none (SMPP 3.4 §3.3).
var tlvRules = [...]tlvRule{
	{smpp.TagDestAddrSubunit, tlvHonoured, "1 display, 2 mobile, 3 SIM, 4 external unit: message class 0 to 3, where data_coding names none", nil},
	{smpp.TagDestNetworkType, tlvIgnored, "it is GSM", nil},
	{smpp.TagDestBearerType, tlvIgnored, "it is SMS", nil},
	{smpp.TagDestTelematicsID, tlvIgnored, "protocol_id says it in GSM", nil},
	{smpp.TagSourceAddrSubunit, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagSourceNetworkType, tlvIgnored, "it is GSM", nil},
	{smpp.TagSourceBearerType, tlvIgnored, "it is SMS", nil},
	{smpp.TagSourceTelematicsID, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagQosTimeToLive, tlvHonoured, "in data_sm: the validity in seconds; elsewhere ignored", nil},
	{smpp.TagPayloadType, tlvRefused, "1, a WCMP message: ESME_RINVOPTPARAMVAL. 0, and reserved values, are what is sent anyway", checkPayloadType},
	{smpp.TagAdditionalStatusInfo, tlvIgnored, "it belongs to a response", nil},
	{smpp.TagReceiptedMessageID, tlvIgnored, "it belongs to a receipt", nil},
	{smpp.TagMsMsgWaitFacilities, tlvHonoured, "message waiting indication: TP-DCS 0xD0-0xDF, 0xE0-0xEF for UCS-2, 0xC0-0xCF for no text. Ignored for binary, and where data_coding names a class or an indication", nil},
	{smpp.TagPrivacyIndicator, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagSourceSubaddress, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagDestSubaddress, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagUserMessageReference, tlvHonoured, "given back in receipts; tells a resubmission, see above", nil},
	{smpp.TagUserResponseCode, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagSourcePort, tlvHonoured, "with destination_port; alone, or beside a UDH, ignored", nil},
	{smpp.TagDestinationPort, tlvHonoured, "a UDH element with 16 bit ports (0x05), the source's 0 without source_port; in each part of a long text. Ignored beside a UDH", nil},
	{smpp.TagSarMsgRefNum, tlvHonoured, "all three sar_*: we make the UDH. Ignored when one is missing, and beside a UDH", nil},
	{smpp.TagLanguageIndicator, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagSarTotalSegments, tlvHonoured, "as sar_msg_ref_num; with the other two, 0 is ESME_RINVOPTPARAMVAL", nil},
	{smpp.TagSarSegmentSeqnum, tlvHonoured, "as sar_msg_ref_num; with the other two, 0 or more than the total is ESME_RINVOPTPARAMVAL", nil},
	{smpp.TagScInterfaceVersion, tlvIgnored, "it belongs to a response", nil},
	{smpp.TagCallbackNumPresInd, tlvIgnored, "GSM phones call back the sender", nil},
	{smpp.TagCallbackNumAtag, tlvIgnored, "as callback_num_pres_ind", nil},
	{smpp.TagNumberOfMessages, tlvIgnored, "phones count their voice mails themselves; above 99 is ESME_RINVNUMMSGS", checkNumberOfMessages},
	{smpp.TagCallbackNum, tlvIgnored, "as callback_num_pres_ind", nil},
	{smpp.TagDpfResult, tlvIgnored, "it belongs to a response", nil},
	{smpp.TagSetDpf, tlvIgnored, "modems can't ask for it", nil},
	{smpp.TagMsAvailabilityStatus, tlvIgnored, "it belongs to alert_notification", nil},
	{smpp.TagNetworkErrorCode, tlvIgnored, "it belongs to a receipt", nil},
	{smpp.TagMessagePayload, tlvHonoured, "the text, up to 64 KiB, with sm_length 0; text in both is ESME_RINVMSGLEN", nil},
	{smpp.TagDeliveryFailureReason, tlvIgnored, "it belongs to a response", nil},
	{smpp.TagMoreMessagesToSend, tlvIgnored, "we know it: the radio link stays open while more waits", nil},
	{smpp.TagMessageState, tlvIgnored, "it belongs to a receipt", nil},
	{smpp.TagUssdServiceOp, tlvRefused, "ESME_ROPTPARNOTALLWD: it is meant for a USSD dialogue, and would go out as a text", refuseTLV},
	{smpp.TagDisplayTime, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagSmsSignal, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagMsValidity, tlvHonoured, "3, display only: message class 0, where neither data_coding nor dest_addr_subunit names one. Other values are ignored: phones keep a text until it is deleted", nil},
	{smpp.TagAlertOnMessageDelivery, tlvIgnored, "an SMS does not carry it", nil},
	{smpp.TagItsReplyType, tlvIgnored, "CDMA's", nil},
	{smpp.TagItsSessionInfo, tlvIgnored, "CDMA's", nil},
}

// tlvChecks are the rules that can refuse a message.
var tlvChecks = func() map[smpp.Tag]func([]byte) error {
	checks := make(map[smpp.Tag]func([]byte) error)
	for _, r := range tlvRules {
		if r.check != nil {
			checks[r.tag] = r.check
		}
	}
	return checks
}()

// checkTLVs refuses what the rules refuse. Of a tag that is there twice the last one counts. The errors are smpp.Status
// values.
func checkTLVs(all smpp.TLVs) error {
	for _, t := range all {
		if check := tlvChecks[t.Tag]; check != nil {
			value, _ := all.Find(t.Tag)
			if err := check(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func refuseTLV([]byte) error { return smpp.StatusOptParNotAllwd }

func checkPayloadType(value []byte) error {
	if len(value) == 1 && value[0] == 1 {
		return smpp.StatusInvOptParamVal
	}
	return nil
}

func checkNumberOfMessages(value []byte) error {
	if len(value) == 1 && value[0] > 99 {
		return smpp.StatusInvNumMsgs
	}
	return nil
}

// sarHeader is the concatenation that the three sar_* parameters ask for; nil unless all are there and there is more than
// one segment (SMPP 3.4 §5.3.2.22-24).
func sarHeader(all smpp.TLVs) ([]sms.Element, error) {
	ref, ok1 := all.Find(smpp.TagSarMsgRefNum)
	total, ok2 := all.Find(smpp.TagSarTotalSegments)
	seq, ok3 := all.Find(smpp.TagSarSegmentSeqnum)
	if !ok1 || !ok2 || !ok3 {
		return nil, nil
	}
	if len(ref) != 2 || len(total) != 1 || len(seq) != 1 {
		return nil, smpp.StatusInvParLen
	}
	if total[0] == 0 || seq[0] == 0 || seq[0] > total[0] {
		return nil, smpp.StatusInvOptParamVal
	}
	if total[0] == 1 {
		return nil, nil
	}
	reference := uint16(ref[0])<<8 | uint16(ref[1])
	return []sms.Element{sms.Concat(reference, reference > 0xFF, total[0], seq[0])}, nil
}

// portHeader is the addressing of an application on the phone; nil if there is no destination_port.
func portHeader(all smpp.TLVs) []sms.Element {
	destination, ok := all.FindUint(smpp.TagDestinationPort)
	if !ok {
		return nil
	}
	source, _ := all.FindUint(smpp.TagSourcePort)
	return []sms.Element{sms.Ports(uint16(destination), uint16(source))}
}

// waiting and its like are in the second half of an octet of TP-DCS (TS 23.038 §4).
const (
	waitingDiscard = 0xC0 // indication alone: the phone drops the text
	waitingText    = 0xD0
	waitingUCS2    = 0xE0
	waitingActive  = 0x08
	hasClass       = 0x10 // of the general group
)

// dcsBeside puts into TP-DCS what optional parameters ask for, where data_coding left it open: a message waiting
// indication, else a message class. empty: there is no text.
func dcsBeside(dcs uint8, empty bool, all smpp.TLVs) uint8 {
	if dcs != 0x00 && dcs != 0x04 && dcs != 0x08 {
		return dcs
	}
	if v, ok := all.FindUint(smpp.TagMsMsgWaitFacilities); ok && dcs != 0x04 {
		kind := uint8(v & 0x03) // voice, fax, mail, other: the same numbers in both
		if v&0x80 != 0 {
			kind |= waitingActive
		}
		switch {
		case empty:
			return waitingDiscard | kind
		case dcs == 0x08:
			return waitingUCS2 | kind
		}
		return waitingText | kind
	}
	if unit, _ := all.FindUint(smpp.TagDestAddrSubunit); unit >= 1 && unit <= 4 {
		return dcs | hasClass | uint8(unit-1)
	}
	if keep, _ := all.FindUint(smpp.TagMsValidity); keep == 3 {
		return dcs | hasClass
	}
	return dcs
}
