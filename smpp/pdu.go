// Package smpp speaks SMPP 3.4 (issue 1.2) from the side of the message centre: the octets, the PDUs, and a server whose
// sessions clients (ESMEs) bind to.
//
// It has three layers, each of which can be used alone:
//
//   - PDUs: [Decode] and [PDU.Append] turn octets into a [PDU] with a typed [Body] and back; [FrameReader] cuts a stream.
//   - What stands inside fields: [TLVs], times ([ParseTime]), receipts ([Receipt]), [Status].
//   - [Server]: accepts connections, checks each request against the state of its session, asks a [Backend] who may bind
//     and the [Handler] that it gives out what to answer, and writes the answers in the order of the requests.
//
// Where clients disagree about the specification, the package is exact in what it sends and accepts what is harmless.
package smpp

import (
	"encoding/binary"
	"fmt"
)

// headerLength is the size of the header that every PDU begins with, and of a PDU without a body.
const headerLength = 16

// Address is an SME address with its type of number and numbering plan (SMPP 3.4 §5.2.5, §5.2.6).
type Address struct {
	TON, NPI uint8
	Addr     string
}

// Body is what follows the header of a PDU: a pointer to one of this package's types named after the PDUs.
type Body interface {
	// CommandID is the command_id that goes into the header.
	CommandID() CommandID

	decode(r reader) error // by value, so that it stays off the heap
	append(w writer) ([]byte, error)
}

// PDU is one protocol data unit. The length is not kept: it follows from the body.
type PDU struct {
	Status   Status // means something in responses only; 0 in a request that we send
	Sequence uint32 // chosen by whoever asks (1 to 0x7FFFFFFF), given back in the answer
	Body     Body
}

// Header is the first 16 octets of a PDU (SMPP 3.4 §3.2).
type Header struct {
	Length   uint32 // command_length: of the whole PDU, these 16 octets included
	Command  CommandID
	Status   Status
	Sequence uint32
}

// ParseHeader reads the header at the head of b. It checks nothing but that 16 octets are there.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < headerLength {
		return Header{}, &FieldError{Field: "header", Offset: len(b), Status: StatusInvCmdLen,
			Reason: fmt.Sprintf("%d octets, %d wanted", len(b), headerLength)}
	}
	return Header{
		Length:   binary.BigEndian.Uint32(b),
		Command:  CommandID(binary.BigEndian.Uint32(b[4:])),
		Status:   Status(binary.BigEndian.Uint32(b[8:])),
		Sequence: binary.BigEndian.Uint32(b[12:]),
	}, nil
}

// Decode reads the one whole PDU in b. Nothing of b is kept. The error is a *FieldError; when it is about the body, the PDU
// holds status, sequence number and the fields in front of the bad one, so that it can be answered. The body is nil when the
// command is unknown.
//
// Octets behind the last field of a PDU without optional parameters are ignored.
func Decode(b []byte) (PDU, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return PDU{}, err
	}
	p := PDU{Status: h.Status, Sequence: h.Sequence, Body: newBody(h.Command)}
	if int64(h.Length) != int64(len(b)) {
		return p, &FieldError{Field: "command_length", Status: StatusInvCmdLen,
			Reason: fmt.Sprintf("says %d, the PDU has %d octets", h.Length, len(b))}
	}
	if p.Body == nil {
		return p, &FieldError{Field: "command_id", Offset: 4, Reason: "unknown command " + h.Command.String(), Status: StatusInvCmdID}
	}
	r := reader{b: b, off: headerLength, status: h.Status}
	return p, p.Body.decode(r)
}

// Append appends the whole PDU to b. When a field does not fit, b comes back as it was, with a *FieldError.
func (p PDU) Append(b []byte) ([]byte, error) {
	if p.Body == nil {
		return b, &FieldError{Field: "command_id", Offset: 4, Reason: "the PDU has no body", Status: StatusInvCmdID}
	}
	w := writer{b: b, start: len(b), status: p.Status}
	w.uint32(0) // command_length, below
	w.uint32(uint32(p.Body.CommandID()))
	w.uint32(uint32(p.Status))
	w.uint32(p.Sequence)
	whole, err := p.Body.append(w)
	if err != nil {
		return b, err
	}
	binary.BigEndian.PutUint32(whole[len(b):], uint32(len(whole)-len(b)))
	return whole, nil
}

// newBody makes the empty body of a command, or nil when the command is unknown.
func newBody(id CommandID) Body {
	switch id {
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver:
		return &Bind{Kind: BindKind(id)}
	case CmdBindReceiverResp, CmdBindTransmitterResp, CmdBindTransceiverResp:
		return &BindResp{Kind: BindKind(id &^ responseBit)}
	case CmdSubmitSM:
		return &SubmitSM{}
	case CmdSubmitSMResp:
		return &SubmitSMResp{}
	case CmdDeliverSM:
		return &DeliverSM{}
	case CmdDeliverSMResp:
		return &DeliverSMResp{}
	case CmdQuerySM:
		return &QuerySM{}
	case CmdQuerySMResp:
		return &QuerySMResp{}
	case CmdCancelSM:
		return &CancelSM{}
	case CmdCancelSMResp:
		return &CancelSMResp{}
	case CmdReplaceSM:
		return &ReplaceSM{}
	case CmdReplaceSMResp:
		return &ReplaceSMResp{}
	case CmdSubmitMulti:
		return &SubmitMulti{}
	case CmdSubmitMultiResp:
		return &SubmitMultiResp{}
	case CmdDataSM:
		return &DataSM{}
	case CmdDataSMResp:
		return &DataSMResp{}
	case CmdAlertNotification:
		return &AlertNotification{}
	case CmdOutbind:
		return &Outbind{}
	case CmdUnbind:
		return &Unbind{}
	case CmdUnbindResp:
		return &UnbindResp{}
	case CmdEnquireLink:
		return &EnquireLink{}
	case CmdEnquireLinkResp:
		return &EnquireLinkResp{}
	case CmdGenericNack:
		return &GenericNack{}
	}
	return nil
}
