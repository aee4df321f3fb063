package smpp

// headerOnly is the body of a PDU that is its header alone. Octets behind the header are ignored: php-smpp sends its
// enquire_link_resp with 17.
type headerOnly struct{}

func (headerOnly) decode(r reader) error           { return nil }
func (headerOnly) append(w writer) ([]byte, error) { return w.b, nil }

// Unbind ends a session, from either side (SMPP 3.4 §4.2).
type Unbind struct{ headerOnly }

// UnbindResp answers an Unbind.
type UnbindResp struct{ headerOnly }

// EnquireLink asks whether the other side is still there, from either side (SMPP 3.4 §4.11).
type EnquireLink struct{ headerOnly }

// EnquireLinkResp answers an EnquireLink.
type EnquireLinkResp struct{ headerOnly }

// GenericNack answers what cannot be answered by a response of its own: an unknown command or a broken header (SMPP 3.4
// §4.3). The reason is the PDU's status. It is never answered.
type GenericNack struct{ headerOnly }

// CancelSMResp answers a CancelSM (SMPP 3.4 §4.9.2).
type CancelSMResp struct{ headerOnly }

// ReplaceSMResp answers a ReplaceSM (SMPP 3.4 §4.10.2).
type ReplaceSMResp struct{ headerOnly }

// CommandID is CmdUnbind.
func (*Unbind) CommandID() CommandID { return CmdUnbind }

// CommandID is CmdUnbindResp.
func (*UnbindResp) CommandID() CommandID { return CmdUnbindResp }

// CommandID is CmdEnquireLink.
func (*EnquireLink) CommandID() CommandID { return CmdEnquireLink }

// CommandID is CmdEnquireLinkResp.
func (*EnquireLinkResp) CommandID() CommandID { return CmdEnquireLinkResp }

// CommandID is CmdGenericNack.
func (*GenericNack) CommandID() CommandID { return CmdGenericNack }

// CommandID is CmdCancelSMResp.
func (*CancelSMResp) CommandID() CommandID { return CmdCancelSMResp }

// CommandID is CmdReplaceSMResp.
func (*ReplaceSMResp) CommandID() CommandID { return CmdReplaceSMResp }
