package admin

import "time"

// Modem tells how a modem is. The counters run since the gateway's start.
type Modem struct {
	Name         string    `json:"name"`
	Port         string    `json:"port"`
	State        string    `json:"state"` // stopped, opening, missing, initialising, sim, searching, ready, sending, failed
	Since        time.Time `json:"since,omitzero"`
	Manufacturer string    `json:"manufacturer,omitempty"`
	Model        string    `json:"model,omitempty"`
	IMEI         string    `json:"imei,omitempty"`
	ICCID        string    `json:"iccid,omitempty"`
	Operator     string    `json:"operator,omitempty"`
	Registration string    `json:"registration,omitempty"`
	Unregistered time.Time `json:"unregistered,omitzero"`    // since when the network carries none of its texts
	SignalDBm    int       `json:"signal_dbm,omitempty"`     // -113 to -51; 0 unknown
	NetworkIsOld bool      `json:"network_is_old,omitempty"` // operator, registration and signal are the last known: its line is not open
	SMSC         string    `json:"smsc,omitempty"`
	Reports      bool      `json:"reports"` // status reports will come
	Sent         uint64    `json:"sent"`
	Refused      uint64    `json:"refused"`
	Uncertain    uint64    `json:"uncertain"`
	Received     uint64    `json:"received"` // texts from phones; status reports are not counted
	LastError    string    `json:"last_error,omitempty"`
	LastErrorAt  time.Time `json:"last_error_at,omitzero"`
	ErrorIsOld   bool      `json:"error_is_old,omitempty"` // the last error is of a time before the state
	StateWords   string    `json:"state_words"`            // "is ready", "has no network" ...
	Awaiting     time.Time `json:"awaiting,omitzero"`      // since when it has a text whose answer is waited for
	AwaitedUntil time.Time `json:"awaited_until,omitzero"` // until when it is
	Awaited      string    `json:"awaited,omitempty"`      // the same in a sentence, when that takes longer than usual
	Paused       bool      `json:"paused"`                 // by an operator
	Waiting      string    `json:"waiting,omitempty"`      // why it takes no work now, a sentence; "" if it does
}

// Ready tells whether it can send at this moment, or is sending.
func (m Modem) Ready() bool { return m.State == "ready" || m.State == "sending" }

// ModemDetail is all that is known of a modem.
type ModemDetail struct {
	Modem
	Device        string    `json:"device,omitempty"` // what the system knows of the port: the tty, its USB device
	Revision      string    `json:"revision,omitempty"`
	IMSI          string    `json:"imsi,omitempty"`
	SignalWord    string    `json:"signal_word,omitempty"`   // strong, good, fair, weak
	ReportsStored bool      `json:"reports_stored"`          // status reports come through the modem's memory
	Store         string    `json:"store,omitempty"`         // memory in which texts arrive
	KeepsLink     bool      `json:"keeps_link"`              // AT+CMMS: several texts over one link
	MemoryFull    string    `json:"memory_full,omitempty"`   // why nothing more can be received, a sentence
	Route         string    `json:"route"`                   // which messages it is for, in words
	SpillAfter    string    `json:"spill_after,omitempty"`   // out of work for so long, others help; "" never
	Spills        bool      `json:"spills"`                  // others help now
	Budget        []Budget  `json:"budget"`                  // one for each limit
	QuietHours    string    `json:"quiet_hours,omitempty"`   // "22:00-07:00"
	Quiet         bool      `json:"quiet"`                   // they are now
	PausedReason  string    `json:"paused_reason,omitempty"` //
	PausedAt      time.Time `json:"paused_at,omitzero"`      //
	BarredUntil   time.Time `json:"barred_until,omitzero"`   // the network does not let its SIM send
	Alarm         string    `json:"alarm,omitempty"`         // what somebody has to look after, in a sentence
	Opens         uint64    `json:"opens"`                   // how often the line was opened
	Unwell        time.Time `json:"unwell,omitzero"`         // since when something has to be done about it
	Ladder        []Climb   `json:"ladder"`                  // what was done since then
	Climbed       []Climb   `json:"climbed"`                 // what was done since the gateway's start
	Down          bool      `json:"down"`                    // out of work for so long that people are told
	DownCause     string    `json:"down_cause,omitempty"`    //
	Balance       *Balance  `json:"balance,omitempty"`       // nil: not watched
}

// Budget is how much of one limit of a SIM is used.
type Budget struct {
	Window string    `json:"window"` // minute, hour, day, month
	Used   int       `json:"used"`   // parts; different recipients in a month
	Limit  int       `json:"limit"`
	Resets time.Time `json:"resets"`
}

// Climb is something that was done to bring a modem back to work.
type Climb struct {
	Rung  string    `json:"rung"`
	Times uint64    `json:"times"`
	Last  time.Time `json:"last"`
	Cause string    `json:"cause"`
}

// Balance is the credit of a modem's SIM as it was read last.
type Balance struct {
	Amount  string    `json:"amount,omitempty"` // "12.34 EUR"; "" not known
	Text    string    `json:"text,omitempty"`   // what the network answered
	At      time.Time `json:"at,omitzero"`
	Limit   string    `json:"limit,omitempty"` // balance_low
	Low     bool      `json:"low"`
	Ignored bool      `json:"ignored"`        // low, and the modem works all the same
	Bare    bool      `json:"bare,omitempty"` // a number without currency and decimals, which is never low
	Trouble string    `json:"trouble,omitempty"`
}

// command asks for one line of AT commands.
type command struct {
	Command string `json:"command"`
}

// Answer is what a modem answered to a line of AT commands.
type Answer struct {
	Lines []string `json:"lines"`           // the final one last
	Error string   `json:"error,omitempty"` // why there is no final line
}

// OK tells whether the modem did what it was told.
func (a Answer) OK() bool {
	return a.Error == "" && len(a.Lines) > 0 && (a.Lines[len(a.Lines)-1] == "OK" || a.Lines[len(a.Lines)-1] == "0")
}

// ussdCode asks the network by a code.
type ussdCode struct {
	Code string `json:"code"`
}

// USSD is what a network answered to a code.
type USSD struct {
	Text string `json:"text"`
	More bool   `json:"more"` // it waits for an answer, for a minute
}

// pauseReason is for people.
type pauseReason struct {
	Reason string `json:"reason"`
}

// Ports are the ports of the gateway's machine on which modems may be.
type Ports struct {
	Ports  []Port  `json:"ports"`
	Sticks []Stick `json:"sticks"`
}

// Port is one of them.
type Port struct {
	Path         string `json:"path"` // the name that lasts longest
	Device       string `json:"device"`
	USB          string `json:"usb,omitempty"`  // "12d1:1001"
	Name         string `json:"name,omitempty"` // what the USB device calls itself
	Serial       string `json:"serial,omitempty"`
	Interface    int    `json:"interface"` // of USB; -1 none
	Driver       string `json:"driver,omitempty"`
	Modem        string `json:"modem,omitempty"` // of the gateway that uses it; then it is not probed
	ModemState   string `json:"modem_state,omitempty"`
	ModemOfStick string `json:"modem_of_stick,omitempty"` // of the gateway, at another port of the same stick
}

// Stick is a USB modem that shows no port.
type Stick struct {
	USB  string `json:"usb"`
	Name string `json:"name,omitempty"`
	What string `json:"what"` // a sentence
	Cure string `json:"cure"` // a sentence
}

// probePort asks for a look at a port.
type probePort struct {
	Port string `json:"port"`
	Baud int    `json:"baud,omitempty"`
}

// Probe is what a look at a port showed. What the modem did not say is left out.
type Probe struct {
	Port         string `json:"port"`
	AnswersAT    bool   `json:"answers_at"`
	SMS          bool   `json:"sms"` // it knows the commands for texts in PDU mode
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Revision     string `json:"revision,omitempty"`
	IMEI         string `json:"imei,omitempty"`
	Spec         string `json:"spec,omitempty"` // the port for a [[modem]] that finds it by its IMEI: "imei:490154203237518"
	ICCID        string `json:"iccid,omitempty"`
	IMSI         string `json:"imsi,omitempty"`
	SIM          string `json:"sim,omitempty"`       // in words
	WantsPIN     bool   `json:"wants_pin,omitempty"` //
	PINTries     int    `json:"pin_tries,omitempty"` // that are left
	Registration string `json:"registration,omitempty"`
	Registered   bool   `json:"registered"`
	Operator     string `json:"operator,omitempty"`
	SignalDBm    int    `json:"signal_dbm,omitempty"`
	SignalWord   string `json:"signal_word,omitempty"`
	SMSC         string `json:"smsc,omitempty"`
	Reports      bool   `json:"reports"`
	KeepsLink    bool   `json:"keeps_link"`
	Store        string `json:"store,omitempty"`
	StoreUsed    int    `json:"store_used,omitempty"`
	StoreRoom    int    `json:"store_room,omitempty"`
}

// Finding is one thing that the doctor found out.
type Finding struct {
	Severity string `json:"severity"` // ok, note, warn, fault
	About    string `json:"about"`    // "gateway", "modem sim1", "account shop" ...
	What     string `json:"what"`     // a sentence
	Cure     string `json:"cure,omitempty"`
}
