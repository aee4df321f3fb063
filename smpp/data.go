package smpp

// DataSM carries a message either way, its text in the message_payload TLV alone (SMPP 3.4 §4.7.1).
type DataSM struct {
	ServiceType        string  // at most 5 octets
	Source             Address // here an address may have 64 octets
	Destination        Address
	ESMClass           uint8
	RegisteredDelivery uint8
	DataCoding         uint8
	TLVs               TLVs
}

// CommandID is CmdDataSM.
func (*DataSM) CommandID() CommandID { return CmdDataSM }

func (p *DataSM) decode(r reader) error {
	r.together = true
	p.ServiceType = r.cstring("service_type", 6)
	p.Source = r.address("source_addr", 65)
	p.Destination = r.address("destination_addr", 65)
	p.ESMClass = r.uint8("esm_class")
	p.RegisteredDelivery = r.uint8("registered_delivery")
	p.DataCoding = r.uint8("data_coding")
	p.TLVs = r.tlvs(inData)
	return r.err
}

func (p *DataSM) append(w writer) ([]byte, error) {
	w.cstring("service_type", 6, p.ServiceType)
	w.address("source_addr", 65, p.Source)
	w.address("destination_addr", 65, p.Destination)
	w.uint8(p.ESMClass)
	w.uint8(p.RegisteredDelivery)
	w.uint8(p.DataCoding)
	w.tlvs(p.TLVs)
	return w.b, w.err
}

// DataSMResp answers a DataSM. It has its message_id, which may be empty, with an error too; without a body it is accepted
// with an error.
type DataSMResp struct {
	MessageID string // at most 64 octets
	TLVs      TLVs
}

// CommandID is CmdDataSMResp.
func (*DataSMResp) CommandID() CommandID { return CmdDataSMResp }

func (p *DataSMResp) decode(r reader) error {
	if r.status != StatusOK && r.atEnd() {
		return r.err
	}
	p.MessageID = r.cstring("message_id", 65)
	p.TLVs = r.tlvs(inDataResp)
	return r.err
}

func (p *DataSMResp) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	w.tlvs(p.TLVs)
	return w.b, w.err
}

// AlertNotification tells an ESME that a phone is within reach again (SMPP 3.4 §4.12.1). It has no answer. Session.Alert
// sends it.
type AlertNotification struct {
	Source Address // the phone; up to 64 octets
	ESME   Address // up to 64 octets
	TLVs   TLVs    // ms_availability_status
}

// CommandID is CmdAlertNotification.
func (*AlertNotification) CommandID() CommandID { return CmdAlertNotification }

func (p *AlertNotification) decode(r reader) error {
	r.together = true
	p.Source = r.address("source_addr", 65)
	p.ESME = r.address("esme_addr", 65)
	p.TLVs = r.tlvs(inAlert)
	return r.err
}

func (p *AlertNotification) append(w writer) ([]byte, error) {
	w.address("source_addr", 65, p.Source)
	w.address("esme_addr", 65, p.ESME)
	w.tlvs(p.TLVs)
	return w.b, w.err
}
