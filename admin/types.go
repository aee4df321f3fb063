// Package admin is how people and their scripts reach a gateway: HTTP with JSON on a Unix socket for the commands, its
// client, and a small page for browsers and watchdogs.
//
//	types.go    what goes over the wire       client.go   the commands' side, over the socket or in process
//	handler.go  the requests, by path         socket.go   the listening side
//	convert.go  the gateway's values to JSON  page.go     status page and /healthz
//	settings.go settings of accounts                stream.go   backup and check, whose answers are long
//	retry.go    the operator's word on messages     files.go    databases that no gateway has open
//
// Whoever may open the socket may do everything: its file mode is the lock. The page only reads, and shows no text, no
// number and no secret.
package admin

import "time"

// Account describes an account. Its password is never part of it.
type Account struct {
	Key      string    `json:"key"` // the system_id of SMPP
	Disabled bool      `json:"disabled"`
	BuiltIn  bool      `json:"built_in"` // the account of smsgateway send: nobody can bind with it
	Created  time.Time `json:"created"`
	Sessions int       `json:"sessions"` // bound at this moment
	Settings Settings  `json:"-"`        // in JSON beside the others, by their names
	Defaults Settings  `json:"defaults"` // what holds for those that are unset
	Expired  bool      `json:"expired"`
	Use      Use       `json:"use"`

	// Of one account that is asked for, not in lists.
	Binds *Binds    `json:"binds,omitempty"`
	Bound []Session `json:"bound,omitzero"` // the sessions; empty, not nil, where there is none

	// What its texts look like, if that is not how they are read; nothing from before the gateway's start.
	Hints []AlphabetHint `json:"hints,omitempty"`
}

// AlphabetHint says that texts of an account look like another alphabet than they are read in.
type AlphabetHint struct {
	Looks string `json:"looks"` // in a sentence
	Texts int    `json:"texts"` // how many
	Mend  string `json:"mend"`  // a command, or what the client has to change
}

// Use is how an account stands to its limits.
type Use struct {
	Queued  int               `json:"queued"`          // messages that wait, or that a modem has
	Oldest  time.Time         `json:"oldest,omitzero"` // since when one waits that is due
	Day     Quota             `json:"day"`
	Month   Quota             `json:"month"`
	Refused map[string]uint64 `json:"refused"` // since the start: submits by the limit or status that refused them, other requests by their name
}

// Quota is how many parts of texts were accepted in a day or a month.
type Quota struct {
	Used  int       `json:"used"`
	Limit int       `json:"limit"` // 0: none
	Ends  time.Time `json:"ends"`  // when counting begins anew
}

// NewAccount asks for an account. An empty Key or Password is made by the gateway.
type NewAccount struct {
	Key      string   `json:"key"`
	Password string   `json:"password"`
	Settings Settings `json:"-"` // in JSON beside the others, by their names
}

// Credentials are what a client binds with. Password is there once, in the answer to the request that had the gateway
// make it; it can't be asked for later.
type Credentials struct {
	Key      string `json:"key"`
	Password string `json:"password,omitempty"`
}

// newPassword asks for another password; "" has one made.
type newPassword struct {
	Password string `json:"password"`
}

// Message is one text on its way to a phone, or at its end. Times that have not come are left out.
type Message struct {
	ID                string    `json:"id"` // SMPP's message_id
	Account           string    `json:"account"`
	Source            string    `json:"source"`
	Destination       string    `json:"destination"`
	State             string    `json:"state"`      // queued, claimed, partial, uncertain, sent, delivered ...
	SMPPState         string    `json:"smpp_state"` // what query_sm says: ENROUTE, DELIVERED ...
	Final             bool      `json:"final"`      // State is an end
	Reason            string    `json:"reason,omitempty"`
	Why               string    `json:"why"` // where it is and what happens next, as a sentence
	Text              string    `json:"text"`
	DataCoding        int       `json:"data_coding"`
	Encoding          string    `json:"encoding"` // on air: gsm7, ucs2, binary
	ServiceType       string    `json:"service_type,omitempty"`
	MessageClass      *int      `json:"message_class,omitempty"`    // 0 to 3; nil: it has none
	DestinationPort   *int      `json:"destination_port,omitempty"` // of the application on the phone, 0-65535; nil: no ports
	SourcePort        *int      `json:"source_port,omitempty"`      // there with DestinationPort
	PossibleDuplicate bool      `json:"possible_duplicate"`
	Held              bool      `json:"held"`     // by a restore: only the operator sends it
	Refusals          int       `json:"refusals"` // that count against it
	Accepted          time.Time `json:"accepted,omitzero"`
	Due               time.Time `json:"due,omitzero"` // not before
	Expires           time.Time `json:"expires,omitzero"`
	DoubtEnds         time.Time `json:"doubt_ends,omitzero"` // of an uncertain one: when the account's policy decides
	Sent              time.Time `json:"sent,omitzero"`       // the network took the last part
	Ended             time.Time `json:"ended,omitzero"`
	Parts             []Part    `json:"parts"`
	Acts              []Act     `json:"acts"` // of operators, the last ten
}

// Act is what an operator did with a message.
type Act struct {
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	What string    `json:"what"`
}

// Part is one short message of those that a long text is cut into.
type Part struct {
	Number    int       `json:"number"` // from 1
	State     string    `json:"state"`  // waiting, claimed, sent ...
	Attempts  int       `json:"attempts"`
	Modem     string    `json:"modem,omitempty"`     // that tried it last
	Reference *int      `json:"reference,omitempty"` // TP-MR, 0-255; nil until sent
	Reason    string    `json:"reason,omitempty"`
	Claimed   time.Time `json:"claimed,omitzero"` // given to the modem
	Sent      time.Time `json:"sent,omitzero"`
	Reported  time.Time `json:"reported,omitzero"` // status report of the phone
}

// NewMessage asks for a text to be sent. Account "" is the built-in account of the operator.
type NewMessage struct {
	Account string `json:"account"`
	To      string `json:"to"`
	Text    string `json:"text"`
}

// MessageFilter chooses messages; zero values choose all. Limit 0 is 50. Before is an id: only older ones.
type MessageFilter struct {
	Account, State, To, Before string
	Held                       bool // only those that a restore holds
	Limit                      int
}

// InboxText is a text that a phone sent to one of the modems.
type InboxText struct {
	ID       string    `json:"id,omitempty"`
	Account  string    `json:"account"`              // that it was meant for; "" none
	Stranger string    `json:"no_account,omitempty"` // that it would be for, and that does not exist
	Modem    string    `json:"modem"`
	From     string    `json:"from"`
	To       string    `json:"to,omitempty"`   // the SIM's number, where it is known
	Time     time.Time `json:"time,omitzero"`  // by the network's clock
	Received time.Time `json:"received"`       // by ours
	Encoding string    `json:"encoding"`       // gsm7, ucs2, binary
	Text     string    `json:"text"`           // "" for binary; [...] where parts are missing
	Data     string    `json:"data,omitempty"` // of binary, in hexadecimal
	Part     int       `json:"part,omitempty"` // this part of a long text alone; its account wants them so
	Parts    int       `json:"parts"`          // of how many the text was sent
	Missing  int       `json:"missing"`        // how many of them did not come

	// Of a text that waits for parts, and has no ID yet: when it is delivered without them.
	Until time.Time `json:"waits_until,omitzero"`
}

// InboxFilter chooses texts; zero values choose all. Limit 0 is 50. Before is an id: only older ones.
type InboxFilter struct {
	Account, Before string
	Limit           int
}

// Session is one bound SMPP session.
type Session struct {
	ID      uint64    `json:"id"`
	Account string    `json:"account"`
	Kind    string    `json:"kind"` // transmitter, receiver, transceiver
	Remote  string    `json:"remote"`
	Since   time.Time `json:"since"`
}

// Status is the gateway at a glance.
type Status struct {
	Version     string    `json:"version"`
	Running     bool      `json:"running"` // false: a command has opened the file, nothing is sent
	Started     time.Time `json:"started"`
	Accounts    int       `json:"accounts"`
	Sessions    int       `json:"sessions"`
	Modems      int       `json:"modems"`
	ModemsReady int       `json:"modems_ready"`
}

// failure is the body of every answer that is not a success.
type failure struct {
	Error string `json:"error"`
}
