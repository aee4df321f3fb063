package smpp

// SubmitSM asks the message centre to send one short message (SMPP 3.4 §4.4.1).
type SubmitSM struct {
	ServiceType          string // at most 5 octets
	Source               Address
	Destination          Address
	ESMClass             uint8
	ProtocolID           uint8
	PriorityFlag         uint8
	ScheduleDeliveryTime string // "" or 16 characters: see ParseTime
	ValidityPeriod       string // "" or 16 characters
	RegisteredDelivery   uint8
	ReplaceIfPresentFlag uint8
	DataCoding           uint8
	SMDefaultMsgID       uint8
	ShortMessage         []byte // at most 254 octets; nil when there are none
	TLVs                 TLVs
}

// CommandID is CmdSubmitSM.
func (*SubmitSM) CommandID() CommandID { return CmdSubmitSM }

func (p *SubmitSM) decode(r reader) error {
	return p.decodeIn(r, inSubmit)
}

// decodeIn reads the fields that submit_sm and deliver_sm share; in says whose optional parameters to expect.
func (p *SubmitSM) decodeIn(r reader, in place) error {
	r.together = true
	p.ServiceType = r.cstring("service_type", 6)
	p.Source = r.address("source_addr", 21)
	p.Destination = r.address("destination_addr", 21)
	p.ESMClass = r.uint8("esm_class")
	p.ProtocolID = r.uint8("protocol_id")
	p.PriorityFlag = r.uint8("priority_flag")
	p.ScheduleDeliveryTime = r.cstring("schedule_delivery_time", 17)
	p.ValidityPeriod = r.cstring("validity_period", 17)
	p.RegisteredDelivery = r.uint8("registered_delivery")
	p.ReplaceIfPresentFlag = r.uint8("replace_if_present_flag")
	p.DataCoding = r.uint8("data_coding")
	p.SMDefaultMsgID = r.uint8("sm_default_msg_id")
	p.ShortMessage, p.TLVs = r.message(in)
	return r.err
}

func (p *SubmitSM) append(w writer) ([]byte, error) {
	w.cstring("service_type", 6, p.ServiceType)
	w.address("source_addr", 21, p.Source)
	w.address("destination_addr", 21, p.Destination)
	w.uint8(p.ESMClass)
	w.uint8(p.ProtocolID)
	w.uint8(p.PriorityFlag)
	w.cstring("schedule_delivery_time", 17, p.ScheduleDeliveryTime)
	w.cstring("validity_period", 17, p.ValidityPeriod)
	w.uint8(p.RegisteredDelivery)
	w.uint8(p.ReplaceIfPresentFlag)
	w.uint8(p.DataCoding)
	w.uint8(p.SMDefaultMsgID)
	w.shortMessage(p.ShortMessage)
	w.tlvs(p.TLVs)
	return w.b, w.err
}

// SubmitSMResp answers a SubmitSM. With an error it has no body: the specification says so, and libsmpp34 cannot read one.
type SubmitSMResp struct {
	MessageID string // at most 64 octets
}

// CommandID is CmdSubmitSMResp.
func (*SubmitSMResp) CommandID() CommandID { return CmdSubmitSMResp }

func (p *SubmitSMResp) decode(r reader) error {
	if r.status == StatusOK {
		p.MessageID = r.cstring("message_id", 65)
	}
	return r.err
}

func (p *SubmitSMResp) append(w writer) ([]byte, error) {
	if w.status == StatusOK {
		w.cstring("message_id", 65, p.MessageID)
	}
	return w.b, w.err
}

// DeliverSM brings a mobile-originated message or a receipt to an ESME (SMPP 3.4 §4.6.1). It has the fields of SubmitSM;
// times, priority and replace_if_present_flag must stay empty.
type DeliverSM SubmitSM

// CommandID is CmdDeliverSM.
func (*DeliverSM) CommandID() CommandID { return CmdDeliverSM }

func (p *DeliverSM) decode(r reader) error {
	return (*SubmitSM)(p).decodeIn(r, inDeliver)
}
func (p *DeliverSM) append(w writer) ([]byte, error) {
	return (*SubmitSM)(p).append(w)
}

// DeliverSMResp answers a DeliverSM. The specification has an empty message_id in it, always; clients that leave it out or
// put an id there mean the same.
type DeliverSMResp struct {
	MessageID string // at most 64 octets; to be empty
}

// CommandID is CmdDeliverSMResp.
func (*DeliverSMResp) CommandID() CommandID { return CmdDeliverSMResp }

func (p *DeliverSMResp) decode(r reader) error {
	if !r.atEnd() {
		p.MessageID = r.cstring("message_id", 65)
	}
	return r.err
}

func (p *DeliverSMResp) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	return w.b, w.err
}
