package smpp

// state is where a session stands (SMPP 3.4 §2.2). As a set of bits it also says in which states something is allowed.
type state uint8

const (
	stateOpen    state = 1 << iota // connected, not bound
	stateBoundTX                   // bound as transmitter
	stateBoundRX                   // bound as receiver
	stateBoundTRX
	stateClosed // unbind came or the stream is lost: nothing is read any more
)

const (
	stateBound = stateBoundTX | stateBoundRX | stateBoundTRX
	stateAny   = stateOpen | stateBound
)

// mayAsk lists the states in which an ESME may send each request that this server offers (SMPP 3.4 §2.3, table 2-1). The
// table does not list enquire_link and unbind in the open state: load balancers send the one, and there is no reason to
// refuse the other. It leaves replace_sm out of a transceiver's, which may do all that a transmitter may (§2.2.1). It has
// data_sm on a receiver, which is for our direction: a receiver submits nothing. Requests that are not listed get a
// generic_nack.
var mayAsk = map[CommandID]state{
	CmdBindTransmitter: stateOpen,
	CmdBindReceiver:    stateOpen,
	CmdBindTransceiver: stateOpen,
	CmdSubmitSM:        stateBoundTX | stateBoundTRX,
	CmdQuerySM:         stateBoundTX | stateBoundTRX,
	CmdReplaceSM:       stateBoundTX | stateBoundTRX,
	CmdCancelSM:        stateBoundTX | stateBoundTRX,
	CmdSubmitMulti:     stateBoundTX | stateBoundTRX,
	CmdDataSM:          stateBoundTX | stateBoundTRX,
	CmdEnquireLink:     stateAny,
	CmdUnbind:          stateAny,
}

// maySend lists the states in which this server sends each request of its own.
var maySend = map[CommandID]state{
	CmdDeliverSM:   stateBoundRX | stateBoundTRX,
	CmdEnquireLink: stateBound,
	CmdUnbind:      stateBound,
}

// Allows says with which status a server refuses a request of a client that has bound as kind, 0 for one that has not;
// StatusOK for not at all. With StatusInvCmdID the refusal is a generic_nack, else the request's own response.
func Allows(kind BindKind, id CommandID) Status { return stateAs(kind).allows(id) }

// Sends tells whether a server sends this request to a client that has bound as kind, 0 for one that has not.
func Sends(kind BindKind, id CommandID) bool { return maySend[id]&stateAs(kind) != 0 }

func stateAs(kind BindKind) state {
	if kind == 0 {
		return stateOpen
	}
	return boundAs(kind)
}

// boundAs is the state after a bind of each kind.
func boundAs(kind BindKind) state {
	switch kind {
	case BindTransmitter:
		return stateBoundTX
	case BindReceiver:
		return stateBoundRX
	}
	return stateBoundTRX
}

// allows says with which status to refuse a request in this state; StatusOK for not at all. StatusInvCmdID is for a
// generic_nack, the others for the request's own response.
func (s state) allows(id CommandID) Status {
	in, offered := mayAsk[id]
	switch {
	case !offered:
		return StatusInvCmdID
	case s&in != 0:
		return StatusOK
	case in == stateOpen:
		return StatusAlyBnd
	}
	return StatusInvBndSts
}
