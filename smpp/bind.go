package smpp

import (
	"fmt"
	"log/slog"
)

// BindKind says which way short messages may go on a session. Its number is the command_id of its bind request.
type BindKind uint8

// The three kinds of bind (SMPP 3.4 §2.1).
const (
	BindReceiver    = BindKind(CmdBindReceiver)    // we deliver
	BindTransmitter = BindKind(CmdBindTransmitter) // the ESME submits
	BindTransceiver = BindKind(CmdBindTransceiver) // both
)

// String is "receiver", "transmitter" or "transceiver".
func (k BindKind) String() string {
	switch k {
	case BindReceiver:
		return "receiver"
	case BindTransmitter:
		return "transmitter"
	case BindTransceiver:
		return "transceiver"
	}
	return fmt.Sprintf("BindKind(%d)", uint8(k))
}

// check refuses a kind that is no command.
func (k BindKind) check(w *writer) {
	if k != BindReceiver && k != BindTransmitter && k != BindTransceiver {
		w.fail("command_id", "no kind of bind")
	}
}

// Bind asks to open a session: bind_receiver, bind_transmitter or bind_transceiver (SMPP 3.4 §4.1). Printed or logged in
// any way it hides its password.
type Bind struct {
	Kind                   BindKind
	SystemID               string // at most 15 octets
	Password               string // at most 8
	SystemType             string // at most 12
	InterfaceVersion       uint8  // 0x34 for SMPP 3.4; other values occur and are harmless
	AddressTON, AddressNPI uint8
	AddressRange           string // at most 40
}

// CommandID follows from Kind.
func (p *Bind) CommandID() CommandID { return CommandID(p.Kind) }

func (p *Bind) decode(r reader) error {
	p.SystemID = r.cstring("system_id", 16)
	p.Password = r.cstring("password", 9)
	p.SystemType = r.cstring("system_type", 13)
	p.InterfaceVersion = r.uint8("interface_version")
	p.AddressTON = r.uint8("addr_ton")
	p.AddressNPI = r.uint8("addr_npi")
	p.AddressRange = r.cstring("address_range", 41)
	return r.err
}

func (p *Bind) append(w writer) ([]byte, error) {
	p.Kind.check(&w)
	w.cstring("system_id", 16, p.SystemID)
	w.cstring("password", 9, p.Password)
	w.cstring("system_type", 13, p.SystemType)
	w.uint8(p.InterfaceVersion)
	w.uint8(p.AddressTON)
	w.uint8(p.AddressNPI)
	w.cstring("address_range", 41, p.AddressRange)
	return w.b, w.err
}

// String shows all but the password.
func (p Bind) String() string {
	return fmt.Sprintf("{Kind:%s SystemID:%q SystemType:%q InterfaceVersion:%#02x AddressTON:%d AddressNPI:%d AddressRange:%q}",
		p.Kind, p.SystemID, p.SystemType, p.InterfaceVersion, p.AddressTON, p.AddressNPI, p.AddressRange)
}

// GoString keeps the password out of %#v.
func (p Bind) GoString() string { return p.String() }

// LogValue keeps the password out of structured logs.
func (p Bind) LogValue() slog.Value { return slog.StringValue(p.String()) }

// BindResp answers a Bind of the same Kind. With an error a receiver's or transmitter's has no body at all, as the
// specification wants it; a transceiver's has its SystemID, which should then be empty: clients differ about those two.
type BindResp struct {
	Kind     BindKind
	SystemID string // ours; at most 15 octets
	TLVs     TLVs   // sc_interface_version
}

// CommandID follows from Kind.
func (p *BindResp) CommandID() CommandID { return CommandID(p.Kind).Response() }

// bodiless tells that this answer is its header alone.
func (p *BindResp) bodiless(status Status) bool {
	return status != StatusOK && p.Kind != BindTransceiver
}

func (p *BindResp) decode(r reader) error {
	if p.bodiless(r.status) || r.status != StatusOK && r.atEnd() {
		return r.err
	}
	p.SystemID = r.cstring("system_id", 16)
	p.TLVs = r.tlvs(inBindResp)
	return r.err
}

func (p *BindResp) append(w writer) ([]byte, error) {
	p.Kind.check(&w)
	if p.bodiless(w.status) {
		return w.b, w.err
	}
	w.cstring("system_id", 16, p.SystemID)
	w.tlvs(p.TLVs)
	return w.b, w.err
}

// Outbind asks an ESME to bind, on a connection that the message centre has opened (SMPP 3.4 §4.1.7). It has no answer.
// Printed or logged in any way it hides its password.
type Outbind struct {
	SystemID string // at most 15 octets
	Password string // at most 8
}

// CommandID is CmdOutbind.
func (*Outbind) CommandID() CommandID { return CmdOutbind }

func (p *Outbind) decode(r reader) error {
	p.SystemID = r.cstring("system_id", 16)
	p.Password = r.cstring("password", 9)
	return r.err
}

func (p *Outbind) append(w writer) ([]byte, error) {
	w.cstring("system_id", 16, p.SystemID)
	w.cstring("password", 9, p.Password)
	return w.b, w.err
}

// String shows all but the password.
func (p Outbind) String() string { return fmt.Sprintf("{SystemID:%q}", p.SystemID) }

// GoString keeps the password out of %#v.
func (p Outbind) GoString() string { return p.String() }

// LogValue keeps the password out of structured logs.
func (p Outbind) LogValue() slog.Value { return slog.StringValue(p.String()) }
