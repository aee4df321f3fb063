package store

import (
	"fmt"
	"strconv"
	"time"

	"smsgateway/sms"
)

// maxID is the highest id that is ever given: ten digits are what the oldest clients can keep.
const maxID = 9_999_999_999

// ID names a message: decimal, at most ten digits, increasing in the order of acceptance, never given twice. Inside a
// file 0 is no message.
type ID uint64

// String gives the digits that clients get as message_id, without leading zeros.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseID reads what String wrote: one to ten digits and nothing else. Leading zeros are tolerated, as some clients
// pad ids.
func ParseID(s string) (ID, error) {
	if len(s) == 0 || len(s) > 10 {
		return 0, fmt.Errorf("message id %.20q: it has %d characters, an id has 1 to 10 digits", s, len(s))
	}
	var id ID
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("message id %q: character %d is no digit", s, i+1)
		}
		id = id*10 + ID(s[i]-'0')
	}
	return id, nil
}

// State is where a message is (delivery-semantics, section 2). It follows from the states of its parts; see decide.
type State uint8

// The states. From Delivered on they are ends. Their numbers are on disk.
const (
	Queued        State = 1  // waits, nothing of it on air: new, scheduled, or refused for now
	Claimed       State = 2  // a part may be in a modem
	Partial       State = 3  // some parts handed over, none open, others wait
	Uncertain     State = 4  // a part got no credible answer; evidence is awaited until DoubtEnds
	Sent          State = 5  // the SMSC has every part; status reports are awaited
	Delivered     State = 6  // reports for all parts say so
	Accepted      State = 7  // sent, and no report will ever come
	Undeliverable State = 8  // refused for good, or a report says so
	Expired       State = 9  // validity over before all was sent, or a report says so
	Deleted       State = 10 // cancelled in time
	Rejected      State = 11 // our PDU was refused as malformed, or it could not be made
	Unknown       State = 12 // doubt was not resolved, or no report came. The one end that evidence may still better

	numStates = 13
)

// String is the word for people and scripts: lower case.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Claimed:
		return "claimed"
	case Partial:
		return "partial"
	case Uncertain:
		return "uncertain"
	case Sent:
		return "sent"
	case Delivered:
		return "delivered"
	case Accepted:
		return "accepted"
	case Undeliverable:
		return "undeliverable"
	case Expired:
		return "expired"
	case Deleted:
		return "deleted"
	case Rejected:
		return "rejected"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// End tells whether the message has come to an end.
func (s State) End() bool { return s >= Delivered }

// waiting tells whether the message wants a modem: in these states it has a row in queue or later.
func (s State) waiting() bool { return s == Queued || s == Partial }

// PartState is where one part of a message is.
type PartState uint8

// The states of a part. Their numbers are on disk.
const (
	PartWaiting   PartState = 0 // not given to a modem, or refused for now
	PartClaimed   PartState = 1 // may be in a modem
	PartUncertain PartState = 2 // no credible answer; evidence is awaited
	PartSent      PartState = 3 // the SMSC has it, a report is awaited
	PartAccepted  PartState = 4 // the SMSC has it, no report will come
	PartDelivered PartState = 5 // a report says so
	PartFailed    PartState = 6 // refused for good, or a report says so
	PartExpired   PartState = 7 // a report says so
	PartUnknown   PartState = 8 // doubt was not resolved, or no report came

	numPartStates = 9
)

// String is the word for people and scripts.
func (s PartState) String() string {
	switch s {
	case PartWaiting:
		return "waiting"
	case PartClaimed:
		return "claimed"
	case PartUncertain:
		return "uncertain"
	case PartSent:
		return "sent"
	case PartAccepted:
		return "accepted"
	case PartDelivered:
		return "delivered"
	case PartFailed:
		return "failed"
	case PartExpired:
		return "expired"
	case PartUnknown:
		return "unknown"
	}
	return fmt.Sprintf("part(%d)", uint8(s))
}

// Message is one short message and its story so far. Values that the store hands out are copies; to change one changes
// nothing. Times are UTC in milliseconds, zero for none.
type Message struct {
	ID      ID
	Account string // Account Key
	Lane    uint32 // the account's number: a later account of the same key has another
	State   State

	Source, Destination sms.Address
	ServiceType         string
	ESMClass            uint8
	ProtocolID          uint8
	Priority            uint8 // priority_flag: 1 to 3 go before 0, and are alike (GSM knows two)
	RegisteredDelivery  uint8
	DataCoding          uint8   // of the submit_sm
	UserReference       *uint16 // user_message_reference, nil for none
	DCS                 uint8   // TP-DCS on air
	UDH                 []byte  // on each part, beside the concatenation if there are several; nil for none

	Accepted time.Time // when the submit_sm came
	Due      time.Time // not to be sent before; zero: at once
	Expires  time.Time // end of validity
	Bounded  bool      // the client said when it expires; else it is our default
	// DueMoment and ExpiresMoment: the client gave a date, which stays when our clock is set right; else it is so long after
	// that which Accepted says, or, of Due, after its last try.
	DueMoment, ExpiresMoment bool
	SentAt                   time.Time // the send event: when the SMSC took the last part
	EndedAt                  time.Time
	// DoubtEnds is when the account's policy decides about an Uncertain one. Suspect: what the modem said usually means that
	// it was not sent, so it is sent again then, unless that policy is PolicyNever.
	DoubtEnds time.Time
	Suspect   bool

	Preview   string // at most 20 printable ASCII characters, for receipts
	Reason    string // why it is where it is: a clause in words, without a full stop
	ErrorCode uint16 // of the last refusal or report
	ErrorKind uint8  // network type of network_error_code: 3 GSM, 0 no code
	Refusals  int    // counted ones
	Duplicate bool   // sent again after it had perhaps been sent (policy resend)
	Line      string // SIM that took the first part: the others leave by no other
	Parts     []Part

	// Held: it came out of a backup and was not at its end there, so it may have been sent since. It is Uncertain then, whatever
	// its parts are, and nobody but the operator sends it.
	Held bool
	Acts []Act // what operators did with it, the last ten

	in internal
}

// Part is one part of a message: what goes into one SMS-SUBMIT.
type Part struct {
	Data     []byte // septets, one per octet, or octets. Nil once its keeping time is over
	State    PartState
	Attempts uint8 // claims so far, up to 255
	// Modem and Line are the modem's name and SIM of the last claim.
	Modem, Line string
	// Ref is TP-MR as the modem told it. While a part is claimed or uncertain it is what we expect it to be.
	Ref                           uint8
	ClaimedAt, SentAt, ReportedAt time.Time
	Status                        uint8  // TP-ST of the last report
	Reason                        string // of the last refusal, doubt or report

	predicted bool // Ref is a guess: one more than the line's last
	matched   bool // there is a row in reports with Line, Ref and ClaimedAt
	blind     bool // that row is one without a TP-MR: the line's last was not known, so none could be predicted
}

// internal is what the record holds for the store's own use: which rows of other buckets belong to the message.
type internal struct {
	was        State    // as counted in counts; 0 when not stored yet
	row        queueRow // its row in queue or later
	wake       int64    // its row in timers, ms; 0 when it has none
	resends    uint8
	doubted    bool // a part was uncertain once: CANCEL_SM can't promise anything any more
	toldSent   bool // the intermediate notification of Sent is out
	toldTrying bool // that of "still trying" is out
	textless   bool // Data and UDH are dropped, keeping time is over
}

// queueRow says where a waiting message stands.
type queueRow uint8

const (
	rowNone  queueRow = 0
	rowQueue queueRow = 1 // due: may be handed over
	rowLater queueRow = 2 // scheduled or deferred
)

// Answerable tells whether QUERY_SM may still tell of the message: for keep after its send event, or after its end when
// nothing was sent. What waits unsent is always answerable.
func (m *Message) Answerable(now time.Time, keep time.Duration) bool {
	from := m.SentAt
	if from.IsZero() {
		from = m.EndedAt
	}
	return from.IsZero() || now.Before(from.Add(keep))
}

// cancellable: nothing of it is or was on air, as far as anybody can know.
func (m *Message) cancellable() bool { return m.State == Queued && !m.in.doubted }

// GoesAgain tells whether a message in doubt is sent again when its doubt ends, without the account's policy having to wish
// it; with PolicyNever the store does not let it come to that.
func (m *Message) GoesAgain() bool {
	return m.State == Uncertain && m.Suspect && !m.Held && m.DoubtEnds.Before(m.Expires)
}

// AgainBy tells whether a message whose doubt ends at that time, without evidence, is sent again by that policy.
func (m *Message) AgainBy(policy UncertainPolicy, at time.Time) bool {
	return !m.Held && at.Before(m.Expires) && (policy == PolicyResend && m.in.resends < resends || m.Suspect && policy != PolicyNever)
}

// PerhapsSent tells whether a part that waits may have been sent all the same: it is to be sent again after a doubt. Of a
// message with several parts it may only have been refused before, if it was another one that made us doubt.
func (m *Message) PerhapsSent(part int) bool {
	return m.Duplicate && m.Parts[part].State == PartWaiting && m.Parts[part].Attempts > 0
}

// perhapsSent counts these.
func (m *Message) perhapsSent() (n int) {
	for i := range m.Parts {
		if m.PerhapsSent(i) {
			n++
		}
	}
	return n
}

// inDoubt tells whether a modem had the part and evidence may still tell what became of it: it is uncertain, or waits to be
// sent again and was not claimed since.
func (p *Part) inDoubt() bool { return p.State == PartUncertain || p.State == PartWaiting && p.matched }

// notAgain: evidence came for a part in doubt. If it only waited to be sent again, and no part ever was, there is no duplicate.
func (m *Message) notAgain(p *Part) {
	for i := range m.Parts {
		if p.State != PartWaiting || m.Parts[i].Attempts > 1 {
			return
		}
	}
	m.Duplicate = false
}

// count gives how many parts are in one of the states.
func (m *Message) count(states ...PartState) (n int) {
	for i := range m.Parts {
		for _, s := range states {
			if m.Parts[i].State == s {
				n++
			}
		}
	}
	return n
}

// next is the index of the first part that waits; len(m.Parts) when none does.
func (m *Message) next() int {
	for i := range m.Parts {
		if m.Parts[i].State == PartWaiting {
			return i
		}
	}
	return len(m.Parts)
}

// decide gives the state that follows from the parts (delivery-semantics, section 8). An open claim comes first: as long
// as a modem holds a part the message does not end. After it the worst known end decides, so that no more parts are
// paid for once one is lost.
func (m *Message) decide() State {
	var n [numPartStates]int
	for i := range m.Parts {
		n[m.Parts[i].State]++
	}
	switch {
	case n[PartClaimed] > 0:
		return Claimed
	case n[PartFailed] > 0:
		return Undeliverable
	case n[PartExpired] > 0:
		return Expired
	case n[PartUncertain] > 0, m.Held && n[PartWaiting] > 0:
		return Uncertain
	case n[PartWaiting] == len(m.Parts):
		return Queued
	case n[PartWaiting] > 0:
		return Partial
	case n[PartSent] > 0:
		return Sent
	case n[PartUnknown] > 0:
		return Unknown
	case n[PartAccepted] > 0:
		return Accepted
	}
	return Delivered
}
