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
