package smpp

import "fmt"

// dest_flag of a destination in submit_multi (SMPP 3.4 §5.2.25).
const (
	destSME  = 1
	destList = 2
)

// maxDestinations is the most destinations in one submit_multi (SMPP 3.4 §5.2.24).
const maxDestinations = 254

// Destination is one of those of a SubmitMulti: an address, or a distribution list by its name.
type Destination struct {
	Address Address
	List    string // at most 20 octets; not empty: the name of a list, and Address is not used
}

// SubmitMulti asks to send one short message to several destinations (SMPP 3.4 §4.5.1).
type SubmitMulti struct {
	ServiceType          string // at most 5 octets
	Source               Address
	Destinations         []Destination // 1 to 254
	ESMClass             uint8
	ProtocolID           uint8
	PriorityFlag         uint8
	ScheduleDeliveryTime string // "" or 16 characters
	ValidityPeriod       string // "" or 16 characters
	RegisteredDelivery   uint8
	ReplaceIfPresentFlag uint8 // must be 0
	DataCoding           uint8
	SMDefaultMsgID       uint8
	ShortMessage         []byte // at most 254 octets; nil when there are none
	TLVs                 TLVs
}

// CommandID is CmdSubmitMulti.
func (*SubmitMulti) CommandID() CommandID { return CmdSubmitMulti }

func (p *SubmitMulti) decode(r reader) error {
	r.together = true
	p.ServiceType = r.cstring("service_type", 6)
	p.Source = r.address("source_addr", 21)
	p.decodeDestinations(&r)
	p.ESMClass = r.uint8("esm_class")
	p.ProtocolID = r.uint8("protocol_id")
	p.PriorityFlag = r.uint8("priority_flag")
	p.ScheduleDeliveryTime = r.cstring("schedule_delivery_time", 17)
	p.ValidityPeriod = r.cstring("validity_period", 17)
	p.RegisteredDelivery = r.uint8("registered_delivery")
	p.ReplaceIfPresentFlag = r.uint8("replace_if_present_flag")
	p.DataCoding = r.uint8("data_coding")
	p.SMDefaultMsgID = r.uint8("sm_default_msg_id")
	p.ShortMessage, p.TLVs = r.message(inMulti)
	return r.err
}

// leastDestination is how few octets a destination has: dest_flag, and a name of one character with its NUL.
const leastDestination = 3

func (p *SubmitMulti) decodeDestinations(r *reader) {
	n := int(r.uint8("number_of_dests"))
	if r.err == nil && (n == 0 || n > maxDestinations) {
		r.off--
		r.fail("number_of_dests", fmt.Sprintf("%d, 1 to %d allowed", n, maxDestinations), StatusInvNumDests)
	}
	if r.err == nil {
		p.Destinations = make([]Destination, 0, min(int(n), (len(r.b)-r.off)/leastDestination))
	}
	for range n {
		var d Destination
		switch flag := r.uint8("dest_flag"); {
		case r.err != nil:
			return
		case flag == destSME:
			d.Address = r.address("destination_addr", 21)
		case flag == destList:
			d.List = r.listName()
		default:
			r.off--
			r.fail("dest_flag", fmt.Sprintf("%d, 1 or 2 allowed", flag), StatusInvDestFlag)
		}
		p.Destinations = append(p.Destinations, d)
	}
}

// listName reads the name of a distribution list; an empty one is none.
func (r *reader) listName() string {
	at := r.off
	name := r.cstring("dl_name", 21)
	if name == "" {
		r.off = at
		r.fail("dl_name", "empty", StatusInvDLName)
	}
	return name
}

func (p *SubmitMulti) append(w writer) ([]byte, error) {
	w.cstring("service_type", 6, p.ServiceType)
	w.address("source_addr", 21, p.Source)
	p.appendDestinations(&w)
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

func (p *SubmitMulti) appendDestinations(w *writer) {
	n := len(p.Destinations)
	if n == 0 || n > maxDestinations {
		w.fail("number_of_dests", fmt.Sprintf("%d, 1 to %d allowed", n, maxDestinations))
	}
	w.uint8(uint8(n))
	for _, d := range p.Destinations {
		if d.List != "" {
			w.uint8(destList)
			w.cstring("dl_name", 21, d.List)
			continue
		}
		w.uint8(destSME)
		w.address("destination_addr", 21, d.Address)
	}
}

// Unsuccessful is a destination of a SubmitMulti that was refused.
type Unsuccessful struct {
	Address Address
	Status  Status
}

// SubmitMultiResp answers a SubmitMulti. It has its whole body even with an error: the specification does not say that it
// may be left out, and gosmpp and smppex can't read it without. Without a body it is accepted with an error.
type SubmitMultiResp struct {
	MessageID    string         // at most 64 octets
	Unsuccessful []Unsuccessful // at most 255
}

// MultiRefusal is the error of a SubmitMulti of which all destinations are refused at once, each for a reason of its own.
type MultiRefusal struct {
	Status       Status // of the answer
	Unsuccessful []Unsuccessful
}

// Error says how many there were.
func (r *MultiRefusal) Error() string {
	return fmt.Sprintf("all %d destinations refused: %s", len(r.Unsuccessful), r.Status)
}

// Unwrap gives the status.
func (r *MultiRefusal) Unwrap() error { return r.Status }

// CommandID is CmdSubmitMultiResp.
func (*SubmitMultiResp) CommandID() CommandID { return CmdSubmitMultiResp }

func (p *SubmitMultiResp) decode(r reader) error {
	if r.status != StatusOK && r.atEnd() {
		return r.err
	}
	p.MessageID = r.cstring("message_id", 65)
	for range int(r.uint8("no_unsuccess")) {
		u := Unsuccessful{Address: r.address("destination_addr", 21), Status: Status(r.uint32("error_status_code"))}
		if r.err != nil {
			return r.err
		}
		p.Unsuccessful = append(p.Unsuccessful, u)
	}
	return r.err
}

func (p *SubmitMultiResp) append(w writer) ([]byte, error) {
	w.cstring("message_id", 65, p.MessageID)
	if len(p.Unsuccessful) > 255 {
		w.fail("no_unsuccess", fmt.Sprintf("%d, at most 255 allowed", len(p.Unsuccessful)))
	}
	w.uint8(uint8(len(p.Unsuccessful)))
	for _, u := range p.Unsuccessful {
		w.address("destination_addr", 21, u.Address)
		w.uint32(uint32(u.Status))
	}
	return w.b, w.err
}
