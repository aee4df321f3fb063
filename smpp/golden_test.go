package smpp

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// octets reads hexadecimal digits; a # begins a comment, blanks and line ends are for the eye.
func octets(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("octets %q: %v", text, err)
	}
	return b
}

// whole puts a header in front of a body.
func whole(id CommandID, status Status, sequence uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, uint32(status))
	b = binary.BigEndian.AppendUint32(b, sequence)
	return append(b, body...)
}

// golden is one PDU both ways. body is what follows its header, with the fields in the order of the specification; cuts are
// the lengths to which the body can be cut and still be whole: in front of optional parameters, and where error answers may
// do without it.
type golden struct {
	name   string
	status Status
	body   string
	cuts   []int
	want   Body
}

func (g golden) octets(t testing.TB) []byte {
	t.Helper()
	return whole(g.want.CommandID(), g.status, 7, octets(t, g.body))
}

func (g golden) pdu() PDU { return PDU{Status: g.status, Sequence: 7, Body: g.want} }

var goldens = []golden{
	{"bind_receiver", StatusOK, `
		73686f7000       # system_id "shop"
		73656372657400   # password "secret"
		00               # system_type
		34 01 01         # interface_version, addr_ton, addr_npi
		5e31323300       # address_range "^123"`, nil,
		&Bind{Kind: BindReceiver, SystemID: "shop", Password: "secret", InterfaceVersion: 0x34, AddressTON: 1, AddressNPI: 1,
			AddressRange: "^123"}},
	{"bind_transceiver, all empty", StatusOK, `00 00 00 00 00 00 00`, nil, &Bind{Kind: BindTransceiver}},
	{"bind_receiver_resp", StatusOK, `
		676f00           # system_id "go"
		0210 0001 34     # sc_interface_version`, []int{3},
		&BindResp{Kind: BindReceiver, SystemID: "go", TLVs: TLVs{{TagScInterfaceVersion, []byte{0x34}}}}},
	{"bind_transmitter_resp, refused", StatusInvPaswd, ``, nil, &BindResp{Kind: BindTransmitter}},
	{"bind_transceiver_resp, refused", StatusInvPaswd, `00 # system_id`, []int{0}, &BindResp{Kind: BindTransceiver}},
	{"outbind", StatusOK, `
		676f00           # system_id
		707700           # password`, nil, &Outbind{SystemID: "go", Password: "pw"}},
	{"unbind", StatusOK, ``, nil, &Unbind{}},
	{"unbind_resp", StatusOK, ``, nil, &UnbindResp{}},
	{"enquire_link", StatusOK, ``, nil, &EnquireLink{}},
	{"enquire_link_resp", StatusOK, ``, nil, &EnquireLinkResp{}},
	{"generic_nack", StatusInvCmdID, ``, nil, &GenericNack{}},
	{"submit_sm, every field", StatusOK, `
		434d5400                             # service_type "CMT"
		05 09 73686f7000                     # source_addr 5/9 "shop"
		01 01 3439313731313200               # destination_addr 1/1 "4917112"
		43 7f 03                             # esm_class, protocol_id, priority_flag
		30323036313032333334323930303052 00  # schedule_delivery_time "020610233429000R", the specification's example
		30303030303030303130303030303052 00  # validity_period "000000001000000R"
		11 01 08 02                          # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
		04 00480069                          # sm_length, short_message "Hi"
		0204 0002 0102                       # user_message_reference
		1401 0000                            # a vendor's, empty
		0204 0002 0304                       # user_message_reference again`, []int{67, 73, 77},
		&SubmitSM{ServiceType: "CMT", Source: Address{5, 9, "shop"}, Destination: Address{1, 1, "4917112"}, ESMClass: 0x43,
			ProtocolID: 0x7F, PriorityFlag: 3, ScheduleDeliveryTime: "020610233429000R", ValidityPeriod: "000000001000000R",
			RegisteredDelivery: 0x11, ReplaceIfPresentFlag: 1, DataCoding: 8, SMDefaultMsgID: 2, ShortMessage: []byte("\x00H\x00i"),
			TLVs: TLVs{{TagUserMessageReference, []byte{1, 2}}, {0x1401, []byte{}}, {TagUserMessageReference, []byte{3, 4}}}}},
	{"submit_sm, payload", StatusOK, `
		00 00 00 00 00 00 00    # service_type, source_addr, destination_addr
		00 00 00 00 00          # esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period
		00 00 00 00 00          # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
		0424 0003 616263        # message_payload "abc"`, []int{17},
		&SubmitSM{TLVs: TLVs{{TagMessagePayload, []byte("abc")}}}},
	{"submit_sm_resp", StatusOK, `3100 # message_id`, nil, &SubmitSMResp{MessageID: "1"}},
	{"submit_sm_resp, refused", StatusInvDstAdr, ``, nil, &SubmitSMResp{}},
	{"deliver_sm, receipt", StatusOK, `
		00                       # service_type
		01 01 343900             # source_addr 1/1 "49"
		00 00 6f776e00           # destination_addr 0/0 "own"
		04 00 00 00 00           # esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period
		00 00 00 00              # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
		04 69643a31              # sm_length, short_message "id:1"
		001e 0002 3100           # receipted_message_id, with its NUL
		0427 0001 02             # message_state
		0423 0003 03 0000        # network_error_code`, []int{26, 32, 37},
		&DeliverSM{Source: Address{1, 1, "49"}, Destination: Address{0, 0, "own"}, ESMClass: 4, ShortMessage: []byte("id:1"),
			TLVs: TLVs{TLVString(TagReceiptedMessageID, "1"), TLVUint8(TagMessageState, 2), {TagNetworkErrorCode, []byte{3, 0, 0}}}}},
	{"deliver_sm_resp", StatusOK, `00 # message_id`, []int{0}, &DeliverSMResp{}},
	{"query_sm", StatusOK, `
		313200          # message_id
		01 01 343900    # source_addr`, nil, &QuerySM{MessageID: "12", Source: Address{1, 1, "49"}}},
	{"query_sm_resp", StatusOK, `
		313200                                  # message_id
		32363131323330313039303030302b00        # final_date
		02 00                                   # message_state, error_code`, nil,
		&QuerySMResp{MessageID: "12", FinalDate: "26112301090000+", MessageState: StateDelivered}},
	{"query_sm_resp, refused", StatusInvMsgID, `
		313200 00 07 00    # message_id, final_date, message_state, error_code`, []int{0},
		&QuerySMResp{MessageID: "12", MessageState: StateUnknown}},
	{"cancel_sm", StatusOK, `
		434d5400        # service_type
		313200          # message_id
		01 01 343900    # source_addr
		02 08 353000    # destination_addr`, nil,
		&CancelSM{ServiceType: "CMT", MessageID: "12", Source: Address{1, 1, "49"}, Destination: Address{2, 8, "50"}}},
	{"cancel_sm_resp", StatusCancelFail, ``, nil, &CancelSMResp{}},
	{"replace_sm", StatusOK, `
		313200          # message_id
		01 01 343900    # source_addr
		00 00 01 00     # schedule_delivery_time, validity_period, registered_delivery, sm_default_msg_id
		02 6f6b         # sm_length, short_message`, nil,
		&ReplaceSM{MessageID: "12", Source: Address{1, 1, "49"}, RegisteredDelivery: 1, ShortMessage: []byte("ok")}},
	{"replace_sm with message_payload, as in 5.0", StatusOK, `
		313200          # message_id
		00 00 00        # source_addr
		00 00 00 00     # schedule_delivery_time, validity_period, registered_delivery, sm_default_msg_id
		00              # sm_length
		0424 0002 6f6b  # message_payload`, []int{11},
		&ReplaceSM{MessageID: "12", TLVs: TLVs{{TagMessagePayload, []byte("ok")}}}},
	{"replace_sm_resp", StatusOK, ``, nil, &ReplaceSMResp{}},
	{"submit_multi", StatusOK, `
		00                      # service_type
		01 01 343900            # source_addr
		02                      # number_of_dests
		01 01 01 353000         # dest_flag SME, 1/1 "50"
		02 616c6c00             # dest_flag list, dl_name "all"
		00 00 00 00 00          # esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period
		01 00 00 00             # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
		02 6869                 # sm_length, short_message
		020c 0002 0001          # sar_msg_ref_num`, []int{30},
		&SubmitMulti{Source: Address{1, 1, "49"}, Destinations: []Destination{{Address: Address{1, 1, "50"}}, {List: "all"}},
			RegisteredDelivery: 1, ShortMessage: []byte("hi"), TLVs: TLVs{TLVUint16(TagSarMsgRefNum, 1)}}},
	{"submit_multi_resp", StatusOK, `
		313200                     # message_id
		01                         # no_unsuccess
		01 01 353000 0000000b      # destination_addr, error_status_code`, nil,
		&SubmitMultiResp{MessageID: "12", Unsuccessful: []Unsuccessful{{Address{1, 1, "50"}, StatusInvDstAdr}}}},
	{"submit_multi_resp, refused", StatusCntSubDL, `
		00                            # message_id
		01                            # no_unsuccess
		00 00 616c6c00 00000044       # dl_name, error_status_code`, []int{0},
		&SubmitMultiResp{Unsuccessful: []Unsuccessful{{Address{0, 0, "all"}, StatusCntSubDL}}}},
	{"data_sm", StatusOK, `
		00                      # service_type
		01 01 343900            # source_addr
		01 01 353000            # destination_addr
		00 01 04                # esm_class, registered_delivery, data_coding
		0424 0002 cafe          # message_payload
		0017 0004 00000e10      # qos_time_to_live`, []int{14, 20},
		&DataSM{Source: Address{1, 1, "49"}, Destination: Address{1, 1, "50"}, RegisteredDelivery: 1, DataCoding: 4,
			TLVs: TLVs{{TagMessagePayload, []byte{0xCA, 0xFE}}, {TagQosTimeToLive, []byte{0, 0, 14, 16}}}}},
	{"data_sm_resp", StatusOK, `
		313200          # message_id
		0425 0001 01    # delivery_failure_reason`, []int{3},
		&DataSMResp{MessageID: "12", TLVs: TLVs{TLVUint8(TagDeliveryFailureReason, 1)}}},
	{"data_sm_resp, refused", StatusDeliveryFailure, `00 # message_id`, []int{0}, &DataSMResp{}},
	{"alert_notification", StatusOK, `
		01 01 343900    # source_addr
		00 00 6f776e00  # esme_addr
		0422 0001 00    # ms_availability_status`, []int{11},
		&AlertNotification{Source: Address{1, 1, "49"}, ESME: Address{0, 0, "own"}, TLVs: TLVs{TLVUint8(TagMsAvailabilityStatus, 0)}}},
}
