package smpp

// QuerySM asks for the state of a message (SMPP 3.4 §4.8.1).
type QuerySM struct {
	MessageID string // at most 64 octets
	Source    Address
}

// CommandID is CmdQuerySM.
func (*QuerySM) CommandID() CommandID { return CmdQuerySM }

func (p *QuerySM) decode(r reader) error {
	r.together = true
	p.MessageID = r.cstring("message_id", 65)
	p.Source = r.address("source_addr", 21)
	return r.err
}

func (p *QuerySM) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	w.address("source_addr", 21, p.Source)
	return w.b, w.err
}

// QuerySMResp answers a QuerySM. It has its whole body even with an error: clients lose their session without.
type QuerySMResp struct {
	MessageID    string // as asked
	FinalDate    string // "" until the state is final, then FormatTime
	MessageState MessageState
	ErrorCode    uint8 // of the network; 0 for none
}

// CommandID is CmdQuerySMResp.
func (*QuerySMResp) CommandID() CommandID { return CmdQuerySMResp }

func (p *QuerySMResp) decode(r reader) error {
	r.together = true
	if r.status != StatusOK && r.atEnd() {
		return r.err
	}
	p.MessageID = r.cstring("message_id", 65)
	p.FinalDate = r.cstring("final_date", 17)
	p.MessageState = MessageState(r.uint8("message_state"))
	p.ErrorCode = r.uint8("error_code")
	return r.err
}

func (p *QuerySMResp) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	w.cstring("final_date", 17, p.FinalDate)
	w.uint8(uint8(p.MessageState))
	w.uint8(p.ErrorCode)
	return w.b, w.err
}

// CancelSM takes back one message by its id, or, with an empty MessageID, every pending one with this source, destination
// and service type (SMPP 3.4 §4.9.1).
type CancelSM struct {
	ServiceType string // at most 5 octets
	MessageID   string // at most 64
	Source      Address
	Destination Address
}

// CommandID is CmdCancelSM.
func (*CancelSM) CommandID() CommandID { return CmdCancelSM }

func (p *CancelSM) decode(r reader) error {
	r.together = true
	p.ServiceType = r.cstring("service_type", 6)
	p.MessageID = r.cstring("message_id", 65)
	p.Source = r.address("source_addr", 21)
	p.Destination = r.address("destination_addr", 21)
	return r.err
}

func (p *CancelSM) append(w writer) ([]byte, error) {
	w.cstring("service_type", 6, p.ServiceType)
	w.cstring("message_id", 65, p.MessageID)
	w.address("source_addr", 21, p.Source)
	w.address("destination_addr", 21, p.Destination)
	return w.b, w.err
}

// ReplaceSM changes the text and times of a pending message (SMPP 3.4 §4.10.1). Destination and data_coding stay. SMPP 3.4
// has no optional parameters here; one that 5.0 allows, message_payload, must not be overlooked: the text would be empty.
type ReplaceSM struct {
	MessageID            string // at most 64 octets
	Source               Address
	ScheduleDeliveryTime string // "" or 16 characters
	ValidityPeriod       string // "" or 16 characters
	RegisteredDelivery   uint8
	SMDefaultMsgID       uint8
	ShortMessage         []byte // at most 254 octets; nil when there are none
	TLVs                 TLVs
}

// CommandID is CmdReplaceSM.
func (*ReplaceSM) CommandID() CommandID { return CmdReplaceSM }

func (p *ReplaceSM) decode(r reader) error {
	r.together = true
	p.MessageID = r.cstring("message_id", 65)
	p.Source = r.address("source_addr", 21)
	p.ScheduleDeliveryTime = r.cstring("schedule_delivery_time", 17)
	p.ValidityPeriod = r.cstring("validity_period", 17)
	p.RegisteredDelivery = r.uint8("registered_delivery")
	p.SMDefaultMsgID = r.uint8("sm_default_msg_id")
	p.ShortMessage = clone(r.shortMessage())
	p.TLVs = r.tlvs(inReplace)
	return r.err
}

func (p *ReplaceSM) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	w.address("source_addr", 21, p.Source)
	w.cstring("schedule_delivery_time", 17, p.ScheduleDeliveryTime)
	w.cstring("validity_period", 17, p.ValidityPeriod)
	w.uint8(p.RegisteredDelivery)
	w.uint8(p.SMDefaultMsgID)
	w.shortMessage(p.ShortMessage)
	w.tlvs(p.TLVs)
	return w.b, w.err
}
